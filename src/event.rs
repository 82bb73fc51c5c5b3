//! What a call centre says happened: one event, borrowed from the record that carried it.
//!
//! The names are those of the public contract (docs/formats.md). A decoder makes an [`Event`] or a
//! [`Reject`]; behind it nobody asks again whether a required field is there. Texts are borrowed
//! from the record where it holds them unescaped, so that reading an event allocates nothing.

use crate::time::EventTime;
use std::borrow::Cow;

/// The tenant of an event that names none.
pub const DEFAULT_TENANT: &str = "default";

/// A text of an event, borrowed from its record where possible. Ids are never empty.
pub type Text<'a> = Cow<'a, str>;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// When it happened, by the source's clock.
    pub time: EventTime,
    /// The source's own order among its events; absent if it gives none.
    pub seq: Option<i64>,
    /// Names this event once for all its repeats.
    pub event_id: Option<Text<'a>>,
    /// Who says so; absent means the topic's or the file's name.
    pub source: Option<Text<'a>>,
    pub tenant: Text<'a>,
    /// Present in every `call.*` event.
    pub call_id: Option<Text<'a>>,
    /// Ties the legs of a transferred call; absent means the call stands alone.
    pub root_id: Option<Text<'a>>,
    pub channel: Channel,
    pub direction: Direction,
    pub customer: Option<Text<'a>>,
    pub queue: Option<Text<'a>>,
    pub agent: Option<Text<'a>>,
    /// The document that tells it, with its revision: of a call's events of one document only those of the highest
    /// revision count.
    pub document: Option<(Text<'a>, i64)>,
    /// What happened, with the fields only this type has.
    pub what: What<'a>,
}

/// What happened. The order is the contract's order of types, which decides between events of one
/// call at one instant.
#[derive(Clone, Debug, PartialEq)]
pub enum What<'a> {
    /// A call, or its way through queues and agents.
    Call(CallEvent<'a>),
    /// An agent's own state, until the next one.
    AgentState {
        state: AgentState,
        reason: Option<Text<'a>>,
    },
    /// The agent works for the queue from now on.
    AgentJoined,
    /// The agent works for the queue no longer.
    AgentLeft,
    /// What the customer said afterwards.
    SurveyAnswered {
        csat: Option<Score>,
        nps: Option<Score>,
        ces: Option<Score>,
        resolved: Option<bool>,
        contact_time: Option<EventTime>,
    },
    /// A quality assessment; the newest of an `evaluation_id` counts.
    EvaluationScored {
        evaluation_id: Text<'a>,
        score: Option<f64>,
        max: Option<f64>,
        automatic_fail: Option<bool>,
        compliant: Option<bool>,
        deleted: Option<bool>,
    },
    CaseOpened {
        case_id: Text<'a>,
    },
    CaseResolved {
        case_id: Text<'a>,
    },
    CaseReopened {
        case_id: Text<'a>,
    },
    SaleRecorded {
        sale_id: Text<'a>,
        amount_minor: i64,
        currency: Text<'a>,
        voided: Option<bool>,
    },
    CostRecorded {
        cost_id: Text<'a>,
        amount_minor: i64,
        currency: Text<'a>,
    },
    LeadCreated,
    CustomerAcquired,
    CustomerRetained,
    CustomerLost,
    /// The expected load of the queue in `[start, end)`.
    ForecastPublished {
        start: EventTime,
        end: EventTime,
        calls: f64,
        handle_ms: Option<i64>,
    },
    /// What the agent is to do in `[start, end)`.
    SchedulePublished {
        start: EventTime,
        end: EventTime,
        activity: Activity,
    },
    StaffJoined,
    StaffLeft,
    StaffSurveyed {
        score: Option<f64>,
        min: Option<f64>,
        max: Option<f64>,
        kind: Option<SurveyKind>,
    },
    /// The source started anew: the calls it had open in this partition are over.
    SourceRestarted,
}

