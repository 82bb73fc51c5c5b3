//! `callpulse demo`: broker, simulated centre and engine in one process, with a live table.
//!
//! The half hour before now is played at once, so that the windows are full from the start; then
//! events come when they happen. The table is read from the board, like any other subscriber's.

use super::arguments::Demo as Asked;
use super::engine;
use super::failure::Failure;
use super::run::Running;
use super::surroundings::{environment, log};
use super::tell::tell;
use super::watch::Watch;
use crate::config::{self, settings::Settings};
use crate::decode::json;
use crate::simulate::centre::Centre;
use crate::simulate::settings::{Shape, SimSettings};
use crate::stream::client::Connection;
use crate::stream::embedded::EmbeddedBroker;
use crate::stream::feed::{Feed, FeedError};
use crate::stream::stop::Stop;
use crate::time::{EventTime, Span};
use std::io::{self, ErrorKind, Write, stdout};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing_subscriber::filter::LevelFilter;

/// Calls an hour at speed 1.
const CALLS_PER_HOUR: u64 = 480;
/// Agents at speed 1: few enough that calls wait at times.
const AGENTS: usize = 40;

/// How far before now the centre begins. At the highest speed this still fits the broker's 5 MiB a partition.
const PAST: Span = Span(35 * 60 * 1000);

/// Events arrive up to so much later than they happened, and some come twice: as in life.
const DISORDER_MS: i64 = 300;
const REPEATS_PER_MILLE: u64 = 5;

pub fn run(asked: &Asked) -> Result<(), Failure> {
    log(LevelFilter::WARN);
    let mut settings = settings()?;
    let listener = bind(&settings)?;
    let broker = EmbeddedBroker::start(&engine::topics(&settings))
        .map_err(|cause| Failure::AtWork(format!("the embedded broker does not start: {cause}")))?;
    settings.kafka.brokers = broker.brokers();
    // What the broker dropped, being full, stops nothing here.
    let running = Running::start(&settings, true, listener)?;
    let feeding = feed(asked, &settings, &running.stop)?;

    let mut shown = writeln!(stdout(), "{}", introduction(&running.address.to_string(), asked.speed));
    let until = asked.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut watch = Watch::default();
    loop {
        let mut pause = watch.pause();
        if let Some(until) = until {
            pause = pause.min(until.saturating_duration_since(Instant::now()));
        }
        if running.stop.wait(pause) {
            break;
        }
        shown = watch.show(&running.board, clock());
        if shown.is_err() || until.is_some_and(|until| until <= Instant::now()) {
            running.stop.request();
        }
    }
    let fed = feeding.join().unwrap_or(Ok(()));
    running.wait()?;
    fed.map_err(Failure::at_work)?;
    match shown {
        // Whoever watched has seen enough.
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::AtWork(format!("cannot write the table: {cause}; is the disk full?")))
        }
        _ => Ok(()),
    }
}

fn introduction(address: &str, speed: u64) -> String {
    let calls = CALLS_PER_HOUR * speed;
    format!(
        "Callpulse demo: a simulated call centre ({calls} calls an hour), a broker and the engine in this one process.

  wallboard                http://{address}/
  metrics for Prometheus   http://{address}/metrics
  KPI records              http://{address}/api/v1/kpis?kind=queue&window=5m
  entities                 http://{address}/api/v1/entities
  what changes             http://{address}/api/v1/stream?kind=queue&window=now
  health                   http://{address}/readyz

The embedded broker keeps everything in memory and cannot do real transactions: exactly-once needs a
real Kafka (`callpulse run`), and all of this is gone at the end. Ctrl-C leaves.
"
    )
}

fn settings() -> Result<Settings, Failure> {
    // What the environment says is meant for `run`, but for where to listen.
    let serving = environment().filter(|(name, _)| name.starts_with("CALLPULSE_SERVE__"));
    let loaded = config::read(config::DEMO, &serving.collect());
    let faulty = |faults| config::ConfigError::Faulty { path: None, faults };
    Ok(loaded.map_err(faulty)?.settings)
}

/// Binds the endpoints; where the port is taken, any free one.
fn bind(settings: &Settings) -> Result<TcpListener, Failure> {
    let wanted = settings.serve.listen;
    let bound = TcpListener::bind(wanted).or_else(|cause| match cause.kind() {
        ErrorKind::AddrInUse => {
            let free = TcpListener::bind((wanted.ip(), 0))?;
            tell!("port {} is taken; the endpoints are on port {}", wanted.port(), free.local_addr()?.port());
            Ok(free)
        }
        _ => Err(cause),
    });
    let listener = bound.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listener.map_err(|cause| Failure::AtWork(format!("cannot listen on {wanted}: {cause}")))
}

/// Starts the thread that lets the centre happen. If it fails, everybody is asked to leave.
fn feed(asked: &Asked, settings: &Settings, stop: &Stop) -> Result<thread::JoinHandle<Result<(), FeedError>>, Failure> {
    let centre = Centre::new(SimSettings {
        seed: asked.seed,
        calls: u64::MAX,
        start: clock().minus(PAST),
        calls_per_hour: CALLS_PER_HOUR * asked.speed,
        agents: Some(AGENTS * asked.speed as usize),
        shape: Shape::Flat,
        disorder_ms: DISORDER_MS,
        repeats_per_mille: REPEATS_PER_MILLE,
        keeps_books: false,
        ..SimSettings::default()
    });
    let (connection, topic) = (engine::connection(settings), settings.sources[0].topic.clone());
    let stop = stop.clone();
    let started: io::Result<_> = thread::Builder::new().name("centre".to_string()).spawn(move || {
        let ended = play(centre, &connection, &topic, &stop);
        stop.request();
        ended
    });
    started.map_err(|cause| Failure::AtWork(format!("cannot start a thread: {cause}")))
}

/// Sends every event when it is due, what is past at once, until asked to leave.
fn play(centre: Centre, connection: &Connection, topic: &str, stop: &Stop) -> Result<(), FeedError> {
    let feed = Feed::open(connection, topic)?;
    for (at, event) in centre {
        let early = at.since(clock()).0;
        let leaves = if 0 < early { stop.wait(Duration::from_millis(early as u64)) } else { stop.is_requested() };
        if leaves {
            break;
        }
        // Without a call it is about an agent.
        let key = event.call_id.as_deref().or(event.agent.as_deref()).unwrap_or_default();
        feed.send(key, &json::encode(&event), at.0)?;
    }
    feed.flush()
}

fn clock() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
