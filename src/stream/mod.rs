//! The Kafka runtime: worker, transaction, state, marks; and the stages on top of it.

pub mod follow;

pub mod pick;

pub mod stage;

pub mod client;

mod consumer;

pub mod fault;

pub mod stop;

pub mod status;

pub mod refusal;

pub mod topics;

mod transaction;

pub mod takeover;

mod restore;

mod run;

mod rebalance;

pub mod worker;

pub mod queue;

pub mod embedded;

pub mod feed;

pub mod shipment;

mod oddities;

pub mod batch;

pub mod marks;

mod coverage;

mod kpi_message;

pub mod outlet;

pub mod call_record;

mod lateness;

mod agent_rows;

mod booked;

mod rejects;

mod agenda;

pub mod calls;

pub mod subjects;

mod account;

mod snapshot;

mod publish;

mod alarm;

mod pasts;

mod alarms;

mod own_alarms;

pub mod progress;

pub mod schema;

mod shown;

mod board;

pub mod kpis;
