//! `callpulse replay`: events from files, KPIs to standard output, rejects and a summary to standard
//! error.

use super::arguments::{OutputForm, Replay as Asked};
use super::failure::Failure;
use super::progress::{Progress, thousands};
use super::surroundings::environment;
use crate::config;
use crate::decode::format::{Decoder, Format, Given};
use crate::event::{Decoded, Reason, Reject};
use crate::life::log::EVENTS_MAX;
use crate::replay::engine::{Replay, Taken};
use crate::replay::files::{self, FileRecord};
use crate::replay::filter::Filter;
use crate::replay::output::{self, Form};
use crate::time::EventTime;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Rejects shown one by one before they are only counted.
const SHOWN: u64 = 20;

/// What became of the records.
#[derive(Default)]
struct Summary {
    read: u64,
    accepted: u64,
    repeated: u64,
    not_used: u64,
    unknown: BTreeMap<String, u64>,
    rejected: BTreeMap<&'static str, u64>,
}

pub fn run(asked: &Asked) -> Result<(), Failure> {
    let decoder = Decoder::from(format(&asked.format)?);
    let loaded = config::load(asked.config.config.as_deref(), environment())?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let settings = loaded.settings;
    let entities = asked.entity.iter().map(|text| Filter::parse_entity(text)).collect::<Result<_, _>>();
    let filter = Filter { entities: entities.map_err(Failure::Asked)?, windows: asked.window.clone() };
    check_windows(&filter, &settings.kpi)?;

    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let not_after = EventTime(clock).plus(settings.plan.allowed_skew);
    let mut replay = Replay::new(Arc::new(settings.plan), not_after);
    replay.limit_entities(move |tenant| settings.max_entities.of(tenant));
    let mut rejects = Rejects::open(asked.rejects.as_deref())?;
    let mut summary = Summary::default();
    let mut progress = Progress::default();
    let total: u64 = asked.files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|file| file.len()).sum();
    let mut taken_bytes = 0;
    let done = std::cell::Cell::new(0u64);
    for path in &asked.files {
        let source = files::source_name(path);
        let read = files::read(
            path,
            decoder.framing(),
            |bytes| done.set(done.get() + bytes),
            |record| {
                summary.read += 1;
                if let Err(reject) = take(&mut replay, &decoder, record, &source, &mut summary) {
                    *summary.rejected.entry(reject.reason.word()).or_default() += 1;
                    rejects.put(&source, record.line, &reject, &mut progress);
                }
                if summary.read.is_multiple_of(4096) {
                    taken_bytes = done.get();
                    progress.show(|seconds| shown(&summary, taken_bytes, total, seconds));
                }
            },
        );
        if let Err(error) = read {
            progress.clear();
            return Err(Failure::at_work(error));
        }
    }
    let read_in = progress.elapsed();
    progress.show(|_| format!("{} events read; settling the calls", thousands(summary.read)));
    let as_of = asked.as_of.or(replay.latest()).unwrap_or(not_after);
    let tallies = replay.settle(&settings.kpi, as_of);
    progress.clear();
    rejects.close()?;

    let form = match asked.output {
        OutputForm::Table => Form::Table,
        OutputForm::Json => Form::Json,
        OutputForm::Csv => Form::Csv,
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match output::write(form, tallies.records(&filter), &mut out).and_then(|()| out.flush()) {
        Ok(()) => {}
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => return Err(Failure::AtWork(format!("cannot write the records: {error}; is the disk full?"))),
    }
    summary.print(read_in);
    if tallies.refused() != 0 {
        eprintln!(
            "{} entities (queues, agents, teams) found no room and are not counted; raise [tenants.NAME] max_entities",
            thousands(tallies.refused() as u64)
        );
    }
    Ok(())
}

