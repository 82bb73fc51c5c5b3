//! CSV: call detail records of any make, one row a call or one row an attempt at an agent.
//!
//! What the columns mean is said in the settings (`mapping`); how a row is cut is RFC 4180 (`row`). A row tells a whole
//! call at once, so its times can be held against each other: lengths win over clocks, and what two clocks show the
//! wrong way round happens at one instant.

use super::draft::{Draft, refuse};
use super::json::text_of;
use super::mapping::{Clock, Mapping, Outcome};
use super::row::cells;
use super::slots::shortened;
use super::table::{Field, Type};
use crate::event::{Channel, Decoded, Direction, EndedBy, LeaveReason, Reason, Reject, RingEndReason, Text};
use crate::fingerprint;
use crate::time::{EventTime, Span};
use smallvec::SmallVec;

/// Tells the events of a row. Its place in a file is part of the id of a call that has none of its own.
pub(super) fn decode(
    record: &[u8],
    line: Option<u64>,
    mapping: &Mapping,
    each: &mut dyn FnMut(Decoded<'_>),
) -> Result<(), Reject> {
    let text = text_of(record)?.trim_end_matches(['\r', '\n']);
    let (cells, count) = cells(text, mapping.delimiter, mapping.columns.len())?;
    if count != mapping.columns.len() {
        let sentence = format!(
            "row has {count} cells and csv.columns names {}; name all columns in order, and see that csv.delimiter is right",
            mapping.columns.len()
        );
        return Err(refuse(Reason::MalformedText, sentence));
    }
    if cells.iter().eq(&mapping.columns) {
        each(Decoded::Unknown { kind: "header".into() });
        return Ok(());
    }
    let row = Row { mapping, cells: &cells };
    let Some(outcome) = row.outcome()? else {
        // An outcome that is ignored has a word.
        let word = row.optional(mapping.at.outcome).unwrap_or_default();
        each(Decoded::Unknown { kind: word.into() });
        return Ok(());
    };
    let call = row.call(|| match line {
        Some(line) => format!("row-{line}-{:016x}", fingerprint::of_bytes(text.as_bytes())),
        None => format!("row-{:016x}", fingerprint::of_bytes(text.as_bytes())),
    })?;
    let mut story = Story { call: &call, told: SmallVec::new() };
    let times = row.times()?;
    match call.direction {
        Direction::Outbound | Direction::Internal => story.outward(outcome, &times)?,
        Direction::Inbound | Direction::Other => story.inward(outcome, &times)?,
    }
    story.told.into_iter().for_each(each);
    Ok(())
}

struct Row<'c> {
    mapping: &'c Mapping,
    cells: &'c [Text<'c>],
}

/// Who takes part.
struct Call<'c> {
    id: String,
    root: Option<&'c str>,
    channel: Channel,
    direction: Direction,
    customer: Option<&'c str>,
    queue: Option<&'c str>,
    agent: Option<&'c str>,
}

/// What a row says of time.
struct Times {
    arrived: Option<EventTime>,
    queued: Option<EventTime>,
    ringing: Option<EventTime>,
    answered: Option<EventTime>,
    ended: Option<EventTime>,
    wait: Option<Span>,
    talk: Option<Span>,
    wrapup: Option<Span>,
    total: Option<Span>,
}

/// The events of a call so far.
struct Story<'c> {
    call: &'c Call<'c>,
    told: SmallVec<[Decoded<'c>; 8]>,
}

