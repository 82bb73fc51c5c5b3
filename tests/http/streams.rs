//! Streams over sockets: who gets in, what comes, and when it ends.

use crate::events::{Client, Event, Parser};
use crate::records::{end, five_minutes, key, put, queue};
use crate::server::Server;
use callpulse::serve::listen::Limits;
use callpulse::serve::live::streams::{CLIENTS_MAX, Streams};
use serde_json::Value;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(300);

/// A client of a stream.
pub struct Listener {
    stream: TcpStream,
    /// What came and is not read yet, chunks still around it.
    raw: Vec<u8>,
    /// In lower case.
    head: String,
    parser: Parser,
    pub client: Client,
}

impl Listener {
    pub async fn open(server: &Server, query: &str, header: &str) -> Listener {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET /api/v1/stream{query} HTTP/1.1\r\nhost: test\r\n{header}\r\n");
        stream.writable().await.unwrap();
        assert_eq!(stream.try_write(request.as_bytes()).unwrap(), request.len());
        let (parser, client) = Default::default();
        let mut listener = Listener { stream, raw: Vec::new(), head: String::new(), parser, client };
        let end = loop {
            if let Some(end) = listener.raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(listener.more().await, "a head");
        };
        let head: Vec<u8> = listener.raw.drain(..end).collect();
        listener.head = String::from_utf8(head).unwrap().to_lowercase();
        listener
    }

