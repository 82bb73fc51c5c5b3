//! CSV: records as a table (RFC 4180), one line a record; of KPI records the same columns for every kind of entity.
//!
//! ```text
//! tenant,kind,id,title,channel,window,start,end,as_of,version,final, counts, sums as NAME_ms, values of KPIs
//! ```
//!
//! Numbers are those of the JSON. What a record does not have, or has no value, is empty. Counts by reason are left out.

use crate::kpi::catalogue::{COUNTS, SUMS, What};
use crate::kpi::record::{Count, KpiRecord};
use crate::serve::parts::Parts;

pub const CONTENT_TYPE: &str = "text/csv; charset=utf-8; header=present";

const HEAD: [&str; 11] =
    ["tenant", "kind", "id", "title", "channel", "window", "start", "end", "as_of", "version", "final"];

/// The columns of a table.
pub struct Columns<'a> {
    counts: Vec<&'static str>,
    sums: Vec<&'static str>,
    kpis: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    /// Every count, sum and KPI, or those asked for.
    pub fn of(parts: Option<&Parts>, kpis: impl Iterator<Item = &'a str>) -> Columns<'a> {
        let has = |part: &str, name: &str| parts.is_none_or(|parts| parts.has(part, name));
        let counts = COUNTS.iter().filter(|count| !matches!(count.what, What::By(_))).map(|count| count.name);
        Columns {
            counts: counts.filter(|name| has("counts", name)).collect(),
            sums: SUMS.iter().map(|sum| sum.name).filter(|name| has("sums_ms", name)).collect(),
            kpis: kpis.filter(|id| has("kpis", id)).collect(),
        }
    }

    /// The line with the columns' names.
    pub fn head(&self, out: &mut Vec<u8>) {
        let sums = self.sums.iter().map(|name| format!("{name}_ms"));
        let names = HEAD.iter().chain(&self.counts).map(|name| name.to_string()).chain(sums);
        line(names.chain(self.kpis.iter().map(|id| id.to_string())), out);
    }

    pub fn row(&self, record: &KpiRecord, out: &mut Vec<u8>) {
        let (entity, window) = (&record.entity, &record.window);
        let head = [
            record.tenant.clone(),
            entity.kind.to_string(),
            entity.id.clone(),
            entity.title.clone().unwrap_or_default(),
            entity.channel.as_deref().unwrap_or_default().to_owned(),
            window.name.clone(),
            window.start.clone().unwrap_or_default(),
            window.end.clone(),
            record.as_of.clone(),
            record.version.to_string(),
            record.is_final.to_string(),
        ];
        let counts = self.counts.iter().map(|name| match record.counts.get(name) {
            Some(Count::Number(number)) => number.to_string(),
            _ => String::new(),
        });
        let sums = self.sums.iter().map(|name| record.sums_ms.get(name).map_or(String::new(), i64::to_string));
        let kpis = self.kpis.iter().map(|id| {
            let value = record.kpis.get(id).and_then(|kpi| kpi.value);
            value.and_then(|value| serde_json::to_string(&value).ok()).unwrap_or_default()
        });
        line(head.into_iter().chain(counts).chain(sums).chain(kpis), out);
    }
}

/// One line.
pub fn line(cells: impl Iterator<Item = String>, out: &mut Vec<u8>) {
    for (place, cell) in cells.enumerate() {
        if 0 < place {
            out.push(b',');
        }
        if cell.contains([',', '"', '\r', '\n']) {
            out.push(b'"');
            out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}
