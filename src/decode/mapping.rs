//! Mapping: what the columns of call detail records mean, as `[csv]` in the settings says.
//!
//! A mapping says where things stand and how times and lengths are written; what they come to is in `csv`.

use super::draft::refuse;
use super::slots::shortened;
use super::table::WAIT_MAX_MS;
use crate::event::{Channel, Direction, LeaveReason, Reason, Reject, RingEndReason};
use crate::time::{EventTime, Span};
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::collections::BTreeMap;

/// How rows are read; without columns none can be.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The names of all columns, in order.
    pub columns: Vec<String>,
    pub delimiter: char,
    /// Where times without an offset are local.
    pub zone: TimeZone,
    /// As `strptime` has it; RFC 3339 with or without an offset if none.
    pub time_format: Option<String>,
    /// What a length of one means, in milliseconds.
    pub unit: Span,
    /// Texts that stand for nothing, but in lengths.
    pub empty: Vec<String>,
    pub default_queue: Option<String>,
    pub default_agent: Option<String>,
    pub outcomes: BTreeMap<String, Outcome>,
    pub directions: BTreeMap<String, Direction>,
    pub channels: BTreeMap<String, Channel>,
    pub at: Places,
}

/// The columns, from 0, in which things stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Together the id; empty if rows have none.
    pub call_id: Vec<usize>,
    pub root_id: Option<usize>,
    pub queue: Option<usize>,
    pub agent: Option<usize>,
    pub customer: Option<usize>,
    pub direction: Option<usize>,
    pub channel: Option<usize>,
    pub outcome: Option<usize>,
    /// The day of all times of the row, which are then times of day.
    pub date: Option<usize>,
    pub arrived_at: Option<usize>,
    pub queued_at: Option<usize>,
    pub ringing_at: Option<usize>,
    pub answered_at: Option<usize>,
    pub ended_at: Option<usize>,
    pub wait: Option<usize>,
    pub talk: Option<usize>,
    pub wrapup: Option<usize>,
    pub total: Option<usize>,
}

/// How a row ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    Blocked,
    /// The row is left aside.
    Ignored,
    /// Left the queue, or where it never was in one, the centre.
    Left(LeaveReason),
    /// An attempt at an agent came to nothing.
    Rang(RingEndReason),
}

impl Outcome {
    /// Every word, as in the settings.
    pub const WORDS: [&str; 3 + LeaveReason::ALL.len() + RingEndReason::ALL.len()] = {
        let mut words = ["answered", "blocked", "ignored", "", "", "", "", "", "", "", "", "", "", "", "", ""];
        let mut at = 0;
        while at < LeaveReason::ALL.len() {
            words[3 + at] = LeaveReason::ALL[at].word();
            at += 1;
        }
        at = 0;
        while at < RingEndReason::ALL.len() {
            words[3 + LeaveReason::ALL.len() + at] = RingEndReason::ALL[at].word();
            at += 1;
        }
        words
    };

    pub fn from_word(word: &str) -> Option<Outcome> {
        match word {
            "answered" => Some(Outcome::Answered),
            "blocked" => Some(Outcome::Blocked),
            "ignored" => Some(Outcome::Ignored),
            _ => (LeaveReason::from_word(word).map(Outcome::Left))
                .or_else(|| RingEndReason::from_word(word).map(Outcome::Rang)),
        }
    }
}

impl Default for Mapping {
    fn default() -> Mapping {
        Mapping {
            columns: Vec::new(),
            delimiter: ',',
            zone: TimeZone::UTC,
            time_format: None,
            unit: Span::from_secs(1),
            empty: Vec::new(),
            default_queue: None,
            default_agent: None,
            outcomes: BTreeMap::new(),
            directions: BTreeMap::new(),
            channels: BTreeMap::new(),
            at: Places::default(),
        }
    }
}

/// A time as it was read.
enum Read {
    Absolute(EventTime),
    /// By the clock on the wall.
    Local(DateTime),
}

/// The times of one row, read in the order of a call: where the day stands apart, a time of day that lies more than
/// half a day before the first one is of the next day.
pub(super) struct Clock<'m, 'c> {
    mapping: &'m Mapping,
    date: Option<&'c str>,
    first: Option<DateTime>,
}

impl<'m, 'c> Clock<'m, 'c> {
    pub(super) fn new(mapping: &'m Mapping, date: Option<&'c str>) -> Clock<'m, 'c> {
        Clock { mapping, date, first: None }
    }

