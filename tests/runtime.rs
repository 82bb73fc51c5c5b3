//! The worker runtime on a real Kafka: a stage that counts is exact through whatever happens to it.
//!
//! Each committed output says how much a key grew and what it amounts to then. Exactly once means that
//! what the outputs of a key grew by adds up to the records written, and that each stands on the one
//! before.

#[path = "support/bank.rs"]
#[expect(dead_code, reason = "one month is enough here")]
mod bank;
#[path = "support/beside.rs"]
mod beside;
#[path = "kafka/deployment.rs"]
#[expect(dead_code, reason = "instances find the broker directly here")]
mod deployment;
#[path = "http/events.rs"]
mod events;
#[path = "kafka/exactly_once.rs"]
mod exactly_once;
#[path = "kafka/gap.rs"]
mod gap;
#[path = "kafka/guarded.rs"]
mod guarded;
#[path = "kafka/oracle.rs"]
mod oracle;
#[path = "support/schema.rs"]
#[expect(dead_code, reason = "what is published here has no field that this version does not name")]
mod schemas;
#[path = "kafka/secure.rs"]
mod secure;
#[path = "kafka/served.rs"]
mod served;
#[path = "kafka/ship.rs"]
mod ship;
#[path = "kafka/subscribers.rs"]
mod subscribers;
mod support;

use std::collections::BTreeMap;
use std::env;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use callpulse::stream::client::Connection;
use callpulse::stream::embedded::EmbeddedBroker;
use callpulse::stream::fault::WorkerError;
use callpulse::stream::topics::{self, Problem};
use callpulse::stream::worker::WorkerSettings;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::Producer as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use support::counting::{PARTITIONS, PATIENCE, Running, Seen, Topics, send};
use support::kafka::{self, Broker, forget};

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
            .stdin(Stdio::piped())
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
    // The pipe closes when the test that started this one is gone, however it went.
    thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
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
    reader.while_waiting(|| first.held() == 2 && second.held() == 2);
    let seen = reader.sum();
    reader.until(seen + 5000);
    second.stop();
    reader.while_waiting(|| first.held() == 4);
    drop(more);
    let rounds: u64 = load.join().expect("the load");
    reader.until(50 * rounds);
    assert_eq!(first.restarts(), 0, "a rebalance is no reason to start anew");
    first.stop();
    reader.exactly(50, rounds);
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
    assert_eq!(running.restarts(), 2);
    running.stop();
    reader.read_out();
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
    assert_eq!(second.restarts(), 1);
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
    forget(&topics.connection, &input, 1, Offset::Offset(7));

    let fault = topics.spawn("a").worker.join().expect_err("a gap is refused");
    assert!(matches!(fault, WorkerError::Gap { wanted: 1, low: 7, .. }), "{fault}");
    assert!(fault.to_string().contains("records 1 to 6"), "{fault}");
    assert!(fault.to_string().contains("--accept-gap"), "{fault}");

    let settings = WorkerSettings { accept_gap: true, ..topics.settings("a", 0) };
    let running = topics.spawn_with(settings, Arc::default());
    reader.until(4);
    assert_eq!(running.seen.gaps.load(Ordering::Relaxed), 1);
    running.stop();
    reader.read_out();
    assert_eq!(reader.total, BTreeMap::from([("x".to_owned(), 4)]));
}

#[test]
fn whoever_is_given_partitions_of_a_claimed_board_ends_however_long_it_ran() {
    let topics = Topics::make(kafka::shared(), "claimed");
    let first = topics.spawn("a");
    let until = Instant::now() + PATIENCE;
    while first.held() < PARTITIONS as usize {
        assert!(Instant::now() < until, "it holds {} partitions", first.held());
        first.stop.wait(Duration::from_millis(50));
    }
    let producer = topics.producer();
    for partition in 0..2 {
        send(&producer, &topics.name("out"), Some(partition), "progress", r#"{"generation":2}"#);
    }
    producer.flush(PATIENCE).expect("claims written");
    assert!(!first.worker.is_finished(), "nobody tells it");
    // Whoever comes makes the group share out its partitions anew.
    let second = topics.spawn("b");
    for running in [first, second] {
        while !running.worker.is_finished() {
            assert!(Instant::now() < until, "it goes on");
            running.stop.wait(Duration::from_millis(50));
        }
        let fault = running.worker.join().expect_err("its generation is replaced");
        assert!(matches!(fault, WorkerError::Replaced { own: 1, by: 2 }), "{fault}");
        assert!(fault.to_string().contains("[engine] generation"), "{fault}");
    }
}

#[test]
fn who_leaves_others_behind_gives_up_its_place_and_the_only_one_keeps_it() {
    let topics = Topics::make(kafka::shared(), "places");
    let group = topics.settings("a", 0).group("counting");
    let members = || {
        let client: BaseConsumer = topics.connection.plain().create().expect("a client");
        let list = client.fetch_group_list(Some(&group), PATIENCE).expect("the groups");
        list.groups().iter().map(|found| found.members().len()).sum::<usize>()
    };
    let until = Instant::now() + PATIENCE;
    let hold = |running: &Running, count: usize| {
        while running.held() != count {
            assert!(Instant::now() < until, "it holds {} partitions", running.held());
            running.stop.wait(Duration::from_millis(50));
        }
    };
    let (first, second) = (topics.spawn("a"), topics.spawn("b"));
    hold(&first, PARTITIONS as usize / 2);
    hold(&second, PARTITIONS as usize / 2);
    first.stop();
    assert_eq!(members(), 1, "the group was told");
    hold(&second, PARTITIONS as usize);
    second.stop();
    assert_eq!(members(), 1, "its place waits for it");
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
    assert_eq!(topics::create_missing(&topics.connection, &specs, 1).expect("nothing to do"), Vec::<String>::new());
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
    assert_eq!(running.restarts(), 0, "the state is kept");
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
