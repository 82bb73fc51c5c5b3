//! Chaos: whatever happens to processes, network and broker, the topics end in the numbers of a replay.
//!
//! ```text
//! cargo test --test chaos                                    the seeds below: some minutes
//! CHAOS_SEEDS=1..9 CHAOS_FAULTS=400 CHAOS_RATE=5000 cargo test --release --test chaos -- --nocapture
//! ```
//!
//! Single faults and what follows from each are in `single`. A plan of faults follows from its seed (`plan`). Meanwhile events come in (`load`), with odd seeds as they
//! happen, with even seeds those of days gone by: repeated, in disorder, some of them late. A reader of committed
//! records watches all the time; when all is quiet again every key of the KPI topics, the call records and
//! the rejects are compared. Each run leaves a report, `chaos/seed-N.md`, beside the build.

#[path = "../kafka/deployment.rs"]
mod deployment;
mod injected;
#[path = "../support/kafka.rs"]
#[expect(dead_code, reason = "a broker of its own is broken here, and loses no records")]
mod kafka;
mod load;
#[path = "../kafka/oracle.rs"]
mod oracle;
mod plan;
mod proxy;
mod single;

use deployment::{Deployment, INSTANCES, Instance, PARTITIONS, Reader};
use kafka::Broker;
use load::{Load, POISON, When};
use oracle::{alerts_are_told_once, calls_end_as_told, ends_as_replay, rejects_are};
use plan::{Fault, plan};
use proxy::Proxy;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Number of the signal.
const SIGTERM: i32 = 15;
/// A drain is over within this, and a little for a busy machine.
const DRAIN: Duration = Duration::from_secs(30);

