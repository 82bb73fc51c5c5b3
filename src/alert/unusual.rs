//! Unusual: a KPI of the interval that ended last, beside the same hour of the weeks before.
//!
//! ```text
//! weeks before   101   98  110   95  102      median 101, spread 1.4826 x median distance from it
//! the hour now                            40      (40 - 101) / spread = how unusual
//! ```
//!
//! Median and median distance do not mind a holiday among the weeks. The spread is never less than chance alone makes,
//! so that weeks that happen to be alike make nothing unusual. Source: Iglewicz and Hoaglin, "How to Detect and Handle
//! Outliers" (1993), whose modified z-score it is, and who take more than 3.5 for an outlier.

use super::reading::{Basis, Reading};
use crate::calendar::{Interval, Length, Zone};
use crate::kpi::record::KpiRecord;
use crate::time::{EventTime, Span};
use jiff::ToSpan;
use std::collections::BTreeMap;

/// The most weeks that are looked back.
pub const WEEKS_MAX: usize = 13;
/// Points older than this, from their start on, are of no use.
pub const KEPT_FOR: Span = Span::from_hours((WEEKS_MAX as i64 + 1) * 7 * 24);

/// How a KPI is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Unusual {
    /// How long the intervals are; a day at most.
    pub length: Length,
    /// How many weeks it looks back, 1 to [`WEEKS_MAX`].
    pub weeks: usize,
    /// In fewer of them there has to be a value, or nothing is known.
    pub weeks_min: usize,
    pub side: Side,
    pub noise: Noise,
}

/// What is unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Above,
    Below,
    Both,
}

/// What chance alone does to a KPI.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// A number of calls varies by its root.
    Count,
    /// A share p of n calls varies by the root of p (1 - p) / n.
    Share,
    /// Of means and all else it is not known; taken for a tenth of the median, and for no less than so much.
    Tenth { least: f64 },
}

/// A KPI of the intervals of one length that are over, by their starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past(BTreeMap<EventTime, Point>);

/// A KPI of one interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub value: f64,
    /// How many calls it stands for; none of what is not of calls.
    pub volume: Option<i64>,
}

/// What a comparison was worked out from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// When the interval began, and the KPI in it.
    pub start: EventTime,
    pub kpi: f64,
    /// The same in the weeks before, the last one first; none of a week without a value, or further back than asked for.
    pub weeks: [Option<f64>; WEEKS_MAX],
    pub median: f64,
    pub spread: f64,
}

/// What was before, by whose clock, and as of when.
#[derive(Clone, Copy, Debug)]
pub struct Before<'b> {
    /// Of the KPI and window that are looked at; none where nothing is kept.
    pub past: Option<&'b Past>,
    /// That of the entity's tenant.
    pub zone: &'b Zone,
    pub as_of: EventTime,
}

impl Point {
    /// What the record of an interval says; none if the KPI has no value in it.
    pub fn of(record: &KpiRecord, kpi: &str) -> Option<Point> {
        let reading = Reading::of(record, kpi)?;
        Some(Point { value: reading.value?, volume: reading.volume(record) })
    }
}

impl Past {
    /// What an interval came to; none if the KPI has no value in it. Whether that is news.
    pub fn put(&mut self, start: EventTime, point: Option<Point>) -> bool {
        match point {
            Some(point) => self.0.insert(start, point) != Some(point),
            None => self.0.remove(&start).is_some(),
        }
    }

    /// Forgets intervals that began before an instant.
    pub fn forget_before(&mut self, at: EventTime) {
        self.0 = self.0.split_off(&at);
    }

    /// The points of intervals that began in a stretch of time, in order.
    pub fn between(&self, stretch: Interval) -> impl Iterator<Item = (EventTime, Point)> {
        self.0.range(stretch.start..stretch.end).map(|(start, point)| (*start, *point))
    }

    /// The first and the last interval's start; none of nothing.
    pub fn reach(&self) -> Option<(EventTime, EventTime)> {
        Some((*self.0.first_key_value()?.0, *self.0.last_key_value()?.0))
    }
}

impl Unusual {
    /// How far the interval that ended last is off its usual value, in spreads: how far above, below, or either. 0 and no
    /// basis if that is not known, so that what was unusual before it is over: it has no value, too few weeks before it have,
    /// or too few calls, of a number of calls both in it and in the median week, of all else in it. None where nothing is kept.
    pub fn read(&self, before: Before<'_>, min_volume: i64) -> Option<Reading> {
        let Before { past, zone, as_of } = before;
        let compared = self.compare(past?, zone.interval(self.length, as_of), zone, min_volume);
        Some(compared.unwrap_or(Reading { value: Some(0.0), ..Reading::default() }))
    }

