//! Chaos: whatever happens to processes and broker, the topics end in the numbers of a replay.
//!
//! ```text
//! cargo test --test chaos                                    the seeds below: some minutes
//! CHAOS_SEEDS=1..50 CHAOS_FAULTS=40 cargo test --test chaos -- --nocapture
//! ```
//!
//! A plan of faults follows from its seed: kill -9 and SIGTERM of instances, SIGSTOP for longer than the
//! group waits and SIGCONT, a third instance that joins and leaves, kill -9 of the broker, records told
//! again, records that are no events. Meanwhile events come in; when all is quiet again every key of the KPI
//! topics is compared. Each run leaves a report, `chaos/seed-N.md`, beside the build.

#[path = "kafka/deployment.rs"]
mod deployment;
#[path = "support/kafka.rs"]
#[expect(dead_code, reason = "a broker of its own is broken here, and loses no records")]
mod kafka;
#[path = "kafka/oracle.rs"]
mod oracle;

use callpulse::simulate::settings::SimSettings;
use callpulse::stream::feed::Feed;
use deployment::{Deployment, INSTANCES, Instance, PARTITIONS, Reader, Written, write_events};
use kafka::Broker;
use oracle::ends_as_replay;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What is sent in a second.
const RATE: u64 = 1_000;
/// Number of the signal.
const SIGTERM: i32 = 15;
/// A drain is over within this, and a little for a busy machine.
const DRAIN: Duration = Duration::from_secs(30);

#[test]
fn whatever_happens_the_topics_end_in_the_numbers_of_a_replay() {
    let faults = number("CHAOS_FAULTS", 12);
    for seed in seeds() {
        run(seed, faults);
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

/// `CHAOS_SEEDS` as `7` or `1..50`; two unless said.
fn seeds() -> Range<u64> {
    let Ok(asked) = std::env::var("CHAOS_SEEDS") else { return 1..3 };
    let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("CHAOS_SEEDS={asked}: give 7 or 1..50"));
    match asked.split_once("..") {
        Some((from, to)) => parse(from)..parse(to),
        None => parse(&asked)..parse(&asked) + 1,
    }
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill(usize),
    Terminate(usize),
    /// Stands still for so many seconds, then goes on as if nothing had been.
    Freeze(usize, u64),
    /// The third instance comes, and goes after so many milliseconds.
    JoinAndLeave(u64),
    /// The broker is away for so many milliseconds.
    KillBroker(u64),
    /// Events of the last minutes come again, the other way round.
    TellAgain,
    /// A record that is no event comes, to every partition.
    Poison,
}

/// Numbers from a seed: splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What happens, and how long after what happened before.
fn plan(seed: u64, faults: u64) -> Vec<(Duration, Fault)> {
    let mut chance = Chance(seed);
    let mut fault = || {
        let instance = chance.below(2) as usize;
        let fault = match chance.below(20) {
            0..8 => Fault::Kill(instance),
            8..11 => Fault::Terminate(instance),
            11..13 => Fault::Freeze(instance, 2 + chance.below(14)),
            13..15 => Fault::JoinAndLeave(500 + chance.below(4_000)),
            15..17 => Fault::KillBroker(chance.below(3_000)),
            17..19 => Fault::TellAgain,
            _ => Fault::Poison,
        };
        (Duration::from_millis(100 + chance.below(2_500)), fault)
    };
    (0..faults).map(|_| fault()).collect()
}

fn run(seed: u64, faults: u64) {
    let begun = Instant::now();
    let mut report = format!("# Seed {seed}, {faults} faults\n\n");
    let mut broker = Broker::start();
    let deployment = Deployment::on(&broker.connection());
    let file = deployment.dir.join("events.jsonl");
    let events = write_events(SimSettings { seed, calls: 6_000, keeps_books: false, ..SimSettings::default() }, &file);
    let mut instances = [0, 1].map(|at| Some(deployment.start(INSTANCES[at])));
    let sent = Mutex::new(0);
    let is_over = AtomicBool::new(false);
    let mut count = 0;
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(&deployment, &broker_feed(&deployment), &events, &sent, &is_over));
        for (after, fault) in plan(seed, faults) {
            thread::sleep(after);
            count += 1;
            let at = begun.elapsed().as_secs_f64();
            let told = *sent.lock().expect("a count");
            eprintln!("chaos {seed}: {count} of {faults}, {told} of {} events sent, {fault:?}", events.len());
            let _ = writeln!(report, "- {at:.1} s, {told} events: {fault:?}");
            happen(fault, &deployment, &mut broker, &mut instances, &events[..told]);
        }
        is_over.store(true, Ordering::Relaxed);
        sending.join().expect("the sender");
    });
    eprintln!("chaos {seed}: all events are sent; waiting until they are worked off");
    let quiet = Instant::now();
    let mut board = Reader::open(&deployment.brokers, &deployment.topic("kpis"));
    ends_as_replay(&deployment, &file, &mut board, 3);
    let _ = writeln!(
        report,
        "\n{} events; drained and compared in {:.1} s. Every interval and the board of the last three instants equal a \
         replay; no version went back or has two contents.",
        events.len(),
        quiet.elapsed().as_secs_f64()
    );
    let reports = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    fs::create_dir_all(&reports).expect("a directory for reports");
    fs::write(reports.join(format!("seed-{seed}.md")), &report).expect("the report");
    drop(instances);
    fs::remove_dir_all(&deployment.dir).expect("the directory to go");
}

