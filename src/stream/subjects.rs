//! The stage *subjects*: what agents say and their parts in calls in, time of agents out.
//!
//! Keyed by agent. Keeps each agent's time line as far back as a late event reaches; what is told of it in a
//! commit is answered by taking back the stretches from there on and booking the new ones. Marks are sent on
//! behind what they stand for.

use super::agent_rows;
use super::batch::{
    BATCH_BYTES, Batch, Damaged, Names, Rows, Targets, entity as entity_of, name, wire, write_batches, write_records,
};
use super::coverage::{self, Coverage};
use super::marks::Marks;
use super::stage::{Clock, Input, OutRecord, Output, Record, Stage, commit_every};
use crate::entity::{Entity, Kind};
use crate::fact::Family;
use crate::fingerprint;
use crate::kpi::room::{Limits, Room};
use crate::life::agent_event::{AgentEvent, NAMES_HOLD};
use crate::life::agent_time::{self, Agent};
use crate::life::plan::Plan;
use crate::life::routes::Routes;
use crate::life::time_line::{Part, Terms, TimeLine};
use crate::time::{EventTime, Span};
use hashbrown::HashMap;
use metrics::{counter, gauge};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Changes in memory at which a commit does not wait for its time.
const CHANGES_MAX: usize = 200_000;
/// A header without rows is sent this seldom: what is complete waits for it.
const HEADER_EVERY: Duration = Duration::from_millis(200);
/// How much further back than a late event a call takes back or ends its parts: no further than such an event
/// finds its call, and a day at most.
const CALLS_REACH_MAX: Span = Span::from_hours(24);
/// For so long after that the names of an agent's events are kept: a name holds, and so does that of its double.
const NAMES_KEPT: Span = Span(2 * NAMES_HOLD.0);
/// What a part of the state holds, and how often is forgotten at the least.
const HOUR: Span = Span::from_hours(1);

/// What the stage needs to know.
#[derive(Clone)]
pub struct SubjectsSettings {
    pub plan: Arc<Plan>,
    pub commit_every: Duration,
    pub partials: Arc<str>,
    pub partials_partitions: i32,
    pub subjects_partitions: i32,
    /// Agents that are kept; what is said of further ones is left out.
    pub limits: Arc<Limits>,
}

/// The stage.
pub struct Subjects {
    settings: SubjectsSettings,
    fingerprint: u64,
    inputs: HashMap<Input, Partition>,
    routes: Routes,
    rows: Rows,
    names: Names,
    /// How many changes were read since the last commit.
    read: usize,
    pending: Option<Instant>,
    last_commit: Option<Instant>,
    last_header: Option<Instant>,
    is_behind: bool,
}

/// One partition of the subjects.
#[derive(Default)]
struct Partition {
    agents: HashMap<Arc<Entity>, Known>,
    room: Room,
    marks: Marks,
    /// The next batch's offset.
    next: i64,
    /// Batches that were lost, until it is known how far.
    coverage: Coverage,
    /// When silence ends a state, or a membership ends or begins.
    agenda: BTreeSet<(EventTime, Arc<Entity>)>,
    /// Agents of whom something was told since the last commit.
    told: Vec<Arc<Entity>>,
    /// Plans that agents were booked by.
    plans: BTreeMap<u64, Plan>,
    is_plan_kept: bool,
    /// What is before it is forgotten.
    forgotten: Option<EventTime>,
    loading: HashMap<Vec<u8>, Vec<u8>>,
}

/// One agent.
#[derive(Default)]
struct Known {
    line: TimeLine,
    /// Told since the last commit.
    events: Vec<AgentEvent>,
    changes: Vec<(EventTime, Part, i64)>,
    /// When silence and memberships were judged last, where that cut anything.
    judged: Option<EventTime>,
    /// Silence ended its state.
    is_lost: bool,
    /// The plan it was booked by.
    plan: u64,
    /// Its entry in the agenda.
    next: Option<EventTime>,
    /// Its own entry in the state topic.
    written: Vec<u8>,
    /// Of hours in more than one part: what the state topic has of each, by its fingerprint.
    parts: BTreeMap<i64, Vec<u64>>,
}