fn take(
    replay: &mut Replay,
    decoder: &Decoder,
    record: FileRecord<'_>,
    source: &str,
    summary: &mut Summary,
) -> Result<(), Reject> {
    let mut is_too_many = false;
    let given = Given { bytes: record.bytes, line: Some(record.line), logged: None };
    decoder.decode(given, &mut |decoded| match decoded {
        Decoded::Unknown { kind } => {
            *summary.unknown.entry(kind.into_owned()).or_default() += 1;
        }
        Decoded::Event(event) => match replay.take(&event, source) {
            Taken::Accepted => summary.accepted += 1,
            Taken::Repeated => summary.repeated += 1,
            Taken::NotUsed => summary.not_used += 1,
            Taken::TooMany => is_too_many = true,
        },
    })?;
    if is_too_many {
        let sentence = format!("the call has {EVENTS_MAX} events already; is its call_id unique?");
        return Err(Reject { reason: Reason::TooLarge, sentence });
    }
    Ok(())
}

/// The format of that name.
fn format(word: &str) -> Result<Format, Failure> {
    Format::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = Format::ALL.iter().map(|format| format.word()).collect();
        Failure::Asked(format!("format `{word}` is unknown; choose one of {}", words.join(", ")))
    })
}

/// Refuses a window that the settings do not have.
fn check_windows(filter: &Filter, settings: &crate::kpi::settings::KpiSettings) -> Result<(), Failure> {
    let sliding = settings.sliding.iter().map(|(name, _)| name.as_str());
    let intervals = settings.intervals.iter().map(|(name, _)| name.as_str());
    let known: Vec<&str> = ["now", "total"].into_iter().chain(sliding).chain(intervals).collect();
    match filter.windows.iter().find(|window| !known.contains(&window.as_str())) {
        None => Ok(()),
        Some(window) => {
            Err(Failure::Asked(format!("window `{window}` is not in the settings; choose one of {}", known.join(", "))))
        }
    }
}

fn shown(summary: &Summary, done: u64, total: u64, seconds: f64) -> String {
    let share = (done * 100).checked_div(total).map_or(String::new(), |share| format!("{:3} %  ", share.min(100)));
    let rate = summary.read as f64 / seconds.max(0.001);
    format!("{share}{} events  {} a second", thousands(summary.read), thousands(rate as u64))
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
            eprintln!("rejected {source}:{line}: {reason}: {sentence}");
        }
        if let Some(file) = &mut self.file {
            let row = json!({"source": source, "line": line, "reason": reason, "sentence": sentence});
            if let Err(error) = writeln!(file, "{row}") {
                self.failed.get_or_insert(error);
            }
        }
    }

    fn close(mut self) -> Result<(), Failure> {
        let flushed = self.file.as_mut().map_or(Ok(()), BufWriter::flush);
        match self.failed.or(flushed.err()) {
            None => Ok(()),
            Some(error) => Err(Failure::AtWork(format!("cannot write the rejects: {error}; is the disk full?"))),
        }
    }
}

impl Summary {
    fn print(&self, seconds: f64) {
        let rejected: u64 = self.rejected.values().sum();
        if SHOWN < rejected {
            eprintln!("and {} more rejects; --rejects FILE writes them all", thousands(rejected - SHOWN));
        }
        let reasons: Vec<String> = self.rejected.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        eprintln!(
            "events: {} read, {} accepted, {} repeated, {} rejected{reasons}; {:.1} s",
            thousands(self.read),
            thousands(self.accepted),
            thousands(self.repeated),
            thousands(rejected),
            seconds,
        );
        if self.not_used != 0 {
            eprintln!(
                "{} events are of types understood and not used yet (agents, outcomes, planning)",
                thousands(self.not_used)
            );
        }
        let unknown: u64 = self.unknown.values().sum();
        if unknown != 0 {
            let kinds: Vec<&str> = self.unknown.keys().take(5).map(String::as_str).collect();
            eprintln!("{} events of unknown types were set aside: {}", thousands(unknown), kinds.join(", "));
        }
    }
}
