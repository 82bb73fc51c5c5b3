//! The promise, end to end: real processes over a real Kafka, killed on the way, end in the same numbers
//! as a replay of the same events.
//!
//! Two instances share four partitions; one is killed (-9) three times. Whoever reads committed records
//! then sees, for every interval, what `replay` says, bit for bit; for every other key what `replay` says
//! as of that record; and never two contents under one version.

use crate::deployment::{Deployment, Key, PATIENCE, Reader, key};
use crate::support::kafka;
use callpulse::decode::json;
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::SimSettings;
use callpulse::stream::feed::Feed;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::time::Instant;

/// A record without what only publishing gives it.
fn content(record: &Value) -> Value {
    let mut record = record.clone();
    let fields = record.as_object_mut().expect("an object");
    for name in ["version", "as_of", "final", "corrected", "counters"] {
        fields.remove(name);
    }
    record
}

/// Whether an interval holds nothing, which a replay does not show: what was in it was taken back.
fn is_empty(record: &Value) -> bool {
    let counts = record["counts"].as_object().expect("counts");
    counts.values().all(|count| count == 0 || count.as_object().is_some_and(serde_json::Map::is_empty))
}

/// Versions never go back within a key, and one version has one content.
fn check_versions(reader: &Reader) {
    let mut newest: HashMap<&str, (u64, &str)> = HashMap::new();
    for (key, value) in reader.records.iter().filter(|(key, _)| !key.starts_with("progress|")) {
        let Some(value) = value else { continue };
        let record: Value = serde_json::from_str(value).expect("a record");
        let version = record["version"].as_u64().expect("a version");
        if let Some((before, content)) = newest.get(key.as_str()) {
            assert!(*before <= version, "{key} went back from {before} to {version}");
            assert!(*before != version || content == value, "{key} has two contents under {version}");
        }
        newest.insert(key, (version, value));
    }
}

#[test]
fn two_instances_one_killed_three_times_end_in_the_numbers_of_a_replay() {
    let deployment = Deployment::new();
    let centre = Centre::new(SimSettings { seed: 7, calls: 3_000, keeps_books: false, ..SimSettings::default() });
    let events: Vec<(String, i64, String)> = centre
        .map(|(at, event)| {
            let call = event.call_id.as_deref().unwrap_or("agents").to_string();
            (call, at.0, json::encode(&event))
        })
        .collect();
    let file = deployment.dir.join("events.jsonl");
    let lines: Vec<&str> = events.iter().map(|(_, _, line)| line.as_str()).collect();
    fs::write(&file, lines.join("\n")).expect("the events");

    let connection = kafka::shared();
    let feed = Feed::open(&connection, &deployment.topic("acd.events")).expect("a producer");
    let mut board = Reader::open(&deployment.brokers, &deployment.topic("kpis"));
    let _a = deployment.start("a");
    let mut b = deployment.start("b");
    for (part, chunk) in events.chunks(events.len().div_ceil(4)).enumerate() {
        for (call, at, line) in chunk {
            feed.send(call, line, *at).expect("written");
        }
        feed.flush().expect("written");
        if part < 3 {
            // Something of it is published, more is under way.
            let seen = board.records.len();
            let until = Instant::now() + PATIENCE;
            while board.records.len() == seen && Instant::now() < until {
                board.read_out();
            }
            drop(b);
            b = deployment.start("b");
        }
    }

    let expected = deployment.replay(&file, None);
    let arrived = |record: &Value| record["counts"]["handled"].as_i64();
    let total: Key = ["default", "tenant", "default", "total", ""].map(String::from).into();
    let until = Instant::now() + PATIENCE;
    let mut intervals = Reader::open(&deployment.brokers, &deployment.topic("intervals"));
    let ended = || expected.keys().filter(|key| key.3.starts_with("per_")).count();
    loop {
        board.read_out();
        intervals.read_out();
        let newest = board.last();
        let now = newest.get("default|tenant|default|total").and_then(arrived);
        // What is published every 15 s only may trail.
        let totals = newest.values().filter(|one| one["window"]["name"] == "total");
        let trailing = totals.filter(|one| expected[&key(one)]["counts"] != one["counts"]).count();
        let last = intervals.last();
        let differs = |one: &&Value| match expected.get(&key(one)) {
            Some(wanted) => content(wanted) != content(one),
            None => !is_empty(one),
        };
        let differing: Vec<&Value> = last.values().filter(differs).collect();
        if now == arrived(&expected[&total]) && trailing == 0 && differing.is_empty() && ended() <= last.len() {
            break;
        }
        assert!(
            Instant::now() < until,
            "not drained: handled {now:?} of {:?}, {trailing} totals trail, {} of {} intervals, {} differ, such as {:?}\n{}",
            arrived(&expected[&total]),
            last.len(),
            ended(),
            differing.len(),
            differing.first(),
            deployment.log()
        );
    }

    check_versions(&board);
    check_versions(&intervals);
    let archived = intervals.last();
    for (place, record) in expected.iter().filter(|(place, _)| place.3.starts_with("per_")) {
        let found = archived.values().find(|one| key(one) == *place);
        assert_eq!(found.map(content), Some(content(record)), "{place:?}");
    }
    let mut by_time: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in board.last().into_values() {
        by_time.entry(record["as_of"].as_str().expect("a time").to_string()).or_default().push(record);
    }
    for (as_of, records) in by_time.into_iter().rev().take(3) {
        let expected = deployment.replay(&file, Some(&as_of));
        for record in records {
            // A replay shows intervals with facts only.
            let Some(wanted) = expected.get(&key(&record)) else {
                assert!(record["window"]["kind"] == "interval" && is_empty(&record), "{record}");
                continue;
            };
            assert_eq!(content(&record), content(wanted), "as of {as_of}");
        }
    }
    drop(b);
    fs::remove_dir_all(&deployment.dir).expect("the directory to go");
}
