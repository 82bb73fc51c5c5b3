//! Projection: a tally and the settings, to the record of one window as of one instant.

use super::catalogue::{COUNTS, Counted, Definition, KPIS, SUMS, What};
use super::record::{
    ByEntry, Count, Counters, EntityPart, Fields, Kpi, KpiRecord, Now, SCHEMA, Target, WeekProfile, WindowPart,
};
use super::service_level;
use super::settings::{Formula, KpiSettings, QueueSettings, ServiceLevelSettings};
use super::view::{View, Waiting, WindowKind};
use crate::calendar::{Interval, Length};
use crate::entity::{Entity, Kind};
use crate::fact::{Distribution, Measure, OTHER_REASONS, Reasons, Standing};
use crate::histogram::Cell;
use crate::tally::intervals::Kept;
use crate::tally::span::TimeSpent;
use crate::tally::sums::Sums;
use crate::tally::tally::Tally;
use crate::tally::weeks::Profile;
use crate::time::{EventTime, Span};
use std::borrow::Cow;

/// Which window of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    Now,
    /// By its place in the settings.
    Sliding(usize),
    Total,
    /// By its length's place in the settings.
    Interval(usize, Interval),
}

/// What is projected, and with what.
#[derive(Clone, Copy)]
pub struct Projection<'a> {
    pub settings: &'a KpiSettings,
    pub kept: &'a Kept,
    pub entity: &'a Entity,
    pub tally: &'a Tally,
    /// The texts of reasons.
    pub reasons: &'a Reasons,
    pub as_of: EventTime,
}

/// What a record carries beside the facts.
#[derive(Clone, Debug, Default)]
pub struct Edition {
    pub version: u64,
    /// The highest values so far; none lets the record carry the present ones.
    pub counters: Option<CounterValues>,
    pub corrected: bool,
    /// Input was lost within the window's reach.
    pub gap: bool,
    /// Since when the window holds facts, where that is after its start.
    pub covered_from: Option<EventTime>,
}

/// Upper edges of the counters' wait buckets, seconds: the usual thresholds.
pub const WAIT_BUCKETS_S: [i64; 13] = [5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200];

/// The most reasons of pauses in a record.
const REASONS_MAX: usize = 50;

pub const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The values of counters: those of calls, then of the wait buckets with their count and sum.
pub type CounterValues = [i64; COUNTERS];
pub const COUNTERS: usize = 4 + WAIT_BUCKETS_S.len() + 2;

/// Counters with their names.
fn named([offered, answered, answered_within_threshold, abandoned, waits @ ..]: CounterValues) -> Counters {
    let names = WAIT_BUCKETS_S.iter().map(|edge| Cow::Owned(edge.to_string()));
    let names = names.chain([Cow::Borrowed("count"), Cow::Borrowed("sum_ms")]);
    let wait_seconds = Fields(names.zip(waits).collect());
    Counters { offered, answered, answered_within_threshold, abandoned, wait_seconds }
}

impl Window {
    /// The name in keys and records.
    pub fn name(self, settings: &KpiSettings) -> &str {
        match self {
            Window::Now => "now",
            Window::Total => "total",
            Window::Sliding(place) => &settings.sliding[place].0,
            Window::Interval(place, _) => &settings.intervals[place].0,
        }
    }
}

/// The key of an entity's window on the board.
pub fn board_key(entity: &Entity, window: &str) -> String {
    format!("{entity}|{window}")
}

/// The key of an interval in the archive.
pub fn archive_key(entity: &Entity, window: &str, start: EventTime) -> String {
    format!("{entity}|{window}|{start}")
}

