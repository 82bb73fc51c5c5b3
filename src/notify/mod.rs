//! Notifications: what alerts tell, taken to where people are called from.
//!
//! A target takes the topic of alerts as a consumer group of its own, and commits what the other side accepted. So the
//! topic is the queue, and a transition is lost with nobody: docs/decisions/notifications.md.

pub mod target;

pub mod standing;

pub mod outbox;

pub mod ledger;

pub mod backoff;

pub mod alertmanager;

pub mod message;

pub mod webhook;

pub mod slack;

pub mod teams;

pub mod mail;

pub mod http;

pub mod sending;

pub mod driver;
