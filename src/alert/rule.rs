//! Rules: when to tell people, of which entities, and with what words.

use super::condition::Condition;
use super::hours::Hours;
use crate::entity::{Entity, Kind};
use crate::time::Span;
use std::collections::BTreeMap;

/// One rule of the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The first part of every key.
    pub name: String,
    pub of: Selector,
    pub when: Condition,
    /// It has to hold for so long without a break (`for` in the settings).
    pub hold: Span,
    /// What fires resolves once it has been clear for so long without a break (`keep_firing_for` in the settings).
    pub keep: Span,
    /// When it is in force; as its queue's, else always, if none are said.
    pub hours: Option<Hours>,
    pub severity: Severity,
    /// With `{entity}`, `{value}` and so on in it, see [`super::record::PLACES`].
    pub title: Option<String>,
    pub text: Option<String>,
    pub runbook_url: Option<String>,
    /// A link to a panel, with the same places in it.
    pub panel_url: Option<String>,
}

pub const SOURCE_SILENT: &str = "source_silent";
pub const ENGINE_BEHIND: &str = "engine_behind";
pub const INPUT_GAP: &str = "input_gap";
pub const REJECTS_RISING: &str = "rejects_rising";
pub const ENTITIES_REFUSED: &str = "entities_refused";
/// The number that [`REJECTS_RISING`] looks at: a share of the records read.
pub const REJECT_RATE: &str = "reject_rate";
/// Always fires, so that its absence is noticed outside.
pub const WATCHDOG: &str = "watchdog";
/// The program's alerts about itself and how urgent they are. No rule may have their names.
pub const BUILT_IN: [(&str, Severity); 6] = [
    (SOURCE_SILENT, Severity::Critical),
    (ENGINE_BEHIND, Severity::Critical),
    (INPUT_GAP, Severity::Critical),
    (REJECTS_RISING, Severity::Warning),
    (ENTITIES_REFUSED, Severity::Warning),
    (WATCHDOG, Severity::Info),
];

/// The names of [`BUILT_IN`].
pub fn built_in_names<'n>() -> impl Iterator<Item = &'n str> {
    BUILT_IN.into_iter().map(|(name, _)| -> &'n str { name })
}

/// How urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

/// Which entities a rule is about. Never one channel of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    pub kind: Kind,
    /// A pattern of ids: `*` stands for any characters.
    pub id: String,
    /// A pattern of tenants.
    pub tenant: String,
    /// Ids that the team and label asked for stand for; none if neither is asked for.
    pub among: Option<Vec<String>>,
}

impl Rule {
    /// A rule that holds at once, always, and says what its numbers say.
    pub fn new(name: impl Into<String>, of: Selector, when: Condition, severity: Severity) -> Rule {
        Rule {
            name: name.into(),
            of,
            when,
            hold: Span(0),
            keep: Span(0),
            hours: None,
            severity,
            title: None,
            text: None,
            runbook_url: None,
            panel_url: None,
        }
    }

    /// When it is in force for an entity: by its own hours, else by those of the queue it is about; always if there are
    /// none.
    pub fn hours_for<'h>(&'h self, entity: &Entity, of_queues: &'h BTreeMap<String, Hours>) -> Option<&'h Hours> {
        let of_queue = || of_queues.get(entity.id.as_ref()).filter(|_| entity.kind == Kind::Queue);
        self.hours.as_ref().or_else(of_queue)
    }
}

impl Severity {
    pub const ALL: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

    /// The name in settings and records.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }

    pub fn from_word(word: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.word() == word)
    }
}

impl Selector {
    /// No entity, for rules about the engine itself.
    pub const NONE: Selector =
        Selector { kind: Kind::Tenant, id: String::new(), tenant: String::new(), among: Some(Vec::new()) };

    pub fn selects(&self, entity: &Entity) -> bool {
        entity.kind == self.kind
            && entity.channel.is_none()
            && matches(&self.id, &entity.id)
            && matches(&self.tenant, &entity.tenant)
            && self.among.as_ref().is_none_or(|among| among.iter().any(|id| id.as_str() == entity.id.as_ref()))
    }
}

/// Whether a text is of a pattern in which `*` stands for any characters, none included.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        let all = [("*", "sales", true), ("sales", "sales", true), ("sales", "sales2", false), ("s*s", "sales", true)];
        let more = [("s*x*s", "sales", false), ("*le*", "sales", true), ("a*a", "a", false), ("", "", true)];
        for (pattern, text, is_of) in all.into_iter().chain(more) {
            assert_eq!(matches(pattern, text), is_of, "{pattern} {text}");
        }
    }
}
