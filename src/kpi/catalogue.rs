//! The catalogue: every count and KPI this version publishes, defined once.
//!
//! Records are made from it, and docs/kpis.md is written from it.

use super::record::Kpi;
use super::view::{View, WindowKind};
use super::{agents, concurrency, handling, offers, service_level, visits, waits};
use crate::entity::Kind;
use crate::fact::{Measure, Standing};

/// One KPI.
pub struct Definition {
    /// The public name.
    pub id: &'static str,
    /// Terms, with signs, numbers and parentheses between them. The wallboard has each term in its languages.
    pub formula: &'static str,
    /// `ratio` (0..1, without a unit in the record), `s`, `calls`, `per_call` or `per_hour`.
    pub unit: &'static str,
    pub kinds: &'static [Kind],
    pub windows: Windows,
    pub better: Better,
    pub made_of: MadeOf,
    pub note: &'static str,
    pub value: fn(&View<'_>) -> Kpi,
}

/// In which windows a KPI stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// Sliding windows, intervals with their by-entry part, and `total`.
    Facts,
    /// As [`Windows::Facts`], without the by-entry part.
    AtTheEvent,
    /// `now` alone.
    Now,
    FactsAndNow,
    /// As [`Windows::AtTheEvent`], of what has agents: over all channels, and not within a queue.
    OfAgents,
    /// `now` alone, of the same.
    NowOfAgents,
}

/// What has to happen for a KPI to change, beside that time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeOf {
    /// Calls that leave a queue, in whatever way.
    WhatLeft,
    /// How long those waited: of answered ones some sources tell when the call is over.
    WaitsOfWhatLeft,
    /// Calls that are answered or give up, and no others make it worse.
    AnsweredOrAbandoned,
    /// How long those waited that were answered.
    WaitsOfAnswered,
    /// The same, and with some formulas calls that flow out or wait.
    ServiceLevel,
    /// What agents do with calls, and decline.
    WhatIsHandled,
    /// Whatever happens to calls.
    Calls,
    /// The time of agents who are logged in: it passes.
    Time,
}

/// Which way a target is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
}

/// One count or sum, as the records name it.
pub struct Counted {
    pub name: &'static str,
    /// Its id where KPIs are named, as in targets, and which way a target is met. None of what is no one number.
    pub wanted: Option<(&'static str, Better)>,
    pub kinds: &'static [Kind],
    pub what: What,
    pub note: &'static str,
}

/// What a count is made of.
#[derive(Clone, Copy)]
pub enum What {
    Measure(Measure),
    /// Abandons within the short-abandon limit of the settings.
    ShortAbandoned,
    /// One number for each reason or kind that occurred.
    By(&'static [(&'static str, Measure)]),
    /// Time in any state of an agent who is logged in.
    Login,
    /// Time in one.
    Time(Standing),
}

impl Windows {
    /// Whether it is of what has agents.
    pub const fn are_of_agents(self) -> bool {
        matches!(self, Windows::OfAgents | Windows::NowOfAgents)
    }
}

const VISITED: &[Kind] = &[Kind::Queue, Kind::Team, Kind::Tenant];
const WITH_CALLS: &[Kind] = &[Kind::Queue, Kind::Agent, Kind::Team, Kind::Tenant, Kind::QueueAgent];
const TENANT: &[Kind] = &[Kind::Tenant];
const WITH_AGENTS: &[Kind] = &[Kind::Queue, Kind::Agent, Kind::Team, Kind::Tenant];
const AGENT_AND_TEAM: &[Kind] = &[Kind::Agent, Kind::Team];

#[rustfmt::skip]
macro_rules! made_of {
    ($id:ident in handling) => { MadeOf::WhatIsHandled };
    ($id:ident in offers) => { MadeOf::WhatIsHandled };
    ($id:ident in agents) => { MadeOf::Time };
    ($id:ident in concurrency) => { MadeOf::Calls };
    ($id:ident in service_level) => { MadeOf::ServiceLevel };
    (calls_missed in visits) => { MadeOf::Calls };
    (answer_rate_of_arrived in visits) => { MadeOf::Calls };
    (answer_rate in visits) => { MadeOf::WhatLeft };
    (flow_out_rate in visits) => { MadeOf::WhatLeft };
    ($abandonment:ident in visits) => { MadeOf::AnsweredOrAbandoned };
    (average_time_to_abandon in waits) => { MadeOf::AnsweredOrAbandoned };
    (average_speed_of_answer in waits) => { MadeOf::WaitsOfAnswered };
    (average_speed_of_answer_from_arrival in waits) => { MadeOf::WaitsOfAnswered };
    ($of_all_that_left:ident in waits) => { MadeOf::WaitsOfWhatLeft };
}

