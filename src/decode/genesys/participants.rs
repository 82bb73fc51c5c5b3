//! Participants: a conversation as the notifications of users and queues show it, again at each of its changes.
//!
//! Source: the schemas of `v2.users.{id}.conversations` and `v2.routing.queues.{id}.conversations` (participants with
//! lists of calls, chats, ...) and of `...conversations.calls` and its like (participants with one medium each), in
//! "Available topics" on developer.genesys.cloud.

use super::stay::{Conversation, Parting, Party, Stay, Wrapup, first_number, is_outbound};
use crate::decode::document::{Name, Scalar, missing};
use crate::event::Reject;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Document<'a> {
    #[serde(borrow)]
    id: Option<Name<'a>>,
    #[serde(borrow)]
    participants: Option<Vec<Participant<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Participant<'a> {
    #[serde(borrow)]
    purpose: Option<Name<'a>>,
    #[serde(borrow)]
    user_id: Option<Name<'a>>,
    #[serde(borrow)]
    queue_id: Option<Name<'a>>,
    #[serde(borrow)]
    user: Option<Reference<'a>>,
    #[serde(borrow)]
    queue: Option<Reference<'a>>,
    #[serde(borrow, default)]
    address: Scalar<'a>,
    #[serde(borrow, default)]
    ani: Scalar<'a>,
    #[serde(borrow, default)]
    dnis: Scalar<'a>,
    #[serde(borrow, default)]
    start_time: Scalar<'a>,
    #[serde(borrow, default)]
    connected_time: Scalar<'a>,
    #[serde(borrow, default)]
    end_time: Scalar<'a>,
    #[serde(borrow)]
    direction: Option<Name<'a>>,
    #[serde(borrow)]
    disconnect_type: Option<Name<'a>>,
    #[serde(borrow, default)]
    start_acw_time: Scalar<'a>,
    #[serde(borrow, default)]
    end_acw_time: Scalar<'a>,
    #[serde(borrow)]
    wrapup: Option<Code<'a>>,
    #[serde(borrow)]
    monitored_participant_id: Option<Name<'a>>,
    #[serde(borrow)]
    coached_participant_id: Option<Name<'a>>,
    #[serde(borrow)]
    barged_participant_id: Option<Name<'a>>,
    #[serde(borrow)]
    calls: Option<Vec<Medium<'a>>>,
    #[serde(borrow)]
    callbacks: Option<Vec<Medium<'a>>>,
    #[serde(borrow)]
    chats: Option<Vec<Medium<'a>>>,
    #[serde(borrow)]
    emails: Option<Vec<Medium<'a>>>,
    #[serde(borrow)]
    messages: Option<Vec<Medium<'a>>>,
}

#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(borrow)]
    id: Option<Name<'a>>,
}

#[derive(Deserialize)]
struct Code<'a> {
    #[serde(borrow)]
    code: Option<Name<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Medium<'a> {
    #[serde(borrow)]
    direction: Option<Name<'a>>,
    #[serde(borrow, default)]
    connected_time: Scalar<'a>,
    #[serde(borrow, default)]
    disconnected_time: Scalar<'a>,
    #[serde(borrow)]
    disconnect_type: Option<Name<'a>>,
}

impl Document<'_> {
    /// The conversation; `media` is what the topic is of, none if the participants say it themselves.
    pub(super) fn conversation<'d>(&'d self, media: Option<&'d str>) -> Result<Conversation<'d>, Reject> {
        let id = self.id.as_ref().filter(|id| !id.0.is_empty());
        let id = id.ok_or_else(|| missing("a conversation", "id"))?;
        let mut stays = Vec::new();
        for (place, participant) in self.participants.iter().flatten().enumerate() {
            let is_beside = participant.monitored_participant_id.is_some()
                || participant.coached_participant_id.is_some()
                || participant.barged_participant_id.is_some();
            if !is_beside {
                participant.stays(place, media, &mut stays)?;
            }
        }
        Ok(Conversation { id: id.text(), direction: None, end: None, stays })
    }
}

impl<'a> Participant<'a> {
    fn stays<'d>(&'d self, place: usize, media: Option<&'d str>, into: &mut Vec<Stay<'d>>) -> Result<(), Reject> {
        let lists = [
            ("voice", &self.calls),
            ("callback", &self.callbacks),
            ("chat", &self.chats),
            ("email", &self.emails),
            ("message", &self.messages),
        ];
        let mut is_listed = false;
        for (media, list) in lists {
            for medium in list.iter().flatten() {
                is_listed = true;
                into.extend(self.stay(place, Some(media), Some(medium))?);
            }
        }
        if !is_listed {
            into.extend(self.stay(place, media, None)?);
        }
        Ok(())
    }

    /// The stay in one medium, or in the only one; none if it has no time yet.
    fn stay<'d>(
        &'d self,
        place: usize,
        media: Option<&'d str>,
        medium: Option<&'d Medium<'a>>,
    ) -> Result<Option<Stay<'d>>, Reject> {
        let party = Party::of(word(&self.purpose));
        let since = self.start_time.time("startTime")?;
        let own = self.connected_time.time("connectedTime")?;
        let of_medium = medium.map_or(Ok(None), |medium| medium.connected_time.time("connectedTime"))?;
        let connected = match (party, medium) {
            // A user that is offered a call may have joined the conversation without having taken it.
            (Party::User, Some(_)) => of_medium,
            _ => of_medium.or(own),
        };
        let Some(start) = [since, own, connected].into_iter().flatten().min() else { return Ok(None) };
        let ended = medium.map_or(Ok(None), |medium| medium.disconnected_time.time("disconnectedTime"))?;
        let ended = ended.or(self.end_time.time("endTime")?);
        let parting = medium.and_then(|medium| word(&medium.disconnect_type)).or(word(&self.disconnect_type));
        let direction = medium.and_then(|medium| word(&medium.direction)).or(word(&self.direction));
        let is_outbound = is_outbound(direction);
        let work = self.start_acw_time.time("startAcwTime")?;
        let wrapup = match work {
            Some(start) => Some(Wrapup {
                start,
                end: self.end_acw_time.time("endAcwTime")?,
                code: self.wrapup.as_ref().and_then(|wrapup| word(&wrapup.code)),
            }),
            None => None,
        };
        Ok(Some(Stay {
            party,
            participant: place,
            media,
            is_outbound,
            user: word(&self.user_id).or_else(|| word(&self.user.as_ref()?.id)),
            queue: word(&self.queue_id).or_else(|| word(&self.queue.as_ref()?.id)),
            from: first_number(&[&self.ani, &self.address]),
            to: first_number(&[&self.dnis]),
            start,
            alert: since.filter(|_| is_outbound != Some(true)),
            dialled: since.filter(|_| is_outbound == Some(true)),
            connected,
            holds: Vec::new(),
            end: ended.map(|end| (end, parting.map_or(Parting::System, Parting::of))),
            verdict: None,
            wrapup,
        }))
    }
}

/// The text of a field that is there, and not empty.
fn word<'d>(name: &'d Option<Name<'_>>) -> Option<&'d str> {
    name.as_ref().map(|name| &*name.0).filter(|text| !text.is_empty())
}
