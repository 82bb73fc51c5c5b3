//! Waits: from queue entry to answer or leaving.

use super::record::Kpi;
use super::view::{View, WindowKind, mean_seconds};
use crate::fact::Measure;
use std::borrow::Cow;

/// ASA: over answered calls.
pub fn average_speed_of_answer(view: &View<'_>) -> Kpi {
    mean_seconds(view.get(Measure::WaitAnswered), view.get(Measure::Answered))
}

/// From the call's arrival at the centre to its first answer, where the arrival is known.
pub fn average_speed_of_answer_from_arrival(view: &View<'_>) -> Kpi {
    mean_seconds(view.get(Measure::WaitSinceArrival), view.get(Measure::AnsweredSinceArrival))
}

/// Over all that left.
pub fn average_wait(view: &View<'_>) -> Kpi {
    let waited = view.get(Measure::WaitAnswered) + view.get(Measure::WaitAbandoned) + view.get(Measure::WaitFlowedOut);
    mean_seconds(waited, view.left())
}

pub fn average_time_to_abandon(view: &View<'_>) -> Kpi {
    mean_seconds(view.get(Measure::WaitAbandoned), view.get(Measure::Abandoned))
}

/// Of all that left in the window the upper edge of the highest cell; in `now` how long the call that
/// waits longest has waited.
pub fn longest_wait(view: &View<'_>) -> Kpi {
    if view.window != WindowKind::Now {
        return view.longest_wait();
    }
    let waited_ms = view.waiting.longest_since().map(|since| view.as_of.since(since).0.max(0));
    Kpi { value: waited_ms.map(|waited| waited as f64 / 1000.0), unit: Some(Cow::Borrowed("s")), ..Kpi::default() }
}

pub fn wait_p50(view: &View<'_>) -> Kpi {
    view.wait_percentile(50)
}

pub fn wait_p90(view: &View<'_>) -> Kpi {
    view.wait_percentile(90)
}

pub fn wait_p95(view: &View<'_>) -> Kpi {
    view.wait_percentile(95)
}

pub fn wait_p99(view: &View<'_>) -> Kpi {
    view.wait_percentile(99)
}
