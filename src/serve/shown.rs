//! Shown: what of a KPI record Prometheus is shown.
//!
//! Read without a copy of its texts, and without what is left out, since every record that changed is read at the next
//! scrape. `kpi::record` says what each part means.

use crate::kpi::record::Target;
use crate::serve::text::Text;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

#[derive(serde::Deserialize)]
pub struct Shown<'a> {
    #[serde(borrow)]
    pub counts: Names<'a, Count<'a>>,
    #[serde(borrow)]
    pub sums_ms: Names<'a, i64>,
    #[serde(borrow)]
    pub kpis: Names<'a, Kpi<'a>>,
    #[serde(borrow, default)]
    pub targets: Names<'a, Target>,
    #[serde(borrow)]
    pub profile: Option<Profile<'a>>,
    #[serde(borrow)]
    pub counters: Option<Counters<'a>>,
    #[serde(borrow)]
    pub now: Option<Now<'a>>,
}

impl<'a> Shown<'a> {
    /// Of a record as published.
    pub fn read(json: &'a [u8]) -> Result<Shown<'a>, serde_json::Error> {
        // Looked at once as a whole: else each text is looked at by itself.
        serde_json::from_str(str::from_utf8(json).map_err(Error::custom)?)
    }
}

pub enum Count<'a> {
    Number(i64),
    By(Names<'a, i64>),
}

#[derive(serde::Deserialize)]
pub struct Kpi<'a> {
    pub value: Option<f64>,
    #[serde(borrow)]
    pub unit: Option<Text<'a>>,
    pub numerator: Option<i64>,
    pub denominator: Option<i64>,
    pub threshold_s: Option<i64>,
    pub target: Option<f64>,
    pub met: Option<bool>,
}

#[derive(serde::Deserialize)]
pub struct Profile<'a> {
    pub weeks_seen: i64,
    #[serde(borrow)]
    pub offered: Names<'a, [i64; 24]>,
}

#[derive(serde::Deserialize)]
pub struct Counters<'a> {
    pub offered: i64,
    pub answered: i64,
    pub answered_within_threshold: i64,
    pub abandoned: i64,
    #[serde(borrow)]
    pub wait_seconds: Names<'a, i64>,
}

#[derive(serde::Deserialize)]
pub struct Now<'a> {
    pub waiting: i64,
    #[serde(borrow)]
    pub longest_wait_since: Option<Text<'a>>,
    pub ringing: i64,
    pub talking: i64,
    pub on_hold: i64,
    pub in_wrapup: i64,
    pub over_threshold_waiting: i64,
    #[serde(borrow)]
    pub agents: Option<Names<'a, i64>>,
}

/// A map in the order it was written.
pub struct Names<'a, T>(Vec<(Text<'a>, T)>);

impl<T> Names<'_, T> {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub fn get(&self, name: &str) -> Option<&T> {
        self.iter().find(|(have, _)| *have == name).map(|(_, value)| value)
    }
}

impl<T> Default for Names<'_, T> {
    fn default() -> Self {
        Names(Vec::new())
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Names<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadNames(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Count<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Count<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or numbers by their names")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Count::Number(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                i64::try_from(number).map(Count::Number).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                ReadNames(PhantomData).visit_map(map).map(Count::By)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

struct ReadNames<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ReadNames<T> {
    type Value = Names<'de, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some(entry) = map.next_entry()? {
            names.push(entry);
        }
        Ok(Names(names))
    }
}
