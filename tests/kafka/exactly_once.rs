//! The promise, end to end: real processes over a real Kafka, killed on the way, end in the same numbers
//! as a replay of the same events.
//!
//! Two instances share four partitions; one is killed (-9) three times. Whoever reads committed records
//! then sees, for every interval, what `replay` says, bit for bit; for every other key what `replay` says
//! as of that record; and never two contents under one version.

use crate::support::kafka;
use callpulse::decode::json;
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::SimSettings;
use callpulse::stream::feed::Feed;
use callpulse::stream::topics::{TopicSpec, create_missing};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 4;
/// How long the engine may take to work off what it was given.
const PATIENCE: Duration = Duration::from_secs(240);

/// One deployment: its own topics, two instances.
struct Deployment {
    brokers: String,
    prefix: String,
    dir: PathBuf,
}

/// A running instance, killed when dropped.
struct Instance(Child);

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Deployment {
    fn new() -> Deployment {
        let connection = kafka::shared();
        let prefix = format!("{}.", kafka::unique("once"));
        let dir = std::env::temp_dir().join(&prefix);
        fs::create_dir_all(&dir).expect("a directory");
        let deployment = Deployment { brokers: connection.brokers.clone(), prefix, dir };
        for instance in ["a", "b"] {
            fs::write(deployment.config(instance), deployment.settings(instance)).expect("the settings");
        }
        // History: each record's timestamp is its event's time, and nothing of it expires.
        let events = TopicSpec {
            name: deployment.topic("acd.events"),
            partitions: Some(PARTITIONS),
            config: BTreeMap::from([("retention.ms".to_string(), "-1".to_string())]),
        };
        create_missing(&connection, &[events], 1).expect("the topic of events");
        let made = deployment.callpulse("a", &["topics", "--create"]).output().expect("topics");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        deployment
    }

    fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn config(&self, instance: &str) -> PathBuf {
        self.dir.join(format!("{instance}.toml"))
    }

    fn settings(&self, instance: &str) -> String {
        let Deployment { brokers, prefix, .. } = self;
        format!(
            "[kafka]\nbrokers = \"{brokers}\"\n[[sources]]\ntopic = \"{prefix}acd.events\"\n\
             [topics]\npartitions = {PARTITIONS}\npartials = \"{prefix}partials\"\nstate = \"{prefix}state\"\n\
             kpis = \"{prefix}kpis\"\nintervals = \"{prefix}intervals\"\nrejects = \"{prefix}rejects\"\n\
             calls = \"{prefix}calls\"\n[engine]\ninstance = \"{instance}\"\n\
             [windows]\ntimezone = \"Europe/Budapest\"\nintervals = [\"15m\", \"1h\", \"1d\", \"1w\", \"1mo\"]\n\
             [serve]\nlisten = \"127.0.0.1:0\"\n"
        )
    }

    fn callpulse(&self, instance: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callpulse"));
        command.args(words).arg("--config").arg(self.config(instance)).stdin(Stdio::null());
        command
    }

    fn start(&self, instance: &str) -> Instance {
        let log = fs::File::options().create(true).append(true).open(self.dir.join(format!("{instance}.log")));
        let mut command = self.callpulse(instance, &["run"]);
        Instance(command.stderr(log.expect("a log")).stdout(Stdio::null()).spawn().expect("an instance"))
    }

    fn log(&self) -> String {
        let read = |instance| fs::read_to_string(self.dir.join(format!("{instance}.log"))).unwrap_or_default();
        format!("a:\n{}\nb:\n{}", read("a"), read("b"))
    }

    /// What a replay of the events says, by entity, window and start.
    fn replay(&self, events: &Path, as_of: Option<&str>) -> HashMap<Key, Value> {
        let mut command = self.callpulse("a", &["replay", "--format", "json", "--output", "json"]);
        let output = command.args(as_of.map(|at| ["--as-of", at]).into_iter().flatten()).arg(events).output();
        let output = output.expect("a replay");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).expect("text");
        lines.lines().map(|line| serde_json::from_str(line).expect("a record")).map(|one| (key(&one), one)).collect()
    }
}

type Key = (String, String, String, String, String);

fn key(record: &Value) -> Key {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let (entity, window) = (&record["entity"], &record["window"]);
    (text(&record["tenant"]), text(&entity["kind"]), text(&entity["id"]), text(&window["name"]), text(&window["start"]))
}

/// A record without what only publishing gives it.
fn content(record: &Value) -> Value {
    let mut record = record.clone();
    let fields = record.as_object_mut().expect("an object");
    for name in ["version", "as_of", "final", "corrected", "counters"] {
        fields.remove(name);
    }
    record
}

/// Whether an interval holds nothing, which a replay does not show: what was in it was taken back.
fn is_empty(record: &Value) -> bool {
    let counts = record["counts"].as_object().expect("counts");
    counts.values().all(|count| count == 0 || count.as_object().is_some_and(serde_json::Map::is_empty))
}

/// Everything committed to a topic, oldest first within a key.
struct Reader {
    consumer: BaseConsumer,
    at_end: Vec<bool>,
    records: Vec<(String, Option<String>)>,
}

