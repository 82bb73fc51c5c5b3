//! The outlet: a topic for subscribers, and how records are written to it; and how what was written is read again.
//!
//! ```text
//! bare     {"schema":...}   or the bytes of the message
//! framed   00 | schema id, four bytes, highest first | {"schema":...}
//!          00 | schema id, four bytes, highest first | place of the message: 00 the first, 02 02 the second | its bytes
//! ```
//!
//! The frame is that of Confluent's serializers, by which readers look a schema up in a registry. The first byte tells
//! the forms apart: no message begins with 00 or with `{`.

use super::batch::wire;
use super::call_record::CallRecord;
use super::kpi_message;
use super::progress::ProgressRecord;
use super::stage::{OutRecord, Output};
use super::{call_record, progress};
use crate::alert;
use crate::alert::record::AlertRecord;
use crate::kpi::record::{self, KpiRecord};
use prost::Message;
use prost::encoding::{decode_varint, encode_varint};
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;

/// A topic for subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlet {
    pub topic: Arc<str>,
    pub form: Form,
}

/// How values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    pub format: RecordFormat,
    /// Values are framed, with these ids.
    pub schema_ids: Option<SchemaIds>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordFormat {
    #[default]
    Json,
    /// The messages of `proto/callpulse/v1/kpi.proto` and `call.proto`.
    Protobuf,
}

/// What a schema registry knows the schemas by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaIds {
    pub kpi: u32,
    pub progress: u32,
    pub call: u32,
}

/// A record for subscribers.
#[derive(Clone, Copy)]
pub enum Told<'a> {
    Kpi(&'a KpiRecord),
    Progress(&'a ProgressRecord<'a>),
    Call(&'a CallRecord<'a>),
    /// Written as JSON and without a frame, whatever the form.
    Alert(&'a AlertRecord),
}

/// Begins a framed value.
const FRAME: u8 = 0;

impl RecordFormat {
    pub const ALL: [RecordFormat; 2] = [RecordFormat::Json, RecordFormat::Protobuf];

    /// The name in the settings.
    pub const fn word(self) -> &'static str {
        match self {
            RecordFormat::Json => "json",
            RecordFormat::Protobuf => "protobuf",
        }
    }

    pub fn from_word(word: &str) -> Option<RecordFormat> {
        RecordFormat::ALL.into_iter().find(|format| format.word() == word)
    }

    /// The media type, as `content-type` says it.
    pub const fn media_type(self) -> &'static str {
        match self {
            RecordFormat::Json => "application/json",
            RecordFormat::Protobuf => "application/protobuf",
        }
    }
}

impl Outlet {
    pub fn new(topic: impl Into<Arc<str>>, form: Form) -> Outlet {
        Outlet { topic: topic.into(), form }
    }

    /// The record under its key; to a partition, or by the hash of the key. Equal records are equal bytes.
    pub fn record(&self, partition: Option<i32>, key: String, told: Told<'_>) -> OutRecord {
        let header = |name, value: &str| (name, value.as_bytes().to_vec());
        let form = if let Told::Alert(_) = told { Form::default() } else { self.form };
        let mut headers = vec![
            header("content-type", form.format.media_type()),
            header("ce_specversion", "1.0"),
            header("ce_type", told.schema()),
            header("ce_source", "callpulse"),
            header("ce_id", &format!("{key}@{}", told.edition())),
        ];
        headers.extend(told.time().map(|time| header("ce_time", time)));
        OutRecord {
            to: Output::Topic { topic: self.topic.clone(), partition },
            key: Some(key.into_bytes()),
            value: Some(form.write(told)),
            headers,
            timestamp: None,
        }
    }
}

/// Written as JSON, without a frame.
impl<T: Into<Arc<str>>> From<T> for Outlet {
    fn from(topic: T) -> Outlet {
        Outlet::new(topic, Form::default())
    }
}

