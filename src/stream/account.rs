//! An account: one entity's tally in the stage *kpis*, and what of it is not yet published or kept.

use super::batch::{facts_of, family, wire};
use crate::calendar::{Interval, Length};
use crate::entity::Entity;
use crate::fact::{Family, Key, Measure};
use crate::kpi::project::Projection;
use crate::kpi::record::{Counters, Fields};
use crate::kpi::settings::KpiSettings;
use crate::tally::intervals::{Finder, Intervals};
use crate::tally::tally::{Booked, Shape, Tally};
use crate::time::EventTime;
use std::collections::BTreeSet;
use std::time::Instant;

/// One entity.
pub struct Account {
    pub entity: Entity,
    pub tally: Tally,
    /// Stands for every batch before this offset.
    pub offset: i64,
    /// The highest values so far, as the records carry them.
    pub counters: Option<Counters>,
    /// Intervals that changed after they were final: place of their length in the settings, and start.
    pub corrected: BTreeSet<(usize, EventTime)>,
    /// The latest second a fact was booked at.
    pub last_fact: Option<i64>,
    /// Its keys were ended by tombstones, until it has facts again.
    pub ended: bool,
    /// Pieces of intervals that began before it are forgotten; they were published first.
    pub forgotten: Option<EventTime>,
    pub unkept: Unkept,
    pub unpublished: Unpublished,
    /// When a pane next enters or leaves one of its windows: the windows' end.
    pub wake: Option<i64>,
}

/// What changed since the account was written to the state topic last.
#[derive(Debug, Default)]
pub struct Unkept {
    /// The first batch that is not in the state topic.
    pub since: Option<i64>,
    pub since_clock: Option<Instant>,
    pub minutes: BTreeSet<i64>,
    pub pieces: BTreeSet<(usize, EventTime)>,
    pub hours: BTreeSet<i64>,
    /// Parts the state topic holds, so that what is gone can be deleted there.
    pub stored: BTreeSet<Part>,
}

/// A part of an account with a state entry of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Panes of one minute since 1970.
    Minute(i64),
    /// A piece of one kept length.
    Piece(usize, EventTime),
    /// Changes of the level in one hour since 1970.
    Hour(i64),
}

/// What changed since the account was published last: the first batch that did, and when to publish.
#[derive(Debug, Default)]
pub struct Unpublished {
    /// `now` and sliding windows.
    pub quick: Option<(i64, Instant)>,
    pub last_quick: Option<Instant>,
    /// `total` and open intervals.
    pub slow: Option<(i64, Instant)>,
    pub last_slow: Option<Instant>,
}

impl Account {
    pub fn new(entity: Entity) -> Account {
        Account {
            entity,
            tally: Tally::default(),
            offset: 0,
            counters: None,
            corrected: BTreeSet::new(),
            last_fact: None,
            ended: false,
            forgotten: None,
            unkept: Unkept::default(),
            unpublished: Unpublished::default(),
            wake: None,
        }
    }

    /// Adds a row's facts, and notes which parts changed.
    pub fn add(&mut self, shape: &Shape, finder: &mut Finder, row: &wire::Row) {
        let Some(family) = family(row.family) else { return };
        if family == Family::Waiting {
            for (_, amount) in facts_of(row) {
                self.tally.add_waiting(EventTime(row.at), amount);
            }
            return;
        }
        let second = row.at;
        let facts: Vec<(Key, i64)> = facts_of(row).collect();
        self.tally.add(shape, finder, self.entity.kind, Booked { family, second, facts: &facts });
        if facts.iter().any(|(key, _)| *key == Key::measure(Measure::Concurrent)) {
            self.unkept.hours.insert(second.div_euclid(3_600));
        }
        if family == Family::Event {
            self.unkept.minutes.insert(second.div_euclid(60));
            self.last_fact = self.last_fact.max(Some(second));
        }
        self.unkept.pieces.extend(Intervals::places(&shape.intervals, finder, second));
    }

    /// Raises the highest values so far to the present ones.
    pub fn raise_counters(&mut self, settings: &KpiSettings, shape: &Shape) {
        let now = self.projection(settings, shape, EventTime(0)).counters();
        self.counters = Some(match self.counters.take() {
            None => now,
            Some(before) => highest(before, now),
        });
    }

    /// Forgets what no late fact can reach any more.
    pub fn forget_before(&mut self, shape: &Shape, finder: &mut Finder, at: EventTime) {
        self.tally.forget_before(shape, finder, at);
        self.corrected.retain(|(_, start)| at <= *start);
        self.forgotten = self.forgotten.max(Some(at));
    }

    /// Whether an interval's facts are no longer all there.
    pub fn has_forgotten(&self, shape: &Shape, length: Length, interval: Interval) -> bool {
        if self.forgotten.is_none_or(|forgotten| forgotten <= interval.start) {
            return false;
        }
        match shape.intervals.long.iter().position(|long| *long == length) {
            Some(long) => self.tally.intervals.piece(long + 1, interval.start).is_none(),
            None => true,
        }
    }

    pub fn projection<'a>(&'a self, settings: &'a KpiSettings, shape: &'a Shape, as_of: EventTime) -> Projection<'a> {
        Projection { settings, kept: &shape.intervals, entity: &self.entity, tally: &self.tally, as_of }
    }
}

fn highest(before: Counters, now: Counters) -> Counters {
    let pairs = before.wait_seconds.0.into_iter().zip(now.wait_seconds.0);
    Counters {
        offered: before.offered.max(now.offered),
        answered: before.answered.max(now.answered),
        answered_within_threshold: before.answered_within_threshold.max(now.answered_within_threshold),
        abandoned: before.abandoned.max(now.abandoned),
        wait_seconds: Fields(pairs.map(|((name, before), (_, now))| (name, before.max(now))).collect()),
    }
}
