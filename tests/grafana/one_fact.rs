//! One fact, however it is asked for: the record of the topic, REST, `/metrics` and Prometheus say the same.

use crate::centre::AtWork;
use crate::deployment::Reader;
use crate::scraped::{PATIENCE, Prometheus, get, json};
use callpulse::entity::Kind;
use callpulse::kpi::catalogue::definition;
use callpulse::serve::series::{gauge_of_count, gauge_of_kpi};
use serde_json::Value;
use std::collections::BTreeMap;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

/// Of these, each in a sliding window and in all time.
const ENTITIES: [(Kind, &str); 5] = [
    (Kind::Queue, "sales"),
    (Kind::Queue, "vip"),
    (Kind::Team, "front"),
    (Kind::Tenant, "default"),
    (Kind::Agent, "agent-03"),
];
const WINDOWS: [&str; 2] = ["30m", "total"];

/// Values by the name of their series; as text, so that equal means equal.
type Facts = BTreeMap<String, String>;

/// While nothing new comes, all tell the same, sooner or later.
pub fn is_the_same(at_work: &AtWork, prometheus: &Prometheus) {
    let deployment = &at_work.deployment;
    let mut reader = Reader::open(&deployment.brokers, &deployment.topic("kpis"));
    for (kind, id) in ENTITIES {
        for window in WINDOWS {
            let late = Instant::now() + PATIENCE;
            loop {
                reader.read_out();
                let key = format!("default|{}|{id}|{window}", kind.word());
                let topic = reader.last().get(key.as_str()).map(|record| facts_of(kind, record));
                let topic = topic.unwrap_or_else(|| panic!("no record {key}"));
                assert!(10 <= topic.len(), "{key} tells of {topic:?}");
                let page = format!("/api/v1/kpis?kind={}&id={id}&window={window}", kind.word());
                let rest = facts_of(kind, &json(&at_work.address, &page)["kpis"][0]);
                let labels = labels(kind, id, window);
                let scraped = scraped(&get(&at_work.address, "/metrics"), &labels, &topic);
                let asked = asked(prometheus, &labels, &topic);
                if topic == rest && topic == scraped && topic == asked {
                    break;
                }
                let all = format!("{key}\ntopic {topic:?}\nREST {rest:?}\n/metrics {scraped:?}\nPrometheus {asked:?}");
                assert!(Instant::now() < late, "not the same: {all}");
                park_timeout(Duration::from_millis(200));
            }
        }
    }
}

/// The counts and KPIs of a record, but those of agents' time, which goes on while nothing comes.
fn facts_of(kind: Kind, record: &Value) -> Facts {
    let mut facts = Facts::new();
    for (name, count) in record["counts"].as_object().into_iter().flatten() {
        if let Some(count) = count.as_f64() {
            facts.insert(gauge_of_count(kind, name), text(count));
        }
    }
    for (id, kpi) in record["kpis"].as_object().into_iter().flatten() {
        let Some(definition) = definition(id).filter(|definition| !definition.windows.are_of_agents()) else {
            continue;
        };
        if let Some(value) = kpi["value"].as_f64() {
            facts.insert(gauge_of_kpi(kind, id, definition.unit), text(value));
        }
    }
    facts
}

fn text(value: f64) -> String {
    format!("{value:?}")
}

fn labels(kind: Kind, id: &str, window: &str) -> String {
    match kind {
        Kind::Tenant => format!("tenant=\"{id}\",window=\"{window}\""),
        kind => format!("tenant=\"default\",{}=\"{id}\",window=\"{window}\"", kind.word()),
    }
}

/// The same series of a text of `/metrics`, all of an entity's window that the record knows.
fn scraped(metrics: &str, labels: &str, wanted: &Facts) -> Facts {
    let lines = metrics.lines().filter_map(|line| line.split_once(&format!("{{{labels}}} ")));
    let known = lines.filter(|(name, _)| wanted.contains_key(*name));
    known.map(|(name, value)| (name.to_owned(), text(value.parse().expect("a number")))).collect()
}

/// What Prometheus has of them.
fn asked(prometheus: &Prometheus, labels: &str, wanted: &Facts) -> Facts {
    let results = prometheus.query(&format!("{{__name__=~\"acd_.+\",{labels}}}")).expect("an answer");
    let named = results.iter().map(|result| (&result["metric"]["__name__"], &result["value"][1]));
    let texts = named.filter_map(|(name, value)| Some((name.as_str()?, value.as_str()?)));
    let known = texts.filter(|(name, _)| wanted.contains_key(*name));
    known.map(|(name, value)| (name.to_owned(), text(value.parse().expect("a number")))).collect()
}
