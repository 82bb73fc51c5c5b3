//! Shipment: records for a topic and how far their source was read, committed together.
//!
//! The place is an offset of a consumer group that nobody joins, with words beside it, so that no topic is needed
//! for it. It stands for partition 0 of the topic the records go to. The transactional id is what makes the writer the
//! only one of its name; each writer leaves its own name with the place, so that whoever finds itself fenced
//! knows a successor from a broker that gave up waiting.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::{Offset, TopicPartitionList};
use tracing::{info, warn};

use super::client::{Connection, Context, Fetch};
use super::consumer::Consumer;
use super::fault::{Cause, WorkerError, judge};
use super::stage::OutRecord;
use super::stop::Stop;
use super::topics::{self, TopicsError};
use super::transaction::Transactions;

/// How long a topic has to be missing: brokers that start do not know all of theirs at once.
const MISSING_FOR: Duration = Duration::from_secs(5);

/// How long a successor may take from fencing us to leaving its name.
const SUCCESSOR: Duration = Duration::from_secs(2);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Who writes where.
#[derive(Clone, Debug)]
pub struct Writer {
    pub connection: Connection,
    /// Names the group and the transactional id: one for each source.
    pub id: String,
    pub topic: Arc<str>,
    /// Names this process among all that ever write under the id; without blanks.
    pub process: String,
}

/// How far a source was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub offset: i64,
    /// At most 4,000 bytes.
    pub words: String,
}

/// What became of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shipped {
    /// They are committed, once.
    Done,
    /// They are not, and the place is another by now: begin there.
    Elsewhere,
}

/// Why no more can be shipped.
#[derive(Debug)]
pub enum End {
    /// It was asked to stop.
    Stopped,
    /// Another process writes under the id.
    Fenced,
    Fault(WorkerError),
}

/// The only writer of its id.
pub struct Shipment {
    writer: Writer,
    transactions: Transactions,
    consumer: Consumer,
    partitions: i32,
    place: Option<Place>,
}

impl Shipment {
    /// Takes the id over. Waits for a broker as long as it is away.
    pub fn open(writer: Writer, stop: &Stop) -> Result<Shipment, End> {
        loop {
            match Shipment::attempt(&writer, stop) {
                Ok(shipment) => return Ok(shipment),
                Err(Cause::Anew(why) | Cause::Fenced(why)) => {
                    warn!(id = writer.id, why, "cannot write yet; trying again")
                }
                Err(Cause::Stopped) => return Err(End::Stopped),
                Err(Cause::End(fault)) => return Err(End::Fault(fault)),
            }
            if stop.wait(PAUSE) {
                return Err(End::Stopped);
            }
        }
    }

