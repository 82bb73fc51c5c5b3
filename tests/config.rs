//! Settings: the manual is complete and true, every fault is told at its place, secrets stay secret.

use callpulse::calendar::Length;
use callpulse::config::fault::Fault;
use callpulse::config::settings::Settings;
use callpulse::config::{self, ConfigError, DEMO, Loaded, MANUAL};
use callpulse::decode::format::Format;
use callpulse::entity::Kind;
use callpulse::kpi::settings::Formula;
use callpulse::stream::outlet::{Form, RecordFormat, SchemaIds};
use callpulse::time::{EventTime, Span};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

#[path = "config/alerts.rs"]
mod alerts;
#[path = "config/notify.rs"]
mod notify;
#[path = "support/schema.rs"]
mod schemas;

fn env(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(text: &str) -> Result<Loaded, Vec<Fault>> {
    config::read(
        text,
        &env(&[
            ("CALLPULSE_TOKEN", "t0ken-of-16-signs"),
            ("KAFKA_PASSWORD", "passw0rd"),
            ("ALERTS_TOKEN", "t0ken"),
            ("ALERTS_SECRET", "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"),
            ("SMTP_PASSWORD", "s3cr3t"),
            ("SLACK_URL", "https://hooks.example.com/s3cr3t"),
        ]),
    )
}

#[track_caller]
fn settings(text: &str) -> Settings {
    read(text).unwrap_or_else(|faults| panic!("{text}\n{}", told(&faults))).settings
}

fn told(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

/// The text has exactly this fault.
#[track_caller]
fn check(text: &str, fault: &str) {
    let faults = read(text).expect_err(text);
    assert_eq!(told(&faults), format!("{fault}\n"), "{text}");
}

/// The manual with its examples put to use.
fn manual_in_use() -> Table {
    let lines = MANUAL.lines().map(|line| match line.strip_prefix('#') {
        Some(example) if !example.is_empty() && !example.starts_with(' ') => example,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n").parse().expect("the examples of the manual are TOML")
}

fn text_of(document: &Value) -> String {
    toml::to_string(document).expect("a document can be written")
}

/// Everything a settings value shows of itself, and the week, which a zone's name does not tell.
fn shown(settings: &Settings) -> String {
    let week = |zone: &callpulse::calendar::Zone| zone.interval(Length::Week, EventTime(1_772_000_000_000));
    let weeks: Vec<_> = settings.kpi.tenants.values().chain([&settings.kpi.zone]).map(week).collect();
    format!("{settings:?} {weeks:?}")
}

// ---- the manual ----

#[test]
fn the_defaults_are_those_of_the_contract() {
    let loaded = read("").unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let settings = loaded.settings;
    assert_eq!(settings.engine.calls_commit_every, Span(100));
    assert_eq!(settings.engine.kpis_commit_every, Span(20));
    assert_eq!(settings.engine.emit_every, Span(250));
    assert_eq!(settings.engine.allowed_disorder, Span::from_secs(2));
    assert_eq!(settings.plan.allowed_skew, Span::from_secs(30));
    assert_eq!(settings.plan.late_horizon, Span::from_hours(24));
    assert_eq!(settings.keep_intervals, Span::from_hours(400 * 24));
    assert_eq!(
        settings.kpi.sliding,
        [("5m".to_owned(), Span::from_secs(300)), ("30m".to_owned(), Span::from_secs(1800))]
    );
    let names: Vec<&str> = settings.kpi.intervals.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["per_15m", "per_30m", "per_1h", "per_1d", "per_1w", "per_1mo"]);
    assert_eq!(settings.kpi.intervals[3].1, Length::DAY);
    assert_eq!(settings.kpi.intervals[5].1, Length::Month);
    assert_eq!(format!("{:?}", settings.kpi.zone), "UTC");
    let level = settings.kpi.service_level;
    assert_eq!((level.threshold_s, level.target, level.short_abandon_s), (20, 0.8, 5));
    assert_eq!((level.formula, level.met_at_threshold), (Formula::ExcludeShortAbandons, true));
    assert_eq!((settings.sources.len(), settings.sources[0].format), (1, Format::Json.into()));
    assert_eq!(settings.serve.token, None);
    assert_eq!(settings.serve.metrics_kinds, [Kind::Queue, Kind::Agent, Kind::Team, Kind::Tenant]);
    assert!(settings.serve.metrics_windows.is_empty());
    assert_eq!(settings.serve.metrics_series_max, 200_000);
    assert!(settings.serve.listen.ip().is_loopback());
}

#[test]
fn the_demo_loads_and_names_the_simulated_centre() {
    let loaded = read(DEMO).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let kpi = loaded.settings.kpi;
    assert_eq!(kpi.queues.keys().collect::<Vec<_>>(), ["billing", "sales", "support", "vip"]);
    assert!((1..=24).all(|agent| kpi.agents.contains_key(&format!("agent-{agent:02}"))));
    let teams: Vec<_> = loaded.settings.plan.teams.iter().map(|team| team.name.as_str()).collect();
    assert_eq!(teams, ["care", "front"]);
}

#[test]
fn the_examples_of_the_manual_can_be_used() {
    let loaded = read(&text_of(&Value::Table(manual_in_use()))).unwrap_or_else(|faults| panic!("{}", told(&faults)));
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn the_manual_holds_every_key_that_is_not_only_promised() {
    fn lay_over(under: &mut Table, over: &Table) {
        for (key, value) in over {
            match (under.get_mut(key), value) {
                (Some(Value::Table(under)), Value::Table(over)) => lay_over(under, over),
                _ => drop(under.insert(key.clone(), value.clone())),
            }
        }
    }
    fn walk(schema: &serde_json::Value, document: Option<&Value>, place: &str) {
        if schema["description"].as_str().is_some_and(|about| about.starts_with("Understood, not used")) {
            assert!(document.is_none(), "{place} is not used and stands in the manual");
            return;
        }
        let document = document.unwrap_or_else(|| panic!("{place} is missing in the manual"));
        for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
            walk(schema, document.get(key), &format!("{place}.{key}"));
        }
        if schema["additionalProperties"].is_object() && schema["additionalProperties"]["properties"].is_object() {
            let (name, value) = document.as_table().and_then(|table| table.iter().next()).expect(place);
            walk(&schema["additionalProperties"], Some(value), &format!("{place}.{name}"));
        }
        if schema["items"]["properties"].is_object() {
            // Of several examples each shows some of the keys.
            let mut together = Table::new();
            for item in document.as_array().expect(place).iter().filter_map(Value::as_table) {
                lay_over(&mut together, item);
            }
            walk(&schema["items"], Some(&Value::Table(together)), &format!("{place}[]"));
        }
    }
    walk(&config::schema(), Some(&Value::Table(manual_in_use())), "");
}

#[test]
fn every_value_of_the_manual_changes_the_settings() {
    let manual = Value::Table(manual_in_use());
    let before = shown(&settings(&text_of(&manual)));
    let mut leaves = Vec::new();
    collect_leaves(&manual, &mut Vec::new(), &mut leaves);
    assert!(leaves.len() > 50, "{} leaves", leaves.len());
    let text = |text: &str| Value::String(text.to_owned());
    let list = |item: &str| Value::Array(vec![text(item)]);
    let mut columns = manual["csv"]["columns"].clone();
    columns.as_array_mut().expect("a list").push(text("more"));
    let others = [
        Value::Boolean(true),
        Value::Boolean(false),
        Value::Integer(7),
        Value::Integer(5),
        Value::Integer(5_000),
        Value::Float(0.55),
        Value::Float(0.85),
        Value::Float(2.5),
        text("other"),
        text("7s"),
        text("90m"),
        text("protobuf"),
        text("offered"),
        text("all_removed"),
        text("friday"),
        text("Asia/Kathmandu"),
        text("2026-03-15"),
        text("127.0.0.1:9999"),
        list("7m"),
        list("6m"),
        list("team"),
        list("now"),
        list("all_removed@40s"),
        list("other"),
        text("\t"),
        text("ms"),
        text("%d.%m.%Y %H:%M"),
        text("abandoned"),
        text("chat"),
        columns,
        text("info"),
        text("sat 09:00-14:00"),
        text("https://example.com/"),
        text("answer_rate"),
        text("below"),
        text("s*"),
        text("team"),
        Value::Array(vec![text("sales"), text("other")]),
        Value::Array(vec![text("5m"), text("30m"), text("7m")]),
        Value::Array(vec![text("1h"), text("1d")]),
        text("5m"),
        list("12-24"),
        list("info"),
        list("https://example.com/"),
        text("b@example.com"),
        list("b@example.com"),
    ];
    for path in leaves {
        let changes = others.iter().any(|other| {
            let mut document = manual.clone();
            *at(&mut document, &path) = other.clone();
            read(&text_of(&document)).is_ok_and(|loaded| shown(&loaded.settings) != before)
        });
        // A secret is shown as hidden, whatever it is: that it is read has a test of its own.
        let secrets = ["token", "sasl.password", "url", "secret", "password"];
        let is_secret = matches!(path.last(), Some(Step::Key(key)) if secrets.contains(&key.as_str()));
        // What names something else is refused where that is not there.
        let names = [
            "window", "windows", "interval", "kpi", "burn", "forecast", "unusual", "team", "label", "labels", "kind",
            "rules",
        ];
        let is_name = matches!(path.last(), Some(Step::Key(key)) if names.contains(&key.as_str()));
        let is_refused = |other: Value| {
            let mut document = manual.clone();
            *at(&mut document, &path) = other;
            let faults = read(&text_of(&document)).err().unwrap_or_default();
            matches!(faults.as_slice(), [fault] if fault.sentence.contains("`other`"))
        };
        assert!(
            changes || is_secret || is_name && (is_refused(text("other")) || is_refused(list("other"))),
            "nothing reads {path:?}"
        );
    }
}

#[test]
fn every_table_of_the_manual_refuses_an_unknown_key() {
    let manual = Value::Table(manual_in_use());
    let mut tables = Vec::new();
    collect_tables(&manual, &mut Vec::new(), &mut tables);
    for path in tables {
        let free = [
            "properties",
            "targets",
            "queues",
            "tenants",
            "agents",
            "teams",
            "outcomes",
            "directions",
            "channels",
            "calendars",
        ];
        if matches!(path.last(), Some(Step::Key(name)) if free.contains(&name.as_str())) {
            continue;
        }
        let mut document = manual.clone();
        at(&mut document, &path).as_table_mut().unwrap().insert("zzz".to_owned(), Value::Integer(1));
        let faults = read(&text_of(&document)).expect_err(&format!("{path:?} takes zzz"));
        assert!(faults.len() == 1 && faults[0].place.ends_with("zzz"), "{path:?}: {}", told(&faults));
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Item(usize),
}

fn at<'a>(value: &'a mut Value, path: &[Step]) -> &'a mut Value {
    path.iter().fold(value, |value, step| match step {
        Step::Key(name) => &mut value[name.as_str()],
        Step::Item(index) => &mut value[*index],
    })
}

/// Values that are no tables, and lists of such as a whole.
fn collect_leaves(value: &Value, path: &mut Vec<Step>, out: &mut Vec<Vec<Step>>) {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                path.push(Step::Key(name.clone()));
                collect_leaves(value, path, out);
                path.pop();
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for (index, value) in items.iter().enumerate() {
                path.push(Step::Item(index));
                collect_leaves(value, path, out);
                path.pop();
            }
        }
        _ => out.push(path.clone()),
    }
}

