//! Detail: the events of a conversation that Genesys tells one at a time.
//!
//! Source: the schemas of `v2.detail.events.conversation.{id}.*`, in "Available topics" on developer.genesys.cloud;
//! times and durations are milliseconds. What a user did is told when the user has left, by durations, so the
//! connection is reckoned back from its end; only the answer of a queue is told at once, in `acd.end`.

use super::stay::{Parting, channel, is_beside, is_callback, is_outbound, number};
use crate::decode::document::{Name, Scalar, missing};
use crate::decode::draft::Draft;
use crate::decode::table::{Field, Type};
use crate::event::{Decoded, Reject};
use crate::time::{EventTime, Span};
use serde::Deserialize;

/// Longer than any conversation; a duration beyond it is none.
const DURATION_MAX_MS: i64 = 366 * 86_400_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Detail<'a> {
    #[serde(borrow, default)]
    event_time: Scalar<'a>,
    #[serde(borrow)]
    conversation_id: Option<Name<'a>>,
    #[serde(borrow, default)]
    media_type: Scalar<'a>,
    #[serde(borrow, default)]
    direction: Scalar<'a>,
    #[serde(borrow, default)]
    ani: Scalar<'a>,
    #[serde(borrow, default)]
    dnis: Scalar<'a>,
    #[serde(borrow, default)]
    address_from: Scalar<'a>,
    #[serde(borrow, default)]
    address_to: Scalar<'a>,
    #[serde(borrow)]
    queue_id: Option<Name<'a>>,
    #[serde(borrow)]
    user_id: Option<Name<'a>>,
    #[serde(borrow, default)]
    disconnect_type: Scalar<'a>,
    #[serde(borrow, default)]
    routing_priority: Scalar<'a>,
    #[serde(borrow, default)]
    acd_outcome: Scalar<'a>,
    #[serde(borrow)]
    answered_user_id: Option<Name<'a>>,
    #[serde(borrow, default)]
    connected_duration_ms: Scalar<'a>,
    #[serde(borrow, default)]
    interacting_duration_ms: Scalar<'a>,
    #[serde(borrow, default)]
    held_duration_ms: Scalar<'a>,
    #[serde(borrow, default)]
    wrapup_code: Scalar<'a>,
    #[serde(borrow, default)]
    wrapup_duration_ms: Scalar<'a>,
}

