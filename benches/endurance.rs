//! Whether memory and lag stay where they are under a load that goes on.
//!
//! One instance, `RATE` events a second for `MINUTES`. What a call told is kept for `late_horizon`, and what windows are
//! made of for the longest of them, so memory can only be flat after that: two minutes and five, and no interval, here.

use crate::cpu;
use crate::deployment::{Deployment, create_events};
use crate::figures::percentile;
use crate::kafka;
use crate::live::{Load, Progress};
use crate::number;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

pub fn measure() {
    let (rate, minutes) = (number("RATE", 10_000), number("MINUTES", 30));
    let events = kafka::unique("bench") + ".events";
    create_events(&events);
    let deployment = Deployment::of(&events, "late_horizon = \"2m\"\n[windows]\nsliding = [\"5m\"]\nintervals = []");
    let mut instance = deployment.start("a");
    let (load, process) = (Load::new(&events, rate), instance.0.id());
    let mut progress = Progress::of(&deployment.board());
    println!("endurance: {rate} events/s wanted for {minutes} minutes, late_horizon 2m, a window of 5m\n");
    println!(
        "{:>6}{:>10}{:>12}{:>8}{:>30}",
        "minute", "events/s", "memory MiB", "CPUs", "behind, s: p50    p99   most"
    );
    thread::scope(|scope| {
        scope.spawn(|| load.send());
        let mut before = (0, cpu::of(process));
        for minute in 1..=minutes {
            let mut behind = progress.watch(MINUTE).behind;
            assert!(instance.is_running(), "it ended: see {}", deployment.dir.display());
            behind.sort_by(f64::total_cmp);
            let now = (load.sent.load(Ordering::Relaxed), cpu::of(process));
            let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| percentile(&behind, share));
            println!(
                "{minute:>6}{:>10}{:>12}{:>8.2}{p50:>16.2}{p99:>7.2}{most:>7.2}",
                (now.0 - before.0) / MINUTE.as_secs(),
                cpu::memory_mib(process),
                (now.1 - before.1).as_secs_f64() / MINUTE.as_secs_f64(),
            );
            before = now;
        }
        load.end();
    });
    println!();
}
