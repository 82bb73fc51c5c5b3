//! The stage *kpis*: facts in, KPI records out.
//!
//! Keyed by entity. Adds rows that were already decided; what it publishes is a function of the batches
//! read, and only when it publishes is decided by the clock.

use super::account::Seat;
use super::alarm::is_alarm;
use super::batch::{Batch, Damaged, partition_of, wire};
use super::board::{BOARD_KEY, Board, REASONS_KEY, Who, finder, is_configured_queue};
use super::coverage;
use super::marks::Marks;
use super::outlet::Outlet;
use super::own_alarms::Health;
use super::progress::{self, Silence, Watched};
use super::publish::{Duty, LASTS_MAX, Turn, concurrent, end_idle_agents, tombstone};
use super::snapshot;
use super::stage::{Clock, Input, OutRecord, Record, Stage, commit_every};
use super::takeover::Takeover;
use crate::alert::hours::Hours;
use crate::alert::rule::Rule;
use crate::calendar::Interval;
use crate::entity::{Entity, Kind};
use crate::event::DEFAULT_TENANT;
use crate::fact::{Family, Key};
use crate::kpi::room::{Limits, Room};
use crate::kpi::settings::KpiSettings;
use crate::tally::intervals::Finder;
use crate::tally::tally::Shape;
use crate::time::{EventTime, Span};
use hashbrown::HashMap;
use metrics::{counter, gauge};
use prost::Message;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// More than this at a time is no progress but a jump, over which nothing is made up.
const JUMP: Span = Span::from_hours(24);
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// What the stage needs to know.
#[derive(Clone)]
pub struct KpisSettings {
    pub kpi: Arc<KpiSettings>,
    pub commit_every: Duration,
    pub emit_every: Duration,
    pub takeover: Takeover,
    /// How long a fact may be late.
    pub late_horizon: Span,
    pub allowed_skew: Span,
    /// Topics of events that are told as silent.
    pub silent_after: Arc<[Watched]>,
    pub kpis: Outlet,
    pub intervals: Outlet,
    pub alerts: Arc<[Rule]>,
    /// Hours of queues by name, for rules without hours of their own.
    pub queue_hours: Arc<BTreeMap<String, Hours>>,
    /// Whether the engine's own alerts are told.
    pub own_alerts: bool,
    /// Where alerts are told.
    pub alerts_to: Outlet,
    pub partials_partitions: i32,
    pub limits: Arc<Limits>,
}

impl KpisSettings {
    /// So long after its end, by the log, an interval is published no more: no late fact reaches it, and it is final. Nor
    /// is a call.
    pub fn settles_after(&self) -> Span {
        Span(2 * (self.late_horizon.0 + self.allowed_skew.0)).max(self.kpi.interval_grace)
    }
}

/// The stage.
pub struct Kpis {
    settings: KpisSettings,
    shape: Shape,
    finders: HashMap<Arc<str>, Finder>,
    inputs: HashMap<Input, Board>,
    /// When it first looked at its sources, by the clock of the wall.
    first_looked: Option<EventTime>,
    last_commit: Option<Instant>,
    pending: Option<Instant>,
    /// At the last commit event time was far behind the clock.
    is_behind: bool,
    /// The fingerprint of the settings that records are shown by.
    shown_by: u64,
}

impl Kpis {
    pub fn new(settings: KpisSettings) -> Kpis {
        let (shape, shown_by) = (settings.kpi.shape(), settings.kpi.fingerprint());
        Kpis {
            settings,
            shape,
            finders: HashMap::new(),
            inputs: HashMap::new(),
            first_looked: None,
            last_commit: None,
            pending: None,
            is_behind: false,
            shown_by,
        }
    }

