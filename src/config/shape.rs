//! Shapes: what may stand where in the settings, and the check of a document against them.
//!
//! One table of keys (`keys`) serves the check, the overrides from the environment and the JSON
//! Schema, so that none of them knows a key that the others do not.

use super::fault::{Faults, item_of, key_of};
use super::keys::{CONDITION, SECTIONS};
use super::leaf;
use super::nearest::{hint, listed, nearest};
use super::opening;
use crate::time::Span;
use jiff::tz::TimeZone;
use toml::{Table, Value};

/// A key of a table.
#[derive(Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    /// One line for the JSON Schema; the manual says more.
    pub about: &'static str,
    pub shape: Shape,
    pub standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Has a default, or may be absent.
    Optional,
    /// Its table makes no sense without it.
    Required,
    /// A name that is promised, and that this version understands and does not use.
    Promised,
}

#[derive(Clone, Copy)]
pub enum Shape {
    /// A table with these keys and no others.
    Table(&'static [Key]),
    /// A table whose keys are names of the user's own.
    Names(&'static Shape),
    /// Properties of the client library: text, numbers or switches.
    Properties,
    List {
        of: &'static Shape,
        distinct: bool,
    },
    /// Text, not blank.
    Text,
    /// Printable ASCII without blanks, never shown, of so many characters at least.
    Secret {
        least: usize,
    },
    /// The name of a host, without scheme and port.
    Host,
    /// Addresses separated by commas, or a list of them.
    Brokers,
    /// A name that Kafka takes for a topic.
    Name,
    Word(&'static [&'static str]),
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Switch,
    Duration {
        min: Span,
        max: Span,
        whole_seconds: bool,
    },
    /// A wait at which the histogram has an edge.
    WaitEdge {
        min: Span,
    },
    Interval,
    Also,
    TimeZone,
    Moment,
    Address,
    /// How records are written, see [`Encoding`](crate::decode::format::Encoding).
    Encoding,
    Delimiter,
    TimeFormat,
    /// Opening hours as written.
    Hours,
    /// A date, or a day of every year.
    ClosedDay,
    /// A condition of a rule, in which others may stand.
    Condition,
    /// Whatever it is; of promised keys whose form is not settled.
    Anything,
}

impl Shape {
    /// Whether the value is text: what the environment gives is then taken as it stands.
    pub fn is_text(&self) -> bool {
        use Shape::*;
        match self {
            Text | Secret { .. } | Host | Name | Word(_) | Duration { .. } | WaitEdge { .. } => true,
            Interval | Also | TimeZone | Moment | Address | Brokers | Encoding | Delimiter | TimeFormat => true,
            Hours | ClosedDay => true,
            Table(_) | Names(_) | Properties | List { .. } | Integer { .. } | Number { .. } => false,
            Switch | Condition | Anything => false,
        }
    }

