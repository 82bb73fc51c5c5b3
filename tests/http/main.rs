//! The board, its Prometheus text and its HTTP pages, over records made by hand.

mod exposition;
mod metrics;
mod pages;
mod records;
mod versions;
