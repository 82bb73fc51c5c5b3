//! Samples of what sources write: `tests/formats/FORMAT/NAME.in`, read as `replay` reads a file.

use super::told::{Told, told};
use callpulse::decode::format::{Decoder, Format, Given};
use callpulse::replay::files;
use std::fs;
use std::path::{Path, PathBuf};

/// The samples of a format, in the order of their names.
pub fn samples(format: Format) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats").join(format.word());
    let Ok(entries) = fs::read_dir(&directory) else { return Vec::new() };
    let mut samples: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    samples.retain(|path| path.extension().is_some_and(|extension| extension == "in"));
    samples.sort();
    samples
}

/// What each record of a file is told as, with its place in the file.
pub fn read(path: &Path, decoder: &Decoder) -> Vec<(u64, Told)> {
    let mut records = Vec::new();
    each_record(path, decoder, |given| records.push((given.line.unwrap_or_default(), told(decoder, given))));
    records
}

/// The records of a file, as bytes.
pub fn records(path: &Path, decoder: &Decoder) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    each_record(path, decoder, |given| records.push(given.bytes.to_vec()));
    records
}

fn each_record(path: &Path, decoder: &Decoder, mut each: impl FnMut(Given<'_>)) {
    let read = files::read(
        path,
        decoder.framing(),
        |_| {},
        |record| {
            each(Given { bytes: record.bytes, line: Some(record.line), logged: None });
        },
    );
    read.unwrap_or_else(|error| panic!("{error}"));
}
