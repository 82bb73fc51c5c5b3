//! Topics: whether those we need are there, and making those that are not.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Waker, Poll, Wake};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
    TopicResult,
};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{Connection, Context, is_transport};
use super::refusal::{Refusal, TO_FIND, TO_READ_SETTINGS, is_refusal};

/// How long a question to the cluster may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long to listen for what a client tells beside its answers, before it is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// A topic as it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    pub name: String,
    /// Absent where any number will do; such a topic is never made.
    pub partitions: Option<i32>,
    /// Settings to make it with. Of these `cleanup.policy` is checked as well.
    pub config: BTreeMap<String, String>,
}

/// What is not as it has to be with a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    Missing { topic: String },
    Partitions { topic: String, has: i32, wants: i32 },
    Policy { topic: String, has: String, wants: String },
}

/// Why the cluster could not be asked, or refused to make a topic.
#[derive(Debug)]
pub enum TopicsError {
    /// `said` is the client's reason, if it gave one.
    Unreachable {
        brokers: String,
        cause: Box<KafkaError>,
        said: String,
    },
    Refused(Refusal),
    /// A client could not be made.
    Client(KafkaError),
    NotMade {
        topic: String,
        code: RDKafkaErrorCode,
    },
    Problem(Problem),
}

/// How many partitions each topic has, in the order asked. Errs at the first that is missing.
pub fn partition_counts(connection: &Connection, topics: &[&str]) -> Result<Vec<(String, i32)>, TopicsError> {
    let client = client(connection)?;
    topics
        .iter()
        .map(|topic| {
            let count = partitions(connection, &client, topic)?;
            let missing = || TopicsError::Problem(Problem::Missing { topic: (*topic).to_owned() });
            Ok(((*topic).to_owned(), count.ok_or_else(missing)?))
        })
        .collect()
}

/// Everything about `specs` that is not as it has to be.
pub fn check(connection: &Connection, specs: &[TopicSpec]) -> Result<Vec<Problem>, TopicsError> {
    let mut problems = existence(connection, specs.iter().map(|spec| (spec.name.as_str(), spec.partitions)))?;
    let missing = |spec: &TopicSpec| {
        problems.iter().any(|problem| matches!(problem, Problem::Missing { topic } if *topic == spec.name))
    };
    let wanted: Vec<&TopicSpec> =
        specs.iter().filter(|spec| spec.config.contains_key("cleanup.policy") && !missing(spec)).collect();
    let admin = admin(connection)?;
    let resources: Vec<_> = wanted.iter().map(|spec| ResourceSpecifier::Topic(&spec.name)).collect();
    let described = if resources.is_empty() {
        Vec::new()
    } else {
        wait_for(admin.describe_configs(&resources, &options())).map_err(|cause| unreachable(connection, cause))?
    };
    for (spec, described) in wanted.iter().zip(described) {
        let described = described.map_err(|code| unreachable(connection, KafkaError::AdminOp(code)))?;
        // Who may not read the settings gets an answer without any.
        let denied = || refused(RDKafkaErrorCode::TopicAuthorizationFailed, TO_READ_SETTINGS, &spec.name);
        let has = described.get("cleanup.policy").and_then(|entry| entry.value.clone()).ok_or_else(denied)?;
        let wants = &spec.config["cleanup.policy"];
        if parts(&has) != parts(wants) {
            problems.push(Problem::Policy { topic: spec.name.clone(), has, wants: wants.clone() });
        }
    }
    Ok(problems)
}

/// Of some topics those whose records carry the writer's clock. Broker time is what makes "late" and
/// "in the future" one clock's business, so it is recommended for live traffic; history needs the other.
pub fn stamped_by_writers(connection: &Connection, topics: &[&str]) -> Result<Vec<String>, TopicsError> {
    let admin = admin(connection)?;
    let resources: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let described =
        wait_for(admin.describe_configs(&resources, &options())).map_err(|cause| unreachable(connection, cause))?;
    let is_stamped = |described: &Result<ConfigResource, RDKafkaErrorCode>| {
        let entry = described.as_ref().ok()?.get("message.timestamp.type")?;
        Some(entry.value.as_deref() != Some("LogAppendTime"))
    };
    let stamped = topics.iter().zip(&described).filter(|(_, described)| is_stamped(described).unwrap_or(false));
    Ok(stamped.map(|(topic, _)| (*topic).to_owned()).collect())
}

