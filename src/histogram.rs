//! The histogram's cells: fixed edges, so that cells of different panes, windows and instances add up.
//!
//! ```text
//! 0        exactly 0
//! to 600 s two cells a second: (k-1, k) and exactly k
//! to 1 h   5 s wide            (lo, hi]
//! to 24 h  30 s wide
//! to 31 d  15 min wide, and the last cell holds everything longer too
//! ```
//!
//! Every whole second up to ten minutes is an edge from both sides, so a service level is exact with
//! `<=` and with `<`.

use std::fmt;

/// A cell, counted from the shortest duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(pub u16);

/// A stretch of equally wide cells above ten minutes; all in milliseconds.
struct Stretch {
    from: i64,
    to: i64,
    width: i64,
    first: u16,
}

const FINE_MS: i64 = 600_000;
const FINE_LAST: u16 = 1_200;
const STRETCHES: [Stretch; 3] = [
    Stretch { from: FINE_MS, to: 3_600_000, width: 5_000, first: FINE_LAST + 1 },
    Stretch { from: 3_600_000, to: 86_400_000, width: 30_000, first: FINE_LAST + 601 },
    Stretch { from: 86_400_000, to: 2_678_400_000, width: 900_000, first: FINE_LAST + 3_361 },
];

/// The last cell.
pub const LAST: Cell = Cell(FINE_LAST + 3_360 + 2_880);

impl Cell {
    /// The cell of a duration in milliseconds; a negative one counts as 0.
    pub fn of(millis: i64) -> Cell {
        if millis <= 0 {
            return Cell(0);
        }
        if millis <= FINE_MS {
            let upper = (millis + 999) / 1000;
            return Cell((2 * upper - i64::from(millis % 1000 != 0)) as u16);
        }
        for Stretch { from, to, width, first } in &STRETCHES {
            if millis <= *to {
                return Cell(first + ((millis - from + width - 1) / width - 1) as u16);
            }
        }
        LAST
    }

    /// The upper edge of the cell in milliseconds: nothing in it is longer, but for the last cell.
    pub fn upper_edge_ms(self) -> i64 {
        if self.0 <= FINE_LAST {
            return i64::from(self.0.div_ceil(2)) * 1000;
        }
        let stretch = STRETCHES.iter().rev().find(|stretch| stretch.first <= self.0).expect("a stretch begins at 1201");
        stretch.from + (i64::from(self.0 - stretch.first) + 1) * stretch.width
    }

    /// The last cell that is within a threshold: `<=` if `inclusive`, else `<`. The threshold is an
    /// edge; above ten minutes only `inclusive` is exact.
    pub fn last_within(threshold_ms: i64, inclusive: bool) -> Option<Cell> {
        let at = Cell::of(threshold_ms);
        if inclusive { Some(at) } else { at.0.checked_sub(1).map(Cell) }
    }
}

/// A threshold that is no edge, with the nearest two that are; milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEdge {
    pub below: i64,
    pub above: i64,
}

/// Whether distributions are exact at this many milliseconds.
pub fn check_edge(millis: i64) -> Result<(), NoEdge> {
    let width = match millis {
        ..=FINE_MS => 1_000,
        _ => STRETCHES.iter().find(|stretch| millis <= stretch.to).map_or(900_000, |stretch| stretch.width),
    };
    let below = millis.div_euclid(width) * width;
    if millis == below { Ok(()) } else { Err(NoEdge { below, above: below + width }) }
}

impl fmt::Display for NoEdge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no edge of the distributions; choose {}s or {}s", self.below / 1000, self.above / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_follows_the_one_before() {
        for cell in 1..=LAST.0 {
            let upper = Cell(cell).upper_edge_ms();
            let inside = if cell < FINE_LAST && cell % 2 == 1 { upper - 1 } else { upper };
            assert_eq!(Cell::of(inside), Cell(cell), "upper edge {upper}");
            assert!(Cell(cell - 1).upper_edge_ms() <= upper);
        }
        assert_eq!(LAST.upper_edge_ms(), 31 * 86_400_000);
        assert_eq!(Cell::of(i64::MAX), LAST);
    }

    #[test]
    fn a_threshold_is_exact_from_both_sides_up_to_ten_minutes() {
        for second in 0..=600 {
            for millis in [second * 1000 - 1, second * 1000, second * 1000 + 1] {
                let cell = Cell::of(millis);
                let le = Cell::last_within(second * 1000, true).is_some_and(|last| cell <= last);
                let lt = Cell::last_within(second * 1000, false).is_some_and(|last| cell <= last);
                assert_eq!((le, lt), (millis.max(0) <= second * 1000, millis.max(0) < second * 1000), "{millis}");
            }
        }
    }

    #[test]
    fn names_the_nearest_edges() {
        assert_eq!(check_edge(20_000), Ok(()));
        assert_eq!(check_edge(20_500), Err(NoEdge { below: 20_000, above: 21_000 }));
        assert_eq!(check_edge(603_000), Err(NoEdge { below: 600_000, above: 605_000 }));
        assert_eq!(check_edge(3_610_000), Err(NoEdge { below: 3_600_000, above: 3_630_000 }));
    }
}