    fn take(&mut self, input: &Input, offset: i64, mut batch: Batch<'_>, now: Instant) -> Result<(), Damaged> {
        let board = self.inputs.get_mut(input).expect("records come for assigned inputs only");
        board.take_reasons(&batch.header.reasons, now);
        batch.book(|key| board.reasons.room_for(key));
        let mut names = Vec::with_capacity(batch.names.len());
        for name in &batch.names {
            names.push(board.who(name)?);
        }
        if !board.is_silent() {
            board.keep_newly();
            if board.shown.is_to_change(self.shown_by, now) {
                for account in board.accounts.iter_mut().filter(|account| !account.ended) {
                    board.publisher.changed(account, offset, now, self.settings.emit_every);
                }
            }
        }
        let settings = &self.settings;
        let as_of = board.marks.as_of();
        for rows in batch.rows.chunk_by(|a, b| a.entity == b.entity) {
            let place = rows[0].entity as usize;
            let seat = match names.get(place) {
                None | Some(Who::Unknown) => continue,
                Some(Who::Known(seat)) => *seat,
                Some(Who::New(entity)) => {
                    let Some(seat) = board.accounts.find(entity).or_else(|| board.admit(entity, settings, now)) else {
                        continue;
                    };
                    board.accounts.remember_name(batch.names[place], seat);
                    seat
                }
            };
            let account = board.accounts.at_mut(seat);
            let finder = finder(&mut self.finders, &settings.kpi, &account.entity.tenant);
            if let Some(as_of) = as_of.filter(|_| account.tally.panes.end().is_none()) {
                account.tally.panes.slide(&self.shape.windows, as_of.second().0 + 1);
            }
            let is_held = offset < account.offset;
            let has_visits = account.entity.kind.has_visits();
            let mut levels: SmallVec<[(i64, i64); 16]> = SmallVec::new();
            let mut agents: SmallVec<[(EventTime, Key, i64); 16]> = SmallVec::new();
            for row in rows {
                let facts = batch.facts(row);
                if has_visits && row.family == Some(Family::Event) {
                    levels.extend(concurrent(facts).map(|amount| (row.at, amount)));
                }
                if let Some(family) = row.family.filter(|_| !is_held) {
                    account.add(&self.shape, finder, family, row.at, facts);
                }
                let second = match row.family {
                    Some(Family::Waiting) => {
                        if let Some(as_of) = as_of.filter(|_| !is_held) {
                            account.note_late(EventTime(row.at), batch.facts(row), as_of);
                        }
                        continue;
                    }
                    Some(Family::Time) => {
                        agents.extend(facts.iter().map(|(key, amount)| (EventTime(row.at), *key, *amount)));
                        EventTime(row.at).second().0
                    }
                    _ => row.at,
                };
                board.coverage.read_facts_of(second);
                // Levels change no interval's facts, and an agent's empty one is not published.
                let is_level_alone = row.family == Some(Family::Event) && facts.iter().all(|(key, _)| key.is_level());
                if !is_level_alone {
                    board.publisher.touch(account, &settings.kpi, finder, second, as_of, offset);
                }
            }
            if !agents.is_empty() {
                board.publisher.touch_agents(account, &settings.kpi, finder, agents, (as_of, offset));
            }
            if let Some(as_of) = as_of.filter(|_| !levels.is_empty()) {
                let publisher = &mut board.publisher;
                publisher.touch_level(account, &settings.kpi, &self.shape, finder, &levels, (as_of, offset));
            }
            if has_visits {
                account.raise_counters(&settings.kpi, &self.shape);
            }
            account.ended = false;
            board.publisher.changed(account, offset, now, settings.emit_every);
            if !is_held && account.unkept.since.is_none() {
                account.unkept.since = Some(offset);
                account.unkept.since_clock = Some(now);
                board.unkept.push_back(seat);
            }
            board.wake(seat, &self.shape);
        }
        let batch = &batch.header;
        board.alarms.own.read(batch.read, batch.rejected, now);
        let mut is_gap = false;
        for lost in &batch.lost {
            is_gap |= board.coverage.lose(coverage::from_wire(lost));
        }
        let before = board.marks.as_of();
        board.marks.take(batch);
        board.next = offset + 1;
        if let Some(as_of) = board.marks.as_of().filter(|as_of| before.is_none_or(|before| before < *as_of)) {
            is_gap |= board.coverage.reach(as_of);
        }
        if is_gap {
            self.mark_gap(input, offset, now);
        }
        let board = self.inputs.get_mut(input).expect("an assigned input");
        if board.marks.as_of() != before {
            self.advance(input, before, offset, now);
        }
        Ok(())
    }

