//! Rules of alerts: from `[[alerts]]` as written to rules as meant, refusing what could never fire, or not mean what
//! it says.

use super::fault::{Faults, item_of, key_of};
use super::levels::{MEASURES, keys, level};
use super::nearest::{hint, listed, nearest};
use super::opening::Calendars;
use super::view::View;
use crate::alert::condition::{Condition, Level, Measure};
use crate::alert::record::PLACES;
use crate::alert::rule::{Rule, Selector, Severity, built_in_names};
use crate::calendar::Length;
use crate::entity::{Entity, Kind};
use crate::kpi::settings::KpiSettings;
use crate::life::plan::Plan;
use crate::time::Span;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use toml::Value;

/// What fires has to be clear for so long, unless a rule says otherwise: for the longest sliding window or interval of which
/// it looks at a number itself, in these bounds. Numbers of a window that far apart have no call in common; closer ones waver
/// together.
const KEPT_FIRING_FOR: RangeInclusive<Span> = Span::from_secs(300)..=Span::from_secs(1_800);
/// The same of a burn rate: its short window ends it soon after the trouble, and wavers most.
const KEPT_BURNING_FOR: Span = Span::from_secs(900);

/// What rules are understood by.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    pub kpi: &'a KpiSettings,
    /// The tables `[queues.NAME]`, for their labels.
    pub queues: View<'a>,
    pub plan: &'a Plan,
    pub calendars: &'a Calendars,
}

/// What is found out on the way.
pub struct Told<'a> {
    pub faults: &'a mut Faults,
    pub warnings: &'a mut Vec<String>,
}

/// The rules of `[[alerts]]`; one with a fault is left out.
pub fn rules(list: View, around: Around, faults: &mut Faults, warnings: &mut Vec<String>) -> Arc<[Rule]> {
    let mut told = Told { faults, warnings };
    let mut rules = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (index, table) in list.items() {
        let (place, name) = (item_of("alerts", index), table.get("name").text());
        if let Some(earlier) = names.iter().position(|other| *other == name && !name.is_empty()) {
            let sentence =
                format!("`{name}` is the name of `{}` already; each rule needs its own", item_of("alerts", earlier));
            told.faults.add(key_of(&place, "name"), sentence);
        } else if built_in_names().any(|built_in| built_in == name) {
            let sentence = format!("`{name}` is an alert of the program's own; choose another name");
            told.faults.add(key_of(&place, "name"), sentence);
        }
        rules.extend(rule(table, &name, &place, around, &mut told));
        names.push(name);
    }
    rules.into()
}

fn rule(table: View, name: &str, place: &str, around: Around, told: &mut Told) -> Option<Rule> {
    let of = selector(table.get("of"), &key_of(place, "of"), around, told.faults);
    let text = |key: &str, told: &mut Told| {
        let text = table.get(key).some_text();
        if let Some(Err(sentence)) = text.as_deref().map(places) {
            told.faults.add(key_of(place, key), sentence);
        }
        text
    };
    let (title, body, panel_url) = (text("title", told), text("text", told), text("panel_url", told));
    let runbook_url = table.get("runbook_url").some_text();
    for (key, url) in [("panel_url", &panel_url), ("runbook_url", &runbook_url)] {
        if let Some(url) = url.as_deref().filter(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            let sentence = format!("`{url}` is no address of a page; write it with https:// or http://");
            told.faults.add(key_of(place, key), sentence);
        }
    }
    let hours = around.calendars.hours_of(table, place, told.faults);
    let said = keys().find(|key| !table.get(key).is_absent());
    let when = table.get("when");
    let when = match (when.is_absent(), said) {
        (false, Some(key)) => {
            told.faults.add(key_of(place, "when"), format!("stands beside `{key}`; keep one of them"));
            None
        }
        (false, None) => condition(when, &key_of(place, "when"), &of, around, told),
        (true, _) => level(table, place, &of, around, told).map(Condition::Level),
    };
    let when = when?;
    Some(Rule {
        name: name.to_owned(),
        of,
        hold: table.get("for").span(),
        keep: table.get("keep_firing_for").duration().unwrap_or_else(|| kept_firing_for(&when, around.kpi)),
        when,
        hours,
        severity: Severity::from_word(&table.get("severity").text()).unwrap_or(Severity::Warning),
        title,
        text: body,
        runbook_url,
        panel_url,
    })
}

