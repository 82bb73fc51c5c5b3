//! The pages, asked for over a socket.

use crate::exposition::{Family, parse, parse_open_metrics, value};
use crate::history::{archived, quarter};
use crate::limits::send;
use crate::metrics::promtool_has_no_complaint;
use crate::openapi::replayed;
use crate::records::{five_minutes, json, put, queue, record};
use crate::server::{Answer, Server};
use callpulse::entity::Kind;
use callpulse::serve::board::Board;
use callpulse::serve::exported::Owned;
use callpulse::serve::health::install_recorder;
use callpulse::serve::hosts::Hosts;
use callpulse::serve::pages::PAGES;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::Arc;

#[tokio::test]
async fn records_come_as_published_and_as_asked_for() {
    let server = Server::start(|_| {}).await;
    let (sales, vip, quarter) =
        (json(&five_minutes("sales")), json(&five_minutes("Sales \"VIP\" \\ صف")), json(&queue("sales", "per_15m")));
    let all = server.get("/api/v1/kpis").await;
    assert_eq!((all.status, all.body), (200, format!("{{\"kpis\":[{vip},{sales},{quarter}]}}\n")));
    for (query, expected) in [
        ("kind=queue&id=sales&window=5m&tenant=default", vec![&sales]),
        ("id=sales&window=5m&window=per_15m", vec![&sales, &quarter]),
        ("id=Sales+%22VIP%22+%5C+%D8%B5%D9%81", vec![&vip]),
        ("kind=agent&kind=queue&window=5m", vec![&vip, &sales]),
        ("kind=agent", vec![]),
        ("tenant=other", vec![]),
    ] {
        let answer = server.get(&format!("/api/v1/kpis?{query}")).await.json();
        let expected: Vec<Value> = expected.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
        assert_eq!(answer, json!({ "kpis": expected }), "{query}");
    }
}

#[tokio::test]
async fn entities_are_sorted_and_say_which_windows_they_have() {
    let server = Server::start(|_| {}).await;
    let mut chat = record("acme", Kind::Queue, "sales", "5m");
    chat.entity.channel = Some("chat".into());
    put(&server.board, 0, &chat);
    put(&server.board, 0, &record("acme", Kind::Agent, "ana", "now"));
    let mut renamed = queue("sales", "total");
    renamed.entity.title = Some("Sales and more".into());
    renamed.version = 9;
    put(&server.board, 0, &renamed);
    let expected = json!({ "entities": [
        { "tenant": "acme", "kind": "agent", "id": "ana", "title": "ana", "windows": ["now"] },
        { "tenant": "acme", "kind": "queue", "id": "sales", "title": "sales", "channel": "chat", "windows": ["5m"] },
        { "tenant": "default", "kind": "queue", "id": "Sales \"VIP\" \\ صف", "title": "Sales", "windows": ["5m"] },
        { "tenant": "default", "kind": "queue", "id": "sales", "title": "Sales and more",
          "windows": ["5m", "per_15m", "total"] },
    ] });
    assert_eq!(server.get("/api/v1/entities").await.json(), expected);
    let agents = server.get("/api/v1/entities?kind=agent&tenant=acme").await.json();
    assert_eq!(agents["entities"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_nobody_knows_is_a_problem() {
    let server = Server::start(|_| {}).await;
    let detail = server.get("/api/v1/kpis?kind=planet").await.problem(400);
    assert!(detail.contains("planet") && detail.contains("queue, agent, team"), "{detail}");
    let detail = server.get("/api/v1/kpis?queue=sales").await.problem(400);
    assert!(detail.contains("queue") && detail.contains("kind, id, window, tenant"), "{detail}");
    server.get("/api/v1/entities?window=5m").await.problem(400);
    server.get("/api/v1/kpi").await.problem(404);
    let refused = server.ask("POST", "/api/v1/kpis", "content-length: 0\r\n").await;
    refused.problem(405);
    assert!(refused.headers.contains("allow: get, head"), "{}", refused.headers);
    server.ask("DELETE", "/livez", "").await.problem(405);
}

#[tokio::test]
async fn an_id_tenant_or_rule_that_nobody_has_heard_of_matches_nothing() {
    let server = Server::start(|app| app.archive = archived(&[("sales", 0, 1)])).await;
    let series = "window=per_15m&kind=queue";
    for (path, name) in [
        ("kpis?id=moon".to_owned(), "kpis"),
        ("kpis?id=sales&tenant=moon".to_owned(), "kpis"),
        ("entities?id=moon".to_owned(), "entities"),
        ("alerts?rule=moon".to_owned(), "alerts"),
        (format!("intervals?{series}&id=moon"), "intervals"),
        (format!("intervals?{series}&id=sales&tenant=moon"), "intervals"),
    ] {
        let answer = server.get(&format!("/api/v1/{path}")).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ name: [] })), "{path}");
    }
    let document = server.get("/openapi.json").await.json();
    for page in ["kpis", "entities", "alerts", "intervals"] {
        let of_list = &document["paths"][format!("/api/v1/{page}")]["get"]["responses"]["200"]["description"];
        assert!(of_list.as_str().unwrap().contains("empty list"), "{page}: {of_list}");
    }
}

