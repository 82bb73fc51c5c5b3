//! What the stage kpis tells by its rules, and when: hours, restarts with other rules, rest, and the end of it all.

#[path = "support/drive.rs"]
#[expect(dead_code, reason = "the laws also ask how far it read")]
mod drive;
#[path = "support/stages.rs"]
mod stages;

use callpulse::alert::record::AlertRecord;
use callpulse::config;
use callpulse::config::settings::Settings;
use callpulse::entity::{Entity, Kind};
use callpulse::kpi::room::{Limits, Room};
use callpulse::time::EventTime;
use drive::input;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use stages::{Centre, EIGHT, MINUTE, call};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

fn settings(rules: &str) -> Settings {
    read(&format!(
        "[engine]\nbuilt_in_alerts = false\n[windows]\nsliding = [\"5m\"]\nintervals = []\n[queues.sales]\n{rules}"
    ))
}

fn read(text: &str) -> Settings {
    config::read(text, &BTreeMap::new()).expect("settings").settings
}

/// Fires once more than one call was answered in five minutes.
const BUSY: &str = "[[alerts]]\nname = \"busy\"\nkpi = \"calls_answered\"\nwindow = \"5m\"\ntrigger = 1\nclear = 0\n\
    keep_firing_for = \"0s\"\n";

/// Fires while a call waits.
const WAITS: &str =
    "[[alerts]]\nname = \"waits\"\nkpi = \"waiting\"\nwindow = \"now\"\ntrigger = 0\nkeep_firing_for = \"0s\"\n";

#[test]
fn a_rule_fires_once_and_resolves_once_whatever_is_told_in_between() {
    let mut centre = Centre::new(&settings(BUSY));
    centre.hear([call("a", 0), call("b", 0)], 2);
    centre.hear([call("c", 2)], 4);
    assert_eq!(centre.alerts, ["busy firing"]);
    centre.restart(&settings(BUSY));
    centre.hear([], 5);
    assert_eq!(centre.alerts, ["busy firing"]);
    centre.hear([], 12);
    assert_eq!(centre.alerts[1..], ["busy resolved cleared"]);
    centre.hear([call("d", 20), call("e", 20)], 22);
    assert_eq!(centre.alerts[2..], ["busy firing"]);
}

#[test]
fn a_rule_that_is_gone_ends_what_it_told() {
    let mut centre = Centre::new(&settings(BUSY));
    centre.hear([call("a", 0), call("b", 0)], 2);
    centre.restart(&settings(""));
    centre.hear([], 3);
    assert_eq!(centre.alerts, ["busy firing", "busy resolved rule_removed"]);
    // It stays in the topic for a week, and a restart does not end it twice.
    centre.restart(&settings(""));
    centre.hear([], 4);
    assert_eq!(centre.alerts.len(), 2);
    centre.hear([], 7 * 24 * 60 + 4);
    assert_eq!(centre.alerts[2..], ["busy|default|queue|sales gone"]);
}

#[test]
fn what_resolved_leaves_the_topic_after_a_week() {
    let mut centre = Centre::new(&settings(BUSY));
    centre.hear([call("a", 0), call("b", 0)], 2);
    centre.hear([], 12);
    centre.hear([], 7 * 24 * 60 + 11);
    assert_eq!(centre.alerts.len(), 2);
    centre.hear([], 7 * 24 * 60 + 13);
    assert_eq!(centre.alerts[2..], ["busy|default|queue|sales gone"]);
}

#[test]
fn outside_its_hours_a_rule_is_closed() {
    // The events are of a Monday, from 8:00 UTC on.
    let mut centre = Centre::new(&settings(&format!("{BUSY}hours = \"mon 08:00-08:04\"\n")));
    centre.hear([call("a", 0), call("b", 0)], 2);
    centre.hear([], 4);
    assert_eq!(centre.alerts, ["busy firing", "busy resolved closed"]);
    centre.hear([call("c", 4), call("d", 4)], 6);
    assert_eq!(centre.alerts.len(), 2);
}

#[test]
fn a_rule_without_hours_has_those_of_its_queue() {
    let mut centre = Centre::new(&settings(&format!("hours = \"mon 08:00-08:04\"\n{BUSY}")));
    centre.hear([call("a", 0), call("b", 0)], 2);
    centre.hear([], 4);
    assert_eq!(centre.alerts, ["busy firing", "busy resolved closed"]);
}

