//! A level: how many at once, as +1 and -1 per second, and its maximum at second boundaries.
//!
//! The level at a boundary is the sum of every change up to it; a change between two boundaries is told as one
//! at the later. What happens and is over between them never shows. A late change moves all that follows, so maxima are taken when asked for; hours and
//! days remember what their changes come to, so that a question costs the same however much is kept.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// Changes of a level by second, and what the seconds before them came to.
#[derive(Clone, Debug, Default)]
pub struct Level {
    /// Changes before this second are no longer kept; none if all are.
    kept_from: Option<i64>,
    /// The sum of the changes that are no longer kept.
    base: i64,
    /// The highest level among them.
    base_max: i64,
    changes: BTreeMap<i64, i64>,
    /// What the changes of each hour since 1970 come to, and of each day.
    hours: BTreeMap<i64, Block>,
    days: BTreeMap<i64, Block>,
    /// The highest level within stretches, of what of them is forgotten: start and end, whole seconds.
    peaks: Peaks,
}

/// Highest levels by stretch.
pub type Peaks = BTreeMap<(i64, i64), i64>;

/// What some changes come to, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    sum: i64,
    /// The highest sum after any of them; none of no change.
    peak: Option<i64>,
}

/// The changes of an hour or a day; the peak is worked out when it is asked for.
#[derive(Clone, Debug, Default)]
struct Block {
    sum: i64,
    peak: Cell<Option<Option<i64>>>,
}

impl Run {
    const EMPTY: Run = Run { sum: 0, peak: None };

    fn then(self, next: Run) -> Run {
        let after = next.peak.map(|peak| self.sum + peak);
        Run { sum: self.sum + next.sum, peak: self.peak.max(after) }
    }

    fn of(amount: i64) -> Run {
        Run { sum: amount, peak: Some(amount) }
    }
}

impl Block {
    fn run(&self, work_out: impl FnOnce() -> Run) -> Run {
        let peak = self.peak.get().unwrap_or_else(|| work_out().peak);
        self.peak.set(Some(peak));
        Run { sum: self.sum, peak }
    }

    fn add(&mut self, amount: i64) {
        self.sum += amount;
        self.peak.set(None);
    }
}

impl Level {
    pub fn add(&mut self, second: i64, amount: i64) {
        let change = self.changes.entry(second).or_default();
        *change += amount;
        if *change == 0 {
            self.changes.remove(&second);
        }
        self.hours.entry(second.div_euclid(HOUR)).or_default().add(amount);
        self.days.entry(second.div_euclid(DAY)).or_default().add(amount);
    }

    /// The level after every change known.
    pub fn now(&self) -> i64 {
        self.base + self.days.values().map(|day| day.sum).sum::<i64>()
    }

    /// The highest level at the boundaries in `seconds`.
    pub fn max_in(&self, seconds: Range<i64>) -> i64 {
        let known = self.peaks.get(&(seconds.start, seconds.end)).copied();
        if let Some(known) = known.filter(|_| !self.keeps_any_of(&seconds)) {
            // What is kept begins with a level that came after it.
            return known;
        }
        let before = self.base + self.run(i64::MIN..seconds.start).sum;
        let within = self.run(seconds.clone()).peak.unwrap_or(0);
        // What was before counts until something changes.
        let max = match self.changes.contains_key(&seconds.start) {
            true => before + within,
            false => before + within.max(0),
        };
        known.map_or(max, |known| max.max(known))
    }

    /// Whether the highest level within some seconds can be told: every change in them is kept, or a peak stands for
    /// those that are not.
    pub fn knows(&self, seconds: &Range<i64>) -> bool {
        let keeps_all = self.kept_from.is_none_or(|from| from <= seconds.start);
        keeps_all || self.peaks.contains_key(&(seconds.start, seconds.end))
    }

    fn keeps_any_of(&self, seconds: &Range<i64>) -> bool {
        self.kept_from.is_none_or(|from| from < seconds.end)
    }

