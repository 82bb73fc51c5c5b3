//! What is written about the native formats, held against the table of fields: the manual, the
//! protobuf message and the JSON Schema.

#[path = "support/events.rs"]
mod events;
#[path = "support/schema.rs"]
#[expect(dead_code, reason = "the schema of events is open only")]
mod schemas;

use callpulse::decode::table::{COMMON, Field, Shape, Type, Use, Wire};
use callpulse::decode::{json, schema};
use callpulse::event::Decoded;
use events::arbitrary_event;
use proptest::prelude::*;
use schemas::accepts;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

const BEGIN: &str = "<!-- fields: written from the code, `UPDATE=1 cargo test --test formats` -->\n";
const END: &str = "<!-- end of fields -->\n";

#[test]
fn the_manual_has_the_fields_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md");
    let manual = fs::read_to_string(&path).unwrap();
    let (before, rest) = manual.split_once(BEGIN).expect("docs/formats.md has the line where the fields begin");
    let (_, after) = rest.split_once(END).expect("docs/formats.md has the line where the fields end");
    let expected = format!("{before}{BEGIN}{}{END}{after}", tables());
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    assert!(
        manual == expected,
        "docs/formats.md differs from the code; UPDATE=1 cargo test --test formats rewrites it"
    );
}

#[test]
fn the_examples_of_the_manual_are_events() {
    let manual = include_str!("../docs/formats.md");
    let examples: Vec<&str> = manual.lines().filter(|line| line.starts_with("    {")).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let decoded = json::decode(example.as_bytes());
        assert!(matches!(decoded, Ok(Decoded::Event(_))), "{example}: {decoded:?}");
    }
}

#[test]
fn the_protobuf_message_has_the_fields_of_the_code() {
    let proto = include_str!("../proto/callpulse/v1/event.proto");
    let (_, message) = proto.split_once("message Event {\n").unwrap();
    let written: Vec<&str> = message.lines().map(str::trim).filter(|line| line.starts_with("optional")).collect();
    let expected: Vec<String> = Field::ALL
        .iter()
        .map(|field| {
            let wire = match field.wire() {
                Wire::String => "string",
                Wire::Int64 => "int64",
                Wire::Double => "double",
                Wire::Bool => "bool",
                Wire::Score => "Score",
            };
            format!("optional {wire} {} = {};", field.protobuf_name(), field.number())
        })
        .collect();
    assert_eq!(written, expected);
}

#[test]
fn every_field_has_one_protobuf_type_whatever_the_event() {
    for used in COMMON.iter().chain(Type::ALL.iter().flat_map(|kind| kind.fields())) {
        let wire = match used.shape {
            Shape::Id | Shape::Text | Shape::Closed(_) | Shape::Open(_) => Wire::String,
            Shape::Integer | Shape::Count | Shape::Wait | Shape::Time => Wire::Int64,
            Shape::Number | Shape::Amount => Wire::Double,
            Shape::Flag => Wire::Bool,
            Shape::Score => Wire::Score,
        };
        assert_eq!(used.field.wire(), wire, "{}", used.field.word());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_schema_accepts_every_event(event in arbitrary_event()) {
        let schema = schema::event();
        let record: Value = serde_json::from_str(&json::encode(&event)).unwrap();
        prop_assert!(accepts(&schema, &record), "{}", record);
    }

    #[test]
    fn the_schema_refuses_what_lacks_a_required_field_or_has_one_of_the_wrong_kind(
        event in arbitrary_event(),
        wrong in prop_oneof![Just(None), Just(Some(json!([]))), Just(Some(Value::Null))],
    ) {
        let schema = schema::event();
        let kind = Type::from_word(event.what.name()).unwrap();
        for used in COMMON.iter().chain(kind.fields()).filter(|used| used.required) {
            let mut record: Value = serde_json::from_str(&json::encode(&event)).unwrap();
            match &wrong {
                Some(value) => record[used.field.word()] = value.clone(),
                None => drop(record.as_object_mut().unwrap().remove(used.field.word())),
            }
            prop_assert!(!accepts(&schema, &record), "{}", record);
        }
    }
}

#[test]
fn the_schema_lets_unknown_types_and_words_pass() {
    let schema = schema::event();
    assert!(accepts(&schema, &json!({ "type": "call.parked", "time": 1_772_439_330_120_i64, "x": [] })));
    let mut queued =
        json!({ "type": "call.queued", "time": 1_772_439_330_120_i64, "call_id": "c", "queue": "q", "via": "pigeon" });
    assert!(accepts(&schema, &queued));
    queued["time"] = json!(1_772_439_330);
    assert!(!accepts(&schema, &queued));
    let mut survey = json!({ "type": "survey.answered", "time": 1_772_439_330_120_i64, "queue": null });
    assert!(!accepts(&schema, &survey));
    survey["agent"] = json!("ana");
    assert!(accepts(&schema, &survey));
}

fn tables() -> String {
    let mut out = "\n### Fields of every event\n\n".to_owned();
    table(&mut out, COMMON);
    for kind in Type::ALL {
        write!(out, "### `{}`\n\n{}.\n\n", kind.word(), capital(kind.meaning())).unwrap();
        let any_of: Vec<String> = kind.any_of().iter().map(|field| format!("`{}`", field.word())).collect();
        if let [first @ .., last] = any_of.as_slice() {
            write!(out, "At least one of {} or {last} is required.\n\n", first.join(", ")).unwrap();
        }
        if !kind.fields().is_empty() {
            table(&mut out, kind.fields());
        }
    }
    out
}

fn table(out: &mut String, uses: &[Use]) {
    out.push_str("| field | required | value | meaning |\n|---|---|---|---|\n");
    for Use { field, shape, required } in uses {
        let required = if *required { "yes" } else { "" };
        writeln!(out, "| `{}` | {required} | {} | {} |", field.word(), in_words(*shape), field.meaning()).unwrap();
    }
    out.push('\n');
}

fn in_words(shape: Shape) -> String {
    let listed = |words: Vec<&str>| {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        words.join(", ")
    };
    match shape {
        Shape::Id => "text, not empty".to_owned(),
        Shape::Text => "text".to_owned(),
        Shape::Integer => "whole number".to_owned(),
        Shape::Count => "whole number from 0".to_owned(),
        Shape::Wait => "whole number, at most 366 days".to_owned(),
        Shape::Number => "number".to_owned(),
        Shape::Amount => "number from 0".to_owned(),
        Shape::Flag => "`true` or `false`".to_owned(),
        Shape::Time => "time".to_owned(),
        Shape::Score => "`{\"score\", \"min\", \"max\"}`".to_owned(),
        Shape::Closed(words) => format!("one of {}", listed(words())),
        Shape::Open(words) => format!("{} (also for any other word)", listed(words())),
    }
}

fn capital(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}
