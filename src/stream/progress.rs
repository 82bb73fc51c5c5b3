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

/// For how long a topic has had no record.
#[derive(Clone, Copy, Debug)]
pub struct Silence<'w> {
    pub watched: &'w Watched,
    /// Within the topic's hours; none outside of them. Negative where a record's clock is ahead of ours.
    pub lasts: Span,
}

impl Silence<'_> {
    /// That of each topic. One without any record has been silent since this engine first looked.
    pub fn of_each<'w>(
        settings: &'w KpisSettings,
        marks: &Marks,
        (first_looked, now): (EventTime, EventTime),
    ) -> Vec<Silence<'w>> {
        let silence = |watched: &'w Watched| {
            let since = marks.log_time_of(&watched.topic).unwrap_or(first_looked);
            Silence { watched, lasts: watched.silent_for(since, &settings.kpi.zone, now) }
        };
        settings.silent_after.iter().map(silence).collect()
    }

    /// Whether it lasts longer than the settings let it.
    pub fn is_told(&self) -> bool {
        self.watched.after < self.lasts
    }
}

impl Watched {
    /// For how long it is silent, having been so since then. Within hours since they began at most, outside of them not at
    /// all.
    fn silent_for(&self, since: EventTime, zone: &Zone, now: EventTime) -> Span {
        let silent = now.since(since);
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
    (marks, settled, silences): (&Marks, Option<EventTime>, &[Silence<'_>]),
    settings: &KpisSettings,
    clock: Clock,
) -> Option<OutRecord> {
    let as_of = marks.as_of()?;
    let mut silent = Vec::new();
    for silence in silences {
        let (topic, is_silent) = (&silence.watched.topic, silence.is_told());
        gauge!("callpulse_source_silent", "topic" => topic.clone()).set(f64::from(u8::from(is_silent)));
        silent.extend(is_silent.then_some(topic.as_str()));
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
    fn check(last: &str, now: &str, silent: bool) {
        let mut week: [Vec<(u16, u16)>; 7] = std::array::from_fn(|_| vec![(480, 1200)]);
        (week[5], week[6]) = (vec![(1430, 1440)], vec![(0, 10)]);
        let hours = Some(Hours { week, ..Hours::default() });
        let watched = Watched { topic: "acd.events".to_owned(), after: Span::from_secs(300), hours };
        let time = |text: &str| EventTime::parse(&format!("2026-{text}+02:00")).expect(text);
        let zone = Zone::named("Europe/Budapest", Weekday::Monday).expect("a zone");
        let silence = Silence { watched: &watched, lasts: watched.silent_for(time(last), &zone, time(now)) };
        assert_eq!(silence.is_told(), silent, "{last} {now}: {silence:?}");
    }

    #[test]
    fn a_topic_is_silent_within_its_hours_once_they_have_lasted() {
        // Thursday evening, Friday morning, Friday.
        let evening = "04-02T19:59:00";
        check(evening, "04-02T20:30:00", false);
        check(evening, "04-03T08:05:00", false);
        check(evening, "04-03T08:05:01", true);
        check("04-03T08:03:00", "04-03T08:07:00", false);
        check("04-03T08:03:00", "04-03T08:08:01", true);
        // Saturday 23:50 to Sunday 00:10 is one stretch.
        check(evening, "04-04T23:54:00", false);
        check(evening, "04-05T00:04:00", true);
        check(evening, "04-05T00:10:00", false);
    }
}
