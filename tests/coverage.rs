//! What of the past is not held is said in the records: gaps, a log that began later, windows asked for
//! anew; and what is asked for no longer ends.

#[path = "support/drive.rs"]
#[expect(dead_code, reason = "the laws also ask how far it read")]
mod drive;
#[path = "support/stages.rs"]
mod stages;

use callpulse::config;
use callpulse::config::settings::Settings;
use callpulse::kpi::record::KpiRecord;
use callpulse::stream::stage::Stage as _;
use callpulse::time::EventTime;
use drive::input;
use stages::{Centre, EIGHT, MINUTE, call, subjects};
use std::collections::BTreeMap;

fn settings(windows: &str) -> Settings {
    let text = format!("[windows]\n{windows}\n[queues.sales]\n");
    config::read(&text, &BTreeMap::new()).expect("settings").settings
}

impl Centre {
    #[track_caller]
    fn queue(&self, window: &str) -> &KpiRecord {
        self.board.get(&format!("default|queue|sales|{window}")).expect("on the board")
    }

    /// Whether a window says `gap`, and the minute it says it is covered from.
    #[track_caller]
    fn covered(&self, window: &str) -> (bool, Option<i64>) {
        of(self.queue(window))
    }

    #[track_caller]
    fn archived(&self, window: &str, minute: i64) -> &KpiRecord {
        let start = EventTime(EIGHT + minute * MINUTE);
        self.archive.get(&format!("default|queue|sales|{window}|{start}")).expect("in the archive")
    }
}

fn of(record: &KpiRecord) -> (bool, Option<i64>) {
    let from = record.covered_from.as_deref().map(|from| EventTime::parse(from).expect("a time").0);
    (record.gap, from.map(|from| (from - EIGHT) / MINUTE))
}

fn offered(record: &KpiRecord) -> serde_json::Value {
    serde_json::to_value(record.counts.get("offered")).expect("a count")
}

#[test]
fn lost_events_mark_every_window_over_them_and_no_other() {
    let settings = settings("sliding = [\"5m\"]\nintervals = [\"15m\", \"1h\"]");
    let mut centre = Centre::new(&settings);
    // 08:00  :02       :20             :31   :50
    //  a────────┤ read  ├ lost ─────────┤ b
    centre.hear([call("a", 0)], 2);
    assert_eq!(centre.covered("total"), (false, None));
    centre.hear([], 20);
    centre.calls.stage.gap(&input("events", 0));
    centre.hear([call("b", 31)], 33);
    for window in ["5m", "per_15m", "per_1h", "total", "now"] {
        assert!(centre.covered(window).0, "{window}");
    }
    centre.hear([], 65);
    assert_eq!(of(centre.archived("per_15m", 0)), (false, None));
    assert_eq!(of(centre.archived("per_15m", 15)), (true, None));
    assert_eq!(of(centre.archived("per_15m", 30)), (true, None));
    assert_eq!(of(centre.archived("per_15m", 45)), (false, None));
    assert_eq!(of(centre.archived("per_1h", 0)), (true, None));
    assert_eq!(centre.covered("5m"), (false, None));
    assert_eq!(centre.covered("total"), (true, None));
    // The state topic knows, too.
    centre.restart(&settings);
    centre.hear([call("c", 66)], 70);
    assert_eq!(centre.covered("total"), (true, None));
    assert_eq!(offered(centre.queue("total")), 3);
}

#[test]
fn numbers_of_a_log_that_began_later_say_since_when() {
    let mut centre = Centre::new(&settings("sliding = [\"30m\"]\nintervals = [\"15m\", \"1h\"]"));
    centre.calls.stage.gap(&input("events", 0));
    centre.hear([call("a", 20)], 22);
    for window in ["30m", "per_15m", "per_1h", "total"] {
        assert_eq!(centre.covered(window), (false, Some(20)), "{window}");
    }
    centre.hear([], 55);
    assert_eq!(centre.covered("30m"), (false, None));
    assert_eq!(of(centre.archived("per_15m", 15)), (false, Some(20)));
    assert_eq!(of(centre.archived("per_15m", 30)), (false, None));
}

#[test]
fn a_batch_that_is_gone_is_a_gap_until_the_next_one() {
    let settings = settings("sliding = [\"5m\"]\nintervals = [\"15m\"]");
    let mut centre = Centre::new(&settings);
    centre.hear([call("a", 0)], 2);
    centre.kpis.stage.gap(&input("partials", 0));
    centre.hear([call("b", 10)], 12);
    assert!(centre.covered("5m").0 && centre.covered("total").0);
    centre.hear([], 40);
    assert_eq!(of(centre.archived("per_15m", 0)), (true, None));
    assert_eq!(of(centre.archived("per_15m", 15)), (false, None));
    assert_eq!(centre.covered("5m"), (false, None));
    // The gap ended in the twelfth minute, and is told for an hour.
    assert_eq!(centre.alerts, ["watchdog firing", "input_gap firing"]);
    centre.hear([], 73);
    assert_eq!(centre.alerts[2..], ["input_gap resolved cleared"]);
}

