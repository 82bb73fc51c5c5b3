//! `callpulse ship`, killed (-9) again and again while its file grows and rotates: the topic holds the lines, each
//! once, those of a call in their order. And how it leaves.

use crate::deployment::{Instance, PARTITIONS, PATIENCE, committed};
use crate::kafka::{self, unique};
use callpulse::stream::topics::{TopicSpec, create_missing};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const CALLS: u64 = 40;

#[test]
fn ship_killed_again_and_again_writes_each_line_once() {
    let bench = Bench::new();
    let mut reader = Reader::open(&bench);
    let mut log = Log::open(&bench);
    let mut chance = Chance(7);
    let mut child = bench.start(&[]);
    // Before anything is shipped, it begins with the file that is there.
    log.write(10, &mut chance);
    log.finish();
    reader.until(log.written as usize, &bench);
    for round in 0..8 {
        // Killed while it starts, while it has just begun, and while it works.
        let enough = reader.seqs.len() + [0, 1, 500][round % 3];
        let until = Instant::now() + PATIENCE;
        let mut spare = Duration::from_millis(chance.below(700));
        while reader.seqs.len() < enough || !spare.is_zero() {
            assert!(Instant::now() < until, "{} of {} lines\n{}", reader.seqs.len(), log.written, bench.log());
            log.write(1 + chance.below(30), &mut chance);
            if chance.below(12) == 0 {
                log.rotate(&mut chance);
            }
            let pause = Duration::from_millis(chance.below(20));
            reader.read_for(pause);
            spare = spare.saturating_sub(pause);
        }
        drop(child);
        if round == 4 {
            // Two rotations while nobody follows.
            log.rotate(&mut chance);
            log.write(20, &mut chance);
            log.rotate(&mut chance);
        }
        child = bench.start(&[]);
    }
    log.finish();
    let until = Instant::now() + PATIENCE;
    while reader.seqs.len() < log.written as usize {
        assert!(Instant::now() < until, "{} of {} lines\n{}", reader.seqs.len(), log.written, bench.log());
        reader.read_for(Duration::from_millis(100));
    }
    let (status, took) = leave(&mut child.0);
    assert!(status.success() && took < Duration::from_secs(10), "{status:?} after {took:?}\n{}", bench.log());
    // There was nothing left to ship, and there is nothing to ship again.
    let status = bench.command(&["--once"]).status().expect("it ran");
    assert!(status.success(), "{}", bench.log());
    reader.read_out();
    println!("compared: {} lines, {} rotations", log.written, log.rotations);
    reader.has_each_once(log.written);
    fs::remove_dir_all(&bench.dir).expect("the directory to go");
}

#[test]
fn ship_leaves_to_a_successor_and_says_so() {
    let bench = Bench::new();
    let mut reader = Reader::open(&bench);
    let mut log = Log::open(&bench);
    let mut chance = Chance(1);
    let mut first = bench.start(&[]);
    log.write(10, &mut chance);
    log.finish();
    reader.until(log.written as usize, &bench);
    let mut second = bench.start(&[]);
    let until = Instant::now() + PATIENCE;
    // The first learns of it with its next commit.
    let status = loop {
        assert!(Instant::now() < until, "the first is still there\n{}", bench.log());
        log.write(1, &mut chance);
        log.finish();
        reader.read_for(Duration::from_millis(50));
        if let Some(status) = first.0.try_wait().expect("a status") {
            break status;
        }
    };
    assert_eq!(status.code(), Some(1), "{}", bench.log());
    assert!(bench.log().contains("another `callpulse ship` of source queue_log has taken over"), "{}", bench.log());
    reader.until(log.written as usize, &bench);
    assert!(leave(&mut second.0).0.success(), "{}", bench.log());
    reader.read_out();
    reader.has_each_once(log.written);
    fs::remove_dir_all(&bench.dir).expect("the directory to go");
}

#[test]
fn ship_writes_every_line_it_cannot_use_to_a_file() {
    let bench = Bench::new();
    let mut reader = Reader::open(&bench);
    let mut log = Log::open(&bench);
    log.file.write_all("no event\n".repeat(30).as_bytes()).expect("written");
    log.write(1, &mut Chance(3));
    log.finish();
    let rejects = bench.dir.join("rejects");
    let path = rejects.to_str().expect("a path of text");
    for _ in 0..2 {
        let status = bench.command(&["--once", "--rejects", path]).status().expect("it ran");
        assert!(status.success(), "{}", bench.log());
    }
    reader.until(1, &bench);
    let text = fs::read_to_string(&rejects).expect("the rejects");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.iter().map(|row| row["line"].as_u64()).collect::<Vec<_>>(), (1..=30).map(Some).collect::<Vec<_>>());
    assert_eq!((&rows[0]["source"], &rows[0]["reason"]), (&"queue_log".into(), &"malformed_json".into()));
    fs::remove_dir_all(&bench.dir).expect("the directory to go");
}

#[test]
fn ship_needs_its_topic() {
    let bench = Bench::new();
    let output = bench.command(&["--once", "--topic", "nowhere"]).stderr(Stdio::piped()).output().expect("it ran");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("topic nowhere does not exist"), "{said}");
    fs::remove_dir_all(&bench.dir).expect("the directory to go");
}

/// A topic and a directory of its own.
struct Bench {
    brokers: String,
    topic: String,
    dir: PathBuf,
}

