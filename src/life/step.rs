//! A step: what one event does to a life, and the facts that follow.
//!
//! Levels (waiting, ringing, talking, ...) are booked as +1 where they begin and -1 where they end.

use super::booking::{Booking, To, What};
use super::fold::{Connection, Exit, LOST_TALKING, LOST_WAITING, LOST_WRAPUP, Life, Ring, Visit};
use super::log::Moment;
use super::plan::Plan;
use super::time_line::Part;
use crate::event::{BlockReason, CallEvent, EndedBy, LeaveReason, RingEndReason, TransferKind, Via};
use crate::fact::{Distribution, Key, Measure};
use crate::time::{EventTime, Span};
use std::borrow::Cow;

/// One event's effect on a life.
pub(super) struct Step<'a, 's, B: FnMut(Booking<'a>)> {
    pub plan: &'a Plan,
    pub call_id: &'a str,
    pub book: &'s mut B,
    pub life: &'s mut Life<'a>,
    pub at: EventTime,
}

/// Whose fact it is: the names and instants that go with a booking.
#[derive(Clone, Copy)]
struct Whose<'a> {
    queue: Option<&'a str>,
    agent: Option<&'a str>,
    /// The visit whose entry the fact is booked at too.
    visit: Option<usize>,
    since: EventTime,
}

impl<'a, B: FnMut(Booking<'a>)> Step<'a, '_, B> {
    pub fn apply(&mut self, moment: &Moment<'a>) {
        let agent = moment.agent.map(|name| self.plan.agent(name));
        match &moment.what {
            CallEvent::Arrived { .. } => self.arrive(),
            CallEvent::Dialled { .. } => {
                self.count(To::CONNECTION, self.on_the_way(moment.queue, agent), Measure::Outbound)
            }
            CallEvent::Blocked { reason } => self.block(moment.queue, *reason),
            CallEvent::Queued { via, .. } => self.enter_queue(moment.queue, *via),
            CallEvent::Ringing => self.ring(moment.queue, agent),
            CallEvent::RingEnded { reason } => self.end_ringing(moment.queue, agent, *reason),
            CallEvent::Answered { waited_ms } => self.answer(moment.queue, agent, *waited_ms),
            CallEvent::Held => self.hold(agent),
            CallEvent::Resumed => self.resume(agent),
            CallEvent::Transferred { kind, to_queue, .. } => {
                // A log lends its texts; only an event that never was in one owns them.
                let to_queue = match to_queue {
                    Some(Cow::Borrowed(queue)) => Some(*queue),
                    Some(Cow::Owned(_)) | None => None,
                };
                self.transfer(agent, *kind, to_queue);
            }
            CallEvent::LeftQueue { reason, waited_ms } => self.leave_queue(moment.queue, *reason, *waited_ms),
            CallEvent::Ended { by } => self.end(*by == Some(EndedBy::System)),
            CallEvent::WrapupStarted { .. } => self.start_wrapup(agent),
            CallEvent::WrapupEnded { .. } => self.end_wrapup(agent),
        }
        self.hear();
    }

    /// Whatever happens in a call is a sign of life of those who handle it before and after.
    fn hear(&mut self) {
        for index in 0..self.life.connections.len() {
            let connection = &self.life.connections[index];
            if connection.start < self.at && (connection.is_open() || connection.is_in_wrapup()) {
                self.part(self.connected(index), self.at, Part::Heard, 1);
            }
        }
    }

    fn arrive(&mut self) {
        if self.life.arrived.is_none() && self.life.is_inbound {
            self.life.arrived = Some(self.at);
            self.count(To::TENANT, self.nobody(), Measure::Arrived);
        }
    }

    fn block(&mut self, queue: Option<&'a str>, reason: Option<BlockReason>) {
        self.life.was_blocked = true;
        let whose = Whose { queue, ..self.nobody() };
        self.count(To::VISIT, whose, Measure::Blocked);
        let by_reason = match reason {
            Some(BlockReason::Full) => Measure::BlockedFull,
            Some(BlockReason::Closed) => Measure::BlockedClosed,
            Some(BlockReason::NoAgents) => Measure::BlockedNoAgents,
            Some(BlockReason::NoTrunk) => Measure::BlockedNoTrunk,
            Some(BlockReason::Other) | None => Measure::BlockedOther,
        };
        self.count(To::VISIT, whose, by_reason);
    }