    /// The highest level ever.
    pub fn max(&self) -> i64 {
        let kept = self.run(i64::MIN..i64::MAX).peak;
        kept.map_or(self.base_max, |peak| self.base_max.max(self.base + peak))
    }

    /// What the changes of some seconds come to: of whole days, of whole hours before and after them, and
    /// one by one at both ends.
    fn run(&self, seconds: Range<i64>) -> Run {
        let days = whole(&seconds, DAY);
        if days.is_empty() {
            return self.run_by_hours(seconds);
        }
        let within = self
            .days
            .range(days.clone())
            .map(|(day, block)| block.run(|| self.run_by_hours(day * DAY..(day + 1) * DAY)));
        let within = within.fold(Run::EMPTY, Run::then);
        let before = self.run_by_hours(seconds.start..days.start.saturating_mul(DAY));
        let after = self.run_by_hours(days.end.saturating_mul(DAY)..seconds.end);
        before.then(within).then(after)
    }

    fn run_by_hours(&self, seconds: Range<i64>) -> Run {
        let hours = whole(&seconds, HOUR);
        if hours.is_empty() {
            return self.run_by_seconds(seconds);
        }
        let within = self
            .hours
            .range(hours.clone())
            .map(|(hour, block)| block.run(|| self.run_by_seconds(hour * HOUR..(hour + 1) * HOUR)));
        let within = within.fold(Run::EMPTY, Run::then);
        let before = self.run_by_seconds(seconds.start..hours.start.saturating_mul(HOUR));
        let after = self.run_by_seconds(hours.end.saturating_mul(HOUR)..seconds.end);
        before.then(within).then(after)
    }

    fn run_by_seconds(&self, seconds: Range<i64>) -> Run {
        if seconds.is_empty() {
            return Run::EMPTY;
        }
        self.changes.range(seconds).map(|(_, amount)| Run::of(*amount)).fold(Run::EMPTY, Run::then)
    }

    /// Keeps single changes from `second` on only, and of each stretch that begins before it the highest
    /// level so far.
    pub fn forget_before(&mut self, second: i64, stretches: &[Range<i64>]) {
        self.peaks.retain(|(start, end), _| stretches.contains(&(*start..*end)));
        for stretch in stretches.iter().filter(|stretch| stretch.start < second) {
            if self.keeps_any_of(stretch) {
                let peak = self.max_in(stretch.start..stretch.end.min(second));
                let known = self.peaks.entry((stretch.start, stretch.end)).or_insert(peak);
                *known = peak.max(*known);
            }
        }
        self.kept_from = self.kept_from.max(Some(second));
        let forgotten = self.run(i64::MIN..second);
        if let Some(peak) = forgotten.peak {
            self.base_max = self.base_max.max(self.base + peak);
        }
        self.base += forgotten.sum;
        self.drop_before(second);
    }

    /// Drops single changes before `second`, which count no longer or elsewhere.
    pub fn drop_before(&mut self, second: i64) {
        while let Some(change) = self.changes.first_entry().filter(|change| *change.key() < second) {
            let (second, amount) = change.remove_entry();
            take(&mut self.hours, second.div_euclid(HOUR), amount);
            take(&mut self.days, second.div_euclid(DAY), amount);
        }
        self.hours = self.hours.split_off(&second.div_euclid(HOUR));
        self.days = self.days.split_off(&second.div_euclid(DAY));
    }

    /// What was forgotten comes to: the level, the highest level, and those of stretches.
    pub fn forgotten(&self) -> (i64, i64, &Peaks) {
        (self.base, self.base_max, &self.peaks)
    }

    /// Every change kept.
    pub fn changes(&self) -> &BTreeMap<i64, i64> {
        &self.changes
    }

    /// Puts back what was forgotten, of everything before a second.
    pub fn restore_forgotten(&mut self, before: Option<i64>, base: i64, base_max: i64, peaks: Peaks) {
        (self.kept_from, self.base, self.base_max, self.peaks) = (before, base, base_max, peaks);
    }
}

