//! Opening hours: a text such as `mon-fri 08:00-20:00, sat 09:00-14:00`, or the name of a calendar.
//!
//! ```text
//! hours   = (days times)+, separated by blanks or commas
//! days    = mon | mon-fri | monday | daily ...
//! times   = 08:00-12:00 | 22:00-06:00 (into the next day) | 00:00-24:00
//! ```

use super::fault::{Faults, key_of};
use super::leaf::{WEEKDAYS, written};
use super::nearest::{hint, listed};
use super::view::View;
use crate::alert::hours::Hours;
use crate::time::Span;
use jiff::civil::Date;
use std::collections::BTreeMap;
use toml::Value;

const DAY: u16 = 24 * 60;

/// The calendars of the settings, by name.
pub struct Calendars(BTreeMap<String, Hours>);

/// A day on which it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    Once(Date),
    /// Month and day.
    Yearly(i8, i8),
}

impl Calendars {
    /// The tables `[calendars.NAME]`. What is faulty stands for no hours, its check has said so.
    pub fn of(tables: View) -> Calendars {
        let calendar = |table: View| {
            let mut hours = hours(&table.get("hours").text()).unwrap_or_default();
            for (_, day) in table.get("closed").items() {
                match day.0.map(closed) {
                    Some(Ok(Closed::Once(date))) => hours.closed.push(date),
                    Some(Ok(Closed::Yearly(month, day))) => hours.closed_yearly.push((month, day)),
                    Some(Err(_)) | None => {}
                }
            }
            hours
        };
        Calendars(tables.entries().map(|(name, table)| (name.to_owned(), calendar(table))).collect())
    }

    /// The hours that a key `hours` of a table means; none if it says none, or what is no hours.
    pub fn hours_of(&self, table: View, place: &str, faults: &mut Faults) -> Option<Hours> {
        let text = table.get("hours").some_text().filter(|text| !text.trim().is_empty())?;
        if let Some(calendar) = self.0.get(&text) {
            return Some(calendar.clone());
        }
        let is_a_name = !text.contains(|c: char| c.is_ascii_digit() || c == ':');
        let found = match hours(&text) {
            Err(_) if is_a_name => {
                let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
                let known = match names.is_empty() {
                    true => "write hours such as \"mon-fri 08:00-20:00\", or a [calendars.NAME]".to_owned(),
                    false => hint(&text, &names),
                };
                Err(format!("there is no calendar `{text}`; {known}"))
            }
            found => found,
        };
        found.map_err(|sentence| faults.add(key_of(place, "hours"), sentence)).ok()
    }
}

/// Opening hours as written.
pub fn hours(text: &str) -> Result<Hours, String> {
    let mut hours = Hours::default();
    let mut days: Vec<usize> = Vec::new();
    let mut has_times = true;
    let joined = text.split('-').map(str::trim).collect::<Vec<_>>().join("-");
    for word in joined.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty()) {
        if !word.starts_with(|c: char| c.is_ascii_digit()) {
            if has_times {
                days.clear();
            }
            has_times = false;
            days.extend(weekdays(word)?);
            continue;
        }
        if days.is_empty() {
            return Err(format!("`{word}` is of no day; write \"daily {word}\" or such as \"mon-fri {word}\""));
        }
        has_times = true;
        let (from, to) = stretch(word)?;
        for day in &days {
            match from < to {
                true => hours.week[*day].push((from, to)),
                false => {
                    hours.week[*day].push((from, DAY));
                    hours.week[(day + 1) % 7].push((0, to));
                }
            }
        }
    }
    if days.is_empty() || !has_times {
        return Err(match days.last() {
            Some(day) => format!("`{}` has no times; write such as \"{0} 08:00-20:00\"", &WEEKDAYS[*day][..3]),
            None => "is empty; write such as \"mon-fri 08:00-20:00\"".to_owned(),
        });
    }
    hours.week.iter_mut().for_each(tidy);
    Ok(hours)
}

/// A day of the year on which it is closed: `2026-12-25`, or `12-25` of every year.
pub fn closed(day: &Value) -> Result<Closed, String> {
    let text = match day {
        Value::String(text) => text.clone(),
        Value::Datetime(written) => written.to_string(),
        _ => return Err("expected a date such as \"2026-12-25\" or \"12-25\"".to_owned()),
    };
    let is_digits = |at: std::ops::Range<usize>| text.as_bytes()[at].iter().all(u8::is_ascii_digit);
    let is_date = text.len() == 10 && text.is_ascii() && is_digits(0..4) && is_digits(5..7) && is_digits(8..10);
    let is_yearly = text.len() == 5 && text.is_ascii() && is_digits(0..2) && is_digits(3..5);
    if is_date && let Ok(date) = text.parse::<Date>() {
        return Ok(Closed::Once(date));
    }
    // A year that has every day.
    if is_yearly && let Ok(date) = format!("2024-{text}").parse::<Date>() {
        return Ok(Closed::Yearly(date.month(), date.day()));
    }
    Err(format!("`{text}` is no day; write such as \"2026-12-25\", or \"12-25\" for every year"))
}

