//! The page as built: from these sources, in whole languages, and asking nobody outside.

use crate::node::{is_ready, web};
use callpulse::alert::reading::PRESENT;
use callpulse::fact::Standing;
use callpulse::kpi::catalogue::{COUNTS, KPIS};
use callpulse::kpi::service_level::FORMULAS;
use callpulse::serve::wallboard::PAGE;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

#[test]
fn the_embedded_page_is_what_the_sources_make() {
    if !is_ready() {
        return;
    }
    let checked = Command::new("npm").args(["run", "--silent", "check"]).current_dir(web()).status().expect("npm");
    assert!(checked.success(), "the sources of web/ are faulty; the reason stands above");
    let built = std::env::temp_dir().join(format!("wallboard-{}.html", std::process::id()));
    let made = Command::new("node").arg("build.mjs").arg(&built).current_dir(web()).status().expect("node");
    assert!(made.success(), "web/build.mjs failed; the reason stands above");
    let text = fs::read_to_string(&built).expect("the built page");
    fs::remove_file(&built).expect("the built page to go");
    assert!(text == PAGE, "web/dist/wallboard.html is not what the sources make; run `npm run build` in web/");
}

const LANGUAGES: [&str; 4] = ["en.json", "fa.json", "hu.json", "zh-CN.json"];

/// The texts of a language.
fn said(language: &str) -> BTreeMap<String, String> {
    let file = web().join("src/lang").join(language);
    serde_json::from_str(&fs::read_to_string(file).expect("a language")).expect("texts by their keys")
}

/// A text's key and the places in it.
fn texts(language: &str) -> BTreeMap<String, BTreeSet<String>> {
    let places = |text: &str| -> BTreeSet<String> {
        let opened = text.split('{').skip(1);
        opened.map(|rest| rest.split('}').next().unwrap_or_default().to_owned()).collect()
    };
    said(language)
        .into_iter()
        .map(|(key, text)| {
            assert!(!text.trim().is_empty(), "{language} says nothing for {key}");
            (key, places(&text))
        })
        .collect()
}

#[test]
fn every_language_has_every_text_with_its_places() {
    let english = texts("en.json");
    assert!(100 < english.len());
    for language in &LANGUAGES[1..] {
        let have = texts(language);
        let lacks: Vec<_> = english.keys().filter(|key| !have.contains_key(*key)).collect();
        let extra: Vec<_> = have.keys().filter(|key| !english.contains_key(*key)).collect();
        assert!(lacks.is_empty() && extra.is_empty(), "{language} lacks {lacks:?} and has beyond it {extra:?}");
        for (key, places) in &english {
            assert_eq!(&have[key], places, "{language}: {key}");
        }
    }
}

/// The terms of a formula, as the page takes it apart (`web/src/formula.ts`).
fn terms(formula: &'static str) -> impl Iterator<Item = &'static str> {
    let between = formula.split(['(', ')']).flat_map(|part| part.split(" - ")).flat_map(|part| part.split(" + "));
    let terms = between.flat_map(|part| part.split(" * ")).flat_map(|part| part.split(" / ")).map(str::trim);
    terms.filter(|term| !term.bytes().all(|byte| byte.is_ascii_digit() || byte == b','))
}

/// What the catalogue has a text for, as [`said`] has the keys.
fn named() -> BTreeSet<String> {
    let kpis = KPIS.iter().map(|kpi| format!("kpi.{}", kpi.id));
    let counts = COUNTS.iter().filter(|count| count.wanted.is_some()).map(|count| format!("count.{}", count.name));
    let present = PRESENT.iter().map(|name| format!("count.{}", name.strip_prefix("agents_").unwrap_or(name)));
    let states = Standing::ALL.iter().map(|standing| format!("state.{}", standing.word()));
    let formulas = KPIS.iter().map(|kpi| kpi.formula).chain(FORMULAS.iter().map(|(_, text, _)| *text));
    let is_kpi = |term: &str| KPIS.iter().any(|kpi| kpi.id == term);
    let terms = formulas.flat_map(terms).filter(|term| !is_kpi(term)).map(|term| format!("term.{term}"));
    kpis.chain(counts).chain(present).chain(states).chain(terms).collect()
}

#[test]
fn every_language_names_what_the_catalogue_has() {
    let named = named();
    let english = said("en.json");
    for language in LANGUAGES {
        let said = said(language);
        let lacks: Vec<_> = named.iter().filter(|key| !said.contains_key(*key)).collect();
        assert!(lacks.is_empty(), "{language} lacks {lacks:?}");
        let left: Vec<_> = said.keys().filter(|key| key.starts_with("term.") && !named.contains(*key)).collect();
        assert!(left.is_empty(), "{language} has {left:?}, which stand in no formula");
        let mut kpis = BTreeMap::new();
        for key in &named {
            assert!(language == "en.json" || said[key] != english[key], "{language} has {key} in English");
            if key.starts_with("kpi.")
                && let Some(other) = kpis.insert(&said[key], key)
            {
                panic!("{language} calls {key} and {other} the same: {}", said[key]);
            }
        }
    }
}

#[test]
fn the_page_names_no_other_host_and_the_lock_file_no_registry() {
    let outside = PAGE.match_indices("://").filter(|(at, _)| {
        let after = &PAGE[at + 3..];
        // The names of XML's vocabularies, which nobody asks for anything.
        !after.starts_with("www.w3.org/")
    });
    let outside: Vec<&str> = outside.map(|(at, _)| PAGE[at..].get(..40).unwrap_or(&PAGE[at..])).collect();
    assert!(outside.is_empty(), "{outside:?}");
    let lock = fs::read_to_string(web().join("package-lock.json")).expect("the lock file");
    assert!(!lock.contains("\"resolved\"") && lock.contains("\"integrity\""));
}
