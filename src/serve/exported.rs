//! Exported: which entities `/metrics` tells, so that ids somebody makes up cannot fill a Prometheus.
//!
//! An entity is told whole or not at all, for as long as its series fit into the most there may be:
//!
//! ```text
//! named by the settings | told by the scrape before | new: the most calls first | left out
//! ```
//!
//! So what is looked at every day stays when others crowd in, and no two scrapes of the same board differ.

use crate::entity::{Entity, Kind};
use crate::event::DEFAULT_TENANT;
use crate::kpi::room::Limits;
use crate::kpi::settings::KpiSettings;
use crate::life::plan::Plan;
use crate::serve::board::{Board, Contents, Entry, of_entity};
use crate::serve::series::Shapes;
use crate::serve::shown::{Count, Shown};
use axum::body::Bytes;
use metrics::gauge;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::warn;

/// The partitions of the KPI topic whose entities this instance exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owned {
    /// One instance for everything.
    All,
    Partitions(BTreeSet<i32>),
}

/// What of the board is exported, by the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pub kinds: Vec<Kind>,
    /// By their names; all if there are none. Counters have no window and are always told.
    pub windows: Vec<String>,
    /// Series of entities in one scrape.
    pub series_max: usize,
    /// Entities that come first, each by its part of keys.
    pub named: BTreeSet<Box<str>>,
}

/// Says for each scrape what it tells.
#[derive(Debug)]
pub struct Exporter {
    exported: Exported,
    before: Mutex<Before>,
}

/// What the scrape before told.
#[derive(Debug, Default)]
struct Before {
    told: Arc<BTreeSet<Box<str>>>,
    has_left_out: bool,
}

/// A share of the room: with less of it free no new entity is looked for, since that is to read all of them.
const ROOM_FOR_NEW: usize = 100;

impl Exported {
    /// Everything there is.
    pub fn all() -> Exported {
        Exported { kinds: Kind::ALL.to_vec(), windows: Vec::new(), series_max: usize::MAX, named: BTreeSet::new() }
    }
}

impl Exporter {
    pub fn new(exported: Exported) -> Exporter {
        Exporter { exported, before: Mutex::default() }
    }

    /// Whether a window by this name is told.
    pub fn has_window(&self, name: &str) -> bool {
        self.exported.windows.is_empty() || self.exported.windows.iter().any(|window| window == name)
    }

    /// Whether a record has anything to tell. `total` has the counters.
    pub fn takes(&self, entry: &Entry, owned: &Owned) -> bool {
        owned.holds(entry.place.partition)
            && self.exported.kinds.contains(&entry.kind)
            && (&*entry.window == "total" || self.has_window(&entry.window))
            && entry.has_series()
    }

    /// The entities that are told, each by its part of keys; takes their samples from the board.
    pub fn choose(&self, board: &Board, owned: &Owned) -> Arc<BTreeSet<Box<str>>> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let Asking { mut named, told, new } = self.asking(&board.read(), owned, &before.told);
        let all = named.len() + told.len() + new.len();
        named.extend(told);
        let mut choice =
            Choice { exporter: self, board, owned, room: self.exported.series_max, chosen: BTreeSet::new() };
        let is_room_left = choice.take(named) && self.exported.series_max / ROOM_FOR_NEW <= choice.room;
        if is_room_left {
            choice.take(in_order(new));
        }
        let chosen = Arc::new(choice.chosen);
        let left_out = all - chosen.len();
        gauge!("callpulse_metrics_entities_left_out").set(left_out as f64);
        if 0 < left_out && !before.has_left_out {
            let series_max = self.exported.series_max;
            warn!(left_out, series_max, "entities are left out of /metrics; [serve] says how many series it may have");
        }
        *before = Before { told: chosen.clone(), has_left_out: 0 < left_out };
        chosen
    }

    /// The entities that have something to tell, in the order of their keys.
    fn asking(&self, contents: &Contents, owned: &Owned, told: &BTreeSet<Box<str>>) -> Asking {
        let mut asking = Asking::default();
        let (mut last, mut is_new) = ("", false);
        for (key, entry) in contents.records.iter().filter(|(_, entry)| self.takes(entry, owned)) {
            let entity = of_entity(key);
            if entity != last {
                last = entity;
                is_new = false;
                if self.exported.named.contains(entity) {
                    asking.named.push(entity.into());
                } else if told.contains(entity) {
                    asking.told.push(entity.into());
                } else {
                    is_new = true;
                    asking.new.push(New { entity: entity.into(), kind: entry.kind, total: None });
                }
            }
            if let Some(new) = asking.new.last_mut().filter(|_| is_new && &*entry.window == "total") {
                new.total = Some(entry.json.clone());
            }
        }
        asking
    }

    fn series_of(&self, entry: &Entry, shapes: &Shapes) -> usize {
        let samples = entry.samples();
        if self.has_window(&entry.window) {
            return samples.len();
        }
        samples.iter().filter(|sample| !shapes.shapes()[sample.shape as usize].has_window).count()
    }
}

