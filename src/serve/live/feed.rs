//! A feed: the changes of the board for everybody who asks the same, turn by turn.
//!
//! A turn holds the latest of each key that changed since the turn before, as bytes that are made once and shared.
//! The newest turns are kept for readers who are a little behind:
//!
//! ```text
//! turns      |--- 5 ---|--- 6 ---|--- 7 ---|
//! reader A                                 ^ waits for turn 8
//! reader B             ^ gets 6 and 7 as one: the newest of each key
//! reader C  ^ is too far behind: asks the board what changed
//! ```

use super::batch::{Batch, Means};
use super::frame;
use crate::serve::board::{Board, Progress, Seen, Selection, Unsaid};
use crate::serve::filter::Filter;
use crate::serve::parts::Parts;
use crate::serve::position::{Offsets, Position};
use axum::body::Bytes;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// What clients ask a stream for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Query {
    /// In order, so that equal questions are equal.
    pub filter: Filter,
    /// None asks for whole records.
    pub parts: Option<Parts>,
}

/// Turns that are kept, and their bytes.
const TURNS_MAX: usize = 16;
const TURNS_BYTES_MAX: usize = 8 << 20;
/// Whoever comes within this of another shares its snapshot.
const SNAPSHOT_SHARED: Duration = Duration::from_secs(2);

pub struct Feed {
    pub board: Arc<Board>,
    pub query: Query,
    ring: Mutex<Ring>,
    snapshot: Mutex<Weak<Batch>>,
    turned: watch::Sender<()>,
}

/// The newest turns.
struct Ring {
    turns: VecDeque<Arc<Turn>>,
    bytes: usize,
    /// Since when they hold every change.
    from: u64,
    /// Up to when they do.
    to: Seen,
    /// As told last.
    progress: BTreeMap<i32, Progress>,
}

/// The changes between two instants.
struct Turn {
    bytes: Bytes,
    /// Of each key its frame within the bytes.
    frames: Vec<(Arc<str>, Range<usize>)>,
    /// The line with the position.
    id: Bytes,
    to: Seen,
}

/// What a reader gets who has seen the board at some instant.
pub enum Next {
    /// Nothing is new.
    Nothing,
    Turn(Bytes, Seen),
    /// Several turns as one.
    Turns(VecDeque<Bytes>, Seen),
    TooFarBehind,
}

impl Feed {
    pub fn new(board: Arc<Board>, query: Query) -> Feed {
        let to = board.seen();
        let ring = Ring { turns: VecDeque::new(), bytes: 0, from: to.taken, to, progress: BTreeMap::new() };
        Feed { board, query, ring: Mutex::new(ring), snapshot: Mutex::default(), turned: watch::Sender::new(()) }
    }

    /// Tells when there was a turn.
    pub fn turned(&self) -> watch::Receiver<()> {
        self.turned.subscribe()
    }

    /// Whether the board has gone on since the last turn.
    pub fn is_behind(&self) -> bool {
        self.ring().to.taken < *self.board.taken().borrow()
    }

    /// Makes a turn of what changed since the last one.
    pub fn turn(&self) {
        let (to, told) = {
            let ring = self.ring();
            (ring.to.clone(), ring.progress.clone())
        };
        match self.board.since(&to.offsets, &self.query.filter) {
            Ok(selection) => {
                let turn = self.make(&selection, &told);
                self.ring().push(turn, selection);
            }
            // So many keys ended within one turn that not all are remembered: everybody asks the board.
            Err(_) => self.ring().begin_anew(self.board.seen()),
        }
        self.turned.send_replace(());
    }

    /// What is new for whoever has seen the board at this instant.
    pub fn after(&self, seen: &Seen) -> Next {
        let ring = self.ring();
        if seen.taken < ring.from {
            return Next::TooFarBehind;
        }
        let missed: Vec<Arc<Turn>> = ring.turns.iter().filter(|turn| seen.taken < turn.to.taken).cloned().collect();
        drop(ring);
        match missed.as_slice() {
            [] => Next::Nothing,
            [turn] => Next::Turn(turn.bytes.clone(), turn.to.clone()),
            [.., last] => Next::Turns(joined(&missed), last.to.clone()),
        }
    }

