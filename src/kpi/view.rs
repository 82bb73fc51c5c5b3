//! A view: one sum of facts, with what a KPI may ask of it.

use super::record::Kpi;
use super::settings::ServiceLevelSettings;
use crate::entity::Kind;
use crate::fact::{Distribution, Measure};
use crate::histogram::Cell;
use crate::tally::span::TimeSpent;
use crate::tally::sums::Sums;
use crate::time::EventTime;
use std::borrow::Cow;

/// Which sort of window the sum is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    Sliding,
    /// An interval that has not ended.
    OpenInterval,
    ClosedInterval,
    /// The by-entry part of an interval.
    ByEntry,
    Total,
    Now,
}

/// What is waiting, as of an instant.
pub trait Waiting {
    fn count(&self) -> i64;

    /// Calls that wait longer than the threshold, or just as long too unless that still meets it.
    fn over(&self, threshold_s: i64, met_at_threshold: bool) -> i64;

    /// When the longest waiting call entered; none if nobody waits.
    fn longest_since(&self) -> Option<EventTime>;
}

/// Facts and settings of one entity and window.
pub struct View<'a> {
    pub kind: Kind,
    pub window: WindowKind,
    pub as_of: EventTime,
    pub service_level: &'a ServiceLevelSettings,
    pub waiting: &'a dyn Waiting,
    /// The highest number of calls at once; none where it is not kept.
    pub concurrent_max: Option<i64>,
    pub concurrent_now: i64,
    /// Time of agents; none where it is not kept.
    pub time: Option<TimeSpent>,
    /// How long the window lasted so far; none of one without a beginning.
    pub length_ms: Option<i64>,
    /// Milliseconds of handling and connections handled, to expect a wait by; in `now` only.
    pub handle: Option<(i64, i64)>,
    sums: &'a Sums,
    /// Waits of all that left, shortest first.
    waits: Vec<(Cell, i64)>,
}

/// The waits of visits, by how they ended.
const WAITS: [Distribution; 4] =
    [Distribution::WaitAnswered, Distribution::WaitAbandoned, Distribution::WaitFlowedOut, Distribution::WaitCallback];

impl<'a> View<'a> {
    pub fn new(
        kind: Kind,
        window: WindowKind,
        as_of: EventTime,
        service_level: &'a ServiceLevelSettings,
        waiting: &'a dyn Waiting,
        sums: &'a Sums,
    ) -> View<'a> {
        let mut waits: Vec<(Cell, i64)> = Vec::new();
        if kind.has_visits() {
            waits.extend(WAITS.iter().flat_map(|of| sums.cells(*of)));
            waits.sort_by_key(|cell| cell.0);
        }
        View {
            kind,
            window,
            as_of,
            service_level,
            waiting,
            concurrent_max: None,
            concurrent_now: 0,
            time: None,
            length_ms: None,
            handle: None,
            sums,
            waits,
        }
    }

    pub fn get(&self, measure: Measure) -> i64 {
        self.sums.get(measure)
    }

    /// The calls that left: answered, abandoned or flowed out.
    pub fn left(&self) -> i64 {
        self.get(Measure::Answered) + self.get(Measure::Abandoned) + self.get(Measure::FlowedOut)
    }

    /// How many of a distribution are within a threshold.
    pub fn within(&self, distribution: Distribution, threshold_s: i64, inclusive: bool) -> i64 {
        let Some(last) = Cell::last_within(threshold_s * 1000, inclusive) else { return 0 };
        self.sums.cells(distribution).take_while(|(cell, _)| *cell <= last).map(|(_, count)| count).sum()
    }

    /// Abandons within the short-abandon limit, always inclusive.
    pub fn short_abandoned(&self) -> i64 {
        self.within(Distribution::WaitAbandoned, self.service_level.short_abandon_s, true)
    }

    /// A percentile of the waits of all that left.
    pub fn wait_percentile(&self, percent: i64) -> Kpi {
        percentile(|| self.waits.iter().copied(), percent)
    }

    /// A percentile of one distribution.
    pub fn percentile(&self, distribution: Distribution, percent: i64) -> Kpi {
        percentile(|| self.sums.cells(distribution), percent)
    }

    /// The upper edge of the highest cell of the waits of all that left.
    pub fn longest_wait(&self) -> Kpi {
        seconds_of_cell(self.waits.last().map(|(cell, _)| *cell))
    }
}

/// Nearest rank: the upper edge of the cell that holds it. No value if there is nothing.
fn percentile<I: Iterator<Item = (Cell, i64)>>(cells: impl Fn() -> I, percent: i64) -> Kpi {
    let count: i64 = cells().map(|(_, count)| count).sum();
    let rank = (count * percent + 99) / 100;
    let mut seen = 0;
    let found = cells().map(|(cell, count)| {
        seen += count;
        (cell, seen)
    });
    seconds_of_cell(found.filter(|(_, seen)| 0 < rank && rank <= *seen).map(|(cell, _)| cell).next())
}

fn seconds_of_cell(cell: Option<Cell>) -> Kpi {
    let value = cell.map(|cell| cell.upper_edge_ms() as f64 / 1000.0);
    Kpi { value, unit: Some(Cow::Borrowed("s")), ..Kpi::default() }
}

/// A share or rate: no value if there is nothing below the line.
pub fn ratio(numerator: i64, denominator: i64) -> Kpi {
    Kpi {
        value: (denominator != 0).then(|| numerator as f64 / denominator as f64),
        numerator: Some(numerator),
        denominator: Some(denominator),
        ..Kpi::default()
    }
}

/// A mean of milliseconds, in seconds.
pub fn mean_seconds(numerator_ms: i64, denominator: i64) -> Kpi {
    Kpi {
        value: (denominator != 0).then(|| numerator_ms as f64 / denominator as f64 / 1000.0),
        unit: Some(Cow::Borrowed("s")),
        numerator_ms: Some(numerator_ms),
        denominator: Some(denominator),
        ..Kpi::default()
    }
}

/// A number of calls.
pub fn calls(count: i64) -> Kpi {
    Kpi { value: Some(count as f64), unit: Some(Cow::Borrowed("calls")), ..Kpi::default() }
}
