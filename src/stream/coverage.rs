//! Coverage: what of the past the numbers of one partition do not hold.
//!
//! ```text
//!      lost from ├─────┤ to              a gap: records over it say `gap`
//!   ─────────────┤ to                    the log began later: records over its end say `covered_from`
//! ```
//!
//! Lost input is told by the batch that noticed it, so that this is a function of the batches read, as all
//! else is. A length of window that the settings did not ask for before holds facts from then on only.

use super::batch::wire;
use crate::time::{EventTime, Span};
use std::collections::{BTreeMap, BTreeSet};

/// What began before input was lost may show in the state at this instant for so long: then an agent's state
/// ends as lost, and a connection did before.
const LEVELS_RECOVER: Span = Span::from_hours(16);

/// Stretches that are known one by one; beyond, the oldest are taken together with what lies between them. They are one
/// record of the state.
const LOST_MAX: usize = 1_000;

/// Input that nobody read, as a stretch of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// None where the log began no earlier.
    pub from: Option<EventTime>,
    pub to: EventTime,
}

/// Records that are gone from a source partition before they were read, how far is not known yet.
pub struct Gap {
    /// Complete up to here when they were lost; none if nothing had been read.
    pub mark: Option<EventTime>,
    pub log_time: Option<EventTime>,
    /// The timestamp of the first record that is there.
    pub to: Option<EventTime>,
}

/// What is not held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    lost: BTreeSet<Lost>,
    /// Batches were lost since then; how far tells the next one that is read.
    open: Option<Lost>,
    /// Lengths that were not kept before: what the facts of each are kept by, and since when.
    since: BTreeMap<String, EventTime>,
    /// Where the latest second ends that facts were read of.
    facts_to: Option<EventTime>,
}

/// What is asked of.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    Now(EventTime),
    Total,
    /// `[start, end)`, and by what its facts are kept.
    Window {
        start: EventTime,
        end: EventTime,
        kept_by: &'a str,
    },
}

/// The answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    pub gap: bool,
    /// Facts are held from here on; absent if they are from the window's start.
    pub from: Option<EventTime>,
}

impl Gap {
    /// Where history is loaded after the clock was taken for complete, the mark says nothing of it.
    pub fn up_to(self, to: EventTime) -> Lost {
        let by_mark = self.mark.filter(|mark| *mark <= to);
        Lost { from: by_mark.or(self.log_time.map(|log_time| log_time.min(to))), to }
    }
}

impl Coverage {
    /// Notes lost input. Whether that is new.
    pub fn lose(&mut self, lost: Lost) -> bool {
        let is_new = !self.lost.iter().any(|known| known.from <= lost.from && lost.to <= known.to);
        if is_new {
            self.lost.insert(lost);
        }
        while LOST_MAX < self.lost.len() {
            let oldest = [self.lost.pop_first(), self.lost.pop_first()];
            let [Some(a), Some(b)] = oldest else { break };
            // Where the log begins later the latest beginning holds.
            self.lost.insert(Lost { from: a.from, to: a.to.max(b.to) });
        }
        is_new
    }

    /// Batches of our own input are gone, after event time was complete up to `from`.
    pub fn lose_batches(&mut self, from: Option<EventTime>) {
        self.open = Some(Lost { from, to: EventTime(i64::MAX) });
    }

    /// Event time is complete up to here by a batch that was read. Whether a gap ends with it.
    pub fn reach(&mut self, as_of: EventTime) -> bool {
        self.open.take().is_some_and(|open| self.lose(Lost { to: as_of, ..open }))
    }

    /// Coverage of which nothing is known but batches lost whose end is open.
    pub fn opened(open: Option<&wire::Lost>) -> Coverage {
        Coverage { open: open.map(from_wire), ..Coverage::default() }
    }

    pub fn open(&self) -> Option<wire::Lost> {
        self.open.as_ref().map(to_wire)
    }

