//! Streams: clients that stay connected, each with a reader of the feed it asked for.
//!
//! A client costs one place, a task and at most two pieces under way: a piece is made when the one before went
//! into the connection. Feeds live as long as somebody reads them.

use super::alerts::AlertReader;
use super::feed::{Feed, Query, clock};
use super::frame;
use super::reader::Reader;
use crate::serve::board::Board;
use crate::serve::position::Position;
use crate::time::EventTime;
use axum::body::Bytes;
use hyper::body::{Body, Frame};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Clients at once, unless said otherwise.
pub const CLIENTS_MAX: usize = 256;

/// A feed makes no more turns than one in this time.
const TURN: Duration = Duration::from_millis(250);
/// After something new on a quiet board: a commit brings several records.
const GATHER: Duration = Duration::from_millis(20);
/// How often it is looked whether anybody still reads a feed.
const LOOK: Duration = Duration::from_secs(1);
const CLOCK: Duration = Duration::from_secs(2);
/// How often a board that is not ready is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// After how long a client that was cut off shall come back.
const RETRY_MS: u64 = 2_000;

/// All streams over one board.
pub struct Streams {
    board: Arc<Board>,
    feeds: Mutex<HashMap<Query, Arc<Feed>>>,
    places: Arc<Semaphore>,
    ended: watch::Sender<bool>,
}

/// The body of an answer that goes on.
pub struct Stream {
    pieces: mpsc::Receiver<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl Streams {
    pub fn new(board: Arc<Board>, clients_max: usize) -> Arc<Streams> {
        let places = Arc::new(Semaphore::new(clients_max));
        Arc::new(Streams { board, feeds: Mutex::default(), places, ended: watch::Sender::new(false) })
    }

    /// A stream of what is asked for, from a position on if there is one, with alerts if there is a reader of them; none if
    /// all places are taken.
    pub fn open(
        self: &Arc<Self>,
        query: Query,
        position: Option<Position>,
        alerts: Option<AlertReader>,
    ) -> Option<Stream> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        let (sender, pieces) = mpsc::channel(1);
        let reader = Reader::new(self.feed(query), position);
        let ended = self.ended.subscribe();
        tokio::spawn(send(Readers { of_feed: Some(reader), alerts }, sender, ended));
        Some(Stream { pieces, _place: place })
    }

    /// Ends every stream, and those to come.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    fn feed(self: &Arc<Self>, query: Query) -> Arc<Feed> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        let feed = feeds.entry(query).or_insert_with_key(|query| {
            let feed = Arc::new(Feed::new(self.board.clone(), query.clone()));
            tokio::spawn(turn(self.clone(), feed.clone()));
            feed
        });
        feed.clone()
    }

    /// Lets go of a feed that nobody reads.
    fn has_let_go(&self, feed: &Arc<Feed>) -> bool {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        // The list holds one, the caller another.
        let is_read = 2 < Arc::strong_count(feed);
        if !is_read {
            feeds.remove(&feed.query);
        }
        !is_read
    }
}

/// Makes the turns of a feed while somebody reads it.
async fn turn(streams: Arc<Streams>, feed: Arc<Feed>) {
    let mut ended = streams.ended.subscribe();
    let mut taken = streams.board.taken();
    while !streams.has_let_go(&feed) && !*ended.borrow() {
        if !feed.is_behind() {
            tokio::select! {
                _ = timeout(LOOK, taken.changed()) => {}
                _ = ended.changed() => {}
            }
            continue;
        }
        sleep(GATHER).await;
        let begun = Instant::now();
        let turning = feed.clone();
        // A turn that panics has said so, and is made again.
        let _ = spawn_blocking(move || turning.turn()).await;
        sleep_until(begun + TURN).await;
    }
}

/// What one client is told from.
struct Readers {
    /// None while it is at work.
    of_feed: Option<Reader>,
    alerts: Option<AlertReader>,
}

/// Sends what the readers have, piece by piece, until the client leaves or all streams end.
async fn send(mut readers: Readers, sender: mpsc::Sender<Bytes>, mut ended: watch::Receiver<bool>) {
    let sending = async {
        let mut turned = readers.of_feed.as_ref()?.turned();
        let mut opening = Vec::new();
        frame::retry(RETRY_MS, &mut opening);
        frame::clock(&now(), &mut opening);
        let mut clock = Instant::now() + CLOCK;
        let mut piece = Some(Bytes::from(opening));
        while let Ok(place) = sender.reserve().await {
            // Without a piece for it the place is kept until there is one.
            let piece = match piece.take() {
                Some(piece) => piece,
                None => next(&mut readers, &mut turned, &mut clock).await?,
            };
            place.send(piece);
        }
        None::<()>
    };
    tokio::select! {
        _ = sending => {}
        _ = sender.closed() => {}
        _ = ended.wait_for(|ended| *ended) => {}
    }
}

/// Waits for the next piece.
async fn next(readers: &mut Readers, turned: &mut watch::Receiver<()>, clock: &mut Instant) -> Option<Bytes> {
    loop {
        if *clock <= Instant::now() {
            *clock = Instant::now() + CLOCK;
            let mut out = Vec::new();
            frame::clock(&now(), &mut out);
            return Some(out.into());
        }
        if let Some(piece) = readers.alerts.as_mut().and_then(AlertReader::take) {
            return Some(piece);
        }
        turned.mark_unchanged();
        let mut reader = readers.of_feed.take()?;
        let (reader, piece) = if reader.is_at_work() {
            spawn_blocking(move || {
                let piece = reader.take();
                (reader, piece)
            })
            .await
            .ok()?
        } else {
            let piece = reader.take();
            (reader, piece)
        };
        let is_opening = reader.is_opening();
        readers.of_feed = Some(reader);
        if piece.is_some() {
            return piece;
        }
        let alerts = async {
            match &mut readers.alerts {
                Some(alerts) => alerts.changed().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = turned.changed() => {}
            () = alerts => {}
            () = sleep(ASK_AGAIN), if is_opening => {}
            () = sleep_until(*clock) => {}
        }
    }
}

fn now() -> String {
    EventTime(clock()).to_string()
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.pieces.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
