//! Handling: what agents do with calls, per connection that ended.
//!
//! Handle times are of inbound connections; `average_handle_time_all` adds outbound and internal ones.

use super::record::Kpi;
use super::view::{View, mean_seconds, ratio};
use crate::fact::{Distribution, Measure};
use std::borrow::Cow;

fn inbound(view: &View<'_>, all: Measure, not_inbound: Measure) -> i64 {
    view.get(all) - view.get(not_inbound)
}

fn handled(view: &View<'_>) -> i64 {
    inbound(view, Measure::Handled, Measure::HandledNotInbound)
}

fn talk(view: &View<'_>) -> i64 {
    inbound(view, Measure::Talk, Measure::TalkNotInbound)
}

fn hold(view: &View<'_>) -> i64 {
    inbound(view, Measure::Hold, Measure::HoldNotInbound)
}

fn wrapup(view: &View<'_>) -> i64 {
    inbound(view, Measure::Wrapup, Measure::WrapupNotInbound)
}

/// AHT: talk, hold and wrap-up booked in the window, by connections handled in it.
pub fn average_handle_time(view: &View<'_>) -> Kpi {
    mean_seconds(talk(view) + hold(view) + wrapup(view), handled(view))
}

pub fn average_handle_time_all(view: &View<'_>) -> Kpi {
    let handling = view.get(Measure::Talk) + view.get(Measure::Hold) + view.get(Measure::Wrapup);
    mean_seconds(handling, view.get(Measure::Handled))
}

/// Connected time, talk and hold.
pub fn average_call_time(view: &View<'_>) -> Kpi {
    mean_seconds(talk(view) + hold(view), handled(view))
}

pub fn average_talk_time(view: &View<'_>) -> Kpi {
    mean_seconds(talk(view), handled(view))
}

/// Over held connections.
pub fn average_hold_time(view: &View<'_>) -> Kpi {
    mean_seconds(hold(view), inbound(view, Measure::Held, Measure::HeldNotInbound))
}

pub fn average_hold_time_all(view: &View<'_>) -> Kpi {
    mean_seconds(hold(view), handled(view))
}

pub fn average_wrapup_time(view: &View<'_>) -> Kpi {
    mean_seconds(wrapup(view), handled(view))
}

pub fn call_time_p50(view: &View<'_>) -> Kpi {
    view.percentile(Distribution::CallTime, 50)
}

pub fn call_time_p90(view: &View<'_>) -> Kpi {
    view.percentile(Distribution::CallTime, 90)
}

pub fn handle_p50(view: &View<'_>) -> Kpi {
    view.percentile(Distribution::HandleTime, 50)
}

pub fn handle_p90(view: &View<'_>) -> Kpi {
    view.percentile(Distribution::HandleTime, 90)
}

pub fn handle_p95(view: &View<'_>) -> Kpi {
    view.percentile(Distribution::HandleTime, 95)
}

pub fn handle_p99(view: &View<'_>) -> Kpi {
    view.percentile(Distribution::HandleTime, 99)
}

/// Connections ended by a transfer.
pub fn transfer_rate(view: &View<'_>) -> Kpi {
    ratio(view.get(Measure::HandedOn), view.get(Measure::Handled))
}

/// Transfers by calls with a connection that ended; a call's legs are one call for the tenant.
pub fn transfers_per_call(view: &View<'_>) -> Kpi {
    let per_call = ratio(view.get(Measure::TransferredOut), view.get(Measure::Calls));
    Kpi { unit: Some(Cow::Borrowed("per_call")), ..per_call }
}
