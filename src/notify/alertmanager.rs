//! Alertmanager: alerts as its API v2 takes them, and telling again what fires.
//!
//! Alertmanager holds an alert as firing until its `endsAt`. So what fires is posted again and again with an end that
//! lies a few rounds ahead, and when nobody posts any more it resolves by itself. What resolved is posted with its
//! true end, and for a while again, for an Alertmanager that was away.

use super::target::Alertmanager;
use crate::alert::record::AlertRecord;
use crate::time::{EventTime, Span};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Where alerts are posted, below the address in the settings.
pub const PATH: &str = "/api/v2/alerts";

/// An alert that is not told again for so many rounds ends.
const ROUNDS: i64 = 4;
/// What resolved is told again for so long.
const RESOLVED_TOLD_FOR: Span = Span::from_secs(15 * 60);

/// What was told, by the alerts' keys.
#[derive(Debug, Default)]
pub struct Told {
    alerts: HashMap<String, Arc<AlertRecord>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted<'a> {
    labels: BTreeMap<&'static str, &'a str>,
    annotations: BTreeMap<&'static str, &'a str>,
    starts_at: &'a str,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<&'a str>,
}

/// The body of a request, as of `now` by the clock.
pub fn body<'a>(alerts: impl Iterator<Item = &'a AlertRecord>, settings: &Alertmanager, now: EventTime) -> Vec<u8> {
    let posted: Vec<Posted<'_>> = alerts.map(|alert| Posted::of(alert, settings, now)).collect();
    serde_json::to_vec(&posted).expect("texts are JSON")
}

impl<'a> Posted<'a> {
    fn of(alert: &'a AlertRecord, settings: &Alertmanager, now: EventTime) -> Posted<'a> {
        let mut labels = BTreeMap::from([
            ("alertname", alert.rule.as_str()),
            ("severity", &alert.severity),
            ("tenant", &alert.tenant),
            ("kind", &alert.entity.kind),
            ("id", &alert.entity.id),
        ]);
        if alert.entity.kind == "queue" {
            labels.insert("queue", &alert.entity.id);
        }
        let mut annotations = BTreeMap::from([
            ("summary", alert.title.as_str()),
            ("description", &alert.text),
            ("alert_id", &alert.alert_id),
        ]);
        annotations.extend(alert.runbook_url.as_deref().map(|url| ("runbook_url", url)));
        annotations.extend(alert.panel_url.as_deref().map(|url| ("dashboard", url)));
        annotations.extend(alert.reason.as_deref().map(|reason| ("reason", reason)));
        let ahead = now.plus(Span(ROUNDS * settings.resend_every.0));
        let ends_at = match alert.is_firing() {
            true => ahead,
            // An end that lies ahead would keep it firing; one before the beginning is refused, which may lie ahead by the
            // rest of a second.
            false => {
                let ended = resolved_at(alert).unwrap_or(now).min(now);
                EventTime::parse(&alert.since).map_or(ended, |since| ended.max(since))
            }
        };
        Posted {
            labels,
            annotations,
            starts_at: &alert.since,
            ends_at: ends_at.to_string(),
            generator_url: alert.panel_url.as_deref(),
        }
    }
}

impl Told {
    pub fn take(&mut self, alert: Arc<AlertRecord>) {
        self.alerts.insert(alert.key(), alert);
    }

    /// What is to be told again: what fires, and what resolved of late. The rest is forgotten.
    pub fn again(&mut self, now: EventTime) -> Vec<Arc<AlertRecord>> {
        let is_of_late =
            |alert: &AlertRecord| resolved_at(alert).is_some_and(|resolved| now.since(resolved) <= RESOLVED_TOLD_FOR);
        self.alerts.retain(|_, alert| alert.is_firing() || is_of_late(alert));
        self.alerts.values().cloned().collect()
    }

    pub fn clear(&mut self) {
        self.alerts.clear();
    }
}

fn resolved_at(alert: &AlertRecord) -> Option<EventTime> {
    alert.resolved_at.as_deref().and_then(EventTime::parse)
}
