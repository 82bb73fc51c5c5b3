//! The truth: the simulated centre's own books, kept as it decides and never read from its events.
//!
//! Names and definitions are the contract's. Each hour has two sides: `event` counts a thing when it
//! happened, `by_entry` when its call entered the queue; what belongs to no visit (arrivals, blocked,
//! outbound and internal calls) stands in `event` only.
//!
//! `transferred_in`: a queue counts visits that came by a transfer, at their entry; an agent counts
//! connections that came by a transfer, out of such a visit or straight to him; a tenant counts such
//! visits and the transfers straight to an agent, each once. A conference joins an agent to a call that
//! stays where it is: it is `transferred_out` of its kind and not `transferred_in`.
//!
//! Time of agents is looked up at each one, after everything that happens (`presence`); a queue has the time
//! of those on duty who serve it.

use super::settings::HOUR;
use crate::entity::Kind;
use crate::event::{BlockReason, LeaveReason, TransferKind};
use crate::kpi::record::{Count, Fields};
use crate::time::EventTime;
use serde::Serialize;
use std::collections::BTreeMap;

/// Calls that gave up within this wait are short abandons.
pub const SHORT_ABANDON_MS: i64 = 5_000;
/// The wait of `answered_within_20s`.
pub const IN_TIME_MS: i64 = 20_000;

/// What the centre knows of all its entities.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    pub entities: Vec<EntityTruth>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EntityTruth {
    pub tenant: String,
    pub kind: &'static str,
    pub id: String,
    pub total: Numbers,
    /// The hours, UTC, in which anything was counted.
    pub per_1h: Vec<HourTruth>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HourTruth {
    pub start: String,
    pub event: Numbers,
    /// Absent for agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_entry: Option<Numbers>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Numbers {
    pub counts: Fields<Count>,
    pub sums_ms: Fields<i64>,
    /// Answered after a wait of at most 20 s.
    pub answered_within_20s: i64,
    /// Of the visits that ended.
    pub longest_wait_ms: i64,
    /// Entered and not yet out; absent for agents and in `event`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<i64>,
}

impl Truth {
    pub fn entity(&self, tenant: &str, kind: Kind, id: &str) -> Option<&EntityTruth> {
        self.entities.iter().find(|entity| entity.tenant == tenant && entity.kind == kind.word() && entity.id == id)
    }
}

impl Numbers {
    /// A count by its name; 0 if the entity has no such count.
    pub fn count(&self, name: &str) -> i64 {
        match self.counts.get(name) {
            Some(Count::Number(number)) => *number,
            _ => 0,
        }
    }

    /// A sum by its name; 0 if the entity has no such sum.
    pub fn sum_ms(&self, name: &str) -> i64 {
        self.sums_ms.get(name).copied().unwrap_or(0)
    }
}

/// The books of one tenant's centre.
pub(super) struct Books {
    are_kept: bool,
    tenant: Account,
    queues: Vec<Account>,
    agents: Vec<Account>,
}

/// Whose and when: where a thing is written down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub at: EventTime,
    /// When the visit it belongs to began, if it belongs to one.
    pub entry: Option<EventTime>,
    pub queue: Option<usize>,
    pub agent: Option<usize>,
}

/// How an offer to an agent came to nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    ByAgent,
    CallerLeft,
}

/// What an agent on duty does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Handling,
    Ringing,
    Paused,
    Available,
}

#[derive(Default)]
struct Account {
    total: Part,
    hours: BTreeMap<i64, [Part; 2]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Total,
    Event,
    Entry,
}

macro_rules! items {
    ($list:ident, $item:ident { $($name:ident = $word:literal),* $(,)? }) => {
        #[derive(Clone, Copy, PartialEq, Eq)]
        enum $item { $($name),* }

        const $list: &[($item, &str)] = &[$(($item::$name, $word)),*];
    };
}

items! {
    COUNTS,
    Item {
        Offered = "offered", Answered = "answered", Abandoned = "abandoned", ShortAbandoned = "short_abandoned",
        FlowedOut = "flowed_out", Lost = "lost", Blocked = "blocked", CallbacksRequested = "callbacks_requested",
        CallbacksOffered = "callbacks_offered", Handled = "handled", Held = "held", TransferredIn = "transferred_in",
        TransferredOut = "transferred_out", Outbound = "outbound", Solicitations = "solicitations",
        RingNoAnswer = "ring_no_answer", RingCallerLeft = "ring_caller_left", Implied = "implied",
        Arrived = "arrived", LeftInIvr = "left_in_ivr",
    }
}

