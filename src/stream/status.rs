//! Status: how each worker is, for `/readyz`, the log and our own metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::stage::Input;

/// All workers of this program. Workers write, anybody reads.
#[derive(Debug, Default)]
pub struct Status(Mutex<BTreeMap<(&'static str, u32), WorkerStatus>>);

/// What one worker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for Kafka or for its group.
    #[default]
    Starting,
    /// Reading its state back.
    Restoring,
    Running,
    /// It dropped its state and is about to start from the log.
    Anew,
    /// It left because it was asked to.
    Stopped,
    /// It ended and will not come back by itself.
    Failed,
}

impl Phase {
    /// What a worker in it does, as the end of a sentence.
    pub fn says(self) -> &'static str {
        match self {
            Phase::Starting => "is starting: it waits for Kafka or for its place in the group",
            Phase::Restoring => "is restoring: it reads its state back",
            Phase::Running => "is running",
            Phase::Anew => "starts anew from the log",
            Phase::Stopped => "has stopped, as it was asked to",
            Phase::Failed => "has ended and does not come back by itself",
        }
    }
}

/// One worker, as it last said.
#[derive(Clone, Debug, Default)]
pub struct WorkerStatus {
    pub phase: Phase,
    pub inputs: Vec<InputStatus>,
    /// Epoch milliseconds of its last commit.
    pub last_commit_ms: Option<i64>,
    /// When it last said so; a running worker does every second.
    pub told: Option<Instant>,
    /// Why it last started anew, or ended.
    pub last_error: Option<String>,
    pub restarts: u64,
    /// Transactions that were aborted and tried again.
    pub aborts: u64,
}

/// One input of a worker.
#[derive(Clone, Debug)]
pub struct InputStatus {
    pub input: Input,
    /// The offset to be read next.
    pub next: i64,
    /// Records between it and the end last seen. Absent before the first answer.
    pub behind: Option<i64>,
}

impl Status {
    pub fn new() -> Status {
        Status::default()
    }

    /// All workers by stage and index.
    pub fn workers(&self) -> Vec<((&'static str, u32), WorkerStatus)> {
        self.all().iter().map(|(name, status)| (*name, status.clone())).collect()
    }

    /// Every worker runs, which needs no input of its own: others may hold all partitions.
    pub fn is_ready(&self) -> bool {
        let all = self.all();
        !all.is_empty() && all.values().all(|worker| worker.phase == Phase::Running)
    }

    pub(super) fn change(&self, stage: &'static str, worker: u32, change: impl FnOnce(&mut WorkerStatus)) {
        change(self.all().entry((stage, worker)).or_default());
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<(&'static str, u32), WorkerStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our own metrics of one stage.
pub(super) struct Meters {
    pub commits: Counter,
    pub commit_seconds: Histogram,
    pub aborts: Counter,
    pub records_read: Counter,
    pub records_written: Counter,
    pub state_entries_written: Counter,
    pub state_entries_read: Counter,
    pub restore_seconds: Histogram,
    pub restarts: Counter,
    pub set_aside: Counter,
    pub gaps: Counter,
    pub behind: Gauge,
}

impl Meters {
    pub fn new(stage: &'static str, worker: u32) -> Meters {
        Meters {
            commits: counter!("callpulse_commits_total", "stage" => stage),
            commit_seconds: histogram!("callpulse_commit_seconds", "stage" => stage),
            aborts: counter!("callpulse_transaction_aborts_total", "stage" => stage),
            records_read: counter!("callpulse_records_read_total", "stage" => stage),
            records_written: counter!("callpulse_records_written_total", "stage" => stage),
            state_entries_written: counter!("callpulse_state_entries_written_total", "stage" => stage),
            state_entries_read: counter!("callpulse_state_entries_read_total", "stage" => stage),
            restore_seconds: histogram!("callpulse_restore_seconds", "stage" => stage),
            restarts: counter!("callpulse_worker_restarts_total", "stage" => stage),
            set_aside: counter!("callpulse_records_set_aside_total", "stage" => stage),
            gaps: counter!("callpulse_gaps_total", "stage" => stage),
            behind: gauge!("callpulse_behind_records", "stage" => stage, "worker" => worker.to_string()),
        }
    }
}
