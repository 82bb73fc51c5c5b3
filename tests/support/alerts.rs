//! Alerts made by hand, as they stand in their topic.

use callpulse::time::EventTime;
use serde_json::{Value, json};

/// A rule's alert for a queue, which it has been since.
pub fn firing(rule: &str, id: &str, since: EventTime) -> Value {
    json!({
        "schema": "callpulse.alert.v1", "alert_id": format!("{:016x}", since.0), "rule": rule, "tenant": "default",
        "entity": { "kind": "queue", "id": id, "title": "Sales" }, "state": "firing", "since": since.to_string(),
        "as_of": since.to_string(), "version": 7, "severity": "critical",
        "title": "abandonment rate of Sales is 12.3 %", "text": "37 of 301, more than 10 %", "kpi": "abandonment_rate",
        "window": "30m", "value": 0.123, "numerator": 37, "denominator": 301, "trigger": 0.1, "clear": 0.07,
        "side": "above", "min_volume": 20,
        "levels": [{ "kpi": "abandonment_rate", "window": "30m", "value": 0.123, "numerator": 37, "denominator": 301,
                     "trigger": 0.1, "clear": 0.07, "side": "above", "min_volume": 20 }],
        "for_ms": 120_000, "keep_firing_for_ms": 300_000, "runbook_url": "https://example.org/abandonment",
    })
}

/// The same once it resolved.
pub fn resolved(mut record: Value, at: EventTime) -> Value {
    record["state"] = json!("resolved");
    record["reason"] = json!("cleared");
    record["resolved_at"] = json!(at.to_string());
    record
}

pub fn key(record: &Value) -> String {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let entity = &record["entity"];
    [&record["rule"], &record["tenant"], &entity["kind"], &entity["id"]].map(text).join("|")
}
