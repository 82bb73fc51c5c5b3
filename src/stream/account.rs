//! An account: one entity's tally in the stage *kpis*, and what of it is not yet published or kept.

use super::publish::Turn;
use crate::calendar::{Interval, Length};
use crate::entity::Entity;
use crate::fact::{Family, Key, Measure, Reasons};
use crate::kpi::project::{CounterValues, Projection};
use crate::kpi::settings::KpiSettings;
use crate::tally::intervals::Finder;
use crate::tally::tally::{Booked, Shape, Tally};
use crate::time::{EventTime, Span};
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::time::Instant;

/// Milliseconds.
pub const MINUTE: i64 = 60_000;
/// Who waits for so long when first heard of was told late.
const LATE: Span = Span::from_secs(60);
/// So long nobody more may be told late, until who waits is taken for known.
const SETTLES: Span = Span::from_secs(90);
/// After this it is taken for known though such calls go on coming: a source that is always late.
const SETTLES_MAX: Span = Span::from_secs(300);
/// Of a second, in milliseconds.
pub const TENTH: i64 = 100;

/// A place among [`Accounts`], the same as long as they are.
pub type Seat = u32;

/// Accounts by their seats. None is ever taken away.
#[derive(Default)]
pub struct Accounts {
    all: Vec<Account>,
    by_entity: HashMap<Entity, Seat>,
    /// By the bytes of the entity's name, as batches bring it.
    by_name: HashMap<Box<[u8]>, Seat>,
}

/// One entity.
pub struct Account {
    pub seat: Seat,
    pub entity: Entity,
    pub tally: Tally,
    /// Stands for every batch before this offset.
    pub offset: i64,
    /// The highest values so far, as the records carry them.
    pub counters: Option<CounterValues>,
    /// What counters are made of changed since they were raised.
    has_counted: bool,
    /// Intervals that changed after they were final: place of their length in the settings, and start.
    pub corrected: BTreeSet<(usize, EventTime)>,
    /// The latest second a fact was booked at.
    pub last_fact: Option<i64>,
    /// The latest second of a fact that counts at once, however far `as_of` is: of all but the time of agents.
    pub last_counted: Option<i64>,
    /// As of when calls came into view as waiting that had entered long before: the first and the last of them.
    told_late: Option<(EventTime, EventTime)>,
    /// Its keys were ended by tombstones, until it has facts again.
    pub ended: bool,
    /// Pieces of intervals that began before it are forgotten; they were published first.
    pub forgotten: Option<EventTime>,
    pub unkept: Unkept,
    pub unpublished: Unpublished,
    /// When a pane next enters or leaves one of its windows: the windows' end.
    pub wake: Option<i64>,
    /// Of every length the interval that holds this time is known to end later.
    pub planned: Option<Interval>,
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
    pub weeks: BTreeSet<EventTime>,
    pub waiting: BTreeSet<i64>,
    pub ahead: BTreeSet<i64>,
    /// Every piece that holds this time is among them, and the minute that was noted last.
    pub noted: Option<Interval>,
    pub noted_minute: Option<i64>,
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
    /// What was offered by the hour, in the week that begins then.
    Week(EventTime),
    /// Who waits since one minute since 1970.
    Waiting(i64),
    /// Changes of agents' states that are not reached yet, in one tenth of a second since 1970: each instant may have
    /// some of every state and reason.
    Ahead(i64),
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

impl Accounts {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Account> {
        self.all.iter()
    }

    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Account> {
        self.all.iter_mut()
    }

    pub fn at(&self, seat: Seat) -> &Account {
        &self.all[seat as usize]
    }

    pub fn at_mut(&mut self, seat: Seat) -> &mut Account {
        &mut self.all[seat as usize]
    }

    pub fn find(&self, entity: &Entity) -> Option<Seat> {
        self.by_entity.get(entity).copied()
    }

    /// The seat of an entity, known or new.
    pub fn seat(&mut self, entity: &Entity) -> Seat {
        if let Some(seat) = self.find(entity) {
            return seat;
        }
        let seat = self.all.len() as Seat;
        self.all.push(Account::new(seat, entity.clone()));
        self.by_entity.insert(entity.clone(), seat);
        seat
    }

    /// The seat of an entity by the bytes of its name; none until [`Accounts::remember_name`] told it.
    pub fn named(&self, name: &[u8]) -> Option<Seat> {
        self.by_name.get(name).copied()
    }

    pub fn remember_name(&mut self, name: &[u8], seat: Seat) {
        self.by_name.insert(name.into(), seat);
    }
}

impl Account {
    fn new(seat: Seat, entity: Entity) -> Account {
        Account {
            seat,
            entity,
            tally: Tally::default(),
            offset: 0,
            counters: None,
            has_counted: false,
            corrected: BTreeSet::new(),
            last_fact: None,
            last_counted: None,
            told_late: None,
            ended: false,
            forgotten: None,
            unkept: Unkept::default(),
            unpublished: Unpublished::default(),
            wake: None,
            planned: None,
        }
    }

