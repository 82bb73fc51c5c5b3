//! Laws: what holds for every history of calls, whatever was told of them and in whatever order.

#[path = "../support/centre.rs"]
mod centre;
#[path = "../support/drive.rs"]
mod drive;
#[path = "../support/histories.rs"]
mod histories;

mod agents;
mod cuts;
mod order;
mod published;
mod shares;
mod stages;
mod windows;
mod world;

/// So many generated cases, or as many as PROPTEST_CASES says. What fails is shrunk and shown; it belongs
/// into a test of its own, so no file remembers it.
fn cases(cases: u32) -> proptest::test_runner::Config {
    let common = proptest::test_runner::Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { common.cases } else { cases };
    proptest::test_runner::Config { cases, failure_persistence: None, ..common }
}
