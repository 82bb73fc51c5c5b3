//! Offers to agents: rings, and what came of them.

use super::record::Kpi;
use super::view::{View, calls, ratio};
use crate::fact::Measure;

/// Offers nobody took, those included whose caller left while it rang.
pub fn ring_no_answer_all(view: &View<'_>) -> Kpi {
    calls(view.get(Measure::RingNoAnswer) + view.get(Measure::RingCallerLeft))
}

/// Offers that ended in an answer, of the offers that ended.
pub fn agent_answer_rate(view: &View<'_>) -> Kpi {
    ratio(view.get(Measure::OffersAnswered), view.get(Measure::OffersEnded))
}