#[test]
fn rules_rest_while_event_time_is_behind() {
    let mut centre = Centre::new(&settings(WAITS));
    centre.hear([], 0);
    let [enters, _] = abandoned("a", 0);
    centre.hear_late([[enters.clone(), enters]], 2, 5);
    assert_eq!(centre.alerts, [""; 0], "it is three minutes behind");
    // Nothing new happens, and it is no longer behind.
    centre.hear([], 3);
    assert_eq!(centre.alerts, ["waits firing"]);
}

#[test]
fn who_waits_by_what_is_told_late_begins_nothing_until_what_became_of_them_may_be_told_too() {
    let mut centre = Centre::new(&settings(WAITS));
    centre.hear([], 10);
    let [enters, leaves] = abandoned("a", 0);
    let [stays, _] = abandoned("b", 0);
    // A bridge was away and sends what it missed.
    for told in [enters, leaves, stays] {
        centre.hear([[told.clone(), told]], 10);
        assert_eq!(centre.alerts, [""; 0]);
    }
    centre.hear([], 11);
    assert_eq!(centre.alerts, [""; 0]);
    // For a minute and a half nobody was told late, and one still waits.
    centre.hear([], 12);
    assert_eq!(centre.alerts, ["waits firing"]);
}

#[test]
fn a_source_that_is_always_late_is_not_waited_for_longer_than_five_minutes() {
    let mut centre = Centre::new(&settings(WAITS));
    centre.hear([], 9);
    for minute in 10..20 {
        let [enters, _] = abandoned(&format!("c{minute}"), minute - 3);
        centre.hear([[enters.clone(), enters]], minute);
        assert_eq!(centre.alerts.is_empty(), minute < 14, "in minute {minute}");
    }
    assert_eq!(centre.alerts, ["waits firing"]);
}

#[test]
fn no_value_keeps_the_state_and_few_calls_fire_nothing() {
    let rule = "[[alerts]]\nname = \"lost\"\nkpi = \"answer_rate\"\nwindow = \"5m\"\ntrigger = 0.5\nclear = 0.6\nmin_volume = 2\nkeep_firing_for = \"0s\"\n";
    let mut centre = Centre::new(&settings(rule));
    centre.hear([abandoned("a", 0)], 2);
    assert_eq!(centre.alerts, [""; 0], "one call says nothing");
    centre.hear([abandoned("b", 2)], 3);
    assert_eq!(centre.alerts, ["lost firing"]);
    centre.hear([], 30);
    assert_eq!(centre.alerts.len(), 1, "an empty window says nothing");
    centre.hear([call("c", 30), call("d", 30)], 32);
    assert_eq!(centre.alerts[1..], ["lost resolved cleared"]);
}

/// The same, with a while for which it has to be clear.
fn kept(length: &str) -> String {
    BUSY.replace("\"0s\"", &format!("\"{length}\""))
}

#[test]
fn what_is_clear_goes_on_firing_for_a_while_over_a_restart() {
    let settings = settings(&kept("4m"));
    let mut centre = Centre::new(&settings);
    centre.hear([call("a", 0), call("b", 0)], 2);
    // The window is empty.
    centre.hear([], 7);
    centre.restart(&settings);
    centre.hear([], 10);
    assert_eq!(centre.alerts, ["busy firing"]);
    centre.restart(&settings);
    centre.hear([], 11);
    assert_eq!(centre.alerts[1..], ["busy resolved cleared"]);
    let resolved = centre.told.last().expect("an alert");
    let times = [&resolved.clear_since, &resolved.resolved_at].map(|at| at.as_ref().map(|at| at[11..16].to_owned()));
    assert_eq!(times, [Some("08:07".to_owned()), Some("08:11".to_owned())]);
}

#[test]
fn what_holds_again_before_it_was_clear_for_so_long_is_the_same_alert() {
    let mut centre = Centre::new(&settings(&kept("4m")));
    for minute in [0, 8, 16] {
        centre.hear([call(&format!("a{minute}"), minute), call(&format!("b{minute}"), minute)], minute + 2);
        centre.hear([], minute + 7);
    }
    assert_eq!(centre.alerts, ["busy firing"]);
}

#[test]
fn hours_and_a_rule_that_is_gone_end_at_once_what_is_clear() {
    let mut centre = Centre::new(&settings(&format!("{}hours = \"mon 08:00-08:08\"\n", kept("1h"))));
    centre.hear([call("a", 0), call("b", 0)], 2);
    centre.hear([], 7);
    centre.hear([], 9);
    assert_eq!(centre.alerts, ["busy firing", "busy resolved closed"]);
    assert_eq!(centre.told[1].clear_since, None);
    let mut centre = Centre::new(&settings(&kept("1h")));
    centre.hear([call("a", 0), call("b", 0)], 2);
    centre.hear([], 7);
    centre.restart(&settings(""));
    centre.hear([], 8);
    assert_eq!(centre.alerts, ["busy firing", "busy resolved rule_removed"]);
}

