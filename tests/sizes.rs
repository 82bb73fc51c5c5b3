//! No record outgrows what a broker takes, whatever valid input there is; and what is kept in parts is the same after
//! a restart.

#[path = "support/drive.rs"]
#[expect(dead_code, reason = "the laws also ask how far it read")]
mod drive;
#[path = "support/stages.rs"]
#[expect(dead_code, reason = "others look at calls, alerts and takeovers")]
mod stages;

use callpulse::config;
use callpulse::config::settings::Settings;
use callpulse::fact::REASONS_MAX;
use callpulse::kpi::record::KpiRecord;
use callpulse::stream::stage::{Input, OutRecord, Output, Stage};
use drive::{Driven, Log, input};
use serde_json::json;
use stages::{EIGHT, MINUTE, calls, kpis, subjects};
use std::collections::BTreeMap;

/// A broker takes 1,048,576 bytes unless told otherwise, key and headers included.
const BYTES_MAX: usize = 900_000;

/// The three stages, each of which may be restarted before every step.
struct Chain {
    settings: Settings,
    restarts: bool,
    calls: Driven<callpulse::stream::calls::Calls>,
    subjects: Driven<callpulse::stream::subjects::Subjects>,
    kpis: Driven<callpulse::stream::kpis::Kpis>,
    events: Log,
    agents: Log,
    partials: Log,
    board: BTreeMap<String, KpiRecord>,
    rejects: Vec<String>,
    /// Records of calls, by their keys.
    told_calls: BTreeMap<Vec<u8>, serde_json::Value>,
}

impl Chain {
    fn new(text: &str, restarts: bool) -> Chain {
        let settings = config::read(text, &BTreeMap::new()).expect("settings").settings;
        let takeover = callpulse::stream::takeover::Takeover::of(1);
        Chain {
            restarts,
            calls: Driven::new(calls(&settings, &takeover), vec![input("events", 0)]),
            subjects: Driven::new(subjects(&settings), vec![input("subjects", 0)]),
            kpis: Driven::new(kpis(&settings, &takeover), vec![input("partials", 0)]),
            settings,
            events: Log::new(),
            agents: Log::new(),
            partials: Log::new(),
            board: BTreeMap::new(),
            rejects: Vec::new(),
            told_calls: BTreeMap::new(),
        }
    }

    /// All stages start anew with other settings.
    fn change(&mut self, text: &str) {
        self.settings = config::read(text, &BTreeMap::new()).expect("settings").settings;
        self.restart();
    }

    fn restart(&mut self) {
        let takeover = callpulse::stream::takeover::Takeover::of(1);
        self.calls.restart(calls(&self.settings, &takeover), true);
        self.subjects.restart(subjects(&self.settings), true);
        self.kpis.restart(kpis(&self.settings, &takeover), true);
    }

    /// Events that came, and event time complete up to a minute.
    fn hear(&mut self, events: impl IntoIterator<Item = serde_json::Value>, minute: i64) {
        let at = EIGHT + minute * MINUTE;
        self.take(events, at);
        self.subjects.read(&input("subjects", 0), &self.agents, usize::MAX / 2);
        let told = commit(&mut self.subjects, &input("subjects", 0), at);
        self.partials.extend(told.into_iter().map(|record| (at, record.value.expect("a batch"))));
        self.kpis.read(&input("partials", 0), &self.partials, usize::MAX / 2);
        for _ in 0..2 {
            for record in commit(&mut self.kpis, &input("partials", 0), at) {
                let Output::Topic { topic, .. } = &record.to else { continue };
                let key = String::from_utf8(record.key.expect("a key")).expect("text");
                if topic.as_ref() == "kpis" && !key.starts_with("progress|") {
                    let value = record.value.expect("a record");
                    self.board.insert(key, serde_json::from_slice(&value).expect("a record"));
                }
            }
        }
    }

