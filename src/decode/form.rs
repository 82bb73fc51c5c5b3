//! Form: the fields of a web form, as `application/x-www-form-urlencoded` writes them.
//!
//! Source: the URL standard, "application/x-www-form-urlencoded parsing". A text without an escape stays borrowed, and one
//! that nobody asks for is not looked at.

use super::draft::refuse;
use super::scan::{first, is};
use super::slots::shortened;
use crate::event::{Reason, Reject, Text};
use std::borrow::Cow;

/// A name or a value as the form has it.
#[derive(Clone, Copy)]
pub(super) struct Written<'a>(&'a str);

/// Name and value of each field, in order.
pub(super) fn fields(text: &str) -> impl Iterator<Item = (Written<'_>, Written<'_>)> {
    let mut rest = text;
    let fields = std::iter::from_fn(move || {
        let (name, after) = (!rest.is_empty()).then(|| parted(rest, |eight| is(eight, b'=') | is(eight, b'&')))?;
        let (value, after) = match after.strip_prefix('=') {
            Some(value) => parted(value, |eight| is(eight, b'&')),
            None => ("", after),
        };
        rest = after.strip_prefix('&').unwrap_or(after);
        Some((Written(name), Written(value)))
    });
    fields.filter(|(name, value)| !(name.0.is_empty() && value.0.is_empty()))
}

/// What stands before the first such byte, and what begins with it.
fn parted(text: &str, marks: impl Fn(u64) -> u64) -> (&str, &str) {
    text.split_at(first(text.as_bytes(), marks).unwrap_or(text.len()))
}

impl<'a> Written<'a> {
    /// The text that it stands for.
    pub(super) fn text(self) -> Result<Text<'a>, Reject> {
        match escape(self.0.as_bytes()) {
            None => Ok(Cow::Borrowed(self.0)),
            Some(first) => plain(self.0, first),
        }
    }
}

/// Where the next `%` or `+` stands.
fn escape(bytes: &[u8]) -> Option<usize> {
    first(bytes, |eight| is(eight, b'%') | is(eight, b'+'))
}

/// The text that `%` and `+` stand for, of which the first is there.
fn plain(written: &str, first: usize) -> Result<Text<'_>, Reject> {
    let mut bytes = written.as_bytes().to_vec();
    let (mut from, mut to) = (first, first);
    while let Some(&byte) = bytes.get(from) {
        let (plain, length) = match byte {
            b'+' => (b' ', 1),
            b'%' => match bytes.get(from + 1..from + 3).map(|pair| (digit(pair[0]), digit(pair[1]))) {
                Some((Some(high), Some(low))) => (high << 4 | low, 3),
                _ => {
                    let sentence = format!("{} has a % without two hex digits; write it as %25", shortened(written));
                    return Err(refuse(Reason::MalformedText, sentence));
                }
            },
            other => (other, 1),
        };
        bytes[to] = plain;
        (from, to) = (from + length, to + 1);
    }
    bytes.truncate(to);
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| {
        let sentence = format!("{} stands for bytes that are no UTF-8; write the form as UTF-8", shortened(written));
        refuse(Reason::BadEncoding, sentence)
    })
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let text_of = |written: Written<'_>| written.text().unwrap().into_owned();
        let found: Vec<_> = fields(text).map(|(name, value)| (text_of(name), text_of(value))).collect();
        let expected: Vec<_> = expected.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn reads_escapes_and_blanks() {
        check("a=1&b=%2B36+1%205", &[("a", "1"), ("b", "+36 1 5")]);
        check("a&&b==&%61=%c3%a9", &[("a", ""), ("b", "="), ("a", "é")]);
    }

    #[test]
    fn refuses_half_an_escape_and_what_is_no_utf_8() {
        let refused = |(name, value): (Written<'_>, Written<'_>)| name.text().and(value.text()).err();
        let reason = |text| fields(text).find_map(refused).map(|reject| reject.reason);
        assert_eq!(reason("a=%4"), Some(Reason::MalformedText));
        assert_eq!(reason("a=%zz"), Some(Reason::MalformedText));
        assert_eq!(reason("%ff=1"), Some(Reason::BadEncoding));
    }
}
