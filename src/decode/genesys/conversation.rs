//! Conversation: what the stays of one conversation mean as events.
//!
//! ```text
//! caller  |---------------------------------------|            arrived ... ended
//! queue        |-----------|                                   queued, and left_queue if nobody answers
//! agent           |alert|  |---interact---|hold|--|wrap-up|    ringing, answered, held, resumed, wrap-up
//! ```
//!
//! A conversation is told again and again as it grows. Of each fact the event is the same every time: its times are
//! the document's own, and nothing is told that more of the same conversation could turn into something else. So a
//! wait that ended in a transfer is called unanswered only when something else has followed, or all is over.

use super::stay::{Conversation, Parting, Party, Stay, Verdict, channel, is_callback};
use crate::decode::draft::Draft;
use crate::decode::table::{Field, Type};
use crate::event::{Decoded, Direction, Event, Reject, TransferKind, What};
use crate::time::EventTime;

/// Tells the events of a conversation, in the order of what happened.
pub(super) fn tell<'d>(conversation: &'d Conversation<'d>, all: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
    let view = View::of(conversation);
    let told = &mut Vec::new();
    view.caller(told)?;
    for (place, stay) in conversation.stays.iter().enumerate() {
        match stay.party {
            Party::Queue => view.queue(stay, told)?,
            Party::User if view.is_main[place] => view.user(stay, told)?,
            _ => {}
        }
    }
    view.end(told)?;
    told.sort_by_key(|decoded| match decoded {
        Decoded::Event(Event { time, what: What::Call(call), .. }) => (*time, call.rank()),
        _ => (EventTime(i64::MAX), 0),
    });
    all.append(told);
    Ok(())
}

/// A conversation, and what is found out of it once.
struct View<'d> {
    conversation: &'d Conversation<'d>,
    direction: Direction,
    /// Of each stay: it is the user's own place in the call, and not a second line such as a consultation.
    is_main: Vec<bool>,
    /// When the last of all that was not after-call work ended; none while something lasts.
    over: Option<EventTime>,
}

