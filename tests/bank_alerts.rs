//! The bank's months of 1999 through `callpulse alerts test`: what fired when is what a plain count, second by second,
//! makes of the rows of the table.
//!
//! The count shares nothing with the program: it reads the rows themselves, and looks at every second of the month.
//! The data stand beside the repository and are no part of it; without them there is nothing to check.

#[path = "support/bank.rs"]
mod bank;
#[path = "support/beside.rs"]
mod beside;

use bank::{MONTHS, month};
use callpulse::time::EventTime;
use flate2::read::GzDecoder;
use jiff::civil::date;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;

const SETTINGS: &str = r#"
[windows]
sliding = ["5m", "30m"]
timezone = "Asia/Jerusalem"
[[alerts]]
name = "abandonment"
of = { id = "N*" }
kpi = "abandonment_rate"
window = "30m"
trigger = 0.3
clear = 0.2
for = "2m"
[[alerts]]
name = "longest_wait"
of = { id = "NE" }
kpi = "longest_wait"
window = "now"
trigger = 180
clear = 60
keep_firing_for = "30s"
hours = "sun-thu 08:00-11:00, sun-thu 12:00-20:00"
[[alerts]]
name = "service_level"
of = { id = "IN" }
kpi = "service_level"
window = "30m"
trigger = 0.3
clear = 0.5
min_volume = 5
for = "30s"
keep_firing_for = "0s"
[[alerts]]
name = "gives_up_and_waits"
of = { id = "NW" }
keep_firing_for = "1m"
when = { all = [{ kpi = "abandonment_rate", window = "5m", trigger = 0.2, clear = 0.1, min_volume = 4 }, { kpi = "waiting", window = "now", trigger = 1, clear = 0 }] }
[[alerts]]
name = "burn"
of = { id = "NW" }
burn = "service_level"
windows = ["30m", "5m"]
trigger = 2
clear = 1.25
for = "1m"
[queues.NW]
[[alerts]]
name = "unusual"
of = { id = "NW" }
unusual = "calls_offered"
window = "per_1h"
weeks = 3
weeks_min = 2
min_volume = 10
trigger = 2
clear = 1
"#;

/// One stay in a queue, in seconds.
#[derive(Clone, Copy)]
struct Stay {
    enter: i64,
    leave: i64,
    is_abandoned: bool,
    /// When the call was over, if it was answered.
    end: Option<i64>,
}

/// The stays of a month by queue, as the table has them.
fn stays(table: &Path) -> BTreeMap<String, Vec<Stay>> {
    let mut text = String::new();
    GzDecoder::new(File::open(table).expect("a month")).read_to_string(&mut text).expect("text");
    let zone = TimeZone::get("Asia/Jerusalem").expect("a zone");
    let clock = |text: &str| text.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().expect("a number"));
    let after = |at: i64, than: i64| if at < than && 43_200 < than - at { at + 86_400 } else { at };
    let mut stays: BTreeMap<String, Vec<Stay>> = BTreeMap::new();
    for row in text.lines().skip(1) {
        let cells: Vec<&str> = row.split_whitespace().collect();
        let [_, _, _, _, queue, day, entry, exit, _, q_start, _, q_time, outcome, _, _, served, _] = cells[..] else {
            continue;
        };
        if cells.len() != 17 {
            continue;
        }
        let number = |from: usize| day[from..from + 2].parse::<i8>().expect("a number");
        let midnight = date(1900 + i16::from(number(0)), number(2), number(4)).at(0, 0, 0, 0);
        let stamp = |second: i64| {
            let local = midnight.checked_add(jiff::SignedDuration::from_secs(second)).expect("a time");
            zone.to_ambiguous_timestamp(local).compatible().expect("a time").as_second()
        };
        let arrived = clock(entry);
        let waited: i64 = q_time.parse().expect("seconds");
        let is_queued = 0 < waited || 0 < clock(q_start);
        if outcome == "PHANTOM" || outcome == "HANG" && !is_queued {
            continue;
        }
        let (enter, leave) = match is_queued {
            true => (after(clock(q_start), arrived), after(clock(q_start), arrived) + waited),
            false => (after(clock(exit), arrived), after(clock(exit), arrived)),
        };
        let is_abandoned = outcome == "HANG";
        let end = (!is_abandoned).then(|| stamp(leave + served.parse::<i64>().expect("seconds")));
        let stay = Stay { enter: stamp(enter), leave: stamp(leave), is_abandoned, end };
        stays.entry(queue.to_string()).or_default().push(stay);
    }
    stays
}

/// What keeps a queue from being idle: of abandonment that a call left, of service levels also that one was over.
const LEFT: usize = 0;
const OVER: usize = 1;

