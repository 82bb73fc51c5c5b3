//! Whatever stands there: no text and no variable makes the reading of settings panic.

use crate::{env, read};
use callpulse::config;
use proptest::prelude::*;

fn soup() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "kafka",
        "brokers",
        "properties",
        "sources",
        "topic",
        "format",
        "topics",
        "state",
        "engine",
        "generation",
        "late_horizon",
        "windows",
        "sliding",
        "intervals",
        "timezone",
        "service_level",
        "threshold",
        "also",
        "queues",
        "'a b'",
        "targets",
        "tenants",
        "agents",
        "aliases",
        "teams",
        "members",
        "from",
        "serve",
        "listen",
        "token",
        "allowed_hosts",
        "alerts",
        "calendars",
        "hours",
        "when",
        "privacy",
    ]);
    let values = prop::sample::select(vec![
        "1",
        "-1",
        "9223372036854775807",
        "0.5",
        "nan",
        "-inf",
        "true",
        "[]",
        "{}",
        "''",
        "'${X}'",
        "'${'",
        "'$${'",
        "'20s'",
        "'9223372036854775807d'",
        "'1mo'",
        "'7m'",
        "'offered@'",
        "'@'",
        "'answered_only@31d'",
        "2026-03-01",
        "0000-01-01",
        "'9999-12-31'",
        "12:00:00",
        "[[]]",
        "[{}]",
        "['1m', 1, '60s']",
        "{ a = 1 }",
        "'Europe/Budapset'",
        "'ő'",
        "[{ topic = 'a' }]",
        "[{ name = 'a', kpi = 'waiting', window = 'now', trigger = 1 }]",
        "[{ name = 'a', when = { all = [{ not = {} }] } }]",
        "[{ name = 'a', of = { kind = 'agent', team = 'a' }, kpi = 'service_level.a', window = '5m', trigger = -0.5 }]",
        "'mon-fri 22:00-06:00'",
        "{ hours = 'daily 00:00-24:00', closed = ['02-29', 2026-12-25, '1-1'] }",
        "[{ agent = 'a', from = '2026-03-01' }]",
    ]);
    let line =
        (prop::collection::vec(names, 1..4), values).prop_map(|(path, value)| format!("{} = {value}", path.join(".")));
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![soup(), ".{0,60}", "[a-z.=\"'\\[\\]{}0-9$ \n]{0,60}"]) {
        if let Err(faults) = read(&text) {
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.iter().all(|fault| !fault.place.is_empty() && !fault.sentence.is_empty()));
        }
    }

    #[test]
    fn no_variable_makes_it_panic(name in "(ENGINE|QUEUES|KAFKA|windows|[A-Z_]{0,6})(__[a-zA-Z_.]{0,12}){0,3}", value in ".{0,20}") {
        let _ = config::read("", &env(&[(&format!("CALLPULSE_{name}"), &value)]));
    }
}
