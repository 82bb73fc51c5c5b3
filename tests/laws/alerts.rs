//! Alerts: what is told once, and what stands at the end.

use crate::cases;
use crate::histories::{MINUTES_MS, Reach, Told, few_calls};
use crate::published::Truth;
use crate::world::{ALERTS, Act, RULES, World, acts, end_of, kpis_worker, world};
use callpulse::alert::reading::Reading;
use callpulse::alert::record::{AlertRecord, SCHEMA};
use callpulse::alert::rule::Rule;
use callpulse::alert::unusual::Before;
use callpulse::calendar::Zone;
use callpulse::entity::{Entity, Kind};
use callpulse::event::Channel;
use callpulse::kpi::record::KpiRecord;
use callpulse::stream::stage::{OutRecord, Output};
use callpulse::time::EventTime;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::collections::BTreeMap;

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn a_transition_is_told_once_through_any_restarts(
        told in few_calls(Reach::Minutes),
        world in world(false),
        acts in acts(true),
    ) {
        let end = end_of(&told, MINUTES_MS + 120_000);
        let alerts = alerts_of(&told, &world, &acts, end)?;
        for (key, told) in &alerts {
            for pair in told.windows(2) {
                let [before, after] = pair else { unreachable!("two at a time") };
                prop_assert_ne!(before.is_firing(), after.is_firing(), "{} twice: {:?}", key, pair);
                prop_assert!(before.version <= after.version && before.as_of <= after.as_of, "{} goes back", key);
                match after.is_firing() {
                    // A new one.
                    true => {
                        prop_assert_ne!(&before.alert_id, &after.alert_id);
                        prop_assert!(before.resolved_at.as_ref().is_some_and(|over| *over <= after.since), "{} goes back", key);
                    }
                    false => prop_assert_eq!((&before.alert_id, &before.since), (&after.alert_id, &after.since)),
                }
            }
            prop_assert!(told[0].is_firing(), "{} resolves what never fired", key);
        }
    }

    #[test]
    fn what_fires_at_the_end_is_what_the_events_say(
        told in few_calls(Reach::Minutes),
        world in world(false),
        acts in acts(true),
    ) {
        let end = end_of(&told, MINUTES_MS + 120_000);
        let alerts = alerts_of(&told, &world, &acts, end)?;
        let truth = Truth::new(world.settings(), &told, end);
        let is_open = |record: &KpiRecord| record.window.kind != "interval" || record.as_of < record.window.end;
        let mut shown: BTreeMap<(Entity, &str), &KpiRecord> = BTreeMap::new();
        for record in truth.records().filter(|record| is_open(record)) {
            shown.insert((entity_of(record), record.window.name.as_str()), record);
        }
        let before = Before { past: None, zone: &Zone::UTC, as_of: EventTime(end) };
        for (rule, record) in RULES.iter().flat_map(|rule| truth.records().map(move |record| (rule, record))) {
            let level = rule.when.levels()[0];
            let entity = entity_of(record);
            if record.window.name != level.window || !is_open(record) || !rule.of.selects(&entity) {
                continue;
            }
            let last = alerts.get(&format!("{}|{entity}", rule.name)).and_then(|told| told.last());
            let is_firing = last.is_some_and(AlertRecord::is_firing);
            let reading = level.read(|name| shown.get(&(entity.clone(), name)).copied(), before);
            if let Some(reading) = reading {
                check(rule, reading, is_firing, last, record)?;
            }
        }
    }
}

/// Beyond the trigger it fires where something goes on, if it need not hold any longer; beyond what clears it does not,
/// if it need not be clear any longer. Who waits now may have been told late, and begins nothing until that has settled
/// (`tests/alarms.rs` goes on until it has).
fn check(
    rule: &Rule,
    reading: Reading,
    is_firing: bool,
    last: Option<&AlertRecord>,
    record: &KpiRecord,
) -> Result<(), TestCaseError> {
    let (level, value) = (rule.when.levels()[0], reading.value.expect("a value"));
    let (is_beyond, is_clear) = match level.is_above {
        true => (level.trigger < value, value <= level.clear),
        false => (value < level.trigger, level.clear <= value),
    };
    let may_fire = !reading.is_idle && rule.hold.0 == 0 && level.window != "now";
    prop_assert!(!is_beyond || is_firing || !may_fire, "does not fire at {value}: {last:?} {record:?}");
    prop_assert!(!is_clear || !is_firing || 0 < rule.keep.0, "still fires at {value}: {last:?} {record:?}");
    Ok(())
}

fn entity_of(KpiRecord { tenant, entity, .. }: &KpiRecord) -> Entity {
    Entity {
        tenant: tenant.as_str().into(),
        kind: Kind::from_word(&entity.kind).expect("a kind"),
        id: entity.id.as_str().into(),
        channel: entity.channel.as_deref().and_then(Channel::from_word),
    }
}

/// Every alert told, by key, in the order of the topic.
fn alerts_of(
    told: &[Told],
    world: &World,
    acts: &[Act],
    end: i64,
) -> Result<BTreeMap<String, Vec<AlertRecord>>, TestCaseError> {
    let partials = world.partials(told, end)?;
    let mut worker = kpis_worker(world.settings(), &partials, end);
    let mut alerts: BTreeMap<String, Vec<AlertRecord>> = BTreeMap::new();
    let mut take = |out: Vec<OutRecord>| {
        for record in out {
            let Output::Topic { topic, .. } = &record.to else { continue };
            if topic.as_ref() != ALERTS {
                continue;
            }
            let key = String::from_utf8(record.key.expect("an alert has a key")).expect("a text");
            let record: AlertRecord =
                serde_json::from_slice(&record.value.expect("nothing is a week old")).expect("an alert");
            prop_assert_eq!((record.schema.as_ref(), record.key()), (SCHEMA, key.clone()));
            let time = |text: &String| EventTime::parse(text).expect("a time").0;
            let times = [&Some(record.since.clone()), &record.clear_since, &record.resolved_at];
            prop_assert!(times.into_iter().flatten().is_sorted_by_key(time), "{:?}", record);
            alerts.entry(key).or_default().push(record);
        }
        Ok(())
    };
    for act in acts {
        take(worker.act(act))?;
    }
    take(worker.finish(end, 4))?;
    Ok(alerts)
}