    /// The instant of a cell of that column.
    pub(super) fn read(&mut self, column: usize, cell: &str) -> Result<EventTime, Reject> {
        let joined = self.date.map(|date| format!("{date} {cell}"));
        let text = joined.as_deref().unwrap_or(cell);
        let read = match &self.mapping.time_format {
            Some(format) => by_format(format, text),
            None => by_standard(text),
        };
        let time = match read {
            Some(Read::Absolute(time)) => Some(time),
            Some(Read::Local(local)) => self.on_its_day(local).and_then(|local| self.instant(local)),
            None => None,
        };
        time.ok_or_else(|| {
            let name = self.mapping.columns.get(column).map_or("", String::as_str);
            let wanted = match (&self.mapping.time_format, self.date) {
                (Some(format), _) => format!("csv.time_format is {}", shortened(format)),
                (None, Some(_)) => "without csv.time_format it is a date such as 2026-03-02 and 08:15:30".to_owned(),
                (None, None) => "without csv.time_format it is RFC 3339, with an offset or without".to_owned(),
            };
            refuse(Reason::BadTime, format!("{} is {}, no time; {wanted}", shortened(name), shortened(text)))
        })
    }

    fn on_its_day(&mut self, local: DateTime) -> Option<DateTime> {
        const HALF_A_DAY_SECONDS: i64 = 43_200;
        if self.date.is_none() {
            return Some(local);
        }
        let first = *self.first.get_or_insert(local);
        let is_next_day = HALF_A_DAY_SECONDS < first.duration_since(local).as_secs();
        if is_next_day { local.checked_add(1.day()).ok() } else { Some(local) }
    }

    /// Of a time that the clock shows twice the first, of one that it skips the same length after the change.
    fn instant(&self, local: DateTime) -> Option<EventTime> {
        let at = self.mapping.zone.to_ambiguous_timestamp(local).compatible().ok()?;
        Some(EventTime(at.as_millisecond()))
    }
}

/// Whether a format tells an instant: what is written with it reads the same.
pub fn tells_an_instant(format: &str) -> bool {
    // In the afternoon, on a day that is no month.
    let sample = jiff::civil::date(2026, 3, 14).at(15, 26, 0, 0);
    let written = sample.to_zoned(TimeZone::UTC).ok().and_then(|sample| strtime::format(format, &sample).ok());
    match written.and_then(|text| by_format(format, &text)) {
        Some(Read::Local(local)) => local == sample,
        Some(Read::Absolute(time)) => time == EventTime(1_773_501_960_000),
        None => false,
    }
}

fn by_format(format: &str, text: &str) -> Option<Read> {
    let parts = strtime::parse(format, text).ok()?;
    if let Some(at) = parts.timestamp() {
        return Some(Read::Absolute(EventTime(at.as_millisecond())));
    }
    if parts.offset().is_some() {
        return Some(Read::Absolute(EventTime(parts.to_timestamp().ok()?.as_millisecond())));
    }
    parts.to_datetime().ok().map(Read::Local)
}

/// RFC 3339, the same without an offset, or epoch milliseconds.
fn by_standard(text: &str) -> Option<Read> {
    if let Some(time) = EventTime::parse(text) {
        return Some(Read::Absolute(time));
    }
    if text.bytes().all(|c| c.is_ascii_digit()) {
        return text.parse().ok().and_then(EventTime::from_millis).map(Read::Absolute);
    }
    let as_if_utc = EventTime::parse(&format!("{text}Z"))?;
    let at = Timestamp::from_millisecond(as_if_utc.0).ok()?;
    Some(Read::Local(TimeZone::UTC.to_datetime(at)))
}

impl Mapping {
    /// The length in a cell of that column: `h:mm:ss`, `mm:ss` or a number of units, with decimals or without.
    pub(super) fn length(&self, column: usize, cell: &str) -> Result<Span, Reject> {
        let length = match cell.contains(':') {
            true => by_clock(cell),
            false => decimal(cell, self.unit.0),
        };
        length.filter(|length| length.0 <= WAIT_MAX_MS).ok_or_else(|| {
            let name = self.columns.get(column).map_or("", String::as_str);
            let sentence = format!(
                "{} is {}, no length of time; write a number such as 12 or 12.5, or h:mm:ss, of at most 366 days",
                shortened(name),
                shortened(cell)
            );
            refuse(Reason::BadValue, sentence)
        })
    }
}

/// `h:mm:ss` or `mm:ss`.
fn by_clock(text: &str) -> Option<Span> {
    let (before, seconds) = text.rsplit_once(':')?;
    let (hours, minutes) = before.rsplit_once(':').unwrap_or(("0", before));
    let whole = |text: &str| text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
    let seconds = decimal(seconds, 1000).filter(|seconds| seconds.0 < 60_000)?;
    Some(Span((i64::from(whole(hours)?) * 60 + i64::from(whole(minutes)?)) * 60_000 + seconds.0))
}

