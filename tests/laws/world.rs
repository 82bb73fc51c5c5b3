//! A world around the stages: where calls go, who writes, how everybody proceeds.

use crate::centre::{TOPIC, ZONES, few_windows, settings};
use crate::drive::{Driven, Log, input};
use crate::histories::Told;
use callpulse::alert::burn::Burn;
use callpulse::alert::condition::{Condition, Level, Measure};
use callpulse::alert::forecast::Forecast;
use callpulse::alert::rule::{Rule, Selector, Severity};
use callpulse::command::engine;
use callpulse::config::settings::Settings;
use callpulse::decode::format::Format;
use callpulse::entity::Kind;
use callpulse::kpi::room::Limits;
use callpulse::stream::calls::{Calls, CallsSettings};
use callpulse::stream::kpis::{Kpis, KpisSettings};
use callpulse::stream::stage::{Input, OutRecord, Output, Stage};
use callpulse::stream::subjects::{Subjects, SubjectsSettings};
use callpulse::stream::takeover::Takeover;
use callpulse::time::Span;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Few windows in every zone, then all windows in every zone: those cost five times as much.
pub static SETTINGS: LazyLock<Vec<Settings>> = LazyLock::new(|| {
    let few = ZONES.iter().map(|zone| few_windows(zone));
    few.chain(ZONES.iter().map(|zone| settings(zone))).collect()
});

pub const PARTIALS: &str = "callpulse.partials";
pub const SUBJECTS: &str = "callpulse.subjects";
pub const REJECTS: &str = "acd.rejects";
pub const CALLS: &str = "acd.calls";
pub const KPIS: &str = "acd.kpis";
pub const INTERVALS: &str = "acd.kpis.intervals";
pub const ALERTS: &str = "acd.alerts";
/// Partitions of the partials.
pub const TARGETS: i32 = 2;
/// Partitions of the subjects.
pub const AGENT_TARGETS: i32 = 2;

/// Every entity of a kind.
pub fn all_of(kind: Kind) -> Selector {
    Selector { kind, id: "*".into(), tenant: "*".into(), among: None }
}

/// With a level each: of now and of windows, with and without a gap, at once and after a while.
pub static RULES: LazyLock<Arc<[Rule]>> = LazyLock::new(|| {
    let rule = |name: &str, kind, (kpi, window): (&str, &str), trigger, clear, min_volume, (hold, keep)| {
        let when = Condition::Level(Level {
            kpi: kpi.into(),
            window: window.into(),
            measure: Measure::Value,
            trigger,
            clear,
            is_above: clear <= trigger,
            min_volume,
            min_login: Span(0),
        });
        let rule = Rule::new(name, all_of(kind), when, Severity::Warning);
        Rule { hold: Span::from_secs(hold), keep: Span::from_secs(keep), ..rule }
    };
    let burn = |mut rule: Rule| {
        let Condition::Level(level) = &mut rule.when else { unreachable!("a level") };
        level.measure = Measure::Burn(Burn { short: "1m".into(), target: Some(0.6), interval: "per_1h".into() });
        rule
    };
    let forecast = |mut rule: Rule| {
        let Condition::Level(level) = &mut rule.when else { unreachable!("a level") };
        let (within, interval) = (Span::from_secs(60), "per_1w".into());
        level.measure = Measure::Forecast(Forecast { within, interval, patience: None });
        rule
    };
    [
        rule("waits", Kind::Queue, ("waiting", "now"), 0.0, 0.0, 0, (0, 0)),
        rule("waits long", Kind::Tenant, ("longest_wait", "now"), 40.0, 20.0, 0, (0, 15)),
        rule("abandons", Kind::Queue, ("abandonment_rate_all", "total"), 0.3, 0.1, 2, (0, 0)),
        rule("answers", Kind::Tenant, ("calls_answered", "total"), 2.0, 2.0, 0, (30, 60)),
        rule("answers little", Kind::Tenant, ("answer_rate", "total"), 0.5, 0.7, 1, (60, 30)),
        rule("handles", Kind::Agent, ("calls_handled", "total"), 0.0, 0.0, 0, (5, 0)),
        forecast(rule("foresees", Kind::Tenant, ("service_level", "7m"), 0.5, 0.7, 1, (0, 20))),
        burn(rule("burns", Kind::Tenant, ("service_level", "7m"), 2.0, 1.0, 1, (0, 0))),
    ]
    .into()
});

