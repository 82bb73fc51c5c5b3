//! The stage *calls*: events in, facts out; what agents say and their parts in calls to the stage *subjects*.
//!
//! Keyed by whatever keeps one call's events together. Keeps the logs of open and recent calls; what an
//! event adds to what its call amounted to before goes into the batch of the next commit.

mod changes;
mod kept;

use self::changes::{Restarted, Unsettled};
use super::agenda::Agenda;
use super::agent_rows;
use super::batch::{BATCH_BYTES, Names, Rows, Targets, partition_of, wire, write_batches, write_records};
use super::booked::{Fates, book};
use super::call_record;
use super::coverage::{self, Gap};
use super::lateness::{check_time, keep_for, reached_by};
use super::rejects;
use super::stage::{Clock, Input, OutRecord, Record, Stage, commit_every};
use super::takeover::Takeover;
use crate::decode::format::{Decoder, Format, Given};
use crate::entity::{Entity, Kind};
use crate::event::{CallEvent, Decoded, Event, Reason, Reject, What};
use crate::life::agent_event::AgentEvent;
use crate::life::call_key::{self, split};
use crate::life::log::{Added, CallLog, EVENTS_MAX, encode};
use crate::life::plan::Plan;
use crate::life::routes::Routes;
use crate::life::settle::{Restart, Settled, Terms, settle, settle_last};
use crate::time::{EventTime, Span};
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use metrics::counter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::info;

/// Grows when the fold decides anything differently: what older rules booked is then taken back by
/// what is stored, and not by booking it again.
const RULES: u32 = 1;

/// Bookings in memory at which a commit does not wait for its time.
const ROWS_MAX: usize = 200_000;

/// A header without rows is sent this seldom.
const HEADER_EVERY: Duration = Duration::from_secs(1);
/// To the subjects more often while there is anything to tell: what is complete waits for them.
const SUBJECTS_HEADER_EVERY: Duration = Duration::from_millis(200);

/// What the stage needs to know.
#[derive(Clone)]
pub struct CallsSettings {
    pub plan: Arc<Plan>,
    /// How the records of each topic are read.
    pub decoders: HashMap<Arc<str>, Decoder>,
    /// Every source topic and how many partitions it has.
    pub sources: Vec<(String, i32)>,
    pub allowed_disorder: Span,
    pub commit_every: Duration,
    pub takeover: Takeover,
    pub partials: Arc<str>,
    pub partials_partitions: i32,
    pub subjects: Arc<str>,
    pub subjects_partitions: i32,
    pub rejects: Arc<str>,
    pub calls: super::outlet::Outlet,
}

/// The longest log of a call, in bytes: it lies in one record of the state, which has to fit into what a broker takes.
const LOG_BYTES_MAX: usize = 250_000;

/// The stage.
pub struct Calls {
    settings: CallsSettings,
    fingerprint: u64,
    inputs: HashMap<Input, Partition>,
    routes: Routes,
    rows: Rows,
    /// What one call amounts to, for its state.
    booked: Rows,
    names: Names,
    outgoing: Vec<OutRecord>,
    /// What agents said, by the partition of the subjects it goes to.
    agent_events: BTreeMap<i32, Vec<wire::AgentEventRow>>,
    /// Since when something waits to be committed.
    pending: Option<Instant>,
    last_commit: Option<Instant>,
    /// At the last commit event time was far behind the clock.
    is_behind: bool,
    last_header: Option<Instant>,
    last_subjects_header: Option<Instant>,
    fates: Fates,
    /// Events of calls that are to be settled with the next commit.
    unsettled: usize,
    /// Records read that no batch has told of, and rejects among them.
    read: (u64, u64),
    entry: Vec<u8>,
    key: String,
}

