//! What was published against what a replay of the same events says.

use crate::deployment::{Deployment, Key, PARTITIONS, PATIENCE, Reader, committed, key};
use callpulse::alert::record::AlertRecord;
use callpulse::config;
use callpulse::decode::json;
use callpulse::event::{Decoded, Event, What};
use callpulse::life::log::{CallLog, encode};
use callpulse::life::settle::Terms;
use callpulse::stream::call_record;
use callpulse::stream::client::Connection;
use callpulse::stream::feed::Feed;
use callpulse::time::EventTime;
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Waits until everything is worked off, and compares: every interval and every `total` bit for bit, but for time of
/// agents that is not over; that, `now` and the sliding windows as of their own record, for the latest instants and
/// those that most records are of. Answers what was compared.
pub fn ends_as_replay(deployment: &Deployment, board: &mut Reader, instants: usize) -> String {
    let expected = deployment.replay(None);
    let intervals = drained(deployment, &expected, board);
    let archived: HashMap<Key, Value> = intervals.last().into_values().map(|one| (key(&one), one)).collect();
    // The archive was read up to here: what ends in the meantime is none of it.
    let until = as_of(board);
    // What agents did last may be on its way to the board, where `total` is published every 15 s.
    let quiet = Instant::now() + Duration::from_secs(20);
    while Instant::now() < quiet {
        board.read_out();
    }
    let ended = |(place, record): &(&Key, &Value)| place.3.starts_with("per_") && end(record) <= until.as_str();
    for (place, record) in expected.iter().filter(ended) {
        let found = archived.get(place);
        match time_is_over(record) {
            true => assert_eq!(found.map(content), Some(content(record)), "{place:?}"),
            false => assert_eq!(found.map(without_time), Some(without_time(record)), "{place:?}"),
        }
    }
    let mut by_time: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let (mut steady, mut moving, mut compared) = (0, 0, 0);
    for record in board.last().into_values() {
        let is_steady = record["window"]["kind"] == "total" || record["window"]["kind"] == "interval";
        if is_steady {
            steady += 1;
            equals(&without_time(&record), &expected, "any", without_time);
        }
        if !is_steady || record["paused_by_reason_ms"].is_object() {
            moving += 1;
            by_time.entry(record["as_of"].as_str().expect("a time").to_string()).or_default().push(record);
        }
    }
    let mut times: Vec<(usize, String)> = by_time.iter().map(|(time, of)| (of.len(), time.clone())).collect();
    times.sort_unstable();
    let latest = by_time.keys().rev().take(instants.min(2)).cloned();
    let chosen: BTreeSet<String> = latest.chain(times.into_iter().rev().map(|(_, time)| time)).take(instants).collect();
    for as_of in &chosen {
        let expected = deployment.replay(Some(as_of));
        for record in &by_time[as_of] {
            compared += 1;
            equals(record, &expected, as_of, content);
        }
    }
    format!(
        "{} intervals of the archive, {steady} totals and open intervals, and {compared} of {moving} sliding windows, times of agents and \
         `now` (as of {} instants) equal a replay; {} records of the board were read",
        archived.len(),
        chosen.len(),
        board.seen,
    )
}

fn equals(record: &Value, expected: &HashMap<Key, Value>, as_of: &str, part: fn(&Value) -> Value) {
    match expected.get(&key(record)) {
        Some(wanted) => assert_eq!(part(record), part(wanted), "as of {as_of}"),
        // A replay shows intervals with facts only.
        None => assert!(record["window"]["kind"] == "interval" && is_empty(record), "{record}"),
    }
}

/// The smallest `as_of` of all partitions that is known.
fn as_of(board: &Reader) -> String {
    board.progress.values().map(|(as_of, _)| as_of.clone()).min().unwrap_or_default()
}

fn end(record: &Value) -> &str {
    record["window"]["end"].as_str().expect("a time")
}

