//! Levels of rules: from the keys as written to the number that is looked at, and beyond what it fires.

use super::alerts::{Around, Told};
use super::fault::key_of;
use super::keys::LEVEL;
use super::nearest::hint;
use super::numbers::{Number, Numbers};
use super::shape;
use super::view::View;
use crate::alert::burn::{Burn, share_allowed};
use crate::alert::condition::{Level, Measure};
use crate::alert::forecast::Forecast;
use crate::alert::rule::Selector;
use crate::alert::unusual::{Noise, Side, Unusual};
use crate::calendar::Length;
use crate::kpi::catalogue::definition;
use crate::kpi::settings::KpiSettings;
use crate::time::Span;
use toml::Value;

/// Fewer calls say nothing of a share, mean or percentile of them, unless a rule says otherwise.
const ENOUGH_CALLS: i64 = 20;
/// Less time of agents says nothing of a rate of it, unless a rule says otherwise: half the window, and no more than this.
const ENOUGH_LOGIN: Span = Span::from_hours(1);
/// The interval that a budget is of, unless a rule says otherwise.
const DAY: &str = "per_1d";

/// How many weeks are looked back, and in how many there has to be a value, unless a rule says otherwise.
const WEEKS: usize = 6;
const WEEKS_MIN: usize = 4;

/// The keys that name the number, one in each level.
pub const MEASURES: [&str; 4] = ["kpi", "burn", "forecast", "unusual"];
/// The keys of a level.
pub fn keys() -> impl Iterator<Item = &'static str> {
    LEVEL.iter().map(|key| key.name)
}

/// What goes with a number of `MEASURES` beside `trigger`, `clear` and `min_volume`.
fn keys_with(measure: &str) -> &'static [&'static str] {
    match measure {
        "burn" => &["windows", "target", "interval"],
        "forecast" => &["window", "within", "interval", "patience"],
        "unusual" => &["window", "weeks", "weeks_min", "side"],
        _ => &["window", "min_login"],
    }
}

/// A level as written.
#[derive(Clone, Copy)]
struct Written<'a> {
    table: View<'a>,
    place: &'a str,
    around: Around<'a>,
    numbers: Numbers<'a>,
}

/// Beyond what it fires, and what it says of a value at all; none of what nobody said.
#[derive(Clone, Copy)]
struct Bounds {
    trigger: Option<f64>,
    clear: Option<f64>,
    min_volume: Option<i64>,
}

/// What is looked at, and beyond what; none if anything of it is refused.
pub fn level(table: View, place: &str, of: &Selector, around: Around, told: &mut Told) -> Option<Level> {
    let written = Written { table, place, around, numbers: Numbers { settings: around.kpi, of } };
    let mut said = MEASURES.into_iter().filter(|key| !table.get(key).is_absent());
    let measure = said.next().unwrap_or("kpi");
    if let Some(second) = said.next() {
        told.faults.add(key_of(place, second), format!("stands beside `{measure}`; keep one of them"));
        return None;
    }
    for key in keys().filter(|key| !table.get(key).is_absent() && !keys_with(measure).contains(key)) {
        if let Some(other) = MEASURES.into_iter().find(|other| keys_with(other).contains(&key)) {
            told.faults.add(key_of(place, key), format!("goes with `{other}`, and this level has none; remove it"));
        }
    }
    written.missing(measure, "name a number such as \"abandonment_rate\", or write `when`", told);
    match measure {
        "burn" => written.burn(told),
        "forecast" => written.forecast(told),
        "unusual" => written.unusual(told),
        _ => written.value(told),
    }
}

