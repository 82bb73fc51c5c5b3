//! Hours: when a rule is in force, by the wall clock of the entity's tenant.

use crate::calendar::Zone;
use crate::time::EventTime;
use jiff::civil::{Date, Weekday};

/// A week's opening hours, and the days on which it is closed all day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    /// By weekday from Monday: stretches `[from, to)` in minutes of the day, sorted; 24:00 is 1440.
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
        let (date, minute) = (local.date(), local.hour() as u16 * 60 + local.minute() as u16);
        if self.closed.contains(&date) || self.closed_yearly.contains(&(date.month(), date.day())) {
            return false;
        }
        let stretches = &self.week[place(date.weekday())];
        stretches.iter().any(|(from, to)| *from <= minute && minute < *to)
    }
}

/// A weekday's place in [`Hours::week`].
pub fn place(weekday: Weekday) -> usize {
    weekday.to_monday_zero_offset() as usize
}
