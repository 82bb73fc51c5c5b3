//! Run: one start of a worker from the log, until something ends it.
//!
//! ```text
//! read -> apply ... -> due? -> collect -> one transaction -> committed
//! ```

use std::ffi::CString;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tracing::warn;

use super::client::{Context, is_transport};
use super::consumer::{Consumer, Place, Polled, c_name};
use super::fault::{Cause, WorkerError, judge};
use super::refusal::is_login;
use super::stage::{Clock, Input, OutRecord, Output, Stage};
use super::status::{InputStatus, Meters, Phase, Status};
use super::stop::Stop;
use super::topics::{self, TopicsError};
use super::transaction::Transactions;
use super::worker::{Memory, STOPS_MAX, WorkerSettings};

/// The longest wait for a record, so that a wish to stop is heard.
const WAIT_MAX: Duration = Duration::from_millis(200);

/// The most records between two looks at the clock.
const TURN_RECORDS: usize = 2048;

/// How long offsets may stay uncommitted while the stage has nothing to say.
const OFFSETS_EVERY: Duration = Duration::from_secs(5);

/// How often the status is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long a worker that leaves asks how many partitions there are, and waits for its own to be taken back.
const ASKING_MAX: Duration = Duration::from_secs(1);
const SIGNING_OFF_MAX: Duration = Duration::from_secs(2);

/// How long a topic must be missing to be believed missing.
const MISSING_FOR: Duration = Duration::from_secs(5);

pub(super) struct Run<'a, S: Stage> {
    pub(super) settings: &'a WorkerSettings,
    pub(super) status: &'a Status,
    pub(super) meters: &'a Meters,
    pub(super) stop: &'a Stop,
    pub(super) memory: &'a mut Memory,
    pub(super) stage: S,
    pub(super) consumer: Consumer,
    pub(super) transactions: Transactions,
    pub(super) state_partitions: i32,
    pub(super) slots: Vec<Slot>,
    /// The slot of the last record; records come in runs of one partition.
    last: usize,
    out: Vec<OutRecord>,
    /// Records applied since the last commit.
    applied: u64,
    /// The group gave an answer, be it no partition at all.
    pub(super) joined: bool,
    /// It has an answer, and no change of the group has taken it back.
    pub(super) is_placed: bool,
    /// Since when offsets moved without a commit.
    moved: Option<Instant>,
    told: Instant,
}

/// One input this worker holds.
pub(super) struct Slot {
    pub input: Input,
    pub c_topic: CString,
    /// The client's handle of the topic, learnt from the first record.
    pub handle: usize,
    /// The offset to be read next.
    pub next: i64,
    /// The group's committed offset, which never goes back: a silent replay starts before it.
    pub committed: i64,
    /// When the stage last heard that there is nothing more; absent while there is.
    pub end: Option<Instant>,
}

/// What a turn of reading left to do, where the whole run is needed.
enum Turn {
    Done,
    Assigned(Vec<(String, i32)>),
    Revoked(Vec<(String, i32)>),
}

pub(super) fn clock() -> Clock {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Clock { wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX), now: Instant::now() }
}

impl<'a, S: Stage> Run<'a, S> {
    pub fn open(
        settings: &'a WorkerSettings,
        make: &impl Fn() -> S,
        status: &'a Status,
        meters: &'a Meters,
        stop: &'a Stop,
        memory: &'a mut Memory,
    ) -> Result<Self, Cause> {
        let state_partitions = check_topics(settings, stop)?;
        let id = settings.transactional_id(S::NAME);
        let config = settings.connection.writer(&id);
        let transactions = Transactions::open(&config, &id, &settings.state_topic, state_partitions)?;
        transactions.init(stop)?;
        let group = settings.group(S::NAME);
        let mut config = settings.connection.reader(&group, settings.fetch);
        config.set("group.instance.id", settings.member());
        let consumer = Consumer::open(&config, Context::new(&id)).map_err(|error| judge(&error, "to read", &group))?;
        let inputs: Vec<&str> = settings.inputs.iter().map(|topic| &**topic).collect();
        consumer.subscribe(&inputs).map_err(|error| judge(&error, "to subscribe", &group))?;
        let (out, slots) = (Vec::new(), Vec::new());
        let (applied, joined, moved, told, last) = (0, false, None, Instant::now(), 0);
        let stage = make();
        memory.inputs.clear();
        let run = Run {
            settings,
            status,
            meters,
            stop,
            memory,
            stage,
            consumer,
            transactions,
            state_partitions,
            slots,
            last,
            out,
            applied,
            joined,
            is_placed: false,
            moved,
            told,
        };
        Ok(run)
    }

