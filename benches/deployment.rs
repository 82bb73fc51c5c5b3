//! A deployment: topics of its own on the shared broker, and a running instance.

use crate::kafka;
use callpulse::stream::topics::{TopicSpec, create_missing};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

pub const PARTITIONS: i32 = 4;

/// History: each record's timestamp is its event's time, and nothing of it expires.
pub fn create_events(topic: &str) {
    let config = BTreeMap::from([("retention.ms".to_string(), "-1".to_string())]);
    let spec = TopicSpec { name: topic.to_string(), partitions: Some(PARTITIONS), config };
    create_missing(&kafka::shared(), &[spec], 1).expect("the topic of events");
}

/// A reader of committed records, of every partition.
pub fn reader(brokers: &str, topic: &str, from: Offset) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "bench").set("enable.partition.eof", "true");
    config.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
    config.set("fetch.wait.max.ms", "10").set("fetch.queue.backoff.ms", "5");
    let consumer: BaseConsumer = config.create().expect("a reader");
    let mut places = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        places.add_partition_offset(topic, partition, from).expect("a place");
    }
    consumer.assign(&places).expect("an assignment");
    consumer
}

/// A running instance with topics of its own, killed when dropped.
pub struct Instance {
    pub process: Child,
    /// The beginning of the names of its topics and groups.
    pub prefix: String,
    pub dir: PathBuf,
}

impl Instance {
    pub fn start(brokers: &str, events: &str, engine: &str) -> Instance {
        let prefix = kafka::unique("bench") + ".";
        let dir = std::env::temp_dir().join(format!("callpulse-{prefix}"));
        fs::create_dir_all(&dir).expect("a directory");
        let settings = format!(
            "[kafka]\nbrokers = \"{brokers}\"\n[[sources]]\ntopic = \"{events}\"\n\
             [topics]\npartitions = {PARTITIONS}\npartials = \"{prefix}partials\"\nsubjects = \"{prefix}subjects\"\nstate = \"{prefix}state\"\n\
             kpis = \"{prefix}kpis\"\nintervals = \"{prefix}intervals\"\nrejects = \"{prefix}rejects\"\n\
             calls = \"{prefix}calls\"\n[engine]\n{engine}\n[serve]\nlisten = \"127.0.0.1:0\"\n"
        );
        let config = dir.join("callpulse.toml");
        fs::write(&config, settings).expect("the settings");
        let callpulse = |words: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_callpulse"));
            command.args(words).arg("--config").arg(&config).stdin(Stdio::null());
            command
        };
        let made = callpulse(&["topics", "--create"]).output().expect("topics");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let log = fs::File::create(dir.join("log")).expect("a log");
        let process = callpulse(&["run"]).stderr(log).stdout(Stdio::null()).spawn().expect("an instance");
        Instance { process, prefix, dir }
    }

    /// The consumer group of a stage.
    pub fn group(&self, stage: &str) -> String {
        format!("{}-{stage}-g1", self.prefix.trim_end_matches('.'))
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().is_ok_and(|ended| ended.is_none())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
