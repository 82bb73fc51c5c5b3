//! Sums: facts added up for a projection. What is asked for all the time stands in its place: the
//! measures.

use super::cells::Cells;
use crate::fact::{Distribution, Facts, Key, MEASURES, Measure, Reason};
use crate::histogram::Cell;

/// A sum of facts. Equal if they hold the same.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// None until the first: agents have no facts by entry.
    measures: Option<Box<[i64; MEASURES]>>,
    cells: Cells,
    /// Agents paused by reason, and the moments.
    reasons: Facts,
}

impl Sums {
    pub fn add(&mut self, key: Key, amount: i64) {
        match key.index() {
            Some(index) => self.measures.get_or_insert_with(|| Box::new([0; MEASURES]))[index] += amount,
            None if key.reason().is_some() => self.reasons.add(key, amount),
            None => self.cells.add(key, amount),
        }
    }

    /// Adds facts, each `sign` times.
    pub fn add_all(&mut self, facts: &[(Key, i64)], sign: i64) {
        for (key, amount) in facts {
            self.add(*key, amount * sign);
        }
    }

    /// Adds another sum.
    pub fn add_sums(&mut self, other: &Sums) {
        if let Some(more) = &other.measures {
            let measures = self.measures.get_or_insert_with(|| Box::new([0; MEASURES]));
            measures.iter_mut().zip(more.iter()).for_each(|(sum, more)| *sum += more);
        }
        for (key, amount) in other.cells.iter() {
            self.cells.add(key, amount);
        }
        self.reasons.add_all(other.reasons.as_slice(), 1);
    }

    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
            && self.reasons.is_empty()
            && self.measures.iter().flat_map(|all| all.iter()).all(|amount| *amount == 0)
    }

    pub fn get(&self, measure: Measure) -> i64 {
        self.measures.as_ref().map_or(0, |all| all[measure as usize])
    }

    /// The amount of any key but a cell's.
    pub fn of(&self, key: Key) -> i64 {
        match key.index() {
            Some(index) => self.measures.as_ref().map_or(0, |all| all[index]),
            None => self.reasons.get(key),
        }
    }

    /// The reasons that hold something, in the order of their numbers.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> + Clone {
        let mut last = None;
        let reasons = self.reasons.as_slice().iter().filter_map(|(key, _)| key.reason());
        reasons.filter(move |reason| last.replace(*reason) != Some(*reason))
    }

    /// The cells of a distribution that hold something, shortest first.
    pub fn cells(&self, distribution: Distribution) -> impl Iterator<Item = (Cell, i64)> {
        self.cells.of(distribution)
    }

    /// The same sum as facts.
    pub fn to_facts(&self) -> Facts {
        let measures = Measure::ALL.iter().map(|measure| (Key::measure(*measure), self.get(*measure)));
        measures.chain(self.cells.iter()).chain(self.reasons.as_slice().iter().copied()).collect()
    }
}

impl PartialEq for Sums {
    fn eq(&self, other: &Sums) -> bool {
        Measure::ALL.iter().all(|measure| self.get(*measure) == other.get(*measure))
            && self.cells == other.cells
            && self.reasons == other.reasons
    }
}

impl Eq for Sums {}