/// The partition's own state.
const PARTITION_KEY: &[u8] = b"";
/// Plans; no name of an agent is empty.
const PLAN_KEY: &[u8] = b"\0plan ";

impl Subjects {
    pub fn new(settings: SubjectsSettings) -> Subjects {
        let (fingerprint, routes) = (settings.plan.fingerprint(), Routes::new(settings.plan.clone()));
        Subjects {
            settings,
            fingerprint,
            inputs: HashMap::new(),
            routes,
            rows: Rows::default(),
            names: Names::default(),
            read: 0,
            pending: None,
            last_commit: None,
            last_header: None,
            is_behind: false,
        }
    }

    fn take(&mut self, input: &Input, offset: i64, batch: Batch<'_>) -> Result<(), Damaged> {
        let partition = self.inputs.get_mut(input).expect("records come for assigned inputs only");
        let mut agents = Vec::with_capacity(batch.names.len());
        for name in &batch.names {
            let name = wire::EntityName::decode(*name).map_err(|_| Damaged)?;
            agents.push(entity_of(&name).filter(|entity| entity.kind == Kind::Agent));
        }
        for rows in batch.rows.chunk_by(|a, b| a.entity == b.entity) {
            let Some(Some(agent)) = agents.get(rows[0].entity as usize) else { continue };
            let Some(known) = partition.agent(agent, self.fingerprint) else { continue };
            for row in rows.iter().filter(|row| row.family == Some(Family::Time)) {
                let changes = batch.facts(row).iter();
                let changes = changes.filter_map(|(key, amount)| Some((EventTime(row.at), Part::of(*key)?, *amount)));
                known.changes.extend(changes);
            }
            self.read += rows.len();
        }
        for row in &batch.header.agent_events {
            let (tenant, id) = (row.tenant.as_str().into(), row.agent.as_str().into());
            let agent = Entity { tenant, kind: Kind::Agent, id, channel: None };
            let Some(event) = row.event.as_ref().and_then(agent_rows::event_from_wire) else { continue };
            if let Some(known) = partition.agent(&agent, self.fingerprint) {
                known.events.push(event);
                self.read += 1;
            }
        }
        let before = partition.marks.as_of();
        partition.marks.take(&batch.header);
        partition.next = offset + 1;
        if let Some(as_of) = partition.marks.as_of().filter(|as_of| before.is_none_or(|before| before < *as_of)) {
            partition.coverage.reach(as_of);
        }
        Ok(())
    }

    /// Books what was told since the last commit, and what silence and memberships cut.
    fn settle(&mut self, input: &Input, out: &mut Vec<OutRecord>) {
        let partition = self.inputs.get_mut(input).expect("an assigned input");
        let judged = partition.marks.as_of();
        let mut agents: BTreeSet<Arc<Entity>> = partition.told.drain(..).collect();
        while let Some((due, agent)) = partition.agenda.first().filter(|(due, _)| Some(*due) <= judged).cloned() {
            partition.agenda.pop_first();
            agents.extend(Some(agent).filter(|agent| {
                let known = partition.agents.get_mut(agent);
                known.is_some_and(|known| known.next.take_if(|next| *next == due).is_some())
            }));
        }
        for agent in agents {
            let Some(known) = partition.agents.get_mut(&agent) else { continue };
            let hours = known.settle(
                &agent,
                judged,
                &mut Books {
                    plan: &self.settings.plan,
                    fingerprint: self.fingerprint,
                    plans: &partition.plans,
                    routes: &mut self.routes,
                    rows: &mut self.rows,
                },
            );
            if let Some(next) = known.next {
                partition.agenda.insert((next, agent.clone()));
            }
            out.extend(known.line_record(input, &agent));
            hours.into_iter().for_each(|hour| known.write_hour(input, &agent, hour, out));
        }
    }

