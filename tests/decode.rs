//! Decoding of the native formats: its laws over generated events, then its rules by example.

#[path = "support/events.rs"]
mod events;
#[path = "support/told.rs"]
mod told;

use callpulse::decode::format::Format;
use callpulse::decode::table::{Field, Shape, Type};
use callpulse::decode::{json, protobuf};
use callpulse::event::{CallEvent, Decoded, Event, Reason, TransferKind, Via, What};
use callpulse::stream::batch::wire;
use events::{arbitrary_event, event_of};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};
use std::borrow::Cow;
use told::told;

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_event_comes_back_from_json_as_it_was(event in arbitrary_event()) {
        let line = json::encode(&event);
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(json::decode(line.as_bytes()), Ok(Decoded::Event(event.clone())), "{}", line);
    }

    #[test]
    fn an_event_comes_back_from_protobuf_as_it_was(event in arbitrary_event()) {
        let record = protobuf::encode(&event);
        prop_assert_eq!(protobuf::decode(&record), Ok(Decoded::Event(event.clone())));
    }

    #[test]
    fn generated_protobuf_code_reads_and_writes_the_same_events(event in arbitrary_event()) {
        let record = protobuf::encode(&event);
        let message = wire::Event::decode(record.as_slice()).unwrap();
        prop_assert_eq!(message.r#type.as_deref(), Some(event.what.name()));
        prop_assert_eq!(message.time_ms, Some(event.time.0));
        prop_assert_eq!(message.queue.as_deref(), event.queue.as_deref());
        // Byte for byte: a field the generated code did not know would be lost on its way.
        prop_assert_eq!(message.encode_to_vec(), record);
    }

    #[test]
    fn key_order_blanks_unknown_fields_and_escapes_do_not_matter(
        event in arbitrary_event(),
        turn in any::<usize>(),
        unknown in "x_[a-z]{0,6}",
    ) {
        let line = json::encode(&event);
        let mut members: Vec<(String, Value)> = match serde_json::from_str(&line).unwrap() {
            Value::Object(map) => map.into_iter().collect(),
            other => panic!("{other} is no object"),
        };
        members.push((unknown, json!([{ "type": "call.ended", "deep": [[[1.5, null, "\u{0}"]]] }])));
        let turn = turn % members.len();
        members.rotate_left(turn);
        let members: Vec<String> = members
            .iter()
            .map(|(key, value)| format!("{}\t: {} ", escaped(&Value::from(key.as_str())), escaped(value)))
            .collect();
        let text = format!("\u{feff} \r\n {{ {} }} \r\n", members.join(",\n"));
        prop_assert_eq!(json::decode(text.as_bytes()), Ok(Decoded::Event(event.clone())), "{}", text);
    }

    #[test]
    fn a_field_that_is_gone_or_null_is_missing_only_where_its_type_requires_it(
        (kind, event) in any_type_and_event(),
        field in proptest::sample::select(Field::ALL),
        null in any::<bool>(),
    ) {
        let mut record: Value = serde_json::from_str(&json::encode(&event)).unwrap();
        let there = record.as_object().unwrap().contains_key(field.word());
        if null {
            record[field.word()] = Value::Null;
        } else {
            record.as_object_mut().unwrap().remove(field.word());
        }
        let left: Vec<bool> =
            kind.any_of().iter().map(|other| record[other.word()].is_string()).collect();
        let record = record.to_string();
        let decoded = json::decode(record.as_bytes());
        let required = kind.use_of(field).is_some_and(|used| used.required);
        if required || (!left.is_empty() && !left.contains(&true)) {
            prop_assert!(there);
            prop_assert_eq!(decoded.unwrap_err().reason, Reason::MissingField);
        } else {
            prop_assert!(matches!(decoded, Ok(Decoded::Event(_))), "{:?}", decoded);
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_bad_only_where_the_type_has_the_field(
        (kind, event) in any_type_and_event(),
        field in proptest::sample::select(Field::ALL),
        wrong in 0..4_usize,
    ) {
        let mut record: Value = serde_json::from_str(&json::encode(&event)).unwrap();
        record[field.word()] = [json!([field.word()]), json!({ "a": "b" }), json!("1"), json!(true)][wrong].clone();
        let record = record.to_string();
        let decoded = json::decode(record.as_bytes());
        let expected = kind.use_of(field).and_then(|used| match (used.shape, wrong) {
            (Shape::Time, _) => Some(Reason::BadTime),
            (Shape::Score, 1) => Some(Reason::MissingField),
            (Shape::Id | Shape::Text | Shape::Open(_), 2) | (Shape::Flag, 3) => None,
            _ => Some(Reason::BadValue),
        });
        match (expected, decoded) {
            (Some(reason), Err(reject)) => {
                prop_assert_eq!(reject.reason, reason);
                prop_assert!(reject.sentence.starts_with(field.word()), "{}", reject.sentence);
            }
            (None, Ok(Decoded::Event(_))) => {}
            (None, Ok(Decoded::Unknown { .. })) => prop_assert_eq!(field, Field::Type),
            (expected, decoded) => prop_assert!(false, "{:?} {:?}", expected, decoded),
        }
    }

    #[test]
    fn any_bytes_are_an_event_or_a_reject(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in Format::ALL {
            is_sound(*format, &bytes);
        }
    }

    #[test]
    fn a_damaged_event_is_an_event_or_a_reject(
        first in arbitrary_event(),
        second in arbitrary_event(),
        cut in any::<prop::sample::Index>(),
        other_cut in any::<prop::sample::Index>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8_u32), 0..4),
    ) {
        let as_json = |event: &Event<'_>| json::encode(event).into_bytes();
        for (format, first, second) in [
            (Format::Json, as_json(&first), as_json(&second)),
            (Format::Protobuf, protobuf::encode(&first), protobuf::encode(&second)),
        ] {
            let mut damaged = first.clone();
            for (at, bit) in &flips {
                let at = at.index(damaged.len());
                damaged[at] ^= 1 << bit;
            }
            is_sound(format, &damaged);
            damaged.truncate(cut.index(damaged.len()));
            is_sound(format, &damaged);
            damaged.extend_from_slice(&second[other_cut.index(second.len())..]);
            is_sound(format, &damaged);
        }
    }

    #[test]
    fn a_json_event_that_was_cut_is_malformed(event in arbitrary_event(), cut in any::<prop::sample::Index>()) {
        let line = json::encode(&event);
        let cut = &line.as_bytes()[..cut.index(line.len())];
        let reason = if std::str::from_utf8(cut).is_ok() { Reason::MalformedJson } else { Reason::BadEncoding };
        prop_assert_eq!(json::decode(cut).unwrap_err().reason, reason);
    }
}

