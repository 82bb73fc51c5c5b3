//! The output of a replay: JSON lines, CSV, or a table for people.

use crate::kpi::catalogue::{COUNTS, KPIS, SUMS};
use crate::kpi::record::{Count, Kpi, KpiRecord};
use std::io::{self, Write};

/// How records are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Table,
    Json,
    Csv,
}

/// Writes the records.
pub fn write(form: Form, records: impl Iterator<Item = KpiRecord>, out: &mut impl Write) -> io::Result<()> {
    match form {
        Form::Json => write_json(records, out),
        Form::Csv => write_csv(records, out),
        Form::Table => write_table(records, out),
    }
}

fn write_json(records: impl Iterator<Item = KpiRecord>, out: &mut impl Write) -> io::Result<()> {
    for record in records {
        out.write_all(&record.to_json())?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// One row a record: its place, then every count, sum and KPI of the catalogue; what an entity kind
/// does not have, or has no value, is empty.
fn write_csv(records: impl Iterator<Item = KpiRecord>, out: &mut impl Write) -> io::Result<()> {
    let counts = || COUNTS.iter().map(|count| count.name).filter(|name| !name.contains("_by_"));
    let sums = || SUMS.iter().map(|sum| sum.name);
    let kpis = || KPIS.iter().map(|kpi| kpi.id);
    let mut head = vec!["tenant", "kind", "id", "channel", "window", "start", "end", "as_of", "final"];
    head.extend(counts());
    let mut head: Vec<String> = head.into_iter().map(String::from).collect();
    head.extend(sums().map(|name| format!("{name}_ms")));
    head.extend(kpis().map(String::from));
    head.push("waiting".into());
    writeln!(out, "{}", head.join(","))?;
    for record in records {
        let mut row = vec![
            quoted(&record.tenant),
            record.entity.kind.to_string(),
            quoted(&record.entity.id),
            record.entity.channel.as_deref().unwrap_or_default().to_string(),
            record.window.name.clone(),
            record.window.start.clone().unwrap_or_default(),
            record.window.end.clone(),
            record.as_of.clone(),
            record.is_final.to_string(),
        ];
        let count = |name| match record.counts.get(name) {
            Some(Count::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        row.extend(counts().map(count));
        row.extend(sums().map(|name| record.sums_ms.get(name).map_or(String::new(), i64::to_string)));
        row.extend(kpis().map(|id| match record.kpis.get(id).and_then(|kpi| kpi.value) {
            Some(value) => value.to_string(),
            None => String::new(),
        }));
        let waiting = record.waiting.or(record.now.as_ref().map(|now| now.waiting));
        row.push(waiting.map_or(String::new(), |waiting| waiting.to_string()));
        writeln!(out, "{}", row.join(","))?;
    }
    Ok(())
}

/// A CSV field, quoted where it must be.
fn quoted(text: &str) -> String {
    match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    }
}

/// A column of the table: its heading, and what stands below it.
type Column = (&'static str, fn(&KpiRecord) -> String);

const COLUMNS: [Column; 13] = [
    ("entity", |record| {
        let channel = record.entity.channel.as_ref().map_or(String::new(), |channel| format!(";{channel}"));
        format!("{} {}{channel}", record.entity.kind, shown(&record.entity.id))
    }),
    ("window", |record| record.window.name.clone()),
    ("start", |record| record.window.start.as_deref().map_or("-".into(), short_time)),
    ("offered", |record| count(record, "offered")),
    ("answered", |record| count(record, "answered")),
    ("abandoned", |record| count(record, "abandoned")),
    ("flowed out", |record| count(record, "flowed_out")),
    ("handled", |record| count(record, "handled")),
    ("waiting", waiting),
    ("SL", |record| percent(record, "service_level")),
    ("abandon", |record| percent(record, "abandonment_rate")),
    ("ASA", |record| seconds(record, "average_speed_of_answer")),
    ("AHT", |record| seconds(record, "average_handle_time")),
];

fn write_table(records: impl Iterator<Item = KpiRecord>, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<[String; COLUMNS.len()]> = records.map(|record| COLUMNS.map(|(_, cell)| cell(&record))).collect();
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([COLUMNS[column].0.len()]).max().unwrap_or(0)
    });
    write_row(&COLUMNS.map(|(heading, _)| heading.to_string()), &widths, out)?;
    for row in &rows {
        write_row(row, &widths, out)?;
    }
    Ok(())
}

/// Names to the left, numbers to the right.
fn write_row(row: &[String; COLUMNS.len()], widths: &[usize], out: &mut impl Write) -> io::Result<()> {
    let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
        0..=2 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    });
    let line: Vec<String> = cells.collect();
    writeln!(out, "{}", line.join("  ").trim_end())
}

/// An id on one line of a terminal: control characters as their escapes.
fn shown(id: &str) -> String {
    id.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// `2026-03-02 08:15Z`, with seconds only where there are any.
fn short_time(time: &str) -> String {
    let (date, clock) = time.split_once('T').unwrap_or((time, ""));
    let clock = clock.trim_end_matches('Z').trim_end_matches(".000");
    format!("{date} {}Z", clock.strip_suffix(":00").unwrap_or(clock))
}

fn count(record: &KpiRecord, name: &str) -> String {
    match record.counts.get(name) {
        Some(Count::Number(number)) => number.to_string(),
        _ => "-".into(),
    }
}

fn waiting(record: &KpiRecord) -> String {
    let by_entry = record.by_entry.as_ref().map(|by_entry| by_entry.waiting);
    let waiting = record.waiting.or(record.now.as_ref().map(|now| now.waiting)).or(by_entry);
    waiting.map_or("-".into(), |waiting| waiting.to_string())
}

fn value(record: &KpiRecord, id: &str) -> Option<f64> {
    record.kpis.get(id).and_then(|kpi: &Kpi| kpi.value)
}

fn percent(record: &KpiRecord, id: &str) -> String {
    value(record, id).map_or("-".into(), |value| format!("{:.1}%", value * 100.0))
}

fn seconds(record: &KpiRecord, id: &str) -> String {
    value(record, id).map_or("-".into(), |value| format!("{value:.1}s"))
}
