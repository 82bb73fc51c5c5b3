//! Facts: integers that add. A fact is a measure or a cell of a distribution, with a signed amount.
//!
//! What was believed and is no longer true is booked again with the opposite sign, so nothing is
//! ever taken out of a sum. The names are the contract's; a measure without a name is kept because a
//! KPI divides by it (docs/kpis.md says which).

use crate::histogram::Cell;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The two families, and the keyed set of who is waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Family {
    /// Booked when it happened.
    Event,
    /// Booked when its call entered the queue.
    Entry,
    /// Not booked at an instant: the amount of waiting calls that entered at it.
    Waiting,
    /// Booked at a millisecond: how many more agents are in a state from then on, or how many more parts
    /// of calls an agent is in.
    Time,
}

macro_rules! measures {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What is counted or summed. Sums are milliseconds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Measure { $($(#[$doc])* $name),* }

        impl Measure {
            pub const ALL: &'static [Measure] = &[$(Measure::$name),*];
        }
    };
}

measures! {
    Offered, Answered, Abandoned, FlowedOut, Lost, Blocked, CallbacksRequested, CallbacksOffered,
    /// Connections that ended, of every direction.
    Handled,
    /// Ended connections that were held.
    Held,
    TransferredIn, TransferredOut, Outbound, Solicitations,
    /// Offers ended by no answer, rejection or an error.
    RingNoAnswer,
    RingCallerLeft, Implied,
    /// Calls, not visits; the tenant's only.
    Arrived, LeftInIvr,
    FlowedOutTimeout, FlowedOutNoAgents, FlowedOutKey, FlowedOutOverflow, FlowedOutCallback,
    FlowedOutVoicemail, FlowedOutWithdrawn, FlowedOutSystem, FlowedOutLost,
    BlockedFull, BlockedClosed, BlockedNoAgents, BlockedNoTrunk, BlockedOther,
    TransferredBlind, TransferredAttended, TransferredConference, TransferredOther,
    /// Offers that came to an end, in whatever way.
    OffersEnded,
    /// Offers that ended in an answer.
    OffersAnswered,
    /// Connections ended by a transfer.
    HandedOn,
    /// Ended connections of outbound and internal calls, which handle times leave out.
    HandledNotInbound, HeldNotInbound,
    /// Calls with a connection that ended: each once. A leg that names another call as its root does
    /// not count for the tenant.
    Calls,
    /// First answers of calls whose arrival is known.
    AnsweredSinceArrival,
    /// Calls that arrived and whose fate is decided: answered, or ended without an answer.
    ArrivedDecided, ArrivedAnswered,
    /// Visits with a fact too long after their entry to be booked there.
    Unsettled,
    WaitAnswered, WaitAbandoned, WaitFlowedOut,
    /// From the call's arrival to its first answer.
    WaitSinceArrival,
    Talk, Hold, Wrapup, TalkNotInbound, HoldNotInbound, WrapupNotInbound,
    /// Levels: what is going on, as +1 and -1. From here on all are levels.
    Ringing, Talking, OnHold, InWrapup,
    /// Level of calls in a queue or connected.
    Concurrent,
    /// How many more agents are in a state, see [`Standing`].
    AgentsHandling, AgentsRinging, AgentsPaused, AgentsAvailable, AgentsOtherWork,
    /// The same changes, each times the milliseconds of its instant: what time in a state is made of.
    MomentsHandling, MomentsRinging, MomentsPaused, MomentsAvailable, MomentsOtherWork,
    /// Of an agent's time line: how many more connections and wrap-ups are open, and how many offers ring.
    OnCalls, Rung,
    /// The same where they end as lost, which is no sign of life.
    OnCallsLost, RungLost,
    /// Of an agent's time line: something happened in a call that the agent handles before and after it.
    Heard,
}

/// What an agent who is logged in does: one at a time, the first that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// In talk, hold or wrap-up of any call.
    Handling,
    /// A call is offered.
    Ringing,
    Paused,
    Available,
    /// Busy by the agent's own word, with nothing that a call tells of.
    OtherWork,
}

impl Standing {
    pub const ALL: [Standing; 5] =
        [Standing::Handling, Standing::Ringing, Standing::Paused, Standing::Available, Standing::OtherWork];

    /// The name in records.
    pub const fn word(self) -> &'static str {
        match self {
            Standing::Handling => "handling",
            Standing::Ringing => "ringing",
            Standing::Paused => "paused",
            Standing::Available => "available",
            Standing::OtherWork => "other_work",
        }
    }

    /// The measure of how many agents are in it.
    pub const fn agents(self) -> Measure {
        match self {
            Standing::Handling => Measure::AgentsHandling,
            Standing::Ringing => Measure::AgentsRinging,
            Standing::Paused => Measure::AgentsPaused,
            Standing::Available => Measure::AgentsAvailable,
            Standing::OtherWork => Measure::AgentsOtherWork,
        }
    }

    /// The measure of the moments at which that changed.
    pub const fn moments(self) -> Measure {
        match self {
            Standing::Handling => Measure::MomentsHandling,
            Standing::Ringing => Measure::MomentsRinging,
            Standing::Paused => Measure::MomentsPaused,
            Standing::Available => Measure::MomentsAvailable,
            Standing::OtherWork => Measure::MomentsOtherWork,
        }
    }
}

