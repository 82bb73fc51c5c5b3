//! Records are what is written about them: they satisfy their schemas, which refuse what is no record, and say the
//! same in every form.

use crate::cases;
use crate::centre::{latest, records};
use crate::histories::{Reach, Told, history};
use crate::schema::{accepts, knows};
use crate::world::{SETTINGS, any_settings, end_of, later};
use callpulse::event::What;
use callpulse::kpi;
use callpulse::kpi::record::{KpiRecord, Target};
use callpulse::life::log::{CallLog, encode};
use callpulse::life::settle::Terms;
use callpulse::stream::outlet::{Form, Outlet, RecordFormat, SchemaIds, Told as Written, to_json};
use callpulse::stream::stage::OutRecord;
use callpulse::stream::{call_record, schema};
use callpulse::time::EventTime;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

static KPI: LazyLock<Value> = LazyLock::new(kpi::schema::record);
static CALL: LazyLock<Value> = LazyLock::new(schema::call);
static HEADERS: LazyLock<Value> = LazyLock::new(schema::headers);

const IDS: SchemaIds = SchemaIds { kpi: 7, progress: 7, call: 0x7fff_ffff };

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn every_kpi_record_is_of_its_schema_and_the_same_in_every_form(
        settings in any_settings(),
        told in history(Reach::Days),
        later in prop_oneof![Just(0_i64), 0..6_000_000_000_i64],
        edition in any::<(bool, bool, u32)>(),
    ) {
        for record in records(&SETTINGS[settings], &told, latest(&told) + later) {
            let record = edited(record, edition);
            let key = "default|queue|sales|now".to_string();
            let written = forms().map(|form| Outlet::new("kpis", form).record(Some(0), key.clone(), Written::Kpi(&record)));
            is_one_record(&written, &record.to_json(), &KPI)?;
        }
    }

    #[test]
    fn every_call_record_is_of_its_schema_and_the_same_in_every_form(
        settings in any_settings(),
        told in history(Reach::Days),
        later in later(),
        version in any::<u64>(),
    ) {
        let judged = EventTime(end_of(&told, later));
        for ((tenant, call_id), log) in logs(&told) {
            let terms = Terms { plan: &SETTINGS[settings].plan, call_id: &call_id, restarts: &[], judged };
            let in_form = |form| call_record::record(terms, &tenant, &log, version, &Outlet::new("calls", form));
            let written: Vec<OutRecord> = forms().into_iter().filter_map(in_form).collect();
            if let Some(first) = written.first() {
                is_one_record(&written, first.value.as_deref().expect("a value"), &CALL)?;
            }
        }
    }
}

/// Bare JSON comes first.
fn forms() -> [Form; 4] {
    let form = |format, schema_ids| Form { format, schema_ids };
    let [json, protobuf] = RecordFormat::ALL;
    [form(json, None), form(protobuf, None), form(json, Some(IDS)), form(protobuf, Some(IDS))]
}

/// What only publishing gives a record.
fn edited(record: KpiRecord, (gap, is_covered_late, version): (bool, bool, u32)) -> KpiRecord {
    let mut record = KpiRecord { gap, version: u64::from(version) << 29, ..record };
    record.covered_from = is_covered_late.then(|| record.as_of.clone());
    if record.entity.kind == "queue" && record.counts.get("offered").is_some() {
        record.targets.push("calls_offered", Target { target: 0.5, met: gap });
    }
    record
}

fn is_one_record(written: &[OutRecord], json: &[u8], schema: &Value) -> Result<(), TestCaseError> {
    let record: Value = serde_json::from_slice(json).expect("JSON");
    prop_assert!(knows(schema, &record), "{}", record);
    for one in written {
        let value = one.value.as_deref().expect("a value");
        let read = to_json(value);
        prop_assert!(*read == *json, "{}\n{}", String::from_utf8_lossy(&read), record);
        let headers = one.headers.iter().map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value))));
        let headers = Value::Object(Map::from_iter(headers));
        prop_assert!(knows(&HEADERS, &headers), "{}", headers);
    }
    Ok(())
}

fn logs(told: &[Told]) -> BTreeMap<(String, String), CallLog> {
    let mut logs: BTreeMap<(String, String), CallLog> = BTreeMap::new();
    for event in told.iter().map(Told::event) {
        let (What::Call(call), Some(call_id)) = (&event.what, &event.call_id) else { continue };
        let mut entry = Vec::new();
        encode(&event, call, event.source.as_deref().unwrap_or_default(), &mut entry);
        logs.entry((event.tenant.to_string(), call_id.to_string())).or_default().add(&entry);
    }
    logs
}

