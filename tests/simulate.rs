//! The simulated centre: its events hold together, and its truth is what its events say.
//!
//! The recount below reads only events; the truth is written down as the centre decides. They agree
//! in every count and sum of every entity.

use callpulse::entity::Kind;
use callpulse::event::{
    CallEvent, Channel, Direction, EndedBy, Event, LeaveReason, RingEndReason, TransferKind, Via, What,
};
use callpulse::kpi::record::{Count, Fields};
use callpulse::simulate::centre::Centre;
use callpulse::simulate::settings::{Marks, Shape, SimSettings};
use callpulse::simulate::truth::{Numbers, Truth};
use callpulse::time::EventTime;
use std::collections::{BTreeMap, HashMap, HashSet};

fn settings(seed: u64, calls: u64) -> SimSettings {
    SimSettings { seed, calls, ..SimSettings::default() }
}

fn run(settings: SimSettings) -> (Vec<Event<'static>>, Truth) {
    let mut centre = Centre::new(settings);
    let events = centre.by_ref().map(|(_, event)| event).collect();
    (events, centre.truth())
}

/// Centres of every sort: quiet and swamped, by day and around the clock, one tenant and three.
fn centres() -> Vec<SimSettings> {
    let mut all = vec![settings(1, 4_000), settings(2, 2_500)];
    all.extend((3..9).map(|seed| SimSettings { shape: Shape::Flat, calls_per_hour: 200, ..settings(seed, 700) }));
    all.extend((9..12).map(|seed| SimSettings { agents: Some(10), ..settings(seed, 900) }));
    all.push(SimSettings { tenants: vec!["default".into(), "north".into(), "جنوب".into()], ..settings(12, 3_001) });
    all.push(SimSettings { calls_per_hour: 900, ..settings(13, 6_000) });
    all.push(SimSettings { agents: Some(3), calls_per_hour: 20, ..settings(14, 2_000) });
    all
}

