//! Which entities `/metrics` tells when there are more than it has room for.

use crate::exposition::parse;
use crate::records::{end, five_minutes, put, queue, record, total};
use callpulse::config;
use callpulse::entity::Kind;
use callpulse::kpi::record::Count;
use callpulse::serve::board::Board;
use callpulse::serve::exported::{Exported, Exporter, Owned, named};
use callpulse::serve::prometheus::{Format, Scrape, render};
use metrics_exporter_prometheus::PrometheusBuilder;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The series of [`five_minutes`].
const EACH: usize = 15;

fn scrape(board: &Board, exporter: &Exporter) -> String {
    render(board, Scrape { owned: &Owned::All, exporter, help: &|_| None, format: Format::Prometheus })
}

fn limited(series_max: usize, named: &[&str]) -> Exporter {
    let named = named.iter().map(|queue| format!("default|queue|{queue}|").into()).collect();
    Exporter::new(Exported { series_max, named, ..Exported::all() })
}

/// The lines of each queue.
fn told(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let queue = line.split("queue=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a queue");
        told.entry(queue.to_owned()).or_default().insert(line.to_owned());
    }
    told
}

fn ids(text: &str) -> Vec<String> {
    told(text).into_keys().collect()
}

/// Five minutes, and the calls it ever had.
fn put_queue(board: &Board, id: &str, calls: i64) {
    put(board, 0, &five_minutes(id));
    let mut ever = queue(id, "total");
    ever.counts.push("offered", Count::Number(calls));
    put(board, 0, &ever);
}

/// With the one of its calls ever.
const WITH_TOTAL: usize = EACH + 1;

proptest! {
    #[test]
    fn no_scrape_has_more_series_than_it_may_and_each_entity_is_told_whole(
        queues in prop::collection::btree_map("[a-f]{1,2}", 0..9_i64, 1..20),
        named in prop::collection::btree_set("[a-f]{1,2}", 0..4),
        series_max in 0..400_usize,
        more in prop::collection::btree_map("[a-h]{1,2}", 0..99_i64, 0..20),
    ) {
        let board = Board::default();
        queues.iter().for_each(|(id, calls)| put_queue(&board, id, *calls));
        let all = told(&scrape(&board, &Exporter::new(Exported::all())));
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let exporter = limited(series_max, &named);
        let text = scrape(&board, &exporter);
        prop_assert_eq!(&text, &scrape(&board, &limited(series_max, &named)), "the same board, the same scrape");
        let first = told(&text);
        for (id, lines) in &first {
            prop_assert_eq!(lines, &all[id], "all or nothing of {}", id);
        }
        prop_assert!(first.values().map(BTreeSet::len).sum::<usize>() <= series_max);
        let room = series_max / WITH_TOTAL;
        prop_assert_eq!(first.len(), room.min(all.len()), "no room stays empty");
        let there = named.iter().filter(|id| all.contains_key(**id)).count();
        prop_assert_eq!(named.iter().filter(|id| first.contains_key(**id)).count(), there.min(room));

        // Whoever comes later takes nothing from those who were told, unless the settings name it.
        for (id, calls) in more.iter().filter(|(id, _)| !all.contains_key(*id)) {
            put_queue(&board, id, *calls);
        }
        let second = told(&scrape(&board, &exporter));
        let pushed_out = first.keys().filter(|id| !second.contains_key(*id)).count();
        let named_since = second.keys().filter(|id| !first.contains_key(*id) && named.contains(&id.as_str())).count();
        prop_assert!(pushed_out <= named_since);
        prop_assert!(second.values().map(BTreeSet::len).sum::<usize>() <= series_max);
    }
}

#[test]
fn new_ones_with_the_most_calls_come_first() {
    let board = Board::default();
    for (id, calls) in [("a", 1), ("b", 700), ("c", 0), ("d", 80)] {
        put_queue(&board, id, calls);
    }
    assert_eq!(ids(&scrape(&board, &limited(2 * WITH_TOTAL, &[]))), ["b", "d"]);
    assert_eq!(ids(&scrape(&board, &limited(2 * WITH_TOTAL, &["c"]))), ["b", "c"]);
    // One that does not fit any more ends the list.
    assert_eq!(ids(&scrape(&board, &limited(3 * WITH_TOTAL - 1, &[]))), ["b", "d"]);
}