    fn enter_queue(&mut self, queue: Option<&'a str>, via: Via) {
        let Some(queue) = queue else { return };
        if let Some(open) = self.life.open_visit() {
            if self.life.visits[open].queue == queue {
                return;
            }
            self.exit(open, self.at, Exit::Left(LeaveReason::Overflow));
        }
        let is_handover = self.life.handover.is_some_and(|to| to == Some(queue));
        let is_transferred = via == Via::Transfer || is_handover;
        if is_transferred {
            self.life.handover = None;
        }
        let is_callback = via == Via::Callback;
        let visit = self.open_visit(queue, self.at, self.life.is_inbound && !is_callback, is_transferred);
        if is_callback {
            self.count(To::VISIT, self.visitor(visit), Measure::CallbacksOffered);
        }
    }

    /// Opens a visit and books its entry.
    fn open_visit(&mut self, queue: &'a str, entry: EventTime, is_offered: bool, is_transferred: bool) -> usize {
        let visit = self.life.visits.len();
        self.life.visits.push(Visit { queue, entry, is_offered, is_transferred, exit: None, is_unsettled: false });
        let whose = self.visitor(visit);
        if is_offered {
            self.fact(To::VISIT, whose, entry, Measure::Offered, 1);
            self.level(To::VISIT, whose, entry, Measure::Concurrent, 1);
            self.waiting(visit, 1);
        }
        if is_transferred {
            self.fact(To::VISIT, whose, entry, Measure::TransferredIn, 1);
        }
        visit
    }

    /// The visit an exit from `queue` ends: the open one, or an implied one if this life has not been
    /// in that queue. None if it has.
    fn exiting(&mut self, queue: Option<&'a str>, waited_ms: Option<i64>) -> Option<usize> {
        let open = self.life.open_visit();
        let Some(queue) = queue else { return open };
        if let Some(open) = open.filter(|open| self.life.visits[*open].queue == queue) {
            return Some(open);
        }
        if !self.life.is_inbound || self.life.visits.iter().any(|visit| visit.queue == queue) {
            return None;
        }
        let entry = self.at.minus(Span(waited_ms.unwrap_or(0)));
        if let Some(open) = open {
            let left = entry.max(self.life.visits[open].entry);
            self.exit(open, left, Exit::Left(LeaveReason::Overflow));
        }
        let visit = self.open_visit(queue, entry, true, false);
        self.fact(To::VISIT, self.visitor(visit), entry, Measure::Implied, 1);
        Some(visit)
    }

    /// Ends a visit without an answer.
    fn exit(&mut self, visit: usize, at: EventTime, exit: Exit) {
        self.life.visits[visit].exit = Some((at, exit));
        self.end_rings(None, at, false);
        let Visit { entry, is_offered, .. } = self.life.visits[visit];
        if !is_offered {
            return;
        }
        let (whose, waited) = (self.visitor(visit), at.since(entry));
        self.waiting(visit, -1);
        self.level(To::VISIT, whose, at, Measure::Concurrent, -1);
        let reason = match exit {
            Exit::Left(LeaveReason::Abandoned) => {
                self.fact(To::VISIT, whose, at, Measure::Abandoned, 1);
                self.fact(To::VISIT, whose, at, Measure::WaitAbandoned, waited.0);
                return self.duration(To::VISIT, whose, at, Distribution::WaitAbandoned, waited, 1);
            }
            Exit::Left(LeaveReason::Timeout) => Measure::FlowedOutTimeout,
            Exit::Left(LeaveReason::NoAgents) => Measure::FlowedOutNoAgents,
            Exit::Left(LeaveReason::Key) => Measure::FlowedOutKey,
            Exit::Left(LeaveReason::Overflow) => Measure::FlowedOutOverflow,
            Exit::Left(LeaveReason::Callback) => Measure::FlowedOutCallback,
            Exit::Left(LeaveReason::Voicemail) => Measure::FlowedOutVoicemail,
            Exit::Left(LeaveReason::Withdrawn) => Measure::FlowedOutWithdrawn,
            Exit::Left(LeaveReason::System) => Measure::FlowedOutSystem,
            Exit::Lost => Measure::FlowedOutLost,
            Exit::Answered => unreachable!("an answered visit is ended by its answer"),
        };
        self.fact(To::VISIT, whose, at, Measure::FlowedOut, 1);
        self.fact(To::VISIT, whose, at, reason, 1);
        self.fact(To::VISIT, whose, at, Measure::WaitFlowedOut, waited.0);
        let distribution = match exit {
            Exit::Left(LeaveReason::Callback) => {
                self.fact(To::VISIT, whose, at, Measure::CallbacksRequested, 1);
                Distribution::WaitCallback
            }
            _ => Distribution::WaitFlowedOut,
        };
        self.duration(To::VISIT, whose, at, distribution, waited, 1);
        if exit == Exit::Lost {
            self.fact(To::VISIT, whose, at, Measure::Lost, 1);
        }
    }

