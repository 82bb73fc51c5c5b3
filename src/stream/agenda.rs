//! The agenda: when calls are to be looked at again, for what is lost or to be forgotten.
//!
//! One entry a call. What a call waits for is hours away most times and moves with every event, so what is put
//! forward leaves nothing behind: a million calls an hour would.

use crate::time::EventTime;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Calls by when they are due.
#[derive(Default)]
pub struct Agenda(BTreeSet<(EventTime, Arc<str>)>);

impl Agenda {
    /// A call is to be looked at no later than `next`; `planned` is its entry. What is due earlier stays: it is put
    /// off when it is looked at.
    pub fn plan(&mut self, key: &Arc<str>, planned: &mut Option<EventTime>, next: EventTime) {
        if planned.is_some_and(|planned| planned <= next) {
            return;
        }
        if let Some(later) = planned.replace(next) {
            self.0.remove(&(later, key.clone()));
        }
        self.0.insert((next, key.clone()));
    }

    /// Takes the call that is due first, if one is due by now.
    pub fn due(&mut self, now: EventTime) -> Option<Arc<str>> {
        self.0.first().filter(|(due, _)| *due <= now)?;
        self.0.pop_first().map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_one_entry_at_the_earliest_it_was_planned_for() {
        let (mut agenda, mut planned, key) = (Agenda::default(), None, Arc::from("a"));
        for next in [7, 3, 9, 5] {
            agenda.plan(&key, &mut planned, EventTime(next));
        }
        assert_eq!((planned, agenda.0.len()), (Some(EventTime(3)), 1));
        assert_eq!(agenda.due(EventTime(2)), None);
        assert_eq!((agenda.due(EventTime(3)), agenda.due(EventTime(9))), (Some(key), None));
    }
}
