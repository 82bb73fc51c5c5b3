//! The board as Prometheus reads it.

use crate::exposition::{Family, parse, parse_open_metrics, value};
use crate::records::{end, five_minutes, json, key, now, put, queue, record, seconds, total};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderValue};
use callpulse::entity::Kind;
use callpulse::kpi::catalogue::{COUNTS as COUNTED, KPIS as DEFINED, SUMS, What};
use callpulse::kpi::record::{Count, Counters, Fields, Kpi, KpiRecord, Now, WeekProfile};
use callpulse::serve::accept::Accept;
use callpulse::serve::board::Board;
use callpulse::serve::exported::{Exported, Exporter, Owned};
use callpulse::serve::prometheus::{Format, Scrape, render};
use callpulse::serve::series::{gauge_of_count, gauge_of_kpi, gauge_of_sum, gauge_of_target};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

fn help(id: &str) -> Option<&'static str> {
    (id == "service_level").then_some("share of calls\nanswered \\ in time")
}

/// The whole text, of everything.
fn text(board: &Board) -> String {
    text_of(board, &Owned::All, Exported::all(), Format::Prometheus)
}

fn text_of(board: &Board, owned: &Owned, exported: Exported, format: Format) -> String {
    let exporter = Exporter::new(exported);
    render(board, Scrape { owned, exporter: &exporter, help: &help, format }) + format.end()
}

#[track_caller]
fn families(board: &Board, owned: &Owned) -> Vec<Family> {
    let text = text_of(board, owned, Exported::all(), Format::Prometheus);
    parse(&text).unwrap_or_else(|fault| panic!("{fault}\n{text}"))
}

#[track_caller]
fn check(board: &Board, name: &str, labels: &[(&str, &str)], expected: Option<f64>) {
    assert_eq!(value(&families(board, &Owned::All), name, labels), expected, "{name} {labels:?}");
}

#[test]
fn every_number_of_a_window_has_its_name_and_unit() {
    let board = Board::default();
    put(&board, 0, &five_minutes("sales"));
    let labels = [("tenant", "default"), ("queue", "sales"), ("window", "5m")];
    check(&board, "acd_queue_offered_calls", &labels, Some(120.0));
    check(&board, "acd_queue_callbacks_requested_calls", &labels, Some(2.0));
    check(&board, "acd_queue_missed_calls", &labels, Some(7.0));
    check(&board, "acd_queue_service_level_ratio", &labels, Some(0.875));
    check(&board, "acd_queue_service_level_target_ratio", &labels, Some(0.8));
    check(&board, "acd_queue_offered_target_calls", &labels, Some(100.0));
    check(&board, "acd_queue_service_level_threshold_seconds", &labels, Some(20.0));
    let timeout = [labels.as_slice(), &[("reason", "timeout")]].concat();
    check(&board, "acd_queue_flowed_out_by_reason_calls", &timeout, Some(3.0));
    let offered = [labels.as_slice(), &[("kpi", "calls_offered")]].concat();
    check(&board, "acd_queue_target_met", &offered, Some(1.0));
    check(&board, "acd_queue_average_speed_of_answer_seconds", &labels, Some(23.4));
    check(&board, "acd_queue_wait_p50_seconds", &labels, Some(12.0));
    check(&board, "acd_queue_contacts_per_hour", &labels, Some(9.5));
    let also = [labels.as_slice(), &[("name", "answered_only@30s")]].concat();
    check(&board, "acd_queue_service_level_also_ratio", &also, Some(0.9));
    check(&board, "acd_queue_info", &[("tenant", "default"), ("queue", "sales"), ("title", "Sales")], Some(1.0));
    assert_eq!(families(&board, &Owned::All).iter().map(|family| family.series.len()).sum::<usize>(), 15);
}

#[test]
fn a_kpi_without_a_value_has_no_series() {
    let board = Board::default();
    put(&board, 0, &five_minutes("sales"));
    let busy = text(&board);
    assert!(!busy.contains("abandonment_rate") && !busy.contains("NaN"));
    let mut idle = five_minutes("sales");
    idle.version = 2;
    idle.kpis = Fields::default();
    put(&board, 0, &idle);
    assert!(!text(&board).contains("service_level"));
}

