//! Format: how the records of a source are written.

use super::amazon_connect::agent_event::Contacts;
use super::amazon_connect::contact_event::Streams;
use super::amazon_connect::{agent_event, contact_event, contact_record};
use super::mapping::Mapping;
use super::{asterisk_ami, cloudevents, csv, freeswitch, genesys, json, protobuf, queue_log, taskrouter};
use crate::event::{Decoded, Reject};
use crate::time::EventTime;
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

/// A format a source may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    Json,
    Protobuf,
    Csv,
    /// The queue log of Asterisk.
    QueueLog,
    AsteriskAmi,
    Freeswitch,
    /// Contact events and the agent event stream of Amazon Connect in one topic.
    AmazonConnect,
    AmazonConnectContact,
    AmazonConnectAgent,
    /// The agent event stream beside a topic that tells of the contacts.
    AmazonConnectAgentStates,
    AmazonConnectCtr,
    GenesysCloud,
    TwilioTaskrouter,
}

/// A format as settings and arguments name it: bare, or within CloudEvents (`cloudevents/csv`; of native JSON
/// `cloudevents` alone).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Encoding {
    pub format: Format,
    pub is_enveloped: bool,
}

/// A record as it came.
#[derive(Clone, Copy, Debug)]
pub struct Given<'r> {
    pub bytes: &'r [u8],
    /// None of a record of Kafka.
    pub place: Option<Place>,
    /// When Kafka was given it; none of a line of a file.
    pub logged: Option<EventTime>,
    /// Beside the bytes: `&()` where there are none, as in a file.
    pub headers: &'r dyn Headers,
}

/// The headers of a record.
pub trait Headers: Debug {
    /// The value of one; of several with this name the last.
    fn header(&self, name: &str) -> Option<&[u8]>;
}

/// None.
impl Headers for () {
    fn header(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

/// A record's place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: u64,
    /// How many equal ones of the same second stand before it, where [`super::places::Places`] counts them.
    pub repeats: u64,
}

/// How records lie in a file one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One a line.
    Lines,
    /// One a line, whose blanks are part of it.
    Rows,
    /// Lines up to a blank one; a line that begins with a brace is one by itself.
    Blocks,
    /// Each after its length.
    Messages,
}

/// How the records of one source become events.
#[derive(Clone, Debug)]
pub struct Decoder {
    encoding: Encoding,
    /// Of CSV.
    mapping: Arc<Mapping>,
    /// Of times without an offset in the queue log.
    queue_log_zone: Option<TimeZone>,
}

impl Format {
    pub const ALL: &'static [Format] = &[
        Format::Json,
        Format::Protobuf,
        Format::Csv,
        Format::QueueLog,
        Format::AsteriskAmi,
        Format::Freeswitch,
        Format::AmazonConnect,
        Format::AmazonConnectContact,
        Format::AmazonConnectAgent,
        Format::AmazonConnectAgentStates,
        Format::AmazonConnectCtr,
        Format::GenesysCloud,
        Format::TwilioTaskrouter,
    ];

    /// The name in settings and arguments.
    pub const fn word(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Protobuf => "protobuf",
            Format::Csv => "csv",
            Format::QueueLog => "queue_log",
            Format::AsteriskAmi => "asterisk_ami",
            Format::Freeswitch => "freeswitch",
            Format::AmazonConnect => "amazon_connect",
            Format::AmazonConnectContact => "amazon_connect_contact",
            Format::AmazonConnectAgent => "amazon_connect_agent",
            Format::AmazonConnectAgentStates => "amazon_connect_agent_states",
            Format::AmazonConnectCtr => "amazon_connect_ctr",
            Format::GenesysCloud => "genesys_cloud",
            Format::TwilioTaskrouter => "twilio_taskrouter",
        }
    }

    pub fn from_word(word: &str) -> Option<Format> {
        Format::ALL.iter().copied().find(|format| format.word() == word)
    }
}

/// Around the word of another format.
const ENVELOPE: &str = "cloudevents";

impl Encoding {
    /// Every one there is.
    pub fn all() -> impl Iterator<Item = Encoding> {
        let of = |is_enveloped| Format::ALL.iter().map(move |format| Encoding { format: *format, is_enveloped });
        of(false).chain(of(true))
    }

    /// The name in settings and arguments.
    pub fn word(self) -> Cow<'static, str> {
        match (self.is_enveloped, self.format) {
            (false, format) => format.word().into(),
            (true, Format::Json) => ENVELOPE.into(),
            (true, format) => format!("{ENVELOPE}/{}", format.word()).into(),
        }
    }

    pub fn from_word(word: &str) -> Option<Encoding> {
        Encoding::all().find(|encoding| encoding.word() == word)
    }
}

