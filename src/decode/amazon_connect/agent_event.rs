//! Agent events: what an agent's status and contacts are now and were before, as the agent event stream tells it.
//!
//! A record holds two snapshots. Nearly every event is told at the instant since when a snapshot stands, so that
//! snapshots that repeat it, heartbeats above all, tell equal events. Only what is gone from a snapshot has the
//! instant of the record, which then has to be one of a change. Sources: Amazon Connect Administrator Guide, "Agent
//! event streams data model", "About contact states", "Determine how long agents spend doing ACW".

use super::contact::{Origin, Ties, origin};
use super::walk::{Walk, is_new};
use super::wire::{TOLD_AGAIN, Telling, Word, agent_id, missing, queue_id, read, text, time};
use crate::decode::draft::{Draft, refuse};
use crate::decode::format::Given;
use crate::decode::json::text_of;
use crate::decode::table::{Field, Type};
use crate::event::{AgentState, Decoded, Direction, Reason, Reject, RingEndReason, Text, Via};
use crate::time::EventTime;
use hashbrown::HashSet;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::value::RawValue;

/// A record, with its contacts as `C`: a list of them, or nothing where nobody asks.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", bound(deserialize = "C: Deserialize<'de>"))]
struct Record<'a, C> {
    #[serde(rename = "AgentARN", borrow)]
    agent: Option<Word<'a>>,
    #[serde(borrow)]
    event_type: Option<Word<'a>>,
    #[serde(borrow)]
    event_timestamp: Option<Word<'a>>,
    #[serde(rename = "CurrentAgentSnapshot", borrow)]
    current: Option<Snapshot<'a, C>>,
    #[serde(rename = "PreviousAgentSnapshot", borrow)]
    previous: Option<Snapshot<'a, C>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", bound(deserialize = "C: Deserialize<'de>"))]
struct Snapshot<'a, C> {
    #[serde(borrow)]
    agent_status: Option<Status<'a>>,
    /// A third of a record, and nearly always as it was before: read only where it says something new.
    #[serde(borrow)]
    configuration: Option<Written<'a>>,
    contacts: Option<C>,
}

/// A value as it is written.
#[derive(Clone, Copy)]
struct Written<'a>(&'a str);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status<'a> {
    #[serde(borrow)]
    name: Option<Word<'a>>,
    #[serde(rename = "Type", borrow)]
    kind: Option<Word<'a>>,
    #[serde(borrow)]
    start_timestamp: Option<Word<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration<'a> {
    #[serde(borrow)]
    routing_profile: Option<RoutingProfile<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoutingProfile<'a> {
    #[serde(borrow)]
    inbound_queues: Option<Vec<Queue<'a>>>,
}

#[derive(Deserialize)]
struct Queue<'a> {
    #[serde(rename = "ARN", borrow)]
    arn: Option<Word<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Contact<'a> {
    #[serde(borrow)]
    contact_id: Option<Word<'a>>,
    #[serde(borrow)]
    initial_contact_id: Option<Word<'a>>,
    #[serde(borrow)]
    channel: Option<Word<'a>>,
    #[serde(borrow)]
    initiation_method: Option<Word<'a>>,
    #[serde(borrow)]
    state: Option<Word<'a>>,
    #[serde(borrow)]
    state_start_timestamp: Option<Word<'a>>,
    #[serde(borrow)]
    connected_to_agent_timestamp: Option<Word<'a>>,
    #[serde(borrow)]
    queue_timestamp: Option<Word<'a>>,
    #[serde(borrow)]
    queue: Option<Queue<'a>>,
}

/// Who else tells of the contacts in the snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// Nobody: all that is known of them is told.
    Ours,
    /// Contact events of the same topic, which know better when they are dialled and over.
    Shared,
    /// Another topic, in which they are other calls: nothing is told, since it would count twice.
    Others,
}

/// An agent, and what is told of one.
struct Agent<'a> {
    id: Text<'a>,
    contacts: Contacts,
    /// What happened before is left to earlier records.
    from: EventTime,
    telling: Telling<'a>,
}

/// A contact with what its events have in common.
struct Part<'a> {
    contact_id: Text<'a>,
    ties: Ties<'a>,
    origin: Origin,
    queue: Option<Text<'a>>,
    connected: Option<EventTime>,
}

