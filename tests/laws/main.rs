//! Laws: what holds for every history of calls, whatever was told of them and in whatever order.

#[path = "../support/centre.rs"]
mod centre;
#[path = "../support/histories.rs"]
mod histories;

mod order;
mod shares;
mod windows;

/// So many generated cases. What fails is shrunk and shown; it belongs into a test of its own, so no file
/// remembers it.
fn cases(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config { cases, failure_persistence: None, ..proptest::test_runner::Config::default() }
}
