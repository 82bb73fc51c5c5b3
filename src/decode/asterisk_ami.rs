//! Asterisk's manager interface: events of queues and their members, one a record, as AMI's text or as JSON.
//!
//! Follows docs.asterisk.org, "AMI Events" (Asterisk 12 and later), and `apps/app_queue.c`, which decides when each
//! is sent:
//!
//! ```text
//! Join ── AgentCalled ── Leave ── AgentConnect ── AgentComplete         answered
//!      ── Abandon ── Leave                                              hung up, timed out, no agents, withdrawn
//!      ── Leave                                                         pressed a key
//! ```
//!
//! A Leave stands before the answer and says nothing of why, so it is left aside: whatever ends a wait says so by
//! itself, but for a key. Of that the caller's own hang-up is the end, by which whoever gave up has left already.
//! Source: docs/formats.md, "asterisk_ami".

use super::draft::{Draft, refuse};
use super::format::Given;
use super::headers::{Headers, Syntax, headers, instant, named, needed, read, whole};
use super::table::{Field, Shape, Type};
use crate::event::{Decoded, Reason, Reject, Text};
use crate::time::{EventTime, Span};
use smallvec::{SmallVec, smallvec};

const SYNTAX: Syntax = Syntax { event: "Event", is_encoded: false };

/// The first line of a connection, before anything is sent.
const GREETING: &[u8] = b"Asterisk Call Manager/";

/// What the dialplan calls the seconds after which a caller leaves, in `channelvars` of manager.conf.
const TIMEOUT: &str = "QUEUETIMEOUT=";

/// Whoever logs in is told of the start, however long ago: up to so many seconds back it is news.
const UPTIME_MAX: i64 = 3_600;

type Events<'a> = SmallVec<[Decoded<'a>; 2]>;

headers! {
    /// What an event may say of these.
    Known {
        event = "Event",
        response = "Response",
        timestamp = "Timestamp",
        system_name = "SystemName",
        uniqueid = "Uniqueid",
        linkedid = "Linkedid",
        member_linkedid = "DestLinkedid",
        caller = "CallerIDNum",
        queue = "Queue",
        member_name = "MemberName",
        interface = "Interface",
        // Of a member in the answer to the action QueueStatus.
        name = "Name",
        location = "Location",
        position = "Position",
        hold_time = "HoldTime",
        paused = "Paused",
        paused_reason = "PausedReason",
        reason = "Reason",
        agent = "Agent",
        result = "Result",
        dest_type = "DestType",
        first_transferer = "OrigTransfererUniqueid",
        second_transferer = "SecondTransfererUniqueid",
        second_bridge = "SecondBridgeUniqueid",
        uptime = "Uptime",
        user_event = "UserEvent",
    }
}

/// An event as it came.
#[derive(Default)]
struct Event<'a> {
    known: Known<'a>,
    /// A channel's variable: [`TIMEOUT`], once it is found.
    variable: Text<'a>,
    /// Fields of a native event in a UserEvent: their names are in small letters, as none of AMI's own.
    native: Vec<(Field, Text<'a>)>,
}

impl<'a> Headers<'a> for Event<'a> {
    fn slot(&mut self, name: &str) -> Option<&mut Text<'a>> {
        if name == "ChanVariable" {
            return (!self.variable.starts_with(TIMEOUT)).then_some(&mut self.variable);
        }
        if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
            return self.known.slot(name);
        }
        let field = Field::from_word(name)?;
        let place = self.native.iter().position(|(known, _)| *known == field).unwrap_or_else(|| {
            self.native.push((field, Text::default()));
            self.native.len() - 1
        });
        self.native.get_mut(place).map(|(_, value)| value)
    }
}

/// Tells the events of a record.
pub(super) fn decode<'r>(record: Given<'r>, each: &mut dyn FnMut(Decoded<'r>)) -> Result<(), Reject> {
    let mut event = Event::default();
    read(after_greeting(record.bytes), SYNTAX, &mut event)?;
    if event.known.event.is_empty() && !event.known.response.is_empty() {
        each(Decoded::Unknown { kind: "Response".into() });
        return Ok(());
    }
    let kind = named(SYNTAX, &event.known.event)?;
    match events(&event, &kind, record.logged)? {
        events if events.is_empty() => each(Decoded::Unknown { kind }),
        events => events.into_iter().for_each(each),
    }
    Ok(())
}

