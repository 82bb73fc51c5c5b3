//! Parameters: what may stand behind the `?` of a page, told once for reading them and for `/openapi.json`.

use crate::alert::rule::Severity;
use crate::entity::Kind;
use crate::event::Channel;
use crate::serve::accept::Accept;
use crate::serve::csv;
use crate::serve::filter::Filter;
use crate::serve::parts::{ALERT_RECORD, KPI_RECORD, OF_NAMES, Parts, WHOLE};
use crate::time::EventTime;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// One parameter of a page.
pub struct Parameter {
    pub name: &'static str,
    pub about: &'static str,
    pub given: Given,
    /// The JSON Schema of one value.
    pub schema: fn() -> Value,
}

/// How often a parameter may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    AtMostOnce,
    Once,
    Repeatedly,
}

/// What a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub filter: Filter,
    pub parts: Option<Parts>,
    pub limit: Option<usize>,
    /// The text behind a cursor.
    pub after: Option<String>,
    pub form: Option<Form>,
    pub from: Option<EventTime>,
    pub to: Option<EventTime>,
    pub last_event_id: Option<String>,
    /// Whether a stream tells of alerts.
    pub alerts: bool,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Csv,
}

impl Form {
    /// The one that is liked best; JSON where neither is accepted.
    pub fn accepted(accept: &Accept<'_>) -> Form {
        match accept.best(["application/json", csv::CONTENT_TYPE]) {
            Some(1) => Form::Csv,
            _ => Form::Json,
        }
    }
}

/// Records of one answer, where a limit is given.
pub const LIMIT_MAX: usize = 10_000;

/// What stands for all channels together.
const ALL_CHANNELS: &str = "all";

fn text() -> Value {
    json!({ "type": "string" })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn kinds() -> Value {
    json!({ "enum": Kind::ALL.map(Kind::word) })
}

fn kinds_of_alerts() -> Value {
    let words = Kind::ALL.map(Kind::word).into_iter();
    json!({ "enum": words.chain(["source", "partition", "engine"]).collect::<Vec<_>>() })
}

fn channels() -> Value {
    let words = Channel::ALL.iter().map(|channel| channel.word());
    json!({ "enum": words.chain([ALL_CHANNELS]).collect::<Vec<_>>() })
}

const KIND: Parameter =
    Parameter { name: "kind", about: "The kind of entity.", given: Given::Repeatedly, schema: kinds };
const ID: Parameter = Parameter {
    name: "id",
    about: "The entity's id as the source wrote it; of an agent within a queue `queue/agent`, each part encoded.",
    given: Given::Repeatedly,
    schema: text,
};
const WINDOW: Parameter = Parameter {
    name: "window",
    about: "The window's name, such as `now`, `30m`, `per_15m` or `total`: one of those of the settings, which `/api/v1/meta` lists.",
    given: Given::Repeatedly,
    schema: text,
};
const TENANT: Parameter = Parameter { name: "tenant", about: "The tenant.", given: Given::Repeatedly, schema: text };
const CHANNEL: Parameter = Parameter {
    name: "channel",
    about: "A channel; `all` asks for what is over all channels. Without it everything is given, also that of one channel.",
    given: Given::Repeatedly,
    schema: channels,
};
const FIELDS: Parameter = Parameter {
    name: "fields",
    about: "What of each record to give beside its head, separated by commas. Without it records come as published. A count, sum or KPI is named as in the catalogue.",
    given: Given::AtMostOnce,
    schema: || {
        let field = format!(r"(({})(\.[^,]+)?|{})", OF_NAMES.join("|"), WHOLE.join("|"));
        json!({ "type": "string", "pattern": format!("^{field}(,{field})*$") })
    },
};
const LIMIT: Parameter = Parameter {
    name: "limit",
    about: "How many to give at most; `next` tells where to go on.",
    given: Given::AtMostOnce,
    schema: || json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX }),
};
const AFTER: Parameter = Parameter {
    name: "after",
    about: "The `next` of the page before. It stands for the last record of that page: whatever is asked for, and on any instance, what comes behind that record is given.",
    given: Given::AtMostOnce,
    schema: text,
};
const FORMAT: Parameter = Parameter {
    name: "format",
    about: "`csv` gives a table; so does `Accept: text/csv`, where this is not given.",
    given: Given::AtMostOnce,
    schema: || json!({ "enum": ["json", "csv"] }),
};
const LAST_EVENT_ID: Parameter = Parameter {
    name: "last_event_id",
    about: "Where to go on, for clients that cannot send the header `Last-Event-ID`.",
    given: Given::AtMostOnce,
    schema: text,
};
const FROM: Parameter = Parameter {
    name: "from",
    about: "Intervals that begin at this time or later; a day before `to` or, without it, before the present `as_of`.",
    given: Given::AtMostOnce,
    schema: time,
};
const TO: Parameter =
    Parameter { name: "to", about: "Intervals that begin before this time.", given: Given::AtMostOnce, schema: time };

const STATE: Parameter = Parameter {
    name: "state",
    about: "What fires, or what resolved within the last 7 days; both without it.",
    given: Given::Repeatedly,
    schema: || json!({ "enum": ["firing", "resolved"] }),
};
const RULE: Parameter = Parameter { name: "rule", about: "The rule's name.", given: Given::Repeatedly, schema: text };
const SEVERITY: Parameter = Parameter {
    name: "severity",
    about: "How urgent it is.",
    given: Given::Repeatedly,
    schema: || json!({ "enum": Severity::ALL.map(Severity::word) }),
};
const ALERTS: Parameter = Parameter {
    name: "alerts",
    about: "Whether alerts are told too: all of the tenants asked for, whatever else is asked for, and those of the engine itself.",
    given: Given::AtMostOnce,
    schema: || json!({ "enum": ["true", "false"] }),
};

