//! Talking: connections with agents, hold, transfers, conferences and wrap-up.

use super::call::{Leg, RingWhy};
use super::floor::{Act, CallNumber, Entrance, Floor, Outcome};
use super::settings::{BILLING, HOUR, MINUTE, SALES, SECOND, SUPPORT, VIP};
use crate::event::{CallEvent, Channel, Direction, EndedBy, TransferKind};
use crate::time::EventTime;

impl Floor {
    /// The agent takes the call he was offered.
    pub(super) fn connect(&mut self, number: CallNumber, agent: usize, why: RingWhy) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(&number) else { return };
        let before = call.legs.last().map_or((None, None), |leg| (leg.queue, leg.entry));
        if why != RingWhy::Queue {
            let staying = call.legs.iter().rposition(|leg| leg.is_open);
            self.tell(number, None, Some(agent), CallEvent::Answered { waited_ms: None });
            if why == RingWhy::Transfer {
                let place = self.place(before.1, None, Some(agent));
                self.books.took_direct_transfer(place);
            }
            let talk = self.begin_leg(number, agent, before.0, before.1);
            if let Some(leg) = staying.filter(|_| self.chance.happens(500)) {
                let after = self.chance.between(1, talk);
                self.plan(after, Act::LeaveConference { call: number, leg });
            }
            return;
        }
        let Some(visit) = call.visit.take() else { return };
        self.leave_line(number, visit.queue);
        let waited = now.since(visit.entered).0;
        let waited_ms = self.chance.happens(800).then_some(waited);
        self.tell(number, Some(visit.queue), Some(agent), CallEvent::Answered { waited_ms });
        let place = self.place(Some(visit.entered), Some(visit.queue), Some(agent));
        if !visit.is_callback {
            self.books.answered(place, waited);
        }
        if visit.is_transferred {
            self.books.took_transferred_visit(place);
        }
        self.begin_leg(number, agent, Some(visit.queue), Some(visit.entered));
    }

    /// Opens a connection; how long it is meant to last.
    pub(super) fn begin_leg(
        &mut self,
        number: CallNumber,
        agent: usize,
        queue: Option<usize>,
        entry: Option<EventTime>,
    ) -> i64 {
        let (code, resolved) = (*self.chance.pick(codes(queue)), self.chance.happens(820));
        let pace = self.agents[agent].pace;
        let Some(call) = self.calls.get_mut(&number) else { return 0 };
        let median = match (call.channel, call.direction, queue) {
            (Channel::Chat, _, _) => 380 * SECOND,
            (Channel::Email | Channel::Task, _, _) => 280 * SECOND,
            (_, Direction::Internal, _) => 60 * SECOND,
            (_, Direction::Outbound, _) => 140 * SECOND,
            (_, _, Some(SUPPORT)) => 196 * SECOND,
            (_, _, Some(BILLING)) => 145 * SECOND,
            (_, _, Some(VIP)) => 215 * SECOND,
            _ => 182 * SECOND,
        };
        let is_held_often = call.channel == Channel::Voice && call.direction != Direction::Internal;
        let leg = call.legs.len();
        call.legs.push(Leg {
            agent,
            queue,
            entry,
            began: self.now,
            held_since: None,
            hold_ms: 0,
            was_held: false,
            talk_left: 0,
            is_open: true,
            wrapup_since: None,
            code,
            resolved,
        });
        let talk = (self.chance.lognormal(median, 650) * pace / 1000).clamp(3 * SECOND, 2 * HOUR);
        self.plan_talk(number, leg, talk, if is_held_often { 200 } else { 0 });
        talk
    }

    pub(super) fn hold(&mut self, number: CallNumber, leg: usize) {
        if !self.is_open(number, leg) {
            return;
        }
        self.put_on_hold(number, leg);
        let length = 3 * SECOND + self.chance.exponential(45 * SECOND);
        let hangs_up = self.chance.happens(40);
        self.plan(length.min(HOUR), Act::HoldOver { call: number, leg, hangs_up });
    }

    pub(super) fn hold_over(&mut self, number: CallNumber, leg: usize, hangs_up: bool) {
        if !self.is_open(number, leg) {
            return;
        }
        if hangs_up {
            return self.end(number, EndedBy::Caller);
        }
        self.take_off_hold(number, leg);
        let talk_left = self.calls[&number].legs[leg].talk_left;
        self.plan_talk(number, leg, talk_left, 150);
    }

    /// The agent has said what there was to say: he hands the call on, or it ends.
    pub(super) fn talk_over(&mut self, number: CallNumber, leg: usize) {
        if !self.is_open(number, leg) {
            return;
        }
        let call = &self.calls[&number];
        let is_alone = call.legs.iter().filter(|leg| leg.is_open).count() == 1;
        let (agent, queue) = (call.legs[leg].agent, call.legs[leg].queue);
        let may_be_handed_on = is_alone
            && call.channel == Channel::Voice
            && call.direction == Direction::Inbound
            && call.transfers < 3
            && call.ring.is_none();
        if let Some(queue) = queue.filter(|_| may_be_handed_on) {
            let is_handed_on = match self.chance.below(1000) {
                0..50 => self.hand_to_queue(number, leg, queue),
                50..58 => self.hand_outside(number, leg),
                58..72 => self.hand_to_agent(number, leg, agent),
                72..100 => self.consult(number, leg, agent),
                100..115 => self.confer(number, leg, agent),
                _ => false,
            };
            if is_handed_on {
                return;
            }
        }
        let by = match self.chance.below(100) {
            0..60 => EndedBy::Caller,
            60..98 => EndedBy::Agent,
            _ => EndedBy::System,
        };
        self.end(number, by);
    }

    /// The agents have spoken while the caller was on hold: the call goes over, or stays.
    pub(super) fn hand_over(&mut self, number: CallNumber, leg: usize, to: usize, is_agreed: bool) {
        if !is_agreed {
            self.take_off_hold(number, leg);
            let more = self.chance.between(5 * SECOND, MINUTE);
            self.plan(more, Act::TalkOver { call: number, leg });
            return self.release(to, Channel::Voice);
        }
        let to_agent = Some(self.agent_name(to));
        self.hand_on(number, leg, TransferKind::Attended, Target { to_agent, ..Target::default() });
        let after = self.chance.between(10, 300);
        self.plan(after, Act::RingDirect { call: number, agent: to, is_conference: false });
    }

    /// Rings an agent, who is taken already, past the queues.
    pub(super) fn ring_direct(&mut self, number: CallNumber, agent: usize, is_conference: bool) {
        let ring_time = self.chance.between(SECOND, 6 * SECOND);
        let (why, outcome) = match is_conference {
            true => (RingWhy::Conference, Outcome::Answered),
            false if self.chance.happens(30) => (RingWhy::Transfer, Outcome::CallerLeaves),
            false => (RingWhy::Transfer, Outcome::Answered),
        };
        self.ring(number, agent, why, ring_time, outcome);
    }

    /// The first agent leaves the others to talk: the source tells it by his wrap-up.
    pub(super) fn leave_conference(&mut self, number: CallNumber, leg: usize) {
        let is_staying = |call: &super::call::Call| call.legs.iter().filter(|leg| leg.is_open).count() == 2;
        if self.is_open(number, leg) && is_staying(&self.calls[&number]) {
            self.close_leg(number, leg);
            self.start_wrapup(number, leg);
        }
    }

    pub(super) fn wrapup_over(&mut self, number: CallNumber, leg: usize) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.wrapups -= 1;
        let (channel, is_over) = (call.channel, call.is_over);
        let wrapup_since = call.legs[leg].wrapup_since.take();
        let Leg { agent, queue, entry, code, resolved, .. } = call.legs[leg];
        let length = wrapup_since.map_or(0, |since| now.since(since).0);
        let resolved = Some(resolved);
        self.tell(number, None, Some(agent), CallEvent::WrapupEnded { code: Some(code.into()), resolved });
        let place = self.place(entry, queue, Some(agent));
        self.books.wrapped_up(place, length);
        self.forget_if_done(number);
        if is_over {
            return self.release(agent, channel);
        }
        // The call waits elsewhere and may come to him again: at another instant, or the wrap-up would
        // seem to follow the offer.
        self.plan(1, Act::Free { agent, channel });
    }

    /// The call is over for the caller. Who waits in a queue has left it before.
    pub(super) fn end(&mut self, number: CallNumber, by: EndedBy) {
        if self.calls.get(&number).is_none_or(|call| call.is_over) {
            return;
        }
        let rung = self.ring_in_vain(number);
        self.tell(number, None, None, CallEvent::Ended { by: Some(by) });
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.is_over = true;
        let channel = call.channel;
        let open: Vec<usize> = (0..call.legs.len()).filter(|leg| call.legs[*leg].is_open).collect();
        let dialling = call.dialling.take().map(|(agent, _)| agent);
        let freed: Vec<usize> = rung.into_iter().chain(dialling).chain(call.caller.take()).collect();
        for leg in &open {
            self.close_leg(number, *leg);
        }
        let mut without_wrapup = Vec::new();
        for leg in open {
            let agent = self.calls[&number].legs[leg].agent;
            if !self.wraps_up(number, leg) {
                without_wrapup.push(agent);
            }
        }
        self.forget_if_done(number);
        for agent in freed.into_iter().chain(without_wrapup) {
            self.release(agent, channel);
        }
    }

    fn hand_to_queue(&mut self, number: CallNumber, leg: usize, from: usize) -> bool {
        let Some(queue) = self.other_queue(from) else { return false };
        let to_queue = Some(self.queue_name(queue));
        self.hand_on(number, leg, TransferKind::Blind, Target { to_queue, ..Target::default() });
        let after = self.chance.between(20, 200);
        self.plan(after, Act::Enter { call: number, queue, via: Entrance::Transfer });
        true
    }

    fn hand_outside(&mut self, number: CallNumber, leg: usize) -> bool {
        let to_number = Some("+3618889999".into());
        self.hand_on(number, leg, TransferKind::Blind, Target { to_number, ..Target::default() });
        let after = self.chance.between(1, 50);
        self.plan(after, Act::End { call: number, by: EndedBy::System });
        true
    }

    fn hand_to_agent(&mut self, number: CallNumber, leg: usize, agent: usize) -> bool {
        let Some(to) = self.free_agent(None, Some(agent)) else { return false };
        self.agents[to].take(Channel::Voice);
        let to_agent = Some(self.agent_name(to));
        self.hand_on(number, leg, TransferKind::Blind, Target { to_agent, ..Target::default() });
        let after = self.chance.between(50, 500);
        self.plan(after, Act::RingDirect { call: number, agent: to, is_conference: false });
        true
    }

    /// Speaks with a colleague first, while the caller is on hold.
    fn consult(&mut self, number: CallNumber, leg: usize, agent: usize) -> bool {
        let Some(to) = self.free_agent(None, Some(agent)) else { return false };
        self.agents[to].take(Channel::Voice);
        self.put_on_hold(number, leg);
        let consulting = self.chance.between(5 * SECOND, 40 * SECOND);
        let is_agreed = self.chance.happens(930);
        self.plan(consulting, Act::HandOver { call: number, leg, to, is_agreed });
        true
    }

    fn confer(&mut self, number: CallNumber, leg: usize, agent: usize) -> bool {
        let Some(to) = self.free_agent(None, Some(agent)) else { return false };
        self.agents[to].take(Channel::Voice);
        let to_agent = Some(self.agent_name(to));
        self.hand_on(number, leg, TransferKind::Conference, Target { to_agent, ..Target::default() });
        let after = self.chance.between(50, 500);
        self.plan(after, Act::RingDirect { call: number, agent: to, is_conference: true });
        true
    }

    /// The agent hands the call on; unless it becomes a conference, his part is over.
    fn hand_on(&mut self, number: CallNumber, leg: usize, kind: TransferKind, target: Target) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.transfers += 1;
        let channel = call.channel;
        let Leg { agent, queue, entry, .. } = call.legs[leg];
        let Target { to_queue, to_agent, to_number } = target;
        self.tell(number, None, Some(agent), CallEvent::Transferred { kind, to_queue, to_agent, to_number });
        let place = self.place(entry, queue, Some(agent));
        self.books.transferred(place, kind);
        if kind == TransferKind::Conference {
            return;
        }
        self.close_leg(number, leg);
        if !self.wraps_up(number, leg) {
            self.release(agent, channel);
        }
    }

    /// Plans the end of so much talk, with a hold on the way so often in a thousand.
    fn plan_talk(&mut self, number: CallNumber, leg: usize, talk: i64, hold_per_mille: u64) {
        if talk < 4 * SECOND || !self.chance.happens(hold_per_mille) {
            return self.plan(talk, Act::TalkOver { call: number, leg });
        }
        let until_hold = self.chance.between(SECOND, talk - SECOND);
        if let Some(call) = self.calls.get_mut(&number) {
            call.legs[leg].talk_left = talk - until_hold;
        }
        self.plan(until_hold, Act::Hold { call: number, leg });
    }

    fn is_open(&self, number: CallNumber, leg: usize) -> bool {
        self.calls.get(&number).is_some_and(|call| call.legs[leg].is_open)
    }

    fn put_on_hold(&mut self, number: CallNumber, leg: usize) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let leg = &mut call.legs[leg];
        leg.held_since = Some(self.now);
        leg.was_held = true;
        let agent = leg.agent;
        self.tell(number, None, Some(agent), CallEvent::Held);
    }

    fn take_off_hold(&mut self, number: CallNumber, leg: usize) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let leg = &mut call.legs[leg];
        leg.hold_ms += leg.held_since.take().map_or(0, |since| self.now.since(since).0);
        let agent = leg.agent;
        self.tell(number, None, Some(agent), CallEvent::Resumed);
    }

    /// The connection is over: it is handled. A hold that is under way ends with it.
    fn close_leg(&mut self, number: CallNumber, leg: usize) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let leg = &mut call.legs[leg];
        leg.is_open = false;
        leg.hold_ms += leg.held_since.take().map_or(0, |since| self.now.since(since).0);
        let talk = self.now.since(leg.began).0 - leg.hold_ms;
        let Leg { agent, queue, entry, hold_ms, was_held, .. } = *leg;
        let place = self.place(entry, queue, Some(agent));
        self.books.handled(place, talk, hold_ms, was_held);
    }

    /// Starts the after-call work, if there is any.
    fn wraps_up(&mut self, number: CallNumber, leg: usize) -> bool {
        let call = &self.calls[&number];
        let often = match (call.channel, call.direction) {
            (_, Direction::Internal) => 0,
            (Channel::Voice, Direction::Inbound) => 870,
            _ => 600,
        };
        let does = self.chance.happens(often);
        if does {
            self.start_wrapup(number, leg);
        }
        does
    }

    fn start_wrapup(&mut self, number: CallNumber, leg: usize) {
        let is_coded = self.chance.happens(300);
        let length = self.chance.lognormal(36 * SECOND, 600);
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.wrapups += 1;
        let it = &mut call.legs[leg];
        it.wrapup_since = Some(self.now);
        let (agent, code) = (it.agent, it.code);
        let code = is_coded.then(|| code.into());
        self.tell(number, None, Some(agent), CallEvent::WrapupStarted { code, resolved: None });
        let length = (length * self.agents[agent].pace / 1000).clamp(SECOND, 20 * MINUTE);
        self.plan(length, Act::WrapupOver { call: number, leg });
    }

    /// Nothing more will happen to the call.
    fn forget_if_done(&mut self, number: CallNumber) {
        if self.calls.get(&number).is_some_and(|call| call.is_over && call.wrapups == 0) {
            self.calls.remove(&number);
        }
    }
}

/// Where a call is handed on to.
#[derive(Default)]
struct Target {
    to_queue: Option<std::borrow::Cow<'static, str>>,
    to_agent: Option<std::borrow::Cow<'static, str>>,
    to_number: Option<std::borrow::Cow<'static, str>>,
}

/// What an agent may note down after a call.
fn codes(queue: Option<usize>) -> &'static [&'static str] {
    match queue {
        Some(SALES) => &["sale", "no_sale", "will_call_again"],
        Some(SUPPORT) => &["fixed", "ticket", "escalated"],
        Some(BILLING) => &["paid", "explained", "dispute"],
        _ => &["served", "passed_on"],
    }
}
