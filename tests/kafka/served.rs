//! What an instance serves over HTTP: history as it was archived, and streams that go on over a restart.

use crate::deployment::{Deployment, Instance, PATIENCE, Reader};
use crate::events::{Client, Parser};
use crate::kafka;
use callpulse::decode::json;
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::SimSettings;
use callpulse::stream::feed::Feed;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// An instance and where it listens.
struct Served {
    _instance: Instance,
    address: String,
}

impl Served {
    fn start(deployment: &Deployment, before: usize) -> Served {
        let _instance = deployment.start("a");
        let log = deployment.dir.join("a.log");
        let until = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let told = text.lines().filter_map(|line| line.split_once("listen=").map(|(_, rest)| rest));
            if let Some(address) = told.skip(before).find_map(|rest| rest.split_whitespace().next()) {
                return Served { _instance, address: address.to_owned() };
            }
            assert!(Instant::now() < until, "it does not listen:\n{text}");
        }
    }

    fn ask(&self, path: &str, header: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        stream
    }

    /// The JSON of a page; none while it is not ready.
    fn get(&self, path: &str) -> Option<Value> {
        let mut answer = String::new();
        self.ask(path, "").read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 200 ") || head.starts_with("HTTP/1.1 503 "), "{path}: {answer}");
        head.starts_with("HTTP/1.1 200 ").then(|| serde_json::from_str(body).expect("JSON"))
    }

    /// Follows a stream until the client has what is wanted.
    fn follow(&self, client: &mut Client, mut has_enough: impl FnMut(&Client) -> bool) {
        let mut stream = self.ask("/api/v1/stream?kind=queue", &format!("last-event-id: {}\r\n", client.id));
        let (mut raw, mut parser, mut is_head) = (Vec::new(), Parser::default(), true);
        let until = Instant::now() + PATIENCE;
        let mut chunk = [0; 65_536];
        while Instant::now() < until {
            let count = stream.read(&mut chunk).expect("something to come");
            assert_ne!(count, 0, "the stream goes on");
            raw.extend_from_slice(&chunk[..count]);
            let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n").filter(|_| is_head) else {
                if !is_head {
                    take_chunks(&mut raw, &mut parser, client);
                    if has_enough(client) {
                        return;
                    }
                }
                continue;
            };
            assert!(raw.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&raw));
            raw.drain(..end + 4);
            is_head = false;
        }
        panic!("what was wanted did not come");
    }
}

fn take_chunks(raw: &mut Vec<u8>, parser: &mut Parser, client: &mut Client) {
    while let Some(line) = raw.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&raw[..line]).expect("a length"), 16).expect("a length");
        if raw.len() < line + 2 + length + 2 {
            return;
        }
        let chunk: Vec<u8> = raw.drain(..line + 2 + length + 2).collect();
        parser.take(&chunk[line + 2..line + 2 + length]).iter().for_each(|event| client.take(event));
    }
}

#[test]
fn history_is_what_was_archived_and_a_stream_goes_on_over_a_restart() {
    let deployment = Deployment::on(&kafka::shared());
    let feed = Feed::open(&kafka::shared(), &deployment.topic("acd.events")).expect("a producer");
    let settings = SimSettings { seed: 11, calls: 400, keeps_books: false, ..SimSettings::default() };
    let events: Vec<(String, String, i64)> = Centre::new(settings)
        .map(|(_, event)| {
            let key = event.call_id.as_deref().unwrap_or("agents").to_string();
            (key, json::encode(&event), event.time.0)
        })
        .collect();
    let send = |events: &[(String, String, i64)]| {
        for (key, value, at) in events {
            feed.send(key, value, *at).expect("written");
        }
        feed.flush().expect("written");
    };
    let (before, after) = events.split_at(events.len() / 2);
    send(before);
    let served = Served::start(&deployment, 0);
    let mut client = Client::default();
    served.follow(&mut client, |client| client.is_live && !client.records.is_empty());
    let (told, snapshots) = (client.told, client.snapshots);
    // `kill -9`.
    drop(served);
    send(after);

    let served = Served::start(&deployment, 1);
    client.is_live = false;
    let all = |served: &Served| -> Option<BTreeMap<String, Value>> {
        let page = served.get("/api/v1/kpis?kind=queue").expect("the board");
        let key = |record: &Value| {
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            format!(
                "{}|queue|{}|{}",
                text(&record["tenant"]),
                text(&record["entity"]["id"]),
                text(&record["window"]["name"])
            )
        };
        Some(page["kpis"].as_array()?.iter().map(|record| (key(record), record.clone())).collect())
    };
    // Everything is worked off when the last event is counted; the board goes on being published meanwhile.
    let replayed = {
        let lines: Vec<&str> = events.iter().map(|(_, value, _)| value.as_str()).collect();
        fs::write(deployment.events(), lines.join("\n")).expect("the events");
        deployment.replay(None)
    };
    let totals: Vec<(String, &Value)> = replayed
        .iter()
        .filter(|(key, _)| key.1 == "queue" && key.3 == "total")
        .map(|(key, record)| (format!("{}|queue|{}|total", key.0, key.2), &record["counts"]["offered"]))
        .collect();
    assert!(!totals.is_empty());
    served.follow(&mut client, |client| {
        let is_counted = |(key, offered): &(String, &Value)| {
            client.records.get(key).is_some_and(|record| record["counts"]["offered"] == **offered)
        };
        client.is_live && totals.iter().all(is_counted) && Some(&client.records) == all(&served).as_ref()
    });
    assert_eq!(client.snapshots, snapshots, "nothing is sent anew");
    assert!(told < client.told);

    let mut archive = Reader::open(&deployment.brokers, &deployment.topic("intervals"));
    let until = Instant::now() + PATIENCE;
    loop {
        archive.read_out();
        let mut expected: HashMap<String, Vec<Value>> = HashMap::new();
        for (key, record) in archive.last() {
            let (series, _) = key.rsplit_once('|').expect("a start");
            expected.entry(series.to_owned()).or_default().push(record);
        }
        if !expected.is_empty() && expected.iter_mut().all(|(series, records)| is_served(&served, series, records)) {
            println!("compared: {} series of intervals", expected.len());
            break;
        }
        assert!(Instant::now() < until, "history is not what was archived\n{}", deployment.log());
    }
    drop(served);
    fs::remove_dir_all(&deployment.dir).expect("the directory to go");
}

/// Whether history gives these records, and the open interval at most.
fn is_served(served: &Served, series: &str, archived: &mut [Value]) -> bool {
    let parts: Vec<&str> = series.split('|').collect();
    let [tenant, kind, id, window] = parts.as_slice() else { panic!("{series}") };
    let start = |record: &Value| record["window"]["start"].as_str().expect("a start").to_owned();
    archived.sort_by_key(start);
    let asked = format!("kind={kind}&id={id}&window={window}&tenant={tenant}&from=1990-01-01T00:00:00Z");
    let begun = Instant::now();
    let Some(page) = served.get(&format!("/api/v1/intervals?{asked}")) else { return false };
    if begun.elapsed() > Duration::from_millis(500) {
        println!("{series}: {} intervals in {} ms", archived.len(), begun.elapsed().as_millis());
    }
    let found = page["intervals"].as_array().expect("a list");
    let known = found.len().min(archived.len());
    found.len() <= archived.len() + 1 && archived.len() == known && found[..known] == *archived
}
