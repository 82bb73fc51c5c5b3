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
        let enough = reader.count() + [0, 1, 500][round % 3];
        let until = Instant::now() + PATIENCE;
        let mut spare = Duration::from_millis(chance.below(700));
        while reader.count() < enough || !spare.is_zero() {
            assert!(Instant::now() < until, "{} of {} lines\n{}", reader.count(), log.written, bench.log());
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
    while reader.count() < log.written as usize {
        assert!(Instant::now() < until, "{} of {} lines\n{}", reader.count(), log.written, bench.log());
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

/// Rows as Asterisk writes them, many and some of them equal within one second, as one log of many files: what is
/// shipped of it is what the files hold, and comes to the same KPIs.
#[test]
fn a_queue_log_killed_and_rotated_comes_to_what_its_files_do() {
    let bench = Bench::of("queue_log");
    let mut log = Log::open(&bench);
    log.rows = true;
    let mut chance = Chance(11);
    let mut child = bench.start(&[]);
    log.write(40, &mut chance);
    log.finish();
    let mut reader = Values::open(&bench);
    reader.until(1, &bench);
    for round in 0..6 {
        let until = reader.values.len() + [0, 1, 300][round % 3];
        let end = Instant::now() + PATIENCE;
        while reader.values.len() < until {
            assert!(Instant::now() < end, "{} values\n{}", reader.values.len(), bench.log());
            log.write(1 + chance.below(40), &mut chance);
            if chance.below(6) == 0 {
                log.rotate(&mut chance);
            }
            reader.read_for(Duration::from_millis(chance.below(30)));
        }
        drop(child);
        // Forty lines to a file, and the next one, while nobody follows.
        log.rotate(&mut chance);
        log.write(40, &mut chance);
        log.finish();
        log.rotate(&mut chance);
        child = bench.start(&[]);
    }
    log.finish();
    let files: Vec<PathBuf> = log.files();
    let of_files = bench.tell("decode", "queue_log", &files, &[]);
    let expected = sourceless(of_files.lines());
    reader.until(expected.len(), &bench);
    assert!(leave(&mut child.0).0.success(), "{}", bench.log());
    reader.read_out();
    assert_eq!(sourceless(reader.values.iter().map(String::as_str)), expected);
    let shipped = bench.dir.join("shipped");
    fs::write(&shipped, reader.values.join("\n")).expect("written");
    let output = ["--output", "json"];
    let of_shipped = bench.tell("replay", "json", &[shipped], &output);
    let of_files = bench.tell("replay", "queue_log", &files, &output);
    println!("compared: {} events of {} files, {} records", expected.len(), files.len(), of_files.lines().count());
    assert!(1 < of_files.lines().count() && of_shipped == of_files, "{of_shipped}\n{of_files}");
    fs::remove_dir_all(&bench.dir).expect("the directory to go");
}

/// Events without who says so, sorted.
fn sourceless<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<String> {
    let mut events: Vec<String> = lines
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).expect("an event");
            event.as_object_mut().expect("an object").remove("source");
            event.to_string()
        })
        .collect();
    events.sort();
    events
}

/// A topic and a directory of its own.
struct Bench {
    brokers: String,
    topic: String,
    dir: PathBuf,
    /// Of the file that is shipped.
    format: &'static str,
}

impl Bench {
    fn new() -> Bench {
        Bench::of("json")
    }

    fn of(format: &'static str) -> Bench {
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
        Bench { brokers, topic, dir, format }
    }

