//! An alarm: how one rule stands with one entity or part of the engine, what was told of it last, and its entry in the
//! state topic.

use super::batch::{entity as entity_of, name, wire};
use super::outlet::Told as Out;
use super::publish::Turn;
use super::stage::{OutRecord, Output};
use crate::alert::reading::Reading;
use crate::alert::record::{AlertRecord, PARTITION, RESOLVED_TOLD_FOR, Subject, Told, key};
use crate::alert::rule::Rule;
use crate::alert::state::{AlertState, Phase, Step, Why};
use crate::entity::Entity;
use crate::time::{EventTime, Span};
use metrics::counter;
use prost::Message;

/// Begins the keys of alarms in the state topic; no length of an entity's name is 1.
const PREFIX: u8 = 1;

#[derive(Clone, Debug)]
pub struct Alarm {
    pub rule: String,
    pub whose: Whose,
    pub state: AlertState,
    /// What stands in the topic of alerts.
    pub told: Option<AlertRecord>,
}

/// Who an alarm is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    Entity(Entity),
    /// A part of the engine: its kind and id.
    Part(Part, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Engine,
    /// One of the partials.
    Partition,
    /// A topic of events.
    Source,
}

/// The tenant of the engine's own alerts.
const OWN: &str = "callpulse";

impl Part {
    const ALL: [Part; 3] = [Part::Engine, Part::Partition, Part::Source];

    const fn word(self) -> &'static str {
        match self {
            Part::Engine => "engine",
            Part::Partition => PARTITION,
            Part::Source => "source",
        }
    }
}

impl Whose {
    fn subject<'w>(&'w self, title: Option<&'w str>) -> Subject<'w> {
        match self {
            Whose::Entity(entity) => Subject::of(entity, title),
            Whose::Part(part, id) => Subject { tenant: OWN, kind: part.word(), id, title },
        }
    }
}

/// Whether a state entry is an alarm's, or of what rules compare with.
pub fn is_alarm(key: &[u8]) -> bool {
    key.first() == Some(&PREFIX)
}

impl Alarm {
    pub fn new(rule: &Rule, whose: Whose) -> Alarm {
        Alarm { rule: rule.name.clone(), whose, state: AlertState::default(), told: None }
    }