    fn leave_queue(&mut self, queue: Option<&'a str>, reason: LeaveReason, waited_ms: Option<i64>) {
        if let Some(visit) = self.exiting(queue, waited_ms) {
            self.exit(visit, self.at, Exit::Left(reason));
        }
    }

    fn ring(&mut self, queue: Option<&'a str>, agent: Option<&'a str>) {
        let Some(agent) = agent else { return };
        self.end_rings(Some(agent), self.at, false);
        let whose = self.on_the_way(queue, Some(agent));
        self.life.rings.push(Ring { agent, queue: whose.queue, visit: whose.visit, since: self.at });
        self.count(To::CONNECTION, whose, Measure::Solicitations);
        self.level(To::CONNECTION, whose, self.at, Measure::Ringing, 1);
        self.part(whose, self.at, Part::Rung, 1);
    }

    fn end_ringing(&mut self, queue: Option<&'a str>, agent: Option<&'a str>, reason: RingEndReason) {
        let whose = self.on_the_way(queue, agent);
        let measure = match reason {
            RingEndReason::NoAnswer | RingEndReason::Rejected | RingEndReason::Error => Measure::RingNoAnswer,
            RingEndReason::CallerLeft => Measure::RingCallerLeft,
        };
        self.count(To::CONNECTION, whose, measure);
        self.end_rings(agent, self.at, false);
    }

    /// Ends the offers to one agent, or to all.
    fn end_rings(&mut self, agent: Option<&str>, at: EventTime, is_answered: bool) {
        let mut index = 0;
        while index < self.life.rings.len() {
            if agent.is_some_and(|agent| self.life.rings[index].agent != agent) {
                index += 1;
                continue;
            }
            let Ring { agent, queue, visit, since } = self.life.rings.remove(index);
            let whose = Whose { queue, agent: Some(agent), visit, since };
            self.level(To::CONNECTION, whose, at, Measure::Ringing, -1);
            // Only what is lost ends after the last event.
            self.part(whose, at, if self.at < at { Part::RungLost } else { Part::Rung }, -1);
            self.fact(To::CONNECTION, whose, at, Measure::OffersEnded, 1);
            if is_answered {
                self.fact(To::CONNECTION, whose, at, Measure::OffersAnswered, 1);
            }
        }
    }

    fn answer(&mut self, queue: Option<&'a str>, agent: Option<&'a str>, waited_ms: Option<i64>) {
        let Some(agent) = agent else { return };
        let visit = self.exiting(queue, waited_ms);
        if let Some(open) = self.life.open_connection(Some(agent)) {
            // Told twice, unless the agent takes the call out of a queue again.
            if visit.is_none() {
                return;
            }
            self.disconnect(open, false);
        }
        self.end_rings(Some(agent), self.at, true);
        let (queue, of_visit) = match visit {
            Some(visit) => (Some(self.life.visits[visit].queue), Some(visit)),
            None => self.past_the_queue(queue),
        };
        let whose = Whose { queue, agent: Some(agent), visit: of_visit, since: self.at };
        let handover = self.life.handover.take();
        match visit {
            Some(visit) => self.end_wait(visit, whose),
            None if handover.is_some() => self.count(To::DIRECT, whose, Measure::TransferredIn),
            None => {}
        }
        if self.life.arrived.is_some() && !self.life.is_decided {
            self.life.is_decided = true;
            self.count(To::TENANT, self.nobody(), Measure::ArrivedDecided);
            self.count(To::TENANT, self.nobody(), Measure::ArrivedAnswered);
        }
        self.life.connections.push(Connection {
            agent,
            queue,
            start: self.at,
            end: None,
            hold: Span(0),
            was_held: false,
            wrapup: Span(0),
            has_wrapped_up: false,
            visit: of_visit,
            held_since: None,
            wrapup_since: None,
            is_lost: false,
            handle: None,
        });
        self.level(To::CONNECTION, whose, self.at, Measure::Talking, 1);
        self.level(To::CONNECTION_WITHOUT_AGENT, whose, self.at, Measure::Concurrent, 1);
        self.part(whose, self.at, Part::OnCalls, 1);
    }

