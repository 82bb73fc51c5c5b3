//! The arguments, as they are written on the command line.

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
    /// Read events from files through the same engine, without a broker, and print the KPIs
    Replay(Replay),
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
pub struct Replay {
    #[command(flatten)]
    pub config: Config,
    /// Format of the files: json or protobuf
    #[arg(long, value_name = "F")]
    pub format: String,
    /// Take open calls, `now` and sliding windows as of this time (RFC 3339); default: the largest event time
    #[arg(long, value_name = "T")]
    pub as_of: Option<String>,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OutputForm {
    Table,
    Json,
    Csv,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SchemaOf {
    Event,
    Kpi,
    Config,
}
