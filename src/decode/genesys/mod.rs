//! Genesys Cloud: what its event bus, its notifications and its analytics tell, as events.
//!
//! `record` finds out what a record is. A conversation told as a whole (`analytics`, `participants`) is first made
//! into `stay`s, each a stretch of one party, and `conversation` says what they mean; what is told one thing at a time
//! is in `detail` and `user`.

pub mod record;

mod stay;

mod analytics;

mod participants;

mod conversation;

mod detail;

mod user;
