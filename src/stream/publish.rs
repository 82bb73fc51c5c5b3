//! Publishing: which records are due, and the records themselves.
//!
//! What is due is remembered with the batch that made it so: until it is published, a restart begins no
//! later than that batch.

use super::account::{Account, Accounts, Seat};
use super::alarms::Alarms;
use super::coverage::{Asked, Coverage, Covered};
use super::kpis::KpisSettings;
use super::outlet::Told;
use super::snapshot::kept_by;
use super::stage::{Clock, OutRecord, Output};
use crate::calendar::{Interval, Length};
use crate::entity::{Entity, Kind};
use crate::fact::{Facts, Key, Measure, Reasons};
use crate::kpi::project::{Edition, Window, archive_key, board_key};
use crate::kpi::record::KpiRecord;
use crate::kpi::settings::KpiSettings;
use crate::tally::intervals::Finder;
use crate::tally::tally::Shape;
use crate::time::{EventTime, Span};
use smallvec::SmallVec;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// `total` and open intervals are published no more often.
const SLOW_EVERY: Duration = Duration::from_secs(15);
/// While event time is far behind the clock, the board is published no more often.
const BEHIND_EVERY: Duration = Duration::from_secs(15);
/// What changes with time alone is published this often.
const GROW_EVERY: Duration = Duration::from_secs(5);
/// Stands for the batch where nothing changed but how long calls have waited.
pub const GROWS: i64 = i64::MAX;
/// Intervals published in one commit.
const ARCHIVED_MAX: usize = 4_000;
/// Records of `now` and sliding windows in one commit, and of `total` and open intervals, of all partitions together: what
/// is due beyond waits for the next, so that none is so large that everything stands while it is made.
const QUICK_MAX: usize = 8_000;
const SLOW_MAX: usize = 4_000;
/// So many times as many where commits are rare.
const MORE_BEHIND: usize = 4;
/// So far beyond a fact is looked for intervals in which agents merely stay what they are. A state ends by silence
/// before, unless it lasts over event after event, none of which changes it.
pub const LASTS_MAX: Span = Span::from_hours(100 * 24);
/// What keeps the facts of sliding windows.
pub const PANES: &str = "panes";
/// An agent without facts for so long ends.
const IDLE_AGENT: Span = Span::from_hours(7 * 24);

/// Why an interval is looked at when `as_of` reaches an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// It ended: into the archive.
    Archive,
    /// Its grace passed: it is final.
    Finalise,
}

/// What is due when.
#[derive(Default)]
pub struct Publisher {
    quick: BTreeSet<(Instant, Seat)>,
    slow: BTreeSet<(Instant, Seat)>,
    duties: BTreeSet<(EventTime, Duty, Seat, usize, Interval)>,
    /// Intervals to publish now, with the batch that made them so.
    ready: BTreeMap<(Seat, usize, Interval), i64>,
    held: Held,
    /// When a week next ends anywhere; none if that is to be found out.
    week_ends: Option<EventTime>,
    /// The board rests until then.
    rests_until: Option<Instant>,
}

/// Intervals that an earlier generation may still publish, by their ends.
#[derive(Default)]
struct Held {
    intervals: BTreeMap<(EventTime, Seat, usize, Interval), i64>,
    /// How many of them each batch made ready.
    by_offset: BTreeMap<i64, usize>,
}

/// One round of publishing.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    pub settings: &'a KpisSettings,
    pub shape: &'a Shape,
    pub coverage: &'a Coverage,
    pub reasons: &'a Reasons,
    pub partition: i32,
    /// So many are published in one commit.
    pub partitions: usize,
    pub as_of: EventTime,
    pub version: u64,
    pub clock: Clock,
}

