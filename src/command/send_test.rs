//! `callpulse alerts send-test`: one message to each target, and what came back.

use super::arguments::Config;
use super::failure::Failure;
use super::surroundings::environment;
use super::tell::tell;
use crate::alert::condition::{Condition, Level, Measure};
use crate::alert::record::{AlertRecord, Subject, Told};
use crate::alert::rule::{Rule, Selector, Severity};
use crate::alert::state::Step;
use crate::config;
use crate::notify::http::Answer;
use crate::notify::sending::Sender;
use crate::time::{EventTime, Span};
use std::time::{SystemTime, UNIX_EPOCH};

pub fn run(asked: &Config) -> Result<(), Failure> {
    let loaded = config::load(asked.config.as_deref(), environment())?;
    for warning in &loaded.warnings {
        tell!("warning: {warning}");
    }
    let targets = loaded.settings.notify;
    if targets.is_empty() {
        let sentence = "the settings have no target to send to; write one in [[notify]], as docs/alerts.md says";
        return Err(Failure::Asked(sentence.to_string()));
    }
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let now = EventTime(clock);
    let (alert, mut failed) = (test_alert(now), 0);
    for target in &targets {
        let came = match Sender::new(target.clone()).send(&[&alert], now) {
            Answer::Accepted { said } => format!("accepted, {said}"),
            Answer::Refused { why } => {
                failed += 1;
                format!("refused, {why}")
            }
            Answer::Failed { why, .. } => {
                failed += 1;
                format!("failed, {why}")
            }
        };
        println!("{}: {came}", target.name);
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::AtWork(format!("{failed} of {} targets did not accept", targets.len()))),
    }
}

/// An alert that fires now, of which nobody will hear that it resolved.
fn test_alert(now: EventTime) -> AlertRecord {
    let level = Level {
        kpi: "test".to_owned(),
        window: "now".to_owned(),
        measure: Measure::Value,
        trigger: 0.0,
        clear: 0.0,
        is_above: true,
        min_volume: 0,
        min_login: Span(0),
    };
    let rule = Rule {
        title: Some("a test of notifications; nothing is wrong".to_owned()),
        text: Some("Sent by `callpulse alerts send-test`.".to_owned()),
        ..Rule::new("test", Selector::NONE, Condition::Level(level), Severity::Info)
    };
    let subject = Subject { tenant: "callpulse", kind: "engine", id: "test", title: None };
    let step = Step::Fires { since: now };
    AlertRecord::of(Told { rule: &rule, subject, step, readings: &[], at: now, as_of: now, version: 0 })
}
