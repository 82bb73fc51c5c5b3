//! A batch: what is known at one instant, as pages of frames, each made when the first reader gets there.
//!
//! It holds the board's own bytes and not copies of them, so that it costs little until it is read, and many
//! readers share its pages.

use super::frame;
use crate::serve::board::{Known, Seen, Selection};
use crate::serve::parts::Parts;
use axum::body::Bytes;
use std::sync::OnceLock;
use std::time::Instant;

/// Keys of one page.
const PAGE: usize = 64;

/// What a batch is, for whoever reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Everything: what the reader had is void.
    Snapshot,
    /// What changed since the reader was last here.
    Since,
}

pub struct Batch {
    known: Vec<Known>,
    pages: Vec<OnceLock<Bytes>>,
    opening: Bytes,
    closing: Bytes,
    /// As of when it is.
    pub seen: Seen,
    pub made: Instant,
}

impl Batch {
    /// `position` is that of `selection`.
    pub fn new(means: Means, selection: Selection, position: &str) -> Batch {
        let (mut opening, mut closing) = (Vec::new(), Vec::new());
        if means == Means::Snapshot {
            frame::snapshot(selection.known.len(), &mut opening);
        }
        for (partition, progress) in &selection.progress {
            frame::progress(*partition, progress, &mut closing);
        }
        frame::live(position, &mut closing);
        let pages = selection.known.len().div_ceil(PAGE);
        Batch {
            known: selection.known,
            pages: (0..pages).map(|_| OnceLock::new()).collect(),
            opening: opening.into(),
            closing: closing.into(),
            seen: selection.seen,
            made: Instant::now(),
        }
    }

    /// The bytes at a place: what opens it, each page, what closes it; none behind that.
    pub fn bytes(&self, place: usize, parts: Option<&Parts>) -> Option<Bytes> {
        match place.checked_sub(1) {
            None => Some(self.opening.clone()),
            Some(page) if page < self.pages.len() => {
                let page_bytes = self.pages[page].get_or_init(|| {
                    let mut out = Vec::new();
                    for known in self.known.iter().skip(page * PAGE).take(PAGE) {
                        frame::latest(known, parts, &mut out);
                    }
                    out.into()
                });
                Some(page_bytes.clone())
            }
            Some(page) if page == self.pages.len() => Some(self.closing.clone()),
            Some(_) => None,
        }
    }
}
