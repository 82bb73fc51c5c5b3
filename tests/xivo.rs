//! Logins and pauses of agents as another program counts them: the scenarios of xivo-dao, from rows of the queue log.
//!
//! The data stand beside the repository and are no part of it; without them there is nothing to check, and
//! each test says so. Where our definition differs on purpose, the scenario is named in [`DIFFERENCES`] with
//! the reason and with what we say instead.

#[path = "support/beside.rs"]
mod beside;
#[path = "support/told.rs"]
mod told;

use beside::beside;
use callpulse::config;
use callpulse::decode::format::{Decoder, Format};
use callpulse::decode::json;
use callpulse::event::{Decoded, Event};
use callpulse::fact::Standing;
use callpulse::kpi::record::{Count, KpiRecord};
use callpulse::life::agent_event::AgentEvent;
use callpulse::life::time_line::{Stretch, Terms, TimeLine};
use callpulse::replay::engine::Replay;
use callpulse::replay::filter::Filter;
use callpulse::time::EventTime;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use told::told;

const DATA: &str = "data/xivo-dao-stat/test_stat_dao_extended.json";

/// The agent behind an interface, as the settings would say.
const ALIAS: [&str; 2] = ["Local/id-61@agentcallback", "Agent/52"];

/// An agent, a queue or none, and since when until when in milliseconds.
type Found = BTreeMap<(String, Option<String>), Vec<(i64, i64)>>;

/// Where we differ: the scenario, why, and what is added to it or expected instead.
const DIFFERENCES: [(&str, &str, Instead); 8] = [
    (
        "test_get_last_logins",
        "a state without an event for sixteen hours is lost: Agent/3 logged in five months ago",
        Instead::Without("Agent/3"),
    ),
    ("test_get_ongoing_logins", "the same", Instead::Without("Agent/3")),
    (
        "test_get_pause_intervals_in_range_per_queue",
        "a queue has the time of agents who are logged in and work for it; a pause alone says neither",
        Instead::AfterLoginTo(&["queue_a", "queue_b"]),
    ),
    (
        "test_get_pause_intervals_in_range_merges_per_queue_and_pauseall",
        "the same: the agent works for the queue, and never logged in",
        Instead::AfterLoginTo(&[]),
    ),
    ("test_get_pause_intervals_in_range_per_queue_via_interface", "the same", Instead::AfterLoginTo(&["queue_a"])),
    (
        "test_get_login_intervals_in_range_per_queue_membership_open_at_start",
        "a state without an event for sixteen hours is lost: nothing was heard of the agent for three weeks",
        Instead::Nothing,
    ),
    (
        "test_get_pause_intervals_in_range_per_queue_pause_open_at_start",
        "the same, and a pause alone is no login",
        Instead::Nothing,
    ),
    (
        "test_get_pause_intervals_in_range_pauseall_intersect_membership",
        "a pause of all queues is a login, so that the agent is available afterwards: no difference in the pause",
        Instead::Same,
    ),
];

enum Instead {
    Same,
    Nothing,
    /// All but one agent.
    Without(&'static str),
    /// The same if the agent logs in first and joins these queues.
    AfterLoginTo(&'static [&'static str]),
}

fn tests() -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(beside(DATA)?).expect("the scenarios");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    Some(all["tests"].as_array().expect("a list").clone())
}

fn millis(text: &str) -> i64 {
    let text = text.replace(' ', "T");
    let text = if text.ends_with("+00") { format!("{text}:00") } else { text };
    EventTime::parse(&text).unwrap_or_else(|| panic!("{text}")).0
}

/// How long each wrap-up is planned; the data leave it out.
const WRAPUP_SECONDS: i64 = 30;

/// The events of a queue log, one JSON line each, from rows as Kafka would bring them: without a place.
fn events(log: &Value) -> Vec<String> {
    let mut events = Vec::new();
    for row in log.as_array().expect("rows") {
        let mut row = row.clone();
        if row.get("agent").is_none() {
            row["agent"] = json!("Agent/1");
        }
        if row["event"] == "WRAPUPSTART" {
            row["data1"] = json!(WRAPUP_SECONDS.to_string());
        }
        let told = told(&Decoder::from(Format::QueueLog), row.to_string().as_bytes());
        told.is_sound();
        // A pause in one queue that names none is not told: without a queue it would be one in all of them.
        assert_eq!(told.refused.is_some(), row["event"] == "PAUSE" && row["queuename"].is_null(), "{row}");
        assert_eq!(told.aside, [""; 0], "{row}");
        events.extend(told.events);
    }
    events
}

