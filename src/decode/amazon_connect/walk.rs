//! Walk: through the members of a JSON object as Amazon Connect writes them, without a blank and without an escape.
//!
//! What is written otherwise is not refused here but left to serde, which then reads all of it or says what is wrong.
//! Whoever walks knows what comes and may pass over what stands there a second time.

use super::wire::Word;
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
        self.sign(b'{')?;
        if self.sign(b'}').is_some() {
            return Some(());
        }
        loop {
            let name = self.string()?;
            self.sign(b':')?;
            each(self, name)?;
            if self.sign(b',').is_none() {
                return self.sign(b'}');
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
            b'{' => self.deeper(|walk| walk.object(|walk, _| walk.skip().map(drop)))?,
            b'[' => self.deeper(Walk::list)?,
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

    fn list(&mut self) -> Option<()> {
        self.sign(b'[')?;
        if self.sign(b']').is_some() {
            return Some(());
        }
        loop {
            self.skip()?;
            if self.sign(b',').is_none() {
                return self.sign(b']');
            }
        }
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
        while let Some(eight) = self.ahead().first_chunk() {
            let found = ends(u64::from_le_bytes(*eight));
            self.at += found;
            if found < 8 {
                return self.sign(b'"');
            }
        }
        self.at += self.ahead().iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
        self.sign(b'"')
    }
}

/// How many of eight bytes, the lowest first, stand before a quotation mark, a backslash or a control character.
fn ends(eight: u64) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let below = |bytes: u64, limit: u8| bytes.wrapping_sub(ONES * u64::from(limit)) & !bytes;
    let is = |byte: u8| below(eight ^ (ONES * u64::from(byte)), 1);
    let found = (below(eight, b' ') | is(b'"') | is(b'\\')) & (ONES << 7);
    (found.trailing_zeros() / 8) as usize
}

/// Whether a member comes for the first time, each having a bit of its own; none if it came before.
pub(super) fn first(seen: &mut u8, bit: u8) -> Option<()> {
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

    #[test]
    fn a_string_ends_at_the_first_of_its_ends_wherever_that_stands() {
        for before in 0..20 {
            for (end, rest) in [("\"", "\"8 bytes"), ("\\", "\""), ("\n", "\"8 bytes")] {
                let text = format!("\"{}{end}{rest}", "é".repeat(before));
                let string = Some(&text[..2 * before + 2]).filter(|_| end == "\"");
                check(&text, string);
            }
        }
    }
}
