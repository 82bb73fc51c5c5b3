//! Settings: as written in TOML, checked all at once, as meant by the program.
//!
//! ```text
//! config/callpulse.toml        the defaults, and the manual of every key
//!   <- a file                  key by key; lists are replaced
//!   <- ${NAME} in its texts    from the environment
//!   <- CALLPULSE_SECTION__KEY  from the environment
//! ```
//!
//! Unknown keys are refused. Settings are read once, before anything else is done, and passed down.

mod alerts;
mod columns;
pub mod fault;
mod json_schema;
mod keys;
mod leaf;
mod levels;
mod meaning;
mod nearest;
mod notify;
mod numbers;
mod opening;
mod overlay;
pub mod settings;
mod shape;
mod view;

use crate::decode::format::Encoding;
use fault::Fault;
use settings::Settings;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The defaults, with the manual of every key as comments.
pub const MANUAL: &str = include_str!("../config/callpulse.toml");

/// What the demonstration changes.
pub const DEMO: &str = include_str!("../config/demo.toml");

/// Settings that can be used, and what somebody should know about them nevertheless.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub warnings: Vec<String>,
}

/// Why settings could not be used.
#[derive(Debug)]
pub enum ConfigError {
    /// The file could not be read.
    Unreadable { path: PathBuf, cause: io::Error },
    /// Something in them is wrong; without a path it is in the environment. Never empty.
    Faulty { path: Option<PathBuf>, faults: Vec<Fault> },
}

/// Reads the settings of a file, or the defaults, under an environment.
pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Loaded, ConfigError> {
    let text = match path {
        None => String::new(),
        Some(path) => {
            std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?
        }
    };
    read(&text, &env.collect()).map_err(|faults| ConfigError::Faulty { path: path.map(Path::to_owned), faults })
}

/// Reads the settings of a text laid over the defaults, under an environment. Every fault there is.
pub fn read(text: &str, env: &BTreeMap<String, String>) -> Result<Loaded, Vec<Fault>> {
    let mut file = overlay::parse(text)?;
    let mut found = shape::Findings::default();
    overlay::expand(&mut file, env, &mut found.faults);
    let mut document = defaults();
    overlay::merge(&mut document, file);
    let origins = overlay::override_keys(&mut document, env, &mut found.faults);

    shape::check_document(&document, &mut found);
    let mut warnings = overlay::near_overrides(env);
    warnings.extend(found.unused.iter().map(|key| format!("`{key}` is understood but not used by this version")));
    let settings = meaning::settings(&document, &mut found.faults, &mut warnings);

    let mut faults = found.faults.0;
    if faults.is_empty() {
        return Ok(Loaded { settings, warnings });
    }
    for fault in &mut faults {
        let is_at = |key: &str| {
            fault.place.strip_prefix(key).is_some_and(|below| below.is_empty() || below.starts_with(['.', '[']))
        };
        if let Some((_, variable)) = origins.iter().find(|(key, _)| is_at(key)) {
            fault.sentence.push_str(&format!(" (set by {variable})"));
        }
    }
    Err(faults)
}

/// The encoding of that name, whose settings are there.
pub fn encoding(name: &str, settings: &Settings) -> Result<Encoding, String> {
    let encoding = leaf::encoding(name)?;
    columns::suffice(encoding, &settings.csv)?;
    Ok(encoding)
}

/// JSON Schema of a settings file.
pub fn schema() -> serde_json::Value {
    json_schema::schema(&defaults())
}

fn defaults() -> toml::Table {
    overlay::parse(MANUAL).expect("the embedded settings are TOML")
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Unreadable { path, cause } => {
                write!(f, "settings file {} cannot be read: {cause}", path.display())
            }
            ConfigError::Faulty { path, faults } => {
                match path {
                    Some(path) => write!(f, "settings of {} cannot be used:", path.display())?,
                    None => write!(f, "settings of the environment cannot be used:")?,
                }
                faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConfigError::Unreadable { cause, .. } => Some(cause),
            ConfigError::Faulty { .. } => None,
        }
    }
}