impl Turn<'_> {
    pub fn is_behind(&self) -> bool {
        self.clock.is_behind(self.as_of)
    }

    /// Since when a length is kept: what is published of intervals that were over before stands.
    fn kept_since(&self, length: Length) -> Option<EventTime> {
        self.coverage.kept_since(&kept_by(self.shape, length))
    }

    fn covered(&self, window: Window) -> Covered {
        let kpi = &self.settings.kpi;
        match window {
            Window::Now => self.coverage.of(Asked::Now(self.as_of)),
            Window::Total => self.coverage.of(Asked::Total),
            Window::Sliding(place) => {
                let end = EventTime((self.as_of.second().0 + 1) * 1000);
                self.coverage.of(Asked::Window { start: end.minus(kpi.sliding[place].1), end, kept_by: PANES })
            }
            Window::Interval(place, Interval { start, end }) => {
                let kept_by = kept_by(self.shape, kpi.intervals[place].1);
                self.coverage.of(Asked::Window { start, end, kept_by: &kept_by })
            }
        }
    }
}

impl Held {
    fn add(&mut self, at: (EventTime, Seat, usize, Interval), offset: i64) {
        if let Entry::Vacant(free) = self.intervals.entry(at) {
            free.insert(offset);
            *self.by_offset.entry(offset).or_default() += 1;
        }
    }

    /// The next that ends by then.
    fn pop(&mut self, until: EventTime) -> Option<((Seat, usize, Interval), i64)> {
        let first = self.intervals.first_entry().filter(|first| first.key().0 <= until)?;
        let ((_, seat, place, interval), offset) = first.remove_entry();
        if let Entry::Occupied(mut count) = self.by_offset.entry(offset) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(((seat, place, interval), offset))
    }
}

impl Publisher {
    /// Facts of a second changed the intervals that hold it.
    pub fn touch(
        &mut self,
        account: &mut Account,
        settings: &KpiSettings,
        finder: &mut Finder,
        second: i64,
        as_of: Option<EventTime>,
        offset: i64,
    ) {
        let at = EventTime(second * 1000);
        let is_open = |end: EventTime| as_of.is_none_or(|as_of| as_of < end);
        if account.planned.is_some_and(|planned| planned.holds(at) && is_open(planned.end)) {
            return;
        }
        let mut common = Interval::ALWAYS;
        for (place, (_, length)) in settings.intervals.iter().enumerate() {
            let interval = finder.find(*length, at);
            common = common.and(interval);
            match as_of.filter(|as_of| interval.end <= *as_of) {
                None => {
                    self.duties.insert((interval.end, Duty::Archive, account.seat, place, interval));
                }
                Some(as_of) => {
                    if interval.end.plus(settings.interval_grace) <= as_of {
                        account.corrected.insert((place, interval.start));
                    }
                    self.ready(account, place, interval, offset);
                }
            }
        }
        if is_open(common.end) {
            account.planned = Some(common);
        }
    }

    /// The level of calls at once changed by these amounts (second, amount): so did the maximum of every
    /// interval until it is even again, though nothing else happened in it.
    pub fn touch_level(
        &mut self,
        account: &mut Account,
        settings: &KpiSettings,
        shape: &Shape,
        finder: &mut Finder,
        changes: &[(i64, i64)],
        (as_of, offset): (EventTime, i64),
    ) {
        let mut level = 0;
        let mut changes = changes.iter().peekable();
        while let Some((second, amount)) = changes.next() {
            level += amount;
            if level == 0 {
                continue;
            }
            let from = EventTime(second * 1000);
            let to = changes.peek().map_or(as_of, |(next, _)| EventTime(*next * 1000 + 1));
            // What is not over is planned by the facts it holds.
            if as_of <= from {
                break;
            }
            let to = to.min(as_of);
            for start in account.tally.intervals.base_starts(&shape.intervals, finder, from, to) {
                self.touch(account, settings, finder, start.second().0, Some(as_of), offset);
            }
            // Intervals in which agents merely stay what they were are published, too.
            let last = account.last_fact.map_or(from, |second| EventTime(second * 1000).plus(LASTS_MAX));
            for (_, length) in &settings.intervals {
                let mut interval = finder.find(*length, from);
                while interval.start < to && interval.start <= last {
                    if account.tally.has_agents_at(&shape.intervals, *length, interval.start) {
                        self.touch(account, settings, finder, interval.start.second().0, Some(as_of), offset);
                    }
                    interval = finder.find(*length, interval.end);
                }
            }
        }
    }

