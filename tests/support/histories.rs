//! Generated histories: what a centre may tell of its calls, well formed or not.
//!
//! A call is a row of segments that hang together, or single events that do not: beginnings are
//! missing, things happen twice or in the wrong order, ids are used again. Events are JSON lines, so
//! that a failing case can be read, and given to `replay` as it stands.

use callpulse::decode::json;
use callpulse::event::{Decoded, Event};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// One event as it is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// Epoch milliseconds.
    pub time: i64,
    /// How long after its time it arrives; negative if it is told ahead.
    pub delay: i64,
    /// It arrives twice.
    pub is_repeated: bool,
    pub tenant: &'static str,
    /// Empty for what is no call's.
    pub call: String,
    pub line: String,
}

/// How far apart the events of a call may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everything within three quarters of an hour: nothing is lost, nothing is used again.
    Minutes,
    /// Up to two days: visits, connections and wrap-ups are lost, and ids are used again.
    Days,
}

/// The length of a history of [`Reach::Minutes`], milliseconds.
pub const MINUTES_MS: i64 = 44 * 60_000;

pub const QUEUES: [&str; 3] = ["sales", "support", "vip"];
pub const AGENTS: [&str; 4] = ["ana", "bo", "Local/9@x", "cem"];
pub const TENANTS: [&str; 2] = ["default", "north"];

/// Where histories begin: an ordinary morning, and hours before a change of clock.
const BEGINNINGS: [&str; 8] = [
    "2026-03-02T08:00:00Z",
    "2026-03-29T00:20:00Z",
    "2026-10-25T00:20:00Z",
    "2026-03-08T04:20:00Z",
    "2026-11-01T03:50:00Z",
    "2026-04-04T14:30:00Z",
    "2026-10-03T15:00:00Z",
    "2026-01-31T22:30:00Z",
];

/// What happens next in a call.
#[derive(Clone, Debug)]
struct Step {
    kind: &'static str,
    gap: i64,
    queue: Option<usize>,
    agent: usize,
    detail: usize,
    waited: Option<i64>,
    mark: u8,
    is_repeated: bool,
    delay: i64,
}

/// A call of its steps, or the restart of a source.
#[derive(Clone, Debug)]
struct Script {
    tenant: usize,
    call: usize,
    start: i64,
    channel: usize,
    direction: usize,
    has_source: bool,
    root: usize,
    steps: Vec<Step>,
}

impl Told {
    /// The event of the line.
    pub fn event(&self) -> Event<'_> {
        match json::decode(self.line.as_bytes()) {
            Ok(Decoded::Event(event)) => event,
            other => panic!("{} is no event: {other:?}", self.line),
        }
    }

    pub fn arrives(&self) -> i64 {
        self.time + self.delay
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let repeated = if self.is_repeated { " twice" } else { "" };
        write!(f, "{} +{}ms{repeated}", self.line, self.delay)
    }
}

/// What an agent says at some time.
#[derive(Clone, Debug)]
struct Word {
    tenant: usize,
    agent: usize,
    /// Of the length of the history, in thousandths.
    at: i64,
    millis: i64,
    what: usize,
    queue: Option<usize>,
    mark: u8,
    is_repeated: bool,
    delay: i64,
}

/// A history of some calls and agents, in the order of time.
pub fn history(reach: Reach) -> BoxedStrategy<Vec<Told>> {
    history_of(reach, 1..6)
}

/// A history of one to three calls, for what is done with it many times over.
pub fn few_calls(reach: Reach) -> BoxedStrategy<Vec<Told>> {
    history_of(reach, 1..4)
}

fn history_of(reach: Reach, calls: std::ops::Range<usize>) -> BoxedStrategy<Vec<Told>> {
    let restarts = proptest::collection::vec((0..2_400_i64, 0..TENANTS.len()), 0..2);
    let words = proptest::collection::vec(word(reach), 0..9);
    (select(&BEGINNINGS[..]), proptest::collection::vec(script(reach), calls), restarts, words)
        .prop_map(move |(beginning, scripts, restarts, words)| {
            let base = callpulse::time::EventTime::parse(beginning).expect("a time").0;
            let mut told: Vec<Told> = scripts.iter().flat_map(|script| told(script, base)).collect();
            let longest = if reach == Reach::Minutes { MINUTES_MS } else { 30 * 3_600_000 };
            for (at, tenant) in restarts {
                let time = base + at * longest / 2_400;
                let line =
                    json!({"type": "source.restarted", "time": time, "tenant": TENANTS[tenant], "source": "pbx"});
                let (tenant, line) = (TENANTS[tenant], line.to_string());
                told.push(Told { time, delay: 0, is_repeated: false, tenant, call: String::new(), line });
            }
            told.extend(words.iter().map(|word| said(word, base, longest)));
            told.sort();
            told
        })
        .boxed()
}

