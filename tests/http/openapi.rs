//! The OpenAPI document is true: every page and parameter in it is served, and every answer is as it says.

use crate::alert_records::{firing, resolved};
use crate::alerts::{ago, tell};
use crate::history::{archived, quarter};
use crate::records::{five_minutes, now, put};
use crate::schema::{faults, resolve};
use crate::server::{Answer, Server};
use callpulse::event::Decoded;
use callpulse::kpi::record::{KpiRecord, Now};
use callpulse::replay::engine::Replay;
use callpulse::replay::filter::Filter;
use callpulse::serve::live::streams::Streams;
use callpulse::time::EventTime;
use callpulse::{config, decode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A server with something on every page.
async fn furnished() -> (Server, Value) {
    let server = Server::start(|app| {
        app.archive = archived(&[("sales", 0, 1), ("sales", 1, 2)]);
        app.token = Some("secret".into());
    })
    .await;
    let waiting = Now { waiting: 2, longest_wait_since: Some("2026-03-02T08:15:00.000Z".into()), ..Now::default() };
    put(&server.board, 0, &now("sales", waiting));
    for total in replayed("default").iter().filter(|record| record.window.name == "total") {
        put(&server.board, 0, total);
    }
    let (fires, rests) = (firing("abandonment", "sales", ago(0)), firing("abandonment", "vip", ago(9)));
    tell(&server.alerts, 0, &fires);
    tell(&server.alerts, 0, &resolved(rests, ago(0)));
    let document = server.get("/openapi.json").await.json();
    (server, document)
}

impl Server {
    async fn allowed(&self, method: &str, path: &str, header: &str) -> Answer {
        self.ask(method, path, &format!("authorization: Bearer secret\r\n{header}")).await
    }
}

/// What an interval of the archive is asked by.
const ONE: &str = "kind=queue&id=sales&window=per_15m";

#[tokio::test]
async fn every_answer_is_as_documented() {
    let (server, document) = furnished().await;
    let etag = server.allowed("GET", "/api/v1/kpis", "").await;
    let etag = etag.headers.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag").replace("w/", "W/");
    let known = format!("if-none-match: {etag}\r\n");
    let history = format!("/api/v1/intervals?{ONE}&from={}", quarter(0));
    let limited = format!("{history}&limit=1");
    let table = format!("{history}&format=csv");
    let unknown_window = history.replace("per_15m", "5m");
    let asked = [
        ("/", "", 200),
        ("/metrics", "", 200),
        ("/livez", "", 200),
        ("/readyz", "", 200),
        ("/openapi.json", "", 200),
        ("/api/v1/meta", "", 200),
        ("/api/v1/meta?kind=queue", "", 400),
        ("/api/v1/kpis", "", 200),
        ("/api/v1/kpis", &known, 304),
        ("/api/v1/kpis?limit=1", "", 200),
        ("/api/v1/kpis?fields=counts", "", 200),
        ("/api/v1/kpis?format=csv", "", 200),
        ("/api/v1/kpis?limit=0", "", 400),
        ("/api/v1/kpis", "accept: image/png\r\n", 406),
        ("/api/v1/stream", "accept: application/json\r\n", 406),
        ("/api/v1/entities", "", 200),
        ("/api/v1/entities?kind=planet", "", 400),
        (&history, "", 200),
        (&limited, "", 200),
        (&table, "", 200),
        (&unknown_window, "", 400),
        ("/api/v1/intervals", "", 400),
        ("/api/v1/alerts", "", 200),
        ("/api/v1/alerts?limit=1&fields=levels", "", 200),
        ("/api/v1/alerts?format=csv", "", 200),
        ("/api/v1/alerts?state=quiet", "", 400),
        ("/api/v1/stream?kind=planet", "", 400),
    ];
    for (path, header, status) in asked {
        let answer = server.allowed("GET", path, header).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        is_as_documented(&document, path, &answer);
        let head = server.allowed("HEAD", path, header).await;
        assert_eq!((head.status, head.body.as_str()), (status, ""), "{path}");
    }
    for path in ["/metrics", "/api/v1/kpis", "/api/v1/intervals", "/api/v1/stream", "/api/v1/meta"] {
        let refused = server.get(path).await;
        assert_eq!(refused.status, 401, "{path}");
        is_as_documented(&document, path, &refused);
    }
    for method in ["POST", "DELETE"] {
        is_as_documented(
            &document,
            "/api/v1/kpis",
            &server.allowed(method, "/api/v1/kpis", "content-length: 0\r\n").await,
        );
    }
    let refused = server.allowed("GET", "/api/v1/kpis", "content-length: 5\r\n").await;
    assert_eq!(refused.status, 413);
    is_as_documented(&document, "/api/v1/kpis", &refused);
    server.reasons.lock().unwrap().push("not yet".into());
    for path in ["/readyz", "/api/v1/meta"] {
        is_as_documented(&document, path, &server.allowed("GET", path, "").await);
    }
}

#[tokio::test]
async fn an_answer_that_has_to_wait_is_as_documented() {
    let server = Server::start(|app| app.streams = Streams::new(app.board.clone(), 0)).await;
    let document = server.get("/openapi.json").await.json();
    for path in ["/api/v1/stream", &format!("/api/v1/intervals?{ONE}")] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        is_as_documented(&document, path, &answer);
    }
}

