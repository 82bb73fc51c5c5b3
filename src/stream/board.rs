//! One partition of the partials in the stage *kpis*: its accounts, and what of them is forgotten and kept.

use super::account::{Accounts, Seat};
use super::alarms::Alarms;
use super::batch::{Damaged, entity as entity_of, wire};
use super::coverage::Coverage;
use super::kpis::KpisSettings;
use super::marks::Marks;
use super::publish::{PANES, Publisher, board_windows};
use super::shown::Shown;
use super::snapshot;
use super::stage::{Clock, Input, OutRecord, Output};
use crate::calendar::Length;
use crate::entity::{Entity, Kind};
use crate::event::DEFAULT_TENANT;
use crate::fact::{REASONS_MAX, Reasons, Taken};
use crate::kpi::room::{Full, Room};
use crate::kpi::settings::KpiSettings;
use crate::tally::intervals::Finder;
use crate::tally::tally::Shape;
use crate::time::{EventTime, Span};
use hashbrown::HashMap;
use metrics::counter;
use prost::Message;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
/// An account is written to the state topic this long after it changed.
const KEEP_AFTER: Duration = Duration::from_secs(5);
/// Bytes of state written in one commit, but for the account that goes beyond; and where commits are rare.
const STATE_BYTES: usize = 256 * 1024;
const STATE_BYTES_BEHIND: usize = 1024 * 1024;
/// That something finds no room is told this seldom.
const REFUSED_TOLD_EVERY: Duration = Duration::from_secs(60);
/// What is over is forgotten in steps of this, milliseconds.
const FORGET_EVERY: i64 = 60_000;

/// One partition of the partials.
#[derive(Default)]
pub(super) struct Board {
    pub accounts: Accounts,
    /// Who may have an account.
    pub room: Room,
    pub refused: Refused,
    /// Configured queues: they have intervals even if nothing happens.
    pub configured: Vec<Seat>,
    pub marks: Marks,
    /// The next batch's offset.
    pub next: i64,
    /// Silent until the next batch is this one: the group's last commit.
    pub silent_until: Option<i64>,
    pub loading: HashMap<Vec<u8>, Vec<u8>>,
    /// When windows change by themselves: their end, in seconds.
    pub wakes: BTreeSet<(i64, Seat)>,
    pub publisher: Publisher,
    pub alarms: Alarms,
    /// Accounts not in the state topic as they are, oldest first.
    pub unkept: VecDeque<Seat>,
    /// The marks before an offset, for the silent replay to begin with.
    pub checkpoints: VecDeque<(i64, wire::BoardState)>,
    pub steady_from: Option<EventTime>,
    /// Facts before it are forgotten.
    pub forgotten: Option<EventTime>,
    pub last_progress: Option<Instant>,
    pub shown: Shown,
    /// A later generation leaves publishing to the one before until that has left.
    pub holds_back: bool,
    /// It has caught up, and says so.
    pub claims: bool,
    pub ended_checked: Option<EventTime>,
    /// What ended before it was published for the last time.
    pub settled: Option<EventTime>,
    pub coverage: Coverage,
    /// The texts of reasons, and whether the state topic lacks any.
    pub reasons: Reasons,
    pub are_reasons_new: bool,
    /// Lengths that are kept from now on, told once it publishes.
    pub kept_newly: Vec<String>,
    /// Windows that are no longer configured: their keys end once it publishes.
    pub gone: Vec<String>,
}

pub(super) const BOARD_KEY: &[u8] = b"";
/// The texts of reasons; no name of an entity is empty.
pub(super) const REASONS_KEY: &[u8] = b"\0";

/// Whose a name in a batch is.
pub(super) enum Who {
    Known(Seat),
    New(Entity),
    /// Of a kind or channel that this version does not know.
    Unknown,
}

/// What found no room, as the log has it.
#[derive(Default)]
pub(super) struct Refused {
    told: Option<Instant>,
    told_reason: Option<Instant>,
}

impl Refused {
    /// Once a minute, with one of them: there may be very many.
    fn tell(&mut self, entity: &Entity, full: Full, now: Instant) {
        if !is_to_tell(&mut self.told, now) {
            return;
        }
        let (limit, raise) = match full {
            Full::All(limit) => (limit, "[engine] max_entities"),
            Full::Tenant(limit) => (limit, "[tenants.NAME] max_entities"),
        };
        tracing::warn!(
            tenant = &*entity.tenant,
            kind = entity.kind.word(),
            id = &*entity.id,
            limit,
            "no room for this entity and maybe others: they are not counted; find out who makes up such names, or raise {raise}"
        );
    }

