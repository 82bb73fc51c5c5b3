//! Faults of a worker: those that end it, with what would help, and those it starts anew from.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::PropertyFault;
use super::refusal::{Refusal, is_refusal};
use super::stage::Input;
use super::topics::Problem;

/// Why a worker cannot go on by itself.
#[derive(Clone, Debug)]
pub enum WorkerError {
    /// A property of `[kafka.properties]` cannot be used.
    Property(PropertyFault),
    /// A client could not be made.
    Client(String),
    /// A topic is missing or has the wrong number of partitions.
    Topic(Problem),
    /// An input has a partition that the plan of this run does not know.
    Grown { input: Input, expected: i32 },
    /// Records that were not read yet are gone from the log.
    Gap { input: Input, wanted: i64, low: i64 },
    /// The log ends before what was already read from it.
    Shrunk { input: Input, wanted: i64, high: i64 },
    /// There is state for an input, and no committed offset that it stands for.
    OffsetsGone { input: Input, group: String },
    /// The cluster refuses who we say we are, or what we want to do.
    Refused(Refusal),
    /// Another program runs under the same name.
    SameName { member: String },
    /// A record to be written is larger than the topic or the client allows.
    TooLarge { topic: String, bytes: usize },
    /// A record stopped the worker even while it was set aside.
    Stubborn { input: Input, offset: i64 },
    /// A later generation publishes.
    Replaced { own: u64, by: u64 },
}

impl fmt::Display for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkerError::Property(fault) => write!(f, "{fault}"),
            WorkerError::Client(why) => {
                write!(f, "kafka client could not be made: {why}; check [kafka.properties]")
            }
            WorkerError::Topic(problem) => write!(f, "{problem}"),
            WorkerError::Grown { input, expected } => write!(
                f,
                "topic {} has more than {expected} partitions by now; start again, so that the plan holds all of them",
                input.topic
            ),
            WorkerError::Gap { input, wanted, low } => write!(
                f,
                "records {wanted} to {} of {} partition {} are gone from the log before they were read; \
                 --accept-gap goes on without them and marks what they touched",
                low - 1,
                input.topic,
                input.partition
            ),
            WorkerError::Shrunk { input, wanted, high } => write!(
                f,
                "{} partition {} ends at {high}, but was read up to {wanted} before: the topic was made anew or lost \
                 records; raise [engine] generation to rebuild from what it holds",
                input.topic, input.partition
            ),
            WorkerError::OffsetsGone { input, group } => write!(
                f,
                "group {group} has state for {} partition {} but no committed offset any more (the broker forgets \
                 those of an idle group after offsets.retention.minutes, and those of a topic that is made anew); \
                 raise [engine] generation to rebuild",
                input.topic, input.partition
            ),
            WorkerError::Refused(refusal) => write!(f, "{refusal}"),
            WorkerError::SameName { member } => write!(
                f,
                "another program keeps taking the name {member}; give each instance its own [engine] instance"
            ),
            WorkerError::TooLarge { topic, bytes } => write!(
                f,
                "a record of {bytes} bytes for topic {topic} is larger than allowed; raise message.max.bytes in \
                 [kafka.properties] and max.message.bytes of the topic"
            ),
            WorkerError::Stubborn { input, offset } => write!(
                f,
                "record {offset} of {} partition {} stops the worker even when it is set aside; please report it \
                 with the record",
                input.topic, input.partition
            ),
            WorkerError::Replaced { own, by } => write!(
                f,
                "generation {by} publishes now, so this instance of generation {own} ends; give it the same \
                 [engine] generation, or do not start it again"
            ),
        }
    }
}

impl std::error::Error for WorkerError {}

/// Why a worker's present run ended.
#[derive(Debug)]
pub(super) enum Cause {
    /// It was asked to stop.
    Stopped,
    /// In doubt: everything is dropped and built anew from the log.
    Anew(String),
    /// Its name was taken by a newer one, or the broker gave up on it.
    Fenced(String),
    /// It cannot heal.
    End(WorkerError),
}

/// What a client's error means for the worker. `subject` is who was refused, should it be that.
pub(super) fn judge(error: &KafkaError, doing: &'static str, subject: &str) -> Cause {
    use RDKafkaErrorCode as Code;
    let text = match error {
        KafkaError::Transaction(inner) => format!("{doing}: {}", inner.string()),
        _ => format!("{doing}: {error}"),
    };
    match error.rdkafka_error_code() {
        Some(code) if is_refusal(code) => {
            let said = match error {
                KafkaError::Transaction(inner) => inner.string(),
                _ => String::new(),
            };
            Cause::End(WorkerError::Refused(Refusal { code, doing, subject: subject.to_owned(), said }))
        }
        Some(Code::Fenced | Code::ProducerFenced | Code::FencedInstanceId | Code::InvalidProducerEpoch) => {
            Cause::Fenced(text)
        }
        _ => match error {
            KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) => {
                Cause::End(WorkerError::Client(error.to_string()))
            }
            _ => Cause::Anew(text),
        },
    }
}
