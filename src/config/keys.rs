//! The keys: every setting there is, with its shape.
//!
//! `config/callpulse.toml` is their manual and holds their defaults. A test compares the two.

use super::leaf::WEEKDAYS;
use super::notify;
use super::shape::{Key, Shape, Standing};
use crate::alert::rule::Severity;
use crate::alert::unusual::{Side, WEEKS_MAX};
use crate::decode::mapping::Outcome;
use crate::entity::Kind;
use crate::event::{Channel, Direction};
use crate::kpi::settings::Formula;
use crate::stream::outlet::RecordFormat;
use crate::time::Span;

const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, about, shape, standing: Standing::Optional }
}

const fn required(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, about, shape, standing: Standing::Required }
}

const fn promised(name: &'static str, shape: Shape) -> Key {
    Key { name, about: "Understood, not used by this version.", shape, standing: Standing::Promised }
}

const fn between(min: Span, max: Span) -> Shape {
    Shape::Duration { min, max, whole_seconds: false }
}

const fn seconds_between(min: Span, max: Span) -> Shape {
    Shape::Duration { min, max, whole_seconds: true }
}

/// The keys of a level after others.
const fn and_level<const N: usize>(first: &[Key]) -> [Key; N] {
    let mut keys = [LEVEL[0]; N];
    let mut at = 0;
    while at < N {
        keys[at] = if at < first.len() { first[at] } else { LEVEL[at - first.len()] };
        at += 1;
    }
    keys
}

const DAY: Span = Span::from_hours(24);
const DIRECTIONS: [&str; Direction::ALL.len()] = {
    let mut words = [""; Direction::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Direction::ALL[at].word();
        at += 1;
    }
    words
};
const CHANNELS: [&str; Channel::ALL.len()] = {
    let mut words = [""; Channel::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Channel::ALL[at].word();
        at += 1;
    }
    words
};
const SLIDING: Shape = seconds_between(Span::from_secs(1), Span::from_hours(24 * 7));
const WORKERS: Shape = Shape::Integer { min: 1, max: 64 };

const FORMULAS: [&str; Formula::ALL.len()] = {
    let mut words = [""; Formula::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Formula::ALL[at].word();
        at += 1;
    }
    words
};

const FORMATS: [&str; RecordFormat::ALL.len()] = {
    let mut words = [""; RecordFormat::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = RecordFormat::ALL[at].word();
        at += 1;
    }
    words
};

const KINDS: [&str; Kind::ALL.len()] = {
    let mut words = [""; Kind::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Kind::ALL[at].word();
        at += 1;
    }
    words
};

/// The whole document.
pub const DOCUMENT: Shape = Shape::Table(SECTIONS);

pub const SECTIONS: &[Key] = &[
    key("kafka", Shape::Table(KAFKA), "How to reach Kafka."),
    key("sources", Shape::List { of: &Shape::Table(SOURCE), distinct: false }, "The topics that events are read from."),
    key("topics", Shape::Table(TOPICS), "The topics that the program writes."),
    key("output", Shape::Table(OUTPUT), "How records for subscribers are written."),
    key("engine", Shape::Table(ENGINE), "How the stages work."),
    key("windows", Shape::Table(WINDOWS), "Over what time KPIs are taken, and for whom."),
    key(
        "service_level",
        Shape::Table(SERVICE_LEVEL),
        "How service level is taken where a queue does not say otherwise.",
    ),
    key("queues", Shape::Names(&Shape::Table(QUEUE)), "Queues by name."),
    key("tenants", Shape::Names(&Shape::Table(TENANT)), "Tenants by name."),
    key("agents", Shape::Names(&Shape::Table(AGENT)), "Agents by name."),
    key("teams", Shape::Names(&Shape::Table(TEAM)), "Teams by name."),
    key("serve", Shape::Table(SERVE), "The HTTP endpoints."),
    key("csv", Shape::Table(CSV), "What the columns of call detail records mean, for the format csv."),
    key(
        "queue_log",
        Shape::Table(QUEUE_LOG),
        "How rows of Asterisk's realtime table are read, for the format queue_log.",
    ),
    promised("rates", Shape::Names(&Shape::Anything)),
    promised("privacy", Shape::Table(PRIVACY)),
    key("calendars", Shape::Names(&Shape::Table(CALENDAR)), "Opening hours by name."),
    key("alerts", Shape::List { of: &Shape::Table(ALERT), distinct: false }, "Rules: when to tell people."),
    key("notify", Shape::List { of: &Shape::Table(NOTIFY), distinct: false }, "Targets: where alerts are told."),
];

