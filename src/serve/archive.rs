//! The archive: where each interval that has ended stands in its topic, and the records there.
//!
//! ```text
//! topic    0 sales 09:00   1 sales 09:15   2 sales 09:00 (corrected)   3 help 09:15
//! index    sales  09:00 -> 2   09:15 -> 1
//!          help   09:15 -> 3
//! ```
//!
//! Only places are kept in memory. They are found by reading the topic from its beginning, in the background; the
//! records are read when somebody asks, one request after the other, and the newest read are kept for the next.

use crate::entity::decode;
use crate::serve::board::Place;
use crate::stream::follow::{Begun, Followed};
use crate::stream::outlet::to_json;
use crate::stream::pick::Picked;
use crate::time::EventTime;
use axum::body::Bytes;
use metrics::{counter, gauge};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::str;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;
use tracing::warn;

/// Bytes of records that are kept once they were read.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// How records are read at places that stand in order, until an instant.
pub type Pick = Box<dyn FnMut(&[(i32, i64)], Instant, &mut dyn FnMut(usize, Picked<'_>)) -> Result<(), String> + Send>;

pub struct Archive {
    index: RwLock<Index>,
    /// One request at a time.
    pub reading: Arc<tokio::sync::Mutex<Reading>>,
}

/// Where intervals stand.
#[derive(Default)]
pub struct Index {
    /// By `tenant|kind|id|window`: intervals by their starts.
    series: HashMap<Box<str>, Vec<Spot>>,
    pub tenants: BTreeSet<Box<str>>,
    /// The names of the intervals' lengths.
    pub windows: BTreeSet<Box<str>>,
    intervals: usize,
    caught_up: bool,
    /// The first offset of each partition and the one behind its last, as they were at the start.
    spans: BTreeMap<i32, (i64, i64)>,
    /// The next offset to read of each partition.
    next: BTreeMap<i32, i64>,
}

/// Where an interval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    pub start: EventTime,
    pub version: u64,
    pub place: Place,
}

/// Reads records, and keeps some.
pub struct Reading {
    pick: Pick,
    kept: HashMap<Place, Bytes>,
    /// In the order they were read.
    order: VecDeque<Place>,
    bytes: usize,
}

/// Of a record all that the index needs.
#[derive(Deserialize)]
struct Head {
    version: u64,
}

impl Archive {
    pub fn new(pick: Pick) -> Archive {
        let reading = Reading { pick, kept: HashMap::new(), order: VecDeque::new(), bytes: 0 };
        Archive { index: RwLock::default(), reading: Arc::new(tokio::sync::Mutex::new(reading)) }
    }

    /// Takes what following the topic brings.
    pub fn feed(&self, followed: Followed<'_>) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        match followed {
            Followed::Begun(Begun { spans, .. }) => {
                if index.spans.is_empty() {
                    index.spans.clone_from(spans);
                }
            }
            Followed::CaughtUp => index.caught_up = true,
            Followed::Record { partition, offset, key, value } => {
                index.next.insert(partition, offset + 1);
                if index.take(Place { partition, offset }, key, value).is_none() {
                    counter!("callpulse_archive_unreadable_total").increment(1);
                    warn!(partition, offset, "archived interval left out of the history");
                }
            }
        }
        if index.caught_up {
            gauge!("callpulse_archive_intervals").set(index.intervals as f64);
        }
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are no longer where they stood.
    pub fn forget(&self, series: &str, gone: &[Spot]) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let Some(spots) = index.series.get_mut(series) else { return };
        let before = spots.len();
        spots.retain(|spot| !gone.contains(spot));
        index.intervals -= before - spots.len();
    }
}

impl Index {
    /// How many records of the topic were read, and how many there were at the start; none once all were.
    pub fn to_be_read(&self) -> Option<(i64, i64)> {
        if self.caught_up {
            return None;
        }
        let read = self.spans.iter().map(|(partition, (low, high))| {
            let next = self.next.get(partition).copied().unwrap_or(*low);
            (next.clamp(*low, *high) - low, high - low)
        });
        Some(read.fold((0, 0), |(read, all), (more_read, more)| (read + more_read, all + more)))
    }

    /// The intervals of a series that begin within `[from, to)`, the first ones.
    pub fn find(&self, series: &str, from: EventTime, to: EventTime, most: usize) -> Vec<Spot> {
        let spots = self.series.get(series).map(Vec::as_slice).unwrap_or_default();
        let first = spots.partition_point(|spot| spot.start < from);
        spots[first..].iter().take_while(|spot| spot.start < to).take(most).copied().collect()
    }

    /// None of what is no interval.
    fn take(&mut self, place: Place, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<()> {
        let (series, start) = str::from_utf8(key?).ok()?.rsplit_once('|')?;
        let start = EventTime::parse(start)?;
        let Some(value) = value else {
            if let Some(spots) = self.series.get_mut(series)
                && let Ok(found) = spots.binary_search_by_key(&start, |spot| spot.start)
            {
                spots.remove(found);
                self.intervals -= 1;
            }
            return Some(());
        };
        let Head { version } = serde_json::from_slice(&to_json(value)).ok()?;
        let spot = Spot { start, version, place };
        if !self.series.contains_key(series) {
            self.tenants.insert(decode(series.split('|').next()?).into());
            self.windows.insert(decode(series.rsplit('|').next()?).into());
            self.series.insert(series.into(), Vec::new());
        }
        let spots = self.series.get_mut(series)?;
        match spots.binary_search_by_key(&start, |spot| spot.start) {
            // The same version told again stands where it will stay.
            Ok(found) if spots[found].version <= version => spots[found] = spot,
            Ok(_) => {}
            Err(between) => {
                spots.insert(between, spot);
                self.intervals += 1;
            }
        }
        Some(())
    }
}

impl Reading {
    /// The records at these places with their keys as expected, as far as they were read by `until`: none of one that
    /// is gone.
    pub fn records<'a>(
        &mut self,
        wanted: impl Iterator<Item = (Place, &'a str)>,
        until: Instant,
    ) -> Result<HashMap<Place, Option<Bytes>>, String> {
        let mut found: HashMap<Place, Option<Bytes>> = HashMap::new();
        let mut missing: Vec<(Place, &str)> = Vec::new();
        for (place, key) in wanted {
            match self.kept.get(&place) {
                Some(json) => drop(found.insert(place, Some(json.clone()))),
                None => missing.push((place, key)),
            }
        }
        missing.sort_unstable();
        let places: Vec<(i32, i64)> = missing.iter().map(|(place, _)| (place.partition, place.offset)).collect();
        let mut read = Vec::new();
        if !places.is_empty() {
            (self.pick)(&places, until, &mut |number, picked| {
                let (place, wanted) = missing[number];
                let json = match picked {
                    Picked::Record { key, value: Some(value) } if key == Some(wanted.as_bytes()) => {
                        Some(Bytes::copy_from_slice(&to_json(value)))
                    }
                    Picked::Record { .. } | Picked::Gone => None,
                };
                read.push((place, json));
            })?;
        }
        for (place, json) in read {
            if let Some(json) = &json {
                self.keep(place, json.clone());
            }
            found.insert(place, json);
        }
        Ok(found)
    }

    fn keep(&mut self, place: Place, json: Bytes) {
        self.bytes += json.len();
        self.kept.insert(place, json);
        self.order.push_back(place);
        while KEPT_BYTES_MAX < self.bytes {
            let Some(json) = self.order.pop_front().and_then(|oldest| self.kept.remove(&oldest)) else { break };
            self.bytes -= json.len();
        }
    }
}
