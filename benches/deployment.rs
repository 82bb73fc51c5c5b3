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

/// Topics of its own over a topic of events that is there, and the settings of instances that share them.
pub struct Deployment {
    /// The beginning of the names of its topics and groups.
    pub prefix: String,
    pub dir: PathBuf,
    settings: String,
}

/// A running instance, killed when dropped.
pub struct Instance(pub Child);

impl Deployment {
    /// `more` is of the table `[engine]`, and other tables after it.
    pub fn of(events: &str, more: &str) -> Deployment {
        let (brokers, prefix) = (kafka::shared().brokers, kafka::unique("bench") + ".");
        let dir = std::env::temp_dir().join(format!("callpulse-{prefix}"));
        fs::create_dir_all(&dir).expect("a directory");
        let settings = format!(
            "[kafka]\nbrokers = \"{brokers}\"\n[[sources]]\ntopic = \"{events}\"\n\
             [topics]\npartitions = {PARTITIONS}\npartials = \"{prefix}partials\"\nsubjects = \"{prefix}subjects\"\nstate = \"{prefix}state\"\n\
             kpis = \"{prefix}kpis\"\nintervals = \"{prefix}intervals\"\nrejects = \"{prefix}rejects\"\n\
             calls = \"{prefix}calls\"\nalerts = \"{prefix}alerts\"\n[serve]\nlisten = \"127.0.0.1:0\"\n[engine]\n{more}\n"
        );
        let deployment = Deployment { prefix, dir, settings };
        let made = deployment.callpulse("a", &["topics", "--create"]).output().expect("topics");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        deployment
    }

    pub fn start(&self, instance: &str) -> Instance {
        let log = fs::File::options().create(true).append(true).open(self.dir.join(format!("{instance}.log")));
        let mut run = self.callpulse(instance, &["run"]);
        Instance(run.stderr(log.expect("a log")).stdout(Stdio::null()).spawn().expect("an instance"))
    }

    pub fn board(&self) -> String {
        format!("{}kpis", self.prefix)
    }

    /// The consumer group of a stage.
    pub fn group(&self, stage: &str) -> String {
        format!("{}-{stage}-g1", self.prefix.trim_end_matches('.'))
    }

    fn callpulse(&self, instance: &str, words: &[&str]) -> Command {
        let config = self.dir.join(format!("{instance}.toml"));
        fs::write(&config, &self.settings).expect("the settings");
        let mut command = Command::new(env!("CARGO_BIN_EXE_callpulse"));
        command
            .args(words)
            .arg("--config")
            .arg(&config)
            .env("CALLPULSE_ENGINE__INSTANCE", instance)
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Instance {
    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|ended| ended.is_none())
    }

    /// Asks it to leave, and waits until it has.
    pub fn leave(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().expect("kill");
        assert!(asked.success(), "no signal was delivered");
        self.0.wait().expect("it leaves");
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