fn collect_tables(value: &Value, path: &mut Vec<Step>, out: &mut Vec<Vec<Step>>) {
    let below: Vec<(Step, &Value)> = match value {
        Value::Table(table) => {
            out.push(path.clone());
            table.iter().map(|(name, value)| (Step::Key(name.clone()), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(index, value)| (Step::Item(index), value)).collect(),
        _ => return,
    };
    for (step, value) in below {
        path.push(step);
        collect_tables(value, path, out);
        path.pop();
    }
}

// ---- columns ----

const COLUMNS: &str = "[csv]\ncolumns = ['id', 'at', 'wait', 'talk']\nqueued_at = 'at'\nwait = 'wait'\ntalk = 'talk'\n\
                       default_queue = 'q'\ndefault_agent = 'a'\n";

#[test]
fn columns_are_found_by_their_names_and_unknown_ones_are_refused() {
    let mapping = settings(&format!("{COLUMNS}call_id = ['talk', 'id']")).csv;
    assert_eq!((mapping.at.call_id.as_slice(), mapping.at.queued_at, mapping.at.agent), (&[3, 0][..], Some(1), None));
    assert!(settings("").csv.columns.is_empty());
    check(&format!("{COLUMNS}agent = 'walt'"), "csv.agent: `walt` is not among csv.columns; did you mean `wait`?");
    check(
        &format!("{COLUMNS}call_id = ['id', 'number']"),
        "csv.call_id[1]: `number` is not among csv.columns; known are `id`, `at`, `wait` and `talk`",
    );
    check("csv.queue = 'q'", "csv.columns: is missing; list the names of all columns in order, those not used too");
}

#[test]
fn columns_have_to_suffice_for_a_call() {
    let without = |key: &str| {
        let lines = COLUMNS.lines().filter(|line| !line.starts_with(key));
        lines.collect::<Vec<_>>().join("\n")
    };
    check(&without("queued_at"), "csv.queued_at: is missing; name the column of when a call entered the queue");
    check(
        &without("default_queue"),
        "csv.queue: is missing; name a column, or the one queue there is as `default_queue`",
    );
    check(
        &without("default_agent"),
        "csv.agent: is missing; name a column, or whom answers are counted for as `default_agent`",
    );
    let faults = told(&read(&without("talk")).unwrap_err());
    assert_eq!(
        faults,
        "csv.outcome: is missing, and so are `answered_at` and `talk`: one of them has to tell who was answered\n\
         csv.ended_at: is missing, and so are `talk` and `total`: one of them has to tell when a call ended\n"
    );
    check(
        &format!("{COLUMNS}outcomes = {{ YES = 'answered' }}"),
        "csv.outcome: is missing; `outcomes` says what its words mean",
    );
    check(
        &format!("{COLUMNS}outcome = 'id'\noutcomes = {{ NO = 'no_answer' }}"),
        "csv.ringing_at: is missing; an attempt at an agent begins there",
    );
    check(
        "sources = [{ topic = 'a', format = 'cloudevents/csv' }]",
        "sources[0].format: `csv` needs to know what the columns mean; name them in [csv] columns",
    );
}

#[test]
fn cells_and_times_are_written_in_ways_that_can_be_read() {
    check(
        &format!("{COLUMNS}time_format = '%d.%m.%Y'"),
        "csv.time_format: `%d.%m.%Y` does not tell a day and a time of it; write it as for strptime, such as \
         \"%d.%m.%Y %H:%M:%S\"",
    );
    check(
        "csv.delimiter = ', '",
        "csv.delimiter: `, ` is no delimiter; write one sign such as \",\", \";\" or \"\\t\"",
    );
    check(
        &format!("{COLUMNS}outcome = 'id'\noutcomes = {{ YES = 'answerd' }}"),
        "csv.outcomes.YES: unknown `answerd`; did you mean `answered`?",
    );
    check(
        "sources = [{ topic = 'a', format = 'cloudevent' }]",
        "sources[0].format: unknown format `cloudevent`; did you mean `cloudevents`?",
    );
}

// ---- a file over the defaults ----

#[test]
fn a_file_is_laid_over_the_defaults_key_by_key_and_lists_are_replaced() {
    let settings = settings(
        r#"
        engine.emit_every = "50ms"
        windows.sliding = []
        [[sources]]
        topic = "pbx"
        format = "protobuf"
        [[sources]]
        topic = "acd"
        "#,
    );
    assert_eq!((settings.engine.emit_every, settings.engine.calls_commit_every), (Span(50), Span(100)));
    assert!(settings.kpi.sliding.is_empty());
    let sources: Vec<_> = settings.sources.iter().map(|source| (source.topic.as_str(), source.format)).collect();
    assert_eq!(sources, [("pbx", Format::Protobuf.into()), ("acd", Format::Json.into())]);
}

#[test]
fn a_queue_says_only_what_differs() {
    let settings = settings(
        r#"
        service_level = { threshold = "15s", target = 0.9, also = ["offered"] }
        [queues.sales]
        threshold = "30s"
        [queues."two words"]
        title = "Two"
        also = []
        targets = { average_wait = 20, answer_rate = 0.95 }
        "#,
    );
    let (sales, two) = (&settings.kpi.queues["sales"], &settings.kpi.queues["two words"]);
    assert_eq!((sales.service_level.threshold_s, sales.service_level.target), (30, 0.9));
    assert_eq!((sales.title.as_deref(), sales.service_level.also.len()), (None, 1));
    assert_eq!((two.service_level.threshold_s, two.service_level.also.len()), (15, 0));
    assert_eq!(two.targets, BTreeMap::from([("average_wait".to_owned(), 20.0), ("answer_rate".to_owned(), 0.95)]));
}

#[test]
fn tenants_teams_and_agents_become_the_plan() {
    let settings = settings(
        r#"
        windows = { timezone = "Europe/Budapest", by_channel = ["queue"], queue_agent = true }
        tenants.acme = { week_start = "sunday" }
        tenants.big.max_entities = 7
        agents.ana.aliases = ["Local/1127@x"]
        [teams.front]
        queues = ["sales"]
        members = [
            { agent = "Local/1127@x", from = 2026-03-01 },
            { agent = "bela", from = "2026-03-01T00:00:00Z", until = 2026-04-01T00:00:00+02:00 },
        ]
        "#,
    );
    let plan = settings.plan;
    assert_eq!(plan.agent("Local/1127@x"), "ana");
    assert!(plan.queue_agent && plan.by_channel.contains(&Kind::Queue));
    let members: Vec<_> = plan.teams[0]
        .members
        .iter()
        .map(|member| (member.agent.as_str(), member.from.map(|t| t.to_string()), member.until.map(|t| t.to_string())))
        .collect();
    let time = |text: &str| Some(text.to_owned());
    assert_eq!(
        members,
        [
            ("ana", time("2026-02-28T23:00:00.000Z"), None),
            ("bela", time("2026-03-01T00:00:00.000Z"), time("2026-03-31T22:00:00.000Z")),
        ]
    );
    // A tenant that sets only its week keeps the general zone.
    let week = settings.kpi.zone("acme").interval(Length::Week, EventTime::parse("2026-03-04T12:00:00Z").unwrap());
    assert_eq!(week.start.to_string(), "2026-02-28T23:00:00.000Z");
    assert_eq!(settings.limits.all, 20_000);
    assert_eq!(settings.limits.tenants, BTreeMap::from([("big".to_owned(), 7)]));
    assert!(!settings.kpi.tenants.contains_key("big"));
}

#[test]
fn properties_may_be_written_with_or_without_quotes() {
    let settings = settings(
        r#"
        [kafka]
        brokers = ["a:9092", "b:9092"]
        [kafka.properties]
        security.protocol = "SSL"
        "ssl.ca.location" = "/etc/ca.pem"
        "linger.ms" = 3
        socket.keepalive.enable = true
        "#,
    );
    assert_eq!(settings.kafka.brokers, "a:9092,b:9092");
    let properties: Vec<_> = settings.kafka.properties.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        properties,
        ["linger.ms=3", "security.protocol=SSL", "socket.keepalive.enable=true", "ssl.ca.location=/etc/ca.pem"]
    );
}

#[test]
fn what_is_promised_and_not_used_yet_is_a_warning() {
    let loaded = read(
        r#"
        rates = { ana = 20 }
        privacy.customer = "hash"
        "#,
    )
    .unwrap_or_else(|faults| panic!("{}", told(&faults)));
    assert_eq!(loaded.warnings.len(), 2, "{:#?}", loaded.warnings);
    assert_eq!(loaded.warnings[0], "`rates` is understood but not used by this version");
    assert!(loaded.warnings.iter().any(|warning| warning.starts_with("`privacy` ")));
    check("privacy.customer = 'has'", "privacy.customer: unknown `has`; did you mean `hash`?");
}

#[test]
fn the_keys_of_the_contract_are_all_understood() {
    settings(
        r#"
        sources = [{ topic = "acd.events", format = "json", silent_after = "5m" }]
        queues."NAME" = { title = "Name", threshold = "30s", targets = { service_level = 0.9 } }
        tenants."NAME" = { timezone = "Asia/Jerusalem", week_start = "sunday", max_entities = 1000 }
        agents."NAME" = { title = "Name", aliases = ["Local/1127@x"] }
        teams."NAME" = { queues = [], members = [{ agent = "NAME", from = "2026-03-01", until = "2026-04-01" }] }
        rates = {}
        privacy = { customer = "hash" }
        alerts = []
        [topics]
        partials = "a"
        subjects = "b"
        state = "c"
        kpis = "d"
        intervals = "e"
        alerts = "f"
        rejects = "g"
        calls = "h"
        [engine]
        generation = 1
        calls_commit_every = "100ms"
        kpis_commit_every = "20ms"
        emit_every = "250ms"
        allowed_disorder = "2s"
        allowed_skew = "30s"
        late_horizon = "24h"
        calls_workers = 1
        subjects_workers = 1
        kpis_workers = 1
        instance = "name"
        [windows]
        sliding = ["5m", "30m"]
        intervals = ["15m", "30m", "1h", "1d", "1w", "1mo"]
        timezone = "Europe/Budapest"
        week_start = "monday"
        interval_grace = "10m"
        keep_intervals = "400d"
        by_channel = []
        queue_agent = false
        [service_level]
        threshold = "20s"
        target = 0.8
        formula = "exclude_short_abandons"
        short_abandon = "5s"
        met_at_threshold = true
        also = ["offered", "answered_only@30s"]
        [serve]
        listen = "127.0.0.1:8080"
        metrics_kinds = ["queue", "agent", "team", "tenant"]
        metrics_windows = []
        metrics_series_max = 200000
        "#,
    );
}

// ---- faults ----

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    check("windows.slidding = []", "windows.slidding: unknown key; did you mean `sliding`?");
    check("[window]\n", "window: unknown key; did you mean `windows`?");
    check("queues.sales.treshold = '20s'", "queues.sales.treshold: unknown key; did you mean `threshold`?");
    check("queues.'a b'.tilte = 'x'", "queues.\"a b\".tilte: unknown key; did you mean `title`?");
    check("engine.timezone = 'UTC'", "engine.timezone: unknown key here; `timezone` belongs into [windows]");
    check(
        "serve.nonsense = 1",
        "serve.nonsense: unknown key; known are `listen`, `token`, `allowed_hosts`, `metrics_kinds`, `metrics_windows` and `metrics_series_max`",
    );
    check(
        "teams.a.members = [{ agent = 'x', form = '2026-03-01' }]",
        "teams.a.members[0].form: unknown key; did you mean `from`?",
    );
}

