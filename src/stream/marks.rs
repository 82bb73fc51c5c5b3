//! Marks: how far each source partition is complete, and the `as_of` that follows.

use super::batch::wire;
use crate::time::EventTime;
use std::collections::BTreeMap;

/// What the batches read so far say of the sources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    plan: u64,
    sources: Vec<wire::Source>,
    marks: BTreeMap<(String, i32), Mark>,
    as_of: Option<EventTime>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    complete: i64,
    log_time: Option<i64>,
}

impl Marks {
    /// Takes a batch's header. The newest batch says which source partitions there are.
    pub fn take(&mut self, batch: &wire::Batch) {
        self.plan = batch.plan;
        if !batch.sources.is_empty() {
            self.sources.clone_from(&batch.sources);
        }
        for mark in &batch.marks {
            let known = self.marks.entry((mark.topic.clone(), mark.partition));
            let known = known.or_insert(Mark { complete: mark.complete, log_time: mark.log_time });
            known.complete = known.complete.max(mark.complete);
            known.log_time = known.log_time.max(mark.log_time);
        }
        self.as_of = self.as_of.max(self.smallest(|mark| Some(mark.complete)).map(EventTime));
    }

    /// Event time is complete up to here over all sources; none until each has a mark. Never goes back.
    pub fn as_of(&self) -> Option<EventTime> {
        self.as_of
    }

    /// The smallest log time over all source partitions; none until a record was read from each.
    pub fn log_time(&self) -> Option<EventTime> {
        self.smallest(|mark| mark.log_time).map(EventTime)
    }

    /// The latest instant that any source's records speak of; none before the first.
    pub fn latest(&self) -> Option<EventTime> {
        self.marks.values().map(|mark| mark.log_time.unwrap_or(mark.complete).max(mark.complete)).max().map(EventTime)
    }

    /// The log time of a topic, over its partitions; none until a record was read.
    pub fn log_time_of(&self, topic: &str) -> Option<EventTime> {
        let of_topic = self.marks.iter().filter(|((of, _), _)| of == topic);
        of_topic.filter_map(|(_, mark)| mark.log_time).max().map(EventTime)
    }

    fn smallest(&self, value: impl Fn(&Mark) -> Option<i64>) -> Option<i64> {
        let mut smallest = None;
        for source in &self.sources {
            for partition in 0..source.partitions {
                let value = self.marks.get(&(source.topic.clone(), partition)).and_then(&value)?;
                smallest = Some(smallest.map_or(value, |least: i64| least.min(value)));
            }
        }
        smallest
    }

    pub fn to_wire(&self, from: i64, steady_from: Option<EventTime>) -> wire::BoardState {
        let marks = self.marks.iter().map(|((topic, partition), mark)| wire::Mark {
            topic: topic.clone(),
            partition: *partition,
            complete: mark.complete,
            log_time: mark.log_time,
        });
        wire::BoardState {
            from,
            plan: self.plan,
            sources: self.sources.clone(),
            marks: marks.collect(),
            as_of: self.as_of.map(|at| at.0),
            steady_from: steady_from.map(|at| at.0),
            ..wire::BoardState::default()
        }
    }

    pub fn from_wire(state: &wire::BoardState) -> Marks {
        let marks = state.marks.iter().map(|mark| {
            ((mark.topic.clone(), mark.partition), Mark { complete: mark.complete, log_time: mark.log_time })
        });
        Marks {
            plan: state.plan,
            sources: state.sources.clone(),
            marks: marks.collect(),
            as_of: state.as_of.map(EventTime),
        }
    }
}
