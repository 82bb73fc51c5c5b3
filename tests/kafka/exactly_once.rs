//! The promise, end to end: real processes over a real Kafka, killed on the way, end in the same numbers
//! as a replay of the same events.
//!
//! Two instances share four partitions; one is killed (-9) three times. Whoever reads committed records
//! then sees, for every interval, what `replay` says, bit for bit; for every other key what `replay` says
//! as of that record; and never two contents under one version.

use crate::deployment::{Deployment, PATIENCE, Reader, write_events};
use crate::kafka;
use crate::oracle::ends_as_replay;
use callpulse::simulate::settings::SimSettings;
use callpulse::stream::feed::Feed;
use std::fs;
use std::time::Instant;

#[test]
fn two_instances_one_killed_three_times_end_in_the_numbers_of_a_replay() {
    let connection = kafka::shared();
    let deployment = Deployment::on(&connection);
    let file = deployment.dir.join("events.jsonl");
    let settings = SimSettings { seed: 7, calls: 3_000, keeps_books: false, ..SimSettings::default() };
    let events = write_events(settings, &file);

    let feed = Feed::open(&connection, &deployment.topic("acd.events")).expect("a producer");
    let mut board = Reader::open(&deployment.brokers, &deployment.topic("kpis"));
    let _a = deployment.start("a");
    let mut b = deployment.start("b");
    for (part, chunk) in events.chunks(events.len().div_ceil(4)).enumerate() {
        for event in chunk {
            feed.send(&event.key, &event.value, event.at).expect("written");
        }
        feed.flush().expect("written");
        if part < 3 {
            // Something of it is published, more is under way.
            let seen = board.records.len();
            let until = Instant::now() + PATIENCE;
            while board.records.len() == seen && Instant::now() < until {
                board.read_out();
            }
            drop(b);
            b = deployment.start("b");
        }
    }

    ends_as_replay(&deployment, &file, &mut board, 3);
    drop(b);
    fs::remove_dir_all(&deployment.dir).expect("the directory to go");
}
