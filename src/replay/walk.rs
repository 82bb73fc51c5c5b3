//! The walk: a replay's events one second after the other, and how entities stand at the end of each.
//!
//! ```text
//! second   events ─> what each adds to what its call amounted to ─┐
//!          restarts, calls lost ─> the whole call anew ───────────┼─> agents' time ─> entities that changed: a look
//! ```
//!
//! At the end of a second everything is as a replay of the events up to it, as of that instant. What is known at the
//! end is known at once: nothing comes late, every event once, a document in its last revision. What nobody looks at
//! costs nothing but its calls; seconds in which nothing changes are not met.

use super::engine::{Change, Replay, configured};
use super::room::Room;
use crate::entity::Entity;
use crate::event::Channel;
use crate::fact::{Family, Key, Reasons};
use crate::kpi::project::Projection;
use crate::kpi::settings::KpiSettings;
use crate::life::agent_event::{AgentEvent, NAMES_HOLD};
use crate::life::agent_time::{self, Agent};
use crate::life::booking::Booking;
use crate::life::call_key;
use crate::life::log::CallLog;
use crate::life::plan::Plan;
use crate::life::routes::{Account, Ledger, Routes};
use crate::life::settle::{Restart, Settled, Terms, settle, settle_last};
use crate::life::time_line::{self, Part, TimeLine};
use crate::tally::panes::LATELY;
use crate::tally::tally::{Booked, Shape, Tally};
use crate::time::{EventTime, Second, Span};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What grows with the time of agents is looked at this often, seconds: `run` publishes it no more often.
const GROWS_EVERY_S: i64 = 5;
/// What no event of the walk changes any more is forgotten this often, and this long after.
const FORGET_EVERY: Span = Span::from_hours(24);
/// The same of an agent's time line, which costs what it holds.
const FORGET_AGENT_EVERY: Span = Span::from_hours(6);

/// What of an entity changes though nothing happens to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Looked at every second while calls wait.
    pub while_waiting: bool,
    /// Looked at every five seconds while agents are in a state.
    pub with_agents: bool,
    /// Looked at a second after each change too: how many calls there are at once shows at the next boundary.
    pub at_boundaries: bool,
}

/// A stretch of time without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last event before it and the first one after it.
    pub from: EventTime,
    pub until: EventTime,
    /// How many events there are before it and after it.
    pub before: usize,
    pub after: usize,
}

/// An entity at the end of a second.
#[derive(Clone, Copy)]
pub struct Look<'l> {
    /// The entity's own number.
    pub seat: usize,
    /// Something happened to it, has not for a minute, a pane left a window or an interval began; else time passed, and
    /// nothing else.
    pub has_changed: bool,
    pub shown: Projection<'l>,
}

/// The last instant of a second.
pub const fn end_of(second: i64) -> EventTime {
    Second(second).last()
}

/// A replay on its way.
pub struct Walk<'s> {
    plan: Arc<Plan>,
    routes: Routes,
    told: Vec<(EventTime, Told)>,
    calls: Vec<Call>,
    tenants: Vec<Tenant>,
    agents: Vec<Subject>,
    agents_by_name: HashMap<(String, String), usize>,
    /// Calls by the second in which something of them is lost.
    losses: BTreeSet<(i64, usize)>,
    /// Agents by the second in which silence ends a state, or a membership begins or ends.
    silences: BTreeSet<(i64, usize)>,
    /// Entities by the second in which they change though nothing happens.
    wakes: BTreeSet<(i64, usize)>,
    books: Books<'s>,
}

/// Of what the next event is, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Call(usize),
    Agent(usize),
    Restart(usize),
}

struct Call {
    key: Box<str>,
    tenant: usize,
    channel: Channel,
    /// With the events to come.
    log: CallLog,
    taken: usize,
    /// What was lost was judged at this instant.
    judged: Option<EventTime>,
    next_loss: Option<EventTime>,
    last: EventTime,
}

#[derive(Default)]
struct Tenant {
    /// With those to come.
    restarts: Vec<Restart>,
    applied: usize,
    /// Calls that a restart may end.
    under_way: BTreeSet<usize>,
}

/// An agent.
struct Subject {
    tenant: String,
    agent: String,
    edges: Vec<EventTime>,
    line: TimeLine,
    coming: std::vec::IntoIter<AgentEvent>,
    events: Vec<AgentEvent>,
    changes: Vec<Change>,
    /// When silence and memberships were judged last, where that cut anything.
    judged: Option<EventTime>,
    next: Option<EventTime>,
    forgotten: EventTime,
}

