//! Whose numbers: queue, agent, team, tenant, or an agent within a queue.

use crate::event::Channel;
use std::fmt;
use std::sync::Arc;

/// What sort of thing an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    Queue,
    Agent,
    Team,
    Tenant,
    /// An agent's work within one queue; only where the settings ask for it.
    QueueAgent,
}

/// One entity. Its text form is the first part of every KPI key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    pub tenant: Arc<str>,
    pub kind: Kind,
    /// The id as the source wrote it; of a [`Kind::QueueAgent`] `queue/agent`, each part encoded.
    pub id: Arc<str>,
    /// Absent means all channels together.
    pub channel: Option<Channel>,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Queue, Kind::Agent, Kind::Team, Kind::Tenant, Kind::QueueAgent];

    /// The name in keys, records and settings.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Queue => "queue",
            Kind::Agent => "agent",
            Kind::Team => "team",
            Kind::Tenant => "tenant",
            Kind::QueueAgent => "queue_agent",
        }
    }

    pub fn from_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether the kind counts what enters a queue, not only what agents do.
    pub const fn has_visits(self) -> bool {
        matches!(self, Kind::Queue | Kind::Team | Kind::Tenant)
    }
}

impl Entity {
    /// The id of a [`Kind::QueueAgent`].
    pub fn queue_agent_id(queue: &str, agent: &str) -> String {
        format!("{}/{}", Encoded(queue), Encoded(agent))
    }

    /// Whether its volume is kept by the hour of the week.
    pub fn has_profile(&self) -> bool {
        self.channel.is_none() && matches!(self.kind, Kind::Queue | Kind::Tenant)
    }

    /// Queue and agent of a [`Kind::QueueAgent`], decoded; none of any other kind.
    pub fn queue_and_agent(&self) -> Option<(String, String)> {
        if self.kind != Kind::QueueAgent {
            return None;
        }
        let (queue, agent) = self.id.split_once('/')?;
        Some((decode(queue), decode(agent)))
    }
}

/// `tenant|kind|id`, each part encoded, and `;channel` where there is one.
impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}|", Encoded(&self.tenant), self.kind.word())?;
        match self.kind {
            Kind::QueueAgent => f.write_str(&self.id)?,
            _ => write!(f, "{}", Encoded(&self.id))?,
        }
        match self.channel {
            Some(channel) => write!(f, ";{}", channel.word()),
            None => Ok(()),
        }
    }
}

/// A part of a key: `%`, `|`, `/` and control characters percent-encoded, byte by byte. A `;` is
/// encoded too, so that an id cannot be taken for another id's channel.
pub struct Encoded<'a>(pub &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plain = 0;
        for (at, c) in self.0.char_indices() {
            if matches!(c, '%' | '|' | '/' | ';') || c.is_control() {
                f.write_str(&self.0[plain..at])?;
                plain = at + c.len_utf8();
                for byte in self.0[at..plain].bytes() {
                    write!(f, "%{byte:02X}")?;
                }
            }
        }
        f.write_str(&self.0[plain..])
    }
}

/// The inverse of [`Encoded`]. What is no percent-encoding stays as it is.
pub fn decode(part: &str) -> String {
    String::from_utf8_lossy(&decode_bytes(part)).into_owned()
}

/// The bytes that percent-encoding stands for, which may be no text.
pub fn decode_bytes(part: &str) -> Vec<u8> {
    let bytes = part.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| part.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(kind: Kind, id: &str, channel: Option<Channel>) -> String {
        Entity { tenant: "default".into(), kind, id: id.into(), channel }.to_string()
    }

    #[test]
    fn encodes_what_would_break_a_key_and_nothing_else() {
        assert_eq!(entity(Kind::Queue, "sales", None), "default|queue|sales");
        assert_eq!(entity(Kind::Queue, "a|b/c%d\ne;f", None), "default|queue|a%7Cb%2Fc%25d%0Ae%3Bf");
        assert_eq!(entity(Kind::Queue, "صف", Some(Channel::Chat)), "default|queue|صف;chat");
        assert_eq!(decode("a%7Cb%2Fc%25d%0Ae%zz%"), "a|b/c%d\ne%zz%");
    }

    #[test]
    fn an_agent_within_a_queue_keeps_both_names() {
        let id = Entity::queue_agent_id("a/b", "Ana|1");
        let entity = Entity { tenant: "t".into(), kind: Kind::QueueAgent, id: id.as_str().into(), channel: None };
        assert_eq!(entity.to_string(), "t|queue_agent|a%2Fb/Ana%7C1");
        assert_eq!(entity.queue_and_agent(), Some(("a/b".into(), "Ana|1".into())));
    }
}