#[test]
fn wrong_kinds_of_value_say_what_was_expected() {
    check("engine = 5", "engine: expected a table, found a whole number");
    check("engine.generation = '1'", "engine.generation: expected a whole number, found text");
    check("windows.queue_agent = 1", "windows.queue_agent: expected true or false, found a whole number");
    check("windows.sliding = '5m'", "windows.sliding: expected a list in brackets, found text");
    check("queues.sales = 'Sales'", "queues.sales: expected a table, found text");
    check("kafka.properties.a = [1]", "kafka.properties.a: expected text or a number, found a list");
    check("service_level.target = '0.8'", "service_level.target: expected a number, found text");
}

#[test]
fn lengths_of_time_need_a_unit_and_bounds() {
    check("engine.emit_every = 250", "engine.emit_every: 250 has no unit; write \"250s\" for seconds or \"250ms\"");
    check("engine.emit_every = '250'", "engine.emit_every: 250 has no unit; write \"250s\" for seconds or \"250ms\"");
    check(
        "engine.emit_every = '1.5 hours'",
        "engine.emit_every: `1.5 hours` is no length of time; write a whole number and a unit (ms, s, m, h, d) such as \"20s\"",
    );
    check("engine.calls_commit_every = '0ms'", "engine.calls_commit_every: `0ms` is too short; the least is \"1ms\"");
    check("engine.late_horizon = '59s'", "engine.late_horizon: `59s` is too short; the least is \"1m\"");
    check(
        "engine.late_horizon = '60500ms'",
        "engine.late_horizon: `60500ms` holds a part of a second; write whole seconds",
    );
    check("windows.sliding = ['5m', '8d']", "windows.sliding[1]: `8d` is too long; the most is \"7d\"");
}

