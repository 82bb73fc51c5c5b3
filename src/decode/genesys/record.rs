//! Record: one message of Genesys Cloud, whatever it is.
//!
//! ```text
//! {"topicName":"v2.users.{id}.presence","eventBody":{...}}           a notification
//! {"detail-type":"v2. ...","detail":{"topicName":...,"eventBody":...}}   the same by Amazon EventBridge
//! {"conversationId":...,"participants":[...]}                        a conversation detail record
//! {"conversations":[...]}                                            a page of them
//! ```
//!
//! Source: "Notification service", "Amazon EventBridge integration" and "Available topics" on developer.genesys.cloud.

use super::analytics::{Document, Participant};
use super::detail::Detail;
use super::user::{Presence, User};
use super::{conversation, participants};
use crate::decode::document::{Name, Scalar, missing, parse, text};
use crate::decode::draft::refuse;
use crate::decode::format::Given;
use crate::decode::slots::shortened;
use crate::event::{Decoded, Reason, Reject};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a record should be, for whoever wrote another one.
const WANTED: &str = "one message of Genesys Cloud";

/// The same of the body of a message.
const WANTED_BODY: &str = "eventBody, from whose beginning that is counted,";

/// Tells what a record holds.
pub fn decode(record: Given<'_>, each: &mut dyn FnMut(Decoded<'_>)) -> Result<(), Reject> {
    let text = text(record.bytes)?;
    let whole: Whole<'_> = parse(text, WANTED)?;
    if let Some(topic) = whole.topic() {
        return of_topic(topic, &whole, record, each);
    }
    let Whole { conversations, conversation_id, conversation_end, originating_direction, participants, .. } = whole;
    let (name, documents) = match (conversations, conversation_id) {
        (Some(page), _) => ("conversations", page),
        (None, id @ Some(_)) => {
            let one = Document { conversation_id: id, conversation_end, originating_direction, participants };
            ("conversation", vec![one])
        }
        (None, None) => {
            let sentence = "topicName and conversationId are missing; give a notification, an event of EventBridge or \
                            a conversation detail record";
            return Err(refuse(Reason::MissingField, sentence));
        }
    };
    let all = documents.iter().map(Document::conversation).collect::<Result<Vec<_>, Reject>>()?;
    let mut told = Vec::new();
    for one in &all {
        conversation::tell(one, &mut told)?;
    }
    give(name, told, each);
    Ok(())
}

/// A record of any kind, read once: of a message its body is left as it is written until its topic is known.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    #[serde(borrow)]
    topic_name: Option<Name<'a>>,
    #[serde(borrow)]
    event_body: Option<&'a RawValue>,
    #[serde(borrow, rename = "detail-type")]
    detail_type: Option<Name<'a>>,
    #[serde(borrow)]
    detail: Option<Inner<'a>>,
    #[serde(borrow)]
    conversations: Option<Vec<Document<'a>>>,
    #[serde(borrow)]
    conversation_id: Option<Name<'a>>,
    #[serde(borrow, default)]
    conversation_end: Scalar<'a>,
    #[serde(borrow)]
    originating_direction: Option<Name<'a>>,
    #[serde(borrow)]
    participants: Option<Vec<Participant<'a>>>,
}

/// A message within an event of EventBridge.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inner<'a> {
    #[serde(borrow)]
    topic_name: Option<Name<'a>>,
    #[serde(borrow)]
    event_body: Option<&'a RawValue>,
}

impl<'a> Whole<'a> {
    fn topic(&self) -> Option<&str> {
        let of_detail = self.detail.as_ref().and_then(|detail| detail.topic_name.as_ref());
        let name = self.topic_name.as_ref().or(of_detail).or(self.detail_type.as_ref())?;
        Some(&name.0).map(|name| &**name).filter(|name| !name.is_empty())
    }

