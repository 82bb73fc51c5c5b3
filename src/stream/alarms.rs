//! Alarms: how the rules of the settings stand with the entities of one partition.
//!
//! A rule is looked at with the records that are published, and every second while it waits or fires. What it then
//! tells goes out with the records it read, in the transaction that keeps how it stands, so that nothing is told twice
//! and nothing is decided again.

use super::account::{Account, Accounts, Seat};
use super::alarm::{Alarm, Whose, end_orphans, is_changed};
use super::own_alarms::OwnAlarms;
use super::pasts::{self, Pasts};
use super::publish::{Turn, on_board, record};
use super::snapshot::Entry;
use super::stage::OutRecord;
use crate::alert::rule::Rule;
use crate::alert::state::Why;
use crate::alert::unusual::Before;
use crate::kpi::record::KpiRecord;
use crate::time::{EventTime, Second};
use smallvec::SmallVec;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// How all rules stand.
#[derive(Default)]
pub struct Alarms {
    /// By seat the rules that look at the entity, by their places in the settings; none until it was asked.
    rules: Vec<Option<Places>>,
    /// Those that are not quiet, or of which a record stands in the topic.
    alarms: BTreeMap<Place, Alarm>,
    /// Of rules that are gone, or no longer look at the entity.
    orphans: Vec<Alarm>,
    /// Not in the state topic as they are.
    unkept: BTreeSet<Place>,
    unkept_orphans: Vec<Entry>,
    loading: Vec<Alarm>,
    /// The second that was looked at last; none while rules rest.
    looked: Option<i64>,
    /// Those that are to be looked at until what is told late is settled.
    unsettled: BTreeSet<Place>,
    /// What rules compare with, and which are to be looked at since that changed.
    pasts: Pasts,
    compared: BTreeSet<Place>,
    /// The engine's own.
    pub own: OwnAlarms,
}

/// An account, and a rule by its place in the settings.
type Place = (Seat, u16);
type Places = SmallVec<[u16; 4]>;

impl Alarms {
    /// Puts an entry of the state topic back; [`Alarms::settle`] follows.
    pub fn load(&mut self, key: &[u8], value: &[u8]) {
        if key.starts_with(pasts::PREFIX) {
            return self.pasts.load(value);
        }
        match Alarm::of_entry(value) {
            Some(alarm) if matches!(alarm.whose, Whose::Part(..)) => self.own.load(alarm),
            alarm => self.loading.extend(alarm),
        }
    }

    /// Finds for what was loaded the rule and the account, which the state topic may not have had yet: only what was
    /// read since then has told of it.
    pub fn settle(&mut self, rules: &[Rule], accounts: &Accounts) {
        self.pasts.settle(rules, accounts);
        for alarm in std::mem::take(&mut self.loading) {
            let Whose::Entity(entity) = &alarm.whose else { continue };
            let rule = rules.iter().position(|rule| rule.name == alarm.rule && rule.of.selects(entity));
            match (accounts.find(entity), rule) {
                (Some(seat), Some(rule)) => {
                    self.alarms.insert((seat, rule as u16), alarm);
                }
                _ => self.orphans.push(alarm),
            }
        }
    }

    /// Looks at an account with the records that were just made of it.
    pub fn look(&mut self, account: &Account, records: &[KpiRecord], turn: Turn<'_>, out: &mut Vec<OutRecord>) {
        if turn.is_behind() {
            return;
        }
        for rule in self.of(&turn.settings.alerts, account) {
            self.look_at(account, rule, records, turn, out);
        }
    }

    /// Takes an interval that goes into the archive, for rules that compare; they are looked at at the next tick.
    pub fn remember(&mut self, account: &Account, start: EventTime, record: &KpiRecord, rules: &[Rule]) {
        for place in self.of(rules, account) {
            if self.pasts.take(account, &rules[usize::from(place)], start, record) {
                self.compared.insert((account.seat, place));
            }
        }
    }

    /// The rules that look at an account.
    fn of(&mut self, rules: &[Rule], account: &Account) -> Places {
        let seat = account.seat as usize;
        if self.rules.len() <= seat {
            self.rules.resize(seat + 1, None);
        }
        let selecting = || {
            let selects = |(_, rule): &(usize, &Rule)| rule.of.selects(&account.entity);
            rules.iter().enumerate().filter(selects).map(|(place, _)| place as u16).collect()
        };
        self.rules[seat].get_or_insert_with(selecting).clone()
    }

