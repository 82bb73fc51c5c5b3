//! The centre that is shown: two weeks of few calls, then calls as they happen, written to a real Kafka.

use crate::alert_records::{firing, key, resolved};
use crate::deployment::{Deployment, Instance};
use crate::kafka;
use callpulse::decode::json;
use callpulse::event::Event;
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::{Marks, Shape, SimSettings};
use callpulse::stream::feed::Feed;
use callpulse::stream::stop::Stop;
use callpulse::time::{EventTime, Span};
use std::fs;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Long enough for one whole week to be over, whatever day it is.
const HISTORY: Span = Span::from_hours(24 * 15);
/// What is played at once before now, so that every window has calls.
const LATELY: Span = Span::from_hours(1);
const HOUR: Span = Span::from_hours(1);

/// Callpulse at work over what the centre sends.
pub struct AtWork {
    pub deployment: Deployment,
    /// Where it listens.
    pub address: String,
    _instance: Instance,
    stop: Stop,
    sending: Option<JoinHandle<()>>,
}

impl AtWork {
    pub fn start() -> AtWork {
        let connection = kafka::shared();
        let deployment = Deployment::in_zone(&connection, "UTC");
        let config = deployment.dir.join("a.toml");
        let mut settings = fs::read_to_string(&config).expect("the settings");
        settings = settings.replace("[topics]", "silent_after = \"5m\"\n[topics]");
        settings = settings.replace(deployment.intervals, "\"1h\", \"1d\"");
        settings = settings.replace("[windows]", "[windows]\nsliding = [\"5m\", \"30m\", \"2h\"]");
        settings.push_str(
            "[queues.sales]\ntitle = \"Sales\"\ntargets = { average_speed_of_answer = 15, abandonment_rate = 0.05 }\n\
             [queues.support]\ntitle = \"Support\"\nthreshold = \"30s\"\ntarget = 0.75\n\
             targets = { average_speed_of_answer = 25, abandonment_rate = 0.08 }\n\
             [queues.billing]\ntitle = \"Billing\"\nthreshold = \"60s\"\ntarget = 0.7\n\
             [queues.vip]\ntitle = \"Key accounts\"\nthreshold = \"10s\"\ntarget = 0.95\nalso = [\"offered\"]\n\
             [teams.front]\nqueues = [\"sales\", \"support\"]\n",
        );
        fs::write(&config, settings).expect("the settings");
        let alerts = Feed::open(&connection, &deployment.topic("alerts")).expect("a producer");
        for record in [
            firing("abandonment", "sales", clock()),
            firing("long_wait", "vip", clock()),
            resolved(firing("abandonment", "support", clock().minus(HOUR)), clock()),
        ] {
            alerts.send(&key(&record), &record.to_string(), clock().0).expect("sent");
        }
        alerts.flush().expect("all arrived");
        let stop = Stop::new();
        let (asked, topic) = (stop.clone(), deployment.topic("acd.events"));
        let sending = thread::spawn(move || send(&Feed::open(&connection, &topic).expect("a producer"), &asked));
        let instance = deployment.start("a");
        let address = address(&deployment);
        AtWork { deployment, address, _instance: instance, stop, sending: Some(sending) }
    }

    /// No more calls come; what was sent is told.
    pub fn end_calls(&mut self) {
        self.stop.request();
        if let Some(sending) = self.sending.take() {
            sending.join().expect("all was sent");
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.end_calls();
    }
}

/// Where it says that it listens.
fn address(deployment: &Deployment) -> String {
    crate::scraped::until("it says where it listens", || {
        let log = deployment.log();
        let line = log.lines().find(|line| line.contains("ready to serve"))?;
        let at = line.find("127.0.0.1:")?;
        Some(line[at..].chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect())
    })
}

fn send(feed: &Feed, stop: &Stop) {
    let now = clock();
    // History tells of the hours of the week alone: calls that nobody answers, and so of no agent.
    for hour in 0..HISTORY.0 / HOUR.0 {
        let at = now.minus(HISTORY).plus(Span(hour * HOUR.0));
        for (queue, every) in [("sales", 1), ("support", 1 + hour % 5)] {
            for call in 0..every {
                let (id, end) = (format!("history-{queue}-{hour}-{call}"), at.plus(Span(30_000)));
                let queued = format!(r#"{{"type":"call.queued","time":"{at}","call_id":"{id}","queue":"{queue}"}}"#);
                let ended = format!(r#"{{"type":"call.ended","time":"{end}","call_id":"{id}","by":"caller"}}"#);
                feed.send(&id, &queued, at.0).expect("sent");
                feed.send(&id, &ended, end.0).expect("sent");
            }
        }
    }
    feed.send("", "no event", now.0).expect("sent");
    let lately = SimSettings {
        seed: 2,
        calls: u64::MAX,
        start: now.minus(LATELY),
        calls_per_hour: 480,
        agents: Some(36),
        shape: Shape::Flat,
        marks: Marks::Bare,
        keeps_books: false,
        ..SimSettings::default()
    };
    for (at, event) in Centre::new(lately) {
        let early = Duration::from_millis((at.0 - clock().0).max(0) as u64);
        if stop.wait(early) {
            break;
        }
        write(feed, at, &event);
    }
    feed.flush().expect("all arrived");
}

fn write(feed: &Feed, at: EventTime, event: &Event<'_>) {
    // Without a call it is about an agent.
    let key = event.call_id.as_deref().or(event.agent.as_deref()).unwrap_or_default();
    feed.send(key, &json::encode(event), at.0).expect("sent");
}

fn clock() -> EventTime {
    EventTime(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64)
}
