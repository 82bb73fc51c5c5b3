//! Booked: what calls amount to, on its way into a batch, and what became of the events.

use super::batch::Rows;
use crate::life::booking::Booking;
use crate::life::log::CallLog;
use crate::life::routes::Routes;
use crate::life::settle::Settled;
use metrics::counter;

/// What became of events since the last commit.
#[derive(Default)]
pub struct Fates {
    pub accepted: u64,
    pub repeated: u64,
    pub not_used: u64,
    pub unknown_type: u64,
}

impl Fates {
    /// Adds them to the program's own metrics, and begins anew.
    pub fn tell(&mut self) {
        let Fates { accepted, repeated, not_used, unknown_type } = std::mem::take(self);
        let fates =
            [("accepted", accepted), ("repeated", repeated), ("not_used", not_used), ("unknown_type", unknown_type)];
        for (fate, count) in fates {
            counter!("callpulse_events_total", "fate" => fate).increment(count);
        }
    }
}

/// Books what a settlement says, `sign` times.
pub fn book<'l>(
    routes: &mut Routes,
    rows: &mut Rows,
    tenant: &'l str,
    log: &'l CallLog,
    settle: impl FnOnce(&'l CallLog, &mut dyn FnMut(Booking<'l>)) -> Settled,
    sign: i64,
) -> Settled {
    let Some(first) = log.iter().next() else {
        return settle(log, &mut |_| {});
    };
    let mut call = routes.call(tenant, first.channel);
    let settled = settle(log, &mut |mut booking| {
        booking.amount *= sign;
        call.book(booking, rows);
    });
    call.finish(rows);
    settled
}
