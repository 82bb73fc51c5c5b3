//! A queue over a topic that is compacted: the members of a group take its records and commit what they dealt with.
//!
//! ```text
//! beginning          committed             end
//!     |  known before    |  new  new  new   |
//! ```
//!
//! Each partition is read from its beginning, so that who takes it knows what holds. The group's committed offset
//! says what was dealt with; a record behind it is new, after a crash once more. A group without an offset begins at
//! the end that the partition had then.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::CommitMode;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Connection, Context, Fetch, is_transport};
use super::consumer::{Consumer, Polled};
use super::fault::{Cause, WorkerError, judge};
use super::restore::patiently;
use super::run::failed;
use super::stage::Record;
use super::stop::Stop;

/// The most records told in one turn.
const TURN_RECORDS: usize = 1000;

/// Which topic is taken from, and as whom.
#[derive(Clone, Debug)]
pub struct Taking {
    pub connection: Connection,
    pub group: String,
    /// The same after a restart, so that this member has its partitions back at once; of each other one a different.
    pub member: String,
    pub topic: String,
}

/// One member's hold on the queue. It stays on the thread that made it.
pub struct Queue<'a> {
    taking: &'a Taking,
    stop: &'a Stop,
    consumer: Consumer,
    held: BTreeMap<i32, Held>,
}

struct Held {
    /// What lies before it was dealt with.
    boundary: i64,
    /// The group had committed nothing.
    is_first: bool,
    /// Everything before the boundary was told.
    is_told: bool,
}

/// What a turn brings.
#[derive(Clone, Copy, Debug)]
pub enum Taken<'a> {
    /// Of a partition of this member, in the order of offsets.
    Record { partition: i32, record: Record<'a>, is_new: bool },
    /// All that lies before the offset `boundary` was told; what follows of the partition is new. `is_first` if the group
    /// had committed nothing of it, so that nobody dealt with any of that.
    Known { partition: i32, boundary: i64, is_first: bool },
    /// All partitions are given back, and what was taken of them belongs to somebody else.
    GivenBack,
}

/// Why a member cannot go on.
#[derive(Debug)]
pub enum QueueError {
    /// It was asked to stop.
    Stopped,
    /// It has to begin again as a new one: what it holds is in doubt.
    Anew(String),
    /// It cannot heal.
    End(WorkerError),
}

impl From<Cause> for QueueError {
    fn from(cause: Cause) -> QueueError {
        match cause {
            Cause::Stopped => QueueError::Stopped,
            Cause::Anew(why) | Cause::Fenced(why) => QueueError::Anew(why),
            Cause::End(fault) => QueueError::End(fault),
        }
    }
}

