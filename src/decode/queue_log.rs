//! The queue log of Asterisk: a line of the file, or a row of the realtime table.
//!
//! ```text
//! ENTERQUEUE ──► RINGNOANSWER ... CONNECT ──► COMPLETEAGENT, BLINDTRANSFER, ...
//!      └───────► ABANDON, EXITWITHTIMEOUT, EXITEMPTY, ...
//! ```
//!
//! Follows Asterisk's page "Queue Logs", its `app_queue.c` and `logger.c`, and Wazo's page "Queue logs" for
//! what its dialplan adds. What each event means stands in docs/formats.md, "queue_log". Durations come from the times of
//! the rows; the seconds that a row tells say only how long before it a wait or a ring began.

mod row;

use super::draft::{Draft, refuse};
use super::format::{Given, Place};
use super::table::{Field, Type};
use crate::event::{AgentState, Decoded, Reason, Reject, Text};
use crate::fingerprint;
use crate::time::{EventTime, Span};
use jiff::tz::TimeZone;
use row::Row;
use smallvec::SmallVec;

/// A row tells at most so many events.
const EVENTS_MAX: usize = 2;

/// What began at least so long ago began before the second the row is of, however both were rounded.
const SURELY_EARLIER_MS: i64 = 2_000;

/// Tells what a row says, or leaves it aside by the name of its event. `zone` is that of times without an offset.
pub(super) fn decode(
    record: Given<'_>,
    zone: Option<&TimeZone>,
    each: &mut dyn FnMut(Decoded<'_>),
) -> Result<(), Reject> {
    let bytes = record.bytes.trim_ascii();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let row = Row::read(bytes)?;
    let fingerprint = fingerprint::of_bytes(bytes);
    let (order, repeats) = match record.place {
        Some(Place { line, repeats }) => (Order::Line(i64::try_from(line).unwrap_or(i64::MAX)), repeats),
        None => (Order::Row(fingerprint), 0),
    };
    let mut teller = Teller { row: &row, time: EventTime(0), fingerprint, repeats, order, told: SmallVec::new() };
    if !teller.tell_row(zone)? {
        each(Decoded::Unknown { kind: row.event });
        return Ok(());
    }
    teller.told.into_iter().for_each(each);
    Ok(())
}

/// Makes the events of one row. They are told when all of them are made.
struct Teller<'t, 'a> {
    row: &'t Row<'a>,
    time: EventTime,
    fingerprint: u64,
    /// How many equal rows of its second are others.
    repeats: u64,
    order: Order,
    told: SmallVec<[Decoded<'a>; EVENTS_MAX]>,
}

impl<'a> Teller<'_, 'a> {
    /// Whether the event is one that says something here.
    fn tell_row(&mut self, zone: Option<&TimeZone>) -> Result<bool, Reject> {
        let row = self.row;
        // Left aside whatever else they hold, as is any event of the dialplan's own.
        let tell: fn(&mut Self) -> Result<(), Reject> = match &*row.event {
            "ENTERQUEUE" => Self::enter,
            "CONNECT" => Self::connect,
            "RINGNOANSWER" => |it| it.end_ring("no_answer", it.row.millis(0)),
            "RINGCANCELED" => |it| it.end_ring("caller_left", it.row.millis(0)),
            "AGENTDUMP" => |it| it.end_ring("rejected", None),
            "COMPLETEAGENT" => |it| it.complete("agent"),
            "COMPLETECALLER" => |it| it.complete("caller"),
            "BLINDTRANSFER" | "TRANSFER" => Self::transfer_blind,
            "ATTENDEDTRANSFER" => Self::transfer_attended,
            "ABANDON" => |it| it.leave("abandoned", it.row.seconds(2)),
            "EXITWITHTIMEOUT" => |it| it.leave("timeout", it.row.seconds(2)),
            "EXITEMPTY" => |it| it.leave("no_agents", it.row.seconds(2)),
            "EXITWITHKEY" => |it| it.leave("key", it.row.seconds(3)),
            "WITHDRAW" => |it| it.leave("withdrawn", it.row.seconds(2)),
            "LEAVEEMPTY" => |it| it.leave("no_agents", None),
            "SYSCOMPAT" => |it| it.leave("system", None),
            "JOINEMPTY" => |it| it.block("no_agents"),
            "CLOSED" => |it| it.block("closed"),
            "FULL" | "DIVERT_CA_RATIO" | "DIVERT_HOLDTIME" => |it| it.block("full"),
            "WRAPUPSTART" => Self::wrap_up,
            "ADDMEMBER" => Self::join,
            "REMOVEMEMBER" => |it| it.membership(Type::AgentLeft, 0),
            "PAUSE" => |it| it.state_in_queue(AgentState::Paused),
            "UNPAUSE" => |it| it.state_in_queue(AgentState::Available),
            "PAUSEALL" => |it| it.state(AgentState::Paused, None, it.row.data(0)),
            "UNPAUSEALL" => |it| it.state(AgentState::Available, None, None),
            "AGENTLOGIN" | "AGENTCALLBACKLOGIN" => |it| it.state(AgentState::Available, None, None),
            "AGENTLOGOFF" | "AGENTCALLBACKLOGOFF" => |it| it.state(AgentState::LoggedOut, None, None),
            "QUEUESTART" => |it| it.tell(Draft::new(Type::SourceRestarted, it.time), 0),
            _ => return Ok(false),
        };
        self.time = row.time(zone)?;
        tell(self)?;
        Ok(true)
    }

    fn enter(&mut self) -> Result<(), Reject> {
        let row = self.row;
        // Whoever hides the number is not one and the same customer.
        let is_hidden =
            |number: &Text<'_>| ["anonymous", "unknown"].iter().any(|word| number.eq_ignore_ascii_case(word));
        let draft = self.call(Type::CallQueued)?.text(Field::Queue, self.needed("queue", &row.queue)?);
        let draft = draft.texts(Field::Customer, row.data(1).filter(|number| !is_hidden(number)).cloned());
        self.tell(draft.integers(Field::Position, row.whole(2)), Rank::ENTRY)
    }

    fn connect(&mut self) -> Result<(), Reject> {
        let row = self.row;
        let waited = row.seconds(0);
        let rank = Rank::after(waited);
        self.ring(row.seconds(2), rank)?;
        let draft = self.with_agent(Type::CallAnswered, self.time)?;
        self.tell(draft.integers(Field::WaitedMs, waited), rank + Rank::ANSWERED)
    }

    fn end_ring(&mut self, reason: &'static str, rang: Option<i64>) -> Result<(), Reject> {
        let rank = Rank::after(rang);
        self.ring(rang, rank)?;
        let draft = self.with_agent(Type::CallRingEnded, self.time)?.text(Field::Reason, reason);
        self.tell(draft, rank + Rank::RING_ENDED)
    }

    /// The beginning of a ring that ends with the row, if it says how long it was.
    fn ring(&mut self, rang: Option<i64>, rank: i64) -> Result<(), Reject> {
        let Some(rang) = rang else { return Ok(()) };
        let draft = self.with_agent(Type::CallRinging, began(self.time, rang))?;
        self.tell(draft, if rang == 0 { rank } else { Rank::LATER } + Rank::RINGING)
    }

    fn complete(&mut self, by: &'static str) -> Result<(), Reject> {
        let rank = self.rank_after_talk(0);
        let draft = self.with_agent(Type::CallEnded, self.time)?.text(Field::By, by);
        self.tell(draft, rank + Rank::ENDED)
    }

    /// An extension may be that of a queue: FreePBX names its queues by them.
    fn transfer_blind(&mut self) -> Result<(), Reject> {
        let extension = self.row.data(0).cloned();
        let rank = self.rank_after_talk(2);
        let draft = self.with_agent(Type::CallTransferred, self.time)?.text(Field::Kind, "blind");
        let draft = draft.texts(Field::ToNumber, extension.clone()).texts(Field::ToQueue, extension);
        self.tell(draft, rank + Rank::TRANSFERRED)
    }

    fn transfer_attended(&mut self) -> Result<(), Reject> {
        let is_link = self.row.data(0).is_some_and(|method| method == "LINK");
        let rank = self.rank_after_talk(if is_link { 3 } else { 2 });
        let draft = self.with_agent(Type::CallTransferred, self.time)?.text(Field::Kind, "attended");
        self.tell(draft, rank + Rank::TRANSFERRED)
    }

    fn leave(&mut self, reason: &'static str, waited: Option<i64>) -> Result<(), Reject> {
        let queue = self.needed("queue", &self.row.queue)?;
        let draft = self.call(Type::CallLeftQueue)?.text(Field::Queue, queue).text(Field::Reason, reason);
        self.tell(draft.integers(Field::WaitedMs, waited), Rank::after(waited) + Rank::LEFT)
    }

    fn block(&mut self, reason: &'static str) -> Result<(), Reject> {
        let queue = self.needed("queue", &self.row.queue)?;
        let draft = self.call(Type::CallBlocked)?.text(Field::Queue, queue).text(Field::Reason, reason);
        self.tell(draft, Rank::ENTRY)
    }

    /// It lasts as long as is planned: its end is in no row.
    fn wrap_up(&mut self) -> Result<(), Reject> {
        let Some(planned) = self.row.seconds(0) else {
            let (reason, found) = match self.row.data(0) {
                Some(text) => (Reason::BadValue, super::slots::shortened(text)),
                None => (Reason::MissingField, "missing".to_owned()),
            };
            return Err(refuse(
                reason,
                format!("data1 is {found}; WRAPUPSTART tells the seconds of the wrap-up there"),
            ));
        };
        let started = self.with_agent(Type::CallWrapupStarted, self.time)?;
        self.tell(started, Rank::LATER + Rank::WRAPUP_STARTED)?;
        let ended = self.with_agent(Type::CallWrapupEnded, self.time.plus(Span(planned)))?;
        self.tell(ended, Rank::LATER + Rank::WRAPUP_ENDED)
    }

    fn join(&mut self) -> Result<(), Reject> {
        self.membership(Type::AgentJoined, 1)?;
        let is_paused = self.row.data(0).is_some_and(|paused| paused == "PAUSED");
        match self.row.agent.as_deref() {
            _ if is_paused => self.state(AgentState::Paused, self.row.queue.as_ref(), None),
            Some(agent) if logs_in_itself(agent) => Ok(()),
            _ => self.state(AgentState::Available, self.row.queue.as_ref(), None),
        }
    }

    fn membership(&mut self, kind: Type, rank: i64) -> Result<(), Reject> {
        let agent = self.needed("agent", &self.row.agent)?;
        let queue = self.needed("queue", &self.row.queue)?;
        self.tell(Draft::new(kind, self.time).text(Field::Agent, agent).text(Field::Queue, queue), rank)
    }

    /// Without a queue it would be said of all of them.
    fn state_in_queue(&mut self, state: AgentState) -> Result<(), Reject> {
        let queue = self.needed("queue", &self.row.queue)?;
        let reason = self.row.data(0).filter(|_| state == AgentState::Paused);
        self.state(state, Some(&queue), reason)
    }

    fn state(&mut self, state: AgentState, queue: Option<&Text<'a>>, reason: Option<&Text<'a>>) -> Result<(), Reject> {
        let agent = self.needed("agent", &self.row.agent)?;
        let draft = Draft::new(Type::AgentState, self.time).text(Field::Agent, agent).text(Field::State, state.word());
        let draft = draft.texts(Field::Queue, queue.cloned()).texts(Field::Reason, reason.cloned());
        self.tell(draft, Rank::STATE + state as i64)
    }

    /// A call's event, at the time of the row.
    fn call(&self, kind: Type) -> Result<Draft<'a>, Reject> {
        Ok(Draft::new(kind, self.time).text(Field::CallId, self.needed("callid", &self.row.callid)?))
    }

    /// A call's event of an agent. Whom the row does not name goes by what it says instead: a call that nobody named
    /// took is answered all the same.
    fn with_agent(&self, kind: Type, at: EventTime) -> Result<Draft<'a>, Reject> {
        let callid = self.needed("callid", &self.row.callid)?;
        let draft = Draft::new(kind, at).text(Field::CallId, callid).texts(Field::Queue, self.row.queue.clone());
        Ok(draft.text(Field::Agent, self.row.agent.clone().unwrap_or(Text::Borrowed("NONE"))))
    }

    fn needed(&self, column: &str, value: &Option<Text<'a>>) -> Result<Text<'a>, Reject> {
        value.clone().ok_or_else(|| {
            refuse(Reason::MissingField, format!("{column} is NONE or empty; {} needs one", self.row.event))
        })
    }

    /// The rank of what ends a connection, told with the seconds of wait and talk from a parameter on.
    fn rank_after_talk(&self, place: usize) -> i64 {
        match (self.row.seconds(place), self.row.seconds(place + 1)) {
            (Some(waited), Some(talked)) => Rank::after(Some(waited + talked)),
            _ => Rank::EARLIER,
        }
    }

    fn tell(&mut self, draft: Draft<'a>, rank: i64) -> Result<(), Reject> {
        let seq = self.order.seq(self.told.len(), rank);
        // A row is the same wherever it stands: in a copy of the file, or in another one of that name.
        let event_id = match self.repeats {
            0 => format!("{:x}.{}", self.fingerprint, self.told.len()),
            repeats => format!("{:x}-{repeats}.{}", self.fingerprint, self.told.len()),
        };
        self.told.push(draft.integers(Field::Seq, Some(seq)).text(Field::EventId, event_id).event()?);
        Ok(())
    }
}

