//! Routes: from the names in a booking to the entities that get it.

use super::booking::{Booking, To, What};
use super::plan::Plan;
use crate::entity::{Entity, Kind};
use crate::event::Channel;
use crate::fact::{Family, Key};
use crate::time::EventTime;
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// An entity's number within one [`Routes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub u32);

/// Takes facts, each for one entity.
pub trait Ledger {
    /// A fact of the pane `second`, counted in whole seconds.
    fn fact(&mut self, to: Account<'_>, family: Family, second: i64, key: Key, amount: i64);

    /// Calls that wait since an instant.
    fn waiting(&mut self, to: Account<'_>, since: EventTime, amount: i64);
}

/// Whom a fact is for: the entity and its number.
#[derive(Clone, Copy)]
pub struct Account<'e> {
    pub id: EntityId,
    pub entity: &'e Entity,
}

type Ids = SmallVec<[EntityId; 2]>;

/// Entities by name. Grows with the names seen; one belongs to one worker.
pub struct Routes {
    plan: Arc<Plan>,
    entities: Vec<Entity>,
    index: HashMap<Entity, EntityId>,
    tenants: HashMap<String, Tenant>,
}

#[derive(Default)]
struct Tenant {
    own: HashMap<Option<Channel>, Ids>,
    queues: HashMap<(Box<str>, Channel), QueueRoute>,
    agents: HashMap<(Box<str>, Channel), Ids>,
    pairs: HashMap<(Box<str>, Box<str>, Channel), Ids>,
}

#[derive(Clone, Default)]
struct QueueRoute {
    own: Ids,
    /// Every team of the queue.
    teams: Ids,
    /// Those without members.
    teams_by_queue: Ids,
}

/// The routes of one call: its tenant and channel, and the names met last.
pub struct CallRoutes<'r, 'a> {
    routes: &'r mut Routes,
    tenant: &'a str,
    channel: Channel,
    tenant_ids: Ids,
    queue: Option<(&'a str, QueueRoute)>,
    agent: Option<(&'a str, Ids)>,
}

impl Routes {
    pub fn new(plan: Arc<Plan>) -> Routes {
        Routes { plan, entities: Vec::new(), index: HashMap::new(), tenants: HashMap::new() }
    }

    pub fn entity(&self, id: EntityId) -> &Entity {
        &self.entities[id.0 as usize]
    }

    /// The number of an entity, new or known.
    pub fn id(&mut self, entity: Entity) -> EntityId {
        if let Some(id) = self.index.get(&entity) {
            return *id;
        }
        let id = EntityId(self.entities.len() as u32);
        self.entities.push(entity.clone());
        self.index.insert(entity, id);
        id
    }

    /// How many entities are known.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    pub fn call<'r, 'a>(&'r mut self, tenant: &'a str, channel: Channel) -> CallRoutes<'r, 'a> {
        let tenant_ids = self.tenant(tenant, channel);
        CallRoutes { routes: self, tenant, channel, tenant_ids, queue: None, agent: None }
    }

    fn tenant(&mut self, tenant: &str, channel: Channel) -> Ids {
        let by_channel = self.plan.by_channel.contains(&Kind::Tenant).then_some(channel);
        if let Some(ids) = self.tenants.get(tenant).and_then(|known| known.own.get(&by_channel)) {
            return ids.clone();
        }
        let ids = self.ids(tenant, Kind::Tenant, tenant, channel);
        self.tenants.entry_ref(tenant).or_default().own.insert(by_channel, ids.clone());
        ids
    }

    /// The entity over all channels, and that of the channel where the plan asks for it.
    fn ids(&mut self, tenant: &str, kind: Kind, id: &str, channel: Channel) -> Ids {
        let entity = Entity { tenant: tenant.into(), kind, id: id.into(), channel: None };
        let by_channel = self.plan.by_channel.contains(&kind);
        let with_channel = by_channel.then(|| Entity { channel: Some(channel), ..entity.clone() });
        std::iter::once(entity).chain(with_channel).map(|entity| self.id(entity)).collect()
    }

    fn queue(&mut self, tenant: &str, queue: &str, channel: Channel) -> QueueRoute {
        let key = (Box::from(queue), channel);
        if let Some(route) = self.tenants.get(tenant).and_then(|known| known.queues.get(&key)) {
            return route.clone();
        }
        let mut route = QueueRoute { own: self.ids(tenant, Kind::Queue, queue, channel), ..QueueRoute::default() };
        let plan = self.plan.clone();
        for team in plan.teams.iter().filter(|team| team.queues.contains(queue)) {
            let ids = self.ids(tenant, Kind::Team, &team.name, channel);
            route.teams.extend_from_slice(&ids);
            if team.members.is_empty() {
                route.teams_by_queue.extend_from_slice(&ids);
            }
        }
        self.tenants.entry_ref(tenant).or_default().queues.insert(key, route.clone());
        route
    }

    fn agent(&mut self, tenant: &str, agent: &str, channel: Channel) -> Ids {
        let key = (Box::from(agent), channel);
        if let Some(ids) = self.tenants.get(tenant).and_then(|known| known.agents.get(&key)) {
            return ids.clone();
        }
        let ids = self.ids(tenant, Kind::Agent, agent, channel);
        self.tenants.entry_ref(tenant).or_default().agents.insert(key, ids.clone());
        ids
    }

    fn pair(&mut self, tenant: &str, queue: &str, agent: &str, channel: Channel) -> Ids {
        let key = (Box::from(queue), Box::from(agent), channel);
        if let Some(ids) = self.tenants.get(tenant).and_then(|known| known.pairs.get(&key)) {
            return ids.clone();
        }
        let ids = self.ids(tenant, Kind::QueueAgent, &Entity::queue_agent_id(queue, agent), channel);
        self.tenants.entry_ref(tenant).or_default().pairs.insert(key, ids.clone());
        ids
    }
}

impl<'a> CallRoutes<'_, 'a> {
    /// Hands a booking to the ledger, once for each of its entities.
    pub fn book(&mut self, booking: Booking<'a>, ledger: &mut impl Ledger) {
        let mut ids: SmallVec<[EntityId; 8]> = SmallVec::new();
        if booking.to.has(To::TENANT) {
            ids.extend_from_slice(&self.tenant_ids);
        }
        if let Some(queue) = booking.queue {
            let route = self.queue_route(queue);
            if booking.to.has(To::QUEUE) {
                ids.extend_from_slice(&route.own);
            }
            if booking.to.has(To::TEAM_OF_QUEUE) {
                ids.extend_from_slice(&route.teams);
            }
            if booking.to.has(To::TEAM_OF_AGENT) {
                ids.extend_from_slice(&route.teams_by_queue);
            }
        }
        if let Some(agent) = booking.agent {
            self.agent_ids(agent, &booking, &mut ids);
        }
        for id in ids {
            enter(Account { id, entity: self.routes.entity(id) }, &booking, ledger);
        }
    }

