//! A scrape: what the text of 100,000 series costs, as a ratio to copying it line by line.
//!
//! Twice: where nothing changed since the scrape before, so that only text is joined, and where every record was
//! published anew in between, so that each is read first. CPU time of one thread.

use crate::engine::{fold, lines, settings};
use crate::figures::Figure;
use crate::{cpu, number};
use callpulse::kpi::catalogue;
use callpulse::kpi::record::KpiRecord;
use callpulse::replay::filter::Filter;
use callpulse::serve::board::{Board, Place};
use callpulse::serve::exported::{Exported, Exporter, Owned};
use callpulse::serve::prometheus::{Format, Scrape, render};
use std::collections::BTreeMap;
use std::hint::black_box;

const ROUNDS: usize = 5;
/// The clock of CPU time ticks a hundred times a second.
const SCRAPES: usize = 20;

pub fn measure() {
    let wanted = number("SERIES", 100_000) as usize;
    let records = records();
    let (board, exporter) = (Board::default(), Exporter::new(Exported::all()));
    let scrape = |board: &Board| scrape(board, &exporter);
    let mut version = 1;
    let mut kept = Vec::new();
    for (key, record) in records {
        kept.push((key, record));
        // A record is some fifty series; counted now and then, since counting is a scrape.
        if kept.len() % 50 == 0 {
            publish(&board, &mut kept[..], version);
            if wanted <= series(&scrape(&board)) {
                break;
            }
        }
    }
    publish(&board, &mut kept, version);
    let text = scrape(&board);
    let entities = text.lines().filter(|line| line.contains("_info{")).count();
    println!(
        "{} series of {entities} entities, {} records, {:.1} MB of text; {ROUNDS} rounds of {SCRAPES} scrapes\n",
        series(&text),
        kept.len(),
        text.len() as f64 / 1e6
    );
    let [mut floor, mut same, mut new, mut same_ratio, mut new_ratio] = <[Figure; 5]>::default();
    for _ in 0..ROUNDS {
        let copied = millis(|| {
            let mut copy = String::with_capacity(text.len());
            for line in text.split_inclusive('\n') {
                copy.push_str(black_box(line));
            }
            black_box(copy);
        });
        let joined = millis(|| {
            black_box(scrape(&board));
        });
        // What the subscriber pays for anyway is taken off again.
        let published = millis(|| {
            version += 1;
            publish(&board, &mut kept, version);
        });
        let both = millis(|| {
            version += 1;
            publish(&board, &mut kept, version);
            black_box(scrape(&board));
        });
        floor.add(copied);
        same.add(joined);
        new.add(both - published);
        same_ratio.add(joined / copied);
        new_ratio.add((both - published) / copied);
    }
    println!("{:<44}{:>24}{:>24}", "", "CPU ms a scrape", "times copying");
    println!("{:<44}{floor:>24}", "copying its lines (floor)");
    println!("{:<44}{same:>24}{same_ratio:>24}", "a scrape, no record changed since the last");
    println!("{:<44}{new:>24}{new_ratio:>24}\n", "a scrape, every record changed");
}

/// CPU milliseconds of one of many.
fn millis(mut work: impl FnMut()) -> f64 {
    let begun = cpu::own();
    (0..SCRAPES).for_each(|_| work());
    (cpu::own() - begun).as_secs_f64() * 1e3 / SCRAPES as f64
}

fn scrape(board: &Board, exporter: &Exporter) -> String {
    render(board, Scrape { owned: &Owned::All, exporter, help: &catalogue::help, format: Format::OpenMetrics })
}

fn series(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#')).count()
}

fn publish(board: &Board, records: &mut [(String, KpiRecord)], version: u64) {
    for (nth, (key, record)) in (0..).zip(records) {
        record.version = version;
        // As in a topic: each record stands at an offset of its own.
        let place = Place { partition: 0, offset: (version << 32) as i64 + nth };
        board.apply(place, Some(key.as_bytes()), Some(&record.to_json())).expect("a record");
    }
}

/// The newest record of every entity and window of a simulated centre, those of an entity together.
fn records() -> BTreeMap<String, KpiRecord> {
    let replay = fold(&lines(number("CALLS", 20_000)));
    let settings = settings();
    let as_of = replay.latest().expect("there are events");
    let tallies = replay.settle(&settings.kpi, as_of);
    let mut newest = BTreeMap::new();
    for record in tallies.records(&Filter::default()) {
        let entity = &record.entity;
        let key = format!("{}|{}|{}|{}", record.tenant, entity.kind, entity.id, record.window.name);
        newest.insert(key, record);
    }
    newest
}
