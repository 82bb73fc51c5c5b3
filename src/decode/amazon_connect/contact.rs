//! Contact: one contact as far as one record knows it, and the events that stand for that.
//!
//! ```text
//! initiated   enqueued        connected            disconnected     after-contact work
//! arrived ─── queued ──────── answered ── held ─── ended ────────── wrapup_started ─ wrapup_ended
//!                └─ dequeued, never connected: left_queue ┘
//! ```
//!
//! Every record tells all that stands in it, always with the same instants, so that a record that is lost or late
//! costs nothing that another one knows.

use super::wire::{Telling, Word};
use crate::decode::draft::Draft;
use crate::decode::table::{Field, Type};
use crate::event::{Direction, EndedBy, LeaveReason, Reject, Text, Via};
use crate::time::{EventTime, Span};

/// So much may instants and lengths in whole seconds be at odds.
const ROUNDING: Span = Span::from_secs(2);

/// One contact.
pub(super) struct Contact<'a> {
    pub version: Version<'a>,
    pub ties: Ties<'a>,
    pub origin: Origin,
    pub customer: Option<Text<'a>>,
    /// The number or address of ours that the customer called, or was called from.
    pub called: Option<Text<'a>>,
    pub initiated: Option<EventTime>,
    /// Whether this record is the one to tell that it was dialled: of a campaign, later ones give another instant.
    pub tells_dialling: bool,
    pub queue: Option<Text<'a>>,
    pub enqueued: Option<EventTime>,
    pub dequeued: Option<EventTime>,
    pub agent: Option<Text<'a>>,
    pub connected: Option<EventTime>,
    /// How long it was on hold, all holds together.
    pub hold: Span,
    /// When the agent's part in it ended.
    pub agent_left: Option<EventTime>,
    /// The agent handed it on, to a number where it left the centre.
    pub handed_on: Option<HandedOn<'a>>,
    pub after_work: Option<(EventTime, EventTime)>,
    pub disconnected: Option<EventTime>,
    pub reason: Option<Text<'a>>,
    /// Another contact follows it.
    pub goes_on: bool,
    /// What happened before is left to earlier records.
    pub from: EventTime,
}

/// What a record is a version of, and which: of the same contact a later update corrects an earlier one.
pub(super) struct Version<'a> {
    pub contact_id: Text<'a>,
    /// None of a record that is never told anew.
    pub updated: Option<EventTime>,
}

/// How a contact belongs with others, and how the customer reached us.
pub(super) struct Ties<'a> {
    pub root: Option<Text<'a>>,
    pub channel: Text<'a>,
}

pub(super) struct HandedOn<'a> {
    pub to_number: Option<Text<'a>>,
}

/// What an initiation method means.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub direction: Direction,
    pub via: Via,
    /// It reached the centre anew, and is no leg of a contact that did.
    pub arrives: bool,
}

/// The meaning of an initiation method; none where somebody only listens in.
pub(super) fn origin(method: Option<&Word<'_>>, channel: Option<&Word<'_>>) -> Option<Origin> {
    let origin = |direction, via, arrives| Some(Origin { direction, via, arrives });
    let is_voice = channel.is_none_or(|channel| channel.0.eq_ignore_ascii_case("VOICE"));
    match method.map_or("", |method| &*method.0) {
        "INBOUND" | "WEBRTC_API" | "FLOW" => origin(Direction::Inbound, Via::Direct, true),
        // A call that an API starts is one to the customer; a chat or a task comes from them.
        "API" if is_voice => origin(Direction::Outbound, Via::Direct, false),
        "API" => origin(Direction::Inbound, Via::Direct, true),
        "OUTBOUND" | "EXTERNAL_OUTBOUND" | "AGENT_REPLY" | "CAMPAIGN_PREVIEW" => {
            origin(Direction::Outbound, Via::Direct, false)
        }
        "TRANSFER" | "QUEUE_TRANSFER" | "DISCONNECT" => origin(Direction::Inbound, Via::Transfer, false),
        "CALLBACK" => origin(Direction::Inbound, Via::Callback, false),
        "MONITOR" => None,
        _ => origin(Direction::Inbound, Via::Direct, false),
    }
}

impl<'a> Ties<'a> {
    /// A contact that follows none is its own root.
    pub(super) fn new(
        contact_id: &str,
        initial: Option<&Word<'a>>,
        previous: Option<&Word<'a>>,
        channel: Option<&Word<'a>>,
    ) -> Ties<'a> {
        let first = [initial, previous].into_iter().flatten().map(|word| &word.0).find(|id| !id.is_empty());
        Ties { root: first.filter(|root| *root != contact_id).cloned(), channel: channel_word(channel) }
    }

    /// The beginning of every event of the contact.
    pub(super) fn draft(&self, kind: Type, at: EventTime, contact_id: &Text<'a>, direction: Direction) -> Draft<'a> {
        Draft::new(kind, at)
            .text(Field::CallId, contact_id.clone())
            .texts(Field::RootId, self.root.clone())
            .text(Field::Channel, self.channel.clone())
            .text(Field::Direction, direction.word())
    }
}

fn channel_word<'a>(channel: Option<&Word<'a>>) -> Text<'a> {
    let Some(Word(channel)) = channel else { return "".into() };
    let known = ["voice", "chat", "email", "task"].into_iter().find(|word| channel.eq_ignore_ascii_case(word));
    known.map_or_else(|| channel.clone(), Text::Borrowed)
}

