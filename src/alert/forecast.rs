//! Forecast: what the open interval's service level comes to if calls keep coming as they do, with the present staff.
//!
//! ```text
//!                  so far                      as it goes on now, by Erlang A
//! interval  |======== met of counted ========|------- within -------|        ]
//!                                          as_of                    the value is of here
//! ```
//!
//! Everything it goes by stands in published records, and what it took from them in the alert.

use super::erlang::{Outlook, Queue};
use super::reading::{Basis, Reading, count, length};
use crate::fact::Standing;
use crate::kpi::record::KpiRecord;
use crate::kpi::settings::Formula;
use crate::time::{EventTime, Span};

/// What a forecast is made of, beside the service level and the window that arrivals and handle time are of.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// How far it looks ahead.
    pub within: Span,
    /// The name of the intervals that it is about.
    pub interval: String,
    /// How long callers wait on average before they give up; that of the interval so far if none is said.
    pub patience: Option<Span>,
}

/// What a forecast was worked out from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Foreseen {
    pub arrivals_per_hour: f64,
    pub handle_time_s: f64,
    /// Handling, ringing or available.
    pub agents: u32,
    /// None if nobody gave up.
    pub patience_s: Option<f64>,
    /// Of the calls to come, in the long run: the service level, and the share that finds no agent free.
    pub service_level: f64,
    pub waits: f64,
    /// Calls of the interval so far that met the service level, and that count for it.
    pub met: i64,
    pub counted: i64,
    /// In how long the interval's service level is below the trigger: in none if it is so already; absent if it is not so
    /// before the interval ends.
    pub below_in: Option<Span>,
}

/// States of agents who take the next call, or would if they had none.
pub const STAFF: [Standing; 3] = [Standing::Handling, Standing::Ringing, Standing::Available];

impl Forecast {
    /// The interval's service level `within` on, or at its end if that is sooner. None if it is not known how many agents
    /// there are or how long a call takes, or no call would count.
    pub fn read<'r>(
        &self,
        (kpi, window, trigger): (&str, &str, f64),
        record: impl Fn(&str) -> Option<&'r KpiRecord>,
    ) -> Option<Reading> {
        let lately = record(window)?;
        let of = lately.kpis.get(kpi)?;
        let threshold = of.threshold_s? as f64;
        let arrivals = count(lately, "calls_offered")? as f64 / (length(lately)?.0 as f64 / 1000.0);
        let handle_time = lately.kpis.get("average_handle_time")?.value.filter(|seconds| 0.0 < *seconds)?;
        let agents = staff(record("now")?).filter(|agents| 0 < *agents)?;
        // The largest record, last.
        let interval = record(&self.interval)?;
        let queue = Queue {
            arrivals,
            handle_time,
            patience: self.patience.map(|patience| patience.0 as f64 / 1000.0).or_else(|| patience(interval)),
            agents,
        };
        let outlook = queue.outlook(threshold);
        let shares = Shares::of(Formula::from_word(of.formula.as_deref()?)?, outlook)?;
        let so_far = interval.kpis.get(kpi)?;
        let (met, counted) = (so_far.numerator?, so_far.denominator?);
        let as_of = EventTime::parse(&interval.as_of)?;
        let end = EventTime::parse(&interval.window.end)?;
        let ahead = Span(self.within.0.min(end.since(as_of).0));
        let more = queue.arrivals * ahead.0 as f64 / 1000.0;
        let counts = counted as f64 + shares.counted * more;
        let value = (0.0 < counts).then(|| (met as f64 + shares.met * more) / counts)?;

        // In how many seconds met / counted is the trigger.
        let above = met as f64 - trigger * counted as f64;
        let falls = queue.arrivals * (trigger * shares.counted - shares.met);
        let below_in = match (above < 0.0, 0.0 < falls) {
            (true, _) => Some(Span(0)),
            (false, true) => Some(Span((above / falls * 1000.0).min(1e15) as i64)),
            (false, false) => None,
        };
        let foreseen = Foreseen {
            arrivals_per_hour: queue.arrivals * 3_600.0,
            handle_time_s: queue.handle_time,
            agents: queue.agents,
            patience_s: queue.patience,
            service_level: shares.met / shares.counted,
            waits: outlook.waits,
            met,
            counted,
            below_in: below_in.filter(|length| *length < end.since(as_of)),
        };
        Some(Reading { value: Some(value), basis: Some(Basis::Forecast(foreseen)), ..Reading::default() })
    }
}

