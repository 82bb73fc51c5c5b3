//! Whether what is kept stays as much once the oldest of it goes: days of events through the three stages, without
//! Kafka and as fast as they go.
//!
//! Memory can only be flat after the longest of what is kept: calls and facts for as long as an event may be late,
//! intervals for a day more, since a day is the sum of its pieces.

use crate::cpu;
use crate::engine::centre;
use crate::number;
use callpulse::command::engine::kpis_settings;
use callpulse::config;
use callpulse::config::settings::Settings;
use callpulse::decode::format::Format;
use callpulse::decode::json;
use callpulse::kpi::room::Limits;
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::SimSettings;
use callpulse::stream::calls::{Calls, CallsSettings};
use callpulse::stream::kpis::Kpis;
use callpulse::stream::stage::{Clock, Input, OutRecord, Output, Record, Stage};
use callpulse::stream::subjects::{Subjects, SubjectsSettings};
use callpulse::stream::takeover::Takeover;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const EVENTS: &str = "acd.events";
const PARTIALS: &str = "callpulse.partials";
const SUBJECTS: &str = "callpulse.subjects";
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

pub fn measure() {
    let (calls_per_hour, hours, horizon) =
        (number("CALLS_PER_HOUR", 10_000), number("HOURS", 60), number("HORIZON_HOURS", 2));
    let text = format!("[engine]\nlate_horizon = \"{horizon}h\"");
    let settings = config::read(&text, &BTreeMap::new()).expect("settings").settings;
    let sim = SimSettings {
        calls: calls_per_hour * hours,
        calls_per_hour,
        agents: Some(40),
        tenants: SimSettings::default().tenants,
        ..centre(0)
    };
    println!("retention: {calls_per_hour} calls an hour for {hours} hours of event time, late_horizon {horizon}h\n");
    println!("{:>6}{:>14}{:>12}", "hour", "events", "memory MiB");
    let begin = sim.start;
    let mut stages = Stages::new(&settings);
    let (mut events, mut minute, mut hour) = (0_u64, begin.0 / MINUTE_MS, 0);
    for (at, event) in Centre::new(sim) {
        if minute < at.0 / MINUTE_MS {
            minute = at.0 / MINUTE_MS;
            stages.commit(at.0);
        }
        let next = (at.0 - begin.0) / HOUR_MS;
        if hour < next {
            hour = next;
            println!("{hour:>6}{events:>14}{:>12}", cpu::memory_mib(std::process::id()));
        }
        stages.take(at.0, json::encode(&event).as_bytes());
        events += 1;
    }
    println!();
}

/// The stages with one partition each, and no Kafka between them.
struct Stages {
    calls: Driven<Calls>,
    subjects: Driven<Subjects>,
    kpis: Driven<Kpis>,
    begun: Instant,
    first: Option<i64>,
}

struct Driven<S> {
    stage: S,
    input: Input,
    next: i64,
}

impl Stages {
    fn new(settings: &Settings) -> Stages {
        let calls = CallsSettings {
            plan: Arc::new(settings.plan.clone()),
            decoders: [(Arc::from(EVENTS), Format::Json.into())].into_iter().collect(),
            sources: vec![(EVENTS.to_string(), 1)],
            allowed_disorder: settings.engine.allowed_disorder,
            commit_every: Duration::from_millis(100),
            takeover: Takeover::of(1),
            partials: PARTIALS.into(),
            partials_partitions: 1,
            subjects: SUBJECTS.into(),
            subjects_partitions: 1,
            rejects: "acd.rejects".into(),
            calls: "acd.calls".into(),
        };
        let subjects = SubjectsSettings {
            plan: Arc::new(settings.plan.clone()),
            commit_every: Duration::from_millis(20),
            partials: PARTIALS.into(),
            partials_partitions: 1,
            subjects_partitions: 1,
            limits: Limits::NONE.into(),
        };
        let kpis = kpis_settings(settings, 1);
        Stages {
            calls: Driven::new(Calls::new(calls), EVENTS),
            subjects: Driven::new(Subjects::new(subjects), SUBJECTS),
            kpis: Driven::new(Kpis::new(kpis), PARTIALS),
            begun: Instant::now(),
            first: None,
        }
    }

    fn take(&mut self, at: i64, event: &[u8]) {
        self.first.get_or_insert(at);
        self.calls.apply(at, event);
    }

    /// Everything read so far is committed, at this instant of the clock.
    fn commit(&mut self, wall_ms: i64) {
        let gone = wall_ms - self.first.unwrap_or(wall_ms);
        let clock = Clock { wall_ms, now: self.begun + Duration::from_millis(gone as u64) };
        for record in self.calls.commit(clock) {
            match topic_of(&record) {
                Some(PARTIALS) => self.kpis.apply(wall_ms, record.value.as_deref().unwrap_or_default()),
                Some(SUBJECTS) => self.subjects.apply(wall_ms, record.value.as_deref().unwrap_or_default()),
                _ => {}
            }
        }
        for record in self.subjects.commit(clock) {
            if topic_of(&record) == Some(PARTIALS) {
                self.kpis.apply(wall_ms, record.value.as_deref().unwrap_or_default());
            }
        }
        self.kpis.commit(clock);
    }
}

impl<S: Stage> Driven<S> {
    fn new(mut stage: S, topic: &str) -> Driven<S> {
        let input = Input { topic: topic.into(), partition: 0 };
        stage.open(&input);
        stage.resume(&input, None);
        Driven { stage, input, next: 0 }
    }

    fn apply(&mut self, at: i64, value: &[u8]) {
        let record = Record { offset: self.next, timestamp: Some(at), key: None, value: Some(value), headers: &() };
        self.stage.apply(&self.input, record);
        self.next += 1;
    }

    fn commit(&mut self, clock: Clock) -> Vec<OutRecord> {
        let mut out = Vec::new();
        self.stage.reached_end(&self.input, self.next, clock);
        self.stage.collect(clock, &mut out);
        self.stage.committed(clock);
        out
    }
}

fn topic_of(record: &OutRecord) -> Option<&str> {
    match &record.to {
        Output::Topic { topic, .. } => Some(topic),
        Output::State(_) => None,
    }
}
