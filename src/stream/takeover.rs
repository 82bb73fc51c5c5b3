//! Takeover: a later generation of the engine follows an earlier one, and never do both publish.
//!
//! ```text
//! later    catches up -> its progress records claim every partition -> the earlier groups are empty -> publishes
//! earlier  sees every partition claimed -> leaves its groups for good -> ends
//! anyone   joins its group -> finds every partition claimed by a later one -> ends
//! ```
//!
//! Whoever joins looks at the claims after it joined, and the later one looks for members after its claims are
//! committed: one of the two sees the other.

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::Offset;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::client::{Connection, Context};
use super::outlet::to_json;

/// How long one question to the broker may take.
const QUESTION: Duration = Duration::from_secs(5);
/// Records at the end of a partition in which a claim is looked for: claims are repeated every second.
const TAIL: i64 = 500;
/// So often an earlier group has to be found without a member, one look after the other: a claim between them stands
/// behind whatever its last member wrote.
const LOOKS: u32 = 2;

/// Whether this generation may publish. Clones are the same answer.
#[derive(Clone, Debug)]
pub struct Takeover {
    generation: u64,
    is_granted: Arc<AtomicBool>,
}

/// An earlier generation's group, and what it commits offsets of.
#[derive(Clone, Debug)]
pub struct Earlier {
    pub group: String,
    pub topics: Vec<String>,
}

/// Looks for members of earlier generations.
pub struct Watch {
    connection: Connection,
    /// Our own, which is only named.
    group: String,
    earlier: Vec<Earlier>,
    empty_looks: u32,
}

impl Takeover {
    /// The first generation has nobody to wait for.
    pub fn of(generation: u64) -> Takeover {
        Takeover { generation, is_granted: Arc::new(AtomicBool::new(generation <= 1)) }
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The version of what was computed up to this offset.
    pub fn version(&self, offset: i64) -> u64 {
        (self.generation << 40) + offset as u64
    }

    pub fn is_granted(&self) -> bool {
        self.is_granted.load(Ordering::Acquire)
    }

    /// Nobody of an earlier generation publishes any more.
    pub fn grant(&self) {
        self.is_granted.store(true, Ordering::Release);
    }
}

impl Watch {
    pub fn new(connection: Connection, group: String, earlier: Vec<Earlier>) -> Watch {
        Watch { connection, group, earlier, empty_looks: 0 }
    }

    /// One look, to be repeated every second once every partition is claimed. Answers the groups that still have
    /// members; none of them again and again is the end of the earlier generations. Errs while the broker does not answer.
    pub fn look(&mut self) -> KafkaResult<Vec<String>> {
        let mut config = self.connection.plain();
        config.set("group.id", &self.group);
        let client: BaseConsumer<Context> = config.create_with_context(Context::new("takeover"))?;
        let mut alive = Vec::new();
        let mut ended = Vec::new();
        for earlier in &self.earlier {
            let list = client.fetch_group_list(Some(&earlier.group), QUESTION)?;
            for group in list.groups().iter().filter(|group| group.name() == earlier.group) {
                match group.members().len() {
                    0 => ended.push(earlier),
                    _ => alive.push(earlier.group.clone()),
                }
            }
        }
        if alive.is_empty() {
            for earlier in ended {
                self.settle(earlier)?;
            }
        }
        self.empty_looks = if alive.is_empty() { self.empty_looks + 1 } else { 0 };
        Ok(alive)
    }

    /// Whether the looks so far are enough.
    pub fn is_over(&self) -> bool {
        LOOKS <= self.empty_looks
    }

