//! `callpulse replay`: events from files, KPIs to standard output, rejects and a summary to standard
//! error.

use super::arguments::{OutputForm, Replay as Asked};
use super::failure::Failure;
use super::intake::Intake;
use super::progress::thousands;
use super::surroundings::environment;
use super::tell::tell;
use crate::config;
use crate::replay::engine::Replay;
use crate::replay::filter::Filter;
use crate::replay::output::{self, Form};
use crate::time::EventTime;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub fn run(asked: &Asked) -> Result<(), Failure> {
    let loaded = config::load(asked.config.config.as_deref(), environment())?;
    for warning in &loaded.warnings {
        tell!("warning: {warning}");
    }
    let settings = loaded.settings;
    let mut intake = Intake::new(&asked.format, &settings, asked.rejects.as_deref())?;
    let entities = asked.entity.iter().map(|text| Filter::parse_entity(text)).collect::<Result<_, _>>();
    let filter = Filter { entities: entities.map_err(Failure::Asked)?, windows: asked.window.clone() };
    check_windows(&filter, &settings.kpi)?;

    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let not_after = EventTime(clock).plus(settings.plan.allowed_skew);
    let mut replay = Replay::new(Arc::new(settings.plan), not_after);
    replay.limit_entities(settings.limits);
    intake.read(&asked.files, |event, source| replay.take(event, source))?;
    let read = intake.count();
    intake.progress.show(|_| format!("{} events read; settling the calls", thousands(read)));
    let as_of = asked.as_of.or(replay.latest()).unwrap_or(not_after);
    let tallies = replay.settle(&settings.kpi, as_of);
    intake.close_rejects()?;

    let form = match asked.output {
        OutputForm::Table => Form::Table,
        OutputForm::Json => Form::Json,
        OutputForm::Csv => Form::Csv,
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match output::write(form, tallies.records(&filter), &mut out).and_then(|()| out.flush()) {
        Ok(()) => {}
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => return Err(Failure::AtWork(format!("cannot write the records: {error}; is the disk full?"))),
    }
    intake.print_summary();
    if tallies.refused() != 0 {
        tell!(
            "{} entities (queues, agents, teams) found no room and are not counted; raise [engine] max_entities, or its tenant's",
            thousands(tallies.refused() as u64)
        );
    }
    Ok(())
}

/// Refuses a window that the settings do not have.
fn check_windows(filter: &Filter, settings: &crate::kpi::settings::KpiSettings) -> Result<(), Failure> {
    let known = settings.windows();
    match filter.windows.iter().find(|window| !known.contains(&window.as_str())) {
        None => Ok(()),
        Some(window) => {
            Err(Failure::Asked(format!("window `{window}` is not in the settings; choose one of {}", known.join(", "))))
        }
    }
}