const KAFKA: &[Key] = &[
    key("brokers", Shape::Brokers, "Addresses to begin with, host:port, separated by commas."),
    key("properties", Shape::Properties, "Further properties of the client library (librdkafka)."),
];

const SOURCE: &[Key] = &[
    required("topic", Shape::Name, "The topic's name."),
    key("format", Shape::Encoding, "How its records are written; json unless said."),
    key(
        "silent_after",
        between(Span(1), Span::from_hours(24 * 366)),
        "A topic without a record for so long, one without any since the start, is told as silent; never unless said.",
    ),
    key("hours", Shape::Text, "It is told as silent within them only: hours, or the name of a calendar."),
];

const COLUMN: Shape = Shape::Text;

const CSV: &[Key] = &[
    key("columns", Shape::List { of: &Shape::Text, distinct: true }, "The names of all columns, in order."),
    key("delimiter", Shape::Delimiter, "The sign between cells."),
    key("timezone", Shape::TimeZone, "IANA time zone of times without an offset."),
    key("time_format", Shape::TimeFormat, "How times are written, as for strptime; RFC 3339 unless said."),
    key("length_unit", Shape::Word(&["s", "ms"]), "What a length of 1 means."),
    key("empty", Shape::List { of: &Shape::Text, distinct: true }, "Texts that stand for nothing, but in lengths."),
    key("call_id", Shape::List { of: &COLUMN, distinct: true }, "Columns that together are the call's id."),
    key("root_id", COLUMN, "Column of what ties the rows of a transferred call."),
    key("queue", COLUMN, "Column of the queue."),
    key("default_queue", Shape::Text, "The queue where no column says it."),
    key("agent", COLUMN, "Column of the agent."),
    key("default_agent", Shape::Text, "The agent where no column says it."),
    key("customer", COLUMN, "Column of the customer."),
    key("date", COLUMN, "Column of the day, where the columns of times hold times of day."),
    key("arrived_at", COLUMN, "Column of when the call reached the centre."),
    key("queued_at", COLUMN, "Column of when it entered the queue."),
    key("ringing_at", COLUMN, "Column of when it was offered to the agent."),
    key("answered_at", COLUMN, "Column of when the agent answered."),
    key("ended_at", COLUMN, "Column of when it ended."),
    key("wait", COLUMN, "Column of how long it waited."),
    key("talk", COLUMN, "Column of how long the agent talked."),
    key("wrapup", COLUMN, "Column of how long the after-call work took."),
    key("total", COLUMN, "Column of how long all of it took, from arrival or entry to end."),
    key("outcome", COLUMN, "Column of how it ended."),
    key("outcomes", Shape::Names(&Shape::Word(&Outcome::WORDS)), "What the words of that column mean."),
    key("direction", COLUMN, "Column of who began the call."),
    key("directions", Shape::Names(&Shape::Word(&DIRECTIONS)), "What the words of that column mean."),
    key("channel", COLUMN, "Column of how the customer reached the centre."),
    key("channels", Shape::Names(&Shape::Word(&CHANNELS)), "What the words of that column mean."),
];

const QUEUE_LOG: &[Key] =
    &[key("timezone", Shape::TimeZone, "IANA time zone of times without an offset; they are refused unless said.")];