/// Whatever the bytes.
#[track_caller]
fn is_sound(format: Format, record: &[u8]) {
    told(&format.into(), record).is_sound();
}

fn any_type_and_event() -> impl Strategy<Value = (Type, Event<'static>)> {
    proptest::sample::select(Type::ALL).prop_flat_map(|kind| (Just(kind), event_of(kind)))
}

/// The value with every character of its texts as `\u`, in pairs where it takes two.
fn escaped(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            format!("\"{}\"", units.concat())
        }
        other => other.to_string(),
    }
}

const QUEUED: &str = r#"{"type":"call.queued","time":"2026-03-02T08:15:30.120Z","call_id":"c-81","queue":"sales"}"#;

/// A queued call with one more member, which replaces an earlier one of the same name.
fn queued_with(member: &str) -> String {
    format!("{},{member}}}", QUEUED.strip_suffix('}').unwrap())
}

#[track_caller]
fn event(record: &str) -> Event<'_> {
    match json::decode(record.as_bytes()) {
        Ok(Decoded::Event(event)) => event,
        other => panic!("{record}: {other:?}"),
    }
}

#[track_caller]
fn rejects(record: impl AsRef<[u8]>, reason: Reason, words: &str) {
    let record = record.as_ref();
    let reject = json::decode(record).expect_err(&String::from_utf8_lossy(record));
    assert_eq!(reject.reason, reason, "{}", reject.sentence);
    assert!(reject.sentence.contains(words), "{}", reject.sentence);
}

