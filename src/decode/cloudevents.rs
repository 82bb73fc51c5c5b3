//! CloudEvents: the envelope around a record of any format, CloudEvents 1.0 in its JSON format.
//!
//! Follows "CloudEvents - Version 1.0.2" (attributes), "JSON Event Format for CloudEvents - Version 1.0.2" (`data` and
//! `data_base64`) and "Kafka Protocol Binding for CloudEvents - Version 1.0.2": in structured mode the value is the
//! envelope, in binary mode it is the bare record. What has no `specversion` is no envelope.

use super::draft::refuse;
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

/// The envelope of a record; none if it is bare.
pub(super) fn open(record: &[u8]) -> Result<Option<Envelope<'_>>, Reject> {
    refuse_too_large(record)?;
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
    match text_in("specversion", version)? {
        Some(version) if version == "1.0" => {}
        other => {
            let found = shortened(&other.unwrap_or_default());
            return Err(refuse(Reason::BadValue, format!("specversion is {found}; write CloudEvents as \"1.0\"")));
        }
    }
    let named = |name, value: Option<_>| match value {
        Some(value) => text_in(name, value),
        None => Ok(None),
    };
    let time = match named("time", members.time)? {
        None => None,
        Some(text) => match EventTime::parse(&text) {
            Some(time) => Some(time),
            None => {
                let found = shortened(&text);
                let sentence = format!("the envelope's time is {found}; give RFC 3339 with an offset or Z");
                return Err(refuse(Reason::BadTime, sentence));
            }
        },
    };
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
    if let Some(bytes) = source.as_ref().map(|source| source.len()).filter(|bytes| TEXT_BYTES_MAX < *bytes) {
        let sentence = format!("the envelope's source has {bytes} bytes; it may have {TEXT_BYTES_MAX}");
        return Err(refuse(Reason::TooLarge, sentence));
    }
    Ok(Some(Envelope { data, time, source, id }))
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
