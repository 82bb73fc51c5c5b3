//! Presence: the fields an event has, with their values; the inverse of `assemble`.

use super::table::Field;
use crate::event::{CallEvent, Channel, DEFAULT_TENANT, Direction, Event, Score, TransferKind, Via, What};
use crate::time::EventTime;

/// A value as it goes out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'e> {
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(&'e str),
    Time(EventTime),
    Score(Score),
}

/// Hands each field that is there to `put`, defaults left out.
pub(super) fn present<'e>(event: &'e Event<'_>, put: impl FnMut(Field, Value<'e>)) {
    let mut out = Out { put };
    out.text(Field::Type, event.what.name());
    out.time(Field::Time, event.time);
    out.texts(Field::EventId, &event.event_id);
    out.integers(Field::Seq, event.seq);
    out.texts(Field::Source, &event.source);
    if event.tenant != DEFAULT_TENANT {
        out.text(Field::Tenant, &event.tenant);
    }
    out.texts(Field::CallId, &event.call_id);
    out.texts(Field::RootId, &event.root_id);
    if event.channel != Channel::Voice {
        out.text(Field::Channel, event.channel.word());
    }
    if event.direction != Direction::Inbound {
        out.text(Field::Direction, event.direction.word());
    }
    out.texts(Field::Customer, &event.customer);
    out.texts(Field::Queue, &event.queue);
    out.texts(Field::Agent, &event.agent);
    if let Some((document, revision)) = &event.document {
        out.text(Field::Document, document);
        out.integers(Field::Revision, Some(*revision).filter(|revision| *revision != 0));
    }
    match &event.what {
        What::Call(call) => out.call(call),
        What::AgentState { state, reason } => {
            out.text(Field::State, state.word());
            out.texts(Field::Reason, reason);
        }
        What::SurveyAnswered { csat, nps, ces, resolved, contact_time } => {
            for (field, score) in [(Field::Csat, csat), (Field::Nps, nps), (Field::Ces, ces)] {
                if let Some(score) = score {
                    (out.put)(field, Value::Score(*score));
                }
            }
            out.flags(Field::Resolved, *resolved);
            if let Some(time) = contact_time {
                out.time(Field::ContactTime, *time);
            }
        }
        What::EvaluationScored { evaluation_id, score, max, automatic_fail, compliant, deleted } => {
            out.text(Field::EvaluationId, evaluation_id);
            out.numbers(Field::Score, *score);
            out.numbers(Field::Max, *max);
            out.flags(Field::AutomaticFail, *automatic_fail);
            out.flags(Field::Compliant, *compliant);
            out.flags(Field::Deleted, *deleted);
        }
        What::CaseOpened { case_id } | What::CaseResolved { case_id } | What::CaseReopened { case_id } => {
            out.text(Field::CaseId, case_id);
        }
        What::SaleRecorded { sale_id, amount_minor, currency, voided } => {
            out.text(Field::SaleId, sale_id);
            out.integers(Field::AmountMinor, Some(*amount_minor));
            out.text(Field::Currency, currency);
            out.flags(Field::Voided, *voided);
        }
        What::CostRecorded { cost_id, amount_minor, currency } => {
            out.text(Field::CostId, cost_id);
            out.integers(Field::AmountMinor, Some(*amount_minor));
            out.text(Field::Currency, currency);
        }
        What::ForecastPublished { start, end, calls, handle_ms } => {
            out.time(Field::Start, *start);
            out.time(Field::End, *end);
            out.numbers(Field::Calls, Some(*calls));
            out.integers(Field::HandleMs, *handle_ms);
        }
        What::SchedulePublished { start, end, activity } => {
            out.time(Field::Start, *start);
            out.time(Field::End, *end);
            out.text(Field::Activity, activity.word());
        }
        What::StaffSurveyed { score, min, max, kind } => {
            out.numbers(Field::Score, *score);
            out.numbers(Field::Min, *min);
            out.numbers(Field::Max, *max);
            out.words(Field::Kind, kind.map(|kind| kind.word()));
        }
        What::AgentJoined
        | What::AgentLeft
        | What::LeadCreated
        | What::CustomerAcquired
        | What::CustomerRetained
        | What::CustomerLost
        | What::StaffJoined
        | What::StaffLeft
        | What::SourceRestarted => {}
    }
}

struct Out<F> {
    put: F,
}

impl<'e, F: FnMut(Field, Value<'e>)> Out<F> {
    fn call(&mut self, call: &'e CallEvent<'_>) {
        match call {
            CallEvent::Arrived { dialled } | CallEvent::Dialled { dialled } => self.texts(Field::Dialled, dialled),
            CallEvent::Blocked { reason } => self.words(Field::Reason, reason.map(|reason| reason.word())),
            CallEvent::Queued { priority, position, via } => {
                self.integers(Field::Priority, *priority);
                self.integers(Field::Position, *position);
                if *via != Via::Direct {
                    self.text(Field::Via, via.word());
                }
            }
            CallEvent::RingEnded { reason } => self.text(Field::Reason, reason.word()),
            CallEvent::Answered { waited_ms } => self.integers(Field::WaitedMs, *waited_ms),
            CallEvent::Transferred { kind, to_queue, to_agent, to_number } => {
                if *kind != TransferKind::Blind {
                    self.text(Field::Kind, kind.word());
                }
                self.texts(Field::ToQueue, to_queue);
                self.texts(Field::ToAgent, to_agent);
                self.texts(Field::ToNumber, to_number);
            }
            CallEvent::LeftQueue { reason, waited_ms } => {
                self.text(Field::Reason, reason.word());
                self.integers(Field::WaitedMs, *waited_ms);
            }
            CallEvent::Ended { by } => self.words(Field::By, by.map(|by| by.word())),
            CallEvent::WrapupStarted { code, resolved } | CallEvent::WrapupEnded { code, resolved } => {
                self.texts(Field::Code, code);
                self.flags(Field::Resolved, *resolved);
            }
            CallEvent::Ringing | CallEvent::Held | CallEvent::Resumed => {}
        }
    }

    fn text(&mut self, field: Field, value: &'e str) {
        (self.put)(field, Value::Text(value));
    }

    fn texts(&mut self, field: Field, value: &'e Option<impl AsRef<str>>) {
        self.words(field, value.as_ref().map(|text| text.as_ref()));
    }

    fn words(&mut self, field: Field, value: Option<&'e str>) {
        if let Some(value) = value {
            (self.put)(field, Value::Text(value));
        }
    }

    fn integers(&mut self, field: Field, value: Option<i64>) {
        if let Some(value) = value {
            (self.put)(field, Value::Integer(value));
        }
    }

    fn numbers(&mut self, field: Field, value: Option<f64>) {
        if let Some(value) = value {
            (self.put)(field, Value::Number(value));
        }
    }

    fn flags(&mut self, field: Field, value: Option<bool>) {
        if let Some(value) = value {
            (self.put)(field, Value::Flag(value));
        }
    }

    fn time(&mut self, field: Field, value: EventTime) {
        (self.put)(field, Value::Time(value));
    }
}
