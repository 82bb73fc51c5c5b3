//! Genesys Cloud: a conversation that is told while it grows tells nothing that its end takes back.
//!
//! Each sample of a conversation is cut at every instant it names, to what was known then; what is told of it has to
//! be told of the whole, too, event by event.

#[path = "support/samples.rs"]
#[expect(dead_code, reason = "records are read here, not told or damaged")]
mod samples;
#[path = "support/told.rs"]
mod told;

use callpulse::decode::format::{Decoder, Format};
use serde_json::Value;
use std::collections::BTreeSet;
use told::told;

#[test]
fn of_a_growing_conversation_each_fact_is_the_same_event_every_time() {
    let decoder = Decoder::from(Format::GenesysCloud);
    let mut cuts = 0;
    for path in samples::samples(Format::GenesysCloud.into()) {
        for record in samples::records(&path, &decoder) {
            let Ok(whole) = serde_json::from_slice::<Value>(&record) else { continue };
            if whole["conversationId"].is_null() || told(&decoder, record.as_slice()).refused.is_some() {
                continue;
            }
            for at in instants(&whole) {
                let earlier = cut(&whole, &at).to_string();
                let before = told(&decoder, earlier.as_bytes());
                before.is_sound();
                let known: BTreeSet<String> = told(&decoder, record.as_slice()).events.into_iter().collect();
                for event in before.events {
                    assert!(known.contains(&event), "{}: cut at {at} tells {event}\n{whole}", path.display());
                }
                cuts += 1;
            }
        }
    }
    assert!(100 < cuts, "only {cuts} cuts");
}

/// Every instant that the document names, and one just after it.
fn instants(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    each_text(document, &mut |text| {
        if text.starts_with("20") && text.ends_with('Z') {
            found.insert(text.to_owned());
            found.insert(text.replace('Z', "5Z"));
        }
    });
    found
}

fn each_text(value: &Value, each: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, each)),
        Value::Object(members) => members.values().for_each(|member| each_text(member, each)),
        _ => {}
    }
}

/// What the document said at an instant: nothing that began later, and no end that was still to come.
fn cut(whole: &Value, at: &str) -> Value {
    let is_known = |value: &Value| value.as_str().is_none_or(|time| time <= at);
    let mut document = whole.clone();
    if !is_known(&document["conversationEnd"]) {
        document.as_object_mut().expect("an object").remove("conversationEnd");
    }
    for participant in document["participants"].as_array_mut().into_iter().flatten() {
        for session in participant["sessions"].as_array_mut().into_iter().flatten() {
            if let Some(metrics) = session.get_mut("metrics").and_then(Value::as_array_mut) {
                metrics.retain(|metric| is_known(&metric["emitDate"]));
            }
            let Some(segments) = session["segments"].as_array_mut() else { continue };
            segments.retain(|segment| is_known(&segment["segmentStart"]));
            for segment in segments.iter_mut().filter(|segment| !is_known(&segment["segmentEnd"])) {
                for later in ["segmentEnd", "disconnectType", "wrapUpCode"] {
                    segment.as_object_mut().expect("an object").remove(later);
                }
            }
        }
    }
    document
}
