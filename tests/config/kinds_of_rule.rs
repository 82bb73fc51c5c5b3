//! Burn rates, forecasts and what is unusual: what is refused, what they say.

use crate::alerts::{check_rule, level, rule};
use crate::check;
use callpulse::alert::burn::{Budget, Burn, Burning, Missed};
use callpulse::alert::condition::{Level, Measure};
use callpulse::alert::forecast::{Forecast, Foreseen};
use callpulse::alert::reading::{Basis, Reading};
use callpulse::alert::record::{AlertRecord, Subject, Told};
use callpulse::alert::rule::Rule;
use callpulse::alert::state::Step as Transition;
use callpulse::alert::unusual::{Compared, Noise, Side, Unusual, WEEKS_MAX};
use callpulse::calendar::Length;
use callpulse::entity::Entity;
use callpulse::time::{EventTime, Span};

#[test]
fn a_burn_rate_is_of_a_service_level_over_two_windows() {
    let keys = |keys: &str| format!("burn = 'service_level', windows = ['30m', '5m'], trigger = 3, {keys}");
    let level = level(&keys("clear = 1.5"));
    let burn = Burn { short: "5m".into(), target: None, interval: "per_1d".into() };
    assert_eq!((level.window.as_str(), level.measure), ("30m", Measure::Burn(burn)));
    assert_eq!((level.trigger, level.clear, level.is_above, level.min_volume), (3.0, 1.5, true, 20));
    rule(&keys("target = 0.9, interval = 'per_1w', min_volume = 0"));
    rule("when = { any = [{ burn = 'service_level', windows = ['30m', '5m'], trigger = 3 }] }");

    let on = |keys: &str| format!("burn = 'service_level', {keys}");
    let missing = "windows: is missing; write a long and a short one, such as [\"1h\", \"5m\"]";
    check_rule(&on("trigger = 3"), missing);
    check_rule(&on("windows = ['30m', '5m']"), "trigger: is missing; write the value beyond which it fires");
    check_rule(&on("windows = ['5m'], trigger = 3"), "windows: holds 1 windows; write a long and a short one");
    check_rule(
        &on("windows = ['5m', '1h'], trigger = 3"),
        "windows: there is no sliding window `1h`; known are `5m` and `30m`",
    );
    check_rule(
        &on("windows = ['5m', 'now'], trigger = 3"),
        "windows: there is no sliding window `now`; known are `5m` and `30m`",
    );
    check_rule(
        &on("windows = ['5m', '30m'], trigger = 3"),
        "windows: holds the short one first; write [\"30m\", \"5m\"]",
    );
    check_rule(
        &on("windows = ['5m', '5m'], trigger = 3"),
        "windows[1]: stands in `alerts[0].windows[0]` already; remove one",
    );
    check_rule(&keys("window = '5m'"), "window: goes with `kpi`, and this level has none; remove it");
    check_rule(&keys("kpi = 'waiting'"), "burn: stands beside `kpi`; keep one of them");
    check_rule(
        "kpi = 'waiting', window = 'now', trigger = 3, target = 0.8",
        "target: goes with `burn`, and this level has none; remove it",
    );
    check_rule(
        "burn = 'abandonment_rate', windows = ['30m', '5m'], trigger = 3",
        "burn: `abandonment_rate` is no service level; write \"service_level\", or one of `also` after a dot",
    );
    check_rule(
        "of.kind = 'agent', burn = 'service_level', windows = ['30m', '5m'], trigger = 3",
        "burn: `service_level` is not of kind `agent`; it is of `queue`, `team` and `tenant`",
    );
    check_rule(
        "burn = 'service_level', windows = ['30m', '5m'], trigger = 5",
        "trigger: of 0.8 wanted the misses allowed are used up 5.0 times as fast at most, so that it never fires; give less",
    );
    rule("burn = 'service_level', windows = ['30m', '5m'], trigger = 5, target = 0.9");
    check_rule(&keys("target = 1.0"), "target: allows no call to be missed, so that none can be used up; give less");
    check_rule(&keys("clear = 4"), "clear: 4 is more than `trigger`, above which it fires; give at most 3");
    check_rule(&keys("interval = 'per_2h'"), "interval: there is no interval `per_2h`; did you mean `per_1h`?");
    check(
        &format!("windows.intervals = ['1h']\nalerts = [{{ name = 'a', {} }}]", keys("clear = 1")),
        "alerts[0].interval: there is no interval `per_1d`; did you mean `per_1h`?",
    );
}

