//! A running engine over a real Kafka: before its first event, and with half an hour of a simulated centre behind it.

use crate::alert_records::{firing, key, resolved};
use crate::kafka::{shared, unique};
use crate::node::{has_browser, tell};
use callpulse::decode::json;
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::{Shape, SimSettings};
use callpulse::stream::client::Connection;
use callpulse::stream::feed::Feed;
use callpulse::stream::topics::{TopicSpec, create_missing};
use callpulse::time::EventTime;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

const TOKEN: &str = "a-token-for-tests";

/// `callpulse run`, gone with the test.
struct Engine {
    process: Child,
    dir: PathBuf,
}

impl Engine {
    fn start(connection: &Connection, events: &str, port: u16) -> Engine {
        let dir = std::env::temp_dir().join(unique("callpulse-wallboard"));
        fs::create_dir_all(&dir).expect("a directory");
        let config = dir.join("callpulse.toml");
        fs::write(&config, settings(&connection.brokers, events, port)).expect("the settings");
        let callpulse = |words: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_callpulse"));
            command.args(words).arg("--config").arg(&config).stdin(Stdio::null()).stdout(Stdio::null());
            command
        };
        let made = callpulse(&["topics", "--create"]).status().expect("callpulse topics");
        assert!(made.success(), "the topics could not be made; the reason stands above");
        let log = fs::File::create(dir.join("log")).expect("a log");
        let process = callpulse(&["run"]).stderr(log).spawn().expect("callpulse run");
        Engine { process, dir }
    }

    /// Stands still, or goes on.
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.process.id().to_string()]).status().expect("kill");
        assert!(sent.success(), "{name} was not sent");
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            println!("{}", fs::read_to_string(self.dir.join("log")).unwrap_or_default());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn settings(brokers: &str, events: &str, port: u16) -> String {
    format!(
        "[kafka]\nbrokers = \"{brokers}\"\n[[sources]]\ntopic = \"{events}\"\n\
         [topics]\npartitions = 2\npartials = \"{events}.partials\"\nsubjects = \"{events}.subjects\"\n\
         state = \"{events}.state\"\nkpis = \"{events}.kpis\"\nintervals = \"{events}.intervals\"\n\
         rejects = \"{events}.rejects\"\ncalls = \"{events}.calls\"\nalerts = \"{events}.alerts\"\n\
         [windows]\nsliding = [\"150s\", \"30m\"]\nintervals = [\"15m\", \"1d\"]\n\
         [queues.sales]\ntitle = \"Sales\"\n\
         targets = {{ average_speed_of_answer = 15, abandonment_rate = 0.05, average_wait = 20 }}\n\
         [queues.support]\ntitle = \"Support\"\nthreshold = \"30s\"\n\
         [teams.front]\nqueues = [\"sales\", \"support\"]\n\
         [serve]\nlisten = \"127.0.0.1:{port}\"\ntoken = \"{TOKEN}\"\n"
    )
}

fn clock() -> EventTime {
    EventTime(SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis() as i64)
}

/// Half an hour of a simulated centre, up to now.
fn begin(feed: &Feed) {
    let now = clock();
    let centre = Centre::new(SimSettings {
        calls: u64::MAX,
        start: EventTime(now.0 - 30 * 60_000),
        calls_per_hour: 400,
        agents: Some(34),
        shape: Shape::Flat,
        keeps_books: false,
        ..SimSettings::default()
    });
    for (at, event) in centre.take_while(|(at, _)| *at < now) {
        let key = event.call_id.as_deref().or(event.agent.as_deref()).unwrap_or_default();
        feed.send(key, &json::encode(&event), at.0).expect("an event sent");
    }
    feed.flush().expect("the past sent");
}

#[test]
fn the_wallboard_of_a_running_engine() {
    if !has_browser() {
        return;
    }
    let connection = shared();
    let events = unique("wallboard");
    let topic = TopicSpec { name: events.clone(), partitions: Some(2), config: BTreeMap::new() };
    create_missing(&connection, &[topic], 1).expect("the topic of events");
    // Nobody else asks for it between here and the start.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr()).expect("a free port").port();
    let engine = Engine::start(&connection, &events, port);
    let feed = Feed::open(&connection, &events).expect("a producer");
    let now = clock();
    let alerts = Feed::open(&connection, &format!("{events}.alerts")).expect("a producer");
    let tell_alert = |record: &Value| {
        alerts.send(&key(record), &record.to_string(), clock().0).expect("an alert sent");
        alerts.flush().expect("an alert sent");
    };
    let mut alert = firing("abandonment", "sales", EventTime(now.0 - 125_000));
    alert["panel_url"] = json!("javascript:alert(1)");
    let mut watchdog = firing("watchdog", "kpis", now);
    watchdog["tenant"] = json!("callpulse");
    watchdog["entity"] = json!({ "kind": "engine", "id": "kpis" });
    tell_alert(&watchdog);
    let mut calls = 0;
    tell("live.mjs", &[&format!("http://127.0.0.1:{port}"), TOKEN], |asked| {
        match asked {
            "call" => {
                calls += 1;
                let at = clock();
                let call =
                    format!(r#"{{"type":"call.queued","time":"{at}","call_id":"late-{calls}","queue":"sales"}}"#);
                feed.send(&format!("late-{calls}"), &call, at.0).expect("a call sent");
                feed.flush().expect("a call sent");
            }
            "begin" => begin(&feed),
            "alert" => tell_alert(&alert),
            "resolve" => tell_alert(&resolved(alert.clone(), clock())),
            "stop" => engine.signal("-STOP"),
            "go" => engine.signal("-CONT"),
            other => panic!("nobody knows how to {other}"),
        }
        None
    });
}
