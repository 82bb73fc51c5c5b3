//! The wallboard: its build and its languages, and the page itself in a real browser.
//!
//! Needs node, npm and Chromium; outside CI what lacks them is left out, with a word. The stories are told in
//! `web/test`, by whom they are asked for.

#[path = "../support/alerts.rs"]
mod alert_records;
#[path = "../support/kafka.rs"]
#[expect(dead_code, reason = "nothing breaks the broker here")]
mod kafka;
mod large;
mod live;
mod node;
mod page;