/// One source partition.
#[derive(Default)]
struct Partition {
    calls: HashMap<Arc<str>, Call>,
    restarts: BTreeMap<String, Vec<Restart>>,
    /// Tenants of which a source restarted since calls were settled.
    restarted: BTreeMap<String, Restarted>,
    /// Calls to be settled with the next commit.
    unsettled: Vec<Arc<str>>,
    /// When log time went on since the last commit: up to where, and at which offset.
    advances: Vec<(EventTime, i64)>,
    /// The largest record timestamp read.
    log_time: Option<EventTime>,
    latest_event: Option<EventTime>,
    /// Complete up to here; never goes back.
    mark: Option<EventTime>,
    /// The clock when it was last read to its end, since the last commit.
    at_end: Option<EventTime>,
    agenda: Agenda,
    /// Calls that would be forgotten, had an earlier generation not still to tell of them, by when they ended.
    held: BTreeSet<(EventTime, Arc<str>)>,
    changed: Vec<Arc<str>>,
    /// And how many further entries of the state they have.
    forgotten: Vec<(Arc<str>, u32)>,
    /// Further entries of calls, by their numbers, while the state is loaded.
    loading: HashMap<String, BTreeMap<u32, wire::CallState>>,
    /// When restarts are to be looked at again, for those that can be forgotten.
    restarts_due: Option<EventTime>,
    /// Records were lost that nobody had read. Told once it is known how far, and kept until then.
    gap: Option<Gap>,
    telling: Telling,
}

/// Whether records of calls are told.
#[derive(Default)]
enum Telling {
    #[default]
    Tells,
    /// An earlier generation tells them.
    HoldsBack,
    /// These have still to be told; what changes is told at once.
    CatchesUp(Vec<Arc<str>>),
}

/// One call id.
#[derive(Default)]
struct Call {
    log: CallLog,
    /// What was lost was judged at this instant.
    judged: Option<EventTime>,
    /// What another plan or other rules booked for it, by the entries of the state; none if these did.
    booked_before: Vec<wire::CallState>,
    /// Further entries of the state that it has.
    more: u32,
    /// Its entry in the agenda.
    next: Option<EventTime>,
    /// The offset of the record that changed it last.
    offset: i64,
    /// It is listed among those that changed since the last commit.
    is_changed: bool,
    /// It is to be settled with the next commit, and not before: what is told of a call in disorder costs settling it
    /// once a commit, however many events do.
    unsettled: Option<Box<Unsettled>>,
}

/// The key of a partition's own state; no call has it, since a call's holds a zero byte within.
const SOURCE_KEY: &[u8] = b"\0";

impl Calls {
    pub fn new(settings: CallsSettings) -> Calls {
        let fingerprint = settings.plan.fingerprint();
        let routes = Routes::new(settings.plan.clone());
        Calls {
            settings,
            fingerprint,
            inputs: HashMap::new(),
            routes,
            rows: Rows::default(),
            booked: Rows::default(),
            names: Names::default(),
            outgoing: Vec::new(),
            agent_events: BTreeMap::new(),
            pending: None,
            last_commit: None,
            is_behind: false,
            last_header: None,
            last_subjects_header: None,
            fates: Fates::default(),
            unsettled: 0,
            read: (0, 0),
            entry: Vec::new(),
            key: String::new(),
        }
    }

    fn reject(&mut self, input: &Input, record: Record<'_>, reject: &Reject) {
        counter!("callpulse_rejects_total", "reason" => reject.reason.word()).increment(1);
        self.read.1 += 1;
        self.outgoing.push(rejects::record(&self.settings.rejects, input, record, reject));
    }