    /// Publishes again what lost input touches, or all of it.
    fn mark_gap(&mut self, input: &Input, offset: i64, now: Instant) {
        let board = self.inputs.get_mut(input).expect("an assigned input");
        let Some(as_of) = board.marks.as_of() else { return };
        for account in board.accounts.iter_mut() {
            board.publisher.changed(account, offset, now, self.settings.emit_every);
            let finder = finder(&mut self.finders, &self.settings.kpi, &account.entity.tenant);
            for (place, (_, length)) in self.settings.kpi.intervals.iter().enumerate() {
                let touched = account.tally.touched(&self.shape.intervals, finder, *length, as_of);
                for interval in touched.into_iter().filter(|interval| interval.end <= as_of) {
                    let Interval { start, end } = interval;
                    if board.coverage.is_lost(start, end) {
                        board.publisher.ready(account, place, interval, offset);
                    }
                }
            }
        }
    }

    /// Event time is complete further on: slides windows, ends intervals, forgets.
    fn advance(&mut self, input: &Input, before: Option<EventTime>, offset: i64, now: Instant) {
        let board = self.inputs.get_mut(input).expect("an assigned input");
        let Some(as_of) = board.marks.as_of() else { return };
        let end = as_of.second().0 + 1;
        if before.is_none() {
            board.wakes.extend(board.accounts.iter().map(|account| (end, account.seat)));
        }
        while board.wakes.first().is_some_and(|(due, _)| *due <= end) {
            let Some((due, seat)) = board.wakes.pop_first() else { break };
            let account = board.accounts.at_mut(seat);
            if account.wake.is_some_and(|wake| wake != due) {
                continue;
            }
            account.wake = None;
            if account.tally.panes.slide(&self.shape.windows, end) {
                board.publisher.changed_quick(account, offset, now, self.settings.emit_every);
            }
            board.wake(seat, &self.shape);
        }
        let steady = before.filter(|before| as_of.since(*before) <= JUMP);
        if steady.is_none() || board.steady_from.is_none() {
            board.steady_from = Some(as_of);
        }
        let settings = &self.settings;
        board.publisher.weeks_end(&mut board.accounts, &settings.kpi, (before, as_of), offset, now);
        loop {
            let due = board.publisher.due_duties(as_of);
            if due.is_empty() {
                break;
            }
            for (duty, seat, place, interval) in due {
                let account = board.accounts.at_mut(seat);
                board.publisher.ready(account, place, interval, offset);
                if duty == Duty::Archive && account.entity.kind.has_visits() {
                    board.publisher.changed_slow(account, offset, now);
                }
                let length = settings.kpi.intervals[place].1;
                let last = account.last_fact.map_or(EventTime(i64::MIN / 2), |second| EventTime(second * 1000));
                let may_last = duty == Duty::Archive && interval.end <= last.plus(LASTS_MAX);
                if may_last && account.tally.has_agents_at(&self.shape.intervals, length, interval.end) {
                    // Time goes on in the next one, though nothing else may happen in it.
                    let finder = finder(&mut self.finders, &settings.kpi, &account.entity.tenant);
                    board.publisher.plan(account, place, finder.find(length, interval.end));
                }
            }
        }
        if let Some(before) = steady {
            let Board { publisher, accounts, configured, .. } = board;
            for seat in configured {
                let account = accounts.at_mut(*seat);
                let finder = finder(&mut self.finders, &settings.kpi, &account.entity.tenant);
                publisher.make_up_empty(account, &settings.kpi, finder, (before, as_of), (offset, now));
            }
        }
    }
}

impl Stage for Kpis {
    const NAME: &'static str = "kpis";

    fn open(&mut self, input: &Input) {
        let rooms = self.settings.partials_partitions.max(1) as usize;
        self.inputs
            .insert(input.clone(), Board { room: Room::new(self.settings.limits.clone(), rooms), ..Board::default() });
    }

    fn load(&mut self, input: &Input, key: &[u8], value: Option<&[u8]>) {
        let board = self.inputs.get_mut(input).expect("an assigned input");
        match value {
            Some(value) => board.loading.insert(key.to_vec(), value.to_vec()),
            None => board.loading.remove(key),
        };
    }