    fn tell_reason(&mut self, text: &str, now: Instant) {
        if is_to_tell(&mut self.told_reason, now) {
            tracing::warn!(
                reason = text,
                limit = REASONS_MAX,
                "no room for this reason of a pause and maybe others: they count as other; find out who makes up such texts"
            );
        }
    }
}

fn is_to_tell(told: &mut Option<Instant>, now: Instant) -> bool {
    if told.is_some_and(|told| now.duration_since(told) < REFUSED_TOLD_EVERY) {
        return false;
    }
    *told = Some(now);
    true
}

impl Board {
    /// Takes the texts of reasons for which there is room.
    pub fn take_reasons(&mut self, texts: &[String], now: Instant) {
        for text in texts {
            match self.reasons.take(text) {
                Taken::New => self.are_reasons_new = true,
                Taken::Known => {}
                Taken::Refused => {
                    counter!("callpulse_reasons_refused_total").increment(1);
                    self.refused.tell_reason(text, now);
                }
            }
        }
    }

    /// Whose name it is.
    pub fn who(&self, name: &[u8]) -> Result<Who, Damaged> {
        if let Some(seat) = self.accounts.named(name) {
            return Ok(Who::Known(seat));
        }
        let name = wire::EntityName::decode(name).map_err(|_| Damaged)?;
        Ok(entity_of(&name).map_or(Who::Unknown, Who::New))
    }

    /// Makes an account for an entity; none if there is no room.
    pub fn admit(&mut self, entity: &Entity, settings: &KpisSettings, now: Instant) -> Option<Seat> {
        if let Err(full) = self.room.admit(entity, &settings.kpi) {
            counter!("callpulse_entities_refused_total").increment(1);
            self.alarms.own.refused(now);
            self.refused.tell(entity, full, now);
            return None;
        }
        self.publisher.meet(entity);
        let seat = self.accounts.seat(entity);
        self.configured.extend(is_configured_queue(entity, settings).then_some(seat));
        Some(seat)
    }

    /// Sees what the settings asked for when the state was written, and what they ask for now.
    pub fn follow_settings(&mut self, settings: &KpisSettings, shape: &Shape, state: &wire::BoardState) {
        self.coverage = state.coverage.as_ref().map(Coverage::from_wire).unwrap_or_default();
        let windows: Vec<&str> = board_windows(&settings.kpi).collect();
        self.gone = state.windows.iter().filter(|window| !windows.contains(&window.as_str())).cloned().collect();
        self.kept_newly = snapshot::kept_lengths(shape);
        self.kept_newly.retain(|length| !state.kept.contains(length));
        let longest = shape.windows.iter().copied().max().unwrap_or(0);
        if let Some(as_of) = self.marks.as_of().filter(|_| state.longest < longest) {
            // The panes of the longest window there was are all there.
            let end = EventTime((as_of.second().0 + 1) * 1000);
            self.coverage.keep_since(PANES.to_owned(), end.minus(Span::from_secs(state.longest)));
        }
        let lacks = state.reach.is_some_and(|reach| reach < settings.kpi.reach().0);
        if let (Some(forgotten), Some(Length::Piece(base)), true) = (self.forgotten, shape.intervals.base, lacks) {
            // Pieces are forgotten whole.
            let since = EventTime((forgotten.0 + base - 1).div_euclid(base) * base);
            self.coverage.keep_since(snapshot::kept_by(shape, Length::Piece(base)), since);
        }
    }

    /// A length asked for anew holds facts from now on, the silent replay being over.
    pub fn keep_newly(&mut self) {
        std::mem::take(&mut self.kept_newly).into_iter().for_each(|length| self.coverage.keep_newly(length));
    }

    /// Plans when the account's windows change next.
    pub fn wake(&mut self, seat: Seat, shape: &Shape) {
        let account = self.accounts.at_mut(seat);
        let next = account.tally.panes.next_change(&shape.windows);
        if next == account.wake {
            return;
        }
        if let Some(old) = account.wake.take() {
            self.wakes.remove(&(old, seat));
        }
        account.wake = next;
        self.wakes.extend(next.map(|next| (next, seat)));
    }

