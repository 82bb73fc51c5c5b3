//! The stages give what replay gives: whatever the writers, the interleaving, the commits and the
//! restarts.

use crate::cases;
use crate::centre::{TOPIC, ZONES, records, settings};
use crate::drive::{Driven, Log, input};
use crate::histories::{MINUTES_MS, Reach, Told, history};
use callpulse::config::settings::Settings;
use callpulse::decode::format::Format;
use callpulse::kpi::record::{Count, KpiRecord};
use callpulse::stream::calls::{Calls, CallsSettings};
use callpulse::stream::kpis::{Kpis, KpisSettings};
use callpulse::stream::stage::{OutRecord, Output};
use callpulse::time::Span;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

static SETTINGS: LazyLock<Vec<Settings>> = LazyLock::new(|| ZONES.iter().map(|zone| settings(zone)).collect());

const PARTIALS: &str = "callpulse.partials";
const KPIS: &str = "acd.kpis";
const INTERVALS: &str = "acd.kpis.intervals";
/// Partitions of the partials.
const TARGETS: i32 = 2;

/// What a worker does next.
#[derive(Clone, Debug)]
enum Act {
    /// Reads some records of one input.
    Read {
        input: usize,
        records: usize,
    },
    ReachEnd {
        input: usize,
    },
    Commit,
    /// Time passes.
    Wait(u64),
    /// The stage is dropped and restored.
    Restart {
        is_compacted: bool,
    },
}

fn acts(has_restarts: bool) -> impl Strategy<Value = Vec<Act>> {
    let restart = if has_restarts { 2 } else { 0 };
    let act = prop_oneof![
        6 => (0..6_usize, 1..12_usize).prop_map(|(input, records)| Act::Read { input, records }),
        1 => (0..6_usize).prop_map(|input| Act::ReachEnd { input }),
        4 => Just(Act::Commit),
        2 => prop_oneof![Just(1_u64), Just(6), Just(20)].prop_map(Act::Wait),
        restart => any::<bool>().prop_map(|is_compacted| Act::Restart { is_compacted }),
    ];
    proptest::collection::vec(act, 0..40)
}

/// A world: where calls go, who writes, and how everybody proceeds.
#[derive(Clone, Debug)]
struct World {
    zone: usize,
    sources: usize,
    writers: usize,
    writing: Vec<Vec<Act>>,
    /// Which writer's batches come next.
    order: Vec<usize>,
    counting: Vec<Act>,
}

fn world(has_restarts: bool) -> impl Strategy<Value = World> {
    let writing = proptest::collection::vec(acts(has_restarts), 3);
    let order = proptest::collection::vec(0..3_usize, 0..60);
    (0..ZONES.len(), 1..4_usize, 1..4_usize, writing, order, acts(has_restarts)).prop_map(
        |(zone, sources, writers, writing, order, counting)| World {
            zone,
            sources,
            writers: writers.min(sources),
            writing,
            order,
            counting,
        },
    )
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn the_stages_end_where_replay_ends(told in history(Reach::Minutes), world in world(false)) {
        let end = end_of(&told, MINUTES_MS + 120_000);
        let published = run(&told, &world, end)?;
        published.equals_replay(&told, &SETTINGS[world.zone], end, true)?;
    }

    #[test]
    fn restored_at_any_cut_they_end_where_replay_ends(told in history(Reach::Minutes), world in world(true)) {
        let end = end_of(&told, MINUTES_MS + 120_000);
        let published = run(&told, &world, end)?;
        published.equals_replay(&told, &SETTINGS[world.zone], end, true)?;
    }

    #[test]
    fn what_is_lost_and_found_and_used_again_ends_in_the_same_intervals(
        told in history(Reach::Days),
        world in world(true),
        later in 120_000..50_000_000_i64,
    ) {
        let end = end_of(&told, later);
        let published = run(&told, &world, end)?;
        published.equals_replay(&told, &SETTINGS[world.zone], end, false)?;
    }
}