fn word(reach: Reach) -> impl Strategy<Value = Word> {
    let latest = if reach == Reach::Minutes { 60_000_i64 } else { 3 * 3_600_000 };
    let delay = prop_oneof![6 => Just(0), 1 => 0..3_000_i64, 1 => 0..latest];
    let queue = prop_oneof![2 => Just(None), 1 => (0..QUEUES.len()).prop_map(Some)];
    let millis = prop_oneof![Just(0_i64), 0..2_000_i64];
    let whose = (prop_oneof![3 => Just(0_usize), 1 => 0..TENANTS.len()], 0..AGENTS.len());
    (whose, 0..1_000_i64, millis, 0..14_usize, queue, 0..10_u8, prop::bool::weighted(0.1), delay).prop_map(
        |((tenant, agent), at, millis, what, queue, mark, is_repeated, delay)| Word {
            tenant,
            agent,
            at,
            millis,
            what,
            queue,
            mark,
            is_repeated,
            delay,
        },
    )
}

fn said(word: &Word, base: i64, longest: i64) -> Told {
    const STATES: [&str; 10] = [
        "available",
        "available",
        "available",
        "paused",
        "paused",
        "logged_out",
        "logged_out",
        "ringing",
        "on_call",
        "wrapup",
    ];
    let time = base + word.at * longest / 1_000 + word.millis;
    let (tenant, agent) = (TENANTS[word.tenant], AGENTS[word.agent]);
    let mut line = json!({"time": time, "tenant": tenant, "agent": agent});
    match STATES.get(word.what) {
        Some(state) => {
            line["type"] = json!("agent.state");
            line["state"] = json!(state);
            if let Some(queue) = word.queue {
                line["queue"] = json!(QUEUES[queue]);
            }
            if word.millis % 3 != 0 {
                line["reason"] = json!(["lunch", "coaching"][word.mark as usize % 2]);
            }
        }
        None => {
            line["type"] = json!(if word.what == 13 { "agent.left" } else { "agent.joined" });
            line["queue"] = json!(QUEUES[word.queue.unwrap_or(word.mark as usize % QUEUES.len())]);
        }
    }
    match word.mark {
        0 => line["event_id"] = json!(format!("w{}", word.at % 3)),
        1 => line["seq"] = json!(word.at % 3),
        2 => line["event_id"] = json!(format!("{agent}{time}")),
        _ => {}
    }
    let Word { delay, is_repeated, .. } = *word;
    let call = format!("w{}", word.at % 7);
    Told { time, delay, is_repeated, tenant, call, line: line.to_string() }
}

fn script(reach: Reach) -> impl Strategy<Value = Script> {
    let segments = match reach {
        Reach::Minutes => 1..5,
        Reach::Days => 1..8,
    };
    let steps = proptest::collection::vec(segment(reach), segments).prop_map(|segments| segments.concat());
    let start = 0..20 * 60_i64;
    let call = (0..TENANTS.len(), 0..4_usize, start, prop_oneof![5 => Just(0_usize), 1 => 0..3_usize]);
    (call, prop_oneof![6 => Just(0_usize), 1 => 1..3_usize], any::<bool>(), 0..6_usize, steps).prop_map(
        |((tenant, call, start, channel), direction, has_source, root, mut steps)| {
            steps.truncate(14);
            Script { tenant, call, start: start * 1000, channel, direction, has_source, root, steps }
        },
    )
}

fn segment(reach: Reach) -> impl Strategy<Value = Vec<Step>> {
    const WHOLE: [&[&str]; 12] = [
        &["call.arrived"],
        &["call.queued", "call.answered"],
        &["call.queued", "call.ringing", "call.answered", "call.ended"],
        &["call.queued", "call.left_queue"],
        &["call.queued", "call.ended"],
        &["call.ringing", "call.ring_ended"],
        &["call.held", "call.resumed"],
        &["call.transferred", "call.answered"],
        &["call.transferred", "call.queued"],
        &["call.wrapup_started", "call.wrapup_ended"],
        &["call.dialled", "call.answered", "call.ended", "call.wrapup_ended"],
        &["call.ended"],
    ];
    const SINGLE: [&str; 14] = [
        "call.arrived",
        "call.dialled",
        "call.blocked",
        "call.queued",
        "call.ringing",
        "call.ring_ended",
        "call.answered",
        "call.held",
        "call.resumed",
        "call.transferred",
        "call.left_queue",
        "call.ended",
        "call.wrapup_started",
        "call.wrapup_ended",
    ];
    let kinds = prop_oneof![
        2 => select(&WHOLE[..]).prop_map(<[&str]>::to_vec),
        1 => select(&SINGLE[..]).prop_map(|kind| vec![kind]),
    ];
    (kinds, 0..QUEUES.len(), 0..AGENTS.len()).prop_flat_map(move |(kinds, queue, agent)| {
        kinds.into_iter().map(|kind| step(reach, kind, queue, agent)).collect::<Vec<_>>()
    })
}