/// A `call.*` event: its type and the fields only this type has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEvent<'a> {
    /// Reached the centre, no queue yet.
    Arrived {
        dialled: Option<Text<'a>>,
    },
    /// An outbound call begins.
    Dialled {
        dialled: Option<Text<'a>>,
    },
    /// Turned away before entering a queue.
    Blocked {
        reason: Option<BlockReason>,
    },
    /// Entered a queue: a visit begins. The queue is present.
    Queued {
        priority: Option<i64>,
        position: Option<i64>,
        via: Via,
    },
    /// Offered to an agent, who is present.
    Ringing,
    /// The offer came to nothing. The agent is present.
    RingEnded {
        reason: RingEndReason,
    },
    /// The agent, who is present, took the call.
    Answered {
        waited_ms: Option<i64>,
    },
    Held,
    Resumed,
    /// The agent, who is present, handed the call on.
    Transferred {
        kind: TransferKind,
        to_queue: Option<Text<'a>>,
        to_agent: Option<Text<'a>>,
        to_number: Option<Text<'a>>,
    },
    /// Left the queue, which is present, without an answer.
    LeftQueue {
        reason: LeaveReason,
        waited_ms: Option<i64>,
    },
    Ended {
        by: Option<EndedBy>,
    },
    /// The agent, who is present, began the after-call work.
    WrapupStarted {
        code: Option<Text<'a>>,
        resolved: Option<bool>,
    },
    /// The agent, who is present, finished the after-call work.
    WrapupEnded {
        code: Option<Text<'a>>,
        resolved: Option<bool>,
    },
}

/// A score on its own scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    pub score: f64,
    pub min: f64,
    pub max: f64,
}

/// Declares an enum of the contract with its names on the wire. `other` is what an unknown value of
/// an optional field is kept as.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($variant),* }

        impl $name {
            /// Every value, in the contract's order.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The name on the wire.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }

            /// The value of a name on the wire; none if the contract has no such name.
            pub fn from_word(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// How the customer reached the centre.
    Channel { Voice = "voice", Chat = "chat", Email = "email", Message = "message", Task = "task", Other = "other" }
}
words! {
    /// Who began the call. Outbound and internal calls are never offered.
    Direction { Inbound = "inbound", Outbound = "outbound", Internal = "internal", Other = "other" }
}
words! {
    /// Why a call was turned away before entering a queue.
    BlockReason { Full = "full", Closed = "closed", NoAgents = "no_agents", NoTrunk = "no_trunk", Other = "other" }
}
words! {
    /// How a call came into the queue.
    Via { Direct = "direct", Transfer = "transfer", Callback = "callback", Other = "other" }
}
words! {
    /// Why an offer to an agent came to nothing.
    RingEndReason { NoAnswer = "no_answer", Rejected = "rejected", CallerLeft = "caller_left", Error = "error" }
}
words! {
    /// How an agent handed a call on.
    TransferKind { Blind = "blind", Attended = "attended", Conference = "conference", Other = "other" }
}
words! {
    /// Why a call left a queue without an answer. Only `Abandoned` is the caller's own doing.
    LeaveReason {
        Abandoned = "abandoned", Timeout = "timeout", NoAgents = "no_agents", Key = "key", Overflow = "overflow",
        Callback = "callback", Voicemail = "voicemail", Withdrawn = "withdrawn", System = "system",
    }
}
words! {
    /// Who ended the call.
    EndedBy { Caller = "caller", Agent = "agent", System = "system", Other = "other" }
}
words! {
    /// What an agent does, as the source says it.
    AgentState {
        LoggedOut = "logged_out", Available = "available", Paused = "paused", Ringing = "ringing",
        OnCall = "on_call", Wrapup = "wrapup",
    }
}
words! {
    /// What an agent is scheduled to do.
    Activity {
        Productive = "productive", Break = "break", Meal = "meal", Training = "training", Meeting = "meeting",
        Off = "off",
    }
}
words! {
    /// What a staff survey asked for.
    SurveyKind { Satisfaction = "satisfaction", Engagement = "engagement", Other = "other" }
}

impl CallEvent<'_> {
    /// The place of the type in the contract's table, from 0.
    pub const fn rank(&self) -> u8 {
        match self {
            CallEvent::Arrived { .. } => 0,
            CallEvent::Dialled { .. } => 1,
            CallEvent::Blocked { .. } => 2,
            CallEvent::Queued { .. } => 3,
            CallEvent::Ringing => 4,
            CallEvent::RingEnded { .. } => 5,
            CallEvent::Answered { .. } => 6,
            CallEvent::Held => 7,
            CallEvent::Resumed => 8,
            CallEvent::Transferred { .. } => 9,
            CallEvent::LeftQueue { .. } => 10,
            CallEvent::Ended { .. } => 11,
            CallEvent::WrapupStarted { .. } => 12,
            CallEvent::WrapupEnded { .. } => 13,
        }
    }
}

