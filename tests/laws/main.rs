//! Laws: what holds for every history of calls, whatever was told of them and in whatever order.

#[path = "../support/centre.rs"]
mod centre;
#[path = "../support/drive.rs"]
mod drive;
#[path = "../support/histories.rs"]
mod histories;
#[path = "../support/schema.rs"]
mod schema;

mod agents;
mod alerts;
mod cuts;
mod erlang;
mod idle;
mod order;
mod published;
mod records;
mod rules;
mod shares;
mod stages;
mod walk;
mod windows;
mod world;

use proptest::test_runner::{Config, RngSeed};

/// So many generated cases, the same on every machine, so that a failure comes of the change at hand. As many others
/// as PROPTEST_CASES says: that is how new faults are found. What fails is shrunk and shown; it belongs into a test
/// of its own, so no file remembers it.
fn cases(cases: u32) -> Config {
    let common = Config { failure_persistence: None, ..Config::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => common,
        None => Config { cases, rng_seed: RngSeed::Fixed(SEED), ..common },
    }
}

/// Of the cases that every run tries.
const SEED: u64 = 2026;
