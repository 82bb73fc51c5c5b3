//! The JSON Schemas of what subscribers read beside KPI records: call records, progress records, and the headers of
//! records and of rejects.

use super::outlet::RecordFormat;
use super::{call_record, progress};
use crate::alert;
use crate::event::{Channel, LeaveReason, Reason};
use crate::kpi::record;
use crate::kpi::schema::time;
use serde_json::{Value, json};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Of `callpulse.call.v1`.
pub fn call() -> Value {
    let (text, flag) = (json!({"type": "string"}), json!({"type": "boolean"}));
    let length = json!({"type": "integer", "description": "milliseconds"});
    let channels: Vec<&str> = Channel::ALL.iter().map(|channel| channel.word()).collect();
    let left = LeaveReason::ALL.iter().map(|reason| reason.word());
    let visit_outcomes: Vec<&str> = ["answered", "lost"].into_iter().chain(left).collect();
    let visit = all_of(json!({
        "queue": text,
        "entered": time(),
        "left": or_null(time()),
        "outcome": or_null(json!({"enum": visit_outcomes})),
        "waited_ms": or_null(length.clone()),
        "offered": flag,
    }));
    let connection = all_of(json!({
        "agent": text,
        "queue": or_null(text.clone()),
        "began": time(),
        "ended": or_null(time()),
        "talk_ms": or_null(length.clone()),
        "hold_ms": length,
        "wrapup_ms": length,
    }));
    let mut schema = all_of(json!({
        "schema": {"const": call_record::SCHEMA},
        "tenant": text,
        "call_id": text,
        "root_id": or_null(text.clone()),
        "version": {"type": "integer", "minimum": 0},
        "channel": {"enum": channels},
        "inbound": flag,
        "began": time(),
        "arrived": or_null(time()),
        "ended": or_null(time()),
        "outcome": {"enum": ["answered", "abandoned", "flowed_out", "handled", "blocked", "left_in_ivr"]},
        "visits": {"type": "array", "items": visit},
        "connections": {"type": "array", "items": connection},
    }));
    schema["properties"]["left_out"] = json!({
        "type": "integer",
        "minimum": 1,
        "description": "visits and connections that have no place in the record, which no call has unless its id is not unique",
    });
    schema["$schema"] = json!(DIALECT);
    schema["title"] = json!("Callpulse call record");
    schema
}

/// Of `callpulse.progress.v1`.
pub fn progress() -> Value {
    let mut schema = all_of(json!({
        "schema": {"const": progress::SCHEMA},
        "generation": {"type": "integer", "minimum": 1},
        "as_of": time(),
        "behind_ms": {"type": "integer", "minimum": 0},
        "settled": or_null(time()),
        "silent": {"type": "array", "items": {"type": "string"}, "description": "topics of events"},
    }));
    schema["$schema"] = json!(DIALECT);
    schema["title"] = json!("Callpulse progress record");
    schema
}

fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// Of the headers of KPI, call, progress and alert records, as an object of texts. A tombstone has none.
pub fn headers() -> Value {
    json!({
        "$schema": DIALECT,
        "title": "Headers of Callpulse records, as of CloudEvents 1.0 in binary mode",
        "type": "object",
        "properties": {
            "content-type": {"enum": RecordFormat::ALL.map(RecordFormat::media_type)},
            "ce_specversion": {"const": "1.0"},
            "ce_type": {"enum": [record::SCHEMA, call_record::SCHEMA, progress::SCHEMA, alert::record::SCHEMA]},
            "ce_source": {"const": "callpulse"},
            "ce_id": {"type": "string", "description": "the key, @, and what is new of it: the version, of progress and alerts other fields"},
            "ce_time": time(),
        },
        "required": ["content-type", "ce_specversion", "ce_type", "ce_source", "ce_id"],
    })
}

/// Of the headers of a reject, as an object of texts.
pub fn reject() -> Value {
    let number = json!({"type": "string", "pattern": "^[0-9]+$"});
    let cut = |what| json!({"type": "string", "pattern": "^[0-9]+$", "description": format!("how long the {what} was that is cut")});
    json!({
        "$schema": DIALECT,
        "title": "Headers of a Callpulse reject",
        "type": "object",
        "properties": {
            "reason": {"enum": Reason::ALL.iter().map(|reason| reason.word()).collect::<Vec<_>>()},
            "sentence": {"type": "string"},
            "source_topic": {"type": "string"},
            "source_partition": number,
            "source_offset": number,
            "key_bytes": cut("key"),
            "value_bytes": cut("value"),
        },
        "required": ["reason", "sentence", "source_topic", "source_partition", "source_offset"],
    })
}

/// An object that has all of these fields.
fn all_of(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    json!({"type": "object", "properties": properties, "required": required})
}
