//! The output of a trial of alerts: tables for people, or JSON.

use super::alerts::{Outcome, Tried};
use super::walk::Gap;
use crate::alert::basis::Assumptions;
use crate::alert::condition::Level;
use crate::alert::reading::Reading;
use crate::alert::rule::Rule;
use crate::alert::suggestion::{CHANGES_MIN, Suggestion, WhyNot};
use crate::alert::trial::{FLAP_WITHIN, Period, Sum};
use crate::entity::Entity;
use crate::event::DEFAULT_TENANT;
use crate::time::{EventTime, Span};
use serde_json::{Value, json};
use std::io::{self, Write};

/// What is printed.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    pub rules: &'a [Rule],
    pub tried: &'a Tried,
    pub until: EventTime,
    /// By the place of the rule; none if nobody asked for them.
    pub suggestions: Option<&'a [Result<Suggestion, WhyNot>]>,
}

impl<'a> Found<'a> {
    fn of(&self, rule: usize) -> impl Iterator<Item = &'a Outcome> {
        self.tried.outcomes.iter().filter(move |outcome| outcome.rule == rule)
    }

    fn sum(&self, outcome: &Outcome) -> Sum {
        Sum::of(&outcome.periods, self.until)
    }

    fn pages_a_week(&self, sum: Sum) -> f64 {
        sum.fired as f64 / self.tried.weeks(self.until)
    }
}

/// Tables: what each rule comes to, with `lists` every time it fired, and the levels suggested.
pub fn write_table(found: &Found<'_>, lists: bool, out: &mut impl Write) -> io::Result<()> {
    let Some(from) = found.tried.from else { return writeln!(out, "there are no events to try the rules on") };
    write!(out, "{} to {}, {}", short(from), short(found.until), lasted(found.until.since(from)))?;
    match found.tried.gaps.iter().map(|gap| gap.until.since(gap.from).0).sum() {
        0 => writeln!(out)?,
        without => writeln!(out, ", {} of it without events", lasted(Span(without)))?,
    }
    writeln!(out, "A page is one firing. It flaps if it fires again within an hour of resolving.\n")?;
    let mut rows =
        vec![["rule", "severity", "entity", "fired", "flaps", "pages a week", "firing", "longest"].map(String::from)];
    for (place, rule) in found.rules.iter().enumerate() {
        let outcomes: Vec<(&Outcome, Sum)> = found.of(place).map(|outcome| (outcome, found.sum(outcome))).collect();
        let whole = outcomes.iter().map(|(_, sum)| *sum).fold(Sum::default(), Sum::and);
        let row = |entity: String, sum: Sum| {
            let severity = rule.severity.word().to_string();
            let [fired, flaps] = [sum.fired, sum.flaps].map(|count| count.to_string());
            let pages = format!("{:.1}", found.pages_a_week(sum));
            [rule.name.clone(), severity, entity, fired, flaps, pages, lasted(sum.firing), lasted(sum.longest)]
        };
        let quiet = outcomes.iter().filter(|(_, sum)| sum.fired == 0).count();
        let loud = outcomes.iter().filter(|(_, sum)| sum.fired != 0);
        rows.extend(loud.map(|(outcome, sum)| row(named(&outcome.entity), *sum)));
        if outcomes.len() != 1 || quiet != 0 {
            rows.push(row(format!("all {}, {quiet} never", outcomes.len()), whole));
        }
    }
    write_rows(&rows, 3, out)?;
    if lists {
        write_periods(found, out)?;
    }
    if let Some(suggestions) = found.suggestions {
        write_suggestions(found, suggestions, out)?;
    }
    Ok(())
}

fn write_periods(found: &Found<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out)?;
    let mut rows = vec![["rule", "entity", "fired", "resolved", "lasted", "why", "peak"].map(String::from)];
    for outcome in &found.tried.outcomes {
        let rule = &found.rules[outcome.rule];
        rows.extend(outcome.periods.iter().map(|period| {
            let (resolved, why) = match period.resolved {
                Some((at, why)) => (short(at), why.word().to_string()),
                None => ("-".to_string(), "still fires".to_string()),
            };
            let (name, entity) = (rule.name.clone(), named(&outcome.entity));
            [name, entity, short(period.fired), resolved, lasted(period.length(found.until)), why, peak(period)]
        }));
    }
    write_rows(&rows, 7, out)
}

