//! Consumer: one member of a group, read event by event.
//!
//! The client's own queue is read directly. Rebalances then arrive as values the worker handles with
//! its state at hand, an end of partition names its topic, and a record costs no shared pointer.

use std::ffi::{CStr, CString, c_char};
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use std::{ptr, slice};

use rdkafka::TopicPartitionList;
use rdkafka::bindings as native;
use rdkafka::client::ClientContext as _;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::util::Timeout;

use super::client::Context;
use super::stage::Record;
use crate::decode::format::Headers;

/// A consumer and its queue. It stays on the thread that made it.
pub struct Consumer {
    /// Borrowed from `client`, given back first.
    queue: *mut native::rd_kafka_queue_t,
    client: BaseConsumer<Context>,
}

/// What one turn of the queue brought.
pub enum Polled<'a> {
    /// Nothing within the time given.
    Nothing,
    /// A log line or the like, already dealt with.
    Served,
    Record(Delivered<'a>),
    /// The partition was read to its end. The offset counts what is no record (marks of transactions).
    End(Place),
    /// Partitions given to this member, to be answered with `take`.
    Assigned(Vec<(String, i32)>),
    /// Partitions to give back, to be answered with `give_back`.
    Revoked(Vec<(String, i32)>),
    /// An error of one partition, or of the client.
    Failed {
        code: RDKafkaErrorCode,
        fatal: bool,
        reason: String,
        place: Option<Place>,
    },
}

impl Consumer {
    /// Errs where the client cannot be made: a property it does not know, no threads left.
    pub fn open(config: &ClientConfig, context: Context) -> KafkaResult<Consumer> {
        let client: BaseConsumer<Context> = config.create_with_context(context)?;
        // SAFETY: the client is alive; the queue is counted, and given back before the client.
        let queue = unsafe { native::rd_kafka_queue_get_consumer(client.client().native_ptr()) };
        if queue.is_null() {
            return Err(KafkaError::ClientCreation("a consumer without a group has no queue".into()));
        }
        Ok(Consumer { queue, client })
    }

