//! Stop: one wish to leave, seen by every worker.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A shared handle; clones are the same wish.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<Wish>, Condvar)>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    #[default]
    None,
    Leave,
    LeaveForGood,
}

impl Stop {
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Asks every holder to leave.
    pub fn request(&self) {
        self.wish(Wish::Leave);
    }

    /// Asks every holder to leave, and to keep no place for a next start.
    pub fn request_for_good(&self) {
        self.wish(Wish::LeaveForGood);
    }

    fn wish(&self, more: Wish) {
        let (wish, changed) = &*self.0;
        let mut wish = wish.lock().unwrap_or_else(PoisonError::into_inner);
        *wish = more.max(*wish);
        changed.notify_all();
    }

    pub fn is_requested(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) != Wish::None
    }

    pub fn is_for_good(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) == Wish::LeaveForGood
    }

    /// Waits at most that long; whether leaving was asked for.
    pub fn wait(&self, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        let (wish, changed) = &*self.0;
        let mut asked = wish.lock().unwrap_or_else(PoisonError::into_inner);
        while *asked == Wish::None {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            asked = changed.wait_timeout(asked, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Waits until leaving is asked for.
    pub fn wait_for_it(&self) {
        while !self.wait(Duration::from_secs(3600)) {}
    }
}
