//! Variables: what a viewer chooses at the top of a dashboard.

use crate::panels::datasource;
use serde_json::{Value, json};

/// Which Prometheus.
pub fn of_datasource() -> Value {
    json!({
        "name": "datasource", "label": "Data Source", "type": "datasource", "query": "prometheus", "regex": "",
        "refresh": 1, "hide": 0, "includeAll": false, "multi": false, "options": [], "current": {},
        "skipUrlSync": false, "description": "The Prometheus that scrapes Callpulse"
    })
}

/// One value of a label.
pub fn one(name: &str, label: &str, metric: &str, of: &str, about: &str) -> Value {
    variable(name, label, metric, of, about, json!({ "multi": false, "includeAll": false }))
}

/// Any number of them, at first all.
pub fn many(name: &str, label: &str, metric: &str, of: &str, about: &str) -> Value {
    let all = json!({
        "multi": true, "includeAll": true, "allValue": ".+",
        "current": { "selected": true, "text": ["All"], "value": ["$__all"] }
    });
    variable(name, label, metric, of, about, all)
}

/// A window, at first this one.
pub fn window(metric: &str, first: &str) -> Value {
    let about = "Over what time KPIs are taken: a sliding window, the open interval, or everything";
    let mut window = variable(
        "window",
        "Window",
        metric,
        "window",
        about,
        json!({ "multi": false, "includeAll": false, "current": { "selected": true, "text": first, "value": first } }),
    );
    window["regex"] = json!("^(?!now$).*");
    window
}

fn variable(name: &str, label: &str, metric: &str, of: &str, about: &str, more: Value) -> Value {
    let query = format!("label_values({metric}, {of})");
    let mut variable = json!({
        "name": name, "label": label, "description": about, "type": "query", "datasource": datasource(),
        "definition": query, "query": { "qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery" },
        "refresh": 2, "regex": "", "sort": 1, "hide": 0, "options": [], "current": {}, "skipUrlSync": false
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        variable[key] = value.clone();
    }
    variable
}
