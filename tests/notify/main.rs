//! Notifications: from the topic of alerts on a real Kafka to whom they are for, over failures and kills.

mod alertmanager;
#[path = "../support/alerts.rs"]
mod alerts;
#[path = "../kafka/deployment.rs"]
#[expect(dead_code, reason = "only alerts are looked at here")]
mod deployment;
mod engine;
#[path = "../support/kafka.rs"]
#[expect(dead_code, reason = "the broker stays up here, and keeps what it has")]
mod kafka;
mod laws;
mod mail;
mod messages;
mod postmaster;
mod queue;
mod receiver;
mod topic;