#[test]
fn texts_are_borrowed_from_the_record_unless_they_hold_an_escape() {
    let record = queued_with(r#""customer":"+36 1 555 0101","agent":"\u0622\u0646\u0627""#);
    let event = event(&record);
    assert!(matches!(event.queue, Some(Cow::Borrowed("sales"))));
    assert!(matches!(event.customer, Some(Cow::Borrowed("+36 1 555 0101"))));
    assert!(matches!(&event.agent, Some(Cow::Owned(agent)) if agent == "آنا"));

    let record = protobuf::encode(&event);
    let Ok(Decoded::Event(event)) = protobuf::decode(&record) else { panic!("no event") };
    assert!(matches!(event.agent, Some(Cow::Borrowed("آنا"))));
}

#[test]
fn times_are_rfc_3339_or_epoch_milliseconds() {
    let at = event(QUEUED).time;
    for time in [r#""2026-03-02T09:15:30.1209+01:00""#, "1772439330120"] {
        assert_eq!(event(&queued_with(&format!(r#""time":{time}"#))).time, at);
    }
    for time in ["1772439330", "1772439330120.0", "true", "{}", r#""2026-03-02""#, r#""1772439330120""#, r#""""#] {
        rejects(queued_with(&format!(r#""time":{time}"#)), Reason::BadTime, "time is ");
    }
    rejects(queued_with(r#""time":253370764800000"#), Reason::BadTime, "253370764800000");
    rejects(queued_with(r#""time":null"#), Reason::MissingField, "time is missing; call.queued needs it");
}

#[test]
fn what_is_left_out_has_the_first_value_of_its_list() {
    assert!(matches!(event(QUEUED).what, What::Call(CallEvent::Queued { via: Via::Direct, .. })));
    let record = r#"{"type":"call.transferred","time":1772439330120,"call_id":"c","agent":"a"}"#;
    assert!(matches!(
        event(record).what,
        What::Call(CallEvent::Transferred {
            kind: TransferKind::Blind,
            to_queue: None,
            to_agent: None,
            to_number: None
        })
    ));
    let spelled_out = r#""via":"direct","channel":"voice","direction":"inbound","tenant":"default","agent":null"#;
    assert_eq!(event(&queued_with(spelled_out)), event(QUEUED));
}

#[test]
fn an_unknown_word_is_other_where_the_field_is_optional_and_bad_where_it_is_required() {
    let record = queued_with(r#""via":"pigeon""#);
    assert!(matches!(event(&record).what, What::Call(CallEvent::Queued { via: Via::Other, .. })));
    rejects(queued_with(r#""via":1"#), Reason::BadValue, "via is 1; give one of direct, transfer, callback");
    let left = r#""type":"call.left_queue","reason":"bored""#;
    rejects(queued_with(left), Reason::BadValue, r#"reason is "bored"; give one of abandoned, timeout"#);
}

#[test]
fn numbers_have_to_be_whole_where_a_whole_number_is_asked_for() {
    rejects(queued_with(r#""seq":1.5"#), Reason::BadValue, "seq is 1.5; give a whole number");
    rejects(queued_with(r#""seq":"1""#), Reason::BadValue, r#"seq is "1""#);
    rejects(queued_with(r#""seq":9223372036854775808"#), Reason::BadValue, "64 bits");
    let answered = r#""type":"call.answered","agent":"ana","waited_ms":-1"#;
    rejects(queued_with(answered), Reason::BadValue, "waited_ms is -1; give milliseconds");
    let instant = r#""type":"call.answered","agent":"ana","waited_ms":1772439360000"#;
    rejects(queued_with(instant), Reason::BadValue, "at most 366 days");
}

#[test]
fn an_empty_id_is_bad_and_an_empty_text_is_not() {
    rejects(queued_with(r#""customer":"""#), Reason::BadValue, "customer is empty");
    event(&queued_with(r#""type":"call.arrived","dialled":"""#));
}

#[test]
fn an_unknown_type_is_set_aside_whatever_else_is_wrong() {
    for record in [
        r#"{"type":"call.parked"}"#,
        r#"{"time":[],"seq":1.5,"type":"call.parked","queue":""}"#,
        r#"{"type":"call.parked","agent":"\ud800","seq":1e999}"#,
    ] {
        let decoded = json::decode(record.as_bytes());
        assert_eq!(decoded, Ok(Decoded::Unknown { kind: "call.parked".into() }), "{record}");
    }
    rejects(r#"{"time":1772439330120}"#, Reason::MissingField, "type is missing");
    rejects(r#"{"type":null}"#, Reason::MissingField, "type is missing");
    rejects(r#"{"type":7}"#, Reason::BadValue, "type is 7");
    rejects(r#"{"type":""}"#, Reason::BadValue, "type is empty");
}

#[test]
fn what_is_no_json_object_is_malformed() {
    for record in ["", " \r\n", "\u{feff}", "{", "nil", r#"{"type":"call.parked",}"#, "{'type':1}"] {
        rejects(record, Reason::MalformedJson, "give one JSON object");
    }
    for record in ["[]", "1", "null", r#""call.queued""#] {
        rejects(record, Reason::MalformedJson, "no object");
    }
    rejects(format!("{QUEUED}{QUEUED}"), Reason::MalformedJson, "trailing");
    rejects(queued_with(r#""x":01"#), Reason::MalformedJson, "line 1 column");
    rejects(queued_with("\"queue\":\"a\nb\""), Reason::MalformedJson, "control character");
    rejects("[".repeat(100_000), Reason::MalformedJson, "no object");
    // The syntax counts before the value.
    rejects(queued_with(r#""seq":"one","customer":}"#), Reason::MalformedJson, "line 1 column");
}

#[test]
fn a_value_that_no_text_or_number_can_hold_is_bad_only_where_it_is_read() {
    rejects(queued_with(r#""agent":"\ud83d!""#), Reason::BadValue, "agent is unreadable");
    rejects(queued_with(r#""seq":1e999"#), Reason::BadValue, "seq is unreadable");
    event(&queued_with(r#""x":"\ud83d","score":1e999"#));
    event(&queued_with(&format!(r#""x":{}{}"#, "[".repeat(10_000), "]".repeat(10_000))));
}

#[test]
fn of_a_field_that_comes_twice_the_last_one_counts() {
    assert_eq!(event(&queued_with(r#""queue":"support""#)).queue.as_deref(), Some("support"));
    rejects(queued_with(r#""queue":null"#), Reason::MissingField, "queue is missing; call.queued needs it");
}

#[test]
fn records_are_utf_8_and_of_one_mebibyte_at_most() {
    rejects(b"\xff\xfe{\0}\0", Reason::BadEncoding, "no UTF-8 at byte 0");
    let mut record = QUEUED.as_bytes().to_vec();
    record.resize(1 << 20, b' ');
    assert!(json::decode(&record).is_ok());
    record.push(b' ');
    rejects(&record, Reason::TooLarge, "more than 1048576 bytes");
    assert_eq!(protobuf::decode(&record).unwrap_err().reason, Reason::TooLarge);
}

#[test]
fn a_score_lies_within_its_scale_and_an_interval_has_a_length() {
    let survey = r#""type":"survey.answered","csat":"#;
    rejects(
        queued_with(&format!(r#"{survey}{{"score":6,"min":1,"max":5}}"#)),
        Reason::BadValue,
        "csat is 6.0 on a scale",
    );
    rejects(queued_with(&format!(r#"{survey}{{"score":6,"min":1}}"#)), Reason::MissingField, "csat.max is missing");
    rejects(queued_with(&format!(r#"{survey}{{"score":"6"}}"#)), Reason::BadValue, "csat.score is");
    rejects(
        queued_with(r#""type":"forecast.published","calls":1,"start":1772439330120,"end":1772439330120"#),
        Reason::BadValue,
        "end is 2026-03-02T08:15:30.120Z, not after start",
    );
}

#[test]
fn a_survey_a_sale_and_a_cost_say_whose_they_are() {
    let survey = r#"{"type":"survey.answered","time":1772439330120}"#;
    rejects(survey, Reason::MissingField, "call_id, queue, agent are missing; survey.answered needs one of them");
}

#[test]
fn a_protobuf_field_of_the_wrong_kind_is_named_and_a_broken_message_is_malformed() {
    #[track_caller]
    fn check(record: &[u8], reason: Reason, words: &str) {
        let reject = protobuf::decode(record).unwrap_err();
        assert_eq!(reject.reason, reason, "{}", reject.sentence);
        assert!(reject.sentence.contains(words), "{}", reject.sentence);
    }
    let record = protobuf::encode(&event(QUEUED));
    let with = |bytes: &[u8]| [&record, bytes].concat();
    check(b"", Reason::MissingField, "type is missing");
    check(&with(b"\x60\x07"), Reason::BadValue, "queue is of another protobuf type");
    check(&with(b"\x62\x00"), Reason::BadValue, "queue is empty");
    check(&with(b"\x62\x01\xff"), Reason::BadEncoding, "queue is no UTF-8");
    check(&with(b"\x62\x05a"), Reason::MalformedProtobuf, "a length beyond its end");
    check(&with(b"\x62\xff"), Reason::MalformedProtobuf, "it ends within a number");
    check(&with(b"\x00"), Reason::MalformedProtobuf, "a field number out of range");
    check(&with(&b"\xc3\x3e".repeat(1_000)), Reason::MalformedProtobuf, "groups too deep");
    // Field 1000 as a group that holds a number, as 4 bytes, and as 8: unknown, so ignored.
    let unknown = with(b"\xc3\x3e\x08\x01\xc4\x3e\xc5\x3e1234\xc1\x3e12345678");
    assert_eq!(protobuf::decode(&unknown), protobuf::decode(&record));
}
