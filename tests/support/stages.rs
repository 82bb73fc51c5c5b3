//! The stages with one partition each, told what to read and when to commit, and what subscribers then have.

use crate::drive::{Driven, Log, input};
use callpulse::alert::reading::Reading;
use callpulse::alert::record::{AlertLevel, AlertRecord};
use callpulse::command::engine::kpis_settings;
use callpulse::config::settings::Settings;
use callpulse::decode::format::Format;
use callpulse::kpi::record::KpiRecord;
use callpulse::stream::calls::{Calls, CallsSettings};
use callpulse::stream::kpis::{Kpis, KpisSettings};
use callpulse::stream::stage::{OutRecord, Output};
use callpulse::stream::subjects::{Subjects, SubjectsSettings};
use callpulse::stream::takeover::Takeover;
use callpulse::time::Span;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Monday, 2026-03-02T08:00:00Z.
pub const EIGHT: i64 = 1_772_438_400_000;
pub const MINUTE: i64 = 60_000;

pub fn calls(settings: &Settings, takeover: &Takeover) -> Calls {
    Calls::new(CallsSettings {
        plan: Arc::new(settings.plan.clone()),
        decoders: [(Arc::from("events"), Format::Json.into())].into_iter().collect(),
        sources: vec![("events".to_string(), 1)],
        allowed_disorder: Span::from_secs(2),
        commit_every: Duration::from_millis(100),
        takeover: takeover.clone(),
        partials: "partials".into(),
        partials_partitions: 1,
        subjects: "subjects".into(),
        subjects_partitions: 1,
        rejects: "rejects".into(),
        calls: "calls".into(),
    })
}

pub fn subjects(settings: &Settings) -> Subjects {
    Subjects::new(SubjectsSettings {
        plan: Arc::new(settings.plan.clone()),
        commit_every: Duration::from_millis(20),
        partials: "partials".into(),
        partials_partitions: 1,
        subjects_partitions: 1,
        limits: Arc::new(settings.limits.doubled()),
    })
}

pub fn kpis(settings: &Settings, takeover: &Takeover) -> Kpis {
    Kpis::new(KpisSettings {
        takeover: takeover.clone(),
        kpis: "kpis".into(),
        intervals: "intervals".into(),
        alerts_to: "alerts".into(),
        ..kpis_settings(settings, 1)
    })
}