    fn take(&mut self, input: &Input, record: Record<'_>) -> Result<(), Reject> {
        let partition = self.inputs.get_mut(input).expect("records come for assigned inputs only");
        let stamped = record.timestamp.map(EventTime);
        if let Some(gap) = &mut partition.gap {
            gap.to = gap.to.or(stamped);
        }
        partition.log_time = partition.log_time.max(stamped);
        let decoder = self.settings.decoders.get(&input.topic).cloned().unwrap_or(Format::Json.into());
        let bytes = record.value.unwrap_or_default();
        let given = Given { bytes, place: None, logged: stamped, headers: record.headers };
        // One event that cannot be used costs its record a place among the rejects, and no other event anything.
        let mut refused = Ok(());
        decoder.decode(given, &mut |decoded| match decoded {
            Decoded::Event(event) => {
                let taken = self.take_event(input, record.offset, stamped, &event);
                refused = std::mem::replace(&mut refused, Ok(())).and(taken);
            }
            Decoded::Unknown { .. } => self.fates.unknown_type += 1,
        })?;
        refused
    }

    fn take_event(
        &mut self,
        input: &Input,
        offset: i64,
        stamped: Option<EventTime>,
        event: &Event<'_>,
    ) -> Result<(), Reject> {
        let partition = self.inputs.get_mut(input).expect("records come for assigned inputs only");
        let stamped = stamped.unwrap_or(event.time);
        partition.log_time = partition.log_time.max(Some(stamped));
        let log_time = partition.log_time.unwrap_or(stamped);
        check_time(event, stamped, log_time, &self.settings.plan)?;
        partition.latest_event = partition.latest_event.max(reached_by(event, stamped, &self.settings.plan));
        match &event.what {
            What::Call(call) => self.take_call(input, offset, event, call),
            What::SourceRestarted => self.take_restart(input, offset, event),
            _ => {
                self.take_agent(input, event);
                Ok(())
            }
        }
    }

    /// Sends on what an agent says; an event of another sort is not used.
    fn take_agent(&mut self, input: &Input, event: &Event<'_>) {
        let source = event.source.as_deref().unwrap_or(&input.topic);
        let (Some(told), Some(agent)) = (AgentEvent::of(event, source), &event.agent) else {
            self.fates.not_used += 1;
            return;
        };
        self.fates.accepted += 1;
        let (tenant, id) = (event.tenant.as_ref().into(), self.settings.plan.agent(agent).into());
        let agent = Entity { tenant, kind: Kind::Agent, id, channel: None };
        let partition = partition_of(&agent, self.settings.subjects_partitions);
        self.agent_events.entry(partition).or_default().push(agent_rows::event_row(&agent, &told));
    }

