//! Twilio TaskRouter: the events of a workspace, from its event callback or from Event Streams.
//!
//! ```text
//! EventType=reservation.accepted&TaskSid=WT...                      the callback's form
//! {"EventType":"reservation.accepted","TaskSid":"WT..."}            the same as JSON
//! {"type":"com.twilio.taskrouter...","data":{"payload":{"eventtype":"reservation.accepted","task_sid":"WT..."}}}
//! [{...},{...}]                                                     a batch of those
//! ```
//!
//! Source: "TaskRouter Events reference" (twilio.com/docs/taskrouter/api/event/reference), "TaskRouter event types"
//! of Event Streams (twilio.com/docs/events/event-types/taskrouter) with the schema `TaskRouter.WDSEvent/4`, and "Task
//! transfer" of Flex. A task is a call, a reservation is an offer to a worker and then that worker's part in it.

use super::document::{Name, Scalar, missing, parse, text};
use super::draft::{Draft, refuse};
use super::form;
use super::table::{Field, Type};
use crate::event::{Decoded, Reason, Reject, Text};
use crate::time::EventTime;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a record should be, for whoever wrote another one.
const WANTED: &str = "one event of TaskRouter";

/// Tells what a record holds.
pub fn decode(record: &[u8], each: &mut dyn FnMut(Decoded<'_>)) -> Result<(), Reject> {
    let text = text(record)?;
    if text.starts_with('[') {
        let batch: Vec<Notice<'_>> = parse(text, "a list of events of TaskRouter")?;
        if batch.is_empty() {
            return Err(refuse(Reason::MissingField, "the list is empty; give at least one event of TaskRouter"));
        }
        return tell_all(&batch, each);
    }
    let notice = if text.starts_with('{') || !text.contains('=') { parse(text, WANTED)? } else { of_form(text)? };
    tell_all(std::slice::from_ref(&notice), each)
}

fn tell_all(notices: &[Notice<'_>], each: &mut dyn FnMut(Decoded<'_>)) -> Result<(), Reject> {
    let mut told = Vec::with_capacity(notices.len() + 1);
    for notice in notices {
        let part = Part::of(notice)?;
        let before = told.len();
        part.tell(&mut told)?;
        if told.len() == before {
            told.push(Decoded::Unknown { kind: part.kind.into() });
        }
    }
    told.into_iter().for_each(each);
    Ok(())
}

/// An event as it is written, with the envelopes it may stand in.
#[derive(Default, Deserialize)]
struct Notice<'a> {
    /// Of a CloudEvent.
    #[serde(borrow, rename = "type")]
    cloud_type: Option<Name<'a>>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    /// Of the data of a CloudEvent, its envelope being opened.
    #[serde(borrow)]
    payload: Option<Box<Notice<'a>>>,
    /// Of the Events resource of the API.
    #[serde(borrow)]
    event_data: Option<Box<Notice<'a>>>,
    #[serde(borrow, rename = "EventType", alias = "eventtype", alias = "event_type")]
    event_type: Option<Name<'a>>,
    #[serde(borrow, default, rename = "Sid", alias = "sid")]
    sid: Scalar<'a>,
    #[serde(borrow, default, rename = "TimestampMs", alias = "timestamp_ms", alias = "event_date_ms")]
    timestamp_ms: Scalar<'a>,
    #[serde(borrow, default, rename = "Timestamp", alias = "timestamp", alias = "event_date")]
    timestamp: Scalar<'a>,
    #[serde(borrow, default, rename = "TaskSid", alias = "task_sid")]
    task: Scalar<'a>,
    #[serde(borrow, default, rename = "TaskAttributes", alias = "task_attributes")]
    attributes: Scalar<'a>,
    #[serde(borrow, default, rename = "TaskPriority", alias = "task_priority")]
    priority: Scalar<'a>,
    #[serde(borrow, default, rename = "TaskQueueSid", alias = "task_queue_sid")]
    queue: Scalar<'a>,
    #[serde(borrow, default, rename = "TaskQueueEnteredDate", alias = "task_queue_entered_date")]
    entered: Scalar<'a>,
    #[serde(borrow, default, rename = "TaskChannelUniqueName", alias = "task_channel_unique_name")]
    channel: Scalar<'a>,
    #[serde(borrow, default, rename = "TaskCanceledReason", alias = "task_canceled_reason")]
    canceled_reason: Scalar<'a>,
    #[serde(borrow, default, rename = "WorkerSid", alias = "worker_sid")]
    worker: Scalar<'a>,
    #[serde(borrow, default, rename = "WorkerActivityName", alias = "worker_activity_name")]
    activity: Scalar<'a>,
    #[serde(borrow, default, rename = "TransferTo", alias = "transfer_to")]
    transfer_to: Scalar<'a>,
    #[serde(borrow, default, rename = "TransferMode", alias = "transfer_mode")]
    transfer_mode: Scalar<'a>,
    #[serde(borrow, default, rename = "TransferInitiatingWorkerSid", alias = "transfer_initiating_worker_sid")]
    transfer_worker: Scalar<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    payload: Option<Box<Notice<'a>>>,
}

