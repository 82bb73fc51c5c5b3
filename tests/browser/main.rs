//! The wallboard: its build and its languages, and the page itself in a real browser.
//!
//! Needs node, npm and Chromium, and for one fact Prometheus; outside CI what lacks them is left out, with a word. The stories are told in
//! `web/test`, by whom they are asked for.

#[path = "../support/alerts.rs"]
mod alert_records;
#[path = "../grafana/centre.rs"]
mod centre;
#[path = "../kafka/deployment.rs"]
#[expect(dead_code, reason = "one instance that finds the broker directly")]
mod deployment;
#[path = "../support/kafka.rs"]
#[expect(dead_code, reason = "nothing breaks the broker here")]
mod kafka;
mod large;
mod live;
mod node;
mod one_fact;
mod page;
#[path = "../grafana/scraped.rs"]
#[expect(dead_code, reason = "nobody chooses variables or reads rules here")]
mod scraped;