impl Written<'_> {
    fn refuse(&self, key: &str, sentence: Result<(), String>, told: &mut Told) {
        if let Err(sentence) = sentence {
            told.faults.add(key_of(self.place, key), sentence);
        }
    }

    fn missing(&self, key: &str, sentence: &str, told: &mut Told) {
        if self.table.get(key).is_absent() {
            told.faults.add(key_of(self.place, key), format!("is missing; {sentence}"));
        }
    }

    fn bounds(&self, told: &mut Told) -> Bounds {
        self.missing("trigger", "write the value beyond which it fires", told);
        let number = |key: &str| self.table.get(key).0.and_then(shape::number);
        let min_volume = self.table.get("min_volume").0.and_then(Value::as_integer);
        Bounds { trigger: number("trigger"), clear: number("clear"), min_volume }
    }

    /// The number of this name, and whether it stands in a window; faults at `key` and `window`. What its values can be
    /// does not hang on the window, so that a wrong one hides no other fault.
    fn number(&self, key: &str, window: &str, told: &mut Told) -> Option<(Number, bool)> {
        let name = self.table.get(key).text();
        if name.is_empty() {
            return None;
        }
        let anywhere = self.numbers.anywhere(&name);
        if let Err((_, sentence)) = &anywhere {
            told.faults.add(key_of(self.place, key), sentence.clone());
        }
        let anywhere = anywhere.ok().map(|known| (known, false));
        if window.is_empty() {
            return anywhere;
        }
        match self.numbers.find(&name, window) {
            Ok(known) => Some((known, true)),
            Err(("window", sentence)) => {
                let at = if key == "burn" { "windows" } else { "window" };
                told.faults.add(key_of(self.place, at), sentence);
                anywhere
            }
            Err((_, sentence)) => {
                if anywhere.is_some() {
                    told.faults.add(key_of(self.place, key), sentence);
                }
                None
            }
        }
    }

    /// A KPI, count or number of now.
    fn value(&self, told: &mut Told) -> Option<Level> {
        self.missing("window", "write one such as \"now\" or \"30m\"", told);
        let Bounds { trigger, clear: said_clear, min_volume } = self.bounds(told);
        let (kpi, window) = (self.table.get("kpi").text(), self.table.get("window").text());
        let (known, is_there) = self.number("kpi", &window, told)?;
        let clear = said_clear.or(trigger);
        let is_above = if clear == trigger { known.is_worse_above } else { clear < trigger };
        let fires = |trigger| known.reaches(trigger).and_then(|()| known.passes(trigger, is_above));
        self.refuse("trigger", trigger.map_or(Ok(()), fires), told);
        self.refuse("clear", said_clear.map_or(Ok(()), |clear| known.reaches(clear)), told);
        if let Some(volume) = min_volume.filter(|volume| 0 < *volume) {
            let of_time = || Err(format!("`{kpi}` is of the time of agents; write `min_login`, such as \"15m\""));
            let counted = if known.is_of_time { of_time() } else { known.counts_calls(&kpi, volume) };
            self.refuse("min_volume", counted, told);
        }
        let min_login = self.table.get("min_login").duration();
        if min_login.is_some() && !known.is_of_time {
            let sentence = format!("`{kpi}` is no rate of agents' time; remove it");
            self.refuse("min_login", Err(sentence), told);
        }
        let (trigger, clear) = (trigger?, clear?);
        if known.is_ratio && known.is_service && is_above != known.is_worse_above {
            let (side, other) = if is_above { ("above", "least") } else { ("below", "most") };
            told.warnings.push(format!(
                "{}: by it the rule fires {side} {trigger}, where `{kpi}` is better; if that is not meant, write at {other} {trigger}",
                key_of(self.place, "clear")
            ));
        }
        let enough = if known.is_fraction || known.is_percentile { ENOUGH_CALLS } else { 0 };
        let min_volume = min_volume.unwrap_or(enough);
        let min_login =
            min_login.unwrap_or_else(|| if known.is_of_time { self.enough_login(&window) } else { Span(0) });
        let measure = Measure::Value;
        is_there.then_some(Level { kpi, window, measure, trigger, clear, is_above, min_volume, min_login })
    }

    /// A service level, by how fast the misses that its target allows are used up.
    fn burn(&self, told: &mut Told) -> Option<Level> {
        let Bounds { trigger, clear, min_volume } = self.bounds(told);
        let windows = self.two_windows(told);
        let kpi = self.service_level("burn", windows.as_ref().map_or(&[], |windows| windows.as_slice()), told);
        let interval = self.interval(told);
        let target = self.table.get("target").0.and_then(shape::number);
        let wanted = target.map_or_else(|| self.numbers.targets(), |target| vec![target]);
        let most = wanted.into_iter().fold(0.0, f64::max);
        if target.is_some() && most == 1.0 {
            self.refuse(
                "target",
                Err("allows no call to be missed, so that none can be used up; give less".into()),
                told,
            );
        }
        let fires = |trigger| above_zero(trigger).and_then(|()| burns(trigger, most));
        self.refuse("trigger", trigger.map_or(Ok(()), fires), told);
        let clear = self.clear_below((trigger, clear), told);
        let [window, short] = windows?;
        let measure = Measure::Burn(Burn { short, target, interval: interval? });
        let min_volume = min_volume.unwrap_or(ENOUGH_CALLS);
        let (kpi, trigger, clear) = (kpi?, trigger?, clear?);
        Some(Level { kpi, window, measure, trigger, clear, is_above: true, min_volume, min_login: Span(0) })
    }

    /// A service level, by what the open interval comes to if it goes on as it does.
    fn forecast(&self, told: &mut Told) -> Option<Level> {
        let Bounds { trigger, clear: said_clear, min_volume } = self.bounds(told);
        self.missing("window", "write the sliding window that arrivals and handle time are of, such as \"30m\"", told);
        self.missing("within", "write how far it looks ahead, such as \"30m\"", told);
        let window = self.table.get("window").text();
        let windows: Vec<String> = self.sliding("window", &window, told).map(|_| window.clone()).into_iter().collect();
        let kpi = self.service_level("forecast", &windows, told);
        let interval = self.interval(told);
        let (within, patience) = (self.table.get("within").duration(), self.table.get("patience").duration());
        let known = self.numbers.anywhere("service_level").ok()?;
        let fires = |trigger| known.reaches(trigger).and_then(|()| known.passes(trigger, false));
        self.refuse("trigger", trigger.map_or(Ok(()), fires), told);
        let is_beyond = |clear: f64| match trigger.filter(|trigger| clear < *trigger) {
            Some(trigger) => {
                Err(format!("{clear} is less than `trigger`, below which it fires; give at least {trigger}"))
            }
            None => Ok(()),
        };
        let clears = |clear| known.reaches(clear).and_then(|()| is_beyond(clear));
        self.refuse("clear", said_clear.map_or(Ok(()), clears), told);
        let measure = Measure::Forecast(Forecast { within: within?, interval: interval?, patience });
        let (trigger, kpi) = (trigger?, kpi.filter(|_| !windows.is_empty())?);
        let (clear, min_volume) = (said_clear.unwrap_or(trigger), min_volume.unwrap_or(ENOUGH_CALLS));
        Some(Level { kpi, window, measure, trigger, clear, is_above: false, min_volume, min_login: Span(0) })
    }

    /// A KPI or count of an interval that is over, beside the same hour of the weeks before.
    fn unusual(&self, told: &mut Told) -> Option<Level> {
        let Bounds { trigger, clear, min_volume } = self.bounds(told);
        self.missing("window", "write the interval that is compared, such as \"per_1h\"", told);
        let (kpi, window) = (self.table.get("unusual").text(), self.table.get("window").text());
        let length = self.piece(&window, told);
        // What is no interval is told of once.
        let known = self.number("unusual", if length.is_some() { &window } else { "" }, told);
        let weeks =
            |key: &str| self.table.get(key).0.and_then(Value::as_integer).and_then(|weeks| usize::try_from(weeks).ok());
        let back = weeks("weeks").unwrap_or(WEEKS);
        let weeks_min = weeks("weeks_min").unwrap_or(WEEKS_MIN.min(back));
        let sentence = format!("{weeks_min} is more than the {back} `weeks` that are looked back; give at most {back}");
        self.refuse("weeks_min", if weeks_min <= back { Ok(()) } else { Err(sentence) }, told);
        self.refuse("trigger", trigger.map_or(Ok(()), above_zero), told);
        let clear = self.clear_below((trigger, clear), told);
        let (known, is_there) = known?;
        if let Some(volume) = min_volume.filter(|volume| 0 < *volume) {
            self.refuse("min_volume", known.counts_calls(&kpi, volume), told);
        }
        let worse = match (known.is_service, known.is_worse_above) {
            (false, _) => Side::Both,
            (true, true) => Side::Above,
            (true, false) => Side::Below,
        };
        let side = Side::from_word(&self.table.get("side").text()).unwrap_or(worse);
        let (length, noise) = (length.filter(|_| is_there)?, noise(&kpi, &known));
        let measure = Measure::Unusual(Unusual { length, weeks: back, weeks_min, side, noise });
        let min_volume = min_volume.unwrap_or(if known.has_volume { ENOUGH_CALLS } else { 0 });
        let (trigger, clear) = (trigger?, clear?);
        Some(Level { kpi, window, measure, trigger, clear, is_above: true, min_volume, min_login: Span(0) })
    }

    /// How much time of agents says something of a rate of it in a window.
    fn enough_login(&self, window: &str) -> Span {
        let KpiSettings { sliding, intervals, .. } = self.around.kpi;
        let sliding = sliding.iter().find(|(name, _)| name == window).map(|(_, length)| length.0);
        let piece = intervals.iter().find_map(|(name, length)| match length {
            Length::Piece(millis) if name == window => Some(*millis),
            _ => None,
        });
        Span(sliding.or(piece).map_or(ENOUGH_LOGIN.0, |length| length / 2)).min(ENOUGH_LOGIN)
    }

    /// How long the intervals of a name are, which are pieces of a day, or days.
    fn piece(&self, name: &str, told: &mut Told) -> Option<Length> {
        let intervals = &self.around.kpi.intervals;
        let pieces = intervals.iter().filter(|(_, length)| matches!(length, Length::Piece(_)));
        let known: Vec<&str> = pieces.map(|(name, _)| name.as_str()).collect();
        match intervals.iter().find(|(known, _)| known == name) {
            Some((_, length @ Length::Piece(_))) => return Some(*length),
            _ if name.is_empty() => {}
            _ => {
                let sentence = format!("there is no interval of a day or less `{name}`; {}", hint(name, &known));
                self.refuse("window", Err(sentence), told);
            }
        }
        None
    }

    /// How long a sliding window is.
    fn sliding(&self, key: &str, name: &str, told: &mut Told) -> Option<Span> {
        let sliding = &self.around.kpi.sliding;
        let known: Vec<&str> = sliding.iter().map(|(name, _)| name.as_str()).collect();
        let found = sliding.iter().find(|(known, _)| known == name).map(|(_, length)| *length);
        if found.is_none() && !name.is_empty() {
            self.refuse(key, Err(format!("there is no sliding window `{name}`; {}", hint(name, &known))), told);
        }
        found
    }

    /// The two sliding windows of a burn rate, the long one first.
    fn two_windows(&self, told: &mut Told) -> Option<[String; 2]> {
        self.missing("windows", "write a long and a short one, such as [\"1h\", \"5m\"]", told);
        let names: Vec<String> = self.table.get("windows").items().map(|(_, name)| name.text()).collect();
        let lengths: Vec<Option<Span>> = names.iter().map(|name| self.sliding("windows", name, told)).collect();
        if lengths.contains(&None) {
            return None;
        }
        let windows: [String; 2] = match names.try_into() {
            Ok(windows) => windows,
            Err(names) => {
                let sentence = format!("holds {} windows; write a long and a short one", names.len());
                let is_list = self.table.get("windows").0.is_some_and(Value::is_array);
                self.refuse("windows", if is_list { Err(sentence) } else { Ok(()) }, told);
                return None;
            }
        };
        let [long, short] = &windows;
        if lengths[0] < lengths[1] {
            let sentence = format!("holds the short one first; write [\"{short}\", \"{long}\"]");
            self.refuse("windows", Err(sentence), told);
        }
        // That one stands there twice has been told of.
        (lengths[1] < lengths[0]).then_some(windows)
    }

    /// A service level that has a value in these windows, or somewhere if there are none.
    fn service_level(&self, key: &str, windows: &[String], told: &mut Told) -> Option<String> {
        let kpi = self.table.get(key).text();
        let is_one = kpi == "service_level" || kpi.starts_with("service_level.");
        if !is_one && !kpi.is_empty() {
            let sentence =
                format!("`{kpi}` is no service level; write \"service_level\", or one of `also` after a dot");
            self.refuse(key, Err(sentence), told);
            return None;
        }
        let is_known = match windows {
            [] => self.number(key, "", told).is_some(),
            windows => {
                windows.iter().all(|window| self.number(key, window, told).is_some_and(|(_, is_there)| is_there))
            }
        };
        is_known.then_some(kpi)
    }

    /// The interval that a level is about while it is open.
    fn interval(&self, told: &mut Told) -> Option<String> {
        let name = self.table.get("interval").some_text().unwrap_or_else(|| DAY.to_owned());
        let known: Vec<&str> = self.around.kpi.intervals.iter().map(|(name, _)| name.as_str()).collect();
        if !known.contains(&name.as_str()) {
            let sentence = match known.is_empty() {
                true => format!("there is no interval `{name}`; write such as \"1d\" in windows.intervals"),
                false => format!("there is no interval `{name}`; {}", hint(&name, &known)),
            };
            self.refuse("interval", Err(sentence), told);
            return None;
        }
        Some(name)
    }

    /// Where a number that fires above its trigger clears: there unless said.
    fn clear_below(&self, (trigger, clear): (Option<f64>, Option<f64>), told: &mut Told) -> Option<f64> {
        let Some(clear) = clear else { return trigger };
        let is_below = match trigger.filter(|trigger| *trigger < clear) {
            Some(trigger) => {
                Err(format!("{clear} is more than `trigger`, above which it fires; give at most {trigger}"))
            }
            None => Ok(()),
        };
        self.refuse("clear", above_zero(clear).and(is_below), told);
        Some(clear)
    }
}

