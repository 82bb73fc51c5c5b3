//! What other systems write, decoded: as a ratio to native JSON in the same run, by bytes and by events.
//!
//! A record of a vendor is fifty bytes or some thousand and tells none, one or a dozen events, so that neither says all.
//! The records are those of the samples that are understood. A machine that does other work is quicker in one moment than
//! in the next: each format is read right after native JSON, many times, and the median counts.

use crate::engine::lines;
use crate::figures::Figure;
use crate::samples;
use crate::{cpu, number};
use callpulse::decode::format::{Decoder, Encoding, Format, Given, Place};
use std::hint::black_box;

const ROUNDS: usize = 25;

/// Records of one format, with what reads them.
struct Corpus {
    name: String,
    records: Vec<(Decoder, Vec<u8>)>,
    bytes: usize,
    events: usize,
    speeds: Figure,
    by_bytes: Figure,
    by_events: Figure,
}

pub fn measure() {
    let at_least = number("MEGABYTES", 50) as usize * 1_000_000 / ROUNDS;
    let native = lines(5_000).into_iter().map(|line| (Decoder::from(Format::Json), line)).collect();
    let mut native = Corpus::new("json (simulated calls)".to_owned(), native);
    let mut corpora: Vec<Corpus> = Encoding::all().filter_map(Corpus::of).collect();
    let native_event = (native.bytes / native.events) as f64;
    for _ in 0..ROUNDS {
        for corpus in &mut corpora {
            let floor = native.speed(at_least);
            let speed = corpus.speed(at_least);
            native.add(floor, floor, native_event);
            corpus.add(speed, floor, native_event);
        }
    }
    println!("decoding, {ROUNDS} rounds of {} KB each\n", at_least / 1_000);
    println!(
        "{:<30}{:>8}{:>8}{:>22}{:>22}{:>22}",
        "", "bytes", "events", "MB a CPU second", "native, by bytes", "by events"
    );
    for corpus in std::iter::once(&native).chain(&corpora) {
        let count = corpus.records.len();
        let (bytes, events) = (corpus.bytes / count, corpus.events as f64 / count as f64);
        let Corpus { name, speeds, by_bytes, by_events, .. } = corpus;
        println!("{name:<30}{bytes:>8}{events:>8.2}{speeds:>22}{by_bytes:>22}{by_events:>22}");
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
        let (speeds, by_bytes, by_events) = Default::default();
        let mut corpus = Corpus { name, records, bytes, events: 0, speeds, by_bytes, by_events };
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
        let begun = cpu::thread();
        for _ in 0..times {
            black_box(self.decode());
        }
        (times * self.bytes) as f64 / (cpu::thread() - begun).as_secs_f64()
    }

    /// Takes a speed, beside that of native JSON and the bytes of one of its events.
    fn add(&mut self, speed: f64, native: f64, native_event: f64) {
        let event = self.bytes as f64 / self.events as f64;
        self.speeds.add(speed / 1e6);
        self.by_bytes.add(speed / native);
        self.by_events.add(speed / event / (native / native_event));
    }
}

fn given(record: &[u8]) -> Given<'_> {
    Given { place: Some(Place { line: 1, repeats: 0 }), ..Given::from(record) }
}