/// The rows of a scenario, with the one that the data hold as the program that writes it.
fn log(test: &Value) -> Value {
    let mut log = test["queue_log"].clone();
    let written = test["unparsed"].as_array().map_or(&[][..], Vec::as_slice);
    let rows = log.as_array_mut().expect("rows");
    for code in written.iter().map(|code| code.as_str().expect("code")) {
        assert!(
            code.contains("dt(2012, 7, 21, 10, 0, 0") && code.contains("queuename=None") && code.contains("'PAUSE'")
        );
        rows.push(
            json!({"time": "2012-07-21 10:00:00.000000+00", "callid": "NONE", "agent": "Agent/1", "event": "PAUSE"}),
        );
    }
    log
}

fn decoded(line: &str) -> Event<'_> {
    match json::decode(line.as_bytes()) {
        Ok(Decoded::Event(event)) => event,
        other => panic!("{line}: {other:?}"),
    }
}

/// Since when until when agents were in what `is_it` says, over all queues and in each; told as of an instant.
fn found(events: &[String], as_of: i64, is_it: impl Fn(Standing) -> bool) -> Found {
    let mut lines: BTreeMap<String, TimeLine> = BTreeMap::new();
    for event in events {
        let event = decoded(event);
        let agent = event.agent.as_deref().expect("an agent");
        let agent = if agent == ALIAS[0] { ALIAS[1] } else { agent };
        lines.entry(agent.to_string()).or_default().add(AgentEvent::of(&event, "").expect("an agent's event"));
    }
    let mut found = Found::new();
    for (agent, line) in lines {
        let mut take = |queue: Option<&str>, stretch: &Stretch<'_>| {
            let spans = found.entry((agent.clone(), queue.map(str::to_string))).or_default();
            let (start, end) = (stretch.start.0, stretch.end.map_or(as_of, |end| end.0));
            match spans.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => spans.push((start, end)),
            }
        };
        line.tell(Terms { from: EventTime(i64::MIN), judged: EventTime(as_of), edges: &[] }, &mut |stretch| {
            if is_it(stretch.standing) {
                take(None, &stretch);
            }
            for (queue, standing, _) in stretch.in_queues() {
                if is_it(standing) {
                    take(Some(queue), &stretch);
                }
            }
        });
    }
    found
}

/// `[from, to)` of what was found; what is empty is nothing.
fn within(found: Found, from: i64, to: i64) -> Found {
    let cut = |spans: Vec<(i64, i64)>| {
        let cut = spans.into_iter().map(|(start, end)| (start.max(from), end.min(to)));
        cut.filter(|(start, end)| start < end).collect::<Vec<_>>()
    };
    found.into_iter().map(|(whose, spans)| (whose, cut(spans))).filter(|(_, spans)| !spans.is_empty()).collect()
}

fn spans(value: &Value) -> Vec<(i64, i64)> {
    let time = |at: &Value| millis(at.as_str().expect("a time"));
    value.as_array().expect("spans").iter().map(|span| (time(&span[0]), time(&span[1]))).collect()
}

/// What the other program is to say: whole agents, or an agent in a queue.
fn expected(test: &Value) -> Found {
    let mut expected = Found::new();
    for part in test["expected"].as_array().expect("a list") {
        for (name, value) in part.as_object().expect("an object") {
            if name != "expected" {
                let (agent, queue) = name.trim_start_matches("result[").trim_end_matches(']').split_once(", ").unwrap();
                let queue = (queue != "None").then(|| queue.trim_matches('\'').to_string());
                expected.insert((agent.trim_matches('\'').to_string(), queue), spans(value));
                continue;
            }
            for entry in value.as_array().expect("a list") {
                let (key, value) = (&entry["key"], &entry["value"]);
                let agent = key.as_str().or(key[0].as_str()).expect("an agent").to_string();
                let queue = key.get(1).and_then(Value::as_str).map(str::to_string);
                let value = match value.as_str() {
                    Some(time) => vec![(millis(time), millis(time))],
                    None => spans(value),
                };
                expected.insert((agent, queue), value);
            }
        }
    }
    expected
}

