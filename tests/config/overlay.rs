//! A file over the defaults: what it leaves out, and what its tables become.

use crate::{check, read, settings, told};
use callpulse::calendar::Length;
use callpulse::decode::format::Format;
use callpulse::entity::Kind;
use callpulse::time::{EventTime, Span};
use std::collections::BTreeMap;

#[test]
fn a_file_is_laid_over_the_defaults_key_by_key_and_lists_are_replaced() {
    let settings = settings(
        r#"
        engine.emit_every = "50ms"
        windows.sliding = []
        [[sources]]
        topic = "pbx"
        format = "protobuf"
        [[sources]]
        topic = "acd"
        "#,
    );
    assert_eq!((settings.engine.emit_every, settings.engine.calls_commit_every), (Span(50), Span(100)));
    assert!(settings.kpi.sliding.is_empty());
    let sources: Vec<_> = settings.sources.iter().map(|source| (source.topic.as_str(), source.format)).collect();
    assert_eq!(sources, [("pbx", Format::Protobuf.into()), ("acd", Format::Json.into())]);
}

#[test]
fn a_queue_says_only_what_differs() {
    let settings = settings(
        r#"
        service_level = { threshold = "15s", target = 0.9, also = ["offered"] }
        [queues.sales]
        threshold = "30s"
        [queues."two words"]
        title = "Two"
        also = []
        targets = { average_wait = 20, answer_rate = 0.95 }
        "#,
    );
    let (sales, two) = (&settings.kpi.queues["sales"], &settings.kpi.queues["two words"]);
    assert_eq!((sales.service_level.threshold_s, sales.service_level.target), (30, 0.9));
    assert_eq!((sales.title.as_deref(), sales.service_level.also.len()), (None, 1));
    assert_eq!((two.service_level.threshold_s, two.service_level.also.len()), (15, 0));
    assert_eq!(two.targets, BTreeMap::from([("average_wait".to_owned(), 20.0), ("answer_rate".to_owned(), 0.95)]));
}

#[test]
fn tenants_teams_and_agents_become_the_plan() {
    let settings = settings(
        r#"
        windows = { timezone = "Europe/Budapest", by_channel = ["queue"], queue_agent = true }
        tenants.acme = { week_start = "sunday" }
        tenants.big.max_entities = 7
        agents.ana.aliases = ["Local/1127@x"]
        [teams.front]
        queues = ["sales"]
        members = [
            { agent = "Local/1127@x", from = 2026-03-01 },
            { agent = "bela", from = "2026-03-01T00:00:00Z", until = 2026-04-01T00:00:00+02:00 },
        ]
        "#,
    );
    let plan = settings.plan;
    assert_eq!(plan.agent("Local/1127@x"), "ana");
    assert!(plan.queue_agent && plan.by_channel.contains(&Kind::Queue));
    let members: Vec<_> = plan.teams[0]
        .members
        .iter()
        .map(|member| (member.agent.as_str(), member.from.map(|t| t.to_string()), member.until.map(|t| t.to_string())))
        .collect();
    let time = |text: &str| Some(text.to_owned());
    assert_eq!(
        members,
        [
            ("ana", time("2026-02-28T23:00:00.000Z"), None),
            ("bela", time("2026-03-01T00:00:00.000Z"), time("2026-03-31T22:00:00.000Z")),
        ]
    );
    // A tenant that sets only its week keeps the general zone.
    let week = settings.kpi.zone("acme").interval(Length::Week, EventTime::parse("2026-03-04T12:00:00Z").unwrap());
    assert_eq!(week.start.to_string(), "2026-02-28T23:00:00.000Z");
    assert_eq!(settings.limits.all, 20_000);
    assert_eq!(settings.limits.tenants, BTreeMap::from([("big".to_owned(), 7)]));
    assert!(!settings.kpi.tenants.contains_key("big"));
}

#[test]
fn properties_may_be_written_with_or_without_quotes() {
    let settings = settings(
        r#"
        [kafka]
        brokers = ["a:9092", "b:9092"]
        [kafka.properties]
        security.protocol = "SSL"
        "ssl.ca.location" = "/etc/ca.pem"
        "linger.ms" = 3
        socket.keepalive.enable = true
        "#,
    );
    assert_eq!(settings.kafka.brokers, "a:9092,b:9092");
    let properties: Vec<_> = settings.kafka.properties.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        properties,
        ["linger.ms=3", "security.protocol=SSL", "socket.keepalive.enable=true", "ssl.ca.location=/etc/ca.pem"]
    );
}

#[test]
fn what_is_promised_and_not_used_yet_is_a_warning() {
    let loaded = read(
        r#"
        rates = { ana = 20 }
        privacy.customer = "hash"
        "#,
    )
    .unwrap_or_else(|faults| panic!("{}", told(&faults)));
    assert_eq!(loaded.warnings.len(), 2, "{:#?}", loaded.warnings);
    assert_eq!(loaded.warnings[0], "`rates` is understood but not used by this version");
    assert!(loaded.warnings.iter().any(|warning| warning.starts_with("`privacy` ")));
    check("privacy.customer = 'has'", "privacy.customer: unknown `has`; did you mean `hash`?");
}

#[test]
fn the_keys_of_the_contract_are_all_understood() {
    settings(
        r#"
        sources = [{ topic = "acd.events", format = "json", silent_after = "5m" }]
        queues."NAME" = { title = "Name", threshold = "30s", targets = { service_level = 0.9 } }
        tenants."NAME" = { timezone = "Asia/Jerusalem", week_start = "sunday", max_entities = 1000 }
        agents."NAME" = { title = "Name", aliases = ["Local/1127@x"] }
        teams."NAME" = { queues = [], members = [{ agent = "NAME", from = "2026-03-01", until = "2026-04-01" }] }
        rates = {}
        privacy = { customer = "hash" }
        alerts = []
        [topics]
        partials = "a"
        subjects = "b"
        state = "c"
        kpis = "d"
        intervals = "e"
        alerts = "f"
        rejects = "g"
        calls = "h"
        [engine]
        generation = 1
        calls_commit_every = "100ms"
        kpis_commit_every = "20ms"
        emit_every = "250ms"
        allowed_disorder = "2s"
        allowed_skew = "30s"
        late_horizon = "24h"
        calls_workers = 1
        subjects_workers = 1
        kpis_workers = 1
        instance = "name"
        [windows]
        sliding = ["5m", "30m"]
        intervals = ["15m", "30m", "1h", "1d", "1w", "1mo"]
        timezone = "Europe/Budapest"
        week_start = "monday"
        interval_grace = "10m"
        keep_intervals = "400d"
        by_channel = []
        queue_agent = false
        [service_level]
        threshold = "20s"
        target = 0.8
        formula = "exclude_short_abandons"
        short_abandon = "5s"
        met_at_threshold = true
        also = ["offered", "answered_only@30s"]
        [serve]
        listen = "127.0.0.1:8080"
        metrics_kinds = ["queue", "agent", "team", "tenant"]
        metrics_windows = []
        metrics_series_max = 200000
        "#,
    );
}
