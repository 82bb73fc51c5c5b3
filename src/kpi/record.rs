//! The KPI record: what goes out for one entity and window (contract 2, schema `callpulse.kpi.v1`).
//!
//! Written and read with serde, so that whoever subscribes in this program reads what others read.
//! Maps keep the order of the catalogue.

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// The value of `schema` in every record.
pub const SCHEMA: &str = "callpulse.kpi.v1";

/// One entity's numbers in one window, as of one instant. Times are RFC 3339 UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KpiRecord {
    pub schema: Name,
    pub tenant: String,
    pub entity: EntityPart,
    pub window: WindowPart,
    /// Up to when event time is complete in this record.
    pub as_of: String,
    /// Grows within a key; equal versions have equal content. 0 outside Kafka.
    pub version: u64,
    /// An interval whose end passed longer ago than the grace.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// The interval changed after it was final.
    pub corrected: bool,
    /// Since when the window holds facts, where it does not reach back as far as its length.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub covered_from: Option<String>,
    /// Input was lost within the window's reach.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub gap: bool,
    pub counts: Fields<Count>,
    pub sums_ms: Fields<i64>,
    /// Paused time by reason; not in `now`, and only of what has time of agents.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub paused_by_reason_ms: Option<Fields<i64>>,
    pub kpis: Fields<Kpi>,
    /// What the settings want counts to be, by the ids of the catalogue (`calls_offered`).
    #[serde(skip_serializing_if = "Fields::is_empty", default)]
    pub targets: Fields<Target>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by_entry: Option<ByEntry>,
    /// Volume by the hour of the week; in `total` of queues and tenants only, from the first whole week on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub profile: Option<WeekProfile>,
    /// Calls waiting now; in `total` only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waiting: Option<i64>,
    /// In `total` only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub counters: Option<Counters>,
    /// In `now` only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub now: Option<Now>,
}

/// A text that is mostly one of ours, read back as any.
pub type Name = Cow<'static, str>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityPart {
    pub kind: Name,
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channel: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<String>,
}

/// The window `[start, end)`; `start` is null in `total` and `now`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowPart {
    pub name: String,
    /// `sliding`, `interval`, `total` or `now`.
    pub kind: Name,
    pub start: Option<String>,
    pub end: String,
}

/// A count, or counts by reason or kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Count {
    Number(i64),
    By(Fields<i64>),
}

/// One KPI. `value` is numerator / denominator, or numerator_ms / denominator / 1000; null if there
/// is nothing to divide by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kpi {
    pub value: Option<f64>,
    /// Absent for a ratio.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unit: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub numerator: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub numerator_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub denominator: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub formula: Option<Name>,
    /// The service-level threshold, seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub threshold_s: Option<i64>,
    /// What the settings want it to be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<f64>,
    /// Whether the target is met; absent without a target or a value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub met: Option<bool>,
}

/// What is wanted of a count, and whether it is so.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub target: f64,
    pub met: bool,
}

/// The same interval with every fact booked where its call entered the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ByEntry {
    pub counts: Fields<Count>,
    pub sums_ms: Fields<i64>,
    pub kpis: Fields<Kpi>,
    /// Entered in this interval and not out yet.
    pub waiting: i64,
    /// Visits with facts too long after their entry to be booked here.
    pub unsettled: i64,
}

/// Offered calls by weekday and hour, summed over the last eight weeks that are over; a mean is that / `weeks_seen`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekProfile {
    /// `[start, end)`: from where the first of these weeks begins to where the last one ends.
    pub start: String,
    pub end: String,
    /// Weeks in which anything was offered, 1 to 8.
    pub weeks_seen: i64,
    /// `monday` to `sunday`: 24 numbers each, by the tenant's wall clock. An hour that came twice has the sum of both.
    pub offered: Fields<[i64; 24]>,
}

/// The highest values so far: they never go down, whatever is corrected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    pub offered: i64,
    pub answered: i64,
    pub answered_within_threshold: i64,
    pub abandoned: i64,
    /// Waits of answered calls, cumulative by upper edge in seconds (`"20"`), then `count` and `sum_ms`.
    pub wait_seconds: Fields<i64>,
}

/// The state at this instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Now {
    pub waiting: i64,
    /// When the longest waiting call entered; null if none waits.
    pub longest_wait_since: Option<String>,
    pub ringing: i64,
    pub talking: i64,
    pub on_hold: i64,
    pub in_wrapup: i64,
    /// Calls waiting longer than the service-level threshold.
    pub over_threshold_waiting: i64,
    /// The second in which a call last arrived, was offered to the queue or an agent, turned away or dialled, or its fate
    /// was decided; absent if none was within the longest sliding window, a minute at least.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_entered_at: Option<String>,
    /// The same of calls that were answered, gave up or flowed out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_left_at: Option<String>,
    /// The same as `last_left_at`, without those that flowed out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_answered_or_abandoned_at: Option<String>,
    /// The same of incoming calls and callbacks that were over for an agent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_ended_at: Option<String>,
    /// The same of calls that agents declined or handled, in part or to their end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_handled_at: Option<String>,
    /// Agents by state; absent of one channel and of an agent within a queue.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agents: Option<Fields<i64>>,
    /// Agents in any of these states.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agents_logged_in: Option<i64>,
}

/// A map from names to values that keeps its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields<T>(pub Vec<(Name, T)>);

impl<T> Default for Fields<T> {
    fn default() -> Self {
        Fields(Vec::new())
    }
}

impl KpiRecord {
    /// The record as it goes out.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(3_072);
        serde_json::to_writer(&mut json, self).expect("a record of texts and numbers is JSON");
        json
    }
}

impl<T> Fields<T> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn with_capacity(fields: usize) -> Self {
        Fields(Vec::with_capacity(fields))
    }

    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(have, _)| have == name).map(|(_, value)| value)
    }

    pub fn push(&mut self, name: impl Into<Name>, value: T) {
        self.0.push((name.into(), value));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }
}

impl<T: Serialize> Serialize for Fields<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = Fields<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(0));
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    fields.push((Name::Owned(name), value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Read(PhantomData))
    }
}