    /// What another command says of files.
    fn tell(&self, command: &str, format: &str, files: &[PathBuf], words: &[&str]) -> String {
        let mut command_line = Command::new(env!("CARGO_BIN_EXE_callpulse"));
        command_line.args([command, "--format", format]).args(words).args(files);
        command_line.arg("--config").arg(self.dir.join("settings.toml"));
        let output = command_line.stdin(Stdio::null()).output().expect("it ran");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn command(&self, words: &[&str]) -> Command {
        let log = File::options().create(true).append(true).open(self.dir.join("stderr")).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_callpulse"));
        command.args(["ship", "--format", self.format]).args(words).arg(self.dir.join("queue_log"));
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
    /// Rows of a queue log, and no events.
    rows: bool,
}

impl Log {
    fn open(bench: &Bench) -> Log {
        let file = File::create(bench.dir.join("queue_log")).expect("the file");
        Log { dir: bench.dir.clone(), file, half: String::new(), written: 0, rotations: 0, rows: false }
    }

    /// All files, in whatever order.
    fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.dir).expect("a directory").map(|entry| entry.expect("an entry").path());
        files
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("queue_log")))
            .collect()
    }

    /// One of the rows of calls that each go round in a queue within one second and are answered in the next.
    fn row(&self) -> String {
        let (call, step) = (self.written / 8, self.written % 8);
        let queue = ["sales", "care"][call as usize % 2];
        let (second, row) = [
            (0, "NONE|ENTERQUEUE||101|1"),
            (0, "ana|RINGNOANSWER|0"),
            (0, "ana|RINGNOANSWER|0"),
            (0, "NONE|EXITEMPTY|1|1|0"),
            (0, "NONE|ENTERQUEUE||101|1"),
            (1, "ana|CONNECT|1|x|1"),
            (1, "ana|COMPLETECALLER|1|0|1"),
            (1, "ben|PAUSE|lunch"),
        ][step as usize];
        format!("{}|c.{call}|{queue}|{row}", 1_772_438_400 + call * 3 / 2 + second)
    }

    /// Writes so many lines, the last of them perhaps in two parts.
    fn write(&mut self, count: u64, chance: &mut Chance) {
        let mut text = std::mem::take(&mut self.half);
        for _ in 0..count {
            self.written += 1;
            let (seq, call) = (self.written, self.written % CALLS);
            let time = 1_772_438_400_000 + seq;
            text += &match self.rows {
                true => self.row(),
                false => format!(r#"{{"type":"call.held","time":{time},"call_id":"c{call}","seq":{seq}}}"#),
            };
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
        let rotated = self.dir.join(match self.rows {
            // `replay` takes short numbers for ages, and these count up.
            true => format!("queue_log-{:08}", self.rotations),
            false => format!("queue_log.{}", self.rotations),
        });
        fs::rename(self.dir.join("queue_log"), rotated).expect("renamed");
        self.write(1 + chance.below(5), chance);
        self.finish();
        self.file = File::create(self.dir.join("queue_log")).expect("a new file");
    }
}

/// What is done with each record: partition, key and value.
type Take<'t> = dyn FnMut(i32, Option<&[u8]>, &[u8]) + 't;

/// What is committed to the topic.
struct Committed {
    consumer: BaseConsumer,
    at_end: BTreeSet<i32>,
}

impl Committed {
    fn open(bench: &Bench) -> Committed {
        Committed { consumer: committed(&bench.brokers, &bench.topic), at_end: BTreeSet::new() }
    }

    /// Gives what comes within some time.
    fn read_for(&mut self, time: Duration, each: &mut Take<'_>) {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.consumer.poll(left) {
                Some(Ok(message)) => {
                    self.at_end.remove(&message.partition());
                    each(message.partition(), message.key(), message.payload().expect("a value"));
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

    /// Reads to the end of every partition as it is seen from now on.
    fn read_out(&mut self, each: &mut Take<'_>) {
        self.read_for(Duration::from_secs(1), each);
        let until = Instant::now() + PATIENCE;
        while self.at_end.len() < PARTITIONS as usize && Instant::now() < until {
            self.read_for(Duration::from_millis(100), each);
        }
    }
}

/// The values as they are.
struct Values {
    committed: Committed,
    values: Vec<String>,
}

impl Values {
    fn open(bench: &Bench) -> Values {
        Values { committed: Committed::open(bench), values: Vec::new() }
    }

    fn read_for(&mut self, time: Duration) {
        let Values { committed, values } = self;
        committed.read_for(time, &mut |_, _, value| values.push(text(value)));
    }

    fn until(&mut self, count: usize, bench: &Bench) {
        let until = Instant::now() + PATIENCE;
        while self.values.len() < count {
            assert!(Instant::now() < until, "{} of {count}\n{}", self.values.len(), bench.log());
            self.read_for(Duration::from_millis(50));
        }
    }

    fn read_out(&mut self) {
        let Values { committed, values } = self;
        committed.read_out(&mut |_, _, value| values.push(text(value)));
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8(value.to_vec()).expect("text")
}

/// The numbers of lines that are events by themselves.
struct Reader {
    committed: Committed,
    told: Told,
}

#[derive(Default)]
struct Told {
    seqs: Vec<i64>,
    /// The numbers of each call's events as they came, and where they came.
    calls: BTreeMap<String, (i32, Vec<i64>)>,
}

impl Told {
    fn take(&mut self, partition: i32, key: Option<&[u8]>, value: &[u8]) {
        let value: Value = serde_json::from_slice(value).expect("an event");
        assert_eq!((&value["source"], &value["type"]), (&"queue_log".into(), &"call.held".into()));
        let call = value["call_id"].as_str().expect("a call");
        assert_eq!(key, Some(call.as_bytes()));
        let seq = value["seq"].as_i64().expect("a number");
        self.seqs.push(seq);
        let (first, seqs) = self.calls.entry(call.to_string()).or_insert_with(|| (partition, Vec::new()));
        assert_eq!(*first, partition, "{call} is in two partitions");
        seqs.push(seq);
    }
}

impl Reader {
    fn open(bench: &Bench) -> Reader {
        Reader { committed: Committed::open(bench), told: Told::default() }
    }

    fn count(&self) -> usize {
        self.told.seqs.len()
    }

    fn read_for(&mut self, time: Duration) {
        let Reader { committed, told } = self;
        committed.read_for(time, &mut |partition, key, value| told.take(partition, key, value));
    }

    fn until(&mut self, count: usize, bench: &Bench) {
        let until = Instant::now() + PATIENCE;
        while self.count() < count {
            assert!(Instant::now() < until, "{} of {count}\n{}", self.count(), bench.log());
            self.read_for(Duration::from_millis(50));
        }
    }

    fn read_out(&mut self) {
        let Reader { committed, told } = self;
        committed.read_out(&mut |partition, key, value| told.take(partition, key, value));
    }

    fn has_each_once(&mut self, written: u64) {
        let Told { seqs, calls } = &mut self.told;
        seqs.sort_unstable();
        assert_eq!(*seqs, (1..=written as i64).collect::<Vec<_>>());
        for (call, (_, seqs)) in calls {
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
