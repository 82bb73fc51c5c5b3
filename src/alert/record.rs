//! The alert record: what goes out when an alert fires or resolves (contract 5, schema `callpulse.alert.v1`).

use super::basis::{AlertBudget, Assumptions, in_words};
use super::condition::Level;
use super::reading::Reading;
use super::rule::{REJECT_RATE, Rule};
use super::state::{Step, Why};
use crate::entity::{Encoded, Entity, Kind};
use crate::fingerprint;
use crate::kpi::catalogue::KPIS;
use crate::kpi::record::Name;
use crate::time::{EventTime, Span};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The value of `schema` in every record.
pub const SCHEMA: &str = "callpulse.alert.v1";

/// The kind of what is told of a partition of the engine.
pub const PARTITION: &str = "partition";
/// What resolved is told of for so long; then its key ends.
pub const RESOLVED_TOLD_FOR: Span = Span::from_hours(7 * 24);

/// One transition of one rule for one entity. Times are RFC 3339 UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRecord {
    pub schema: Name,
    /// The same from firing to resolved: hash of rule, entity and `since`, 16 hexadecimal digits.
    pub alert_id: String,
    pub rule: String,
    pub tenant: String,
    pub entity: AlertEntity,
    /// `firing` or `resolved`.
    pub state: Name,
    /// Why it resolved: `cleared`, `closed`, `rule_removed` or `entity_ended`; absent while firing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Name>,
    /// When the condition began to hold: the end of the second that its numbers reach to, which of `now`, `total` and open
    /// intervals may be later than `as_of`.
    pub since: String,
    /// Up to when event time was complete when this was decided.
    pub as_of: String,
    /// Since when it had been clear when it resolved as `cleared`, `keep_firing_for` before that; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clear_since: Option<String>,
    /// When it resolved, by the same instants; absent while firing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resolved_at: Option<String>,
    /// That of the KPI records it was decided by; grows within a key.
    pub version: u64,
    /// `info`, `warning` or `critical`.
    pub severity: Name,
    /// One line, as the rule or we say it.
    pub title: String,
    pub text: String,
    /// The first of `levels`, for whoever reads one number only.
    #[serde(flatten)]
    pub first: AlertLevel,
    /// Every number the rule looks at.
    pub levels: Vec<AlertLevel>,
    /// For how long it has to hold, milliseconds.
    pub for_ms: i64,
    /// For how long it has to be clear before it resolves, milliseconds.
    #[serde(default)]
    pub keep_firing_for_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub runbook_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub panel_url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertEntity {
    pub kind: Name,
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
}

/// One number, as it was read, and its levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertLevel {
    pub kpi: String,
    pub window: String,
    /// What is made of it; absent where the KPI itself is looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub measure: Option<Name>,
    /// A ratio 0 to 1, seconds, or how many, or what the measure says, as `trigger` and `clear` are. Null if there was
    /// none, or of too few calls.
    pub value: Option<f64>,
    /// Calls or milliseconds, as the KPI record has it, of a burn rate calls missed and counted; absent of what is no
    /// fraction.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub numerator: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub denominator: Option<i64>,
    pub trigger: f64,
    pub clear: f64,
    /// `above` or `below`: on which side of `trigger` it fires.
    pub side: Name,
    /// Calls; of fewer there is no value.
    pub min_volume: i64,
    /// Milliseconds that agents were logged in for in the window; of less there is no value. Absent of all but rates of
    /// their time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub min_login_ms: Option<i64>,
    /// What the measure was worked out from; absent without a value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub assumptions: Option<Assumptions>,
    /// Of a burn rate the misses allowed so far in the open interval.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub budget: Option<AlertBudget>,
}

/// The title of a rule that has none, and its text: of a fraction, and of any other number.
const TITLE: &str = "{kpi} of {entity} is {value}";
const SHARE_TEXT: &str =
    "{kpi} over {window}: {value} ({numerator} of {denominator}); fires {side} {trigger}, clears at {clear}.";
const NUMBER_TEXT: &str = "{kpi} over {window}: {value}; fires {side} {trigger}, clears at {clear}.";
/// Those of what is made of numbers.
const BURN_TITLE: &str = "{kpi} of {entity} is missed {value} times as often as its target allows";
const BURN_TEXT: &str = "{value} times as often over {window}; fires {side} {trigger}, clears at {clear}; {basis}.";
const FORECAST_TITLE: &str = "{kpi} of {entity} comes to {value} as it goes now";
const FORECAST_TEXT: &str = "{value} is foreseen; fires {side} {trigger}, clears at {clear}; {basis}.";
const UNUSUAL_TITLE: &str = "{kpi} of {entity} is unlike the weeks before";
const UNUSUAL_TEXT: &str = "{value} times the usual spread off; fires {side} {trigger}, clears at {clear}; {basis}.";

/// Who an alert is about: an entity, or a part of the engine itself.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub tenant: &'a str,
    pub kind: &'static str,
    pub id: &'a str,
    /// What people call it; its id if nobody said.
    pub title: Option<&'a str>,
}

