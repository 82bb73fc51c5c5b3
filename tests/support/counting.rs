//! A stage that counts, the topics it needs, and a reader that checks what it committed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use callpulse::stream::client::{Connection, Fetch};
use callpulse::stream::stage::{Clock, Input, OutRecord, Output, Record, Stage};
use callpulse::stream::status::Status;
use callpulse::stream::stop::Stop;
use callpulse::stream::topics::{self, TopicSpec};
use callpulse::stream::worker::{Worker, WorkerSettings};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// Partitions of the input.
pub const PARTITIONS: i32 = 4;

/// How long something may take that has to come about.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Counts the records of each key.
pub struct Counting {
    out: Arc<str>,
    counts: HashMap<Input, BTreeMap<Vec<u8>, Count>>,
    aside: Vec<(Input, i64)>,
    first_pending: Option<Instant>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Count {
    total: u64,
    grown: u64,
}

/// What a test looks at from outside.
#[derive(Default)]
pub struct Seen {
    pub stops: AtomicU32,
    /// The next entry loaded finds the stage broken.
    pub breaks: AtomicBool,
    pub gaps: AtomicU32,
    pub ends: Mutex<HashMap<Input, (i64, u32)>>,
}

impl Stage for Counting {
    const NAME: &'static str = "counting";

    fn open(&mut self, input: &Input) {
        assert!(self.counts.insert(input.clone(), BTreeMap::new()).is_none(), "opened twice: {input:?}");
    }

    fn load(&mut self, input: &Input, key: &[u8], value: Option<&[u8]>) {
        assert!(!self.seen.breaks.swap(false, Ordering::Relaxed), "broken");
        let total = value.map_or(0, |value| std::str::from_utf8(value).unwrap().parse().unwrap());
        self.counts.get_mut(input).unwrap().insert(key.to_vec(), Count { total, grown: 0 });
    }

    fn resume(&mut self, _: &Input, committed: Option<i64>) -> Option<i64> {
        committed
    }

    fn apply(&mut self, input: &Input, record: Record<'_>) {
        if record.value == Some(b"poison") {
            self.seen.stops.fetch_add(1, Ordering::Relaxed);
            panic!("poison");
        }
        let counts = self.counts.get_mut(input).expect("an open input");
        let count = counts.entry(record.key.unwrap().to_vec()).or_default();
        count.total += 1;
        count.grown += 1;
        self.first_pending.get_or_insert_with(Instant::now);
    }

    fn set_aside(&mut self, input: &Input, record: Record<'_>) {
        self.aside.push((input.clone(), record.offset));
        self.first_pending.get_or_insert_with(Instant::now);
    }

    fn reached_end(&mut self, input: &Input, position: i64, _: Clock) {
        let mut ends = self.seen.ends.lock().unwrap();
        let (at, times) = ends.entry(input.clone()).or_default();
        *times = if *at == position { *times + 1 } else { 1 };
        *at = position;
    }

    fn gap(&mut self, _: &Input) {
        self.seen.gaps.fetch_add(1, Ordering::Relaxed);
    }

    fn due(&self) -> Option<Instant> {
        self.first_pending.map(|first| first + Duration::from_millis(30))
    }

    fn collect(&mut self, _: Clock, out: &mut Vec<OutRecord>) {
        for (input, counts) in &mut self.counts {
            for (key, count) in counts.iter_mut().filter(|(_, count)| 0 < count.grown) {
                let value = Some(format!("{} {}", count.grown, count.total).into_bytes());
                let to = Output::Topic { topic: self.out.clone(), partition: None };
                let headers = vec![("kind", b"count".to_vec())];
                out.push(OutRecord { to, key: Some(key.clone()), value, headers, timestamp: Some(1_700_000_000_000) });
                let value = Some(count.total.to_string().into_bytes());
                let to = Output::State(input.clone());
                out.push(OutRecord { to, key: Some(key.clone()), value, headers: Vec::new(), timestamp: None });
                count.grown = 0;
            }
        }
        for (input, offset) in self.aside.drain(..) {
            let to = Output::Topic { topic: self.out.clone(), partition: Some(0) };
            let key = Some(format!("aside {} {offset}", input.partition).into_bytes());
            out.push(OutRecord { to, key, value: Some(b"1 1".to_vec()), headers: Vec::new(), timestamp: None });
        }
    }

    fn committed(&mut self, _: Clock) {
        self.first_pending = None;
    }

    fn close(&mut self, input: &Input) {
        assert!(self.counts.remove(input).is_some(), "closed without being open: {input:?}");
    }
}

/// The topics of one test.
#[derive(Clone)]
pub struct Topics {
    pub connection: Connection,
    pub base: String,
}

impl Topics {
    pub fn make(connection: Connection, name: &str) -> Topics {
        let topics = Topics { connection, base: super::kafka::unique(name) };
        topics::create_missing(&topics.connection, &topics.specs(), 1).expect("the topics of the test");
        topics
    }

    pub fn specs(&self) -> Vec<TopicSpec> {
        let spec = |name: String, partitions, policy: &str| TopicSpec {
            name,
            partitions: Some(partitions),
            config: BTreeMap::from([("cleanup.policy".to_owned(), policy.to_owned())]),
        };
        vec![
            spec(self.name("in"), PARTITIONS, "delete"),
            spec(self.name("out"), 2, "delete"),
            // Fewer than inputs: entries of several share one partition.
            spec(self.name("state"), 3, "compact"),
        ]
    }

    pub fn name(&self, part: &str) -> String {
        format!("{}.{part}", self.base)
    }

