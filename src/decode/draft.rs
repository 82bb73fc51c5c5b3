//! Draft: an event as a vendor's decoder makes it, field by field.
//!
//! It is judged by the rules that hold for a native event, so that no decoder has rules of its own of what is
//! missing or too long.

use super::assemble::{Sort, assemble};
use super::slots::{Raw, Slots};
use super::table::{Field, Type};
use crate::event::{Decoded, Reason, Reject, Text};
use crate::time::EventTime;

/// An event in the making. It is large: calls that are not inlined would copy it at every field.
pub(super) struct Draft<'a>(Slots<'a>);

impl<'a> Draft<'a> {
    #[inline(always)]
    pub(super) fn new(kind: Type, time: EventTime) -> Draft<'a> {
        let mut slots = Slots::new();
        slots.set(Field::Type, Raw::Text(kind.word().into()));
        slots.set(Field::Time, Raw::Integer(time.0));
        Draft(slots)
    }

    /// Sets a text; an empty one is absent.
    #[inline(always)]
    pub(super) fn text(mut self, field: Field, value: impl Into<Text<'a>>) -> Draft<'a> {
        let value = value.into();
        self.0.set(field, if value.is_empty() { Raw::Absent } else { Raw::Text(value) });
        self
    }

    #[inline(always)]
    pub(super) fn texts(self, field: Field, value: Option<impl Into<Text<'a>>>) -> Draft<'a> {
        match value {
            Some(value) => self.text(field, value),
            None => self,
        }
    }

    #[inline(always)]
    pub(super) fn integers(mut self, field: Field, value: Option<i64>) -> Draft<'a> {
        self.0.set(field, value.map_or(Raw::Absent, Raw::Integer));
        self
    }

    /// The event, or what is wrong with it.
    #[inline(always)]
    pub(super) fn event(mut self) -> Result<Decoded<'a>, Reject> {
        assemble(&mut self.0, Sort::Vendors)
    }
}

/// A reject: why, and a sentence that says what would help.
pub(super) fn refuse(reason: Reason, sentence: impl Into<String>) -> Reject {
    Reject { reason, sentence: sentence.into() }
}