items! {
    SUMS,
    Sum {
        WaitAnswered = "wait_answered", WaitAbandoned = "wait_abandoned", WaitFlowedOut = "wait_flowed_out",
        Talk = "talk", Hold = "hold", Wrapup = "wrapup", Login = "login", Handling = "handling",
        Available = "state_available", Paused = "state_paused", Ringing = "state_ringing",
    }
}

#[derive(Clone, Default)]
struct Part {
    counts: [i64; COUNTS.len()],
    flowed_out_by: [i64; LeaveReason::ALL.len()],
    blocked_by: [i64; BlockReason::ALL.len()],
    transferred_out_by: [i64; TransferKind::ALL.len()],
    sums: [i64; SUMS.len()],
    in_time: i64,
    longest_wait: i64,
    waiting: i64,
}

impl Books {
    pub(super) fn new(are_kept: bool, queues: usize, agents: usize) -> Books {
        let blank = |count: usize| (0..count).map(|_| Account::default()).collect();
        Books { are_kept, tenant: Account::default(), queues: blank(queues), agents: blank(agents) }
    }

    pub(super) fn arrived(&mut self, at: EventTime) {
        self.write(Place::tenant(at), |part, _| part.add(Item::Arrived));
    }

    pub(super) fn left_in_ivr(&mut self, at: EventTime) {
        self.write(Place::tenant(at), |part, _| part.add(Item::LeftInIvr));
    }

    pub(super) fn blocked(&mut self, at: EventTime, queue: Option<usize>, reason: BlockReason) {
        self.write(Place { queue, ..Place::tenant(at) }, |part, _| {
            part.add(Item::Blocked);
            part.blocked_by[reason as usize] += 1;
        });
    }

    pub(super) fn callback_entered(&mut self, place: Place) {
        self.write(place, |part, _| part.add(Item::CallbacksOffered));
    }

    pub(super) fn entered(&mut self, place: Place, is_transferred: bool) {
        self.write(place, |part, side| {
            part.add(Item::Offered);
            if is_transferred {
                part.add(Item::TransferredIn);
            }
            part.wait(side, 1);
        });
    }

    /// A visit was answered; the agent of the place took it.
    pub(super) fn answered(&mut self, place: Place, waited: i64) {
        self.write(place, |part, side| {
            part.add(Item::Answered);
            part.sums[Sum::WaitAnswered as usize] += waited;
            part.in_time += i64::from(waited <= IN_TIME_MS);
            part.longest_wait = part.longest_wait.max(waited);
            part.wait(side, -1);
        });
    }

    /// A visit ended without an answer.
    pub(super) fn left(&mut self, place: Place, reason: LeaveReason, waited: i64) {
        self.write(place, |part, side| {
            if reason == LeaveReason::Abandoned {
                part.add(Item::Abandoned);
                if waited <= SHORT_ABANDON_MS {
                    part.add(Item::ShortAbandoned);
                }
                part.sums[Sum::WaitAbandoned as usize] += waited;
            } else {
                part.add(Item::FlowedOut);
                part.flowed_out_by[reason as usize] += 1;
                part.sums[Sum::WaitFlowedOut as usize] += waited;
            }
            if reason == LeaveReason::Callback {
                part.add(Item::CallbacksRequested);
            }
            part.longest_wait = part.longest_wait.max(waited);
            part.wait(side, -1);
        });
    }

    /// The agent's connection came out of a visit that was transferred in: his own books only, since
    /// queue and tenant counted it at its entry.
    pub(super) fn took_transferred_visit(&mut self, place: Place) {
        if let (true, Some(agent)) = (self.are_kept, place.agent) {
            self.agents[agent].write(place, Kind::Agent, &|part, _| part.add(Item::TransferredIn));
        }
    }

    /// The agent's connection came by a transfer straight to him.
    pub(super) fn took_direct_transfer(&mut self, place: Place) {
        self.write(Place { queue: None, ..place }, |part, _| part.add(Item::TransferredIn));
    }

    pub(super) fn dialled(&mut self, place: Place) {
        self.write(place, |part, _| part.add(Item::Outbound));
    }

