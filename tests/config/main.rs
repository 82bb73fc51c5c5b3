//! Settings: the manual is complete and true, every fault is told at its place, secrets stay secret.

mod alerts;
mod any_text;
mod columns;
mod environment;
mod faults;
mod kinds_of_rule;
mod manual;
mod notify;
mod overlay;
#[path = "../support/schema.rs"]
mod schemas;
mod wavering;

use callpulse::calendar::Length;
use callpulse::config::fault::Fault;
use callpulse::config::settings::Settings;
use callpulse::config::{self, Loaded, MANUAL};
use callpulse::kpi::settings::Formula;
use callpulse::time::EventTime;
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

fn env(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(text: &str) -> Result<Loaded, Vec<Fault>> {
    config::read(
        text,
        &env(&[
            ("CALLPULSE_TOKEN", "t0ken-of-16-signs"),
            ("KAFKA_PASSWORD", "passw0rd"),
            ("ALERTS_TOKEN", "t0ken"),
            ("ALERTS_SECRET", "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"),
            ("SMTP_PASSWORD", "s3cr3t"),
            ("SLACK_URL", "https://hooks.example.com/s3cr3t"),
        ]),
    )
}

#[track_caller]
fn settings(text: &str) -> Settings {
    read(text).unwrap_or_else(|faults| panic!("{text}\n{}", told(&faults))).settings
}

fn told(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

/// The text has exactly this fault.
#[track_caller]
fn check(text: &str, fault: &str) {
    let faults = read(text).expect_err(text);
    assert_eq!(told(&faults), format!("{fault}\n"), "{text}");
}

/// The manual with its examples put to use.
fn manual_in_use() -> Table {
    let lines = MANUAL.lines().map(|line| match line.strip_prefix('#') {
        Some(example) if !example.is_empty() && !example.starts_with(' ') => example,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n").parse().expect("the examples of the manual are TOML")
}

fn text_of(document: &Value) -> String {
    toml::to_string(document).expect("a document can be written")
}

/// Everything a settings value shows of itself, and the week, which a zone's name does not tell.
fn shown(settings: &Settings) -> String {
    let week = |zone: &callpulse::calendar::Zone| zone.interval(Length::Week, EventTime(1_772_000_000_000));
    let weeks: Vec<_> = settings.kpi.tenants.values().chain([&settings.kpi.zone]).map(week).collect();
    format!("{settings:?} {weeks:?}")
}

#[test]
fn secrets_are_in_no_debug_form_and_no_fault() {
    let text = r#"
        serve.token = "s3cr3t-token-of-16"
        [kafka.properties]
        sasl.password = "s3cr3t-a"
        ssl.key.pem = "s3cr3t-b"
        sasl.oauthbearer.client.secret = "s3cr3t-c"
        sasl.username = "ana"
    "#;
    let loaded = read(text).unwrap();
    assert_eq!(loaded.settings.kafka.properties["sasl.password"], "s3cr3t-a");
    let shown = format!("{loaded:?} {:#?}", loaded.settings);
    assert!(!shown.contains("s3cr3t"), "{shown}");
    assert!(shown.contains("(hidden)") && shown.contains("ana"));
    for token in ["s3cr3t and more", "s3cr3t"] {
        assert!(!told(&read(&format!("serve.token = '{token}'")).unwrap_err()).contains("s3cr3t"));
    }
    let faults = read("serve.token = 's3cr3t and more'\nkafka.properties.sasl.password = ['s3cr3t']").unwrap_err();
    assert_eq!(faults.len(), 2);
    assert!(!told(&faults).contains("s3cr3t"));
}

#[test]
fn the_zone_of_a_queue_log_is_one_there_is_and_none_unless_said() {
    assert_eq!(settings("").queue_log_zone, None);
    let zone = settings("queue_log.timezone = 'Europe/Budapest'").queue_log_zone;
    assert_eq!(zone.as_ref().and_then(|zone| zone.iana_name()), Some("Europe/Budapest"));
    check(
        "queue_log.timezone = 'Europe/Budapset'",
        "queue_log.timezone: unknown time zone `Europe/Budapset`; did you mean `Europe/Budapest`?",
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = config::load(Some(Path::new("no/such/file.toml")), std::iter::empty()).unwrap_err();
    assert!(error.to_string().starts_with("settings file no/such/file.toml cannot be read: "), "{error}");
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo.toml");
    let loaded = config::load(Some(&demo), [("CALLPULSE_ENGINE__GENERATION".to_owned(), "3".to_owned())].into_iter());
    assert_eq!(loaded.unwrap().settings.engine.generation, 3);
    let error = config::load(None, [("CALLPULSE_ENGINE__X".to_owned(), "3".to_owned())].into_iter()).unwrap_err();
    assert!(error.to_string().starts_with("settings of the environment cannot be used:\n  CALLPULSE_ENGINE__X: "));
}

#[test]
fn the_schema_knows_types_and_defaults() {
    let schema = config::schema();
    let emit = &schema["properties"]["engine"]["properties"]["emit_every"];
    assert_eq!((emit["type"].as_str(), emit["default"].as_str()), (Some("string"), Some("250ms")));
    let queue = &schema["properties"]["queues"]["additionalProperties"];
    assert_eq!(queue["properties"]["formula"]["enum"].as_array().map(Vec::len), Some(Formula::ALL.len()));
    assert_eq!(queue["additionalProperties"], false);
    assert_eq!(schema["properties"]["sources"]["items"]["required"][0], "topic");
}