impl<'a> Projection<'a> {
    /// The record of a window. None of a sliding window before the first `as_of`.
    pub fn record(&self, window: Window, edition: Edition) -> Option<KpiRecord> {
        let waiting = WaitingAt { tally: self.tally, as_of: self.as_of };
        let service_level = self.service_level();
        let (name, end) = (window.name(self.settings).to_string(), self.as_of);
        let mut record = self.empty(name, end, edition.version);
        let view = |kind, sums| View::new(self.entity.kind, kind, self.as_of, service_level, &waiting, sums);
        match window {
            Window::Sliding(place) => {
                let sums = self.tally.panes.window(place)?;
                let end = self.tally.panes.end()?;
                let seconds = self.settings.sliding[place].1.0 / 1000;
                record.window.kind = Cow::Borrowed("sliding");
                record.window.start = Some(EventTime((end - seconds) * 1000).to_string());
                record.window.end = EventTime(end * 1000).to_string();
                let mut view = view(WindowKind::Sliding, sums);
                view.concurrent_max = self.concurrent_max(end - seconds..end);
                view.time = self.time(|tally| tally.time_in_window(place, seconds, self.as_of));
                view.length_ms = Some(self.as_of.0 - (end - seconds) * 1000);
                self.fill(&mut record, &view);
            }
            Window::Interval(place, interval) => {
                let length = self.settings.intervals[place].1;
                let piece = self.tally.intervals.sum(self.kept, length, interval);
                record.window.kind = Cow::Borrowed("interval");
                record.window.start = Some(interval.start.to_string());
                record.window.end = interval.end.to_string();
                let is_open = interval.start <= self.as_of && self.as_of < interval.end;
                record.is_final = self.is_final(interval);
                record.corrected = edition.corrected;
                let kind = if is_open { WindowKind::OpenInterval } else { WindowKind::ClosedInterval };
                let mut at_event = view(kind, &piece.event);
                at_event.concurrent_max = self.concurrent_max(interval.start.second().0..interval.end.second().0);
                at_event.time =
                    self.time(|tally| tally.time_in_interval(self.kept, length, interval, &piece.event, self.as_of));
                at_event.length_ms = Some((self.as_of.min(interval.end).0 - interval.start.0).max(0));
                self.fill(&mut record, &at_event);
                if self.entity.kind != Kind::Agent {
                    record.by_entry = Some(self.by_entry(&view(WindowKind::ByEntry, &piece.entry)));
                }
            }
            Window::Total => {
                let mut view = view(WindowKind::Total, &self.tally.total);
                view.concurrent_max = self.entity.kind.has_visits().then(|| self.tally.concurrent.max());
                view.time = self.time(|tally| tally.time_in_total(self.as_of));
                self.fill(&mut record, &view);
                record.profile = self.profile();
                if self.entity.kind.has_visits() {
                    record.waiting = Some(self.tally.waiting());
                    record.counters = Some(named(edition.counters.unwrap_or_else(|| self.counters())));
                }
            }
            Window::Now => {
                let mut view = view(WindowKind::Now, &self.tally.total);
                view.concurrent_now = self.tally.total.get(Measure::Concurrent);
                view.handle = Some(self.handle_time());
                record.kpis = self.kpis(&view);
                record.now = Some(self.now(&waiting));
            }
        }
        record.gap = edition.gap;
        record.covered_from = edition.covered_from.map(|from| from.to_string());
        Some(record)
    }

    /// Whether an interval is final as of now.
    pub fn is_final(&self, interval: Interval) -> bool {
        interval.end.plus(self.settings.interval_grace) <= self.as_of
    }

    /// The values monotone counters are made of, as they are now.
    pub fn counters(&self) -> CounterValues {
        let (total, settings) = (&self.tally.total, self.service_level());
        let mut cells = total.cells(Distribution::WaitAnswered).peekable();
        let mut seen = 0;
        let mut within = |threshold_s: i64, inclusive| {
            let last = Cell::last_within(threshold_s * 1000, inclusive);
            while let Some((_, count)) = cells.next_if(|(cell, _)| Some(*cell) <= last) {
                seen += count;
            }
            seen
        };
        let waits = WAIT_BUCKETS_S.map(|edge| within(edge, true));
        let last = Cell::last_within(settings.threshold_s * 1000, settings.met_at_threshold);
        let met = total.cells(Distribution::WaitAnswered).take_while(|(cell, _)| Some(*cell) <= last);
        let mut values = [0; COUNTERS];
        values[0] = total.get(Measure::Offered);
        values[1] = total.get(Measure::Answered);
        values[2] = met.map(|(_, count)| count).sum();
        values[3] = total.get(Measure::Abandoned);
        values[4..COUNTERS - 2].copy_from_slice(&waits);
        values[COUNTERS - 2] = total.get(Measure::Answered);
        values[COUNTERS - 1] = total.get(Measure::WaitAnswered);
        values
    }

