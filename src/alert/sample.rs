//! Records for the tests of what reads them.

use super::condition::{Level, Measure};
use crate::kpi::record::KpiRecord;
use crate::time::Span;
use serde_json::{Value, json};

/// What the records are as of.
pub const NOON: &str = "2026-03-02T12:00:00.000Z";

/// A level of the KPI itself, above a half.
pub fn level() -> Level {
    Level {
        kpi: "abandonment_rate".to_owned(),
        window: "30m".to_owned(),
        measure: Measure::Value,
        trigger: 0.5,
        clear: 0.5,
        is_above: true,
        min_volume: 0,
        min_login: Span(0),
    }
}

/// A record of a queue's window (name, start, end) as of [`NOON`], with parts in place of those of an empty one.
pub fn record((name, start, end): (&str, &str, &str), parts: Value) -> KpiRecord {
    let mut record = json!({
        "schema": "callpulse.kpi.v1",
        "tenant": "default",
        "entity": {"kind": "queue", "id": "sales"},
        "window": {"name": name, "kind": "sliding", "start": start, "end": end},
        "as_of": NOON,
        "version": 1,
        "final": false,
        "corrected": false,
        "counts": {},
        "sums_ms": {},
        "kpis": {},
    });
    let Value::Object(parts) = parts else { panic!("parts are an object: {parts}") };
    record.as_object_mut().expect("an object").extend(parts);
    serde_json::from_value(record).expect("a KPI record")
}
