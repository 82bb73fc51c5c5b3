//! The dashboards: what each shows. Names of series are the exporter's, formulas the catalogue's.

use crate::panels::{Dashboard, Panel, bars, lines, stat, state_time_line, table, unjudged};
use crate::variables::{many, of_datasource, one, window};
use callpulse::entity::Kind;
use callpulse::fact::Standing;
use callpulse::kpi::catalogue::{definition, help};
use callpulse::serve::series::{gauge_of_count, gauge_of_kpi, gauge_of_sum, gauge_of_target};
use serde_json::{Value, json};

/// All of them, in the order they are listed.
pub fn all() -> Vec<Dashboard> {
    vec![queues_live(), one_queue(), agents(), targets(), callpulse_itself()]
}

const LIVE: &str = "callpulse-queues";
const QUEUE: &str = "callpulse-queue";
const ALERTS: &str = "callpulse-targets";
const RED: &str = "red";
const GREEN: &str = "green";
const ORANGE: &str = "orange";

/// The states of an agent, each with its colour.
const STATES: [(Standing, &str, &str); 5] = [
    (Standing::Available, "Available", "green"),
    (Standing::Ringing, "Ringing", "yellow"),
    (Standing::Handling, "Handling a call", "blue"),
    (Standing::Paused, "Paused", "dark-orange"),
    (Standing::OtherWork, "Other work", "purple"),
];

fn queues_live() -> Dashboard {
    let waiting = queues("acd_queue_waiting_calls", "now");
    let longest = queues(&kpi("longest_wait"), "now");
    let met = queues("acd_queue_service_level_met_calls", "$window");
    let counted = queues("acd_queue_service_level_counted_calls", "$window");
    let target = queues(&target("service_level"), "$window");
    let (answered, waits) = (queues(&count("answered"), "$window"), queues(&sum("wait_answered"), "$window"));
    let (abandoned, short) = (queues(&count("abandoned"), "$window"), queues(&count("short_abandoned"), "$window"));
    let flowed_out = queues(&count("flowed_out"), "$window");
    let offered = queues(&count("offered"), "$window");
    let sum_of = |of: &str| format!("sum({of})");
    let panels = vec![
        stat("Waiting", &about("Calls that wait now", "waiting"), "short", &sum_of(&waiting)),
        stat(
            "Waiting too long",
            "Calls that wait longer than the threshold of their queue's service level.",
            "short",
            &sum_of(&queues("acd_queue_over_threshold_waiting_calls", "now")),
        )
        .colours(GREEN, &[(1.0, RED)])
        .filled(),
        stat("Longest wait", &formula("longest_wait", "Of all queues chosen."), "s", &format!("max({longest})"))
            .default("noValue", json!("nobody waits")),
        stat(
            "Agents available",
            "Agents of the tenant who could take a call now.",
            "short",
            "max(acd_tenant_agents{tenant=\"$tenant\",window=\"now\",state=\"available\"})",
        ),
        stat(
            "Service level",
            &formula("service_level", "Of all queues chosen: calls met / calls counted."),
            "percentunit",
            &share(&sum_of(&met), &sum_of(&counted)),
        )
        .decimals(1),
        stat(
            "Against target",
            "Service level less its target, weighted by calls: below zero it is missed.",
            "percentunit",
            &format!("sum({met} - {target} * {counted}) / (sum({counted}) > 0)"),
        )
        .decimals(1)
        .colours(RED, &[(0.0, GREEN)])
        .filled(),
        stat(
            "Speed of answer",
            &formula("average_speed_of_answer", ""),
            "s",
            &share(&sum_of(&waits), &sum_of(&answered)),
        )
        .decimals(0),
        stat(
            "Abandonment",
            &formula("abandonment_rate", ""),
            "percentunit",
            &format!("sum({abandoned} - {short}) / (sum({answered} + {abandoned} + {flowed_out} - {short}) > 0)"),
        )
        .decimals(1),
        table("Queues", "A queue a row; its name leads to its own dashboard. Targets are those of the settings.")
            .size(21, 9)
            .column("", &titles("queue"), "none", &[])
            .column("Waiting", &waiting, "short", &[("custom.width", json!(85))])
            .column("Longest wait", &longest, "s", &[])
            .column(
                "Available",
                &queues_where("acd_queue_agents", "now", "state=\"available\""),
                "short",
                &[("custom.width", json!(95))],
            )
            .column(
                "Service level",
                &queues(&kpi("service_level"), "$window"),
                "percentunit",
                &[("decimals", json!(1))],
            )
            .column(
                "Against target",
                &format!("{} - {target}", queues(&kpi("service_level"), "$window")),
                "percentunit",
                &[&[("decimals", json!(1))], &thresholds(RED, 0.0, GREEN)[..]].concat(),
            )
            .column(
                "Speed of answer",
                &queues(&kpi("average_speed_of_answer"), "$window"),
                "s",
                &[("decimals", json!(0)), ("custom.width", json!(145))],
            )
            .column(
                "Abandonment",
                &queues(&kpi("abandonment_rate"), "$window"),
                "percentunit",
                &[("decimals", json!(1))],
            )
            .column("Offered", &offered, "short", &[("custom.width", json!(85))])
            .column("Answered", &answered, "short", &[("custom.width", json!(95))])
            .column("Abandoned", &abandoned, "short", &[("custom.width", json!(105))])
            .column("Targets missed", &missed("queue"), "short", &thresholds(GREEN, 1.0, RED))
            .joined(&[("title", "Queue")])
            .unseen("queue")
            .field(
                "Queue",
                &[
                    ("links", link(QUEUE, "Its own dashboard", "&var-queue=${__data.fields.queue:percentencode}")),
                    ("custom.width", json!(150)),
                ],
            )
            .option("sortBy", json!([{ "displayName": "Waiting", "desc": true }])),
        lines("Waiting", &about("Calls that wait, by queue", "waiting"), "short")
            .query(&named(&waiting, "queue"))
            .legend("{{title}}"),
        lines(
            "Service level",
            &formula("service_level", "The dashed line is the target, weighted by calls."),
            "percentunit",
        )
        .query(&named(&queues(&kpi("service_level"), "$window"), "queue"))
        .legend("{{title}}")
        .query(&format!("sum({target} * {counted}) / (sum({counted}) > 0)"))
        .legend("target")
        .default("max", json!(1))
        .default("min", json!(0))
        .field("target", &dashed()),
        lines("Volumes of the window", "What was offered, and what became of it, of all queues chosen.", "short")
            .query(&sum_of(&offered))
            .legend("offered")
            .query(&sum_of(&answered))
            .legend("answered")
            .query(&sum_of(&abandoned))
            .legend("abandoned")
            .query(&sum_of(&flowed_out))
            .legend("flowed out")
            .field("abandoned", &[("color", fixed(RED))])
            .field("answered", &[("color", fixed(GREEN))])
            .field("offered", &[("color", fixed("blue"))])
            .field("flowed out", &[("color", fixed(ORANGE))]),
        lines("Speed of answer", &formula("average_speed_of_answer", "By queue."), "s")
            .query(&named(&queues(&kpi("average_speed_of_answer"), "$window"), "queue"))
            .legend("{{title}}"),
    ];
    let alerts = stat(
        "Alerts firing",
        "Alerts of the tenant and of Callpulse itself that fire now; leads to them.",
        "short",
        &format!("sum({}) or vector(0)", firing("")),
    )
    .colours(GREEN, &[(1.0, RED)])
    .filled()
    .default("links", link(ALERTS, "Alerts", ""))
    .size(3, 9);
    let narrow = |panel: Panel| if panel.is("stat") { panel.size(3, 4) } else { panel };
    let mut panels: Vec<Panel> = panels.into_iter().map(narrow).collect();
    let beside_the_table = 1 + panels.iter().position(|panel| panel.is("table")).expect("a table");
    panels.insert(beside_the_table, alerts);
    Dashboard {
        uid: LIVE,
        title: "Callpulse: Queues live",
        about: "Who waits now, and how the queues do in a window",
        variables: vec![
            of_datasource(),
            one("tenant", "Tenant", "acd_queue_info", "tenant", "Whose queues"),
            many("queue", "Queue", "acd_queue_info{tenant=\"$tenant\"}", "queue", "Which queues"),
            window("acd_queue_offered_calls{tenant=\"$tenant\"}", "5m"),
        ],
        panels,
    }
}

