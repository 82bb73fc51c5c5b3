//! The house: who may use whom, what the pure part does not know, and what is written from the code.

use std::path::{Path, PathBuf};

/// Modules that know no Kafka, no runtime and no clock.
const PURE: [&str; 12] = [
    "time",
    "calendar",
    "event",
    "entity",
    "histogram",
    "fact",
    "fingerprint",
    "decode",
    "life",
    "tally",
    "kpi",
    "alert",
];

/// What they do not name.
const OUTSIDE: [&str; 8] =
    ["tokio", "rdkafka", "SystemTime", "Instant", "std::time", "metrics::", "tracing", "std::thread"];

#[test]
fn a_module_uses_only_those_above_it() {
    let modules = modules();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(own) = module(&path) else { continue };
        let place = modules.iter().position(|module| *module == own).unwrap_or_else(|| panic!("lib.rs lacks {own}"));
        for (line, used) in uses(&text) {
            let above = modules.iter().position(|module| *module == used);
            if above.is_none_or(|above| place < above) {
                wrong.push(format!("{}:{line} uses {used}, which is not above {own}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_part_knows_no_kafka_no_runtime_and_no_clock() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, text) in sources() {
        if !module(&path).is_some_and(|own| PURE.contains(&own.as_str())) {
            continue;
        }
        seen += 1;
        for (line, code) in code(&text) {
            for outside in OUTSIDE.iter().filter(|outside| code.contains(**outside)) {
                wrong.push(format!("{}:{line} names {outside}", path.display()));
            }
        }
    }
    assert!(30 < seen && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_with_what_it_is_and_stays_readable() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let first = text.lines().next().unwrap_or_default();
        if !first.starts_with("//! ") {
            wrong.push(format!("{} opens with: {first}", path.display()));
        }
        let lines = text.lines().count();
        if 900 < lines {
            wrong.push(format!("{} has {lines} lines; it probably has two subjects", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lists_of_modules_are_nothing_else() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if path.file_name().is_some_and(|name| name == "mod.rs" || name == "lib.rs") {
            for (line, code) in code(&text) {
                if !(code.starts_with("pub mod ") || code.starts_with("mod ")) {
                    wrong.push(format!("{}:{line}: {code}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_manual_of_the_kpis_is_what_the_catalogue_writes() {
    let path = root().join("docs/kpis.md");
    let written = callpulse::kpi::manual::markdown();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &written).expect("docs/kpis.md can be written");
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == written, "docs/kpis.md is not what the catalogue says; run UPDATE=1 cargo test --test house");
}

#[test]
fn the_schemas_are_what_the_code_says() {
    use callpulse::{alert, decode, kpi, stream::schema};
    let schemas = [
        ("event", decode::schema::event()),
        ("kpi", kpi::schema::record()),
        ("call", schema::call()),
        ("progress", schema::progress()),
        ("alert", alert::schema::record()),
        ("headers", schema::headers()),
        ("reject", schema::reject()),
    ];
    for (name, schema) in schemas {
        let path = root().join(format!("docs/schemas/{name}.json"));
        let written = format!("{}\n", serde_json::to_string_pretty(&schema).expect("JSON"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &written).expect("the schema can be written");
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text == written, "{} is not what the code says; run UPDATE=1 cargo test --test house", path.display());
    }
}

/// What `docs/asyncapi.yaml` says of each topic is how the program would make it, and every schema it names is there.
#[test]
fn the_asyncapi_document_tells_of_the_topics_as_they_are() {
    let text = std::fs::read_to_string(root().join("docs/asyncapi.yaml")).expect("docs/asyncapi.yaml");
    let settings = callpulse::config::read("", &std::collections::BTreeMap::new()).expect("the defaults").settings;
    let (own, others): (Vec<_>, Vec<_>) = callpulse::command::engine::topics(&settings)
        .into_iter()
        .partition(|topic| !topic.name.starts_with("callpulse."));
    assert_eq!((own.len(), others.len()), (6, 5));
    for topic in own {
        let policies = topic.config.get("cleanup.policy").map(|policies| policies.replace(',', ", "));
        let retention = topic.config.get("retention.ms").map(|ms| format!("          retention.ms: {ms}\n"));
        let configuration = policies.map_or(String::new(), |policies| {
            let retention = retention.unwrap_or_default();
            format!("        topicConfiguration:\n          cleanup.policy: [{policies}]\n{retention}")
        });
        let binding = format!(
            "        topic: {}\n        partitions: {}\n        replicas: {}\n{configuration}        bindingVersion",
            topic.name,
            topic.partitions.expect("a number"),
            settings.topics.replication_factor
        );
        assert!(text.contains(&format!("    address: {}\n", topic.name)) && text.contains(&binding), "no {binding}");
    }
    let names = text.split("'./schemas/").skip(1).map(|rest| rest.split('\'').next().unwrap_or_default());
    let names: std::collections::BTreeSet<&str> = names.collect();
    let there = std::fs::read_dir(root().join("docs/schemas")).expect("the schemas").flatten();
    let there: std::collections::BTreeSet<String> =
        there.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(names, there.iter().map(String::as_str).collect());
    for schema in
        [callpulse::kpi::record::SCHEMA, callpulse::stream::call_record::SCHEMA, callpulse::stream::progress::SCHEMA]
    {
        assert!(text.contains(&format!("      name: {schema}\n")), "no message {schema}");
    }
}

#[test]
fn the_statement_of_the_manual_for_subscribers_is_that_of_the_example() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).expect("a file");
    let example = read("docs/examples/archive.py");
    let (_, statement) = example.split_once("UPSERT = \"\"\"\n").expect("a statement");
    let statement = statement.split("\"\"\"").next().expect("its end");
    assert!(read("docs/subscribing.md").contains(&format!("```sql\n{statement}\n```\n")), "{statement}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let (mut folders, mut found) = (vec![root().join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).expect("source text");
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// The modules in the order of lib.rs.
fn modules() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).expect("lib.rs");
    let names = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.map(String::from).collect()
}

/// The module of lib.rs a file belongs to; none of lib.rs and main.rs.
fn module(path: &Path) -> Option<String> {
    let within = path.strip_prefix(root().join("src")).expect("below src");
    let first = within.iter().next()?.to_string_lossy().into_owned();
    let name = first.strip_suffix(".rs").unwrap_or(&first).to_string();
    (!["lib", "main"].contains(&name.as_str())).then_some(name)
}

/// Lines without comments, trimmed, with their numbers; the tests at a file's end are left out.
fn code(text: &str) -> Vec<(usize, &str)> {
    let lines = text.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    let bare = lines.map(|(place, line)| (place + 1, line.split("//").next().unwrap_or_default().trim()));
    bare.filter(|(_, line)| !line.is_empty()).collect()
}

/// Every `crate::module` named, with its line, in `use crate::{a, b}` too.
fn uses(text: &str) -> Vec<(usize, String)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (line, code) in code(text) {
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(list) => {
                    let names = list.split(['}', ',']).map(|name| name.trim().split("::").next().unwrap_or_default());
                    found.extend(
                        names
                            .filter(|name| !name.is_empty() && name.chars().all(is_word))
                            .map(|name| (line, name.to_string())),
                    );
                }
                None => found.push((line, rest.split(|c| !is_word(c)).next().unwrap_or_default().to_string())),
            }
        }
    }
    found
}

#[test]
fn an_arrow_the_other_way_is_seen() {
    let text = "use crate::kpi::record::Kpi;\nuse crate::{time::Span, stream};\n// crate::serve\n";
    let found: Vec<String> = uses(text).into_iter().map(|(_, used)| used).collect();
    assert_eq!(found, ["kpi", "time", "stream"]);
}
