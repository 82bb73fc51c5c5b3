//! `callpulse check-config` and `callpulse schema`.

use super::arguments::{Config, SchemaOf};
use super::failure::Failure;
use crate::{config, decode, kpi};

pub fn check_config(asked: &Config) -> Result<(), Failure> {
    let loaded = config::load(asked.config.as_deref(), std::env::vars())?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    eprintln!("the settings can be used");
    Ok(())
}

pub fn schema(of: SchemaOf) -> Result<(), Failure> {
    let schema = match of {
        SchemaOf::Event => decode::schema::event(),
        SchemaOf::Kpi => kpi::schema::record(),
        SchemaOf::Config => config::schema(),
    };
    println!("{}", serde_json::to_string_pretty(&schema).expect("a schema is JSON"));
    Ok(())
}
