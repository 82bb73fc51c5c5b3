//! The engine: topics and workers of the stages, as the settings say.

use super::failure::Failure;
use crate::config::settings::Settings;
use crate::decode::format::Decoder;
use crate::entity::Entity;
use crate::stream::batch::partition_of;
use crate::stream::calls::{Calls, CallsSettings};
use crate::stream::client::{Connection, Fetch};
use crate::stream::kpis::{Kpis, KpisSettings};
use crate::stream::outlet::Outlet;
use crate::stream::progress::Watched;
use crate::stream::stage::Stage;
use crate::stream::status::Status;
use crate::stream::stop::Stop;
use crate::stream::subjects::{Subjects, SubjectsSettings};
use crate::stream::takeover::{Takeover, Topics, Watch};
use crate::stream::topics::{TopicSpec, TopicsError, partition_counts};
use crate::stream::worker::{Worker, WorkerSettings, group};
use crate::time::Span;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long Kafka may be away while an instance starts: longer than what passes by itself, such as a network that is
/// silent for a minute.
const KAFKA_AWAY: Duration = Duration::from_secs(90);

/// Begins the names of groups and transactional ids: two deployments on one cluster have state topics of
/// their own, and so groups of their own.
pub fn group_prefix(settings: &Settings) -> &str {
    let state = settings.topics.state.as_str();
    state.strip_suffix(".state").unwrap_or(state)
}

/// Records after which a commit is due in a backlog.
const COMMIT_RECORDS: u64 = 100_000;

/// Names of the topics with the generation in those that are internal.
pub struct Names {
    pub partials: String,
    pub subjects: String,
    pub calls_state: String,
    pub subjects_state: String,
    pub kpis_state: String,
}

impl Names {
    pub fn of(settings: &Settings) -> Names {
        Names::in_generation(settings, settings.engine.generation)
    }

    fn in_generation(settings: &Settings, generation: u64) -> Names {
        let suffix = match generation {
            1 => String::new(),
            generation => format!(".g{generation}"),
        };
        let topics = &settings.topics;
        Names {
            partials: format!("{}{suffix}", topics.partials),
            subjects: format!("{}{suffix}", topics.subjects),
            calls_state: format!("{}.calls{suffix}", topics.state),
            subjects_state: format!("{}.subjects{suffix}", topics.state),
            kpis_state: format!("{}.kpis{suffix}", topics.state),
        }
    }
}

pub fn connection(settings: &Settings) -> Connection {
    Connection { brokers: settings.kafka.brokers.clone(), properties: settings.kafka.properties.clone() }
}

/// The topics the program needs, sources first.
pub fn topics(settings: &Settings) -> Vec<TopicSpec> {
    const DAY_MS: i64 = 86_400_000;
    let names = Names::of(settings);
    let spec = |name: &str, config: &[(&str, String)]| TopicSpec {
        name: name.to_string(),
        partitions: Some(settings.topics.partitions),
        config: config.iter().map(|(name, value)| (name.to_string(), value.clone())).collect::<BTreeMap<_, _>>(),
    };
    let compact = ("cleanup.policy", "compact".to_string());
    let kept = |days: i64| [("cleanup.policy", "delete".to_string()), ("retention.ms", (days * DAY_MS).to_string())];
    let archive = ("cleanup.policy", "compact,delete".to_string());
    let mut specs: Vec<TopicSpec> = settings.sources.iter().map(|source| spec(&source.topic, &[])).collect();
    for between in [&names.partials, &names.subjects] {
        specs.push(spec(between, &kept(2)));
    }
    for state in [&names.calls_state, &names.subjects_state, &names.kpis_state] {
        let dirty = ("min.cleanable.dirty.ratio", "0.1".to_string());
        specs.push(spec(state, &[compact.clone(), dirty, ("segment.bytes", (64 << 20).to_string())]));
    }
    // Who reads the board reads what is not compacted yet, too: the newest segment of each partition is never.
    let small = ("segment.bytes", (16 << 20).to_string());
    specs.push(spec(&settings.topics.kpis, &[compact.clone(), small]));
    // For a day each transition is there, for targets of notifications that were away.
    let lag = ("min.compaction.lag.ms", DAY_MS.to_string());
    specs.push(spec(&settings.topics.alerts, &[compact, lag]));
    let keep = ("retention.ms", settings.keep_intervals.0.to_string());
    specs.push(spec(&settings.topics.intervals, &[archive.clone(), keep]));
    specs.push(spec(&settings.topics.rejects, &kept(14)));
    specs.push(spec(&settings.topics.calls, &[archive, ("retention.ms", (90 * DAY_MS).to_string())]));
    specs
}

