//! A watch over the queues: a table of the board in a terminal, redrawn; lines where there is none.

use crate::entity::Kind;
use crate::kpi::record::{Count, KpiRecord};
use crate::serve::board::Board;
use crate::serve::filter::Filter;
use crate::time::EventTime;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write, stdout};
use std::time::Duration;

/// The sliding window that is shown.
const WINDOW: &str = "5m";

/// What is drawn, and how.
pub struct Watch {
    is_terminal: bool,
    /// Lines drawn last time, to be drawn over.
    lines: usize,
}

impl Default for Watch {
    fn default() -> Self {
        Watch { is_terminal: stdout().is_terminal(), lines: 0 }
    }
}

impl Watch {
    /// How long to wait for the next drawing.
    pub fn pause(&self) -> Duration {
        Duration::from_secs(if self.is_terminal { 1 } else { 5 })
    }

    /// Draws the board as it is. Errs where the output can no longer be written.
    pub fn show(&mut self, board: &Board, clock: EventTime) -> io::Result<()> {
        let mut text = String::new();
        if self.is_terminal && 0 < self.lines {
            let _ = write!(text, "\x1b[{}A\r\x1b[J", self.lines);
        }
        let table = table(board, clock);
        self.lines = table.lines().count();
        text.push_str(&table);
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// The board as text, every line ended.
fn table(board: &Board, clock: EventTime) -> String {
    let filter = Filter {
        kinds: vec![Kind::Queue, Kind::Tenant],
        windows: vec![WINDOW.to_string(), "now".to_string()],
        ..Filter::default()
    };
    let (mut queues, mut tenants) = (BTreeMap::<String, Row>::new(), BTreeMap::new());
    for record in board.records(&filter) {
        let entity = &record.entity;
        let rows = if entity.kind == Kind::Queue.word() { &mut queues } else { &mut tenants };
        rows.entry(entity.id.clone()).or_default().take(record, clock);
    }
    let progress = board.read().progress.values().filter_map(|progress| progress.as_of.clone()).min();
    let Some(as_of) = progress.filter(|_| !queues.is_empty()) else {
        return "starting ...\n".to_string();
    };
    let mut text = format!("{:<14} {:^28}   {:^49}\n", "", "now", format!("the last {WINDOW}"));
    let _ = writeln!(
        text,
        "{:<14} {:>8} {:>9} {:>9}   {:>13} {:>8} {:>9} {:>10} {:>7}",
        "queue", "waiting", "longest", "talking", "service level", "offered", "answered", "abandoned", "ASA"
    );
    for (id, row) in &queues {
        row.write(row.title.as_deref().unwrap_or(id), &mut text);
    }
    for row in tenants.values() {
        row.write("all", &mut text);
    }
    let _ = writeln!(text, "complete up to {as_of}");
    text
}

/// One entity's numbers, as far as they came.
#[derive(Default)]
struct Row {
    title: Option<String>,
    waiting: Option<i64>,
    longest_wait_s: Option<i64>,
    talking: Option<i64>,
    offered: Option<i64>,
    answered: Option<i64>,
    abandoned: Option<i64>,
    service_level: Option<f64>,
    speed_of_answer: Option<f64>,
}

impl Row {
    fn take(&mut self, record: KpiRecord, clock: EventTime) {
        if let Some(now) = record.now {
            let since = now.longest_wait_since.as_deref().and_then(EventTime::parse);
            self.longest_wait_s = since.map(|since| (clock.since(since).0 / 1000).max(0));
            self.waiting = Some(now.waiting);
            self.talking = Some(now.talking);
        } else {
            let count = |name| match record.counts.get(name) {
                Some(Count::Number(number)) => Some(*number),
                _ => None,
            };
            let value = |name| record.kpis.get(name).and_then(|kpi| kpi.value);
            (self.offered, self.answered, self.abandoned) = (count("offered"), count("answered"), count("abandoned"));
            self.service_level = value("service_level");
            self.speed_of_answer = value("average_speed_of_answer");
        }
        self.title = record.entity.title;
    }

    /// A number that is not known, or has nothing to divide by, is a dash.
    fn write(&self, name: &str, text: &mut String) {
        let number = |number: Option<i64>| number.map_or("-".to_string(), |number| number.to_string());
        let seconds = |seconds: Option<i64>| seconds.map_or("-".to_string(), |seconds| format!("{seconds} s"));
        let _ = writeln!(
            text,
            "{name:<14} {:>8} {:>9} {:>9}   {:>13} {:>8} {:>9} {:>10} {:>7}",
            number(self.waiting),
            seconds(self.longest_wait_s),
            number(self.talking),
            self.service_level.map_or("-".to_string(), |share| format!("{:.1} %", share * 100.0)),
            number(self.offered),
            number(self.answered),
            number(self.abandoned),
            self.speed_of_answer.map_or("-".to_string(), |value| format!("{value:.1} s")),
        );
    }
}
