//! Amazon Connect: the samples of its manual against what the manual says of them.
//!
//! The data stand beside the repository and are no part of it; without them there is nothing to check, and each
//! test says so.

#[path = "support/beside.rs"]
mod beside;
#[path = "support/told.rs"]
mod told;

use beside::beside;
use callpulse::config;
use callpulse::decode::format::{Decoder, Format};
use callpulse::decode::json;
use callpulse::event::{Decoded, Reason};
use callpulse::replay::engine::Replay;
use callpulse::replay::filter::Filter;
use callpulse::time::EventTime;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use told::{Told, told};

const DATA: &str = "data/amazon-connect-docs";

const AGENT: &str = "agent-ARN";

/// A file of the manual's samples; none if they are not there.
fn sample(name: &str) -> Option<String> {
    let found = beside(&format!("{DATA}/{name}"))?;
    Some(std::fs::read_to_string(found).expect("a sample"))
}

fn read(format: Format, record: &str) -> Told {
    let told = told(&Decoder::from(format), record.as_bytes());
    told.is_sound();
    assert_eq!(told.refused, None, "{record}");
    told
}

/// The number at a path of the record that an entity has in `total`.
fn total(events: &[String], entity: &str, path: &str) -> Option<i64> {
    let settings = config::read("", &BTreeMap::new()).expect("the defaults").settings;
    let mut replay = Replay::new(Arc::new(settings.plan.clone()), EventTime(i64::MAX));
    for line in events {
        let Ok(Decoded::Event(event)) = json::decode(line.as_bytes()) else { panic!("{line} is no event") };
        replay.take(&event, "sample");
    }
    let as_of = replay.latest().expect("events");
    let tallies = replay.settle(&settings.kpi, as_of);
    let record = tallies.records(&Filter::default()).find(|record| {
        format!("{}:{}", record.entity.kind, record.entity.id) == entity && record.window.name == "total"
    })?;
    serde_json::to_value(record).expect("JSON").pointer(path)?.as_i64()
}

/// The one record in a list of one.
fn only(list: &str) -> String {
    let list: Vec<Value> = serde_json::from_str(list).expect("a list");
    let [record] = &list[..] else { panic!("{} records", list.len()) };
    record.to_string()
}

#[test]
fn after_contact_work_is_as_long_as_the_manual_says() {
    let samples = ["determine-acw-time-0.fixed.json", "determine-acw-time-1.fixed.json"];
    let [Some(ended), Some(gone)] = samples.map(sample) else { return };
    let read = |list: &str| read(Format::AmazonConnectAgent, &only(list)).events;
    let (ended, gone) = (read(&ended), read(&gone));
    let whose = format!("agent:{AGENT}");
    for events in [[&ended[..], &gone].concat(), [&gone[..], &ended].concat(), gone] {
        assert_eq!(total(&events, &whose, "/sums_ms/wrapup"), Some(5_005), "{events:?}");
        assert_eq!(total(&events, &whose, "/sums_ms/talk"), Some(6_006));
        assert_eq!(total(&events, &whose, "/counts/handled"), Some(1));
    }
    let printed = sample("determine-acw-time-0.txt").expect("beside the others");
    let refused = told(&Decoder::from(Format::AmazonConnectAgent), printed.as_bytes()).refused;
    assert_eq!(refused.map(|reject| reject.reason), Some(Reason::MalformedJson), "comments are no JSON");
}

#[test]
fn a_call_that_an_agent_takes_is_offered_and_answered() {
    let Some(connected) = sample("contact-events-0.json") else { return };
    for format in [Format::AmazonConnectContact, Format::AmazonConnect] {
        let events = read(format, &connected).events;
        let queue = "queue:12345678-1234-1234-1234-123456789012";
        assert_eq!(total(&events, queue, "/counts/offered"), Some(1), "{events:?}");
        assert_eq!(total(&events, queue, "/counts/answered"), Some(1));
        assert_eq!(total(&events, queue, "/counts/implied"), Some(0));
        assert_eq!(total(&events, queue, "/sums_ms/wait_answered"), Some(5_000));
    }
}

#[test]
fn an_outbound_call_that_ends_before_it_is_connected_is_over_and_no_more() {
    let Some(disconnected) = sample("contact-events-1.fixed.json") else { return };
    let events = read(Format::AmazonConnectContact, &disconnected).events;
    let expected = "{\"type\":\"call.ended\",\"time\":\"2021-08-04T17:18:37.000Z\",\
                    \"call_id\":\"11111111-1111-1111-1111-111111111111\",\
                    \"root_id\":\"11111111-2222-3333-4444-555555555555\",\"direction\":\"outbound\"}";
    assert_eq!(events, [expected]);
}

#[test]
fn a_heartbeat_says_what_the_agent_does_and_for_which_queues() {
    let Some(printed) = sample("sample-agent-event-stream-0.txt") else { return };
    // As printed it has comments, a comma too many and a brace that ends the snapshot before its end.
    let bare: Vec<&str> = printed.lines().map(|line| line.split(" //").next().unwrap_or_default().trim()).collect();
    let record = bare.concat().replace(",}", "}").replacen("}} ,\"Configuration\"", "},\"Configuration\"", 1);
    let record = record.replacen("}},\"Configuration\"", "},\"Configuration\"", 1);
    let told = read(Format::AmazonConnectAgent, &record);
    let at = "\"time\":\"2019-08-13T20:52:30.704Z\"";
    let expected = [
        format!("{{\"type\":\"agent.state\",{at},\"agent\":\"{AGENT}\",\"state\":\"available\"}}"),
        format!("{{\"type\":\"agent.joined\",{at},\"queue\":\"agent/{AGENT}\",\"agent\":\"{AGENT}\"}}"),
        format!("{{\"type\":\"agent.joined\",{at},\"queue\":\"queue-ARN\",\"agent\":\"{AGENT}\"}}"),
    ];
    assert_eq!(told.events, expected);
}