macro_rules! kpi {
    ($id:ident in $module:ident, $unit:literal, $kinds:expr, $windows:ident, $better:ident, $formula:literal, $note:literal) => {
        Definition {
            id: stringify!($id),
            formula: $formula,
            unit: $unit,
            kinds: $kinds,
            windows: Windows::$windows,
            better: Better::$better,
            made_of: made_of!($id in $module),
            note: $note,
            value: $module::$id,
        }
    };
}

/// Every KPI, in the order of records.
#[rustfmt::skip]
pub const KPIS: &[Definition] = &[
    kpi!(service_level in service_level, "ratio", VISITED, FactsAndNow, Higher, "by the formula of the settings, see Service level", "in `now` only with the formula `waiting_now`"),
    kpi!(average_speed_of_answer in waits, "s", WITH_CALLS, Facts, Lower, "sum of waits of A / A", "ASA; wait from queue entry to answer"),
    kpi!(average_speed_of_answer_from_arrival in waits, "s", WITH_CALLS, Facts, Lower, "sum of (first answer - arrival) / calls answered since their arrival", "only calls with `call.arrived`; the first answer of a call counts"),
    kpi!(abandonment_rate in visits, "ratio", VISITED, Facts, Lower, "(B - Bs) / (L - Bs)", "short abandons are left out of both sides"),
    kpi!(abandonment_rate_all in visits, "ratio", VISITED, Facts, Lower, "B / L", ""),
    kpi!(abandonment_rate_answered_plus_abandoned in visits, "ratio", VISITED, Facts, Lower, "B / (A + B)", ""),
    kpi!(short_abandonment_rate in visits, "ratio", VISITED, Facts, Lower, "Bs / L", ""),
    kpi!(answer_rate in visits, "ratio", VISITED, Facts, Higher, "A / L", ""),
    kpi!(answer_rate_of_arrived in visits, "ratio", TENANT, AtTheEvent, Higher, "arrived calls answered at least once / arrived calls answered or ended", "both sides book when the call's fate is decided, so that the share stays within 0..1 in every window"),
    kpi!(flow_out_rate in visits, "ratio", VISITED, Facts, Lower, "F / L", ""),
    kpi!(calls_missed in visits, "calls", VISITED, Facts, Lower, "B + F - C + blocked", ""),
    kpi!(average_wait in waits, "s", VISITED, Facts, Lower, "sum of waits of L / L", "over all that left"),
    kpi!(average_time_to_abandon in waits, "s", VISITED, Facts, Higher, "sum of waits of B / B", ""),
    kpi!(longest_wait in waits, "s", VISITED, FactsAndNow, Lower, "upper edge of the highest cell of the waits of L", "in `now`: how long the call that waits longest has waited, exactly"),
    kpi!(wait_p50 in waits, "s", VISITED, Facts, Lower, "median wait of L", "nearest rank, upper edge of its cell"),
    kpi!(wait_p90 in waits, "s", VISITED, Facts, Lower, "90th percentile wait of L", ""),
    kpi!(wait_p95 in waits, "s", VISITED, Facts, Lower, "95th percentile wait of L", ""),
    kpi!(wait_p99 in waits, "s", VISITED, Facts, Lower, "99th percentile wait of L", ""),
    kpi!(average_handle_time in handling, "s", WITH_CALLS, Facts, Lower, "(talk + hold + wrap-up booked in the window) / H", "AHT; inbound; per call exact in the by-entry part"),
    kpi!(average_handle_time_all in handling, "s", WITH_CALLS, Facts, Lower, "as average_handle_time, of every direction", ""),
    kpi!(average_call_time in handling, "s", WITH_CALLS, Facts, Lower, "(talk + hold) / H", "connected time; inbound; not the speed of answer"),
    kpi!(average_talk_time in handling, "s", WITH_CALLS, Facts, Lower, "talk / H", "inbound"),
    kpi!(average_hold_time in handling, "s", WITH_CALLS, Facts, Lower, "hold / connections that were held", "inbound"),
    kpi!(average_hold_time_all in handling, "s", WITH_CALLS, Facts, Lower, "hold / H", "inbound"),
    kpi!(average_wrapup_time in handling, "s", WITH_CALLS, Facts, Lower, "wrap-up / H", "inbound"),
    kpi!(call_time_p50 in handling, "s", WITH_CALLS, Facts, Lower, "median connected time", "inbound; nearest rank, upper edge of its cell"),
    kpi!(call_time_p90 in handling, "s", WITH_CALLS, Facts, Lower, "90th percentile connected time", "inbound"),
    kpi!(handle_p50 in handling, "s", WITH_CALLS, Facts, Lower, "median handle time", "inbound; books when the connection ended, or at the end of its wrap-up"),
    kpi!(handle_p90 in handling, "s", WITH_CALLS, Facts, Lower, "90th percentile handle time", "inbound"),
    kpi!(handle_p95 in handling, "s", WITH_CALLS, Facts, Lower, "95th percentile handle time", "inbound"),
    kpi!(handle_p99 in handling, "s", WITH_CALLS, Facts, Lower, "99th percentile handle time", "inbound"),
    kpi!(transfer_rate in handling, "ratio", WITH_CALLS, Facts, Lower, "connections ended by a transfer / H", "a conference ends none"),
    kpi!(transfers_per_call in handling, "per_call", WITH_CALLS, Facts, Lower, "transfers / calls with a connection that ended", "for the tenant a leg that names another call as `root_id` is no further call"),
    kpi!(ring_no_answer_all in offers, "calls", WITH_CALLS, Facts, Lower, "ring_no_answer + ring_caller_left", ""),
    kpi!(agent_answer_rate in offers, "ratio", WITH_CALLS, Facts, Higher, "offers that ended in an answer / offers that ended", "an offer ends by its answer, by `call.ring_ended`, or with the visit"),
    kpi!(occupancy in agents, "ratio", WITH_AGENTS, OfAgents, Higher, "handling / (handling + available)", "time of agents; of a queue those who work for it, whatever they handle, so that queues do not add up"),
    kpi!(occupancy_of_login in agents, "ratio", WITH_AGENTS, OfAgents, Higher, "handling / login", ""),
    kpi!(availability in agents, "ratio", AGENT_AND_TEAM, OfAgents, Higher, "available / login", ""),
    kpi!(utilization in agents, "ratio", AGENT_AND_TEAM, OfAgents, Higher, "handling / scheduled paid time", "no value without a schedule, which this version does not read"),
    kpi!(login_time in agents, "s", AGENT_AND_TEAM, OfAgents, Higher, "login", "an agent is logged in by its own word, and while a call is handled or rings"),
    kpi!(contacts_per_hour in agents, "per_hour", AGENT_AND_TEAM, OfAgents, Higher, "H * 3,600,000 / login in milliseconds", ""),
    kpi!(contacts_per_hour_clock in agents, "per_hour", AGENT_AND_TEAM, OfAgents, Higher, "H * 3,600,000 / milliseconds of the window so far", "no value in `total`, which has no beginning"),
    kpi!(contacts_per_hour_productive in agents, "per_hour", AGENT_AND_TEAM, OfAgents, Higher, "H * 3,600,000 / (login in milliseconds - paused in milliseconds)", ""),
    kpi!(concurrent_calls_max in concurrency, "calls", VISITED, AtTheEvent, Lower, "highest number of calls in a queue or connected at once", "at second boundaries `[start, end)`"),
    kpi!(concurrent_calls_now in concurrency, "calls", VISITED, Now, Lower, "waiting + talking + on hold", ""),
    kpi!(expected_wait in agents, "s", VISITED, NowOfAgents, Lower, "(waiting + 1 - available) * average_handle_time / (handling + ringing + available)", "of a call that entered now; 0 where more agents are available than calls wait; handle time of the longest sliding window, else of `total`; no value without agents who work for the queue"),
];

