//! Stay: the stretch of a conversation that one party takes part in, whichever document told it.

use crate::decode::document::Scalar;
use crate::event::{Direction, Text, TransferKind};
use crate::time::EventTime;

/// A conversation as one document tells it, at some moment of its life or after its end.
pub(super) struct Conversation<'a> {
    pub(super) id: Text<'a>,
    /// Who began it, if the document says so.
    pub(super) direction: Option<Direction>,
    /// When all of it was over, after-call work included.
    pub(super) end: Option<EventTime>,
    pub(super) stays: Vec<Stay<'a>>,
}

/// One party's stretch.
pub(super) struct Stay<'a> {
    pub(super) party: Party,
    /// Which of the document's participants it is of.
    pub(super) participant: usize,
    pub(super) media: Option<&'a str>,
    pub(super) is_outbound: Option<bool>,
    pub(super) user: Option<&'a str>,
    pub(super) queue: Option<&'a str>,
    /// The number or address of who called, and of who was called.
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
    pub(super) start: EventTime,
    /// It was offered to the user, from when on.
    pub(super) alert: Option<EventTime>,
    /// The user or the dialler called somebody.
    pub(super) dialled: Option<EventTime>,
    /// A user spoke, or the queue had it wait.
    pub(super) connected: Option<EventTime>,
    pub(super) holds: Vec<(EventTime, Option<EventTime>)>,
    /// When and how it was over; none while it lasts.
    pub(super) end: Option<(EventTime, Parting)>,
    /// Genesys' own word on how a wait ended.
    pub(super) verdict: Option<Verdict>,
    pub(super) wrapup: Option<Wrapup<'a>>,
}

/// Whose stretch it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// The customer, or another party outside the centre.
    Caller,
    Queue,
    /// An agent, or a user reached past the queues.
    User,
    Voicemail,
    /// A flow, or anything else that neither waits nor speaks.
    Other,
}

/// How a stretch ended: Genesys' disconnect type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    Transfer(TransferKind),
    /// It was offered and went on to the next, untaken.
    Untaken,
    /// The other side left.
    Peer,
    /// This side left, by its program.
    Client,
    /// This side left, by its telephone.
    Endpoint,
    Timeout,
    /// The system ended it, or an error.
    System,
}

/// How a wait ended, where the document has a metric of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Abandoned,
    FlowedOut,
}

/// After-call work.
#[derive(Clone, Copy)]
pub(super) struct Wrapup<'a> {
    pub(super) start: EventTime,
    pub(super) end: Option<EventTime>,
    pub(super) code: Option<&'a str>,
}

impl Party {
    pub(super) fn of(purpose: Option<&str>) -> Party {
        match purpose {
            Some("customer" | "external") => Party::Caller,
            Some("acd") => Party::Queue,
            Some("agent" | "user") => Party::User,
            Some("voicemail") => Party::Voicemail,
            _ => Party::Other,
        }
    }
}

impl Parting {
    /// The one of a disconnect type. Each kind of document has a spelling of its own: `consultTransfer`,
    /// `CONSULT_TRANSFER`, `transfer.consult`.
    pub(super) fn of(word: &str) -> Parting {
        let mut plain = String::with_capacity(word.len().min(40));
        plain.extend(word.chars().take(40).filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()));
        match plain.as_str() {
            "transfer" | "forwardtransfer" | "transferforward" => Parting::Transfer(TransferKind::Blind),
            "consulttransfer" | "transferconsult" => Parting::Transfer(TransferKind::Attended),
            "conferencetransfer" | "transferconference" => Parting::Transfer(TransferKind::Conference),
            "noanswertransfer"
            | "transfernoanswer"
            | "notavailabletransfer"
            | "transfernotavailable"
            | "transferdnd"
            | "dndtransfer"
            | "endpointdnd"
            | "dndendpoint" => Parting::Untaken,
            "peer" => Parting::Peer,
            "client" => Parting::Client,
            "endpoint" => Parting::Endpoint,
            "timeout" | "inactivity" | "sessionexpired" => Parting::Timeout,
            _ => Parting::System,
        }
    }
}

impl Conversation<'_> {
    /// Who began it: as the document says, else the way of the first caller.
    pub(super) fn direction(&self) -> Direction {
        let told = || {
            let callers = self.stays.iter().filter(|stay| stay.party == Party::Caller);
            callers.min_by_key(|stay| stay.start).and_then(|stay| stay.is_outbound)
        };
        match self.direction {
            Some(direction) => direction,
            None if told() == Some(true) => Direction::Outbound,
            None => Direction::Inbound,
        }
    }
}

/// `inbound` or `outbound`, in capitals or not; none of any other word.
pub(super) fn is_outbound(word: Option<&str>) -> Option<bool> {
    let word = word?;
    match (word.eq_ignore_ascii_case("outbound"), word.eq_ignore_ascii_case("inbound")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// The word of the contract for a media type.
pub(super) fn channel(media: Option<&str>) -> &'static str {
    let is = |word: &str| media.is_some_and(|media| media.eq_ignore_ascii_case(word));
    match () {
        _ if media.is_none_or(|media| media.eq_ignore_ascii_case("unknown")) => "voice",
        _ if is("voice") || is("callback") => "voice",
        _ if is("chat") => "chat",
        _ if is("email") => "email",
        _ if is("message") || is("internalmessage") => "message",
        _ => "other",
    }
}

pub(super) fn is_callback(media: Option<&str>) -> bool {
    media.is_some_and(|media| media.eq_ignore_ascii_case("callback"))
}

/// Whether the media go beside a conversation and are none of it.
pub(super) fn is_beside(media: Option<&str>) -> bool {
    let beside = ["cobrowse", "screenshare", "screenmonitoring"];
    media.is_some_and(|media| beside.iter().any(|word| media.eq_ignore_ascii_case(word)))
}

/// The number of an address such as `tel:+3615550101`, else the address.
pub(super) fn number(address: &str) -> &str {
    address.strip_prefix("tel:").unwrap_or(address)
}

/// The number or address of the first that is there.
pub(super) fn first_number<'a>(addresses: &[&'a Scalar<'_>]) -> Option<&'a str> {
    addresses.iter().find_map(|address| address.name()).map(number)
}