/// A reason for a pause, by a number that follows from its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(u32);

impl Reason {
    /// Thirty bits of FNV-1a: the same on every machine.
    pub fn of(text: &str) -> Reason {
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Reason((hash >> 20) as u32 & 0x3fff_ffff)
    }

    /// The number on the wire.
    pub const fn code(self) -> u32 {
        self.0
    }

    pub const fn from_code(code: u32) -> Reason {
        Reason(code & 0x3fff_ffff)
    }
}

/// So many reasons have a text of their own; a text has a hundred bytes at most. Who comes first has room, so that
/// texts somebody makes up cannot fill memory.
pub const REASONS_MAX: usize = 500;

/// What reasons without room are called together.
pub const OTHER_REASONS: &str = "other";

/// The texts of reasons. Where two have one number, which one may wait a lifetime for, the smaller stands
/// for both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons(BTreeMap<Reason, Box<str>>);

/// What became of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    New,
    Known,
    /// There is no room for it, and never will be.
    Refused,
}

impl Reasons {
    /// Takes a text if there is room.
    pub fn take(&mut self, text: &str) -> Taken {
        let is_full = REASONS_MAX <= self.0.len();
        match self.0.entry(Reason::of(text)) {
            Entry::Vacant(_) if is_full => Taken::Refused,
            Entry::Vacant(new) => {
                new.insert(text.into());
                Taken::New
            }
            Entry::Occupied(mut known) if text < &**known.get() => {
                known.insert(text.into());
                Taken::New
            }
            Entry::Occupied(_) => Taken::Known,
        }
    }

    /// Facts of the time of agents, each where it has room; of another family none, since they name no reason.
    pub fn booked(&self, family: Family, facts: &[(Key, i64)]) -> SmallVec<[(Key, i64); 2]> {
        let time = facts.iter().filter(|_| family == Family::Time);
        time.map(|(key, amount)| (self.room_for(*key), *amount)).collect()
    }

    /// Puts back a text that was taken.
    pub fn restore(&mut self, text: &str) {
        self.0.insert(Reason::of(text), text.into());
    }

    /// Where facts of a key are booked: of reasons without room, at the one that stands for them all.
    pub fn room_for(&self, key: Key) -> Key {
        match key.reason() {
            Some(reason) if !self.0.contains_key(&reason) => key.of_reason(Reason::of(OTHER_REASONS)),
            _ => key,
        }
    }

    pub fn text(&self, reason: Reason) -> Option<&str> {
        self.0.get(&reason).map(|text| &**text)
    }

    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|text| &**text)
    }
}

/// Durations whose distribution is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Distribution {
    WaitAnswered,
    WaitAbandoned,
    /// Without those who asked for a callback.
    WaitFlowedOut,
    WaitCallback,
    /// Talk and hold of one connection; inbound.
    CallTime,
    /// Talk, hold and wrap-up of one connection; inbound.
    HandleTime,
}