/// How an entity is looked at; none of one that nobody asks for.
type Paces<'s> = Box<dyn Fn(&Entity) -> Option<Pace> + 's>;

/// Takes what calls and agents amount to.
struct Books<'s> {
    settings: &'s KpiSettings,
    shape: Shape,
    as_of: EventTime,
    room: Room,
    seats: Vec<Seat>,
    pace: Paces<'s>,
    touched: Vec<usize>,
    with_agents: bool,
    parts: BTreeMap<(String, String), Vec<Change>>,
    reasons: Reasons,
}

enum Seat {
    Unknown,
    /// Nobody looks at it, or there is no room for it.
    Aside,
    Seen(Box<Seen>),
}

/// An entity that is looked at.
struct Seen {
    entity: Entity,
    tally: Tally,
    /// The place of its tenant's finder.
    finder: usize,
    pace: Pace,
    wake: Option<i64>,
    /// The second in which one of its intervals ends.
    ends: i64,
    forgotten: EventTime,
}

impl Replay {
    /// Sets out. `pace` says of an entity what is looked at, if anything is; the time of agents is only kept where it
    /// is asked for.
    pub fn walk<'s>(
        self,
        settings: &'s KpiSettings,
        with_agents: bool,
        pace: impl Fn(&Entity) -> Option<Pace> + 's,
    ) -> Walk<'s> {
        let mut told = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut tenants: Vec<Tenant> = Vec::new();
        let mut place = |tenants: &mut Vec<Tenant>, name: &str| {
            *places.entry(name.to_string()).or_insert_with(|| {
                tenants.push(Tenant::default());
                tenants.len() - 1
            })
        };
        for (name, restarts) in self.restarts {
            let tenant = place(&mut tenants, &name);
            told.extend(restarts.iter().map(|restart| (restart.at, Told::Restart(tenant))));
            tenants[tenant].restarts = restarts;
        }
        let mut calls: Vec<(Box<str>, CallLog)> = self.calls.into_iter().collect();
        calls.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let calls = calls.into_iter().filter_map(|(key, log)| {
            let channel = log.iter().next()?.channel;
            let tenant = place(&mut tenants, call_key::split(&key).0);
            let (judged, next_loss, last) = (None, None, EventTime(i64::MIN));
            Some(Call { key, tenant, channel, log, taken: 0, judged, next_loss, last })
        });
        let calls: Vec<Call> = calls.collect();
        for (place, call) in calls.iter().enumerate() {
            told.extend(call.log.iter().map(|moment| (moment.time, Told::Call(place))));
        }
        let mut walk = Walk {
            routes: Routes::new(self.plan.clone()),
            plan: self.plan,
            told,
            calls,
            tenants,
            agents: Vec::new(),
            agents_by_name: HashMap::new(),
            losses: BTreeSet::new(),
            silences: BTreeSet::new(),
            wakes: BTreeSet::new(),
            books: Books {
                settings,
                shape: settings.shape(),
                as_of: EventTime(i64::MIN),
                room: Room::new(self.limits),
                seats: Vec::new(),
                pace: Box::new(pace),
                touched: Vec::new(),
                with_agents,
                parts: BTreeMap::new(),
                reasons: Reasons::default(),
            },
        };
        for (name, line) in self.agents.into_iter().filter(|_| with_agents) {
            let place = walk.agent(name);
            let events: Vec<AgentEvent> = line.events(EventTime(i64::MIN), EventTime(i64::MAX)).cloned().collect();
            walk.told.extend(events.iter().map(|event| (event.at, Told::Agent(place))));
            walk.agents[place].coming = events.into_iter();
        }
        walk.told.sort_unstable();
        walk
    }
}

