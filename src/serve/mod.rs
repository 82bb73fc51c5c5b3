//! Serving: the latest KPI records, kept from the KPI topic and shown over HTTP.

pub mod accept;

pub mod text;

pub mod shown;

pub mod series;

pub mod filter;

pub mod position;

pub mod board;

pub mod alerts;

pub mod exported;

pub mod prometheus;

pub mod health;

pub mod archive;

pub mod subscriber;

pub mod parts;

pub mod live;

pub mod csv;

pub mod parameters;

pub mod meta;

pub mod problem;

pub mod pages;

pub mod openapi;

pub mod kpis;

pub mod history;

pub mod alerts_page;

pub mod wallboard;

pub mod heads;

pub mod hosts;

pub mod listen;

pub mod http;
