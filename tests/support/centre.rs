//! A centre's settings for tests, and its records by replay.

use super::histories::Told;
use callpulse::config;
use callpulse::config::settings::Settings;
use callpulse::event::Event;
use callpulse::kpi::record::KpiRecord;
use callpulse::replay::engine::{Replay, Tallies};
use callpulse::replay::filter::Filter;
use callpulse::time::EventTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The topic's and the file's name: the default source.
pub const TOPIC: &str = "acd.events";

pub const ZONES: [&str; 3] = ["Europe/Budapest", "America/Havana", "Australia/Lord_Howe"];

/// Every sort of entity and window, and every formula of the service level.
pub fn settings(zone: &str) -> Settings {
    let text = format!(
        r#"
        [windows]
        sliding = ["1m", "7m", "30m"]
        intervals = ["15m", "20m", "1h", "1d", "1w", "1mo"]
        timezone = "{zone}"
        by_channel = ["queue", "tenant"]
        queue_agent = true
        [service_level]
        also = ["answered_only", "ignore_abandoned_within", "offered", "abandoned_within_as_met", "all_removed",
                "exclude_short_abandons", "include_flow_outs", "late_abandons_only", "waiting_now", "expired_counts",
                "offered@5s", "expired_counts@1m", "late_abandons_only@2s"]
        {CENTRE}
        "#
    );
    read(&text)
}

/// The same centre with few windows: a record of each sort, and nothing twice.
pub fn few_windows(zone: &str) -> Settings {
    let text = format!(
        r#"
        [windows]
        sliding = ["1m", "7m"]
        intervals = ["20m", "1h", "1w"]
        timezone = "{zone}"
        by_channel = ["queue"]
        queue_agent = true
        [service_level]
        also = ["waiting_now"]
        {CENTRE}
        "#
    );
    read(&text)
}

const CENTRE: &str = r#"
        [tenants."north"]
        timezone = "Europe/Budapest"
        week_start = "sunday"
        [queues."sales"]
        title = "Sales"
        threshold = "10s"
        met_at_threshold = false
        formula = "abandoned_within_as_met"
        [queues."idle"]
        title = "Idle"
        [agents."cem"]
        aliases = ["Local/9@x"]
        [teams."front"]
        queues = ["sales", "support"]
        [teams."seniors"]
        queues = ["vip"]
        members = [{ agent = "ana" }, { agent = "cem", until = "2026-03-29T01:30:00Z" }]
"#;

fn read(text: &str) -> Settings {
    match config::read(text, &BTreeMap::new()) {
        Ok(loaded) => loaded.settings,
        Err(faults) => panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// The records of all entities and windows.
pub fn records<'t>(settings: &Settings, told: impl IntoIterator<Item = &'t Told>, as_of: i64) -> Vec<KpiRecord> {
    let events: Vec<Event<'_>> = told.into_iter().map(Told::event).collect();
    replayed(settings, &events, as_of).records(&Filter::default()).collect()
}

/// What the events amount to as of an instant.
pub fn replayed<'s>(settings: &'s Settings, events: &[Event<'_>], as_of: i64) -> Tallies<'s> {
    let mut replay = Replay::new(Arc::new(settings.plan.clone()), EventTime(i64::MAX));
    for event in events {
        replay.take(event, TOPIC);
    }
    replay.settle(&settings.kpi, EventTime(as_of))
}

/// The latest time told.
pub fn latest(told: &[Told]) -> i64 {
    told.iter().map(|told| told.time).max().unwrap_or(0)
}
