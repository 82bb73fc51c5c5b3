//! A row of the queue log: its columns as texts, whether it came as a line or as a row of the realtime table.
//!
//! ```text
//! 1675555752|1675555751.0|support|NONE|ENTERQUEUE||200|1
//! {"time":"2023-02-05 00:09:13.201532+00","callid":"1675555751.0","queuename":"support","agent":"NONE",
//!  "event":"ENTERQUEUE","data1":"","data2":"200","data3":"1"}
//! ```

use super::super::draft::refuse;
use super::super::json::refuse_too_large;
use super::super::slots::shortened;
use super::super::table::WAIT_MAX_MS;
use crate::event::{Reason, Reject, Text};
use crate::time::EventTime;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;

/// More parameters than any event has.
const DATA_MAX: usize = 8;

/// What stands for a call where there is none.
const NO_CALL: [&str; 5] = ["", "NONE", "REALTIME", "MANAGER", "CLI"];
const NOBODY: [&str; 2] = ["", "NONE"];

/// The columns of one row; what is `NONE` or empty is none.
pub(super) struct Row<'a> {
    time: Text<'a>,
    pub callid: Option<Text<'a>>,
    pub queue: Option<Text<'a>>,
    pub agent: Option<Text<'a>>,
    /// Never empty.
    pub event: Text<'a>,
    data: SmallVec<[Text<'a>; DATA_MAX]>,
}

impl<'a> Row<'a> {
    /// The row in a record: what begins with a brace is a row of the table, all else a line.
    pub fn read(record: &'a [u8]) -> Result<Row<'a>, Reject> {
        refuse_too_large(record)?;
        match record.first() {
            Some(b'{') => Row::of_table(utf8("record", record)?),
            _ => Row::of_line(record),
        }
    }

    /// Names are read strictly: what is misread would be another queue or agent. Parameters are not, since a caller's
    /// name in another encoding is no reason to lose the call.
    fn of_line(line: &'a [u8]) -> Result<Row<'a>, Reject> {
        let mut columns = line.splitn(6, |byte| *byte == b'|');
        let mut column = || columns.next();
        let (Some(time), Some(callid), Some(queue), Some(agent), Some(event)) =
            (column(), column(), column(), column(), column())
        else {
            let bars = line.iter().filter(|byte| **byte == b'|').count();
            let sentence =
                format!("line has {bars} bars; a line of queue_log is time|callid|queue|agent|EVENT|parameters");
            return Err(refuse(Reason::MalformedText, sentence));
        };
        let data = column().map(|data| data.split(|byte| *byte == b'|').take(DATA_MAX).map(String::from_utf8_lossy));
        Row {
            time: utf8("time", time)?.into(),
            callid: Some(utf8("callid", callid)?.into()),
            queue: Some(utf8("queue", queue)?.into()),
            agent: Some(utf8("agent", agent)?.into()),
            event: utf8("event", event)?.into(),
            data: data.into_iter().flatten().collect(),
        }
        .with_names()
    }

    fn of_table(text: &'a str) -> Result<Row<'a>, Reject> {
        let columns: Columns<'a> = serde_json::from_str(text).map_err(|error| {
            let reason = if error.is_data() { Reason::BadValue } else { Reason::MalformedJson };
            refuse(reason, format!("record is no row of queue_log: {error}; give one JSON object of its columns"))
        })?;
        let Columns { time, callid, queuename, agent, event, data, data1, data2, data3, data4, data5 } = columns;
        let mut all = SmallVec::new();
        let apart = [("data1", data1), ("data2", data2), ("data3", data3), ("data4", data4), ("data5", data5)];
        if apart.iter().any(|(_, cell)| !matches!(cell, Cell::Absent)) {
            for (name, cell) in apart {
                // The last one holds all that the others have no room for.
                split(cell.text(name)?.unwrap_or_default(), &mut all);
            }
        } else if let Some(data) = data.text("data")? {
            split(data, &mut all);
        }
        Row {
            time: time.number().unwrap_or_default(),
            callid: callid.text("callid")?,
            queue: queuename.text("queuename")?,
            agent: agent.text("agent")?,
            event: event.text("event")?.unwrap_or_default(),
            data: all,
        }
        .with_names()
    }

    fn with_names(mut self) -> Result<Row<'a>, Reject> {
        if self.event.is_empty() {
            return Err(refuse(Reason::MissingField, "event is missing; every row names one, such as ENTERQUEUE"));
        }
        self.callid.take_if(|callid| NO_CALL.contains(&callid.as_ref()));
        self.queue.take_if(|queue| NOBODY.contains(&queue.as_ref()));
        self.agent.take_if(|agent| NOBODY.contains(&agent.as_ref()));
        Ok(self)
    }

    /// When it was written: seconds since 1970 with or without a fraction, milliseconds, or a date and time with its
    /// offset, or without one where `zone` says whose clock it was.
    pub fn time(&self, zone: Option<&TimeZone>) -> Result<EventTime, Reject> {
        let text = self.time.trim_ascii();
        if text.is_empty() {
            return Err(refuse(Reason::MissingField, format!("time is missing; {} has one", shortened(&self.event))));
        }
        epoch(text).or_else(|| with_offset(text)).or_else(|| of_clock(text, zone?)).ok_or_else(|| {
            let quoted = shortened(text);
            let sentence = match EventTime::parse(&format!("{text}Z")) {
                Some(_) => format!(
                    "time is {quoted} without an offset, and Asterisk writes local time unless \
                     queue_log_realtime_use_gmt is set; say whose clock it is in [queue_log] timezone, or give the \
                     offset (+00 for GMT) or seconds since 1970"
                ),
                None => format!(
                    "time is {quoted}; give seconds since 1970, or a date and time with an offset, such as \
                     2026-03-02 08:15:30.120000+01"
                ),
            };
            refuse(Reason::BadTime, sentence)
        })
    }

