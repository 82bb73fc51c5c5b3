//! The board: the latest KPI record of every key, as it was published.
//!
//! Written by one subscriber, read by every request. A record is kept as the bytes that came, so that
//! what goes out over HTTP is what stands in the topic. Its samples for Prometheus (`series`) are taken
//! when somebody asks for them: between two scrapes a busy key is published many times.
//!
//! Each key stands at the offset of its latest record, and a key that ended at that of its tombstone, for a
//! while. So "what changed since" is asked by offsets of the topic, which mean the same on every instance:
//!
//! ```text
//! offset   0    1    2    3    4    5         known: up to 2
//! record   a    b    a    b    c    b ended   since: c, and that b ended
//! ```

use crate::entity::{Encoded, Entity, Kind};
use crate::event::Channel;
use crate::kpi::record::{EntityPart, KpiRecord, SCHEMA, WindowPart};
use crate::serve::filter::{Filter, Subject};
use crate::serve::position::Offsets;
use crate::serve::series::{Sample, Shapes};
use crate::serve::shown::Shown;
use crate::time::EventTime;
use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Bound;
use std::str::{self, FromStr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::watch;

/// How many keys that ended are remembered.
const ENDS_MAX: usize = 50_000;

/// The latest record of every key. Readers hold the writer up for as long as they copy.
#[derive(Debug)]
pub struct Board {
    contents: RwLock<Contents>,
    caught_up: AtomicBool,
    ends_max: usize,
    /// How many records were taken: tells whoever waits that there is something new.
    taken: watch::Sender<u64>,
}

/// What a reader sees of the board.
#[derive(Debug, Default)]
pub struct Contents {
    /// By key, so that the windows of one entity stand together.
    pub records: BTreeMap<Arc<str>, Entry>,
    /// How far the engine is, by partition of its input.
    pub progress: BTreeMap<i32, Progress>,
    /// By generation and partition: what ended before it is published no more, if that is known.
    settled: BTreeMap<u64, BTreeMap<i32, Option<EventTime>>>,
    pub shapes: Shapes,
    seen: Seen,
    /// Where the latest record or end of every key stands.
    keys: BTreeMap<Place, Arc<str>>,
    ends: BTreeMap<Arc<str>, Place>,
    /// Ends in the order they came; some may have been taken back.
    ended: VecDeque<Place>,
    /// Up to where ends were forgotten.
    forgotten: Offsets,
    /// The name of the cluster the topic is in.
    cluster: Arc<str>,
}

/// A record's place in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

/// An instant in the life of one board: how many records it had taken, and up to which offsets.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub taken: u64,
    pub offsets: Arc<Offsets>,
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
    pub place: Place,
    /// The record as published.
    pub json: Bytes,
    /// Those of the record before until they are asked for; empty for what Prometheus does not show.
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
    /// RFC 3339; what ended before it is published no more, if that is known.
    #[serde(default, skip_serializing)]
    pub settled: Option<String>,
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

/// What is known of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub key: Arc<str>,
    pub version: u64,
    /// The record as published; none once the key has ended.
    pub json: Option<Bytes>,
}

/// Several keys as of one instant.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub known: Vec<Known>,
    pub progress: BTreeMap<i32, Progress>,
    pub seen: Seen,
    pub cluster: Arc<str>,
}

/// Why it cannot be said what changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// The board has not read so far itself.
    Beyond,
    /// Ends since may have been forgotten.
    Forgotten,
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

impl Default for Board {
    fn default() -> Board {
        Board::remembering(ENDS_MAX)
    }
}

impl Board {
    /// An empty board that remembers so many ends.
    pub fn remembering(ends_max: usize) -> Board {
        let taken = watch::Sender::new(0);
        Board { contents: RwLock::default(), caught_up: AtomicBool::new(false), ends_max, taken }
    }

