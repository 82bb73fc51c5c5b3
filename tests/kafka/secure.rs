//! Kafka as it is in companies: TLS, logins, and only those rights that `callpulse topics` lists.
//!
//! Real processes over a guarded broker. Whatever they say, with all logs turned on, holds no secret.

use crate::guarded::{self, Acl, Guarded, SECRET, TOKEN, WRONG, Way, set};
use crate::kafka::unique;
use callpulse::stream::client::Connection;
use callpulse::stream::feed::Feed;
use callpulse::stream::topics::{TopicSpec, create_missing};
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long the engine may take to show what it was given.
const PATIENCE: Duration = Duration::from_secs(120);
/// Seconds after which a process that should have ended is a hang.
const HANG: &str = "120";

/// Monday, 2026-03-02T08:00:00Z.
const EIGHT: i64 = 1_772_438_400_000;

/// A deployment whose topics the admin made.
struct Centre {
    guarded: &'static Guarded,
    prefix: String,
    dir: PathBuf,
}

impl Centre {
    fn new() -> Centre {
        let guarded = guarded::shared();
        let prefix = unique("secure");
        let dir = std::env::temp_dir().join(&prefix);
        fs::create_dir_all(&dir).expect("a directory");
        let centre = Centre { guarded, prefix, dir };
        let events = TopicSpec {
            name: centre.topic("events"),
            partitions: Some(1),
            config: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
        };
        create_missing(&guarded.admin(), &[events], 1).expect("the topic of events");
        let made = centre.callpulse(&guarded.admin(), &["topics", "--create"]);
        assert!(made.status.success(), "{}", said(&made));
        centre
    }

    fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    fn settings(&self, connection: &Connection) -> PathBuf {
        let prefix = &self.prefix;
        let properties = connection.properties.iter().map(|(name, value)| format!("{name:?} = {value:?}\n"));
        let settings = format!(
            "[kafka]\nbrokers = \"{}\"\n[kafka.properties]\n{}\
             [[sources]]\ntopic = \"{prefix}.events\"\n\
             [topics]\npartitions = 1\npartials = \"{prefix}.partials\"\nstate = \"{prefix}.state\"\n\
             kpis = \"{prefix}.kpis\"\nintervals = \"{prefix}.intervals\"\nrejects = \"{prefix}.rejects\"\n\
             calls = \"{prefix}.calls\"\nalerts = \"{prefix}.alerts\"\n[windows]\nintervals = [\"15m\"]\n\
             [serve]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n",
            connection.brokers,
            properties.collect::<String>(),
        );
        let file = self.dir.join(format!("{}.toml", unique("settings")));
        fs::write(&file, settings).expect("the settings");
        file
    }

    fn command(&self, connection: &Connection, words: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=1", HANG, env!("CARGO_BIN_EXE_callpulse")]).args(words);
        command.arg("--config").arg(self.settings(connection)).env("CALLPULSE_LOG", "debug").stdin(Stdio::null());
        command
    }

    /// Runs it to its end, and looks for secrets in what it said.
    fn callpulse(&self, connection: &Connection, words: &[&str]) -> Output {
        let output = self.command(connection, words).output().expect("callpulse");
        let all = said(&output);
        assert!(!all.contains(SECRET), "a secret: {all}");
        output
    }

    /// The sentence it ends with, which is the last line.
    #[track_caller]
    fn refusal(&self, connection: &Connection, words: &[&str]) -> String {
        let output = self.callpulse(connection, words);
        let all = said(&output);
        assert_eq!(output.status.code(), Some(1), "{all}");
        all.lines().last().expect("a sentence").to_owned()
    }

    /// What has to be granted, as it prints it.
    fn acls(&self) -> Vec<Acl> {
        let printed = self.callpulse(&self.guarded.admin(), &["topics"]);
        let acls = Acl::parse(&String::from_utf8_lossy(&printed.stdout));
        assert!(10 < acls.len(), "{acls:?}");
        acls
    }

