//! `/api/v1/kpis` and `/api/v1/entities`: the board by pages, as JSON or as a table, with an `ETag` each.

use crate::entity::{Entity, Kind};
use crate::event::Channel;
use crate::fingerprint;
use crate::kpi::record::KpiRecord;
use crate::serve::accept::Accept;
use crate::serve::board::{Board, EntityOnBoard, Known};
use crate::serve::csv::{self, Columns};
use crate::serve::filter::Subject;
use crate::serve::meta::Meta;
use crate::serve::parameters::{Asked, Form, cursor, no_cursor};
use crate::serve::parts::Parts;
use crate::serve::problem::bad_request;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// What of a request decides the form of its answer.
pub struct Wanted {
    pub uri: Uri,
    pub headers: HeaderMap,
}

/// Records for an answer.
pub struct Page {
    /// The name of the list, and of the file a table is saved as.
    pub name: &'static str,
    pub records: Vec<Known>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// The KPI records asked for.
pub fn kpis(board: &Board, meta: &Meta, asked: &Asked, wanted: &Wanted) -> Response {
    if let Err(fault) = meta.check(asked) {
        return bad_request(&fault);
    }
    if let Some(after) = asked.after.as_deref().filter(|after| Subject::of_key(after).is_none()) {
        return bad_request(&no_cursor(&cursor(after)));
    }
    let (records, has_more) = board.page(&asked.filter, asked.after.as_deref(), asked.limit.unwrap_or(usize::MAX));
    let next = records.last().filter(|_| has_more).map(|last| last.key.to_string());
    records_answer(meta, asked, wanted, Page { name: "kpis", records, next })
}

/// KPI records as JSON or as a table.
pub fn records_answer(meta: &Meta, asked: &Asked, wanted: &Wanted, page: Page) -> Response {
    list_answer(asked, wanted, page, |records| table(records, asked.parts.as_ref(), meta))
}

/// Records as JSON, or as the table that is made of them.
pub fn list_answer(
    asked: &Asked,
    wanted: &Wanted,
    page: Page,
    table: impl FnOnce(&mut dyn Iterator<Item = &[u8]>) -> Vec<u8>,
) -> Response {
    let form = asked.form.unwrap_or_else(|| Form::accepted(&Accept::of(&wanted.headers)));
    // Equal versions of a key have equal content.
    let mut contents = format!("{:?}", (form, &asked.parts, &page.next)).into_bytes();
    for known in &page.records {
        contents.extend_from_slice(known.key.as_bytes());
        contents.extend_from_slice(&known.version.to_le_bytes());
    }
    let etag = etag(fingerprint::of_bytes(&contents));
    if is_known(&wanted.headers, &etag) {
        return not_modified(&etag);
    }
    let mut records = page.records.iter().filter_map(|known| known.json.as_deref());
    let next = page.next.as_deref().map(cursor);
    let mut response = match form {
        Form::Json => {
            let body = json_list(page.name, records, asked.parts.as_ref(), next.as_deref());
            ([(CONTENT_TYPE, "application/json".to_owned())], body).into_response()
        }
        Form::Csv => {
            let name = format!("attachment; filename=\"callpulse-{}.csv\"", page.name);
            let body = table(&mut records);
            ([(CONTENT_TYPE, csv::CONTENT_TYPE.to_owned()), (CONTENT_DISPOSITION, name)], body).into_response()
        }
    };
    lay_out(&mut response, &etag, &wanted.uri, next.as_deref());
    response
}

/// The entities asked for.
pub fn entities(board: &Board, asked: &Asked, wanted: &Wanted) -> Response {
    let mut entities = board.entities(&asked.filter);
    if let Some(after) = &asked.after {
        let with_window = format!("{after}|");
        let Some(last) = Subject::of_key(&with_window) else {
            return bad_request(&no_cursor(&cursor(after)));
        };
        let place = (&*last.tenant, last.kind.word(), &*last.id, last.channel.map(Channel::word));
        entities.retain(|entity| place < entity.place());
    }
    let limit = asked.limit.unwrap_or(usize::MAX);
    let has_more = limit < entities.len();
    entities.truncate(limit);
    let next = entities.last().filter(|_| has_more).and_then(key).as_deref().map(cursor);
    let mut body = json!({ "entities": entities });
    if let Some(next) = &next {
        body["next"] = json!(next);
    }
    let body = format!("{body}\n");
    let etag = etag(fingerprint::of_bytes(body.as_bytes()));
    if is_known(&wanted.headers, &etag) {
        return not_modified(&etag);
    }
    let mut response = ([(CONTENT_TYPE, "application/json")], body).into_response();
    lay_out(&mut response, &etag, &wanted.uri, next.as_deref());
    response
}

/// An entity's part of its keys.
fn key(entity: &EntityOnBoard) -> Option<String> {
    let kind = Kind::from_word(entity.kind)?;
    let channel = entity.channel.and_then(Channel::from_word);
    let (tenant, id) = (entity.tenant.as_str().into(), entity.id.as_str().into());
    Some(Entity { tenant, kind, id, channel }.to_string())
}

fn json_list<'a>(
    name: &str,
    records: impl Iterator<Item = &'a [u8]>,
    parts: Option<&Parts>,
    next: Option<&str>,
) -> Vec<u8> {
    let mut out = format!("{{\"{name}\":[").into_bytes();
    for (place, record) in records.enumerate() {
        if 0 < place {
            out.push(b',');
        }
        match parts {
            None => out.extend_from_slice(record),
            Some(parts) => out.extend_from_slice(&parts.narrow(record)),
        }
    }
    out.push(b']');
    if let Some(next) = next {
        out.extend_from_slice(format!(",\"next\":\"{next}\"").as_bytes());
    }
    out.extend_from_slice(b"}\n");
    out
}

fn table<'a>(records: impl Iterator<Item = &'a [u8]>, parts: Option<&Parts>, meta: &Meta) -> Vec<u8> {
    let columns = Columns::of(parts, meta.kpis.iter().map(|kpi| kpi.id.as_str()));
    let mut out = Vec::new();
    columns.head(&mut out);
    for record in records.filter_map(|json| serde_json::from_slice::<KpiRecord>(json).ok()) {
        columns.row(&record, &mut out);
    }
    out
}

/// Weak, since it is made of versions and not of bytes. Another version of the program may write the same otherwise.
fn etag(contents: u64) -> String {
    format!("W/\"{:016x}\"", fingerprint::of(&(env!("CARGO_PKG_VERSION"), contents)))
}

fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let given = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = given.flat_map(|value| value.split(','));
    tags.any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

fn not_modified(etag: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    *response.body_mut() = Body::empty();
    tag(&mut response, etag);
    response
}

fn tag(response: &mut Response, etag: &str) {
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(ETAG, etag);
    }
    // To be kept by the one who asked, and asked for again each time.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept, authorization"));
}

/// The headers of a page, with the way to the next one for those who cannot look into a table.
fn lay_out(response: &mut Response, etag: &str, uri: &Uri, next: Option<&str>) {
    tag(response, etag);
    let Some(next) = next else { return };
    let others = uri.query().unwrap_or_default().split('&').filter(|part| !part.is_empty());
    let mut query: Vec<&str> = others.filter(|part| !part.starts_with("after=")).collect();
    let after = format!("after={next}");
    query.push(&after);
    let link = format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"));
    if let Ok(link) = HeaderValue::from_str(&link) {
        response.headers_mut().insert(LINK, link);
    }
}