fn one_queue() -> Dashboard {
    let of = |id: &str| queues(&kpi(id), "$window");
    let met = queues("acd_queue_service_level_met_calls", "$window");
    let counted = queues("acd_queue_service_level_counted_calls", "$window");
    let service_target = queues(&target("service_level"), "$window");
    let counts = |name: &str| queues(&count(name), "$window");
    let with_target = |title: &str, id: &str, unit: &'static str, more: &str| {
        stat(title, &formula(id, more), unit, &of(id)).red_above(&queues(&target(id), "$window"))
    };
    let red_above_target = "Red above its target in the settings.";
    let hours = format!("max by (weekday, hour) (acd_queue_offered_weekly_mean_calls{{{}}})", queue_labels("total"));
    let mut percentiles = lines(
        "Waits, percentiles",
        &formula("wait_p90", "Of the calls that left in the window; the others likewise."),
        "s",
    );
    for (id, legend) in [("wait_p50", "half of them"), ("wait_p90", "90 %"), ("wait_p95", "95 %"), ("wait_p99", "99 %")]
    {
        percentiles = percentiles.query(&of(id)).legend(legend);
    }
    let mut handling = lines("Handle time", &formula("average_handle_time", "Its parts: talk, hold, wrap-up."), "s");
    for (id, legend) in [
        ("average_handle_time", "handle time"),
        ("average_talk_time", "talk"),
        ("average_hold_time_all", "hold"),
        ("average_wrapup_time", "wrap-up"),
    ] {
        handling = handling.query(&of(id)).legend(legend);
    }
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let order: serde_json::Map<String, Value> = std::iter::once("hour\\weekday")
        .chain(days)
        .enumerate()
        .map(|(at, name)| (name.to_owned(), json!(at)))
        .collect();
    let capital = |name: &str| format!("{}{}", name[..1].to_uppercase(), &name[1..]);
    let mut shown: serde_json::Map<String, Value> =
        days.iter().map(|day| ((*day).to_owned(), json!(capital(day)))).collect();
    shown.insert("hour\\weekday".into(), json!("Hour"));
    let week = table(
        "Offered by hour and weekday",
        "Calls offered in an hour of the week: the mean of up to eight whole weeks, by the local clock.",
    )
    .size(12, 26)
    .rows(&hours)
    .transformation("sortBy", json!({ "fields": {}, "sort": [{ "field": "hour" }] }))
    .transformation(
        "groupingToMatrix",
        json!({ "columnField": "weekday", "rowField": "hour", "valueField": "Value", "emptyValue": "zero" }),
    )
    .transformation(
        "organize",
        json!({ "excludeByName": {}, "indexByName": order, "renameByName": shown, "includeByName": {} }),
    )
    .default("color", json!({ "mode": "continuous-BlPu" }))
    .default("min", json!(0))
    .default("noValue", json!("no whole week yet"))
    .decimals(1)
    .custom("align", json!("center"))
    .custom("cellOptions", json!({ "type": "color-background", "mode": "basic" }))
    .field(
        "Hour",
        &[("custom.cellOptions", json!({ "type": "auto" })), ("custom.width", json!(60)), ("unit", json!("string"))],
    );
    let panels = vec![
        stat("Waiting", &about("Calls that wait now", "waiting"), "short", &queues("acd_queue_waiting_calls", "now"))
            .size(3, 4),
        stat(
            "Longest wait",
            &formula("longest_wait", "Red above the threshold of the service level."),
            "s",
            &queues(&kpi("longest_wait"), "now"),
        )
        .default("noValue", json!("nobody waits"))
        .red_above(&queues("acd_queue_service_level_threshold_seconds", "$window"))
        .size(3, 4),
        stat("Expected wait", &formula("expected_wait", ""), "s", &queues(&kpi("expected_wait"), "now"))
            .decimals(0)
            .size(3, 4),
        stat(
            "Agents available",
            "Agents who work for the queue and are available now.",
            "short",
            &queues_where("acd_queue_agents", "now", "state=\"available\""),
        )
        .size(3, 4),
        stat("Service level", &formula("service_level", ""), "percentunit", &of("service_level"))
            .decimals(1)
            .size(3, 4),
        stat(
            "Against target",
            "Service level less its target: below zero it is missed.",
            "percentunit",
            &format!("{} - {service_target}", of("service_level")),
        )
        .decimals(1)
        .colours(RED, &[(0.0, GREEN)])
        .filled()
        .size(3, 4),
        with_target("Speed of answer", "average_speed_of_answer", "s", red_above_target).decimals(0).size(3, 4),
        with_target("Abandonment", "abandonment_rate", "percentunit", red_above_target).decimals(1).size(3, 4),
        lines("Service level", &formula("service_level", "The dashed line is the target."), "percentunit")
            .query(&of("service_level"))
            .legend("service level")
            .query(&service_target)
            .legend("target")
            .default("min", json!(0))
            .default("max", json!(1))
            .field("target", &dashed()),
        lines("Volumes of the window", "What was offered, and what became of it.", "short")
            .query(&counts("offered"))
            .legend("offered")
            .query(&counts("answered"))
            .legend("answered")
            .query(&counts("abandoned"))
            .legend("abandoned")
            .query(&counts("flowed_out"))
            .legend("flowed out")
            .field("abandoned", &[("color", fixed(RED))])
            .field("answered", &[("color", fixed(GREEN))])
            .field("offered", &[("color", fixed("blue"))])
            .field("flowed out", &[("color", fixed(ORANGE))]),
        percentiles,
        lines("Waiting and connected", "Calls in the queue and with its agents, now.", "short")
            .query(&queues("acd_queue_waiting_calls", "now"))
            .legend("waiting")
            .query(&queues("acd_queue_talking_calls", "now"))
            .legend("talking")
            .query(&queues("acd_queue_on_hold_calls", "now"))
            .legend("on hold")
            .query(&queues("acd_queue_in_wrapup_calls", "now"))
            .legend("wrap-up"),
        handling,
        lines("Misses", "Calls that the service level counts and that did not meet it, in the window.", "short")
            .query(&format!("{counted} - {met}"))
            .legend("missed")
            .query(&format!("{counted} * (1 - {service_target})"))
            .legend("allowed by the target")
            .field("allowed by the target", &dashed()),
        bars(
            "How long answered calls waited",
            "Calls answered in the time shown, by the upper edge of their wait, from the counters.",
            "short",
            &format!("sum by (le) (increase(acd_queue_wait_seconds_bucket{{{}}}[$__range]))", queue_labels("")),
            "up to {{le}} s",
        )
        .buckets()
        .transformation("renameByRegex", json!({ "regex": "^up to \\+Inf s$", "renamePattern": "longer" }))
        .transformation("renameByRegex", json!({ "regex": "^(.*)\\.0 s$", "renamePattern": "$1 s" }))
        .decimals(0)
        .default("color", fixed("blue"))
        .size(12, 15),
        week,
        bars(
            "Left without an answer, by reason",
            &format!("{} Since the beginning, whatever the window.", about("Calls that flowed out", "flowed_out")),
            "short",
            &format!("sort_desc(max by (reason) (acd_queue_flowed_out_by_reason_calls{{{}}}))", queue_labels("total")),
            "{{reason}}",
        )
        .default("color", fixed(ORANGE))
        .size(12, 11),
    ];
    Dashboard {
        uid: QUEUE,
        title: "Callpulse: One queue",
        about: "Everything about one queue: waits and their distribution, volumes, what left it, its week",
        variables: vec![
            of_datasource(),
            one("tenant", "Tenant", "acd_queue_info", "tenant", "Whose queue"),
            one("queue", "Queue", "acd_queue_info{tenant=\"$tenant\"}", "queue", "Which queue"),
            window("acd_queue_offered_calls{tenant=\"$tenant\",queue=\"$queue\"}", "30m"),
        ],
        panels: panels.into_iter().map(|panel| panel.of_one("queue")).collect(),
    }
}

