//! `callpulse topics`: which topics are needed, with partitions, settings and ACLs; and making them.

use super::arguments::Topics as Asked;
use super::engine::{self, Names};
use super::failure::Failure;
use super::surroundings::environment;
use super::tell::tell;
use crate::config::{self, settings::Settings};
use crate::stream::topics::{self, Problem, TopicSpec};
use std::collections::BTreeMap;
use std::io::{self, Write as _};

pub fn run(asked: &Asked) -> Result<(), Failure> {
    let loaded = config::load(asked.config.config.as_deref(), environment())?;
    for warning in &loaded.warnings {
        tell!("warning: {warning}");
    }
    let settings = loaded.settings;
    let connection = engine::connection(&settings);
    if let Some(fault) = connection.faults().first() {
        return Err(Failure::Asked(fault.to_string()));
    }
    let specs = engine::topics(&settings);
    if asked.create {
        let replication = i16::try_from(settings.topics.replication_factor).unwrap_or(1);
        let made = topics::create_missing(&connection, &specs, replication).map_err(Failure::at_work)?;
        match made.is_empty() {
            true => tell!("every topic is there"),
            false => tell!("made {}", made.join(", ")),
        }
    }
    if asked.grow {
        return grow(&settings, &specs);
    }
    print(&settings, &specs)?;
    let problems = topics::check(&connection, &as_they_may_be(&settings, specs)?).map_err(Failure::at_work)?;
    match problems.is_empty() {
        true => Ok(()),
        false => {
            for problem in &problems {
                tell!("callpulse: {problem}");
            }
            Err(Failure::AtWork(format!("{} topics are not as they have to be", problems.len())))
        }
    }
}

/// What a running instance asks of the topics: those with an entity's records have as many partitions as
/// the partials, and how many that is and what others have is the cluster's business.
fn as_they_may_be(settings: &Settings, mut specs: Vec<TopicSpec>) -> Result<Vec<TopicSpec>, Failure> {
    let partials = Names::of(settings).partials;
    let connection = engine::connection(settings);
    let wanted = settings.topics.partitions;
    let mut there = None;
    for problem in
        topics::existence(&connection, [(partials.as_str(), Some(wanted))].into_iter()).map_err(Failure::at_work)?
    {
        if let Problem::Partitions { has, .. } = problem {
            tell!("{partials} has {has} partitions, which hold for this generation; [topics] partitions says {wanted}");
            there = Some(has);
        }
    }
    let of_entities = [&partials, &settings.topics.kpis, &settings.topics.intervals, &settings.topics.alerts];
    for spec in &mut specs {
        spec.partitions = of_entities.contains(&&spec.name).then_some(there.unwrap_or(wanted));
    }
    Ok(specs)
}

/// Gives topics that are read by key, and may have any number, as many partitions as the settings say.
fn grow(settings: &Settings, specs: &[TopicSpec]) -> Result<(), Failure> {
    let connection = engine::connection(settings);
    let may_grow = [&settings.topics.rejects, &settings.topics.calls];
    let wanted = settings.topics.partitions;
    for spec in specs.iter().filter(|spec| may_grow.contains(&&spec.name)) {
        let problems = topics::existence(&connection, std::iter::once((spec.name.as_str(), Some(wanted))));
        for problem in problems.map_err(Failure::at_work)? {
            match problem {
                Problem::Partitions { topic, has, .. } if has < wanted => {
                    topics::grow(&connection, &topic, wanted).map_err(Failure::at_work)?;
                    println!("{topic}: {has} -> {wanted} partitions");
                }
                other => tell!("callpulse: {other}"),
            }
        }
    }
    tell!(
        "{} have as many partitions as they should; the counts of internal topics and of the KPI topics are fixed for a \
         generation: raise [engine] generation to have others",
        may_grow.map(String::as_str).join(" and ")
    );
    Ok(())
}

/// Prints what is wanted of topics and rights.
fn print(settings: &Settings, specs: &[TopicSpec]) -> Result<(), Failure> {
    match io::stdout().write_all(table(settings, specs).as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::AtWork(format!("cannot write: {error}; is the disk full?"))),
    }
}

fn table(settings: &Settings, specs: &[TopicSpec]) -> String {
    let width = specs.iter().map(|spec| spec.name.chars().count()).max().unwrap_or(0);
    let mut text = format!("{:<width$}  {:>10}  settings\n", "topic", "partitions");
    for spec in specs {
        let config: Vec<String> = spec.config.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let is_source = settings.sources.iter().any(|source| source.topic == spec.name);
        let partitions = match spec.partitions {
            Some(_) if is_source => "any".to_string(),
            Some(partitions) => partitions.to_string(),
            None => "any".to_string(),
        };
        text += &format!("{:<width$}  {partitions:>10}  {}\n", spec.name, config.join(" "));
    }
    text += "\nACLs of each instance (replace PRINCIPAL, add --bootstrap-server and --command-config):\n";
    let names = Names::of(settings);
    let mut operations: BTreeMap<&str, &str> = BTreeMap::new();
    for source in &settings.sources {
        operations.insert(&source.topic, "--operation Read");
    }
    let states = [&names.calls_state, &names.subjects_state, &names.kpis_state];
    let shown = [&settings.topics.kpis, &settings.topics.intervals, &settings.topics.alerts];
    for both in [&names.partials, &names.subjects].into_iter().chain(shown).chain(states) {
        operations.insert(both, "--operation Read --operation Write --operation DescribeConfigs");
    }
    for written in [&settings.topics.rejects, &settings.topics.calls] {
        operations.insert(written, "--operation Write --operation DescribeConfigs");
    }
    // Another deployment's prefix may begin with ours.
    let prefix = format!("{}-", engine::group_prefix(settings));
    let mut acl = |what: String| text += &format!("kafka-acls.sh --add --allow-principal PRINCIPAL {what}\n");
    for (topic, operations) in operations {
        acl(format!("{operations} --topic {topic}"));
    }
    acl(format!("--operation Read --group {prefix} --resource-pattern-type prefixed"));
    acl(format!("--operation Write --transactional-id {prefix} --resource-pattern-type prefixed"));
    text
}