#[test]
fn logins_and_pauses_of_agents_are_those_that_another_program_counts() {
    let Some(tests) = tests() else { return };
    let mut compared = 0;
    for test in tests.iter().filter(|test| test["range"]["start"].is_string()) {
        let name = test["test"].as_str().expect("a name");
        let range = |end: &str| millis(test["range"][end].as_str().expect("a time"));
        let (from, to) = (range("start"), range("end"));
        let instead = DIFFERENCES.iter().find(|(of, ..)| *of == name).map_or(&Instead::Same, |(.., instead)| instead);
        let mut expected = expected(test);
        let mut events = events(&log(test));
        match instead {
            Instead::Same => {}
            Instead::Nothing => expected.clear(),
            Instead::Without(agent) => expected.retain(|(of, _), _| of != agent),
            Instead::AfterLoginTo(queues) => {
                let first = events.iter().map(|event| decoded(event).time.0).min().expect("events") - 1_000;
                let agent = decoded(&events[0]).agent.expect("an agent").into_owned();
                let mut say = |mut event: Value, at: i64| {
                    event["time"] = json!(at);
                    event["agent"] = json!(agent);
                    events.push(event.to_string());
                };
                let days: BTreeSet<i64> = expected.values().flatten().map(|(start, _)| start / 86_400_000).collect();
                for day in days {
                    // Each day anew: nobody stays for a night.
                    say(
                        json!({"type": "agent.state", "state": "available"}),
                        first.max(day * 86_400_000 + 8 * 3_600_000),
                    );
                    say(json!({"type": "agent.state", "state": "logged_out"}), day * 86_400_000 + 20 * 3_600_000);
                }
                for queue in *queues {
                    say(json!({"type": "agent.joined", "queue": queue}), first);
                }
            }
        }
        let is_pause = name.contains("pause");
        let found = found(&events, to, |standing| if is_pause { standing == Standing::Paused } else { true });
        let mut found = match name {
            // The last of each, whichever part of the range it is in.
            "test_get_last_logins" | "test_get_last_logouts" => found
                .into_iter()
                .filter_map(|(whose, spans)| {
                    let (start, end) = *spans.last()?;
                    let at = if name.ends_with("logins") { start } else { end };
                    Some((whose, vec![(at, at)]))
                })
                .filter(|(_, spans)| from <= spans[0].0)
                .collect(),
            // Those that last at the end of the range.
            "test_get_ongoing_logins" => {
                let mut found = within(found, from, to);
                found.values_mut().for_each(|spans| spans.retain(|(_, end)| *end == to));
                found.retain(|_, spans| !spans.is_empty());
                found
            }
            _ => within(found, from, to),
        };
        // Some ask for one agent and queue only, and none of them for the whole agent where a queue is asked for.
        let by_queue = expected.keys().any(|(_, queue)| queue.is_some()) || name.contains("per_queue");
        found.retain(|whose, _| match name.contains("intersect") {
            true => true,
            false => whose.1.is_some() == by_queue,
        });
        assert_eq!(found, expected, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 16, "scenarios of agents");
}

#[test]
fn calls_that_fall_over_to_another_queue_are_handled_once() {
    let Some(tests) = tests() else { return };
    let expected = [
        // Visits of each queue (offered, answered, flowed out), talk, and wrap-ups. They begin a moment after the call ended.
        ("test_fill_leaveempty_calls_fallover", [[1, 0, 1], [1, 1, 0]], 319_474, 1),
        ("test_fill_leaveempty_calls_reenter_same_queue", [[2, 0, 2], [2, 2, 0]], 96_799 + 415_831, 2),
    ];
    for (name, queues, talk, wrapups) in expected {
        let test = tests.iter().find(|test| test["test"] == name).expect(name);
        let settings = config::read("", &BTreeMap::new()).expect("settings").settings;
        let mut replay = Replay::new(Arc::new(settings.plan.clone()), EventTime(i64::MAX));
        let events = events(&test["queue_log"]);
        for event in &events {
            replay.take(&decoded(event), "queue_log");
        }
        let as_of = replay.latest().expect("events");
        let records: Vec<KpiRecord> = replay.settle(&settings.kpi, as_of).records(&Filter::default()).collect();
        let total = |kind: &str, id: &str| {
            let is_it = |record: &&KpiRecord| record.entity.kind == kind && record.entity.id == id;
            records.iter().filter(is_it).find(|record| record.window.name == "total").expect("a record")
        };
        for (queue, counts) in ["queue1", "queue2"].iter().zip(queues) {
            let record = total("queue", queue);
            let count = |name| match record.counts.get(name) {
                Some(Count::Number(count)) => *count,
                _ => panic!("{name} is no count"),
            };
            assert_eq!(["offered", "answered", "flowed_out"].map(count), counts, "{name}: {queue}");
        }
        let sums = &total("agent", "Agent/1").sums_ms;
        assert_eq!(sums.get("talk"), Some(&talk), "{name}");
        assert_eq!(sums.get("handling"), Some(&(talk + wrapups * WRAPUP_SECONDS * 1000)), "{name}");
    }
}
