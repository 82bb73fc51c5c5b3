//! Whom notifications are for: a small HTTP server that keeps what it is sent, and may fail on command.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver as Channel, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How long something may take that has to come about.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    pub raw: Vec<u8>,
}

/// What is answered.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// A status, and further lines of the head.
    Status(u16, &'static str),
    /// Nothing, until the client leaves.
    Hang,
    /// Nothing, and the connection ends.
    Cut,
}

pub struct Receiver {
    pub url: String,
    requests: Channel<Request>,
}

impl Receiver {
    /// Accepts everything.
    pub fn start() -> Receiver {
        Receiver::replying(|_| Reply::Status(200, ""))
    }

    /// Replies to each request as said of its number, from 0 on. It counts as received before that is asked.
    pub fn replying(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let (tell, requests) = channel();
        let (reply, count) = (Arc::new(reply), Arc::new(AtomicUsize::new(0)));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tell, reply, count) = (tell.clone(), reply.clone(), count.clone());
                thread::spawn(move || {
                    // Who is killed in the middle of a request has sent none.
                    if let Some(request) = read(&stream) {
                        answer(stream, request, &tell, || reply(count.fetch_add(1, Ordering::Relaxed)));
                    }
                });
            }
        });
        Receiver { url, requests }
    }

    /// The next request.
    #[track_caller]
    pub fn next(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).expect("a request")
    }

    /// That nothing comes for so long.
    #[track_caller]
    pub fn nothing_for(&self, length: Duration) {
        match self.requests.recv_timeout(length) {
            Err(RecvTimeoutError::Timeout) => {}
            other => panic!("{other:?}"),
        }
    }
}

impl Request {
    pub fn body(&self) -> Value {
        serde_json::from_slice(&self.raw).expect("JSON")
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.strip_prefix("POST ")?.split(' ').next()?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut raw = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut raw).ok()?;
    Some(Request { path, headers, raw })
}

fn answer(mut stream: TcpStream, request: Request, tell: &Sender<Request>, reply: impl FnOnce() -> Reply) {
    // A test that has ended listens no more.
    let _ = tell.send(request);
    match reply() {
        Reply::Status(status, more) => {
            let _ = write!(stream, "HTTP/1.1 {status} x\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n");
        }
        Reply::Hang => while let Ok(1..) = stream.read(&mut [0]) {},
        Reply::Cut => {}
    }
}
