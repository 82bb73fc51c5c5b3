//! The engine of a replay: all events first, then every call and agent settled once as of one instant.
//!
//! Files are one set of events, so nothing is late, nothing is in the future, and no order matters.
//! Holding the calls' logs costs a few dozen bytes an event and saves deciding anything twice.

use super::filter::Filter;
use super::room::Room;
use crate::calendar::Interval;
use crate::entity::{Entity, Kind};
use crate::event::{CallEvent, DEFAULT_TENANT, Event, What};
use crate::fact::{Family, Key, Reasons};
use crate::kpi::project::{Edition, Projection, Window};
use crate::kpi::record::KpiRecord;
use crate::kpi::room::Limits;
use crate::kpi::settings::KpiSettings;
use crate::life::agent_event::AgentEvent;
use crate::life::agent_time::{self, Agent};
use crate::life::call_key;
use crate::life::log::{Added, CallLog, encode};
use crate::life::plan::Plan;
use crate::life::routes::{Account, EntityId, Ledger, Routes};
use crate::life::settle::{Restart, Terms, settle};
use crate::life::time_line::{self, Part, TimeLine};
use crate::tally::intervals::Finder;
use crate::tally::tally::{Booked, Shape, Tally};
use crate::time::EventTime;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Accepted,
    Repeated,
    /// Of a type that is understood and not used yet.
    NotUsed,
    /// The call has more events than any call has.
    TooMany,
}

/// The events of a replay.
pub struct Replay {
    pub(super) plan: Arc<Plan>,
    /// By tenant and call id, see `call_key`.
    pub(super) calls: HashMap<Box<str>, CallLog>,
    pub(super) restarts: BTreeMap<String, Vec<Restart>>,
    pub(super) agents: BTreeMap<(String, String), TimeLine>,
    latest: Option<EventTime>,
    not_after: EventTime,
    pub(super) limits: Arc<Limits>,
    key: String,
    entry: Vec<u8>,
}

impl Replay {
    /// `not_after` bounds the default of `as_of`: later events count, but do not move it.
    pub fn new(plan: Arc<Plan>, not_after: EventTime) -> Replay {
        Replay {
            plan,
            calls: HashMap::new(),
            restarts: BTreeMap::new(),
            agents: BTreeMap::new(),
            latest: None,
            not_after,
            limits: Arc::new(Limits::NONE),
            key: String::new(),
            entry: Vec::new(),
        }
    }

    /// Bounds the entities. What the settings name has room in any case; of the rest those of the earliest calls.
    pub fn limit_entities(&mut self, limits: Arc<Limits>) {
        self.limits = limits;
    }

    /// Takes an event. `default_source` is the file's name.
    pub fn take(&mut self, event: &Event<'_>, default_source: &str) -> Taken {
        if event.time <= self.not_after {
            self.latest = self.latest.max(Some(event.time));
        }
        match &event.what {
            What::Call(call) => self.take_call(event, call, default_source),
            What::SourceRestarted => {
                let source = event.source.as_deref().unwrap_or(default_source);
                let restart = Restart { at: event.time, source: source.to_string() };
                let known = self.restarts.entry(event.tenant.to_string()).or_default();
                match known.binary_search(&restart) {
                    Ok(_) => Taken::Repeated,
                    Err(place) => {
                        known.insert(place, restart);
                        Taken::Accepted
                    }
                }
            }
            _ => self.take_agent(event, default_source),
        }
    }

    fn take_agent(&mut self, event: &Event<'_>, default_source: &str) -> Taken {
        let source = event.source.as_deref().unwrap_or(default_source);
        let (Some(told), Some(agent)) = (AgentEvent::of(event, source), &event.agent) else { return Taken::NotUsed };
        let whose = (event.tenant.to_string(), self.plan.agent(agent).to_string());
        if self.agents.entry(whose).or_default().add(told) { Taken::Accepted } else { Taken::Repeated }
    }