fn write_suggestions(
    found: &Found<'_>,
    suggestions: &[Result<Suggestion, WhyNot>],
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out)?;
    let heads = ["rule", "trigger", "clear", "fired", "flaps", "pages a week", "firing", "longest"];
    let mut rows = vec![heads.map(String::from)];
    let mut without = Vec::new();
    for (rule, suggestion) in found.rules.iter().zip(suggestions) {
        let row = |name: &str, (trigger, clear): (f64, f64), sum: Sum| {
            let [trigger, clear] = [trigger, clear].map(|level| level.to_string());
            let [fired, flaps] = [sum.fired, sum.flaps].map(|count| count.to_string());
            let pages = format!("{:.1}", found.pages_a_week(sum));
            [name.to_string(), trigger, clear, fired, flaps, pages, lasted(sum.firing), lasted(sum.longest)]
        };
        match *suggestion {
            Ok(Suggestion { trigger, clear, sum, without_gap }) => {
                rows.push(row(&rule.name, (trigger, clear), sum));
                if clear != trigger {
                    rows.push(row("", (trigger, trigger), without_gap));
                }
            }
            Err(why) => without.push(format!("{}: {}", rule.name, why_not(why))),
        }
    }
    if 1 < rows.len() {
        writeln!(out, "Levels for so many pages; below each the same trigger with no gap to its clear level.\n")?;
        write_rows(&rows, 1, out)?;
    }
    without.iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// Why no levels are suggested.
fn why_not(why: WhyNot) -> String {
    match why {
        WhyNot::Several => "its levels go together, none is suggested for one of them".to_owned(),
        WhyNot::TooShort => {
            "the past is too short to suggest levels from; take at least a week, and so long that one page is no more than wanted"
                .to_owned()
        }
        WhyNot::TooFew(changes) => format!(
            "its number changed {changes} times, which is too little to suggest levels from; take a past in which it \
             changes {CHANGES_MIN} times"
        ),
        WhyNot::TooOften => "no level that fires at all would have paged so seldom".to_owned(),
    }
}

/// Time in which there was no event, in words, and which event may be of a wrong time.
pub fn gap(Gap { from, until, before, after }: &Gap) -> String {
    let length = lasted(until.since(*from));
    let (at, which, reach, count) = match before < after {
        true => (from, "before", "up to", before),
        false => (until, "after", "from", after),
    };
    let events = match count {
        1 => format!("the only event {which} it (at {}) has a wrong year, take it out", short(*at)),
        _ => format!("the {count} events {which} it ({reach} {}) have a wrong year, take them out", short(*at)),
    };
    format!(
        "no event for {length} from {} to {}; that time is left out of pages a week. If {events}",
        short(*from),
        short(*until)
    )
}

