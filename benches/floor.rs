//! The floor: what anyone pays who reads such events. A record is parsed into borrowed fields by serde
//! and thrown away.

use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    event_id: Option<Cow<'a, str>>,
    seq: Option<i64>,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tenant: Option<Cow<'a, str>>,
    #[serde(borrow)]
    call_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow)]
    customer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    queue: Option<Cow<'a, str>>,
    #[serde(borrow)]
    agent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
}

/// Parses a record. The answer depends on every field, so that none is optimised away.
pub fn parse(record: &[u8]) -> usize {
    let fields: Fields<'_> = serde_json::from_slice(record).expect("an event");
    let optional = [
        &fields.event_id,
        &fields.source,
        &fields.tenant,
        &fields.call_id,
        &fields.channel,
        &fields.customer,
        &fields.queue,
        &fields.agent,
        &fields.reason,
    ];
    let lengths = optional.iter().filter_map(|field| field.as_deref()).map(str::len).sum::<usize>();
    lengths + fields.kind.len() + fields.time.len() + fields.seq.unwrap_or(0) as usize
}
