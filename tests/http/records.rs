//! KPI records made by hand, and their keys.

use callpulse::entity::{Encoded, Entity, Kind};
use callpulse::event::Channel;
use callpulse::kpi::record::{Count, Counters, EntityPart, Fields, Kpi, KpiRecord, Now, SCHEMA, Target, WindowPart};
use callpulse::serve::board::{Board, Change, Place};

/// An empty record of a queue of the default tenant.
pub fn queue(id: &str, window: &str) -> KpiRecord {
    record("default", Kind::Queue, id, window)
}

pub fn record(tenant: &str, kind: Kind, id: &str, window: &str) -> KpiRecord {
    let kind_of_window = match window {
        "now" => "now",
        "total" => "total",
        name if name.starts_with("per_") => "interval",
        _ => "sliding",
    };
    KpiRecord {
        schema: SCHEMA.into(),
        tenant: tenant.into(),
        entity: EntityPart {
            kind: kind.word().into(),
            id: id.into(),
            title: None,
            channel: None,
            queue: None,
            agent: None,
        },
        window: WindowPart {
            name: window.into(),
            kind: kind_of_window.into(),
            start: None,
            end: "2026-03-02T08:15:31.000Z".into(),
        },
        as_of: "2026-03-02T08:15:30.412Z".into(),
        version: 1,
        is_final: false,
        corrected: false,
        covered_from: None,
        gap: false,
        counts: Fields::default(),
        sums_ms: Fields::default(),
        paused_by_reason_ms: None,
        kpis: Fields::default(),
        targets: Fields::default(),
        by_entry: None,
        profile: None,
        waiting: None,
        counters: None,
        now: None,
    }
}

/// A queue's five minutes with a number of each sort.
pub fn five_minutes(id: &str) -> KpiRecord {
    let mut record = queue(id, "5m");
    record.entity.title = Some("Sales".into());
    for (name, calls) in [("offered", 120), ("answered", 100), ("callbacks_requested", 2)] {
        record.counts.push(name, Count::Number(calls));
    }
    record.targets.push("calls_offered", Target { target: 100.0, met: true });
    let mut by_reason = Fields::default();
    by_reason.push("timeout", 3);
    record.counts.push("flowed_out_by_reason", Count::By(by_reason));
    record
        .kpis
        .push("service_level", Kpi { value: Some(0.875), target: Some(0.8), threshold_s: Some(20), ..Kpi::default() });
    record.kpis.push("service_level.answered_only@30s", Kpi { value: Some(0.9), ..Kpi::default() });
    record.kpis.push("average_speed_of_answer", seconds(23.4));
    record.kpis.push("wait_p50", seconds(12.0));
    record.kpis.push("abandonment_rate", Kpi::default());
    record.kpis.push("calls_missed", Kpi { value: Some(7.0), unit: Some("calls".into()), ..Kpi::default() });
    record.kpis.push("contacts_per_hour", Kpi { value: Some(9.5), unit: Some("per_hour".into()), ..Kpi::default() });
    record
}

/// A queue's `total` with counters that stand at `offered`, all answered at once.
pub fn total(id: &str, offered: i64) -> KpiRecord {
    let mut record = queue(id, "total");
    let mut wait_seconds = Fields::default();
    for (edge, calls) in [("5", offered), ("20", offered), ("count", offered), ("sum_ms", offered * 1500)] {
        wait_seconds.push(edge, calls);
    }
    record.counters =
        Some(Counters { offered, answered: offered, answered_within_threshold: offered, abandoned: 0, wait_seconds });
    record
}

pub fn now(id: &str, now: Now) -> KpiRecord {
    let mut record = queue(id, "now");
    record.now = Some(now);
    record
}

pub fn seconds(value: f64) -> Kpi {
    Kpi { value: Some(value), unit: Some("s".into()), ..Kpi::default() }
}

/// The key the record is published under.
pub fn key(record: &KpiRecord) -> String {
    let entity = Entity {
        tenant: record.tenant.as_str().into(),
        kind: Kind::from_word(&record.entity.kind).expect("a known kind"),
        id: record.entity.id.as_str().into(),
        channel: record.entity.channel.as_deref().and_then(Channel::from_word),
    };
    format!("{entity}|{}", Encoded(&record.window.name))
}

pub fn json(record: &KpiRecord) -> String {
    serde_json::to_string(record).expect("a record is JSON")
}

/// Where the next record of a partition stands.
pub fn next(board: &Board, partition: i32) -> Place {
    let newest = board.seen().offsets.get(&partition).copied();
    Place { partition, offset: newest.map_or(0, |newest| newest + 1) }
}

/// Puts the record on the board as if read from this partition.
#[track_caller]
pub fn put(board: &Board, partition: i32, record: &KpiRecord) -> Change {
    let (key, json) = (key(record), json(record));
    board.apply(next(board, partition), Some(key.as_bytes()), Some(json.as_bytes())).expect("a readable record")
}

pub fn end(board: &Board, record: &KpiRecord) -> Change {
    board.apply(next(board, 0), Some(key(record).as_bytes()), None).expect("a readable key")
}
