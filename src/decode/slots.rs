//! Slots: the values of one record by field, before anybody has asked what they mean.
//!
//! A slot remembers the kind of what it holds, so that a value of the wrong kind is named as such
//! and a field that its type does not have is never looked at.

use super::table::{Field, Shape, Type, WAIT_MAX_MS};
use crate::event::{Reason, Reject, Score, Text};
use crate::time::EventTime;
use std::fmt::Write;
use std::mem::ManuallyDrop;

/// A value as the record has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Raw<'a> {
    /// Not there, or null.
    #[default]
    Absent,
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(Text<'a>),
    /// `score`, `min` and `max`.
    Score(Box<[Raw<'a>; 3]>),
    /// Something that no field can hold, in words.
    Other(&'static str),
}

/// The fields of a [`Raw::Score`], in its order.
pub(super) const SCORE: [Field; 3] = [Field::Score, Field::Min, Field::Max];

/// One record's values. Few of the many slots are ever filled, so only those are dropped: to look
/// through all of them would cost a quarter of the decoding.
pub(super) struct Slots<'a> {
    values: [ManuallyDrop<Raw<'a>>; Field::ALL.len()],
    /// A bit for each slot that is filled; the others hold [`Raw::Absent`].
    present: u64,
}

impl Drop for Slots<'_> {
    fn drop(&mut self) {
        while self.present != 0 {
            drop(self.take(Field::ALL[self.present.trailing_zeros() as usize]));
        }
    }
}

impl<'a> Slots<'a> {
    pub(super) fn new() -> Slots<'a> {
        Slots { values: [const { ManuallyDrop::new(Raw::Absent) }; Field::ALL.len()], present: 0 }
    }

    /// Puts a value in its slot; the last one of a field counts.
    #[inline]
    pub(super) fn set(&mut self, field: Field, value: Raw<'a>) {
        drop(self.take(field));
        if !matches!(value, Raw::Absent) {
            self.present |= field.bit();
            self.values[field as usize] = ManuallyDrop::new(value);
        }
    }

    #[inline]
    pub(super) fn take(&mut self, field: Field) -> Raw<'a> {
        if self.present & field.bit() == 0 {
            return Raw::Absent;
        }
        self.present &= !field.bit();
        let slot = &mut self.values[field as usize];
        ManuallyDrop::into_inner(std::mem::replace(slot, ManuallyDrop::new(Raw::Absent)))
    }

    #[inline]
    pub(super) fn has(&self, field: Field) -> bool {
        self.present & field.bit() != 0
    }

    /// Gives the record a time if it has none.
    #[inline]
    pub(super) fn default_time(&mut self, time: Option<EventTime>) {
        if let Some(time) = time
            && !self.has(Field::Time)
        {
            self.set(Field::Time, Raw::Integer(time.0));
        }
    }

    /// A text that is not empty.
    #[inline]
    pub(super) fn id(&mut self, field: Field) -> Result<Option<Text<'a>>, Reject> {
        match self.take(field) {
            Raw::Absent => Ok(None),
            Raw::Text(text) if !text.is_empty() => within_length(field, text).map(Some),
            raw => Err(bad(field, &raw, Shape::Id)),
        }
    }

    pub(super) fn text(&mut self, field: Field) -> Result<Option<Text<'a>>, Reject> {
        match self.take(field) {
            Raw::Absent => Ok(None),
            Raw::Text(text) => within_length(field, text).map(Some),
            raw => Err(bad(field, &raw, Shape::Text)),
        }
    }

    #[inline]
    pub(super) fn integer(&mut self, field: Field) -> Result<Option<i64>, Reject> {
        match self.take(field) {
            Raw::Absent => Ok(None),
            Raw::Integer(value) => Ok(Some(value)),
            raw => Err(bad(field, &raw, Shape::Integer)),
        }
    }

    pub(super) fn count(&mut self, field: Field) -> Result<Option<i64>, Reject> {
        match self.take(field) {
            Raw::Absent => Ok(None),
            Raw::Integer(value) if 0 <= value => Ok(Some(value)),
            raw => Err(bad(field, &raw, Shape::Count)),
        }
    }

    /// A length of time in milliseconds, of at most a year.
    pub(super) fn wait(&mut self, field: Field) -> Result<Option<i64>, Reject> {
        match self.take(field) {
            Raw::Absent => Ok(None),
            Raw::Integer(value) if (0..=WAIT_MAX_MS).contains(&value) => Ok(Some(value)),
            raw => Err(bad(field, &raw, Shape::Wait)),
        }
    }

    pub(super) fn number(&mut self, field: Field) -> Result<Option<f64>, Reject> {
        number_of(self.take(field)).map_err(|raw| bad(field, &raw, Shape::Number))
    }

    pub(super) fn amount(&mut self, field: Field) -> Result<Option<f64>, Reject> {
        match number_of(self.take(field)) {
            Ok(Some(value)) if value < 0.0 => Err(bad(field, &Raw::Number(value), Shape::Amount)),
            Ok(value) => Ok(value),
            Err(raw) => Err(bad(field, &raw, Shape::Amount)),
        }
    }

    pub(super) fn flag(&mut self, field: Field) -> Result<Option<bool>, Reject> {
        match self.take(field) {
            Raw::Absent => Ok(None),
            Raw::Flag(value) => Ok(Some(value)),
            raw => Err(bad(field, &raw, Shape::Flag)),
        }
    }

    #[inline]
    pub(super) fn time(&mut self, field: Field) -> Result<Option<EventTime>, Reject> {
        let raw = self.take(field);
        let time = match &raw {
            Raw::Absent => return Ok(None),
            Raw::Text(text) => EventTime::parse(text),
            Raw::Integer(millis) => EventTime::from_millis(*millis),
            _ => None,
        };
        match time {
            Some(time) => Ok(Some(time)),
            None => Err(bad(field, &raw, Shape::Time)),
        }
    }

    /// A score within its own scale.
    pub(super) fn score(&mut self, field: Field) -> Result<Option<Score>, Reject> {
        let parts = match self.take(field) {
            Raw::Absent => return Ok(None),
            Raw::Score(parts) => *parts,
            raw => return Err(bad(field, &raw, Shape::Score)),
        };
        let mut numbers = [0.0; 3];
        for ((number, raw), part) in numbers.iter_mut().zip(parts).zip(SCORE) {
            let name = || format!("{}.{}", field.word(), part.word());
            *number = match number_of(raw) {
                Ok(Some(value)) => value,
                Ok(None) => {
                    let sentence = format!("{} is missing; a score needs score, min and max", name());
                    return Err(Reject { reason: Reason::MissingField, sentence });
                }
                Err(raw) => return Err(bad_named(&name(), &raw, Shape::Number)),
            };
        }
        let [score, min, max] = numbers;
        within_scale(field, score, min, max)?;
        Ok(Some(Score { score, min, max }))
    }

    /// A word of an enum that keeps unknown words as `other`.
    #[inline]
    pub(super) fn open<T>(
        &mut self,
        kind: Type,
        field: Field,
        from_word: fn(&str) -> Option<T>,
        other: T,
    ) -> Result<Option<T>, Reject> {
        match self.take(field) {
            Raw::Absent => Ok(None),
            Raw::Text(word) => Ok(Some(from_word(&word).unwrap_or(other))),
            raw => Err(bad_word(kind, field, &raw)),
        }
    }

    /// A word of an enum that is required and refuses unknown words.
    #[inline]
    pub(super) fn closed<T>(
        &mut self,
        kind: Type,
        field: Field,
        from_word: fn(&str) -> Option<T>,
    ) -> Result<T, Reject> {
        match self.take(field) {
            Raw::Absent => Err(missing(kind, field)),
            Raw::Text(word) => from_word(&word).ok_or_else(|| bad_word(kind, field, &Raw::Text(word))),
            raw => Err(bad_word(kind, field, &raw)),
        }
    }
}

