//! Snapshots: an account as entries of the state topic, and back.
//!
//! Only the parts that changed are written, all in one commit, so that the account stands for one
//! offset. A part's key is the entity's key and the part's name; the entity's own entry has no part.

use super::account::{Account, Accounts, MINUTE, Part, TENTH, Unkept};
use super::batch::{entity, facts_of, family, name, row, wire};
use crate::calendar::Length;
use crate::entity::Entity;
use crate::fact::{Facts, Family, Key, Measure};
use crate::kpi::settings::KpiSettings;
use crate::tally::tally::Shape;
use crate::tally::weeks::HOURS;
use crate::time::EventTime;
use hashbrown::HashMap;
use prost::Message;
use std::ops::Range;

/// One entry of the state topic; no value deletes it.
pub type Entry = (Vec<u8>, Option<Vec<u8>>);

/// The changed parts of an account; it then stands for every batch before `offset`.
pub fn write(account: &mut Account, settings: &KpiSettings, shape: &Shape, offset: i64) -> Vec<Entry> {
    account.offset = offset;
    let mut entries = vec![(key(&account.entity, None, shape), Some(core(account, settings).encode_to_vec()))];
    let unkept = std::mem::take(&mut account.unkept);
    let mut stored = unkept.stored;
    let minutes = unkept.minutes.into_iter().map(Part::Minute);
    let pieces = unkept.pieces.into_iter().map(|(place, start)| Part::Piece(place, start));
    let (hours, weeks) = (unkept.hours.into_iter().map(Part::Hour), unkept.weeks.into_iter().map(Part::Week));
    let waiting = unkept.waiting.into_iter().map(Part::Waiting);
    let ahead = unkept.ahead.into_iter().map(Part::Ahead);
    let changed: Vec<Part> = minutes.chain(pieces).chain(hours).chain(weeks).chain(waiting).chain(ahead).collect();
    let gone = stored.iter().filter(|part| !holds(account, **part)).copied().collect::<Vec<_>>();
    for part in changed.into_iter().filter(|part| holds(account, *part)) {
        entries.push((key(&account.entity, Some(part), shape), Some(part_state(account, part).encode_to_vec())));
        stored.insert(part);
    }
    for part in gone {
        entries.push((key(&account.entity, Some(part), shape), None));
        stored.remove(&part);
    }
    account.unkept = Unkept { stored, ..Unkept::default() };
    entries
}

/// Puts entries back, the newest of each key. The windows are to be slid afterwards.
pub fn load(accounts: &mut Accounts, settings: &KpiSettings, shape: &Shape, entries: &HashMap<Vec<u8>, Vec<u8>>) {
    for (key, value) in entries {
        let Some((entity, part)) = parse_key(key, shape) else { continue };
        let seat = accounts.seat(&entity);
        let account = accounts.at_mut(seat);
        match part {
            None => {
                if let Ok(state) = wire::AccountState::decode(value.as_slice()) {
                    load_core(account, settings, &state);
                }
            }
            Some(part) => {
                if let Ok(state) = wire::PartState::decode(value.as_slice()) {
                    account.unkept.stored.insert(part);
                    load_part(account, shape, part, &state);
                }
            }
        }
    }
    // A part is written when something is added to it, and holds what was forgotten since.
    for account in accounts.iter_mut() {
        account.tally.drop_forgotten(account.forgotten);
    }
}

fn core(account: &Account, settings: &KpiSettings) -> wire::AccountState {
    let total = account.tally.total.to_facts();
    let (keys, amounts) = total.as_slice().iter().map(|(key, amount)| (key.code(), *amount)).unzip();
    let (level_base, level_max, peaks) = account.tally.concurrent.forgotten();
    let (peak_start, peak_end) = peaks.keys().copied().unzip();
    let corrected = account.corrected.iter().map(|(place, start)| (settings.intervals[*place].0.clone(), start.0));
    let (corrected_length, corrected_start) = corrected.unzip();
    wire::AccountState {
        offset: account.offset,
        keys,
        amounts,
        level_base,
        level_max,
        peak_start,
        peak_end,
        peak: peaks.values().copied().collect(),
        counters: account.counters.map(Vec::from).unwrap_or_default(),
        corrected_length,
        corrected_start,
        last_fact: account.last_fact,
        last_counted: account.last_counted,
        ended: account.ended,
        forgotten: account.forgotten.map(|at| at.0),
        reached: account.tally.reached().map(|at| at.0),
    }
}

