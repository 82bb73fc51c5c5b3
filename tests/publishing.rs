//! How much the stage kpis publishes at once.

#[path = "support/drive.rs"]
#[expect(dead_code, reason = "the laws also ask how far it read")]
mod drive;
#[path = "support/stages.rs"]
#[expect(dead_code, reason = "nothing restarts here")]
mod stages;

use callpulse::config;
use callpulse::stream::stage::Output;
use stages::{Centre, EIGHT, MINUTE, call};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn what_is_due_beyond_one_commit_comes_with_the_next_and_nothing_is_left_out() {
    const QUEUES: usize = 9_000;
    let text = "[engine]\nbuilt_in_alerts = false\n[windows]\nsliding = [\"5m\"]\nintervals = []\n";
    let mut centre = Centre::new(&config::read(text, &BTreeMap::new()).expect("settings").settings);
    let queued = |queue: usize| {
        let event = format!(r#"{{"type":"call.queued","time":{EIGHT},"call_id":"{queue}","queue":"q{queue}"}}"#);
        (EIGHT, event.into_bytes())
    };
    centre.events.extend((0..QUEUES).map(queued));
    centre.hear([call("last", 0)], 1);
    let on_board = |centre: &Centre| {
        let queues = centre.board.keys().filter(|key| key.starts_with("default|queue|q"));
        queues.map(|key| key.split('|').nth(2).expect("an id").to_owned()).collect::<BTreeSet<String>>().len()
    };
    assert!(on_board(&centre) < QUEUES, "two commits hold them all");
    let mut commits = 2;
    while on_board(&centre) < QUEUES {
        let out = centre.kpis.commit(EIGHT + MINUTE);
        let board = out.iter().filter(|record| matches!(&record.to, Output::Topic { topic, .. } if &**topic == "kpis"));
        assert!(board.count() < 13_000);
        centre.take(out);
        commits += 1;
        assert!(commits < 10, "{} of {QUEUES} after {commits} commits", on_board(&centre));
    }
}

#[test]
fn the_time_of_an_agent_who_has_left_leaves_sliding_windows_though_nothing_else_happens() {
    let text = "[engine]\nbuilt_in_alerts = false\n[windows]\nsliding = [\"5m\"]\nintervals = []\n";
    let mut centre = Centre::new(&config::read(text, &BTreeMap::new()).expect("settings").settings);
    let is = |minute: i64, state: &str| {
        let at = EIGHT + minute * MINUTE;
        (at, format!(r#"{{"type":"agent.state","time":{at},"agent":"ana","state":"{state}"}}"#).into_bytes())
    };
    centre.hear([[is(0, "available"), is(3, "logged_out")]], 4);
    for (minute, left) in [(4, 3), (5, 3), (6, 2), (7, 1), (8, 0), (9, 0)] {
        centre.hear([], minute);
        let login = centre.board["default|agent|ana|5m"].sums_ms.get("login").copied();
        // The window reaches to the end of the second of `as_of`.
        let expected = (left * MINUTE - i64::from(4 < minute) * 1000).max(0);
        assert_eq!(login, Some(expected), "in minute {minute}");
    }
}
