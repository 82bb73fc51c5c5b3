//! The JSON Schema of an alert record.
//!
//! As that of KPI records it says what this version promises and leaves room for what later ones add.

use super::condition::Measure;
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
        "clear_since": {"$ref": "#/$defs/time", "description": "since when it had been clear when it resolved as cleared"},
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
        "keep_firing_for_ms": {"type": "integer", "description": "for how long it has to be clear before it resolves"},
        "runbook_url": text,
        "panel_url": text,
    });
    if let (Some(properties), Some(own)) = (properties.as_object_mut(), own.as_object()) {
        properties.extend(own.clone());
    }
    let optional = ["reason", "clear_since", "resolved_at", "runbook_url", "panel_url", "numerator", "denominator"];
    let optional = optional.into_iter().chain(OF_SOME).collect::<Vec<_>>();
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
        "$defs": {"time": time(), "level": level, "assumptions": assumptions(), "budget": budget()},
    })
}

/// What of a level stands only where something is made of a KPI, or where it is of agents' time.
const OF_SOME: [&str; 4] = ["measure", "assumptions", "budget", "min_login_ms"];

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
            "min_login_ms": {"type": "integer", "minimum": 1, "description": "only of rates of agents' time"},
            "measure": {"enum": Measure::WORDS, "description": "what is made of the KPI; absent of the KPI itself"},
            "assumptions": {"$ref": "#/$defs/assumptions"},
            "budget": {"$ref": "#/$defs/budget"},
        },
        "required": ["kpi", "window", "value", "trigger", "clear", "side", "min_volume"],
    })
}

/// What a measure was worked out from.
fn assumptions() -> Value {
    let rate = json!({
        "type": "object",
        "properties": {
            "window": {"type": "string"},
            "missed": {"type": "integer"},
            "counted": {"type": "integer"},
            "rate": {"type": "number", "description": "how many times as fast as the target allows"},
        },
        "required": ["window", "missed", "counted", "rate"],
    });
    let burn = json!({
        "type": "object",
        "description": "of a burn rate",
        "properties": {
            "target": {"type": "number", "description": "the wanted service level, 0 to 1"},
            "windows": {"type": "array", "items": rate, "description": "the long window and the short one"},
        },
        "required": ["target", "windows"],
    });
    let forecast = json!({
        "type": "object",
        "description": "of a forecast",
        "properties": {
            "within_s": {"type": "integer", "description": "how far it looks ahead"},
            "arrivals_per_hour": {"type": "number"},
            "handle_time_s": {"type": "number"},
            "agents": {"type": "integer", "description": "handling, ringing or available"},
            "patience_s": {"type": ["number", "null"], "description": "null if nobody gave up"},
            "service_level": {"type": "number", "description": "of the calls to come"},
            "waits": {"type": "number", "description": "the share of the calls to come that find no agent free"},
            "window": {"type": "string", "description": "the interval"},
            "met": {"type": "integer", "description": "calls of the interval so far that met the service level"},
            "counted": {"type": "integer"},
            "minutes_until": {
                "type": ["number", "null"],
                "description": "until the interval's service level is below the trigger; null if not before it ends",
            },
        },
        "required": [
            "within_s", "arrivals_per_hour", "handle_time_s", "agents", "patience_s", "service_level", "waits", "window", "met",
            "counted", "minutes_until",
        ],
    });
    let unusual = json!({
        "type": "object",
        "description": "of a deviation",
        "properties": {
            "start": {"$ref": "#/$defs/time", "description": "when the interval began"},
            "kpi_value": {"type": "number"},
            "weeks": {
                "type": "array",
                "items": {"type": ["number", "null"]},
                "description": "the KPI in the weeks before, the last one first; null where there was none",
            },
            "median": {"type": "number"},
            "spread": {"type": "number", "description": "what the distance from the median is divided by"},
        },
        "required": ["start", "kpi_value", "weeks", "median", "spread"],
    });
    json!({"anyOf": [burn, forecast, unusual], "description": "what the value was worked out from; absent without one"})
}

/// The misses that a target allows in the open interval.
fn budget() -> Value {
    json!({
        "type": "object",
        "description": "of a burn rate the misses that the target allows in the open interval",
        "properties": {
            "window": {"type": "string"},
            "target": {"type": "number"},
            "counted": {"type": "integer", "description": "calls that count for the service level so far"},
            "allowed": {"type": "number", "description": "those of them that may be missed"},
            "missed": {"type": "integer"},
            "used": {"type": ["number", "null"], "description": "missed / allowed; null while no call counted"},
            "spent_at": {
                "$ref": "#/$defs/time",
                "description": "when all is used at the pace of the long window; absent if not before the interval ends",
            },
        },
        "required": ["window", "target", "counted", "allowed", "missed", "used"],
    })
}
