//! One call's life: its events in order, folded into signed facts. Pure: no clock, no Kafka, cannot fail.

pub mod plan;