impl<'a> Queue<'a> {
    pub fn open(taking: &'a Taking, stop: &'a Stop) -> Result<Queue<'a>, QueueError> {
        let Taking { connection, group, member, topic } = taking;
        let mut config = connection.reader(group, Fetch::Small);
        config.set("group.instance.id", member);
        let consumer = Consumer::open(&config, Context::new(group)).map_err(|error| judge(&error, "to read", group))?;
        consumer.subscribe(&[topic]).map_err(|error| judge(&error, "to subscribe", group))?;
        Ok(Queue { taking, stop, consumer, held: BTreeMap::new() })
    }

    /// Waits at most `timeout` for something to come, and tells what is there then.
    pub fn take(&mut self, timeout: Duration, mut on: impl FnMut(Taken<'_>)) -> Result<(), QueueError> {
        let mut wait = timeout;
        for _ in 0..TURN_RECORDS {
            match self.consumer.poll(wait) {
                Polled::Nothing => return Ok(()),
                Polled::Served => {}
                Polled::Record(delivered) => {
                    let (partition, record) = (delivered.partition(), delivered.record());
                    let Some(held) = self.held.get_mut(&partition) else { continue };
                    held.reach(partition, record.offset, &mut on);
                    on(Taken::Record { partition, record, is_new: held.boundary <= record.offset });
                    held.reach(partition, record.offset + 1, &mut on);
                }
                Polled::End(place) => {
                    self.consumer.context().reached();
                    if let Some(held) = self.held.get_mut(&place.partition()) {
                        held.reach(place.partition(), i64::MAX, &mut on);
                    }
                }
                Polled::Failed { code, fatal, reason, place } => {
                    self.consumer.context().note(Some(code), &reason);
                    failed(code, fatal, reason, place, &self.taking.group)?;
                }
                Polled::Assigned(partitions) => self.assigned(partitions)?,
                Polled::Revoked(_) => {
                    self.held.clear();
                    on(Taken::GivenBack);
                    self.consumer
                        .give_back()
                        .map_err(|error| judge(&error, "to give partitions back", &self.taking.group))?;
                }
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// Whether this member has any partition.
    pub fn holds_any(&self) -> bool {
        !self.held.is_empty() && !self.consumer.is_assignment_lost()
    }

    /// Commits that everything before these offsets was dealt with. False while no broker answers.
    pub fn commit(&self, offsets: &BTreeMap<i32, i64>) -> Result<bool, QueueError> {
        let mut places = TopicPartitionList::with_capacity(offsets.len());
        let add = |(partition, offset): (&i32, &i64)| {
            places.add_partition_offset(&self.taking.topic, *partition, Offset::Offset(*offset))
        };
        let committed = offsets.iter().try_for_each(add).and_then(|()| self.consumer.commit(&places, CommitMode::Sync));
        match committed {
            Ok(()) => Ok(true),
            Err(error) if error.rdkafka_error_code().is_some_and(is_away) => Ok(false),
            Err(error) => Err(judge(&error, "to commit", &self.taking.group).into()),
        }
    }

    fn assigned(&mut self, partitions: Vec<(String, i32)>) -> Result<(), QueueError> {
        let found = self.boundaries(&partitions);
        let mut places = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in &partitions {
            // The group waits for an answer, whatever it is.
            let _ = places.add_partition_offset(topic, *partition, Offset::Beginning);
        }
        let answered = self.consumer.take(&places);
        self.held = found?;
        answered.map_err(|error| judge(&error, "to take partitions", &self.taking.group))?;
        Ok(())
    }

    fn boundaries(&self, partitions: &[(String, i32)]) -> Result<BTreeMap<i32, Held>, Cause> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let Taking { group, topic, .. } = self.taking;
        let committed = patiently(self.stop, "to ask for committed offsets", group, || {
            let mut asked = TopicPartitionList::with_capacity(partitions.len());
            for (topic, partition) in partitions {
                asked.add_partition(topic, *partition);
            }
            let answer = self.consumer.committed(asked, Duration::from_secs(5))?;
            answer.elements().iter().try_for_each(|place| place.error())?;
            Ok(answer)
        })?;
        let mut held = BTreeMap::new();
        for (_, partition) in partitions {
            let end = patiently(self.stop, "to ask for the end", topic, || {
                self.consumer.stable_end(topic, *partition, Duration::from_secs(5))
            })?;
            let offset = committed.find_partition(topic, *partition).map(|place| place.offset());
            // A topic that ends before what was dealt with was made anew.
            let boundary = match offset {
                Some(Offset::Offset(offset)) if offset <= end => Some(offset),
                _ => None,
            };
            let is_first = boundary.is_none();
            held.insert(*partition, Held { boundary: boundary.unwrap_or(end), is_first, is_told: false });
        }
        Ok(held)
    }
}

/// No broker answers, or none that keeps the group.
fn is_away(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator, WaitingForCoordinator};
    is_transport(code)
        || matches!(code, CoordinatorLoadInProgress | CoordinatorNotAvailable | NotCoordinator | WaitingForCoordinator)
}

impl Held {
    /// Tells once that everything before the boundary was told, if the reading is `at` it or beyond.
    fn reach(&mut self, partition: i32, at: i64, on: &mut impl FnMut(Taken<'_>)) {
        if !self.is_told && self.boundary <= at {
            self.is_told = true;
            on(Taken::Known { partition, boundary: self.boundary, is_first: self.is_first });
        }
    }
}
