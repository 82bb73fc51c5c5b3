//! Clients that are slow, large or many.

use crate::records::{put, queue};
use crate::server::Server;
use callpulse::serve::listen::Limits;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(300);
const NEVER: Duration = Duration::from_secs(3600);

async fn limited(limits: Limits) -> Server {
    Server::start(|app| app.limits = limits).await
}

/// Sends, and reads until the server closes.
async fn send(server: &Server, bytes: Vec<u8>) -> String {
    let address = server.address;
    let answer = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The server may have enough before all is sent.
        let _ = stream.write_all(&bytes);
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => answer.extend_from_slice(&chunk[..count]),
                // It closed with something of ours unread.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("the server keeps the connection: {error}"),
            }
        }
        String::from_utf8(answer).unwrap()
    });
    answer.await.unwrap()
}

#[tokio::test]
async fn a_connection_whose_request_does_not_come_is_closed() {
    let server = limited(Limits { head: SOON, ..Limits::default() }).await;
    for begun in ["", "GET / HTT", "GET / HTTP/1.1\r\nhost: test\r\nx: "] {
        let answer = send(&server, begun.into()).await;
        assert!(!answer.contains("200 OK"), "{begun:?}: {answer}");
    }
    // The second request of a connection does not come.
    let answer = send(&server, b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n".into()).await;
    assert!(answer.ends_with("ok\n"), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = limited(Limits { head: NEVER, ..Limits::default() }).await;
    let head =
        |more: &str| format!("GET /livez HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{more}\r\n").into_bytes();
    assert!(send(&server, head("")).await.starts_with("HTTP/1.1 200 "));
    let long = format!("x: {}\r\n", "y".repeat(100_000));
    assert!(send(&server, head(&long)).await.starts_with("HTTP/1.1 431 "));
    let many: String = (0..100).map(|number| format!("x{number}: y\r\n")).collect();
    assert!(send(&server, head(&many)).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_body_is_refused_and_not_waited_for() {
    let server = limited(Limits { head: NEVER, ..Limits::default() }).await;
    for length in ["content-length: 1000000000", "transfer-encoding: chunked"] {
        for method in ["GET", "POST"] {
            let request = format!("{method} /livez HTTP/1.1\r\nhost: test\r\n{length}\r\n\r\n");
            let answer = send(&server, request.into_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 413 "), "{method} {length}: {answer}");
        }
    }
}

#[tokio::test]
async fn who_comes_when_all_places_are_taken_waits_for_one() {
    let server = limited(Limits { head: NEVER, connections: 2, ..Limits::default() }).await;
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
    let server = limited(Limits { standstill: SOON, connections: 1, head: NEVER }).await;
    // More than the system keeps for a connection.
    for number in 0..20_000 {
        put(&server.board, 0, &queue(&format!("queue-{number}"), "5m"));
    }
    let mut lazy = TcpStream::connect(server.address).unwrap();
    lazy.write_all(b"GET /api/v1/kpis HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    assert_eq!(server.get("/livez").await.status, 200);
    drop(lazy);
}