/// What a worker does next.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Reads some records of one input.
    Read {
        input: usize,
        records: usize,
    },
    /// Reads one input to its end.
    ReachEnd {
        input: usize,
    },
    /// Nothing more comes from one input for now: its time goes on with the clock.
    Idle {
        input: usize,
    },
    Commit,
    /// Time passes.
    Wait(u64),
    /// The stage is dropped and restored.
    Restart {
        is_compacted: bool,
    },
}

pub fn acts(has_restarts: bool) -> impl Strategy<Value = Vec<Act>> {
    let restart = if has_restarts { 2 } else { 0 };
    let act = prop_oneof![
        6 => (0..6_usize, 1..12_usize).prop_map(|(input, records)| Act::Read { input, records }),
        1 => (0..6_usize).prop_map(|input| Act::ReachEnd { input }),
        1 => (0..6_usize).prop_map(|input| Act::Idle { input }),
        4 => Just(Act::Commit),
        2 => prop_oneof![Just(1_u64), Just(6), Just(20)].prop_map(Act::Wait),
        restart => any::<bool>().prop_map(|is_compacted| Act::Restart { is_compacted }),
    ];
    proptest::collection::vec(act, 0..40)
}

/// What happens around the stages.
#[derive(Clone, Debug)]
pub struct World {
    /// By place in [`SETTINGS`].
    pub settings: usize,
    pub sources: usize,
    pub writers: usize,
    pub writing: Vec<Vec<Act>>,
    /// Of the stage subjects: its workers, as many as writers but no more than partitions.
    pub agents: Vec<Vec<Act>>,
    /// Which writer's batches come next.
    pub order: Vec<usize>,
    pub counting: Vec<Act>,
}

/// A place in [`SETTINGS`].
pub fn any_settings() -> impl Strategy<Value = usize> {
    prop_oneof![5 => 0..ZONES.len(), 1 => ZONES.len()..2 * ZONES.len()]
}

pub fn world(has_restarts: bool) -> impl Strategy<Value = World> {
    let writing = proptest::collection::vec(acts(has_restarts), 3);
    let agents = proptest::collection::vec(acts(has_restarts), AGENT_TARGETS as usize);
    let order = proptest::collection::vec(0..5_usize, 0..60);
    (any_settings(), 1..4_usize, 1..4_usize, writing, agents, order, acts(has_restarts)).prop_map(
        |(settings, sources, writers, writing, agents, order, counting)| World {
            settings,
            sources,
            writers: writers.min(sources),
            writing,
            agents,
            order,
            counting,
        },
    )
}

impl World {
    pub fn settings(&self) -> &'static Settings {
        &SETTINGS[self.settings]
    }

    /// The partials all writers send.
    pub fn partials(&self, told: &[Told], end: i64) -> Result<Vec<Log>, TestCaseError> {
        let sources = source_logs(told, self.sources, end);
        let (mut straight, mut to_subjects) = (Vec::new(), Vec::new());
        for writer in 0..self.writers {
            let [partials, subjects] = self.write(&sources, writer, end)?;
            straight.push(partials);
            to_subjects.push(subjects);
        }
        let subjects = interleave(&to_subjects, AGENT_TARGETS, &self.order);
        for writer in 0..self.writers.min(AGENT_TARGETS as usize) {
            straight.push(self.write_agents(&subjects, writer, end));
        }
        Ok(interleave(&straight, TARGETS, &self.order))
    }

    /// What one worker of the stage calls sends to each partition of the partials and of the subjects.
    fn write(&self, sources: &[Log], writer: usize, end: i64) -> Result<[Sent; 2], TestCaseError> {
        let mut worker = calls_worker(self.settings(), sources, |source| source % self.writers == writer);
        let mut sent = [vec![Vec::new(); TARGETS as usize], vec![Vec::new(); AGENT_TARGETS as usize]];
        let mut send = |out: Vec<OutRecord>| {
            out.iter().try_for_each(check_reject)?;
            take_sent(&mut sent[0], PARTIALS, &out);
            take_sent(&mut sent[1], SUBJECTS, &out);
            Ok::<(), TestCaseError>(())
        };
        for act in &self.writing[writer] {
            send(worker.act(act))?;
        }
        send(worker.finish(end, 1))?;
        Ok(sent)
    }

    /// What one worker of the stage subjects sends to each partition of the partials.
    fn write_agents(&self, subjects: &[Log], writer: usize, end: i64) -> Sent {
        let workers = self.writers.min(AGENT_TARGETS as usize);
        let mut worker = subjects_worker(self.settings(), subjects, |partition| partition % workers == writer);
        let mut sent = vec![Vec::new(); TARGETS as usize];
        for act in &self.agents[writer] {
            take_sent(&mut sent, PARTIALS, &worker.act(act));
        }
        take_sent(&mut sent, PARTIALS, &worker.finish(end, 1));
        sent
    }
}