/// A file of a whole connection begins with a greeting that is no header.
fn after_greeting(record: &[u8]) -> &[u8] {
    let is_greeting = record.starts_with(GREETING);
    let end = record.iter().position(|byte| *byte == b'\n').filter(|_| is_greeting);
    end.and_then(|end| record.get(end..)).unwrap_or(record)
}

/// What an event stands for; nothing if it is left aside.
fn events<'a>(event: &Event<'a>, kind: &str, logged: Option<EventTime>) -> Result<Events<'a>, Reject> {
    let known = &event.known;
    let at = || time(known, logged);
    // Of the caller, in the queue the event names.
    let call = |kind_of_ours: Type| -> Result<Draft<'a>, Reject> {
        let uniqueid = needed(kind, "Uniqueid", &known.uniqueid)?;
        let root = Some(&known.linkedid).filter(|linkedid| **linkedid != uniqueid).cloned();
        let queue = needed(kind, "Queue", &known.queue)?;
        let draft = draft(known, kind_of_ours, at()?).text(Field::CallId, uniqueid);
        Ok(draft.texts(Field::RootId, root).text(Field::Queue, queue))
    };
    let with_agent = |kind_of_ours| -> Result<Draft<'a>, Reject> {
        Ok(call(kind_of_ours)?.text(Field::Agent, member(kind, known)?))
    };
    let agent = |kind_of_ours| -> Result<Draft<'a>, Reject> {
        Ok(draft(known, kind_of_ours, at()?).text(Field::Agent, member(kind, known)?))
    };
    let waited = || -> Result<Option<i64>, Reject> {
        Ok(whole("HoldTime", &known.hold_time)?.filter(|seconds| 0 <= *seconds).map(|s| s.saturating_mul(1000)))
    };
    Ok(match kind {
        "QueueCallerJoin" => smallvec![
            call(Type::CallQueued)?
                .text(Field::Customer, number(&known.caller))
                .integers(Field::Position, whole("Position", &known.position)?)
                .event()?
        ],
        "QueueCallerAbandon" => {
            let reason = if has_timed_out(event)? { "timeout" } else { "abandoned" };
            let left = call(Type::CallLeftQueue)?.text(Field::Reason, reason);
            smallvec![left.integers(Field::WaitedMs, waited()?).event()?]
        }
        "AgentCalled" => smallvec![with_agent(Type::CallRinging)?.event()?],
        "AgentRingNoAnswer" => smallvec![with_agent(Type::CallRingEnded)?.text(Field::Reason, "no_answer").event()?],
        "AgentDump" => smallvec![with_agent(Type::CallRingEnded)?.text(Field::Reason, "rejected").event()?],
        "AgentConnect" => {
            smallvec![with_agent(Type::CallAnswered)?.integers(Field::WaitedMs, waited()?).event()?]
        }
        "AgentComplete" => complete(known, kind, at()?)?,
        "QueueMemberAdded" | "QueueMember" => {
            let queue = needed(kind, "Queue", &known.queue)?;
            smallvec![
                agent(Type::AgentJoined)?.text(Field::Queue, queue.clone()).event()?,
                pause(agent(Type::AgentState)?, known, queue).event()?,
            ]
        }
        "QueueMemberRemoved" => {
            smallvec![agent(Type::AgentLeft)?.text(Field::Queue, needed(kind, "Queue", &known.queue)?).event()?]
        }
        "QueueMemberPause" => {
            let queue = needed(kind, "Queue", &known.queue)?;
            smallvec![pause(agent(Type::AgentState)?, known, queue).event()?]
        }
        "AgentLogin" | "AgentLogoff" => {
            let state = if kind == "AgentLogin" { "available" } else { "logged_out" };
            let agent = needed(kind, "Agent", &known.agent)?;
            smallvec![
                draft(known, Type::AgentState, at()?).text(Field::Agent, agent).text(Field::State, state).event()?
            ]
        }
        // The other legs of a call hang up, too.
        "Hangup" if known.linkedid.is_empty() || known.linkedid == known.uniqueid => {
            smallvec![over(known, needed(kind, "Uniqueid", &known.uniqueid)?, at()?)?]
        }
        // By the leg that was called: the agent.
        "Hold" | "Unhold" if !known.linkedid.is_empty() && known.linkedid != known.uniqueid => {
            let held = if kind == "Hold" { Type::CallHeld } else { Type::CallResumed };
            smallvec![draft(known, held, at()?).text(Field::CallId, known.linkedid.clone()).event()?]
        }
        "AttendedTransfer" if known.result == "Success" && known.dest_type == "App" => {
            // The leg that is in an application, such as Queue, is in no bridge.
            let leg = if known.second_bridge.is_empty() { &known.second_transferer } else { &known.first_transferer };
            smallvec![over(known, needed(kind, "SecondTransfererUniqueid", leg)?, at()?)?]
        }
        "FullyBooted" if !known.system_name.is_empty() => match whole("Uptime", &known.uptime)? {
            Some(uptime) if (0..=UPTIME_MAX).contains(&uptime) => {
                let start = at()?.minus(Span(uptime * 1000));
                smallvec![draft(known, Type::SourceRestarted, start).event()?]
            }
            _ => Events::new(),
        },
        "Shutdown" if !known.system_name.is_empty() => {
            smallvec![draft(known, Type::SourceRestarted, at()?).event()?]
        }
        "UserEvent" => match Type::from_word(&known.user_event) {
            Some(native) => smallvec![from_dialplan(event, native, at()?).event()?],
            None => Events::new(),
        },
        _ => Events::new(),
    })
}

