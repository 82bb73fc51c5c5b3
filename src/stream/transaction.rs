//! Transaction: outputs, state and input offsets, committed together or not at all.
//!
//! One is begun only when all of its content lies in memory. A commit that fails abortably is tried
//! again with the same content; whatever timed out is in doubt, and the worker starts anew.

use std::io::Write as _;
use std::time::{Duration, Instant};

use rdkafka::bindings as native;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, TopicPartitionList};
use tracing::{debug, warn};

use super::client::{Context, Oversized, is_transport};
use super::consumer::Consumer;
use super::fault::{Cause, WorkerError, judge};
use super::refusal::{Refusal, TO_WRITE, is_refusal};
use super::stage::{Input, OutRecord, Output};
use super::stop::Stop;

/// How long each step of a transaction may take before the worker gives it up.
const STEP: Duration = Duration::from_secs(10);

/// A step when leaving, which has ten seconds for everything.
const LAST_STEP: Duration = Duration::from_secs(3);

/// The longest wait for records to be written between two looks at those that were not.
const FLUSH_MS: i32 = 50;

/// The writer of one worker.
pub(super) struct Transactions {
    producer: BaseProducer<Context>,
    id: String,
    state_topic: String,
    state_partitions: i32,
    step: Duration,
    key: Vec<u8>,
}

/// The state partition that holds an input's entries.
pub(super) fn state_partition(input: &Input, partitions: i32) -> i32 {
    input.partition.rem_euclid(partitions.max(1))
}

/// What the keys of an input's entries begin with.
pub(super) fn state_prefix(input: &Input) -> Vec<u8> {
    format!("{}|{}|", input.topic, input.partition).into_bytes()
}

enum Failure {
    /// The transaction is void, its content is not: abort and try again.
    Abortable(String),
    Given(Cause),
}

impl Transactions {
    pub fn open(config: &ClientConfig, id: &str, state_topic: &str, state_partitions: i32) -> Result<Self, Cause> {
        let producer: BaseProducer<Context> =
            config.create_with_context(Context::new(id)).map_err(|error| judge(&error, "making the producer", id))?;
        let state_topic = state_topic.to_owned();
        Ok(Transactions { producer, id: id.to_owned(), state_topic, state_partitions, step: STEP, key: Vec::new() })
    }

    /// Takes the transactional id over: what its last owner left open is aborted, and that owner fenced.
    /// Waits for a broker as long as it is away.
    pub fn init(&self, stop: &Stop) -> Result<(), Cause> {
        loop {
            match self.producer.init_transactions(Duration::from_secs(5)) {
                Ok(()) => {
                    self.producer.client().context().reached();
                    return Ok(());
                }
                Err(error) => {
                    self.producer.poll(Duration::ZERO);
                    let last = self.producer.client().context().take_last();
                    if let Some((code, said)) = last.filter(|last| is_refusal(last.0)) {
                        let (doing, subject) = ("to begin transactions as", self.id.clone());
                        return Err(Cause::End(WorkerError::Refused(Refusal { code, doing, subject, said })));
                    }
                    let again = matches!(&error, KafkaError::Transaction(inner) if inner.is_retriable());
                    if !again {
                        return Err(judge(&error, "to begin transactions as", &self.id));
                    }
                    self.producer.client().context().note(error.rdkafka_error_code(), "begin transactions");
                    if stop.wait(Duration::from_millis(100)) {
                        return Err(Cause::Stopped);
                    }
                }
            }
        }
    }

    /// The next commit is the last, and is not waited for as long.
    pub fn hurry(&mut self) {
        self.step = LAST_STEP;
    }