impl Bench {
    fn new() -> Bench {
        let connection = kafka::shared();
        let topic = unique("shipped");
        let spec = TopicSpec {
            name: topic.clone(),
            partitions: Some(PARTITIONS),
            config: BTreeMap::from([("retention.ms".to_string(), "-1".to_string())]),
        };
        create_missing(&connection, &[spec], 1).expect("the topic");
        let dir = std::env::temp_dir().join(&topic);
        fs::create_dir_all(&dir).expect("a directory");
        let brokers = connection.brokers.clone();
        let settings = format!(
            "[kafka]\nbrokers = \"{brokers}\"\n[[sources]]\ntopic = \"{topic}\"\n[topics]\nstate = \"{topic}.state\"\n"
        );
        fs::write(dir.join("settings.toml"), settings).expect("the settings");
        Bench { brokers, topic, dir }
    }

    fn command(&self, words: &[&str]) -> Command {
        let log = File::options().create(true).append(true).open(self.dir.join("stderr")).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_callpulse"));
        command.args(["ship", "--format", "json"]).args(words).arg(self.dir.join("queue_log"));
        command.arg("--config").arg(self.dir.join("settings.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command
    }

    fn start(&self, words: &[&str]) -> Instance {
        Instance(self.command(words).spawn().expect("it ran"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("stderr")).unwrap_or_default()
    }
}

/// Asks to leave, and waits for it.
fn leave(child: &mut Child) -> (ExitStatus, Duration) {
    let asked = Instant::now();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    (child.wait().expect("a status"), asked.elapsed())
}

/// The file of a source that rotates it by renaming.
struct Log {
    dir: PathBuf,
    file: File,
    half: String,
    written: u64,
    rotations: u32,
}

impl Log {
    fn open(bench: &Bench) -> Log {
        let file = File::create(bench.dir.join("queue_log")).expect("the file");
        Log { dir: bench.dir.clone(), file, half: String::new(), written: 0, rotations: 0 }
    }

    /// Writes so many lines, the last of them perhaps in two parts.
    fn write(&mut self, count: u64, chance: &mut Chance) {
        let mut text = std::mem::take(&mut self.half);
        for _ in 0..count {
            self.written += 1;
            let (seq, call) = (self.written, self.written % CALLS);
            let time = 1_772_438_400_000 + seq;
            text += &format!(r#"{{"type":"call.held","time":{time},"call_id":"c{call}","seq":{seq}}}"#);
            text.push('\n');
        }
        let end = text.len() - chance.below(2) as usize * chance.below(30) as usize;
        self.half = text.split_off(end);
        self.file.write_all(text.as_bytes()).expect("written");
    }

    /// Writes the half line's rest.
    fn finish(&mut self) {
        let rest = std::mem::take(&mut self.half);
        self.file.write_all(rest.as_bytes()).expect("written");
    }

    /// Renames the file, goes on writing to it, and then begins a new one.
    fn rotate(&mut self, chance: &mut Chance) {
        self.rotations += 1;
        let rotated = self.dir.join(format!("queue_log.{}", self.rotations));
        fs::rename(self.dir.join("queue_log"), rotated).expect("renamed");
        self.write(1 + chance.below(5), chance);
        self.finish();
        self.file = File::create(self.dir.join("queue_log")).expect("a new file");
    }
}

/// What is committed to the topic.
struct Reader {
    consumer: BaseConsumer,
    at_end: BTreeSet<i32>,
    seqs: Vec<i64>,
    /// The numbers of each call's events as they came, and where they came.
    calls: BTreeMap<String, (i32, Vec<i64>)>,
}

impl Reader {
    fn open(bench: &Bench) -> Reader {
        let consumer = committed(&bench.brokers, &bench.topic);
        Reader { consumer, at_end: BTreeSet::new(), seqs: Vec::new(), calls: BTreeMap::new() }
    }

    fn read_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.consumer.poll(left) {
                Some(Ok(message)) => {
                    self.at_end.remove(&message.partition());
                    let value: Value = serde_json::from_slice(message.payload().expect("a value")).expect("an event");
                    assert_eq!((&value["source"], &value["type"]), (&"queue_log".into(), &"call.held".into()));
                    let call = value["call_id"].as_str().expect("a call");
                    assert_eq!(message.key(), Some(call.as_bytes()));
                    let seq = value["seq"].as_i64().expect("a number");
                    self.seqs.push(seq);
                    let (partition, seqs) =
                        self.calls.entry(call.to_string()).or_insert_with(|| (message.partition(), Vec::new()));
                    assert_eq!(*partition, message.partition(), "{call} is in two partitions");
                    seqs.push(seq);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.at_end.insert(partition);
                }
                Some(Err(error)) => panic!("cannot read: {error}"),
                None if left.is_zero() => return,
                None => {}
            }
        }
    }

    fn until(&mut self, count: usize, bench: &Bench) {
        let until = Instant::now() + PATIENCE;
        while self.seqs.len() < count {
            assert!(Instant::now() < until, "{} of {count}\n{}", self.seqs.len(), bench.log());
            self.read_for(Duration::from_millis(50));
        }
    }

    /// Reads to the end of every partition as it is seen from now on.
    fn read_out(&mut self) {
        self.read_for(Duration::from_secs(1));
        let until = Instant::now() + PATIENCE;
        while self.at_end.len() < PARTITIONS as usize && Instant::now() < until {
            self.read_for(Duration::from_millis(100));
        }
    }

    fn has_each_once(&mut self, written: u64) {
        self.seqs.sort_unstable();
        assert_eq!(self.seqs, (1..=written as i64).collect::<Vec<_>>());
        for (call, (_, seqs)) in &self.calls {
            assert!(seqs.is_sorted(), "{call}: {seqs:?}");
        }
    }
}

/// A sequence that looks like chance, and is the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
