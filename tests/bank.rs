//! A real call centre: the Anonymous Bank's calls of 1999 against figures that others worked out.
//!
//! The data stand beside the repository and are no part of it; without them there is nothing to check,
//! and each test says so.

#[path = "support/bank.rs"]
mod bank;
#[path = "support/beside.rs"]
mod beside;

use bank::{MONTHS, file, month};
use callpulse::config;
use callpulse::decode::json;
use callpulse::event::Decoded;
use callpulse::kpi::record::KpiRecord;
use callpulse::replay::engine::Replay;
use callpulse::replay::filter::Filter;
use callpulse::time::EventTime;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

fn replay<'l>(lines: impl IntoIterator<Item = &'l str>, windows: &[&str]) -> Vec<KpiRecord> {
    let text = "[windows]\nsliding = [\"30m\"]\nintervals = [\"1h\", \"1d\"]\ntimezone = \"Asia/Jerusalem\"\n";
    let settings = config::read(text, &BTreeMap::new()).expect("settings").settings;
    let mut replay = Replay::new(Arc::new(settings.plan.clone()), EventTime(i64::MAX));
    for line in lines {
        match json::decode(line.as_bytes()) {
            Ok(Decoded::Event(event)) => replay.take(&event, "bank"),
            other => panic!("{line}: {other:?}"),
        };
    }
    let as_of = replay.latest().expect("there are events");
    let windows = windows.iter().map(ToString::to_string).collect();
    replay.settle(&settings.kpi, as_of).records(&Filter { entities: Vec::new(), windows }).collect()
}

fn place(record: &Value) -> String {
    let part = |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default().to_string();
    ["/tenant", "/entity/kind", "/entity/id", "/window/name", "/window/start"].map(part).join("|")
}

/// Everything expected is there: numbers are equal as numbers, what is not expected is not asked.
fn check(at: &str, expected: &Value, found: Option<&Value>, compared: &mut usize) {
    match expected {
        Value::Object(fields) => {
            for (name, expected) in fields {
                check(&format!("{at}/{name}"), expected, found.and_then(|found| found.get(name)), compared);
            }
        }
        Value::Number(expected) => {
            *compared += 1;
            assert_eq!(found.and_then(Value::as_f64), expected.as_f64(), "{at}");
        }
        Value::Null => assert!(found.is_none_or(Value::is_null), "{at}: {found:?}"),
        _ => assert_eq!(found, Some(expected), "{at}"),
    }
}

#[test]
fn january_is_what_an_independent_fold_makes_of_it() {
    let Some(january) = month("january") else { return };
    let records = replay(january.lines(), &["total", "per_1d"]);
    let found: HashMap<String, Value> = records
        .iter()
        .map(|record| serde_json::to_value(record).expect("JSON"))
        .map(|record| (place(&record), record))
        .collect();
    let expected =
        std::fs::read_to_string(file("expected-january.json").expect("beside the month")).expect("the figures");
    let expected: Vec<Value> = serde_json::from_str(&expected).expect("JSON");
    let mut compared = 0;
    for record in &expected {
        let place = place(record);
        check(&place, record, found.get(&place), &mut compared);
    }
    assert!(5_000 < compared, "only {compared} numbers of {} records", expected.len());
}