#[track_caller]
fn is_as_documented(document: &Value, path: &str, answer: &Answer) {
    let page = path.split('?').next().unwrap();
    let responses = &document["paths"][page]["get"]["responses"];
    let response = match &responses[answer.status.to_string()] {
        Value::Null => &responses["default"],
        documented => documented,
    };
    assert!(response.is_object(), "{path}: {} is not documented", answer.status);
    let given = answer.headers.lines().find_map(|line| line.strip_prefix("content-type: "));
    let Some(given) = given else {
        assert_eq!((&response["content"], answer.body.as_str()), (&Value::Null, ""), "{path}");
        return;
    };
    let content = response["content"].as_object().unwrap_or_else(|| panic!("{path}: {} has no content", answer.status));
    let (_, documented) = content.iter().find(|(name, _)| name.to_lowercase() == given).unwrap_or_else(|| {
        panic!("{path}: {} comes as {given}, documented are {:?}", answer.status, content.keys().collect::<Vec<_>>())
    });
    let value = match given.contains("json") {
        true => serde_json::from_str(&answer.body).expect("JSON"),
        false => json!(answer.body),
    };
    let faults = faults(document, &documented["schema"], &value, path);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn every_documented_parameter_is_understood_and_no_other() {
    let (server, document) = furnished().await;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let parameters: Vec<&Value> = parameters.iter().filter(|parameter| parameter["in"] == "query").collect();
        // A HEAD is answered as a GET is, and does not go on.
        let status =
            async |query: &[String]| server.allowed("HEAD", &format!("{path}?{}", query.join("&")), "").await.status;
        let needed: Vec<String> = parameters
            .iter()
            .filter(|parameter| parameter["required"] == true)
            .map(|parameter| format!("{}={}", parameter["name"].as_str().unwrap(), good(parameter)[0]))
            .collect();
        if !path.starts_with("/api/") {
            assert!(parameters.is_empty(), "{path}");
            continue;
        }
        assert_eq!(status(&needed).await, 200, "{path}?{needed:?}");
        assert_eq!(status(&[needed.clone(), vec!["moon=1".into()]].concat()).await, 400, "{path}");
        let from = if path.ends_with("/intervals") { format!("&from={}", quarter(0)) } else { String::new() };
        let first = format!("{path}?{}{from}&limit=1", needed.join("&"));
        let next = match parameters.iter().any(|parameter| parameter["name"] == "after") {
            true => server.allowed("GET", &first, "").await.json()["next"].as_str().expect("a next page").to_owned(),
            false => String::new(),
        };
        for parameter in parameters {
            let name = parameter["name"].as_str().expect("a name");
            let others: Vec<String> =
                needed.iter().filter(|one| !one.starts_with(&format!("{name}="))).cloned().collect();
            let with = |values: &[String]| {
                let given = values.iter().map(|value| format!("{name}={value}"));
                others.iter().cloned().chain(given).collect::<Vec<String>>()
            };
            let good = match name {
                "after" => vec![next.clone()],
                "fields" if path.ends_with("/alerts") => vec!["value,levels".into(), "text".into()],
                _ => good(parameter),
            };
            let bad = bad(parameter);
            for value in &good {
                assert_eq!(status(&with(std::slice::from_ref(value))).await, 200, "{path} {name}={value}");
            }
            for value in &bad {
                assert_eq!(status(&with(std::slice::from_ref(value))).await, 400, "{path} {name}={value}");
            }
            let twice = [good[0].clone(), good[0].clone()];
            let is_repeated = parameter["schema"]["type"] == "array";
            assert_eq!(status(&with(&twice)).await, if is_repeated { 200 } else { 400 }, "{path} {name} twice");
            if parameter["required"] == true {
                assert_eq!(status(&others).await, 400, "{path} without {name}");
            }
        }
    }
}

/// The schema of one value.
fn one(parameter: &Value) -> &Value {
    let schema = &parameter["schema"];
    if schema["type"] == "array" { &schema["items"] } else { schema }
}

