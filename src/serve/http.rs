//! The HTTP server: metrics, health and the board, read only. `pages` lists what there is.
//!
//! What goes wrong is told as `application/problem+json`. With a token set, every page asks for it but those
//! that `pages` calls open.

use crate::entity::decode_bytes;
use crate::serve::accept::{Accept, media_of};
use crate::serve::alerts::Alerts;
use crate::serve::alerts_page::{self, AsksAlerts};
use crate::serve::archive::Archive;
use crate::serve::board::Board;
use crate::serve::exported::{Exporter, Owned};
use crate::serve::heads::Refusal;
use crate::serve::health;
use crate::serve::history::{self, Sources};
use crate::serve::hosts::Hosts;
use crate::serve::kpis::{self, Wanted};
use crate::serve::listen::{ConnectionPlace, Limits, listen};
use crate::serve::live::alerts::AlertReader;
use crate::serve::live::feed::Query as Streamed;
use crate::serve::live::streams::Streams;
use crate::serve::meta::{self, Meta};
use crate::serve::openapi;
use crate::serve::pages::{self, PAGES, Page};
use crate::serve::parameters::Asked;
use crate::serve::problem::{bad_request, later, problem};
use crate::serve::prometheus::{self, Format, Help, Scrape};
use crate::serve::wallboard;
use crate::time::EventTime;
use axum::body::Body;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use std::collections::BTreeSet;
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
    pub alerts: Arc<Alerts>,
    pub streams: Arc<Streams>,
    pub archive: Arc<Archive>,
    pub meta: Arc<Meta>,
    /// The partitions of the KPI topic whose entities `/metrics` shows, asked at every scrape.
    pub owned: Arc<dyn Fn() -> Owned + Send + Sync>,
    /// What of them `/metrics` shows.
    pub exporter: Arc<Exporter>,
    /// Why the program is not ready, each reason a sentence; none means ready.
    pub not_ready: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    pub help: Arc<Help>,
    /// The program's own metrics.
    pub health: Option<PrometheusHandle>,
    /// Asked for as `Authorization: Bearer`.
    pub token: Option<Arc<str>>,
    /// By which names it may be asked.
    pub hosts: Arc<Hosts>,
    pub limits: Limits,
}