    pub(super) fn rang(&mut self, place: Place) {
        self.write(place, |part, _| part.add(Item::Solicitations));
    }

    pub(super) fn refused(&mut self, place: Place, refusal: Refusal) {
        self.write(place, |part, _| {
            part.add(match refusal {
                Refusal::ByAgent => Item::RingNoAnswer,
                Refusal::CallerLeft => Item::RingCallerLeft,
            });
        });
    }

    /// A connection ended.
    pub(super) fn handled(&mut self, place: Place, talk_ms: i64, hold_ms: i64, was_held: bool) {
        self.write(place, |part, _| {
            part.add(Item::Handled);
            if was_held {
                part.add(Item::Held);
            }
            part.sums[Sum::Talk as usize] += talk_ms;
            part.sums[Sum::Hold as usize] += hold_ms;
        });
    }

    pub(super) fn transferred(&mut self, place: Place, kind: TransferKind) {
        self.write(place, |part, _| {
            part.add(Item::TransferredOut);
            part.transferred_out_by[kind as usize] += 1;
        });
    }

    pub(super) fn wrapped_up(&mut self, place: Place, wrapup_ms: i64) {
        self.write(place, |part, _| part.sums[Sum::Wrapup as usize] += wrapup_ms);
    }

    pub(super) fn are_kept(&self) -> bool {
        self.are_kept
    }

    /// An agent spent some time on one thing, on duty for these queues.
    pub(super) fn spent(&mut self, agent: usize, queues: &[usize], doing: Doing, from: EventTime, to: EventTime) {
        let sum = match doing {
            Doing::Handling => Sum::Handling,
            Doing::Ringing => Sum::Ringing,
            Doing::Paused => Sum::Paused,
            Doing::Available => Sum::Available,
        };
        let mut at = from;
        while at < to {
            let until = to.0.min(hour(at) + HOUR);
            let change = |part: &mut Part, _: Side| {
                part.sums[sum as usize] += until - at.0;
                part.sums[Sum::Login as usize] += until - at.0;
            };
            let place = Place { at, entry: None, queue: None, agent: Some(agent) };
            self.write(place, change);
            for queue in queues {
                self.queues[*queue].write(place, Kind::Queue, &change);
            }
            at = EventTime(until);
        }
    }

    /// The books as they are shown.
    pub(super) fn show(&self, tenant: &str, queues: &[String], agents: &[String]) -> Vec<EntityTruth> {
        let mut entities = vec![self.tenant.show(tenant, Kind::Tenant, tenant)];
        entities.extend(self.queues.iter().zip(queues).map(|(account, id)| account.show(tenant, Kind::Queue, id)));
        entities.extend(self.agents.iter().zip(agents).map(|(account, id)| account.show(tenant, Kind::Agent, id)));
        entities
    }

    fn write(&mut self, place: Place, change: impl Fn(&mut Part, Side)) {
        if !self.are_kept {
            return;
        }
        self.tenant.write(place, Kind::Tenant, &change);
        if let Some(queue) = place.queue {
            self.queues[queue].write(place, Kind::Queue, &change);
        }
        if let Some(agent) = place.agent {
            self.agents[agent].write(place, Kind::Agent, &change);
        }
    }
}

impl Place {
    fn tenant(at: EventTime) -> Place {
        Place { at, entry: None, queue: None, agent: None }
    }
}

impl Account {
    fn write(&mut self, place: Place, kind: Kind, change: &impl Fn(&mut Part, Side)) {
        change(&mut self.total, Side::Total);
        change(&mut self.hours.entry(hour(place.at)).or_default()[0], Side::Event);
        if let Some(entry) = place.entry.filter(|_| kind != Kind::Agent) {
            change(&mut self.hours.entry(hour(entry)).or_default()[1], Side::Entry);
        }
    }

    fn show(&self, tenant: &str, kind: Kind, id: &str) -> EntityTruth {
        let hours = self.hours.iter().map(|(start, [event, entry])| HourTruth {
            start: EventTime(*start).to_string(),
            event: event.show(kind, Side::Event),
            by_entry: kind.has_visits().then(|| entry.show(kind, Side::Entry)),
        });
        EntityTruth {
            tenant: tenant.to_string(),
            kind: kind.word(),
            id: id.to_string(),
            total: self.total.show(kind, Side::Total),
            per_1h: hours.collect(),
        }
    }
}

