//! A backlog worked off by `callpulse run` over a real Kafka.
//!
//! The topic is full before the program starts. The floor is a consumer in this process that reads the
//! same topic to its end and parses each record, nothing else; floor and program take turns. CPU seconds
//! are those of the whole process from its start, the three stages, one worker each, until the consumer
//! groups of all have committed the end of their input.

use crate::cpu;
use crate::deployment::{Deployment, PARTITIONS, create_events, reader};
use crate::engine::centre;
use crate::figures::Figure;
use crate::floor;
use crate::kafka;
use crate::number;
use callpulse::decode::json;
use callpulse::simulate::centre::Centre;
use callpulse::stream::feed::Feed;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
/// How long a round may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(600);

pub fn measure() {
    let brokers = kafka::shared().brokers;
    let events = kafka::unique("bench") + ".events";
    create_events(&events);
    let count = fill(&events, number("CALLS", 150_000));
    println!("backlog: {count} events in {PARTITIONS} partitions, {ROUNDS} rounds\n");
    let rows = ["read and parse (floor)", "callpulse run", "run, times floor"];
    let mut rates: [Figure; 2] = Default::default();
    let mut costs: [Figure; 3] = Default::default();
    let mut memory = Figure::default();
    for _ in 0..ROUNDS {
        let begun = (Instant::now(), cpu::own());
        let read = read_and_parse(&brokers, &events);
        assert_eq!(read, count, "the floor reads every event");
        let floor = (begun.0.elapsed().as_secs_f64(), (cpu::own() - begun.1).as_secs_f64());
        let (run, peak) = work_off(&brokers, &events, count);
        for (place, (wall, cpu)) in [floor, run].into_iter().enumerate() {
            rates[place].add(count as f64 / wall);
            costs[place].add(count as f64 / cpu);
        }
        costs[2].add(run.1 / floor.1);
        memory.add(peak as f64);
    }
    println!("{:<26}{:>32}{:>32}", "", "events/s (clock)", "events/CPU s");
    println!("{:<26}{:>32}{:>32}", rows[0], rates[0], costs[0]);
    println!("{:<26}{:>32}{:>32}", rows[1], rates[1], costs[1]);
    println!("{:<26}{:>32}{:>32}", rows[2], "", costs[2]);
    println!("\nmost memory held: {memory} MiB\n");
}

/// How many events of a simulated centre are in the topic now.
fn fill(topic: &str, calls: u64) -> u64 {
    let feed = Feed::open(&kafka::shared(), topic).expect("a producer");
    let mut count = 0;
    for (at, event) in Centre::new(centre(calls)) {
        let key = event.call_id.as_deref().unwrap_or("agents").to_string();
        feed.send(&key, &json::encode(&event), at.0).expect("written");
        count += 1;
    }
    feed.flush().expect("written");
    count
}

fn read_and_parse(brokers: &str, topic: &str) -> u64 {
    let consumer = reader(brokers, topic, Offset::Beginning);
    let (mut read, mut ended, mut weight) = (0, 0, 0);
    while ended < PARTITIONS {
        match consumer.poll(Duration::from_secs(5)) {
            Some(Ok(message)) => {
                weight += floor::parse(message.payload().expect("an event"));
                read += 1;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            other => panic!("cannot read: {other:?}"),
        }
    }
    assert!(0 < weight);
    read
}

/// Wall and CPU seconds until everything is committed, and the most memory held, MiB.
fn work_off(brokers: &str, events: &str, count: u64) -> ((f64, f64), u64) {
    let deployment = Deployment::of(events, "");
    let mut instance = deployment.start("a");
    let begun = Instant::now();
    let [subjects, partials] = ["subjects", "partials"].map(|topic| format!("{}{topic}", deployment.prefix));
    let stages = [("calls", events), ("subjects", &subjects), ("kpis", &partials)];
    let [calls, subjects, kpis] = stages.map(|(stage, topic)| Group::open(brokers, &deployment.group(stage), topic));
    let mut wait_for = |what: &str, is_done: &dyn Fn() -> bool| {
        while !is_done() {
            assert!(instance.is_running() && begun.elapsed() < PATIENCE, "{what}: see {}", deployment.dir.display());
            thread::sleep(Duration::from_millis(50));
        }
    };
    wait_for("events", &|| calls.committed().values().sum::<i64>() == count as i64);
    for (stage, of) in [("subjects", &subjects), ("kpis", &kpis)] {
        // What the stage before wrote last is a commit mark, behind the last batch.
        let ends = of.ends();
        wait_for(stage, &|| {
            let committed = of.committed();
            ends.iter().all(|(partition, end)| committed.get(partition).is_some_and(|at| end - 1 <= *at))
        });
    }
    let process = instance.0.id();
    ((begun.elapsed().as_secs_f64(), cpu::of(process).as_secs_f64()), cpu::peak_mib(process))
}

/// How far a consumer group is, seen from outside.
struct Group {
    client: BaseConsumer,
    topic: String,
}

impl Group {
    fn open(brokers: &str, group: &str, topic: &str) -> Group {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", group);
        Group { client: config.create().expect("a client"), topic: topic.to_string() }
    }

    fn committed(&self) -> HashMap<i32, i64> {
        let mut places = TopicPartitionList::new();
        places.add_partition_range(&self.topic, 0, PARTITIONS - 1);
        let answer = self.client.committed_offsets(places, Duration::from_secs(10));
        let Ok(answer) = answer else { return HashMap::new() };
        let places = answer.elements();
        places.iter().filter_map(|place| Some((place.partition(), place.offset().to_raw()?.max(0)))).collect()
    }

    fn ends(&self) -> HashMap<i32, i64> {
        let end = |partition| {
            let ends = self.client.fetch_watermarks(&self.topic, partition, Duration::from_secs(10));
            (partition, ends.expect("the end of a partition").1)
        };
        (0..PARTITIONS).map(end).collect()
    }
}
