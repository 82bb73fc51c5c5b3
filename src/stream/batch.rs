//! Batches: facts of one commit, added up per entity and second, on their way from calls to kpis.

use crate::entity::{Entity, Kind};
use crate::event::Channel;
use crate::fact::{Facts, Family, Key};
use crate::life::routes::{Account, EntityId, Ledger, Routes};
use crate::time::EventTime;
use hashbrown::HashMap;

pub mod wire {
    //! The messages as they are on the wire.
    include!(concat!(env!("OUT_DIR"), "/callpulse.v1.rs"));
}

/// Facts by entity, family and instant. Adding is commutative; what cancels leaves nothing behind.
#[derive(Default)]
pub struct Rows {
    rows: HashMap<(EntityId, Family, i64), Facts>,
}

/// The key under which calls that wait are counted in a row.
fn waiting_key() -> Key {
    Key::measure(crate::fact::Measure::Offered)
}

impl Rows {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    fn add(&mut self, entity: EntityId, family: Family, at: i64, key: Key, amount: i64) {
        self.rows.entry((entity, family, at)).or_default().add(key, amount);
    }

    /// Adds rows that were booked before, each `sign` times.
    pub fn add_wire(&mut self, routes: &mut Routes, entities: &[wire::EntityName], rows: &[wire::Row], sign: i64) {
        let ids: Vec<Option<EntityId>> =
            entities.iter().map(|name| entity(name).map(|entity| routes.id(entity))).collect();
        for row in rows {
            let (Some(Some(id)), Some(family)) = (ids.get(row.entity as usize), family(row.family)) else { continue };
            for (key, amount) in facts_of(row) {
                self.add(*id, family, row.at, key, amount * sign);
            }
        }
    }

    /// Empties the sums into wire rows, for each target the entities it needs. `target` places an
    /// entity.
    pub fn drain(
        &mut self,
        routes: &Routes,
        mut target: impl FnMut(&Entity) -> usize,
    ) -> HashMap<usize, (Vec<wire::EntityName>, Vec<wire::Row>)> {
        let mut sorted: Vec<_> = self.rows.drain().filter(|(_, facts)| !facts.is_empty()).collect();
        sorted.sort_by_key(|(place, _)| *place);
        let mut out: HashMap<usize, (Vec<wire::EntityName>, Vec<wire::Row>)> = HashMap::new();
        let mut last = None;
        for ((id, family, at), facts) in sorted {
            let entity = routes.entity(id);
            let (entities, rows) = out.entry(target(entity)).or_default();
            if last != Some(id) {
                entities.push(name(entity));
                last = Some(id);
            }
            rows.push(row(entities.len() as u32 - 1, family, at, &facts));
        }
        out
    }
}

impl Ledger for Rows {
    fn facts(&mut self, to: Account<'_>, family: Family, second: i64, facts: &[(Key, i64)]) {
        self.rows.entry((to.id, family, second)).or_default().add_all(facts, 1);
    }

    fn waiting(&mut self, to: Account<'_>, since: EventTime, amount: i64) {
        self.add(to.id, Family::Waiting, since.0, waiting_key(), amount);
    }
}

/// One row on the wire.
pub fn row(entity: u32, family: Family, at: i64, facts: &Facts) -> wire::Row {
    let (keys, amounts) = facts.as_slice().iter().map(|(key, amount)| (key.code(), *amount)).unzip();
    wire::Row { entity, family: family as u32, at, keys, amounts }
}

/// The facts of a row; a key that this version does not know is left out.
pub fn facts_of(row: &wire::Row) -> impl Iterator<Item = (Key, i64)> {
    let both = row.keys.iter().zip(&row.amounts);
    both.filter_map(|(code, amount)| Key::from_code(*code).map(|key| (key, *amount)))
}

/// The family of its number; none if there is no such family.
pub fn family(code: u32) -> Option<Family> {
    [Family::Event, Family::Entry, Family::Waiting].into_iter().find(|family| *family as u32 == code)
}

/// The entity of a name; none if its kind or channel has no such place.
pub fn entity(name: &wire::EntityName) -> Option<Entity> {
    let channel = match name.channel {
        None => None,
        Some(place) => Some(*Channel::ALL.get(place as usize)?),
    };
    let kind = *Kind::ALL.get(name.kind as usize)?;
    Some(Entity { tenant: name.tenant.as_str().into(), kind, id: name.id.as_str().into(), channel })
}

pub fn name(entity: &Entity) -> wire::EntityName {
    wire::EntityName {
        tenant: entity.tenant.to_string(),
        kind: entity.kind as u32,
        id: entity.id.to_string(),
        channel: entity.channel.map(|channel| channel as u32),
    }
}

/// The partition of an entity's facts and records among so many: FNV-1a over its key, the same on
/// every machine and in every version.
pub fn partition_of(entity: &Entity, partitions: i32) -> i32 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in entity.to_string().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The low bits of FNV are its weak ones.
    ((hash >> 20) % partitions as u64) as i32
}
