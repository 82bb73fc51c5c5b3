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
//!
//! Before that the later one tells only what the earlier ones say to have settled: see `settled` of progress records.

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::groups::GroupInfo;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::Offset;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use super::client::{Connection, Context};
use super::outlet::to_json;
use crate::time::EventTime;

/// How long one question to the broker may take.
const QUESTION: Duration = Duration::from_secs(5);
/// Offsets at the end of a partition in which a claim is looked for: claims are repeated every second.
const TAIL: i64 = 500;
/// So many times as many where there is none: they may be a transaction that was aborted, or records that are gone.
const FURTHER: i64 = 16;
/// So often the earlier groups have to be found without a member, one look after the other: a claim between them stands
/// behind whatever their last member wrote.
const LOOKS: u32 = 2;

/// Whether this generation may publish, and what of the past it may tell before. Clones are the same answer.
#[derive(Clone, Debug)]
pub struct Takeover {
    generation: u64,
    is_granted: Arc<AtomicBool>,
    /// Milliseconds, see [`Takeover::settled`].
    settled: Arc<AtomicI64>,
}

/// Looks for instances of earlier generations, by their groups.
pub struct Watch {
    client: BaseConsumer<Context>,
    connection: Connection,
    own: u64,
    /// The topics that a group commits offsets of.
    topics: Topics,
    empty_looks: u32,
    /// The groups of earlier generations that were ever seen.
    known: BTreeSet<Group>,
}

