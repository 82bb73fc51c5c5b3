//! Analytics: a conversation detail record, as the details query and the details jobs answer it.
//!
//! Source: Genesys' `AnalyticsConversation`, `AnalyticsParticipant`, `AnalyticsSession`, `AnalyticsConversationSegment`
//! and `AnalyticsSessionMetric` (developer.genesys.cloud, "Analytics / Conversation details").

use super::stay::{Conversation, Parting, Party, Stay, Verdict, Wrapup, first_number, is_beside, is_outbound};
use crate::decode::document::{Name, Scalar, missing};
use crate::event::{Direction, Reject};
use crate::time::EventTime;
use serde::Deserialize;

/// One conversation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    #[serde(borrow)]
    pub(super) conversation_id: Option<Name<'a>>,
    #[serde(borrow, default)]
    pub(super) conversation_end: Scalar<'a>,
    #[serde(borrow)]
    pub(super) originating_direction: Option<Name<'a>>,
    #[serde(borrow)]
    pub(super) participants: Option<Vec<Participant<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Participant<'a> {
    #[serde(borrow)]
    purpose: Option<Name<'a>>,
    #[serde(borrow)]
    user_id: Option<Name<'a>>,
    #[serde(borrow)]
    sessions: Option<Vec<Session<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session<'a> {
    #[serde(borrow)]
    media_type: Option<Name<'a>>,
    #[serde(borrow)]
    direction: Option<Name<'a>>,
    #[serde(borrow, default)]
    ani: Scalar<'a>,
    #[serde(borrow, default)]
    dnis: Scalar<'a>,
    #[serde(borrow, default)]
    address_from: Scalar<'a>,
    #[serde(borrow, default)]
    address_to: Scalar<'a>,
    #[serde(borrow)]
    metrics: Option<Vec<Metric<'a>>>,
    #[serde(borrow)]
    segments: Option<Vec<Segment<'a>>>,
}

#[derive(Deserialize)]
struct Metric<'a> {
    #[serde(borrow)]
    name: Option<Name<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Segment<'a> {
    #[serde(borrow, default)]
    segment_start: Scalar<'a>,
    #[serde(borrow, default)]
    segment_end: Scalar<'a>,
    #[serde(borrow)]
    segment_type: Option<Name<'a>>,
    #[serde(borrow)]
    queue_id: Option<Name<'a>>,
    #[serde(borrow)]
    disconnect_type: Option<Name<'a>>,
    #[serde(borrow)]
    wrap_up_code: Option<Name<'a>>,
}

/// A segment with its times read.
struct Stretch<'d, 'a> {
    start: EventTime,
    end: Option<EventTime>,
    kind: &'d str,
    segment: &'d Segment<'a>,
}

impl Document<'_> {
    pub(super) fn conversation(&self) -> Result<Conversation<'_>, Reject> {
        let id = self.conversation_id.as_ref().filter(|id| !id.0.is_empty());
        let id = id.ok_or_else(|| missing("a conversation", "conversationId"))?;
        let end = self.conversation_end.time("conversationEnd")?;
        let is_outbound = is_outbound(self.originating_direction.as_ref().map(|name| &*name.0));
        let direction = is_outbound.map(|is| if is { Direction::Outbound } else { Direction::Inbound });
        let mut stays = Vec::new();
        for (place, participant) in self.participants.iter().flatten().enumerate() {
            for session in participant.sessions.iter().flatten() {
                let stay = session.stay(participant, end.is_some())?;
                stays.extend(stay.map(|stay| Stay { participant: place, ..stay }));
            }
        }
        Ok(Conversation { id: id.text(), direction, end, stays })
    }
}

impl<'a> Session<'a> {
    /// What the session comes to; none if it is no part of the conversation itself, or has not begun.
    fn stay<'d>(&'d self, participant: &'d Participant<'a>, is_over: bool) -> Result<Option<Stay<'d>>, Reject> {
        let media = word(&self.media_type);
        if is_beside(media) {
            return Ok(None);
        }
        let mut stretches = self.stretches()?;
        stretches.sort_by_key(|stretch| stretch.start);
        // Who listens in, whispers or barges in takes no part in the call's own connections.
        if stretches.iter().any(|stretch| matches!(stretch.kind, "monitoring" | "coaching" | "barging")) {
            return Ok(None);
        }
        let (work, own): (Vec<_>, Vec<_>) = stretches.into_iter().partition(|stretch| stretch.kind == "wrapup");
        let Some(first) = own.first() else { return Ok(None) };
        let begins = |kinds: &[&str]| own.iter().find(|stretch| kinds.contains(&stretch.kind)).map(|it| it.start);
        let holds = own.iter().filter(|stretch| stretch.kind == "hold").map(|hold| (hold.start, hold.end));
        let wrapup = work.first().map(|first| Wrapup {
            start: first.start,
            end: work.last().and_then(|last| last.end),
            code: work.iter().rev().find_map(|work| word(&work.segment.wrap_up_code)),
        });
        let parting = own.last().and_then(|last| word(&last.segment.disconnect_type)).map(Parting::of);
        // Between two segments of a session that goes on, all that is told is over, too.
        let is_over = is_over || parting.is_some() || wrapup.is_some();
        let end = match own.iter().map(|stretch| stretch.end).collect::<Option<Vec<EventTime>>>() {
            Some(ends) if is_over => ends.into_iter().max(),
            _ => None,
        };
        Ok(Some(Stay {
            party: Party::of(word(&participant.purpose)),
            participant: 0,
            media,
            is_outbound: is_outbound(word(&self.direction)),
            user: word(&participant.user_id),
            queue: own.iter().find_map(|stretch| word(&stretch.segment.queue_id)),
            from: first_number(&[&self.ani, &self.address_from]),
            to: first_number(&[&self.dnis, &self.address_to]),
            start: first.start,
            alert: begins(&["alert"]),
            dialled: begins(&["dialing", "contacting"]),
            connected: begins(&["interact", "hold"]),
            holds: holds.collect(),
            end: end.map(|end| (end, parting.unwrap_or(Parting::System))),
            verdict: self.verdict(),
            wrapup,
        }))
    }

    fn stretches<'d>(&'d self) -> Result<Vec<Stretch<'d, 'a>>, Reject> {
        let segments = self.segments.iter().flatten();
        let stretches = segments.map(|segment| {
            let start = segment.segment_start.time("segmentStart")?;
            Ok(Stretch {
                start: start.ok_or_else(|| missing("a segment", "segmentStart"))?,
                end: segment.segment_end.time("segmentEnd")?,
                kind: word(&segment.segment_type).unwrap_or_default(),
                segment,
            })
        });
        stretches.collect()
    }

    fn verdict(&self) -> Option<Verdict> {
        self.metrics.iter().flatten().find_map(|metric| match word(&metric.name)? {
            "tAbandon" => Some(Verdict::Abandoned),
            "tFlowOut" => Some(Verdict::FlowedOut),
            _ => None,
        })
    }
}

/// The text of a field that is there, and not empty.
fn word<'d>(name: &'d Option<Name<'_>>) -> Option<&'d str> {
    name.as_ref().map(|name| &*name.0).filter(|text| !text.is_empty())
}
