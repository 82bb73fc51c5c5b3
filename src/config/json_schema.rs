//! The JSON Schema of the settings, written from the table of keys and the defaults.

use super::keys::{CONDITION, DOCUMENT};
use super::shape::{Key, Shape, Standing};
use crate::decode::format::Encoding;
use serde_json::{Map, Value, json};

/// JSON Schema of a settings file; `defaults` is what stands where a file says nothing.
pub fn schema(defaults: &toml::Table) -> Value {
    let mut schema = object(&DOCUMENT, Some(&toml::Value::Table(defaults.clone())));
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Callpulse settings"));
    schema.insert("$defs".to_owned(), json!({ "condition": table(CONDITION, None) }));
    Value::Object(schema)
}

fn object(shape: &Shape, default: Option<&toml::Value>) -> Map<String, Value> {
    let schema = match shape {
        Shape::Table(keys) => return table(keys, default),
        Shape::Names(each) => json!({ "type": "object", "additionalProperties": object(each, None) }),
        Shape::Properties => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "object"] } })
        }
        Shape::List { of, distinct } => json!({ "type": "array", "items": object(of, None), "uniqueItems": distinct }),
        Shape::Text => json!({ "type": "string", "pattern": "\\S" }),
        Shape::Secret { least } => json!({ "type": "string", "pattern": "^[!-~]+$", "minLength": least }),
        Shape::Host => json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]+$" }),
        Shape::Brokers => {
            json!({ "type": ["string", "array"], "items": { "type": "string" }, "minLength": 1, "minItems": 1 })
        }
        Shape::Name => json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]+$", "maxLength": 200 }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Number { min, max } if min.abs() == f64::MAX && max.abs() == f64::MAX => json!({ "type": "number" }),
        Shape::Number { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
        Shape::Switch => json!({ "type": "boolean" }),
        Shape::Duration { .. } | Shape::WaitEdge { .. } => {
            json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" })
        }
        Shape::Interval => json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d)|1w|1mo)$" }),
        Shape::Also => json!({ "type": "string", "pattern": "^[a-z_]+(@[0-9]+(ms|s|m|h|d))?$" }),
        Shape::TimeZone | Shape::Moment | Shape::Address | Shape::TimeFormat => json!({ "type": "string" }),
        Shape::Encoding => {
            let words: Vec<_> = Encoding::all().map(Encoding::word).collect();
            json!({ "enum": words })
        }
        Shape::Delimiter => json!({ "type": "string", "pattern": "^[\t!#-/:-@\\[-`{-~]$" }),
        Shape::Hours => json!({ "type": "string", "pattern": "[0-9]" }),
        Shape::ClosedDay => json!({ "type": "string", "pattern": "^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$" }),
        Shape::Condition => json!({ "$ref": "#/$defs/condition" }),
        Shape::Anything => json!({}),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn table(keys: &[Key], default: Option<&toml::Value>) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in keys {
        let default = default.and_then(|table| table.get(key.name));
        let mut schema = object(&key.shape, default);
        schema.insert("description".to_owned(), json!(key.about));
        let default = default.filter(|value| !value.is_table()).and_then(|value| serde_json::to_value(value).ok());
        if let Some(default) = default {
            schema.insert("default".to_owned(), default);
        }
        properties.insert(key.name.to_owned(), Value::Object(schema));
    }
    let required: Vec<&str> =
        keys.iter().filter(|key| key.standing == Standing::Required).map(|key| key.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}
