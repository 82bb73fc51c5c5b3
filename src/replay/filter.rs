//! The filter of a replay's output: which entities and windows are shown.

use crate::entity::{Entity, Kind};

/// Nothing named means everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `queue`, or `queue:sales`.
    pub entities: Vec<(Kind, Option<String>)>,
    /// By name: `30m`, `per_1d`, `total`, `now`.
    pub windows: Vec<String>,
}

impl Filter {
    /// An entity as written: `KIND` or `KIND:ID`; an error sentence if the kind is unknown.
    pub fn parse_entity(text: &str) -> Result<(Kind, Option<String>), String> {
        let (kind, id) = match text.split_once(':') {
            Some((kind, id)) => (kind, Some(id.to_string())),
            None => (text, None),
        };
        let kinds = || Kind::ALL.map(Kind::word).join(", ");
        match Kind::from_word(kind) {
            Some(kind) => Ok((kind, id)),
            None => Err(format!("entity kind `{kind}` is unknown; choose one of {}", kinds())),
        }
    }

    pub fn keeps_entity(&self, entity: &Entity) -> bool {
        let is_named = |(kind, id): &(Kind, Option<String>)| {
            *kind == entity.kind && id.as_deref().is_none_or(|id| id == entity.id.as_ref())
        };
        self.entities.is_empty() || self.entities.iter().any(is_named)
    }

    pub fn keeps_window(&self, name: &str) -> bool {
        self.windows.is_empty() || self.windows.iter().any(|window| window == name)
    }
}
