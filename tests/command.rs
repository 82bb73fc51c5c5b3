//! `callpulse decode`, as a program: what it prints is what `replay` reads.

#[path = "support/samples.rs"]
#[expect(dead_code, reason = "records are read by the program here")]
mod samples;
#[path = "support/told.rs"]
#[expect(dead_code, reason = "what is told is printed here")]
mod told;

use callpulse::decode::format::{Encoding, Format};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs the program, with these bytes on its standard input.
fn callpulse(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callpulse"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // Who reads no input closes it, which is no fault.
    let _ = child.stdin.take().expect("its standard input").write_all(input);
    child.wait_with_output().expect("the program ends")
}

/// The summary without the seconds it took.
fn told(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().map(|line| match line.strip_prefix("events: ") {
        Some(_) => line.rsplit_once(';').map_or(line, |(before, _)| before),
        None => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

/// The program reads a file, and what it decoded of it, as the same.
fn check(encoding: Encoding, file: &str, config: Option<&str>) {
    let word = encoding.word();
    let settings = config.map_or(vec![], |path| vec!["--config", path]);
    let run = |arguments: &[&str], input: &[u8]| {
        let output = callpulse(&[arguments, settings.as_slice()].concat(), input);
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let decoded = run(&["decode", "--format", &word, file], b"");
    let replayed = run(&["replay", "--output", "json", "--format", &word, file], b"");
    let again = run(&["replay", "--output", "json", "--format", "json", "-"], &decoded.stdout);
    assert!(replayed.stdout == again.stdout, "{file} and what it decodes to come to different records");
    let rejects = |output: &Output| -> Vec<String> {
        told(output)
            .lines()
            .filter(|line| line.starts_with("rejected ") || line.contains("set aside"))
            .map(String::from)
            .collect()
    };
    assert_eq!(rejects(&decoded), rejects(&replayed), "{file}");
    assert_eq!(rejects(&again), [""; 0], "{file}");
}

/// A file for the time of a test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Scratch {
        Scratch::named(&format!("callpulse-{}-{name}", std::process::id()), bytes)
    }

    fn named(name: &str, bytes: &[u8]) -> Scratch {
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).expect("a file can be written");
        Scratch(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path of text")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn what_is_decoded_comes_to_the_same_records() {
    let text = |path: &Path| path.to_str().expect("a path of text").to_owned();
    for encoding in Encoding::all() {
        for sample in samples::samples(encoding) {
            check(encoding, &text(&sample), samples::settings_file(&sample).as_deref().map(text).as_deref());
        }
    }
    let simulated = callpulse(&["simulate", "--calls", "300", "--repeats", "50", "--disorder", "4000"], b"");
    let events = Scratch::new("events.jsonl", &simulated.stdout);
    check(Format::Json.into(), events.path(), None);
}

#[test]
fn each_line_names_its_file_and_rejects_go_to_standard_error() {
    let rows = "call_id,date,daily_caller,call_started,call_answered,call_ended,wait_length,service_length,meets_standard\n\
                1,1/1/2021,1,8:00:00 AM,8:00:00 AM,8:14:22 AM,0,863,TRUE\n\
                2,1/1/2021,1,8:00:00 AM\n";
    let file = Scratch::new("rows.csv", rows.as_bytes());
    let settings = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/formats/csv/clocks.toml");
    let decoded = callpulse(&["decode", "--format", "csv", "--config", settings, file.path(), "-"], b"");
    assert_eq!(decoded.status.code(), Some(0));
    let name = file.0.file_name().and_then(|name| name.to_str()).expect("a name of text");
    let lines: Vec<&str> = std::str::from_utf8(&decoded.stdout).expect("text").lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.contains(&format!("\"source\":\"{name}\""))), "{lines:?}");
    assert_eq!(
        told(&decoded),
        format!(
            "rejected {name}:3: malformed_text: row has 4 cells and csv.columns names 9; name all columns in order, and \
             see that csv.delimiter is right\n\
             events: 3 read, 3 accepted, 0 repeated, 1 rejected (malformed_text 1)\n\
             1 events of unknown types were set aside: header\n"
        )
    );
}

/// A call enters, and leaves and enters again in the second in which the log is rotated; then the system restarts.
#[test]
fn the_files_of_a_rotated_log_are_one_log_however_they_are_named() {
    let log = format!("rotated-{}", std::process::id());
    let parts = [
        (".2", "1772438400|c.1|sales|NONE|ENTERQUEUE||101|1\n1772438430|c.1|sales|NONE|EXITWITHTIMEOUT|1|1|30\n"),
        (".1", "1772438430|c.1|sales|NONE|ENTERQUEUE||101|2\n"),
        ("", "1772438490|NONE|NONE|NONE|QUEUESTART|\n1772442000|NONE|NONE|ana|AGENTLOGIN|SIP/101\nnothing\n"),
    ];
    let files = parts.map(|(ending, rows)| Scratch::named(&format!("{log}{ending}"), rows.as_bytes()));
    let run = |command: &[&str], order: [usize; 3]| {
        let named = order.map(|at| files[at].path());
        let output = callpulse(&[command, ["--format", "queue_log"].as_slice(), named.as_slice()].concat(), b"");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let decoded = run(&["decode"], [0, 1, 2]);
    let lines: Vec<&str> = std::str::from_utf8(&decoded.stdout).expect("text").lines().collect();
    assert_eq!(lines.len(), 5);
    for (seq, line) in [2, 4, 6, 8, 10].into_iter().zip(lines) {
        assert!(line.contains(&format!("\"seq\":{seq},\"source\":\"{log}\"")), "{line}");
    }
    // A file's own place is told of what is refused.
    assert!(told(&decoded).starts_with(&format!("rejected {log}:3: malformed_text")), "{}", told(&decoded));
    let replay = ["replay", "--output", "json", "--entity", "queue:sales", "--window", "total"];
    let replayed = run(&replay, [0, 1, 2]);
    let record = std::str::from_utf8(&replayed.stdout).expect("text");
    for part in ["\"offered\":2", "\"waiting\":0", "\"timeout\":1", "\"system\":1", "\"wait_flowed_out\":90000"] {
        assert!(record.contains(part), "{part}: {record}");
    }
    for order in [[2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        assert!(run(&["decode"], order).stdout == decoded.stdout, "{order:?}");
        assert!(run(&replay, order).stdout == replayed.stdout, "{order:?}");
    }
}

#[test]
fn a_format_that_is_unknown_or_lacks_its_settings_is_told_at_once() {
    let no_columns = callpulse(&["decode", "--format", "csv", "-"], b"");
    assert_eq!(
        (no_columns.status.code(), told(&no_columns).as_str()),
        (Some(2), "callpulse: --format: `csv` needs to know what the columns mean; name them in [csv] columns\n")
    );
    let unknown = callpulse(&["replay", "--format", "cvs", "-"], b"");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(told(&unknown).contains("unknown format `cvs`; did you mean `csv`?"), "{}", told(&unknown));
}

#[test]
fn a_closed_standard_error_stops_nothing() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callpulse"));
    command.args(["replay", "--format", "json", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
    drop(child.stderr.take());
    child.stdin.take().expect("its standard input").write_all(b"{\n").expect("read");
    let ended = child.wait_with_output().expect("the program ends");
    assert_eq!(ended.status.code(), Some(0), "a reject and a summary that nobody reads");
}

#[test]
fn alerts_are_tried_on_past_events() {
    let events = [
        r#"{"type":"call.queued","time":"2026-03-02T09:00:00Z","call_id":"c1","queue":"sales"}"#,
        r#"{"type":"call.queued","time":"2026-03-02T09:00:10Z","call_id":"c2","queue":"sales"}"#,
        r#"{"type":"call.answered","time":"2026-03-02T09:00:30Z","call_id":"c1","agent":"ana"}"#,
        r#"{"type":"call.answered","time":"2026-03-02T09:01:00Z","call_id":"c2","agent":"bo"}"#,
        r#"{"type":"call.ended","time":"2026-03-02T09:05:00Z","call_id":"c2"}"#,
    ];
    let events = Scratch::new("alerts.jsonl", events.join("\n").as_bytes());
    let rule = "[[alerts]]\nname = \"busy\"\nkpi = \"waiting\"\nwindow = \"now\"\ntrigger = 1\nclear = 0\nkeep_firing_for = \"0s\"\n";
    let rules = Scratch::new("alerts.toml", rule.as_bytes());
    let test = ["alerts", "test", "--format", "json", events.path()];
    let with_rules = [test.as_slice(), &["--config", rules.path()]].concat();
    let table = callpulse(&[with_rules.as_slice(), &["--list"]].concat(), b"");
    assert_eq!(
        String::from_utf8_lossy(&table.stdout),
        "2026-03-02 09:00:00Z to 2026-03-02 09:05:00Z, 5m 0s\n\
         A page is one firing. It flaps if it fires again within an hour of resolving.\n\
         \n\
         rule  severity  entity       fired  flaps  pages a week  firing  longest\n\
         busy  warning   queue sales      1      0        2016.0     50s      50s\n\
         \n\
         rule  entity       fired                 resolved              lasted  why      peak\n\
         busy  queue sales  2026-03-02 09:00:10Z  2026-03-02 09:01:00Z  50s     cleared  2\n"
    );
    let json = callpulse(&[with_rules.as_slice(), &["--json", "--pages-a-week", "2500"]].concat(), b"");
    let found: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(found["rules"][0]["entities"][0]["periods"][0]["peak"], 2.0);
    assert_eq!(found["rules"][0]["suggestion"], serde_json::Value::Null);
    let why = found["rules"][0]["why_none"].as_str().expect("a sentence");
    assert!(why.contains("too short to suggest levels from"), "{why}");
    let no_rules = callpulse(&test, b"");
    assert_eq!(no_rules.status.code(), Some(2));
    assert!(told(&no_rules).contains("the settings have no rules to try"), "{}", told(&no_rules));
}

/// Ten calls a day for nine days, one by one, and three at once on three days; the year is 2026.
fn nine_days() -> Vec<String> {
    let mut events = Vec::new();
    for (day, place) in (1..10).flat_map(|day| (0..10).map(move |place| (day, place))) {
        for call in 0..if day % 3 == 0 && place == 5 { 3 } else { 1 } {
            let steps = [
                ("00", "call.queued", "queue", "sales"),
                ("30", "call.answered", "agent", "ana"),
                ("50", "call.ended", "by", "caller"),
            ];
            events.extend(steps.map(|(second, kind, key, value)| {
                format!(
                    r#"{{"type":"{kind}","time":"2026-03-0{day}T1{place}:00:{second}Z","call_id":"{day}-{place}-{call}","{key}":"{value}"}}"#
                )
            }));
        }
    }
    events
}

#[test]
fn levels_are_suggested_from_enough_and_time_without_events_is_no_past() {
    let rule = "[[alerts]]\nname = \"busy\"\nkpi = \"waiting\"\nwindow = \"now\"\ntrigger = 0\n";
    let rules = Scratch::new("nine.toml", rule.as_bytes());
    let of = |events: &[String]| {
        let file = Scratch::new("nine.jsonl", events.join("\n").as_bytes());
        let test = ["alerts", "test", "--format", "json", file.path(), "--config", rules.path()];
        let output = callpulse(&[test.as_slice(), &["--json", "--pages-a-week", "3"]].concat(), b"");
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        (serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON"), told(&output))
    };
    let (found, said) = of(&nine_days());
    let suggestion = &found["rules"][0]["suggestion"];
    assert_eq!((suggestion["trigger"].as_f64(), suggestion["sum"]["fired"].as_i64()), (Some(1.0), Some(3)), "{found}");
    assert!(!said.contains("no event for"), "{said}");
    let pages = |found: &serde_json::Value| found["rules"][0]["sum"]["pages_a_week"].as_f64().expect("a number");

    let mut wrong = nine_days();
    wrong.push(wrong[0].replace("2026-", "2019-").replace("1-0-0", "old"));
    let (with_wrong, said) = of(&wrong);
    assert!((pages(&with_wrong) - pages(&found)).abs() < 1.0, "{with_wrong}");
    assert!(said.contains("the only event before it (at 2019-03-01 10:00:00Z)"), "{said}");

    // What is said to be in the future belongs to no past, nor does the time until then.
    let mut wrong = nine_days();
    wrong.push(wrong[0].replace("2026-", "9026-").replace("1-0-0", "new"));
    let (with_wrong, said) = of(&wrong);
    assert_eq!(pages(&with_wrong), pages(&found), "{with_wrong}");
    assert!(with_wrong["gaps"] == serde_json::json!([]) && !said.contains("no event for"), "{said}");

    let (thin, _) = of(&nine_days().into_iter().step_by(9).collect::<Vec<_>>());
    let why = thin["rules"][0]["why_none"].as_str().expect("a sentence");
    assert!(why.contains("too little to suggest levels from"), "{why}");

    let (nothing, _) = of(&[]);
    assert_eq!((&nothing["from"], &nothing["until"]), (&serde_json::Value::Null, &serde_json::Value::Null));
}
