//! The JSON Schema of a KPI record, made from the catalogue.
//!
//! It says what this version promises and leaves room for what later ones add: a reader that checks records
//! against it goes on reading them. What every record of a kind and window has is required.

use super::catalogue::{COUNTS, Counted, KPIS, SUMS, What, Windows};
use super::project::{WAIT_BUCKETS_S, WEEKDAYS};
use super::record::SCHEMA;
use crate::entity::Kind;
use crate::event::Channel;
use crate::fact::Standing;
use crate::tally::weeks::WEEKS;
use serde_json::{Map, Value, json};

/// How every time is written: RFC 3339, UTC, milliseconds.
pub const TIME: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$";

/// JSON Schema (draft 2020-12) of `callpulse.kpi.v1`.
pub fn record() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Callpulse KPI record",
        "type": "object",
        "properties": properties(),
        "required": ["schema", "tenant", "entity", "window", "as_of", "version", "final", "corrected", "counts", "sums_ms", "kpis"],
        "allOf": conditions(),
        "$defs": {
            "time": time(),
            "target": {
                "type": "object",
                "properties": {"target": {"type": "number"}, "met": {"type": "boolean"}},
                "required": ["target", "met"],
            },
            "kpi": {
                "type": "object",
                "properties": {
                    "value": {"type": ["number", "null"], "description": "null: nothing below the line"},
                    "unit": {"type": "string", "description": "absent for a ratio"},
                    "numerator": {"type": "integer"},
                    "numerator_ms": {"type": "integer"},
                    "denominator": {"type": "integer"},
                    "formula": {"type": "string"},
                    "threshold_s": {"type": "integer"},
                    "target": {"type": "number"},
                    "met": {"type": "boolean"},
                },
                "required": ["value"],
            },
        },
    })
}

/// The schema of an instant.
pub fn time() -> Value {
    json!({"type": "string", "format": "date-time", "pattern": TIME})
}

