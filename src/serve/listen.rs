//! Listening: connections taken in and served, each within bounds of size and time.
//!
//! Whoever is slow or many costs a bounded number of connections, each with a bounded buffer: beyond it the
//! next ones wait in the system's queue.

use crate::serve::heads::{HEAD_BYTES_MAX, HEADERS_MAX, Heads};
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tracing::debug;

/// What one client, and all together, may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a request's head may take from its first byte on.
    pub head: Duration,
    /// How long a connection may be without a request, the head of the next one included.
    pub idle: Duration,
    /// How long an answer may stand still because the client does not read on.
    pub standstill: Duration,
    /// Connections at once.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        let seconds = Duration::from_secs;
        Limits { head: seconds(10), idle: seconds(20), standstill: seconds(10), connections: 256 }
    }
}

/// How long the answers under way may take once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// How long to wait after a connection could not be taken in, as when there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` is done, then finishes the answers under way.
pub async fn listen(listener: TcpListener, router: Router, limits: Limits, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let places = Arc::new(Semaphore::new(limits.connections));
    let under_way = GracefulShutdown::new();
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await, place))
        };
        let (accepted, place) = tokio::select! {
            Some(next) = next => next,
            () = &mut shutdown => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!(%error, "connection not taken in");
                sleep(PAUSE).await;
                continue;
            }
        };
        // Events are small and shall not wait for one another. Where it cannot be had, they do.
        let _ = stream.set_nodelay(true);
        let place = ConnectionPlace(Arc::new(Mutex::new(Some(place))));
        let service = TowerToHyperService::new(router.clone());
        let held = place.clone();
        let stream = Impatient { stream, standstill: limits.standstill, deadline: None };
        let heads = Heads::new(stream, limits.head);
        let (refused, requests) = (heads.refused(), AtomicUsize::new(0));
        let service = service_fn(move |mut request: Request<Incoming>| {
            let extensions = request.extensions_mut();
            extensions.insert(held.clone());
            if let Some(refusal) = refused.of(requests.fetch_add(1, Ordering::Relaxed)) {
                extensions.insert(refusal);
            }
            service.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(heads), service);
        let connection = under_way.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "connection ended early");
            }
            place.give_up();
        });
    }
    drop(listener);
    // Whoever takes longer is cut off.
    let _ = timeout(DRAIN, under_way.shutdown()).await;
}

/// The place of a request's connection among those that may be open at once.
#[derive(Clone)]
pub struct ConnectionPlace(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl ConnectionPlace {
    /// Leaves it to another connection, before this one ends.
    pub fn give_up(&self) {
        if let Ok(mut place) = self.0.lock() {
            place.take();
        }
    }
}

/// A connection that fails when its client does not read what is written to it.
struct Impatient {
    stream: TcpStream,
    standstill: Duration,
    /// Present while nothing can be written.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    /// Passes on what came of writing, unless it has been waited for too long.
    fn unless_late<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let standstill = self.standstill;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(standstill)));
        ready!(deadline.as_mut().poll(cx));
        deadline.as_mut().reset(Instant::now() + standstill);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_late(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.unless_late(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
