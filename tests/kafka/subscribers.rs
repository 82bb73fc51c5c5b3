//! The examples of docs/examples read what a real engine publishes, and end with the newest record of each key;
//! and so does the program's own board, in whatever form records are written.

use crate::deployment::{Deployment, Instance, PARTITIONS, PATIENCE, Reader, committed};
use crate::kafka;
use crate::schemas::knows;
use callpulse::decode::json;
use callpulse::serve::board::Board;
use callpulse::serve::filter::Filter;
use callpulse::serve::subscriber::{self, subscribe};
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::SimSettings;
use callpulse::stream::feed::Feed;
use callpulse::stream::follow::{Followed, Source};
use callpulse::stream::outlet::to_json;
use callpulse::stream::schema;
use callpulse::stream::stop::Stop;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the first instance publishes, and the second no longer.
const GONE: &str = "default|tenant|default|5m";
const STAYS: &str = "default|tenant|default|30m";
/// No event.
const POISON: &str = "{";

#[test]
fn the_examples_and_the_board_end_with_the_newest_record_of_each_key() {
    let deployment = Deployment::on(&kafka::shared());
    let (kpis, intervals) = (deployment.topic("kpis"), deployment.topic("intervals"));
    let mut board = Reader::open(&deployment.brokers, &kpis);
    feed(&deployment);
    let first = start(&deployment, &[]);
    wait_until(&deployment, &mut board, |board| board.last().contains_key(GONE));
    drop(first);
    // A window that is configured no longer ends with tombstones.
    let second = start(&deployment, &[("CALLPULSE_WINDOWS__SLIDING", "['30m']")]);
    wait_until(&deployment, &mut board, |board| !board.last().contains_key(GONE));
    drop(second);
    board.read_out();
    let mut archive = Reader::open(&deployment.brokers, &intervals);
    archive.read_out();
    let wanted = owned(&board);
    assert!(20 < wanted.len() && 20 < archive.last().len(), "{} and {}", wanted.len(), archive.last().len());
    println!("{} records are of their schemas", each_is_of_its_schema(&deployment));
    mislead(&deployment.brokers, &kpis, &wanted[STAYS]);

    if let Some(python) = python() {
        let run = |script: &str, more: &[&str]| {
            let mut command = Command::new(&python);
            command.arg(examples().join(script)).args(["--brokers", &deployment.brokers, "--once"]).args(more);
            said(command)
        };
        same(&by_line(&run("board.py", &["--topic", &kpis])), &wanted, "board.py");
        let database = deployment.dir.join("intervals.db");
        let database = database.to_str().expect("a path of text");
        // The second group reads what the first one has written.
        for group in ["archive-1", "archive-2"] {
            let group = format!("{kpis}-{group}");
            run("archive.py", &["--topic", &intervals, "--group", &group, "--database", database]);
        }
        let mut rows = Command::new(&python);
        let query = "import sqlite3, sys\nfor row in sqlite3.connect(sys.argv[1]).execute('select key, record from intervals'): print(*row, sep='\\t')";
        rows.args(["-c", query, database]);
        same(&by_line(&said(rows)), &owned(&archive), "archive.py");
    }
    if let Some(mut java) = java() {
        java.arg(examples().join("Board.java")).args([&deployment.brokers, &kpis]).arg("--once");
        same(&by_line(&said(java)), &wanted, "Board.java");
    }
    each_form_is_read(&deployment, &kpis);
    fs::remove_dir_all(&deployment.dir).expect("the directory to go");
}

