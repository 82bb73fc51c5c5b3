//! An agent of the simulated centre: skills, pace, shift, and what he is doing.

use super::chance::Chance;
use super::settings::{BILLING, DAY, HOUR, QUEUES, SALES, SUPPORT, SimSettings, VIP};
use crate::event::Channel;
use crate::time::EventTime;

/// When the shifts of 24 agents begin, by hour of the day, UTC.
const SHIFTS: [i64; 24] = [6, 6, 7, 7, 8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 11, 12, 13, 14, 14, 15, 22, 22, 22, 23];
pub(super) const SHIFT_LENGTH: i64 = 8 * HOUR;

/// Who serves what; dealt out in turn, so that every shift can serve every queue that is open.
const SKILLS: [&[usize]; 8] = [
    &[SALES, SUPPORT, VIP],
    &[SALES, SUPPORT],
    &[SUPPORT, BILLING, VIP],
    &[SALES, SUPPORT, VIP],
    &[SALES, BILLING],
    &[SUPPORT, VIP],
    &[SALES, BILLING],
    &[SUPPORT, BILLING, VIP],
];

/// Chats an agent holds at once.
const CHATS: u32 = 2;

pub(super) struct Agent {
    pub name: String,
    pub skills: [bool; QUEUES],
    /// How long his talk and wrap-up take, in thousandths of the usual.
    pub pace: i64,
    /// The hour of the day his shift begins.
    pub shift_hour: i64,
    pub is_on_duty: bool,
    pub is_paused: bool,
    /// Tells one login from another.
    pub session: u32,
    /// Tells one pause from another.
    pub pauses: u32,
    /// The start of the shift that is under way, or of the next.
    pub shift_start: i64,
    pub wish: Option<Wish>,
    pub idle_since: EventTime,
    /// With a call, mail or task, which leave room for nothing else; from the offer to the end of the wrap-up.
    pub is_taken: bool,
    pub chats: u32,
}

/// What he will do as soon as he is free.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Pause { reason: &'static str, length: i64 },
    GoHome,
}

impl Agent {
    pub(super) fn team(settings: &SimSettings, chance: &mut Chance) -> Vec<Agent> {
        let count = settings.agents();
        let agent = |place: usize| Agent {
            name: format!("agent-{:02}", place + 1),
            skills: skills(place, count),
            pace: chance.between(850, 1180),
            shift_hour: SHIFTS[place * SHIFTS.len() / count],
            is_on_duty: false,
            is_paused: false,
            session: 0,
            pauses: 0,
            shift_start: 0,
            wish: None,
            idle_since: settings.start,
            is_taken: false,
            chats: 0,
        };
        (0..count).map(agent).collect()
    }

    pub(super) fn is_idle(&self) -> bool {
        !self.is_taken && self.chats == 0
    }

    /// Whether he can be offered a contact of the channel now.
    pub(super) fn can_take(&self, channel: Channel) -> bool {
        let is_free = if channel == Channel::Chat { !self.is_taken && self.chats < CHATS } else { self.is_idle() };
        is_free && self.is_on_duty && !self.is_paused && self.wish.is_none()
    }

    pub(super) fn take(&mut self, channel: Channel) {
        match channel {
            Channel::Chat => self.chats += 1,
            _ => self.is_taken = true,
        }
    }

    /// The start of the shift that holds the instant, or of the next one.
    pub(super) fn shift_at(&self, at: EventTime) -> i64 {
        let today = at.0 - at.0.rem_euclid(DAY) + self.shift_hour * HOUR;
        if at.0 < today - DAY + SHIFT_LENGTH {
            today - DAY
        } else if at.0 < today + SHIFT_LENGTH {
            today
        } else {
            today + DAY
        }
    }
}

fn skills(place: usize, count: usize) -> [bool; QUEUES] {
    let mut skills = [false; QUEUES];
    if count < SHIFTS.len() {
        return [true; QUEUES];
    }
    for queue in SKILLS[place % SKILLS.len()] {
        skills[*queue] = true;
    }
    skills
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_shift_is_found_on_both_sides_of_midnight() {
        let settings = SimSettings::default();
        let team = Agent::team(&settings, &mut Chance::new(1));
        let night = team.iter().find(|agent| agent.shift_hour == 22).unwrap();
        let midnight = settings.start.0;
        assert_eq!(night.shift_at(EventTime(midnight)), midnight - 2 * HOUR);
        assert_eq!(night.shift_at(EventTime(midnight + 6 * HOUR)), midnight + 22 * HOUR);
        assert_eq!(night.shift_at(EventTime(midnight + 23 * HOUR)), midnight + 22 * HOUR);
    }

    #[test]
    fn every_open_queue_has_an_agent_at_every_hour() {
        let settings = SimSettings::default();
        let team = Agent::team(&settings, &mut Chance::new(1));
        for hour in 0..24 {
            let at = EventTime(settings.start.0 + hour * HOUR + 1);
            for queue in (0..QUEUES).filter(|queue| settings.is_open(*queue, at)) {
                let serves = |agent: &Agent| agent.skills[queue] && agent.shift_at(at) <= at.0;
                assert!(team.iter().any(serves), "{} at {hour}", settings.queues[queue]);
            }
        }
    }
}