    /// So many more agents were in some states from these instants on: what they did lasts, and so changes every
    /// interval until it is even again.
    pub fn touch_agents(
        &mut self,
        account: &mut Account,
        settings: &KpiSettings,
        finder: &mut Finder,
        mut changes: SmallVec<[(EventTime, Key, i64); 16]>,
        (as_of, offset): (Option<EventTime>, i64),
    ) {
        changes.sort_unstable();
        let mut agents = Facts::default();
        let mut changes = changes.into_iter().peekable();
        while let Some((at, key, amount)) = changes.next() {
            agents.add(key, amount);
            let to = changes.peek().map(|(next, ..)| *next).or(as_of).unwrap_or(at).min(at.plus(LASTS_MAX));
            if agents.is_empty() || to <= at {
                continue;
            }
            for (_, length) in &settings.intervals {
                // What begins after `as_of` is planned when the one before it ends.
                let mut interval = finder.find(*length, at);
                while interval.end <= to && as_of.is_none_or(|as_of| interval.end <= as_of) {
                    interval = finder.find(*length, interval.end);
                    self.touch(account, settings, finder, interval.start.second().0, as_of, offset);
                }
            }
        }
    }

    /// An interval is to be archived when it ends.
    pub fn plan(&mut self, account: &Account, place: usize, interval: Interval) {
        self.duties.insert((interval.end, Duty::Archive, account.seat, place, interval));
    }

    /// A configured queue has an interval even if nothing happened in it.
    pub fn make_up_empty(
        &mut self,
        account: &mut Account,
        settings: &KpiSettings,
        finder: &mut Finder,
        (before, as_of): (EventTime, EventTime),
        (offset, now): (i64, Instant),
    ) {
        for (place, (_, length)) in settings.intervals.iter().enumerate() {
            let mut interval = finder.find(*length, before);
            while interval.end <= as_of {
                self.ready(account, place, interval, offset);
                // The board shows the one that is open now.
                self.changed_slow(account, offset, now);
                interval = finder.find(*length, interval.end);
            }
        }
    }

    /// What is shown of it changes by itself while calls wait or agents are logged in, or were where one of so many sliding
    /// windows begins.
    pub fn grows(&mut self, account: &mut Account, windows: usize, now: Instant) {
        let tally = &account.tally;
        let changes = || tally.waiting() != 0 || tally.has_agents() || tally.loses_time(windows);
        if account.unpublished.quick.is_none() && changes() {
            let grown = now + GROW_EVERY;
            account.unpublished.quick = Some((GROWS, grown));
            self.quick.insert((grown, account.seat));
        }
        if account.tally.has_agents() && account.unpublished.slow.is_none() {
            let grown = now + SLOW_EVERY;
            account.unpublished.slow = Some((GROWS, grown));
            self.slow.insert((grown, account.seat));
        }
    }

    /// A week that is over is in the profiles of `total`, though nothing else may have happened.
    pub fn weeks_end(
        &mut self,
        accounts: &mut Accounts,
        settings: &KpiSettings,
        (before, as_of): (Option<EventTime>, EventTime),
        offset: i64,
        now: Instant,
    ) {
        if self.week_ends.is_some_and(|end| as_of < end) {
            return;
        }
        let mut next = EventTime(i64::MAX);
        for account in accounts.iter_mut().filter(|account| account.entity.has_profile()) {
            let zone = settings.zone(&account.entity.tenant);
            next = next.min(zone.interval(Length::Week, as_of).end);
            if before.is_some_and(|before| zone.interval(Length::Week, before).end <= as_of) {
                self.changed_slow(account, offset, now);
            }
        }
        self.week_ends = Some(next);
    }

