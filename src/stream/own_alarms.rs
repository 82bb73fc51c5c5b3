//! The engine's own alarms: a source is silent, event time is behind, input is gone, rejects rise; and one that always
//! fires, so that its absence is noticed outside.
//!
//! They go by the clock, since what they tell of is that event time does not go on.

use super::alarm::{Alarm, Part, Whose, end_orphans, is_changed};
use super::coverage::Coverage;
use super::progress::Silence;
use super::publish::Turn;
use super::snapshot::Entry;
use super::stage::OutRecord;
use crate::alert::condition::{Condition, Level, Measure};
use crate::alert::reading::Reading;
use crate::alert::rule::{
    BUILT_IN, ENGINE_BEHIND, ENTITIES_REFUSED, INPUT_GAP, REJECT_RATE, REJECTS_RISING, Rule, SOURCE_SILENT, Selector,
    WATCHDOG, built_in_names,
};
use crate::time::{EventTime, Span};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// Rejects are counted over this time.
const REJECTS_OVER: Duration = Duration::from_secs(300);
/// Fewer records than this say nothing of a share.
const RECORDS_MIN: u64 = 100;
/// That entities found no room is told for so long after the last.
const REFUSED_TOLD_FOR: Duration = Duration::from_secs(300);
/// Event time is behind for so long before that is told.
const BEHIND_FOR: Span = Span::from_secs(120);
/// A gap is told for so long.
const GAP_TOLD_FOR: Span = Span::from_hours(1);

/// How the engine's own rules stand, seen from one partition.
#[derive(Default)]
pub struct OwnAlarms {
    alarms: BTreeMap<(&'static str, String), Alarm>,
    unkept: BTreeSet<(&'static str, String)>,
    /// Of rules and parts that are gone.
    orphans: Vec<Alarm>,
    unkept_orphans: Vec<Entry>,
    /// Records that calls read, and rejects among them, as batches told of them.
    read: VecDeque<(Instant, u64, u64)>,
    /// How often an entity found no room, one look after the other, and when the last did.
    refused: u64,
    last_refused: Option<Instant>,
    looked: Option<Instant>,
}

/// What is known of the engine.
pub struct Health<'h> {
    pub behind: Span,
    /// Stretches of event time that were lost lately.
    pub gaps: usize,
    /// Of each topic that is watched.
    pub silences: &'h [Silence<'h>],
}

impl<'h> Health<'h> {
    pub fn of(silences: &'h [Silence<'h>], coverage: &Coverage, turn: Turn<'_>) -> Health<'h> {
        let wall = EventTime(turn.clock.wall_ms);
        Health {
            behind: Span(wall.since(turn.as_of).0.max(0)),
            gaps: coverage.lost_since(turn.as_of.minus(GAP_TOLD_FOR)),
            silences,
        }
    }
}

/// A rule of the engine, and what it reads now.
struct Look {
    rule: Rule,
    part: Part,
    id: String,
    reading: Option<Reading>,
}

impl OwnAlarms {
    /// Puts an entry of the state topic back.
    pub fn load(&mut self, alarm: Alarm) {
        let Whose::Part(_, id) = &alarm.whose else { return };
        match built_in_names().find(|name| *name == alarm.rule) {
            Some(name) => {
                self.alarms.insert((name, id.clone()), alarm);
            }
            None => self.orphans.push(alarm),
        }
    }

    /// A batch of the stage calls tells how much was read, and rejected.
    pub fn read(&mut self, read: u64, rejected: u64, now: Instant) {
        if read != 0 {
            self.read.push_back((now, read, rejected));
        }
        while self.read.front().is_some_and(|(at, ..)| REJECTS_OVER < now.duration_since(*at)) {
            self.read.pop_front();
        }
    }

    /// Facts of an entity without room were left out.
    pub fn refused(&mut self, now: Instant) {
        self.refused += 1;
        self.last_refused = Some(now);
    }

