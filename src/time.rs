//! Event time: instants and spans in whole milliseconds, and the one-second panes they fall into.
//!
//! Nothing here reads a clock. The calendar (days, quarters of an hour, months of a tenant's time
//! zone) is in `calendar`.

use std::fmt;

/// An instant, in milliseconds since 1970-01-01T00:00:00Z. Finer parts of a source's time are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(pub i64);

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

/// A pane: one second, counted since 1970-01-01T00:00:00Z; it holds `[second, second + 1)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Second(pub i64);

/// The earliest epoch milliseconds taken for a time: an integer below is more likely seconds.
const EARLIEST_INTEGER: i64 = 100_000_000_000;
/// The first millisecond of the year 9999: the contract's times end before it.
const LATEST: i64 = 253_370_764_800_000;
/// The earliest time accepted as text, 0002-01-02: a year before it, and the week that holds that, can be
/// written as RFC 3339.
const EARLIEST: i64 = -62_103_974_400_000;

impl EventTime {
    /// The pane this instant falls into.
    pub const fn second(self) -> Second {
        Second(self.0.div_euclid(1000))
    }

    /// The first whole second that is not before it.
    pub const fn to_boundary(self) -> EventTime {
        EventTime((self.0 + 999).div_euclid(1000) * 1000)
    }

    /// The length from `earlier` to this instant; negative if it is not earlier.
    pub const fn since(self, earlier: EventTime) -> Span {
        Span(self.0 - earlier.0)
    }

    pub const fn plus(self, span: Span) -> EventTime {
        EventTime(self.0 + span.0)
    }

    pub const fn minus(self, span: Span) -> EventTime {
        EventTime(self.0 - span.0)
    }

    /// An integer of epoch milliseconds from 10^11 to the year 9998; none outside it.
    pub fn from_millis(millis: i64) -> Option<EventTime> {
        (EARLIEST_INTEGER <= millis && millis < LATEST).then_some(EventTime(millis))
    }

    /// RFC 3339 with an offset or `Z`; none if the text is anything else, names a day that does not
    /// exist or lies beyond the year 9998. A leap second (`:60`) is the second after it.
    pub fn parse(text: &str) -> Option<EventTime> {
        let b = text.as_bytes();
        if b.len() < 20 || !text.is_ascii() {
            return None;
        }
        let (year, month, day) = (digits(&b[0..4])?, digits(&b[5..7])?, digits(&b[8..10])?);
        let (hour, minute, second) = (digits(&b[11..13])?, digits(&b[14..16])?, digits(&b[17..19])?);
        if b[4] != b'-' || b[7] != b'-' || !matches!(b[10], b'T' | b't' | b' ') || b[13] != b':' || b[16] != b':' {
            return None;
        }
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut rest = &b[19..];
        let mut millis = 0;
        if rest[0] == b'.' {
            let end = rest[1..].iter().position(|c| !c.is_ascii_digit()).map_or(rest.len(), |n| n + 1);
            let fraction = &rest[1..end];
            if fraction.is_empty() {
                return None;
            }
            for (place, digit) in [100, 10, 1].iter().zip(fraction) {
                millis += place * i64::from(digit - b'0');
            }
            rest = &rest[end..];
        }
        let offset_minutes = match rest {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let offset = hours * 60 + minutes;
                if *sign == b'-' { -offset } else { offset }
            }
            _ => return None,
        };
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        let at = (seconds - offset_minutes * 60) * 1000 + millis;
        (EARLIEST <= at && at < LATEST).then_some(EventTime(at))
    }
}

impl Second {
    /// The instant this pane begins.
    pub const fn start(self) -> EventTime {
        EventTime(self.0 * 1000)
    }

    /// The last instant in this pane.
    pub const fn last(self) -> EventTime {
        EventTime(self.0 * 1000 + 999)
    }
}

impl Span {
    pub const fn from_secs(seconds: i64) -> Span {
        Span(seconds * 1000)
    }

    pub const fn from_hours(hours: i64) -> Span {
        Span(hours * 3_600_000)
    }
}

/// RFC 3339 UTC with milliseconds, the form of every time that goes out.
impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, in_day) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let (seconds, millis) = (in_day / 1000, in_day % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if !(0..=9999).contains(&year) {
            return write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z");
        }
        // Every record carries three of them, and the formatter takes ten times as long.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let fields = [(0..4, year), (5..7, month), (8..10, day), (11..13, hour), (14..16, minute), (17..19, second)];
        for (place, value) in fields.into_iter().chain([(20..23, millis)]) {
            let mut rest = value;
            for digit in text[place].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    let mut value = 0;
    for c in text {
        if !c.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(c - b'0');
    }
    Some(value)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a day of the proleptic Gregorian calendar. The year is counted from
/// March, so that the leap day is its last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(EventTime::parse(text).map(|t| t.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn reads_rfc_3339_and_cuts_below_milliseconds() {
        check("2026-03-02T08:15:30.120Z", Some("2026-03-02T08:15:30.120Z"));
        check("2026-03-02T09:15:30.1209+01:00", Some("2026-03-02T08:15:30.120Z"));
        check("2026-03-02T08:15:30Z", Some("2026-03-02T08:15:30.000Z"));
        check("2024-02-29T23:59:59.9-00:30", Some("2024-03-01T00:29:59.900Z"));
        check("1969-12-31T23:59:59.999Z", Some("1969-12-31T23:59:59.999Z"));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "2026-03-02",
            "2026-03-02T08:15:30",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-03-02T24:00:00Z",
            "2026-03-02T08:15:30.Z",
            "9999-01-01T00:00:00Z",
            "2026-03-02T08:15:30+25:00",
            "٢026-03-02T08:15:30Z",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn agrees_with_the_calendar_library_over_every_day_of_four_centuries() {
        for days in -146_097..146_097 {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            if year >= 1 {
                let date = jiff::civil::date(year as i16, month as i8, day as i8);
                let since = date.since(jiff::civil::date(1970, 1, 1)).unwrap().get_days();
                assert_eq!(i64::from(since), days);
            }
        }
    }

    #[test]
    fn an_instant_before_1970_falls_into_the_pane_it_follows() {
        assert_eq!(EventTime(-1).second(), Second(-1));
        assert_eq!(EventTime(1_999).second(), Second(1));
    }
}