    /// Reads what there is; false at the end.
    async fn more(&mut self) -> bool {
        loop {
            timeout(PATIENCE, self.stream.readable()).await.expect("something to come").unwrap();
            let mut chunk = [0; 8192];
            match self.stream.try_read(&mut chunk) {
                Ok(0) => return false,
                Ok(count) => {
                    self.raw.extend_from_slice(&chunk[..count]);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next events; none at the end of the stream.
    pub async fn events(&mut self) -> Option<Vec<Event>> {
        loop {
            let line = self.raw.windows(2).position(|two| two == b"\r\n");
            if let Some(line) = line {
                let length = usize::from_str_radix(std::str::from_utf8(&self.raw[..line]).unwrap(), 16).unwrap();
                if line + 2 + length + 2 <= self.raw.len() {
                    let chunk: Vec<u8> = self.raw.drain(..line + 2 + length + 2).collect();
                    if length == 0 {
                        return None;
                    }
                    let events = self.parser.take(&chunk[line + 2..line + 2 + length]);
                    events.iter().for_each(|event| self.client.take(event));
                    return Some(events);
                }
            }
            assert!(self.more().await, "the connection ends within the stream");
        }
    }

    pub async fn until(&mut self, is_there: impl Fn(&Client) -> bool) {
        while !is_there(&self.client) {
            self.events().await.expect("more to come");
        }
    }

    async fn live(server: &Server, query: &str) -> Listener {
        let mut listener = Listener::open(server, query, "").await;
        assert!(listener.head.starts_with("http/1.1 200 "), "{}", listener.head);
        listener.until(|client| client.is_live).await;
        listener
    }
}

#[tokio::test]
async fn a_client_is_told_everything_and_then_what_changes() {
    let server = Server::start(|_| {}).await;
    let mut listener = Listener::live(&server, "?kind=queue&window=5m").await;
    for header in ["content-type: text/event-stream", "cache-control: no-store", "connection: close"] {
        assert!(listener.head.contains(header), "{}", listener.head);
    }
    let published: Value = serde_json::to_value(five_minutes("sales")).unwrap();
    assert_eq!(listener.client.records["default|queue|sales|5m"], published);
    assert_eq!(listener.client.records.len(), 2);
    let mut newer = five_minutes("sales");
    newer.version = 2;
    put(&server.board, 0, &newer);
    put(&server.board, 0, &queue("sales", "total"));
    listener.until(|client| client.records["default|queue|sales|5m"]["version"] == 2).await;
    end(&server.board, &newer);
    listener.until(|client| client.records.len() == 1).await;
    let progress = r#"{"as_of":"2026-03-02T08:15:30.412Z","behind_ms":120,"generation":3}"#;
    let place = crate::records::next(&server.board, 0);
    server.board.apply(place, Some(b"progress|7"), Some(progress.as_bytes())).unwrap();
    listener.until(|client| client.progress.contains_key(&7)).await;
    let expected = serde_json::json!({
        "partition": 7, "as_of": "2026-03-02T08:15:30.412Z", "behind_ms": 120, "silent": [],
    });
    assert_eq!(listener.client.progress[&7], expected);
}

#[tokio::test]
async fn the_clock_is_told_at_once_and_then_again() {
    let server = Server::start(|_| {}).await;
    let mut listener = Listener::open(&server, "?kind=agent", "").await;
    let mut clocks = 0;
    while clocks < 2 {
        let events = listener.events().await.expect("more to come");
        clocks += events.iter().filter(|event| event.name == "clock").count();
    }
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_only_what_it_missed() {
    let server = Server::start(|_| {}).await;
    let listener = Listener::live(&server, "?fields=counts").await;
    let mut client = listener.client;
    drop(listener.stream);
    let mut newer = five_minutes("sales");
    newer.version = 2;
    put(&server.board, 0, &newer);
    end(&server.board, &queue("sales", "per_15m"));
    for by_header in [true, false] {
        let (query, header) = match by_header {
            true => ("?fields=counts".to_owned(), format!("last-event-id: {}\r\n", client.id)),
            false => (format!("?fields=counts&last_event_id={}", client.id), String::new()),
        };
        let mut listener = Listener::open(&server, &query, &header).await;
        client.is_live = false;
        let (told, snapshots) = (client.told, client.snapshots);
        listener.client = std::mem::take(&mut client);
        listener.until(|client| client.is_live).await;
        client = listener.client;
        assert_eq!((client.told - told, client.snapshots - snapshots), (usize::from(by_header), 0));
        assert!(!client.records.contains_key(&key(&queue("sales", "per_15m"))));
    }
}

#[tokio::test]
async fn who_comes_back_with_what_is_not_its_position_is_told_everything() {
    let server = Server::start(|_| {}).await;
    let id = Listener::live(&server, "?fields=counts").await.client.id;
    let of_another_question = Listener::live(&server, "?fields=kpis").await.client.id;
    let parts: Vec<&str> = id.split('.').collect();
    let [asked, given, offsets @ ..] = parts.as_slice() else { panic!("{id}") };
    let hours = |hours: i64| given.parse::<i64>().expect("a time") + hours * 3_600_000;
    let offsets = offsets.join(".");
    let ids = [
        "whatever".to_owned(),
        "5".to_owned(),
        "\u{635}\u{641}".to_owned(),
        of_another_question,
        format!("{asked}.{}.{offsets}", hours(-7)),
        format!("{asked}.{}.{offsets}", hours(7)),
        format!("{asked}.{}.{offsets}", i64::MIN),
        // Of a log that was longer, and of one with more partitions: the board may still be reading.
        format!("{asked}.{given}.0-999999.1-999999"),
        format!("{asked}.{given}.{offsets}.9-0"),
        format!("{asked}.{given}.0-99999999999999999999"),
    ];
    let mut listeners = Vec::new();
    for id in &ids {
        listeners.push(Listener::open(&server, "?fields=counts", &format!("last-event-id: {id}\r\n")).await);
    }
    for (mut listener, id) in listeners.into_iter().zip(ids) {
        listener.until(|client| client.is_live).await;
        assert_eq!((listener.client.snapshots, listener.client.records.len()), (1, 3), "{id}");
    }
    // A position before the first record of every partition has missed all that is there.
    let mut listener = Listener::open(&server, "?fields=counts", &format!("last-event-id: {asked}.{given}\r\n")).await;
    listener.until(|client| client.is_live).await;
    assert_eq!(listener.client.records.len(), 3);
}

#[tokio::test]
async fn a_stream_is_asked_for_like_any_other_page() {
    let server = Server::start(|app| app.token = Some("secret".into())).await;
    server.get("/api/v1/stream").await.problem(401);
    let refused = async |query| {
        server.ask("GET", &format!("/api/v1/stream{query}"), "authorization: Bearer secret\r\n").await.problem(400)
    };
    assert!(refused("?kind=planet").await.contains("planet"));
    assert!(refused("?limit=5").await.contains("last_event_id"));
    let mut allowed = Listener::open(&server, "", "authorization: Bearer secret\r\n").await;
    allowed.until(|client| client.is_live).await;
}

#[tokio::test]
async fn streams_outlast_the_time_of_a_request_and_take_no_place_from_others() {
    let server = Server::start(|app| {
        app.limits = Limits { head: SOON, idle: SOON, connections: 1, ..Limits::default() };
    })
    .await;
    let mut listeners = Vec::new();
    for _ in 0..4 {
        listeners.push(Listener::live(&server, "").await);
    }
    assert_eq!(server.get("/livez").await.status, 200);
    let (mut clocks, listener) = (0, &mut listeners[0]);
    // Later than the time in which a head has to come.
    while clocks < 1 {
        let events = listener.events().await.expect("more to come");
        clocks += events.iter().filter(|event| event.name == "clock").count();
    }
    let mut newer = five_minutes("sales");
    newer.version = 2;
    put(&server.board, 0, &newer);
    for listener in &mut listeners {
        listener.until(|client| client.records["default|queue|sales|5m"]["version"] == 2).await;
    }
}

#[tokio::test]
async fn one_stream_too_many_is_told_to_come_later() {
    let server = Server::start(|_| {}).await;
    let mut listeners = Vec::new();
    for _ in 0..CLIENTS_MAX {
        listeners.push(Listener::live(&server, "?kind=agent").await);
    }
    let refused = server.get("/api/v1/stream").await;
    assert!(refused.problem(503).contains("as many streams"));
    assert!(refused.headers.contains("retry-after: "), "{}", refused.headers);
    assert_eq!(server.get("/api/v1/kpis").await.status, 200);
    drop(listeners.pop());
    // Its place is free once the server has noticed, with the next event at the latest.
    let mut refusals = 0;
    while !Listener::open(&server, "", "").await.head.starts_with("http/1.1 200 ") {
        refusals += 1;
        listeners[0].events().await.expect("the clock to go on");
        assert!(refusals < 30, "the place stays taken");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_its_place_is_free() {
    let server = Server::start(|app| {
        app.limits = Limits { standstill: SOON, ..Limits::default() };
        app.streams = Streams::new(app.board.clone(), 1);
    })
    .await;
    // More than the system keeps for a connection.
    for number in 0..20_000 {
        put(&server.board, 0, &queue(&format!("queue-{number}"), "5m"));
    }
    let lazy = Listener::open(&server, "", "").await;
    let free = async { while !Listener::open(&server, "?kind=agent", "").await.head.starts_with("http/1.1 200 ") {} };
    timeout(PATIENCE, free).await.expect("the place to be free");
    drop(lazy);
}

#[tokio::test]
async fn streams_end_with_the_server() {
    let server = Server::start(|_| {}).await;
    let mut listeners = [Listener::live(&server, "").await, Listener::live(&server, "?kind=agent").await];
    server.stop.send(()).unwrap();
    for listener in &mut listeners {
        while listener.events().await.is_some() {}
        assert!(!listener.more().await, "the connection ends");
    }
    // At once, and not when the time for answers under way is over.
    timeout(Duration::from_secs(4), server.serving).await.expect("an end").unwrap();
}

#[tokio::test]
async fn a_head_alone_takes_no_place() {
    let server = Server::start(|app| app.streams = Streams::new(app.board.clone(), 1)).await;
    for _ in 0..3 {
        let head = server.ask("HEAD", "/api/v1/stream", "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
}