/// What a queue's numbers are at the end of each second, from its first stay on.
struct Seconds {
    first: i64,
    /// By second: stays that left, that were abandoned after five seconds and within, and answered within twenty.
    left: Vec<[i64; 4]>,
    /// Since when the one that waits longest waits, and how many wait.
    longest: Vec<Option<i64>>,
    waiting: Vec<i64>,
    /// When a call last left, and when one last left or was over.
    moved: Vec<[Option<i64>; 2]>,
}

impl Seconds {
    fn of(stays: &[Stay], until: i64) -> Seconds {
        let first = stays.iter().map(|stay| stay.enter).min().expect("a stay");
        let count = (until - first + 1) as usize;
        let mut seconds = Seconds {
            first,
            left: vec![[0; 4]; count + 1],
            longest: vec![None; count],
            waiting: vec![0; count],
            moved: vec![[None; 2]; count],
        };
        for stay in stays {
            let wait = stay.leave - stay.enter;
            let left =
                [true, stay.is_abandoned && 5 < wait, stay.is_abandoned && wait <= 5, !stay.is_abandoned && wait <= 20];
            let sums = &mut seconds.left[(stay.leave - first) as usize + 1];
            (0..4).for_each(|place| sums[place] += i64::from(left[place]));
            for (second, has_left) in [(Some(stay.leave), true), (stay.end, false)] {
                if let Some(second) = second.filter(|second| *second <= until) {
                    let moved = &mut seconds.moved[(second - first) as usize];
                    moved[OVER] = Some(second);
                    moved[LEFT] = moved[LEFT].or(Some(second).filter(|_| has_left));
                }
            }
            for second in stay.enter..stay.leave {
                let at = (second - first) as usize;
                seconds.waiting[at] += 1;
                seconds.longest[at] = Some(seconds.longest[at].map_or(stay.enter, |other| other.min(stay.enter)));
            }
        }
        for at in 1..count {
            let before = seconds.moved[at - 1];
            seconds.moved[at].iter_mut().zip(before).for_each(|(moved, before)| *moved = moved.or(before));
        }
        for at in 1..=count {
            (0..4).for_each(|place| seconds.left[at][place] += seconds.left[at - 1][place]);
        }
        seconds
    }

    /// Left, long abandoned, short abandoned and answered in time, over so many seconds up to one.
    fn sums(&self, at: usize, length: usize) -> [i64; 4] {
        let (to, from) = (self.left[at + 1], self.left[(at + 1).saturating_sub(length)]);
        std::array::from_fn(|place| to[place] - from[place])
    }

    fn abandonment_rate(&self, at: usize, length: usize, least: i64) -> Option<f64> {
        let [left, long, short, _] = self.sums(at, length);
        (0 < left - short && least <= left - short).then(|| long as f64 / (left - short) as f64)
    }

    /// Nothing flows out there.
    fn service_level(&self, at: usize, length: usize, least: i64) -> Option<f64> {
        let [left, _, short, met] = self.sums(at, length);
        (0 < left - short && least <= left - short).then(|| met as f64 / (left - short) as f64)
    }

    /// How many times as many as one in five were missed.
    fn burn_rate(&self, at: usize, length: usize, least: i64) -> Option<f64> {
        let [left, _, short, met] = self.sums(at, length);
        let counted = left - short;
        (least <= counted).then(|| (counted - met) as f64 / (0.2 * counted as f64))
    }

    /// What a latch says of calls that left: nothing where it is on, and for a minute none left, or was over either.
    fn latch(
        &self,
        (at, what): (usize, usize),
        on: &mut bool,
        value: f64,
        (trigger, clear): (f64, f64),
    ) -> Option<bool> {
        let was = *on;
        let is_idle = self.moved[at][what].is_none_or(|moved| 60 <= self.first + at as i64 - moved);
        if latch(on, value, trigger, clear) && is_idle {
            *on = was;
            return None;
        }
        Some(*on)
    }

    fn longest_wait(&self, at: usize) -> f64 {
        self.longest[at].map_or(0.0, |since| (self.first + at as i64 - since) as f64 + 0.999)
    }
}

/// How many entered a queue in each hour, by its first second.
struct Hours {
    entered: BTreeMap<i64, f64>,
    /// The first hour in which anybody called.
    first: i64,
}

impl Hours {
    fn of(stays: &[Stay], all: &BTreeMap<String, Vec<Stay>>) -> Hours {
        let first = all.values().flatten().map(|stay| stay.enter).min().expect("a stay") / 3_600 * 3_600;
        let mut entered = BTreeMap::new();
        for stay in stays {
            *entered.entry(stay.enter / 3_600 * 3_600).or_insert(0.0) += 1.0;
        }
        Hours { entered, first }
    }

