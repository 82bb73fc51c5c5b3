//! Burn rate: how fast the misses that a target allows are used up.
//!
//! ```text
//! target 80 %: one call in five may be missed         burn rate = share missed / share that may be
//! budget of a day: a fifth of the calls counted in it   used = missed / allowed
//! long window   ──────────────────┐  both above `trigger`: it is so, and it still is
//! short window            ────────┘
//! ```
//!
//! As the error budgets of site reliability, with the service level in the place of availability.

use super::reading::{Basis, Reading, length};
use crate::kpi::record::KpiRecord;
use crate::time::{EventTime, Span};

/// What a burn rate is taken of, beside the service level and the long window.
#[derive(Clone, Debug, PartialEq)]
pub struct Burn {
    /// The name of the short window.
    pub short: String,
    /// 0 to 1; that of the record if none is said.
    pub target: Option<f64>,
    /// The name of the intervals that a budget is of.
    pub interval: String,
}

/// Calls that count for a service level, and those of them that did not meet it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    pub missed: i64,
    pub counted: i64,
}

/// What a burn rate was worked out from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burning {
    /// 0 to 1, never 1.
    pub target: f64,
    pub long: Missed,
    pub short: Missed,
    /// None at a rate that clears, or where the interval has no such number.
    pub budget: Option<Budget>,
}

/// The open interval's budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    pub so_far: Missed,
    /// Misses that the target allows of the calls counted so far; no whole number.
    pub allowed: f64,
    /// When no more is left at the pace of the long window: the record's own instant if that is so already, none if it is
    /// not so before the interval ends.
    pub spent_at: Option<EventTime>,
}

impl Burn {
    /// The lesser of both windows' rates: beyond a level if both are. None if either counted no call, or nobody wants
    /// anything, or all. The budget is told of a rate above `clear` only: else nobody asks for it.
    pub fn read<'r>(
        &self,
        (kpi, long, clear): (&str, &str, f64),
        record: impl Fn(&str) -> Option<&'r KpiRecord>,
    ) -> Option<Reading> {
        let [of_long, of_short] = [record(long)?, record(&self.short)?];
        let target = self.target.or_else(|| target(of_long, kpi))?;
        let share = share_allowed(target);
        let [long, short] = [Missed::of(of_long, kpi)?, Missed::of(of_short, kpi)?];
        let rate = long.rate(share)?.min(short.rate(share)?);
        let pace = length(of_long).map(|length| (long, length));
        let interval = if clear < rate { record(&self.interval) } else { None };
        let budget = interval.and_then(|interval| Budget::of(interval, kpi, share, pace?));
        Some(Reading {
            value: Some(rate),
            numerator: Some(long.missed),
            denominator: Some(long.counted),
            basis: Some(Basis::Burn(Burning { target, long, short, budget })),
            ..Reading::default()
        })
    }
}

/// The share of calls that a target allows to be missed, to a billionth: 1 - 0.8 is not quite 0.2.
pub fn share_allowed(target: f64) -> f64 {
    ((1.0 - target) * 1e9).round() / 1e9
}

impl Burning {
    /// The rates over the long and the short window.
    pub fn rates(&self) -> [f64; 2] {
        [self.long, self.short].map(|missed| missed.rate(share_allowed(self.target)).unwrap_or_default())
    }
}

impl Missed {
    /// Of a service level in a record; none if it has no such number.
    fn of(record: &KpiRecord, kpi: &str) -> Option<Missed> {
        let kpi = record.kpis.get(kpi)?;
        let (met, counted) = (kpi.numerator?, kpi.denominator?);
        Some(Missed { missed: counted - met, counted })
    }

    /// How many times as fast as the target allows; none of no calls, or where no call may be missed.
    fn rate(self, share: f64) -> Option<f64> {
        let allowed = share * self.counted as f64;
        (0.0 < allowed).then(|| self.missed as f64 / allowed)
    }
}

impl Budget {
    fn of(interval: &KpiRecord, kpi: &str, share: f64, (pace, over): (Missed, Span)) -> Option<Budget> {
        let so_far = Missed::of(interval, kpi)?;
        let as_of = EventTime::parse(&interval.as_of)?;
        let end = EventTime::parse(&interval.window.end)?;
        let allowed = share * so_far.counted as f64;
        let left = allowed - so_far.missed as f64;
        // What is missed beyond what may be, for each millisecond of the long window.
        let drain = (pace.missed as f64 - share * pace.counted as f64) / over.0 as f64;
        let spent_at = match (left <= 0.0, 0.0 < drain) {
            _ if so_far.counted == 0 => None,
            (true, _) => Some(as_of),
            (false, true) => Some(EventTime(as_of.0 + (left / drain).min(1e15) as i64)),
            (false, false) => None,
        };
        Some(Budget { so_far, allowed, spent_at: spent_at.filter(|at| *at < end) })
    }

    /// The share of the misses allowed so far that is used; none while no call was counted.
    pub fn used(&self) -> Option<f64> {
        (0.0 < self.allowed).then(|| self.so_far.missed as f64 / self.allowed)
    }
}

