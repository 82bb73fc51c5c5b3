//! Restored and continued is never stopped, at every cut: after each commit of a stage it is restored,
//! goes on from there, and is restored once more before it ends.

use crate::cases;
use crate::centre::TOPIC;
use crate::drive::Log;
use crate::histories::{MINUTES_MS, Reach, Told, few_calls};
use crate::published::{Published, Truth, Versions};
use crate::world::{AGENT_TARGETS, Act, CALLS, PARTIALS, SETTINGS, SUBJECTS, TARGETS, Worker, World, any_settings};
use crate::world::{calls_worker, check_reject, end_of, interleave, kpis_worker, later, source_logs, subjects_worker};
use crate::world::{take_sent, world};
use callpulse::entity::{Entity, Kind};
use callpulse::event::DEFAULT_TENANT;
use callpulse::fact::{Family, Key, Measure};
use callpulse::stream::batch::{entity, name, partition_of, wire};
use callpulse::stream::calls::Calls;
use callpulse::stream::stage::{Input, OutRecord, Output};
use callpulse::stream::subjects::Subjects;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn calls_restored_after_any_commit_send_the_same_and_keep_the_same(
        told in few_calls(Reach::Days),
        settings in any_settings(),
        sources in 1..4_usize,
        acts in steps(),
        is_compacted in any::<bool>(),
        later in later(),
    ) {
        let end = end_of(&told, later);
        let sources = source_logs(&told, sources, end);
        let mut worker = calls_worker(&SETTINGS[settings], &sources, |_| true);
        let (mut sent, mut cuts) = (Sent::default(), Vec::new());
        for (place, act) in acts.iter().enumerate() {
            sent.take(worker.act(act))?;
            if matches!(act, Act::Commit) {
                cuts.push((&acts[place + 1..], worker.restarted(is_compacted), sent.clone()));
            }
        }
        sent.take(worker.finish(end, 1))?;
        let kept = kept(&worker);
        for (acts, mut worker, mut other) in cuts {
            for act in acts.iter().chain([&Act::Restart { is_compacted }]) {
                other.take(worker.act(act))?;
            }
            other.take(worker.finish(end, 1))?;
            let (to_go, kept_now) = (acts.len(), self::kept(&worker));
            prop_assert_eq!(apart(&sent.facts, &other.facts), [], "facts, restored with {} acts to go", to_go);
            prop_assert_eq!(apart(&sent.marks, &other.marks), [], "marks, restored with {} acts to go", to_go);
            prop_assert_eq!(&sent.agent_events, &other.agent_events, "agents, restored with {} acts to go", to_go);
            prop_assert_eq!(apart(&sent.calls, &other.calls), [], "calls, restored with {} acts to go", to_go);
            prop_assert_eq!(apart(&kept, &kept_now), [], "state, restored with {} acts to go", to_go);
        }
    }

    #[test]
    fn subjects_restored_after_any_commit_send_the_same_and_keep_the_same(
        told in few_calls(Reach::Days),
        settings in any_settings(),
        acts in steps(),
        is_compacted in any::<bool>(),
        later in later(),
    ) {
        let end = end_of(&told, later);
        let subjects = {
            let sources = source_logs(&told, 2, end);
            let mut calls = calls_worker(&SETTINGS[settings], &sources, |_| true);
            let mut sent = vec![Vec::new(); AGENT_TARGETS as usize];
            for act in (0..40).flat_map(|input| [Act::Read { input: input % 2, records: 1 }, Act::Commit]) {
                take_sent(&mut sent, SUBJECTS, &calls.act(&act));
            }
            take_sent(&mut sent, SUBJECTS, &calls.finish(end, 1));
            interleave(&[sent], AGENT_TARGETS, &[])
        };
        let mut worker = subjects_worker(&SETTINGS[settings], &subjects, |_| true);
        let (mut sent, mut cuts) = (Sent::default(), Vec::new());
        for (place, act) in acts.iter().enumerate() {
            sent.take(worker.act(act))?;
            if matches!(act, Act::Commit) {
                cuts.push((&acts[place + 1..], worker.restarted(is_compacted), sent.clone()));
            }
        }
        sent.take(worker.finish(end, 1))?;
        let all = |worker: &Worker<'_, Subjects>| -> BTreeMap<(Input, Vec<u8>), Vec<u8>> {
            let entries = worker.state().map(|(input, key, value)| ((input.clone(), key.to_vec()), value.to_vec()));
            entries.collect()
        };
        let kept = all(&worker);
        for (acts, mut worker, mut other) in cuts {
            for act in acts.iter().chain([&Act::Restart { is_compacted }]) {
                other.take(worker.act(act))?;
            }
            other.take(worker.finish(end, 1))?;
            let to_go = acts.len();
            prop_assert_eq!(apart(&sent.facts, &other.facts), [], "facts, restored with {} acts to go", to_go);
            prop_assert_eq!(apart(&sent.marks, &other.marks), [], "marks, restored with {} acts to go", to_go);
            let kept_now = all(&worker);
            prop_assert_eq!(apart(&kept, &kept_now), [], "state, restored with {} acts to go", to_go);
        }
    }

    #[test]
    fn kpis_restored_after_any_commit_end_where_replay_ends(
        told in few_calls(Reach::Minutes),
        world in world(false),
        acts in steps(),
        is_compacted in any::<bool>(),
    ) {
        let end = end_of(&told, MINUTES_MS + 120_000);
        let mut truth = Truth::new(world.settings(), &told, end);
        for published in every_cut(&told, &world, &acts, is_compacted, end)? {
            truth.is_archived(&published)?;
            truth.is_on_board(&published)?;
        }
    }
}

