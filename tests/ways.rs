//! The ways into Kafka that docs/operations.md shows: what each makes of what its source says is what a decoder reads, and
//! the record key it names brings together what belongs together.

#[path = "support/samples.rs"]
#[expect(dead_code, reason = "settings are those of the format here")]
mod samples;
#[path = "support/told.rs"]
mod told;

use callpulse::decode::format::{Decoder, Format};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use told::told;

/// All events of a call come under one record key. Those of agents may come under any.
#[track_caller]
fn come_together(format: Format, names: &[&str], key: impl Fn(&[u8]) -> Option<String>) {
    let decoder = Decoder::from(format);
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    let mut count = 0;
    for sample in samples::samples(format.into()) {
        let name = sample.file_stem().expect("a name").to_string_lossy();
        if !names.contains(&&*name) {
            continue;
        }
        for record in samples::records(&sample, &decoder) {
            let told = told(&decoder, record.as_slice());
            told.is_sound();
            for event in &told.events {
                let event: Value = serde_json::from_str(event).expect("an event");
                let Some(call) = event["call_id"].as_str() else { continue };
                let key = key(&record).unwrap_or_else(|| panic!("{name}: {event} comes under no key"));
                let known = keys.entry(format!("{name}: {call}")).or_insert_with(|| key.clone());
                assert_eq!(*known, key, "{name}: {event}");
                count += 1;
            }
        }
    }
    assert!(keys.len() < count, "{count} events of {} calls", keys.len());
}

/// The text at a path such as `detail.contactId`.
fn at(record: &[u8], path: &str) -> Option<String> {
    let record: Value = serde_json::from_slice(record).ok()?;
    let found = path.split('.').fold(&record, |value, name| match name.parse::<usize>() {
        Ok(place) => &value[place],
        Err(_) => &value[name],
    });
    found.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[test]
fn lines_of_the_queue_log_come_under_their_second_field_else_the_fourth() {
    come_together(Format::QueueLog, &["answered", "unanswered", "transfers", "turned_away", "agents"], |line| {
        let line = String::from_utf8_lossy(line);
        let fields: Vec<&str> = line.split('|').collect();
        let field = if fields.get(1) == Some(&"NONE") { fields.get(3) } else { fields.get(1) };
        field.map(|field| (*field).to_owned())
    });
}

#[test]
fn events_of_amazon_connect_come_under_the_contact() {
    let names = ["inbound", "left", "legs", "reasons", "methods", "outbound_and_channels"];
    come_together(Format::AmazonConnectContact, &names, |record| {
        ["detail.contactId", "detail.ContactId", "contactId", "ContactId"].iter().find_map(|path| at(record, path))
    });
    come_together(Format::AmazonConnectCtr, &["corrected", "handled", "left"], |record| at(record, "ContactId"));
}

#[test]
fn events_of_genesys_come_under_the_conversation() {
    let of_body = |record: &[u8], name: &str| {
        at(record, &format!("detail.eventBody.{name}")).or_else(|| at(record, &format!("eventBody.{name}")))
    };
    come_together(Format::GenesysCloud, &["detail"], |record| of_body(record, "conversationId"));
    come_together(Format::GenesysCloud, &["participants", "media_topics"], |record| of_body(record, "id"));
}

#[test]
fn events_of_twilio_come_under_the_task() {
    come_together(Format::TwilioTaskrouter, &["same_instant", "event_streams"], |record| {
        // Of a batch, as the webhook sink writes it, the first event's.
        let paths = ["TaskSid", "data.payload.task_sid", "0.data.payload.task_sid"];
        paths.iter().find_map(|path| at(record, path))
    });
}

/// The bridge of docs/examples, between a manager that plays a sample and the file it writes.
#[test]
fn the_bridge_of_the_manual_writes_what_the_manager_says() {
    let decoder = Decoder::from(Format::AsteriskAmi);
    let samples = samples::samples(Format::AsteriskAmi.into());
    let texts: Vec<Vec<u8>> = samples
        .iter()
        .flat_map(|sample| samples::records(sample, &decoder))
        .filter(|record| record.starts_with(b"Event: ") && told(&decoder, record.as_slice()).refused.is_none())
        .collect();
    assert!(20 < texts.len());
    let played: Vec<u8> = texts.iter().flat_map(|text| as_sent(text)).collect();

    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: the bridge needs python3, which is not here");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let file = std::env::temp_dir().join(format!("callpulse-{}-ami.jsonl", std::process::id()));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/ami_bridge.py");
    let mut bridge = Command::new("python3");
    bridge.args([script, "--host", "127.0.0.1", "--port", &port, "--user", "callpulse"]).arg(&file);
    let bridge = bridge.env("AMI_SECRET", "s3cret").stderr(Stdio::piped()).spawn().expect("python3 starts");

    let (mut manager, _) = listener.accept().expect("the bridge connects");
    let mut asked = BufReader::new(manager.try_clone().expect("the connection"));
    manager.write_all(b"Asterisk Call Manager/7.0.3\r\n").expect("sent");
    assert_eq!(read_action(&mut asked), ["Action: Login", "Username: callpulse", "Secret: s3cret"]);
    manager.write_all(b"Response: Success\r\nMessage: Authentication accepted\r\n\r\n").expect("sent");
    assert_eq!(read_action(&mut asked), ["Action: QueueStatus"]);
    manager.write_all(b"Response: Success\r\nEventList: start\r\n\r\n").expect("sent");
    manager.write_all(&played).expect("sent");
    drop((manager, asked));

    let ended = bridge.wait_with_output().expect("the bridge ends");
    let written = fs::read(&file).expect("what it wrote");
    let _ = fs::remove_file(&file);
    assert_eq!(String::from_utf8_lossy(&ended.stderr).trim_end(), "the manager closed the connection");
    let lines: Vec<&[u8]> = written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), texts.len());
    for (line, text) in lines.into_iter().zip(&texts) {
        let (written, said) = (told(&decoder, line), told(&decoder, text.as_slice()));
        assert_eq!((written.events, written.aside), (said.events, said.aside), "{}", String::from_utf8_lossy(line));
    }
}

/// A message as the manager sends it.
fn as_sent(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(|line| format!("{}\r\n", line.trim_end()));
    lines.chain(["\r\n".to_owned()]).collect::<String>().into_bytes()
}

/// The lines of an action up to the blank one.
fn read_action(asked: &mut impl BufRead) -> Vec<String> {
    let lines = asked.lines().map(|line| line.expect("text"));
    lines.take_while(|line| !line.is_empty()).collect()
}
