//! A board of 500 queues and 5,000 agents, made by hand and served by the real server.

use crate::node::{has_browser, tell};
use callpulse::config;
use callpulse::serve::alerts::Alerts;
use callpulse::serve::archive::Archive;
use callpulse::serve::board::{Board, Place};
use callpulse::serve::exported::{Exported, Exporter, Owned};
use callpulse::serve::hosts::Hosts;
use callpulse::serve::http::{App, serve};
use callpulse::serve::listen::Limits;
use callpulse::serve::live::streams::{CLIENTS_MAX, Streams};
use callpulse::serve::meta::Meta;
use callpulse::time::EventTime;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::interval;

const QUEUES: i64 = 500;
const AGENTS: i64 = 5_000;
/// Entities that change in a turn of a tenth of a second.
const CHANGED: i64 = 100;

/// What the engine says of itself; 0 that all is well.
const SILENT: u8 = 1;
const BEHIND: u8 = 2;
const STILL: u8 = 3;

#[derive(Default)]
struct Engine {
    board: Arc<Board>,
    offset: AtomicI64,
    is_busy: AtomicBool,
    says: AtomicU8,
}

impl Engine {
    fn apply(&self, key: &str, value: &Value) {
        let offset = self.offset.fetch_add(1, Ordering::Relaxed);
        let place = Place { partition: 0, offset };
        self.board.apply(place, Some(key.as_bytes()), Some(value.to_string().as_bytes())).expect("a readable record");
    }

    /// Publishes both windows of an entity, different each time.
    fn publish(&self, kind: &str, id: &str, place: i64) {
        let turn = self.offset.load(Ordering::Relaxed);
        let at = EventTime(now_ms()).to_string();
        let record = |window: &str, sort: &str| {
            json!({
                "schema": "callpulse.kpi.v1", "tenant": "default",
                "entity": { "kind": kind, "id": id, "title": format!("{kind} {place}") },
                "window": { "name": window, "kind": sort, "start": null, "end": at },
                "as_of": at, "version": turn, "final": false, "corrected": false,
                "counts": {}, "sums_ms": {}, "kpis": {},
            })
        };
        let (offered, kept) = (100 + place % 90, 60 + (place * 7 + turn) % 40);
        let mut recent = record("30m", "sliding");
        recent["counts"] =
            json!({ "offered": offered, "answered": offered - 5, "abandoned": 4, "handled": offered - 5 });
        recent["kpis"] = json!({
            "service_level": { "value": kept as f64 / 100.0, "numerator": kept, "denominator": 100, "threshold_s": 20,
                               "target": 0.8, "met": 80 <= kept },
            "average_speed_of_answer": { "value": kept as f64 / 4.0, "unit": "s", "numerator_ms": kept * 250, "denominator": 1 },
            "abandonment_rate": { "value": 0.04, "numerator": 4, "denominator": 100 },
            "average_handle_time": { "value": 200.0 + kept as f64, "unit": "s", "numerator_ms": 200_000, "denominator": 1 },
            "occupancy": { "value": kept as f64 / 100.0, "numerator_ms": kept, "denominator": 100 },
        });
        self.apply(&format!("default|{kind}|{id}|30m"), &recent);
        let states = ["handling", "ringing", "paused", "available", "other_work"];
        let own = ((place + turn / 1000) % 5) as usize;
        let agents = states.iter().enumerate().map(|(at, state)| (state.to_string(), json!(i64::from(at == own))));
        let mut now = record("now", "now");
        now["now"] = json!({
            "waiting": kept % 4, "longest_wait_since": at, "ringing": 0, "talking": 1, "on_hold": 0, "in_wrapup": 0,
            "over_threshold_waiting": kept % 2, "agents": agents.collect::<serde_json::Map<_, _>>(), "agents_logged_in": 1,
        });
        self.apply(&format!("default|{kind}|{id}|now"), &now);
    }

