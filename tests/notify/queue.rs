//! The topic as a queue: nothing is lost and little told twice, whatever happens to either side.

use crate::alerts::{firing, resolved};
use crate::receiver::{PATIENCE, Receiver, Reply, Request};
use crate::topic::{Notifying, Topic, notify, now, target};
use callpulse::stream::client::Connection;
use callpulse::time::{EventTime, Span};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// A while in which what is wrong would have come.
const A_WHILE: Duration = Duration::from_secs(2);

fn webhook(url: &str, more: &str) -> callpulse::notify::target::Target {
    target(&format!("kind = \"webhook\"\nurl = \"{url}\"\ngroup_wait = \"0s\"\nat_most = 100\n{more}"))
}

/// `id state` of the alerts of a request.
fn told(request: &Request) -> Vec<String> {
    let body = request.body();
    let alerts = body["alerts"].as_array().expect("alerts");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    alerts.iter().map(|alert| format!("{} {}", text(&alert["entity"]["id"]), text(&alert["state"]))).collect()
}

/// An alert of a queue that fires since so many seconds ago.
pub fn alert(id: &str, seconds_ago: i64) -> Value {
    firing("abandonment", id, now().minus(Span::from_secs(seconds_ago)))
}

/// Waits until a target is notified: what it is told first is of an alert that is not looked at.
fn is_up(topic: &Topic, receiver: &Receiver) {
    topic.tell(&[alert("up", 1000)]);
    assert_eq!(told(&receiver.next()), ["up firing"]);
}

#[test]
fn what_fails_is_sent_again_until_it_is_accepted_and_what_is_refused_is_not() {
    let topic = Topic::make("again");
    let replies = [
        Reply::Status(200, ""),
        Reply::Status(500, ""),
        Reply::Status(429, "retry-after: 1\r\n"),
        Reply::Cut,
        Reply::Status(200, ""),
        Reply::Status(404, ""),
    ];
    let receiver = Receiver::replying(move |at| replies.get(at).copied().unwrap_or(Reply::Status(204, "")));
    let _notifying = topic.notify(webhook(&receiver.url, ""), "a");
    is_up(&topic, &receiver);
    let a = alert("a", 60);
    topic.tell(std::slice::from_ref(&a));
    let sent: Vec<Request> = (0..4).map(|_| receiver.next()).collect();
    assert!(sent.iter().all(|request| told(request) == ["a firing"]));
    let ids: BTreeSet<&String> = sent.iter().map(|request| &request.headers["webhook-id"]).collect();
    assert_eq!(ids.len(), 1, "a message keeps its name");
    // 404: refused, and gone.
    topic.tell(&[resolved(a, now()), alert("b", 50)]);
    let mut rest = [told(&receiver.next()), told(&receiver.next())];
    rest.sort();
    assert_eq!(rest, [["a resolved"], ["b firing"]]);
    receiver.nothing_for(A_WHILE);
}

#[test]
fn what_was_not_accepted_for_long_is_left_aside() {
    let topic = Topic::make("old");
    let receiver = Receiver::replying(|at| if at == 1 { Reply::Status(503, "") } else { Reply::Status(200, "") });
    let mut target = webhook(&receiver.url, "");
    target.give_up_after = Span(0);
    let _notifying = topic.notify(target, "a");
    is_up(&topic, &receiver);
    topic.tell(&[alert("a", 60)]);
    assert_eq!(told(&receiver.next()), ["a firing"]);
    topic.tell(&[alert("b", 60)]);
    assert_eq!(told(&receiver.next()), ["b firing"]);
    receiver.nothing_for(A_WHILE);
}

#[test]
fn a_new_target_is_told_what_fires_and_nothing_of_what_is_over() {
    let topic = Topic::make("new");
    let (a, b) = (alert("a", 90), alert("b", 80));
    topic.tell(&[a.clone(), b, resolved(a, now())]);
    let receiver = Receiver::start();
    let first = topic.notify(webhook(&receiver.url, ""), "a");
    assert_eq!(told(&receiver.next()), ["b firing"]);
    drop(first);
    topic.tell(&[alert("c", 70)]);
    // One that comes back is told what it has not accepted.
    let _second = topic.notify(webhook(&receiver.url, ""), "a");
    assert_eq!(told(&receiver.next()), ["c firing"]);
    receiver.nothing_for(A_WHILE);
}

#[test]
fn who_hears_of_some_is_told_of_those() {
    let topic = Topic::make("some");
    let receiver = Receiver::start();
    let hears = "severities = [\"critical\"]\nrules = [\"abandonment\", \"w*\"]\ntenants = [\"default\"]";
    let settings = format!("kind = \"webhook\"\nurl = \"{}\"\ngroup_wait = \"0s\"\n{hears}", receiver.url);
    let text = format!(
        "[[alerts]]\nname = \"abandonment\"\nkpi = \"abandonment_rate\"\nwindow = \"30m\"\ntrigger = 0.1\n[[notify]]\nname = \"target\"\n{settings}"
    );
    let loaded = callpulse::config::read(&text, &BTreeMap::new()).unwrap_or_else(|faults| panic!("{faults:?}"));
    let _notifying = topic.notify(loaded.settings.notify[0].clone(), "a");
    is_up(&topic, &receiver);
    let mut others = [alert("severity", 1), alert("tenant", 2), alert("rule", 3)];
    others[0]["severity"] = "warning".into();
    others[1]["tenant"] = "other".into();
    others[2]["rule"] = "another".into();
    topic.tell(&others);
    topic.tell(&[alert("wanted", 4)]);
    assert_eq!(told(&receiver.next()), ["wanted firing"]);
    receiver.nothing_for(A_WHILE);
}