pub fn decode(given: Given<'_>, contacts: Contacts, each: &mut dyn FnMut(Decoded<'_>)) -> Result<(), Reject> {
    match contacts {
        Contacts::Others => tell(Record::<IgnoredAny>::of(given.bytes)?, given, contacts, each),
        Contacts::Ours | Contacts::Shared => tell(Record::<Vec<Contact<'_>>>::of(given.bytes)?, given, contacts, each),
    }
}

/// Tells a record of a topic shared with contact events, and whether it was one of this stream: without a second parse
/// of nearly all. Of one that writes the name `AgentARN` with escapes it says no, which its caller finds out.
pub(super) fn decode_if_own(given: Given<'_>, each: &mut dyn FnMut(Decoded<'_>)) -> Result<bool, Reject> {
    if !text_of(given.bytes)?.contains("\"AgentARN\"") {
        return Ok(false);
    }
    let record = Record::<Vec<Contact<'_>>>::of(given.bytes)?;
    let is_own = record.agent.is_some();
    if is_own {
        tell(record, given, Contacts::Shared, each)?;
    }
    Ok(is_own)
}

fn tell<'r, C: List<'r>>(
    record: Record<'r, C>,
    given: Given<'r>,
    contacts: Contacts,
    each: &mut dyn FnMut(Decoded<'_>),
) -> Result<(), Reject> {
    let name = text(record.event_type.as_ref()).ok_or_else(|| missing("EventType", "an agent event"))?;
    if !["LOGIN", "LOGOUT", "STATE_CHANGE", "HEART_BEAT"].contains(&&*name) {
        each(Decoded::Unknown { kind: name });
        return Ok(());
    }
    let id = agent_id(record.agent.as_ref()).ok_or_else(|| missing("AgentARN", "an agent event"))?;
    let at = time(record.event_timestamp.as_ref(), "EventTimestamp")?.or(given.logged);
    let at = at.ok_or_else(|| missing("EventTimestamp", "an agent event"))?;
    let mut agent = Agent { id, contacts, from: at.minus(TOLD_AGAIN), telling: Telling::new() };
    agent.tell(&record, &name, at)?;
    agent.telling.tell(name, each);
    Ok(())
}

/// The contacts of a snapshot.
trait List<'a>: Deserialize<'a> {
    fn contacts(&self) -> &[Contact<'a>];

    /// Null, or the contacts.
    fn walked(walk: &mut Walk<'a>) -> Option<Option<Self>> {
        walk.value()
    }
}

impl<'a> List<'a> for Vec<Contact<'a>> {
    fn contacts(&self) -> &[Contact<'a>] {
        self
    }
}

impl<'a> List<'a> for IgnoredAny {
    fn contacts(&self) -> &[Contact<'a>] {
        &[]
    }

    fn walked(walk: &mut Walk<'a>) -> Option<Option<IgnoredAny>> {
        walk.skip().map(|_| None)
    }
}

impl<'a> Agent<'a> {
    fn tell<C: List<'a>>(&mut self, record: &Record<'a, C>, name: &str, at: EventTime) -> Result<(), Reject> {
        let (none_before, none_now) = (Snapshot::none(), Snapshot::none());
        let before = record.previous.as_ref().unwrap_or(&none_before);
        let now = record.current.as_ref().unwrap_or(&none_now);
        let is_change = name == "STATE_CHANGE";
        match name {
            "LOGIN" => {
                self.say(now.agent_status.as_ref(), at)?;
                self.join(&now.queues()?, at)?;
            }
            "LOGOUT" => {
                let draft = self.draft(Type::AgentState, at).text(Field::State, AgentState::LoggedOut.word());
                self.add(at, draft)?;
            }
            _ => self.tell_status(before, now, is_change, at)?,
        }
        let ids = now.contacts().iter().filter(|_| is_change).filter_map(|contact| contact.contact_id.as_ref());
        let here: HashSet<&str> = ids.map(|id| &*id.0).collect();
        for contact in before.contacts() {
            let Some(part) = Part::of(contact)? else { continue };
            self.tell_contact(contact, &part)?;
            if is_change && !here.contains(&*part.contact_id) {
                self.tell_gone(contact, &part, at)?;
            }
        }
        for contact in now.contacts() {
            let Some(part) = Part::of(contact)? else { continue };
            self.tell_contact(contact, &part)?;
        }
        Ok(())
    }

    fn tell_status<C>(
        &mut self,
        before: &Snapshot<'a, C>,
        now: &Snapshot<'a, C>,
        is_change: bool,
        at: EventTime,
    ) -> Result<(), Reject> {
        let since = now.agent_status.as_ref().and_then(|status| status.start_timestamp.as_ref());
        if let Some(since) = time(since, "AgentStatus.StartTimestamp")?.or(is_change.then_some(at)) {
            self.say(now.agent_status.as_ref(), since)?;
            // Whoever comes to work says for which queues. A later change of the profile says no more than what changed.
            let is_off = |snapshot: &Snapshot<'_, C>| snapshot.agent_status.as_ref().map(Status::is_offline);
            if (is_off(before), is_off(now)) == (Some(true), Some(false)) {
                self.join(&now.queues()?, since)?;
            }
        }
        if !is_change || before.written() == now.written() {
            return Ok(());
        }
        let (before, now) = (before.queues()?, now.queues()?);
        let [old, new] = [&before, &now].map(|queues| queues.iter().map(Queue::arn).collect::<HashSet<_>>());
        for queue in before.iter().filter(|queue| !new.contains(queue.arn())) {
            let draft = self.draft(Type::AgentLeft, at);
            self.add_of(queue, at, draft)?;
        }
        for queue in now.iter().filter(|queue| !old.contains(queue.arn())) {
            let draft = self.draft(Type::AgentJoined, at);
            self.add_of(queue, at, draft)?;
        }
        Ok(())
    }

    fn say(&mut self, status: Option<&Status<'a>>, at: EventTime) -> Result<(), Reject> {
        let Some(status) = status else { return Ok(()) };
        let state = status.state();
        let reason = text(status.name.as_ref()).filter(|_| state == AgentState::Paused);
        let draft = self.draft(Type::AgentState, at).text(Field::State, state.word()).texts(Field::Reason, reason);
        self.add(at, draft)
    }

    fn join(&mut self, queues: &[Queue<'a>], at: EventTime) -> Result<(), Reject> {
        for queue in queues {
            let draft = self.draft(Type::AgentJoined, at);
            self.add_of(queue, at, draft)?;
        }
        Ok(())
    }

    /// Tells where a contact stands.
    fn tell_contact(&mut self, contact: &Contact<'a>, part: &Part<'a>) -> Result<(), Reject> {
        if let Some(at) = part.connected {
            let queued = time(contact.queue_timestamp.as_ref(), "QueueTimestamp")?;
            if let (Some(queued), Some(_)) = (queued.filter(|queued| *queued <= at), &part.queue)
                && part.is_inbound()
            {
                let draft = part.draft(Type::CallQueued, queued).text(Field::Via, part.origin.via.word());
                self.add(queued, draft)?;
            }
            self.add_call(Type::CallAnswered, at, part)?;
        }
        let Some(since) = time(contact.state_start_timestamp.as_ref(), "StateStartTimestamp")? else { return Ok(()) };
        match (contact.state(), part.connected) {
            ("CONNECTED", Some(connected)) if connected < since => self.add_call(Type::CallResumed, since, part),
            ("CONNECTED_ONHOLD" | "PAUSED", Some(_)) => self.add_call(Type::CallHeld, since, part),
            ("ENDED", Some(_)) => self.add_call(Type::CallWrapupStarted, since, part),
            ("ERROR", Some(_)) => self.end(part, since),
            (_, Some(_)) => Ok(()),
            (state, None) if part.is_offer(state) => self.add_call(Type::CallRinging, since, part),
            ("CONNECTING", None) if !part.is_inbound() && self.contacts == Contacts::Ours => {
                self.add_call(Type::CallDialled, since, part)
            }
            ("MISSED", None) => self.end_ring(part, RingEndReason::NoAnswer, since),
            ("REJECTED", None) => self.end_ring(part, RingEndReason::Rejected, since),
            ("ERROR", None) => self.end_ring(part, RingEndReason::Error, since),
            ("ENDED", None) => self.end_ring(part, RingEndReason::CallerLeft, since),
            _ => Ok(()),
        }
    }

    /// Tells that a contact is in the snapshot no longer.
    fn tell_gone(&mut self, contact: &Contact<'a>, part: &Part<'a>, at: EventTime) -> Result<(), Reject> {
        match (contact.state(), part.connected) {
            ("ENDED", Some(_)) => self.add_call(Type::CallWrapupEnded, at, part),
            ("ERROR", Some(_)) => Ok(()),
            (_, Some(_)) => self.end(part, at),
            (state, None) if part.is_offer(state) => self.end_ring(part, RingEndReason::CallerLeft, at),
            ("CONNECTING", None) => self.end_ring(part, RingEndReason::CallerLeft, at),
            _ => Ok(()),
        }
    }

    /// The offer came to nothing; what the agent dialled was no offer and is over.
    fn end_ring(&mut self, part: &Part<'a>, reason: RingEndReason, at: EventTime) -> Result<(), Reject> {
        if !part.is_inbound() {
            return self.end(part, at);
        }
        let draft = part.draft(Type::CallRingEnded, at).text(Field::Agent, self.id.clone());
        self.add(at, draft.text(Field::Reason, reason.word()))
    }

    /// The contact is over, unless contact events say when.
    fn end(&mut self, part: &Part<'a>, at: EventTime) -> Result<(), Reject> {
        if self.contacts == Contacts::Shared {
            return Ok(());
        }
        self.add(at, part.draft(Type::CallEnded, at))
    }

    fn add_call(&mut self, kind: Type, at: EventTime, part: &Part<'a>) -> Result<(), Reject> {
        let draft = part.draft(kind, at).text(Field::Agent, self.id.clone());
        self.add(at, draft)
    }

    fn draft(&self, kind: Type, at: EventTime) -> Draft<'a> {
        Draft::new(kind, at).text(Field::Agent, self.id.clone())
    }

    fn add_of(&mut self, queue: &Queue<'a>, at: EventTime, draft: Draft<'a>) -> Result<(), Reject> {
        match queue_id(queue.arn.as_ref()) {
            Some(queue) => self.add(at, draft.text(Field::Queue, queue)),
            None => Ok(()),
        }
    }

    fn add(&mut self, at: EventTime, draft: Draft<'a>) -> Result<(), Reject> {
        if at < self.from { Ok(()) } else { self.telling.add(at, draft) }
    }
}