/// Of the calls that arrive the shares that meet a service level, and that count for it.
struct Shares {
    met: f64,
    counted: f64,
}

impl Shares {
    /// By a formula, where nobody flows out and every abandon counts as a long one; none of what only `now` has, or if
    /// no call would count.
    fn of(formula: Formula, outlook: Outlook) -> Option<Shares> {
        let Outlook { answered_in_time, abandoned_in_time, abandoned, .. } = outlook;
        let (met, counted) = match formula {
            Formula::AnsweredOnly => (answered_in_time, 1.0 - abandoned),
            Formula::IgnoreAbandonedWithin | Formula::LateAbandonsOnly => (answered_in_time, 1.0 - abandoned_in_time),
            Formula::AbandonedWithinAsMet | Formula::AllRemoved => (answered_in_time + abandoned_in_time, 1.0),
            Formula::Offered | Formula::ExcludeShortAbandons | Formula::IncludeFlowOuts | Formula::ExpiredCounts => {
                (answered_in_time, 1.0)
            }
            Formula::WaitingNow => return None,
        };
        // An integral may be short of the whole by as little.
        (1e-9 < counted).then(|| Shares { met: met.clamp(0.0, counted), counted })
    }
}

/// Seconds of waiting for each call that gave up, in whatever way the others left: the patience of callers, if it is
/// exponential. None if nobody gave up.
fn patience(record: &KpiRecord) -> Option<f64> {
    let waited = record.kpis.get("average_wait")?.numerator_ms?;
    let abandoned = count(record, "calls_abandoned").filter(|abandoned| 0 < *abandoned)?;
    Some(waited as f64 / 1000.0 / abandoned as f64).filter(|patience| 0.0 < *patience)
}

