//! Frames: board and alerts in words of server-sent events. Each event is whole and its data one line of JSON.
//!
//! ```text
//! id: 5be0cd19137e2179.1763836800000.0-123
//! event: kpi
//! data: {"key":"default|queue|sales|now","record":{...}}
//!
//! ```

use crate::serve::board::{Known, Progress};
use crate::serve::parts::Parts;
use serde_json::json;
use std::borrow::Cow;

/// The position of whoever has read the event whose lines follow.
pub fn id(position: &str, out: &mut Vec<u8>) {
    line("id: ", position.as_bytes(), out);
}

/// A key's latest record, or that it ended.
pub fn latest(known: &Known, parts: Option<&Parts>, out: &mut Vec<u8>) {
    let Some(record) = &known.json else {
        return event("end", json!({ "key": &*known.key }).to_string().as_bytes(), out);
    };
    let record = parts.map_or(Cow::Borrowed(&record[..]), |parts| parts.narrow(record));
    of_record("kpi", &known.key, &record, out);
}

/// So many alerts follow. What the client had of them is void.
pub fn alerts(count: usize, out: &mut Vec<u8>) {
    event("alerts", json!({ "alerts": count }).to_string().as_bytes(), out);
}

/// An alert's newest record.
pub fn alert(key: &str, record: &[u8], out: &mut Vec<u8>) {
    of_record("alert", key, record, out);
}

/// There is nothing more of an alert.
pub fn alert_ended(key: &str, out: &mut Vec<u8>) {
    event("alert_end", json!({ "key": key }).to_string().as_bytes(), out);
}

/// How far the engine is in a partition.
pub fn progress(partition: i32, progress: &Progress, out: &mut Vec<u8>) {
    let Progress { as_of, behind_ms, silent, .. } = progress;
    let data = json!({ "partition": partition, "as_of": as_of, "behind_ms": behind_ms, "silent": silent });
    event("progress", data.to_string().as_bytes(), out);
}

/// So many records follow. What the client had is void, its position too.
pub fn snapshot(records: usize, out: &mut Vec<u8>) {
    id("", out);
    event("snapshot", json!({ "records": records }).to_string().as_bytes(), out);
}

/// Nothing is missing.
pub fn live(position: &str, out: &mut Vec<u8>) {
    id(position, out);
    event("live", b"{}", out);
}

pub fn clock(now: &str, out: &mut Vec<u8>) {
    event("clock", json!({ "now": now }).to_string().as_bytes(), out);
}

/// After how long a client that was cut off comes back.
pub fn retry(milliseconds: u64, out: &mut Vec<u8>) {
    line("retry: ", milliseconds.to_string().as_bytes(), out);
    out.push(b'\n');
}

fn of_record(name: &str, key: &str, record: &[u8], out: &mut Vec<u8>) {
    line("event: ", name.as_bytes(), out);
    out.extend_from_slice(b"data: {\"key\":");
    // Writing to a Vec does not fail.
    let _ = serde_json::to_writer(&mut *out, key);
    out.extend_from_slice(b",\"record\":");
    on_one_line(record, out);
    out.extend_from_slice(b"}\n\n");
}

fn event(name: &str, data: &[u8], out: &mut Vec<u8>) {
    line("event: ", name.as_bytes(), out);
    line("data: ", data, out);
    out.push(b'\n');
}

fn line(field: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// In JSON an end of line stands between tokens only, where a blank is as good.
fn on_one_line(json: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend_from_slice(json);
    for byte in &mut out[begin..] {
        if matches!(*byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}