const TOPICS: &[Key] = &[
    key("partials", Shape::Name, "Internal: batches from the stages calls and subjects to the stage kpis."),
    key("subjects", Shape::Name, "Internal: batches from the stage calls to the stage subjects."),
    key(
        "state",
        Shape::Name,
        "Internal: the beginning of the state topics, STATE.calls, STATE.subjects and STATE.kpis.",
    ),
    key("kpis", Shape::Name, "The board: the newest record of each entity and window."),
    key("intervals", Shape::Name, "The archive: intervals that have ended."),
    key("rejects", Shape::Name, "Records that could not be used."),
    key("calls", Shape::Name, "Assembled calls."),
    key("alerts", Shape::Name, "Alerts: the newest record of each rule and entity."),
    key("partitions", Shape::Integer { min: 1, max: 10_000 }, "Partitions of a topic that the program creates."),
    key("replication_factor", Shape::Integer { min: 1, max: 100 }, "Copies of a topic that the program creates."),
];

const OUTPUT: &[Key] = &[
    key("format", Shape::Word(&FORMATS), "JSON, or the protobuf messages of the same fields."),
    key("schema_ids", Shape::Table(SCHEMA_IDS), "Frames values as Confluent's serializers do, with these ids."),
];

const SCHEMA_ID: Shape = Shape::Integer { min: 1, max: i32::MAX as i64 };

const SCHEMA_IDS: &[Key] = &[
    required("kpi", SCHEMA_ID, "The schema of KPI records."),
    required("progress", SCHEMA_ID, "The schema of progress records."),
    required("call", SCHEMA_ID, "The schema of call records."),
];

const ENGINE: &[Key] = &[
    key("generation", Shape::Integer { min: 1, max: 1 << 20 }, "Raising it rebuilds everything from the input."),
    key("calls_commit_every", between(Span(1), Span::from_secs(60)), "The stage calls commits this often."),
    key("kpis_commit_every", between(Span(1), Span::from_secs(60)), "The stage kpis commits at most this often."),
    key("emit_every", between(Span(1), Span::from_hours(1)), "A key that keeps changing is published this often."),
    key("allowed_disorder", between(Span(0), DAY), "Events of a source may be this much out of order."),
    key("allowed_skew", between(Span(0), DAY), "An event may lie this far after its own record."),
    key(
        "late_horizon",
        seconds_between(Span::from_secs(60), Span::from_hours(24 * 366)),
        "An event older than this is late.",
    ),
    key("calls_workers", WORKERS, "Threads of the stage calls."),
    key("subjects_workers", WORKERS, "Threads of the stage subjects."),
    key("kpis_workers", WORKERS, "Threads of the stage kpis."),
    key("max_entities", ENTITIES, "How many queues, agents, teams and tenants are counted in all."),
    key("built_in_alerts", Shape::Switch, "Whether the program raises alerts about itself and its sources."),
    key("instance", Shape::Name, "Names this instance; different in each instance of a cluster."),
];

const WINDOWS: &[Key] = &[
    key(
        "sliding",
        Shape::List { of: &SLIDING, distinct: true },
        "Lengths of sliding windows; the text is the window's name.",
    ),
    key(
        "intervals",
        Shape::List { of: &Shape::Interval, distinct: true },
        "Lengths of calendar intervals, any that divides a day, and 1d, 1w, 1mo; the window is named per_ and the text.",
    ),
    key("timezone", Shape::TimeZone, "IANA time zone whose midnight begins a day."),
    key("week_start", Shape::Word(&WEEKDAYS), "The first day of a week."),
    key("interval_grace", between(Span(0), Span::from_hours(24 * 31)), "An interval is final this long after its end."),
    key("keep_intervals", between(Span::from_hours(1), Span::from_hours(24 * 36_600)), "How long the archive is kept."),
    key(
        "by_channel",
        Shape::List { of: &Shape::Word(&KINDS), distinct: true },
        "Kinds of entity that are also counted per channel.",
    ),
    key("queue_agent", Shape::Switch, "Whether agents are also counted within each queue."),
];

const THRESHOLD: Key = key(
    "threshold",
    Shape::WaitEdge { min: Span::from_secs(1) },
    "Answered within this wait is in time; whole seconds up to 10 minutes, coarser above.",
);
const TARGET: Key = key("target", Shape::Number { min: 0.0, max: 1.0 }, "The wanted share, 0 to 1.");
const FORMULA: Key = key("formula", Shape::Word(&FORMULAS), "Which calls are divided by which.");
const SHORT_ABANDON: Key =
    key("short_abandon", Shape::WaitEdge { min: Span(0) }, "An abandon within this wait is a short one.");
