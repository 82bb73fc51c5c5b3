//! Settling: what a call's log amounts to, or what its last event adds to that.
//!
//! Both run the same fold. The law: what every event added, one after the other, sums up to what the
//! whole log amounts to.

use super::booking::Booking;
use super::fold::{Fold, Life};
use super::log::CallLog;
use super::plan::Plan;
use crate::time::{EventTime, Span};
use std::cell::Cell;

/// A restart of a source: what it had open is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Restart {
    pub at: EventTime,
    /// Empty means the input's own name.
    pub source: String,
}

/// Everything a settlement depends on beside the log.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    pub plan: &'a Plan,
    pub call_id: &'a str,
    /// Restarts of the tenant's sources in the call's partition, in order.
    pub restarts: &'a [Restart],
    /// Lost is what was open too long at this instant.
    pub judged: EventTime,
}

/// What is left to expect of a settled call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The next instant at which something will be lost; none if nothing is open.
    pub next_loss: Option<EventTime>,
    /// Something was ended as lost, which a later event would take back.
    pub has_lost: bool,
    /// The last event after which nothing came.
    pub last: EventTime,
    /// Nothing is open.
    pub is_over: bool,
    /// A restart of its source would end something.
    pub is_under_way: bool,
}

impl Settled {
    /// When the call may be forgotten, if nothing is left to lose: `keep_for` is how long an event may be late.
    pub fn kept_until(&self, keep_for: Span) -> EventTime {
        // A restart within the horizon would end it, and may be told as late.
        let restart = if self.is_under_way { keep_for } else { Span(0) };
        self.last.plus(keep_for).plus(restart)
    }
}

/// Books everything the log amounts to.
pub fn settle<'a>(terms: Terms<'a>, log: &'a CallLog, book: impl FnMut(Booking<'a>)) -> Settled {
    let mut fold = Fold::new(terms.plan, terms.call_id, book);
    run(&mut fold, terms, log, |_| {});
    conclude(fold)
}

/// Books what the last event of the log adds. Holds where that event was added last, nothing was lost
/// before it and no restart follows the event before it.
pub fn settle_last<'a>(terms: Terms<'a>, log: &'a CallLog, mut book: impl FnMut(Booking<'a>)) -> Settled {
    let is_last = Cell::new(false);
    let mut fold = Fold::new(terms.plan, terms.call_id, |booking| {
        if is_last.get() {
            book(booking);
        }
    });
    run(&mut fold, terms, log, |at| is_last.set(at + 1 == log.len()));
    conclude(fold)
}

/// The lives a log tells of, oldest first.
pub fn lives<'a>(terms: Terms<'a>, log: &'a CallLog) -> Vec<Life<'a>> {
    let mut fold = Fold::new(terms.plan, terms.call_id, |_| {});
    run(&mut fold, terms, log, |_| {});
    fold.lives().cloned().collect()
}

/// Applies every event, and each restart after the events at or before its instant. `before` is told
/// each event's place.
fn run<'a, B: FnMut(Booking<'a>)>(fold: &mut Fold<'a, B>, terms: Terms<'a>, log: &'a CallLog, before: impl Fn(usize)) {
    if log.has_doubles() {
        fold.expect_doubles();
    }
    let mut restarts = terms.restarts.iter().peekable();
    for (place, moment) in log.iter().enumerate() {
        while let Some(restart) = restarts.next_if(|restart| restart.at < moment.time) {
            fold.restart(&restart.source, restart.at);
        }
        before(place);
        fold.apply(&moment, terms.judged);
    }
    for restart in restarts {
        fold.restart(&restart.source, restart.at);
    }
    fold.finish(terms.judged);
}

fn conclude<'a, B: FnMut(Booking<'a>)>(fold: Fold<'a, B>) -> Settled {
    let life = fold.lives().last();
    Settled {
        next_loss: fold.next_loss(),
        has_lost: fold.has_lost(),
        last: life.map_or(EventTime(i64::MIN), |life| life.last),
        is_over: life.is_none_or(Life::nothing_is_open),
        is_under_way: fold.is_under_way(),
    }
}
