//! A call's log: its events in their order, each once, as the bytes they are kept and compared by.
//!
//! The bytes are canonical: equal decoded events have equal bytes, whatever they looked like on the
//! wire, and a call kept in memory costs little more than its names. What the log holds does not
//! depend on the order of arrival.

use crate::event::{
    BlockReason, CallEvent, Channel, Direction, EndedBy, Event, LeaveReason, RingEndReason, Text, TransferKind, Via,
};
use crate::time::EventTime;
use hashbrown::HashSet;
use std::borrow::Cow;
use std::cmp::Ordering;

/// More events than any call has: beyond it a `call_id` is not unique, and the log stops growing.
pub const EVENTS_MAX: u32 = 2_000;

/// The events of one `call_id`, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallLog {
    bytes: Vec<u8>,
    events: u32,
    /// One name of an event stands for two contents: of one life, or of two.
    has_doubles: bool,
}

/// One event of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment<'a> {
    pub time: EventTime,
    pub seq: Option<i64>,
    /// Empty means the input's own name.
    pub source: &'a str,
    pub event_id: Option<&'a str>,
    pub root_id: Option<&'a str>,
    pub channel: Channel,
    pub direction: Direction,
    pub customer: Option<&'a str>,
    pub queue: Option<&'a str>,
    pub agent: Option<&'a str>,
    pub document: Option<(&'a str, i64)>,
    pub what: CallEvent<'a>,
}

/// What became of an event that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is new, and stands after all others.
    Last,
    /// It is new and stands before others, or took the place of one that stands after it.
    Within,
    /// It changes nothing.
    Repeat,
    /// The call has [`EVENTS_MAX`] events already, all before it.
    TooMany,
}

impl CallLog {
    /// The log of bytes made by [`CallLog::as_bytes`]; none if they are damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<CallLog> {
        let mut reader = Reader(bytes);
        let mut events = 0;
        let mut names = HashSet::new();
        let mut has_doubles = false;
        while !reader.0.is_empty() {
            let entry = reader.bytes()?;
            read(entry)?;
            events += 1;
            has_doubles |= Rank::of(entry).name().is_some_and(|name| !names.insert(name));
        }
        Some(CallLog { bytes: bytes.to_vec(), events, has_doubles })
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many events the log holds.
    pub fn len(&self) -> usize {
        self.events as usize
    }

    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Whether it names an event twice, with two contents.
    pub fn has_doubles(&self) -> bool {
        self.has_doubles
    }

    /// The events in order.
    pub fn iter(&self) -> impl Iterator<Item = Moment<'_>> {
        self.entries().map_while(read)
    }

    /// The log as it was when it held its first events only.
    pub fn first(&self, events: usize) -> CallLog {
        let mut log = CallLog::default();
        let mut names = HashSet::new();
        for entry in self.entries().take(events) {
            write_bytes(&mut log.bytes, entry);
            log.events += 1;
            if self.has_doubles {
                log.has_doubles |= Rank::of(entry).name().is_some_and(|name| !names.insert(name));
            }
        }
        log
    }

    /// Adds an event encoded by [`encode`].
    pub fn add(&mut self, entry: &[u8]) -> Added {
        let new = Rank::of(entry);
        let Some(is_newer) = self.is_news(&new) else { return Added::Repeat };
        if is_newer {
            self.keep(|old| !new.supersedes(old));
        }
        let mut reader = Reader(&self.bytes);
        let (mut place, mut same, mut last) = (None, None, 0);
        let mut is_double = false;
        loop {
            let start = self.bytes.len() - reader.0.len();
            let Some(have) = reader.bytes() else { break };
            let end = self.bytes.len() - reader.0.len();
            let old = Rank::of(have);
            let order = new.cmp(&old);
            if place.is_none() && order == Ordering::Less {
                place = Some(start);
            }
            if new.is_same(&old) {
                same = Some((start, end, order));
            } else if new.name().is_some() && new.name() == old.name() {
                is_double = true;
            }
            last = start;
        }
        let at_end = place.is_none();
        let mut place = place.unwrap_or(self.bytes.len());
        match same {
            Some((_, _, Ordering::Greater | Ordering::Equal)) => return Added::Repeat,
            Some((start, end, Ordering::Less)) => {
                // Of two that only their sources tell apart the smaller stays.
                self.bytes.drain(start..end);
                self.events -= 1;
                debug_assert!(place <= start);
                place = place.min(start);
            }
            None if self.events == EVENTS_MAX && at_end => return Added::TooMany,
            None if self.events == EVENTS_MAX => {
                // The first ones count, in whatever order they come.
                self.bytes.truncate(last);
                self.events -= 1;
            }
            None => {}
        }
        self.has_doubles |= is_double;
        let mut framed = Vec::with_capacity(entry.len() + 2);
        write_varint(&mut framed, entry.len() as u64);
        framed.extend_from_slice(entry);
        if place == self.bytes.len() {
            self.bytes.extend_from_slice(&framed);
        } else {
            self.bytes.splice(place..place, framed);
        }
        self.events += 1;
        if at_end && same.is_none() && !is_newer { Added::Last } else { Added::Within }
    }

    /// None if the event's document is known in a higher revision, else whether it is known in a lower one.
    fn is_news(&self, new: &Rank<'_>) -> Option<bool> {
        if new.document.is_none() {
            return Some(false);
        }
        let mut is_newer = false;
        for old in self.entries().map(Rank::of) {
            if old.supersedes(new) {
                return None;
            }
            is_newer |= new.supersedes(&old);
        }
        Some(is_newer)
    }

    /// Keeps some of the events.
    fn keep(&mut self, is_kept: impl Fn(&Rank<'_>) -> bool) {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut events = 0;
        for entry in self.entries().filter(|entry| is_kept(&Rank::of(entry))) {
            write_bytes(&mut bytes, entry);
            events += 1;
        }
        (self.bytes, self.events) = (bytes, events);
    }

    fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let mut reader = Reader(&self.bytes);
        std::iter::from_fn(move || if reader.0.is_empty() { None } else { reader.bytes() })
    }
}

