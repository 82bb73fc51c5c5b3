//! Format: how the records of a source are written.

use super::{json, protobuf};
use crate::event::{Decoded, Reject};

/// A format a source may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    Json,
    Protobuf,
}

impl Format {
    pub const ALL: [Format; 2] = [Format::Json, Format::Protobuf];

    /// The name in settings and arguments.
    pub const fn word(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Protobuf => "protobuf",
        }
    }

    pub fn from_word(word: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.word() == word)
    }

    /// The event in a record of this format.
    pub fn decode(self, record: &[u8]) -> Result<Decoded<'_>, Reject> {
        match self {
            Format::Json => json::decode(record),
            Format::Protobuf => protobuf::decode(record),
        }
    }
}
