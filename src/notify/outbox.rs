//! The outbox: which alerts go out together, and in which order.
//!
//! ```text
//! taken    a fires   b fires   c fires   d fires            a resolves
//! groups   |<------------- wait ------------->|             |<--- wait --->|
//! posts                                  at_most = 3: [a b c d]            [a]
//! ```
//!
//! A group is what one rule tells of one tenant, firing or resolved. It is open for `wait` after its first alert. Up to
//! `at_most` alerts go out one by one, more of them as one; what is told of partitions is one, since they stand and fall
//! with the engine. No alert stands in two open groups: what tells of it again closes the first, and those before it, so
//! that what is told of one alert is told in order.

use super::standing::Place;
use crate::alert::record::{AlertRecord, PARTITION};
use crate::time::{EventTime, Span};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// So many alerts close a group.
pub const ALERTS_MAX: usize = 1000;

/// Which alerts go out together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// All that are there.
    All,
    /// More than `at_most` of a rule and tenant that come within `wait`.
    ByRule { wait: Span, at_most: usize },
}

/// A transition that has to go out.
#[derive(Clone, Debug)]
pub struct Item {
    pub alert: Arc<AlertRecord>,
    pub place: Place,
    /// When its record was written.
    pub at: EventTime,
}

/// What goes out at once.
#[derive(Clone, Debug)]
pub struct Post {
    /// Never empty.
    pub items: Vec<Item>,
}

#[derive(Debug)]
pub struct Outbox {
    together: Together,
    open: VecDeque<Group>,
    closed: VecDeque<Post>,
}

#[derive(Debug)]
struct Group {
    /// Rule, tenant and whether it fires; none of `Together::All`.
    of: Option<(String, String, bool)>,
    opened: Span,
    keys: HashSet<String>,
    items: Vec<Item>,
}

impl Outbox {
    pub fn new(together: Together) -> Outbox {
        Outbox { together, open: VecDeque::new(), closed: VecDeque::new() }
    }

    /// Takes a transition. `now` is of a clock that never goes back.
    pub fn take(&mut self, item: Item, now: Span) {
        let key = item.alert.key();
        if let Some(at) = self.open.iter().position(|group| group.keys.contains(&key)) {
            self.close(at + 1);
        }
        let of = match self.together {
            Together::All => None,
            Together::ByRule { .. } => {
                Some((item.alert.rule.clone(), item.alert.tenant.clone(), item.alert.is_firing()))
            }
        };
        let at = self.open.iter().position(|group| group.of == of).unwrap_or_else(|| {
            self.open.push_back(Group { of, opened: now, keys: HashSet::new(), items: Vec::new() });
            self.open.len() - 1
        });
        let group = &mut self.open[at];
        group.keys.insert(key);
        group.items.push(item);
        if ALERTS_MAX <= group.items.len() {
            self.close(at + 1);
        }
    }

    /// Closes the groups whose time has come.
    pub fn close_due(&mut self, now: Span) {
        while self.due().is_some_and(|due| due <= now) {
            self.close(1);
        }
    }

    /// When the next group closes; none if none is open.
    pub fn due(&self) -> Option<Span> {
        let wait = match self.together {
            Together::All => Span(0),
            Together::ByRule { wait, .. } => wait,
        };
        self.open.front().map(|group| Span(group.opened.0 + wait.0))
    }

    /// What goes out next.
    pub fn next(&self) -> Option<&Post> {
        self.closed.front()
    }

    /// What went out, or is left aside.
    pub fn pop(&mut self) -> Option<Post> {
        self.closed.pop_front()
    }

    /// How many transitions wait.
    pub fn waiting(&self) -> usize {
        let open: usize = self.open.iter().map(|group| group.items.len()).sum();
        open + self.closed.iter().map(|post| post.items.len()).sum::<usize>()
    }

    pub fn clear(&mut self) {
        self.open.clear();
        self.closed.clear();
    }

    /// Closes the first groups.
    fn close(&mut self, count: usize) {
        for group in self.open.drain(..count) {
            match self.together {
                Together::ByRule { at_most, .. } if group.items.len() <= at_most && !group.is_of_partitions() => {
                    self.closed.extend(group.items.into_iter().map(|item| Post { items: vec![item] }));
                }
                _ => self.closed.push_back(Post { items: group.items }),
            }
        }
    }
}

impl Group {
    fn is_of_partitions(&self) -> bool {
        self.items.iter().all(|item| item.alert.entity.kind == PARTITION)
    }
}
