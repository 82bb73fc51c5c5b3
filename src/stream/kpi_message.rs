//! The KPI record as a protobuf message (`proto/callpulse/v1/kpi.proto`), and back.
//!
//! A map's entries keep their order, so that what is read back is the record that was written, and its JSON the
//! same bytes.

use super::batch::wire::{KpiRecord as Message, kpi_record as part};
use crate::kpi::catalogue::COUNTS;
use crate::kpi::record::{
    ByEntry, Count, Counters, EntityPart, Fields, Kpi, KpiRecord, Name, Now, Target, WeekProfile, WindowPart,
};
use crate::time::EventTime;

/// The record as a message.
pub fn message(record: &KpiRecord) -> Message {
    let EntityPart { kind, id, title, channel, queue, agent } = record.entity.clone();
    let (kind, channel) = (kind.into_owned(), channel.map(Name::into_owned));
    let WindowPart { name, kind: window_kind, start, end } = &record.window;
    Message {
        schema: record.schema.to_string(),
        tenant: record.tenant.clone(),
        entity: Some(part::Entity { kind, id, title, channel, queue, agent }),
        window: Some(part::Window {
            name: name.clone(),
            kind: window_kind.to_string(),
            start_ms: start.as_deref().map(millis),
            end_ms: millis(end),
        }),
        as_of_ms: millis(&record.as_of),
        version: record.version,
        r#final: record.is_final,
        corrected: record.corrected,
        covered_from_ms: record.covered_from.as_deref().map(millis),
        gap: record.gap,
        counts: single(&record.counts).map(|(key, value)| part::CountsEntry { key, value }).collect(),
        counts_by: by(&record.counts).map(|(key, value)| part::CountsByEntry { key, value }).collect(),
        sums_ms: owned(&record.sums_ms).map(|(key, value)| part::SumsMsEntry { key, value }).collect(),
        paused_by_reason_ms: record.paused_by_reason_ms.as_ref().map(numbers),
        kpis: kpis(&record.kpis).map(|(key, value)| part::KpisEntry { key, value }).collect(),
        targets: owned(&record.targets)
            .map(|(key, Target { target, met })| part::TargetsEntry { key, value: Some(part::Target { target, met }) })
            .collect(),
        by_entry: record.by_entry.as_ref().map(by_entry),
        profile: record.profile.as_ref().map(profile),
        waiting: record.waiting,
        counters: record.counters.as_ref().map(counters),
        now: record.now.as_ref().map(now),
    }
}

/// The record that a message was made of.
pub fn record(message: Message) -> KpiRecord {
    let part::Entity { kind, id, title, channel, queue, agent } = message.entity.unwrap_or_default();
    let window = message.window.unwrap_or_default();
    KpiRecord {
        schema: Name::Owned(message.schema),
        tenant: message.tenant,
        entity: EntityPart { kind: Name::Owned(kind), id, title, channel: channel.map(Name::Owned), queue, agent },
        window: WindowPart {
            name: window.name,
            kind: Name::Owned(window.kind),
            start: window.start_ms.map(time),
            end: time(window.end_ms),
        },
        as_of: time(message.as_of_ms),
        version: message.version,
        is_final: message.r#final,
        corrected: message.corrected,
        covered_from: message.covered_from_ms.map(time),
        gap: message.gap,
        counts: counts(
            message.counts.into_iter().map(|entry| (entry.key, entry.value)),
            message.counts_by.into_iter().map(|entry| (entry.key, entry.value)),
        ),
        sums_ms: fields(message.sums_ms.into_iter().map(|entry| (entry.key, entry.value))),
        paused_by_reason_ms: message.paused_by_reason_ms.map(from_numbers),
        kpis: fields(message.kpis.into_iter().map(|entry| (entry.key, from_kpi(entry.value)))),
        targets: fields(message.targets.into_iter().map(|entry| {
            let part::Target { target, met } = entry.value.unwrap_or_default();
            (entry.key, Target { target, met })
        })),
        by_entry: message.by_entry.map(from_by_entry),
        profile: message.profile.map(from_profile),
        waiting: message.waiting,
        counters: message.counters.map(from_counters),
        now: message.now.map(from_now),
    }
}

