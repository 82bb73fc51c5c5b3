//! The JSON Schema of a KPI record, made from the catalogue.

use super::catalogue::{COUNTS, KPIS, SUMS, What};
use super::record::SCHEMA;
use crate::entity::Kind;
use crate::event::Channel;
use crate::tally::weeks::WEEKS;
use serde_json::{Map, Value, json};

/// JSON Schema (draft 2020-12) of `callpulse.kpi.v1`.
pub fn record() -> Value {
    let time = json!({"type": "string", "format": "date-time"});
    let integer = json!({"type": "integer"});
    let counts: Map<String, Value> = COUNTS
        .iter()
        .map(|count| {
            let by = json!({"type": "object", "additionalProperties": {"type": "integer"}, "description": count.note});
            let one = json!({"type": "integer", "description": count.note});
            (count.name.to_string(), if matches!(count.what, What::By(_)) { by } else { one })
        })
        .collect();
    let sums: Map<String, Value> =
        SUMS.iter().map(|sum| (sum.name.to_string(), json!({"type": "integer", "description": sum.note}))).collect();
    let kpis: Map<String, Value> = KPIS
        .iter()
        .map(|kpi| {
            let description = format!("{} ({})", kpi.formula, kpi.unit);
            (kpi.id.to_string(), json!({"$ref": "#/$defs/kpi", "description": description}))
        })
        .collect();
    let targets: Map<String, Value> = COUNTS
        .iter()
        .filter_map(|count| Some((count.wanted?.0.to_string(), json!({"$ref": "#/$defs/target"}))))
        .collect();
    let facts = json!({
        "counts": {"type": "object", "properties": counts},
        "sums_ms": {"type": "object", "properties": sums},
        "kpis": {
            "type": "object",
            "properties": kpis,
            "additionalProperties": {"$ref": "#/$defs/kpi"},
            "description": "further service levels are service_level.NAME",
        },
    });
    let mut by_entry = facts.as_object().cloned().unwrap_or_default();
    by_entry.insert("waiting".into(), json!({"type": "integer", "description": "entered and not out yet"}));
    by_entry.insert(
        "unsettled".into(),
        json!({"type": "integer", "description": "visits with facts too long after their entry to be booked there"}),
    );
    let mut properties = json!({
        "schema": {"const": SCHEMA},
        "tenant": {"type": "string"},
        "entity": {
            "type": "object",
            "properties": {
                "kind": {"enum": Kind::ALL.map(Kind::word)},
                "id": {"type": "string"},
                "title": {"type": "string"},
                "channel": {"enum": Channel::ALL.iter().map(|channel| channel.word()).collect::<Vec<_>>()},
                "queue": {"type": "string"},
                "agent": {"type": "string"},
            },
            "required": ["kind", "id"],
        },
        "window": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "kind": {"enum": ["sliding", "interval", "total", "now"]},
                "start": {"anyOf": [time, {"type": "null"}]},
                "end": time,
            },
            "required": ["name", "kind", "start", "end"],
        },
        "as_of": time,
        "version": {"type": "integer", "minimum": 0},
        "final": {"type": "boolean"},
        "corrected": {"type": "boolean"},
        "covered_from": time,
        "gap": {"type": "boolean"},
        "targets": {
            "type": "object",
            "properties": targets,
            "description": "what the settings want counts to be",
        },
        "by_entry": {"type": "object", "properties": by_entry},
        "profile": {
            "type": "object",
            "properties": {
                "start": time,
                "end": time,
                "weeks_seen": {"type": "integer", "minimum": 1, "maximum": WEEKS},
                "offered": {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": integer, "minItems": 24, "maxItems": 24},
                    "description": "monday to sunday, each by hour of the wall clock: sums over the weeks",
                },
            },
            "required": ["start", "end", "weeks_seen", "offered"],
        },
        "waiting": integer,
        "counters": {"type": "object"},
        "now": {
            "type": "object",
            "properties": {
                "agents": {
                    "type": "object",
                    "additionalProperties": {"type": "integer"},
                    "description": "agents by state, which add up to agents_logged_in",
                },
                "agents_logged_in": integer,
            },
        },
        "paused_by_reason_ms": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "description": "part of sums_ms.state_paused; the longest come first, beyond fifty the rest is `other`",
        },
    });
    if let (Some(properties), Some(facts)) = (properties.as_object_mut(), facts.as_object()) {
        properties.extend(facts.clone());
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Callpulse KPI record",
        "type": "object",
        "properties": properties,
        "required": ["schema", "tenant", "entity", "window", "as_of", "version", "final", "corrected", "counts", "sums_ms", "kpis"],
        "$defs": {"target": {
            "type": "object",
            "properties": {"target": {"type": "number"}, "met": {"type": "boolean"}},
            "required": ["target", "met"],
        }, "kpi": {
            "type": "object",
            "properties": {
                "value": {"type": ["number", "null"], "description": "null: nothing below the line"},
                "unit": {"type": "string", "description": "absent for a ratio"},
                "numerator": integer,
                "numerator_ms": integer,
                "denominator": integer,
                "formula": {"type": "string"},
                "threshold_s": integer,
                "target": {"type": "number"},
                "met": {"type": "boolean"},
            },
            "required": ["value"],
        }},
    })
}
