//! `callpulse run`: both stages, and the HTTP endpoints over what they publish.

use super::arguments::Run as Asked;
use super::engine::{self, ask_patiently};
use super::failure::Failure;
use super::surroundings::{environment, leave_on_signal, log};
use super::tell::tell;
use crate::config::{self, settings::Settings};
use crate::kpi::catalogue;
use crate::notify::driver;
use crate::serve::alerts::Alerts;
use crate::serve::archive::{Archive, Pick};
use crate::serve::board::Board;
use crate::serve::exported::{Exported, Exporter, Owned, named};
use crate::serve::health;
use crate::serve::hosts::Hosts;
use crate::serve::http::{self, App};
use crate::serve::listen::Limits;
use crate::serve::live::streams::{CLIENTS_MAX, Streams};
use crate::serve::meta::Meta;
use crate::serve::subscriber::{feed, feed_alerts, subscribe};
use crate::stream::fault::WorkerError;
use crate::stream::follow::Source;
use crate::stream::kpis::Kpis;
use crate::stream::pick::Picker;
use crate::stream::queue::Taking;
use crate::stream::refusal::Refusal;
use crate::stream::stage::Stage;
use crate::stream::status::{Phase, Status, WorkerStatus};
use crate::stream::stop::Stop;
use crate::stream::takeover::{Takeover, Watch};
use crate::stream::topics;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tracing::{info, warn};
use tracing_subscriber::filter::LevelFilter;

/// A worker that does not say anything for so long hangs, or waits for Kafka within a commit.
const WORKER_QUIET: Duration = Duration::from_secs(5);

/// How often is told what a takeover waits for.
const WAITING_TOLD_EVERY: Duration = Duration::from_secs(10);

/// How long workers have to leave: longer than a last commit may take.
const WORKERS_LEAVE: Duration = Duration::from_secs(20);

/// How long notifications have to leave.
const NOTIFIERS_LEAVE: Duration = Duration::from_secs(3);

pub fn run(asked: &Asked) -> Result<(), Failure> {
    let loaded = config::load(asked.config.config.as_deref(), environment())?;
    for warning in &loaded.warnings {
        tell!("warning: {warning}");
    }
    let settings = loaded.settings;
    log(LevelFilter::INFO);
    check_topics(&settings)?;
    let listener = bind(&settings)?;
    let running = Running::start(&settings, asked.accept_gap, listener)?;
    info!(listen = %running.address, "ready to serve");
    running.wait()
}

/// Refuses to start without the topics, with what would make them.
fn check_topics(settings: &Settings) -> Result<(), Failure> {
    let connection = engine::connection(settings);
    if let Some(fault) = connection.faults().first() {
        return Err(Failure::Asked(fault.to_string()));
    }
    let mut specs = engine::topics(settings);
    // Counts are the cluster's own business, but that those of one entity agree: see the workers.
    specs.iter_mut().for_each(|spec| spec.partitions = None);
    let problems = ask_patiently(|| topics::check(&connection, &specs))?;
    let sources: Vec<&str> = settings.sources.iter().map(|source| source.topic.as_str()).collect();
    match problems.first() {
        None => {
            for topic in ask_patiently(|| topics::stamped_by_writers(&connection, &sources))? {
                warn!(
                    topic,
                    "records carry their writers' clocks; message.timestamp.type=LogAppendTime is recommended for live \
                     traffic"
                );
            }
            Ok(())
        }
        Some(first) => {
            let more = if 1 < problems.len() { format!(" (and {} more)", problems.len() - 1) } else { String::new() };
            Err(Failure::AtWork(format!("{first}{more}")))
        }
    }
}

/// Binds the endpoints before anything else is begun.
pub fn bind(settings: &Settings) -> Result<TcpListener, Failure> {
    let listen = settings.serve.listen;
    let listener = TcpListener::bind(listen).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|cause| Failure::AtWork(format!("cannot listen on {listen}: {cause}; change [serve] listen")))
}

