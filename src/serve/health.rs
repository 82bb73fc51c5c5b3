//! The program's own health: the recorder behind every `callpulse_*` metric.
//!
//! Any module may count through the crate `metrics`; this file says how it is kept, `http` shows it.

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Upper edges of every histogram of ours, in seconds: from a commit to a restore.
const BUCKETS_SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Puts the recorder into its place, once per process. What was counted before is lost.
pub fn install_recorder() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new().set_buckets(&BUCKETS_SECONDS)?.install_recorder()
}