pub const OF_KPIS: &[Parameter] = &[KIND, ID, WINDOW, TENANT, CHANNEL, FIELDS, LIMIT, AFTER, FORMAT];
pub const OF_ENTITIES: &[Parameter] = &[KIND, ID, TENANT, LIMIT, AFTER];
pub const OF_STREAM: &[Parameter] = &[KIND, ID, WINDOW, TENANT, CHANNEL, FIELDS, ALERTS, LAST_EVENT_ID];
pub const OF_ALERTS: &[Parameter] = &[
    STATE,
    RULE,
    SEVERITY,
    Parameter {
        about: "The kind of entity; of alerts about the engine itself `source`, `partition` or `engine`.",
        schema: kinds_of_alerts,
        ..KIND
    },
    Parameter { about: "The entity's id.", ..ID },
    TENANT,
    Parameter {
        schema: || json!({ "type": "string", "pattern": format!("^({0})(,({0}))*$", ALERT_RECORD.whole.join("|")) }),
        ..FIELDS
    },
    LIMIT,
    AFTER,
    FORMAT,
];
pub const OF_INTERVALS: &[Parameter] = &[
    Parameter { given: Given::Once, ..KIND },
    Parameter { given: Given::Once, ..ID },
    Parameter { given: Given::Once, about: "The window's name, such as `per_15m`.", ..WINDOW },
    Parameter { given: Given::AtMostOnce, about: "The tenant; needed where there are several.", ..TENANT },
    Parameter { given: Given::AtMostOnce, about: "A channel; without it, and with `all`, all together.", ..CHANNEL },
    FROM,
    TO,
    FIELDS,
    LIMIT,
    AFTER,
    FORMAT,
];

impl Asked {
    /// Reads names and values in their order; errs with a sentence.
    pub fn read(given: Vec<(String, String)>, known: &[Parameter]) -> Result<Asked, String> {
        checked(&given, known)?;
        let mut asked = Asked::default();
        given.iter().try_for_each(|(name, value)| asked.take(name, value))?;
        match (asked.from, asked.to) {
            (Some(from), Some(to)) if to < from => {
                Err(format!("to is {to}, before from, which is {from}; give the earlier one as from"))
            }
            _ => Ok(asked),
        }
    }

    /// Takes one that every page understands alike.
    pub fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        let owned = || value.to_owned();
        match name {
            "kind" => {
                self.filter.kinds.push(Kind::from_word(value).ok_or_else(|| {
                    format!("unknown kind {value}; known are {}", Kind::ALL.map(Kind::word).join(", "))
                })?)
            }
            "id" => self.filter.ids.push(owned()),
            "window" => self.filter.windows.push(owned()),
            "tenant" => self.filter.tenants.push(owned()),
            "channel" if value == ALL_CHANNELS => self.filter.channels.push(None),
            "channel" => self.filter.channels.push(Some(Channel::from_word(value).ok_or_else(|| {
                let words: Vec<&str> = Channel::ALL.iter().map(|channel| channel.word()).collect();
                format!("unknown channel {value}; known are {}, {ALL_CHANNELS}", words.join(", "))
            })?)),
            "fields" => self.parts = Some(Parts::parse(value, &KPI_RECORD)?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                self.limit = Some(limit.ok_or_else(|| format!("limit is {value}; give 1 to {LIMIT_MAX}"))?);
            }
            "after" => {
                let text = URL_SAFE_NO_PAD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                self.after = Some(text.ok_or_else(|| no_cursor(value))?);
            }
            "format" => {
                self.form = Some(match value {
                    "json" => Form::Json,
                    "csv" => Form::Csv,
                    _ => return Err(format!("unknown format {value}; known are json, csv")),
                });
            }
            "from" => self.from = Some(instant(name, value)?),
            "to" => self.to = Some(instant(name, value)?),
            "alerts" => {
                self.alerts = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(format!("alerts is {value}; give true or false")),
                }
            }
            _ => self.last_event_id = Some(owned()),
        }
        Ok(())
    }
}

/// Whether each name is known and stands as often as it may; errs with a sentence.
pub fn checked(given: &[(String, String)], known: &[Parameter]) -> Result<(), String> {
    let mut seen: Vec<&str> = Vec::new();
    for (name, _) in given {
        let Some(parameter) = known.iter().find(|known| known.name == name) else {
            let names: Vec<&str> = known.iter().map(|known| known.name).collect();
            return Err(match names.as_slice() {
                [] => format!("unknown parameter {name}; there are none here"),
                _ => format!("unknown parameter {name}; known are {}", names.join(", ")),
            });
        };
        if parameter.given != Given::Repeatedly && seen.contains(&parameter.name) {
            return Err(format!("{name} stands twice; give it once"));
        }
        seen.push(parameter.name);
    }
    match known.iter().find(|known| known.given == Given::Once && !seen.contains(&known.name)) {
        Some(missing) => Err(format!("{} is missing; give it once", missing.name)),
        None => Ok(()),
    }
}

/// The opaque text for where a page ended.
pub fn cursor(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Why an `after` cannot be used.
pub fn no_cursor(value: &str) -> String {
    format!("after is {value}, which is no `next` of this page")
}

fn instant(name: &str, value: &str) -> Result<EventTime, String> {
    let why = || format!("{name} is {value}; give RFC 3339 with an offset or Z, such as 2026-03-02T08:15:00Z");
    // A plus that was not encoded comes as a blank.
    let with_plus = || EventTime::parse(&value.replace(' ', "+"));
    EventTime::parse(value).or_else(with_plus).ok_or_else(why)
}
