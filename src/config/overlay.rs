//! Overlays: a file over the defaults, variables in its values, and the environment over both.

use super::fault::{Fault, Faults, item_of, key_of};
use super::keys::{DOCUMENT, SECTIONS};
use super::shape::{Key, Shape, unknown};
use std::collections::BTreeMap;
use toml::de::DeTable;
use toml::{Table, Value};

/// What begins the name of every variable that overrides a key.
const PREFIX: &str = "CALLPULSE_";

/// Reads TOML; every error of syntax with line and column.
pub fn parse(text: &str) -> Result<Table, Vec<Fault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.parse::<Table>() {
        Ok(mut table) => {
            flatten_properties(&mut table);
            Ok(table)
        }
        Err(first) => {
            let (_, mut errors) = DeTable::parse_recoverable(text);
            if errors.is_empty() {
                errors.push(first);
            }
            let mut faults = Faults::default();
            for error in errors {
                let at = error.span().map_or(0, |span| span.start);
                faults.add(line_and_column(text, at), error.message().replace('\n', "; "));
            }
            Err(faults.0)
        }
    }
}

/// Lays `over` upon `base`: tables key by key, everything else replaced.
pub fn merge(base: &mut Table, over: Table) {
    for (name, value) in over {
        match (base.get_mut(&name), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

/// Replaces `${NAME}` in every text by the variable; `$${` stands for `${`.
pub fn expand(table: &mut Table, env: &BTreeMap<String, String>, faults: &mut Faults) {
    for (name, value) in table.iter_mut() {
        expand_value(value, &key_of("", name), env, faults);
    }
}

/// Lays the variables named `CALLPULSE_SECTION__KEY` upon the document. The answer says which key
/// came from which variable.
pub fn override_keys(
    document: &mut Table,
    env: &BTreeMap<String, String>,
    faults: &mut Faults,
) -> BTreeMap<String, String> {
    let mut origins = BTreeMap::new();
    for (variable, raw) in env {
        let Some(name) = variable.strip_prefix(PREFIX).filter(|name| name.contains("__")) else { continue };
        match find_key(document, name) {
            Ok((path, shape)) => {
                let (mut over, mut place) = (override_value(shape, raw), String::new());
                for name in &path {
                    place = key_of(&place, name);
                }
                for name in path.into_iter().rev() {
                    over = Value::Table(Table::from_iter([(name, over)]));
                }
                if let Value::Table(over) = over {
                    merge(document, over);
                }
                origins.insert(place, variable.clone());
            }
            Err(sentence) => faults.add(variable, sentence),
        }
    }
    origins
}

/// Variables that look like an override and are none, since they miss the second underscore.
pub fn near_overrides(env: &BTreeMap<String, String>) -> Vec<String> {
    let mut warnings = Vec::new();
    for variable in env.keys() {
        let Some(name) = variable.strip_prefix(PREFIX).filter(|name| !name.contains("__")) else { continue };
        let meant = SECTIONS.iter().find_map(|section| {
            let Shape::Table(keys) = &section.shape else { return None };
            keys.iter()
                .find(|key| name.eq_ignore_ascii_case(&format!("{}_{}", section.name, key.name)))
                .map(|key| format!("{PREFIX}{}__{}", section.name, key.name).to_uppercase())
        });
        if let Some(meant) = meant {
            warnings.push(format!("{variable} is not read; did you mean {meant}?"));
        }
    }
    warnings
}

fn line_and_column(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!("line {line}, column {column}")
}

/// `security.protocol = "SSL"` without quotes around the name is a table to TOML; here it is a property.
fn flatten_properties(document: &mut Table) {
    let properties =
        document.get_mut("kafka").and_then(Value::as_table_mut).and_then(|kafka| kafka.get_mut("properties"));
    if let Some(Value::Table(properties)) = properties {
        let mut flat = Table::new();
        flatten("", std::mem::take(properties), &mut flat);
        *properties = flat;
    }
}

fn flatten(prefix: &str, table: Table, flat: &mut Table) {
    for (name, value) in table {
        let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(below) => flatten(&name, below, flat),
            value => {
                flat.insert(name, value);
            }
        }
    }
}

fn expand_value(value: &mut Value, place: &str, env: &BTreeMap<String, String>, faults: &mut Faults) {
    match value {
        Value::String(text) if text.contains("${") => match expand_text(text, env) {
            Ok(expanded) => *text = expanded,
            Err(sentence) => faults.add(place, sentence),
        },
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                expand_value(item, &item_of(place, index), env, faults);
            }
        }
        Value::Table(table) => {
            for (name, value) in table.iter_mut() {
                expand_value(value, &key_of(place, name), env, faults);
            }
        }
        _ => {}
    }
}

fn expand_text(text: &str, env: &BTreeMap<String, String>) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at - 1]);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        let end = after.find('}').ok_or("`${` is never closed; write `${NAME}`, or `$${` for the signs themselves")?;
        let name = &after[..end];
        let is_name = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
        if !is_name {
            return Err(format!("`${{{name}}}` holds no name of a variable; write `$${{` for the signs themselves"));
        }
        match env.get(name) {
            Some(value) => out.push_str(value),
            None => return Err(format!("variable {name} is not set; set it, or write the value here")),
        }
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The key that `SECTION__KEY` names, whatever its case, and what stands there.
fn find_key(document: &Table, name: &str) -> Result<(Vec<String>, &'static Shape), String> {
    let (mut path, mut place) = (Vec::new(), String::new());
    let mut shape: &'static Shape = &DOCUMENT;
    let mut here = Some(document);
    for part in name.split("__") {
        let (name, below) = match shape {
            Shape::Table(keys) => {
                let key = known(keys, part, &place)?;
                (key.name.to_owned(), &key.shape)
            }
            Shape::Names(each) => {
                let listed = here.and_then(|table| table.keys().find(|name| name.eq_ignore_ascii_case(part)));
                (listed.cloned().unwrap_or_else(|| part.to_owned()), *each)
            }
            Shape::Properties if part.contains('.') => (part.to_lowercase(), &Shape::Text),
            Shape::Properties => (part.to_lowercase().replace('_', "."), &Shape::Text),
            _ => return Err(format!("`{place}` has no keys of its own; give it a value")),
        };
        here = here.and_then(|table| table.get(&name)).and_then(Value::as_table);
        place = key_of(&place, &name);
        path.push(name);
        shape = below;
    }
    Ok((path, shape))
}

fn known(keys: &'static [Key], part: &str, place: &str) -> Result<&'static Key, String> {
    keys.iter().find(|key| key.name.eq_ignore_ascii_case(part)).ok_or_else(|| {
        let part = part.to_lowercase();
        format!("names `{}`: {}", key_of(place, &part), unknown(&part, keys, place))
    })
}

/// The value of a variable: as TOML if it is that, else text.
fn override_value(shape: &Shape, raw: &str) -> Value {
    let parsed = format!("value = {raw}").parse::<Table>().ok().filter(|table| table.len() == 1);
    match parsed.and_then(|mut table| table.remove("value")) {
        Some(value @ (Value::String(_) | Value::Array(_))) => value,
        Some(value) if !shape.is_text() => value,
        _ => Value::String(raw.to_owned()),
    }
}
