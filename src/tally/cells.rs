//! Cells: the amounts of every distribution's cells, in order.
//!
//! ```text
//! few     sorted pairs: an agent's quarter of an hour holds a dozen
//! many    by distribution:  [ in place, from the shortest on | sorted pairs: what is longer and rare ]
//! ```
//!
//! What is held in place is found at once, and takes at most twice the memory of pairs.

use crate::fact::{Distribution, Facts, Key};
use crate::histogram::Cell;

/// Cells with amounts other than 0. Equal if they hold the same, however it is kept.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    few: Facts,
    many: Option<Box<[Column; Distribution::ALL.len()]>>,
}

/// Kept by distribution from so many cells on.
const MANY: usize = 48;

/// The cells of one distribution.
#[derive(Clone, Debug, Default)]
struct Column {
    /// The shortest, each in its place.
    near: Vec<i64>,
    /// How many of them are not 0.
    held: usize,
    /// The others, sorted, without zeros.
    far: Vec<(Cell, i64)>,
    /// The number of pairs at which some are to be moved to their places.
    far_max: usize,
}

/// Fewer cells than this are not moved.
const MOVED_MIN: usize = 16;

impl Cells {
    pub fn is_empty(&self) -> bool {
        self.few.is_empty() && self.many.iter().flat_map(|many| many.iter()).all(Column::is_empty)
    }

    pub fn add(&mut self, key: Key, amount: i64) {
        if let Some(many) = &mut self.many {
            let (distribution, cell) = key.to_cell();
            return many[distribution].add(cell, amount);
        }
        self.few.add(key, amount);
        if MANY <= self.few.as_slice().len() {
            let many = self.many.insert(Box::default());
            for (key, amount) in std::mem::take(&mut self.few).as_slice() {
                let (distribution, cell) = key.to_cell();
                many[distribution].add(cell, *amount);
            }
        }
    }

    /// The cells of a distribution, shortest first.
    pub fn of(&self, distribution: Distribution) -> impl Iterator<Item = (Cell, i64)> {
        let few = self.few.distribution(distribution).iter().map(|(key, amount)| (key.to_cell().1, *amount));
        few.chain(self.many.iter().flat_map(move |many| many[distribution as usize].iter()))
    }

    /// Every cell in the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (Key, i64)> {
        let of =
            |distribution| self.of(distribution).map(move |(cell, amount)| (Key::cell(distribution, cell), amount));
        Distribution::ALL.into_iter().flat_map(of)
    }
}

impl PartialEq for Cells {
    fn eq(&self, other: &Cells) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Cells {}

impl Column {
    fn is_empty(&self) -> bool {
        self.held == 0 && self.far.is_empty()
    }

    fn iter(&self) -> impl Iterator<Item = (Cell, i64)> {
        let near = self.near.iter().enumerate().map(|(cell, amount)| (Cell(cell as u16), *amount));
        near.filter(|(_, amount)| *amount != 0).chain(self.far.iter().copied())
    }

    fn add(&mut self, cell: Cell, amount: i64) {
        if let Some(held) = self.near.get_mut(usize::from(cell.0)) {
            let was = *held;
            *held += amount;
            self.held = self.held + usize::from(*held != 0) - usize::from(was != 0);
            if *held == 0 && self.held * 16 < self.near.len() {
                self.far = self.iter().collect();
                (self.near, self.held) = (Vec::new(), 0);
                self.far_max = 2 * self.far.len();
            }
            return;
        }
        match self.far.binary_search_by_key(&cell, |pair| pair.0) {
            Ok(at) => {
                self.far[at].1 += amount;
                if self.far[at].1 == 0 {
                    self.far.remove(at);
                }
            }
            Err(_) if amount == 0 => {}
            Err(at) => {
                self.far.insert(at, (cell, amount));
                if self.far_max.max(MOVED_MIN) <= self.far.len() {
                    self.move_near();
                }
            }
        }
    }

    /// Moves the shortest pairs to their places, as many as fill a quarter of them.
    fn move_near(&mut self) {
        let fills = |(at, (cell, _)): (usize, &(Cell, i64))| usize::from(cell.0) + 1 - self.near.len() <= 4 * (at + 1);
        let moved = self.far.iter().enumerate().rposition(fills).map_or(0, |last| last + 1);
        if MOVED_MIN <= moved {
            self.near.resize(usize::from(self.far[moved - 1].0.0) + 1, 0);
            for (cell, amount) in self.far.drain(..moved) {
                self.near[usize::from(cell.0)] = amount;
            }
            self.held += moved;
        }
        self.far_max = 2 * self.far.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::LAST;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn cells_hold_what_was_added_however_they_are_kept(
            added in proptest::collection::vec((0..6_usize, 0..100_u16, -1..3_i64), 0..900),
            kept in 0..400_usize,
        ) {
            let (mut cells, mut known) = (Cells::default(), BTreeMap::new());
            let facts = added.iter().map(|(distribution, cell, amount)| {
                // Close together at first, then far apart.
                let cell = if *cell < 90 { *cell } else { LAST.0 - (99 - cell) * 700 };
                (Key::cell(Distribution::ALL[*distribution], Cell(cell)), *amount)
            });
            for (key, amount) in facts {
                cells.add(key, amount);
                *known.entry(key).or_insert(0) += amount;
            }
            known.retain(|_, amount| *amount != 0);
            prop_assert!(cells.iter().eq(known.iter().map(|(key, amount)| (*key, *amount))));
            // And when most are taken back.
            let few: Cells = known.iter().take(kept).fold(Cells::default(), |mut few, (key, amount)| {
                few.add(*key, *amount);
                few
            });
            known.iter().skip(kept).for_each(|(key, amount)| cells.add(*key, -amount));
            prop_assert_eq!(&cells, &few);
            prop_assert_eq!(cells.is_empty(), known.is_empty() || kept == 0);
        }
    }
}