/// The table of EXPECTED.md: entity, six counts and sums, and the KPIs.
type Row = (&'static str, [i64; 6], [f64; 4], [f64; 4]);
const TABLE: [Row; 7] = [
    (
        "tenant default",
        [30161, 27060, 3101, 195, 947857000, 4964204000],
        [0.547354, 35.0280, 0.096977, 183.4517],
        [10.0, 114.0, 264.0, 1500.0],
    ),
    (
        "queue PS",
        [22033, 20374, 1659, 76, 658943000, 3911504000],
        [0.574395, 32.3423, 0.072095, 191.9851],
        [8.0, 104.0, 246.0, 1500.0],
    ),
    (
        "queue TT",
        [914, 852, 62, 5, 14295000, 61836000],
        [0.728273, 16.7782, 0.062706, 72.5775],
        [0.0, 69.0, 199.0, 358.0],
    ),
    (
        "queue PE",
        [156, 134, 22, 1, 6233000, 31209000],
        [0.477419, 46.5149, 0.135484, 232.9030],
        [19.0, 161.0, 379.0, 431.0],
    ),
    (
        "queue NW",
        [5233, 4017, 1216, 108, 189789000, 427670000],
        [0.410927, 47.2465, 0.216195, 106.4650],
        [23.0, 143.0, 300.0, 1090.0],
    ),
    (
        "queue NE",
        [1560, 1476, 84, 4, 62683000, 477301000],
        [0.551414, 42.4682, 0.051414, 323.3747],
        [11.0, 142.0, 317.0, 1150.0],
    ),
    (
        "queue IN",
        [265, 207, 58, 1, 15914000, 54684000],
        [0.340909, 76.8792, 0.215909, 264.1739],
        [51.0, 249.0, 498.0, 542.0],
    ),
];

#[test]
fn january_gives_the_published_table() {
    let Some(january) = month("january") else { return };
    let records = replay(january.lines(), &["total"]);
    for (name, numbers, means, waits) in TABLE {
        let is_it = |record: &&KpiRecord| format!("{} {}", record.entity.kind, record.entity.id) == name;
        let record = serde_json::to_value(records.iter().find(is_it).expect(name)).expect("JSON");
        let paths = [
            "counts/offered",
            "counts/answered",
            "counts/abandoned",
            "counts/short_abandoned",
            "sums_ms/wait_answered",
            "sums_ms/talk",
        ];
        for (path, number) in paths.iter().zip(numbers) {
            assert_eq!(record.pointer(&format!("/{path}")), Some(&Value::from(number)), "{name}: {path}");
        }
        let kpi = |id: &str| record["kpis"][id]["value"].as_f64().expect(id);
        let ids = ["service_level", "average_speed_of_answer", "abandonment_rate", "average_handle_time"];
        for (id, (value, digits)) in ids.iter().zip(means.into_iter().zip([1e6, 1e4, 1e6, 1e4])) {
            assert_eq!((kpi(id) * digits).round(), (value * digits).round(), "{name}: {id}");
        }
        for (id, value) in ["wait_p50", "wait_p90", "wait_p99", "longest_wait"].iter().zip(waits) {
            assert_eq!(kpi(id), value, "{name}: {id}");
        }
    }
    let arrived =
        records.iter().find(|record| record.entity.kind == "tenant").and_then(|record| record.counts.get("arrived"));
    assert_eq!(serde_json::to_value(arrived).expect("JSON"), Value::from(31_599));
}

#[test]
fn the_order_of_files_and_lines_told_twice_change_nothing() {
    let months: Option<Vec<String>> = MONTHS.into_iter().map(month).collect();
    let Some(months) = months else { return };
    let json = |records: Vec<KpiRecord>| -> Vec<String> {
        records.iter().map(|record| serde_json::to_string(record).expect("JSON")).collect()
    };
    let windows = ["total", "now", "30m", "per_1d"];
    let in_order = json(replay(months.iter().flat_map(|month| month.lines()), &windows));
    let backwards = months.iter().rev().flat_map(|month| month.lines().rev());
    let other_way = json(replay(backwards.flat_map(|line| [line, line]), &windows));
    assert!(in_order.len() == other_way.len() && 1_500 < in_order.len());
    for (one, other) in in_order.iter().zip(&other_way) {
        assert_eq!(one, other);
    }
}

#[test]
fn every_month_adds_up() {
    // Offered, answered, abandoned; the last are the rows of the table with a time in queue that end with HANG.
    let figures = [
        ("january", [30_161, 27_060, 3_101]),
        ("february", [31_125, 27_162, 3_963]),
        ("march", [36_451, 27_847, 8_604]),
        ("april", [29_277, 23_583, 5_694]),
        ("september", [29_633, 27_062, 2_571]),
    ];
    for (name, figures) in figures {
        let Some(lines) = month(name) else { return };
        let records = replay(lines.lines(), &["total"]);
        let tenant = records.iter().find(|record| record.entity.kind == "tenant").expect("the tenant");
        let counts = ["offered", "answered", "abandoned"]
            .map(|count| serde_json::to_value(tenant.counts.get(count)).expect("a count").as_i64().expect("a number"));
        assert_eq!(counts, figures, "{name}");
        assert_eq!(figures[0], figures[1] + figures[2], "{name}");
    }
}

#[test]
fn the_profile_of_the_week_counts_who_was_queued_in_each_hour() {
    let (Some(january), Some(february)) = (month("january"), month("february")) else { return };
    let months = [january, february].concat();
    let records = replay(months.lines(), &["total"]);
    let tenant = records.iter().find(|record| record.entity.kind == "tenant").expect("the tenant");
    let profile = tenant.profile.as_ref().expect("weeks are over");
    // The last events are of Sunday night, 1999-02-28. In winter the clock there is two hours ahead of UTC.
    assert_eq!(
        (profile.start.as_str(), profile.end.as_str()),
        ("1998-12-27T22:00:00.000Z", "1999-02-21T22:00:00.000Z")
    );
    assert_eq!(profile.weeks_seen, 8);
    let [start, end] = [&profile.start, &profile.end].map(|time| EventTime::parse(time).expect("a time").0);
    let mut queued = [[0; 24]; 7];
    for line in months.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let time = time(&event);
        if event["type"] == "call.queued" && start <= time && time < end {
            let hours = (time - start) / 3_600_000;
            queued[(hours / 24 % 7) as usize][(hours % 24) as usize] += 1;
        }
    }
    let days: Vec<&str> = profile.offered.iter().map(|(day, _)| day).collect();
    assert_eq!(days, ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]);
    let offered: Vec<[i64; 24]> = profile.offered.iter().map(|(_, hours)| *hours).collect();
    assert_eq!(offered, queued);
    assert!(queued[5].iter().sum::<i64>() < queued[6].iter().sum(), "a Saturday is quieter than a Sunday");
}

