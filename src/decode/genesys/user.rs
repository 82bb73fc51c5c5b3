//! User: an agent's presence and routing status as states.
//!
//! ```text
//! presence     Offline | Available, Busy, Break, ... | On Queue
//! routing      OFF_QUEUE                             | IDLE, INTERACTING, COMMUNICATING, NOT_RESPONDING
//! state        logged_out  paused                      available, on_call, on_call, paused
//! ```
//!
//! Source: the schemas of `v2.users.{id}.presence`, `.routingStatus` and `.activity`, in "Available topics" on
//! developer.genesys.cloud. Leaving the queues is told by the presence: a routing status of OFF_QUEUE may come after
//! the presence Offline, and would log the agent in again.

use crate::decode::document::{Name, Scalar, missing};
use crate::decode::draft::Draft;
use crate::decode::table::{Field, Type};
use crate::event::{Decoded, Reject};
use crate::time::EventTime;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User<'a> {
    #[serde(borrow)]
    presence: Option<Presence<'a>>,
    #[serde(borrow)]
    routing_status: Option<Routing<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Presence<'a> {
    #[serde(borrow)]
    presence_definition: Option<Definition<'a>>,
    primary: Option<bool>,
    #[serde(borrow, default)]
    modified_date: Scalar<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition<'a> {
    #[serde(borrow)]
    system_presence: Option<Name<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Routing<'a> {
    #[serde(borrow)]
    status: Option<Name<'a>>,
    #[serde(borrow, default)]
    start_time: Scalar<'a>,
}

/// A state and its reason; none where nothing is said of the state.
type State<'d> = (&'static str, Option<&'d str>);

impl Presence<'_> {
    /// Tells the state. A presence that is not the user's primary one is of another system, and says nothing.
    pub(super) fn tell<'d>(
        &'d self,
        user: &'d str,
        logged: Option<EventTime>,
        told: &mut Vec<Decoded<'d>>,
    ) -> Result<(), Reject> {
        let Some(state) = self.state()?.filter(|_| self.primary != Some(false)) else { return Ok(()) };
        let at = self.modified_date.time("modifiedDate")?.or(logged);
        told.push(event(user, at.ok_or_else(|| missing("a presence", "modifiedDate"))?, state)?);
        Ok(())
    }

    fn state(&self) -> Result<Option<State<'_>>, Reject> {
        let Some(word) = self.presence_definition.as_ref().and_then(|it| it.system_presence.as_ref()) else {
            return Err(missing("a presence", "presenceDefinition.systemPresence"));
        };
        let is = |plain: &str| {
            let letters = word.0.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase());
            letters.eq(plain.chars())
        };
        Ok(Some(match () {
            () if is("offline") => ("logged_out", None),
            () if is("onqueue") => ("available", None),
            () => ("paused", Some(&*word.0)),
        }))
    }
}

impl User<'_> {
    /// Tells the state that the routing status alone says.
    pub(super) fn tell_routing<'d>(
        &'d self,
        user: &'d str,
        logged: Option<EventTime>,
        told: &mut Vec<Decoded<'d>>,
    ) -> Result<(), Reject> {
        let routing = self.routing_status.as_ref().ok_or_else(|| missing("a routing status", "routingStatus"))?;
        // A call past the queues may be one of an agent who is off the queues: the presence holds.
        if routing.word()?.eq_ignore_ascii_case("COMMUNICATING") {
            return Ok(());
        }
        let Some(state) = routing.state()? else { return Ok(()) };
        let at = routing.start_time.time("startTime")?.or(logged);
        told.push(event(user, at.ok_or_else(|| missing("a routing status", "startTime"))?, state)?);
        Ok(())
    }

    /// Tells the state that presence and routing status say together, since the later of the two.
    pub(super) fn tell_activity<'d>(
        &'d self,
        user: &'d str,
        logged: Option<EventTime>,
        told: &mut Vec<Decoded<'d>>,
    ) -> Result<(), Reject> {
        let presence = match &self.presence {
            Some(presence) => presence.state()?,
            None => None,
        };
        let of_presence = self.presence.as_ref().map_or(Ok(None), |it| it.modified_date.time("modifiedDate"))?;
        let of_routing = self.routing_status.as_ref().map_or(Ok(None), |it| it.start_time.time("startTime"))?;
        let routing = match &self.routing_status {
            Some(routing) => routing.state()?,
            None => None,
        };
        let state = match (presence, routing) {
            (Some(out @ ("logged_out", _)), _) => out,
            (_, Some(state)) => state,
            (Some(state), None) => state,
            (None, None) => return Ok(()),
        };
        let at = of_presence.max(of_routing).or(logged);
        told.push(event(user, at.ok_or_else(|| missing("an activity", "modifiedDate"))?, state)?);
        Ok(())
    }
}

impl Routing<'_> {
    fn word(&self) -> Result<&str, Reject> {
        let word = self.status.as_ref().ok_or_else(|| missing("a routing status", "status"))?;
        Ok(&word.0)
    }

    fn state(&self) -> Result<Option<State<'_>>, Reject> {
        let word = self.word()?;
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        Ok(match () {
            () if is("IDLE") => Some(("available", None)),
            () if is("INTERACTING") || is("COMMUNICATING") => Some(("on_call", None)),
            () if is("NOT_RESPONDING") => Some(("paused", Some(word))),
            () => None,
        })
    }
}

fn event<'d>(user: &'d str, at: EventTime, (state, reason): State<'d>) -> Result<Decoded<'d>, Reject> {
    let draft = Draft::new(Type::AgentState, at).text(Field::Agent, user).text(Field::State, state);
    draft.texts(Field::Reason, reason).event()
}
