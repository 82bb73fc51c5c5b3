//! Contact records: a contact's whole life in one record, told once it is over.
//!
//! Also called contact trace records. Instants are whole seconds. Source: Amazon Connect Administrator Guide, "Data
//! model for Amazon Connect contact records".

use super::contact::{Contact, HandedOn, Ties, Version, origin};
use super::wire::{Telling, Word, agent_id, missing, queue_id, read, text, time};
use crate::decode::format::Given;
use crate::event::{Decoded, Reject};
use crate::time::{EventTime, Span};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    #[serde(borrow)]
    contact_id: Option<Word<'a>>,
    #[serde(borrow)]
    last_update_timestamp: Option<Word<'a>>,
    #[serde(borrow)]
    initial_contact_id: Option<Word<'a>>,
    #[serde(borrow)]
    previous_contact_id: Option<Word<'a>>,
    #[serde(borrow)]
    next_contact_id: Option<Word<'a>>,
    #[serde(borrow)]
    channel: Option<Word<'a>>,
    #[serde(borrow)]
    initiation_method: Option<Word<'a>>,
    #[serde(borrow)]
    initiation_timestamp: Option<Word<'a>>,
    #[serde(borrow)]
    disconnect_timestamp: Option<Word<'a>>,
    #[serde(borrow)]
    disconnect_reason: Option<Word<'a>>,
    #[serde(borrow)]
    transfer_completed_timestamp: Option<Word<'a>>,
    #[serde(borrow)]
    transferred_to_endpoint: Option<Endpoint<'a>>,
    #[serde(borrow)]
    customer_endpoint: Option<Endpoint<'a>>,
    #[serde(borrow)]
    system_endpoint: Option<Endpoint<'a>>,
    #[serde(borrow)]
    queue: Option<Queue<'a>>,
    #[serde(borrow)]
    agent: Option<Agent<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint<'a> {
    #[serde(borrow)]
    address: Option<Word<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Queue<'a> {
    #[serde(rename = "ARN", borrow)]
    arn: Option<Word<'a>>,
    #[serde(borrow)]
    enqueue_timestamp: Option<Word<'a>>,
    #[serde(borrow)]
    dequeue_timestamp: Option<Word<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Agent<'a> {
    #[serde(rename = "ARN", borrow)]
    arn: Option<Word<'a>>,
    #[serde(borrow)]
    connected_to_agent_timestamp: Option<Word<'a>>,
    agent_interaction_duration: Option<u32>,
    customer_hold_duration: Option<u32>,
    #[serde(borrow)]
    after_contact_work_start_timestamp: Option<Word<'a>>,
    #[serde(borrow)]
    after_contact_work_end_timestamp: Option<Word<'a>>,
}

pub fn decode(given: Given<'_>, each: &mut dyn FnMut(Decoded<'_>)) -> Result<(), Reject> {
    let record: Record<'_> = read(given.bytes)?;
    let method = text(record.initiation_method.as_ref()).unwrap_or_else(|| "contact record".into());
    let mut telling = Telling::new();
    if let Some(contact) = record.contact()? {
        contact.tell(&mut telling)?;
    }
    telling.tell(method, each);
    Ok(())
}

impl<'a> Record<'a> {
    /// The contact; none where the record is of somebody who listens in.
    fn contact(self) -> Result<Option<Contact<'a>>, Reject> {
        let contact_id = text(self.contact_id.as_ref()).ok_or_else(|| missing("ContactId", "a contact record"))?;
        let updated = time(self.last_update_timestamp.as_ref(), "LastUpdateTimestamp")?;
        let Some(origin) = origin(self.initiation_method.as_ref(), self.channel.as_ref()) else { return Ok(None) };
        let (queue, agent) = (self.queue.as_ref(), self.agent.as_ref());
        let enqueued = queue.and_then(|queue| queue.enqueue_timestamp.as_ref());
        let dequeued = queue.and_then(|queue| queue.dequeue_timestamp.as_ref());
        let connected = agent.and_then(|agent| agent.connected_to_agent_timestamp.as_ref());
        let connected = time(connected, "ConnectedToAgentTimestamp")?;
        let work_start = agent.and_then(|agent| agent.after_contact_work_start_timestamp.as_ref());
        let work_start = time(work_start, "AfterContactWorkStartTimestamp")?;
        let work_end = agent.and_then(|agent| agent.after_contact_work_end_timestamp.as_ref());
        let work_end = time(work_end, "AfterContactWorkEndTimestamp")?;
        let disconnected = time(self.disconnect_timestamp.as_ref(), "DisconnectTimestamp")?;
        let transferred = time(self.transfer_completed_timestamp.as_ref(), "TransferCompletedTimestamp")?;
        let to_number = self.transferred_to_endpoint.and_then(|endpoint| text(endpoint.address.as_ref()));
        let goes_on = self.next_contact_id.as_ref().is_some_and(|next| !next.0.is_empty());
        let hold = Span::from_secs(agent.and_then(|agent| agent.customer_hold_duration).unwrap_or_default().into());
        // Without after-contact work it is the length of talk and hold that says when the agent left.
        let spoke = agent.and_then(|agent| agent.agent_interaction_duration).zip(connected);
        let spoke = spoke.map(|(talk, connected)| connected.plus(Span::from_secs(talk.into())).plus(hold));
        let agent_left = work_start.or(spoke).into_iter().chain(disconnected).min();
        Ok(Some(Contact {
            ties: Ties::new(
                &contact_id,
                self.initial_contact_id.as_ref(),
                self.previous_contact_id.as_ref(),
                self.channel.as_ref(),
            ),
            version: Version { contact_id, updated },
            origin,
            customer: self.customer_endpoint.and_then(|endpoint| text(endpoint.address.as_ref())),
            called: self.system_endpoint.and_then(|endpoint| text(endpoint.address.as_ref())),
            initiated: time(self.initiation_timestamp.as_ref(), "InitiationTimestamp")?,
            tells_dialling: true,
            queue: queue_id(queue.and_then(|queue| queue.arn.as_ref())),
            enqueued: time(enqueued, "EnqueueTimestamp")?,
            dequeued: time(dequeued, "DequeueTimestamp")?,
            agent: agent_id(agent.and_then(|agent| agent.arn.as_ref())),
            connected,
            hold,
            agent_left,
            handed_on: (goes_on || transferred.is_some() || to_number.is_some()).then_some(HandedOn { to_number }),
            after_work: work_start.zip(work_end),
            disconnected,
            reason: text(self.disconnect_reason.as_ref()),
            goes_on,
            // It is the only record that tells any of it.
            from: EventTime(i64::MIN),
        }))
    }
}