    /// What stands there, in words.
    fn wanted(&self) -> String {
        use Shape::*;
        match self {
            Table(_) | Names(_) | Properties | Condition => "a table".to_owned(),
            List { .. } => "a list in brackets".to_owned(),
            Text | Secret { .. } => "text in quotes".to_owned(),
            Host => "a name such as \"callpulse.example.com\"".to_owned(),
            Brokers => "text such as \"localhost:9092\"".to_owned(),
            Name => "a name in quotes".to_owned(),
            Word(words) => format!("one of {}", listed(words)),
            Integer { .. } => "a whole number".to_owned(),
            Number { .. } => "a number".to_owned(),
            Switch => "true or false".to_owned(),
            Duration { .. } | WaitEdge { .. } => "a length of time such as \"20s\"".to_owned(),
            Interval => "a length such as \"15m\"".to_owned(),
            Also => "a formula such as \"offered\" or \"answered_only@30s\"".to_owned(),
            TimeZone => "the name of a time zone in quotes".to_owned(),
            Moment => "a date such as \"2026-03-01\"".to_owned(),
            Encoding => "a format in quotes".to_owned(),
            Delimiter => "a sign in quotes".to_owned(),
            TimeFormat => "a format such as \"%d.%m.%Y %H:%M:%S\"".to_owned(),
            Address => "an address such as \"127.0.0.1:8080\"".to_owned(),
            Hours => "hours such as \"mon-fri 08:00-20:00\"".to_owned(),
            ClosedDay => "a date such as \"2026-12-25\" or \"12-25\"".to_owned(),
            Anything => "a value".to_owned(),
        }
    }
}

/// What a check finds beside faults: promised keys that are not used yet.
#[derive(Default)]
pub struct Findings {
    pub faults: Faults,
    pub unused: Vec<String>,
}

/// Checks a whole document.
pub fn check_document(document: &Table, found: &mut Findings) {
    check_table(SECTIONS, document, "", found);
}

/// Checks a value and all below it.
fn check(shape: &Shape, value: &Value, place: &str, found: &mut Findings) {
    match (shape, value) {
        (Shape::Table(keys), Value::Table(table)) => check_table(keys, table, place, found),
        (Shape::Condition, Value::Table(table)) => check_table(CONDITION, table, place, found),
        (Shape::Names(each), Value::Table(table)) => {
            for (name, value) in table {
                let place = key_of(place, name);
                if name.trim().is_empty() {
                    found.faults.add(place, "a name is empty; write one");
                } else {
                    check(each, value, &place, found);
                }
            }
        }
        (Shape::Properties, Value::Table(table)) => {
            for (name, value) in table {
                if let Err(sentence) = check_property(name, value) {
                    found.faults.add(key_of(place, name), sentence);
                }
            }
        }
        (Shape::List { of, distinct }, Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                let place_of_item = item_of(place, index);
                match items[..index].iter().position(|earlier| *distinct && earlier == item) {
                    Some(earlier) => found
                        .faults
                        .add(place_of_item, format!("stands in `{}` already; remove one", item_of(place, earlier))),
                    None => check(of, item, &place_of_item, found),
                }
            }
        }
        (shape, value) => {
            if let Err(sentence) = check_leaf(shape, value) {
                found.faults.add(place, sentence);
            }
        }
    }
}

fn check_table(keys: &[Key], table: &Table, place: &str, found: &mut Findings) {
    for key in keys {
        let place_of_key = key_of(place, key.name);
        match (table.get(key.name), key.standing) {
            (Some(value), standing) => {
                check(&key.shape, value, &place_of_key, found);
                if standing == Standing::Promised {
                    found.unused.push(place_of_key);
                }
            }
            (None, Standing::Required) => {
                found.faults.add(place_of_key, format!("is missing; write {}", key.shape.wanted()));
            }
            (None, _) => {}
        }
    }
    for name in table.keys().filter(|name| keys.iter().all(|key| key.name != *name)) {
        found.faults.add(key_of(place, name), unknown(name, keys, place));
    }
}

/// What to say of a key that a table does not know.
pub fn unknown(name: &str, keys: &[Key], place: &str) -> String {
    let words: Vec<&str> = keys.iter().filter(|key| key.standing != Standing::Promised).map(|key| key.name).collect();
    if let Some(near) = nearest(name, keys.iter().map(|key| key.name)) {
        return format!("unknown key; did you mean `{near}`?");
    }
    let home = SECTIONS.iter().find(|section| match &section.shape {
        Shape::Table(keys) => keys.iter().any(|key| key.name == name && key.standing != Standing::Promised),
        _ => false,
    });
    match home {
        Some(section) if section.name != place => format!("unknown key here; `{name}` belongs into [{}]", section.name),
        _ => format!("unknown key; known are {}", listed(&words)),
    }
}