impl<'a> Contact<'a> {
    pub(super) fn tell(&self, telling: &mut Telling<'a>) -> Result<(), Reject> {
        let is_inbound = self.origin.direction == Direction::Inbound;
        if let Some(at) = self.initiated {
            let kind = match (self.origin.arrives, is_inbound) {
                (true, _) => Some(Type::CallArrived),
                (false, false) => Some(Type::CallDialled).filter(|_| self.tells_dialling),
                (false, true) => None,
            };
            if let Some(kind) = kind {
                self.add(telling, kind, at, |draft| match is_inbound {
                    true => draft.texts(Field::Dialled, self.called.clone()),
                    false => self.handled(draft.texts(Field::Dialled, self.customer.clone())),
                })?;
            }
        }
        let connected = self.connected.filter(|at| self.agent.is_some() && self.is_before_end(*at));
        if let (Some(at), Some(_), true) = (self.enqueued, &self.queue, is_inbound)
            && self.is_before_end(at)
            && connected.is_none_or(|connected| at <= connected)
        {
            self.add(telling, Type::CallQueued, at, |draft| {
                draft.texts(Field::Queue, self.queue.clone()).text(Field::Via, self.origin.via.word())
            })?;
            if let (None, Some(end)) = (connected, self.disconnected) {
                let left = self.dequeued.map_or(end, |left| left.max(at).min(end));
                self.add(telling, Type::CallLeftQueue, left, |draft| {
                    draft.texts(Field::Queue, self.queue.clone()).text(Field::Reason, self.leave_reason().word())
                })?;
            }
        }
        if let Some(at) = connected {
            self.tell_connection(at, telling)?;
        }
        if let Some(at) = self.disconnected {
            let by = self.reason.as_deref().map(|reason| ended_by(reason).word());
            self.add(telling, Type::CallEnded, at, |draft| draft.texts(Field::By, by))?;
        }
        Ok(())
    }

    fn tell_connection(&self, connected: EventTime, telling: &mut Telling<'a>) -> Result<(), Reject> {
        self.add(telling, Type::CallAnswered, connected, |draft| self.handled(draft))?;
        let left = self.agent_left.filter(|left| connected <= *left);
        if let Some(left) = left.filter(|_| 0 < self.hold.0) {
            // Of holds only the sum is known: one at the end is as long as all of them.
            let held = left.minus(self.hold).max(connected);
            let resumed = held.plus(self.hold).min(left);
            self.add(telling, Type::CallHeld, held, |draft| self.handled(draft))?;
            self.add(telling, Type::CallResumed, resumed, |draft| self.handled(draft))?;
        }
        if let (Some(left), Some(HandedOn { to_number })) = (left, &self.handed_on) {
            self.add(telling, Type::CallTransferred, left, |draft| {
                self.handled(draft).texts(Field::ToNumber, to_number.clone())
            })?;
        }
        if let Some((start, end)) = self.after_work.filter(|(start, end)| connected <= *start && start <= end) {
            self.add(telling, Type::CallWrapupStarted, start, |draft| self.handled(draft))?;
            return self.add(telling, Type::CallWrapupEnded, end, |draft| self.handled(draft));
        }
        let is_left_alone = |left: &EventTime| self.disconnected.is_some_and(|end| left.plus(ROUNDING) < end);
        if let Some(left) = left.filter(is_left_alone) {
            // The customer stays, with a survey for one; after-contact work of no length ends the agent's part.
            return self.add(telling, Type::CallWrapupEnded, left, |draft| self.handled(draft));
        }
        Ok(())
    }

    /// The agent, and the queue the contact came from.
    fn handled(&self, draft: Draft<'a>) -> Draft<'a> {
        draft.texts(Field::Queue, self.queue.clone()).texts(Field::Agent, self.agent.clone())
    }

    /// Adds an event, of which every one is begun here.
    pub(super) fn add(
        &self,
        telling: &mut Telling<'a>,
        kind: Type,
        at: EventTime,
        fill: impl FnOnce(Draft<'a>) -> Draft<'a>,
    ) -> Result<(), Reject> {
        if at < self.from {
            return Ok(());
        }
        let Version { contact_id, updated } = &self.version;
        let draft = self.ties.draft(kind, at, contact_id, self.origin.direction);
        let draft = match updated {
            Some(updated) => draft.text(Field::Document, contact_id.clone()).integers(Field::Revision, Some(updated.0)),
            None => draft,
        };
        telling.add(at, fill(draft.texts(Field::Customer, self.customer.clone())))
    }

    /// What is after the end in one and the same record never was.
    fn is_before_end(&self, at: EventTime) -> bool {
        self.disconnected.is_none_or(|end| at <= end)
    }

    fn leave_reason(&self) -> LeaveReason {
        match self.reason.as_deref().unwrap_or_default() {
            _ if self.goes_on => LeaveReason::Overflow,
            "TRANSFERRED" => LeaveReason::Overflow,
            "EXPIRED" | "IDLE_DISCONNECT" => LeaveReason::Timeout,
            "API" | "DISCARDED" => LeaveReason::Withdrawn,
            // Whoever reads these records for abandoned contacts asks for no more than that nobody was connected.
            "" => LeaveReason::Abandoned,
            reason if ended_by(reason) == EndedBy::Caller => LeaveReason::Abandoned,
            _ => LeaveReason::System,
        }
    }
}

/// Who ended a contact, by the reason of its disconnection.
fn ended_by(reason: &str) -> EndedBy {
    match reason {
        "CUSTOMER_DISCONNECT"
        | "CUSTOMER_NEVER_ARRIVED"
        | "CUSTOMER_CONNECTION_NOT_ESTABLISHED"
        | "TELECOM_ORIGINATOR_CANCEL" => EndedBy::Caller,
        "AGENT_DISCONNECT" | "AGENT_COMPLETED" | "AGENT_NETWORK_DISCONNECT" | "DISCARDED" => EndedBy::Agent,
        "THIRD_PARTY_DISCONNECT" | "BARGED" => EndedBy::Other,
        _ => EndedBy::System,
    }
}
