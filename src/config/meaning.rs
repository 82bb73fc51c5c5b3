//! From settings as written to settings as meant, and what no key alone can say: that lengths differ,
//! that a threshold and its comparison fit, that nobody is two agents.

use super::fault::{Faults, item_of, key_of};
use super::nearest::hint;
use super::opening::{self, Calendars};
use super::settings::{Engine, Kafka, Serve, Settings, Source, Topics};
use super::shape;
use super::view::View;
use super::{alerts, columns, leaf, notify};
use crate::alert::hours::Hours;
use crate::calendar::Zone;
use crate::decode::format::{Encoding, Format};
use crate::decode::mapping::Mapping;
use crate::entity::Kind;
use crate::kpi::catalogue::{COUNTS, KPIS, definition};
use crate::kpi::room::Limits;
use crate::kpi::settings::{Also, Formula, KpiSettings, QueueSettings, ServiceLevelSettings};
use crate::life::plan::{Member, Plan, Team};
use crate::stream::outlet::{Form, RecordFormat, SchemaIds};
use crate::time::Span;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use toml::{Table, Value};

/// What a document means. Where a value is faulty, which its check has said, something stands in
/// for it: what is returned counts only if there are no faults at all.
pub fn settings(document: &Table, faults: &mut Faults, warnings: &mut Vec<String>) -> Settings {
    let root = View::of(document);
    let plan = plan(root, faults);
    let kpi = kpi_settings(root, faults);
    let csv = columns::mapping(root.get("csv"), faults);
    let calendars = Calendars::of(root.get("calendars"));
    let around = alerts::Around { kpi: &kpi, queues: root.get("queues"), plan: &plan, calendars: &calendars };
    let alerts = alerts::rules(root.get("alerts"), around, faults, warnings);
    let notify = notify::targets(root.get("notify"), root.get("alerts"), faults);
    let sources = sources(root.get("sources"), &csv, &calendars, faults, warnings);
    let topics = topics(root.get("topics"), &sources, faults);
    if plan.by_channel.contains(&Kind::QueueAgent) && !plan.queue_agent {
        warnings.push("windows.by_channel: `queue_agent` has no effect while `windows.queue_agent` is off".to_owned());
    }
    Settings {
        kafka: kafka(root.get("kafka")),
        sources,
        csv: Arc::new(csv),
        queue_log_zone: root.get("queue_log").get("timezone").time_zone(),
        topics,
        output: output(root.get("output")),
        engine: engine(root.get("engine")),
        plan,
        alerts,
        notify,
        queue_hours: Arc::new(queue_hours(root.get("queues"), &calendars, faults)),
        keep_intervals: root.get("windows").get("keep_intervals").span(),
        limits: Arc::new(limits(root)),
        serve: serve(root.get("serve"), &kpi.windows(), faults),
        kpi,
    }
}

fn kafka(kafka: View) -> Kafka {
    let brokers = match kafka.get("brokers").0 {
        Some(Value::Array(items)) => shape::brokers(items).unwrap_or_default(),
        _ => kafka.get("brokers").text(),
    };
    let properties = kafka.get("properties").entries();
    let properties = properties.filter_map(|(name, value)| Some((name.to_owned(), shape::property(value.0?)?)));
    Kafka { brokers: brokers.split(',').map(str::trim).collect::<Vec<_>>().join(","), properties: properties.collect() }
}

fn sources(
    list: View,
    csv: &Mapping,
    calendars: &Calendars,
    faults: &mut Faults,
    warnings: &mut Vec<String>,
) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for (index, source) in list.items() {
        let topic = source.get("topic").text();
        let word = source.get("format").text();
        if let Some(earlier) = sources.iter().position(|source| source.topic == topic && !topic.is_empty()) {
            faults.add(
                key_of(&item_of("sources", index), "topic"),
                format!("`{topic}` is read by `{}` already; remove one", item_of("sources", earlier)),
            );
        }
        let format = Encoding::from_word(&word).unwrap_or(Format::Json.into());
        if let Err(sentence) = columns::suffice(format, csv) {
            faults.add(key_of(&item_of("sources", index), "format"), sentence);
        }
        let hours = opening::of_source(calendars, source, &item_of("sources", index), faults, warnings);
        sources.push(Source { topic, format, silent_after: source.get("silent_after").duration(), hours });
    }
    if list.is_empty_list() {
        faults.add("sources", "is empty; name a topic to read events from: [{ topic = \"acd.events\" }]");
    }
    sources
}

