//! Single values of the settings: lengths of time, windows, thresholds, zones, names of topics.
//!
//! Each reader takes what stands in the file and gives what it means, or a sentence that says what
//! would help.

use super::nearest::{hint, listed, nearest};
use crate::calendar::Length;
use crate::decode::format::{Encoding, Format};
use crate::decode::mapping::tells_an_instant;
use crate::histogram::{NoEdge, check_edge};
use crate::kpi::settings::{Also, Formula};
use crate::time::{EventTime, Span};
use jiff::civil::{Date, Weekday};
use jiff::tz::{self, TimeZone};
use std::net::SocketAddr;

const SECOND_MS: i64 = 1000;
const DAY_MS: i64 = 86_400_000;
/// Up to here the histogram has an edge at each whole second, and a cell for exactly that second.
const EXACT_UP_TO_MS: i64 = 600_000;

/// The longest wait with an edge in the histogram.
pub const LAST_EDGE: Span = Span(31 * DAY_MS);

pub const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A length of time as written: a whole number and `ms`, `s`, `m`, `h` or `d`.
pub fn duration(text: &str) -> Result<Span, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => SECOND_MS,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        "" if !number.is_empty() => {
            return Err(format!("{number} has no unit; write \"{number}s\" for seconds or \"{number}ms\""));
        }
        _ => {
            return Err(format!(
                "`{text}` is no length of time; write a whole number and a unit (ms, s, m, h, d) such as \"20s\""
            ));
        }
    };
    number
        .parse()
        .ok()
        .and_then(|number: i64| number.checked_mul(unit_ms))
        .map(Span)
        .ok_or_else(|| format!("`{text}` is no length of time; write a whole number and a unit such as \"20s\""))
}

/// A length of time as one would write it.
pub fn written(span: Span) -> String {
    for (unit, unit_ms) in [("d", DAY_MS), ("h", 3_600_000), ("m", 60_000), ("s", SECOND_MS)] {
        if span.0 != 0 && span.0 % unit_ms == 0 {
            return format!("{}{unit}", span.0 / unit_ms);
        }
    }
    if span.0 == 0 { "0s".to_owned() } else { format!("{}ms", span.0) }
}

/// A length within `min..=max`.
pub fn duration_within(text: &str, min: Span, max: Span, whole_seconds: bool) -> Result<Span, String> {
    let span = duration(text)?;
    if span < min {
        Err(format!("`{text}` is too short; the least is \"{}\"", written(min)))
    } else if max < span {
        Err(format!("`{text}` is too long; the most is \"{}\"", written(max)))
    } else if whole_seconds && span.0 % SECOND_MS != 0 {
        Err(format!("`{text}` holds a part of a second; write whole seconds"))
    } else {
        Ok(span)
    }
}

/// A wait at which the histogram has an edge, so that what lies below it is known exactly.
pub fn wait_edge(text: &str, min: Span) -> Result<Span, String> {
    let wait = duration_within(text, min, LAST_EDGE, false)?;
    match check_edge(wait.0) {
        Ok(()) => Ok(wait),
        Err(NoEdge { below, above }) => Err(format!(
            "waits are not kept apart at {text}; choose \"{}\" or \"{}\"",
            written(Span(below)),
            written(Span(above))
        )),
    }
}

/// Whether the histogram tells "before this wait" from "at this wait".
pub fn is_exact(wait_s: i64) -> bool {
    wait_s * SECOND_MS <= EXACT_UP_TO_MS
}

/// A calendar interval: `1w`, `1mo`, or whole seconds that divide a day.
pub fn interval(text: &str) -> Result<Length, String> {
    match text {
        "1w" => return Ok(Length::Week),
        "1mo" => return Ok(Length::Month),
        _ => {}
    }
    let months_or_weeks = text.ends_with("mo") || text.ends_with('w') || text == "7d";
    if months_or_weeks {
        return Err(format!("`{text}` is no interval; the longest are \"1d\", \"1w\" and \"1mo\""));
    }
    let millis = duration(text)?.0;
    let whole_seconds = |millis: i64| millis > 0 && millis % SECOND_MS == 0;
    match Length::piece(millis).filter(|_| whole_seconds(millis)) {
        Some(length) => Ok(length),
        None if DAY_MS < millis => Err(format!("`{text}` is longer than a day; choose \"1d\", \"1w\" or \"1mo\"")),
        None if millis < SECOND_MS => Err(format!("`{text}` is too short; the least is \"1s\"")),
        None => {
            let (day, seconds) = (DAY_MS / SECOND_MS, millis / SECOND_MS);
            // Who writes whole minutes is shown whole minutes.
            let step = if millis % 60_000 == 0 { 60 } else { 1 };
            let divides = |seconds: &i64| seconds % step == 0 && day % seconds == 0;
            let below = (step..=seconds).rev().find(divides).unwrap_or(step);
            let above = (seconds + 1..=day).find(divides).unwrap_or(day);
            Err(format!(
                "intervals of {text} do not divide a day; choose \"{}\" or \"{}\"",
                written(Span::from_secs(below)),
                written(Span::from_secs(above))
            ))
        }
    }
}

/// A further service level: a formula, or a formula, `@` and a threshold.
pub fn also(text: &str) -> Result<Also, String> {
    let (word, threshold) = match text.split_once('@') {
        Some((word, threshold)) => (word, Some(wait_edge(threshold, Span::from_secs(1))?)),
        None => (text, None),
    };
    let words = Formula::ALL.map(Formula::word);
    let formula =
        Formula::from_word(word).ok_or_else(|| format!("unknown formula `{word}`; {}", hint(word, &words)))?;
    Ok(Also { name: text.to_owned(), formula, threshold_s: threshold.map(|span| span.0 / SECOND_MS) })
}

