//! Rebalance: inputs taken over with their state, and given back after a last commit.
//!
//! At every change of the group each member gives back all it has and is given anew, in one round. Taking
//! only what moves needs two, and a static member that starts anew between them leaves partitions to
//! nobody (docs/decisions/rebalance.md).
//!
//! The group waits for an answer to both. It is given in every case, a panic of the stage included,
//! since a consumer with an answer outstanding cannot be closed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use tracing::{info, warn};

use super::fault::{Cause, WorkerError, judge};
use super::restore::{self, Ends, patiently};
use super::run::{Run, Slot, clock};
use super::stage::{Input, Stage};
use super::status::Phase;
use super::takeover::claimed_by;
use super::transaction::{state_partition, state_prefix};

impl<S: Stage> Run<'_, S> {
    pub(super) fn assigned(&mut self, partitions: Vec<(String, i32)>) -> Result<(), Cause> {
        let inputs = self.inputs(partitions);
        let restored = catch_unwind(AssertUnwindSafe(|| self.take_over(&inputs)));
        let offsets: Vec<i64> = match &restored {
            Ok(Ok(slots)) => slots.iter().map(|slot| slot.next).collect(),
            // What is read from here on is never applied.
            _ => vec![i64::MAX - 1; inputs.len()],
        };
        let answered = list(&inputs, &offsets).and_then(|places| self.consumer.take(&places));
        let slots = restored.unwrap_or_else(|panic| resume_unwind(panic))?;
        answered.map_err(|error| judge(&error, "to take partitions", &self.settings.group(S::NAME)))?;
        (self.joined, self.is_placed) = (true, true);
        self.slots.extend(slots);
        self.remember_inputs();
        self.tell(clock());
        Ok(())
    }

    pub(super) fn revoked(&mut self, partitions: Vec<(String, i32)>) -> Result<(), Cause> {
        let inputs = self.inputs(partitions);
        self.is_placed = false;
        let lost = self.consumer.is_assignment_lost();
        let closed = catch_unwind(AssertUnwindSafe(|| {
            if !lost {
                self.commit_pending()?;
            }
            for input in &inputs {
                self.stage.close(input);
            }
            Ok(())
        }));
        self.slots.retain(|slot| !inputs.contains(&slot.input));
        let answered = self.consumer.give_back();
        closed.unwrap_or_else(|panic| resume_unwind(panic))?;
        answered.map_err(|error| judge(&error, "to give partitions back", &self.settings.group(S::NAME)))?;
        if lost {
            return Err(Cause::Anew("assignment lost".into()));
        }
        self.remember_inputs();
        self.tell(clock());
        info!(stage = S::NAME, worker = self.settings.worker, inputs = inputs.len(), "partitions given back");
        Ok(())
    }

    /// Restores the inputs and finds out where to read on.
    fn take_over(&mut self, inputs: &[Input]) -> Result<Vec<Slot>, Cause> {
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        self.check_claims()?;
        let begun = Instant::now();
        self.status.change(S::NAME, self.settings.worker, |worker| worker.phase = Phase::Restoring);
        for topic in &self.settings.inputs {
            let ask = || self.consumer.partitions(topic, Duration::from_secs(5));
            let count = patiently(self.stop, "to count partitions", topic, ask)?;
            self.stage.partitions(topic, count);
        }
        for input in inputs {
            self.check_known(input)?;
            self.stage.open(input);
        }
        // Committed offsets before the end of the state: what is committed meanwhile is then in both.
        let committed = self.committed(inputs)?;
        let ends = Ends::open(&self.settings.connection)?;
        let mut bounds = Vec::new();
        for input in inputs {
            bounds.push(ends.of(&input.topic, input.partition, self.stop)?);
        }
        for ((input, committed), &(low, high)) in inputs.iter().zip(&committed).zip(&bounds) {
            if let Some(wanted) = *committed {
                self.check_gap(input, wanted, low)?;
                if high < wanted {
                    return Err(Cause::End(WorkerError::Shrunk { input: input.clone(), wanted, high }));
                }
            }
        }
        let entries = self.load(inputs, &ends)?;
        let mut slots = Vec::new();
        for (at, input) in inputs.iter().enumerate() {
            if committed[at].is_none() && 0 < entries[at] {
                let group = self.settings.group(S::NAME);
                return Err(Cause::End(WorkerError::OffsetsGone { input: input.clone(), group }));
            }
            let low = bounds[at].0;
            let wanted = self.stage.resume(input, committed[at]).or(committed[at]).unwrap_or(low);
            self.check_gap(input, wanted, low)?;
            // A log that began later than its first record is not known to be whole either.
            if committed[at].is_none() && 0 < low {
                info!(
                    stage = S::NAME,
                    topic = &*input.topic,
                    partition = input.partition,
                    low,
                    "records before the log's beginning are gone; numbers begin there"
                );
                self.stage.gap(input);
            } else if wanted < low {
                warn!(
                    stage = S::NAME,
                    topic = &*input.topic,
                    partition = input.partition,
                    wanted,
                    low,
                    "records are gone; going on without them"
                );
                self.meters.gaps.increment(1);
                self.stage.gap(input);
            }
            let start = wanted.max(low);
            slots.push(Slot::new(input.clone(), start, committed[at].unwrap_or(start)));
        }
        let entries: u64 = entries.iter().sum();
        let seconds = begun.elapsed().as_secs_f64();
        self.meters.restore_seconds.record(seconds);
        self.meters.state_entries_read.increment(entries);
        info!(stage = S::NAME, worker = self.settings.worker, inputs = inputs.len(), entries, seconds, "restored");
        Ok(slots)
    }

    /// Ends before a later generation is contradicted. Asked after joining, each time: a member that hung while partitions
    /// were given back joins anew without a word. See `takeover`.
    fn check_claims(&self) -> Result<(), Cause> {
        let (group, (board, partitions)) = (self.settings.group(S::NAME), &self.settings.board);
        let ask = || claimed_by(&self.settings.connection, &group, board, *partitions);
        let (own, by) = (self.settings.generation, patiently(self.stop, "to look for claims on", board, ask)?);
        match own < by {
            true => Err(Cause::End(WorkerError::Replaced { own, by })),
            false => Ok(()),
        }
    }

    /// Reads the entries of the inputs into the stage. Answers how many each has.
    fn load(&mut self, inputs: &[Input], ends: &Ends) -> Result<Vec<u64>, Cause> {
        let topic = &*self.settings.state_topic;
        let mut bounds = BTreeMap::new();
        // By state partition, the inputs in it with what their keys begin with.
        let mut owners: BTreeMap<i32, Vec<(Vec<u8>, usize)>> = BTreeMap::new();
        for (at, input) in inputs.iter().enumerate() {
            let partition = state_partition(input, self.state_partitions);
            if let Entry::Vacant(free) = bounds.entry(partition) {
                free.insert(ends.of(topic, partition, self.stop)?);
            }
            owners.entry(partition).or_default().push((state_prefix(input), at));
        }
        let mut entries = vec![0; inputs.len()];
        let stage = &mut self.stage;
        let group = self.settings.group(S::NAME);
        restore::read(&self.settings.connection, &group, topic, &bounds, self.stop, |partition, key, value| {
            let owner = owners[&partition].iter().find(|(prefix, _)| key.starts_with(prefix));
            if let Some((prefix, at)) = owner {
                stage.load(&inputs[*at], &key[prefix.len()..], value);
                entries[*at] += 1;
            }
        })?;
        Ok(entries)
    }

    fn committed(&self, inputs: &[Input]) -> Result<Vec<Option<i64>>, Cause> {
        let group = self.settings.group(S::NAME);
        let answer = patiently(self.stop, "to ask for committed offsets", &group, || {
            let answer = self.consumer.committed(list(inputs, &vec![-1; inputs.len()])?, Duration::from_secs(5))?;
            answer.elements().iter().try_for_each(|place| place.error())?;
            Ok(answer)
        })?;
        Ok(inputs
            .iter()
            .map(|input| match answer.find_partition(&input.topic, input.partition)?.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
            .collect())
    }

    fn check_known(&self, input: &Input) -> Result<(), Cause> {
        match self.settings.required.iter().find(|(topic, _)| *topic == input.topic) {
            Some((_, Some(expected))) if *expected <= input.partition => {
                Err(Cause::End(WorkerError::Grown { input: input.clone(), expected: *expected }))
            }
            _ => Ok(()),
        }
    }

    fn check_gap(&self, input: &Input, wanted: i64, low: i64) -> Result<(), Cause> {
        if low <= wanted || self.settings.accept_gap {
            return Ok(());
        }
        Err(Cause::End(WorkerError::Gap { input: input.clone(), wanted, low }))
    }

    fn inputs(&self, partitions: Vec<(String, i32)>) -> Vec<Input> {
        let known = &self.settings.inputs;
        partitions
            .into_iter()
            .map(|(topic, partition)| {
                let topic = known.iter().find(|known| ***known == *topic).cloned().unwrap_or_else(|| Arc::from(topic));
                Input { topic, partition }
            })
            .collect()
    }
}

fn list(inputs: &[Input], offsets: &[i64]) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(inputs.len());
    for (input, &offset) in inputs.iter().zip(offsets) {
        let offset = if offset < 0 { Offset::Invalid } else { Offset::Offset(offset) };
        list.add_partition_offset(&input.topic, input.partition, offset)?;
    }
    Ok(list)
}