    fn publish_nth(&self, nth: i64) {
        match nth {
            nth if nth < QUEUES => self.publish("queue", &format!("q{nth}"), nth),
            nth => self.publish("agent", &format!("a{}", nth - QUEUES), nth - QUEUES),
        }
    }

    /// A tenth of a second of an engine's life.
    fn turn(&self, turn: i64) {
        if self.is_busy.load(Ordering::Relaxed) {
            for nth in 0..CHANGED {
                self.publish_nth((turn * CHANGED + nth) * 7919 % (QUEUES + AGENTS));
            }
        }
        let says = self.says.load(Ordering::Relaxed);
        if turn % 10 == 0 && says != STILL {
            let behind_ms = if says == BEHIND { 90_000 } else { 500 };
            let silent: &[&str] = if says == SILENT { &["acd.events"] } else { &[] };
            let as_of = EventTime(now_ms() - behind_ms).to_string();
            self.apply("progress|0", &json!({ "as_of": as_of, "behind_ms": behind_ms, "silent": silent }));
        }
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis() as i64
}

/// By settings with these sliding windows.
fn app(board: &Arc<Board>, sliding: &str) -> App {
    let settings = format!("[windows]\nsliding = [{sliding}]");
    let settings = config::read(&settings, &BTreeMap::new()).expect("settings").settings;
    App {
        board: board.clone(),
        alerts: Arc::new(Alerts::default()),
        streams: Streams::new(board.clone(), CLIENTS_MAX),
        archive: Arc::new(Archive::new(Box::new(|_, _, _| Err("there is none".to_owned())))),
        meta: Arc::new(Meta::of(&settings.kpi, &settings.plan)),
        owned: Arc::new(|| Owned::All),
        exporter: Arc::new(Exporter::new(Exported::all())),
        not_ready: Arc::new(Vec::new),
        help: Arc::new(|_: &str| None),
        health: None,
        token: None,
        hosts: Arc::new(Hosts::OfThisMachine(Vec::new())),
        limits: Limits::default(),
    }
}

#[test]
fn the_wallboard_of_a_large_centre_is_smooth() {
    if !has_browser() {
        return;
    }
    let engine = Arc::new(Engine::default());
    engine.publish("tenant", "default", 0);
    (0..QUEUES + AGENTS).for_each(|nth| engine.publish_nth(nth));
    engine.board.set_caught_up();
    let runtime = Runtime::new().expect("a runtime");
    let (stop, stopped) = oneshot::channel::<()>();
    let (address, serving) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let serving = tokio::spawn(serve(listener, app(&engine.board, "\"30m\", \"5m\""), async {
            let _ = stopped.await;
        }));
        let living = engine.clone();
        tokio::spawn(async move {
            let mut turns = interval(Duration::from_millis(100));
            for turn in 0.. {
                turns.tick().await;
                living.turn(turn);
            }
        });
        (address, serving)
    });
    let mut first = Some((stop, serving));
    tell("large.mjs", &[&format!("http://{address}")], |asked| {
        match asked {
            "busy" => engine.is_busy.store(true, Ordering::Relaxed),
            "calm" => engine.is_busy.store(false, Ordering::Relaxed),
            "silent" => engine.says.store(SILENT, Ordering::Relaxed),
            "behind" => engine.says.store(BEHIND, Ordering::Relaxed),
            "narrow" => {
                let (stop, serving) = first.take().expect("it is narrowed once");
                drop(stop);
                runtime.block_on(async {
                    serving.await.expect("its end");
                    let listener = TcpListener::bind(address).await.expect("the same port");
                    tokio::spawn(serve(listener, app(&engine.board, "\"5m\""), std::future::pending()));
                });
            }
            "still" => engine.says.store(STILL, Ordering::Relaxed),
            other => panic!("nobody knows how to be {other}"),
        }
        None
    });
    runtime.shutdown_background();
}