/// How long a request may take.
const REQUEST: Duration = Duration::from_secs(10);
/// How many answers are made at once: each may hold the whole board.
const ANSWERS_MAX: usize = 4;
/// How long a request for history waits until those before it have read.
const WAIT_FOR_ARCHIVE: Duration = Duration::from_secs(3);
/// How often the recorder of our own metrics tidies up.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves until `shutdown` is done, then finishes the answers under way.
pub async fn serve(listener: TcpListener, app: App, shutdown: impl Future<Output = ()>) {
    let (health, limits, streams) = (app.health.clone(), app.limits, app.streams.clone());
    // An answer that goes on would never be finished.
    let shutdown = async move {
        shutdown.await;
        streams.end();
    };
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

fn router(app: App) -> Router {
    let document = openapi::document().to_string();
    Router::new()
        .route(pages::WALLBOARD.path, get(wallboard::page))
        .route(pages::METRICS.path, get(metrics))
        .route(pages::LIVEZ.path, get(async || ([(CONTENT_TYPE, "text/plain; charset=utf-8")], "ok\n")))
        .route(pages::READYZ.path, get(readyz))
        .route(pages::KPIS.path, get(kpis))
        .route(pages::ENTITIES.path, get(entities))
        .route(pages::INTERVALS.path, get(intervals))
        .route(pages::ALERTS.path, get(alerts))
        .route(pages::META.path, get(meta))
        .route(pages::STREAM.path, get(stream))
        .route(pages::OPENAPI.path, get(async || ([(CONTENT_TYPE, "application/json")], document)))
        .fallback(async || problem(StatusCode::NOT_FOUND, "there is no such page; /openapi.json lists what there is"))
        .method_not_allowed_fallback(async || {
            let refusal = problem(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered");
            ([(ALLOW, "GET, HEAD")], refusal)
        })
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let format = Format::asked(&Accept::of(&headers));
    let text = in_background(move || {
        // While the board is read from its beginning it shows what was, and a counter that falls back is counted again.
        let owned = if app.board.is_caught_up() { (app.owned)() } else { Owned::Partitions(BTreeSet::new()) };
        let scrape = Scrape { owned: &owned, exporter: &app.exporter, help: &*app.help, format };
        let mut text = prometheus::render(&app.board, scrape);
        text.push_str(&alerts_page::firing(&app.alerts, &owned, format));
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

async fn kpis(State(app): State<App>, request: Parts) -> Response {
    answer(&pages::KPIS, request, move |asked, wanted| kpis::kpis(&app.board, &app.meta, asked, wanted)).await
}

async fn entities(State(app): State<App>, request: Parts) -> Response {
    answer(&pages::ENTITIES, request, move |asked, wanted| kpis::entities(&app.board, asked, wanted)).await
}

async fn intervals(State(app): State<App>, request: Parts) -> Response {
    let (asked, wanted) = match read(&pages::INTERVALS, request).await {
        Ok(read) => read,
        Err(fault) => return bad_request(&fault),
    };
    // Whoever waits for Kafka takes nothing from those who do not.
    let Ok(mut reading) = timeout(WAIT_FOR_ARCHIVE, app.archive.reading.clone().lock_owned()).await else {
        return later(5, "the archive is being read for others; come back later");
    };
    let answering = tokio::task::spawn_blocking(move || {
        let sources = Sources { board: &app.board, archive: &app.archive, meta: &app.meta };
        history::intervals(sources, &mut reading, &asked, &wanted)
    });
    answering.await.unwrap_or_else(|_| failed())
}

async fn alerts(State(app): State<App>, request: Parts) -> Response {
    let (given, wanted) = match given(request).await {
        Ok(given) => given,
        Err(fault) => return bad_request(&fault),
    };
    match AsksAlerts::read(given, pages::ALERTS.parameters) {
        Ok(asks) => {
            let answering = in_background(move || alerts_page::alerts(&app.alerts, &asks, &wanted));
            answering.await.unwrap_or_else(|failed| failed)
        }
        Err(fault) => bad_request(&fault),
    }
}

async fn meta(State(app): State<App>, request: Parts) -> Response {
    let answering = move |_: &Asked, _: &Wanted| {
        let body = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "ready": (app.not_ready)().is_empty(),
            "windows": app.meta.windows,
            "kpis": app.meta.kpis,
            "counts": meta::counts(),
            "formulas": meta::formulas(),
            "groups": app.meta.groups(&app.board),
        });
        ([(CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
    };
    answer(&pages::META, request, answering).await
}

async fn stream(State(app): State<App>, place: Option<Extension<ConnectionPlace>>, request: Parts) -> Response {
    let (asked, wanted) = match read(&pages::STREAM, request).await {
        Ok(read) => read,
        Err(fault) => return bad_request(&fault),
    };
    if let Err(fault) = app.meta.check(&asked) {
        return bad_request(&fault);
    }
    let told = wanted.headers.get(HeaderName::from_static("last-event-id")).and_then(|id| id.to_str().ok());
    // One that is not ours says nothing: everything is sent.
    let position = told.or(asked.last_event_id.as_deref()).and_then(|id| id.parse().ok());
    let alerts = asked.alerts.then(|| AlertReader::new(app.alerts.clone(), asked.filter.tenants.clone()));
    let query = Streamed { filter: asked.filter.in_order(), parts: asked.parts };
    let Some(stream) = app.streams.open(query, position, alerts) else {
        return later(10, "as many streams are open as may be; come back later, or ask another instance");
    };
    // The stream has a place of its own, and so its connection serves nothing after it.
    if let Some(Extension(place)) = place {
        place.give_up();
    }
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CONNECTION, HeaderValue::from_static("close")),
        // A proxy that gathers would hold events back.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::new(stream)).into_response()
}

/// Answers what a page was asked, off the threads that serve the others.
async fn answer(
    page: &Page,
    request: Parts,
    answering: impl FnOnce(&Asked, &Wanted) -> Response + Send + 'static,
) -> Response {
    match read(page, request).await {
        Ok((asked, wanted)) => in_background(move || answering(&asked, &wanted)).await.unwrap_or_else(|failed| failed),
        Err(fault) => bad_request(&fault),
    }
}

/// What is asked; errs with a sentence.
async fn read(page: &Page, request: Parts) -> Result<(Asked, Wanted), String> {
    let (given, wanted) = given(request).await?;
    Ok((Asked::read(given, page.parameters)?, wanted))
}

/// What stands behind the `?`; errs with a sentence.
async fn given(mut request: Parts) -> Result<(Vec<(String, String)>, Wanted), String> {
    let query = request.uri.query().unwrap_or_default();
    // Reading it would put other characters in the place of what is no text, which asks for something else.
    if let Some(part) = query.split('&').find(|part| str::from_utf8(&decode_bytes(part)).is_err()) {
        return Err(format!("{part} does not decode to UTF-8; percent-encode the bytes of its UTF-8"));
    }
    let query = Query::from_request_parts(&mut request, &()).await;
    let Query(given) = query.map_err(|rejection| rejection.body_text())?;
    Ok((given, Wanted { uri: request.uri, headers: request.headers }))
}

/// Work of milliseconds, off the threads that serve the others.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Response> {
    static ROOM: Semaphore = Semaphore::const_new(ANSWERS_MAX);
    // Never closed.
    let _place = ROOM.acquire().await;
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| failed())
}

fn failed() -> Response {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made; the log says why")
}

/// What holds for every request: that it can be taken at all, the name it asks by, the token, the time it may take, and headers for browsers.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let page = PAGES.iter().find(|page| page.path == path);
    let is_open = page.is_some_and(|page| page.is_open);
    let mut response = if let Some(Refusal { status, detail }) = request.extensions().get() {
        problem(*status, detail)
    } else if let Some(host) = app.hosts.refused(request.uri(), request.headers()) {
        let detail = format!("{host} is no name of this server; ask localhost, or name it in [serve] allowed_hosts");
        problem(StatusCode::MISDIRECTED_REQUEST, &detail)
    } else if !is_open && !may_enter(&app, &request) {
        let refusal = problem(StatusCode::UNAUTHORIZED, "send the token of [serve] as Authorization: Bearer");
        ([(WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
    } else if let Some(forms) = page.and_then(|page| only_forms(page, request.headers())) {
        problem(StatusCode::NOT_ACCEPTABLE, &format!("this is given as {forms}; accept that"))
    } else {
        timeout(REQUEST, next.run(request)).await.unwrap_or_else(|_| {
            problem(StatusCode::SERVICE_UNAVAILABLE, "the answer took longer than 10 s; ask for less, or later")
        })
    };
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The forms that a page of the API has, if none of them is accepted.
fn only_forms(page: &Page, headers: &HeaderMap) -> Option<String> {
    let forms = || page.bodies.iter().map(|body| body.content_type);
    let is_refused = page.reads_parameters() && Accept::of(headers).best(forms()).is_none();
    is_refused.then(|| forms().map(media_of).collect::<Vec<_>>().join(" or "))
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