impl Walk<'_> {
    /// When the first event was; none without events.
    pub fn begins(&self) -> Option<EventTime> {
        self.told.first().map(|(at, _)| *at)
    }

    /// The stretches of more than so long between two events, in which nothing was told; in order. Of events up to an
    /// instant, that included.
    pub fn gaps(&self, longer_than: Span, last: EventTime) -> Vec<Gap> {
        let told = &self.told[..self.told.partition_point(|(at, _)| *at <= last)];
        let gaps = told.windows(2).enumerate().filter_map(|(place, pair)| {
            let [(from, _), (until, _)] = pair else { return None };
            let (before, after) = (place + 1, told.len() - place - 1);
            (longer_than < until.since(*from)).then_some(Gap { from: *from, until: *until, before, after })
        });
        gaps.collect()
    }

    /// Goes on to the end of the second that holds an instant. `see` is shown every entity that may have changed, as of
    /// the end of that second. Answers how many entities found no room.
    pub fn run(mut self, until: EventTime, mut see: impl FnMut(Look<'_>)) -> usize {
        let mut told = std::mem::take(&mut self.told).into_iter().peekable();
        if let Some((first, _)) = told.peek() {
            self.books.as_of = end_of(first.second().0);
            for entity in configured(self.books.settings) {
                let id = self.routes.id(entity.clone());
                self.books.seen(Account { id, entity: &entity });
            }
        }
        loop {
            let known = [&self.losses, &self.silences, &self.wakes].into_iter().filter_map(BTreeSet::first);
            let coming = told.peek().map(|(at, _)| at.second().0);
            let next = known.map(|(second, _)| *second).chain(coming).min();
            let Some(second) = next.filter(|second| *second <= until.second().0) else { break };
            self.books.as_of = end_of(second);
            let (mut restarted, mut agents) = (BTreeSet::new(), due(&mut self.silences, second));
            while let Some((at, told)) = told.next_if(|(at, _)| at.second().0 <= second) {
                match told {
                    Told::Call(call) => self.hear(call, at),
                    Told::Restart(tenant) => drop(restarted.insert(tenant)),
                    Told::Agent(agent) => {
                        let subject = &mut self.agents[agent];
                        subject.events.extend(subject.coming.next());
                        agents.push(agent);
                    }
                }
            }
            restarted.into_iter().for_each(|tenant| self.restart(tenant));
            for call in due(&mut self.losses, second) {
                let restarts = self.tenants[self.calls[call].tenant].applied;
                self.book_anew(call, self.calls[call].taken, restarts);
            }
            for (name, changes) in std::mem::take(&mut self.books.parts) {
                let agent = self.agent(name);
                self.agents[agent].changes.extend(changes);
                agents.push(agent);
            }
            agents.sort_unstable();
            agents.dedup();
            agents.into_iter().for_each(|agent| self.settle_agent(agent));
            self.look(second, &mut see);
        }
        self.books.room.refused()
    }

    /// The call's next event.
    fn hear(&mut self, place: usize, at: EventTime) {
        let Walk { plan, routes, calls, tenants, books, .. } = self;
        let call = &mut calls[place];
        let applied = tenants[call.tenant].applied;
        let restarts = &tenants[call.tenant].restarts[..applied];
        // As the stage calls does: what the event adds, unless something before it may have to be taken back.
        let is_plain = call.judged.is_none()
            && call.next_loss.is_none_or(|loss| books.as_of < loss)
            && (call.taken == 0 || restarts.last().is_none_or(|restart| restart.at < call.last));
        call.last = at;
        if !is_plain {
            return self.book_anew(place, self.calls[place].taken + 1, applied);
        }
        call.taken += 1;
        let log = call.log.first(call.taken);
        let (tenant, call_id) = call_key::split(&call.key);
        let terms = Terms { plan, call_id, restarts, judged: books.as_of };
        let mut route = routes.call(tenant, call.channel);
        let settled = settle_last(terms, &log, |booking| route.book(booking, books));
        route.finish(books);
        self.note(place, settled);
    }

    /// Ends what calls of the sources that restarted have open.
    fn restart(&mut self, place: usize) {
        let (as_of, horizon) = (self.books.as_of, self.plan.late_horizon);
        let tenant = &self.tenants[place];
        let restarts = tenant.restarts.partition_point(|restart| restart.at <= as_of);
        for call in tenant.under_way.clone() {
            // Of what nothing was heard for so long nothing is ended.
            if horizon < as_of.since(self.calls[call].last) {
                self.tenants[place].under_way.remove(&call);
            }
            self.book_anew(call, self.calls[call].taken, restarts);
        }
        self.tenants[place].applied = restarts;
    }

    /// Takes back what a call amounted to, and books what it amounts to with so many of its events and of its
    /// tenant's restarts.
    fn book_anew(&mut self, place: usize, events: usize, restarts: usize) {
        let Walk { plan, routes, calls, tenants, books, .. } = self;
        let call = &mut calls[place];
        let (tenant, call_id) = call_key::split(&call.key);
        let (of, as_of) = (&tenants[call.tenant], books.as_of);
        let mut book = |events: usize, restarts: usize, judged: EventTime, sign: i64| {
            let log = call.log.first(events);
            let terms = Terms { plan, call_id, restarts: &of.restarts[..restarts], judged };
            let mut route = routes.call(tenant, call.channel);
            let settled = settle(terms, &log, |booking| {
                route.book(Booking { amount: sign * booking.amount, ..booking }, books);
            });
            route.finish(books);
            settled
        };
        book(call.taken, of.applied, call.judged.unwrap_or(EventTime(i64::MIN)), -1);
        let settled = book(events, restarts, as_of, 1);
        call.taken = events;
        self.note(place, settled);
    }

    fn note(&mut self, place: usize, settled: Settled) {
        let call = &mut self.calls[place];
        if let Some(loss) = call.next_loss.take() {
            self.losses.remove(&(loss.second().0, place));
        }
        call.judged = settled.has_lost.then_some(self.books.as_of);
        call.next_loss = settled.next_loss;
        self.losses.extend(settled.next_loss.map(|loss| (loss.second().0, place)));
        let tenant = &mut self.tenants[call.tenant];
        if settled.is_under_way && tenant.applied < tenant.restarts.len() {
            tenant.under_way.insert(place);
        } else {
            tenant.under_way.remove(&place);
        }
    }
}

