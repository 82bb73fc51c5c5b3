//! Faults: what is wrong with settings, each at its place, so that all can be told at once.

use std::fmt;

/// One thing that is wrong, and what would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key (`windows.sliding[1]`), the variable, or line and column of the text.
    pub place: String,
    pub sentence: String,
}

/// The faults found so far: one for each place, since the first explains the others.
#[derive(Debug, Default)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    pub fn add(&mut self, place: impl Into<String>, sentence: impl Into<String>) {
        let place = place.into();
        if self.0.iter().all(|fault| fault.place != place) {
            self.0.push(Fault { place, sentence: sentence.into() });
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.sentence)
    }
}

/// The place of a key within a table: `queues.sales`, or `queues."two words"`.
pub fn key_of(table: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if table.is_empty() { key } else { format!("{table}.{key}") }
}

/// The place of an item within a list, counted from 0.
pub fn item_of(list: &str, index: usize) -> String {
    format!("{list}[{index}]")
}
