//! Columns: what `[csv]` says of them, and whether it is enough to make calls of rows.

use super::fault::{Faults, item_of, key_of};
use super::leaf;
use super::nearest::hint;
use super::view::View;
use crate::decode::format::{Encoding, Format};
use crate::decode::mapping::{Mapping, Outcome, Places};
use crate::event::{Channel, Direction};
use crate::time::Span;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// Keys that have defaults, and mean nothing alone.
const DEFAULTED: [&str; 3] = ["delimiter", "timezone", "length_unit"];

/// The mapping of a table `[csv]`.
pub fn mapping(table: View, faults: &mut Faults) -> Mapping {
    let columns: Vec<String> = table.get("columns").items().map(|(_, column)| column.text()).collect();
    let is_begun = table.entries().any(|(key, _)| !DEFAULTED.contains(&key));
    if columns.is_empty() && is_begun {
        faults.add("csv.columns", "is missing; list the names of all columns in order, those not used too");
        return Mapping::default();
    }
    let mut finder = Finder { table, columns: &columns, faults };
    let at = Places {
        call_id: finder.list("call_id"),
        root_id: finder.one("root_id"),
        queue: finder.one("queue"),
        agent: finder.one("agent"),
        customer: finder.one("customer"),
        direction: finder.one("direction"),
        channel: finder.one("channel"),
        outcome: finder.one("outcome"),
        date: finder.one("date"),
        arrived_at: finder.one("arrived_at"),
        queued_at: finder.one("queued_at"),
        ringing_at: finder.one("ringing_at"),
        answered_at: finder.one("answered_at"),
        ended_at: finder.one("ended_at"),
        wait: finder.one("wait"),
        talk: finder.one("talk"),
        wrapup: finder.one("wrapup"),
        total: finder.one("total"),
    };
    let mapping = Mapping {
        delimiter: leaf::delimiter(&table.get("delimiter").text()).unwrap_or(','),
        zone: table.get("timezone").time_zone().unwrap_or(TimeZone::UTC),
        time_format: table.get("time_format").some_text(),
        unit: if table.get("length_unit").text() == "ms" { Span(1) } else { Span::from_secs(1) },
        empty: table.get("empty").items().map(|(_, text)| text.text()).collect(),
        default_queue: table.get("default_queue").some_text(),
        default_agent: table.get("default_agent").some_text(),
        outcomes: words(table.get("outcomes"), Outcome::from_word),
        directions: words(table.get("directions"), Direction::from_word),
        channels: words(table.get("channels"), Channel::from_word),
        at,
        columns,
    };
    if is_begun {
        lacks(&mapping, table, faults);
    }
    mapping
}

/// Whether the settings say what the records of a format mean.
pub fn suffice(encoding: Encoding, mapping: &Mapping) -> Result<(), String> {
    if encoding.format == Format::Csv && mapping.columns.is_empty() {
        return Err("`csv` needs to know what the columns mean; name them in [csv] columns".to_owned());
    }
    Ok(())
}

struct Finder<'t, 'f> {
    table: View<'t>,
    columns: &'f [String],
    faults: &'f mut Faults,
}

impl Finder<'_, '_> {
    /// The place of the column that a key names.
    fn one(&mut self, key: &str) -> Option<usize> {
        let name = self.table.get(key).some_text()?;
        self.place(key_of("csv", key), &name)
    }

    fn list(&mut self, key: &str) -> Vec<usize> {
        let list = self.table.get(key).items();
        list.filter_map(|(index, name)| self.place(item_of(&key_of("csv", key), index), &name.text())).collect()
    }

    fn place(&mut self, place: String, name: &str) -> Option<usize> {
        let found = self.columns.iter().position(|column| column == name);
        if found.is_none() {
            let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
            self.faults.add(place, format!("`{name}` is not among csv.columns; {}", hint(name, &columns)));
        }
        found
    }
}

fn words<T>(table: View, from_word: fn(&str) -> Option<T>) -> BTreeMap<String, T> {
    table.entries().filter_map(|(word, meaning)| Some((word.to_owned(), from_word(&meaning.text())?))).collect()
}

/// What is missing to make a call of any row.
fn lacks(mapping: &Mapping, table: View, faults: &mut Faults) {
    let says = |key: &str| !table.get(key).is_absent();
    let mut lack = |key: &str, sentence: &str| faults.add(key_of("csv", key), sentence);
    if !says("queued_at") {
        lack("queued_at", "is missing; name the column of when a call entered the queue");
    }
    if !says("queue") && !says("default_queue") {
        lack("queue", "is missing; name a column, or the one queue there is as `default_queue`");
    }
    if !says("agent") && !says("default_agent") {
        lack("agent", "is missing; name a column, or whom answers are counted for as `default_agent`");
    }
    if !["outcome", "answered_at", "talk"].into_iter().any(says) {
        lack("outcome", "is missing, and so are `answered_at` and `talk`: one of them has to tell who was answered");
    }
    if !["talk", "ended_at", "total"].into_iter().any(says) {
        lack("ended_at", "is missing, and so are `talk` and `total`: one of them has to tell when a call ended");
    }
    for (key, column) in [("outcomes", "outcome"), ("directions", "direction"), ("channels", "channel")] {
        if says(key) && !says(column) {
            lack(column, &format!("is missing; `{key}` says what its words mean"));
        }
    }
    let is_attempt = |outcome: &Outcome| matches!(outcome, Outcome::Rang(_));
    if !says("ringing_at") && mapping.outcomes.values().any(is_attempt) {
        lack("ringing_at", "is missing; an attempt at an agent begins there");
    }
}
