//! Lateness: whether an event may still be taken, and how long a call is kept for those that may.
//!
//! Only the stage calls judges it, by the log's own time, so that what is accepted is a function of the log.

use crate::event::{CallEvent, Event, Reason, Reject, What};
use crate::life::fold::LOST_WRAPUP;
use crate::life::plan::Plan;
use crate::time::{EventTime, Span};

/// Whether an event may be taken, by its own record's timestamp and its partition's log time.
pub fn check_time(event: &Event<'_>, stamped: EventTime, log_time: EventTime, plan: &Plan) -> Result<(), Reject> {
    let ahead = ahead_max(event, plan);
    if stamped.plus(ahead) < event.time {
        let sentence = format!(
            "time {} is more than {} s after its record's timestamp {stamped}; check the source's clock",
            event.time,
            ahead.0 / 1000
        );
        return Err(Reject { reason: Reason::Future, sentence });
    }
    if event.time < log_time.minus(plan.late_horizon) {
        let sentence = format!(
            "time {} is more than {} h before the log's time {log_time}; load history with each record's timestamp \
             set to its event's time",
            event.time,
            plan.late_horizon.0 / 3_600_000
        );
        return Err(Reject { reason: Reason::Late, sentence });
    }
    Ok(())
}

/// How far an event may be ahead of its record. Some systems tell the end of a wrap-up when it begins, as planned: that
/// is no wrong clock, up to the length at which a wrap-up without an end is taken for lost.
fn ahead_max(event: &Event<'_>, plan: &Plan) -> Span {
    match event.what {
        What::Call(CallEvent::WrapupEnded { .. }) => plan.allowed_skew.max(LOST_WRAPUP),
        _ => plan.allowed_skew,
    }
}

/// How far the source is by this event: what is planned has not happened yet.
pub fn reached_by(event: &Event<'_>, stamped: EventTime, plan: &Plan) -> Option<EventTime> {
    (event.time <= stamped.plus(plan.allowed_skew)).then_some(event.time)
}

/// A call is kept this long after its last event, so that every event that is not late finds it.
pub fn keep_for(plan: &Plan) -> Span {
    Span(plan.late_horizon.0 + plan.allowed_skew.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::json;
    use crate::event::Decoded;

    const STAMPED: EventTime = EventTime(1_772_438_400_000);

    /// What comes of an event so many seconds ahead of its record: why it is refused, or whether it tells how far its source is.
    #[track_caller]
    fn check(kind: &str, seconds: i64, expected: Result<bool, Reason>) {
        let plan = Plan::plain(Span::from_hours(24), Span::from_secs(30));
        let time = STAMPED.plus(Span::from_secs(seconds));
        let text = format!(r#"{{"type":"{kind}","time":"{time}","call_id":"c1","queue":"sales","agent":"ana"}}"#);
        let Ok(Decoded::Event(event)) = json::decode(text.as_bytes()) else { panic!("{text}") };
        let taken = check_time(&event, STAMPED, STAMPED, &plan);
        let became = taken.map(|()| reached_by(&event, STAMPED, &plan).is_some()).map_err(|reject| reject.reason);
        assert_eq!(became, expected, "{kind} {seconds}");
    }

    #[test]
    fn the_planned_end_of_a_wrap_up_may_lie_ahead_and_moves_nothing() {
        check("call.wrapup_ended", 30, Ok(true));
        check("call.wrapup_ended", 31, Ok(false));
        check("call.wrapup_ended", 3600, Ok(false));
        check("call.wrapup_ended", 3601, Err(Reason::Future));
    }

    #[test]
    fn anything_else_further_ahead_than_the_skew_is_a_wrong_clock() {
        check("call.queued", 30, Ok(true));
        check("call.queued", 31, Err(Reason::Future));
        check("call.wrapup_started", 31, Err(Reason::Future));
        check("call.queued", -24 * 3600, Ok(true));
        check("call.queued", -24 * 3600 - 1, Err(Reason::Late));
    }
}