    pub fn work(mut self) -> Result<(), Cause> {
        loop {
            if self.stop.is_requested() {
                return self.leave();
            }
            let wait = self.wait();
            match self.read(wait)? {
                Turn::Done => {}
                Turn::Assigned(partitions) => self.assigned(partitions)?,
                Turn::Revoked(partitions) => self.revoked(partitions)?,
            }
            let clock = clock();
            self.tell_ends(clock);
            if self.is_due(clock) {
                self.commit(clock)?;
            }
            if TELL_EVERY <= clock.now.duration_since(self.told) {
                self.tell(clock);
            }
        }
    }

    /// Asked to stop: what was read is committed, so that the next start has nothing to do again.
    fn leave(mut self) -> Result<(), Cause> {
        self.transactions.hurry();
        match self.commit_pending() {
            Ok(()) => {}
            Err(Cause::End(fault)) => return Err(Cause::End(fault)),
            Err(cause) => warn!(stage = S::NAME, ?cause, "left without a last commit; the next start reads it again"),
        }
        // A member within a change of its group has answers outstanding, and is not seen to leave.
        if self.is_placed && (self.stop.is_for_good() || self.has_others()) {
            self.sign_off();
        }
        Ok(())
    }

    /// Whether other instances hold partitions of the stage. No, where the broker does not say.
    fn has_others(&self) -> bool {
        let workers = self.status.workers();
        let of_stage = workers.iter().filter(|((stage, _), _)| *stage == S::NAME);
        let held = of_stage.map(|(_, worker)| worker.inputs.len()).sum::<usize>();
        let counts = self.settings.inputs.iter().map(|topic| self.consumer.partitions(topic, ASKING_MAX));
        let all = counts.sum::<Result<i32, _>>();
        all.is_ok_and(|all| held < all as usize)
    }

    /// Says to the group that this member does not come back: the others have its partitions at once, instead of
    /// after its session.
    fn sign_off(&mut self) {
        self.consumer.unsubscribe();
        let until = Instant::now() + SIGNING_OFF_MAX;
        while !self.slots.is_empty() && Instant::now() < until {
            if let Polled::Revoked(_) = self.consumer.poll(WAIT_MAX) {
                self.slots.clear();
                // Closing the consumer waits for the group's answer.
                let _ = self.consumer.give_back();
            }
        }
    }

    /// How long to wait for a record: worked out anew each turn, since what is pending sets it.
    fn wait(&self) -> Duration {
        let now = Instant::now();
        let mut wait = WAIT_MAX;
        if let Some(due) = self.stage.due() {
            wait = wait.min(due.saturating_duration_since(now));
        }
        for told in self.slots.iter().filter_map(|slot| slot.end) {
            wait = wait.min((told + self.settings.end_every).saturating_duration_since(now));
        }
        wait
    }

    /// Waits for the first record only, and leaves at the first empty answer.
    fn read(&mut self, mut wait: Duration) -> Result<Turn, Cause> {
        let mut turn = Turn::Done;
        let mut read = 0;
        for _ in 0..TURN_RECORDS {
            match self.consumer.poll(wait) {
                Polled::Nothing => break,
                Polled::Served => {}
                Polled::Record(delivered) => {
                    let partition = delivered.partition();
                    let handle = delivered.topic_handle();
                    if self.slots.get(self.last).is_none_or(|s| s.handle != handle || s.input.partition != partition) {
                        let Some(at) = find(&self.slots, delivered.topic(), partition) else { continue };
                        self.slots[at].handle = handle;
                        self.last = at;
                    }
                    let slot = &mut self.slots[self.last];
                    let record = delivered.record();
                    if record.offset < slot.next {
                        continue;
                    }
                    self.memory.reading = Some((self.last, record.offset));
                    if is_suspect(self.memory, &slot.input, record.offset) {
                        warn!(
                            stage = S::NAME,
                            topic = &*slot.input.topic,
                            partition,
                            offset = record.offset,
                            "record stopped the worker twice; set aside"
                        );
                        self.meters.set_aside.increment(1);
                        self.stage.set_aside(&slot.input, record);
                    } else {
                        self.stage.apply(&slot.input, record);
                    }
                    slot.next = record.offset + 1;
                    slot.end = None;
                    read += 1;
                }
                Polled::End(place) => {
                    self.consumer.context().reached();
                    if let Some(at) = find(&self.slots, place.topic(), place.partition()) {
                        let slot = &mut self.slots[at];
                        slot.next = slot.next.max(place.offset());
                        let clock = clock();
                        slot.end = Some(clock.now);
                        self.stage.reached_end(&slot.input, slot.next, clock);
                    }
                }
                Polled::Failed { code, fatal, reason, place } => {
                    self.consumer.context().note(Some(code), &reason);
                    failed(code, fatal, reason, place, &self.settings.group(S::NAME))?;
                }
                Polled::Assigned(partitions) => {
                    turn = Turn::Assigned(partitions);
                    break;
                }
                Polled::Revoked(partitions) => {
                    turn = Turn::Revoked(partitions);
                    break;
                }
            }
            wait = Duration::ZERO;
        }
        self.memory.reading = None;
        if 0 < read {
            self.consumer.context().reached();
            self.applied += read;
            self.meters.records_read.increment(read);
        }
        Ok(turn)
    }

