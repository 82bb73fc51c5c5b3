//! What was published against what a replay of the same events says.

use crate::deployment::{Deployment, Key, PATIENCE, Reader, key};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Instant;

/// Waits until everything is worked off, and compares: every interval bit for bit, every other key as of its own
/// record for so many of the latest instants, and no version with two contents or going back.
pub fn ends_as_replay(deployment: &Deployment, events: &Path, board: &mut Reader, instants: usize) {
    let expected = deployment.replay(events, None);
    let intervals = drained(deployment, &expected, board);
    check_versions(board);
    check_versions(&intervals);
    let archived: HashMap<Key, Value> = intervals.last().into_values().map(|one| (key(&one), one)).collect();
    for (place, record) in expected.iter().filter(|(place, _)| place.3.starts_with("per_")) {
        assert_eq!(archived.get(place).map(content), Some(content(record)), "{place:?}");
    }
    let mut by_time: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in board.last().into_values() {
        by_time.entry(record["as_of"].as_str().expect("a time").to_string()).or_default().push(record);
    }
    for (as_of, records) in by_time.into_iter().rev().take(instants) {
        let expected = deployment.replay(events, Some(&as_of));
        for record in records {
            // A replay shows intervals with facts only.
            let Some(wanted) = expected.get(&key(&record)) else {
                assert!(record["window"]["kind"] == "interval" && is_empty(&record), "{record}");
                continue;
            };
            assert_eq!(content(&record), content(wanted), "as of {as_of}");
        }
    }
}

/// Reads on until everything expected is published. Answers the archive.
fn drained(deployment: &Deployment, expected: &HashMap<Key, Value>, board: &mut Reader) -> Reader {
    let handled = |record: &Value| record["counts"]["handled"].as_i64();
    let total: Key = ["default", "tenant", "default", "total", ""].map(String::from).into();
    let until = Instant::now() + PATIENCE;
    let mut intervals = Reader::open(&deployment.brokers, &deployment.topic("intervals"));
    let ended = expected.keys().filter(|key| key.3.starts_with("per_")).count();
    loop {
        board.read_out();
        intervals.read_out();
        let newest = board.last();
        let now = newest.get("default|tenant|default|total").and_then(handled);
        // What is published every 15 s only may trail.
        let totals = newest.values().filter(|one| one["window"]["name"] == "total");
        let trailing = totals.filter(|one| expected[&key(one)]["counts"] != one["counts"]).count();
        let last = intervals.last();
        let differs = |one: &&Value| match expected.get(&key(one)) {
            Some(wanted) => content(wanted) != content(one),
            None => !is_empty(one),
        };
        let differing: Vec<&Value> = last.values().filter(differs).collect();
        if now == handled(&expected[&total]) && trailing == 0 && differing.is_empty() && ended <= last.len() {
            return intervals;
        }
        assert!(
            Instant::now() < until,
            "not drained: handled {now:?} of {:?}, {trailing} totals trail, {} of {ended} intervals, {} differ, such as {:?}\n{}",
            handled(&expected[&total]),
            last.len(),
            differing.len(),
            differing.first(),
            deployment.log()
        );
    }
}

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