#[test]
fn a_queue_in_which_nothing_goes_on_fires_nothing_and_what_fires_can_end() {
    let rule = "[[alerts]]\nname = \"nobody\"\nkpi = \"agents_logged_in\"\nwindow = \"now\"\ntrigger = 1\nkeep_firing_for = \"0s\"\n\
                [[alerts]]\nname = \"few\"\nkpi = \"calls_offered\"\nwindow = \"5m\"\ntrigger = 2\nkeep_firing_for = \"0s\"\nclear = 3\n";
    let mut centre = Centre::new(&settings(rule));
    centre.hear([], 30);
    assert_eq!(centre.alerts, [""; 0]);
    let [enters, _] = abandoned("a", 32);
    centre.hear([[enters.clone(), enters]], 32);
    assert_eq!(centre.alerts, ["nobody firing", "few firing"]);
}

#[test]
fn what_fires_again_at_the_same_instant_is_another_alert() {
    let mut centre = Centre::new(&settings(WAITS));
    let [enters, leaves] = abandoned("a", 0);
    let [enters_too, _] = abandoned("b", 0);
    // Event time is complete up to the same minute, whatever comes.
    for told in [enters, leaves, enters_too] {
        centre.hear([[told.clone(), told]], 0);
    }
    assert_eq!(centre.alerts, ["waits firing", "waits resolved cleared", "waits firing"]);
    let [first, second, third] = [0, 1, 2].map(|at| &centre.told[at].alert_id);
    assert_eq!((first == second, second == third), (true, false));
}

