//! Settings as meant: checked, with every default filled in, ready to be passed down.

use crate::alert::hours::Hours;
use crate::alert::rule::Rule;
use crate::decode::format::Encoding;
use crate::decode::mapping::Mapping;
use crate::entity::Kind;
use crate::kpi::room::Limits;
use crate::kpi::settings::KpiSettings;
use crate::life::plan::Plan;
use crate::notify::target::Target;
use crate::stream::client::{HIDDEN, shown};
use crate::stream::outlet::Form;
use crate::time::Span;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Everything the program is told. Its Debug form shows no secret.
#[derive(Clone, Debug)]
pub struct Settings {
    pub kafka: Kafka,
    /// The topics that events are read from; at least one, each once.
    pub sources: Vec<Source>,
    /// What the columns of CSV mean; without columns if nobody said.
    pub csv: Arc<Mapping>,
    /// Of times without an offset in a queue log; they are refused if nobody said.
    pub queue_log_zone: Option<TimeZone>,
    pub topics: Topics,
    /// How records for subscribers are written.
    pub output: Form,
    pub engine: Engine,
    /// What the fold reads.
    pub plan: Plan,
    /// What showing reads.
    pub kpi: KpiSettings,
    /// When to tell people, in the order of the settings.
    pub alerts: Arc<[Rule]>,
    /// Where alerts are told, in the order of the settings.
    pub notify: Vec<Target>,
    /// When queues are open that say so: a rule without hours of its own is in force for them then.
    pub queue_hours: Arc<BTreeMap<String, Hours>>,
    /// How long the archive of intervals is kept.
    pub keep_intervals: Span,
    /// How many entities are counted; more are refused, and that is counted.
    pub limits: Arc<Limits>,
    pub serve: Serve,
}

/// How to reach Kafka.
#[derive(Clone)]
pub struct Kafka {
    /// `host:port`, separated by commas; never empty.
    pub brokers: String,
    /// Further properties of the client library, by their own names.
    pub properties: BTreeMap<String, String>,
}

/// A topic of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub topic: String,
    pub format: Encoding,
    /// Without a record for so long it is told as silent.
    pub silent_after: Option<Span>,
    /// It is told as silent within them only, by the zone of `[windows]`; always if nobody said.
    pub hours: Option<Hours>,
}

/// The topics the program writes, as the settings name them: what a generation adds to the names of
/// internal ones is the runtime's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Internal: batches from calls to kpis.
    pub partials: String,
    /// From calls to subjects.
    pub subjects: String,
    /// Internal: the beginning of the names of the state topics, `<state>.calls` and `<state>.kpis`.
    pub state: String,
    /// The board: the newest record of each entity and window.
    pub kpis: String,
    /// The archive: intervals that have ended.
    pub intervals: String,
    pub rejects: String,
    /// Assembled calls.
    pub calls: String,
    /// The newest record of each rule and entity.
    pub alerts: String,
    /// Partitions of a topic that the program creates.
    pub partitions: i32,
    /// Copies of a topic that the program creates.
    pub replication_factor: i32,
}

/// How the stages work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Begins versions and names internal topics and groups; 1 to 2^20.
    pub generation: u64,
    pub calls_commit_every: Span,
    pub kpis_commit_every: Span,
    /// A key that keeps changing is published this often.
    pub emit_every: Span,
    /// A source is complete up to its largest event time less this.
    pub allowed_disorder: Span,
    /// Threads of the stage calls, each a member of its group.
    pub calls_workers: usize,
    /// Threads of the stage subjects, each a member of its group.
    pub subjects_workers: usize,
    /// Threads of the stage kpis, each a member of its group.
    pub kpis_workers: usize,
    /// Whether the program raises alerts about itself and its sources.
    pub built_in_alerts: bool,
    /// Names this instance among those of one cluster; part of its transactional ids.
    pub instance: String,
}

/// The HTTP endpoints.
#[derive(Clone)]
pub struct Serve {
    pub listen: SocketAddr,
    /// What a request must bear; present whenever others than this machine can connect.
    pub token: Option<String>,
    /// The names by which the server may be asked without a token, beside those of this machine.
    pub allowed_hosts: Vec<String>,
    /// The kinds of entities that `/metrics` shows; never one of agents within queues.
    pub metrics_kinds: Vec<Kind>,
    /// The windows that it shows, by their names; all if there are none.
    pub metrics_windows: Vec<String>,
    /// How many series of entities it shows at most.
    pub metrics_series_max: usize,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = shown(&self.properties);
        f.debug_struct("Kafka").field("brokers", &self.brokers).field("properties", &shown).finish()
    }
}

impl fmt::Debug for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| HIDDEN);
        let mut shown = f.debug_struct("Serve");
        shown.field("listen", &self.listen).field("token", &token).field("allowed_hosts", &self.allowed_hosts);
        shown.field("metrics_kinds", &self.metrics_kinds).field("metrics_windows", &self.metrics_windows);
        shown.field("metrics_series_max", &self.metrics_series_max).finish()
    }
}
