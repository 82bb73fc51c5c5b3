//! CloudEvents: the envelope around a record of any format, CloudEvents 1.0 in its JSON format.
//!
//! Follows "CloudEvents - Version 1.0.2" (attributes), "JSON Event Format for CloudEvents - Version 1.0.2" (`data` and
//! `data_base64`) and "Kafka Protocol Binding for CloudEvents - Version 1.0.2": in structured mode the value is the
//! envelope, in binary mode it is the bare record and the attributes are headers `ce_*`. A `content-type` that begins with
//! `application/cloudevents` says structured, any other, or none with a header `ce_specversion`, binary. What has no
//! `specversion` in either place is no envelope.

use super::draft::refuse;
use super::format::Given;
use super::json::{refuse_too_large, text_of};
use super::slots::{TEXT_BYTES_MAX, shortened};
use crate::event::{Event, Reason, Reject, Text};
use crate::time::EventTime;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What an envelope holds and says.
pub(super) struct Envelope<'a> {
    pub(super) data: Cow<'a, [u8]>,
    pub(super) time: Option<EventTime>,
    source: Option<Text<'a>>,
    id: Option<Text<'a>>,
}

/// Padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the media types of the event formats begin with.
const STRUCTURED: &str = "application/cloudevents";

/// The envelope of a record; none if it is bare.
pub(super) fn open(record: Given<'_>) -> Result<Option<Envelope<'_>>, Reject> {
    refuse_too_large(record.bytes)?;
    let content_type = header(record, "content-type")?.unwrap_or_default();
    let begins = content_type.get(..STRUCTURED.len());
    if !begins.is_some_and(|begins| begins.eq_ignore_ascii_case(STRUCTURED)) {
        return match header(record, "ce_specversion")? {
            Some(version) => of_headers(record, &version).map(Some),
            None => of_value(record.bytes),
        };
    }
    let event_format = content_type[STRUCTURED.len()..].split(';').next().unwrap_or_default().trim_ascii();
    if !event_format.is_empty() && !event_format.eq_ignore_ascii_case("+json") {
        let sentence = format!("content-type is {}; write CloudEvents as {STRUCTURED}+json", shortened(&content_type));
        return Err(refuse(Reason::BadValue, sentence));
    }
    let envelope = of_value(record.bytes)?;
    envelope.map(Some).ok_or_else(|| {
        let sentence = format!("specversion is missing; a record whose content-type is {STRUCTURED}+json has one");
        refuse(Reason::MissingField, sentence)
    })
}

/// Of an event in binary mode.
fn of_headers<'a>(record: Given<'a>, version: &str) -> Result<Envelope<'a>, Reject> {
    refuse_version(version)?;
    let named = |name| match header(record, name)? {
        Some(text) if text.is_empty() => Err(refuse(Reason::BadValue, format!("header {name} is empty; give a text"))),
        text => Ok(text),
    };
    let time = named("ce_time")?.map(|text| time_of(&text)).transpose()?;
    let (source, id) = (named("ce_source")?, named("ce_id")?);
    refuse_long(source.as_deref())?;
    Ok(Envelope { data: record.bytes.into(), time, source, id })
}

/// A header as text; none if it is not there.
fn header<'a>(record: Given<'a>, name: &str) -> Result<Option<Text<'a>>, Reject> {
    let Some(value) = record.headers.header(name) else { return Ok(None) };
    match str::from_utf8(value) {
        Ok(text) => Ok(Some(text.into())),
        Err(_) => Err(refuse(Reason::BadEncoding, format!("header {name} is no UTF-8; write it as UTF-8"))),
    }
}

/// Of an event in structured mode; none if the value is a bare record.
fn of_value(record: &[u8]) -> Result<Option<Envelope<'_>>, Reject> {
    // Only an object can be one, and most formats write none.
    let bare = record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record).trim_ascii_start();
    if !bare.starts_with(b"{") {
        return Ok(None);
    }
    let Ok(text) = text_of(record) else { return Ok(None) };
    let mut members = Members::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(&mut members).and_then(|()| json.end());
    let Some(version) = members.specversion else { return Ok(None) };
    if let Err(error) = read {
        let sentence = format!("envelope is no JSON: {error}; give one CloudEvent and nothing after it");
        return Err(refuse(Reason::MalformedJson, sentence));
    }
    refuse_version(&text_in("specversion", version)?.unwrap_or_default())?;
    let named = |name, value: Option<_>| match value {
        Some(value) => text_in(name, value),
        None => Ok(None),
    };
    let time = named("time", members.time)?.map(|text| time_of(&text)).transpose()?;
    let data = match (members.data.filter(|data| data.get() != "null"), named("data_base64", members.data_base64)?) {
        (Some(data), None) => plain(data)?,
        (None, Some(text)) => match BASE64.decode(text.as_bytes()).ok() {
            Some(bytes) => bytes.into(),
            None => return Err(refuse(Reason::BadValue, "data_base64 is no base64 (RFC 4648); encode the bytes anew")),
        },
        (Some(_), Some(_)) => {
            return Err(refuse(Reason::BadValue, "envelope has both data and data_base64; give one of them"));
        }
        (None, None) => {
            return Err(refuse(Reason::MissingField, "envelope has no data; put the record into data or data_base64"));
        }
    };
    let (source, id) = (named("source", members.source)?, named("id", members.id)?);
    refuse_long(source.as_deref())?;
    Ok(Some(Envelope { data, time, source, id }))
}

