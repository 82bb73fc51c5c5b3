//! The arguments, as they are written on the command line.

use crate::time::EventTime;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Turns what call centres say happened into KPIs.
#[derive(Debug, Parser)]
#[command(name = "callpulse", version, about, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read events from Kafka, publish KPIs, serve metrics and the API
    Run(Run),
    /// The same with a broker and a simulated call centre inside: nothing to install
    Demo(Demo),
    /// Read events from files through the same engine, without a broker, and print the KPIs
    Replay(Replay),
    /// Print the events of files as native JSON lines: what another system wrote, as the engine understands it
    Decode(Decode),
    /// Follow a growing, rotated file of lines into the topic of events, each line exactly once
    Ship(Ship),
    /// Print events of a simulated call centre as JSON lines
    Simulate(Simulate),
    /// Try the rules of alerts, and where they are told
    Alerts {
        #[command(subcommand)]
        asked: Alerts,
    },
    /// Print the topics it needs, with partitions, settings and ACLs, and check them
    Topics(Topics),
    /// Print every fault of the settings, or nothing
    CheckConfig(Config),
    /// Print a JSON Schema
    Schema {
        /// What the schema is of
        of: SchemaOf,
    },
}

#[derive(Debug, Args)]
pub struct Config {
    /// Settings; what it does not say is as in the built-in config/callpulse.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub config: Config,
    /// Go on where records were lost that nobody had read, and mark what that touches as `gap`
    #[arg(long)]
    pub accept_gap: bool,
}

#[derive(Debug, Args)]
pub struct Topics {
    #[command(flatten)]
    pub config: Config,
    /// Make the topics that are missing
    #[arg(long)]
    pub create: bool,
    /// Give topics more partitions where that is harmless
    #[arg(long)]
    pub grow: bool,
}

#[derive(Debug, Args)]
pub struct Replay {
    #[command(flatten)]
    pub config: Config,
    /// Format of the files: json, protobuf, csv, or what another system writes (docs/formats.md); within CloudEvents
    /// `cloudevents` or `cloudevents/F`
    #[arg(long, value_name = "F")]
    pub format: String,
    /// Take open calls and sliding windows as of this time (RFC 3339); default: the largest event time. `now` and
    /// `total` hold every event of the files, as they do in `run`
    #[arg(long, value_name = "T", value_parser = time)]
    pub as_of: Option<EventTime>,
    /// Only these entities: queue, agent, team, tenant or queue_agent, with an id or without; may be repeated
    #[arg(long, value_name = "KIND[:ID]")]
    pub entity: Vec<String>,
    /// Only these windows: now, total, a sliding one (30m) or an interval (per_1d); may be repeated
    #[arg(long, value_name = "NAME")]
    pub window: Vec<String>,
    /// How to print the records
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: OutputForm,
    /// Write every reject here, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Files of events; `-` is standard input, gzip is read as such
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Decode {
    #[command(flatten)]
    pub config: Config,
    /// Format of the files, as of `replay`
    #[arg(long, value_name = "F")]
    pub format: String,
    /// Write every reject here, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Files of events; `-` is standard input, gzip is read as such
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Alerts {
    /// Print what the rules of the settings would have told of past events: when, for how long, and how often it flapped
    Test(AlertsTest),
    /// Send one message to each target of the settings, and print what came back
    SendTest(Config),
}

#[derive(Debug, Args)]
pub struct AlertsTest {
    #[command(flatten)]
    pub config: Config,
    /// Format of the files, as of `replay`
    #[arg(long, value_name = "F")]
    pub format: String,
    /// Suggest levels at which each rule would have paged at most so often, over all its entities
    #[arg(long, value_name = "N", value_parser = pages)]
    pub pages_a_week: Option<f64>,
    /// Print every time an alert fired, below the table
    #[arg(long)]
    pub list: bool,
    /// Print all of it as one JSON object instead
    #[arg(long)]
    pub json: bool,
    /// Write every reject here, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Files of events; `-` is standard input, gzip is read as such
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Ship {
    #[command(flatten)]
    pub config: Config,
    /// Format of the lines: json, or what another system writes (docs/formats.md). A line is a record: events that
    /// take several, as AMI's and the event socket's text, are to be shipped as JSON
    #[arg(long, value_name = "F")]
    pub format: String,
    /// Names what is shipped, over restarts and rotations: the `source` of events that name none; default: the file's
    /// name. Two files need two names, also on two machines
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub source: Option<String>,
    /// The topic; default: that of the first source of format json
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub topic: Option<String>,
    /// Write every reject here too, as JSON lines behind those that are there
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Ship what is there, and end
    #[arg(long)]
    pub once: bool,
    /// The file; it may not be there yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Another seed, another day: equal seeds give the same calls
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// So many times as many calls come in, for so many times as many agents; their lengths stay as they are
    #[arg(long, value_name = "X", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10))]
    pub speed: u64,
    /// Leave after so many seconds; until asked to unless said
    #[arg(long = "for", value_name = "SECONDS")]
    pub seconds: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Simulate {
    /// Equal seeds give equal events, on every machine
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How many contacts begin
    #[arg(long, value_name = "N")]
    pub calls: u64,
    /// Write the centre's own books here, as JSON
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// When it begins (RFC 3339); default: 2026-03-02T00:00:00Z, a Monday
    #[arg(long, value_name = "T", value_parser = time)]
    pub start: Option<EventTime>,
    /// Events come up to so many milliseconds late, and out of order by it
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub disorder: u32,
    /// So many events in a thousand come twice
    #[arg(long, value_name = "PER_MILLE", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub repeats: u16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OutputForm {
    Table,
    Json,
    Csv,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SchemaOf {
    /// What comes in
    Event,
    /// KPI records
    Kpi,
    /// Call records
    Call,
    /// The records `progress|N` of the board
    Progress,
    /// Alert records
    Alert,
    /// Headers of KPI, call and progress records, as an object of texts
    Headers,
    /// Headers of a reject, as an object of texts
    Reject,
    /// Settings
    Config,
}

/// A number of pages that is more than none.
fn pages(text: &str) -> Result<f64, &'static str> {
    let pages = text.parse().ok().filter(|pages: &f64| pages.is_finite() && 0.0 < *pages);
    pages.ok_or("it is no number above 0")
}

/// A time as RFC 3339 or as epoch milliseconds.
fn time(text: &str) -> Result<EventTime, &'static str> {
    let parsed = EventTime::parse(text).or_else(|| text.parse().ok().and_then(EventTime::from_millis));
    parsed.ok_or("it is no time; write it like 2026-03-02T08:15:30Z")
}
