//! Faults: each is told at its place, all of them at once, with what would do.

use crate::{check, read, settings, told};
use callpulse::calendar::Length;
use callpulse::config::ConfigError;
use callpulse::entity::Kind;
use callpulse::stream::outlet::{Form, RecordFormat, SchemaIds};

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    check("windows.slidding = []", "windows.slidding: unknown key; did you mean `sliding`?");
    check("[window]\n", "window: unknown key; did you mean `windows`?");
    check("queues.sales.treshold = '20s'", "queues.sales.treshold: unknown key; did you mean `threshold`?");
    check("queues.'a b'.tilte = 'x'", "queues.\"a b\".tilte: unknown key; did you mean `title`?");
    check("engine.timezone = 'UTC'", "engine.timezone: unknown key here; `timezone` belongs into [windows]");
    check(
        "serve.nonsense = 1",
        "serve.nonsense: unknown key; known are `listen`, `token`, `allowed_hosts`, `metrics_kinds`, `metrics_windows` and `metrics_series_max`",
    );
    check(
        "teams.a.members = [{ agent = 'x', form = '2026-03-01' }]",
        "teams.a.members[0].form: unknown key; did you mean `from`?",
    );
}

#[test]
fn wrong_kinds_of_value_say_what_was_expected() {
    check("engine = 5", "engine: expected a table, found a whole number");
    check("engine.generation = '1'", "engine.generation: expected a whole number, found text");
    check("windows.queue_agent = 1", "windows.queue_agent: expected true or false, found a whole number");
    check("windows.sliding = '5m'", "windows.sliding: expected a list in brackets, found text");
    check("queues.sales = 'Sales'", "queues.sales: expected a table, found text");
    check("kafka.properties.a = [1]", "kafka.properties.a: expected text or a number, found a list");
    check("service_level.target = '0.8'", "service_level.target: expected a number, found text");
}

#[test]
fn lengths_of_time_need_a_unit_and_bounds() {
    check("engine.emit_every = 250", "engine.emit_every: 250 has no unit; write \"250s\" for seconds or \"250ms\"");
    check("engine.emit_every = '250'", "engine.emit_every: 250 has no unit; write \"250s\" for seconds or \"250ms\"");
    check(
        "engine.emit_every = '1.5 hours'",
        "engine.emit_every: `1.5 hours` is no length of time; write a whole number and a unit (ms, s, m, h, d) such as \"20s\"",
    );
    check("engine.calls_commit_every = '0ms'", "engine.calls_commit_every: `0ms` is too short; the least is \"1ms\"");
    check("engine.late_horizon = '59s'", "engine.late_horizon: `59s` is too short; the least is \"1m\"");
    check(
        "engine.late_horizon = '60500ms'",
        "engine.late_horizon: `60500ms` holds a part of a second; write whole seconds",
    );
    check("windows.sliding = ['5m', '8d']", "windows.sliding[1]: `8d` is too long; the most is \"7d\"");
}

#[test]
fn windows_of_equal_length_or_odd_length_are_refused() {
    check("windows.sliding = ['60s', '1m']", "windows.sliding[1]: `1m` is as long as `60s`; remove one");
    check("windows.sliding = ['1m', '1m']", "windows.sliding[1]: stands in `windows.sliding[0]` already; remove one");
    check("windows.intervals = ['24h', '1d']", "windows.intervals[1]: `1d` is as long as `24h`; remove one");
    check(
        "windows.intervals = ['7m']",
        "windows.intervals[0]: intervals of 7m do not divide a day; choose \"6m\" or \"8m\"",
    );
    check(
        "windows.intervals = ['77s']",
        "windows.intervals[0]: intervals of 77s do not divide a day; choose \"75s\" or \"80s\"",
    );
    check(
        "windows.intervals = ['2w']",
        "windows.intervals[0]: `2w` is no interval; the longest are \"1d\", \"1w\" and \"1mo\"",
    );
    check(
        "windows.intervals = ['48h']",
        "windows.intervals[0]: `48h` is longer than a day; choose \"1d\", \"1w\" or \"1mo\"",
    );
    let six = settings("windows.intervals = ['6m']").kpi.intervals;
    assert_eq!(six, [("per_6m".to_owned(), Length::Piece(360_000))]);
}

