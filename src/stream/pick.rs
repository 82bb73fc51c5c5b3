//! Picking: single committed records of a topic, by their places.
//!
//! For whoever keeps an index of a topic and not its records. One client without a group; between two asks it reads
//! nothing.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

use super::client::Context;
use super::follow::Source;

/// Records that stand so near to one another are read one after the other; to others it jumps.
const NEAR: i64 = 200;
/// How long one question to the broker may take.
const QUESTION: Duration = Duration::from_secs(2);
/// The longest wait before the time is looked at.
const TURN: Duration = Duration::from_millis(100);

/// A reader of single records.
pub struct Picker {
    source: Source,
    /// Made when it is first needed, and anew after it failed.
    consumer: Option<BaseConsumer<Context>>,
}

/// A record that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picked<'a> {
    Record {
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
    },
    /// Retention or compaction took it.
    Gone,
}

impl Picker {
    pub fn new(source: Source) -> Picker {
        Picker { source, consumer: None }
    }

    /// Reads the records at these places, partition and offset, which stand in order. Each is told with its number
    /// among them; those that are not read by `until` are not.
    pub fn pick(
        &mut self,
        places: &[(i32, i64)],
        until: Instant,
        mut on: impl FnMut(usize, Picked<'_>),
    ) -> KafkaResult<()> {
        let consumer = match self.consumer.take() {
            Some(consumer) => consumer,
            None => client(&self.source)?,
        };
        pick_with(&consumer, &self.source.topic, places, until, &mut on)?;
        consumer.unassign()?;
        self.consumer = Some(consumer);
        Ok(())
    }
}

fn pick_with(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    places: &[(i32, i64)],
    until: Instant,
    on: &mut impl FnMut(usize, Picked<'_>),
) -> KafkaResult<()> {
    let mut next = 0;
    while let Some(&(partition, _)) = places.get(next) {
        let (low, high) = consumer.fetch_watermarks(topic, partition, QUESTION)?;
        let is_there = |place: &(i32, i64)| low <= place.1 && place.1 < high;
        while places.get(next).is_some_and(|place| place.0 == partition && !is_there(place)) {
            on(next, Picked::Gone);
            next += 1;
        }
        // Jumps within the partition.
        while let Some(&(_, offset)) = places.get(next).filter(|place| place.0 == partition && is_there(place)) {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
            consumer.assign(&list)?;
            if read_on(consumer, places, &mut next, until, on)? == Ended::TheTime {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Why reading on from a place ended.
#[derive(PartialEq, Eq)]
enum Ended {
    TheTime,
    /// What is wanted next is elsewhere.
    Elsewhere,
}

/// Reads on while what is wanted next is near.
fn read_on(
    consumer: &BaseConsumer<Context>,
    places: &[(i32, i64)],
    next: &mut usize,
    until: Instant,
    on: &mut impl FnMut(usize, Picked<'_>),
) -> KafkaResult<Ended> {
    let (partition, _) = places[*next];
    while Instant::now() < until {
        match consumer.poll(TURN) {
            Some(Ok(message)) if message.partition() == partition => {
                let at = (partition, message.offset());
                while places.get(*next).is_some_and(|place| place.0 == partition && *place < at) {
                    on(*next, Picked::Gone);
                    *next += 1;
                }
                if places.get(*next) == Some(&at) {
                    on(*next, Picked::Record { key: message.key(), value: message.payload() });
                    *next += 1;
                }
                if places.get(*next).is_none_or(|place| place.0 != partition || NEAR < place.1 - at.1) {
                    return Ok(Ended::Elsewhere);
                }
            }
            Some(Err(KafkaError::PartitionEOF(at))) if at == partition => {
                while places.get(*next).is_some_and(|place| place.0 == partition) {
                    on(*next, Picked::Gone);
                    *next += 1;
                }
                return Ok(Ended::Elsewhere);
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                // Retention was faster; the next ask knows.
                return Err(error);
            }
            // The client tries these again by itself, and what comes from where it was is not wanted.
            Some(Ok(_) | Err(_)) | None => {}
        }
    }
    Ok(Ended::TheTime)
}

fn client(source: &Source) -> KafkaResult<BaseConsumer<Context>> {
    let mut config = source.connection.plain();
    config
        .set("group.id", &source.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        // A jump shall bring what it is for and little else.
        .set("fetch.message.max.bytes", "65536")
        .set("queued.min.messages", "1")
        .set("fetch.wait.max.ms", "10")
        .set("fetch.queue.backoff.ms", "5")
        .create_with_context(Context::new(&source.topic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::client::Connection;
    use rdkafka::config::ClientConfig;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn reads_what_is_asked_for_near_and_far_and_says_what_is_gone() {
        let cluster = MockCluster::new(1).expect("a cluster");
        cluster.create_topic("archive", 2, 1).expect("a topic");
        let mut config = ClientConfig::new();
        let producer: BaseProducer =
            config.set("bootstrap.servers", cluster.bootstrap_servers()).create().expect("a producer");
        for number in 0..1_000 {
            for partition in 0..2 {
                let value = format!("{partition}-{number}");
                let record = BaseRecord::to("archive").partition(partition).key("key").payload(&value);
                producer.send(record).expect("room in the queue");
            }
            producer.poll(Duration::ZERO);
        }
        producer.flush(PATIENCE).expect("written");
        let connection = Connection { brokers: cluster.bootstrap_servers(), ..Connection::default() };
        let mut picker = Picker::new(Source { connection, group: "pick".into(), topic: "archive".into() });
        let places = [(0, 3), (0, 4), (0, 50), (0, 999), (0, 1_000), (1, 0), (1, 700), (1, 90_000)];
        // A second time, with the client that is there.
        for _ in 0..2 {
            let mut found = Vec::new();
            let until = Instant::now() + PATIENCE;
            picker
                .pick(&places, until, |number, picked| {
                    assert_eq!(number, found.len());
                    found.push(match picked {
                        Picked::Record { key: Some(b"key"), value: Some(value) } => {
                            String::from_utf8_lossy(value).into_owned()
                        }
                        Picked::Record { .. } => "another".into(),
                        Picked::Gone => "gone".into(),
                    });
                })
                .expect("a broker that answers");
            assert_eq!(found, ["0-3", "0-4", "0-50", "0-999", "gone", "1-0", "1-700", "gone"]);
        }
        let mut told = 0;
        picker.pick(&places, Instant::now(), |_, _| told += 1).expect("a broker that answers");
        assert_eq!(told, 0, "the time is over");
    }
}