/// Only whether topics are there with as many partitions as given.
pub fn existence<'a>(
    connection: &Connection,
    topics: impl Iterator<Item = (&'a str, Option<i32>)>,
) -> Result<Vec<Problem>, TopicsError> {
    let client = client(connection)?;
    let mut problems = Vec::new();
    for (topic, wants) in topics {
        match partitions(connection, &client, topic)? {
            None => problems.push(Problem::Missing { topic: topic.to_owned() }),
            Some(has) => {
                if let Some(wants) = wants.filter(|&wants| wants != has) {
                    problems.push(Problem::Partitions { topic: topic.to_owned(), has, wants });
                }
            }
        }
    }
    Ok(problems)
}

/// Makes the topics that are missing, with so many copies of each. Answers the names made.
pub fn create_missing(
    connection: &Connection,
    specs: &[TopicSpec],
    replication: i16,
) -> Result<Vec<String>, TopicsError> {
    let client = client(connection)?;
    let mut missing = Vec::new();
    for spec in specs {
        if partitions(connection, &client, &spec.name)?.is_none() {
            missing.push(spec);
        }
    }
    let topics: Vec<NewTopic<'_>> = missing
        .iter()
        .filter_map(|spec| {
            let mut topic =
                NewTopic::new(&spec.name, spec.partitions?, TopicReplication::Fixed(i32::from(replication)));
            for (name, value) in &spec.config {
                topic = topic.set(name, value);
            }
            Some(topic)
        })
        .collect();
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let admin = admin(connection)?;
    let results = wait_for(admin.create_topics(&topics, &options())).map_err(|cause| unreachable(connection, cause))?;
    let made = results.into_iter().filter_map(made).collect::<Result<Vec<String>, TopicsError>>()?;
    // The cluster answers before every broker knows; whoever comes next would find them missing.
    let until = Instant::now() + PATIENCE;
    for name in &made {
        while partitions(connection, &client, name)?.is_none() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(made)
}

/// Gives a topic more partitions.
pub fn grow(connection: &Connection, topic: &str, partitions: i32) -> Result<(), TopicsError> {
    let admin = admin(connection)?;
    let wanted = NewPartitions::new(topic, usize::try_from(partitions).unwrap_or(0));
    let results =
        wait_for(admin.create_partitions([&wanted], &options())).map_err(|cause| unreachable(connection, cause))?;
    results.into_iter().filter_map(made).collect::<Result<Vec<String>, TopicsError>>().map(|_| ())
}

fn made(result: TopicResult) -> Option<Result<String, TopicsError>> {
    match result {
        Ok(name) => Some(Ok(name)),
        // Another instance was faster.
        Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => None,
        Err((topic, code)) => Some(Err(TopicsError::NotMade { topic, code })),
    }
}

/// How many partitions the topic has; none if there is no such topic.
fn partitions(
    connection: &Connection,
    client: &BaseConsumer<Context>,
    topic: &str,
) -> Result<Option<i32>, TopicsError> {
    let until = Instant::now() + PATIENCE;
    // Who is refused shall not wait long to hear it.
    let mut patience = Duration::from_secs(2);
    loop {
        let answer = client.fetch_metadata(Some(topic), patience).and_then(|metadata| {
            let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
                return Ok(None);
            };
            match found.error().map(RDKafkaErrorCode::from) {
                None => Ok(Some(i32::try_from(found.partitions().len()).unwrap_or(i32::MAX))),
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
                Some(code) => Err(KafkaError::MetadataFetch(code)),
            }
        });
        let cause = match answer {
            Ok(count) => return Ok(count),
            Err(cause) => cause,
        };
        // Who is refused at the door hears it beside the answer, which is only that there was none.
        while client.poll(PAUSE).is_some() {}
        if let Some((code, said)) = client.context().take_last().filter(|last| is_refusal(last.0)) {
            return Err(TopicsError::Refused(Refusal { code, doing: TO_FIND, subject: topic.to_owned(), said }));
        }
        if let Some(code) = cause.rdkafka_error_code().filter(|code| is_refusal(*code)) {
            return Err(refused(code, TO_FIND, topic));
        }
        if until <= Instant::now() {
            let (brokers, said) = (connection.brokers.clone(), client.context().why_away());
            let cause = Box::new(cause);
            return Err(TopicsError::Unreachable { brokers, cause, said });
        }
        patience = Duration::from_secs(5);
    }
}

