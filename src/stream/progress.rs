//! The progress record: how far a partition is, and which sources are silent.

use super::batch::wire;
use super::kpi_message::{millis, time};
use super::kpis::KpisSettings;
use super::marks::Marks;
use super::outlet::Told;
use super::stage::{Clock, OutRecord};
use crate::alert::hours::Hours;
use crate::calendar::Zone;
use crate::time::{EventTime, Span};
use metrics::gauge;
use serde::Serialize;

/// The value of `schema` in every progress record.
pub const SCHEMA: &str = "callpulse.progress.v1";

/// A topic of events that is told as silent.
#[derive(Clone, Debug)]
pub struct Watched {
    pub topic: String,
    /// Without a record for so long.
    pub after: Span,
    /// Only within them, once they have lasted for so long; always if there are none.
    pub hours: Option<Hours>,
}

/// What is told once a second.
#[derive(Serialize)]
pub struct ProgressRecord<'a> {
    pub schema: &'a str,
    pub generation: u64,
    /// RFC 3339 UTC.
    pub as_of: String,
    pub behind_ms: i64,
    /// What ended before it is published no more; none before that is known.
    pub settled: Option<String>,
    /// Topics of events.
    pub silent: Vec<&'a str>,
}

impl Watched {
    /// For how long it is silent, having had its last record then; without any, from the beginning. Within hours since
    /// they began at most, outside of them not at all.
    pub fn silent_for(&self, last: Option<EventTime>, zone: &Zone, now: EventTime) -> Span {
        let silent = last.map_or(Span(self.after.0 + 1_000), |last| now.since(last));
        match &self.hours {
            Some(hours) => hours.open_since(zone, now).map_or(Span(0), |opened| silent.min(now.since(opened))),
            None => silent,
        }
    }
}

/// Key `progress|<partition>`. None before every source has a mark: then nothing is known, and nothing is
/// published.
pub fn record(
    partition: i32,
    (marks, settled): (&Marks, Option<EventTime>),
    settings: &KpisSettings,
    clock: Clock,
) -> Option<OutRecord> {
    let as_of = marks.as_of()?;
    let mut silent = Vec::new();
    for watched in settings.silent_after.iter() {
        let last = marks.log_time_of(&watched.topic);
        let is_silent = watched.after < watched.silent_for(last, &settings.kpi.zone, EventTime(clock.wall_ms));
        gauge!("callpulse_source_silent", "topic" => watched.topic.clone()).set(f64::from(u8::from(is_silent)));
        silent.extend(is_silent.then_some(watched.topic.as_str()));
    }
    for ((topic, partition), complete) in marks.by_source() {
        let labels = [("topic", topic.to_owned()), ("partition", partition.to_string())];
        gauge!("callpulse_mark_timestamp_seconds", &labels).set(complete.0 as f64 / 1000.0);
    }
    let record = ProgressRecord {
        schema: SCHEMA,
        generation: settings.takeover.generation(),
        as_of: as_of.to_string(),
        behind_ms: (clock.wall_ms - as_of.0).max(0),
        settled: settled.map(|settled| settled.to_string()),
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
            settled_ms: self.settled.as_deref().map(millis),
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
            settled: message.settled_ms.map(time),
            silent: message.silent.iter().map(String::as_str).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::Weekday;

    /// Open from Monday to Friday 08:00 to 20:00 and around the weekend's midnight, told after five minutes.
    #[track_caller]
    fn check(last: Option<&str>, now: &str, silent: bool) {
        let mut week: [Vec<(u16, u16)>; 7] = std::array::from_fn(|_| vec![(480, 1200)]);
        (week[5], week[6]) = (vec![(1430, 1440)], vec![(0, 10)]);
        let hours = Some(Hours { week, ..Hours::default() });
        let watched = Watched { topic: "acd.events".to_owned(), after: Span::from_secs(300), hours };
        let time = |text: &str| EventTime::parse(&format!("2026-{text}+02:00")).expect(text);
        let zone = Zone::named("Europe/Budapest", Weekday::Monday).expect("a zone");
        let silent_for = watched.silent_for(last.map(time), &zone, time(now));
        assert_eq!(watched.after < silent_for, silent, "{last:?} {now}: {silent_for:?}");
    }

    #[test]
    fn a_topic_is_silent_within_its_hours_once_they_have_lasted() {
        // Thursday evening, Friday morning, Friday.
        let evening = Some("04-02T19:59:00");
        check(evening, "04-02T20:30:00", false);
        check(evening, "04-03T08:05:00", false);
        check(evening, "04-03T08:05:01", true);
        check(None, "04-03T08:04:00", false);
        check(None, "04-03T08:06:00", true);
        check(Some("04-03T08:03:00"), "04-03T08:07:00", false);
        check(Some("04-03T08:03:00"), "04-03T08:08:01", true);
        // Saturday 23:50 to Sunday 00:10 is one stretch.
        check(evening, "04-04T23:54:00", false);
        check(evening, "04-05T00:04:00", true);
        check(evening, "04-05T00:10:00", false);
    }
}
