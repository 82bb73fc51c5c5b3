//! Concurrency: calls in a queue or connected at once, at second boundaries.

use super::record::Kpi;
use super::view::{View, calls};

pub fn concurrent_calls_max(view: &View<'_>) -> Kpi {
    match view.concurrent_max {
        Some(max) => calls(max),
        None => Kpi { value: None, ..calls(0) },
    }
}

pub fn concurrent_calls_now(view: &View<'_>) -> Kpi {
    calls(view.concurrent_now)
}