fn load_core(account: &mut Account, settings: &KpiSettings, state: &wire::AccountState) {
    account.offset = state.offset;
    for (code, amount) in state.keys.iter().zip(&state.amounts) {
        if let Some(key) = Key::from_code(*code) {
            account.tally.total.add(key, *amount);
        }
    }
    let stretches = state.peak_start.iter().copied().zip(state.peak_end.iter().copied());
    let peaks = stretches.zip(state.peak.iter().copied()).collect();
    let forgotten = state.forgotten.map(|at| EventTime(at).second().0);
    account.tally.concurrent.restore_forgotten(forgotten, state.level_base, state.level_max, peaks);
    account.tally.restore_reached(state.reached.map(EventTime));
    let intervals = &settings.intervals;
    for (length, start) in state.corrected_length.iter().zip(&state.corrected_start) {
        if let Some(place) = intervals.iter().position(|(name, _)| name == length) {
            account.corrected.insert((place, EventTime(*start)));
        }
    }
    account.last_fact = state.last_fact;
    account.last_counted = state.last_counted;
    account.ended = state.ended;
    account.forgotten = state.forgotten.map(EventTime);
    account.counters = state.counters.as_slice().try_into().ok();
}

fn load_waiting(account: &mut Account, since: &[i64], count: &[i64]) {
    for (since, count) in since.iter().zip(count) {
        account.tally.add_waiting(EventTime(*since), *count);
    }
}

fn load_ahead(account: &mut Account, at: &[i64], keys: &[u32], amounts: &[i64]) {
    for ((at, key), amount) in at.iter().zip(keys).zip(amounts) {
        if let Some(key) = Key::from_code(*key) {
            account.tally.add_ahead(EventTime(*at), key, *amount);
        }
    }
}

/// Whether the account still has a part.
fn holds(account: &Account, part: Part) -> bool {
    match part {
        Part::Minute(minute) => account.tally.panes.iter_range(minute * 60..(minute + 1) * 60).next().is_some(),
        Part::Piece(place, start) => account.tally.intervals.piece(place, start).is_some(),
        Part::Hour(hour) => account.tally.concurrent.changes().range(hour * 3_600..(hour + 1) * 3_600).next().is_some(),
        Part::Week(start) => account.tally.weeks.holds(start),
        Part::Waiting(minute) => account.tally.who_waits_since(millis(minute, MINUTE)).next().is_some(),
        Part::Ahead(tenth) => account.tally.ahead_within(millis(tenth, TENTH)).next().is_some(),
    }
}

/// The instants of one of many stretches of a length in milliseconds, counted from 1970.
fn millis(place: i64, length: i64) -> Range<EventTime> {
    EventTime(place * length)..EventTime((place + 1) * length)
}

fn part_state(account: &Account, part: Part) -> wire::PartState {
    let rows = match part {
        Part::Minute(minute) => {
            let panes = account.tally.panes.iter_range(minute * 60..(minute + 1) * 60);
            panes.map(|(second, facts)| row(0, Family::Event, second, facts)).collect()
        }
        Part::Piece(place, start) => {
            let piece = account.tally.intervals.piece(place, start).cloned().unwrap_or_default();
            let families = [(Family::Event, piece.event), (Family::Entry, piece.entry)];
            families.iter().map(|(family, sums)| row(0, *family, start.0, &sums.to_facts())).collect()
        }
        Part::Hour(hour) => {
            let key = Key::measure(Measure::Concurrent);
            let changes = account.tally.concurrent.changes().range(hour * 3_600..(hour + 1) * 3_600);
            changes
                .map(|(second, amount)| row(0, Family::Event, *second, &Facts::from_iter([(key, *amount)])))
                .collect()
        }
        Part::Week(start) => {
            let key = Key::measure(Measure::Offered);
            let hours = account.tally.weeks.hours(start);
            hours
                .map(|(hour, offered)| row(0, Family::Event, hour as i64, &Facts::from_iter([(key, offered)])))
                .collect()
        }
        Part::Waiting(minute) => {
            // A minute has so many milliseconds that this may be half a megabyte, and no more.
            let waiting = account.tally.who_waits_since(millis(minute, MINUTE));
            let (waiting_since, waiting_count) = waiting.map(|(since, count)| (since.0, count)).unzip();
            return wire::PartState { waiting_since, waiting_count, ..wire::PartState::default() };
        }
        Part::Ahead(tenth) => {
            let mut state = wire::PartState::default();
            for (at, key, amount) in account.tally.ahead_within(millis(tenth, TENTH)) {
                state.ahead_at.push(at.0);
                state.ahead_key.push(key.code());
                state.ahead_amount.push(amount);
            }
            return state;
        }
    };
    wire::PartState { rows, ..wire::PartState::default() }
}

