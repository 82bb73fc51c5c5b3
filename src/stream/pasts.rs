//! Pasts: what KPIs were in the intervals that are over, for the rules that compare with the weeks before.
//!
//! Taken from the records that go into the archive, as often as they go there, so that a correction replaces what was
//! there. Kept in the transaction that publishes them, an entry for each week.

use super::account::{Account, Accounts, Seat};
use super::batch::{entity as entity_of, name, wire};
use super::snapshot::Entry;
use crate::alert::condition::{Level, Measure};
use crate::alert::rule::Rule;
use crate::alert::unusual::{KEPT_FOR, Past, Point};
use crate::calendar::Interval;
use crate::entity::Entity;
use crate::kpi::record::KpiRecord;
use crate::time::EventTime;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

/// Begins the keys of pasts in the state topic: no name of a rule, which follows in those of alarms, begins like that.
pub const PREFIX: &[u8] = b"\x01|";

const WEEK_MS: i64 = 7 * 86_400_000;

/// What rules compare with.
#[derive(Default)]
pub struct Pasts {
    pasts: BTreeMap<Seat, Vec<(Series, Past)>>,
    /// Weeks that are not in the state topic as they are.
    unkept: BTreeSet<(Seat, Series, i64)>,
    /// Whose account is not known yet.
    loading: Vec<(Entity, Series, Past)>,
    /// Entries of what no rule compares with any more.
    gone: Vec<Entry>,
}

/// A KPI and the name of its intervals' length.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    kpi: String,
    window: String,
}

impl Pasts {
    /// Puts an entry of the state topic back; [`Pasts::settle`] follows.
    pub fn load(&mut self, value: &[u8]) {
        let Ok(state) = wire::PastState::decode(value) else { return };
        let Some(entity) = state.entity.as_ref().and_then(entity_of) else { return };
        let mut past = Past::default();
        for ((start, value), volume) in state.start.iter().zip(&state.value).zip(&state.volume) {
            let volume = Some(*volume).filter(|volume| 0 <= *volume);
            past.put(EventTime(*start), Some(Point { value: *value, volume }));
        }
        self.loading.push((entity, Series { kpi: state.kpi, window: state.window }, past));
    }

    /// Finds the accounts of what was loaded; what no rule compares with leaves the state topic.
    pub fn settle(&mut self, rules: &[Rule], accounts: &Accounts) {
        for (entity, series, loaded) in std::mem::take(&mut self.loading) {
            let mut levels = rules.iter().filter(|rule| rule.of.selects(&entity)).flat_map(|rule| rule.when.levels());
            let is_wanted = levels.any(|level| compares(level) && series.is_of(level));
            match (accounts.find(&entity), is_wanted) {
                (Some(seat), true) => {
                    let past = self.past(seat, &series);
                    for (start, point) in loaded.between(Interval::ALWAYS) {
                        past.put(start, Some(point));
                    }
                }
                // The state topic may not have had the account yet: what was read since then tells of it.
                (None, true) => self.loading.push((entity, series, loaded)),
                (_, false) => {
                    let weeks: BTreeSet<i64> =
                        loaded.between(Interval::ALWAYS).map(|(start, _)| week_of(start)).collect();
                    self.gone.extend(weeks.into_iter().map(|week| (key(&entity, &series, week), None)));
                }
            }
        }
    }

    /// Takes an interval that goes into the archive, for a rule. Whether it compares with it.
    pub fn take(&mut self, account: &Account, rule: &Rule, start: EventTime, record: &KpiRecord) -> bool {
        let levels = rule.when.levels().into_iter();
        let mut is_compared = false;
        for level in levels.filter(|level| compares(level) && level.window == record.window.name) {
            let series = Series { kpi: level.kpi.clone(), window: level.window.clone() };
            let past = self.past(account.seat, &series);
            is_compared = true;
            // Another rule may have taken it before.
            if past.put(start, Point::of(record, &level.kpi)) {
                let first = past.reach().map_or(start, |(first, _)| first);
                past.forget_before(start.minus(KEPT_FOR));
                let kept_from = past.reach().map_or(start, |(first, _)| first);
                let forgotten = week_of(first)..=week_of(kept_from);
                for week in forgotten.filter(|_| first < kept_from).chain([week_of(start)]) {
                    self.unkept.insert((account.seat, series.clone(), week));
                }
            }
        }
        is_compared
    }

    /// What a level compares with; none of what compares with nothing.
    pub fn of(&self, seat: Seat, level: &Level) -> Option<&Past> {
        self.pasts.get(&seat)?.iter().find(|(series, _)| series.is_of(level)).map(|(_, past)| past)
    }

    /// The entries of the state topic that changed.
    pub fn write(&mut self, accounts: &Accounts) -> Vec<Entry> {
        let mut entries = std::mem::take(&mut self.gone);
        for (seat, series, week) in std::mem::take(&mut self.unkept) {
            let entity = &accounts.at(seat).entity;
            let stretch = Interval { start: EventTime(week * WEEK_MS), end: EventTime((week + 1) * WEEK_MS) };
            let mut state = wire::PastState {
                entity: Some(name(entity)),
                kpi: series.kpi.clone(),
                window: series.window.clone(),
                ..wire::PastState::default()
            };
            for (start, Point { value, volume }) in self.past(seat, &series).between(stretch) {
                state.start.push(start.0);
                state.value.push(value);
                state.volume.push(volume.unwrap_or(-1));
            }
            let is_empty = state.start.is_empty();
            entries.push((key(entity, &series, week), (!is_empty).then(|| state.encode_to_vec())));
        }
        entries
    }

    fn past(&mut self, seat: Seat, of: &Series) -> &mut Past {
        let pasts = self.pasts.entry(seat).or_default();
        let place = pasts.iter().position(|(series, _)| series == of).unwrap_or_else(|| {
            pasts.push((of.clone(), Past::default()));
            pasts.len() - 1
        });
        &mut pasts[place].1
    }
}

impl Series {
    fn is_of(&self, level: &Level) -> bool {
        self.kpi == level.kpi && self.window == level.window
    }
}

fn compares(level: &Level) -> bool {
    matches!(level.measure, Measure::Unusual(_))
}

/// Whole weeks since 1970.
fn week_of(start: EventTime) -> i64 {
    start.0.div_euclid(WEEK_MS)
}

/// The key of a week in the state topic.
fn key(entity: &Entity, Series { kpi, window }: &Series, week: i64) -> Vec<u8> {
    let mut key = PREFIX.to_vec();
    key.extend(format!("{entity}|{kpi}|{window}|{week}").into_bytes());
    key
}
