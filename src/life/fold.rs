//! The fold: a call's events in order, turned into signed facts.
//!
//! ```text
//! queued ──── visit ────► answered ── connection ──► handled ── wrap-up ──►
//!    │                        └ ringing before, held within, transferred at its end
//!    └──────► abandoned, or flowed out (timeout, key, overflow, callback, lost, ...)
//! ```
//!
//! Applied event by event in the log's order; what an event means depends on those before it and on
//! nothing else. A call id that is used again begins a new life. What never ended is `lost`, judged
//! at an instant that is an argument. Source: docs/formats.md, which is the contract's section 1.

use super::booking::Booking;
use super::log::Moment;
use super::plan::Plan;
use super::step::Step;
use crate::event::{CallEvent, Channel, Direction, LeaveReason};
use crate::time::{EventTime, Span};
use hashbrown::HashSet;
use smallvec::SmallVec;

/// A visit open this long after its call's last event is lost.
pub const LOST_WAITING: Span = Span::from_hours(2);
/// A connection open this long after its call's last event is over for levels.
pub const LOST_TALKING: Span = Span::from_hours(12);
/// A wrap-up open this long after its call's last event is over for levels.
pub const LOST_WRAPUP: Span = Span::from_hours(1);
/// A call id seen again this long after its call's end is another call.
pub const REUSE_AFTER: Span = Span::from_hours(6);

/// One stay in a queue.
#[derive(Clone, Debug)]
pub struct Visit<'a> {
    pub queue: &'a str,
    pub entry: EventTime,
    /// Neither a callback nor an outbound or internal call: it is offered, and its wait counts.
    pub is_offered: bool,
    pub is_transferred: bool,
    /// How and when it ended; none while it is open.
    pub exit: Option<(EventTime, Exit)>,
    pub(super) is_unsettled: bool,
}

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Answered,
    Left(LeaveReason),
    /// Nothing was heard of it any more.
    Lost,
}

/// One agent's part in a call.
#[derive(Clone, Debug)]
pub struct Connection<'a> {
    pub agent: &'a str,
    pub queue: Option<&'a str>,
    pub start: EventTime,
    /// None while it is open, and for ever if it was lost.
    pub end: Option<EventTime>,
    pub hold: Span,
    pub was_held: bool,
    pub wrapup: Span,
    /// The end of a wrap-up was told, were it of no length.
    pub(super) has_wrapped_up: bool,
    /// The visit whose entry its facts are booked at too.
    pub(super) visit: Option<usize>,
    pub(super) held_since: Option<EventTime>,
    pub(super) wrapup_since: Option<EventTime>,
    pub(super) is_lost: bool,
    /// Where its handle time is booked, and how long it was.
    pub(super) handle: Option<(EventTime, Span)>,
}

/// An offer to an agent that is still ringing.
#[derive(Clone, Debug)]
pub(super) struct Ring<'a> {
    pub(super) agent: &'a str,
    pub(super) queue: Option<&'a str>,
    pub(super) visit: Option<usize>,
    pub(super) since: EventTime,
}