fn topics(table: View, sources: &[Source], faults: &mut Faults) -> Topics {
    let topics = Topics {
        partials: table.get("partials").text(),
        subjects: table.get("subjects").text(),
        state: table.get("state").text(),
        kpis: table.get("kpis").text(),
        intervals: table.get("intervals").text(),
        rejects: table.get("rejects").text(),
        calls: table.get("calls").text(),
        alerts: table.get("alerts").text(),
        partitions: table.get("partitions").integer() as i32,
        replication_factor: table.get("replication_factor").integer() as i32,
    };
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for (index, source) in sources.iter().enumerate() {
        taken.entry(source.topic.clone()).or_insert(key_of(&item_of("sources", index), "topic"));
    }
    let states = ["calls", "subjects", "kpis"].map(|stage| ("state", format!("{}.{stage}", topics.state)));
    let named = [
        ("partials", topics.partials.clone()),
        ("subjects", topics.subjects.clone()),
        ("kpis", topics.kpis.clone()),
        ("intervals", topics.intervals.clone()),
        ("rejects", topics.rejects.clone()),
        ("calls", topics.calls.clone()),
        ("alerts", topics.alerts.clone()),
    ];
    for (key, topic) in named.into_iter().chain(states).filter(|(_, topic)| !topic.is_empty()) {
        let place = key_of("topics", key);
        match taken.get(&topic) {
            Some(other) => {
                faults.add(place, format!("`{topic}` is the topic of `{other}` too; each needs its own"));
            }
            None => {
                taken.insert(topic, place);
            }
        }
    }
    topics
}

fn output(table: View) -> Form {
    let ids = table.get("schema_ids");
    let id = |of| ids.get(of).integer() as u32;
    let schema_ids = SchemaIds { kpi: id("kpi"), progress: id("progress"), call: id("call") };
    Form {
        format: RecordFormat::from_word(&table.get("format").text()).unwrap_or_default(),
        schema_ids: (!ids.is_absent()).then_some(schema_ids),
    }
}

fn engine(table: View) -> Engine {
    Engine {
        generation: table.get("generation").integer() as u64,
        calls_commit_every: table.get("calls_commit_every").span(),
        kpis_commit_every: table.get("kpis_commit_every").span(),
        emit_every: table.get("emit_every").span(),
        allowed_disorder: table.get("allowed_disorder").span(),
        calls_workers: table.get("calls_workers").integer() as usize,
        subjects_workers: table.get("subjects_workers").integer() as usize,
        kpis_workers: table.get("kpis_workers").integer() as usize,
        built_in_alerts: table.get("built_in_alerts").switch(),
        instance: table.get("instance").text(),
    }
}

fn plan(root: View, faults: &mut Faults) -> Plan {
    let (engine, windows) = (root.get("engine"), root.get("windows"));
    let aliases = aliases(root.get("agents"), faults);
    Plan {
        late_horizon: engine.get("late_horizon").span(),
        allowed_skew: engine.get("allowed_skew").span(),
        teams: teams(root.get("teams"), windows.get("timezone").time_zone(), &aliases, faults),
        aliases,
        queue_agent: windows.get("queue_agent").switch(),
        by_channel: windows.get("by_channel").items().filter_map(|(_, kind)| Kind::from_word(&kind.text())).collect(),
    }
}

fn aliases(agents: View, faults: &mut Faults) -> BTreeMap<String, String> {
    let mut aliases: BTreeMap<String, String> = BTreeMap::new();
    for (agent, settings) in agents.entries() {
        let list = key_of(&key_of("agents", agent), "aliases");
        for (index, alias) in settings.get("aliases").items() {
            let (place, alias) = (item_of(&list, index), alias.text());
            if !agents.get(&alias).is_absent() {
                let sentence = format!("`{alias}` is an agent of its own here; remove the alias or that agent");
                faults.add(place, sentence);
            } else if let Some(other) = aliases.get(&alias).filter(|other| *other != agent) {
                let sentence = format!("`{alias}` is an alias of agent `{other}` already; it can be only one's");
                faults.add(place, sentence);
            } else {
                aliases.insert(alias, agent.to_owned());
            }
        }
    }
    aliases
}

fn teams(teams: View, zone: Option<TimeZone>, aliases: &BTreeMap<String, String>, faults: &mut Faults) -> Vec<Team> {
    let zone = zone.unwrap_or(TimeZone::UTC);
    let mut out = Vec::new();
    for (name, team) in teams.entries() {
        let place = key_of("teams", name);
        let queues = team.get("queues").items().map(|(_, queue)| queue.text()).collect();
        let mut members = Vec::new();
        for (index, member) in team.get("members").items() {
            let agent = member.get("agent").text();
            let moment = |key| member.get(key).moment(&zone);
            let (from, until) = (moment("from"), moment("until"));
            if let (Some(from), Some(until)) = (from, until)
                && until <= from
            {
                let place = key_of(&item_of(&key_of(&place, "members"), index), "until");
                faults.add(place, "is not after `from`; the end is exclusive");
            }
            members.push(Member { agent: aliases.get(&agent).cloned().unwrap_or(agent), from, until });
        }
        let team = Team { name: name.to_owned(), queues, members };
        if team.queues.is_empty() && team.members.is_empty() {
            faults.add(place, "lists neither `queues` nor `members`; list some or remove the team");
        }
        out.push(team);
    }
    out
}

