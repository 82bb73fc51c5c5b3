//! `callpulse ship`: a growing, rotated file into the topic of events, each line once.

use super::arguments::Ship as Asked;
use super::aside::Aside;
use super::engine;
use super::failure::Failure;
use super::intake::decoder;
use super::progress::{Progress, thousands};
use super::reject_file::RejectFile;
use super::surroundings::{environment, leave_on_signal, log};
use super::tell::tell;
use crate::config::{self, settings::Settings};
use crate::decode::format::{Decoder, Encoding, Format, Framing};
use crate::decode::places::Places;
use crate::replay::files::source_name;
use crate::ship::batch::{Batch, Refused, Target};
use crate::ship::follower::{Follower, Turn};
use crate::ship::news::News;
use crate::ship::position::Position;
use crate::stream::shipment::{End, Place, Shipment, Shipped, Writer};
use crate::stream::stop::Stop;
use crate::time::EventTime;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::{info, warn};
use tracing_subscriber::filter::LevelFilter;

/// Between two looks at a file that has nothing new.
const POLL: Duration = Duration::from_millis(200);

/// So many bytes of lines are read for one transaction at most.
const CHUNK: usize = 1 << 20;

/// After a restart rows are told apart by what stands before them: more than a PBX writes in a second.
const PASSED_MAX: usize = 1 << 18;

/// The broker forgets a place that nobody committed for days; a file may be quiet for longer.
const COMMIT_QUIET_EVERY: Duration = Duration::from_secs(3600);

/// Rejects of one transaction told one by one.
const SHOWN: usize = 20;

pub fn run(asked: &Asked) -> Result<(), Failure> {
    let path = followed(&asked.file)?;
    let loaded = config::load(asked.config.config.as_deref(), environment())?;
    for warning in &loaded.warnings {
        tell!("warning: {warning}");
    }
    let settings = loaded.settings;
    let decoder = line_decoder(&asked.format, &settings)?;
    let connection = engine::connection(&settings);
    if let Some(fault) = connection.faults().first() {
        return Err(Failure::Asked(fault.to_string()));
    }
    let source = asked.source.clone().unwrap_or_else(|| source_name(&path));
    let topic = topic(asked, &settings)?;
    let rejects = asked.rejects.as_deref().map(RejectFile::open).transpose()?;
    log(LevelFilter::INFO);
    let stop = Stop::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|cause| Failure::AtWork(format!("cannot start a thread: {cause}")))?;
    runtime.spawn(leave_on_signal(stop.clone()));
    let id = format!("{}-ship-{source}", engine::group_prefix(&settings));
    let writer = Writer { connection, id, topic: topic.as_str().into(), process: process() };
    let mut shipping = Shipping {
        path,
        decoder,
        source,
        topic,
        stop,
        once: asked.once,
        rejects,
        told: Told::default(),
        progress: Progress::default(),
    };
    let ended = shipping.work(writer);
    shipping.progress.clear();
    shipping.told.print();
    runtime.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ok(()) | Err(Ended::Kafka(End::Stopped)) => Ok(()),
        Err(Ended::Kafka(End::Fenced)) => Err(Failure::AtWork(format!(
            "another `callpulse ship` of source {} has taken over, so this one ends; for another file give it a name of its \
             own with --source",
            shipping.source
        ))),
        Err(Ended::Kafka(End::Fault(fault))) => Err(Failure::at_work(fault)),
        Err(Ended::Rejects(cause)) => {
            Err(Failure::AtWork(format!("cannot write the rejects: {cause}; is the disk full?")))
        }
        Err(Ended::File(cause)) => {
            Err(Failure::AtWork(format!("cannot read {}: {cause}; check its permissions", shipping.path.display())))
        }
    }
}

/// The file with its directory, which is where rotation leaves the others.
fn followed(file: &Path) -> Result<PathBuf, Failure> {
    let refuse = |why: &str| Err(Failure::Asked(format!("{} cannot be followed: {why}", file.display())));
    if file.as_os_str() == "-" || file.file_name().is_none() {
        return refuse("give the path of a file");
    }
    if file.extension().is_some_and(|ending| ending == "gz") {
        return refuse("it is compressed; unpack it first, with gunzip --keep");
    }
    match file.metadata() {
        Ok(metadata) if !metadata.is_file() => refuse("it is no regular file"),
        _ => Ok(file.to_path_buf()),
    }
}

fn line_decoder(format: &str, settings: &Settings) -> Result<Decoder, Failure> {
    let decoder = decoder(format, settings)?;
    match decoder.framing() {
        // Of what may also be written as blocks of text the lines have to be JSON.
        Framing::Lines | Framing::Rows | Framing::Blocks => Ok(decoder),
        Framing::Messages => {
            Err(Failure::Asked(format!("records of format {format} are no lines; ship follows files of lines")))
        }
    }
}

fn topic(asked: &Asked, settings: &Settings) -> Result<String, Failure> {
    let first = || {
        settings
            .sources
            .iter()
            .find(|source| source.format == Encoding::from(Format::Json))
            .map(|source| source.topic.clone())
    };
    asked.topic.clone().or_else(first).ok_or_else(|| {
        Failure::Asked(
            "no [[sources]] has format \"json\", in which events are shipped; add one, or give --topic".to_owned(),
        )
    })
}

