//! The walk: at every instant of it an entity is what a replay of the events so far makes of it.

use crate::cases;
use crate::centre::{few_windows, latest, records};
use crate::histories::{Reach, Told, history};
use callpulse::config::settings::Settings;
use callpulse::kpi::catalogue::{KPIS, SUMS, What};
use callpulse::kpi::project::{Edition, Projection, Window};
use callpulse::kpi::record::KpiRecord;
use callpulse::replay::engine::Replay;
use callpulse::replay::walk::{Pace, Walk, end_of};
use callpulse::time::EventTime;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

static SETTINGS: LazyLock<[Settings; 2]> =
    LazyLock::new(|| [few_windows("Europe/Budapest"), few_windows("Australia/Lord_Howe")]);

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn what_a_walk_shows_is_what_a_replay_makes_of_the_events_so_far(
        settings in 0..2_usize,
        told in prop_oneof![3 => history(Reach::Minutes), 2 => history(Reach::Days)].prop_map(whole),
        chosen in proptest::collection::vec(0.0..1.0_f64, 3),
    ) {
        let settings = &SETTINGS[settings];
        let until = EventTime(latest(&told) + 3 * 3_600_000);
        let mut seconds = Vec::new();
        walk(settings, &told, Pace::default()).run(until, |look| seconds.push(look.shown.as_of.second().0));
        seconds.dedup();
        for share in chosen {
            let second = seconds[(share * seconds.len() as f64) as usize];
            let mut shown = Vec::new();
            walk(settings, &told, Pace::default()).run(end_of(second), |look| {
                if look.shown.as_of.second().0 == second {
                    shown.extend(all(&look.shown));
                }
            });
            let expected = by_place(records(settings, so_far(&told, second), end_of(second).0));
            prop_assert!(!shown.is_empty());
            for record in shown {
                let found = expected.get(&place(&record));
                // An interval in which nothing happened is none of a replay's.
                if found.is_some() || record.window.kind != "interval" {
                    prop_assert_eq!(Some(&record), found, "{}", place(&record));
                }
            }
        }
    }

    #[test]
    fn between_two_looks_nothing_changes_but_the_time_of_agents(
        told in history(Reach::Minutes).prop_map(whole),
        chosen in 0.0..1.3_f64,
    ) {
        let (settings, first) = (&SETTINGS[0], told[0].time);
        let second = EventTime(first + (chosen * (latest(&told) - first) as f64) as i64).second().0;
        let mut looked = BTreeMap::new();
        let pace = Pace { while_waiting: true, with_agents: true, at_boundaries: true };
        walk(settings, &told, pace).run(end_of(second), |look| drop(looked.insert(look.seat, all(&look.shown))));
        let looked = by_place(looked.into_values().flatten().collect());
        let expected = records(settings, so_far(&told, second), end_of(second).0);
        for mut record in expected.into_iter().filter(|record| is_open(record, second)) {
            let place = place(&record);
            let mut found = looked.get(&place).cloned();
            found.iter_mut().chain([&mut record]).for_each(without_time);
            prop_assert_eq!(found.as_ref(), Some(&record), "{}", place);
        }
    }
}

/// Documents as single events: of their revisions the walk knows the last from the beginning.
pub fn whole(mut told: Vec<Told>) -> Vec<Told> {
    for told in &mut told {
        let mut line: Value = serde_json::from_str(&told.line).expect("JSON");
        let fields = line.as_object_mut().expect("an event");
        fields.remove("document");
        fields.remove("revision");
        told.line = line.to_string();
    }
    told.sort_by_key(|told| told.time);
    told
}

pub fn so_far(told: &[Told], second: i64) -> impl Iterator<Item = &Told> {
    told.iter().filter(move |told| told.time <= end_of(second).0)
}

fn walk<'s>(settings: &'s Settings, told: &[Told], pace: Pace) -> Walk<'s> {
    let mut replay = Replay::new(Arc::new(settings.plan.clone()), EventTime(i64::MAX));
    for told in told {
        replay.take(&told.event(), crate::centre::TOPIC);
    }
    replay.walk(&settings.kpi, true, move |_| Some(pace))
}

/// The records of what is looked at, of intervals those that are open.
fn all(shown: &Projection<'_>) -> Vec<KpiRecord> {
    let sliding = (0..shown.settings.sliding.len()).map(Window::Sliding);
    let intervals = (0..shown.settings.intervals.len()).map(|at| Window::Interval(at, shown.open_interval(at)));
    let windows = [Window::Now, Window::Total].into_iter().chain(sliding).chain(intervals);
    windows.map(|window| shown.record(window, Edition::default()).expect("a record")).collect()
}

fn by_place(records: Vec<KpiRecord>) -> BTreeMap<String, KpiRecord> {
    records.into_iter().map(|record| (place(&record), record)).collect()
}

/// Whose record of which window it is.
fn place(record: &KpiRecord) -> String {
    let start = record.window.start.as_deref().filter(|_| record.window.kind == "interval").unwrap_or_default();
    let KpiRecord { tenant, entity, window, .. } = record;
    format!("{tenant} {} {} {:?} {} {start}", entity.kind, entity.id, entity.channel, window.name)
}

fn is_open(record: &KpiRecord, second: i64) -> bool {
    let [start, end] = [record.window.start.as_ref(), Some(&record.window.end)]
        .map(|time| time.map(|time| EventTime::parse(time).expect("a time")));
    record.window.kind != "interval" || start <= Some(end_of(second)) && Some(end_of(second)) < end
}

/// What changes by itself: the instant, and the time of agents.
fn without_time(record: &mut KpiRecord) {
    record.as_of.clear();
    if record.window.kind != "interval" {
        record.window.end.clear();
        record.window.start = None;
    }
    record.kpis.0.retain(|(id, _)| !KPIS.iter().any(|kpi| kpi.id == id && kpi.windows.are_of_agents()));
    record
        .sums_ms
        .0
        .retain(|(name, _)| !SUMS.iter().any(|sum| sum.name == name && !matches!(sum.what, What::Measure(_))));
    record.paused_by_reason_ms = None;
}