/// Epoch milliseconds of an instant that this program wrote.
pub(super) fn millis(text: &str) -> i64 {
    EventTime::parse(text).expect("a record's times are written by EventTime").0
}

pub(super) fn time(millis: i64) -> String {
    EventTime(millis).to_string()
}

fn owned<T: Clone>(fields: &Fields<T>) -> impl Iterator<Item = (String, T)> {
    fields.iter().map(|(name, value)| (name.to_owned(), value.clone()))
}

fn fields<T>(entries: impl Iterator<Item = (String, T)>) -> Fields<T> {
    Fields(entries.map(|(name, value)| (Name::Owned(name), value)).collect())
}

fn numbers(numbers: &Fields<i64>) -> part::Numbers {
    let by_name = owned(numbers).map(|(key, value)| part::numbers::ByNameEntry { key, value }).collect();
    part::Numbers { by_name }
}

fn from_numbers(numbers: part::Numbers) -> Fields<i64> {
    fields(numbers.by_name.into_iter().map(|entry| (entry.key, entry.value)))
}

fn single(counts: &Fields<Count>) -> impl Iterator<Item = (String, i64)> {
    counts.iter().filter_map(|(name, count)| match count {
        Count::Number(number) => Some((name.to_owned(), *number)),
        Count::By(_) => None,
    })
}

fn by(counts: &Fields<Count>) -> impl Iterator<Item = (String, Option<part::Numbers>)> {
    counts.iter().filter_map(|(name, count)| match count {
        Count::Number(_) => None,
        Count::By(by) => Some((name.to_owned(), Some(numbers(by)))),
    })
}

/// Both sorts of counts in the order of the catalogue; what it does not know comes last.
fn counts(
    single: impl Iterator<Item = (String, i64)>,
    by: impl Iterator<Item = (String, Option<part::Numbers>)>,
) -> Fields<Count> {
    let single = single.map(|(name, number)| (name, Count::Number(number)));
    let mut counts = fields(single.chain(by.map(|(name, by)| (name, Count::By(from_numbers(by.unwrap_or_default()))))));
    counts.0.sort_by_key(|(name, _)| COUNTS.iter().position(|count| count.name == name).unwrap_or(COUNTS.len()));
    counts
}

fn kpis(kpis: &Fields<Kpi>) -> impl Iterator<Item = (String, Option<part::Kpi>)> {
    owned(kpis).map(|(id, kpi)| {
        let Kpi { value, unit, numerator, numerator_ms, denominator, formula, threshold_s, target, met } = kpi;
        let (unit, formula) = (unit.map(Name::into_owned), formula.map(Name::into_owned));
        (id, Some(part::Kpi { value, unit, numerator, numerator_ms, denominator, formula, threshold_s, target, met }))
    })
}

fn from_kpi(kpi: Option<part::Kpi>) -> Kpi {
    let kpi = kpi.unwrap_or_default();
    let part::Kpi { value, unit, numerator, numerator_ms, denominator, formula, threshold_s, target, met } = kpi;
    let (unit, formula) = (unit.map(Name::Owned), formula.map(Name::Owned));
    Kpi { value, unit, numerator, numerator_ms, denominator, formula, threshold_s, target, met }
}

fn by_entry(of: &ByEntry) -> part::ByEntry {
    use part::by_entry::{CountsByEntry, CountsEntry, KpisEntry, SumsMsEntry};
    part::ByEntry {
        counts: single(&of.counts).map(|(key, value)| CountsEntry { key, value }).collect(),
        counts_by: by(&of.counts).map(|(key, value)| CountsByEntry { key, value }).collect(),
        sums_ms: owned(&of.sums_ms).map(|(key, value)| SumsMsEntry { key, value }).collect(),
        kpis: kpis(&of.kpis).map(|(key, value)| KpisEntry { key, value }).collect(),
        waiting: of.waiting,
        unsettled: of.unsettled,
    }
}

