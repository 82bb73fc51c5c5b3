//! The reject record: what could not be used, as it came, with why and where it stood.

use super::stage::{Input, OutRecord, Output, Record};
use crate::event::Reject;
use std::sync::Arc;

/// The record for the topic of rejects. Its key and value are those of the input.
pub fn record(topic: &Arc<str>, input: &Input, record: Record<'_>, reject: &Reject) -> OutRecord {
    let headers = vec![
        ("reason", reject.reason.word().into()),
        ("sentence", reject.sentence.clone().into_bytes()),
        ("source_topic", input.topic.as_bytes().to_vec()),
        ("source_partition", input.partition.to_string().into_bytes()),
        ("source_offset", record.offset.to_string().into_bytes()),
    ];
    OutRecord {
        to: Output::Topic { topic: topic.clone(), partition: None },
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers,
        timestamp: None,
    }
}