impl Distribution {
    pub const ALL: [Distribution; 6] = [
        Distribution::WaitAnswered,
        Distribution::WaitAbandoned,
        Distribution::WaitFlowedOut,
        Distribution::WaitCallback,
        Distribution::CallTime,
        Distribution::HandleTime,
    ];
}

/// The number of measures.
pub const MEASURES: usize = Measure::ALL.len();

/// A measure, a cell or a reason, in one number: measures first, then each distribution's cells in their
/// order, then reasons, each with its agents and its moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u32);

impl Key {
    /// No key is smaller.
    pub const FIRST: Key = Key(0);

    pub const fn measure(measure: Measure) -> Key {
        Key(measure as u32)
    }

    pub const fn cell(distribution: Distribution, cell: Cell) -> Key {
        Key(((distribution as u32 + 1) << 16) | cell.0 as u32)
    }

    /// The cell of a duration in milliseconds.
    pub fn duration(distribution: Distribution, millis: i64) -> Key {
        Key::cell(distribution, Cell::of(millis))
    }

    /// How many agents are paused for a reason.
    pub const fn paused(reason: Reason) -> Key {
        Key(REASONS | reason.0 << 1)
    }

    /// The moments at which that changed.
    pub const fn paused_moments(reason: Reason) -> Key {
        Key(REASONS | reason.0 << 1 | 1)
    }

    /// The number on the wire.
    pub const fn code(self) -> u32 {
        self.0
    }

    /// The key of a number on the wire; none if no key has it.
    pub fn from_code(code: u32) -> Option<Key> {
        if REASONS <= code {
            return Some(Key(code));
        }
        let (distribution, cell) = (code >> 16, code & 0xffff);
        let known = match distribution {
            0 => (cell as usize) < MEASURES,
            1..=6 => cell <= u32::from(crate::histogram::LAST.0),
            _ => false,
        };
        known.then_some(Key(code))
    }

    /// Whether it is a measure of what is going on.
    pub fn is_level(self) -> bool {
        Key::measure(Measure::Ringing) <= self && self <= Key::measure(Measure::Concurrent)
    }

    /// The reason, where it counts one.
    pub const fn reason(self) -> Option<Reason> {
        if REASONS <= self.0 { Some(Reason((self.0 & !REASONS) >> 1)) } else { None }
    }

    /// The same of another reason. Of a key of a reason only.
    const fn of_reason(self, reason: Reason) -> Key {
        Key(REASONS | reason.0 << 1 | self.0 & 1)
    }

    /// The moments of what says how many agents are in a state or paused for a reason; none of all else.
    pub fn moments(self) -> Option<Key> {
        if REASONS <= self.0 {
            return (self.0 & 1 == 0).then_some(Key(self.0 | 1));
        }
        let first = Measure::AgentsHandling as u32;
        let is_agents = first <= self.0 && self.0 <= Measure::AgentsOtherWork as u32;
        is_agents.then_some(Key(self.0 + Standing::ALL.len() as u32))
    }

    /// The index of a measure; none for a cell or a reason.
    pub const fn index(self) -> Option<usize> {
        if self.0 < 0x1_0000 { Some(self.0 as usize) } else { None }
    }

    /// The distribution of a cell, by its place in [`Distribution::ALL`], and the cell. Of a cell only.
    pub const fn to_cell(self) -> (usize, Cell) {
        ((self.0 >> 16) as usize - 1, Cell((self.0 & 0xffff) as u16))
    }

    /// The keys of a distribution: from the first, up to and without the second.
    const fn range(distribution: Distribution) -> (Key, Key) {
        (Key((distribution as u32 + 1) << 16), Key((distribution as u32 + 2) << 16))
    }
}

/// Keys of reasons begin here.
const REASONS: u32 = 1 << 31;

impl From<Measure> for Key {
    fn from(measure: Measure) -> Key {
        Key::measure(measure)
    }
}

/// A sparse sum of facts: sorted by key, without zeros, so that equal sums are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(Vec<(Key, i64)>);

impl Facts {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_slice(&self) -> &[(Key, i64)] {
        &self.0
    }

    pub fn get(&self, key: impl Into<Key>) -> i64 {
        let key = key.into();
        self.0.binary_search_by_key(&key, |entry| entry.0).map_or(0, |at| self.0[at].1)
    }

