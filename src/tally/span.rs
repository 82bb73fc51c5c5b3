//! Time spent: how long agents were in each state within a window, to the millisecond.
//!
//! ```text
//! agents      ┌──2──┐           a change at t of n agents is kept as n (agents) and n * t (moments)
//!        ──1──┘     └──1──┐
//! ───────┤a         b├────┴──   time in [a, b) = agents before a * (b - a) + b * agents changed - moments
//! ```
//!
//! Both add, in any order, so that windows slide and intervals add up as with any fact, and a state that
//! lasts for hours costs what its two ends cost. What lasts is counted up to `as_of`: of changes after it
//! each is kept until it is passed.

use super::intervals::{Finder, Kept};
use super::sums::Sums;
use super::tally::{Booked, Shape, Tally};
use crate::calendar::{Interval, Length};
use crate::entity::Entity;
use crate::fact::{Facts, Family, Key, Reason, Standing};
use crate::time::EventTime;
use smallvec::SmallVec;
use std::ops::Range;

/// Milliseconds in each state, over the agents of an entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeSpent {
    by_standing: [i64; Standing::ALL.len()],
    /// Paused time by reason; what had none is in none of them.
    pub by_reason: Vec<(Reason, i64)>,
}

impl TimeSpent {
    pub fn of(&self, standing: Standing) -> i64 {
        self.by_standing[standing as usize]
    }

    /// Logged in, which is in one state or another.
    pub fn login(&self) -> i64 {
        self.by_standing.iter().sum()
    }
}

/// Intervals of one length that are told though nothing happened in them: more than any state lasts.
const FILLED_MAX: usize = 100_000;

/// What is known of one window, for every key alike.
struct Stretch<'t> {
    window: Range<i64>,
    as_of: i64,
    /// The changes within the window.
    inside: &'t Sums,
    /// How many agents all changes after the window come to.
    after: Facts,
}

impl Tally {
    /// Adds changes of how many agents are in which state, at one instant.
    pub fn add_time(&mut self, shape: &Shape, finder: &mut Finder, of: &Entity, at: EventTime, facts: &[(Key, i64)]) {
        let mut both: SmallVec<[(Key, i64); 8]> = SmallVec::new();
        for (key, amount) in facts {
            let Some(moments) = key.moments() else { continue };
            both.push((*key, *amount));
            both.push((moments, amount * at.0));
            if self.reached.is_none_or(|reached| reached < at) {
                self.add_ahead(at, *key, *amount);
            }
        }
        self.add(shape, finder, of, Booked { family: Family::Event, second: at.second().0, facts: &both });
    }

    /// `as_of` is at least this, and stays so: changes up to it need not be known one by one.
    pub fn reach(&mut self, as_of: EventTime) {
        if self.reached.is_some_and(|reached| as_of <= reached) {
            return;
        }
        self.reached = Some(as_of);
        self.ahead = self.ahead.split_off(&(EventTime(as_of.0 + 1), Key::FIRST));
    }

    /// Up to when changes are not known one by one.
    pub fn reached(&self) -> Option<EventTime> {
        self.reached
    }

    pub fn restore_reached(&mut self, reached: Option<EventTime>) {
        self.reached = reached;
    }

    /// The changes within `[from, to)` that are known one by one.
    pub fn ahead_within(&self, within: Range<EventTime>) -> impl Iterator<Item = (EventTime, Key, i64)> {
        let within = self.ahead.range((within.start, Key::FIRST)..(within.end, Key::FIRST));
        within.map(|((at, key), amount)| (*at, *key, *amount))
    }

    /// Puts back what [`Tally::ahead_within`] told; what is reached by now does no harm.
    pub fn add_ahead(&mut self, at: EventTime, key: Key, amount: i64) {
        let change = self.ahead.entry((at, key)).or_default();
        *change += amount;
        if *change == 0 {
            self.ahead.remove(&(at, key));
        }
    }

    /// How many agents are in a state, by every change known.
    pub fn agents(&self, standing: Standing) -> i64 {
        self.total.get(standing.agents())
    }

    /// Whether any agent is in any state, so that time passes.
    pub fn has_agents(&self) -> bool {
        Standing::ALL.iter().any(|standing| self.agents(*standing) != 0)
    }

    /// Whether any agent was in any state where one of so many sliding windows begins, so that it holds less time as it moves.
    pub fn loses_time(&self, windows: usize) -> bool {
        let Some(end) = self.panes.end() else { return false };
        let beyond =
            |key: Key| -> i64 { self.ahead_of(key, EventTime(end * 1000 - 1)).map(|(_, amount)| amount).sum() };
        let keys = || Standing::ALL.iter().map(|standing| Key::measure(standing.agents()));
        (0..windows)
            .filter_map(|place| self.panes.window(place))
            .any(|inside| keys().any(|key| self.total.of(key) != inside.of(key) + beyond(key)))
    }

    /// The time since the beginning.
    pub fn time_in_total(&self, as_of: EventTime) -> TimeSpent {
        self.each(|key, moments| {
            let (mut agents, mut sum) = (self.total.of(key), self.total.of(moments));
            for (at, amount) in self.ahead_of(key, as_of) {
                agents -= amount;
                sum -= amount * at;
            }
            agents * as_of.0 - sum
        })
    }