    fn queue_route(&mut self, queue: &'a str) -> &QueueRoute {
        if self.queue.as_ref().is_none_or(|(known, _)| *known != queue) {
            self.queue = None;
        }
        let (routes, tenant, channel) = (&mut *self.routes, self.tenant, self.channel);
        &self.queue.get_or_insert_with(|| (queue, routes.queue(tenant, queue, channel))).1
    }

    fn agent_ids(&mut self, agent: &'a str, booking: &Booking<'a>, ids: &mut SmallVec<[EntityId; 8]>) {
        let (routes, tenant, channel) = (&mut *self.routes, self.tenant, self.channel);
        if booking.to.has(To::AGENT) {
            if self.agent.as_ref().is_none_or(|(known, _)| *known != agent) {
                self.agent = None;
            }
            let (_, own) = self.agent.get_or_insert_with(|| (agent, routes.agent(tenant, agent, channel)));
            ids.extend_from_slice(own);
            if let Some(queue) = booking.queue.filter(|_| routes.plan.queue_agent) {
                ids.extend_from_slice(&routes.pair(tenant, queue, agent, channel));
            }
        }
        if booking.to.has(To::TEAM_OF_AGENT) && !routes.plan.teams.is_empty() {
            let plan = routes.plan.clone();
            for team in plan.teams.iter().filter(|team| team.has_member(agent, booking.since)) {
                ids.extend_from_slice(&routes.ids(tenant, Kind::Team, &team.name, channel));
            }
        }
    }
}

/// By entry, agents alone are not booked: their intervals have one family.
fn enter(to: Account<'_>, booking: &Booking<'_>, ledger: &mut impl Ledger) {
    let second = booking.at.second().0;
    let entry = booking.entry.filter(|_| to.entity.kind != Kind::Agent);
    match booking.what {
        What::Waiting => ledger.waiting(to, booking.at, booking.amount),
        What::EntryFact(key) => ledger.fact(to, Family::Entry, second, key, booking.amount),
        What::Fact(key) => {
            ledger.fact(to, Family::Event, second, key, booking.amount);
            if let Some(entry) = entry {
                ledger.fact(to, Family::Entry, entry.second().0, key, booking.amount);
            }
        }
    }
}
