//! `callpulse simulate`: events of a simulated centre to standard output, its own books to a file.

use super::arguments::Simulate as Asked;
use super::failure::Failure;
use super::progress::{Progress, thousands};
use super::tell::tell;
use crate::decode::json;
use crate::simulate::centre::Centre;
use crate::simulate::settings::SimSettings;
use crate::simulate::truth::Truth;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

pub fn run(asked: &Asked) -> Result<(), Failure> {
    // Opened before the work, so that a wrong name is told at once.
    let books = asked.truth.as_deref().map(|path| open(path).map(|file| (path, file))).transpose()?;
    let mut centre = Centre::new(settings(asked));
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut progress = Progress::default();
    let written = write_events(&mut centre, &mut out, &mut progress);
    progress.clear();
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            if let Some((path, _)) = books {
                tell!("the events were not read to their end, so {} stays empty", path.display());
            }
            return Ok(());
        }
        Err(error) => return Err(Failure::AtWork(format!("cannot write the events: {error}; is the disk full?"))),
    }
    match books {
        None => Ok(()),
        Some((path, file)) => write_truth(&centre.truth(), file).map_err(|cause| unwritable(path, &cause)),
    }
}

fn settings(asked: &Asked) -> SimSettings {
    let default = SimSettings::default();
    SimSettings {
        seed: asked.seed,
        calls: asked.calls,
        start: asked.start.unwrap_or(default.start),
        disorder_ms: i64::from(asked.disorder),
        repeats_per_mille: u64::from(asked.repeats),
        keeps_books: asked.truth.is_some(),
        ..default
    }
}

fn write_events(centre: &mut Centre, out: &mut impl Write, progress: &mut Progress) -> io::Result<()> {
    let mut written = 0;
    for (_, event) in centre {
        out.write_all(json::encode(&event).as_bytes())?;
        out.write_all(b"\n")?;
        written += 1;
        if u64::is_multiple_of(written, 4096) {
            progress.show(|_| format!("{} events, now at {}", thousands(written), event.time));
        }
    }
    out.flush()
}

fn open(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|cause| unwritable(path, &cause))
}

fn write_truth(truth: &Truth, file: File) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    serde_json::to_writer(&mut file, truth)?;
    file.write_all(b"\n")?;
    file.flush()
}

fn unwritable(path: &Path, cause: &io::Error) -> Failure {
    Failure::AtWork(format!("cannot write {}: {cause}; choose another file for --truth", path.display()))
}
