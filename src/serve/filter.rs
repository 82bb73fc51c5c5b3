//! Filter: whose records are asked for, and of which windows.

use crate::entity::{Kind, decode};
use crate::event::Channel;
use std::borrow::Cow;

/// Which records are asked for. An empty list asks for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    pub tenants: Vec<String>,
    pub kinds: Vec<Kind>,
    pub ids: Vec<String>,
    pub windows: Vec<String>,
    /// None stands for what is over all channels.
    pub channels: Vec<Option<Channel>>,
}

/// Whose a record is and of which window: what its key says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject<'a> {
    pub tenant: Cow<'a, str>,
    pub kind: Kind,
    /// As in the record: of an agent within a queue the encoded parts.
    pub id: Cow<'a, str>,
    pub channel: Option<Channel>,
    pub window: Cow<'a, str>,
}

impl Filter {
    pub fn admits(&self, subject: &Subject<'_>) -> bool {
        fn one_of(asked: &[String], have: &str) -> bool {
            asked.is_empty() || asked.iter().any(|asked| asked == have)
        }
        one_of(&self.tenants, &subject.tenant)
            && (self.kinds.is_empty() || self.kinds.contains(&subject.kind))
            && one_of(&self.ids, &subject.id)
            && one_of(&self.windows, &subject.window)
            && (self.channels.is_empty() || self.channels.contains(&subject.channel))
    }

    /// The same for equal questions, in whatever order they were put.
    pub fn in_order(mut self) -> Filter {
        fn tidy<T: Ord>(list: &mut Vec<T>) {
            list.sort_unstable();
            list.dedup();
        }
        tidy(&mut self.tenants);
        tidy(&mut self.kinds);
        tidy(&mut self.ids);
        tidy(&mut self.windows);
        self.channels.sort_unstable_by_key(|channel| channel.map(Channel::word));
        self.channels.dedup();
        self
    }
}

impl<'a> Subject<'a> {
    /// The inverse of a key of the board, `tenant|kind|id|window` or `tenant|kind|id;channel|window`.
    pub fn of_key(key: &'a str) -> Option<Subject<'a>> {
        let mut parts = key.split('|');
        let (tenant, kind, id, window) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let kind = Kind::from_word(kind)?;
        let (id, channel) = match id.split_once(';') {
            None => (id, None),
            Some((id, word)) => (id, Some(Channel::from_word(word)?)),
        };
        let id = if kind == Kind::QueueAgent { Cow::Borrowed(id) } else { decoded(id) };
        Some(Subject { tenant: decoded(tenant), kind, id, channel, window: decoded(window) })
    }
}

fn decoded(part: &str) -> Cow<'_, str> {
    if part.contains('%') { Cow::Owned(decode(part)) } else { Cow::Borrowed(part) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{Encoded, Entity};

    #[test]
    fn a_key_says_whose_it_is() {
        for (kind, id, channel) in [
            (Kind::Queue, "a|b/c%;d", Some(Channel::Chat)),
            (Kind::Agent, "صف", None),
            (Kind::QueueAgent, "a%2Fb/Ana%7C1", None),
        ] {
            let entity = Entity { tenant: "t|1".into(), kind, id: id.into(), channel };
            let key = format!("{entity}|{}", Encoded("per_15m"));
            let expected = Subject { tenant: "t|1".into(), kind, id: id.into(), channel, window: "per_15m".into() };
            assert_eq!(Subject::of_key(&key), Some(expected), "{key}");
        }
        for key in ["", "t|queue|a", "t|planet|a|5m", "t|queue|a;moon|5m", "t|queue|a|5m|6", "progress|3"] {
            assert_eq!(Subject::of_key(key), None, "{key}");
        }
    }
}
