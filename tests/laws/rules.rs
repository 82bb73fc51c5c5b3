//! Rules of alerts: levels with a gap, `for` and `keep_firing_for`, and the trial of a rule on its past.

use crate::cases;
use crate::world::all_of;
use callpulse::alert::condition::{Condition, Level, Measure};
use callpulse::alert::hours::Hours;
use callpulse::alert::reading::Reading;
use callpulse::alert::rule::{Rule, Severity};
use callpulse::alert::state::{AlertState, Phase, Step, Why};
use callpulse::alert::suggestion::{Past, Series, Wish, suggest};
use callpulse::alert::trial::{InForce, Period, Sum, Trial};
use callpulse::calendar::Zone;
use callpulse::entity::Kind;
use callpulse::time::{EventTime, Span};
use proptest::prelude::*;

static UTC: Zone = Zone::UTC;
const ALWAYS: InForce<'static> = InForce { zone: &UTC, hours: None };

/// Monday, 2026-03-02T08:00:00Z.
const START: i64 = 1_772_438_400;

fn level(trigger: f64, gap: f64, is_above: bool) -> Level {
    let clear = if is_above { trigger - gap } else { trigger + gap };
    Level {
        kpi: "waiting".into(),
        window: "now".into(),
        measure: Measure::Value,
        trigger,
        clear,
        is_above,
        min_volume: 0,
        min_login: Span(0),
    }
}

/// With `for` and `keep_firing_for` in seconds.
fn rule(when: Condition, (hold, keep): (i64, i64), hours: Option<Hours>) -> Rule {
    let (hold, keep) = (Span::from_secs(hold), Span::from_secs(keep));
    Rule { hold, keep, hours, ..Rule::new("busy", all_of(Kind::Queue), when, Severity::Warning) }
}

fn at(second: i64) -> EventTime {
    EventTime((START + second) * 1000 + 999)
}

fn reading(value: Option<i64>) -> Option<Reading> {
    value.map(|value| Reading { value: Some(value as f64), ..Reading::default() })
}

/// The same, where nothing goes on at an even number.
fn or_idle(value: Option<i64>) -> Option<Reading> {
    reading(value).map(|reading| Reading { is_idle: value.is_some_and(|value| value % 2 == 0), ..reading })
}

/// So many seconds after the one before, what is read.
type Readings = Vec<(i64, Option<i64>)>;

fn readings(most: i64) -> impl Strategy<Value = Readings> {
    let value = prop_oneof![6 => (0..9_i64).prop_map(Some), 1 => Just(None)];
    proptest::collection::vec((1..most, value), 1..60)
}

fn a_level() -> impl Strategy<Value = Level> {
    (1..8_i64, 0..4_i64, any::<bool>()).prop_map(|(trigger, gap, is_above)| level(trigger as f64, gap as f64, is_above))
}

fn a_condition() -> impl Strategy<Value = Condition> {
    let leaf = a_level().prop_map(Condition::Level);
    leaf.prop_recursive(3, 6, 3, |inner| {
        let some = || proptest::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            some().prop_map(Condition::All),
            some().prop_map(Condition::Any),
            inner.clone().prop_map(|of| Condition::Not(Box::new(of))),
        ]
    })
}

