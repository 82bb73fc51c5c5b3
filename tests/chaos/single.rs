//! Single faults, each with what follows: it passes by itself, or the program ends with a sentence that helps.

use crate::deployment::{Deployment, INSTANCES, Instance, PARTITIONS, PATIENCE, Reader};
use crate::kafka::{Broker, unique};
use crate::oracle::ends_as_replay;
use crate::{end_within, signal};
use callpulse::stream::client::Connection;
use callpulse::stream::feed::Feed;
use callpulse::stream::topics;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use std::collections::VecDeque;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// Monday, 2026-03-02T08:00:00Z.
const EIGHT: i64 = 1_772_438_400_000;

/// A broker of its own with a deployment and one instance that publishes.
struct Stand {
    broker: Broker,
    deployment: Deployment,
    instance: Instance,
    board: Reader,
    calls: i64,
}

impl Stand {
    fn begin(settings: &str) -> Stand {
        let broker = Broker::start();
        let deployment = Deployment::on(&broker.connection());
        for instance in INSTANCES {
            let path = deployment.dir.join(format!("{instance}.toml"));
            let mut file = fs::File::options().append(true).open(path).expect("the settings");
            file.write_all(settings.as_bytes()).expect("more settings");
        }
        let instance = deployment.start("a");
        let board = Reader::open(&deployment.brokers, &deployment.topic("kpis"));
        let mut stand = Stand { broker, deployment, instance, board, calls: 0 };
        stand.tell(200);
        stand.until_offered();
        stand
    }

    /// Sends so many calls, whole ones, one a second.
    fn tell(&mut self, calls: i64) {
        let connection = Connection { brokers: self.deployment.brokers.clone(), ..Connection::default() };
        let feed = Feed::open(&connection, &self.deployment.topic("acd.events")).expect("a producer");
        let path = self.deployment.events();
        let mut file = fs::File::options().create(true).append(true).open(path).expect("the events");
        for call in self.calls..self.calls + calls {
            let at = EIGHT + call * 1_000;
            let id = unique("c");
            for (after, rest) in [(0, r#""type":"call.queued","queue":"sales""#), (900, r#""type":"call.ended""#)] {
                let event = format!(r#"{{{rest},"time":{},"call_id":"{id}"}}"#, at + after);
                writeln!(file, "{event}").expect("an event");
                feed.send(&id, &event, at + after).expect("written");
            }
        }
        self.calls += calls;
        // While the broker is away it waits for it.
        let until = Instant::now() + PATIENCE;
        while let Err(error) = feed.flush() {
            assert!(Instant::now() < until, "{error}\n{}", self.deployment.log());
        }
    }

    /// Waits until all calls so far are counted.
    fn until_offered(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            self.board.read_out();
            let offered =
                self.board.last().get("default|queue|sales|total").map(|total| total["counts"]["offered"].clone());
            if offered.as_ref().is_some_and(|offered| *offered == self.calls) {
                return;
            }
            assert!(Instant::now() < until, "offered {offered:?} of {}\n{}", self.calls, self.deployment.log());
        }
    }

    /// The instance ends by itself with exit code 1 and says what helps.
    fn ends_saying(&mut self, words: &[&str]) {
        let ended = end_within(&mut self.instance, Duration::from_secs(90));
        let log = self.deployment.log();
        assert_eq!(ended.and_then(|ended| ended.code()), Some(1), "{log}");
        let last =
            log.lines().rfind(|line| line.starts_with("callpulse: ")).unwrap_or_else(|| panic!("no last word\n{log}"));
        assert!(words.iter().all(|word| last.contains(word)), "{last}\n{log}");
    }

    /// Goes on by itself: more calls come and are counted, and all ends as in a replay.
    fn goes_on(mut self) {
        self.tell(200);
        self.until_offered();
        assert!(end_within(&mut self.instance, Duration::ZERO).is_none(), "{}", self.deployment.log());
        ends_as_replay(&self.deployment, &mut self.board, 2);
        signal(&self.instance, "-TERM");
        let ended = end_within(&mut self.instance, Duration::from_secs(30));
        assert!(ended.is_some_and(|ended| ended.success()), "{}", self.deployment.log());
        fs::remove_dir_all(&self.deployment.dir).expect("the directory to go");
    }

    /// Status and body of a page; none while nobody answers.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let log = fs::read_to_string(self.deployment.dir.join("a.log")).expect("a log");
        let listens = log.lines().rev().find_map(|line| line.split_once("listen=")).expect("where it listens").1;
        let mut stream = TcpStream::connect(listens.trim()).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Some((status, body.to_owned()))
    }

