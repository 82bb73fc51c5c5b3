//! Live: what changes on the board, to many clients at once.

pub mod alerts;
mod batch;
pub mod feed;
mod frame;
pub mod reader;
pub mod streams;
