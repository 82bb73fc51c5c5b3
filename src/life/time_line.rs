//! An agent's time line: events and parts of calls, in whatever order they are told, to stretches of one
//! state each.
//!
//! ```text
//! calls    ──────────┌ handling ┐──────────     handling, else ringing, else what the agent says:
//! agent    available ───────┌ paused ┐ available          logged out, paused, available, busy
//!          available │ handling │pau.│ available
//! ```
//!
//! A function of the set of what was told, and of the instant at which silence is judged. Parts of calls
//! come as signed changes of how many are open, so that what is believed of a call no longer is taken back
//! by the opposite sign. Source: docs/decisions/agents-time.md.

use super::agent_event::{AgentEvent, NAMES_HOLD, Name, Says};
use crate::event::AgentState;
use crate::fact::{Key, Measure, Standing};
use crate::time::{EventTime, Span};
use hashbrown::{HashMap, HashSet};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// A state without an event of the agent for so long ended then.
pub const LOST_STATE: Span = Span::from_hours(16);
/// An event this long after the one before still takes that back; a later one finds the agent logged out.
pub const TAKEN_BACK: Span = Span::from_hours(24);

/// So many queues an agent works for at once, by their names; in more it is not seen, so that senseless names cannot
/// make each of its changes a thousand.
const QUEUES_MAX: usize = 500;

/// What is told of one agent.
#[derive(Clone, Debug, Default)]
pub struct TimeLine {
    /// Where what is kept begins, and how things stood then.
    kept_from: Option<EventTime>,
    base: Situation,
    /// Those before what is kept say which names are taken, no more.
    events: BTreeSet<AgentEvent>,
    /// Changes of what is open in calls.
    changes: BTreeMap<(EventTime, Part), i64>,
    /// Hashes of the names of its events, and whether one came twice.
    names: HashSet<u64>,
    has_doubles: bool,
}

/// What a change of an agent's part in calls is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    OnCalls,
    Rung,
    /// The same where it ends as lost, which is no sign of life.
    OnCallsLost,
    RungLost,
    /// Something happened in a call that is handled before and after it: a sign of life, and nothing else.
    Heard,
}

/// A stretch in which nothing changes, with what the agent does in it.
#[derive(Clone, Copy, Debug)]
pub struct Stretch<'s> {
    pub start: EventTime,
    /// None while it lasts.
    pub end: Option<EventTime>,
    pub standing: Standing,
    /// Of a pause.
    pub reason: Option<&'s str>,
    situation: &'s Situation,
}

/// How things stand between two events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    pub on_calls: i64,
    pub rung: i64,
    /// What the agent said last of all queues together.
    pub says: Option<(AgentState, Option<Box<str>>)>,
    /// Logged in by what was said of single queues, and not of all of them.
    pub is_in_by_queues: bool,
    pub queues: BTreeMap<Box<str>, Place>,
    /// The last event.
    pub last: Option<EventTime>,
}

/// How an agent stands to one queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub is_joined: bool,
    /// What the agent said last of this queue only: available, paused, or logged out.
    pub says: Option<(AgentState, Option<Box<str>>)>,
}

impl Place {
    /// Whether the agent is logged in there.
    fn is_in(&self) -> bool {
        self.is_joined && self.says.as_ref().is_some_and(|(state, _)| *state != AgentState::LoggedOut)
    }
}

impl Part {
    pub const ALL: [Part; 5] = [Part::OnCalls, Part::Rung, Part::OnCallsLost, Part::RungLost, Part::Heard];

    pub const fn measure(self) -> Measure {
        match self {
            Part::OnCalls => Measure::OnCalls,
            Part::Rung => Measure::Rung,
            Part::OnCallsLost => Measure::OnCallsLost,
            Part::RungLost => Measure::RungLost,
            Part::Heard => Measure::Heard,
        }
    }

    /// The part that a key is of; none of another key.
    pub fn of(key: Key) -> Option<Part> {
        Part::ALL.into_iter().find(|part| Key::measure(part.measure()) == key)
    }

    const fn is_event(self) -> bool {
        matches!(self, Part::OnCalls | Part::Rung | Part::Heard)
    }
}