/// What decides order and identity, read from an entry's head.
struct Rank<'a> {
    time: EventTime,
    seq: Option<i64>,
    document: Option<(&'a [u8], i64)>,
    rank: u8,
    event_id: Option<&'a [u8]>,
    source: &'a [u8],
    /// Everything but the source.
    content: &'a [u8],
}

impl<'a> Rank<'a> {
    fn of(entry: &'a [u8]) -> Rank<'a> {
        Rank::read(entry).expect("entries are checked when they come in")
    }

    fn read(entry: &'a [u8]) -> Option<Rank<'a>> {
        let mut reader = Reader(entry);
        let source = reader.bytes()?;
        let content = reader.0;
        let rank = reader.byte()?;
        let present = reader.byte()?;
        let time = EventTime(reader.signed()?);
        let seq = if present & SEQ != 0 { Some(reader.signed()?) } else { None };
        let document = if present & DOCUMENT != 0 { Some((reader.bytes()?, reader.signed()?)) } else { None };
        let event_id = if present & EVENT_ID != 0 { Some(reader.bytes()?) } else { None };
        Some(Rank { time, seq, document, rank, event_id, source, content })
    }

    /// The order within a call: time, the source's own order, the contract's order of types, content.
    fn cmp(&self, other: &Rank<'_>) -> Ordering {
        (self.time, self.seq, self.rank, self.content, self.source).cmp(&(
            other.time,
            other.seq,
            other.rank,
            other.content,
            other.source,
        ))
    }

    /// Whether it is of a later revision of the same document.
    fn supersedes(&self, old: &Rank<'_>) -> bool {
        self.document.zip(old.document).is_some_and(|(new, old)| new.0 == old.0 && old.1 < new.1)
    }

    /// What names the event: its id, else source and `seq`; none if it has neither.
    fn name(&self) -> Option<Name<'a>> {
        match (self.event_id, self.seq) {
            (Some(id), _) => Some(Name::Id(id)),
            (None, Some(seq)) => Some(Name::Seq(self.source, seq)),
            (None, None) => None,
        }
    }

    /// Whether both are one event however far apart they are told: equal in everything, and where
    /// neither has a name, but for who sent them.
    fn is_same(&self, other: &Rank<'_>) -> bool {
        self.content == other.content && (self.source == other.source || self.name().is_none())
    }
}

/// What names an event within a life.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Name<'a> {
    Id(&'a [u8]),
    Seq(&'a [u8], i64),
}

const SEQ: u8 = 1;
const EVENT_ID: u8 = 2;
const ROOT_ID: u8 = 4;
const CUSTOMER: u8 = 8;
const QUEUE: u8 = 16;
const AGENT: u8 = 32;
/// A document and its revision.
const DOCUMENT: u8 = 64;

/// Writes the canonical bytes of a call event. `source` is empty where the event named none.
pub fn encode(event: &Event<'_>, call: &CallEvent<'_>, source: &str, out: &mut Vec<u8>) {
    write_bytes(out, source.as_bytes());
    out.push(call.rank());
    let texts = [
        (EVENT_ID, &event.event_id),
        (ROOT_ID, &event.root_id),
        (CUSTOMER, &event.customer),
        (QUEUE, &event.queue),
        (AGENT, &event.agent),
    ];
    let present = texts.iter().filter(|(_, text)| text.is_some()).fold(0, |bits, (bit, _)| bits | bit);
    let has = |is_there: bool, bit: u8| if is_there { bit } else { 0 };
    out.push(present | has(event.seq.is_some(), SEQ) | has(event.document.is_some(), DOCUMENT));
    write_signed(out, event.time.0);
    if let Some(seq) = event.seq {
        write_signed(out, seq);
    }
    if let Some((document, revision)) = &event.document {
        write_bytes(out, document.as_bytes());
        write_signed(out, *revision);
    }
    for (_, text) in texts {
        if let Some(text) = text {
            write_bytes(out, text.as_bytes());
        }
    }
    out.push(event.channel as u8);
    out.push(event.direction as u8);
    match call {
        CallEvent::Arrived { dialled } | CallEvent::Dialled { dialled } => write_text(out, dialled),
        CallEvent::Blocked { reason } => out.push(reason.map_or(NONE, |reason| reason as u8)),
        CallEvent::Queued { priority, position, via } => {
            write_number(out, *priority);
            write_number(out, *position);
            out.push(*via as u8);
        }
        CallEvent::Ringing | CallEvent::Held | CallEvent::Resumed => {}
        CallEvent::RingEnded { reason } => out.push(*reason as u8),
        CallEvent::Answered { waited_ms } => write_number(out, *waited_ms),
        CallEvent::Transferred { kind, to_queue, to_agent, to_number } => {
            out.push(*kind as u8);
            write_text(out, to_queue);
            write_text(out, to_agent);
            write_text(out, to_number);
        }
        CallEvent::LeftQueue { reason, waited_ms } => {
            out.push(*reason as u8);
            write_number(out, *waited_ms);
        }
        CallEvent::Ended { by } => out.push(by.map_or(NONE, |by| by as u8)),
        CallEvent::WrapupStarted { code, resolved } | CallEvent::WrapupEnded { code, resolved } => {
            write_text(out, code);
            out.push(resolved.map_or(NONE, u8::from));
        }
    }
}

/// Stands for an absent value of one byte.
const NONE: u8 = 0xff;

/// Reads what [`encode`] wrote; none if it is damaged.
pub fn read(entry: &[u8]) -> Option<Moment<'_>> {
    let mut reader = Reader(entry);
    let source = reader.text()?;
    let rank = reader.byte()?;
    let present = reader.byte()?;
    let time = EventTime(reader.signed()?);
    let seq = if present & SEQ != 0 { Some(reader.signed()?) } else { None };
    let document = if present & DOCUMENT != 0 { Some((reader.text()?, reader.signed()?)) } else { None };
    let mut text = |bit: u8| if present & bit != 0 { reader.text().map(Some) } else { Some(None) };
    let (event_id, root_id, customer) = (text(EVENT_ID)?, text(ROOT_ID)?, text(CUSTOMER)?);
    let (queue, agent) = (text(QUEUE)?, text(AGENT)?);
    let channel = *Channel::ALL.get(usize::from(reader.byte()?))?;
    let direction = *Direction::ALL.get(usize::from(reader.byte()?))?;
    let what = match rank {
        0 => CallEvent::Arrived { dialled: reader.optional_text()? },
        1 => CallEvent::Dialled { dialled: reader.optional_text()? },
        2 => CallEvent::Blocked { reason: reader.optional(BlockReason::ALL)? },
        3 => CallEvent::Queued {
            priority: reader.number()?,
            position: reader.number()?,
            via: reader.optional(Via::ALL)??,
        },
        4 => CallEvent::Ringing,
        5 => CallEvent::RingEnded { reason: reader.optional(RingEndReason::ALL)?? },
        6 => CallEvent::Answered { waited_ms: reader.number()? },
        7 => CallEvent::Held,
        8 => CallEvent::Resumed,
        9 => CallEvent::Transferred {
            kind: reader.optional(TransferKind::ALL)??,
            to_queue: reader.optional_text()?,
            to_agent: reader.optional_text()?,
            to_number: reader.optional_text()?,
        },
        10 => CallEvent::LeftQueue { reason: reader.optional(LeaveReason::ALL)??, waited_ms: reader.number()? },
        11 => CallEvent::Ended { by: reader.optional(EndedBy::ALL)? },
        12 => CallEvent::WrapupStarted { code: reader.optional_text()?, resolved: reader.optional(&[false, true])? },
        13 => CallEvent::WrapupEnded { code: reader.optional_text()?, resolved: reader.optional(&[false, true])? },
        _ => return None,
    };
    Some(Moment { time, seq, source, event_id, root_id, channel, direction, customer, queue, agent, document, what })
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// An absent text is a length of 0, a present one its length plus 1.
fn write_text(out: &mut Vec<u8>, text: &Option<Text<'_>>) {
    match text {
        None => out.push(0),
        Some(text) => {
            write_varint(out, text.len() as u64 + 1);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn write_number(out: &mut Vec<u8>, number: Option<i64>) {
    match number {
        None => out.push(0),
        Some(number) => {
            out.push(1);
            write_signed(out, number);
        }
    }
}

fn write_signed(out: &mut Vec<u8>, value: i64) {
    write_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn optional_text(&mut self) -> Option<Option<Text<'a>>> {
        match self.varint()? {
            0 => Some(None),
            length => Some(Some(Cow::Borrowed(std::str::from_utf8(self.take(length - 1)?).ok()?))),
        }
    }

    fn number(&mut self) -> Option<Option<i64>> {
        match self.byte()? {
            0 => Some(None),
            _ => Some(Some(self.signed()?)),
        }
    }

    fn optional<T: Copy>(&mut self, all: &[T]) -> Option<Option<T>> {
        match self.byte()? {
            NONE => Some(None),
            at => all.get(usize::from(at)).map(|value| Some(*value)),
        }
    }
}
