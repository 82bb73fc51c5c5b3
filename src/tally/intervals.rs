//! Intervals of one entity, both families.
//!
//! Kept at one length that divides every configured length of a day or less; those are sums of it.
//! Weeks and months are kept beside. A late fact changes the interval it belongs to, which is then
//! `corrected` if it was final before.

use super::sums::Sums;
use crate::calendar::{Interval, Length, Zone};
use crate::fact::{Facts, Family, Key};
use crate::time::EventTime;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// One interval's facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    pub event: Sums,
    pub entry: Sums,
}

/// The pieces of one length, by their start.
pub type Pieces = BTreeMap<EventTime, Piece>;

/// Which lengths are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Divides every configured length of a day or less; none if there is none.
    pub base: Option<Length>,
    /// Week and month, where configured.
    pub long: Vec<Length>,
}

/// The intervals of one entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    base: Pieces,
    long: Vec<Pieces>,
    asked_last: AskedLast,
}

/// The last sum of [`Intervals::from_edge`] over base pieces for each length, as long as it holds: the edge and what was
/// booked from it on. It is no part of what the intervals are: two that differ in it alone are equal.
#[derive(Debug, Default)]
struct AskedLast(RefCell<Vec<(Length, EventTime, Facts)>>);

impl Clone for AskedLast {
    fn clone(&self) -> AskedLast {
        AskedLast::default()
    }
}

impl PartialEq for AskedLast {
    fn eq(&self, _: &AskedLast) -> bool {
        true
    }
}

impl Eq for AskedLast {}

/// Finds intervals in one zone, remembering where it looked last.
#[derive(Clone, Debug)]
pub struct Finder {
    zone: Zone,
    recent: Vec<(Length, Interval)>,
}

impl Kept {
    pub fn of(lengths: impl Iterator<Item = Length>) -> Kept {
        let mut kept = Kept::default();
        for length in lengths {
            match length {
                Length::Piece(millis) => {
                    let divisor = match kept.base {
                        Some(Length::Piece(other)) => gcd(other, millis),
                        _ => millis,
                    };
                    kept.base = Length::piece(divisor);
                }
                Length::Week | Length::Month => kept.long.push(length),
            }
        }
        kept
    }

