//! A topic of alerts, and targets that are told of it.

use crate::alerts::key;
use crate::kafka::{shared, unique};
use callpulse::config;
use callpulse::notify::driver;
use callpulse::notify::target::Target;
use callpulse::stream::client::Connection;
use callpulse::stream::fault::WorkerError;
use callpulse::stream::queue::Taking;
use callpulse::stream::stop::Stop;
use callpulse::stream::topics::{TopicSpec, create_missing};
use callpulse::time::EventTime;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub const PARTITIONS: i32 = 4;

/// A topic of alerts of its own.
pub struct Topic {
    pub name: String,
    producer: BaseProducer,
}

/// A target that is notified; no more once it is dropped.
pub struct Notifying {
    stop: Stop,
    thread: Option<JoinHandle<Result<(), WorkerError>>>,
}

impl Topic {
    pub fn make(name: &str) -> Topic {
        let (connection, name) = (shared(), unique(name));
        let config = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        let spec = TopicSpec { name: name.clone(), partitions: Some(PARTITIONS), config };
        create_missing(&connection, &[spec], 1).expect("the topic");
        let mut config = connection.plain();
        config.set("partitioner", "murmur2_random");
        Topic { name, producer: config.create().expect("a producer") }
    }

    /// Tells alerts, in this order.
    pub fn tell(&self, records: &[Value]) {
        for record in records {
            let (key, value) = (key(record), record.to_string());
            self.producer.send(BaseRecord::to(&self.name).key(&key).payload(&value)).expect("room in the queue");
        }
        self.producer.flush(Duration::from_secs(60)).expect("records that arrived");
    }

    /// Ends the key of an alert.
    pub fn end(&self, record: &Value) {
        let key = key(record);
        self.producer.send(BaseRecord::<str, [u8]>::to(&self.name).key(&key)).expect("room in the queue");
        self.producer.flush(Duration::from_secs(60)).expect("a record that arrived");
    }

    /// Notifies a target, as an instance of this name.
    pub fn notify(&self, target: Target, instance: &str) -> Notifying {
        notify(shared(), &self.name, target, instance)
    }
}

pub fn notify(connection: Connection, topic: &str, target: Target, instance: &str) -> Notifying {
    let group = format!("{topic}-notify-{}", target.name);
    let taking = Taking { connection, group, member: instance.to_owned(), topic: topic.to_owned() };
    let stop = Stop::new();
    let thread = driver::start(target, taking, stop.clone()).expect("a thread");
    Notifying { stop, thread: Some(thread) }
}

impl Notifying {
    /// Whether it goes on for ever.
    pub fn wait(mut self) {
        self.thread.take().expect("a thread").join().expect("no panic").expect("nobody is refused here");
    }
}

impl Drop for Notifying {
    fn drop(&mut self) {
        self.stop.request();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(std::thread::panicking() || matches!(ended, Ok(Ok(()))), "{ended:?}");
        }
    }
}

/// The target of a table `[[notify]]`, named `target`.
#[track_caller]
pub fn target(settings: &str) -> Target {
    let text = format!("[[notify]]\nname = \"target\"\n{settings}");
    let loaded = config::read(&text, &BTreeMap::new()).unwrap_or_else(|faults| panic!("{faults:?}"));
    loaded.settings.notify.into_iter().next().expect("a target")
}

/// By the clock, since Alertmanager goes by it.
pub fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    EventTime(since.as_millis() as i64)
}
