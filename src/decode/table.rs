//! Fields of the events: what each type has, what it needs, and of which shape each field is.
//!
//! Decoding, the JSON Schema and the tables of `docs/formats.md` are read off here. The order of
//! types is the contract's.

use crate::event::{
    Activity, AgentState, BlockReason, Channel, Direction, EndedBy, LeaveReason, RingEndReason, SurveyKind,
    TransferKind, Via,
};

/// The longest wait a source may tell, 366 days: a larger number is no length of time but an instant.
pub const WAIT_MAX_MS: i64 = 366 * 86_400_000;

/// What the value of a field has to be.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A text that is never empty.
    Id,
    /// A text.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A whole number that is not negative.
    Count,
    /// Milliseconds, at most [`WAIT_MAX_MS`].
    Wait,
    /// A finite number.
    Number,
    /// A finite number that is not negative.
    Amount,
    /// True or false.
    Flag,
    /// RFC 3339 with an offset or `Z`, or epoch milliseconds.
    Time,
    /// An object of `score`, `min` and `max`.
    Score,
    /// One of these words; any other is bad.
    Closed(fn() -> Vec<&'static str>),
    /// One of these words; any other is kept as `other`.
    Open(fn() -> Vec<&'static str>),
}

/// How protobuf writes a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    String,
    Int64,
    Double,
    Bool,
    /// The message `Score`.
    Score,
}

/// A field as one type has it.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    pub field: Field,
    pub shape: Shape,
    pub required: bool,
}

/// Declares an enum of names with a column of meanings beside them.
macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal, $meaning:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($variant),* }

        impl $name {
            /// Every one, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The name on the wire.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }

            /// The one of a name on the wire.
            #[inline]
            pub fn from_word(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$variant),)* _ => None }
            }

            /// What it stands for, for a reader of the manual.
            pub const fn meaning(self) -> &'static str {
                match self { $($name::$variant => $meaning),* }
            }
        }
    };
}

names! {
    /// A field of an event. Its number in protobuf is its place here, counted from 1, so a new field
    /// goes to the end and none is ever taken out.
    Field {
        Type = "type", "what happened: a name of the table";
        Time = "time", "when, by the source's clock";
        EventId = "event_id", "names this event once for all its repeats";
        Seq = "seq", "the source's own order among its events";
        Source = "source", "who says so; absent: the name of the topic or file";
        Tenant = "tenant", "whose centre; absent: `default`";
        CallId = "call_id", "the call; every `call.*` event has it";
        RootId = "root_id", "ties the legs of a transferred call";
        Channel = "channel", "how the customer reached the centre; absent: `voice`";
        Direction = "direction", "who began the call; absent: `inbound`";
        Customer = "customer", "the customer: a number or an id";
        Queue = "queue", "the queue";
        Agent = "agent", "the agent";
        Reason = "reason", "why";
        WaitedMs = "waited_ms", "how long the call waited, in milliseconds, if the source knows";
        Dialled = "dialled", "the number that was dialled";
        Priority = "priority", "the priority in the queue, as the source counts it";
        Position = "position", "the place in the queue at entry";
        Via = "via", "how the call came into the queue; absent: `direct`";
        Kind = "kind", "which kind";
        ToQueue = "to_queue", "the queue it was handed to";
        ToAgent = "to_agent", "the agent it was handed to";
        ToNumber = "to_number", "the number it was handed to";
        By = "by", "who ended it";
        Code = "code", "the wrap-up code the agent chose";
        Resolved = "resolved", "whether the matter was settled";
        State = "state", "the agent's state from now on";
        Csat = "csat", "satisfaction, on its own scale";
        Nps = "nps", "likelihood to recommend, on its own scale";
        Ces = "ces", "effort, on its own scale";
        ContactTime = "contact_time", "when the contact was that the survey asks about";
        EvaluationId = "evaluation_id", "the assessment; its newest event counts";
        Score = "score", "the score";
        Max = "max", "the upper end of the scale";
        Min = "min", "the lower end of the scale";
        AutomaticFail = "automatic_fail", "whether the contact failed whatever its score";
        Compliant = "compliant", "whether the rules were kept";
        Deleted = "deleted", "whether the assessment is taken back";
        CaseId = "case_id", "the matter";
        SaleId = "sale_id", "the sale";
        AmountMinor = "amount_minor", "the amount in the currency's smallest unit; negative: paid back";
        Currency = "currency", "the currency's ISO 4217 code";
        Voided = "voided", "whether the sale is taken back";
        CostId = "cost_id", "the cost";
        Start = "start", "the first instant of the interval";
        End = "end", "the first instant after the interval, later than `start`";
        Calls = "calls", "the calls expected in the interval";
        HandleMs = "handle_ms", "the handling time expected for one call, in milliseconds";
        Activity = "activity", "what the agent is to do";
        Document = "document", "the document that tells it, if that tells a call as a whole and is told again when it changes";
        Revision = "revision", "the document's version; absent: 0. Of a call's events of one document only those of its highest revision count";
    }
}