#[test]
fn a_forecast_is_of_a_service_level_and_an_open_interval() {
    let keys = |keys: &str| format!("forecast = 'service_level', window = '30m', within = '20m', {keys}");
    let level = level(&keys("trigger = 0.75"));
    let within = Span::from_secs(1_200);
    let forecast = Forecast { within, interval: "per_1d".into(), patience: None };
    assert_eq!((level.window.as_str(), level.measure), ("30m", Measure::Forecast(forecast)));
    assert_eq!((level.trigger, level.clear, level.is_above, level.min_volume), (0.75, 0.75, false, 20));
    rule(&keys("trigger = 0.75, clear = 0.8, interval = 'per_1h', patience = '90s', min_volume = 5"));

    check_rule(
        "forecast = 'service_level', within = '20m', trigger = 0.75",
        "window: is missing; write the sliding window that arrivals and handle time are of, such as \"30m\"",
    );
    check_rule(
        "forecast = 'service_level', window = '30m', trigger = 0.75",
        "within: is missing; write how far it looks ahead, such as \"30m\"",
    );
    check_rule(
        "forecast = 'service_level', window = 'per_1h', within = '20m', trigger = 0.75",
        "window: there is no sliding window `per_1h`; known are `5m` and `30m`",
    );
    check_rule(
        "forecast = 'abandonment_rate', window = '30m', within = '20m', trigger = 0.75",
        "forecast: `abandonment_rate` is no service level; write \"service_level\", or one of `also` after a dot",
    );
    check_rule(&keys("trigger = 75"), "trigger: 75 is no share; give 0 to 1, such as 0.75 for 75 %");
    check_rule(
        &keys("trigger = 0.75, clear = 0.7"),
        "clear: 0.7 is less than `trigger`, below which it fires; give at least 0.75",
    );
    check_rule(&keys("trigger = 0.75, target = 0.8"), "target: goes with `burn`, and this level has none; remove it");
    check_rule(&keys("trigger = 0.75, patience = '0s'"), "patience: `0s` is too short; the least is \"1s\"");
}

#[test]
fn what_is_unusual_is_so_beside_the_weeks_before() {
    let keys = |keys: &str| format!("unusual = 'calls_offered', window = 'per_1h', trigger = 3.5, {keys}");
    let unusual = |keys: &str| match level(keys).measure {
        Measure::Unusual(unusual) => unusual,
        other => panic!("{other:?}"),
    };
    let hour = Length::Piece(3_600_000);
    let of_calls = Unusual { length: hour, weeks: 6, weeks_min: 4, side: Side::Both, noise: Noise::Count };
    assert_eq!(unusual(&keys("clear = 2")), of_calls);
    let level = level(&keys("clear = 2"));
    assert_eq!((level.trigger, level.clear, level.is_above, level.min_volume), (3.5, 2.0, true, 20));
    let of = |kpi: &str| unusual(&format!("unusual = '{kpi}', window = 'per_1d', trigger = 3.5, weeks = 3"));
    let day = Unusual { length: Length::DAY, weeks: 3, weeks_min: 3, side: Side::Above, noise: Noise::Share };
    assert_eq!(of("abandonment_rate"), day);
    assert_eq!(of("service_level"), Unusual { side: Side::Below, ..day.clone() });
    assert_eq!(of("average_handle_time"), Unusual { noise: Noise::Tenth { least: 1.0 }, ..day.clone() });
    assert_eq!(of("occupancy"), Unusual { noise: Noise::Tenth { least: 0.02 }, side: Side::Both, ..day });
    assert_eq!(unusual(&keys("side = 'below', weeks_min = 1")).side, Side::Below);

    check_rule(
        "unusual = 'calls_offered', trigger = 3.5",
        "window: is missing; write the interval that is compared, such as \"per_1h\"",
    );
    let pieces = "there is no interval of a day or less";
    check_rule(
        "unusual = 'calls_offered', window = 'per_1w', trigger = 3.5",
        &format!("window: {pieces} `per_1w`; did you mean `per_1h`?"),
    );
    check_rule(
        "unusual = 'calls_offered', window = '30m', trigger = 3.5",
        &format!("window: {pieces} `30m`; known are `per_15m`, `per_30m`, `per_1h` and `per_1d`"),
    );
    check_rule(
        "unusual = 'waiting', window = 'per_1h', trigger = 3.5",
        "window: `waiting` stands in `now` alone; write window = \"now\"",
    );
    check_rule(
        &keys("weeks = 3, weeks_min = 4"),
        "weeks_min: 4 is more than the 3 `weeks` that are looked back; give at most 3",
    );
    check_rule(&keys("weeks = 14"), "weeks: 14 lies outside 1 to 13");
    check_rule(&keys("side = 'left'"), "side: unknown `left`; known are `above`, `below` and `both`");
    check_rule(&keys("clear = 4"), "clear: 4 is more than `trigger`, above which it fires; give at most 3.5");
    check_rule(&keys("kpi = 'waiting'"), "unusual: stands beside `kpi`; keep one of them");
    check_rule(
        "unusual = 'occupancy', window = 'per_1h', trigger = 3.5, min_volume = 5",
        "min_volume: `occupancy` is not of calls in a window, so that there are no 5; remove it",
    );
}