impl<'a> Part<'a> {
    /// None where the agent only listens in, or where nothing names the contact.
    fn of(contact: &Contact<'a>) -> Result<Option<Part<'a>>, Reject> {
        let origin = origin(contact.initiation_method.as_ref(), contact.channel.as_ref());
        let (Some(contact_id), Some(origin)) = (text(contact.contact_id.as_ref()), origin) else { return Ok(None) };
        let connected = time(contact.connected_to_agent_timestamp.as_ref(), "ConnectedToAgentTimestamp")?;
        Ok(Some(Part {
            ties: Ties::new(&contact_id, contact.initial_contact_id.as_ref(), None, contact.channel.as_ref()),
            contact_id,
            origin,
            queue: queue_id(contact.queue.as_ref().and_then(|queue| queue.arn.as_ref())),
            connected,
        }))
    }

    fn is_inbound(&self) -> bool {
        self.origin.direction == Direction::Inbound
    }

    /// Whether the state is one in which the agent is offered the contact. Of a callback the agent is asked before
    /// the customer is dialled.
    fn is_offer(&self, state: &str) -> bool {
        match self.origin.via {
            Via::Callback => state == "INCOMING",
            _ => state == "CONNECTING" && self.is_inbound(),
        }
    }

    fn draft(&self, kind: Type, at: EventTime) -> Draft<'a> {
        let draft = self.ties.draft(kind, at, &self.contact_id, self.origin.direction);
        draft.texts(Field::Queue, self.queue.clone())
    }
}