/// For how long what fires has to be clear where the rule does not say.
fn kept_firing_for(when: &Condition, kpi: &KpiSettings) -> Span {
    let (least, most) = KEPT_FIRING_FOR.into_inner();
    let length = |window: &str| {
        let sliding = kpi.sliding.iter().find(|(name, _)| name == window).map(|(_, length)| *length);
        let interval = kpi.intervals.iter().find(|(name, _)| name == window).map(|(_, length)| match length {
            Length::Piece(millis) => Span(*millis),
            Length::Week | Length::Month => most,
        });
        sliding.or(interval).unwrap_or(least)
    };
    let keep = |level: &Level| match &level.measure {
        Measure::Value => length(&level.window),
        Measure::Burn(_) => KEPT_BURNING_FOR,
        // One looks ahead, and the other stays as it is for a whole interval.
        Measure::Forecast(_) | Measure::Unusual(_) => least,
    };
    when.levels().into_iter().map(keep).max().unwrap_or(least).clamp(least, most)
}

/// A condition below `when`.
fn condition(table: View, place: &str, of: &Selector, around: Around, told: &mut Told) -> Option<Condition> {
    if !table.0.is_some_and(Value::is_table) {
        return None;
    }
    let parts = ["all", "any", "not"].into_iter().chain(MEASURES);
    let said: Vec<&str> = parts.filter(|key| !table.get(key).is_absent()).collect();
    match said.as_slice() {
        ["not"] => {
            let below = condition(table.get("not"), &key_of(place, "not"), of, around, told)?;
            stray(table, "not", place, told)?;
            Some(Condition::Not(Box::new(below)))
        }
        [key @ ("all" | "any")] => {
            let list = key_of(place, key);
            if table.get(key).is_empty_list() {
                told.faults.add(&list, "is empty; list conditions in it");
            }
            let items = table.get(key).items();
            let below: Vec<Option<Condition>> =
                items.map(|(index, item)| condition(item, &item_of(&list, index), of, around, told)).collect();
            stray(table, key, place, told)?;
            let below: Vec<Condition> = below.into_iter().collect::<Option<_>>()?;
            match (below.is_empty(), *key) {
                (true, _) => None,
                (false, "all") => Some(Condition::All(below)),
                (false, _) => Some(Condition::Any(below)),
            }
        }
        [first, second, ..] => {
            let sentence = format!("holds `{first}` and `{second}`; put both into a list, all = [...] or any = [...]");
            told.faults.add(place, sentence);
            None
        }
        [_] | [] if keys().any(|key| !table.get(key).is_absent()) => {
            level(table, place, of, around, told).map(Condition::Level)
        }
        // A key that nobody knows has been told of.
        _ if table.entries().next().is_some() => None,
        _ => {
            let sentence = "holds no condition; write `kpi`, `window` and `trigger`, or `all`, `any` or `not` of such";
            told.faults.add(place, sentence);
            None
        }
    }
}

/// What belongs to a level and stands beside `all`, `any` or `not`.
fn stray(table: View, beside: &str, place: &str, told: &mut Told) -> Option<()> {
    let Some(key) = keys().find(|key| !table.get(key).is_absent()) else { return Some(()) };
    told.faults
        .add(key_of(place, key), format!("stands beside `{beside}`, which has levels of its own; move it there"));
    None
}