#[test]
fn time_zones_and_words_name_the_nearest() {
    check(
        "windows.timezone = 'Europe/Budapset'",
        "windows.timezone: unknown time zone `Europe/Budapset`; did you mean `Europe/Budapest`?",
    );
    check(
        "windows.timezone = 'jerusalem'",
        "windows.timezone: unknown time zone `jerusalem`; did you mean `Asia/Jerusalem`?",
    );
    check("windows.week_start = 'mondy'", "windows.week_start: unknown `mondy`; did you mean `monday`?");
    check(
        "sources = [{ topic = 'a', format = 'jsn' }]",
        "sources[0].format: unknown format `jsn`; did you mean `json`?",
    );
    check(
        "sources = [{ topic = 'a', format = 'avro' }]",
        "sources[0].format: unknown format `avro`; known are `json`, `protobuf`, `csv`, `queue_log`, `asterisk_ami`, \
         `freeswitch`, `amazon_connect`, `amazon_connect_contact`, `amazon_connect_agent`, `amazon_connect_agent_states`, \
         `amazon_connect_ctr`, `genesys_cloud` and `twilio_taskrouter`, and `cloudevents` or `cloudevents/FORMAT` around one",
    );
    check("service_level.formula = 'ofered'", "service_level.formula: unknown `ofered`; did you mean `offered`?");
    check("windows.by_channel = ['queues']", "windows.by_channel[0]: unknown `queues`; did you mean `queue`?");
    check(
        "tenants.t.timezone = 'Mars'",
        "tenants.t.timezone: unknown time zone `Mars`; write an IANA name such as \"Europe/Budapest\"",
    );
}

#[test]
fn a_threshold_must_be_an_edge_of_the_histogram() {
    let no_edge = |wait: &str, below: &str, above: &str| {
        check(
            &format!("service_level.threshold = '{wait}'"),
            &format!("service_level.threshold: waits are not kept apart at {wait}; choose \"{below}\" or \"{above}\""),
        );
    };
    no_edge("20500ms", "20s", "21s");
    no_edge("601s", "10m", "605s");
    no_edge("3610s", "1h", "3630s");
    no_edge("1441m", "1d", "1455m");
    check("service_level.threshold = '32d'", "service_level.threshold: `32d` is too long; the most is \"31d\"");
    check("service_level.threshold = '0s'", "service_level.threshold: `0s` is too short; the least is \"1s\"");
    check(
        "service_level.also = ['answered_only@601s']",
        "service_level.also[0]: waits are not kept apart at 601s; choose \"10m\" or \"605s\"",
    );
    check(
        "service_level.also = ['answered@30s']",
        "service_level.also[0]: unknown formula `answered`; known are `answered_only`, `ignore_abandoned_within`, \
         `offered`, `abandoned_within_as_met`, `all_removed`, `exclude_short_abandons`, `include_flow_outs`, \
         `late_abandons_only`, `waiting_now` and `expired_counts`",
    );
    assert_eq!(settings("service_level.threshold = '605s'").kpi.service_level.threshold_s, 605);
    assert_eq!(settings("service_level.short_abandon = '0s'").kpi.service_level.short_abandon_s, 0);
}

#[test]
fn before_the_threshold_is_known_only_up_to_ten_minutes() {
    const SENTENCE: &str = "waits of more than 10 minutes are not kept apart so finely; choose at most \"10m\" or `met_at_threshold = true`";
    check(
        "service_level = { met_at_threshold = false, threshold = '15m' }",
        &format!("service_level.threshold: {SENTENCE}"),
    );
    check(
        "service_level.threshold = '15m'\nqueues.a.met_at_threshold = false",
        &format!("queues.a.met_at_threshold: {SENTENCE}"),
    );
    check(
        "service_level = { met_at_threshold = false, also = ['offered', 'offered@15m'] }",
        &format!("service_level.also[1]: {SENTENCE}"),
    );
    settings("service_level = { met_at_threshold = false, threshold = '10m' }");
}

#[test]
fn numbers_keep_to_their_range() {
    check("engine.generation = 0", "engine.generation: 0 lies outside 1 to 1048576");
    check("engine.calls_workers = 65", "engine.calls_workers: 65 lies outside 1 to 64");
    check("service_level.target = 80", "service_level.target: 80 lies outside 0 to 1; write 0.8 for 80 %");
    check("service_level.target = nan", "service_level.target: NaN lies outside 0 to 1");
    check("queues.a.targets.x = inf", "queues.a.targets.x: inf is no number to compare with");
}

