//! What it costs to stream to many clients, and how long a change takes to them.
//!
//! `RATE` queues change once a second each, written straight into the KPI topic; an instance streams them to no client, to
//! one and to `CLIENTS`, who all ask for what a wallboard shows of them. From handing a record to the producer until a client
//! has read it, seen by the first clients only; the others just read.

use crate::cpu;
use crate::deployment::{Deployment, create_events};
use crate::figures::percentile;
use crate::kafka;
use crate::number;
use callpulse::entity::Kind;
use callpulse::kpi::catalogue::{COUNTS, KPIS, SUMS, What};
use callpulse::kpi::record::{Count, EntityPart, Fields, Kpi, KpiRecord, SCHEMA, WindowPart};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const WATCHERS: usize = 4;
const FIELDS: &str =
    "counts.offered,counts.answered,counts.abandoned,kpis.service_level,kpis.average_speed_of_answer,kpis.longest_wait";

pub fn measure() {
    let (rate, seconds, most) = (number("RATE", 1_000), number("SECONDS", 20), number("CLIENTS", 200) as usize);
    let events = kafka::unique("bench") + ".events";
    create_events(&events);
    let deployment = Deployment::of(&events, "");
    let instance = deployment.start("a");
    let address = address(&deployment.dir.join("a.log"));
    let source = Changes::new(&deployment.board(), rate);
    println!(
        "streams: {rate} queues of {} bytes, each changed once a second, for {seconds} s a row\n",
        source.bytes_of_record()
    );
    println!(
        "{:<14}{:>8}{:>16}{:>12}{:>16}{:>32}",
        "clients", "CPUs", "less no client", "MB/s", "changes/s each", "delay, ms: p50    p99   most"
    );
    let mut idle = 0.0;
    let (mut of_one, mut of_many) = (0.0, 0.0);
    for clients in [0, 1, most] {
        let load = Load::default();
        let (cpus, bytes, mut delays) = thread::scope(|scope| {
            for place in 0..clients {
                let (load, source, address) = (&load, &source, &address);
                scope.spawn(move || read(address, load, (place < WATCHERS).then_some(source)));
            }
            // Snapshots are over.
            source.run(Duration::from_secs(5));
            load.start();
            let (before, begun) = (cpu::of(instance.0.id()), Instant::now());
            source.run(Duration::from_secs(seconds));
            let cpus = (cpu::of(instance.0.id()) - before).as_secs_f64() / begun.elapsed().as_secs_f64();
            let bytes = load.bytes.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
            load.is_over.store(true, Ordering::Relaxed);
            (cpus, bytes, std::mem::take(&mut *load.delays.lock().expect("delays")))
        });
        match clients {
            0 => idle = cpus,
            1 => of_one = cpus - idle,
            _ => of_many = cpus - idle,
        }
        delays.sort_by(f64::total_cmp);
        let changes = delays.len() as f64 / clients.clamp(1, WATCHERS) as f64 / seconds as f64;
        let more = cpus - idle;
        print!("{clients:<14}{cpus:>8.2}{more:>16.2}{:>12.1}{changes:>16.0}", bytes / 1e6);
        match clients {
            0 => println!(),
            _ => {
                let [p50, p99, longest] = [0.5, 0.99, 1.0].map(|share| percentile(&delays, share));
                println!("{p50:>16.0}{p99:>7.0}{longest:>7.0}");
            }
        }
    }
    println!("{most} clients cost {:.1} times what one does\n", of_many / of_one);
}