#[test]
fn an_entity_that_ended_disappears() {
    let board = Board::default();
    put(&board, 0, &five_minutes("sales"));
    end(&board, &five_minutes("sales"));
    assert_eq!(text(&board), "");
}

#[test]
fn what_is_published_in_the_middle_of_a_scrape_does_not_blink() {
    let board = Board::default();
    put(&board, 0, &five_minutes("sales"));
    board.take_samples("default|queue|sales|", |_| true);
    let mut newer = five_minutes("sales");
    newer.version = 2;
    put(&board, 0, &newer);
    assert!(board.read().records.values().all(|entry| !entry.samples().is_empty()));
}

#[test]
fn the_state_at_this_instant_is_told_with_the_window_now() {
    let board = Board::default();
    let state = Now {
        waiting: 3,
        longest_wait_since: Some("2026-03-02T08:15:30.412Z".into()),
        ringing: 1,
        talking: 5,
        on_hold: 2,
        in_wrapup: 4,
        over_threshold_waiting: 1,
        agents: Some(Fields(vec![("available".into(), 2), ("paused".into(), 0)])),
        agents_logged_in: Some(2),
        ..Now::default()
    };
    let mut of_queue = now("sales", state);
    of_queue.kpis.push("longest_wait", seconds(41.5));
    put(&board, 0, &of_queue);
    let labels = [("tenant", "default"), ("queue", "sales"), ("window", "now")];
    check(&board, "acd_queue_waiting_calls", &labels, Some(3.0));
    check(&board, "acd_queue_ringing_calls", &labels, Some(1.0));
    check(&board, "acd_queue_talking_calls", &labels, Some(5.0));
    check(&board, "acd_queue_on_hold_calls", &labels, Some(2.0));
    check(&board, "acd_queue_in_wrapup_calls", &labels, Some(4.0));
    check(&board, "acd_queue_over_threshold_waiting_calls", &labels, Some(1.0));
    let available = [("tenant", "default"), ("queue", "sales"), ("window", "now"), ("state", "available")];
    check(&board, "acd_queue_agents", &available, Some(2.0));
    let paused = [("tenant", "default"), ("queue", "sales"), ("window", "now"), ("state", "paused")];
    check(&board, "acd_queue_agents", &paused, Some(0.0));
    check(&board, "acd_queue_longest_wait_seconds", &labels, Some(41.5));
    check(&board, "acd_queue_longest_wait_since_timestamp_seconds", &labels, Some(1_772_439_330.412));
    of_queue.version = 2;
    of_queue.now = Some(Now::default());
    put(&board, 0, &of_queue);
    check(&board, "acd_queue_waiting_calls", &labels, Some(0.0));
    check(&board, "acd_queue_longest_wait_since_timestamp_seconds", &labels, None);
}

#[test]
fn each_kind_has_its_own_label_and_a_tenant_none_beside_its_own() {
    let board = Board::default();
    for (kind, id) in [(Kind::Agent, "ana"), (Kind::Team, "day"), (Kind::Tenant, "acme"), (Kind::QueueAgent, "q/ana")] {
        let mut record = record("acme", kind, id, "per_15m");
        record.counts.push("handled", Count::Number(2));
        put(&board, 0, &record);
    }
    let mut chat = queue("sales", "5m");
    chat.entity.channel = Some("chat".into());
    chat.counts.push("handled", Count::Number(2));
    put(&board, 0, &chat);
    let window = ("window", "per_15m");
    check(&board, "acd_agent_handled_calls", &[("tenant", "acme"), ("agent", "ana"), window], Some(2.0));
    check(&board, "acd_team_handled_calls", &[("tenant", "acme"), ("team", "day"), window], Some(2.0));
    check(&board, "acd_tenant_handled_calls", &[("tenant", "acme"), window], Some(2.0));
    let text = text(&board);
    assert!(!text.contains("acd_queue"), "neither an agent within a queue nor one channel is exported:\n{text}");
}

#[test]
fn names_of_any_script_and_with_quotes_come_through() {
    let board = Board::default();
    let name = "Sales \"VIP\" \\ صف\n{a=\"b\"}";
    put(&board, 0, &five_minutes(name));
    check(&board, "acd_queue_offered_calls", &[("tenant", "default"), ("queue", name), ("window", "5m")], Some(120.0));
}