names! {
    /// The type of an event, in the contract's order.
    Type {
        CallArrived = "call.arrived", "reached the centre, no queue yet (IVR)";
        CallDialled = "call.dialled", "an outbound call begins";
        CallBlocked = "call.blocked", "turned away before entering a queue";
        CallQueued = "call.queued", "entered a queue: starts a visit";
        CallRinging = "call.ringing", "offered to an agent";
        CallRingEnded = "call.ring_ended", "the offer to the agent came to nothing";
        CallAnswered = "call.answered", "an agent took the call: ends the wait";
        CallHeld = "call.held", "put on hold";
        CallResumed = "call.resumed", "taken off hold";
        CallTransferred = "call.transferred", "the agent handed the call on: ends that agent's connection (a conference does not)";
        CallLeftQueue = "call.left_queue", "left the queue without an answer";
        CallEnded = "call.ended", "the call is over";
        CallWrapupStarted = "call.wrapup_started", "the agent began the after-call work";
        CallWrapupEnded = "call.wrapup_ended", "the agent finished the after-call work";
        AgentState = "agent.state", "the agent's state until the next one; in one queue only, if a queue is named";
        AgentJoined = "agent.joined", "the agent works for the queue from now on";
        AgentLeft = "agent.left", "the agent works for the queue no longer";
        SurveyAnswered = "survey.answered", "what the customer said afterwards";
        EvaluationScored = "evaluation.scored", "a quality assessment";
        CaseOpened = "case.opened", "a matter behind calls was opened";
        CaseResolved = "case.resolved", "the matter is settled";
        CaseReopened = "case.reopened", "the matter was not settled after all";
        SaleRecorded = "sale.recorded", "revenue";
        CostRecorded = "cost.recorded", "a cost that does not follow from hourly rates";
        LeadCreated = "lead.created", "somebody may become a customer";
        CustomerAcquired = "customer.acquired", "a customer was won";
        CustomerRetained = "customer.retained", "a customer stayed";
        CustomerLost = "customer.lost", "a customer left";
        ForecastPublished = "forecast.published", "the load expected; the newest of a queue and interval counts";
        SchedulePublished = "schedule.published", "what the agent is to do; the newest of an agent and interval counts";
        StaffJoined = "staff.joined", "the agent was hired";
        StaffLeft = "staff.left", "the agent left the company";
        StaffSurveyed = "staff.surveyed", "what the agent said in a staff survey";
        SourceRestarted = "source.restarted", "the source began anew: calls it had open are over";
    }
}

/// The words of one of the contract's enums.
macro_rules! words_of {
    ($name:ident) => {
        || $name::ALL.iter().map(|value| value.word()).collect()
    };
}