#[tokio::test]
async fn what_is_no_text_is_a_problem() {
    let server = Server::start(|app| app.archive = archived(&[("sales", 0, 1)])).await;
    for (query, faulty) in
        [("id=%ff", "id=%ff"), ("kind=queue&id=a%C3%28", "id=a%C3%28"), ("%80=1", "%80=1"), ("id=%C3&id=%A9", "id=%C3")]
    {
        for page in ["kpis", "entities", "intervals", "alerts", "meta", "stream"] {
            let detail = server.get(&format!("/api/v1/{page}?{query}")).await.problem(400);
            assert!(detail.contains("UTF-8") && detail.starts_with(faulty), "{page}?{query}: {detail}");
        }
    }
    // A per cent sign that encodes nothing stands for itself.
    assert_eq!(server.get("/api/v1/kpis?id=100%&tenant=%zz").await.json(), json!({ "kpis": [] }));
}

#[tokio::test]
async fn a_window_or_field_that_there_is_not_is_a_problem_that_says_what_there_is() {
    let server = Server::start(|app| app.archive = archived(&[("sales", 0, 1)])).await;
    let series = "kind=queue&id=sales&window=per_15m";
    for (faulty, known) in [
        ("window=6m", "now, 5m, 30m, per_15m,"),
        ("window=", "now, 5m, 30m, per_15m,"),
        ("window=5m&window=6m", "now, 5m, 30m, per_15m,"),
        ("fields=counts.offered,counts.moon", "offered, answered,"),
        ("fields=sums_ms.moon", "wait_answered,"),
        ("fields=kpis.moon", "service_level,"),
        ("fields=kpis.service_level.moon", "service_level,"),
        ("fields=moon", "counts.NAME"),
    ] {
        for page in ["kpis?", "kpis?format=csv&", "stream?"] {
            let detail = server.get(&format!("/api/v1/{page}{faulty}")).await.problem(400);
            assert!(detail.contains("unknown ") && detail.contains(known), "{page}{faulty}: {detail}");
        }
        let detail = match faulty.starts_with("fields") {
            true => server.get(&format!("/api/v1/intervals?{series}&{faulty}")).await.problem(400),
            false => continue,
        };
        assert!(detail.contains(known), "{faulty}: {detail}");
    }
    let detail = server.get("/api/v1/intervals?kind=queue&id=sales&window=per_7m").await.problem(400);
    assert!(detail.contains("per_7m") && detail.contains("per_15m"), "{detail}");
    for (from, to) in [("09:00:00.001Z", "09:00:00Z"), ("10:00:00Z", "10:30:00%2B01:00")] {
        let path = format!("/api/v1/intervals?{series}&from=2026-03-02T{from}&to=2026-03-02T{to}");
        for form in ["", "&format=csv"] {
            let detail = server.get(&format!("{path}{form}")).await.problem(400);
            assert!(detail.contains("before from"), "{detail}");
        }
    }
    // A time of no length holds nothing, which is no mistake.
    let at = "2026-03-02T09:00:00Z";
    let nothing = server.get(&format!("/api/v1/intervals?{series}&from={at}&to={at}")).await.json();
    assert_eq!(nothing, json!({ "intervals": [] }));
}

