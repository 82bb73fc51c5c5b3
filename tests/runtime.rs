//! The worker runtime on a real Kafka: a stage that counts is exact through whatever happens to it.
//!
//! Each committed output says how much a key grew and what it amounts to then. Exactly once means that
//! what the outputs of a key grew by adds up to the records written, and that each stands on the one
//! before.

mod support;

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use callpulse::stream::client::{Connection, Fetch};
use callpulse::stream::embedded::EmbeddedBroker;
use callpulse::stream::fault::WorkerError;
use callpulse::stream::stage::{Clock, Input, OutRecord, Output, Record, Stage};
use callpulse::stream::status::Status;
use callpulse::stream::stop::Stop;
use callpulse::stream::topics::{self, Problem, TopicSpec};
use callpulse::stream::worker::{Worker, WorkerSettings};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use support::kafka::{self, Broker};

const PARTITIONS: i32 = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts the records of each key.
struct Counting {
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
struct Seen {
    stops: AtomicU32,
    /// The next entry loaded finds the stage broken.
    breaks: AtomicBool,
    gaps: AtomicU32,
    ends: Mutex<HashMap<Input, (i64, u32)>>,
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
struct Topics {
    connection: Connection,
    base: String,
}

impl Topics {
    fn make(connection: Connection, name: &str) -> Topics {
        let topics = Topics { connection, base: kafka::unique(name) };
        topics::create_missing(&topics.connection, &topics.specs()).expect("the topics of the test");
        topics
    }

    fn specs(&self) -> Vec<TopicSpec> {
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

    fn name(&self, part: &str) -> String {
        format!("{}.{part}", self.base)
    }

    fn settings(&self, instance: &str, worker: u32) -> WorkerSettings {
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
            fetch: Fetch::Large,
            commit_records: 100_000,
            end_every: Duration::from_millis(50),
        }
    }

    fn spawn(&self, instance: &str) -> Running {
        self.spawn_with(self.settings(instance, 0), Arc::default())
    }

    fn spawn_with(&self, settings: WorkerSettings, seen: Arc<Seen>) -> Running {
        support::log();
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

    fn producer(&self) -> BaseProducer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.connection.brokers).set("partitioner", "murmur2_random");
        config.create().expect("a producer")
    }

    /// Writes `rounds` records for each of `keys` keys.
    fn write(&self, keys: usize, rounds: usize) {
        let producer = self.producer();
        let topic = self.name("in");
        for round in 0..rounds {
            for key in 0..keys {
                send(&producer, &topic, None, &format!("k{key}"), &format!("{round}"));
            }
        }
        producer.flush(PATIENCE).expect("records written");
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.connection, &self.name("out"), 2)
    }
}

fn send(producer: &BaseProducer, topic: &str, partition: Option<i32>, key: &str, value: &str) {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    record.partition = partition;
    while let Err((error, back)) = producer.send(record) {
        assert!(error.to_string().contains("Queue full"), "{error}");
        producer.poll(Duration::from_millis(5));
        record = back;
    }
}

struct Running {
    worker: Worker,
    stop: Stop,
    status: Arc<Status>,
    seen: Arc<Seen>,
}

impl Running {
    fn stop(self) {
        self.stop.request();
        self.worker.join().expect("a worker that leaves in peace");
    }
}

/// Reads what was committed to the output.
struct Reader {
    consumer: BaseConsumer,
    ends: BTreeMap<i32, bool>,
    grown: BTreeMap<String, u64>,
    total: BTreeMap<String, u64>,
}