fn kpi_settings(root: View, faults: &mut Faults) -> KpiSettings {
    let windows = root.get("windows");
    let mut sliding = Vec::new();
    for (index, item) in windows.get("sliding").items() {
        add_window(&mut sliding, (item.text(), item.duration()), &item_of("windows.sliding", index), faults);
    }
    let mut intervals = Vec::new();
    for (index, item) in windows.get("intervals").items() {
        let length = leaf::interval(&item.text()).ok();
        add_window(&mut intervals, (item.text(), length), &item_of("windows.intervals", index), faults);
    }
    let service_level = service_level(root.get("service_level"), "service_level", None, faults);
    let mut queues = BTreeMap::new();
    for (name, queue) in root.get("queues").entries() {
        if !queue.get("target").is_absent() && !queue.get("targets").get("service_level").is_absent() {
            let place = key_of(&key_of(&key_of("queues", name), "targets"), "service_level");
            faults.add(place, "`target` wants another service level; keep one of them");
        }
        let settings = QueueSettings {
            title: queue.get("title").some_text(),
            service_level: self::service_level(queue, &key_of("queues", name), Some(&service_level), faults),
            targets: targets(queue.get("targets"), &key_of(&key_of("queues", name), "targets"), faults),
        };
        queues.insert(name.to_owned(), settings);
    }
    let agents = root.get("agents").entries();
    KpiSettings {
        sliding,
        intervals: intervals.into_iter().map(|(name, length)| (format!("per_{name}"), length)).collect(),
        interval_grace: windows.get("interval_grace").span(),
        zone: zone(windows, windows),
        tenants: tenant_zones(root.get("tenants"), windows),
        service_level,
        queues,
        agents: agents.filter_map(|(name, agent)| Some((name.to_owned(), agent.get("title").some_text()?))).collect(),
    }
}

fn queue_hours(queues: View, calendars: &Calendars, faults: &mut Faults) -> BTreeMap<String, Hours> {
    let mut hours = BTreeMap::new();
    for (name, queue) in queues.entries() {
        if let Some(of) = calendars.hours_of(queue, &key_of("queues", name), faults) {
            hours.insert(name.to_owned(), of);
        }
    }
    hours
}

/// Wanted values by KPI or count, each of one that a queue has.
fn targets(table: View, place: &str, faults: &mut Faults) -> BTreeMap<String, f64> {
    let of_queues = KPIS.iter().filter(|kpi| kpi.kinds.contains(&Kind::Queue));
    let counts = COUNTS.iter().filter(|count| count.kinds.contains(&Kind::Queue));
    let counts = counts.filter_map(|count| count.wanted.map(|(id, _)| id));
    let known: Vec<&str> = of_queues.map(|kpi| kpi.id).chain(counts).collect();
    for (kpi, _) in table.entries().filter(|(kpi, _)| !known.contains(kpi)) {
        faults
            .add(key_of(place, kpi), format!("is no KPI of a queue that a target is kept for; {}", hint(kpi, &known)));
    }
    let wanted = table.entries().filter_map(|(kpi, wanted)| Some((kpi.to_owned(), shape::number(wanted.0?)?)));
    let wanted: BTreeMap<String, f64> = wanted.collect();
    for (kpi, value) in &wanted {
        let is_ratio = definition(kpi).is_some_and(|kpi| kpi.unit == "ratio");
        if *value < 0.0 {
            faults.add(key_of(place, kpi), "is less than 0, which no KPI is; give what is wanted");
        } else if is_ratio && 1.0 < *value {
            faults.add(key_of(place, kpi), format!("{value} is no share; give 0 to 1, such as 0.8 for 80 %"));
        }
    }
    wanted
}

/// Adds a window unless its length is there already: two names of one window would only cost.
fn add_window<L: PartialEq>(
    windows: &mut Vec<(String, L)>,
    (name, length): (String, Option<L>),
    place: &str,
    faults: &mut Faults,
) {
    let Some(length) = length else { return };
    match windows.iter().find(|(_, have)| *have == length) {
        Some((other, _)) => faults.add(place, format!("`{name}` is as long as `{other}`; remove one")),
        None => windows.push((name, length)),
    }
}

fn tenant_zones(tenants: View, windows: View) -> BTreeMap<String, Zone> {
    tenants
        .entries()
        .filter(|(_, tenant)| !tenant.get("timezone").is_absent() || !tenant.get("week_start").is_absent())
        .map(|(name, tenant)| (name.to_owned(), zone(tenant, windows)))
        .collect()
}