    /// The next event, waiting at most `timeout`.
    pub fn poll(&self, timeout: Duration) -> Polled<'_> {
        // Rounded up: a wait of half a millisecond must not become a turn without one.
        let millis = i32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive as long as `self`; the event is owned from here on.
        let event = Event(unsafe { native::rd_kafka_queue_poll(self.queue, millis) });
        if event.0.is_null() {
            return Polled::Nothing;
        }
        // SAFETY: the event is not null, and each accessor is used for the kinds it is made for.
        match unsafe { native::rd_kafka_event_type(event.0) } {
            native::RD_KAFKA_EVENT_FETCH => {
                let message = unsafe { native::rd_kafka_event_message_next(event.0) };
                if message.is_null() {
                    return Polled::Served;
                }
                Polled::Record(Delivered { _event: event, message, consumer: PhantomData })
            }
            native::RD_KAFKA_EVENT_ERROR => self.error(&event),
            native::RD_KAFKA_EVENT_REBALANCE => {
                let partitions = unsafe { partitions(native::rd_kafka_event_topic_partition_list(event.0)) };
                match unsafe { native::rd_kafka_event_error(event.0) } {
                    RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Polled::Assigned(partitions),
                    _ => Polled::Revoked(partitions),
                }
            }
            native::RD_KAFKA_EVENT_LOG => {
                self.log(&event);
                Polled::Served
            }
            _ => Polled::Served,
        }
    }

    /// Where this member stands in its group, for the transaction that commits its offsets.
    pub fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.client.group_metadata()
    }

    /// The partitions were taken away without asking; they may have another owner already.
    pub fn is_assignment_lost(&self) -> bool {
        self.client.assignment_lost()
    }

    pub fn subscribe(&self, topics: &[&str]) -> KafkaResult<()> {
        self.client.subscribe(topics)
    }

    /// Leaves the group for good, a static member too, once `Revoked` is answered.
    pub fn unsubscribe(&self) {
        self.client.unsubscribe();
    }

    /// Answers `Assigned`: these partitions and no others, each read from its offset.
    pub fn take(&self, partitions: &TopicPartitionList) -> KafkaResult<()> {
        self.client.assign(partitions)
    }

    /// Answers `Revoked`, which takes back all of them.
    pub fn give_back(&self) -> KafkaResult<()> {
        self.client.unassign()
    }

    /// Reads these partitions from their offsets, outside of the group.
    pub fn read_only(&self, partitions: &TopicPartitionList) -> KafkaResult<()> {
        self.client.assign(partitions)
    }

    /// The group's committed offsets; waits for transactions that are about to change them.
    pub fn committed(&self, partitions: TopicPartitionList, timeout: Duration) -> KafkaResult<TopicPartitionList> {
        self.client.committed_offsets(partitions, timeout)
    }

    /// Commits offsets of the group outside of a transaction.
    pub fn commit(&self, offsets: &TopicPartitionList, mode: CommitMode) -> KafkaResult<()> {
        self.client.commit(offsets, mode)
    }

    /// How many partitions a topic has; 0 if there is none of this name.
    pub fn partitions(&self, topic: &str, timeout: Duration) -> KafkaResult<i32> {
        let metadata = self.client.fetch_metadata(Some(topic), Timeout::After(timeout))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        Ok(found.map_or(0, |found| found.partitions().len() as i32))
    }

    /// The end of the partition as the last fetch saw it, without asking the broker.
    pub fn end_seen(&self, topic: &CStr, partition: i32) -> Option<i64> {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client is alive and the name ends with a zero byte.
        let error = unsafe {
            native::rd_kafka_get_watermark_offsets(
                self.client.client().native_ptr(),
                topic.as_ptr(),
                partition,
                &mut low,
                &mut high,
            )
        };
        (error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && 0 <= high).then_some(high)
    }

    /// The last committed end of the partition, asked of the broker.
    pub fn stable_end(&self, topic: &str, partition: i32, timeout: Duration) -> KafkaResult<i64> {
        self.client.fetch_watermarks(topic, partition, Timeout::After(timeout)).map(|(_, high)| high)
    }

    pub fn context(&self) -> &Arc<Context> {
        self.client.client().context()
    }

    fn error(&self, event: &Event) -> Polled<'_> {
        // SAFETY: an error event answers all of these; the place is null or ours to give back.
        unsafe {
            let place = native::rd_kafka_event_topic_partition(event.0);
            // Made only where there is one: dropping it gives it back.
            let place = (!place.is_null()).then(|| Place(place));
            match (native::rd_kafka_event_error(event.0), place) {
                (RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF, Some(place)) => Polled::End(place),
                (error, place) => Polled::Failed {
                    code: error.into(),
                    fatal: native::rd_kafka_event_error_is_fatal(event.0) != 0,
                    reason: text(native::rd_kafka_event_error_string(event.0)),
                    place,
                },
            }
        }
    }

    fn log(&self, event: &Event) {
        let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: a log event fills all three, which live as long as the event.
        unsafe {
            if native::rd_kafka_event_log(event.0, &mut facility, &mut line, &mut level) == 0 {
                let level = match level {
                    ..=3 => RDKafkaLogLevel::Error,
                    4 => RDKafkaLogLevel::Warning,
                    5 | 6 => RDKafkaLogLevel::Info,
                    _ => RDKafkaLogLevel::Debug,
                };
                self.context().log(level, text(facility).trim(), text(line).trim());
            }
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // SAFETY: counted for us in `open`; the client, which owns the queue itself, closes after.
        unsafe { native::rd_kafka_queue_destroy(self.queue) };
    }
}

/// An event of the queue, destroyed when dropped.
struct Event(*mut native::rd_kafka_event_t);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once; null is allowed.
        unsafe { native::rd_kafka_event_destroy(self.0) };
    }
}

/// A record, alive as long as its event.
pub struct Delivered<'a> {
    _event: Event,
    message: *const native::rd_kafka_message_t,
    consumer: PhantomData<&'a Consumer>,
}

impl Delivered<'_> {
    fn message(&self) -> &native::rd_kafka_message_t {
        // SAFETY: not null, and owned by the event beside it.
        unsafe { &*self.message }
    }

    /// The same for every record of a topic while one of its partitions is assigned.
    pub fn topic_handle(&self) -> usize {
        self.message().rkt as usize
    }

    pub fn topic(&self) -> &[u8] {
        // SAFETY: a message's topic is alive as long as the message, its name is zero-ended.
        unsafe { CStr::from_ptr(native::rd_kafka_topic_name(self.message().rkt)) }.to_bytes()
    }

    pub fn partition(&self) -> i32 {
        self.message().partition
    }

    pub fn record(&self) -> Record<'_> {
        let message = self.message();
        let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the pointers are null or hold as many bytes as told, for as long as the message.
        unsafe {
            let timestamp = native::rd_kafka_message_timestamp(message, &mut kind);
            let bytes = |start: *mut std::ffi::c_void, length| {
                (!start.is_null()).then(|| slice::from_raw_parts(start.cast::<u8>().cast_const(), length))
            };
            Record {
                offset: message.offset,
                timestamp: (0 <= timestamp).then_some(timestamp),
                key: bytes(message.key, message.key_len),
                value: bytes(message.payload, message.len),
                headers: self,
            }
        }
    }
}

