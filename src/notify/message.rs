//! Messages: what people read of alerts that go out together.
//!
//! All of them are of one rule and tenant, and all fire or all resolved.

use crate::alert::record::{AlertRecord, plain};
use std::cmp::Ordering;

/// So many of a group are told one by one, the worst ones.
pub const TOLD_MAX: usize = 5;
/// The longest text of one alert, in characters.
const TEXT_CHARS: usize = 600;

/// What is told. There is at least one alert.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    alerts: &'a [&'a AlertRecord],
}

impl<'a> Message<'a> {
    pub fn of(alerts: &'a [&'a AlertRecord]) -> Message<'a> {
        Message { alerts }
    }

    pub fn first(self) -> &'a AlertRecord {
        self.alerts[0]
    }

    pub fn count(self) -> usize {
        self.alerts.len()
    }

    /// One line that says it all: `FIRING critical: 25 % of the callers of Sales gave up`.
    pub fn headline(self) -> String {
        let AlertRecord { rule, tenant, severity, title, .. } = self.first();
        let state = if self.first().is_firing() { format!("FIRING {severity}") } else { "RESOLVED".to_owned() };
        let line = match self.count() {
            1 => format!("{state}: {title}"),
            count => format!("{state}: {rule}, {count} alerts of tenant {}", plain(tenant)),
        };
        // Ids may hold any characters, line breaks too.
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Of one alert its text and when it was; else a line for each that is told by itself, the worst first, and one for the
    /// rest. Then what leads nowhere by itself.
    pub fn lines(self) -> Vec<String> {
        let references = self.references(false).into_iter().map(|(name, at)| format!("{name}: {at}"));
        if self.count() == 1 {
            return [cut(&self.first().text, TEXT_CHARS), self.when()].into_iter().chain(references).collect();
        }
        let mut worst: Vec<&AlertRecord> = self.alerts.to_vec();
        worst.sort_by(|a, b| by_how_bad(a, b));
        let mut lines: Vec<String> =
            worst.iter().take(TOLD_MAX).map(|alert| cut(&alert.title, TEXT_CHARS / 2)).collect();
        if TOLD_MAX < self.count() {
            lines.push(format!("and {} more", self.count() - TOLD_MAX));
        }
        lines.extend(references);
        lines
    }

    /// Since when, and until when if it is over.
    fn when(self) -> String {
        let AlertRecord { since, resolved_at, reason, .. } = self.first();
        let minute = |at: &str| at.get(..16).map_or_else(|| at.to_owned(), |at| at.replace('T', " "));
        match (resolved_at, reason) {
            (Some(at), Some(reason)) => {
                format!("{} to {} UTC, {}", minute(since), minute(at), reason.replace('_', " "))
            }
            _ => format!("since {} UTC", minute(since)),
        }
    }

    /// What leads on: the name and address of a page each.
    pub fn links(self) -> Vec<(&'static str, &'a str)> {
        self.references(true)
    }

    /// What leads on: the names and addresses of pages, or else of what leads nowhere by itself, such as a path.
    fn references(self, are_pages: bool) -> Vec<(&'static str, &'a str)> {
        let AlertRecord { runbook_url, panel_url, .. } = self.first();
        // Of several alerts each has a panel of its own.
        let panel_url = panel_url.as_deref().filter(|_| self.count() == 1);
        [("Runbook", runbook_url.as_deref()), ("Panel", panel_url)]
            .into_iter()
            .filter_map(|(name, url)| Some((name, url?)))
            .filter(|(_, url)| are_pages == (url.starts_with("http://") || url.starts_with("https://")))
            .collect()
    }
}

/// The worse first, by how far the value lies beyond the trigger; without a value last.
fn by_how_bad(a: &AlertRecord, b: &AlertRecord) -> Ordering {
    let beyond = |alert: &AlertRecord| {
        let (value, trigger) = (alert.first.value?, alert.first.trigger);
        Some(if alert.first.side == "below" { trigger - value } else { value - trigger })
    };
    let (a_beyond, b_beyond) = (beyond(a).unwrap_or(f64::NEG_INFINITY), beyond(b).unwrap_or(f64::NEG_INFINITY));
    b_beyond.total_cmp(&a_beyond).then_with(|| a.entity.id.cmp(&b.entity.id))
}

/// A text of at most so many characters, the last of them an ellipsis where there were more.
pub fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars - 1).chain(['…']).collect()
}

/// How urgent it is: red is critical, amber a warning, blue what is only told, green what is over.
pub fn colour(alert: &AlertRecord) -> Colour {
    match (alert.is_firing(), &*alert.severity) {
        (true, "critical") => Colour::Red,
        (true, "warning") => Colour::Amber,
        (true, _) => Colour::Blue,
        (false, _) => Colour::Green,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Red,
    Amber,
    Blue,
    Green,
}
