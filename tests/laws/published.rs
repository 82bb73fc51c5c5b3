//! What subscribers of the KPI topics see, and the truth it is held against: replay.

use crate::centre::replayed;
use crate::histories::Told;
use crate::world::{ALERTS, INTERVALS, KPIS};
use callpulse::config::settings::Settings;
use callpulse::entity::{Entity, Kind};
use callpulse::event::{Channel, Event};
use callpulse::kpi::record::{Count, Counters, KpiRecord, WindowPart};
use callpulse::replay::filter::Filter;
use callpulse::stream::stage::{OutRecord, Output};
use callpulse::time::EventTime;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// In the archive or on the board, and the record's key.
type Place = (bool, Rc<str>);

/// Every content ever published, by its version: whatever the way there, equal versions of a key have
/// equal content.
#[derive(Default)]
pub struct Versions(HashMap<(Place, u64), Rc<[u8]>>);

/// The newest record of each key.
#[derive(Clone, Default)]
pub struct Published(BTreeMap<Place, Seen>);

#[derive(Clone)]
struct Seen {
    version: u64,
    as_of: i64,
    value: Rc<[u8]>,
}

/// What a record says of the way there, or where it stands.
#[derive(Deserialize)]
struct Head {
    window: WindowPart,
    corrected: bool,
    counters: Option<Counters>,
}

impl Published {
    /// Takes what a commit sent: versions do not go back, nor do times.
    pub fn take(&mut self, out: Vec<OutRecord>, versions: &mut Versions) -> Result<(), TestCaseError> {
        for record in out {
            let Output::Topic { topic, .. } = &record.to else { continue };
            let key = text(record.key.as_deref().expect("a KPI has a key"));
            let is_archive = topic.as_ref() == INTERVALS;
            if topic.as_ref() == ALERTS {
                continue;
            }
            prop_assert!(is_archive || topic.as_ref() == KPIS);
            let header = |name| record.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| text(value));
            let (id, as_of) = (header("ce_id"), header("ce_time"));
            let Some(value) = record.value.filter(|_| !key.starts_with("progress|")) else { continue };
            let id = id.expect("a record has an id");
            let version = id.strip_prefix(key.as_str()).and_then(|rest| rest.strip_prefix('@')?.parse().ok());
            let version = version.expect("an id is the key and the version");
            let as_of = EventTime::parse(&as_of.expect("a record has a time")).expect("a time").0;
            let place: Place = (is_archive, key.as_str().into());
            let known = versions.0.entry((place.clone(), version)).or_insert_with(|| value.as_slice().into());
            if known.as_ref() != value.as_slice() {
                prop_assert_eq!(text(known), text(&value), "two contents of one version of {}", key);
            }
            let seen = Seen { version, as_of, value: known.clone() };
            if let Some(before) = self.0.insert(place, seen) {
                prop_assert!(before.version <= version, "{key} goes back");
                prop_assert!(before.as_of <= as_of, "{key} goes back in time");
            }
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What replay says, as of any instant.
pub struct Truth<'t> {
    settings: &'t Settings,
    events: Vec<Event<'t>>,
    end: i64,
    /// By instant and place.
    records: HashMap<i64, HashMap<String, KpiRecord>>,
    /// Versions that were held against replay already.
    proved: HashSet<(Place, u64)>,
}

impl<'t> Truth<'t> {
    pub fn new(settings: &'t Settings, told: &'t [Told], end: i64) -> Truth<'t> {
        let (events, proved) = (told.iter().map(Told::event).collect(), HashSet::new());
        let mut truth = Truth { settings, events, end, records: HashMap::new(), proved };
        truth.replay(end);
        truth
    }

    /// Everything at the end.
    pub fn records(&self) -> impl Iterator<Item = &KpiRecord> {
        self.records[&self.end].values()
    }

    fn replay(&mut self, as_of: i64) {
        let Truth { settings, events, .. } = self;
        self.records.entry(as_of).or_insert_with(|| {
            let tallies = replayed(settings, events, as_of);
            tallies.records(&Filter::default()).map(|record| (place(&record), record)).collect()
        });
    }

    /// The archive is what replay has at the end, and complete.
    pub fn is_archived(&mut self, published: &Published) -> Result<(), TestCaseError> {
        for (place, seen) in published.0.range((true, "".into())..) {
            self.check(place, seen, self.end)?;
        }
        for (place, record) in &self.records[&self.end] {
            let has_ended = record.window.kind == "interval" && record.window.end <= EventTime(self.end).to_string();
            let is_there = published.0.contains_key(&(true, place.as_str().into()));
            prop_assert!(!has_ended || is_there, "never archived: {place}");
        }
        Ok(())
    }