/// Every event names the Asterisk it comes from, if that has a name.
fn draft<'a>(known: &Known<'a>, kind: Type, time: EventTime) -> Draft<'a> {
    Draft::new(kind, time).text(Field::Source, known.system_name.clone())
}

/// What the end of a queue member's part says. Only a caller who hung up has certainly ended the call: after an agent
/// who did, and after a transfer, the caller may be in another queue already. Then this connection ends alone: by the
/// transfer, else by a wrap-up of no length.
fn complete<'a>(known: &Known<'a>, kind: &str, at: EventTime) -> Result<Events<'a>, Reject> {
    // The caller's channel may be gone by now; the member's still has the name of the first channel of the call.
    let caller = if known.uniqueid.is_empty() { &known.member_linkedid } else { &known.uniqueid };
    let call_id = needed(kind, "Uniqueid", caller)?;
    let root = Some(&known.linkedid).filter(|linkedid| !linkedid.is_empty() && **linkedid != call_id);
    let agent = member(kind, known)?;
    let ends = |kind_of_ours| {
        let draft =
            draft(known, kind_of_ours, at).text(Field::CallId, call_id.clone()).texts(Field::RootId, root.cloned());
        draft.text(Field::Queue, known.queue.clone()).text(Field::Agent, agent.clone())
    };
    Ok(match known.reason.as_ref() {
        "caller" => smallvec![ends(Type::CallEnded).text(Field::By, "caller").event()?],
        "transfer" => smallvec![ends(Type::CallTransferred).text(Field::Kind, "other").event()?],
        _ => smallvec![ends(Type::CallWrapupStarted).event()?, ends(Type::CallWrapupEnded).event()?],
    })
}

/// The call is over, and whoever waits in it did not give up: that would have been said before.
fn over<'a>(known: &Known<'a>, call_id: Text<'a>, at: EventTime) -> Result<Decoded<'a>, Reject> {
    draft(known, Type::CallEnded, at).text(Field::CallId, call_id).text(Field::By, "system").event()
}

/// A native event that the dialplan tells by the application UserEvent; one of a call is of its channel's, unless it
/// names another.
fn from_dialplan<'a>(event: &Event<'a>, kind: Type, at: EventTime) -> Draft<'a> {
    let is_of_call = !matches!(kind, Type::AgentState | Type::AgentJoined | Type::AgentLeft);
    let call_id = Some(&event.known.uniqueid).filter(|_| is_of_call).cloned();
    let mut told = draft(&event.known, kind, at).texts(Field::CallId, call_id);
    for (field, value) in &event.native {
        let shape = kind.use_of(*field).map(|used| used.shape);
        let number = match shape {
            Some(Shape::Integer | Shape::Count | Shape::Wait) => value.parse().ok(),
            _ => None,
        };
        told = match number {
            Some(number) => told.integers(*field, Some(number)),
            None => told.text(*field, value.clone()),
        };
    }
    told
}

