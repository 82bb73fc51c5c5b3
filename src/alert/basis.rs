//! What a number of an alert was made of, where it stands in no KPI record: as the alert record has it, and in words.

use super::burn::{Burning, Missed};
use super::condition::{Level, Measure};
use super::reading::Basis;
use super::record::{AlertLevel, shown, shown_number};
use serde::{Deserialize, Serialize};

/// What was assumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Assumptions {
    /// Of a burn rate.
    Burn {
        /// The wanted service level, 0 to 1.
        target: f64,
        /// The long window and the short one.
        windows: [AlertRate; 2],
    },
}

/// How fast misses were used up over one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRate {
    pub window: String,
    /// Calls that did not meet the service level, of those that count for it.
    pub missed: i64,
    pub counted: i64,
    /// How many times as fast as the target allows.
    pub rate: f64,
}

/// The misses that a target allows in the interval that is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertBudget {
    /// The interval's name.
    pub window: String,
    /// The wanted service level, 0 to 1.
    pub target: f64,
    /// Calls of the interval that count for the service level so far.
    pub counted: i64,
    /// Those of them that may be missed; no whole number.
    pub allowed: f64,
    pub missed: i64,
    /// missed / allowed; null while no call counted.
    pub used: Option<f64>,
    /// When `used` is 1 at the pace of the long window, RFC 3339 UTC: `as_of` if it is so already, absent if it is not so
    /// before the interval ends.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub spent_at: Option<String>,
}

impl Assumptions {
    /// Those of a level's reading.
    pub fn of(level: &Level, basis: Basis) -> Option<Assumptions> {
        match (&level.measure, basis) {
            (Measure::Burn(burn), Basis::Burn(burning)) => {
                let Burning { target, long, short, .. } = burning;
                let [of_long, of_short] = burning.rates();
                let rate = |window: &str, Missed { missed, counted }, rate| AlertRate {
                    window: window.to_owned(),
                    missed,
                    counted,
                    rate,
                };
                let windows = [rate(&level.window, long, of_long), rate(&burn.short, short, of_short)];
                Some(Assumptions::Burn { target, windows })
            }
            (Measure::Value, _) => None,
        }
    }
}

impl AlertBudget {
    /// That of a level's reading; none of what has none.
    pub fn of(level: &Level, basis: Basis) -> Option<AlertBudget> {
        let (Measure::Burn(burn), Basis::Burn(Burning { target, budget, .. })) = (&level.measure, basis) else {
            return None;
        };
        let budget = budget?;
        Some(AlertBudget {
            window: burn.interval.clone(),
            target,
            counted: budget.so_far.counted,
            allowed: budget.allowed,
            missed: budget.so_far.missed,
            used: budget.used(),
            spent_at: budget.spent_at.map(|at| at.to_string()),
        })
    }
}

/// What a number was made of, in words.
pub fn in_words(level: &AlertLevel) -> String {
    match &level.assumptions {
        None => match (level.numerator, level.denominator) {
            (Some(numerator), Some(denominator)) => format!("{numerator} of {denominator}"),
            _ => "-".to_owned(),
        },
        Some(Assumptions::Burn { target, windows: [long, short] }) => {
            let missed = |of: &AlertRate| format!("{} of {} over {}", of.missed, of.counted, of.window);
            let wanted = shown("service_level", *target);
            let mut words = format!("missed {} and {}, where {wanted} is wanted", missed(long), missed(short));
            if let Some(budget) = &level.budget {
                let used = budget.used.map_or(String::new(), |used| format!(" ({})", shown("service_level", used)));
                let AlertBudget { window, missed, allowed, .. } = budget;
                words += &format!("; {missed} of {} misses allowed in {window} so far{used}", shown_number(*allowed));
                words += &budget.spent_at.as_ref().map_or(String::new(), |at| format!(", none left at {at}"));
            }
            words
        }
    }
}
