//! Lately: when calls last entered, left or were handled, within the panes that are kept.
//!
//! What was booked and taken back is none of it, so that it follows from the facts and from no order of theirs.

use super::tally::Tally;
use crate::fact::Measure;

/// When a call last did what, seconds since 1970; none of what did not happen within the longest sliding window, a minute
/// at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// Arrived, was offered to the queue or to an agent, was turned away, came up as a callback or was dialled; or the fate
    /// of one that arrived was decided.
    pub entered: Option<i64>,
    /// Left its queue: was answered, gave up or flowed out.
    pub left: Option<i64>,
    /// The same without those that flowed out.
    pub answered_or_abandoned: Option<i64>,
    /// Was over for an agent, incoming calls and callbacks: some sources tell only then of its answer.
    pub ended: Option<i64>,
    /// Was declined by an agent, or handled: in part, or to its end.
    pub handled: Option<i64>,
}

const ENTERED: [Measure; 8] = [
    Measure::Arrived,
    Measure::Offered,
    Measure::Blocked,
    Measure::LeftInIvr,
    Measure::ArrivedDecided,
    Measure::CallbacksOffered,
    Measure::Outbound,
    Measure::Solicitations,
];
const HANDLED: [Measure; 6] =
    [Measure::OffersEnded, Measure::Handled, Measure::Held, Measure::TransferredOut, Measure::Talk, Measure::Wrapup];

const LEFT: [Measure; 3] = [Measure::Answered, Measure::Abandoned, Measure::FlowedOut];
const ANSWERED_OR_ABANDONED: [Measure; 2] = [Measure::Answered, Measure::Abandoned];

impl Lately {
    /// Whatever it was.
    pub fn any(self) -> Option<i64> {
        self.all().into_iter().max().flatten()
    }

    /// Each of them.
    pub fn all(self) -> [Option<i64>; 5] {
        [self.entered, self.left, self.answered_or_abandoned, self.ended, self.handled]
    }
}

impl Tally {
    /// When what last happened.
    pub fn lately(&self) -> Lately {
        let mut lately = Lately::default();
        for (second, facts) in self.panes.newest_first() {
            let is_any = |of: &[Measure]| of.iter().any(|measure| facts.get(*measure) != 0);
            let places: [(&mut Option<i64>, &dyn Fn() -> bool); 5] = [
                (&mut lately.entered, &|| is_any(&ENTERED)),
                (&mut lately.left, &|| is_any(&LEFT)),
                (&mut lately.answered_or_abandoned, &|| is_any(&ANSWERED_OR_ABANDONED)),
                (&mut lately.ended, &|| facts.get(Measure::Handled) != facts.get(Measure::HandledNotInbound)),
                (&mut lately.handled, &|| is_any(&HANDLED)),
            ];
            let mut are_known = true;
            for (place, is_so) in places {
                if place.is_none() && is_so() {
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
