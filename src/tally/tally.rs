//! The tally of one entity: all that its KPIs are made of.

use super::intervals::{Finder, Intervals, Kept};
use super::level::Level;
use super::panes::Panes;
use super::sums::Sums;
use super::weeks::Weeks;
use crate::entity::Entity;
use crate::fact::{Family, Key, Measure};
use crate::time::EventTime;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::ops::Range;

/// What is kept for every entity alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Lengths of the sliding windows, whole seconds, in the order of the settings.
    pub windows: Vec<i64>,
    pub intervals: Kept,
}

/// One entity's facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub total: Sums,
    pub panes: Panes,
    pub intervals: Intervals,
    /// Calls in a queue or connected; not kept for agents.
    pub concurrent: Level,
    /// Of queues and tenants, over all channels.
    pub weeks: Weeks,
    /// How many wait since when.
    waiting: BTreeMap<EventTime, i64>,
    /// Changes of agents' states after `reached`, one by one.
    pub(super) ahead: BTreeMap<(EventTime, Key), i64>,
    pub(super) reached: Option<EventTime>,
}

impl Tally {
    /// Adds facts of a second.
    pub fn add(
        &mut self,
        shape: &Shape,
        finder: &mut Finder,
        of: &Entity,
        Booked { family, second, facts }: Booked<'_>,
    ) {
        if family == Family::Entry {
            return self.intervals.add(&shape.intervals, finder, family, second, facts);
        }
        self.total.add_all(facts, 1);
        // Levels have no meaning as a sum over a window: they are kept in the total alone.
        let mut counted: SmallVec<[(Key, i64); 24]> = SmallVec::new();
        for fact in facts {
            if !fact.0.is_level() {
                counted.push(*fact);
                if fact.0 == Key::measure(Measure::Offered) && of.has_profile() {
                    self.weeks.add(finder, second, fact.1);
                }
            } else if fact.0 == Key::measure(Measure::Concurrent) && of.kind.has_visits() {
                self.concurrent.add(second, fact.1);
            }
        }
        if !counted.is_empty() {
            self.intervals.add(&shape.intervals, finder, family, second, &counted);
            self.panes.add(&shape.windows, second, &counted);
        }
    }

    /// Adds calls that wait since an instant.
    pub fn add_waiting(&mut self, since: EventTime, amount: i64) {
        let count = self.waiting.entry(since).or_default();
        *count += amount;
        if *count == 0 {
            self.waiting.remove(&since);
        }
    }

    /// How many calls wait.
    pub fn waiting(&self) -> i64 {
        self.waiting.values().sum()
    }

    /// When the longest waiting call entered. An answer whose entry is not known yet is no waiting
    /// call.
    pub fn longest_wait_since(&self) -> Option<EventTime> {
        self.waiting.iter().find(|(_, count)| 0 < **count).map(|(since, _)| *since)
    }

    /// Calls that entered before an instant (or at it) and wait.
    pub fn waiting_since_before(&self, at: EventTime, inclusive: bool) -> i64 {
        let counted = |since: &EventTime| if inclusive { *since <= at } else { *since < at };
        self.waiting.iter().take_while(|(since, _)| counted(since)).map(|(_, count)| count).sum()
    }

    /// Those who wait since an instant within `[from, to)`: since when, and how many.
    pub fn who_waits_since(&self, within: Range<EventTime>) -> impl Iterator<Item = (EventTime, i64)> {
        self.waiting.range(within).map(|(since, count)| (*since, *count))
    }

    /// Drops what was put back of what had been forgotten before an instant.
    pub fn drop_forgotten(&mut self, before: Option<EventTime>) {
        if let Some(before) = before {
            self.intervals.forget_before(before);
            self.concurrent.drop_before(before.second().0);
        }
    }

    /// Forgets what no late fact can change any more, up to a whole second: pieces of intervals that began
    /// before it, single changes of the level, and weeks that no profile shows.
    pub fn forget_before(&mut self, shape: &Shape, finder: &mut Finder, at: EventTime) {
        let mut stretches = Vec::new();
        for length in &shape.intervals.long {
            let holding = finder.find(*length, at);
            let before = finder.find(*length, EventTime(holding.start.0 - 1));
            stretches.extend([before, holding].map(|interval| interval.start.second().0..interval.end.second().0));
        }
        self.intervals.forget_before(at);
        self.weeks.forget_before(at);
        self.concurrent.forget_before(at.second().0, &stretches);
    }
}

/// Facts and where they are booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked<'f> {
    pub family: Family,
    pub second: i64,
    pub facts: &'f [(Key, i64)],
}
