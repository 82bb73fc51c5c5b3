//! The events of mod_callcenter that its documentation shows, read as native events.
//!
//! The data stand beside the repository and are no part of it; without them there is nothing to check, and the test
//! says so. They show shapes only: the headers that FreeSWITCH gives every event are left out, so that when an event
//! happened is for Kafka to say, and seconds count from nowhere.

#[path = "support/beside.rs"]
mod beside;
#[path = "support/told.rs"]
mod told;

use beside::beside;
use callpulse::decode::format::{Decoder, Format, Given};
use callpulse::time::EventTime;
use serde_json::{Map, Value};
use std::fs;
use told::told;

const DATA: &str = "data/freeswitch-callcenter/mod_callcenter_events.json";

/// Where the seconds of the documentation are counted from here.
const BASE: i64 = 1_772_438_400;

/// What each example stands for, in the order of the documentation.
const EXPECTED: [&[&str]; 10] = [
    &["agent.state available"],
    &[],
    &["call.queued"],
    &["call.ringing"],
    &["call.answered 10009"],
    &["call.wrapup_started 10500", "call.wrapup_ended 10500"],
    &["call.ring_ended no_answer"],
    &[],
    &[],
    &["call.left_queue timeout 10050"],
];

#[test]
fn the_examples_of_the_documentation_are_read() {
    let Some(found) = beside(DATA) else { return };
    let text = fs::read_to_string(found).expect("the examples");
    let examples: Vec<Map<String, Value>> = serde_json::from_str(&text).expect("a list of events");
    assert_eq!(examples.len(), EXPECTED.len());
    let decoder = Decoder::from(Format::Freeswitch);
    for (mut example, expected) in examples.into_iter().zip(EXPECTED) {
        for (name, value) in example.iter_mut().filter(|(name, _)| name.ends_with("-Time")) {
            let seconds: i64 = value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name}"));
            *value = (BASE + seconds).to_string().into();
        }
        let as_json = Value::from(example.clone()).to_string();
        let as_text: String = example.iter().map(|(name, value)| format!("{name}: {}\n", encoded(value))).collect();
        for record in [as_json, as_text] {
            let told = told(&decoder, Given { logged: Some(EventTime(BASE * 1000)), ..Given::from(record.as_bytes()) });
            told.is_sound();
            assert_eq!(told.refused, None, "{record}");
            let events: Vec<String> = told.events.iter().map(|event| in_short(event)).collect();
            assert_eq!(events, expected, "{record}");
        }
    }
}

/// A value as FreeSWITCH writes it in text.
fn encoded(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.replace('%', "%25").replace(' ', "%20").replace(':', "%3A").replace('@', "%40").replace('|', "%7C")
}

/// The type of an event, its word, and its time if Kafka did not say it.
fn in_short(event: &str) -> String {
    let event: Value = serde_json::from_str(event).expect("an event");
    let word = |name: &str| event[name].as_str().map(str::to_owned);
    let time = EventTime::parse(&word("time").expect("a time")).expect("a time").0 / 1000 - BASE;
    let parts = [word("type"), word("reason"), word("state"), (time != 0).then(|| time.to_string())];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
