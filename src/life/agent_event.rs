//! An agent's own event: what `agent.*` says, as it is ordered, compared and kept.
//!
//! The order of fields is the order within an agent: time, `seq`, the contract's order of types, content.
//! Equal events are one.

use crate::event::{AgentState, Event, Text, What};
use crate::time::{EventTime, Span};

/// For so long a name (an `event_id`, else source and `seq`) means one event of an agent: after that a
/// source that counts from 1 again is believed.
pub const NAMES_HOLD: Span = Span::from_hours(24);

/// The longest text of a reason, in bytes; what is longer is cut.
const REASON_MAX: usize = 100;

/// One event of an agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentEvent {
    pub at: EventTime,
    pub seq: Option<i64>,
    pub says: Says,
    pub event_id: Option<Box<str>>,
    pub queue: Option<Box<str>>,
    pub reason: Option<Box<str>>,
    /// What it says that means nothing for the agent's time, so that equal events are equal.
    pub rest: Vec<Option<Box<str>>>,
    /// Who says so; empty means the input's own name, or an event that nothing names.
    pub source: Box<str>,
}

/// What an agent's event says, in the contract's order of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Says {
    /// The state until the next one; of one queue only, where the event names one.
    State(AgentState),
    /// Works for the queue from now on.
    Joined,
    Left,
}

/// What names an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name<'e> {
    Id(&'e str),
    Seq(&'e str, i64),
}

impl AgentEvent {
    /// The agent's event that an event is; none of any other. `source` is empty where it named none.
    pub fn of(event: &Event<'_>, source: &str) -> Option<AgentEvent> {
        let (says, reason) = match &event.what {
            What::AgentState { state, reason } => (Says::State(*state), reason.as_deref()),
            What::AgentJoined => (Says::Joined, None),
            What::AgentLeft => (Says::Left, None),
            _ => return None,
        };
        let text = |text: &Option<Text<'_>>| text.as_deref().map(Box::from);
        let words = [event.channel.word(), event.direction.word()].map(|word| Some(Box::from(word)));
        let rest = [text(&event.root_id), text(&event.customer), text(&event.call_id)].into_iter().chain(words);
        let is_named = event.event_id.is_some() || event.seq.is_some();
        Some(AgentEvent {
            at: event.time,
            seq: event.seq,
            says,
            event_id: text(&event.event_id),
            queue: text(&event.queue),
            reason: reason.map(|reason| cut(reason).into()),
            rest: rest.collect(),
            source: Box::from(if is_named { source } else { "" }),
        })
    }

    /// What names the event: its id, else source and `seq`; none if it has neither.
    pub fn name(&self) -> Option<Name<'_>> {
        match (&self.event_id, self.seq) {
            (Some(id), _) => Some(Name::Id(id)),
            (None, Some(seq)) => Some(Name::Seq(&self.source, seq)),
            (None, None) => None,
        }
    }
}

/// The longest beginning of whole characters within [`REASON_MAX`].
fn cut(reason: &str) -> &str {
    let end = (0..=reason.len().min(REASON_MAX)).rev().find(|end| reason.is_char_boundary(*end));
    &reason[..end.unwrap_or(0)]
}

impl Says {
    /// The number on the wire.
    pub fn code(self) -> u32 {
        match self {
            Says::State(state) => state as u32,
            Says::Joined => AgentState::ALL.len() as u32,
            Says::Left => AgentState::ALL.len() as u32 + 1,
        }
    }

    pub fn from_code(code: u32) -> Option<Says> {
        let states = AgentState::ALL.len() as u32;
        match code.checked_sub(states) {
            None => Some(Says::State(AgentState::ALL[code as usize])),
            Some(0) => Some(Says::Joined),
            Some(1) => Some(Says::Left),
            Some(_) => None,
        }
    }
}
