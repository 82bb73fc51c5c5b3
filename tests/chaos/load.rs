//! The events of a simulated centre, sent while faults happen.

use crate::deployment::Deployment;
use callpulse::decode::json;
use callpulse::event::Event;
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::{Shape, SimSettings};
use callpulse::stream::client::Connection;
use callpulse::stream::feed::Feed;
use callpulse::time::EventTime;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A record that is no event.
pub const POISON: &str = "{\"type\":";
/// How many of the latest events are kept to be told again.
const KEPT: usize = 500;
/// One event in so many is held back, for some seconds.
const HELD_ONE_IN: u64 = 200;

/// When events happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Now, as they are sent.
    Live,
    /// In days gone by, sent as fast as the rate says, and to the end of the last call.
    History,
}

impl When {
    /// As a seed has it.
    pub fn of(seed: u64) -> When {
        if seed % 2 == 1 { When::Live } else { When::History }
    }
}

/// What is sent, and has been.
pub struct Load {
    when: When,
    rate: u64,
    seed: u64,
    /// Of history.
    calls: u64,
    pub sent: AtomicU64,
    is_over: AtomicBool,
    latest: Mutex<VecDeque<Sent>>,
}

/// An event as it was sent.
#[derive(Clone)]
struct Sent {
    key: String,
    value: String,
    at: i64,
}

impl Load {
    pub fn new(when: When, rate: u64, seed: u64, calls: u64) -> Load {
        Load {
            when,
            rate,
            seed,
            calls,
            sent: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            latest: Mutex::new(VecDeque::new()),
        }
    }

    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Sends until told to end, and writes the same events to the deployment's file.
    pub fn send(&self, deployment: &Deployment) {
        let feed = open(deployment);
        let mut file = BufWriter::new(File::create(deployment.events()).expect("a file of events"));
        let mut held: VecDeque<(Instant, Sent)> = VecDeque::new();
        let begun = Instant::now();
        for (place, (at, event)) in Centre::new(self.settings()).enumerate() {
            match self.when {
                _ if !self.is_over.load(Ordering::Relaxed) => self.pace(begun, place as u64, at),
                When::Live => break,
                When::History => {}
            }
            let sent = written(at, &event);
            writeln!(file, "{}", sent.value).expect("the file takes the event");
            self.sent.fetch_add(1, Ordering::Relaxed);
            let now = Instant::now();
            while held.front().is_some_and(|(due, _)| *due <= now) {
                let (_, late) = held.pop_front().expect("seen");
                self.put(&feed, late);
            }
            match place as u64 % HELD_ONE_IN {
                0 => held.push_back((now + Duration::from_secs(7), sent)),
                _ => self.put(&feed, sent),
            }
        }
        for (_, late) in held {
            self.put(&feed, late);
        }
        file.flush().expect("the file takes the events");
        while let Err(error) = feed.flush() {
            eprintln!("events of {} wait for the broker: {error}", deployment.topic("acd.events"));
        }
    }

    /// Waits until the next event is due.
    fn pace(&self, begun: Instant, place: u64, at: EventTime) {
        let due = match self.when {
            When::Live => Duration::from_millis((at.0 - clock()).max(0) as u64),
            When::History => {
                let due = begun + Duration::from_nanos(place * 1_000_000_000 / self.rate);
                due.saturating_duration_since(Instant::now())
            }
        };
        thread::sleep(due);
    }

    /// Sends the latest events once more, the other way round.
    pub fn tell_again(&self, deployment: &Deployment) {
        let feed = open(deployment);
        let latest = self.latest.lock().expect("the latest events").clone();
        for Sent { key, value, at } in latest.iter() {
            feed.send(key, value, *at).expect("written");
        }
        // What does not arrive now was only a repeat.
        let _ = feed.flush();
    }

    /// Sends so many records that are no events.
    pub fn poison(&self, deployment: &Deployment, records: i32) {
        let feed = open(deployment);
        let at = self.latest.lock().expect("the latest events").back().map_or(0, |sent| sent.at);
        for part in 0..records {
            feed.send(&format!("poison-{part}"), POISON, at).expect("written");
        }
        let _ = feed.flush();
    }

    fn put(&self, feed: &Feed, sent: Sent) {
        feed.send(&sent.key, &sent.value, sent.at).expect("written");
        let mut latest = self.latest.lock().expect("the latest events");
        latest.truncate(KEPT - 1);
        latest.push_front(sent);
    }

    fn settings(&self) -> SimSettings {
        let base = SimSettings {
            seed: self.seed,
            calls: u64::MAX,
            keeps_books: false,
            disorder_ms: 300,
            repeats_per_mille: 5,
            ..SimSettings::default()
        };
        match self.when {
            // A call is five events or so; too few agents for so many calls, so that many of them give up.
            When::Live => SimSettings {
                start: EventTime(clock()),
                calls_per_hour: self.rate * 3_600 / 5,
                agents: Some((self.rate as usize / 4).max(40)),
                shape: Shape::Flat,
                ..base
            },
            When::History => SimSettings { calls_per_hour: 500, calls: self.calls, ..base },
        }
    }
}

fn written(at: EventTime, event: &Event<'_>) -> Sent {
    let key = event.call_id.as_deref().unwrap_or("agents").to_string();
    Sent { key, value: json::encode(event), at: at.0 }
}

fn open(deployment: &Deployment) -> Feed {
    let connection = Connection { brokers: deployment.brokers.clone(), ..Connection::default() };
    Feed::open(&connection, &deployment.topic("acd.events")).expect("a producer")
}

fn clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64
}
