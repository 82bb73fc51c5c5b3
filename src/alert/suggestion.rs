//! Suggestions: levels for a wanted number of pages, found by trying them on the past.
//!
//! ```text
//! worst ┬ trigger: the first from the worst on that still pages no more often than wanted
//!       ├ clear:   the nearest to it at which nothing flaps, else at which the least does
//!  half ┴ of the readings are better: no level lies there, it would be beyond on ordinary days
//! ```
//!
//! Each pair of levels goes through the readings as they were, hours, `for` and `keep_firing_for` included.

use super::condition::{Condition, Level};
use super::reading::Reading;
use super::rule::Rule;
use super::trial::{InForce, Sum, Trial};
use crate::time::EventTime;

/// One number of one entity, where it changed. None while there was none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series(Vec<(EventTime, Option<Sample>)>);

/// A reading's value, and whether nothing went on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    value: f64,
    is_idle: bool,
}

/// What one entity's number was.
#[derive(Clone, Copy, Debug)]
pub struct Past<'p> {
    pub when: InForce<'p>,
    pub series: &'p Series,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// Over all entities and all of the time.
    pub fired_max: f64,
    /// Where the readings end.
    pub until: EventTime,
}

/// Levels, and what they would have given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suggestion {
    pub trigger: f64,
    pub clear: f64,
    pub sum: Sum,
    /// With `clear` at the trigger.
    pub without_gap: Sum,
}

/// Why no levels are suggested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// The rule has several levels, which go together.
    Several,
    /// The past is shorter than a week, or than it takes for one page.
    TooShort,
    /// The number changed this seldom, fewer than [`CHANGES_MIN`] times, where anything went on.
    TooFew(usize),
    /// Whatever fires at all pages more often.
    TooOften,
}

/// From fewer changes of a number nothing is suggested.
pub const CHANGES_MIN: usize = 100;

/// Levels from a past of so many weeks, if it tells enough.
pub fn advise(rule: &Rule, past: &[Past<'_>], weeks: f64, wish: Wish) -> Result<Suggestion, WhyNot> {
    if !matches!(rule.when, Condition::Level(_)) {
        return Err(WhyNot::Several);
    }
    if weeks < 1.0 || wish.fired_max < 1.0 {
        return Err(WhyNot::TooShort);
    }
    let changes = past.iter().map(|past| past.series.busy().count()).sum();
    if changes < CHANGES_MIN {
        return Err(WhyNot::TooFew(changes));
    }
    suggest(rule, past, wish).filter(|suggestion| suggestion.sum.fired != 0).ok_or(WhyNot::TooOften)
}

impl Series {
    /// What it is from an instant on; instants never go back.
    pub fn push(&mut self, at: EventTime, reading: Option<Reading>) {
        let sample = reading.and_then(|Reading { value, is_idle, .. }| Some(Sample { value: value?, is_idle }));
        if self.0.last().is_none_or(|(_, last)| *last != sample) {
            self.0.push((at, sample));
        }
    }

    /// The values while anything went on.
    fn busy(&self) -> impl Iterator<Item = f64> {
        self.0.iter().filter_map(|(_, sample)| sample.filter(|sample| !sample.is_idle)).map(|sample| sample.value)
    }
}

/// Levels for a rule of one level; none of any other, or where no level pages so seldom.
pub fn suggest(rule: &Rule, past: &[Past<'_>], wish: Wish) -> Option<Suggestion> {
    let Condition::Level(level) = &rule.when else { return None };
    let search = Search { rule, level, past, wish, levels: levels(level, past) };
    let is_fine = |suggestion: &Suggestion| suggestion.sum.fired as f64 <= wish.fired_max;
    if search.levels.is_empty() {
        return None;
    }
    let mut best = Some(search.with_clear(0)).filter(is_fine)?;
    // Outwards in growing steps, then back between the last that is fine and the first that is not.
    let (mut fine, mut over) = (0, search.levels.len());
    while fine + 1 < over {
        let is_found = over < search.levels.len();
        let place = if is_found { (fine + over) / 2 } else { (fine + 1).max(fine + fine / 2).min(over - 1) };
        match Some(search.with_clear(place)).filter(is_fine) {
            Some(found) => (fine, best) = (place, found),
            None => over = place,
        }
    }
    Some(best)
}

struct Search<'s> {
    rule: &'s Rule,
    level: &'s Level,
    past: &'s [Past<'s>],
    wish: Wish,
    /// Worst first.
    levels: Vec<f64>,
}

impl Search<'_> {
    /// The trigger of a place, with the clear level that goes with it.
    fn with_clear(&self, place: usize) -> Suggestion {
        let trigger = self.levels[place];
        let without_gap = self.sum(trigger, trigger);
        let tried = |clear: usize| (clear, self.sum(trigger, self.levels[clear]));
        let (mut flaps, mut least) = (place, (place, without_gap));
        let mut step = 1;
        while least.1.flaps != 0 && place + step < self.levels.len() {
            let next = tried(place + step);
            if next.1.flaps < least.1.flaps {
                (flaps, least) = (place + step / 2, next);
            }
            step *= 2;
        }
        while flaps + 1 < least.0 {
            let between = tried((flaps + least.0) / 2);
            match between.1.flaps <= least.1.flaps {
                true => least = between,
                false => flaps = between.0,
            }
        }
        Suggestion { trigger, clear: self.levels[least.0], sum: least.1, without_gap }
    }

    /// What a pair of levels would have given.
    fn sum(&self, trigger: f64, clear: f64) -> Sum {
        let level = Level { trigger, clear, ..self.level.clone() };
        let rule = Rule { when: Condition::Level(level.clone()), ..self.rule.clone() };
        let of = |past: &Past<'_>| {
            let mut trial = Trial::new(&rule, past.when);
            let mut side = None;
            for (at, sample) in &past.series.0 {
                // What stays on its side of both levels changes nothing.
                let now = Some(sample.map(|Sample { value, is_idle }| (level.sides(value), is_idle)));
                if now != side {
                    side = now;
                    let reading =
                        |Sample { value, is_idle }| Reading { value: Some(value), is_idle, ..Reading::default() };
                    trial.see(*at, &[sample.map(reading)]);
                }
            }
            Sum::of(&trial.end(self.wish.until), self.wish.until)
        };
        self.past.iter().map(of).fold(Sum::default(), Sum::and)
    }
}

/// Three digits of every value that is no better than half of them, worst first; of what fires nothing, none.
fn levels(level: &Level, past: &[Past<'_>]) -> Vec<f64> {
    let mut values: Vec<f64> = past.iter().flat_map(|past| past.series.busy()).collect();
    values.sort_unstable_by(f64::total_cmp);
    if level.is_above {
        values.reverse();
    }
    values.truncate(values.len().div_ceil(2));
    let mut levels: Vec<f64> = values.into_iter().map(|value| rounded(value, level.is_above)).collect();
    levels.dedup();
    levels
}

/// To three digits that count, what is larger to the whole; to the side on which it fires, so that beyond the worst level
/// nothing lies.
fn rounded(value: f64, up: bool) -> f64 {
    let to_whole = |value: f64| match (value - value.round()).abs() < 1e-9 {
        // 0.07 x 1000 is a little more than 70.
        true => value.round(),
        false if up => value.ceil(),
        false => value.floor(),
    };
    if value == 0.0 || 100.0 <= value.abs() {
        return to_whole(value);
    }
    let digits = 10_f64.powi(2 - value.abs().log10().floor() as i32);
    to_whole(value * digits) / digits
}
