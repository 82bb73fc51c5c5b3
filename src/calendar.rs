//! Calendar intervals: pieces `[start, end)` of a tenant's day, and its days, weeks and months.
//!
//! Edges are wall-clock times counted from local midnight. Where the clock changes, a piece that holds
//! the change is shorter or longer; a piece that is repeated whole becomes two. A day has 23, 24 or 25
//! hours, as the zone says (the zone's rules come from the bundled IANA data base, by jiff).

use crate::time::EventTime;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::fmt;

const DAY_MS: i64 = 86_400_000;

/// How long an interval is by the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Length {
    /// A whole number of milliseconds that divides a day; a day itself is the longest.
    Piece(i64),
    Week,
    Month,
}

/// A tenant's time zone and the first day of its week.
#[derive(Clone)]
pub struct Zone {
    zone: TimeZone,
    week_start: Weekday,
}

/// An interval `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    pub start: EventTime,
    pub end: EventTime,
}

impl Length {
    pub const DAY: Length = Length::Piece(DAY_MS);

    /// A piece of so many milliseconds; none if they do not divide a day.
    pub const fn piece(millis: i64) -> Option<Length> {
        if 0 < millis && millis <= DAY_MS && DAY_MS % millis == 0 { Some(Length::Piece(millis)) } else { None }
    }
}

impl Interval {
    pub const ALWAYS: Interval = Interval { start: EventTime(i64::MIN), end: EventTime(i64::MAX) };

    /// What both hold.
    pub fn and(self, other: Interval) -> Interval {
        Interval { start: self.start.max(other.start), end: self.end.min(other.end) }
    }

    pub fn holds(&self, at: EventTime) -> bool {
        self.start <= at && at < self.end
    }
}

/// A stretch of time with one offset from UTC, all in milliseconds.
struct Offset {
    from: i64,
    until: i64,
    millis: i64,
}

impl Zone {
    pub const UTC: Zone = Zone { zone: TimeZone::UTC, week_start: Weekday::Monday };

    /// The zone of an IANA name; none if there is no such zone.
    pub fn named(name: &str, week_start: Weekday) -> Option<Zone> {
        TimeZone::get(name).ok().map(|zone| Zone { zone, week_start })
    }

    /// The interval of this length that holds the instant.
    pub fn interval(&self, length: Length, at: EventTime) -> Interval {
        match length {
            Length::Piece(millis) => self.piece(millis, at.0),
            Length::Week => {
                let date = self.date(at);
                let back = date.weekday().since(self.week_start);
                self.days(date.saturating_sub(i32::from(back).days()), 7)
            }
            Length::Month => {
                let first = self.date(at).first_of_month();
                self.days(first, i32::from(first.days_in_month()))
            }
        }
    }

    /// The hour of the week by the wall clock, counted from Monday, 0:00, whatever day the week starts with.
    pub fn hour_of_week(&self, at: EventTime) -> usize {
        let local = self.local(at);
        // Both are no less than 0.
        local.weekday().to_monday_zero_offset() as usize * 24 + local.hour() as usize
    }

    /// The wall clock at an instant.
    pub fn local(&self, at: EventTime) -> DateTime {
        self.zone.to_datetime(timestamp(at.0))
    }

    /// The instant of a wall clock: the first of two, and the one after a gap that it lies in.
    pub fn instant(&self, local: DateTime) -> EventTime {
        let zoned = local.to_zoned(self.zone.clone());
        zoned.map_or(EventTime(i64::MAX), |zoned| EventTime(zoned.timestamp().as_millisecond()))
    }

    /// The local date at an instant.
    fn date(&self, at: EventTime) -> Date {
        self.local(at).date()
    }

    fn days(&self, first: Date, days: i32) -> Interval {
        let start = |date: Date| match date.to_zoned(self.zone.clone()) {
            Ok(zoned) => {
                let day = zoned.start_of_day().unwrap_or(zoned);
                EventTime(day.timestamp().as_millisecond())
            }
            Err(_) => EventTime(i64::MAX),
        };
        Interval { start: start(first), end: start(first.saturating_add(days.days())) }
    }

    fn piece(&self, length: i64, at: i64) -> Interval {
        let here = self.offset(at);
        let local = at + here.millis;
        let start = local - local.rem_euclid(length) - here.millis;
        let end = start + length;
        let start = if start <= here.from { self.start_before(length, &here) } else { start };
        let end = if here.until <= end { self.end_after(length, &here) } else { end };
        Interval { start: EventTime(start), end: EventTime(end) }
    }

    /// The start of the piece that is under way when the offset changes at `here.from`.
    fn start_before(&self, length: i64, here: &Offset) -> i64 {
        let before = self.offset(here.from - 1);
        if is_edge(length, &before, here) { here.from } else { self.piece(length, here.from - 1).start.0 }
    }

    /// The end of the piece that is under way when the offset changes at `here.until`.
    fn end_after(&self, length: i64, here: &Offset) -> i64 {
        let after = self.offset(here.until);
        if is_edge(length, here, &after) {
            return here.until;
        }
        let local = here.until + after.millis;
        let end = here.until + length - local.rem_euclid(length);
        if after.until <= end { self.end_after(length, &after) } else { end }
    }

