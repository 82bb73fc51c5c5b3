//! The call record: an assembled call, published once it is over and again when a late event changes it.

use super::stage::{OutRecord, Output};
use crate::entity::Encoded;
use crate::event::LeaveReason;
use crate::life::fold::{Connection, Exit, Life, Visit};
use crate::life::log::CallLog;
use crate::life::settle::{Terms, lives};
use serde::Serialize;
use std::sync::Arc;

/// The value of `schema` in every call record.
pub const SCHEMA: &str = "callpulse.call.v1";

/// A call as its events tell it. Times are RFC 3339 UTC; lengths are milliseconds.
#[derive(Serialize)]
struct CallRecord<'a> {
    schema: &'static str,
    tenant: &'a str,
    call_id: &'a str,
    root_id: Option<&'a str>,
    version: u64,
    channel: &'static str,
    inbound: bool,
    began: String,
    arrived: Option<String>,
    /// None where the source gives no end.
    ended: Option<String>,
    /// `answered`, `abandoned`, `flowed_out`, `handled` (without a queue), `blocked` or `left_in_ivr`.
    outcome: &'static str,
    visits: Vec<VisitPart<'a>>,
    connections: Vec<ConnectionPart<'a>>,
}

#[derive(Serialize)]
struct VisitPart<'a> {
    queue: &'a str,
    entered: String,
    left: Option<String>,
    /// `answered`, `lost`, or the reason for leaving.
    outcome: Option<&'static str>,
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
pub fn record(terms: Terms<'_>, tenant: &str, log: &CallLog, version: u64, topic: &Arc<str>) -> Option<OutRecord> {
    let lives = lives(terms, log);
    let life = lives.last()?;
    let outcome = outcome(life).filter(|_| life.nothing_is_open())?;
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
        visits: life.visits.iter().map(visit).collect(),
        connections: life.connections.iter().map(connection).collect(),
    };
    Some(OutRecord {
        to: Output::Topic { topic: topic.clone(), partition: None },
        key: Some(format!("{}|{}", Encoded(tenant), Encoded(terms.call_id)).into_bytes()),
        value: Some(serde_json::to_vec(&record).expect("a record of texts and numbers is JSON")),
        headers: vec![("content-type", b"application/json".to_vec())],
        timestamp: None,
    })
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
