//! Rules of alerts as written: what they mean, and what is refused.

use crate::kinds_of_rule::basis;
use crate::{check, manual_in_use, read, schemas, settings, text_of, told};
use callpulse::alert::condition::{Condition, Level};
use callpulse::alert::reading::Reading;
use callpulse::alert::record::{AlertRecord, Subject, Told};
use callpulse::alert::rule::{Rule, Severity};
use callpulse::alert::state::{Step as Transition, Why};
use callpulse::entity::{Entity, Kind};
use callpulse::time::{EventTime, Span};
use proptest::prelude::*;
use toml::Value;

/// A rule of these keys has exactly this fault.
#[track_caller]
pub fn check_rule(keys: &str, fault: &str) {
    check(&format!("alerts = [{{ name = 'a', {keys} }}]"), &format!("alerts[0].{fault}"));
}

#[track_caller]
pub fn rule(keys: &str) -> Rule {
    settings(&format!("alerts = [{{ name = 'a', {keys} }}]")).alerts[0].clone()
}

#[track_caller]
pub fn level(keys: &str) -> Level {
    match rule(keys).when {
        Condition::Level(level) => level,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rule_says_only_what_it_has_to() {
    let rule = rule("kpi = 'abandonment_rate', window = '30m', trigger = 0.1");
    assert_eq!((rule.name.as_str(), rule.hold, rule.severity), ("a", Span(0), Severity::Warning));
    assert_eq!((rule.of.kind, rule.of.id.as_str(), rule.of.tenant.as_str()), (Kind::Queue, "*", "*"));
    assert_eq!((rule.of.among, rule.hours, rule.title, rule.runbook_url), (None, None, None, None));
    let Condition::Level(level) = rule.when else { panic!("{:?}", rule.when) };
    assert_eq!((level.trigger, level.clear, level.is_above, level.min_volume), (0.1, 0.1, true, 20));
    assert!(settings("").alerts.is_empty() && settings("").engine.built_in_alerts);
    assert_eq!(settings("").topics.alerts, "acd.alerts");
}

#[test]
fn a_rule_fires_on_the_side_that_its_levels_or_the_catalogue_say() {
    let side = |keys: &str| level(keys).is_above;
    assert!(side("kpi = 'abandonment_rate', window = '30m', trigger = 0.1, clear = 0.07"));
    assert!(!side("kpi = 'service_level', window = '30m', trigger = 0.7"));
    assert!(!side("kpi = 'calls_offered', window = '30m', trigger = 5"));
    assert!(side("kpi = 'calls_offered', window = '30m', trigger = 500, clear = 400"));
    assert!(side("kpi = 'waiting', window = 'now', trigger = 5"));
    assert!(!side("kpi = 'agents_available', window = 'now', trigger = 1"));
    assert!(side("kpi = 'occupancy', window = '30m', trigger = 0.9, clear = 0.8"));
    let loaded =
        read("alerts = [{ name = 'a', kpi = 'abandonment_rate', window = '30m', trigger = 0.1, clear = 0.2 }]");
    assert_eq!(
        loaded.unwrap().warnings,
        [
            "alerts[0].clear: by it the rule fires below 0.1, where `abandonment_rate` is better; if that is not meant, write \
          at most 0.1"
        ]
    );
}

#[test]
fn twenty_calls_are_asked_for_where_a_number_is_a_share_mean_or_percentile_of_calls() {
    let volume = |keys: &str| level(&format!("trigger = 0.5, {keys}")).min_volume;
    let asked = [
        "service_level",
        "average_wait",
        "average_handle_time_all",
        "transfers_per_call",
        "agent_answer_rate",
        "wait_p90",
    ];
    for kpi in asked {
        assert_eq!(volume(&format!("kpi = '{kpi}', window = 'per_1d'")), 20, "{kpi}");
    }
    for kpi in ["calls_offered", "occupancy", "longest_wait", "calls_missed", "concurrent_calls_max"] {
        assert_eq!(volume(&format!("kpi = '{kpi}', window = 'total'")), 0, "{kpi}");
    }
    assert_eq!(volume("kpi = 'waiting', window = 'now'"), 0);
    assert_eq!(volume("kpi = 'longest_wait', window = '30m', min_volume = 7"), 7);
    assert_eq!(volume("kpi = 'service_level', window = '30m', min_volume = 0"), 0);
    let none =
        |name: &str| format!("min_volume: `{name}` is not of calls in a window, so that there are no 5; remove it");
    check_rule("kpi = 'waiting', window = 'now', trigger = 1, min_volume = 5", &none("waiting"));
    check_rule(
        "kpi = 'occupancy', window = '30m', trigger = 0.9, min_volume = 5",
        "min_volume: `occupancy` is of the time of agents; write `min_login`, such as \"15m\"",
    );
    check_rule(
        "of = { kind = 'agent' }, kpi = 'handle_p90', window = '30m', trigger = 1, min_volume = 5",
        &none("handle_p90"),
    );
}

#[test]
fn half_the_window_is_to_be_spent_logged_in_where_a_number_is_a_rate_of_agents_time() {
    let login = |keys: &str| level(&format!("trigger = 0.5, of.kind = 'team', {keys}")).min_login;
    let minutes = |minutes: i64| Span::from_secs(60 * minutes);
    for kpi in ["occupancy", "occupancy_of_login", "availability", "contacts_per_hour", "contacts_per_hour_productive"]
    {
        assert_eq!(login(&format!("kpi = '{kpi}', window = '30m'")), minutes(15), "{kpi}");
    }
    let windows = [("5m", Span::from_secs(150)), ("per_15m", Span::from_secs(450)), ("per_1h", minutes(30))];
    for (window, wanted) in
        windows.into_iter().chain([("per_1d", minutes(60)), ("per_1w", minutes(60)), ("total", minutes(60))])
    {
        assert_eq!(login(&format!("kpi = 'occupancy', window = '{window}'")), wanted, "{window}");
    }
    assert_eq!(login("kpi = 'occupancy', window = '30m', min_login = '0s'"), Span(0));
    assert_eq!(login("kpi = 'login_time', window = '30m'"), Span(0));
    assert_eq!(login("kpi = 'service_level', window = '30m'"), Span(0));
    check_rule(
        "kpi = 'service_level', window = '30m', trigger = 0.5, min_login = '5m'",
        "min_login: `service_level` is no rate of agents' time; remove it",
    );
}

#[test]
fn a_rule_names_a_number_that_its_entities_have_in_its_window() {
    check_rule(
        "kpi = 'abandonment_rat', window = '30m', trigger = 0.1",
        "kpi: `abandonment_rat` is no number of kind `queue`; did you mean `abandonment_rate`?",
    );
    check_rule(
        "kpi = 'offered', window = '30m', trigger = 1",
        "kpi: `offered` is no number of kind `queue`; did you mean `calls_offered`?",
    );
    check_rule(
        "kpi = 'sentiment', window = '30m', trigger = 1",
        "kpi: `sentiment` is no number of kind `queue`; docs/kpis.md tells all there are",
    );
    check_rule(
        "of = { kind = 'agent' }, kpi = 'abandonment_rate', window = '30m', trigger = 0.1",
        "kpi: `abandonment_rate` is not of kind `agent`; it is of `queue`, `team` and `tenant`",
    );
    check_rule(
        "kpi = 'calls_arrived', window = '30m', trigger = 1",
        "kpi: `calls_arrived` is not of kind `queue`; it is of `tenant`",
    );
    check_rule(
        "of.kind = 'agent', kpi = 'waiting', window = 'now', trigger = 1",
        "kpi: `waiting` is no number of kind `agent`; docs/kpis.md tells all there are",
    );
    check_rule(
        "kpi = 'abandonment_rate', window = '31m', trigger = 0.1",
        "window: there is no window `31m`; did you mean `30m`?",
    );
    for (of, key) in [("window = '31m'", "window"), ("window = '30m', of.kind = 'qeue'", "of.kind")] {
        let rule = format!("alerts = [{{ name = 'a', kpi = 'abandonmnt_rate', trigger = 0.1, {of} }}]");
        let faults = read(&rule).expect_err(&rule);
        let keys: std::collections::BTreeSet<&str> = faults.iter().map(|fault| fault.place.as_str()).collect();
        assert_eq!(keys, [format!("alerts[0].{key}").as_str(), "alerts[0].kpi"].into(), "{}", told(&faults));
    }
    let others = "`total`, `5m`, `30m`, `per_15m`, `per_30m`, `per_1h`, `per_1d`, `per_1w` and `per_1mo`";
    for kpi in ["abandonment_rate", "calls_offered", "wait_p90", "occupancy"] {
        check_rule(
            &format!("kpi = '{kpi}', window = 'now', trigger = 0.1"),
            &format!("window: `{kpi}` does not stand in `now`; choose among {others}"),
        );
    }
    for kpi in ["waiting", "agents_paused", "concurrent_calls_now", "expected_wait"] {
        check_rule(
            &format!("kpi = '{kpi}', window = '30m', trigger = 1"),
            &format!("window: `{kpi}` stands in `now` alone; write window = \"now\""),
        );
    }
    check_rule(
        "of.kind = 'agent', kpi = 'utilization', window = '30m', trigger = 0.5",
        "kpi: `utilization` has no value without a schedule, which this version does not read; choose \
         `occupancy_of_login` or `availability`",
    );
    check_rule(
        "of.kind = 'agent', kpi = 'contacts_per_hour_clock', window = 'total', trigger = 5",
        "window: `contacts_per_hour_clock` has no value in `total`, which has no beginning; choose another window",
    );
    level("kpi = 'longest_wait', window = 'now', trigger = 180");
    level("of.kind = 'tenant', kpi = 'agents_other_work', window = 'now', trigger = 180");
}

#[test]
fn a_rule_on_service_level_needs_a_formula_with_a_value_in_its_window() {
    check_rule(
        "kpi = 'service_level', window = 'now', trigger = 0.5",
        "window: in `now` service level has a value by the formula `waiting_now` alone; choose among `total`, `5m`, \
         `30m`, `per_15m`, `per_30m`, `per_1h`, `per_1d`, `per_1w` and `per_1mo`",
    );
    check_rule(
        "kpi = 'service_level.offered', window = '30m', trigger = 0.5",
        "kpi: no `also` makes a service level `offered`; write also = [\"offered\"] in [service_level] or the queue",
    );
    let rule = |of: &str, kpi: &str, window: &str| {
        format!(
            "queues.chat = {{ formula = 'waiting_now', also = ['offered@30s'] }}\n\
             alerts = [{{ name = 'a', of = {{ {of} }}, kpi = '{kpi}', window = '{window}', trigger = 0.5 }}]"
        )
    };
    settings(&rule("", "service_level", "now"));
    settings(&rule("id = 'chat'", "service_level.offered@30s", "5m"));
    check(
        &rule("id = 'sales'", "service_level.offered@30s", "5m"),
        "alerts[0].kpi: no `also` makes a service level `offered@30s`; write also = [\"offered@30s\"] in \
         [service_level] or the queue",
    );
    check(
        &rule("", "service_level.offered@20s", "5m"),
        "alerts[0].kpi: no `also` makes a service level `offered@20s`; did you mean `offered@30s`?",
    );
    check(
        &rule("id = 'chat'", "service_level", "5m"),
        "alerts[0].window: by the formula `waiting_now` service level has a value in `now` alone; write window = \
         \"now\", or add another formula to `also`",
    );
}

#[test]
fn a_trigger_is_a_value_that_there_can_be() {
    let share = "kpi = 'abandonment_rate', window = '30m'";
    check_rule(&format!("{share}, trigger = 10"), "trigger: 10 is no share; give 0 to 1, such as 0.1 for 10 %");
    check_rule(
        &format!("{share}, trigger = 0.1, clear = 7"),
        "clear: 7 is no share; give 0 to 1, such as 0.07 for 7 %",
    );
    check_rule(
        &format!("{share}, trigger = -0.1"),
        "trigger: -0.1 is less than 0, which no number is; give what is meant",
    );
    check_rule(
        &format!("{share}, trigger = 1"),
        "trigger: no share is above 1, so that it never fires; give less, such as 0.1 for 10 %",
    );
    check_rule(
        "kpi = 'agents_available', window = 'now', trigger = 0",
        "trigger: nothing is below 0, so that it never fires; write more, such as 1 to fire when there are none",
    );
    check_rule(&format!("{share}, trigger = '10 %'"), "trigger: expected a number, found text");
    check_rule(share, "trigger: is missing; write the value beyond which it fires");
    check_rule("trigger = 1, kpi = 'waiting'", "window: is missing; write one such as \"now\" or \"30m\"");
    check_rule(
        "trigger = 1, window = 'now'",
        "kpi: is missing; name a number such as \"abandonment_rate\", or write `when`",
    );
}

/// Of a level's keys, those that are refused; every one of them at once.
#[track_caller]
pub fn check_keys(keys: &str, refused: &[&str]) {
    let faults = read(&format!("alerts = [{{ name = 'a', {keys} }}]")).expect_err(keys);
    let found: std::collections::BTreeSet<&str> =
        faults.iter().map(|fault| fault.place.strip_prefix("alerts[0].").expect("of the rule")).collect();
    assert_eq!(found, refused.iter().copied().collect(), "{}", told(&faults));
    assert_eq!(faults.len(), refused.len(), "each once: {}", told(&faults));
}

#[test]
fn a_wrong_window_hides_no_other_fault() {
    check_keys("kpi = 'abandonment_rate', window = '31m', trigger = 10, clear = 7", &["window", "trigger", "clear"]);
    check_keys("kpi = 'abandonment_rate', window = 'now', trigger = 10", &["window", "trigger"]);
    check_keys("kpi = 'abandonment_rate', trigger = 10", &["window", "trigger"]);
    check_keys("kpi = 'abandonment_rate', window = '31m', clear = 7", &["window", "trigger", "clear"]);
    check_keys("kpi = 'wait_p90', window = '31m', trigger = -1", &["window", "trigger"]);
    check_keys("kpi = 'waiting', window = '30m', trigger = 1, min_volume = 5", &["window", "min_volume"]);
    check_keys("of.kind = 'agent', kpi = 'answer_rate', window = '31m', trigger = 1", &["window", "kpi"]);
    check_keys("kpi = 'answer_rat', trigger = 10", &["window", "kpi"]);
    check_keys(
        "burn = 'abandonment_rate', windows = ['5m', '30m'], trigger = 50, clear = 60, interval = 'per_2h'",
        &["windows", "burn", "trigger", "clear", "interval"],
    );
    check_keys("burn = 'service_level', windows = ['5m', '1h'], clear = -1", &["windows", "trigger", "clear"]);
    check_keys(
        "forecast = 'service_level', window = '31m', trigger = 10, clear = 7, interval = 'per_2h'",
        &["window", "within", "trigger", "clear", "interval"],
    );
    check_keys(
        "unusual = 'calls_offred', window = '30m', trigger = -1, weeks = 3, weeks_min = 4",
        &["window", "unusual", "trigger", "weeks_min"],
    );
}

#[test]
fn conditions_stand_within_each_other() {
    let on = |kpi: &str| format!("{{ kpi = '{kpi}', window = 'now', trigger = 3 }}");
    let (waiting, agents) = (on("waiting"), on("agents_available"));
    let rule = rule(&format!("when = {{ all = [{waiting}, {{ not = {{ any = [{agents}, {waiting}] }} }}] }}"));
    let Condition::All(all) = &rule.when else { panic!("{:?}", rule.when) };
    assert!(matches!(&all[1], Condition::Not(any) if matches!(any.as_ref(), Condition::Any(of) if of.len() == 2)));
    let kpis: Vec<&str> = rule.when.levels().iter().map(|level| level.kpi.as_str()).collect();
    assert_eq!(kpis, ["waiting", "agents_available", "waiting"]);

    check_rule(&format!("kpi = 'waiting', when = {waiting}"), "when: stands beside `kpi`; keep one of them");
    check_rule("when = { all = [] }", "when.all: is empty; list conditions in it");
    check_rule(
        &format!("when = {{ all = [{waiting}, {{ any = [] }}] }}"),
        "when.all[1].any: is empty; list conditions in it",
    );
    let nothing = "holds no condition; write `kpi`, `window` and `trigger`, or `all`, `any` or `not` of such";
    check_rule("when = {}", &format!("when: {nothing}"));
    check_rule("when = { not = {} }", &format!("when.not: {nothing}"));
    check_rule(
        &format!("when = {{ all = [{waiting}], any = [{agents}] }}"),
        "when: holds `all` and `any`; put both into a list, all = [...] or any = [...]",
    );
    check_rule(
        &format!("when = {{ all = [{waiting}], trigger = 5 }}"),
        "when.trigger: stands beside `all`, which has levels of its own; move it there",
    );
    check_rule(
        "when = { any = [{ kpi = 'waitin', window = 'now', trigger = 3 }] }",
        "when.any[0].kpi: `waitin` is no number of kind `queue`; did you mean `waiting`?",
    );
    check_rule("when = { all = 5 }", "when.all: expected a list in brackets, found a whole number");
    check_rule("when = { ani = [] }", "when.ani: unknown key; did you mean `any`?");
}

#[test]
fn a_rule_picks_what_there_is() {
    const AROUND: &str = "queues.a.labels = ['vip', 'german']\nqueues.b.labels = ['vip']\nagents.ana.aliases = ['1127']\n\
                          teams.front = { queues = ['b', 'c'], members = [{ agent = '1127' }] }\nteams.back.queues = ['d']\n";
    let text = |of: &str, kpi: &str| {
        format!("{AROUND}alerts = [{{ name = 'a', of = {{ {of} }}, kpi = '{kpi}', window = 'per_1h', trigger = 0.5 }}]")
    };
    let among = |of: &str| settings(&text(of, "occupancy")).alerts[0].of.among.clone().unwrap_or_default();
    assert_eq!(among("label = 'vip'"), ["a", "b"]);
    assert_eq!(among("team = 'front'"), ["b", "c"]);
    assert_eq!(among("team = 'front', label = 'vip'"), ["b"]);
    assert_eq!(among("team = 'front', kind = 'agent'"), ["ana"]);
    #[track_caller]
    fn refused(text: &str, fault: &str) {
        check(text, &format!("alerts[0].of{fault}"));
    }
    let text = |of: &str| text(of, "average_handle_time");
    refused(&text("team = 'frnt'"), ".team: there is no team `frnt`; did you mean `front`?");
    refused(&text("label = 'vp'"), ".label: no queue has the label `vp`; did you mean `vip`?");
    refused(&text("team = 'front', label = 'german'"), ": nothing is of all of that; ask for less");
    refused(&text("team = 'front', id = 'a*'"), ": nothing is of all of that; ask for less");
    refused(
        &text("team = 'back', kind = 'agent'"),
        ".team: team `back` lists no `members`; list some or pick them by `id`",
    );
    refused(
        &text("team = 'back', kind = 'tenant'"),
        ".team: picks queues or agents, and this is of kind `tenant`; write `id`",
    );
    refused(
        &text("label = 'vip', kind = 'agent'"),
        ".label: labels are of queues, and this is of kind `agent`; write `id`",
    );
    refused(&text("id = 'frnt', kind = 'team'"), ".id: there is no team `frnt`; did you mean `front`?");
    refused(&text("id = '1127', kind = 'agent'"), ".id: `1127` is another name of agent `ana`; write that");
    refused(
        &text("kind = 'queue_agent'"),
        ".kind: agents within queues are not counted; set `windows.queue_agent = true`",
    );
    refused(&text("kind = 'queues'"), ".kind: unknown `queues`; did you mean `queue`?");
    check_rule(
        "of.label = 'vip', kpi = 'waiting', window = 'now', trigger = 1",
        "of.label: no queue has the label `vip`; give it to some as [queues.NAME] labels",
    );
}

#[test]
fn the_texts_of_a_rule_name_what_can_be_filled_in() {
    let with = |key: &str, text: &str| format!("kpi = 'waiting', window = 'now', trigger = 1, {key} = '{text}'");
    check_rule(&with("title", "{valu} in {entity}"), "title: there is no {valu} to fill in; did you mean {value}?");
    check_rule(&with("text", "{entity"), "text: `{` is never closed; write such as {entity} or {value}");
    check_rule(
        &with("panel_url", "https://x/{}"),
        "panel_url: there is no {} to fill in; known are `rule`, `severity`, `tenant`, `entity`, `id`, `kind`, `kpi`, \
         `window`, `value`, `numerator`, `denominator`, `side`, `trigger`, `clear` and `basis`",
    );
    check_rule(
        &with("runbook_url", "wiki"),
        "runbook_url: `wiki` is no address of a page; write it with https:// or http://",
    );
    assert_eq!(rule(&with("title", "{value} {id}")).title.as_deref(), Some("{value} {id}"));
}

#[test]
fn each_rule_has_a_name_of_its_own() {
    let rule = |name: &str| format!("[[alerts]]\nname = '{name}'\nkpi = 'waiting'\nwindow = 'now'\ntrigger = 1\n");
    check(
        &[rule("a"), rule("b"), rule("a")].concat(),
        "alerts[2].name: `a` is the name of `alerts[0]` already; each rule needs its own",
    );
    check(&rule("watchdog"), "alerts[0].name: `watchdog` is an alert of the program's own; choose another name");
    check(
        "alerts = [{ kpi = 'waiting', window = 'now', trigger = 1 }]",
        "alerts[0].name: is missing; write text in quotes",
    );
    check_rule("kpi = 'waiting', window = 'now', trigger = 1, for = '8d'", "for: `8d` is too long; the most is \"7d\"");
    check_rule(
        "kpi = 'waiting', window = 'now', trigger = 1, severity = 'crit'",
        "severity: unknown `crit`; known are `info`, `warning` and `critical`",
    );
    check(
        "topics.alerts = 'acd.kpis'",
        "topics.alerts: `acd.kpis` is the topic of `topics.kpis` too; each needs its own",
    );
}

#[test]
fn hours_are_written_out_or_those_of_a_calendar() {
    const AROUND: &str = "calendars.office = { hours = 'mon-fri 08:00-20:00', closed = [2026-12-25, '01-01'] }\n";
    let text = |hours: &str| {
        format!(
            "{AROUND}alerts = [{{ name = 'a', kpi = 'waiting', window = 'now', trigger = 1, hours = '{hours}' }}]\n\
             queues.sales.hours = 'office'\nsources = [{{ topic = 'a', silent_after = '5m', hours = '{hours}' }}]"
        )
    };
    let settings = settings(&text("office"));
    let office = settings.alerts[0].hours.clone().expect("hours");
    assert_eq!((&office.week[0], &office.week[5]), (&vec![(480, 1200)], &Vec::new()));
    assert_eq!((office.closed.len(), office.closed_yearly.as_slice()), (1, &[(1, 1)][..]));
    assert_eq!((settings.queue_hours.get("sales"), settings.sources[0].hours.as_ref()), (Some(&office), Some(&office)));
    let faults = read(&text("ofice")).unwrap_err();
    assert_eq!(
        told(&faults),
        "alerts[0].hours: there is no calendar `ofice`; did you mean `office`?\n\
         sources[0].hours: there is no calendar `ofice`; did you mean `office`?\n"
    );
    check(
        "queues.a.hours = 'office'",
        "queues.a.hours: there is no calendar `office`; write hours such as \"mon-fri 08:00-20:00\", or a [calendars.NAME]",
    );
    check(
        "queues.a.hours = 'mo 8-18'",
        "queues.a.hours: `mo` is no day; write `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun` and `daily`",
    );
    check("calendars.a = {}", "calendars.a.hours: is missing; write hours such as \"mon-fri 08:00-20:00\"");
    check(
        "calendars.a = { hours = 'daily 08:00-20:00', closed = ['25.12.'] }",
        "calendars.a.closed[0]: `25.12.` is no day; write such as \"2026-12-25\", or \"12-25\" for every year",
    );
    check(
        "sources = [{ topic = 'a', silent_after = '7h', hours = 'mon-fri 08:00-12:00 13:00-20:00' }]",
        "sources[0].silent_after: no stretch of its `hours` is longer than \"7h\", so that it is never silent; give less \
         than that",
    );
    let warnings = read("sources = [{ topic = 'a', hours = 'daily 08:00-12:00' }]").unwrap().warnings;
    assert_eq!(warnings, ["sources[0].hours: has no effect without `silent_after`"]);
}

/// Records of the manual's rules, firing and resolved, with numbers and without.
#[test]
fn the_rules_of_the_manual_make_records_of_the_schema() {
    let schema = callpulse::alert::schema::record();
    let rules = settings(&text_of(&Value::Table(manual_in_use()))).alerts;
    assert!(rules.iter().any(|rule| rule.when.levels().len() == 2) && 4 <= rules.len());
    let since = EventTime::parse("2026-03-02T10:00:05Z").unwrap();
    let clear = |why| Some(since).filter(|_| why == Why::Cleared);
    let resolves = |why| Transition::Resolves { since, clear: clear(why), why };
    let reading = Reading { value: Some(0.123), numerator: Some(37), denominator: Some(301), ..Reading::default() };
    for rule in rules.iter() {
        let entity = Entity { tenant: "default".into(), kind: rule.of.kind, id: "sales".into(), channel: None };
        let steps = [Transition::Fires { since }].into_iter().chain(Why::ALL.map(resolves));
        for (step, reading) in steps.flat_map(|step| [(step, Some(reading)), (step, None)]) {
            let of_level = |level: &&Level| reading.map(|reading| Reading { basis: basis(level), ..reading });
            let readings: Vec<Option<Reading>> = rule.when.levels().iter().map(of_level).collect();
            let subject = Subject::of(&entity, Some("Sales"));
            let told = Told { rule, subject, step, readings: &readings, at: since, as_of: since, version: 7 };
            let record = AlertRecord::of(told);
            assert!(!format!("{}{}{:?}", record.title, record.text, record.panel_url).contains('{'), "{record:?}");
            let mut record = serde_json::to_value(record).unwrap();
            assert!(schemas::knows(&schema, &record), "{record:#}");
            for field in ["alert_id", "levels", "value", "severity"] {
                let removed = record.as_object_mut().unwrap().remove(field).expect(field);
                assert!(!schemas::accepts(&schema, &record), "without {field}");
                record[field] = removed;
            }
            record["reason"] = "whatever".into();
            assert!(!schemas::accepts(&schema, &record));
        }
    }
    let entity = Entity { tenant: "default".into(), kind: Kind::Queue, id: "sales".into(), channel: None };
    let readings = [Some(reading)];
    let step = Transition::Fires { since };
    let subject = Subject::of(&entity, Some("Sales"));
    let told = Told { rule: &rules[0], subject, step, readings: &readings, at: since, as_of: since, version: 7 };
    let record = AlertRecord::of(told);
    assert_eq!(record.title, "12.3 % of the callers of Sales gave up");
    assert_eq!(record.text, "37 of 301 in 30m; fires above 10 %, clears at 7 %.");
    assert_eq!(record.panel_url.as_deref(), Some("https://grafana.example.com/d/callpulse-queue?var-queue=sales"));
}

/// Rules of whatever, with what is nearly right more often than chance would have it.
fn rules() -> impl Strategy<Value = String> {
    let text = |words: Vec<&'static str>| prop_oneof![3 => prop::sample::select(words).prop_map(str::to_owned), 1 => "\\PC{0,8}"];
    let number =
        prop::sample::select(vec!["0", "1", "0.5", "-1", "100", "nan", "inf", "1e300", "'x'", "9223372036854775807"]);
    let kpi = text(vec![
        "abandonment_rate",
        "service_level",
        "service_level.offered",
        "longest_wait",
        "waiting",
        "agents_available",
        "agents_",
        "calls_offered",
        "occupancy",
        "utilization",
        "expected_wait",
        "service_level.",
    ]);
    let window = text(vec!["now", "total", "30m", "per_1d", "per_1w"]);
    let level = (kpi, window, number.clone(), prop::option::of(number)).prop_map(|(kpi, window, trigger, clear)| {
        let clear = clear.map_or(String::new(), |clear| format!(", clear = {clear}"));
        format!("kpi = {kpi:?}, window = {window:?}, trigger = {trigger}{clear}")
    });
    let windows = text(vec!["5m", "30m", "1h", "now"]);
    let number = prop::sample::select(vec!["0", "1", "0.5", "-1", "3", "4.99", "1e300", "'x'"]);
    let burn = (
        text(vec!["service_level", "abandonment_rate"]),
        windows.clone(),
        windows,
        prop::option::of(number.clone()),
        number.clone(),
    )
        .prop_map(|(kpi, long, short, target, trigger)| {
            let target = target.map_or(String::new(), |target| format!(", target = {target}"));
            format!("burn = {kpi:?}, windows = [{long:?}, {short:?}], trigger = {trigger}{target}")
        });
    let weeks = prop::sample::select(vec!["0", "1", "4", "13", "14"]);
    let unusual = (
        text(vec!["calls_offered", "service_level", "occupancy"]),
        text(vec!["per_1h", "30m", "per_1w"]),
        weeks,
        number,
    )
        .prop_map(|(kpi, window, weeks, trigger)| {
            format!("unusual = {kpi:?}, window = {window:?}, weeks = {weeks}, trigger = {trigger}")
        });
    let level = prop_oneof![3 => level, 1 => burn, 1 => unusual];
    let when = level.clone().prop_map(|level| format!("{{ {level} }}")).prop_recursive(4, 12, 3, |below| {
        (prop::sample::select(vec!["all", "any", "not"]), prop::collection::vec(below, 0..3)).prop_map(|(of, below)| {
            let not = below.first().cloned().unwrap_or_else(|| "{}".to_owned());
            if of == "not" { format!("{{ not = {not} }}") } else { format!("{{ {of} = [{}] }}", below.join(", ")) }
        })
    });
    let condition = prop_oneof![level, when.prop_map(|when| format!("when = {when}"))];
    let of = (
        prop::sample::select(vec!["queue", "agent", "team", "tenant", "queue_agent", "x"]),
        text(vec!["*", "sales", "s*s", "**", ""]),
        prop::option::of(text(vec!["front", "back"])),
        prop::option::of(text(vec!["vip"])),
    );
    let of = of.prop_map(|(kind, id, team, label)| {
        let named = |key: &str, text: Option<String>| text.map_or(String::new(), |text| format!(", {key} = {text:?}"));
        format!("of = {{ kind = '{kind}', id = {id:?}{}{} }}", named("team", team), named("label", label))
    });
    let words = text(vec!["{entity}", "{", "}", "{}", "{valu}", "{{value}}", "mon 08:00-09:00", "office", "ő{ő}"]);
    (condition, prop::option::of(of), words.clone(), words).prop_map(|(condition, of, title, hours)| {
        let of = of.map_or(String::new(), |of| format!("{of}, "));
        format!(
            "queues.sales.labels = ['vip']\nteams.front = {{ queues = ['sales'], members = [{{ agent = 'ana' }}] }}\n\
             alerts = [{{ name = 'a', {of}{condition}, title = {title:?}, hours = {hours:?} }}]"
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// What is taken has levels that can be looked at, and whatever is not is told.
    #[test]
    fn no_rule_makes_it_panic(text in rules()) {
        match read(&text) {
            Err(faults) => prop_assert!(!faults.is_empty()),
            Ok(loaded) => {
                let levels = loaded.settings.alerts[0].when.levels();
                prop_assert!(!levels.is_empty());
                for level in levels {
                    prop_assert!(0.0 <= level.trigger && level.trigger.is_finite() && level.clear.is_finite());
                    let (low, high) = match level.is_above {
                        true => (level.clear, level.trigger),
                        false => (level.trigger, level.clear),
                    };
                    prop_assert!(low <= high);
                }
            }
        }
    }
}