/// Rows below their headings; the first columns to the left, the others to the right.
fn write_rows<const N: usize>(rows: &[[String; N]], left: usize, out: &mut impl Write) -> io::Result<()> {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column < left {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// `queue sales`, with its tenant where that is another than the one that needs no name.
fn named(entity: &Entity) -> String {
    let shown = |text: &str| text.escape_debug().to_string();
    match &*entity.tenant == DEFAULT_TENANT {
        true => format!("{} {}", entity.kind.word(), shown(&entity.id)),
        false => format!("{}: {} {}", shown(&entity.tenant), entity.kind.word(), shown(&entity.id)),
    }
}

/// To the second.
fn short(at: EventTime) -> String {
    let time = at.to_string();
    format!("{} {}Z", &time[..10], &time[11..19])
}

/// The two largest units: `3d 4h`, `2m 0s`.
fn lasted(span: Span) -> String {
    let seconds = span.0 / 1000;
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (0, hours, minutes, _) => format!("{hours}h {minutes}m"),
        (days, hours, ..) => format!("{days}d {hours}h"),
    }
}

/// `0.2727 (9 of 33)`.
fn peak(period: &Period) -> String {
    let Some(Reading { value: Some(value), numerator, denominator, .. }) = period.peak else { return "-".to_string() };
    let value = format!("{value:.4}");
    let value = value.trim_end_matches('0').trim_end_matches('.');
    match (numerator, denominator) {
        (Some(numerator), Some(denominator)) => format!("{value} ({numerator} of {denominator})"),
        _ => value.to_string(),
    }
}

/// One object, on one line.
pub fn write_json(found: &Found<'_>, out: &mut impl Write) -> io::Result<()> {
    let rules = found.rules.iter().enumerate().map(|(place, rule)| {
        let outcomes: Vec<&Outcome> = found.of(place).collect();
        let sum = outcomes.iter().map(|outcome| found.sum(outcome)).fold(Sum::default(), Sum::and);
        let mut told = json!({
            "rule": rule.name,
            "severity": rule.severity.word(),
            "levels": rule.when.levels().into_iter().map(level).collect::<Vec<_>>(),
            "sum": counted(found, sum),
            "entities": outcomes.into_iter().map(|outcome| entity(found, outcome)).collect::<Vec<_>>(),
        });
        match found.suggestions.map(|suggestions| suggestions[place]) {
            None => {}
            Some(Ok(suggestion)) => {
                told["suggestion"] = json!({
                    "trigger": suggestion.trigger,
                    "clear": suggestion.clear,
                    "sum": counted(found, suggestion.sum),
                    "without_gap": counted(found, suggestion.without_gap),
                });
            }
            Some(Err(why)) => {
                told["suggestion"] = Value::Null;
                told["why_none"] = why_not(why).into();
            }
        }
        told
    });
    let gaps = found.tried.gaps.iter().map(|gap| {
        let [from, until] = [gap.from, gap.until].map(|at| at.to_string());
        json!({"from": from, "until": until, "events_before": gap.before, "events_after": gap.after})
    });
    let told = json!({
        "from": found.tried.from.map(|from| from.to_string()),
        "until": found.tried.from.map(|_| found.until.to_string()),
        "gaps": gaps.collect::<Vec<_>>(),
        "flap_within_ms": FLAP_WITHIN.0,
        "rules": rules.collect::<Vec<_>>(),
    });
    writeln!(out, "{told}")
}

fn level(level: &Level) -> Value {
    let Level { kpi, window, measure, trigger, clear, is_above, min_volume, min_login } = level;
    let side = if *is_above { "above" } else { "below" };
    let mut told = json!({
        "kpi": kpi,
        "window": window,
        "trigger": trigger,
        "clear": clear,
        "side": side,
        "min_volume": min_volume,
    });
    if *min_login != Span(0) {
        told["min_login_ms"] = min_login.0.into();
    }
    if let Some(word) = measure.word() {
        told["measure"] = word.into();
    }
    told
}

fn counted(found: &Found<'_>, sum: Sum) -> Value {
    json!({
        "fired": sum.fired,
        "flaps": sum.flaps,
        "pages_a_week": found.pages_a_week(sum),
        "firing_ms": sum.firing.0,
        "longest_ms": sum.longest.0,
    })
}

fn entity(found: &Found<'_>, outcome: &Outcome) -> Value {
    let level = found.rules[outcome.rule].when.levels()[0];
    let periods = outcome.periods.iter().map(|period| {
        let peak = period.peak.unwrap_or_default();
        let mut told = json!({
            "since": period.since.to_string(),
            "fired": period.fired.to_string(),
            "resolved": period.resolved.map(|(at, _)| at.to_string()),
            "reason": period.resolved.map(|(_, why)| why.word()),
            "lasted_ms": period.length(found.until).0,
            "peak": peak.value,
            "numerator": peak.numerator,
            "denominator": peak.denominator,
        });
        if let Some(basis) = peak.basis {
            told["assumptions"] = json!(Assumptions::of(level, basis));
        }
        told
    });
    let Entity { tenant, kind, id, .. } = &outcome.entity;
    json!({
        "tenant": tenant.as_ref(),
        "kind": kind.word(),
        "id": id.as_ref(),
        "sum": counted(found, found.sum(outcome)),
        "periods": periods.collect::<Vec<_>>(),
    })
}