    /// Queue and visit of an answer that ends no wait: the queue it names, else that of the connection
    /// before; and the last visit, of that queue if there was one.
    fn past_the_queue(&self, named: Option<&'a str>) -> (Option<&'a str>, Option<usize>) {
        let queue = named.or_else(|| self.life.connections.last().and_then(|before| before.queue));
        let of_queue = self.life.visits.iter().rposition(|visit| Some(visit.queue) == queue);
        (queue, of_queue.or_else(|| self.life.visits.len().checked_sub(1)))
    }

    /// The visit ends in an answer.
    fn end_wait(&mut self, visit: usize, whose: Whose<'a>) {
        self.life.visits[visit].exit = Some((self.at, Exit::Answered));
        self.end_rings(None, self.at, false);
        let Visit { entry, is_offered, is_transferred, .. } = self.life.visits[visit];
        if is_transferred {
            self.count(To::AGENT_AND_PAIR, whose, Measure::TransferredIn);
        }
        if !is_offered {
            return;
        }
        let waited = self.at.since(entry);
        self.waiting(visit, -1);
        self.level(To::VISIT, whose, self.at, Measure::Concurrent, -1);
        self.count(To::ANSWER, whose, Measure::Answered);
        self.fact(To::ANSWER, whose, self.at, Measure::WaitAnswered, waited.0);
        self.duration(To::VISIT, whose, self.at, Distribution::WaitAnswered, waited, 1);
        if let Some(arrived) = self.life.arrived.filter(|_| !self.life.is_decided) {
            self.count(To::ANSWER, whose, Measure::AnsweredSinceArrival);
            self.fact(To::ANSWER, whose, self.at, Measure::WaitSinceArrival, self.at.since(arrived).0);
        }
    }

    fn hold(&mut self, agent: Option<&str>) {
        let Some(index) = self.life.open_connection(agent) else { return };
        if self.life.connections[index].held_since.is_none() {
            self.life.connections[index].held_since = Some(self.at);
            self.life.connections[index].was_held = true;
            self.shift(index, self.at, Measure::Talking, Measure::OnHold);
        }
    }

    fn resume(&mut self, agent: Option<&str>) {
        let Some(index) = self.life.open_connection(agent) else { return };
        if let Some(since) = self.life.connections[index].held_since.take() {
            self.life.connections[index].hold.0 += self.at.since(since).0;
            self.shift(index, self.at, Measure::OnHold, Measure::Talking);
        }
    }

    /// Moves a connection from one level to another.
    fn shift(&mut self, index: usize, at: EventTime, from: Measure, to: Measure) {
        let whose = self.connected(index);
        self.level(To::CONNECTION, whose, at, from, -1);
        self.level(To::CONNECTION, whose, at, to, 1);
    }

    fn transfer(&mut self, agent: Option<&'a str>, kind: TransferKind, to_queue: Option<&'a str>) {
        let Some(index) = agent.and_then(|agent| self.life.open_connection(Some(agent))) else { return };
        let whose = self.connected(index);
        self.count(To::CONNECTION, whose, Measure::TransferredOut);
        let by_kind = match kind {
            TransferKind::Blind => Measure::TransferredBlind,
            TransferKind::Attended => Measure::TransferredAttended,
            TransferKind::Conference => Measure::TransferredConference,
            TransferKind::Other => Measure::TransferredOther,
        };
        self.count(To::CONNECTION, whose, by_kind);
        if kind != TransferKind::Conference {
            self.disconnect(index, true);
            self.life.handover = Some(to_queue);
        }
    }