impl TimeLine {
    /// Adds an event. Whether it is new.
    pub fn add(&mut self, event: AgentEvent) -> bool {
        let hash = event.name().map(|name| hash(&name));
        let is_new = self.events.insert(event);
        if let Some(hash) = hash.filter(|_| is_new) {
            self.has_doubles |= !self.names.insert(hash);
        }
        is_new
    }

    /// Whether it holds an equal event.
    pub fn holds(&self, event: &AgentEvent) -> bool {
        self.events.contains(event)
    }

    /// Adds a change of what is open in calls.
    pub fn change(&mut self, at: EventTime, part: Part, amount: i64) {
        if self.kept_from.is_some_and(|from| at < from) {
            return self.base.change(part, amount);
        }
        let change = self.changes.entry((at, part)).or_default();
        *change += amount;
        if *change == 0 {
            self.changes.remove(&(at, part));
        }
    }

    /// From where on stretches may be others if something is told of an instant: from the last event before it.
    pub fn unsettled_from(&self, at: EventTime) -> EventTime {
        let before = if self.has_doubles {
            self.points(&[]).iter().rev().filter(|point| point.is_event()).map(Point::at).find(|event| *event < at)
        } else {
            let event = self.events.iter().rev().map(|event| event.at).find(|event| *event < at);
            let changes = self.changes.range(..(at, Part::OnCalls)).rev();
            event.max(changes.map(|((at, part), _)| (*at, *part)).find(|(_, part)| part.is_event()).map(|(at, _)| at))
        };
        before.max(self.kept_from).unwrap_or(EventTime(i64::MIN))
    }