#[test]
fn an_alert_begins_and_clears_in_the_second_of_its_cause_though_event_time_is_complete_up_to_two_seconds_before() {
    let config = Config { cases: 12, rng_seed: RngSeed::Fixed(8), failure_persistence: None, ..Config::default() };
    let settings = settings(
        "[[alerts]]\nname = \"waits\"\nkpi = \"waiting\"\nwindow = \"now\"\ntrigger = 1\nkeep_firing_for = \"0s\"\n",
    );
    let fired = Cell::new(0);
    // How long after the one before each is, whether a call comes or the first leaves, and whether it restarts first.
    proptest!(config, |(events in vec((1_000..9_000_i64, any::<bool>(), 0..6_u8), 4..16))| {
        let mut centre = Centre::new(&settings);
        let (mut at, mut came, mut left, mut expected) = (EIGHT, 0, 0, Vec::new());
        for (after, comes, restart) in events {
            at += after;
            let second = EventTime(at).second().last().to_string();
            let (id, kind) = match comes || came == left {
                true => (came, "queued"),
                false => (left, "ended"),
            };
            if kind == "queued" { came += 1 } else { left += 1 }
            match (kind, came - left) {
                ("queued", 2) => expected.push((second.clone(), None, None)),
                ("ended", 1) => {
                    let began = expected.last().map(|(since, ..): &(String, _, _)| since.clone()).expect("it fires");
                    expected.push((began, Some(second.clone()), Some(second)));
                }
                _ => {}
            }
            if restart == 0 {
                centre.restart(&settings);
            }
            let event = format!(r#"{{"type":"call.{kind}","time":{at},"call_id":"c{id}","queue":"sales"}}"#);
            centre.events.push((at, event.into_bytes()));
            centre.calls.read(&input("events", 0), &centre.events, usize::MAX / 2);
            centre.pass_on(at, at);
        }
        fired.set(fired.get() + expected.len());
        let told: Vec<_> = centre.told.iter().map(|told| (told.since.clone(), told.clear_since.clone(), told.resolved_at.clone())).collect();
        prop_assert_eq!(told, expected);
    });
    assert!(20 < fired.get(), "{} told", fired.get());
}

#[test]
fn a_rule_over_the_open_interval_publishes_what_it_tells() {
    let windows = "[windows]\nsliding = []\nintervals = [\"1h\"]\n";
    let rule = "[[alerts]]\nname = \"busy\"\nkpi = \"calls_answered\"\nwindow = \"per_1h\"\ntrigger = 1\nclear = 0\nfor = \"3m\"\n";
    let mut centre = Centre::new(&read(&format!("[engine]\nbuilt_in_alerts = false\n{windows}{rule}")));
    centre.hear([call("a", 0), call("b", 0)], 2);
    // It has held since the second minute, and goes on.
    centre.hear([call("c", 1)], 3);
    centre.hear([call("d", 2)], 4);
    assert_eq!(centre.alerts, [""; 0]);
    centre.hear([call("e", 3)], 5);
    assert_eq!(centre.alerts, ["busy firing"]);
}

/// Twenty calls each Monday from eight to nine, and two on the fourth: with or without a restart after each hour, and
/// with twenty calls more in the third week, in time or late.
fn mondays(restarts: bool, late: Option<i64>) -> Centre {
    const WEEK: i64 = 7 * 24 * 60;
    let rule = "unusual = \"calls_offered\"\nwindow = \"per_1h\"\nweeks = 3\nweeks_min = 3\nmin_volume = 0\ntrigger = 3.5\nclear = 1\nkeep_firing_for = \"0s\"\n";
    let windows = "[engine]\nbuilt_in_alerts = false\n[windows]\nsliding = []\nintervals = [\"1h\"]\n[queues.sales]\n";
    let settings = read(&format!("{windows}[[alerts]]\nname = \"odd\"\n{rule}"));
    let mut centre = Centre::new(&settings);
    for week in 0..4 {
        let eight = week * WEEK;
        let calls = |of: &str, count: i64| {
            (0..count).map(|place| call(&format!("{of}{week}-{place}"), eight + 5)).collect::<Vec<_>>()
        };
        let more = late.filter(|_| week == 2);
        let (now, later) = if more == Some(0) { (40, 0) } else { (20, if more.is_some() { 20 } else { 0 }) };
        centre.hear(calls("c", if week == 3 { 2 } else { now }), eight + 30);
        for (minute, told) in [(61, Vec::new()), (90, calls("late", later)), (121, Vec::new())] {
            centre.hear(told, eight + minute);
            if restarts {
                centre.restart(&settings);
            }
        }
    }
    centre
}

#[test]
fn an_hour_unlike_the_weeks_before_is_told_with_and_without_restarts() {
    let (running, restarted) = (mondays(false, None), mondays(true, None));
    assert_eq!(running.alerts, ["odd firing", "odd resolved cleared"]);
    assert_eq!((restarted.alerts, ids(&restarted.told)), (running.alerts, ids(&running.told)));
}

/// Calls of Mondays from eight to nine, by week and minute, heard an hour later in whatever order, and some of them twice.
#[derive(Clone, Debug)]
struct Heard {
    weeks: Vec<Vec<i64>>,
    /// By which the calls of an hour are sorted.
    order: Vec<u32>,
    repeats: bool,
    restarts: bool,
}

fn heard() -> impl Strategy<Value = Heard> {
    let week = prop_oneof![3 => vec(0..58_i64, 8..14), 1 => vec(0..58_i64, 0..3), 1 => vec(0..58_i64, 25..40)];
    let order = vec(any::<u32>(), 1..40);
    // Before its first call a queue is not known to have had none.
    let weeks = (vec(0..58_i64, 8..14), vec(week, 3..6))
        .prop_map(|(first, then)| std::iter::once(first).chain(then).collect::<Vec<_>>());
    (weeks, order, any::<bool>(), any::<bool>()).prop_map(|(weeks, order, repeats, restarts)| Heard {
        weeks,
        order,
        repeats,
        restarts,
    })
}

/// What is told of it.
fn told_of(Heard { weeks, order, repeats, restarts }: &Heard) -> Centre {
    const WEEK: i64 = 7 * 24 * 60;
    let rule = "unusual = \"calls_offered\"\nwindow = \"per_1h\"\nweeks = 4\nweeks_min = 2\nmin_volume = 5\ntrigger = 2.5\nclear = 1\n";
    let windows = "[engine]\nbuilt_in_alerts = false\n[windows]\nsliding = []\nintervals = [\"1h\"]\n[queues.sales]\n";
    let settings = read(&format!("{windows}[[alerts]]\nname = \"odd\"\n{rule}"));
    let mut centre = Centre::new(&settings);
    for (week, minutes) in weeks.iter().enumerate() {
        let eight = week as i64 * WEEK;
        let of = |(place, minute): (usize, &i64)| call(&format!("c{week}-{place}"), eight + minute);
        let mut calls: Vec<_> = minutes.iter().enumerate().map(of).enumerate().collect();
        calls.sort_by_key(|(place, _)| order.get(place % order.len().max(1)).map(|key| key.rotate_left(*place as u32)));
        let again = calls.iter().take(if *repeats { calls.len() / 2 } else { 0 }).cloned().collect::<Vec<_>>();
        for (minute, told) in [(-30, Vec::new()), (60, calls), (61, again), (67, Vec::new()), (121, Vec::new())] {
            centre.hear(told.into_iter().map(|(_, call)| call), eight + minute);
            if *restarts {
                centre.restart(&settings);
            }
        }
    }
    centre
}

/// How far an hour's calls are off the median of those of up to four weeks before, in spreads.
fn deviation(counts: &[usize], week: usize) -> Option<f64> {
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
    };
    let before: Vec<f64> = counts[week.saturating_sub(4)..week].iter().map(|count| *count as f64).collect();
    let now = counts[week] as f64;
    if before.len() < 2 || middle(before.clone()).max(now) < 5.0 {
        return None;
    }
    let usual = middle(before.clone());
    let distance = middle(before.iter().map(|count| (count - usual).abs()).collect());
    Some((now - usual).abs() / (1.4826 * distance).max(usual.max(1.0).sqrt()))
}