    fn entered(&self, hour: i64) -> Option<f64> {
        (self.first <= hour).then(|| self.entered.get(&hour).copied().unwrap_or(0.0))
    }

    /// How far an hour is off the median of the same hour of three weeks, in spreads.
    fn deviation(&self, hour: i64, zone: &TimeZone) -> Option<f64> {
        let now = self.entered(hour)?;
        let local = zone.to_datetime(jiff::Timestamp::from_second(hour).expect("a time"));
        let week = |weeks: i64| {
            let before = local.checked_sub(jiff::Span::new().weeks(weeks)).expect("a time");
            self.entered(zone.to_ambiguous_timestamp(before).compatible().expect("a time").as_second())
        };
        let middle = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
        };
        let weeks: Vec<f64> = (1..=3).filter_map(week).collect();
        if weeks.len() < 2 {
            return None;
        }
        let usual = middle(weeks.clone());
        let spread = 1.4826 * middle(weeks.iter().map(|value| (value - usual).abs()).collect());
        (10.0 <= usual.max(now)).then(|| (now - usual).abs() / spread.max(usual.max(1.0).sqrt()))
    }
}

/// When it began to hold, fired and resolved, in seconds, and why.
type Fired = (i64, i64, Option<(i64, &'static str)>);

/// Looks at every second. `holds` is told whether the levels were on before, and says what is known now. It has to hold and
/// to be clear for so many seconds.
fn periods(
    seconds: &Seconds,
    (hold, keep): (i64, i64),
    is_open: impl Fn(i64) -> bool,
    mut holds: impl FnMut(usize, &mut [bool; 2]) -> Option<bool>,
) -> Vec<Fired> {
    let mut fired: Vec<Fired> = Vec::new();
    let (mut on, mut is_firing) = ([false; 2], false);
    // Since when it holds, for how long that is known, and whether the last look knew it to hold.
    let mut pending: Option<(i64, i64, bool)> = None;
    // Since when it has been clear, while it fires.
    let mut clear: Option<i64> = None;
    for at in 0..seconds.waiting.len() {
        let second = seconds.first + at as i64;
        if !is_open(second) {
            if is_firing {
                fired.last_mut().expect("fired").2 = Some((second, "closed"));
            }
            (on, is_firing, pending, clear) = ([false; 2], false, None, None);
            continue;
        }
        let now = holds(at, &mut on);
        if let Some((_, held, true)) = &mut pending {
            *held += 1;
        }
        match now {
            Some(true) if !is_firing => {
                let (since, held, _) = pending.unwrap_or((second, 0, true));
                pending = Some((since, held, true));
                if hold <= held {
                    fired.push((since, second, None));
                    (is_firing, pending) = (true, None);
                }
            }
            Some(false) => {
                pending = None;
                clear = clear.or(Some(second)).filter(|_| is_firing);
            }
            None => pending = pending.map(|(since, held, _)| (since, held, false)),
            Some(true) => clear = None,
        }
        if clear.is_some_and(|since| keep <= second - since) {
            fired.last_mut().expect("fired").2 = Some((second, "cleared"));
            (is_firing, clear) = (false, None);
        }
    }
    fired
}

/// A level with its gap, above it or below.
fn latch(on: &mut bool, value: f64, trigger: f64, clear: f64) -> bool {
    let sign = if clear < trigger { 1.0 } else { -1.0 };
    *on = sign * trigger < sign * value || *on && sign * clear < sign * value;
    *on
}

/// The rules above, of one month.
fn expected(stays: &BTreeMap<String, Vec<Stay>>, until: i64) -> BTreeMap<(String, String), Vec<Fired>> {
    let zone = TimeZone::get("Asia/Jerusalem").expect("a zone");
    let is_day = |second: i64| {
        let local = zone.to_datetime(jiff::Timestamp::from_second(second).expect("a time"));
        (8..20).contains(&local.hour()) && local.hour() != 11 && local.weekday().to_sunday_zero_offset() < 5
    };
    let mut all = BTreeMap::new();
    let all_stays = stays;
    for queue in ["NW", "NE", "IN"] {
        let Some(stays) = stays.get(queue) else { continue };
        let seconds = Seconds::of(stays, until);
        let mut put = |rule: &str, fired| all.insert((rule.to_string(), queue.to_string()), fired);
        if queue != "IN" {
            let rate = |at, on: &mut [bool; 2]| {
                seconds
                    .abandonment_rate(at, 1800, 20)
                    .and_then(|value| seconds.latch((at, LEFT), &mut on[0], value, (0.3, 0.2)))
            };
            put("abandonment", periods(&seconds, (120, 1_800), |_| true, rate));
        }
        if queue == "NE" {
            let wait = |at, on: &mut [bool; 2]| Some(latch(&mut on[0], seconds.longest_wait(at), 180.0, 60.0));
            put("longest_wait", periods(&seconds, (0, 30), is_day, wait));
        }
        if queue == "IN" {
            let level = |at, on: &mut [bool; 2]| {
                seconds
                    .service_level(at, 1800, 5)
                    .and_then(|value| seconds.latch((at, OVER), &mut on[0], value, (0.3, 0.5)))
            };
            put("service_level", periods(&seconds, (30, 0), |_| true, level));
        }
        if queue == "NW" {
            let both = |at: usize, on: &mut [bool; 2]| {
                let gives_up = seconds.abandonment_rate(at, 300, 4);
                let gives_up = gives_up.and_then(|value| seconds.latch((at, LEFT), &mut on[0], value, (0.2, 0.1)));
                let waits = latch(&mut on[1], seconds.waiting[at] as f64, 1.0, 0.0);
                match (gives_up, waits) {
                    (_, false) => Some(false),
                    (gives_up, true) => gives_up,
                }
            };
            put("gives_up_and_waits", periods(&seconds, (0, 60), |_| true, both));
            let burn = |at: usize, on: &mut [bool; 2]| {
                let [long, short] = [(1800, 20), (300, 1)].map(|(length, least)| seconds.burn_rate(at, length, least));
                seconds.latch((at, OVER), &mut on[0], long?.min(short?), (2.0, 1.25))
            };
            put("burn", periods(&seconds, (60, 900), |_| true, burn));
            let hours = Hours::of(stays, all_stays);
            let mut last = (0, None);
            let unusual = |at: usize, on: &mut [bool; 2]| {
                let hour = (seconds.first + at as i64) / 3_600 * 3_600;
                if last.0 != hour {
                    last = (hour, hours.deviation(hour - 3_600, &zone));
                }
                // An hour of which nothing is known is not unusual.
                Some(latch(&mut on[0], last.1.unwrap_or(0.0), 2.0, 1.0))
            };
            put("unusual", periods(&seconds, (0, 300), |_| true, unusual));
        }
    }
    all
}

/// What the program tells of a month: when it ends, and what fired.
fn told(events: &str, name: &str) -> (i64, BTreeMap<(String, String), Vec<Fired>>) {
    let scratch = std::env::temp_dir().join(format!("callpulse-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("a folder");
    let (file, settings) = (scratch.join("events.jsonl"), scratch.join("settings.toml"));
    std::fs::write(&file, events).expect("a file");
    std::fs::write(&settings, SETTINGS).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_callpulse"));
    command.args(["alerts", "test", "--json", "--format", "json", "--config"]).arg(&settings).arg(&file);
    let output = command.output().expect("the program runs");
    let _ = std::fs::remove_dir_all(&scratch);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let second = |time: &Value| time.as_str().map(|time| EventTime::parse(time).expect("a time").second().0);
    let text = |value: &Value| value.as_str().expect("a text").to_string();
    let mut all = BTreeMap::new();
    for rule in told["rules"].as_array().expect("rules") {
        for entity in rule["entities"].as_array().expect("entities") {
            let periods = entity["periods"].as_array().expect("periods").iter().map(|period| {
                let why = match period["reason"].as_str() {
                    Some("closed") => "closed",
                    _ => "cleared",
                };
                let resolved = second(&period["resolved"]).map(|at| (at, why));
                (second(&period["since"]).expect("a time"), second(&period["fired"]).expect("a time"), resolved)
            });
            all.insert((text(&rule["rule"]), text(&entity["id"])), periods.collect::<Vec<_>>());
        }
    }
    (second(&told["until"]).expect("a time"), all)
}

#[test]
fn what_fired_when_is_what_a_plain_count_over_the_rows_tells() {
    let (mut fired, mut closed) = (0, 0);
    for name in MONTHS {
        let (Some(table), Some(events)) = (bank::file(&format!("{name}.tsv.gz")), month(name)) else { return };
        let (until, found) = told(&events, name);
        let expected = expected(&stays(&table), until);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
        for (of, periods) in &expected {
            assert_eq!(&found[of], periods, "{name}: {of:?}");
            fired += periods.len();
            closed += periods.iter().filter(|(.., resolved)| matches!(resolved, Some((_, "closed")))).count();
        }
        for rule in ["abandonment", "longest_wait", "service_level", "gives_up_and_waits", "burn", "unusual"] {
            let count = expected.iter().filter(|((of, _), _)| of == rule).map(|(_, fired)| fired.len()).sum::<usize>();
            println!("{name}: {rule} fired {count} times");
        }
    }
    assert!(200 < fired && 0 < closed, "{fired} fired, {closed} closed");
}