    fn take_call(
        &mut self,
        input: &Input,
        offset: i64,
        event: &Event<'_>,
        call_event: &CallEvent<'_>,
    ) -> Result<(), Reject> {
        // The topic's own name is what an event that names no source has for one.
        let source = event.source.as_deref().filter(|source| *source != input.topic.as_ref()).unwrap_or_default();
        self.entry.clear();
        encode(event, call_event, source, &mut self.entry);
        self.key.clear();
        call_key::write(&event.tenant, event.call_id.as_deref().unwrap_or_default(), &mut self.key);

        if self
            .inputs
            .get(input)
            .is_some_and(|partition| partition.may_forget(&self.key, keep_for(&self.settings.plan)))
        {
            self.settle_changes(input);
            self.look_at_agenda(input);
        }
        let partition = self.inputs.get_mut(input).expect("records come for assigned inputs only");
        let judged = partition.log_time.expect("a record was read");
        let restarts = partition.restarts.get(event.tenant.as_ref()).map_or(&[][..], Vec::as_slice);
        let (_, call_id) = call_key::split(&self.key);
        let terms = Terms { plan: &self.settings.plan, call_id, restarts, judged };
        let (key, call) = match partition.calls.entry_ref(self.key.as_str()) {
            EntryRef::Occupied(known) => known.into_entry(),
            EntryRef::Vacant(new) => new.insert_entry_with_key(self.key.as_str().into(), Call::default()).into_entry(),
        };
        let bytes = call.log.as_bytes().len() + self.entry.len();
        if LOG_BYTES_MAX < bytes {
            let sentence = format!("the events of the call would take {bytes} bytes; is its call_id unique?");
            return Err(Reject { reason: Reason::TooLarge, sentence });
        }
        let before = call.log.iter().last().map(|moment| moment.time);
        let is_plain = call.unsettled.is_none()
            && !partition.restarted.contains_key(event.tenant.as_ref())
            && call.judged.is_none()
            && call.booked_before.is_empty()
            // What an earlier life left open may be lost by now, which is not this event's doing.
            && call.next.is_none_or(|next| judged < next)
            && restarts.iter().all(|restart| before.is_none_or(|before| restart.at < before));
        // A later revision takes out what an earlier one told.
        let is_last = event.document.is_none() && before.is_none_or(|before| before < event.time);
        let old = (call.unsettled.is_none() && (!is_plain || !is_last)).then(|| call.log.clone());
        let added = call.log.add(&self.entry);
        match added {
            Added::Repeat => {
                self.fates.repeated += 1;
                return Ok(());
            }
            Added::TooMany => {
                return Err(Reject {
                    reason: Reason::TooLarge,
                    sentence: format!("the call has {EVENTS_MAX} events already; is its call_id unique?"),
                });
            }
            Added::Last | Added::Within => {}
        }
        self.fates.accepted += 1;
        call.offset = offset;
        if is_plain && added == Added::Last {
            let settle = |log, sink: &mut dyn FnMut(_)| settle_last(terms, log, sink);
            let settled = book(&mut self.routes, &mut self.rows, &event.tenant, &call.log, settle, 1);
            call.judged = settled.has_lost.then_some(judged);
            let horizon = keep_for(&self.settings.plan);
            note(&mut partition.agenda, &mut partition.changed, call, key, settled, horizon);
        } else {
            self.unsettled += 1;
            match &mut call.unsettled {
                Some(unsettled) => unsettled.judged = judged,
                None => {
                    let log = old.unwrap_or_default();
                    self.unsettled += log.iter().count();
                    call.unsettled = Some(Box::new(Unsettled { log, judged }));
                    partition.unsettled.push(key.clone());
                }
            }
        }
        Ok(())
    }

    /// Ends as lost what log time says is lost, and forgets what no event can reach any more.
    fn look_at_agenda(&mut self, input: &Input) {
        let partition = self.inputs.get_mut(input).expect("an assigned input");
        let Some((log_time, _)) = partition.advances.last().copied() else { return };
        let horizon = keep_for(&self.settings.plan);
        let earlier = self.settings.takeover.settled();
        while let Some(key) = partition.agenda.due(log_time).or_else(|| partition.let_go(earlier)) {
            let call = partition.calls.get_mut(&key).expect("a call is forgotten by way of the agenda alone");
            call.next = None;
            let (tenant, call_id) = split(&key);
            // It is planned again when it is settled.
            if call.unsettled.is_some() {
                continue;
            }
            if partition.restarted.contains_key(tenant) {
                let judged = call.judged.unwrap_or(EventTime(i64::MIN));
                call.unsettled = Some(Box::new(Unsettled { log: call.log.clone(), judged }));
                partition.unsettled.push(key);
                continue;
            }
            let restarts = partition.restarts.get(tenant).map_or(&[][..], Vec::as_slice);
            let judged = call.judged.unwrap_or(EventTime(i64::MIN));
            let mut terms = Terms { plan: &self.settings.plan, call_id, restarts, judged };
            let mut settled = settle(terms, &call.log, |_| {});
            // As of the record that brought log time so far, wherever the commits are.
            if let Some((at, offset)) = settled.next_loss.and_then(|loss| reached(&partition.advances, loss)) {
                terms.judged = at;
                let log = call.log.clone();
                unbook(&mut self.routes, &mut self.rows, tenant, terms, call, &log);
                book(&mut self.routes, &mut self.rows, tenant, &log, |log, sink| settle(terms, log, sink), 1);
                settled = settle(terms, &log, |_| {});
                call.offset = offset;
                call.judged = Some(at);
                list(&mut partition.changed, call, &key);
            }
            if settled.next_loss.is_none() && settled.kept_until(horizon) <= log_time {
                let ended = call.judged.map_or(settled.last, |judged| judged.max(settled.last));
                if matches!(partition.telling, Telling::HoldsBack) && earlier <= ended {
                    partition.held.insert((ended, key));
                    continue;
                }
                // Log time may run on so far that a call is forgotten in the commit that changes it.
                // What was left to an earlier generation is told before it is forgotten, when that has forgotten it.
                if call.is_changed || !matches!(partition.telling, Telling::Tells) {
                    let terms = Terms { judged: call.judged.unwrap_or(EventTime(i64::MIN)), ..terms };
                    let version = self.settings.takeover.version(call.offset);
                    let record = call_record::record(terms, tenant, &call.log, version, &self.settings.calls);
                    self.outgoing.extend(record);
                }
                let more = call.more;
                partition.calls.remove(&key);
                partition.forgotten.push((key, more));
            } else {
                schedule(&mut partition.agenda, call, &key, settled, horizon);
            }
        }
        partition.forget_restarts(log_time, horizon);
    }