    /// Ends a connection: it is handled.
    fn disconnect(&mut self, index: usize, is_handed_on: bool) {
        let connection = &mut self.life.connections[index];
        connection.end = Some(self.at);
        let was_on_hold = connection.held_since.take();
        if let Some(since) = was_on_hold {
            connection.hold.0 += self.at.since(since).0;
        }
        let (hold, was_held) = (connection.hold, connection.was_held);
        let connected = self.at.since(connection.start);
        let talk = Span(connected.0 - hold.0);
        let (is_inbound, whose) = (self.life.is_inbound, self.connected(index));

        let level = if was_on_hold.is_some() { Measure::OnHold } else { Measure::Talking };
        self.level(To::CONNECTION, whose, self.at, level, -1);
        self.level(To::CONNECTION_WITHOUT_AGENT, whose, self.at, Measure::Concurrent, -1);
        self.part(whose, self.at, Part::OnCalls, -1);
        self.count(To::CONNECTION, whose, Measure::Handled);
        self.fact(To::CONNECTION, whose, self.at, Measure::Talk, talk.0);
        self.fact(To::CONNECTION, whose, self.at, Measure::Hold, hold.0);
        if was_held {
            self.count(To::CONNECTION, whose, Measure::Held);
        }
        if is_handed_on {
            self.count(To::CONNECTION, whose, Measure::HandedOn);
        }
        if is_inbound {
            self.duration(To::CONNECTION, whose, self.at, Distribution::CallTime, connected, 1);
            self.book_handle_time(index, connected);
        } else {
            self.count(To::CONNECTION, whose, Measure::HandledNotInbound);
            self.fact(To::CONNECTION, whose, self.at, Measure::TalkNotInbound, talk.0);
            self.fact(To::CONNECTION, whose, self.at, Measure::HoldNotInbound, hold.0);
            if was_held {
                self.count(To::CONNECTION, whose, Measure::HeldNotInbound);
            }
        }
        self.count_call(index, whose);
    }

    /// Counts the call, once for each of its queues, agents and pairs of them; for a team once for each pair,
    /// since a fact does not know which teams share it.
    fn count_call(&mut self, index: usize, whose: Whose<'a>) {
        let before = |is_same: &dyn Fn(&Connection<'a>) -> bool| {
            self.life
                .connections
                .iter()
                .enumerate()
                .any(|(at, other)| at != index && other.end.is_some() && is_same(other))
        };
        let of_queue = before(&|other| other.queue == whose.queue);
        let of_agent = before(&|other| Some(other.agent) == whose.agent);
        let of_both = before(&|other| other.queue == whose.queue && Some(other.agent) == whose.agent);
        let of_call = before(&|_| true);
        let is_root = self.life.root_id.is_none_or(|root| root == self.call_id);
        if !of_queue {
            self.count(To::QUEUE, whose, Measure::Calls);
        }
        if !of_agent {
            self.count(To::AGENT, whose, Measure::Calls);
        }
        if !of_both {
            self.count(To::TEAM_OF_AGENT, whose, Measure::Calls);
            self.count(To::PAIR, whose, Measure::Calls);
        }
        if !of_call && is_root {
            self.count(To::TENANT, whose, Measure::Calls);
        }
    }

    /// Books the connection's handle time here, and takes it back from where it was booked before.
    fn book_handle_time(&mut self, index: usize, handle: Span) {
        let whose = self.connected(index);
        if let Some((at, booked)) = self.life.connections[index].handle.replace((self.at, handle)) {
            self.duration(To::CONNECTION, whose, at, Distribution::HandleTime, booked, -1);
        }
        self.duration(To::CONNECTION, whose, self.at, Distribution::HandleTime, handle, 1);
    }

