//! Marks: how far each source partition is complete, and the `as_of` that follows.
//!
//! What agents do comes by way of the stage *subjects*, so that a source partition is complete for a reader of
//! the partials only as far as its mark came straight from calls and by way of every partition of the subjects:
//! a mark travels behind the facts it stands for, on each way.

use super::batch::wire;
use crate::time::EventTime;
use std::collections::BTreeMap;

/// What the batches read so far say of the sources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    plan: u64,
    sources: Vec<wire::Source>,
    /// By topic, partition and the way it came.
    marks: BTreeMap<Place, Mark>,
    /// Partitions of the subjects by way of which every mark comes too.
    subject_partitions: i32,
    as_of: Option<EventTime>,
}

/// Topic and partition of a source, and the partition of the subjects by way of which; none if straight.
type Place = (String, i32, Option<i32>);

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
            self.subject_partitions = batch.subject_partitions;
        }
        for mark in &batch.marks {
            let known = self.marks.entry((mark.topic.clone(), mark.partition, mark.via));
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

    /// Up to when each partition of a source is complete, by every way its mark came; those without a mark left out.
    pub fn by_source(&self) -> BTreeMap<(&str, i32), EventTime> {
        let mut complete = BTreeMap::new();
        for ((topic, partition, _), mark) in &self.marks {
            let known = complete.entry((topic.as_str(), *partition)).or_insert(EventTime(mark.complete));
            *known = EventTime(known.0.min(mark.complete));
        }
        complete
    }

    /// The smallest log time over all source partitions; none until a record was read from each.
    pub fn log_time(&self) -> Option<EventTime> {
        self.smallest(|mark| mark.log_time).map(EventTime)
    }

    /// The log time of a topic, over its partitions; none until a record was read.
    pub fn log_time_of(&self, topic: &str) -> Option<EventTime> {
        let of_topic = self.marks.iter().filter(|((of, ..), _)| of == topic);
        of_topic.filter_map(|(_, mark)| mark.log_time).max().map(EventTime)
    }

    fn smallest(&self, value: impl Fn(&Mark) -> Option<i64>) -> Option<i64> {
        let mut smallest = None;
        for source in &self.sources {
            for partition in 0..source.partitions {
                for via in std::iter::once(None).chain((0..self.subject_partitions).map(Some)) {
                    let value = self.marks.get(&(source.topic.clone(), partition, via)).and_then(&value)?;
                    smallest = Some(smallest.map_or(value, |least: i64| least.min(value)));
                }
            }
        }
        smallest
    }

    /// The marks as they are sent on by way of a partition of the subjects.
    pub fn sent_on(&self, via: i32) -> impl Iterator<Item = wire::Mark> {
        self.marks.iter().map(move |((topic, partition, _), mark)| wire::Mark {
            topic: topic.clone(),
            partition: *partition,
            complete: mark.complete,
            log_time: mark.log_time,
            via: Some(via),
        })
    }

    pub fn to_wire(&self, from: i64, steady_from: Option<EventTime>) -> wire::BoardState {
        let marks = self.marks.iter().map(|((topic, partition, via), mark)| wire::Mark {
            topic: topic.clone(),
            partition: *partition,
            complete: mark.complete,
            log_time: mark.log_time,
            via: *via,
        });
        wire::BoardState {
            subject_partitions: self.subject_partitions,
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
            ((mark.topic.clone(), mark.partition, mark.via), Mark { complete: mark.complete, log_time: mark.log_time })
        });
        Marks {
            plan: state.plan,
            sources: state.sources.clone(),
            marks: marks.collect(),
            subject_partitions: state.subject_partitions,
            as_of: state.as_of.map(EventTime),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(subject_partitions: i32, marks: &[(i32, i64, Option<i32>)]) -> wire::Batch {
        let mark = |(partition, complete, via): &(i32, i64, Option<i32>)| wire::Mark {
            topic: "t".into(),
            partition: *partition,
            complete: *complete,
            log_time: None,
            via: *via,
        };
        // Only calls says which sources there are.
        let sources = match marks.iter().any(|(.., via)| via.is_none()) {
            true => vec![wire::Source { topic: "t".into(), partitions: 2 }],
            false => vec![],
        };
        wire::Batch { sources, subject_partitions, marks: marks.iter().map(mark).collect(), ..wire::Batch::default() }
    }

    #[test]
    fn a_source_is_complete_as_far_as_its_mark_came_by_every_way() {
        let mut marks = Marks::default();
        let mut check = |batch: wire::Batch, as_of: Option<i64>| {
            marks.take(&batch);
            assert_eq!(marks.as_of(), as_of.map(EventTime));
            assert_eq!(Marks::from_wire(&marks.to_wire(0, None)), marks);
        };
        check(header(2, &[(0, 50, None), (1, 60, None)]), None);
        check(header(0, &[(0, 40, Some(0)), (1, 60, Some(0))]), None);
        check(header(0, &[(0, 30, Some(1)), (1, 55, Some(1))]), Some(30));
        check(header(0, &[(0, 70, Some(0)), (1, 70, Some(0)), (0, 70, Some(1))]), Some(50));
        check(header(2, &[(0, 80, None)]), Some(55));
        let by_source: Vec<i64> = marks.by_source().into_values().map(|at| at.0).collect();
        assert_eq!(by_source, [70, 55]);
    }
}
