//! The floor of one tenant's centre: queues, agents, open calls, and what is to happen next.
//!
//! A discrete-event simulation: acts wait in a heap by their instant, and performing one may tell
//! events, write in the books and plan further acts. What acts do stands in `arrivals` (how contacts
//! begin), `waiting` (queues and offers), `talking` (connections) and `duty` (shifts and breaks).

use super::agent::Agent;
use super::call::Call;
use super::chance::Chance;
use super::presence::Presence;
use super::settings::{QUEUES, SimSettings};
use super::truth::{Books, EntityTruth, Place};
use crate::event::{CallEvent, Channel, Direction, EndedBy, Event, Via, What};
use crate::time::EventTime;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

/// The number of a call within its floor.
pub(super) type CallNumber = u64;

pub(super) struct Floor {
    pub settings: SimSettings,
    pub tenant: String,
    pub now: EventTime,
    pub chance: Chance,
    pub agents: Vec<Agent>,
    /// Who waits in each queue, first in line first.
    pub lines: [Vec<CallNumber>; QUEUES],
    pub calls: HashMap<CallNumber, Call>,
    pub books: Books,
    /// What each agent does, for the books.
    pub presences: Vec<Presence>,
    /// Contacts that have not begun.
    pub contacts_left: u64,
    /// Callbacks promised and not yet begun.
    pub callbacks_due: u64,
    /// What the last act told, in order.
    pub told: VecDeque<Event<'static>>,
    next_call: CallNumber,
    prefix: String,
    acts: BinaryHeap<Reverse<Planned>>,
    planned: u64,
}

/// What happens at an instant that was planned before. A visit, ring or session is named by number, so
/// that what was planned for an earlier one passes without effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    Contact,
    LeaveMenu { call: CallNumber, goes_to: Option<usize> },
    Enter { call: CallNumber, queue: usize, via: Entrance },
    GiveUp { call: CallNumber, visit: u32 },
    OfferChoice { call: CallNumber, visit: u32 },
    Overflow { call: CallNumber, visit: u32 },
    TimeOut { call: CallNumber, visit: u32 },
    LineFails { call: CallNumber, visit: u32 },
    Route { call: CallNumber, visit: u32 },
    RingOver { call: CallNumber, ring: u32, outcome: Outcome },
    CallBack { root: CallNumber, queue: usize, tries_left: u8, customer: u64 },
    FarEnd { call: CallNumber, is_answered: bool },
    Hold { call: CallNumber, leg: usize },
    HoldOver { call: CallNumber, leg: usize, hangs_up: bool },
    TalkOver { call: CallNumber, leg: usize },
    HandOver { call: CallNumber, leg: usize, to: usize, is_agreed: bool },
    RingDirect { call: CallNumber, agent: usize, is_conference: bool },
    LeaveConference { call: CallNumber, leg: usize },
    WrapupOver { call: CallNumber, leg: usize },
    End { call: CallNumber, by: EndedBy },
    Free { agent: usize, channel: Channel },
    LogIn { agent: usize },
    Break { agent: usize, session: u32, reason: &'static str, length: i64 },
    Return { agent: usize, pause: u32 },
    LogOut { agent: usize, session: u32 },
}

/// How a call comes into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entrance {
    Direct,
    Transfer,
    Callback,
}

/// How an offer to an agent goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Answered,
    NoAnswer,
    Rejected,
    Failed,
    CallerLeaves,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Planned {
    at: EventTime,
    order: u64,
    act: Act,
}

impl Floor {
    /// The floor of the tenant with this place in the settings, which has `contacts` to come.
    pub(super) fn new(settings: &SimSettings, place: usize, contacts: u64) -> Floor {
        let mut chance = Chance::new(settings.seed ^ (place as u64).wrapping_mul(0xd134_2543_de82_ef95));
        let agents = Agent::team(settings, &mut chance);
        let mut floor = Floor {
            tenant: settings.tenants[place].clone(),
            now: settings.start,
            chance,
            books: Books::new(settings.keeps_books, QUEUES, agents.len()),
            presences: vec![None; agents.len()],
            agents,
            lines: Default::default(),
            calls: HashMap::new(),
            contacts_left: contacts,
            callbacks_due: 0,
            told: VecDeque::new(),
            next_call: 1,
            prefix: if place == 0 { "c".to_string() } else { format!("t{}-c", place + 1) },
            acts: BinaryHeap::new(),
            planned: 0,
            settings: settings.clone(),
        };
        if contacts != 0 {
            floor.plan_shifts();
            floor.plan_contact();
        }
        floor
    }

    /// When the next act is; none if all is over.
    pub(super) fn next_act(&self) -> Option<EventTime> {
        self.acts.peek().map(|Reverse(planned)| planned.at)
    }

    /// Performs the next act.
    pub(super) fn advance(&mut self) {
        let Some(Reverse(Planned { at, act, .. })) = self.acts.pop() else { return };
        self.now = at;
        self.perform(act);
        if self.contacts_left == 0 && self.calls.is_empty() && self.callbacks_due == 0 {
            self.close();
            self.acts.clear();
        }
        if self.books.are_kept() {
            self.keep_time();
        }
    }

