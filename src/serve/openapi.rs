//! `/openapi.json`: the pages as an OpenAPI document, made from what the server itself reads.

use crate::serve::pages::{Body, PAGES, PROBLEM, Page};
use crate::serve::parameters::{Given, Parameter};
use crate::serve::parts::{ALERT_RECORD, HEAD};
use crate::{alert, kpi};
use serde_json::{Map, Value, json};

/// OpenAPI 3.1. Whatever is answered with GET is with HEAD too, without its body.
pub fn document() -> Value {
    let paths: Map<String, Value> =
        PAGES.iter().map(|page| (page.path.to_owned(), json!({ "get": operation(page) }))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Callpulse",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "KPIs of a contact centre as they stand in Kafka. Read only: GET and HEAD, no bodies.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer", "description": "The token of [serve] in the settings; none is asked for where there is none.",
            } },
            "schemas": schemas(),
        },
    })
}

/// Said of lists.
const NOTHING: &str =
    "An empty list where nothing is as asked for: an id, tenant or rule that nobody has heard of is no mistake.";

fn operation(page: &Page) -> Value {
    let mut parameters: Vec<Value> = page.parameters.iter().map(parameter).collect();
    let header = |name: &str, about: &str| json!({ "name": name, "in": "header", "description": about, "schema": { "type": "string" } });
    if page.has_etag {
        parameters.push(header("If-None-Match", "The ETag of what one has; 304 if nothing changed."));
    }
    if page.is_stream {
        parameters.push(header("Last-Event-ID", "The id of the last event read: only what was missed is sent."));
    }
    let mut responses = Map::new();
    let mut answer = |status: &str, about: &str, bodies: &[Body]| {
        let mut response = json!({ "description": about });
        if !bodies.is_empty() {
            response["content"] = content(bodies);
        }
        if status == "200" && page.has_etag {
            response["headers"]["ETag"] = json!({ "schema": { "type": "string" } });
            response["headers"]["Link"] =
                json!({ "description": "The next page, if there is one.", "schema": { "type": "string" } });
        }
        responses.insert(status.to_owned(), response);
    };
    let about = match page.has_etag {
        true => &format!("{} {NOTHING}", page.about),
        false => page.about,
    };
    answer("200", about, page.bodies);
    if page.has_etag {
        answer("304", "Nothing changed.", &[]);
    }
    if page.reads_parameters() {
        answer(
            "400",
            "A parameter is unknown, cannot be used, is no UTF-8, or names a kind, window, channel or field that there is not.",
            PROBLEM,
        );
        answer(
            "406",
            "Nothing that this is given as is accepted. Whatever is not below `/api` is given in any case.",
            PROBLEM,
        );
    }
    if !page.is_open {
        answer("401", "The token is missing or another.", PROBLEM);
    }
    if let Some((about, bodies)) = page.unready {
        answer("503", about, bodies);
    }
    answer("default", "What else goes wrong.", PROBLEM);
    let mut operation = json!({ "summary": page.about, "responses": responses });
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if page.is_open {
        operation["security"] = json!([]);
    }
    operation
}

fn content(bodies: &[Body]) -> Value {
    let of = |body: &Body| {
        let schema = match body.schema {
            Some(name) => json!({ "$ref": format!("#/components/schemas/{name}") }),
            None => json!({ "type": "string" }),
        };
        (body.content_type.to_owned(), json!({ "schema": schema }))
    };
    Value::Object(bodies.iter().map(of).collect())
}

fn parameter(parameter: &Parameter) -> Value {
    let mut schema = (parameter.schema)();
    if parameter.given == Given::Repeatedly {
        schema = json!({ "type": "array", "items": schema });
    }
    json!({
        "name": parameter.name,
        "in": "query",
        "description": parameter.about,
        "required": parameter.given == Given::Once,
        "schema": schema,
    })
}