/// An event's time, epoch milliseconds.
fn time(event: &Value) -> i64 {
    match &event["time"] {
        Value::Number(millis) => millis.as_i64().expect("a time"),
        text => EventTime::parse(text.as_str().expect("a time")).expect("a time").0,
    }
}

#[test]
fn an_agent_handles_as_long_as_its_service_times_take_together() {
    for name in ["january", "february", "march", "april", "september"] {
        let Some(lines) = month(name) else { return };
        let mut service: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
        let mut open: HashMap<String, (String, i64)> = HashMap::new();
        for line in lines.lines() {
            let event: Value = serde_json::from_str(line).expect("JSON");
            let text = |field: &str| event[field].as_str().unwrap_or_default().to_string();
            let time = time(&event);
            match text("type").as_str() {
                "call.answered" => drop(open.insert(text("call_id"), (text("agent"), time))),
                "call.ended" => {
                    if let Some((agent, since)) = open.remove(&text("call_id")) {
                        service.entry(agent).or_default().push((since, time));
                    }
                }
                _ => {}
            }
        }
        assert!(open.is_empty() && 20 < service.len(), "{name}: {} agents", service.len());
        let mut compared = 0;
        for record in replay(lines.lines(), &["total"]).iter().filter(|record| record.entity.kind == "agent") {
            let mut spans = service.remove(&record.entity.id).unwrap_or_default();
            spans.sort_unstable();
            let (mut union, mut reached) = (0, i64::MIN);
            for (since, until) in spans {
                union += (until - since.max(reached)).max(0);
                reached = reached.max(until);
            }
            let sum = |name: &str| record.sums_ms.get(name).copied();
            assert_eq!(sum("handling"), Some(union), "{name}: {}", record.entity.id);
            // Nobody logs in there: an agent is there while it handles or a call rings.
            let ringing = sum("state_ringing").expect("a sum");
            assert_eq!(sum("login"), Some(union + ringing), "{name}: {}", record.entity.id);
            compared += 1;
        }
        assert!(20 < compared && service.is_empty(), "{name}: {compared} agents");
    }
}