/// By how much chance alone changes a number.
fn noise(kpi: &str, known: &Number) -> Noise {
    let unit = definition(kpi.split('.').next().unwrap_or(kpi)).map_or("calls", |kpi| kpi.unit);
    match (unit, known.is_fraction) {
        ("calls", _) => Noise::Count,
        ("ratio", true) => Noise::Share,
        ("ratio", false) => Noise::Tenth { least: 0.02 },
        ("s", _) => Noise::Tenth { least: 1.0 },
        _ => Noise::Tenth { least: 0.1 },
    }
}

fn above_zero(value: f64) -> Result<(), String> {
    match value < 0.0 {
        true => Err(format!("{value} is less than 0, which no number is; give what is meant")),
        false => Ok(()),
    }
}

/// Whether misses can be used up faster than that, where so much is wanted at most.
fn burns(trigger: f64, target: f64) -> Result<(), String> {
    // Every call is missed.
    let fastest = 1.0 / share_allowed(target);
    match fastest <= trigger {
        true => Err(format!(
            "of {target} wanted the misses allowed are used up {fastest:.1} times as fast at most, so that it never fires; \
             give less"
        )),
        false => Ok(()),
    }
}

impl Number {
    /// Whether it may have such a value.
    fn reaches(&self, value: f64) -> Result<(), String> {
        match value {
            value if value < 0.0 => above_zero(value),
            value if self.is_ratio && 1.0 < value && value <= 100.0 => {
                Err(format!("{value} is no share; give 0 to 1, such as {} for {value} %", value / 100.0))
            }
            value if self.is_ratio && 1.0 < value => {
                Err(format!("{value} is no share; give 0 to 1, such as 0.1 for 10 %"))
            }
            _ => Ok(()),
        }
    }

    /// Whether it may lie beyond such a value.
    fn passes(&self, trigger: f64, is_above: bool) -> Result<(), String> {
        match (is_above, trigger) {
            (false, 0.0) => Err("nothing is below 0, so that it never fires; \
                                 write more, such as 1 to fire when there are none"
                .to_owned()),
            (true, 1.0) if self.is_ratio => {
                Err("no share is above 1, so that it never fires; give less, such as 0.1 for 10 %".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whether there are calls to be counted for it.
    fn counts_calls(&self, name: &str, volume: i64) -> Result<(), String> {
        match self.has_volume {
            true => Ok(()),
            false => Err(format!("`{name}` is not of calls in a window, so that there are no {volume}; remove it")),
        }
    }
}
