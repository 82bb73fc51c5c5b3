//! Idle: where nothing goes on no rule begins to fire, whatever it looks at.

use crate::cases;
use crate::centre::{TOPIC, few_windows, latest, records};
use crate::histories::{Reach, history};
use crate::walk::{so_far, whole};
use crate::world::all_of;
use callpulse::alert::burn::Burn;
use callpulse::alert::condition::{Condition, Level, Measure};
use callpulse::alert::forecast::Forecast;
use callpulse::alert::rule::{Rule, Severity};
use callpulse::config::settings::Settings;
use callpulse::entity::{Entity, Kind};
use callpulse::kpi::record::KpiRecord;
use callpulse::replay::alerts::{Asked, try_rules};
use callpulse::replay::engine::Replay;
use callpulse::time::{EventTime, Span};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| few_windows("Europe/Budapest"));

/// How often a rule fired in all cases: a law about what never fires says nothing.
static FIRED: AtomicUsize = AtomicUsize::new(0);

const CASES: u32 = 60;

#[test]
fn nothing_begins_to_fire_where_nothing_goes_on() {
    FIRED.store(0, Ordering::Relaxed);
    proptest!(cases(CASES), |(
        told in prop_oneof![history(Reach::Minutes), history(Reach::Days)].prop_map(whole),
        rules in proptest::collection::vec(a_rule(), 1..8),
    )| {
        let until = EventTime(latest(&told) + 3 * 3_600_000);
        let mut replay = Replay::new(Arc::new(SETTINGS.plan.clone()), EventTime(i64::MAX));
        for told in &told {
            replay.take(&told.event(), TOPIC);
        }
        let asked =
            Asked { settings: &SETTINGS.kpi, rules: &rules, queue_hours: &BTreeMap::new(), until, keeps_numbers: false };
        for outcome in try_rules(replay, asked, |_| {}).outcomes {
            let levels = rules[outcome.rule].when.levels();
            for period in outcome.periods.iter().take(3) {
                FIRED.fetch_add(1, Ordering::Relaxed);
                let records = records(&SETTINGS, so_far(&told, period.fired.second().0), period.fired.0);
                prop_assert!(
                    levels.iter().any(|level| goes_on(&records, &outcome.entity, level)),
                    "{:?} fired at {} for {}",
                    rules[outcome.rule],
                    period.fired,
                    outcome.entity
                );
            }
        }
    });
    assert!(CASES < FIRED.load(Ordering::Relaxed) as u32, "{FIRED:?} fired");
}

/// Whether anything was counted within the last minute, of shares of calls one of which they are made, and a
/// number of calls is not one of none, by the records as others read them; of the time of agents, whether any is logged in;
/// in `now`, whether a call is there, or the agent.
fn goes_on(records: &[KpiRecord], entity: &Entity, Level { kpi, window, measure, .. }: &Level) -> bool {
    let record = |name: &str| -> Value {
        let is_it = |record: &&KpiRecord| {
            let of = &record.entity;
            record.tenant == *entity.tenant
                && of.id == *entity.id
                && of.kind == entity.kind.word()
                && of.channel.is_none()
                && record.window.name == name
                && (record.window.kind != "interval" || record.as_of < record.window.end)
        };
        serde_json::to_value(records.iter().find(is_it)).expect("JSON")
    };
    let sum =
        |value: &Value| value.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_i64()).sum::<i64>();
    let (of_window, of_minute, now) = (record(window), record("1m"), &record("now")["now"]);
    let is_of_agent = matches!(entity.kind, Kind::Agent | Kind::QueueAgent);
    let calls = ["waiting", "ringing", "talking", "on_hold", "in_wrapup"].map(|of| now[of].as_i64().unwrap_or(0));
    let has_calls = calls.iter().sum::<i64>() != 0;
    let is_logged_in = now["agents_logged_in"].as_i64().unwrap_or(0) != 0;
    let own = [("calls_offered", "offered"), ("calls_handled", "handled")].into_iter().find(|(id, _)| id == kpi);
    let is_none = own.is_some_and(|(_, name)| of_window["counts"][name].as_i64().unwrap_or(0) == 0);
    let worked: i64 = ["talk", "hold", "wrapup"].map(|of| of_minute["sums_ms"][of].as_i64().unwrap_or(0)).iter().sum();
    match (window.as_str(), kpi.as_str()) {
        ("now", _) => has_calls || is_of_agent && is_logged_in,
        (_, "occupancy") => is_logged_in,
        (_, "abandonment_rate" | "average_speed_of_answer" | "service_level")
            if !matches!(measure, Measure::Forecast(_)) =>
        {
            let count = |of: &str| of_minute["counts"][of].as_i64().unwrap_or(0);
            let of_some_formulas = if kpi == "service_level" { count("flowed_out") } else { 0 };
            count("answered") + count("abandoned") + count("handled") + of_some_formulas != 0
        }
        _ => sum(&of_minute["counts"]) + worked != 0 && (!is_none || has_calls),
    }
}

fn a_rule() -> impl Strategy<Value = Rule> {
    let kind = select(&[Kind::Queue, Kind::Queue, Kind::Team, Kind::Tenant, Kind::Agent, Kind::QueueAgent][..]);
    (kind, a_condition(), select(&[0, 0, 5, 90][..])).prop_map(|(kind, when, hold)| Rule {
        hold: Span::from_secs(hold),
        ..Rule::new("any", all_of(kind), when, Severity::Warning)
    })
}

fn a_condition() -> impl Strategy<Value = Condition> {
    a_level().prop_map(Condition::Level).prop_recursive(2, 4, 2, |inner| {
        let some = || proptest::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            some().prop_map(Condition::All),
            some().prop_map(Condition::Any),
            inner.clone().prop_map(|of| Condition::Not(Box::new(of))),
        ]
    })
}

fn a_level() -> impl Strategy<Value = Level> {
    let now =
        select(&["waiting", "talking", "longest_wait", "expected_wait", "agents_logged_in", "agents_available"][..]);
    let kpi = select(
        &[
            "calls_offered",
            "calls_handled",
            "abandonment_rate",
            "service_level",
            "average_speed_of_answer",
            "occupancy",
        ][..],
    );
    let window = || select(&["1m", "7m", "per_20m", "per_1h", "per_1w", "total"][..]);
    let value = prop_oneof![
        now.prop_map(|kpi| (kpi, "now", Measure::Value)),
        (kpi, window()).prop_map(|(kpi, window)| (kpi, window, Measure::Value)),
        select(&["1m", "7m"][..]).prop_map(|window| {
            let burn = Burn { short: "1m".into(), target: Some(0.6), interval: "per_1h".into() };
            ("service_level", window, Measure::Burn(burn))
        }),
        select(&["1m", "7m"][..]).prop_map(|window| {
            let forecast = Forecast { within: Span::from_secs(600), interval: "per_1w".into(), patience: None };
            ("service_level", window, Measure::Forecast(forecast))
        }),
    ];
    (value, select(&[0.0, 0.3, 1.0, 2.0, 60.0][..]), any::<bool>(), 0..2_i64).prop_map(
        |((kpi, window, measure), trigger, is_above, min_volume)| Level {
            kpi: kpi.into(),
            window: window.into(),
            measure,
            trigger,
            clear: trigger,
            is_above,
            min_volume,
            min_login: Span(0),
        },
    )
}
