//! The progress record: how far a partition is, and which sources are silent.

use super::batch::wire;
use super::kpi_message::{millis, time};
use super::kpis::KpisSettings;
use super::marks::Marks;
use super::outlet::Told;
use super::stage::{Clock, OutRecord};
use crate::time::{EventTime, Span};
use metrics::gauge;
use serde::Serialize;

/// The value of `schema` in every progress record.
pub const SCHEMA: &str = "callpulse.progress.v1";

/// What is told once a second.
#[derive(Serialize)]
pub struct ProgressRecord<'a> {
    pub schema: &'a str,
    pub generation: u64,
    /// RFC 3339 UTC.
    pub as_of: String,
    pub behind_ms: i64,
    /// Topics of events.
    pub silent: Vec<&'a str>,
}

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
    let record = ProgressRecord {
        schema: SCHEMA,
        generation: settings.generation,
        as_of: as_of.to_string(),
        behind_ms: (clock.wall_ms - as_of.0).max(0),
        silent,
    };
    Some(settings.kpis.record(Some(partition), format!("progress|{partition}"), Told::Progress(&record)))
}

impl ProgressRecord<'_> {
    pub(super) fn message(&self) -> wire::ProgressRecord {
        wire::ProgressRecord {
            schema: self.schema.to_string(),
            generation: self.generation,
            as_of_ms: millis(&self.as_of),
            behind_ms: self.behind_ms,
            silent: self.silent.iter().map(|topic| topic.to_string()).collect(),
        }
    }
}

impl<'a> From<&'a wire::ProgressRecord> for ProgressRecord<'a> {
    fn from(message: &'a wire::ProgressRecord) -> Self {
        ProgressRecord {
            schema: &message.schema,
            generation: message.generation,
            as_of: time(message.as_of_ms),
            behind_ms: message.behind_ms,
            silent: message.silent.iter().map(String::as_str).collect(),
        }
    }
}