    /// Says again which inputs are at their end, so that their marks move with the clock. While a broker is
    /// away nobody knows, and the end is asked for.
    fn tell_ends(&mut self, clock: Clock) {
        for slot in &mut self.slots {
            let Some(told) = slot.end else { continue };
            if clock.now.duration_since(told) < self.settings.end_every {
                continue;
            }
            if self.consumer.context().is_unreachable() {
                let asked =
                    self.consumer.stable_end(&slot.input.topic, slot.input.partition, Duration::from_millis(500));
                match asked {
                    Ok(end) if end <= slot.next => self.consumer.context().reached(),
                    Ok(_) => {
                        slot.end = None;
                        continue;
                    }
                    Err(_) => {
                        slot.end = Some(clock.now);
                        continue;
                    }
                }
            }
            slot.end = Some(clock.now);
            self.stage.reached_end(&slot.input, slot.next, clock);
        }
    }

    fn is_due(&mut self, clock: Clock) -> bool {
        if self.stage.due().is_some_and(|due| due <= clock.now) || self.settings.commit_records <= self.applied {
            return true;
        }
        if self.slots.iter().all(|slot| slot.next <= slot.committed) {
            return false;
        }
        OFFSETS_EVERY <= clock.now.duration_since(*self.moved.get_or_insert(clock.now))
    }

    /// Commits whatever there is, due or not.
    pub(super) fn commit_pending(&mut self) -> Result<(), Cause> {
        if self.stage.due().is_some() || self.slots.iter().any(|slot| slot.committed < slot.next) {
            self.commit(clock())?;
        }
        Ok(())
    }

    fn commit(&mut self, at: Clock) -> Result<(), Cause> {
        self.out.clear();
        self.stage.collect(at, &mut self.out);
        let mut offsets = TopicPartitionList::new();
        for slot in self.slots.iter().filter(|slot| slot.committed < slot.next) {
            offsets
                .add_partition_offset(&slot.input.topic, slot.input.partition, Offset::Offset(slot.next))
                .map_err(|error| judge(&error, "to list offsets", &slot.input.topic))?;
        }
        if let (0, false, Some(slot)) = (offsets.count(), self.out.is_empty(), self.slots.first()) {
            // What time alone has changed goes with an offset, too: by it the group refuses who is no member any more.
            let known = Offset::Offset(slot.next.max(slot.committed));
            offsets
                .add_partition_offset(&slot.input.topic, slot.input.partition, known)
                .map_err(|error| judge(&error, "to list offsets", &slot.input.topic))?;
        }
        let mut at = at;
        if !self.out.is_empty() || 0 < offsets.count() {
            let aborts = self.transactions.commit(&self.out, &offsets, &self.consumer)?;
            let entries = self.out.iter().filter(|record| matches!(record.to, Output::State(_))).count() as u64;
            let begun = at.now;
            at = clock();
            self.meters.commits.increment(1);
            self.meters.commit_seconds.record(at.now.duration_since(begun).as_secs_f64());
            self.meters.aborts.increment(aborts);
            self.meters.state_entries_written.increment(entries);
            self.meters.records_written.increment(self.out.len() as u64 - entries);
            self.memory.committed = true;
            self.status.change(S::NAME, self.settings.worker, |worker| {
                worker.last_commit_ms = Some(at.wall_ms);
                worker.aborts += aborts;
            });
        }
        for slot in &mut self.slots {
            slot.committed = slot.committed.max(slot.next);
        }
        self.applied = 0;
        self.moved = None;
        self.stage.committed(at);
        Ok(())
    }

