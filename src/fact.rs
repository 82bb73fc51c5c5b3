//! Facts: integers that add. A fact is a measure or a cell of a distribution, with a signed amount.
//!
//! What was believed and is no longer true is booked again with the opposite sign, so nothing is
//! ever taken out of a sum. The names are the contract's; a measure without a name is kept because a
//! KPI divides by it (docs/kpis.md says which).

use crate::histogram::Cell;

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

/// A measure or a cell, in one number: measures first, then each distribution's cells in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u32);

impl Key {
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

    /// The number on the wire.
    pub const fn code(self) -> u32 {
        self.0
    }

    /// The key of a number on the wire; none if no key has it.
    pub fn from_code(code: u32) -> Option<Key> {
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

    /// The index of a measure; none for a cell.
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
    }
}
