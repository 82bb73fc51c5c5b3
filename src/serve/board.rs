//! The board: the latest KPI record of every key, as it was published.
//!
//! Written by one subscriber, read by every request. A record is kept as the bytes that came, so that
//! what goes out over HTTP is what stands in the topic. Its samples for Prometheus (`series`) are taken
//! when somebody asks for them: between two scrapes a busy key is published many times.

use crate::entity::{Encoded, Entity, Kind};
use crate::event::Channel;
use crate::kpi::record::{EntityPart, KpiRecord, SCHEMA, WindowPart};
use crate::serve::series::{Sample, Shapes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::{self, FromStr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// The latest record of every key. Readers hold the writer up for as long as they copy.
#[derive(Debug, Default)]
pub struct Board {
    contents: RwLock<Contents>,
    caught_up: AtomicBool,
}

/// What a reader sees of the board.
#[derive(Debug, Default)]
pub struct Contents {
    /// By key, so that the windows of one entity stand together.
    pub records: BTreeMap<Box<str>, Entry>,
    /// How far the engine is, by partition of its input.
    pub progress: BTreeMap<i32, Progress>,
    pub shapes: Shapes,
}

/// One key's latest record.
#[derive(Debug)]
pub struct Entry {
    pub tenant: Box<str>,
    pub kind: Kind,
    pub id: Box<str>,
    pub title: Option<Box<str>>,
    pub channel: Option<Channel>,
    pub window: Box<str>,
    pub version: u64,
    /// The partition of the KPI topic it came from.
    pub partition: i32,
    /// The record as published.
    pub json: Box<[u8]>,
    /// Those of the record before until they are asked for; empty for what Prometheus does not show: an agent within a
    /// queue, an entity of one channel.
    samples: Box<[Sample]>,
    are_samples_its_own: bool,
}

/// What of a record says where it belongs.
#[derive(Deserialize)]
struct Head {
    schema: String,
    tenant: String,
    entity: EntityPart,
    window: WindowPart,
    version: u64,
}

/// How far the engine is in one partition, as it says once a second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// RFC 3339; null before every source has a mark.
    pub as_of: Option<String>,
    pub behind_ms: i64,
    /// The engine's; the highest that was seen stays.
    #[serde(default)]
    pub generation: u64,
    /// Sources that are silent within their hours.
    #[serde(default)]
    pub silent: Vec<serde_json::Value>,
}

/// What a record of the KPI topic did to the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Stored,
    /// The board has the same version or a newer one.
    NotNewer,
    Removed,
    Progress,
}

/// Why a record of the KPI topic is not for the board.
#[derive(Debug)]
pub enum Unreadable {
    /// The key is absent or no UTF-8.
    Key,
    /// The value is not what this version reads.
    Value { key: String, cause: serde_json::Error },
    /// The value is of another schema, or of a kind or channel this version does not know.
    Unknown { key: String, what: String },
    /// The value belongs under another key.
    Misplaced { key: String, belongs: String },
}

/// Which records are asked for. An empty list asks for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub tenants: Vec<String>,
    pub kinds: Vec<Kind>,
    pub ids: Vec<String>,
    pub windows: Vec<String>,
}

/// One entity on the board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntityOnBoard {
    pub tenant: String,
    pub kind: &'static str,
    pub id: String,
    /// The id if the entity has no title.
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<&'static str>,
    pub windows: Vec<String>,
}