fn selector(table: View, place: &str, around: Around, faults: &mut Faults) -> Selector {
    let kind = Kind::from_word(&table.get("kind").text()).unwrap_or(Kind::Queue);
    let text = |key: &str| table.get(key).some_text();
    let pattern = |key: &str| text(key).unwrap_or_else(|| "*".to_owned());
    let mut of = Selector { kind, id: pattern("id"), tenant: pattern("tenant"), among: None };
    let mut add = |key: &str, sentence: String| faults.add(key_of(place, key), sentence);
    let word = kind.word();
    if kind == Kind::QueueAgent && !around.plan.queue_agent {
        add("kind", "agents within queues are not counted; set `windows.queue_agent = true`".to_owned());
    }
    if kind == Kind::Agent && around.plan.agent(&of.id) != of.id {
        add("id", format!("`{}` is another name of agent `{}`; write that", of.id, around.plan.agent(&of.id)));
    }
    let teams: Vec<&str> = around.plan.teams.iter().map(|team| team.name.as_str()).collect();
    if kind == Kind::Team && !of.id.contains('*') && !teams.contains(&of.id.as_str()) {
        add("id", format!("there is no team `{}`; {}", of.id, hint(&of.id, &teams)));
    }
    let in_team = text("team").and_then(|name| {
        let Some(team) = around.plan.teams.iter().find(|team| team.name == name) else {
            add("team", format!("there is no team `{name}`; {}", hint(&name, &teams)));
            return None;
        };
        let ids: BTreeSet<String> = match kind {
            Kind::Queue => team.queues.clone(),
            Kind::Agent => team.members.iter().map(|member| member.agent.clone()).collect(),
            Kind::Team | Kind::Tenant | Kind::QueueAgent => {
                add("team", format!("picks queues or agents, and this is of kind `{word}`; write `id`"));
                return None;
            }
        };
        if ids.is_empty() {
            let key = if kind == Kind::Queue { "queues" } else { "members" };
            add("team", format!("team `{name}` lists no `{key}`; list some or pick them by `id`"));
        }
        Some(ids).filter(|ids| !ids.is_empty())
    });
    let labelled = text("label").and_then(|label| {
        if kind != Kind::Queue {
            add("label", format!("labels are of queues, and this is of kind `{word}`; write `id`"));
            return None;
        }
        let labels = |queue: View| queue.get("labels").items().map(|(_, label)| label.text()).collect::<Vec<_>>();
        let queues = around.queues.entries().filter(|(_, queue)| labels(*queue).contains(&label));
        let ids: BTreeSet<String> = queues.map(|(id, _)| id.to_owned()).collect();
        if ids.is_empty() {
            let all: BTreeSet<String> = around.queues.entries().flat_map(|(_, queue)| labels(queue)).collect();
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            let known = match all.is_empty() {
                true => "give it to some as [queues.NAME] labels".to_owned(),
                false => hint(&label, &all),
            };
            add("label", format!("no queue has the label `{label}`; {known}"));
        }
        Some(ids).filter(|ids| !ids.is_empty())
    });
    let among = match (in_team, labelled) {
        (Some(team), Some(label)) => Some(team.intersection(&label).cloned().collect::<Vec<_>>()),
        (ids, None) | (None, ids) => ids.map(|ids| ids.into_iter().collect()),
    };
    of.among = among;
    if let Some(among) = &of.among {
        let is_selected = |id: &String| of.selects(&entity(&of, id));
        if !among.iter().any(is_selected) {
            faults.add(place, "nothing is of all of that; ask for less");
        }
    }
    of
}

/// An entity of this id that a selector may be asked about: every pattern matches itself.
pub fn entity(of: &Selector, id: &str) -> Entity {
    Entity { tenant: of.tenant.as_str().into(), kind: of.kind, id: id.into(), channel: None }
}

/// Whether all that stands in braces has a meaning.
fn places(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            return Err("`{` is never closed; write such as {entity} or {value}".to_owned());
        };
        if !PLACES.contains(&name) {
            let known = match nearest(name, PLACES) {
                Some(near) => format!("did you mean {{{near}}}?"),
                None => format!("known are {}", listed(&PLACES)),
            };
            return Err(format!("there is no {{{name}}} to fill in; {known}"));
        }
        rest = behind;
    }
    Ok(())
}