    /// Takes one record of the KPI topic. The highest version of a key stays; a value of none ends it.
    pub fn apply(&self, place: Place, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Change, Unreadable> {
        let told = Told::read(key, value);
        let change = self.write(|contents| {
            contents.see(place);
            let change = told.map(|told| contents.take(place, told));
            contents.forget_ends(self.ends_max);
            change
        });
        self.taken.send_modify(|taken| *taken += 1);
        change
    }

    /// Where the topic is. Offsets of another cluster mean nothing here.
    pub fn set_cluster(&self, name: &str) {
        self.write(|contents| contents.cluster = name.into());
    }

    /// Tells how many records were taken, whenever there are more.
    pub fn taken(&self) -> watch::Receiver<u64> {
        self.taken.subscribe()
    }

    /// The generation that has claimed every one of so many partitions; 0 while there is one that nobody publishes on.
    pub fn claimed_by(&self, partitions: i32) -> u64 {
        let progress = &self.read().progress;
        let claims = (0..partitions).map(|of| progress.get(&of).map_or(0, |progress| progress.generation));
        claims.min().unwrap_or(0)
    }

    /// What ended before it none of the generations before `own` publishes any more, of which those given have groups:
    /// the beginning of time while that is not known, its end if there is none. One that claimed the whole board has
    /// ended those before it.
    pub fn settled_before(&self, own: u64, partitions: i32, groups: impl Iterator<Item = u64>) -> EventTime {
        let mut groups = groups.peekable();
        if groups.peek().is_some() && !self.is_caught_up() {
            return EventTime(i64::MIN);
        }
        let contents = self.read();
        let newest = |of| {
            let mut earlier = contents.settled.range(..own).rev();
            earlier.find(|(_, settled)| settled.contains_key(&of)).map_or(0, |(generation, _)| *generation)
        };
        let claimed = (0..partitions).map(newest).min().unwrap_or(0);
        let of_partition = |generation, of| contents.settled.get(&generation)?.get(&of).copied()?;
        let settled = groups.filter(|generation| claimed <= *generation).flat_map(|generation| {
            (0..partitions).map(move |of| of_partition(generation, of).unwrap_or(EventTime(i64::MIN)))
        });
        settled.min().unwrap_or(EventTime(i64::MAX))
    }

    /// The topic was read to what was its end at the start.
    pub fn set_caught_up(&self) {
        self.caught_up.store(true, Ordering::Release);
    }

    /// Whether the board shows what the topic held at the start.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    /// Takes the samples of what came of an entity since they were asked for last, of the entries wanted. The entity is
    /// named as by [`of_entity`].
    pub fn take_samples(&self, entity: &str, wants: impl Fn(&Entry) -> bool) {
        self.write(|Contents { records, shapes, .. }| {
            let of_entity = records.range_mut::<str, _>(from(entity)).take_while(|(key, _)| key.starts_with(entity));
            let new = of_entity.map(|(_, entry)| entry).filter(|entry| !entry.are_samples_its_own);
            for entry in new.filter(|entry| entry.has_series() && wants(entry)) {
                let record = Shown::read(&entry.json).inspect_err(|cause| {
                    tracing::warn!(tenant = %entry.tenant, id = %entry.id, window = %entry.window, %cause, "not shown");
                });
                entry.samples =
                    record.map(|record| shapes.samples(entry.kind, &entry.window, &record)).unwrap_or_default();
                entry.are_samples_its_own = true;
            }
        });
    }

    /// The board as it is. The writer waits until the guard is dropped.
    pub fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// At most so many of the records asked for, in the order of their keys, after a key; and whether there are more.
    pub fn page(&self, filter: &Filter, after: Option<&str>, limit: usize) -> (Vec<Known>, bool) {
        let contents = self.read();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = contents.records.range::<str, _>((from, Bound::Unbounded));
        let mut asked = behind.filter(|(_, entry)| filter.admits(&entry.subject()));
        let page = asked.by_ref().take(limit).map(|(key, entry)| entry.known(key)).collect();
        (page, asked.next().is_some())
    }

    /// The records asked for, in the order of their keys.
    pub fn records(&self, filter: &Filter) -> Vec<KpiRecord> {
        let contents = self.read();
        let asked = contents.records.values().filter(|entry| filter.admits(&entry.subject()));
        asked.filter_map(|entry| serde_json::from_slice(&entry.json).ok()).collect()
    }

    /// All records asked for, as of one instant.
    pub fn all(&self, filter: &Filter) -> Selection {
        let contents = self.read();
        let asked = contents.records.iter().filter(|(_, entry)| filter.admits(&entry.subject()));
        contents.selection(asked.map(|(key, entry)| entry.known(key)).collect())
    }

    /// The latest of every key asked for that changed or ended since, in the order it came within each partition.
    pub fn since(&self, offsets: &Offsets, filter: &Filter) -> Result<Selection, Unsaid> {
        let contents = self.read();
        let has_read = |(partition, offset): (&i32, &i64)| contents.seen.offsets.get(partition) >= Some(offset);
        if !offsets.iter().all(has_read) {
            return Err(Unsaid::Beyond);
        }
        if contents.forgotten.iter().any(|(partition, forgotten)| offsets.get(partition) < Some(forgotten)) {
            return Err(Unsaid::Forgotten);
        }
        let mut known = Vec::new();
        for &partition in contents.seen.offsets.keys() {
            let after = Place { partition, offset: offsets.get(&partition).copied().unwrap_or(-1) };
            let to = Place { partition, offset: i64::MAX };
            for key in contents.keys.range((Bound::Excluded(after), Bound::Included(to))).map(|(_, key)| key) {
                match contents.records.get(key) {
                    Some(entry) if filter.admits(&entry.subject()) => known.push(entry.known(key)),
                    None if Subject::of_key(key).is_some_and(|subject| filter.admits(&subject)) => {
                        known.push(Known { key: key.clone(), version: 0, json: None });
                    }
                    _ => {}
                }
            }
        }
        Ok(contents.selection(known))
    }

    /// The instant that the board is at.
    pub fn seen(&self) -> Seen {
        self.read().seen.clone()
    }

    /// The entities asked for, sorted by tenant, kind, id and channel.
    pub fn entities(&self, filter: &Filter) -> Vec<EntityOnBoard> {
        let contents = self.read();
        let mut entities: Vec<EntityOnBoard> = Vec::new();
        let mut newest = 0;
        let mut last: Option<&Entry> = None;
        for entry in contents.records.values().filter(|entry| filter.admits(&entry.subject())) {
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
        entities.sort_by(|a, b| a.place().cmp(&b.place()));
        entities
    }

    fn write<T>(&self, change: impl FnOnce(&mut Contents) -> T) -> T {
        change(&mut self.contents.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Contents {
    /// The entries of an entity, which is named as by [`of_entity`].
    pub fn of_entity(&self, entity: &str) -> impl Iterator<Item = &Entry> {
        self.records
            .range::<str, _>(from(entity))
            .take_while(move |(key, _)| key.starts_with(entity))
            .map(|(_, entry)| entry)
    }

    /// The name of the cluster the topic is in; empty while it is not known.
    pub fn cluster(&self) -> &Arc<str> {
        &self.cluster
    }

    /// A record was read here, whatever it holds.
    fn see(&mut self, place: Place) {
        self.seen.taken += 1;
        let newest = Arc::make_mut(&mut self.seen.offsets).entry(place.partition).or_insert(place.offset);
        *newest = place.offset.max(*newest);
    }

    fn take(&mut self, place: Place, told: Told<'_>) -> Change {
        match told {
            Told::Progress { of, progress: None } => {
                self.progress.remove(&of);
                Change::Removed
            }
            Told::Progress { of, progress: Some(progress) } => {
                let settled = progress.settled.as_deref().and_then(EventTime::parse);
                self.settled.entry(progress.generation).or_default().insert(of, settled);
                match self.progress.get(&of) {
                    Some(have) if progress.generation < have.generation => Change::NotNewer,
                    _ => {
                        self.progress.insert(of, progress);
                        Change::Progress
                    }
                }
            }
            Told::End { key } => {
                let before = self.records.remove(key).map(|entry| entry.place);
                let key = self.stand(key, before, place);
                self.ends.insert(key, place);
                self.ended.push_back(place);
                Change::Removed
            }
            Told::Record { key, head, kind, channel, json } => {
                let have = self.records.get_mut(key);
                if have.as_ref().is_some_and(|have| head.version <= have.version) {
                    return Change::NotNewer;
                }
                let before = have.as_ref().map(|have| have.place);
                // A scrape between this and the next taking of samples shows the record before, and not none.
                let samples = have.map(|have| std::mem::take(&mut have.samples)).unwrap_or_default();
                let key = self.stand(key, before, place);
                let entry = Entry {
                    tenant: head.tenant.into(),
                    kind,
                    id: head.entity.id.into(),
                    title: head.entity.title.map(Box::from),
                    channel,
                    window: head.window.name.into(),
                    version: head.version,
                    place,
                    json: Bytes::copy_from_slice(json),
                    samples,
                    are_samples_its_own: false,
                };
                self.records.insert(key, entry);
                Change::Stored
            }
        }
    }

    /// From now on the key's latest stands here; it stood at `before` if it has a record, else perhaps at its end.
    fn stand(&mut self, key: &str, before: Option<Place>, place: Place) -> Arc<str> {
        let before = before.or_else(|| self.ends.remove(key));
        let known = before.and_then(|before| self.keys.remove(&before));
        let key = known.unwrap_or_else(|| key.into());
        self.keys.insert(place, key.clone());
        key
    }

    fn forget_ends(&mut self, most: usize) {
        while most < self.ended.len() {
            let Some(place) = self.ended.pop_front() else { break };
            // Unless the key has come back since.
            let is_end = self.keys.get(&place).is_some_and(|key| self.ends.get(key) == Some(&place));
            if is_end && let Some(key) = self.keys.remove(&place) {
                self.ends.remove(&key);
                let forgotten = self.forgotten.entry(place.partition).or_insert(place.offset);
                *forgotten = place.offset.max(*forgotten);
            }
        }
    }

    fn selection(&self, known: Vec<Known>) -> Selection {
        let (progress, seen, cluster) = (self.progress.clone(), self.seen.clone(), self.cluster.clone());
        Selection { known, progress, seen, cluster }
    }
}

impl EntityOnBoard {
    /// Where it stands among the others.
    pub fn place(&self) -> (&str, &str, &str, Option<&str>) {
        (&self.tenant, self.kind, &self.id, self.channel)
    }
}

impl Entry {
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            tenant: Cow::Borrowed(&self.tenant),
            kind: self.kind,
            id: Cow::Borrowed(&self.id),
            channel: self.channel,
            window: Cow::Borrowed(&self.window),
        }
    }

    fn known(&self, key: &Arc<str>) -> Known {
        Known { key: key.clone(), version: self.version, json: Some(self.json.clone()) }
    }

    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.id)
    }

    /// As last taken; empty until then.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Whether it may have series: not of an agent within a queue, nor of one channel.
    pub fn has_series(&self) -> bool {
        match self.kind {
            Kind::Queue | Kind::Agent | Kind::Team => self.channel.is_none(),
            // The label `tenant` alone tells tenants apart.
            Kind::Tenant => self.channel.is_none() && self.id == self.tenant,
            Kind::QueueAgent => false,
        }
    }

    /// Whether both are windows of one entity.
    pub fn is_of_same_entity(&self, other: &Entry) -> bool {
        (&self.tenant, self.kind, &self.id, self.channel) == (&other.tenant, other.kind, &other.id, other.channel)
    }
}

/// The part of a key that all windows of an entity share, and no other entity has: `tenant|kind|id|`.
pub fn of_entity(key: &str) -> &str {
    key.rfind('|').map_or(key, |end| &key[..=end])
}

fn from(key: &str) -> (Bound<&str>, Bound<&str>) {
    (Bound::Included(key), Bound::Unbounded)
}

/// A record of the KPI topic, read.
enum Told<'a> {
    Progress { of: i32, progress: Option<Progress> },
    Record { key: &'a str, head: Head, kind: Kind, channel: Option<Channel>, json: &'a [u8] },
    End { key: &'a str },
}

impl<'a> Told<'a> {
    fn read(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Result<Told<'a>, Unreadable> {
        let key = key.and_then(|key| str::from_utf8(key).ok()).ok_or(Unreadable::Key)?;
        if let Some(of) = key.strip_prefix("progress|").and_then(|of| i32::from_str(of).ok()) {
            let progress = value.map(|value| read(key, value)).transpose()?;
            return Ok(Told::Progress { of, progress });
        }
        let Some(json) = value else { return Ok(Told::End { key }) };
        let head: Head = read(key, json)?;
        let (kind, channel) = check(key, &head)?;
        Ok(Told::Record { key, head, kind, channel, json })
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
