//! The manual is complete and true: its keys, its values, the demo's settings.

use crate::{manual_in_use, read, settings, shown, text_of, told};
use callpulse::calendar::Length;
use callpulse::config::{self, DEMO};
use callpulse::decode::format::Format;
use callpulse::entity::Kind;
use callpulse::kpi::settings::Formula;
use callpulse::time::Span;
use toml::{Table, Value};

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