#[test]
fn windows_of_equal_length_or_odd_length_are_refused() {
    check("windows.sliding = ['60s', '1m']", "windows.sliding[1]: `1m` is as long as `60s`; remove one");
    check("windows.sliding = ['1m', '1m']", "windows.sliding[1]: stands in `windows.sliding[0]` already; remove one");
    check("windows.intervals = ['24h', '1d']", "windows.intervals[1]: `1d` is as long as `24h`; remove one");
    check(
        "windows.intervals = ['7m']",
        "windows.intervals[0]: intervals of 7m do not divide a day; choose \"6m\" or \"8m\"",
    );
    check(
        "windows.intervals = ['77s']",
        "windows.intervals[0]: intervals of 77s do not divide a day; choose \"75s\" or \"80s\"",
    );
    check(
        "windows.intervals = ['2w']",
        "windows.intervals[0]: `2w` is no interval; the longest are \"1d\", \"1w\" and \"1mo\"",
    );
    check(
        "windows.intervals = ['48h']",
        "windows.intervals[0]: `48h` is longer than a day; choose \"1d\", \"1w\" or \"1mo\"",
    );
    let six = settings("windows.intervals = ['6m']").kpi.intervals;
    assert_eq!(six, [("per_6m".to_owned(), Length::Piece(360_000))]);
}