    /// A new account may have weeks of its own.
    pub fn meet(&mut self, entity: &Entity) {
        self.week_ends = self.week_ends.filter(|_| !entity.has_profile());
    }

    /// The account's content changed.
    pub fn changed(&mut self, account: &mut Account, offset: i64, now: Instant, emit_every: Duration) {
        self.changed_quick(account, offset, now, emit_every);
        self.changed_slow(account, offset, now);
    }

    pub fn changed_quick(&mut self, account: &mut Account, offset: i64, now: Instant, emit_every: Duration) {
        if account.unpublished.quick.is_none_or(|(since, _)| since == GROWS) {
            let due = account.unpublished.last_quick.map_or(now, |last| now.max(last + emit_every));
            account.unpublished.quick = Some((offset, due));
            self.quick.insert((due, account.seat));
        }
    }

    pub fn changed_slow(&mut self, account: &mut Account, offset: i64, now: Instant) {
        if account.unpublished.slow.is_none_or(|(since, _)| since == GROWS) {
            let due = account.unpublished.last_slow.map_or(now, |last| now.max(last + SLOW_EVERY));
            account.unpublished.slow = Some((offset, due));
            self.slow.insert((due, account.seat));
        }
    }

    /// An interval is to be published.
    pub fn ready(&mut self, account: &Account, place: usize, interval: Interval, offset: i64) {
        self.ready.entry((account.seat, place, interval)).or_insert(offset);
    }

    /// Takes the duties whose time has come.
    pub fn due_duties(&mut self, as_of: EventTime) -> Vec<(Duty, Seat, usize, Interval)> {
        let mut due = Vec::new();
        while self.duties.first().is_some_and(|duty| duty.0 <= as_of) {
            due.extend(self.duties.pop_first().map(|(_, duty, seat, place, interval)| (duty, seat, place, interval)));
        }
        due
    }

    /// Plans what a restored account has still to do after `as_of`.
    pub fn plan_duties(
        &mut self,
        account: &Account,
        settings: &KpiSettings,
        shape: &Shape,
        finder: &mut Finder,
        as_of: Option<EventTime>,
    ) {
        for (place, (_, length)) in settings.intervals.iter().enumerate() {
            // Also the one that begins right now.
            let until = as_of.map_or(EventTime(i64::MIN), |as_of| EventTime(as_of.0 + 1));
            for interval in account.tally.touched(&shape.intervals, finder, *length, until) {
                let last = interval.end.plus(settings.interval_grace);
                let seat = account.seat;
                if as_of.is_none_or(|as_of| as_of < interval.end) {
                    self.duties.insert((interval.end, Duty::Archive, seat, place, interval));
                } else if as_of.is_some_and(|as_of| as_of < last) {
                    self.duties.insert((last, Duty::Finalise, seat, place, interval));
                }
            }
        }
    }

    /// When something is due next.
    pub fn due(&self) -> Option<Instant> {
        let ready = (!self.ready.is_empty()).then(Instant::now);
        let queued = [&self.quick, &self.slow].into_iter().filter_map(|queue| queue.first().map(|(due, _)| *due));
        queued.min().map(|due| self.rests_until.map_or(due, |until| due.max(until))).into_iter().chain(ready).min()
    }

    /// Whether no interval waits to be published, but for those held.
    pub fn has_archived_all(&self) -> bool {
        self.ready.is_empty()
    }

    /// The oldest batch with an interval unpublished.
    pub fn oldest(&self) -> Option<i64> {
        let held = self.held.by_offset.first_key_value().map(|(offset, _)| *offset);
        self.ready.values().copied().chain(held).min()
    }

    /// The first end of an interval that is held.
    pub fn first_held(&self) -> Option<EventTime> {
        self.held.intervals.first_key_value().map(|((end, ..), _)| *end)
    }

