//! FreeSWITCH: events of mod_callcenter and of the channels in its queues, one a record, as the event socket's text
//! or as JSON.
//!
//! Follows the page "mod_callcenter" of FreeSWITCH's documentation, and `mod_callcenter.c`, which decides when each is
//! sent. A call is the session of its caller, so that a call which goes on to another queue stays one.
//! Source: docs/formats.md, "freeswitch".

use super::draft::{Draft, refuse};
use super::format::Given;
use super::headers::{Headers, Syntax, headers, instant, named, needed, read, whole};
use super::slots::shortened;
use super::table::{Field, Type};
use crate::event::{Decoded, Reason, Reject, Text};
use crate::time::EventTime;
use smallvec::{SmallVec, smallvec};

type Events<'a> = SmallVec<[Decoded<'a>; 2]>;

const SYNTAX: Syntax = Syntax { event: "Event-Name", is_encoded: true };

headers! {
    /// What an event may say of these.
    Event {
        name = "Event-Name",
        subclass = "Event-Subclass",
        content_type = "Content-Type",
        switch = "FreeSWITCH-Switchname",
        at_micros = "Event-Date-Timestamp",
        action = "CC-Action",
        queue = "CC-Queue",
        agent = "CC-Agent",
        status = "CC-Agent-Status",
        hangup_cause_told = "CC-Hangup-Cause",
        cause = "CC-Cause",
        cancel_reason = "CC-Cancel-Reason",
        member = "CC-Member-UUID",
        session = "CC-Member-Session-UUID",
        number = "CC-Member-CID-Number",
        joined_at = "CC-Member-Joined-Time",
        left_at = "CC-Member-Leaving-Time",
        answered_at = "CC-Agent-Answered-Time",
        aborted_at = "CC-Agent-Aborted-Time",
        ended_at = "CC-Bridge-Terminated-Time",
        // Of the channel.
        channel = "Unique-ID",
        answer_state = "Answer-State",
        hangup_cause = "Hangup-Cause",
        side = "variable_cc_side",
        channel_agent = "variable_cc_agent",
        channel_session = "variable_cc_member_session_uuid",
        disposition = "variable_endpoint_disposition",
        hangup_by = "variable_sip_hangup_disposition",
    }
}

/// Tells the events of a record.
pub(super) fn decode<'r>(record: Given<'r>, each: &mut dyn FnMut(Decoded<'r>)) -> Result<(), Reject> {
    let mut event = Event::default();
    read(record.bytes, SYNTAX, &mut event)?;
    // What the socket says of the event that follows.
    if event.name.is_empty() && !event.content_type.is_empty() {
        each(Decoded::Unknown { kind: event.content_type });
        return Ok(());
    }
    let name = named(SYNTAX, &event.name)?;
    let events = match name.as_ref() {
        "CUSTOM" if event.subclass == "callcenter::info" => of_queue(&event, record.logged)?,
        "CUSTOM" => Events::new(),
        name => of_channel(&event, name, record.logged)?,
    };
    match events.is_empty() {
        true => each(Decoded::Unknown { kind: aside(event) }),
        false => events.into_iter().for_each(each),
    }
    Ok(())
}