    /// Where the source was read to; none before the first commit.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    pub fn partitions(&self) -> i32 {
        self.partitions
    }

    /// Commits the records with the place behind them. Whatever is in doubt is asked of the broker: what it has
    /// committed is done, what it has not is written again.
    pub fn ship(&mut self, records: &[OutRecord], place: Place, stop: &Stop) -> Result<Shipped, End> {
        let before = self.place.clone();
        loop {
            match self.commit(records, &place) {
                Ok(()) => return Ok(Shipped::Done),
                Err(Cause::Stopped) => return Err(End::Stopped),
                Err(Cause::End(fault)) => return Err(End::Fault(fault)),
                Err(Cause::Anew(why)) => warn!(id = self.writer.id, why, "commit in doubt; asking what became of it"),
                Err(Cause::Fenced(why)) => {
                    warn!(id = self.writer.id, why, "fenced; asking by whom");
                    if self.has_successor(stop)? {
                        return Err(End::Fenced);
                    }
                }
            }
            *self = Shipment::open(self.writer.clone(), stop)?;
            info!(id = self.writer.id, "writing again");
            if self.place.as_ref() == Some(&place) {
                return Ok(Shipped::Done);
            }
            if self.place != before {
                return Ok(Shipped::Elsewhere);
            }
        }
    }

    fn attempt(writer: &Writer, stop: &Stop) -> Result<Shipment, Cause> {
        let partitions = find_topic(writer, stop)?;
        let config = writer.connection.writer(&writer.id);
        // No state is written here.
        let mut transactions = Transactions::open(&config, &writer.id, &writer.topic, partitions)?;
        // Asked to stop, it has to be gone in ten seconds, whatever it is doing.
        transactions.hurry();
        transactions.init(stop)?;
        let config = writer.connection.reader(&writer.id, Fetch::Small);
        let consumer =
            Consumer::open(&config, Context::new(&writer.id)).map_err(|error| judge(&error, "to read", &writer.id))?;
        let place = committed(&consumer, writer)?.and_then(|(_, place)| place);
        let mut shipment = Shipment { writer: writer.clone(), transactions, consumer, partitions, place };
        let here = shipment.place.clone().unwrap_or_else(|| Place { offset: 0, words: String::new() });
        shipment.write(&[], &here)?;
        Ok(shipment)
    }

    fn commit(&mut self, records: &[OutRecord], place: &Place) -> Result<(), Cause> {
        self.write(records, place)?;
        self.place = Some(place.clone());
        Ok(())
    }

    fn write(&mut self, records: &[OutRecord], place: &Place) -> Result<(), Cause> {
        let Writer { id, topic, process, .. } = &self.writer;
        let mut offsets = TopicPartitionList::new();
        let mut partition = offsets.add_partition(topic, 0);
        partition.set_offset(Offset::Offset(place.offset)).map_err(|error| judge(&error, "to list offsets", id))?;
        partition.set_metadata(format!("{process} {}", place.words));
        self.transactions.commit(records, &offsets, &self.consumer).map(|_| ())
    }

    /// Whether another process has left its name. Waits for one that is just starting, and for the broker.
    fn has_successor(&self, stop: &Stop) -> Result<bool, End> {
        let mut pause = SUCCESSOR;
        loop {
            if stop.wait(pause) {
                return Err(End::Stopped);
            }
            match committed(&self.consumer, &self.writer) {
                Ok(found) => return Ok(found.is_some_and(|(process, _)| process != self.writer.process)),
                Err(Cause::End(fault)) => return Err(End::Fault(fault)),
                Err(cause) => warn!(id = self.writer.id, ?cause, "no answer yet"),
            }
            pause = PAUSE;
        }
    }
}

/// Who wrote last, and how far; none if nobody ever did, or so long ago that the broker forgot it.
fn committed(consumer: &Consumer, writer: &Writer) -> Result<Option<(String, Option<Place>)>, Cause> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition(&writer.topic, 0);
    let answer = consumer.committed(asked, PATIENCE).map_err(|error| judge(&error, "to read offsets", &writer.id))?;
    let elements = answer.elements();
    let Some(found) = elements.first() else { return Ok(None) };
    found.error().map_err(|error| judge(&error, "to read offsets", &writer.id))?;
    let Offset::Offset(offset) = found.offset() else { return Ok(None) };
    let Some((process, words)) = found.metadata().split_once(' ') else { return Ok(None) };
    let place = (!words.is_empty()).then(|| Place { offset, words: words.to_owned() });
    Ok(Some((process.to_owned(), place)))
}

/// How many partitions the topic has. Errs if it stays missing; waits for a broker that is away.
fn find_topic(writer: &Writer, stop: &Stop) -> Result<i32, Cause> {
    let (mut missing, mut is_told) = (Duration::ZERO, false);
    loop {
        match topics::partition_counts(&writer.connection, &[&writer.topic]) {
            Ok(counts) => return Ok(counts.first().map_or(0, |(_, count)| *count)),
            Err(TopicsError::Problem(problem)) if MISSING_FOR <= missing => {
                return Err(Cause::End(WorkerError::Topic(problem)));
            }
            Err(TopicsError::Problem(_)) => missing += PAUSE,
            Err(TopicsError::Refused(refusal)) => return Err(Cause::End(WorkerError::Refused(refusal))),
            Err(TopicsError::Client(why)) => return Err(Cause::End(WorkerError::Client(why.to_string()))),
            Err(away) => {
                if !std::mem::replace(&mut is_told, true) {
                    warn!("{away}; waiting for it");
                }
            }
        }
        if stop.wait(PAUSE) {
            return Err(Cause::Stopped);
        }
    }
}
