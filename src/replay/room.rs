//! Room: which entities of a replay are counted, and by which clock on the wall.

use crate::entity::Entity;
use crate::kpi::room::{self, Limits};
use crate::kpi::settings::KpiSettings;
use crate::life::routes::EntityId;
use crate::tally::intervals::Finder;
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// The entities that were let in, and a clock for each tenant.
pub struct Room {
    finders: Vec<Finder>,
    /// Places in `finders`.
    by_tenant: HashMap<Arc<str>, usize>,
    room: room::Room,
    refused: HashSet<EntityId>,
}

impl Room {
    pub fn new(limits: Arc<Limits>) -> Room {
        let room = room::Room::new(limits, 1);
        Room { finders: Vec::new(), by_tenant: HashMap::new(), room, refused: HashSet::new() }
    }

    /// The place of the finder of a new entity's tenant; none if there is no room.
    pub fn admit(&mut self, settings: &KpiSettings, id: EntityId, entity: &Entity) -> Option<usize> {
        if self.room.admit(entity, settings).is_err() {
            self.refused.insert(id);
            return None;
        }
        let finders = &mut self.finders;
        let place = self.by_tenant.entry_ref(&entity.tenant).or_insert_with(|| {
            finders.push(Finder::new(settings.zone(&entity.tenant).clone()));
            finders.len() - 1
        });
        Some(*place)
    }

    pub fn finder(&mut self, place: usize) -> &mut Finder {
        &mut self.finders[place]
    }

    /// How many entities found no room.
    pub fn refused(&self) -> usize {
        self.refused.len()
    }
}
