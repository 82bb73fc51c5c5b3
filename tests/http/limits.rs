//! Clients that are slow, large or many.

use crate::records::{put, queue};
use crate::server::{Answer, Server};
use callpulse::serve::heads::HEAD_BYTES_MAX;
use callpulse::serve::listen::Limits;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(300);
const NEVER: Duration = Duration::from_secs(3600);

/// Cuts nobody off.
const PATIENT: Limits = Limits { head: NEVER, idle: NEVER, standstill: NEVER, connections: 256 };

async fn limited(limits: Limits) -> Server {
    Server::start(|app| app.limits = limits).await
}

/// Sends, and reads until the server closes.
pub async fn send(server: &Server, bytes: Vec<u8>) -> String {
    let address = server.address;
    let answer = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => answer.extend_from_slice(&chunk[..count]),
                Err(error) => panic!("the server keeps the connection: {error}"),
            }
        }
        String::from_utf8(answer).unwrap()
    });
    answer.await.unwrap()
}

/// An answer as text, and what comes behind it.
fn answer(text: &str) -> (Answer, &str) {
    let (head, rest) = text.split_once("\r\n\r\n").expect("a head and a body");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let (body, rest) = rest.split_at(length.parse().expect("a number"));
    (Answer::read(&format!("{head}\r\n\r\n{body}")), rest)
}

/// The detail of the problem that a request of these bytes is told, and nothing else.
async fn refused(server: &Server, bytes: &[u8], status: u16) -> String {
    let text = send(server, bytes.to_owned()).await;
    let (answer, rest) = answer(&text);
    assert_eq!(rest, "");
    for header in ["connection: close", "cache-control: no-store", "x-content-type-options: nosniff"] {
        assert!(answer.headers.contains(header), "{}", answer.headers);
    }
    answer.problem(status)
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let server = limited(Limits { idle: SOON, ..PATIENT }).await;
    assert_eq!(send(&server, Vec::new()).await, "");
    // The second request of a connection does not come.
    let answer = send(&server, b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n".into()).await;
    assert!(answer.ends_with("ok\n"), "{answer}");
}

#[tokio::test]
async fn a_head_that_takes_too_long_is_refused() {
    let server = limited(Limits { head: SOON, ..PATIENT }).await;
    for begun in ["GET / HTT", "GET / HTTP/1.1\r\nhost: test\r\nx: "] {
        assert!(refused(&server, begun.as_bytes(), 408).await.contains("too long"));
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = limited(PATIENT).await;
    let head =
        |more: &str| format!("GET /livez HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{more}\r\n").into_bytes();
    assert!(send(&server, head(&"x: y\r\n".repeat(62))).await.starts_with("HTTP/1.1 200 "));
    let longest = HEAD_BYTES_MAX - head("x: \r\n").len();
    assert!(send(&server, head(&format!("x: {}\r\n", "y".repeat(longest)))).await.starts_with("HTTP/1.1 200 "));
    for length in [longest + 1, 100_000, 4_000_000] {
        let detail = refused(&server, &head(&format!("x: {}\r\n", "y".repeat(length))), 431).await;
        assert!(detail.contains("16 KiB"), "{detail}");
    }
    assert!(refused(&server, &head(&"x: y\r\n".repeat(63)), 431).await.contains("64 lines"));
    let long = format!("GET /livez?{} HTTP/1.1\r\nhost: test\r\n\r\n", "y".repeat(HEAD_BYTES_MAX));
    assert!(refused(&server, long.as_bytes(), 414).await.contains("first line"));
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let server = limited(PATIENT).await;
    let tls: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    let http2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for bytes in [
        tls,
        http2,
        b"hello\r\n\r\n",
        b"GET / index HTTP/1.1\r\nhost: test\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost test\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nhost: test\r\n\r\n",
    ] {
        let detail = refused(&server, bytes, 400).await;
        assert!(detail.contains("malformed"), "{}: {detail}", String::from_utf8_lossy(bytes));
    }
    for hosts in ["", "host: a\r\nHost: b\r\n"] {
        let detail = refused(&server, format!("GET /livez HTTP/1.1\r\n{hosts}\r\n").as_bytes(), 400).await;
        assert!(detail.contains("Host"), "{detail}");
    }
    assert!(send(&server, b"GET /livez HTTP/1.0\r\n\r\n".into()).await.ends_with("ok\n"));
}

#[tokio::test]
async fn a_request_that_is_cut_short_is_refused() {
    let server = limited(PATIENT).await;
    let address = server.address;
    let told = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: test\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        told
    });
    let told = told.await.unwrap();
    assert!(answer(&told).0.problem(400).contains("empty line"), "{told}");
}

