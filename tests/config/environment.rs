//! The environment: variables within values, and those that stand for a key.

use crate::{check, env, told};
use callpulse::config;
use callpulse::time::Span;
use std::collections::BTreeMap;

#[test]
fn variables_are_replaced_in_values() {
    let env = env(&[("HOST", "kafka-1"), ("TOPIC", "pbx")]);
    let text =
        "kafka.brokers = '${HOST}:9092,b:$1'\nsources = [{ topic = '${TOPIC}.events' }]\nqueues.a.title = '$${HOST} $'";
    let settings = config::read(text, &env).unwrap().settings;
    assert_eq!(settings.kafka.brokers, "kafka-1:9092,b:$1");
    assert_eq!(settings.sources[0].topic, "pbx.events");
    assert_eq!(settings.kpi.queues["a"].title.as_deref(), Some("${HOST} $"));
    check(
        "engine.emit_every = '${NOT_SET}'",
        "engine.emit_every: variable NOT_SET is not set; set it, or write the value here",
    );
    check(
        "serve.token = '${'",
        "serve.token: `${` is never closed; write `${NAME}`, or `$${` for the signs themselves",
    );
    check(
        "serve.token = '${A:-b}'",
        "serve.token: `${A:-b}` holds no name of a variable; write `$${` for the signs themselves",
    );
}

#[test]
fn variables_named_after_a_key_win_over_the_file() {
    let env = env(&[
        ("CALLPULSE_ENGINE__GENERATION", "2"),
        ("CALLPULSE_engine__Emit_Every", "50ms"),
        ("CALLPULSE_ENGINE__INSTANCE", "7"),
        ("CALLPULSE_KAFKA__BROKERS", "a:1,b:2"),
        ("CALLPULSE_KAFKA__PROPERTIES__SASL_USERNAME", "ana"),
        ("CALLPULSE_KAFKA__PROPERTIES__security.protocol", "SSL"),
        ("CALLPULSE_WINDOWS__SLIDING", "[\"1m\"]"),
        ("CALLPULSE_WINDOWS__QUEUE_AGENT", "true"),
        ("CALLPULSE_QUEUES__SALES__TITLE", "${not replaced}"),
        ("CALLPULSE_QUEUES__SALES__TARGETS__average_wait", "9"),
        ("CALLPULSE_TEAMS__new__QUEUES", "['sales']"),
        ("CALLPULSE_SERVE__TOKEN", "\"quoted-and-of-16\""),
        ("CALLPULSE_LOG", "debug"),
        ("PATH", "/bin"),
    ]);
    let text = "engine.generation = 9\nqueues.Sales.title = 'x'\nkafka.properties.security.protocol = 'PLAINTEXT'";
    let loaded = config::read(text, &env).unwrap_or_else(|faults| panic!("{}", told(&faults)));
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let settings = loaded.settings;
    assert_eq!((settings.engine.generation, settings.engine.emit_every), (2, Span(50)));
    assert_eq!(settings.engine.instance, "7");
    assert_eq!(settings.kafka.brokers, "a:1,b:2");
    assert_eq!(
        settings.kafka.properties,
        BTreeMap::from([
            ("sasl.username".to_owned(), "ana".to_owned()),
            ("security.protocol".to_owned(), "SSL".to_owned())
        ])
    );
    assert_eq!(settings.kpi.sliding, [("1m".to_owned(), Span::from_secs(60))]);
    assert!(settings.plan.queue_agent);
    assert_eq!(settings.kpi.queues["Sales"].title.as_deref(), Some("${not replaced}"));
    assert_eq!(settings.kpi.queues["Sales"].targets["average_wait"], 9.0);
    assert_eq!(settings.plan.teams[0].name, "new");
    assert_eq!(settings.serve.token.as_deref(), Some("quoted-and-of-16"));
}

#[test]
fn faults_of_the_environment_name_the_variable() {
    #[track_caller]
    fn check(variable: &str, value: &str, fault: &str) {
        let faults = config::read("", &env(&[(variable, value)])).expect_err(variable);
        assert_eq!(told(&faults), format!("{fault}\n"));
    }
    check(
        "CALLPULSE_ENGINE__GENERATON",
        "2",
        "CALLPULSE_ENGINE__GENERATON: names `engine.generaton`: unknown key; did you mean `generation`?",
    );
    check(
        "CALLPULSE_ENGINE__GENERATION__X",
        "2",
        "CALLPULSE_ENGINE__GENERATION__X: `engine.generation` has no keys of its own; give it a value",
    );
    check(
        "CALLPULSE_ENGINE__GENERATION",
        "two",
        "engine.generation: expected a whole number, found text (set by CALLPULSE_ENGINE__GENERATION)",
    );
    check(
        "CALLPULSE_ENGINE__EMIT_EVERY",
        "250",
        "engine.emit_every: 250 has no unit; write \"250s\" for seconds or \"250ms\" (set by CALLPULSE_ENGINE__EMIT_EVERY)",
    );
}

#[test]
fn a_variable_that_misses_an_underscore_is_a_warning() {
    let loaded = config::read("", &env(&[("CALLPULSE_ENGINE_GENERATION", "2")])).unwrap();
    assert_eq!(
        loaded.warnings,
        ["CALLPULSE_ENGINE_GENERATION is not read; did you mean CALLPULSE_ENGINE__GENERATION?"]
    );
}
