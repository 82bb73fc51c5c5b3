//! Records for the tests of what reads them.

use crate::kpi::record::KpiRecord;
use serde_json::{Value, json};

/// What the records are as of.
pub const NOON: &str = "2026-03-02T12:00:00.000Z";

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