/// What a level of each measure may have been worked out from.
pub fn basis(level: &Level) -> Option<Basis> {
    match level.measure {
        Measure::Value => None,
        Measure::Burn(_) => {
            let [long, short] = [(31, 50), (9, 12)].map(|(missed, counted)| Missed { missed, counted });
            let so_far = Missed { missed: 51, counted: 212 };
            let budget = Some(Budget { so_far, allowed: 42.4, spent_at: EventTime::parse("2026-03-02T10:00:05Z") });
            Some(Basis::Burn(Burning { target: 0.8, long, short, budget }))
        }
        Measure::Forecast(_) => Some(Basis::Forecast(Foreseen {
            arrivals_per_hour: 200.0,
            handle_time_s: 180.5,
            agents: 11,
            patience_s: Some(120.0),
            service_level: 0.523,
            waits: 0.6,
            met: 900,
            counted: 1_000,
            below_in: Some(Span::from_secs(750)),
        })),
        Measure::Unusual(_) => {
            let mut weeks = [None; WEEKS_MAX];
            weeks[..5].copy_from_slice(&[Some(101.0), Some(98.0), None, Some(95.0), Some(102.0)]);
            let start = EventTime::parse("2026-03-02T10:00:05Z").expect("a time");
            Some(Basis::Unusual(Compared { start, kpi: 40.0, weeks, median: 99.5, spread: 10.0 }))
        }
    }
}

/// What a rule of one level tells at a value.
fn record_of(rule: &Rule, value: f64) -> AlertRecord {
    let entity = Entity { tenant: "default".into(), kind: rule.of.kind, id: "sales".into(), channel: None };
    let basis = basis(rule.when.levels()[0]);
    let readings = [Some(Reading { value: Some(value), basis, ..Reading::default() })];
    let since = EventTime::parse("2026-03-02T10:00:05Z").expect("a time");
    let (subject, step) = (Subject::of(&entity, Some("Sales")), Transition::Fires { since });
    AlertRecord::of(Told { rule, subject, step, readings: &readings, at: since, as_of: since, version: 7 })
}

#[test]
fn a_burn_rate_says_what_was_missed() {
    let burn = rule("burn = 'service_level', windows = ['30m', '5m'], trigger = 3, clear = 1.5");
    let record = record_of(&burn, 3.1);
    assert_eq!(record.title, "service level of Sales is missed 3.1 times as often as its target allows");
    assert_eq!(
        record.text,
        "3.1 times as often over 30m; fires above 3, clears at 1.5; missed 31 of 50 over 30m and 9 of 12 over 5m, where 80 % \
         is wanted; 51 of 42.4 misses allowed in per_1d so far (120.3 %), none left at 2026-03-02T10:00:05.000Z."
    );
    let json: serde_json::Value = serde_json::from_slice(&record.to_json()).expect("JSON");
    assert_eq!((&json["measure"], &json["budget"]["missed"]), (&"burn_rate".into(), &51.into()));
    assert_eq!(json["assumptions"]["windows"][1]["counted"], 12);
    assert_eq!(serde_json::from_value::<AlertRecord>(json).expect("an alert record"), record);
}

#[test]
fn a_forecast_says_what_it_assumes() {
    let rule = rule("forecast = 'service_level', window = '30m', within = '30m', trigger = 0.75, clear = 0.8");
    let record = record_of(&rule, 0.742);
    assert_eq!(record.title, "service level of Sales comes to 74.2 % as it goes now");
    assert_eq!(
        record.text,
        "74.2 % is foreseen; fires below 75 %, clears at 80 %; 900 of 1000 in per_1d so far, and 30 min more of 200 calls an \
         hour, 180.5 s each, for 11 agents, with a patience of 120 s: 52.3 % of them in time, 60 % wait; below 75 % in 12.5 min."
    );
    let json: serde_json::Value = serde_json::from_slice(&record.to_json()).expect("JSON");
    assert_eq!((&json["measure"], &json["assumptions"]["minutes_until"]), (&"forecast".into(), &12.5.into()));
    assert_eq!(serde_json::from_value::<AlertRecord>(json).expect("an alert record"), record);
}

#[test]
fn what_is_unusual_says_what_the_weeks_before_had() {
    let rule = rule("unusual = 'calls_offered', window = 'per_1h', trigger = 3.5, clear = 2, weeks = 5");
    let record = record_of(&rule, 5.8);
    assert_eq!(record.title, "calls offered of Sales is unlike the weeks before");
    assert_eq!(
        record.text,
        "5.8 times the usual spread off; fires above 3.5, clears at 2; 40 in per_1h from 2026-03-02T10:00:05.000Z; 101, 98, -, \
         95, 102 in the weeks before, usually 99.5, give or take 10."
    );
    let json: serde_json::Value = serde_json::from_slice(&record.to_json()).expect("JSON");
    assert_eq!((&json["measure"], &json["assumptions"]["weeks"][2]), (&"deviation".into(), &serde_json::Value::Null));
    assert_eq!(serde_json::from_value::<AlertRecord>(json).expect("an alert record"), record);
}
