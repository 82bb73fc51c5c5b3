//! Duty: agents come, take their breaks and go home, and are offered calls while they are there.

use super::agent::{SHIFT_LENGTH, Wish};
use super::floor::{Act, Floor};
use super::settings::{HOUR, MINUTE, QUEUES, SECOND, Shape};
use crate::event::{AgentState, Channel, LeaveReason, What};
use crate::time::EventTime;

impl Floor {
    /// Plans each agent's first login.
    pub(super) fn plan_shifts(&mut self) {
        for agent in 0..self.agents.len() {
            let shift_start = self.agents[agent].shift_at(self.now);
            self.agents[agent].shift_start = shift_start;
            let after = match self.settings.shape {
                Shape::Flat => 0,
                Shape::Daily => (shift_start - self.now.0).max(0),
            };
            self.plan(after, Act::LogIn { agent });
        }
    }

    pub(super) fn log_in(&mut self, agent: usize) {
        let now = self.now;
        let it = &mut self.agents[agent];
        it.is_on_duty = true;
        it.is_paused = false;
        it.session += 1;
        let (session, shift_start) = (it.session, it.shift_start);
        for queue in (0..QUEUES).filter(|queue| self.agents[agent].skills[*queue]).collect::<Vec<_>>() {
            self.tell_of_agent(agent, Some(queue), What::AgentJoined);
        }
        self.tell_state(agent, AgentState::Available, None);
        match self.settings.shape {
            Shape::Flat => self.plan_flat_break(agent, 1 + agent as i64 * 2 * HOUR / self.agents.len() as i64),
            Shape::Daily => {
                for (hours, reason, length) in [(2, "break", 15), (4, "lunch", 30), (6, "break", 15)] {
                    let at = shift_start + hours * HOUR + self.chance.between(-30 * MINUTE, 30 * MINUTE);
                    if now.0 < at {
                        self.plan(at - now.0, Act::Break { agent, session, reason, length: length * MINUTE });
                    }
                }
                let stays = shift_start + SHIFT_LENGTH + self.chance.between(0, 8 * MINUTE) - now.0;
                self.plan(stays.max(SECOND), Act::LogOut { agent, session });
            }
        }
        self.agents[agent].idle_since = now;
        self.settle(agent);
    }

    pub(super) fn take_break(&mut self, agent: usize, session: u32, reason: &'static str, length: i64) {
        let it = &mut self.agents[agent];
        if !it.is_on_duty || it.session != session {
            return;
        }
        if it.wish.is_none() {
            it.wish = Some(Wish::Pause { reason, length });
            self.settle(agent);
        }
        if self.settings.shape == Shape::Flat {
            self.plan_flat_break(agent, 2 * HOUR);
        }
    }

    pub(super) fn return_to_work(&mut self, agent: usize, pause: u32) {
        let it = &mut self.agents[agent];
        if !it.is_on_duty || !it.is_paused || it.pauses != pause {
            return;
        }
        it.is_paused = false;
        it.idle_since = self.now;
        self.tell_state(agent, AgentState::Available, None);
        self.settle(agent);
    }

    pub(super) fn shift_over(&mut self, agent: usize, session: u32) {
        let it = &mut self.agents[agent];
        if it.is_on_duty && it.session == session {
            it.wish = Some(Wish::GoHome);
            self.settle(agent);
        }
    }

    /// The agent is done with a contact, or with an offer that came to nothing.
    pub(super) fn release(&mut self, agent: usize, channel: Channel) {
        let it = &mut self.agents[agent];
        match channel {
            Channel::Chat => it.chats -= 1,
            _ => it.is_taken = false,
        }
        it.idle_since = self.now;
        self.settle(agent);
    }

    /// Does what the agent wished for, if he is free, or finds him a contact that waits.
    pub(super) fn settle(&mut self, agent: usize) {
        let it = &self.agents[agent];
        if !it.is_on_duty {
            return;
        }
        match it.wish {
            Some(Wish::GoHome) if it.is_idle() => self.log_out(agent),
            Some(Wish::Pause { reason, length }) if it.is_idle() && !it.is_paused => self.pause(agent, reason, length),
            _ => self.serve(agent),
        }
    }

    pub(super) fn pause(&mut self, agent: usize, reason: &'static str, length: i64) {
        let it = &mut self.agents[agent];
        it.is_paused = true;
        it.pauses += 1;
        it.wish = it.wish.filter(|wish| *wish == Wish::GoHome);
        let pause = it.pauses;
        self.tell_state(agent, AgentState::Paused, Some(reason));
        self.plan(length, Act::Return { agent, pause });
    }

    /// The last contact is over: everybody goes home.
    pub(super) fn close(&mut self) {
        for agent in 0..self.agents.len() {
            if self.agents[agent].is_on_duty {
                self.tell_logout(agent);
            }
        }
    }

    /// Whether anybody on duty serves the queue.
    pub(super) fn is_staffed(&self, queue: usize) -> bool {
        self.agents.iter().any(|agent| agent.is_on_duty && agent.skills[queue])
    }

    fn log_out(&mut self, agent: usize) {
        self.tell_logout(agent);
        let it = &mut self.agents[agent];
        it.shift_start = it.shift_at(self.now);
        let until = EventTime(it.shift_start + self.chance.between(0, 6 * MINUTE));
        self.plan((until.0 - self.now.0).max(MINUTE), Act::LogIn { agent });
        for queue in 0..QUEUES {
            if !self.agents[agent].skills[queue] || self.is_staffed(queue) {
                continue;
            }
            for call in self.lines[queue].clone() {
                if self.calls[&call].channel == Channel::Voice {
                    self.turn_out(call, LeaveReason::NoAgents);
                }
            }
        }
    }

    fn tell_logout(&mut self, agent: usize) {
        let it = &mut self.agents[agent];
        it.is_on_duty = false;
        it.is_paused = false;
        it.wish = None;
        for queue in (0..QUEUES).filter(|queue| self.agents[agent].skills[*queue]).collect::<Vec<_>>() {
            self.tell_of_agent(agent, Some(queue), What::AgentLeft);
        }
        self.tell_state(agent, AgentState::LoggedOut, None);
    }

    fn tell_state(&mut self, agent: usize, state: AgentState, reason: Option<&'static str>) {
        self.tell_of_agent(agent, None, What::AgentState { state, reason: reason.map(Into::into) });
    }

    fn plan_flat_break(&mut self, agent: usize, after: i64) {
        let session = self.agents[agent].session;
        self.plan(after, Act::Break { agent, session, reason: "break", length: 10 * MINUTE });
    }
}
