//! The rules of Grafana's dashboard linter that matter here, and some of our own.
//!
//! Left out: `template-job`, `target-job` and the like on dashboards of KPIs, whose queries add up over instances, and
//! whose names no other program has.

use crate::panels::TAG;
use crate::written;
use callpulse::kpi::catalogue::KPIS;
use serde_json::Value;
use std::collections::BTreeSet;

/// Units of Grafana that are used.
const UNITS: [&str; 10] = ["none", "short", "s", "percentunit", "bytes", "eps", "ops", "recps", "wps", "dthms"];

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// Every panel with its dashboard.
fn each_panel(mut check: impl FnMut(&Value, &Value)) {
    for dashboard in written() {
        list(&dashboard, "panels").iter().for_each(|panel| check(&dashboard, panel));
    }
}

#[test]
fn a_dashboard_cannot_be_edited_and_has_one_data_source_of_the_viewers_choice() {
    let mut uids = BTreeSet::new();
    for dashboard in written() {
        let title = text(&dashboard, "title");
        assert!(uids.insert(text(&dashboard, "uid").to_owned()) && text(&dashboard, "uid").len() <= 40);
        assert_eq!((&dashboard["editable"], &dashboard["schemaVersion"]), (&false.into(), &39.into()), "{title}");
        assert!(!text(&dashboard, "description").is_empty(), "{title}");
        let variables = list(&dashboard["templating"], "list");
        let sources: Vec<&Value> = variables.iter().filter(|variable| variable["type"] == "datasource").collect();
        assert_eq!(sources.len(), 1, "{title}");
        assert_eq!((text(sources[0], "name"), text(sources[0], "label")), ("datasource", "Data Source"));
        for variable in variables.iter().filter(|variable| variable["type"] == "query") {
            assert_eq!(variable["refresh"], 2, "{title}: found anew when the time changes");
            assert_eq!(text(&variable["datasource"], "uid"), "${datasource}");
            assert!(!text(variable, "label").is_empty() && !text(variable, "description").is_empty());
            let takes_all = variable["includeAll"] == true;
            assert_eq!(takes_all, variable["multi"] == true, "{title}");
            assert!(!takes_all || variable["allValue"] == ".+", "{title}");
        }
        let links = list(&dashboard, "links");
        assert!(links.iter().any(|link| list(link, "tags") == [TAG] && link["includeVars"] == true), "{title}");
    }
}

#[test]
fn a_panel_says_what_it_shows_in_which_unit_and_asks_the_data_source_chosen() {
    each_panel(|dashboard, panel| {
        let name = format!("{}: {}", text(dashboard, "title"), text(panel, "title"));
        assert!(!text(panel, "title").is_empty() && 20 <= text(panel, "description").len(), "{name}");
        assert_eq!(text(&panel["datasource"], "uid"), "${datasource}", "{name}");
        assert!(UNITS.contains(&text(&panel["fieldConfig"]["defaults"], "unit")), "{name}");
        assert!(!list(panel, "targets").is_empty(), "{name}");
        let ids: BTreeSet<&str> = list(panel, "targets").iter().map(|target| text(target, "refId")).collect();
        assert_eq!(ids.len(), list(panel, "targets").len(), "{name}");
        let right = panel["gridPos"]["x"].as_u64().unwrap() + panel["gridPos"]["w"].as_u64().unwrap();
        assert!(right <= 24, "{name}");
        for target in list(panel, "targets") {
            assert_eq!(text(&target["datasource"], "uid"), "${datasource}", "{name}");
        }
    });
}

/// Whether what has no value has a colour of its own, which is none.
fn is_unjudged(mappings: &Value) -> bool {
    let of_nothing = mappings.as_array().into_iter().flatten().find(|mapping| mapping["type"] == "special");
    of_nothing.is_some_and(|mapping| {
        let Value::Object(options) = &mapping["options"] else { return false };
        options["match"] == "null+nan" && ["transparent", "text"].contains(&text(&options["result"], "color"))
    })
}

