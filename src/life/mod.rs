//! Lives: a call's events in order, and an agent's, folded into signed facts. Pure: no clock, no Kafka, cannot
//! fail.

pub mod plan;

pub mod call_key;

pub mod log;

pub mod agent_event;

pub mod time_line;

pub mod booking;

pub mod fold;

mod step;

pub mod settle;

pub mod routes;

pub mod agent_time;
