//! What the simulated centre knows it did is what the engine makes of its events, in every entity and hour.
//!
//! Simulator and engine share the event and its wire form, and nothing else: the truth is written down
//! where things are decided, the engine sees what a source would send, out of order and with repeats.

use callpulse::config;
use callpulse::decode::json;
use callpulse::event::Decoded;
use callpulse::kpi::record::{Count, Fields, KpiRecord};
use callpulse::replay::engine::Replay;
use callpulse::replay::filter::Filter;
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::{Marks, Shape, SimSettings};
use callpulse::simulate::truth::{Numbers, Truth};
use callpulse::time::EventTime;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

fn settings(seed: u64, calls: u64) -> SimSettings {
    SimSettings { seed, calls, disorder_ms: 30_000, repeats_per_mille: 30, ..SimSettings::default() }
}

#[test]
fn the_engine_finds_the_truth_of_a_week() {
    check(settings(1, 10_000));
}

#[test]
fn the_engine_finds_the_truth_whatever_the_source_gives_to_tell_events_apart() {
    for (seed, marks) in [(2, Marks::Bare), (3, Marks::Seq), (4, Marks::EventId)] {
        check(SimSettings { marks, ..settings(seed, 1_500) });
    }
}

#[test]
fn the_engine_finds_the_truth_of_centres_of_every_sort() {
    check(SimSettings { agents: Some(3), calls_per_hour: 20, ..settings(5, 1_500) });
    check(SimSettings { shape: Shape::Flat, calls_per_hour: 400, ..settings(6, 2_000) });
    check(SimSettings { agents: Some(12), calls_per_hour: 90, ..settings(7, 2_000) });
    let tenants = ["default", "north", "جنوب"].map(String::from).to_vec();
    let queues = ["فروش", "技术支持", "számlázás", "a|b/c"].map(String::from);
    check(SimSettings { tenants, queues, ..settings(8, 3_000) });
}

/// Every number of the truth against the record of the same entity and window, both ways.
#[track_caller]
fn check(settings: SimSettings) {
    let seed = settings.seed;
    let loaded = config::load(None, std::iter::empty()).expect("the built-in settings");
    let mut replay = Replay::new(Arc::new(loaded.settings.plan), EventTime(i64::MAX));
    let mut centre = Centre::new(settings);
    for (_, event) in centre.by_ref() {
        let line = json::encode(&event);
        match json::decode(line.as_bytes()) {
            Ok(Decoded::Event(event)) => replay.take(&event, "file"),
            refused => panic!("{line}: {refused:?}"),
        };
    }
    let as_of = replay.latest().expect("events");
    let tallies = replay.settle(&loaded.settings.kpi, as_of);
    let filter = Filter { windows: vec!["total".into(), "per_1h".into()], ..Filter::default() };
    let mut records: HashMap<String, KpiRecord> =
        tallies.records(&filter).map(|record| (key(&record), record)).collect();

    let truth: Truth = centre.truth();
    let zero = |record: &KpiRecord| {
        let all = record.by_entry.iter().map(|by_entry| (&by_entry.counts, &by_entry.sums_ms));
        all.chain([(&record.counts, &record.sums_ms)]).all(|(counts, sums)| flat(counts, sums).is_empty())
    };
    for entity in &truth.entities {
        let of = format!("{} {} {}", entity.tenant, entity.kind, entity.id);
        let Some(total) = records.remove(&format!("{of} total")) else {
            assert!(flat(&entity.total.counts, &entity.total.sums_ms).is_empty(), "seed {seed}: no record of {of}");
            continue;
        };
        same(&format!("seed {seed}, {of}"), &entity.total, &total.counts, &total.sums_ms);
        if let Some(waiting) = entity.total.waiting {
            assert_eq!(total.waiting, Some(waiting), "seed {seed}, {of}");
        }
        if let Some(counters) = &total.counters {
            assert_eq!(counters.answered_within_threshold, entity.total.answered_within_20s, "seed {seed}, {of}");
        }
        for hour in &entity.per_1h {
            let place = format!("seed {seed}, {of} from {}", hour.start);
            let record =
                records.remove(&format!("{of} {}", hour.start)).unwrap_or_else(|| panic!("no record: {place}"));
            same(&place, &hour.event, &record.counts, &record.sums_ms);
            assert_eq!(hour.by_entry.is_some(), record.by_entry.is_some(), "{place}");
            if let (Some(known), Some(found)) = (&hour.by_entry, &record.by_entry) {
                same(&format!("{place} by entry"), known, &found.counts, &found.sums_ms);
                assert_eq!(known.waiting, Some(found.waiting), "{place}");
                assert_eq!(found.unsettled, 0, "{place}");
            }
        }
    }
    for (key, record) in records {
        assert!(zero(&record), "seed {seed}: the truth knows nothing of {key}");
    }
}

fn key(record: &KpiRecord) -> String {
    let window = record.window.start.as_deref().unwrap_or("total");
    format!("{} {} {} {window}", record.tenant, record.entity.kind, record.entity.id)
}

#[track_caller]
fn same(place: &str, known: &Numbers, counts: &Fields<Count>, sums_ms: &Fields<i64>) {
    assert_eq!(flat(&known.counts, &known.sums_ms), flat(counts, sums_ms), "{place}: truth left, engine right");
}

/// Every count and sum that is not 0, by its full name.
fn flat(counts: &Fields<Count>, sums_ms: &Fields<i64>) -> BTreeMap<String, i64> {
    let mut all = BTreeMap::new();
    for (name, count) in counts.iter() {
        match count {
            Count::Number(number) => drop(all.insert(name.to_string(), *number)),
            Count::By(fields) => all.extend(fields.iter().map(|(word, number)| (format!("{name}.{word}"), *number))),
        }
    }
    all.extend(sums_ms.iter().map(|(name, sum)| (format!("sum {name}"), *sum)));
    all.retain(|_, value| *value != 0);
    all
}