    fn compare(&self, past: &Past, open: Interval, zone: &Zone, min_volume: i64) -> Option<Reading> {
        let start = zone.interval(self.length, EventTime(open.start.0 - 1)).start;
        let now = past.0.get(&start)?;
        let before = |week: usize| past.0.get(&self.weeks_before(start, week as i32, zone)?).copied();
        let points: [Option<Point>; WEEKS_MAX] =
            std::array::from_fn(|place| if place < self.weeks { before(place + 1) } else { None });
        let weeks = points.map(|point| point.map(|point| point.value));
        if weeks.iter().flatten().count() < self.weeks_min {
            return None;
        }
        let usual = median(points.iter().flatten().map(|point| point.volume.unwrap_or(0) as f64));
        let volume = match self.noise {
            Noise::Count => usual.max(now.volume.unwrap_or(0) as f64),
            Noise::Share | Noise::Tenth { .. } => now.volume.unwrap_or(0) as f64,
        };
        if volume < min_volume as f64 {
            return None;
        }
        let median = median(weeks.iter().flatten().copied());
        let distance = self::median(weeks.iter().flatten().map(|value| (value - median).abs()));
        let spread = (1.4826 * distance).max(self.noise.of(median, now.volume));
        let off = (now.value - median) / spread;
        let value = match self.side {
            Side::Above => off,
            Side::Below => -off,
            Side::Both => off.abs(),
        };
        let basis = Some(Basis::Unusual(Compared { start, kpi: now.value, weeks, median, spread }));
        Some(Reading { value: Some(value), basis, ..Reading::default() })
    }

    /// When the interval of the same wall clock began so many weeks before; none if there was no such time.
    fn weeks_before(&self, start: EventTime, weeks: i32, zone: &Zone) -> Option<EventTime> {
        let local = zone.local(start).checked_sub(weeks.weeks()).ok()?;
        let then = zone.instant(local);
        // There is none that the clocks leapt over.
        (zone.local(then) == local).then(|| zone.interval(self.length, then).start)
    }
}

impl Noise {
    /// The least that a value may vary by, where it is usually this, of so many calls; never 0.
    fn of(self, median: f64, volume: Option<i64>) -> f64 {
        match self {
            Noise::Count => median.max(1.0).sqrt(),
            Noise::Share => {
                let calls = volume.unwrap_or(0).max(1) as f64;
                // Nobody among n does not mean that there is nobody.
                let share = (median * calls + 1.0) / (calls + 2.0);
                (share * (1.0 - share) / calls).sqrt()
            }
            Noise::Tenth { least } => (median.abs() / 10.0).max(least),
        }
    }
}

impl Side {
    pub const ALL: [Side; 3] = [Side::Above, Side::Below, Side::Both];

    /// The name in settings and records.
    pub const fn word(self) -> &'static str {
        match self {
            Side::Above => "above",
            Side::Below => "below",
            Side::Both => "both",
        }
    }

    pub fn from_word(word: &str) -> Option<Side> {
        Side::ALL.into_iter().find(|side| side.word() == word)
    }
}