const MET_AT_THRESHOLD: Key =
    key("met_at_threshold", Shape::Switch, "Whether an answer at exactly the threshold is in time.");
const ALSO: Key = key(
    "also",
    Shape::List { of: &Shape::Also, distinct: true },
    "Further service levels: a formula, or formula@threshold.",
);

const SERVICE_LEVEL: &[Key] = &[THRESHOLD, TARGET, FORMULA, SHORT_ABANDON, MET_AT_THRESHOLD, ALSO];

const QUEUE: &[Key] = &[
    key("title", Shape::Text, "What people call it; its name unless said."),
    THRESHOLD,
    TARGET,
    FORMULA,
    SHORT_ABANDON,
    MET_AT_THRESHOLD,
    ALSO,
    key(
        "targets",
        Shape::Names(&Shape::Number { min: f64::MIN, max: f64::MAX }),
        "Wanted values by KPI: a ratio as 0 to 1, a time in seconds.",
    ),
    key("labels", Shape::List { of: &Shape::Text, distinct: true }, "Groups it is of, for rules of alerts."),
    key("hours", Shape::Text, "When rules without hours of their own are in force: hours, or the name of a calendar."),
];

const ENTITIES: Shape = Shape::Integer { min: 1, max: 10_000_000 };

const TENANT: &[Key] = &[
    key("timezone", Shape::TimeZone, "Its IANA time zone; that of [windows] unless said."),
    key("week_start", Shape::Word(&WEEKDAYS), "The first day of its week; that of [windows] unless said."),
    key("max_entities", ENTITIES, "How many entities it may have; as many as there may be unless said."),
];

const AGENT: &[Key] = &[
    key("title", Shape::Text, "What people call the agent; the name unless said."),
    key("aliases", Shape::List { of: &Shape::Text, distinct: true }, "Other names of the agent in events."),
];

const TEAM: &[Key] = &[
    key("queues", Shape::List { of: &Shape::Text, distinct: true }, "Queues whose calls are the team's."),
    key(
        "members",
        Shape::List { of: &Shape::Table(MEMBER), distinct: true },
        "Agents whose work is the team's; of its queues all if none is listed.",
    ),
];

const MEMBER: &[Key] = &[
    required("agent", Shape::Text, "The agent's name."),
    key("from", Shape::Moment, "Member from here on; always so far unless said."),
    key("until", Shape::Moment, "Member up to here, exclusive; from then on always unless said."),
];

const SERVE: &[Key] = &[
    key("listen", Shape::Address, "IP address and port."),
    key(
        "token",
        Shape::Secret { least: 16 },
        "What requests must bear; required when others than this machine can connect.",
    ),
    key(
        "allowed_hosts",
        Shape::List { of: &Shape::Host, distinct: true },
        "Names by which the server may be asked without a token, beside localhost and addresses of this machine.",
    ),
    key(
        "metrics_kinds",
        Shape::List { of: &Shape::Word(&["queue", "agent", "team", "tenant"]), distinct: true },
        "The kinds of entities that /metrics shows.",
    ),
    key(
        "metrics_windows",
        Shape::List { of: &Shape::Text, distinct: true },
        "The windows that /metrics shows, by their names; all if the list is empty.",
    ),
    key(
        "metrics_series_max",
        Shape::Integer { min: 1_000, max: 100_000_000 },
        "How many series of entities /metrics shows; entities beyond them are left out.",
    ),
];

const CALENDAR: &[Key] = &[
    required("hours", Shape::Hours, "A week's opening hours, such as mon-fri 08:00-20:00."),
    key("closed", Shape::List { of: &Shape::ClosedDay, distinct: true }, "Days on which it is closed."),
];

const SEVERITIES: [&str; Severity::ALL.len()] = {
    let mut words = [""; Severity::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Severity::ALL[at].word();
        at += 1;
    }
    words
};

