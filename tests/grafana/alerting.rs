//! The alerting rules of `deploy/prometheus`: promtool runs their tests, and a real Prometheus has every series they
//! ask for from a real Callpulse.

use crate::scraped::{Prometheus, RULES, folder, until};
use callpulse::alert::rule::{BUILT_IN, Severity};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn rules() -> String {
    fs::read_to_string(folder().join(RULES)).expect("the rules")
}

/// The texts of the files of tests, by their path.
fn tests() -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(folder().join("tests")).expect("the tests of the rules").flatten();
    let mut tests: Vec<(PathBuf, String)> =
        files.map(|file| (file.path(), fs::read_to_string(file.path()).expect("a text"))).collect();
    tests.sort();
    tests
}

/// What stands behind a word in the rules, in order.
fn told(word: &str) -> Vec<String> {
    let rules = rules();
    rules.lines().filter_map(|line| Some(line.trim().strip_prefix(word)?.trim().to_owned())).collect()
}

#[test]
fn promtool_finds_nothing_against_the_rules_and_their_tests_pass() {
    if Command::new("promtool").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI has promtool; the package `prometheus` brings it");
        eprintln!("promtool is not on the path; install the package `prometheus` to test the rules");
        return;
    }
    let promtool = |words: [&str; 2], files: Vec<PathBuf>| {
        let done = Command::new("promtool").args(words).args(files).output().expect("promtool runs");
        let text = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(done.status.success(), "promtool {words:?}: {text}");
    };
    promtool(["check", "rules"], vec![folder().join(RULES)]);
    promtool(["check", "config"], vec![folder().join("prometheus.yml")]);
    promtool(["test", "rules"], tests().into_iter().map(|(path, _)| path).collect());
}

#[test]
fn every_alert_has_a_test_of_its_firing_and_of_its_quiet() {
    let tests = tests().into_iter().map(|(_, text)| text).collect::<String>();
    let alerts = told("- alert: ");
    assert!(10 < alerts.len(), "{alerts:?}");
    for alert in alerts {
        let expected = |what: &str| tests.contains(&format!("alertname: {alert}\n        exp_alerts:{what}\n"));
        assert!(expected(""), "no test in which {alert} fires");
        assert!(expected(" []") || alert == "watchdog", "no test in which {alert} does not fire");
    }
}

#[test]
fn every_alert_names_its_runbook_and_a_severity_that_rules_of_the_engine_may_have() {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.md")).expect("docs/alerts.md");
    let (alerts, runbooks, severities) = (told("- alert: "), told("runbook_url: "), told("severity: "));
    let expected: Vec<String> = alerts.iter().map(|alert| format!("docs/alerts.md#{alert}")).collect();
    assert_eq!(runbooks, expected);
    assert_eq!(severities.len(), alerts.len());
    assert!(severities.iter().all(|word| Severity::from_word(word).is_some()), "{severities:?}");
    for alert in &alerts {
        assert!(manual.contains(&format!("\n### {alert}\n")), "docs/alerts.md has no runbook of {alert}");
    }
    // Who routes by severity is woken by the same, whichever of the two tells it.
    for (name, severity) in BUILT_IN {
        let place = alerts.iter().position(|alert| *alert == name).unwrap_or_else(|| panic!("no rule {name}"));
        assert_eq!(severities[place], severity.word(), "{name}");
    }
}

/// Asks for everything the rules ask for that had no answer yet; what is left of it, rules that fail included. A queue
/// in which nobody waits has no longest wait, so that all need not answer at once.
pub fn unanswered(prometheus: &Prometheus, answered: &mut BTreeSet<String>) -> Vec<String> {
    let rules = prometheus.rules();
    assert!(35 < rules.len(), "{} rules", rules.len());
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let recorded: BTreeSet<String> =
        rules.iter().filter(|rule| rule["type"] == "recording").map(|rule| text(&rule["name"])).collect();
    let mut asked = BTreeSet::from([
        r#"ALERTS{alertname="watchdog", alertstate="firing", severity="info", tenant="callpulse"}"#.to_owned(),
        // Both sides of the rate are those that the engine divides.
        "abs(queue:acd_abandonment_late_calls:30m / queue:acd_abandonment_counted_calls:30m \
         - queue:acd_abandonment_rate_ratio:30m) < 1e-9"
            .to_owned(),
        r#"queue:acd_abandonment_rate_ratio:30m_known{tenant="default", queue="sales"}"#.to_owned(),
        r#"queue:acd_service_level_ratio:30m_known{tenant="default", queue="sales"}"#.to_owned(),
        r#"queue:acd_service_level_burn:5m{tenant="default", queue="sales"}"#.to_owned(),
    ]);
    let mut left = Vec::new();
    for rule in &rules {
        let query = text(&rule["query"]);
        if rule["health"] != "ok" {
            left.push(format!("rule {}: {} {}", rule["name"], rule["health"], rule["lastError"]));
        }
        for selector in selectors(&query) {
            let name = selector.split('{').next().unwrap_or_default();
            if name.contains(':') {
                assert!(recorded.contains(name), "nothing records {name} of {query}");
            } else if name != "ALERTS" {
                asked.insert(selector);
            }
        }
    }
    assert!(25 < asked.len(), "{asked:?}");
    for query in asked {
        if answered.contains(&query) {
            continue;
        }
        match prometheus.query(&query) {
            Err(fault) => panic!("{query}: {fault}"),
            Ok(results) if results.is_empty() => left.push(query),
            Ok(_) => {
                answered.insert(query);
            }
        }
    }
    left
}

/// While no calls come event time goes on, so that quiet is not taken for dead.
pub fn event_time_goes_on(prometheus: &Prometheus) {
    let earliest = || {
        let results = prometheus.query("min(callpulse_as_of_timestamp_seconds)").expect("an answer");
        results.first()?["value"][1].as_str()?.parse::<f64>().ok()
    };
    let began = until("event time is known", earliest);
    until("event time goes on without calls", || earliest().filter(|as_of| began + 20.0 < *as_of));
}

/// The selectors of series in a query, as Prometheus writes it: names that are ours or recorded, with their labels.
fn selectors(query: &str) -> Vec<String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let (mut found, mut rest) = (Vec::new(), query);
    while let Some(first) = rest.chars().next() {
        if let Some(last) = [('"', '"'), ('[', ']')].into_iter().find_map(|(of, last)| (of == first).then_some(last)) {
            let end = rest[1..].find(last).expect("the end of a text or a range") + 2;
            rest = &rest[end..];
        } else if is_of_name(first) {
            let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
            let name = &rest[..end];
            let labels =
                if rest[end..].starts_with('{') { rest[end..].find('}').expect("the end of labels") + 1 } else { 0 };
            let is_ours = ["acd_", "callpulse_", "process_"].iter().any(|ours| name.starts_with(ours));
            if is_ours || name == "up" || name == "ALERTS" || name.contains(':') {
                found.push(rest[..end + labels].to_owned());
            }
            rest = &rest[end + labels..];
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

#[test]
fn selectors_are_found_in_a_query() {
    let query = r#"max by (tenant) (label_replace(acd_a{x="y"}, "up", "$1", "t", "(.+)")) > 0 and on () a:b:c
        unless time() - process_start_time_seconds < 3600 or up{job="callpulse_x"}[1h:5m] > ALERTS{a="b"}"#;
    let found =
        [r#"acd_a{x="y"}"#, "a:b:c", "process_start_time_seconds", r#"up{job="callpulse_x"}"#, r#"ALERTS{a="b"}"#];
    assert_eq!(selectors(query), found);
}
