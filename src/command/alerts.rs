//! `callpulse alerts test`: what the rules of the settings would have told of past events.

use super::arguments::{Alerts as Asked, AlertsTest};
use super::failure::Failure;
use super::intake::Intake;
use super::progress::{Progress, thousands};
use super::send_test;
use super::surroundings::environment;
use super::tell::tell;
use crate::alert::suggestion::{Past, Suggestion, WhyNot, Wish, advise};
use crate::config;
use crate::replay::alert_output::{self, Found};
use crate::replay::alerts::{self, Tried, try_rules};
use crate::replay::engine::Replay;
use crate::time::EventTime;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub fn run(asked: &Asked) -> Result<(), Failure> {
    match asked {
        Asked::Test(asked) => test(asked),
        Asked::SendTest(asked) => send_test::run(asked),
    }
}

fn test(asked: &AlertsTest) -> Result<(), Failure> {
    let loaded = config::load(asked.config.config.as_deref(), environment())?;
    for warning in &loaded.warnings {
        tell!("warning: {warning}");
    }
    let settings = loaded.settings;
    if settings.alerts.is_empty() {
        let sentence = "the settings have no rules to try; write some in [[alerts]], as docs/alerts.md says";
        return Err(Failure::Asked(sentence.to_string()));
    }
    let mut intake = Intake::new(&asked.format, &settings, asked.rejects.as_deref())?;
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let not_after = EventTime(clock).plus(settings.plan.allowed_skew);
    let mut replay = Replay::new(Arc::new(settings.plan), not_after);
    replay.limit_entities(settings.limits);
    intake.read(&asked.files, |event, source| replay.take(event, source))?;

    let until = replay.latest().unwrap_or(not_after);
    let trial = alerts::Asked {
        settings: &settings.kpi,
        rules: &settings.alerts,
        queue_hours: &settings.queue_hours,
        until,
        keeps_numbers: asked.pages_a_week.is_some(),
    };
    let mut progress = Progress::default();
    let tried =
        try_rules(replay, trial, |at| progress.show(|_| format!("trying the rules; {}", &at.to_string()[..10])));
    let suggestions = asked.pages_a_week.map(|pages| suggestions(trial, &tried, pages, &mut progress));
    progress.clear();
    intake.close_rejects()?;
    for gap in &tried.gaps {
        tell!("warning: {}", alert_output::gap(gap));
    }
    let found = Found { rules: &settings.alerts, tried: &tried, until, suggestions: suggestions.as_deref() };
    write(asked, &found)?;
    intake.print_summary();
    if tried.refused != 0 {
        tell!(
            "{} entities (queues, agents, teams) found no room and are not looked at; raise [engine] max_entities, or its tenant's",
            thousands(tried.refused as u64)
        );
    }
    Ok(())
}

fn write(asked: &AlertsTest, found: &Found<'_>) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let written = match asked.json {
        true => alert_output::write_json(found, &mut out),
        false => alert_output::write_table(found, asked.list, &mut out),
    };
    match written.and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::AtWork(format!("cannot write what came of it: {error}; is the disk full?"))),
    }
}

/// Levels for each rule, by its place, or why there are none.
fn suggestions(
    asked: alerts::Asked<'_>,
    tried: &Tried,
    pages_a_week: f64,
    progress: &mut Progress,
) -> Vec<Result<Suggestion, WhyNot>> {
    let weeks = tried.weeks(asked.until);
    let of = |(place, rule)| {
        progress.show(|_| format!("looking for levels; rule {} of {}", place + 1, asked.rules.len()));
        let outcomes = tried.outcomes.iter().filter(|outcome| outcome.rule == place);
        let past = |outcome: &'_ alerts::Outcome| asked.in_force(rule, &outcome.entity);
        let past: Vec<Past<'_>> =
            outcomes.map(|outcome| Past { when: past(outcome), series: &outcome.series }).collect();
        advise(rule, &past, weeks, Wish { fired_max: pages_a_week * weeks, until: asked.until })
    };
    asked.rules.iter().enumerate().map(of).collect()
}