/// Batches by partition.
pub type Sent = Vec<Vec<Vec<u8>>>;

/// Takes what goes to a topic.
pub fn take_sent(sent: &mut Sent, of: &str, out: &[OutRecord]) {
    for record in out {
        if let Output::Topic { topic, partition: Some(partition) } = &record.to
            && topic.as_ref() == of
        {
            sent[*partition as usize].push(record.value.clone().expect("a batch"));
        }
    }
}

/// No generated event is unusable.
pub fn check_reject(record: &OutRecord) -> Result<(), TestCaseError> {
    let is_reject = matches!(&record.to, Output::Topic { topic, .. } if topic.as_ref() == REJECTS);
    let text = || String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
    prop_assert!(!is_reject, "rejected: {} {:?}", text(), record.headers);
    Ok(())
}

/// When everything is over: so long after the first event, or a while after the last to arrive.
pub fn end_of(told: &[Told], later: i64) -> i64 {
    let first = told.iter().map(|told| told.time).min().unwrap_or(0);
    let last = told.iter().map(Told::arrives).max().unwrap_or(0);
    (first + later).max(last + 1_000)
}

/// From two minutes to fourteen hours, or days: then what no late event can reach is forgotten.
pub fn later() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 120_000..50_000_000_i64, 1 => 250_000_000..500_000_000_i64]
}

/// The events by partition, in the order of their arrival, and a last one for each partition that says
/// how late it is.
pub fn source_logs(told: &[Told], sources: usize, end: i64) -> Vec<Log> {
    let mut arriving: Vec<(i64, usize, &Told)> = Vec::new();
    for (place, told) in told.iter().enumerate() {
        arriving.push((told.arrives(), place, told));
        if told.is_repeated {
            arriving.push((told.arrives() + 7_000, place, told));
        }
    }
    arriving.sort_by_key(|(at, place, _)| (*at, *place));
    let mut logs = vec![Log::new(); sources];
    for (at, _, told) in arriving {
        let record = (at.min(end), told.line.clone().into_bytes());
        match told.call.as_str() {
            // What agents say may come by any partition, the same one for repeats.
            call if call.starts_with('w') => logs[told.time as usize % sources].push(record),
            "" => logs.iter_mut().for_each(|log| log.push(record.clone())),
            call => logs[(call.len() + usize::from(call.as_bytes()[1])) % sources].push(record),
        }
    }
    let last = format!(r#"{{"type":"staff.joined","time":{end},"agent":"ana"}}"#);
    logs.iter_mut().for_each(|log| log.push((end, last.clone().into_bytes())));
    logs
}

/// Each partition: every writer's batches in its own order.
pub fn interleave(written: &[Sent], targets: i32, order: &[usize]) -> Vec<Log> {
    let merged = |target: usize| {
        let mut next = vec![0; written.len()];
        let mut log = Log::new();
        let forced = (0..written.len()).flat_map(|writer| written[writer][target].iter().map(move |_| writer));
        for writer in order.iter().map(|writer| writer % written.len()).chain(forced.collect::<Vec<_>>()) {
            if let Some(batch) = written[writer][target].get(next[writer]) {
                log.push((0, batch.clone()));
                next[writer] += 1;
            }
        }
        log
    };
    (0..targets as usize).map(merged).collect()
}

/// A stage with its inputs, doing what it is told.
pub struct Worker<'w, S: Stage> {
    driven: Driven<S>,
    make: Arc<dyn Fn() -> S + 'w>,
    inputs: Vec<(Input, &'w Log)>,
    /// The clock; it never shows less than what was read.
    wall: i64,
}

/// A worker of the stage *calls* with those of the sources.
pub fn calls_worker<'w>(
    settings: &'w Settings,
    sources: &'w [Log],
    is_own: impl Fn(usize) -> bool,
) -> Worker<'w, Calls> {
    let own = (0..sources.len()).filter(|source| is_own(*source));
    let inputs = own.map(|source| (input(TOPIC, source as i32), &sources[source])).collect();
    Worker::new(inputs, 0, move || Calls::new(calls_settings(settings, sources.len())))
}

/// A worker of the stage *subjects* with those of its partitions.
pub fn subjects_worker<'w>(
    settings: &'w Settings,
    subjects: &'w [Log],
    is_own: impl Fn(usize) -> bool,
) -> Worker<'w, Subjects> {
    let own = (0..subjects.len()).filter(|partition| is_own(*partition));
    let inputs = own.map(|partition| (input(SUBJECTS, partition as i32), &subjects[partition])).collect();
    Worker::new(inputs, 0, move || Subjects::new(subjects_settings(settings)))
}