    /// Leaves to an earlier generation the intervals that it may still publish: those that end after `settled`.
    pub fn hold(&mut self, settled: EventTime) {
        let Publisher { ready, held, .. } = self;
        ready.retain(|&(seat, place, interval), offset| {
            if settled < interval.end {
                held.add((interval.end, seat, place, interval), *offset);
            }
            interval.end <= settled
        });
        while let Some(((seat, place, interval), offset)) = self.held.pop(settled) {
            self.ready.insert((seat, place, interval), offset);
        }
    }

    /// There is nobody to leave it to any more.
    pub fn release(&mut self) {
        while let Some(((seat, place, interval), offset)) = self.held.pop(EventTime(i64::MAX)) {
            self.ready.insert((seat, place, interval), offset);
        }
    }

    /// The records that are due.
    pub fn collect(&mut self, accounts: &mut Accounts, alarms: &mut Alarms, turn: Turn<'_>, out: &mut Vec<OutRecord>) {
        let clock = turn.clock;
        let is_behind = turn.is_behind();
        if self.rests_until.is_none_or(|until| until <= clock.now || !is_behind) {
            let is_all = self.collect_board(accounts, alarms, turn, out);
            self.rests_until = (is_behind && is_all).then(|| clock.now + BEHIND_EVERY);
        }
        self.collect_archive(accounts, alarms, turn, out);
    }

    /// Answers whether that was all that is due.
    fn collect_board(
        &mut self,
        accounts: &mut Accounts,
        alarms: &mut Alarms,
        turn: Turn<'_>,
        out: &mut Vec<OutRecord>,
    ) -> bool {
        let Turn { settings, shape, reasons, as_of, clock, .. } = turn;
        let share = |most: usize| (if turn.is_behind() { MORE_BEHIND * most } else { most }).div_ceil(turn.partitions);
        let quick_max = out.len() + share(QUICK_MAX);
        while out.len() < quick_max && self.quick.first().is_some_and(|(due, _)| *due <= clock.now) {
            let Some((due, seat)) = self.quick.pop_first() else { break };
            let account = accounts.at_mut(seat);
            if account.unpublished.quick.is_none_or(|(_, planned)| planned != due) {
                continue;
            }
            account.unpublished.quick = None;
            account.unpublished.last_quick = Some(clock.now);
            account.reach(turn);
            let windows = (0..settings.kpi.sliding.len()).map(Window::Sliding);
            let windows = std::iter::once(Window::Now).chain(windows);
            let records: Vec<KpiRecord> = windows.filter_map(|window| record(account, turn, window)).collect();
            out.extend(records.iter().map(|record| on_board(account, turn, record)));
            alarms.look(account, &records, turn, out);
            self.grows(account, settings.kpi.sliding.len(), clock.now);
        }
        let slow_max = out.len() + share(SLOW_MAX);
        while out.len() < slow_max && self.slow.first().is_some_and(|(due, _)| *due <= clock.now) {
            let Some((due, seat)) = self.slow.pop_first() else { break };
            let account = accounts.at_mut(seat);
            if account.unpublished.slow.is_none_or(|(_, planned)| planned != due) {
                continue;
            }
            account.unpublished.slow = None;
            account.unpublished.last_slow = Some(clock.now);
            out.extend(board_record(account, turn, Window::Total));
            for place in 0..settings.kpi.intervals.len() {
                let interval = account.projection(&settings.kpi, shape, reasons, as_of).open_interval(place);
                out.extend(board_record(account, turn, Window::Interval(place, interval)));
            }
            self.grows(account, settings.kpi.sliding.len(), clock.now);
        }
        let is_due = |queue: &BTreeSet<(Instant, Seat)>| queue.first().is_some_and(|(due, _)| *due <= clock.now);
        !is_due(&self.quick) && !is_due(&self.slow)
    }