impl<'a, C: List<'a>> Record<'a, C> {
    fn of(bytes: &'a [u8]) -> Result<Record<'a, C>, Reject> {
        match Record::walked(text_of(bytes)?) {
            Some(record) => Ok(record),
            None => read(bytes),
        }
    }

    /// None of a record that is written otherwise than Amazon Connect does.
    fn walked(text: &'a str) -> Option<Record<'a, C>> {
        let mut record = Record { agent: None, event_type: None, event_timestamp: None, current: None, previous: None };
        let (mut seen, mut walk) = (0, Walk::new(text));
        walk.object(|walk, name| match name {
            "AgentARN" => is_new(&mut seen, 1).and(walk.word()).map(|word| record.agent = word),
            "EventType" => is_new(&mut seen, 2).and(walk.word()).map(|word| record.event_type = word),
            "EventTimestamp" => is_new(&mut seen, 4).and(walk.word()).map(|word| record.event_timestamp = word),
            "CurrentAgentSnapshot" => {
                is_new(&mut seen, 8)?;
                Snapshot::walked(walk, record.previous.as_ref()).map(|snapshot| record.current = snapshot)
            }
            "PreviousAgentSnapshot" => {
                is_new(&mut seen, 16)?;
                Snapshot::walked(walk, record.current.as_ref()).map(|snapshot| record.previous = snapshot)
            }
            _ => walk.skip().map(drop),
        })?;
        walk.is_at_end().then_some(record)
    }
}

impl<'a, C: List<'a>> Snapshot<'a, C> {
    /// Null, or a snapshot. A configuration that is as in the `other` snapshot is not read again.
    fn walked(walk: &mut Walk<'a>, other: Option<&Snapshot<'a, C>>) -> Option<Option<Snapshot<'a, C>>> {
        if walk.pass("null").is_some() {
            return Some(None);
        }
        let known = other.and_then(Snapshot::written).filter(|known| known.starts_with('{'));
        let (mut snapshot, mut seen) = (Snapshot::none(), 0);
        walk.object(|walk, name| match name {
            "AgentStatus" => {
                is_new(&mut seen, 1).and(Status::walked(walk)).map(|status| snapshot.agent_status = status)
            }
            "Configuration" => {
                is_new(&mut seen, 2)?;
                let written = match known.filter(|known| walk.pass(known).is_some()) {
                    Some(known) => known,
                    None => walk.skip()?,
                };
                snapshot.configuration = Some(Written(written)).filter(|_| written != "null");
                Some(())
            }
            "Contacts" => is_new(&mut seen, 4).and(C::walked(walk)).map(|contacts| snapshot.contacts = contacts),
            _ => walk.skip().map(drop),
        })?;
        Some(Some(snapshot))
    }
}

