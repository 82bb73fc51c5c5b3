//! A later generation beside an earlier one: what it leaves to it, and what it tells once that has left.

#[path = "support/drive.rs"]
#[expect(dead_code, reason = "the laws also ask how far it read")]
mod drive;
#[path = "support/stages.rs"]
mod stages;

use callpulse::config;
use callpulse::config::settings::Settings;
use callpulse::kpi::record::KpiRecord;
use callpulse::time::EventTime;
use stages::{Centre, EIGHT, MINUTE, call};
use std::collections::{BTreeMap, BTreeSet};

/// Late is what is ten minutes late, so that a quarter of an hour is settled soon.
fn settings(generation: u64) -> Settings {
    let text = format!(
        "[engine]\nbuilt_in_alerts = false\ngeneration = {generation}\nlate_horizon = \"10m\"\n\
         [windows]\nsliding = [\"5m\"]\nintervals = [\"15m\"]\ninterval_grace = \"1m\"\n[queues.sales]\n"
    );
    config::read(&text, &BTreeMap::new()).expect("settings").settings
}

/// A caller who gives up within the minute.
fn abandoned(id: &str, minute: i64) -> [(i64, Vec<u8>); 2] {
    let event = |at: i64, what: &str| (at, format!(r#"{{"time":{at},"call_id":"{id}",{what}}}"#).into_bytes());
    let at = EIGHT + minute * MINUTE;
    [event(at, r#""type":"call.queued","queue":"sales""#), event(at + 30_000, r#""type":"call.ended""#)]
}

/// Three quarters of an hour, with a restart of both stages every so many steps.
fn lived(generation: u64, granted_at: i64, restart_every: i64) -> Centre {
    let settings = settings(generation);
    let mut centre = Centre::new(&settings);
    for minute in 0..45 {
        if minute == granted_at {
            centre.takeover.grant();
        }
        if minute % restart_every == restart_every - 1 {
            centre.restart(&settings);
        }
        centre.hear([call(&format!("c{minute}"), minute - 1), abandoned(&format!("a{minute}"), minute)], minute + 1);
    }
    centre
}

/// What records count, whenever they were published.
fn counted(records: &BTreeMap<String, KpiRecord>) -> BTreeMap<&str, String> {
    let counted = |record: &KpiRecord| format!("{:?} {:?} {:?}", record.window, record.counts, record.sums_ms);
    records.iter().map(|(key, record)| (key.as_str(), counted(record))).collect()
}

/// The newest version of each call, without the generation.
fn told(centre: &Centre) -> BTreeMap<&str, u64> {
    centre.ended_calls.iter().map(|(id, version)| (id.as_str(), version % (1 << 40))).collect()
}

#[track_caller]
fn check(granted_at: i64, restart_every: i64) {
    let [first, later] = [lived(1, 0, restart_every), lived(2, granted_at, restart_every)];
    assert!(later.ended_calls.iter().all(|(_, version)| version >> 40 == 2));
    assert_eq!(told(&first).len(), 45);
    assert_eq!(told(&later), told(&first));
    for (later, first) in [(&later.board, &first.board), (&later.archive, &first.archive)] {
        let (later, first) = (counted(later), counted(first));
        assert_eq!(later.keys().collect::<Vec<_>>(), first.keys().collect::<Vec<_>>());
        let other = first.iter().find(|(key, counted)| later[*key] != **counted);
        assert!(other.is_none_or(|(key, _)| key.contains("|now") || key.contains("|5m")), "{other:?}");
    }
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for (id, version) in &later.ended_calls {
        let before = newest.insert(id, *version);
        assert!(before.is_none_or(|before| before <= *version), "{id} went back");
    }
}

#[test]
fn a_later_generation_tells_what_the_first_would_have_told() {
    check(0, 100);
    check(20, 100);
    check(44, 100);
    check(20, 3);
    check(43, 7);
}

/// What it has told, without ever publishing, where the earlier generation has settled what ended before that minute.
fn told_before(settled: Option<i64>) -> (Vec<String>, Vec<String>) {
    let settings = settings(2);
    let mut centre = Centre::new(&settings);
    settled.iter().for_each(|minute| centre.takeover.settle(EventTime(EIGHT + minute * MINUTE)));
    for minute in 0..80 {
        if minute % 11 == 10 {
            centre.restart(&settings);
        }
        centre.hear([call(&format!("c{minute}"), minute - 1), abandoned(&format!("a{minute}"), minute)], minute + 1);
    }
    assert_eq!(centre.board.keys().collect::<Vec<_>>(), [""; 0]);
    let starts = centre.archive.values().filter_map(|record| record.window.start.clone());
    let calls = centre.ended_calls.iter().map(|(id, _)| id.clone());
    (starts.collect::<BTreeSet<_>>().into_iter().collect(), calls.collect::<BTreeSet<_>>().into_iter().collect())
}

#[test]
fn until_then_it_tells_only_what_the_earlier_one_tells_no_more() {
    assert_eq!(told_before(None), (Vec::new(), Vec::new()), "it is not known who is there");
    // A quarter of an hour that ends with the minute, and whoever gave up half a minute before.
    let (quarters, calls) = told_before(Some(15));
    assert_eq!(quarters, ["2026-03-02T07:45:00.000Z", "2026-03-02T08:00:00.000Z"]);
    assert!(calls.iter().any(|id| id == "a14") && !calls.iter().any(|id| id == "a15"), "{calls:?}");
    // By its own settings it has not settled more than that itself: ten minutes late, and as much again.
    let (quarters, calls) = told_before(Some(70));
    assert_eq!(quarters.last().map(String::as_str), Some("2026-03-02T08:30:00.000Z"));
    assert!(calls.iter().any(|id| id == "a60") && !calls.iter().any(|id| id == "a79"), "{calls:?}");
}
