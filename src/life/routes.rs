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
    /// Facts of one place: a pane, counted in whole seconds, or the milliseconds of [`Family::Time`]. A key may
    /// occur more than once.
    fn facts(&mut self, to: Account<'_>, family: Family, at: i64, facts: &[(Key, i64)]);

    /// Calls that wait since an instant.
    fn waiting(&mut self, to: Account<'_>, since: EventTime, amount: i64);

    /// The text of a reason that facts name by its number.
    fn reason(&mut self, _text: &str) {}
}

/// Whom a fact is for: the entity and its number.
#[derive(Clone, Copy)]
pub struct Account<'e> {
    pub id: EntityId,
    pub entity: &'e Entity,
}

type Ids = SmallVec<[EntityId; 2]>;
/// Who waits, since when, and how many.
type Waiting = SmallVec<[(EntityId, EventTime, i64); 4]>;

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
    /// Over all channels.
    teams: HashMap<Box<str>, EntityId>,
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
    waiting: Waiting,
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

    /// The entities over all channels that an agent's time goes to beside its queues and teams: tenant and agent.
    pub(super) fn tenant_and_agent(&mut self, tenant: &str, agent: &str) -> [EntityId; 2] {
        [self.tenant(tenant, Channel::Voice)[0], self.agent(tenant, agent, Channel::Voice)[0]]
    }

    /// A queue over all channels.
    pub(super) fn queue_alone(&mut self, tenant: &str, queue: &str) -> EntityId {
        self.queue(tenant, queue, Channel::Voice).own[0]
    }

    /// A team over all channels.
    pub(super) fn team_alone(&mut self, tenant: &str, team: &str) -> EntityId {
        if let Some(id) = self.tenants.get(tenant).and_then(|known| known.teams.get(team)) {
            return *id;
        }
        let id = self.id(Entity { tenant: tenant.into(), kind: Kind::Team, id: team.into(), channel: None });
        self.tenants.entry_ref(tenant).or_default().teams.insert(team.into(), id);
        id
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
        if booking.channel != self.channel {
            self.channel = booking.channel;
            self.tenant_ids = self.routes.tenant(self.tenant, booking.channel);
            (self.queue, self.part) = (None, None);
        }
        if let Some(queue) = booking.queue {
            self.find_queue(queue);
        }
        if let Some(agent) = booking.agent {
            self.find_part(AgentPart { agent, queue: booking.queue, since: booking.since });
        }
        let queue = self.queue.as_ref().map(|(_, route)| route).filter(|_| booking.queue.is_some());
        let part = self.part.as_ref().map(|(_, part)| part).filter(|_| booking.agent.is_some());
        let lists = [
            (To::TENANT, Some(&self.tenant_ids)),
            (To::QUEUE, queue.map(|queue| &queue.own)),
            (To::TEAM_OF_QUEUE, queue.map(|queue| &queue.teams)),
            (To::TEAM_OF_AGENT, queue.map(|queue| &queue.teams_by_queue)),
            (To::TEAM_OF_AGENT, part.map(|part| &part.teams)),
            (To::PAIR, part.map(|part| &part.pair)),
            (To::AGENT, part.map(|part| &part.own)),
        ];
        let agent_alone = lists.len() - 1;
        let Routes { runs, entities, .. } = &mut *self.routes;
        let second = booking.at.second().0;
        for (place, (to, ids)) in lists.into_iter().enumerate() {
            let Some(ids) = ids.filter(|_| booking.to.has(to)) else { continue };
            for id in ids {
                let mut fact = |family, second, key| {
                    let run = run(runs, &mut self.open, (*id, family, second));
                    if run.second != second {
                        run.hand_over(entities, ledger);
                        run.second = second;
                    }
                    run.facts.push((key, booking.amount));
                };
                match booking.what {
                    What::Waiting => wait(&mut self.waiting, *id, booking.at, booking.amount),
                    What::EntryFact(key) => fact(Family::Entry, second, key),
                    What::Part(part) => {
                        // Time is over all channels: for the first of the agent's entities, which is the whole agent.
                        if place == agent_alone && ids.first() == Some(id) {
                            fact(Family::Time, booking.at.0, Key::measure(part.measure()));
                        }
                    }
                    What::Fact(key) => {
                        fact(Family::Event, second, key);
                        // By entry, agents alone are not booked: their intervals have one family.
                        if let Some(entry) = booking.entry.filter(|_| place != agent_alone) {
                            fact(Family::Entry, entry.second().0, key);
                        }
                    }
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

    fn find_queue(&mut self, queue: &'a str) {
        if self.queue.as_ref().is_none_or(|(known, _)| !is_same(known, queue)) {
            self.queue = Some((queue, self.routes.queue(self.tenant, queue, self.channel)));
        }
    }

    fn find_part(&mut self, asked: AgentPart<'a>) {
        if self.part.as_ref().is_none_or(|(known, _)| !known.is(asked)) {
            self.part = Some((asked, self.routes.part(self.tenant, asked, self.channel)));
        }
    }
}

/// The run of an entity and family among those of the call, the first `open`; a new one begins at `second`.
fn run<'r>(runs: &'r mut Vec<Run>, open: &mut usize, (id, family, second): (EntityId, Family, i64)) -> &'r mut Run {
    let known = runs[..*open].iter().position(|run| run.id == id && run.family == family);
    let place = known.unwrap_or_else(|| {
        *open += 1;
        *open - 1
    });
    if place == runs.len() {
        runs.push(Run { id, family, second, facts: Vec::new() });
    }
    let run = &mut runs[place];
    if known.is_none() {
        debug_assert!(run.facts.is_empty(), "the call before is finished");
        (run.id, run.family, run.second) = (id, family, second);
    }
    run
}

fn wait(waiting: &mut Waiting, id: EntityId, since: EventTime, amount: i64) {
    match waiting.iter_mut().find(|(known, at, _)| *known == id && *at == since) {
        Some((.., sum)) => *sum += amount,
        None => waiting.push((id, since, amount)),
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
