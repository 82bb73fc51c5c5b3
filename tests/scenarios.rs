//! Scenarios: short stories of calls, and the numbers they come to.
//!
//! ```text
//! # A call answered after the threshold counts as answered, but not in time.
//! [service_level]                                      settings, as in a settings file
//! threshold = "20s"
//! 09:00:00  c1  queued    sales                        time, call, type, queue, @agent, field=value
//! 09:00:25  c1  answered  sales  @ana
//! = 09:01:00  queue:sales  total  service_level        as of, entity, window, KPIs
//!   offered 1  answered 1                              counts and sums that are not 0
//!   wait_answered 25.000s
//!   service_level 0/1 = 0.000000
//! ```
//!
//! `= 10:00:00  alerts` asks what the rules of the settings told until then. An agent's event stands as `09:00:00  -  agent.state  @ana  state=paused  reason=lunch`. Times are UTC on 2026-03-02, or on the day of the last `date` line. An interval is named with an
//! instant in it (`per_1h@09:00:00`), its part by entry with `/entry`. `UPDATE=1 cargo test --test
//! scenarios` writes the indented lines anew; read the diff before you keep it.

use callpulse::alert::trial::Period;
use callpulse::config;
use callpulse::config::settings::Settings;
use callpulse::decode::json;
use callpulse::event::Decoded;
use callpulse::kpi::record::{Count, Fields, Kpi, KpiRecord};
use callpulse::replay::alerts::{Asked, try_rules};
use callpulse::replay::engine::Replay;
use callpulse::replay::filter::Filter;
use callpulse::time::EventTime;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[test]
fn every_scenario_comes_to_its_numbers() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut failed = Vec::new();
    let files = files();
    assert!(25 <= files.len(), "only {} scenarios", files.len());
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a scenario is text");
        let told = Scenario::read(&text).tell(&text);
        if told == text {
            continue;
        }
        if update {
            std::fs::write(&path, &told).expect("a scenario can be written");
        } else {
            failed.push(format!("{}\n{}", path.display(), difference(&text, &told)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_scenario_says_what_it_shows() {
    for path in files() {
        let text = std::fs::read_to_string(&path).expect("a scenario is text");
        let title = text.lines().next().unwrap_or_default();
        assert!(title.starts_with("# ") && title.ends_with('.'), "{}: {title}", path.display());
        assert!(text.lines().any(|line| line.starts_with("= ")), "{} asks for nothing", path.display());
    }
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = std::fs::read_dir(folder).expect("the scenarios' folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    files.sort();
    files
}

/// Lines that are not alike.
fn difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let missing = expected.iter().filter(|line| !found.contains(line)).map(|line| format!("- {line}"));
    let new = found.iter().filter(|line| !expected.contains(line)).map(|line| format!("+ {line}"));
    missing.chain(new).collect::<Vec<_>>().join("\n")
}

/// What a scenario tells.
#[derive(Default)]
struct Scenario {
    settings: String,
    events: Vec<String>,
}

impl Scenario {
    fn read(text: &str) -> Scenario {
        let mut scenario = Scenario::default();
        let mut date = "2026-03-02";
        for line in text.lines() {
            let first = line.split_whitespace().next().unwrap_or_default();
            if let Some(day) = line.strip_prefix("date ") {
                date = day.trim();
            } else if !line.starts_with(' ') && first.contains(':') && first.as_bytes()[0].is_ascii_digit() {
                scenario.events.push(event(date, line));
            } else if !line.starts_with(['#', '=', ' ']) {
                let _ = writeln!(scenario.settings, "{line}");
            }
        }
        scenario
    }

    /// The text with its numbers as they are.
    fn tell(&self, text: &str) -> String {
        let loaded = config::read(&self.settings, &BTreeMap::new());
        let settings = loaded.unwrap_or_else(|faults| panic!("{faults:?} in {text}")).settings;
        let mut out = String::new();
        let mut date = "2026-03-02";
        for line in text.lines().filter(|line| !line.starts_with(' ')) {
            if let Some(day) = line.strip_prefix("date ") {
                date = day.trim();
            }
            let _ = writeln!(out, "{line}");
            let Some(asked) = line.strip_prefix("= ") else { continue };
            let mut replay = Replay::new(Arc::new(settings.plan.clone()), EventTime(i64::MAX));
            replay.limit_entities(settings.limits.clone());
            for event in &self.events {
                match json::decode(event.as_bytes()) {
                    Ok(Decoded::Event(event)) => replay.take(&event, "scenario"),
                    other => panic!("{event}: {other:?}"),
                };
            }
            let words: Vec<&str> = asked.split_whitespace().collect();
            if let [until, "alerts"] = words.as_slice() {
                show_alerts(&mut out, replay, &settings, time(date, until));
                continue;
            }
            let [as_of, entity, window, kpis @ ..] = words.as_slice() else { panic!("{line}: too short") };
            let records = replay.settle(&settings.kpi, time(date, as_of)).records(&Filter::default()).collect();
            show(&mut out, records, date, entity, window, kpis);
        }
        out
    }
}

fn time(date: &str, text: &str) -> EventTime {
    let text = if text.contains('T') { text.to_string() } else { format!("{date}T{text}Z") };
    EventTime::parse(&text).unwrap_or_else(|| panic!("{text} is no time"))
}

/// The JSON of `time call type words...`.
fn event(date: &str, line: &str) -> String {
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap_or_else(|| panic!("{line}: too short"));
    let (at, call, kind) = (time(date, word()), word(), word());
    let mut event = Map::new();
    let kind = if kind.contains('.') { kind.to_string() } else { format!("call.{kind}") };
    if kind.starts_with("call.") {
        event.insert("call_id".into(), json!(call));
    }
    event.insert("type".into(), json!(kind));
    event.insert("time".into(), json!(at.to_string()));
    for word in words {
        let (name, value) = match (word.strip_prefix('@'), word.split_once('=')) {
            (Some(agent), _) => ("agent", json!(agent)),
            (None, Some((name, value))) => (name, value.parse::<i64>().map_or(json!(value), |number| json!(number))),
            (None, None) => ("queue", json!(word)),
        };
        event.insert(name.into(), value);
    }
    Value::Object(event).to_string()
}

fn show(out: &mut String, records: Vec<KpiRecord>, date: &str, entity: &str, window: &str, kpis: &[&str]) {
    let (kind, id) = entity.split_once(':').unwrap_or((entity, "default"));
    let (id, channel) = id.split_once(';').map_or((id, None), |(id, channel)| (id, Some(channel)));
    let (window, is_by_entry) = window.strip_suffix("/entry").map_or((window, false), |window| (window, true));
    let (name, at) = match window.split_once('@') {
        Some((name, at)) => (name, Some(time(date, at).to_string())),
        None => (window, None),
    };
    let found = records.into_iter().find(|record| {
        let holds_it = at
            .as_ref()
            .is_none_or(|at| record.window.start.as_ref().is_some_and(|start| start <= at) && *at < record.window.end);
        record.entity.kind == kind
            && record.entity.id == id
            && record.entity.channel.as_deref() == channel
            && record.window.name == name
            && holds_it
    });
    let Some(record) = found else {
        out.push_str("  nothing\n");
        return;
    };
    if at.is_some() {
        let _ = writeln!(out, "  {} .. {}", record.window.start.as_deref().unwrap_or_default(), record.window.end);
    }
    let (counts, sums, values) = match (&record.by_entry, is_by_entry) {
        (Some(by_entry), true) => (&by_entry.counts, &by_entry.sums_ms, &by_entry.kpis),
        _ => (&record.counts, &record.sums_ms, &record.kpis),
    };
    line(out, written_counts(counts));
    line(
        out,
        sums.iter().filter(|(_, sum)| **sum != 0).map(|(name, sum)| format!("{name} {}", seconds(*sum))).collect(),
    );
    if let Some(reasons) = record.paused_by_reason_ms.as_ref().filter(|_| !is_by_entry) {
        let reasons: Vec<String> =
            reasons.iter().map(|(reason, time)| format!("{reason} {}", seconds(*time))).collect();
        line(out, if reasons.is_empty() { vec![] } else { vec![format!("(paused: {})", reasons.join(", "))] });
    }
    let waiting = if is_by_entry { record.by_entry.as_ref().map(|by_entry| by_entry.waiting) } else { record.waiting };
    let unsettled = record.by_entry.as_ref().filter(|_| is_by_entry).map(|by_entry| by_entry.unsettled);
    let state = [("waiting", waiting), ("unsettled", unsettled)];
    line(
        out,
        state.iter().filter_map(|(name, count)| count.filter(|n| *n != 0).map(|n| format!("{name} {n}"))).collect(),
    );
    if let Some(now) = &record.now {
        let Value::Object(now) = serde_json::to_value(now).expect("JSON") else { unreachable!("an object") };
        let is_something = |value: &Value| !value.is_null() && !value.is_object() && *value != json!(0);
        let shown = now.iter().filter(|(_, value)| is_something(value)).map(|(name, value)| format!("{name} {value}"));
        line(out, shown.collect());
        let agents = record.now.iter().filter_map(|now| now.agents.as_ref()).flat_map(Fields::iter);
        let agents: Vec<String> =
            agents.filter(|(_, count)| **count != 0).map(|(state, count)| format!("{state} {count}")).collect();
        line(out, if agents.is_empty() { vec![] } else { vec![format!("({})", agents.join(", "))] });
    }
    for id in kpis {
        let wanted = record.targets.get(id).map(|wanted| format!("target {}", met(wanted.target, Some(wanted.met))));
        let value = values.get(id).map(written_kpi).or(wanted).unwrap_or("absent".to_string());
        let _ = writeln!(out, "  {id} {value}");
    }
}

/// Every time a rule fired: of which entity, since when it held, when it fired, when and why it resolved, the worst.
fn show_alerts(out: &mut String, replay: Replay, settings: &Settings, until: EventTime) {
    let Settings { kpi, alerts: rules, queue_hours, .. } = settings;
    let tried = try_rules(replay, Asked { settings: kpi, rules, queue_hours, until, keeps_numbers: false }, |_| {});
    let clock = |at: EventTime| at.to_string()[5..19].replace('T', " ");
    for outcome in &tried.outcomes {
        for Period { since, fired, resolved, peak } in &outcome.periods {
            let (rule, kind, id) = (&rules[outcome.rule].name, outcome.entity.kind.word(), &outcome.entity.id);
            let (since, fired) = (clock(*since), clock(*fired));
            let resolved =
                resolved.map_or("still fires".to_string(), |(at, why)| format!("{} {}", why.word(), clock(at)));
            let peak = peak.unwrap_or_default();
            let parts = peak.numerator.zip(peak.denominator).map(|(over, under)| format!(" {over}/{under}"));
            let value = peak.value.map_or("no value".to_string(), |value| format!("{value:.3}"));
            let peak = format!("{}{value}", parts.map_or(String::new(), |parts| format!("{} = ", parts.trim())));
            let _ = writeln!(out, "  {rule} {kind}:{id}  since {since}  fired {fired}  {resolved}  peak {peak}");
        }
    }
    if tried.outcomes.iter().all(|outcome| outcome.periods.is_empty()) {
        out.push_str("  nothing fires\n");
    }
}

fn line(out: &mut String, words: Vec<String>) {
    if !words.is_empty() {
        let _ = writeln!(out, "  {}", words.join("  "));
    }
}

fn written_counts(counts: &Fields<Count>) -> Vec<String> {
    let written = counts.iter().filter_map(|(name, count)| match count {
        Count::Number(0) => None,
        Count::Number(number) => Some(format!("{name} {number}")),
        Count::By(parts) if parts.0.is_empty() => None,
        Count::By(parts) => {
            let parts: Vec<String> = parts.iter().map(|(part, number)| format!("{part} {number}")).collect();
            Some(format!("({})", parts.join(", ")))
        }
    });
    written.collect()
}

fn written_kpi(kpi: &Kpi) -> String {
    let value = kpi.value.map_or("no value".to_string(), |value| format!("{value:.6}"));
    let target = kpi.target.map_or(String::new(), |target| format!("  target {}", met(target, kpi.met)));
    match (kpi.numerator, kpi.numerator_ms, kpi.denominator) {
        (Some(numerator), _, Some(denominator)) => format!("{numerator}/{denominator} = {value}{target}"),
        (_, Some(numerator), Some(denominator)) => format!("{}/{denominator} = {value}{target}", seconds(numerator)),
        _ => format!("{value}{target}"),
    }
}

fn met(target: f64, met: Option<bool>) -> String {
    let said = met.map_or("", |met| if met { " met" } else { " missed" });
    format!("{target}{said}")
}

fn seconds(millis: i64) -> String {
    format!("{}.{:03}s", millis / 1000, millis % 1000)
}
