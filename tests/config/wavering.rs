//! Numbers that waver around a level: how long what fires is kept, and how many alerts that makes.

use crate::alerts::rule;
use crate::settings;
use callpulse::alert::reading::Reading;
use callpulse::alert::rule::Rule;
use callpulse::alert::trial::{InForce, Trial};
use callpulse::calendar::Zone;
use callpulse::time::{EventTime, Span};

/// A rule on a window of so many minutes, as it is without `keep_firing_for`.
fn kept(minutes: i64) -> Rule {
    let rule = "name = 'a', kpi = 'abandonment_rate', trigger = 0.1";
    settings(&format!("windows.sliding = ['{minutes}m']\nalerts = [{{ {rule}, window = '{minutes}m' }}]")).alerts[0]
        .clone()
}

#[test]
fn what_fires_is_kept_for_the_longest_window_of_its_rule_within_bounds() {
    let minutes = |minutes: i64| Span::from_secs(60 * minutes);
    for (window, keep) in [(1, 5), (5, 5), (15, 15), (30, 30), (60, 30)] {
        assert_eq!(kept(window).keep, minutes(keep), "{window}m");
    }
    let keep = |keys: &str| rule(keys).keep;
    assert_eq!(keep("kpi = 'waiting', window = 'now', trigger = 5"), minutes(5));
    for (window, keep_for) in
        [("per_15m", 15), ("per_30m", 30), ("per_1h", 30), ("per_1d", 30), ("per_1w", 30), ("total", 5)]
    {
        assert_eq!(
            keep(&format!("kpi = 'calls_offered', window = '{window}', trigger = 5")),
            minutes(keep_for),
            "{window}"
        );
    }
    let burn = "burn = 'service_level', windows = ['30m', '5m'], trigger = 3";
    assert_eq!(keep(burn), minutes(15));
    assert_eq!(keep("forecast = 'service_level', window = '30m', within = '30m', trigger = 0.7"), minutes(5));
    assert_eq!(keep("unusual = 'calls_offered', window = 'per_1h', trigger = 3.5"), minutes(5));
    assert_eq!(
        keep(&format!("when = {{ any = [{{ {burn} }}, {{ kpi = 'waiting', window = 'now', trigger = 9 }}] }}")),
        minutes(15)
    );
    let [short, long] =
        ["5m", "30m"].map(|window| format!("{{ kpi = 'calls_offered', window = '{window}', trigger = 5 }}"));
    assert_eq!(keep(&format!("when = {{ all = [{long}, {short}] }}")), minutes(30));
    assert_eq!(keep("kpi = 'calls_offered', window = '30m', trigger = 5, keep_firing_for = '2m'"), minutes(2));
}

/// How often a rule fires on an abandonment rate, of whole seconds, one after the other.
fn fired(rule: &Rule, rates: impl Iterator<Item = Option<f64>>) -> usize {
    let zone = Zone::UTC;
    let mut trial = Trial::new(rule, InForce { zone: &zone, hours: None });
    let at = |second: usize| EventTime(1_772_438_400_000 + 1_000 * second as i64);
    let mut seconds = 0;
    for (second, rate) in rates.enumerate() {
        trial.see(at(second), &[rate.map(|rate| Reading { value: Some(rate), ..Reading::default() })]);
        seconds = second;
    }
    trial.end(at(seconds)).len()
}

#[test]
fn a_rate_that_is_never_clear_for_its_window_is_one_alert() {
    for minutes in [5, 15, 30, 60] {
        let rule = kept(minutes);
        let clear = rule.keep.0 as usize / 1_000;
        let rates = || (0..10 * 3_600).map(|second| Some(if second % (clear + 60) < 60 { 0.2 } else { 0.0 }));
        assert_eq!(fired(&rule, rates()), 1, "{minutes}m");
        assert_eq!(
            fired(&Rule { keep: Span(rule.keep.0 - 60_000), ..rule }, rates()),
            36_000_usize.div_ceil(clear + 60)
        );
    }
}

/// The abandonment rate of a window over ten hours, of calls at random of which one in ten is given up; none of fewer than
/// twenty.
fn noise(window: usize, seed: u64) -> Vec<Option<f64>> {
    let mut state = seed;
    // SplitMix64.
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let each_second = (30.0 / window as f64).max(4.0 / 60.0);
    let calls: Vec<Option<bool>> = (0..36_000).map(|_| (random() < each_second).then(|| random() < 0.1)).collect();
    let (mut counted, mut lost) = (0, 0);
    let rate = |second: usize| {
        let gone = second.checked_sub(window).and_then(|before| calls[before]);
        counted += i32::from(calls[second].is_some()) - i32::from(gone.is_some());
        lost += i32::from(calls[second] == Some(true)) - i32::from(gone == Some(true));
        (20 <= counted).then(|| f64::from(lost) / f64::from(counted))
    };
    (0..calls.len()).map(rate).collect()
}

#[test]
fn noise_around_the_level_makes_no_more_alerts_the_longer_the_window_is() {
    for (minutes, most) in [(5, 28), (15, 10), (30, 6), (60, 5)] {
        let rule = kept(minutes);
        let five = Rule { keep: Span::from_secs(300), ..rule.clone() };
        let of =
            |rule: &Rule| (0..8).map(|seed| fired(rule, noise(60 * minutes as usize, seed).into_iter())).sum::<usize>();
        let (kept, five) = (of(&rule), of(&five));
        println!("{minutes}m: {} alerts in ten hours, {} with 5m", kept as f64 / 8.0, five as f64 / 8.0);
        assert!(kept <= 8 * most, "{minutes}m: {kept} in eight times ten hours");
        assert!(minutes == 5 || 3 * kept < 2 * five, "{minutes}m: {kept} and {five}");
    }
}