#[test]
fn only_the_entities_of_owned_partitions_are_told() {
    let board = Board::default();
    put(&board, 0, &five_minutes("sales"));
    put(&board, 1, &five_minutes("support"));
    let queues = |owned: &Owned| -> BTreeSet<String> {
        let families = families(&board, owned);
        families.iter().flat_map(|family| &family.series).map(|series| series.labels["queue"].clone()).collect()
    };
    assert_eq!(queues(&Owned::All), BTreeSet::from(["sales".into(), "support".into()]));
    assert_eq!(queues(&Owned::Partitions(BTreeSet::from([1, 2]))), BTreeSet::from(["support".into()]));
    assert_eq!(queues(&Owned::Partitions(BTreeSet::new())), BTreeSet::new());
}

#[test]
fn counters_and_buckets_stand_for_the_whole_life_of_a_queue() {
    let board = Board::default();
    let labels = [("tenant", "default"), ("queue", "sales")];
    let bucket = |le| [labels.as_slice(), &[("le", le)]].concat();
    for offered in [0, 7, 12] {
        let mut record = total("sales", offered);
        record.version = offered as u64 + 1;
        put(&board, 0, &record);
        let calls = Some(offered as f64);
        check(&board, "acd_queue_calls_offered_total", &labels, calls);
        check(&board, "acd_queue_calls_answered_total", &labels, calls);
        check(&board, "acd_queue_calls_answered_within_threshold_total", &labels, calls);
        check(&board, "acd_queue_calls_abandoned_total", &labels, Some(0.0));
        check(&board, "acd_queue_wait_seconds_bucket", &bucket("5.0"), calls);
        check(&board, "acd_queue_wait_seconds_bucket", &bucket("+Inf"), calls);
        check(&board, "acd_queue_wait_seconds_count", &labels, calls);
        check(&board, "acd_queue_wait_seconds_sum", &labels, Some(offered as f64 * 1.5));
    }
    let mut older = total("sales", 3);
    older.version = 2;
    put(&board, 0, &older);
    check(&board, "acd_queue_calls_offered_total", &labels, Some(12.0));
}

#[test]
fn no_kpi_takes_the_name_of_the_histogram_of_waits() {
    let board = Board::default();
    let mut record = queue("sales", "5m");
    record.kpis.push("wait", seconds(12.0));
    put(&board, 0, &record);
    put(&board, 0, &total("sales", 7));
    check(&board, "acd_queue_wait_seconds_count", &[("tenant", "default"), ("queue", "sales")], Some(7.0));
}

#[test]
fn the_catalogue_says_what_a_family_means() {
    let board = Board::default();
    put(&board, 0, &five_minutes("sales"));
    let families = families(&board, &Owned::All);
    let help = |name| families.iter().find(|family| family.name == name).map(|family| family.help.as_str());
    assert_eq!(help("acd_queue_service_level_ratio"), Some("share of calls\\nanswered \\\\ in time"));
    assert_eq!(help("acd_queue_offered_calls"), Some("calls offered of each queue"));
}

/// A record with every count, sum and KPI of the catalogue, each with a value and a target.
fn everything(kind: Kind) -> KpiRecord {
    let mut record = record("acme", kind, if kind == Kind::Tenant { "acme" } else { "one" }, "5m");
    for (place, counted) in COUNTED.iter().filter(|counted| counted.kinds.contains(&kind)).enumerate() {
        record.counts.push(
            counted.name,
            match counted.what {
                What::By(words) => {
                    Count::By(Fields(words.iter().map(|(word, _)| ((*word).into(), place as i64)).collect()))
                }
                _ => Count::Number(place as i64),
            },
        );
    }
    for (place, sum) in SUMS.iter().filter(|sum| sum.kinds.contains(&kind)).enumerate() {
        record.sums_ms.push(sum.name, place as i64 * 1500);
    }
    for (place, kpi) in DEFINED.iter().filter(|kpi| kpi.kinds.contains(&kind)).enumerate() {
        let unit = (kpi.unit != "ratio").then(|| kpi.unit.into());
        let value = Some(place as f64 + 0.5);
        let (numerator, denominator) = (Some(3), Some(4));
        let target = Some(place as f64 + 0.25);
        record
            .kpis
            .push(kpi.id, Kpi { value, unit, numerator, denominator, target, met: Some(true), ..Kpi::default() });
    }
    record
}

