//! The centre: the floors of all tenants as one stream of events, and their truth.
//!
//! Events come in the order of their times. With `disorder_ms` each is sent up to so much later than
//! it happened, and with `repeats_per_mille` some are sent twice; both are decided by the seed. Only
//! what is open or on its way is kept, so a stream may go on for ever.

use super::chance::Chance;
use super::floor::Floor;
use super::settings::{Marks, SimSettings};
use super::truth::Truth;
use crate::event::Event;
use crate::time::EventTime;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// The source named by every event.
const SOURCE: &str = "simulated";

/// A simulated centre: an iterator over events and the instants they are sent at, which never go back.
/// Without disorder that is the time of the event.
pub struct Centre {
    floors: Vec<Floor>,
    chance: Chance,
    disorder_ms: i64,
    repeats_per_mille: u64,
    marks: Marks,
    /// Events so far; the number of an event among all tenants.
    numbered: i64,
    /// Events on their way.
    underway: BinaryHeap<Reverse<Sent>>,
    sent: u64,
    /// No event still to come is earlier than this.
    reached: EventTime,
    is_exhausted: bool,
}

struct Sent {
    at: EventTime,
    order: u64,
    event: Event<'static>,
}

impl Centre {
    pub fn new(settings: SimSettings) -> Centre {
        let tenants = settings.tenants.len() as u64;
        let share = |place: u64| match settings.calls {
            u64::MAX => u64::MAX,
            calls => calls / tenants + u64::from(place < calls % tenants),
        };
        Centre {
            floors: (0..settings.tenants.len())
                .map(|place| Floor::new(&settings, place, share(place as u64)))
                .collect(),
            chance: Chance::new(!settings.seed),
            disorder_ms: settings.disorder_ms.max(0),
            repeats_per_mille: settings.repeats_per_mille,
            marks: settings.marks,
            numbered: 0,
            underway: BinaryHeap::new(),
            sent: 0,
            reached: settings.start,
            is_exhausted: false,
        }
    }

    /// What the centre knows it did. Complete once the iterator has ended.
    pub fn truth(&self) -> Truth {
        Truth { entities: self.floors.iter().flat_map(Floor::show_books).collect() }
    }

    /// The next event in the order of time.
    fn tell(&mut self) -> Option<Event<'static>> {
        loop {
            if let Some(mut event) = self.floors.iter_mut().find_map(|floor| floor.told.pop_front()) {
                self.numbered += 1;
                event.source = Some(SOURCE.into());
                if matches!(self.marks, Marks::Seq | Marks::Both) {
                    event.seq = Some(self.numbered);
                }
                if matches!(self.marks, Marks::EventId | Marks::Both) {
                    event.event_id = Some(format!("e-{}", self.numbered).into());
                }
                return Some(event);
            }
            let next = self.floors.iter_mut().filter_map(|floor| Some((floor.next_act()?, floor)));
            next.min_by_key(|(at, _)| *at)?.1.advance();
        }
    }

    fn send(&mut self, event: Event<'static>) {
        let at = EventTime(event.time.0 + self.chance.between(0, self.disorder_ms));
        self.sent += 1;
        self.underway.push(Reverse(Sent { at, order: self.sent, event }));
    }
}

impl Iterator for Centre {
    type Item = (EventTime, Event<'static>);

    fn next(&mut self) -> Option<(EventTime, Event<'static>)> {
        if self.disorder_ms == 0 && self.repeats_per_mille == 0 {
            return self.tell().map(|event| (event.time, event));
        }
        loop {
            let is_due =
                self.underway.peek().is_some_and(|Reverse(first)| self.is_exhausted || first.at <= self.reached);
            if is_due || self.is_exhausted {
                return self.underway.pop().map(|Reverse(sent)| (sent.at, sent.event));
            }
            match self.tell() {
                None => self.is_exhausted = true,
                Some(event) => {
                    self.reached = event.time;
                    if self.chance.happens(self.repeats_per_mille) {
                        self.send(event.clone());
                    }
                    self.send(event);
                }
            }
        }
    }
}

impl PartialEq for Sent {
    fn eq(&self, other: &Sent) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Sent {}

impl PartialOrd for Sent {
    fn partial_cmp(&self, other: &Sent) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sent {
    fn cmp(&self, other: &Sent) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