    fn offset(&self, at: i64) -> Offset {
        let instant = timestamp(at);
        let millis = i64::from(self.zone.to_offset(instant).seconds()) * 1000;
        // The instant after is asked for, since a change at `at` itself is already in force.
        let from =
            self.zone.preceding(timestamp(at + 1)).next().map_or(i64::MIN / 4, |t| t.timestamp().as_millisecond());
        let until = self.zone.following(instant).next().map_or(i64::MAX / 4, |t| t.timestamp().as_millisecond());
        Offset { from, until, millis }
    }
}

/// Whether a piece begins where one offset gives way to the next: the wall clock jumped into another
/// piece, or back over a whole one.
fn is_edge(length: i64, before: &Offset, after: &Offset) -> bool {
    let (last, first) = (after.from - 1 + before.millis, after.from + after.millis);
    let shift_back = before.millis - after.millis;
    last.div_euclid(length) != first.div_euclid(length) || (first.rem_euclid(length) == 0 && length <= shift_back)
}

fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.zone.iana_name().unwrap_or("UTC"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::named(name, Weekday::Monday).expect(name)
    }

    fn at(text: &str) -> EventTime {
        EventTime::parse(text).expect(text)
    }

    #[track_caller]
    fn check(zone: &Zone, length: Length, time: &str, start: &str, end: &str) {
        let found = zone.interval(length, at(time));
        assert_eq!(found, Interval { start: at(start), end: at(end) }, "{} .. {}", found.start, found.end);
    }

    const HOUR: Length = Length::Piece(3_600_000);

    #[test]
    fn a_day_has_23_24_or_25_hours() {
        let budapest = zone("Europe/Budapest");
        check(&budapest, Length::DAY, "2026-03-28T12:00:00Z", "2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z");
        check(&budapest, Length::DAY, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        check(&budapest, Length::DAY, "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
    }

    #[test]
    fn a_midnight_that_does_not_exist_or_comes_twice_still_makes_one_day() {
        // Clocks in Beirut go from 00:00 to 01:00; in Havana from 01:00 back to 00:00.
        check(
            &zone("Asia/Beirut"),
            Length::DAY,
            "2022-03-27T12:00:00Z",
            "2022-03-26T22:00:00Z",
            "2022-03-27T21:00:00Z",
        );
        check(
            &zone("America/Havana"),
            Length::DAY,
            "2026-11-01T12:00:00Z",
            "2026-11-01T04:00:00Z",
            "2026-11-02T05:00:00Z",
        );
    }

    #[test]
    fn a_repeated_hour_is_two_intervals() {
        let budapest = zone("Europe/Budapest");
        check(&budapest, HOUR, "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z");
        check(&budapest, HOUR, "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z");
    }

    #[test]
    fn a_longer_piece_that_holds_the_change_is_longer_or_shorter() {
        let (budapest, four) = (zone("Europe/Budapest"), Length::Piece(4 * 3_600_000));
        check(&budapest, four, "2026-10-25T01:30:00Z", "2026-10-24T22:00:00Z", "2026-10-25T03:00:00Z");
        check(&budapest, four, "2026-03-29T00:30:00Z", "2026-03-28T23:00:00Z", "2026-03-29T02:00:00Z");
    }

    #[test]
    fn weeks_and_months_begin_at_local_midnight() {
        let budapest = zone("Europe/Budapest");
        check(&budapest, Length::Week, "2026-03-29T12:00:00Z", "2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z");
        check(&budapest, Length::Month, "2026-03-29T12:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z");
        let sunday = Zone::named("America/New_York", Weekday::Sunday).unwrap();
        check(&sunday, Length::Week, "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-08T05:00:00Z");
    }

    #[test]
    fn pieces_tile_the_days_of_every_kind_of_change() {
        for name in
            ["Europe/Budapest", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu", "Pacific/Apia", "UTC"]
        {
            let zone = zone(name);
            for minutes in [1, 6, 15, 20, 30, 60, 90, 120, 240, 1440] {
                let length = Length::piece(minutes * 60_000).unwrap();
                for from in
                    ["2011-12-28T00:00:00Z", "2026-04-03T00:00:00Z", "2026-10-02T00:00:00Z", "2026-10-24T00:00:00Z"]
                {
                    let until = at(from).0 + 3 * DAY_MS;
                    let mut now = zone.interval(length, at(from));
                    while now.end.0 < until {
                        assert!(now.start < now.end, "{name} {minutes}m {}", now.start);
                        for inside in [now.start.0, (now.start.0 + now.end.0) / 2, now.end.0 - 1] {
                            assert_eq!(zone.interval(length, EventTime(inside)), now, "{name} {minutes}m");
                        }
                        let day = zone.interval(Length::DAY, now.start);
                        assert!(day.start <= now.start && now.end <= day.end, "{name} {minutes}m crosses a day");
                        now = zone.interval(length, now.end);
                    }
                }
            }
        }
    }
}
