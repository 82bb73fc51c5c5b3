//! Tallies: facts added up per entity, in panes, sliding windows, calendar intervals and levels.
//! Pure: no clock, no Kafka, cannot fail.

pub mod cells;

pub mod sums;

pub mod panes;

pub mod level;

pub mod intervals;

pub mod tally;

pub mod span;

pub mod weeks;

pub mod lately;
