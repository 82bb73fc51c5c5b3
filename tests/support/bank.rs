//! The calls of a real bank's centre in 1999, a month at a time: beside the repository, and none of it.

use crate::beside::beside;
use std::path::PathBuf;
use std::process::Command;

/// Every month there is.
pub const MONTHS: [&str; 5] = ["january", "february", "march", "april", "september"];

/// A file of the data; none, said with a word, if they are not there.
pub fn file(name: &str) -> Option<PathBuf> {
    beside(&format!("data/anonymous-bank-1999/{name}"))
}

/// The events of a month as JSON lines; none, said with a word, if the data are not there.
pub fn month(name: &str) -> Option<String> {
    let (table, converter) = (file(&format!("{name}.tsv.gz"))?, beside("tools/bank_to_events.py")?);
    let output = Command::new("python3").arg(converter).arg(table).output().expect("python3 runs the converter");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("lines of JSON"))
}