    /// Forgets what no late event reaches any more.
    fn forget(&mut self, input: &Input, out: &mut Vec<OutRecord>) {
        let partition = self.inputs.get_mut(input).expect("an assigned input");
        let Some(log_time) = partition.marks.log_time().min(partition.marks.as_of()) else { return };
        let Plan { late_horizon, allowed_skew, .. } = *self.settings.plan;
        let reach = Span(late_horizon.0 + allowed_skew.0 + late_horizon.min(CALLS_REACH_MAX).0);
        // Each step writes parts of the state anew.
        let step = (reach.0 / 16).min(HOUR.0);
        let before = EventTime(log_time.minus(reach).0.div_euclid(step) * step);
        if partition.forgotten.is_some_and(|forgotten| before <= forgotten) {
            return;
        }
        partition.forgotten = Some(before);
        let names_before = before.minus(NAMES_KEPT);
        let always = EventTime(i64::MIN);
        let mut gone = Vec::new();
        for (agent, known) in &mut partition.agents {
            let line = &mut known.line;
            let names_until = if line.has_doubles() { names_before.plus(NAMES_HOLD) } else { names_before };
            let mut hours: BTreeSet<i64> = line.changes(always, before).map(|(at, ..)| hour_of(at)).collect();
            hours.extend(line.events(always, names_until).map(|event| hour_of(event.at)));
            line.forget_before(before);
            line.forget_names_before(names_before);
            hours.into_iter().for_each(|hour| known.write_hour(input, agent, hour, out));
            if known.line.is_empty() && known.next.is_none() {
                gone.push(agent.clone());
                out.push(state(input, key(agent, ""), None));
            } else {
                out.extend(known.line_record(input, agent));
            }
        }
        gone.iter().for_each(|agent| {
            partition.agents.remove(agent);
            partition.room.give_back(agent);
        });
    }

    /// The partition's own state.
    fn keep(&mut self, input: &Input, out: &mut Vec<OutRecord>) {
        let partition = self.inputs.get_mut(input).expect("an assigned input");
        // State without a committed offset is a fault: before the first batch there is neither.
        if partition.next == 0 {
            return;
        }
        if !partition.is_plan_kept {
            partition.is_plan_kept = true;
            let plan = agent_rows::plan_to_wire(&self.settings.plan).encode_to_vec();
            out.push(state(input, plan_key(self.fingerprint), Some(plan)));
        }
        let kept = wire::SubjectsState {
            marks: Some(partition.marks.to_wire(partition.next, None)),
            open: partition.coverage.open(),
            forgotten: partition.forgotten.map(|at| at.0),
        };
        out.push(state(input, PARTITION_KEY.to_vec(), Some(kept.encode_to_vec())));
    }
}

/// What an agent's time is booked with.
struct Books<'b> {
    plan: &'b Plan,
    fingerprint: u64,
    plans: &'b BTreeMap<u64, Plan>,
    routes: &'b mut Routes,
    rows: &'b mut Rows,
}

