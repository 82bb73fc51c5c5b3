//! KPIs: counts and distributions, with settings, to records. Pure: no clock, no Kafka, cannot fail.

pub mod record;

pub mod settings;

pub mod room;

pub mod view;

pub mod service_level;

pub mod visits;

pub mod waits;

pub mod handling;

pub mod offers;

pub mod concurrency;

pub mod agents;

pub mod catalogue;

pub mod manual;

pub mod project;

pub mod schema;
