//! Replay: events from files through the same fold and the same tallies, without a broker.

pub mod room;

pub mod engine;

pub mod walk;

pub mod alerts;

pub mod alert_output;

pub mod files;

pub mod rotation;

pub mod filter;

pub mod output;
