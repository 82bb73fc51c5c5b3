//! `/api/v1/alerts`: what fires, and what resolved of late, by pages, as JSON or as a table; and how many fire, for
//! Prometheus.

use crate::fingerprint;
use crate::serve::alerts::{Alert, AlertFilter, Alerts};
use crate::serve::board::Known;
use crate::serve::csv;
use crate::serve::exported::Owned;
use crate::serve::kpis::{Page, Wanted, list_answer};
use crate::serve::live::feed::clock;
use crate::serve::parameters::{Asked, Parameter, checked, cursor, no_cursor};
use crate::serve::parts::{ALERT_RECORD, Parts};
use crate::serve::problem::bad_request;
use crate::serve::prometheus::{Format, heading};
use crate::serve::series::{Form, escape_label};
use crate::time::EventTime;
use axum::response::Response;
use serde_json::{Map, Value};
use std::fmt::Write;

/// The columns of a table, in the order of their fields; `kind`, `id` and `name` are the entity's.
const COLUMNS: [&str; 30] = [
    "alert_id",
    "rule",
    "severity",
    "state",
    "reason",
    "tenant",
    "kind",
    "id",
    "name",
    "since",
    "clear_since",
    "resolved_at",
    "as_of",
    "version",
    "title",
    "text",
    "kpi",
    "window",
    "value",
    "numerator",
    "denominator",
    "trigger",
    "clear",
    "side",
    "min_volume",
    "measure",
    "for_ms",
    "keep_firing_for_ms",
    "runbook_url",
    "panel_url",
];

/// What a request for alerts asks for.
pub struct AsksAlerts {
    filter: AlertFilter,
    asked: Asked,
}

impl AsksAlerts {
    /// Reads names and values in their order; errs with a sentence.
    pub fn read(given: Vec<(String, String)>, known: &[Parameter]) -> Result<AsksAlerts, String> {
        checked(&given, known)?;
        let mut asks = AsksAlerts { filter: AlertFilter::default(), asked: Asked::default() };
        for (name, value) in given {
            let AlertFilter { states, rules, severities, kinds, ids, tenants } = &mut asks.filter;
            match name.as_str() {
                "state" => states.push(a_word_of(known, &name, value)?),
                "severity" => severities.push(a_word_of(known, &name, value)?),
                "rule" => rules.push(value),
                "kind" => kinds.push(a_word_of(known, &name, value)?),
                "id" => ids.push(value),
                "tenant" => tenants.push(value),
                "fields" => asks.asked.parts = Some(Parts::parse(&value, &ALERT_RECORD)?),
                _ => asks.asked.take(&name, &value)?,
            }
        }
        Ok(asks)
    }
}

/// One of the words that a parameter may be.
fn a_word_of(known: &[Parameter], name: &str, value: String) -> Result<String, String> {
    let schema = known.iter().find(|known| known.name == name).map(|known| (known.schema)()).unwrap_or_default();
    let words: Vec<&str> = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match words.contains(&value.as_str()) {
        true => Ok(value),
        false => Err(format!("unknown {name} {value}; known are {}", words.join(", "))),
    }
}

/// The alerts asked for.
pub fn alerts(alerts: &Alerts, asks: &AsksAlerts, wanted: &Wanted) -> Response {
    let AsksAlerts { filter, asked } = asks;
    let mut found = alerts.asked(filter, EventTime(clock()));
    if let Some(after) = &asked.after {
        let Some(place) = place(after) else { return bad_request(&no_cursor(&cursor(after))) };
        found.retain(|alert| place < alert.place());
    }
    let limit = asked.limit.unwrap_or(usize::MAX);
    let has_more = limit < found.len();
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|last| text_of(last));
    let records = found.iter().map(|alert| known(alert)).collect();
    list_answer(asked, wanted, Page { name: "alerts", records, next }, |records| table(records, asked.parts.as_ref()))
}

/// How many fire of each rule, severity and tenant, of the partitions owned.
pub fn firing(alerts: &Alerts, owned: &Owned, format: Format) -> String {
    let name = "callpulse_alerts_firing";
    let mut out = String::new();
    for ([rule, severity, tenant], count) in alerts.firing(|partition| owned.holds(partition)) {
        if out.is_empty() {
            out = heading(name, Form::Gauge, "Alerts that fire now.", format);
        }
        out.push_str(name);
        for (label, value) in [("{rule=\"", rule), ("\",severity=\"", severity), ("\",tenant=\"", tenant)] {
            out.push_str(label);
            escape_label(&value, &mut out);
        }
        // Writing to a String does not fail.
        let _ = writeln!(out, "\"}} {count}");
    }
    out
}

/// Equal versions of an alert may differ: a clock can resolve what no new number did.
fn known(alert: &Alert) -> Known {
    let version = fingerprint::of_bytes(&alert.json);
    Known { key: alert.key.clone(), version, json: Some(alert.json.clone()) }
}

/// Where a page ended, as text.
fn text_of(alert: &Alert) -> String {
    format!("{}|{}|{}", alert.state(), alert.since.0, alert.key)
}

/// The inverse.
fn place(text: &str) -> Option<(bool, i64, &str)> {
    let (state, rest) = text.split_once('|')?;
    let (since, key) = rest.split_once('|')?;
    let since: i64 = since.parse().ok()?;
    let is_resolved = match state {
        "firing" => false,
        "resolved" => true,
        _ => return None,
    };
    Some((is_resolved, since.checked_neg()?, key))
}

fn table<'a>(records: impl Iterator<Item = &'a [u8]>, parts: Option<&Parts>) -> Vec<u8> {
    let is_asked = |column: &&str| match *column {
        "kind" | "id" | "name" => true,
        field => parts.is_none_or(|parts| parts.has_whole(field)),
    };
    let columns: Vec<&str> = COLUMNS.into_iter().filter(is_asked).collect();
    let mut out = Vec::new();
    csv::line(columns.iter().map(|column| column.to_string()), &mut out);
    for record in records.filter_map(|json| serde_json::from_slice::<Map<String, Value>>(json).ok()) {
        csv::line(columns.iter().map(|column| cell(&record, column)), &mut out);
    }
    out
}

fn cell(record: &Map<String, Value>, column: &str) -> String {
    let of_entity = |field: &str| record.get("entity").and_then(|entity| entity.get(field));
    let value = match column {
        "kind" | "id" => of_entity(column),
        "name" => of_entity("title"),
        field => record.get(field),
    };
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