/// Reads on until everything expected is published. Answers the archive.
fn drained(deployment: &Deployment, expected: &HashMap<Key, Value>, board: &mut Reader) -> Reader {
    let handled = |record: &Value| record["counts"]["handled"].as_i64();
    let total: Key = ["default", "tenant", "default", "total", ""].map(String::from).into();
    let until = Instant::now() + PATIENCE;
    let mut intervals = Reader::open(&deployment.brokers, &deployment.topic("intervals"));
    let latest = expected.values().filter_map(|one| one["as_of"].as_str()).max().expect("records");
    loop {
        board.read_out();
        intervals.read_out();
        let newest = board.last();
        let now = newest.get("default|tenant|default|total").and_then(handled);
        // What is published every 15 s only may trail.
        let slow =
            newest.values().filter(|one| one["window"]["kind"] == "total" || one["window"]["kind"] == "interval");
        let trails = |one: &&Value, part: fn(&Value) -> Value| {
            expected.get(&key(one)).map_or(!is_empty(one), |wanted| part(wanted) != part(one))
        };
        let trailing = slow.filter(|one| trails(one, without_time)).count();
        let last = intervals.last();
        let differs = |one: &&Value| {
            let is_over = expected.get(&key(one)).is_none_or(time_is_over);
            trails(one, if is_over { content } else { without_time })
        };
        let differing: Vec<&Value> = last.values().filter(differs).collect();
        let as_of = as_of(board);
        let archived: HashSet<Key> = last.values().map(key).collect();
        let has_ended = |(key, one): &(&Key, &Value)| key.3.starts_with("per_") && end(one) <= as_of.as_str();
        let missing: Vec<&Key> =
            expected.iter().filter(has_ended).map(|(key, _)| key).filter(|key| !archived.contains(*key)).collect();
        let is_read = now == handled(&expected[&total]) && latest <= as_of.as_str();
        if is_read && trailing == 0 && differing.is_empty() && missing.is_empty() {
            return intervals;
        }
        assert!(
            Instant::now() < until,
            "not drained: as of {as_of} of {latest}, handled {now:?} of {:?}, {trailing} slow ones trail, {} intervals, \
             {} missing, such as {:?}, {} differ, such as {:?}\n{}",
            handled(&expected[&total]),
            last.len(),
            missing.len(),
            missing.first(),
            differing.len(),
            differing.first(),
            deployment.log()
        );
    }
}

/// A record without what only publishing gives it.
fn content(record: &Value) -> Value {
    let mut record = record.clone();
    let fields = record.as_object_mut().expect("an object");
    for name in ["version", "as_of", "final", "corrected", "counters"] {
        fields.remove(name);
    }
    if let Some(window) = fields["window"].as_object_mut().filter(|window| window["kind"] == "total") {
        window.remove("end");
    }
    record
}

/// The same without what goes on though nothing happens: time of agents who are logged in, and weeks.
fn without_time(record: &Value) -> Value {
    let mut record = content(record);
    let fields = record.as_object_mut().expect("an object");
    ["paused_by_reason_ms", "profile"].into_iter().for_each(|name| drop(fields.remove(name)));
    let is_time = |name: &str| ["login", "handling"].contains(&name) || name.starts_with("state_");
    if let Some(sums) = record["sums_ms"].as_object_mut() {
        sums.retain(|name, _| !is_time(name));
    }
    let of_time = ["occupancy", "availability", "utilization", "login_time", "contacts_per_hour"];
    if let Some(kpis) = record["kpis"].as_object_mut() {
        kpis.retain(|id, _| !of_time.iter().any(|of| id.starts_with(of)));
    }
    record
}

/// Whether an interval of a replay had ended when the replay did.
fn time_is_over(record: &Value) -> bool {
    end(record) <= record["as_of"].as_str().expect("a time")
}

