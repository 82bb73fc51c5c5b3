//! Alerts that are served: the newest record of each, as it was published.
//!
//! Written by one subscriber of the topic of alerts. What resolved stays until its tombstone comes. Each change is a
//! turn of this instance's own, so that a stream can ask what changed since the turn it told last:
//!
//! ```text
//! turn      1        2        3        4
//! record    a fires  b fires  a well   b ended      since 2: a, and that b ended
//! ```

use crate::alert::record::{RESOLVED_TOLD_FOR, SCHEMA};
use crate::entity::Kind;
use crate::serve::board::{Change, Unreadable};
use crate::time::EventTime;
use axum::body::Bytes;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::str;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::watch;

/// How many keys that ended are remembered for streams.
const ENDS_MAX: usize = 10_000;

/// The newest record of every alert.
#[derive(Debug)]
pub struct Alerts {
    contents: RwLock<Contents>,
    caught_up: AtomicBool,
    /// Tells the newest turn to whoever waits for one.
    turned: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Contents {
    alerts: BTreeMap<Arc<str>, Arc<Alert>>,
    turn: u64,
    /// Which key changed or ended last in which turn.
    turns: BTreeMap<u64, Arc<str>>,
    ends: BTreeMap<Arc<str>, u64>,
    /// Ends up to this turn may have been forgotten.
    forgotten: u64,
}

/// One alert as it stands now.
#[derive(Debug)]
pub struct Alert {
    pub key: Arc<str>,
    pub rule: Box<str>,
    pub severity: Box<str>,
    pub tenant: Box<str>,
    /// The word of an entity's kind, or what of the engine itself it is about.
    pub kind: Box<str>,
    pub id: Box<str>,
    pub is_firing: bool,
    /// When its condition began to hold; when it resolved, once it has.
    pub since: EventTime,
    pub version: u64,
    /// Of the topic.
    pub partition: i32,
    /// The record as published.
    pub json: Bytes,
    turn: u64,
}

/// Which alerts are asked for. An empty list asks for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Words of a state: `firing`, `resolved`.
    pub states: Vec<String>,
    pub rules: Vec<String>,
    pub severities: Vec<String>,
    pub kinds: Vec<String>,
    pub ids: Vec<String>,
    pub tenants: Vec<String>,
}

/// What a stream tells next.
#[derive(Debug)]
pub enum Changes {
    /// What was told before is void.
    All(Vec<Arc<Alert>>),
    /// Since a turn: what changed, and the keys that ended.
    Since(Vec<Arc<Alert>>, Vec<Arc<str>>),
}

/// By rule, severity and tenant.
pub type Firing = BTreeMap<[Box<str>; 3], u64>;

/// What of a record is looked at here.
#[derive(Deserialize)]
struct Head {
    schema: String,
    rule: Box<str>,
    severity: Box<str>,
    tenant: Box<str>,
    entity: HeadEntity,
    state: String,
    since: String,
    #[serde(default)]
    resolved_at: Option<String>,
    version: u64,
}

#[derive(Deserialize)]
struct HeadEntity {
    kind: Box<str>,
    id: Box<str>,
}

impl Default for Alerts {
    fn default() -> Alerts {
        Alerts { contents: RwLock::default(), caught_up: AtomicBool::new(false), turned: watch::Sender::new(0) }
    }
}