#[test]
fn what_has_no_value_has_no_colour_and_a_word() {
    let base = |steps: &Value| text(&steps["steps"][0], "color").to_owned();
    let judges = |steps: &Value| !["transparent", "text", ""].contains(&base(steps).as_str());
    let mut coloured = 0;
    each_panel(|dashboard, panel| {
        let name = format!("{}: {}", text(dashboard, "title"), text(panel, "title"));
        let defaults = &panel["fieldConfig"]["defaults"];
        if judges(&defaults["thresholds"]) && panel["type"] != "timeseries" {
            coloured += 1;
            assert!(is_unjudged(&defaults["mappings"]), "{name}");
        }
        for field in list(&panel["fieldConfig"], "overrides") {
            let property =
                |id: &str| list(field, "properties").iter().find(|one| one["id"] == id).map(|one| &one["value"]);
            if property("thresholds").is_some_and(judges) {
                coloured += 1;
                let name = format!("{name}, {}", field["matcher"]["options"]);
                assert!(property("mappings").is_some_and(is_unjudged), "{name}");
                assert_eq!(property("noValue"), Some(&"–".into()), "{name}");
            }
        }
        // A table of several queries lists what there is in any case.
        if panel["type"] == "table" && list(panel, "targets").len() == 1 {
            assert!(!text(defaults, "noValue").is_empty(), "{name}: says nothing where there is nothing");
        }
    });
    assert!(10 < coloured, "{coloured} with colours");
}

#[test]
fn no_two_panels_lie_over_each_other() {
    for dashboard in written() {
        let place = |panel: &Value| ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a place"));
        let panels: Vec<[u64; 4]> = list(&dashboard, "panels").iter().map(place).collect();
        for (at, [x, y, w, h]) in panels.iter().enumerate() {
            for [x2, y2, w2, h2] in &panels[at + 1..] {
                let apart = x + w <= *x2 || x2 + w2 <= *x || y + h <= *y2 || y2 + h2 <= *y;
                assert!(apart, "{}: panel {}", text(&dashboard, "title"), at + 1);
            }
        }
    }
}

#[test]
fn a_counter_stands_in_a_rate_and_a_rate_is_over_a_time_of_grafanas() {
    each_panel(|dashboard, panel| {
        for target in list(panel, "targets") {
            let (name, query) = (format!("{}: {}", dashboard["title"], panel["title"]), text(target, "expr"));
            let ranges = query.matches('[').count();
            let own = query.matches("[$__rate_interval]").count();
            let shown = query.matches("[$__range]").count();
            assert_eq!(ranges, own + shown, "{name}: {query}");
            assert!(shown == 0 || target["instant"] == true, "{name}: the whole range is asked for once");
            let rates = query.matches("rate(").count() + query.matches("increase(").count();
            assert_eq!(rates, ranges, "{name}: {query}");
            let counters = query.matches("_total{").count() + query.matches("_bucket{").count();
            // What happens once in a blue moon is shown as it stands.
            let rare = query.contains("_restarts_total{") || query.contains("_aborts_total{");
            assert!(counters == rates || rare, "{name}: {query}");
        }
    });
}

#[test]
fn every_choice_of_the_viewer_is_used_and_every_variable_in_a_query_can_be_chosen() {
    for dashboard in written() {
        let known: BTreeSet<String> =
            list(&dashboard["templating"], "list").iter().map(|variable| text(variable, "name").to_owned()).collect();
        let mut used = BTreeSet::from(["datasource".to_owned()]);
        for target in list(&dashboard, "panels").iter().flat_map(|panel| list(panel, "targets")) {
            for part in text(target, "expr").split('$').skip(1).filter(|part| !part.starts_with("__")) {
                used.insert(part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
            }
        }
        assert_eq!(used, known, "{}", text(&dashboard, "title"));
    }
}

#[test]
fn a_panel_of_a_kpi_gives_the_formula_of_the_catalogue() {
    let mut told = BTreeSet::new();
    each_panel(|_, panel| {
        for kpi in KPIS {
            if text(panel, "description").contains(&format!("`{}` = {}", kpi.id, kpi.formula)) {
                told.insert(kpi.id);
            }
        }
    });
    for id in ["service_level", "average_speed_of_answer", "abandonment_rate", "occupancy", "expected_wait"] {
        assert!(told.contains(id), "{id}");
    }
}

#[test]
fn links_between_dashboards_lead_to_one() {
    let dashboards = written();
    let uids: BTreeSet<&str> = dashboards.iter().map(|dashboard| text(dashboard, "uid")).collect();
    let all = serde_json::to_string(&dashboards).expect("JSON");
    let links: Vec<&str> = all.split("\"/d/").skip(1).filter_map(|rest| rest.split('?').next()).collect();
    assert!(!links.is_empty() && links.iter().all(|uid| uids.contains(uid)), "{links:?}");
}