/// Workers, subscriber and endpoints at work.
pub struct Running {
    pub board: Arc<Board>,
    pub address: std::net::SocketAddr,
    pub stop: Stop,
    succession: Succession,
    engine: engine::Engine,
    runtime: tokio::runtime::Runtime,
    following: Arc<AtomicBool>,
    subscribers: [std::thread::JoinHandle<Result<(), Refusal>>; 3],
    notifiers: Vec<std::thread::JoinHandle<Result<(), WorkerError>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Running {
    pub fn start(settings: &Settings, accept_gap: bool, listener: TcpListener) -> Result<Running, Failure> {
        let recorder = health::install_recorder().map_err(Failure::at_work)?;
        let (status, stop) = (Arc::new(Status::new()), Stop::new());
        let engine = engine::start(settings, accept_gap, &status, &stop)?;
        let board = Arc::new(Board::default());
        let following = Arc::new(AtomicBool::new(false));
        let source = |purpose: &str, topic: &str| Source {
            connection: engine::connection(settings),
            group: format!("{}-{purpose}", engine::group_prefix(settings)),
            topic: topic.to_owned(),
        };
        let alerts = Arc::new(Alerts::default());
        let archived = source("archive", &settings.topics.intervals);
        let archive = Arc::new(Archive::new(picking(archived.clone())));
        let started = |cause| Failure::AtWork(format!("cannot start a thread: {cause}"));
        let (on_board, indexed, told) = (board.clone(), archive.clone(), alerts.clone());
        let subscribers = [
            subscribe(source("board", &settings.topics.kpis), following.clone(), stop.clone(), move |followed| {
                feed(&on_board, followed);
            })
            .map_err(started)?,
            subscribe(archived, following.clone(), stop.clone(), move |followed| indexed.feed(followed))
                .map_err(started)?,
            subscribe(source("alerts", &settings.topics.alerts), following.clone(), stop.clone(), move |followed| {
                feed_alerts(&told, followed);
            })
            .map_err(started)?,
        ];
        let notifiers: io::Result<Vec<_>> = settings
            .notify
            .iter()
            .map(|target| {
                let Source { connection, group, topic } =
                    source(&format!("notify-{}", target.name), &settings.topics.alerts);
                let member = settings.engine.instance.clone();
                driver::start(target.clone(), Taking { connection, group, member, topic }, stop.clone())
            })
            .collect();
        let notifiers = notifiers.map_err(started)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|cause| Failure::AtWork(format!("cannot start a thread: {cause}")))?;
        let address = listener.local_addr().map_err(Failure::at_work)?;
        let app = app(settings, Shown { board: board.clone(), alerts, archive }, &status, recorder);
        let leave = stop.clone();
        let serving = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(Failure::at_work)?;
            let asked = async move {
                let _ = tokio::task::spawn_blocking(move || leave.wait_for_it()).await;
            };
            Ok::<_, Failure>(tokio::spawn(http::serve(listener, app, asked)))
        })?;
        let signals = stop.clone();
        runtime.spawn(leave_on_signal(signals));
        let succession = Succession { watch: engine::watch_earlier(settings)?, told: None };
        Ok(Running { board, address, stop, succession, engine, runtime, following, subscribers, notifiers, serving })
    }

    /// Waits until somebody asks to leave or a worker cannot go on, and leaves.
    pub fn wait(mut self) -> Result<(), Failure> {
        let mut ended = Ok(());
        while !self.stop.wait(Duration::from_secs(1)) {
            let (own, by) = (self.engine.takeover.generation(), self.board.claimed_by(self.engine.partitions));
            if own < by {
                ended = Err(Failure::at_work(WorkerError::Replaced { own, by }));
                self.stop.request_for_good();
            } else if !self.engine.takeover.is_granted() {
                self.succession.look(&self.engine.takeover, &self.board, self.engine.partitions);
            }
        }
        info!("leaving: the last commit is made, then all clients close");
        let until = Instant::now() + WORKERS_LEAVE;
        for worker in self.engine.workers {
            let name = worker.name().to_string();
            if !ends_by(until, || worker.is_finished()) {
                let left = "does not leave, so the program ends without it; what it did not commit is read again";
                ended = ended.and(Err(Failure::AtWork(format!("{name} {left}"))));
            } else if let Err(error) = worker.join() {
                ended = Err(Failure::AtWork(format!("{name}: {error}")));
            }
        }
        self.following.store(true, Ordering::Relaxed);
        for subscriber in self.subscribers {
            if let Ok(Err(refusal)) = subscriber.join() {
                ended = ended.and(Err(Failure::at_work(refusal)));
            }
        }
        // Who waits for an answer that does not come is left behind: it was not accepted, and is sent again.
        let until = Instant::now() + NOTIFIERS_LEAVE;
        for notifier in self.notifiers {
            if ends_by(until, || notifier.is_finished())
                && let Ok(Err(fault)) = notifier.join()
            {
                ended = ended.and(Err(Failure::at_work(fault)));
            }
        }
        let served = self.runtime.block_on(self.serving);
        self.runtime.shutdown_timeout(Duration::from_secs(1));
        if let Err(panic) = served {
            ended = ended.and(Err(Failure::AtWork(format!("the endpoints ended: {panic}"))));
        }
        ended
    }
}

