//! The page as built: from these sources, in whole languages, and asking nobody outside.

use crate::node::{is_ready, web};
use callpulse::serve::wallboard::PAGE;
use serde_json::Value;
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

/// A text's key and the places in it.
fn texts(language: &str) -> BTreeMap<String, BTreeSet<String>> {
    let file = web().join("src/lang").join(language);
    let json: Value = serde_json::from_str(&fs::read_to_string(file).expect("a language")).expect("JSON");
    let texts = json.as_object().expect("an object").iter();
    let places = |text: &str| -> BTreeSet<String> {
        let opened = text.split('{').skip(1);
        opened.map(|rest| rest.split('}').next().unwrap_or_default().to_owned()).collect()
    };
    texts
        .map(|(key, text)| {
            let text = text.as_str().expect("a text");
            assert!(!text.trim().is_empty(), "{language} says nothing for {key}");
            (key.clone(), places(text))
        })
        .collect()
}

#[test]
fn every_language_has_every_text_with_its_places() {
    let english = texts("en.json");
    assert!(100 < english.len());
    for language in ["fa.json", "hu.json", "zh-CN.json"] {
        let have = texts(language);
        let lacks: Vec<_> = english.keys().filter(|key| !have.contains_key(*key)).collect();
        let extra: Vec<_> = have.keys().filter(|key| !english.contains_key(*key)).collect();
        assert!(lacks.is_empty() && extra.is_empty(), "{language} lacks {lacks:?} and has beyond it {extra:?}");
        for (key, places) in &english {
            assert_eq!(&have[key], places, "{language}: {key}");
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
