//! Following a topic: every committed record of all its partitions, from the beginning, for ever.
//!
//! For readers that keep what they read in memory and belong to no group: nothing is committed, every
//! instance reads everything. A broker that is away, a topic that is not there yet and partitions that
//! are added later are waited for.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tracing::{debug, info, warn};

use super::client::{Connection, Context};
use super::refusal::{Refusal, is_login, is_refusal};

/// What is followed.
#[derive(Clone, Debug)]
pub struct Source {
    pub connection: Connection,
    /// A name for a group, which is looked for and never joined: without one the client assigns nothing.
    pub group: String,
    pub topic: String,
}

/// What following brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed<'a> {
    /// A client begins to read. Comes before anything else, and again with each new client.
    Begun(&'a Begun),
    /// A record. Those of one partition come in the order of offsets.
    Record { partition: i32, offset: i64, key: Option<&'a [u8]>, value: Option<&'a [u8]> },
    /// Every partition was read to its end once. Comes once.
    CaughtUp,
}

/// What is followed, as it is when a client begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// The cluster's own name, if it told one.
    pub cluster: Option<String>,
    /// The first offset of each partition and the one behind its last; of those that told.
    pub spans: BTreeMap<i32, (i64, i64)>,
}

/// The longest wait before `stop` is looked at.
const TURN: Duration = Duration::from_millis(100);
/// How long one question to the broker may take.
const QUESTION: Duration = Duration::from_secs(2);
/// How long to wait before asking again for a topic that is not there.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How often to look for partitions that were added.
const LOOK_FOR_PARTITIONS: Duration = Duration::from_secs(60);

/// Calls `on` for every record until `stop` is set. A client that failed for good is replaced by a new
/// one, which goes on where the last one was. Errs if the cluster does not allow it.
pub fn follow(source: &Source, stop: &AtomicBool, mut on: impl FnMut(Followed<'_>)) -> Result<(), Refusal> {
    let mut place = Place::default();
    while !stop.load(Ordering::Relaxed) {
        if let Err(error) = follow_with_one_client(source, stop, &mut place, &mut on) {
            if let Some(code) = error.rdkafka_error_code().filter(|code| is_denial(*code)) {
                let subject =
                    if code == RDKafkaErrorCode::GroupAuthorizationFailed { &source.group } else { &source.topic };
                return Err(Refusal { code, doing: "to read", subject: subject.clone(), said: String::new() });
            }
            warn!(topic = source.topic, %error, "reader failed and starts anew");
            wait(ASK_AGAIN, stop);
        }
    }
    Ok(())
}

/// The cluster does not allow it. A login that fails may be a broker that starts.
fn is_denial(code: RDKafkaErrorCode) -> bool {
    is_refusal(code) && !is_login(code)
}

/// How far the reading is.
#[derive(Default)]
struct Place {
    /// The next offset of each partition known.
    next: BTreeMap<i32, i64>,
    /// Partitions not yet read to their end; only while not caught up.
    behind: BTreeSet<i32>,
    caught_up: bool,
}

fn follow_with_one_client(
    source: &Source,
    stop: &AtomicBool,
    place: &mut Place,
    on: &mut impl FnMut(Followed<'_>),
) -> KafkaResult<()> {
    let consumer = client(source)?;
    let Some(mut count) = wait_for_topic(&consumer, source, stop) else {
        return Ok(());
    };
    let spans = (0..count).filter_map(|partition| {
        let span = consumer.fetch_watermarks(&source.topic, partition, QUESTION);
        span.ok().map(|span| (partition, span))
    });
    let begun = Begun { spans: spans.collect(), cluster: consumer.client().fetch_cluster_id(QUESTION) };
    on(Followed::Begun(&begun));
    let mut asked = Instant::now();
    assign(&consumer, source, place, 0..count)?;
    while !stop.load(Ordering::Relaxed) {
        match consumer.poll(TURN) {
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                on(Followed::Record { partition, offset, key: message.key(), value: message.payload() });
                place.next.insert(partition, offset + 1);
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                place.behind.remove(&partition);
                if !place.caught_up && place.behind.is_empty() {
                    place.caught_up = true;
                    on(Followed::CaughtUp);
                }
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
            Some(Err(error)) if error.rdkafka_error_code().is_some_and(is_denial) => return Err(error),
            // The client tries these again by itself.
            Some(Err(error)) => debug!(topic = source.topic, %error, "reading is held up"),
            None => {}
        }
        if asked.elapsed() >= LOOK_FOR_PARTITIONS {
            asked = Instant::now();
            // An unanswered question is asked again next time.
            let now = partition_count(&consumer, source).unwrap_or(count);
            if now > count {
                info!(topic = source.topic, partitions = now, "partitions were added");
                assign(&consumer, source, place, count..now)?;
                count = now;
            }
        }
    }
    Ok(())
}

fn client(source: &Source) -> KafkaResult<BaseConsumer<Context>> {
    let mut config = source.connection.plain();
    config
        .set("group.id", &source.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.max.messages.kbytes", "16384")
        .create_with_context(Context::new(&source.topic))
}

/// How many partitions the topic has, once it has any; none if `stop` was set before.
fn wait_for_topic(consumer: &BaseConsumer<Context>, source: &Source, stop: &AtomicBool) -> Option<i32> {
    while !stop.load(Ordering::Relaxed) {
        match partition_count(consumer, source) {
            Ok(count) => return Some(count),
            Err(error) => warn!(topic = source.topic, %error, "topic is not there yet"),
        }
        wait(ASK_AGAIN, stop);
    }
    None
}

fn partition_count(consumer: &BaseConsumer<Context>, source: &Source) -> KafkaResult<i32> {
    let metadata = consumer.fetch_metadata(Some(&source.topic), QUESTION)?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == source.topic);
    match topic.map(|topic| (topic.error(), topic.partitions().len())) {
        Some((None, count)) if count > 0 => Ok(count as i32),
        Some((Some(error), _)) => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::from(error))),
        _ => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition)),
    }
}

