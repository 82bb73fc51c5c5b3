//! A deployment of real processes over the tests' Kafka, and who reads what they publish.

use crate::kafka::unique;
use callpulse::decode::json;
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::SimSettings;
use callpulse::stream::client::Connection;
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
use std::time::Duration;

pub const PARTITIONS: i32 = 4;
/// How long the engine may take to work off what it was given.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// The names of instances, of which a test starts those it needs.
pub const INSTANCES: [&str; 3] = ["a", "b", "c"];

/// One deployment: its own topics, several instances.
pub struct Deployment {
    pub brokers: String,
    prefix: String,
    zone: &'static str,
    pub dir: PathBuf,
}

/// A running instance, killed when dropped.
pub struct Instance(pub Child);

/// An event to send: the record's key, its timestamp and its value.
pub struct Written {
    pub key: String,
    pub at: i64,
    pub value: String,
}

/// The events of a simulated centre, also as a file for a replay.
pub fn write_events(settings: SimSettings, file: &Path) -> Vec<Written> {
    let written = |(at, event): (callpulse::time::EventTime, callpulse::event::Event<'_>)| Written {
        key: event.call_id.as_deref().unwrap_or("agents").to_string(),
        at: at.0,
        value: json::encode(&event),
    };
    let events: Vec<Written> = Centre::new(settings).map(written).collect();
    let lines: Vec<&str> = events.iter().map(|event| event.value.as_str()).collect();
    fs::write(file, lines.join("\n")).expect("the events");
    events
}

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
        let deployment = Deployment { brokers: connection.brokers.clone(), prefix, zone, dir };
        for instance in INSTANCES {
            fs::write(deployment.config(instance), deployment.settings(instance)).expect("the settings");
        }
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

    fn config(&self, instance: &str) -> PathBuf {
        self.dir.join(format!("{instance}.toml"))
    }

    fn settings(&self, instance: &str) -> String {
        let Deployment { brokers, prefix, zone, .. } = self;
        format!(
            "[kafka]\nbrokers = \"{brokers}\"\n[[sources]]\ntopic = \"{prefix}acd.events\"\n\
             [topics]\npartitions = {PARTITIONS}\npartials = \"{prefix}partials\"\nstate = \"{prefix}state\"\n\
             kpis = \"{prefix}kpis\"\nintervals = \"{prefix}intervals\"\nrejects = \"{prefix}rejects\"\n\
             calls = \"{prefix}calls\"\n[engine]\ninstance = \"{instance}\"\n\
             [windows]\ntimezone = \"{zone}\"\nintervals = [\"15m\", \"1h\", \"1d\", \"1w\", \"1mo\"]\n\
             [serve]\nlisten = \"127.0.0.1:0\"\n"
        )
    }

    pub fn callpulse(&self, instance: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callpulse"));
        command.args(words).arg("--config").arg(self.config(instance)).stdin(Stdio::null());
        command
    }

    pub fn start(&self, instance: &str) -> Instance {
        self.start_with(instance, &[])
    }

    pub fn start_with(&self, instance: &str, words: &[&str]) -> Instance {
        let log = fs::File::options().create(true).append(true).open(self.dir.join(format!("{instance}.log")));
        let mut command = self.callpulse(instance, &[&["run"], words].concat());
        Instance(command.stderr(log.expect("a log")).stdout(Stdio::null()).spawn().expect("an instance"))
    }

    pub fn log(&self) -> String {
        let read = |instance| fs::read_to_string(self.dir.join(format!("{instance}.log"))).unwrap_or_default();
        INSTANCES.map(|instance| format!("{instance}:\n{}", read(instance))).join("\n")
    }

    /// What a replay of the events says, by entity, window and start.
    pub fn replay(&self, events: &Path, as_of: Option<&str>) -> HashMap<Key, Value> {
        let mut command = self.callpulse("a", &["replay", "--format", "json", "--output", "json"]);
        let output = command.args(as_of.map(|at| ["--as-of", at]).into_iter().flatten()).arg(events).output();
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

/// Everything committed to a topic, oldest first within a key.
pub struct Reader {
    consumer: BaseConsumer,
    at_end: Vec<bool>,
    pub records: Vec<(String, Option<String>)>,
}

impl Reader {
    pub fn open(brokers: &str, topic: &str) -> Reader {
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
    pub fn read_out(&mut self) {
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
    pub fn last(&self) -> HashMap<&str, Value> {
        let mut last = HashMap::new();
        for (key, value) in self.records.iter().filter(|(key, _)| !key.starts_with("progress|")) {
            match value {
                Some(value) => last.insert(key.as_str(), serde_json::from_str(value).expect("a record")),
                None => last.remove(key.as_str()),
            };
        }
        last
    }
}