/// One record of each sort.
fn samples() -> Vec<Value> {
    let mut runner = TestRunner::deterministic();
    let mut sorts = BTreeSet::new();
    let mut samples = Vec::new();
    for settings in 0..SETTINGS.len() {
        let told = history(Reach::Days).new_tree(&mut runner).expect("a history").current();
        for record in records(&SETTINGS[settings], &told, latest(&told) + 5_000_000_000) {
            let entity = &record.entity;
            let sort = (entity.kind.to_string(), record.window.kind.to_string(), entity.channel.is_some());
            if sorts.insert(sort) {
                samples.push(serde_json::from_slice(&edited(record, (true, true, 1)).to_json()).expect("JSON"));
            }
        }
    }
    let told = history(Reach::Days).new_tree(&mut runner).expect("a history").current();
    for ((tenant, call_id), log) in logs(&told) {
        let judged = EventTime(end_of(&told, 0));
        let terms = Terms { plan: &SETTINGS[0].plan, call_id: &call_id, restarts: &[], judged };
        if let Some(record) = call_record::record(terms, &tenant, &log, 1, &"calls".into()) {
            samples.push(serde_json::from_slice(&record.value.expect("a value")).expect("JSON"));
        }
    }
    assert!(20 < sorts.len() && sorts.len() < samples.len(), "{sorts:?}");
    samples
}

#[test]
fn a_field_of_another_kind_or_missing_is_no_record_and_one_more_is() {
    let mut seen = [0; 3];
    for sample in samples() {
        let schema = if sample["schema"] == "callpulse.call.v1" { &*CALL } else { &*KPI };
        for (place, value) in places(&sample) {
            let with = |value: Value| {
                let mut changed = sample.clone();
                *changed.pointer_mut(&place).expect("a place") = value;
                changed
            };
            let other = match &value {
                Value::Object(_) => json!([]),
                Value::Array(_) | Value::Null => json!({}),
                Value::String(_) => json!(7),
                Value::Number(_) => json!("7"),
                Value::Bool(_) => json!("true"),
            };
            assert!(!accepts(schema, &with(other)), "{place} of another kind in {sample}");
            if value.as_str().is_some_and(|text| EventTime::parse(text).is_some()) {
                assert!(!accepts(schema, &with(json!("2026-03-02T08:15:30Z"))), "{place} of another form in {sample}");
                seen[0] += 1;
            }
            let Value::Object(fields) = &value else { continue };
            for name in fields.keys().filter(|name| !may_be_absent(&place, name, &sample)) {
                let mut fewer = fields.clone();
                fewer.remove(name);
                assert!(!accepts(schema, &with(Value::Object(fewer))), "no {name} in {place} of {sample}");
                seen[1] += 1;
            }
            // Names are free where numbers stand by reason and by name.
            if !["kpis", "targets"].iter().any(|map| place.ends_with(map))
                && !place.contains("_by_")
                && !place.contains("by_reason")
            {
                let mut more = fields.clone();
                more.insert("once_more".to_string(), json!("x"));
                let more = with(Value::Object(more));
                assert!(accepts(schema, &more) && !knows(schema, &more), "one more in {place} of {sample}");
                seen[2] += 1;
            }
        }
    }
    assert!(seen.iter().all(|seen| 100 < *seen), "{seen:?}");
}

/// Every place in a value, with what stands there.
fn places(value: &Value) -> Vec<(String, Value)> {
    let mut found = vec![(String::new(), value.clone())];
    let mut next = 0;
    while let Some((place, value)) = found.get(next).cloned() {
        match value {
            Value::Object(fields) => {
                found.extend(
                    fields.into_iter().map(|(name, value)| {
                        (format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), value)
                    }),
                );
            }
            Value::Array(items) => {
                found.extend(items.into_iter().enumerate().map(|(at, value)| (format!("{place}/{at}"), value)));
            }
            _ => {}
        }
        next += 1;
    }
    found
}

fn may_be_absent(place: &str, name: &str, sample: &Value) -> bool {
    let is_now = sample["window"]["kind"] == "now";
    match place.strip_prefix("/by_entry").unwrap_or(place) {
        "" => ["covered_from", "gap", "targets", "profile"].contains(&name),
        "/entity" => ["title", "channel"].contains(&name),
        // Further ones, and those of the settings' formulas.
        "/kpis" => {
            name.starts_with("service_level") && (is_now || name.contains('.')) || is_now && name == "longest_wait"
        }
        "/paused_by_reason_ms" | "/targets" => true,
        place if place.starts_with("/kpis/") => name != "value",
        place => place.starts_with("/counts/"),
    }
}