/// Read when somebody asks: few records have any that matter.
impl Headers for Delivered<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        let name = CString::new(name).ok()?;
        let (mut headers, mut value, mut length) = (ptr::null_mut(), ptr::null(), 0);
        // SAFETY: the message is alive, and so are its headers and their values for as long as it is; they are looked at only
        // where the client says that they are there.
        unsafe {
            let found = native::rd_kafka_message_headers(self.message, &mut headers);
            if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return None;
            }
            let found = native::rd_kafka_header_get_last(headers, name.as_ptr(), &mut value, &mut length);
            let is_there = found == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && !value.is_null();
            is_there.then(|| slice::from_raw_parts(value.cast::<u8>(), length))
        }
    }
}

impl Debug for Delivered<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivered").field("partition", &self.partition()).finish_non_exhaustive()
    }
}

/// A place in a log: topic, partition and offset.
pub struct Place(*mut native::rd_kafka_topic_partition_t);

impl Place {
    pub fn topic(&self) -> &[u8] {
        // SAFETY: not null, owned, and the name is zero-ended.
        unsafe { CStr::from_ptr((*self.0).topic) }.to_bytes()
    }

    pub fn partition(&self) -> i32 {
        // SAFETY: not null and owned.
        unsafe { (*self.0).partition }
    }

    pub fn offset(&self) -> i64 {
        // SAFETY: not null and owned.
        unsafe { (*self.0).offset }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once.
        unsafe { native::rd_kafka_topic_partition_destroy(self.0) };
    }
}

/// The name as the client wants it.
pub fn c_name(topic: &str) -> CString {
    CString::new(topic).unwrap_or_default()
}

/// SAFETY: null, or zero-ended and alive during the call.
unsafe fn text(start: *const c_char) -> String {
    if start.is_null() {
        return String::new();
    }
    unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned()
}

/// SAFETY: null, or a list alive during the call.
unsafe fn partitions(list: *const native::rd_kafka_topic_partition_list_t) -> Vec<(String, i32)> {
    if list.is_null() {
        return Vec::new();
    }
    unsafe {
        let list = &*list;
        (0..usize::try_from(list.cnt).unwrap_or(0))
            .map(|at| {
                let element = &*list.elems.add(at);
                (text(element.topic), element.partition)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::client::{Connection, Fetch};
    use rdkafka::Offset;
    use rdkafka::message::{Header, OwnedHeaders};
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
    use std::time::Instant;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn the_headers_of_a_record_are_read_by_their_names() {
        let cluster = MockCluster::new(1).expect("a cluster");
        cluster.create_topic("events", 1, 1).expect("a topic");
        let connection = Connection { brokers: cluster.bootstrap_servers(), ..Connection::default() };
        let producer: BaseProducer = connection.plain().create().expect("a producer");
        let header = |key, value| Header { key, value };
        let headers = OwnedHeaders::new()
            .insert(header("ce_id", Some("1")))
            .insert(header("ce_id", Some("2")))
            .insert(header("ce_time", None::<&str>))
            .insert(header("ce_source", Some("")));
        producer.send(BaseRecord::<(), str>::to("events").payload("a").headers(headers)).expect("room in the queue");
        producer.send(BaseRecord::<(), str>::to("events").payload("b")).expect("room in the queue");
        producer.flush(PATIENCE).expect("written");

        let consumer = Consumer::open(&connection.reader("headers", Fetch::Small), Context::new("headers"));
        let consumer = consumer.expect("a consumer");
        let mut places = TopicPartitionList::new();
        places.add_partition_offset("events", 0, Offset::Beginning).expect("a place");
        consumer.read_only(&places).expect("an assignment");
        let mut found = Vec::new();
        let until = Instant::now() + PATIENCE;
        while found.len() < 2 {
            assert!(Instant::now() < until, "{} of 2 records", found.len());
            let Polled::Record(delivered) = consumer.poll(Duration::from_millis(100)) else { continue };
            let headers = delivered.record().headers;
            found.push(
                ["ce_id", "ce_time", "ce_source", "ce_type"].map(|name| headers.header(name).map(<[u8]>::to_vec)),
            );
        }
        let text = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(found, [[text("2"), None, text(""), None], [None, None, None, None]]);
    }
}
