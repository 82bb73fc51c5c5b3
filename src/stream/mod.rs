//! The Kafka runtime: worker, transaction, state, marks; and the stages on top of it.

pub mod follow;
pub mod stage;
