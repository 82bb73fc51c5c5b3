//! Numbers add up: over what became of calls, over entities, and every share is one.

use crate::cases;
use crate::centre::{ZONES, latest, records};
use crate::histories::{Reach, history};
use crate::world::{SETTINGS, any_settings};
use callpulse::kpi::record::{Count, Fields, Kpi};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Tenant, window and start of a record.
type Window = (String, String, Option<String>);

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn offered_is_answered_abandoned_flowed_out_and_waiting(
        settings in any_settings(),
        told in history(Reach::Days),
        later in prop_oneof![Just(0_i64), -4_000_000..5_000_i64, 0..50_000_000_i64],
    ) {
        let mut seen = 0;
        for record in records(&SETTINGS[settings], &told, latest(&told) + later) {
            if let Some(waiting) = record.waiting {
                prop_assert_eq!(count(&record.counts, "offered"), left(&record.counts) + waiting, "{:?}", record);
                seen += 1;
            }
            if let (Some(by_entry), Some(_)) = (&record.by_entry, record.counts.get("offered")) {
                let counts = &by_entry.counts;
                prop_assert_eq!(count(counts, "offered"), left(counts) + by_entry.waiting, "{:?}", record);
                prop_assert!(0 <= by_entry.waiting && 0 <= by_entry.unsettled, "{:?}", record);
                seen += 1;
            }
        }
        prop_assert!(seen != 0);
    }

    #[test]
    fn every_share_lies_between_nothing_and_all(
        settings in any_settings(),
        told in history(Reach::Days),
        later in prop_oneof![Just(0_i64), -4_000_000..5_000_i64, 0..50_000_000_i64],
    ) {
        for record in records(&SETTINGS[settings], &told, latest(&told) + later) {
            let by_entry = record.by_entry.iter().flat_map(|by_entry| by_entry.kpis.iter());
            for (id, kpi) in record.kpis.iter().chain(by_entry) {
                prop_assert!(is_right(kpi), "{id}: {kpi:?} in {record:?}");
            }
            let all = record.counts.iter().chain(record.by_entry.iter().flat_map(|by_entry| by_entry.counts.iter()));
            for (name, count) in all {
                let smallest = match count {
                    Count::Number(number) => *number,
                    Count::By(parts) => parts.iter().map(|(_, count)| *count).min().unwrap_or(0),
                };
                prop_assert!(0 <= smallest, "{name} in {record:?}");
            }
        }
    }

    #[test]
    fn a_tenant_is_the_sum_of_its_queues_and_of_its_agents(told in history(Reach::Days)) {
        let mut sums: BTreeMap<Window, BTreeMap<String, [i64; 2]>> = BTreeMap::new();
        let visits = ["offered", "answered", "abandoned", "flowed_out", "callbacks_offered", "lost", "implied"];
        let waits = ["wait_answered", "wait_abandoned", "wait_flowed_out"];
        let works = ["handled", "held", "transferred_out", "solicitations", "ring_no_answer"];
        for record in records(&SETTINGS[ZONES.len()], &told, latest(&told)) {
            if record.entity.channel.is_some() || record.window.kind == "now" {
                continue;
            }
            let place = (record.tenant.clone(), record.window.name.clone(), record.window.start.clone());
            let (counts, times): (&[&str], &[&str]) = match record.entity.kind.as_ref() {
                "queue" => (&visits, &waits),
                "agent" => (&works, &["talk", "hold", "wrapup"]),
                "tenant" => (&["offered", "answered", "abandoned", "flowed_out", "callbacks_offered", "lost", "implied",
                    "handled", "held", "transferred_out", "solicitations", "ring_no_answer"],
                    &["wait_answered", "wait_abandoned", "wait_flowed_out", "talk", "hold", "wrapup"]),
                _ => continue,
            };
            let side = usize::from(record.entity.kind == "tenant");
            let sums = sums.entry(place).or_default();
            for name in counts {
                sums.entry(name.to_string()).or_default()[side] += count(&record.counts, name);
            }
            for name in times {
                sums.entry(name.to_string()).or_default()[side] += record.sums_ms.get(name).copied().unwrap_or(0);
            }
            if let Some(by_entry) = record.by_entry.as_ref().filter(|_| record.entity.kind != "agent") {
                for name in ["offered", "answered", "abandoned", "flowed_out", "callbacks_offered"] {
                    sums.entry(format!("{name} by entry")).or_default()[side] += count(&by_entry.counts, name);
                }
            }
        }
        for (place, sums) in sums {
            for (name, [parts, whole]) in sums {
                prop_assert_eq!(parts, whole, "{} of {:?}", name, place);
            }
        }
    }
}

fn count(counts: &Fields<Count>, name: &str) -> i64 {
    match counts.get(name) {
        Some(Count::Number(number)) => *number,
        _ => 0,
    }
}

fn left(counts: &Fields<Count>) -> i64 {
    ["answered", "abandoned", "flowed_out"].iter().map(|name| count(counts, name)).sum()
}

/// A share is within 0..1 and what its parts say; a length of time is not negative.
fn is_right(kpi: &Kpi) -> bool {
    let parts = match (kpi.numerator, kpi.numerator_ms, kpi.denominator) {
        (Some(numerator), None, Some(denominator)) => Some((numerator as f64, denominator)),
        (None, Some(numerator), Some(denominator)) => Some((numerator as f64, denominator)),
        _ => None,
    };
    let is_told = parts.is_none_or(|(numerator, denominator)| match denominator {
        0 => kpi.value.is_none(),
        _ if kpi.numerator_ms.is_some() => kpi.value == Some(numerator / denominator as f64 / 1000.0),
        _ => kpi.value == Some(numerator / denominator as f64),
    });
    let is_within = kpi.value.is_none_or(|value| 0.0 <= value && (kpi.unit.is_some() || value <= 1.0));
    is_told && is_within && parts.is_none_or(|(numerator, denominator)| 0.0 <= numerator && 0 <= denominator)
}

#[test]
fn a_share_beyond_one_is_seen() {
    let kpi = Kpi { value: Some(1.5), numerator: Some(3), denominator: Some(2), ..Kpi::default() };
    assert!(!is_right(&kpi));
}
