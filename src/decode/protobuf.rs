//! Protobuf: the native format as messages `callpulse.v1.Event`, one a record.
//!
//! The wire is read here and not by generated code, so that texts stay borrowed from the record
//! and a field of the wrong kind is named. `proto/callpulse/v1/event.proto` is for those who write
//! events; a test holds it and the generated code against this file.

use super::assemble::assemble;
use super::json::refuse_too_large;
use super::present::{Value, present};
use super::slots::{Raw, SCORE, Slots};
use super::table::{Field, Wire};
use crate::event::{Decoded, Event, Reason, Reject, Score};
use crate::time::EventTime;
use std::borrow::Cow;

/// Groups within groups deeper than this are refused; nothing of ours has any.
const GROUP_DEPTH_MAX: u32 = 32;

// Wire types of the encoding.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const LENGTH: u64 = 2;
const GROUP: u64 = 3;
const GROUP_END: u64 = 4;
const FOUR_BYTES: u64 = 5;

/// The event in a record, which is one message without a length before it.
pub fn decode(record: &[u8]) -> Result<Decoded<'_>, Reject> {
    decode_at(record, None)
}

/// The same, of an event whose envelope says when it happened, in case it does not say so itself.
pub(super) fn decode_at(record: &[u8], time: Option<EventTime>) -> Result<Decoded<'_>, Reject> {
    refuse_too_large(record)?;
    let mut slots = Slots::new();
    let mut bad_text = None;
    let mut reader = Reader { rest: record };
    if let Err(Broken(why)) = fill(&mut reader, &mut slots, &mut bad_text) {
        let at = record.len() - reader.rest.len();
        let sentence = format!("record is no message at byte {at}: {why}; write one callpulse.v1.Event per record");
        return Err(Reject { reason: Reason::MalformedProtobuf, sentence });
    }
    if let Some(field) = bad_text {
        let sentence = format!("{} is no UTF-8; write texts as UTF-8", field.word());
        return Err(Reject { reason: Reason::BadEncoding, sentence });
    }
    slots.default_time(time);
    assemble(&mut slots)
}

/// The event as a message: fields that are there, by number, defaults left out.
pub fn encode(event: &Event<'_>) -> Vec<u8> {
    let mut fields = Vec::with_capacity(16);
    present(event, |field, value| fields.push((field, value)));
    fields.sort_by_key(|(field, _)| *field);
    let mut out = Vec::with_capacity(128);
    for (field, value) in fields {
        let number = u64::from(field.number());
        match value {
            Value::Text(text) => put_bytes(&mut out, number, text.as_bytes()),
            Value::Integer(value) => put_varint_field(&mut out, number, value as u64),
            Value::Time(time) => put_varint_field(&mut out, number, time.0 as u64),
            Value::Flag(value) => put_varint_field(&mut out, number, u64::from(value)),
            Value::Number(value) => put_double(&mut out, number, value),
            Value::Score(Score { score, min, max }) => {
                let mut message = Vec::with_capacity(27);
                for (number, value) in (1..).zip([score, min, max]) {
                    put_double(&mut message, number, value);
                }
                put_bytes(&mut out, number, &message);
            }
        }
    }
    out
}

/// The bytes are no message, and why.
struct Broken(&'static str);

fn fill<'a>(reader: &mut Reader<'a>, slots: &mut Slots<'a>, bad_text: &mut Option<Field>) -> Result<(), Broken> {
    while let Some((number, wire)) = reader.key()? {
        let Some(&field) = Field::ALL.get(number as usize - 1) else {
            reader.skip(number, wire, 0)?;
            continue;
        };
        let value = match (field.wire(), wire) {
            (Wire::String, LENGTH) => match std::str::from_utf8(reader.bytes()?) {
                Ok(text) => Raw::Text(Cow::Borrowed(text)),
                Err(_) => {
                    bad_text.get_or_insert(field);
                    continue;
                }
            },
            (Wire::Int64, VARINT) => Raw::Integer(reader.varint()? as i64),
            (Wire::Bool, VARINT) => Raw::Flag(reader.varint()? != 0),
            (Wire::Double, EIGHT_BYTES) => Raw::Number(f64::from_bits(reader.eight_bytes()?)),
            (Wire::Score, LENGTH) => {
                // A message that comes in pieces is merged, as the encoding demands.
                let mut parts = match slots.take(field) {
                    Raw::Score(parts) => parts,
                    _ => Box::default(),
                };
                fill_score(reader.bytes()?, &mut parts)?;
                Raw::Score(parts)
            }
            _ => {
                reader.skip(number, wire, 0)?;
                Raw::Other("of another protobuf type")
            }
        };
        slots.set(field, value);
    }
    Ok(())
}

fn fill_score(message: &[u8], parts: &mut [Raw<'_>; SCORE.len()]) -> Result<(), Broken> {
    let mut reader = Reader { rest: message };
    while let Some((number, wire)) = reader.key()? {
        match (parts.get_mut(number as usize - 1), wire) {
            (Some(part), EIGHT_BYTES) => *part = Raw::Number(f64::from_bits(reader.eight_bytes()?)),
            (Some(part), _) => {
                reader.skip(number, wire, 0)?;
                *part = Raw::Other("of another protobuf type");
            }
            (None, _) => reader.skip(number, wire, 0)?,
        }
    }
    Ok(())
}

/// What is left of a message.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The number, from 1, and the wire type of the next field; none at the end.
    #[inline]
    fn key(&mut self) -> Result<Option<(u64, u64)>, Broken> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || 1 << 29 <= number {
            return Err(Broken("a field number out of range"));
        }
        Ok(Some((number, key & 7)))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0;
        for (place, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                if place == 9 && 1 < byte {
                    return Err(Broken("a number of more than 64 bits"));
                }
                self.rest = &self.rest[place + 1..];
                return Ok(value);
            }
        }
        Err(Broken(if self.rest.len() < 10 { "it ends within a number" } else { "a number of more than 64 bits" }))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Broken> {
        let length = self.varint()?;
        usize::try_from(length).map_err(|_| Broken("a length beyond its end")).and_then(|length| self.cut(length))
    }

    fn eight_bytes(&mut self) -> Result<u64, Broken> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(Broken("it ends within a number"));
        };
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    fn cut(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(Broken("a length beyond its end"));
        };
        self.rest = rest;
        Ok(bytes)
    }

    fn skip(&mut self, number: u64, wire: u64, depth: u32) -> Result<(), Broken> {
        match wire {
            VARINT => self.varint().map(drop),
            EIGHT_BYTES => self.cut(8).map(drop),
            LENGTH => self.bytes().map(drop),
            FOUR_BYTES => self.cut(4).map(drop),
            GROUP if depth < GROUP_DEPTH_MAX => loop {
                match self.key()? {
                    Some((end, GROUP_END)) if end == number => return Ok(()),
                    Some((inner, wire)) => self.skip(inner, wire, depth + 1)?,
                    None => return Err(Broken("it ends within a group")),
                }
            },
            GROUP => Err(Broken("groups too deep")),
            GROUP_END => Err(Broken("an end of a group that did not begin")),
            _ => Err(Broken("an unknown wire type")),
        }
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while 0x80 <= value {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_varint_field(out: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(out, number << 3 | VARINT);
    put_varint(out, value);
}

fn put_double(out: &mut Vec<u8>, number: u64, value: f64) {
    put_varint(out, number << 3 | EIGHT_BYTES);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | LENGTH);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
