//! Cells: the amounts of every distribution's cells, in order.
//!
//! ```text
//! few    sorted pairs: an agent's quarter of an hour holds a dozen
//! many   pages of 32 cells, found by their number: a tenant's week is asked for the same cells again and again
//! ```
//!
//! Pages cost more memory for a lone cell and a third of the time for all others, so they pay from
//! some hundred cells on.

use crate::fact::{Distribution, Facts, Key};
use crate::histogram::{Cell, LAST};

/// Cells with amounts other than 0. Equal if they hold the same, however it is kept.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    few: Facts,
    many: Option<Box<Pages>>,
}

const PAGE: usize = 32;
/// Pages of one distribution.
const STRIDE: usize = LAST.0 as usize / PAGE + 1;
/// Kept in pages from so many cells on.
const MANY: usize = 192;
/// Kept as pairs again from so few on.
const FEW: usize = 64;

#[derive(Clone, Debug)]
struct Pages {
    /// Each page's place in `pages` plus one; 0 for none.
    places: [u16; STRIDE * Distribution::ALL.len()],
    pages: Vec<[i64; PAGE]>,
    /// Cells other than 0.
    held: usize,
}

impl Cells {
    pub fn is_empty(&self) -> bool {
        self.few.is_empty() && self.many.is_none()
    }

    pub fn add(&mut self, key: Key, amount: i64) {
        match &mut self.many {
            None => {
                self.few.add(key, amount);
                if MANY <= self.few.as_slice().len() {
                    self.many = Some(Box::new(Pages::of(&std::mem::take(&mut self.few))));
                }
            }
            Some(pages) => {
                pages.add(key, amount);
                if pages.held <= FEW {
                    self.few = self.iter().collect();
                    self.many = None;
                }
            }
        }
    }

    /// The cells of a distribution, shortest first.
    pub fn of(&self, distribution: Distribution) -> impl Iterator<Item = (Cell, i64)> {
        let few = self.few.distribution(distribution).iter().map(|(key, amount)| (key.to_cell().1, *amount));
        few.chain(self.many.iter().flat_map(move |pages| pages.of_distribution(distribution)))
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

impl Pages {
    fn of(cells: &Facts) -> Pages {
        let mut pages = Pages { places: [0; STRIDE * Distribution::ALL.len()], pages: Vec::new(), held: 0 };
        for (key, amount) in cells.as_slice() {
            pages.add(*key, *amount);
        }
        pages
    }

    fn add(&mut self, key: Key, amount: i64) {
        let (distribution, Cell(cell)) = key.to_cell();
        let cell = usize::from(cell);
        let place = &mut self.places[distribution * STRIDE + cell / PAGE];
        if *place == 0 {
            self.pages.push([0; PAGE]);
            *place = self.pages.len() as u16;
        }
        let held = &mut self.pages[usize::from(*place) - 1][cell % PAGE];
        let was = *held;
        *held += amount;
        self.held = self.held + usize::from(*held != 0) - usize::from(was != 0);
    }

    fn of_distribution(&self, distribution: Distribution) -> impl Iterator<Item = (Cell, i64)> {
        let start = distribution as usize * STRIDE;
        let places = self.places[start..start + STRIDE].iter().enumerate().filter(|(_, place)| **place != 0);
        places.flat_map(|(page, place)| {
            let cells = self.pages[usize::from(*place) - 1].iter().enumerate().filter(|(_, amount)| **amount != 0);
            cells.map(move |(cell, amount)| (Cell((page * PAGE + cell) as u16), *amount))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn cells_hold_what_was_added_however_they_are_kept(
            added in proptest::collection::vec((0..6_usize, 0..100_u16, -1..3_i64), 0..900),
            kept in 0..400_usize,
        ) {
            let (mut cells, mut known) = (Cells::default(), BTreeMap::new());
            let step = LAST.0 / 99;
            let facts = added.iter().map(|(distribution, cell, amount)| {
                (Key::cell(Distribution::ALL[*distribution], Cell((cell * step).min(LAST.0))), *amount)
            });
            for (key, amount) in facts {
                cells.add(key, amount);
                *known.entry(key).or_insert(0) += amount;
            }
            known.retain(|_, amount| *amount != 0);
            prop_assert!(cells.iter().eq(known.iter().map(|(key, amount)| (*key, *amount))));
            // Down to fewer than are kept in pages.
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
