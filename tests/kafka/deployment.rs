//! A deployment of real processes over the tests' Kafka, and who reads what they publish.

use crate::kafka::unique;
use callpulse::stream::client::Connection;
use callpulse::stream::topics::{TopicSpec, create_missing};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const PARTITIONS: i32 = 4;
/// How long the engine may take to work off what it was given.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Of counts that only grow, so that what fires at the end is known; and one that comes and goes.
const RULES: &str = r#"
[[alerts]]
name = "answers"
kpi = "calls_answered"
window = "total"
# Above, though more answers are better.
trigger = 20.5
clear = 20
[[alerts]]
name = "tenant abandons"
of = { kind = "tenant" }
kpi = "calls_abandoned"
window = "total"
trigger = 5
[[alerts]]
name = "waits"
kpi = "waiting"
window = "now"
trigger = 0
keep_firing_for = "0s"
"#;

/// The names of instances, of which a test starts those it needs.
pub const INSTANCES: [&str; 3] = ["a", "b", "c"];

/// One deployment: its own topics, several instances.
#[derive(Clone)]
pub struct Deployment {
    /// Where the tests themselves find the broker.
    pub brokers: String,
    /// What is run.
    pub program: PathBuf,
    prefix: String,
    zone: &'static str,
    /// The lengths of its intervals, as TOML.
    pub intervals: &'static str,
    /// What is loaded into instances before anything else.
    preload: Option<PathBuf>,
    pub dir: PathBuf,
}

/// A running instance, killed when dropped.
pub struct Instance(pub Child);

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Deployment {
    pub fn on(connection: &Connection) -> Deployment {
        Deployment::in_zone(connection, "Europe/Budapest")
    }

    /// One whose days are those of a time zone.
    pub fn in_zone(connection: &Connection, zone: &'static str) -> Deployment {
        let prefix = format!("{}.", unique("deployment"));
        let dir = std::env::temp_dir().join(&prefix);
        fs::create_dir_all(&dir).expect("a directory");
        let program = PathBuf::from(env!("CARGO_BIN_EXE_callpulse"));
        let intervals = "\"15m\", \"1h\", \"1d\", \"1w\", \"1mo\"";
        let deployment =
            Deployment { brokers: connection.brokers.clone(), program, prefix, zone, intervals, preload: None, dir };
        deployment.write_settings(&deployment.brokers);
        // History: each record's timestamp is its event's time, and nothing of it expires.
        let events = TopicSpec {
            name: deployment.topic("acd.events"),
            partitions: Some(PARTITIONS),
            config: BTreeMap::from([("retention.ms".to_string(), "-1".to_string())]),
        };
        create_missing(connection, &[events], 1).expect("the topic of events");
        let made = deployment.callpulse("a", &["topics", "--create"]).output().expect("topics");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        deployment
    }

    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// From now on instances find the broker on another port, and have a library loaded that makes their clock
    /// jump as the file of [`Deployment::clock`] says.
    pub fn go_through(&mut self, port: u16, preload: Option<&Path>) {
        self.write_settings(&format!("127.0.0.1:{port}"));
        self.preload = preload.map(Path::to_path_buf);
    }

    /// The file that says by how many seconds the clock of an instance is ahead.
    pub fn clock(&self, instance: &str) -> PathBuf {
        self.dir.join(format!("{instance}.clock"))
    }

    fn write_settings(&self, brokers: &str) {
        for instance in INSTANCES {
            fs::write(self.config(instance), self.settings(instance, brokers)).expect("the settings");
        }
    }

    fn config(&self, instance: &str) -> PathBuf {
        self.dir.join(format!("{instance}.toml"))
    }

    pub fn settings(&self, instance: &str, brokers: &str) -> String {
        let Deployment { prefix, zone, intervals, .. } = self;
        format!(
            "[kafka]\nbrokers = \"{brokers}\"\n[[sources]]\ntopic = \"{prefix}acd.events\"\n\
             [topics]\npartitions = {PARTITIONS}\npartials = \"{prefix}partials\"\nsubjects = \"{prefix}subjects\"\nstate = \"{prefix}state\"\n\
             kpis = \"{prefix}kpis\"\nintervals = \"{prefix}intervals\"\nrejects = \"{prefix}rejects\"\n\
             calls = \"{prefix}calls\"\nalerts = \"{prefix}alerts\"\n[engine]\ninstance = \"{instance}\"\n\
             [windows]\ntimezone = \"{zone}\"\nintervals = [{intervals}]\n\
             [serve]\nlisten = \"127.0.0.1:0\"\n{RULES}"
        )
    }

    pub fn callpulse(&self, instance: &str, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).arg("--config").arg(self.config(instance)).stdin(Stdio::null());
        command
    }

    pub fn start(&self, instance: &str) -> Instance {
        self.start_with(instance, &[])
    }

    pub fn start_with(&self, instance: &str, words: &[&str]) -> Instance {
        let log = fs::File::options().create(true).append(true).open(self.dir.join(format!("{instance}.log")));
        let mut command = self.callpulse(instance, &[&["run"], words].concat());
        if let Some(library) = &self.preload {
            command.env("LD_PRELOAD", library).env("CHAOS_CLOCK", self.clock(instance));
        }
        Instance(command.stderr(log.expect("a log")).stdout(Stdio::null()).spawn().expect("an instance"))
    }

    pub fn log(&self) -> String {
        let read = |instance| fs::read_to_string(self.dir.join(format!("{instance}.log"))).unwrap_or_default();
        INSTANCES.map(|instance| format!("{instance}:\n{}", read(instance))).join("\n")
    }

    /// The events that are sent, one a line.
    pub fn events(&self) -> PathBuf {
        self.dir.join("events.jsonl")
    }

    /// What a replay of the events says, by entity, window and start.
    pub fn replay(&self, as_of: Option<&str>) -> HashMap<Key, Value> {
        let mut command = self.callpulse("a", &["replay", "--format", "json", "--output", "json"]);
        let output = command.args(as_of.map(|at| ["--as-of", at]).into_iter().flatten()).arg(self.events()).output();
        let output = output.expect("a replay");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).expect("text");
        lines.lines().map(|line| serde_json::from_str(line).expect("a record")).map(|one| (key(&one), one)).collect()
    }
}