#[tokio::test]
async fn a_refusal_waits_for_the_answers_before_it_and_ends_the_connection() {
    let server = limited(PATIENT).await;
    let well = "GET /livez HTTP/1.1\r\nhost: test\r\n\r\n";
    for (bad, status) in [
        (format!("GET / HTTP/1.1\r\nhost: test\r\nx: {}\r\n\r\n", "y".repeat(HEAD_BYTES_MAX)), 431),
        ("POST /livez HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nhello".to_owned(), 413),
        ("nonsense\r\n\r\n".to_owned(), 400),
    ] {
        let text = send(&server, format!("{}{bad}{well}", well.repeat(20)).into_bytes()).await;
        let mut rest = text.as_str();
        for _ in 0..20 {
            let (told, behind) = answer(rest);
            assert_eq!((told.status, told.body.as_str()), (200, "ok\n"));
            rest = behind;
        }
        let (told, behind) = answer(rest);
        told.problem(status);
        assert_eq!(behind, "");
    }
}

#[tokio::test]
async fn a_head_may_come_in_pieces() {
    let server = limited(PATIENT).await;
    let address = server.address;
    let told = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let bytes =
            b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\nGET /readyz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
        bytes.iter().for_each(|byte| stream.write_all(&[*byte]).unwrap());
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        told
    });
    let told = told.await.unwrap();
    let (first, rest) = answer(&told);
    assert_eq!((first.status, first.body.as_str()), (200, "ok\n"));
    assert_eq!(answer(rest).0.json()["ready"], true);
}

#[tokio::test]
async fn a_body_is_refused_and_not_waited_for() {
    let server = limited(PATIENT).await;
    for length in [
        "content-length: 1000000000",
        "content-length: x",
        "content-length: 0\r\ncontent-length: 5",
        "transfer-encoding: chunked",
    ] {
        for method in ["GET", "POST"] {
            let request = format!("{method} /livez HTTP/1.1\r\nhost: test\r\n{length}\r\n\r\n");
            assert!(refused(&server, request.as_bytes(), 413).await.contains("no body"), "{method} {length}");
        }
    }
    // One that is sent is read away, so that the answer is not lost.
    let sent =
        [b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 3000000\r\n\r\n".as_slice(), &[b'x'; 3_000_000]].concat();
    refused(&server, &sent, 413).await;
}

#[tokio::test]
async fn who_comes_when_all_places_are_taken_waits_for_one() {
    let server = limited(Limits { connections: 2, ..PATIENT }).await;
    let address = server.address;
    let asked = spawn_blocking(move || {
        let mut taken = [(); 2].map(|()| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
            stream
        });
        for stream in &mut taken {
            assert_ne!(stream.read(&mut [0; 4096]).unwrap(), 0);
        }
        let mut third = TcpStream::connect(address).unwrap();
        third.write_all(b"GET /livez HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
        third.set_read_timeout(Some(SOON)).unwrap();
        let early = third.read(&mut [0; 4096]).unwrap_err();
        assert!(matches!(early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{early}");
        drop(taken);
        third.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = String::new();
        third.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("ok\n"), "{answer}");
    });
    asked.await.unwrap();
}

#[tokio::test]
async fn who_does_not_read_on_gives_its_place_up() {
    let server = limited(Limits { standstill: SOON, connections: 1, ..PATIENT }).await;
    // More than the system keeps for a connection.
    for number in 0..20_000 {
        put(&server.board, 0, &queue(&format!("queue-{number}"), "5m"));
    }
    let mut lazy = TcpStream::connect(server.address).unwrap();
    lazy.write_all(b"GET /api/v1/kpis HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    assert_eq!(server.get("/livez").await.status, 200);
    drop(lazy);
}
