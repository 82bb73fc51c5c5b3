//! `/api/v1/intervals`: what intervals of the past held, from the archive, and the open one from the board.

use crate::entity::{Entity, Kind};
use crate::event::DEFAULT_TENANT;
use crate::serve::archive::{Archive, Reading, Spot};
use crate::serve::board::{Board, Known};
use crate::serve::kpis::{Page, Wanted, records_answer};
use crate::serve::live::feed::clock;
use crate::serve::meta::{Meta, is_one_of};
use crate::serve::parameters::{Asked, LIMIT_MAX, cursor, no_cursor};
use crate::serve::problem::{bad_request, later};
use crate::time::{EventTime, Span};
use axum::response::Response;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long reading may take; shorter than a request may.
const READ: Duration = Duration::from_secs(5);
/// What is given unless said otherwise.
const DAY: Span = Span::from_hours(24);

/// Where history comes from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    pub board: &'a Board,
    pub archive: &'a Archive,
    pub meta: &'a Meta,
}

/// An interval to give.
enum Item {
    /// With its key.
    Archived(Spot, String),
    OnBoard(Known),
}

/// What of a record on the board says which interval it is.
#[derive(Deserialize)]
struct Head {
    window: Window,
}

#[derive(Deserialize)]
struct Window {
    start: Option<String>,
}

/// The intervals asked for, ascending; of each the highest version.
pub fn intervals(sources: Sources<'_>, reading: &mut Reading, asked: &Asked, wanted: &Wanted) -> Response {
    let Sources { board, archive, meta } = sources;
    let series = match series(sources, asked) {
        Ok(series) => series,
        Err(fault) => return bad_request(&fault),
    };
    if let Some((read, all)) = archive.read().to_be_read() {
        let detail = format!("the archive is being read: {read} of {all} records; it is given once all are");
        return later(5, &detail);
    }
    if let Err(fault) = is_kept(sources, asked) {
        return bad_request(&fault);
    }
    let to = asked.to.unwrap_or(EventTime(i64::MAX));
    let mut from = asked.from.unwrap_or_else(|| asked.to.unwrap_or_else(|| as_of(board)).minus(DAY));
    if let Some(after) = &asked.after {
        match EventTime::parse(after) {
            Some(start) => from = from.max(EventTime(start.0 + 1)),
            None => return bad_request(&no_cursor(&cursor(after))),
        }
    }
    let limit = asked.limit.unwrap_or(LIMIT_MAX);
    let archived = archive.read().find(&series, from, to, limit + 1);
    let mut items: Vec<(EventTime, Item)> =
        archived.into_iter().map(|spot| (spot.start, Item::Archived(spot, key(&series, spot.start)))).collect();
    if let Some((start, known)) = open(board, &series).filter(|(start, _)| from <= *start && *start < to) {
        match items.binary_search_by_key(&start, |(start, _)| *start) {
            Ok(place) if items[place].1.version() < known.version => items[place].1 = Item::OnBoard(known),
            Ok(_) => {}
            Err(place) => items.insert(place, (start, Item::OnBoard(known))),
        }
    }
    let mut has_more = limit < items.len();
    items.truncate(limit);

    let places = items.iter().filter_map(|(_, item)| match item {
        Item::Archived(spot, key) => Some((spot.place, key.as_str())),
        Item::OnBoard(_) => None,
    });
    let found = match reading.records(places, Instant::now() + READ) {
        Ok(found) => found,
        Err(why) => return later(5, &format!("the archive cannot be read now: {why}")),
    };
    let (mut records, mut gone, mut last) = (Vec::with_capacity(items.len()), Vec::new(), None);
    for (start, item) in items {
        match item {
            Item::OnBoard(known) => records.push(known),
            Item::Archived(spot, key) => match found.get(&spot.place) {
                Some(Some(json)) => {
                    records.push(Known { key: key.into(), version: spot.version, json: Some(json.clone()) });
                }
                Some(None) => gone.push(spot),
                // The time was over: the next page begins here.
                None => {
                    has_more = true;
                    break;
                }
            },
        }
        last = Some(start);
    }
    archive.forget(&series, &gone);
    if has_more && last.is_none() {
        return later(5, "reading the archive takes too long; ask for less, or later");
    }
    let next = last.filter(|_| has_more).map(|start| start.to_string());
    records_answer(meta, asked, wanted, Page { name: "intervals", records, next })
}

/// The name of the entity's intervals of a length, in archive and board alike; errs with a sentence.
fn series(Sources { board, archive, meta }: Sources<'_>, asked: &Asked) -> Result<String, String> {
    meta.check_fields(asked)?;
    let filter = &asked.filter;
    let (Some(&kind), Some(id), Some(window)) = (filter.kinds.first(), filter.ids.first(), filter.windows.first())
    else {
        return Err("kind, id and window are needed".to_owned());
    };
    if !window.starts_with("per_") {
        return Err(format!("window is {window}, which has no history; give an interval such as per_15m"));
    }
    let tenant = match filter.tenants.first() {
        Some(tenant) => tenant.clone(),
        None => only_tenant(board, archive)?,
    };
    let channel = filter.channels.first().copied().flatten();
    let entity = Entity { tenant: tenant.into(), kind, id: id.as_str().into(), channel };
    Ok(format!("{entity}|{window}"))
}

/// Whether there are intervals of the length asked for; errs with a sentence. The archive may have what the settings no
/// longer have.
fn is_kept(Sources { archive, meta, .. }: Sources<'_>, asked: &Asked) -> Result<(), String> {
    let index = archive.read();
    let configured = meta.windows.iter().map(String::as_str).filter(|window| window.starts_with("per_"));
    let known: BTreeSet<&str> = configured.chain(index.windows.iter().map(AsRef::as_ref)).collect();
    let known: Vec<&str> = known.into_iter().collect();
    asked.filter.windows.iter().try_for_each(|window| is_one_of(window, "interval", &known))
}

fn only_tenant(board: &Board, archive: &Archive) -> Result<String, String> {
    let mut tenants: BTreeSet<String> = archive.read().tenants.iter().map(|tenant| tenant.to_string()).collect();
    let contents = board.read();
    let of_tenants = contents.records.values().filter(|entry| entry.kind == Kind::Tenant);
    tenants.extend(of_tenants.map(|entry| entry.tenant.to_string()));
    match tenants.len() {
        0 | 1 => Ok(tenants.pop_first().unwrap_or_else(|| DEFAULT_TENANT.to_owned())),
        several => Err(format!("tenant is missing: there are {several}; give one")),
    }
}

impl Item {
    fn version(&self) -> u64 {
        match self {
            Item::Archived(spot, _) => spot.version,
            Item::OnBoard(known) => known.version,
        }
    }
}

fn key(series: &str, start: EventTime) -> String {
    format!("{series}|{start}")
}

/// The interval that the board shows.
fn open(board: &Board, series: &str) -> Option<(EventTime, Known)> {
    let contents = board.read();
    let entry = contents.records.get(series)?;
    let head: Head = serde_json::from_slice(&entry.json).ok()?;
    let start = EventTime::parse(&head.window.start?)?;
    Some((start, Known { key: key(series, start).into(), version: entry.version, json: Some(entry.json.clone()) }))
}

/// Up to when event time is complete everywhere; the clock's now before anything is known of it.
fn as_of(board: &Board) -> EventTime {
    let contents = board.read();
    let marks = contents.progress.values().map(|progress| progress.as_of.as_deref().and_then(EventTime::parse));
    marks.min().flatten().unwrap_or_else(|| EventTime(clock()))
}