    /// Commits `out` and `offsets`. Answers how often it was tried in vain before.
    pub fn commit(
        &mut self,
        out: &[OutRecord],
        offsets: &TopicPartitionList,
        consumer: &Consumer,
    ) -> Result<u64, Cause> {
        let begun = Instant::now();
        let mut aborts = 0;
        loop {
            let why = match self.attempt(out, offsets, consumer) {
                Ok(()) => {
                    self.producer.client().context().reached();
                    return Ok(aborts);
                }
                Err(Failure::Abortable(why)) => why,
                Err(Failure::Given(cause)) => return Err(cause),
            };
            if let Some(Oversized { topic, bytes }) = self.producer.client().context().take_oversized() {
                return Err(Cause::End(WorkerError::TooLarge { topic, bytes }));
            }
            aborts += 1;
            debug!(id = self.id, why, "transaction aborted; trying again");
            self.drain()?;
            self.producer.abort_transaction(self.step).map_err(|error| judge(&error, "to abort", &self.id))?;
            if consumer.is_assignment_lost() {
                return Err(Cause::Anew("assignment lost".into()));
            }
            if self.step < begun.elapsed() {
                return Err(Cause::Anew(format!("no commit within {} s: {why}", self.step.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn attempt(&mut self, out: &[OutRecord], offsets: &TopicPartitionList, consumer: &Consumer) -> Result<(), Failure> {
        self.producer.begin_transaction().map_err(|error| self.failed(&error, "to begin a transaction"))?;
        for record in out {
            self.send(record)?;
        }
        // In this order: the metadata may be newer than the loss, never the other way round.
        let metadata =
            consumer.group_metadata().ok_or_else(|| Failure::Given(Cause::Anew("the consumer has no group".into())))?;
        if consumer.is_assignment_lost() {
            return Err(Failure::Given(Cause::Anew("assignment lost".into())));
        }
        if 0 < offsets.count() {
            self.producer
                .send_offsets_to_transaction(offsets, &metadata, self.step)
                .map_err(|error| self.failed(&error, "to commit offsets"))?;
        }
        let until = Instant::now() + self.step;
        // The raw flush ignores lingering and ends when nothing is left, where the wrapped one sleeps. What could
        // not be written is left until it is told, which the poll is for.
        // SAFETY: the producer is alive.
        while unsafe { native::rd_kafka_flush(self.producer.client().native_ptr(), FLUSH_MS) }
            != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            self.producer.poll(Duration::ZERO);
            if until < Instant::now() {
                return Err(Failure::Given(Cause::Anew("records were not written in time".into())));
            }
        }
        self.producer.poll(Duration::ZERO);
        self.producer.commit_transaction(self.step).map_err(|error| self.failed(&error, "to commit a transaction"))
    }

    fn send(&mut self, record: &OutRecord) -> Result<(), Failure> {
        let mut key = record.key.as_deref();
        let (topic, partition) = match &record.to {
            Output::Topic { topic, partition } => (&**topic, *partition),
            Output::State(input) => {
                self.key.clear();
                let written = write!(self.key, "{}|{}|", input.topic, input.partition);
                debug_assert!(written.is_ok(), "writing to memory");
                self.key.extend_from_slice(key.unwrap_or_default());
                key = Some(&self.key);
                (&*self.state_topic, Some(state_partition(input, self.state_partitions)))
            }
        };
        let mut entry: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
        entry.partition = partition;
        entry.key = key;
        entry.payload = record.value.as_deref();
        entry.timestamp = record.timestamp;
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            entry.headers = Some(
                record
                    .headers
                    .iter()
                    .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) })),
            );
        }
        let until = Instant::now() + self.step;
        loop {
            match self.producer.send(entry) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) if Instant::now() < until => {
                    self.producer.poll(Duration::from_millis(1));
                    entry = back;
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge), back)) => {
                    let bytes = back.payload.map_or(0, <[u8]>::len);
                    let topic = back.topic.to_owned();
                    return Err(Failure::Given(Cause::End(WorkerError::TooLarge { topic, bytes })));
                }
                Err((error, back)) => {
                    debug!(id = self.id, topic = back.topic, partition = back.partition, %error, "not written");
                    return Err(self.failed(&error, "to write"));
                }
            }
        }
    }

    fn failed(&self, error: &KafkaError, doing: &'static str) -> Failure {
        let KafkaError::Transaction(inner) = error else {
            // A record could not be queued: the transaction is in a failed state that says why.
            return match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::State) => Failure::Abortable(format!("{doing}: {error}")),
                _ => Failure::Given(judge(error, doing, &self.id)),
            };
        };
        let code = inner.code();
        if code == RDKafkaErrorCode::TopicAuthorizationFailed {
            self.producer.poll(Duration::ZERO);
            // Offsets are of topics that are read.
            if let Some(topic) = self.producer.client().context().take_denied() {
                let refusal = Refusal { code, doing: TO_WRITE, subject: topic, said: inner.string() };
                return Failure::Given(Cause::End(WorkerError::Refused(refusal)));
            }
        }
        if is_refusal(code) || inner.is_fatal() || is_transport(code) || code == RDKafkaErrorCode::RequestTimedOut {
            return Failure::Given(judge(error, doing, &self.id));
        }
        if inner.txn_requires_abort() {
            return Failure::Abortable(format!("{doing}: {}", inner.string()));
        }
        Failure::Given(judge(error, doing, &self.id))
    }

    /// Waits until nothing is in flight. What is in flight is never purged: its sequence numbers would be
    /// missing, and the next transaction hangs.
    fn drain(&self) -> Result<(), Cause> {
        let until = Instant::now() + self.step;
        while 0 < self.producer.in_flight_count() {
            self.producer.poll(Duration::ZERO);
            // SAFETY: the producer is alive.
            unsafe { native::rd_kafka_flush(self.producer.client().native_ptr(), 20) };
            if until < Instant::now() {
                warn!(id = self.id, "records stay in flight");
                return Err(Cause::Anew("records stayed in flight before an abort".into()));
            }
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }
}