/// The longest text of a field that an event keeps, in bytes. Names go on into keys, states and records, all of
/// which have to fit into what a broker takes.
pub(super) const TEXT_BYTES_MAX: usize = 1024;

#[inline]
fn within_length(field: Field, text: Text<'_>) -> Result<Text<'_>, Reject> {
    if text.len() <= TEXT_BYTES_MAX {
        return Ok(text);
    }
    let sentence = format!("{} has {} bytes; a text may have {TEXT_BYTES_MAX}", field.word(), text.len());
    Err(Reject { reason: Reason::TooLarge, sentence })
}

/// The reject of a required field that is not there.
#[cold]
pub(super) fn missing(kind: Type, field: Field) -> Reject {
    let sentence = format!("{} is missing; {} needs it", field.word(), kind.word());
    Reject { reason: Reason::MissingField, sentence }
}

/// The reject of a value that is not of the shape its field needs.
#[cold]
pub(super) fn bad(field: Field, raw: &Raw<'_>, shape: Shape) -> Reject {
    bad_named(field.word(), raw, shape)
}

/// A score outside its scale would be a share outside 0..1.
pub(super) fn within_scale(field: Field, score: f64, min: f64, max: f64) -> Result<(), Reject> {
    if min < max && min <= score && score <= max {
        return Ok(());
    }
    let name = field.word();
    let sentence =
        format!("{name} is {score:?} on a scale from {min:?} to {max:?}; give min < max and a score between them");
    Err(Reject { reason: Reason::BadValue, sentence })
}

/// A text quoted for a sentence, and cut where it grows long.
pub(super) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn bad_named(name: &str, raw: &Raw<'_>, shape: Shape) -> Reject {
    let mut sentence = format!("{name} is ");
    let _ = match raw {
        Raw::Absent => write!(sentence, "absent"),
        Raw::Flag(value) => write!(sentence, "{value}"),
        Raw::Integer(value) => write!(sentence, "{value}"),
        Raw::Number(value) => write!(sentence, "{value:?}"),
        Raw::Text(text) if text.is_empty() => write!(sentence, "empty"),
        Raw::Text(text) => write!(sentence, "{}", shortened(text)),
        Raw::Score(_) => write!(sentence, "an object"),
        Raw::Other(what) => write!(sentence, "{what}"),
    };
    sentence.push_str(match shape {
        Shape::Id => "; give a text of at least one character, or null where the field is optional",
        Shape::Text => "; give a text",
        Shape::Integer => "; give a whole number of 64 bits, without quotes, point or exponent",
        Shape::Count => "; give a whole number from 0, without quotes, point or exponent",
        Shape::Wait => "; give milliseconds as a whole number, at most 366 days of them",
        Shape::Number => "; give a finite number, without quotes",
        Shape::Amount => "; give a finite number from 0, without quotes",
        Shape::Flag => "; give true or false, without quotes",
        Shape::Time => {
            "; give RFC 3339 with an offset or Z, such as \"2026-03-02T08:15:30.120Z\", or epoch milliseconds \
             (not seconds) as a whole number"
        }
        Shape::Score => "; give an object of score, min and max",
        Shape::Closed(_) | Shape::Open(_) => "; give one of ",
    });
    if let Shape::Closed(words) | Shape::Open(words) = shape {
        sentence.push_str(&words().join(", "));
    }
    let reason = if matches!(shape, Shape::Time) { Reason::BadTime } else { Reason::BadValue };
    Reject { reason, sentence }
}

#[cold]
fn bad_word(kind: Type, field: Field, raw: &Raw<'_>) -> Reject {
    let shape = kind.use_of(field).map_or(Shape::Text, |used| used.shape);
    bad(field, raw, shape)
}

fn number_of(raw: Raw<'_>) -> Result<Option<f64>, Raw<'_>> {
    match raw {
        Raw::Absent => Ok(None),
        Raw::Integer(value) => Ok(Some(value as f64)),
        Raw::Number(value) if value.is_finite() => Ok(Some(value)),
        raw => Err(raw),
    }
}
