//! Alerts over HTTP: the list by pages and as a table, how many fire, and what a stream tells of them.

use crate::alert_records::{firing, key, resolved};
use crate::exposition::{parse, parse_open_metrics, value};
use crate::metrics::promtool_has_no_complaint;
use crate::records::{five_minutes, put};
use crate::server::Server;
use crate::streams::Listener;
use callpulse::alert::record::AlertRecord;
use callpulse::alert::record::RESOLVED_TOLD_FOR;
use callpulse::serve::alerts::Alerts;
use callpulse::serve::board::Change;
use callpulse::serve::exported::Owned;
use callpulse::serve::live::feed::clock;
use callpulse::time::EventTime;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many minutes ago.
pub fn ago(minutes: i64) -> EventTime {
    EventTime(clock() - minutes * 60_000)
}

/// One about the engine itself.
fn silent(topic: &str) -> Value {
    let mut record = firing("source_silent", topic, ago(1));
    record["tenant"] = json!("callpulse");
    record["entity"] = json!({ "kind": "source", "id": topic });
    record["severity"] = json!("warning");
    record
}

#[track_caller]
pub fn tell(alerts: &Alerts, partition: i32, record: &Value) -> Change {
    let told = alerts.apply(partition, Some(key(record).as_bytes()), Some(record.to_string().as_bytes()));
    told.expect("a readable alert")
}

fn end(alerts: &Alerts, record: &Value) {
    alerts.apply(0, Some(key(record).as_bytes()), None).expect("a readable key");
}

/// Ids in the order given.
async fn ids(server: &Server, query: &str) -> Vec<String> {
    let answer = server.get(&format!("/api/v1/alerts{query}")).await.json();
    let alerts = answer["alerts"].as_array().expect("a list").iter();
    alerts.map(|alert| alert["entity"]["id"].as_str().expect("an id").to_owned()).collect()
}

/// Two fire, one about the engine; one resolved lately, one long ago.
async fn furnished() -> Server {
    let server = Server::start(|_| {}).await;
    let week = RESOLVED_TOLD_FOR.0 / 60_000;
    tell(&server.alerts, 0, &firing("abandonment", "sales", ago(9)));
    tell(&server.alerts, 1, &silent("acd.events"));
    tell(&server.alerts, 0, &resolved(firing("abandonment", "support", ago(30)), ago(20)));
    tell(&server.alerts, 0, &resolved(firing("abandonment", "old", ago(week + 5)), ago(week)));
    server
}

#[tokio::test]
async fn what_fires_comes_first_and_what_resolved_long_ago_not_at_all() {
    let server = furnished().await;
    for (query, expected) in [
        ("", vec!["acd.events", "sales", "support"]),
        ("?state=firing", vec!["acd.events", "sales"]),
        ("?state=resolved", vec!["support"]),
        ("?rule=abandonment&state=firing", vec!["sales"]),
        ("?severity=warning&severity=info", vec!["acd.events"]),
        ("?kind=queue&id=support&id=sales", vec!["sales", "support"]),
        ("?kind=source", vec!["acd.events"]),
        ("?tenant=callpulse", vec!["acd.events"]),
        ("?tenant=acme", vec![]),
    ] {
        assert_eq!(ids(&server, query).await, expected, "{query}");
    }
    for query in
        ["?state=quiet", "?severity=fatal", "?window=30m", "?limit=0", "?after=%21", "?after=eA", "?fields=kpis"]
    {
        server.get(&format!("/api/v1/alerts{query}")).await.problem(400);
    }
}

#[tokio::test]
async fn an_alert_comes_as_published_or_narrowed_or_as_a_table() {
    let server = furnished().await;
    let mut published = firing("abandonment", "vip", ago(1));
    published["entity"]["title"] = json!("Sales, \"all\"");
    tell(&server.alerts, 0, &published);
    let answer = server.get("/api/v1/alerts?id=vip").await.json();
    assert_eq!(answer, json!({ "alerts": [published] }));
    let narrowed = server.get("/api/v1/alerts?id=vip&fields=value,title").await.json();
    let narrowed = narrowed["alerts"][0].as_object().expect("an alert");
    assert_eq!((&narrowed["value"], &narrowed["title"]), (&json!(0.123), &published["title"]));
    assert!(narrowed.contains_key("alert_id") && !narrowed.contains_key("levels"));
    let table = server.get("/api/v1/alerts?id=vip&format=csv&fields=value,reason").await;
    assert!(table.headers.contains("filename=\"callpulse-alerts.csv\""), "{}", table.headers);
    let (id, since) = (published["alert_id"].as_str().unwrap(), published["since"].as_str().unwrap());
    let expected = format!(
        "alert_id,rule,severity,state,reason,tenant,kind,id,name,since,version,value\r\n\
         {id},abandonment,critical,firing,,default,queue,vip,\"Sales, \"\"all\"\"\",{since},7,0.123\r\n"
    );
    assert_eq!(table.body, expected);
    let whole = server.get("/api/v1/alerts?format=csv").await.body;
    assert!(whole.lines().all(|line| line.matches(',').count() >= 26) && whole.lines().count() == 5, "{whole}");
}