fn agents() -> Dashboard {
    let of = |id: &str| agents_of(&gauge_of_kpi(Kind::Agent, id, unit(id)), "$window");
    let logged_in =
        |state: &str| format!("sum(max by (agent, state) (acd_agent_agents{{{}{state}}}))", agent_labels("now"));
    let handled = agents_of(&gauge_of_count(Kind::Agent, "handled"), "$window");
    let share_of = |above: &str, below: &[&str]| {
        let sums = |names: &[&str]| {
            let sums =
                names.iter().map(|name| format!("sum({})", agents_of(&gauge_of_sum(Kind::Agent, name), "$window")));
            sums.collect::<Vec<_>>().join(" + ")
        };
        format!("{} / ({} > 0)", sums(&[above]), sums(below))
    };
    let states: Vec<String> = STATES
        .iter()
        .enumerate()
        .map(|(at, (standing, ..))| {
            let labels = format!("{},state=\"{}\"", agent_labels("now"), standing.word());
            format!("(max by (agent) (acd_agent_agents{{{labels}}}) == 1) * {}", at + 1)
        })
        .collect();
    let states = states.join(" or ");
    let mut mapping = serde_json::Map::new();
    for (at, (_, text, colour)) in STATES.iter().enumerate() {
        mapping.insert((at + 1).to_string(), json!({ "index": at, "text": text, "color": colour }));
    }
    let mapping = json!([{ "type": "value", "options": mapping }]);
    let mut by_state = lines("Agents by state", "Agents who are logged in, by what they do.", "short")
        .custom("stacking", json!({ "group": "A", "mode": "normal" }))
        .custom("fillOpacity", json!(60))
        .custom("lineWidth", json!(0));
    for (standing, text, colour) in STATES {
        let state = format!(",state=\"{}\"", standing.word());
        by_state = by_state.query(&logged_in(&state)).legend(text).field(text, &[("color", fixed(colour))]);
    }
    let mean =
        |name: &str| format!("sum({}) / (sum({handled}) > 0)", agents_of(&gauge_of_sum(Kind::Agent, name), "$window"));
    let mut parts =
        lines("Handle time and its parts", &formula("average_handle_time_all", "Of all agents chosen."), "s")
            .custom("stacking", json!({ "group": "A", "mode": "normal" }))
            .custom("fillOpacity", json!(40));
    for (sum, legend) in [("talk", "talk"), ("hold", "hold"), ("wrapup", "wrap-up")] {
        parts = parts.query(&mean(sum)).legend(legend);
    }
    let panels = vec![
        stat("Logged in", "Agents who are logged in now.", "short", &logged_in("")),
        stat("Available", "Agents who could take a call now.", "short", &logged_in(",state=\"available\""))
            .colours(RED, &[(1.0, GREEN)]),
        stat("Handling a call", "Agents in talk, hold or wrap-up now.", "short", &logged_in(",state=\"handling\"")),
        stat("Paused", "Agents who are paused now.", "short", &logged_in(",state=\"paused\"")),
        stat(
            "Occupancy",
            &formula("occupancy", "Of all agents chosen."),
            "percentunit",
            &share_of("handling", &["handling", "state_available"]),
        )
        .decimals(1),
        stat(
            "Handle time",
            &formula("average_handle_time_all", "Of all agents chosen."),
            "dthms",
            &format!(
                "({}) / (sum({handled}) > 0)",
                ["talk", "hold", "wrapup"]
                    .map(|name| format!("sum({})", agents_of(&gauge_of_sum(Kind::Agent, name), "$window")))
                    .join(" + ")
            ),
        )
        .decimals(0),
        state_time_line(
            "What agents do",
            "The state of each agent; nothing where the agent is logged out.",
            &named(&states, "agent"),
            "{{title}}",
        )
        .default("mappings", mapping.clone())
        .size(24, 12),
        table("Agents", "An agent a row. Means of few calls say little: Handled says of how many.")
            .size(24, 11)
            .column("", &titles("agent"), "none", &[])
            .column(
                "State",
                &states,
                "none",
                &[("mappings", mapping), ("custom.cellOptions", json!({ "type": "color-text" }))],
            )
            .column("Handled", &handled, "short", &[])
            .column("Handle time", &of("average_handle_time_all"), "dthms", &[])
            .column("Talk time", &of("average_talk_time"), "dthms", &[])
            .column("Wrap-up", &of("average_wrapup_time"), "dthms", &[])
            .column(
                "Occupancy",
                &of("occupancy"),
                "percentunit",
                &[
                    ("decimals", json!(0)),
                    ("max", json!(1)),
                    ("min", json!(0)),
                    ("custom.cellOptions", json!({ "type": "gauge", "mode": "basic", "valueDisplayMode": "text" })),
                    ("color", fixed("blue")),
                ],
            )
            .column("Calls an hour", &of("contacts_per_hour"), "short", &[("decimals", json!(1))])
            .column("Offers answered", &of("agent_answer_rate"), "percentunit", &[("decimals", json!(0))])
            .column("Logged in", &of("login_time"), "dthms", &[])
            .joined(&[("title", "Agent")])
            .unseen("agent")
            .field("Agent", &[("custom.width", json!(180))])
            .option("sortBy", json!([{ "displayName": "Handled", "desc": true }])),
        by_state,
        parts,
    ];
    Dashboard {
        uid: "callpulse-agents",
        title: "Callpulse: Agents",
        about: "What agents do now, and what came of it in a window",
        variables: vec![
            of_datasource(),
            one("tenant", "Tenant", "acd_agent_info", "tenant", "Whose agents"),
            many("agent", "Agent", "acd_agent_info{tenant=\"$tenant\"}", "agent", "Which agents"),
            window("acd_agent_handled_calls{tenant=\"$tenant\"}", "30m"),
        ],
        panels,
    }
}

