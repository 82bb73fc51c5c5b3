//! Pages of the board, their tags, and the same as a table.

use crate::alert_records::firing;
use crate::alerts::{ago, tell};
use crate::history::{archived, quarter};
use crate::records::{five_minutes, key, put, record};
use crate::server::{Answer, Server};
use callpulse::entity::Kind;
use callpulse::kpi::record::{Count, Kpi};
use callpulse::serve::board::Board;
use callpulse::serve::filter::Filter;
use callpulse::serve::meta::{KpiMeta, Meta};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

proptest! {
    #[test]
    fn pages_visit_each_record_once_and_in_order(
        ids in prop::collection::btree_set("[a-c|;%صف]{0,3}", 0..12),
        limit in 1..6usize,
    ) {
        let board = Board::default();
        let records: Vec<_> = ids
            .iter()
            .flat_map(|id| [("a", "now"), ("a|b", "5m")].map(|(tenant, window)| record(tenant, Kind::Queue, id, window)))
            .collect();
        for record in &records {
            put(&board, 0, record);
        }
        let filter = Filter { tenants: vec!["a".into(), "a|b".into()], ..Filter::default() };
        let (mut visited, mut after) = (Vec::new(), None);
        loop {
            let (page, has_more) = board.page(&filter, after.as_deref(), limit);
            prop_assert!(page.len() == limit || !has_more);
            visited.extend(page.iter().map(|known| known.key.to_string()));
            after = visited.last().cloned();
            if !has_more {
                break;
            }
        }
        let mut expected: Vec<String> = records.iter().map(key).collect();
        expected.sort();
        prop_assert_eq!(visited, expected);
    }
}

/// Every page of a list, by following `next`.
async fn walk(server: &Server, path: &str, name: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let answer = server.get(&format!("{path}{after}")).await;
        let body = answer.json();
        all.extend(body[name].as_array().expect("a list").clone());
        match body["next"].as_str() {
            Some(next) => {
                after = format!("&after={next}");
                let link = format!("<{path}{after}>; rel=\"next\"");
                assert!(answer.headers.contains(&format!("link: {}", link.to_lowercase())), "{}", answer.headers);
            }
            None => return all,
        }
    }
}

async fn crowded() -> Server {
    let server = Server::start(|_| {}).await;
    for (tenant, kind, id) in [
        ("acme", Kind::Queue, "a|b"),
        ("acme", Kind::Agent, "Ana;chat"),
        ("zeta", Kind::QueueAgent, "a%2Fb/Ana%7C1"),
        ("default", Kind::Tenant, "default"),
    ] {
        for window in ["now", "5m", "total"] {
            put(&server.board, 0, &record(tenant, kind, id, window));
        }
    }
    let mut chat = record("acme", Kind::Queue, "a|b", "now");
    chat.entity.channel = Some("chat".into());
    put(&server.board, 0, &chat);
    server
}

