//! A check of values against JSON Schemas, for the keywords that ours use; any other stops the test.

use callpulse::time::EventTime;
use serde_json::Value;

/// Whether the value satisfies the schema.
pub fn accepts(schema: &Value, value: &Value) -> bool {
    Check { root: schema, is_closed: false }.accepts(schema, value)
}

/// Whether it does so, and has no field that the schema does not name.
pub fn knows(schema: &Value, value: &Value) -> bool {
    Check { root: schema, is_closed: true }.accepts(schema, value)
}

#[derive(Clone, Copy)]
struct Check<'s> {
    root: &'s Value,
    is_closed: bool,
}

impl Check<'_> {
    fn accepts(self, schema: &Value, value: &Value) -> bool {
        let keywords = schema.as_object().expect("a schema");
        let is_named = |name: &str| keywords["properties"].get(name).is_some();
        let names_all = keywords.contains_key("type") && keywords.contains_key("properties");
        if self.is_closed && names_all && !keywords.contains_key("additionalProperties") {
            let fields = value.as_object();
            if fields.is_some_and(|fields| fields.keys().any(|name| !is_named(name))) {
                return false;
            }
        }
        keywords.iter().all(|(keyword, argument)| match keyword.as_str() {
            "type" => match argument {
                Value::Array(kinds) => kinds.iter().any(|kind| is_of(kind.as_str().expect("a type"), value)),
                kind => is_of(kind.as_str().expect("a type"), value),
            },
            "required" => {
                let mut names = list(argument).iter().map(|name| name.as_str().expect("a name"));
                !value.is_object() || names.all(|name| value.get(name).is_some())
            }
            "properties" => {
                let mut schemas = argument.as_object().expect("schemas by name").iter();
                schemas.all(|(name, schema)| value.get(name).is_none_or(|value| self.accepts(schema, value)))
            }
            "additionalProperties" => {
                let named = schema.get("properties").and_then(Value::as_object);
                let is_named = |name: &str| named.is_some_and(|named| named.contains_key(name));
                let mut others = value.as_object().into_iter().flatten().filter(|(name, _)| !is_named(name));
                others.all(|(_, value)| self.accepts(argument, value))
            }
            "items" => value.as_array().is_none_or(|items| items.iter().all(|item| self.accepts(argument, item))),
            "minItems" => value.as_array().is_none_or(|items| argument.as_u64() <= Some(items.len() as u64)),
            "maxItems" => value.as_array().is_none_or(|items| Some(items.len() as u64) <= argument.as_u64()),
            "const" => value == argument,
            "enum" => list(argument).contains(value),
            "allOf" => list(argument).iter().all(|schema| self.accepts(schema, value)),
            "anyOf" => list(argument).iter().any(|schema| self.accepts(schema, value)),
            "not" => !self.accepts(argument, value),
            "if" => !self.accepts(argument, value) || self.accepts(&schema["then"], value),
            "$ref" => {
                let place = argument.as_str().and_then(|place| place.strip_prefix('#')).expect("a place in the schema");
                let of = self.root.pointer(place).unwrap_or_else(|| panic!("{place} is not in the schema"));
                self.accepts(of, value)
            }
            "pattern" => value.as_str().is_none_or(|text| matches(argument.as_str().expect("a pattern"), text)),
            "minLength" => value.as_str().is_none_or(|text| argument.as_u64() <= Some(text.chars().count() as u64)),
            "minimum" => value.as_f64().is_none_or(|number| argument.as_f64() <= Some(number)),
            "maximum" => value.as_f64().is_none_or(|number| Some(number) <= argument.as_f64()),
            "exclusiveMaximum" => value.as_f64().is_none_or(|number| Some(number) < argument.as_f64()),
            "$schema" | "title" | "description" | "examples" | "format" | "then" | "$defs" => true,
            other => panic!("keyword {other}"),
        })
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("type {other}"),
    }
}

fn list(argument: &Value) -> &[Value] {
    argument.as_array().expect("a list")
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        callpulse::kpi::schema::TIME => EventTime::parse(text).is_some_and(|time| time.to_string() == text),
        "^[0-9]+$" => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        "^[0-9a-f]{16}$" => text.len() == 16 && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c)),
        other => panic!("pattern {other}"),
    }
}
