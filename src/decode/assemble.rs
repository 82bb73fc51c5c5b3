//! Assembly: the slots of one record become an event, or the reject that says why not.

use super::slots::{Raw, Slots, bad, missing, within_scale};
use super::table::{Field, Shape, Type};
use crate::event::{
    Activity, AgentState, BlockReason, CallEvent, Channel, DEFAULT_TENANT, Decoded, Direction, EndedBy, Event,
    LeaveReason, Reason, Reject, RingEndReason, SurveyKind, Text, TransferKind, Via, What,
};
use crate::time::EventTime;
use std::borrow::Cow;

/// Who writes the record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Native,
    /// It is read from where its source writes and nobody else: what says of itself that it began anew means the
    /// topic or file it stands in.
    Vendors,
}

/// The event of a native record. The type is judged first: where it is unknown, nothing else matters.
pub(super) fn assemble<'a>(slots: &mut Slots<'a>) -> Result<Decoded<'a>, Reject> {
    match slots.take(Field::Type) {
        Raw::Text(name) if !name.is_empty() => match Type::from_word(&name) {
            Some(kind) => of_type(kind, slots, Sort::Native),
            None => Ok(Decoded::Unknown { kind: name }),
        },
        Raw::Absent => {
            let sentence = "type is missing; every event needs one, such as \"call.queued\"".to_owned();
            Err(Reject { reason: Reason::MissingField, sentence })
        }
        raw => Err(bad(Field::Type, &raw, Shape::Id)),
    }
}

/// The event of a type. Its time is judged first, then what is missing, then each value.
pub(super) fn of_type<'a>(kind: Type, slots: &mut Slots<'a>, sort: Sort) -> Result<Decoded<'a>, Reject> {
    let time = slots.time(Field::Time)?.ok_or_else(|| missing(kind, Field::Time))?;
    refuse_missing(kind, slots, sort)?;
    Ok(Decoded::Event(Event {
        time,
        seq: slots.integer(Field::Seq)?,
        event_id: slots.id(Field::EventId)?,
        source: slots.id(Field::Source)?,
        tenant: slots.id(Field::Tenant)?.unwrap_or(Cow::Borrowed(DEFAULT_TENANT)),
        call_id: slots.id(Field::CallId)?,
        root_id: slots.id(Field::RootId)?,
        channel: slots.open(kind, Field::Channel, Channel::from_word, Channel::Other)?.unwrap_or(Channel::Voice),
        direction: slots
            .open(kind, Field::Direction, Direction::from_word, Direction::Other)?
            .unwrap_or(Direction::Inbound),
        customer: slots.id(Field::Customer)?,
        queue: slots.id(Field::Queue)?,
        agent: slots.id(Field::Agent)?,
        document: document(slots)?,
        what: what(kind, slots)?,
    }))
}

fn refuse_missing(kind: Type, slots: &Slots<'_>, sort: Sort) -> Result<(), Reject> {
    for used in kind.fields() {
        let is_told_by_place = sort == Sort::Vendors && used.field == Field::Source;
        if used.required && !slots.has(used.field) && !is_told_by_place {
            return Err(missing(kind, used.field));
        }
    }
    let any_of = kind.any_of();
    if !any_of.is_empty() && !any_of.iter().any(|field| slots.has(*field)) {
        let words: Vec<&str> = any_of.iter().map(|field| field.word()).collect();
        let sentence = format!("{} are missing; {} needs one of them", words.join(", "), kind.word());
        return Err(Reject { reason: Reason::MissingField, sentence });
    }
    Ok(())
}