impl Detail<'_> {
    /// Tells what `kind` (`acd.start`, `user.end`, ...) says; nothing if it means nothing to a KPI.
    pub(super) fn tell<'d>(&'d self, kind: &str, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        if is_beside(self.media_type.name()) {
            return Ok(());
        }
        match kind {
            "customer.start" => self.customer_start(kind, told),
            "customer.end" => self.customer_end(kind, told),
            "acd.start" => self.acd_start(kind, told),
            "acd.end" => self.acd_end(kind, told),
            "user.start" => self.user_start(kind, told),
            "user.end" => self.user_end(kind, told),
            "acw" => self.acw(kind, told),
            _ => Ok(()),
        }
    }

    fn at(&self, kind: &str) -> Result<EventTime, Reject> {
        self.event_time.time("eventTime")?.ok_or_else(|| missing(kind, "eventTime"))
    }

    fn draft<'d>(&'d self, of: Type, kind: &str, at: EventTime) -> Result<Draft<'d>, Reject> {
        let id = self.conversation_id.as_ref().ok_or_else(|| missing(kind, "conversationId"))?;
        let draft = Draft::new(of, at).text(Field::CallId, id.text());
        Ok(draft.text(Field::Channel, channel(self.media_type.name())))
    }

    fn queue<'d>(&'d self, draft: Draft<'d>) -> Draft<'d> {
        draft.texts(Field::Queue, self.queue_id.as_ref().map(Name::text))
    }

    fn is_outbound(&self) -> bool {
        is_outbound(self.direction.name()) == Some(true)
    }

    /// The number of the customer, and the one that was called.
    fn numbers(&self) -> (Option<&str>, Option<&str>) {
        let from = self.ani.name().or(self.address_from.name()).map(number);
        let to = self.dnis.name().or(self.address_to.name()).map(number);
        (if self.is_outbound() { to } else { from }, to)
    }

    fn parting(&self) -> Parting {
        self.disconnect_type.name().map_or(Parting::System, Parting::of)
    }

    fn customer_start<'d>(&'d self, kind: &str, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        if is_callback(self.media_type.name()) {
            return Ok(());
        }
        let (of, direction) = match self.is_outbound() {
            true => (Type::CallDialled, Some("outbound")),
            false => (Type::CallArrived, None),
        };
        let (customer, dialled) = self.numbers();
        let draft = self.draft(of, kind, self.at(kind)?)?.texts(Field::Direction, direction);
        told.push(draft.texts(Field::Customer, customer).texts(Field::Dialled, dialled).event()?);
        Ok(())
    }

    fn customer_end<'d>(&'d self, kind: &str, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let by = match self.parting() {
            Parting::Endpoint | Parting::Client => "caller",
            Parting::Peer => "agent",
            // The customer went on to another session of the same conversation.
            Parting::Transfer(_) | Parting::Untaken => return Ok(()),
            Parting::Timeout | Parting::System => "system",
        };
        told.push(self.draft(Type::CallEnded, kind, self.at(kind)?)?.text(Field::By, by).event()?);
        Ok(())
    }

    fn acd_start<'d>(&'d self, kind: &str, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let via = is_callback(self.media_type.name()).then_some("callback");
        let draft = self.queue(self.draft(Type::CallQueued, kind, self.at(kind)?)?).texts(Field::Via, via);
        let draft = draft.texts(Field::Direction, self.is_outbound().then_some("outbound"));
        let draft = draft.integers(Field::Priority, self.routing_priority.integer());
        told.push(draft.texts(Field::Customer, self.numbers().0).event()?);
        Ok(())
    }

    fn acd_end<'d>(&'d self, kind: &str, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let outcome = self.acd_outcome.name().unwrap_or("UNKNOWN");
        let reason = match (outcome, self.parting()) {
            ("ANSWERED", _) => {
                // Without the user it is told by that user's end.
                let Some(user) = &self.answered_user_id else { return Ok(()) };
                let draft = self.queue(self.draft(Type::CallAnswered, kind, self.at(kind)?)?);
                let draft = draft.text(Field::Agent, user.text());
                told.push(draft.integers(Field::WaitedMs, duration(&self.connected_duration_ms)).event()?);
                return Ok(());
            }
            ("ABANDON", _) => "abandoned",
            ("FLOW_OUT", _) => "overflow",
            (_, Parting::Peer | Parting::Client | Parting::Endpoint) => "abandoned",
            (_, Parting::Transfer(_) | Parting::Untaken) => return Ok(()),
            (_, Parting::Timeout) => "timeout",
            (_, Parting::System) => "system",
        };
        let draft = self.queue(self.draft(Type::CallLeftQueue, kind, self.at(kind)?)?).text(Field::Reason, reason);
        told.push(draft.integers(Field::WaitedMs, duration(&self.connected_duration_ms)).event()?);
        Ok(())
    }

    /// An event of the user's; none without a user is refused.
    fn of_user<'d>(&'d self, of: Type, kind: &str, at: EventTime) -> Result<Draft<'d>, Reject> {
        let user = self.user_id.as_ref().ok_or_else(|| missing(kind, "userId"))?;
        Ok(self.queue(self.draft(of, kind, at)?.text(Field::Agent, user.text())))
    }

    /// What a user began without being offered it is a call out or a consultation: which, only the whole says.
    fn user_start<'d>(&'d self, kind: &str, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        if !self.is_outbound() {
            told.push(self.of_user(Type::CallRinging, kind, self.at(kind)?)?.event()?);
        }
        Ok(())
    }

    fn user_end<'d>(&'d self, kind: &str, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let end = self.at(kind)?;
        let held = duration(&self.held_duration_ms).unwrap_or(0);
        let connected = duration(&self.interacting_duration_ms).unwrap_or(0) + held;
        if connected == 0 {
            if self.is_outbound() {
                return Ok(());
            }
            let reason = match self.parting() {
                Parting::Peer => "caller_left",
                Parting::Endpoint => "rejected",
                Parting::Client | Parting::Untaken | Parting::Transfer(_) | Parting::Timeout => "no_answer",
                Parting::System => "error",
            };
            told.push(self.of_user(Type::CallRingEnded, kind, end)?.text(Field::Reason, reason).event()?);
            return Ok(());
        }
        let answered = end.minus(Span(connected));
        told.push(self.of_user(Type::CallAnswered, kind, answered)?.event()?);
        if 0 < held {
            // Of the holds only the length is known: one stretch, at the beginning.
            told.push(self.of_user(Type::CallHeld, kind, answered)?.event()?);
            told.push(self.of_user(Type::CallResumed, kind, answered.plus(Span(held)))?.event()?);
        }
        match self.parting() {
            Parting::Transfer(how) => {
                let draft = self.of_user(Type::CallTransferred, kind, end)?.text(Field::Kind, how.word());
                told.push(draft.event()?);
            }
            // Past the queues there is no after-call work, which ends a connection otherwise.
            _ if self.queue_id.is_none() => told.push(self.of_user(Type::CallWrapupEnded, kind, end)?.event()?),
            _ => {}
        }
        Ok(())
    }

    fn acw<'d>(&'d self, kind: &str, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let end = self.at(kind)?;
        if let Some(length) = duration(&self.wrapup_duration_ms) {
            told.push(self.of_user(Type::CallWrapupStarted, kind, end.minus(Span(length)))?.event()?);
        }
        let draft = self.of_user(Type::CallWrapupEnded, kind, end)?;
        told.push(draft.texts(Field::Code, self.wrapup_code.name()).event()?);
        Ok(())
    }
}

fn duration(value: &Scalar<'_>) -> Option<i64> {
    value.integer().filter(|length| (0..=DURATION_MAX_MS).contains(length))
}