#[test]
fn time_zones_and_words_name_the_nearest() {
    check(
        "windows.timezone = 'Europe/Budapset'",
        "windows.timezone: unknown time zone `Europe/Budapset`; did you mean `Europe/Budapest`?",
    );
    check(
        "windows.timezone = 'jerusalem'",
        "windows.timezone: unknown time zone `jerusalem`; did you mean `Asia/Jerusalem`?",
    );
    check("windows.week_start = 'mondy'", "windows.week_start: unknown `mondy`; did you mean `monday`?");
    check(
        "sources = [{ topic = 'a', format = 'jsn' }]",
        "sources[0].format: unknown format `jsn`; did you mean `json`?",
    );
    check(
        "sources = [{ topic = 'a', format = 'avro' }]",
        "sources[0].format: unknown format `avro`; known are `json`, `protobuf`, `csv`, `queue_log`, `asterisk_ami`, \
         `freeswitch`, `amazon_connect`, `amazon_connect_contact`, `amazon_connect_agent`, `amazon_connect_agent_states`, \
         `amazon_connect_ctr`, `genesys_cloud` and `twilio_taskrouter`, and `cloudevents` or `cloudevents/FORMAT` around one",
    );
    check("service_level.formula = 'ofered'", "service_level.formula: unknown `ofered`; did you mean `offered`?");
    check("windows.by_channel = ['queues']", "windows.by_channel[0]: unknown `queues`; did you mean `queue`?");
    check(
        "tenants.t.timezone = 'Mars'",
        "tenants.t.timezone: unknown time zone `Mars`; write an IANA name such as \"Europe/Budapest\"",
    );
}

#[test]
fn a_threshold_must_be_an_edge_of_the_histogram() {
    let no_edge = |wait: &str, below: &str, above: &str| {
        check(
            &format!("service_level.threshold = '{wait}'"),
            &format!("service_level.threshold: waits are not kept apart at {wait}; choose \"{below}\" or \"{above}\""),
        );
    };
    no_edge("20500ms", "20s", "21s");
    no_edge("601s", "10m", "605s");
    no_edge("3610s", "1h", "3630s");
    no_edge("1441m", "1d", "1455m");
    check("service_level.threshold = '32d'", "service_level.threshold: `32d` is too long; the most is \"31d\"");
    check("service_level.threshold = '0s'", "service_level.threshold: `0s` is too short; the least is \"1s\"");
    check(
        "service_level.also = ['answered_only@601s']",
        "service_level.also[0]: waits are not kept apart at 601s; choose \"10m\" or \"605s\"",
    );
    check(
        "service_level.also = ['answered@30s']",
        "service_level.also[0]: unknown formula `answered`; known are `answered_only`, `ignore_abandoned_within`, \
         `offered`, `abandoned_within_as_met`, `all_removed`, `exclude_short_abandons`, `include_flow_outs`, \
         `late_abandons_only`, `waiting_now` and `expired_counts`",
    );
    assert_eq!(settings("service_level.threshold = '605s'").kpi.service_level.threshold_s, 605);
    assert_eq!(settings("service_level.short_abandon = '0s'").kpi.service_level.short_abandon_s, 0);
}

#[test]
fn before_the_threshold_is_known_only_up_to_ten_minutes() {
    const SENTENCE: &str = "waits of more than 10 minutes are not kept apart so finely; choose at most \"10m\" or `met_at_threshold = true`";
    check(
        "service_level = { met_at_threshold = false, threshold = '15m' }",
        &format!("service_level.threshold: {SENTENCE}"),
    );
    check(
        "service_level.threshold = '15m'\nqueues.a.met_at_threshold = false",
        &format!("queues.a.met_at_threshold: {SENTENCE}"),
    );
    check(
        "service_level = { met_at_threshold = false, also = ['offered', 'offered@15m'] }",
        &format!("service_level.also[1]: {SENTENCE}"),
    );
    settings("service_level = { met_at_threshold = false, threshold = '10m' }");
}

#[test]
fn numbers_keep_to_their_range() {
    check("engine.generation = 0", "engine.generation: 0 lies outside 1 to 1048576");
    check("engine.calls_workers = 65", "engine.calls_workers: 65 lies outside 1 to 64");
    check("service_level.target = 80", "service_level.target: 80 lies outside 0 to 1; write 0.8 for 80 %");
    check("service_level.target = nan", "service_level.target: NaN lies outside 0 to 1");
    check("queues.a.targets.x = inf", "queues.a.targets.x: inf is no number to compare with");
}

#[test]
fn topics_are_names_that_kafka_takes_and_each_has_one_use() {
    check("topics.kpis = 'a b'", "topics.kpis: `a b` holds ` `; letters, digits, `.`, `_` and `-` are allowed");
    check(
        "topics.kpis = 'acd.events'",
        "topics.kpis: `acd.events` is the topic of `sources[0].topic` too; each needs its own",
    );
    check(
        "topics.calls = 'acd.kpis'",
        "topics.calls: `acd.kpis` is the topic of `topics.kpis` too; each needs its own",
    );
    check("topics.state = 'acd'", "topics.state: `acd.calls` is the topic of `topics.calls` too; each needs its own");
    check(
        "sources = [{ topic = 'a' }, { topic = 'a' }]",
        "sources[1].topic: `a` is read by `sources[0]` already; remove one",
    );
    check("sources = []", "sources: is empty; name a topic to read events from: [{ topic = \"acd.events\" }]");
    check("sources = [{ format = 'json' }]", "sources[0].topic: is missing; write a name in quotes");
}