fn schemas() -> Value {
    let text = json!({ "type": "string" });
    let time = json!({ "type": "string", "format": "date-time" });
    let texts = json!({ "type": "array", "items": text });
    let list = |name: &str, of: &str| {
        object(
            &[name],
            json!({
                name: { "type": "array", "items": { "$ref": format!("#/components/schemas/{of}") } },
                "next": { "type": "string", "description": "`after` of the next page; absent on the last." },
            }),
        )
    };
    let key = object(&["key"], json!({ "key": text }));
    let record = embedded(kpi::schema::record(), "KpiRecord");
    let optional = ["provisional", "covered_from", "gap"];
    let of_kpis = narrowed(&record, HEAD.into_iter().filter(|name| !optional.contains(name)).collect());
    let alert = embedded(alert::schema::record(), "AlertRecord");
    let of_alerts = narrowed(&alert, ALERT_RECORD.head.to_vec());
    let of_records = json!({ "$ref": "#/components/schemas/Narrowed" });
    json!({
        "KpiRecord": record,
        "Narrowed": of_kpis,
        "Kpis": list("kpis", "Narrowed"),
        "Intervals": list("intervals", "Narrowed"),
        "Alerts": list("alerts", "Alert"),
        "AlertRecord": alert,
        "Alert": of_alerts,
        "Entities": list("entities", "Entity"),
        "Entity": object(&["tenant", "kind", "id", "title", "windows"], json!({
            "tenant": text, "kind": text, "id": text, "title": text, "channel": text, "windows": texts,
        })),
        "Meta": object(&["version", "ready", "windows", "kpis", "counts", "formulas", "groups"], json!({
            "version": text,
            "ready": { "type": "boolean", "description": "As /readyz." },
            "windows": texts,
            "kpis": { "type": "array", "items": object(&["id", "title", "unit", "formula", "better"], json!({
                "id": text,
                "title": text,
                "unit": { "type": "string", "description": "`ratio` is 0..1 and carries no unit in records" },
                "formula": text,
                "better": { "enum": ["higher", "lower", "neither"] },
            })) },
            "counts": { "type": "array", "items": object(&["id", "title"], json!({ "id": text, "title": text })) },
            "formulas": {
                "type": "array",
                "description": "of service levels; a record names the one it was taken by",
                "items": object(&["id", "formula"], json!({ "id": text, "formula": text })),
            },
            "groups": { "type": "array", "items": object(&["tenant", "id", "title", "queues"], json!({
                "tenant": text, "id": text, "title": text, "queues": texts,
            })) },
        })),
        "Ready": object(&["ready", "reasons"], json!({ "ready": { "type": "boolean" }, "reasons": texts })),
        "Problem": object(&["type", "title", "status", "detail"], json!({
            "type": text, "title": text, "status": { "type": "integer" }, "detail": text,
        })),
        "OpenApi": { "type": "object" },
        "StreamEvents": {
            "description": "The data of each event by its name, one line of JSON. `snapshot`: forget what you know, so many records follow. `kpi`: a key's \
                latest record. `alerts`: forget what you know of alerts, so many follow. `alert`: an alert's newest record. `alert_end`: there is nothing more \
                of an alert. `end`: the key has ended. `live`: nothing is missing now; it may come again. `progress`: how far event time is, about once a \
                second and partition. `clock`: the server's, every two seconds. An event with an id is where a client may resume; an empty id is where it may not.",
            "type": "object",
            "properties": {
                "snapshot": object(&["records"], json!({ "records": { "type": "integer", "minimum": 0 } })),
                "kpi": object(&["key", "record"], json!({ "key": text, "record": of_records })),
                "end": key,
                "alerts": object(&["alerts"], json!({ "alerts": { "type": "integer", "minimum": 0 } })),
                "alert": object(&["key", "record"], json!({ "key": text, "record": { "$ref": "#/components/schemas/AlertRecord" } })),
                "alert_end": key,
                "live": object(&[], json!({})),
                "progress": object(&["partition", "as_of", "behind_ms", "silent"], json!({
                    "partition": { "type": "integer" },
                    "as_of": { "anyOf": [time, { "type": "null" }] },
                    "behind_ms": { "type": "integer" },
                    "silent": { "type": "array", "items": {}, "description": "sources that are silent within their hours" },
                })),
                "clock": object(&["now"], json!({ "now": time })),
            },
        },
    })
}

/// An object with nothing else in it.
fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

/// A record's own schema, whose references are those of this document, where it has this name.
fn embedded(mut schema: Value, name: &str) -> Value {
    relocate(&mut schema, &format!("#/components/schemas/{name}/$defs/"));
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    schema
}

fn relocate(schema: &mut Value, to: &str) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && let Some(name) = reference.strip_prefix("#/$defs/")
            {
                *reference = format!("{to}{name}");
            }
            fields.values_mut().for_each(|part| relocate(part, to));
        }
        Value::Array(items) => items.iter_mut().for_each(|part| relocate(part, to)),
        _ => {}
    }
}

/// A record that `fields` may have narrowed: these it has in any case.
fn narrowed(record: &Value, required: Vec<&str>) -> Value {
    let mut narrowed = record.clone();
    let title = record["title"].as_str().unwrap_or_default();
    narrowed["title"] = json!(format!("{title}, perhaps narrowed by `fields`"));
    narrowed["required"] = json!(required);
    // What one sort of record has is in whole records only.
    if let Some(narrowed) = narrowed.as_object_mut() {
        narrowed.remove("allOf");
    }
    narrowed
}
