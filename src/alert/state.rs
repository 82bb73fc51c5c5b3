//! The state of one rule for one entity, and the steps it takes.
//!
//! ```text
//!          holds            held for `for`           clear for `keep_firing_for`, closed, gone
//! quiet ─────────> pending ────────────────> firing ─────────────────────────────────────────> quiet
//!   ^───────────────┘ clears                  ^──┘ holds again
//! ```
//!
//! No value keeps the state: what held last holds, with the clock of `for` stopped, and what was clear last is clear.

use super::condition::On;
use super::reading::Reading;
use super::rule::Rule;
use crate::time::{EventTime, Span};

/// How one rule stands with one entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertState {
    pub on: On,
    pub phase: Phase,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Quiet,
    Pending {
        /// When it began to hold.
        since: EventTime,
        /// For how long it is known to have held.
        held: Span,
        /// It held when it was looked at last; none while nothing can be said.
        seen: Option<EventTime>,
    },
    Firing {
        since: EventTime,
        /// Since when it has been clear without a break; none while it holds.
        clear: Option<EventTime>,
    },
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Fires {
        since: EventTime,
    },
    /// `clear` is since when it had been clear; none unless that is why.
    Resolves {
        since: EventTime,
        clear: Option<EventTime>,
        why: Why,
    },
}

/// Why an alert ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Cleared,
    /// Outside the rule's hours.
    Closed,
    RuleRemoved,
    EntityEnded,
}

impl Why {
    pub const ALL: [Why; 4] = [Why::Cleared, Why::Closed, Why::RuleRemoved, Why::EntityEnded];

    /// The name in records.
    pub const fn word(self) -> &'static str {
        match self {
            Why::Cleared => "cleared",
            Why::Closed => "closed",
            Why::RuleRemoved => "rule_removed",
            Why::EntityEnded => "entity_ended",
        }
    }
}

impl AlertState {
    pub fn is_quiet(&self) -> bool {
        self.phase == Phase::Quiet
    }

    /// Looks at a reading of each level, while the rule is in force. Instants never go back.
    pub fn look(&mut self, rule: &Rule, readings: &[Option<Reading>], at: EventTime) -> Option<Step> {
        let holds = rule.when.holds(readings, &mut self.on);
        match (self.phase, holds) {
            (Phase::Quiet, Some(true)) => self.pend(rule, (at, Span(0), Some(at))),
            (Phase::Pending { since, held, seen }, Some(true)) => {
                let held = Span(held.0 + seen.map_or(0, |seen| at.since(seen).0.max(0)));
                self.pend(rule, (since, held, Some(at)))
            }
            (Phase::Pending { since, held, seen }, None) => {
                let held = Span(held.0 + seen.map_or(0, |seen| at.since(seen).0.max(0)));
                self.phase = Phase::Pending { since, held, seen: None };
                None
            }
            (Phase::Pending { .. }, Some(false)) => {
                self.phase = Phase::Quiet;
                None
            }
            (Phase::Firing { since, .. }, Some(true)) => {
                self.phase = Phase::Firing { since, clear: None };
                None
            }
            (Phase::Firing { since, clear }, Some(false)) => self.keep(rule, (since, clear.unwrap_or(at)), at),
            (Phase::Firing { since, clear: Some(clear) }, None) => self.keep(rule, (since, clear), at),
            (Phase::Quiet, Some(false) | None) | (Phase::Firing { clear: None, .. }, None) => None,
        }
    }

    fn pend(&mut self, rule: &Rule, (since, held, seen): (EventTime, Span, Option<EventTime>)) -> Option<Step> {
        if held < rule.hold {
            self.phase = Phase::Pending { since, held, seen };
            return None;
        }
        self.phase = Phase::Firing { since, clear: None };
        Some(Step::Fires { since })
    }

    fn keep(&mut self, rule: &Rule, (since, clear): (EventTime, EventTime), at: EventTime) -> Option<Step> {
        self.phase = Phase::Firing { since, clear: Some(clear) };
        if at.since(clear) < rule.keep { None } else { self.end(Why::Cleared) }
    }

    /// Ends it for a reason beside its numbers; what only waited begins anew when it is looked at again.
    pub fn end(&mut self, why: Why) -> Option<Step> {
        let phase = std::mem::take(&mut self.phase);
        if why != Why::Cleared {
            self.on.clear();
        }
        match phase {
            Phase::Firing { since, clear } => {
                Some(Step::Resolves { since, clear: clear.filter(|_| why == Why::Cleared), why })
            }
            Phase::Quiet | Phase::Pending { .. } => None,
        }
    }

    /// What happened while it was not looked at does not count: what waited begins anew, and what fires has to be clear
    /// from the beginning. Whether that changes anything.
    pub fn rest(&mut self) -> bool {
        let rested = match self.phase {
            Phase::Quiet => return false,
            Phase::Pending { .. } => AlertState::default(),
            Phase::Firing { since, .. } => {
                AlertState { on: std::mem::take(&mut self.on), phase: Phase::Firing { since, clear: None } }
            }
        };
        let before = std::mem::replace(self, rested);
        before.phase != self.phase
    }
}