fn targets() -> Dashboard {
    let met = queues("acd_queue_service_level_met_calls", "$window");
    let counted = queues("acd_queue_service_level_counted_calls", "$window");
    let target = queues(&target("service_level"), "$window");
    let level = queues(&kpi("service_level"), "$window");
    let allowed = format!("{counted} * (1 - {target})");
    let each = format!("max by (queue, kpi) (acd_queue_target_met{{{}}})", queue_labels("$window"));
    let used = format!("({counted} - {met}) / ({allowed} > 0)");
    let mapping = json!([{ "type": "value", "options": {
        "0": { "index": 0, "text": "missed", "color": RED }, "1": { "index": 1, "text": "met", "color": GREEN } } }]);
    let now = |severity: &str| format!("sum({}) or vector(0)", firing(&format!("severity=\"{severity}\"")));
    let panels = vec![
        stat("Critical alerts", "Alerts of the tenant and of Callpulse itself that fire now and are critical.", "short", &now("critical")).colours(GREEN, &[(1.0, RED)]).filled().size(4, 4),
        stat("Warnings", "Alerts that fire now and are warnings.", "short", &now("warning")).colours(GREEN, &[(1.0, ORANGE)]).filled().size(4, 4),
        table("Alerts firing", "How many alerts of each rule fire now. Which entities they are of, the wallboard and the topic of alerts tell: a label of entities would make series without bound.")
            .size(16, 8)
            .rows(&format!("sort_desc({} > 0)", firing("")))
            .transformation("organize", json!({ "excludeByName": { "Time": true }, "includeByName": {},
                "indexByName": { "rule": 0, "severity": 1, "tenant": 2, "Value": 3 },
                "renameByName": { "rule": "Rule", "severity": "Severity", "tenant": "Tenant", "Value": "Firing" } }))
            .field("Firing", &[("unit", json!("short"))])
            .field("Severity", &[("mappings", json!([{ "type": "value", "options": {
                "critical": { "index": 0, "text": "critical", "color": RED },
                "warning": { "index": 1, "text": "warning", "color": ORANGE },
                "info": { "index": 2, "text": "info", "color": "blue" } } }])), ("custom.cellOptions", coloured())])
            .default("noValue", json!("no alert fires")),
        lines("Alerts over time", "How many alerts fire, by rule.", "short")
            .size(8, 4)
            .query(&format!("sum by (rule) ({})", firing(""))).legend("{{rule}}")
            .default("decimals", json!(0)),
        stat("Targets missed", "Targets of all queues chosen that are missed now.", "short", &format!("sum(1 - {each})")).colours(GREEN, &[(1.0, RED)]).filled().size(6, 4),
        stat("Targets kept", "Targets of all queues chosen that are met now.", "short", &format!("sum({each})")).size(6, 4),
        stat("Misses", "Calls that the service level counts and that did not meet it.", "short", &format!("sum({counted} - {met})")).size(6, 4),
        stat("Of the misses allowed", "Misses / misses that the targets allow: calls counted * (1 - target). Above 100 % the service level is below its target.", "percentunit", &format!("sum({counted} - {met}) / (sum({allowed}) > 0)"))
            .decimals(0).colours(GREEN, &[(0.8, ORANGE), (1.0, RED)]).filled().size(6, 4),
        table("Service level by queue", &formula("service_level", "Misses allowed are calls counted * (1 - target)."))
            .size(14, 10)
            .column("", &titles("queue"), "none", &[])
            .column("Service level", &level, "percentunit", &[("decimals", json!(1))])
            .column("Target", &target, "percentunit", &[("decimals", json!(0)), ("custom.width", json!(80))])
            .column("Within", &queues("acd_queue_service_level_threshold_seconds", "$window"), "s", &[("custom.width", json!(80))])
            .column("Against target", &format!("{level} - {target}"), "percentunit", &[&[("decimals", json!(1)), ("custom.width", json!(140))], &thresholds(RED, 0.0, GREEN)[..]].concat())
            .column("Calls", &counted, "short", &[("custom.width", json!(80))])
            .column("Misses", &format!("{counted} - {met}"), "short", &[("custom.width", json!(85))])
            .column("Allowed", &allowed, "short", &[("decimals", json!(1)), ("custom.width", json!(90))])
            .joined(&[("title", "Queue")])
            .unseen("queue")
            .field("Queue", &[("links", link(QUEUE, "Its own dashboard", "&var-queue=${__data.fields.queue:percentencode}")), ("custom.width", json!(170))])
            .option("sortBy", json!([{ "displayName": "Against target", "desc": false }])),
        table("Every target", "Each target of the settings, missed ones first.")
            .size(10, 10)
            .default("noValue", json!("no target has a value"))
            .rows(&format!("sort({})", named(&each, "queue")))
            .transformation("organize", json!({ "excludeByName": { "Time": true, "queue": true }, "includeByName": {},
                "indexByName": { "title": 0, "kpi": 1, "Value": 2 }, "renameByName": { "title": "Queue", "kpi": "KPI", "Value": "Now" } }))
            .field("Now", &[("mappings", mapping), ("custom.cellOptions", coloured()), ("unit", json!("short"))]),
        lines("Targets missed", "How many queues miss a target, by KPI.", "short")
            .query(&format!("sum by (kpi) (1 - {each})")).legend("{{kpi}}")
                        .default("decimals", json!(0)),
        lines("Share of the misses allowed", "Misses / misses that the target allows, by queue; above 100 % the service level is below its target.", "percentunit")
            .query(&named(&used, "queue")).legend("{{title}}")
            .default("thresholds", json!({ "mode": "absolute", "steps": [{ "color": "transparent", "value": null }, { "color": RED, "value": 1 }] }))
            .custom("thresholdsStyle", json!({ "mode": "dashed" })),
    ];
    Dashboard {
        uid: "callpulse-targets",
        title: "Callpulse: Service level and alerts",
        about: "What fires, and where the targets of the settings are met and where not",
        variables: vec![
            of_datasource(),
            one("tenant", "Tenant", "acd_queue_info", "tenant", "Whose queues"),
            many("queue", "Queue", "acd_queue_info{tenant=\"$tenant\"}", "queue", "Which queues"),
            window("acd_queue_offered_calls{tenant=\"$tenant\"}", "30m"),
        ],
        panels,
    }
}