const SIDES: [&str; Side::ALL.len()] = {
    let mut words = [""; Side::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Side::ALL[at].word();
        at += 1;
    }
    words
};

const KPI: Key = key("kpi", Shape::Text, "The id of a KPI or count, or a number of now.");
const WINDOW: Key = key("window", Shape::Text, "Over what time: the name of a window.");
const ANY_NUMBER: Shape = Shape::Number { min: f64::MIN, max: f64::MAX };
const TRIGGER: Key = key("trigger", ANY_NUMBER, "It fires beyond this.");
const CLEAR: Key = key("clear", ANY_NUMBER, "It clears at this or better; at the trigger unless said.");
const MIN_VOLUME: Key = key(
    "min_volume",
    Shape::Integer { min: 0, max: 1 << 40 },
    "Of fewer calls it says nothing; 20 of shares and means unless said.",
);
const MIN_LOGIN: Key = key(
    "min_login",
    between(Span(0), Span::from_hours(7 * 24)),
    "Of rates of agents' time: with less time logged in in the window, all agents together, it says nothing; half the \
     window, an hour at most, unless said.",
);
const BURN: Key =
    key("burn", Shape::Text, "A service level, by how fast the misses that its target allows are used up.");
const TWO_WINDOWS: Key = key(
    "windows",
    Shape::List { of: &Shape::Text, distinct: true },
    "Of a burn rate: a long sliding window and a short one.",
);
const BURN_TARGET: Key = key(
    "target",
    Shape::Number { min: 0.0, max: 1.0 },
    "Of a burn rate: the wanted share; that of the queue unless said.",
);
const OF_INTERVAL: Key =
    key("interval", Shape::Text, "The open interval that it is about: the name of a window; per_1d unless said.");
const FORECAST: Key =
    key("forecast", Shape::Text, "A service level, by what the open interval comes to with the present staff.");
const WITHIN: Key = key(
    "within",
    between(Span::from_secs(60), DAY),
    "Of a forecast: how far it looks ahead, to the interval's end at most.",
);
const PATIENCE: Key = key(
    "patience",
    between(Span::from_secs(1), DAY),
    "Of a forecast: how long callers wait on average before they give up; as in the interval so far unless said.",
);
const UNUSUAL: Key =
    key("unusual", Shape::Text, "A KPI or count, by how far it is off the same hour of the weeks before.");
const WEEKS_BACK: Shape = Shape::Integer { min: 1, max: WEEKS_MAX as i64 };
const WEEKS: Key = key("weeks", WEEKS_BACK, "Of what may be unusual: how many weeks are looked back; 6 unless said.");
const WEEKS_MIN: Key =
    key("weeks_min", WEEKS_BACK, "Of what may be unusual: with a value in fewer weeks it says nothing; 4 unless said.");
const SIDE: Key = key(
    "side",
    Shape::Word(&SIDES),
    "Of what may be unusual: on which side; where it is worse, of numbers of calls and agents on both, unless said.",
);

/// What a level is made of.
pub const LEVEL: &[Key] = &[
    KPI,
    WINDOW,
    TRIGGER,
    CLEAR,
    MIN_VOLUME,
    MIN_LOGIN,
    BURN,
    TWO_WINDOWS,
    BURN_TARGET,
    OF_INTERVAL,
    FORECAST,
    WITHIN,
    PATIENCE,
    UNUSUAL,
    WEEKS,
    WEEKS_MIN,
    SIDE,
];

const ALERT: &[Key] = &and_level::<{ LEVEL.len() + RULE.len() }>(RULE);