    /// The time in a sliding window, by its place.
    pub fn time_in_window(&self, place: usize, length: i64, as_of: EventTime) -> TimeSpent {
        let (Some(inside), Some(end)) = (self.panes.window(place), self.panes.end()) else {
            return TimeSpent::default();
        };
        let end = end * 1000;
        let after = self.ahead.iter().filter(|((at, _), _)| end <= at.0);
        let after = after.map(|((_, key), amount)| (*key, *amount)).collect();
        self.stretch(&Stretch { window: end - length * 1000..end, as_of: as_of.0, inside, after })
    }

    /// The time in an interval of a configured length, whose changes at the event are `inside`.
    pub fn time_in_interval(
        &self,
        kept: &Kept,
        length: Length,
        Interval { start, end }: Interval,
        inside: &Sums,
        as_of: EventTime,
    ) -> TimeSpent {
        if as_of <= start || !self.has_time() {
            return TimeSpent::default();
        }
        let after = self.agents_after(kept, length, end);
        self.stretch(&Stretch { window: start.0..end.0, as_of: as_of.0, inside, after })
    }

    /// The intervals of a length in which agents were in a state and nothing else need have happened: from the
    /// first that holds facts to the last that begins before `as_of`.
    fn intervals_with_agents(
        &self,
        kept: &Kept,
        finder: &mut Finder,
        length: Length,
        as_of: EventTime,
    ) -> Vec<Interval> {
        let mut found = Vec::new();
        if !self.has_time() {
            return found;
        }
        let keys = || Standing::ALL.iter().map(|standing| Key::measure(standing.agents()));
        let mut after = Facts::default();
        let mut later: Option<EventTime> = None;
        // Backwards: before the piece there are as many as all changes from it on do not account for.
        for (start, piece) in self.intervals.pieces(kept, length).rev() {
            let is_anybody = |after: &Facts| keys().any(|key| self.total.of(key) != after.get(key));
            if is_anybody(&after) {
                let mut interval = finder.find(length, start);
                let until = later.unwrap_or(EventTime(i64::MAX)).min(as_of);
                while interval.end < until && found.len() < FILLED_MAX {
                    interval = finder.find(length, interval.end);
                    found.push(interval);
                }
            }
            keys().for_each(|key| after.add(key, piece.event.of(key)));
            later = Some(start);
        }
        if later.is_none() && self.has_agents() {
            found.push(finder.find(length, as_of));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The intervals of a length that hold facts, or time of agents before `as_of`, oldest first.
    pub fn touched(&self, kept: &Kept, finder: &mut Finder, length: Length, as_of: EventTime) -> Vec<Interval> {
        let mut touched = self.intervals.touched(kept, finder, length);
        let with_agents = self.intervals_with_agents(kept, finder, length, as_of);
        if !with_agents.is_empty() {
            touched.extend(with_agents);
            touched.sort_unstable();
            touched.dedup();
        }
        touched
    }

    /// Whether agents are in a state at the end of an interval.
    pub fn has_agents_at(&self, kept: &Kept, length: Length, at: EventTime) -> bool {
        if !self.has_time() {
            return false;
        }
        let after = self.agents_after(kept, length, at);
        Standing::ALL.iter().any(|standing| self.agents(*standing) != after.get(standing.agents()))
    }

    fn has_time(&self) -> bool {
        Standing::ALL.iter().any(|standing| self.agents(*standing) != 0 || self.total.get(standing.moments()) != 0)
    }

    /// How many agents the changes at or after an edge of an interval come to.
    fn agents_after(&self, kept: &Kept, length: Length, edge: EventTime) -> Facts {
        self.intervals.from_edge(kept, length, edge, self.keys())
    }

    fn stretch(&self, stretch: &Stretch<'_>) -> TimeSpent {
        let Stretch { window: Range { start, end }, as_of, inside, after } = stretch;
        self.each(|key, moments| {
            let agents = self.total.of(key);
            let before = agents - inside.of(key) - after.get(key);
            let mut time = before * (end - start) + end * inside.of(key) - inside.of(moments);
            if as_of < end {
                // What lies beyond `as_of` has not passed.
                let mut now = agents;
                for (at, amount) in self.ahead_of(key, EventTime(*as_of)) {
                    now -= amount;
                    time -= amount * (end - at).max(0);
                }
                time -= now * (end - as_of);
            }
            time
        })
    }

    /// The changes after an instant: when, and of how many agents.
    fn ahead_of(&self, key: Key, as_of: EventTime) -> impl Iterator<Item = (i64, i64)> {
        let ahead = self.ahead.range((EventTime(as_of.0.saturating_add(1)), Key::FIRST)..);
        ahead.filter(move |((_, of), _)| *of == key).map(|((at, _), amount)| (at.0, *amount))
    }

    fn keys(&self) -> impl Iterator<Item = Key> + Clone {
        let standings = Standing::ALL.iter().map(|standing| Key::measure(standing.agents()));
        standings.chain(self.total.reasons().map(Key::paused))
    }

    fn each(&self, time: impl Fn(Key, Key) -> i64) -> TimeSpent {
        let mut spent = TimeSpent::default();
        if !self.has_time() {
            return spent;
        }
        for standing in Standing::ALL {
            let key = |measure| Key::measure(measure);
            spent.by_standing[standing as usize] = time(key(standing.agents()), key(standing.moments()));
        }
        let reasons = self.total.reasons().map(|of| (of, time(Key::paused(of), Key::paused_moments(of))));
        spent.by_reason = reasons.filter(|(_, time)| *time != 0).collect();
        spent
    }
}