impl Walk<'_> {
    /// The place of an agent, known or new.
    fn agent(&mut self, name: (String, String)) -> usize {
        if let Some(place) = self.agents_by_name.get(&name) {
            return *place;
        }
        let (tenant, agent) = name.clone();
        let edges = agent_time::edges(&self.plan, &agent);
        self.agents.push(Subject {
            tenant,
            agent,
            edges,
            line: TimeLine::default(),
            coming: Vec::new().into_iter(),
            events: Vec::new(),
            changes: Vec::new(),
            judged: None,
            next: None,
            forgotten: EventTime(i64::MIN),
        });
        self.agents_by_name.insert(name, self.agents.len() - 1);
        self.agents.len() - 1
    }

    /// Books what was told of an agent, and what silence and memberships cut, as the stage subjects does.
    fn settle_agent(&mut self, place: usize) {
        let Walk { plan, routes, agents, silences, books, .. } = self;
        let Subject { tenant, agent, edges, line, events, changes, judged, next, forgotten, .. } = &mut agents[place];
        let as_of = books.as_of;
        if let Some(next) = next.take() {
            silences.remove(&(next.second().0, place));
        }
        let instants = events.iter().map(|event| event.at).chain(changes.iter().map(|(at, ..)| *at));
        let passed = edges.iter().find(|edge| *judged < Some(**edge) && **edge <= as_of);
        let first = instants.chain(passed.copied()).min().unwrap_or(EventTime(i64::MAX));
        let from = line.unsettled_from(first);
        let whose = Agent { tenant, agent, plan };
        let mut book = |line: &TimeLine, judged, sign| {
            let terms = time_line::Terms { from, judged, edges };
            line.tell(terms, &mut |stretch| agent_time::book(routes, whose, &stretch, sign, books))
        };
        book(line, judged.unwrap_or(EventTime(i64::MIN)), -1);
        for event in events.drain(..) {
            line.add(event);
        }
        changes.drain(..).for_each(|(at, part, amount)| line.change(at, part, amount));
        let told = book(line, as_of, 1);
        *judged = told.is_judged.then_some(as_of);
        *next = told.next;
        silences.extend(told.next.map(|next| (next.second().0, place)));
        if forgotten.plus(FORGET_AGENT_EVERY) <= as_of {
            *forgotten = as_of;
            let before = as_of.minus(Span(2 * plan.late_horizon.0 + plan.allowed_skew.0));
            line.forget_before(before);
            line.forget_names_before(before.minus(Span(2 * NAMES_HOLD.0)));
        }
    }

    /// Shows what may have changed, and plans when it changes next though nothing happens.
    fn look(&mut self, second: i64, see: &mut impl FnMut(Look<'_>)) {
        let Walk { plan, wakes, books, .. } = self;
        let mut seats: Vec<(usize, bool)> = due(wakes, second).into_iter().map(|place| (place, false)).collect();
        seats.extend(books.touched.drain(..).map(|place| (place, true)));
        // Of one place what was touched stands first, and stays.
        seats.sort_unstable_by(|a, b| b.cmp(a));
        seats.dedup_by_key(|(place, _)| *place);
        let Books { settings, shape, as_of, room, seats: all, reasons, .. } = books;
        for (place, is_touched) in seats.into_iter().rev() {
            let Seat::Seen(seen) = &mut all[place] else { continue };
            // The pane that falls quiet may be the one that goes.
            let last = seen.tally.lately();
            let quiet = last.all().map(|last| last.map(|last| last + LATELY));
            let falls_quiet = quiet.contains(&Some(second));
            let has_moved = seen.tally.panes.slide(&shape.windows, second + 1);
            seen.tally.reach(*as_of);
            let has_changed = is_touched || has_moved || falls_quiet || seen.ends <= second;
            let Seen { entity, tally, .. } = &**seen;
            let shown = Projection { settings, kept: &shape.intervals, entity, tally, reasons, as_of: *as_of };
            see(Look { seat: place, has_changed, shown });

            let finder = room.finder(seen.finder);
            let ends = settings.intervals.iter().map(|(_, length)| finder.find(*length, *as_of).end.second().0).min();
            seen.ends = ends.unwrap_or(i64::MAX);
            let moves = seen.tally.panes.next_move(&shape.windows).map(|end| end - 1);
            let waits = (seen.pace.while_waiting && seen.tally.waiting() != 0).then_some(second + 1);
            let is_time = seen.pace.with_agents && (seen.tally.has_agents() || moves.is_some());
            let grows = is_time.then_some(second + GROWS_EVERY_S);
            let shows = (seen.pace.at_boundaries && (is_touched || has_moved)).then_some(second + 1);
            let quiet = quiet.into_iter().flatten().filter(|quiet| second < *quiet).min();
            let next = [ends, moves, waits, grows, shows, quiet].into_iter().flatten().min();
            if let Some(before) = std::mem::replace(&mut seen.wake, next) {
                wakes.remove(&(before, place));
            }
            wakes.extend(next.map(|next| (next, place)));
            if seen.forgotten.plus(FORGET_EVERY) <= *as_of {
                seen.forgotten = *as_of;
                let reach = Span(2 * plan.late_horizon.0 + plan.allowed_skew.0 + FORGET_EVERY.0);
                // A whole hour, as of every piece that is kept.
                let before = as_of.minus(reach).0;
                let before = EventTime(before - before.rem_euclid(Span::from_hours(1).0));
                seen.tally.forget_before(shape, finder, before);
            }
        }
    }
}