/// A time zone of the IANA data base.
pub fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let names: Vec<String> = tz::db().available().map(|name| name.to_string()).collect();
        let city = names.iter().map(String::as_str).find(|known| {
            let last = known.rsplit('/').next().unwrap_or(known);
            last.eq_ignore_ascii_case(name.trim())
        });
        match city.or_else(|| nearest(name, names.iter().map(String::as_str))) {
            Some(known) => format!("unknown time zone `{name}`; did you mean `{known}`?"),
            None => format!("unknown time zone `{name}`; write an IANA name such as \"Europe/Budapest\""),
        }
    })
}

/// How the records of a source are written.
pub fn encoding(word: &str) -> Result<Encoding, String> {
    Encoding::from_word(word).ok_or_else(|| {
        let words: Vec<_> = Encoding::all().map(Encoding::word).collect();
        match nearest(word, words.iter().map(|word| word.as_ref())) {
            Some(known) => format!("unknown format `{word}`; did you mean `{known}`?"),
            None => {
                let bare: Vec<&str> = Format::ALL.iter().map(|format| format.word()).collect();
                let bare = listed(&bare);
                format!(
                    "unknown format `{word}`; known are {bare}, and `cloudevents` or `cloudevents/FORMAT` around one"
                )
            }
        }
    })
}

/// A sign between cells.
pub fn delimiter(text: &str) -> Result<char, String> {
    let mut signs = text.chars();
    match (signs.next(), signs.next()) {
        (Some(sign), None) if sign == '\t' || sign.is_ascii_punctuation() && sign != '"' => Ok(sign),
        _ => Err(format!("`{text}` is no delimiter; write one sign such as \",\", \";\" or \"\\t\"")),
    }
}

/// How times are written, as `strptime` has it.
pub fn time_format(text: &str) -> Result<&str, String> {
    if tells_an_instant(text) {
        return Ok(text);
    }
    Err(format!(
        "`{text}` does not tell a day and a time of it; write it as for strptime, such as \"%d.%m.%Y %H:%M:%S\""
    ))
}

pub fn weekday(word: &str) -> Result<Weekday, String> {
    match WEEKDAYS.iter().zip(1..).find(|(name, _)| **name == word) {
        Some((_, day)) => Weekday::from_monday_one_offset(day).map_err(|error| error.to_string()),
        None => Err(format!("unknown weekday `{word}`; {}", hint(word, &WEEKDAYS))),
    }
}

/// An instant: RFC 3339, or a date, which means its first midnight in the zone.
pub fn moment(text: &str, zone: &TimeZone) -> Result<EventTime, String> {
    let digits_at = |at: &[usize]| at.iter().all(|at| text.as_bytes()[*at].is_ascii_digit());
    let is_date = text.len() == 10 && text.is_ascii() && digits_at(&[0, 1, 2, 3, 5, 6, 8, 9]);
    if is_date {
        let midnight = text
            .parse::<Date>()
            .and_then(|date| date.to_zoned(zone.clone()))
            .and_then(|noon_or_so| noon_or_so.start_of_day());
        return match midnight {
            Ok(midnight) => Ok(EventTime(midnight.timestamp().as_millisecond())),
            Err(_) => Err(format!("`{text}` is no day of the calendar")),
        };
    }
    EventTime::parse(text).ok_or_else(|| {
        format!("`{text}` is no time; write a date such as \"2026-03-01\" or RFC 3339 with an offset, \"2026-03-01T08:00:00+01:00\"")
    })
}

/// Where to listen: an IP address and a port.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is no address to listen on; write an IP address and a port such as \"127.0.0.1:8080\"")
    })
}

/// The name of a host alone.
pub fn host(text: &str) -> Result<(), String> {
    match !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-')) {
        true => Ok(()),
        false => Err(format!(
            "`{text}` is no name of a host; write it without scheme and port, such as \"callpulse.example.com\""
        )),
    }
}

/// A name that Kafka takes for a topic, with room for what the program adds to it.
pub fn name(name: &str) -> Result<&str, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        Err("is empty; write a name".to_owned())
    } else if let Some(c) = name.chars().find(|c| !legal(*c)) {
        Err(format!("`{name}` holds `{c}`; letters, digits, `.`, `_` and `-` are allowed"))
    } else if name.len() > 200 {
        Err("is longer than 200 letters".to_owned())
    } else if name == "." || name == ".." {
        Err(format!("`{name}` is no name that Kafka takes"))
    } else {
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_they_are_read() {
        for text in ["0s", "250ms", "20s", "90s", "5m", "24h", "7d"] {
            let span = duration(text).expect(text);
            assert_eq!(duration(&written(span)), Ok(span), "{text}");
        }
        assert_eq!(written(Span(90_000)), "90s");
        assert_eq!(duration("7d"), Ok(Span(7 * DAY_MS)));
        for text in ["", "s", "1.5h", "-5s", "5 s", "5m30s", "99999999999999999999d", "9223372036854775807d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_date_is_its_first_midnight_in_the_zone() {
        let at = |text, zone| moment(text, &TimeZone::get(zone).unwrap()).unwrap().to_string();
        assert_eq!(at("2026-03-01", "UTC"), "2026-03-01T00:00:00.000Z");
        assert_eq!(at("2026-03-01", "Europe/Budapest"), "2026-02-28T23:00:00.000Z");
        assert_eq!(at("2022-03-27", "Asia/Beirut"), "2022-03-26T22:00:00.000Z");
        assert!(moment("2026-02-30", &TimeZone::UTC).is_err());
        assert!(moment("2026-03-01T08:00", &TimeZone::UTC).is_err());
    }
}