fn refused(code: RDKafkaErrorCode, doing: &'static str, topic: &str) -> TopicsError {
    TopicsError::Refused(Refusal { code, doing, subject: topic.to_owned(), said: String::new() })
}

fn client(connection: &Connection) -> Result<BaseConsumer<Context>, TopicsError> {
    BaseConsumer::from_config_and_context(&connection.plain(), Context::new("topics")).map_err(TopicsError::Client)
}

fn admin(connection: &Connection) -> Result<AdminClient<Context>, TopicsError> {
    AdminClient::from_config_and_context(&connection.plain(), Context::new("topics")).map_err(TopicsError::Client)
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE))
}

fn unreachable(connection: &Connection, cause: KafkaError) -> TopicsError {
    TopicsError::Unreachable { brokers: connection.brokers.clone(), cause: Box::new(cause), said: String::new() }
}

/// The policy's words; their order has no meaning.
fn parts(policy: &str) -> std::collections::BTreeSet<&str> {
    policy.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// Waits for an answer on this thread: the client has its own, so no executor is needed, and none may
/// run here.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Waker::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing { topic } => {
                write!(f, "topic {topic} does not exist; `callpulse topics --create` makes those callpulse owns")
            }
            Problem::Partitions { topic, has, wants } => write!(
                f,
                "topic {topic} has {has} partitions where {wants} are needed; the number is fixed once there are \
                 records: delete the topic and make it anew, and raise [engine] generation"
            ),
            Problem::Policy { topic, has, wants } => write!(
                f,
                "topic {topic} has cleanup.policy={has} where {wants} is needed; set it with kafka-configs.sh --alter \
                 --add-config cleanup.policy=[{wants}]"
            ),
        }
    }
}

impl TopicsError {
    /// No broker answered. One that leaves between two questions fails the second in words of its own.
    pub fn is_away(&self) -> bool {
        match self {
            TopicsError::Unreachable { cause, .. } => match cause.as_ref() {
                KafkaError::AdminOp(code) => is_transport(*code),
                cause => cause.rdkafka_error_code().is_some_and(is_transport),
            },
            _ => false,
        }
    }
}

impl fmt::Display for TopicsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TopicsError::Unreachable { brokers, cause, said } => {
                let why = if said.is_empty() { cause.to_string() } else { said.clone() };
                write!(
                    f,
                    "kafka at {brokers} did not answer: {why}; check [kafka] brokers, and in [kafka.properties] \
                     security.protocol and, if the broker asks for a certificate, ssl.keystore.location"
                )
            }
            TopicsError::Refused(refusal) => write!(f, "{refusal}"),
            TopicsError::Client(why) => {
                write!(f, "kafka client could not be made: {why}; check [kafka.properties]")
            }
            TopicsError::NotMade { topic, code } => write!(
                f,
                "topic {topic} could not be made: {code}; make it with the settings `callpulse topics` prints, or \
                 allow Create on the cluster"
            ),
            TopicsError::Problem(problem) => write!(f, "{problem}"),
        }
    }
}

impl std::error::Error for TopicsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TopicsError::Unreachable { cause, .. } => Some(&**cause),
            TopicsError::Client(cause) => Some(cause),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_leaves_between_two_questions_is_away_and_one_that_refuses_is_not() {
        let said = |cause| unreachable(&Connection::default(), cause).is_away();
        assert!(said(KafkaError::AdminOp(RDKafkaErrorCode::BrokerTransportFailure)));
        assert!(said(KafkaError::MetadataFetch(RDKafkaErrorCode::AllBrokersDown)));
        assert!(!said(KafkaError::AdminOp(RDKafkaErrorCode::TopicAuthorizationFailed)));
    }
}