fn properties() -> Map<String, Value> {
    let (time, integer) = (reference("time"), json!({"type": "integer"}));
    let facts = facts();
    let mut by_entry = facts.clone();
    by_entry.insert("waiting".into(), json!({"type": "integer", "description": "entered and not out yet"}));
    by_entry.insert(
        "unsettled".into(),
        json!({"type": "integer", "description": "visits with facts too long after their entry to be booked there"}),
    );
    let targets = COUNTS.iter().filter_map(|count| Some((count.wanted?.0.to_string(), reference("target"))));
    let last = |what: &str| {
        let description = format!("the second in which a call last {what}; absent if none did lately");
        json!({"anyOf": [time], "description": description})
    };
    let hours = json!({"type": "array", "items": integer, "minItems": 24, "maxItems": 24});
    let waits = WAIT_BUCKETS_S.iter().map(|edge| edge.to_string()).chain(["count", "sum_ms"].map(String::from));
    let properties = json!({
        "schema": {"const": SCHEMA},
        "tenant": {"type": "string"},
        "entity": {
            "type": "object",
            "properties": {
                "kind": {"enum": Kind::ALL.map(Kind::word)},
                "id": {"type": "string"},
                "title": {"type": "string"},
                "channel": {"enum": Channel::ALL.iter().map(|channel| channel.word()).collect::<Vec<_>>()},
                "queue": {"type": "string"},
                "agent": {"type": "string"},
            },
            "required": ["kind", "id"],
        },
        "window": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "kind": {"enum": ["sliding", "interval", "total", "now"]},
                "start": {"anyOf": [time, {"type": "null"}]},
                "end": time,
            },
            "required": ["name", "kind", "start", "end"],
        },
        "as_of": time,
        "version": {"type": "integer", "minimum": 0},
        "final": {"type": "boolean"},
        "corrected": {"type": "boolean"},
        "covered_from": time,
        "gap": {"type": "boolean"},
        "paused_by_reason_ms": {
            "type": "object",
            "additionalProperties": integer,
            "description": "part of sums_ms.state_paused; the longest come first, beyond fifty the rest is `other`",
        },
        "targets": {
            "type": "object",
            "properties": Map::from_iter(targets),
            "description": "what the settings want counts to be",
        },
        "by_entry": object(by_entry),
        "profile": {
            "type": "object",
            "properties": {
                "start": time,
                "end": time,
                "weeks_seen": {"type": "integer", "minimum": 1, "maximum": WEEKS},
                "offered": {
                    "type": "object",
                    "properties": Map::from_iter(WEEKDAYS.map(|day| (day.to_string(), hours.clone()))),
                    "required": WEEKDAYS,
                    "description": "by hour of the wall clock: sums over the weeks",
                },
            },
            "required": ["start", "end", "weeks_seen", "offered"],
        },
        "waiting": integer,
        "counters": object(json!({
            "offered": integer,
            "answered": integer,
            "answered_within_threshold": integer,
            "abandoned": integer,
            "wait_seconds": object(waits.map(|name| (name, integer.clone())).collect()),
        }).as_object().cloned().unwrap_or_default()),
        "now": {
            "type": "object",
            "properties": {
                "waiting": integer,
                "longest_wait_since": {"anyOf": [time, {"type": "null"}], "description": "null if none waits"},
                "ringing": integer,
                "talking": integer,
                "on_hold": integer,
                "in_wrapup": integer,
                "over_threshold_waiting": integer,
                "last_entered_at": last("arrived, was offered to the queue or an agent, turned away or dialled, or its fate was decided"),
                "last_left_at": last("was answered, gave up or flowed out"),
                "last_answered_or_abandoned_at": last("was answered or gave up"),
                "last_ended_at": last("came in or was a callback, and was over for an agent"),
                "last_handled_at": last("was declined by an agent, or handled in part or to its end"),
                "agents": {
                    "type": "object",
                    "properties": Map::from_iter(Standing::ALL.map(|state| (state.word().to_string(), integer.clone()))),
                    "required": Standing::ALL.map(Standing::word),
                    "description": "agents by state, which add up to agents_logged_in",
                },
                "agents_logged_in": integer,
            },
            "required": ["waiting", "longest_wait_since", "ringing", "talking", "on_hold", "in_wrapup", "over_threshold_waiting"],
        },
    });
    let mut properties = properties.as_object().cloned().unwrap_or_default();
    properties.extend(facts);
    properties
}

/// The parts that a record and its by-entry part have in common.
fn facts() -> Map<String, Value> {
    let counts = COUNTS.iter().map(|count| {
        let schema = match count.what {
            What::By(reasons) => {
                let known = reasons.iter().map(|(reason, _)| (reason.to_string(), json!({"type": "integer"})));
                json!({
                    "type": "object",
                    "properties": Map::from_iter(known),
                    "additionalProperties": {"type": "integer"},
                    "description": count.note,
                })
            }
            _ => json!({"type": "integer", "description": count.note}),
        };
        (count.name.to_string(), schema)
    });
    let sums = SUMS.iter().map(|sum| (sum.name.to_string(), json!({"type": "integer", "description": sum.note})));
    let kpis = KPIS.iter().map(|kpi| {
        let description = format!("{} ({})", kpi.formula, kpi.unit);
        (kpi.id.to_string(), json!({"$ref": "#/$defs/kpi", "description": description}))
    });
    Map::from_iter([
        ("counts".to_string(), json!({"type": "object", "properties": Map::from_iter(counts)})),
        ("sums_ms".to_string(), json!({"type": "object", "properties": Map::from_iter(sums)})),
        (
            "kpis".to_string(),
            json!({
                "type": "object",
                "properties": Map::from_iter(kpis),
                "additionalProperties": {"$ref": "#/$defs/kpi"},
                "description": "further service levels are service_level.NAME",
            }),
        ),
    ])
}