    /// Everything, shared by those who come at about the same time.
    pub fn snapshot(&self) -> Arc<Batch> {
        let mut shared = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = shared.upgrade().filter(|batch| batch.made.elapsed() < SNAPSHOT_SHARED) {
            return batch;
        }
        let batch = Arc::new(self.batch(Means::Snapshot, self.board.all(&self.query.filter)));
        *shared = Arc::downgrade(&batch);
        batch
    }

    /// What changed since somebody was at these offsets.
    pub fn since(&self, offsets: &Offsets) -> Result<Arc<Batch>, Unsaid> {
        let selection = self.board.since(offsets, &self.query.filter)?;
        Ok(Arc::new(self.batch(Means::Since, selection)))
    }

    /// What stands for the question to this cluster in positions.
    pub fn asked(&self) -> u64 {
        Position::asked(self.board.read().cluster(), &self.query)
    }

    fn batch(&self, means: Means, selection: Selection) -> Batch {
        let position = self.position(&selection);
        Batch::new(means, selection, &position)
    }

    fn position(&self, selection: &Selection) -> String {
        let asked = Position::asked(&selection.cluster, &self.query);
        let offsets = (*selection.seen.offsets).clone();
        Position { asked, given: clock(), offsets }.to_string()
    }

    /// None if nothing of it is for this feed.
    fn make(&self, selection: &Selection, told: &BTreeMap<i32, Progress>) -> Option<Turn> {
        let is_new = |(partition, progress): &(&i32, &Progress)| told.get(partition) != Some(progress);
        let progress: Vec<_> = selection.progress.iter().filter(is_new).collect();
        let count = selection.known.len() + progress.len();
        let mut id = Vec::new();
        frame::id(&self.position(selection), &mut id);
        let (mut bytes, mut frames) = (Vec::new(), Vec::with_capacity(count));
        let mut add = |key: Arc<str>, write: &dyn Fn(&mut Vec<u8>)| {
            // The last event is where a reader may resume.
            if frames.len() + 1 == count {
                bytes.extend_from_slice(&id);
            }
            let begin = bytes.len();
            write(&mut bytes);
            frames.push((key, begin..bytes.len()));
        };
        for known in &selection.known {
            add(known.key.clone(), &|out| frame::latest(known, self.query.parts.as_ref(), out));
        }
        for (partition, progress) in progress {
            add(format!("progress|{partition}").into(), &|out| frame::progress(*partition, progress, out));
        }
        let to = selection.seen.clone();
        (0 < count).then(|| Turn { bytes: bytes.into(), frames, id: id.into(), to })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, turn: Option<Turn>, selection: Selection) {
        self.to = selection.seen;
        self.progress = selection.progress;
        if let Some(turn) = turn {
            self.bytes += turn.bytes.len();
            self.turns.push_back(Arc::new(turn));
        }
        while TURNS_MAX < self.turns.len() || (TURNS_BYTES_MAX < self.bytes && 1 < self.turns.len()) {
            let Some(oldest) = self.turns.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
            self.from = oldest.to.taken;
        }
    }

    fn begin_anew(&mut self, at: Seen) {
        self.turns.clear();
        self.bytes = 0;
        self.from = at.taken;
        self.to = at;
    }
}

/// The newest frame of each key of some turns, with the position of the last: pieces of the turns' own bytes.
fn joined(turns: &[Arc<Turn>]) -> VecDeque<Bytes> {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut pieces = VecDeque::new();
    for turn in turns.iter().rev() {
        for (key, range) in turn.frames.iter().rev() {
            if seen.insert(key) {
                pieces.push_front(turn.bytes.slice(range.clone()));
            }
        }
    }
    if let (Some(frame), Some(last)) = (pieces.pop_back(), turns.last()) {
        pieces.extend([last.id.clone(), frame]);
    }
    pieces
}

/// Epoch milliseconds.
pub fn clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}