    /// What is known to be lost, for whoever is to be told; it is known here no longer.
    pub fn take_lost(&mut self) -> BTreeSet<Lost> {
        std::mem::take(&mut self.lost)
    }

    /// How many stretches of input were lost that end after an instant.
    pub fn lost_since(&self, at: EventTime) -> usize {
        let known = self.lost.iter().filter(|lost| lost.from.is_some() && at < lost.to).count();
        known + usize::from(self.open.is_some())
    }

    /// Facts of a second were read.
    pub fn read_facts_of(&mut self, second: i64) {
        self.facts_to = self.facts_to.max(Some(EventTime((second + 1) * 1000)));
    }

    /// A length asked for anew is kept from now on: it holds what no facts read so far speak of.
    pub fn keep_newly(&mut self, kept_by: String) {
        if let Some(since) = self.facts_to {
            self.keep_since(kept_by, since);
        }
    }

    /// A length is kept from some instant on, and not before it was known to be.
    pub fn keep_since(&mut self, kept_by: String, since: EventTime) {
        let known = self.since.entry(kept_by).or_insert(since);
        *known = since.max(*known);
    }

    /// Since when a length is kept; none if for as long as anything.
    pub fn kept_since(&self, kept_by: &str) -> Option<EventTime> {
        self.since.get(kept_by).copied()
    }

    /// Whether input of the time `[start, end)` was lost.
    pub fn is_lost(&self, start: EventTime, end: EventTime) -> bool {
        let holds = |lost: &Lost| start < lost.to && lost.from.is_none_or(|from| from < end);
        self.lost.iter().chain(&self.open).any(holds)
    }

    pub fn of(&self, asked: Asked<'_>) -> Covered {
        let (start, end) = match asked {
            Asked::Now(as_of) => (as_of.minus(LEVELS_RECOVER), EventTime(i64::MAX)),
            Asked::Total => (EventTime(i64::MIN), EventTime(i64::MAX)),
            Asked::Window { start, end, .. } => (start, end),
        };
        let mut covered = Covered::default();
        for Lost { from, to } in self.lost.iter().chain(&self.open) {
            let is_over = start < *to && from.is_none_or(|from| from < end);
            if !is_over {
                continue;
            }
            match from {
                None if *to < end && !matches!(asked, Asked::Now(_)) => covered.from = covered.from.max(Some(*to)),
                _ => covered.gap = true,
            }
        }
        if let Asked::Window { kept_by, .. } = asked {
            let since = self.kept_since(kept_by).filter(|since| start < *since);
            covered.from = covered.from.max(since);
        }
        covered
    }

    pub fn to_wire(&self) -> wire::CoverageState {
        wire::CoverageState {
            lost: self.lost.iter().map(to_wire).collect(),
            open: self.open.as_ref().map(to_wire),
            since: self.since.iter().map(|(kept_by, since)| (kept_by.clone(), since.0)).collect(),
            facts_to: self.facts_to.map(|to| to.0),
        }
    }

    pub fn from_wire(state: &wire::CoverageState) -> Coverage {
        Coverage {
            lost: state.lost.iter().map(from_wire).collect(),
            open: state.open.as_ref().map(from_wire),
            since: state.since.iter().map(|(kept_by, since)| (kept_by.clone(), EventTime(*since))).collect(),
            facts_to: state.facts_to.map(EventTime),
        }
    }
}

pub fn to_wire(lost: &Lost) -> wire::Lost {
    wire::Lost { from: lost.from.map(|from| from.0), to: lost.to.0 }
}