fn callpulse_itself() -> Dashboard {
    const OF: &str = "job=~\"$job\",instance=~\"$instance\"";
    let rate = |by: &str, name: &str| format!("sum by ({by}) (rate({name}{{{OF}}}[$__rate_interval]))");
    let held = |name: &str| format!("sum({name}{{{OF}}})");
    let p99 = format!(
        "histogram_quantile(0.99, sum by (stage, le) (rate(callpulse_commit_seconds_bucket{{{OF}}}[$__rate_interval])))"
    );
    let mean = format!(
        "sum by (stage) (callpulse_restore_seconds_sum{{{OF}}}) / (sum by (stage) (callpulse_restore_seconds_count{{{OF}}}) > 0)"
    );
    let panels = vec![
        stat("Behind", "How far event time is behind the clock, the worst partition. What is shown elsewhere is complete up to then.", "s", &format!("max(callpulse_behind_seconds{{{OF}}})"))
            .decimals(1).colours(GREEN, &[(10.0, ORANGE), (60.0, RED)]).filled(),
        stat("Lag", "Records between what was read and the end of the inputs, all stages.", "short", &held("callpulse_behind_records")),
        stat("Instances", "Instances that Prometheus reaches.", "short", &format!("sum(up{{{OF}}})")).colours(RED, &[(1.0, GREEN)]),
        stat("Rejects", "Records that could not be used, in the time shown.", "short", &format!("sum(increase(callpulse_rejects_total{{{OF}}}[$__range]))")).decimals(0).colours(GREEN, &[(1.0, ORANGE)]),
        stat("Silent sources", "Topics without a record for longer than their silent_after.", "short", &format!("sum(max by (topic) (callpulse_source_silent{{{OF}}}))")).colours(GREEN, &[(1.0, RED)]).default("noValue", json!("none is watched")),
        stat("Memory", "Memory held, the largest instance.", "bytes", &format!("max(process_resident_memory_bytes{{{OF}}})")).decimals(0),
        lines("Behind", "How far event time is behind the clock, by partition.", "s").query(&format!("max by (partition) (callpulse_behind_seconds{{{OF}}})")).legend("partition {{partition}}"),
        lines("Lag", "Records between what a stage read and the end of its inputs.", "short").query(&format!("sum by (stage) (callpulse_behind_records{{{OF}}})")).legend("{{stage}}"),
        lines("Events", "What became of events; those that had been read before are repeated.", "eps").query(&rate("fate", "callpulse_events_total")).legend("{{fate}}"),
        lines("Rejects", "Records that could not be used, by reason; late ones came after the horizon.", "eps").query(&rate("reason", "callpulse_rejects_total")).legend("{{reason}}")
            .custom("axisSoftMax", json!(1))
            .option("legend", json!({ "calcs": [], "displayMode": "list", "placement": "right", "showLegend": true })),
        lines("Commits", "Transactions committed, by stage.", "ops").query(&rate("stage", "callpulse_commits_total")).legend("{{stage}}"),
        lines("Length of commits, 99 %", "99 of 100 commits took at most so long.", "s").query(&p99).legend("{{stage}}"),
        lines("Records out", "Records written, state left out.", "recps").query(&rate("stage", "callpulse_records_written_total")).legend("{{stage}}"),
        lines("State written", "Entries of state written.", "wps").query(&rate("stage", "callpulse_state_entries_written_total")).legend("{{stage}}"),
        lines("Held", "What is kept in memory.", "short")
            .query(&held("callpulse_calls")).legend("calls")
            .query(&held("callpulse_agents")).legend("agents")
            .query(&held("callpulse_entities")).legend("entities")
            .query(&format!("max(callpulse_board_records{{{OF}}})")).legend("records on the board"),
        lines("Memory and CPU", "Memory held, and CPU seconds a second, by instance.", "bytes")
            .query(&format!("process_resident_memory_bytes{{{OF}}}")).legend("{{instance}} memory")
            .query(&format!("sum by (instance) (rate(process_cpu_seconds_total{{{OF}}}[$__rate_interval]))")).legend("{{instance}} CPU")
            .field_matching("/CPU$/", &[("unit", json!("percentunit")), ("custom.axisPlacement", json!("right"))]),
        lines("Sources: complete up to, ago", "How long ago the instant lies up to which a partition of a source is complete.", "s")
            .query(&format!("time() - max by (topic, partition) (callpulse_mark_timestamp_seconds{{{OF}}})")).legend("{{topic}} {{partition}}"),
        lines("What sources left out", "Visits whose entry was not told, calls and agents of whom nothing more was heard.", "eps")
            .query(&format!("sum(rate(callpulse_visits_implied_total{{{OF}}}[$__rate_interval]))")).legend("entries")
            .query(&format!("sum(rate(callpulse_calls_lost_total{{{OF}}}[$__rate_interval]))")).legend("calls")
            .query(&format!("sum(rate(callpulse_agent_states_lost_total{{{OF}}}[$__rate_interval]))")).legend("states of agents")
            .custom("axisSoftMax", json!(1)),
        bars("Starts anew", "How often a worker dropped its state and started from the log.", "short", &format!("sum by (stage) (callpulse_worker_restarts_total{{{OF}}})"), "{{stage}}").colours(GREEN, &[(1.0, ORANGE)]).size(8, 5),
        bars("Aborted transactions", "Transactions that were aborted and tried again.", "short", &format!("sum by (stage) (callpulse_transaction_aborts_total{{{OF}}})"), "{{stage}}").colours(GREEN, &[(1.0, ORANGE)]).size(8, 5),
        bars("Time to restore", "Mean time to read the state of an input back.", "s", &mean, "{{stage}}").default("color", fixed("blue")).size(8, 5),
    ];
    Dashboard {
        uid: "callpulse-itself",
        title: "Callpulse: Callpulse itself",
        about: "Whether the numbers on the other dashboards can be trusted: how fresh, how complete, at what cost",
        variables: vec![
            of_datasource(),
            many("job", "Job", "callpulse_build_info", "job", "Jobs of Prometheus that scrape Callpulse"),
            many("instance", "Instance", "callpulse_build_info{job=~\"$job\"}", "instance", "Instances of Callpulse"),
        ],
        panels,
    }
}