    /// Tells a step that was taken at an instant, with the numbers it was taken by.
    pub fn tell(
        &mut self,
        (rule, title): (&Rule, Option<&str>),
        (step, readings): (Step, &[Option<Reading>]),
        (at, turn): (EventTime, Turn<'_>),
        out: &mut Vec<OutRecord>,
    ) {
        let step = self.apart(step);
        let subject = self.whose.subject(title);
        // The engine's own go by the clock.
        let as_of = if matches!(self.whose, Whose::Part(..)) { at } else { turn.as_of };
        let told = AlertRecord::of(Told { rule, subject, step, readings, at, as_of, version: turn.version });
        self.send(told, turn, out);
    }

    /// What fires again before event time goes on is another alert, a millisecond later, and none begins before the one
    /// before it was over.
    fn apart(&mut self, step: Step) -> Step {
        let earliest = |told: &AlertRecord| {
            let over = told.resolved_at.as_deref().and_then(EventTime::parse);
            EventTime::parse(&told.since).map(|since| EventTime(since.0 + 1)).max(over)
        };
        match (step, self.told.as_ref().and_then(earliest), &mut self.state.phase) {
            (Step::Fires { since }, Some(earliest), Phase::Firing { since: kept, .. }) if since < earliest => {
                *kept = earliest;
                Step::Fires { since: *kept }
            }
            _ => step,
        }
    }

    /// Ends what fires for a reason that is not in its numbers, at an instant. Whether it did fire.
    fn end(&mut self, why: Why, (at, turn): (EventTime, Turn<'_>), out: &mut Vec<OutRecord>) -> bool {
        let (Some(_), Some(told)) = (self.state.end(why), &self.told) else { return false };
        self.send(told.resolved(why, at, turn.version), turn, out);
        true
    }

    fn send(&mut self, told: AlertRecord, turn: Turn<'_>, out: &mut Vec<OutRecord>) {
        let state = if told.is_firing() { "firing" } else { "resolved" };
        counter!("callpulse_alerts_total", "rule" => told.rule.clone(), "state" => state).increment(1);
        tracing::info!(alert = told.key(), state, reason = told.reason.as_deref(), "{}", told.title);
        out.push(turn.settings.alerts_to.record(Some(turn.partition), told.key(), Out::Alert(&told)));
        self.told = Some(told);
    }

    /// Takes it off the topic of alerts.
    pub fn untell(&mut self, turn: Turn<'_>) -> OutRecord {
        self.told = None;
        OutRecord {
            to: Output::Topic { topic: turn.settings.alerts_to.topic.clone(), partition: Some(turn.partition) },
            key: Some(self.topic_key().into_bytes()),
            value: None,
            headers: Vec::new(),
            timestamp: None,
        }
    }

    /// Whether nothing of it is worth keeping.
    pub fn is_over(&self) -> bool {
        self.told.is_none() && self.state.is_quiet() && !self.state.on.contains(&true)
    }

    /// Whether it resolved so long ago that it is to leave the topic.
    pub fn is_stale(&self, as_of: EventTime) -> bool {
        let resolved = self.told.as_ref().and_then(|told| EventTime::parse(told.resolved_at.as_deref()?));
        self.state.is_quiet() && resolved.is_some_and(|resolved| RESOLVED_TOLD_FOR <= as_of.since(resolved))
    }

    fn topic_key(&self) -> String {
        key(&self.rule, self.whose.subject(None))
    }

    /// Its key in the state topic.
    pub fn key(&self) -> Vec<u8> {
        let mut key = vec![PREFIX];
        key.extend(self.topic_key().into_bytes());
        key
    }

    /// Its entry in the state topic.
    pub fn entry(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut state = wire::AlarmState {
            rule: self.rule.clone(),
            on: self.state.on.clone(),
            told: self.told.as_ref().map(AlertRecord::to_json).unwrap_or_default(),
            ..wire::AlarmState::default()
        };
        match &self.whose {
            Whose::Entity(entity) => state.entity = Some(name(entity)),
            Whose::Part(part, id) => (state.part, state.part_id) = (part.word().into(), id.clone()),
        }
        match self.state.phase {
            Phase::Quiet => {}
            Phase::Pending { since, held, seen } => {
                (state.since, state.held, state.seen) = (Some(since.0), held.0, seen.map(|seen| seen.0));
            }
            Phase::Firing { since, clear } => {
                (state.since, state.is_firing, state.clear_since) = (Some(since.0), true, clear.map(|clear| clear.0));
            }
        }
        (self.key(), Some(state.encode_to_vec()))
    }

    /// The alarm of an entry; none of one that cannot be read.
    pub fn of_entry(value: &[u8]) -> Option<Alarm> {
        let state = wire::AlarmState::decode(value).ok()?;
        let phase = match state.since.map(EventTime) {
            None => Phase::Quiet,
            Some(since) if state.is_firing => Phase::Firing { since, clear: state.clear_since.map(EventTime) },
            Some(since) => Phase::Pending { since, held: Span(state.held), seen: state.seen.map(EventTime) },
        };
        let part = Part::ALL.into_iter().find(|part| part.word() == state.part);
        let whose = match &state.entity {
            Some(entity) => Whose::Entity(entity_of(entity)?),
            None => Whose::Part(part?, state.part_id),
        };
        let told = serde_json::from_slice(&state.told).ok();
        Some(Alarm { rule: state.rule, whose, state: AlertState { on: state.on, phase }, told })
    }
}

/// Ends what fires of rules and parts that are gone, and keeps what was told of them as long as of any other.
pub fn end_orphans(
    orphans: &mut Vec<Alarm>,
    entries: &mut Vec<(Vec<u8>, Option<Vec<u8>>)>,
    (now, turn): (EventTime, Turn<'_>),
    out: &mut Vec<OutRecord>,
) {
    orphans.retain_mut(|alarm| {
        if alarm.end(Why::RuleRemoved, (now, turn), out) {
            entries.push(alarm.entry());
        }
        if alarm.is_stale(now) {
            out.push(alarm.untell(turn));
        }
        if alarm.told.is_none() {
            entries.push((alarm.key(), None));
        }
        alarm.told.is_some()
    });
}

/// Whether it stands otherwise than its entry says; for how long it has held follows from when it was seen.
pub fn is_changed(before: &AlertState, after: &AlertState) -> bool {
    let seen = |state: &AlertState| match state.phase {
        Phase::Pending { since, seen, .. } => (Some(since), seen.is_some()),
        Phase::Firing { clear, .. } => (clear, true),
        Phase::Quiet => (None, false),
    };
    before.on != after.on || seen(before) != seen(after)
}
