//! One call's life: its events in order, folded into signed facts. Pure: no clock, no Kafka, cannot fail.

pub mod plan;

pub mod call_key;

pub mod log;

pub mod booking;

pub mod fold;

mod step;

pub mod settle;

pub mod routes;