#[test]
fn what_ends_while_it_fires_has_resolved_and_what_is_repeated_is_no_news() {
    let topic = Topic::make("ends");
    let receiver = Receiver::start();
    let _notifying = topic.notify(webhook(&receiver.url, ""), "a");
    is_up(&topic, &receiver);
    let a = alert("a", 60);
    let mut older = resolved(a.clone(), now());
    older["version"] = 6.into();
    topic.tell(&[a.clone(), a.clone(), older]);
    assert_eq!(told(&receiver.next()), ["a firing"]);
    topic.end(&a);
    let last = receiver.next();
    assert_eq!(told(&last), ["a resolved"]);
    assert_eq!(last.body()["alerts"][0]["reason"], "rule_removed");
    receiver.nothing_for(A_WHILE);
}

#[test]
fn a_target_that_hangs_delays_no_other() {
    let topic = Topic::make("hangs");
    let (hanging, well) = (Receiver::replying(|_| Reply::Hang), Receiver::start());
    let mut other = webhook(&well.url, "");
    other.name = "well".to_owned();
    let _hangs = topic.notify(webhook(&hanging.url, ""), "a");
    let _well = topic.notify(other, "a");
    for id in ["a", "b", "c"] {
        topic.tell(&[alert(id, 60)]);
        assert_eq!(told(&well.next()), [format!("{id} firing")]);
    }
    assert_eq!(told(&hanging.next()), ["a firing"]);
}

#[test]
fn two_instances_share_the_work_and_one_takes_over_what_the_other_leaves() {
    let topic = Topic::make("shared");
    let receiver = Receiver::start();
    let first = topic.notify(webhook(&receiver.url, ""), "a");
    let _second = topic.notify(webhook(&receiver.url, ""), "b");
    let mut wanted = BTreeSet::new();
    let take = |wanted: &BTreeSet<String>| {
        let mut seen = BTreeSet::new();
        while seen != *wanted {
            for alert in told(&receiver.next()) {
                assert!(wanted.contains(&alert), "{alert} of {wanted:?}");
                seen.insert(alert);
            }
        }
    };
    for id in 0..20 {
        topic.tell(&[alert(&format!("q{id}"), 100 + id)]);
        wanted.insert(format!("q{id} firing"));
    }
    take(&wanted);
    drop(first);
    wanted.clear();
    for id in 20..40 {
        topic.tell(&[alert(&format!("q{id}"), 100 + id)]);
        wanted.insert(format!("q{id} firing"));
    }
    take(&wanted);
    receiver.nothing_for(A_WHILE);
}

#[test]
fn who_is_killed_between_acceptance_and_commit_sends_that_message_again_and_no_other() {
    let topic = Topic::make("between");
    let (give, children) = channel::<Child>();
    let children = std::sync::Mutex::new(children);
    // The second request kills who sent it, before the answer.
    let receiver = Receiver::replying(move |at| {
        if at == 1 {
            let mut child = children.lock().unwrap().recv_timeout(PATIENCE).expect("a child to kill");
            child.kill().expect("kill -9");
            child.wait().expect("its end");
        }
        Reply::Status(200, "")
    });
    let settings = webhook_settings(&receiver.url);
    give.send(child(&topic.name, &settings)).expect("a listener");
    is_up(&topic, &receiver);
    topic.tell(&[alert("a", 60)]);
    let first = receiver.next();
    let _second = Killable(child(&topic.name, &settings));
    let again = receiver.next();
    assert_eq!((told(&first), told(&again)), (vec!["a firing".to_owned()], vec!["a firing".to_owned()]));
    assert_eq!(first.headers["webhook-id"], again.headers["webhook-id"]);
    topic.tell(&[alert("b", 60)]);
    assert_eq!(told(&receiver.next()), ["b firing"]);
    receiver.nothing_for(A_WHILE);
}

fn webhook_settings(url: &str) -> String {
    format!("kind = \"webhook\"\nurl = \"{url}\"\ngroup_wait = \"0s\"")
}

/// A process of its own that notifies, killed when dropped.
pub struct Killable(pub Child);

impl Drop for Killable {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const CHILD: &str = "CALLPULSE_TEST_NOTIFIER";

pub fn child(topic: &str, settings: &str) -> Child {
    Command::new(env::current_exe().expect("this program"))
        .args(["--exact", "queue::notifies_until_killed", "--ignored", "--nocapture"])
        .env(CHILD, format!("{}|{topic}|{settings}", crate::kafka::shared().brokers))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child")
}

#[test]
#[ignore = "the process that other tests kill"]
fn notifies_until_killed() {
    // The pipe closes when the test that started this one is gone, however it went.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let given = env::var(CHILD).expect("what the test that starts this one says");
    let [brokers, topic, settings] = given.splitn(3, '|').collect::<Vec<_>>()[..] else { panic!("{given}") };
    let connection = Connection { brokers: brokers.to_owned(), ..Connection::default() };
    let notifying: Notifying = notify(connection, topic, target(settings), "a");
    notifying.wait();
}

/// A time that a record tells.
pub fn time(text: &Value) -> EventTime {
    EventTime::parse(text.as_str().expect("text")).expect("a time")
}
