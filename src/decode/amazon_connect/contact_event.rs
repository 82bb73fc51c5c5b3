//! Contact events: what happens to contacts, as EventBridge carries it.
//!
//! In their envelope or without it. The samples of the manual write names both as `eventType` and as `EventType`, so
//! both are read. Source: Amazon Connect Administrator Guide, "Amazon Connect contact events".

use super::agent_event::{self, Contacts};
use super::contact::{Contact, Ties, Version, origin};
use super::wire::{TOLD_AGAIN, Telling, Word, agent_id, missing, queue_id, read, text, time};
use crate::decode::format::Given;
use crate::decode::table::{Field, Type};
use crate::event::{Decoded, Reject};
use crate::time::{EventTime, Span};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What a topic carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// Contact events and no others: they tell of agents' work what they can.
    ContactEvents,
    /// Those and the agent event stream, which knows better when an agent rang, held and wrapped up.
    Both,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "detail-type", borrow)]
    detail_type: Option<Word<'a>>,
    #[serde(borrow)]
    time: Option<Word<'a>>,
    #[serde(borrow)]
    detail: Option<Detail<'a>>,
    /// Only the agent event stream has it.
    #[serde(rename = "AgentARN")]
    agent: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(alias = "EventType", borrow)]
    event_type: Option<Word<'a>>,
    #[serde(alias = "ContactId", borrow)]
    contact_id: Option<Word<'a>>,
    #[serde(alias = "InitialContactId", borrow)]
    initial_contact_id: Option<Word<'a>>,
    #[serde(alias = "PreviousContactId", borrow)]
    previous_contact_id: Option<Word<'a>>,
    #[serde(alias = "Channel", borrow)]
    channel: Option<Word<'a>>,
    #[serde(alias = "InitiationMethod", borrow)]
    initiation_method: Option<Word<'a>>,
    #[serde(alias = "InitiationTimestamp", borrow)]
    initiation_timestamp: Option<Word<'a>>,
    #[serde(alias = "DisconnectTimestamp", borrow)]
    disconnect_timestamp: Option<Word<'a>>,
    #[serde(alias = "DisconnectReason", borrow)]
    disconnect_reason: Option<Word<'a>>,
    #[serde(alias = "QueueInfo", borrow)]
    queue_info: Option<QueueInfo<'a>>,
    #[serde(alias = "AgentInfo", borrow)]
    agent_info: Option<AgentInfo<'a>>,
    #[serde(alias = "CustomerEndpoint", borrow)]
    customer_endpoint: Option<Endpoint<'a>>,
    #[serde(alias = "SystemEndpoint", borrow)]
    system_endpoint: Option<Endpoint<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueueInfo<'a> {
    #[serde(alias = "QueueArn", alias = "queueARN", alias = "arn", alias = "ARN", borrow)]
    queue_arn: Option<Word<'a>>,
    #[serde(alias = "EnqueueTimestamp", borrow)]
    enqueue_timestamp: Option<Word<'a>>,
    #[serde(alias = "DequeueTimestamp", borrow)]
    dequeue_timestamp: Option<Word<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AgentInfo<'a> {
    #[serde(alias = "AgentArn", alias = "AgentARN", alias = "agentARN", borrow)]
    agent_arn: Option<Word<'a>>,
    #[serde(alias = "ConnectedToAgentTimestamp", borrow)]
    connected_to_agent_timestamp: Option<Word<'a>>,
    #[serde(alias = "AgentInitiatedHoldDuration")]
    agent_initiated_hold_duration: Option<u32>,
    #[serde(alias = "AfterContactWorkStartTimestamp", borrow)]
    after_contact_work_start_timestamp: Option<Word<'a>>,
    #[serde(alias = "AfterContactWorkEndTimestamp", borrow)]
    after_contact_work_end_timestamp: Option<Word<'a>>,
}

#[derive(Deserialize)]
struct Endpoint<'a> {
    #[serde(alias = "Address", borrow)]
    address: Option<Word<'a>>,
}

/// What an event is named for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Initiated,
    ConnectedToSystem,
    Queued,
    ConnectedToAgent,
    Disconnected,
    Paused,
    Resumed,
    Completed,
}

const CONTACT_EVENT: &str = "Amazon Connect Contact Event";

pub fn decode(given: Given<'_>, streams: Streams, each: &mut dyn FnMut(Decoded<'_>)) -> Result<(), Reject> {
    if streams == Streams::Both && agent_event::decode_if_own(given, each)? {
        return Ok(());
    }
    let envelope: Envelope<'_> = read(given.bytes)?;
    if envelope.agent.is_some() && streams == Streams::Both {
        return agent_event::decode(given, Contacts::Shared, each);
    }
    if let Some(Word(kind)) = envelope.detail_type.filter(|kind| kind.0 != CONTACT_EVENT && !kind.0.is_empty()) {
        each(Decoded::Unknown { kind });
        return Ok(());
    }
    let detail = match envelope.detail {
        Some(detail) => detail,
        None => read(given.bytes)?,
    };
    let name = text(detail.event_type.as_ref()).ok_or_else(|| missing("eventType", "a contact event"))?;
    let Some(stage) = Stage::of(&name) else {
        each(Decoded::Unknown { kind: name });
        return Ok(());
    };
    let sent = time(envelope.time.as_ref(), "time")?.or(given.logged);
    let mut telling = Telling::new();
    let is_told = detail.tell(stage, sent, streams, &mut telling)?;
    telling.tell(if is_told { name } else { "MONITOR".into() }, each);
    Ok(())
}