impl Part {
    fn add(&mut self, item: Item) {
        self.counts[item as usize] += 1;
    }

    /// Who waits is known in all and by entry; an hour at the event has no such number.
    fn wait(&mut self, side: Side, amount: i64) {
        if side != Side::Event {
            self.waiting += amount;
        }
    }

    fn show(&self, kind: Kind, side: Side) -> Numbers {
        let mut counts = Fields::default();
        for (item, word) in COUNTS {
            if !item.belongs_to(kind) {
                continue;
            }
            counts.push(*word, Count::Number(self.counts[*item as usize]));
            match item {
                Item::FlowedOut => {
                    counts.push("flowed_out_by_reason", by(LeaveReason::ALL, |r| r.word(), &self.flowed_out_by));
                }
                Item::Blocked => {
                    counts.push("blocked_by_reason", by(BlockReason::ALL, |r| r.word(), &self.blocked_by));
                }
                Item::TransferredOut => {
                    let kinds = by(TransferKind::ALL, |k| k.word(), &self.transferred_out_by);
                    counts.push("transferred_out_by_kind", kinds);
                }
                _ => {}
            }
        }
        let mut sums_ms = Fields::default();
        for (sum, word) in SUMS {
            if kind.has_visits() || !matches!(sum, Sum::WaitAbandoned | Sum::WaitFlowedOut) {
                sums_ms.push(*word, self.sums[*sum as usize]);
            }
        }
        Numbers {
            counts,
            sums_ms,
            answered_within_20s: self.in_time,
            longest_wait_ms: self.longest_wait,
            waiting: (kind.has_visits() && side != Side::Event).then_some(self.waiting),
        }
    }
}

impl Item {
    fn belongs_to(self, kind: Kind) -> bool {
        match self {
            Item::Arrived | Item::LeftInIvr => kind == Kind::Tenant,
            Item::Answered | Item::Handled | Item::Held | Item::TransferredIn | Item::TransferredOut => true,
            Item::Outbound | Item::Solicitations | Item::RingNoAnswer | Item::RingCallerLeft => true,
            _ => kind.has_visits(),
        }
    }
}

/// Counts by reason, without those that are 0.
fn by<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str, counts: &[i64]) -> Count {
    let mut fields = Fields::default();
    for (value, count) in all.iter().zip(counts).filter(|(_, count)| **count != 0) {
        fields.push(word(*value), *count);
    }
    Count::By(fields)
}

fn hour(at: EventTime) -> i64 {
    at.0 - at.0.rem_euclid(HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_over_the_hour_stands_in_two_hours_at_the_event_and_in_one_by_entry() {
        // 09:59:50 ──── waits 15 s ────► 10:00:05 answered
        let entry = EventTime(1_772_445_590_000);
        let at = EventTime(entry.0 + 15_000);
        let mut books = Books::new(true, 1, 1);
        books.entered(Place { at: entry, entry: Some(entry), queue: Some(0), agent: None }, false);
        books.answered(Place { at, entry: Some(entry), queue: Some(0), agent: Some(0) }, 15_000);
        let shown = books.show("t", &["q".into()], &["a".into()]);
        let truth = Truth { entities: shown };
        let queue = truth.entity("t", Kind::Queue, "q").unwrap();
        let [nine, ten] = &queue.per_1h[..] else { panic!("two hours") };
        assert_eq!(nine.start, "2026-03-02T09:00:00.000Z");
        assert_eq!((nine.event.count("offered"), nine.event.count("answered")), (1, 0));
        assert_eq!((ten.event.count("offered"), ten.event.count("answered")), (0, 1));
        let by_entry = nine.by_entry.as_ref().unwrap();
        assert_eq!((by_entry.count("offered"), by_entry.count("answered"), by_entry.waiting), (1, 1, Some(0)));
        assert_eq!((by_entry.sum_ms("wait_answered"), by_entry.answered_within_20s), (15_000, 1));
        let agent = truth.entity("t", Kind::Agent, "a").unwrap();
        assert_eq!((agent.total.count("answered"), agent.per_1h.len()), (1, 1));
        assert!(agent.per_1h[0].by_entry.is_none() && agent.total.counts.get("offered").is_none());
    }
}