impl Form {
    fn write(self, told: Told<'_>) -> Vec<u8> {
        let mut value = Vec::with_capacity(3_072);
        if let Some(ids) = self.schema_ids {
            let (id, place) = match told {
                Told::Kpi(_) => (ids.kpi, 0),
                Told::Progress(_) => (ids.progress, 1),
                Told::Call(_) => (ids.call, 0),
                Told::Alert(_) => unreachable!("alerts have no frame"),
            };
            value.push(FRAME);
            value.extend(id.to_be_bytes());
            match (self.format, place) {
                (RecordFormat::Json, _) => {}
                // The place of the first message has a short form.
                (RecordFormat::Protobuf, 0) => value.push(0),
                (RecordFormat::Protobuf, place) => {
                    encode_varint(zigzag(1), &mut value);
                    encode_varint(zigzag(place), &mut value);
                }
            }
        }
        match (self.format, told) {
            (RecordFormat::Json, Told::Kpi(record)) => json(record, &mut value),
            (RecordFormat::Json, Told::Progress(record)) => json(record, &mut value),
            (RecordFormat::Json, Told::Call(record)) => json(record, &mut value),
            (RecordFormat::Protobuf, Told::Kpi(record)) => protobuf(&kpi_message::message(record), &mut value),
            (RecordFormat::Protobuf, Told::Progress(record)) => protobuf(&record.message(), &mut value),
            (RecordFormat::Protobuf, Told::Call(record)) => protobuf(&record.message(), &mut value),
            (RecordFormat::Json, Told::Alert(record)) => json(record, &mut value),
            (RecordFormat::Protobuf, Told::Alert(_)) => unreachable!("alerts are JSON"),
        }
        value
    }
}

impl<'a> Told<'a> {
    fn schema(self) -> &'static str {
        match self {
            Told::Kpi(_) => record::SCHEMA,
            Told::Progress(_) => progress::SCHEMA,
            Told::Call(_) => call_record::SCHEMA,
            Told::Alert(_) => alert::record::SCHEMA,
        }
    }

    /// What of a key is new in this record.
    fn edition(self) -> String {
        match self {
            Told::Kpi(record) => record.version.to_string(),
            Told::Progress(record) => format!("{}+{}", record.as_of, record.behind_ms),
            Told::Call(record) => record.version.to_string(),
            // A clock can resolve what no new number did, and then the version is the same.
            Told::Alert(record) => format!("{}+{}", record.alert_id, record.state),
        }
    }

    fn time(self) -> Option<&'a str> {
        match self {
            Told::Kpi(record) => Some(&record.as_of),
            Told::Progress(record) => Some(&record.as_of),
            Told::Call(record) => record.ended.as_deref(),
            Told::Alert(record) => Some(&record.as_of),
        }
    }
}

/// The record of a value, as JSON, in whatever form it was written. What cannot be read is left as it is.
pub fn to_json(value: &[u8]) -> Cow<'_, [u8]> {
    let bare = unframed(value).unwrap_or(value);
    if bare.first() == Some(&b'{') {
        return Cow::Borrowed(bare);
    }
    message_to_json(bare).map_or(Cow::Borrowed(value), Cow::Owned)
}

/// What a frame holds; none without a frame.
fn unframed(value: &[u8]) -> Option<&[u8]> {
    let (&FRAME, rest) = value.split_first()? else { return None };
    let (_id, mut rest) = rest.split_at_checked(4)?;
    if rest.first() == Some(&b'{') {
        return Some(rest);
    }
    // The schema in the record says which message it is.
    let places = unzigzag(decode_varint(&mut rest).ok()?);
    for _ in 0..places {
        decode_varint(&mut rest).ok()?;
    }
    Some(rest)
}

fn message_to_json(message: &[u8]) -> Option<Vec<u8>> {
    /// What all records begin with.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Head {
        #[prost(string, tag = "1")]
        schema: String,
    }
    let mut out = Vec::with_capacity(2 * message.len());
    match Head::decode(message).ok()?.schema.as_str() {
        record::SCHEMA => json(&kpi_message::record(wire::KpiRecord::decode(message).ok()?), &mut out),
        progress::SCHEMA => json(&ProgressRecord::from(&wire::ProgressRecord::decode(message).ok()?), &mut out),
        call_record::SCHEMA => json(&CallRecord::from(&wire::CallRecord::decode(message).ok()?), &mut out),
        _ => return None,
    }
    Some(out)
}