fn pause<'a>(state: Draft<'a>, known: &Known<'a>, queue: Text<'a>) -> Draft<'a> {
    let state = state.text(Field::Queue, queue);
    match is_set(&known.paused) {
        true => state.text(Field::State, "paused").text(Field::Reason, known.paused_reason.clone()),
        false => state.text(Field::State, "available"),
    }
}

/// The member of a queue, by the name that queue_log has too, else by its interface.
fn member<'a>(kind: &str, known: &Known<'a>) -> Result<Text<'a>, Reject> {
    let names = [&known.member_name, &known.name, &known.interface, &known.location];
    let named = names.into_iter().find(|name| !name.is_empty());
    needed(kind, "MemberName", named.unwrap_or(&known.member_name))
}

/// Whether the dialplan says that the caller had waited as long as it may.
fn has_timed_out(event: &Event<'_>) -> Result<bool, Reject> {
    let Some(seconds) = event.variable.strip_prefix(TIMEOUT) else { return Ok(false) };
    let limit = whole("QUEUETIMEOUT", seconds)?.filter(|seconds| 0 < *seconds);
    let waited = whole("HoldTime", &event.known.hold_time)?;
    Ok(limit.zip(waited).is_some_and(|(limit, waited)| limit <= waited))
}

/// The caller's number; Asterisk has words for none.
fn number<'a>(caller: &Text<'a>) -> Text<'a> {
    if caller == "<unknown>" { Text::default() } else { caller.clone() }
}

fn is_set(flag: &str) -> bool {
    flag == "1"
}

/// When it happened: by Asterisk, else by Kafka.
fn time(known: &Known<'_>, logged: Option<EventTime>) -> Result<EventTime, Reject> {
    let stamp = known.timestamp.as_ref();
    if !stamp.is_empty() {
        return instant("Timestamp", stamp, millis_of(stamp));
    }
    logged.ok_or_else(|| {
        let sentence = "Timestamp is missing, and in a file nothing else says when; set `timestampevents = yes` in \
                        manager.conf";
        refuse(Reason::MissingField, sentence)
    })
}

/// The milliseconds of seconds with or without a fraction; finer parts are cut.
fn millis_of(stamp: &str) -> Option<i64> {
    let (seconds, fraction) = stamp.split_once('.').unwrap_or((stamp, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(*b"000").take(3);
    let millis = digits.fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0'));
    seconds.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGGED: EventTime = EventTime(1_772_438_400_000);

    #[track_caller]
    fn check(record: &str, logged: Option<EventTime>, expected: &[i64]) {
        let mut times = Vec::new();
        let given = Given { logged, ..Given::from(record.as_bytes()) };
        let told = decode(given, &mut |decoded| match decoded {
            Decoded::Event(event) => times.push(event.time.0),
            Decoded::Unknown { kind } => panic!("{kind} is left aside"),
        });
        assert_eq!((told, times), (Ok(()), expected.to_vec()));
    }

    #[test]
    fn takes_the_time_of_kafka_where_asterisk_says_none() {
        let join = "Event: QueueCallerJoin\r\nUniqueid: c1\r\nQueue: sales\r\n";
        check(join, Some(LOGGED), &[LOGGED.0]);
        check(&format!("{join}Timestamp: 1772438401.98765\r\n"), Some(LOGGED), &[LOGGED.0 + 1_987]);
        check(&format!("{join}Timestamp: 1772438401\r\n"), None, &[LOGGED.0 + 1_000]);
    }

    #[test]
    fn an_event_ends_at_the_first_blank_line() {
        let join =
            "\r\nEvent: QueueCallerJoin\r\nUniqueid: c1\r\nQueue: sales\r\n\r\nEvent: Hangup\r\nUniqueid: c2\r\n";
        check(join, Some(LOGGED), &[LOGGED.0]);
    }

    #[test]
    fn what_is_not_asked_for_may_be_of_any_encoding() {
        let mut join = b"Event: QueueCallerJoin\nCallerIDName: K\xf6nig\nUniqueid: c1\nQueue: sales\n".to_vec();
        let decoded = |bytes: &[u8]| {
            let mut count = 0;
            let given = Given { logged: Some(LOGGED), ..Given::from(bytes) };
            decode(given, &mut |_| count += 1).map(|()| count).map_err(|reject| reject.reason)
        };
        assert_eq!(decoded(&join), Ok(1));
        join.extend_from_slice(b"CallerIDNum: \xf6\n");
        assert_eq!(decoded(&join), Err(Reason::BadEncoding));
    }
}
