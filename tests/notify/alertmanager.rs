//! A real Alertmanager (`apt-get install prometheus-alertmanager`): it receives, groups and resolves, and tells each
//! alert once over kills.

use crate::alerts::{firing, resolved};
use crate::kafka::unique;
use crate::queue::{Killable, child};
use crate::receiver::Receiver;
use crate::topic::{Topic, now, target};
use callpulse::time::Span;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PROGRAM: &str = "prometheus-alertmanager";

/// One that tells what it tells to a receiver.
pub struct Alertmanager {
    child: Child,
    address: String,
    dir: PathBuf,
    pub receiver: Receiver,
}

impl Alertmanager {
    /// None, said with a word, if there is no such program.
    pub fn start(group_by: &str) -> Option<Alertmanager> {
        let receiver = Receiver::start();
        let dir = std::env::temp_dir().join(unique("callpulse-alertmanager"));
        fs::create_dir_all(&dir).expect("a directory");
        let config = format!(
            "route: {{receiver: desk, group_by: [{group_by}], group_wait: 100ms, group_interval: 500ms, repeat_interval: 1h}}\n\
             receivers: [{{name: desk, webhook_configs: [{{url: '{}', send_resolved: true}}]}}]\n",
            receiver.url
        );
        fs::write(dir.join("config.yml"), config).expect("its settings");
        let mut command = Command::new(PROGRAM);
        command.arg(format!("--config.file={}", dir.join("config.yml").display()));
        command.arg(format!("--storage.path={}", dir.display()));
        command.args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let Ok(mut child) = started else {
            println!("skipped: {PROGRAM} is not here");
            return None;
        };
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let mut log = Vec::new();
        let address = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it does not start: {log:#?}")).expect("text");
            let at = line.split_once("address=").filter(|_| line.contains("istening on"));
            if let Some((_, rest)) = at {
                break rest.split_whitespace().next().expect("an address").to_owned();
            }
            log.push(line);
        };
        std::thread::spawn(move || lines.for_each(drop));
        Some(Alertmanager { child, address, dir, receiver })
    }

    pub fn settings(&self, more: &str) -> String {
        format!("kind = \"alertmanager\"\nurls = [\"http://{}\"]\n{more}", self.address)
    }

    /// What it holds as firing.
    pub fn alerts(&self) -> Vec<Value> {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let ask = "GET /api/v2/alerts HTTP/1.0\r\nhost: test\r\n\r\n";
        stream.write_all(ask.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("JSON")
    }

    /// What it tells next: `id status` of each alert in the message.
    #[track_caller]
    fn tells(&self) -> Vec<String> {
        let body = self.receiver.next().body();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let alerts = body["alerts"].as_array().expect("alerts");
        let mut told: Vec<String> =
            alerts.iter().map(|one| format!("{} {}", text(&one["labels"]["id"]), text(&one["status"]))).collect();
        told.sort();
        told
    }
}

impl Alertmanager {
    /// Waits until it has told something, and counts what it tells.
    #[track_caller]
    pub fn tells_until(&self, wanted: &str, told: &mut BTreeMap<String, usize>) {
        while !told.contains_key(wanted) {
            self.tells().into_iter().for_each(|alert| *told.entry(alert).or_default() += 1);
        }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn it_receives_groups_and_resolves() {
    let Some(alertmanager) = Alertmanager::start("alertname, tenant") else { return };
    let topic = Topic::make("groups");
    let since = now().minus(Span::from_secs(60));
    let (mut a, b) = (firing("abandonment", "a", since), firing("abandonment", "b", since));
    a["panel_url"] = "https://example.org/d/queue?var-queue=a".into();
    topic.tell(&[a.clone(), b.clone()]);
    let _notifying = topic.notify(target(&alertmanager.settings("")), "a");
    // Partitions come one after the other.
    while alertmanager.tells() != ["a firing", "b firing"] {}
    let held = alertmanager.alerts();
    assert_eq!(held.len(), 2);
    let held = held.iter().find(|alert| alert["labels"]["id"] == "a").expect("a");
    let labels = serde_json::json!({ "alertname": "abandonment", "severity": "critical", "tenant": "default",
                                     "kind": "queue", "id": "a", "queue": "a" });
    assert_eq!(held["labels"], labels);
    assert_eq!(crate::queue::time(&held["startsAt"]), since);
    assert_eq!(held["generatorURL"], "https://example.org/d/queue?var-queue=a");
    let annotations = &held["annotations"];
    assert_eq!(annotations["summary"], a["title"]);
    assert_eq!(annotations["description"], a["text"]);
    assert_eq!(annotations["runbook_url"], a["runbook_url"]);
    assert_eq!(annotations["dashboard"], a["panel_url"]);
    topic.tell(&[resolved(a, now())]);
    assert_eq!(alertmanager.tells(), ["a resolved", "b firing"]);
    topic.tell(&[resolved(b, now())]);
    assert_eq!(alertmanager.tells(), ["b resolved"]);
    assert_eq!(alertmanager.alerts(), Vec::<Value>::new());
}

#[test]
fn what_fires_stays_while_it_is_told_again_and_ends_when_nobody_does() {
    let Some(alertmanager) = Alertmanager::start("'...'") else { return };
    let topic = Topic::make("resent");
    topic.tell(&[firing("abandonment", "a", now().minus(Span::from_secs(60)))]);
    let notifying = topic.notify(target(&alertmanager.settings("resend_every = \"1s\"")), "a");
    assert_eq!(alertmanager.tells(), ["a firing"]);
    // Twice as long as what is told once would last.
    alertmanager.receiver.nothing_for(Duration::from_secs(8));
    drop(notifying);
    assert_eq!(alertmanager.tells(), ["a resolved"]);
}

#[test]
fn each_alert_is_told_once_over_kills() {
    let Some(alertmanager) = Alertmanager::start("'...'") else { return };
    let kills = std::env::var("CHAOS_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let topic = Topic::make("kills");
    let settings = alertmanager.settings("");
    let mut notifier = Killable(child(&topic.name, &settings));
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    let mut take = |wanted: &str| alertmanager.tells_until(wanted, &mut told);
    for round in 0..kills {
        let (id, other) = (format!("q{round}"), format!("w{round}"));
        let since = now().minus(Span::from_secs(30));
        let (alert, second) = (firing("abandonment", &id, since), firing("waits", &other, since));
        topic.tell(std::slice::from_ref(&alert));
        // Half of the kills come at whatever point it is, half when it has told the alert.
        if round % 2 == 1 {
            take(&format!("{id} firing"));
        }
        topic.tell(std::slice::from_ref(&second));
        drop(std::mem::replace(&mut notifier, Killable(child(&topic.name, &settings))));
        if round % 2 == 0 {
            take(&format!("{id} firing"));
        }
        take(&format!("{other} firing"));
        topic.tell(&[resolved(alert, now())]);
        take(&format!("{id} resolved"));
        topic.tell(&[resolved(second, now())]);
        take(&format!("{other} resolved"));
    }
    alertmanager.receiver.nothing_for(Duration::from_secs(3));
    assert_eq!(told.len(), 4 * kills);
    assert!(told.values().all(|times| *times == 1), "{told:#?}");
    assert_eq!(alertmanager.alerts(), Vec::<Value>::new());
    println!("{kills} kills, {} transitions, each told once", told.len());
}
