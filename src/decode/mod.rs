//! Decoding: record bytes to an event or a reject. Pure: no clock, no Kafka, cannot fail.

pub mod format;