// ---- queries ----

fn unit(id: &str) -> &'static str {
    definition(id).unwrap_or_else(|| panic!("no KPI {id}")).unit
}

fn kpi(id: &str) -> String {
    gauge_of_kpi(Kind::Queue, id, unit(id))
}

fn target(id: &str) -> String {
    gauge_of_target(Kind::Queue, id, unit(id))
}

fn count(name: &str) -> String {
    assert!(help(name).is_some(), "no count {name}");
    gauge_of_count(Kind::Queue, name)
}

fn sum(name: &str) -> String {
    assert!(help(name).is_some(), "no sum {name}");
    gauge_of_sum(Kind::Queue, name)
}

/// The labels of the queues chosen, in a window; of counters, which have none, without one.
fn queue_labels(window: &str) -> String {
    match window {
        "" => "tenant=\"$tenant\",queue=~\"$queue\"".to_owned(),
        window => format!("tenant=\"$tenant\",queue=~\"$queue\",window=\"{window}\""),
    }
}

/// A gauge by queue: an entity moves between instances, so that what tells those apart is left out.
fn queues(name: &str, window: &str) -> String {
    format!("max by (queue) ({name}{{{}}})", queue_labels(window))
}

fn queues_where(name: &str, window: &str, labels: &str) -> String {
    format!("max by (queue) ({name}{{{},{labels}}})", queue_labels(window))
}