    /// Forgets what no late fact can reach any more, once it is published.
    pub fn forget(&mut self, settings: &KpisSettings, shape: &Shape, finders: &mut HashMap<Arc<str>, Finder>) {
        let Some(log_time) = self.marks.log_time().min(self.marks.as_of()) else { return };
        if !self.publisher.has_archived_all() {
            return;
        }
        // No late fact reaches further back than the start of what is shown, and nothing that is held is older.
        let reach = Span(settings.settles_after().0 + settings.kpi.reach().0);
        let held = self.publisher.first_held().map(|end| end.minus(settings.kpi.reach()));
        let before = held.map_or(log_time.minus(reach), |held| held.min(log_time.minus(reach)));
        let before = EventTime(before.0.div_euclid(FORGET_EVERY) * FORGET_EVERY);
        if self.forgotten.is_some_and(|forgotten| before <= forgotten) {
            return;
        }
        self.forgotten = Some(before);
        for account in self.accounts.iter_mut() {
            let finder = finder(finders, &settings.kpi, &account.entity.tenant);
            account.forget_before(shape, finder, before);
        }
    }

    /// Whether it still reads again what the group had read before.
    pub fn is_silent(&self) -> bool {
        self.silent_until.is_some_and(|until| self.next < until)
    }

    /// The first batch whose changes are not both published and in the state topic.
    fn oldest_open(&self) -> i64 {
        let open = self.accounts.iter().flat_map(|account| {
            let quick = account.unpublished.quick.map(|(since, _)| since);
            [account.unkept.since, quick, account.unpublished.slow.map(|(since, _)| since)]
        });
        open.flatten().chain(self.publisher.oldest()).fold(self.next, i64::min)
    }

    /// Writes the oldest changed accounts, and where a silent replay is to begin.
    pub fn keep(
        &mut self,
        input: &Input,
        settings: &KpisSettings,
        shape: &Shape,
        (clock, is_behind, shown_by): (Clock, bool, u64),
        out: &mut Vec<OutRecord>,
    ) {
        self.shown.settle(shown_by, clock.now);
        let bytes_max = if is_behind { STATE_BYTES_BEHIND } else { STATE_BYTES };
        let mut bytes = 0;
        let mut push = |(key, value): snapshot::Entry| {
            bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            out.push(OutRecord {
                to: Output::State(input.clone()),
                key: Some(key),
                value,
                headers: Vec::new(),
                timestamp: None,
            });
            bytes
        };
        while let Some(seat) = self.unkept.front() {
            let account = self.accounts.at_mut(*seat);
            let is_due = account.unkept.since_clock.is_some_and(|since| KEEP_AFTER <= clock.now.duration_since(since));
            if !is_due {
                break;
            }
            self.unkept.pop_front();
            let written = snapshot::write(account, &settings.kpi, shape, self.next).into_iter().map(&mut push).last();
            if written.is_some_and(|written| bytes_max <= written) {
                break;
            }
        }
        for entry in self.alarms.write(&settings.alerts, &self.accounts) {
            push(entry);
        }
        if std::mem::take(&mut self.are_reasons_new) {
            let texts = self.reasons.texts().map(str::to_owned).collect();
            push((REASONS_KEY.to_vec(), Some(wire::ReasonsState { texts }.encode_to_vec())));
        }
        self.checkpoints.push_back((self.next, self.marks.to_wire(self.next, self.steady_from)));
        let open = self.oldest_open();
        while self.checkpoints.get(1).is_some_and(|(offset, _)| *offset <= open) {
            self.checkpoints.pop_front();
        }
        if let Some((_, state)) = self.checkpoints.front() {
            let state = wire::BoardState {
                coverage: Some(self.coverage.to_wire()),
                windows: board_windows(&settings.kpi).map(str::to_owned).collect(),
                kept: snapshot::kept_lengths(shape),
                longest: shape.windows.iter().copied().max().unwrap_or(0),
                reach: Some(settings.kpi.reach().0),
                forgotten: self.forgotten.map(|at| at.0),
                on_board: !self.holds_back,
                shown_by: self.shown.by,
                ..state.clone()
            };
            push((BOARD_KEY.to_vec(), Some(state.encode_to_vec())));
        }
    }
}

/// Whether it is a queue that the settings name.
pub(super) fn is_configured_queue(entity: &Entity, settings: &KpisSettings) -> bool {
    entity.kind == Kind::Queue
        && entity.channel.is_none()
        && entity.tenant.as_ref() == DEFAULT_TENANT
        && settings.kpi.queues.contains_key(entity.id.as_ref())
}

pub(super) fn finder<'f>(
    finders: &'f mut HashMap<Arc<str>, Finder>,
    settings: &KpiSettings,
    tenant: &Arc<str>,
) -> &'f mut Finder {
    finders.entry_ref(tenant).or_insert_with(|| Finder::new(settings.zone(tenant).clone()))
}
