//! The program's own health: the recorder behind every `callpulse_*` metric.
//!
//! Any module may count through the crate `metrics`; this file says how it is kept and written, `http` shows it.

use crate::event::Reason;
use crate::serve::prometheus::{Format, heading};
use crate::serve::series::Form;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use std::fmt::Write;
use std::fs;

/// Upper edges of every histogram of ours, in seconds: from a commit to a restore.
const BUCKETS_SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// What each metric tells.
const HELP: [(&str, &str); 38] = [
    ("callpulse_agent_events_repeated_total", "Events of agents that had been read before."),
    ("callpulse_agent_states_lost_total", "States of agents that ended because nothing more was heard of the agent."),
    ("callpulse_agents", "Agents whose time line is held, by partition."),
    ("callpulse_alerts_total", "Transitions of alerts told, by rule and state."),
    ("callpulse_alerts_unreadable_total", "Records of the topic of alerts that could not be read."),
    ("callpulse_archive_intervals", "Intervals of the archive whose places are known."),
    ("callpulse_archive_unreadable_total", "Records of the archive that could not be read."),
    ("callpulse_as_of_timestamp_seconds", "Up to when event time is complete, by partition; every instance shows all."),
    ("callpulse_behind_records", "Records between what a worker read and the end of its inputs."),
    ("callpulse_behind_seconds", "How far event time is behind the clock, by partition; every instance shows all."),
    ("callpulse_board_records", "Records on the board that the endpoints show."),
    ("callpulse_board_unreadable_total", "Records of the KPI topic that the board could not read."),
    ("callpulse_build_info", "The version of the program."),
    ("callpulse_calls", "Calls whose events are held, so that a late one finds them."),
    ("callpulse_calls_lost_total", "Calls that were waiting when nothing more was heard of them."),
    ("callpulse_commit_seconds", "Length of a commit."),
    ("callpulse_commits_total", "Commits made."),
    ("callpulse_entities", "Entities held in state, by partition."),
    ("callpulse_entities_refused_total", "Facts of entities for which there was no room."),
    ("callpulse_events_total", "Events by what became of them."),
    ("callpulse_gaps_total", "Gaps in the input that were gone over."),
    ("callpulse_mark_timestamp_seconds", "Up to when a partition of a source is complete."),
    ("callpulse_metrics_entities_left_out", "Entities for whose series /metrics has no room."),
    ("callpulse_notifications_failed_total", "Alerts that a target was not told, by target: refused or given up."),
    ("callpulse_notifications_total", "Alerts sent to targets, by target and what came of it."),
    ("callpulse_notifications_waiting", "Alerts that a target has still to be told."),
    ("callpulse_reasons_refused_total", "Texts of reasons of pauses for which there was no room."),
    ("callpulse_records_read_total", "Records read from inputs."),
    ("callpulse_records_set_aside_total", "Records that stopped a worker twice."),
    ("callpulse_records_written_total", "Records written, state left out."),
    ("callpulse_rejects_total", "Records that could not be used, by reason."),
    ("callpulse_restore_seconds", "Time to read the state of an input back."),
    ("callpulse_source_silent", "1 while a topic has had no record for its silent_after."),
    ("callpulse_state_entries_read_total", "Entries of state read back."),
    ("callpulse_state_entries_written_total", "Entries of state written."),
    ("callpulse_transaction_aborts_total", "Transactions aborted and tried again."),
    ("callpulse_visits_implied_total", "Visits of queues whose entry was not told."),
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
    gauge!("callpulse_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    // A series that begins at one hides its first increase from whoever takes rates.
    for reason in Reason::ALL {
        counter!("callpulse_rejects_total", "reason" => reason.word()).increment(0);
    }
    for name in [
        "callpulse_calls_lost_total",
        "callpulse_visits_implied_total",
        "callpulse_entities_refused_total",
        "callpulse_reasons_refused_total",
    ] {
        counter!(name).increment(0);
    }
    Ok(recorder)
}

/// Our own metrics, and those of the process, as text that may follow [`render`](super::prometheus::render).
pub fn render(recorder: &PrometheusHandle, format: Format) -> String {
    let mut text = written_as(&recorder.render(), format);
    process(format, &mut text);
    text
}

/// What the recorder wrote, in a format: it knows one, and writes the edge of a bucket as `1`, OpenMetrics as `1.0`.
fn written_as(text: &str, format: Format) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.is_empty()) {
        let heading =
            line.strip_prefix("# HELP ").or(line.strip_prefix("# TYPE ")).and_then(|line| line.split_once(' '));
        // No other label ends in `le` right after a brace or a comma.
        let edge = line.find("{le=\"").or_else(|| line.find(",le=\"")).map(|at| line.split_at(at + 1));
        match (heading, edge.map(|(head, rest)| (head, rest["le=\"".len()..].split_once('"')))) {
            (Some((name, rest)), _) => {
                let name = name.strip_suffix("_total").filter(|_| format == Format::OpenMetrics).unwrap_or(name);
                let _ = writeln!(out, "{}{name} {rest}", &line[..7]);
            }
            (None, Some((head, Some((edge, rest))))) => {
                let edge = edge.parse::<f64>().ok().filter(|edge| edge.is_finite());
                let edge = edge.map_or_else(|| "+Inf".to_owned(), |edge| format!("{edge:?}"));
                let _ = writeln!(out, "{head}le=\"{edge}\"{rest}");
            }
            _ => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    out
}

/// The process, under the names that every program has them; nothing where there is no `/proc`.
fn process(format: Format, out: &mut String) {
    let Some(of) = Process::read() else { return };
    for (name, form, help, value) in [
        ("process_cpu_seconds_total", Form::Counter, "User and system CPU time.", of.cpu_seconds),
        ("process_open_fds", Form::Gauge, "Open file descriptors.", of.open_files),
        ("process_resident_memory_bytes", Form::Gauge, "Memory held.", of.resident_bytes),
        ("process_start_time_seconds", Form::Gauge, "When the process started, seconds since 1970.", of.started),
    ] {
        let _ = writeln!(out, "{}{name} {value}", heading(name, form, help, format));
    }
}

struct Process {
    cpu_seconds: f64,
    open_files: f64,
    resident_bytes: f64,
    started: f64,
}

impl Process {
    fn read() -> Option<Process> {
        /// Ticks in a second, the same on every Linux that Rust runs on.
        const TICKS: f64 = 100.0;
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name in brackets may hold blanks.
        let fields: Vec<f64> = stat.rsplit(')').next()?.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?;
        let machine = fs::read_to_string("/proc/stat").ok()?;
        let booted: f64 = machine.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
        Some(Process {
            cpu_seconds: (fields.get(11)? + fields.get(12)?) / TICKS,
            open_files: fs::read_dir("/proc/self/fd").ok()?.count() as f64,
            resident_bytes: resident.parse::<f64>().ok()? * 1024.0,
            started: booted + fields.get(19)? / TICKS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_recorder_wrote_is_told_in_either_format() {
        let text = "# HELP a_total b\n# TYPE a_total counter\na_total{rule=\"x\"} 1\n\n# TYPE s histogram\n\
                    s_bucket{le=\"0.5\"} 1\ns_bucket{le=\"1\"} 2\ns_bucket{le=\"+Inf\"} 2\n\n";
        let edges = "s_bucket{le=\"0.5\"} 1\ns_bucket{le=\"1.0\"} 2\ns_bucket{le=\"+Inf\"} 2\n";
        for (format, name) in [(Format::Prometheus, "a_total"), (Format::OpenMetrics, "a")] {
            let expected =
                format!("# HELP {name} b\n# TYPE {name} counter\na_total{{rule=\"x\"}} 1\n# TYPE s histogram\n{edges}");
            assert_eq!(written_as(text, format), expected);
        }
    }
}
