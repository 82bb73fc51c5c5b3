//! `callpulse check-config` and `callpulse schema`.

use super::arguments::{Config, SchemaOf};
use super::engine;
use super::failure::Failure;
use super::surroundings::environment;
use super::tell::tell;
use crate::{alert, config, decode, kpi, stream};

pub fn check_config(asked: &Config) -> Result<(), Failure> {
    let loaded = config::load(asked.config.as_deref(), environment())?;
    for warning in &loaded.warnings {
        tell!("warning: {warning}");
    }
    let faults = engine::connection(&loaded.settings).faults();
    if !faults.is_empty() {
        let faults: String = faults.iter().map(|fault| format!("\n  {fault}")).collect();
        return Err(Failure::Asked(format!("settings cannot be used:{faults}")));
    }
    tell!("the settings can be used");
    Ok(())
}

pub fn schema(of: SchemaOf) -> Result<(), Failure> {
    let schema = match of {
        SchemaOf::Event => decode::schema::event(),
        SchemaOf::Kpi => kpi::schema::record(),
        SchemaOf::Call => stream::schema::call(),
        SchemaOf::Progress => stream::schema::progress(),
        SchemaOf::Alert => alert::schema::record(),
        SchemaOf::Headers => stream::schema::headers(),
        SchemaOf::Reject => stream::schema::reject(),
        SchemaOf::Config => config::schema(),
    };
    println!("{}", serde_json::to_string_pretty(&schema).expect("a schema is JSON"));
    Ok(())
}
