//! Intake: the records of files, each decoded; what cannot be used told on standard error, and a summary at the end.

use super::aside::Aside;
use super::failure::Failure;
use super::progress::{Progress, thousands};
use super::tell::tell;
use crate::config;
use crate::config::settings::Settings;
use crate::decode::format::{Decoder, Given};
use crate::decode::places::Places;
use crate::event::{Decoded, Event, Reason, Reject};
use crate::life::log::EVENTS_MAX;
use crate::replay::engine::Taken;
use crate::replay::files;
use crate::replay::rotation::{self, Part};
use serde_json::json;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Rejects shown one by one before they are only counted.
const SHOWN: u64 = 20;

/// What becomes of the records of files.
pub struct Intake {
    decoder: Decoder,
    rejects: Rejects,
    summary: Summary,
    pub progress: Progress,
    seconds: f64,
}

/// What became of the records.
#[derive(Default)]
struct Summary {
    read: u64,
    accepted: u64,
    repeated: u64,
    not_used: u64,
    aside: Aside,
    rejected: BTreeMap<&'static str, u64>,
}

/// What reads records written as `format` says.
pub fn decoder(format: &str, settings: &Settings) -> Result<Decoder, Failure> {
    let encoding =
        config::encoding(format, settings).map_err(|sentence| Failure::Asked(format!("--format: {sentence}")))?;
    Ok(Decoder::new(encoding, &settings.csv).with_queue_log_zone(settings.queue_log_zone.as_ref()))
}

impl Intake {
    /// Of records written as `format` says; all rejects go into the file too, if there is one.
    pub fn new(format: &str, settings: &Settings, rejects: Option<&Path>) -> Result<Intake, Failure> {
        Ok(Intake {
            decoder: decoder(format, settings)?,
            rejects: Rejects::open(rejects)?,
            summary: Summary::default(),
            progress: Progress::default(),
            seconds: 0.0,
        })
    }

    /// Reads all files. `take` is given each event and the name of its file, of a rotated one that of its log.
    pub fn read(&mut self, paths: &[PathBuf], mut take: impl FnMut(&Event<'_>, &str) -> Taken) -> Result<(), Failure> {
        let total: u64 = paths.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum();
        let done = Cell::new(0u64);
        // A log that was rotated goes on from file to file: the second that spans a rotation has an order, and what
        // restarts ends the calls of the file before.
        let parts = match self.decoder.is_ordered_by_place() {
            true => rotation::in_order(paths),
            false => paths.iter().map(|path| Part::alone(path)).collect(),
        };
        let (mut log, mut before, mut last) = (None, 0, 0);
        let mut places = Places::of(&self.decoder);
        for part in &parts {
            if log == Some(&part.log) {
                before += last;
            } else {
                (before, places) = (0, Places::of(&self.decoder));
            }
            (log, last) = (Some(&part.log), 0);
            let (file, source) = (files::source_name(&part.file), files::source_name(&part.log));
            let Intake { decoder, rejects, summary, progress, .. } = self;
            let read = files::read(
                &part.file,
                decoder.framing(),
                |bytes| done.set(done.get() + bytes),
                |record| {
                    summary.read += 1;
                    let place = places.next(before + record.line, record.bytes);
                    let given = Given { place: Some(place), ..Given::from(record.bytes) };
                    last = record.line;
                    if let Err(reject) = summary.take(decoder, given, &mut |event| take(event, &source)) {
                        *summary.rejected.entry(reject.reason.word()).or_default() += 1;
                        rejects.put(&file, record.line, &reject, progress);
                    }
                    if summary.read.is_multiple_of(4096) {
                        progress.show(|seconds| summary.so_far(done.get(), total, seconds));
                    }
                },
            );
            if let Err(error) = read {
                progress.clear();
                return Err(Failure::at_work(error));
            }
        }
        self.seconds = self.progress.elapsed();
        Ok(())
    }

    /// How many records were read.
    pub fn count(&self) -> u64 {
        self.summary.read
    }

    /// Every reject is written.
    pub fn close_rejects(&mut self) -> Result<(), Failure> {
        self.progress.clear();
        self.rejects.close()
    }

    /// Says on standard error what became of the records.
    pub fn print_summary(&self) {
        self.summary.print(self.seconds);
    }
}

/// Where rejects go.
struct Rejects {
    file: Option<BufWriter<File>>,
    failed: Option<io::Error>,
    count: u64,
}

impl Rejects {
    fn open(path: Option<&Path>) -> Result<Rejects, Failure> {
        let open = |path: &Path| {
            let sentence =
                |cause| format!("cannot write {}: {cause}; choose another file for --rejects", path.display());
            File::create(path).map(BufWriter::new).map_err(|cause| Failure::AtWork(sentence(cause)))
        };
        Ok(Rejects { file: path.map(open).transpose()?, failed: None, count: 0 })
    }