#[test]
fn records_are_json_without_a_frame_unless_asked_for() {
    assert_eq!(settings("").output, Form { format: RecordFormat::Json, schema_ids: None });
    let ids = SchemaIds { kpi: 1, progress: 2, call: 3 };
    let asked = settings("[output]\nformat = 'protobuf'\nschema_ids = { kpi = 1, progress = 2, call = 3 }");
    assert_eq!(asked.output, Form { format: RecordFormat::Protobuf, schema_ids: Some(ids) });
    check("output.format = 'avro'", "output.format: unknown `avro`; known are `json` and `protobuf`");
    check("output.schema_ids = { kpi = 1, progress = 1 }", "output.schema_ids.call: is missing; write a whole number");
    check(
        "output.schema_ids = { kpi = 0, progress = 1, call = 1 }",
        "output.schema_ids.kpi: 0 lies outside 1 to 2147483647",
    );
}

#[test]
fn brokers_and_properties_the_program_needs_are_guarded() {
    check(
        "kafka.brokers = ''",
        "kafka.brokers: holds no address or an empty one; write host:port, several separated by commas",
    );
    check(
        "kafka.brokers = []",
        "kafka.brokers: holds no address or an empty one; write host:port, several separated by commas",
    );
    check(
        "kafka.properties.bootstrap.servers = 'a:1'",
        "kafka.properties.\"bootstrap.servers\": is set by `kafka.brokers`; write it there",
    );
    assert!(read("kafka.properties.'isolation.level' = 'read_uncommitted'").is_err());
}

#[test]
fn nobody_is_two_agents_and_a_team_is_somebody() {
    check(
        "agents.a.aliases = ['x']\nagents.b.aliases = ['x']",
        "agents.b.aliases[0]: `x` is an alias of agent `a` already; it can be only one's",
    );
    check(
        "agents.a.aliases = ['b']\nagents.b.title = 'B'",
        "agents.a.aliases[0]: `b` is an agent of its own here; remove the alias or that agent",
    );
    check("teams.a = {}", "teams.a: lists neither `queues` nor `members`; list some or remove the team");
    check("teams.a.members = [{ from = '2026-03-01' }]", "teams.a.members[0].agent: is missing; write text in quotes");
    check(
        "teams.a.members = [{ agent = 'x', from = '2026-03-01', until = 2026-03-01 }]",
        "teams.a.members[0].until: is not after `from`; the end is exclusive",
    );
    check(
        "teams.a.members = [{ agent = 'x', from = 'March' }]",
        "teams.a.members[0].from: `March` is no time; write a date such as \"2026-03-01\" or RFC 3339 with an offset, \"2026-03-01T08:00:00+01:00\"",
    );
    check("queues.'' = {}", "queues.\"\": a name is empty; write one");
    check("queues.a.title = ' '", "queues.a.title: is empty; write something or remove the key");
}

#[test]
fn others_may_connect_only_with_a_token() {
    check(
        "serve.listen = '0.0.0.0:8080'",
        "serve.listen: others than this machine can connect to 0.0.0.0:8080, so a token is needed; set `serve.token`, or listen on 127.0.0.1",
    );
    check(
        "serve.listen = 'localhost:8080'",
        "serve.listen: `localhost:8080` is no address to listen on; write an IP address and a port such as \"127.0.0.1:8080\"",
    );
    check("serve.token = ''", "serve.token: is empty; write a token or remove the key");
    check(
        "serve.token = 'fifteen-letters'",
        "serve.token: is too short to be safe from guessing; write 16 characters or more, such as those of `openssl rand -hex 16`",
    );
    settings("serve.token = 'sixteen--letters'");
    for host in ["", "http://wall", "wall:8080", "[::1]", "*.example.com", "a b"] {
        let sentence = format!(
            "serve.allowed_hosts[1]: `{host}` is no name of a host; write it without scheme and port, such as \"callpulse.example.com\""
        );
        check(&format!("serve.allowed_hosts = ['wall.example.com', '{host}']"), &sentence);
    }
    assert_eq!(settings("").serve.allowed_hosts, [""; 0]);
    assert_eq!(settings("serve.allowed_hosts = ['wall.example.com']").serve.allowed_hosts, ["wall.example.com"]);
    check(
        "serve.metrics_kinds = ['queue_agent']",
        "serve.metrics_kinds[0]: unknown `queue_agent`; known are `queue`, `agent`, `team` and `tenant`",
    );
    check(
        "serve.metrics_windows = ['now', '30min']",
        "serve.metrics_windows[1]: there is no window `30min`; did you mean `30m`?",
    );
    let serve = settings("serve = { metrics_kinds = ['queue'], metrics_windows = ['now', '5m', 'per_1d'] }").serve;
    assert_eq!(serve.metrics_kinds, [Kind::Queue]);
    assert_eq!(serve.metrics_windows, ["now", "5m", "per_1d"]);
    settings("serve.listen = '[::1]:8080'");
    let serve = settings("serve = { listen = '0.0.0.0:8080', token = '${CALLPULSE_TOKEN}' }").serve;
    assert_eq!(serve.token.as_deref(), Some("t0ken-of-16-signs"));
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = read(
        r#"
        nonsense = 1
        [windows]
        sliding = ["5m", 30, "x"]
        timezone = "Europe/Budapset"
        [engine]
        generation = 0
        [queues.sales]
        threshold = "20500ms"
        instance = "${NOT_SET}"
        title = "${NOT_SET}"
        "#,
    )
    .unwrap_err();
    let mut places: Vec<&str> = faults.iter().map(|fault| fault.place.as_str()).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "engine.generation",
            "nonsense",
            "queues.sales.instance",
            "queues.sales.threshold",
            "queues.sales.title",
            "windows.sliding[1]",
            "windows.sliding[2]",
            "windows.timezone"
        ]
    );
    let error = ConfigError::Faulty { path: Some("my.toml".into()), faults };
    assert!(error.to_string().starts_with("settings of my.toml cannot be used:\n  "));
    assert_eq!(error.to_string().lines().count(), 9);
}

#[test]
fn errors_of_syntax_have_line_and_column() {
    let faults = read("[engine]\ngeneration = = 2\n\n[windows\n").unwrap_err();
    let places: Vec<&str> = faults.iter().map(|fault| fault.place.as_str()).collect();
    assert!(places[0].starts_with("line 2, column 1"), "{}", told(&faults));
    assert!(places.iter().any(|place| place.starts_with("line 4, ")), "{}", told(&faults));
    assert!(faults.iter().all(|fault| !fault.sentence.contains('\n')));
    assert!(read("engine.generation = 2\nengine.generation = 3").unwrap_err()[0].place.starts_with("line 2"));
}

