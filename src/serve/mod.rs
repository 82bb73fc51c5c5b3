//! Serving: the latest KPI records, kept from the KPI topic and shown over HTTP.

pub mod series;

pub mod board;

pub mod prometheus;

pub mod health;

pub mod subscriber;

pub mod listen;

pub mod http;
