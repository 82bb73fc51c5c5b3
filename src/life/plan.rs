//! The plan: the few settings the fold reads. Its fingerprint stands in every batch, so that a change
//! of plan is visible and never silent.

use crate::entity::Kind;
use crate::fingerprint;
use crate::time::{EventTime, Span};
use std::collections::{BTreeMap, BTreeSet};

/// What decides to whom a call's facts are booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// A fact later than this after its call's queue entry books at the event only, and an event
    /// older than this before log time is late.
    pub late_horizon: Span,
    /// How far an event may lie after its own record.
    pub allowed_skew: Span,
    pub teams: Vec<Team>,
    /// Other names of an agent, to the agent.
    pub aliases: BTreeMap<String, String>,
    /// Whether agents are also counted within each queue.
    pub queue_agent: bool,
    /// Kinds that are also counted per channel.
    pub by_channel: BTreeSet<Kind>,
}

/// A team: the visits of its queues, and the connections of its members (or, if it lists none, of
/// its queues).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Team {
    pub name: String,
    pub queues: BTreeSet<String>,
    pub members: Vec<Member>,
}

/// An agent's membership in `[from, until)`; an open end has no bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub agent: String,
    pub from: Option<EventTime>,
    pub until: Option<EventTime>,
}

impl Plan {
    /// A plan with no teams, aliases or further entities.
    pub fn plain(late_horizon: Span, allowed_skew: Span) -> Plan {
        Plan {
            late_horizon,
            allowed_skew,
            teams: Vec::new(),
            aliases: BTreeMap::new(),
            queue_agent: false,
            by_channel: BTreeSet::new(),
        }
    }

    /// The agent behind a name.
    pub fn agent<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }

    /// Equal for equal plans, on every machine and version of the compiler (FNV-1a over the plan
    /// written out).
    pub fn fingerprint(&self) -> u64 {
        fingerprint::of(self)
    }
}

impl Team {
    /// Whether the agent belongs to the team at this instant.
    pub fn has_member(&self, agent: &str, at: EventTime) -> bool {
        self.members.iter().any(|member| {
            member.agent == agent
                && member.from.is_none_or(|from| from <= at)
                && member.until.is_none_or(|until| at < until)
        })
    }
}
