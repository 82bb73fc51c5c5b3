//! The HTTP server: metrics, health and the board, read only.
//!
//! ```text
//! /                 what there is, as text
//! /metrics          for Prometheus, or as OpenMetrics: the KPIs of the entities owned here, and the program's own health
//! /livez            200 while the process lives
//! /readyz           200, or 503 with the reasons
//! /api/v1/kpis      KPI records as published    ?kind= &id= &window= &tenant=   each may be repeated
//! /api/v1/entities  whose records there are     ?kind= &tenant=                 each may be repeated
//! ```
//!
//! What goes wrong is told as `application/problem+json`. With a token set, everything but `/livez` and
//! `/readyz` asks for it.

use crate::entity::Kind;
use crate::serve::board::{Board, Filter};
use crate::serve::health;
use crate::serve::listen::{Limits, listen};
use crate::serve::prometheus::{self, Exported, Format, Help, Owned, Scrape};
use crate::time::EventTime;
use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::{
    ACCEPT, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, VARY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{interval, timeout};

/// What the server shows, and where it asks.
#[derive(Clone)]
pub struct App {
    pub board: Arc<Board>,
    /// The partitions of the KPI topic whose entities `/metrics` shows, asked at every scrape.
    pub owned: Arc<dyn Fn() -> Owned + Send + Sync>,
    /// What of them `/metrics` shows.
    pub exported: Arc<Exported>,
    /// Why the program is not ready, each reason a sentence; none means ready.
    pub not_ready: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    pub help: Arc<Help>,
    /// The program's own metrics.
    pub health: Option<PrometheusHandle>,
    /// Asked for as `Authorization: Bearer`.
    pub token: Option<Arc<str>>,
    pub limits: Limits,
}

/// How long a request may take.
const REQUEST: Duration = Duration::from_secs(10);
/// How many answers are made at once: each may hold the whole board.
const ANSWERS_MAX: usize = 4;
/// How often the recorder of our own metrics tidies up.
const UPKEEP: Duration = Duration::from_secs(5);

const INDEX: &str = "\
Callpulse

/metrics          for Prometheus
/livez            200 while the process lives
/readyz           200, or 503 with the reasons
/api/v1/kpis      KPI records as published; kind=, id=, window=, tenant= narrow it and may be repeated
/api/v1/entities  whose records there are; kind=, tenant= narrow it and may be repeated
";

/// Serves until `shutdown` is done, then finishes the answers under way.
pub async fn serve(listener: TcpListener, app: App, shutdown: impl Future<Output = ()>) {
    let (health, limits) = (app.health.clone(), app.limits);
    let serving = listen(listener, router(app), limits, shutdown);
    let upkeep = async move {
        let mut turns = interval(UPKEEP);
        loop {
            turns.tick().await;
            if let Some(health) = &health {
                health.run_upkeep();
            }
        }
    };
    tokio::select! {
        () = serving => {}
        () = upkeep => {}
    }
}

/// The routes alone, for whoever has a server already.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(async || ([(CONTENT_TYPE, "text/plain; charset=utf-8")], INDEX)))
        .route("/metrics", get(metrics))
        .route("/livez", get(async || ([(CONTENT_TYPE, "text/plain; charset=utf-8")], "ok\n")))
        .route("/readyz", get(readyz))
        .route("/api/v1/kpis", get(kpis))
        .route("/api/v1/entities", get(entities))
        .fallback(async || problem(StatusCode::NOT_FOUND, "there is no such page; / lists what there is"))
        .method_not_allowed_fallback(async || {
            let refusal = problem(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered");
            ([(ALLOW, "GET, HEAD")], refusal)
        })
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = Format::asked(&accept.join(","));
    let text = in_background(move || {
        let owned = (app.owned)();
        let scrape = Scrape { owned: &owned, exported: &app.exported, help: &*app.help, format };
        let mut text = prometheus::render(&app.board, scrape);
        if let Some(health) = &app.health {
            tell_behind(&app.board);
            text.push_str(&health::render(health, format));
        }
        text.push_str(format.end());
        text
    });
    let headers = [(CONTENT_TYPE, format.content_type()), (VARY, "Accept")];
    text.await.map_or_else(|failed| failed, |text| (headers, text).into_response())
}

/// How far event time is behind the clock now, so that it grows while nothing comes from Kafka.
fn tell_behind(board: &Board) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
    for (partition, progress) in &board.read().progress {
        if let Some(as_of) = progress.as_of.as_deref().and_then(EventTime::parse) {
            let behind = (now - as_of.0).max(0) as f64 / 1000.0;
            gauge!("callpulse_behind_seconds", "partition" => partition.to_string()).set(behind);
            let as_of = as_of.0 as f64 / 1000.0;
            gauge!("callpulse_as_of_timestamp_seconds", "partition" => partition.to_string()).set(as_of);
        }
    }
}