/// The name of what is left aside: the most telling one.
fn aside(event: Event<'_>) -> Text<'_> {
    [event.action, event.subclass].into_iter().find(|name| !name.is_empty()).unwrap_or(event.name)
}

/// What an event of mod_callcenter stands for; nothing if it is left aside.
fn of_queue<'a>(event: &Event<'a>, logged: Option<EventTime>) -> Result<Events<'a>, Reject> {
    let action = needed("callcenter::info", "CC-Action", &event.action)?;
    let call = |kind, told_at| -> Result<Draft<'a>, Reject> {
        let session = if event.session.is_empty() { &event.member } else { &event.session };
        let draft = draft(event, kind, time(event, told_at, logged)?);
        let draft = draft.text(Field::CallId, needed(&action, "CC-Member-Session-UUID", session)?);
        Ok(draft.text(Field::Queue, needed(&action, "CC-Queue", &event.queue)?))
    };
    let with_agent = |kind, told_at| -> Result<Draft<'a>, Reject> {
        Ok(call(kind, told_at)?.text(Field::Agent, needed(&action, "CC-Agent", &event.agent)?))
    };
    let answered_at = ("CC-Agent-Answered-Time", &event.answered_at);
    let left_at = ("CC-Member-Leaving-Time", &event.left_at);
    let ended_at = ("CC-Bridge-Terminated-Time", &event.ended_at);
    let told = match action.as_ref() {
        "member-queue-start" | "member-queue-resume" => {
            call(Type::CallQueued, NOT_TOLD)?.text(Field::Customer, event.number.clone())
        }
        "agent-offering" => with_agent(Type::CallRinging, NOT_TOLD)?,
        "bridge-agent-start" => {
            with_agent(Type::CallAnswered, answered_at)?.integers(Field::WaitedMs, waited(event, answered_at)?)
        }
        // The caller may be in another queue already: this connection ends alone, by a transfer, else by a wrap-up of
        // no length.
        "bridge-agent-end" => match transfer(event) {
            Some(kind) => with_agent(Type::CallTransferred, ended_at)?.text(Field::Kind, kind),
            None => {
                let wrapup = [Type::CallWrapupStarted, Type::CallWrapupEnded];
                return wrapup.into_iter().map(|kind| with_agent(kind, ended_at)?.event()).collect();
            }
        },
        "bridge-agent-fail" => match ring_end(&event.hangup_cause_told) {
            Some(reason) => {
                let told_at = ("CC-Agent-Aborted-Time", &event.aborted_at);
                with_agent(Type::CallRingEnded, told_at)?.text(Field::Reason, reason)
            }
            None => return Ok(Events::new()),
        },
        "member-queue-end" if event.cause == "Cancel" => {
            let left = call(Type::CallLeftQueue, left_at)?.text(Field::Reason, leave_reason(event)?);
            left.integers(Field::WaitedMs, waited(event, left_at)?)
        }
        "agent-status-change" => {
            // The module's word for a status it does not know, told of an agent who was given none yet.
            if event.status == "Unknown" {
                return Ok(Events::new());
            }
            let draft = draft(event, Type::AgentState, time(event, NOT_TOLD, logged)?);
            let draft = draft.text(Field::Agent, needed(&action, "CC-Agent", &event.agent)?);
            draft.text(Field::State, state(&needed(&action, "CC-Agent-Status", &event.status)?)?)
        }
        _ => return Ok(Events::new()),
    };
    Ok(smallvec![told.event()?])
}

/// What an event of a channel stands for, which counts if mod_callcenter marked the channel, or of the switch itself.
fn of_channel<'a>(event: &Event<'a>, name: &str, logged: Option<EventTime>) -> Result<Events<'a>, Reject> {
    let at = || time(event, NOT_TOLD, logged);
    let told = match (name, event.side.as_ref()) {
        ("CHANNEL_HANGUP_COMPLETE", "member") => {
            let by = match event.hangup_by.as_ref() {
                "recv_bye" | "recv_cancel" => "caller",
                _ => "",
            };
            let draft = draft(event, Type::CallEnded, at()?);
            draft.text(Field::CallId, needed(name, "Unique-ID", &event.channel)?).text(Field::By, by)
        }
        ("CHANNEL_HOLD" | "CHANNEL_UNHOLD", "agent") => {
            let kind = if name == "CHANNEL_HOLD" { Type::CallHeld } else { Type::CallResumed };
            let session = needed(name, "variable_cc_member_session_uuid", &event.channel_session)?;
            draft(event, kind, at()?).text(Field::CallId, session).text(Field::Agent, event.channel_agent.clone())
        }
        ("STARTUP" | "SHUTDOWN", _) => {
            needed(name, "FreeSWITCH-Switchname", &event.switch)?;
            draft(event, Type::SourceRestarted, at()?)
        }
        _ => return Ok(Events::new()),
    };
    Ok(smallvec![told.event()?])
}

/// Every event names the switch it comes from.
fn draft<'a>(event: &Event<'a>, kind: Type, time: EventTime) -> Draft<'a> {
    Draft::new(kind, time).text(Field::Source, event.switch.clone())
}

