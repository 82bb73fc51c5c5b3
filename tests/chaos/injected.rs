//! Errors that no broker gives on command, injected by the client library: each passes by itself.
//!
//! The library's mock cluster answers requests with them. It has no real transactions, so what takes a restart of a
//! worker is the real broker's part of this suite; here nothing may come to that.

use crate::deployment::{PATIENCE, committed};
use crate::kafka::unique;
use callpulse::command::engine::{self, Engine};
use callpulse::config;
use callpulse::config::settings::Settings;
use callpulse::stream::client::Connection;
use callpulse::stream::feed::Feed;
use callpulse::stream::status::Status;
use callpulse::stream::stop::Stop;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaApiKey as Request;
use rdkafka::types::RDKafkaRespErr::{self, *};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often in a row a request gets its error.
const TIMES: usize = 3;

/// What a request may be answered while an instance starts.
const STARTING: [(Request, RDKafkaRespErr); 9] = [
    (Request::Metadata, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE),
    (Request::FindCoordinator, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE),
    (Request::JoinGroup, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS),
    (Request::SyncGroup, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS),
    (Request::OffsetFetch, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS),
    (Request::OffsetFetch, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT),
    (Request::ListOffsets, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
    (Request::InitProducerId, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS),
    (Request::InitProducerId, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS),
];

/// What a request may be answered while it runs. A transport error cuts the connection instead.
const RUNNING: [(Request, RDKafkaRespErr); 22] = [
    (Request::Fetch, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
    (Request::Fetch, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR),
    (Request::Fetch, RD_KAFKA_RESP_ERR__TRANSPORT),
    (Request::Produce, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
    (Request::Produce, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS),
    (Request::Produce, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND),
    (Request::Produce, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR),
    (Request::Produce, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT),
    (Request::AddPartitionsToTxn, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS),
    (Request::AddPartitionsToTxn, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS),
    (Request::AddPartitionsToTxn, RD_KAFKA_RESP_ERR_NOT_COORDINATOR),
    (Request::AddPartitionsToTxn, RD_KAFKA_RESP_ERR__TRANSPORT),
    (Request::AddOffsetsToTxn, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS),
    (Request::AddOffsetsToTxn, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE),
    (Request::TxnOffsetCommit, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS),
    (Request::TxnOffsetCommit, RD_KAFKA_RESP_ERR_NOT_COORDINATOR),
    (Request::TxnOffsetCommit, RD_KAFKA_RESP_ERR__TRANSPORT),
    (Request::EndTxn, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE),
    (Request::EndTxn, RD_KAFKA_RESP_ERR_NOT_COORDINATOR),
    (Request::EndTxn, RD_KAFKA_RESP_ERR__TRANSPORT),
    (Request::Heartbeat, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE),
    (Request::Heartbeat, RD_KAFKA_RESP_ERR__TRANSPORT),
];

/// A mock cluster with an instance on it, in this process.
struct Lab {
    cluster: MockCluster<'static, DefaultProducerContext>,
    settings: Settings,
    status: Arc<Status>,
    stop: Stop,
    engine: Engine,
    board: BaseConsumer,
    calls: i64,
}

impl Lab {
    /// Starts it under requests that get an error each.
    fn begin(errors: &[(Request, RDKafkaRespErr)]) -> Lab {
        let cluster = MockCluster::new(1).expect("a mock cluster");
        let brokers = cluster.bootstrap_servers();
        let text = format!(
            "[kafka]\nbrokers = \"{brokers}\"\n[[sources]]\ntopic = \"events\"\n[topics]\npartitions = 4\n[engine]\n\
             instance = \"a\"\n[windows]\nsliding = [\"1h\"]\nintervals = [\"15m\"]\n"
        );
        let settings = config::read(&text, &BTreeMap::new()).expect("settings").settings;
        for topic in engine::topics(&settings) {
            cluster.create_topic(&topic.name, 4, 1).expect("a topic");
        }
        for (request, error) in errors {
            cluster.request_errors(*request, &[*error; TIMES]);
        }
        let (status, stop) = (Arc::new(Status::new()), Stop::new());
        let engine = engine::start(&settings, false, &status, &stop).expect("the engine");
        let board = committed(&brokers, &settings.topics.kpis);
        let mut lab = Lab { cluster, settings, status, stop, engine, board, calls: 0 };
        lab.tell_and_see("at the start");
        lab
    }

    /// Sends ten whole calls of now and waits until they are counted, with all before them.
    fn tell_and_see(&mut self, when: &str) {
        let connection = Connection { brokers: self.settings.kafka.brokers.clone(), ..Connection::default() };
        let feed = Feed::open(&connection, "events").expect("a producer");
        for _ in 0..10 {
            let at = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
            let id = unique("c");
            for (after, rest) in [(0, r#""type":"call.queued","queue":"sales""#), (1, r#""type":"call.ended""#)] {
                let event = format!(r#"{{{rest},"time":{},"call_id":"{id}"}}"#, at + after);
                feed.send(&id, &event, at + after).expect("written");
            }
        }
        self.calls += 10;
        feed.flush().expect("written");
        let until = Instant::now() + PATIENCE;
        let mut offered = 0;
        while offered != self.calls {
            if let Some(Ok(record)) = self.board.poll(Duration::from_millis(100))
                && record.key() == Some(b"default|queue|sales|1h")
            {
                let window: Value = serde_json::from_slice(record.payload().expect("a record")).expect("a record");
                offered = window["counts"]["offered"].as_i64().expect("a count");
            }
            let workers = self.status.workers();
            assert!(workers.iter().all(|(_, worker)| worker.restarts == 0), "{when}: {workers:?}");
            assert!(Instant::now() < until, "{when}: offered {offered} of {}: {workers:?}", self.calls);
        }
    }

    fn leave(self) {
        self.stop.request();
        for worker in self.engine.workers {
            worker.join().expect("an end without a fault");
        }
    }
}

#[test]
fn errors_of_a_start_pass_by_themselves() {
    for error in STARTING {
        Lab::begin(&[error]).leave();
    }
    Lab::begin(&STARTING).leave();
}

#[test]
fn errors_at_work_pass_by_themselves() {
    let mut lab = Lab::begin(&[]);
    for (request, error) in RUNNING {
        lab.cluster.request_errors(request, &[error; TIMES]);
        lab.tell_and_see(&format!("{request:?}: {error:?}"));
    }
    lab.leave();
}