#[test]
fn every_kpi_count_and_sum_of_the_catalogue_has_its_gauge() {
    let board = Board::default();
    for kind in [Kind::Queue, Kind::Agent, Kind::Team, Kind::Tenant] {
        let record = everything(kind);
        put(&board, 0, &record);
        let mut labels = vec![("tenant", "acme"), ("window", "5m")];
        if kind != Kind::Tenant {
            labels.push((kind.word(), "one"));
        }
        for (id, kpi) in record.kpis.iter() {
            let unit = kpi.unit.as_deref().unwrap_or("ratio");
            // Told as a sum as well: where the two are one, they have one value in life.
            check(&board, &gauge_of_kpi(kind, id, unit), &labels, kpi.value);
            check(&board, &gauge_of_target(kind, id, unit), &labels, kpi.target);
            let of = [labels.as_slice(), &[("kpi", id)]].concat();
            check(&board, &format!("acd_{}_target_met", kind.word()), &of, Some(1.0));
        }
        for (name, count) in record.counts.iter() {
            match count {
                Count::Number(calls) => check(&board, &gauge_of_count(kind, name), &labels, Some(*calls as f64)),
                Count::By(calls) => calls.iter().for_each(|(word, calls)| {
                    let of = [labels.as_slice(), &[(name.rsplit_once('_').unwrap().1, word)]].concat();
                    check(&board, &gauge_of_count(kind, name), &of, Some(*calls as f64));
                }),
            }
        }
        for (name, time) in record.sums_ms.iter().filter(|(name, _)| *name != "login") {
            check(&board, &gauge_of_sum(kind, name), &labels, Some(*time as f64 / 1000.0));
        }
    }
    let labels = [("tenant", "acme"), ("queue", "one"), ("window", "5m")];
    check(&board, "acd_queue_service_level_met_calls", &labels, Some(3.0));
    check(&board, "acd_queue_service_level_counted_calls", &labels, Some(4.0));
    // Each unit, as a name.
    for (id, unit, name) in [
        ("service_level", "ratio", "acd_queue_service_level_ratio"),
        ("longest_wait", "s", "acd_queue_longest_wait_seconds"),
        ("calls_missed", "calls", "acd_queue_missed_calls"),
        ("transfers_per_call", "per_call", "acd_queue_transfers_per_call"),
        ("contacts_per_hour_clock", "per_hour", "acd_queue_contacts_per_hour_clock"),
        ("cost", "EUR", "acd_queue_cost_eur"),
    ] {
        assert_eq!(gauge_of_kpi(Kind::Queue, id, unit), name);
    }
}

#[test]
fn the_hours_of_the_week_are_means_of_the_weeks_seen() {
    let board = Board::default();
    let mut record = total("sales", 12);
    let mut offered = [0; 24];
    offered[8] = 9;
    record.profile = Some(WeekProfile {
        start: "2026-02-16T00:00:00.000Z".into(),
        end: "2026-03-02T00:00:00.000Z".into(),
        weeks_seen: 2,
        offered: Fields(vec![("monday".into(), offered)]),
    });
    put(&board, 0, &record);
    let labels = [("tenant", "default"), ("queue", "sales"), ("window", "total"), ("weekday", "monday")];
    let of = |hour| [labels.as_slice(), &[("hour", hour)]].concat();
    check(&board, "acd_queue_offered_weekly_mean_calls", &of("08"), Some(4.5));
    check(&board, "acd_queue_offered_weekly_mean_calls", &of("23"), Some(0.0));
}

#[test]
fn only_the_kinds_and_windows_of_the_settings_are_shown_and_counters_always() {
    let board = Board::default();
    put(&board, 0, &five_minutes("sales"));
    put(&board, 0, &queue("sales", "30m"));
    let mut lasting = total("sales", 7);
    lasting.counts.push("offered", Count::Number(7));
    put(&board, 0, &lasting);
    put(&board, 0, &everything(Kind::Agent));
    let names = |kinds: &[Kind], windows: &[&str]| {
        let windows = windows.iter().map(|&window| window.to_owned()).collect();
        let exported = Exported { kinds: kinds.to_vec(), windows, ..Exported::all() };
        let text = text_of(&board, &Owned::All, exported, Format::Prometheus);
        let families = parse(&text).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
        families.iter().flat_map(|family| &family.series).map(|series| series.name.clone()).collect::<BTreeSet<_>>()
    };
    let of_queues = names(&[Kind::Queue], &["30m"]);
    let counters = ["acd_queue_calls_offered_total", "acd_queue_wait_seconds_bucket", "acd_queue_info"];
    assert!(counters.iter().all(|&name| of_queues.contains(name)), "{of_queues:?}");
    assert!(of_queues.iter().all(|name| !name.ends_with("_calls") && !name.contains("agent")), "{of_queues:?}");
    assert!(names(&[Kind::Queue], &["5m"]).contains("acd_queue_service_level_ratio"));
    assert!(names(&[Kind::Agent], &[]).iter().all(|name| name.starts_with("acd_agent_")));
    assert!(names(&[], &[]).is_empty());
}

