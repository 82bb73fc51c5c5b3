//! History: what is asked of the archive, over logs in memory.

use crate::records::{json, put, queue};
use crate::server::Server;
use callpulse::kpi::record::{Count, KpiRecord};
use callpulse::serve::archive::Archive;
use callpulse::stream::follow::{Begun, Followed};
use callpulse::stream::pick::Picked;
use callpulse::time::EventTime;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const QUARTER_MS: i64 = 15 * 60 * 1000;

/// When the quarter of an hour with this number begins.
pub fn quarter(number: i64) -> String {
    let midnight = EventTime::parse("2026-03-02T00:00:00Z").expect("a time");
    EventTime(midnight.0 + number * QUARTER_MS).to_string()
}

/// The interval of a queue as of a version.
fn interval(id: &str, number: i64, version: u64) -> KpiRecord {
    let mut record = queue(id, "per_15m");
    record.window.start = Some(quarter(number));
    record.window.end = quarter(number + 1);
    record.version = version;
    record.counts.push("offered", Count::Number(number * 1000 + version as i64));
    record
}

/// One record of the topic: key and value.
type Written = (String, Option<String>);

fn written(id: &str, number: i64, version: u64) -> Written {
    (format!("default|queue|{id}|per_15m|{}", quarter(number)), Some(json(&interval(id, number, version))))
}

/// A topic of two partitions; what retention took is gone from it, and still in the index.
#[derive(Default)]
struct Topic {
    logs: [Vec<Option<Written>>; 2],
}

fn archive_of(topic: &Arc<Mutex<Topic>>) -> Archive {
    let topic = topic.clone();
    Archive::new(Box::new(move |places, _, on| {
        assert!(places.is_sorted(), "places stand in order");
        let topic = topic.lock().unwrap();
        for (number, (partition, offset)) in places.iter().enumerate() {
            match &topic.logs[*partition as usize][*offset as usize] {
                Some((key, value)) => {
                    let (key, value) = (Some(key.as_bytes()), value.as_deref().map(str::as_bytes));
                    on(number, Picked::Record { key, value });
                }
                None => on(number, Picked::Gone),
            }
        }
        Ok(())
    }))
}

fn tell(archive: &Archive, partition: usize, offset: usize, (key, value): &Written) {
    archive.feed(Followed::Record {
        partition: partition as i32,
        offset: offset as i64,
        key: Some(key.as_bytes()),
        value: value.as_deref().map(str::as_bytes),
    });
}

/// An archive of the default tenant: queues, numbers of quarters and versions.
pub fn archived(intervals: &[(&str, i64, u64)]) -> Arc<Archive> {
    let log: Vec<Written> = intervals.iter().map(|(id, number, version)| written(id, *number, *version)).collect();
    let topic = Topic { logs: [log.iter().cloned().map(Some).collect(), Vec::new()] };
    let archive = archive_of(&Arc::new(Mutex::new(topic)));
    log.iter().enumerate().for_each(|(offset, written)| tell(&archive, 0, offset, written));
    archive.feed(Followed::CaughtUp);
    Arc::new(archive)
}

const SALES: &str = "/api/v1/intervals?kind=queue&id=sales&window=per_15m";

/// Starts and counts of what is answered.
fn content(body: &Value) -> Vec<(String, i64)> {
    let records = body["intervals"].as_array().expect("a list").iter();
    let one = |record: &Value| {
        let start = record["window"]["start"].as_str().expect("a start").to_owned();
        (start, record["counts"]["offered"].as_i64().expect("a count"))
    };
    records.map(one).collect()
}