    fn look_at(
        &mut self,
        account: &Account,
        place: u16,
        records: &[KpiRecord],
        turn: Turn<'_>,
        out: &mut Vec<OutRecord>,
    ) {
        let Turn { settings, as_of, .. } = turn;
        let (kpi, rule) = (&settings.kpi, &settings.alerts[usize::from(place)]);
        let (of, at) = ((account.seat, place), instant(account, rule, turn));
        let mut alarm =
            self.alarms.remove(&of).unwrap_or_else(|| Alarm::new(rule, Whose::Entity(account.entity.clone())));
        let before = alarm.state.clone();
        let levels = rule.when.levels();
        let given = |name: &str| records.iter().find(|record| record.window.name == name);
        // What the rule may look at beside what is given, each made once it does.
        let mut made: BTreeMap<&str, OnceCell<Option<KpiRecord>>> = BTreeMap::new();
        for name in levels.iter().flat_map(|level| level.windows()).filter(|name| given(name).is_none()) {
            made.entry(name).or_default();
        }
        let make = |name: &str| {
            let window = account.projection(kpi, turn.shape, turn.reasons, as_of).window(name);
            window.and_then(|window| record(account, turn, window))
        };
        let record_of = |name: &str| given(name).or_else(|| made.get(name)?.get_or_init(|| make(name)).as_ref());
        let was = |level| {
            let past = self.pasts.of(account.seat, level);
            Before { past, zone: kpi.zone(&account.entity.tenant), as_of }
        };
        let mut readings: Vec<_> = levels.iter().map(|level| level.read(record_of, was(level))).collect();
        // Who waits now begins nothing while calls of long ago are being told, and their ends are on the way.
        let mut unsettled = levels.iter().zip(&mut readings).filter(|(level, _)| level.window == "now").peekable();
        if account.is_told_late(as_of) && unsettled.peek().is_some() {
            unsettled.filter_map(|(_, reading)| reading.as_mut()).for_each(|reading| reading.is_idle = true);
            self.unsettled.insert(of);
        } else {
            self.unsettled.remove(&of);
        }
        let hours = rule.hours_for(&account.entity, &settings.queue_hours);
        let is_open = hours.is_none_or(|hours| hours.is_open(kpi.zone(&account.entity.tenant), at));
        let step = match is_open {
            _ if account.ended => alarm.state.end(Why::EntityEnded),
            true => alarm.state.look(rule, &readings, at),
            false => alarm.state.end(Why::Closed),
        };
        if let Some(step) = step {
            // Who reads the alert finds its numbers on the board.
            if !account.ended {
                let made = made.values().filter_map(|record| record.get()?.as_ref());
                out.extend(made.map(|record| on_board(account, turn, record)));
            }
            alarm.tell((rule, kpi.title(&account.entity)), (step, &readings), (at, turn), out);
        }
        if step.is_some() || is_changed(&before, &alarm.state) {
            self.unkept.insert(of);
        }
        if !alarm.is_over() {
            self.alarms.insert(of, alarm);
        }
    }

    /// Looks, once a second, at what waits or fires, and ends what is gone; at everything when rules have rested.
    pub fn tick(&mut self, accounts: &mut Accounts, turn: Turn<'_>, out: &mut Vec<OutRecord>) {
        if turn.is_behind() {
            return self.rest();
        }
        let second = turn.as_of.second().0;
        if self.looked.is_some_and(|looked| second <= looked) {
            return;
        }
        if self.looked.replace(second).is_none() {
            // What changed while they rested need not change again.
            for account in accounts.iter_mut() {
                if !self.of(&turn.settings.alerts, account).is_empty() {
                    account.reach(turn);
                    self.look(account, &[], turn, out);
                }
            }
        }
        end_orphans(&mut self.orphans, &mut self.unkept_orphans, (turn.as_of, turn), out);
        let mut busy = std::mem::take(&mut self.compared);
        busy.extend(&self.unsettled);
        busy.extend(self.alarms.iter().filter(|(_, alarm)| !alarm.state.is_quiet()).map(|(at, _)| *at));
        for (seat, rule) in busy {
            accounts.at_mut(seat).reach(turn);
            self.look_at(accounts.at(seat), rule, &[], turn, out);
        }
        for (at, alarm) in self.alarms.iter_mut().filter(|(_, alarm)| alarm.is_stale(turn.as_of)) {
            out.push(alarm.untell(turn));
            self.unkept.insert(*at);
        }
        self.alarms.retain(|_, alarm| !alarm.is_over());
    }

    /// What happened while nobody was told does not count.
    fn rest(&mut self) {
        self.looked = None;
        self.unsettled.clear();
        self.compared.clear();
        for (at, alarm) in &mut self.alarms {
            if alarm.state.rest() {
                self.unkept.insert(*at);
            }
        }
        self.alarms.retain(|_, alarm| !alarm.is_over());
    }

    /// A generation that takes the topic over ends what the one before it told and it does not.
    pub fn take_over(&mut self, accounts: &Accounts, turn: Turn<'_>, out: &mut Vec<OutRecord>) {
        for account in accounts.iter() {
            for place in self.of(&turn.settings.alerts, account) {
                if !self.alarms.contains_key(&(account.seat, place)) {
                    let rule = &turn.settings.alerts[usize::from(place)];
                    out.push(Alarm::new(rule, Whose::Entity(account.entity.clone())).untell(turn));
                }
            }
        }
    }

    /// The entries of the state topic that changed.
    pub fn write(&mut self, rules: &[Rule], accounts: &Accounts) -> Vec<Entry> {
        let mut entries = self.own.write();
        entries.append(&mut self.pasts.write(accounts));
        entries.append(&mut self.unkept_orphans);
        for (seat, rule) in std::mem::take(&mut self.unkept) {
            entries.push(match self.alarms.get(&(seat, rule)) {
                Some(alarm) => alarm.entry(),
                None => {
                    let whose = Whose::Entity(accounts.at(seat).entity.clone());
                    (Alarm::new(&rules[usize::from(rule)], whose).key(), None)
                }
            });
        }
        entries
    }
}

/// The instant of a look: the end of the last second that the numbers hold facts of. Sliding windows and what was before
/// reach up to the second of `as_of`; in all others a fact counts at once, and none is later than the clock.
fn instant(account: &Account, rule: &Rule, turn: Turn<'_>) -> EventTime {
    let levels = rule.when.levels();
    let is_sliding = |name: &str| turn.settings.kpi.sliding.iter().any(|(sliding, _)| sliding == name);
    let counts_at_once = levels.iter().flat_map(|level| level.counted()).any(|name| !is_sliding(name));
    let newest = account.last_counted.filter(|_| counts_at_once).map(|second| Second(second).start());
    let newest = newest.map(|newest| newest.min(EventTime(turn.clock.wall_ms)));
    newest.map_or(turn.as_of, |newest| newest.max(turn.as_of)).second().last()
}