#[test]
fn both_formats_tell_the_same_series() {
    let board = Board::default();
    put(&board, 0, &five_minutes("Sales \"VIP\" \\ صف"));
    put(&board, 0, &total("sales", 12));
    put(&board, 0, &everything(Kind::Tenant));
    let text = text_of(&board, &Owned::All, Exported::all(), Format::OpenMetrics);
    let open = parse_open_metrics(&text).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
    assert!(text.contains("# TYPE acd_queue_calls_offered counter\n") && text.contains("# TYPE acd_queue info\n"));
    let own = families(&board, &Owned::All);
    let told = |families: &[Family]| -> Vec<_> {
        families.iter().map(|family| (family.name.clone(), family.series.clone())).collect()
    };
    assert_eq!(told(&own), told(&open));
}

#[test]
fn open_metrics_come_to_whoever_likes_them_no_less() {
    for (accept, expected) in [
        ("", Format::Prometheus),
        ("*/*", Format::Prometheus),
        ("text/plain", Format::Prometheus),
        ("application/openmetrics-text", Format::OpenMetrics),
        ("Application/OpenMetrics-Text; version=1.0.0", Format::OpenMetrics),
        ("application/openmetrics-text;q=0", Format::Prometheus),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.5", Format::Prometheus),
        ("application/openmetrics-text;q=x", Format::Prometheus),
        // Prometheus 2.42 and 3.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2",
            Format::OpenMetrics,
        ),
    ] {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        assert_eq!(Format::asked(&Accept::of(&headers)), expected, "{accept}");
    }
}

#[test]
fn prometheus_own_checker_has_no_complaint() {
    let board = Board::default();
    put(&board, 0, &five_minutes("Sales \"VIP\" \\ صف"));
    put(&board, 0, &total("sales", 12));
    put(&board, 0, &now("sales", Now { longest_wait_since: Some("2026-03-02T08:15:30Z".into()), ..Now::default() }));
    for kind in [Kind::Agent, Kind::Team, Kind::Tenant] {
        put(&board, 0, &everything(kind));
    }
    promtool_has_no_complaint(&text(&board));
}

/// Metrics that Prometheus' own checker finds nothing against. Without it there is nothing to see here.
#[track_caller]
pub fn promtool_has_no_complaint(text: &str) {
    let mut promtool = match Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("promtool is not on the path; install the package `prometheus` to check with it");
            return;
        }
        started => started.expect("promtool starts"),
    };
    let mut input = promtool.stdin.take().expect("a pipe");
    input.write_all(text.as_bytes()).expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const COUNTS: [&str; 5] = ["offered", "answered", "missed", "calls_offered", "waiting"];
const KPIS: [&str; 8] = [
    "service_level",
    "service_level.offered",
    "service_level_also",
    "service_level_target",
    "wait",
    "wait_p50",
    "calls_missed",
    "longest_wait_since_timestamp",
];

/// Names of ours, names that nearly collide, and any text.
fn name(ours: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(ours).prop_map(str::to_owned), 1 => "[a-z_:\"\\\\=\n é.]{0,4}"]
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["a", "a;chat", "a|5m", "\"", "\\", "\n", ""]).prop_map(str::to_owned),
        ".{0,3}"
    ]
}

fn kpi() -> impl Strategy<Value = Kpi> {
    let unit = prop::sample::select(vec![None, Some("s"), Some("calls"), Some("per_hour")]);
    let number = prop_oneof![any::<i32>().prop_map(f64::from), prop::num::f64::NORMAL, Just(0.0), Just(-0.0)];
    (prop::option::of(number), unit, prop::option::of(0.0..1.0)).prop_map(|(value, unit, target)| Kpi {
        value,
        unit: unit.map(Into::into),
        target,
        ..Kpi::default()
    })
}

