//! Headers: the names and values of a PBX's event, as lines of text or as a JSON object.
//!
//! ```text
//! Event: QueueCallerJoin          {"Event": "QueueCallerJoin", "Queue": "sales"}
//! Queue: sales
//! ```
//!
//! Which of them a format reads it declares with [`headers!`]; all others are skipped, whatever they hold. Values stay
//! borrowed from the record wherever they hold no escape.

use super::draft::refuse;
use super::json::refuse_too_large;
use super::slots::shortened;
use crate::event::{Reason, Reject, Text};
use crate::time::EventTime;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Declares the headers that a format reads. An absent one is empty, as an empty one is absent.
macro_rules! headers {
    ($(#[$doc:meta])* $name:ident { $($field:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Default)]
        struct $name<'a> { $($field: Text<'a>),* }

        impl<'a> Headers<'a> for $name<'a> {
            fn slot(&mut self, name: &str) -> Option<&mut Text<'a>> {
                match name { $($word => Some(&mut self.$field),)* _ => None }
            }
        }
    };
}

pub(super) use headers;

/// What a record fills.
pub(super) trait Headers<'a> {
    /// Where the value of a header goes; none if nobody asks for it. It is asked anew for each value of a list.
    fn slot(&mut self, name: &str) -> Option<&mut Text<'a>>;
}

/// How a PBX writes its events as text.
#[derive(Clone, Copy)]
pub(super) struct Syntax {
    /// The header that every event has: the first blank line after it ends the event.
    pub event: &'static str,
    /// Values are percent-encoded, and `_undef_` where there is none.
    pub is_encoded: bool,
}

/// Reads a record: JSON if it begins with a brace, else text.
pub(super) fn read<'a>(record: &'a [u8], syntax: Syntax, headers: &mut impl Headers<'a>) -> Result<(), Reject> {
    refuse_too_large(record)?;
    let record = record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record).trim_ascii();
    if record.is_empty() {
        let sentence = format!("record is empty; give headers such as `{}: ...`, or a JSON object", syntax.event);
        return Err(refuse(Reason::MalformedText, sentence));
    }
    if record.starts_with(b"{") {
        return read_json(record, headers);
    }
    match str::from_utf8(record) {
        Ok(text) => read_lines(text, syntax, headers, |value| value_of(value, syntax)),
        // A name in another encoding costs only an event that needs it.
        Err(_) => {
            let text = String::from_utf8_lossy(record);
            read_lines(&text, syntax, headers, |value| match value.contains(char::REPLACEMENT_CHARACTER) {
                false => Ok(value_of(value, syntax)?.into_owned().into()),
                true => Err(()),
            })
        }
    }
}

/// The name of the event.
pub(super) fn named<'a>(syntax: Syntax, value: &Text<'a>) -> Result<Text<'a>, Reject> {
    match value.is_empty() {
        false => Ok(value.clone()),
        true => {
            let sentence = format!("{} is missing; every event has it", syntax.event);
            Err(refuse(Reason::MissingField, sentence))
        }
    }
}

/// A value that an event cannot do without.
pub(super) fn needed<'a>(event: &str, name: &str, value: &Text<'a>) -> Result<Text<'a>, Reject> {
    match value.is_empty() {
        false => Ok(value.clone()),
        true => {
            let sentence = format!("{name} is missing; {} needs it", shortened(event));
            Err(refuse(Reason::MissingField, sentence))
        }
    }
}

/// A whole number; none if it is absent.
pub(super) fn whole(name: &str, value: &str) -> Result<Option<i64>, Reject> {
    match value.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) if value.is_empty() => Ok(None),
        Err(_) => {
            let sentence = format!("{name} is {}; give a whole number", shortened(value));
            Err(refuse(Reason::BadValue, sentence))
        }
    }
}

