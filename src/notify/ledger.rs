//! The ledger: up to which offset of each partition everything was dealt with.

use super::standing::Place;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Ledger {
    partitions: BTreeMap<i32, Page>,
}

#[derive(Debug, Default)]
struct Page {
    /// The offset behind the last record read.
    next: i64,
    /// Offsets of what has not gone out yet.
    waiting: BTreeSet<i64>,
    committed: Option<i64>,
    /// A group that knows nothing learns nothing before all from before this offset went out.
    boundary: i64,
}

impl Ledger {
    /// Everything before the place was dealt with, or `waits` for it by itself; `committed` says whether the group knows.
    pub fn open(&mut self, place: Place, committed: bool) {
        let page = self.partitions.entry(place.partition).or_default();
        page.next = page.next.max(place.offset);
        page.committed = committed.then_some(place.offset);
        page.boundary = place.offset;
    }

    /// A record was read.
    pub fn read(&mut self, place: Place) {
        let page = self.partitions.entry(place.partition).or_default();
        page.next = page.next.max(place.offset + 1);
    }

    /// What a record tells has to go out.
    pub fn wait_for(&mut self, place: Place) {
        self.partitions.entry(place.partition).or_default().waiting.insert(place.offset);
    }

    /// It went out, or is left aside.
    pub fn done(&mut self, place: Place) {
        if let Some(page) = self.partitions.get_mut(&place.partition) {
            page.waiting.remove(&place.offset);
        }
    }

    /// What the group does not know yet.
    pub fn due(&self) -> BTreeMap<i32, i64> {
        let is_due = |page: &Page| match page.committed {
            Some(committed) => committed != page.position(),
            None => page.boundary <= page.position(),
        };
        let due = self.partitions.iter().filter(|(_, page)| is_due(page));
        due.map(|(partition, page)| (*partition, page.position())).collect()
    }

    /// The group knows these.
    pub fn committed(&mut self, offsets: &BTreeMap<i32, i64>) {
        for (partition, offset) in offsets {
            if let Some(page) = self.partitions.get_mut(partition) {
                page.committed = Some(*offset);
            }
        }
    }

    pub fn clear(&mut self) {
        self.partitions.clear();
    }
}

impl Page {
    fn position(&self) -> i64 {
        self.waiting.first().copied().unwrap_or(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_up_to_the_first_that_waits_and_each_position_once() {
        let mut ledger = Ledger::default();
        let at = |offset| Place { partition: 3, offset };
        ledger.open(at(10), true);
        assert_eq!(ledger.due(), BTreeMap::new());
        for offset in [10, 11, 12] {
            ledger.wait_for(at(offset));
            ledger.read(at(offset));
        }
        ledger.done(at(11));
        assert_eq!(ledger.due(), BTreeMap::new(), "10 has not gone out");
        ledger.done(at(10));
        assert_eq!(ledger.due(), BTreeMap::from([(3, 12)]));
        ledger.committed(&ledger.due());
        ledger.done(at(12));
        assert_eq!(ledger.due(), BTreeMap::from([(3, 13)]));
    }

    #[test]
    fn a_group_that_knows_nothing_learns_where_it_begins_once_what_fires_went_out() {
        let mut ledger = Ledger::default();
        let at = |offset| Place { partition: 0, offset };
        ledger.open(at(7), false);
        ledger.wait_for(at(2));
        ledger.wait_for(at(4));
        ledger.done(at(2));
        assert_eq!(ledger.due(), BTreeMap::new());
        ledger.done(at(4));
        assert_eq!(ledger.due(), BTreeMap::from([(0, 7)]));
    }
}
