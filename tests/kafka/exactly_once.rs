//! The promise, end to end: real processes over a real Kafka, killed on the way, end in the same numbers
//! as a replay of the same events.
//!
//! Two instances share four partitions; one is killed (-9) three times. Whoever reads committed records
//! then sees, for every interval, what `replay` says, bit for bit; for every other key what `replay` says
//! as of that record; and never two contents under one version.

use crate::bank::month;
use crate::deployment::{Deployment, PATIENCE, Reader};
use crate::kafka;
use crate::oracle::{alerts_are_told_once, calls_end_as_told, ends_as_replay, rejects_are};
use callpulse::decode::json;
use callpulse::event::{Decoded, Event};
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::SimSettings;
use callpulse::stream::feed::Feed;
use std::fs;
use std::time::Instant;

#[test]
fn two_instances_one_killed_three_times_end_in_the_numbers_of_a_replay() {
    let deployment = Deployment::on(&kafka::shared());
    let settings = SimSettings { seed: 7, calls: 3_000, keeps_books: false, ..SimSettings::default() };
    let events: Vec<Written> = Centre::new(settings).map(|(_, event)| written(&event, json::encode(&event))).collect();
    let lines: Vec<&str> = events.iter().map(|event| event.value.as_str()).collect();
    fs::write(deployment.events(), lines.join("\n")).expect("the events");
    killed_three_times(&deployment, &events);
}

/// A real bank's January of 1999, beside the repository and no part of it.
#[test]
fn the_january_of_a_bank_ends_in_the_numbers_of_a_replay_too() {
    let Some(january) = month("january") else { return };
    let deployment = Deployment::in_zone(&kafka::shared(), "Asia/Jerusalem");
    fs::write(deployment.events(), &january).expect("the events");
    let mut events: Vec<Written> = january.lines().map(read).collect();
    events.sort_by_key(|event| event.at);
    killed_three_times(&deployment, &events);
}

/// An event to send: the record's key, its timestamp and its value.
struct Written {
    key: String,
    at: i64,
    value: String,
}

fn written(event: &Event<'_>, value: String) -> Written {
    Written { key: event.call_id.as_deref().unwrap_or("agents").to_string(), at: event.time.0, value }
}

fn read(line: &str) -> Written {
    match json::decode(line.as_bytes()) {
        Ok(Decoded::Event(event)) => written(&event, line.to_string()),
        other => panic!("{line}: {other:?}"),
    }
}

fn killed_three_times(deployment: &Deployment, events: &[Written]) {
    let feed = Feed::open(&kafka::shared(), &deployment.topic("acd.events")).expect("a producer");
    let mut board = Reader::open(&deployment.brokers, &deployment.topic("kpis"));
    let _a = deployment.start("a");
    let mut b = deployment.start("b");
    for (part, chunk) in events.chunks(events.len().div_ceil(4)).enumerate() {
        for event in chunk {
            feed.send(&event.key, &event.value, event.at).expect("written");
        }
        feed.flush().expect("written");
        if part < 3 {
            // Something of it is published, more is under way.
            let seen = board.seen;
            let until = Instant::now() + PATIENCE;
            while board.seen == seen && Instant::now() < until {
                board.read_out();
            }
            drop(b);
            b = deployment.start("b");
        }
    }

    println!("compared: {}", ends_as_replay(deployment, &mut board, 5));
    println!("compared: {} call records", calls_end_as_told(deployment));
    println!("compared: {} transitions of alerts", alerts_are_told_once(deployment));
    rejects_are(deployment, "");
    drop(b);
    fs::remove_dir_all(&deployment.dir).expect("the directory to go");
}