/// The middle of values, between the two of an even number; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => 0.0,
        (count, half) if count % 2 == 1 => values[half],
        (_, half) => (values[half - 1] + values[half]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::Weekday;

    const HOUR: i64 = 3_600_000;
    const WEEK: i64 = 7 * 24 * HOUR;

    fn at(text: &str) -> EventTime {
        EventTime::parse(text).expect("a time")
    }

    fn unusual(noise: Noise) -> Unusual {
        Unusual { length: Length::Piece(HOUR), weeks: 6, weeks_min: 4, side: Side::Both, noise }
    }

    /// Of the hour from ten on a Monday, with the weeks before it, the last one first: how far off it is, if that is known.
    fn off(of: &Unusual, now: (f64, i64), weeks: &[(f64, i64)], min_volume: i64) -> Option<f64> {
        let start = at("2026-06-01T10:00:00Z");
        let mut past = Past::default();
        for (week, (value, volume)) in std::iter::once(&now).chain(weeks).enumerate() {
            let point = Point { value: *value, volume: Some(*volume) };
            past.put(EventTime(start.0 - week as i64 * WEEK), Some(point));
        }
        let as_of = EventTime(start.0 + HOUR + 5 * 60_000);
        let read = of.read(Before { past: Some(&past), zone: &Zone::UTC, as_of }, min_volume)?;
        if read.basis.is_none() {
            assert_eq!(read.value, Some(0.0), "what is not known is not unusual");
            return None;
        }
        read.value
    }

    fn calls(counts: &[i64]) -> Vec<(f64, i64)> {
        counts.iter().map(|count| (*count as f64, *count)).collect()
    }

    #[track_caller]
    fn check(found: Option<f64>, expected: Option<f64>) {
        let is_near = found.zip(expected).is_none_or(|(found, expected)| (found - expected).abs() < 1e-9);
        assert!(found.is_some() == expected.is_some() && is_near, "{found:?} is not {expected:?}");
    }

    #[test]
    fn it_is_off_by_so_many_spreads() {
        let of = unusual(Noise::Count);
        // Median 100, distances 0, 10, 20, 20 and 30: the spread is 1.4826 times 20.
        let weeks = calls(&[100, 130, 80, 120, 90]);
        check(off(&of, (40.0, 40), &weeks, 0), Some(60.0 / (1.4826 * 20.0)));
        let side = |side, now: f64| off(&Unusual { side, ..of.clone() }, (now, now as i64), &weeks, 0);
        check(side(Side::Above, 40.0), Some(-60.0 / (1.4826 * 20.0)));
        check(side(Side::Below, 40.0), Some(60.0 / (1.4826 * 20.0)));
        // A holiday among the weeks moves nothing much.
        check(off(&of, (40.0, 40), &calls(&[100, 0, 80, 120, 100]), 0), Some(60.0 / (1.4826 * 20.0)));
    }

    #[test]
    fn weeks_that_are_alike_make_nothing_unusual() {
        let weeks = calls(&[100; 6]);
        check(off(&unusual(Noise::Count), (120.0, 120), &weeks, 0), Some(2.0));
        check(off(&unusual(Noise::Count), (2.0, 2), &calls(&[0; 6]), 0), Some(2.0));
        let shares = |share: f64| vec![(share, 100); 6];
        check(off(&unusual(Noise::Share), (0.5, 98), &shares(0.5), 0), Some(0.0));
        check(off(&unusual(Noise::Share), (0.6, 100), &shares(0.5), 0), Some(2.0));
        let nobody = off(&unusual(Noise::Share), (0.1, 10), &shares(0.0), 0).expect("a value");
        assert!(nobody < 3.5, "one of ten where nobody was: {nobody}");
        check(off(&unusual(Noise::Tenth { least: 1.0 }), (260.0, 50), &[(200.0, 50); 6], 0), Some(3.0));
    }

    #[test]
    fn little_history_and_few_calls_say_nothing() {
        let of = unusual(Noise::Count);
        check(off(&of, (0.0, 0), &calls(&[100; 3]), 0), None);
        check(off(&of, (0.0, 0), &calls(&[100; 4]), 0), Some(10.0));
        check(off(&of, (9.0, 9), &calls(&[2; 6]), 10), None);
        check(off(&of, (10.0, 10), &calls(&[2; 6]), 10), Some(8.0 / 2.0_f64.sqrt()));
        // No call where there are many is what it is for; a share of few calls is not.
        check(off(&of, (0.0, 0), &calls(&[100; 6]), 10), Some(10.0));
        check(off(&unusual(Noise::Share), (1.0, 9), &[(0.1, 100); 6], 10), None);
    }

    #[test]
    fn an_hour_is_that_of_the_wall_clock() {
        let zone = Zone::named("Europe/Budapest", Weekday::Monday).expect("a zone");
        let of = Unusual { weeks: 2, weeks_min: 2, ..unusual(Noise::Count) };
        let mut past = Past::default();
        // Clocks went forward between the two.
        for (start, value) in
            [("2026-03-23T09:00:00Z", 7.0), ("2026-03-30T08:00:00Z", 5.0), ("2026-04-06T08:00:00Z", 6.0)]
        {
            past.put(at(start), Some(Point { value, volume: None }));
        }
        let read = |as_of| of.read(Before { past: Some(&past), zone: &zone, as_of: at(as_of) }, 0);
        let found = read("2026-04-06T09:00:01Z").expect("a value");
        let Some(Basis::Unusual(compared)) = found.basis else { panic!("{found:?}") };
        assert_eq!((compared.kpi, &compared.weeks[..3]), (6.0, &[Some(5.0), Some(7.0), None][..]));
        // An hour later nothing is known of the hour that has just ended.
        assert_eq!(read("2026-04-06T10:00:01Z"), Some(Reading { value: Some(0.0), ..Reading::default() }));
    }

    #[test]
    fn an_hour_that_the_clocks_leapt_over_is_no_other() {
        let zone = Zone::named("Europe/Budapest", Weekday::Monday).expect("a zone");
        let of = Unusual { weeks: 2, weeks_min: 1, ..unusual(Noise::Count) };
        let mut past = Past::default();
        // From two to three, but on the 29th of March, when it is from three to four that begins then.
        for (start, value) in
            [("2026-03-22T01:00:00Z", 7.0), ("2026-03-29T01:00:00Z", 100.0), ("2026-04-05T00:00:00Z", 6.0)]
        {
            past.put(at(start), Some(Point { value, volume: None }));
        }
        let read = of.read(Before { past: Some(&past), zone: &zone, as_of: at("2026-04-05T01:00:01Z") }, 0);
        let Some(Basis::Unusual(compared)) = read.and_then(|read| read.basis) else { panic!("{read:?}") };
        assert_eq!((compared.kpi, &compared.weeks[..2]), (6.0, &[None, Some(7.0)][..]));
    }

    #[test]
    fn what_is_corrected_replaces_what_was_there_and_what_is_old_goes() {
        let mut past = Past::default();
        let point = |value| Some(Point { value, volume: None });
        assert!(past.put(EventTime(0), point(1.0)) && past.put(EventTime(HOUR), point(2.0)));
        assert!(!past.put(EventTime(0), point(1.0)) && past.put(EventTime(0), point(3.0)));
        assert_eq!(past.reach(), Some((EventTime(0), EventTime(HOUR))));
        past.forget_before(EventTime(1));
        assert_eq!(past.reach(), Some((EventTime(HOUR), EventTime(HOUR))));
        assert!(past.put(EventTime(HOUR), None) && !past.put(EventTime(HOUR), None));
    }
}
