//! How long a partition is without fresh KPIs when instances come and go.
//!
//! One, two and four instances share four partitions while `RATE` events a second come in. A pause is the longest time
//! between two advances of one partition's `as_of`, as a reader of committed records sees them; with nothing going on
//! it advances about once a second.

use crate::deployment::{Deployment, Instance, create_events};
use crate::figures::Figure;
use crate::kafka;
use crate::live::{Load, Progress};
use crate::number;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

const ROUNDS: usize = 3;
/// How long is watched after each change.
const WATCHED: Duration = Duration::from_secs(20);

const CHANGES: [&str; 6] = [
    "one instance, nothing changes",
    "a second one joins",
    "a third and a fourth join",
    "one is killed and starts again",
    "the fourth leaves",
    "the third is killed for good",
];

pub fn measure() {
    let rate = number("RATE", 1_000);
    let events = kafka::unique("bench") + ".events";
    create_events(&events);
    let deployment = Deployment::of(&events, "");
    let load = Load::new(&events, rate);
    let mut pauses: [Figure; CHANGES.len()] = Default::default();
    thread::scope(|scope| {
        scope.spawn(|| load.send());
        for _ in 0..ROUNDS {
            let mut progress = Progress::of(&deployment.board());
            let mut running: Vec<Instance> = vec![deployment.start("a")];
            progress.watch(2 * WATCHED);
            for (place, pause) in pauses.iter_mut().enumerate() {
                match place {
                    1 => running.push(deployment.start("b")),
                    2 => running.extend(["c", "d"].map(|more| deployment.start(more))),
                    3 => {
                        drop(running.remove(0));
                        running.insert(0, deployment.start("a"));
                    }
                    4 => running.pop().expect("the fourth").leave(),
                    5 => drop(running.pop()),
                    _ => {}
                }
                pause.add(progress.watch(WATCHED).pause);
            }
            running.into_iter().rev().for_each(Instance::leave);
        }
        load.end();
    });
    let sent = load.sent.load(Ordering::Relaxed);
    println!("moves: {rate} events/s wanted, {sent} sent, {ROUNDS} rounds; longest pause of a partition, s\n");
    for (change, pause) in CHANGES.iter().zip(pauses) {
        println!("{change:<34}{pause:>22}");
    }
    println!();
}
