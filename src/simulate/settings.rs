//! Settings of the simulated centre, and the shape of its day.

use crate::event::DEFAULT_TENANT;
use crate::time::EventTime;

/// The queues, in this order everywhere.
pub const QUEUES: usize = 4;
pub(super) const SALES: usize = 0;
pub(super) const SUPPORT: usize = 1;
pub(super) const BILLING: usize = 2;
pub(super) const VIP: usize = 3;

pub(super) const SECOND: i64 = 1000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// What centre to simulate.
#[derive(Clone, Debug)]
pub struct SimSettings {
    /// Equal seeds and settings give equal events, on every machine.
    pub seed: u64,
    /// How many contacts begin, over all tenants; callbacks come on top. `u64::MAX` never ends.
    pub calls: u64,
    pub start: EventTime,
    /// Contacts an hour and tenant, the mean over a day.
    pub calls_per_hour: u64,
    /// Agents of each tenant, at least one; absent means as many as the rate of calls needs. Fewer than 24
    /// serve every queue, and fewer than eight leave the night without anybody.
    pub agents: Option<usize>,
    pub shape: Shape,
    /// The names of sales, support, billing and vip, in this order.
    pub queues: [String; QUEUES],
    /// Each tenant has a centre of its own; at least one.
    pub tenants: Vec<String>,
    /// How late an event may be sent after its time; 0 sends all in order.
    pub disorder_ms: i64,
    /// How many events in a thousand are sent twice.
    pub repeats_per_mille: u64,
    pub marks: Marks,
    /// Whether the books are kept. They grow by the hour, so an endless centre may do without.
    pub keeps_books: bool,
}

/// How a day goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Quiet at night, full in the late morning, agents in shifts, sales and billing closed at night. UTC.
    Daily,
    /// Every hour alike, all agents there: for a demo that may begin at any hour.
    Flat,
}

/// What a source gives to tell its events apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// Neither `event_id` nor `seq`.
    Bare,
    Seq,
    EventId,
    Both,
}

impl Default for SimSettings {
    fn default() -> SimSettings {
        SimSettings {
            seed: 1,
            calls: 10_000,
            // Monday, 2026-03-02T00:00:00Z.
            start: EventTime(1_772_409_600_000),
            calls_per_hour: 62,
            agents: None,
            shape: Shape::Daily,
            queues: ["sales", "support", "billing", "vip"].map(String::from),
            tenants: vec![DEFAULT_TENANT.to_string()],
            disorder_ms: 0,
            repeats_per_mille: 0,
            marks: Marks::Both,
            keeps_books: true,
        }
    }
}

impl SimSettings {
    /// Agents of each tenant: 24 for the default rate of a daily centre. A larger one needs fewer in
    /// proportion.
    pub(super) fn agents(&self) -> usize {
        let calls_per_agents = match self.shape {
            Shape::Daily => 62,
            Shape::Flat => 240,
        };
        let in_proportion = (self.calls_per_hour as usize * 24).div_ceil(calls_per_agents);
        let needed = (in_proportion * 88 + (in_proportion * 24).isqrt() * 12) / 100;
        self.agents.unwrap_or(needed.max(8)).max(1)
    }

    /// Contacts in a thousand hours like the one that holds the instant.
    pub(super) fn rate_at(&self, at: EventTime) -> u64 {
        let mean = self.calls_per_hour * 1000;
        match self.shape {
            Shape::Flat => mean,
            Shape::Daily => {
                let weekday = (at.0.div_euclid(DAY) + 3).rem_euclid(7) as usize;
                mean * 24 * BY_HOUR[hour_of_day(at)] / BY_HOUR_SUM * BY_WEEKDAY[weekday] / 1000
            }
        }
    }

    pub(super) fn is_open(&self, queue: usize, at: EventTime) -> bool {
        let (opens, closes) = match (self.shape, queue) {
            (Shape::Daily, SALES) => (7, 22),
            (Shape::Daily, BILLING) => (8, 20),
            _ => (0, 24),
        };
        (opens..closes).contains(&hour_of_day(at))
    }
}

pub(super) fn hour_of_day(at: EventTime) -> usize {
    (at.0.rem_euclid(DAY) / HOUR) as usize
}

/// How the contacts of a day fall on its hours; it follows the shifts of `duty`.
const BY_HOUR: [u64; 24] =
    [19, 16, 14, 13, 14, 17, 21, 29, 66, 108, 123, 128, 129, 141, 146, 137, 105, 68, 43, 35, 29, 23, 25, 22];
const BY_HOUR_SUM: u64 = 1471;

/// Thousandths of a mean day, from Monday.
const BY_WEEKDAY: [u64; 7] = [1080, 1040, 1020, 1000, 980, 940, 940];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_has_the_mean_rate() {
        let settings = SimSettings::default();
        assert_eq!(BY_HOUR.iter().sum::<u64>(), BY_HOUR_SUM);
        let week: u64 = (0..7 * 24).map(|hour| settings.rate_at(EventTime(settings.start.0 + hour * HOUR))).sum();
        let mean = week / (7 * 24);
        assert!((61_900..=62_000).contains(&mean), "{mean}");
    }

    #[test]
    fn the_week_begins_on_monday() {
        let settings = SimSettings::default();
        let noon = |day: i64| settings.rate_at(EventTime(settings.start.0 + day * DAY + 12 * HOUR));
        assert!(noon(6) < noon(4) && noon(4) < noon(0));
        assert_eq!(noon(7), noon(0));
    }
}