#[tokio::test]
async fn following_next_gives_what_one_answer_gives() {
    let server = crowded().await;
    for (path, name) in [("/api/v1/kpis", "kpis"), ("/api/v1/entities", "entities")] {
        let all = server.get(path).await.json();
        assert_eq!(all["next"], Value::Null);
        for limit in [1, 2, 3, 7, 10_000] {
            let walked = walk(&server, &format!("{path}?limit={limit}"), name).await;
            assert_eq!(Value::Array(walked), all[name], "{path} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_cursor_is_of_its_page_and_goes_on_behind_its_record_whatever_is_asked() {
    let server = Server::start(|app| app.archive = archived(&[("sales", 0, 1), ("sales", 1, 2)])).await;
    for (rule, since) in [("abandonment", 1), ("waits", 2)] {
        tell(&server.alerts, 0, &firing(rule, "sales", ago(since)));
    }
    let series = format!("intervals?kind=queue&id=sales&window=per_15m&from={}&", quarter(0));
    let pages = ["kpis?", "entities?", &series, "alerts?"];
    let mut cursors = Vec::new();
    for page in pages {
        let first = server.get(&format!("/api/v1/{page}limit=1")).await.json();
        cursors.push(first["next"].as_str().expect("a next page").to_owned());
    }
    for (own, page) in pages.into_iter().enumerate() {
        for (place, cursor) in cursors.iter().enumerate() {
            let answer = server.get(&format!("/api/v1/{page}after={cursor}")).await;
            assert_eq!(answer.status, if place == own { 200 } else { 400 }, "{page}after={cursor}");
        }
        for forged in ["AAAA", "", "!", "_w", "ZGVmYXVsdHxwbGFuZXR8c2FsZXN8NW0"] {
            let detail = server.get(&format!("/api/v1/{page}after={forged}")).await.problem(400);
            assert!(detail.contains("no `next` of this page"), "{page}after={forged}: {detail}");
        }
    }
    let all = server.get("/api/v1/kpis").await.json();
    let narrowed = server.get(&format!("/api/v1/kpis?window=5m&limit=1&after={}", cursors[0])).await.json();
    assert_eq!(narrowed["kpis"][0], all["kpis"][1]);
}

#[tokio::test]
async fn channels_are_told_apart() {
    let server = crowded().await;
    let count =
        async |query: &str| server.get(&format!("/api/v1/kpis?{query}")).await.json()["kpis"].as_array().unwrap().len();
    assert_eq!(count("id=a%7Cb").await, 4);
    assert_eq!(count("id=a%7Cb&channel=all").await, 3);
    assert_eq!(count("id=a%7Cb&channel=chat").await, 1);
    assert_eq!(count("id=a%7Cb&channel=chat&channel=all&window=now").await, 2);
    assert_eq!(count("channel=email").await, 0);
}

#[tokio::test]
async fn fields_narrow_each_record() {
    let server = Server::start(|_| {}).await;
    let answer = server.get("/api/v1/kpis?id=sales&window=5m&fields=counts.offered,kpis.service_level").await.json();
    let record = &answer["kpis"][0];
    assert_eq!(record["counts"], json!({ "offered": 120 }));
    assert_eq!(record["kpis"], json!({ "service_level": { "value": 0.875, "threshold_s": 20, "target": 0.8 } }));
    assert_eq!((&record["version"], &record["final"], &record["sums_ms"]), (&json!(1), &json!(false), &Value::Null));
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let server = Server::start(|_| {}).await;
    for path in ["/api/v1/kpis?kind=queue", "/api/v1/kpis?format=csv", "/api/v1/entities?limit=1"] {
        let first = server.get(path).await;
        let etag = first.header("etag").expect("a tag").to_owned();
        let again = async |given: &str| server.ask("GET", path, &format!("if-none-match: {given}\r\n")).await;
        let weak = etag.replacen("w/", "W/", 1);
        for given in [weak.as_str(), "*", &format!("\"x\", {weak}"), weak.trim_start_matches("W/")] {
            let answer = again(given).await;
            assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{path} {given}");
            assert_eq!(answer.header("etag"), Some(etag.as_str()));
        }
        assert_eq!(again("\"x\"").await.status, 200);
        assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    }
    let tag = async |path: &str| server.get(path).await.header("etag").map(str::to_owned);
    let all = "/api/v1/kpis?kind=queue";
    let before = tag(all).await;
    assert_ne!(before, tag("/api/v1/kpis?kind=queue&fields=counts").await);
    assert_ne!(before, tag("/api/v1/kpis?kind=queue&format=csv").await);
    let mut newer = five_minutes("sales");
    newer.version = 2;
    put(&server.board, 0, &newer);
    assert_ne!(before, tag(all).await);
}

#[tokio::test]
async fn what_a_page_cannot_use_is_a_problem() {
    let server = Server::start(|_| {}).await;
    for (query, says) in [
        ("limit=0", "1 to 10000"),
        ("limit=10001", "1 to 10000"),
        ("limit=x", "1 to 10000"),
        ("limit=1&limit=2", "twice"),
        ("after=%21", "next"),
        ("format=xml", "json, csv"),
        ("channel=moon", "chat"),
        ("fields=count", "counts.NAME"),
        ("from=2026-03-02T08:15:00Z", "unknown parameter"),
    ] {
        let detail = server.get(&format!("/api/v1/kpis?{query}")).await.problem(400);
        assert!(detail.contains(says), "{query}: {detail}");
    }
    // A cursor of another list.
    server.get("/api/v1/entities?after=YQ").await.problem(400);
}

/// Reads a table as RFC 4180 says.
fn table(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => cell.push(letters.next().expect("a quote")),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {
                assert_eq!(letters.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            letter => cell.push(letter),
        }
    }
    assert!(row.is_empty() && cell.is_empty() && !quoted, "the last line is not ended");
    rows
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[tokio::test]
async fn a_table_says_what_the_json_says() {
    let kpi = |id: &str| KpiMeta {
        id: id.into(),
        title: String::new(),
        unit: "ratio",
        formula: String::new(),
        better: "higher",
    };
    let kpis = ["service_level", "service_level.answered_only@30s", "average_speed_of_answer", "abandonment_rate"];
    let meta = Meta { kpis: kpis.map(kpi).into(), ..Meta::default() };
    let server = Server::start(|app| app.meta = Arc::new(meta)).await;
    let mut hard = five_minutes("a,\"b\"\r\nc");
    hard.entity.title = Some("=1+1, \"two\"".into());
    hard.sums_ms.push("talk", 123_456);
    hard.counts.push("abandoned", Count::Number(-1));
    hard.kpis.push("occupancy", Kpi { value: Some(0.1 + 0.2), ..Kpi::default() });
    put(&server.board, 0, &hard);
    for query in ["", "&fields=counts.offered,sums_ms,kpis.service_level.answered_only@30s", "&fields=now"] {
        let records = server.get(&format!("/api/v1/kpis?kind=queue{query}")).await.json()["kpis"].clone();
        let answer = server.get(&format!("/api/v1/kpis?kind=queue&format=csv{query}")).await;
        assert!(answer.headers.contains("content-type: text/csv"), "{}", answer.headers);
        let rows = table(&answer.body);
        let (head, rows) = rows.split_first().expect("a head");
        assert_eq!(rows.len(), records.as_array().unwrap().len());
        for (row, record) in rows.iter().zip(records.as_array().unwrap()) {
            assert_eq!(row.len(), head.len());
            for (name, found) in head.iter().zip(row) {
                let (entity, window) = (&record["entity"], &record["window"]);
                let expected = match name.as_str() {
                    "kind" | "id" | "title" | "channel" => &entity[name],
                    "window" => &window["name"],
                    "start" | "end" => &window[name],
                    "tenant" | "as_of" | "version" | "final" => &record[name],
                    name if kpis.contains(&name) => &record["kpis"][name]["value"],
                    name => match name.strip_suffix("_ms") {
                        Some(sum) => &record["sums_ms"][sum],
                        None => &record["counts"][name],
                    },
                };
                assert_eq!(*found, cell(expected), "{name} of {record}");
            }
        }
        let has = |name: &str| head.iter().any(|have| have == name);
        assert_eq!((has("offered"), has("talk_ms")), (query != "&fields=now", query != "&fields=now"));
        assert_eq!(has("service_level"), query.is_empty());
    }
    let accepted = server.ask("GET", "/api/v1/kpis", "accept: text/csv, application/json;q=0.9\r\n").await;
    assert!(accepted.headers.contains("content-disposition: attachment"), "{}", accepted.headers);
    assert_eq!(server.ask("GET", "/api/v1/kpis", "accept: */*\r\n").await.json()["next"], Value::Null);
}

impl Answer {
    /// A header's value, in lower case.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}