/// Where the instance listens, once it does.
fn address(log: &Path) -> String {
    loop {
        let text = fs::read_to_string(log).unwrap_or_default();
        let told = text.lines().find_map(|line| line.split_once("listen=").map(|(_, rest)| rest));
        if let Some(address) = told.and_then(|rest| rest.split_whitespace().next()) {
            return address.to_owned();
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// What the clients of a row see.
#[derive(Default)]
struct Load {
    is_counted: AtomicBool,
    is_over: AtomicBool,
    bytes: AtomicU64,
    /// Milliseconds.
    delays: Mutex<Vec<f64>>,
}

impl Load {
    fn start(&self) {
        self.is_counted.store(true, Ordering::Relaxed);
    }
}

fn read(address: &str, load: &Load, watched: Option<&Changes>) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request =
        format!("GET /api/v1/stream?kind=queue&window=5m&fields={FIELDS} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let (mut chunk, mut rest) = (vec![0; 256 << 10], Vec::new());
    while !load.is_over.load(Ordering::Relaxed) {
        let count = stream.read(&mut chunk).expect("the stream goes on");
        assert_ne!(count, 0, "the stream goes on");
        let is_counted = load.is_counted.load(Ordering::Relaxed);
        if is_counted {
            load.bytes.fetch_add(count as u64, Ordering::Relaxed);
        }
        let Some(changes) = watched else { continue };
        let at = Instant::now();
        rest.extend_from_slice(&chunk[..count]);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let text: Vec<u8> = rest.drain(..whole).collect();
        let text = String::from_utf8(text).expect("text");
        let versions = text.split("\"version\":").skip(1);
        let numbers = versions.filter_map(|rest| rest.split(',').next()?.parse::<usize>().ok());
        let delays = numbers.filter_map(|version| changes.since(version, at));
        if is_counted {
            load.delays.lock().expect("delays").extend(delays);
        }
    }
}

/// Records written into the KPI topic, numbered by their versions.
struct Changes {
    producer: BaseProducer,
    topic: String,
    rate: u64,
    begun: Instant,
    /// When each version was sent, microseconds after the beginning.
    sent: Vec<AtomicU64>,
    next: AtomicU64,
}

impl Changes {
    fn new(topic: &str, rate: u64) -> Changes {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka::shared().brokers).set("linger.ms", "5").set("compression.type", "lz4");
        let room = rate * (number("SECONDS", 20) + 10) * 4;
        Changes {
            producer: config.create().expect("a producer"),
            topic: topic.to_owned(),
            rate,
            begun: Instant::now(),
            sent: (0..room).map(|_| AtomicU64::new(0)).collect(),
            next: AtomicU64::new(1),
        }
    }

    fn bytes_of_record(&self) -> usize {
        record(0, 1_000_000).to_json().len()
    }

    /// Goes on for so long, evenly.
    fn run(&self, time: Duration) {
        let begun = Instant::now();
        let count = (self.rate as f64 * time.as_secs_f64()) as u64;
        for turn in 0..count {
            let due = begun + Duration::from_nanos(turn * 1_000_000_000 / self.rate);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let version = self.next.fetch_add(1, Ordering::Relaxed);
            let queue = version % self.rate;
            let (key, value) = (format!("default|queue|q{queue}|5m"), record(queue, version).to_json());
            self.sent[version as usize].store(self.begun.elapsed().as_micros() as u64, Ordering::Relaxed);
            self.producer.send(BaseRecord::to(&self.topic).key(&key).payload(&value)).expect("room in the queue");
            self.producer.poll(Duration::ZERO);
        }
        self.producer.flush(Duration::from_secs(5)).expect("written");
    }

    /// How long ago a version was sent, milliseconds.
    fn since(&self, version: usize, at: Instant) -> Option<f64> {
        let sent = self.sent.get(version)?.load(Ordering::Relaxed);
        let at = (at - self.begun).as_micros() as u64;
        (0 < sent).then(|| at.saturating_sub(sent) as f64 / 1e3)
    }
}

/// A record with everything that a queue has.
fn record(queue: u64, version: u64) -> KpiRecord {
    let (mut counts, mut sums_ms, mut kpis) = (Fields::default(), Fields::default(), Fields::default());
    let number = (queue * 31 + version) as i64 % 1_000;
    for count in COUNTS.iter().filter(|count| count.kinds.contains(&Kind::Queue) && !matches!(count.what, What::By(_)))
    {
        counts.push(count.name, Count::Number(number));
    }
    for sum in SUMS.iter().filter(|sum| sum.kinds.contains(&Kind::Queue)) {
        sums_ms.push(sum.name, number * 1_000);
    }
    for kpi in KPIS.iter().filter(|kpi| kpi.kinds.contains(&Kind::Queue)) {
        let (numerator, denominator) = (Some(number), Some(997));
        kpis.push(kpi.id, Kpi { value: Some(number as f64 / 997.0), numerator, denominator, ..Kpi::default() });
    }
    KpiRecord {
        schema: SCHEMA.into(),
        tenant: "default".into(),
        entity: EntityPart {
            kind: Kind::Queue.word().into(),
            id: format!("q{queue}"),
            title: None,
            channel: None,
            queue: None,
            agent: None,
        },
        window: WindowPart {
            name: "5m".into(),
            kind: "sliding".into(),
            start: Some("2026-03-02T08:10:31.000Z".into()),
            end: "2026-03-02T08:15:31.000Z".into(),
        },
        as_of: "2026-03-02T08:15:30.412Z".into(),
        version,
        is_final: false,
        corrected: false,
        covered_from: None,
        gap: false,
        counts,
        sums_ms,
        paused_by_reason_ms: None,
        kpis,
        targets: Fields::default(),
        by_entry: None,
        profile: None,
        waiting: None,
        counters: None,
        now: None,
    }
}
