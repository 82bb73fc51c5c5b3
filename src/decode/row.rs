//! Row: one line of separated values, cut into its cells.
//!
//! By RFC 4180: a cell in quotes may hold the delimiter, and a quote written twice. A record is one row, so a line
//! break within quotes is none. Beyond the RFC blanks around a cell do not count, and a quote within a cell that
//! does not begin with one stands for itself.

use super::draft::refuse;
use super::slots::shortened;
use crate::event::{Reason, Reject, Text};
use smallvec::SmallVec;

/// The cells of a row, as far as they were asked for.
pub(super) type Cells<'r> = SmallVec<[Text<'r>; 16]>;

/// Cuts a row into at most `wanted` cells; how many it has is told too.
pub(super) fn cells(row: &str, delimiter: char, wanted: usize) -> Result<(Cells<'_>, usize), Reject> {
    let (mut cells, mut count) = (Cells::new(), 0);
    let mut rest = Some(row);
    while let Some(row) = rest {
        let (cell, after) = next(row, delimiter)?;
        if count < wanted {
            cells.push(cell);
        }
        count += 1;
        rest = after;
    }
    Ok((cells, count))
}

/// The first cell, and what stands after its delimiter if there is one.
fn next(row: &str, delimiter: char) -> Result<(Text<'_>, Option<&str>), Reject> {
    if let Some(quoted) = row.trim_start_matches(' ').strip_prefix('"') {
        return next_quoted(quoted, delimiter);
    }
    Ok(match row.split_once(delimiter) {
        Some((cell, rest)) => (cell.trim_ascii().into(), Some(rest)),
        None => (row.trim_ascii().into(), None),
    })
}

/// The same of a cell in quotes, the first of which is gone.
fn next_quoted(quoted: &str, delimiter: char) -> Result<(Text<'_>, Option<&str>), Reject> {
    let mut cell = Text::default();
    let mut rest = quoted;
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            let sentence = "a cell's quote is not closed; write a row as one line, and a quote within a cell twice";
            return Err(refuse(Reason::MalformedText, sentence));
        };
        // Most cells have one part, which stays borrowed.
        if cell.is_empty() {
            cell = part.into()
        } else {
            cell.to_mut().push_str(part)
        }
        match after.strip_prefix('"') {
            Some(after) => {
                cell.to_mut().push('"');
                rest = after;
            }
            None => {
                let after = after.trim_start_matches(' ').trim_end_matches(['\r', '\n']);
                if after.is_empty() {
                    return Ok((cell, None));
                }
                return match after.strip_prefix(delimiter) {
                    Some(rest) => Ok((cell, Some(rest))),
                    None => {
                        let found = shortened(after);
                        let sentence =
                            format!("{found} follows a cell's closing quote; write a quote within a cell twice");
                        Err(refuse(Reason::MalformedText, sentence))
                    }
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(row: &str, delimiter: char, expected: &[&str]) {
        let (found, count) = cells(row, delimiter, 9).expect(row);
        assert_eq!(
            (found.as_slice(), count),
            (expected.iter().map(|cell| (*cell).into()).collect::<Vec<_>>().as_slice(), expected.len())
        );
    }

    #[test]
    fn cells_in_quotes_hold_delimiters_and_quotes() {
        check("a,b,,c", ',', &["a", "b", "", "c"]);
        check("\t\ta \t", '\t', &["", "", "a", ""]);
        check(r#""a,b" , "say ""hi""","""" "#, ',', &["a,b", r#"say "hi""#, "\""]);
        check("5\" disk;\"\"\r\n", ';', &["5\" disk", ""]);
        check("", ',', &[""]);
    }

    #[test]
    fn what_is_no_row_says_so() {
        for row in ["\"a", "\"a\"b", "a,\"\"\""] {
            assert_eq!(cells(row, ',', 9).unwrap_err().reason, Reason::MalformedText, "{row}");
        }
    }

    #[test]
    fn cells_nobody_wants_are_only_counted() {
        let (cells, count) = cells("a,b,c", ',', 1).expect("cells");
        assert_eq!((cells.len(), count), (1, 3));
    }
}
