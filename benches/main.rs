//! Measurements, each as a ratio to something in the same run.
//!
//! ```text
//! cargo bench                          engine, backlog and latency: some minutes on two cores
//! cargo bench -- engine                without Kafka: CALLS=100000
//! cargo bench -- formats               decoders of what other systems write: a minute
//! cargo bench -- scrape                /metrics of SERIES=100000: a minute
//! cargo bench -- backlog               CALLS=150000, about a million events
//! cargo bench -- latency               RATE=1000 events/s for SECONDS=60, twice
//! cargo bench -- moves                 RATE=1000 events/s while instances come and go: eight minutes
//! cargo bench -- streams               RATE=1000 changed queues a second to CLIENTS=200 for SECONDS=20 each
//! cargo bench -- endurance             RATE=10000 events/s for MINUTES=30
//! cargo bench -- retention             CALLS_PER_HOUR=10000 for HOURS=60 of event time, HORIZON_HOURS=2, without Kafka
//! ```

mod backlog;
mod cpu;
mod deployment;
mod endurance;
mod engine;
mod figures;
mod floor;
mod formats;
mod latency;
mod live;
mod moves;
mod retention;
mod scrape;
mod streams;

#[path = "../tests/support/kafka.rs"]
#[expect(dead_code, reason = "tests also break the broker")]
mod kafka;
#[path = "../tests/support/samples.rs"]
#[expect(dead_code, reason = "what samples stand for is held in tests")]
mod samples;
#[path = "../tests/support/told.rs"]
#[expect(dead_code, reason = "what samples stand for is held in tests")]
mod told;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    if wants("engine") {
        engine::measure();
    }
    if asked.iter().any(|word| word == "formats") {
        formats::measure();
    }
    if asked.iter().any(|word| word == "scrape") {
        scrape::measure();
    }
    if wants("backlog") {
        backlog::measure();
    }
    if wants("latency") {
        ["250ms", "50ms"].into_iter().for_each(latency::measure);
    }
    if asked.iter().any(|word| word == "moves") {
        moves::measure();
    }
    if asked.iter().any(|word| word == "streams") {
        streams::measure();
    }
    if asked.iter().any(|word| word == "endurance") {
        endurance::measure();
    }
    if asked.iter().any(|word| word == "retention") {
        retention::measure();
    }
}

/// A number the environment may change.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}