fn load_part(account: &mut Account, shape: &Shape, part: Part, state: &wire::PartState) {
    load_waiting(account, &state.waiting_since, &state.waiting_count);
    load_ahead(account, &state.ahead_at, &state.ahead_key, &state.ahead_amount);
    for row in &state.rows {
        let facts: Vec<(Key, i64)> = facts_of(row).collect();
        match part {
            Part::Minute(_) => {
                account.tally.panes.add(&shape.windows, row.at, &facts);
            }
            Part::Piece(place, start) => {
                let family = family(row.family).unwrap_or(Family::Event);
                account.tally.intervals.restore(&shape.intervals, place, start, family, &facts);
            }
            Part::Hour(_) => {
                for (_, amount) in facts {
                    account.tally.concurrent.add(row.at, amount);
                }
            }
            Part::Week(start) => {
                for (_, offered) in facts {
                    account.tally.weeks.add_hour(start, row.at.rem_euclid(HOURS as i64) as usize, offered);
                }
            }
            // They have no rows.
            Part::Waiting(_) | Part::Ahead(_) => {}
        }
    }
}

/// `length of the entity's message, the message, the part's name`.
fn key(of: &Entity, part: Option<Part>, shape: &Shape) -> Vec<u8> {
    let mut key = name(of).encode_length_delimited_to_vec();
    let part = match part {
        None => String::new(),
        Some(Part::Minute(minute)) => format!("minute {minute}"),
        Some(Part::Hour(hour)) => format!("hour {hour}"),
        Some(Part::Week(start)) => format!("week {}", start.0),
        Some(Part::Waiting(minute)) => format!("waiting {minute}"),
        Some(Part::Ahead(tenth)) => format!("ahead {tenth}"),
        Some(Part::Piece(place, start)) => format!("piece {} {}", length_name(shape, place), start.0),
    };
    key.extend_from_slice(part.as_bytes());
    key
}

/// The entity and part of a key; none of a key of other settings or of no account.
fn parse_key(mut key: &[u8], shape: &Shape) -> Option<(Entity, Option<Part>)> {
    let of = entity(&wire::EntityName::decode_length_delimited(&mut key).ok()?)?;
    let part = std::str::from_utf8(key).ok()?;
    let mut words = part.split(' ');
    let part = match (words.next()?, words.next(), words.next()) {
        ("", None, None) => None,
        ("minute", Some(minute), None) => Some(Part::Minute(minute.parse().ok()?)),
        ("hour", Some(hour), None) => Some(Part::Hour(hour.parse().ok()?)),
        ("week", Some(start), None) => Some(Part::Week(EventTime(start.parse().ok()?))),
        ("waiting", Some(minute), None) => Some(Part::Waiting(minute.parse().ok()?)),
        ("ahead", Some(tenth), None) => Some(Part::Ahead(tenth.parse().ok()?)),
        ("piece", Some(length), Some(start)) => {
            let places = 0..=shape.intervals.long.len();
            let place = places.into_iter().find(|place| length_name(shape, *place) == length)?;
            Some(Part::Piece(place, EventTime(start.parse().ok()?)))
        }
        _ => return None,
    };
    Some((of, part))
}

/// The name of what keeps an interval's facts.
pub fn kept_by(shape: &Shape, length: Length) -> String {
    length_name(shape, shape.intervals.long.iter().position(|long| *long == length).map_or(0, |place| place + 1))
}

/// Every kept length by its name.
pub fn kept_lengths(shape: &Shape) -> Vec<String> {
    let first = usize::from(shape.intervals.base.is_none());
    (first..=shape.intervals.long.len()).map(|place| length_name(shape, place)).collect()
}

/// A kept length as state keys name it, so that an entry of other settings is known as such.
fn length_name(shape: &Shape, place: usize) -> String {
    let length = match place.checked_sub(1) {
        None => shape.intervals.base,
        Some(long) => shape.intervals.long.get(long).copied(),
    };
    match length {
        Some(Length::Piece(millis)) => millis.to_string(),
        Some(Length::Week) => "week".into(),
        Some(Length::Month) => "month".into(),
        None => "none".into(),
    }
}