/// Whether a condition holds, worked out from all that was read so far and nothing remembered.
fn holds(of: &Condition, so_far: &[Vec<Option<Reading>>], place: &mut usize) -> Option<bool> {
    let known = |place: usize| so_far.iter().filter_map(move |readings| readings[place]?.value);
    match of {
        Condition::Level(level) => {
            *place += 1;
            so_far.last().and_then(|last| last[*place - 1])?;
            let is_beyond = |value: &f64| if level.is_above { level.trigger < *value } else { *value < level.trigger };
            let is_clear = |value: &f64| if level.is_above { *value <= level.clear } else { level.clear <= *value };
            let values: Vec<f64> = known(*place - 1).collect();
            // On if it was beyond the trigger after it was clear last.
            let cleared = values.iter().rposition(|value| is_clear(value) && !is_beyond(value));
            Some(values[cleared.map_or(0, |at| at + 1)..].iter().any(is_beyond))
        }
        Condition::Not(of) => holds(of, so_far, place).map(|holds| !holds),
        Condition::All(of) => {
            let each: Vec<Option<bool>> = of.iter().map(|of| holds(of, so_far, place)).collect();
            if each.contains(&Some(false)) {
                Some(false)
            } else {
                each.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
            }
        }
        Condition::Any(of) => {
            let each: Vec<Option<bool>> = of.iter().map(|of| holds(of, so_far, place)).collect();
            if each.contains(&Some(true)) {
                Some(true)
            } else {
                each.into_iter().collect::<Option<Vec<_>>>().map(|_| false)
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn between_trigger_and_clear_nothing_toggles(level in a_level(), read in readings(9)) {
        let condition = Condition::Level(level.clone());
        let (mut on, mut was) = (Vec::new(), false);
        for (_, value) in read {
            let holds = condition.holds(&[reading(value)], &mut on);
            prop_assert_eq!(holds.is_none(), value.is_none());
            let (is_beyond, is_clear) = value.map_or((false, false), |value| level.sides(value as f64));
            prop_assert!(!is_beyond || on[0]);
            prop_assert!(on[0] == was || is_beyond || is_clear);
            prop_assert!(!is_clear || is_beyond || !on[0]);
            was = on[0];
        }
    }

    #[test]
    fn what_a_condition_comes_to_follows_from_what_was_read(
        condition in a_condition(),
        read in proptest::collection::vec(proptest::collection::vec(prop_oneof![4 => (0..9_i64).prop_map(Some), 1 => Just(None)], 12), 1..20),
    ) {
        let levels = condition.levels().len();
        prop_assume!(levels <= 12);
        let read: Vec<Vec<Option<Reading>>> =
            read.into_iter().map(|values| values.into_iter().take(levels).map(reading).collect()).collect();
        let mut on = Vec::new();
        for (place, readings) in read.iter().enumerate() {
            prop_assert_eq!(condition.holds(readings, &mut on), holds(&condition, &read[..=place], &mut 0));
        }
    }

    #[test]
    fn where_nothing_goes_on_a_condition_may_hold_no_more_and_never_holds(
        condition in a_condition(),
        read in proptest::collection::vec((proptest::collection::vec(prop_oneof![4 => (0..9_i64).prop_map(Some), 1 => Just(None)], 12), any::<bool>()), 1..20),
    ) {
        let levels = condition.levels().len();
        prop_assume!(levels <= 12);
        let (mut on, mut without) = (Vec::new(), Vec::new());
        for (values, is_idle) in read {
            let readings: Vec<Option<Reading>> = values.into_iter().take(levels).map(reading).collect();
            let idle = |reading: &Option<Reading>| reading.map(|reading| Reading { is_idle, ..reading });
            let of_idle = condition.holds(&readings.iter().map(idle).collect::<Vec<_>>(), &mut on);
            let of_busy = condition.holds(&readings, &mut without);
            prop_assert_eq!(of_idle, of_busy.filter(|holds| !holds || !is_idle));
            without.clone_from(&on);
        }
    }

    #[test]
    fn it_fires_once_it_has_held_for_so_long_and_resolves_once_it_was_clear_for_so_long(
        level in a_level(),
        (hold, keep) in (0..40_i64, prop_oneof![Just(0), 0..40_i64]),
        read in readings(15),
    ) {
        let rule = rule(Condition::Level(level), (hold, keep), None);
        let (mut state, mut second) = (AlertState::default(), 0);
        let mut looks: Vec<(i64, Option<bool>)> = Vec::new();
        let mut so_far = Vec::new();
        let (mut is_firing, mut since) = (false, 0);
        for (after, value) in read {
            second += after;
            so_far.push(vec![reading(value)]);
            looks.push((second, holds(&rule.when, &so_far, &mut 0)));
            let step = state.look(&rule, &[reading(value)], at(second));
            // Of the looks since it held not at all last, the time between each that held and the next.
            let broken = looks.iter().rposition(|(_, holds)| *holds == Some(false)).map_or(0, |at| at + 1);
            let run = &looks[broken..];
            let run = &run[run.iter().position(|(_, holds)| *holds == Some(true)).unwrap_or(run.len())..];
            let held: i64 =
                run.windows(2).filter(|pair| pair[0].1 == Some(true)).map(|pair| pair[1].0 - pair[0].0).sum();
            // When it was first seen clear since it held last, whatever was not known in between.
            let known: Vec<(i64, bool)> = looks.iter().filter_map(|(at, holds)| Some((*at, (*holds)?))).collect();
            let held_last = known.iter().rposition(|(_, holds)| *holds).map_or(0, |at| at + 1);
            let clear = known.get(held_last).map(|(at, _)| *at);
            let expected = match (is_firing, looks.last().expect("a look").1) {
                (false, Some(true)) if hold <= held => {
                    (is_firing, since) = (true, run[0].0);
                    Some(Step::Fires { since: at(since) })
                }
                (true, _) if clear.is_some_and(|clear| keep <= second - clear) => {
                    is_firing = false;
                    looks.clear();
                    Some(Step::Resolves { since: at(since), clear: clear.map(at), why: Why::Cleared })
                }
                _ => None,
            };
            prop_assert_eq!(step, expected);
            prop_assert_eq!(matches!(state.phase, Phase::Firing { .. }), is_firing);
        }
    }

    #[test]
    fn what_was_before_a_rest_makes_nothing_fire(
        level in a_level(),
        hold in 1..40_i64,
        before in readings(15),
        after in readings(15),
    ) {
        let rule = rule(Condition::Level(level), (hold, 7), None);
        let (mut state, mut second) = (AlertState::default(), 0);
        for (seconds, value) in before {
            second += seconds;
            state.look(&rule, &[reading(value)], at(second));
        }
        let was_firing = matches!(state.phase, Phase::Firing { .. });
        state.rest();
        prop_assert_eq!(matches!(state.phase, Phase::Firing { .. }), was_firing);
        second += 10_000;
        let rested = second;
        for (seconds, value) in after {
            second += seconds;
            if let Some(Step::Fires { since }) = state.look(&rule, &[reading(value)], at(second)) {
                prop_assert!(at(rested) <= since && at(rested + hold) < at(second));
            }
        }
    }

    #[test]
    fn more_looks_at_the_same_tell_the_same_and_no_later(
        level in a_level(),
        hold in 0..40_i64,
        read in proptest::collection::vec((1..30_i64, (0..9_i64).prop_map(Some)), 1..60),
        step in 1..7_i64,
    ) {
        let rule = rule(Condition::Level(level), (hold, 0), None);
        let (mut few, mut many) = (AlertState::default(), AlertState::default());
        let (mut second, mut looked, mut last) = (0, 0, None);
        let (mut of_few, mut of_many) = (Vec::<(i64, bool)>::new(), Vec::<(i64, bool)>::new());
        let mut longest = step;
        for (after, value) in read {
            for between in (second + step..second + after).step_by(step as usize) {
                let Some(last) = last else { break };
                of_many.extend(many.look(&rule, &[last], at(between)).map(|step| (between, matches!(step, Step::Fires { .. }))));
            }
            second += after;
            longest = longest.max(second - looked);
            (looked, last) = (second, Some(reading(value)));
            of_few.extend(few.look(&rule, &[reading(value)], at(second)).map(|step| (second, matches!(step, Step::Fires { .. }))));
            of_many.extend(many.look(&rule, &[reading(value)], at(second)).map(|step| (second, matches!(step, Step::Fires { .. }))));
        }
        // What fires in the many and not in the few was over before the few looked again.
        for (fired, _) in of_few.iter().filter(|(_, fires)| *fires) {
            let no_later = of_many.iter().any(|(early, fires)| *fires && *early <= *fired && fired - early < longest);
            prop_assert!(no_later, "{:?} {:?}", of_few, of_many);
        }
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_trial_tells_what_looks_in_every_second_tell(
        condition in a_condition(),
        spans in (0..90_i64, prop_oneof![Just(0), 0..200_i64]),
        read in readings(200),
        open in proptest::collection::vec((0..60_u16, 1..60_u16), 0..4),
        has_hours in any::<bool>(),
    ) {
        let mut hours = Hours::default();
        let mut from = 8 * 60;
        for (after, length) in open {
            hours.week[0].push((from + after, from + after + length));
            from += after + length;
        }
        let rule = rule(condition, spans, has_hours.then_some(hours));
        let levels = rule.when.levels().len();
        let all = |value: Option<i64>| -> Vec<Option<Reading>> {
            (0..levels).map(|place| or_idle(value.map(|value| (value + place as i64 * 3) % 9))).collect()
        };
        let mut trial = Trial::new(&rule, InForce { hours: rule.hours.as_ref(), ..ALWAYS });
        let (mut state, mut second, mut periods) = (AlertState::default(), 0, Vec::<Period>::new());
        let mut last: Option<Vec<Option<Reading>>> = None;
        let mut peak: Option<Reading> = None;
        let mut look = |second: i64, readings: &[Option<Reading>]| {
            let is_open = rule.hours.as_ref().is_none_or(|hours| hours.is_open(&UTC, at(second)));
            let step = if is_open { state.look(&rule, readings, at(second)) } else { state.end(Why::Closed) };
            let first = rule.when.levels()[0];
            match state.is_quiet() {
                true => peak = None,
                false => {
                    let is_worse = |value: f64| peak.and_then(|peak| peak.value).is_none_or(|known| if first.is_above { known < value } else { value < known });
                    peak = readings[0].filter(|reading| reading.value.is_some_and(is_worse)).or(peak);
                }
            }
            match step {
                Some(Step::Fires { since }) => periods.push(Period { since, fired: at(second), resolved: None, peak: None }),
                Some(Step::Resolves { why, .. }) => periods.last_mut().expect("fired").resolved = Some((at(second), why)),
                None => {}
            }
            if let Some(period) = periods.last_mut().filter(|period| period.resolved.is_none()) {
                period.peak = peak;
            }
        };
        for (after, value) in read {
            if let Some(last) = &last {
                (second + 1..second + after).for_each(|between| look(between, last));
            }
            second += after;
            look(second, &all(value));
            trial.see(at(second), &all(value));
            last = Some(all(value));
        }
        let found = trial.end(at(second));
        prop_assert_eq!(found, periods);
    }

    #[test]
    fn a_suggestion_is_what_a_trial_of_it_gives(
        own in a_level(),
        spans in (0..90_i64, prop_oneof![Just(0), 0..2_000_i64]),
        read in proptest::collection::vec(readings(2_000), 1..4),
        fired_max in 0..6_u8,
    ) {
        let rule = rule(Condition::Level(own.clone()), spans, None);
        let past: Vec<Series> = read
            .iter()
            .map(|read| {
                let (mut series, mut second) = (Series::default(), 0);
                for (after, value) in read {
                    second += after;
                    series.push(at(second), or_idle(*value));
                }
                series
            })
            .collect();
        let past: Vec<Past<'_>> = past.iter().map(|series| Past { when: ALWAYS, series }).collect();
        let until = at(120_000);
        let wish = Wish { fired_max: f64::from(fired_max), until };
        let Some(found) = suggest(&rule, &past, wish) else {
            prop_assert!(read.iter().flatten().all(|(_, value)| or_idle(*value).is_none_or(|reading| reading.is_idle)));
            return Ok(());
        };
        let is_ordered = if own.is_above { found.clear <= found.trigger } else { found.trigger <= found.clear };
        prop_assert!(is_ordered && found.sum.fired as f64 <= wish.fired_max, "{:?}", found);
        for (clear, expected) in [(found.clear, found.sum), (found.trigger, found.without_gap)] {
            let when = Condition::Level(Level { trigger: found.trigger, clear, ..own.clone() });
            let tried = crate::rules::rule(when, spans, None);
            let sums = read.iter().map(|read| {
                let (mut trial, mut second) = (Trial::new(&tried, ALWAYS), 0);
                for (after, value) in read {
                    second += after;
                    trial.see(at(second), &[or_idle(*value)]);
                }
                Sum::of(&trial.end(until), until)
            });
            prop_assert_eq!(sums.fold(Sum::default(), Sum::and), expected);
        }
    }
}