pub fn from_wire(lost: &wire::Lost) -> Lost {
    Lost { from: lost.from.map(EventTime), to: EventTime(lost.to) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(i64) -> EventTime = |minute| EventTime(minute * 60_000);

    fn window(coverage: &Coverage, start: i64, end: i64) -> Covered {
        coverage.of(Asked::Window { start: AT(start), end: AT(end), kept_by: "900000" })
    }

    #[test]
    fn a_gap_marks_what_overlaps_it_and_nothing_else() {
        //        10   15  20      30
        // lost        ├───────────┤
        let mut coverage = Coverage::default();
        assert!(coverage.lose(Lost { from: Some(AT(15)), to: AT(30) }));
        assert!(!coverage.lose(Lost { from: Some(AT(15)), to: AT(30) }), "told twice");
        assert!(!window(&coverage, 0, 15).gap && !window(&coverage, 30, 45).gap);
        assert!(window(&coverage, 0, 16).gap && window(&coverage, 20, 25).gap && window(&coverage, 29, 45).gap);
        assert!(coverage.of(Asked::Total).gap);
        assert!(coverage.of(Asked::Now(AT(30 + 959))).gap && !coverage.of(Asked::Now(AT(30 + 960))).gap);
        assert_eq!(window(&coverage, 20, 25).from, None);
    }

    #[test]
    fn a_log_that_began_later_covers_from_there() {
        let mut coverage = Coverage::default();
        coverage.lose(Lost { from: None, to: AT(20) });
        assert_eq!(window(&coverage, 15, 30), Covered { gap: false, from: Some(AT(20)) });
        assert_eq!(window(&coverage, 20, 30), Covered::default());
        assert_eq!(coverage.of(Asked::Total), Covered { gap: false, from: Some(AT(20)) });
        // Nothing of it is covered.
        assert_eq!(window(&coverage, 0, 15), Covered { gap: true, from: None });
    }

    #[test]
    fn batches_lost_are_a_gap_until_the_next_one_tells_how_far() {
        let mut coverage = Coverage::default();
        coverage.lose_batches(Some(AT(10)));
        assert!(window(&coverage, 50, 60).gap);
        assert!(coverage.reach(AT(20)));
        assert!(!coverage.reach(AT(21)));
        assert!(window(&coverage, 15, 30).gap && !window(&coverage, 50, 60).gap);
    }

    #[test]
    fn a_new_length_is_covered_from_when_it_was_asked_for() {
        let mut coverage = Coverage::default();
        coverage.keep_newly("900000".into());
        assert_eq!(window(&coverage, 15, 30).from, None, "nothing was read that it could miss");
        // The planned end of a wrap-up lies ahead.
        for second in [20 * 60 - 1, 5 * 60] {
            coverage.read_facts_of(second);
        }
        coverage.keep_newly("900000".into());
        assert_eq!(window(&coverage, 15, 30).from, Some(AT(20)));
        assert_eq!(window(&coverage, 30, 45).from, None);
        let other = Asked::Window { start: AT(15), end: AT(30), kept_by: "week" };
        assert_eq!(coverage.of(other), Covered::default());
    }

    #[test]
    fn more_than_anyone_counts_are_taken_together_from_the_oldest_on() {
        let mut coverage = Coverage::default();
        let stretch = |place: i64| Lost { from: Some(AT(place * 10)), to: AT(place * 10 + 1) };
        for place in 0..1_500 {
            assert!(coverage.lose(stretch(place)));
            assert!(!coverage.lose(stretch(place)), "told twice");
        }
        assert!(!coverage.lose(stretch(3)), "told again");
        assert_eq!(coverage.to_wire().lost.len(), LOST_MAX);
        for place in 0..1_500 {
            assert!(window(&coverage, place * 10, place * 10 + 1).gap);
        }
        assert!(window(&coverage, 5, 9).gap, "between what is taken together");
        assert!(!window(&coverage, 10_005, 10_009).gap);
    }

    #[test]
    fn survives_the_state_topic() {
        let mut coverage = Coverage::default();
        coverage.lose(Lost { from: None, to: AT(1) });
        coverage.lose(Lost { from: Some(AT(2)), to: AT(3) });
        coverage.lose_batches(None);
        coverage.read_facts_of(239);
        coverage.keep_newly("week".into());
        assert_eq!(Coverage::from_wire(&coverage.to_wire()), coverage);
    }
}
