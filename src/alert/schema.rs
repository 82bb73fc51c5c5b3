//! The JSON Schema of an alert record.
//!
//! As that of KPI records it says what this version promises and leaves room for what later ones add.

use super::record::SCHEMA;
use super::rule::Severity;
use super::state::Why;
use crate::entity::Kind;
use crate::kpi::schema::time;
use serde_json::{Value, json};

/// JSON Schema (draft 2020-12) of `callpulse.alert.v1`.
pub fn record() -> Value {
    let (text, integer) = (json!({"type": "string"}), json!({"type": "integer"}));
    let level = level();
    let mut properties = level["properties"].clone();
    let own = json!({
        "schema": {"const": SCHEMA},
        "alert_id": {"type": "string", "pattern": "^[0-9a-f]{16}$", "description": "the same from firing to resolved"},
        "rule": text,
        "tenant": text,
        "entity": {
            "type": "object",
            "properties": {
                "kind": {"anyOf": [
                    {"enum": Kind::ALL.map(Kind::word)},
                    {"enum": ["source", "partition", "engine"], "description": "of the program's own alerts"},
                ]},
                "id": text,
                "title": text,
            },
            "required": ["kind", "id"],
        },
        "state": {"enum": ["firing", "resolved"]},
        "reason": {"enum": Why::ALL.map(Why::word), "description": "why it resolved"},
        "since": {"$ref": "#/$defs/time", "description": "when the condition began to hold"},
        "as_of": {"$ref": "#/$defs/time"},
        "resolved_at": {"$ref": "#/$defs/time"},
        "version": {"type": "integer", "minimum": 0},
        "severity": {"enum": Severity::ALL.map(Severity::word)},
        "title": text,
        "text": text,
        "levels": {
            "type": "array",
            "items": {"$ref": "#/$defs/level"},
            "minItems": 1,
            "description": "every number the rule looks at; the first stands in the record itself too",
        },
        "for_ms": integer,
        "runbook_url": text,
        "panel_url": text,
    });
    if let (Some(properties), Some(own)) = (properties.as_object_mut(), own.as_object()) {
        properties.extend(own.clone());
    }
    let optional = ["reason", "resolved_at", "runbook_url", "panel_url", "numerator", "denominator"];
    let names = properties.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let required: Vec<&str> = names.filter(|name| !optional.contains(name)).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Callpulse alert record",
        "type": "object",
        "properties": properties,
        "required": required,
        "allOf": [
            {
                "if": {"properties": {"state": {"const": "resolved"}}},
                "then": {"required": ["reason", "resolved_at"]},
            },
        ],
        "$defs": {"time": time(), "level": level},
    })
}

fn level() -> Value {
    json!({
        "type": "object",
        "properties": {
            "kpi": {"type": "string"},
            "window": {"type": "string"},
            "value": {"type": ["number", "null"], "description": "null: there was none, or of too few calls"},
            "numerator": {"type": "integer"},
            "denominator": {"type": "integer"},
            "trigger": {"type": "number"},
            "clear": {"type": "number"},
            "side": {"enum": ["above", "below"], "description": "on which side of the trigger it fires"},
            "min_volume": {"type": "integer", "minimum": 0},
        },
        "required": ["kpi", "window", "value", "trigger", "clear", "side", "min_volume"],
    })
}