#[derive(Clone, Debug)]
enum Step {
    /// A later version of an interval, or the same one again, or its end.
    Write {
        queue: usize,
        number: i64,
        more: u64,
    },
    Again {
        queue: usize,
        number: i64,
    },
    End {
        queue: usize,
        number: i64,
    },
    /// Retention takes so many of the oldest of a partition.
    Forget {
        partition: usize,
        records: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (queue, number) = (0..2usize, 0..12i64);
    prop_oneof![
        8 => (queue.clone(), number.clone(), 1..6u64).prop_map(|(queue, number, more)| Step::Write { queue, number, more }),
        1 => (queue.clone(), number.clone()).prop_map(|(queue, number)| Step::Again { queue, number }),
        1 => (queue, number).prop_map(|(queue, number)| Step::End { queue, number }),
        1 => (0..2usize, 0..4usize).prop_map(|(partition, records)| Step::Forget { partition, records }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn history_is_what_the_archive_holds_of_the_highest_version(
        steps in prop::collection::vec(step(), 0..60),
        limit in 1..5usize,
    ) {
        let topic = Arc::new(Mutex::new(Topic::default()));
        let archive = archive_of(&topic);
        // By queue and number: version and place of the newest.
        let mut expected: BTreeMap<(usize, i64), (u64, usize, usize)> = BTreeMap::new();
        let (ids, mut newest) = (["sales", "a|b"], 0);
        for step in steps {
            let (queue, number, version, is_end) = match step {
                Step::Write { queue, number, more } => {
                    newest += more;
                    (queue, number, newest, false)
                }
                Step::Again { queue, number } => {
                    let Some((version, ..)) = expected.get(&(queue, number)) else { continue };
                    (queue, number, *version, false)
                }
                Step::End { queue, number } => (queue, number, 0, true),
                Step::Forget { partition, records } => {
                    let mut topic = topic.lock().unwrap();
                    let log = &mut topic.logs[partition];
                    let end = log.iter().position(Option::is_some).map_or(0, |first| log.len().min(first + records));
                    log[..end].fill(None);
                    expected.retain(|_, (_, at, offset)| *at != partition || end <= *offset);
                    continue;
                }
            };
            let mut record = written(&ids[queue].replace('|', "%7C"), number, version);
            record.1 = (!is_end).then(|| json(&interval(ids[queue], number, version)));
            let mut topic = topic.lock().unwrap();
            let offset = topic.logs[queue].len();
            tell(&archive, queue, offset, &record);
            topic.logs[queue].push(Some(record));
            match expected.get(&(queue, number)) {
                _ if is_end => drop(expected.remove(&(queue, number))),
                _ => drop(expected.insert((queue, number), (version, queue, offset))),
            }
        }
        archive.feed(Followed::CaughtUp);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let found = runtime.block_on(async {
            let server = Server::start(|app| app.archive = Arc::new(archive)).await;
            let mut found = BTreeMap::new();
            for (queue, id) in ["sales", "a%7Cb"].into_iter().enumerate() {
                let path = SALES.replace("sales", id);
                let bounds = format!("&from={}&to={}&limit={limit}", quarter(1), quarter(9));
                let (mut all, mut after) = (Vec::new(), String::new());
                loop {
                    let body = server.get(&format!("{path}{bounds}{after}")).await.json();
                    all.extend(content(&body));
                    match body["next"].as_str() {
                        Some(next) => after = format!("&after={next}"),
                        None => break,
                    }
                }
                found.insert(queue, all);
            }
            found
        });
        for (queue, found) in found {
            let of_queue = expected.iter().filter(|((at, number), _)| *at == queue && (1..9).contains(number));
            let wanted: Vec<(String, i64)> =
                of_queue.map(|((_, number), (version, ..))| (quarter(*number), number * 1000 + *version as i64)).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}

#[tokio::test]
async fn the_open_interval_comes_from_the_board() {
    let server = Server::start(|app| app.archive = archived(&[("sales", 0, 1), ("sales", 1, 2)])).await;
    let history = async || content(&server.get(&format!("{SALES}&from={}", quarter(0))).await.json());
    put(&server.board, 0, &interval("sales", 2, 3));
    assert_eq!(history().await, [(quarter(0), 1), (quarter(1), 1002), (quarter(2), 2003)]);
    let one = server.get(&format!("{SALES}&from={}&limit=2", quarter(1))).await.json();
    assert_eq!((content(&one).len(), &one["next"]), (2, &Value::Null));
    let first = server.get(&format!("{SALES}&from={}&limit=2", quarter(0))).await.json();
    let next = first["next"].as_str().expect("the open one is behind");
    let last = server.get(&format!("{SALES}&from={}&limit=2&after={next}", quarter(0))).await.json();
    assert_eq!((content(&last), &last["next"]), (vec![(quarter(2), 2003)], &Value::Null));
    let until = server.get(&format!("{SALES}&from={}&to={}", quarter(0), quarter(2))).await.json();
    assert_eq!(content(&until).len(), 2);
}

#[tokio::test]
async fn of_an_interval_in_both_the_higher_version_is_given() {
    for (on_board, expected) in [(1, 1002), (9, 1009)] {
        let server = Server::start(|app| app.archive = archived(&[("sales", 1, 2), ("sales", 1, 1)])).await;
        put(&server.board, 0, &interval("sales", 1, on_board));
        let found = content(&server.get(&format!("{SALES}&from={}", quarter(0))).await.json());
        assert_eq!(found, [(quarter(1), expected)]);
    }
}

#[tokio::test]
async fn without_bounds_it_is_the_last_day() {
    let server =
        Server::start(|app| app.archive = archived(&[("sales", 0, 1), ("sales", 4, 1), ("sales", 96, 1)])).await;
    let progress = format!("{{\"as_of\":\"{}\",\"behind_ms\":0}}", quarter(97));
    let place = crate::records::next(&server.board, 0);
    server.board.apply(place, Some(b"progress|0"), Some(progress.as_bytes())).unwrap();
    assert_eq!(content(&server.get(SALES).await.json()).len(), 2);
    let until = content(&server.get(&format!("{SALES}&to={}", quarter(5))).await.json());
    assert_eq!(until, [(quarter(0), 1), (quarter(4), 4001)]);
}

#[tokio::test]
async fn while_the_archive_is_read_it_says_how_far() {
    let topic = Arc::new(Mutex::new(Topic::default()));
    let archive = Arc::new(archive_of(&topic));
    let told = archive.clone();
    let server = Server::start(|app| app.archive = archive).await;
    told.feed(Followed::Begun(&Begun { cluster: None, spans: [(0, (10, 14)), (1, (0, 6))].into() }));
    tell(&told, 0, 11, &written("sales", 0, 1));
    let refused = server.get(SALES).await;
    assert!(refused.problem(503).contains("2 of 10 records"), "{}", refused.body);
    assert!(refused.headers.contains("retry-after: 5"), "{}", refused.headers);
    told.feed(Followed::CaughtUp);
    assert_eq!(server.get(&format!("{SALES}&from={}&to={}", quarter(5), quarter(6))).await.status, 200);
}

#[tokio::test]
async fn what_history_cannot_answer_is_a_problem() {
    let server = Server::start(|app| app.archive = archived(&[("sales", 0, 1)])).await;
    for (query, says) in [
        ("kind=queue&id=sales", "window is missing"),
        ("kind=queue&id=sales&window=5m", "no history"),
        ("kind=queue&id=sales&id=b&window=per_15m", "twice"),
        ("kind=queue&id=sales&window=per_15m&from=yesterday", "RFC 3339"),
        ("kind=queue&id=sales&window=per_15m&after=YQ", "next"),
    ] {
        let detail = server.get(&format!("/api/v1/intervals?{query}")).await.problem(400);
        assert!(detail.contains(says), "{query}: {detail}");
    }
    let nobody = server.get(&SALES.replace("sales", "nobody")).await.json();
    assert_eq!(content(&nobody), []);
    put(&server.board, 0, &crate::records::record("acme", callpulse::entity::Kind::Tenant, "acme", "now"));
    assert!(server.get(SALES).await.problem(400).contains("tenant"));
    let known = server.get(&format!("{SALES}&tenant=default&from={}", quarter(0))).await.json();
    assert_eq!(content(&known).len(), 1);
}

#[tokio::test]
async fn an_archive_that_cannot_be_read_or_takes_too_long_is_told() {
    let topic = Arc::new(Mutex::new(Topic::default()));
    for (reads, says) in [(None, "broker is away"), (Some(0), "too long"), (Some(1), "")] {
        let pick: callpulse::serve::archive::Pick = Box::new(move |places, _, on| {
            for number in 0..places.len().min(reads.ok_or("the broker is away")?) {
                let (key, value) = written("sales", 0, 1);
                on(number, Picked::Record { key: Some(key.as_bytes()), value: value.as_deref().map(str::as_bytes) });
            }
            Ok(())
        });
        let archive = Archive::new(pick);
        for number in 0..3 {
            let record = written("sales", number, 1);
            tell(&archive, 0, number as usize, &record);
            topic.lock().unwrap().logs[0].push(Some(record));
        }
        archive.feed(Followed::CaughtUp);
        let server = Server::start(|app| app.archive = Arc::new(archive)).await;
        let answer = server.get(&format!("{SALES}&from={}", quarter(0))).await;
        match reads {
            // What was read in time is given, with the way to the rest.
            Some(1) => {
                let body = answer.json();
                assert_eq!(content(&body).len(), 1);
                assert!(body["next"].is_string());
            }
            _ => assert!(answer.problem(503).contains(says), "{}", answer.body),
        }
    }
}