fn json(record: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, record).expect("a record of texts and numbers is JSON");
}

fn protobuf(message: &impl Message, out: &mut Vec<u8>) {
    message.encode(out).expect("memory has room");
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRESS: ProgressRecord<'_> = ProgressRecord {
        schema: progress::SCHEMA,
        generation: 1,
        as_of: String::new(),
        behind_ms: 300,
        settled: None,
        silent: Vec::new(),
    };

    fn written(format: RecordFormat, schema_ids: Option<SchemaIds>) -> Vec<u8> {
        let record = ProgressRecord { as_of: "2026-03-02T08:15:30.000Z".to_owned(), ..PROGRESS };
        Form { format, schema_ids }.write(Told::Progress(&record))
    }

    const IDS: Option<SchemaIds> = Some(SchemaIds { kpi: 1, progress: 0x0102_0304, call: 3 });
    const JSON: &[u8] = br#"{"schema":"callpulse.progress.v1","generation":1,"as_of":"2026-03-02T08:15:30.000Z","behind_ms":300,"settled":null,"silent":[]}"#;

    #[test]
    fn frames_as_the_registry_documents_it() {
        assert_eq!(written(RecordFormat::Json, None), JSON);
        assert_eq!(written(RecordFormat::Json, IDS), [&[0, 1, 2, 3, 4][..], JSON].concat());
        let bare = written(RecordFormat::Protobuf, None);
        // Field 1, a text of 21 bytes.
        assert_eq!(&bare[..4], b"\x0a\x15ca");
        assert_eq!(written(RecordFormat::Protobuf, IDS), [&[0, 1, 2, 3, 4, 2, 2][..], &bare].concat());
    }

    #[test]
    fn an_alert_is_json_whatever_the_form_and_each_transition_has_an_id() {
        let level = r#""kpi":"longest_wait","window":"now","value":95.0,"trigger":60.0,"clear":30.0,"side":"above","min_volume":0"#;
        let firing = format!(
            r#"{{"schema":"callpulse.alert.v1","alert_id":"a1","rule":"waits","tenant":"t","entity":{{"kind":"queue","id":"q"}},"state":"firing","since":"2026-03-02T08:15:30.000Z","as_of":"2026-03-02T08:16:30.000Z","version":7,"severity":"warning","title":"","text":"",{level},"levels":[{{{level}}}],"for_ms":0}}"#
        );
        let firing: AlertRecord = serde_json::from_str(&firing).expect("an alert");
        let resolved = AlertRecord { state: "resolved".into(), ..firing.clone() };
        let outlet = Outlet::new("alerts", Form { format: RecordFormat::Protobuf, schema_ids: IDS });
        for (record, id) in [(&firing, "waits|t|queue|q@a1+firing"), (&resolved, "waits|t|queue|q@a1+resolved")] {
            let written = outlet.record(None, record.key(), Told::Alert(record));
            let header = |name: &str| {
                let found = written.headers.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            };
            assert_eq!(header("content-type").as_deref(), Some("application/json"));
            assert_eq!(header("ce_type").as_deref(), Some("callpulse.alert.v1"));
            assert_eq!(header("ce_id").as_deref(), Some(id));
            let value = written.value.expect("a value");
            assert_eq!(serde_json::from_slice::<AlertRecord>(&value).expect("JSON"), *record);
        }
    }

    #[test]
    fn reads_what_it_writes_whatever_the_form() {
        for format in RecordFormat::ALL {
            for ids in [None, IDS] {
                assert_eq!(to_json(&written(format, ids)), JSON, "{format:?} {ids:?}");
            }
        }
        // The long form of the first place, which other serializers write.
        let bare = written(RecordFormat::Protobuf, None);
        assert_eq!(to_json(&[&[0, 0, 0, 0, 9, 2, 0][..], &bare].concat()), JSON);
    }

    #[test]
    fn leaves_what_it_cannot_read() {
        let nested = [0, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        for value in [&b""[..], b"no record", b"\x00\x00", b"\x00\x00\x00\x00\x09", b"\x0a\x01x", &nested] {
            assert_eq!(to_json(value), value);
        }
    }
}
