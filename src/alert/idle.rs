//! Idleness: whether anything goes on of what a number is made of, as an entity's records tell.
//!
//! ```text
//!  good good bad bad        |── a minute ──|now     idle: of what the number is made of nothing happened in it
//!    |    |   |   |         |              |        not idle: it did, or in `now` a call is there
//! ───┴────┴───┴───┴─────────┴──────────────┴──
//! ```
//!
//! Where nothing happens there are numbers all the same: 0 calls, 0 agents. And they move: as the good calls leave a window
//! before the bad ones, what is left in it looks worse. They end an alert, and begin none.

use super::condition::{Level, Measure};
use super::reading::Reading;
use crate::entity::Kind;
use crate::kpi::catalogue::{MadeOf, definition};
use crate::kpi::record::{KpiRecord, Now};
use crate::kpi::settings::Formula;
use crate::tally::panes::LATELY;
use crate::time::{EventTime, Span};

/// What did not happen for so long does not go on. By whole seconds, as records tell when it last did.
pub const IDLE_AFTER: Span = Span::from_secs(LATELY);

/// Whether nothing goes on of what a level looks at, by the record of its window, the number it has there, and the record
/// of `now`.
///
/// In `now`: no call waits, rings, is talked to, on hold or wrapped up, and an agent is logged out. Of the time of agents:
/// nobody is logged in. Of all else: nothing that the number is made of happened within [`IDLE_AFTER`], or it counts none of
/// what it counts and no call is there; or it is of an agent who is logged out.
pub fn is_idle<'r>(
    level: &Level,
    record: &KpiRecord,
    number: Reading,
    now: impl FnOnce() -> Option<&'r KpiRecord>,
) -> bool {
    let Some((as_of, now)) = now().and_then(|record| Some((EventTime::parse(&record.as_of)?, record.now.as_ref()?)))
    else {
        return false;
    };
    let is_of_agent = Kind::from_word(&record.entity.kind).is_some_and(|kind| !kind.has_visits());
    let is_logged_in = now.agents_logged_in.is_some_and(|agents| 0 < agents);
    if record.now.is_some() {
        return !(has_calls(now) || is_of_agent && is_logged_in);
    }
    let is_recent = |last: &Option<String>| {
        let last = last.as_deref().and_then(EventTime::parse);
        last.is_some_and(|last| as_of.since(last) < IDLE_AFTER)
    };
    let are_recent = |any: &[&Option<String>]| any.iter().copied().any(is_recent);
    let formula = || record.kpis.get(&level.kpi)?.formula.as_deref().and_then(Formula::from_word);
    let goes_on = match made_of(level) {
        MadeOf::Time => return !is_logged_in,
        MadeOf::WhatLeft => is_recent(&now.last_left_at),
        MadeOf::WaitsOfWhatLeft => are_recent(&[&now.last_left_at, &now.last_ended_at]),
        MadeOf::AnsweredOrAbandoned => is_recent(&now.last_answered_or_abandoned_at),
        MadeOf::WaitsOfAnswered => are_recent(&[&now.last_answered_or_abandoned_at, &now.last_ended_at]),
        MadeOf::ServiceLevel => match formula() {
            Some(formula) if formula.counts_flow_outs() => are_recent(&[&now.last_left_at, &now.last_ended_at]),
            formula => {
                // Who waits for too long counts though they have not left.
                let counts_who_waits = formula == Some(Formula::ExpiredCounts);
                are_recent(&[&now.last_answered_or_abandoned_at, &now.last_ended_at])
                    || counts_who_waits && now.waiting != 0
            }
        },
        MadeOf::WhatIsHandled => is_recent(&now.last_handled_at),
        MadeOf::Calls => are_recent(&[&now.last_entered_at, &now.last_left_at, &now.last_handled_at]),
    };
    let is_none = number.denominator.is_none() && number.value == Some(0.0);
    let is_away = is_of_agent && !is_logged_in && says_when_away(record);
    !goes_on || is_away || is_none && !has_calls(now)
}

