//! JSON Schema as far as our own documents use it; a keyword that is not known here fails the test.

use callpulse::time::EventTime;
use serde_json::Value;

/// Everything in which a value is not as the schema says.
pub fn faults(document: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let fault = |what: String| format!("{place}: {what}");
    for (keyword, says) in schema.as_object().expect("a schema") {
        match keyword.as_str() {
            "description" | "title" | "$defs" | "examples" | "then" => {}
            "$ref" => faults.extend(self::faults(document, resolve(document, says), value, place)),
            "type" => {
                let types: Vec<&Value> = says.as_array().map_or(vec![says], |types| types.iter().collect());
                if !types.iter().any(|one| is_of_type(value, one.as_str().expect("a type"))) {
                    faults.push(fault(format!("{value} is not of type {says}")));
                }
            }
            "enum" => {
                if !says.as_array().expect("values").contains(value) {
                    faults.push(fault(format!("{value} is none of {says}")));
                }
            }
            "const" => {
                if says != value {
                    faults.push(fault(format!("{value} is not {says}")));
                }
            }
            "anyOf" => {
                let mut ways = says.as_array().expect("schemas").iter();
                if !ways.any(|way| self::faults(document, way, value, place).is_empty()) {
                    faults.push(fault(format!("{value} is none of what it may be")));
                }
            }
            "allOf" => {
                for schema in says.as_array().expect("schemas") {
                    faults.extend(self::faults(document, schema, value, place));
                }
            }
            "if" => {
                if self::faults(document, says, value, place).is_empty() {
                    faults.extend(self::faults(document, &schema["then"], value, place));
                }
            }
            "not" => {
                if self::faults(document, says, value, place).is_empty() {
                    faults.push(fault(format!("{value} is {says}")));
                }
            }
            "pattern" => {
                let text = value.as_str().unwrap_or_default();
                let is_of_it = match says.as_str().expect("a pattern") {
                    callpulse::kpi::schema::TIME => EventTime::parse(text).is_some(),
                    "^[0-9a-f]{16}$" => text.len() == 16 && u64::from_str_radix(text, 16).is_ok(),
                    other => panic!("pattern {other}"),
                };
                if value.is_string() && !is_of_it {
                    faults.push(fault(format!("{value} is not {says}")));
                }
            }
            "required" => {
                for name in says.as_array().expect("names").iter().filter_map(Value::as_str) {
                    if value.as_object().is_some_and(|fields| !fields.contains_key(name)) {
                        faults.push(fault(format!("{name} is missing")));
                    }
                }
            }
            "properties" => {
                for (name, schema) in says.as_object().expect("schemas") {
                    if let Some(value) = value.get(name) {
                        faults.extend(self::faults(document, schema, value, &format!("{place}.{name}")));
                    }
                }
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object();
                let fields = value.as_object().into_iter().flatten();
                for (name, value) in fields.filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name))) {
                    match says {
                        Value::Bool(false) => faults.push(fault(format!("{name} is unknown"))),
                        schema => faults.extend(self::faults(document, schema, value, &format!("{place}.{name}"))),
                    }
                }
            }
            "items" => {
                for (number, value) in value.as_array().into_iter().flatten().enumerate() {
                    faults.extend(self::faults(document, says, value, &format!("{place}[{number}]")));
                }
            }
            "minItems" | "maxItems" => {
                let length = value.as_array().map_or(0, Vec::len) as u64;
                let bound = says.as_u64().expect("a number");
                if if keyword == "minItems" { length < bound } else { bound < length } {
                    faults.push(fault(format!("{length} items, {keyword} {bound}")));
                }
            }
            "minimum" | "maximum" => {
                let (number, bound) = (value.as_f64().unwrap_or(0.0), says.as_f64().expect("a number"));
                if if keyword == "minimum" { number < bound } else { bound < number } {
                    faults.push(fault(format!("{number}, {keyword} {bound}")));
                }
            }
            "format" => {
                assert_eq!(says, "date-time");
                if value.as_str().is_some_and(|text| EventTime::parse(text).is_none()) {
                    faults.push(fault(format!("{value} is no time")));
                }
            }
            other => panic!("{place}: the keyword {other} is not known here"),
        }
    }
    faults
}

/// What a reference within the document is to.
#[track_caller]
pub fn resolve<'d>(document: &'d Value, reference: &Value) -> &'d Value {
    let pointer = reference.as_str().and_then(|reference| reference.strip_prefix('#')).expect("a reference to within");
    document.pointer(pointer).unwrap_or_else(|| panic!("{reference} is to nothing"))
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    }
}

#[test]
fn what_is_not_as_the_schema_says_is_told() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "type": "array", "items": { "enum": [1, 2] }, "maxItems": 2 }, "b": { "format": "date-time" } },
    });
    let told = |value: &str| faults(&schema, &schema, &serde_json::from_str(value).unwrap(), "it").len();
    assert_eq!(told(r#"{"a":[1,2],"b":"2026-03-02T08:15:00Z"}"#), 0);
    for (value, count) in [("{}", 1), ("[]", 1), (r#"{"a":[3]}"#, 1), (r#"{"a":[1,1,1],"c":0,"b":"x"}"#, 3)] {
        assert_eq!(told(value), count, "{value}");
    }
}