    /// Every kept length: the base, then the long ones.
    pub fn lengths(&self) -> impl Iterator<Item = Length> {
        self.base.into_iter().chain(self.long.iter().copied())
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Finder {
    const RECENT: usize = 64;

    pub fn new(zone: Zone) -> Finder {
        Finder { zone, recent: Vec::new() }
    }

    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The interval of a length that holds the instant.
    pub fn find(&mut self, length: Length, at: EventTime) -> Interval {
        if let Some(place) = self.recent.iter().rposition(|(known, interval)| *known == length && interval.holds(at)) {
            // The ones asked for last stay near the end, where the search begins.
            let found = self.recent[place];
            if place + 8 < self.recent.len() {
                self.recent.remove(place);
                self.recent.push(found);
            }
            return found.1;
        }
        let interval = self.zone.interval(length, at);
        if self.recent.len() == Self::RECENT {
            self.recent.remove(0);
        }
        self.recent.push((length, interval));
        interval
    }
}

impl Intervals {
    /// Adds facts of a second to the piece of every kept length that holds it.
    pub fn add(&mut self, kept: &Kept, finder: &mut Finder, family: Family, second: i64, facts: &[(Key, i64)]) {
        self.long.resize_with(kept.long.len(), Pieces::new);
        self.asked_last.0.get_mut().clear();
        let at = EventTime(second * 1000);
        let may_cancel = facts.iter().any(|(_, amount)| *amount < 0);
        let base = std::iter::once(&mut self.base).take(usize::from(kept.base.is_some()));
        let all = base.chain(&mut self.long);
        for (length, pieces) in kept.lengths().zip(all) {
            let start = finder.find(length, at).start;
            let piece = pieces.entry(start).or_default();
            match family {
                Family::Event => piece.event.add_all(facts, 1),
                Family::Entry => piece.entry.add_all(facts, 1),
                Family::Waiting | Family::Time => unreachable!("what is not booked at a second is in no interval"),
            }
            if may_cancel && piece.event.is_empty() && piece.entry.is_empty() {
                pieces.remove(&start);
            }
        }
    }

    /// The facts of an interval of a configured length.
    pub fn sum(&self, kept: &Kept, length: Length, interval: Interval) -> Piece {
        match kept.long.iter().position(|long| *long == length) {
            Some(place) => {
                self.long.get(place).and_then(|pieces| pieces.get(&interval.start)).cloned().unwrap_or_default()
            }
            None => {
                let mut pieces = self.base.range(interval.start..interval.end).map(|(_, piece)| piece);
                let mut sum = pieces.next().cloned().unwrap_or_default();
                for piece in pieces {
                    sum.event.add_sums(&piece.event);
                    sum.entry.add_sums(&piece.entry);
                }
                sum
            }
        }
    }

    /// Where the intervals of a configured length that hold facts begin, oldest first.
    pub fn touched(&self, kept: &Kept, finder: &mut Finder, length: Length) -> Vec<Interval> {
        let mut touched: Vec<Interval> = Vec::new();
        for (start, _) in self.pieces(kept, length) {
            if touched.last().is_none_or(|last| last.end <= start) {
                touched.push(finder.find(length, start));
            }
        }
        touched
    }

    /// The kept pieces that make up intervals of a configured length, oldest first.
    pub fn pieces(&self, kept: &Kept, length: Length) -> impl DoubleEndedIterator<Item = (EventTime, &Piece)> {
        let pieces = match kept.long.iter().position(|long| *long == length) {
            Some(place) => self.long.get(place),
            None => Some(&self.base),
        };
        pieces.into_iter().flatten().map(|(start, piece)| (*start, piece))
    }

    /// What was booked at the event under some keys, the same ones each time, in all pieces that make up intervals of a
    /// configured length and begin at an edge or later.
    ///
    /// Costs the pieces between the edge and the one asked for last with this length, or the end, whichever is nearer:
    /// interval after interval of each length is asked for where history is read.
    pub fn from_edge(
        &self,
        kept: &Kept,
        length: Length,
        edge: EventTime,
        keys: impl Iterator<Item = Key> + Clone,
    ) -> Facts {
        let sum_up = |facts: &mut Facts, pieces: &Pieces, from: EventTime, to: EventTime, sign: i64| {
            for (_, piece) in pieces.range(from..to) {
                keys.clone().for_each(|key| facts.add(key, sign * piece.event.of(key)));
            }
        };
        let mut facts = Facts::default();
        if let Some(place) = kept.long.iter().position(|long| *long == length) {
            if let Some(pieces) = self.long.get(place) {
                sum_up(&mut facts, pieces, edge, EventTime(i64::MAX), 1);
            }
            return facts;
        }
        let end = self.base.last_key_value().map_or(edge, |(last, _)| *last);
        let mut asked_last = self.asked_last.0.borrow_mut();
        let known = asked_last.iter().position(|(of, ..)| *of == length).map(|place| asked_last.swap_remove(place));
        match known {
            Some((_, last, known)) if (edge.0 - last.0).abs() < end.0 - edge.0 => {
                facts = known;
                match edge < last {
                    true => sum_up(&mut facts, &self.base, edge, last, 1),
                    false => sum_up(&mut facts, &self.base, last, edge, -1),
                }
            }
            _ => sum_up(&mut facts, &self.base, edge, EventTime(i64::MAX), 1),
        }
        asked_last.push((length, edge, facts.clone()));
        facts
    }

    /// Where the base pieces that hold facts begin, of those that overlap some time.
    pub fn base_starts(&self, kept: &Kept, finder: &mut Finder, from: EventTime, to: EventTime) -> Vec<EventTime> {
        let Some(base) = kept.base else { return Vec::new() };
        let first = finder.find(base, from).start;
        self.base.range(first..).map(|(start, _)| *start).take_while(|start| *start < to).collect()
    }

    /// Forgets base pieces that began before an instant, and weeks and months that were over by then, but for the
    /// last two.
    pub fn forget_before(&mut self, at: EventTime) {
        self.asked_last.0.get_mut().clear();
        self.base = self.base.split_off(&at);
        for pieces in &mut self.long {
            // A piece is over where the one after it has begun.
            while 2 < pieces.len() && pieces.keys().nth(1).is_some_and(|start| *start <= at) {
                pieces.pop_first();
            }
        }
    }

    /// Where a fact of a second is kept: for each kept length (0 is the base, then the long ones) the
    /// start of its piece.
    pub fn places(kept: &Kept, finder: &mut Finder, second: i64) -> Vec<(usize, EventTime)> {
        let at = EventTime(second * 1000);
        let base = usize::from(kept.base.is_none());
        kept.lengths().enumerate().map(|(place, length)| (place + base, finder.find(length, at).start)).collect()
    }

    /// One kept piece; none if it holds nothing.
    pub fn piece(&self, place: usize, start: EventTime) -> Option<&Piece> {
        match place.checked_sub(1) {
            None => self.base.get(&start),
            Some(long) => self.long.get(long)?.get(&start),
        }
    }

    /// Every kept piece, with its place and start.
    pub fn iter(&self) -> impl Iterator<Item = (usize, EventTime, &Piece)> {
        let all = std::iter::once(&self.base).chain(&self.long).enumerate();
        all.flat_map(|(place, pieces)| pieces.iter().map(move |(start, piece)| (place, *start, piece)))
    }

    /// Puts back facts of a piece of one kept length, as a snapshot kept them.
    pub fn restore(&mut self, kept: &Kept, place: usize, start: EventTime, family: Family, facts: &[(Key, i64)]) {
        self.long.resize_with(kept.long.len(), Pieces::new);
        self.asked_last.0.get_mut().clear();
        let pieces = match place.checked_sub(1) {
            None => &mut self.base,
            Some(long) => &mut self.long[long],
        };
        let piece = pieces.entry(start).or_default();
        match family {
            Family::Entry => piece.entry.add_all(facts, 1),
            Family::Event | Family::Waiting | Family::Time => piece.event.add_all(facts, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Measure;

    /// Monday, 2026-03-02T00:00:00Z.
    const MONDAY: i64 = 1_772_409_600;
    const DAY: i64 = 86_400;

    #[test]
    fn what_was_booked_from_an_edge_on_is_the_sum_of_its_pieces_wherever_was_asked_before() {
        let quarter = Length::piece(15 * 60_000).expect("a length");
        let hour = Length::piece(60 * 60_000).expect("a length");
        let kept = Kept::of([quarter, hour].into_iter());
        let mut finder = Finder::new(Zone::UTC);
        let mut intervals = Intervals::default();
        let key = Key::measure(Measure::AgentsAvailable);
        // An agent comes in each quarter of an hour whose number is no multiple of three.
        let book = |intervals: &mut Intervals, finder: &mut Finder, quarter: i64| {
            intervals.add(&kept, finder, Family::Event, MONDAY + quarter * 900, &[(key, 1)]);
        };
        (0..96).filter(|quarter| quarter % 3 != 0).for_each(|quarter| book(&mut intervals, &mut finder, quarter));
        let start = |quarter: i64| EventTime((MONDAY + quarter * 900) * 1000);
        let check = |intervals: &Intervals, from: i64| {
            let pieces = intervals.pieces(&kept, quarter).filter(|(at, _)| start(from) <= *at);
            let expected: i64 = pieces.map(|(_, piece)| piece.event.of(key)).sum();
            let found = intervals.from_edge(&kept, quarter, start(from), std::iter::once(key));
            assert_eq!(found.get(key), expected, "from {from}");
            // Another length is asked at an edge of its own meanwhile.
            let pieces = intervals.pieces(&kept, hour).filter(|(at, _)| start(4 * from) <= *at);
            let expected: i64 = pieces.map(|(_, piece)| piece.event.of(key)).sum();
            let found = intervals.from_edge(&kept, hour, start(4 * from), std::iter::once(key));
            assert_eq!(found.get(key), expected, "from hour {from}");
        };
        // Forwards, backwards, there and back, past both ends.
        for from in (0..100).chain((-3..100).rev()).chain([5, 90, 6, 50, 49, 51, 200, -1]) {
            check(&intervals, from);
        }
        // What is booked and forgotten after it was asked for counts.
        check(&intervals, 10);
        book(&mut intervals, &mut finder, 60);
        check(&intervals, 11);
        intervals.forget_before(start(40));
        check(&intervals, 12);
        intervals.restore(&kept, 0, start(20), Family::Event, &[(key, 7)]);
        check(&intervals, 13);
    }

    #[test]
    fn a_week_is_forgotten_only_once_it_is_over() {
        let kept = Kept::of([Length::Week].into_iter());
        let mut finder = Finder::new(Zone::UTC);
        let mut intervals = Intervals::default();
        // One source is weeks ahead of another.
        for week in 0..4 {
            let facts = [(Key::measure(Measure::Offered), 1)];
            intervals.add(&kept, &mut finder, Family::Event, MONDAY + week * 7 * DAY, &facts);
        }
        let held = |intervals: &Intervals| intervals.iter().map(|(_, start, _)| start.second().0).collect::<Vec<_>>();
        let weeks = [0, 1, 2, 3].map(|week| MONDAY + week * 7 * DAY);
        intervals.forget_before(EventTime((MONDAY + 7 * DAY - 1) * 1000));
        assert_eq!(held(&intervals), weeks);
        intervals.forget_before(EventTime((MONDAY + 7 * DAY) * 1000));
        assert_eq!(held(&intervals), weeks[1..]);
        intervals.forget_before(EventTime((MONDAY + 100 * DAY) * 1000));
        assert_eq!(held(&intervals), weeks[2..]);
    }
}
