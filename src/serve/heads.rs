//! Heads: what comes on a connection, looked at one request after the other before the HTTP library reads it.
//!
//! Nothing here takes a body, so what comes is one head behind the other. In the place of one that cannot be taken a
//! request is handed on that is answered with the reason, after all answers before it:
//!
//! ```text
//! comes       GET /livez ..   GET /metrics .. x: yyyyyyyyyyyyyyy ..
//! handed on   GET /livez ..   GET / ..        refused: 431
//! ```
//!
//! Nothing behind it is read, and the connection ends with its answer.

use axum::http::{StatusCode, Uri};
use httparse::{EMPTY_HEADER, Request, Status};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Bytes of a request's head.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Lines of a request's head, the first one left out.
pub const HEADERS_MAX: usize = 64;

/// For so long what a refused client still sends is read, so that it gets to read the answer: a connection closed with
/// something unread is cut off.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes that are read at once.
const CHUNK: usize = 4096;
/// What is handed on in the place of a request that is refused.
const IN_ITS_PLACE: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub detail: &'static str,
}

/// The refusal of a connection: told to whoever answers, by the number of the request it stands for.
#[derive(Clone, Debug, Default)]
pub struct Refused(Arc<OnceLock<(usize, Refusal)>>);

/// A connection of which only heads are read that can be taken.
pub struct Heads<S> {
    stream: S,
    /// How long a head may take from its first byte on.
    time: Duration,
    /// What came and was not handed on.
    bytes: Vec<u8>,
    /// Up to where the bytes are whole heads.
    whole: usize,
    /// Heads that were whole.
    count: usize,
    /// Present while a head has begun and is not whole.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Present once the connection is closed for writing and still read.
    lingering: Option<Pin<Box<Sleep>>>,
    refused: Refused,
}

impl Refused {
    /// Why the request with this number, counted from 0, is refused; none if it is to be answered.
    pub fn of(&self, number: usize) -> Option<Refusal> {
        self.0.get().filter(|(refused, _)| *refused == number).map(|(_, refusal)| *refusal)
    }
}

impl<S> Heads<S> {
    pub fn new(stream: S, time: Duration) -> Heads<S> {
        Heads {
            stream,
            time,
            bytes: Vec::new(),
            whole: 0,
            count: 0,
            deadline: None,
            lingering: None,
            refused: Refused::default(),
        }
    }

    pub fn refused(&self) -> Refused {
        self.refused.clone()
    }

    fn is_refused(&self) -> bool {
        self.refused.0.get().is_some()
    }

    /// Looks at what came behind the whole heads.
    fn look(&mut self) {
        while self.whole < self.bytes.len() {
            match length_of_head(&self.bytes[self.whole..]) {
                Ok(Some(length)) => {
                    self.whole += length;
                    self.count += 1;
                    self.deadline = None;
                }
                Ok(None) => {
                    let time = self.time;
                    self.deadline.get_or_insert_with(|| Box::pin(sleep(time)));
                    return;
                }
                Err(refusal) => return self.refuse(refusal),
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.bytes.truncate(self.whole);
        self.bytes.extend_from_slice(IN_ITS_PLACE);
        self.whole = self.bytes.len();
        self.deadline = None;
        // Nothing is read after the first.
        let _ = self.refused.0.set((self.count, refusal));
    }
}

impl<S: AsyncRead + Unpin> Heads<S> {
    /// Reads what there is; the number of bytes, 0 at the end.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = [0; CHUNK];
        let mut read = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        if !self.is_refused() {
            self.bytes.extend_from_slice(read.filled());
        }
        Poll::Ready(Ok(read.filled().len()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heads<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let heads = self.get_mut();
        loop {
            if 0 < heads.whole {
                let count = heads.whole.min(buffer.remaining());
                buffer.put_slice(&heads.bytes[..count]);
                heads.bytes.drain(..count);
                heads.whole -= count;
                return Poll::Ready(Ok(()));
            }
            if heads.is_refused() {
                return Poll::Pending;
            }
            match heads.poll_chunk(cx)? {
                Poll::Ready(0) if heads.bytes.is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(0) => heads.refuse(CUT_SHORT),
                Poll::Ready(_) => heads.look(),
                Poll::Pending => {
                    let Some(deadline) = &mut heads.deadline else { return Poll::Pending };
                    ready!(deadline.as_mut().poll(cx));
                    heads.refuse(TOO_SLOW);
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Heads<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let heads = self.get_mut();
        if heads.lingering.is_none() {
            ready!(Pin::new(&mut heads.stream).poll_shutdown(cx))?;
            if !heads.is_refused() {
                return Poll::Ready(Ok(()));
            }
        }
        let lingering = heads.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if lingering.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        // As much as comes at once, then the others have their turn.
        for _ in 0..16 {
            if ready!(heads.poll_chunk(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

const MALFORMED: Refusal = Refusal {
    status: StatusCode::BAD_REQUEST,
    detail: "the request is malformed; send HTTP/1.1, such as GET /livez HTTP/1.1",
};
const CUT_SHORT: Refusal = Refusal {
    status: StatusCode::BAD_REQUEST,
    detail: "the request ends before its head does; end it with an empty line",
};
const NO_HOST: Refusal =
    Refusal { status: StatusCode::BAD_REQUEST, detail: "HTTP/1.1 needs the header Host, and once" };
const TOO_SLOW: Refusal =
    Refusal { status: StatusCode::REQUEST_TIMEOUT, detail: "the request's head took too long; send it at once" };
const HAS_BODY: Refusal =
    Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, detail: "send no body; nothing here takes one" };
const URI_TOO_LONG: Refusal =
    Refusal { status: StatusCode::URI_TOO_LONG, detail: "the request's first line is too long; 16 KiB are the most" };
const TOO_LARGE: Refusal = Refusal {
    status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    detail: "the request's headers are too many or too long; 64 lines and 16 KiB are the most",
};

/// The length of the head that stands first; none while it is not whole.
fn length_of_head(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(Status::Complete(length)) if length <= HEAD_BYTES_MAX => length,
        Ok(Status::Partial) if bytes.len() <= HEAD_BYTES_MAX => return Ok(None),
        Ok(_) if !bytes[..HEAD_BYTES_MAX].contains(&b'\n') => return Err(URI_TOO_LONG),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(TOO_LARGE),
        Err(_) => return Err(MALFORMED),
    };
    let values = |name: &'static str| {
        let of_name = request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        of_name.map(|header| header.value)
    };
    let hosts = values("host").count();
    if 1 < hosts || (hosts == 0 && request.version == Some(1)) {
        return Err(NO_HOST);
    }
    let is_zero = |length: &[u8]| !length.is_empty() && length.iter().all(|digit| *digit == b'0');
    if values("transfer-encoding").next().is_some() || !values("content-length").all(is_zero) {
        return Err(HAS_BODY);
    }
    match Uri::try_from(request.path.unwrap_or_default()) {
        Ok(_) => Ok(Some(length)),
        Err(_) => Err(MALFORMED),
    }
}
