//! Alerts of a replay: what rules would have told of its entities, and the numbers they would have looked at.

use super::engine::{Replay, configured};
use super::walk::{Gap, Look, Pace};
use crate::alert::condition::{Level, Measure};
use crate::alert::hours::Hours;
use crate::alert::reading::Reading;
use crate::alert::rule::Rule;
use crate::alert::suggestion::Series;
use crate::alert::trial::{InForce, Period, Trial};
use crate::alert::unusual::{Before, KEPT_FOR, Past, Point, Unusual};
use crate::calendar::Interval;
use crate::entity::Entity;
use crate::kpi::catalogue::definition;
use crate::kpi::project::{Edition, Projection, Window};
use crate::kpi::record::KpiRecord;
use crate::kpi::settings::{Formula, KpiSettings};
use crate::tally::intervals::Finder;
use crate::time::{EventTime, Span};
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// What is to be tried on a past.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub settings: &'a KpiSettings,
    pub rules: &'a [Rule],
    /// Of queues that have hours.
    pub queue_hours: &'a BTreeMap<String, Hours>,
    pub until: EventTime,
    /// Whether the numbers are kept, of rules of one level.
    pub keeps_numbers: bool,
}

/// No centre is closed for longer: more time than this without an event is none of its weeks.
pub const GAP: Span = Span::from_hours(14 * 24);

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    /// When the first event was; none without events.
    pub from: Option<EventTime>,
    /// Time without events, each more than [`GAP`].
    pub gaps: Vec<Gap>,
    /// In the order of rules, then of entities.
    pub outcomes: Vec<Outcome>,
    /// Entities that found no room.
    pub refused: usize,
}

impl Tried {
    /// How long the past was without its gaps, in weeks; never none.
    pub fn weeks(&self, until: EventTime) -> f64 {
        const WEEK_MS: f64 = 7.0 * 86_400_000.0;
        let in_gaps: i64 = self.gaps.iter().map(|gap| gap.until.since(gap.from).0).sum();
        (until.since(self.from.unwrap_or(until)).0 - in_gaps).max(1000) as f64 / WEEK_MS
    }
}

/// One rule and one entity that it is about.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The rule's place among those asked for.
    pub rule: usize,
    pub entity: Entity,
    pub periods: Vec<Period>,
    pub series: Series,
}

impl<'a> Asked<'a> {
    /// When a rule is in force for an entity.
    pub fn in_force(&self, rule: &'a Rule, entity: &Entity) -> InForce<'a> {
        InForce { zone: self.settings.zone(&entity.tenant), hours: rule.hours_for(entity, self.queue_hours) }
    }
}

/// Tries rules on a replay's past. `progress` is told up to where.
pub fn try_rules(replay: Replay, asked: Asked<'_>, mut progress: impl FnMut(EventTime)) -> Tried {
    let settings = &needed(asked.settings, asked.rules);
    let entity_pace = |entity: &Entity| {
        let rules = asked.rules.iter().filter(|rule| rule.of.selects(entity));
        let levels = rules.flat_map(|rule| rule.when.levels());
        levels.map(|level| pace(settings, level)).reduce(|one, other| Pace {
            while_waiting: one.while_waiting || other.while_waiting,
            with_agents: one.with_agents || other.with_agents,
            at_boundaries: one.at_boundaries || other.at_boundaries,
        })
    };
    let walk = replay.walk(settings, asked.rules.iter().any(needs_agents), entity_pace);
    let mut tried = Tried { from: walk.begins(), gaps: walk.gaps(GAP, asked.until), ..Tried::default() };
    let mut seats: HashMap<usize, Vec<Trying<'_>>> = HashMap::new();
    tried.refused = walk.run(asked.until, |look| {
        progress(look.shown.as_of);
        let new = || Trying::all(asked, settings, look.shown.entity);
        let mut records = Vec::new();
        for trying in seats.entry(look.seat).or_insert_with(new) {
            trying.see(look, asked.keeps_numbers, &mut records);
        }
    });
    let outcomes = seats.into_values().flatten().map(|trying| Outcome {
        rule: trying.rule,
        entity: trying.entity,
        periods: trying.trial.end(asked.until),
        series: trying.series,
    });
    tried.outcomes = outcomes.collect();
    tried.outcomes.sort_by(|a, b| (a.rule, &a.entity).cmp(&(b.rule, &b.entity)));
    tried
}

/// The settings without windows that no rule looks at.
fn needed(settings: &KpiSettings, rules: &[Rule]) -> KpiSettings {
    let levels = || rules.iter().flat_map(|rule| rule.when.levels());
    let is_used = |name: &str| levels().any(|level| level.window == name || level.windows().contains(&name));
    let mut needed = settings.clone();
    // An expected wait is by the handle time of the longest window.
    if levels().all(|level| level.kpi != "expected_wait") {
        needed.sliding.retain(|(name, _)| is_used(name));
    }
    needed.intervals.retain(|(name, _)| is_used(name));
    needed
}

/// Whether who is there has to be known; of an agent always, who is idle when logged out.
fn needs_agents(rule: &Rule) -> bool {
    let is_asked = |level: &Level| is_of_agents(level) || matches!(level.measure, Measure::Forecast(_));
    !rule.of.kind.has_visits() || rule.when.levels().into_iter().any(is_asked)
}

fn is_of_agents(level: &Level) -> bool {
    level.kpi.starts_with("agents_") || definition(&level.kpi).is_some_and(|kpi| kpi.windows.are_of_agents())
}

/// What of a number changes though nothing happens.
fn pace(settings: &KpiSettings, level: &Level) -> Pace {
    let service_levels = settings.queues.values().map(|queue| &queue.service_level).chain([&settings.service_level]);
    let counts_who_waits = |formula: Formula| matches!(formula, Formula::WaitingNow | Formula::ExpiredCounts);
    let while_waiting = match level.kpi.as_str() {
        "longest_wait" | "over_threshold_waiting" => level.window == "now",
        kpi if kpi.starts_with("service_level") => service_levels
            .flat_map(|of| of.also.iter().map(|also| also.formula).chain([of.formula]))
            .any(counts_who_waits),
        _ => false,
    };
    let with_agents = level.window != "now" && is_of_agents(level);
    Pace { while_waiting, with_agents, at_boundaries: level.kpi == "concurrent_calls_max" }
}

/// A rule on its way through an entity's past.
struct Trying<'a> {
    rule: usize,
    levels: Vec<Looked<'a>>,
    entity: Entity,
    trial: Trial<'a>,
    series: Series,
}

