//! What is known of every alert, and so which record of the topic is news.

use crate::alert::record::{AlertRecord, SCHEMA};
use crate::alert::state::Why;
use crate::time::EventTime;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The newest record of every alert, by key, with its place.
#[derive(Debug, Default)]
pub struct Standing {
    alerts: HashMap<String, (Place, Arc<AlertRecord>)>,
}

/// A place in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

/// A record that is none.
#[derive(Debug)]
pub enum Unreadable {
    Key,
    Json(serde_json::Error),
    Schema(String),
}

impl Standing {
    /// Takes one record of the topic, written at `at`. Answers the transition that it tells, if that is news: not a
    /// repetition, nor of a generation that was replaced. What ends while it fires has resolved.
    pub fn take(
        &mut self,
        place: Place,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        at: EventTime,
    ) -> Result<Option<Arc<AlertRecord>>, Unreadable> {
        let key = key.and_then(|key| std::str::from_utf8(key).ok()).ok_or(Unreadable::Key)?;
        let Some(value) = value else {
            let ended = self.alerts.remove(key).map(|(_, record)| record).filter(|record| record.is_firing());
            return Ok(ended.map(|record| Arc::new(record.resolved(Why::RuleRemoved, at, record.version))));
        };
        let record: AlertRecord = serde_json::from_slice(value).map_err(Unreadable::Json)?;
        if record.schema != SCHEMA {
            return Err(Unreadable::Schema(record.schema.into_owned()));
        }
        let have = self.alerts.get(key).map(|(_, have)| have);
        if have.is_some_and(|have| record.version < have.version) {
            return Ok(None);
        }
        let is_known = have.is_some_and(|have| have.alert_id == record.alert_id && have.state == record.state);
        let record = Arc::new(record);
        self.alerts.insert(key.to_owned(), (place, record.clone()));
        Ok((!is_known).then_some(record))
    }

    /// What fires of a partition, in the order of offsets.
    pub fn firing(&self, partition: i32) -> Vec<(Place, Arc<AlertRecord>)> {
        let firing = self.alerts.values().filter(|(place, record)| place.partition == partition && record.is_firing());
        let mut firing: Vec<(Place, Arc<AlertRecord>)> = firing.cloned().collect();
        firing.sort_unstable_by_key(|(place, _)| place.offset);
        firing
    }

    pub fn clear(&mut self) {
        self.alerts.clear();
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Key => write!(f, "its key is no text"),
            Unreadable::Json(cause) => write!(f, "its value is no alert: {cause}"),
            Unreadable::Schema(schema) => write!(f, "its schema {schema} is not {SCHEMA}"),
        }
    }
}