impl Alerts {
    /// Takes one record of the topic. A version older than the one there is left out; a value of none ends the key.
    pub fn apply(&self, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Change, Unreadable> {
        let key = key.and_then(|key| str::from_utf8(key).ok()).ok_or(Unreadable::Key)?;
        let head = value.map(|value| Head::read(key, value).map(|head| (head, value))).transpose()?;
        let mut contents = self.contents.write().unwrap_or_else(PoisonError::into_inner);
        let change = contents.take(partition, key, head);
        let turn = contents.turn;
        drop(contents);
        if change != Change::NotNewer {
            self.turned.send_replace(turn);
        }
        Ok(change)
    }

    /// The topic was read to what was its end at the start.
    pub fn set_caught_up(&self) {
        self.caught_up.store(true, Ordering::Release);
        self.turned.send_modify(|_| {});
    }

    pub fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    /// Tells when something changed.
    pub fn turned(&self) -> watch::Receiver<u64> {
        self.turned.subscribe()
    }

    /// How many there are, resolved ones with them.
    pub fn count(&self) -> usize {
        self.read().alerts.len()
    }

    /// Those asked for, as of `now`: what fires first, then what resolved of late; of each the newest first.
    pub fn asked(&self, filter: &AlertFilter, now: EventTime) -> Vec<Arc<Alert>> {
        let contents = self.read();
        let is_asked = |alert: &&Arc<Alert>| alert.is_shown(now) && filter.admits(alert);
        let mut asked: Vec<Arc<Alert>> = contents.alerts.values().filter(is_asked).cloned().collect();
        asked.sort_by(|a, b| a.place().cmp(&b.place()));
        asked
    }

    /// What is new after a turn, of what is `wanted`; everything without a turn, or if not every end since is known. And up
    /// to which turn that is.
    pub fn since(&self, turn: Option<u64>, now: EventTime, wanted: impl Fn(&Alert) -> bool) -> (Changes, u64) {
        let contents = self.read();
        let turn = turn.filter(|turn| contents.forgotten <= *turn);
        let changes = match turn {
            None => {
                let shown = contents.alerts.values().filter(|alert| alert.is_shown(now) && wanted(alert));
                Changes::All(shown.cloned().collect())
            }
            Some(turn) => {
                let (mut changed, mut ended) = (Vec::new(), Vec::new());
                for key in contents.turns.range((Bound::Excluded(turn), Bound::Unbounded)).map(|(_, key)| key) {
                    match contents.alerts.get(key) {
                        Some(alert) if wanted(alert) => changed.push(alert.clone()),
                        Some(_) => {}
                        // Whose it was is not known any more; who never heard of it forgets nothing.
                        None => ended.push(key.clone()),
                    }
                }
                Changes::Since(changed, ended)
            }
        };
        (changes, contents.turn)
    }

    /// How many fire of each rule, severity and tenant, of the partitions wanted. What fired of late and does not now is 0.
    pub fn firing(&self, wants: impl Fn(i32) -> bool) -> Firing {
        let contents = self.read();
        let mut firing = Firing::new();
        for alert in contents.alerts.values().filter(|alert| wants(alert.partition)) {
            let of = [alert.rule.clone(), alert.severity.clone(), alert.tenant.clone()];
            *firing.entry(of).or_default() += u64::from(alert.is_firing);
        }
        firing
    }

    fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn take(&mut self, partition: i32, key: &str, record: Option<(Head, &[u8])>) -> Change {
        let have = self.alerts.get(key);
        if let (Some(have), Some((head, _))) = (have, &record)
            && head.version < have.version
        {
            return Change::NotNewer;
        }
        let before = have.map(|have| have.turn).or_else(|| self.ends.remove(key));
        let key = before.and_then(|before| self.turns.remove(&before)).unwrap_or_else(|| key.into());
        self.turn += 1;
        self.turns.insert(self.turn, key.clone());
        match record {
            Some((head, json)) => {
                let alert = head.alert(key.clone(), partition, self.turn, json);
                self.alerts.insert(key, Arc::new(alert));
                Change::Stored
            }
            None => {
                self.alerts.remove(&key);
                self.ends.insert(key, self.turn);
                self.forget_ends();
                Change::Removed
            }
        }
    }

    /// Half of them at once, since the oldest are looked for.
    fn forget_ends(&mut self) {
        if self.ends.len() <= ENDS_MAX {
            return;
        }
        let mut turns: Vec<u64> = self.ends.values().copied().collect();
        turns.sort_unstable();
        self.forgotten = turns[ENDS_MAX / 2];
        self.ends.retain(|_, turn| self.forgotten < *turn);
        turns.iter().take_while(|turn| **turn <= self.forgotten).for_each(|turn| drop(self.turns.remove(turn)));
    }
}

impl Alert {
    /// The word of its state.
    pub fn state(&self) -> &'static str {
        if self.is_firing { "firing" } else { "resolved" }
    }

    /// Where it stands among the others: what fires first, the newest first.
    pub fn place(&self) -> (bool, i64, &str) {
        (!self.is_firing, -self.since.0, &self.key)
    }

    /// Whether it is about the engine, and so concerns every tenant.
    pub fn is_of_engine(&self) -> bool {
        Kind::from_word(&self.kind).is_none()
    }

    fn is_shown(&self, now: EventTime) -> bool {
        self.is_firing || now.since(self.since) < RESOLVED_TOLD_FOR
    }
}

impl AlertFilter {
    pub fn admits(&self, alert: &Alert) -> bool {
        fn one_of(asked: &[String], have: &str) -> bool {
            asked.is_empty() || asked.iter().any(|asked| asked == have)
        }
        one_of(&self.states, alert.state())
            && one_of(&self.rules, &alert.rule)
            && one_of(&self.severities, &alert.severity)
            && one_of(&self.kinds, &alert.kind)
            && one_of(&self.ids, &alert.id)
            && one_of(&self.tenants, &alert.tenant)
    }
}

impl Head {
    fn read(key: &str, value: &[u8]) -> Result<Head, Unreadable> {
        let unknown = |what: String| Unreadable::Unknown { key: key.to_owned(), what };
        let head: Head =
            serde_json::from_slice(value).map_err(|cause| Unreadable::Value { key: key.to_owned(), cause })?;
        if head.schema != SCHEMA {
            return Err(unknown(format!("schema {}", head.schema)));
        }
        if !["firing", "resolved"].contains(&head.state.as_str()) {
            return Err(unknown(format!("state {}", head.state)));
        }
        match EventTime::parse(head.changed()) {
            Some(_) => Ok(head),
            None => Err(unknown(format!("time {}", head.changed()))),
        }
    }

    /// When it came into its state.
    fn changed(&self) -> &str {
        self.resolved_at.as_deref().filter(|_| self.state == "resolved").unwrap_or(&self.since)
    }

    fn alert(self, key: Arc<str>, partition: i32, turn: u64, json: &[u8]) -> Alert {
        let since = EventTime::parse(self.changed()).expect("as it was read");
        Alert {
            key,
            rule: self.rule,
            severity: self.severity,
            tenant: self.tenant,
            kind: self.entity.kind,
            id: self.entity.id,
            is_firing: self.state == "firing",
            since,
            version: self.version,
            partition,
            json: Bytes::copy_from_slice(json),
            turn,
        }
    }
}
