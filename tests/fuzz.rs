//! Hostile input: whatever the bytes, a reader gives a value or a reason, and takes no more memory than a
//! multiple of what it was given.
//!
//! ```text
//! cargo test --test fuzz                                                          some seconds
//! FUZZ_INPUTS=10000000 CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo test --test fuzz -- --nocapture
//! ```
//!
//! Inputs are valid ones that were damaged (bits, pieces, numbers, lengths), two put together, and garbage that
//! knows the grammar. `FUZZ_SEED` makes others. A panic tells its input.

#[path = "support/events.rs"]
mod events;
#[path = "support/hostile.rs"]
mod hostile;
#[path = "support/samples.rs"]
#[expect(dead_code, reason = "records are damaged here, not read as they are")]
mod samples;
#[path = "support/told.rs"]
mod told;

use callpulse::command::engine::kpis_settings;
use callpulse::config;
use callpulse::decode::format::{Decoder, Encoding, Format};
use callpulse::decode::{json, protobuf};
use callpulse::event::{Channel, Event, What};
use callpulse::fact::{Facts, Family, Key, Measure};
use callpulse::kpi::room::Limits;
use callpulse::life::log::{self, CallLog};
use callpulse::stream::batch::{Batch, row, wire};
use callpulse::stream::calls::{Calls, CallsSettings};
use callpulse::stream::kpis::{Kpis, KpisSettings};
use callpulse::stream::outlet::to_json;
use callpulse::stream::stage::{Clock, Input, OutRecord, Output, Record, Stage};
use callpulse::stream::subjects::{Subjects, SubjectsSettings};
use callpulse::stream::takeover::Takeover;
use callpulse::time::Span;
use events::arbitrary_event;
use hostile::{Chance, Counting, damage, json_garbage, peak_of, protobuf_garbage, toml_garbage};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use prost::Message as _;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use told::told;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Inputs of a target that takes a microsecond, unless said.
const INPUTS: u64 = 40_000;

/// What a client of Kafka takes unless its `message.max.bytes` is raised.
const RECORD_BYTES_MAX: usize = 1_000_000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

/// Makes inputs and gives each to `check`; of slow targets one in `slow`.
fn fuzz(target: &str, slow: u64, make: impl Fn(&mut Chance) -> Vec<u8>, mut check: impl FnMut(&[u8])) {
    let inputs = (number("FUZZ_INPUTS", INPUTS) / slow).max(1);
    let mut chance = Chance::new(number("FUZZ_SEED", 1));
    let begun = Instant::now();
    let (mut bytes, mut longest) = (0, 0);
    for count in 1..=inputs {
        let input = make(&mut chance);
        bytes += input.len();
        longest = longest.max(input.len());
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&input))) {
            let shown = String::from_utf8_lossy(&input[..input.len().min(2_000)]).into_owned();
            eprintln!("{target}: input {count} of {} bytes: {shown:?}", input.len());
            resume_unwind(panic);
        }
        if count % 1_000_000 == 0 {
            eprintln!("{target}: {count} of {inputs} inputs, {:.0} s", begun.elapsed().as_secs_f64());
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("{target}: {inputs} inputs, {bytes} bytes, longest {longest}, {seconds:.1} s");
}

/// Errs on what took more memory at once than a multiple of its input.
fn within<T>(input: &[u8], times: usize, work: impl FnOnce() -> T) -> T {
    let (done, peak) = peak_of(work);
    assert!(peak <= 64 * 1024 + times * input.len(), "{peak} bytes of memory for {} of input", input.len());
    done
}

/// Some events of every type.
fn sample_events() -> Vec<Event<'static>> {
    let mut runner = TestRunner::deterministic();
    (0..600).map(|_| arbitrary_event().new_tree(&mut runner).expect("an event").current()).collect()
}

fn check_decoded(format: Format, record: &[u8]) {
    within(record, 8, || told(&format.into(), record)).is_sound();
}

#[test]
fn json_events() {
    let corpus: Vec<Vec<u8>> = sample_events().iter().map(|event| json::encode(event).into_bytes()).collect();
    let make = |chance: &mut Chance| match chance.below(4) {
        0 => json_garbage(chance),
        _ => damage(&corpus, chance),
    };
    fuzz("json", 1, make, |input| check_decoded(Format::Json, input));
}

