//! The program's own health: the recorder behind every `callpulse_*` metric.
//!
//! Any module may count through the crate `metrics`; this file says how it is kept, `http` shows it.

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Upper edges of every histogram of ours, in seconds: from a commit to a restore.
const BUCKETS_SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// What each metric tells.
const HELP: [(&str, &str); 22] = [
    ("callpulse_archive_intervals", "Intervals of the archive whose places are known."),
    ("callpulse_archive_unreadable_total", "Records of the archive that could not be read."),
    ("callpulse_behind_records", "Records between what a worker read and the end of its inputs."),
    ("callpulse_behind_seconds", "How far event time is behind the clock, by partition; every instance shows all."),
    ("callpulse_board_records", "Records on the board that the endpoints show."),
    ("callpulse_board_unreadable_total", "Records of the KPI topic that the board could not read."),
    ("callpulse_commit_seconds", "Length of a commit."),
    ("callpulse_commits_total", "Commits made."),
    ("callpulse_entities", "Entities held in state."),
    ("callpulse_entities_refused_total", "Facts left out because their tenant has as many entities as it may."),
    ("callpulse_events_total", "Events by what became of them."),
    ("callpulse_gaps_total", "Gaps in the input that were gone over."),
    ("callpulse_records_read_total", "Records read from inputs."),
    ("callpulse_records_set_aside_total", "Records that stopped a worker twice."),
    ("callpulse_records_written_total", "Records written, state left out."),
    ("callpulse_rejects_total", "Records that could not be used, by reason."),
    ("callpulse_restore_seconds", "Time to read the state of an input back."),
    ("callpulse_source_silent", "1 while a topic has had no record for its silent_after."),
    ("callpulse_state_entries_read_total", "Entries of state read back."),
    ("callpulse_state_entries_written_total", "Entries of state written."),
    ("callpulse_transaction_aborts_total", "Transactions aborted and tried again."),
    ("callpulse_worker_restarts_total", "How often a worker started anew from the log."),
];

/// Puts the recorder into its place, once per process. What was counted before is lost.
pub fn install_recorder() -> Result<PrometheusHandle, BuildError> {
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS_SECONDS)?.install_recorder()?;
    for (name, help) in HELP {
        match name {
            _ if name.ends_with("_total") => describe_counter!(name, help),
            "callpulse_commit_seconds" | "callpulse_restore_seconds" => describe_histogram!(name, help),
            _ => describe_gauge!(name, help),
        }
    }
    Ok(recorder)
}