/// Every record of every topic, and its headers. Answers how many.
fn each_is_of_its_schema(deployment: &Deployment) -> usize {
    let [kpi, call, progress] = [callpulse::kpi::schema::record(), schema::call(), schema::progress()];
    let (headers, reject) = (schema::headers(), schema::reject());
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for name in ["kpis", "intervals", "calls", "rejects"] {
        each(&deployment.brokers, &deployment.topic(name), |message| {
            let told = message.headers().into_iter().flat_map(Headers::iter);
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            let told: Map<String, Value> =
                told.map(|header| (header.key.to_string(), Value::String(text(header.value)))).collect();
            let Some(value) = message.payload() else {
                assert!(told.is_empty(), "{told:?}");
                return;
            };
            let told = Value::Object(told);
            if name == "rejects" {
                assert!(knows(&reject, &told), "{told}");
                assert_eq!(value, POISON.as_bytes());
                *seen.entry(name).or_default() += 1;
                return;
            }
            assert!(knows(&headers, &told), "{told}");
            let record: Value = serde_json::from_slice(value).expect("JSON");
            let (sort, schema) = match record["schema"].as_str() {
                Some("callpulse.kpi.v1") => (name, &kpi),
                Some("callpulse.call.v1") => (name, &call),
                _ => ("progress", &progress),
            };
            assert!(knows(schema, &record), "{record}");
            assert_eq!(told["ce_type"], record["schema"]);
            *seen.entry(sort).or_default() += 1;
        });
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    seen.values().sum()
}

/// JSON, then protobuf, then either of them framed, all in one topic: the board has the newest of all.
fn each_form_is_read(deployment: &Deployment, topic: &str) {
    let ids = ["KPI", "PROGRESS", "CALL"].map(|of| format!("CALLPULSE_OUTPUT__SCHEMA_IDS__{of}"));
    let framed = ids.iter().map(|name| (name.as_str(), "77"));
    let protobuf = ("CALLPULSE_OUTPUT__FORMAT", "protobuf");
    for (form, begins) in [
        (vec![protobuf], &b"\x0a\x10callpulse.kpi.v1"[..]),
        (framed.clone().chain([protobuf]).collect(), b"\0\0\0\0\x4d\0\x0a\x10callpulse.kpi.v1"),
        (framed.collect(), b"\0\0\0\0\x4d{\"schema\":\"callpulse.kpi.v1\""),
    ] {
        let before = read_all(&deployment.brokers, topic).len();
        let instance = start(deployment, &form);
        let until = Instant::now() + PATIENCE;
        let mut records = Vec::new();
        while !records.iter().skip(before).any(|(_, value): &(String, Vec<u8>)| value.starts_with(begins)) {
            assert!(Instant::now() < until, "nothing in this form\n{}", deployment.log());
            records = read_all(&deployment.brokers, topic);
        }
        drop(instance);
    }
    let mut newest: BTreeMap<String, Value> = BTreeMap::new();
    for (key, value) in read_all(&deployment.brokers, topic) {
        if key.starts_with("progress|") || value.is_empty() {
            newest.remove(&key);
            continue;
        }
        let record: Value = serde_json::from_slice(&to_json(&value)).expect("a record");
        let is_newer = newest.get(&key).is_none_or(|have| have["version"].as_u64() < record["version"].as_u64());
        if is_newer {
            newest.insert(key, record);
        }
    }
    let board = board(&deployment.brokers, topic);
    let shown = board.records(&Filter::default());
    assert_eq!(shown.len(), newest.len());
    for (record, (key, wanted)) in shown.iter().zip(&newest) {
        assert_eq!(serde_json::to_value(record).expect("JSON"), *wanted, "{key}");
    }
    assert_eq!(board.read().progress.len(), PARTITIONS as usize);
}

/// The program's own subscriber, when it has read the topic to its end.
fn board(brokers: &str, topic: &str) -> Arc<Board> {
    let board = Arc::new(Board::default());
    let source = Source {
        connection: callpulse::stream::client::Connection { brokers: brokers.to_string(), ..Default::default() },
        group: kafka::unique("board"),
        topic: topic.to_string(),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let shown = board.clone();
    let onto = move |followed: Followed<'_>| subscriber::feed(&shown, followed);
    let thread = subscribe(source, stop.clone(), Stop::new(), onto).expect("a thread");
    let until = Instant::now() + PATIENCE;
    while !board.is_caught_up() {
        assert!(Instant::now() < until, "the board does not catch up");
        // Takes about as long.
        read_all(brokers, topic);
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("an end").expect("nobody is refused");
    board
}

fn feed(deployment: &Deployment) {
    let settings = SimSettings { seed: 3, calls: 150, keeps_books: false, ..SimSettings::default() };
    let feed = Feed::open(&kafka::shared(), &deployment.topic("acd.events")).expect("a producer");
    let mut latest = 0;
    for (_, event) in Centre::new(settings) {
        latest = event.time.0;
        let key = event.call_id.as_deref().unwrap_or("agents");
        feed.send(key, &json::encode(&event), event.time.0).expect("written");
    }
    feed.send("poison", POISON, latest).expect("written");
    feed.flush().expect("written");
}

fn start(deployment: &Deployment, environment: &[(&str, &str)]) -> Instance {
    let log = File::options().create(true).append(true).open(deployment.dir.join("a.log")).expect("a log");
    let mut command = deployment.callpulse("a", &["run"]);
    command.envs(environment.iter().copied()).stderr(log).stdout(Stdio::null());
    Instance(command.spawn().expect("an instance"))
}

fn wait_until(deployment: &Deployment, board: &mut Reader, is_so: impl Fn(&Reader) -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so(board) {
        assert!(Instant::now() < until, "{}", deployment.log());
        board.read_out();
    }
}

/// Writes what a reader must not take: a record older than the one it has, and a newer one that is never committed.
fn mislead(brokers: &str, topic: &str, newest: &Value) {
    let version = newest["version"].as_u64().expect("a version");
    let changed = |version: u64| {
        let mut record = newest.clone();
        record["version"] = version.into();
        record["counts"]["offered"] = (-1).into();
        record.to_string()
    };
    let partition = read_place(brokers, topic);
    let producer = |id: Option<String>| -> BaseProducer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers);
        if let Some(id) = id {
            config.set("transactional.id", id);
        }
        config.create().expect("a producer")
    };
    let send = |producer: &BaseProducer, value: String| {
        producer.send(BaseRecord::to(topic).partition(partition).key(STAYS).payload(&value)).expect("room");
        producer.flush(PATIENCE).expect("a record that arrived");
    };
    send(&producer(None), changed(version - 1));
    let liar = producer(Some(kafka::unique("liar")));
    liar.init_transactions(PATIENCE).expect("transactions");
    liar.begin_transaction().expect("a transaction");
    send(&liar, changed(version + 1));
    liar.abort_transaction(PATIENCE).expect("its end");
}

/// The partition that holds the records which stay.
fn read_place(brokers: &str, topic: &str) -> i32 {
    let mut found = None;
    each(brokers, topic, |message| {
        found = (message.key() == Some(STAYS.as_bytes())).then_some(message.partition()).or(found);
    });
    found.expect("records that stay")
}

/// Keys and values; an empty value is a tombstone.
fn read_all(brokers: &str, topic: &str) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    each(brokers, topic, |message| {
        let key = std::str::from_utf8(message.key().expect("a key")).expect("text");
        all.push((key.to_string(), message.payload().unwrap_or_default().to_vec()));
    });
    all
}