/// A worker of the stage *kpis*, whose clock shows when everything is over.
pub fn kpis_worker<'w>(settings: &'w Settings, partials: &'w [Log], end: i64) -> Worker<'w, Kpis> {
    let inputs = partials.iter().enumerate().map(|(partition, log)| (input(PARTIALS, partition as i32), log));
    Worker::new(inputs.collect(), end, move || Kpis::new(kpis_settings(settings)))
}

impl<'w, S: Stage> Worker<'w, S> {
    fn new(inputs: Vec<(Input, &'w Log)>, wall: i64, make: impl Fn() -> S + 'w) -> Worker<'w, S> {
        let driven = Driven::new(make(), inputs.iter().map(|(input, _)| input.clone()).collect());
        Worker { driven, make: Arc::new(make), inputs, wall }
    }

    /// Does it; answers what a commit sent to topics.
    pub fn act(&mut self, act: &Act) -> Vec<OutRecord> {
        match act {
            Act::Read { input, records } => self.read(input % self.inputs.len(), *records),
            Act::ReachEnd { input } => self.reach_end(input % self.inputs.len()),
            Act::Idle { input } => self.driven.reach_end(&self.inputs[input % self.inputs.len()].0, self.wall),
            Act::Commit => return self.driven.commit(self.wall),
            Act::Wait(seconds) => self.driven.wait(*seconds),
            Act::Restart { is_compacted } => self.driven.restart((self.make)(), *is_compacted),
        }
        Vec::new()
    }

    /// Reads everything and commits so many times, until nothing is held back any more.
    pub fn finish(&mut self, end: i64, commits: usize) -> Vec<OutRecord> {
        self.wall = end;
        (0..self.inputs.len()).for_each(|place| self.reach_end(place));
        let commit = |_| {
            self.driven.wait(20);
            self.driven.commit(end)
        };
        (0..commits).flat_map(commit).collect()
    }

    /// What would become of it if it were restarted now.
    pub fn restarted(&self, is_compacted: bool) -> Worker<'w, S> {
        let driven = self.driven.restarted((self.make)(), is_compacted);
        Worker { driven, make: self.make.clone(), inputs: self.inputs.clone(), wall: self.wall }
    }

    /// Every entry of the state topic, with the input it belongs to.
    pub fn state(&self) -> impl Iterator<Item = (&Input, &[u8], &[u8])> {
        let inputs = self.inputs.iter();
        inputs.flat_map(|(input, _)| self.driven.state(input).into_iter().map(move |(key, value)| (input, key, value)))
    }

    fn read(&mut self, place: usize, records: usize) {
        let (input, log) = &self.inputs[place];
        self.driven.read(input, log, records);
        self.wall = self.wall.max(self.driven.latest(input, log));
    }

    fn reach_end(&mut self, place: usize) {
        self.read(place, usize::MAX);
        self.driven.reach_end(&self.inputs[place].0, self.wall);
    }
}

impl<'w> Worker<'w, Subjects> {
    /// Restarts with other settings.
    pub fn replan(&mut self, settings: &'w Settings) {
        self.make = Arc::new(move || Subjects::new(subjects_settings(settings)));
        self.driven.restart((self.make)(), true);
    }
}

fn calls_settings(settings: &Settings, sources: usize) -> CallsSettings {
    CallsSettings {
        plan: Arc::new(settings.plan.clone()),
        decoders: [(Arc::from(TOPIC), Format::Json.into())].into_iter().collect(),
        sources: vec![(TOPIC.to_string(), sources as i32)],
        allowed_disorder: Span::from_secs(2),
        commit_every: Duration::from_millis(100),
        takeover: Takeover::of(1),
        partials: PARTIALS.into(),
        partials_partitions: TARGETS,
        subjects: SUBJECTS.into(),
        subjects_partitions: AGENT_TARGETS,
        rejects: REJECTS.into(),
        calls: CALLS.into(),
    }
}

fn subjects_settings(settings: &Settings) -> SubjectsSettings {
    SubjectsSettings {
        plan: Arc::new(settings.plan.clone()),
        commit_every: Duration::from_millis(20),
        partials: PARTIALS.into(),
        partials_partitions: TARGETS,
        subjects_partitions: AGENT_TARGETS,
        limits: Limits::NONE.into(),
    }
}

fn kpis_settings(settings: &Settings) -> KpisSettings {
    KpisSettings { alerts: RULES.clone(), ..engine::kpis_settings(settings, TARGETS) }
}
