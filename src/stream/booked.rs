//! Booked: what calls amount to, on its way into a batch, and what became of the events.

use super::batch::Rows;
use super::oddities::Oddities;
use crate::life::booking::Booking;
use crate::life::log::CallLog;
use crate::life::routes::Routes;
use crate::life::settle::Settled;
use metrics::{counter, gauge};

/// What became of events since the last commit, and what is told of calls.
#[derive(Default)]
pub struct Fates {
    pub accepted: u64,
    pub repeated: u64,
    pub not_used: u64,
    pub unknown_type: u64,
    implied: Highest,
    lost: Highest,
    /// Calls held, as last told.
    held: usize,
}

/// A count that corrections may lower, and how much of it was told: what was told once stays.
#[derive(Default)]
struct Highest {
    count: i64,
    told: i64,
}

impl Fates {
    /// Adds them to the program's own metrics, and begins anew. `held` is how many calls are held.
    pub fn tell(&mut self, booked: Oddities, held: usize) {
        let take = std::mem::take::<u64>;
        let fates = [
            ("accepted", take(&mut self.accepted)),
            ("repeated", take(&mut self.repeated)),
            ("not_used", take(&mut self.not_used)),
            ("unknown_type", take(&mut self.unknown_type)),
        ];
        for (fate, count) in fates {
            counter!("callpulse_events_total", "fate" => fate).increment(count);
        }
        counter!("callpulse_visits_implied_total").increment(self.implied.rise(booked.implied));
        counter!("callpulse_calls_lost_total").increment(self.lost.rise(booked.lost));
        // By the difference, since other workers hold calls too.
        gauge!("callpulse_calls").increment(held as f64 - self.held as f64);
        self.held = held;
    }
}

impl Drop for Fates {
    fn drop(&mut self) {
        gauge!("callpulse_calls").decrement(self.held as f64);
    }
}

impl Highest {
    /// By how much it is higher than ever.
    fn rise(&mut self, by: i64) -> u64 {
        self.count += by;
        let rise = (self.count - self.told).max(0);
        self.told += rise;
        rise as u64
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
        rows.oddities.take(&booking);
        call.book(booking, rows);
    });
    call.finish(rows);
    settled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_once_is_not_told_again_after_a_correction() {
        let mut lost = Highest::default();
        let told = [2, -1, 1, -2, 1, 3].map(|by| lost.rise(by));
        assert_eq!(told, [2, 0, 0, 0, 0, 2]);
    }
}