/// What hours and days come to follows from the changes.
impl PartialEq for Level {
    fn eq(&self, other: &Level) -> bool {
        let Level { kept_from, base, base_max, changes, peaks, hours: _, days: _ } = self;
        (kept_from, base, base_max) == (&other.kept_from, &other.base, &other.base_max)
            && (changes, peaks) == (&other.changes, &other.peaks)
    }
}

impl Eq for Level {}

/// Takes a change out of what its hour or day comes to.
fn take(blocks: &mut BTreeMap<i64, Block>, place: i64, amount: i64) {
    if let Some(block) = blocks.get_mut(&place) {
        block.add(-amount);
    }
}

/// The whole pieces of a length within a stretch of seconds, counted since 1970.
fn whole(seconds: &Range<i64>, length: i64) -> Range<i64> {
    let start = seconds.start.div_euclid(length) + i64::from(seconds.start.rem_euclid(length) != 0);
    start..seconds.end.div_euclid(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_known_of_a_stretch_after_forgetting_is_what_it_was() {
        let mut level = Level::default();
        [(10, 2), (30, -1), (50, 3), (90, -4)].into_iter().for_each(|(second, amount)| level.add(second, amount));
        let stretches = [0..40, 40..80, 80..120];
        let before = stretches.clone().map(|stretch| level.max_in(stretch));
        level.forget_before(60, &stretches[1..]);
        assert_eq!(stretches.clone().map(|stretch| level.knows(&stretch)), [false, true, true]);
        assert_eq!([level.max_in(40..80), level.max_in(80..120)], [before[1], before[2]]);
    }

    #[test]
    fn takes_the_maximum_at_second_boundaries() {
        // second   0  1  2  3  4
        // change  +1 +2  0 -1 -2
        // level    1  3  3  2  0
        let mut level = Level::default();
        for (second, amount) in [(4, -2), (0, 1), (1, 3), (1, -1), (3, -1), (2, 1), (2, -1)] {
            level.add(second, amount);
        }
        assert_eq!((level.now(), level.max()), (0, 3));
        assert_eq!(level.max_in(0..1), 1);
        assert_eq!(level.max_in(0..2), 3);
        assert_eq!(level.max_in(3..5), 2);
        assert_eq!(level.max_in(4..5), 0);
        assert_eq!(level.max_in(5..9), 0);
        level.forget_before(3, &[0..5, 0..9]);
        assert_eq!((level.max(), level.max_in(3..4), level.now()), (3, 2, 0));
        assert_eq!((level.max_in(0..5), level.max_in(0..9)), (3, 3));
        level.add(6, 5);
        assert_eq!((level.max_in(0..5), level.max_in(0..9)), (3, 5));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_maximum_is_the_highest_level_of_a_walk_over_every_change(
            changes in proptest::collection::vec((-200_000..400_000_i64, -3..4_i64), 0..60),
            start in -200_000..400_000_i64,
            length in 1..300_000_i64,
            forgotten in proptest::collection::vec(-200_000..400_000_i64, 1..4),
        ) {
            let mut level = Level::default();
            for (second, amount) in &changes {
                level.add(*second, *amount);
                // What was worked out before a change does not outlive it.
                level.max_in(start..start + length);
            }
            let at = |boundary: i64| changes.iter().filter(|(second, _)| *second <= boundary).map(|(_, amount)| amount).sum::<i64>();
            let walk = |from: i64, to: i64| {
                let shown = changes.iter().map(|(second, _)| *second).filter(|boundary| from < *boundary && *boundary < to);
                shown.chain([from]).map(at).max().expect("the first boundary")
            };
            prop_assert_eq!(level.max_in(start..start + length), walk(start, start + length));
            prop_assert_eq!(level.max(), walk(i64::MIN + 1, i64::MAX).max(0));
            prop_assert_eq!(level.now(), at(i64::MAX));
            let max = level.max();
            let stretch = std::slice::from_ref(&(start..start + length)).to_vec();
            for forgotten in forgotten {
                level.forget_before(forgotten, &stretch);
                prop_assert_eq!((level.max(), level.now()), (max, at(i64::MAX)));
                prop_assert_eq!(level.max_in(start..start + length), walk(start, start + length));
            }
        }
    }
}