#[test]
fn whatever_happens_the_topics_end_in_the_numbers_of_a_replay() {
    let faults = number("CHAOS_FAULTS", 8);
    for seed in seeds() {
        Chaos::begin(seed).run(faults);
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

/// A broker behind a bad network, and instances that share its partitions.
struct Chaos {
    seed: u64,
    begun: Instant,
    broker: Broker,
    network: Proxy,
    deployment: Deployment,
    instances: [Option<Instance>; 2],
    /// The most memory an instance had, MiB.
    memory: u64,
}

impl Chaos {
    fn begin(seed: u64) -> Chaos {
        let (broker, network) = Broker::start_behind(Proxy::to, Proxy::port);
        let mut deployment = Deployment::on(&broker.connection());
        if When::of(seed) == When::Live {
            // So that some end while it runs.
            deployment.intervals = "\"1m\", \"5m\", \"1h\"";
        }
        deployment.go_through(network.port(), Some(&build_clock(&deployment)));
        let instances = [0, 1].map(|at| Some(deployment.start(INSTANCES[at])));
        Chaos { seed, begun: Instant::now(), broker, network, deployment, instances, memory: 0 }
    }

    fn run(mut self, faults: u64) {
        let rate = number("CHAOS_RATE", 1_000);
        let when = When::of(self.seed);
        let load = Load::new(when, rate, self.seed, faults * rate / 2);
        let mut report = format!("# Seed {}, {faults} faults, {rate} events/s, {when:?}\n\n", self.seed);
        let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut kills, mut rebalances) = (0, 0);
        let is_quiet = AtomicBool::new(false);
        let deployment = self.deployment.clone();
        let board = thread::scope(|scope| {
            let sending = scope.spawn(|| load.send(&deployment));
            let watching = scope.spawn(|| watch(&deployment, &is_quiet));
            for (place, (after, fault)) in plan(self.seed, faults).into_iter().enumerate() {
                thread::sleep(after);
                let (at, sent) = (self.begun.elapsed().as_secs_f64(), load.sent.load(Ordering::Relaxed));
                eprintln!("chaos {}: {} of {faults}, {at:.0} s, {sent} events sent, {fault:?}", self.seed, place + 1);
                let _ = writeln!(report, "- {at:.1} s, {sent} events: {fault:?}");
                *counted.entry(fault.name()).or_default() += 1;
                (kills, rebalances) = (kills + fault.kills(), rebalances + fault.rebalances());
                self.happen(fault, &load);
            }
            load.end();
            sending.join().expect("the sender");
            is_quiet.store(true, Ordering::Relaxed);
            watching.join().expect("the reader")
        });
        eprintln!("chaos {}: all events are sent; waiting until they are worked off", self.seed);
        let quiet = Instant::now();
        let pause = board.longest_pause;
        let sums = self.compare(board);
        let _ = writeln!(report, "\n| what happened | times |\n|---|---|");
        for (name, times) in &counted {
            let _ = writeln!(report, "| {name} | {times} |");
        }
        let _ = writeln!(
            report,
            "\n{kills} kills -9 of an instance, {rebalances} times a member came or went. {} events; drained and compared in \
             {:.1} s: {sums}. No version went back or has two contents. Longest time of a partition without an advance of \
             as_of: {:.1} s. Most memory of an instance: {} MiB.",
            load.sent.load(Ordering::Relaxed),
            quiet.elapsed().as_secs_f64(),
            pause.as_secs_f64(),
            self.memory,
        );
        let reports = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("chaos");
        fs::create_dir_all(&reports).expect("a directory for reports");
        fs::write(reports.join(format!("seed-{}.md", self.seed)), &report).expect("the report");
        eprintln!("chaos {}: {}", self.seed, report.lines().last().unwrap_or_default());
        drop(self.instances);
        fs::remove_dir_all(&self.deployment.dir).expect("the directory to go");
    }

    /// Compares everything published with what was sent. Answers what was compared.
    fn compare(&self, mut board: Reader) -> String {
        let instants = number("CHAOS_INSTANTS", 6) as usize;
        let kpis = ends_as_replay(&self.deployment, &mut board, instants);
        let calls = calls_end_as_told(&self.deployment);
        let rejects = rejects_are(&self.deployment, POISON);
        let alerts = alerts_are_told_once(&self.deployment);
        format!("{kpis}; {calls} call records; {rejects} rejects; {alerts} transitions of alerts, each told once")
    }

    fn happen(&mut self, fault: Fault, load: &Load) {
        match fault {
            Fault::Kill(at) => self.kill(at),
            Fault::KillTwice(at, millis) => {
                self.kill(at);
                thread::sleep(Duration::from_millis(millis));
                self.kill(at);
            }
            Fault::KillInRebalance(at, millis) => {
                let third = self.deployment.start(INSTANCES[2]);
                thread::sleep(Duration::from_millis(millis));
                self.kill(at);
                drop(third);
            }
            Fault::Terminate(at) => {
                let mut instance = self.instances[at].take().expect("a running instance");
                signal(&instance, "-TERM");
                let ended = end_within(&mut instance, DRAIN);
                // One that had begun nothing yet has nothing to finish.
                let is_well = ended.is_some_and(|status| status.success() || status.signal() == Some(SIGTERM));
                assert!(is_well, "after SIGTERM: {ended:?}\n{}", self.deployment.log());
                self.instances[at] = Some(self.deployment.start(INSTANCES[at]));
            }
            Fault::Freeze(at, seconds) => {
                let instance = self.instances[at].as_ref().expect("a running instance");
                signal(instance, "-STOP");
                thread::sleep(Duration::from_secs(seconds));
                signal(instance, "-CONT");
            }
            Fault::JoinAndLeave(millis) => {
                let third = self.deployment.start(INSTANCES[2]);
                thread::sleep(Duration::from_millis(millis));
                drop(third);
            }
            Fault::KillBroker(millis) => {
                self.broker.kill();
                thread::sleep(Duration::from_millis(millis));
                self.broker.restart();
            }
            Fault::Silence(seconds) => self.network.fall_silent(Duration::from_secs(seconds)),
            Fault::Slowness(millis) => {
                self.network.slow_down(Duration::from_millis(millis), Duration::from_secs(3));
            }
            Fault::Cut => self.network.cut(),
            Fault::Clock(at, seconds) => {
                let clock = self.deployment.clock(INSTANCES[at]);
                fs::write(&clock, seconds.to_string()).expect("the clock jumps");
                thread::sleep(Duration::from_secs(3));
                fs::write(&clock, "0").expect("the clock jumps back");
            }
            Fault::TellAgain => load.tell_again(&self.deployment),
            Fault::Poison => load.poison(&self.deployment, PARTITIONS * 3),
        }
        for (at, instance) in self.instances.iter_mut().enumerate() {
            let instance = instance.as_mut().expect("a running instance");
            let is_gone = end_within(instance, Duration::ZERO).is_some();
            assert!(!is_gone, "instance {} ended by itself\n{}", INSTANCES[at], self.deployment.log());
            self.memory = self.memory.max(memory(instance));
        }
    }

    fn kill(&mut self, at: usize) {
        self.instances[at] = None;
        self.instances[at] = Some(self.deployment.start(INSTANCES[at]));
    }
}

/// Reads the board until all is quiet, so that nothing it ever said is overlooked.
fn watch(deployment: &Deployment, is_quiet: &AtomicBool) -> Reader {
    let mut board = Reader::open(&deployment.brokers, &deployment.topic("kpis"));
    while !is_quiet.load(Ordering::Relaxed) {
        board.read_out();
        thread::sleep(Duration::from_millis(50));
    }
    board
}

/// A library that makes the clock of an instance jump. The compiler is there, since the build needs one.
fn build_clock(deployment: &Deployment) -> PathBuf {
    let library = deployment.dir.join("clock.so");
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/chaos/clock.c");
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").status();
    assert!(built.expect("cc").success(), "clock.c does not compile");
    library
}

/// What a process has in memory, MiB.
fn memory(instance: &Instance) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", instance.0.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
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