fn agent_labels(window: &str) -> String {
    format!("tenant=\"$tenant\",agent=~\"$agent\",window=\"{window}\"")
}

fn agents_of(name: &str, window: &str) -> String {
    format!("max by (agent) ({name}{{{}}})", agent_labels(window))
}

/// How many alerts fire by rule and severity, of the tenant chosen and of Callpulse itself, but for the one that always
/// fires.
fn firing(labels: &str) -> String {
    let more = if labels.is_empty() { String::new() } else { format!(",{labels}") };
    let of = |tenant: &str| format!("callpulse_alerts_firing{{tenant=\"{tenant}\",rule!=\"watchdog\"{more}}}");
    format!("sum by (rule, severity, tenant) ({} or {})", of("$tenant"), of("callpulse"))
}

/// Titles of what is chosen.
fn titles(kind: &str) -> String {
    format!("max by ({kind}, title) (acd_{kind}_info{{tenant=\"$tenant\",{kind}=~\"${kind}\"}})")
}

/// What a query says, with titles.
fn named(query: &str, kind: &str) -> String {
    format!("({query}) * on ({kind}) group_left (title) {}", titles(kind))
}

/// One sum over another; nothing where there is nothing to divide by.
fn share(above: &str, below: &str) -> String {
    format!("{above} / ({below} > 0)")
}