fn of_form(text: &str) -> Result<Notice<'_>, Reject> {
    let mut notice = Notice::default();
    for (name, value) in form::fields(text) {
        let slot = match &*name.text()? {
            "EventType" => {
                notice.event_type = Some(Name(value.text()?));
                continue;
            }
            "Sid" => &mut notice.sid,
            "TimestampMs" => &mut notice.timestamp_ms,
            "Timestamp" => &mut notice.timestamp,
            "TaskSid" => &mut notice.task,
            "TaskAttributes" => &mut notice.attributes,
            "TaskPriority" => &mut notice.priority,
            "TaskQueueSid" => &mut notice.queue,
            "TaskQueueEnteredDate" => &mut notice.entered,
            "TaskChannelUniqueName" => &mut notice.channel,
            "TaskCanceledReason" => &mut notice.canceled_reason,
            "WorkerSid" => &mut notice.worker,
            "WorkerActivityName" => &mut notice.activity,
            "TransferTo" => &mut notice.transfer_to,
            "TransferMode" => &mut notice.transfer_mode,
            "TransferInitiatingWorkerSid" => &mut notice.transfer_worker,
            _ => continue,
        };
        *slot = Scalar::Text(value.text()?);
    }
    Ok(notice)
}

/// What a task carries of its own, written as JSON within its events.
#[derive(Default, Deserialize)]
struct Attributes<'a> {
    #[serde(borrow, default)]
    direction: Scalar<'a>,
    #[serde(borrow, default)]
    from: Scalar<'a>,
    #[serde(borrow, default)]
    to: Scalar<'a>,
    #[serde(borrow, default)]
    called: Scalar<'a>,
    #[serde(borrow, default)]
    outbound_to: Scalar<'a>,
    #[serde(borrow, default, deserialize_with = "if_shaped")]
    conversations: Option<Conversations<'a>>,
}

/// A value of the shape it has in Twilio's own. Customers write what they please into the attributes, and what means
/// something else to them is no reason to lose the task.
fn if_shaped<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<Conversations<'a>>, D::Error> {
    let value: &'a RawValue = Deserialize::deserialize(deserializer)?;
    Ok(serde_json::from_str(value.get()).ok())
}

#[derive(Deserialize)]
struct Conversations<'a> {
    #[serde(borrow, default)]
    conversation_id: Scalar<'a>,
}

/// An event out of its envelopes, with what every kind has.
struct Part<'d> {
    kind: &'d str,
    notice: &'d Notice<'d>,
    /// The Sid and the time may stand outside.
    outer: &'d Notice<'d>,
    attributes: Attributes<'d>,
}