impl What<'_> {
    /// The contract's name of the type.
    pub const fn name(&self) -> &'static str {
        match self {
            What::Call(call) => match call {
                CallEvent::Arrived { .. } => "call.arrived",
                CallEvent::Dialled { .. } => "call.dialled",
                CallEvent::Blocked { .. } => "call.blocked",
                CallEvent::Queued { .. } => "call.queued",
                CallEvent::Ringing => "call.ringing",
                CallEvent::RingEnded { .. } => "call.ring_ended",
                CallEvent::Answered { .. } => "call.answered",
                CallEvent::Held => "call.held",
                CallEvent::Resumed => "call.resumed",
                CallEvent::Transferred { .. } => "call.transferred",
                CallEvent::LeftQueue { .. } => "call.left_queue",
                CallEvent::Ended { .. } => "call.ended",
                CallEvent::WrapupStarted { .. } => "call.wrapup_started",
                CallEvent::WrapupEnded { .. } => "call.wrapup_ended",
            },
            What::AgentState { .. } => "agent.state",
            What::AgentJoined => "agent.joined",
            What::AgentLeft => "agent.left",
            What::SurveyAnswered { .. } => "survey.answered",
            What::EvaluationScored { .. } => "evaluation.scored",
            What::CaseOpened { .. } => "case.opened",
            What::CaseResolved { .. } => "case.resolved",
            What::CaseReopened { .. } => "case.reopened",
            What::SaleRecorded { .. } => "sale.recorded",
            What::CostRecorded { .. } => "cost.recorded",
            What::LeadCreated => "lead.created",
            What::CustomerAcquired => "customer.acquired",
            What::CustomerRetained => "customer.retained",
            What::CustomerLost => "customer.lost",
            What::ForecastPublished { .. } => "forecast.published",
            What::SchedulePublished { .. } => "schedule.published",
            What::StaffJoined => "staff.joined",
            What::StaffLeft => "staff.left",
            What::StaffSurveyed { .. } => "staff.surveyed",
            What::SourceRestarted => "source.restarted",
        }
    }
}

/// What a decoder made of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded<'a> {
    Event(Event<'a>),
    /// A type the contract does not have: counted and set aside, never an error.
    Unknown {
        kind: Text<'a>,
    },
}

/// Why a record cannot be used, in words for a person and a stable code for a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub reason: Reason,
    /// One sentence: what is wrong where, and what would help.
    pub sentence: String,
}

words! {
    /// The stable code of a reject.
    Reason {
        MalformedJson = "malformed_json", MalformedProtobuf = "malformed_protobuf",
        MalformedText = "malformed_text", MissingField = "missing_field",
        BadValue = "bad_value", BadTime = "bad_time", BadEncoding = "bad_encoding", Future = "future", Late = "late",
        TooLarge = "too_large", EngineFault = "engine_fault",
    }
}
