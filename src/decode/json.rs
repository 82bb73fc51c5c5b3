//! JSON: the native format, one object a record.
//!
//! One pass, texts borrowed from the record wherever they hold no escape. Only values of known
//! fields are looked at; all others are skipped by their grammar alone, however deep. Of a field
//! that comes twice the last one counts.

use super::assemble::assemble;
use super::present::{Value, present};
use super::slots::{Raw, SCORE, Slots};
use super::table::Field;
use crate::event::{Decoded, Event, Reason, Reject, Score};
use crate::time::EventTime;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;
use std::fmt;

/// The largest record that is read, in bytes.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// The event in a record, which is one JSON object in UTF-8. Blanks around it and a leading byte
/// order mark are no faults.
pub fn decode(record: &[u8]) -> Result<Decoded<'_>, Reject> {
    decode_at(record, None)
}

/// The same, of an event whose envelope says when it happened, in case it does not say so itself.
pub(super) fn decode_at(record: &[u8], time: Option<EventTime>) -> Result<Decoded<'_>, Reject> {
    let text = text_of(record)?;
    let mut slots = Slots::new();
    match fill(text, &mut slots, 0) {
        Ok(()) => {
            slots.default_time(time);
            assemble(&mut slots)
        }
        Err((error, at)) => decode_around(text, time, error, at),
    }
}

/// The text of a record, without a leading byte order mark.
pub(super) fn text_of(record: &[u8]) -> Result<&str, Reject> {
    refuse_too_large(record)?;
    match std::str::from_utf8(record) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let at = error.valid_up_to();
            let sentence = format!("record is no UTF-8 at byte {at}; write it as UTF-8");
            Err(Reject { reason: Reason::BadEncoding, sentence })
        }
    }
}

/// The event as one line of JSON without its end: fields that are there, in the table's order,
/// defaults left out, times in RFC 3339 with milliseconds.
pub fn encode(event: &Event<'_>) -> String {
    // Serializing into memory can only fail on a map whose keys are no texts.
    serde_json::to_string(&Line(event)).expect("the keys of an event are texts")
}

pub(super) fn refuse_too_large(record: &[u8]) -> Result<(), Reject> {
    if record.len() <= RECORD_BYTES_MAX {
        return Ok(());
    }
    // Whoever reads files reads no further than what shows this.
    let sentence = format!("record has more than {RECORD_BYTES_MAX} bytes, which is what an event may have");
    Err(Reject { reason: Reason::TooLarge, sentence })
}

/// What to make of a record that did not parse in the first pass. Most are no JSON. But half a
/// surrogate pair or a number beyond any float is well-formed and only cannot be held: then the
/// field it stands in is bad, which matters only if the type has it.
#[cold]
fn decode_around(
    text: &str,
    time: Option<EventTime>,
    mut error: serde_json::Error,
    mut at: Option<Field>,
) -> Result<Decoded<'_>, Reject> {
    let mut unreadable = 0;
    while let Some(field) = at.filter(|field| unreadable & field.bit() == 0) {
        unreadable |= field.bit();
        let mut slots = Slots::new();
        match fill(text, &mut slots, unreadable) {
            Ok(()) => {
                slots.default_time(time);
                return assemble(&mut slots);
            }
            Err(next) => (error, at) = next,
        }
    }
    let sentence = if text.trim_ascii().is_empty() {
        "record is empty; give one JSON object".to_owned()
    } else if error.is_data() {
        "record is JSON, but no object; give one JSON object".to_owned()
    } else {
        format!("record is no JSON: {error}; give one JSON object and nothing after it")
    };
    Err(Reject { reason: Reason::MalformedJson, sentence })
}

/// Fills the slots. On an error, the known field whose value was being read is told with it.
fn fill<'a>(text: &'a str, slots: &mut Slots<'a>, unreadable: u64) -> Result<(), (serde_json::Error, Option<Field>)> {
    let mut json = serde_json::Deserializer::from_str(text);
    let mut object = Object { slots, unreadable, at: None };
    match json.deserialize_map(&mut object) {
        Ok(()) => json.end().map_err(|error| (error, None)),
        Err(error) => Err((error, object.at)),
    }
}

struct Object<'s, 'a> {
    slots: &'s mut Slots<'a>,
    /// Bits of the fields whose values are to be skipped and held as unreadable.
    unreadable: u64,
    /// The known field whose value is being read.
    at: Option<Field>,
}

impl<'a> Visitor<'a> for &mut Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            let Some(field) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            self.at = Some(field);
            let value = if self.unreadable & field.bit() != 0 {
                map.next_value::<IgnoredAny>()?;
                Raw::Other("unreadable (half a surrogate pair, or a number too large)")
            } else {
                let is_score = matches!(field, Field::Csat | Field::Nps | Field::Ces);
                map.next_value_seed(AnyValue { is_score })?
            };
            self.at = None;
            self.slots.set(field, value);
        }
        Ok(())
    }
}

/// The field a key names; none if no type has it.
struct Key;

impl<'a> DeserializeSeed<'a> for Key {
    type Value = Option<Field>;

    #[inline]
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Option<Field>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    #[inline]
    fn visit_str<E>(self, name: &str) -> Result<Option<Field>, E> {
        Ok(Field::from_word(name))
    }
}

/// A value of any kind. Only where a score is expected is an object looked into.
struct AnyValue {
    is_score: bool,
}

impl<'a> DeserializeSeed<'a> for AnyValue {
    type Value = Raw<'a>;

    #[inline]
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Raw<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for AnyValue {
    type Value = Raw<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    #[inline]
    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Raw<'a>, E> {
        Ok(Raw::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw<'a>, E> {
        Ok(Raw::Text(Cow::Owned(text.to_owned())))
    }

    #[inline]
    fn visit_i64<E>(self, value: i64) -> Result<Raw<'a>, E> {
        Ok(Raw::Integer(value))
    }

    #[inline]
    fn visit_u64<E>(self, value: u64) -> Result<Raw<'a>, E> {
        Ok(i64::try_from(value).map_or(Raw::Number(value as f64), Raw::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw<'a>, E> {
        Ok(Raw::Number(value))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw<'a>, E> {
        Ok(Raw::Flag(value))
    }

    fn visit_unit<E>(self) -> Result<Raw<'a>, E> {
        Ok(Raw::Absent)
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut seq: S) -> Result<Raw<'a>, S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Raw::Other("a list"))
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Raw<'a>, M::Error> {
        let mut parts = [const { Raw::Absent }; 3];
        while let Some(key) = map.next_key_seed(Key)? {
            let place = key.filter(|_| self.is_score).and_then(|field| SCORE.iter().position(|part| *part == field));
            match place {
                Some(place) => parts[place] = map.next_value_seed(AnyValue { is_score: false })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(if self.is_score { Raw::Score(Box::new(parts)) } else { Raw::Other("an object") })
    }
}

struct Line<'e, 'a>(&'e Event<'a>);

impl Serialize for Line<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut outcome = Ok(());
        present(self.0, |field, value| {
            if outcome.is_ok() {
                outcome = map.serialize_entry(field.word(), &value);
            }
        });
        outcome?;
        map.end()
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Flag(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => serializer.serialize_i64(*value),
            Value::Number(value) => serializer.serialize_f64(*value),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Time(time) => serializer.collect_str(time),
            Value::Score(Score { score, min, max }) => {
                let mut map = serializer.serialize_map(Some(3))?;
                for (part, value) in SCORE.iter().zip([score, min, max]) {
                    map.serialize_entry(part.word(), value)?;
                }
                map.end()
            }
        }
    }
}
