//! Events of now from fifty simulated centres, and how far behind them the board is.

use crate::deployment::reader;
use crate::engine::centre;
use crate::kafka;
use callpulse::decode::json;
use callpulse::event::{CallEvent, Channel, Event, Via, What};
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::SimSettings;
use callpulse::stream::feed::Feed;
use callpulse::time::EventTime;
use rdkafka::Offset;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message as _;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Events of a call of these centres, in tenths: with so few agents most callers give up.
const TENTHS_A_CALL: u64 = 28;
const AGENTS_A_CENTRE: usize = 40;

/// What is sent, and has been.
pub struct Load {
    topic: String,
    rate: u64,
    pub sent: AtomicU64,
    is_over: AtomicBool,
}

impl Load {
    pub fn new(topic: &str, rate: u64) -> Load {
        Load { topic: topic.to_string(), rate, sent: AtomicU64::new(0), is_over: AtomicBool::new(false) }
    }

    /// Sends each event when it happens, until told to end.
    pub fn send(&self) {
        let feed = Feed::open(&kafka::shared(), &self.topic).expect("a producer");
        let base = centre(u64::MAX);
        let settings = SimSettings {
            start: EventTime(now()),
            calls_per_hour: self.rate * 3_600 * 10 / TENTHS_A_CALL / base.tenants.len() as u64,
            agents: Some(AGENTS_A_CENTRE),
            ..base
        };
        let mut steady = Steady::default();
        for (at, event) in Centre::new(settings).filter(|(_, event)| steady.keeps(event)) {
            thread::sleep(Duration::from_millis((at.0 - now()).max(0) as u64));
            let key = event.call_id.as_deref().unwrap_or("agents").to_string();
            feed.send(&key, &json::encode(&event), at.0).expect("written");
            self.sent.fetch_add(1, Ordering::Relaxed);
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
        }
        feed.flush().expect("written");
    }

    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Leaves out what waits for an hour, mails, tasks and callbacks, so that a load has as many calls open after minutes as
/// it has after hours.
#[derive(Default)]
struct Steady {
    /// Callbacks that are under way, by tenant and call id.
    callbacks: HashSet<(String, String)>,
}

impl Steady {
    fn keeps(&mut self, event: &Event<'_>) -> bool {
        if matches!(event.channel, Channel::Email | Channel::Task) {
            return false;
        }
        let (What::Call(call), Some(call_id)) = (&event.what, &event.call_id) else { return true };
        let key = (event.tenant.to_string(), call_id.to_string());
        match call {
            CallEvent::Queued { via: Via::Callback, .. } => {
                self.callbacks.insert(key);
                false
            }
            CallEvent::Ended { .. } => !self.callbacks.remove(&key),
            _ => !self.callbacks.contains(&key),
        }
    }
}

/// A reader of how far the engine says to be, as committed.
pub struct Progress {
    reader: BaseConsumer,
    /// By partition: the newest `as_of`, and when it came.
    newest: HashMap<Vec<u8>, (EventTime, Instant)>,
}

/// What was seen in some time, seconds.
#[derive(Default)]
pub struct Seen {
    /// By how much event time was behind the clock, of every record `progress|N`.
    pub behind: Vec<f64>,
    /// The longest time between two advances of one partition.
    pub pause: f64,
}

/// A record `progress|N`.
#[derive(Deserialize)]
struct Record {
    as_of: Option<String>,
}

impl Progress {
    pub fn of(board: &str) -> Progress {
        Progress { reader: reader(&kafka::shared().brokers, board, Offset::End), newest: HashMap::new() }
    }

    /// Watches for so long.
    pub fn watch(&mut self, time: Duration) -> Seen {
        let until = Instant::now() + time;
        let mut seen = Seen::default();
        while Instant::now() < until {
            let Some(Ok(message)) = self.reader.poll(Duration::from_millis(100)) else { continue };
            let key = message.key().unwrap_or_default();
            if !key.starts_with(b"progress|") {
                continue;
            }
            let record: Record = serde_json::from_slice(message.payload().expect("a record")).expect("JSON");
            let Some(as_of) = record.as_of.and_then(|as_of| EventTime::parse(&as_of)) else { continue };
            seen.behind.push((now() - as_of.0) as f64 / 1e3);
            let at = Instant::now();
            match self.newest.get_mut(key) {
                Some((before, _)) if as_of <= *before => {}
                Some(before) => {
                    seen.pause = seen.pause.max((at - before.1).as_secs_f64());
                    *before = (as_of, at);
                }
                None => drop(self.newest.insert(key.to_vec(), (as_of, at))),
            }
        }
        // What still lasts counts, too.
        let lasting = self.newest.values().map(|(_, since)| since.elapsed().as_secs_f64());
        seen.pause = lasting.fold(seen.pause, f64::max);
        seen
    }
}

/// Epoch milliseconds.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64
}