fn missed(kind: &str) -> String {
    format!("sum by ({kind}) (1 - max by ({kind}, kpi) (acd_{kind}_target_met{{{}}}))", queue_labels("$window"))
}

// ---- texts and colours ----

/// What a KPI is, by the catalogue.
fn formula(id: &str, more: &str) -> String {
    let kpi = definition(id).unwrap_or_else(|| panic!("no KPI {id}"));
    let note = if kpi.note.is_empty() { String::new() } else { format!(" ({})", kpi.note) };
    format!("`{id}` = {}{note}. {more}", kpi.formula).trim_end().to_owned()
}

/// What a count is, by the catalogue where it stands there.
fn about(what: &str, name: &str) -> String {
    help(name).map_or_else(|| format!("{what}."), |note| format!("{what}. `{name}`: {note}."))
}

fn fixed(colour: &str) -> Value {
    json!({ "mode": "fixed", "fixedColor": colour })
}

fn coloured() -> Value {
    json!({ "type": "color-background", "mode": "basic" })
}

/// A column's colours: a base, and another one from a value on.
fn thresholds(base: &str, from: f64, colour: &str) -> Vec<(&'static str, Value)> {
    let steps = json!([{ "color": base, "value": null }, { "color": colour, "value": from }]);
    vec![
        ("thresholds", json!({ "mode": "absolute", "steps": steps })),
        ("color", json!({ "mode": "thresholds" })),
        ("custom.cellOptions", coloured()),
        ("mappings", unjudged("transparent")),
    ]
}

fn dashed() -> Vec<(&'static str, Value)> {
    vec![
        ("color", fixed("text")),
        ("custom.lineStyle", json!({ "fill": "dash", "dash": [8, 8] })),
        ("custom.fillOpacity", json!(0)),
        ("custom.lineWidth", json!(1)),
    ]
}

/// To another dashboard, with the time and the variables of this one.
fn link(uid: &str, title: &str, more: &str) -> Value {
    let url = format!(
        "/d/{uid}?${{__url_time_range}}&${{datasource:queryparam}}&${{tenant:queryparam}}&${{window:queryparam}}{more}"
    );
    json!([{ "title": title, "url": url, "targetBlank": false }])
}
