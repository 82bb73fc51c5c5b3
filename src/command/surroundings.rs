//! The surroundings of a command: environment, log and signals.

use crate::stream::stop::Stop;
use std::io::{IsTerminal, stderr};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The environment's variables that are text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Writes the log to standard error, as `CALLPULSE_LOG` (or `RUST_LOG`) filters it; from `level` on unless
/// said.
pub fn log(level: LevelFilter) {
    let filter = std::env::var("CALLPULSE_LOG").or_else(|_| std::env::var("RUST_LOG"));
    let filter = EnvFilter::new(filter.unwrap_or_else(|_| format!("{level},rdkafka=off,librdkafka=off")));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_target(false)
        // It would tell them on standard error, which may be what is closed.
        .log_internal_errors(false)
        .init();
}

/// The first signal asks to leave, the second leaves at once.
pub async fn leave_on_signal(stop: Stop) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    for times in 0.. {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if 0 < times {
            std::process::exit(1);
        }
        stop.request();
    }
}
