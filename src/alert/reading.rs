//! Readings: one KPI, count or present number out of a KPI record, or what is made of several.

use super::burn::Burning;
use super::forecast::Foreseen;
use super::unusual::Compared;
use crate::fact::Standing;
use crate::kpi::catalogue::COUNTS;
use crate::kpi::record::{Count, KpiRecord};
use crate::time::{EventTime, Span};

/// What records say of one number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// A ratio 0 to 1, seconds, or a number of calls or agents; of what is made of them, what its measure says. None if
    /// there is nothing to divide by.
    pub value: Option<f64>,
    /// Calls or milliseconds; none of what is no fraction.
    pub numerator: Option<i64>,
    pub denominator: Option<i64>,
    /// What it was made of; none of a number of a record.
    pub basis: Option<Basis>,
    /// Nothing goes on at the entity: such a number ends an alert, and begins none.
    pub is_idle: bool,
}

/// What a number was made of that stands in no record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Basis {
    Burn(Burning),
    Forecast(Foreseen),
    Unusual(Compared),
}

/// Numbers of this instant, which only records of `now` have, beside `agents_STATE`.
pub const PRESENT: [&str; 7] =
    ["waiting", "over_threshold_waiting", "ringing", "talking", "on_hold", "in_wrapup", "agents_logged_in"];

impl Reading {
    /// The number of this name: a KPI or count by its id in the catalogue, one of [`PRESENT`], or `agents_available`
    /// and so on. None if the record has no such number.
    pub fn of(record: &KpiRecord, name: &str) -> Option<Reading> {
        if let Some(kpi) = record.kpis.get(name) {
            let waits_for_nobody = name == "longest_wait" && record.now.as_ref().is_some_and(|now| now.waiting == 0);
            return Some(Reading {
                value: if waits_for_nobody { Some(0.0) } else { kpi.value },
                numerator: kpi.numerator.or(kpi.numerator_ms),
                denominator: kpi.denominator,
                ..Reading::default()
            });
        }
        let number = present(record, name).or_else(|| count(record, name))?;
        Some(Reading { value: Some(number as f64), ..Reading::default() })
    }

    /// How many calls or connections the number stands for: the denominator, else what was offered.
    pub fn volume(&self, record: &KpiRecord) -> Option<i64> {
        self.denominator.or_else(|| count(record, "calls_offered"))
    }
}

fn present(record: &KpiRecord, name: &str) -> Option<i64> {
    let now = record.now.as_ref()?;
    match name {
        "waiting" => Some(now.waiting),
        "over_threshold_waiting" => Some(now.over_threshold_waiting),
        "ringing" => Some(now.ringing),
        "talking" => Some(now.talking),
        "on_hold" => Some(now.on_hold),
        "in_wrapup" => Some(now.in_wrapup),
        "agents_logged_in" => now.agents_logged_in,
        _ => now.agents.as_ref()?.get(standing(name)?).copied(),
    }
}

/// A count by its id in the catalogue; none if the record has no such count, or has it by kind or reason.
pub(super) fn count(record: &KpiRecord, name: &str) -> Option<i64> {
    match record.counts.get(counted(name)?)? {
        Count::Number(number) => Some(*number),
        Count::By(_) => None,
    }
}

/// How long the window of a record is; none of what does not say, or of no time at all.
pub(super) fn length(record: &KpiRecord) -> Option<Span> {
    let start = EventTime::parse(record.window.start.as_deref()?)?;
    Some(EventTime::parse(&record.window.end)?.since(start)).filter(|length| 0 < length.0)
}

/// The name in records of a count's id.
fn counted(id: &str) -> Option<&'static str> {
    COUNTS.iter().find(|count| count.wanted.is_some_and(|(of, _)| of == id)).map(|count| count.name)
}

/// The state in `agents_STATE`; none of any other name.
pub fn standing(name: &str) -> Option<&str> {
    let word = name.strip_prefix("agents_")?;
    Standing::ALL.iter().any(|standing| standing.word() == word).then_some(word)
}
