//! Parts: which fields of a record are asked for, and a record narrowed to them.
//!
//! The head of a record always stays. What is kept is copied as it was published.

use crate::serve::text::Text;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What every record keeps.
pub const HEAD: [&str; 11] = [
    "schema",
    "tenant",
    "entity",
    "window",
    "as_of",
    "version",
    "final",
    "corrected",
    "provisional",
    "covered_from",
    "gap",
];

/// What can be asked for by name, as `counts` or as `counts.offered`.
pub const OF_NAMES: [&str; 3] = ["counts", "sums_ms", "kpis"];

/// What can be asked for whole.
pub const WHOLE: [&str; 7] = ["now", "by_entry", "counters", "targets", "waiting", "profile", "paused_by_reason_ms"];

/// What can be asked for of one sort of record.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// What stays in any case.
    pub head: &'static [&'static str],
    pub of_names: &'static [&'static str],
    pub whole: &'static [&'static str],
}

/// Of KPI records.
pub static KPI_RECORD: Shape = Shape { head: &HEAD, of_names: &OF_NAMES, whole: &WHOLE };

/// Of alerts.
pub static ALERT_RECORD: Shape = Shape {
    head: &["schema", "alert_id", "rule", "tenant", "entity", "state", "since", "version", "severity"],
    of_names: &[],
    whole: &[
        "reason",
        "as_of",
        "clear_since",
        "resolved_at",
        "title",
        "text",
        "kpi",
        "window",
        "value",
        "numerator",
        "denominator",
        "trigger",
        "clear",
        "side",
        "min_volume",
        "min_login_ms",
        "measure",
        "assumptions",
        "budget",
        "levels",
        "for_ms",
        "keep_firing_for_ms",
        "runbook_url",
        "panel_url",
    ],
};

/// The fields asked for beside the head, at least one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parts {
    shape: &'static Shape,
    /// Parts asked for whole have no names.
    asked: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Parts {
    /// Reads `counts.offered,kpis,now`; errs with a sentence.
    pub fn parse(text: &str, shape: &'static Shape) -> Result<Parts, String> {
        let mut asked: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        let mut whole = BTreeSet::new();
        for field in text.split(',').map(str::trim) {
            let (part, name) = field.split_once('.').map_or((field, None), |(part, name)| (part, Some(name)));
            let known = |list: &[&'static str]| list.iter().find(|known| **known == part).copied();
            match (known(shape.of_names), known(shape.whole), name) {
                (Some(part), _, Some(name)) if !name.is_empty() => {
                    asked.entry(part).or_default().insert(name.to_owned());
                }
                (Some(part), _, None) | (_, Some(part), None) => {
                    asked.entry(part).or_default();
                    whole.insert(part);
                }
                _ => {
                    let names = shape.of_names.iter().map(|part| format!("{part}, {part}.NAME"));
                    let known: Vec<String> = names.chain(shape.whole.iter().map(|part| part.to_string())).collect();
                    return Err(format!("unknown field {field}; known are {}", known.join(", ")));
                }
            }
        }
        for part in whole {
            asked.insert(part, BTreeSet::new());
        }
        Ok(Parts { shape, asked })
    }

    /// Each that is asked for by its name: of which part, and the name.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.asked.iter().flat_map(|(part, names)| names.iter().map(|name| (*part, name.as_str())))
    }

    /// Whether this is asked for whole, or stays in any case.
    pub fn has_whole(&self, part: &str) -> bool {
        self.shape.head.contains(&part) || self.asked.contains_key(part)
    }

    /// Whether this of `counts`, `sums_ms` or `kpis` is asked for.
    pub fn has(&self, part: &str, name: &str) -> bool {
        self.asked.get(part).is_some_and(|names| names.is_empty() || names.contains(name))
    }

    /// The record with its head and what was asked for; as it is if it cannot be read.
    pub fn narrow<'a>(&self, json: &'a [u8]) -> Cow<'a, [u8]> {
        match serde_json::from_slice::<Object<'_>>(json) {
            Ok(record) => Cow::Owned(self.narrowed(&record, json.len())),
            Err(_) => Cow::Borrowed(json),
        }
    }

    fn narrowed(&self, record: &Object<'_>, length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(length);
        let mut writing = Writing::begin(&mut out);
        for (name, value) in &record.0 {
            match self.asked.get(name.as_str()) {
                _ if self.shape.head.contains(&name.as_str()) => writing.field(name, value),
                Some(names) if names.is_empty() => writing.field(name, value),
                Some(names) => match serde_json::from_str::<Object<'_>>(value.get()) {
                    Ok(object) => {
                        let inner = writing.name(name);
                        let mut within = Writing::begin(inner);
                        for (name, value) in object.0.iter().filter(|(name, _)| names.contains(name.as_str())) {
                            within.field(name, value);
                        }
                        within.end();
                    }
                    Err(_) => writing.field(name, value),
                },
                None => {}
            }
        }
        writing.end();
        out
    }
}

/// An object's fields in their order, each value as its text.
struct Object<'a>(Vec<(Text<'a>, &'a RawValue)>);

/// An object while it is written.
struct Writing<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
}

impl<'o> Writing<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Writing<'o> {
        out.push(b'{');
        Writing { out, is_first: true }
    }

    fn name(&mut self, name: &Text<'_>) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        // Writing to a Vec does not fail.
        let _ = serde_json::to_writer(&mut *self.out, name.as_str());
        self.out.push(b':');
        self.out
    }

    fn field(&mut self, name: &Text<'_>, value: &RawValue) {
        self.name(name).extend_from_slice(value.get().as_bytes());
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(64);
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"schema":"s","tenant":"t","entity":{"kind":"queue"},"as_of":"x","counts":{"offered":3, "by":{"a":1}},"kpis":{"service_level":{"value":0.5},"service_level.offered@30s":{"value":null}},"now":{"waiting":1},"later":[1,2]}"#;

    #[track_caller]
    fn check(fields: &str, expected: &str) {
        let parts = Parts::parse(fields, &KPI_RECORD).expect("fields");
        let narrowed = parts.narrow(RECORD.as_bytes()).into_owned();
        let head = r#"{"schema":"s","tenant":"t","entity":{"kind":"queue"},"as_of":"x""#;
        assert_eq!(String::from_utf8(narrowed).unwrap(), format!("{head}{expected}}}"), "{fields}");
    }

    #[test]
    fn keeps_the_head_and_what_is_asked_for() {
        check("counts", r#","counts":{"offered":3, "by":{"a":1}}"#);
        check("counts.by,now", r#","counts":{"by":{"a":1}},"now":{"waiting":1}"#);
        check("kpis.service_level.offered@30s", r#","kpis":{"service_level.offered@30s":{"value":null}}"#);
        check("counts.offered,counts", r#","counts":{"offered":3, "by":{"a":1}}"#);
        check("counts.nothing,sums_ms", r#","counts":{}"#);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for fields in ["", "count", "counts.", "now.waiting", "counts,,kpis", "schema"] {
            assert!(Parts::parse(fields, &KPI_RECORD).unwrap_err().contains("counts.NAME"), "{fields}");
        }
    }
}