    /// A parameter, from 0; none if it is empty.
    pub fn data(&self, place: usize) -> Option<&Text<'a>> {
        self.data.get(place).filter(|text| !text.is_empty())
    }

    pub fn whole(&self, place: usize) -> Option<i64> {
        self.data(place)?.trim_ascii().parse().ok()
    }

    /// A parameter of seconds, in milliseconds. One that is no length of time is none: what the line says happened
    /// is known without it.
    pub fn seconds(&self, place: usize) -> Option<i64> {
        self.whole(place)?.checked_mul(1000).filter(|length| (0..=WAIT_MAX_MS).contains(length))
    }

    pub fn millis(&self, place: usize) -> Option<i64> {
        self.whole(place).filter(|length| (0..=WAIT_MAX_MS).contains(length))
    }
}

/// The columns of the realtime table.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Columns<'a> {
    #[serde(borrow)]
    time: Cell<'a>,
    callid: Cell<'a>,
    queuename: Cell<'a>,
    agent: Cell<'a>,
    event: Cell<'a>,
    /// All parameters, with bars between; the table has either this column or the five.
    data: Cell<'a>,
    data1: Cell<'a>,
    data2: Cell<'a>,
    data3: Cell<'a>,
    data4: Cell<'a>,
    data5: Cell<'a>,
}

#[derive(Default)]
enum Cell<'a> {
    #[default]
    Absent,
    Text(Text<'a>),
    Real(f64),
}

impl<'a> Cell<'a> {
    /// A number with a fraction is none of these: a callid of 1675555751.10 would be read as that of another call.
    fn text(self, name: &str) -> Result<Option<Text<'a>>, Reject> {
        match self {
            Cell::Absent => Ok(None),
            Cell::Text(text) => Ok(Some(text)),
            Cell::Real(value) => {
                Err(refuse(Reason::BadValue, format!("{name} is the number {value:?}; give it as a text, in quotes")))
            }
        }
    }

    fn number(self) -> Option<Text<'a>> {
        match self {
            Cell::Absent => None,
            Cell::Text(text) => Some(text),
            Cell::Real(value) => Some(Cow::Owned(value.to_string())),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Cell<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cell<'a>, D::Error> {
        deserializer.deserialize_any(AnyCell)
    }
}

struct AnyCell;

impl<'de> Visitor<'de> for AnyCell {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number or null")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Cell<'de>, E> {
        Ok(Cell::Real(value))
    }

    fn visit_unit<E>(self) -> Result<Cell<'de>, E> {
        Ok(Cell::Absent)
    }
}

fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Reject> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        refuse(Reason::BadEncoding, format!("{name} is no UTF-8 at byte {at}; write it as UTF-8"))
    })
}

fn split<'a>(data: Text<'a>, all: &mut SmallVec<[Text<'a>; DATA_MAX]>) {
    let room = DATA_MAX.saturating_sub(all.len());
    match data {
        Cow::Borrowed(text) => all.extend(text.split('|').take(room).map(Cow::Borrowed)),
        Cow::Owned(text) => all.extend(text.split('|').take(room).map(|part| Cow::Owned(part.to_owned()))),
    }
}

/// From here on a number is one of milliseconds: as seconds it would be of the year 5138 or later.
const MILLIS_MIN: i64 = 100_000_000_000;

/// Seconds or milliseconds since 1970; what is finer than milliseconds is cut.
fn epoch(text: &str) -> Option<EventTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    if MILLIS_MIN <= whole {
        return EventTime::from_millis(whole);
    }
    let digits = fraction.bytes().map(|digit| i64::from(digit - b'0')).chain(std::iter::repeat(0));
    let millis: i64 = digits.zip([100, 10, 1]).map(|(digit, place)| digit * place).sum();
    EventTime::from_millis(whole.checked_mul(1000)?.checked_add(millis)?)
}

/// What a clock of the zone showed: of a time it shows twice the first is meant, of one it skips the same length after
/// the skip.
fn of_clock(text: &str, zone: &TimeZone) -> Option<EventTime> {
    // As strict as with an offset: the parser below would overlook an odd one.
    EventTime::parse(&format!("{text}Z"))?;
    let local: DateTime = text.parse().ok()?;
    EventTime::from_millis(zone.to_ambiguous_timestamp(local).compatible().ok()?.as_millisecond())
}

/// RFC 3339 with a blank or `T`, the offset written in full or as databases shorten it: `+01`, `+0100`.
fn with_offset(text: &str) -> Option<EventTime> {
    EventTime::parse(text).or_else(|| {
        let at = text.rfind(['+', '-'])?;
        let (local, offset) = text.split_at_checked(at)?;
        let (sign_and_hours, minutes) = offset.split_at_checked(3)?;
        let minutes = if minutes.is_empty() { "00" } else { minutes };
        EventTime::parse(&format!("{local}{sign_and_hours}:{minutes}"))
    })
}
