//! The dashboards of `deploy/grafana`: written from one source, held to Grafana's rules, and answered by a real
//! Prometheus that scrapes a real Callpulse. So are the alerting rules of `deploy/prometheus`.
//!
//! `UPDATE=1 cargo test --test grafana` writes them anew.

#[path = "../support/alerts.rs"]
mod alert_records;
#[path = "../kafka/deployment.rs"]
#[expect(dead_code, reason = "one instance that finds the broker directly")]
mod deployment;
#[path = "../support/kafka.rs"]
#[expect(dead_code, reason = "the broker is not broken here")]
mod kafka;

mod alerting;
mod answers;
mod centre;
mod dashboards;
mod panels;
mod rules;
mod scraped;
mod variables;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Where dashboards are provisioned from.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/dashboards")
}

/// All dashboards as they are committed.
fn written() -> Vec<Value> {
    dashboards::all().into_iter().map(panels::Dashboard::json).collect()
}

#[test]
fn the_committed_dashboards_are_those_written_from_the_source() {
    let mut expected = Vec::new();
    for dashboard in written() {
        let name = format!("{}.json", dashboard["uid"].as_str().expect("a uid"));
        let text = serde_json::to_string_pretty(&dashboard).expect("JSON") + "\n";
        expected.push((folder().join(name), text));
    }
    if std::env::var_os("UPDATE").is_some() {
        for (path, text) in &expected {
            fs::write(path, text).expect("written");
        }
    }
    for (path, text) in &expected {
        let committed = fs::read_to_string(path).unwrap_or_default();
        assert!(committed == *text, "{} is not up to date; UPDATE=1 writes it", path.display());
    }
    let there = fs::read_dir(folder()).expect("the dashboards").count();
    assert_eq!(there, expected.len(), "a dashboard that nothing writes is in {}", folder().display());
}