/// A name no other process ever has.
fn process() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", std::process::id(), since.as_nanos())
}

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

enum Ended {
    Kafka(End),
    File(std::io::Error),
    Rejects(std::io::Error),
}

struct Shipping {
    path: PathBuf,
    decoder: Decoder,
    source: String,
    topic: String,
    stop: Stop,
    once: bool,
    rejects: Option<RejectFile>,
    told: Told,
    progress: Progress,
}

impl Shipping {
    fn work(&mut self, writer: Writer) -> Result<(), Ended> {
        let mut shipment = Shipment::open(writer, &self.stop).map_err(Ended::Kafka)?;
        info!(source = self.source, topic = self.topic, "shipping");
        let mut follower = self.follower(&shipment);
        let mut places = Places::of(&self.decoder);
        let mut committed = Instant::now();
        while !self.stop.is_requested() {
            let mut batch = Batch::default();
            let (decoder, progress, clock) = (&self.decoder, &mut self.progress, now());
            let target = Target {
                topic: self.topic.as_str().into(),
                partitions: shipment.partitions(),
                source: self.source.clone(),
            };
            let mut has_begun = false;
            let turn = follower.turn(&mut |line| batch.take(line, &mut places, decoder, &target, clock), &mut |news| {
                has_begun |= matches!(news, News::Begun { .. });
                say(&news, progress);
            });
            let turn = turn.map_err(Ended::File)?;
            if has_begun {
                places = Places::of(decoder);
                places.pass(&follower.passed(PASSED_MAX).map_err(Ended::File)?);
            }
            let place = follower.position().map(place_of);
            let is_due = place.is_some() && COMMIT_QUIET_EVERY <= committed.elapsed();
            if let Some(place) = place.filter(|place| is_due || Some(place) != shipment.place()) {
                if let Some(rejects) = &mut self.rejects {
                    rejects.append(&self.source, &batch.refused).map_err(Ended::Rejects)?;
                }
                match shipment.ship(&batch.records, place, &self.stop).map_err(Ended::Kafka)? {
                    Shipped::Done => {
                        self.told.take(&batch, &mut self.progress);
                        committed = Instant::now();
                    }
                    Shipped::Elsewhere => follower = self.follower(&shipment),
                }
            }
            let (told, behind) = (&self.told, || follower.behind());
            self.progress.show(|seconds| told.line(seconds, behind()));
            if turn == Turn::Waiting {
                if self.once {
                    self.tell_rest(follower.behind());
                    return Ok(());
                }
                self.stop.wait(POLL);
            }
        }
        Ok(())
    }

    fn follower(&self, shipment: &Shipment) -> Follower {
        let position = shipment.place().and_then(|place| Position::parse(place.offset, &place.words));
        Follower::new(&self.path, position, CHUNK)
    }

    /// Half a line is not shipped: with its rest to come it would be another one.
    fn tell_rest(&mut self, bytes: u64) {
        if bytes != 0 {
            self.progress.clear();
            let path = self.path.display();
            tell!(
                "the last {bytes} bytes of {path} have no newline yet and are not shipped; end them with one if no more comes"
            );
        }
    }
}

fn place_of(position: Position) -> Place {
    Place { offset: i64::try_from(position.offset).unwrap_or(i64::MAX), words: position.words() }
}

fn say(news: &News, progress: &mut Progress) {
    progress.clear();
    match news.is_warning() {
        true => warn!("{news}"),
        false => info!("{news}"),
    }
}

/// What was shipped since the start.
#[derive(Default)]
struct Told {
    lines: u64,
    events: u64,
    rejected: BTreeMap<&'static str, u64>,
    aside: Aside,
}

impl Told {
    /// Counts a batch that is committed, and tells its rejects.
    fn take(&mut self, batch: &Batch, progress: &mut Progress) {
        self.lines += batch.lines;
        self.events += batch.events;
        for (kind, count) in &batch.unknown {
            self.aside.add(kind, *count);
        }
        for (at, Refused { path, line, reject }) in batch.refused.iter().enumerate() {
            let reason = reject.reason.word();
            *self.rejected.entry(reason).or_default() += 1;
            if at < SHOWN {
                progress.clear();
                tell!("rejected {}:{line}: {reason}: {}", path.display(), reject.sentence);
            }
        }
        if SHOWN < batch.refused.len() {
            let more = thousands((batch.refused.len() - SHOWN) as u64);
            tell!("and {more} more rejects; --rejects FILE writes them all");
        }
    }

    fn line(&self, seconds: f64, behind: u64) -> String {
        let rate = self.events as f64 / seconds.max(0.001);
        format!(
            "{} events  {} a second  {} bytes behind",
            thousands(self.events),
            thousands(rate as u64),
            thousands(behind)
        )
    }

    fn print(&self) {
        let rejected: u64 = self.rejected.values().sum();
        let reasons: Vec<String> = self.rejected.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        tell!(
            "shipped: {} events of {} lines, {} lines rejected{reasons}",
            thousands(self.events),
            thousands(self.lines),
            thousands(rejected)
        );
        if self.aside.count != 0 {
            tell!("{} of unknown types were set aside: {}", thousands(self.aside.count), self.aside.names());
        }
    }
}