/// What a transition is told of.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    pub rule: &'a Rule,
    pub subject: Subject<'a>,
    pub step: Step,
    pub readings: &'a [Option<Reading>],
    /// When it is decided to be.
    pub at: EventTime,
    /// Of the records it was decided by.
    pub as_of: EventTime,
    pub version: u64,
}

impl<'a> Subject<'a> {
    pub fn of(entity: &'a Entity, title: Option<&'a str>) -> Subject<'a> {
        Subject { tenant: &entity.tenant, kind: entity.kind.word(), id: &entity.id, title }
    }
}

/// The key of a rule's alert: `rule|tenant|kind|id`, each part encoded.
pub fn key(rule: &str, Subject { tenant, kind, id, .. }: Subject<'_>) -> String {
    key_of(rule, tenant, kind, id)
}

fn key_of(rule: &str, tenant: &str, kind: &str, id: &str) -> String {
    // The id of an agent within a queue is made of two encoded parts.
    match Kind::from_word(kind) {
        Some(Kind::QueueAgent) => format!("{}|{}|{kind}|{id}", Encoded(rule), Encoded(tenant)),
        _ => format!("{}|{}|{kind}|{}", Encoded(rule), Encoded(tenant), Encoded(id)),
    }
}

/// The same from firing to resolved.
pub fn alert_id(rule: &str, subject: Subject<'_>, since: EventTime) -> String {
    format!("{:016x}", fingerprint::of_bytes(format!("{}|{}", key(rule, subject), since.0).as_bytes()))
}

impl AlertRecord {
    pub fn of(told: Told<'_>) -> AlertRecord {
        let Told { rule, subject, step, readings, at, as_of, version } = told;
        let (since, clear, why) = match step {
            Step::Fires { since } => (since, None, None),
            Step::Resolves { since, clear, why } => (since, clear.map(|clear| clear.max(since)), Some(why)),
        };
        // Clocks may be set back, and what was told may not.
        let at = at.max(clear.unwrap_or(since));
        let levels = rule.when.levels();
        let readings = levels.iter().enumerate().map(|(place, _)| readings.get(place).copied().flatten());
        let levels: Vec<AlertLevel> =
            levels.iter().zip(readings).map(|(level, reading)| AlertLevel::of(level, reading)).collect();
        let mut record = AlertRecord {
            schema: Cow::Borrowed(SCHEMA),
            alert_id: alert_id(&rule.name, subject, since),
            rule: rule.name.clone(),
            tenant: subject.tenant.to_owned(),
            entity: AlertEntity {
                kind: Cow::Borrowed(subject.kind),
                id: subject.id.to_owned(),
                title: subject.title.map(str::to_owned),
            },
            state: Cow::Borrowed(if why.is_some() { "resolved" } else { "firing" }),
            reason: why.map(|why| Cow::Borrowed(why.word())),
            since: since.to_string(),
            as_of: as_of.to_string(),
            clear_since: clear.map(|clear| clear.to_string()),
            resolved_at: why.map(|_| at.to_string()),
            version,
            severity: Cow::Borrowed(rule.severity.word()),
            title: String::new(),
            text: String::new(),
            first: levels.first().cloned().expect("a rule has a level"),
            levels,
            for_ms: rule.hold.0,
            keep_firing_for_ms: rule.keep.0,
            runbook_url: rule.runbook_url.clone(),
            panel_url: None,
        };
        let (title, text) = match record.first.measure.as_deref() {
            Some("burn_rate") => (BURN_TITLE, BURN_TEXT),
            Some("forecast") => (FORECAST_TITLE, FORECAST_TEXT),
            Some("deviation") => (UNUSUAL_TITLE, UNUSUAL_TEXT),
            _ if record.first.denominator.is_some() => (TITLE, SHARE_TEXT),
            _ => (TITLE, NUMBER_TEXT),
        };
        record.title = record.fill(rule.title.as_deref().unwrap_or(title));
        record.text = record.fill(rule.text.as_deref().unwrap_or(text));
        record.panel_url = rule.panel_url.as_deref().map(|url| record.fill_with(url, |filled| in_address(&filled)));
        record
    }
}

impl AlertLevel {
    fn of(level: &Level, reading: Option<Reading>) -> AlertLevel {
        let reading = reading.unwrap_or_default();
        AlertLevel {
            kpi: level.kpi.clone(),
            window: level.window.clone(),
            measure: level.measure.word().map(Cow::Borrowed),
            value: reading.value,
            numerator: reading.numerator,
            denominator: reading.denominator,
            trigger: level.trigger,
            clear: level.clear,
            side: Cow::Borrowed(if level.is_above { "above" } else { "below" }),
            min_volume: level.min_volume,
            min_login_ms: Some(level.min_login.0).filter(|login| *login != 0),
            assumptions: reading.basis.and_then(|basis| Assumptions::of(level, basis)),
            budget: reading.basis.and_then(|basis| AlertBudget::of(level, basis)),
        }
    }

