//! The Kafka runtime: worker, transaction, state, marks; and the stages on top of it.

pub mod stage;

pub mod batch;

pub mod marks;

mod call_record;

pub mod calls;

mod account;

mod snapshot;

mod publish;

pub mod kpis;
