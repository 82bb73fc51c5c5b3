//! E-mail: letters as a mail server takes them, and what it may say to them.

use crate::alerts::{firing, resolved};
use crate::postmaster::{Postmaster, Replies, Tls, certificate};
use crate::topic::{Topic, now, target};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use callpulse::alert::record::AlertRecord;
use callpulse::notify::http::Answer;
use callpulse::notify::sending::Sender;
use callpulse::time::{EventTime, Span};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpListener;
use std::process::Command;

/// The settings of a target at a mail server, with `more` of them.
fn settings(address: &str, more: &str) -> String {
    format!(
        "kind = \"email\"\nurl = \"smtp://{address}\"\nfrom = \"Callpulse <callpulse@example.org>\"\n\
         to = [\"desk@example.org\", \"Bo <b@example.org>\"]\n{more}"
    )
}

fn sender(server: &Postmaster, more: &str) -> Sender {
    Sender::new(target(&settings(&server.address, more)))
}

fn alert(record: Value) -> AlertRecord {
    serde_json::from_value(record).expect("an alert")
}

/// When it began to fire, in milliseconds.
const BEGAN: EventTime = EventTime(1_772_439_330_000);

fn record(id: &str, number: i64) -> Value {
    firing("abandonment", id, EventTime(BEGAN.0 + number))
}

#[track_caller]
fn has(letter: &str, lines: &[&str]) {
    for line in lines {
        assert!(letter.lines().any(|have| have == *line), "{line}\n{letter}");
    }
}

/// The head of a letter with each field on one line.
fn head(letter: &str) -> String {
    letter.split("\r\n\r\n").next().expect("a head").replace("\r\n ", " ")
}

#[test]
fn a_letter_says_what_fires_and_what_resolved_is_a_reply_to_it() {
    let server = Postmaster::start(&[]);
    let sender = sender(&server, "");
    let (fires, over) = (alert(record("a", 0)), alert(resolved(record("a", 0), BEGAN.plus(Span::from_secs(1200)))));
    assert_eq!(sender.send(&[&fires], now()), Answer::Accepted { said: "SMTP 250 2.0.0 taken as 7".to_owned() });
    let session = server.next();
    let said: Vec<&str> = session.commands.iter().map(String::as_str).collect();
    let wanted = [
        "EHLO [127.0.0.1]",
        "MAIL FROM:<callpulse@example.org>",
        "RCPT TO:<desk@example.org>",
        "RCPT TO:<b@example.org>",
        "DATA",
        "QUIT",
    ];
    assert_eq!(said, wanted);
    let id = format!("<{}-firing@example.org>", fires.alert_id);
    has(
        &head(&session.letter),
        &[
            "From: Callpulse <callpulse@example.org>",
            "To: desk@example.org, Bo <b@example.org>",
            "Subject: FIRING critical: abandonment rate of Sales is 12.3 %",
            &format!("Message-ID: {id}"),
            "Auto-Submitted: auto-generated",
            "Content-Type: text/plain; charset=utf-8",
        ],
    );
    assert!(!session.letter.contains("References:") && !session.letter.contains("In-Reply-To:"), "{}", session.letter);
    let wanted = "FIRING critical: abandonment rate of Sales is 12.3 %\r\n\r\n37 of 301, more than 10 %\r\n\
                  since 2026-03-02 08:15 UTC\r\n\r\nRunbook: https://example.org/abandonment\r\n";
    let (_, text) = session.letter.split_once("\r\n\r\n").expect("a body");
    assert_eq!(text.trim_end(), wanted.trim_end());

    assert!(matches!(sender.send(&[&over], now()), Answer::Accepted { .. }));
    let letter = server.next().letter;
    let head = head(&letter);
    has(
        &head,
        &[
            "Subject: RESOLVED: abandonment rate of Sales is 12.3 %",
            &format!("Message-ID: <{}-resolved@example.org>", fires.alert_id),
            &format!("In-Reply-To: {id}"),
            &format!("References: {id}"),
        ],
    );
    has(&letter, &["2026-03-02 08:15 to 2026-03-02 08:35 UTC, cleared"]);
}

#[test]
fn letters_are_utf_8_and_no_name_in_them_has_a_meaning() {
    let server = Postmaster::start(&[]);
    let mut record = record("a", 0);
    record["title"] = json!("Büro\r\nBcc: all@example.org");
    record["text"] = json!("über 10 %\r\n.\r\nMAIL FROM:<x>\rRSET");
    assert!(matches!(sender(&server, "").send(&[&alert(record)], now()), Answer::Accepted { .. }));
    let session = server.next();
    assert_eq!(session.commands.len(), 6, "{:?}", session.commands);
    let head = head(&session.letter);
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    let subject = head.lines().find_map(|line| line.strip_prefix("Subject: FIRING critical: ")).expect("a subject");
    let encoded = subject.strip_prefix("=?utf-8?b?").and_then(|rest| rest.split_once("?="));
    let (encoded, rest) = encoded.unwrap_or_else(|| panic!("{subject}"));
    assert_eq!(STANDARD.decode(encoded).expect("base64"), "Büro".as_bytes());
    assert_eq!(rest, " Bcc: all@example.org");
    has(&session.letter, &["Content-Transfer-Encoding: quoted-printable", "=C3=BCber 10 %", ".", "MAIL FROM:<x> RSET"]);
}

