//! Routes: from the names in a booking to the entities that get it.

use super::booking::{Booking, To, What};
use super::plan::Plan;
use crate::entity::{Entity, Kind};
use crate::event::Channel;
use crate::fact::{Family, Key};
use crate::time::EventTime;
use hashbrown::{Equivalent, HashMap};
use smallvec::SmallVec;
use std::sync::Arc;

/// An entity's number within one [`Routes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub u32);

/// Takes facts, each time for one entity.
pub trait Ledger {
    /// Facts of the pane `second`, counted in whole seconds. A key may occur more than once.
    fn facts(&mut self, to: Account<'_>, family: Family, second: i64, facts: &[(Key, i64)]);

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
    /// Those of the call under way come first; the others lend it their memory.
    runs: Vec<Run>,
}

#[derive(Default)]
struct Tenant {
    own: HashMap<Option<Channel>, Ids>,
    queues: HashMap<(Box<str>, Channel), Arc<QueueRoute>>,
    agents: HashMap<(Box<str>, Channel), Ids>,
    pairs: HashMap<(Box<str>, Box<str>, Channel), Ids>,
}

/// A name within a tenant, asked for.
#[derive(Hash)]
struct Asked<'n>(&'n str, Channel);

#[derive(Default)]
struct QueueRoute {
    own: Ids,
    /// Every team of the queue.
    teams: Ids,
    /// Those without members.
    teams_by_queue: Ids,
}

/// Facts of one entity, family and second, until another second comes.
struct Run {
    id: EntityId,
    family: Family,
    second: i64,
    facts: Vec<(Key, i64)>,
}

/// The routes of one call: its tenant and channel, and the names met last. Its facts come to the ledger
/// together, those of one entity and second at once.
pub struct CallRoutes<'r, 'a> {
    routes: &'r mut Routes,
    tenant: &'a str,
    channel: Channel,
    tenant_ids: Ids,
    queue: Option<(&'a str, Arc<QueueRoute>)>,
    part: Option<(AgentPart<'a>, PartIds)>,
    /// How many runs are this call's.
    open: usize,
    waiting: SmallVec<[(EntityId, EventTime, i64); 4]>,
}

/// What an agent's entities depend on.
#[derive(Clone, Copy)]
struct AgentPart<'a> {
    agent: &'a str,
    queue: Option<&'a str>,
    since: EventTime,
}

#[derive(Default)]
struct PartIds {
    own: Ids,
    pair: Ids,
    teams: Ids,
}

impl Equivalent<(Box<str>, Channel)> for Asked<'_> {
    fn equivalent(&self, (name, channel): &(Box<str>, Channel)) -> bool {
        self.0 == &**name && self.1 == *channel
    }
}