impl<'d> View<'d> {
    fn of(conversation: &'d Conversation<'d>) -> View<'d> {
        let stays = &conversation.stays;
        let ends: Option<Vec<EventTime>> = stays.iter().map(|stay| stay.end.map(|(end, _)| end)).collect();
        let last = ends.and_then(|ends| ends.into_iter().max());
        View {
            conversation,
            direction: conversation.direction(),
            is_main: main_stays(stays),
            over: last.or(conversation.end),
        }
    }

    fn draft(&self, kind: Type, at: EventTime, stay: &Stay<'d>) -> Draft<'d> {
        Draft::new(kind, at)
            .text(Field::CallId, &*self.conversation.id)
            .text(Field::Channel, channel(stay.media))
            .text(Field::Direction, self.direction.word())
    }

    /// The number of the customer, as a stay has it.
    fn customer(&self, stay: &Stay<'d>) -> Option<&'d str> {
        match self.direction {
            Direction::Outbound => stay.to,
            _ => stay.from,
        }
    }

    /// The first caller arrived, or was called.
    fn caller(&self, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let stays = &self.conversation.stays;
        let callers = stays.iter().filter(|stay| stay.party == Party::Caller);
        let Some(first) = callers.min_by_key(|stay| stay.start) else { return Ok(()) };
        // Nobody reaches the centre by being called back.
        let kind_at = match self.direction {
            Direction::Outbound => {
                let dialled =
                    first.dialled.filter(|at| !stays.iter().any(|stay| stay.party == Party::User && stay.start <= *at));
                dialled.map(|at| (Type::CallDialled, at))
            }
            _ => (!is_callback(first.media)).then_some((Type::CallArrived, first.start)),
        };
        let Some((kind, at)) = kind_at else { return Ok(()) };
        let draft = self.draft(kind, at, first).texts(Field::Customer, self.customer(first));
        told.push(draft.texts(Field::Dialled, first.to).event()?);
        Ok(())
    }

    fn queue(&self, stay: &Stay<'d>, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let (Some(queue), Some(entry)) = (stay.queue, self.entry(stay)) else { return Ok(()) };
        let via = match () {
            () if is_callback(stay.media) => Some("callback"),
            () if self.connections().any(|(_, answered)| answered < entry) => Some("transfer"),
            () => None,
        };
        let draft = self.draft(Type::CallQueued, entry, stay).text(Field::Queue, queue).texts(Field::Via, via);
        told.push(draft.texts(Field::Customer, self.customer(stay)).event()?);
        if let Some((left, reason)) = self.left(stay, queue, entry) {
            let draft = self.draft(Type::CallLeftQueue, left, stay).text(Field::Queue, queue);
            told.push(draft.text(Field::Reason, reason).event()?);
        }
        Ok(())
    }

    /// When a queue was entered: a wait in the same queue, such as that of a callback, begins after the one before. None
    /// while that one lasts.
    fn entry(&self, stay: &Stay<'d>) -> Option<EventTime> {
        let entry = stay.connected?;
        let mut begins = entry;
        for other in &self.conversation.stays {
            let is_before = other.connected.is_some_and(|at| at < entry);
            if other.party == Party::Queue && other.queue == stay.queue && is_before {
                let (end, _) = other.end?;
                begins = begins.max(EventTime(end.0.saturating_add(1)));
            }
        }
        Some(begins)
    }

    /// When and why a wait ended without an answer; none while that is not certain.
    fn left(&self, stay: &Stay<'d>, queue: &str, entry: EventTime) -> Option<(EventTime, &'static str)> {
        let (left, parting) = stay.end?;
        let reason = match (stay.verdict, parting) {
            (Some(Verdict::Abandoned), _) => "abandoned",
            (Some(Verdict::FlowedOut), _) => self.flow_out(entry)?,
            _ if self.is_answered(queue, entry) => return None,
            (None, Parting::Transfer(_) | Parting::Untaken) => self.flow_out(entry)?,
            (None, Parting::Peer | Parting::Client | Parting::Endpoint) => "abandoned",
            (None, Parting::Timeout) => "timeout",
            (None, Parting::System) => "system",
        };
        Some((left, reason))
    }

    /// Why a conversation went on from the queue unanswered: by what followed. None while nothing has.
    fn flow_out(&self, entry: EventTime) -> Option<&'static str> {
        let followed = self.conversation.stays.iter().filter(|stay| entry < stay.start && stay.party != Party::User);
        match followed.min_by_key(|stay| stay.start) {
            Some(next) if is_callback(next.media) => Some("callback"),
            Some(next) if next.party == Party::Voicemail => Some("voicemail"),
            Some(_) => Some("overflow"),
            None => self.conversation.end.map(|_| "overflow"),
        }
    }

    /// Whether a user of the queue took it after this entry and before the next one.
    fn is_answered(&self, queue: &str, entry: EventTime) -> bool {
        let entries = self.conversation.stays.iter().filter(|stay| stay.party == Party::Queue);
        let of_queue = entries.filter(|stay| stay.queue == Some(queue)).filter_map(|stay| stay.connected);
        let next = of_queue.filter(|at| entry < *at).min();
        self.connections().any(|(of, at)| of == Some(queue) && entry <= at && next.is_none_or(|next| at < next))
    }

    /// The queue and the beginning of each connection.
    fn connections(&self) -> impl Iterator<Item = (Option<&'d str>, EventTime)> {
        let stays = self.conversation.stays.iter().zip(&self.is_main);
        let users = stays.filter(|(stay, is_main)| **is_main && stay.party == Party::User && stay.user.is_some());
        users.filter_map(|(stay, _)| Some((stay.queue, stay.connected?)))
    }

    fn user(&self, stay: &Stay<'d>, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let Some(user) = stay.user else { return Ok(()) };
        let draft = |kind, at| self.draft(kind, at, stay).text(Field::Agent, user).texts(Field::Queue, stay.queue);
        if let Some(at) =
            stay.dialled.filter(|_| self.direction == Direction::Outbound && stay.is_outbound == Some(true))
        {
            let draft = draft(Type::CallDialled, at).texts(Field::Customer, stay.to);
            told.push(draft.texts(Field::Dialled, stay.to).event()?);
        }
        if let Some(at) = stay.alert {
            told.push(draft(Type::CallRinging, at).event()?);
        }
        let Some(answered) = stay.connected else {
            if let (Some(_), Some((end, parting))) = (stay.alert, stay.end) {
                told.push(draft(Type::CallRingEnded, end).text(Field::Reason, untaken(parting)).event()?);
            }
            return Ok(());
        };
        told.push(draft(Type::CallAnswered, answered).event()?);
        for (held, resumed) in &stay.holds {
            told.push(draft(Type::CallHeld, *held).event()?);
            // A hold in which the call ends is over with the connection.
            if let Some(at) = resumed.filter(|at| stay.end.is_none_or(|(end, _)| *at < end)) {
                told.push(draft(Type::CallResumed, at).event()?);
            }
        }
        let Some((end, parting)) = stay.end else { return Ok(()) };
        if let Parting::Transfer(kind) = parting {
            told.push(draft(Type::CallTransferred, end).text(Field::Kind, kind.word()).event()?);
        }
        match &stay.wrapup {
            Some(work) => {
                // Genesys may date the beginning of the work some milliseconds before the end of the call.
                let start = work.start.max(end);
                told.push(draft(Type::CallWrapupStarted, start).event()?);
                if let Some(done) = work.end {
                    let draft = draft(Type::CallWrapupEnded, done.max(start)).texts(Field::Code, work.code);
                    told.push(draft.event()?);
                }
            }
            None => {
                // Who left a call that went on without them, and has no work after it: nothing else ends that connection.
                let is_left = self.conversation.end.is_some() && self.over.is_some_and(|over| end < over);
                if is_left && !matches!(parting, Parting::Transfer(TransferKind::Blind | TransferKind::Attended)) {
                    told.push(draft(Type::CallWrapupEnded, end).event()?);
                }
            }
        }
        Ok(())
    }

    /// The end of the call. While it lasts, another party may still follow the last one: only the leaving of a caller
    /// says that it is over.
    fn end(&self, told: &mut Vec<Decoded<'d>>) -> Result<(), Reject> {
        let callers = self.conversation.stays.iter().filter(|stay| stay.party == Party::Caller);
        let last = callers.filter_map(|stay| Some((stay, stay.end?))).max_by_key(|(_, (end, _))| *end);
        let Some(over) = self.over else { return Ok(()) };
        let (stay, by) = match last {
            Some((stay, (_, parting))) => match parting {
                Parting::Endpoint | Parting::Client => (stay, Some("caller")),
                Parting::Peer => (stay, Some("agent")),
                Parting::Transfer(_) | Parting::Untaken if self.conversation.end.is_none() => return Ok(()),
                Parting::Transfer(_) | Parting::Untaken | Parting::Timeout | Parting::System => (stay, Some("system")),
            },
            None => match self.conversation.stays.first() {
                Some(stay) if self.conversation.end.is_some() => (stay, None),
                _ => return Ok(()),
            },
        };
        told.push(self.draft(Type::CallEnded, over, stay).texts(Field::By, by).event()?);
        Ok(())
    }
}

/// Of each stay, whether it is its participant's main one: no earlier one of that participant lasts into it.
fn main_stays(stays: &[Stay<'_>]) -> Vec<bool> {
    let mut places: Vec<usize> = (0..stays.len()).collect();
    places.sort_by_key(|place| stays.get(*place).map(|stay| (stay.participant, stay.start)));
    let mut is_main = vec![true; stays.len()];
    let mut before: Option<&Stay<'_>> = None;
    for place in places {
        let (Some(stay), Some(is_main)) = (stays.get(place), is_main.get_mut(place)) else { continue };
        let main = before.filter(|main| main.participant == stay.participant);
        *is_main = main.is_none_or(|main| main.end.is_some_and(|(end, _)| end <= stay.start));
        if *is_main {
            before = Some(stay);
        }
    }
    is_main
}

/// Why an offer came to nothing. Genesys tells an offer that was declined like one that was not taken in time.
fn untaken(parting: Parting) -> &'static str {
    match parting {
        Parting::Peer => "caller_left",
        Parting::Endpoint => "rejected",
        Parting::Client | Parting::Untaken | Parting::Transfer(_) | Parting::Timeout => "no_answer",
        Parting::System => "error",
    }
}
