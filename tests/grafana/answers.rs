//! Every query of every dashboard and of every alerting rule, asked of a real Prometheus that scrapes a real Callpulse:
//! each has an answer.

use crate::centre::AtWork;
use crate::scraped::{PATIENCE, Prometheus};
use crate::{alerting, written};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

/// What a viewer may have chosen: one of many, or all.
fn choices(dashboard: &Value, prometheus: &Prometheus) -> Result<BTreeMap<String, String>, String> {
    let mut chosen: BTreeMap<String, String> = BTreeMap::new();
    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        if variable["type"] != "query" {
            continue;
        }
        let (name, query) = (variable["name"].as_str().unwrap(), variable["query"]["query"].as_str().unwrap());
        let inside = query.strip_prefix("label_values(").and_then(|query| query.strip_suffix(')')).expect("its form");
        let (selector, label) = inside.rsplit_once(", ").expect("a selector and a label");
        let values = prometheus.label_values(label, &filled(selector, &chosen));
        let preferred = variable["current"]["value"].as_str().filter(|value| values.iter().any(|have| have == value));
        let first = values.iter().find(|value| *value == "sales").or(values.first());
        let first = first.ok_or_else(|| format!("the variable {name} has no value"))?;
        let value = match variable["allValue"].as_str() {
            Some(all) => all.to_owned(),
            None => preferred.unwrap_or(first).to_owned(),
        };
        chosen.insert(name.to_owned(), value);
    }
    Ok(chosen)
}

/// A query as Grafana sends it.
fn filled(query: &str, chosen: &BTreeMap<String, String>) -> String {
    let query = query.replace("$__rate_interval", "5s").replace("$__range", "1h");
    chosen.iter().fold(query, |query, (name, value)| query.replace(&format!("${name}"), value))
}

/// Whether there is a number among the results: nothing divided by nothing is none.
fn has_number(results: &[Value]) -> bool {
    let value = |result: &Value| result["value"][1].as_str().and_then(|value| value.parse::<f64>().ok());
    results.iter().filter_map(value).any(f64::is_finite)
}

/// Asks every query that had no answer yet; what is left of them. A queue in which nobody waits has no longest wait, so
/// that all need not answer at once.
fn unanswered(prometheus: &Prometheus, answered: &mut BTreeSet<String>) -> Vec<String> {
    let mut left = Vec::new();
    for dashboard in written() {
        let chosen = match choices(&dashboard, prometheus) {
            Ok(chosen) => chosen,
            Err(fault) => {
                left.push(format!("{}: {fault}", dashboard["title"]));
                continue;
            }
        };
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                let query = filled(target["expr"].as_str().expect("a query"), &chosen);
                let place = format!("{}, {}: {query}", dashboard["title"], panel["title"]);
                if answered.contains(&place) {
                    continue;
                }
                match prometheus.query(&query) {
                    Err(fault) => panic!("{place}: {fault}"),
                    Ok(results) if !has_number(&results) => left.push(place),
                    Ok(_) => {
                        answered.insert(place);
                    }
                }
            }
        }
    }
    left
}

#[test]
fn every_query_of_every_dashboard_and_rule_has_an_answer() {
    if !Prometheus::is_here() {
        assert!(std::env::var_os("CI").is_none(), "CI has Prometheus; the package `prometheus` brings it");
        eprintln!("prometheus is not on the path; install the package `prometheus` to ask it");
        return;
    }
    let mut at_work = AtWork::start();
    let prometheus = Prometheus::start(&at_work.address);
    if let Ok(file) = std::env::var("GRAFANA_ANSWERS") {
        // For the pictures: where both are, for as long as the file stands.
        fs::write(&file, format!("{} {}\n", prometheus.address, at_work.address)).expect("written");
        while fs::exists(&file).unwrap_or(false) {
            park_timeout(Duration::from_secs(1));
        }
    }
    let (mut answered, mut of_rules, late) = (BTreeSet::new(), BTreeSet::new(), Instant::now() + PATIENCE);
    loop {
        let mut left = unanswered(&prometheus, &mut answered);
        left.extend(alerting::unanswered(&prometheus, &mut of_rules));
        if left.is_empty() {
            break;
        }
        let log = at_work.deployment.log();
        assert!(Instant::now() < late, "no answer within {PATIENCE:?}:\n{}\n{log}", left.join("\n"));
        park_timeout(Duration::from_millis(500));
    }
    assert!(100 < answered.len(), "{} queries", answered.len());
    at_work.end_calls();
    alerting::event_time_goes_on(&prometheus);
}

/// Grafana makes the signs of a pattern harmless only where several values may be chosen, and a queue may be called `a|b`.
#[test]
fn what_may_be_chosen_alone_is_no_pattern() {
    let mut alone = 0;
    for dashboard in written() {
        let variables = dashboard["templating"]["list"].as_array().expect("variables");
        for variable in variables.iter().filter(|variable| variable["multi"] == false) {
            let name = variable["name"].as_str().expect("a name");
            let text = dashboard.to_string();
            for after in text.split(&format!("=~\\\"${name}")).skip(1) {
                let is_longer_name = after.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_');
                assert!(
                    is_longer_name,
                    "{}: ${name} is a pattern in ...{}",
                    dashboard["title"],
                    &after[..after.len().min(60)]
                );
            }
            alone += 1;
        }
    }
    assert!(10 < alone, "{alone}");
}

#[test]
fn a_variable_is_filled_in_as_grafana_does() {
    let chosen = BTreeMap::from([("queue".to_owned(), ".+".to_owned())]);
    assert_eq!(filled("rate(a{q=~\"$queue\"}[$__rate_interval])", &chosen), "rate(a{q=~\".+\"}[5s])");
}