    fn take_call(&mut self, event: &Event<'_>, call: &CallEvent<'_>, default_source: &str) -> Taken {
        let source = event.source.as_deref().unwrap_or(default_source);
        self.entry.clear();
        encode(event, call, source, &mut self.entry);
        self.key.clear();
        call_key::write(&event.tenant, event.call_id.as_deref().unwrap_or_default(), &mut self.key);
        let log = match self.calls.get_mut(self.key.as_str()) {
            Some(log) => log,
            None => self.calls.entry(self.key.as_str().into()).or_default(),
        };
        match log.add(&self.entry) {
            Added::Last | Added::Within => Taken::Accepted,
            Added::Repeat => Taken::Repeated,
            Added::TooMany => Taken::TooMany,
        }
    }

    /// The largest event time, but for events in the future; none without events.
    pub fn latest(&self) -> Option<EventTime> {
        self.latest
    }

    /// Settles every call and every agent as of an instant.
    pub fn settle(mut self, settings: &KpiSettings, as_of: EventTime) -> Tallies<'_> {
        let mut tallies = Tallies::new(settings, as_of, self.limits.clone());
        let mut routes = Routes::new(self.plan.clone());
        for entity in configured(settings) {
            tallies.account(routes.id(entity.clone()), &entity);
        }
        // The order says for whom there is room, and nothing else; by tenant and time what is added to is at hand.
        let calls = self.calls.iter().filter_map(|(key, log)| {
            let (tenant, call_id) = call_key::split(key);
            let first = log.iter().next()?;
            Some((tenant, first.time, first.channel, call_id, log))
        });
        let mut calls: Vec<_> = calls.collect();
        calls.sort_unstable_by(|a, b| (a.0, a.1, a.3).cmp(&(b.0, b.1, b.3)));
        for (tenant, _, channel, call_id, log) in calls {
            let restarts = self.restarts.get(tenant).map_or(&[][..], Vec::as_slice);
            let terms = Terms { plan: &self.plan, call_id, restarts, judged: as_of };
            let mut call = routes.call(tenant, channel);
            settle(terms, log, |booking| call.book(booking, &mut tallies));
            call.finish(&mut tallies);
        }
        for ((tenant, agent), changes) in std::mem::take(&mut tallies.parts) {
            let line = self.agents.entry((tenant, agent)).or_default();
            changes.into_iter().for_each(|(at, part, amount)| line.change(at, part, amount));
        }
        for ((tenant, agent), line) in &self.agents {
            let whose = Agent { tenant, agent, plan: &self.plan };
            let edges = agent_time::edges(&self.plan, agent);
            let terms = time_line::Terms { from: EventTime(i64::MIN), judged: as_of, edges: &edges };
            line.tell(terms, &mut |stretch| agent_time::book(&mut routes, whose, &stretch, 1, &mut tallies));
        }
        tallies
    }
}

/// The queues that are there though nobody calls.
pub(super) fn configured(settings: &KpiSettings) -> impl Iterator<Item = Entity> {
    let entity = |queue: &String| {
        let tenant = Arc::from(DEFAULT_TENANT);
        Entity { tenant, kind: Kind::Queue, id: queue.as_str().into(), channel: None }
    };
    settings.queues.keys().map(entity)
}

/// What the calls of a replay add up to.
pub struct Tallies<'s> {
    settings: &'s KpiSettings,
    shape: Shape,
    as_of: EventTime,
    accounts: Vec<Option<Known>>,
    room: Room,
    /// The agents' parts in calls, by tenant and agent.
    parts: BTreeMap<(String, String), Vec<Change>>,
    reasons: Reasons,
}

/// When, of what, and of how many.
pub(super) type Change = (EventTime, Part, i64);

struct Known {
    entity: Entity,
    tally: Tally,
    /// The place of its tenant's finder.
    finder: usize,
}

