//! The whole way, from events to a real Alertmanager, over instances that are killed: each transition is once in the
//! topic, and told once.

use crate::alertmanager::Alertmanager;
use crate::deployment::{Deployment, Instance, PARTITIONS, committed};
use crate::kafka;
use crate::topic::now;
use callpulse::alert::record::AlertRecord;
use callpulse::stream::feed::Feed;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::time::Duration;

/// Two, of which one is killed in each round.
const INSTANCES: [&str; 2] = ["a", "b"];

#[test]
fn what_fires_and_resolves_under_kills_is_in_the_topic_once_and_told_once() {
    let Some(alertmanager) = Alertmanager::start("'...'") else { return };
    let kills = std::env::var("CHAOS_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let deployment = Deployment::on(&kafka::shared());
    for instance in INSTANCES {
        let path = deployment.dir.join(format!("{instance}.toml"));
        let mut settings = File::options().append(true).open(path).expect("the settings");
        let target = alertmanager.settings("rules = [\"waits\"]");
        write!(settings, "[[notify]]\nname = \"desk\"\n{target}\n").expect("a target");
    }
    let feed = Feed::open(&kafka::shared(), &deployment.topic("acd.events")).expect("a producer");
    let tell = |call: &str, event: &str| {
        let at = now();
        let event = format!("{{\"time\":\"{at}\",\"call_id\":\"{call}\",{event}}}");
        feed.send(call, &event, at.0).expect("an event");
        feed.flush().expect("events that arrived");
    };
    let mut running: Vec<Instance> = INSTANCES.map(|instance| deployment.start(instance)).into();
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for round in 0..kills {
        let queue = format!("q{round}");
        tell(&queue, &format!("\"type\":\"call.queued\",\"queue\":\"{queue}\""));
        if round % 2 == 0 {
            alertmanager.tells_until(&format!("{queue} firing"), &mut told);
        }
        running[round % 2] = {
            // `kill -9`, before the next of this name begins.
            running[round % 2].0.kill().expect("kill -9");
            running[round % 2].0.wait().expect("its end");
            deployment.start(INSTANCES[round % 2])
        };
        alertmanager.tells_until(&format!("{queue} firing"), &mut told);
        tell(&queue, "\"type\":\"call.ended\",\"by\":\"caller\"");
        alertmanager.tells_until(&format!("{queue} resolved"), &mut told);
    }
    alertmanager.receiver.nothing_for(Duration::from_secs(3));
    let wanted: BTreeMap<String, usize> =
        (0..kills).flat_map(|round| ["firing", "resolved"].map(|state| (format!("q{round} {state}"), 1))).collect();
    assert_eq!(told, wanted, "what Alertmanager told\n{}", deployment.log());
    assert_eq!(in_topic(&deployment), wanted, "what is in the topic\n{}", deployment.log());
    assert_eq!(alertmanager.alerts(), Vec::<serde_json::Value>::new());
    println!("{kills} kills, {} transitions, each once in the topic and told once", wanted.len());
    drop(running);
    std::fs::remove_dir_all(&deployment.dir).expect("the directory to go");
}

/// How often each transition of the rule stands in the topic: by `id state`.
fn in_topic(deployment: &Deployment) -> BTreeMap<String, usize> {
    let consumer = committed(&deployment.brokers, &deployment.topic("alerts"));
    let (mut found, mut ends) = (BTreeMap::new(), 0);
    while ends < PARTITIONS {
        match consumer.poll(Duration::from_secs(10)) {
            Some(Ok(message)) => {
                let record: AlertRecord = serde_json::from_slice(message.payload().unwrap_or_default())
                    .expect("an alert; none is a week old");
                if record.rule == "waits" {
                    *found.entry(format!("{} {}", record.entity.id, record.state)).or_default() += 1;
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ends += 1,
            Some(Err(error)) => panic!("the alerts cannot be read: {error}"),
            None => panic!("the alerts do not come to their end"),
        }
    }
    found
}