fn from_by_entry(of: part::ByEntry) -> ByEntry {
    ByEntry {
        counts: counts(
            of.counts.into_iter().map(|entry| (entry.key, entry.value)),
            of.counts_by.into_iter().map(|entry| (entry.key, entry.value)),
        ),
        sums_ms: fields(of.sums_ms.into_iter().map(|entry| (entry.key, entry.value))),
        kpis: fields(of.kpis.into_iter().map(|entry| (entry.key, from_kpi(entry.value)))),
        waiting: of.waiting,
        unsettled: of.unsettled,
    }
}

fn profile(of: &WeekProfile) -> part::Profile {
    let days = owned(&of.offered).map(|(key, hours)| {
        let value = Some(part::Hours { offered: hours.to_vec() });
        part::profile::OfferedEntry { key, value }
    });
    let (start_ms, end_ms) = (millis(&of.start), millis(&of.end));
    part::Profile { start_ms, end_ms, weeks_seen: of.weeks_seen, offered: days.collect() }
}

fn from_profile(of: part::Profile) -> WeekProfile {
    let days = of.offered.into_iter().map(|entry| {
        let mut hours = [0; 24];
        let told = entry.value.unwrap_or_default().offered;
        hours.iter_mut().zip(told).for_each(|(hour, offered)| *hour = offered);
        (entry.key, hours)
    });
    let offered = fields(days);
    WeekProfile { start: time(of.start_ms), end: time(of.end_ms), weeks_seen: of.weeks_seen, offered }
}

fn counters(of: &Counters) -> part::Counters {
    let Counters { offered, answered, answered_within_threshold, abandoned, ref wait_seconds } = *of;
    let waits = owned(wait_seconds).map(|(key, value)| part::counters::WaitSecondsEntry { key, value });
    part::Counters { offered, answered, answered_within_threshold, abandoned, wait_seconds: waits.collect() }
}

fn from_counters(of: part::Counters) -> Counters {
    let part::Counters { offered, answered, answered_within_threshold, abandoned, wait_seconds } = of;
    let wait_seconds = fields(wait_seconds.into_iter().map(|entry| (entry.key, entry.value)));
    Counters { offered, answered, answered_within_threshold, abandoned, wait_seconds }
}

fn now(of: &Now) -> part::Now {
    part::Now {
        waiting: of.waiting,
        longest_wait_since_ms: of.longest_wait_since.as_deref().map(millis),
        ringing: of.ringing,
        talking: of.talking,
        on_hold: of.on_hold,
        in_wrapup: of.in_wrapup,
        over_threshold_waiting: of.over_threshold_waiting,
        last_entered_at_ms: of.last_entered_at.as_deref().map(millis),
        last_left_at_ms: of.last_left_at.as_deref().map(millis),
        last_answered_or_abandoned_at_ms: of.last_answered_or_abandoned_at.as_deref().map(millis),
        last_ended_at_ms: of.last_ended_at.as_deref().map(millis),
        last_handled_at_ms: of.last_handled_at.as_deref().map(millis),
        agents: of.agents.as_ref().map(numbers),
        agents_logged_in: of.agents_logged_in,
    }
}

fn from_now(of: part::Now) -> Now {
    Now {
        waiting: of.waiting,
        longest_wait_since: of.longest_wait_since_ms.map(time),
        ringing: of.ringing,
        talking: of.talking,
        on_hold: of.on_hold,
        in_wrapup: of.in_wrapup,
        over_threshold_waiting: of.over_threshold_waiting,
        last_entered_at: of.last_entered_at_ms.map(time),
        last_left_at: of.last_left_at_ms.map(time),
        last_answered_or_abandoned_at: of.last_answered_or_abandoned_at_ms.map(time),
        last_ended_at: of.last_ended_at_ms.map(time),
        last_handled_at: of.last_handled_at_ms.map(time),
        agents: of.agents.map(from_numbers),
        agents_logged_in: of.agents_logged_in,
    }
}