#[test]
fn one_seed_gives_the_same_events_on_every_machine() {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let settings = SimSettings { disorder_ms: 1_500, repeats_per_mille: 20, ..settings(7, 100_000) };
    for (_, event) in Centre::new(settings).take(10_000) {
        for byte in line(&event).bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    assert_eq!(format!("{hash:016x}"), "6a8dfcf9fe6ec7ee");
}

#[test]
fn another_seed_gives_other_events() {
    assert_ne!(run(settings(1, 50)).0, run(settings(2, 50)).0);
}

#[test]
fn the_truth_is_what_the_events_say() {
    for settings in centres() {
        let seed = settings.seed;
        let (events, truth) = run(settings);
        let recount = Recount::of(&events);
        for entity in &truth.entities {
            let key = (entity.tenant.clone(), entity.kind, entity.id.clone());
            let told = recount.accounts.get(&key).cloned().unwrap_or_default();
            let mut known = flat(&entity.total);
            // Time of agents follows from no single event; tests/truth.rs holds the engine against it.
            let is_time = |name: &str| ["sum login", "sum handling"].contains(&name) || name.starts_with("sum state_");
            known.retain(|name, _| !is_time(name));
            for (name, value) in &known {
                assert_eq!(told.get(name).unwrap_or(&0), value, "seed {seed}, {key:?}, {name}");
            }
            for (name, value) in &told {
                assert!(*value == 0 || known.contains_key(name), "seed {seed}, {key:?}: {name} is {value}, unknown");
            }
        }
    }
}

#[test]
fn who_entered_was_answered_gave_up_or_flowed_out() {
    let whole = |numbers: &Numbers| {
        let waiting = numbers.waiting.expect("queues and tenants say who waits");
        let [offered, answered, abandoned, flowed_out] =
            ["offered", "answered", "abandoned", "flowed_out"].map(|name| numbers.count(name));
        assert_eq!(waiting, 0, "all is over");
        assert_eq!(offered, answered + abandoned + flowed_out);
        offered
    };
    for settings in centres() {
        let (_, truth) = run(settings);
        for entity in truth.entities.iter().filter(|entity| entity.kind != "agent") {
            let offered = whole(&entity.total);
            let by_entry: i64 = entity.per_1h.iter().map(|hour| whole(hour.by_entry.as_ref().unwrap())).sum();
            assert_eq!(by_entry, offered);
        }
    }
}

#[test]
fn the_hours_sum_to_the_total() {
    let (_, truth) = run(settings(5, 4_000));
    for entity in &truth.entities {
        let mut sum: BTreeMap<String, i64> = BTreeMap::new();
        for hour in &entity.per_1h {
            for (name, value) in flat(&hour.event) {
                *sum.entry(name).or_default() += value;
            }
        }
        assert_eq!(sum, flat(&entity.total), "{}", entity.id);
    }
    let tenant = truth.entity("default", Kind::Tenant, "default").unwrap();
    for name in ["offered", "answered", "abandoned", "flowed_out", "blocked", "callbacks_offered"] {
        let queues = truth.entities.iter().filter(|entity| entity.kind == "queue");
        let without_queue = if name == "blocked" { by(&tenant.total, "blocked_by_reason", "no_trunk") } else { 0 };
        assert_eq!(queues.map(|queue| queue.total.count(name)).sum::<i64>() + without_queue, tenant.total.count(name));
    }
}

#[test]
fn a_count_by_entry_that_belongs_to_visits_sums_to_the_total() {
    let (_, truth) = run(settings(6, 4_000));
    for queue in truth.entities.iter().filter(|entity| entity.kind == "queue") {
        let by_entry =
            |name: &str| queue.per_1h.iter().map(|hour| hour.by_entry.as_ref().unwrap().count(name)).sum::<i64>();
        for name in ["solicitations", "ring_no_answer", "ring_caller_left", "transferred_in", "transferred_out"] {
            assert_eq!(by_entry(name), queue.total.count(name), "{} {name}", queue.id);
        }
        // Outbound calls belong to no visit.
        assert!(by_entry("handled") <= queue.total.count("handled"));
        assert_eq!((by_entry("outbound"), by_entry("blocked")), (0, 0));
    }
}

#[test]
fn an_agent_is_never_on_two_calls_at_once() {
    for settings in centres() {
        let (events, _) = run(settings);
        // What each agent has open: calls that ring, are connected or are wrapped up.
        let mut open: HashMap<(String, String), HashMap<String, Channel>> = HashMap::new();
        let mut in_wrapup: HashSet<(String, String)> = HashSet::new();
        let mut on_call: HashMap<String, HashSet<String>> = HashMap::new();
        for event in &events {
            let What::Call(what) = &event.what else { continue };
            let call = event.call_id.as_deref().unwrap().to_string();
            let agent = event.agent.as_deref().map(|agent| (event.tenant.to_string(), agent.to_string()));
            let mut done = Vec::new();
            match (what, &agent) {
                (CallEvent::Ringing | CallEvent::Answered { .. } | CallEvent::Dialled { .. }, Some(agent)) => {
                    let theirs = open.entry(agent.clone()).or_default();
                    theirs.insert(call.clone(), event.channel);
                    let chats = theirs.values().filter(|channel| **channel == Channel::Chat).count();
                    assert!(theirs.len() == 1 || (chats == theirs.len() && chats <= 2), "{}: {theirs:?}", line(event));
                    on_call.entry(call.clone()).or_default().insert(agent.1.clone());
                }
                (CallEvent::WrapupStarted { .. }, Some(agent)) => {
                    in_wrapup.insert((agent.1.clone(), call.clone()));
                }
                (CallEvent::WrapupEnded { .. }, Some(agent)) => {
                    assert!(in_wrapup.remove(&(agent.1.clone(), call.clone())));
                    done.push(agent.1.clone());
                }
                (CallEvent::RingEnded { .. }, Some(agent)) => done.push(agent.1.clone()),
                (CallEvent::Transferred { kind, .. }, Some(agent)) if *kind != TransferKind::Conference => {
                    done.push(agent.1.clone());
                }
                (CallEvent::Ended { .. }, _) => done.extend(on_call.remove(&call).unwrap_or_default()),
                _ => {}
            }
            // Whoever goes into wrap-up says so at this same instant, before he is offered anything else.
            for agent in done {
                if let Some(theirs) = open.get_mut(&(event.tenant.to_string(), agent)) {
                    theirs.remove(&call);
                }
            }
            if let (CallEvent::WrapupStarted { .. }, Some(agent)) = (what, agent) {
                open.entry(agent).or_default().insert(call, event.channel);
            }
        }
        assert!(in_wrapup.is_empty());
    }
}

#[test]
fn every_call_ends_and_nothing_but_wrap_up_follows() {
    for settings in centres() {
        let (events, _) = run(settings);
        let mut ended: HashMap<String, bool> = HashMap::new();
        for event in &events {
            let Some(call) = &event.call_id else { continue };
            let What::Call(what) = &event.what else { panic!("a call's id on {}", line(event)) };
            let is_over = ended.entry(call.to_string()).or_default();
            let is_wrapup = matches!(what, CallEvent::WrapupStarted { .. } | CallEvent::WrapupEnded { .. });
            assert!(!*is_over || is_wrapup, "after its end: {}", line(event));
            *is_over |= matches!(what, CallEvent::Ended { .. });
        }
        assert!(ended.values().all(|is_over| *is_over));
    }
}

#[test]
fn events_come_in_the_order_of_time_and_a_calls_in_the_contracts_order() {
    for settings in centres() {
        let start = settings.start;
        let (events, _) = run(settings);
        let mut now = start;
        let mut last: HashMap<&str, (EventTime, u8)> = HashMap::new();
        for event in &events {
            assert!(now <= event.time);
            now = event.time;
            if let (Some(call), What::Call(what)) = (event.call_id.as_deref(), &event.what) {
                let place = (event.time, what.rank());
                let before = last.insert(call, place);
                assert!(before.is_none_or(|before| before <= place), "without seq {} would be misread", line(event));
            }
        }
    }
}

#[test]
fn no_call_is_silent_so_long_that_it_would_count_as_lost() {
    for settings in centres() {
        let (events, _) = run(settings);
        let mut last: HashMap<&str, EventTime> = HashMap::new();
        for event in &events {
            let Some(call) = event.call_id.as_deref() else { continue };
            if let Some(before) = last.insert(call, event.time) {
                let is_wrapup = matches!(event.what, What::Call(CallEvent::WrapupEnded { .. }));
                let limit = if is_wrapup { 3_600_000 } else { 7_200_000 };
                assert!(event.time.since(before).0 <= limit, "{}", line(event));
            }
        }
    }
}

#[test]
fn disorder_and_repeats_change_the_order_and_nothing_else() {
    let (plain, truth) = run(settings(3, 1_500));
    let mut centre = Centre::new(SimSettings { disorder_ms: 2_000, repeats_per_mille: 50, ..settings(3, 1_500) });
    let sent: Vec<(EventTime, Event)> = centre.by_ref().collect();
    assert_eq!(centre.truth(), truth);
    assert!(sent.is_sorted_by_key(|(at, _)| *at));
    assert!(sent.iter().all(|(at, event)| event.time <= *at && at.since(event.time).0 <= 2_000));
    assert!(!sent.is_sorted_by_key(|(_, event)| event.time));
    let repeats = (sent.len() - plain.len()) * 1000 / plain.len();
    assert!((40..60).contains(&repeats), "{repeats}");
    let mut events: Vec<&Event> = sent.iter().map(|(_, event)| event).collect();
    events.sort_by_key(|event| event.seq);
    events.dedup();
    assert!(events.into_iter().eq(&plain));
}

#[test]
fn marks_are_as_asked_and_do_not_change_what_happens() {
    let (both, _) = run(settings(4, 200));
    for (marks, has_seq, has_id) in
        [(Marks::Bare, false, false), (Marks::Seq, true, false), (Marks::EventId, false, true)]
    {
        let (events, _) = run(SimSettings { marks, ..settings(4, 200) });
        for (event, full) in events.iter().zip(&both) {
            assert_eq!((event.seq.is_some(), event.event_id.is_some()), (has_seq, has_id));
            let full = Event { seq: event.seq, event_id: event.event_id.clone(), ..full.clone() };
            assert_eq!(*event, full);
        }
    }
}

#[test]
fn ids_may_be_any_script() {
    let queues = ["فروش", "技术支持", "számlázás", "a|b/c"].map(String::from);
    let (events, truth) = run(SimSettings { queues: queues.clone(), ..settings(4, 400) });
    for queue in &queues {
        assert!(truth.entity("default", Kind::Queue, queue).is_some_and(|queue| 0 < queue.total.count("offered")));
        assert!(events.iter().any(|event| event.queue.as_deref() == Some(queue)));
    }
}

#[test]
fn a_centre_may_run_for_ever_and_keeps_no_books_if_told_so() {
    let endless = SimSettings { calls: u64::MAX, keeps_books: false, shape: Shape::Flat, ..settings(1, 0) };
    let mut centre = Centre::new(endless);
    assert_eq!(centre.by_ref().take(50_000).count(), 50_000);
    let truth = centre.truth();
    assert!(truth.entities.iter().all(|entity| entity.per_1h.is_empty() && entity.total.sum_ms("talk") == 0));
}

#[test]
fn no_calls_are_no_events() {
    assert!(run(settings(1, 0)).0.is_empty());
}

#[test]
fn a_week_looks_like_a_call_centre() {
    let (events, truth) = run(settings(1, 10_000));
    let total = &truth.entity("default", Kind::Tenant, "default").unwrap().total;
    let share = |name: &str| total.count(name) as f64 / total.count("offered") as f64;
    let level = total.answered_within_20s as f64
        / (total.count("answered") + total.count("abandoned") - total.count("short_abandoned")) as f64;
    assert!((0.05..0.11).contains(&share("abandoned")), "abandoned {}", share("abandoned"));
    assert!((0.73..0.87).contains(&level), "service level {level}");
    let days = events.last().unwrap().time.since(events[0].time).0 as f64 / 86_400_000.0;
    assert!((6.0..7.5).contains(&days), "{days} days");
    let midnight = |time: EventTime| time.0.div_euclid(86_400_000);
    let mut day: HashMap<&str, i64> = HashMap::new();
    let talks_over_midnight = events.iter().any(|event| match (&event.what, event.call_id.as_deref()) {
        (What::Call(CallEvent::Answered { .. }), Some(call)) => {
            day.insert(call, midnight(event.time));
            false
        }
        (What::Call(CallEvent::Ended { .. }), Some(call)) => {
            day.get(call).is_some_and(|day| *day != midnight(event.time))
        }
        _ => false,
    });
    assert!(talks_over_midnight);
}

#[test]
fn whatever_the_contract_can_say_about_a_call_is_said() {
    let busy = SimSettings { agents: Some(4), ..settings(2, 5_000) };
    let (quiet, _) = run(settings(1, 10_000));
    let (swamped, _) = run(busy);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for event in quiet.iter().chain(&swamped) {
        *seen.entry(sort(event)).or_default() += 1;
    }
    for sort in [
        "call.blocked full",
        "call.blocked no_agents",
        "call.blocked closed",
        "call.blocked no_trunk",
        "call.left_queue timeout",
        "call.left_queue no_agents",
        "call.left_queue withdrawn",
        "call.left_queue key",
        "call.left_queue overflow",
        "call.left_queue callback",
        "call.left_queue voicemail",
        "call.left_queue system",
        "call.left_queue abandoned",
        "call.queued direct",
        "call.queued transfer",
        "call.queued callback",
        "call.ring_ended no_answer",
        "call.ring_ended rejected",
        "call.ring_ended error",
        "call.ring_ended caller_left",
        "call.transferred blind",
        "call.transferred attended",
        "call.transferred conference",
        "agent.state paused",
        "agent.state logged_out",
        "agent.joined",
        "agent.left",
        "call.held",
        "call.resumed",
        "call.dialled",
        "call.arrived",
        "call.wrapup_ended",
    ] {
        assert!(seen.contains_key(sort), "never {sort}: {seen:?}");
    }
}

#[test]
fn a_hundred_thousand_calls_are_streamed() {
    let mut centre = Centre::new(SimSettings { calls_per_hour: 500, ..settings(11, 100_000) });
    assert!(650_000 < centre.by_ref().count());
    let truth = centre.truth();
    let tenant = truth.entity("default", Kind::Tenant, "default").unwrap();
    assert!(75_000 < tenant.total.count("offered"));
    assert_eq!(tenant.total.waiting, Some(0));
}

/// Every count and sum by its full name.
fn flat(numbers: &Numbers) -> BTreeMap<String, i64> {
    let mut all = BTreeMap::new();
    for (name, count) in numbers.counts.iter() {
        match count {
            Count::Number(number) => {
                all.insert(name.to_string(), *number);
            }
            Count::By(fields) => all.extend(fields.iter().map(|(word, number)| (format!("{name}.{word}"), *number))),
        }
    }
    all.extend(numbers.sums_ms.iter().map(|(name, sum)| (format!("sum {name}"), *sum)));
    all.insert("answered_within_20s".into(), numbers.answered_within_20s);
    all
}

fn by(numbers: &Numbers, name: &str, word: &str) -> i64 {
    match numbers.counts.get(name) {
        Some(Count::By(fields)) => Fields::get(fields, word).copied().unwrap_or(0),
        _ => 0,
    }
}

/// The type of an event, with its reason, kind or way.
fn sort(event: &Event) -> String {
    let word = match &event.what {
        What::Call(CallEvent::Blocked { reason }) => reason.map(|reason| reason.word()),
        What::Call(CallEvent::LeftQueue { reason, .. }) => Some(reason.word()),
        What::Call(CallEvent::Queued { via, .. }) => Some(via.word()),
        What::Call(CallEvent::RingEnded { reason }) => Some(reason.word()),
        What::Call(CallEvent::Transferred { kind, .. }) => Some(kind.word()),
        What::AgentState { state, .. } => Some(state.word()),
        _ => None,
    };
    word.map_or(event.what.name().to_string(), |word| format!("{} {word}", event.what.name()))
}

/// An event in one line, every field of it.
fn line(event: &Event) -> String {
    let text = |text: &Option<std::borrow::Cow<str>>| text.as_deref().unwrap_or("-").to_string();
    let number = |number: Option<i64>| number.map_or("-".to_string(), |number| number.to_string());
    let flag = |flag: Option<bool>| flag.map_or("-".to_string(), |flag| flag.to_string());
    let own = match &event.what {
        What::Call(call) => match call {
            CallEvent::Arrived { dialled } | CallEvent::Dialled { dialled } => text(dialled),
            CallEvent::Queued { priority, position, .. } => format!("{} {}", number(*priority), number(*position)),
            CallEvent::Answered { waited_ms } | CallEvent::LeftQueue { waited_ms, .. } => number(*waited_ms),
            CallEvent::Transferred { to_queue, to_agent, to_number, .. } => {
                format!("{} {} {}", text(to_queue), text(to_agent), text(to_number))
            }
            CallEvent::Ended { by } => by.map_or("-", EndedBy::word).to_string(),
            CallEvent::WrapupStarted { code, resolved } | CallEvent::WrapupEnded { code, resolved } => {
                format!("{} {}", text(code), flag(*resolved))
            }
            _ => String::new(),
        },
        What::AgentState { reason, .. } => text(reason),
        _ => String::new(),
    };
    let ids =
        [&event.event_id, &event.source, &event.call_id, &event.root_id, &event.customer, &event.queue, &event.agent]
            .map(text)
            .join(" ");
    let (channel, direction) = (event.channel.word(), event.direction.word());
    format!("{} {} {} {} {ids} {channel} {direction} {own}\n", event.time, sort(event), number(event.seq), event.tenant)
}

/// Counts and sums told by events alone, by entity and full name.
#[derive(Default)]
struct Recount {
    accounts: HashMap<(String, &'static str, String), BTreeMap<String, i64>>,
}

#[derive(Default)]
struct Told {
    queued: bool,
    blocked: bool,
    arrived: bool,
    /// Queue, entry, whether it is a callback, whether it came by a transfer.
    visit: Option<(String, EventTime, bool, bool)>,
    handed_on: bool,
    legs: Vec<ToldLeg>,
}

struct ToldLeg {
    agent: String,
    queue: Option<String>,
    began: EventTime,
    is_open: bool,
    held_since: Option<EventTime>,
    hold: i64,
    held: bool,
    wrapup_since: Option<EventTime>,
}

impl Recount {
    fn of(events: &[Event]) -> Recount {
        let mut recount = Recount::default();
        let mut calls: HashMap<&str, Told> = HashMap::new();
        for event in events {
            if let (Some(call), What::Call(what)) = (event.call_id.as_deref(), &event.what) {
                recount.read(event, what, calls.entry(call).or_default());
            }
        }
        recount
    }

    fn add(&mut self, event: &Event, queue: Option<&str>, agent: Option<&str>, name: &str, amount: i64) {
        let tenant = event.tenant.to_string();
        let ids = [("tenant", Some(tenant.as_str())), ("queue", queue), ("agent", agent)];
        for (kind, id) in ids.into_iter().filter_map(|(kind, id)| Some((kind, id?))) {
            let account = self.accounts.entry((tenant.clone(), kind, id.to_string())).or_default();
            *account.entry(name.to_string()).or_default() += amount;
        }
    }

    fn exit(&mut self, event: &Event, told: &mut Told, reason: LeaveReason) {
        let Some((queue, entry, is_callback, _)) = told.visit.take() else { return };
        if is_callback {
            return;
        }
        let (queue, waited) = (Some(queue.as_str()), event.time.since(entry).0);
        if reason == LeaveReason::Abandoned {
            self.add(event, queue, None, "abandoned", 1);
            self.add(event, queue, None, "short_abandoned", i64::from(waited <= 5_000));
            return self.add(event, queue, None, "sum wait_abandoned", waited);
        }
        self.add(event, queue, None, "flowed_out", 1);
        self.add(event, queue, None, &format!("flowed_out_by_reason.{}", reason.word()), 1);
        self.add(event, queue, None, "sum wait_flowed_out", waited);
        self.add(event, queue, None, "callbacks_requested", i64::from(reason == LeaveReason::Callback));
    }

    fn close(&mut self, event: &Event, leg: &mut ToldLeg) {
        leg.is_open = false;
        leg.hold += leg.held_since.take().map_or(0, |since| event.time.since(since).0);
        let (queue, agent) = (leg.queue.as_deref(), Some(leg.agent.as_str()));
        self.add(event, queue, agent, "handled", 1);
        self.add(event, queue, agent, "held", i64::from(leg.held));
        self.add(event, queue, agent, "sum hold", leg.hold);
        self.add(event, queue, agent, "sum talk", event.time.since(leg.began).0 - leg.hold);
    }

    fn read(&mut self, event: &Event, what: &CallEvent, told: &mut Told) {
        let (queue, agent) = (event.queue.as_deref(), event.agent.as_deref());
        let open = told.legs.iter_mut().rev().find(|leg| leg.is_open && Some(leg.agent.as_str()) == agent);
        match what {
            CallEvent::Arrived { .. } => {
                told.arrived = true;
                self.add(event, None, None, "arrived", 1);
            }
            CallEvent::Dialled { .. } => self.add(event, queue, agent, "outbound", 1),
            CallEvent::Blocked { reason } => {
                told.blocked = true;
                self.add(event, queue, None, "blocked", 1);
                self.add(event, queue, None, &format!("blocked_by_reason.{}", reason.unwrap().word()), 1);
            }
            CallEvent::Queued { via, .. } => {
                self.exit(event, told, LeaveReason::Overflow);
                assert_eq!(event.direction, Direction::Inbound);
                told.queued = true;
                told.handed_on = false;
                let name = if *via == Via::Callback { "callbacks_offered" } else { "offered" };
                self.add(event, queue, None, name, 1);
                self.add(event, queue, None, "transferred_in", i64::from(*via == Via::Transfer));
                told.visit = Some((queue.unwrap().into(), event.time, *via == Via::Callback, *via == Via::Transfer));
            }
            CallEvent::Ringing => self.add(event, queue, agent, "solicitations", 1),
            CallEvent::RingEnded { reason } => {
                let is_left = *reason == RingEndReason::CallerLeft;
                self.add(event, queue, agent, if is_left { "ring_caller_left" } else { "ring_no_answer" }, 1);
            }
            CallEvent::Answered { .. } => {
                let mut of_queue = queue.map(String::from);
                match told.visit.take() {
                    Some((queue, entry, is_callback, is_transferred)) => {
                        let waited = event.time.since(entry).0;
                        if !is_callback {
                            self.add(event, Some(&queue), agent, "answered", 1);
                            self.add(event, Some(&queue), agent, "sum wait_answered", waited);
                            self.add(event, Some(&queue), agent, "answered_within_20s", i64::from(waited <= 20_000));
                        }
                        let account =
                            self.accounts.get_mut(&(event.tenant.to_string(), "agent", agent.unwrap().into()));
                        *account.unwrap().entry("transferred_in".into()).or_default() += i64::from(is_transferred);
                    }
                    None => {
                        of_queue = of_queue.or_else(|| told.legs.last().and_then(|leg| leg.queue.clone()));
                        self.add(event, None, agent, "transferred_in", i64::from(told.handed_on));
                    }
                }
                told.handed_on = false;
                told.legs.push(ToldLeg {
                    agent: agent.unwrap().into(),
                    queue: of_queue,
                    began: event.time,
                    is_open: true,
                    held_since: None,
                    hold: 0,
                    held: false,
                    wrapup_since: None,
                });
            }
            CallEvent::Held => {
                let leg = open.expect("an open connection");
                (leg.held, leg.held_since) = (true, Some(event.time));
            }
            CallEvent::Resumed => {
                let leg = open.expect("an open connection");
                leg.hold += event.time.since(leg.held_since.take().expect("on hold")).0;
            }
            CallEvent::Transferred { kind, .. } => {
                let leg = open.expect("an open connection");
                self.add(event, leg.queue.as_deref(), agent, "transferred_out", 1);
                let by_kind = format!("transferred_out_by_kind.{}", kind.word());
                self.add(event, leg.queue.as_deref(), agent, &by_kind, 1);
                if *kind != TransferKind::Conference {
                    self.close(event, leg);
                    told.handed_on = true;
                }
            }
            CallEvent::LeftQueue { reason, waited_ms } => {
                let (of, entry, ..) = told.visit.clone().expect("an open visit");
                assert_eq!(Some(of.as_str()), queue);
                assert!(waited_ms.is_none_or(|waited| waited == event.time.since(entry).0));
                self.exit(event, told, *reason);
            }
            CallEvent::Ended { by } => {
                let by_system = *by == Some(EndedBy::System);
                self.exit(event, told, if by_system { LeaveReason::System } else { LeaveReason::Abandoned });
                for leg in told.legs.iter_mut().filter(|leg| leg.is_open) {
                    self.close(event, leg);
                }
                let in_menu = told.arrived && !told.queued && !told.blocked;
                self.add(event, None, None, "left_in_ivr", i64::from(in_menu));
            }
            CallEvent::WrapupStarted { .. } => {
                let leg =
                    told.legs.iter_mut().rev().find(|leg| Some(leg.agent.as_str()) == agent).expect("a connection");
                if leg.is_open {
                    self.close(event, leg);
                }
                leg.wrapup_since = Some(event.time);
            }
            CallEvent::WrapupEnded { .. } => {
                let leg =
                    told.legs.iter_mut().rev().find(|leg| Some(leg.agent.as_str()) == agent).expect("a connection");
                let wrapup = event.time.since(leg.wrapup_since.take().expect("in wrap-up")).0;
                let queue = leg.queue.clone();
                self.add(event, queue.as_deref(), agent, "sum wrapup", wrapup);
            }
        }
    }
}
