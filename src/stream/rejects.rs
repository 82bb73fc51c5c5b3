//! Rejects: records that could not be used, as they are written to their topic.

use super::stage::{Input, OutRecord, Output, Record};
use crate::event::Reject;
use std::sync::Arc;

/// What goes along of a value and of a key. A source may hold records larger than any we can write.
const VALUE_BYTES_MAX: usize = 900_000;
const KEY_BYTES_MAX: usize = 10_000;

/// The reject, with value and key as they came. What is cut has its length told in a header.
pub fn record(topic: &Arc<str>, input: &Input, record: Record<'_>, reject: &Reject) -> OutRecord {
    let mut headers = vec![
        ("reason", reject.reason.word().into()),
        ("sentence", reject.sentence.clone().into_bytes()),
        ("source_topic", input.topic.as_bytes().to_vec()),
        ("source_partition", input.partition.to_string().into_bytes()),
        ("source_offset", record.offset.to_string().into_bytes()),
    ];
    let mut cut = |bytes: Option<&[u8]>, max: usize, header| {
        let bytes = bytes?;
        if max < bytes.len() {
            headers.push((header, bytes.len().to_string().into_bytes()));
        }
        Some(bytes[..bytes.len().min(max)].to_vec())
    };
    let key = cut(record.key, KEY_BYTES_MAX, "key_bytes");
    let value = cut(record.value, VALUE_BYTES_MAX, "value_bytes");
    OutRecord { to: Output::Topic { topic: topic.clone(), partition: None }, key, value, headers, timestamp: None }
}