    fn resume(&mut self, input: &Input, committed: Option<i64>) -> Option<i64> {
        let now = Instant::now();
        let board = self.inputs.get_mut(input).expect("an assigned input");
        let mut loading = std::mem::take(&mut board.loading);
        if let Some(Ok(kept)) = loading.remove(REASONS_KEY).map(|value| wire::ReasonsState::decode(value.as_slice())) {
            kept.texts.iter().for_each(|text| {
                board.reasons.restore(text);
            });
        }
        let state = loading.get(BOARD_KEY).and_then(|value| wire::BoardState::decode(value.as_slice()).ok());
        snapshot::load(&mut board.accounts, &self.settings.kpi, &self.shape, &loading);
        loading.extract_if(|key, _| is_alarm(key)).for_each(|(key, value)| board.alarms.load(&key, &value));
        let mut from = committed;
        board.shown.by = state.as_ref().map_or(self.shown_by, |state| state.shown_by);
        let was_on_board = state.as_ref().is_some_and(|state| state.on_board);
        board.holds_back = 1 < self.settings.takeover.generation() && !was_on_board;
        if let Some(state) = state {
            from = committed.map(|committed| committed.min(state.from));
            board.marks = Marks::from_wire(&state);
            board.forgotten = state.forgotten.map(EventTime);
            board.steady_from = state.steady_from.map(EventTime);
            board.follow_settings(&self.settings, &self.shape, &state);
            board.checkpoints.push_back((state.from, state));
        }
        board.silent_until = committed;
        board.next = from.unwrap_or(0);
        if board.checkpoints.is_empty() {
            // Until everything read is kept, a restart begins here again.
            board.checkpoints.push_back((board.next, board.marks.to_wire(board.next, None)));
        }
        // Configured queues are there before their first call, and never end.
        for queue in self.settings.kpi.queues.keys() {
            let tenant = Arc::from(DEFAULT_TENANT);
            let entity = Entity { tenant, kind: Kind::Queue, id: queue.as_str().into(), channel: None };
            if partition_of(&entity, self.settings.partials_partitions) == input.partition
                && board.accounts.find(&entity).is_none()
            {
                // The state topic does not have it, so it is not known to be published.
                let seat = board.accounts.seat(&entity);
                let account = board.accounts.at_mut(seat);
                board.publisher.changed(account, board.next, now, self.settings.emit_every);
            }
        }
        let as_of = board.marks.as_of();
        for seat in 0..board.accounts.len() as Seat {
            let account = board.accounts.at_mut(seat);
            let entity = &account.entity;
            board.room.count(entity);
            board.configured.extend(is_configured_queue(entity, &self.settings).then_some(seat));
            let finder = finder(&mut self.finders, &self.settings.kpi, &entity.tenant);
            if let Some(as_of) = as_of {
                account.tally.panes.slide(&self.shape.windows, as_of.second().0 + 1);
            }
            board.publisher.plan_duties(account, &self.settings.kpi, &self.shape, finder, as_of);
            board.publisher.grows(account, self.shape.windows.len(), now);
            board.wake(seat, &self.shape);
        }
        from
    }

    fn apply(&mut self, input: &Input, record: Record<'_>) {
        let now = Instant::now();
        self.pending.get_or_insert(now);
        let batch = Batch::read(record.value.unwrap_or_default());
        if batch.and_then(|batch| self.take(input, record.offset, batch, now)).is_err() {
            self.set_aside(input, record);
        }
    }

    fn set_aside(&mut self, input: &Input, record: Record<'_>) {
        tracing::error!(
            partition = input.partition,
            offset = record.offset,
            "batch cannot be read; its facts are missing"
        );
        counter!("callpulse_gaps_total", "stage" => Self::NAME).increment(1);
        let board = self.inputs.get_mut(input).expect("an assigned input");
        board.next = record.offset + 1;
        board.coverage.lose_batches(board.marks.as_of());
        self.mark_gap(input, record.offset, Instant::now());
    }

    fn reached_end(&mut self, input: &Input, position: i64, clock: Clock) {
        let Some(board) = self.inputs.get_mut(input) else { return };
        board.next = board.next.max(position);
        if board.last_progress.is_none_or(|last| PROGRESS_EVERY <= clock.now.duration_since(last)) {
            self.pending.get_or_insert(clock.now);
        }
    }

    fn gap(&mut self, input: &Input) {
        let board = self.inputs.get_mut(input).expect("an assigned input");
        board.coverage.lose_batches(board.marks.as_of());
        let next = board.next;
        self.mark_gap(input, next, Instant::now());
    }

