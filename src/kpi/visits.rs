//! What became of the calls that entered a queue: answered, abandoned, flowed out, missed.
//!
//! Every share divides by calls that left, since in a short window more may leave than enter.

use super::record::Kpi;
use super::view::{View, calls, ratio};
use crate::fact::Measure;

/// Left without an agent, but for those who asked for a callback; and those turned away.
pub fn calls_missed(view: &View<'_>) -> Kpi {
    let left = view.get(Measure::Abandoned) + view.get(Measure::FlowedOut) - view.get(Measure::CallbacksRequested);
    calls(left + view.get(Measure::Blocked))
}

pub fn answer_rate(view: &View<'_>) -> Kpi {
    ratio(view.get(Measure::Answered), view.left())
}

/// Calls answered at least once, of the arrived calls whose fate was decided: answered, or ended
/// without an answer. Both sides book at that instant, so that the share stays one.
pub fn answer_rate_of_arrived(view: &View<'_>) -> Kpi {
    ratio(view.get(Measure::ArrivedAnswered), view.get(Measure::ArrivedDecided))
}

pub fn abandonment_rate(view: &View<'_>) -> Kpi {
    let short = view.short_abandoned();
    ratio(view.get(Measure::Abandoned) - short, view.left() - short)
}

pub fn abandonment_rate_all(view: &View<'_>) -> Kpi {
    ratio(view.get(Measure::Abandoned), view.left())
}

pub fn abandonment_rate_answered_plus_abandoned(view: &View<'_>) -> Kpi {
    let abandoned = view.get(Measure::Abandoned);
    ratio(abandoned, view.get(Measure::Answered) + abandoned)
}

pub fn short_abandonment_rate(view: &View<'_>) -> Kpi {
    ratio(view.short_abandoned(), view.left())
}

pub fn flow_out_rate(view: &View<'_>) -> Kpi {
    ratio(view.get(Measure::FlowedOut), view.left())
}