#[test]
fn queues_come_before_agents_that_have_as_many_calls() {
    let board = Board::default();
    put(&board, 0, &record("default", Kind::Agent, "ana", "5m"));
    put(&board, 0, &five_minutes("sales"));
    let text = scrape(&board, &limited(EACH, &[]));
    assert!(text.contains("acd_queue_info") && !text.contains("ana"), "{text}");
}

#[test]
fn what_is_told_stays_when_others_crowd_in_and_its_room_is_given_on_when_it_ends() {
    let board = Board::default();
    put_queue(&board, "sales", 5);
    put_queue(&board, "support", 3);
    let exporter = limited(2 * WITH_TOTAL, &[]);
    assert_eq!(ids(&scrape(&board, &exporter)), ["sales", "support"]);
    (0..200).for_each(|made_up| put_queue(&board, &format!("made-up-{made_up}"), 100 + made_up));
    assert_eq!(ids(&scrape(&board, &exporter)), ["sales", "support"]);
    for window in ["5m", "total"] {
        end(&board, &queue("support", window));
    }
    assert_eq!(ids(&scrape(&board, &exporter)), ["made-up-199", "sales"]);
}

#[test]
fn how_many_are_left_out_is_told() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let left_out = |exporter: &Exporter, board: &Board| {
        metrics::with_local_recorder(&recorder, || scrape(board, exporter));
        let text = recorder.handle().render();
        let line = text.lines().find_map(|line| line.strip_prefix("callpulse_metrics_entities_left_out "));
        line.expect("it is told").parse::<usize>().expect("a number")
    };
    let board = Board::default();
    let exporter = limited(3 * EACH, &["sales"]);
    put(&board, 0, &five_minutes("sales"));
    assert_eq!(left_out(&exporter, &board), 0);
    (0..50).for_each(|made_up| {
        put(&board, 0, &five_minutes(&format!("made-up-{made_up}")));
    });
    assert_eq!(left_out(&exporter, &board), 48);
    assert_eq!(told(&scrape(&board, &exporter)).len(), 3);
    (0..50).for_each(|made_up| {
        end(&board, &five_minutes(&format!("made-up-{made_up}")));
    });
    assert_eq!(left_out(&exporter, &board), 0);
}

#[test]
fn counters_of_windows_that_are_not_told_take_room_too() {
    let board = Board::default();
    for id in ["sales", "support"] {
        put(&board, 0, &queue(id, "30m"));
        put(&board, 0, &total(id, 7));
    }
    let windows = vec!["5m".to_owned()];
    let exported = |series_max| Exported { series_max, windows: windows.clone(), ..Exported::all() };
    let all = scrape(&board, &Exporter::new(exported(usize::MAX)));
    let series = parse(&all).expect("series").iter().map(|family| family.series.len()).sum::<usize>();
    assert_eq!(scrape(&board, &Exporter::new(exported(series))), all);
    assert_eq!(ids(&scrape(&board, &Exporter::new(exported(series - 1)))), ["sales"]);
}

#[test]
fn the_settings_name_queues_and_teams_of_the_default_tenant_and_tenants() {
    let settings = "[queues.\"a|b\"]\n[teams.front]\nqueues = [\"a|b\"]\n[tenants.acme]\ntimezone = \"Europe/Budapest\"\n[tenants.zeta]\nmax_entities = 9";
    let settings = config::read(settings, &BTreeMap::new()).expect("settings").settings;
    let expected = [
        "acme|tenant|acme|",
        "default|queue|a%7Cb|",
        "default|team|front|",
        "default|tenant|default|",
        "zeta|tenant|zeta|",
    ];
    let named = named(&settings.kpi, &settings.plan, &settings.limits);
    assert_eq!(named.iter().map(|entity| &**entity).collect::<Vec<_>>(), expected);
}
