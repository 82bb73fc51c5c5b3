//! What a number of an alert was made of, where it stands in no KPI record: as the alert record has it, and in words.

use super::burn::{Burning, Missed};
use super::condition::{Level, Measure};
use super::forecast::Foreseen;
use super::reading::Basis;
use super::record::{AlertLevel, shown, shown_number};
use super::unusual::Compared;
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
    /// Of a forecast.
    Forecast {
        /// Seconds it looks ahead.
        within_s: i64,
        arrivals_per_hour: f64,
        /// Seconds a call takes on average.
        handle_time_s: f64,
        /// Who take calls: handling, ringing or available.
        agents: u32,
        /// Seconds that callers wait on average before they give up; null if nobody did.
        patience_s: Option<f64>,
        /// Of the calls to come, 0 to 1: the service level, and who finds no agent free.
        service_level: f64,
        waits: f64,
        /// The interval, and its calls so far that met the service level, of those that count for it.
        window: String,
        met: i64,
        counted: i64,
        /// In how many minutes the interval's service level is below `trigger`: 0 if it is so already; null if it is not so
        /// before the interval ends.
        minutes_until: Option<f64>,
    },
    /// Of what may be unusual.
    Unusual {
        /// When the interval began, and the KPI in it.
        start: String,
        kpi_value: f64,
        /// The same in the weeks before, the last one first; null where there was none.
        weeks: Vec<Option<f64>>,
        median: f64,
        /// What the distance from the median is divided by.
        spread: f64,
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
            (Measure::Forecast(forecast), Basis::Forecast(foreseen)) => {
                let Foreseen { arrivals_per_hour, handle_time_s, agents, patience_s, .. } = foreseen;
                let Foreseen { service_level, waits, met, counted, below_in, .. } = foreseen;
                Some(Assumptions::Forecast {
                    within_s: forecast.within.0 / 1000,
                    arrivals_per_hour,
                    handle_time_s,
                    agents,
                    patience_s,
                    service_level,
                    waits,
                    window: forecast.interval.clone(),
                    met,
                    counted,
                    minutes_until: below_in.map(|length| length.0 as f64 / 60_000.0),
                })
            }
            (Measure::Unusual(unusual), Basis::Unusual(Compared { start, kpi, weeks, median, spread })) => {
                let weeks = weeks[..unusual.weeks].to_vec();
                Some(Assumptions::Unusual { start: start.to_string(), kpi_value: kpi, weeks, median, spread })
            }
            _ => None,
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
        Some(Assumptions::Forecast {
            within_s,
            arrivals_per_hour,
            handle_time_s,
            agents,
            patience_s,
            service_level,
            waits,
            window,
            met,
            counted,
            minutes_until,
        }) => {
            let share = |share: f64| shown("service_level", share);
            let ahead = shown_number(*within_s as f64 / 60.0);
            let patience =
                patience_s.map_or("without end".to_owned(), |seconds| format!("{} s", shown_number(seconds)));
            let until = match minutes_until {
                Some(minutes) => format!("below {} in {} min", share(level.trigger), shown_number(*minutes)),
                None => format!("not below {} in {window}", share(level.trigger)),
            };
            format!(
                "{met} of {counted} in {window} so far, and {ahead} min more of {} calls an hour, {} s each, for {agents} agents, \
                 with a patience of {patience}: {} of them in time, {} wait; {until}",
                shown_number(*arrivals_per_hour),
                shown_number(*handle_time_s),
                share(*service_level),
                share(*waits)
            )
        }
        Some(Assumptions::Unusual { start, kpi_value, weeks, median, spread }) => {
            let value = |value: f64| shown(&level.kpi, value);
            let weeks = weeks.iter().map(|week| week.map_or("-".to_owned(), value)).collect::<Vec<_>>().join(", ");
            format!(
                "{} in {} from {start}; {weeks} in the weeks before, usually {}, give or take {}",
                value(*kpi_value),
                level.window,
                value(*median),
                value(*spread)
            )
        }
    }
}
