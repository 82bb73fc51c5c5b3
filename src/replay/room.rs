//! Room: which entities of a replay are counted, and by which clock on the wall.

use crate::entity::{Entity, Kind};
use crate::kpi::settings::KpiSettings;
use crate::life::routes::EntityId;
use crate::tally::intervals::Finder;
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// How many entities a tenant may have.
pub type MaxEntities = Arc<dyn Fn(&str) -> usize>;

/// The entities that were let in, by tenant.
pub struct Room {
    finders: Vec<Finder>,
    by_tenant: HashMap<Arc<str>, OfTenant>,
    max_entities: MaxEntities,
    refused: HashSet<EntityId>,
}

struct OfTenant {
    /// Its place in `finders`.
    finder: usize,
    entities: usize,
    max_entities: usize,
}

impl Room {
    pub fn new(max_entities: MaxEntities) -> Room {
        Room { finders: Vec::new(), by_tenant: HashMap::new(), max_entities, refused: HashSet::new() }
    }

    /// The place of the finder of a new entity's tenant; none if there is no room. Tenants and configured queues have
    /// room in any case.
    pub fn admit(&mut self, settings: &KpiSettings, id: EntityId, entity: &Entity) -> Option<usize> {
        let (finders, max_entities) = (&mut self.finders, &self.max_entities);
        let tenant = self.by_tenant.entry_ref(&entity.tenant).or_insert_with(|| {
            finders.push(Finder::new(settings.zone(&entity.tenant).clone()));
            OfTenant { finder: finders.len() - 1, entities: 0, max_entities: max_entities(&entity.tenant) }
        });
        let is_sure = match entity.kind {
            Kind::Tenant => true,
            Kind::Queue => settings.queues.contains_key(entity.id.as_ref()),
            _ => false,
        };
        if tenant.max_entities <= tenant.entities && !is_sure {
            self.refused.insert(id);
            return None;
        }
        tenant.entities += 1;
        Some(tenant.finder)
    }

    pub fn finder(&mut self, place: usize) -> &mut Finder {
        &mut self.finders[place]
    }

    /// How many entities found no room.
    pub fn refused(&self) -> usize {
        self.refused.len()
    }
}
