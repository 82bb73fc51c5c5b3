//! A call of the simulated centre, as the centre knows it.

use crate::event::{Channel, Direction};
use crate::time::EventTime;

/// One contact: in the menu, waiting, ringing, connected, or over with an agent still in wrap-up.
pub(super) struct Call {
    pub id: String,
    /// The call this one calls back for.
    pub root_id: Option<String>,
    pub channel: Channel,
    pub direction: Direction,
    /// The customer's number among all.
    pub customer: Option<u64>,
    pub visit: Option<Visit>,
    /// How many visits began; it tells a timer of an earlier one.
    pub visits: u32,
    /// When the latest visit began: what comes after books there.
    pub entry: Option<EventTime>,
    pub ring: Option<Ring>,
    pub rings: u32,
    pub legs: Vec<Leg>,
    pub transfers: u32,
    /// The agent who dialled and hears it ring at the other end, and the queue it is for.
    pub dialling: Option<(usize, Option<usize>)>,
    /// The agent who calls a colleague.
    pub caller: Option<usize>,
    pub is_over: bool,
    pub wrapups: u32,
}

/// A stay in a queue.
#[derive(Clone, Copy)]
pub(super) struct Visit {
    pub number: u32,
    pub queue: usize,
    pub entered: EventTime,
    pub is_callback: bool,
    pub is_transferred: bool,
    /// False for the moment after an offer came to nothing.
    pub is_routable: bool,
}

/// An offer to an agent.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    pub number: u32,
    pub agent: usize,
    pub why: RingWhy,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RingWhy {
    /// Out of a queue.
    Queue,
    /// Handed on by an agent, for the queue of the connection before.
    Transfer,
    /// As `Transfer`, while the first agent stays.
    Conference,
    /// A colleague calls.
    Internal,
}

/// One agent's connection.
pub(super) struct Leg {
    pub agent: usize,
    pub queue: Option<usize>,
    pub entry: Option<EventTime>,
    pub began: EventTime,
    pub held_since: Option<EventTime>,
    pub hold_ms: i64,
    pub was_held: bool,
    /// Talk still to come after the hold that is under way.
    pub talk_left: i64,
    pub is_open: bool,
    pub wrapup_since: Option<EventTime>,
    pub code: &'static str,
    pub resolved: bool,
}

impl Call {
    pub(super) fn new(id: String, channel: Channel, direction: Direction, customer: Option<u64>) -> Call {
        Call {
            id,
            root_id: None,
            channel,
            direction,
            customer,
            visit: None,
            visits: 0,
            entry: None,
            ring: None,
            rings: 0,
            legs: Vec::new(),
            transfers: 0,
            dialling: None,
            caller: None,
            is_over: false,
            wrapups: 0,
        }
    }

    /// The queue an offer rings for: that of the open visit.
    pub(super) fn visit_queue(&self) -> Option<usize> {
        self.visit.map(|visit| visit.queue)
    }
}
