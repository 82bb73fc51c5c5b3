//! Arrivals: how contacts begin, up to the door of a queue.

use super::call::RingWhy;
use super::floor::{Act, CallNumber, Entrance, Floor, Outcome};
use super::settings::{BILLING, HOUR, MINUTE, SALES, SECOND, SUPPORT, VIP};
use crate::event::{BlockReason, CallEvent, Channel, Direction, EndedBy};

/// How many customers the centre has.
const CUSTOMERS: u64 = 20_000;

impl Floor {
    /// A contact begins, and the next one is planned.
    pub(super) fn contact(&mut self) {
        if self.contacts_left != u64::MAX {
            self.contacts_left -= 1;
        }
        if self.contacts_left != 0 {
            self.plan_contact();
        }
        let customer = self.chance.below(CUSTOMERS);
        match self.chance.below(1000) {
            0..40 => {
                if let Some(agent) = self.free_agent(None, None) {
                    let queue = (0..4).find(|queue| self.agents[agent].skills[*queue]);
                    let queue = queue.filter(|_| self.chance.happens(700));
                    return self.dial(agent, queue, customer, None);
                }
                self.arrive(customer);
            }
            40..58 => {
                let caller = self.free_agent(None, None);
                match caller.and_then(|caller| Some((caller, self.free_agent(None, Some(caller))?))) {
                    Some((caller, callee)) => self.call_colleague(caller, callee),
                    None => self.arrive(customer),
                }
            }
            58..103 => {
                let queue = *self.chance.pick(&[SALES, SUPPORT, SUPPORT, BILLING]);
                let queue = if self.takes_calls(queue) { queue } else { SUPPORT };
                self.write_in(Channel::Chat, queue, customer);
            }
            103..123 => self.write_in(Channel::Email, SUPPORT, customer),
            123..133 => self.write_in(Channel::Task, SUPPORT, customer),
            133..135 => {
                let call = self.begin(Channel::Voice, Direction::Inbound, Some(customer));
                self.block(call, None, BlockReason::NoTrunk);
            }
            _ => self.arrive(customer),
        }
    }

    /// Plans the next contact: exact for a Poisson process whose rate is constant within each hour.
    pub(super) fn plan_contact(&mut self) {
        let mut work = u128::from(self.chance.unit_exponential()) * (HOUR as u128 * 1000);
        let mut at = self.now;
        loop {
            let rate = u128::from(self.settings.rate_at(at)).max(1) << 32;
            let hour_left = HOUR - at.0.rem_euclid(HOUR);
            let needed = work / rate;
            if needed < hour_left as u128 {
                at.0 += needed as i64;
                break;
            }
            work -= rate * hour_left as u128;
            at.0 += hour_left;
        }
        self.plan(at.0 - self.now.0, Act::Contact);
    }

    pub(super) fn leave_menu(&mut self, number: CallNumber, goes_to: Option<usize>) {
        match goes_to {
            Some(queue) => self.knock(number, queue),
            None => {
                self.books.left_in_ivr(self.now);
                self.end(number, EndedBy::Caller);
            }
        }
    }

    /// Keeps the promise to call back: out of the queue, or dialled by an agent.
    pub(super) fn call_back(&mut self, root: CallNumber, queue: usize, tries_left: u8, customer: u64) {
        let root_id = self.call_id(root);
        let is_dialled = root.is_multiple_of(3);
        let agent = if is_dialled { self.free_agent(Some(queue), None) } else { None };
        if is_dialled && agent.is_none() && 0 < tries_left {
            let again = Act::CallBack { root, queue, tries_left: tries_left - 1, customer };
            return self.plan(2 * MINUTE, again);
        }
        self.callbacks_due -= 1;
        if let Some(agent) = agent {
            return self.dial(agent, Some(queue), customer, Some(root_id));
        }
        let call = self.begin(Channel::Voice, Direction::Inbound, Some(customer));
        self.root(call, root_id);
        self.enter(call, queue, Entrance::Callback);
    }

