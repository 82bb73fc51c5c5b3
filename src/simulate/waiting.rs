//! Waiting: entering a queue, being offered to agents, and leaving without an answer.

use super::agent::Wish;
use super::call::{Call, Ring, RingWhy, Visit};
use super::floor::{Act, CallNumber, Entrance, Floor, Outcome};
use super::settings::{BILLING, HOUR, MINUTE, QUEUES, SALES, SECOND, SUPPORT, VIP};
use super::truth::Refusal;
use crate::event::{CallEvent, Channel, EndedBy, LeaveReason, RingEndReason};
use std::cmp::Reverse;

/// How long callers would wait, on average.
const PATIENCE: i64 = 3 * MINUTE;

impl Floor {
    pub(super) fn enter(&mut self, number: CallNumber, queue: usize, via: Entrance) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(&number).filter(|call| !call.is_over) else { return };
        call.visits += 1;
        call.entry = Some(now);
        let is_transferred = via == Entrance::Transfer;
        let visit = Visit {
            number: call.visits,
            queue,
            entered: now,
            is_callback: via == Entrance::Callback,
            is_transferred,
            is_routable: true,
        };
        call.visit = Some(visit);
        let (channel, priority) = (call.channel, priority(call, visit));
        let position = self.line_up(number, queue);
        let priority = (priority != 0).then_some(priority);
        self.tell(number, Some(queue), None, CallEvent::Queued { priority, position: Some(position), via: via.via() });
        let place = self.place(Some(now), Some(queue), None);
        if visit.is_callback {
            self.books.callback_entered(place);
        } else {
            self.books.entered(place, is_transferred);
        }
        self.plan_patience(number, visit, channel);
        self.route(number);
    }

    /// The caller hangs up, or a mail is withdrawn.
    pub(super) fn give_up(&mut self, number: CallNumber, visit: u32) {
        let Some((call, visit)) = self.waiting(number, visit) else { return };
        if visit.is_callback || !matches!(call.channel, Channel::Voice | Channel::Chat) {
            return self.turn_out(number, LeaveReason::Withdrawn);
        }
        // Some sources say that the caller left the queue, others only that the call is over.
        let is_told = self.chance.happens(700);
        self.leave(number, LeaveReason::Abandoned, is_told);
        self.end(number, EndedBy::Caller);
    }

    /// "To be called back, press 1": some do.
    pub(super) fn offer_choice(&mut self, number: CallNumber, visit: u32) {
        let Some((call, visit)) = self.waiting(number, visit) else { return };
        if call.ring.is_some() {
            return;
        }
        let customer = call.customer.unwrap_or(0);
        match self.chance.below(100) {
            0..22 => {
                self.turn_out(number, LeaveReason::Callback);
                let after = self.chance.between(10 * MINUTE, 80 * MINUTE);
                self.callbacks_due += 1;
                let (queue, tries_left) = (visit.queue, 15);
                self.plan(after, Act::CallBack { root: number, queue, tries_left, customer });
            }
            22..26 => {
                self.leave(number, LeaveReason::Voicemail, true);
                let message = self.chance.between(5 * SECOND, 60 * SECOND);
                self.plan(message, Act::End { call: number, by: EndedBy::Caller });
            }
            26..29 => {
                self.leave(number, LeaveReason::Key, true);
                let listening = self.chance.between(3 * SECOND, 90 * SECOND);
                let other = self.other_queue(visit.queue).filter(|_| self.chance.happens(500));
                let act = match other {
                    Some(queue) => Act::Enter { call: number, queue, via: Entrance::Direct },
                    None => Act::End { call: number, by: EndedBy::Caller },
                };
                self.plan(listening, act);
            }
            _ => {}
        }
    }

    /// Waited long: on to a queue with other agents.
    pub(super) fn overflow(&mut self, number: CallNumber, visit: u32) {
        let Some((call, visit)) = self.waiting(number, visit) else { return };
        if call.ring.is_some() || 2 < call.visits {
            return;
        }
        let queue = match visit.queue {
            SALES | BILLING | VIP => SUPPORT,
            _ => BILLING,
        };
        if !self.takes_calls(queue) {
            return;
        }
        // Some sources only say that the call entered the other queue.
        if self.chance.happens(400) {
            self.leave(number, LeaveReason::Overflow, false);
            self.enter(number, queue, Entrance::Direct);
        } else {
            self.leave(number, LeaveReason::Overflow, true);
            let after = self.chance.between(5, 60);
            self.plan(after, Act::Enter { call: number, queue, via: Entrance::Direct });
        }
    }

    pub(super) fn time_out(&mut self, number: CallNumber, visit: u32) {
        let Some((call, visit)) = self.waiting(number, visit) else { return };
        if call.ring.is_some() {
            return self.plan(20 * SECOND, Act::TimeOut { call: number, visit: visit.number });
        }
        self.turn_out(number, LeaveReason::Timeout);
    }

    /// A trunk breaks while the call waits.
    pub(super) fn line_fails(&mut self, number: CallNumber, visit: u32) {
        if self.waiting(number, visit).is_some() {
            let is_told = self.chance.happens(500);
            self.leave(number, LeaveReason::System, is_told);
            self.end(number, EndedBy::System);
        }
    }

    /// The centre ends the wait, and with it the call.
    pub(super) fn turn_out(&mut self, number: CallNumber, reason: LeaveReason) {
        self.leave(number, reason, true);
        self.end(number, EndedBy::System);
    }

    pub(super) fn route_again(&mut self, number: CallNumber, visit: u32) {
        if self.waiting(number, visit).is_none() {
            return;
        }
        let open = self.calls.get_mut(&number).and_then(|call| call.visit.as_mut());
        if let Some(open) = open {
            open.is_routable = true;
        }
        self.route(number);
    }

    /// Offers the agent the contacts that wait longest for him, as many as he can take.
    pub(super) fn serve(&mut self, agent: usize) {
        loop {
            let it = &self.agents[agent];
            let mut best = None;
            for queue in (0..QUEUES).filter(|queue| it.skills[*queue]) {
                let takes = |call: &&CallNumber| {
                    let call = &self.calls[*call];
                    call.ring.is_none()
                        && call.visit.is_some_and(|visit| visit.is_routable)
                        && it.can_take(call.channel)
                };
                let first = self.lines[queue].iter().find(takes);
                best = best.into_iter().chain(first.map(|call| (self.rank(*call), *call))).min();
            }
            let Some((_, call)) = best else { return };
            self.ring_for_queue(call, agent);
        }
    }

    pub(super) fn ring_over(&mut self, number: CallNumber, ring: u32, outcome: Outcome) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let Some(Ring { agent, why, .. }) = call.ring.filter(|open| open.number == ring) else { return };
        if outcome == Outcome::Answered {
            call.ring = None;
            return self.connect(number, agent, why);
        }
        if outcome == Outcome::CallerLeaves {
            return self.end(number, EndedBy::Caller);
        }
        call.ring = None;
        let reason = match outcome {
            Outcome::Rejected => RingEndReason::Rejected,
            Outcome::Failed => RingEndReason::Error,
            _ => RingEndReason::NoAnswer,
        };
        let (channel, entry, queue, visit) = (call.channel, call.entry, call.visit_queue(), call.visits);
        if let Some(visit) = call.visit.as_mut() {
            visit.is_routable = false;
        }
        self.tell(number, queue, Some(agent), CallEvent::RingEnded { reason });
        let place = self.place(entry, queue, Some(agent));
        self.books.refused(place, Refusal::ByAgent);
        if why == RingWhy::Queue {
            let after = self.chance.between(200, 800);
            self.plan(after, Act::Route { call: number, visit });
        } else {
            self.end(number, EndedBy::Agent);
        }
        // Who does not pick up is set aside for a while.
        if outcome == Outcome::NoAnswer && self.agents[agent].wish.is_none() {
            let length = self.chance.between(30 * SECOND, 60 * SECOND);
            self.agents[agent].wish = Some(Wish::Pause { reason: "no_answer", length });
        }
        self.release(agent, channel);
    }

    /// Starts an offer to an agent, who is taken from now on.
    pub(super) fn ring(&mut self, number: CallNumber, agent: usize, why: RingWhy, ring_time: i64, outcome: Outcome) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.rings += 1;
        let ring = call.rings;
        call.ring = Some(Ring { number: ring, agent, why });
        let (entry, queue) = (call.entry, call.visit_queue());
        self.tell(number, queue, Some(agent), CallEvent::Ringing);
        let place = self.place(entry, queue, Some(agent));
        self.books.rang(place);
        self.plan(ring_time, Act::RingOver { call: number, ring, outcome });
    }

    /// Takes an offer back since the caller is gone. The agent is to be released by the caller of this.
    pub(super) fn ring_in_vain(&mut self, number: CallNumber) -> Option<usize> {
        let call = self.calls.get_mut(&number)?;
        let ring = call.ring.take()?;
        let (entry, queue) = (call.entry, call.visit_queue());
        self.tell(number, queue, Some(ring.agent), CallEvent::RingEnded { reason: RingEndReason::CallerLeft });
        let place = self.place(entry, queue, Some(ring.agent));
        self.books.refused(place, Refusal::CallerLeft);
        Some(ring.agent)
    }

    pub(super) fn leave_line(&mut self, number: CallNumber, queue: usize) {
        self.lines[queue].retain(|waiting| *waiting != number);
    }

    /// Whether the queue is open and somebody serves it.
    pub(super) fn takes_calls(&self, queue: usize) -> bool {
        self.settings.is_open(queue, self.now) && self.is_staffed(queue)
    }

    /// Some other queue that takes calls.
    pub(super) fn other_queue(&mut self, than: usize) -> Option<usize> {
        let others: Vec<usize> = (0..QUEUES).filter(|queue| *queue != than && self.takes_calls(*queue)).collect();
        if others.is_empty() { None } else { Some(*self.chance.pick(&others)) }
    }

    /// The call if it still waits in this visit.
    fn waiting(&self, number: CallNumber, visit: u32) -> Option<(&Call, Visit)> {
        let call = self.calls.get(&number)?;
        let open = call.visit.filter(|open| open.number == visit)?;
        Some((call, open))
    }

    /// Ends the visit without an answer. `is_told` says whether the source tells it apart from what follows.
    fn leave(&mut self, number: CallNumber, reason: LeaveReason, is_told: bool) {
        let Some(visit) = self.calls.get(&number).and_then(|call| call.visit) else { return };
        self.leave_line(number, visit.queue);
        let rung = self.ring_in_vain(number);
        let waited = self.now.since(visit.entered).0;
        if is_told {
            let waited_ms = self.chance.happens(800).then_some(waited);
            self.tell(number, Some(visit.queue), None, CallEvent::LeftQueue { reason, waited_ms });
        }
        if !visit.is_callback {
            let place = self.place(Some(visit.entered), Some(visit.queue), None);
            self.books.left(place, reason, waited);
        }
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.visit = None;
        let channel = call.channel;
        if let Some(agent) = rung {
            self.release(agent, channel);
        }
    }

    /// Plans what ends the wait if no agent does.
    fn plan_patience(&mut self, call: CallNumber, visit: Visit, channel: Channel) {
        let visit_number = visit.number;
        let gives_up = |after: i64| (after, Act::GiveUp { call, visit: visit_number });
        if visit.is_callback {
            let (after, act) = gives_up(HOUR);
            return self.plan(after, act);
        }
        let (after, act) = match channel {
            // A few hang up as soon as they hear that they have to wait.
            Channel::Voice if self.chance.happens(15) => gives_up(self.chance.between(500, 8 * SECOND)),
            Channel::Voice => gives_up(2 * SECOND + self.chance.exponential(PATIENCE)),
            Channel::Chat => gives_up(10 * SECOND + self.chance.exponential(2 * PATIENCE)),
            _ => gives_up(self.chance.between(50 * MINUTE, 95 * MINUTE)),
        };
        self.plan(after, act);
        if channel != Channel::Voice {
            return;
        }
        let offered_after = self.chance.between(60 * SECOND, 90 * SECOND);
        self.plan(offered_after, Act::OfferChoice { call, visit: visit_number });
        if self.chance.happens(600) {
            self.plan(150 * SECOND, Act::Overflow { call, visit: visit_number });
        }
        self.plan(6 * MINUTE, Act::TimeOut { call, visit: visit_number });
        if self.chance.happens(3) {
            let after = self.chance.exponential(15 * SECOND);
            self.plan(after, Act::LineFails { call, visit: visit_number });
        }
    }

    /// Offers a waiting call to the agent who has been free longest.
    fn route(&mut self, number: CallNumber) {
        let Some(call) = self.calls.get(&number) else { return };
        let Some(visit) = call.visit.filter(|visit| visit.is_routable && call.ring.is_none()) else { return };
        let free = self.agents.iter().enumerate();
        let free = free.filter(|(_, agent)| agent.skills[visit.queue] && agent.can_take(call.channel));
        let longest_free = free.min_by_key(|(place, agent)| (agent.idle_since, *place)).map(|(place, _)| place);
        if let Some(agent) = longest_free {
            self.ring_for_queue(number, agent);
        }
    }

    fn ring_for_queue(&mut self, number: CallNumber, agent: usize) {
        let channel = self.calls[&number].channel;
        self.agents[agent].take(channel);
        let (ring_time, outcome) = match self.chance.below(1000) {
            0..22 => (self.chance.between(15 * SECOND, 20 * SECOND), Outcome::NoAnswer),
            22..34 => (self.chance.between(800, 4 * SECOND), Outcome::Rejected),
            34..37 => (self.chance.between(50, SECOND), Outcome::Failed),
            _ => (self.chance.lognormal(2_200, 450).clamp(300, 14 * SECOND), Outcome::Answered),
        };
        self.ring(number, agent, RingWhy::Queue, ring_time, outcome);
    }

    /// Puts the call into line; its position, from 1.
    fn line_up(&mut self, number: CallNumber, queue: usize) -> i64 {
        let rank = self.rank(number);
        let place = self.lines[queue].partition_point(|before| self.rank(*before) <= rank);
        self.lines[queue].insert(place, number);
        place as i64 + 1
    }

    /// Who is first in line: the higher priority, then the earlier entry.
    fn rank(&self, number: CallNumber) -> (Reverse<i64>, i64) {
        let call = &self.calls[&number];
        call.visit.map_or((Reverse(0), 0), |visit| (Reverse(priority(call, visit)), visit.entered.0))
    }
}

fn priority(call: &Call, visit: Visit) -> i64 {
    match call.channel {
        Channel::Email | Channel::Task => -5,
        _ if visit.queue == VIP => 10,
        _ if visit.is_transferred => 5,
        _ => 0,
    }
}
