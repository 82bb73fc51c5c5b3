//! Settings of every Kafka client, and what a client tells about itself.
//!
//! Three layers: defaults that were measured, then the operator's properties, then what exactly-once
//! depends on. The operator may change the first and may not name the last.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, ClientContext, TopicPartitionList};
use tracing::{debug, info, warn};

/// How a Kafka cluster is reached. Its Debug form shows no secret.
#[derive(Clone, Default)]
pub struct Connection {
    /// `host:port`, several divided by commas.
    pub brokers: String,
    /// The operator's librdkafka properties: TLS, SASL, sizes.
    pub properties: BTreeMap<String, String>,
}

/// A property the operator set that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyFault {
    /// Exactly-once would no longer hold, or the name is given by another setting.
    Kept { name: String, instead: &'static str },
    /// The client does not know the name, or refuses the value.
    Refused { name: String, why: String },
    /// A login without saying which kind: the client would take Kerberos, which is not built in.
    NoMechanism,
}

/// Properties that are not the operator's, each with what to do instead.
const KEPT: &[(&str, &str)] = &[
    ("bootstrap.servers", "set [kafka] brokers"),
    ("metadata.broker.list", "set [kafka] brokers"),
    ("group.id", "it is made of the stage and [engine] generation"),
    ("group.instance.id", "set [engine] instance"),
    ("group.protocol", "the classic protocol is what restarts in a second"),
    ("group.remote.assignor", "the classic protocol is what restarts in a second"),
    ("partition.assignment.strategy", "one round of the group is what leaves no partition to nobody"),
    ("isolation.level", "read_committed is what makes each effect seen once"),
    ("enable.auto.commit", "offsets are committed in the transaction"),
    ("enable.auto.offset.store", "offsets are committed in the transaction"),
    ("auto.commit.enable", "offsets are committed in the transaction"),
    ("auto.offset.reset", "a gap is never skipped in silence; use --accept-gap"),
    ("enable.partition.eof", "the end of a partition is what moves its mark"),
    ("transactional.id", "set [engine] instance"),
    ("transaction.timeout.ms", "a crashed writer would hold back every reader for that long"),
    ("enable.idempotence", "transactions need it"),
    ("acks", "transactions need all"),
    ("request.required.acks", "transactions need all"),
    ("retries", "transactions need them unbounded"),
    ("message.send.max.retries", "transactions need them unbounded"),
    ("max.in.flight", "transactions bound it"),
    ("max.in.flight.requests.per.connection", "transactions bound it"),
    ("message.timeout.ms", "it is the transaction's timeout"),
    ("delivery.timeout.ms", "it is the transaction's timeout"),
    ("delivery.report.only.error", "the commit relies on it"),
    ("partitioner", "partials and KPI records must keep their partitions"),
];

/// What stands for a secret.
pub const HIDDEN: &str = "(hidden)";

/// Whether a property of the client library may hold something that is not for a log.
pub fn is_secret(property: &str) -> bool {
    let property = property.to_lowercase();
    ["password", "secret", "key", "token", "jaas", "oauthbearer.config"].iter().any(|part| property.contains(part))
}

/// Properties as they may be seen.
pub fn shown(properties: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    let shown = |(name, value)| (String::as_str(name), if is_secret(name) { HIDDEN } else { String::as_str(value) });
    properties.iter().map(shown).collect()
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = shown(&self.properties);
        f.debug_struct("Connection").field("brokers", &self.brokers).field("properties", &shown).finish()
    }
}

impl Connection {
    /// Every property that cannot be used, found without a broker.
    pub fn faults(&self) -> Vec<PropertyFault> {
        let mut faults = Vec::new();
        for (name, value) in &self.properties {
            if let Some((_, instead)) = KEPT.iter().find(|(kept, _)| kept == name) {
                faults.push(PropertyFault::Kept { name: name.clone(), instead });
                continue;
            }
            let mut config = ClientConfig::new();
            config.set(name, value);
            if let Err(fault) = config.create_native_config() {
                let why = match fault {
                    // The client would quote it.
                    _ if is_secret(name) => "its value is not valid".to_owned(),
                    KafkaError::ClientConfig(_, why, ..) => why,
                    other => other.to_string(),
                };
                faults.push(PropertyFault::Refused { name: name.clone(), why });
            }
        }
        let is_login = self
            .properties
            .get("security.protocol")
            .is_some_and(|protocol| protocol.to_lowercase().starts_with("sasl"));
        if is_login && !["sasl.mechanism", "sasl.mechanisms"].iter().any(|name| self.properties.contains_key(*name)) {
            faults.push(PropertyFault::NoMechanism);
        }
        faults
    }