    /// The intervals that are due, and nothing of the board.
    pub fn collect_archive(
        &mut self,
        accounts: &Accounts,
        alarms: &mut Alarms,
        turn: Turn<'_>,
        out: &mut Vec<OutRecord>,
    ) {
        let Turn { settings, shape, .. } = turn;
        let mut archived = 0;
        while archived < ARCHIVED_MAX
            && let Some(((seat, place, interval), _)) = self.ready.pop_first()
        {
            let account = accounts.at(seat);
            let length = settings.kpi.intervals[place].1;
            // What is forgotten, or was over before its length was kept, was published before with all its facts.
            let since = turn.kept_since(length);
            if account.has_forgotten(shape, length, interval, since) || since.is_some_and(|since| interval.end <= since)
            {
                continue;
            }
            archived += 1;
            let Some(record) = record(account, turn, Window::Interval(place, interval)) else { continue };
            let key = archive_key(&account.entity, &record.window.name, interval.start);
            if !record.is_final {
                let last = interval.end.plus(settings.kpi.interval_grace);
                self.duties.insert((last, Duty::Finalise, seat, place, interval));
            }
            alarms.remember(account, interval.start, &record, &settings.alerts);
            out.push(settings.intervals.record(Some(turn.partition), key, Told::Kpi(&record)));
        }
    }
}

/// The record of a window as of the turn; none of a sliding window before the first `as_of`.
pub fn record(account: &Account, turn: Turn<'_>, window: Window) -> Option<KpiRecord> {
    let corrected = match window {
        Window::Interval(place, interval) => account.corrected.contains(&(place, interval.start)),
        _ => false,
    };
    let counters = account.counters;
    let Covered { gap, from: covered_from } = turn.covered(window);
    let edition = Edition { version: turn.version, counters, corrected, gap, covered_from };
    account.projection(&turn.settings.kpi, turn.shape, turn.reasons, turn.as_of).record(window, edition)
}

fn board_record(account: &Account, turn: Turn<'_>, window: Window) -> Option<OutRecord> {
    Some(on_board(account, turn, &record(account, turn, window)?))
}

/// A record of the board as it goes out.
pub fn on_board(account: &Account, turn: Turn<'_>, record: &KpiRecord) -> OutRecord {
    let key = board_key(&account.entity, &record.window.name);
    turn.settings.kpis.record(Some(turn.partition), key, Told::Kpi(record))
}

/// Ends the keys of agents without facts for a week. Their tallies stay, so that `total` is since the
/// beginning if they come back.
pub fn end_idle_agents(accounts: &mut Accounts, turn: Turn<'_>, steady_from: EventTime, out: &mut Vec<OutRecord>) {
    for account in accounts.iter_mut().filter(|account| !account.ended) {
        if !matches!(account.entity.kind, Kind::Agent | Kind::QueueAgent) {
            continue;
        }
        let last = account.last_fact.map_or(EventTime(i64::MIN / 2), |second| EventTime(second * 1000));
        if turn.as_of.since(last.max(steady_from)) < IDLE_AGENT {
            continue;
        }
        account.ended = true;
        out.extend(board_windows(&turn.settings.kpi).map(|window| tombstone(&account.entity, window, turn)));
    }
}

/// By how much facts change the level of calls at once; none if they do not.
pub fn concurrent(facts: &[(Key, i64)]) -> Option<i64> {
    let key = Key::measure(Measure::Concurrent);
    facts.iter().find(|fact| fact.0 == key).map(|fact| fact.1)
}

/// The names of the windows on the board.
pub fn board_windows(settings: &KpiSettings) -> impl Iterator<Item = &str> {
    let sliding = settings.sliding.iter().map(|(name, _)| name.as_str());
    sliding.chain(settings.intervals.iter().map(|(name, _)| name.as_str())).chain(["now", "total"])
}

/// Ends a key of the board.
pub fn tombstone(entity: &Entity, window: &str, turn: Turn<'_>) -> OutRecord {
    OutRecord {
        to: Output::Topic { topic: turn.settings.kpis.topic.clone(), partition: Some(turn.partition) },
        key: Some(board_key(entity, window).into_bytes()),
        value: None,
        headers: Vec::new(),
        timestamp: None,
    }
}