impl<'d> Part<'d> {
    fn of(outer: &'d Notice<'d>) -> Result<Part<'d>, Reject> {
        let of_data = || outer.data.as_ref().and_then(|data| data.payload.as_deref());
        let payload = outer.payload.as_deref().or_else(of_data);
        let notice = payload.or(outer.event_data.as_deref()).unwrap_or(outer);
        let of_cloud = || {
            let name: &'d Name<'d> = outer.cloud_type.as_ref()?;
            Some(name.0.strip_prefix("com.twilio.taskrouter.").unwrap_or(&name.0))
        };
        let told = notice.event_type.as_ref().or(outer.event_type.as_ref()).map(|name| &*name.0);
        let kind = told.or_else(of_cloud).filter(|kind| !kind.is_empty());
        let kind = kind.ok_or_else(|| missing("an event of TaskRouter", "EventType"))?;
        let attributes = match &notice.attributes {
            Scalar::Text(text) if !text.is_empty() => serde_json::from_str(text).map_err(|_| {
                let sentence =
                    "TaskAttributes is no JSON object of the fields it can have; give it as Twilio writes it";
                refuse(Reason::BadValue, sentence)
            })?,
            _ => Attributes::default(),
        };
        Ok(Part { kind, notice, outer, attributes })
    }

    fn tell(&self, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let queue = self.notice.queue.name();
        match self.kind {
            "task.created" => {
                let kind = if self.is_outbound() { Type::CallDialled } else { Type::CallArrived };
                let dialled = self.called();
                self.give(self.call(kind)?.texts(Field::Dialled, dialled), told)
            }
            "task-queue.entered" => {
                let draft = self.call(Type::CallQueued)?.texts(Field::Queue, queue);
                self.give(draft.integers(Field::Priority, self.notice.priority.integer()), told)
            }
            "task-queue.timeout" | "task-queue.expired" => self.leave(queue, "timeout", "", told),
            "task.canceled" => {
                let reason = canceled(self.notice.canceled_reason.name());
                if queue.is_some() {
                    self.leave(queue, reason, ":left", told)?;
                }
                let by = if matches!(reason, "abandoned" | "key") { "caller" } else { "system" };
                self.give(self.call(Type::CallEnded)?.text(Field::By, by), told)
            }
            "task.completed" => self.give(self.call(Type::CallEnded)?.text(Field::By, "agent"), told),
            "task.deleted" | "task.system-deleted" => {
                self.give(self.call(Type::CallEnded)?.text(Field::By, "system"), told)
            }
            "reservation.created" => self.of_worker(Type::CallRinging, None, told),
            "reservation.accepted" => self.of_worker(Type::CallAnswered, None, told),
            "reservation.rejected" => self.of_worker(Type::CallRingEnded, Some("rejected"), told),
            "reservation.timeout" => self.of_worker(Type::CallRingEnded, Some("no_answer"), told),
            "reservation.canceled" => self.of_worker(Type::CallRingEnded, Some("caller_left"), told),
            "reservation.failed" => self.of_worker(Type::CallRingEnded, Some("error"), told),
            "reservation.wrapup" => self.of_worker(Type::CallWrapupStarted, None, told),
            "reservation.completed" => self.of_worker(Type::CallWrapupEnded, None, told),
            "task.transfer-initiated" => self.transfer_begins(told),
            "task.transfer-completed" => self.transfer_ends(told),
            "task.transfer-failed" | "task.transfer-canceled" => {
                // The caller of a warm transfer is still with the worker who began it.
                let is_given_up = self.is_warm() || self.kind == "task.transfer-canceled";
                let reason = if is_given_up { "withdrawn" } else { "abandoned" };
                match self.transfer_queue() {
                    Some(queue) => self.leave(Some(queue), reason, "", told),
                    None => Ok(()),
                }
            }
            "worker.activity.update" | "worker.created" => self.activity(told),
            "worker.deleted" => self.state("logged_out", None, told),
            _ => Ok(()),
        }
    }

    fn time(&self) -> Result<EventTime, Reject> {
        for notice in [self.notice, self.outer] {
            if let Some(at) = notice.timestamp_ms.time("TimestampMs")? {
                return Ok(at);
            }
        }
        for notice in [self.notice, self.outer] {
            if let Some(at) =
                seconds(&notice.timestamp).map_or_else(|| notice.timestamp.time("Timestamp"), |at| Ok(Some(at)))?
            {
                return Ok(at);
            }
        }
        Err(missing(self.kind, "TimestampMs"))
    }

    /// The id of the event, which is the Sid of Twilio's; a second one of it has `part` after it.
    fn event_id(&self, part: &str) -> Option<Text<'d>> {
        let sid = self.notice.sid.name().or(self.outer.sid.name())?;
        Some(if part.is_empty() { Cow::Borrowed(sid) } else { Cow::Owned(format!("{sid}{part}")) })
    }

    fn call(&self, kind: Type) -> Result<Draft<'d>, Reject> {
        let notice = self.notice;
        let task = notice.task.name().ok_or_else(|| missing(self.kind, "TaskSid"))?;
        let root = self.root().filter(|root| **root != *task);
        let draft = Draft::new(kind, self.time()?).text(Field::CallId, task).texts(Field::RootId, root);
        let draft = draft.texts(Field::Channel, notice.channel.name().map(channel));
        let draft = draft.texts(Field::Direction, self.is_outbound().then_some("outbound"));
        Ok(draft.texts(Field::Customer, self.customer()).texts(Field::EventId, self.event_id("")))
    }

    fn give(&self, draft: Draft<'d>, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        // In one millisecond a task may leave its queue by one event and enter it anew by the next.
        let rank = match self.kind {
            _ if self.event_id("").is_none() || self.kind.starts_with("worker.") => None,
            "task.created" | "task-queue.timeout" | "task-queue.expired" => Some(0),
            "task-queue.entered" => Some(1),
            _ => Some(2),
        };
        told.push(draft.integers(Field::Seq, rank).event()?);
        Ok(())
    }

    fn leave(
        &self,
        queue: Option<&'d str>,
        reason: &'static str,
        part: &str,
        told: &mut Vec<Decoded<'d>>,
    ) -> Result<(), Reject> {
        let draft = self.call(Type::CallLeftQueue)?.texts(Field::Queue, queue).text(Field::Reason, reason);
        self.give(draft.integers(Field::WaitedMs, self.waited()?).texts(Field::EventId, self.event_id(part)), told)
    }

    fn of_worker(&self, kind: Type, reason: Option<&'static str>, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let worker = self.notice.worker.name().ok_or_else(|| missing(self.kind, "WorkerSid"))?;
        let draft = self.call(kind)?.text(Field::Agent, worker).texts(Field::Queue, self.notice.queue.name());
        let waited = if kind == Type::CallAnswered { self.waited()? } else { None };
        self.give(draft.texts(Field::Reason, reason).integers(Field::WaitedMs, waited), told)
    }

    /// How long the task was in its queue, in the precision of its entry.
    fn waited(&self) -> Result<Option<i64>, Reject> {
        let entered = seconds(&self.notice.entered).or_else(|| self.notice.entered.time("").ok().flatten());
        let Some(entered) = entered else { return Ok(None) };
        let waited = self.time()?.since(entered).0;
        Ok((0..=super::table::WAIT_MAX_MS).contains(&waited).then_some(waited))
    }

    /// A worker hands a task on: cold at once, warm when the other has taken it and both are in the call.
    fn transfer_begins(&self, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        if let Some(worker) = self.transferring().filter(|_| !self.is_warm()) {
            let draft = self.call(Type::CallTransferred)?.text(Field::Agent, worker).text(Field::Kind, "blind");
            self.give(self.to(draft), told)?;
        }
        match self.transfer_queue() {
            Some(queue) => {
                let draft = self.call(Type::CallQueued)?.text(Field::Queue, queue).text(Field::Via, "transfer");
                self.give(draft.texts(Field::EventId, self.event_id(":queued")), told)
            }
            None => Ok(()),
        }
    }

    fn transfer_ends(&self, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let Some(worker) = self.transferring().filter(|_| self.is_warm()) else { return Ok(()) };
        let draft = self.call(Type::CallTransferred)?.text(Field::Agent, worker).text(Field::Kind, "conference");
        self.give(self.to(draft), told)
    }

    fn to(&self, draft: Draft<'d>) -> Draft<'d> {
        match (self.transfer_queue(), self.notice.transfer_to.name()) {
            (Some(queue), _) => draft.text(Field::ToQueue, queue),
            (None, Some(worker)) if worker.starts_with("WK") => draft.text(Field::ToAgent, worker),
            _ => draft,
        }
    }

    fn transfer_queue(&self) -> Option<&'d str> {
        self.notice.transfer_to.name().filter(|to| to.starts_with("WQ"))
    }

    fn transferring(&self) -> Option<&'d str> {
        self.notice.transfer_worker.name().or(self.notice.worker.name())
    }

    fn is_warm(&self) -> bool {
        self.notice.transfer_mode.name().is_some_and(|mode| mode.eq_ignore_ascii_case("warm"))
    }

    fn activity(&self, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let name = self.notice.activity.name().ok_or_else(|| missing(self.kind, "WorkerActivityName"))?;
        let is = |word: &str| name.eq_ignore_ascii_case(word);
        match () {
            () if is("Offline") => self.state("logged_out", None, told),
            () if is("Available") || is("Idle") => self.state("available", None, told),
            () if is("Reserved") => self.state("ringing", None, told),
            () if is("Busy") => self.state("on_call", None, told),
            () if is("WrapUp") => self.state("wrapup", None, told),
            () => self.state("paused", Some(name), told),
        }
    }

    fn state(&self, state: &'static str, reason: Option<&'d str>, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let worker = self.notice.worker.name().ok_or_else(|| missing(self.kind, "WorkerSid"))?;
        let draft = Draft::new(Type::AgentState, self.time()?).text(Field::Agent, worker).text(Field::State, state);
        self.give(draft.texts(Field::Reason, reason).texts(Field::EventId, self.event_id("")), told)
    }

    fn is_outbound(&self) -> bool {
        self.attributes.direction.name().is_some_and(|word| word.starts_with("outbound"))
    }

    fn customer(&self) -> Option<Text<'d>> {
        if self.is_outbound() { self.called() } else { owned(&self.attributes.from) }
    }

    fn called(&self) -> Option<Text<'d>> {
        let Attributes { outbound_to, to, called, .. } = &self.attributes;
        owned(outbound_to).filter(|_| self.is_outbound()).or_else(|| owned(to)).or_else(|| owned(called))
    }

    /// The task that this one goes on from. Flex lets tasks of one conversation share an id, which may be of another
    /// kind of thing; only a task's Sid names a call.
    fn root(&self) -> Option<Text<'d>> {
        let conversations = self.attributes.conversations.as_ref()?;
        owned(&conversations.conversation_id).filter(|id| id.starts_with("WT"))
    }
}