    /// The batch headers' marks; each is cut to the clock and never goes back.
    fn marks(&mut self, clock: Clock) -> Vec<wire::Mark> {
        let disorder = self.settings.allowed_disorder;
        let mut marks: Vec<wire::Mark> = self
            .inputs
            .iter_mut()
            .filter_map(|(input, partition)| {
                let by_events = partition.latest_event.map(|latest| latest.minus(disorder));
                let reached = by_events.max(partition.at_end.take()).map(|mark| mark.min(EventTime(clock.wall_ms)));
                partition.mark = partition.mark.max(reached);
                Some(wire::Mark {
                    topic: input.topic.to_string(),
                    partition: input.partition,
                    complete: partition.mark?.0,
                    log_time: partition.log_time.map(|time| time.0),
                    via: None,
                })
            })
            .collect();
        marks.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        marks
    }

    /// What was lost, where the next record there is was read, or there is none.
    fn lost(&mut self) -> Vec<wire::Lost> {
        let lost = self.inputs.values_mut().filter_map(|partition| {
            let to = partition.gap.as_ref()?.to.or(partition.at_end)?;
            Some(coverage::to_wire(&partition.gap.take()?.up_to(to)))
        });
        lost.collect()
    }
}

impl Partition {
    /// Takes a call that was held and may be forgotten now, or has to be looked at.
    fn let_go(&mut self, earlier: EventTime) -> Option<Arc<str>> {
        let holds_back = matches!(self.telling, Telling::HoldsBack);
        while self.held.first().is_some_and(|(ended, _)| !holds_back || *ended < earlier) {
            let (_, key) = self.held.pop_first()?;
            // What was heard of since is planned again.
            if self.calls.get(&key).is_some_and(|call| call.next.is_none()) {
                return Some(key);
            }
        }
        None
    }
}

impl Stage for Calls {
    const NAME: &'static str = "calls";

    fn partitions(&mut self, topic: &str, count: i32) {
        if let Some((_, known)) = self.settings.sources.iter_mut().find(|(source, _)| source == topic)
            && *known < count
        {
            info!(topic, before = *known, now = count, "the topic has more partitions; numbers wait for all of them");
            *known = count;
        }
    }

    fn open(&mut self, input: &Input) {
        let is_later = 1 < self.settings.takeover.generation();
        let telling = if is_later { Telling::HoldsBack } else { Telling::Tells };
        self.inputs.insert(input.clone(), Partition { telling, ..Partition::default() });
    }

    fn load(&mut self, input: &Input, key: &[u8], value: Option<&[u8]>) {
        self.inputs.get_mut(input).expect("an assigned input").load(key, value, self.fingerprint);
    }

