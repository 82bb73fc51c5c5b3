//! The progress record: how far a partition is, and which sources are silent.

use super::kpis::KpisSettings;
use super::marks::Marks;
use super::stage::{Clock, OutRecord, Output};
use crate::time::{EventTime, Span};
use metrics::gauge;

/// Key `progress|<partition>`. None before every source has a mark: then nothing is known, and nothing is
/// published.
pub fn record(partition: i32, marks: &Marks, settings: &KpisSettings, clock: Clock) -> Option<OutRecord> {
    let as_of = marks.as_of()?;
    let is_silent = |(topic, after): &&(String, Span)| {
        let last = marks.log_time_of(topic);
        last.is_none_or(|last| *after < EventTime(clock.wall_ms).since(last))
    };
    let silent: Vec<&str> = settings.silent_after.iter().filter(is_silent).map(|(topic, _)| topic.as_str()).collect();
    for (topic, _) in settings.silent_after.iter() {
        let is_silent = silent.contains(&topic.as_str());
        gauge!("callpulse_source_silent", "topic" => topic.clone()).set(f64::from(u8::from(is_silent)));
    }
    for ((topic, partition), complete) in marks.by_source() {
        let labels = [("topic", topic.to_owned()), ("partition", partition.to_string())];
        gauge!("callpulse_mark_timestamp_seconds", &labels).set(complete.0 as f64 / 1000.0);
    }
    let value = serde_json::json!({
        "schema": "callpulse.progress.v1",
        "generation": settings.generation,
        "as_of": as_of.to_string(),
        "behind_ms": (clock.wall_ms - as_of.0).max(0),
        "silent": silent,
    });
    Some(OutRecord {
        to: Output::Topic { topic: settings.kpis.clone(), partition: Some(partition) },
        key: Some(format!("progress|{partition}").into_bytes()),
        value: Some(value.to_string().into_bytes()),
        headers: vec![("content-type", b"application/json".to_vec())],
        timestamp: None,
    })
}
