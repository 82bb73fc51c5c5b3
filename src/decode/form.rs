//! Form: the fields of a web form, as `application/x-www-form-urlencoded` writes them.
//!
//! Source: the URL standard, "application/x-www-form-urlencoded parsing". A text without an escape stays borrowed, and one
//! that nobody asks for is not looked at.

use super::draft::refuse;
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
        let field;
        (field, rest) = (!rest.is_empty()).then(|| halves(rest, b'&'))?;
        Some(field)
    });
    fields.filter(|field| !field.is_empty()).map(|field| {
        let (name, value) = halves(field, b'=');
        (Written(name), Written(value))
    })
}

/// What stands before the first such byte, and after it. Fields are short: to look at each byte is quicker than to search.
fn halves(text: &str, at: u8) -> (&str, &str) {
    text.bytes().position(|byte| byte == at).map_or((text, ""), |end| (&text[..end], &text[end + 1..]))
}

impl<'a> Written<'a> {
    /// The text that it stands for.
    pub(super) fn text(self) -> Result<Text<'a>, Reject> {
        match self.0.bytes().position(|byte| matches!(byte, b'%' | b'+')) {
            None => Ok(Cow::Borrowed(self.0)),
            Some(first) => plain(self.0, first),
        }
    }
}

/// The text that `%` and `+` stand for, of which the first is there.
fn plain(written: &str, first: usize) -> Result<Text<'_>, Reject> {
    let mut bytes = Vec::with_capacity(written.len());
    bytes.extend_from_slice(&written.as_bytes()[..first]);
    let mut rest = written.bytes().skip(first);
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(digit), rest.next().and_then(digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => {
                    let sentence = format!("{} has a % without two hex digits; write it as %25", shortened(written));
                    return Err(refuse(Reason::MalformedText, sentence));
                }
            },
            other => other,
        });
    }
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