/// One life: what is known of a call after the events so far.
#[derive(Clone, Debug)]
pub struct Life<'a> {
    pub first: EventTime,
    pub last: EventTime,
    pub channel: Channel,
    pub is_inbound: bool,
    pub customer: Option<&'a str>,
    pub root_id: Option<&'a str>,
    pub arrived: Option<EventTime>,
    pub ended: Option<EventTime>,
    pub visits: SmallVec<[Visit<'a>; 2]>,
    pub connections: SmallVec<[Connection<'a>; 2]>,
    pub was_blocked: bool,
    pub(super) source: &'a str,
    pub(super) rings: SmallVec<[Ring<'a>; 2]>,
    /// A transfer on its way, with the queue it goes to if it names one.
    pub(super) handover: Option<Option<&'a str>>,
    /// The last event after which nothing was open.
    pub(super) idle: Option<EventTime>,
    pub(super) is_decided: bool,
    pub(super) has_left_ivr: bool,
    pub(super) has_lost: bool,
}

/// What names an event: its id, else source and `seq`.
type Name<'a> = (Option<&'a str>, &'a str, Option<i64>);

/// Folds a call's events. `book` takes every fact; those of one event come together.
pub struct Fold<'a, B: FnMut(Booking<'a>)> {
    plan: &'a Plan,
    call_id: &'a str,
    book: B,
    life: Option<Life<'a>>,
    /// Lives of this call id that are over, oldest first.
    past: Vec<Life<'a>>,
    /// The events of this life by what names them, where the log has one name twice.
    told: Option<HashSet<Name<'a>>>,
}

impl<'a, B: FnMut(Booking<'a>)> Fold<'a, B> {
    pub fn new(plan: &'a Plan, call_id: &'a str, book: B) -> Self {
        Fold { plan, call_id, book, life: None, past: Vec::new(), told: None }
    }

    /// The log names an event twice, with two contents: within one life the smaller counts, which is the
    /// one that stands first.
    pub fn expect_doubles(&mut self) {
        self.told = Some(HashSet::new());
    }

    /// Applies the next event. `judged` is the instant lost things are judged at, for a life that this
    /// event leaves behind.
    pub fn apply(&mut self, moment: &Moment<'a>, judged: EventTime) {
        if self.begins_anew(moment) {
            self.finish(judged);
            self.past.extend(self.life.take());
            self.told.iter_mut().for_each(HashSet::clear);
        }
        if let Some(told) = self.told.as_mut().filter(|_| moment.event_id.is_some() || moment.seq.is_some()) {
            let name = match moment.event_id {
                Some(event_id) => (Some(event_id), "", None),
                None => (None, moment.source, moment.seq),
            };
            if !told.insert(name) {
                return;
            }
        }
        let life = self.life.get_or_insert_with(|| Life::new(moment));
        life.last = moment.time;
        life.customer = life.customer.or(moment.customer);
        let is_outward = matches!(moment.direction, Direction::Outbound | Direction::Internal);
        life.is_inbound &= !is_outward && !matches!(moment.what, CallEvent::Dialled { .. });
        let mut step = Step { plan: self.plan, call_id: self.call_id, book: &mut self.book, life, at: moment.time };
        step.apply(moment);
        if life.nothing_is_open() {
            life.idle = Some(moment.time);
        }
    }

    /// The source started anew: what the call has open ends as by the system. What was lost before
    /// stays lost, and a call of which nothing was heard for longer than the horizon is none of its.
    pub fn restart(&mut self, source: &str, at: EventTime) {
        let horizon = self.plan.late_horizon;
        if self.life.as_ref().is_none_or(|life| life.source != source || horizon < at.since(life.last)) {
            return;
        }
        self.finish(at);
        let Some(life) = self.life.as_mut().filter(|life| life.is_under_way()) else { return };
        Step { plan: self.plan, call_id: self.call_id, book: &mut self.book, life, at }.restart();
    }

    /// Ends as lost what is open too long at `judged`.
    pub fn finish(&mut self, judged: EventTime) {
        let Some(life) = self.life.as_mut() else { return };
        let at = life.last;
        Step { plan: self.plan, call_id: self.call_id, book: &mut self.book, life, at }.lose(judged);
    }

    /// The next instant at which something would be lost; none if nothing is open.
    pub fn next_loss(&self) -> Option<EventTime> {
        self.lives().filter_map(Life::next_loss).min()
    }

    /// Whether a restart of its source would end something.
    pub fn is_under_way(&self) -> bool {
        self.life.as_ref().is_some_and(Life::is_under_way)
    }

    /// Whether anything was ended as lost.
    pub fn has_lost(&self) -> bool {
        self.lives().any(|life| life.has_lost)
    }

    /// The lives so far, oldest first.
    pub fn lives(&self) -> impl Iterator<Item = &Life<'a>> {
        self.past.iter().chain(&self.life)
    }

    fn begins_anew(&self, moment: &Moment<'a>) -> bool {
        let begins =
            matches!(moment.what, CallEvent::Arrived { .. } | CallEvent::Dialled { .. } | CallEvent::Queued { .. });
        let end = self.life.as_ref().and_then(|life| life.ended.or(life.idle));
        begins && end.is_some_and(|end| REUSE_AFTER < moment.time.since(end))
    }
}

impl<'a> Life<'a> {
    fn new(moment: &Moment<'a>) -> Life<'a> {
        Life {
            first: moment.time,
            last: moment.time,
            channel: moment.channel,
            is_inbound: true,
            customer: None,
            root_id: moment.root_id,
            arrived: None,
            ended: None,
            visits: SmallVec::new(),
            connections: SmallVec::new(),
            was_blocked: false,
            source: moment.source,
            rings: SmallVec::new(),
            handover: None,
            idle: None,
            is_decided: false,
            has_left_ivr: false,
            has_lost: false,
        }
    }

    /// Whether it waits in no queue, speaks with nobody and is in nobody's wrap-up.
    pub fn nothing_is_open(&self) -> bool {
        self.open_visit().is_none()
            && !self.connections.iter().any(|connection| connection.is_open() || connection.is_in_wrapup())
    }

    /// The next instant at which something of it would be lost; none if nothing is open.
    fn next_loss(&self) -> Option<EventTime> {
        let visit = (self.open_visit().is_some() || !self.rings.is_empty()).then_some(LOST_WAITING);
        let talk = self.connections.iter().any(Connection::is_open).then_some(LOST_TALKING);
        let wrapup = self.connections.iter().any(Connection::is_in_wrapup).then_some(LOST_WRAPUP);
        let soonest = [visit, talk, wrapup].into_iter().flatten().min()?;
        Some(self.last.plus(soonest))
    }

    /// Whether a restart of its source ends anything.
    fn is_under_way(&self) -> bool {
        let is_in_ivr = self.arrived.is_some() && self.visits.is_empty() && self.connections.is_empty();
        self.ended.is_none() && is_in_ivr || !self.rings.is_empty() || !self.nothing_is_open()
    }

    pub(super) fn open_visit(&self) -> Option<usize> {
        self.visits.iter().rposition(|visit| visit.exit.is_none())
    }

    pub(super) fn open_connection(&self, agent: Option<&str>) -> Option<usize> {
        self.connections
            .iter()
            .rposition(|connection| connection.is_open() && agent.is_none_or(|agent| connection.agent == agent))
    }
}

impl Connection<'_> {
    pub(super) fn is_open(&self) -> bool {
        self.end.is_none() && !self.is_lost
    }

    pub(super) fn is_in_wrapup(&self) -> bool {
        self.wrapup_since.is_some() && !self.is_lost
    }
}
