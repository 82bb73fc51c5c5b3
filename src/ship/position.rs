//! Position: how far a followed file was read, in words that outlive the process.
//!
//! A file is known again by what it holds, not by its name, which rotation changes, nor by its inode alone, which
//! is given to another file once this one is deleted, and which a copy does not share.

use crate::fingerprint;
use serde::{Deserialize, Serialize};

/// So many bytes before the position say which file it is of.
pub(super) const TAIL_BYTES: usize = 1024;

/// A place in a file, before a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Bytes before it, at least one: nothing tells an unread file from another.
    #[serde(skip)]
    pub offset: u64,
    /// Of several files that hold the same bytes, the one with this inode is meant.
    pub inode: u64,
    /// Lines of this file before it.
    pub line: u64,
    /// Lines of the files before this one.
    pub before: u64,
    /// When the file was written last, as far as it was read; epoch nanoseconds.
    pub modified: i64,
    /// Fingerprint of the last bytes before it, 1024 unless there are fewer.
    pub tail: u64,
    /// Inodes of files read before this one and written last in the same tick of the clock: no time tells them from
    /// files that come after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<u64>,
}

impl Position {
    /// What stands beside the offset.
    pub fn words(&self) -> String {
        // Serializing integers into memory does not fail.
        serde_json::to_string(self).expect("a position is a list of integers")
    }

    /// The position that these words tell; none if they tell none.
    pub fn parse(offset: i64, words: &str) -> Option<Position> {
        let position: Position = serde_json::from_str(words).ok()?;
        let offset = u64::try_from(offset).ok().filter(|&offset| 0 < offset)?;
        Some(Position { offset, ..position })
    }

    /// How many bytes before it the fingerprint is of.
    pub(super) fn tail_bytes(&self) -> usize {
        self.offset.min(TAIL_BYTES as u64) as usize
    }
}

/// The fingerprint of the bytes before a position.
pub(super) fn tail(bytes: &[u8]) -> u64 {
    fingerprint::of(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_from_its_words() {
        let position =
            Position { offset: 81, inode: 7, line: 2, before: 40, modified: -1, tail: u64::MAX, left: vec![6, 9] };
        assert_eq!(Position::parse(81, &position.words()), Some(position.clone()));
        let alone = Position { left: Vec::new(), ..position };
        assert_eq!(Position::parse(81, &alone.words()), Some(alone));
    }

    #[test]
    fn is_none_before_anything_was_read() {
        assert_eq!(Position::parse(0, ""), None);
        assert_eq!(Position::parse(5, "{}"), None);
    }
}
