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