#[test]
fn protobuf_events() {
    let corpus: Vec<Vec<u8>> = sample_events().iter().map(protobuf::encode).collect();
    let make = |chance: &mut Chance| match chance.below(4) {
        0 => protobuf_garbage(chance),
        _ => damage(&corpus, chance),
    };
    fuzz("protobuf", 1, make, |input| check_decoded(Format::Protobuf, input));
}

/// What the program's own board reads, which anybody may have written who has the right.
#[test]
fn records_of_subscribers() {
    use wire::kpi_record::{Counters, CountsEntry, Entity, Kpi, KpisEntry, Profile, Window, profile::OfferedEntry};
    let at = 1_772_440_000_000;
    let kpi = wire::KpiRecord {
        schema: "callpulse.kpi.v1".into(),
        entity: Some(Entity { kind: "queue".into(), id: "sales".into(), ..Entity::default() }),
        window: Some(Window { name: "5m".into(), kind: "sliding".into(), start_ms: Some(at), end_ms: at }),
        as_of_ms: at,
        counts: vec![CountsEntry { key: "offered".into(), value: 3 }],
        kpis: vec![KpisEntry { key: "answer_rate".into(), value: Some(Kpi::default()) }],
        profile: Some(Profile { offered: vec![OfferedEntry::default()], ..Profile::default() }),
        counters: Some(Counters::default()),
        ..wire::KpiRecord::default()
    };
    let progress = wire::ProgressRecord { schema: "callpulse.progress.v1".into(), ..wire::ProgressRecord::default() };
    let visits = vec![wire::call_record::Visit::default()];
    let call = wire::CallRecord { schema: "callpulse.call.v1".into(), visits, ..wire::CallRecord::default() };
    let bare = [kpi.encode_to_vec(), progress.encode_to_vec(), call.encode_to_vec()];
    let framed = bare.iter().map(|message| [&[0, 0, 0, 0, 7, 2, 0], message.as_slice()].concat());
    let corpus: Vec<Vec<u8>> = bare.iter().cloned().chain(framed).collect();
    let make = |chance: &mut Chance| match chance.below(4) {
        0 => protobuf_garbage(chance),
        _ => damage(&corpus, chance),
    };
    let mut read = 0;
    fuzz("records", 1, make, |input| {
        // What is JSON already is not read here.
        if let Cow::Owned(json) = within(input, 400, || to_json(input)) {
            serde_json::from_slice::<serde_json::Value>(&json).expect("what was read is JSON");
            read += 1;
        }
    });
    assert!(number("FUZZ_INPUTS", INPUTS) / 10 < read, "only {read} were read");
}

/// Batches as the stage calls writes them.
fn batches() -> Vec<Vec<u8>> {
    let mut chance = Chance::new(9);
    let batch = |_| {
        let entities = (0..1 + chance.below(4))
            .map(|number| wire::EntityName {
                tenant: "default".into(),
                kind: (number % 5) as u32,
                id: format!("e{}", chance.below(9)),
                channel: (chance.below(4) == 0).then(|| chance.below(Channel::ALL.len() as u64) as u32),
            })
            .collect::<Vec<_>>();
        let rows = (0..chance.below(8))
            .map(|_| {
                let mut facts = Facts::default();
                for _ in 0..chance.below(6) {
                    let measure = Measure::ALL[chance.below(Measure::ALL.len() as u64) as usize];
                    facts.add(Key::measure(measure), chance.below(5) as i64 - 2);
                }
                let family = [Family::Event, Family::Entry, Family::Waiting, Family::Time][chance.below(4) as usize];
                row(
                    chance.below(entities.len() as u64) as u32,
                    family,
                    match family {
                        Family::Time => 1_772_438_400_000 + chance.below(900_000) as i64,
                        _ => 1_772_438_400 + chance.below(900) as i64,
                    },
                    &facts,
                )
            })
            .collect();
        let marks =
            vec![wire::Mark { complete: 1_772_438_400_000 + chance.below(900_000) as i64, ..wire::Mark::default() }];
        let sources = vec![wire::Source { topic: "events".into(), partitions: 1 }];
        wire::Batch { entities, rows, marks, sources, ..wire::Batch::default() }.encode_to_vec()
    };
    (0..200).map(batch).collect()
}

