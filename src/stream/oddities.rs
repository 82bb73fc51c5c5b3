//! Oddities: what sources left out, counted as it is booked.

use crate::fact::{Key, Measure};
use crate::life::booking::{Booking, What};

/// Bookings since the last commit, less what they take back.
#[derive(Clone, Copy, Default)]
pub struct Oddities {
    pub implied: i64,
    pub lost: i64,
}

impl Oddities {
    pub fn take(&mut self, booking: &Booking<'_>) {
        if booking.what == What::Fact(Key::measure(Measure::Implied)) {
            self.implied += booking.amount;
        } else if booking.what == What::Fact(Key::measure(Measure::Lost)) {
            self.lost += booking.amount;
        }
    }
}