#[test]
fn topics_are_names_that_kafka_takes_and_each_has_one_use() {
    check("topics.kpis = 'a b'", "topics.kpis: `a b` holds ` `; letters, digits, `.`, `_` and `-` are allowed");
    check(
        "topics.kpis = 'acd.events'",
        "topics.kpis: `acd.events` is the topic of `sources[0].topic` too; each needs its own",
    );
    check(
        "topics.calls = 'acd.kpis'",
        "topics.calls: `acd.kpis` is the topic of `topics.kpis` too; each needs its own",
    );
    check("topics.state = 'acd'", "topics.state: `acd.calls` is the topic of `topics.calls` too; each needs its own");
    check(
        "sources = [{ topic = 'a' }, { topic = 'a' }]",
        "sources[1].topic: `a` is read by `sources[0]` already; remove one",
    );
    check("sources = []", "sources: is empty; name a topic to read events from: [{ topic = \"acd.events\" }]");
    check("sources = [{ format = 'json' }]", "sources[0].topic: is missing; write a name in quotes");
}

#[test]
fn records_are_json_without_a_frame_unless_asked_for() {
    assert_eq!(settings("").output, Form { format: RecordFormat::Json, schema_ids: None });
    let ids = SchemaIds { kpi: 1, progress: 2, call: 3 };
    let asked = settings("[output]\nformat = 'protobuf'\nschema_ids = { kpi = 1, progress = 2, call = 3 }");
    assert_eq!(asked.output, Form { format: RecordFormat::Protobuf, schema_ids: Some(ids) });
    check("output.format = 'avro'", "output.format: unknown `avro`; known are `json` and `protobuf`");
    check("output.schema_ids = { kpi = 1, progress = 1 }", "output.schema_ids.call: is missing; write a whole number");
    check(
        "output.schema_ids = { kpi = 0, progress = 1, call = 1 }",
        "output.schema_ids.kpi: 0 lies outside 1 to 2147483647",
    );
}

#[test]
fn brokers_and_properties_the_program_needs_are_guarded() {
    check(
        "kafka.brokers = ''",
        "kafka.brokers: holds no address or an empty one; write host:port, several separated by commas",
    );
    check(
        "kafka.brokers = []",
        "kafka.brokers: holds no address or an empty one; write host:port, several separated by commas",
    );
    check(
        "kafka.properties.bootstrap.servers = 'a:1'",
        "kafka.properties.\"bootstrap.servers\": is set by `kafka.brokers`; write it there",
    );
    assert!(read("kafka.properties.'isolation.level' = 'read_uncommitted'").is_err());
}

#[test]
fn nobody_is_two_agents_and_a_team_is_somebody() {
    check(
        "agents.a.aliases = ['x']\nagents.b.aliases = ['x']",
        "agents.b.aliases[0]: `x` is an alias of agent `a` already; it can be only one's",
    );
    check(
        "agents.a.aliases = ['b']\nagents.b.title = 'B'",
        "agents.a.aliases[0]: `b` is an agent of its own here; remove the alias or that agent",
    );
    check("teams.a = {}", "teams.a: lists neither `queues` nor `members`; list some or remove the team");
    check("teams.a.members = [{ from = '2026-03-01' }]", "teams.a.members[0].agent: is missing; write text in quotes");
    check(
        "teams.a.members = [{ agent = 'x', from = '2026-03-01', until = 2026-03-01 }]",
        "teams.a.members[0].until: is not after `from`; the end is exclusive",
    );
    check(
        "teams.a.members = [{ agent = 'x', from = 'March' }]",
        "teams.a.members[0].from: `March` is no time; write a date such as \"2026-03-01\" or RFC 3339 with an offset, \"2026-03-01T08:00:00+01:00\"",
    );
    check("queues.'' = {}", "queues.\"\": a name is empty; write one");
    check("queues.a.title = ' '", "queues.a.title: is empty; write something or remove the key");
}

