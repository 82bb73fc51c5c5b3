//! Callpulse: what call centres say happened, turned into KPIs that people act on.
//!
//! **A KPI is a pure function of the set of events.** The modules stand in the order of the data's
//! way, and each uses only those above it.

pub mod time;

pub mod calendar;

pub mod event;

pub mod entity;

pub mod histogram;

pub mod fact;

pub mod fingerprint;

pub mod decode;

pub mod life;

pub mod tally;

pub mod kpi;

pub mod alert;

pub mod stream;

pub mod notify;

pub mod serve;

pub mod simulate;

pub mod replay;

pub mod ship;

pub mod config;

pub mod command;
