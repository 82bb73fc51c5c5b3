//! Samples of what sources write: `tests/formats/FORMAT/NAME.in`, read as `replay` reads a file, with the settings in
//! `NAME.toml` if there are any.

use super::told::{Told, told};
use callpulse::config;
use callpulse::config::settings::Settings;
use callpulse::decode::format::{Decoder, Encoding, Given};
use callpulse::decode::places::Places;
use callpulse::replay::files;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The samples of a format, in the order of their names.
pub fn samples(encoding: Encoding) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats").join(&*encoding.word());
    let Ok(entries) = fs::read_dir(&directory) else { return Vec::new() };
    let mut samples: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    samples.retain(|path| path.extension().is_some_and(|extension| extension == "in"));
    samples.sort();
    samples
}

/// The file with the settings of a sample, if it has any.
pub fn settings_file(sample: &Path) -> Option<PathBuf> {
    Some(sample.with_extension("toml")).filter(|path| path.exists())
}

/// The settings a sample is read with.
pub fn settings(sample: &Path) -> Settings {
    let text = settings_file(sample).map_or(String::new(), |path| fs::read_to_string(path).expect("settings"));
    match config::read(&text, &BTreeMap::new()) {
        Ok(loaded) => loaded.settings,
        Err(faults) => panic!("{}: {faults:?}", sample.display()),
    }
}

/// What each record of a file is told as, with its place in the file.
pub fn read(path: &Path, decoder: &Decoder) -> Vec<(u64, Told)> {
    let mut records = Vec::new();
    each_record(path, decoder, |given| records.push((given.place.unwrap_or_default().line, told(decoder, given))));
    records
}

/// The records of a file, as bytes.
pub fn records(path: &Path, decoder: &Decoder) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    each_record(path, decoder, |given| records.push(given.bytes.to_vec()));
    records
}

fn each_record(path: &Path, decoder: &Decoder, mut each: impl FnMut(Given<'_>)) {
    let mut places = Places::of(decoder);
    let read = files::read(
        path,
        decoder.framing(),
        |_| {},
        |record| {
            let place = places.next(record.line, record.bytes);
            each(Given { place: Some(place), ..Given::from(record.bytes) });
        },
    );
    read.unwrap_or_else(|error| panic!("{error}"));
}