#[test]
fn what_is_gone_on_the_way_of_agents_is_a_gap_until_the_next_batch() {
    let settings = settings("sliding = [\"5m\"]\nintervals = [\"15m\"]");
    let mut centre = Centre::new(&settings);
    centre.hear([call("a", 0)], 2);
    centre.subjects.stage.gap(&input("subjects", 0));
    // It is told when it is known how far, and what began is forgotten by no restart.
    centre.subjects.commit(EIGHT + 3 * MINUTE);
    centre.subjects.restart(subjects(&settings), false);
    centre.hear([call("b", 10)], 12);
    assert!(centre.covered("total").0);
    centre.hear([], 40);
    assert_eq!(of(centre.archived("per_15m", 0)), (true, None));
    assert_eq!(of(centre.archived("per_15m", 15)), (false, None));
}

#[test]
fn windows_asked_for_anew_say_since_when_and_what_was_published_stands() {
    let mut centre = Centre::new(&settings("sliding = [\"5m\"]\nintervals = [\"30m\"]"));
    centre.hear([call("a", 0), call("b", 31)], 33);
    assert_eq!(offered(centre.archived("per_30m", 0)), 1);
    // State is written some seconds after it changed.
    centre.hear([], 34);
    centre.restart(&settings("sliding = [\"30m\"]\nintervals = [\"20m\", \"30m\", \"1w\"]"));
    centre.hear([call("c", 36)], 38);
    // The panes of five minutes are there; pieces of ten minutes, and of the week, begin anew.
    assert_eq!(centre.covered("30m"), (false, Some(29)));
    for window in ["per_20m", "per_30m", "per_1w"] {
        assert_eq!(centre.covered(window), (false, Some(32)), "{window}");
        assert_eq!(offered(centre.queue(window)), 1, "{window}");
    }
    assert_eq!(centre.covered("total"), (false, None));
    assert_eq!(offered(centre.queue("total")), 3);
    // A late call of an interval that was published whole does not make it a part of itself.
    centre.hear([call("late", 3)], 39);
    assert_eq!(offered(centre.archived("per_30m", 0)), 1);
    centre.ended.sort();
    assert_eq!(centre.ended, ["default|agent|ana|5m", "default|queue|sales|5m", "default|tenant|default|5m"]);
    centre.hear([], 90);
    assert_eq!(centre.covered("30m"), (false, None));
    assert_eq!(of(centre.archived("per_20m", 40)), (false, None));
    assert_eq!(of(centre.archived("per_30m", 30)), (false, Some(32)));
}

#[test]
fn an_interval_longer_than_any_before_says_from_where_its_parts_are_kept() {
    let horizon = "\n[engine]\nlate_horizon = \"2m\"\nallowed_skew = \"1m\"";
    let mut centre = Centre::new(&settings(&format!("intervals = [\"10m\", \"30m\"]{horizon}")));
    centre.hear([call("a", 0), call("b", 70), call("c", 150)], 152);
    centre.hear([], 153);
    centre.restart(&settings(&format!("intervals = [\"10m\", \"30m\", \"6h\"]{horizon}")));
    centre.hear([call("d", 154)], 156);
    // As of 151, the end of the last call, what is over for 30 minutes, as much again for a change of the clock, and 5 for what is late is gone.
    assert_eq!((centre.covered("per_6h"), offered(centre.queue("per_6h")).as_i64()), ((false, Some(90)), Some(2)));
    assert_eq!(centre.covered("per_30m"), (false, None));
    centre.hear([], 241);
    assert_eq!(of(centre.archived("per_6h", -120)), (false, Some(90)));
    centre.hear([call("e", 250)], 255);
    assert_eq!(centre.covered("per_6h"), (false, None));
}

#[test]
fn what_is_forgotten_of_an_hour_counts_once_after_a_restart_too() {
    let settings =
        settings("intervals = [\"10m\"]\nsliding = [\"5m\"]\n[engine]\nlate_horizon = \"2m\"\nallowed_skew = \"1m\"");
    let mut centre = Centre::new(&settings);
    // All of them go on talking. As of minute 80 what is before 55 is forgotten, half of the hour from eight.
    for (id, minute) in [("a", 50), ("b", 58), ("c", 62), ("d", 79)] {
        centre.hear([call(id, minute)], minute + 1);
        centre.hear([], minute + 2);
    }
    let at_once = |centre: &Centre| centre.queue("per_10m").kpis.get("concurrent_calls_max").and_then(|kpi| kpi.value);
    assert_eq!(at_once(&centre), Some(4.0));
    centre.restart(&settings);
    centre.hear([call("e", 82)], 83);
    centre.hear([], 84);
    assert_eq!(at_once(&centre), Some(5.0));
}

#[test]
fn other_settings_hold_for_everybody_also_where_nothing_happens() {
    let windows = "sliding = [\"5m\"]\nintervals = [\"1h\"]";
    let mut centre = Centre::new(&settings(windows));
    centre.hear([call("a", 0)], 2);
    let before = centre.queue("total").clone();
    let level = |record: &KpiRecord| record.kpis.get("service_level").expect("a service level").clone();
    assert_eq!((level(&before).threshold_s, level(&before).value), (Some(20), Some(0.0)));

    let other = settings(&format!("{windows}\n[service_level]\nthreshold = \"2m\""));
    centre.restart(&other);
    centre.hear([], 3);
    for window in ["total", "5m", "per_1h"] {
        let record = centre.queue(window);
        assert_eq!((level(record).threshold_s, level(record).value), (Some(120), Some(1.0)), "{window}");
        assert!(before.version < record.version, "{window}: one version has one content");
    }
    // It is told once.
    let version = centre.queue("total").version;
    centre.hear([], 4);
    centre.hear([], 5);
    centre.restart(&other);
    centre.hear([], 6);
    assert_eq!(centre.queue("total").version, version);
}