impl Known {
    /// Takes in what was told. Answers the hours that changed.
    fn settle(&mut self, agent: &Entity, judged: Option<EventTime>, books: &mut Books<'_>) -> BTreeSet<i64> {
        let never = EventTime(i64::MIN);
        let events = std::mem::take(&mut self.events);
        let (events, repeated): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| !self.line.holds(event));
        counter!("callpulse_agent_events_repeated_total").increment(repeated.len() as u64);
        let changes = std::mem::take(&mut self.changes);
        let instants = || events.iter().map(|event| event.at).chain(changes.iter().map(|(at, ..)| *at));
        let judged = judged.unwrap_or(never);
        let edges = agent_time::edges(books.plan, &agent.id);
        let passed = edges.into_iter().find(|edge| self.judged < Some(*edge) && *edge <= judged);
        let first = instants().chain(passed).min().unwrap_or(EventTime(i64::MAX));
        let old_plan = books.plans.get(&self.plan).filter(|_| self.plan != books.fingerprint);
        // What another plan booked is booked anew, all of it that is kept.
        let from = if old_plan.is_some() { never } else { self.line.unsettled_from(first) };
        self.book(agent, old_plan.unwrap_or(books.plan), from, self.judged.unwrap_or(never), -1, books);
        let hours = instants().map(hour_of).collect();
        for event in events {
            self.line.add(event);
        }
        changes.into_iter().for_each(|(at, part, amount)| self.line.change(at, part, amount));
        let plan = books.plan;
        let told = self.book(agent, plan, from, judged, 1, books);
        counter!("callpulse_agent_states_lost_total").increment(u64::from(told.is_lost && !self.is_lost));
        self.is_lost = told.is_lost;
        self.judged = told.is_judged.then_some(judged);
        self.plan = books.fingerprint;
        self.next = told.next;
        hours
    }

    fn book(
        &self,
        agent: &Entity,
        plan: &Plan,
        from: EventTime,
        judged: EventTime,
        sign: i64,
        books: &mut Books<'_>,
    ) -> crate::life::time_line::Told {
        let whose = Agent { tenant: &agent.tenant, agent: &agent.id, plan };
        let edges = agent_time::edges(plan, &agent.id);
        let terms = Terms { from, judged, edges: &edges };
        self.line.tell(terms, &mut |stretch| agent_time::book(books.routes, whose, &stretch, sign, books.rows))
    }

    /// None if the state topic has it as it is.
    fn line_record(&mut self, input: &Input, agent: &Entity) -> Option<OutRecord> {
        let value = agent_rows::line_to_wire(&self.line, self.plan, self.judged).encode_to_vec();
        if self.written == value {
            return None;
        }
        self.written.clone_from(&value);
        Some(state(input, key(agent, ""), Some(value)))
    }

    /// Writes an hour; of one in several parts those that changed.
    fn write_hour(&mut self, input: &Input, agent: &Entity, hour: i64, out: &mut Vec<OutRecord>) {
        let (from, to) = (EventTime(hour * HOUR.0), EventTime((hour + 1) * HOUR.0));
        let parts = agent_rows::hour_to_wire(&self.line, from, to);
        let values: Vec<Vec<u8>> = parts.iter().map(Message::encode_to_vec).collect();
        let written = self.parts.remove(&hour).unwrap_or_default();
        // What is gone is deleted; of an hour in one part it is not known whether it was there.
        for part in values.len()..written.len().max(1) {
            out.push(state(input, hour_key(agent, hour, part), None));
        }
        let prints: Vec<u64> = values.iter().map(|value| fingerprint::of_bytes(value)).collect();
        for (part, value) in values.into_iter().enumerate().filter(|(part, _)| written.get(*part) != prints.get(*part))
        {
            out.push(state(input, hour_key(agent, hour, part), Some(value)));
        }
        if 1 < prints.len() {
            self.parts.insert(hour, prints);
        }
    }
}

impl Partition {
    /// An agent of whom something is told; none of a new one for whom there is no room.
    fn agent(&mut self, agent: &Entity, plan: u64) -> Option<&mut Known> {
        let key = match self.agents.get_key_value(agent) {
            Some((key, _)) => key.clone(),
            None if self.room.admit_unnamed(agent).is_err() => {
                counter!("callpulse_entities_refused_total").increment(1);
                return None;
            }
            None => Arc::new(agent.clone()),
        };
        let known = self.agents.entry(key.clone()).or_insert_with(|| Known { plan, ..Known::default() });
        if known.events.is_empty() && known.changes.is_empty() {
            // Its entry in the agenda is made anew when it is settled.
            if let Some(next) = known.next.take() {
                self.agenda.remove(&(next, key.clone()));
            }
            self.told.push(key);
        }
        Some(known)
    }
}

impl Stage for Subjects {
    const NAME: &'static str = "subjects";

    fn open(&mut self, input: &Input) {
        let rooms = self.settings.subjects_partitions.max(1) as usize;
        let room = Room::new(self.settings.limits.clone(), rooms);
        self.inputs.insert(input.clone(), Partition { room, ..Partition::default() });
    }

    fn load(&mut self, input: &Input, key: &[u8], value: Option<&[u8]>) {
        let partition = self.inputs.get_mut(input).expect("an assigned input");
        match value {
            Some(value) => partition.loading.insert(key.to_vec(), value.to_vec()),
            None => partition.loading.remove(key),
        };
    }