/// The fields that every type may have; `type` and `time` are required of all.
pub const COMMON: &[Use] = &[
    needs(Field::Type, Shape::Id),
    needs(Field::Time, Shape::Time),
    may(Field::EventId, Shape::Id),
    may(Field::Seq, Shape::Integer),
    may(Field::Source, Shape::Id),
    may(Field::Tenant, Shape::Id),
    may(Field::CallId, Shape::Id),
    may(Field::RootId, Shape::Id),
    may(Field::Channel, Shape::Open(words_of!(Channel))),
    may(Field::Direction, Shape::Open(words_of!(Direction))),
    may(Field::Customer, Shape::Id),
    may(Field::Queue, Shape::Id),
    may(Field::Agent, Shape::Id),
    may(Field::Document, Shape::Id),
    may(Field::Revision, Shape::Integer),
];

const CALL: Use = needs(Field::CallId, Shape::Id);
const CUSTOMER: Use = needs(Field::Customer, Shape::Id);
const QUEUE: Use = needs(Field::Queue, Shape::Id);
const AGENT: Use = needs(Field::Agent, Shape::Id);
const CASE: Use = needs(Field::CaseId, Shape::Id);
const DIALLED: Use = may(Field::Dialled, Shape::Text);
const WAITED: Use = may(Field::WaitedMs, Shape::Wait);
const WRAPUP: &[Use] = &[CALL, AGENT, may(Field::Code, Shape::Text), may(Field::Resolved, Shape::Flag)];
const MONEY: [Use; 2] = [needs(Field::AmountMinor, Shape::Integer), needs(Field::Currency, Shape::Id)];
const INTERVAL: [Use; 2] = [needs(Field::Start, Shape::Time), needs(Field::End, Shape::Time)];