    /// The service-level settings of the entity: a queue's own, else the common ones.
    fn service_level(&self) -> &'a ServiceLevelSettings {
        self.queue().map_or(&self.settings.service_level, |queue| &queue.service_level)
    }

    fn queue(&self) -> Option<&'a QueueSettings> {
        match self.entity.kind {
            Kind::Queue => self.settings.queues.get(self.entity.id.as_ref()),
            _ => None,
        }
    }

    /// Time of agents, which is of entities over all channels.
    fn time(&self, spent: impl FnOnce(&Tally) -> TimeSpent) -> Option<TimeSpent> {
        self.has_agents().then(|| spent(self.tally))
    }

    fn has_agents(&self) -> bool {
        self.entity.channel.is_none() && self.entity.kind != Kind::QueueAgent
    }

    /// Talk, hold and wrap-up of inbound connections, and how many there were: lately, else ever.
    fn handle_time(&self) -> (i64, i64) {
        let of = |sums: &Sums| {
            let inbound = |all, other| sums.get(all) - sums.get(other);
            let connected =
                inbound(Measure::Talk, Measure::TalkNotInbound) + inbound(Measure::Hold, Measure::HoldNotInbound);
            let wrapup = inbound(Measure::Wrapup, Measure::WrapupNotInbound);
            (connected + wrapup, inbound(Measure::Handled, Measure::HandledNotInbound))
        };
        let longest = (0..self.settings.sliding.len()).max_by_key(|place| self.settings.sliding[*place].1);
        let lately = longest.and_then(|place| self.tally.panes.window(place)).map(of);
        lately.filter(|(_, handled)| 0 < *handled).unwrap_or_else(|| of(&self.tally.total))
    }

    fn concurrent_max(&self, seconds: std::ops::Range<i64>) -> Option<i64> {
        self.entity.kind.has_visits().then(|| self.tally.concurrent.max_in(seconds))
    }

    fn empty(&self, name: String, end: EventTime, version: u64) -> KpiRecord {
        let title = self.settings.title(self.entity).map(str::to_owned);
        let parts = self.entity.queue_and_agent();
        KpiRecord {
            schema: Cow::Borrowed(SCHEMA),
            tenant: self.entity.tenant.to_string(),
            entity: EntityPart {
                kind: Cow::Borrowed(self.entity.kind.word()),
                id: self.entity.id.to_string(),
                title,
                channel: self.entity.channel.map(|channel| Cow::Borrowed(channel.word())),
                queue: parts.as_ref().map(|(queue, _)| queue.clone()),
                agent: parts.map(|(_, agent)| agent),
            },
            window: WindowPart {
                kind: Cow::Borrowed(if name == "now" { "now" } else { "total" }),
                name,
                start: None,
                end: end.to_string(),
            },
            as_of: self.as_of.to_string(),
            version,
            is_final: false,
            corrected: false,
            covered_from: None,
            gap: false,
            counts: Fields::default(),
            sums_ms: Fields::default(),
            paused_by_reason_ms: None,
            kpis: Fields::default(),
            targets: Fields::default(),
            by_entry: None,
            profile: None,
            waiting: None,
            counters: None,
            now: None,
        }
    }

    fn fill(&self, record: &mut KpiRecord, view: &View<'_>) {
        record.counts = counts(COUNTS, view);
        record.sums_ms = sums(view);
        record.paused_by_reason_ms = view.time.as_ref().map(|time| self.by_reason(time));
        record.kpis = self.kpis(view);
        record.targets = self.targets(&record.counts);
    }

    /// What is wanted of counts. They stand beside the counts, which are bare numbers.
    fn targets(&self, counts: &Fields<Count>) -> Fields<Target> {
        let Some(queue) = self.queue().filter(|queue| !queue.targets.is_empty()) else { return Fields::default() };
        let wanted = COUNTS.iter().filter_map(|counted| {
            let (id, better) = counted.wanted?;
            let target = *queue.targets.get(id)?;
            let Count::Number(count) = counts.get(counted.name)? else { return None };
            Some((Cow::Borrowed(id), Target { target, met: better.is_met(*count as f64, target) }))
        });
        Fields(wanted.collect())
    }

    /// Paused time by reason, the longest first; beyond so many reasons the rest together.
    fn by_reason(&self, time: &TimeSpent) -> Fields<i64> {
        let mut reasons: Vec<(&str, i64)> = time
            .by_reason
            .iter()
            .map(|(reason, time)| (self.reasons.text(*reason).unwrap_or(OTHER_REASONS), *time))
            .collect();
        reasons.sort_unstable_by(|(a, long), (b, longer)| longer.cmp(long).then(a.cmp(b)));
        let rest: i64 = reasons.iter().skip(REASONS_MAX).map(|(_, time)| time).sum();
        reasons.truncate(REASONS_MAX);
        let mut fields = Fields::with_capacity(reasons.len());
        reasons.iter().for_each(|(reason, time)| fields.push(reason.to_string(), *time));
        if rest != 0 {
            match fields.0.iter_mut().find(|(reason, _)| reason == OTHER_REASONS) {
                Some((_, time)) => *time += rest,
                None => fields.push(OTHER_REASONS, rest),
            }
        }
        fields
    }

    fn profile(&self) -> Option<WeekProfile> {
        let zone = self.settings.zone(&self.entity.tenant);
        let Profile { start, end, seen, offered } = self.tally.weeks.profile(zone, self.as_of)?;
        let days = offered.as_chunks::<24>().0.iter();
        Some(WeekProfile {
            start: start.to_string(),
            end: end.to_string(),
            weeks_seen: seen as i64,
            offered: Fields(WEEKDAYS.into_iter().map(Cow::Borrowed).zip(days.copied()).collect()),
        })
    }

    fn by_entry(&self, view: &View<'_>) -> ByEntry {
        ByEntry {
            counts: counts(COUNTS, view),
            sums_ms: sums(view),
            kpis: self.kpis(view),
            waiting: view.get(Measure::Offered) - view.left(),
            unsettled: view.get(Measure::Unsettled),
        }
    }

    fn kpis(&self, view: &View<'_>) -> Fields<Kpi> {
        let mut kpis = Fields::with_capacity(KPIS.len() + view.service_level.also.len());
        for definition in KPIS {
            let stands = definition.kinds.contains(&view.kind) && definition.stands_in(view.window);
            if !stands || definition.windows.are_of_agents() && !self.has_agents() {
                continue;
            }
            if definition.id == "service_level" {
                self.service_levels(view, definition, &mut kpis);
            } else {
                kpis.push(definition.id, self.with_target(definition, (definition.value)(view)));
            }
        }
        kpis
    }

    /// The service level of the settings and those of `also`, each where its formula has a meaning.
    fn service_levels(&self, view: &View<'_>, definition: &Definition, kpis: &mut Fields<Kpi>) {
        let settings = view.service_level;
        let has_meaning = |formula| view.window != WindowKind::Now || formula == Formula::WaitingNow;
        if has_meaning(settings.formula) {
            kpis.push(definition.id, (definition.value)(view));
        }
        for also in settings.also.iter().filter(|also| has_meaning(also.formula)) {
            let kpi = service_level::by(view, also.formula, also.threshold_s.unwrap_or(settings.threshold_s));
            kpis.push(format!("{}.{}", definition.id, also.name), kpi);
        }
    }

    fn with_target(&self, definition: &Definition, kpi: Kpi) -> Kpi {
        let Some(target) = self.queue().and_then(|queue| queue.targets.get(definition.id)).copied() else { return kpi };
        let met = kpi.value.map(|value| definition.better.is_met(value, target));
        Kpi { target: Some(target), met, ..kpi }
    }

    fn now(&self, waiting: &WaitingAt<'_>) -> Now {
        let total = &self.tally.total;
        let settings = self.service_level();
        let has_agents = self.has_agents();
        let lately = self.tally.lately();
        let at = |second: Option<i64>| second.map(|second| EventTime(second * 1000).to_string());
        Now {
            waiting: waiting.count(),
            longest_wait_since: waiting.longest_since().map(|since| since.to_string()),
            ringing: total.get(Measure::Ringing),
            talking: total.get(Measure::Talking),
            on_hold: total.get(Measure::OnHold),
            in_wrapup: total.get(Measure::InWrapup),
            over_threshold_waiting: waiting.over(settings.threshold_s, settings.met_at_threshold),
            last_entered_at: at(lately.entered),
            last_left_at: at(lately.left),
            last_answered_or_abandoned_at: at(lately.answered_or_abandoned),
            last_ended_at: at(lately.ended),
            last_handled_at: at(lately.handled),
            agents: has_agents.then(|| {
                let agents = |standing: Standing| (Cow::Borrowed(standing.word()), self.tally.agents(standing));
                Fields(Standing::ALL.map(agents).to_vec())
            }),
            agents_logged_in: has_agents
                .then(|| Standing::ALL.iter().map(|standing| self.tally.agents(*standing)).sum()),
        }
    }

    /// The window of a name, of an interval's length the one that is open; none if the settings have none such.
    pub fn window(&self, name: &str) -> Option<Window> {
        let KpiSettings { sliding, intervals, .. } = self.settings;
        let of_length = || intervals.iter().position(|(known, _)| known == name);
        match name {
            "now" => Some(Window::Now),
            "total" => Some(Window::Total),
            _ => match sliding.iter().position(|(known, _)| known == name) {
                Some(place) => Some(Window::Sliding(place)),
                None => of_length().map(|place| Window::Interval(place, self.open_interval(place))),
            },
        }
    }

    /// The interval of a configured length that holds `as_of`.
    pub fn open_interval(&self, place: usize) -> Interval {
        let length: Length = self.settings.intervals[place].1;
        self.settings.zone(&self.entity.tenant).interval(length, self.as_of)
    }
}