impl<'c> Row<'c> {
    /// What stands in a column, if there is one and it means anything.
    fn optional(&self, column: Option<usize>) -> Option<&'c str> {
        let cell = self.raw(column)?;
        let means_nothing = self.mapping.empty.iter().any(|empty| empty == cell);
        (!means_nothing).then_some(cell)
    }

    /// The same whatever `csv.empty` says: zero is a length.
    fn raw(&self, column: Option<usize>) -> Option<&'c str> {
        let cell = self.cells.get(column?)?.as_ref();
        (!cell.is_empty()).then_some(cell)
    }

    /// How the row ends; none if it is to be left aside.
    fn outcome(&self) -> Result<Option<Outcome>, Reject> {
        let (mapping, at) = (self.mapping, &self.mapping.at);
        if let Some(column) = at.outcome {
            let name = || mapping.columns.get(column).map_or("", String::as_str);
            let Some(word) = self.optional(at.outcome) else {
                let sentence = format!("{} is empty; it says how the call ended", shortened(name()));
                return Err(refuse(Reason::MissingField, sentence));
            };
            let outcome = mapping.outcomes.get(word).copied().or_else(|| Outcome::from_word(word));
            return match outcome {
                Some(Outcome::Ignored) => Ok(None),
                Some(outcome) => Ok(Some(outcome)),
                None => {
                    let sentence = format!(
                        "{} is {}, no outcome; say what it means in [csv.outcomes]",
                        shortened(name()),
                        shortened(word)
                    );
                    Err(refuse(Reason::BadValue, sentence))
                }
            };
        }
        let is_answered = match at.answered_at {
            Some(_) => self.optional(at.answered_at).is_some(),
            None => self.length(at.talk)?.is_some_and(|talk| 0 < talk.0),
        };
        Ok(Some(if is_answered { Outcome::Answered } else { Outcome::Left(LeaveReason::Abandoned) }))
    }

    fn call(&self, of_its_place: impl FnOnce() -> String) -> Result<Call<'c>, Reject> {
        let (mapping, at) = (self.mapping, &self.mapping.at);
        let parts: SmallVec<[&str; 4]> = at.call_id.iter().filter_map(|column| self.optional(Some(*column))).collect();
        let id = if parts.is_empty() { of_its_place() } else { parts.join("-") };
        // Words unknown here are kept as `other` there, as of any event.
        let direction = self.optional(at.direction).map(|word| {
            let known = mapping.directions.get(word).copied().or_else(|| Direction::from_word(word));
            known.unwrap_or(Direction::Other)
        });
        let channel = self.optional(at.channel).map(|word| {
            let known = mapping.channels.get(word).copied().or_else(|| Channel::from_word(word));
            known.unwrap_or(Channel::Other)
        });
        Ok(Call {
            id,
            root: self.optional(at.root_id),
            channel: channel.unwrap_or(Channel::Voice),
            direction: direction.unwrap_or(Direction::Inbound),
            customer: self.optional(at.customer),
            queue: self.optional(at.queue).or(mapping.default_queue.as_deref()),
            agent: self.optional(at.agent).or(mapping.default_agent.as_deref()),
        })
    }

    fn times(&self) -> Result<Times, Reject> {
        let at = &self.mapping.at;
        let mut clock = Clock::new(self.mapping, self.optional(at.date));
        let mut time = |column: Option<usize>| match (column, self.optional(column)) {
            (Some(place), Some(cell)) => clock.read(place, cell).map(Some),
            _ => Ok(None),
        };
        Ok(Times {
            arrived: time(at.arrived_at)?,
            queued: time(at.queued_at)?,
            ringing: time(at.ringing_at)?,
            answered: time(at.answered_at)?,
            ended: time(at.ended_at)?,
            wait: self.length(at.wait)?,
            talk: self.length(at.talk)?,
            wrapup: self.length(at.wrapup)?,
            total: self.length(at.total)?,
        })
    }

    fn length(&self, column: Option<usize>) -> Result<Option<Span>, Reject> {
        match (column, self.raw(column)) {
            (Some(place), Some(cell)) => self.mapping.length(place, cell).map(Some),
            _ => Ok(None),
        }
    }
}

impl Times {
    /// The first instant the row knows.
    fn begun(&self) -> Result<EventTime, Reject> {
        let first = self.arrived.or(self.queued).or(self.ringing).or(self.answered);
        first.ok_or_else(|| {
            let sentence = "row has no time: those of csv.arrived_at, queued_at and so on are all empty; give one";
            refuse(Reason::MissingField, sentence)
        })
    }

    /// The end by the length of the whole call.
    fn total_end(&self) -> Option<EventTime> {
        Some(self.arrived.or(self.queued)?.plus(self.total?))
    }

    fn queued_and_answered(&self) -> Result<(EventTime, EventTime), Reject> {
        let by_talk = || Some(self.total_end().or(self.ended)?.minus(self.talk?));
        if let Some(queued) = self.queued {
            let answered = self.wait.map(|wait| queued.plus(wait)).or(self.answered).or_else(by_talk);
            return match answered {
                Some(answered) => Ok((queued, answered.max(queued))),
                None => Err(unknown_when("was answered", "wait, answered_at, or total and talk")),
            };
        }
        match self.answered.or_else(by_talk) {
            Some(answered) => Ok((answered.minus(self.wait.unwrap_or_default()), answered)),
            None => Err(unknown_when("was answered", "queued_at and wait, or answered_at")),
        }
    }

    fn talked_until(&self, answered: EventTime) -> Result<EventTime, Reject> {
        let ended = self.talk.map(|talk| answered.plus(talk)).or(self.ended).or_else(|| self.total_end());
        match ended {
            Some(ended) => Ok(ended.max(answered)),
            None => Err(unknown_when("ended", "talk, ended_at or total")),
        }
    }

    /// When a call that entered a queue left it without an answer.
    fn left(&self, queued: EventTime) -> Result<EventTime, Reject> {
        let left = self.wait.map(|wait| queued.plus(wait)).or(self.ended).or_else(|| self.total_end());
        match left {
            Some(left) => Ok(left.max(queued)),
            None => Err(unknown_when("left the queue", "wait, ended_at or total")),
        }
    }
}