    pub(super) fn show_books(&self) -> Vec<EntityTruth> {
        let agents: Vec<String> = self.agents.iter().map(|agent| agent.name.clone()).collect();
        self.books.show(&self.tenant, &self.settings.queues, &agents)
    }

    fn perform(&mut self, act: Act) {
        match act {
            Act::Contact => self.contact(),
            Act::LeaveMenu { call, goes_to } => self.leave_menu(call, goes_to),
            Act::Enter { call, queue, via } => self.enter(call, queue, via),
            Act::GiveUp { call, visit } => self.give_up(call, visit),
            Act::OfferChoice { call, visit } => self.offer_choice(call, visit),
            Act::Overflow { call, visit } => self.overflow(call, visit),
            Act::TimeOut { call, visit } => self.time_out(call, visit),
            Act::LineFails { call, visit } => self.line_fails(call, visit),
            Act::Route { call, visit } => self.route_again(call, visit),
            Act::RingOver { call, ring, outcome } => self.ring_over(call, ring, outcome),
            Act::CallBack { root, queue, tries_left, customer } => self.call_back(root, queue, tries_left, customer),
            Act::FarEnd { call, is_answered } => self.far_end(call, is_answered),
            Act::Hold { call, leg } => self.hold(call, leg),
            Act::HoldOver { call, leg, hangs_up } => self.hold_over(call, leg, hangs_up),
            Act::TalkOver { call, leg } => self.talk_over(call, leg),
            Act::HandOver { call, leg, to, is_agreed } => self.hand_over(call, leg, to, is_agreed),
            Act::RingDirect { call, agent, is_conference } => self.ring_direct(call, agent, is_conference),
            Act::LeaveConference { call, leg } => self.leave_conference(call, leg),
            Act::WrapupOver { call, leg } => self.wrapup_over(call, leg),
            Act::End { call, by } => self.end(call, by),
            Act::Free { agent, channel } => self.release(agent, channel),
            Act::LogIn { agent } => self.log_in(agent),
            Act::Break { agent, session, reason, length } => self.take_break(agent, session, reason, length),
            Act::Return { agent, pause } => self.return_to_work(agent, pause),
            Act::LogOut { agent, session } => self.shift_over(agent, session),
        }
    }

    /// Plans an act so many milliseconds from now.
    pub(super) fn plan(&mut self, after: i64, act: Act) {
        self.planned += 1;
        self.acts.push(Reverse(Planned { at: EventTime(self.now.0 + after), order: self.planned, act }));
    }

    /// A new call; its number names it.
    pub(super) fn begin(&mut self, channel: Channel, direction: Direction, customer: Option<u64>) -> CallNumber {
        let number = self.next_call;
        self.next_call += 1;
        self.calls.insert(number, Call::new(self.call_id(number), channel, direction, customer));
        number
    }

    pub(super) fn call_id(&self, number: CallNumber) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// Tells an event of an open call.
    pub(super) fn tell(
        &mut self,
        call: CallNumber,
        queue: Option<usize>,
        agent: Option<usize>,
        what: CallEvent<'static>,
    ) {
        let call = &self.calls[&call];
        let event = Event {
            call_id: Some(call.id.clone().into()),
            root_id: call.root_id.clone().map(Cow::Owned),
            channel: call.channel,
            direction: call.direction,
            customer: call.customer.map(|customer| format!("+3615{customer:07}").into()),
            ..self.event(queue, agent, What::Call(what))
        };
        self.told.push_back(event);
    }

    /// Tells an event of an agent.
    pub(super) fn tell_of_agent(&mut self, agent: usize, queue: Option<usize>, what: What<'static>) {
        let event = self.event(queue, Some(agent), what);
        self.told.push_back(event);
    }

    /// A place in the books: now.
    pub(super) fn place(&self, entry: Option<EventTime>, queue: Option<usize>, agent: Option<usize>) -> Place {
        Place { at: self.now, entry, queue, agent }
    }

    pub(super) fn queue_name(&self, queue: usize) -> Cow<'static, str> {
        self.settings.queues[queue].clone().into()
    }

    pub(super) fn agent_name(&self, agent: usize) -> Cow<'static, str> {
        self.agents[agent].name.clone().into()
    }

    /// An event now, of nothing but its queue and agent.
    fn event(&self, queue: Option<usize>, agent: Option<usize>, what: What<'static>) -> Event<'static> {
        Event {
            time: self.now,
            seq: None,
            event_id: None,
            source: None,
            tenant: self.tenant.clone().into(),
            call_id: None,
            root_id: None,
            channel: Channel::Voice,
            direction: Direction::Inbound,
            customer: None,
            queue: queue.map(|queue| self.queue_name(queue)),
            agent: agent.map(|agent| self.agent_name(agent)),
            document: None,
            what,
        }
    }
}

impl Entrance {
    pub(super) fn via(self) -> Via {
        match self {
            Entrance::Direct => Via::Direct,
            Entrance::Transfer => Via::Transfer,
            Entrance::Callback => Via::Callback,
        }
    }
}
