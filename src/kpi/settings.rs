//! What the settings say about showing: thresholds, formulas, targets, titles, windows.
//!
//! Nothing here changes what is stored. Built and checked by `config`.

use crate::calendar::{Length, Zone};
use crate::entity::{Entity, Kind};
use crate::fingerprint;
use crate::tally::intervals::Kept;
use crate::tally::tally::Shape;
use crate::time::Span;
use std::collections::BTreeMap;

/// No clock of any zone is set back by more.
const CLOCKS_GO_BACK_MAX: Span = Span::from_hours(2);

/// Everything a projection reads beside the facts.
#[derive(Clone, Debug)]
pub struct KpiSettings {
    /// Sliding windows, by name as written (`30m`), in the order of the settings.
    pub sliding: Vec<(String, Span)>,
    /// Interval lengths, by name (`per_15m`), in the order of the settings.
    pub intervals: Vec<(String, Length)>,
    /// An interval is final this long after its end.
    pub interval_grace: Span,
    /// The zone and week of tenants not listed.
    pub zone: Zone,
    pub tenants: BTreeMap<String, Zone>,
    /// The service level of queues not listed, and of every other kind.
    pub service_level: ServiceLevelSettings,
    pub queues: BTreeMap<String, QueueSettings>,
    /// Titles of agents.
    pub agents: BTreeMap<String, String>,
}

/// How service level is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceLevelSettings {
    /// Whole seconds; an edge of the histogram.
    pub threshold_s: i64,
    /// 0..1.
    pub target: f64,
    pub formula: Formula,
    /// An abandon within this wait is short, whole seconds; an edge of the histogram.
    pub short_abandon_s: i64,
    /// Whether an answer at exactly the threshold is in time.
    pub met_at_threshold: bool,
    /// Further service levels, shown as `service_level.NAME`.
    pub also: Vec<Also>,
}

/// A further service level: `answered_only@30s`, or `offered` at the threshold of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Also {
    /// As written.
    pub name: String,
    pub formula: Formula,
    /// None means the settings' own threshold.
    pub threshold_s: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct QueueSettings {
    /// Absent means the id is the title.
    pub title: Option<String>,
    pub service_level: ServiceLevelSettings,
    /// Wanted values by KPI id.
    pub targets: BTreeMap<String, f64>,
}

/// A service-level formula of the catalogue (docs/kpis.md, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Formula {
    AnsweredOnly,
    IgnoreAbandonedWithin,
    Offered,
    AbandonedWithinAsMet,
    AllRemoved,
    ExcludeShortAbandons,
    IncludeFlowOuts,
    LateAbandonsOnly,
    WaitingNow,
    ExpiredCounts,
}

impl Formula {
    pub const ALL: [Formula; 10] = [
        Formula::AnsweredOnly,
        Formula::IgnoreAbandonedWithin,
        Formula::Offered,
        Formula::AbandonedWithinAsMet,
        Formula::AllRemoved,
        Formula::ExcludeShortAbandons,
        Formula::IncludeFlowOuts,
        Formula::LateAbandonsOnly,
        Formula::WaitingNow,
        Formula::ExpiredCounts,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Formula::AnsweredOnly => "answered_only",
            Formula::IgnoreAbandonedWithin => "ignore_abandoned_within",
            Formula::Offered => "offered",
            Formula::AbandonedWithinAsMet => "abandoned_within_as_met",
            Formula::AllRemoved => "all_removed",
            Formula::ExcludeShortAbandons => "exclude_short_abandons",
            Formula::IncludeFlowOuts => "include_flow_outs",
            Formula::LateAbandonsOnly => "late_abandons_only",
            Formula::WaitingNow => "waiting_now",
            Formula::ExpiredCounts => "expired_counts",
        }
    }

    /// Whether calls that flowed out count in its denominator.
    pub const fn counts_flow_outs(self) -> bool {
        match self {
            Formula::IgnoreAbandonedWithin
            | Formula::Offered
            | Formula::AbandonedWithinAsMet
            | Formula::AllRemoved
            | Formula::IncludeFlowOuts => true,
            Formula::AnsweredOnly
            | Formula::ExcludeShortAbandons
            | Formula::LateAbandonsOnly
            | Formula::WaitingNow
            | Formula::ExpiredCounts => false,
        }
    }

    pub fn from_word(word: &str) -> Option<Formula> {
        Formula::ALL.into_iter().find(|formula| formula.word() == word)
    }
}

impl KpiSettings {
    /// What tallies keep so that every window can be shown.
    pub fn shape(&self) -> Shape {
        Shape {
            windows: self.sliding.iter().map(|(_, length)| length.0 / 1000).collect(),
            intervals: Kept::of(self.intervals.iter().map(|(_, length)| *length)),
        }
    }

    /// The longest that a sliding window lasts, or an interval of a day or less; weeks and months are kept apart.
    pub fn reach(&self) -> Span {
        // An interval in which clocks go back lasts longer by that, and by less than its length: else it were two.
        let intervals = self.intervals.iter().filter_map(|(_, length)| match length {
            Length::Piece(millis) => Some(Span(millis + millis.min(&CLOCKS_GO_BACK_MAX.0))),
            Length::Week | Length::Month => None,
        });
        self.sliding.iter().map(|(_, length)| *length).chain(intervals).max().unwrap_or(Span(0))
    }

    /// The names of all windows.
    pub fn windows(&self) -> Vec<&str> {
        let sliding = self.sliding.iter().map(|(name, _)| name.as_str());
        let intervals = self.intervals.iter().map(|(name, _)| name.as_str());
        ["now", "total"].into_iter().chain(sliding).chain(intervals).collect()
    }

    /// Differs wherever records would.
    pub fn fingerprint(&self) -> u64 {
        fingerprint::of(self)
    }

    /// What people call an entity; none if nobody said.
    pub fn title(&self, entity: &Entity) -> Option<&str> {
        match entity.kind {
            Kind::Queue => self.queues.get(entity.id.as_ref())?.title.as_deref(),
            Kind::Agent => self.agents.get(entity.id.as_ref()).map(String::as_str),
            Kind::Team | Kind::Tenant | Kind::QueueAgent => None,
        }
    }

    /// The zone of a tenant.
    pub fn zone(&self, tenant: &str) -> &Zone {
        self.tenants.get(tenant).unwrap_or(&self.zone)
    }
}