    /// Looks at everything once a second.
    pub fn tick(&mut self, health: &Health<'_>, turn: Turn<'_>, out: &mut Vec<OutRecord>) {
        let now = turn.clock.now;
        if self.looked.is_some_and(|looked| now.duration_since(looked) < Duration::from_secs(1)) {
            return;
        }
        self.looked = Some(now);
        if self.last_refused.is_some_and(|last| REFUSED_TOLD_FOR <= now.duration_since(last)) {
            (self.refused, self.last_refused) = (0, None);
        }
        let looks = if turn.settings.own_alerts { self.looks(health, turn.partition) } else { Vec::new() };
        let places: BTreeSet<(&'static str, String)> = looks.iter().map(Look::place).collect();
        let gone: Vec<_> = self.alarms.keys().filter(|place| !places.contains(*place)).cloned().collect();
        self.orphans.extend(gone.iter().filter_map(|place| self.alarms.remove(place)));
        let at = EventTime(turn.clock.wall_ms);
        end_orphans(&mut self.orphans, &mut self.unkept_orphans, (at, turn), out);
        for look in looks {
            let place = look.place();
            let Look { rule, part, id, reading } = look;
            let alarm = self.alarms.entry(place.clone()).or_insert_with(|| Alarm::new(&rule, Whose::Part(part, id)));
            let (before, readings) = (alarm.state.clone(), [reading]);
            let step = alarm.state.look(&rule, &readings, at);
            if let Some(step) = step {
                alarm.tell((&rule, None), (step, &readings), (at, turn), out);
            }
            let is_stale = alarm.is_stale(at);
            if is_stale {
                out.push(alarm.untell(turn));
            }
            if is_stale || step.is_some() || is_changed(&before, &alarm.state) {
                self.unkept.insert(place);
            }
        }
    }

    fn looks(&self, health: &Health<'_>, partition: i32) -> Vec<Look> {
        let number = |value: f64| Some(Reading { value: Some(value), ..Reading::default() });
        let id = partition.to_string();
        let mut looks = vec![
            Look {
                // Who was off for a while is behind for a moment.
                rule: Rule {
                    hold: BEHIND_FOR,
                    ..rule(ENGINE_BEHIND, ("behind_seconds", 60.0, 30.0), "partition {id} is {value} s behind")
                },
                part: Part::Partition,
                id: id.clone(),
                reading: number((health.behind.0 / 1000) as f64),
            },
            Look {
                rule: rule(INPUT_GAP, ("gaps", 0.0, 0.0), "input is missing from what partition {id} counted"),
                part: Part::Partition,
                id: id.clone(),
                reading: number(health.gaps as f64),
            },
            Look {
                rule: rule(
                    ENTITIES_REFUSED,
                    ("refused", 0.0, 0.0),
                    "partition {id} has no room for more entities: {value} times facts were left out",
                ),
                part: Part::Partition,
                id,
                reading: number(self.refused as f64),
            },
        ];
        // Every partition hears of the sources; one is enough to tell.
        if partition != 0 {
            return looks;
        }
        for Silence { watched, lasts } in health.silences {
            let after = (watched.after.0 / 1000) as f64;
            looks.push(Look {
                rule: rule(SOURCE_SILENT, ("silent_seconds", after, after), "{id} has been silent for {value} s"),
                part: Part::Source,
                id: watched.topic.clone(),
                reading: number((lasts.0 / 1000) as f64),
            });
        }
        let (read, rejected) =
            self.read.iter().fold((0, 0), |sum, (_, read, rejected)| (sum.0 + read, sum.1 + rejected));
        looks.push(Look {
            rule: rule(
                REJECTS_RISING,
                (REJECT_RATE, 0.01, 0.005),
                "{numerator} of {denominator} records were rejected",
            ),
            part: Part::Engine,
            id: "calls".to_owned(),
            reading: (RECORDS_MIN <= read).then(|| Reading {
                value: Some(rejected as f64 / read as f64),
                numerator: Some(rejected as i64),
                denominator: Some(read as i64),
                ..Reading::default()
            }),
        });
        looks.push(Look {
            rule: rule(WATCHDOG, ("running", 0.0, 0.0), "Callpulse is running; this alert always fires"),
            part: Part::Engine,
            id: "kpis".to_owned(),
            reading: number(1.0),
        });
        looks
    }

    /// The entries of the state topic that changed.
    pub fn write(&mut self) -> Vec<Entry> {
        let mut entries = std::mem::take(&mut self.unkept_orphans);
        let alarms = &self.alarms;
        entries.extend(std::mem::take(&mut self.unkept).iter().filter_map(|place| Some(alarms.get(place)?.entry())));
        entries
    }
}

impl Look {
    fn place(&self) -> (&'static str, String) {
        let name = built_in_names().find(|name| *name == self.rule.name).expect("one of ours");
        (name, self.id.clone())
    }
}

fn rule(name: &str, (number, trigger, clear): (&str, f64, f64), title: &str) -> Rule {
    let (_, severity) = BUILT_IN.into_iter().find(|(built_in, _)| *built_in == name).expect("one of ours");
    let when = Condition::Level(Level {
        kpi: number.to_owned(),
        window: "now".to_owned(),
        measure: Measure::Value,
        trigger,
        clear,
        is_above: true,
        min_volume: 0,
        min_login: Span(0),
    });
    Rule {
        title: Some(title.to_owned()),
        runbook_url: Some(format!("docs/alerts.md#{name}")),
        ..Rule::new(name, Selector::NONE, when, severity)
    }
}
