//! What other systems write, decoded: how many bytes a second, as a ratio to native JSON in the same run.
//!
//! Bytes are the measure, since a record of a vendor is some hundred bytes or some thousand and tells none, one or a
//! dozen events. The records are those of the samples that are understood.

use crate::engine::lines;
use crate::figures::Figure;
use crate::samples;
use crate::{cpu, number};
use callpulse::decode::format::{Decoder, Encoding, Format, Given};
use std::hint::black_box;

const ROUNDS: usize = 5;

/// Records of one format, with what reads them.
struct Corpus {
    name: String,
    records: Vec<(Decoder, Vec<u8>)>,
    bytes: usize,
    events: usize,
    speeds: Figure,
    ratios: Figure,
}

pub fn measure() {
    let at_least = number("MEGABYTES", 20) as usize * 1_000_000;
    let native = lines(5_000).into_iter().map(|line| (Decoder::from(Format::Json), line)).collect();
    let mut native = Corpus::new("json (simulated calls)".to_owned(), native);
    let mut corpora: Vec<Corpus> = Encoding::all().filter_map(Corpus::of).collect();
    for _ in 0..ROUNDS {
        let floor = native.speed(at_least);
        native.add(floor, floor);
        for corpus in &mut corpora {
            let speed = corpus.speed(at_least);
            corpus.add(speed, floor);
        }
    }
    println!("decoding, {ROUNDS} rounds of {} MB each\n", at_least / 1_000_000);
    println!("{:<38}{:>14}{:>12}{:>24}{:>22}", "", "bytes a record", "events", "MB a CPU second", "times native JSON");
    for corpus in std::iter::once(&native).chain(&corpora) {
        let count = corpus.records.len();
        let (bytes, events) = (corpus.bytes / count, corpus.events as f64 / count as f64);
        println!("{:<38}{bytes:>14}{events:>12.2}{:>24}{:>22}", corpus.name, corpus.speeds, corpus.ratios);
    }
    println!();
}

impl Corpus {
    /// The samples of a format; none if it has none.
    fn of(encoding: Encoding) -> Option<Corpus> {
        let mut records = Vec::new();
        for path in samples::samples(encoding) {
            let decoder = Decoder::new(encoding, &samples::settings(&path).csv);
            let understood = samples::records(&path, &decoder).into_iter();
            let understood = understood.filter(|record| decoder.decode(given(record), &mut |_| {}).is_ok());
            records.extend(understood.map(|record| (decoder.clone(), record)));
        }
        (!records.is_empty()).then(|| Corpus::new(encoding.word().into_owned(), records))
    }

    fn new(name: String, records: Vec<(Decoder, Vec<u8>)>) -> Corpus {
        let bytes = records.iter().map(|(_, record)| record.len()).sum();
        let mut corpus =
            Corpus { name, records, bytes, events: 0, speeds: Figure::default(), ratios: Figure::default() };
        corpus.events = corpus.decode();
        corpus
    }

    /// Decodes all of it. Answers how many events there were.
    fn decode(&self) -> usize {
        let mut events = 0;
        for (decoder, record) in &self.records {
            let outcome = decoder.decode(given(record), &mut |decoded| {
                black_box(&decoded);
                events += 1;
            });
            black_box(&outcome);
        }
        events
    }

    /// Bytes a CPU second.
    fn speed(&self, at_least: usize) -> f64 {
        let times = at_least.div_ceil(self.bytes);
        let begun = cpu::own();
        for _ in 0..times {
            black_box(self.decode());
        }
        (times * self.bytes) as f64 / (cpu::own() - begun).as_secs_f64()
    }

    fn add(&mut self, speed: f64, native: f64) {
        self.speeds.add(speed / 1e6);
        self.ratios.add(speed / native);
    }
}

fn given(record: &[u8]) -> Given<'_> {
    Given { bytes: record, line: Some(1), logged: None }
}
