//! Service level: the share of calls answered within the threshold.
//!
//! ```text
//! exclude_short_abandons (default) = answered in time / (answered + abandoned - short abandons)
//! ```
//!
//! Ten formulas, since the trade has no one definition; each record names the one it used. Where a
//! denominator says "all that left", the by-entry part means all that entered and left. Source:
//! docs/kpis.md, "Service level", which names the products that use each.

use super::record::Kpi;
use super::settings::Formula;
use super::view::{View, WindowKind, ratio};
use crate::fact::{Distribution, Measure};
use std::borrow::Cow;

/// One formula in words, for the catalogue.
pub const FORMULAS: [(Formula, &str, &str); 10] = [
    (Formula::AnsweredOnly, "A_T / A", "Asterisk ServicelevelPerf, Wazo, VICIdial"),
    (Formula::IgnoreAbandonedWithin, "A_T / (L - B_T)", "Cisco \"ignore abandons\""),
    (Formula::Offered, "A_T / L", "Cisco \"negative\", 3CX, Genesys default over A + B"),
    (Formula::AbandonedWithinAsMet, "(A_T + B_T) / L", "Cisco \"positive\", Asterisk ServicelevelPerf2"),
    (Formula::AllRemoved, "(A_T + B_T + C_T) / L", "Amazon Connect"),
    (Formula::ExcludeShortAbandons, "A_T / (A + B - Bs)", "Genesys option, Talkdesk, D365"),
    (Formula::IncludeFlowOuts, "A_T / (L - Bs)", "Genesys option, Vonage"),
    (Formula::LateAbandonsOnly, "A_T / (A + B - B_T)", "XCALLY, Intermedia"),
    (Formula::WaitingNow, "(waiting - waiting over T) / waiting", "Altigen real time; window `now` only"),
    (
        Formula::ExpiredCounts,
        "A_T / (A + B - Bs + waiting over T)",
        "Cisco service-level event; who still waits counts in sliding and open windows only",
    ),
];

/// The service level by the settings' own formula and threshold, with its target.
pub fn service_level(view: &View<'_>) -> Kpi {
    let settings = view.service_level;
    let kpi = by(view, settings.formula, settings.threshold_s);
    let met = kpi.value.map(|value| settings.target <= value);
    Kpi { target: Some(settings.target), met, ..kpi }
}

/// The service level by any formula and threshold (whole seconds).
pub fn by(view: &View<'_>, formula: Formula, threshold_s: i64) -> Kpi {
    let inclusive = view.service_level.met_at_threshold;
    let within = |distribution| view.within(distribution, threshold_s, inclusive);
    let (answered, abandoned) = (view.get(Measure::Answered), view.get(Measure::Abandoned));
    let in_time = within(Distribution::WaitAnswered);
    let abandoned_in_time = within(Distribution::WaitAbandoned);
    let over = || view.waiting.over(threshold_s, inclusive);
    let (numerator, denominator) = match formula {
        Formula::AnsweredOnly => (in_time, answered),
        Formula::IgnoreAbandonedWithin => (in_time, view.left() - abandoned_in_time),
        Formula::Offered => (in_time, view.left()),
        Formula::AbandonedWithinAsMet => (in_time + abandoned_in_time, view.left()),
        Formula::AllRemoved => (in_time + abandoned_in_time + within(Distribution::WaitCallback), view.left()),
        Formula::ExcludeShortAbandons => (in_time, answered + abandoned - view.short_abandoned()),
        Formula::IncludeFlowOuts => (in_time, view.left() - view.short_abandoned()),
        Formula::LateAbandonsOnly => (in_time, answered + abandoned - abandoned_in_time),
        Formula::WaitingNow => match view.window {
            WindowKind::Now => (view.waiting.count() - over(), view.waiting.count()),
            _ => (0, 0),
        },
        Formula::ExpiredCounts => {
            let still = match view.window {
                WindowKind::Sliding | WindowKind::OpenInterval => over(),
                _ => 0,
            };
            (in_time, answered + abandoned - view.short_abandoned() + still)
        }
    };
    Kpi {
        formula: Some(Cow::Borrowed(formula.word())),
        threshold_s: Some(threshold_s),
        ..ratio(numerator, denominator)
    }
}