#[inline]
fn what<'a>(kind: Type, slots: &mut Slots<'a>) -> Result<What<'a>, Reject> {
    Ok(match kind {
        Type::CallArrived => What::Call(CallEvent::Arrived { dialled: slots.text(Field::Dialled)? }),
        Type::CallDialled => What::Call(CallEvent::Dialled { dialled: slots.text(Field::Dialled)? }),
        Type::CallBlocked => What::Call(CallEvent::Blocked {
            reason: slots.open(kind, Field::Reason, BlockReason::from_word, BlockReason::Other)?,
        }),
        Type::CallQueued => What::Call(CallEvent::Queued {
            priority: slots.integer(Field::Priority)?,
            position: slots.integer(Field::Position)?,
            via: slots.open(kind, Field::Via, Via::from_word, Via::Other)?.unwrap_or(Via::Direct),
        }),
        Type::CallRinging => What::Call(CallEvent::Ringing),
        Type::CallRingEnded => {
            What::Call(CallEvent::RingEnded { reason: slots.closed(kind, Field::Reason, RingEndReason::from_word)? })
        }
        Type::CallAnswered => What::Call(CallEvent::Answered { waited_ms: slots.wait(Field::WaitedMs)? }),
        Type::CallHeld => What::Call(CallEvent::Held),
        Type::CallResumed => What::Call(CallEvent::Resumed),
        Type::CallTransferred => What::Call(CallEvent::Transferred {
            kind: slots
                .open(kind, Field::Kind, TransferKind::from_word, TransferKind::Other)?
                .unwrap_or(TransferKind::Blind),
            to_queue: slots.id(Field::ToQueue)?,
            to_agent: slots.id(Field::ToAgent)?,
            to_number: slots.text(Field::ToNumber)?,
        }),
        Type::CallLeftQueue => What::Call(CallEvent::LeftQueue {
            reason: slots.closed(kind, Field::Reason, LeaveReason::from_word)?,
            waited_ms: slots.wait(Field::WaitedMs)?,
        }),
        Type::CallEnded => {
            What::Call(CallEvent::Ended { by: slots.open(kind, Field::By, EndedBy::from_word, EndedBy::Other)? })
        }
        Type::CallWrapupStarted => What::Call(CallEvent::WrapupStarted {
            code: slots.text(Field::Code)?,
            resolved: slots.flag(Field::Resolved)?,
        }),
        Type::CallWrapupEnded => What::Call(CallEvent::WrapupEnded {
            code: slots.text(Field::Code)?,
            resolved: slots.flag(Field::Resolved)?,
        }),
        Type::AgentState => What::AgentState {
            state: slots.closed(kind, Field::State, AgentState::from_word)?,
            reason: slots.text(Field::Reason)?,
        },
        Type::AgentJoined => What::AgentJoined,
        Type::AgentLeft => What::AgentLeft,
        Type::SurveyAnswered => What::SurveyAnswered {
            csat: slots.score(Field::Csat)?,
            nps: slots.score(Field::Nps)?,
            ces: slots.score(Field::Ces)?,
            resolved: slots.flag(Field::Resolved)?,
            contact_time: slots.time(Field::ContactTime)?,
        },
        Type::EvaluationScored => What::EvaluationScored {
            evaluation_id: needed_id(kind, slots, Field::EvaluationId)?,
            score: slots.number(Field::Score)?,
            max: slots.number(Field::Max)?,
            automatic_fail: slots.flag(Field::AutomaticFail)?,
            compliant: slots.flag(Field::Compliant)?,
            deleted: slots.flag(Field::Deleted)?,
        },
        Type::CaseOpened => What::CaseOpened { case_id: needed_id(kind, slots, Field::CaseId)? },
        Type::CaseResolved => What::CaseResolved { case_id: needed_id(kind, slots, Field::CaseId)? },
        Type::CaseReopened => What::CaseReopened { case_id: needed_id(kind, slots, Field::CaseId)? },
        Type::SaleRecorded => What::SaleRecorded {
            sale_id: needed_id(kind, slots, Field::SaleId)?,
            amount_minor: needed(kind, Field::AmountMinor, slots.integer(Field::AmountMinor)?)?,
            currency: needed_id(kind, slots, Field::Currency)?,
            voided: slots.flag(Field::Voided)?,
        },
        Type::CostRecorded => What::CostRecorded {
            cost_id: needed_id(kind, slots, Field::CostId)?,
            amount_minor: needed(kind, Field::AmountMinor, slots.integer(Field::AmountMinor)?)?,
            currency: needed_id(kind, slots, Field::Currency)?,
        },
        Type::LeadCreated => What::LeadCreated,
        Type::CustomerAcquired => What::CustomerAcquired,
        Type::CustomerRetained => What::CustomerRetained,
        Type::CustomerLost => What::CustomerLost,
        Type::ForecastPublished => {
            let (start, end) = interval(kind, slots)?;
            What::ForecastPublished {
                start,
                end,
                calls: needed(kind, Field::Calls, slots.amount(Field::Calls)?)?,
                handle_ms: slots.count(Field::HandleMs)?,
            }
        }
        Type::SchedulePublished => {
            let (start, end) = interval(kind, slots)?;
            let activity = slots.closed(kind, Field::Activity, Activity::from_word)?;
            What::SchedulePublished { start, end, activity }
        }
        Type::StaffJoined => What::StaffJoined,
        Type::StaffLeft => What::StaffLeft,
        Type::StaffSurveyed => {
            let score = slots.number(Field::Score)?;
            let (min, max) = (slots.number(Field::Min)?, slots.number(Field::Max)?);
            if let (Some(score), Some(min), Some(max)) = (score, min, max) {
                within_scale(Field::Score, score, min, max)?;
            }
            let kind = slots.open(kind, Field::Kind, SurveyKind::from_word, SurveyKind::Other)?;
            What::StaffSurveyed { score, min, max, kind }
        }
        Type::SourceRestarted => What::SourceRestarted,
    })
}

/// A revision without a document says nothing.
fn document<'a>(slots: &mut Slots<'a>) -> Result<Option<(Text<'a>, i64)>, Reject> {
    let revision = slots.integer(Field::Revision)?.unwrap_or(0);
    Ok(slots.id(Field::Document)?.map(|document| (document, revision)))
}

fn needed<T>(kind: Type, field: Field, value: Option<T>) -> Result<T, Reject> {
    value.ok_or_else(|| missing(kind, field))
}

fn needed_id<'a>(kind: Type, slots: &mut Slots<'a>, field: Field) -> Result<Text<'a>, Reject> {
    needed(kind, field, slots.id(field)?)
}

/// `[start, end)`, not empty.
fn interval(kind: Type, slots: &mut Slots<'_>) -> Result<(EventTime, EventTime), Reject> {
    let start = needed(kind, Field::Start, slots.time(Field::Start)?)?;
    let end = needed(kind, Field::End, slots.time(Field::End)?)?;
    if start < end {
        return Ok((start, end));
    }
    let sentence = format!("end is {end}, not after start {start}; give the first instant after the interval");
    Err(Reject { reason: Reason::BadValue, sentence })
}