/// A call that waits a minute and a half and is answered.
pub fn call(id: &str, minute: i64) -> [(i64, Vec<u8>); 2] {
    let at = [EIGHT + minute * MINUTE, EIGHT + (minute + 1) * MINUTE + MINUTE / 2];
    let queued = format!(r#"{{"type":"call.queued","time":{},"call_id":"{id}","queue":"sales"}}"#, at[0]);
    let answered = format!(r#"{{"type":"call.answered","time":{},"call_id":"{id}","agent":"ana"}}"#, at[1]);
    [(at[0], queued.into_bytes()), (at[1], answered.into_bytes())]
}

/// The centre: the stages with one partition each, and what subscribers have.
pub struct Centre {
    /// Of the generation in the settings.
    pub takeover: Takeover,
    pub calls: Driven<Calls>,
    pub subjects: Driven<Subjects>,
    pub kpis: Driven<Kpis>,
    pub events: Log,
    pub agents: Log,
    pub partials: Log,
    /// The board, by key; and the archive.
    pub board: BTreeMap<String, KpiRecord>,
    pub archive: BTreeMap<String, KpiRecord>,
    /// What is told of calls: their ids and the versions, in order.
    pub ended_calls: Vec<(String, u64)>,
    pub ended: Vec<String>,
    /// Alerts in order: the rule and the state, why it resolved, and which keys are gone.
    pub alerts: Vec<String>,
    /// The alerts themselves, but for those that are gone.
    pub told: Vec<AlertRecord>,
}

impl Centre {
    pub fn new(settings: &Settings) -> Centre {
        let takeover = Takeover::of(settings.engine.generation);
        Centre {
            calls: Driven::new(calls(settings, &takeover), vec![input("events", 0)]),
            subjects: Driven::new(subjects(settings), vec![input("subjects", 0)]),
            kpis: Driven::new(kpis(settings, &takeover), vec![input("partials", 0)]),
            takeover,
            events: Log::new(),
            agents: Log::new(),
            partials: Log::new(),
            board: BTreeMap::new(),
            archive: BTreeMap::new(),
            ended_calls: Vec::new(),
            ended: Vec::new(),
            alerts: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Hears of calls, and has read all there is at an instant.
    pub fn hear(&mut self, told: impl IntoIterator<Item = [(i64, Vec<u8>); 2]>, minute: i64) {
        self.hear_late(told, minute, minute);
    }

    /// The same, while the clock of the stage kpis shows another minute.
    pub fn hear_late(&mut self, told: impl IntoIterator<Item = [(i64, Vec<u8>); 2]>, minute: i64, clock: i64) {
        self.events.extend(told.into_iter().flatten());
        let at = EIGHT + minute * MINUTE;
        self.calls.read(&input("events", 0), &self.events, usize::MAX / 2);
        self.calls.reach_end(&input("events", 0), at);
        self.pass_on(at, EIGHT + clock * MINUTE);
    }

    /// What was read goes through all stages, those of calls and agents at an instant and kpis at another.
    pub fn pass_on(&mut self, at: i64, clock: i64) {
        self.calls.wait(2);
        for record in self.calls.commit(at) {
            match &record.to {
                Output::Topic { topic, .. } if topic.as_ref() == "partials" => &mut self.partials,
                Output::Topic { topic, .. } if topic.as_ref() == "subjects" => &mut self.agents,
                Output::Topic { topic, .. } if topic.as_ref() == "calls" => {
                    let told = record.value.expect("the record of a call");
                    let told: serde_json::Value = serde_json::from_slice(&told).expect("JSON");
                    let id = told["call_id"].as_str().expect("an id");
                    self.ended_calls.push((id.to_owned(), told["version"].as_u64().expect("a version")));
                    continue;
                }
                _ => continue,
            }
            .push((at, record.value.expect("a batch")));
        }
        self.subjects.read(&input("subjects", 0), &self.agents, usize::MAX / 2);
        self.subjects.wait(2);
        let sent = self.subjects.commit(at).into_iter().filter(|record| matches!(record.to, Output::Topic { .. }));
        self.partials.extend(sent.map(|record| (at, record.value.expect("a batch"))));
        self.kpis.read(&input("partials", 0), &self.partials, usize::MAX / 2);
        for _ in 0..2 {
            self.kpis.wait(20);
            let out = self.kpis.commit(clock);
            self.take(out);
        }
    }

    pub fn take(&mut self, out: Vec<OutRecord>) {
        for OutRecord { to, key, value, .. } in out {
            let Output::Topic { topic, .. } = to else { continue };
            let key = String::from_utf8(key.expect("a key")).expect("text");
            if topic.as_ref() == "alerts" {
                let Some(value) = value else {
                    self.alerts.push(format!("{key} gone"));
                    continue;
                };
                let alert: AlertRecord = serde_json::from_slice(&value).expect("an alert");
                self.shows(&alert);
                let why = alert.reason.as_deref().map(|why| format!(" {why}")).unwrap_or_default();
                self.alerts.push(format!("{} {}{why}", alert.rule, alert.state));
                self.told.push(alert);
                continue;
            }
            let topic = if topic.as_ref() == "kpis" { &mut self.board } else { &mut self.archive };
            match value {
                Some(_) if key.starts_with("progress|") => {}
                Some(value) => {
                    topic.insert(key, serde_json::from_slice(&value).expect("a record"));
                }
                None => {
                    topic.remove(&key);
                    self.ended.push(key);
                }
            }
        }
    }

    /// What an alert of an entity says is what the board says in the same version, if it is not of what was before.
    #[track_caller]
    fn shows(&self, alert: &AlertRecord) {
        let is_decided = !matches!(alert.reason.as_deref(), Some("rule_removed" | "entity_ended"));
        let is_of_now = |level: &&AlertLevel| level.measure.as_deref() != Some("deviation");
        for level in alert.levels.iter().filter(is_of_now).filter(|_| is_decided && alert.tenant == "default") {
            let key = format!("default|{}|{}|{}", alert.entity.kind, alert.entity.id, level.window);
            let record = self.board.get(&key).unwrap_or_else(|| panic!("{key} is not on the board: {alert:?}"));
            assert_eq!((record.version, &record.as_of), (alert.version, &alert.as_of), "{key}");
            if level.value.is_some() && level.measure.is_none() {
                assert_eq!(Reading::of(record, &level.kpi).and_then(|reading| reading.value), level.value, "{key}");
            }
        }
    }

    /// Restarts the stages calls and kpis with other settings.
    pub fn restart(&mut self, settings: &Settings) {
        self.calls.restart(calls(settings, &self.takeover), false);
        self.kpis.restart(kpis(settings, &self.takeover), false);
    }
}