    /// Tells every stretch that begins at or after `from`, in order. What the agent is logged out in is none.
    pub fn tell(&self, terms: Terms<'_>, sink: &mut impl FnMut(Stretch<'_>)) -> Told {
        // An edge to come is none yet: who is a member until some day is one now.
        let passed = terms.edges.partition_point(|edge| *edge <= terms.judged);
        let points = self.points(&terms.edges[..passed]);
        let mut situation = self.base.clone();
        let mut begins = self.kept_from;
        let mut next_event = points.iter().filter(|point| point.is_event()).map(|point| point.at());
        let mut coming = next_event.next();
        let mut is_up_to_silence = false;
        for group in points.chunk_by(|a, b| a.at() == b.at()) {
            let at = group[0].at();
            let lost = situation.lost(coming, terms.judged);
            if let Some(begins) = begins {
                let end = lost.map_or(at, |lost| lost.min(at));
                situation.show(begins, Some(end), terms.from, sink);
            }
            is_up_to_silence |= coming.is_none() && situation.is_cut_by_silence(Some(at));
            begins = Some(at);
            if group.iter().any(Point::is_event) {
                if lost.is_some() {
                    situation.forget_states();
                }
                situation.last = Some(at);
                while coming.is_some_and(|next| next <= at) {
                    coming = next_event.next();
                }
            }
            for point in group {
                match point {
                    Point::Event(event) => situation.apply(event),
                    Point::Change((_, part), amount) => situation.change(*part, *amount),
                    Point::Edge(_) => {}
                }
            }
        }
        let lost = situation.lost(None, terms.judged);
        if let Some(begins) = begins {
            situation.show(begins, lost, terms.from, sink);
        }
        is_up_to_silence |= situation.is_cut_by_silence(None);
        let next_loss = situation.silent_at().filter(|_| is_up_to_silence && lost.is_none());
        let is_lost = is_up_to_silence && lost.is_some();
        // Nothing here depends on the judgement but where that cut something: who restores an agent of whom it
        // did not may forget it.
        let last = points.last().map(Point::at);
        let goes_on = lost.is_none() && situation.standing().is_some();
        let next_edge = terms.edges.get(passed).copied().filter(|edge| goes_on || Some(*edge) < last);
        Told { next: next_loss.into_iter().chain(next_edge).min(), is_lost, is_judged: is_lost || 0 < passed }
    }

    /// Everything that is told and kept, in order.
    fn points<'l>(&'l self, edges: &[EventTime]) -> Vec<Point<'l>> {
        let is_kept = |at: EventTime| self.kept_from.is_none_or(|from| from <= at);
        let events = self.counting().filter(|event| is_kept(event.at));
        let mut points: Vec<Point<'l>> = events.map(Point::Event).collect();
        points.extend(self.changes.iter().map(|(place, amount)| Point::Change(*place, *amount)));
        let edges = edges.iter().filter(|edge| self.kept_from.is_none_or(|from| from < **edge));
        points.extend(edges.map(|edge| Point::Edge(*edge)));
        // Stable: events of one instant stay in their order.
        points.sort_by_key(Point::at);
        points
    }

    /// The events that count, in order: of those with one name the first.
    fn counting(&self) -> impl Iterator<Item = &AgentEvent> {
        let mut told: HashMap<Name<'_>, EventTime> = HashMap::new();
        self.events.iter().filter(move |event| {
            let Some(name) = event.name().filter(|_| self.has_doubles) else { return true };
            match told.get(&name) {
                Some(first) if event.at.since(*first) <= NAMES_HOLD => false,
                _ => {
                    told.insert(name, event.at);
                    true
                }
            }
        })
    }

    /// Forgets what is before an instant, but for what it came to and for names.
    ///
    /// While an event may still take back that silence ended a state before the instant, all is kept from the last
    /// sign of life on.
    pub fn forget_before(&mut self, before: EventTime) {
        let points = self.points(&[]);
        let last = points.iter().rev().filter(|point| point.is_event()).map(Point::at).find(|at| *at < before);
        let last = last.or(self.base.last);
        let is_open = |last: &EventTime| LOST_STATE < before.since(*last) && before.since(*last) <= TAKEN_BACK;
        let at = last.filter(is_open).unwrap_or(before);
        let mut base = self.base.clone();
        for point in points.iter().take_while(|point| point.at() < at) {
            if point.is_event() {
                if base.is_over_by(point.at()) {
                    base.forget_states();
                }
                base.last = Some(point.at());
            }
            match point {
                Point::Event(event) => base.apply(event),
                Point::Change((_, part), amount) => base.change(*part, *amount),
                Point::Edge(_) => {}
            }
        }
        if base.is_over_by(at) {
            base.forget_states();
        }
        base.queues.retain(|_, place| *place != Place::default());
        let is_any = points.first().is_some_and(|point| point.at() < at);
        drop(points);
        self.base = base;
        // What nothing is forgotten of begins where it did.
        self.kept_from = if is_any { Some(at) } else { self.kept_from };
        self.changes = self.changes.split_off(&(at, Part::OnCalls));
    }

    /// Forgets the events before an instant, which are before what is kept; their names are free then.
    pub fn forget_names_before(&mut self, at: EventTime) {
        if self.events.first().is_none_or(|event| at <= event.at) {
            return;
        }
        let kept: BTreeSet<AgentEvent> = {
            let names: HashSet<&AgentEvent> = self.counting().collect();
            // A double of what is forgotten would count from now on, or make another one a double.
            let is_double = |event: &AgentEvent| event.at.since(at) <= NAMES_HOLD && !names.contains(event);
            self.events.iter().filter(|event| at <= event.at && !is_double(event)).cloned().collect()
        };
        self.events = kept;
        self.names = self.events.iter().filter_map(|event| event.name().map(|name| hash(&name))).collect();
        self.has_doubles = self.names.len() < self.events.iter().filter(|event| event.name().is_some()).count();
    }

    /// Whether a name of an event came twice.
    pub fn has_doubles(&self) -> bool {
        self.has_doubles
    }

    /// Nothing is kept, and nothing stands that an event would have to know of.
    pub fn is_empty(&self) -> bool {
        let Situation { on_calls, rung, says, is_in_by_queues, queues, .. } = &self.base;
        self.events.is_empty()
            && self.changes.is_empty()
            && (*on_calls, *rung) == (0, 0)
            && says.is_none()
            && !is_in_by_queues
            && queues.is_empty()
    }

    pub fn kept_from(&self) -> Option<EventTime> {
        self.kept_from
    }

    /// How things stood where what is kept begins.
    pub fn base(&self) -> &Situation {
        &self.base
    }

    pub fn restore_base(&mut self, kept_from: Option<EventTime>, base: Situation) {
        (self.kept_from, self.base) = (kept_from, base);
    }

    /// The events of some time.
    pub fn events(&self, from: EventTime, to: EventTime) -> impl Iterator<Item = &AgentEvent> {
        let events = self.events.iter().skip_while(move |event| event.at < from);
        events.take_while(move |event| event.at < to)
    }

    /// The changes of some time.
    pub fn changes(&self, from: EventTime, to: EventTime) -> impl Iterator<Item = (EventTime, Part, i64)> {
        let changes = self.changes.range((from, Part::OnCalls)..(to, Part::OnCalls));
        changes.map(|((at, part), amount)| (*at, *part, *amount))
    }
}