fn broker_feed(deployment: &Deployment) -> Feed {
    let connection = callpulse::stream::client::Connection {
        brokers: deployment.brokers.clone(),
        ..callpulse::stream::client::Connection::default()
    };
    Feed::open(&connection, &deployment.topic("acd.events")).expect("a producer")
}

/// Sends the events at an even rate, and the rest at once when nothing happens any more.
fn send(deployment: &Deployment, feed: &Feed, events: &[Written], sent: &Mutex<usize>, is_over: &AtomicBool) {
    let begun = Instant::now();
    for (place, event) in events.iter().enumerate() {
        if !is_over.load(Ordering::Relaxed) {
            let due = begun + Duration::from_nanos(place as u64 * 1_000_000_000 / RATE);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        feed.send(&event.key, &event.value, event.at).expect("written");
        *sent.lock().expect("a count") = place + 1;
    }
    while let Err(error) = feed.flush() {
        eprintln!("events of {} wait for the broker: {error}", deployment.topic("acd.events"));
    }
}

fn happen(
    fault: Fault,
    deployment: &Deployment,
    broker: &mut Broker,
    instances: &mut [Option<Instance>; 2],
    sent: &[Written],
) {
    match fault {
        Fault::Kill(at) => {
            instances[at] = None;
            instances[at] = Some(deployment.start(INSTANCES[at]));
        }
        Fault::Terminate(at) => {
            let mut instance = instances[at].take().expect("a running instance");
            signal(&instance, "-TERM");
            let ended = end_within(&mut instance, DRAIN);
            // One that had begun nothing yet has nothing to finish.
            let is_well = ended.is_some_and(|status| status.success() || status.signal() == Some(SIGTERM));
            assert!(is_well, "after SIGTERM: {ended:?}\n{}", deployment.log());
            instances[at] = Some(deployment.start(INSTANCES[at]));
        }
        Fault::Freeze(at, seconds) => {
            let instance = instances[at].as_ref().expect("a running instance");
            signal(instance, "-STOP");
            thread::sleep(Duration::from_secs(seconds));
            signal(instance, "-CONT");
        }
        Fault::JoinAndLeave(millis) => {
            let third = deployment.start(INSTANCES[2]);
            thread::sleep(Duration::from_millis(millis));
            drop(third);
        }
        Fault::KillBroker(millis) => {
            broker.kill();
            thread::sleep(Duration::from_millis(millis));
            broker.restart();
        }
        Fault::TellAgain => {
            let feed = broker_feed(deployment);
            for event in sent.iter().rev().take(500) {
                feed.send(&event.key, &event.value, event.at).expect("written");
            }
            // What does not arrive now was only a repeat.
            let _ = feed.flush();
        }
        Fault::Poison => {
            let feed = broker_feed(deployment);
            for part in 0..PARTITIONS * 3 {
                feed.send(&format!("poison-{part}"), "{\"type\":", sent.last().map_or(0, |event| event.at))
                    .expect("written");
            }
            let _ = feed.flush();
        }
    }
    for (at, instance) in instances.iter_mut().enumerate() {
        let is_gone = instance.as_mut().is_some_and(|instance| end_within(instance, Duration::ZERO).is_some());
        assert!(!is_gone, "instance {} ended by itself\n{}", INSTANCES[at], deployment.log());
    }
}

fn signal(instance: &Instance, signal: &str) {
    let done = Command::new("kill").args([signal, &instance.0.id().to_string()]).status().expect("kill");
    assert!(done.success(), "{signal} was not delivered");
}

/// Waits until it has ended by itself; none if it did not in time.
fn end_within(instance: &mut Instance, patience: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + patience;
    loop {
        match instance.0.try_wait().expect("a child of ours") {
            Some(status) => return Some(status),
            None if until < Instant::now() => return None,
            None => thread::sleep(Duration::from_millis(20)),
        }
    }
}
