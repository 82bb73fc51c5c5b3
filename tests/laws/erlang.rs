//! Erlang A: what holds of any queue, and what published values and Erlang C say of some.

use crate::cases;
use callpulse::alert::erlang::{Outlook, Queue};
use proptest::prelude::*;

#[path = "../support/beside.rs"]
mod beside;

/// Arrivals from none to so many that all agents are busy ten times over.
fn queue() -> impl Strategy<Value = Queue> {
    let patience = prop::option::weighted(0.8, 1.0..3_600.0_f64);
    (0.0..10.0_f64, 1.0..1_000.0_f64, patience, 0..400_u32).prop_map(|(load, handle_time, patience, agents)| {
        let arrivals = load * f64::from(agents.max(1)) / handle_time;
        Queue { arrivals, handle_time, patience, agents }
    })
}

/// The rounding of an integral.
const NEARLY: f64 = 1e-5;

/// Erlang C, by the recursion of Erlang B.
fn erlang_c(load: f64, agents: u32) -> f64 {
    let blocked = (1..=agents).fold(1.0, |blocked, agents| load * blocked / (f64::from(agents) + load * blocked));
    let busy = load / f64::from(agents);
    blocked / (1.0 - busy * (1.0 - blocked))
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn shares_are_shares_of_the_same_calls(queue in queue(), threshold in 0.0..600.0_f64) {
        let Outlook { waits, answered_in_time, abandoned_in_time, abandoned } = queue.outlook(threshold);
        for share in [waits, answered_in_time, abandoned_in_time, abandoned] {
            prop_assert!((-NEARLY..=1.0 + NEARLY).contains(&share), "{:?} {:?}", queue, queue.outlook(threshold));
        }
        prop_assert!(abandoned_in_time <= abandoned + NEARLY && abandoned <= waits + NEARLY);
        prop_assert!(answered_in_time + abandoned_in_time <= 1.0 + NEARLY);
        prop_assert!(1.0 - waits <= answered_in_time + NEARLY);
    }

    #[test]
    fn more_agents_or_fewer_calls_are_no_worse(queue in queue(), threshold in 0.0..600.0_f64, more in 1.0..1.5_f64) {
        let now = queue.outlook(threshold);
        let staffed = Queue { agents: queue.agents + 1, ..queue }.outlook(threshold);
        let busier = Queue { arrivals: queue.arrivals * more, ..queue }.outlook(threshold);
        for (worse, better) in [(now, staffed), (busier, now)] {
            prop_assert!(better.waits <= worse.waits + NEARLY, "{:?}", queue);
            prop_assert!(worse.answered_in_time <= better.answered_in_time + NEARLY, "{:?}", queue);
            prop_assert!(better.abandoned <= worse.abandoned + NEARLY, "{:?}", queue);
        }
        let later = queue.outlook(threshold * more);
        prop_assert!(now.answered_in_time <= later.answered_in_time + NEARLY);
        prop_assert!(now.abandoned_in_time <= later.abandoned_in_time + NEARLY);
    }

    #[test]
    fn where_nobody_gives_up_it_is_erlang_c(
        agents in 1..200_u32,
        busy in 0.01..0.99_f64,
        handle_time in 1.0..1_000.0_f64,
        threshold in 0.0..600.0_f64,
    ) {
        let load = busy * f64::from(agents);
        let waits = erlang_c(load, agents);
        let in_time = 1.0 - waits * (-(f64::from(agents) - load) * threshold / handle_time).exp();
        for patience in [None, Some(1e12)] {
            let found = Queue { arrivals: load / handle_time, handle_time, patience, agents }.outlook(threshold);
            prop_assert!((found.waits - waits).abs() < NEARLY, "{} {}", found.waits, waits);
            prop_assert!((found.answered_in_time - in_time).abs() < NEARLY, "{} {}", found.answered_in_time, in_time);
            prop_assert!(found.abandoned < NEARLY);
        }
    }
}

/// Values that another program's tests expect. They stand beside the repository; without them there is nothing to check.
#[test]
fn it_comes_to_what_another_program_expects() {
    let Some(path) = beside::beside("data/erlang-expected/pyworkforce.json") else { return };
    let text = std::fs::read_to_string(path).expect("a file");
    let cases: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut checked = 0;
    for case in ["erlang_c", "erlang_a"].iter().flat_map(|of| cases[of].as_array().expect("cases")) {
        let number = |name: &str| case[name].as_f64();
        let expected = |name: &str| case["expect"][name].as_f64();
        let seconds = |name: &str| number(name).map(|minutes| minutes * 60.0);
        let agents = expected("raw_positions").or(number("positions")).expect("agents") as u32;
        let arrivals = number("transactions").expect("calls") / seconds("interval_min").expect("an interval");
        let (handle_time, patience) = (seconds("aht_min").expect("a handle time"), seconds("patience_min"));
        let found = Queue { arrivals, handle_time, patience, agents }.outlook(seconds("asa_min").expect("a threshold"));
        let near = |found: f64, name: &str, by: f64| {
            let expected = expected(name);
            assert!(expected.is_none_or(|expected| (found - expected).abs() < by), "{name}: {found} in {case}");
        };
        near(found.waits, "waiting_probability", 0.0005);
        near(found.abandoned, "abandonment_probability", 0.00001);
        near(found.answered_in_time, "service_level", 0.0005);
        checked += 1;
    }
    assert!(3 <= checked);
}
