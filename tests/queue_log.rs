//! The queue log: real rows, and rows that come without a place in a file.
//!
//! The real rows stand beside the repository and are no part of it; without them there is nothing to check, and the
//! test says so.

#[path = "support/beside.rs"]
mod beside;
#[path = "support/told.rs"]
mod told;

use beside::beside;
use callpulse::config;
use callpulse::decode::format::{Decoder, Format, Given};
use callpulse::decode::json;
use callpulse::decode::places::Places;
use callpulse::event::Decoded;
use callpulse::replay::engine::Replay;
use callpulse::replay::filter::Filter;
use callpulse::time::EventTime;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use told::{Told, told};

const DATA: &str = "data/asterisk-queue-log-samples/mysql_dump_2023.csv";

/// What each row is told as; with its place, as a file has one, or without, as on Kafka.
fn read<'r>(rows: impl IntoIterator<Item = &'r [u8]>, has_place: bool) -> Vec<Told> {
    let decoder = Decoder::from(Format::QueueLog);
    let mut places = Places::of(&decoder);
    let read = (1..).zip(rows).map(|(line, bytes)| {
        let place = has_place.then(|| places.next(line, bytes));
        let told = told(&decoder, Given { place, ..Given::from(bytes) });
        told.is_sound();
        told
    });
    read.collect()
}

/// The records of all that is told, as JSON.
fn records(told: &[Told]) -> Vec<Value> {
    let settings = config::read("", &BTreeMap::new()).unwrap_or_else(|_| panic!("the defaults")).settings;
    let mut replay = Replay::new(Arc::new(settings.plan.clone()), EventTime(i64::MAX));
    for event in told.iter().flat_map(|told| &told.events) {
        let Ok(Decoded::Event(event)) = json::decode(event.as_bytes()) else { panic!("{event} is no event") };
        replay.take(&event, "queue_log");
    }
    let as_of = replay.latest().unwrap_or_default();
    let tallies = replay.settle(&settings.kpi, as_of);
    tallies.records(&Filter::default()).map(|record| serde_json::to_value(record).expect("JSON")).collect()
}

#[track_caller]
fn check(records: &[Value], queue: &str, expected: &[(&str, i64)]) {
    let is_it = |record: &&Value| {
        record["entity"]["kind"] == "queue" && record["entity"]["id"] == queue && record["window"]["name"] == "total"
    };
    let total = records.iter().find(is_it).unwrap_or_else(|| panic!("{queue} has no record"));
    for (path, value) in expected {
        assert_eq!(total.pointer(path), Some(&json!(value)), "{queue} {path}");
    }
}

#[test]
fn a_dump_of_the_table_is_told_to_its_last_row() {
    let Some(found) = beside(DATA) else { return };
    let text = std::fs::read_to_string(found).expect("the rows");
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().expect("the names of the columns").split(',').collect();
    let rows: Vec<String> = lines
        .map(|line| {
            let mut row: BTreeMap<&str, String> =
                columns.iter().copied().zip(line.split(',').map(str::to_owned)).collect();
            // The ids of the calls, which are seconds since 1970, say that the dump is in UTC.
            row.entry("time").and_modify(|time| time.push_str("+00"));
            serde_json::to_string(&row).expect("JSON")
        })
        .collect();
    let told = read(rows.iter().map(String::as_bytes), true);
    let aside: Vec<&str> = told.iter().flat_map(|told| &told.aside).map(String::as_str).collect();
    assert_eq!((told.len(), aside), (30, vec!["CONFIGRELOAD"]));
    assert!(told.iter().all(|told| told.refused.is_none()));
    let restarts = told.iter().flat_map(|told| &told.events).filter(|event| event.contains("source.restarted")).count();
    assert_eq!(restarts, 8);
    let records = records(&told);
    let support = [
        ("/counts/offered", 7),
        ("/counts/answered", 2),
        ("/counts/abandoned", 4),
        ("/counts/flowed_out_by_reason/timeout", 1),
        ("/counts/implied", 0),
        ("/counts/solicitations", 5),
        ("/counts/ring_no_answer", 2),
        ("/counts/ring_caller_left", 1),
        // By the times of the rows: 8 and 4, where CONNECT says 8 and 5.
        ("/sums_ms/wait_answered", 12_000),
        // 20, 12, 17 and 20, where ABANDON says 20, 11, 17 and 20.
        ("/sums_ms/wait_abandoned", 69_000),
        ("/sums_ms/wait_flowed_out", 20_000),
        ("/sums_ms/talk", 109_000),
    ];
    check(&records, "Support", &support);
    check(&records, "sales", &[("/counts/offered", 1), ("/counts/abandoned", 1), ("/sums_ms/wait_abandoned", 8_000)]);
}