/// Takes what is due in a second, or was before.
fn due(agenda: &mut BTreeSet<(i64, usize)>, second: i64) -> Vec<usize> {
    let later = agenda.split_off(&(second + 1, 0));
    std::mem::replace(agenda, later).into_iter().map(|(_, place)| place).collect()
}

impl Books<'_> {
    /// The tally of an entity, made if it is looked at and there is room.
    fn seen(&mut self, to: Account<'_>) -> Option<(&mut Seen, &mut Room, &Shape)> {
        let place = to.id.0 as usize;
        if self.seats.len() <= place {
            self.seats.resize_with(place + 1, || Seat::Unknown);
        }
        if matches!(self.seats[place], Seat::Unknown) {
            self.seats[place] = self.admit(to);
        }
        let Seat::Seen(seen) = &mut self.seats[place] else { return None };
        self.touched.push(place);
        Some((seen, &mut self.room, &self.shape))
    }

    fn admit(&mut self, Account { id, entity }: Account<'_>) -> Seat {
        let finder = self.room.admit(self.settings, id, entity);
        let Some((finder, pace)) = finder.zip((self.pace)(entity)) else { return Seat::Aside };
        let mut tally = Tally::default();
        tally.panes.slide(&self.shape.windows, self.as_of.second().0 + 1);
        tally.reach(self.as_of);
        let (entity, forgotten) = (entity.clone(), self.as_of);
        Seat::Seen(Box::new(Seen { entity, tally, finder, pace, wake: None, ends: i64::MIN, forgotten }))
    }
}

impl Ledger for Books<'_> {
    fn facts(&mut self, to: Account<'_>, family: Family, at: i64, facts: &[(Key, i64)]) {
        if family == Family::Time && facts.iter().any(|(key, _)| Part::of(*key).is_some()) {
            if self.with_agents {
                let Entity { tenant, id, .. } = to.entity;
                let parts = self.parts.entry((tenant.to_string(), id.to_string())).or_default();
                let changes = facts.iter().filter_map(|(key, amount)| Some((EventTime(at), Part::of(*key)?, *amount)));
                parts.extend(changes);
            }
            return;
        }
        let time = self.reasons.booked(family, facts);
        let Some((seen, room, shape)) = self.seen(to) else { return };
        let finder = room.finder(seen.finder);
        match family {
            Family::Time => seen.tally.add_time(shape, finder, to.entity, EventTime(at), &time),
            _ => seen.tally.add(shape, finder, to.entity, Booked { family, second: at, facts }),
        }
    }

    fn waiting(&mut self, to: Account<'_>, since: EventTime, amount: i64) {
        if let Some((seen, ..)) = self.seen(to) {
            seen.tally.add_waiting(since, amount);
        }
    }

    fn reason(&mut self, text: &str) {
        self.reasons.take(text);
    }
}
