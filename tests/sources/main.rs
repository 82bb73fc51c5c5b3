//! What other systems write, read: samples of each format with the events and the KPIs they stand for.
//!
//! ```text
//! tests/formats/queue_log/answered.in        what the source writes
//! tests/formats/queue_log/answered.toml      the settings it is read with, if it needs any
//! tests/formats/queue_log/answered.events    the native events, a line each; of what is left aside and refused, why
//! tests/formats/queue_log/answered.kpis      `queue:sales total counts.offered 1`: what replay says, a line each
//! ```
//!
//! `UPDATE=1 cargo test --test sources` writes the events anew, to be read before they are kept; the KPIs are
//! written by hand.

#[path = "../support/samples.rs"]
mod samples;
#[path = "../support/told.rs"]
mod told;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use callpulse::config::settings::Settings;
use callpulse::decode::format::{Decoder, Encoding, Format, Given, Headers, Place};
use callpulse::decode::json;
use callpulse::event::Decoded;
use callpulse::replay::engine::Replay;
use callpulse::replay::filter::Filter;
use callpulse::time::EventTime;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::{env, fs};
use told::{Told, told};

#[test]
fn samples_stand_for_the_events_and_kpis_beside_them() {
    for encoding in Encoding::all() {
        let samples = samples::samples(encoding);
        let is_native = matches!(encoding.format, Format::Json | Format::Protobuf);
        assert!(is_native || encoding.is_enveloped || !samples.is_empty(), "{} has no sample", encoding.word());
        for sample in samples {
            let settings = samples::settings(&sample);
            let decoder = Decoder::new(encoding, &settings.csv);
            let events = stands_for(&sample, &decoder.with_queue_log_zone(settings.queue_log_zone.as_ref()));
            comes_to(&sample, &settings, &events);
        }
    }
}

/// In an envelope of whatever mode a record tells what it tells alone. Each event has the envelope's source besides.
#[test]
fn in_an_envelope_a_record_of_any_format_tells_the_same() {
    for format in Format::ALL {
        if matches!(format, Format::Json | Format::Protobuf) {
            continue;
        }
        for sample in samples::samples((*format).into()) {
            let settings = samples::settings(&sample);
            let [bare, enveloped] = [false, true].map(|is_enveloped| {
                let decoder = Decoder::new(Encoding { format: *format, is_enveloped }, &settings.csv);
                decoder.with_queue_log_zone(settings.queue_log_zone.as_ref())
            });
            for (line, record) in (1..).zip(samples::records(&sample, &bare)) {
                let at = || format!("record {line} of {}", sample.display());
                let given = Given { place: Some(Place { line, repeats: 0 }), ..Given::from(record.as_slice()) };
                let alone = plain(told(&bare, given));
                let binary = Given { headers: &Binary, ..given };
                assert_eq!(plain(told(&enveloped, binary)), alone, "{} in binary mode", at());
                for data in written_as_data(&record) {
                    let envelope = format!(r#"{{"specversion":"1.0","id":"1","source":"sample","type":"x",{data}}}"#);
                    let structured = Given { bytes: envelope.as_bytes(), ..given };
                    assert_eq!(plain(told(&enveloped, structured)), alone, "{}: {data}", at());
                }
            }
        }
    }
}

/// The attributes of an envelope as headers.
#[derive(Debug)]
struct Binary;

impl Headers for Binary {
    fn header(&self, name: &str) -> Option<&[u8]> {
        match name {
            "ce_specversion" => Some(b"1.0"),
            "ce_id" | "ce_type" => Some(b"1"),
            "ce_source" => Some(b"sample"),
            _ => None,
        }
    }
}

/// The ways in which a record may stand in an envelope.
fn written_as_data(record: &[u8]) -> Vec<String> {
    let mut ways = vec![format!(r#""data_base64":"{}""#, BASE64_STANDARD.encode(record))];
    if let Ok(text) = std::str::from_utf8(record) {
        ways.push(format!(r#""data":{}"#, Value::from(text)));
        // A text would be taken for what is written in it.
        if matches!(serde_json::from_str(text), Ok(Value::Object(_) | Value::Array(_))) {
            ways.push(format!(r#""data":{text}"#));
        }
    }
    // An empty record is no text of base64.
    ways.retain(|_| !record.is_empty());
    ways
}

/// What was told, without the source that an envelope adds.
fn plain(told: Told) -> (Vec<String>, Vec<String>, Option<&'static str>) {
    let events = told.events.iter().map(|event| event.replace(r#","source":"sample""#, "")).collect();
    (events, told.aside, told.refused.map(|reject| reject.reason.word()))
}

/// Holds the events of a sample against what is written beside it. Answers the events.
fn stands_for(sample: &Path, decoder: &Decoder) -> Vec<String> {
    let (mut all, mut written) = (Vec::new(), String::new());
    for (line, told) in samples::read(sample, decoder) {
        told.is_sound();
        for event in told.events {
            let _ = writeln!(written, "{event}");
            all.push(event);
        }
        for kind in told.aside {
            let _ = writeln!(written, "# {line}: {kind} is left aside");
        }
        if let Some(reject) = told.refused {
            let _ = writeln!(written, "# {line}: {}: {}", reject.reason.word(), reject.sentence);
        }
    }
    let path = sample.with_extension("events");
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &written).expect("the events written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == written,
        "{} stands for other events than {}; look at what UPDATE=1 changes:\n{written}",
        sample.display(),
        path.display()
    );
    all
}

/// Holds what the events come to against what is written beside the sample.
fn comes_to(sample: &Path, settings: &Settings, events: &[String]) {
    let path = sample.with_extension("kpis");
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut replay = Replay::new(Arc::new(settings.plan.clone()), EventTime(i64::MAX));
    for line in events {
        let Ok(Decoded::Event(event)) = json::decode(line.as_bytes()) else { panic!("{line} is no event") };
        replay.take(&event, "sample");
    }
    let as_of = replay.latest().unwrap_or(EventTime(0));
    let tallies = replay.settle(&settings.kpi, as_of);
    let records: Vec<Value> =
        tallies.records(&Filter::default()).map(|record| serde_json::to_value(record).expect("JSON")).collect();
    for line in expected.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let parts: Vec<&str> = line.split(' ').collect();
        let [entity, window, field, value] = parts[..] else { panic!("{}: {line}", path.display()) };
        let is_it = |record: &&Value| {
            let kind = record["entity"]["kind"].as_str().unwrap_or_default();
            let id = record["entity"]["id"].as_str().unwrap_or_default().replace(' ', "_");
            format!("{kind}:{id}") == entity && record["window"]["name"] == window
        };
        let record = records.iter().find(is_it).unwrap_or_else(|| panic!("{}: {line}: no record", path.display()));
        let found = field.split('.').fold(record, |value, name| &value[name]);
        assert_eq!(found.to_string(), value, "{}: {line}", path.display());
    }
}