    /// Each record on the board is what replay has as of its own time, and none is missing.
    pub fn is_on_board(&mut self, published: &Published) -> Result<(), TestCaseError> {
        for (place, seen) in published.0.range(..(true, "".into())) {
            self.check(place, seen, seen.as_of)?;
        }
        for (place, record) in &self.records[&self.end] {
            let is_there = published.0.contains_key(&(false, place.as_str().into()));
            prop_assert!(is_there || record.window.kind == "interval", "never on the board: {place}");
        }
        Ok(())
    }

    /// Equal to replay byte for byte, but for what tells of the way there. What replay does not have
    /// holds nothing.
    fn check(&mut self, (is_archive, key): &Place, seen: &Seen, as_of: i64) -> Result<(), TestCaseError> {
        if !self.proved.insert(((*is_archive, key.clone()), seen.version)) {
            return Ok(());
        }
        self.replay(as_of);
        let Head { window, corrected, counters } = serde_json::from_slice(&seen.value).expect("a KPI record");
        let own_time = EventTime(seen.as_of).to_string();
        let place = match &window.start {
            Some(start) if !is_archive && window.kind == "interval" => {
                prop_assert!(*start <= own_time && own_time < window.end, "{key} is not open at {own_time}");
                format!("{key}|{start}")
            }
            _ => key.to_string(),
        };
        let Some(replayed) = self.records.get_mut(&as_of).and_then(|records| records.get_mut(&place)) else {
            return holds_nothing(key, &seen.value);
        };
        let present = std::mem::replace(&mut replayed.counters, counters);
        if let (Some(highest), Some(present)) = (&replayed.counters, &present) {
            prop_assert!(is_no_less(highest, present), "{key} counts {highest:?}, which is less than {present:?}");
        }
        (replayed.as_of, replayed.version, replayed.corrected) = (own_time, seen.version, corrected);
        if *is_archive {
            let end = EventTime::parse(&window.end).expect("a time");
            replayed.is_final = end.plus(self.settings.kpi.interval_grace).0 <= seen.as_of;
        }
        if serde_json::to_vec(replayed).expect("JSON") != *seen.value {
            let published: KpiRecord = serde_json::from_slice(&seen.value).expect("a KPI record");
            let fields = [fields(&published), fields(replayed)];
            let apart = |one: usize| fields[one].difference(&fields[1 - one]).cloned().collect::<Vec<_>>();
            prop_assert_eq!(apart(0), apart(1), "published and replayed {} as of {}", key, published.as_of);
            prop_assert_eq!(text(&seen.value), serde_json::to_string(replayed).expect("JSON"));
        }
        replayed.counters = present;
        Ok(())
    }
}

/// Every number and text of a record, with the way to it.
fn fields(record: &KpiRecord) -> BTreeSet<String> {
    fn collect(way: &str, value: &Value, fields: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(name, value)| collect(&format!("{way}.{name}"), value, fields)),
            other => {
                fields.insert(format!("{way} = {other}"));
            }
        }
    }
    let mut fields = BTreeSet::new();
    collect("", &serde_json::to_value(record).expect("JSON"), &mut fields);
    fields
}

fn holds_nothing(key: &str, value: &[u8]) -> Result<(), TestCaseError> {
    let record: KpiRecord = serde_json::from_slice(value).expect("a KPI record");
    let counts = record.by_entry.iter().map(|by_entry| &by_entry.counts).chain([&record.counts]);
    let is_empty = counts.flat_map(|counts| counts.iter()).all(|(_, count)| match count {
        Count::Number(number) => *number == 0,
        Count::By(parts) => parts.iter().all(|(_, number)| *number == 0),
    });
    prop_assert!(is_empty && record.sums_ms.iter().all(|(_, sum)| *sum == 0), "replay has no {key}: {record:?}");
    Ok(())
}

fn is_no_less(highest: &Counters, present: &Counters) -> bool {
    let values = |counters: &Counters| {
        let Counters { offered, answered, answered_within_threshold, abandoned, wait_seconds } = counters;
        let waits = wait_seconds.iter().map(|(_, count)| *count);
        [*offered, *answered, *answered_within_threshold, *abandoned].into_iter().chain(waits).collect::<Vec<_>>()
    };
    let (highest, present) = (values(highest), values(present));
    highest.len() == present.len() && present.iter().zip(&highest).all(|(present, highest)| present <= highest)
}

/// The key of a record, as the archive has it: an interval's with its start.
fn place(record: &KpiRecord) -> String {
    let channel = record.entity.channel.as_deref();
    let entity = Entity {
        tenant: record.tenant.as_str().into(),
        kind: Kind::from_word(&record.entity.kind).expect("a kind"),
        id: record.entity.id.as_str().into(),
        channel: channel.map(|word| *Channel::ALL.iter().find(|channel| channel.word() == word).expect("a channel")),
    };
    match record.window.start.as_deref().filter(|_| record.window.kind == "interval") {
        Some(start) => format!("{entity}|{}|{start}", record.window.name),
        None => format!("{entity}|{}", record.window.name),
    }
}