/// Everything committed.
fn each(brokers: &str, topic: &str, mut take: impl FnMut(&BorrowedMessage<'_>)) {
    let consumer = committed(brokers, topic);
    let mut ends = 0;
    while ends < PARTITIONS {
        match consumer.poll(Duration::from_secs(10)) {
            Some(Ok(message)) => take(&message),
            Some(Err(KafkaError::PartitionEOF(_))) => ends += 1,
            Some(Err(error)) => panic!("{topic} cannot be read: {error}"),
            None => panic!("{topic} does not come to its end"),
        }
    }
}

fn owned(reader: &Reader) -> BTreeMap<String, Value> {
    reader.last().into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}

fn by_line(text: &str) -> BTreeMap<String, Value> {
    let pairs = text.lines().map(|line| line.split_once('\t').unwrap_or_else(|| panic!("no key in {line}")));
    pairs.map(|(key, record)| (key.to_string(), serde_json::from_str(record).expect("a record"))).collect()
}

fn same(found: &BTreeMap<String, Value>, wanted: &BTreeMap<String, Value>, of: &str) {
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{of}");
    for (key, wanted) in wanted {
        assert_eq!(&found[key], wanted, "{of}: {key}");
    }
    println!("{of} ends with the {} newest records", wanted.len());
}

/// What a program prints; boards tell on standard error how old it is.
fn said(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("a program that runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    let is_board = format!("{command:?}").contains("oard.");
    assert!(!is_board || told.contains("complete up to 20") && told.contains(" s ago"), "no age: {told}");
    String::from_utf8(output.stdout).expect("text")
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples")
}

/// A Python with what the examples ask for, made once; none where that cannot be had.
fn python() -> Option<PathBuf> {
    let own = kafka::cache().join("python-confluent-kafka-2.16");
    let python = own.join("bin/python");
    let made = own.join("made");
    if !made.exists() {
        fs::create_dir_all(kafka::cache()).expect("the cache");
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&own);
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "confluent-kafka>=2.16,<3"]);
        for mut step in [venv, install] {
            match step.output() {
                Ok(output) if output.status.success() => {}
                Ok(output) => return without(&format!("{step:?}: {}", String::from_utf8_lossy(&output.stderr))),
                Err(error) => return without(&format!("{step:?}: {error}")),
            }
        }
        File::create(made).expect("the mark");
    }
    Some(python)
}

/// A Java that compiles, with the tests' Kafka on its class path; none where that cannot be had.
fn java() -> Option<Command> {
    if std::env::var_os("CALLPULSE_TEST_KAFKA").is_some() && !kafka::has_jars() {
        println!("skipped: the example in Java, whose jars come with the tests' own Kafka");
        return None;
    }
    if Command::new("javac").arg("-version").output().is_err() {
        return without("there is no javac");
    }
    let jars = kafka::jars();
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp"]).arg(jars.join("*"));
    Some(java)
}

fn without<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "{why}; ./prerequisites test tells what to install");
    println!("skipped: {why}");
    None
}