#[test]
fn others_may_connect_only_with_a_token() {
    check(
        "serve.listen = '0.0.0.0:8080'",
        "serve.listen: others than this machine can connect to 0.0.0.0:8080, so a token is needed; set `serve.token`, or listen on 127.0.0.1",
    );
    check(
        "serve.listen = 'localhost:8080'",
        "serve.listen: `localhost:8080` is no address to listen on; write an IP address and a port such as \"127.0.0.1:8080\"",
    );
    check("serve.token = ''", "serve.token: is empty; write a token or remove the key");
    check(
        "serve.token = 'fifteen-letters'",
        "serve.token: is too short to be safe from guessing; write 16 characters or more, such as those of `openssl rand -hex 16`",
    );
    settings("serve.token = 'sixteen--letters'");
    for host in ["", "http://wall", "wall:8080", "[::1]", "*.example.com", "a b"] {
        let sentence = format!(
            "serve.allowed_hosts[1]: `{host}` is no name of a host; write it without scheme and port, such as \"callpulse.example.com\""
        );
        check(&format!("serve.allowed_hosts = ['wall.example.com', '{host}']"), &sentence);
    }
    assert_eq!(settings("").serve.allowed_hosts, [""; 0]);
    assert_eq!(settings("serve.allowed_hosts = ['wall.example.com']").serve.allowed_hosts, ["wall.example.com"]);
    check(
        "serve.metrics_kinds = ['queue_agent']",
        "serve.metrics_kinds[0]: unknown `queue_agent`; known are `queue`, `agent`, `team` and `tenant`",
    );
    check(
        "serve.metrics_windows = ['now', '30min']",
        "serve.metrics_windows[1]: there is no window `30min`; did you mean `30m`?",
    );
    let serve = settings("serve = { metrics_kinds = ['queue'], metrics_windows = ['now', '5m', 'per_1d'] }").serve;
    assert_eq!(serve.metrics_kinds, [Kind::Queue]);
    assert_eq!(serve.metrics_windows, ["now", "5m", "per_1d"]);
    settings("serve.listen = '[::1]:8080'");
    let serve = settings("serve = { listen = '0.0.0.0:8080', token = '${CALLPULSE_TOKEN}' }").serve;
    assert_eq!(serve.token.as_deref(), Some("t0ken-of-16-signs"));
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = read(
        r#"
        nonsense = 1
        [windows]
        sliding = ["5m", 30, "x"]
        timezone = "Europe/Budapset"
        [engine]
        generation = 0
        [queues.sales]
        threshold = "20500ms"
        instance = "${NOT_SET}"
        title = "${NOT_SET}"
        "#,
    )
    .unwrap_err();
    let mut places: Vec<&str> = faults.iter().map(|fault| fault.place.as_str()).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "engine.generation",
            "nonsense",
            "queues.sales.instance",
            "queues.sales.threshold",
            "queues.sales.title",
            "windows.sliding[1]",
            "windows.sliding[2]",
            "windows.timezone"
        ]
    );
    let error = ConfigError::Faulty { path: Some("my.toml".into()), faults };
    assert!(error.to_string().starts_with("settings of my.toml cannot be used:\n  "));
    assert_eq!(error.to_string().lines().count(), 9);
}

#[test]
fn errors_of_syntax_have_line_and_column() {
    let faults = read("[engine]\ngeneration = = 2\n\n[windows\n").unwrap_err();
    let places: Vec<&str> = faults.iter().map(|fault| fault.place.as_str()).collect();
    assert!(places[0].starts_with("line 2, column 1"), "{}", told(&faults));
    assert!(places.iter().any(|place| place.starts_with("line 4, ")), "{}", told(&faults));
    assert!(faults.iter().all(|fault| !fault.sentence.contains('\n')));
    assert!(read("engine.generation = 2\nengine.generation = 3").unwrap_err()[0].place.starts_with("line 2"));
}

#[test]
fn a_target_is_of_a_kpi_or_count_that_a_queue_has() {
    check(
        "queues.sales.targets.abandonment_rat = 0.05",
        "queues.sales.targets.abandonment_rat: is no KPI of a queue that a target is kept for; did you mean \
         `abandonment_rate`?",
    );
    check(
        "queues.sales.targets.answer_rate = 7",
        "queues.sales.targets.answer_rate: 7 is no share; give 0 to 1, such as 0.8 for 80 %",
    );
    check(
        "queues.sales.targets.average_wait = -3",
        "queues.sales.targets.average_wait: is less than 0, which no KPI is; give what is wanted",
    );
    check(
        "queues.sales = { target = 0.9, targets = { service_level = 0.5 } }",
        "queues.sales.targets.service_level: `target` wants another service level; keep one of them",
    );
    // Of an agent and of a tenant; by reason it is no one number.
    for id in ["calls_arrived", "flowed_out_by_reason", "offered"] {
        assert!(read(&format!("queues.sales.targets.{id} = 1")).is_err(), "{id}");
    }
    let settings =
        settings("queues.sales.targets = { service_level = 0.9, abandonment_rate = 0.05, calls_offered = 10 }");
    assert_eq!(settings.kpi.queues["sales"].targets["calls_offered"], 10.0);
    assert_eq!(settings.kpi.queues["sales"].service_level.target, 0.9);
    assert_eq!(settings.kpi.queues["sales"].targets["abandonment_rate"], 0.05);
}