    pub(super) fn tell(&mut self, clock: Clock) {
        self.told = clock.now;
        let inputs: Vec<InputStatus> = self
            .slots
            .iter()
            .map(|slot| InputStatus {
                input: slot.input.clone(),
                next: slot.next,
                behind: self.consumer.end_seen(&slot.c_topic, slot.input.partition).map(|end| (end - slot.next).max(0)),
            })
            .collect();
        let joined = self.joined;
        let behind: i64 = inputs.iter().filter_map(|input| input.behind).sum();
        self.meters.behind.set(behind as f64);
        self.status.change(S::NAME, self.settings.worker, |worker| {
            worker.phase = if joined { Phase::Running } else { Phase::Starting };
            worker.told = Some(clock.now);
            worker.inputs = inputs;
        });
    }

    pub(super) fn remember_inputs(&mut self) {
        self.last = 0;
        self.memory.inputs = self.slots.iter().map(|slot| slot.input.clone()).collect();
    }
}

impl Slot {
    pub fn new(input: Input, next: i64, committed: i64) -> Slot {
        let c_topic = c_name(&input.topic);
        Slot { input, c_topic, handle: 0, next, committed, end: None }
    }
}

fn find(slots: &[Slot], topic: &[u8], partition: i32) -> Option<usize> {
    slots.iter().position(|slot| slot.input.partition == partition && slot.input.topic.as_bytes() == topic)
}

fn is_suspect(memory: &Memory, input: &Input, offset: i64) -> bool {
    !memory.stops.is_empty() && memory.stops.get(&(input.clone(), offset)).is_some_and(|&stops| STOPS_MAX <= stops)
}

/// What an error event means for the run.
pub(super) fn failed(
    code: RDKafkaErrorCode,
    fatal: bool,
    reason: String,
    place: Option<Place>,
    group: &str,
) -> Result<(), Cause> {
    use RDKafkaErrorCode as Code;
    if is_transport(code) {
        return Ok(());
    }
    let of_partition = place.is_some();
    let subject = place.map_or(group.into(), |place| String::from_utf8_lossy(place.topic()).into_owned());
    match judge(&KafkaError::MessageConsumption(code), "to read", &subject) {
        // The connection may be refused for a moment while a broker starts; topics and groups are not.
        Cause::End(_) if is_login(code) => Ok(()),
        cause @ (Cause::End(_) | Cause::Fenced(_)) => Err(cause),
        // Whether the topic is gone for good is found out by looking for it.
        _ if fatal || of_partition || matches!(code, Code::PollExceeded | Code::UnknownTopicOrPartition) => {
            Err(Cause::Anew(format!("reading failed: {reason}")))
        }
        _ => Ok(()),
    }
}

/// Errs unless all topics are there. Answers the number of state partitions.
fn check_topics(settings: &WorkerSettings, stop: &Stop) -> Result<i32, Cause> {
    let until = Instant::now() + MISSING_FOR;
    loop {
        match find_topics(settings) {
            Ok(state_partitions) => return Ok(state_partitions),
            Err(TopicsError::Problem(problem)) if until < Instant::now() => {
                return Err(Cause::End(WorkerError::Topic(problem)));
            }
            Err(TopicsError::Problem(_)) => {}
            Err(TopicsError::Unreachable { cause, .. }) => {
                return Err(judge(&cause, "to look for the topics", &settings.connection.brokers));
            }
            Err(TopicsError::Refused(refusal)) => return Err(Cause::End(WorkerError::Refused(refusal))),
            Err(TopicsError::Client(why)) => return Err(Cause::End(WorkerError::Client(why.to_string()))),
            Err(error) => return Err(Cause::Anew(error.to_string())),
        }
        if stop.wait(Duration::from_millis(200)) {
            return Err(Cause::Stopped);
        }
    }
}

fn find_topics(settings: &WorkerSettings) -> Result<i32, TopicsError> {
    let known = settings.required.iter().map(|(topic, count)| (&**topic, *count));
    let inputs = settings.inputs.iter().map(|topic| (&**topic, None));
    if let Some(problem) = topics::existence(&settings.connection, known.chain(inputs))?.into_iter().next() {
        return Err(TopicsError::Problem(problem));
    }
    let counts = topics::partition_counts(&settings.connection, &[&settings.state_topic])?;
    Ok(counts[0].1)
}