    fn due(&self) -> Option<Instant> {
        let publishing = self.inputs.values().filter(|board| !board.is_silent() && !board.holds_back);
        let soonest = publishing.filter_map(|board| board.publisher.due()).chain(self.pending).min()?;
        let every = commit_every(self.settings.commit_every, self.is_behind);
        Some(self.last_commit.map_or(soonest, |last| soonest.max(last + every)))
    }

    fn collect(&mut self, clock: Clock, out: &mut Vec<OutRecord>) {
        self.is_behind = false;
        let partitions = self.inputs.len();
        let wall = EventTime(clock.wall_ms);
        let first_looked = *self.first_looked.get_or_insert(wall);
        for (input, board) in &mut self.inputs {
            if board.is_silent() {
                continue;
            }
            let silences = Silence::of_each(&self.settings, &board.marks, (first_looked, wall));
            if let Some(as_of) = board.marks.as_of() {
                board.keep_newly();
                let version = self.settings.takeover.version((board.next - 1).max(0));
                let turn = Turn {
                    settings: &self.settings,
                    shape: &self.shape,
                    coverage: &board.coverage,
                    reasons: &board.reasons,
                    partition: input.partition,
                    partitions,
                    as_of,
                    version,
                    clock,
                };
                self.is_behind |= turn.is_behind();
                let takeover = &self.settings.takeover;
                board.claims = board.holds_back && (!turn.is_behind() || !takeover.has_earlier());
                if board.claims && takeover.is_granted() {
                    tracing::info!(partition = input.partition, "caught up: this generation publishes from now on");
                    (board.holds_back, board.claims) = (false, false);
                    board.alarms.take_over(&board.accounts, turn, out);
                }
                for window in std::mem::take(&mut board.gone) {
                    let all = board.accounts.iter().filter(|account| !account.ended);
                    out.extend(all.map(|account| tombstone(&account.entity, &window, turn)));
                }
                board.alarms.settle(&self.settings.alerts, &board.accounts);
                // No event is late by the clock, but by the log.
                let log_time = board.marks.log_time().unwrap_or(EventTime(i64::MIN / 2)).min(as_of);
                let settled = log_time.minus(self.settings.settles_after()).min(takeover.settled());
                match board.holds_back {
                    true => {
                        board.publisher.hold(settled);
                        board.publisher.collect_archive(&board.accounts, &mut board.alarms, turn, out);
                    }
                    false => {
                        board.publisher.release();
                        board.publisher.collect(&mut board.accounts, &mut board.alarms, turn, out);
                        board.alarms.tick(&mut board.accounts, turn, out);
                        board.alarms.own.tick(&Health::of(&silences, &board.coverage, turn), turn, out);
                    }
                }
                let is_known = board.marks.log_time().is_some() && takeover.settled() != EventTime(i64::MIN);
                if is_known && board.publisher.has_archived_all() {
                    board.settled = board.settled.max(Some(settled));
                }
                let steady_from = board.steady_from.unwrap_or(as_of);
                let is_to_check = board.ended_checked.is_none_or(|at| Span::from_hours(1) <= as_of.since(at));
                if is_to_check && !board.holds_back {
                    board.ended_checked = Some(as_of);
                    end_idle_agents(&mut board.accounts, turn, steady_from, out);
                }
            }
            board.forget(&self.settings, &self.shape, &mut self.finders);
            let is_told = board.last_progress.is_some_and(|last| clock.now.duration_since(last) < PROGRESS_EVERY);
            if (!board.holds_back || board.claims) && !is_told {
                board.last_progress = Some(clock.now);
                let said = (&board.marks, board.settled, silences.as_slice());
                out.extend(progress::record(input.partition, said, &self.settings, clock));
                let partition = input.partition.to_string();
                gauge!("callpulse_entities", "partition" => partition).set(board.accounts.len() as f64);
            }
            // State without a committed offset is a fault: before the first batch there is neither.
            if 0 < board.next {
                board.keep(input, &self.settings, &self.shape, (clock, self.is_behind, self.shown_by), out);
            }
        }
    }

    fn committed(&mut self, clock: Clock) {
        self.pending = None;
        self.last_commit = Some(clock.now);
    }

    fn close(&mut self, input: &Input) {
        gauge!("callpulse_entities", "partition" => input.partition.to_string()).set(0.0);
        self.inputs.remove(input);
    }
}
