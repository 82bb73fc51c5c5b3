//! Calls of queues as another program counts them: the scenarios of Wazo's statistics, from the rows of its queue log.
//!
//! The data stand beside the repository and are no part of it; without them there is nothing to check, and the test
//! says so. Where our definition differs on purpose, the scenario is named in [`DIFFERENCES`] with the reason and with
//! what we say instead.

#[path = "support/beside.rs"]
mod beside;
#[path = "support/told.rs"]
mod told;

use beside::beside;
use callpulse::config;
use callpulse::decode::format::{Decoder, Format, Given, Place};
use callpulse::decode::json;
use callpulse::event::Decoded;
use callpulse::replay::engine::Replay;
use callpulse::replay::filter::Filter;
use callpulse::time::{EventTime, Span};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;
use std::sync::Arc;
use told::told;

const DATA: &str = "data/wazo-queue-stats/statcenter_queue.json";

/// The quality of service is the share of what was answered.
const SETTINGS: &str = "service_level.formula = 'answered_only'\nwindows.intervals = ['1h', '1d']";

/// Row, column and what we say instead.
type Cell = (&'static str, &'static str, &'static str);

const DIFFERENCES: [(&str, &str, &[Cell]); 3] = [
    (
        "Generate stats for received/abandoned calls",
        "a wait is what lies between the times of its rows, not what data3 says: ten minutes here, and four seconds there",
        &[("8h-9h", "AWT", "00:27:00"), ("9h-10h", "AWT", "00:35:00"), ("Total", "AWT", "00:30:12")],
    ),
    (
        "Generate stats for received/answered calls",
        "three calls are answered up to two hours before they enter: what is answered without an entry is offered then, \
         and what enters after that is offered again, and not answered",
        &[
            ("8h-9h", "Received", "4"),
            ("8h-9h", "Answered rate", "75 %"),
            ("9h-10h", "Answered", "0"),
            ("9h-10h", "AWT", ""),
            ("9h-10h", "Answered rate", "0 %"),
            ("9h-10h", "QoS", ""),
            ("Total", "Received", "6"),
            ("Total", "Answered", "3"),
            ("Total", "Answered rate", "50 %"),
        ],
    ),
    (
        "Generate stats for partial answered call logs",
        "an end is no call where neither entry nor answer is told: where a transfer swaps channels, Asterisk writes the \
         end of a call under the id of another, and it would be counted twice",
        &[
            ("11h-12h", "Received", "0"),
            ("11h-12h", "Answered", "0"),
            ("11h-12h", "Answered rate", ""),
            ("Total", "Received", "0"),
            ("Total", "Answered", "0"),
            ("Total", "Answered rate", ""),
        ],
    ),
];

/// What became of the rows of all scenarios.
#[derive(Debug, Default, PartialEq)]
struct Rows {
    told: usize,
    aside: usize,
    refused: usize,
}

/// The counts that make the cells of one row.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    offered: i64,
    answered: i64,
    abandoned: i64,
    blocked: i64,
    closed: i64,
    full: i64,
    no_agents: i64,
    waited_ms: i64,
    in_time: i64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.offered += other.offered;
        self.answered += other.answered;
        self.abandoned += other.abandoned;
        self.blocked += other.blocked;
        self.closed += other.closed;
        self.full += other.full;
        self.no_agents += other.no_agents;
        self.waited_ms += other.waited_ms;
        self.in_time += other.in_time;
    }
}

impl Counts {
    /// Calls count when they entered; what was turned away never did, and counts when it came.
    fn of(record: &Value) -> Counts {
        let by_entry = |path: &str| record["by_entry"].pointer(path).and_then(Value::as_i64).expect(path);
        let blocked = |reason: &str| record["counts"]["blocked_by_reason"][reason].as_i64().unwrap_or(0);
        Counts {
            offered: by_entry("/counts/offered"),
            answered: by_entry("/counts/answered"),
            abandoned: by_entry("/counts/abandoned"),
            blocked: record["counts"]["blocked"].as_i64().expect("a count"),
            closed: blocked("closed"),
            full: blocked("full"),
            no_agents: blocked("no_agents"),
            waited_ms: by_entry("/sums_ms/wait_answered") + by_entry("/sums_ms/wait_abandoned"),
            in_time: by_entry("/kpis/service_level/numerator"),
        }
    }