    fn resume(&mut self, input: &Input, committed: Option<i64>) -> Option<i64> {
        let partition = self.inputs.get_mut(input).expect("an assigned input");
        partition.settle_loaded();
        let horizon = keep_for(&self.settings.plan);
        for (key, call) in &mut partition.calls {
            let (tenant, call_id) = split(key);
            let restarts = partition.restarts.get(tenant).map_or(&[][..], Vec::as_slice);
            let judged = call.judged.unwrap_or(EventTime(i64::MIN));
            let terms = Terms { plan: &self.settings.plan, call_id, restarts, judged };
            let settled = settle(terms, &call.log, |_| {});
            schedule(&mut partition.agenda, call, key, settled, horizon);
        }
        committed
    }

    fn apply(&mut self, input: &Input, record: Record<'_>) {
        self.pending.get_or_insert_with(Instant::now);
        self.read.0 += 1;
        if let Err(reject) = self.take(input, record) {
            self.reject(input, record, &reject);
        }
        let partition = self.inputs.get_mut(input).expect("an assigned input");
        if let Some(log_time) =
            partition.log_time.filter(|now| partition.advances.last().is_none_or(|(last, _)| last < now))
        {
            partition.advances.push((log_time, record.offset));
        }
        self.look_at_agenda(input);
    }

    fn set_aside(&mut self, input: &Input, record: Record<'_>) {
        self.pending.get_or_insert_with(Instant::now);
        let sentence = "the record stopped the engine twice; report it with its bytes".to_string();
        self.reject(input, record, &Reject { reason: Reason::EngineFault, sentence });
    }

    fn reached_end(&mut self, input: &Input, _position: i64, clock: Clock) {
        if let Some(partition) = self.inputs.get_mut(input) {
            partition.at_end = partition.at_end.max(Some(EventTime(clock.wall_ms)));
        }
        let is_due = self.last_header.is_none_or(|last| HEADER_EVERY <= clock.now.duration_since(last));
        if is_due {
            self.pending.get_or_insert(clock.now);
        }
    }

    fn gap(&mut self, input: &Input) {
        self.pending.get_or_insert_with(Instant::now);
        let partition = self.inputs.get_mut(input).expect("an assigned input");
        partition.gap = Some(Gap { mark: partition.mark, log_time: partition.log_time, to: None });
    }

    fn due(&self) -> Option<Instant> {
        let since = self.pending?;
        if ROWS_MAX <= self.rows.len() + self.unsettled + self.agent_events.values().map(Vec::len).sum::<usize>() {
            return Some(since);
        }
        let every = commit_every(self.settings.commit_every, self.is_behind);
        Some(self.last_commit.map_or(since, |last| last + every))
    }

