//! Batch: the lines of one transaction, as the records they become.

use super::follower::Line;
use crate::decode::format::{Decoder, Framing, Given};
use crate::decode::json;
use crate::decode::places::Places;
use crate::event::{Decoded, Event, Reject, What};
use crate::stream::stage::{OutRecord, Output};
use crate::time::EventTime;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Where events go, and under which name.
#[derive(Clone, Debug)]
pub struct Target {
    pub topic: Arc<str>,
    pub partitions: i32,
    /// The `source` of events that name none.
    pub source: String,
}

/// A line that could not be used, and where it stood.
#[derive(Clone, Debug)]
pub struct Refused {
    pub path: PathBuf,
    pub line: u64,
    pub reject: Reject,
}

/// What lines became.
#[derive(Debug, Default)]
pub struct Batch {
    pub records: Vec<OutRecord>,
    pub refused: Vec<Refused>,
    /// What decoders left aside, by name.
    pub unknown: BTreeMap<String, u64>,
    pub lines: u64,
    pub events: u64,
}

impl Batch {
    /// Takes one line. The number that a decoder may order events by goes on from file to file: it would else begin
    /// anew at each rotation, before the lines of the same second, and name other events of a call by the same number.
    /// `places` knows the lines before.
    pub fn take(&mut self, line: Line<'_>, places: &mut Places, decoder: &Decoder, target: &Target, now: EventTime) {
        self.lines += 1;
        let bytes = if decoder.framing() == Framing::Rows { line.bytes } else { line.bytes.trim_ascii() };
        let given = Given { place: Some(places.next(line.number, bytes)), ..Given::from(bytes) };
        let (records, unknown, events) = (&mut self.records, &mut self.unknown, &mut self.events);
        let decoded = decoder.decode(given, &mut |decoded| match decoded {
            Decoded::Unknown { kind } => *unknown.entry(kind.into_owned()).or_default() += 1,
            Decoded::Event(event) => {
                *events += 1;
                put(event, target, now, records);
            }
        });
        if let Err(reject) = decoded {
            self.refused.push(Refused { path: line.path.to_path_buf(), line: line.line, reject });
        }
    }
}

fn put<'a>(mut event: Event<'a>, target: &'a Target, now: EventTime, records: &mut Vec<OutRecord>) {
    if event.source.is_none() {
        event.source = Some(target.source.as_str().into());
    }
    let record = |partition| OutRecord {
        to: Output::Topic { topic: target.topic.clone(), partition },
        key: Some(key(&event).as_bytes().to_vec()),
        value: Some(json::encode(&event).into_bytes()),
        headers: Vec::new(),
        // What happened long ago is history and no late news; what has not happened yet must not make all else late.
        timestamp: Some(event.time.min(now).0.max(0)),
    };
    match event.what {
        // It ends the calls of the partition it is read from.
        What::SourceRestarted => records.extend((0..target.partitions).map(|partition| record(Some(partition)))),
        _ => records.push(record(None)),
    }
}

/// What brings events that belong together into one partition: the call, else the agent.
fn key<'e>(event: &'e Event<'_>) -> &'e str {
    let texts = [&event.call_id, &event.agent, &event.queue, &event.customer, &event.source];
    texts.into_iter().find_map(Option::as_deref).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::format::Format;
    use std::path::Path;

    fn batch(lines: &[&str]) -> Batch {
        batch_of(Format::Json, lines)
    }

    fn batch_of(format: Format, lines: &[&str]) -> Batch {
        let target = Target { topic: "acd.events".into(), partitions: 3, source: "queue_log".to_string() };
        let (mut batch, decoder) = (Batch::default(), Decoder::from(format));
        let mut places = Places::of(&decoder);
        for (at, line) in lines.iter().enumerate() {
            let number = at as u64 + 1;
            let line = Line { path: Path::new("queue_log"), line: number, number, bytes: line.as_bytes() };
            batch.take(line, &mut places, &decoder, &target, EventTime(1_772_438_400_000));
        }
        batch
    }

    #[track_caller]
    fn check(line: &str, key: &str, value: &str) {
        let batch = batch(&[line]);
        let texts: Vec<_> = [&batch.records[0].key, &batch.records[0].value]
            .map(|bytes| String::from_utf8(bytes.clone().unwrap()).unwrap())
            .into();
        assert_eq!(texts, [key, value]);
    }

    #[test]
    fn the_key_is_the_call_else_the_agent() {
        let time = "2026-03-02T07:00:00.000Z";
        check(
            &format!(r#"{{"type":"call.answered","time":"{time}","call_id":"c1","agent":"ana"}}"#),
            "c1",
            &format!(r#"{{"type":"call.answered","time":"{time}","source":"queue_log","call_id":"c1","agent":"ana"}}"#),
        );
        check(
            &format!(r#"{{"type":"agent.state","time":"{time}","source":"pbx","agent":"ana","state":"paused"}}"#),
            "ana",
            &format!(r#"{{"type":"agent.state","time":"{time}","source":"pbx","agent":"ana","state":"paused"}}"#),
        );
    }

    #[test]
    fn events_of_a_pbx_may_be_lines_of_json() {
        let ami = r#"{"Event":"QueueCallerJoin","Uniqueid":"1772438000.1","Queue":"sales","Timestamp":"1772438000.5"}"#;
        let esl = r#"{"Event-Name":"CUSTOM","Event-Subclass":"callcenter::info","Event-Date-Timestamp":"1772438000500000",
            "CC-Action":"member-queue-start","CC-Queue":"sales","CC-Member-Session-UUID":"1772438000.1"}"#;
        for (format, line) in [(Format::AsteriskAmi, ami), (Format::Freeswitch, &esl.replace('\n', ""))] {
            let batch = batch_of(format, &[line]);
            let value = String::from_utf8(batch.records[0].value.clone().unwrap()).unwrap();
            assert_eq!(batch.records[0].key.as_deref(), Some(b"1772438000.1".as_slice()), "{value}");
            assert!(value.contains(r#""type":"call.queued""#) && value.contains(r#""queue":"sales""#), "{value}");
        }
    }

    #[test]
    fn a_restart_reaches_every_partition() {
        let batch = batch(&[r#"{"type":"source.restarted","time":1772438300000,"source":"pbx"}"#]);
        let to = |partition| Output::Topic { topic: "acd.events".into(), partition: Some(partition) };
        let found: Vec<Output> = batch.records.iter().map(|record| record.to.clone()).collect();
        assert_eq!((found, batch.events), (vec![to(0), to(1), to(2)], 1));
    }

    #[test]
    fn a_record_is_as_old_as_its_event_and_never_of_the_future() {
        let at = |time: i64| format!(r#"{{"type":"call.held","time":{time},"call_id":"c1"}}"#);
        let batch = batch(&[&at(1_700_000_000_000), &at(1_900_000_000_000)]);
        let stamps: Vec<_> = batch.records.iter().map(|record| record.timestamp.unwrap()).collect();
        assert_eq!(stamps, [1_700_000_000_000, 1_772_438_400_000]);
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_place_and_stops_nothing() {
        let batch =
            batch(&["{", r#"{"type":"call.sung"}"#, r#"{"type":"call.held","time":1772438300000,"call_id":"c"}"#]);
        assert_eq!((batch.records.len(), batch.refused.len(), batch.refused[0].line), (1, 1, 1));
        assert_eq!(batch.unknown, BTreeMap::from([("call.sung".to_string(), 1)]));
    }
}