/// Whether an interval holds nothing, which a replay does not show: what was in it was taken back.
fn is_empty(record: &Value) -> bool {
    let counts = record["counts"].as_object().expect("counts");
    counts.values().all(|count| count == 0 || count.as_object().is_some_and(serde_json::Map::is_empty))
}

/// Every call that is over has the record that its events amount to. Answers how many.
pub fn calls_end_as_told(deployment: &Deployment) -> usize {
    let settings = config::read(&deployment.settings("a", &deployment.brokers), &BTreeMap::new());
    let plan = settings.expect("settings").settings.plan;
    let mut logs: HashMap<(String, String), CallLog> = HashMap::new();
    let mut latest = EventTime(i64::MIN);
    each_event(deployment, |event| {
        latest = latest.max(event.time);
        let (What::Call(call), Some(call_id)) = (&event.what, &event.call_id) else { return };
        let mut entry = Vec::new();
        encode(event, call, event.source.as_deref().unwrap_or_default(), &mut entry);
        logs.entry((event.tenant.to_string(), call_id.to_string())).or_default().add(&entry);
    });
    let topic = deployment.topic("calls").into();
    let mut told = Reader::open(&deployment.brokers, &deployment.topic("calls"));
    told.read_out();
    let told = told.last();
    let mut compared = 0;
    for ((tenant, call_id), log) in &logs {
        let terms = Terms { plan: &plan, call_id, restarts: &[], judged: latest };
        let Some(wanted) = call_record::record(terms, tenant, log, 0, &topic) else { continue };
        let (key, value) = (wanted.key.expect("a key"), wanted.value.expect("a record"));
        let key = String::from_utf8(key).expect("text");
        let mut wanted: Value = serde_json::from_slice(&value).expect("a record");
        let mut found = told.get(key.as_str()).unwrap_or_else(|| panic!("no record of {key}: {wanted}")).clone();
        wanted["version"].take();
        found["version"].take();
        assert_eq!(found, wanted, "{key}");
        compared += 1;
    }
    compared
}

fn each_event(deployment: &Deployment, mut take: impl FnMut(&Event<'_>)) {
    let file = BufReader::new(File::open(deployment.events()).expect("the events"));
    for line in file.lines() {
        let line = line.expect("a line");
        match json::decode(line.as_bytes()) {
            Ok(Decoded::Event(event)) => take(&event),
            other => panic!("{line}: {other:?}"),
        }
    }
}

/// Every record of this value has one reject, and nothing else has. Answers how many.
pub fn rejects_are(deployment: &Deployment, poison: &str) -> usize {
    let mut told = BTreeSet::new();
    read_all(&deployment.brokers, &deployment.topic("acd.events"), |partition, offset, value, _| {
        if value == poison.as_bytes() {
            told.insert((partition.to_string(), offset.to_string()));
        }
    });
    let mut rejected = BTreeSet::new();
    read_all(&deployment.brokers, &deployment.topic("rejects"), |_, _, value, header| {
        assert_eq!(value, poison.as_bytes());
        let place = (header("source_partition"), header("source_offset"));
        assert!(rejected.insert(place.clone()), "{place:?} was rejected twice");
    });
    assert_eq!(rejected, told);
    told.len()
}

/// Each alert was told once when it began to fire and once when it resolved, and what fires at the end is what the
/// totals of a replay say. Answers how many transitions there were.
pub fn alerts_are_told_once(deployment: &Deployment) -> usize {
    let wanted = alerts_of(&deployment.replay(None));
    // What was told while the engine caught up begins nothing, nor does what is over: one more caller each, of now.
    let queues = wanted.iter().filter_map(|alert| alert.strip_prefix("answers|default|queue|"));
    callers_wait(deployment, queues);
    let until = Instant::now() + PATIENCE;
    loop {
        let told = told_of_alerts(deployment);
        let is_firing = |(_, told): &(&String, &Vec<AlertRecord>)| told.last().is_some_and(AlertRecord::is_firing);
        let firing = told.iter().filter(is_firing).map(|(key, _)| key);
        let firing: BTreeSet<_> = firing.filter(|key| ONLY_GROW.iter().any(|rule| key.starts_with(rule))).collect();
        if firing.iter().copied().eq(&wanted) {
            return told.values().map(Vec::len).sum();
        }
        assert!(Instant::now() < until, "{firing:?} fire, not {wanted:?}\n{}", deployment.log());
    }
}

/// Rules of counts that only grow, so that what fires at the end is known.
const ONLY_GROW: [&str; 2] = ["answers|", "tenant abandons|"];

/// What fires by the totals of a replay.
fn alerts_of(totals: &HashMap<Key, Value>) -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    for record in totals.values().filter(|record| record["window"]["name"] == "total") {
        let (kind, entity) = (&record["entity"]["kind"], &record["entity"]);
        let is_more = |count: &str, than: i64| than < record["counts"][count].as_i64().unwrap_or_default();
        let rule = match kind.as_str() {
            Some("queue") if entity["channel"].is_null() && is_more("answered", 20) => "answers",
            Some("tenant") if entity["channel"].is_null() && is_more("abandoned", 5) => "tenant abandons",
            _ => continue,
        };
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        wanted.insert(format!("{rule}|{}|{}|{}", text(&record["tenant"]), text(kind), text(&entity["id"])));
    }
    wanted
}