    pub fn settings(&self, instance: &str, worker: u32) -> WorkerSettings {
        WorkerSettings {
            connection: self.connection.clone(),
            group_prefix: self.base.clone(),
            instance: instance.to_owned(),
            generation: 1,
            worker,
            inputs: vec![self.name("in").into()],
            state_topic: self.name("state").into(),
            required: vec![(self.name("in").into(), Some(PARTITIONS)), (self.name("out").into(), None)],
            accept_gap: false,
            board: (self.name("out").into(), 2),
            fetch: Fetch::Large,
            commit_records: 100_000,
            end_every: Duration::from_millis(50),
        }
    }

    pub fn spawn(&self, instance: &str) -> Running {
        self.spawn_with(self.settings(instance, 0), Arc::default())
    }

    pub fn spawn_with(&self, settings: WorkerSettings, seen: Arc<Seen>) -> Running {
        super::log();
        let (stop, status): (Stop, Arc<Status>) = Default::default();
        let out: Arc<str> = self.name("out").into();
        let stage = {
            let seen = seen.clone();
            move || Counting {
                out: out.clone(),
                counts: HashMap::new(),
                aside: Vec::new(),
                first_pending: None,
                seen: seen.clone(),
            }
        };
        let worker = Worker::spawn(settings, stage, status.clone(), stop.clone()).expect("a thread");
        Running { worker, stop, status, seen }
    }

    pub fn producer(&self) -> BaseProducer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.connection.brokers).set("partitioner", "murmur2_random");
        config.create().expect("a producer")
    }

    /// Writes `rounds` records for each of `keys` keys.
    pub fn write(&self, keys: usize, rounds: usize) {
        let producer = self.producer();
        let topic = self.name("in");
        for round in 0..rounds {
            for key in 0..keys {
                send(&producer, &topic, None, &format!("k{key}"), &format!("{round}"));
            }
        }
        producer.flush(PATIENCE).expect("records written");
    }

    pub fn reader(&self) -> Reader {
        Reader::open(&self.connection, &self.name("out"), 2)
    }
}

pub fn send(producer: &BaseProducer, topic: &str, partition: Option<i32>, key: &str, value: &str) {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    record.partition = partition;
    while let Err((error, back)) = producer.send(record) {
        assert!(error.to_string().contains("Queue full"), "{error}");
        producer.poll(Duration::from_millis(5));
        record = back;
    }
}

pub struct Running {
    pub worker: Worker,
    pub stop: Stop,
    pub status: Arc<Status>,
    pub seen: Arc<Seen>,
}

impl Running {
    /// How many inputs it holds.
    pub fn held(&self) -> usize {
        self.status.workers().iter().map(|(_, worker)| worker.inputs.len()).sum()
    }

    pub fn restarts(&self) -> u64 {
        self.status.workers().iter().map(|(_, worker)| worker.restarts).sum()
    }

    pub fn stop(self) {
        self.stop.request();
        self.worker.join().expect("a worker that leaves in peace");
    }
}

/// Reads what was committed to the output.
pub struct Reader {
    pub consumer: BaseConsumer,
    pub ends: BTreeMap<i32, bool>,
    pub grown: BTreeMap<String, u64>,
    pub total: BTreeMap<String, u64>,
}

impl Reader {
    pub fn open(connection: &Connection, topic: &str, partitions: i32) -> Reader {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &connection.brokers).set("group.id", "reader");
        config.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "20");
        let consumer: BaseConsumer = config.create().expect("a reader");
        let mut places = TopicPartitionList::new();
        for partition in 0..partitions {
            places.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&places).expect("an assignment");
        let ends = (0..partitions).map(|partition| (partition, false)).collect();
        Reader { consumer, ends, grown: BTreeMap::new(), total: BTreeMap::new() }
    }

    /// Reads until the outputs account for that many records.
    #[track_caller]
    pub fn until(&mut self, records: u64) {
        let late = Instant::now() + PATIENCE;
        while self.sum() < records {
            self.turn();
            assert!(Instant::now() < late, "{} of {records} records counted within {PATIENCE:?}", self.sum());
        }
    }

    /// Goes on reading until something else is so.
    #[track_caller]
    pub fn while_waiting(&mut self, done: impl Fn() -> bool) {
        let late = Instant::now() + PATIENCE;
        while !done() {
            self.turn();
            assert!(Instant::now() < late, "it did not come about within {PATIENCE:?}");
        }
    }

    /// Reads to the end, once nobody writes any more.
    pub fn read_out(&mut self) {
        for end in self.ends.values_mut() {
            *end = false;
        }
        // A partition at its end says so again only after something came.
        let late = Instant::now() + Duration::from_secs(2);
        while !self.ends.values().all(|&end| end) && Instant::now() < late {
            self.turn();
        }
    }

    pub fn sum(&self) -> u64 {
        self.grown.values().sum()
    }

    pub fn turn(&mut self) {
        match self.consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
                let value = std::str::from_utf8(message.payload().unwrap()).unwrap();
                let (grown, total) = value.split_once(' ').unwrap();
                let (grown, total): (u64, u64) = (grown.parse().unwrap(), total.parse().unwrap());
                self.ends.insert(message.partition(), false);
                let before = self.total.insert(key.clone(), total).unwrap_or(0);
                assert_eq!(before + grown, total, "{key} does not stand on what was published before");
                *self.grown.entry(key).or_default() += grown;
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.ends.insert(partition, true);
            }
            _ => {}
        }
    }

    #[track_caller]
    pub fn exactly(&mut self, keys: usize, each: u64) {
        self.read_out();
        let expected: BTreeMap<String, u64> = (0..keys).map(|key| (format!("k{key}"), each)).collect();
        assert_eq!(self.total, expected);
        assert_eq!(self.grown, expected);
    }
}