    /// The body of a message, where the one or the other puts it.
    fn body<T: Deserialize<'a>>(&self, name: &str) -> Result<T, Reject> {
        let inner = self.detail.as_ref().and_then(|detail| detail.event_body);
        let body = self.event_body.or(inner).ok_or_else(|| missing(&shortened(name), "eventBody"))?;
        parse(body.get(), WANTED_BODY)
    }
}

/// Tells a message by its topic. What no KPI needs is left aside by the topic's name.
fn of_topic(
    topic: &str,
    whole: &Whole<'_>,
    record: Given<'_>,
    each: &mut dyn FnMut(Decoded<'_>),
) -> Result<(), Reject> {
    let name = plain_name(topic);
    let rest = topic.strip_prefix("v2.").unwrap_or(topic);
    if let Some((_, kind)) = rest.strip_prefix("detail.events.conversation.").and_then(|rest| rest.split_once('.')) {
        let detail: Detail<'_> = whole.body(&name)?;
        let mut told = Vec::new();
        detail.tell(kind, &mut told)?;
        give(&name, told, each);
        return Ok(());
    }
    let of_user = rest.strip_prefix("users.").and_then(|rest| rest.split_once('.'));
    let of_queue = rest.strip_prefix("routing.queues.").and_then(|rest| rest.split_once('.'));
    let Some((id, kind)) = of_user.or(of_queue) else {
        give(&name, Vec::new(), each);
        return Ok(());
    };
    if let Some(media) = kind.strip_prefix("conversations").and_then(media) {
        let document: participants::Document<'_> = whole.body(&name)?;
        let one = document.conversation(media)?;
        let mut told = Vec::new();
        conversation::tell(&one, &mut told)?;
        give(&name, told, each);
        return Ok(());
    }
    if of_user.is_none() || !matches!(kind, "presence" | "routingStatus" | "activity") {
        give(&name, Vec::new(), each);
        return Ok(());
    }
    if id.is_empty() || id == "{id}" {
        return Err(missing("topicName", "the id of a user"));
    }
    let mut told = Vec::new();
    if kind == "presence" {
        let presence: Presence<'_> = whole.body(&name)?;
        presence.tell(id, record.logged, &mut told)?;
        give(&name, told, each);
    } else {
        let user: User<'_> = whole.body(&name)?;
        match kind {
            "routingStatus" => user.tell_routing(id, record.logged, &mut told)?,
            _ => user.tell_activity(id, record.logged, &mut told)?,
        }
        give(&name, told, each);
    }
    Ok(())
}

/// Gives what was told, or leaves the record aside by its name.
fn give(name: &str, told: Vec<Decoded<'_>>, each: &mut dyn FnMut(Decoded<'_>)) {
    if told.is_empty() {
        each(Decoded::Unknown { kind: name.into() });
    }
    told.into_iter().for_each(each);
}

/// The media of a topic of conversations by what follows that word: none for all of them. Without any it is another
/// topic, or one of media that go beside a conversation.
fn media(rest: &str) -> Option<Option<&'static str>> {
    match rest {
        "" => Some(None),
        ".calls" => Some(Some("voice")),
        ".callbacks" => Some(Some("callback")),
        ".chats" => Some(Some("chat")),
        ".emails" => Some(Some("email")),
        ".messages" => Some(Some("message")),
        _ => None,
    }
}

/// The topic without its ids, so that few names are counted: what follows the word for a thing that has one, and in
/// other topics what looks like one.
fn plain_name(topic: &str) -> String {
    const PARTS_MAX: usize = 12;
    let looks_like_id =
        |part: &str| 24 < part.len() || 8 <= part.len() && part.bytes().any(|byte| byte.is_ascii_digit());
    let mut is_next_id = false;
    let parts = topic.split('.').take(PARTS_MAX).map(|part| {
        let is_id = std::mem::replace(&mut is_next_id, matches!(part, "conversation" | "users" | "queues"));
        if is_id || looks_like_id(part) { "{id}" } else { part }
    });
    parts.collect::<Vec<&str>>().join(".")
}
