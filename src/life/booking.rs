//! A booking: one signed fact of a call, and to whom it goes.
//!
//! The fold speaks of a queue and an agent by the names in the call's log; `routes` turns a booking
//! into entities.

use super::time_line::Part;
use crate::event::Channel;
use crate::fact::Key;
use crate::time::EventTime;

/// One signed fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booking<'a> {
    pub to: To,
    pub queue: Option<&'a str>,
    /// The agent, by its own name.
    pub agent: Option<&'a str>,
    /// That of the life it belongs to: an id that is used again may come on another one.
    pub channel: Channel,
    /// When it happened.
    pub at: EventTime,
    /// When its call entered the queue, if it is also booked there.
    pub entry: Option<EventTime>,
    /// When the agent's part began: a team's dated members are looked up at it.
    pub since: EventTime,
    pub what: What,
    pub amount: i64,
}

/// What is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A measure or a cell: at the event, and by entry where there is one.
    Fact(Key),
    /// A measure of by-entry intervals only.
    EntryFact(Key),
    /// A call that waits since `at`.
    Waiting,
    /// A part of a call that begins or ends at `at`, for the agent's time line alone.
    Part(Part),
}

/// The kinds of entity that get a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct To(u8);

impl To {
    pub const TENANT: To = To(1);
    pub const QUEUE: To = To(2);
    /// The agent, over all queues.
    pub const AGENT: To = To(4);
    /// The teams the queue belongs to.
    pub const TEAM_OF_QUEUE: To = To(8);
    /// The teams the agent was a member of at `since`; of teams without members, those of the queue.
    pub const TEAM_OF_AGENT: To = To(16);
    /// The agent in the queue.
    pub const PAIR: To = To(32);

    /// What happens to a visit.
    pub const VISIT: To = To(1 | 2 | 8);
    /// An answer: it ends a visit and belongs to the agent too.
    pub const ANSWER: To = To(1 | 2 | 4 | 8 | 32);
    /// What happens between a call and an agent.
    pub const CONNECTION: To = To(1 | 2 | 4 | 16 | 32);
    /// As a connection, but not for the agent alone.
    pub const CONNECTION_WITHOUT_AGENT: To = To(1 | 2 | 16);
    /// A transfer to an agent, past the queue.
    pub const DIRECT: To = To(1 | 4 | 16 | 32);
    /// What is the agent's own: over all queues and in the queue.
    pub const AGENT_AND_PAIR: To = To(4 | 32);

    pub const fn has(self, other: To) -> bool {
        self.0 & other.0 == other.0
    }
}