/// What stretches depend on beside what was told.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Stretches that begin earlier are not told.
    pub from: EventTime,
    /// A state without an event until then is lost, if that is long enough.
    pub judged: EventTime,
    /// Where stretches are cut for reasons of their own, such as a membership that ends, once that is judged; in order.
    pub edges: &'a [EventTime],
}

/// What is left to expect of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// When silence will end a state, be it one that is known to end later, or an edge will cut it; none if neither will.
    pub next: Option<EventTime>,
    /// Silence has ended one.
    pub is_lost: bool,
    /// Silence or an edge has cut something: another instant of judgement may tell otherwise.
    pub is_judged: bool,
}

impl<'s> Stretch<'s> {
    /// The queues the agent works for, with what it does there: in one of them alone it may be paused, or
    /// logged out, which is in none.
    pub fn in_queues(&self) -> impl Iterator<Item = (&'s str, Standing, Option<&'s str>)> {
        // A pause of every single queue has a reason in each.
        let is_paused_by_queues = self.standing == Standing::Paused && self.situation.is_paused_by_queues();
        let standing = if is_paused_by_queues { Standing::Available } else { self.standing };
        let reason = self.reason;
        let joined = self.situation.queues.iter().filter(|(_, place)| place.is_joined).take(QUEUES_MAX);
        joined.filter_map(move |(queue, place)| {
            let own = place.says.as_ref().map(|(state, reason)| (*state, reason.as_deref()));
            let (standing, reason) = match (standing, own) {
                (Standing::Handling | Standing::Ringing, _) => (standing, reason),
                (_, Some((AgentState::LoggedOut, _))) => return None,
                (Standing::Available, Some((AgentState::Paused, own))) => (Standing::Paused, own),
                _ => (standing, reason),
            };
            Some((&**queue, standing, reason))
        })
    }
}

enum Point<'l> {
    Event(&'l AgentEvent),
    Change((EventTime, Part), i64),
    Edge(EventTime),
}

impl<'l> Point<'l> {
    fn at(&self) -> EventTime {
        match self {
            Point::Event(event) => event.at,
            Point::Change((at, _), _) | Point::Edge(at) => *at,
        }
    }

    /// Whether it is a sign of life.
    fn is_event(&self) -> bool {
        match self {
            Point::Event(_) => true,
            Point::Change((_, part), _) => part.is_event(),
            Point::Edge(_) => false,
        }
    }
}

impl Situation {
    fn change(&mut self, part: Part, amount: i64) {
        match part {
            Part::OnCalls | Part::OnCallsLost => self.on_calls += amount,
            Part::Rung | Part::RungLost => self.rung += amount,
            Part::Heard => {}
        }
    }

    fn apply(&mut self, event: &AgentEvent) {
        let reason = |state| event.reason.clone().filter(|_| state == AgentState::Paused);
        let was_in = event.queue.is_some() && self.queues.values().any(Place::is_in);
        match (event.says, &event.queue) {
            (Says::State(state), None) => {
                self.says = Some((state, reason(state)));
                self.is_in_by_queues &= state != AgentState::LoggedOut;
            }
            (Says::State(state), Some(queue)) => {
                use AgentState::{Available, LoggedOut, Paused};
                let holds = matches!(state, Available | Paused | LoggedOut);
                self.queues.entry(queue.clone()).or_default().says = holds.then(|| (state, reason(state)));
            }
            (Says::Joined, Some(queue)) => self.queues.entry(queue.clone()).or_default().is_joined = true,
            (Says::Left, Some(queue)) => {
                self.queues.remove(queue);
            }
            (Says::Joined | Says::Left, None) => {}
        }
        if event.queue.is_some() {
            self.follow_queues(was_in);
        }
    }