    /// Ends the call and whatever it has open.
    pub fn end(&mut self, is_by_system: bool) {
        if let Some(visit) = self.life.open_visit() {
            let reason = if is_by_system { LeaveReason::System } else { LeaveReason::Abandoned };
            self.exit(visit, self.at, Exit::Left(reason));
        }
        self.end_rings(None, self.at, false);
        while let Some(index) = self.life.open_connection(None) {
            self.disconnect(index, false);
        }
        self.life.handover = None;
        self.life.ended = Some(self.at);
        if self.life.arrived.is_some() {
            let is_untouched =
                self.life.visits.is_empty() && self.life.connections.is_empty() && !self.life.was_blocked;
            if is_untouched && !self.life.has_left_ivr {
                self.life.has_left_ivr = true;
                self.count(To::TENANT, self.nobody(), Measure::LeftInIvr);
            }
            if !self.life.is_decided {
                self.life.is_decided = true;
                self.count(To::TENANT, self.nobody(), Measure::ArrivedDecided);
            }
        }
    }

    /// Ends what is open because its source started anew: wrap-ups, too.
    pub fn restart(&mut self) {
        self.end(true);
        for index in 0..self.life.connections.len() {
            if self.life.connections[index].is_in_wrapup() {
                self.end_wrapup(Some(self.life.connections[index].agent));
            }
        }
    }

    fn start_wrapup(&mut self, agent: Option<&str>) {
        let Some(index) = self.latest_connection(agent) else { return };
        if self.life.connections[index].is_open() {
            self.disconnect(index, false);
        }
        if self.life.connections[index].wrapup_since.is_none() {
            self.life.connections[index].wrapup_since = Some(self.at);
            self.level(To::CONNECTION, self.connected(index), self.at, Measure::InWrapup, 1);
            self.part(self.connected(index), self.at, Part::OnCalls, 1);
        }
    }

    fn end_wrapup(&mut self, agent: Option<&str>) {
        let Some(index) = self.latest_connection(agent) else { return };
        if self.life.connections[index].is_open() {
            self.disconnect(index, false);
        }
        let whose = self.connected(index);
        let connection = &mut self.life.connections[index];
        let Some(end) = connection.end else { return };
        let told = connection.wrapup_since.take();
        if std::mem::replace(&mut connection.has_wrapped_up, true) && told.is_none() {
            return;
        }
        // A wrap-up whose beginning was not told followed the connection.
        let wrapup = self.at.since(told.unwrap_or(end));
        connection.wrapup.0 += wrapup.0;
        let handle = Span(end.since(connection.start).0 + connection.wrapup.0);
        if told.is_some() {
            self.level(To::CONNECTION, whose, self.at, Measure::InWrapup, -1);
        } else {
            self.part(whose, end, Part::OnCalls, 1);
        }
        self.part(whose, self.at, Part::OnCalls, -1);
        self.fact(To::CONNECTION, whose, self.at, Measure::Wrapup, wrapup.0);
        if self.life.is_inbound {
            self.book_handle_time(index, handle);
        } else {
            self.fact(To::CONNECTION, whose, self.at, Measure::WrapupNotInbound, wrapup.0);
        }
    }

    fn latest_connection(&self, agent: Option<&str>) -> Option<usize> {
        self.life.connections.iter().rposition(|connection| !connection.is_lost && Some(connection.agent) == agent)
    }

    /// Ends as lost what is open too long at `judged`.
    pub fn lose(&mut self, judged: EventTime) {
        let last = self.life.last;
        if last.plus(LOST_WRAPUP) <= judged {
            for index in 0..self.life.connections.len() {
                if self.life.connections[index].is_in_wrapup() {
                    self.life.connections[index].is_lost = true;
                    self.life.has_lost = true;
                    let whose = self.connected(index);
                    self.level(To::CONNECTION, whose, last.plus(LOST_WRAPUP), Measure::InWrapup, -1);
                    self.part(whose, last.plus(LOST_WRAPUP), Part::OnCallsLost, -1);
                }
            }
        }
        if last.plus(LOST_WAITING) <= judged {
            self.life.has_lost |= !self.life.rings.is_empty() || self.life.open_visit().is_some();
            if let Some(visit) = self.life.open_visit() {
                self.exit(visit, last.plus(LOST_WAITING), Exit::Lost);
            }
            self.end_rings(None, last.plus(LOST_WAITING), false);
        }
        if last.plus(LOST_TALKING) <= judged {
            while let Some(index) = self.life.open_connection(None) {
                let at = last.plus(LOST_TALKING);
                let connection = &mut self.life.connections[index];
                connection.is_lost = true;
                self.life.has_lost = true;
                let connection = &self.life.connections[index];
                let level = if connection.held_since.is_some() { Measure::OnHold } else { Measure::Talking };
                let whose = self.connected(index);
                self.level(To::CONNECTION, whose, at, level, -1);
                self.level(To::CONNECTION_WITHOUT_AGENT, whose, at, Measure::Concurrent, -1);
                self.part(whose, at, Part::OnCallsLost, -1);
            }
        }
    }

