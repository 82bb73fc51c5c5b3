//! Sums: what a projection reads, whether it is kept densely (running windows, totals) or sparsely
//! (panes, intervals).

use crate::fact::{Distribution, Facts, Key, MEASURES, Measure};

/// A sum of facts that can be asked.
pub trait Summed {
    fn get(&self, measure: Measure) -> i64;

    /// The cells of a distribution that hold something, shortest first.
    fn cells(&self, distribution: Distribution) -> &[(Key, i64)];
}

/// A dense sum: measures in place, cells sparse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    measures: Box<[i64; MEASURES]>,
    cells: Facts,
}

impl Default for Sums {
    fn default() -> Self {
        Sums { measures: Box::new([0; MEASURES]), cells: Facts::default() }
    }
}

impl Sums {
    pub fn add(&mut self, key: Key, amount: i64) {
        match key.index() {
            Some(index) => self.measures[index] += amount,
            None => self.cells.add(key, amount),
        }
    }

    /// Adds facts, each `sign` times.
    pub fn add_all(&mut self, facts: &[(Key, i64)], sign: i64) {
        for (key, amount) in facts {
            self.add(*key, amount * sign);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.measures.iter().all(|amount| *amount == 0)
    }

    /// The same sum, kept sparsely.
    pub fn to_facts(&self) -> Facts {
        let measures = Measure::ALL.iter().map(|measure| (Key::measure(*measure), self.get(*measure)));
        measures.chain(self.cells.as_slice().iter().copied()).collect()
    }
}

impl Summed for Sums {
    fn get(&self, measure: Measure) -> i64 {
        self.measures[measure as usize]
    }

    fn cells(&self, distribution: Distribution) -> &[(Key, i64)] {
        self.cells.distribution(distribution)
    }
}

impl Summed for Facts {
    fn get(&self, measure: Measure) -> i64 {
        Facts::get(self, measure)
    }

    fn cells(&self, distribution: Distribution) -> &[(Key, i64)] {
        self.distribution(distribution)
    }
}
