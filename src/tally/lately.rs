//! Lately: when calls last entered, left or were handled, within the panes that are kept.
//!
//! What was booked and taken back is none of it, so that it follows from the facts and from no order of theirs.

use super::tally::Tally;
use crate::fact::Measure;

/// When a call last did what, seconds since 1970; none of what did not happen within the longest sliding window, a minute
/// at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// Arrived, was offered to the queue or to an agent, came up as a callback or was dialled.
    pub entered: Option<i64>,
    /// Was answered, gave up, flowed out, was turned away or ended before any queue.
    pub left: Option<i64>,
    /// Was declined by an agent, or handled: in part, or to its end.
    pub handled: Option<i64>,
}

const ENTERED: [Measure; 5] =
    [Measure::Arrived, Measure::Offered, Measure::CallbacksOffered, Measure::Outbound, Measure::Solicitations];
const LEFT: [Measure; 6] = [
    Measure::Answered,
    Measure::Abandoned,
    Measure::FlowedOut,
    Measure::Blocked,
    Measure::LeftInIvr,
    Measure::ArrivedDecided,
];
const HANDLED: [Measure; 6] =
    [Measure::OffersEnded, Measure::Handled, Measure::Held, Measure::TransferredOut, Measure::Talk, Measure::Wrapup];

impl Lately {
    /// Whatever it was.
    pub fn any(self) -> Option<i64> {
        self.entered.max(self.left).max(self.handled)
    }
}

impl Tally {
    /// When what last happened.
    pub fn lately(&self) -> Lately {
        let mut lately = Lately::default();
        for (second, facts) in self.panes.newest_first() {
            let was = |any_of: &[Measure]| any_of.iter().any(|measure| facts.get(*measure) != 0);
            let places =
                [(&mut lately.entered, &ENTERED[..]), (&mut lately.left, &LEFT), (&mut lately.handled, &HANDLED)];
            let mut are_known = true;
            for (place, of) in places {
                if place.is_none() && was(of) {
                    *place = Some(second);
                }
                are_known &= place.is_some();
            }
            if are_known {
                break;
            }
        }
        lately
    }
}