fn refuse_version(version: &str) -> Result<(), Reject> {
    if version == "1.0" {
        return Ok(());
    }
    let found = shortened(version);
    Err(refuse(Reason::BadValue, format!("specversion is {found}; write CloudEvents as \"1.0\"")))
}

fn time_of(text: &str) -> Result<EventTime, Reject> {
    EventTime::parse(text).ok_or_else(|| {
        let found = shortened(text);
        refuse(Reason::BadTime, format!("the envelope's time is {found}; give RFC 3339 with an offset or Z"))
    })
}

fn refuse_long(source: Option<&str>) -> Result<(), Reject> {
    match source.map(str::len).filter(|bytes| TEXT_BYTES_MAX < *bytes) {
        None => Ok(()),
        Some(bytes) => {
            let sentence = format!("the envelope's source has {bytes} bytes; it may have {TEXT_BYTES_MAX}");
            Err(refuse(Reason::TooLarge, sentence))
        }
    }
}

impl<'a> Envelope<'a> {
    /// The id of the one event within. CloudEvents are told apart by `source` and `id` together, our events of a
    /// call by their id alone. A source is a URI reference, which holds no blank.
    pub(super) fn event_id(&self) -> Result<Option<String>, Reject> {
        let (Some(source), Some(id)) = (&self.source, &self.id) else { return Ok(None) };
        let bytes = source.len() + 1 + id.len();
        if TEXT_BYTES_MAX < bytes {
            let sentence = format!("source and id have {bytes} bytes; together they may have {TEXT_BYTES_MAX}");
            return Err(refuse(Reason::TooLarge, sentence));
        }
        Ok(Some(format!("{source} {id}")))
    }

    /// Gives an event within the names of its envelope where it has none of its own.
    pub(super) fn name<'e>(&'e self, event: &mut Event<'e>, event_id: Option<&'e str>) {
        if event.event_id.is_none() && event.seq.is_none() {
            event.event_id = event_id.map(Cow::Borrowed);
        }
        if event.source.is_none() {
            event.source = self.source.as_deref().map(Cow::Borrowed);
        }
    }
}

/// The record in `data`: a text stands for what is written in it, anything else for itself.
fn plain(data: &RawValue) -> Result<Cow<'_, [u8]>, Reject> {
    if !data.get().starts_with('"') {
        return Ok(data.get().as_bytes().into());
    }
    Ok(match text_in("data", data)? {
        Some(Cow::Borrowed(text)) => text.as_bytes().into(),
        Some(Cow::Owned(text)) => text.into_bytes().into(),
        None => Cow::default(),
    })
}

/// The text of a member; none if it is null.
fn text_in<'a>(name: &str, value: &'a RawValue) -> Result<Option<Text<'a>>, Reject> {
    if value.get() == "null" {
        return Ok(None);
    }
    let mut json = serde_json::Deserializer::from_str(value.get());
    match json.deserialize_str(TextVisitor) {
        Ok(text) if name == "data" || !text.is_empty() => Ok(Some(text)),
        _ => {
            let sentence = format!("the envelope's {name} is {}; give a text", shortened(value.get()));
            Err(refuse(Reason::BadValue, sentence))
        }
    }
}

/// A text, borrowed where it holds no escape.
struct TextVisitor;

impl<'a> Visitor<'a> for TextVisitor {
    type Value = Text<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Text<'a>, E> {
        Ok(text.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'a>, E> {
        Ok(text.to_owned().into())
    }
}

/// A member of an envelope.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Specversion,
    Id,
    Source,
    Time,
    Data,
    #[serde(rename = "data_base64")]
    DataBase64,
    #[serde(other)]
    Other,
}

/// The members of an envelope as they stand there; of one that comes twice the last.
#[derive(Default)]
struct Members<'a> {
    specversion: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    source: Option<&'a RawValue>,
    time: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
    data_base64: Option<&'a RawValue>,
}