proptest! {
    // Days take as long as several cases of minutes.
    #![proptest_config(cases(300))]

    #[test]
    fn kpis_of_days_restored_after_any_commit_end_in_the_same_intervals(
        told in few_calls(Reach::Days),
        world in world(false),
        acts in steps(),
        is_compacted in any::<bool>(),
        later in later(),
    ) {
        let end = end_of(&told, later);
        let mut truth = Truth::new(world.settings(), &told, end);
        for published in every_cut(&told, &world, &acts, is_compacted, end)? {
            truth.is_archived(&published)?;
        }
    }
}

#[test]
fn an_agent_of_whom_something_is_told_is_booked_by_the_new_plan_as_if_it_had_always_held() {
    let start = 1_772_438_400_000;
    let line = |kind: &str, at: i64, more: &str| {
        let line = format!(r#"{{"type":"agent.{kind}","time":{at},"agent":"ana"{more}}}"#);
        (at, line.into_bytes())
    };
    let sources: Vec<Log> = vec![vec![
        line("state", start, r#","state":"available""#),
        line("joined", start, r#","queue":"sales""#),
        line("state", start + 60_000, r#","state":"paused","reason":"lunch""#),
        line("state", start + 120_000, r#","state":"available""#),
        line("state", start + 180_000, r#","state":"logged_out""#),
    ]];
    let teams = &SETTINGS[0];
    let mut none = crate::centre::few_windows("Europe/Budapest");
    none.plan.teams.clear();
    let mut calls = calls_worker(teams, &sources, |_| true);
    let mut sent = vec![Vec::new(); AGENT_TARGETS as usize];
    for _ in 0..sources[0].len() {
        calls.act(&Act::Read { input: 0, records: 1 });
        take_sent(&mut sent, SUBJECTS, &calls.act(&Act::Commit));
    }
    let subjects = interleave(&[sent], AGENT_TARGETS, &[]);
    let facts_with = |changes: usize| {
        let mut sent = Sent::default();
        let mut worker = subjects_worker(if changes == 0 { teams } else { &none }, &subjects, |_| true);
        for step in 1..=changes {
            for act in [Act::Read { input: 0, records: 2 }, Act::Read { input: 1, records: 2 }, Act::Commit] {
                sent.take(worker.act(&act)).expect("good records");
            }
            // The last plan is the one with teams.
            worker.replan(if step % 2 == changes % 2 { teams } else { &none });
        }
        sent.take(worker.finish(start + 200_000, 1)).expect("good records");
        sent.facts
    };
    let always = facts_with(0);
    assert!(always.keys().any(|(entity, ..)| entity.contains("|team|seniors")));
    assert_eq!(apart(&always, &facts_with(1)), []);
    assert_eq!(apart(&always, &facts_with(2)), []);
}

#[test]
fn an_id_used_again_in_the_commit_that_forgets_its_call_is_kept() {
    let line = |kind: &str, at: i64| {
        format!(
            r#"{{"type":"{kind}","time":{at},"call_id":"c0","queue":"sales","agent":"ana","reason":"abandoned","state":"paused"}}"#
        )
    };
    let log_of = |lines: &[(&str, i64)]| vec![lines.iter().map(|(kind, at)| (*at, line(kind, *at).into())).collect()];
    let (start, later) = (1_772_438_400_000, 1_772_438_400_000 + 30 * 3_600_000);
    let sources: Vec<Log> = log_of(&[
        ("call.queued", start),
        ("call.left_queue", start + 1_000),
        // The next record of its partition, whoever's it is, finds the call forgotten.
        ("agent.state", later),
        ("call.queued", later),
        ("call.answered", later + 5_000),
    ]);
    let mut sent = Sent::default();
    let mut never_stopped = calls_worker(&SETTINGS[0], &sources, |_| true);
    sent.take(never_stopped.finish(later + 60_000, 1)).expect("good records");
    let mut other = Sent::default();
    let mut worker = calls_worker(&SETTINGS[0], &sources, |_| true);
    for act in [Act::Read { input: 0, records: 2 }, Act::Commit, Act::Read { input: 0, records: 2 }, Act::Commit] {
        other.take(worker.act(&act)).expect("good records");
    }
    let mut worker = worker.restarted(true);
    other.take(worker.finish(later + 60_000, 1)).expect("good records");
    assert_eq!(apart(&sent.facts, &other.facts), []);
}

#[test]
fn a_part_of_the_state_that_is_taken_back_after_a_restart_is_gone_after_the_next() {
    let sales = Entity { tenant: DEFAULT_TENANT.into(), kind: Kind::Queue, id: "sales".into(), channel: None };
    let offered = Key::measure(Measure::Offered).code();
    let batch = |complete: i64, facts: &[(i64, i64)]| {
        let rows = facts.iter().map(|(at, amount)| {
            let family = Family::Event as u32;
            wire::Row { entity: 0, family, at: *at, keys: vec![offered], amounts: vec![*amount] }
        });
        let mark =
            wire::Mark { topic: TOPIC.into(), partition: 0, complete: complete * 1_000, ..wire::Mark::default() };
        let batch = wire::Batch {
            sources: vec![wire::Source { topic: TOPIC.into(), partitions: 1 }],
            marks: vec![mark],
            entities: vec![name(&sales)],
            rows: rows.collect(),
            ..wire::Batch::default()
        };
        (0, batch.encode_to_vec())
    };
    let start = 1_772_438_400;
    let log: Log = vec![
        batch(start + 2, &[(start + 1, 1)]),
        batch(start + 3, &[(start + 1, -1), (start + 4_000, 1)]),
        batch(start + 8_000, &[]),
    ];
    let mut partials = vec![Log::new(); TARGETS as usize];
    partials[partition_of(&sales, TARGETS) as usize] = log;
    let end = (start + 8_000) * 1_000;
    let (mut versions, mut acts) = (Versions::default(), Vec::new());
    for _ in 0..2 {
        let reads = (0..TARGETS as usize).map(|input| Act::Read { input, records: 1 });
        acts.extend(reads.chain([Act::Wait(20), Act::Commit, Act::Restart { is_compacted: true }]));
    }
    for acts in [&acts[..], &[]] {
        let mut worker = kpis_worker(&SETTINGS[0], &partials, end);
        let mut published = Published::default();
        for act in acts {
            published.take(worker.act(act), &mut versions).expect("one content of each version");
        }
        published.take(worker.finish(end, 3), &mut versions).expect("one content of each version");
    }
}

/// Reads a little, mostly commits, and sometimes lets time pass.
fn steps() -> impl Strategy<Value = Vec<Act>> {
    let wait = prop_oneof![2 => Just(0_u64), 1 => Just(1), 2 => Just(6), 1 => Just(20)];
    let step = (0..6_usize, 1..5_usize, wait, prop::bool::weighted(0.8)).prop_map(|(input, records, wait, commits)| {
        let mut step = vec![Act::Read { input, records }, Act::Wait(wait)];
        step.extend(commits.then_some(Act::Commit));
        step
    });
    proptest::collection::vec(step, 0..16).prop_map(|steps| steps.concat())
}

/// What the stage *kpis* publishes when it is never stopped, and when it is restored after each of its
/// commits.
fn every_cut(
    told: &[Told],
    world: &World,
    acts: &[Act],
    is_compacted: bool,
    end: i64,
) -> Result<Vec<Published>, TestCaseError> {
    let partials = world.partials(told, end)?;
    let mut worker = kpis_worker(world.settings(), &partials, end);
    let (mut published, mut versions, mut cuts) = (Published::default(), Versions::default(), Vec::new());
    for (place, act) in acts.iter().enumerate() {
        published.take(worker.act(act), &mut versions)?;
        if matches!(act, Act::Commit) {
            cuts.push((&acts[place + 1..], worker.restarted(is_compacted), published.clone()));
        }
    }
    published.take(worker.finish(end, 3), &mut versions)?;
    let mut finished = vec![published];
    for (acts, mut worker, mut published) in cuts {
        for act in acts.iter().chain([&Act::Restart { is_compacted }]) {
            published.take(worker.act(act), &mut versions)?;
        }
        published.take(worker.finish(end, 3), &mut versions)?;
        finished.push(published);
    }
    Ok(finished)
}

/// What the stage *calls* sent, added up: how it was cut into batches does not matter.
#[derive(Clone, Default)]
struct Sent {
    facts: Facts,
    /// Each source partition's mark and log time.
    marks: BTreeMap<Way, (i64, Option<i64>)>,
    /// Agent and event, written out.
    agent_events: BTreeSet<String>,
    /// The newest record of each call, with its version.
    calls: BTreeMap<String, (u64, String)>,
}

/// Entity, family, instant and key.
type Facts = BTreeMap<(String, u32, i64, u32), i64>;

impl Sent {
    fn take(&mut self, out: Vec<OutRecord>) -> Result<(), TestCaseError> {
        for record in out {
            check_reject(&record)?;
            let Output::Topic { topic, .. } = &record.to else { continue };
            let value = record.value.as_deref().expect("nothing is deleted");
            match topic.as_ref() {
                PARTIALS | SUBJECTS => self.take_batch(&wire::Batch::decode(value).expect("a batch")),
                CALLS => {
                    let key = record.key.as_deref().expect("a call has a key");
                    let (key, text) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value).into_owned());
                    let call: serde_json::Value = serde_json::from_slice(value).expect("a call");
                    let version = call["version"].as_u64().expect("a version");
                    if let Some(before) = self.calls.insert(key.to_string(), (version, text.clone())) {
                        let is_newer = before.0 < version || before == (version, text);
                        prop_assert!(is_newer, "{key} does not grow: {before:?}, then {call}");
                    }
                }
                other => prop_assert!(false, "a record for {other}"),
            }
        }
        Ok(())
    }

    fn take_batch(&mut self, batch: &wire::Batch) {
        add(&mut self.facts, &batch.entities, &batch.rows);
        for mark in &batch.marks {
            self.marks.insert((mark.topic.clone(), mark.partition, mark.via), (mark.complete, mark.log_time));
        }
        self.agent_events.extend(batch.agent_events.iter().map(|event| format!("{event:?}")));
    }
}

fn add(facts: &mut Facts, entities: &[wire::EntityName], rows: &[wire::Row]) {
    for row in rows {
        let entity = entity(&entities[row.entity as usize]).expect("an entity").to_string();
        for (key, amount) in row.keys.iter().zip(&row.amounts) {
            let place = (entity.clone(), row.family, row.at, *key);
            *facts.entry(place).or_default() += amount;
        }
    }
    facts.retain(|_, amount| *amount != 0);
}

/// What the stage *calls* has in its state topic: of each call its log, when it was judged and what it
/// booked; of each partition everything.
fn kept(worker: &Worker<'_, Calls>) -> BTreeMap<(Input, Vec<u8>), Kept> {
    let entries = worker.state().map(|(input, key, value)| {
        // No call has such a key.
        let kept = if key == b"\0" {
            Kept::Source(wire::SourceState::decode(value).expect("a source's state"))
        } else {
            let state = wire::CallState::decode(value).expect("a call's state");
            let mut facts = Facts::new();
            add(&mut facts, &state.entities, &state.rows);
            Kept::Call { log: state.log, judged: state.judged, facts }
        };
        ((input.clone(), key.to_vec()), kept)
    });
    entries.collect()
}

#[derive(Debug, PartialEq)]
enum Kept {
    Source(wire::SourceState),
    Call { log: Vec<u8>, judged: Option<i64>, facts: Facts },
}

/// Topic and partition of a mark, and by way of which partition of the subjects it came.
type Way = (String, i32, Option<i32>);

/// Where two maps are not equal, with what either has there.
fn apart<'m, K: Ord, V: PartialEq>(
    one: &'m BTreeMap<K, V>,
    other: &'m BTreeMap<K, V>,
) -> Vec<(&'m K, Option<&'m V>, Option<&'m V>)> {
    let keys: BTreeSet<&K> = one.keys().chain(other.keys()).collect();
    let both = keys.into_iter().map(|key| (key, one.get(key), other.get(key)));
    both.filter(|(_, one, other)| one != other).collect()
}
