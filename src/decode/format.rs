//! Format: how the records of a source are written.

use super::{json, protobuf};
use crate::event::{Decoded, Reject};
use crate::time::EventTime;

/// A format a source may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    Json,
    Protobuf,
}

/// A record as it came.
#[derive(Clone, Copy, Debug)]
pub struct Given<'r> {
    pub bytes: &'r [u8],
    /// Its place in a file, from 1; none of a record of Kafka.
    pub line: Option<u64>,
    /// When Kafka was given it; none of a line of a file.
    pub logged: Option<EventTime>,
}

/// How records lie in a file one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One a line.
    Lines,
    /// Each after its length.
    Messages,
}

/// How the records of one source become events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoder {
    format: Format,
}

impl Format {
    pub const ALL: &'static [Format] = &[Format::Json, Format::Protobuf];

    /// The name in settings and arguments.
    pub const fn word(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Protobuf => "protobuf",
        }
    }

    pub fn from_word(word: &str) -> Option<Format> {
        Format::ALL.iter().copied().find(|format| format.word() == word)
    }
}

impl From<Format> for Decoder {
    fn from(format: Format) -> Decoder {
        Decoder { format }
    }
}

impl Decoder {
    pub fn framing(&self) -> Framing {
        match self.format {
            Format::Json => Framing::Lines,
            Format::Protobuf => Framing::Messages,
        }
    }

    /// Tells what a record holds, in the order of what happened: each event, or what is left aside by its name. Of a
    /// record that is refused nothing is told.
    pub fn decode(&self, record: Given<'_>, each: &mut dyn FnMut(Decoded<'_>)) -> Result<(), Reject> {
        match self.format {
            Format::Json => each(json::decode(record.bytes)?),
            Format::Protobuf => each(protobuf::decode(record.bytes)?),
        }
        Ok(())
    }
}

impl<'r> From<&'r [u8]> for Given<'r> {
    fn from(bytes: &'r [u8]) -> Given<'r> {
        Given { bytes, line: None, logged: None }
    }
}