    /// A value of it as people read it.
    fn shown(&self, value: f64) -> String {
        match self.measure.as_deref() {
            None | Some("forecast") => shown(&self.kpi, value),
            Some(_) => shown_number(value),
        }
    }
}

impl AlertRecord {
    /// What was firing, resolved at an instant for a reason that is not in its numbers; not before it began.
    pub fn resolved(&self, why: Why, at: EventTime, version: u64) -> AlertRecord {
        let at = EventTime::parse(&self.since).map_or(at, |since| at.max(since));
        AlertRecord {
            state: Cow::Borrowed("resolved"),
            reason: Some(Cow::Borrowed(why.word())),
            as_of: at.to_string(),
            resolved_at: Some(at.to_string()),
            version,
            ..self.clone()
        }
    }

    /// The record as it goes out.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record of texts and numbers is JSON")
    }

    pub fn is_firing(&self) -> bool {
        self.state == "firing"
    }

    /// The record's own key.
    pub fn key(&self) -> String {
        key_of(&self.rule, &self.tenant, &self.entity.kind, &self.entity.id)
    }
}

/// What may stand in braces in a rule's texts.
pub const PLACES: [&str; 15] = [
    "rule",
    "severity",
    "tenant",
    "entity",
    "id",
    "kind",
    "kpi",
    "window",
    "value",
    "numerator",
    "denominator",
    "side",
    "trigger",
    "clear",
    "basis",
];

impl AlertRecord {
    /// A text of the rule with its places filled in, as [`PLACES`] names them; names from outside stay on their line.
    fn fill(&self, text: &str) -> String {
        self.fill_with(text, |filled| plain(&filled))
    }

    fn fill_with(&self, text: &str, write: impl Fn(String) -> String) -> String {
        let mut out = String::with_capacity(text.len() + 32);
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            out.push_str(&rest[..start]);
            rest = &rest[start..];
            let Some(end) = rest.find('}') else { break };
            match self.place(&rest[1..end]) {
                Some(filled) => out.push_str(&write(filled)),
                None => out.push_str(&rest[..=end]),
            }
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        out
    }

    fn place(&self, name: &str) -> Option<String> {
        let first = &self.first;
        let number = |number: Option<i64>| number.map_or("-".to_string(), |number| number.to_string());
        Some(match name {
            "rule" => self.rule.clone(),
            "severity" => self.severity.to_string(),
            "tenant" => self.tenant.clone(),
            "entity" => self.entity.title.clone().unwrap_or_else(|| self.entity.id.clone()),
            "id" => self.entity.id.clone(),
            "kind" => self.entity.kind.to_string(),
            "kpi" => first.kpi.replace('_', " "),
            "window" => first.window.clone(),
            "value" => first.value.map_or("-".to_string(), |value| first.shown(value)),
            "numerator" => number(first.numerator),
            "denominator" => number(first.denominator),
            "side" => first.side.to_string(),
            "trigger" => first.shown(first.trigger),
            "clear" => first.shown(first.clear),
            "basis" => in_words(first),
            _ => return None,
        })
    }
}

/// A value as people read it: a ratio in per cent, a time in seconds, each with at most one decimal.
pub fn shown(kpi: &str, value: f64) -> String {
    let unit = KPIS.iter().find(|known| known.id == kpi.split('.').next().unwrap_or(kpi)).map(|known| known.unit);
    match unit.or((kpi == REJECT_RATE).then_some("ratio")) {
        Some("ratio") => format!("{} %", shown_number(value * 100.0)),
        Some("s") => format!("{} s", shown_number(value)),
        _ => shown_number(value),
    }
}

/// A number with at most one decimal.
pub fn shown_number(value: f64) -> String {
    let number = format!("{value:.1}");
    number.strip_suffix(".0").map_or(number.clone(), str::to_owned)
}

/// A name as people may read it: with a blank for what ends a line or is no sign, and U+FFFD for what turns round the
/// order of the signs after it (Unicode, UAX 9), so that no name says what its owner does not.
pub fn plain(name: &str) -> String {
    let shown = |sign: char| match sign {
        '\u{2028}' | '\u{2029}' => ' ',
        _ if sign.is_control() => ' ',
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ => sign,
    };
    name.chars().map(shown).collect()
}

/// A value as part of an address: all but letters, digits and `-._~` percent-encoded, byte by byte.
fn in_address(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_outside_neither_ends_its_line_nor_turns_it_round() {
        assert_eq!(
            plain("Sales\u{202e}gnp.exe\u{2069}\nRESOLVED\u{7}\u{2028}x"),
            "Sales\u{fffd}gnp.exe\u{fffd} RESOLVED  x"
        );
        assert_eq!(plain("Ügyfélszolgálat שירות 顧客"), "Ügyfélszolgálat שירות 顧客");
    }

    #[test]
    fn a_value_in_an_address_is_one_part_of_it() {
        assert_eq!(in_address("a-b_c.d~E9"), "a-b_c.d~E9");
        assert_eq!(in_address("Sales & mail/é"), "Sales%20%26%20mail%2F%C3%A9");
    }
}