/// What records of a window, and of a kind of entity, have.
fn conditions() -> Vec<Value> {
    let in_window = |kinds: &[&str]| json!({"properties": {"window": {"properties": {"kind": {"enum": kinds}}}}});
    let of = |kind: Kind| json!({"properties": {"entity": {"properties": {"kind": {"const": kind.word()}}}}});
    let is_over_all = json!({"properties": {"entity": {"not": {"required": ["channel"]}}}});
    let with_facts = in_window(&["sliding", "interval", "total"]);
    let start = |schema: Value| json!({"window": {"properties": {"start": schema}}});
    let mut all = vec![
        json!({"if": in_window(&["now"]), "then": {"required": ["now"], "properties": start(json!({"type": "null"}))}}),
        json!({"if": in_window(&["total"]), "then": {"properties": start(json!({"type": "null"}))}}),
        json!({"if": in_window(&["sliding", "interval"]), "then": {"properties": start(reference("time"))}}),
        json!({
            "if": of(Kind::QueueAgent),
            "then": {"properties": {"entity": {"required": ["queue", "agent"]}}},
        }),
    ];
    for kind in Kind::ALL {
        let names = |counted: &[Counted], of_agents: bool| -> Vec<&'static str> {
            let is_time = |what: &What| matches!(what, What::Login | What::Time(_));
            let here = counted.iter().filter(|one| one.kinds.contains(&kind) && is_time(&one.what) == of_agents);
            here.map(|one| one.name).collect()
        };
        let ids = |windows: &[Windows]| -> Vec<&'static str> {
            let here = KPIS.iter().filter(|kpi| kpi.kinds.contains(&kind) && windows.contains(&kpi.windows));
            here.map(|kpi| kpi.id).collect()
        };
        let (facts, at_the_event) =
            ([Windows::Facts, Windows::FactsAndNow], [Windows::Facts, Windows::FactsAndNow, Windows::AtTheEvent]);
        let parts = |kpis: Vec<&str>| {
            json!({
                "counts": {"required": names(COUNTS, false)},
                "sums_ms": {"required": names(SUMS, false)},
                "kpis": {"required": kpis},
            })
        };
        all.push(json!({"if": {"allOf": [of(kind), with_facts]}, "then": {"properties": parts(ids(&at_the_event))}}));
        if kind != Kind::QueueAgent {
            all.push(json!({
                "if": {"allOf": [of(kind), with_facts, is_over_all]},
                "then": {
                    "required": ["paused_by_reason_ms"],
                    "properties": {
                        "sums_ms": {"required": names(SUMS, true)},
                        "kpis": {"required": ids(&[Windows::OfAgents])},
                    },
                },
            }));
            all.push(json!({
                "if": {"allOf": [of(kind), in_window(&["now"]), is_over_all]},
                "then": {"properties": {
                    "now": {"required": ["agents", "agents_logged_in"]},
                    "kpis": {"required": ids(&[Windows::NowOfAgents])},
                }},
            }));
        }
        if kind != Kind::Agent {
            all.push(json!({
                "if": {"allOf": [of(kind), in_window(&["interval"])]},
                "then": {"required": ["by_entry"], "properties": {"by_entry": {"properties": parts(ids(&facts))}}},
            }));
        }
        if kind.has_visits() {
            all.push(json!({
                "if": {"allOf": [of(kind), in_window(&["total"])]},
                "then": {"required": ["waiting", "counters"]},
            }));
            all.push(json!({
                "if": {"allOf": [of(kind), in_window(&["now"])]},
                "then": {"properties": {"kpis": {"required": ids(&[Windows::Now])}}},
            }));
        }
    }
    all
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

/// An object with these fields, all of them required.
fn object(properties: Map<String, Value>) -> Value {
    let required: Vec<&String> = properties.keys().collect();
    json!({"type": "object", "properties": properties, "required": required})
}