/// Every count, in the order of records.
#[rustfmt::skip]
pub const COUNTS: &[Counted] = &[
    Counted { name: "offered", wanted: Some(("calls_offered", Better::Higher)), kinds: VISITED, what: What::Measure(Measure::Offered), note: "O: entered the queue; inbound, no callbacks" },
    Counted { name: "answered", wanted: Some(("calls_answered", Better::Higher)), kinds: WITH_CALLS, what: What::Measure(Measure::Answered), note: "A: an agent took a waiting call" },
    Counted { name: "abandoned", wanted: Some(("calls_abandoned", Better::Lower)), kinds: VISITED, what: What::Measure(Measure::Abandoned), note: "B: the caller left while waiting" },
    Counted { name: "short_abandoned", wanted: Some(("calls_short_abandoned", Better::Lower)), kinds: VISITED, what: What::ShortAbandoned, note: "Bs: abandoned within the short-abandon limit" },
    Counted { name: "flowed_out", wanted: Some(("calls_flowed_out", Better::Lower)), kinds: VISITED, what: What::Measure(Measure::FlowedOut), note: "F: left unanswered other than by abandoning" },
    Counted { name: "flowed_out_by_reason", wanted: None, kinds: VISITED, what: What::By(&[
        ("timeout", Measure::FlowedOutTimeout), ("no_agents", Measure::FlowedOutNoAgents), ("key", Measure::FlowedOutKey),
        ("overflow", Measure::FlowedOutOverflow), ("callback", Measure::FlowedOutCallback), ("voicemail", Measure::FlowedOutVoicemail),
        ("withdrawn", Measure::FlowedOutWithdrawn), ("system", Measure::FlowedOutSystem), ("lost", Measure::FlowedOutLost),
    ]), note: "reasons that occurred" },
    Counted { name: "lost", wanted: Some(("calls_lost", Better::Lower)), kinds: VISITED, what: What::Measure(Measure::Lost), note: "part of F: nothing was heard of the call for two hours" },
    Counted { name: "blocked", wanted: Some(("calls_blocked", Better::Lower)), kinds: VISITED, what: What::Measure(Measure::Blocked), note: "turned away before entering" },
    Counted { name: "blocked_by_reason", wanted: None, kinds: VISITED, what: What::By(&[
        ("full", Measure::BlockedFull), ("closed", Measure::BlockedClosed), ("no_agents", Measure::BlockedNoAgents),
        ("no_trunk", Measure::BlockedNoTrunk), ("other", Measure::BlockedOther),
    ]), note: "reasons that occurred" },
    Counted { name: "callbacks_requested", wanted: Some(("callbacks_requested", Better::Lower)), kinds: VISITED, what: What::Measure(Measure::CallbacksRequested), note: "C, part of F" },
    Counted { name: "callbacks_offered", wanted: Some(("callbacks_offered", Better::Higher)), kinds: VISITED, what: What::Measure(Measure::CallbacksOffered), note: "callbacks that came up; not offered, not waiting" },
    Counted { name: "handled", wanted: Some(("calls_handled", Better::Higher)), kinds: WITH_CALLS, what: What::Measure(Measure::Handled), note: "H: connections that ended, of every direction" },
    Counted { name: "held", wanted: Some(("calls_held", Better::Lower)), kinds: WITH_CALLS, what: What::Measure(Measure::Held), note: "ended connections that were held" },
    Counted { name: "transferred_in", wanted: Some(("calls_transferred_in", Better::Lower)), kinds: WITH_CALLS, what: What::Measure(Measure::TransferredIn), note: "visits by transfer; for agents connections out of them and transfers straight to the agent; for tenant and teams both, each once" },
    Counted { name: "transferred_out", wanted: Some(("calls_transferred_out", Better::Lower)), kinds: WITH_CALLS, what: What::Measure(Measure::TransferredOut), note: "handed on by an agent, conferences included" },
    Counted { name: "transferred_out_by_kind", wanted: None, kinds: WITH_CALLS, what: What::By(&[
        ("blind", Measure::TransferredBlind), ("attended", Measure::TransferredAttended),
        ("conference", Measure::TransferredConference), ("other", Measure::TransferredOther),
    ]), note: "kinds that occurred" },
    Counted { name: "outbound", wanted: Some(("outbound_calls", Better::Higher)), kinds: WITH_CALLS, what: What::Measure(Measure::Outbound), note: "`call.dialled`" },
    Counted { name: "solicitations", wanted: Some(("solicitations", Better::Higher)), kinds: WITH_CALLS, what: What::Measure(Measure::Solicitations), note: "offers to an agent" },
    Counted { name: "ring_no_answer", wanted: Some(("ring_no_answer", Better::Lower)), kinds: WITH_CALLS, what: What::Measure(Measure::RingNoAnswer), note: "offers ended by no_answer, rejected or error" },
    Counted { name: "ring_caller_left", wanted: Some(("ring_caller_left", Better::Lower)), kinds: WITH_CALLS, what: What::Measure(Measure::RingCallerLeft), note: "offers ended because the caller left" },
    Counted { name: "implied", wanted: Some(("calls_implied", Better::Lower)), kinds: VISITED, what: What::Measure(Measure::Implied), note: "visits whose entry was not told" },
    Counted { name: "arrived", wanted: Some(("calls_arrived", Better::Higher)), kinds: TENANT, what: What::Measure(Measure::Arrived), note: "calls that reached the centre (`call.arrived`); calls, not visits" },
    Counted { name: "left_in_ivr", wanted: Some(("calls_left_in_ivr", Better::Lower)), kinds: TENANT, what: What::Measure(Measure::LeftInIvr), note: "arrived calls that ended before any queue or agent" },
];

