//! The board, its Prometheus text and its HTTP pages, over records made by hand.

mod events;
mod exposition;
mod limits;
mod live;
mod metrics;
mod pages;
mod paging;
mod records;
mod server;
mod streams;
mod versions;
