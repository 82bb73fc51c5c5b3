//! A later generation beside an earlier one: what it leaves to it, and what it tells once that has left.

#[path = "support/drive.rs"]
#[expect(dead_code, reason = "the laws also ask how far it read")]
mod drive;
#[path = "support/stages.rs"]
mod stages;

use callpulse::config;
use callpulse::config::settings::Settings;
use callpulse::kpi::record::KpiRecord;
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

#[test]
fn until_then_it_tells_only_what_the_earlier_one_tells_no_more() {
    let later = lived(2, 100, 5);
    assert_eq!(later.board.keys().collect::<Vec<_>>(), [""; 0]);
    // A quarter of an hour settles twenty minutes and the skew after its end.
    let quarters = later.archive.values().filter_map(|record| record.window.start.as_deref());
    let quarters: BTreeSet<&str> = quarters.collect();
    assert_eq!(quarters.into_iter().collect::<Vec<_>>(), ["2026-03-02T07:45:00.000Z", "2026-03-02T08:00:00.000Z"]);
    // A call is forgotten some time after the horizon, and told then.
    let told: Vec<&str> = later.ended_calls.iter().map(|(id, _)| id.as_str()).collect();
    assert!(told.contains(&"a1") && !told.contains(&"a40"), "{told:?}");
}