/// Values that the document allows; of every choice each.
fn good(parameter: &Value) -> Vec<String> {
    let schema = one(parameter);
    match (&schema["enum"], parameter["name"].as_str().expect("a name")) {
        (Value::Array(words), _) => words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect(),
        (_, "limit") => ["minimum", "maximum"].map(|bound| schema[bound].to_string()).into(),
        (_, "from" | "to") => vec![quarter(0), "2026-03-02T09:15:00%2B01:00".into()],
        (_, "fields") => vec!["counts,kpis.service_level,now".into(), "by_entry".into()],
        (_, "window") => vec!["per_15m".into()],
        (_, "id") => vec!["sales".into(), "%D8%B5%D9%81".into()],
        (_, _) => vec!["default".into()],
    }
}

fn bad(parameter: &Value) -> Vec<String> {
    let schema = one(parameter);
    match (&schema["enum"], parameter["name"].as_str().expect("a name")) {
        (Value::Array(_), _) => vec!["moon".into()],
        (_, "limit") => {
            let bound = |name: &str| schema[name].as_i64().expect("a number");
            vec![(bound("minimum") - 1).to_string(), (bound("maximum") + 1).to_string()]
        }
        (_, "from" | "to") => vec!["yesterday".into()],
        (_, "fields") => vec!["moon".into(), "counts.".into(), "counts.moon".into(), "kpis.moon".into()],
        (_, "window") => vec!["moon".into()],
        (_, "after") => vec!["%21".into(), "AAAA".into()],
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn every_event_of_a_stream_is_as_documented() {
    let (server, document) = furnished().await;
    let progress = r#"{"as_of":null,"behind_ms":120,"generation":3,"silent":[{"topic":"acd.events"}]}"#;
    let place = crate::records::next(&server.board, 0);
    server.board.apply(place, Some(b"progress|7"), Some(progress.as_bytes())).unwrap();
    let schemas = resolve(&document, &json!("#/components/schemas/StreamEvents"))["properties"].clone();
    let mut seen = std::collections::BTreeSet::new();
    let mut listener =
        crate::streams::Listener::open(&server, "?alerts=true", "authorization: Bearer secret\r\n").await;
    let mut ended = false;
    while seen.len() < schemas.as_object().unwrap().len() {
        for event in listener.events().await.expect("more to come") {
            let data: Value = serde_json::from_str(&event.data).expect("JSON");
            let faults = faults(&document, &schemas[&event.name], &data, &event.name);
            assert!(faults.is_empty(), "{}", faults.join("\n"));
            seen.insert(event.name);
        }
        // What ends before the snapshot is none of it.
        if seen.contains("live") && !std::mem::replace(&mut ended, true) {
            crate::records::end(&server.board, &five_minutes("sales"));
            server.alerts.apply(0, Some(b"abandonment|default|queue|sales"), None).expect("a readable key");
        }
    }
}

#[tokio::test]
async fn records_that_are_not_narrowed_are_whole() {
    let (server, document) = furnished().await;
    let whole = resolve(&document, &json!("#/components/schemas/KpiRecord"));
    let records = replayed("north");
    for record in &records {
        put(&server.board, 0, record);
    }
    let answer = server.allowed("GET", "/api/v1/kpis?tenant=north", "").await.json();
    let told = answer["kpis"].as_array().expect("records");
    assert_eq!(told.len(), records.len());
    for record in told {
        assert_eq!(faults(&document, whole, record, "record"), [""; 0]);
    }
}

/// Every record of a call, as the engine makes them.
pub fn replayed(tenant: &str) -> Vec<KpiRecord> {
    let settings = config::read("", &BTreeMap::new()).expect("the default settings").settings;
    let mut replay = Replay::new(Arc::new(settings.plan.clone()), EventTime(i64::MAX));
    for told in [
        r#"{"type":"call.queued","time":"2026-03-02T08:00:00Z","call_id":"c1","queue":"sales"}"#,
        r#"{"type":"call.answered","time":"2026-03-02T08:00:10Z","call_id":"c1","agent":"ana"}"#,
        r#"{"type":"call.ended","time":"2026-03-02T08:01:00Z","call_id":"c1"}"#,
    ] {
        let Ok(Decoded::Event(mut event)) = decode::json::decode(told.as_bytes()) else { panic!("{told}") };
        event.tenant = tenant.into();
        replay.take(&event, "test");
    }
    let as_of = replay.latest().expect("there are events");
    let tallies = replay.settle(&settings.kpi, as_of);
    tallies.records(&Filter::default()).collect()
}

#[tokio::test]
async fn every_reference_is_to_something() {
    fn walk(document: &Value, part: &Value, count: &mut usize) {
        match part {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref") {
                    resolve(document, reference);
                    *count += 1;
                }
                fields.values().for_each(|part| walk(document, part, count));
            }
            Value::Array(items) => items.iter().for_each(|part| walk(document, part, count)),
            _ => {}
        }
    }
    let (_, document) = furnished().await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut count = 0;
    walk(&document, &document, &mut count);
    assert!(10 < count);
}
