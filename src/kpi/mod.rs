//! KPIs: counts and distributions, with settings, to records. Pure: no clock, no Kafka, cannot fail.

pub mod record;
pub mod settings;
