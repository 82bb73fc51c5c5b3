//! JSON Schema (2020-12) of the events, read off the table of fields.
//!
//! It accepts what the decoder accepts in kind and presence: an unknown type passes, an unknown word
//! of an optional field too. What it cannot say (a score within its scale, an end after its start,
//! a day that exists) only the decoder knows.

use super::table::{COMMON, Shape, Type, Use, WAIT_MAX_MS};
use serde_json::{Map, Value, json};

/// The schema of one event.
pub fn event() -> Value {
    let mut properties = properties(COMMON);
    properties.insert("type".to_owned(), json!({ "type": "string", "minLength": 1, "examples": type_names() }));
    let types: Vec<Value> = Type::ALL.iter().map(|kind| when(*kind)).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Callpulse event",
        "description": "One thing that happened in a call centre. Unknown types and fields are ignored.",
        "type": "object",
        "required": required(COMMON),
        "properties": properties,
        "allOf": types,
    })
}

/// What holds for events of one type.
fn when(kind: Type) -> Value {
    let mut then = json!({
        "description": kind.meaning(),
        "required": required(kind.fields()),
        "properties": properties(kind.fields()),
    });
    let any_of: Vec<Value> = kind
        .any_of()
        .iter()
        .map(|field| json!({ "required": [field.word()], "properties": { field.word(): { "type": "string" } } }))
        .collect();
    if !any_of.is_empty() {
        then["anyOf"] = Value::Array(any_of);
    }
    json!({ "if": { "properties": { "type": { "const": kind.word() } } }, "then": then })
}

fn type_names() -> Vec<&'static str> {
    Type::ALL.iter().map(|kind| kind.word()).collect()
}

fn required(uses: &[Use]) -> Vec<&'static str> {
    uses.iter().filter(|used| used.required).map(|used| used.field.word()).collect()
}

fn properties(uses: &[Use]) -> Map<String, Value> {
    uses.iter().map(|used| (used.field.word().to_owned(), property(*used))).collect()
}

/// A null stands for an absent field, so an optional one may be null.
fn property(used: Use) -> Value {
    let mut schema = match used.shape {
        Shape::Id => json!({ "type": "string", "minLength": 1 }),
        Shape::Text => json!({ "type": "string" }),
        Shape::Integer => json!({ "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX }),
        Shape::Count => json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX }),
        Shape::Wait => json!({ "type": "integer", "minimum": 0, "maximum": WAIT_MAX_MS }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Amount => json!({ "type": "number", "minimum": 0 }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Time => json!({ "anyOf": [
            { "type": "string", "format": "date-time" },
            { "type": "integer", "minimum": 100_000_000_000_i64, "exclusiveMaximum": 253_370_764_800_000_i64 },
        ] }),
        Shape::Score => json!({
            "type": "object",
            "required": ["score", "min", "max"],
            "properties": {
                "score": { "type": "number" }, "min": { "type": "number" }, "max": { "type": "number" },
            },
        }),
        Shape::Closed(words) => json!({ "enum": words() }),
        Shape::Open(words) => json!({ "anyOf": [{ "enum": words() }, { "type": "string" }] }),
    };
    if !used.required {
        schema = json!({ "anyOf": [schema, { "type": "null" }] });
    }
    schema["description"] = Value::from(used.field.meaning());
    schema
}
