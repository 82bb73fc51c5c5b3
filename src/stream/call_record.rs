//! The call record: an assembled call, published once it is over and again when a late event changes it.

use super::batch::wire::{CallRecord as Message, call_record as part};
use super::kpi_message::{millis, time};
use super::outlet::{Outlet, Told};
use super::stage::OutRecord;
use crate::entity::Encoded;
use crate::event::LeaveReason;
use crate::life::fold::{Connection, Exit, Life, Visit};
use crate::life::log::CallLog;
use crate::life::settle::{Terms, lives};
use serde::Serialize;

/// The value of `schema` in every call record.
pub const SCHEMA: &str = "callpulse.call.v1";

/// A call as its events tell it. Times are RFC 3339 UTC; lengths are milliseconds.
#[derive(Serialize)]
pub struct CallRecord<'a> {
    schema: &'a str,
    tenant: &'a str,
    call_id: &'a str,
    root_id: Option<&'a str>,
    pub(super) version: u64,
    channel: &'a str,
    inbound: bool,
    began: String,
    arrived: Option<String>,
    /// None where the source gives no end.
    pub(super) ended: Option<String>,
    /// `answered`, `abandoned`, `flowed_out`, `handled` (without a queue), `blocked` or `left_in_ivr`.
    outcome: &'a str,
    visits: Vec<VisitPart<'a>>,
    connections: Vec<ConnectionPart<'a>>,
    /// Visits and connections that have no place in the record; absent if there are none.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: u32,
}

/// Bytes that visits and connections may take, about: no call has as many, and a broker takes a megabyte unless told
/// otherwise.
const PARTS_BYTES_MAX: usize = 700_000;
/// What one of them takes beside its names, and a byte of a name at most: a control character is written in six.
const PART_BYTES: usize = 250;
const BYTES_OF_A_BYTE: usize = 6;

#[derive(Serialize)]
struct VisitPart<'a> {
    queue: &'a str,
    entered: String,
    left: Option<String>,
    /// `answered`, `lost`, or the reason for leaving.
    outcome: Option<&'a str>,
    waited_ms: Option<i64>,
    /// False for callbacks and for outbound and internal calls.
    offered: bool,
}

#[derive(Serialize)]
struct ConnectionPart<'a> {
    agent: &'a str,
    queue: Option<&'a str>,
    began: String,
    ended: Option<String>,
    talk_ms: Option<i64>,
    hold_ms: i64,
    wrapup_ms: i64,
}

/// The record of a call id's latest life; none while it goes on.
pub fn record(terms: Terms<'_>, tenant: &str, log: &CallLog, version: u64, outlet: &Outlet) -> Option<OutRecord> {
    let lives = lives(terms, log);
    let life = lives.last()?;
    let outcome = outcome(life).filter(|_| life.nothing_is_open())?;
    let mut room = PARTS_BYTES_MAX;
    let mut has_room = |names: usize| {
        let bytes = PART_BYTES + BYTES_OF_A_BYTE * names;
        let is_enough = bytes <= room;
        room -= if is_enough { bytes } else { room };
        is_enough
    };
    let visits = life.visits.iter().take_while(|visit| has_room(visit.queue.len())).count();
    let names = |of: &Connection<'_>| of.agent.len() + of.queue.map_or(0, str::len);
    let connections = life.connections.iter().take_while(|connection| has_room(names(connection))).count();
    let record = CallRecord {
        schema: SCHEMA,
        tenant,
        call_id: terms.call_id,
        root_id: life.root_id,
        version,
        channel: life.channel.word(),
        inbound: life.is_inbound,
        began: life.first.to_string(),
        arrived: life.arrived.map(|at| at.to_string()),
        ended: life.ended.map(|at| at.to_string()),
        outcome,
        visits: life.visits[..visits].iter().map(visit).collect(),
        connections: life.connections[..connections].iter().map(connection).collect(),
        left_out: (life.visits.len() + life.connections.len() - visits - connections) as u32,
    };
    let key = format!("{}|{}", Encoded(tenant), Encoded(terms.call_id));
    Some(outlet.record(None, key, Told::Call(&record)))
}