impl Routes {
    pub fn new(plan: Arc<Plan>) -> Routes {
        Routes { plan, entities: Vec::new(), index: HashMap::new(), tenants: HashMap::new(), runs: Vec::new() }
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
        CallRoutes {
            routes: self,
            tenant,
            channel,
            tenant_ids,
            queue: None,
            part: None,
            open: 0,
            waiting: SmallVec::new(),
        }
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

    fn queue(&mut self, tenant: &str, queue: &str, channel: Channel) -> Arc<QueueRoute> {
        let known = self.tenants.get(tenant).and_then(|known| known.queues.get(&Asked(queue, channel)));
        if let Some(route) = known {
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
        let route = Arc::new(route);
        self.tenants.entry_ref(tenant).or_default().queues.insert((queue.into(), channel), route.clone());
        route
    }

    fn agent(&mut self, tenant: &str, agent: &str, channel: Channel) -> Ids {
        let known = self.tenants.get(tenant).and_then(|known| known.agents.get(&Asked(agent, channel)));
        if let Some(ids) = known {
            return ids.clone();
        }
        let ids = self.ids(tenant, Kind::Agent, agent, channel);
        self.tenants.entry_ref(tenant).or_default().agents.insert((agent.into(), channel), ids.clone());
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

    fn part(&mut self, tenant: &str, AgentPart { agent, queue, since }: AgentPart<'_>, channel: Channel) -> PartIds {
        let own = self.agent(tenant, agent, channel);
        let pair = queue.filter(|_| self.plan.queue_agent).map(|queue| self.pair(tenant, queue, agent, channel));
        let mut teams = Ids::new();
        if !self.plan.teams.is_empty() {
            let plan = self.plan.clone();
            for team in plan.teams.iter().filter(|team| team.has_member(agent, since)) {
                teams.extend_from_slice(&self.ids(tenant, Kind::Team, &team.name, channel));
            }
        }
        PartIds { own, pair: pair.unwrap_or_default(), teams }
    }
}

impl<'a> CallRoutes<'_, 'a> {
    /// Books for each of the booking's entities. The ledger has it when the call is finished.
    pub fn book(&mut self, booking: Booking<'a>, ledger: &mut impl Ledger) {
        let mut ids: SmallVec<[EntityId; 8]> = SmallVec::new();
        if booking.to.has(To::TENANT) {
            ids.extend(self.tenant_ids.iter().copied());
        }
        if let Some(queue) = booking.queue {
            let route = self.queue_route(queue);
            if booking.to.has(To::QUEUE) {
                ids.extend(route.own.iter().copied());
            }
            if booking.to.has(To::TEAM_OF_QUEUE) {
                ids.extend(route.teams.iter().copied());
            }
            if booking.to.has(To::TEAM_OF_AGENT) {
                ids.extend(route.teams_by_queue.iter().copied());
            }
        }
        let mut agents_alone = 0;
        if let Some(agent) = booking.agent {
            let part = self.agent_part(AgentPart { agent, queue: booking.queue, since: booking.since });
            if booking.to.has(To::TEAM_OF_AGENT) {
                ids.extend(part.teams.iter().copied());
            }
            if booking.to.has(To::AGENT) {
                ids.extend(part.pair.iter().copied());
                ids.extend(part.own.iter().copied());
                agents_alone = part.own.len();
            }
        }
        let second = booking.at.second().0;
        match booking.what {
            What::Waiting => self.wait(&ids, booking.at, booking.amount),
            What::EntryFact(key) => self.fact(&ids, Family::Entry, second, (key, booking.amount), ledger),
            What::Fact(key) => {
                self.fact(&ids, Family::Event, second, (key, booking.amount), ledger);
                if let Some(entry) = booking.entry {
                    // By entry, agents alone are not booked: their intervals have one family.
                    let ids = &ids[..ids.len() - agents_alone];
                    self.fact(ids, Family::Entry, entry.second().0, (key, booking.amount), ledger);
                }
            }
        }
    }

    /// Hands the ledger what it does not have yet.
    pub fn finish(self, ledger: &mut impl Ledger) {
        let entities = &self.routes.entities;
        for run in &mut self.routes.runs[..self.open] {
            run.hand_over(entities, ledger);
        }
        for (id, since, amount) in self.waiting.into_iter().filter(|(.., amount)| *amount != 0) {
            ledger.waiting(Account { id, entity: &entities[id.0 as usize] }, since, amount);
        }
    }

    fn fact(&mut self, ids: &[EntityId], family: Family, second: i64, fact: (Key, i64), ledger: &mut impl Ledger) {
        let Routes { runs, entities, .. } = &mut *self.routes;
        for id in ids {
            let of_call = &mut runs[..self.open];
            match of_call.iter_mut().find(|run| run.id == *id && run.family == family) {
                Some(run) => {
                    if run.second != second {
                        run.hand_over(entities, ledger);
                        run.second = second;
                    }
                    run.facts.push(fact);
                }
                None => {
                    if self.open == runs.len() {
                        runs.push(Run { id: *id, family, second, facts: Vec::new() });
                    }
                    let run = &mut runs[self.open];
                    (run.id, run.family, run.second) = (*id, family, second);
                    run.facts.push(fact);
                    self.open += 1;
                }
            }
        }
    }

    fn wait(&mut self, ids: &[EntityId], since: EventTime, amount: i64) {
        for id in ids {
            match self.waiting.iter_mut().find(|(known, at, _)| known == id && *at == since) {
                Some((.., sum)) => *sum += amount,
                None => self.waiting.push((*id, since, amount)),
            }
        }
    }

    fn queue_route(&mut self, queue: &'a str) -> &QueueRoute {
        if self.queue.as_ref().is_none_or(|(known, _)| !is_same(known, queue)) {
            self.queue = None;
        }
        let (routes, tenant, channel) = (&mut *self.routes, self.tenant, self.channel);
        &self.queue.get_or_insert_with(|| (queue, routes.queue(tenant, queue, channel))).1
    }

    fn agent_part(&mut self, asked: AgentPart<'a>) -> &PartIds {
        if self.part.as_ref().is_none_or(|(known, _)| !known.is(asked)) {
            self.part = None;
        }
        let (routes, tenant, channel) = (&mut *self.routes, self.tenant, self.channel);
        &self.part.get_or_insert_with(|| (asked, routes.part(tenant, asked, channel))).1
    }
}

impl AgentPart<'_> {
    fn is(&self, other: AgentPart<'_>) -> bool {
        let has_same_queue = match (self.queue, other.queue) {
            (Some(mine), Some(theirs)) => is_same(mine, theirs),
            (mine, theirs) => mine == theirs,
        };
        self.since == other.since && has_same_queue && is_same(self.agent, other.agent)
    }
}

/// Mostly it is the very same place in the call's log, which saves reading the names.
fn is_same(a: &str, b: &str) -> bool {
    std::ptr::eq(a, b) || a == b
}

impl Run {
    fn hand_over(&mut self, entities: &[Entity], ledger: &mut impl Ledger) {
        let to = Account { id: self.id, entity: &entities[self.id.0 as usize] };
        ledger.facts(to, self.family, self.second, &self.facts);
        self.facts.clear();
    }
}
