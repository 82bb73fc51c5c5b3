//! A simulated call centre, seeded, that knows the truth it made: events for the demo, for load and for tests.
//!
//! It decides what happens and keeps its own books while it decides, so that what the engine makes of
//! the events can be held against them. Integers only, so one seed gives the same events on every machine.

pub mod settings;

pub mod truth;

pub mod centre;

mod agent;
mod arrivals;
mod call;
mod chance;
mod duty;
mod floor;
mod presence;
mod talking;
mod waiting;