/// A property of the client library as text; none if it is no single value.
pub fn property(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(on) => Some(on.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

fn check_property(name: &str, value: &Value) -> Result<(), String> {
    match name {
        "bootstrap.servers" | "metadata.broker.list" => Err("is set by `kafka.brokers`; write it there".to_owned()),
        "group.id"
        | "transactional.id"
        | "enable.auto.commit"
        | "enable.auto.offset.store"
        | "enable.idempotence"
        | "isolation.level"
        | "auto.offset.reset" => {
            Err("is set by the program, which counts each event once only with its own value; remove it".to_owned())
        }
        _ if property(value).is_none() => Err(format!("expected text or a number, found {}", kind_of(value))),
        _ => Ok(()),
    }
}

fn check_leaf(shape: &Shape, value: &Value) -> Result<(), String> {
    if let (Shape::Moment, Value::Datetime(written)) = (shape, value) {
        return leaf::moment(&written.to_string(), &TimeZone::UTC).map(drop);
    }
    match (shape, value) {
        (Shape::Anything, _) | (Shape::Switch, Value::Boolean(_)) => Ok(()),
        (Shape::ClosedDay, Value::String(_) | Value::Datetime(_)) => opening::closed(value).map(drop),
        (shape, Value::String(text)) if shape.is_text() => check_text(shape, text),
        (Shape::Brokers, Value::Array(items)) => match brokers(items) {
            Some(text) => check_text(shape, &text),
            None => Err("expected a list of addresses such as [\"localhost:9092\"]".to_owned()),
        },
        (Shape::Duration { .. } | Shape::WaitEdge { .. } | Shape::Interval, Value::Integer(number)) => {
            leaf::duration(&number.to_string()).map(drop)
        }
        (Shape::Integer { min, max }, Value::Integer(number)) => {
            if min <= number && number <= max {
                Ok(())
            } else {
                Err(format!("{number} lies outside {min} to {max}"))
            }
        }
        (Shape::Number { min, max }, Value::Integer(_) | Value::Float(_)) => {
            let number = number(value).unwrap_or(f64::NAN);
            if *min <= number && number <= *max {
                Ok(())
            } else if (*min, *max) == (0.0, 1.0) && 1.0 < number && number <= 100.0 {
                Err(format!("{number} lies outside 0 to 1; write {} for {number} %", number / 100.0))
            } else if (*min, *max) == (0.0, 1.0) {
                Err(format!("{number} lies outside 0 to 1"))
            } else {
                Err(format!("{number} is no number to compare with"))
            }
        }
        (shape, value) => Err(format!("expected {}, found {}", shape.wanted(), kind_of(value))),
    }
}

fn check_text(shape: &Shape, text: &str) -> Result<(), String> {
    match shape {
        Shape::Text if text.trim().is_empty() => Err("is empty; write something or remove the key".to_owned()),
        Shape::Secret { .. } if text.is_empty() => Err("is empty; write a token or remove the key".to_owned()),
        Shape::Secret { .. } if !text.bytes().all(|c| c.is_ascii_graphic()) => {
            Err("holds a blank or a letter outside ASCII, which a header cannot carry".to_owned())
        }
        Shape::Secret { least } if text.len() < *least => Err(format!(
            "is too short to be safe from guessing; write {least} characters or more, such as those of `openssl rand -hex {least}`"
        )),
        Shape::Host => leaf::host(text),
        Shape::Brokers if text.split(',').any(|broker| broker.trim().is_empty()) => {
            Err("holds no address or an empty one; write host:port, several separated by commas".to_owned())
        }
        Shape::Name => leaf::name(text).map(drop),
        Shape::Word(words) if !words.contains(&text) => Err(format!("unknown `{text}`; {}", hint(text, words))),
        Shape::Duration { min, max, whole_seconds } => {
            leaf::duration_within(text, *min, *max, *whole_seconds).map(drop)
        }
        Shape::WaitEdge { min } => leaf::wait_edge(text, *min).map(drop),
        Shape::Interval => leaf::interval(text).map(drop),
        Shape::Also => leaf::also(text).map(drop),
        Shape::TimeZone => leaf::time_zone(text).map(drop),
        Shape::Moment => leaf::moment(text, &TimeZone::UTC).map(drop),
        Shape::Address => leaf::address(text).map(drop),
        Shape::Encoding => leaf::encoding(text).map(drop),
        Shape::Delimiter => leaf::delimiter(text).map(drop),
        Shape::Hours => opening::hours(text).map(drop),
        Shape::TimeFormat => leaf::time_format(text).map(drop),
        _ => Ok(()),
    }
}

/// A list of addresses as the client library takes it; none if an item is not text.
pub fn brokers(items: &[Value]) -> Option<String> {
    let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    items.map(|items| items.join(","))
}

pub fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