impl Type {
    /// The fields the type has beyond [`COMMON`], and those of them that it requires.
    pub const fn fields(self) -> &'static [Use] {
        match self {
            Type::CallArrived | Type::CallDialled => const { &[CALL, DIALLED] },
            Type::CallBlocked => const { &[CALL, may(Field::Reason, Shape::Open(words_of!(BlockReason)))] },
            Type::CallQueued => {
                const {
                    &[
                        CALL,
                        QUEUE,
                        may(Field::Priority, Shape::Integer),
                        may(Field::Position, Shape::Integer),
                        may(Field::Via, Shape::Open(words_of!(Via))),
                    ]
                }
            }
            Type::CallRinging => const { &[CALL, AGENT] },
            Type::CallRingEnded => {
                const { &[CALL, AGENT, needs(Field::Reason, Shape::Closed(words_of!(RingEndReason)))] }
            }
            Type::CallAnswered => const { &[CALL, AGENT, WAITED] },
            Type::CallHeld | Type::CallResumed => const { &[CALL] },
            Type::CallTransferred => {
                const {
                    &[
                        CALL,
                        AGENT,
                        may(Field::Kind, Shape::Open(words_of!(TransferKind))),
                        may(Field::ToQueue, Shape::Id),
                        may(Field::ToAgent, Shape::Id),
                        may(Field::ToNumber, Shape::Text),
                    ]
                }
            }
            Type::CallLeftQueue => {
                const { &[CALL, QUEUE, needs(Field::Reason, Shape::Closed(words_of!(LeaveReason))), WAITED] }
            }
            Type::CallEnded => const { &[CALL, may(Field::By, Shape::Open(words_of!(EndedBy)))] },
            Type::CallWrapupStarted | Type::CallWrapupEnded => WRAPUP,
            Type::AgentState => {
                const { &[AGENT, needs(Field::State, Shape::Closed(words_of!(AgentState))), may(Field::Reason, Shape::Text)] }
            }
            Type::AgentJoined | Type::AgentLeft => const { &[AGENT, QUEUE] },
            Type::SurveyAnswered => {
                const {
                    &[
                        may(Field::Csat, Shape::Score),
                        may(Field::Nps, Shape::Score),
                        may(Field::Ces, Shape::Score),
                        may(Field::Resolved, Shape::Flag),
                        may(Field::ContactTime, Shape::Time),
                    ]
                }
            }
            Type::EvaluationScored => {
                const {
                    &[
                        needs(Field::EvaluationId, Shape::Id),
                        may(Field::Score, Shape::Number),
                        may(Field::Max, Shape::Number),
                        may(Field::AutomaticFail, Shape::Flag),
                        may(Field::Compliant, Shape::Flag),
                        may(Field::Deleted, Shape::Flag),
                    ]
                }
            }
            Type::CaseOpened | Type::CaseResolved | Type::CaseReopened => const { &[CASE] },
            Type::SaleRecorded => {
                const { &[needs(Field::SaleId, Shape::Id), MONEY[0], MONEY[1], may(Field::Voided, Shape::Flag)] }
            }
            Type::CostRecorded => const { &[needs(Field::CostId, Shape::Id), MONEY[0], MONEY[1]] },
            Type::LeadCreated | Type::CustomerAcquired | Type::CustomerRetained | Type::CustomerLost => {
                const { &[CUSTOMER] }
            }
            Type::ForecastPublished => {
                const {
                    &[
                        QUEUE,
                        INTERVAL[0],
                        INTERVAL[1],
                        needs(Field::Calls, Shape::Amount),
                        may(Field::HandleMs, Shape::Count),
                    ]
                }
            }
            Type::SchedulePublished => {
                const { &[AGENT, INTERVAL[0], INTERVAL[1], needs(Field::Activity, Shape::Closed(words_of!(Activity)))] }
            }
            Type::StaffJoined | Type::StaffLeft => const { &[AGENT] },
            Type::StaffSurveyed => {
                const {
                    &[
                        AGENT,
                        may(Field::Score, Shape::Number),
                        may(Field::Min, Shape::Number),
                        may(Field::Max, Shape::Number),
                        may(Field::Kind, Shape::Open(words_of!(SurveyKind))),
                    ]
                }
            }
            Type::SourceRestarted => const { &[needs(Field::Source, Shape::Id)] },
        }
    }

    /// The fields of which the type requires at least one, so that it can be booked to somebody;
    /// empty if it requires none.
    pub const fn any_of(self) -> &'static [Field] {
        match self {
            Type::SurveyAnswered | Type::SaleRecorded => &[Field::CallId, Field::Queue, Field::Agent],
            Type::EvaluationScored => &[Field::CallId, Field::Agent],
            Type::CostRecorded => &[Field::Queue, Field::Agent],
            _ => &[],
        }
    }

    /// The field as this type has it; none if the type does not know it.
    pub fn use_of(self, field: Field) -> Option<Use> {
        self.fields().iter().chain(COMMON).find(|used| used.field == field).copied()
    }
}

impl Field {
    /// The name in the protobuf message: an instant is always milliseconds there, and says so.
    pub const fn protobuf_name(self) -> &'static str {
        match self {
            Field::Time => "time_ms",
            Field::ContactTime => "contact_time_ms",
            Field::Start => "start_ms",
            Field::End => "end_ms",
            other => other.word(),
        }
    }

    /// The type in the protobuf message.
    pub const fn wire(self) -> Wire {
        match self {
            Field::Time
            | Field::Seq
            | Field::WaitedMs
            | Field::Priority
            | Field::Position
            | Field::ContactTime
            | Field::AmountMinor
            | Field::Start
            | Field::End
            | Field::HandleMs
            | Field::Revision => Wire::Int64,
            Field::Score | Field::Max | Field::Min | Field::Calls => Wire::Double,
            Field::Resolved | Field::AutomaticFail | Field::Compliant | Field::Deleted | Field::Voided => Wire::Bool,
            Field::Csat | Field::Nps | Field::Ces => Wire::Score,
            _ => Wire::String,
        }
    }

    /// The number in the protobuf message.
    pub const fn number(self) -> u32 {
        self as u32 + 1
    }

    pub(super) const fn bit(self) -> u64 {
        1 << self as u64
    }
}

const fn needs(field: Field, shape: Shape) -> Use {
    Use { field, shape, required: true }
}

const fn may(field: Field, shape: Shape) -> Use {
    Use { field, shape, required: false }
}
