//! Live: what changes on the board, to many clients at once.

mod batch;
pub mod feed;
mod frame;
pub mod reader;
pub mod streams;
