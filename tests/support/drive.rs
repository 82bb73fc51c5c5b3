//! Stages driven by hand: logs in memory, a clock that is told, commits when the test says so.
//!
//! A commit is all or nothing, as in Kafka: what a stage collected reaches the logs and its state at
//! once, with the positions it read to. What was not committed when a stage is dropped never was.

use callpulse::stream::stage::{Clock, Input, OutRecord, Output, Record, Stage};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One partition of a topic: timestamps and values.
pub type Log = Vec<(i64, Vec<u8>)>;

/// One entry of the state topic.
type Entry = (Vec<u8>, Option<Vec<u8>>);

/// A stage and the part of the world it sees.
pub struct Driven<S: Stage> {
    pub stage: S,
    inputs: Vec<Input>,
    /// The next offset to read, by input.
    position: BTreeMap<Input, i64>,
    committed: BTreeMap<Input, i64>,
    /// Every state entry ever committed, in order.
    state: BTreeMap<Input, Vec<Rc<Entry>>>,
    /// How far the test's clock is ahead of the machine's.
    ahead: Duration,
}

pub fn input(topic: &str, partition: i32) -> Input {
    Input { topic: Arc::from(topic), partition }
}

impl<S: Stage> Driven<S> {
    pub fn new(stage: S, inputs: Vec<Input>) -> Driven<S> {
        let (position, committed, state) = Default::default();
        let mut driven = Driven { stage, inputs, position, committed, state, ahead: Duration::ZERO };
        driven.assign(false);
        driven
    }

    /// Lets the test's clock run.
    pub fn wait(&mut self, seconds: u64) {
        self.ahead += Duration::from_secs(seconds);
    }

    fn clock(&self, wall_ms: i64) -> Clock {
        Clock { wall_ms, now: Instant::now() + self.ahead }
    }

    /// Reads at most so many records.
    pub fn read(&mut self, input: &Input, log: &Log, records: usize) {
        let from = self.position[input] as usize;
        let until = log.len().min(from.saturating_add(records));
        for (offset, (timestamp, value)) in log[from..until].iter().enumerate() {
            let offset = (from + offset) as i64;
            let record = Record { offset, timestamp: Some(*timestamp), key: None, value: Some(value), headers: &() };
            self.stage.apply(input, record);
        }
        self.position.insert(input.clone(), until as i64);
    }

    /// The largest timestamp read so far.
    pub fn latest(&self, input: &Input, log: &Log) -> i64 {
        log[..self.position[input] as usize].iter().map(|(timestamp, _)| *timestamp).max().unwrap_or(0)
    }

    /// Tells the stage that it has read everything there is.
    pub fn reach_end(&mut self, input: &Input, wall_ms: i64) {
        let clock = self.clock(wall_ms);
        self.stage.reached_end(input, self.position[input], clock);
    }

    /// Commits; answers what went to topics.
    pub fn commit(&mut self, wall_ms: i64) -> Vec<OutRecord> {
        let clock = self.clock(wall_ms);
        let mut out = Vec::new();
        self.stage.collect(clock, &mut out);
        self.stage.committed(clock);
        // As with the worker, a commit never goes back: a silent replay reads again what it had.
        for (input, position) in &self.position {
            let committed = self.committed.get(input).copied().unwrap_or(0);
            if committed < *position {
                self.committed.insert(input.clone(), *position);
            }
        }
        let (state, topics): (Vec<_>, Vec<_>) = out.into_iter().partition(|out| matches!(out.to, Output::State(_)));
        for entry in state {
            let Output::State(input) = entry.to else { continue };
            let key = entry.key.expect("a state entry has a key");
            self.state.entry(input).or_default().push(Rc::new((key, entry.value)));
        }
        topics
    }

    /// Drops the stage for a new one, which restores from what was committed: from every entry ever
    /// written, or from the newest of each key, as compaction leaves them.
    pub fn restart(&mut self, stage: S, is_compacted: bool) {
        self.stage = stage;
        self.ahead = Duration::ZERO;
        self.assign(is_compacted);
    }

    /// What would become of it if it were restarted now.
    pub fn restarted(&self, stage: S, is_compacted: bool) -> Driven<S> {
        let mut other = Driven {
            stage,
            inputs: self.inputs.clone(),
            position: BTreeMap::new(),
            committed: self.committed.clone(),
            state: self.state.clone(),
            ahead: Duration::ZERO,
        };
        other.assign(is_compacted);
        other
    }

    /// The newest entry of each key that is not deleted.
    pub fn state(&self, input: &Input) -> BTreeMap<&[u8], &[u8]> {
        let entries = self.state.get(input).into_iter().flatten();
        let newest: BTreeMap<&[u8], Option<&[u8]>> =
            entries.map(|entry| (entry.0.as_slice(), entry.1.as_deref())).collect();
        newest.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    fn assign(&mut self, is_compacted: bool) {
        for input in &self.inputs {
            self.stage.open(input);
            let mut entries: Vec<&Entry> = self.state.get(input).into_iter().flatten().map(Rc::as_ref).collect();
            if is_compacted {
                entries = newest_of_each(&entries);
            }
            for (key, value) in entries {
                self.stage.load(input, key, value.as_deref());
            }
            let committed = self.committed.get(input).copied();
            let from = self.stage.resume(input, committed);
            assert!(from.unwrap_or(0) <= committed.unwrap_or(0), "it reads on after what was committed");
            self.position.insert(input.clone(), from.unwrap_or(0));
        }
    }
}

/// The newest entry of each key, without deletions, each where it stood.
fn newest_of_each<'e>(entries: &[&'e Entry]) -> Vec<&'e Entry> {
    let mut seen = HashSet::new();
    let mut newest: Vec<&Entry> = entries.iter().rev().filter(|entry| seen.insert(&entry.0)).copied().collect();
    newest.retain(|entry| entry.1.is_some());
    newest.reverse();
    newest
}
