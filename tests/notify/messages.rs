//! What each kind of target is sent.

use crate::alerts::{firing, resolved};
use crate::receiver::{Receiver, Reply};
use crate::topic::{Topic, now, target};
use callpulse::alert::record::AlertRecord;
use callpulse::notify::http::Answer;
use callpulse::notify::sending::Sender;
use callpulse::notify::target::Target;
use callpulse::time::{EventTime, Span};
use serde_json::{Value, json};
use std::process::Command;

fn alert(id: &str, value: f64) -> AlertRecord {
    let mut record = firing("abandonment", id, EventTime::parse("2026-03-02T08:15:30Z").expect("a time"));
    record["value"] = json!(value);
    record["title"] = json!(format!("{value} of <{id}> & co"));
    serde_json::from_value(record).expect("an alert")
}

/// The body that a target is sent.
fn sent(target: Target, receiver: &Receiver, alerts: &[AlertRecord]) -> Value {
    let alerts: Vec<&AlertRecord> = alerts.iter().collect();
    let answer = Sender::new(target).send(&alerts, now());
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
    receiver.next().body()
}

fn chat(kind: &str, receiver: &Receiver) -> Target {
    target(&format!("kind = \"{kind}\"\nurl = \"{}\"", receiver.url))
}

fn plain_text(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

#[test]
fn slack_is_sent_a_coloured_message_in_which_no_name_has_a_meaning() {
    let receiver = Receiver::start();
    for id in ["!channel", "*bold*", "_x_", "~x~", "`x`", "@U012AB3CD", "https://example.org|click", ":fire:"] {
        let alert = AlertRecord { text: format!("37 of 301 of <{id}>"), ..alert(id, 0.25) };
        let body = sent(chat("slack", &receiver), &receiver, &[alert]);
        let wanted = json!({ "attachments": [{
            "color": "#c1121f",
            "fallback": format!("FIRING critical: 0.25 of &lt;{id}&gt; &amp; co"),
            "blocks": [
                { "type": "header", "text": plain_text(&format!("FIRING critical: 0.25 of <{id}> & co")) },
                { "type": "section", "text": plain_text(&format!("37 of 301 of <{id}>\nsince 2026-03-02 08:15 UTC")) },
                { "type": "section", "text": { "type": "mrkdwn", "text": "<https://example.org/abandonment|Runbook>" } },
            ],
        }] });
        assert_eq!(body, wanted);
    }
}

#[test]
fn what_is_too_long_for_a_header_of_slack_is_told_below_it() {
    let receiver = Receiver::start();
    let body = sent(chat("slack", &receiver), &receiver, &[alert(&"ő".repeat(150), 0.25)]);
    let text = |block: usize| body["attachments"][0]["blocks"][block]["text"]["text"].as_str().expect("a text");
    assert_eq!((text(0).chars().count(), text(0).ends_with("ő…")), (150, true));
    let whole = format!("FIRING critical: 0.25 of <{}> & co", "ő".repeat(150));
    assert_eq!(text(1).lines().next(), Some(whole.as_str()));
}

#[test]
fn a_runbook_that_is_no_page_is_a_line_and_what_is_too_long_for_slack_no_link() {
    let receiver = Receiver::start();
    let path = AlertRecord {
        runbook_url: Some("docs/alerts.md#engine_behind".into()),
        panel_url: Some(format!("https://example.org/{}", "x".repeat(2_000))),
        ..alert("a", 0.25)
    };
    for count in [1, 2] {
        let alerts = vec![path.clone(); count];
        for kind in ["slack", "teams"] {
            let body = sent(chat(kind, &receiver), &receiver, &alerts).to_string();
            assert!(body.contains("Runbook: docs/alerts.md#engine_behind"), "{body}");
            assert!(!body.contains("<docs/") && !body.contains("\"url\":\"docs/"), "{body}");
            assert_eq!(body.contains("xxx"), kind == "teams" && count == 1, "{body}");
        }
    }
}

#[test]
fn what_is_only_told_is_blue_and_not_the_green_of_what_is_over() {
    let receiver = Receiver::start();
    let told = AlertRecord { severity: "info".into(), ..alert("a", 0.25) };
    let slack = sent(chat("slack", &receiver), &receiver, std::slice::from_ref(&told));
    assert_eq!(slack["attachments"][0]["color"], "#3a7ca5");
    let teams = sent(chat("teams", &receiver), &receiver, &[told]);
    assert_eq!(teams["attachments"][0]["content"]["body"][0]["inlines"][0]["color"], "accent");
}

#[test]
fn teams_is_sent_an_adaptive_card() {
    let receiver = Receiver::start();
    let over = resolved(serde_json::to_value(alert("a", 0.25)).expect("JSON"), EventTime(1_772_440_530_000));
    let over: AlertRecord = serde_json::from_value(over).expect("an alert");
    let body = sent(chat("teams", &receiver), &receiver, &[over]);
    assert_eq!(body["type"], "message");
    let attachment = &body["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachment["content"];
    assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
    let lines: Vec<&Value> =
        card["body"].as_array().expect("rows").iter().map(|row| &row["inlines"][0]["text"]).collect();
    let wanted = [
        "RESOLVED: 0.25 of <a> & co",
        "37 of 301, more than 10 %",
        "2026-03-02 08:15 to 2026-03-02 08:35 UTC, cleared",
    ];
    assert_eq!(lines, wanted);
    // A `TextBlock` would read markdown.
    let kinds = card["body"].as_array().expect("rows").iter().map(|row| (&row["type"], &row["inlines"][0]["type"]));
    assert!(kinds.clone().all(|kinds| kinds == (&json!("RichTextBlock"), &json!("TextRun"))), "{card}");
    assert_eq!(card["body"][0]["inlines"][0]["color"], "good");
    assert_eq!(card["actions"][0]["url"], "https://example.org/abandonment");
}

#[test]
fn of_many_alerts_the_worst_are_told_and_how_many_there_are() {
    let receiver = Receiver::start();
    let alerts: Vec<AlertRecord> = (0..8).map(|at| alert(&format!("q{at}"), 0.1 * f64::from(at))).collect();
    let body = sent(chat("slack", &receiver), &receiver, &alerts);
    let text = |block: usize| body["attachments"][0]["blocks"][block]["text"]["text"].as_str().expect("text");
    assert_eq!(text(0), "FIRING critical: abandonment, 8 alerts of tenant default");
    let lines: Vec<&str> = text(1).lines().collect();
    let queues: Vec<&str> = lines[..5].iter().map(|line| line.split('<').nth(1).expect("a queue")).collect();
    assert_eq!(queues, ["q7> & co", "q6> & co", "q5> & co", "q4> & co", "q3> & co"]);
    assert_eq!(lines[5..], ["and 3 more"]);
}

#[test]
fn a_webhook_is_sent_the_records_and_a_bearer_token() {
    let receiver = Receiver::start();
    let secret = "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0";
    let settings =
        format!("kind = \"webhook\"\nurl = \"{}/hook?a=b\"\ntoken = \"t0ken\"\nsecret = \"{secret}\"", receiver.url);
    let alerts = [alert("a", 0.25), alert("b", 0.5)];
    let answer = Sender::new(target(&settings)).send(&[&alerts[0], &alerts[1]], EventTime(1_772_440_530_999));
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
    let request = receiver.next();
    let wanted = json!({
        "schema": "callpulse.notification.v1", "target": "target", "state": "firing", "rule": "abandonment",
        "tenant": "default", "severity": "critical", "count": 2, "alerts": alerts,
    });
    assert_eq!(request.body(), wanted);
    assert_eq!(request.path, "/hook?a=b");
    assert_eq!(request.headers["authorization"], "Bearer t0ken");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["webhook-timestamp"], "1772440530");
    assert!(request.headers["webhook-signature"].starts_with("v1,"));
}

#[test]
fn several_alertmanagers_are_all_told_and_one_that_accepts_is_enough() {
    let (down, up) = (Receiver::replying(|_| Reply::Status(503, "")), Receiver::start());
    let settings = format!("kind = \"alertmanager\"\nurls = [\"{}\", \"{}/am/\"]\ntoken = \"t0ken\"", down.url, up.url);
    let answer = Sender::new(target(&settings)).send(&[&alert("a", 0.25)], now());
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
    assert_eq!(down.next().path, "/api/v2/alerts");
    let request = up.next();
    assert_eq!(
        (request.path.as_str(), request.headers["authorization"].as_str()),
        ("/am/api/v2/alerts", "Bearer t0ken")
    );
}

#[test]
fn what_cannot_be_reached_says_why_and_never_where() {
    let settings = "kind = \"slack\"\nurl = \"http://127.0.0.1:1/s3cr3t\"";
    match Sender::new(target(settings)).send(&[&alert("a", 0.25)], now()) {
        Answer::Failed { why, asked: None } => assert!(!why.contains("s3cr3t") && !why.is_empty(), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn more_alerts_of_a_rule_than_at_most_become_one_message() {
    let topic = Topic::make("many");
    let receiver = Receiver::start();
    let at = |id: usize| firing("abandonment", &format!("q{id}"), now().minus(Span::from_secs(id as i64 + 1)));
    let records: Vec<Value> = (0..7).map(at).collect();
    topic.tell(&records);
    let settings = format!("kind = \"webhook\"\nurl = \"{}\"\ngroup_wait = \"3s\"\nat_most = 2", receiver.url);
    let _notifying = topic.notify(target(&settings), "a");
    assert_eq!(receiver.next().body()["count"], 7);
    let over: Vec<Value> = records.into_iter().take(2).map(|record| resolved(record, now())).collect();
    topic.tell(&over);
    assert_eq!([receiver.next(), receiver.next()].map(|request| request.body()["count"].clone()), [1, 1]);
}

#[test]
fn send_test_says_what_each_target_answers() {
    let (well, ill) = (Receiver::start(), Receiver::replying(|_| Reply::Status(403, "")));
    let path = std::env::temp_dir().join(crate::kafka::unique("send-test.toml"));
    let table = |name: &str, url: &str| {
        format!("[[notify]]\nname = \"{name}\"\nkind = \"slack\"\nurl = \"{url}\"\nseverities = [\"critical\"]\n")
    };
    let run = |settings: &str| {
        std::fs::write(&path, settings).expect("the settings");
        let mut command = Command::new(env!("CARGO_BIN_EXE_callpulse"));
        let output = command.args(["alerts", "send-test", "--config"]).arg(&path).output().expect("an end");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, _) = run(&table("well", &well.url));
    assert_eq!((code, out.as_str()), (Some(0), "well: accepted, HTTP 200 OK\n"));
    let headline = well.next().body()["attachments"][0]["fallback"].clone();
    assert_eq!(headline, "FIRING info: a test of notifications; nothing is wrong");
    let (code, out, err) = run(&(table("well", &well.url) + &table("ill", &ill.url)));
    assert_eq!((code, out.as_str()), (Some(1), "well: accepted, HTTP 200 OK\nill: refused, HTTP 403 Forbidden\n"));
    assert!(err.contains("1 of 2 targets did not accept"), "{err}");
    let (code, _, err) = run("");
    assert!(code == Some(2) && err.contains("[[notify]]"), "{err}");
    std::fs::remove_file(&path).expect("the settings to go");
}