    fn until_answered(&self, path: &str, what: &str, mut is_it: impl FnMut(u16, &str) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut last = None;
        while !last.as_ref().is_some_and(|(status, body): &(u16, String)| is_it(*status, body)) {
            assert!(Instant::now() < until, "{path} is never {what}: {last:?}\n{}", self.deployment.log());
            thread::sleep(Duration::from_millis(200));
            last = self.get(path);
        }
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.broker.connection().plain().create().expect("an admin")
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

#[test]
fn a_full_disk_at_the_broker_passes_once_there_is_room() {
    let mut stand = Stand::begin("");
    // As for a full disk, the write that goes beyond fails and the broker gives up.
    stand.broker.restart_with_files_of_at_most(12 << 10);
    let connection = stand.broker.connection();
    let specs = [topics::TopicSpec { name: "ballast".into(), partitions: Some(1), config: Default::default() }];
    topics::create_missing(&connection, &specs, 1).expect("a topic");
    let feed = Feed::open(&connection, "ballast").expect("a producer");
    // Two different texts, so that compression does not shrink them.
    let mut seed = 1_u64;
    let ballast: String = (0..200_000)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + (seed >> 33) as u8 % 26)
        })
        .collect();
    for _ in 0..100 {
        feed.send("ballast", &ballast, EIGHT).expect("taken");
    }
    let until = Instant::now() + PATIENCE;
    while !stand.deployment.log().contains("kafka does not answer") {
        assert!(Instant::now() < until, "the broker is still there\n{}", stand.deployment.log());
        let _ = feed.flush();
    }
    drop(feed);
    stand.broker.restart();
    stand.goes_on();
}

#[test]
fn an_instance_waits_for_a_broker_that_is_on_its_way() {
    let mut stand = Stand::begin("");
    drop(stand.instance);
    stand.broker.kill();
    stand.instance = stand.deployment.start("a");
    assert!(end_within(&mut stand.instance, Duration::from_secs(5)).is_none(), "{}", stand.deployment.log());
    stand.broker.restart();
    stand.goes_on();
}

#[test]
fn a_broker_that_is_away_is_told_by_readyz_metrics_and_the_log() {
    let mut stand = Stand::begin("");
    let behind = |body: &str| {
        let of_partitions = body.lines().filter(|line| line.starts_with("callpulse_behind_seconds{"));
        of_partitions.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).reduce(f64::max)
    };
    stand.until_answered("/metrics", "up to the clock", |_, body| behind(body).is_some_and(|behind| behind < 10.0));
    stand.until_answered("/readyz", "ready", |status, _| status == 200);
    stand.broker.kill();
    stand.until_answered("/readyz", "not ready, and why", |status, body| {
        status == 503 && (body.contains("has not moved for") || body.contains("starts anew"))
    });
    stand.until_answered("/metrics", "behind", |_, body| behind(body).is_some_and(|behind| 10.0 < behind));
    assert!(stand.deployment.log().contains("kafka does not answer"), "{}", stand.deployment.log());
    stand.broker.restart();
    stand.until_answered("/readyz", "ready again", |status, _| status == 200);
    stand.goes_on();
}

#[test]
fn committed_offsets_that_went_with_their_topic_end_it_with_what_to_raise() {
    let mut stand = Stand::begin("");
    signal(&stand.instance, "-TERM");
    assert!(end_within(&mut stand.instance, Duration::from_secs(30)).is_some(), "{}", stand.deployment.log());
    let (events, connection) = (stand.deployment.topic("acd.events"), stand.broker.connection());
    wait(stand.admin().delete_topics(&[&events], &AdminOptions::new())).expect("an answer");
    let spec = topics::TopicSpec { name: events.clone(), partitions: Some(PARTITIONS), config: Default::default() };
    let until = Instant::now() + PATIENCE;
    while let Err(error) = topics::create_missing(&connection, std::slice::from_ref(&spec), 1) {
        assert!(Instant::now() < until, "{error}");
    }
    stand.instance = stand.deployment.start("a");
    stand.ends_saying(&[&events, "no committed offset", "made anew", "[engine] generation"]);
}

