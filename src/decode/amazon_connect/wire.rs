//! Wire: what the records of Amazon Connect have in common, and how the events of one are told together.

use crate::decode::draft::{Draft, refuse};
use crate::decode::json::text_of;
use crate::decode::slots::shortened;
use crate::event::{Decoded, Reason, Reject, Text};
use crate::time::{EventTime, Span};
use serde::Deserialize;
use std::borrow::Cow;

/// What lies further back than this from the instant a record is of was told by a record of its own, and is not
/// told again: a status that lasts for days would be late with every heartbeat.
pub(super) const TOLD_AGAIN: Span = Span::from_hours(12);

/// What stands where an instant is not set, in milliseconds.
const NOT_SET: i64 = 1;

/// A text, borrowed wherever it holds no escape.
#[derive(Clone, Deserialize)]
pub(super) struct Word<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// The events of one record. They are told when all of them are known to be good.
pub(super) struct Telling<'a> {
    events: Vec<(EventTime, Decoded<'a>)>,
}

/// Most records tell no more events than this.
const EVENTS: usize = 2;

impl<'a> Telling<'a> {
    pub(super) fn new() -> Telling<'a> {
        Telling { events: Vec::with_capacity(EVENTS) }
    }

    pub(super) fn add(&mut self, at: EventTime, draft: Draft<'a>) -> Result<(), Reject> {
        self.events.push((at, draft.event()?));
        Ok(())
    }

    /// Tells the events in the order of time, each once; a record without any is left aside by a name.
    pub(super) fn tell(mut self, name: Text<'a>, each: &mut dyn FnMut(Decoded<'_>)) {
        if self.events.is_empty() {
            return each(Decoded::Unknown { kind: name });
        }
        self.events.sort_by_key(|(at, _)| *at);
        self.events.dedup();
        self.events.into_iter().for_each(|(_, event)| each(event));
    }
}

/// The object in a record.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Reject> {
    let text = text_of(bytes)?.trim_ascii();
    if text.is_empty() {
        return Err(refuse(Reason::MalformedJson, "record is empty; give one JSON object"));
    }
    if !text.starts_with('{') {
        return Err(refuse(Reason::MalformedJson, "record is no JSON object; give one JSON object a record"));
    }
    serde_json::from_str(text).map_err(|error| {
        let what: String = error.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
        if error.is_data() {
            refuse(Reason::BadValue, format!("a field is not as Amazon Connect writes it: {what}"))
        } else {
            refuse(
                Reason::MalformedJson,
                format!("record is no JSON: {what}; give one JSON object and nothing after it"),
            )
        }
    })
}

/// An instant; none where it is absent, empty or stands for not being set.
pub(super) fn time(word: Option<&Word<'_>>, name: &str) -> Result<Option<EventTime>, Reject> {
    let Some(Word(text)) = word.filter(|word| !word.0.is_empty()) else { return Ok(None) };
    match EventTime::parse(text) {
        Some(time) if time.0 <= NOT_SET => Ok(None),
        Some(time) => Ok(Some(time)),
        None => {
            let sentence = format!("{name} is {}; give RFC 3339 such as \"2026-03-02T08:15:30.120Z\"", shortened(text));
            Err(refuse(Reason::BadTime, sentence))
        }
    }
}

/// The reject of a field that a record cannot do without.
pub(super) fn missing(name: &str, of: &str) -> Reject {
    refuse(Reason::MissingField, format!("{name} is missing; {of} needs it"))
}

/// A text that is there and not empty.
pub(super) fn text<'a>(word: Option<&Word<'a>>) -> Option<Text<'a>> {
    word.map(|word| word.0.clone()).filter(|text| !text.is_empty())
}

/// The id at the end of an agent's ARN.
pub(super) fn agent_id<'a>(arn: Option<&Word<'a>>) -> Option<Text<'a>> {
    after(arn, "/")
}

/// The id at the end of a queue's ARN; `agent/` and the agent's id for an agent's own queue.
pub(super) fn queue_id<'a>(arn: Option<&Word<'a>>) -> Option<Text<'a>> {
    after(arn, "/queue/")
}

/// What stands after the last `mark`; the whole where there is none.
fn after<'a>(arn: Option<&Word<'a>>, mark: &str) -> Option<Text<'a>> {
    let Word(arn) = arn?;
    let end = |arn: &str| arn.rfind(mark).map_or(0, |at| at + mark.len());
    let id = match arn {
        Cow::Borrowed(arn) => Cow::Borrowed(arn.get(end(arn)..)?),
        Cow::Owned(arn) => Cow::Owned(arn.get(end(arn)..)?.to_owned()),
    };
    (!id.is_empty()).then_some(id)
}
