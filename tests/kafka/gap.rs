//! Events that are gone before anybody read them: refused with a sentence, gone over when told to, and
//! said in every record over their time.

use crate::deployment::{Deployment, PARTITIONS, PATIENCE, Reader};
use crate::kafka::{self, forget};
use callpulse::stream::feed::Feed;
use rdkafka::Offset;
use serde_json::Value;
use std::time::Instant;

/// Monday, 2026-03-02T08:00:00Z.
const EIGHT: i64 = 1_772_438_400_000;
const MINUTE: i64 = 60_000;

#[test]
fn lost_events_are_refused_and_then_said() {
    let connection = kafka::shared();
    let deployment = Deployment::on(&connection);
    let events = deployment.topic("acd.events");
    let feed = Feed::open(&connection, &events).expect("a producer");
    // One call a minute in each of enough calls that every partition has some.
    let call = |minute: i64| {
        for part in 0..40 {
            let at = EIGHT + minute * MINUTE;
            let id = format!("c{minute}-{part}");
            let told = format!(r#"{{"type":"call.queued","time":{at},"call_id":"{id}","queue":"sales"}}"#);
            feed.send(&id, &told, at).expect("written");
        }
        feed.flush().expect("written");
    };
    let mut board = Reader::open(&deployment.brokers, &deployment.topic("kpis"));
    let mut wait_for = |what: &str, is_it: &dyn Fn(&Value) -> bool| {
        let until = Instant::now() + PATIENCE;
        loop {
            board.read_out();
            if let Some(total) = board.last().get("default|queue|sales|total").filter(|total| is_it(total)) {
                return total.clone();
            }
            assert!(Instant::now() < until, "{what}: {:?}\n{}", board.last().keys(), deployment.log());
        }
    };
    call(0);
    let before = deployment.start("a");
    let total = wait_for("the first calls", &|total| total["counts"]["offered"] == 40);
    assert_eq!(total.get("gap"), None);
    drop(before);
    call(20);
    for partition in 0..PARTITIONS {
        // All there is.
        forget(&connection, &events, partition, Offset::End);
    }
    call(31);

    let refused = deployment.callpulse("a", &["run"]).output().expect("a run");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("--accept-gap"), "{said}");

    let _after = deployment.start_with("a", &["--accept-gap"]);
    let total = wait_for("the calls behind the gap", &|total| total["counts"]["offered"] == 80);
    assert_eq!(total["gap"], true);
    let mut archive = Reader::open(&deployment.brokers, &deployment.topic("intervals"));
    let until = Instant::now() + PATIENCE;
    let quarter = |minute: i64| {
        let start = callpulse::time::EventTime(EIGHT + minute * MINUTE);
        format!("default|queue|sales|per_15m|{start}")
    };
    // As the first calls are still waiting, they show in no interval but that of their entry.
    while !archive.last().contains_key(quarter(30).as_str()) {
        assert!(Instant::now() < until, "{:?}\n{}", archive.last().keys(), deployment.log());
        archive.read_out();
    }
    let last = archive.last();
    assert_eq!(last[quarter(30).as_str()]["gap"], true, "the gap reaches to 08:31");
    assert_eq!(last[quarter(30).as_str()]["counts"]["offered"], 40);
}