/// Waits for a thread, which has no way to be waited for until a time. Whether it has ended by then.
fn ends_by(until: Instant, is_finished: impl Fn() -> bool) -> bool {
    while !is_finished() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    is_finished()
}

/// How this generation follows an earlier one.
struct Succession {
    watch: Watch,
    /// When its waiting was last told.
    told: Option<Instant>,
}

impl Succession {
    /// Looks who is there: what of the past may be told, and, once every partition is claimed, whether those before have
    /// left.
    fn look(&mut self, takeover: &Takeover, board: &Board, partitions: i32) {
        let own = takeover.generation();
        let is_claimed = board.claimed_by(partitions) == own;
        let waits_for = match self.watch.look() {
            Ok(earlier) => {
                takeover.settle(board.settled_before(own, partitions, earlier.keys().copied()));
                if is_claimed && self.watch.has_seen_nobody() {
                    takeover.grant();
                    return;
                }
                if !is_claimed {
                    self.watch.begin_anew();
                    return;
                }
                let alive: Vec<String> = earlier.into_values().flatten().collect();
                if alive.is_empty() {
                    return;
                }
                format!("groups {} have members", alive.join(", "))
            }
            Err(error) => error.to_string(),
        };
        if self.told.is_none_or(|told| WAITING_TOLD_EVERY <= told.elapsed()) {
            self.told = Some(Instant::now());
            info!(waits_for, "this generation publishes once it has caught up and those before it have left");
        }
    }
}

/// Reads single records of a topic.
fn picking(source: Source) -> Pick {
    let mut picker = Picker::new(source);
    Box::new(move |places, until, on| picker.pick(places, until, on).map_err(|error| error.to_string()))
}

/// What subscribers keep for the endpoints.
struct Shown {
    board: Arc<Board>,
    alerts: Arc<Alerts>,
    archive: Arc<Archive>,
}

fn app(
    settings: &Settings,
    Shown { board, alerts, archive }: Shown,
    status: &Arc<Status>,
    recorder: metrics_exporter_prometheus::PrometheusHandle,
) -> App {
    let (owners, not_ready) = (status.clone(), status.clone());
    let caught_up = (board.clone(), alerts.clone());
    App {
        board: board.clone(),
        alerts,
        streams: Streams::new(board, CLIENTS_MAX),
        archive,
        meta: Arc::new(Meta::of(&settings.kpi, &settings.plan)),
        owned: Arc::new(move || {
            let workers = owners.workers().into_iter().filter(|((stage, _), _)| *stage == Kpis::NAME);
            let inputs = workers.flat_map(|(_, worker)| worker.inputs.into_iter().map(|input| input.input.partition));
            Owned::Partitions(inputs.collect())
        }),
        exporter: Arc::new(Exporter::new(Exported {
            kinds: settings.serve.metrics_kinds.clone(),
            windows: settings.serve.metrics_windows.clone(),
            series_max: settings.serve.metrics_series_max,
            named: named(&settings.kpi, &settings.plan, &settings.limits),
        })),
        not_ready: Arc::new(move || {
            let workers = not_ready.workers().into_iter();
            let reason = |((stage, index), worker): ((&str, u32), WorkerStatus)| {
                let quiet = worker.told.map_or(Duration::ZERO, |told| told.elapsed());
                match worker.phase {
                    Phase::Running if quiet < WORKER_QUIET => None,
                    Phase::Running => Some(format!("{stage}-{index} has not moved for {} s", quiet.as_secs())),
                    phase => {
                        let why = worker.last_error.map_or(String::new(), |why| format!("; last time: {why}"));
                        Some(format!("{stage}-{index} {}{why}", phase.says()))
                    }
                }
            };
            let mut reasons: Vec<String> = workers.filter_map(reason).collect();
            let (board, alerts) = &caught_up;
            if !board.is_caught_up() {
                reasons.push("the board has not been read to its end yet".to_string());
            }
            if !alerts.is_caught_up() {
                reasons.push("the alerts have not been read to their end yet".to_string());
            }
            reasons
        }),
        help: Arc::new(catalogue::help),
        health: Some(recorder),
        token: settings.serve.token.as_deref().map(Arc::from),
        hosts: Arc::new(match settings.serve.token {
            Some(_) => Hosts::Any,
            None => Hosts::OfThisMachine(settings.serve.allowed_hosts.clone()),
        }),
        limits: Limits::default(),
    }
}