impl Board {
    /// Takes one record of the KPI topic. The highest version of a key stays; a value of none ends it.
    pub fn apply(&self, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Change, Unreadable> {
        let key = key.and_then(|key| str::from_utf8(key).ok()).ok_or(Unreadable::Key)?;
        if let Some(of) = key.strip_prefix("progress|").and_then(|of| i32::from_str(of).ok()) {
            return self.apply_progress(of, key, value);
        }
        let Some(value) = value else {
            self.write(|contents| contents.records.remove(key));
            return Ok(Change::Removed);
        };
        let head: Head = read(key, value)?;
        let (kind, channel) = check(key, &head)?;
        Ok(self.write(|contents| {
            let have = contents.records.get_mut(key);
            if have.as_ref().is_some_and(|have| head.version <= have.version) {
                return Change::NotNewer;
            }
            // A scrape between this and the next taking of samples shows the record before, and not none.
            let samples = have.map(|have| std::mem::take(&mut have.samples)).unwrap_or_default();
            let entry = Entry {
                tenant: head.tenant.into(),
                kind,
                id: head.entity.id.into(),
                title: head.entity.title.map(Box::from),
                channel,
                window: head.window.name.into(),
                version: head.version,
                partition,
                json: value.into(),
                samples,
                are_samples_its_own: false,
            };
            contents.records.insert(key.into(), entry);
            Change::Stored
        }))
    }

    fn apply_progress(&self, of: i32, key: &str, value: Option<&[u8]>) -> Result<Change, Unreadable> {
        match value {
            None => {
                self.write(|contents| contents.progress.remove(&of));
                Ok(Change::Removed)
            }
            Some(value) => {
                let progress: Progress = read(key, value)?;
                Ok(self.write(|contents| match contents.progress.get(&of) {
                    Some(have) if progress.generation < have.generation => Change::NotNewer,
                    _ => {
                        contents.progress.insert(of, progress);
                        Change::Progress
                    }
                }))
            }
        }
    }

    /// The highest generation of an engine that publishes here.
    pub fn generation(&self) -> u64 {
        self.read().progress.values().map(|progress| progress.generation).max().unwrap_or(0)
    }

    /// The topic was read to what was its end at the start.
    pub fn set_caught_up(&self) {
        self.caught_up.store(true, Ordering::Release);
    }

    /// Whether the board shows what the topic held at the start.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    /// Takes the samples of what came since they were asked for last, of the entries wanted.
    pub fn take_samples(&self, wants: impl Fn(&Entry) -> bool) {
        self.write(|Contents { records, shapes, .. }| {
            for entry in records.values_mut().filter(|entry| !entry.are_samples_its_own && wants(entry)) {
                let is_shown = match entry.kind {
                    Kind::Queue | Kind::Agent | Kind::Team => entry.channel.is_none(),
                    // The label `tenant` alone tells tenants apart.
                    Kind::Tenant => entry.channel.is_none() && entry.id == entry.tenant,
                    Kind::QueueAgent => false,
                };
                let record = is_shown.then(|| serde_json::from_slice::<KpiRecord>(&entry.json));
                let record = record.transpose().unwrap_or_else(|cause| {
                    tracing::warn!(tenant = %entry.tenant, id = %entry.id, window = %entry.window, %cause, "not shown");
                    None
                });
                entry.samples = record.map(|record| shapes.samples(entry.kind, &record)).unwrap_or_default();
                entry.are_samples_its_own = true;
            }
        });
    }

    /// The board as it is. The writer waits until the guard is dropped.
    pub fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The records asked for as a JSON array, each as published, in the order of their keys.
    pub fn records_json(&self, filter: &Filter) -> Vec<u8> {
        let mut out = vec![b'['];
        for entry in self.read().records.values().filter(|entry| filter.admits(entry)) {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(&entry.json);
        }
        out.push(b']');
        out
    }

    /// The records asked for, in the order of their keys.
    pub fn records(&self, filter: &Filter) -> Vec<KpiRecord> {
        let contents = self.read();
        let asked = contents.records.values().filter(|entry| filter.admits(entry));
        asked.filter_map(|entry| serde_json::from_slice(&entry.json).ok()).collect()
    }

    /// The entities asked for, sorted by tenant, kind, id and channel.
    pub fn entities(&self, filter: &Filter) -> Vec<EntityOnBoard> {
        let contents = self.read();
        let mut entities: Vec<EntityOnBoard> = Vec::new();
        let mut newest = 0;
        let mut last: Option<&Entry> = None;
        for entry in contents.records.values().filter(|entry| filter.admits(entry)) {
            match entities.last_mut() {
                Some(entity) if last.is_some_and(|last| last.is_of_same_entity(entry)) => {
                    entity.windows.push(entry.window.to_string());
                    if newest < entry.version {
                        newest = entry.version;
                        entity.title = entry.title().to_owned();
                    }
                }
                _ => {
                    newest = entry.version;
                    entities.push(EntityOnBoard {
                        tenant: entry.tenant.to_string(),
                        kind: entry.kind.word(),
                        id: entry.id.to_string(),
                        title: entry.title().to_owned(),
                        channel: entry.channel.map(Channel::word),
                        windows: vec![entry.window.to_string()],
                    });
                }
            }
            last = Some(entry);
        }
        entities.sort_by(|a, b| (&a.tenant, a.kind, &a.id, a.channel).cmp(&(&b.tenant, b.kind, &b.id, b.channel)));
        entities
    }

    fn write<T>(&self, change: impl FnOnce(&mut Contents) -> T) -> T {
        change(&mut self.contents.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Entry {
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.id)
    }

    /// As last taken; empty until then.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Whether both are windows of one entity.
    pub fn is_of_same_entity(&self, other: &Entry) -> bool {
        (&self.tenant, self.kind, &self.id, self.channel) == (&other.tenant, other.kind, &other.id, other.channel)
    }
}

impl Filter {
    fn admits(&self, entry: &Entry) -> bool {
        fn one_of(asked: &[String], have: &str) -> bool {
            asked.is_empty() || asked.iter().any(|asked| asked == have)
        }
        one_of(&self.tenants, &entry.tenant)
            && (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && one_of(&self.ids, &entry.id)
            && one_of(&self.windows, &entry.window)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Key => f.write_str("the key is absent or no text"),
            Unreadable::Value { key, cause } => write!(f, "the value of {key} is no record of this version: {cause}"),
            Unreadable::Unknown { key, what } => write!(f, "the value of {key} has the {what}, unknown here"),
            Unreadable::Misplaced { key, belongs } => write!(f, "the value of {key} belongs to the key {belongs}"),
        }
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Unreadable::Value { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

fn read<'a, T: Deserialize<'a>>(key: &str, value: &'a [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(value).map_err(|cause| Unreadable::Value { key: key.to_owned(), cause })
}

/// Kind and channel of a record that belongs under this key. That no two keys hold one entity's
/// window is what keeps series apart.
fn check(key: &str, record: &Head) -> Result<(Kind, Option<Channel>), Unreadable> {
    let unknown = |what: String| Unreadable::Unknown { key: key.to_owned(), what };
    if record.schema != SCHEMA {
        return Err(unknown(format!("schema {}", record.schema)));
    }
    let kind = Kind::from_word(&record.entity.kind).ok_or_else(|| unknown(format!("kind {}", record.entity.kind)))?;
    let channel = match record.entity.channel.as_deref() {
        None => None,
        Some(word) => Some(Channel::from_word(word).ok_or_else(|| unknown(format!("channel {word}")))?),
    };
    let entity = Entity { tenant: record.tenant.as_str().into(), kind, id: record.entity.id.as_str().into(), channel };
    let belongs = format!("{entity}|{}", Encoded(&record.window.name));
    if belongs != key {
        return Err(Unreadable::Misplaced { key: key.to_owned(), belongs });
    }
    Ok((kind, channel))
}