/// Who waits, as of an instant.
struct WaitingAt<'a> {
    tally: &'a Tally,
    as_of: EventTime,
}

impl Waiting for WaitingAt<'_> {
    fn count(&self) -> i64 {
        self.tally.waiting()
    }

    fn over(&self, threshold_s: i64, met_at_threshold: bool) -> i64 {
        self.tally.waiting_since_before(self.as_of.minus(Span::from_secs(threshold_s)), !met_at_threshold)
    }

    fn longest_since(&self) -> Option<EventTime> {
        self.tally.longest_wait_since()
    }
}

fn counts(counted: &[Counted], view: &View<'_>) -> Fields<Count> {
    let mut fields = Fields::with_capacity(counted.len());
    for Counted { name, kinds, what, .. } in counted {
        if !kinds.contains(&view.kind) {
            continue;
        }
        let count = match what {
            What::Measure(measure) => Count::Number(view.get(*measure)),
            What::ShortAbandoned => Count::Number(view.short_abandoned()),
            What::By(measures) => {
                let occurred = measures.iter().map(|(name, measure)| (Cow::Borrowed(*name), view.get(*measure)));
                Count::By(Fields(occurred.filter(|(_, count)| *count != 0).collect()))
            }
            What::Login | What::Time(_) => continue,
        };
        fields.push(*name, count);
    }
    fields
}

fn sums(view: &View<'_>) -> Fields<i64> {
    let mut fields = Fields::with_capacity(SUMS.len());
    for Counted { name, kinds, what, .. } in SUMS {
        if !kinds.contains(&view.kind) {
            continue;
        }
        match (what, &view.time) {
            (What::Measure(measure), _) => fields.push(*name, view.get(*measure)),
            (What::Login, Some(time)) => fields.push(*name, time.login()),
            (What::Time(standing), Some(time)) => fields.push(*name, time.of(*standing)),
            _ => {}
        }
    }
    fields
}