/// Why the caller left. A channel that is still up when the wait breaks off was taken out of the queue.
fn leave_reason(event: &Event<'_>) -> Result<&'static str, Reject> {
    Ok(match event.cancel_reason.as_ref() {
        "TIMEOUT" => "timeout",
        "NO_AGENT_TIMEOUT" => "no_agents",
        "EXIT_WITH_KEY" => "key",
        "BREAK_OUT" if !matches!(event.answer_state.as_ref(), "" | "hangup") => "withdrawn",
        "BREAK_OUT" | "NONE" => "abandoned",
        "" => {
            let sentence = "CC-Cancel-Reason is missing; \"member-queue-end\" with CC-Cause \"Cancel\" needs it";
            return Err(refuse(Reason::MissingField, sentence));
        }
        reason => {
            let sentence = format!(
                "CC-Cancel-Reason is {}; give NONE, TIMEOUT, NO_AGENT_TIMEOUT, BREAK_OUT or EXIT_WITH_KEY",
                shortened(reason)
            );
            return Err(refuse(Reason::BadValue, sentence));
        }
    })
}

/// How an agent's channel handed the call on, if it did.
fn transfer(event: &Event<'_>) -> Option<&'static str> {
    [&event.disposition, &event.hangup_cause].into_iter().find_map(|told| match told.as_ref() {
        "BLIND_TRANSFER" => Some("blind"),
        "ATTENDED_TRANSFER" => Some("attended"),
        _ => None,
    })
}

/// Why an offer came to nothing; none if another agent was faster, which that agent's answer says.
fn ring_end(cause: &str) -> Option<&'static str> {
    Some(match cause {
        "LOSE_RACE" | "PICKED_OFF" => return None,
        "ORIGINATOR_CANCEL" => "caller_left",
        "CALL_REJECTED" | "USER_BUSY" => "rejected",
        "USER_NOT_REGISTERED"
        | "SUBSCRIBER_ABSENT"
        | "UNALLOCATED_NUMBER"
        | "DESTINATION_OUT_OF_ORDER"
        | "NORMAL_CIRCUIT_CONGESTION"
        | "NORMAL_TEMPORARY_FAILURE" => "error",
        _ => "no_answer",
    })
}

fn state(status: &str) -> Result<&'static str, Reject> {
    Ok(match status {
        "Available" | "Available (On Demand)" => "available",
        "On Break" => "paused",
        "Logged Out" => "logged_out",
        _ => {
            let sentence = format!(
                "CC-Agent-Status is {}; give Logged Out, Available, Available (On Demand) or On Break",
                shortened(status)
            );
            return Err(refuse(Reason::BadValue, sentence));
        }
    })
}

/// A header with the event's own time in seconds, and what it says.
type ToldAt<'e, 'a> = (&'static str, &'e Text<'a>);

/// The event has no such header.
const NOT_TOLD: ToldAt<'static, 'static> = ("", &Text::Borrowed(""));

/// When it happened: to the microsecond as every event says, else to the second, else by Kafka.
fn time(event: &Event<'_>, (name, seconds): ToldAt<'_, '_>, logged: Option<EventTime>) -> Result<EventTime, Reject> {
    if !event.at_micros.is_empty() {
        let millis = event.at_micros.parse::<i64>().ok().map(|micros| micros.div_euclid(1000));
        return instant("Event-Date-Timestamp", &event.at_micros, millis);
    }
    if !seconds.is_empty() {
        return instant(name, seconds, seconds.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1000)));
    }
    logged.ok_or_else(|| {
        let sentence = "Event-Date-Timestamp is missing, and in a file nothing else says when; keep the headers that \
                        FreeSWITCH gives every event";
        refuse(Reason::MissingField, sentence)
    })
}

/// The wait until then, in whole seconds of FreeSWITCH; none if it does not say both ends.
fn waited(event: &Event<'_>, (name, until): ToldAt<'_, '_>) -> Result<Option<i64>, Reject> {
    let joined = whole("CC-Member-Joined-Time", &event.joined_at)?.filter(|joined| 0 < *joined);
    let seconds = joined.zip(whole(name, until)?).map(|(joined, until)| until.saturating_sub(joined));
    Ok(seconds.filter(|seconds| 0 <= *seconds).map(|seconds| seconds.saturating_mul(1000)))
}