/// What the stages run on.
pub struct Engine {
    pub workers: Vec<Worker>,
    /// Partitions of the partials, and of the topics with one of the same entity.
    pub partitions: i32,
    pub takeover: Takeover,
}

/// Looks for instances of earlier generations. Errs where a client cannot be made.
pub fn watch_earlier(settings: &Settings) -> Result<Watch, Failure> {
    let prefix = group_prefix(settings).to_owned();
    let settings_of_names = settings.clone();
    let topics = Topics {
        stages: vec![Calls::NAME, Subjects::NAME, Kpis::NAME],
        group: Box::new(move |stage, generation| group(&prefix, stage, generation)),
        of: Box::new(move |stage, generation| {
            let names = Names::in_generation(&settings_of_names, generation);
            match stage {
                Calls::NAME => settings_of_names.sources.iter().map(|source| source.topic.clone()).collect(),
                Subjects::NAME => vec![names.subjects],
                _ => vec![names.partials],
            }
        }),
    };
    Watch::new(connection(settings), settings.engine.generation, topics).map_err(Failure::at_work)
}

/// Kafka may be on its way back: asks again for a while, and says so.
pub fn ask_patiently<T>(ask: impl Fn() -> Result<T, TopicsError>) -> Result<T, Failure> {
    let until = Instant::now() + KAFKA_AWAY;
    loop {
        match ask() {
            Err(error) if error.is_away() && Instant::now() < until => std::thread::sleep(Duration::from_millis(500)),
            answer => return answer.map_err(Failure::at_work),
        }
    }
}