    fn resume(&mut self, input: &Input, committed: Option<i64>) -> Option<i64> {
        let partition = self.inputs.get_mut(input).expect("an assigned input");
        let loading = std::mem::take(&mut partition.loading);
        let mut hours: Vec<(Entity, HourPart, &[u8])> = Vec::new();
        for (key, value) in &loading {
            if key == PARTITION_KEY {
                let Ok(kept) = wire::SubjectsState::decode(value.as_slice()) else { continue };
                partition.marks = kept.marks.as_ref().map(Marks::from_wire).unwrap_or_default();
                partition.coverage = Coverage::opened(kept.open.as_ref());
                partition.forgotten = kept.forgotten.map(EventTime);
            } else if key.starts_with(PLAN_KEY) {
                let Ok(plan) = wire::PlanState::decode(value.as_slice()) else { continue };
                partition.is_plan_kept |= plan.fingerprint == self.fingerprint;
                partition.plans.insert(plan.fingerprint, agent_rows::plan_from_wire(&self.settings.plan, &plan));
            } else if let Some((agent, part)) = parse_key(key) {
                if let Some(part) = HourPart::parse(part) {
                    hours.push((agent, part, value.as_slice()));
                } else if let Ok(line) = wire::AgentLineState::decode(value.as_slice()) {
                    let (plan, judged) = (line.plan, line.judged.map(EventTime));
                    let line = agent_rows::line_from_wire(&line);
                    let written = value.clone();
                    let known = Known { line, plan, judged, written, ..Known::default() };
                    partition.room.count(&agent);
                    partition.agents.insert(Arc::new(agent), known);
                }
            }
        }
        // In the order of parts, so that each finds its place.
        hours.sort_unstable_by_key(|(_, part, _)| *part);
        for (agent, HourPart { hour, part }, value) in hours {
            let (Some(known), Ok(state)) = (partition.agents.get_mut(&agent), wire::AgentHourState::decode(value))
            else {
                continue;
            };
            agent_rows::hour_from_wire(&mut known.line, &state);
            let parts = known.parts.entry(hour).or_default();
            parts.resize(part, 0);
            parts.push(fingerprint::of_bytes(value));
        }
        for known in partition.agents.values_mut() {
            known.parts.retain(|_, parts| 1 < parts.len());
        }
        for (agent, known) in &mut partition.agents {
            let judged = known.judged.unwrap_or(EventTime(i64::MIN));
            let edges = agent_time::edges(&self.settings.plan, &agent.id);
            let told = known.line.tell(Terms { from: EventTime(i64::MAX), judged, edges: &edges }, &mut |_| {});
            (known.next, known.is_lost) = (told.next, told.is_lost);
            partition.agenda.extend(known.next.map(|next| (next, agent.clone())));
        }
        partition.next = committed.unwrap_or(0);
        committed
    }

    fn apply(&mut self, input: &Input, record: Record<'_>) {
        self.pending.get_or_insert_with(Instant::now);
        let batch = Batch::read(record.value.unwrap_or_default());
        if batch.and_then(|batch| self.take(input, record.offset, batch)).is_err() {
            self.set_aside(input, record);
        }
    }

    fn set_aside(&mut self, input: &Input, record: Record<'_>) {
        tracing::error!(
            partition = input.partition,
            offset = record.offset,
            "batch cannot be read; what it told of agents is missing"
        );
        counter!("callpulse_gaps_total", "stage" => Self::NAME).increment(1);
        self.pending.get_or_insert_with(Instant::now);
        let partition = self.inputs.get_mut(input).expect("an assigned input");
        partition.next = record.offset + 1;
        partition.coverage.lose_batches(partition.marks.as_of());
    }

    /// Marks come with batches, once a second at least: nothing is to be done for want of them.
    fn reached_end(&mut self, input: &Input, position: i64, _: Clock) {
        if let Some(partition) = self.inputs.get_mut(input) {
            partition.next = partition.next.max(position);
        }
    }

    fn gap(&mut self, input: &Input) {
        self.pending.get_or_insert_with(Instant::now);
        let partition = self.inputs.get_mut(input).expect("an assigned input");
        partition.coverage.lose_batches(partition.marks.as_of());
    }

