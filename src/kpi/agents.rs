//! Agents: how busy they are, and what a call that came now could expect of them.
//!
//! Time is in one state at a time; login is all of them together. What is called occupancy, utilization and
//! availability differs between vendors: docs/kpis.md says which is which here.

use super::record::Kpi;
use super::view::{View, mean_seconds, ratio};
use crate::fact::{Measure, Standing};
use std::borrow::Cow;

const HOUR_MS: i64 = 3_600_000;

fn time(view: &View<'_>, standing: Standing) -> i64 {
    view.time.as_ref().map_or(0, |time| time.of(standing))
}

fn login(view: &View<'_>) -> i64 {
    view.time.as_ref().map_or(0, |time| time.login())
}

pub fn occupancy(view: &View<'_>) -> Kpi {
    let handling = time(view, Standing::Handling);
    ratio(handling, handling + time(view, Standing::Available))
}

pub fn occupancy_of_login(view: &View<'_>) -> Kpi {
    ratio(time(view, Standing::Handling), login(view))
}

pub fn availability(view: &View<'_>) -> Kpi {
    ratio(time(view, Standing::Available), login(view))
}

/// Of the time that is paid: what nobody schedules has no value.
pub fn utilization(view: &View<'_>) -> Kpi {
    ratio(time(view, Standing::Handling), 0)
}

pub fn login_time(view: &View<'_>) -> Kpi {
    let login = login(view);
    Kpi {
        value: Some(login as f64 / 1000.0),
        unit: Some(Cow::Borrowed("s")),
        numerator_ms: Some(login),
        denominator: Some(1),
        ..Kpi::default()
    }
}

/// Connections that ended per hour logged in.
pub fn contacts_per_hour(view: &View<'_>) -> Kpi {
    per_hour(view, login(view))
}

/// Per hour of the window.
pub fn contacts_per_hour_clock(view: &View<'_>) -> Kpi {
    per_hour(view, view.length_ms.unwrap_or(0))
}

/// Per hour logged in and not paused.
pub fn contacts_per_hour_productive(view: &View<'_>) -> Kpi {
    per_hour(view, login(view) - time(view, Standing::Paused))
}

fn per_hour(view: &View<'_>, of_ms: i64) -> Kpi {
    Kpi { unit: Some(Cow::Borrowed("per_hour")), ..ratio(view.get(Measure::Handled) * HOUR_MS, of_ms) }
}

/// How long a call that entered now could expect to wait: until so many agents have become free as stand
/// before it, itself included. Agents become free one handle time after the other, together as often as there
/// are agents at work.
pub fn expected_wait(view: &View<'_>) -> Kpi {
    let agents = |standing: Standing| view.get(standing.agents());
    let available = agents(Standing::Available);
    let at_work = agents(Standing::Handling) + agents(Standing::Ringing) + available;
    let before = (view.waiting.count() + 1 - available).max(0);
    let (handle_ms, handled) = view.handle.unwrap_or_default();
    mean_seconds(before * handle_ms, handled * at_work.max(0))
}
