//! A failure: why a command ended early, as one sentence, and the exit code it stands for.

use crate::config::ConfigError;
use std::fmt;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Wrong arguments or settings: exit code 2.
    Asked(String),
    /// It failed at work: exit code 1.
    AtWork(String),
}

impl Failure {
    pub const fn exit_code(&self) -> u8 {
        match self {
            Failure::Asked(_) => 2,
            Failure::AtWork(_) => 1,
        }
    }

    /// A failure at work, told by its cause.
    pub fn at_work(cause: impl fmt::Display) -> Failure {
        Failure::AtWork(cause.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Asked(sentence) | Failure::AtWork(sentence) => f.write_str(sentence),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::Asked(error.to_string())
    }
}