#[test]
fn what_is_unusual_follows_from_the_counts_whatever_the_order_the_repeats_and_the_restarts() {
    let config = Config { cases: 10, rng_seed: RngSeed::Fixed(2026), failure_persistence: None, ..Config::default() };
    let fired = Cell::new(0);
    proptest!(config, |(heard in heard())| {
        let counts: Vec<usize> = heard.weeks.iter().map(Vec::len).collect();
        let found = told_of(&heard);
        // It is over with the hour that follows, in which nobody ever calls, and of which nothing is known.
        let odd = (0..counts.len()).filter(|week| deviation(&counts, *week).is_some_and(|value| 2.5 < value));
        let mut expected: Vec<String> = Vec::new();
        for week in odd {
            fired.set(fired.get() + 1);
            expected.push("odd firing".to_owned());
            // The last one's end is heard by nobody.
            expected.extend((week + 1 < counts.len()).then(|| "odd resolved cleared".to_owned()));
        }
        let told: Vec<&String> = found.alerts.iter().filter(|alert| !alert.ends_with(" gone")).collect();
        prop_assert_eq!(told, expected.iter().collect::<Vec<_>>(), "{:?}", counts);
        let plain = told_of(&Heard { order: vec![0], repeats: false, restarts: false, ..heard.clone() });
        prop_assert_eq!((ids(&found.told), texts(&found.told)), (ids(&plain.told), texts(&plain.told)));
    });
    assert!(5 < fired.get(), "{} fired", fired.get());
}

#[test]
fn what_comes_late_is_in_the_weeks_before() {
    // Of 20, 20 and 40 calls the median is the same, and so is the spread, so that nothing else is told; the weeks are not.
    let (in_time, late) = (mondays(false, Some(0)), mondays(true, Some(90)));
    assert_eq!(texts(&in_time.told), texts(&late.told));
    assert_ne!(texts(&mondays(false, None).told), texts(&late.told));
}

#[test]
fn a_later_generation_ends_what_it_does_not_tell() {
    let text = format!(
        "[engine]\nbuilt_in_alerts = false\ngeneration = 2\n[windows]\nsliding = [\"5m\"]\nintervals = []\n{BUSY}"
    );
    let mut centre = Centre::new(&read(&text));
    centre.hear([call("a", 0)], 2);
    assert_eq!(centre.alerts, [""; 0], "the generation before publishes");
    centre.takeover.grant();
    centre.hear([], 3);
    // The generation before may have told that it fires.
    assert_eq!(centre.alerts, ["busy|default|queue|sales gone"]);
}

#[test]
fn the_engine_tells_that_it_is_behind_and_that_it_is_not() {
    let mut centre = Centre::new(&read(""));
    centre.hear([], 0);
    centre.hear_late([call("a", 0)], 2, 5);
    assert_eq!(centre.alerts, ["watchdog firing"], "it may have been off for a while");
    centre.hear_late([], 3, 7);
    assert_eq!(centre.alerts, ["watchdog firing", "engine_behind firing"]);
    centre.hear([], 8);
    assert_eq!(centre.alerts[2..], ["engine_behind resolved cleared"]);
}