/// Every sum of milliseconds, in the order of records.
#[rustfmt::skip]
pub const SUMS: &[Counted] = &[
    Counted { name: "wait_answered", wanted: None, kinds: WITH_CALLS, what: What::Measure(Measure::WaitAnswered), note: "waits of answered calls" },
    Counted { name: "wait_abandoned", wanted: None, kinds: VISITED, what: What::Measure(Measure::WaitAbandoned), note: "waits of abandoned calls" },
    Counted { name: "wait_flowed_out", wanted: None, kinds: VISITED, what: What::Measure(Measure::WaitFlowedOut), note: "waits of calls that flowed out" },
    Counted { name: "talk", wanted: None, kinds: WITH_CALLS, what: What::Measure(Measure::Talk), note: "connected without hold, booked when the connection ended" },
    Counted { name: "hold", wanted: None, kinds: WITH_CALLS, what: What::Measure(Measure::Hold), note: "booked when the connection ended" },
    Counted { name: "wrapup", wanted: None, kinds: WITH_CALLS, what: What::Measure(Measure::Wrapup), note: "booked at its own end" },
    Counted { name: "login", wanted: None, kinds: WITH_AGENTS, what: What::Login, note: "time of agents who are logged in: the sum of the five below; up to `as_of`, at the event only" },
    Counted { name: "handling", wanted: None, kinds: WITH_AGENTS, what: What::Time(Standing::Handling), note: "in talk, hold or wrap-up of one call or more" },
    Counted { name: "state_available", wanted: None, kinds: WITH_AGENTS, what: What::Time(Standing::Available), note: "" },
    Counted { name: "state_paused", wanted: None, kinds: WITH_AGENTS, what: What::Time(Standing::Paused), note: "by reason in `paused_by_reason_ms` of the record: the 50 longest, and `other` for all else" },
    Counted { name: "state_ringing", wanted: None, kinds: WITH_AGENTS, what: What::Time(Standing::Ringing), note: "a call is offered, and none is handled" },
    Counted { name: "state_other_work", wanted: None, kinds: WITH_AGENTS, what: What::Time(Standing::OtherWork), note: "`agent.state` on_call, ringing or wrapup that no call covers" },
];

