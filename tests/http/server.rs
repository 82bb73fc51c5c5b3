//! A server for tests, on a port of its own, and what it answers.

use crate::records::{five_minutes, put, queue};
use callpulse::config;
use callpulse::serve::alerts::Alerts;
use callpulse::serve::archive::Archive;
use callpulse::serve::board::Board;
use callpulse::serve::exported::{Exported, Exporter, Owned};
use callpulse::serve::hosts::Hosts;
use callpulse::serve::http::{App, serve};
use callpulse::serve::listen::Limits;
use callpulse::serve::live::streams::{CLIENTS_MAX, Streams};
use callpulse::serve::meta::Meta;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

/// A server of two queues on a port of its own.
pub struct Server {
    pub address: SocketAddr,
    pub board: Arc<Board>,
    pub alerts: Arc<Alerts>,
    /// What `/readyz` has to say.
    pub reasons: Arc<Mutex<Vec<String>>>,
    pub stop: oneshot::Sender<()>,
    pub serving: JoinHandle<()>,
}

pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub headers: String,
    pub body: String,
}

impl Server {
    pub async fn start(change: impl FnOnce(&mut App)) -> Server {
        let board = Arc::new(Board::default());
        put(&board, 0, &five_minutes("sales"));
        put(&board, 1, &five_minutes("Sales \"VIP\" \\ صف"));
        put(&board, 1, &queue("sales", "per_15m"));
        let reasons = Arc::new(Mutex::new(Vec::new()));
        let told = reasons.clone();
        board.set_caught_up();
        let alerts = Arc::new(Alerts::default());
        alerts.set_caught_up();
        let settings = config::read("", &BTreeMap::new()).expect("the default settings").settings;
        let mut app = App {
            board: board.clone(),
            alerts: alerts.clone(),
            streams: Streams::new(board.clone(), CLIENTS_MAX),
            archive: Arc::new(Archive::new(Box::new(|_, _, _| Err("there is none".to_owned())))),
            meta: Arc::new(Meta::of(&settings.kpi, &settings.plan)),
            owned: Arc::new(|| Owned::All),
            exporter: Arc::new(Exporter::new(Exported::all())),
            not_ready: Arc::new(move || told.lock().unwrap().clone()),
            help: Arc::new(|_: &str| None),
            health: None,
            token: None,
            hosts: Arc::new(Hosts::Any),
            limits: Limits::default(),
        };
        change(&mut app);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, app, async {
            let _ = stopped.await;
        }));
        Server { address, board, alerts, reasons, stop, serving }
    }

    pub async fn ask(&self, method: &str, path: &str, header: &str) -> Answer {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{header}\r\n");
        let address = self.address;
        let answer = spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        Answer::read(&answer.await.unwrap())
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }
}

impl Answer {
    pub fn read(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let (first, headers) = head.split_once("\r\n").expect("headers");
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, headers: headers.to_lowercase(), body: body.to_owned() }
    }

    pub fn json(&self) -> Value {
        assert!(self.headers.contains("content-type: application/json"), "{}", self.headers);
        serde_json::from_str(&self.body).unwrap()
    }

    /// The problem's detail.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status);
        assert!(self.headers.contains("content-type: application/problem+json"), "{}", self.headers);
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], "about:blank");
        body["detail"].as_str().expect("a detail").to_owned()
    }
}