#[test]
fn a_source_that_falls_silent_is_told_until_it_speaks() {
    let source = "[[sources]]\ntopic = \"events\"\nsilent_after = \"5m\"\n";
    let mut centre = Centre::new(&read(source));
    centre.hear([call("a", 0)], 2);
    centre.hear([], 6);
    assert_eq!(centre.alerts, ["watchdog firing"], "five minutes after the last record");
    centre.hear([], 7);
    centre.hear([call("b", 7)], 9);
    assert_eq!(centre.alerts[1..], ["source_silent firing", "source_silent resolved cleared"]);
}

#[test]
fn a_source_without_any_record_is_silent_since_the_engine_first_looked() {
    let mut centre = Centre::new(&read("[[sources]]\ntopic = \"events\"\nsilent_after = \"5m\"\n"));
    centre.hear([], 10);
    centre.hear([], 15);
    assert_eq!(centre.alerts, ["watchdog firing"], "it was looked at for five minutes");
    centre.hear([], 16);
    assert_eq!(centre.alerts[1..], ["source_silent firing"]);
}

#[test]
fn rejects_are_told_from_one_in_a_hundred_on_and_not_of_few_records() {
    let nonsense = |minute: i64| [(EIGHT + minute * MINUTE, b"{".to_vec()), (EIGHT + minute * MINUTE, b"}".to_vec())];
    let mut centre = Centre::new(&read(""));
    centre.hear([nonsense(0)], 1);
    assert_eq!(centre.alerts, ["watchdog firing"], "two records say nothing");
    centre.hear((0..60).map(|call| self::call(&format!("c{call}"), 1)), 3);
    assert_eq!(centre.alerts[1..], ["rejects_rising firing"]);
}

#[test]
fn what_the_settings_name_has_room_and_its_namesakes_of_other_tenants_have_not() {
    let settings = read("engine.max_entities = 1\nqueues.sales.title = \"Sales\"").kpi;
    let mut room = Room::new(Arc::new(Limits { all: 0, ..Limits::NONE }), 1);
    let mut has_room = |tenant: &str, kind, id: &str| {
        room.admit(&Entity { tenant: tenant.into(), kind, id: id.into(), channel: None }, &settings).is_ok()
    };
    assert!(has_room("default", Kind::Queue, "sales") && has_room("default", Kind::Tenant, "default"));
    assert!(!has_room("made up", Kind::Queue, "sales") && !has_room("made up", Kind::Tenant, "made up"));
    assert!(!has_room("default", Kind::Agent, "sales"));
}

#[test]
fn entities_without_room_are_told_until_nothing_is_said_of_them_for_five_minutes() {
    let mut centre = Centre::new(&read("engine.max_entities = 3"));
    let to = |queue: &str, minute: i64| {
        let event = format!(
            r#"{{"type":"call.queued","time":{},"call_id":"{queue}","queue":"{queue}"}}"#,
            EIGHT + minute * MINUTE
        );
        [(EIGHT + minute * MINUTE, event.into_bytes()), (EIGHT + minute * MINUTE, b"{}".to_vec())]
    };
    centre.hear([to("sales", 0), to("support", 0)], 1);
    assert_eq!(centre.alerts, ["watchdog firing"], "two queues and the tenant");
    centre.hear([to("made up", 1)], 2);
    assert_eq!(centre.alerts[1..], ["entities_refused firing"]);
    assert!(!centre.board.keys().any(|key| key.contains("made")), "{:?}", centre.board.keys());
    let tenant = &centre.board["default|tenant|default|total"];
    assert_eq!(serde_json::to_value(tenant).expect("JSON")["counts"]["offered"], 3);
    centre.kpis.wait(301);
    centre.hear([], 3);
    assert_eq!(centre.alerts[2..], ["entities_refused resolved cleared"]);
}

fn ids(told: &[AlertRecord]) -> Vec<&str> {
    told.iter().map(|alert| alert.alert_id.as_str()).collect()
}

fn texts(told: &[AlertRecord]) -> Vec<&str> {
    told.iter().map(|alert| alert.text.as_str()).collect()
}

/// A caller who gives up after a minute.
fn abandoned(id: &str, minute: i64) -> [(i64, Vec<u8>); 2] {
    let at = [EIGHT + minute * MINUTE, EIGHT + (minute + 1) * MINUTE];
    let queued = format!(r#"{{"type":"call.queued","time":{},"call_id":"{id}","queue":"sales"}}"#, at[0]);
    let ended = format!(r#"{{"type":"call.ended","time":{},"call_id":"{id}"}}"#, at[1]);
    [(at[0], queued.into_bytes()), (at[1], ended.into_bytes())]
}
