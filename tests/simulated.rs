//! Replay against the simulated centre's own books: every count and sum of every entity, in total and
//! by the hour, at the event and by entry.

use callpulse::config;
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
    SimSettings { seed, calls, ..SimSettings::default() }
}

#[track_caller]
fn check(simulated: SimSettings) {
    let seed = simulated.seed;
    let loaded = config::read("[windows]\nsliding = []\nintervals = [\"1h\"]\n", &BTreeMap::new());
    let settings = loaded.expect("settings").settings;
    let mut replay = Replay::new(Arc::new(settings.plan.clone()), EventTime(i64::MAX));
    let mut centre = Centre::new(simulated);
    for (_, event) in centre.by_ref() {
        replay.take(&event, "simulated");
    }
    let truth = centre.truth();
    let as_of = replay.latest().expect("there were events");
    let records: Vec<KpiRecord> = replay.settle(&settings.kpi, as_of).records(&Filter::default()).collect();
    compare(seed, &truth, &records);
}

fn compare(seed: u64, truth: &Truth, records: &[KpiRecord]) {
    let mut found: HashMap<(String, String, String, String), &KpiRecord> = HashMap::new();
    for record in records {
        let start = record.window.start.clone().unwrap_or(record.window.name.clone());
        found.insert((record.tenant.clone(), record.entity.kind.to_string(), record.entity.id.clone(), start), record);
    }
    let mut compared = 0;
    for entity in &truth.entities {
        let record = |start: &str| {
            let place = (entity.tenant.clone(), entity.kind.to_string(), entity.id.clone(), start.to_string());
            found.get(&place).copied()
        };
        let name = format!("seed {seed}, {} {} of {}", entity.kind, entity.id, entity.tenant);
        let Some(total) = record("total") else {
            // An agent who never took a call.
            assert!(entity.per_1h.is_empty(), "{name} is missing");
            continue;
        };
        check_numbers(&format!("{name} in total"), &entity.total, &total.counts, &total.sums_ms);
        if let Some(waiting) = entity.total.waiting.filter(|_| entity.kind != "agent") {
            assert_eq!(total.waiting, Some(waiting), "{name} waiting");
        }
        for hour in &entity.per_1h {
            let at = format!("{name} at {}", hour.start);
            let piece = record(&hour.start).unwrap_or_else(|| panic!("{at} is missing"));
            check_numbers(&at, &hour.event, &piece.counts, &piece.sums_ms);
            if let Some(expected) = &hour.by_entry {
                let by_entry = piece.by_entry.as_ref().unwrap_or_else(|| panic!("{at} has no entries"));
                check_numbers(&format!("{at} by entry"), expected, &by_entry.counts, &by_entry.sums_ms);
                assert_eq!(Some(by_entry.waiting), expected.waiting, "{at} by entry, waiting");
            }
            compared += 1;
        }
    }
    assert!(20 < compared, "only {compared} hours compared");
    let known = |record: &&KpiRecord| {
        truth.entities.iter().any(|entity| {
            entity.tenant == record.tenant && entity.kind == record.entity.kind && entity.id == record.entity.id
        })
    };
    assert!(records.iter().all(|record| known(&record)), "an entity nobody knows");
}

/// Every number of the truth that the record has too.
fn check_numbers(of: &str, expected: &Numbers, counts: &Fields<Count>, sums: &Fields<i64>) {
    let mut shared = 0;
    for (name, count) in expected.counts.iter() {
        if let Some(found) = counts.get(name) {
            assert_eq!(sorted(found), sorted(count), "{of}: {name}");
            shared += 1;
        }
    }
    for (name, sum) in expected.sums_ms.iter() {
        if let Some(found) = sums.get(name) {
            assert_eq!(found, sum, "{of}: {name}");
            shared += 1;
        }
    }
    assert!(10 <= shared, "{of}: only {shared} numbers");
}

/// Reasons that occurred, in one order.
fn sorted(count: &Count) -> Vec<(String, i64)> {
    let mut parts: Vec<(String, i64)> = match count {
        Count::Number(number) => vec![(String::new(), *number)],
        Count::By(parts) => parts.iter().map(|(name, number)| (name.to_string(), *number)).collect(),
    };
    parts.retain(|(name, number)| name.is_empty() || *number != 0);
    parts.sort();
    parts
}

#[test]
fn replay_finds_the_truth_of_daily_centres() {
    check(settings(1, 5_000));
    check(settings(2, 3_000));
    check(SimSettings { agents: Some(10), ..settings(9, 900) });
    check(SimSettings { agents: Some(3), calls_per_hour: 20, ..settings(14, 2_000) });
}

#[test]
fn replay_finds_the_truth_of_busy_centres_around_the_clock() {
    for seed in 3..9 {
        check(SimSettings { shape: Shape::Flat, calls_per_hour: 200, ..settings(seed, 1_500) });
    }
    check(SimSettings { calls_per_hour: 900, ..settings(13, 6_000) });
}

#[test]
fn replay_finds_the_truth_of_several_tenants() {
    check(SimSettings { tenants: vec!["default".into(), "north".into(), "جنوب".into()], ..settings(12, 4_000) });
}

#[test]
fn disorder_and_repeats_hide_nothing() {
    for (seed, marks) in [(21, Marks::Bare), (22, Marks::Seq), (23, Marks::EventId), (24, Marks::Both)] {
        check(SimSettings { disorder_ms: 30_000, repeats_per_mille: 200, marks, ..settings(seed, 2_000) });
    }
}