    /// Events that came, of which none but the calls has heard.
    fn take(&mut self, events: impl IntoIterator<Item = serde_json::Value>, at: i64) {
        self.events.extend(events.into_iter().map(|event| (at, event.to_string().into_bytes())));
        if self.restarts {
            self.restart();
        }
        self.calls.read(&input("events", 0), &self.events, usize::MAX / 2);
        self.calls.reach_end(&input("events", 0), at);
        for record in commit(&mut self.calls, &input("events", 0), at) {
            let Output::Topic { topic, .. } = &record.to else { continue };
            match topic.as_ref() {
                "partials" => self.partials.push((at, record.value.expect("a batch"))),
                "subjects" => self.agents.push((at, record.value.expect("a batch"))),
                "calls" => {
                    let told = serde_json::from_slice(&record.value.expect("a record")).expect("JSON");
                    self.told_calls.insert(record.key.expect("a key"), told);
                }
                "rejects" => {
                    let reason = record.headers.iter().find(|(name, _)| *name == "reason");
                    let reason = reason.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
                    self.rejects.push(reason.unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    #[track_caller]
    fn record(&self, key: &str) -> serde_json::Value {
        let record = self.board.get(key).unwrap_or_else(|| panic!("{key} is not on the board"));
        serde_json::to_value(record).expect("JSON")
    }

    /// What the board says, but for how often it was said.
    fn shown(&self) -> BTreeMap<String, serde_json::Value> {
        let shown = self.board.keys().map(|key| {
            let mut record = self.record(key);
            record.as_object_mut().expect("an object").remove("version");
            (key.clone(), record)
        });
        shown.collect()
    }
}

#[track_caller]
fn commit<S: Stage>(stage: &mut Driven<S>, input: &Input, at: i64) -> Vec<OutRecord> {
    stage.wait(20);
    let out = stage.commit(at);
    let long = out.iter().map(|record| record.value.as_ref().map_or(0, Vec::len)).max().unwrap_or(0);
    assert!(long <= BYTES_MAX, "a record of {long} bytes");
    for (key, value) in stage.state(input) {
        let (key, long) = (String::from_utf8_lossy(key), value.len());
        assert!(long <= BYTES_MAX, "{key} has {long} bytes in the state");
    }
    out
}

/// The same steps twice, once with all stages restarted before each: what is shown is the same. Answers the first.
#[track_caller]
fn same_after_restarts(text: &str, steps: impl Fn(&mut Chain)) -> Chain {
    let [plain, restarted] = [false, true].map(|restarts| {
        let mut chain = Chain::new(text, restarts);
        steps(&mut chain);
        chain
    });
    let (plain_shown, restarted_shown) = (plain.shown(), restarted.shown());
    assert_eq!(plain_shown.keys().collect::<Vec<_>>(), restarted_shown.keys().collect::<Vec<_>>());
    for (key, record) in &plain_shown {
        assert_eq!(record, &restarted_shown[key], "{key}");
    }
    assert_eq!(plain.rejects, restarted.rejects);
    plain
}

fn state(at: i64, agent: &str, state: &str) -> serde_json::Value {
    json!({"type": "agent.state", "time": at, "agent": agent, "state": state})
}

#[test]
fn an_agent_says_more_in_an_hour_than_one_record_holds() {
    let say = |number: i64| {
        let mut event = state(EIGHT + number * 100, "ana", ["available", "paused"][number as usize % 2]);
        event["event_id"] = format!("{number:08}-0000-4000-8000-000000000000-{}", "i".repeat(60)).into();
        event
    };
    let chain = same_after_restarts("", |chain| {
        for step in 0..4 {
            chain.hear((step * 5_000..(step + 1) * 5_000).map(say), (step + 1) * 9);
        }
        // Late, so that all parts change; and again, which is known by its name.
        chain.hear((0..40).map(|number| state(EIGHT + number * 7 + 3, "ana", "available")), 37);
        chain.hear((0..3).map(say), 38);
    });
    let parts = chain.subjects.state(&input("subjects", 0));
    let hours = parts.keys().filter(|key| String::from_utf8_lossy(key).contains("hour ")).count();
    assert!(1 < hours, "the hour is in parts");
    assert_eq!(chain.record("default|agent|ana|now")["now"]["agents_logged_in"], json!(1));
}

#[test]
fn parts_of_an_hour_are_deleted_when_it_is_forgotten() {
    let mut chain = Chain::new("[engine]\nlate_horizon = \"1h\"", false);
    let long = "i".repeat(900);
    let say = |number: i64| {
        let mut event = state(EIGHT + number * 1_000, "ana", ["available", "paused"][number as usize % 2]);
        event["event_id"] = format!("{number} {long}").into();
        event
    };
    chain.hear((0..2_000).map(say), 35);
    let parts = |chain: &Chain| {
        let state = chain.subjects.state(&input("subjects", 0));
        state.keys().filter(|key| String::from_utf8_lossy(key).contains("hour ")).count()
    };
    assert!(2 < parts(&chain));
    chain.hear([state(EIGHT + 4 * 24 * 60 * MINUTE, "ana", "logged_out")], 4 * 24 * 60);
    chain.hear([], 4 * 24 * 60 + 1);
    assert_eq!(parts(&chain), 1, "that of the last event");
}

#[test]
fn a_thousand_events_of_agents_have_long_texts() {
    let long = "x".repeat(1_000);
    same_after_restarts("", |chain| {
        let say = |number: i64| {
            let mut event = state(EIGHT + number, "ana", "paused");
            for field in ["customer", "root_id", "call_id", "source"] {
                event[field] = long.as_str().into();
            }
            event["event_id"] = format!("{number:06}{}", &long[..900]).into();
            event
        };
        chain.hear((0..1_500).map(say), 1);
    });
}

/// A call with as many events as one may have: it is queued, answered and transferred again and again, and `more` says what
/// else each event has.
fn long_call(events: i64, more: impl Fn(i64, &mut serde_json::Value)) -> Vec<serde_json::Value> {
    let kinds = ["call.queued", "call.answered", "call.held", "call.resumed", "call.transferred"];
    let event = |number: i64| {
        let kind = if number == events - 1 { "call.ended" } else { kinds[number as usize % kinds.len()] };
        let mut event = json!({"type": kind, "time": EIGHT + number * 1_000, "call_id": "one"});
        more(number, &mut event);
        event
    };
    (0..events).map(event).collect()
}

#[test]
fn a_call_with_two_thousand_events_has_long_names() {
    let tenant = "t".repeat(1_000);
    let events = long_call(2_000, |number, event| {
        event["tenant"] = tenant.as_str().into();
        match event["type"].as_str() {
            Some("call.queued") => event["queue"] = format!("q{number:04}{}", "\u{1}".repeat(250)).into(),
            _ => event["agent"] = format!("a{}", number / 5).into(),
        }
    });
    let (late, early): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event["time"] == EIGHT + 5_000);
    let [mut chain, restarted] = [false, true].map(|restarts| {
        let mut chain = Chain::new("", restarts);
        chain.take(early.clone(), EIGHT + 34 * MINUTE);
        chain.take(late.clone(), EIGHT + 35 * MINUTE);
        chain
    });
    assert_eq!(chain.told_calls, restarted.told_calls);
    assert_eq!(chain.calls.state(&input("events", 0)), restarted.calls.state(&input("events", 0)));
    assert!(chain.rejects.is_empty(), "{:?}", chain.rejects);
    let more = |chain: &Chain| {
        let state = chain.calls.state(&input("events", 0));
        state.keys().filter(|key| key.starts_with(b"\x01")).count()
    };
    assert!(1 < more(&chain), "{} further entries", more(&chain));
    let record = chain.told_calls.values().next().expect("the call is over");
    let listed = ["visits", "connections"].map(|of| record[of].as_array().expect("a list").len());
    assert!(
        0 < listed[0] && record["left_out"].as_u64() == Some(800 - listed.iter().sum::<usize>() as u64),
        "{listed:?}"
    );

    // When nothing of the call is kept any more, nothing is left of its entries.
    chain.take([state(EIGHT + 40 * 24 * 60 * MINUTE, "ana", "logged_out")], EIGHT + 40 * 24 * 60 * MINUTE);
    assert_eq!(chain.calls.state(&input("events", 0)).len(), 1, "that of the partition");
}

#[test]
fn what_a_long_call_was_booked_for_is_taken_back_when_teams_change() {
    let tenant = "t".repeat(1_000);
    let events = long_call(2_000, |number, event| {
        event["tenant"] = tenant.as_str().into();
        match event["type"].as_str() {
            Some("call.queued") if number == 5 => event["queue"] = "q0005".into(),
            Some("call.queued") => event["queue"] = format!("q{number:04}").into(),
            _ => event["agent"] = "ana".into(),
        }
    });
    let team = "[teams.front]\nqueues = [\"q0005\"]\n";
    let mut changed = Chain::new("", false);
    changed.hear(events[..1_999].to_vec(), 34);
    assert!(changed.calls.state(&input("events", 0)).keys().any(|key| key.starts_with(b"\x01")));
    let mut fresh = Chain::new(team, false);
    fresh.hear(events[..1_999].to_vec(), 34);
    changed.change(team);
    for chain in [&mut changed, &mut fresh] {
        chain.hear(events[1_999..].to_vec(), 35);
    }
    let (changed, fresh) = (changed.shown(), fresh.shown());
    assert!(fresh.keys().any(|key| key.contains("|team|front|")));
    for (key, record) in fresh.iter().filter(|(key, _)| key.ends_with("|total")) {
        assert_eq!(record["counts"], changed[key]["counts"], "{key}");
    }
}

#[test]
fn sources_with_long_names_restart_often() {
    let tenant = "t".repeat(1_000);
    let chain = same_after_restarts("", |chain| {
        let restart = |number: i64| {
            let source = format!("{number:04}{}", "s".repeat(1_000));
            json!({"type": "source.restarted", "time": EIGHT + number, "source": source, "tenant": tenant})
        };
        chain.hear((0..600).map(restart), 1);
        chain.hear([json!({"type": "source.restarted", "time": EIGHT + 1, "source": "s".repeat(1_000)})], 2);
    });
    let kept = 500_000 / 2_004;
    assert_eq!(chain.rejects, vec!["too_large"; 600 - kept + 1]);
}

#[test]
fn a_restart_of_one_source_leaves_the_calls_of_others_as_they_are() {
    let call = |source: &str| {
        let call_id = format!("of {source}");
        json!({"type": "call.queued", "time": EIGHT, "call_id": call_id, "queue": "sales", "source": source})
    };
    let mut chain = Chain::new("", false);
    chain.take(["a", "b"].map(call), EIGHT + MINUTE);
    let kept = |chain: &Chain, source: &str| {
        let state = chain.calls.state(&input("events", 0));
        let of_call = |key: &&[u8]| String::from_utf8_lossy(key).ends_with(&format!("of {source}"));
        state.iter().find(|(key, _)| of_call(&&key[..])).map(|(_, value)| value.to_vec()).expect("the call's entry")
    };
    let before = ["a", "b"].map(|source| kept(&chain, source));
    let restart = json!({"type": "source.restarted", "time": EIGHT + 1_000, "source": "b"});
    chain.take([restart], EIGHT + 2 * MINUTE);
    let after = ["a", "b"].map(|source| kept(&chain, source));
    assert_eq!((before[0] == after[0], before[1] == after[1]), (true, false));
}

#[test]
fn many_callers_wait_in_one_queue() {
    let callers = 150_000;
    let queued = |call: i64| {
        let at = EIGHT + call * 7;
        json!({"type": "call.queued", "time": at, "call_id": format!("c{call}"), "queue": "sales"})
    };
    let left = |call: i64| {
        let at = EIGHT + 20 * MINUTE + call;
        json!({"type": "call.ended", "time": at, "call_id": format!("c{call}")})
    };
    let chain = same_after_restarts("", |chain| {
        chain.hear((0..callers).map(queued), 18);
        chain.hear((0..callers - 1).map(left), 23);
    });
    let now = &chain.record("default|queue|sales|now")["now"];
    assert_eq!(now["waiting"], json!(1), "{now}");
    let state = chain.kpis.state(&input("partials", 0));
    let waiting = state.keys().filter(|key| String::from_utf8_lossy(key).contains("waiting ")).count();
    // The queue's and the tenant's.
    assert_eq!(waiting, 2, "parts of those who do not wait any more are deleted");
}

#[test]
fn one_source_is_behind_what_many_agents_did() {
    // All of it lies ahead of what is complete.
    let say = |number: i64| {
        let agent = format!("a{}", number % 500);
        state(EIGHT + 2 * MINUTE + number * 2, &agent, ["available", "paused"][(number / 500) as usize % 2])
    };
    let chain = same_after_restarts("engine.allowed_skew = \"10m\"", |chain| {
        chain.hear([state(EIGHT, "ana", "available")], 1);
        chain.hear((0..80_000).map(say), 1);
        chain.hear([], 6);
    });
    assert_eq!(chain.record("default|tenant|default|now")["now"]["agents_logged_in"], json!(501));
}

#[test]
fn somebody_makes_up_reasons_of_pauses() {
    let say = |number: i64| {
        let agent = format!("a{}", number % 50);
        let mut event = state(EIGHT + number * 10, &agent, "paused");
        event["reason"] = format!("{number:07}{}", "r".repeat(93)).into();
        event
    };
    let chain = same_after_restarts("", |chain| {
        for step in 0..4 {
            chain.hear((step * 5_000..(step + 1) * 5_000).map(say), step + 1);
        }
        chain.hear((0..50).map(|agent| state(EIGHT + 5 * MINUTE, &format!("a{agent}"), "logged_out")), 6);
    });
    let total = chain.record("default|tenant|default|total");
    let reasons = total["paused_by_reason_ms"].as_object().expect("reasons");
    assert!(reasons.contains_key("other") && reasons.len() <= 51, "{}", reasons.len());
    let sum: i64 = reasons.values().filter_map(serde_json::Value::as_i64).sum();
    assert_eq!(json!(sum), total["sums_ms"]["state_paused"], "nothing is lost");
    let kept = &chain.kpis.state(&input("partials", 0))[&b"\0"[..]];
    assert!(REASONS_MAX * 100 < kept.len() && kept.len() < REASONS_MAX * 110, "{} bytes", kept.len());
}

#[test]
fn a_tenant_with_a_limit_leaves_room_for_the_agents_of_others() {
    let text = "[engine]\nmax_entities = 400\n[tenants.evil]\nmax_entities = 20\n";
    let of = |tenant: &str, agent: i64| {
        let mut event = state(EIGHT, &format!("a{agent}"), "available");
        event["tenant"] = tenant.into();
        event
    };
    let chain = same_after_restarts(text, |chain| {
        chain.hear((0..2_000).map(|agent| of("evil", agent)), 1);
        chain.hear((0..40).map(|agent| of("good", agent)), 2);
    });
    assert_eq!(chain.record("good|tenant|good|now")["now"]["agents_logged_in"], json!(40));
}