/// When everything is over: so long after the first event, or a while after the last to arrive.
fn end_of(told: &[Told], later: i64) -> i64 {
    let first = told.iter().map(|told| told.time).min().unwrap_or(0);
    let last = told.iter().map(Told::arrives).max().unwrap_or(0);
    (first + later).max(last + 1_000)
}

/// The events by partition, in the order of their arrival, and a last one for each partition that says
/// how late it is.
fn source_logs(told: &[Told], sources: usize, end: i64) -> Vec<Log> {
    let mut arriving: Vec<(i64, usize, &Told)> = Vec::new();
    for (place, told) in told.iter().enumerate() {
        arriving.push((told.arrives(), place, told));
        if told.is_repeated {
            arriving.push((told.arrives() + 7_000, place, told));
        }
    }
    arriving.sort_by_key(|(at, place, _)| (*at, *place));
    let mut logs = vec![Log::new(); sources];
    for (at, _, told) in arriving {
        let record = (at.min(end), told.line.clone().into_bytes());
        match told.call.as_str() {
            "" => logs.iter_mut().for_each(|log| log.push(record.clone())),
            call => logs[(call.len() + usize::from(call.as_bytes()[1])) % sources].push(record),
        }
    }
    let last = format!(r#"{{"type":"agent.state","time":{end},"agent":"ana","state":"paused"}}"#);
    logs.iter_mut().for_each(|log| log.push((end, last.clone().into_bytes())));
    logs
}

fn run(told: &[Told], world: &World, end: i64) -> Result<Published, TestCaseError> {
    let settings = &SETTINGS[world.zone];
    let sources = source_logs(told, world.sources, end);
    let written: Vec<Vec<Vec<Vec<u8>>>> =
        (0..world.writers).map(|writer| write(settings, world, &sources, writer, end)).collect::<Result<_, _>>()?;
    let partials = interleave(&written, &world.order);
    count(settings, &world.counting, &partials, end)
}

/// What one writer sends to each partition of the partials.
fn write(
    settings: &Settings,
    world: &World,
    sources: &[Log],
    writer: usize,
    end: i64,
) -> Result<Vec<Vec<Vec<u8>>>, TestCaseError> {
    let make = || Calls::new(calls_settings(settings, sources.len()));
    let own: Vec<usize> = (0..sources.len()).filter(|source| source % world.writers == writer).collect();
    let inputs: Vec<_> = own.iter().map(|source| input(TOPIC, *source as i32)).collect();
    let mut driven = Driven::new(make(), inputs.clone());
    let mut sent = vec![Vec::new(); TARGETS as usize];
    let mut send = |out: Vec<OutRecord>| {
        for record in out {
            match record.to {
                Output::Topic { topic, partition: Some(partition) } if topic.as_ref() == PARTIALS => {
                    sent[partition as usize].push(record.value.expect("a batch"));
                }
                Output::Topic { topic, .. } if topic.as_ref() == "acd.rejects" => {
                    let text = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
                    return Err(TestCaseError::fail(format!("rejected: {text} {:?}", record.headers)));
                }
                _ => {}
            }
        }
        Ok(())
    };
    // The clock never shows less than what was read.
    let mut wall = 0;
    for act in &world.writing[writer] {
        match act {
            Act::Read { input, records } => {
                let place = input % own.len();
                driven.read(&inputs[place], &sources[own[place]], *records);
                wall = wall.max(driven.latest(&inputs[place], &sources[own[place]]));
            }
            Act::ReachEnd { .. } => {}
            Act::Commit => send(driven.commit(wall))?,
            Act::Wait(seconds) => driven.wait(*seconds),
            Act::Restart { is_compacted } => driven.restart(make(), *is_compacted),
        }
    }
    for (input, source) in inputs.iter().zip(&own) {
        driven.read(input, &sources[*source], usize::MAX / 2);
        driven.reach_end(input, end);
    }
    driven.wait(2);
    send(driven.commit(end))?;
    Ok(sent)
}

/// Each partition of the partials: every writer's batches in its own order.
fn interleave(written: &[Vec<Vec<Vec<u8>>>], order: &[usize]) -> Vec<Log> {
    let merged = |target: usize| {
        let mut next = vec![0; written.len()];
        let mut log = Log::new();
        let forced = (0..written.len()).flat_map(|writer| written[writer][target].iter().map(move |_| writer));
        for writer in order.iter().map(|writer| writer % written.len()).chain(forced.collect::<Vec<_>>()) {
            if let Some(batch) = written[writer][target].get(next[writer]) {
                log.push((0, batch.clone()));
                next[writer] += 1;
            }
        }
        log
    };
    (0..TARGETS as usize).map(merged).collect()
}

fn count(settings: &Settings, acts: &[Act], partials: &[Log], end: i64) -> Result<Published, TestCaseError> {
    let make = || Kpis::new(kpis_settings(settings));
    let inputs: Vec<_> = (0..TARGETS).map(|partition| input(PARTIALS, partition)).collect();
    let mut driven = Driven::new(make(), inputs.clone());
    let mut published = Published::default();
    for act in acts {
        match act {
            Act::Read { input, records } => {
                let place = input % inputs.len();
                driven.read(&inputs[place], &partials[place], *records);
            }
            Act::ReachEnd { input } => {
                let place = input % inputs.len();
                driven.read(&inputs[place], &partials[place], usize::MAX / 2);
                driven.reach_end(&inputs[place], end);
            }
            Act::Commit => published.take(driven.commit(end))?,
            Act::Wait(seconds) => driven.wait(*seconds),
            Act::Restart { is_compacted } => driven.restart(make(), *is_compacted),
        }
    }
    for (input, log) in inputs.iter().zip(partials) {
        driven.read(input, log, usize::MAX / 2);
        driven.reach_end(input, end);
    }
    // Until nothing is held back any more, and a day further: what was published last stays.
    for _ in 0..3 {
        driven.wait(20);
        published.take(driven.commit(end))?;
    }
    Ok(published)
}

/// What subscribers see.
#[derive(Default)]
struct Published {
    board: BTreeMap<String, KpiRecord>,
    archive: BTreeMap<String, KpiRecord>,
    versions: HashMap<(bool, String, u64), Vec<u8>>,
}

impl Published {
    /// Equal versions have equal content, and versions do not go back.
    fn take(&mut self, out: Vec<OutRecord>) -> Result<(), TestCaseError> {
        for OutRecord { to, key, value, .. } in out {
            let Output::Topic { topic, .. } = to else { continue };
            let key = String::from_utf8(key.expect("a KPI has a key")).expect("a key is text");
            let Some(value) = value.filter(|_| !key.starts_with("progress|")) else { continue };
            let record: KpiRecord = serde_json::from_slice(&value).expect("a KPI record");
            let is_archive = topic.as_ref() == INTERVALS;
            prop_assert!(is_archive || topic.as_ref() == KPIS);
            let place = (is_archive, key.clone(), record.version);
            let known = self.versions.entry(place).or_insert_with(|| value.clone());
            let texts = [&*known, &value].map(|value| String::from_utf8_lossy(value).into_owned());
            prop_assert_eq!(&texts[0], &texts[1], "two contents of one version of {}", key);
            let newest = if is_archive { &mut self.archive } else { &mut self.board };
            if let Some(before) = newest.get(&key) {
                prop_assert!(before.version <= record.version, "{key} goes back");
                prop_assert!(before.as_of <= record.as_of, "{key} goes back in time");
            }
            newest.insert(key, record);
        }
        Ok(())
    }

    fn equals_replay(
        &self,
        told: &[Told],
        settings: &Settings,
        end: i64,
        with_board: bool,
    ) -> Result<(), TestCaseError> {
        let of_end = by_place(records(settings, told, end));
        for (key, record) in &self.archive {
            compare(key, record, of_end.get(&place(record)))?;
        }
        let archived: HashMap<_, _> = self.archive.values().map(|record| (place(record), record)).collect();
        let end_text = callpulse::time::EventTime(end).to_string();
        for (place, record) in &of_end {
            let has_ended = record.window.kind == "interval" && record.window.end <= end_text;
            prop_assert!(!has_ended || archived.contains_key(place), "never archived: {place}");
        }
        if !with_board {
            return Ok(());
        }
        let mut at: HashMap<String, HashMap<String, KpiRecord>> = HashMap::new();
        for (key, record) in &self.board {
            let as_of = callpulse::time::EventTime::parse(&record.as_of).expect("a time").0;
            let then = at.entry(record.as_of.clone()).or_insert_with(|| by_place(records(settings, told, as_of)));
            compare(key, record, then.get(&place(record)))?;
        }
        let on_board: HashSet<String> = self.board.values().map(place).collect();
        for record in of_end.values() {
            let is_there = record.window.kind == "interval" || on_board.contains(&place(record));
            prop_assert!(is_there, "never on the board: {}", place(record));
        }
        Ok(())
    }
}

/// Entity, window, and the beginning of an interval.
fn place(record: &KpiRecord) -> String {
    let channel = record.entity.channel.as_deref().unwrap_or_default();
    let start = record.window.start.as_deref().filter(|_| record.window.kind == "interval").unwrap_or_default();
    let (kind, id, window) = (&record.entity.kind, &record.entity.id, &record.window.name);
    format!("{}|{kind}|{id}|{channel}|{window}|{start}", record.tenant)
}

fn by_place(records: Vec<KpiRecord>) -> HashMap<String, KpiRecord> {
    records.into_iter().map(|record| (place(&record), record)).collect()
}

/// Equal but for what tells of the way there. What replay does not have holds nothing.
fn compare(key: &str, record: &KpiRecord, replayed: Option<&KpiRecord>) -> Result<(), TestCaseError> {
    let Some(replayed) = replayed else {
        let counts = record.by_entry.iter().map(|by_entry| &by_entry.counts).chain([&record.counts]);
        let is_empty = counts.flat_map(|counts| counts.iter()).all(|(_, count)| match count {
            Count::Number(number) => *number == 0,
            Count::By(parts) => parts.iter().all(|(_, number)| *number == 0),
        });
        prop_assert!(is_empty && record.sums_ms.iter().all(|(_, sum)| *sum == 0), "replay has no {key}: {record:?}");
        return Ok(());
    };
    let bare = |record: &KpiRecord| KpiRecord {
        as_of: String::new(),
        version: 0,
        is_final: false,
        corrected: false,
        counters: None,
        ..record.clone()
    };
    prop_assert_eq!(
        serde_json::to_string_pretty(&bare(record)).expect("JSON"),
        serde_json::to_string_pretty(&bare(replayed)).expect("JSON"),
        "{} as of {}",
        key,
        record.as_of
    );
    Ok(())
}

fn calls_settings(settings: &Settings, sources: usize) -> CallsSettings {
    CallsSettings {
        plan: Arc::new(settings.plan.clone()),
        formats: [(Arc::from(TOPIC), Format::Json)].into_iter().collect(),
        sources: vec![(TOPIC.to_string(), sources as i32)],
        allowed_disorder: Span::from_secs(2),
        commit_every: Duration::from_millis(100),
        generation: 1,
        partials: PARTIALS.into(),
        partials_partitions: TARGETS,
        rejects: "acd.rejects".into(),
        calls: "acd.calls".into(),
    }
}

fn kpis_settings(settings: &Settings) -> KpisSettings {
    KpisSettings {
        kpi: Arc::new(settings.kpi.clone()),
        commit_every: Duration::from_millis(20),
        emit_every: Duration::from_millis(250),
        generation: 1,
        late_horizon: settings.plan.late_horizon,
        allowed_skew: settings.plan.allowed_skew,
        silent_after: Arc::from([]),
        kpis: KPIS.into(),
        intervals: INTERVALS.into(),
        partials_partitions: TARGETS,
        max_entities: Arc::new(|_| 10_000),
    }
}