#[tokio::test]
async fn pages_of_alerts_visit_each_once() {
    let server = furnished().await;
    for id in ["a", "b", "c"] {
        // Of one instant, so that their keys decide.
        let mut record = firing("waiting", id, ago(5));
        record["since"] = json!("2026-03-02T10:00:05.000Z");
        tell(&server.alerts, 0, &record);
    }
    let all = ids(&server, "").await;
    assert_eq!(all.len(), 6);
    let (mut walked, mut after) = (Vec::new(), String::new());
    loop {
        let answer = server.get(&format!("/api/v1/alerts?limit=1{after}")).await;
        let body = answer.json();
        walked.push(body["alerts"][0]["entity"]["id"].as_str().expect("an id").to_owned());
        let Some(next) = body["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(walked, all);
}

#[tokio::test]
async fn the_tag_of_alerts_changes_with_them_even_within_a_version() {
    let server = furnished().await;
    let tag = async || {
        let answer = server.get("/api/v1/alerts?id=sales").await;
        answer.headers.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag").replace("w/", "W/")
    };
    let before = tag().await;
    assert_eq!(before, tag().await);
    let known = server.ask("GET", "/api/v1/alerts?id=sales", &format!("if-none-match: {before}\r\n")).await;
    assert_eq!((known.status, known.body.as_str()), (304, ""));
    tell(&server.alerts, 0, &resolved(firing("abandonment", "sales", ago(9)), ago(0)));
    assert_ne!(before, tag().await);
}

#[tokio::test]
async fn metrics_count_what_fires_in_the_partitions_owned() {
    let server = Server::start(|app| app.owned = Arc::new(|| Owned::Partitions([0].into()))).await;
    let mut quoted = firing("waits \"long\"", "sales", ago(0));
    quoted["severity"] = json!("info");
    for (partition, record) in [
        (0, firing("abandonment", "sales", ago(0))),
        (0, firing("abandonment", "support", ago(0))),
        (1, firing("abandonment", "vip", ago(0))),
        (0, resolved(quoted, ago(0))),
    ] {
        tell(&server.alerts, partition, &record);
    }
    let answer = server.get("/metrics").await;
    let families = parse(&answer.body).unwrap();
    let count = |rule, severity| {
        let labels = [("rule", rule), ("severity", severity), ("tenant", "default")];
        value(&families, "callpulse_alerts_firing", &labels)
    };
    assert_eq!(count("abandonment", "critical"), Some(2.0));
    assert_eq!(count("waits \"long\"", "info"), Some(0.0));
    promtool_has_no_complaint(&answer.body);
    let open = server.ask("GET", "/metrics", "accept: application/openmetrics-text; version=1.0.0\r\n").await;
    parse_open_metrics(&open.body).unwrap_or_else(|fault| panic!("{fault}\n{}", open.body));
}

/// Alerts as a client of a stream knows them.
#[derive(Default)]
struct Known {
    alerts: BTreeMap<String, Value>,
    wholes: usize,
}

impl Known {
    /// Reads on until it holds.
    async fn until(&mut self, listener: &mut Listener, holds: impl Fn(&Known) -> bool) {
        while !holds(self) {
            for event in listener.events().await.expect("more to come") {
                let data: Value = serde_json::from_str(&event.data).expect("JSON");
                match event.name.as_str() {
                    "alerts" => {
                        self.alerts.clear();
                        self.wholes += 1;
                    }
                    "alert" => drop(self.alerts.insert(data["key"].as_str().unwrap().into(), data["record"].clone())),
                    "alert_end" => drop(self.alerts.remove(data["key"].as_str().unwrap())),
                    _ => {}
                }
            }
        }
    }

    fn state(&self, key: &str) -> Option<&str> {
        self.alerts.get(key).and_then(|alert| alert["state"].as_str())
    }
}

#[tokio::test]
async fn a_stream_tells_all_alerts_and_then_what_changes() {
    let server = furnished().await;
    let mut other = firing("abandonment", "sales", ago(0));
    other["tenant"] = json!("acme");
    tell(&server.alerts, 0, &other);
    let mut listener = Listener::open(&server, "?tenant=default&kind=agent&alerts=true", "").await;
    let mut known = Known::default();
    known.until(&mut listener, |known| known.alerts.len() == 3).await;
    assert_eq!(known.wholes, 1);
    let sales = firing("abandonment", "sales", ago(9));
    tell(&server.alerts, 0, &resolved(sales.clone(), ago(0)));
    known.until(&mut listener, |known| known.state("abandonment|default|queue|sales") == Some("resolved")).await;
    end(&server.alerts, &sales);
    known.until(&mut listener, |known| known.alerts.len() == 2).await;
    tell(&server.alerts, 0, &sales);
    known.until(&mut listener, |known| known.state("abandonment|default|queue|sales") == Some("firing")).await;
    assert_eq!(known.wholes, 1);
}

#[tokio::test]
async fn alerts_are_told_to_those_who_ask_and_once_they_are_read() {
    let server = Server::start(|app| app.alerts = Arc::default()).await;
    let mut listener = Listener::open(&server, "?alerts=false", "").await;
    listener.until(|client| client.is_live).await;
    assert_eq!(listener.client.alert_events, 0);
    let mut early = Listener::open(&server, "?alerts=true", "").await;
    early.until(|client| client.is_live).await;
    assert_eq!(early.client.alert_events, 0, "nobody knows yet whether there are any");
}

#[tokio::test]
async fn a_stream_resumes_behind_its_records_whatever_alerts_came_between() {
    let server = furnished().await;
    let mut listener = Listener::open(&server, "?alerts=true", "").await;
    listener.until(|client| client.is_live).await;
    let id = listener.client.id.clone();
    tell(&server.alerts, 0, &firing("abandonment", "vip", ago(0)));
    let told = listener.client.alert_events;
    listener.until(|client| told < client.alert_events).await;
    assert_eq!(listener.client.id, id, "an alert moves no position");
    let mut newer = five_minutes("sales");
    newer.version = 2;
    put(&server.board, 0, &newer);
    let mut again = Listener::open(&server, "?alerts=true", &format!("last-event-id: {id}\r\n")).await;
    let mut known = Known::default();
    known.until(&mut again, |known| known.alerts.len() == 4).await;
    again.until(|client| client.is_live).await;
    assert_eq!((again.client.snapshots, again.client.told), (0, 1), "only what was missed");
}

#[test]
fn alerts_made_by_hand_are_as_the_engine_makes_them() {
    for told in [firing("abandonment", "sales", ago(1)), resolved(firing("abandonment", "sales", ago(1)), ago(0))] {
        let record: AlertRecord = serde_json::from_value(told.clone()).expect("an alert");
        assert_eq!(serde_json::to_value(record).expect("JSON"), told);
    }
}

#[test]
fn what_is_older_or_unreadable_changes_nothing() {
    let alerts = Alerts::default();
    let newest = firing("abandonment", "sales", ago(0));
    let mut older = resolved(newest.clone(), ago(0));
    older["version"] = json!(6);
    assert_eq!(tell(&alerts, 0, &newest), Change::Stored);
    assert_eq!(tell(&alerts, 0, &older), Change::NotNewer);
    for (field, wrong) in [("schema", "callpulse.alert.v9"), ("state", "perhaps"), ("since", "yesterday")] {
        let mut record = newest.clone();
        record[field] = json!(wrong);
        let refused = alerts.apply(0, Some(b"a|b|queue|c"), Some(record.to_string().as_bytes()));
        assert!(refused.unwrap_err().to_string().contains(wrong), "{field}");
    }
    alerts.apply(0, None, None).unwrap_err();
    assert_eq!(alerts.count(), 1);
}

#[test]
fn ends_that_were_forgotten_void_what_a_stream_was_told() {
    use callpulse::serve::alerts::Changes;
    let alerts = Alerts::default();
    tell(&alerts, 0, &firing("abandonment", "stays", ago(0)));
    let now = EventTime(clock());
    let (_, turn) = alerts.since(None, now, |_| true);
    let ended = |count: usize| {
        for id in 0..count {
            alerts.apply(0, Some(format!("abandonment|default|queue|{id}").as_bytes()), None).expect("a readable key");
        }
    };
    ended(10);
    let (changes, _) = alerts.since(Some(turn), now, |_| true);
    assert!(matches!(changes, Changes::Since(changed, ended) if changed.is_empty() && ended.len() == 10));
    ended(10_001);
    let (changes, last) = alerts.since(Some(turn), now, |_| true);
    assert!(matches!(changes, Changes::All(all) if all.len() == 1));
    let (changes, _) = alerts.since(Some(last), now, |_| true);
    assert!(matches!(changes, Changes::Since(changed, ended) if changed.is_empty() && ended.is_empty()));
}