#[test]
fn added_partitions_are_read_without_a_restart() {
    let mut stand = Stand::begin("[kafka.properties]\n\"topic.metadata.refresh.interval.ms\" = \"1000\"\n");
    let (connection, events) = (stand.broker.connection(), stand.deployment.topic("acd.events"));
    topics::grow(&connection, &events, 7).expect("more partitions");
    stand.tell(200);
    stand.until_offered();
    assert!(stand.deployment.log().contains("the topic has more partitions"), "{}", stand.deployment.log());
    stand.goes_on();
}

#[test]
fn a_topic_that_is_deleted_ends_it_with_its_name() {
    for name in ["kpis", "acd.events"] {
        let mut stand = Stand::begin("[kafka.properties]\n\"topic.metadata.refresh.interval.ms\" = \"1000\"\n");
        let topic = stand.deployment.topic(name);
        wait(stand.admin().delete_topics(&[&topic], &AdminOptions::new())).expect("an answer");
        if name == "kpis" {
            stand.tell(1);
        }
        stand.ends_saying(&[&topic, "does not exist"]);
    }
}

#[test]
fn a_record_that_its_topic_refuses_ends_it_with_what_to_raise() {
    let mut stand = Stand::begin("");
    let topic = stand.deployment.topic("kpis");
    let change = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("max.message.bytes", "400");
    wait(stand.admin().alter_configs(&[change.set("cleanup.policy", "compact")], &AdminOptions::new()))
        .expect("an answer");
    stand.tell(1);
    stand.ends_saying(&[&topic, "max.message.bytes"]);
}

#[test]
fn a_later_generation_is_built_beside_the_running_one_and_takes_over() {
    let mut stand = Stand::begin("");
    let path = stand.deployment.dir.join("b.toml");
    let settings = fs::read_to_string(&path).expect("the settings");
    fs::write(&path, settings.replace("[engine]\n", "[engine]\ngeneration = 2\n")).expect("the settings");
    let made = stand.deployment.callpulse("b", &["topics", "--create"]).output().expect("topics");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // What subscribers follow: no version of a key goes back in any of them.
    let mut others = ["calls", "intervals"].map(|topic| {
        let topic = stand.deployment.topic(topic);
        Reader::open(&stand.deployment.brokers, &topic)
    });
    let later = stand.deployment.start("b");
    let until = Instant::now() + PATIENCE;
    while end_within(&mut stand.instance, Duration::from_millis(100)).is_none() {
        assert!(Instant::now() < until, "the first generation does not leave\n{}", stand.deployment.log());
        stand.tell(20);
        stand.board.read_out();
    }
    stand.ends_saying(&["generation 2 publishes now", "[engine] generation"]);
    stand.instance = later;
    stand.tell(20);
    while stand.board.last().values().any(|one| one["version"].as_u64() < Some(2 << 40)) {
        assert!(Instant::now() < until, "records of the first generation stay\n{}", stand.deployment.log());
        stand.board.read_out();
    }
    // Whoever starts the earlier one again is told, and nothing else happens.
    let mut earlier = stand.deployment.start("a");
    std::mem::swap(&mut earlier, &mut stand.instance);
    stand.ends_saying(&["generation 2 publishes now"]);
    stand.instance = earlier;
    for other in &mut others {
        other.read_out();
        let last = other.last();
        assert!(!last.is_empty());
        assert!(last.values().all(|one| Some(2 << 40) <= one["version"].as_u64()), "{last:?}");
    }
    stand.goes_on();
}

#[test]
fn a_new_version_rolls_through_the_instances_one_by_one() {
    let mut stand = Stand::begin("");
    let mut running: VecDeque<Instance> = ["b", "c"].map(|instance| stand.deployment.start(instance)).into();
    let next = stand.deployment.dir.join("callpulse-next");
    fs::copy(&stand.deployment.program, &next).expect("a program of its own");
    stand.deployment.program = next;
    for name in INSTANCES {
        stand.tell(200);
        // Each is the oldest in its turn.
        signal(&stand.instance, "-TERM");
        let ended = end_within(&mut stand.instance, Duration::from_secs(30));
        assert!(ended.is_some_and(|ended| ended.success()), "{}", stand.deployment.log());
        running.push_back(stand.deployment.start(name));
        stand.instance = running.pop_front().expect("the next");
    }
    stand.until_offered();
    stand.goes_on();
}