    fn nobody(&self) -> Whose<'a> {
        Whose { queue: None, agent: None, visit: None, since: self.at }
    }

    fn visitor(&self, visit: usize) -> Whose<'a> {
        Whose { queue: Some(self.life.visits[visit].queue), agent: None, visit: Some(visit), since: self.at }
    }

    fn connected(&self, index: usize) -> Whose<'a> {
        let Connection { agent, queue, visit, start, .. } = self.life.connections[index];
        Whose { queue, agent: Some(agent), visit, since: start }
    }

    /// Between queue and agent: for the queue of the open visit, whatever queue is named; with none,
    /// for the one that is named.
    fn on_the_way(&self, named: Option<&'a str>, agent: Option<&'a str>) -> Whose<'a> {
        let open = self.life.open_visit();
        let queue = open.map(|visit| self.life.visits[visit].queue).or(named);
        let visit = open.or_else(|| self.life.visits.len().checked_sub(1));
        Whose { queue, agent, visit, since: self.at }
    }

    fn count(&mut self, to: To, whose: Whose<'a>, measure: Measure) {
        self.fact(to, whose, self.at, measure, 1);
    }

    fn fact(&mut self, to: To, whose: Whose<'a>, at: EventTime, measure: Measure, amount: i64) {
        self.settle(to, whose, at, Key::measure(measure), amount);
    }

    fn duration(
        &mut self,
        to: To,
        whose: Whose<'a>,
        at: EventTime,
        distribution: Distribution,
        length: Span,
        amount: i64,
    ) {
        self.settle(to, whose, at, Key::duration(distribution, length.0), amount);
    }

    /// Books at the event, and by entry unless that is too long ago.
    fn settle(&mut self, to: To, whose: Whose<'a>, at: EventTime, key: Key, amount: i64) {
        let mut entry = None;
        if let Some(visit) = whose.visit {
            let entered = self.life.visits[visit].entry;
            if at.since(entered) <= self.plan.late_horizon {
                entry = Some(entered);
            } else if !self.life.visits[visit].is_unsettled {
                self.life.visits[visit].is_unsettled = true;
                let what = What::EntryFact(Key::measure(Measure::Unsettled));
                self.emit(To::VISIT, self.visitor(visit), entered, None, what, 1);
            }
        }
        if amount != 0 {
            self.emit(to, whose, at, entry, What::Fact(key), amount);
        }
    }

    fn level(&mut self, to: To, whose: Whose<'a>, at: EventTime, measure: Measure, amount: i64) {
        // Its maximum is taken at second boundaries: a change shows at the first that is not before it.
        let at = if measure == Measure::Concurrent { at.to_boundary() } else { at };
        self.emit(to, whose, at, None, What::Fact(Key::measure(measure)), amount);
    }

    /// A part of the call begins, goes on or ends for the agent.
    fn part(&mut self, whose: Whose<'a>, at: EventTime, part: Part, amount: i64) {
        self.emit(To::AGENT, whose, at, None, What::Part(part), amount);
    }

    fn waiting(&mut self, visit: usize, amount: i64) {
        let whose = self.visitor(visit);
        self.emit(To::VISIT, whose, self.life.visits[visit].entry, None, What::Waiting, amount);
    }

    fn emit(&mut self, to: To, whose: Whose<'a>, at: EventTime, entry: Option<EventTime>, what: What, amount: i64) {
        let Whose { queue, agent, since, .. } = whose;
        let channel = self.life.channel;
        (self.book)(Booking { to, queue, agent, channel, at, entry, since, what, amount });
    }
}