pub type Key = (String, String, String, String, String);

pub fn key(record: &Value) -> Key {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let (entity, window) = (&record["entity"], &record["window"]);
    (text(&record["tenant"]), text(&entity["kind"]), text(&entity["id"]), text(&window["name"]), text(&window["start"]))
}

/// Everything committed to a topic of four partitions, as it comes: the newest record of each key. No version goes
/// back, and none has two contents.
pub struct Reader {
    consumer: BaseConsumer,
    at_end: Vec<bool>,
    newest: HashMap<String, Newest>,
    /// Records seen, progress left out.
    pub seen: usize,
    /// The newest record `progress|N` of each partition, and when it came.
    pub progress: BTreeMap<String, (String, Instant)>,
    /// The longest that a partition was without an advance of `as_of`, in this reader's time.
    pub longest_pause: Duration,
}

struct Newest {
    version: u64,
    /// None after a tombstone.
    value: Option<String>,
}

/// A consumer of what is committed to a topic of four partitions, from its beginning; it tells the end of each.
pub fn committed(brokers: &str, topic: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "reader").set("enable.partition.eof", "true");
    config.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().expect("a reader");
    let mut places = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        places.add_partition_offset(topic, partition, Offset::Beginning).expect("a place");
    }
    consumer.assign(&places).expect("an assignment");
    consumer
}

impl Reader {
    pub fn open(brokers: &str, topic: &str) -> Reader {
        Reader {
            consumer: committed(brokers, topic),
            at_end: vec![false; PARTITIONS as usize],
            newest: HashMap::new(),
            seen: 0,
            progress: BTreeMap::new(),
            longest_pause: Duration::ZERO,
        }
    }

    /// Reads what is there: at first to the end of every partition, later until nothing comes for a moment, and
    /// no longer than some seconds where something always comes.
    pub fn read_out(&mut self) {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let was_at_end = self.at_end.iter().all(|at_end| *at_end);
            if was_at_end && until < Instant::now() {
                return;
            }
            let patience = if was_at_end { Duration::from_millis(150) } else { Duration::from_secs(5) };
            match self.consumer.poll(patience) {
                Some(Ok(message)) => {
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
                    let (key, value) = (text(message.key().expect("a key")), message.payload().map(text));
                    match key.starts_with("progress|") {
                        true => self.advance(key, value.as_deref().expect("a progress record")),
                        false => self.take(key, value),
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => self.at_end[partition as usize] = true,
                Some(Err(KafkaError::MessageConsumption(code))) if is_passing(code) => {}
                Some(Err(error)) => panic!("cannot read: {error}"),
                None => return,
            }
        }
    }

    fn take(&mut self, key: String, value: Option<String>) {
        self.seen += 1;
        let Some(value) = value else {
            if let Some(newest) = self.newest.get_mut(&key) {
                newest.value = None;
            }
            return;
        };
        let version = version(&value);
        if let Some(before) = self.newest.get(&key) {
            assert!(before.version <= version, "{key} went back from {} to {version}", before.version);
            let is_same = before.version != version || before.value.as_ref().is_none_or(|before| *before == value);
            assert!(is_same, "{key} has two contents under {version}:\n{:?}\n{value}", before.value);
        }
        self.newest.insert(key, Newest { version, value: Some(value) });
    }

    fn advance(&mut self, key: String, value: &str) {
        let record: Value = serde_json::from_str(value).expect("a progress record");
        let as_of = record["as_of"].as_str().expect("a time").to_string();
        let now = Instant::now();
        match self.progress.get_mut(&key) {
            Some((before, _)) if as_of <= *before => {}
            Some(before) => {
                self.longest_pause = self.longest_pause.max(now - before.1);
                *before = (as_of, now);
            }
            None => {
                self.progress.insert(key, (as_of, now));
            }
        }
    }

    /// The last record of each key; tombstones and progress left out.
    pub fn last(&self) -> HashMap<&str, Value> {
        let values = self.newest.iter().filter_map(|(key, newest)| Some((key.as_str(), newest.value.as_deref()?)));
        values.map(|(key, value)| (key, serde_json::from_str(value).expect("a record"))).collect()
    }
}

/// The version of a record, which stands in it but once: within its texts quotes are escaped.
fn version(value: &str) -> u64 {
    let (_, from) = value.split_once("\"version\":").unwrap_or_else(|| panic!("no version in {value}"));
    let digits = from.bytes().take_while(u8::is_ascii_digit).count();
    from[..digits].parse().expect("a number")
}

/// What a client sees while its broker is away.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, NotLeaderForPartition, OperationTimedOut, Resolve};
    matches!(code, AllBrokersDown | BrokerTransportFailure | NotLeaderForPartition | OperationTimedOut | Resolve)
        || code == RDKafkaErrorCode::LeaderNotAvailable
        || code == RDKafkaErrorCode::RequestTimedOut
}