    /// The first queue that the agent is logged in to logs in, leaving the last one logs out. What is said of all queues
    /// wins: who logged in or out by it stays so until saying something else.
    fn follow_queues(&mut self, was_in: bool) {
        let is_in = self.queues.values().any(Place::is_in);
        if !was_in && is_in && self.says.is_none() {
            self.is_in_by_queues = true;
        } else if was_in && !is_in && self.is_in_by_queues {
            (self.says, self.is_in_by_queues) = (None, false);
        }
    }

    /// When the state ends for want of events, given when the next one comes.
    fn lost(&self, next: Option<EventTime>, judged: EventTime) -> Option<EventTime> {
        let lost = self.silent_at()?;
        let is_lost = match next {
            Some(next) => self.is_over_by(next),
            None => lost <= judged,
        };
        is_lost.then_some(lost)
    }

    /// When silence ends the state, if no event comes.
    fn silent_at(&self) -> Option<EventTime> {
        Some(self.last?.plus(LOST_STATE))
    }

    /// Whether silence would end a state that otherwise lasts until then, or until further notice.
    fn is_cut_by_silence(&self, end: Option<EventTime>) -> bool {
        let is_before_end = self.silent_at().is_some_and(|silent| end.is_none_or(|end| silent < end));
        is_before_end && self.standing().is_some()
    }

    /// Whether an event at an instant comes too late to take a loss back.
    fn is_over_by(&self, next: EventTime) -> bool {
        self.last.is_some_and(|last| TAKEN_BACK < next.since(last))
    }

    /// What the agent said holds no longer. What queues it works for is no state.
    fn forget_states(&mut self) {
        (self.says, self.is_in_by_queues) = (None, false);
        self.queues.values_mut().for_each(|place| place.says = None);
    }

    /// What the agent does, and why it is paused; none if it is logged out.
    fn standing(&self) -> Option<(Standing, Option<&str>)> {
        if 0 < self.on_calls {
            return Some((Standing::Handling, None));
        }
        if 0 < self.rung {
            return Some((Standing::Ringing, None));
        }
        let (state, reason) = match &self.says {
            Some((state, reason)) => (*state, reason.as_deref()),
            None if self.is_in_by_queues => (AgentState::Available, None),
            None => return None,
        };
        match state {
            AgentState::LoggedOut => None,
            AgentState::Paused => Some((Standing::Paused, reason)),
            AgentState::Available if self.is_paused_by_queues() => Some((Standing::Paused, self.shared_reason())),
            AgentState::Available => Some((Standing::Available, None)),
            AgentState::Ringing | AgentState::OnCall | AgentState::Wrapup => Some((Standing::OtherWork, None)),
        }
    }

    /// What the agent says of each queue it works for and is not logged out of.
    fn said_of_queues(&self) -> impl Iterator<Item = Option<&(AgentState, Option<Box<str>>)>> {
        let joined = self.queues.values().filter(|place| place.is_joined).map(|place| place.says.as_ref());
        joined.filter(|says| says.is_none_or(|(state, _)| *state != AgentState::LoggedOut))
    }

    /// Paused in every queue, and not over all of them.
    fn is_paused_by_queues(&self) -> bool {
        let is_paused = |says: Option<&(AgentState, _)>| says.is_some_and(|(state, _)| *state == AgentState::Paused);
        let is_over_all = is_paused(self.says.as_ref());
        let mut said = self.said_of_queues().peekable();
        !is_over_all && said.peek().is_some() && said.all(is_paused)
    }

    /// The reason of the pauses of all queues; none if they differ.
    fn shared_reason(&self) -> Option<&str> {
        let mut reasons = self.said_of_queues().flatten().map(|(_, reason)| reason.as_deref());
        let first = reasons.next()??;
        reasons.all(|reason| reason == Some(first)).then_some(first)
    }

    fn show(&self, start: EventTime, end: Option<EventTime>, from: EventTime, sink: &mut impl FnMut(Stretch<'_>)) {
        if start < from || end.is_some_and(|end| end <= start) {
            return;
        }
        if let Some((standing, reason)) = self.standing() {
            sink(Stretch { start, end, standing, reason, situation: self });
        }
    }
}

/// The same in one process; it never leaves it.
fn hash(name: &Name<'_>) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(name)
}
