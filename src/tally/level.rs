//! A level: how many at once, as +1 and -1 per second, and its maximum at second boundaries.
//!
//! The level at a boundary is the sum of every change before it. What happens and is over within one
//! second never shows. A late change moves all that follows, so maxima are taken when asked for.

use std::collections::BTreeMap;
use std::ops::Range;

/// Changes of a level by second, and what the seconds before them came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// The sum of the changes that are no longer kept.
    base: i64,
    /// The highest level among them.
    base_max: i64,
    changes: BTreeMap<i64, i64>,
    /// The highest level within stretches that are forgotten in part: start and end, whole seconds.
    peaks: Peaks,
}

/// Highest levels by stretch.
pub type Peaks = BTreeMap<(i64, i64), i64>;

impl Level {
    pub fn add(&mut self, second: i64, amount: i64) {
        let change = self.changes.entry(second).or_default();
        *change += amount;
        if *change == 0 {
            self.changes.remove(&second);
        }
    }

    /// The level after every change known.
    pub fn now(&self) -> i64 {
        self.base + self.changes.values().sum::<i64>()
    }

    /// The highest level at the boundaries in `seconds`: at `start` what was before it counts, and what
    /// changes in the last second shows only at its end, which is outside.
    pub fn max_in(&self, seconds: Range<i64>) -> i64 {
        match self.peaks.get(&(seconds.start, seconds.end)) {
            Some(peak) => self.max_of_kept(seconds).max(*peak),
            None => self.max_of_kept(seconds),
        }
    }

    fn max_of_kept(&self, seconds: Range<i64>) -> i64 {
        let mut level = self.base + self.changes.range(..seconds.start).map(|change| change.1).sum::<i64>();
        let mut max = level;
        for (second, change) in self.changes.range(seconds.start..) {
            if seconds.end <= second + 1 {
                break;
            }
            level += change;
            max = max.max(level);
        }
        max
    }

    /// The highest level ever.
    pub fn max(&self) -> i64 {
        let mut level = self.base;
        self.changes.values().fold(self.base_max, |max, change| {
            level += change;
            max.max(level)
        })
    }

    /// Keeps single changes from `second` on only, and of each stretch that begins before it and ends
    /// after it the highest level so far.
    pub fn forget_before(&mut self, second: i64, stretches: &[Range<i64>]) {
        self.peaks.retain(|(start, end), _| stretches.contains(&(*start..*end)));
        for stretch in stretches.iter().filter(|stretch| stretch.start < second && second < stretch.end) {
            let peak = self.max_in(stretch.clone().start..stretch.end.min(second));
            let known = self.peaks.entry((stretch.start, stretch.end)).or_insert(peak);
            *known = peak.max(*known);
        }
        let kept = self.changes.split_off(&second);
        for change in std::mem::replace(&mut self.changes, kept).into_values() {
            self.base += change;
            self.base_max = self.base_max.max(self.base);
        }
    }

    /// What was forgotten comes to: the level, the highest level, and those of stretches.
    pub fn forgotten(&self) -> (i64, i64, &Peaks) {
        (self.base, self.base_max, &self.peaks)
    }

    /// Every change kept.
    pub fn changes(&self) -> &BTreeMap<i64, i64> {
        &self.changes
    }

    /// Puts back what was forgotten.
    pub fn restore_forgotten(&mut self, base: i64, base_max: i64, peaks: Peaks) {
        (self.base, self.base_max, self.peaks) = (base, base_max, peaks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_maximum_at_second_boundaries() {
        // second   0  1  2  3  4
        // change  +1 +2  0 -1 -2
        // at its start: 0 1 3 3 2, then 0
        let mut level = Level::default();
        for (second, amount) in [(4, -2), (0, 1), (1, 3), (1, -1), (3, -1), (2, 1), (2, -1)] {
            level.add(second, amount);
        }
        assert_eq!((level.now(), level.max()), (0, 3));
        assert_eq!(level.max_in(0..1), 0);
        assert_eq!(level.max_in(0..2), 1);
        assert_eq!(level.max_in(1..3), 3);
        assert_eq!(level.max_in(4..5), 2);
        assert_eq!(level.max_in(5..9), 0);
        level.forget_before(3, &[0..5, 0..9]);
        assert_eq!((level.max(), level.max_in(3..4), level.now()), (3, 3, 0));
        assert_eq!((level.max_in(0..5), level.max_in(0..9)), (3, 3));
        level.add(6, 5);
        assert_eq!((level.max_in(0..5), level.max_in(0..9)), (3, 5));
    }
}