impl From<Format> for Encoding {
    fn from(format: Format) -> Encoding {
        Encoding { format, is_enveloped: false }
    }
}

/// Of a format that needs no settings.
impl From<Format> for Decoder {
    fn from(format: Format) -> Decoder {
        Decoder::new(format.into(), &Arc::default())
    }
}

impl Decoder {
    /// `mapping` says what the columns of CSV mean, and nothing else.
    pub fn new(encoding: Encoding, mapping: &Arc<Mapping>) -> Decoder {
        Decoder { encoding, mapping: mapping.clone(), queue_log_zone: None }
    }

    /// Reads times without an offset in a queue log as of this zone; without one they are refused.
    pub fn with_queue_log_zone(self, zone: Option<&TimeZone>) -> Decoder {
        Decoder { queue_log_zone: zone.cloned(), ..self }
    }

    pub fn framing(&self) -> Framing {
        match (self.encoding.is_enveloped, self.encoding.format) {
            (_, Format::Csv) => Framing::Rows,
            (false, Format::Protobuf) => Framing::Messages,
            (false, Format::AsteriskAmi | Format::Freeswitch) => Framing::Blocks,
            _ => Framing::Lines,
        }
    }

    /// Whether what happened in one instant is ordered, and told apart, by the places of records in their file.
    pub fn is_ordered_by_place(&self) -> bool {
        self.encoding.format == Format::QueueLog
    }

    /// Tells what a record holds, in the order of what happened: each event, or what is left aside by its name. Of a
    /// record that is refused nothing is told.
    pub fn decode(&self, record: Given<'_>, each: &mut dyn FnMut(Decoded<'_>)) -> Result<(), Reject> {
        match self.encoding.is_enveloped {
            true => self.decode_enveloped(record, each),
            false => self.decode_bare(record, None, each),
        }
    }

    /// What the envelope says holds where the record within does not say it.
    fn decode_enveloped(&self, record: Given<'_>, each: &mut dyn FnMut(Decoded<'_>)) -> Result<(), Reject> {
        let Some(envelope) = cloudevents::open(record)? else { return self.decode_bare(record, None, each) };
        let within = Given { bytes: &envelope.data, logged: envelope.time.or(record.logged), ..record };
        // An envelope is one event where a record is one; a vendor's record has names for the events it tells.
        let event_id = match self.encoding.format {
            Format::Json | Format::Protobuf => envelope.event_id()?,
            _ => None,
        };
        self.decode_bare(within, envelope.time, &mut |decoded| match decoded {
            Decoded::Event(mut event) => {
                envelope.name(&mut event, event_id.as_deref());
                each(Decoded::Event(event));
            }
            decoded => each(decoded),
        })
    }

    /// `time` is of what a native event lacks it for.
    fn decode_bare(
        &self,
        record: Given<'_>,
        time: Option<EventTime>,
        each: &mut dyn FnMut(Decoded<'_>),
    ) -> Result<(), Reject> {
        match self.encoding.format {
            Format::Json => each(json::decode_at(record.bytes, time)?),
            Format::Protobuf => each(protobuf::decode_at(record.bytes, time)?),
            Format::Csv => csv::decode(record.bytes, record.place.map(|place| place.line), &self.mapping, each)?,
            Format::QueueLog => queue_log::decode(record, self.queue_log_zone.as_ref(), each)?,
            Format::AsteriskAmi => asterisk_ami::decode(record, each)?,
            Format::Freeswitch => freeswitch::decode(record, each)?,
            Format::AmazonConnect => contact_event::decode(record, Streams::Both, each)?,
            Format::AmazonConnectContact => contact_event::decode(record, Streams::ContactEvents, each)?,
            Format::AmazonConnectAgent => agent_event::decode(record, Contacts::Ours, each)?,
            Format::AmazonConnectAgentStates => agent_event::decode(record, Contacts::Others, each)?,
            Format::AmazonConnectCtr => contact_record::decode(record, each)?,
            Format::GenesysCloud => genesys::record::decode(record, each)?,
            Format::TwilioTaskrouter => taskrouter::decode(record.bytes, each)?,
        }
        Ok(())
    }
}

impl<'r> From<&'r [u8]> for Given<'r> {
    fn from(bytes: &'r [u8]) -> Given<'r> {
        Given { bytes, place: None, logged: None, headers: &() }
    }
}
