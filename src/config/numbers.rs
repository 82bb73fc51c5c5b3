//! Numbers that a rule may look at: which of them a kind of entity has, in which window, and what their values can be.

use super::alerts::entity;
use super::nearest::{hint, listed, nearest};
use crate::alert::reading::{PRESENT, standing};
use crate::alert::rule::Selector;
use crate::entity::Kind;
use crate::fact::Standing;
use crate::kpi::catalogue::{Better, COUNTS, Definition, KPIS, definition};
use crate::kpi::settings::{Formula, KpiSettings, ServiceLevelSettings};
use crate::kpi::view::{View, Waiting, WindowKind};
use crate::tally::sums::Sums;
use crate::time::EventTime;

/// The numbers of what a rule is about.
#[derive(Clone, Copy)]
pub struct Numbers<'a> {
    pub settings: &'a KpiSettings,
    pub of: &'a Selector,
}

/// What is known of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Number {
    /// 0 to 1.
    pub is_ratio: bool,
    /// A share or mean of calls: of few it says little.
    pub is_fraction: bool,
    /// A percentile of calls: of few it says as little.
    pub is_percentile: bool,
    /// Whether records count the calls that it stands for.
    pub has_volume: bool,
    /// A rate of the time of agents: of little time it says little.
    pub is_of_time: bool,
    /// Whether more of it is worse.
    pub is_worse_above: bool,
    /// Whether the catalogue's word on what is better is what everybody wants: of busy agents nobody can say.
    pub is_service: bool,
}

