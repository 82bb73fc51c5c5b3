//! A stage: what happens to the records of one consumer group, without knowing Kafka.
//!
//! The worker reads, restores and commits; the stage keeps state per input partition and says what a
//! commit holds. A stage is owned by one worker thread and shares nothing.

use crate::decode::format::Headers;
use crate::time::{EventTime, Span};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One input partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Input {
    pub topic: Arc<str>,
    pub partition: i32,
}

/// One record of the input.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub offset: i64,
    /// The record's own timestamp, epoch milliseconds; absent in logs of very old brokers.
    pub timestamp: Option<i64>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// `&()` if there are none.
    pub headers: &'a dyn Headers,
}

/// The two clocks of the machine, read once per turn of the worker's loop.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Epoch milliseconds.
    pub wall_ms: i64,
    pub now: Instant,
}

/// While event time is further behind the clock than this, nobody acts on windows as they were.
const BEHIND: Span = Span::from_secs(60);

/// A stage that is behind commits no more often: what changes again and again is then written once.
const BEHIND_COMMIT_EVERY: Duration = Duration::from_secs(1);

impl Clock {
    /// Whether event time, complete up to `as_of`, is more than a minute behind the clock.
    pub fn is_behind(&self, as_of: EventTime) -> bool {
        BEHIND < EventTime(self.wall_ms).since(as_of)
    }
}

/// How often a stage commits at most, by its settings and by whether it is behind.
pub fn commit_every(every: Duration, is_behind: bool) -> Duration {
    if is_behind { every.max(BEHIND_COMMIT_EVERY) } else { every }
}

/// Where a record of a commit goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A topic; to `partition`, or by the hash of the key.
    Topic { topic: Arc<str>, partition: Option<i32> },
    /// The stage's state topic, under the input the entry belongs to. A value of none deletes it.
    State(Input),
}

/// One record of a commit.
#[derive(Clone, Debug)]
pub struct OutRecord {
    pub to: Output,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// Epoch milliseconds; absent means the time of producing.
    pub timestamp: Option<i64>,
}

/// What a stage does. Calls come in this order for each input: `partitions`, `open`, `load`*, `resume`, then
/// `apply`, `reached_end`, `collect` and `committed` in turns, and `close`.
pub trait Stage {
    /// Stands in the group, the transactional id, the state topic and the metrics.
    const NAME: &'static str;

    /// How many partitions an input topic has, told with each assignment: it may grow.
    fn partitions(&mut self, _topic: &str, _count: i32) {}

    /// The input was assigned: begin with nothing known of it.
    fn open(&mut self, input: &Input);

    /// One entry of the state topic, newest last for each key. A value of none deletes it.
    fn load(&mut self, input: &Input, key: &[u8], value: Option<&[u8]>);

    /// All entries are loaded. `committed` is the next offset by the group's last commit, absent if
    /// there was none; the answer is where to read from, at or before it.
    fn resume(&mut self, input: &Input, committed: Option<i64>) -> Option<i64>;

    /// One record, in the order of offsets.
    fn apply(&mut self, input: &Input, record: Record<'_>);

    /// A record that stopped the worker twice: set it aside as `engine_fault` instead of applying it.
    fn set_aside(&mut self, input: &Input, record: Record<'_>);

    /// Everything up to `position` (the next offset) was read, and there is no more at this clock.
    fn reached_end(&mut self, input: &Input, position: i64, clock: Clock);

    /// Records between the committed offset and the log's beginning are gone, and the operator said to
    /// go on.
    fn gap(&mut self, input: &Input);

    /// When the next commit is due: at once if the instant has passed, never if nothing is pending.
    fn due(&self) -> Option<Instant>;

    /// What the commit holds. The worker keeps it and tries again with the same content until it is
    /// committed or the stage is dropped.
    fn collect(&mut self, clock: Clock, out: &mut Vec<OutRecord>);

    /// What was collected is committed.
    fn committed(&mut self, clock: Clock);

    /// The input was revoked: forget it. Everything applied was committed, or is to be forgotten too.
    fn close(&mut self, input: &Input);
}