fn counters() -> impl Strategy<Value = Counters> {
    let edge = prop::sample::select(vec!["5", "5.0", "20", "inf", "NaN", "-1", "x", "count", "sum_ms"]);
    prop::collection::vec((edge, any::<i32>()), 0..8).prop_map(|waits| {
        let mut wait_seconds = Fields::default();
        for (edge, calls) in waits {
            wait_seconds.push(edge, i64::from(calls));
        }
        Counters { offered: 4, answered: 3, answered_within_threshold: 2, abandoned: 1, wait_seconds }
    })
}

fn any_record() -> impl Strategy<Value = KpiRecord> {
    let whose =
        (id(), prop::sample::select(Kind::ALL.to_vec()), id(), prop::sample::select(vec![None, None, Some("chat")]));
    let window = prop_oneof![prop::sample::select(vec!["5m", "per_15m", "total", "now"]).prop_map(str::to_owned), id()];
    let counts = prop::collection::vec((name(&COUNTS), any::<i64>()), 0..6);
    let kpis = prop::collection::vec((name(&KPIS), kpi()), 0..8);
    let since = prop::sample::select(vec![None, Some("2026-03-02T08:15:30.412Z"), Some("yesterday")]);
    let rest = (0..4u64, prop::option::of(counters()), prop::option::of(since), any::<bool>());
    (whose, window, counts, kpis, rest).prop_map(|((tenant, kind, id, channel), window, counts, kpis, rest)| {
        let (version, counters, since, is_own_tenant) = rest;
        let id = if is_own_tenant { tenant.clone() } else { id };
        let mut record = record(&tenant, kind, &id, &window);
        record.version = version;
        record.entity.channel = channel.map(Into::into);
        counts.into_iter().for_each(|(name, calls)| record.counts.push(name, Count::Number(calls)));
        kpis.into_iter().for_each(|(name, kpi)| record.kpis.push(name, kpi));
        record.counters = counters;
        record.now = since.map(|since| Now { longest_wait_since: since.map(str::to_owned), ..Now::default() });
        record
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever the records, the text parses, tells nothing twice, and tells exactly the service levels
    /// the latest records have.
    #[test]
    fn whatever_the_records_the_text_is_sound(records in prop::collection::vec(any_record(), 0..12)) {
        let board = Board::default();
        let mut latest: BTreeMap<String, KpiRecord> = BTreeMap::new();
        for record in records {
            put(&board, 0, &record);
            // As read from the topic: the way through JSON may move a number by its last bit.
            let record: KpiRecord = serde_json::from_str(&json(&record)).unwrap();
            let have = latest.entry(key(&record)).or_insert_with(|| record.clone());
            if have.version < record.version {
                *have = record;
            }
        }
        let open = text_of(&board, &Owned::All, Exported::all(), Format::OpenMetrics);
        parse_open_metrics(&open).map_err(|fault| TestCaseError::fail(format!("{fault}\n{open}")))?;
        let text = text(&board);
        let families = parse(&text).map_err(|fault| TestCaseError::fail(format!("{fault}\n{text}")))?;

        let mut expected = BTreeSet::new();
        for record in latest.values().filter(|record| record.entity.channel.is_none()) {
            let told_first =
                record.kpis.iter().find(|(id, kpi)| *id == "service_level" && kpi.unit.is_none() && kpi.value.is_some());
            if let ("queue", Some(value)) = (&*record.entity.kind, told_first.and_then(|(_, kpi)| kpi.value)) {
                let labels = [("tenant", &record.tenant), ("queue", &record.entity.id), ("window", &record.window.name)];
                let labels: BTreeMap<String, String> =
                    labels.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
                expected.insert((labels, (value + 0.0).to_bits()));
            }
        }
        let family = families.iter().find(|family| family.name == "acd_queue_service_level_ratio");
        let told: BTreeSet<_> = family.into_iter().flat_map(|family| &family.series)
            .map(|series| (series.labels.clone(), (series.value + 0.0).to_bits())).collect();
        prop_assert_eq!(told, expected);
    }
}
