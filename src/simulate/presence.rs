//! Presence: what each agent does, looked up on the floor and written into the books when it changes.

use super::floor::Floor;
use super::settings::QUEUES;
use super::truth::Doing;
use crate::time::EventTime;

/// What an agent does, and since when; none if he is not there.
pub(super) type Presence = Option<(Doing, EventTime)>;

impl Floor {
    /// Writes down what agents did until now, where they do something else from now on.
    pub(super) fn keep_time(&mut self) {
        let mut doing: Vec<Option<Doing>> = self
            .agents
            .iter()
            .map(|agent| match (agent.is_on_duty, agent.is_paused) {
                (false, _) => None,
                (true, true) => Some(Doing::Paused),
                (true, false) => Some(Doing::Available),
            })
            .collect();
        for ring in self.calls.values().filter_map(|call| call.ring) {
            doing[ring.agent] = Some(Doing::Ringing);
        }
        for leg in self.calls.values().flat_map(|call| &call.legs) {
            if leg.is_open || leg.wrapup_since.is_some() {
                doing[leg.agent] = Some(Doing::Handling);
            }
        }
        for (agent, doing) in doing.into_iter().enumerate() {
            let before = self.presences[agent];
            if before.map(|(doing, _)| doing) == doing {
                continue;
            }
            self.presences[agent] = doing.map(|doing| (doing, self.now));
            if let Some((doing, since)) = before {
                let skills = self.agents[agent].skills;
                let queues: Vec<usize> = (0..QUEUES).filter(|queue| skills[*queue]).collect();
                self.books.spent(agent, &queues, doing, since, self.now);
            }
        }
    }
}