/// What a level's number is made of: a count, and what is foreseen, of whatever happens to calls.
fn made_of(level: &Level) -> MadeOf {
    let kpi = definition(level.kpi.split('.').next().unwrap_or(&level.kpi));
    match (&level.measure, kpi) {
        (Measure::Forecast(_), _) | (_, None) => MadeOf::Calls,
        (_, Some(kpi)) => kpi.made_of,
    }
}

/// Whether an agent's own word on being there was heard in the window: of whom calls alone tell, nobody knows when they
/// are away.
fn says_when_away(record: &KpiRecord) -> bool {
    let of_own_word = ["state_available", "state_paused", "state_other_work"];
    of_own_word.into_iter().any(|state| record.sums_ms.get(state).is_some_and(|time| *time != 0))
}

fn has_calls(now: &Now) -> bool {
    [now.waiting, now.ringing, now.talking, now.on_hold, now.in_wrapup].into_iter().any(|calls| calls != 0)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, NOON};
    use super::*;
    use serde_json::{Value, json};

    const AT_59_SECONDS: &str = "2026-03-02T11:59:01.000Z";
    const AT_A_MINUTE: &str = "2026-03-02T11:59:00.000Z";

    /// A KPI over half an hour of an entity with these sums, and what is there now, at noon.
    #[track_caller]
    fn check((kind, kpi): (&str, &str), window: Value, now: Value, expected: bool) {
        let parts = |parts: Value| {
            let mut all = json!({"entity": {"kind": kind, "id": "x"}});
            all.as_object_mut().expect("an object").extend(parts.as_object().expect("an object").clone());
            all
        };
        let record = sample::record(("30m", "2026-03-02T11:30:00.000Z", NOON), parts(window));
        let mut present = json!({
            "waiting": 0, "longest_wait_since": null, "ringing": 0, "talking": 0, "on_hold": 0, "in_wrapup": 0,
            "over_threshold_waiting": 0,
        });
        present.as_object_mut().expect("an object").extend(now.as_object().expect("an object").clone());
        let now = sample::record(("now", NOON, NOON), parts(json!({"now": present})));
        let level = Level { kpi: kpi.to_owned(), window: "30m".to_owned(), ..sample::level() };
        let share = Reading { value: Some(0.5), denominator: Some(4), ..Reading::default() };
        assert_eq!(is_idle(&level, &record, share, || Some(&now)), expected, "{kpi} of {kind}: {now:?}");
        assert!(!is_idle(&level, &record, share, || None), "nothing is known of now");
    }

    #[test]
    fn a_queue_is_idle_a_minute_after_the_last_of_what_a_number_is_made_of() {
        let last = |field: &str, at: &str| json!({ field: at });
        for (kpi, field) in [
            ("abandonment_rate", "last_answered_or_abandoned_at"),
            ("service_level", "last_answered_or_abandoned_at"),
            ("average_time_to_abandon", "last_answered_or_abandoned_at"),
            ("average_speed_of_answer", "last_answered_or_abandoned_at"),
            ("average_speed_of_answer", "last_ended_at"),
            ("service_level", "last_ended_at"),
            ("wait_p90", "last_left_at"),
            ("wait_p90", "last_ended_at"),
            ("answer_rate", "last_left_at"),
            ("flow_out_rate", "last_left_at"),
            ("average_handle_time", "last_handled_at"),
            ("agent_answer_rate", "last_handled_at"),
            ("calls_offered", "last_entered_at"),
            ("calls_blocked", "last_entered_at"),
            ("calls_missed", "last_entered_at"),
            ("calls_flowed_out", "last_left_at"),
            ("concurrent_calls_max", "last_handled_at"),
        ] {
            check(("queue", kpi), json!({}), last(field, AT_59_SECONDS), false);
            check(("queue", kpi), json!({}), last(field, AT_A_MINUTE), true);
            check(("queue", kpi), json!({}), json!({}), true);
        }
        // Neither who comes or is turned away nor who is talked to, hangs up after it or flows out makes more of those who
        // left give up.
        let others = json!({
            "last_entered_at": AT_59_SECONDS, "last_left_at": AT_59_SECONDS, "last_handled_at": AT_59_SECONDS,
            "last_ended_at": AT_59_SECONDS, "talking": 1, "waiting": 1,
        });
        check(("queue", "abandonment_rate"), json!({}), others, true);
        for (formula, is_idle) in [("exclude_short_abandons", true), ("offered", false)] {
            let of_formula = json!({"kpis": {"service_level": {"value": 0.5, "formula": formula}}});
            check(("queue", "service_level"), of_formula, last("last_left_at", AT_59_SECONDS), is_idle);
        }
        let expired = json!({"kpis": {"service_level": {"value": 0.5, "formula": "expired_counts"}}});
        check(("queue", "service_level"), expired.clone(), json!({"waiting": 1}), false);
        check(("queue", "service_level"), expired, json!({}), true);
    }

    #[test]
    fn what_counts_none_is_idle_without_a_call() {
        let level = Level { kpi: "calls_offered".to_owned(), window: "30m".to_owned(), ..sample::level() };
        let record = sample::record(("30m", "2026-03-02T11:30:00.000Z", NOON), json!({}));
        let none = Reading { value: Some(0.0), ..Reading::default() };
        for (talking, expected) in [(0, true), (1, false)] {
            let now = json!({
                "waiting": 0, "longest_wait_since": null, "ringing": 0, "talking": talking, "on_hold": 0, "in_wrapup": 0,
                "over_threshold_waiting": 0, "last_handled_at": AT_59_SECONDS,
            });
            let now = sample::record(("now", NOON, NOON), json!({ "now": now }));
            assert_eq!(is_idle(&level, &record, none, || Some(&now)), expected);
        }
    }

    #[test]
    fn in_now_whoever_is_there_is_something() {
        let is_idle = |kind: &str, parts: Value| {
            let mut present = json!({
                "waiting": 0, "longest_wait_since": null, "ringing": 0, "talking": 0, "on_hold": 0, "in_wrapup": 0,
                "over_threshold_waiting": 0, "agents_logged_in": 0, "last_left_at": AT_59_SECONDS,
            });
            present.as_object_mut().expect("an object").extend(parts.as_object().expect("an object").clone());
            let now = sample::record(("now", NOON, NOON), json!({"entity": {"kind": kind, "id": "x"}, "now": present}));
            let level = Level { kpi: "agents_logged_in".to_owned(), window: "now".to_owned(), ..sample::level() };
            is_idle(&level, &now, Reading { value: Some(0.0), ..Reading::default() }, || Some(&now))
        };
        for place in ["waiting", "ringing", "talking", "on_hold", "in_wrapup"] {
            assert!(!is_idle("queue", json!({place: 1})) && !is_idle("agent", json!({place: 1})));
        }
        assert!(is_idle("queue", json!({"agents_logged_in": 3})) && !is_idle("agent", json!({"agents_logged_in": 1})));
        assert!(is_idle("agent", json!({})));
    }

    #[test]
    fn of_the_time_of_agents_nothing_goes_on_while_nobody_is_logged_in() {
        for kind in ["agent", "queue", "team"] {
            let logged_in = |agents: i64| json!({"agents_logged_in": agents, "last_handled_at": AT_59_SECONDS});
            check((kind, "occupancy"), json!({"sums_ms": {"login": 5_000}}), logged_in(0), true);
            check((kind, "occupancy"), json!({}), logged_in(1), false);
        }
        // Of an agent's calls neither, where the agent says when there; who never says so is known by calls alone.
        let away = json!({"agents_logged_in": 0, "last_handled_at": AT_59_SECONDS});
        let there = json!({"agents_logged_in": 1, "last_handled_at": AT_59_SECONDS});
        let says = json!({"sums_ms": {"login": 9_000, "state_available": 5_000}});
        check(("agent", "average_handle_time"), says.clone(), away.clone(), true);
        check(("agent", "average_handle_time"), says, there, false);
        check(("agent", "average_handle_time"), json!({"sums_ms": {"login": 9_000, "handling": 9_000}}), away, false);
    }
}