    /// Defaults of every client.
    fn defaults() -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Warning);
        config.set("reconnect.backoff.max.ms", "500");
        // The TLS library is built in and does not know where this system keeps its authorities.
        config.set("ssl.ca.location", "probe");
        config
    }

    /// A client that only asks: metadata, watermarks, topics.
    pub fn plain(&self) -> ClientConfig {
        let mut config = Connection::defaults();
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// A reader of `group` that never joins it on its own and sees committed records only.
    pub fn reader(&self, group: &str, fetch: Fetch) -> ClientConfig {
        let mut config = Connection::defaults();
        let (bytes, wait) = match fetch {
            Fetch::Large => ("65536", "10"),
            Fetch::Small => ("1", "50"),
        };
        config.set("fetch.min.bytes", bytes);
        config.set("fetch.wait.max.ms", wait);
        config.set("fetch.queue.backoff.ms", "5");
        config.set("check.crcs", "false");
        config.set("session.timeout.ms", "10000");
        config.set("heartbeat.interval.ms", "1000");
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config.set("group.id", group);
        config.set("partition.assignment.strategy", "roundrobin");
        config.set("isolation.level", "read_committed");
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        config.set("enable.partition.eof", "true");
        config
    }

    /// The transactional writer `id`.
    pub fn writer(&self, id: &str) -> ClientConfig {
        let mut config = Connection::defaults();
        // The raw flush of a commit ignores lingering, so this only gathers.
        config.set("linger.ms", "5");
        config.set("compression.type", "lz4");
        // A coordinator that is still ending the transaction before costs one back-off.
        config.set("retry.backoff.ms", "10");
        config.set("retry.backoff.max.ms", "10");
        config.set("queue.buffering.max.messages", "1000000");
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config.set("transactional.id", id);
        config.set("enable.idempotence", "true");
        config.set("transaction.timeout.ms", "10000");
        config.set("message.timeout.ms", "10000");
        config.set("delivery.report.only.error", "true");
        config.set("partitioner", "murmur2_random");
        config
    }
}

/// How a reader trades waiting for larger answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// For busy topics: 64 KiB or 10 ms, whichever comes first.
    Large,
    /// For topics with a record now and then: at once.
    Small,
}

/// What a client says outside of its calls: log lines, errors, failed deliveries.
pub struct Context {
    /// The client's name in the log.
    name: String,
    /// No broker answered the last attempt.
    unreachable: AtomicBool,
    /// The newest error that no call returned.
    last: Mutex<Option<(RDKafkaErrorCode, String)>>,
    /// Why no broker answered the last attempt.
    away: Mutex<String>,
    /// The topic that nothing could be written to for want of a right.
    denied: Mutex<Option<String>>,
    /// The first record since somebody asked that is larger than its topic takes.
    oversized: Mutex<Option<Oversized>>,
}

/// A record that its topic does not take, and would not take again.
#[derive(Clone, Debug)]
pub struct Oversized {
    pub topic: String,
    pub bytes: usize,
}

impl Context {
    pub fn new(name: impl Into<String>) -> Context {
        Context {
            name: name.into(),
            unreachable: AtomicBool::new(false),
            last: Mutex::new(None),
            away: Mutex::new(String::new()),
            denied: Mutex::new(None),
            oversized: Mutex::new(None),
        }
    }

    /// Kafka answered.
    pub fn reached(&self) {
        if self.unreachable.load(Ordering::Relaxed) && self.unreachable.swap(false, Ordering::Relaxed) {
            info!(client = self.name, "kafka answers again");
        }
    }

    pub fn is_unreachable(&self) -> bool {
        self.unreachable.load(Ordering::Relaxed)
    }

    /// The newest error that no call returned, taken out.
    pub fn take_last(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.last.lock().ok()?.take()
    }

    /// Why no broker answered the last attempt; empty if one did.
    pub fn why_away(&self) -> String {
        self.away.lock().map(|away| away.clone()).unwrap_or_default()
    }

    /// The topic that nothing could be written to for want of a right, taken out.
    pub fn take_denied(&self) -> Option<String> {
        self.denied.lock().ok()?.take()
    }

    /// The first record larger than its topic takes since this was asked last, taken out.
    pub fn take_oversized(&self) -> Option<Oversized> {
        self.oversized.lock().ok()?.take()
    }

    /// Notes an error; a broker that is away is told once until it answers again.
    pub fn note(&self, code: Option<RDKafkaErrorCode>, reason: &str) {
        if code.is_some_and(is_transport) {
            // That all are away is no reason.
            if let (Ok(mut away), false) = (self.away.lock(), code == Some(RDKafkaErrorCode::AllBrokersDown)) {
                reason.clone_into(&mut away);
            }
            if !self.unreachable.swap(true, Ordering::Relaxed) {
                warn!(client = self.name, reason, "kafka does not answer; trying again");
            }
            return;
        }
        warn!(client = self.name, reason, "kafka client error");
        if let (Some(code), Ok(mut last)) = (code, self.last.lock()) {
            *last = Some((code, reason.to_owned()));
        }
    }
}

