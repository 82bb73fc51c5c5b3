//! The surroundings of a command: environment and log.

use std::io::{IsTerminal, stderr};
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
        .init();
}