/// Starts the workers of all stages. The topics have to be there.
pub fn start(settings: &Settings, accept_gap: bool, status: &Arc<Status>, stop: &Stop) -> Result<Engine, Failure> {
    let names = Names::of(settings);
    let connection = connection(settings);
    let source_topics: Vec<&str> = settings.sources.iter().map(|source| source.topic.as_str()).collect();
    let count = |topics: &[&str]| ask_patiently(|| partition_counts(&connection, topics));
    let sources = count(&source_topics)?;
    let partitions = count(&[&names.partials])?[0].1;
    let subjects_partitions = count(&[&names.subjects])?[0].1;
    let kpis_topic: Arc<str> = settings.topics.kpis.as_str().into();
    let intervals: Arc<str> = settings.topics.intervals.as_str().into();

    let outlet = |topic: &str| Outlet::new(topic, settings.output);
    let takeover = Takeover::of(settings.engine.generation);

    let worker = |worker: usize, inputs: Vec<Arc<str>>, state: &str, fetch: Fetch| WorkerSettings {
        connection: connection.clone(),
        group_prefix: group_prefix(settings).to_string(),
        instance: settings.engine.instance.clone(),
        generation: settings.engine.generation,
        worker: worker as u32,
        inputs,
        state_topic: state.into(),
        required: vec![
            (names.partials.as_str().into(), Some(partitions)),
            (names.subjects.as_str().into(), Some(subjects_partitions)),
            (kpis_topic.clone(), Some(partitions)),
            (intervals.clone(), Some(partitions)),
            (settings.topics.rejects.as_str().into(), None),
            (settings.topics.calls.as_str().into(), None),
            (settings.topics.alerts.as_str().into(), Some(partitions)),
        ],
        accept_gap,
        board: (kpis_topic.clone(), partitions),
        fetch,
        commit_records: COMMIT_RECORDS,
        end_every: Duration::from_millis(250),
    };
    let calls = CallsSettings {
        plan: Arc::new(settings.plan.clone()),
        decoders: settings
            .sources
            .iter()
            .map(|source| {
                let decoder = Decoder::new(source.format, &settings.csv);
                (source.topic.as_str().into(), decoder.with_queue_log_zone(settings.queue_log_zone.as_ref()))
            })
            .collect(),
        sources,
        allowed_disorder: settings.engine.allowed_disorder,
        commit_every: duration(settings.engine.calls_commit_every),
        takeover: takeover.clone(),
        partials: names.partials.as_str().into(),
        partials_partitions: partitions,
        subjects: names.subjects.as_str().into(),
        subjects_partitions,
        rejects: settings.topics.rejects.as_str().into(),
        calls: outlet(&settings.topics.calls),
    };
    let subjects = SubjectsSettings {
        plan: Arc::new(settings.plan.clone()),
        commit_every: duration(settings.engine.kpis_commit_every),
        partials: names.partials.as_str().into(),
        partials_partitions: partitions,
        subjects_partitions,
        // The stage kpis, which tells of it, refuses first.
        limits: Arc::new(settings.limits.doubled()),
    };
    let kpis = KpisSettings { takeover: takeover.clone(), ..kpis_settings(settings, partitions) };
    let mut workers = Vec::new();
    let started = |cause| Failure::AtWork(format!("cannot start a thread: {cause}"));
    for index in 0..settings.engine.calls_workers {
        let inputs = settings.sources.iter().map(|source| source.topic.as_str().into()).collect();
        let calls = calls.clone();
        let settings = worker(index, inputs, &names.calls_state, Fetch::Large);
        let make = move || Calls::new(calls.clone());
        workers.push(Worker::spawn(settings, make, status.clone(), stop.clone()).map_err(started)?);
    }
    for index in 0..settings.engine.subjects_workers {
        let inputs = vec![names.subjects.as_str().into()];
        let subjects = subjects.clone();
        let settings = worker(index, inputs, &names.subjects_state, Fetch::Small);
        let make = move || Subjects::new(subjects.clone());
        workers.push(Worker::spawn(settings, make, status.clone(), stop.clone()).map_err(started)?);
    }
    for index in 0..settings.engine.kpis_workers {
        let inputs = vec![names.partials.as_str().into()];
        let kpis = kpis.clone();
        let settings = worker(index, inputs, &names.kpis_state, Fetch::Small);
        let make = move || Kpis::new(kpis.clone());
        workers.push(Worker::spawn(settings, make, status.clone(), stop.clone()).map_err(started)?);
    }
    Ok(Engine { workers, partitions, takeover })
}

/// What the settings mean for the stage kpis, over so many partitions of the partials.
pub fn kpis_settings(settings: &Settings, partitions: i32) -> KpisSettings {
    let outlet = |topic: &str| Outlet::new(topic, settings.output);
    KpisSettings {
        kpi: Arc::new(settings.kpi.clone()),
        commit_every: duration(settings.engine.kpis_commit_every),
        emit_every: duration(settings.engine.emit_every),
        takeover: Takeover::of(settings.engine.generation),
        late_horizon: settings.plan.late_horizon,
        allowed_skew: settings.plan.allowed_skew,
        silent_after: settings
            .sources
            .iter()
            .filter_map(|source| {
                let (topic, hours) = (source.topic.clone(), source.hours.clone());
                Some(Watched { topic, after: source.silent_after?, hours })
            })
            .collect(),
        kpis: outlet(&settings.topics.kpis),
        intervals: outlet(&settings.topics.intervals),
        alerts: settings.alerts.clone(),
        queue_hours: settings.queue_hours.clone(),
        own_alerts: settings.engine.built_in_alerts,
        alerts_to: outlet(&settings.topics.alerts),
        partials_partitions: partitions,
        limits: settings.limits.clone(),
    }
}

/// Where an entity's records are.
pub fn partition(entity: &Entity, engine: &Engine) -> i32 {
    partition_of(entity, engine.partitions)
}

fn duration(span: Span) -> Duration {
    Duration::from_millis(span.0.max(0) as u64)
}
