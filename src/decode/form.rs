//! Form: the fields of a web form, as `application/x-www-form-urlencoded` writes them.
//!
//! Source: the URL standard, "application/x-www-form-urlencoded parsing". A text without an escape stays borrowed.

use super::draft::refuse;
use super::slots::shortened;
use crate::event::{Reason, Reject, Text};
use std::borrow::Cow;

/// Name and value of each field, in order.
pub(super) fn fields(text: &str) -> impl Iterator<Item = Result<(Text<'_>, Text<'_>), Reject>> {
    let fields = text.split('&').filter(|field| !field.is_empty());
    fields.map(|field| {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        Ok((plain(name)?, plain(value)?))
    })
}

/// The text that `%` and `+` stand for.
fn plain(written: &str) -> Result<Text<'_>, Reject> {
    if !written.contains(['%', '+']) {
        return Ok(Cow::Borrowed(written));
    }
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.bytes();
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
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let found: Result<Vec<_>, _> = fields(text).collect();
        let found = found.unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn reads_escapes_and_blanks() {
        check("a=1&b=%2B36+1%205", &[("a", "1"), ("b", "+36 1 5")]);
        check("a&&b==&%61=%c3%a9", &[("a", ""), ("b", "="), ("a", "é")]);
    }

    #[test]
    fn refuses_half_an_escape_and_what_is_no_utf_8() {
        let reason = |text| fields(text).find_map(Result::err).map(|reject: Reject| reject.reason);
        assert_eq!(reason("a=%4"), Some(Reason::MalformedText));
        assert_eq!(reason("a=%zz"), Some(Reason::MalformedText));
        assert_eq!(reason("%ff=1"), Some(Reason::BadEncoding));
    }
}
