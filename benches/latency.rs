//! How long an event takes to its queue's KPI record, over a real Kafka.
//!
//! From handing an event to the producer until a reader of committed records holds the record of its
//! queue's `5m` window that counts it. Each call is queued, answered and ended; the ordinal of an event in
//! its queue is held against `offered`, `answered` and `handled`. The floor is the same way without us:
//! until a plain reader of the event topic has the event itself. The first third of a run warms the
//! broker up and is left out.

use crate::deployment::{Deployment, create_events, reader};
use crate::figures::percentile;
use crate::kafka;
use crate::number;
use callpulse::stream::feed::Feed;
use rdkafka::Offset;
use rdkafka::message::{BorrowedMessage, Message};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const QUEUES: usize = 20;

pub fn measure(emit_every: &str) {
    let (rate, seconds) = (number("RATE", 1_000), number("SECONDS", 60));
    let brokers = kafka::shared().brokers;
    let events = kafka::unique("bench") + ".events";
    create_events(&events);
    let deployment = Deployment::of(&events, &format!("emit_every = \"{emit_every}\""));
    let _instance = deployment.start("a");
    let stop = Arc::new(AtomicBool::new(false));
    let (board, board_seen) = channel();
    let (plain, plain_seen) = channel();
    let watching = [
        watch(&brokers, &deployment.board(), &stop, move |message| {
            let (at, key) = (Instant::now(), message.key().unwrap_or_default());
            if let (true, Some(value)) =
                (key.ends_with(b"|5m") && key.starts_with(b"default|queue|q"), message.payload())
            {
                let queue: usize =
                    std::str::from_utf8(&key[15..key.len() - 3]).expect("text").parse().expect("a queue");
                let Counts { offered, answered, handled } =
                    serde_json::from_slice::<Seen>(value).expect("a record").counts;
                let _ = board.send((queue, [offered, answered, handled], at));
            }
        }),
        watch(&brokers, &events, &stop, move |message| {
            let _ = plain.send((message.key().unwrap_or_default().to_vec(), Instant::now()));
        }),
    ];
    // The instance is up when it has a group.
    thread::sleep(Duration::from_secs(5));
    let sent = load(&events, rate, seconds);
    thread::sleep(Duration::from_secs(3));
    stop.store(true, Ordering::Relaxed);
    for thread in watching {
        thread.join().expect("a reader");
    }
    let warm = sent.len() / 3;
    // By queue and kind: when the record with so many came.
    let mut reached: Vec<[Vec<Instant>; 3]> = (0..QUEUES).map(|_| Default::default()).collect();
    for (queue, counts, at) in board_seen.try_iter() {
        for (seen, count) in reached[queue].iter_mut().zip(counts) {
            while seen.len() < count {
                seen.push(at);
            }
        }
    }
    let mut ordinals = vec![[0; 3]; QUEUES];
    let mut latencies = Vec::new();
    let mut missing = 0;
    for (place, event) in sent.iter().enumerate() {
        let ordinal = &mut ordinals[event.queue][event.kind];
        *ordinal += 1;
        match reached[event.queue][event.kind].get(*ordinal - 1) {
            Some(at) if warm <= place => latencies.push((*at - event.at).as_secs_f64() * 1e3),
            Some(_) => {}
            None => missing += 1,
        }
    }
    assert_eq!(missing, 0, "events that no KPI record counts");
    // Events of one call come in order, so the first of a key is the first sent.
    let mut floors = Vec::new();
    let mut order: HashMap<Vec<u8>, usize> = HashMap::new();
    for (key, at) in plain_seen.try_iter() {
        let number: usize = std::str::from_utf8(&key[1..]).expect("text").parse().expect("a call");
        let turn = order.entry(key).or_insert(0);
        let place = number * 3 + *turn;
        *turn += 1;
        if warm <= place {
            floors.push((at - sent[place].at).as_secs_f64() * 1e3);
        }
    }
    latencies.sort_by(f64::total_cmp);
    floors.sort_by(f64::total_cmp);
    println!("latency, emit_every = {emit_every}: {rate} events/s for {seconds} s, {QUEUES} queues, ms");
    println!("{:<34}{:>8}{:>8}{:>8}{:>8}", "", "p50", "p90", "p99", "most");
    let rows = [("event to its plain reader (floor)", &floors), ("event to its queue's KPI record", &latencies)];
    for (row, of) in rows {
        let at = |share| percentile(of, share);
        println!("{row:<34}{:>8.0}{:>8.0}{:>8.0}{:>8.0}", at(0.5), at(0.9), at(0.99), at(1.0));
    }
    println!("{:<34}{:>8.1}\n", "times", percentile(&latencies, 0.5) / percentile(&floors, 0.5));
}

/// What a KPI record is asked.
#[derive(Deserialize)]
struct Seen {
    counts: Counts,
}

#[derive(Deserialize)]
struct Counts {
    offered: usize,
    answered: usize,
    handled: usize,
}

/// An event handed over: its place among those of its kind in its queue, and when.
struct Sent {
    queue: usize,
    /// 0 offered, 1 answered, 2 handled.
    kind: usize,
    at: Instant,
}

fn watch(
    brokers: &str,
    topic: &str,
    stop: &Arc<AtomicBool>,
    mut on: impl FnMut(&BorrowedMessage<'_>) + Send + 'static,
) -> thread::JoinHandle<()> {
    let consumer = reader(brokers, topic, Offset::Beginning);
    let stop = stop.clone();
    thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                on(&message);
            }
        }
    })
}

/// Sends calls of three events one after the other, evenly; one call is over before the next of its queue
/// begins, so that the ordinals of its events are known.
fn load(topic: &str, rate: u64, seconds: u64) -> Vec<Sent> {
    let feed = Feed::open(&kafka::shared(), topic).expect("a producer");
    let begun = Instant::now();
    let mut sent = Vec::new();
    for place in 0..rate * seconds {
        let due = begun + Duration::from_nanos(place * 1_000_000_000 / rate);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let (call, kind) = (place / 3, (place % 3) as usize);
        let queue = call as usize % QUEUES;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis();
        let event = match kind {
            0 => format!(r#"{{"type":"call.queued","time":{now},"call_id":"c{call}","queue":"q{queue}"}}"#),
            1 => format!(
                r#"{{"type":"call.answered","time":{now},"call_id":"c{call}","queue":"q{queue}","agent":"a{}"}}"#,
                call % 200
            ),
            _ => format!(r#"{{"type":"call.ended","time":{now},"call_id":"c{call}","by":"caller"}}"#),
        };
        sent.push(Sent { queue, kind, at: Instant::now() });
        feed.send(&format!("c{call}"), &event, now as i64).expect("written");
    }
    feed.flush().expect("written");
    sent
}
