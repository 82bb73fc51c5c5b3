//! The engine without Kafka: what an event costs from its bytes to the KPI records, against parsing it.
//!
//! Each round does every row once, on one thread, so that the ratios of a round share the machine's mood.
//! CPU time, not the clock on the wall. `replay` is all of it: decoding, the lives of calls, every window
//! and interval of the default settings, and every record written as JSON.

use crate::cpu;
use crate::figures::Figure;
use crate::floor;
use crate::number;
use callpulse::config;
use callpulse::decode::json;
use callpulse::event::Decoded;
use callpulse::kpi::record::KpiRecord;
use callpulse::replay::engine::{Replay, Tallies};
use callpulse::replay::filter::Filter;
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::{Shape, SimSettings};
use callpulse::time::EventTime;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

const ROUNDS: usize = 5;
const ROWS: [&str; 6] = [
    "parse (serde, the floor)",
    "decode",
    "decode and log",
    "settle into tallies",
    "KPI records as JSON",
    "replay, all of it",
];

pub fn measure() {
    let calls = number("CALLS", 100_000);
    let lines = lines(calls);
    let bytes: usize = lines.iter().map(Vec::len).sum();
    println!("{} events of {} bytes, {} calls, {ROUNDS} rounds", lines.len(), bytes / lines.len(), calls);
    let mut nanos: [Figure; ROWS.len()] = Default::default();
    let mut ratios: [Figure; ROWS.len()] = Default::default();
    let mut records = (0, 0);
    for _ in 0..ROUNDS {
        let (parse, _) = timed(|| lines.iter().map(|line| floor::parse(line)).sum::<usize>());
        let (decode, _) = timed(|| lines.iter().filter(|line| black_box(json::decode(line)).is_ok()).count());
        let (fold, replay) = timed(|| fold(&lines));
        let settings = settings();
        let as_of = replay.latest().expect("there are events");
        let (settle, tallies) = timed(|| replay.settle(&settings.kpi, as_of));
        let (show, written) = timed(|| show(&tallies));
        records = written;
        for (place, cost) in [parse, decode, fold, settle, show, fold + settle + show].into_iter().enumerate() {
            nanos[place].add(cost * 1e9 / lines.len() as f64);
            ratios[place].add(cost / parse);
        }
    }
    println!("{} records, {} bytes of them as JSON\n", records.0, records.1);
    println!("{:<26}{:>28}{:>24}", "", "CPU ns an event", "times parse");
    for ((row, nanos), ratio) in ROWS.iter().zip(nanos).zip(ratios) {
        println!("{row:<26}{nanos:>28}{ratio:>24}");
    }
}

/// Fifty tenants of four queues, a thousand calls a minute in all.
pub fn centre(calls: u64) -> SimSettings {
    SimSettings {
        calls,
        tenants: (0..50).map(|tenant| format!("tenant-{tenant}")).collect(),
        calls_per_hour: 1_200,
        shape: Shape::Flat,
        keeps_books: false,
        ..SimSettings::default()
    }
}

pub fn lines(calls: u64) -> Vec<Vec<u8>> {
    Centre::new(centre(calls)).map(|(_, event)| json::encode(&event).into_bytes()).collect()
}

pub fn settings() -> config::settings::Settings {
    config::read("", &BTreeMap::new()).expect("the default settings").settings
}

pub fn fold(lines: &[Vec<u8>]) -> Replay {
    let mut replay = Replay::new(Arc::new(settings().plan.clone()), EventTime(i64::MAX));
    for line in lines {
        if let Ok(Decoded::Event(event)) = json::decode(line) {
            black_box(replay.take(&event, "bench"));
        }
    }
    replay
}

/// How many records, and how many bytes they are.
fn show(tallies: &Tallies<'_>) -> (usize, usize) {
    let length = |record: KpiRecord| record.to_json().len();
    tallies.records(&Filter::default()).map(length).fold((0, 0), |(records, bytes), more| (records + 1, bytes + more))
}

/// CPU seconds, and what came out.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = cpu::own();
    let made = black_box(work());
    ((cpu::own() - begun).as_secs_f64(), made)
}
