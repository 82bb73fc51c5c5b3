//! Idleness: whether anything goes on at an entity, as its records tell.
//!
//! ```text
//!            |---- window ----|now        idle: nothing was counted in the window, and no call is there now
//! calls      |                |           not idle: one was, or is
//! ```
//!
//! Where nothing happens there are numbers all the same: 0 calls, 0 agents. They end an alert, and begin none.

use super::reading::Reading;
use crate::entity::Kind;
use crate::kpi::record::{Count, Fields, KpiRecord, Now};

/// Whether nothing goes on, by the record of a window, a number of it, and the record of `now`: nothing was counted in
/// the window, or the number is none of what was (0 calls of some sort, divided by nothing), and no call waits, rings, is
/// talked to, on hold or wrapped up. In `now` nothing is counted. What has no visits, an agent, has to be logged out
/// besides, and without time of being logged in.
pub fn is_idle<'r>(record: &KpiRecord, number: Reading, now: impl FnOnce() -> Option<&'r KpiRecord>) -> bool {
    let is_of_agent = Kind::from_word(&record.entity.kind).is_some_and(|kind| !kind.has_visits());
    let is_none = number.denominator.is_none() && number.value == Some(0.0);
    if !is_none && (has_counts(&record.counts) || is_of_agent && has_login(record)) {
        return false;
    }
    let has_agent = |now: &Now| is_of_agent && now.agents_logged_in.is_some_and(|agents| 0 < agents);
    let now = now().and_then(|record| record.now.as_ref());
    now.is_some_and(|now| !has_calls(now) && !has_agent(now))
}

fn has_counts(counts: &Fields<Count>) -> bool {
    counts.0.iter().any(|(_, count)| match count {
        Count::Number(count) => *count != 0,
        Count::By(parts) => parts.0.iter().any(|(_, part)| *part != 0),
    })
}

fn has_login(record: &KpiRecord) -> bool {
    record.sums_ms.get("login").is_some_and(|login| *login != 0)
}

fn has_calls(now: &Now) -> bool {
    [now.waiting, now.ringing, now.talking, now.on_hold, now.in_wrapup].into_iter().any(|calls| calls != 0)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, NOON};
    use super::*;
    use serde_json::{Value, json};

    /// A window's counts and sums, and what is there now: whether it is idle for a share, and for a number of calls that is 0.
    #[track_caller]
    fn check(kind: &str, (counts, sums): (Value, Value), now: Value, expected: [bool; 2]) {
        let parts = |parts: Value| {
            let mut all = json!({"entity": {"kind": kind, "id": "x"}});
            all.as_object_mut().expect("an object").extend(parts.as_object().expect("an object").clone());
            all
        };
        let window = ("30m", "2026-03-02T11:30:00.000Z", NOON);
        let record = sample::record(window, parts(json!({"counts": counts, "sums_ms": sums})));
        let mut present = json!({
            "waiting": 0, "longest_wait_since": null, "ringing": 0, "talking": 0, "on_hold": 0, "in_wrapup": 0,
            "over_threshold_waiting": 0,
        });
        present.as_object_mut().expect("an object").extend(now.as_object().expect("an object").clone());
        let now = sample::record(("now", NOON, NOON), parts(json!({"now": present})));
        let share = Reading { value: Some(0.0), denominator: Some(1), ..Reading::default() };
        let none = Reading { denominator: None, ..share };
        assert_eq!([share, none].map(|number| is_idle(&record, number, || Some(&now))), expected);
        assert!(!is_idle(&record, none, || None), "nothing is known of now");
    }

    #[test]
    fn a_queue_is_idle_without_a_call_in_the_window_and_now() {
        let none = || (json!({"offered": 0, "flowed_out_by_reason": {"key": 0}}), json!({"login": 5_000}));
        check("queue", none(), json!({"agents_logged_in": 3}), [true, true]);
        for place in ["waiting", "ringing", "talking", "on_hold", "in_wrapup"] {
            check("queue", none(), json!({place: 1}), [false, false]);
        }
        for counts in [json!({"offered": 1}), json!({"blocked": 2}), json!({"flowed_out_by_reason": {"key": 1}})] {
            check("queue", (counts, json!({})), json!({}), [false, true]);
        }
    }

    #[test]
    fn an_agent_is_idle_who_is_logged_out_and_was() {
        let login = |login: i64| (json!({}), json!({"login": login}));
        check("agent", login(0), json!({"agents_logged_in": 0}), [true, true]);
        check("agent", login(1), json!({"agents_logged_in": 0}), [false, true]);
        check("agent", login(0), json!({"agents_logged_in": 1}), [false, false]);
        check("agent", login(0), json!({"talking": 1}), [false, false]);
        check("queue_agent", (json!({"solicitations": 1}), json!({})), json!({}), [false, true]);
    }
}
