//! One fact, five ways: the record of the topic, REST, `/metrics`, Prometheus and the wallboard's text say the same.

use crate::centre::AtWork;
use crate::deployment::Reader;
use crate::node::{has_browser, tell};
use crate::scraped::{Prometheus, get, json, until};
use callpulse::entity::Kind;
use callpulse::kpi::catalogue::definition;
use callpulse::serve::series::{gauge_of_count, gauge_of_kpi};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Of these, each in a sliding window that nothing leaves meanwhile, and in all time.
const ENTITIES: [(Kind, &str); 5] = [
    (Kind::Queue, "sales"),
    (Kind::Queue, "vip"),
    (Kind::Team, "front"),
    (Kind::Tenant, "default"),
    (Kind::Agent, "agent-03"),
];
const WINDOWS: [&str; 2] = ["2h", "total"];

/// Values by the name of their series; as text, so that equal means equal.
type Facts = BTreeMap<String, String>;

/// What the wallboard shows of a KPI: for people, and the number behind it.
#[derive(Deserialize)]
struct Shown {
    text: String,
    value: String,
}

#[test]
fn one_fact_is_the_same_five_ways() {
    if !has_browser() {
        return;
    }
    if !Prometheus::is_here() {
        assert!(std::env::var_os("CI").is_none(), "CI has Prometheus; the package `prometheus` brings it");
        println!("left out: prometheus is not on the path");
        return;
    }
    let mut at_work = AtWork::start();
    let prometheus = Prometheus::start(&at_work.address);
    // The past has been read when the calls of the present come.
    until("the engine is at the present", || {
        let progress = get(&at_work.address, "/metrics");
        let behind = progress.lines().filter_map(|line| line.strip_prefix("callpulse_behind_seconds{"));
        let behind: Vec<f64> = behind.filter_map(|line| line.split_once("} ")?.1.parse().ok()).collect();
        (!behind.is_empty() && behind.iter().all(|seconds| *seconds < 5.0)).then_some(())
    });
    at_work.end_calls();
    let mut reader = Reader::open(&at_work.deployment.brokers, &at_work.deployment.topic("kpis"));
    let mut compared = BTreeMap::new();
    let subjects: Vec<String> =
        ENTITIES.iter().flat_map(|(kind, id)| WINDOWS.map(|window| format!("{}|{id}|{window}", kind.word()))).collect();
    let mut arguments = vec![format!("http://{}", at_work.address)];
    arguments.extend(subjects.iter().cloned());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    tell("one_fact.mjs", &arguments, |asked| {
        let (subject, shown) = asked.split_once(' ').expect("whose, and what is shown");
        let shown: BTreeMap<String, Shown> = serde_json::from_str(shown).expect("what is shown");
        reader.read_out();
        match differences(&at_work, &prometheus, &reader, subject, &shown) {
            Ok(facts) => {
                compared.insert(subject.to_owned(), facts);
                Some("same".to_owned())
            }
            Err(difference) => Some(difference),
        }
    });
    assert_eq!(compared.len(), subjects.len());
    for (subject, facts) in compared {
        println!("{subject}: {facts} numbers");
        assert!(5 <= facts, "{subject}");
    }
}

/// How many KPIs are the same in all five; errs with what is not, on one line.
fn differences(
    at_work: &AtWork,
    prometheus: &Prometheus,
    reader: &Reader,
    subject: &str,
    shown: &BTreeMap<String, Shown>,
) -> Result<usize, String> {
    let [kind, id, window] = subject.split('|').collect::<Vec<_>>()[..] else { panic!("no subject: {subject}") };
    let kind = Kind::from_word(kind).expect("a kind");
    let key = format!("default|{subject}");
    let record = reader.last().get(key.as_str()).cloned().ok_or_else(|| format!("no record {key}"))?;
    let topic = facts_of(kind, &record);
    let page = format!("/api/v1/kpis?kind={}&id={id}&window={window}", kind.word());
    let rest = facts_of(kind, &json(&at_work.address, &page)["kpis"][0]);
    let labels = labels(kind, id, window);
    let scraped = scraped(&get(&at_work.address, "/metrics"), &labels, &topic);
    let asked = asked(prometheus, &labels, &topic);
    for (other, facts) in [("REST", &rest), ("/metrics", &scraped), ("Prometheus", &asked)] {
        if *facts != topic {
            return Err(format!("{key}: topic {topic:?}, {other} {facts:?}"));
        }
    }
    // The wallboard's table is of KPIs alone.
    let of_kpis =
        |id: &str| definition(id).map(|definition| (gauge_of_kpi(kind, id, definition.unit), definition.unit));
    let mut same = 0;
    for id in record["kpis"].as_object().expect("KPIs").keys() {
        let Some((name, unit)) = of_kpis(id) else { continue };
        let Some(fact) = topic.get(&name) else { continue };
        let Some(Shown { text: told, value }) = shown.get(id) else { return Err(format!("{key}: {id} is not shown")) };
        let exact: f64 = value.parse().map_err(|_| format!("{key}: {id} is {value}, which is no number"))?;
        if text(exact) != *fact || !reads_as(told, exact, unit) {
            return Err(format!("{key}: {id} is {fact}, and on the wallboard {told}, exactly {value}"));
        }
        same += 1;
    }
    Ok(same)
}

/// Whether a text is this value, as far as its digits go.
fn reads_as(text: &str, value: f64, unit: &str) -> bool {
    let number = |text: &str| text.replace(',', "").parse::<f64>().ok();
    let (read, half_a_digit) = match unit {
        "ratio" => (text.strip_suffix('%').and_then(number).map(|percent| percent / 100.0), 0.0005),
        "s" => {
            let parts: Option<Vec<f64>> = text.split(':').map(number).collect();
            (parts.map(|parts| parts.iter().fold(0.0, |sum, part| sum * 60.0 + part)), 0.5)
        }
        "calls" => (number(text), 0.0),
        _ => (number(text), 0.05),
    };
    read.is_some_and(|read| (read - value).abs() <= half_a_digit + 1e-9)
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