/// The key that is wrong, and why.
pub type Wrong = (&'static str, String);

impl Numbers<'_> {
    /// The number of this name in a window.
    pub fn find(&self, name: &str, window: &str) -> Result<Number, Wrong> {
        let windows = self.settings.windows();
        if !windows.contains(&window) {
            return Err(("window", format!("there is no window `{window}`; {}", hint(window, &windows))));
        }
        let is_now = window == "now";
        if let Some(also) = name.strip_prefix("service_level.") {
            let kpi = definition("service_level").ok_or_else(|| self.unknown(name))?;
            self.has_kind(name, kpi.kinds)?;
            self.service_level(Some(also), is_now)?;
            return Ok(self.kpi(kpi, is_now));
        }
        if let Some(kpi) = definition(name) {
            self.has_kind(name, kpi.kinds)?;
            match (is_now, kpi.stands_in(WindowKind::Now), kpi.stands_in(WindowKind::Total)) {
                (true, false, _) => return Err(self.not_now(name)),
                (false, _, false) => return Err(only_now(name)),
                _ => {}
            }
            match name {
                "service_level" => self.service_level(None, is_now)?,
                "utilization" => {
                    let sentence = "`utilization` has no value without a schedule, which this version does not read; \
                                    choose `occupancy_of_login` or `availability`";
                    return Err(("kpi", sentence.to_owned()));
                }
                "contacts_per_hour_clock" if window == "total" => {
                    let sentence = "`contacts_per_hour_clock` has no value in `total`, which has no beginning; \
                                    choose another window";
                    return Err(("window", sentence.to_owned()));
                }
                _ => {}
            }
            return Ok(self.kpi(kpi, is_now));
        }
        let count = COUNTS.iter().find_map(|count| Some((count, count.wanted.filter(|(id, _)| *id == name)?)));
        if let Some((count, (_, better))) = count {
            let found = self.count(name, (count.kinds, better))?;
            return if is_now { Err(self.not_now(name)) } else { Ok(found) };
        }
        let present = self.present(name).ok_or_else(|| self.unknown(name))?;
        if !is_now {
            return Err(only_now(name));
        }
        Ok(present)
    }

    /// The number of this name in whatever window it stands.
    pub fn anywhere(&self, name: &str) -> Result<Number, Wrong> {
        let id = if name.starts_with("service_level.") { "service_level" } else { name };
        if let Some(kpi) = definition(id) {
            self.has_kind(name, kpi.kinds)?;
            return Ok(self.kpi(kpi, !kpi.stands_in(WindowKind::Total)));
        }
        match COUNTS.iter().find_map(|count| Some((count, count.wanted.filter(|(id, _)| *id == name)?))) {
            Some((count, (_, better))) => self.count(name, (count.kinds, better)),
            None => self.present(name).ok_or_else(|| self.unknown(name)),
        }
    }

    fn count(&self, name: &str, (kinds, better): (&[Kind], Better)) -> Result<Number, Wrong> {
        self.has_kind(name, kinds)?;
        let (has_volume, is_worse_above) = (self.of.kind.has_visits(), better == Better::Lower);
        Ok(Number { has_volume, is_worse_above, ..Number::default() })
    }

    fn kpi(&self, kpi: &Definition, is_now: bool) -> Number {
        let is_of_calls = !is_now && !kpi.windows.are_of_agents();
        let is_fraction = is_of_calls && self.divides(kpi);
        let has_volume = is_fraction || is_of_calls && self.of.kind.has_visits();
        let percent = kpi.id.rsplit_once("_p").map_or("", |(_, percent)| percent);
        Number {
            is_ratio: kpi.unit == "ratio",
            is_fraction,
            is_percentile: has_volume && !percent.is_empty() && percent.bytes().all(|digit| digit.is_ascii_digit()),
            has_volume,
            is_of_time: !is_now && kpi.windows.are_of_agents() && kpi.unit != "s",
            is_worse_above: kpi.better == Better::Lower,
            is_service: !kpi.windows.are_of_agents(),
        }
    }

    /// Whether a KPI of nothing at all still says what it is divided by.
    fn divides(&self, kpi: &Definition) -> bool {
        let (sums, level) = (Sums::default(), &self.settings.service_level);
        let view = View::new(self.of.kind, WindowKind::Total, EventTime(0), level, &Nobody, &sums);
        (kpi.value)(&view).denominator.is_some()
    }

    fn present(&self, name: &str) -> Option<Number> {
        let is_of_agents = name.starts_with("agents_");
        let is_there = match name {
            "waiting" | "over_threshold_waiting" => self.of.kind.has_visits(),
            _ if is_of_agents => self.of.kind != Kind::QueueAgent,
            _ => true,
        };
        (is_there && (PRESENT.contains(&name) || standing(name).is_some()))
            .then_some(Number { is_worse_above: !is_of_agents, ..Number::default() })
    }

    fn has_kind(&self, name: &str, kinds: &[Kind]) -> Result<(), Wrong> {
        if kinds.contains(&self.of.kind) {
            return Ok(());
        }
        let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
        let sentence = format!("`{name}` is not of kind `{}`; it is of {}", self.of.kind.word(), listed(&words));
        Err(("kpi", sentence))
    }

    /// Whether the service level, or that of this name in `also`, has a value for anything the rule is about.
    fn service_level(&self, also: Option<&str>, is_now: bool) -> Result<(), Wrong> {
        let levels = self.levels();
        let formulas: Vec<Formula> = match also {
            None => levels.iter().map(|level| level.formula).collect(),
            Some(name) => {
                let also = levels.iter().flat_map(|level| &level.also);
                also.filter(|also| also.name == name).map(|also| also.formula).collect()
            }
        };
        if let (Some(name), true) = (also, formulas.is_empty()) {
            let known: Vec<&str> = levels.iter().flat_map(|level| &level.also).map(|also| also.name.as_str()).collect();
            let known = match known.is_empty() {
                true => format!("write also = [\"{name}\"] in [service_level] or the queue"),
                false => hint(name, &known),
            };
            return Err(("kpi", format!("no `also` makes a service level `{name}`; {known}")));
        }
        match formulas.iter().any(|formula| (*formula == Formula::WaitingNow) == is_now) {
            true => Ok(()),
            false if is_now => {
                let sentence = format!(
                    "in `now` service level has a value by the formula `waiting_now` alone; choose among {}",
                    listed(&self.others())
                );
                Err(("window", sentence))
            }
            false => {
                let sentence = "by the formula `waiting_now` service level has a value in `now` alone; \
                                write window = \"now\", or add another formula to `also`";
                Err(("window", sentence.to_owned()))
            }
        }
    }

    /// What is wanted of the service level of whatever the rule is about, 0 to 1.
    pub fn targets(&self) -> Vec<f64> {
        self.levels().iter().map(|level| level.target).collect()
    }

    /// How service level is taken of whatever the rule is about.
    fn levels(&self) -> Vec<&ServiceLevelSettings> {
        let of_queues = self.of.kind == Kind::Queue;
        let listed = self.settings.queues.iter().filter(|(id, _)| of_queues && self.of.selects(&entity(self.of, id)));
        let mut levels: Vec<&ServiceLevelSettings> = listed.map(|(_, queue)| &queue.service_level).collect();
        let is_listed = |id: &String| self.settings.queues.contains_key(id);
        let all_are_listed = match &self.of.among {
            Some(among) => among.iter().all(is_listed),
            None => !self.of.id.contains('*') && is_listed(&self.of.id),
        };
        if !of_queues || !all_are_listed {
            levels.push(&self.settings.service_level);
        }
        levels
    }

    fn not_now(&self, name: &str) -> Wrong {
        ("window", format!("`{name}` does not stand in `now`; choose among {}", listed(&self.others())))
    }

    /// The windows beside `now`.
    fn others(&self) -> Vec<&str> {
        self.settings.windows().into_iter().filter(|window| *window != "now").collect()
    }

    fn unknown(&self, name: &str) -> Wrong {
        let kind = self.of.kind;
        let agents: Vec<String> = Standing::ALL.iter().map(|standing| format!("agents_{}", standing.word())).collect();
        let kpis = KPIS.iter().filter(|kpi| kpi.kinds.contains(&kind)).map(|kpi| kpi.id);
        let counts = COUNTS.iter().filter(|count| count.kinds.contains(&kind));
        let in_records = counts.clone().find(|count| count.name == name).and_then(|count| count.wanted);
        let present = PRESENT.into_iter().chain(agents.iter().map(String::as_str));
        let present = present.filter(|name| self.present(name).is_some());
        let words = kpis.chain(counts.filter_map(|count| Some(count.wanted?.0))).chain(present);
        let known = match in_records.map(|(id, _)| id).or_else(|| nearest(name, words)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "docs/kpis.md tells all there are".to_owned(),
        };
        ("kpi", format!("`{name}` is no number of kind `{}`; {known}", kind.word()))
    }
}

fn only_now(name: &str) -> Wrong {
    ("window", format!("`{name}` stands in `now` alone; write window = \"now\""))
}

/// Nobody waits.
struct Nobody;

impl Waiting for Nobody {
    fn count(&self) -> i64 {
        0
    }

    fn over(&self, _: i64, _: bool) -> i64 {
        0
    }

    fn longest_since(&self) -> Option<EventTime> {
        None
    }
}
