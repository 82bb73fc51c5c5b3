//! Panes and the sliding windows over them.
//!
//! ```text
//!            ┌──────────── window of length W ───────────┐
//! ... │ s │ s │ s │ s │ s │ s │ s │ s │ s │ s │ s │ s │ s │ known, not yet in
//!     ▲ leaves: subtracted                                ▲ end: enters when the end moves on: added
//! ```
//!
//! Each move of the end adds the panes that enter and subtracts those that leave, so a pane costs the
//! same whatever the window's length. The law: a slid window equals a fresh sum over its panes.

use super::sums::Sums;
use crate::fact::{Facts, Key};
use std::collections::VecDeque;

/// Panes are kept for so many seconds, whatever windows there are, so that what happened lately is known.
pub const LATELY: i64 = 60;

/// One second that holds facts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pane {
    second: i64,
    facts: Facts,
}

/// The panes of one entity within reach of its longest window, [`LATELY`] at least, and its windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panes {
    panes: VecDeque<Pane>,
    windows: Vec<Sums>,
    /// The windows hold `[end - length, end)`, whole seconds; none before the first move.
    end: Option<i64>,
}

impl Panes {
    /// Adds facts of a second. `lengths` are the windows' lengths in seconds, the same in every call.
    /// Answers whether a window holds them now.
    pub fn add(&mut self, lengths: &[i64], second: i64, facts: &[(Key, i64)]) -> bool {
        if self.end.is_some_and(|end| second < end - reach(lengths)) {
            return false;
        }
        let at = match self.panes.back() {
            Some(last) if last.second < second => self.panes.len(),
            _ => self.panes.partition_point(|pane| pane.second < second),
        };
        if self.panes.get(at).is_none_or(|pane| pane.second != second) {
            self.panes.insert(at, Pane { second, facts: Facts::default() });
        }
        self.panes[at].facts.add_all(facts, 1);
        if self.panes[at].facts.is_empty() {
            self.panes.remove(at);
        }
        let Some(end) = self.end.filter(|end| second < *end) else { return false };
        let mut is_held = false;
        for (window, length) in self.windows.iter_mut().zip(lengths) {
            if end - length <= second {
                window.add_all(facts, 1);
                is_held = true;
            }
        }
        is_held
    }

    /// Moves the windows' end forward. Answers whether what a window holds may have changed.
    pub fn slide(&mut self, lengths: &[i64], end: i64) -> bool {
        self.windows.resize_with(lengths.len(), Sums::default);
        let before = self.end.replace(end);
        if before.is_some_and(|before| end <= before) {
            self.end = before;
            return false;
        }
        // A level that changed in the last second shows at its end: in this move.
        let mut has_changed = before.is_some_and(|before| self.holds(before - 1));
        for (window, length) in self.windows.iter_mut().zip(lengths) {
            let (left, entered) = match before {
                Some(before) if end - length < before => ((before - length, end - length), (before, end)),
                _ => {
                    has_changed |= !window.is_empty();
                    *window = Sums::default();
                    ((0, 0), (end - length, end))
                }
            };
            for ((from, to), sign) in [(left, -1), (entered, 1)] {
                let start = self.panes.partition_point(|pane| pane.second < from);
                for pane in self.panes.range(start..).take_while(|pane| pane.second < to) {
                    window.add_all(pane.facts.as_slice(), sign);
                    has_changed = true;
                }
            }
        }
        while self.panes.front().is_some_and(|pane| pane.second < end - reach(lengths)) {
            self.panes.pop_front();
        }
        has_changed
    }

    /// The next end at which a window may change, a level that shows at it included; none if all panes are out.
    pub fn next_change(&self, lengths: &[i64]) -> Option<i64> {
        let end = self.end?;
        let showing = self.holds(end - 1).then_some(end + 1);
        self.next_move(lengths).into_iter().chain(showing).min()
    }

    /// The next end at which a pane enters or leaves a window; none if all are out.
    pub fn next_move(&self, lengths: &[i64]) -> Option<i64> {
        let end = self.end?;
        let entering = self.panes.get(self.panes.partition_point(|pane| pane.second < end));
        let leaving = lengths.iter().filter_map(|length| {
            let first = self.panes.get(self.panes.partition_point(|pane| pane.second < end - length))?;
            Some(first.second + length + 1)
        });
        entering.map(|pane| pane.second + 1).into_iter().chain(leaving).min()
    }

    fn holds(&self, second: i64) -> bool {
        self.panes.binary_search_by_key(&second, |pane| pane.second).is_ok()
    }

    /// The sum of a window, by its place among the lengths; none before the first move.
    pub fn window(&self, place: usize) -> Option<&Sums> {
        self.end.and(self.windows.get(place))
    }

    /// The panes of some seconds. What a snapshot keeps.
    pub fn iter_range(&self, seconds: std::ops::Range<i64>) -> impl Iterator<Item = (i64, &Facts)> {
        let start = self.panes.partition_point(|pane| pane.second < seconds.start);
        let held = self.panes.range(start..).take_while(move |pane| pane.second < seconds.end);
        held.map(|pane| (pane.second, &pane.facts))
    }

    /// All panes, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = (i64, &Facts)> {
        self.panes.iter().rev().map(|pane| (pane.second, &pane.facts))
    }

    /// The windows' end, whole seconds.
    pub fn end(&self) -> Option<i64> {
        self.end
    }
}

/// For how many seconds panes are kept.
fn reach(lengths: &[i64]) -> i64 {
    lengths.iter().copied().max().unwrap_or(0).max(LATELY)
}