impl Better {
    /// Whether a value is what is wanted: the target itself is.
    pub fn is_met(self, value: f64, target: f64) -> bool {
        match self {
            Better::Higher => target <= value,
            Better::Lower => value <= target,
        }
    }
}

impl Definition {
    /// Whether the KPI stands in a window of this sort.
    pub fn stands_in(&self, window: WindowKind) -> bool {
        match (self.windows, window) {
            (Windows::Now | Windows::NowOfAgents, WindowKind::Now) | (Windows::FactsAndNow, _) => true,
            (Windows::Now | Windows::NowOfAgents, _) | (_, WindowKind::Now) => false,
            (Windows::AtTheEvent | Windows::OfAgents, WindowKind::ByEntry) => false,
            (Windows::Facts | Windows::AtTheEvent | Windows::OfAgents, _) => true,
        }
    }
}

/// The definition of a KPI by its public name; none if this version has no such KPI.
pub fn definition(id: &str) -> Option<&'static Definition> {
    KPIS.iter().find(|kpi| kpi.id == id)
}

/// What a count or KPI is, in one line; none of an unknown name.
pub fn help(name: &str) -> Option<&'static str> {
    let is_it = |counted: &&Counted| counted.name == name || counted.wanted.is_some_and(|(id, _)| id == name);
    let counted = COUNTS.iter().chain(SUMS).find(is_it).map(|counted| counted.note);
    definition(name).map(|kpi| kpi.formula).or(counted)
}