/// Whether a member is one of Asterisk's agents, or Wazo's, whose logins are rows of their own.
fn logs_in_itself(agent: &str) -> bool {
    agent.starts_with("Agent/") || agent.ends_with("@agentcallback")
}

/// The last instant at which something can have begun that lasted so long. A time or a length that is cut to seconds is
/// up to one too short; were the beginning placed before that of the visit, it would be told of the visit before.
fn began(ended: EventTime, lasted: i64) -> EventTime {
    let began = ended.minus(Span(lasted));
    let is_cut = ended.0 % 1000 == 0 || lasted % 1000 == 0;
    if is_cut { began.to_boundary().min(ended) } else { began }
}

/// What orders the events of one instant, which in a file is a second long.
#[derive(Clone, Copy)]
enum Order {
    /// The place in the file.
    Line(i64),
    /// A record of Kafka has none: what happened decides, and what names the row is all of it.
    Row(u64),
}

impl Order {
    fn seq(self, told: usize, rank: i64) -> i64 {
        match self {
            Order::Line(line) => line.saturating_mul(EVENTS_MAX as i64).saturating_add(told as i64),
            Order::Row(fingerprint) => rank << Rank::SHIFT | (fingerprint >> (64 - Rank::SHIFT)) as i64,
        }
    }
}

/// The order within a second of what no place in a file orders: what ends a stay that surely began before that second,
/// then entries, then what happened to calls that may have entered in it. So a call that falls from one queue to the
/// next, or goes round in one, has left before it enters. Agents leave before they join, and are paused last.
struct Rank;

impl Rank {
    const SHIFT: u32 = 58;
    const EARLIER: i64 = 0;
    const ENTRY: i64 = 6;
    const LATER: i64 = 7;
    const RINGING: i64 = 0;
    const RING_ENDED: i64 = 1;
    const ANSWERED: i64 = 2;
    const TRANSFERRED: i64 = 3;
    const LEFT: i64 = 4;
    const ENDED: i64 = 5;
    const WRAPUP_STARTED: i64 = 6;
    const WRAPUP_ENDED: i64 = 7;
    const STATE: i64 = 2;

    fn after(lasted: Option<i64>) -> i64 {
        match lasted {
            Some(lasted) if SURELY_EARLIER_MS <= lasted => Rank::EARLIER,
            _ => Rank::LATER,
        }
    }
}