    /// Queues so many calls which are over a quarter of an hour later, and something that is no event.
    fn feed(&self, round: i64, calls: i64) {
        let feed = Feed::open(&self.guarded.admin(), &self.topic("events")).expect("a producer");
        let at = EIGHT + round * 3_600_000;
        for call in 0..calls {
            let id = format!("c{round}-{call}");
            for (kind, at, more) in [("queued", at, r#","queue":"sales""#), ("ended", at + 900_000, "")] {
                let told = format!(r#"{{"type":"call.{kind}","time":{at},"call_id":"{id}"{more}}}"#);
                feed.send(&id, &told, at).expect("written");
            }
        }
        feed.send("poison", "{", at).expect("written");
        feed.flush().expect("written");
    }

    /// Waits until the board says how many calls were offered in all.
    fn wait_for(&self, offered: i64) {
        let mut config = self.guarded.admin().plain();
        config.set("group.id", "reader").set("enable.auto.commit", "false").set("isolation.level", "read_committed");
        let reader: BaseConsumer = config.create().expect("a reader");
        let mut places = TopicPartitionList::new();
        places.add_partition_offset(&self.topic("kpis"), 0, Offset::Beginning).expect("a place");
        reader.assign(&places).expect("an assignment");
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let Some(message) = reader.poll(Duration::from_millis(200)) else { continue };
            let message = message.expect("a record");
            if message.key() == Some(b"default|queue|sales|total") {
                let record: Value = serde_json::from_slice(message.payload().expect("a record")).expect("JSON");
                if record["counts"]["offered"] == offered {
                    return;
                }
            }
        }
        panic!("{offered} calls are not on the board");
    }
}

impl Drop for Centre {
    fn drop(&mut self) {
        // Other tests' topics have other names, and the broker goes.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_way_in_gives_the_numbers_with_what_topics_prints_as_the_only_rights() {
    let centre = Centre::new();
    let acls = centre.acls();
    for (round, way) in Way::ALL.into_iter().enumerate() {
        let mut connection = centre.guarded.connection(way);
        set(&mut connection, &[("debug", "all")]);
        if way != Way::Scram && way != Way::ScramWithoutTls {
            centre.guarded.grant(way.principal(), &acls);
        }
        centre.feed(round as i64, 5);
        let log = centre.dir.join(format!("{way:?}.log"));
        let file = fs::File::create(&log).expect("a log");
        let mut running = centre.command(&connection, &["run"]).stderr(file).spawn().expect("an instance");
        centre.wait_for(5 * (round as i64 + 1));
        let terminate = Command::new("kill").arg(running.id().to_string()).status().expect("kill");
        assert!(terminate.success());
        running.wait().expect("its end");
        let log = String::from_utf8_lossy(&fs::read(&log).expect("a log")).into_owned();
        assert!(log.contains("security.protocol") || log.contains("rdkafka"), "no log of the client at all");
        let told: Vec<&str> = log.lines().filter(|line| line.contains(SECRET)).collect();
        assert!(told.is_empty(), "{way:?} tells secrets: {told:#?}");
        let denied: Vec<&str> = log.lines().filter(|line| line.contains("uthorization failed")).collect();
        assert!(denied.is_empty(), "{way:?}: {denied:#?}");
    }
}

#[test]
fn who_is_not_let_in_hears_which_property_to_look_at() {
    let centre = Centre::new();
    let with = |way: Way, properties: &[(&str, &str)]| {
        let mut connection = centre.guarded.connection(way);
        set(&mut connection, properties);
        connection
    };
    let without = |way: Way, property: &str| {
        let mut connection = centre.guarded.connection(way);
        connection.properties.retain(|name, _| !name.starts_with(property));
        connection
    };
    let stranger = centre.guarded.stranger();
    for (connection, property) in [
        (with(Way::Plain, &[("sasl.password", WRONG)]), "sasl.password"),
        (with(Way::Scram, &[("sasl.password", WRONG)]), "sasl.password"),
        (with(Way::ScramWithoutTls, &[("sasl.mechanism", "PLAIN")]), "sasl.mechanism"),
        (with(Way::Tls, &[("ssl.ca.location", &stranger)]), "ssl.ca.location"),
        (with(Way::Plain, &[("ssl.ca.location", &stranger)]), "ssl.ca.location"),
        (without(Way::MutualTls, "ssl.keystore"), "ssl.keystore.location"),
        (without(Way::Tls, "s"), "security.protocol"),
        (with(Way::Tls, &[("ssl.ca.location", "nowhere.pem")]), "ssl.ca.location"),
        (with(Way::MutualTls, &[("ssl.keystore.password", WRONG)]), "ssl.keystore"),
    ] {
        let sentence = centre.refusal(&connection, &["run"]);
        assert!(sentence.contains(property), "{property} is not in: {sentence}");
    }
}

#[test]
fn a_right_that_is_missing_is_named() {
    let centre = Centre::new();
    let mut acls = centre.acls();
    // What always fires is told once, by whoever commits first: nobody may have before the right to tell it is missing.
    acls.sort_by_key(|acl| acl.name != centre.topic("alerts") || acl.operation != "Write");
    for (number, missing) in acls.iter().enumerate() {
        let (principal, connection) = centre.guarded.lacking(number);
        let others: Vec<Acl> = acls.iter().filter(|acl| *acl != missing).cloned().collect();
        centre.guarded.grant(&principal, &others);
        centre.feed(number as i64, 2);
        let sentence = centre.refusal(&connection, &["run"]);
        assert!(sentence.contains(&missing.name), "{missing:?}: {sentence}");
        assert!(sentence.contains(&missing.operation), "{missing:?}: {sentence}");
    }
}
