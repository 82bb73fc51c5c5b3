//! The board, its Prometheus text and its HTTP pages, over records made by hand.

mod events;
mod exposition;
mod history;
mod limits;
mod live;
mod metrics;
mod openapi;
mod pages;
mod paging;
mod records;
mod schema;
mod server;
mod streams;
mod versions;
