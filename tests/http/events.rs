//! Server-sent events, read as browsers do (WHATWG HTML, 9.2.6), and a client that keeps what they tell.

use serde_json::Value;
use std::collections::BTreeMap;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub data: String,
    /// The last id told, up to and with this event.
    pub id: String,
}

/// Reads a stream as it comes.
#[derive(Default)]
pub struct Parser {
    rest: Vec<u8>,
    id: String,
    name: String,
    data: Vec<String>,
}

impl Parser {
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8(line).expect("UTF-8");
            let line = line.trim_end_matches('\n');
            assert!(!line.contains('\r'), "an end of line within a line: {line:?}");
            if line.is_empty() {
                let data = std::mem::take(&mut self.data);
                let name = std::mem::take(&mut self.name);
                if !data.is_empty() {
                    events.push(Event { name, data: data.join("\n"), id: self.id.clone() });
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.name),
                "data" => self.data.push(value.to_owned()),
                "id" => value.clone_into(&mut self.id),
                "retry" => assert!(value.parse::<u64>().is_ok(), "{line}"),
                _ => panic!("no field of a stream: {line:?}"),
            }
        }
        events
    }
}

/// What a client knows from a stream.
#[derive(Debug, Default)]
pub struct Client {
    /// By key, as told.
    pub records: BTreeMap<String, Value>,
    pub progress: BTreeMap<i64, Value>,
    /// Where it may resume; empty before that.
    pub id: String,
    pub is_live: bool,
    /// Records that the snapshot still owes.
    owed: i64,
    /// How many snapshots it was told.
    pub snapshots: usize,
    /// How many records.
    pub told: usize,
    /// How many events of alerts.
    pub alert_events: usize,
}

impl Client {
    pub fn take(&mut self, event: &Event) {
        let data: Value = serde_json::from_str(&event.data).expect("data is one JSON");
        assert!(!event.data.contains('\n'), "data is one line");
        self.id.clone_from(&event.id);
        match event.name.as_str() {
            "snapshot" => {
                self.records.clear();
                self.owed = data["records"].as_i64().expect("a number");
                self.is_live = false;
                self.snapshots += 1;
                assert_eq!(event.id, "", "what was known is void");
            }
            "kpi" => {
                self.owed -= 1;
                self.told += 1;
                self.records.insert(data["key"].as_str().expect("a key").to_owned(), data["record"].clone());
            }
            "end" => drop(self.records.remove(data["key"].as_str().expect("a key"))),
            "live" => {
                assert!(self.is_live || self.owed <= 0, "{} records are missing", self.owed);
                assert_ne!(event.id, "");
                self.is_live = true;
            }
            "progress" => drop(self.progress.insert(data["partition"].as_i64().expect("a partition"), data.clone())),
            "clock" => assert!(data["now"].as_str().is_some_and(|now| now.ends_with('Z')), "{data}"),
            "alerts" | "alert" | "alert_end" => self.alert_events += 1,
            other => panic!("unknown event {other}"),
        }
    }
}