#[tokio::test]
async fn what_the_archive_alone_has_can_be_asked_for() {
    let server = Server::start(|app| {
        app.archive = archived(&[("sales", 0, 1)]);
        app.meta = Arc::default();
    })
    .await;
    server.get("/api/v1/kpis?window=per_15m").await.problem(400);
    let path = format!("/api/v1/intervals?kind=queue&id=sales&window=per_15m&from={}", quarter(0));
    assert_eq!(server.get(&path).await.json()["intervals"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn every_name_in_a_record_can_be_asked_for() {
    let server = Server::start(|_| {}).await;
    for record in replayed("default") {
        let record = serde_json::to_value(record).unwrap();
        let names = ["counts", "sums_ms", "kpis"].map(|part| {
            let names = record[part].as_object().into_iter().flat_map(|names| names.keys());
            names.map(|name| format!("{part}.{name}")).collect::<Vec<_>>()
        });
        // A record of `now` has none of them.
        let fields = [vec!["now".to_owned()], names.concat()].concat().join(",");
        let answer = server.get(&format!("/api/v1/kpis?limit=1&fields={fields}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[tokio::test]
async fn who_accepts_no_form_of_an_answer_is_told_which_there_are() {
    let server = Server::start(|_| {}).await;
    let accepting = async |path: &str, accept: &str| server.ask("GET", path, &format!("accept: {accept}\r\n")).await;
    for (path, forms) in [
        ("/api/v1/kpis", "application/json or text/csv"),
        ("/api/v1/kpis?format=csv", "application/json or text/csv"),
        ("/api/v1/intervals", "application/json or text/csv"),
        ("/api/v1/alerts", "application/json or text/csv"),
        ("/api/v1/entities", "application/json"),
        ("/api/v1/meta", "application/json"),
        ("/api/v1/stream", "text/event-stream"),
    ] {
        for accept in ["image/png", "text/html,application/xhtml+xml", "*/*;q=0"] {
            let detail = accepting(path, accept).await.problem(406);
            assert!(detail.contains(&format!("as {forms};")), "{path}: {detail}");
        }
    }
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
    for (path, accept) in
        [("/api/v1/kpis", browser), ("/", browser), ("/api/v1/meta", "*/*"), ("/api/v1/meta", "application/*")]
    {
        assert_eq!(accepting(path, accept).await.status, 200, "{path} {accept}");
    }
    for path in ["/", "/metrics", "/livez", "/readyz", "/openapi.json"] {
        assert_eq!(accepting(path, "image/png").await.status, 200, "{path}");
    }
    for (accept, is_table) in [
        ("text/csv", true),
        ("text/csv, application/json", true),
        ("application/json, text/csv", false),
        ("application/json;q=0.5, text/csv", true),
        ("text/*, application/json;q=0.9", true),
        ("*/*", false),
    ] {
        let answer = accepting("/api/v1/kpis", accept).await;
        assert_eq!(answer.headers.contains("content-type: text/csv"), is_table, "{accept}");
    }
}

#[tokio::test]
async fn no_other_site_may_read_an_answer() {
    let server = Server::start(|_| {}).await;
    for path in ["/", "/metrics", "/api/v1/kpis", "/openapi.json", "/nowhere"] {
        let answer = server.ask("GET", path, "origin: https://elsewhere.example\r\n").await;
        assert!(!answer.headers.contains("access-control-"), "{path}: {}", answer.headers);
    }
    let preflight = "origin: https://elsewhere.example\r\naccess-control-request-method: GET\r\n";
    let refused = server.ask("OPTIONS", "/api/v1/kpis", preflight).await;
    refused.problem(405);
    assert!(!refused.headers.contains("access-control-"), "{}", refused.headers);
}

#[tokio::test]
async fn a_page_of_another_site_whose_name_leads_here_is_refused() {
    let server = Server::start(|app| app.hosts = Arc::new(Hosts::OfThisMachine(vec!["wall.example.com".into()]))).await;
    let by = async |host: &str, path: &str| {
        let answer =
            send(&server, format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").into()).await;
        Answer::read(&answer)
    };
    for page in PAGES {
        let detail = by("evil.example:8080", page.path).await.problem(421);
        assert!(detail.contains("evil.example:8080") && detail.contains("allowed_hosts"), "{detail}");
    }
    by("localhost", "http://evil.example/metrics").await.problem(421);
    for host in ["localhost:8080", "127.0.0.1", "[::1]:8080", "wall.example.com"] {
        assert_eq!(by(host, "/api/v1/meta").await.status, 200, "{host}");
    }
    let old = send(&server, b"GET /livez HTTP/1.0\r\n\r\n".into()).await;
    assert_eq!(Answer::read(&old).status, 200);
}

#[tokio::test]
async fn ready_means_that_nothing_speaks_against_it() {
    let server = Server::start(|_| {}).await;
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, ready.json()), (200, json!({ "ready": true, "reasons": [] })));
    server.reasons.lock().unwrap().push("the KPI topic is not read to its end".into());
    let not_ready = server.get("/readyz").await;
    assert_eq!(not_ready.status, 503);
    assert_eq!(not_ready.json(), json!({ "ready": false, "reasons": ["the KPI topic is not read to its end"] }));
    let live = server.get("/livez").await;
    assert_eq!((live.status, live.body.as_str()), (200, "ok\n"));
}

#[tokio::test]
async fn no_counter_is_told_while_the_board_is_read_from_its_beginning() {
    let board = Arc::new(Board::default());
    put(&board, 0, &five_minutes("sales"));
    let server = Server::start(|app| app.board = board.clone()).await;
    let answer = server.get("/metrics").await;
    assert!(answer.status == 200 && !answer.body.contains("acd_"), "{}", answer.body);
    board.set_caught_up();
    assert!(server.get("/metrics").await.body.contains("acd_queue_"));
}

#[tokio::test]
async fn metrics_hold_the_kpis_owned_and_our_own_health() {
    let health = install_recorder().unwrap();
    metrics::describe_histogram!("callpulse_test_seconds", "how long nothing took");
    metrics::histogram!("callpulse_test_seconds").record(0.2);
    let server = Server::start(|app| {
        app.health = Some(health);
        app.owned = Arc::new(|| Owned::Partitions([0].into()));
    })
    .await;
    let answer = server.get("/metrics").await;
    assert!(answer.headers.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", answer.headers);
    let families = parse(&answer.body).unwrap();
    let labels = |queue| [("tenant", "default"), ("queue", queue), ("window", "5m")];
    assert_eq!(value(&families, "acd_queue_offered_calls", &labels("sales")), Some(120.0));
    assert_eq!(value(&families, "acd_queue_offered_calls", &labels("Sales \"VIP\" \\ صف")), None);
    assert_eq!(value(&families, "callpulse_test_seconds_bucket", &[("le", "0.25")]), Some(1.0));
    assert_eq!(value(&families, "callpulse_rejects_total", &[("reason", "late")]), Some(0.0));
    assert!(value(&families, "process_resident_memory_bytes", &[]).is_some_and(|bytes| 0.0 < bytes));
    promtool_has_no_complaint(&answer.body);
    let open = server.ask("GET", "/metrics", "accept: application/openmetrics-text; version=1.0.0\r\n").await;
    let content_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(open.headers.contains(content_type) && open.headers.contains("vary: accept"), "{}", open.headers);
    let open = parse_open_metrics(&open.body).unwrap_or_else(|fault| panic!("{fault}\n{}", open.body));
    let names = |families: &[Family]| families.iter().map(|family| family.name.clone()).collect::<BTreeSet<_>>();
    // Other tests tell the recorder, which is the process's, more meanwhile.
    assert!(names(&families).is_subset(&names(&open)), "{:?}", names(&open));
    let of_board = |families: &[Family]| names(families).into_iter().filter(|name| name.starts_with("acd_")).count();
    assert_eq!(of_board(&families), of_board(&open));
    let head = server.ask("HEAD", "/metrics", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn with_a_token_only_what_holds_no_numbers_is_open_to_all() {
    let server = Server::start(|app| app.token = Some("secret".into())).await;
    for path in
        ["/metrics", "/api/v1/kpis", "/api/v1/entities", "/api/v1/meta", "/api/v1/stream", "/api/v1/alerts", "/nowhere"]
    {
        let refused = server.get(path).await;
        refused.problem(401);
        assert!(refused.headers.contains("www-authenticate: bearer"), "{}", refused.headers);
    }
    for wrong in ["Bearer secre", "Bearer secrets", "Bearer Secret", "Bearer ", "Basic secret", "secret"] {
        server.ask("GET", "/metrics", &format!("authorization: {wrong}\r\n")).await.problem(401);
    }
    for right in ["Bearer secret", "bearer secret"] {
        assert_eq!(server.ask("GET", "/metrics", &format!("authorization: {right}\r\n")).await.status, 200);
    }
    for open in ["/", "/livez", "/readyz"] {
        assert_eq!(server.get(open).await.status, 200, "{open}");
    }
}

#[tokio::test]
async fn every_page_of_the_list_is_there() {
    let server = Server::start(|_| {}).await;
    for page in PAGES {
        // One that does not exist is a 404, whatever the method.
        assert_eq!(server.ask("DELETE", page.path, "").await.status, 405, "{}", page.path);
    }
}

#[tokio::test]
async fn the_wallboard_may_run_its_own_script_and_nothing_else() {
    let page = Server::start(|_| {}).await.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.starts_with("<!doctype html>") && page.body.ends_with("</html>\n"));
    let policy = page.headers.lines().find_map(|line| line.strip_prefix("content-security-policy: "));
    let policy: Vec<&str> = policy.expect("a policy").split("; ").collect();
    for rule in ["default-src 'none'", "connect-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(&rule), "{policy:?}");
    }
    for kind in ["script-src", "style-src"] {
        let allowed: Vec<&str> = policy.iter().filter(|rule| rule.starts_with(kind)).copied().collect();
        assert!(
            matches!(allowed[..], [one] if one.split(' ').skip(1).all(|word| word.starts_with("'sha256-"))),
            "{policy:?}"
        );
    }
    assert!(page.headers.contains("content-type: text/html; charset=utf-8"), "{}", page.headers);
}

#[tokio::test]
async fn the_server_ends_when_it_is_told_to() {
    let server = Server::start(|_| {}).await;
    assert_eq!(server.get("/livez").await.status, 200);
    server.stop.send(()).unwrap();
    server.serving.await.unwrap();
    assert!(TcpStream::connect(server.address).is_err());
}
