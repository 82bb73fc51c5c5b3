//! Worker: one thread, one member of a group, one consumer, one transactional writer, one stage.
//!
//! It is crash-only. Whatever is fatal or in doubt drops all of these and starts them anew from the log;
//! only what cannot heal ends it, with a sentence that says what would help.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::client::{Connection, Fetch};
use super::fault::{Cause, WorkerError};
use super::run::Run;
use super::stage::{Input, Stage};
use super::status::{Meters, Phase, Status};
use super::stop::Stop;

/// What one worker needs to know.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    pub connection: Connection,
    /// Begins the names of groups and transactional ids, so that ACLs can name a prefix.
    pub group_prefix: String,
    pub instance: String,
    pub generation: u64,
    /// Its place among the workers of its stage in this instance.
    pub worker: u32,
    pub inputs: Vec<Arc<str>>,
    pub state_topic: Arc<str>,
    /// Topics that must be there, inputs and state among them or not, each with its number of partitions
    /// where that must not differ.
    pub required: Vec<(Arc<str>, Option<i32>)>,
    /// Go on where unread records are gone.
    pub accept_gap: bool,
    /// The topic that the engine publishes on, and how many partitions it has.
    pub board: (Arc<str>, i32),
    pub fetch: Fetch,
    /// Records after which a commit is due whatever the stage says: bounds memory in a backlog.
    pub commit_records: u64,
    /// How often a stage hears again that an input is at its end.
    pub end_every: Duration,
}

impl WorkerSettings {
    /// The consumer group of all workers of the stage.
    pub fn group(&self, stage: &str) -> String {
        group(&self.group_prefix, stage, self.generation)
    }

    /// The worker's place in its group. It keeps its partitions over a restart.
    pub fn member(&self) -> String {
        format!("{}-{}", self.instance, self.worker)
    }

    /// The same after a restart, which ends the transaction a crash left open at once.
    pub fn transactional_id(&self, stage: &str) -> String {
        format!("{}-{}", self.group(stage), self.member())
    }
}

/// The consumer group of a stage in a generation.
pub fn group(prefix: &str, stage: &str, generation: u64) -> String {
    format!("{prefix}-{stage}-g{generation}")
}

/// A running worker.
pub struct Worker {
    name: String,
    thread: JoinHandle<Result<(), WorkerError>>,
}

impl Worker {
    /// Starts one. `make` builds the stage, once for each start from the log. A worker that ends by
    /// itself asks everybody to stop; `join` then tells why.
    pub fn spawn<S, F>(settings: WorkerSettings, make: F, status: Arc<Status>, stop: Stop) -> io::Result<Worker>
    where
        S: Stage,
        F: Fn() -> S + Send + 'static,
    {
        let name = format!("{}-{}", S::NAME, settings.worker);
        status.change(S::NAME, settings.worker, |worker| worker.phase = Phase::Starting);
        let thread = thread::Builder::new().name(name.clone()).spawn(move || {
            let ended = supervise(&settings, &make, &status, &stop);
            status.change(S::NAME, settings.worker, |worker| match &ended {
                Ok(()) => worker.phase = Phase::Stopped,
                Err(fault) => {
                    worker.phase = Phase::Failed;
                    worker.last_error = Some(fault.to_string());
                }
            });
            if let Err(fault) = &ended {
                error!(stage = S::NAME, worker = settings.worker, %fault, "worker ended");
                stop.request();
            }
            ended
        })?;
        Ok(Worker { name, thread })
    }

    /// Stage and index.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end. Errs with what it could not heal.
    pub fn join(self) -> Result<(), WorkerError> {
        self.thread.join().unwrap_or_else(|panic| Err(WorkerError::Client(said(&*panic))))
    }
}

/// What outlives one start from the log.
#[derive(Default)]
pub(super) struct Memory {
    /// The inputs by slot, kept for naming the record that stopped a run.
    pub inputs: Vec<Input>,
    /// The record in the stage's hands, by slot and offset.
    pub reading: Option<(usize, i64)>,
    /// How often each record stopped a run.
    pub stops: HashMap<(Input, i64), u32>,
    /// This run committed something.
    pub committed: bool,
}

/// A record that stopped that many runs is set aside in the next.
pub(super) const STOPS_MAX: u32 = 2;

fn supervise<S: Stage>(
    settings: &WorkerSettings,
    make: &impl Fn() -> S,
    status: &Status,
    stop: &Stop,
) -> Result<(), WorkerError> {
    if let Some(fault) = settings.connection.faults().into_iter().next() {
        return Err(WorkerError::Property(fault));
    }
    let meters = Meters::new(S::NAME, settings.worker);
    let mut memory = Memory::default();
    let mut in_a_row = 0;
    let mut fenced: VecDeque<Instant> = VecDeque::new();
    loop {
        memory.committed = false;
        memory.reading = None;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            Run::open(settings, make, status, &meters, stop, &mut memory).and_then(Run::work)
        }));
        let cause = match ended {
            Ok(Ok(())) | Ok(Err(Cause::Stopped)) => return Ok(()),
            Ok(Err(cause)) => cause,
            Err(panic) => blame(&mut memory, said(&*panic)),
        };
        let why = match cause {
            Cause::Stopped => return Ok(()),
            Cause::End(fault) => return Err(fault),
            Cause::Anew(why) => why,
            Cause::Fenced(why) => {
                fenced.push_back(Instant::now());
                while fenced.front().is_some_and(|at| Duration::from_secs(60) < at.elapsed()) {
                    fenced.pop_front();
                }
                // Once may be the broker giving up on a machine that slept; again and again is a twin.
                if 3 < fenced.len() {
                    return Err(WorkerError::SameName { member: settings.transactional_id(S::NAME) });
                }
                why
            }
        };
        in_a_row = if memory.committed { 0 } else { in_a_row + 1 };
        let pause = Duration::from_millis(100 << in_a_row.min(6));
        warn!(stage = S::NAME, worker = settings.worker, why, "worker starts anew from the log");
        meters.restarts.increment(1);
        status.change(S::NAME, settings.worker, |worker| {
            worker.phase = Phase::Anew;
            worker.inputs.clear();
            worker.restarts += 1;
            worker.last_error = Some(why);
        });
        if stop.wait(pause) {
            return Ok(());
        }
        info!(stage = S::NAME, worker = settings.worker, "worker starts");
    }
}

/// A panic: the record in the stage's hands stopped the run.
fn blame(memory: &mut Memory, said: String) -> Cause {
    let Some((at, offset)) = memory.reading.take() else {
        return Cause::Anew(format!("panic: {said}"));
    };
    let Some(input) = memory.inputs.get(at).cloned() else {
        return Cause::Anew(format!("panic: {said}"));
    };
    let why = format!("panic at {} partition {} offset {offset}: {said}", input.topic, input.partition);
    let stops = memory.stops.entry((input.clone(), offset)).or_default();
    *stops += 1;
    if STOPS_MAX < *stops {
        return Cause::End(WorkerError::Stubborn { input, offset });
    }
    Cause::Anew(why)
}

fn said(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(said), _) => (*said).to_owned(),
        (_, Some(said)) => said.clone(),
        _ => "without a word".to_owned(),
    }
}