    pub(super) fn far_end(&mut self, number: CallNumber, is_answered: bool) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        if !is_answered {
            return self.end(number, EndedBy::Agent);
        }
        if let Some((agent, queue)) = call.dialling.take() {
            self.tell(number, queue, Some(agent), CallEvent::Answered { waited_ms: None });
            self.begin_leg(number, agent, queue, None);
        }
    }

    /// An agent who could take a call now, of those who serve the queue if one is named: the one who
    /// has been free longest.
    pub(super) fn free_agent(&self, queue: Option<usize>, but: Option<usize>) -> Option<usize> {
        let fits = |place: usize| {
            let agent = &self.agents[place];
            Some(place) != but && agent.can_take(Channel::Voice) && queue.is_none_or(|queue| agent.skills[queue])
        };
        (0..self.agents.len()).filter(|place| fits(*place)).min_by_key(|place| self.agents[*place].idle_since)
    }

    fn arrive(&mut self, customer: u64) {
        let is_vip = customer.is_multiple_of(16) && self.chance.happens(700);
        let intent = match self.chance.below(100) {
            _ if is_vip => VIP,
            0..32 => SALES,
            32..74 => SUPPORT,
            _ => BILLING,
        };
        let call = self.begin(Channel::Voice, Direction::Inbound, Some(customer));
        if self.chance.happens(80) {
            return self.knock(call, intent);
        }
        let dialled = Some(format!("+36155501{intent:02}").into());
        self.tell(call, None, None, CallEvent::Arrived { dialled });
        self.books.arrived(self.now);
        let menu = self.chance.between(4 * SECOND, 45 * SECOND);
        let goes_to = (!self.chance.happens(60)).then_some(intent);
        self.plan(menu, Act::LeaveMenu { call, goes_to });
    }

    fn write_in(&mut self, channel: Channel, queue: usize, customer: u64) {
        let call = self.begin(channel, Direction::Inbound, Some(customer));
        self.enter(call, queue, Entrance::Direct);
    }

    /// At the door of a queue: in, or turned away.
    fn knock(&mut self, number: CallNumber, queue: usize) {
        if !self.settings.is_open(queue, self.now) {
            self.block(number, Some(queue), BlockReason::Closed);
        } else if !self.is_staffed(queue) {
            self.block(number, Some(queue), BlockReason::NoAgents);
        } else if self.agents.len() / 8 + 2 <= self.lines[queue].len() {
            self.block(number, Some(queue), BlockReason::Full);
        } else {
            self.enter(number, queue, Entrance::Direct);
        }
    }

    fn block(&mut self, number: CallNumber, queue: Option<usize>, reason: BlockReason) {
        self.tell(number, queue, None, CallEvent::Blocked { reason: Some(reason) });
        self.books.blocked(self.now, queue, reason);
        self.end(number, EndedBy::System);
    }

    fn dial(&mut self, agent: usize, queue: Option<usize>, customer: u64, root_id: Option<String>) {
        let is_expected = root_id.is_some();
        let call = self.begin(Channel::Voice, Direction::Outbound, Some(customer));
        if let Some(root_id) = root_id {
            self.root(call, root_id);
        }
        if let Some(call) = self.calls.get_mut(&call) {
            call.dialling = Some((agent, queue));
        }
        self.agents[agent].take(Channel::Voice);
        let dialled = Some(format!("+3615{customer:07}").into());
        self.tell(call, queue, Some(agent), CallEvent::Dialled { dialled });
        let place = self.place(None, queue, Some(agent));
        self.books.dialled(place);
        let ring_time = self.chance.between(4 * SECOND, 25 * SECOND);
        let is_answered = self.chance.happens(if is_expected { 850 } else { 600 });
        self.plan(ring_time, Act::FarEnd { call, is_answered });
    }

    fn call_colleague(&mut self, caller: usize, callee: usize) {
        let call = self.begin(Channel::Voice, Direction::Internal, None);
        if let Some(call) = self.calls.get_mut(&call) {
            call.caller = Some(caller);
        }
        self.agents[caller].take(Channel::Voice);
        self.agents[callee].take(Channel::Voice);
        let (ring_time, outcome) = if self.chance.happens(880) {
            (self.chance.between(SECOND, 6 * SECOND), Outcome::Answered)
        } else {
            (self.chance.between(15 * SECOND, 20 * SECOND), Outcome::NoAnswer)
        };
        self.ring(call, callee, RingWhy::Internal, ring_time, outcome);
    }

    fn root(&mut self, number: CallNumber, root_id: String) {
        if let Some(call) = self.calls.get_mut(&number) {
            call.root_id = Some(root_id);
        }
    }
}
