//! Walk: through the members of a JSON object as Amazon Connect writes them, without a blank and without an escape.
//!
//! What is written otherwise is not refused here but left to serde, which then reads all of it or says what is wrong.
//! Whoever walks knows what comes and may pass over what stands there a second time.

use super::wire::Word;
use crate::decode::scan::{below, first, is};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;

/// Where one is in a text. Every step answers none where the text is written otherwise.
pub(super) struct Walk<'a> {
    text: &'a str,
    /// Where it stands in the text.
    at: usize,
    /// How many objects and lists deep it is in what it skips.
    depth: usize,
}

/// Deeper than this is left to serde, which needs no stack for it.
const DEPTH_MAX: usize = 16;

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str) -> Walk<'a> {
        Walk { text, at: 0, depth: 0 }
    }

    /// Goes through an object. `each` is told the name of a member and has to go past its value.
    pub(super) fn object(&mut self, mut each: impl FnMut(&mut Walk<'a>, &'a str) -> Option<()>) -> Option<()> {
        self.items(b'{', b'}', |walk| {
            let name = walk.string()?;
            walk.sign(b':')?;
            each(walk, name)
        })
    }

    /// Goes through what stands between two signs, parted by commas. `each` has to go past one item.
    fn items(&mut self, open: u8, close: u8, mut each: impl FnMut(&mut Walk<'a>) -> Option<()>) -> Option<()> {
        self.sign(open)?;
        if self.sign(close).is_some() {
            return Some(());
        }
        loop {
            each(self)?;
            if self.sign(b',').is_none() {
                return self.sign(close);
            }
        }
    }

    /// Goes past exactly this.
    pub(super) fn pass(&mut self, written: &str) -> Option<()> {
        self.ahead().starts_with(written.as_bytes()).then(|| self.at += written.len())
    }

    /// A text, or null.
    pub(super) fn word(&mut self) -> Option<Option<Word<'a>>> {
        if self.pass("null").is_some() {
            return Some(None);
        }
        self.string().map(|text| Some(Word(Cow::Borrowed(text))))
    }

    /// A value as serde reads it.
    pub(super) fn value<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(self.text.get(self.at..)?).into_iter();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(value)
    }

    /// Goes past a value, and tells how it is written.
    pub(super) fn skip(&mut self) -> Option<&'a str> {
        let begun = self.at;
        match self.ahead().first()? {
            b'"' => self.pass_string()?,
            b'{' => self.deeper(Walk::skip_members)?,
            b'[' => self.deeper(|walk| walk.items(b'[', b']', |walk| walk.skip().map(drop)))?,
            b'n' => self.pass("null")?,
            _ => drop(self.value::<IgnoredAny>()?),
        }
        self.text.get(begun..self.at)
    }

    fn deeper(&mut self, go: impl FnOnce(&mut Walk<'a>) -> Option<()>) -> Option<()> {
        if DEPTH_MAX <= self.depth {
            return None;
        }
        self.depth += 1;
        go(self)?;
        self.depth -= 1;
        Some(())
    }

    fn skip_members(&mut self) -> Option<()> {
        self.items(b'{', b'}', |walk| {
            walk.pass_string()?;
            walk.sign(b':')?;
            walk.skip().map(drop)
        })
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn ahead(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn sign(&mut self, sign: u8) -> Option<()> {
        (self.text.as_bytes().get(self.at) == Some(&sign)).then(|| self.at += 1)
    }

    fn string(&mut self) -> Option<&'a str> {
        let begun = self.at;
        self.pass_string()?;
        self.text.get(begun + 1..self.at - 1)
    }

    fn pass_string(&mut self) -> Option<()> {
        self.sign(b'"')?;
        self.at += first(self.ahead(), |eight| is(eight, b'"') | is(eight, b'\\') | below(eight, b' '))?;
        self.sign(b'"')
    }
}

/// Whether a member comes for the first time, each having a bit of its own; none if it came before.
pub(super) fn is_new(seen: &mut u8, bit: u8) -> Option<()> {
    let is_first = *seen & bit == 0;
    *seen |= bit;
    is_first.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is skipped from the beginning; none where the text is left to serde.
    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(Walk::new(text).skip(), expected, "{text}");
    }

    #[test]
    fn skips_values_written_without_blanks_and_escapes() {
        for value in [r#""""#, r#""árvíztűrő tükörfúrógép""#, "null", "-1.5e3", "[]", r#"{"a":[1,{"b":null}],"c":"d"}"#]
        {
            check(&format!("{value},1"), Some(value));
        }
    }

    #[test]
    fn leaves_what_is_written_otherwise() {
        for text in ["", "{", r#"{"a" :1}"#, r#"{"a":1"#, "[1,]", "nul", r#""a\"b""#, "\"a\tb\"", r#""no end"#] {
            check(text, None);
        }
        check(&"[".repeat(100_000), None);
    }
}