/// Texts of which parts mean something in a letter, or are more than a line of it holds.
fn any_text() -> impl Strategy<Value = String> {
    let known = ["\r\n", "\r", "\n", ".", "\r\n.\r\n", "\r\nBcc: all@example.org\r\n", "=?utf-8?b?", "\0", " "];
    let part = prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        Just("x".repeat(1200)),
        "(?s).{0,20}",
        "[a-z ]{0,80}",
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_of_an_alert_changes_what_a_letter_is(title in any_text(), text in any_text(), rule in any_text()) {
        let server = Postmaster::start(&[]);
        let mut first = record("a", 0);
        first["title"] = json!(title);
        first["text"] = json!(text);
        first["rule"] = json!(rule);
        let sender = sender(&server, "");
        let (fires, over) = (alert(first.clone()), alert(resolved(first, now())));
        for alerts in [vec![&fires], vec![&over], vec![&fires, &fires]] {
            let answer = sender.send(&alerts, now());
            prop_assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
            let session = server.next();
            prop_assert_eq!(session.commands.len(), 6, "{:?}", session.commands);
            for line in session.letter.split_inclusive('\n') {
                let line = line.strip_suffix("\r\n");
                let is_line = |line: &str| line.len() <= 998 && line.bytes().all(|byte| matches!(byte, b' '..=b'~'));
                prop_assert!(line.is_some_and(is_line), "{line:?}");
            }
            let head = head(&session.letter);
            let names = [
                "From", "To", "Subject", "Message-ID", "References", "In-Reply-To", "Auto-Submitted", "Date",
                "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
            ];
            for line in head.lines() {
                let name = line.split(": ").next().unwrap_or_default();
                prop_assert!(names.contains(&name), "{line}");
            }
        }
    }
}

#[test]
fn a_group_is_one_letter_that_stands_with_those_of_its_alerts() {
    let server = Postmaster::start(&[]);
    let sender = sender(&server, "");
    let alerts: Vec<AlertRecord> = (0..7).map(|at| alert(record(&format!("q{at}"), at))).collect();
    let ids: Vec<String> = alerts.iter().map(|alert| format!("<{}-firing@example.org>", alert.alert_id)).collect();
    let all: Vec<&AlertRecord> = alerts.iter().collect();
    assert!(matches!(sender.send(&all, now()), Answer::Accepted { .. }));
    let letter = server.next().letter;
    has(
        &head(&letter),
        &[
            "Subject: FIRING critical: abandonment, 7 alerts of tenant default",
            &format!("References: {}", ids.join(" ")),
        ],
    );
    has(&letter, &["and 2 more", "Runbook: https://example.org/abandonment"]);
    let over: Vec<AlertRecord> = [0, 1].map(|at| alert(resolved(record(&format!("q{at}"), at), now()))).into();
    assert!(matches!(sender.send(&[&over[0], &over[1]], now()), Answer::Accepted { .. }));
    let head = head(&server.next().letter);
    has(&head, &[&format!("In-Reply-To: {} {}", ids[0], ids[1]), &format!("References: {} {}", ids[0], ids[1])]);
}

#[test]
fn a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let login = ("EHLO", "250-test\r\n250 AUTH PLAIN LOGIN");
    // What it replies, and whether that is a refusal.
    let cases: [(Replies, Option<&str>); 11] = [
        (&[("greeting", "554 not for you")], Some("SMTP 554 not for you")),
        (&[("greeting", "421 later")], None),
        (&[("greeting", "")], None),
        (&[("AUTH", "535 5.7.8 who?")], Some("SMTP 535 5.7.8 who?")),
        (&[("AUTH", "454 later")], None),
        (&[("MAIL", "550 not from you")], Some("SMTP 550 not from you")),
        (&[("RCPT", "550 no such box")], Some("SMTP 550 no such box")),
        (&[("RCPT TO:<b", "550 no such box"), ("RCPT", "451 later")], None),
        (&[("letter", "554 spam")], Some("SMTP 554 spam")),
        (&[("letter", "452 full")], None),
        (&[("letter", "")], None),
    ];
    let fires = alert(record("a", 0));
    for (replies, refusal) in cases {
        let all: Vec<(&'static str, &'static str)> =
            replies.iter().copied().chain([login, ("AUTH", "235 well")]).collect();
        let server = Postmaster::start(all.leak());
        let answer = sender(&server, "username = 'callpulse'\npassword = 's3cr3t'").send(&[&fires], now());
        match (&answer, refusal) {
            (Answer::Refused { why }, Some(wanted)) => assert_eq!(why, wanted),
            (Answer::Failed { why, asked: None }, None) => assert!(!why.is_empty()),
            _ => panic!("{replies:?} {answer:?}"),
        }
        assert!(!format!("{answer:?}").contains("s3cr3t"), "{answer:?}");
    }
    let nobody = Sender::new(target(&settings("127.0.0.1:1", ""))).send(&[&fires], now());
    assert!(matches!(&nobody, Answer::Failed { why, .. } if why.contains("refused")), "{nobody:?}");
}