#[test]
fn partials() {
    let corpus = batches();
    let make = |chance: &mut Chance| match chance.below(4) {
        0 => protobuf_garbage(chance),
        _ => damage(&corpus, chance),
    };
    fuzz("partials", 1, make, |input| {
        // An empty name or row is two bytes on the wire.
        if let Ok(batch) = within(input, 64, || Batch::read(input)) {
            assert!(batch.rows.iter().map(|row| batch.facts(row).len()).sum::<usize>() <= input.len());
        }
    });
}

#[test]
fn logs_of_calls() {
    let mut corpus = Vec::new();
    let mut log = CallLog::default();
    for event in sample_events() {
        if let What::Call(call) = &event.what {
            let mut entry = Vec::new();
            log::encode(&event, call, "", &mut entry);
            log.add(&entry);
            corpus.push(log.as_bytes().to_vec());
            if 8 < log.len() {
                log = CallLog::default();
            }
        }
    }
    fuzz(
        "logs",
        1,
        |chance| damage(&corpus, chance),
        |input| {
            if let Some(log) = within(input, 32, || CallLog::from_bytes(input)) {
                assert_eq!(log.iter().count(), log.len());
            }
        },
    );
}

#[test]
fn settings() {
    let corpus: Vec<Vec<u8>> =
        [config::MANUAL, config::DEMO, &config::MANUAL.replace("\n#", "\n")].map(Vec::from).into();
    let lines: Vec<Vec<u8>> = config::MANUAL
        .lines()
        .map(|line| line.strip_prefix('#').unwrap_or(line))
        .filter(|line| !line.starts_with(' ') && !line.is_empty())
        .map(|line| line.as_bytes().to_vec())
        .collect();
    let make = |chance: &mut Chance| match chance.below(8) {
        0 => damage(&corpus, chance),
        1..4 => toml_garbage(chance),
        _ => (0..1 + chance.below(6)).flat_map(|_| [damage(&lines, chance), b"\n".to_vec()].concat()).collect(),
    };
    fuzz("settings", 50, make, |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        if let Err(faults) = config::read(text, &BTreeMap::new()) {
            assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.sentence.is_empty()));
        }
    });
}

fn input() -> Input {
    Input { topic: "events".into(), partition: 0 }
}

fn clock() -> Clock {
    Clock { wall_ms: 1_772_440_000_000, now: Instant::now() }
}

fn calls() -> Calls {
    let settings = config::read("", &BTreeMap::new()).expect("the defaults").settings;
    let mut stage = Calls::new(CallsSettings {
        plan: Arc::new(settings.plan),
        decoders: [("events".into(), Format::Json.into())].into_iter().collect(),
        sources: vec![("events".to_owned(), 1)],
        allowed_disorder: Span(2_000),
        commit_every: Duration::ZERO,
        takeover: Takeover::of(1),
        partials: "partials".into(),
        partials_partitions: 2,
        subjects: "subjects".into(),
        subjects_partitions: 2,
        rejects: "rejects".into(),
        calls: "calls".into(),
    });
    stage.open(&input());
    stage
}

fn subjects() -> Subjects {
    let settings = config::read("", &BTreeMap::new()).expect("the defaults").settings;
    let mut stage = Subjects::new(SubjectsSettings {
        plan: Arc::new(settings.plan),
        commit_every: Duration::ZERO,
        partials: "partials".into(),
        partials_partitions: 2,
        subjects_partitions: 1,
        limits: Limits { all: 100, ..Limits::NONE }.into(),
    });
    stage.open(&input());
    stage
}

fn kpis() -> Kpis {
    let settings = config::read("", &BTreeMap::new()).expect("the defaults").settings;
    let mut stage = Kpis::new(KpisSettings {
        commit_every: Duration::ZERO,
        emit_every: Duration::ZERO,
        limits: Arc::new(Limits { all: 100, ..Limits::NONE }),
        ..kpis_settings(&settings, 1)
    });
    stage.open(&input());
    stage
}

/// Commits, and errs on a record that could not be written.
fn commit(stage: &mut impl Stage) -> Vec<OutRecord> {
    let mut out = Vec::new();
    stage.collect(clock(), &mut out);
    for record in &out {
        let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = record.key.as_ref().map_or(0, Vec::len) + record.value.as_ref().map_or(0, Vec::len) + headers;
        assert!(bytes < RECORD_BYTES_MAX, "a record of {bytes} bytes to {:?}", record.to);
    }
    stage.committed(clock());
    out
}