/// Sends one caller to each queue, who waits and of whom no more is told: no count of the rules changes.
fn callers_wait<'q>(deployment: &Deployment, queues: impl Iterator<Item = &'q str>) {
    let connection = Connection { brokers: deployment.brokers.clone(), ..Connection::default() };
    let feed = Feed::open(&connection, &deployment.topic("acd.events")).expect("a producer");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64;
    for queue in queues {
        let id = format!("waits for {queue}");
        let event = format!(r#"{{"type":"call.queued","queue":"{queue}","time":{now},"call_id":"{id}"}}"#);
        feed.send(&id, &event, now).expect("written");
    }
    feed.flush().expect("written");
}

/// What the topic of alerts holds, by key: each was told when it changed and not again.
fn told_of_alerts(deployment: &Deployment) -> BTreeMap<String, Vec<AlertRecord>> {
    let mut told: BTreeMap<String, Vec<AlertRecord>> = BTreeMap::new();
    read_all(&deployment.brokers, &deployment.topic("alerts"), |_, _, value, _| {
        let record: AlertRecord = serde_json::from_slice(value).expect("an alert; none is a week old");
        told.entry(record.key()).or_default().push(record);
    });
    for (key, told) in &told {
        assert!(told[0].is_firing(), "{key} resolves what never fired: {:?}", told[0]);
        for pair in told.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            assert_ne!(before.is_firing(), after.is_firing(), "{key} was told twice: {pair:?}");
            assert!(before.version <= after.version, "{key} goes back: {pair:?}");
            assert_eq!(before.alert_id == after.alert_id, before.is_firing(), "{key}: {pair:?}");
        }
    }
    told
}

/// Reads what is committed to a topic: partition, offset, value, and headers by name.
fn read_all(brokers: &str, topic: &str, mut take: impl FnMut(i32, i64, &[u8], &dyn Fn(&str) -> String)) {
    let consumer = committed(brokers, topic);
    let mut ends = 0;
    while ends < PARTITIONS {
        match consumer.poll(Duration::from_secs(10)) {
            Some(Ok(message)) => {
                let header = |name: &str| {
                    let mut headers = message.headers().into_iter().flat_map(|headers| headers.iter());
                    let value = headers.find(|header| header.key == name).and_then(|header| header.value);
                    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
                };
                take(message.partition(), message.offset(), message.payload().unwrap_or_default(), &header);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ends += 1,
            Some(Err(error)) => panic!("{topic} cannot be read: {error}"),
            None => panic!("{topic} does not come to its end"),
        }
    }
}