impl Reader {
    fn open(brokers: &str, topic: &str) -> Reader {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", "reader").set("enable.partition.eof", "true");
        config.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().expect("a reader");
        let mut places = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            places.add_partition_offset(topic, partition, Offset::Beginning).expect("a place");
        }
        consumer.assign(&places).expect("an assignment");
        Reader { consumer, at_end: vec![false; PARTITIONS as usize], records: Vec::new() }
    }

    /// Reads to the present end.
    fn read_out(&mut self) {
        self.at_end.fill(false);
        while !self.at_end.iter().all(|at_end| *at_end) {
            match self.consumer.poll(Duration::from_secs(5)) {
                Some(Ok(message)) => {
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
                    self.at_end[message.partition() as usize] = false;
                    let key = text(message.key().expect("a key"));
                    self.records.push((key, message.payload().map(text)));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => self.at_end[partition as usize] = true,
                Some(Err(error)) => panic!("cannot read: {error}"),
                // A quiet partition has told its end before.
                None => return,
            }
        }
    }

    /// The last record of each key; tombstones and progress left out.
    fn last(&self) -> HashMap<&str, Value> {
        let mut last = HashMap::new();
        for (key, value) in self.records.iter().filter(|(key, _)| !key.starts_with("progress|")) {
            match value {
                Some(value) => last.insert(key.as_str(), serde_json::from_str(value).expect("a record")),
                None => last.remove(key.as_str()),
            };
        }
        last
    }

    /// Versions never go back within a key, and one version has one content.
    fn check_versions(&self) {
        let mut newest: HashMap<&str, (u64, &str)> = HashMap::new();
        for (key, value) in self.records.iter().filter(|(key, _)| !key.starts_with("progress|")) {
            let Some(value) = value else { continue };
            let record: Value = serde_json::from_str(value).expect("a record");
            let version = record["version"].as_u64().expect("a version");
            if let Some((before, content)) = newest.get(key.as_str()) {
                assert!(*before <= version, "{key} went back from {before} to {version}");
                assert!(*before != version || content == value, "{key} has two contents under {version}");
            }
            newest.insert(key, (version, value));
        }
    }
}

#[test]
fn two_instances_one_killed_three_times_end_in_the_numbers_of_a_replay() {
    let deployment = Deployment::new();
    let centre = Centre::new(SimSettings { seed: 7, calls: 3_000, keeps_books: false, ..SimSettings::default() });
    let events: Vec<(String, i64, String)> = centre
        .map(|(at, event)| {
            let call = event.call_id.as_deref().unwrap_or("agents").to_string();
            (call, at.0, json::encode(&event))
        })
        .collect();
    let file = deployment.dir.join("events.jsonl");
    let lines: Vec<&str> = events.iter().map(|(_, _, line)| line.as_str()).collect();
    fs::write(&file, lines.join("\n")).expect("the events");

    let connection = kafka::shared();
    let feed = Feed::open(&connection, &deployment.topic("acd.events")).expect("a producer");
    let mut board = Reader::open(&deployment.brokers, &deployment.topic("kpis"));
    let _a = deployment.start("a");
    let mut b = deployment.start("b");
    for (part, chunk) in events.chunks(events.len().div_ceil(4)).enumerate() {
        for (call, at, line) in chunk {
            feed.send(call, line, *at).expect("written");
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

    let expected = deployment.replay(&file, None);
    let arrived = |record: &Value| record["counts"]["handled"].as_i64();
    let total: Key = ["default", "tenant", "default", "total", ""].map(String::from).into();
    let until = Instant::now() + PATIENCE;
    let mut intervals = Reader::open(&deployment.brokers, &deployment.topic("intervals"));
    let ended = || expected.keys().filter(|key| key.3.starts_with("per_")).count();
    loop {
        board.read_out();
        intervals.read_out();
        let newest = board.last();
        let now = newest.get("default|tenant|default|total").and_then(arrived);
        // What is published every 15 s only may trail.
        let totals = newest.values().filter(|one| one["window"]["name"] == "total");
        let trailing = totals.filter(|one| expected[&key(one)]["counts"] != one["counts"]).count();
        let last = intervals.last();
        let differs = |one: &&Value| match expected.get(&key(one)) {
            Some(wanted) => content(wanted) != content(one),
            None => !is_empty(one),
        };
        let differing: Vec<&Value> = last.values().filter(differs).collect();
        if now == arrived(&expected[&total]) && trailing == 0 && differing.is_empty() && ended() <= last.len() {
            break;
        }
        assert!(
            Instant::now() < until,
            "not drained: handled {now:?} of {:?}, {trailing} totals trail, {} of {} intervals, {} differ, such as {:?}\n{}",
            arrived(&expected[&total]),
            last.len(),
            ended(),
            differing.len(),
            differing.first(),
            deployment.log()
        );
    }

    board.check_versions();
    intervals.check_versions();
    let archived = intervals.last();
    for (key, record) in expected.iter().filter(|(key, _)| key.3.starts_with("per_")) {
        let found = archived.values().find(|one| self::key(one) == *key);
        assert_eq!(found.map(content), Some(content(record)), "{key:?}");
    }
    let mut by_time: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in board.last().into_values() {
        by_time.entry(record["as_of"].as_str().expect("a time").to_string()).or_default().push(record);
    }
    for (as_of, records) in by_time.into_iter().rev().take(3) {
        let expected = deployment.replay(&file, Some(&as_of));
        for record in records {
            // A replay shows intervals with facts only.
            let Some(wanted) = expected.get(&key(&record)) else {
                assert!(record["window"]["kind"] == "interval" && is_empty(&record), "{record}");
                continue;
            };
            assert_eq!(content(&record), content(wanted), "as of {as_of}");
        }
    }
    drop(b);
    fs::remove_dir_all(&deployment.dir).expect("the directory to go");
}