    fn collect(&mut self, clock: Clock, out: &mut Vec<OutRecord>) {
        for input in self.inputs.keys().cloned().collect::<Vec<_>>() {
            self.settle_changes(&input);
            self.look_at_agenda(&input);
            self.inputs.get_mut(&input).expect("listed").advances.clear();
        }
        // Before the marks, which take what was read to its end.
        let lost = self.lost();
        let (marks, partitions) = (self.marks(clock), self.settings.partials_partitions);
        let sources: Vec<wire::Source> = self
            .settings
            .sources
            .iter()
            .map(|(topic, partitions)| wire::Source { topic: topic.clone(), partitions: *partitions })
            .collect();
        let complete = marks.iter().map(|mark| mark.complete).min();
        self.is_behind = complete.is_some_and(|at| clock.is_behind(EventTime(at)));
        let header = wire::Batch { plan: self.fingerprint, sources, marks, lost, ..wire::Batch::default() };
        let is_due = |last: Option<Instant>, every| last.is_none_or(|last| every <= clock.now.duration_since(last));
        let targets =
            Targets { partials: partitions, subjects: Some(self.settings.subjects_partitions), bytes_max: BATCH_BYTES };
        let [mut partials, mut subjects] = write_batches(&mut self.rows, &mut self.names, &self.routes, targets);

        let is_empty = header.marks.is_empty() && header.lost.is_empty();
        let to_all = !header.lost.is_empty() || is_due(self.last_header, HEADER_EVERY);
        let to_partials = wire::Batch { subject_partitions: self.settings.subjects_partitions, ..header.clone() };
        for partition in 0..partitions {
            let parts = partials.remove(&partition).unwrap_or_default();
            if !parts.is_empty() || to_all && !is_empty {
                let (read, rejected) = if partition == 0 { std::mem::take(&mut self.read) } else { (0, 0) };
                let header = wire::Batch { read, rejected, ..to_partials.clone() };
                out.extend(write_records(&header, parts, &self.settings.partials, partition));
            }
        }
        if to_all {
            self.last_header = Some(clock.now);
        }
        let every = if self.is_behind { HEADER_EVERY } else { SUBJECTS_HEADER_EVERY };
        let to_all = is_due(self.last_subjects_header, every);
        for partition in 0..self.settings.subjects_partitions {
            let parts = subjects.remove(&partition).unwrap_or_default();
            let agent_events = self.agent_events.remove(&partition).unwrap_or_default();
            if parts.is_empty() && agent_events.is_empty() && (!to_all || header.marks.is_empty()) {
                continue;
            }
            let header = wire::Batch { lost: Vec::new(), ..header.clone() };
            let topic = &self.settings.subjects;
            out.extend(agent_rows::write_records(&header, agent_events, parts, topic, partition));
        }
        if to_all {
            self.last_subjects_header = Some(clock.now);
        }
        self.collect_state(out);
        out.append(&mut self.outgoing);
    }

    fn committed(&mut self, clock: Clock) {
        self.fates.tell(std::mem::take(&mut self.rows.oddities), self.inputs.values().map(|of| of.calls.len()).sum());
        let is_telling = self.inputs.values().any(|of| matches!(of.telling, Telling::CatchesUp(_)));
        self.pending = is_telling.then_some(clock.now);
        self.last_commit = Some(clock.now);
    }

    fn close(&mut self, input: &Input) {
        self.inputs.remove(input);
    }
}

/// Where log time first was as far as an instant, since the last commit; none if it is not.
fn reached(advances: &[(EventTime, i64)], instant: EventTime) -> Option<(EventTime, i64)> {
    advances.get(advances.partition_point(|(at, _)| *at < instant)).copied()
}

/// Takes back what a call's old log amounted to: as it was booked, if by another plan or other rules.
fn unbook(routes: &mut Routes, rows: &mut Rows, tenant: &str, terms: Terms<'_>, call: &mut Call, old: &CallLog) {
    if !call.booked_before.is_empty() {
        for before in std::mem::take(&mut call.booked_before) {
            rows.add_wire(routes, &before.entities, &before.rows, -1);
        }
        return;
    }
    let terms = Terms { judged: call.judged.unwrap_or(EventTime(i64::MIN)), ..terms };
    book(routes, rows, tenant, old, |log, sink| settle(terms, log, sink), -1);
}

/// Remembers that a call changed, and when to look at it again.
fn note(
    agenda: &mut Agenda,
    changed: &mut Vec<Arc<str>>,
    call: &mut Call,
    key: &Arc<str>,
    settled: Settled,
    keep_for: Span,
) {
    list(changed, call, key);
    schedule(agenda, call, key, settled, keep_for);
}

fn list(changed: &mut Vec<Arc<str>>, call: &mut Call, key: &Arc<str>) {
    if !call.is_changed {
        call.is_changed = true;
        changed.push(key.clone());
    }
}

fn schedule(agenda: &mut Agenda, call: &mut Call, key: &Arc<str>, settled: Settled, keep_for: Span) {
    let next = settled.next_loss.unwrap_or(settled.kept_until(keep_for));
    agenda.plan(key, &mut call.next, next);
}
