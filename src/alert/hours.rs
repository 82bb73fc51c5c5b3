//! Hours: when a rule is in force, by the wall clock of the entity's tenant.

use crate::calendar::Zone;
use crate::time::EventTime;
use jiff::civil::{Date, DateTime, Weekday};

const LAST_MINUTE: u16 = 24 * 60 - 1;

/// A week's opening hours, and the days on which it is closed all day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    /// By weekday from Monday: stretches `[from, to)` in minutes of the day, sorted and apart; 24:00 is 1440.
    pub week: [Vec<(u16, u16)>; 7],
    /// Holidays.
    pub closed: Vec<Date>,
    /// Holidays of every year: month and day.
    pub closed_yearly: Vec<(i8, i8)>,
}

impl Hours {
    /// Whether it is open at an instant.
    pub fn is_open(&self, zone: &Zone, at: EventTime) -> bool {
        let local = zone.local(at);
        self.stretch(local.date(), minute_of(local)).is_some()
    }

    /// Since when it has been open without a break, a year at most; none while it is closed.
    pub fn open_since(&self, zone: &Zone, at: EventTime) -> Option<EventTime> {
        let local = zone.local(at);
        let (mut date, (mut from, _)) = (local.date(), self.stretch(local.date(), minute_of(local))?);
        for _ in 0..366 {
            let evening = date.yesterday().ok().and_then(|day| Some((day, self.stretch(day, LAST_MINUTE)?)));
            match evening.filter(|_| from == 0) {
                Some((day, (start, _))) => (date, from) = (day, start),
                None => break,
            }
        }
        Some(zone.instant(date.at((from / 60) as i8, (from % 60) as i8, 0, 0)))
    }

    /// Up to when (exclusive), from an instant on, it surely stays open or closed: the next edge, or eight days on if there
    /// is none before.
    pub fn holds_until(&self, zone: &Zone, at: EventTime) -> EventTime {
        const DAYS: i64 = 8;
        let is_open = self.is_open(zone, at);
        let local = zone.local(at);
        let in_minute = i64::from(local.second()) * 1000 + i64::from(local.millisecond());
        let minutes = (1..DAYS * 24 * 60).map(|minute| EventTime(at.0 - in_minute + minute * 60_000));
        let edge = minutes.into_iter().find(|minute| self.is_open(zone, *minute) != is_open);
        edge.unwrap_or(EventTime(at.0 - in_minute + DAYS * 86_400_000))
    }

    /// The stretch that holds a minute of a day.
    fn stretch(&self, date: Date, minute: u16) -> Option<(u16, u16)> {
        let is_closed = self.closed.contains(&date) || self.closed_yearly.contains(&(date.month(), date.day()));
        let mut stretches = self.week[place(date.weekday())].iter().copied();
        stretches.find(|(from, to)| !is_closed && *from <= minute && minute < *to)
    }
}

fn minute_of(local: DateTime) -> u16 {
    // Both are no less than 0.
    local.hour() as u16 * 60 + local.minute() as u16
}

/// A weekday's place in [`Hours::week`].
pub fn place(weekday: Weekday) -> usize {
    weekday.to_monday_zero_offset() as usize
}