    fn put(&mut self, source: &str, line: u64, reject: &Reject, progress: &mut Progress) {
        self.count += 1;
        let (reason, sentence) = (reject.reason.word(), &reject.sentence);
        if self.count <= SHOWN {
            progress.clear();
            tell!("rejected {source}:{line}: {reason}: {sentence}");
        }
        if let Some(file) = &mut self.file {
            let row = json!({"source": source, "line": line, "reason": reason, "sentence": sentence});
            if let Err(error) = writeln!(file, "{row}") {
                self.failed.get_or_insert(error);
            }
        }
    }

    fn close(&mut self) -> Result<(), Failure> {
        let flushed = self.file.as_mut().map_or(Ok(()), BufWriter::flush);
        match self.failed.take().or(flushed.err()) {
            None => Ok(()),
            Some(error) => Err(Failure::AtWork(format!("cannot write the rejects: {error}; is the disk full?"))),
        }
    }
}

impl Summary {
    /// Counts what a record came to.
    fn take(
        &mut self,
        decoder: &Decoder,
        given: Given<'_>,
        take: &mut dyn FnMut(&Event<'_>) -> Taken,
    ) -> Result<(), Reject> {
        let mut is_too_many = false;
        decoder.decode(given, &mut |decoded| match decoded {
            Decoded::Unknown { kind } => self.aside.add(&kind, 1),
            Decoded::Event(event) => match take(&event) {
                Taken::Accepted => self.accepted += 1,
                Taken::Repeated => self.repeated += 1,
                Taken::NotUsed => self.not_used += 1,
                Taken::TooMany => is_too_many = true,
            },
        })?;
        if is_too_many {
            let sentence = format!("the call has {EVENTS_MAX} events already; is its call_id unique?");
            return Err(Reject { reason: Reason::TooLarge, sentence });
        }
        Ok(())
    }

    fn so_far(&self, done: u64, total: u64, seconds: f64) -> String {
        let share = (done * 100).checked_div(total).map_or(String::new(), |share| format!("{:3} %  ", share.min(100)));
        let rate = self.read as f64 / seconds.max(0.001);
        format!("{share}{} events  {} a second", thousands(self.read), thousands(rate as u64))
    }

    fn print(&self, seconds: f64) {
        let rejected: u64 = self.rejected.values().sum();
        if SHOWN < rejected {
            tell!("and {} more rejects; --rejects FILE writes them all", thousands(rejected - SHOWN));
        }
        let reasons: Vec<String> = self.rejected.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        tell!(
            "events: {} read, {} accepted, {} repeated, {} rejected{reasons}; {:.1} s",
            thousands(self.read),
            thousands(self.accepted),
            thousands(self.repeated),
            thousands(rejected),
            seconds,
        );
        if self.not_used != 0 {
            tell!(
                "{} events are of types understood and not used yet (agents, outcomes, planning)",
                thousands(self.not_used)
            );
        }
        if self.aside.count != 0 {
            tell!("{} events of unknown types were set aside: {}", thousands(self.aside.count), self.aside.names());
        }
    }
}
