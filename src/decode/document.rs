//! Document: the text of a vendor's record, the JSON in it, and the values as vendors write them.
//!
//! Texts stay borrowed from the record. A value of a kind that its field cannot have is refused by the place where it
//! stands; how long a text may be is judged with the event.

use super::draft::refuse;
use super::json::text_of;
use super::slots::shortened;
use crate::event::{Reason, Reject, Text};
use crate::time::EventTime;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The record as text, without a byte order mark.
pub(super) fn text(record: &[u8]) -> Result<&str, Reject> {
    text_of(record).map(str::trim_ascii)
}

/// The JSON document of a text. `wanted` says what it should be, such as "one conversation".
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str, wanted: &str) -> Result<T, Reject> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        if text.is_empty() {
            refuse(Reason::MalformedJson, format!("record is empty; give {wanted} as JSON"))
        } else if error.is_data() {
            let sentence = format!(
                "a value at line {line}, column {column} is of a kind its field cannot have; give {wanted} as it is documented"
            );
            refuse(Reason::BadValue, sentence)
        } else {
            let sentence = format!(
                "record is no JSON at line {line}, column {column}; give {wanted} as JSON and nothing after it"
            );
            refuse(Reason::MalformedJson, sentence)
        }
    })
}

/// The reject of a field that a record of this kind has to have.
pub(super) fn missing(kind: &str, field: &str) -> Reject {
    refuse(Reason::MissingField, format!("{field} is missing; {kind} needs it"))
}

/// A text, borrowed where it holds no escape.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Name<'_> {
    /// The text for as long as the document is looked at.
    pub(super) fn text(&self) -> Text<'_> {
        Cow::Borrowed(&self.0)
    }
}

/// A text or a number, as whoever writes the record pleases; anything else says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Scalar<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Integer(i64),
    Other,
}

impl Scalar<'_> {
    /// The text that is there, and not empty.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Scalar::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Scalar::Integer(value) => Some(*value),
            Scalar::Text(text) => text.parse().ok(),
            Scalar::Absent | Scalar::Other => None,
        }
    }

    /// The instant: RFC 3339 or epoch milliseconds, also as a text of digits. None if the field is not there.
    pub(super) fn time(&self, field: &str) -> Result<Option<EventTime>, Reject> {
        let time = match self {
            Scalar::Absent => return Ok(None),
            Scalar::Text(text) if text.is_empty() => return Ok(None),
            Scalar::Text(text) => EventTime::parse(text).or_else(|| EventTime::from_millis(text.parse().ok()?)),
            Scalar::Integer(millis) => EventTime::from_millis(*millis),
            Scalar::Other => None,
        };
        time.map(Some).ok_or_else(|| {
            let found = match self {
                Scalar::Text(text) => shortened(text),
                Scalar::Integer(value) => value.to_string(),
                Scalar::Absent | Scalar::Other => "neither text nor whole number".to_owned(),
            };
            let sentence = format!(
                "{field} is {found}; give RFC 3339 with an offset or Z, such as \"2026-03-02T08:15:30.120Z\", or epoch \
                 milliseconds"
            );
            refuse(Reason::BadTime, sentence)
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar<'a>, D::Error> {
        deserializer.deserialize_any(AnyScalar)
    }
}

struct AnyScalar;

impl<'a> Visitor<'a> for AnyScalar {
    type Value = Scalar<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar<'a>, E> {
        Ok(i64::try_from(value).map_or(Scalar::Other, Scalar::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Absent)
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut seq: S) -> Result<Scalar<'a>, S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Scalar<'a>, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}
