//! Shown: by which settings a board's records were made.
//!
//! Other settings hold for everybody at once, also for those to whom nothing happens. The change is told with a
//! batch, so that the records have a version of their own.

use std::time::{Duration, Instant};

/// Everything is published within this, a board that rests included.
const WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct Shown {
    /// The fingerprint of the settings, as the state topic knows it.
    pub by: u64,
    /// Since when it is made anew.
    anew: Option<Instant>,
}

impl Shown {
    /// Whether everything is to be made anew, which is answered once.
    pub fn is_to_change(&mut self, by: u64, now: Instant) -> bool {
        let is_new = self.by != by && self.anew.is_none();
        if is_new {
            self.anew = Some(now);
        }
        is_new
    }

    /// Takes the settings over once everything was made by them; until then a restart begins again.
    pub fn settle(&mut self, by: u64, now: Instant) {
        if self.anew.is_some_and(|since| WITHIN <= now.duration_since(since)) {
            *self = Shown { by, anew: None };
        }
    }
}
