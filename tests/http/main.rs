//! The board, the alerts, their Prometheus text and HTTP pages, over records made by hand.

#[path = "../support/alerts.rs"]
mod alert_records;
mod alerts;
mod events;
mod exported;
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