async fn readyz(State(app): State<App>) -> Response {
    let reasons = (app.not_ready)();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons });
    (status, [(CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

async fn kpis(State(app): State<App>, query: Result<Query<Parameters>, QueryRejection>) -> Response {
    let filter = match filter(query, &["kind", "id", "window", "tenant"]) {
        Ok(filter) => filter,
        Err(fault) => return problem(StatusCode::BAD_REQUEST, &fault),
    };
    json_answer(move || {
        let mut body = b"{\"kpis\":".to_vec();
        body.extend(app.board.records_json(&filter));
        body.extend(b"}\n");
        body
    })
    .await
}

async fn entities(State(app): State<App>, query: Result<Query<Parameters>, QueryRejection>) -> Response {
    let filter = match filter(query, &["kind", "tenant"]) {
        Ok(filter) => filter,
        Err(fault) => return problem(StatusCode::BAD_REQUEST, &fault),
    };
    json_answer(move || format!("{}\n", json!({ "entities": app.board.entities(&filter) })).into_bytes()).await
}

/// The query's names and values, in their order.
type Parameters = Vec<(String, String)>;

fn filter(query: Result<Query<Parameters>, QueryRejection>, known: &[&str]) -> Result<Filter, String> {
    let Query(parameters) = query.map_err(|rejection| rejection.body_text())?;
    let mut filter = Filter::default();
    for (name, value) in parameters {
        if !known.contains(&name.as_str()) {
            return Err(format!("unknown parameter {name}; known are {}", known.join(", ")));
        }
        match name.as_str() {
            "kind" => {
                filter.kinds.push(Kind::from_word(&value).ok_or_else(|| {
                    format!("unknown kind {value}; known are {}", Kind::ALL.map(Kind::word).join(", "))
                })?)
            }
            "id" => filter.ids.push(value),
            "window" => filter.windows.push(value),
            _ => filter.tenants.push(value),
        }
    }
    Ok(filter)
}

async fn json_answer(body: impl FnOnce() -> Vec<u8> + Send + 'static) -> Response {
    let body = in_background(body).await;
    body.map_or_else(|failed| failed, |body| ([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// Work of milliseconds, off the threads that serve the others.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Response> {
    static ROOM: Semaphore = Semaphore::const_new(ANSWERS_MAX);
    // Never closed.
    let _place = ROOM.acquire().await;
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| problem(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made; the log says why"))
}

/// What holds for every request: the token, the time it may take, and headers for browsers.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_open = matches!(request.uri().path(), "/livez" | "/readyz");
    let mut response = if !request.body().is_end_stream() {
        // Not read, so the connection cannot go on.
        let refusal = problem(StatusCode::PAYLOAD_TOO_LARGE, "send no body; nothing here takes one");
        ([(CONNECTION, HeaderValue::from_static("close"))], refusal).into_response()
    } else if is_open || may_enter(&app, &request) {
        timeout(REQUEST, next.run(request)).await.unwrap_or_else(|_| {
            problem(StatusCode::SERVICE_UNAVAILABLE, "the answer took longer than 10 s; ask for less, or later")
        })
    } else {
        let refusal = problem(StatusCode::UNAUTHORIZED, "send the token of [serve] as Authorization: Bearer");
        ([(WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn may_enter(app: &App, request: &Request) -> bool {
    let Some(token) = &app.token else {
        return true;
    };
    let Some(header) = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes) else {
        return false;
    };
    let scheme = b"bearer ";
    header.len() > scheme.len()
        && header[..scheme.len()].eq_ignore_ascii_case(scheme)
        && is_same_secret(header[scheme.len()..].trim_ascii(), token.as_bytes())
}

/// Takes the same time wherever the two differ; only their lengths show.
fn is_same_secret(given: &[u8], expected: &[u8]) -> bool {
    let difference = given.iter().zip(expected).fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
    given.len() == expected.len() && difference == 0
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    let body = Body::from(format!("{body}\n"));
    (status, [(CONTENT_TYPE, "application/problem+json")], body).into_response()
}
