//! Lateness: whether an event may still be taken, and how long a call is kept for those that may.
//!
//! Only the stage calls judges it, by the log's own time, so that what is accepted is a function of the log.

use crate::event::{Event, Reason, Reject};
use crate::life::plan::Plan;
use crate::time::{EventTime, Span};

/// Whether an event may be taken, by its own record's timestamp and its partition's log time.
pub fn check_time(event: &Event<'_>, stamped: EventTime, log_time: EventTime, plan: &Plan) -> Result<(), Reject> {
    if stamped.plus(plan.allowed_skew) < event.time {
        let sentence = format!(
            "time {} is more than {} s after its record's timestamp {stamped}; check the source's clock",
            event.time,
            plan.allowed_skew.0 / 1000
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

/// A call is kept this long after its last event, so that every event that is not late finds it.
pub fn keep_for(plan: &Plan) -> Span {
    Span(plan.late_horizon.0 + plan.allowed_skew.0)
}