/// A broker is away, which ends by itself.
pub fn is_transport(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve};
    matches!(code, BrokerTransportFailure | AllBrokersDown | Resolve | OperationTimedOut)
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // The one place where the client names the topic.
        if facility == "ADDPARTS" && line.contains("Topic authorization failed") {
            let topic = line.split('"').nth(1).map(str::to_owned);
            if let Ok(mut denied) = self.denied.lock() {
                *denied = topic;
            }
        }
        match level {
            // Failed connections come as error events too, which `note` tells once; failed transactions are
            // tried again.
            _ if matches!(facility, "FAIL" | "ERROR" | "TXNERR" | "CONFWARN") => {
                debug!(client = self.name, facility, "{line}");
            }
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => warn!(client = self.name, facility, "{line}"),
            _ => debug!(client = self.name, facility, "{line}"),
        }
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is no error; it comes here only while a consumer closes.
        if !matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PartitionEOF)) {
            self.note(error.rdkafka_error_code(), reason);
        }
    }
}

impl ConsumerContext for Context {
    /// Reached only while a consumer closes: the worker serves rebalances itself, and what closes
    /// commits nothing.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let done = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => consumer.assign(partitions),
            _ => consumer.unassign(),
        };
        if let Err(error) = done {
            debug!(client = self.name, %error, "closing");
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, record)) = result else { return };
        debug!(client = self.name, %error, topic = record.topic(), "record not delivered; its transaction cannot be committed");
        if let (Some(RDKafkaErrorCode::MessageSizeTooLarge), Ok(mut first)) =
            (error.rdkafka_error_code(), self.oversized.lock())
        {
            let (topic, bytes) = (record.topic().to_owned(), record.payload().map_or(0, <[u8]>::len));
            first.get_or_insert(Oversized { topic, bytes });
        }
    }
}

impl fmt::Display for PropertyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PropertyFault::Kept { name, instead } => {
                write!(f, "kafka property {name} is not yours to set: {instead}")
            }
            PropertyFault::Refused { name, why } => write!(f, "kafka property {name} cannot be used: {why}"),
            PropertyFault::NoMechanism => write!(
                f,
                "kafka property sasl.mechanism is missing beside security.protocol; write PLAIN, SCRAM-SHA-256 or \
                 SCRAM-SHA-512"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn faults(name: &str, value: &str) -> Vec<PropertyFault> {
        let properties = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        Connection { brokers: "127.0.0.1:1".into(), properties }.faults()
    }

    #[test]
    fn takes_transport_properties() {
        assert_eq!(faults("security.protocol", "plaintext"), []);
        assert_eq!(faults("compression.type", "zstd"), []);
    }

    #[test]
    fn refuses_what_exactly_once_depends_on() {
        for (name, _) in KEPT {
            let faults = faults(name, "1");
            assert!(matches!(&faults[..], [PropertyFault::Kept { .. }]), "{name}");
        }
    }

    #[test]
    fn a_login_needs_a_mechanism() {
        assert_eq!(faults("security.protocol", "SASL_SSL"), [PropertyFault::NoMechanism]);
        assert_eq!(faults("security.protocol", "SSL"), []);
        assert_eq!(faults("sasl.mechanism", "SCRAM-SHA-512"), []);
    }

    #[test]
    fn neither_debug_form_nor_a_fault_shows_a_secret() {
        let secrets = [("sasl.password", "hunter2"), ("ssl.key.password", "hunter2"), ("ssl.key.pem", "hunter2")];
        let properties = secrets.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let connection = Connection { brokers: "127.0.0.1:1".into(), properties: properties.into() };
        let seen = format!("{connection:?} {:?}", connection.faults());
        assert!(seen.contains("sasl.password") && !seen.contains("hunter2"), "{seen}");
    }

    #[test]
    fn authorities_are_looked_for_where_systems_keep_them_unless_said() {
        let mut connection = Connection::default();
        assert_eq!(connection.plain().get("ssl.ca.location"), Some("probe"));
        connection.properties.insert("ssl.ca.location".into(), "ours.pem".into());
        let clients = [connection.plain(), connection.reader("g", Fetch::Small), connection.writer("t")];
        assert!(clients.iter().all(|config| config.get("ssl.ca.location") == Some("ours.pem")));
    }

    #[test]
    fn refuses_unknown_names_and_bad_values() {
        assert!(matches!(&faults("no.such.thing", "1")[..], [PropertyFault::Refused { .. }]));
        assert!(matches!(&faults("socket.timeout.ms", "soon")[..], [PropertyFault::Refused { .. }]));
    }
}