/// One of its levels, and what was read of it last.
struct Looked<'a> {
    level: &'a Level,
    changes_by_itself: bool,
    reading: Option<Reading>,
    /// Of what compares: the intervals that are over, and since when the one is open that follows them.
    past: Past,
    open_since: Option<EventTime>,
}

/// The records of an entity at an instant, by the names of their windows, each made once it is looked at.
type Records<'a> = Vec<(&'a str, OnceCell<Option<KpiRecord>>)>;

impl<'a> Trying<'a> {
    fn all(asked: Asked<'a>, settings: &KpiSettings, entity: &Entity) -> Vec<Trying<'a>> {
        let looked = |level: &'a Level| {
            let changes_by_itself = pace(settings, level) != Pace::default();
            Looked { level, changes_by_itself, reading: None, past: Past::default(), open_since: None }
        };
        let chosen = asked.rules.iter().enumerate().filter(|(_, rule)| rule.of.selects(entity));
        let trying = |(place, rule): (usize, &'a Rule)| Trying {
            rule: place,
            levels: rule.when.levels().into_iter().map(looked).collect(),
            entity: entity.clone(),
            trial: Trial::new(rule, asked.in_force(rule, entity)),
            series: Series::default(),
        };
        chosen.map(trying).collect()
    }

    fn see(&mut self, Look { has_changed, shown, .. }: Look<'_>, keeps_numbers: bool, records: &mut Records<'a>) {
        for looked in self.levels.iter_mut().filter(|looked| has_changed || looked.changes_by_itself) {
            looked.remember(&shown);
            looked.reading = read(looked, &shown, records);
        }
        let readings: SmallVec<[Option<Reading>; 4]> = self.levels.iter().map(|looked| looked.reading).collect();
        self.trial.see(shown.as_of, &readings);
        if let ([reading], true) = (readings.as_slice(), keeps_numbers) {
            self.series.push(shown.as_of, *reading);
        }
    }
}

impl Looked<'_> {
    /// Takes the intervals that are over when another begins: those with facts, and the last of a queue that the settings
    /// list, as they go into the archive. Those of the last day again, which may have changed.
    fn remember(&mut self, shown: &Projection<'_>) {
        const CHANGES_FOR: Span = Span::from_hours(26);
        let Measure::Unusual(Unusual { length, .. }) = &self.level.measure else { return };
        let (entity, as_of, zone) = (shown.entity, shown.as_of, shown.settings.zone(&shown.entity.tenant));
        let open_since = zone.interval(*length, as_of).start;
        let before = self.open_since.replace(open_since);
        if before == Some(open_since) {
            return;
        }
        let Some(Window::Interval(place, _)) = shown.window(&self.level.window) else { return };
        let touched = shown.tally.touched(shown.kept, &mut Finder::new(zone.clone()), *length, as_of);
        let last = zone.interval(*length, EventTime(open_since.0 - 1));
        let last =
            Some(last).filter(|_| before.is_some() && configured(shown.settings).any(|listed| listed == *entity));
        let is_over = |interval: &Interval| as_of.minus(CHANGES_FOR) <= interval.start && interval.end <= as_of;
        for interval in touched.into_iter().filter(is_over).chain(last) {
            let record = shown.record(Window::Interval(place, interval), Edition::default());
            self.past.put(interval.start, record.and_then(|record| Point::of(&record, &self.level.kpi)));
        }
        self.past.forget_before(as_of.minus(KEPT_FOR));
    }
}

fn read<'a>(looked: &Looked<'a>, shown: &Projection<'_>, records: &mut Records<'a>) -> Option<Reading> {
    let Looked { level, past, .. } = looked;
    for name in level.windows() {
        if !records.iter().any(|(window, _)| *window == name) {
            records.push((name, OnceCell::new()));
        }
    }
    let make = |name: &str| shown.window(name).and_then(|window| shown.record(window, Edition::default()));
    let record_of = |name: &str| {
        let (_, record) = records.iter().find(|(window, _)| *window == name)?;
        record.get_or_init(|| make(name)).as_ref()
    };
    let zone = shown.settings.zone(&shown.entity.tenant);
    level.read(record_of, Before { past: Some(past), zone, as_of: shown.as_of })
}