impl<'s> Tallies<'s> {
    fn new(settings: &'s KpiSettings, as_of: EventTime, limits: Arc<Limits>) -> Tallies<'s> {
        Tallies {
            settings,
            shape: settings.shape(),
            as_of,
            accounts: Vec::new(),
            room: Room::new(limits),
            parts: BTreeMap::new(),
            reasons: Reasons::default(),
        }
    }

    /// How many entities found no room.
    pub fn refused(&self) -> usize {
        self.room.refused()
    }

    /// Every record of the kept entities and windows, in the order of entities: `now`, sliding windows,
    /// `total`, and every interval that holds facts.
    pub fn records(&self, filter: &Filter) -> impl Iterator<Item = KpiRecord> {
        let mut accounts: Vec<&Known> =
            self.accounts.iter().flatten().filter(|account| filter.keeps_entity(&account.entity)).collect();
        accounts.sort_by(|a, b| a.entity.cmp(&b.entity));
        accounts.into_iter().flat_map(move |Known { entity, tally, .. }| {
            let (settings, kept, as_of) = (self.settings, &self.shape.intervals, self.as_of);
            let projection = Projection { settings, kept, entity, tally, reasons: &self.reasons, as_of };
            let windows = self.windows(entity, tally).into_iter();
            let kept = windows.filter(move |window| filter.keeps_window(window.name(settings)));
            kept.filter_map(move |window| projection.record(window, Edition::default()))
        })
    }

    fn windows(&self, entity: &Entity, tally: &Tally) -> Vec<Window> {
        let mut windows = vec![Window::Now];
        windows.extend((0..self.settings.sliding.len()).map(Window::Sliding));
        windows.push(Window::Total);
        let mut finder = Finder::new(self.settings.zone(&entity.tenant).clone());
        for (place, (_, length)) in self.settings.intervals.iter().enumerate() {
            let touched: Vec<Interval> = tally.touched(&self.shape.intervals, &mut finder, *length, self.as_of);
            windows.extend(touched.into_iter().map(|interval| Window::Interval(place, interval)));
        }
        windows
    }

    /// The tally of an entity, made if there is room.
    fn account(&mut self, id: EntityId, entity: &Entity) -> Option<(&mut Tally, &mut Finder, &Shape)> {
        let index = id.0 as usize;
        if self.accounts.len() <= index {
            self.accounts.resize_with(index + 1, || None);
        }
        if self.accounts[index].is_none() {
            self.admit(id, entity)?;
        }
        let account = self.accounts[index].as_mut()?;
        Some((&mut account.tally, self.room.finder(account.finder), &self.shape))
    }

    fn admit(&mut self, id: EntityId, entity: &Entity) -> Option<()> {
        let finder = self.room.admit(self.settings, id, entity)?;
        let mut tally = Tally::default();
        // The windows end where they will be shown, so that only what they hold is kept.
        tally.panes.slide(&self.shape.windows, self.as_of.second().0 + 1);
        tally.reach(self.as_of);
        self.accounts[id.0 as usize] = Some(Known { entity: entity.clone(), tally, finder });
        Some(())
    }
}

impl Ledger for Tallies<'_> {
    fn facts(&mut self, to: Account<'_>, family: Family, at: i64, facts: &[(Key, i64)]) {
        if family == Family::Time && facts.iter().any(|(key, _)| Part::of(*key).is_some()) {
            let Entity { tenant, id, .. } = to.entity;
            let parts = self.parts.entry((tenant.to_string(), id.to_string())).or_default();
            let changes = facts.iter().filter_map(|(key, amount)| Some((EventTime(at), Part::of(*key)?, *amount)));
            return parts.extend(changes);
        }
        let time = self.reasons.booked(family, facts);
        let Some((tally, finder, shape)) = self.account(to.id, to.entity) else { return };
        match family {
            Family::Time => tally.add_time(shape, finder, to.entity, EventTime(at), &time),
            _ => tally.add(shape, finder, to.entity, Booked { family, second: at, facts }),
        }
    }

    fn reason(&mut self, text: &str) {
        self.reasons.take(text);
    }

    fn waiting(&mut self, to: Account<'_>, since: EventTime, amount: i64) {
        if let Some((tally, ..)) = self.account(to.id, to.entity) {
            tally.add_waiting(since, amount);
        }
    }
}
