//! Tables of calls that others made, read by a mapping and held against their own figures.
//!
//! The data stand beside the repository and are no part of it; without them there is nothing to check, and
//! each test says so.

#[path = "support/beside.rs"]
mod beside;

use beside::beside;
use callpulse::config;
use callpulse::decode::format::{Decoder, Encoding, Given, Place};
use callpulse::event::Decoded;
use callpulse::replay::engine::Replay;
use callpulse::replay::files;
use callpulse::replay::filter::Filter;
use callpulse::time::EventTime;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What a file comes to in `total` and by month, and how many of its rows were left aside and refused.
fn replay(path: &Path, text: &str) -> (Vec<Value>, [usize; 2]) {
    let text = format!("[windows]\nsliding = []\nintervals = [\"1mo\"]\n{text}");
    let settings = config::read(&text, &BTreeMap::new()).expect("settings").settings;
    let decoder = Decoder::new(Encoding::from_word("csv").expect("a format"), &settings.csv);
    let mut replay = Replay::new(Arc::new(settings.plan.clone()), EventTime(i64::MAX));
    let (mut aside, mut refused) = (0, 0);
    let read = files::read(
        path,
        decoder.framing(),
        |_| {},
        |record| {
            let place = Some(Place { line: record.line, repeats: 0 });
            let given = Given { place, ..Given::from(record.bytes) };
            let outcome = decoder.decode(given, &mut |decoded| match decoded {
                Decoded::Event(event) => drop(replay.take(&event, "table")),
                Decoded::Unknown { .. } => aside += 1,
            });
            refused += usize::from(outcome.is_err());
        },
    );
    read.expect("the file");
    let as_of = replay.latest().expect("there are calls");
    let tallies = replay.settle(&settings.kpi, as_of);
    let everything = Filter::default();
    let records = tallies.records(&everything).map(|record| serde_json::to_value(record).expect("JSON"));
    (records.collect(), [aside, refused])
}

fn find<'r>(records: &'r [Value], entity: (&str, &str), window: &str, start: &str) -> &'r Value {
    let is_it = |record: &&Value| {
        (record["entity"]["kind"] == entity.0 && record["entity"]["id"] == entity.1)
            && record["window"]["name"] == window
            && record["window"]["start"].as_str().unwrap_or_default().starts_with(start)
    };
    records.iter().find(is_it).unwrap_or_else(|| panic!("{entity:?} {window} {start}"))
}

#[test]
fn a_year_of_simulated_calls_meets_its_authors_standard_as_often_as_the_author_says() {
    let Some(path) = beside("data/simulated-call-centre/simulated_call_centre.csv") else { return };
    let Some(expected) = beside("data/simulated-call-centre/expected_from_author_columns.json") else { return };
    let (records, others) = replay(&path, include_str!("formats/csv/clocks.toml"));
    assert_eq!(others, [1, 0]);
    let total = find(&records, ("queue", "one"), "total", "");
    let level = &total["kpis"]["service_level"];
    assert_eq!((&level["numerator"], &level["denominator"]), (&47_481.into(), &51_708.into()));
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(expected).expect("figures")).expect("JSON");
    for month in 1..=12 {
        let expected = &expected["by_month"][month.to_string()];
        let record = find(&records, ("queue", "one"), "per_1mo", &format!("2021-{month:02}-01T"));
        let seconds = |name: &str| record["sums_ms"][name].as_i64().map(|sum| sum / 1000);
        assert_eq!(record["counts"]["offered"], expected["calls"], "{month}");
        assert_eq!(record["kpis"]["service_level"]["numerator"], expected["meets_standard"], "{month}");
        assert_eq!(seconds("wait_answered"), expected["sum_wait"].as_i64(), "{month}");
        assert_eq!(seconds("talk"), expected["sum_service"].as_i64(), "{month}");
    }
}

#[test]
fn the_anonymous_bank_is_what_its_published_table_says() {
    let Some(path) = beside("data/anonymous-bank-1999/january.tsv.gz") else { return };
    let (records, others) = replay(&path, include_str!("formats/csv/bank.toml"));
    assert_eq!(others[1], 0);
    let figures = [
        (("tenant", "default"), [30161, 27060, 3101, 195], [947857000, 4964204000_i64]),
        (("queue", "PS"), [22033, 20374, 1659, 76], [658943000, 3911504000]),
        (("queue", "TT"), [914, 852, 62, 5], [14295000, 61836000]),
        (("queue", "NW"), [5233, 4017, 1216, 108], [189789000, 427670000]),
        (("queue", "IN"), [265, 207, 58, 1], [15914000, 54684000]),
    ];
    for (entity, counts, sums) in figures {
        let record = find(&records, entity, "total", "");
        let names = ["offered", "answered", "abandoned", "short_abandoned"];
        assert_eq!(names.map(|name| record["counts"][name].as_i64()), counts.map(Some), "{entity:?}");
        assert_eq!(
            ["wait_answered", "talk"].map(|name| record["sums_ms"][name].as_i64()),
            sums.map(Some),
            "{entity:?}"
        );
    }
}