    /// Waits for transactions that a member of the group left behind: the broker does not tell offsets that one of
    /// them may change.
    fn settle(&self, earlier: &Earlier) -> KafkaResult<()> {
        let mut config = self.connection.plain();
        config.set("group.id", &earlier.group).set("isolation.level", "read_committed");
        let client: BaseConsumer<Context> = config.create_with_context(Context::new("takeover"))?;
        let mut places = TopicPartitionList::new();
        for topic in &earlier.topics {
            let metadata = client.fetch_metadata(Some(topic), QUESTION)?;
            for found in metadata.topics().iter().filter(|found| found.name() == topic && found.error().is_none()) {
                (0..found.partitions().len() as i32).for_each(|partition| {
                    places.add_partition(topic, partition);
                });
            }
        }
        let told = client.committed_offsets(places, QUESTION)?;
        told.elements().iter().try_for_each(|place| place.error())
    }
}

/// The generation that has claimed every one of so many partitions of the board, by the last records of each; 0 if there
/// is one that nobody publishes on. `group` is only named. Errs while the broker does not answer.
pub fn claimed_by(connection: &Connection, group: &str, board: &str, partitions: i32) -> KafkaResult<u64> {
    let mut config = connection.plain();
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10");
    let consumer: BaseConsumer<Context> = config.create_with_context(Context::new("takeover"))?;
    let mut places = TopicPartitionList::new();
    for partition in 0..partitions {
        places.add_partition_offset(board, partition, Offset::OffsetTail(TAIL))?;
    }
    consumer.assign(&places)?;
    let mut highest: BTreeMap<i32, u64> = BTreeMap::new();
    let mut open = partitions;
    let until = Instant::now() + QUESTION;
    while 0 < open {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let generation = message.payload().map_or(0, generation_of);
                let highest = highest.entry(message.partition()).or_default();
                *highest = generation.max(*highest);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
            // The client tries these again by itself.
            Some(Err(error)) if until < Instant::now() => return Err(error),
            Some(Err(_)) | None => {}
        }
        if until < Instant::now() && 0 < open {
            return Err(KafkaError::MessageConsumption(rdkafka::error::RDKafkaErrorCode::OperationTimedOut));
        }
    }
    Ok((0..partitions).map(|partition| highest.get(&partition).copied().unwrap_or(0)).min().unwrap_or(0))
}

/// The generation that wrote a record of the board; 0 if it does not say.
fn generation_of(value: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct Head {
        generation: Option<u64>,
        version: Option<u64>,
    }
    let head = serde_json::from_slice::<Head>(&to_json(value)).ok();
    head.and_then(|head| head.generation.or(head.version.map(|version| version >> 40))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

    #[test]
    fn who_claims_the_board_is_read_from_the_ends_of_its_partitions() {
        let cluster = MockCluster::new(1).expect("a cluster");
        cluster.create_topic("board", 2, 1).expect("a topic");
        let connection = Connection { brokers: cluster.bootstrap_servers(), ..Connection::default() };
        let producer: BaseProducer = connection.plain().create().expect("a producer");
        let write = |partition: i32, value: &str| {
            producer.send(BaseRecord::<str, str>::to("board").partition(partition).payload(value)).expect("room");
            producer.flush(Duration::from_secs(30)).expect("written");
        };
        let claimed = || claimed_by(&connection, "takeover", "board", 2).expect("a broker that answers");
        assert_eq!(claimed(), 0, "nobody publishes");
        write(0, &format!(r#"{{"schema":"callpulse.kpi.v1","version":{}}}"#, (2_u64 << 40) + 7));
        assert_eq!(claimed(), 0, "one partition is nobody's");
        write(1, r#"{"schema":"callpulse.progress.v1","generation":1}"#);
        assert_eq!(claimed(), 1);
        write(1, r#"{"schema":"callpulse.progress.v1","generation":3}"#);
        write(1, r#"{"schema":"callpulse.progress.v1","generation":1}"#);
        assert_eq!(claimed(), 2, "an earlier one that still publishes takes no claim back");
        assert_eq!(generation_of(b"no record"), 0);
    }

    #[test]
    fn the_first_generation_waits_for_nobody() {
        assert!(Takeover::of(1).is_granted());
        let later = Takeover::of(2);
        assert!(!later.is_granted());
        later.clone().grant();
        assert!(later.is_granted());
    }
}
