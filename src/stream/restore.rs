//! Restore: the state of inputs, read back from the state topic up to its end.
//!
//! The end is asked of a reader that sees uncommitted records, so that entries still in a transaction
//! are waited for; it is reached by position, since what closes a transaction has an offset but is no
//! record.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Connection, Context, Fetch};
use super::consumer::{Consumer, Polled};
use super::fault::{Cause, judge};
use super::stop::Stop;

/// How long reading may stand still, be it for a broker that is away or a transaction left open.
const STANDSTILL: Duration = Duration::from_secs(60);

/// The first offset of a partition and the one after its last, uncommitted records counted.
pub(super) type Bounds = (i64, i64);

/// A client that asks for the true ends of partitions.
pub(super) struct Ends(BaseConsumer<Context>);

impl Ends {
    pub fn open(connection: &Connection) -> Result<Ends, Cause> {
        let mut config = connection.plain();
        config.set("isolation.level", "read_uncommitted");
        let client = config
            .create_with_context(Context::new("ends"))
            .map_err(|error: KafkaError| judge(&error, "making a client", "ends"))?;
        Ok(Ends(client))
    }

    pub fn of(&self, topic: &str, partition: i32, stop: &Stop) -> Result<Bounds, Cause> {
        patiently(stop, "to ask for the end", topic, || {
            self.0.fetch_watermarks(topic, partition, Duration::from_secs(5))
        })
    }
}

/// Asks until there is an answer, for half a minute.
pub(super) fn patiently<T>(
    stop: &Stop,
    doing: &'static str,
    subject: &str,
    mut ask: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, Cause> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) => match judge(&error, doing, subject) {
                Cause::Anew(_) if Instant::now() < until => {
                    if stop.wait(Duration::from_millis(50)) {
                        return Err(Cause::Stopped);
                    }
                }
                cause => return Err(cause),
            },
        }
    }
}

/// Reads whole state partitions and hands over each entry with its partition, oldest first.
/// Answers how many there were.
pub(super) fn read(
    connection: &Connection,
    group: &str,
    topic: &str,
    bounds: &BTreeMap<i32, Bounds>,
    stop: &Stop,
    mut each: impl FnMut(i32, &[u8], Option<&[u8]>),
) -> Result<u64, Cause> {
    let mut left: BTreeMap<i32, i64> =
        bounds.iter().filter(|(_, (low, high))| low < high).map(|(&at, &(_, high))| (at, high)).collect();
    if left.is_empty() {
        return Ok(0);
    }
    let failed = |error: KafkaError| judge(&error, "to read the state", topic);
    let mut config = connection.reader(group, Fetch::Large);
    config.set("max.partition.fetch.bytes", "4194304");
    let consumer = Consumer::open(&config, Context::new("restore")).map_err(failed)?;
    let mut places = TopicPartitionList::new();
    for &partition in left.keys() {
        places.add_partition_offset(topic, partition, Offset::Offset(bounds[&partition].0)).map_err(failed)?;
    }
    consumer.read_only(&places).map_err(failed)?;
    let mut entries = 0;
    let mut moved = Instant::now();
    while !left.is_empty() {
        if stop.is_requested() {
            return Err(Cause::Stopped);
        }
        // One look at the clock for many records.
        for turn in 0..4096 {
            match consumer.poll(Duration::from_millis(if turn == 0 { 100 } else { 0 })) {
                Polled::Record(delivered) => {
                    let record = delivered.record();
                    each(delivered.partition(), record.key.unwrap_or_default(), record.value);
                    entries += 1;
                    moved = Instant::now();
                }
                Polled::End(place) => {
                    if left.get(&place.partition()).is_some_and(|&mark| mark <= place.offset()) {
                        left.remove(&place.partition());
                        moved = Instant::now();
                    }
                }
                Polled::Failed { code, fatal, reason, place } => {
                    consumer.context().note(Some(code), &reason);
                    if fatal || place.is_some() {
                        return Err(judge(&KafkaError::MessageConsumption(code), "to read the state", topic));
                    }
                }
                Polled::Nothing => break,
                Polled::Served | Polled::Assigned(_) | Polled::Revoked(_) => {}
            }
        }
        if STANDSTILL < moved.elapsed() {
            return Err(Cause::Anew(format!("the state in {topic} could not be read to its end")));
        }
    }
    Ok(entries)
}