fn step(reach: Reach, kind: &'static str, queue: usize, agent: usize) -> BoxedStrategy<Step> {
    let gap = match reach {
        Reach::Minutes => {
            prop_oneof![2 => Just(0), 3 => 0..20_000_i64, 3 => (0..40_i64).prop_map(|s| s * 1000), 1 => 0..100_000_i64]
                .boxed()
        }
        Reach::Days => prop_oneof![
            2 => Just(0), 3 => 0..20_000_i64, 3 => (0..90_i64).prop_map(|s| s * 1000), 2 => 0..1_200_000_i64,
            1 => 3_000_000..5_000_000_i64, 1 => 7_000_000..30_000_000_i64,
        ]
        .boxed(),
    };
    let queue = prop_oneof![5 => Just(Some(queue)), 1 => (0..QUEUES.len()).prop_map(Some), 1 => Just(None)];
    let agent = prop_oneof![6 => Just(agent), 1 => 0..AGENTS.len()];
    let waited = prop_oneof![3 => Just(None), 1 => (0..120_000_i64).prop_map(Some)];
    let latest = if reach == Reach::Minutes { 60_000_i64 } else { 3 * 3_600_000 };
    let delay = prop_oneof![6 => Just(0), 1 => 0..3_000_i64, 1 => 0..60_000_i64, 1 => 0..latest];
    (gap, queue, agent, 0..24_usize, waited, 0..12_u8, prop::bool::weighted(0.1), delay)
        .prop_map(move |(gap, queue, agent, detail, waited, mark, is_repeated, delay)| Step {
            kind,
            gap,
            queue,
            agent,
            detail,
            waited,
            mark,
            is_repeated,
            delay,
        })
        .boxed()
}

fn told(script: &Script, base: i64) -> Vec<Told> {
    let tenant = TENANTS[script.tenant];
    let call = format!("c{}", script.call);
    let mut time = base + script.start;
    let steps = script.steps.iter().enumerate().map(|(place, step)| {
        time += step.gap;
        let line = line(script, step, place, &call, time).to_string();
        let Step { mut delay, is_repeated, .. } = *step;
        // Some systems tell the end of a wrap-up when it begins, as planned.
        if step.kind == "call.wrapup_ended" && step.detail % 4 == 0 {
            delay = -step.gap.min(3_600_000);
        }
        Told { time, delay, is_repeated, tenant, call: call.clone(), line }
    });
    steps.collect()
}

fn line(script: &Script, step: &Step, place: usize, call: &str, time: i64) -> Value {
    let pick = |words: &'static [&'static str]| words[step.detail % words.len()];
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| {
        line.insert(name.to_string(), value);
    };
    put("type", json!(step.kind));
    put("time", json!(time));
    put("call_id", json!(call));
    put("tenant", json!(TENANTS[script.tenant]));
    put("channel", json!(["voice", "chat", "email"][script.channel]));
    put("direction", json!(["inbound", "outbound", "internal"][script.direction]));
    if script.has_source {
        put("source", json!("pbx"));
    }
    match script.root {
        0 => put("root_id", json!("c0")),
        1 => put("root_id", json!(call)),
        // Most of the call is told by a document, in up to three revisions.
        2 if step.mark < 10 => {
            put("document", json!(format!("d{}", script.start % 7)));
            put("revision", json!(step.detail % 3));
        }
        _ => {}
    }
    match step.mark {
        // Ids that mean one event, and some that are given twice.
        0 | 1 => put("event_id", json!(format!("{call}-{}-{place}", script.start))),
        2 => put("event_id", json!(format!("{call}-{}", place % 3))),
        3 => put("seq", json!(place)),
        4 => put("seq", json!(-(place as i64 % 3))),
        _ => {}
    }
    let needs_queue = matches!(step.kind, "call.queued" | "call.left_queue");
    if let Some(queue) = step.queue.or(needs_queue.then_some(0)) {
        put("queue", json!(QUEUES[queue]));
    }
    let needs_agent = matches!(
        step.kind,
        "call.ringing"
            | "call.ring_ended"
            | "call.answered"
            | "call.transferred"
            | "call.wrapup_started"
            | "call.wrapup_ended"
    );
    if needs_agent || (step.kind != "call.queued" && step.detail.is_multiple_of(2)) {
        put("agent", json!(AGENTS[step.agent]));
    }
    match step.kind {
        "call.blocked" => put("reason", json!(pick(&["full", "closed", "no_agents", "no_trunk", "odd"]))),
        "call.queued" => put("via", json!(pick(&["direct", "direct", "direct", "transfer", "callback"]))),
        "call.ring_ended" => put("reason", json!(pick(&["no_answer", "rejected", "caller_left", "error"]))),
        "call.transferred" => {
            put("kind", json!(pick(&["blind", "attended", "conference", "odd"])));
            match step.detail % 3 {
                0 => put("to_queue", json!(QUEUES[step.detail % QUEUES.len()])),
                1 => put("to_agent", json!("bo")),
                _ => put("to_number", json!("100")),
            }
        }
        "call.left_queue" => put(
            "reason",
            json!(pick(&[
                "abandoned",
                "abandoned",
                "timeout",
                "no_agents",
                "key",
                "overflow",
                "callback",
                "voicemail",
                "withdrawn",
                "system",
            ])),
        ),
        "call.ended" => put("by", json!(pick(&["caller", "agent", "system"]))),
        _ => {}
    }
    if let (Some(waited), "call.answered" | "call.left_queue") = (step.waited, step.kind) {
        put("waited_ms", json!(waited));
    }
    Value::Object(line)
}