/// The zone and week of a table; what it does not say is as in `general`.
fn zone(table: View, general: View) -> Zone {
    let name = table.get("timezone").some_text().unwrap_or_else(|| general.get("timezone").text());
    let day = table.get("week_start").some_text().unwrap_or_else(|| general.get("week_start").text());
    Zone::named(&name, leaf::weekday(&day).unwrap_or(Weekday::Monday)).unwrap_or(Zone::UTC)
}

fn limits(root: View) -> Limits {
    let tenants = root.get("tenants").entries().filter_map(|(name, tenant)| {
        let limit = tenant.get("max_entities").0?.as_integer()?;
        Some((name.to_owned(), limit as usize))
    });
    Limits { all: root.get("engine").get("max_entities").integer() as usize, tenants: tenants.collect() }
}

/// The service level of a table; what it does not say is as in `general`.
fn service_level(
    table: View,
    place: &str,
    general: Option<&ServiceLevelSettings>,
    faults: &mut Faults,
) -> ServiceLevelSettings {
    let seconds = |key| table.get(key).duration().map(|span: Span| span.0 / 1000);
    let also = table.get("also");
    let also_items: Vec<(usize, Also)> =
        also.items().filter_map(|(index, item)| Some((index, leaf::also(&item.text()).ok()?))).collect();
    let settings = ServiceLevelSettings {
        threshold_s: seconds("threshold").or(general.map(|g| g.threshold_s)).unwrap_or(1),
        target: table
            .get("target")
            .0
            .or(table.get("targets").get("service_level").0)
            .and_then(shape::number)
            .or(general.map(|g| g.target))
            .unwrap_or(0.0),
        formula: Formula::from_word(&table.get("formula").text())
            .or(general.map(|g| g.formula))
            .unwrap_or(Formula::ExcludeShortAbandons),
        short_abandon_s: seconds("short_abandon").or(general.map(|g| g.short_abandon_s)).unwrap_or(0),
        met_at_threshold: (table.get("met_at_threshold").0.and_then(Value::as_bool))
            .or(general.map(|g| g.met_at_threshold))
            .unwrap_or(true),
        also: match (also.is_absent(), general) {
            (true, Some(general)) => general.also.clone(),
            _ => also_items.iter().map(|(_, also)| also.clone()).collect(),
        },
    };
    if !settings.met_at_threshold {
        const SENTENCE: &str = "waits of more than 10 minutes are not kept apart so finely; choose at most \"10m\" or `met_at_threshold = true`";
        let says = |key: &str| !table.get(key).is_absent();
        if !leaf::is_exact(settings.threshold_s) && says("threshold") {
            faults.add(key_of(place, "threshold"), SENTENCE);
        } else if !leaf::is_exact(settings.threshold_s) && says("met_at_threshold") {
            faults.add(key_of(place, "met_at_threshold"), SENTENCE);
        }
        let is_coarse = |also: &Also| also.threshold_s.is_some_and(|threshold_s| !leaf::is_exact(threshold_s));
        for (index, _) in also_items.iter().filter(|(_, also)| is_coarse(also)) {
            faults.add(item_of(&key_of(place, "also"), *index), SENTENCE);
        }
        if !says("also") && says("met_at_threshold") && settings.also.iter().any(is_coarse) {
            faults.add(key_of(place, "met_at_threshold"), SENTENCE);
        }
    }
    settings
}

fn serve(table: View, windows: &[&str], faults: &mut Faults) -> Serve {
    let listen = table.get("listen").some_text().and_then(|text| leaf::address(&text).ok());
    let token = table.get("token").some_text();
    if let Some(listen) = listen.filter(|listen| !listen.ip().to_canonical().is_loopback())
        && token.is_none()
    {
        let sentence = format!(
            "others than this machine can connect to {listen}, so a token is needed; set `serve.token`, or listen on 127.0.0.1"
        );
        faults.add("serve.listen", sentence);
    }
    let mut metrics_windows = Vec::new();
    for (index, window) in table.get("metrics_windows").items() {
        let window = window.text();
        if !windows.contains(&window.as_str()) {
            let place = item_of("serve.metrics_windows", index);
            faults.add(place, format!("there is no window `{window}`; {}", hint(&window, windows)));
        }
        metrics_windows.push(window);
    }
    Serve {
        listen: listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        token,
        allowed_hosts: table.get("allowed_hosts").items().map(|(_, host)| host.text()).collect(),
        metrics_kinds: table
            .get("metrics_kinds")
            .items()
            .filter_map(|(_, kind)| Kind::from_word(&kind.text()))
            .collect(),
        metrics_windows,
        metrics_series_max: table.get("metrics_series_max").integer() as usize,
    }
}
