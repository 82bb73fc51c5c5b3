//! Embedded broker: the client's own mock cluster, for the demo and nothing else.
//!
//! It forgets offsets committed in transactions, shows uncommitted records, fences nobody and keeps the
//! newest 5 MiB of a partition. One process that never restarts does not notice; exactly-once needs a
//! real Kafka.

use rdkafka::error::KafkaResult;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::topics::TopicSpec;

/// A cluster of one broker on a port of its own, gone when dropped.
pub struct EmbeddedBroker(MockCluster<'static, DefaultProducerContext>);

impl EmbeddedBroker {
    /// Starts it with these topics; one without a number of partitions gets one.
    pub fn start(topics: &[TopicSpec]) -> KafkaResult<EmbeddedBroker> {
        let cluster = MockCluster::new(1)?;
        for topic in topics {
            cluster.create_topic(&topic.name, topic.partitions.unwrap_or(1), 1)?;
        }
        Ok(EmbeddedBroker(cluster))
    }

    /// What clients connect to.
    pub fn brokers(&self) -> String {
        self.0.bootstrap_servers()
    }
}