impl Stage {
    fn of(name: &str) -> Option<Stage> {
        Some(match name {
            "INITIATED" => Stage::Initiated,
            "CONNECTED_TO_SYSTEM" => Stage::ConnectedToSystem,
            "QUEUED" => Stage::Queued,
            "CONNECTED_TO_AGENT" => Stage::ConnectedToAgent,
            "DISCONNECTED" => Stage::Disconnected,
            "PAUSED" => Stage::Paused,
            "RESUMED" => Stage::Resumed,
            "COMPLETED" => Stage::Completed,
            _ => return None,
        })
    }
}

impl<'a> Detail<'a> {
    /// Tells what stands in the event; false where it is of somebody who listens in. `sent` is when it was sent, if
    /// that is known.
    fn tell(
        self,
        stage: Stage,
        sent: Option<EventTime>,
        streams: Streams,
        telling: &mut Telling<'a>,
    ) -> Result<bool, Reject> {
        let contact_id = text(self.contact_id.as_ref()).ok_or_else(|| missing("contactId", "a contact event"))?;
        let Some(origin) = origin(self.initiation_method.as_ref(), self.channel.as_ref()) else { return Ok(false) };
        let (queue, agent) = (self.queue_info.as_ref(), self.agent_info.as_ref());
        let queue_id = queue_id(queue.and_then(|queue| queue.queue_arn.as_ref()));
        let agent_id = agent_id(agent.and_then(|agent| agent.agent_arn.as_ref()));
        let mut initiated = time(self.initiation_timestamp.as_ref(), "initiationTimestamp")?;
        let mut enqueued = time(queue.and_then(|queue| queue.enqueue_timestamp.as_ref()), "enqueueTimestamp")?;
        let dequeued = time(queue.and_then(|queue| queue.dequeue_timestamp.as_ref()), "dequeueTimestamp")?;
        let connected = agent.and_then(|agent| agent.connected_to_agent_timestamp.as_ref());
        let mut connected = time(connected, "connectedToAgentTimestamp")?;
        let after_work = agent.map_or(Ok(None), AgentInfo::after_work)?;
        let mut disconnected = time(self.disconnect_timestamp.as_ref(), "disconnectTimestamp")?;
        let needed = |at: &mut Option<EventTime>, name, of| {
            *at = at.or(sent);
            at.ok_or_else(|| missing(name, of))
        };
        let at = match stage {
            Stage::Initiated => needed(&mut initiated, "initiationTimestamp", "INITIATED")?,
            Stage::ConnectedToSystem => needed(&mut initiated, "initiationTimestamp", "CONNECTED_TO_SYSTEM")?,
            Stage::Queued if queue_id.is_none() => return Err(missing("queueArn", "QUEUED")),
            Stage::Queued => needed(&mut enqueued, "enqueueTimestamp", "QUEUED")?,
            Stage::ConnectedToAgent if agent_id.is_none() => return Err(missing("agentArn", "CONNECTED_TO_AGENT")),
            Stage::ConnectedToAgent => needed(&mut connected, "connectedToAgentTimestamp", "CONNECTED_TO_AGENT")?,
            Stage::Disconnected => needed(&mut disconnected, "disconnectTimestamp", "DISCONNECTED")?,
            Stage::Paused | Stage::Resumed => sent.ok_or_else(|| missing("time", "PAUSED or RESUMED"))?,
            Stage::Completed => {
                let last = after_work.map(|(_, end)| end).max(disconnected).or(sent);
                last.ok_or_else(|| missing("disconnectTimestamp", "COMPLETED"))?
            }
        };
        let hold = agent.and_then(|agent| agent.agent_initiated_hold_duration).unwrap_or_default();
        let tells_work = streams == Streams::ContactEvents;
        let after_work = after_work.filter(|_| tells_work);
        let contact = Contact {
            ties: Ties::new(
                &contact_id,
                self.initial_contact_id.as_ref(),
                self.previous_contact_id.as_ref(),
                self.channel.as_ref(),
            ),
            version: Version { contact_id, updated: None },
            origin,
            customer: self.customer_endpoint.and_then(|endpoint| text(endpoint.address.as_ref())),
            called: self.system_endpoint.and_then(|endpoint| text(endpoint.address.as_ref())),
            initiated,
            tells_dialling: stage == Stage::Initiated,
            queue: queue_id,
            enqueued,
            dequeued,
            agent: agent_id,
            connected,
            hold: Span::from_secs(if tells_work { hold.into() } else { 0 }),
            agent_left: after_work.map(|(start, _)| start).into_iter().chain(disconnected).min(),
            handed_on: None,
            after_work,
            disconnected,
            reason: text(self.disconnect_reason.as_ref()),
            goes_on: false,
            from: at.minus(TOLD_AGAIN),
        };
        contact.tell(telling)?;
        let paused = match stage {
            Stage::Paused => Some(Type::CallHeld),
            Stage::Resumed => Some(Type::CallResumed),
            _ => None,
        };
        if let Some(kind) = paused.filter(|_| tells_work && contact.agent.is_some()) {
            contact.add(telling, kind, at, |draft| draft.texts(Field::Agent, contact.agent.clone()))?;
        }
        Ok(true)
    }
}

impl AgentInfo<'_> {
    fn after_work(&self) -> Result<Option<(EventTime, EventTime)>, Reject> {
        let start = time(self.after_contact_work_start_timestamp.as_ref(), "afterContactWorkStartTimestamp")?;
        let end = time(self.after_contact_work_end_timestamp.as_ref(), "afterContactWorkEndTimestamp")?;
        Ok(start.zip(end))
    }
}