impl Owned {
    pub fn holds(&self, partition: i32) -> bool {
        match self {
            Owned::All => true,
            Owned::Partitions(partitions) => partitions.contains(&partition),
        }
    }
}

/// The entities that the settings name, each by its part of keys: queues and teams of the default tenant, since of other
/// tenants anybody may make up such names, and tenants.
pub fn named(settings: &KpiSettings, plan: &Plan, limits: &Limits) -> BTreeSet<Box<str>> {
    let entity = |tenant: &str, kind, id: &str| {
        let entity = Entity { tenant: tenant.into(), kind, id: id.into(), channel: None };
        format!("{entity}|").into_boxed_str()
    };
    let queues = settings.queues.keys().map(|queue| entity(DEFAULT_TENANT, Kind::Queue, queue));
    let teams = plan.teams.iter().map(|team| entity(DEFAULT_TENANT, Kind::Team, &team.name));
    let tenants = settings.tenants.keys().chain(limits.tenants.keys()).map(String::as_str).chain([DEFAULT_TENANT]);
    let tenants = tenants.map(|tenant| entity(tenant, Kind::Tenant, tenant));
    queues.chain(teams).chain(tenants).collect()
}

/// Who asks to be told.
#[derive(Default)]
struct Asking {
    named: Vec<Box<str>>,
    told: Vec<Box<str>>,
    new: Vec<New>,
}

struct New {
    entity: Box<str>,
    kind: Kind,
    /// Its record of `total`, if it has one.
    total: Option<Bytes>,
}

impl New {
    /// Its calls since the beginning.
    fn calls(&self) -> i64 {
        let Some(Ok(record)) = self.total.as_deref().map(Shown::read) else { return 0 };
        let calls = ["offered", "handled"].map(|name| match record.counts.get(name) {
            Some(Count::Number(calls)) => *calls,
            _ => 0,
        });
        calls.into_iter().max().unwrap_or(0)
    }
}

/// Who has had the most calls first, at the beginning of a centre queues before agents.
fn in_order(mut new: Vec<New>) -> Vec<Box<str>> {
    new.sort_by_cached_key(|new| (Reverse(new.calls()), new.kind, new.entity.clone()));
    new.into_iter().map(|new| new.entity).collect()
}

/// Entities while they are chosen.
struct Choice<'a> {
    exporter: &'a Exporter,
    board: &'a Board,
    owned: &'a Owned,
    /// Series for which there is room.
    room: usize,
    chosen: BTreeSet<Box<str>>,
}

impl Choice<'_> {
    /// Takes entities in this order up to the first for which there is no room; whether there was room for all.
    fn take(&mut self, entities: Vec<Box<str>>) -> bool {
        for entity in entities {
            self.board.take_samples(&entity, |entry| self.exporter.takes(entry, self.owned));
            let contents = self.board.read();
            let told = contents.of_entity(&entity).filter(|entry| self.exporter.takes(entry, self.owned));
            let series: usize = told.map(|entry| self.exporter.series_of(entry, &contents.shapes)).sum();
            // And one that has its title.
            let Some(room) = self.room.checked_sub(series + 1) else { return false };
            self.room = room;
            self.chosen.insert(entity);
        }
        true
    }
}