impl Reader {
    fn open(connection: &Connection, topic: &str, partitions: i32) -> Reader {
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
    fn until(&mut self, records: u64) {
        let late = Instant::now() + PATIENCE;
        while self.sum() < records {
            self.turn();
            assert!(Instant::now() < late, "{} of {records} records counted within {PATIENCE:?}", self.sum());
        }
    }

    /// Reads to the end, once nobody writes any more.
    fn to_end(&mut self) {
        for end in self.ends.values_mut() {
            *end = false;
        }
        // A partition at its end says so again only after something came.
        let late = Instant::now() + Duration::from_secs(2);
        while !self.ends.values().all(|&end| end) && Instant::now() < late {
            self.turn();
        }
    }

    fn sum(&self) -> u64 {
        self.grown.values().sum()
    }

    fn turn(&mut self) {
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
    fn exactly(&mut self, keys: usize, each: u64) {
        self.to_end();
        let expected: BTreeMap<String, u64> = (0..keys).map(|key| (format!("k{key}"), each)).collect();
        assert_eq!(self.total, expected);
        assert_eq!(self.grown, expected);
    }
}

#[test]
fn counts_each_record_once_and_goes_on_after_a_stop() {
    let topics = Topics::make(kafka::shared(), "once");
    let mut reader = topics.reader();
    topics.write(40, 50);
    let first = topics.spawn("a");
    reader.until(2000);
    first.stop();
    topics.write(40, 50);
    let second = topics.spawn("a");
    reader.until(4000);
    assert!(second.status.is_ready());
    second.stop();
    reader.exactly(40, 100);
}

#[test]
fn stays_exact_when_killed_under_load() {
    let topics = Topics::make(kafka::shared(), "killed");
    let mut reader = topics.reader();
    let load = {
        let topics = topics.clone();
        thread::spawn(move || topics.write(50, 2000))
    };
    for progress in [1, 20_000, 45_000, 70_000] {
        let mut child = Killable::start(&topics);
        reader.until(progress);
        child.0.kill().expect("kill -9");
        child.0.wait().expect("its end");
    }
    load.join().expect("the load");
    let last = topics.spawn("a");
    reader.until(100_000);
    last.stop();
    reader.exactly(50, 2000);
}

/// A worker in a process of its own.
struct Killable(Child);

const CHILD: &str = "CALLPULSE_TEST_CHILD";

impl Killable {
    fn start(topics: &Topics) -> Killable {
        let program = env::current_exe().expect("this program");
        let child = Command::new(program)
            .args(["--exact", "runs_a_worker_until_killed", "--ignored", "--nocapture"])
            .env(CHILD, format!("{} {}", topics.connection.brokers, topics.base))
            .stdout(Stdio::null())
            .spawn()
            .expect("a child");
        Killable(child)
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "the process that stays_exact_when_killed_under_load kills"]
fn runs_a_worker_until_killed() {
    let given = env::var(CHILD).expect("topics from the test that starts this one");
    let (brokers, base) = given.split_once(' ').expect("brokers and base name");
    let connection = Connection { brokers: brokers.to_owned(), ..Connection::default() };
    let running = Topics { connection, base: base.to_owned() }.spawn("a");
    running.worker.join().expect("no end but a kill");
}

#[test]
fn two_instances_share_the_partitions_while_records_come_in() {
    let topics = Topics::make(kafka::shared(), "shared");
    let mut reader = topics.reader();
    let first = topics.spawn("a");
    let (more, go_on) = std::sync::mpsc::channel::<()>();
    let load = {
        let topics = topics.clone();
        thread::spawn(move || {
            let mut rounds = 0;
            // A steady stream for as long as the test has something to show.
            loop {
                topics.write(50, 20);
                rounds += 20;
                match go_on.recv_timeout(Duration::from_millis(10)) {
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                    _ => return rounds,
                }
            }
        })
    };
    reader.until(1000);
    let second = topics.spawn("b");
    reader.while_waiting(|| held(&first) == 2 && held(&second) == 2);
    let seen = reader.sum();
    reader.until(seen + 5000);
    second.stop();
    reader.while_waiting(|| held(&first) == 4);
    drop(more);
    let rounds: u64 = load.join().expect("the load");
    reader.until(50 * rounds);
    assert_eq!(restarts(&first), 0, "a rebalance is no reason to start anew");
    first.stop();
    reader.exactly(50, rounds);
}

fn held(running: &Running) -> usize {
    running.status.workers().iter().map(|(_, worker)| worker.inputs.len()).sum()
}

fn restarts(running: &Running) -> u64 {
    running.status.workers().iter().map(|(_, worker)| worker.restarts).sum()
}

impl Reader {
    /// Goes on reading until something else is so.
    #[track_caller]
    fn while_waiting(&mut self, done: impl Fn() -> bool) {
        let late = Instant::now() + PATIENCE;
        while !done() {
            self.turn();
            assert!(Instant::now() < late, "it did not come about within {PATIENCE:?}");
        }
    }
}

#[test]
fn sets_a_record_aside_that_stops_the_worker_twice() {
    let topics = Topics::make(kafka::shared(), "poison");
    let mut reader = topics.reader();
    topics.write(8, 10);
    let producer = topics.producer();
    send(&producer, &topics.name("in"), Some(2), "bad", "poison");
    producer.flush(PATIENCE).expect("records written");
    topics.write(8, 10);
    let running = topics.spawn("a");
    // The record set aside counts as one of its own.
    reader.until(161);
    assert_eq!(running.seen.stops.load(Ordering::Relaxed), 2);
    assert_eq!(restarts(&running), 2);
    running.stop();
    reader.to_end();
    assert_eq!(reader.total.keys().filter(|key| key.starts_with("aside 2 ")).count(), 1);
    assert!((0..8).all(|key| reader.total[&format!("k{key}")] == 20));
}

#[test]
fn starts_anew_when_the_stage_breaks_while_it_is_restored() {
    let topics = Topics::make(kafka::shared(), "broken");
    let mut reader = topics.reader();
    topics.write(8, 10);
    let first = topics.spawn("a");
    reader.until(80);
    first.stop();
    topics.write(8, 10);
    let seen = Arc::new(Seen { breaks: AtomicBool::new(true), ..Seen::default() });
    let second = topics.spawn_with(topics.settings("a", 0), seen);
    reader.until(160);
    assert_eq!(restarts(&second), 1);
    second.stop();
    reader.exactly(8, 20);
}

#[test]
fn refuses_a_gap_and_goes_on_when_told_to() {
    let topics = Topics::make(kafka::shared(), "gap");
    let mut reader = topics.reader();
    let input = topics.name("in");
    let producer = topics.producer();
    send(&producer, &input, Some(1), "x", "0");
    producer.flush(PATIENCE).expect("records written");
    let first = topics.spawn("a");
    reader.until(1);
    first.stop();
    for round in 1..10 {
        send(&producer, &input, Some(1), "x", &round.to_string());
    }
    producer.flush(PATIENCE).expect("records written");
    forget(&topics.connection, &input, 1, 7);

    let fault = topics.spawn("a").worker.join().expect_err("a gap is refused");
    assert!(matches!(fault, WorkerError::Gap { wanted: 1, low: 7, .. }), "{fault}");
    assert!(fault.to_string().contains("records 1 to 6"), "{fault}");
    assert!(fault.to_string().contains("--accept-gap"), "{fault}");

    let settings = WorkerSettings { accept_gap: true, ..topics.settings("a", 0) };
    let running = topics.spawn_with(settings, Arc::default());
    reader.until(4);
    assert_eq!(running.seen.gaps.load(Ordering::Relaxed), 1);
    running.stop();
    reader.to_end();
    assert_eq!(reader.total, BTreeMap::from([("x".to_owned(), 4)]));
}

/// Deletes the records of a partition before `offset`.
fn forget(connection: &Connection, topic: &str, partition: i32, offset: i64) {
    let mut places = TopicPartitionList::new();
    places.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
    let admin: rdkafka::admin::AdminClient<_> = connection.plain().create().expect("an admin");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(admin.delete_records(&places, &Default::default())).expect("records deleted");
}

#[test]
fn says_what_is_wrong_with_the_topics() {
    let topics = Topics::make(kafka::shared(), "topics");
    let with = |topic: &str, count| {
        let mut settings = topics.settings("a", 0);
        settings.required.push((topic.into(), count));
        topics.spawn_with(settings, Arc::default()).worker.join().expect_err("a fault")
    };
    let fault = with("nowhere", None);
    assert!(matches!(fault, WorkerError::Topic(Problem::Missing { .. })), "{fault}");
    assert!(fault.to_string().contains("topics --create"), "{fault}");
    let fault = with(&topics.name("state"), Some(8));
    assert!(matches!(fault, WorkerError::Topic(Problem::Partitions { has: 3, wants: 8, .. })), "{fault}");

    let mut specs = topics.specs();
    assert_eq!(topics::check(&topics.connection, &specs).expect("an answer"), []);
    specs[0].config.insert("cleanup.policy".to_owned(), "compact,delete".to_owned());
    let problems = topics::check(&topics.connection, &specs).expect("an answer");
    assert!(matches!(&problems[..], [Problem::Policy { has, .. }] if has == "delete"), "{problems:?}");
    assert_eq!(topics::create_missing(&topics.connection, &specs).expect("nothing to do"), Vec::<String>::new());
}

#[test]
fn hears_again_and_again_that_a_quiet_input_is_at_its_end() {
    let topics = Topics::make(kafka::shared(), "quiet");
    let mut reader = topics.reader();
    topics.write(8, 10);
    let running = topics.spawn("a");
    reader.until(80);
    reader.while_waiting(|| {
        let ends = running.seen.ends.lock().unwrap();
        ends.len() == 4 && ends.values().all(|(_, times)| 4 < *times)
    });
    let ends = running.seen.ends.lock().unwrap();
    assert_eq!(ends.values().map(|(position, _)| position).sum::<i64>(), 80);
    drop(ends);
    running.stop();
}

#[test]
fn outlives_a_broker_that_is_killed() {
    let mut broker = Broker::start();
    let topics = Topics::make(broker.connection(), "broker");
    let mut reader = topics.reader();
    topics.write(20, 100);
    let running = topics.spawn("a");
    reader.until(2000);
    broker.kill();
    broker.restart();
    topics.write(20, 100);
    reader.until(4000);
    running.stop();
    reader.exactly(20, 200);
}

#[test]
fn the_later_of_two_workers_with_one_name_wins_and_no_record_counts_twice() {
    let topics = Topics::make(kafka::shared(), "twins");
    let mut reader = topics.reader();
    topics.write(20, 100);
    let first = topics.spawn("a");
    reader.until(2000);
    let second = topics.spawn("a");
    while !first.worker.is_finished() && !second.worker.is_finished() {
        topics.write(20, 1);
        reader.turn();
    }
    let ends = [first, second].map(|running| {
        let ended = running.worker.is_finished().then(|| running.status.workers()[0].1.last_error.clone());
        (running, ended)
    });
    assert!(
        ends.iter().any(|(_, ended)| ended.iter().flatten().any(|fault| fault.contains("its own [engine] instance")))
    );
    for (running, _) in ends {
        running.stop.request();
        let _ = running.worker.join();
    }
    let last = topics.spawn("a");
    topics.write(20, 1);
    let written = records(&topics.connection, &topics.name("in"));
    reader.until(written);
    last.stop();
    reader.exactly(20, written / 20);
}

/// How many records a topic holds, none of its partitions having lost any.
fn records(connection: &Connection, topic: &str) -> u64 {
    let client: BaseConsumer = connection.plain().create().expect("a client");
    (0..PARTITIONS).map(|at| client.fetch_watermarks(topic, at, PATIENCE).expect("its end").1 as u64).sum()
}

#[test]
fn tries_an_abortable_commit_again_with_the_same_content() {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    let cluster = MockCluster::new(1).expect("a cluster");
    let connection = Connection { brokers: cluster.bootstrap_servers(), ..Connection::default() };
    let topics = Topics { connection, base: "again".to_owned() };
    for spec in topics.specs() {
        cluster.create_topic(&spec.name, spec.partitions.unwrap(), 1).expect("a topic");
    }
    let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION; 3];
    cluster.request_errors(RDKafkaApiKey::TxnOffsetCommit, &refusals);
    topics.write(1, 5);
    let running = topics.spawn("a");
    // This cluster shows what was aborted, as far as it was sent.
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &topics.connection.brokers).set("group.id", "reader");
    let reader: BaseConsumer = config.create().expect("a reader");
    let mut places = TopicPartitionList::new();
    for partition in 0..2 {
        places.add_partition_offset(&topics.name("out"), partition, Offset::Beginning).unwrap();
    }
    reader.assign(&places).expect("an assignment");
    let read_until = |last: &str, only: &[&str]| {
        let late = Instant::now() + PATIENCE;
        let mut came = false;
        while !came || running.status.workers()[0].1.aborts < 3 {
            assert!(Instant::now() < late, "{last} did not come");
            if let Some(Ok(message)) = reader.poll(Duration::from_millis(100)) {
                let value = std::str::from_utf8(message.payload().unwrap()).unwrap();
                assert!(only.contains(&value), "{value}");
                came |= value == last;
            }
        }
    };
    read_until("5 5", &["5 5"]);
    topics.write(1, 2);
    read_until("2 7", &["5 5", "2 7"]);
    assert_eq!(restarts(&running), 0, "the state is kept");
    running.stop();
}

#[test]
fn runs_on_the_embedded_broker() {
    let mut topics = Topics { connection: Connection::default(), base: "embedded".to_owned() };
    let broker = EmbeddedBroker::start(&topics.specs()).expect("an embedded broker");
    topics.connection.brokers = broker.brokers();
    let mut reader = topics.reader();
    let running = topics.spawn("a");
    topics.write(20, 100);
    reader.until(2000);
    reader.while_waiting(|| running.status.is_ready() && running.seen.ends.lock().unwrap().len() == 4);
    topics.write(20, 10);
    reader.until(2200);
    running.stop();
    reader.exactly(20, 110);
}
