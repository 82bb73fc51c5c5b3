//! The board, its Prometheus text and its HTTP pages, over records made by hand.

mod exposition;
mod limits;
mod metrics;
mod pages;
mod records;
mod server;
mod versions;