// ---- the environment ----

#[test]
fn variables_are_replaced_in_values() {
    let env = env(&[("HOST", "kafka-1"), ("TOPIC", "pbx")]);
    let text =
        "kafka.brokers = '${HOST}:9092,b:$1'\nsources = [{ topic = '${TOPIC}.events' }]\nqueues.a.title = '$${HOST} $'";
    let settings = config::read(text, &env).unwrap().settings;
    assert_eq!(settings.kafka.brokers, "kafka-1:9092,b:$1");
    assert_eq!(settings.sources[0].topic, "pbx.events");
    assert_eq!(settings.kpi.queues["a"].title.as_deref(), Some("${HOST} $"));
    check(
        "engine.emit_every = '${NOT_SET}'",
        "engine.emit_every: variable NOT_SET is not set; set it, or write the value here",
    );
    check(
        "serve.token = '${'",
        "serve.token: `${` is never closed; write `${NAME}`, or `$${` for the signs themselves",
    );
    check(
        "serve.token = '${A:-b}'",
        "serve.token: `${A:-b}` holds no name of a variable; write `$${` for the signs themselves",
    );
}

#[test]
fn variables_named_after_a_key_win_over_the_file() {
    let env = env(&[
        ("CALLPULSE_ENGINE__GENERATION", "2"),
        ("CALLPULSE_engine__Emit_Every", "50ms"),
        ("CALLPULSE_ENGINE__INSTANCE", "7"),
        ("CALLPULSE_KAFKA__BROKERS", "a:1,b:2"),
        ("CALLPULSE_KAFKA__PROPERTIES__SASL_USERNAME", "ana"),
        ("CALLPULSE_KAFKA__PROPERTIES__security.protocol", "SSL"),
        ("CALLPULSE_WINDOWS__SLIDING", "[\"1m\"]"),
        ("CALLPULSE_WINDOWS__QUEUE_AGENT", "true"),
        ("CALLPULSE_QUEUES__SALES__TITLE", "${not replaced}"),
        ("CALLPULSE_QUEUES__SALES__TARGETS__average_wait", "9"),
        ("CALLPULSE_TEAMS__new__QUEUES", "['sales']"),
        ("CALLPULSE_SERVE__TOKEN", "\"quoted-and-of-16\""),
        ("CALLPULSE_LOG", "debug"),
        ("PATH", "/bin"),
    ]);
    let text = "engine.generation = 9\nqueues.Sales.title = 'x'\nkafka.properties.security.protocol = 'PLAINTEXT'";
    let loaded = config::read(text, &env).unwrap_or_else(|faults| panic!("{}", told(&faults)));
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let settings = loaded.settings;
    assert_eq!((settings.engine.generation, settings.engine.emit_every), (2, Span(50)));
    assert_eq!(settings.engine.instance, "7");
    assert_eq!(settings.kafka.brokers, "a:1,b:2");
    assert_eq!(
        settings.kafka.properties,
        BTreeMap::from([
            ("sasl.username".to_owned(), "ana".to_owned()),
            ("security.protocol".to_owned(), "SSL".to_owned())
        ])
    );
    assert_eq!(settings.kpi.sliding, [("1m".to_owned(), Span::from_secs(60))]);
    assert!(settings.plan.queue_agent);
    assert_eq!(settings.kpi.queues["Sales"].title.as_deref(), Some("${not replaced}"));
    assert_eq!(settings.kpi.queues["Sales"].targets["average_wait"], 9.0);
    assert_eq!(settings.plan.teams[0].name, "new");
    assert_eq!(settings.serve.token.as_deref(), Some("quoted-and-of-16"));
}

#[test]
fn faults_of_the_environment_name_the_variable() {
    #[track_caller]
    fn check(variable: &str, value: &str, fault: &str) {
        let faults = config::read("", &env(&[(variable, value)])).expect_err(variable);
        assert_eq!(told(&faults), format!("{fault}\n"));
    }
    check(
        "CALLPULSE_ENGINE__GENERATON",
        "2",
        "CALLPULSE_ENGINE__GENERATON: names `engine.generaton`: unknown key; did you mean `generation`?",
    );
    check(
        "CALLPULSE_ENGINE__GENERATION__X",
        "2",
        "CALLPULSE_ENGINE__GENERATION__X: `engine.generation` has no keys of its own; give it a value",
    );
    check(
        "CALLPULSE_ENGINE__GENERATION",
        "two",
        "engine.generation: expected a whole number, found text (set by CALLPULSE_ENGINE__GENERATION)",
    );
    check(
        "CALLPULSE_ENGINE__EMIT_EVERY",
        "250",
        "engine.emit_every: 250 has no unit; write \"250s\" for seconds or \"250ms\" (set by CALLPULSE_ENGINE__EMIT_EVERY)",
    );
}

#[test]
fn a_variable_that_misses_an_underscore_is_a_warning() {
    let loaded = config::read("", &env(&[("CALLPULSE_ENGINE_GENERATION", "2")])).unwrap();
    assert_eq!(
        loaded.warnings,
        ["CALLPULSE_ENGINE_GENERATION is not read; did you mean CALLPULSE_ENGINE__GENERATION?"]
    );
}

// ---- secrets, files, schema ----

#[test]
fn secrets_are_in_no_debug_form_and_no_fault() {
    let text = r#"
        serve.token = "s3cr3t-token-of-16"
        [kafka.properties]
        sasl.password = "s3cr3t-a"
        ssl.key.pem = "s3cr3t-b"
        sasl.oauthbearer.client.secret = "s3cr3t-c"
        sasl.username = "ana"
    "#;
    let loaded = read(text).unwrap();
    assert_eq!(loaded.settings.kafka.properties["sasl.password"], "s3cr3t-a");
    let shown = format!("{loaded:?} {:#?}", loaded.settings);
    assert!(!shown.contains("s3cr3t"), "{shown}");
    assert!(shown.contains("(hidden)") && shown.contains("ana"));
    for token in ["s3cr3t and more", "s3cr3t"] {
        assert!(!told(&read(&format!("serve.token = '{token}'")).unwrap_err()).contains("s3cr3t"));
    }
    let faults = read("serve.token = 's3cr3t and more'\nkafka.properties.sasl.password = ['s3cr3t']").unwrap_err();
    assert_eq!(faults.len(), 2);
    assert!(!told(&faults).contains("s3cr3t"));
}