    fn cell(&self, column: &str) -> String {
        let share = |part: i64, of: i64| if of == 0 { String::new() } else { format!("{} %", 100 * part / of) };
        let received = self.offered + self.blocked;
        match column {
            "Received" => received.to_string(),
            "Answered" => self.answered.to_string(),
            "Abandoned" => self.abandoned.to_string(),
            "Closed" => self.closed.to_string(),
            "Saturated" => self.full.to_string(),
            "Blocking" => self.no_agents.to_string(),
            "Answered rate" => share(self.answered, received - self.closed),
            "QoS" => share(self.in_time, self.answered),
            "AWT" if self.answered + self.abandoned == 0 => String::new(),
            "AWT" => {
                let seconds = self.waited_ms / (self.answered + self.abandoned) / 1000;
                format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
            }
            other => panic!("unknown column {other}"),
        }
    }
}

/// The counts of each queue, length of window and start.
fn replayed(scenario: &Value, rows: &mut Rows) -> HashMap<(String, String, EventTime), Counts> {
    let decoder = Decoder::from(Format::QueueLog);
    let settings = config::read(SETTINGS, &BTreeMap::new()).unwrap_or_else(|_| panic!("settings")).settings;
    let mut replay = Replay::new(Arc::new(settings.plan.clone()), EventTime(i64::MAX));
    for (line, row) in (1..).zip(scenario["queue_log"].as_array().expect("rows")) {
        let mut row = row.clone();
        row["time"] = format!("{}+00", row["time"].as_str().expect("a time")).into();
        let place = Some(Place { line, repeats: 0 });
        let told = told(&decoder, Given { place, ..Given::from(row.to_string().as_bytes()) });
        told.is_sound();
        rows.told += usize::from(!told.events.is_empty());
        rows.aside += told.aside.len();
        rows.refused += usize::from(told.refused.is_some());
        for event in &told.events {
            let Ok(Decoded::Event(event)) = json::decode(event.as_bytes()) else { panic!("{event} is no event") };
            replay.take(&event, "queue_log");
        }
    }
    let as_of = replay.latest().expect("events");
    let tallies = replay.settle(&settings.kpi, as_of);
    let filter = Filter::default();
    let records = tallies.records(&filter).filter_map(|record| {
        let record = serde_json::to_value(record).expect("JSON");
        let text = |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_interval = text("/entity/kind") == "queue" && text("/window/kind") == "interval";
        let start = EventTime::parse(&text("/window/start")).filter(|_| is_interval)?;
        Some(((text("/entity/id"), text("/window/name"), start), Counts::of(&record)))
    });
    records.collect()
}

#[test]
fn the_tables_of_queues_are_those_that_another_program_makes() {
    let Some(found) = beside(DATA) else { return };
    let text = std::fs::read_to_string(found).expect("the scenarios");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let (mut rows, mut cells, mut differences) = (Rows::default(), 0, 0);
    for scenario in all["scenarios"].as_array().expect("a list") {
        let name = scenario["name"].as_str().expect("a name");
        let found = replayed(scenario, &mut rows);
        let instead = DIFFERENCES.iter().find(|(of, ..)| *of == name).map_or(&[][..], |(.., cells)| cells);
        for table in scenario["expected"].as_array().expect("tables") {
            // `I should have the following statistics on "q01" on "2013-11-08" on configuration "testq1":`
            let assertion: Vec<&str> = table["assertion"].as_str().expect("a sentence").split('"').collect();
            let (queue, date) = (assertion[1], assertion[3]);
            let midnight = EventTime::parse(&format!("{date}T00:00:00Z")).expect("a date");
            let mut total = Counts::default();
            for (place, row) in (0..).zip(table["rows"].as_array().expect("rows")) {
                let interval = row["interval"].as_str().expect("an interval");
                // `8h-9h`, `Monday 30` or `Total`.
                let (window, start) = match interval.split_once("h-") {
                    Some((hour, _)) => ("per_1h", midnight.plus(Span::from_hours(hour.parse().expect("an hour")))),
                    None => ("per_1d", midnight.plus(Span::from_hours(24 * place))),
                };
                let counts = match interval {
                    "Total" => total,
                    _ => found.get(&(queue.into(), window.into(), start)).copied().unwrap_or_default(),
                };
                if interval != "Total" {
                    total += counts;
                }
                for (column, expected) in row.as_object().expect("a row").iter().filter(|(name, _)| *name != "interval")
                {
                    let other = instead.iter().find(|(of, at, _)| *of == interval && at == column);
                    let expected = other.map_or(expected.as_str().expect("a text"), |(.., ours)| ours);
                    assert_eq!(counts.cell(column), expected, "{name}: {queue} {interval} {column}");
                    cells += 1;
                    differences += usize::from(other.is_some());
                }
            }
        }
    }
    // An ADDMEMBER that names no member is refused.
    assert_eq!(rows, Rows { told: 83, aside: 0, refused: 1 });
    assert_eq!((cells, differences), (172, 18), "cells");
}
