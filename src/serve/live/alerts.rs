//! What a client is told of alerts: all there are, then what changes.
//!
//! Alerts have no part in where a stream resumes: their events carry no id, and whoever comes back is told all of them
//! again. They are few.

use super::feed::clock;
use super::frame;
use crate::serve::alerts::{Alert, Alerts, Changes};
use crate::time::EventTime;
use axum::body::Bytes;
use std::sync::Arc;
use tokio::sync::watch;

/// A client's place among the changes of alerts.
pub struct AlertReader {
    alerts: Arc<Alerts>,
    /// Empty for all. Those of the engine itself concern every tenant.
    tenants: Vec<String>,
    /// Up to which turn was told.
    told: Option<u64>,
    turned: watch::Receiver<u64>,
}

impl AlertReader {
    pub fn new(alerts: Arc<Alerts>, tenants: Vec<String>) -> AlertReader {
        let turned = alerts.turned();
        AlertReader { alerts, tenants, told: None, turned }
    }

    /// What the client does not have yet; none if there is nothing new. Whole events, never empty.
    pub fn take(&mut self) -> Option<Bytes> {
        self.turned.mark_unchanged();
        if !self.alerts.is_caught_up() {
            return None;
        }
        let tenants = &self.tenants;
        let is_of_tenant = |alert: &Alert| tenants.is_empty() || tenants.iter().any(|tenant| **tenant == *alert.tenant);
        let wanted = |alert: &Alert| is_of_tenant(alert) || alert.is_of_engine();
        let (changes, turn) = self.alerts.since(self.told, EventTime(clock()), wanted);
        self.told = Some(turn);
        let mut out = Vec::new();
        let (changed, ended) = match changes {
            Changes::All(alerts) => {
                frame::alerts(alerts.len(), &mut out);
                (alerts, Vec::new())
            }
            Changes::Since(changed, ended) => (changed, ended),
        };
        changed.iter().for_each(|alert| frame::alert(&alert.key, &alert.json, &mut out));
        ended.iter().for_each(|key| frame::alert_ended(key, &mut out));
        (!out.is_empty()).then(|| out.into())
    }

    /// Waits until there may be something new.
    pub async fn changed(&mut self) {
        // Who tells lives as long as the alerts do, which are held here.
        let _ = self.turned.changed().await;
    }
}