impl CallRecord<'_> {
    pub(super) fn message(&self) -> Message {
        let at = |time: &Option<String>| time.as_deref().map(millis);
        let visits = self.visits.iter().map(|visit| part::Visit {
            queue: visit.queue.to_owned(),
            entered_ms: millis(&visit.entered),
            left_ms: at(&visit.left),
            outcome: visit.outcome.map(str::to_owned),
            waited_ms: visit.waited_ms,
            offered: visit.offered,
        });
        let connections = self.connections.iter().map(|connection| part::Connection {
            agent: connection.agent.to_owned(),
            queue: connection.queue.map(str::to_owned),
            began_ms: millis(&connection.began),
            ended_ms: at(&connection.ended),
            talk_ms: connection.talk_ms,
            hold_ms: connection.hold_ms,
            wrapup_ms: connection.wrapup_ms,
        });
        Message {
            schema: self.schema.to_owned(),
            tenant: self.tenant.to_owned(),
            call_id: self.call_id.to_owned(),
            root_id: self.root_id.map(str::to_owned),
            version: self.version,
            channel: self.channel.to_owned(),
            inbound: self.inbound,
            began_ms: millis(&self.began),
            arrived_ms: at(&self.arrived),
            ended_ms: at(&self.ended),
            outcome: self.outcome.to_owned(),
            visits: visits.collect(),
            connections: connections.collect(),
            left_out: self.left_out,
        }
    }
}

impl<'a> From<&'a Message> for CallRecord<'a> {
    fn from(message: &'a Message) -> Self {
        let visits = message.visits.iter().map(|visit| VisitPart {
            queue: &visit.queue,
            entered: time(visit.entered_ms),
            left: visit.left_ms.map(time),
            outcome: visit.outcome.as_deref(),
            waited_ms: visit.waited_ms,
            offered: visit.offered,
        });
        let connections = message.connections.iter().map(|connection| ConnectionPart {
            agent: &connection.agent,
            queue: connection.queue.as_deref(),
            began: time(connection.began_ms),
            ended: connection.ended_ms.map(time),
            talk_ms: connection.talk_ms,
            hold_ms: connection.hold_ms,
            wrapup_ms: connection.wrapup_ms,
        });
        CallRecord {
            schema: &message.schema,
            tenant: &message.tenant,
            call_id: &message.call_id,
            root_id: message.root_id.as_deref(),
            version: message.version,
            channel: &message.channel,
            inbound: message.inbound,
            began: time(message.began_ms),
            arrived: message.arrived_ms.map(time),
            ended: message.ended_ms.map(time),
            outcome: &message.outcome,
            visits: visits.collect(),
            connections: connections.collect(),
            left_out: message.left_out,
        }
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// How the call ended as a whole; none if it is not over.
fn outcome(life: &Life<'_>) -> Option<&'static str> {
    let was_answered = life.visits.iter().any(|visit| matches!(visit.exit, Some((_, Exit::Answered))));
    match life.visits.last() {
        _ if was_answered => Some("answered"),
        _ if !life.connections.is_empty() => Some("handled"),
        Some(Visit { exit: Some((_, Exit::Left(LeaveReason::Abandoned))), .. }) => Some("abandoned"),
        Some(Visit { exit: Some(_), .. }) => Some("flowed_out"),
        Some(Visit { exit: None, .. }) => None,
        None if life.was_blocked => Some("blocked"),
        None => life.ended.map(|_| "left_in_ivr"),
    }
}

fn visit<'a>(visit: &Visit<'a>) -> VisitPart<'a> {
    let outcome = visit.exit.map(|(_, exit)| match exit {
        Exit::Answered => "answered",
        Exit::Lost => "lost",
        Exit::Left(reason) => reason.word(),
    });
    VisitPart {
        queue: visit.queue,
        entered: visit.entry.to_string(),
        left: visit.exit.map(|(at, _)| at.to_string()),
        outcome,
        waited_ms: visit.exit.map(|(at, _)| at.since(visit.entry).0),
        offered: visit.is_offered,
    }
}

fn connection<'a>(connection: &Connection<'a>) -> ConnectionPart<'a> {
    let talk_ms = connection.end.map(|end| end.since(connection.start).0 - connection.hold.0);
    ConnectionPart {
        agent: connection.agent,
        queue: connection.queue,
        began: connection.start.to_string(),
        ended: connection.end.map(|end| end.to_string()),
        talk_ms,
        hold_ms: connection.hold.0,
        wrapup_ms: connection.wrapup.0,
    }
}