/// A stage and a generation.
type Group = (&'static str, u64);

/// The stages' names, and by stage and generation the group and its topics.
pub struct Topics {
    pub stages: Vec<&'static str>,
    pub group: Of<String>,
    pub of: Of<Vec<String>>,
}

/// By stage and generation.
pub type Of<T> = Box<dyn Fn(&str, u64) -> T + Send>;

/// The earlier generations that have groups, and the names of those of their groups that have members.
pub type Earlier = BTreeMap<u64, Vec<String>>;

impl Takeover {
    /// The first generation has nobody to wait for. A later one may tell nothing until it is known who is there.
    pub fn of(generation: u64) -> Takeover {
        let is_first = generation <= 1;
        Takeover {
            generation,
            is_granted: Arc::new(AtomicBool::new(is_first)),
            settled: Arc::new(AtomicI64::new(if is_first { i64::MAX } else { i64::MIN })),
        }
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
        self.settle(EventTime(i64::MAX));
        self.is_granted.store(true, Ordering::Release);
    }

    /// What ended before it no earlier generation publishes any more. The end of time where there is none.
    pub fn settled(&self) -> EventTime {
        EventTime(self.settled.load(Ordering::Acquire))
    }

    pub fn settle(&self, settled: EventTime) {
        self.settled.store(settled.0, Ordering::Release);
    }

    /// Whether there is an earlier generation, or it is not known yet.
    pub fn has_earlier(&self) -> bool {
        self.settled() != EventTime(i64::MAX)
    }
}

impl Watch {
    /// `own` is the generation before which it looks. Errs where a client cannot be made.
    pub fn new(connection: Connection, own: u64, topics: Topics) -> KafkaResult<Watch> {
        let client = connection.plain().create_with_context(Context::new("takeover"))?;
        Ok(Watch { client, connection, own, topics, empty_looks: 0, known: BTreeSet::new() })
    }

    /// One look. Errs while the broker does not answer.
    pub fn look(&mut self) -> KafkaResult<Earlier> {
        let before = std::mem::take(&mut self.empty_looks);
        let mut listed = self.list()?;
        let is_missing = |group: &Group| !listed.contains_key(group);
        let missing: Vec<Group> = self.expected().into_iter().filter(is_missing).collect();
        if !missing.is_empty() {
            // A broker that just started lists no group before it has loaded it, and does not answer for it either.
            missing.iter().try_for_each(|group| self.ask(*group))?;
            listed = self.list()?;
        }
        self.known.extend(listed.keys());
        let mut earlier = Earlier::new();
        for ((stage, generation), is_empty) in &listed {
            let alive = earlier.entry(*generation).or_default();
            if !is_empty {
                alive.push((self.topics.group)(stage, *generation));
            }
        }
        if earlier.values().all(Vec::is_empty) {
            // Transactions that a member left behind: the broker does not tell offsets that one of them may change.
            listed.keys().try_for_each(|group| self.ask(*group))?;
            self.empty_looks = before + 1;
        }
        Ok(earlier)
    }

    /// The groups of earlier generations, and whether each is known to have no member.
    fn list(&self) -> KafkaResult<BTreeMap<Group, bool>> {
        let list = self.client.fetch_group_list(None, QUESTION)?;
        // Who joins, or is not told of, may be a member.
        let is_empty = |group: &GroupInfo| group.members().is_empty() && ["Empty", "Dead"].contains(&group.state());
        let groups = list.groups().iter();
        Ok(groups.filter_map(|group| Some((self.whose(group.name())?, is_empty(group)))).collect())
    }

    /// The groups that a list is to hold, unless they are gone.
    fn expected(&self) -> BTreeSet<Group> {
        let before = self.own.checked_sub(1).filter(|before| 0 < *before);
        let groups = before.into_iter().flat_map(|before| self.topics.stages.iter().map(move |stage| (*stage, before)));
        groups.chain(self.known.iter().copied()).collect()
    }

    /// Whether there was nobody, often enough to be sure.
    pub fn has_seen_nobody(&self) -> bool {
        LOOKS <= self.empty_looks
    }

    /// What was seen before the claims says nothing.
    pub fn begin_anew(&mut self) {
        self.empty_looks = 0;
    }

    /// The stage and the generation that a group is of; none if it is none of an earlier one.
    fn whose(&self, group: &str) -> Option<Group> {
        let generation: u64 = group.rsplit_once("-g")?.1.parse().ok()?;
        let stages = self.topics.stages.iter().copied();
        let stage = stages.into_iter().find(|stage| (self.topics.group)(stage, generation) == group)?;
        (generation < self.own).then_some((stage, generation))
    }

    /// Asks for what a group committed. Errs while its coordinator cannot tell.
    fn ask(&self, (stage, generation): Group) -> KafkaResult<()> {
        let mut config = self.connection.plain();
        config.set("group.id", (self.topics.group)(stage, generation)).set("isolation.level", "read_committed");
        let client: BaseConsumer<Context> = config.create_with_context(Context::new("takeover"))?;
        let mut places = TopicPartitionList::new();
        for topic in (self.topics.of)(stage, generation) {
            let metadata = client.fetch_metadata(Some(&topic), QUESTION)?;
            for found in metadata.topics().iter().filter(|found| found.name() == topic && found.error().is_none()) {
                (0..found.partitions().len() as i32).for_each(|partition| {
                    places.add_partition(&topic, partition);
                });
            }
        }
        if places.count() == 0 {
            return Ok(());
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
    let mut claims: BTreeMap<i32, u64> = BTreeMap::new();
    let mut looked_from: BTreeMap<i32, i64> = BTreeMap::new();
    let mut tail = TAIL;
    loop {
        let mut places = TopicPartitionList::new();
        for partition in (0..partitions).filter(|partition| !claims.contains_key(partition)) {
            let (first, end) = consumer.fetch_watermarks(board, partition, QUESTION)?;
            let from = (end - tail).max(first);
            if looked_from.insert(partition, from).is_none_or(|before| first < before) {
                places.add_partition_offset(board, partition, Offset::Offset(from))?;
            }
        }
        if places.count() == 0 {
            return Ok((0..partitions)
                .map(|partition| claims.get(&partition).copied().unwrap_or(0))
                .min()
                .unwrap_or(0));
        }
        read_claims(&consumer, &places, &mut claims)?;
        tail = tail.saturating_mul(FURTHER);
    }
}

/// Reads partitions to their ends: the highest generation of each that has any.
fn read_claims(
    consumer: &BaseConsumer<Context>,
    places: &TopicPartitionList,
    claims: &mut BTreeMap<i32, u64>,
) -> KafkaResult<()> {
    consumer.assign(places)?;
    // What grows meanwhile comes to its end more than once.
    let mut open: BTreeSet<i32> = places.elements().iter().map(|place| place.partition()).collect();
    let mut until = Instant::now() + QUESTION;
    while !open.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let generation = message.payload().map_or(0, generation_of);
                if 0 < generation {
                    let highest = claims.entry(message.partition()).or_default();
                    *highest = generation.max(*highest);
                }
                until = Instant::now() + QUESTION;
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                if open.remove(&partition) {
                    until = Instant::now() + QUESTION;
                }
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
            // The client tries these again by itself.
            Some(Err(error)) if until < Instant::now() => return Err(error),
            Some(Err(_)) | None => {}
        }
        if until < Instant::now() && !open.is_empty() {
            return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
        }
    }
    Ok(())
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
    use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};

    /// A cluster with a board of so many partitions, how it is reached, and who writes to it.
    fn board(partitions: i32) -> (MockCluster<'static, DefaultProducerContext>, Connection, BaseProducer) {
        let cluster = MockCluster::new(1).expect("a cluster");
        cluster.create_topic("board", partitions, 1).expect("a topic");
        let connection = Connection { brokers: cluster.bootstrap_servers(), ..Connection::default() };
        let producer = connection.plain().create().expect("a producer");
        (cluster, connection, producer)
    }

    #[test]
    fn who_claims_the_board_is_read_from_the_ends_of_its_partitions() {
        let (_cluster, connection, producer) = board(2);
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
    fn a_claim_is_found_before_records_that_are_gone() {
        let (_cluster, connection, producer) = board(1);
        let claim = r#"{"schema":"callpulse.progress.v1","generation":2}"#;
        producer.send(BaseRecord::<str, str>::to("board").payload(claim)).expect("room");
        for _ in 0..2 * TAIL {
            producer.send(BaseRecord::<str, str>::to("board").key("gone")).expect("room");
        }
        producer.flush(Duration::from_secs(30)).expect("written");
        assert_eq!(claimed_by(&connection, "takeover", "board", 1), Ok(2));
    }

    #[test]
    fn the_first_generation_waits_for_nobody() {
        assert!(Takeover::of(1).is_granted());
        let later = Takeover::of(2);
        assert!(!later.is_granted());
        assert!(later.has_earlier() && later.settled() == EventTime(i64::MIN), "it is not known who is there");
        later.clone().grant();
        assert!(later.is_granted() && !later.has_earlier());
    }
}