#[test]
fn one_recipient_who_is_refused_keeps_no_other_from_hearing() {
    let server = Postmaster::start(&[("RCPT TO:<desk", "550 no such box")]);
    let said = "SMTP 250 2.0.0 taken as 7; not for desk@example.org: SMTP 550 no such box".to_owned();
    assert_eq!(sender(&server, "").send(&[&alert(record("a", 0))], now()), Answer::Accepted { said });
    assert!(server.next().letter.contains("Subject: FIRING"));
}

#[test]
fn a_server_that_says_nothing_holds_one_connection_at_most() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let sender = Sender::new(target(&settings(&address, "").replace("smtp://", "smtps://")));
    for _ in 0..2 {
        let answer = sender.send(&[&alert(record("a", 0))], now());
        assert_eq!(answer, Answer::Failed { why: "no answer in time".to_owned(), asked: None });
    }
    listener.accept().expect("a connection");
    listener.set_nonblocking(true).expect("a listener");
    assert!(listener.accept().is_err(), "a second connection");
}

#[test]
fn a_server_that_offers_no_tls_where_it_has_to_is_told_nothing() {
    let server = Postmaster::start(&[("EHLO", "250-test\r\n250 AUTH PLAIN")]);
    let more = "starttls = true\nusername = 'callpulse'\npassword = 's3cr3t'";
    let answer = sender(&server, more).send(&[&alert(record("a", 0))], now());
    assert!(matches!(&answer, Answer::Failed { why, .. } if why.contains("STARTTLS")), "{answer:?}");
    let commands = server.next().commands;
    assert!(commands.iter().all(|said| said.starts_with("EHLO") || said == "QUIT"), "{commands:?}");
}

#[test]
fn names_and_letters_go_over_tls_that_is_trusted_only() {
    let (pem, acceptor) = certificate();
    let at = |name: &str| std::env::temp_dir().join(crate::kafka::unique(name));
    let (trusted, file) = (at("mail.pem"), at("mail.toml"));
    std::fs::File::create(&trusted).and_then(|mut file| file.write_all(&pem)).expect("a certificate");
    for is_tls_from_start in [false, true] {
        let replies: Replies = &[("EHLO", "250-test\r\n250-STARTTLS\r\n250 AUTH PLAIN"), ("AUTH", "235 well")];
        let tls = if is_tls_from_start { Tls::FromStart } else { Tls::OnDemand };
        let server = Postmaster::replying(tls(acceptor.clone()), move |_| replies);
        let mut text = settings(&server.address, "username = 'callpulse'\npassword = 's3cr3t'\n");
        text += "name = 'desk'\n";
        match is_tls_from_start {
            true => text = text.replace("smtp://", "smtps://"),
            false => text += "starttls = true\n",
        }
        std::fs::write(&file, format!("[[notify]]\n{text}")).expect("the settings");
        let send = |trusted: &std::path::Path| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_callpulse"));
            command.args(["alerts", "send-test", "--config"]).arg(&file).env("SSL_CERT_FILE", trusted);
            let output = command.output().expect("an end");
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        };
        assert_eq!(send(&trusted), "desk: accepted, SMTP 250 2.0.0 taken as 7\n");
        let session = server.next();
        let begin = session.commands.iter().position(|said| said == "(TLS)");
        assert_eq!(begin, (!is_tls_from_start).then_some(2), "{:?}", session.commands);
        let login = session.commands.iter().find_map(|said| said.strip_prefix("AUTH PLAIN ")).expect("a login");
        assert_eq!(STANDARD.decode(login).expect("base64"), b"\0callpulse\0s3cr3t");
        has(&head(&session.letter), &["Subject: FIRING info: a test of notifications; nothing is wrong"]);
        let said = send(&file);
        assert!(said.starts_with("desk: failed, ") && said.contains("certificate"), "{said}");
        assert!(!said.contains("s3cr3t"), "{said}");
        let session = server.next();
        assert!(session.letter.is_empty() && !session.commands.iter().any(|said| said.starts_with("AUTH")));
    }
    for path in [trusted, file] {
        std::fs::remove_file(path).expect("a file to go");
    }
}

#[test]
fn what_the_topic_tells_is_mailed_until_it_is_taken() {
    let topic = Topic::make("mail");
    let reply = |count: usize| -> Replies { if count == 0 { &[("letter", "451 later")] } else { &[] } };
    let server = Postmaster::replying(Tls::Never, reply);
    let record = firing("abandonment", "a", now());
    topic.tell(std::slice::from_ref(&record));
    let _notifying = topic.notify(target(&settings(&server.address, "group_wait = \"0s\"")), "a");
    let id = |letter: &str| head(letter).lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned);
    let (first, again) = (server.next().letter, server.next().letter);
    assert!(id(&first).is_some() && id(&first) == id(&again), "{first}\n{again}");
    topic.tell(&[resolved(record, now())]);
    assert!(server.next().letter.contains("Subject: RESOLVED"));
}
