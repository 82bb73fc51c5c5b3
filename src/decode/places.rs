//! Places: where the records of one log stand, and which of several equal ones of a second each is.
//!
//! ```text
//! 1772438400|c1|sales|NONE|ENTERQUEUE||101|1      line 1, no equal one before it
//! 1772438400|c1|sales|NONE|EXITEMPTY|1|1|0        line 2
//! 1772438400|c1|sales|NONE|ENTERQUEUE||101|1      line 3, one before it
//! ```
//!
//! A row of a log with whole seconds does not say which of two equal ones it is, and a line alone is another one in a copy of
//! the file. What is counted within a second is the same in both.

use super::format::{Decoder, Place};
use crate::fingerprint;
use hashbrown::HashMap;

/// Counts along one log, from file to file where it was rotated.
#[derive(Debug)]
pub struct Places {
    is_counted: bool,
    /// What the rows counted begin with: their second, as it is written.
    second: Vec<u8>,
    /// How often each of them came, by its fingerprint.
    rows: HashMap<u64, u64>,
}

impl Places {
    /// Of a log that nothing was read of. Only where records are told apart by their places are they counted.
    pub fn of(decoder: &Decoder) -> Places {
        Places { is_counted: decoder.is_ordered_by_place(), second: Vec::new(), rows: HashMap::new() }
    }

    /// The place of the next record, which stands in this line.
    pub fn next(&mut self, line: u64, record: &[u8]) -> Place {
        Place { line, repeats: self.count(record.trim_ascii()) }
    }

    /// Takes note of what stands before the next record, such as the end of what was read before.
    pub fn pass(&mut self, before: &[u8]) {
        for line in before.split(|byte| *byte == b'\n') {
            self.count(line.trim_ascii());
        }
    }

    /// A row of the realtime table has microseconds, and an equal one is a copy of it.
    fn count(&mut self, row: &[u8]) -> u64 {
        let Some(end) = row.iter().position(|byte| *byte == b'|').filter(|_| self.is_counted && row[0] != b'{') else {
            return 0;
        };
        if row[..end] != self.second {
            self.second.clear();
            self.second.extend_from_slice(&row[..end]);
            self.rows.clear();
        }
        let count = self.rows.entry(fingerprint::of_bytes(row)).or_default();
        *count += 1;
        *count - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::format::Format;

    fn repeats(places: &mut Places, rows: &[&str]) -> Vec<u64> {
        (1..).zip(rows).map(|(line, row)| places.next(line, row.as_bytes()).repeats).collect()
    }

    const ROWS: [&str; 6] = ["7|a|b", "7|a|c", "7|a|b\r", "7|a|b", "8|a|b", "8|a|b"];

    #[test]
    fn counts_equal_rows_of_a_second() {
        let mut places = Places::of(&Format::QueueLog.into());
        assert_eq!(repeats(&mut places, &ROWS), [0, 0, 1, 2, 0, 1]);
        // A copy behind it is counted alike.
        assert_eq!(repeats(&mut places, &ROWS), [0, 0, 1, 2, 0, 1]);
    }

    #[test]
    fn goes_on_from_what_was_read_before() {
        for read in 0..ROWS.len() {
            let mut places = Places::of(&Format::QueueLog.into());
            places.pass(format!("half a line\n{}\n", ROWS[..read].join("\n")).as_bytes());
            assert_eq!(repeats(&mut places, &ROWS[read..]), [0, 0, 1, 2, 0, 1][read..], "{read}");
        }
    }

    #[test]
    fn rows_of_the_table_and_of_other_formats_are_not_counted() {
        assert_eq!(repeats(&mut Places::of(&Format::QueueLog.into()), &[r#"{"a":"|"}"#; 2]), [0, 0]);
        assert_eq!(repeats(&mut Places::of(&Format::Csv.into()), &["7|a"; 2]), [0, 0]);
    }
}
