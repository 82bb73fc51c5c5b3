//! Volume by the hour of the week, as far back as a profile of the week reaches.

use super::intervals::Finder;
use crate::calendar::{Length, Zone};
use crate::time::{EventTime, Span};
use std::collections::BTreeMap;

/// So many whole weeks make a profile.
pub const WEEKS: usize = 8;
/// Hours of a week, counted from Monday, 0:00 by the wall clock.
pub const HOURS: usize = 7 * 24;
/// Weeks that began so long before everything that may still be shown are in no profile.
const REACH: Span = Span::from_hours((WEEKS as i64 + 1) * HOURS as i64 + 48);

/// How much was offered in each hour, by the start of its week. A week in which nothing was offered is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weeks(BTreeMap<EventTime, [i64; HOURS]>);

/// The sum of some weeks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Of the first week's beginning and the last one's end, exclusive.
    pub start: EventTime,
    pub end: EventTime,
    /// Weeks in which anything was offered.
    pub seen: usize,
    pub offered: [i64; HOURS],
}

impl Weeks {
    /// Adds what was offered in a second.
    pub fn add(&mut self, finder: &mut Finder, second: i64, offered: i64) {
        let at = EventTime(second * 1000);
        let start = finder.find(Length::Week, at).start;
        self.add_hour(start, finder.zone().hour_of_week(at), offered);
    }

    /// Adds to an hour of the week that begins at an instant.
    pub fn add_hour(&mut self, start: EventTime, hour: usize, offered: i64) {
        let week = self.0.entry(start).or_insert([0; HOURS]);
        week[hour] += offered;
        if week.iter().all(|offered| *offered == 0) {
            self.0.remove(&start);
        }
    }

    /// The hours of a week in which anything was offered.
    pub fn hours(&self, start: EventTime) -> impl Iterator<Item = (usize, i64)> {
        let week = self.0.get(&start).into_iter().flatten();
        week.copied().enumerate().filter(|(_, offered)| *offered != 0)
    }

    pub fn holds(&self, start: EventTime) -> bool {
        self.0.contains_key(&start)
    }

    /// The last whole weeks that ended by then; none if nothing was offered in them.
    pub fn profile(&self, zone: &Zone, as_of: EventTime) -> Option<Profile> {
        let end = zone.interval(Length::Week, as_of).start;
        self.0.range(..end).next()?;
        let mut profile = Profile { start: end, end, seen: 0, offered: [0; HOURS] };
        for _ in 0..WEEKS {
            profile.start = zone.interval(Length::Week, EventTime(profile.start.0 - 1)).start;
            if let Some(week) = self.0.get(&profile.start) {
                profile.seen += 1;
                profile.offered.iter_mut().zip(week).for_each(|(sum, offered)| *sum += offered);
            }
        }
        Some(profile).filter(|profile| profile.seen != 0)
    }

    /// Forgets weeks that are in no profile from an instant on.
    pub fn forget_before(&mut self, at: EventTime) {
        self.0 = self.0.split_off(&at.minus(REACH));
    }
}