/// What a record says is wanted of a service level; of those beside it what is wanted of the first.
fn target(record: &KpiRecord, kpi: &str) -> Option<f64> {
    let of = |kpi: &str| record.kpis.get(kpi)?.target;
    of(kpi).or_else(|| of("service_level"))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, NOON};
    use super::*;
    use serde_json::json;

    /// A record of a service level at noon: calls in time of calls counted, with a target of 80 %.
    fn record(window: (&str, &str, &str), (met, counted): (i64, i64)) -> KpiRecord {
        let value = (counted != 0).then(|| met as f64 / counted as f64);
        let level = json!({"value": value, "numerator": met, "denominator": counted, "target": 0.8});
        let also = json!({"value": value, "numerator": met, "denominator": counted});
        sample::record(window, json!({"kpis": {"service_level": level, "service_level.offered": also}}))
    }

    /// The reading at noon over an hour, five minutes and the day, each as calls in time of calls counted.
    fn read(burn: &Burn, kpi: &str, [day, hour, minutes]: [(i64, i64); 3]) -> Option<Reading> {
        let records = [
            record(("per_1d", "2026-03-02T00:00:00.000Z", "2026-03-03T00:00:00.000Z"), day),
            record(("1h", "2026-03-02T11:00:00.000Z", NOON), hour),
            record(("5m", "2026-03-02T11:55:00.000Z", NOON), minutes),
        ];
        burn.read((kpi, "1h", -1.0), |name| records.iter().find(|record| record.window.name == name))
    }

    fn burn(target: Option<f64>) -> Burn {
        Burn { short: "5m".into(), target, interval: "per_1d".into() }
    }

    /// Of the day, the hour and five minutes: the value, the share of the budget used, and when it is spent.
    #[track_caller]
    fn check(numbers: [(i64, i64); 3], value: Option<f64>, used: Option<f64>, spent_at: Option<&str>) {
        let reading = read(&burn(None), "service_level", numbers);
        assert_eq!(reading.and_then(|reading| reading.value), value);
        let budget = reading.map(|reading| match reading.basis {
            Some(Basis::Burn(Burning { budget: Some(budget), .. })) => budget,
            other => panic!("{other:?}"),
        });
        assert_eq!(budget.and_then(|budget| budget.used()), used);
        assert_eq!(budget.and_then(|budget| budget.spent_at).map(|at| at.to_string()).as_deref(), spent_at);
    }

    #[test]
    fn both_windows_have_to_burn() {
        // 60 % missed where 20 % may be is three times as fast.
        check([(500, 500), (40, 100), (4, 10)], Some(3.0), Some(0.0), Some("2026-03-02T14:30:00.000Z"));
        check([(500, 500), (40, 100), (9, 10)], Some(0.5), Some(0.0), Some("2026-03-02T14:30:00.000Z"));
        check([(500, 500), (100, 100), (0, 10)], Some(0.0), Some(0.0), None);
        check([(500, 500), (0, 100), (0, 10)], Some(5.0), Some(0.0), Some("2026-03-02T13:15:00.000Z"));
    }

    #[test]
    fn a_budget_is_spent_now_later_today_or_not_at_all() {
        // 100 of 500 may be missed. What is missed beyond a fifth is 40 an hour.
        check([(400, 500), (40, 100), (4, 10)], Some(3.0), Some(1.0), Some("2026-03-02T12:00:00.000Z"));
        check([(300, 500), (100, 100), (10, 10)], Some(0.0), Some(2.0), Some("2026-03-02T12:00:00.000Z"));
        check([(460, 500), (40, 100), (4, 10)], Some(3.0), Some(0.4), Some("2026-03-02T13:30:00.000Z"));
        check([(460, 500), (80, 100), (8, 10)], Some(1.0), Some(0.4), None);
        // 479 left at 40 an hour last until midnight, 480 do not.
        check([(2_399, 2_400), (40, 100), (4, 10)], Some(3.0), Some(1.0 / 480.0), Some("2026-03-02T23:58:30.000Z"));
        check([(2_400, 2_400), (40, 100), (4, 10)], Some(3.0), Some(0.0), None);
    }

    #[test]
    fn without_calls_nothing_burns_and_nothing_is_known() {
        check([(1, 1), (0, 0), (0, 0)], None, None, None);
        check([(1, 1), (0, 100), (0, 0)], None, None, None);
        // Just after midnight the windows still hold calls of yesterday.
        check([(0, 0), (0, 100), (0, 10)], Some(5.0), None, None);
    }

    #[test]
    fn at_a_rate_that_clears_nobody_asks_for_the_interval() {
        let hour = record(("1h", "2026-03-02T11:00:00.000Z", NOON), (70, 100));
        let asked = std::cell::Cell::new(0);
        let read = |clear| {
            let found = burn(None).read(("service_level", "1h", clear), |name| {
                asked.set(asked.get() + u32::from(name == "per_1d"));
                Some(&hour)
            });
            (found.and_then(|found| found.value), asked.take())
        };
        assert_eq!(read(1.5), (Some(1.5), 0));
        assert_eq!(read(1.4), (Some(1.5), 1));
    }

    #[test]
    fn a_rule_may_want_something_else_than_the_queue() {
        let value = |target, kpi| read(&burn(target), kpi, [(5, 5), (40, 100), (4, 10)]).and_then(|read| read.value);
        assert_eq!(value(Some(0.4), "service_level"), Some(1.0));
        assert_eq!(value(None, "service_level.offered"), Some(3.0), "what is wanted of the first is wanted of it");
        assert_eq!(value(Some(1.0), "service_level"), None, "nothing may be missed");
        assert_eq!(value(None, "service_level.other"), None);
    }
}