impl<'a> Visitor<'a> for &mut Members<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key()? {
            let value: &'a RawValue = map.next_value()?;
            match key {
                Member::Specversion => self.specversion = Some(value),
                Member::Id => self.id = Some(value),
                Member::Source => self.source = Some(value),
                Member::Time => self.time = Some(value),
                Member::Data => self.data = Some(value),
                Member::DataBase64 => self.data_base64 = Some(value),
                Member::Other => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::format::{Decoder, Encoding, Format, Headers};
    use crate::decode::json;
    use crate::event::Decoded;
    use std::sync::Arc;

    #[derive(Debug)]
    struct Listed<'h>(&'h [(&'h str, &'h str)]);

    impl Headers for Listed<'_> {
        fn header(&self, name: &str) -> Option<&[u8]> {
            self.0.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes())
        }
    }

    /// As the binding's example of binary mode, with an event of ours.
    const BINARY: [(&str, &str); 6] = [
        ("ce_specversion", "1.0"),
        ("ce_type", "com.example.someevent"),
        ("ce_source", "/mycontext/subcontext"),
        ("ce_id", "1234-1234-1234"),
        ("ce_time", "2026-03-02T08:00:00Z"),
        ("content-type", "application/json; charset=utf-8"),
    ];
    const VALUE: &str = r#"{"type":"call.held","call_id":"c1"}"#;
    const EVENT: &str = concat!(
        r#"{"type":"call.held","time":"2026-03-02T08:00:00.000Z","event_id":"/mycontext/subcontext 1234-1234-1234","#,
        r#""source":"/mycontext/subcontext","call_id":"c1"}"#
    );

    fn told(headers: &[(&str, &str)], value: &str) -> Result<String, Reason> {
        let encoding = Encoding { format: Format::Json, is_enveloped: true };
        let headers = Listed(headers);
        let given = Given { headers: &headers, ..Given::from(value.as_bytes()) };
        let mut line = String::new();
        let decoded = Decoder::new(encoding, &Arc::default()).decode(given, &mut |decoded| match decoded {
            Decoded::Event(event) => line = json::encode(&event),
            Decoded::Unknown { kind } => panic!("{kind} is left aside"),
        });
        decoded.map(|()| line).map_err(|reject| reject.reason)
    }

    /// The example with one header written otherwise.
    fn with<'h>(name: &'h str, value: &'h str) -> Vec<(&'h str, &'h str)> {
        BINARY.iter().copied().chain([(name, value)]).collect()
    }

    #[test]
    fn attributes_in_headers_are_those_of_an_envelope() {
        assert_eq!(told(&BINARY, VALUE).as_deref(), Ok(EVENT));
        assert_eq!(told(&BINARY[..5], VALUE).as_deref(), Ok(EVENT), "without a content-type");
        // An envelope in the value is the data then, and no event of ours.
        let structured = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","data":{VALUE}}}"#);
        assert_eq!(told(&BINARY, &structured), Err(Reason::MissingField));
    }

    #[test]
    fn the_content_type_of_an_event_format_says_structured() {
        let structured = format!(
            r#"{{"specversion":"1.0","id":"1234-1234-1234","source":"/mycontext/subcontext","time":"2026-03-02T08:00:00Z","data":{VALUE}}}"#
        );
        for media in
            ["application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8", "application/cloudevents"]
        {
            assert_eq!(told(&[("content-type", media)], &structured).as_deref(), Ok(EVENT), "{media}");
            assert_eq!(told(&with("content-type", media), &structured).as_deref(), Ok(EVENT), "{media}");
            assert_eq!(told(&[("content-type", media)], VALUE), Err(Reason::MissingField), "{media}");
        }
        for media in ["application/cloudevents+avro", "application/cloudevents-batch+json"] {
            assert_eq!(told(&[("content-type", media)], &structured), Err(Reason::BadValue), "{media}");
        }
        assert_eq!(told(&[("content-type", "application/json")], &structured).as_deref(), Ok(EVENT));
    }

    #[test]
    fn headers_are_judged_as_attributes_are() {
        assert_eq!(told(&with("ce_specversion", "0.3"), VALUE), Err(Reason::BadValue));
        assert_eq!(told(&with("ce_time", "yesterday"), VALUE), Err(Reason::BadTime));
        assert_eq!(told(&with("ce_source", ""), VALUE), Err(Reason::BadValue));
        assert_eq!(told(&with("ce_source", &"s".repeat(1_025)), VALUE), Err(Reason::TooLarge));
        assert_eq!(told(&[("ce_id", "1")], VALUE), Err(Reason::MissingField), "no time: no version, no envelope");
    }
}