/// A number from 0 of units of so many milliseconds; what is finer than milliseconds is cut.
fn decimal(text: &str, unit_ms: i64) -> Option<Span> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|c| c.is_ascii_digit()) {
        return None;
    }
    let mut millis = whole.parse::<i64>().ok()?.checked_mul(unit_ms)?;
    let mut digit_ms = unit_ms;
    for digit in fraction.bytes().take(3) {
        digit_ms /= 10;
        millis = millis.checked_add(i64::from(digit - b'0') * digit_ms)?;
    }
    Some(Span(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(time_format: Option<&str>, zone: &str) -> Mapping {
        let zone = TimeZone::get(zone).expect("a zone");
        Mapping { zone, time_format: time_format.map(str::to_owned), ..Mapping::default() }
    }

    #[track_caller]
    fn check(time_format: Option<&str>, zone: &str, cell: &str, expected: Option<&str>) {
        let mapping = mapping(time_format, zone);
        let found = Clock::new(&mapping, None).read(0, cell).ok().map(|time| time.to_string());
        assert_eq!(found.as_deref(), expected, "{cell}");
    }

    #[test]
    fn times_are_read_as_the_settings_say() {
        check(None, "Europe/Budapest", "2026-03-02T08:15:30+02:00", Some("2026-03-02T06:15:30.000Z"));
        check(None, "Europe/Budapest", "2026-03-02 08:15:30.5", Some("2026-03-02T07:15:30.500Z"));
        check(None, "Europe/Budapest", "1772439330120", Some("2026-03-02T08:15:30.120Z"));
        check(None, "UTC", "1772439330", None);
        check(Some("%s"), "UTC", "1772439330", Some("2026-03-02T08:15:30.000Z"));
        check(Some("%m/%d/%Y %I:%M:%S %p"), "UTC", "3/2/2026 8:05:30 PM", Some("2026-03-02T20:05:30.000Z"));
        check(Some("%y%m%d %H:%M:%S"), "Asia/Jerusalem", "990101 0:00:31", Some("1998-12-31T22:00:31.000Z"));
        check(Some("%d.%m.%Y %H:%M:%S %z"), "UTC", "02.03.2026 08:15:30 +0200", Some("2026-03-02T06:15:30.000Z"));
        check(Some("%d.%m.%Y"), "UTC", "31.02.2026", None);
    }

    #[test]
    fn where_clocks_change_a_time_is_the_first_of_two_or_the_one_after() {
        check(None, "Europe/Budapest", "2026-10-25 02:30:00", Some("2026-10-25T00:30:00.000Z"));
        check(None, "Europe/Budapest", "2026-03-29 02:30:00", Some("2026-03-29T01:30:00.000Z"));
    }

    #[test]
    fn a_time_of_day_far_before_the_first_is_of_the_next_day() {
        let mapping = mapping(None, "UTC");
        let mut clock = Clock::new(&mapping, Some("2026-12-31"));
        let mut read = |cell| clock.read(0, cell).expect(cell).to_string();
        assert_eq!(read("23:59:58"), "2026-12-31T23:59:58.000Z");
        assert_eq!(read("23:59:57"), "2026-12-31T23:59:57.000Z");
        assert_eq!(read("00:10:00"), "2027-01-01T00:10:00.000Z");
    }

    #[test]
    fn a_format_has_to_tell_day_and_time() {
        for format in ["%s", "%d.%m.%Y %H:%M", "%Y%m%d %I:%M:%S %p", "%FT%T%z"] {
            assert!(tells_an_instant(format), "{format}");
        }
        for format in ["%d.%m.%Y", "%H:%M:%S", "%Y-%m-%d %I:%M", "%Q", "time", "%", ""] {
            assert!(!tells_an_instant(format), "{format}");
        }
    }

    #[test]
    fn lengths_are_numbers_or_clocks() {
        let mapping = Mapping::default();
        let length = |cell| mapping.length(0, cell).ok().map(|length| length.0);
        let cells = ["0", "863", "12.5", "1.2345", "0:01:05", "90:00", "26:00:00.25"];
        assert_eq!(cells.map(length), [0, 863_000, 12_500, 1_234, 65_000, 5_400_000, 93_600_250].map(Some));
        for cell in ["", "-1", "1:60", "1,5", ".5", "1:2:3:4", "x", "99999999999999999999", "31622401", ":"] {
            assert_eq!(length(cell), None, "{cell}");
        }
    }
}
