//! Room: how many entities are counted, so that ids somebody makes up cannot fill memory.
//!
//! Who comes first has room. What the settings name has it in any case.

use super::settings::KpiSettings;
use crate::entity::{Entity, Kind};
use crate::event::DEFAULT_TENANT;
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many entities there may be: queues, agents, agents within queues, teams, tenants, and each of their channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of all tenants together.
    pub all: usize,
    /// Of those tenants that have a limit of their own.
    pub tenants: BTreeMap<String, usize>,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// There are as many entities as there may be.
    All(usize),
    /// The tenant has as many as it may have.
    Tenant(usize),
}

/// The entities that were let in.
pub struct Room {
    limits: Arc<Limits>,
    /// Entities are spread over so many rooms, by chance.
    rooms: usize,
    all: usize,
    by_tenant: HashMap<Arc<str>, usize>,
}

impl Limits {
    pub const NONE: Limits = Limits { all: usize::MAX, tenants: BTreeMap::new() };

    /// Twice as much room, for whoever counts before those who are to refuse first and tell of it.
    pub fn doubled(&self) -> Limits {
        let tenants = self.tenants.iter().map(|(tenant, limit)| (tenant.clone(), limit.saturating_mul(2)));
        Limits { all: self.all.saturating_mul(2), tenants: tenants.collect() }
    }
}

impl Default for Room {
    /// With room for all.
    fn default() -> Room {
        Room::new(Arc::new(Limits::NONE), 1)
    }
}

impl Room {
    /// One of so many rooms, at least one, with its share of the limits.
    pub fn new(limits: Arc<Limits>, rooms: usize) -> Room {
        assert!(0 < rooms, "entities are somewhere");
        Room { limits, rooms, all: 0, by_tenant: HashMap::new() }
    }

    /// Lets a new entity in if there is room, or if the settings name it.
    pub fn admit(&mut self, entity: &Entity, settings: &KpiSettings) -> Result<(), Full> {
        if self.is_named(entity, settings) {
            self.count(entity);
            return Ok(());
        }
        self.admit_unnamed(entity)
    }

    /// Lets a new entity in if there is room. The settings are known not to name it: they name no agent.
    pub fn admit_unnamed(&mut self, entity: &Entity) -> Result<(), Full> {
        if share(self.limits.all, self.rooms) <= self.all {
            return Err(Full::All(self.limits.all));
        }
        let of_tenant = self.by_tenant.get(&entity.tenant).copied().unwrap_or(0);
        if let Some(limit) = self.limits.tenants.get(&*entity.tenant)
            && share(*limit, self.rooms) <= of_tenant
        {
            return Err(Full::Tenant(*limit));
        }
        self.count(entity);
        Ok(())
    }

    /// Counts an entity that was let in before.
    pub fn count(&mut self, entity: &Entity) {
        self.all += 1;
        *self.by_tenant.entry_ref(&entity.tenant).or_insert(0) += 1;
    }

    /// Gives the room of an entity that was let in to another.
    pub fn give_back(&mut self, entity: &Entity) {
        self.all -= 1;
        if let EntryRef::Occupied(mut count) = self.by_tenant.entry_ref(&entity.tenant) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// A configured queue, or a tenant that the settings know.
    fn is_named(&self, entity: &Entity, settings: &KpiSettings) -> bool {
        let tenant = &*entity.tenant;
        match entity.kind {
            // Of other tenants anybody may make up queues with such names.
            Kind::Queue => tenant == DEFAULT_TENANT && settings.queues.contains_key(&*entity.id),
            Kind::Tenant => {
                tenant == DEFAULT_TENANT
                    || self.limits.tenants.contains_key(tenant)
                    || settings.tenants.contains_key(tenant)
            }
            _ => false,
        }
    }
}

/// What one of so many rooms may hold for all of them to hold about `limit`: its part, and four standard deviations of
/// how unevenly chance spreads that many. One room holds exactly `limit`.
pub fn share(limit: usize, rooms: usize) -> usize {
    if rooms == 1 {
        return limit;
    }
    let part = limit as f64 / rooms as f64;
    limit.min((part + 4.0 * part.sqrt()).ceil() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_room_of_many_holds_its_part_and_what_chance_adds() {
        assert_eq!(share(100_000, 1), 100_000);
        assert_eq!(share(100_000, 12), 8_699);
        assert_eq!(share(3, 12), 3, "never more than all of them");
        assert_eq!(share(usize::MAX, 1), usize::MAX);
    }

    #[test]
    fn a_tenant_with_a_limit_takes_no_room_of_another_and_what_is_forgotten_gives_it_back() {
        let agent =
            |tenant: &str, id: &str| Entity { tenant: tenant.into(), kind: Kind::Agent, id: id.into(), channel: None };
        let limits = Limits { all: 3, tenants: [("small".to_owned(), 1)].into() };
        let mut room = Room::new(limits.into(), 1);
        assert_eq!(room.admit_unnamed(&agent("small", "a")), Ok(()));
        assert_eq!(room.admit_unnamed(&agent("small", "b")), Err(Full::Tenant(1)));
        assert_eq!(room.admit_unnamed(&agent("large", "a")), Ok(()));
        assert_eq!(room.admit_unnamed(&agent("large", "b")), Ok(()));
        assert_eq!(room.admit_unnamed(&agent("large", "c")), Err(Full::All(3)));
        room.give_back(&agent("small", "a"));
        assert_eq!(room.admit_unnamed(&agent("small", "b")), Ok(()));
    }
}