    fn due(&self) -> Option<Instant> {
        let since = self.pending?;
        if CHANGES_MAX <= self.read {
            return Some(since);
        }
        let every = commit_every(self.settings.commit_every, self.is_behind);
        Some(self.last_commit.map_or(since, |last| since.max(last + every)))
    }

    fn collect(&mut self, clock: Clock, out: &mut Vec<OutRecord>) {
        let mut inputs: Vec<Input> = self.inputs.keys().cloned().collect();
        inputs.sort_unstable();
        let mut header = wire::Batch { plan: self.fingerprint, ..wire::Batch::default() };
        let mut as_of: Option<EventTime> = None;
        for input in &inputs {
            self.settle(input, out);
            self.forget(input, out);
            self.keep(input, out);
            let partition = self.inputs.get_mut(input).expect("an assigned input");
            header.marks.extend(partition.marks.sent_on(input.partition));
            header.lost.extend(partition.coverage.take_lost().iter().map(coverage::to_wire));
            as_of = as_of.max(partition.marks.as_of());
            gauge!("callpulse_agents", "partition" => input.partition.to_string()).set(partition.agents.len() as f64);
        }
        self.is_behind = as_of.is_some_and(|as_of| clock.is_behind(as_of));
        let partitions = self.settings.partials_partitions;
        let targets = Targets { partials: partitions, subjects: None, bytes_max: BATCH_BYTES };
        let [mut parts, _] = write_batches(&mut self.rows, &mut self.names, &self.routes, targets);
        let is_due = self.last_header.is_none_or(|last| HEADER_EVERY <= clock.now.duration_since(last));
        let to_all = !header.lost.is_empty() || is_due && !header.marks.is_empty();
        for partition in 0..partitions {
            let parts = parts.remove(&partition).unwrap_or_default();
            if !parts.is_empty() || to_all {
                out.extend(write_records(&header, parts, &self.settings.partials, partition));
            }
        }
        if to_all {
            self.last_header = Some(clock.now);
        }
    }

    fn committed(&mut self, clock: Clock) {
        self.read = 0;
        self.pending = None;
        self.last_commit = Some(clock.now);
    }

    fn close(&mut self, input: &Input) {
        gauge!("callpulse_agents", "partition" => input.partition.to_string()).set(0.0);
        self.inputs.remove(input);
    }
}

fn hour_of(at: EventTime) -> i64 {
    at.0.div_euclid(HOUR.0)
}

fn state(input: &Input, key: Vec<u8>, value: Option<Vec<u8>>) -> OutRecord {
    let to = Output::State(input.clone());
    OutRecord { to, key: Some(key), value, headers: Vec::new(), timestamp: None }
}

/// `length of the entity's message, the message, the part's name`.
fn key(agent: &Entity, part: &str) -> Vec<u8> {
    let mut key = name(agent).encode_length_delimited_to_vec();
    key.extend_from_slice(part.as_bytes());
    key
}

/// A part of an hour since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HourPart {
    hour: i64,
    part: usize,
}

impl HourPart {
    /// None if the name is of something else.
    fn parse(name: &str) -> Option<HourPart> {
        let mut words = name.strip_prefix("hour ")?.split(' ');
        let hour = words.next()?.parse().ok()?;
        Some(HourPart { hour, part: words.next().map_or(Some(0), |part| part.parse().ok())? })
    }
}

/// `hour N`, and from the second part on `hour N PART`.
fn hour_key(agent: &Entity, hour: i64, part: usize) -> Vec<u8> {
    match part {
        0 => key(agent, &format!("hour {hour}")),
        _ => key(agent, &format!("hour {hour} {part}")),
    }
}

fn parse_key(mut key: &[u8]) -> Option<(Entity, &str)> {
    let agent = entity_of(&wire::EntityName::decode_length_delimited(&mut key).ok()?)?;
    Some((agent, std::str::from_utf8(key).ok()?))
}

fn plan_key(fingerprint: u64) -> Vec<u8> {
    [PLAN_KEY, fingerprint.to_string().as_bytes()].concat()
}
