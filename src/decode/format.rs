//! Formats: the ways in which a topic's or a file's records are written.

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One event a record, as a JSON object.
    Json,
    /// One event a record, as a protobuf message.
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
}