impl<'a, C> Snapshot<'a, C> {
    fn none() -> Snapshot<'a, C> {
        Snapshot { agent_status: None, configuration: None, contacts: None }
    }

    /// The configuration as it is written.
    fn written(&self) -> Option<&'a str> {
        self.configuration.map(|Written(written)| written)
    }

    /// The queues that the agent's configuration names.
    fn queues(&self) -> Result<Vec<Queue<'a>>, Reject> {
        let Some(written) = self.written() else { return Ok(Vec::new()) };
        let configuration: Configuration<'a> = serde_json::from_str(written).map_err(|_| {
            let sentence = "Configuration is not as Amazon Connect writes it; give the snapshot as it came";
            refuse(Reason::BadValue, sentence)
        })?;
        Ok(configuration.routing_profile.and_then(|profile| profile.inbound_queues).unwrap_or_default())
    }
}

impl<'a, C: List<'a>> Snapshot<'a, C> {
    fn contacts(&self) -> &[Contact<'a>] {
        self.contacts.as_ref().map_or(&[], C::contacts)
    }
}

impl Queue<'_> {
    fn arn(&self) -> &str {
        self.arn.as_ref().map_or("", |arn| &arn.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Written<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Written<'a>, D::Error> {
        let value: &'de RawValue = Deserialize::deserialize(deserializer)?;
        Ok(Written(value.get()))
    }
}

impl<'a> Status<'a> {
    fn walked(walk: &mut Walk<'a>) -> Option<Option<Status<'a>>> {
        if walk.pass("null").is_some() {
            return Some(None);
        }
        let (mut status, mut seen) = (Status { name: None, kind: None, start_timestamp: None }, 0);
        walk.object(|walk, name| match name {
            "Name" => is_new(&mut seen, 1).and(walk.word()).map(|word| status.name = word),
            "Type" => is_new(&mut seen, 2).and(walk.word()).map(|word| status.kind = word),
            "StartTimestamp" => is_new(&mut seen, 4).and(walk.word()).map(|word| status.start_timestamp = word),
            _ => walk.skip().map(drop),
        })?;
        Some(Some(status))
    }
}

impl Status<'_> {
    /// Streams of before there was a type tell the two statuses that every instance has by their names.
    fn state(&self) -> AgentState {
        let word = |word: &Option<Word<'_>>, of: &str| word.as_ref().is_some_and(|word| word.0 == of);
        let is_typed = self.kind.as_ref().is_some_and(|kind| !kind.0.is_empty());
        if word(&self.kind, "OFFLINE") || !is_typed && word(&self.name, "Offline") {
            AgentState::LoggedOut
        } else if word(&self.kind, "ROUTABLE") || !is_typed && word(&self.name, "Available") {
            AgentState::Available
        } else {
            AgentState::Paused
        }
    }

    fn is_offline(&self) -> bool {
        self.state() == AgentState::LoggedOut
    }
}

impl Contact<'_> {
    fn state(&self) -> &str {
        self.state.as_ref().map_or("", |state| &state.0)
    }
}
