//! Alerts: rules over KPI records, and what they come to as time goes on.
//!
//! ```text
//! KPI records ─> reading ─> levels (on beyond `trigger`, off at `clear`) ─> all / any / not ─> `for` ─> fires, resolves
//! ```
//!
//! A number is one of a record, or made of several: how fast a target's misses are used up (`burn`), what a
//! service level comes to with the present staff (`forecast`), how far a KPI is off
//! what it usually is (`unusual`).
//!
//! A rule reads the very records that subscribers read, so no alert can show a number that no panel shows. Without
//! clock and without Kafka: the instant is given.

pub mod basis;
pub mod burn;
pub mod condition;
pub mod erlang;
pub mod forecast;
pub mod hours;
pub mod idle;
pub mod reading;
pub mod record;
pub mod rule;
#[cfg(test)]
mod sample;
pub mod schema;
pub mod state;
pub mod suggestion;
pub mod trial;
pub mod unusual;