/// The longest that it is open without a break, holidays aside; none if it is never closed.
pub fn longest(hours: &Hours) -> Option<Span> {
    let mut is_open = [false; 7 * DAY as usize];
    for (day, stretches) in hours.week.iter().enumerate() {
        for (from, to) in stretches {
            let start = day * usize::from(DAY);
            is_open[start + usize::from(*from)..start + usize::from(*to)].fill(true);
        }
    }
    let (mut longest, mut run) = (0, 0);
    // Twice around, for what goes on from Sunday to Monday.
    for minute in 0..2 * is_open.len() {
        run = if is_open[minute % is_open.len()] { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    (longest < is_open.len()).then(|| Span::from_secs(60 * longest as i64))
}

/// The hours in which a source has to speak; a fault if it could never be silent for so long within them.
pub fn of_source(
    calendars: &Calendars,
    source: View,
    place: &str,
    faults: &mut Faults,
    warnings: &mut Vec<String>,
) -> Option<Hours> {
    let hours = calendars.hours_of(source, place, faults)?;
    match source.get("silent_after").duration() {
        None => warnings.push(format!("{}: has no effect without `silent_after`", key_of(place, "hours"))),
        Some(after) => {
            if let Some(longest) = longest(&hours).filter(|longest| *longest <= after) {
                let sentence = format!(
                    "no stretch of its `hours` is longer than \"{}\", so that it is never silent; give less than that",
                    written(longest)
                );
                faults.add(key_of(place, "silent_after"), sentence);
            }
        }
    }
    Some(hours)
}

fn weekdays(word: &str) -> Result<Vec<usize>, String> {
    let day = |name: &str| {
        let lower = name.to_lowercase();
        let found = WEEKDAYS.iter().position(|day| *day == lower || day[..3] == lower);
        found.ok_or_else(|| {
            let names: Vec<&str> = WEEKDAYS.iter().map(|day| &day[..3]).chain(["daily"]).collect();
            format!("`{name}` is no day; write {}", listed(&names))
        })
    };
    if word.eq_ignore_ascii_case("daily") {
        return Ok((0..7).collect());
    }
    match word.split_once('-') {
        None => Ok(vec![day(word)?]),
        Some((first, last)) => {
            let (first, last) = (day(first)?, day(last)?);
            Ok((0..=(last + 7 - first) % 7).map(|ahead| (first + ahead) % 7).collect())
        }
    }
}

/// From and to in minutes of the day; to is at most from where it is of the next day.
fn stretch(word: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("`{word}` is no stretch of a day; write such as \"08:00-20:00\"");
    let (from, to) = word.split_once('-').ok_or_else(wrong)?;
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        if !is_number(hour) || !is_number(minute) || 2 < hour.len() || minute.len() != 2 {
            return None;
        }
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
    };
    let (from, to) = (minute(from).filter(|from| *from < DAY).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?);
    if from == to {
        return Err(format!("`{word}` is empty; write \"00:00-24:00\" for a whole day"));
    }
    Ok((from, if to == 0 { DAY } else { to }))
}

/// In order, what touches together.
fn tidy(day: &mut Vec<(u16, u16)>) {
    day.sort_unstable();
    let mut tidied: Vec<(u16, u16)> = Vec::new();
    for (from, to) in day.drain(..) {
        match tidied.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => tidied.push((from, to)),
        }
    }
    *day = tidied;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Zone;
    use crate::time::EventTime;
    use jiff::civil::Weekday;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, week: [&[(u16, u16)]; 7]) {
        assert_eq!(hours(text).expect(text).week, week.map(<[_]>::to_vec), "{text}");
    }

    #[track_caller]
    fn refused(text: &str, sentence: &str) {
        assert_eq!(hours(text).expect_err(text), sentence);
    }

    #[test]
    fn a_week_is_days_and_their_stretches() {
        const DAY: &[(u16, u16)] = &[(480, 1200)];
        const NO: &[(u16, u16)] = &[];
        const ALL: &[(u16, u16)] = &[(0, 1440)];
        check("mon-fri 08:00-20:00, sat 09:00-14:00", [DAY, DAY, DAY, DAY, DAY, &[(540, 840)], NO]);
        check("Monday 8:00 - 12:00, 13:00 - 20:00", [&[(480, 720), (780, 1200)], NO, NO, NO, NO, NO, NO]);
        check("mon, wed 08:00-20:00", [DAY, NO, DAY, NO, NO, NO, NO]);
        check("daily 00:00-24:00", [ALL; 7]);
        check("sat-mon 08:00-20:00", [DAY, NO, NO, NO, NO, DAY, DAY]);
        check("mon 08:00-14:00 12:00-20:00", [DAY, NO, NO, NO, NO, NO, NO]);
        check("mon 08:00-12:00, mon 12:00-20:00", [DAY, NO, NO, NO, NO, NO, NO]);
    }

    #[test]
    fn a_night_goes_on_into_the_next_day() {
        const NO: &[(u16, u16)] = &[];
        check("sun 22:00-06:00", [&[(0, 360)], NO, NO, NO, NO, NO, &[(1320, 1440)]]);
        check("fri 22:00-00:00", [NO, NO, NO, NO, &[(1320, 1440)], NO, NO]);
        check("daily 22:00-06:00", [&[(0, 360), (1320, 1440)]; 7]);
    }

    #[test]
    fn what_is_no_hours_says_what_would_help() {
        refused("", "is empty; write such as \"mon-fri 08:00-20:00\"");
        refused("mon-fri", "`fri` has no times; write such as \"fri 08:00-20:00\"");
        refused(
            "08:00-20:00",
            "`08:00-20:00` is of no day; write \"daily 08:00-20:00\" or such as \"mon-fri 08:00-20:00\"",
        );
        refused("mon 08-20", "`08-20` is no stretch of a day; write such as \"08:00-20:00\"");
        refused("mon 24:00-01:00", "`24:00-01:00` is no stretch of a day; write such as \"08:00-20:00\"");
        refused("mon 08:00-24:01", "`08:00-24:01` is no stretch of a day; write such as \"08:00-20:00\"");
        refused("mon 08:00-08:00", "`08:00-08:00` is empty; write \"00:00-24:00\" for a whole day");
        let days = "write `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun` and `daily`";
        refused("mon-fry 08:00-20:00", &format!("`fry` is no day; {days}"));
    }

    #[test]
    fn the_wall_clock_decides_also_where_it_changes() {
        let zone = Zone::named("Europe/Budapest", Weekday::Monday).unwrap();
        let hours = |text| hours(text).unwrap();
        let is_open = |hours: &Hours, at| hours.is_open(&zone, EventTime::parse(at).unwrap());
        let office = hours("mon-fri 08:00-20:00");
        // In winter an hour ahead of UTC, in summer two.
        for (at, open) in [
            ("2026-03-27T06:59:59.999Z", false),
            ("2026-03-27T07:00:00Z", true),
            ("2026-03-27T18:59:59Z", true),
            ("2026-03-27T19:00:00Z", false),
            ("2026-03-30T05:59:59Z", false),
            ("2026-03-30T06:00:00Z", true),
            ("2026-03-30T18:00:00Z", false),
        ] {
            assert_eq!(is_open(&office, at), open, "{at}");
        }
        // The clock goes from 02:00 to 03:00 at 01:00 UTC: what begins in between begins at once.
        let night = hours("sun 02:30-04:00");
        for (at, open) in
            [("2026-03-29T00:59:59Z", false), ("2026-03-29T01:00:00Z", true), ("2026-03-29T02:00:00Z", false)]
        {
            assert_eq!(is_open(&night, at), open, "{at}");
        }
        // It goes from 03:00 back to 02:00 at 01:00 UTC: what is in between comes twice.
        let twice = ["2026-10-25T00:15:00Z", "2026-10-25T00:45:00Z", "2026-10-25T01:15:00Z", "2026-10-25T01:45:00Z"];
        assert_eq!(twice.map(|at| is_open(&night, at)), [false, true, false, true]);
    }

    #[test]
    fn a_day_is_closed_from_midnight_to_midnight() {
        let mut night = hours("daily 22:00-06:00").unwrap();
        let day = |text: &str| closed(&Value::String(text.to_owned()));
        assert_eq!(day("12-25"), Ok(Closed::Yearly(12, 25)));
        assert_eq!(day("02-29"), Ok(Closed::Yearly(2, 29)));
        let Ok(Closed::Once(date)) = day("2026-12-25") else { panic!("no date") };
        night.closed.push(date);
        for (at, open) in [
            ("2026-12-24T23:59:59Z", true),
            ("2026-12-25T00:00:00Z", false),
            ("2026-12-25T23:00:00Z", false),
            ("2026-12-26T00:00:00Z", true),
            ("2027-12-25T00:00:00Z", true),
        ] {
            assert_eq!(night.is_open(&Zone::UTC, EventTime::parse(at).unwrap()), open, "{at}");
        }
        for text in ["2026-02-30", "02-30", "13-01", "1-1", "2026-1-1", "ő-12", "", "26-12-25"] {
            assert!(day(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_longest_stretch_goes_over_midnight_and_sunday() {
        let longest = |text| longest(&hours(text).unwrap());
        assert_eq!(longest("mon 08:00-12:00 13:00-20:00"), Some(Span::from_hours(7)));
        assert_eq!(longest("sun 20:00-04:00, mon 04:00-05:00"), Some(Span::from_hours(9)));
        assert_eq!(longest("mon-sat 00:00-24:00"), Some(Span::from_hours(6 * 24)));
        assert_eq!(longest("daily 00:00-24:00"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([a-z]{0,4}|mon-sun|daily|[0-9:,. -]{0,12}|[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]|.{0,3}){0,6}") {
            let _ = closed(&Value::String(text.clone()));
            if let Ok(hours) = hours(&text) {
                for day in &hours.week {
                    // In order, apart, within the day.
                    prop_assert!(day.iter().all(|(from, to)| from < to && *to <= DAY));
                    prop_assert!(day.windows(2).all(|two| two[0].1 < two[1].0));
                }
                prop_assert!(hours.week.iter().any(|day| !day.is_empty()));
            }
        }
    }
}
