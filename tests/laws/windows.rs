//! Windows: a slid one is a fresh sum, and an interval is the sum of its finer ones.

use crate::cases;
use crate::centre::{ZONES, latest, records, settings};
use crate::histories::{Reach, history};
use callpulse::calendar::{Length, Zone};
use callpulse::config::settings::Settings;
use callpulse::fact::{Distribution, Facts, Key, Measure};
use callpulse::kpi::record::{Count, Fields, KpiRecord};
use callpulse::tally::intervals::Finder;
use callpulse::tally::panes::Panes;
use callpulse::tally::weeks::Weeks;
use callpulse::time::EventTime;
use jiff::civil::{Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const WEEK_S: i64 = 7 * 24 * 3_600;

static SETTINGS: LazyLock<Vec<Settings>> = LazyLock::new(|| ZONES.iter().map(|zone| settings(zone)).collect());

/// What is done to panes.
#[derive(Clone, Debug)]
enum Act {
    /// A fact so many seconds before the end (or after it).
    Fact {
        back: i64,
        what: u8,
        amount: i64,
    },
    Slide(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let back = prop_oneof![4 => -3..20_i64, 1 => 0..700_i64];
    prop_oneof![
        3 => (back, 0..5_u8, prop_oneof![3 => Just(1_i64), 1 => -2..3_i64])
            .prop_map(|(back, what, amount)| Act::Fact { back, what, amount }),
        2 => prop_oneof![4 => 0..4_i64, 2 => 0..90_i64, 1 => 0..100_000_i64].prop_map(Act::Slide),
    ]
}

fn key(what: u8) -> Key {
    match what {
        0 => Key::measure(Measure::Offered),
        1 => Key::measure(Measure::Talk),
        _ => Key::duration(Distribution::WaitAnswered, i64::from(what) * 700),
    }
}

proptest! {
    #![proptest_config(cases(5000))]

    #[test]
    fn a_slid_window_is_a_fresh_sum(acts in proptest::collection::vec(act(), 1..80), start in any::<bool>()) {
        let lengths = [7, 60, 300];
        let (mut panes, mut told) = (Panes::default(), Vec::new());
        let mut end = 1_000_000;
        if start {
            panes.slide(&lengths, end);
        }
        for act in acts {
            let before: Vec<Option<Facts>> = sums(&panes, lengths.len());
            match act {
                Act::Fact { back, what, amount } => {
                    told.push((end - 1 - back, key(what), amount));
                    let is_held = panes.add(&lengths, end - 1 - back, &[(key(what), amount)]);
                    prop_assert!(is_held || before == sums(&panes, lengths.len()));
                }
                Act::Slide(seconds) => {
                    let expected = panes.next_change(&lengths);
                    end += seconds;
                    let has_changed = panes.slide(&lengths, end);
                    let after = sums(&panes, lengths.len());
                    prop_assert!(has_changed || before[0].is_none() || before == after);
                    // Nothing changes before the change that was announced.
                    let is_due = expected.is_some_and(|expected| expected <= end);
                    prop_assert!(is_due || before[0].is_none() || before == after, "{:?} {:?}", expected, end);
                }
            }
            if panes.end().is_none() {
                continue;
            }
            for (place, length) in lengths.iter().enumerate() {
                let held = told.iter().filter(|(second, ..)| end - length <= *second && *second < end);
                let fresh: Facts = held.map(|(_, key, amount)| (*key, *amount)).collect();
                prop_assert_eq!(panes.window(place).expect("slid").to_facts(), fresh);
            }
        }
    }

    #[test]
    fn finer_pieces_tile_coarser_ones(
        zone in prop_oneof![3 => proptest::sample::select(&ZONES[..]), 1 => proptest::sample::select(
            &["UTC", "America/New_York", "Asia/Kathmandu", "Africa/Casablanca", "America/Sao_Paulo", "Asia/Jerusalem"][..])],
        at in 1_735_689_600_000..1_830_000_000_000_i64,
        pair in 0..8_usize,
    ) {
        const MINUTE: i64 = 60_000;
        let zone = Zone::named(zone, Weekday::Monday).expect("a zone");
        let piece = |minutes: i64| Length::piece(minutes * MINUTE).expect("divides a day");
        let (fine, coarse) = [
            (piece(15), piece(60)), (piece(15), Length::DAY), (piece(60), Length::DAY), (piece(10), piece(20)),
            (piece(20), piece(60)), (Length::DAY, Length::Week), (Length::DAY, Length::Month), (piece(360), Length::DAY),
        ][pair];
        let whole = zone.interval(coarse, EventTime(at));
        prop_assert!(whole.holds(EventTime(at)));
        let mut reached = whole.start;
        while reached < whole.end {
            let part = zone.interval(fine, reached);
            prop_assert_eq!(part.start, reached);
            prop_assert!(part.start < part.end && part.end <= whole.end);
            reached = part.end;
        }
        if coarse == Length::DAY {
            let hours = (whole.end.0 - whole.start.0) as f64 / 3_600_000.0;
            prop_assert!([23.0, 23.5, 24.0, 24.5, 25.0].contains(&hours), "{hours} hours");
        }
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn a_profile_of_the_week_is_what_a_wall_calendar_tells(
        zone in 0..ZONES.len(),
        first in 0..7_i8,
        facts in proptest::collection::vec((0..13 * WEEK_S, prop_oneof![3 => Just(1_i64), 1 => -1..3_i64]), 0..60),
        as_of in 0..15 * WEEK_S,
        forgotten in 0..4 * WEEK_S,
    ) {
        let week_start = Weekday::from_monday_zero_offset(first).expect("a weekday");
        let (zone, wall) = (Zone::named(ZONES[zone], week_start).expect("a zone"), TimeZone::get(ZONES[zone]).expect("a zone"));
        let at = |second: i64| Timestamp::from_second(1_767_225_600 + second).expect("a time").to_zoned(wall.clone());
        // Days since the one that the calendar's week starts with, the first of them long ago.
        let day = |zoned: &Zoned| {
            let days = i64::from(zoned.date().since(date(2025, 12, 1)).expect("days").get_days());
            days - i64::from(week_start.to_monday_zero_offset())
        };
        let mut weeks = Weeks::default();
        let mut finder = Finder::new(zone.clone());
        let mut expected = BTreeMap::new();
        let ended = day(&at(as_of)).div_euclid(7);
        for (second, amount) in &facts {
            weeks.add(&mut finder, 1_767_225_600 + second, *amount);
            let then = at(*second);
            let hour = then.weekday().to_monday_zero_offset() as usize * 24 + then.hour() as usize;
            *expected.entry((day(&then).div_euclid(7), hour)).or_insert(0) += amount;
        }
        expected.retain(|(week, _), offered| *offered != 0 && (ended - 8..ended).contains(week));
        let seen: BTreeSet<i64> = expected.keys().map(|(week, _)| *week).collect();
        let as_of = EventTime((1_767_225_600 + as_of) * 1000);
        let told = weeks.profile(&zone, as_of);
        prop_assert_eq!(told.as_ref().map_or(0, |profile| profile.seen), seen.len());
        if let Some(profile) = &told {
            let mut sums = [0; 168];
            expected.iter().for_each(|((_, hour), offered)| sums[*hour] += offered);
            prop_assert_eq!(profile.offered, sums);
        }
        // What is forgotten is in no profile from then on.
        weeks.forget_before(EventTime(as_of.0 - forgotten * 1000));
        prop_assert_eq!(weeks.profile(&zone, as_of), told);
    }

    #[test]
    fn an_interval_is_the_sum_of_its_finer_ones(zone in 0..ZONES.len(), told in history(Reach::Days)) {
        let records = records(&SETTINGS[zone], &told, latest(&told));
        let names = ["per_15m", "per_20m", "per_1h", "per_1d", "per_1w", "per_1mo"];
        let mut by_window: BTreeMap<(&str, String), Vec<&KpiRecord>> = BTreeMap::new();
        for record in records.iter().filter(|record| record.window.kind == "interval") {
            let entity = serde_json::to_string(&(&record.tenant, &record.entity)).expect("an entity is JSON");
            let name = names.into_iter().find(|name| *name == record.window.name).expect("a configured window");
            by_window.entry((name, entity)).or_default().push(record);
        }
        for (fine, coarse) in [("per_15m", "per_1h"), ("per_20m", "per_1h"), ("per_1h", "per_1d"), ("per_1d", "per_1w"),
            ("per_1d", "per_1mo"), ("per_15m", "per_1d")]
        {
            for ((name, entity), wholes) in &by_window {
                if *name != coarse {
                    continue;
                }
                for whole in wholes {
                    let is_within = |part: &&&KpiRecord| {
                        whole.window.start <= part.window.start && part.window.end <= whole.window.end
                    };
                    let parts: Vec<&&KpiRecord> =
                        by_window.get(&(fine, entity.clone())).into_iter().flatten().filter(is_within).collect();
                    let mut sum = BTreeMap::new();
                    parts.iter().for_each(|part| add(&mut sum, part));
                    let mut expected = BTreeMap::new();
                    add(&mut expected, whole);
                    sum.retain(|_, amount| *amount != 0);
                    expected.retain(|_, amount| *amount != 0);
                    prop_assert_eq!(sum, expected, "{} of {}: {}", coarse, entity, whole.window.end);
                }
            }
        }
    }
}

/// The windows' sums; none before the first slide.
fn sums(panes: &Panes, windows: usize) -> Vec<Option<Facts>> {
    (0..windows).map(|place| panes.window(place).map(|sums| sums.to_facts())).collect()
}

/// Every count and sum of a record, of both families.
fn add(to: &mut BTreeMap<String, i64>, record: &KpiRecord) {
    add_counts(to, "", &record.counts, &record.sums_ms);
    if let Some(by_entry) = &record.by_entry {
        add_counts(to, "entry.", &by_entry.counts, &by_entry.sums_ms);
        *to.entry("entry.waiting".into()).or_default() += by_entry.waiting;
        *to.entry("entry.unsettled".into()).or_default() += by_entry.unsettled;
    }
}

fn add_counts(to: &mut BTreeMap<String, i64>, family: &str, counts: &Fields<Count>, sums: &Fields<i64>) {
    for (name, count) in counts.iter() {
        match count {
            Count::Number(number) => *to.entry(format!("{family}{name}")).or_default() += number,
            Count::By(parts) => {
                for (part, number) in parts.iter() {
                    *to.entry(format!("{family}{name}.{part}")).or_default() += number;
                }
            }
        }
    }
    for (name, sum) in sums.iter() {
        *to.entry(format!("{family}{name}_ms")).or_default() += sum;
    }
}