fn record(offset: i64, value: &[u8]) -> Record<'_> {
    Record { offset, timestamp: Some(1_772_440_000_000), key: None, value: Some(value), headers: &() }
}

/// Events that all happen near one another, so that none is late.
fn near_events() -> Vec<Vec<u8>> {
    let near = |(place, event): (usize, Event<'static>)| {
        let time = callpulse::time::EventTime(1_772_439_000_000 + place as i64 * 1_000);
        let is_call = matches!(event.what, What::Call(_));
        let call_id = is_call.then(|| format!("c{}", place % 7).into());
        json::encode(&Event { time, call_id, queue: Some(format!("q{}", place % 3).into()), ..event }).into_bytes()
    };
    sample_events().into_iter().enumerate().map(near).collect()
}

#[test]
fn the_stage_calls() {
    let corpus = near_events();
    let (mut stage, mut count) = (calls(), 0);
    let make = |chance: &mut Chance| match chance.below(8) {
        0 => json_garbage(chance),
        1..5 => damage(&corpus, chance),
        _ => corpus[chance.below(corpus.len() as u64) as usize].clone(),
    };
    fuzz("calls", 10, make, |value| {
        stage.apply(&input(), record(count, value));
        count += 1;
        if count % 64 == 0 {
            commit(&mut stage);
        }
        if count % 20_000 == 0 {
            stage = calls();
        }
    });
}

#[test]
fn the_stage_kpis() {
    let corpus = batches();
    let (mut stage, mut count) = (kpis(), 0);
    fuzz(
        "kpis",
        40,
        |chance| damage(&corpus, chance),
        |value| {
            stage.apply(&input(), record(count, value));
            count += 1;
            if count % 64 == 0 {
                commit(&mut stage);
            }
            if count % 20_000 == 0 {
                stage = kpis();
            }
        },
    );
}

/// What the stage calls sends to the stage subjects.
fn told_of_agents() -> Vec<Vec<u8>> {
    let mut first = calls();
    near_events().iter().enumerate().for_each(|(at, value)| first.apply(&input(), record(at as i64, value)));
    let is_to_subjects =
        |out: &OutRecord| matches!(&out.to, Output::Topic { topic, .. } if topic.as_ref() == "subjects");
    commit(&mut first).into_iter().filter(is_to_subjects).filter_map(|out| out.value).collect()
}

#[test]
fn the_stage_subjects() {
    let corpus = told_of_agents();
    assert!(!corpus.is_empty());
    let (mut stage, mut count) = (subjects(), 0);
    fuzz(
        "subjects",
        40,
        |chance| damage(&corpus, chance),
        |value| {
            stage.apply(&input(), record(count, value));
            count += 1;
            if count % 16 == 0 {
                commit(&mut stage);
            }
            if count % 200 == 0 {
                stage = subjects();
            }
        },
    );
}

/// The state that stages keep, damaged, is taken or left, and what comes next is taken.
#[test]
fn states() {
    let entries = |out: Vec<OutRecord>| {
        out.into_iter().filter_map(|out| Some((out.key.unwrap_or_default(), out.value?))).collect::<Vec<_>>()
    };
    let (mut first, mut second) = (calls(), kpis());
    near_events().iter().enumerate().for_each(|(at, value)| first.apply(&input(), record(at as i64, value)));
    batches().iter().enumerate().for_each(|(at, value)| second.apply(&input(), record(at as i64, value)));
    let (of_calls, of_kpis) = (entries(commit(&mut first)), entries(commit(&mut second)));
    assert!(!of_calls.is_empty() && !of_kpis.is_empty());
    let (events, batches) = (near_events(), batches());
    fn reload<S: Stage>(mut stage: S, entries: &[(Vec<u8>, Vec<u8>)], next: &[Vec<u8>], seed: &[u8]) {
        let mut chance = Chance::new(seed.iter().fold(7, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(*byte)));
        let values: Vec<Vec<u8>> = entries.iter().map(|(_, value)| value.clone()).collect();
        for (key, value) in entries {
            let value = if chance.below(4) == 0 { damage(&values, &mut chance) } else { value.clone() };
            let key = if chance.below(20) == 0 { damage(std::slice::from_ref(key), &mut chance) } else { key.clone() };
            stage.load(&input(), &key, Some(&value));
        }
        stage.resume(&input(), Some(1_000));
        for (at, value) in next.iter().take(20).enumerate() {
            stage.apply(&input(), record(1_000 + at as i64, value));
        }
        let mut out = Vec::new();
        stage.collect(clock(), &mut out);
    }
    fuzz(
        "states",
        400,
        |chance| chance.below(u64::MAX).to_le_bytes().to_vec(),
        |seed| {
            reload(calls(), &of_calls, &events, seed);
            reload(kpis(), &of_kpis, &batches, seed);
        },
    );
}

