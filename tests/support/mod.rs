//! What several test programs share.

pub mod counting;

#[expect(dead_code, reason = "nothing stands between broker and clients here")]
pub mod kafka;

/// Shows the program's own log, as `RUST_LOG` says.
pub fn log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}
