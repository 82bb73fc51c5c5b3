//! Draft: an event as a vendor's decoder makes it, field by field.
//!
//! It is judged by the rules that hold for a native event, so that no decoder has rules of its own of what is
//! missing or too long.

use super::assemble::{Sort, of_type};
use super::slots::{Raw, Slots};
use super::table::{Field, Type};
use crate::event::{Decoded, Reason, Reject, Text};
use crate::time::EventTime;

/// What is said of an event, in the order in which it is said; of a field the last counts. It is handed on often, so it
/// is no larger than that, and takes its slots only when all of it is there.
pub(super) struct Draft<'a> {
    kind: Type,
    fields: Vec<(Field, Raw<'a>)>,
}

/// Room for as many fields as are nearly ever said.
const FIELDS: usize = 16;

impl<'a> Draft<'a> {
    pub(super) fn new(kind: Type, time: EventTime) -> Draft<'a> {
        let mut fields = Vec::with_capacity(FIELDS);
        fields.push((Field::Time, Raw::Integer(time.0)));
        Draft { kind, fields }
    }

    /// Sets a text; an empty one is absent.
    pub(super) fn text(mut self, field: Field, value: impl Into<Text<'a>>) -> Draft<'a> {
        let value = value.into();
        self.fields.push((field, if value.is_empty() { Raw::Absent } else { Raw::Text(value) }));
        self
    }

    pub(super) fn texts(self, field: Field, value: Option<impl Into<Text<'a>>>) -> Draft<'a> {
        match value {
            Some(value) => self.text(field, value),
            None => self,
        }
    }

    pub(super) fn integers(mut self, field: Field, value: Option<i64>) -> Draft<'a> {
        self.fields.push((field, value.map_or(Raw::Absent, Raw::Integer)));
        self
    }

    /// The event, or what is wrong with it.
    pub(super) fn event(self) -> Result<Decoded<'a>, Reject> {
        let mut slots = Slots::new();
        for (field, value) in self.fields {
            slots.set(field, value);
        }
        of_type(self.kind, &mut slots, Sort::Vendors)
    }
}

/// A reject: why, and a sentence that says what would help.
pub(super) fn refuse(reason: Reason, sentence: impl Into<String>) -> Reject {
    Reject { reason, sentence: sentence.into() }
}