/// Adds partitions to what is read, each from where the reading was.
fn assign(
    consumer: &BaseConsumer<Context>,
    source: &Source,
    place: &mut Place,
    partitions: std::ops::Range<i32>,
) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        let from = place.next.get(&partition).map_or(Offset::Beginning, |&next| Offset::Offset(next));
        list.add_partition_offset(&source.topic, partition, from)?;
        if !place.caught_up {
            place.behind.insert(partition);
        }
    }
    consumer.incremental_assign(&list)
}

/// Waits, in turns, unless `stop` is set.
fn wait(length: Duration, stop: &AtomicBool) {
    let begun = Instant::now();
    while begun.elapsed() < length && !stop.load(Ordering::Relaxed) {
        thread::sleep(TURN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::config::ClientConfig;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
    use rdkafka::types::RDKafkaRespErr;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, channel};

    /// Longer than any answer takes; a test that reaches it has failed.
    const PATIENCE: Duration = Duration::from_secs(60);

    struct Topic {
        cluster: MockCluster<'static, DefaultProducerContext>,
        producer: BaseProducer,
    }

    impl Topic {
        fn new() -> Topic {
            let cluster = MockCluster::new(1).expect("a cluster");
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", cluster.bootstrap_servers());
            Topic { producer: config.create().expect("a producer"), cluster }
        }

        fn create(&self, partitions: i32) {
            self.cluster.create_topic("kpis", partitions, 1).expect("a topic");
        }

        fn send(&self, partition: i32, key: &str, value: Option<&str>) {
            let mut record = BaseRecord::<str, str>::to("kpis").partition(partition).key(key);
            record.payload = value;
            self.producer.send(record).expect("room in the queue");
            self.producer.flush(PATIENCE).expect("a record that arrived");
        }

        /// What a follower sees, in words: `partition@offset key=value`, or `caught up`.
        fn follow(&self, stop: &Arc<AtomicBool>) -> (Receiver<String>, thread::JoinHandle<()>) {
            let connection = Connection {
                brokers: self.cluster.bootstrap_servers(),
                properties: BTreeMap::from([("reconnect.backoff.max.ms".into(), "100".into())]),
            };
            let source = Source { connection, group: "follow".into(), topic: "kpis".into() };
            let (tell, told) = channel();
            let stop = stop.clone();
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"none")).into_owned();
            let thread = thread::spawn(move || {
                follow(&source, &stop, |followed| {
                    let words = match followed {
                        Followed::Begun(_) => return,
                        Followed::CaughtUp => "caught up".to_owned(),
                        Followed::Record { partition, offset, key, value } => {
                            format!("{partition}@{offset} {}={}", text(key), text(value))
                        }
                    };
                    // A test that has ended listens no more.
                    let _ = tell.send(words);
                })
                .expect("nobody is refused here");
            });
            (told, thread)
        }
    }

    fn take(told: &Receiver<String>, count: usize) -> Vec<String> {
        (0..count).map(|_| told.recv_timeout(PATIENCE).expect("more to come")).collect()
    }

    #[test]
    fn tells_every_record_of_every_partition_then_that_it_caught_up_then_what_comes() {
        let topic = Topic::new();
        topic.create(3);
        topic.send(0, "a", Some("1"));
        topic.send(0, "a", None);
        topic.send(2, "b", Some("2"));
        let stop = Arc::new(AtomicBool::new(false));
        let (told, thread) = topic.follow(&stop);
        let mut first = take(&told, 4);
        assert_eq!(first.pop().as_deref(), Some("caught up"));
        first.sort();
        assert_eq!(first, ["0@0 a=1", "0@1 a=none", "2@0 b=2"]);
        topic.send(1, "c", Some("3"));
        assert_eq!(take(&told, 1), ["1@0 c=3"]);
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("an end");
        assert!(told.recv().is_err(), "nothing is told twice");
    }

    #[test]
    fn goes_on_where_it_was_after_the_broker_was_away() {
        let topic = Topic::new();
        topic.create(1);
        topic.send(0, "a", Some("1"));
        let stop = Arc::new(AtomicBool::new(false));
        let (told, thread) = topic.follow(&stop);
        assert_eq!(take(&told, 2), ["0@0 a=1", "caught up"]);
        topic.cluster.broker_down(1).expect("a broker");
        topic.cluster.broker_up(1).expect("a broker");
        topic.send(0, "a", Some("2"));
        assert_eq!(take(&told, 1), ["0@1 a=2"]);
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("an end");
    }

    #[test]
    fn waits_for_a_topic_that_is_made_later() {
        let topic = Topic::new();
        topic.create(2);
        let answer = |error| topic.cluster.topic_error("kpis", error).expect("a topic");
        answer(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        let stop = Arc::new(AtomicBool::new(false));
        let (told, thread) = topic.follow(&stop);
        let metadata = topic.producer.client().fetch_metadata(Some("kpis"), PATIENCE).expect("an answer");
        assert!(metadata.topics()[0].error().is_some(), "the topic is there too early");
        answer(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
        topic.send(1, "a", Some("1"));
        let mut first = take(&told, 2);
        first.sort();
        assert_eq!(first, ["1@0 a=1", "caught up"]);
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("an end");
    }

    #[test]
    fn tells_first_where_the_topic_is_and_what_it_holds() {
        let topic = Topic::new();
        topic.create(2);
        topic.send(0, "a", Some("1"));
        topic.send(0, "a", Some("2"));
        let connection = Connection { brokers: topic.cluster.bootstrap_servers(), ..Connection::default() };
        let source = Source { connection, group: "follow".into(), topic: "kpis".into() };
        let stop = AtomicBool::new(false);
        let mut told = Vec::new();
        follow(&source, &stop, |followed| {
            told.push(match followed {
                Followed::Begun(begun) => {
                    assert!(begun.cluster.as_ref().is_some_and(|name| !name.is_empty()));
                    format!("begun {:?}", begun.spans)
                }
                Followed::Record { offset, .. } => format!("record {offset}"),
                Followed::CaughtUp => {
                    stop.store(true, Ordering::Relaxed);
                    "caught up".to_owned()
                }
            });
        })
        .expect("nobody is refused here");
        assert_eq!(told, ["begun {0: (0, 2), 1: (0, 0)}", "record 0", "record 1", "caught up"]);
    }
}
