//! Meta: what a viewer needs to label things: windows, KPIs, counts, groups of queues.

use crate::entity::Kind;
use crate::event::DEFAULT_TENANT;
use crate::kpi::catalogue::{Better, COUNTS, Counted, Definition, KPIS, SUMS};
use crate::kpi::service_level::FORMULAS;
use crate::kpi::settings::KpiSettings;
use crate::life::plan::Plan;
use crate::serve::board::{Board, EntityOnBoard};
use crate::serve::filter::Filter;
use crate::serve::parameters::Asked;
use crate::serve::parts::Parts;
use serde::Serialize;
use std::collections::BTreeSet;

/// What the settings and the catalogue say; the same as long as the program runs.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    pub windows: Vec<String>,
    pub kpis: Vec<KpiMeta>,
    /// Teams that name queues.
    pub teams: Vec<(String, BTreeSet<String>)>,
}

#[derive(Clone, Debug, Serialize)]
pub struct KpiMeta {
    pub id: String,
    pub title: String,
    pub unit: &'static str,
    pub formula: String,
    pub better: &'static str,
}

/// A count with the name it has in records.
#[derive(Clone, Debug, Serialize)]
pub struct CountMeta {
    pub id: &'static str,
    pub title: String,
}

/// A formula of service levels by its word, which records name.
#[derive(Clone, Debug, Serialize)]
pub struct FormulaMeta {
    pub id: &'static str,
    pub formula: &'static str,
}

/// Queues that are looked at together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    pub tenant: String,
    pub id: String,
    pub title: String,
    pub queues: BTreeSet<String>,
}

impl Meta {
    pub fn of(settings: &KpiSettings, plan: &Plan) -> Meta {
        let names = |windows: Vec<&String>| windows.into_iter().cloned().collect::<Vec<_>>();
        let sliding = names(settings.sliding.iter().map(|(name, _)| name).collect());
        let intervals = names(settings.intervals.iter().map(|(name, _)| name).collect());
        let teams = plan.teams.iter().filter(|team| !team.queues.is_empty());
        Meta {
            windows: [vec!["now".to_owned()], sliding, intervals, vec!["total".to_owned()]].concat(),
            kpis: KPIS.iter().flat_map(|kpi| with_further(kpi, settings)).collect(),
            teams: teams.map(|team| (team.name.clone(), team.queues.clone())).collect(),
        }
    }

    /// Whether there are the windows and fields asked for; errs with a sentence.
    pub fn check(&self, asked: &Asked) -> Result<(), String> {
        for window in &asked.filter.windows {
            is_one_of(window, "window", &self.windows)?;
        }
        self.check_fields(asked)
    }

    /// Whether there are the fields asked for; errs with a sentence.
    pub fn check_fields(&self, asked: &Asked) -> Result<(), String> {
        let names = |all: &[Counted]| all.iter().map(|counted| counted.name).collect::<Vec<_>>();
        for (part, name) in asked.parts.iter().flat_map(Parts::names) {
            let known = match part {
                "counts" => names(COUNTS),
                "sums_ms" => names(SUMS),
                _ => self.kpis.iter().map(|kpi| kpi.id.as_str()).collect(),
            };
            is_one_of(name, &format!("field of {part}"), &known)?;
        }
        Ok(())
    }

    /// The teams of every tenant that has them.
    pub fn groups(&self, board: &Board) -> Vec<Group> {
        let ids = self.teams.iter().map(|(name, _)| name.clone()).collect();
        let there = match self.teams.is_empty() {
            true => Vec::new(),
            false => board.entities(&Filter { kinds: vec![Kind::Team], ids, ..Filter::default() }),
        };
        let mut groups = Vec::new();
        for (name, queues) in &self.teams {
            let of_team = |entity: &&EntityOnBoard| entity.id == *name;
            let mut tenants: BTreeSet<&str> =
                there.iter().filter(of_team).map(|entity| entity.tenant.as_str()).collect();
            if tenants.is_empty() {
                tenants.insert(DEFAULT_TENANT);
            }
            groups.extend(tenants.into_iter().map(|tenant| Group {
                tenant: tenant.to_owned(),
                id: name.clone(),
                title: name.clone(),
                queues: queues.clone(),
            }));
        }
        groups
    }
}

/// Whether a name is known; errs with a sentence.
pub fn is_one_of<T: AsRef<str>>(name: &str, what: &str, known: &[T]) -> Result<(), String> {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    match known.contains(&name) {
        true => Ok(()),
        false => Err(format!("unknown {what} {name}; known are {}", known.join(", "))),
    }
}

/// Every count that is one number.
pub fn counts() -> Vec<CountMeta> {
    let count = |counted: &Counted| CountMeta { id: counted.name, title: title(counted.name) };
    COUNTS.iter().filter(|counted| counted.wanted.is_some()).map(count).collect()
}

/// Every formula of service levels.
pub fn formulas() -> Vec<FormulaMeta> {
    FORMULAS.iter().map(|(formula, text, _)| FormulaMeta { id: formula.word(), formula: text }).collect()
}

/// A KPI, and behind the service level the further ones of the settings.
fn with_further(kpi: &Definition, settings: &KpiSettings) -> Vec<KpiMeta> {
    let meta = |id: String, title: String, formula: String| {
        let better = match kpi.better {
            Better::Higher => "higher",
            Better::Lower => "lower",
        };
        KpiMeta { id, title, unit: kpi.unit, formula, better }
    };
    let own = title(kpi.id);
    let mut all = vec![meta(kpi.id.to_owned(), own.clone(), kpi.formula.to_owned())];
    if kpi.id == "service_level" {
        let mut levels = vec![&settings.service_level];
        levels.extend(settings.queues.values().map(|queue| &queue.service_level));
        let mut seen = BTreeSet::new();
        for also in levels.into_iter().flat_map(|level| &level.also).filter(|also| seen.insert(&also.name)) {
            let text = FORMULAS.iter().find(|(formula, _, _)| *formula == also.formula).map_or("", |(_, text, _)| text);
            all.push(meta(format!("{}.{}", kpi.id, also.name), format!("{own} ({})", also.name), text.to_owned()));
        }
    }
    all
}

/// The name in words: `average_wait` is "Average wait".
fn title(id: &str) -> String {
    let words = id.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