impl<'c> Story<'c> {
    /// A call that came in.
    fn inward(&mut self, outcome: Outcome, times: &Times) -> Result<(), Reject> {
        if let Some(arrived) = times.arrived {
            self.tell(self.draft(Type::CallArrived, arrived))?;
        }
        match outcome {
            // Whose row it is was asked before.
            Outcome::Ignored => Ok(()),
            Outcome::Blocked => self.tell(self.in_queue(Type::CallBlocked, times.begun()?)),
            Outcome::Answered => {
                let (queued, answered) = times.queued_and_answered()?;
                self.tell(self.in_queue(Type::CallQueued, queued))?;
                if let Some(ringing) = times.ringing {
                    self.tell(self.by_agent(Type::CallRinging, ringing.max(queued).min(answered)))?;
                }
                self.connection(answered, times)
            }
            Outcome::Left(reason) => self.leaving(reason, times),
            Outcome::Rang(reason) => self.attempt(reason, times),
        }
    }

    /// A call that went out, or from one of the house to another: it enters no queue.
    fn outward(&mut self, outcome: Outcome, times: &Times) -> Result<(), Reject> {
        let begun = times.begun()?;
        let kind = match self.call.direction {
            Direction::Outbound => Type::CallDialled,
            _ => Type::CallArrived,
        };
        self.tell(self.by_agent(kind, begun))?;
        if outcome == Outcome::Answered {
            return self.connection(times.queued_and_answered()?.1.max(begun), times);
        }
        let ended = times.ended.or_else(|| times.total_end()).unwrap_or(begun);
        self.tell(self.draft(Type::CallEnded, ended.max(begun)))
    }

    /// From the answer to the end of the after-call work.
    fn connection(&mut self, answered: EventTime, times: &Times) -> Result<(), Reject> {
        let ended = times.talked_until(answered)?;
        let waited = times.wait.map(|wait| wait.0);
        self.tell(self.by_agent(Type::CallAnswered, answered).integers(Field::WaitedMs, waited))?;
        self.tell(self.draft(Type::CallEnded, ended))?;
        if let Some(wrapup) = times.wrapup.filter(|wrapup| 0 < wrapup.0) {
            self.tell(self.by_agent(Type::CallWrapupStarted, ended))?;
            self.tell(self.by_agent(Type::CallWrapupEnded, ended.plus(wrapup)))?;
        }
        Ok(())
    }

    /// Out of the queue without an answer; out of the centre where it never was in a queue.
    fn leaving(&mut self, reason: LeaveReason, times: &Times) -> Result<(), Reject> {
        let by = if reason == LeaveReason::Abandoned { EndedBy::Caller } else { EndedBy::System };
        let end = |story: &Story<'c>, at| story.draft(Type::CallEnded, at).text(Field::By, by.word());
        let Some(queued) = times.queued else {
            let begun = times.begun()?;
            let ended = times.ended.or_else(|| times.total_end()).unwrap_or(begun);
            return self.tell(end(self, ended.max(begun)));
        };
        let left = times.left(queued)?;
        self.tell(self.in_queue(Type::CallQueued, queued))?;
        let waited = times.wait.map(|wait| wait.0);
        let leaving = self.in_queue(Type::CallLeftQueue, left).integers(Field::WaitedMs, waited);
        self.tell(leaving.text(Field::Reason, reason.word()))?;
        // Where the system let it go, another row may go on with it.
        if by == EndedBy::Caller { self.tell(end(self, left)) } else { Ok(()) }
    }

    /// One attempt at an agent; another row says how the call ended.
    fn attempt(&mut self, reason: RingEndReason, times: &Times) -> Result<(), Reject> {
        let Some(ringing) = times.ringing else {
            return Err(unknown_when("rang", "ringing_at"));
        };
        if let Some(queued) = times.queued {
            self.tell(self.in_queue(Type::CallQueued, queued.min(ringing)))?;
        }
        let ended = times.ended.unwrap_or(ringing).max(ringing);
        self.tell(self.by_agent(Type::CallRinging, ringing))?;
        self.tell(self.by_agent(Type::CallRingEnded, ended).text(Field::Reason, reason.word()))
    }

    fn tell(&mut self, draft: Draft<'c>) -> Result<(), Reject> {
        self.told.push(draft.event()?);
        Ok(())
    }

    fn by_agent(&self, kind: Type, at: EventTime) -> Draft<'c> {
        self.in_queue(kind, at).texts(Field::Agent, self.call.agent)
    }

    fn in_queue(&self, kind: Type, at: EventTime) -> Draft<'c> {
        self.draft(kind, at).texts(Field::Queue, self.call.queue)
    }

    fn draft(&self, kind: Type, at: EventTime) -> Draft<'c> {
        let call = self.call;
        Draft::new(kind, at)
            .text(Field::CallId, call.id.as_str())
            .texts(Field::RootId, call.root)
            .text(Field::Channel, call.channel.word())
            .text(Field::Direction, call.direction.word())
            .texts(Field::Customer, call.customer)
    }
}

fn unknown_when(what: &str, keys: &str) -> Reject {
    let sentence = format!("row does not tell when the call {what}; fill the columns of csv.{keys}");
    refuse(Reason::MissingField, sentence)
}