#[test]
fn a_batch_of_an_instant_beyond_all_time_is_damaged() {
    let batch = |at| {
        let rows = vec![wire::Row { at, ..wire::Row::default() }];
        wire::Batch { entities: vec![wire::EntityName::default()], rows, ..wire::Batch::default() }.encode_to_vec()
    };
    assert!(Batch::read(&batch(1_772_438_400)).is_ok());
    for at in [i64::MIN, i64::MIN + 1, i64::MAX / 1000, i64::MAX] {
        assert!(Batch::read(&batch(at)).is_err(), "{at}");
    }
}

#[test]
fn a_text_longer_than_any_name_is_too_large() {
    let event = |text: &str| format!(r#"{{"type":"call.queued","time":1772439330120,"call_id":"c","queue":"{text}"}}"#);
    assert!(json::decode(event(&"q".repeat(1024)).as_bytes()).is_ok());
    let reject = json::decode(event(&"q".repeat(1025)).as_bytes()).map(|_| ()).expect_err("a reject");
    assert_eq!((reject.reason.word(), reject.sentence.contains("queue has 1025 bytes")), ("too_large", true));
}

#[test]
fn a_record_that_could_not_be_written_again_becomes_a_reject_nevertheless() {
    let mut stage = calls();
    stage.apply(&input(), Record { key: Some(&[b'k'; 900_000]), ..record(0, &[b' '; 5_000_000]) });
    let out = commit(&mut stage);
    let reject = out.iter().find(|out| out.headers.iter().any(|(name, _)| *name == "reason")).expect("a reject");
    let cut = reject.headers.iter().find(|(name, _)| *name == "value_bytes").expect("how long it was");
    assert_eq!(cut.1, b"5000000");
}

/// A `call_id` that is not unique collects events of many calls.
#[test]
fn one_call_id_used_for_everything_can_be_kept() {
    let mut stage = calls();
    let (mut refused, name) = (0, "x".repeat(1_000));
    for number in 0..1_500_u64 {
        let (kind, more) = [("queued", ""), ("answered", r#","agent":"ana""#), ("ended", "")][number as usize % 3];
        let at = 1_772_430_000_000 + number * 6_000;
        let (event_id, queue) = (format!("{name}{number}"), number / 3 % 50);
        let event = format!(
            r#"{{"type":"call.{kind}","time":{at},"event_id":"{event_id}","call_id":"c","queue":"q{queue}"{more}}}"#
        );
        stage.apply(&input(), record(number as i64, event.as_bytes()));
        if number % 100 == 0 {
            refused += commit(&mut stage).iter().filter(|out| is_too_large(out)).count();
        }
    }
    refused += commit(&mut stage).iter().filter(|out| is_too_large(out)).count();
    assert!(0 < refused && refused < 1_500, "{refused} were refused");
}

fn is_too_large(out: &OutRecord) -> bool {
    out.headers.contains(&("reason", b"too_large".to_vec()))
}

/// What other systems write: records of the samples, damaged.
#[test]
fn vendors_records() {
    for encoding in Encoding::all() {
        // Those that are read with the same settings are damaged together.
        let mut corpora: BTreeMap<Option<PathBuf>, (Decoder, Vec<Vec<u8>>)> = BTreeMap::new();
        for sample in samples::samples(encoding) {
            let make = || (Decoder::new(encoding, &samples::settings(&sample).csv), Vec::new());
            let (decoder, corpus) = corpora.entry(samples::settings_file(&sample)).or_insert_with(make);
            corpus.extend(samples::records(&sample, decoder));
        }
        for (decoder, corpus) in corpora.values() {
            let make = |chance: &mut Chance| match chance.below(8) {
                0 => json_garbage(chance),
                _ => damage(corpus, chance),
            };
            fuzz(&encoding.word(), 4, make, |input| within(input, 8, || told(decoder, input)).is_sound());
        }
    }
}