/// The instant of epoch milliseconds that a header says; none are milliseconds that could not be read.
pub(super) fn instant(name: &str, value: &str, millis: Option<i64>) -> Result<EventTime, Reject> {
    millis.and_then(EventTime::from_millis).ok_or_else(|| {
        let sentence = format!("{name} is {}; give the epoch time that the PBX writes there", shortened(value));
        refuse(Reason::BadTime, sentence)
    })
}

fn read_lines<'t, 'a>(
    text: &'t str,
    syntax: Syntax,
    headers: &mut impl Headers<'a>,
    value_of: impl Fn(&'t str) -> Result<Text<'a>, ()>,
) -> Result<(), Reject> {
    let mut has_begun = false;
    for (index, line) in text.split('\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            if has_begun {
                break;
            }
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            let sentence = format!("line {} is {}; give `Name: value`", index + 1, shortened(line));
            return Err(refuse(Reason::MalformedText, sentence));
        };
        let name = name.trim_ascii_end();
        has_begun |= name == syntax.event;
        if let Some(slot) = headers.slot(name) {
            *slot = value_of(value.trim_ascii_start()).map_err(|()| {
                let sentence = format!("the value of {name} is no UTF-8; write it as UTF-8");
                refuse(Reason::BadEncoding, sentence)
            })?;
        }
    }
    Ok(())
}

fn value_of(value: &str, syntax: Syntax) -> Result<Text<'_>, ()> {
    if !syntax.is_encoded {
        return Ok(value.into());
    }
    match value {
        "_undef_" => Ok("".into()),
        value if value.contains('%') => decoded(value).map(Text::from),
        value => Ok(value.into()),
    }
}

/// Undoes percent-encoding. A `%` that no two hex digits follow stands for itself, as FreeSWITCH reads it.
fn decoded(value: &str) -> Result<String, ()> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| (*byte as char).to_digit(16));
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (*first, digit(after.first()), digit(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).map_err(|_| ())
}

fn read_json<'a>(record: &'a [u8], headers: &mut impl Headers<'a>) -> Result<(), Reject> {
    let text = str::from_utf8(record).map_err(|error| {
        let sentence = format!("record is no UTF-8 at byte {}; write it as UTF-8", error.valid_up_to());
        refuse(Reason::BadEncoding, sentence)
    })?;
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Object(headers)).and_then(|()| json.end()).map_err(|error| {
        let sentence = format!("record is no JSON: {error}; give one JSON object and nothing after it");
        refuse(Reason::MalformedJson, sentence)
    })
}

struct Object<'h, H>(&'h mut H);

impl<'a, H: Headers<'a>> Visitor<'a> for Object<'_, H> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            if self.0.slot(&name).is_some() {
                map.next_value_seed(Value { headers: self.0, name: &name })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Name;

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Text<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Text<'a>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Name {
    type Value = Text<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'a str) -> Result<Text<'a>, E> {
        Ok(name.into())
    }

    fn visit_str<E>(self, name: &str) -> Result<Text<'a>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// A value of any kind: clients make numbers, flags and lists of what a PBX writes as text.
struct Value<'h, H> {
    headers: &'h mut H,
    name: &'h str,
}

impl<'a, H: Headers<'a>> Value<'_, H> {
    fn put(self, value: Text<'a>) {
        if let Some(slot) = self.headers.slot(self.name) {
            *slot = value;
        }
    }
}

impl<'a, H: Headers<'a>> DeserializeSeed<'a> for Value<'_, H> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a, H: Headers<'a>> Visitor<'a> for Value<'_, H> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<(), E> {
        self.put(value.into());
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.put(Cow::Owned(value.to_owned()));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.put(Cow::Owned(value.to_string()));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.put(Cow::Owned(value.to_string()));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.put(Cow::Owned(value.to_string()));
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.put(if value { "1".into() } else { "0".into() });
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut seq: S) -> Result<(), S::Error> {
        let Value { headers, name } = self;
        while seq.next_element_seed(Value { headers: &mut *headers, name })?.is_some() {}
        Ok(())
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}