/// A text of the attributes, which may not live as long as the record.
fn owned<'d>(value: &Scalar<'d>) -> Option<Text<'d>> {
    match value {
        Scalar::Text(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// The instant of epoch seconds; none if it is written otherwise.
fn seconds(value: &Scalar<'_>) -> Option<EventTime> {
    const MILLIS_FROM: i64 = 100_000_000_000;
    let seconds = value.integer().filter(|seconds| 0 < *seconds && *seconds < MILLIS_FROM)?;
    EventTime::from_millis(seconds * 1000)
}

/// The word of the contract for a task channel.
fn channel(name: &str) -> &'static str {
    match name {
        "voice" => "voice",
        "chat" | "web" => "chat",
        "sms" | "messaging" | "whatsapp" => "message",
        "email" => "email",
        "default" => "task",
        _ => "other",
    }
}

/// Why a canceled task left its queue: what `Enqueue` says of its end, else Twilio's words of its own.
fn canceled(reason: Option<&str>) -> &'static str {
    let plain = reason.unwrap_or_default().to_ascii_lowercase();
    match plain.as_str() {
        "leave" => "key",
        "redirected" => "overflow",
        "queue-full" | "error" | "system-error" => "system",
        _ if plain.contains("timeout") || plain.contains("ttl") || plain.contains("timed out") => "timeout",
        _ => "abandoned",
    }
}
