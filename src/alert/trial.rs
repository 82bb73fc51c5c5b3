//! The trial of a rule: what it would have told of one entity, from what its numbers were when.
//!
//! ```text
//! readings  ──a──┬────b────┬──c── they hold until others are seen; between them `for` and `keep_firing_for` end,
//! alert          └─pending─┴fires and hours open and close
//! ```
//!
//! The same state as live, looked at when something may change and not every second: the law is that more looks at the
//! same readings tell the same. Instants stand at the ends of seconds, as the looks do.

use super::condition::Level;
use super::hours::Hours;
use super::reading::Reading;
use super::rule::Rule;
use super::state::{AlertState, Phase, Step, Why};
use crate::calendar::Zone;
use crate::time::{EventTime, Span};

/// What fires again this soon after it resolved flaps.
pub const FLAP_WITHIN: Span = Span::from_hours(1);

/// Once firing, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Period {
    /// When the condition began to hold.
    pub since: EventTime,
    pub fired: EventTime,
    /// None if it fires still.
    pub resolved: Option<(EventTime, Why)>,
    /// The first level's worst reading from `since` on; none if it had none.
    pub peak: Option<Reading>,
}

/// When a rule is in force for an entity.
#[derive(Clone, Copy, Debug)]
pub struct InForce<'a> {
    /// That of its tenant.
    pub zone: &'a Zone,
    /// Always if there are none.
    pub hours: Option<&'a Hours>,
}

/// One rule's way through one entity's readings.
pub struct Trial<'r> {
    rule: &'r Rule,
    when: InForce<'r>,
    state: AlertState,
    readings: Vec<Option<Reading>>,
    is_open: bool,
    /// When the hours may next open or close; none if there are none.
    edge: Option<EventTime>,
    peak: Option<Reading>,
    periods: Vec<Period>,
}

/// What periods come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub fired: usize,
    pub flaps: usize,
    /// From firing to resolved; what fires still is counted up to the end.
    pub firing: Span,
    pub longest: Span,
}

impl Period {
    pub fn length(&self, until: EventTime) -> Span {
        self.resolved.map_or(until, |(at, _)| at).since(self.fired)
    }
}

impl Sum {
    /// Of the periods of one entity, in order.
    pub fn of(periods: &[Period], until: EventTime) -> Sum {
        let mut sum = Sum { fired: periods.len(), ..Sum::default() };
        for period in periods {
            let length = period.length(until);
            sum.firing = Span(sum.firing.0 + length.0);
            sum.longest = sum.longest.max(length);
        }
        let again = periods.windows(2).filter_map(|pair| Some(pair[1].fired.since(pair[0].resolved?.0)));
        sum.flaps = again.filter(|after| *after <= FLAP_WITHIN).count();
        sum
    }

    pub fn and(self, other: Sum) -> Sum {
        Sum {
            fired: self.fired + other.fired,
            flaps: self.flaps + other.flaps,
            firing: Span(self.firing.0 + other.firing.0),
            longest: self.longest.max(other.longest),
        }
    }
}

impl<'r> Trial<'r> {
    pub fn new(rule: &'r Rule, when: InForce<'r>) -> Trial<'r> {
        let (state, readings, periods) = (AlertState::default(), Vec::new(), Vec::new());
        Trial { rule, when, state, readings, is_open: true, edge: None, peak: None, periods }
    }

    /// A reading of each level, as it is from an instant on. Instants never go back.
    pub fn see(&mut self, at: EventTime, readings: &[Option<Reading>]) {
        match self.readings.is_empty() {
            true => self.find_edge(at),
            false => self.go_on(at),
        }
        self.readings.clear();
        self.readings.extend_from_slice(readings);
        self.look(at);
    }

    /// What happened up to an instant.
    pub fn end(mut self, at: EventTime) -> Vec<Period> {
        if !self.readings.is_empty() {
            self.go_on(at);
            self.look(at);
        }
        self.periods
    }

    /// Takes what comes by itself before an instant.
    fn go_on(&mut self, to: EventTime) {
        loop {
            let due = match self.state.phase {
                Phase::Pending { held, seen: Some(seen), .. } => Some(seen.plus(Span(self.rule.hold.0 - held.0))),
                Phase::Firing { clear: Some(clear), .. } => Some(clear.plus(self.rule.keep)),
                _ => None,
            };
            let next = due.map(|due| due.second().last()).into_iter().chain(self.edge).min();
            let Some(next) = next.filter(|next| *next < to) else { return };
            self.look(next);
        }
    }

    fn look(&mut self, at: EventTime) {
        if self.edge.is_some_and(|edge| edge <= at) {
            self.find_edge(at);
        }
        if !self.is_open {
            let step = self.state.end(Why::Closed);
            self.take(step, at);
            self.peak = None;
            return;
        }
        let step = self.state.look(self.rule, &self.readings, at);
        if self.state.is_quiet() {
            self.take(step, at);
            self.peak = None;
            return;
        }
        let level = self.rule.when.levels()[0];
        self.peak = self.readings[0].filter(|reading| is_worse(level, reading, self.peak.as_ref())).or(self.peak);
        self.take(step, at);
        if let (Some(period), Phase::Firing { .. }) = (self.periods.last_mut(), self.state.phase) {
            period.peak = self.peak;
        }
    }

    fn take(&mut self, step: Option<Step>, at: EventTime) {
        match step {
            Some(Step::Fires { since }) => {
                self.periods.push(Period { since, fired: at, resolved: None, peak: self.peak });
            }
            Some(Step::Resolves { why, .. }) => {
                let period = self.periods.last_mut().expect("what resolves has fired");
                period.resolved = Some((at, why));
            }
            None => {}
        }
    }

    /// Whether it is open, and when that may change.
    fn find_edge(&mut self, at: EventTime) {
        let Some(hours) = self.when.hours else { return };
        self.is_open = hours.is_open(self.when.zone, at);
        self.edge = Some(hours.holds_until(self.when.zone, at).second().last());
    }
}

/// Whether a reading lies further on the side on which the level fires.
fn is_worse(level: &Level, reading: &Reading, than: Option<&Reading>) -> bool {
    match (reading.value, than.and_then(|than| than.value)) {
        (Some(value), Some(known)) => {
            if level.is_above {
                known < value
            } else {
                value < known
            }
        }
        (value, _) => value.is_some(),
    }
}
