//! Feed: events written to a topic, for the demo.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::fmt;
use std::time::Duration;

use super::client::{Connection, Context};

/// How long records may take to arrive at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A writer of one topic. Records of one key stay in their order.
pub struct Feed {
    producer: BaseProducer<Context>,
    topic: String,
}

/// A record that could not be handed over.
#[derive(Debug)]
pub struct FeedError(KafkaError);

impl Feed {
    pub fn open(connection: &Connection, topic: &str) -> Result<Feed, FeedError> {
        let mut config = connection.plain();
        config.set("linger.ms", "5");
        let producer = config.create_with_context(Context::new("feed")).map_err(FeedError)?;
        Ok(Feed { producer, topic: topic.to_owned() })
    }

    /// Hands one record over, stamped with `at` in epoch milliseconds. Waits while too many are under way.
    pub fn send(&self, key: &str, value: &str, at: i64) -> Result<(), FeedError> {
        let mut record = BaseRecord::to(&self.topic).key(key).payload(value).timestamp(at);
        loop {
            match self.producer.send(record) {
                Ok(()) => {
                    self.producer.poll(Duration::ZERO);
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    self.producer.poll(Duration::from_millis(10));
                    record = back;
                }
                Err((error, _)) => return Err(FeedError(error)),
            }
        }
    }

    /// Waits until all records have arrived.
    pub fn flush(&self) -> Result<(), FeedError> {
        self.producer.flush(PATIENCE).map_err(FeedError)
    }
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "events cannot be written: {}", self.0)
    }
}

impl std::error::Error for FeedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
