//! A view of a document: what stands at a place, as text, number or whatever is asked for.
//!
//! What has the wrong shape reads as absent: its check has said so.

use super::leaf;
use crate::time::{EventTime, Span};
use jiff::tz::TimeZone;
use toml::{Table, Value};

/// What stands at a place of a document, if anything.
#[derive(Clone, Copy)]
pub struct View<'a>(pub Option<&'a Value>, Option<&'a Table>);

impl<'a> View<'a> {
    pub fn of(table: &'a Table) -> View<'a> {
        View(None, Some(table))
    }

    pub fn at(value: Option<&'a Value>) -> View<'a> {
        View(value, value.and_then(Value::as_table))
    }

    pub fn get(self, key: &str) -> View<'a> {
        View::at(self.1.and_then(|table| table.get(key)))
    }

    pub fn entries(self) -> impl Iterator<Item = (&'a str, View<'a>)> {
        self.1.into_iter().flatten().map(|(name, value)| (name.as_str(), View::at(Some(value))))
    }

    pub fn items(self) -> impl Iterator<Item = (usize, View<'a>)> {
        let items = self.0.and_then(Value::as_array);
        items.into_iter().flatten().enumerate().map(|(index, value)| (index, View::at(Some(value))))
    }

    pub fn is_absent(self) -> bool {
        self.0.is_none()
    }

    pub fn is_empty_list(self) -> bool {
        self.0.and_then(Value::as_array).is_some_and(Vec::is_empty)
    }

    pub fn some_text(self) -> Option<String> {
        self.0.and_then(Value::as_str).map(str::to_owned)
    }

    pub fn text(self) -> String {
        self.some_text().unwrap_or_default()
    }

    pub fn integer(self) -> i64 {
        self.0.and_then(Value::as_integer).unwrap_or(1)
    }

    pub fn switch(self) -> bool {
        self.0.and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn duration(self) -> Option<Span> {
        self.0.and_then(Value::as_str).and_then(|text| leaf::duration(text).ok())
    }

    pub fn span(self) -> Span {
        self.duration().unwrap_or_default()
    }

    pub fn time_zone(self) -> Option<TimeZone> {
        self.some_text().and_then(|name| leaf::time_zone(&name).ok())
    }

    pub fn moment(self, zone: &TimeZone) -> Option<EventTime> {
        let text = match self.0? {
            Value::Datetime(written) => written.to_string(),
            value => value.as_str()?.to_owned(),
        };
        leaf::moment(&text, zone).ok()
    }
}
