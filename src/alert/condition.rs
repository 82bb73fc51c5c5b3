//! Conditions: levels with a gap between on and off, and what they come to together.
//!
//! ```text
//! value    ______/‾‾‾\_/‾\____      trigger - - - - on above it
//!                                   clear   - - - - off at it or below; between the two it stays as it was
//! ```
//!
//! A number that is not there is neither on nor off: `all` of it and something off is off, `any` of it and something
//! on is on, else nothing is known (Kleene's logic). Nor is a number known while nothing goes on of what it is made of, where by
//! it the condition would hold: an idle queue fires nothing.

use super::burn::Burn;
use super::forecast::Forecast;
use super::idle::is_idle;
use super::reading::{Reading, count};
use super::unusual::{Before, Unusual};
use crate::kpi::record::KpiRecord;
use crate::time::Span;

/// One number and its levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// As [`Reading::of`] understands it.
    pub kpi: String,
    /// The window's name, as in records.
    pub window: String,
    /// What is made of it.
    pub measure: Measure,
    /// On beyond it; as the number: a ratio 0 to 1, seconds, or how many, or as the measure says.
    pub trigger: f64,
    /// Off at it or better. Never beyond `trigger`.
    pub clear: f64,
    /// Whether beyond is above `trigger`, else below.
    pub is_above: bool,
    /// Nothing is known of fewer calls than this.
    pub min_volume: i64,
    /// Nothing is known while agents were logged in for less time than this in the window, all of them together.
    pub min_login: Span,
}

/// What a level looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// The KPI itself.
    Value,
    /// How many times as fast as its target allows calls miss a service level, in its window and a short one.
    Burn(Burn),
    /// What a service level of the open interval comes to, as calls come in its window.
    Forecast(Forecast),
    /// How far the KPI is off its usual value, in spreads, in the interval of its window that ended last.
    Unusual(Unusual),
}

/// When a rule fires.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Level(Level),
    /// At least one each.
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

/// Which levels are on, in the order of [`Condition::levels`].
pub type On = Vec<bool>;

impl Measure {
    /// The name in records; none of the KPI itself.
    pub fn word(&self) -> Option<&'static str> {
        match self {
            Measure::Value => None,
            Measure::Burn(_) => Some("burn_rate"),
            Measure::Forecast(_) => Some("forecast"),
            Measure::Unusual(_) => Some("deviation"),
        }
    }

    /// The name of every measure that has one.
    pub const WORDS: [&'static str; 3] = ["burn_rate", "forecast", "deviation"];
}

impl Level {
    /// The names of all windows whose records it may read, its own first; none of what looks at what was before.
    pub fn windows(&self) -> Vec<&str> {
        let mut windows = self.counted();
        // There it is seen whether anything goes on.
        if !windows.is_empty() {
            windows.push("now");
        }
        windows
    }

    /// The windows that its number is made of, its own first; none of what looks at what was before.
    pub fn counted(&self) -> Vec<&str> {
        match &self.measure {
            Measure::Value => vec![&self.window],
            Measure::Burn(Burn { short, interval, .. }) => vec![&self.window, short, interval],
            Measure::Forecast(Forecast { interval, .. }) => vec![&self.window, interval],
            Measure::Unusual(_) => Vec::new(),
        }
    }

    /// What the records of its windows say, each asked for by name, or what was before; nothing is known without one,
    /// without a value, or of too few calls or too little time.
    pub fn read<'r>(&self, record_of: impl Fn(&str) -> Option<&'r KpiRecord>, before: Before<'_>) -> Option<Reading> {
        if let Measure::Unusual(unusual) = &self.measure {
            return unusual.read(before, self.min_volume);
        }
        let record = record_of(&self.window)?;
        let own = Reading::of(record, &self.kpi)?;
        let volume = match self.measure {
            Measure::Forecast(_) => count(record, "calls_offered"),
            _ => own.volume(record),
        };
        if self.min_volume != 0 && volume.is_none_or(|volume| volume < self.min_volume) {
            return None;
        }
        if self.min_login != Span(0) && record.sums_ms.get("login").is_none_or(|login| *login < self.min_login.0) {
            return None;
        }
        let reading = match &self.measure {
            Measure::Burn(burn) => burn.read((&self.kpi, &self.window, self.clear), &record_of)?,
            Measure::Forecast(forecast) => forecast.read((&self.kpi, &self.window, self.trigger), &record_of)?,
            _ => own,
        };
        reading.value?;
        Some(Reading { is_idle: is_idle(self, record, own, || record_of("now")), ..reading })
    }

    /// Whether it is on at a value, having been so or not.
    fn is_on(&self, value: f64, was: bool) -> bool {
        let (is_beyond, is_clear) = self.sides(value);
        is_beyond || was && !is_clear
    }

    /// Whether a value lies beyond `trigger`, and whether at `clear` or better.
    pub fn sides(&self, value: f64) -> (bool, bool) {
        match self.is_above {
            true => (self.trigger < value, value <= self.clear),
            false => (value < self.trigger, self.clear <= value),
        }
    }
}

impl Condition {
    /// Every level in it, in the order they are written.
    pub fn levels(&self) -> Vec<&Level> {
        self.sided(true).into_iter().map(|(level, _)| level).collect()
    }

    /// Every level in it, and whether being on speaks for the condition: `not` turns that round.
    fn sided(&self, is_for: bool) -> Vec<(&Level, bool)> {
        match self {
            Condition::Level(level) => vec![(level, is_for)],
            Condition::All(of) | Condition::Any(of) => of.iter().flat_map(|of| of.sided(is_for)).collect(),
            Condition::Not(of) => of.sided(!is_for),
        }
    }

    /// Whether it holds, by a reading of each level; `on` is brought up to date. None if nothing can be said.
    pub fn holds(&self, readings: &[Option<Reading>], on: &mut On) -> Option<bool> {
        on.resize(readings.len(), false);
        let sided = self.sided(true).into_iter().zip(readings).zip(on.iter_mut());
        let known = sided.map(|(((level, is_for), reading), on)| {
            let reading = (*reading)?;
            let is_on = reading.value.map_or(*on, |value| level.is_on(value, *on));
            // Where nothing goes on nothing speaks for the condition.
            if reading.is_idle && is_on == is_for {
                return None;
            }
            *on = is_on;
            Some(is_on)
        });
        let known: Vec<Option<bool>> = known.collect();
        self.of(&mut known.iter())
    }

    fn of<'k>(&self, known: &mut impl Iterator<Item = &'k Option<bool>>) -> Option<bool> {
        match self {
            Condition::Level(_) => *known.next().expect("a reading for each level"),
            Condition::Not(of) => of.of(known).map(|holds| !holds),
            Condition::All(of) => together(of, known, false),
            Condition::Any(of) => together(of, known, true),
        }
    }
}

/// `decides` if any of them is so, the other if all are the other, else nothing.
fn together<'k>(of: &[Condition], known: &mut impl Iterator<Item = &'k Option<bool>>, decides: bool) -> Option<bool> {
    // Every one takes its readings, whatever the ones before it said.
    let each: Vec<Option<bool>> = of.iter().map(|condition| condition.of(known)).collect();
    match each.contains(&Some(decides)) {
        true => Some(decides),
        false => each.iter().all(Option::is_some).then_some(!decides),
    }
}