    /// Forgets them all, and keeps their memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds one fact.
    pub fn add(&mut self, key: Key, amount: i64) {
        if amount == 0 {
            return;
        }
        if self.0.last().is_none_or(|last| last.0 < key) {
            return self.0.push((key, amount));
        }
        match self.0.binary_search_by_key(&key, |entry| entry.0) {
            Ok(at) => {
                self.0[at].1 += amount;
                if self.0[at].1 == 0 {
                    self.0.remove(at);
                }
            }
            Err(at) => self.0.insert(at, (key, amount)),
        }
    }

    /// Adds facts, each `sign` times.
    pub fn add_all(&mut self, facts: &[(Key, i64)], sign: i64) {
        for (key, amount) in facts {
            self.add(*key, amount * sign);
        }
    }

    /// The facts whose key lies in a distribution, in the order of cells.
    pub fn distribution(&self, distribution: Distribution) -> &[(Key, i64)] {
        let (from, to) = Key::range(distribution);
        let start = self.0.partition_point(|entry| entry.0 < from);
        let end = self.0.partition_point(|entry| entry.0 < to);
        &self.0[start..end]
    }
}

impl FromIterator<(Key, i64)> for Facts {
    fn from_iter<I: IntoIterator<Item = (Key, i64)>>(facts: I) -> Facts {
        let mut sum = Facts::default();
        for (key, amount) in facts {
            sum.add(key, amount);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_booked_and_taken_back_leaves_nothing_behind() {
        let facts = [(Key::measure(Measure::Offered), 2), (Key::duration(Distribution::HandleTime, 61_000), 1)];
        let mut sum = Facts::default();
        sum.add_all(&facts, 1);
        assert_eq!(sum.get(Measure::Offered), 2);
        assert_eq!(sum.distribution(Distribution::HandleTime).len(), 1);
        sum.add_all(&facts, -1);
        assert_eq!(sum, Facts::default());
    }

    #[test]
    fn a_key_survives_the_wire_and_nothing_else_is_a_key() {
        for measure in Measure::ALL {
            assert_eq!(Key::from_code(Key::measure(*measure).code()), Some(Key::measure(*measure)));
        }
        let last = Key::cell(Distribution::HandleTime, crate::histogram::LAST);
        assert_eq!(Key::from_code(last.code()), Some(last));
        assert_eq!(Key::from_code(last.code() + 1), None);
        assert_eq!(Key::from_code(MEASURES as u32), None);
        assert_eq!(Key::from_code(7 << 16), None);
        let reason = Reason::of("ebéd");
        for key in [Key::paused(reason), Key::paused_moments(reason)] {
            assert_eq!((Key::from_code(key.code()), key.reason(), key.index()), (Some(key), Some(reason), None));
        }
    }

    #[test]
    fn reasons_without_room_are_booked_together_and_those_with_room_stay() {
        let mut reasons = Reasons::default();
        for number in 0..REASONS_MAX {
            assert_eq!(reasons.take(&format!("reason {number}")), Taken::New);
        }
        assert_eq!((reasons.take("reason 7"), reasons.take("late")), (Taken::Known, Taken::Refused));
        let (known, late, other) = (Reason::of("reason 7"), Reason::of("late"), Reason::of(OTHER_REASONS));
        for key in [Key::paused, Key::paused_moments] {
            assert_eq!((reasons.room_for(key(known)), reasons.room_for(key(late))), (key(known), key(other)));
        }
        assert_eq!(reasons.room_for(Measure::Offered.into()), Measure::Offered.into());
        assert_eq!(reasons.text(late), None);
    }

    #[test]
    fn every_state_has_moments_of_its_own() {
        for standing in Standing::ALL {
            assert_eq!(Key::measure(standing.agents()).moments(), Some(Key::measure(standing.moments())));
        }
        assert_eq!(Key::measure(Measure::Concurrent).moments(), None);
        assert_eq!(Key::measure(Measure::MomentsHandling).moments(), None);
        let reason = Reason::of("lunch");
        assert_eq!(Key::paused(reason).moments(), Some(Key::paused_moments(reason)));
        assert_eq!(Key::paused_moments(reason).moments(), None);
    }
}