/// The geometry that another viewer of queue logs draws: one call, one that is abandoned, and one whose entry is lost.
///
/// ```text
/// a  0 ── waits ── 20 ────────── talks ────────── 90
/// b           40 ──────── waits ──────── 80
/// c                  (60) waits 70 ──── talks ──── 100
/// ```
#[test]
fn a_call_whose_entry_is_lost_waited_as_long_as_its_answer_says() {
    let rows = [
        (0, "a|9000|NONE|ENTERQUEUE||1|1"),
        (20, "a|9000|Agent/1|CONNECT|20|a.1|10"),
        (90, "a|9000|Agent/1|COMPLETEAGENT|20|70|1"),
        (40, "b|9000|NONE|ENTERQUEUE||2|1"),
        (80, "b|9000|NONE|ABANDON|1|1|40"),
        (65, "c|9000|Agent/2|RINGNOANSWER|4000"),
        (70, "c|9000|Agent/2|CONNECT|10|c.1|2"),
        (100, "c|9000|Agent/2|COMPLETECALLER|10|30|1"),
    ];
    let rows = rows.map(|(at, row)| format!("{}|{row}", 1_266_833_905 + at));
    let expected = [
        ("/counts/offered", 3),
        ("/counts/answered", 2),
        ("/counts/abandoned", 1),
        ("/counts/implied", 1),
        ("/counts/solicitations", 3),
        ("/counts/ring_no_answer", 1),
        ("/sums_ms/wait_answered", 30_000),
        ("/sums_ms/wait_abandoned", 40_000),
        ("/sums_ms/talk", 100_000),
    ];
    check(&records(&read(rows.iter().map(String::as_bytes), true)), "9000", &expected);
}

/// Samples of rows whose order within a second says what nothing else in them says.
const NEEDS_PLACES: [&str; 1] = ["same_second.in"];

#[test]
fn rows_without_a_place_mean_the_same_in_any_order_and_however_often() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/queue_log");
    let mut samples: Vec<PathBuf> =
        std::fs::read_dir(samples).expect("samples").map(|entry| entry.expect("an entry").path()).collect();
    samples.retain(|path| path.extension().is_some_and(|extension| extension == "in"));
    samples.retain(|path| !NEEDS_PLACES.iter().any(|name| path.ends_with(name)));
    assert!(5 < samples.len());
    for sample in samples {
        let bytes = std::fs::read(&sample).expect("a sample");
        let rows: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|row| !row.is_empty()).collect();
        let expected = records(&read(rows.iter().copied(), true));
        let twice: Vec<&[u8]> = rows.iter().rev().chain(&rows).copied().collect();
        assert!(records(&read(twice, false)) == expected, "{}", sample.display());
    }
}

/// Rounds through one queue within one second, a hand-over and a new reason of a pause, as Kafka brings them.
#[test]
fn what_ends_a_stay_stands_before_the_next_entry_of_the_same_second() {
    let rows = [
        (0, "c.1|sales|NONE|ENTERQUEUE||101|1"),
        (30, "c.1|sales|NONE|ENTERQUEUE||101|2"),
        (30, "c.1|sales|NONE|EXITWITHTIMEOUT|1|1|30"),
        (60, "c.1|support|NONE|ENTERQUEUE||101|1"),
        (60, "c.1|sales|ana|RINGNOANSWER|20000"),
        (60, "c.1|sales|NONE|EXITWITHTIMEOUT|1|2|30"),
        (70, "c.1|support|bob|CONNECT|10|c.2|5"),
        (90, "c.1|sales|NONE|ENTERQUEUE||101|1"),
        (90, "c.1|support|bob|COMPLETEAGENT|10|20|1"),
        (90, "c.1|sales|ana|CONNECT|0|c.3|0"),
        (99, "c.1|sales|ana|COMPLETECALLER|0|9|1"),
    ];
    let rows = rows.map(|(at, row)| format!("{}|{row}", 1_772_438_400 + at));
    let records = records(&read(rows.iter().map(String::as_bytes), false));
    let sales = [
        ("/counts/offered", 3),
        ("/counts/answered", 1),
        ("/counts/flowed_out_by_reason/timeout", 2),
        ("/counts/ring_no_answer", 1),
        ("/counts/implied", 0),
        ("/sums_ms/wait_flowed_out", 60_000),
        ("/sums_ms/wait_answered", 0),
        ("/sums_ms/talk", 9_000),
    ];
    check(&records, "sales", &sales);
    let support = [
        ("/counts/offered", 1),
        ("/counts/answered", 1),
        ("/counts/abandoned", 0),
        ("/counts/ring_no_answer", 0),
        ("/sums_ms/talk", 20_000),
    ];
    check(&records, "support", &support);
}