#[test]
fn the_zone_of_a_queue_log_is_one_there_is_and_none_unless_said() {
    assert_eq!(settings("").queue_log_zone, None);
    let zone = settings("queue_log.timezone = 'Europe/Budapest'").queue_log_zone;
    assert_eq!(zone.as_ref().and_then(|zone| zone.iana_name()), Some("Europe/Budapest"));
    check(
        "queue_log.timezone = 'Europe/Budapset'",
        "queue_log.timezone: unknown time zone `Europe/Budapset`; did you mean `Europe/Budapest`?",
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = config::load(Some(Path::new("no/such/file.toml")), std::iter::empty()).unwrap_err();
    assert!(error.to_string().starts_with("settings file no/such/file.toml cannot be read: "), "{error}");
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo.toml");
    let loaded = config::load(Some(&demo), [("CALLPULSE_ENGINE__GENERATION".to_owned(), "3".to_owned())].into_iter());
    assert_eq!(loaded.unwrap().settings.engine.generation, 3);
    let error = config::load(None, [("CALLPULSE_ENGINE__X".to_owned(), "3".to_owned())].into_iter()).unwrap_err();
    assert!(error.to_string().starts_with("settings of the environment cannot be used:\n  CALLPULSE_ENGINE__X: "));
}

#[test]
fn the_schema_knows_types_and_defaults() {
    let schema = config::schema();
    let emit = &schema["properties"]["engine"]["properties"]["emit_every"];
    assert_eq!((emit["type"].as_str(), emit["default"].as_str()), (Some("string"), Some("250ms")));
    let queue = &schema["properties"]["queues"]["additionalProperties"];
    assert_eq!(queue["properties"]["formula"]["enum"].as_array().map(Vec::len), Some(Formula::ALL.len()));
    assert_eq!(queue["additionalProperties"], false);
    assert_eq!(schema["properties"]["sources"]["items"]["required"][0], "topic");
}

// ---- whatever stands there ----

fn soup() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "kafka",
        "brokers",
        "properties",
        "sources",
        "topic",
        "format",
        "topics",
        "state",
        "engine",
        "generation",
        "late_horizon",
        "windows",
        "sliding",
        "intervals",
        "timezone",
        "service_level",
        "threshold",
        "also",
        "queues",
        "'a b'",
        "targets",
        "tenants",
        "agents",
        "aliases",
        "teams",
        "members",
        "from",
        "serve",
        "listen",
        "token",
        "allowed_hosts",
        "alerts",
        "calendars",
        "hours",
        "when",
        "privacy",
    ]);
    let values = prop::sample::select(vec![
        "1",
        "-1",
        "9223372036854775807",
        "0.5",
        "nan",
        "-inf",
        "true",
        "[]",
        "{}",
        "''",
        "'${X}'",
        "'${'",
        "'$${'",
        "'20s'",
        "'9223372036854775807d'",
        "'1mo'",
        "'7m'",
        "'offered@'",
        "'@'",
        "'answered_only@31d'",
        "2026-03-01",
        "0000-01-01",
        "'9999-12-31'",
        "12:00:00",
        "[[]]",
        "[{}]",
        "['1m', 1, '60s']",
        "{ a = 1 }",
        "'Europe/Budapset'",
        "'ő'",
        "[{ topic = 'a' }]",
        "[{ name = 'a', kpi = 'waiting', window = 'now', trigger = 1 }]",
        "[{ name = 'a', when = { all = [{ not = {} }] } }]",
        "[{ name = 'a', of = { kind = 'agent', team = 'a' }, kpi = 'service_level.a', window = '5m', trigger = -0.5 }]",
        "'mon-fri 22:00-06:00'",
        "{ hours = 'daily 00:00-24:00', closed = ['02-29', 2026-12-25, '1-1'] }",
        "[{ agent = 'a', from = '2026-03-01' }]",
    ]);
    let line =
        (prop::collection::vec(names, 1..4), values).prop_map(|(path, value)| format!("{} = {value}", path.join(".")));
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![soup(), ".{0,60}", "[a-z.=\"'\\[\\]{}0-9$ \n]{0,60}"]) {
        if let Err(faults) = read(&text) {
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.iter().all(|fault| !fault.place.is_empty() && !fault.sentence.is_empty()));
        }
    }

    #[test]
    fn no_variable_makes_it_panic(name in "(ENGINE|QUEUES|KAFKA|windows|[A-Z_]{0,6})(__[a-zA-Z_.]{0,12}){0,3}", value in ".{0,20}") {
        let _ = config::read("", &env(&[(&format!("CALLPULSE_{name}"), &value)]));
    }
}

#[test]
fn a_target_is_of_a_kpi_or_count_that_a_queue_has() {
    check(
        "queues.sales.targets.abandonment_rat = 0.05",
        "queues.sales.targets.abandonment_rat: is no KPI of a queue that a target is kept for; did you mean \
         `abandonment_rate`?",
    );
    check(
        "queues.sales.targets.answer_rate = 7",
        "queues.sales.targets.answer_rate: 7 is no share; give 0 to 1, such as 0.8 for 80 %",
    );
    check(
        "queues.sales.targets.average_wait = -3",
        "queues.sales.targets.average_wait: is less than 0, which no KPI is; give what is wanted",
    );
    check(
        "queues.sales = { target = 0.9, targets = { service_level = 0.5 } }",
        "queues.sales.targets.service_level: `target` wants another service level; keep one of them",
    );
    // Of an agent and of a tenant; by reason it is no one number.
    for id in ["calls_arrived", "flowed_out_by_reason", "offered"] {
        assert!(read(&format!("queues.sales.targets.{id} = 1")).is_err(), "{id}");
    }
    let settings =
        settings("queues.sales.targets = { service_level = 0.9, abandonment_rate = 0.05, calls_offered = 10 }");
    assert_eq!(settings.kpi.queues["sales"].targets["calls_offered"], 10.0);
    assert_eq!(settings.kpi.queues["sales"].service_level.target, 0.9);
    assert_eq!(settings.kpi.queues["sales"].targets["abandonment_rate"], 0.05);
}