/// What a rule has beside its level.
const RULE: &[Key] = &[
    required("name", Shape::Text, "Its name, the first part of its alerts' keys."),
    key("of", Shape::Table(OF), "Which entities it is about; every queue unless said."),
    key("when", Shape::Condition, "Several levels together, instead of one."),
    key(
        "for",
        between(Span(0), Span::from_hours(24 * 7)),
        "It fires once it has held for so long; at once unless said.",
    ),
    key(
        "keep_firing_for",
        between(Span(0), Span::from_hours(24 * 7)),
        "What fires resolves once it has been clear for so long; its longest window unless said, but 5m at least and \
         30m at most; 15m of a burn rate, 5m of a forecast and of what is unusual.",
    ),
    key("severity", Shape::Word(&SEVERITIES), "How urgent it is; warning unless said."),
    key("hours", Shape::Text, "When it is in force: hours, or the name of a calendar; always unless said."),
    key("title", Shape::Text, "A line for people, with {entity}, {value} and so on in it."),
    key("text", Shape::Text, "A sentence for people, with the same in it."),
    key("runbook_url", Shape::Text, "A page that says what to do."),
    key("panel_url", Shape::Text, "A page that shows the numbers, with {id}, {window} and so on in it."),
];

const PATTERNS: Shape = Shape::List { of: &Shape::Text, distinct: true };

const NOTIFY: &[Key] = &[
    required("name", Shape::Name, "Its name, part of its consumer group's and a label of metrics."),
    required("kind", Shape::Word(&notify::KINDS), "What is on the other side."),
    key(
        "severities",
        Shape::List { of: &Shape::Word(&SEVERITIES), distinct: true },
        "The severities it hears of; all unless said, slack, teams and email not of info.",
    ),
    key("rules", PATTERNS, "The rules it hears of: patterns, in which * stands for any characters; all unless said."),
    key("tenants", PATTERNS, "The tenants it hears of: patterns; all unless said."),
    key(
        "give_up_after",
        between(Span::from_secs(60), Span::from_hours(24 * 7)),
        "What was not accepted for so long is left aside when another try fails; 24h unless said.",
    ),
    key("urls", Shape::List { of: &Shape::Text, distinct: true }, "The addresses of an Alertmanager's cluster."),
    key("token", Shape::Secret { least: 1 }, "Sent as a bearer token; none unless said."),
    key(
        "resend_every",
        between(Span::from_secs(1), Span::from_hours(1)),
        "An Alertmanager is told again this often what fires; 1m unless said.",
    ),
    key(
        "url",
        Shape::Secret { least: 1 },
        "The address of a webhook, of a mail server, or that Slack or Teams gave to a channel.",
    ),
    key(
        "secret",
        Shape::Secret { least: 1 },
        "What requests to a webhook are signed with: whsec_ and base64; none unless said.",
    ),
    key(
        "starttls",
        Shape::Switch,
        "Whether a mail server of smtp:// has to offer TLS; so it is unless said, but not of this machine.",
    ),
    key("username", Shape::Text, "Who logs in to a mail server; nobody unless said."),
    key("password", Shape::Secret { least: 1 }, "With what they log in."),
    key("from", Shape::Text, "The mailbox that mail is from."),
    key("to", Shape::List { of: &Shape::Text, distinct: true }, "The mailboxes that mail goes to."),
    key(
        "group_wait",
        between(Span(0), Span::from_secs(600)),
        "How long more of the same rule and tenant is waited for; 5s unless said.",
    ),
    key(
        "at_most",
        Shape::Integer { min: 1, max: 100 },
        "More than so many within group_wait become one message; 3 unless said.",
    ),
];

const OF: &[Key] = &[
    key("kind", Shape::Word(&KINDS), "The kind of entity; queue unless said."),
    key("id", Shape::Text, "A pattern of ids, in which * stands for any characters."),
    key("tenant", Shape::Text, "A pattern of tenants."),
    key("team", Shape::Text, "Queues of this team, or its members if the kind is agent."),
    key("label", Shape::Text, "Queues that have this label."),
];

/// A condition of a rule: a level, or others together.
pub const CONDITION: &[Key] = &and_level::<{ LEVEL.len() + TOGETHER.len() }>(TOGETHER);

const TOGETHER: &[Key] = &[
    key("all", Shape::List { of: &Shape::Condition, distinct: true }, "Holds if all of them do."),
    key("any", Shape::List { of: &Shape::Condition, distinct: true }, "Holds if one of them does."),
    key("not", Shape::Condition, "Holds if it does not."),
];

const PRIVACY: &[Key] = &[key("customer", Shape::Word(&["hash", "keep"]), "How customers are kept.")];