    /// Adds a row's facts, and notes which parts changed.
    pub fn add(&mut self, shape: &Shape, finder: &mut Finder, family: Family, at: i64, facts: &[(Key, i64)]) {
        if family == Family::Waiting {
            for (_, amount) in facts {
                self.tally.add_waiting(EventTime(at), *amount);
            }
            self.unkept.waiting.insert(at.div_euclid(MINUTE));
            return;
        }
        let second = if family == Family::Time { EventTime(at).second().0 } else { at };
        match family {
            Family::Time => {
                self.unkept.ahead.insert(at.div_euclid(TENTH));
                self.tally.add_time(shape, finder, &self.entity, EventTime(at), facts);
            }
            _ => self.tally.add(shape, finder, &self.entity, Booked { family, second, facts }),
        }
        if facts.iter().any(|(key, _)| *key == Key::measure(Measure::Concurrent)) {
            self.unkept.hours.insert(second.div_euclid(3_600));
        }
        if family != Family::Entry && self.entity.has_profile() && facts.iter().any(|(key, _)| is_offered(*key)) {
            self.unkept.weeks.insert(finder.find(Length::Week, EventTime(second * 1000)).start);
        }
        if family != Family::Entry {
            self.has_counted |= facts.iter().any(|(key, _)| is_counted(*key));
            let minute = second.div_euclid(60);
            if self.unkept.noted_minute.replace(minute) != Some(minute) {
                self.unkept.minutes.insert(minute);
            }
            self.last_fact = self.last_fact.max(Some(second));
            if family != Family::Time {
                self.last_counted = self.last_counted.max(Some(second));
            }
        }
        self.unkept.note_pieces(shape, finder, EventTime(second * 1000));
    }

    /// Notes calls that wait since an instant and were not heard of before `as_of`.
    pub fn note_late(&mut self, since: EventTime, facts: &[(Key, i64)], as_of: EventTime) {
        if as_of.since(since) < LATE || facts.iter().all(|(_, amount)| *amount <= 0) {
            return;
        }
        let first = self.told_late.filter(|(_, last)| as_of.since(*last) < SETTLES).map_or(as_of, |(first, _)| first);
        self.told_late = Some((first, as_of));
    }

    /// Whether calls of long ago are just being told, such as by a bridge that was away: who waits will be known when what
    /// became of them is told, too.
    pub fn is_told_late(&self, as_of: EventTime) -> bool {
        self.told_late.is_some_and(|(first, last)| as_of.since(last) < SETTLES && as_of.since(first) < SETTLES_MAX)
    }

    /// Brings windows and the time of agents up to the turn.
    pub fn reach(&mut self, turn: Turn<'_>) {
        self.tally.panes.slide(&turn.shape.windows, turn.as_of.second().0 + 1);
        self.tally.reach(turn.as_of);
    }

    /// Raises the highest values so far to the present ones.
    pub fn raise_counters(&mut self, settings: &KpiSettings, shape: &Shape) {
        if self.counters.is_some() && !std::mem::take(&mut self.has_counted) {
            return;
        }
        let now = self.projection(settings, shape, &Reasons::default(), EventTime(0)).counters();
        let counters = self.counters.get_or_insert(now);
        counters.iter_mut().zip(now).for_each(|(highest, now)| *highest = now.max(*highest));
    }

    /// Forgets what no late fact can reach any more.
    pub fn forget_before(&mut self, shape: &Shape, finder: &mut Finder, at: EventTime) {
        self.tally.forget_before(shape, finder, at);
        self.corrected.retain(|(_, start)| at <= *start);
        self.forgotten = self.forgotten.max(Some(at));
    }

    /// Whether an interval's facts, of a length that is kept since then, are no longer all there.
    pub fn has_forgotten(&self, shape: &Shape, length: Length, interval: Interval, since: Option<EventTime>) -> bool {
        let from = since.map_or(interval.start, |since| since.max(interval.start));
        if self.forgotten.is_none_or(|forgotten| forgotten <= from) {
            return false;
        }
        match shape.intervals.long.iter().position(|long| *long == length) {
            Some(long) => {
                let Interval { start, end } = interval;
                self.tally.intervals.piece(long + 1, start).is_none()
                    || !self.tally.concurrent.knows(&(start.second().0..end.second().0))
            }
            None => true,
        }
    }

    pub fn projection<'a>(
        &'a self,
        settings: &'a KpiSettings,
        shape: &'a Shape,
        reasons: &'a Reasons,
        as_of: EventTime,
    ) -> Projection<'a> {
        Projection { settings, kept: &shape.intervals, entity: &self.entity, tally: &self.tally, reasons, as_of }
    }
}

impl Unkept {
    /// The piece of every kept length that holds an instant changed.
    fn note_pieces(&mut self, shape: &Shape, finder: &mut Finder, at: EventTime) {
        if self.noted.is_some_and(|noted| noted.holds(at)) {
            return;
        }
        let mut common = Interval::ALWAYS;
        let base = usize::from(shape.intervals.base.is_none());
        for (place, length) in shape.intervals.lengths().enumerate() {
            let interval = finder.find(length, at);
            common = common.and(interval);
            self.pieces.insert((place + base, interval.start));
        }
        self.noted = Some(common);
    }
}

fn is_offered(key: Key) -> bool {
    key == Key::measure(Measure::Offered)
}

/// Whether counters are made of it.
fn is_counted(key: Key) -> bool {
    let counted = [Measure::Offered, Measure::Answered, Measure::Abandoned, Measure::WaitAnswered];
    key.reason().is_none() && key.index().is_none_or(|index| counted.iter().any(|measure| *measure as usize == index))
}