/// Agents who are there for calls; none where that is not known.
fn staff(now: &KpiRecord) -> Option<u32> {
    let agents = now.now.as_ref()?.agents.as_ref()?;
    let there = STAFF.iter().filter_map(|standing| agents.get(standing.word())).sum::<i64>();
    u32::try_from(there).ok()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, NOON};
    use super::*;
    use serde_json::{Value, json};

    /// What is known at noon: 100 calls of three minutes in half an hour, and so many agents by state.
    struct Known {
        agents: Value,
        /// Of the day: calls in time of calls counted, calls that gave up, and milliseconds waited.
        day: (i64, i64),
        abandoned: i64,
        waited_ms: i64,
        handle_time: Value,
        formula: &'static str,
    }

    impl Known {
        fn agents(available: i64, others: i64) -> Known {
            let agents =
                json!({"handling": 2, "ringing": 1, "available": available, "paused": others, "other_work": others});
            let (abandoned, waited_ms, handle_time) = (0, 0, json!(180.0));
            Known { agents, day: (900, 1_000), abandoned, waited_ms, handle_time, formula: "offered" }
        }

        fn read(&self, forecast: &Forecast, trigger: f64) -> Option<Reading> {
            let level = json!({"value": 0.5, "numerator": self.day.0, "denominator": self.day.1, "formula": self.formula,
                               "threshold_s": 20});
            let handle = json!({"value": self.handle_time, "numerator_ms": 0, "denominator": 0});
            let wait = json!({"value": null, "numerator_ms": self.waited_ms, "denominator": 0});
            let kpis = json!({"service_level": level, "average_handle_time": handle, "average_wait": wait});
            let day = ("per_1d", "2026-03-02T00:00:00.000Z", "2026-03-02T13:00:00.000Z");
            let half_hour = |name| (name, "2026-03-02T11:30:00.000Z", NOON);
            let now = json!({
                "waiting": 0, "longest_wait_since": null, "ringing": 0, "talking": 0, "on_hold": 0, "in_wrapup": 0,
                "over_threshold_waiting": 0, "agents": self.agents,
            });
            let records = [
                sample::record(day, json!({"counts": {"abandoned": self.abandoned}, "kpis": kpis})),
                sample::record(half_hour("30m"), json!({"counts": {"offered": 100}, "kpis": kpis})),
                sample::record(half_hour("now"), json!({"now": now})),
            ];
            forecast.read(("service_level", "30m", trigger), |name| {
                records.iter().find(|record| record.window.name == name)
            })
        }
    }

    fn forecast(within_s: i64, patience_s: Option<i64>) -> Forecast {
        Forecast {
            within: Span::from_secs(within_s),
            interval: "per_1d".into(),
            patience: patience_s.map(Span::from_secs),
        }
    }

    fn foreseen(reading: Reading) -> Foreseen {
        let Some(Basis::Forecast(foreseen)) = reading.basis else { panic!("{reading:?}") };
        foreseen
    }

    /// 14 agents answer 88.84 % of 200 calls an hour in time (pyworkforce: 0.888), 11 answer few.
    #[test]
    fn the_interval_goes_on_at_the_service_level_of_erlang() {
        let enough = Known::agents(11, 7).read(&forecast(1_800, None), 0.8).expect("a forecast");
        let of = foreseen(enough);
        assert_eq!(
            (of.agents, of.arrivals_per_hour.round(), of.handle_time_s, of.patience_s),
            (14, 200.0, 180.0, None)
        );
        assert!((of.service_level - 0.888).abs() < 0.001 && (of.waits - 0.174).abs() < 0.001, "{of:?}");
        let value = enough.value.expect("a value");
        assert!((value - (900.0 + 100.0 * of.service_level) / 1_100.0).abs() < 1e-9, "{value}");
        assert_eq!((of.met, of.counted, of.below_in), (900, 1_000, None));
    }

    #[test]
    fn it_says_in_how_long_the_interval_is_missed() {
        // Nobody is answered in time: 900 of 1,000 are 80 % of 1,125, and 125 calls come in 37.5 minutes.
        let few = Known::agents(2, 0);
        let ahead = few.read(&forecast(1_800, None), 0.8).expect("a forecast");
        assert_eq!((ahead.value, foreseen(ahead).below_in), (Some(900.0 / 1_100.0), Some(Span::from_secs(2_250))));
        // It looks no further than to the end of the interval, an hour on.
        let far = few.read(&forecast(86_400, None), 0.8).expect("a forecast");
        assert_eq!(far.value, Some(900.0 / 1_200.0));
        assert_eq!(
            foreseen(few.read(&forecast(1_800, None), 0.7).expect("a forecast")).below_in,
            None,
            "it is over by then"
        );
        assert_eq!(foreseen(few.read(&forecast(1_800, None), 0.95).expect("a forecast")).below_in, Some(Span(0)));
    }

    #[test]
    fn patience_is_what_was_waited_for_each_who_gave_up() {
        let known = Known { abandoned: 20, waited_ms: 2_400_000, ..Known::agents(2, 0) };
        let of = |patience_s| foreseen(known.read(&forecast(1_800, patience_s), 0.8).expect("a forecast"));
        assert_eq!((of(None).patience_s, of(Some(60)).patience_s), (Some(120.0), Some(60.0)));
        assert!(0.0 < of(Some(60)).service_level, "who gives up leaves room for others");
    }

    #[test]
    fn a_formula_counts_what_it_counts() {
        let of = |formula| {
            let known = Known { abandoned: 20, waited_ms: 2_400_000, formula, ..Known::agents(4, 0) };
            Some(foreseen(known.read(&forecast(1_800, None), 0.8)?).service_level)
        };
        let [all, answered, without_early, early_as_met] =
            ["offered", "answered_only", "ignore_abandoned_within", "abandoned_within_as_met"]
                .map(|formula| of(formula).expect("one"));
        assert!(all < without_early && without_early < answered && all < early_as_met);
        assert_eq!(of("exclude_short_abandons"), Some(all));
        assert_eq!(of("waiting_now"), None);
    }

    #[test]
    fn without_staff_or_handle_time_nothing_is_known() {
        let none = |known: Known| assert_eq!(known.read(&forecast(1_800, None), 0.8), None);
        none(Known { agents: Value::Null, ..Known::agents(5, 0) });
        none(Known {
            agents: json!({"handling": 0, "ringing": 0, "available": 0, "paused": 3}),
            ..Known::agents(5, 0)
        });
        none(Known { handle_time: Value::Null, ..Known::agents(5, 0) });
    }
}
