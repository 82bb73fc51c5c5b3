//! A reader of a feed: what one client gets next.
//!
//! ```text
//! opening -> batch (everything, or what changed since the client's position) -> following -> turns
//!                    ^                                                              |
//!                    +------------------- too far behind ---------------------------+
//! ```
//!
//! It keeps a position and no queue: whoever takes long between two asks gets the newest of each key.

use super::batch::Batch;
use super::feed::{Feed, Next, clock};
use crate::serve::board::{Seen, Unsaid};
use crate::serve::position::Position;
use axum::body::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long to wait for a board that has not read as far as the client has: another instance was ahead.
const WAIT_FOR_BOARD: Duration = Duration::from_secs(2);
/// Bytes given at once to a reader who is behind.
const AT_ONCE: usize = 64 << 10;

pub struct Reader {
    feed: Arc<Feed>,
    state: State,
}

enum State {
    /// With the client's position, if it gave one, and when it did.
    Opening(Option<Position>, Instant),
    /// At a place in a batch.
    Batch(Arc<Batch>, usize),
    Behind(VecDeque<Bytes>, Seen),
    Following(Seen),
}

impl Reader {
    /// A reader who begins, or who goes on behind a position.
    pub fn new(feed: Arc<Feed>, position: Option<Position>) -> Reader {
        Reader { feed, state: State::Opening(position, Instant::now()) }
    }

    /// Tells when there may be something new.
    pub fn turned(&self) -> watch::Receiver<()> {
        self.feed.turned()
    }

    /// Whether it waits for the board and not for a turn.
    pub fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening(..))
    }

    /// Whether the next ask may take milliseconds.
    pub fn is_at_work(&self) -> bool {
        !matches!(self.state, State::Following(_))
    }

    /// What the client does not have yet; none if there is nothing new. Whole events, never empty.
    pub fn take(&mut self) -> Option<Bytes> {
        loop {
            match &mut self.state {
                State::Opening(position, since) => {
                    let (position, since) = (position.clone(), *since);
                    self.state = State::Batch(self.open(position, since)?, 0);
                }
                State::Batch(batch, place) => match batch.bytes(*place, self.feed.query.parts.as_ref()) {
                    Some(bytes) => {
                        *place += 1;
                        if !bytes.is_empty() {
                            return Some(bytes);
                        }
                    }
                    None => self.state = State::Following(batch.seen.clone()),
                },
                State::Behind(pieces, seen) => match some_of(pieces) {
                    Some(bytes) => return Some(bytes),
                    None => self.state = State::Following(seen.clone()),
                },
                State::Following(seen) => match self.feed.after(seen) {
                    Next::Nothing => return None,
                    Next::Turn(bytes, to) => {
                        *seen = to;
                        return Some(bytes);
                    }
                    Next::Turns(pieces, to) => self.state = State::Behind(pieces, to),
                    Next::TooFarBehind => {
                        let batch = self.feed.since(&seen.offsets).unwrap_or_else(|_| self.feed.snapshot());
                        self.state = State::Batch(batch, 0);
                    }
                },
            }
        }
    }

    /// None while the board is not ready for it.
    fn open(&self, position: Option<Position>, since: Instant) -> Option<Arc<Batch>> {
        let Feed { board, .. } = &*self.feed;
        if !board.is_caught_up() {
            return None;
        }
        let Some(position) = position.filter(|position| position.is_of(self.feed.asked(), clock())) else {
            return Some(self.feed.snapshot());
        };
        match self.feed.since(&position.offsets) {
            Ok(batch) => Some(batch),
            Err(Unsaid::Beyond) if since.elapsed() < WAIT_FOR_BOARD => None,
            Err(_) => Some(self.feed.snapshot()),
        }
    }
}

/// The first pieces as one, whole.
fn some_of(pieces: &mut VecDeque<Bytes>) -> Option<Bytes> {
    let mut some = Vec::new();
    while let Some(piece) = pieces.pop_front() {
        some.extend_from_slice(&piece);
        // The last two are the position and its event.
        if AT_ONCE <= some.len() && 1 < pieces.len() {
            break;
        }
    }
    (!some.is_empty()).then(|| some.into())
}
