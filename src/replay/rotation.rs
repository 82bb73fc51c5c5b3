//! Rotation: which files are parts of one log, told by their names, and which of them is older.
//!
//! ```text
//! queue_log.2.gz   queue_log.1   queue_log             numbers grow with age
//! queue_log-20260301   queue_log-20260302   queue_log  dates and times do not
//! ```
//!
//! A number of at least eight digits, or with signs within, is a date or a time. Behind a hyphen a short number is part of
//! the name: `host-1` and `host-2` are two systems.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Digits from which on an ending is a date or a time.
const DATE_DIGITS_MIN: usize = 8;

/// A file as a part of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub file: PathBuf,
    /// The path of the log: the file's own if it was not rotated.
    pub log: PathBuf,
    age: Age,
}

/// Oldest first. Of numbers and dates side by side the numbers are taken for the older ones: they stem from before somebody
/// chose dates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    Numbered(Reverse<u64>),
    Dated(String),
    Current,
}

impl Part {
    /// The file as all there is of its log.
    pub fn alone(file: &Path) -> Part {
        Part { file: file.to_path_buf(), log: file.to_path_buf(), age: Age::Current }
    }

    /// The file as a part of the log that its name tells.
    fn named(file: &Path) -> Part {
        rotated(file).unwrap_or_else(|| Part::alone(file))
    }
}

/// The files with those of one log together, oldest first, where the first of them stood; so that the order in which they
/// are named does not matter.
pub fn in_order(files: &[PathBuf]) -> Vec<Part> {
    let mut logs: Vec<Vec<Part>> = Vec::new();
    for part in files.iter().map(|file| Part::named(file)) {
        match logs.iter_mut().find(|log| log[0].log == part.log) {
            Some(log) => log.push(part),
            None => logs.push(vec![part]),
        }
    }
    for log in &mut logs {
        log.sort_by(|a, b| (&a.age, &a.file).cmp(&(&b.age, &b.file)));
    }
    logs.into_iter().flatten().collect()
}

fn rotated(path: &Path) -> Option<Part> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    let name = name.strip_suffix(".gz").unwrap_or(name);
    // The longest ending that rotation gives begins at the first sign that may begin one, unless a number stands before
    // it: that makes it part of an address.
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mut starts = name
        .char_indices()
        .filter(|(at, sign)| matches!(sign, '.' | '-') && !name[..*at].rsplit('.').next().is_none_or(is_number));
    let (log, age) = starts.find_map(|(at, sign)| Some((&name[..at], age(sign, &name[at + 1..])?)))?;
    Some(Part { file: path.to_path_buf(), log: path.with_file_name(log), age })
}

fn age(sign: char, ending: &str) -> Option<Age> {
    let digits = ending.bytes().filter(u8::is_ascii_digit).count();
    let is_number = digits == ending.len() && 0 < digits;
    let is_date = ending.starts_with(|first: char| first.is_ascii_digit())
        && ending.bytes().all(|byte| byte.is_ascii_digit() || b".-_:TZ".contains(&byte));
    match (is_number, is_date) {
        (true, _) if digits < DATE_DIGITS_MIN && sign == '.' => {
            ending.parse().ok().map(|number| Age::Numbered(Reverse(number)))
        }
        (_, true) if DATE_DIGITS_MIN <= digits => Some(Age::Dated(ending.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, log: &str) {
        assert_eq!(Part::named(Path::new(&format!("/var/log/{name}"))).log, Path::new("/var/log").join(log), "{name}");
    }

    #[test]
    fn knows_the_log_of_a_file() {
        for name in ["queue_log", "queue_log.1", "queue_log.12.gz", "queue_log-20260302", "queue_log.1772438400"] {
            check(name, "queue_log");
        }
        for name in ["queue_log.2026-03-02", "queue_log-2026-03-02T08:00:00Z.gz", "queue_log-20260302.1"] {
            check(name, "queue_log");
        }
        for name in
            ["queue_log.bak", "host-1", "queue_log.1.old", ".1", "queue_log.", "10.0.0.7.log", "queue_log.10.0.0.7"]
        {
            check(name, name);
        }
        check("pbx.example.log.3", "pbx.example.log");
        check("pbx2.1", "pbx2");
    }

    #[test]
    fn puts_the_files_of_a_log_oldest_first_however_they_are_named() {
        let ordered = ["q.10.gz", "q.2", "q.1", "q-20260301", "q-20260302.gz", "q"];
        for shift in 0..ordered.len() {
            let mut named: Vec<PathBuf> = ordered.iter().map(PathBuf::from).collect();
            named.rotate_left(shift);
            named.insert(1, "other".into());
            let found: Vec<PathBuf> = in_order(&named).into_iter().map(|part| part.file).collect();
            let of_q: Vec<&PathBuf> = found.iter().filter(|path| path.as_os_str() != "other").collect();
            assert_eq!(of_q, ordered.iter().map(Path::new).collect::<Vec<_>>());
        }
    }
}
