//! Panels: what Grafana's classic JSON model (schema version 39) asks for, in few words.
//!
//! A panel says its kind, its query and its unit; where it stands follows from the order: each as high and as far left
//! as there is room.

use serde_json::{Map, Value, json};

/// One dashboard.
pub struct Dashboard {
    /// What its links and its file are named by.
    pub uid: &'static str,
    pub title: &'static str,
    pub about: &'static str,
    pub variables: Vec<Value>,
    pub panels: Vec<Panel>,
}

/// One panel.
#[derive(Clone)]
pub struct Panel {
    kind: &'static str,
    title: String,
    about: String,
    width: usize,
    height: usize,
    unit: &'static str,
    decimals: Option<u32>,
    targets: Vec<Value>,
    options: Value,
    custom: Value,
    defaults: Map<String, Value>,
    overrides: Vec<Value>,
    transformations: Vec<Value>,
    /// The names of a table's columns, by query; empty for what is not shown.
    columns: Vec<&'static str>,
}

/// The width of a dashboard.
const COLUMNS: usize = 24;

/// What links between the dashboards are found by.
pub const TAG: &str = "callpulse";

pub fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// What has no value is no judgement: without this Grafana gives it the colour that low values have.
pub fn unjudged(colour: &str) -> Value {
    json!([{ "type": "special", "options": { "match": "null+nan", "result": { "index": 0, "color": colour } } }])
}

/// One number, large.
pub fn stat(title: &str, about: &str, unit: &'static str, query: &str) -> Panel {
    let mut panel = Panel::new("stat", title, about, unit, 4, 4);
    panel.options = json!({
        "colorMode": "value", "graphMode": "none", "justifyMode": "center", "orientation": "auto",
        "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
        "textMode": "value", "wideLayout": true, "percentChangeColorMode": "standard", "showPercentChange": false
    });
    panel.instant(query).default("color", json!({ "mode": "thresholds" }))
}

/// Lines over time.
pub fn lines(title: &str, about: &str, unit: &'static str) -> Panel {
    let mut panel = Panel::new("timeseries", title, about, unit, 12, 8);
    panel.options = json!({
        "legend": { "calcs": ["lastNotNull"], "displayMode": "list", "placement": "bottom", "showLegend": true },
        "tooltip": { "mode": "multi", "sort": "desc" }
    });
    panel.custom = json!({
        "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 2, "fillOpacity": 0, "gradientMode": "none",
        "showPoints": "never", "pointSize": 5, "spanNulls": false, "axisBorderShow": false, "axisPlacement": "auto",
        "axisLabel": "", "axisSoftMin": 0, "stacking": { "group": "A", "mode": "none" },
        "thresholdsStyle": { "mode": "off" }, "scaleDistribution": { "type": "linear" },
        "hideFrom": { "legend": false, "tooltip": false, "viz": false }
    });
    panel
}

/// Bars beside their names, the present values of a query.
pub fn bars(title: &str, about: &str, unit: &'static str, query: &str, legend: &str) -> Panel {
    let mut panel = Panel::new("bargauge", title, about, unit, 8, 8);
    panel.options = json!({
        "displayMode": "basic", "orientation": "horizontal", "showUnfilled": true, "valueMode": "color",
        "namePlacement": "auto", "sizing": "auto", "minVizHeight": 16, "minVizWidth": 8, "maxVizHeight": 300,
        "legend": { "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false },
        "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false }
    });
    let panel = panel.instant(query).legend(legend);
    panel.default("min", json!(0))
}

/// A table, made of several queries that share labels.
pub fn table(title: &str, about: &str) -> Panel {
    let mut panel = Panel::new("table", title, about, "none", 24, 8);
    panel.options = json!({ "showHeader": true, "cellHeight": "sm",
        "footer": { "show": false, "countRows": false, "fields": "", "reducer": ["sum"] } });
    panel.custom = json!({ "align": "auto", "cellOptions": { "type": "auto" }, "inspect": false, "filterable": false });
    panel
}

/// What somebody did when, a line each.
pub fn state_time_line(title: &str, about: &str, query: &str, legend: &str) -> Panel {
    let mut panel = Panel::new("state-timeline", title, about, "none", 24, 9);
    panel.options = json!({
        "alignValue": "left", "mergeValues": true, "rowHeight": 0.9, "showValue": "auto", "perPage": 40,
        "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
        "tooltip": { "mode": "single", "sort": "none" }
    });
    panel.custom = json!({ "fillOpacity": 80, "lineWidth": 0, "spanNulls": false, "insertNulls": false,
        "hideFrom": { "legend": false, "tooltip": false, "viz": false } });
    panel.query(query).legend(legend)
}

impl Panel {
    fn new(kind: &'static str, title: &str, about: &str, unit: &'static str, width: usize, height: usize) -> Panel {
        Panel {
            kind,
            title: title.into(),
            about: about.into(),
            width,
            height,
            unit,
            decimals: None,
            targets: Vec::new(),
            options: json!({}),
            custom: json!({}),
            defaults: Map::new(),
            overrides: Vec::new(),
            transformations: Vec::new(),
            columns: Vec::new(),
        }
    }

    pub fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }

    pub fn size(mut self, width: usize, height: usize) -> Panel {
        (self.width, self.height) = (width, height);
        self
    }

    pub fn decimals(mut self, decimals: u32) -> Panel {
        self.decimals = Some(decimals);
        self
    }

    /// A query over the time that is shown.
    pub fn query(self, query: &str) -> Panel {
        self.target(query, "time_series", false)
    }

    /// A query as of the end of that time.
    pub fn instant(self, query: &str) -> Panel {
        self.target(query, "time_series", true)
    }

    /// The same, as rows of a table.
    pub fn rows(self, query: &str) -> Panel {
        self.target(query, "table", true)
    }

    /// The same, of cumulative buckets that are shown each by itself.
    pub fn buckets(mut self) -> Panel {
        if let Some(last) = self.targets.last_mut() {
            last["format"] = json!("heatmap");
        }
        self
    }

    fn target(mut self, query: &str, format: &str, is_instant: bool) -> Panel {
        let id = char::from(b'A' + self.targets.len() as u8).to_string();
        self.targets.push(json!({
            "datasource": datasource(), "editorMode": "code", "expr": query, "format": format, "instant": is_instant,
            "range": !is_instant, "legendFormat": "__auto", "refId": id
        }));
        self
    }

    /// Its queries are of the one value chosen: Grafana makes no pattern safe but where several may be chosen.
    pub fn of_one(mut self, variable: &str) -> Panel {
        for target in &mut self.targets {
            let query = target["expr"].as_str().expect("a query");
            target["expr"] = query.replace(&format!("=~\"${variable}\""), &format!("=\"${variable}\"")).into();
        }
        self
    }

    /// How the series of the last query are named.
    pub fn legend(mut self, legend: &str) -> Panel {
        if let Some(last) = self.targets.last_mut() {
            last["legendFormat"] = json!(legend);
        }
        self
    }

    pub fn default(mut self, name: &str, value: Value) -> Panel {
        self.defaults.insert(name.into(), value);
        self
    }

    /// The whole panel in the colour of its value.
    pub fn filled(self) -> Panel {
        self.option("colorMode", json!("background_solid"))
    }

    pub fn option(mut self, name: &str, value: Value) -> Panel {
        self.options[name] = value;
        self
    }

    pub fn custom(mut self, name: &str, value: Value) -> Panel {
        self.custom[name] = value;
        self
    }

    /// Colours from a base on: each with the value it begins at.
    pub fn colours(self, base: &str, steps: &[(f64, &str)]) -> Panel {
        let mut all = vec![json!({ "color": base, "value": null })];
        all.extend(steps.iter().map(|(from, colour)| json!({ "color": colour, "value": from })));
        let panel = self.default("thresholds", json!({ "mode": "absolute", "steps": all }));
        panel.default("color", json!({ "mode": "thresholds" }))
    }

    /// Red above the value of a query of its own, such as the target of the settings; where there is none it is not judged.
    pub fn red_above(self, query: &str) -> Panel {
        let last = self.targets.len();
        let panel = self.rows(query).colours("text", &[]);
        let id = panel.targets[last]["refId"].clone();
        let mapping = json!({ "fieldName": "Value", "handlerKey": "threshold1", "reducerId": "lastNotNull" });
        panel.transformation("configFromData", json!({ "configRefId": id, "mappings": [mapping] }))
    }

    pub fn transformation(mut self, id: &str, options: Value) -> Panel {
        self.transformations.push(json!({ "id": id, "options": options }));
        self
    }

    /// What one field has by itself: a column by its name, a line by its legend.
    pub fn field(mut self, name: &str, properties: &[(&str, Value)]) -> Panel {
        let properties: Vec<Value> = properties.iter().map(|(id, value)| json!({ "id": id, "value": value })).collect();
        self.overrides.push(json!({ "matcher": { "id": "byName", "options": name }, "properties": properties }));
        self
    }

    /// The same of all fields whose names match.
    pub fn field_matching(mut self, pattern: &str, properties: &[(&str, Value)]) -> Panel {
        self = self.field(pattern, properties);
        if let Some(last) = self.overrides.last_mut() {
            last["matcher"]["id"] = json!("byRegexp");
        }
        self
    }

    /// A column of a table, in the order of calls: the query's rows under a name and with a unit. Without a
    /// name the query gives only labels.
    pub fn column(mut self, name: &'static str, query: &str, unit: &str, properties: &[(&str, Value)]) -> Panel {
        self.columns.push(name);
        let all = [&[("unit", json!(unit)), ("noValue", json!("–"))], properties].concat();
        let panel = self.rows(query);
        if name.is_empty() { panel } else { panel.field(name, &all) }
    }

    /// Joins the columns by the labels they share, and names the labels that are shown, which stand first.
    pub fn joined(self, labels: &[(&str, &str)]) -> Panel {
        let (mut renamed, mut order, mut hidden) = (Map::new(), Map::new(), Map::new());
        hidden.insert("Time".into(), json!(true));
        for (label, shown) in labels {
            order.insert((*label).into(), json!(order.len()));
            renamed.insert((*label).into(), json!(shown));
        }
        for (place, name) in self.columns.iter().enumerate() {
            let value = format!("Value #{}", char::from(b'A' + place as u8));
            match name.is_empty() {
                true => hidden.insert(value, json!(true)),
                false => {
                    order.insert(value.clone(), json!(order.len()));
                    renamed.insert(value, json!(name))
                }
            };
        }
        self.transformation("merge", json!({})).transformation(
            "organize",
            json!({ "excludeByName": hidden, "indexByName": order, "renameByName": renamed, "includeByName": {} }),
        )
    }

    /// A column that links may use and nobody sees.
    pub fn unseen(self, name: &str) -> Panel {
        self.field(name, &[("custom.hidden", json!(true)), ("custom.hideFrom", json!({ "viz": true }))])
    }

    fn json(self, id: usize, x: usize, y: usize) -> Value {
        let mut defaults = self.defaults;
        defaults.insert("unit".into(), json!(self.unit));
        defaults.entry("custom").or_insert(self.custom);
        let is_filled = self.options["colorMode"] == "background_solid";
        let mappings = match self.kind {
            "stat" | "bargauge" => unjudged(if is_filled { "transparent" } else { "text" }),
            _ => json!([]),
        };
        defaults.entry("mappings").or_insert(mappings);
        defaults.entry("color").or_insert(json!({ "mode": "palette-classic" }));
        defaults
            .entry("thresholds")
            .or_insert(json!({ "mode": "absolute", "steps": [{ "color": "text", "value": null }] }));
        if let Some(decimals) = self.decimals {
            defaults.insert("decimals".into(), json!(decimals));
        }
        json!({
            "id": id, "type": self.kind, "title": self.title, "description": self.about,
            "datasource": datasource(), "gridPos": { "x": x, "y": y, "w": self.width, "h": self.height },
            "targets": self.targets, "options": self.options, "transformations": self.transformations,
            "fieldConfig": { "defaults": defaults, "overrides": self.overrides }
        })
    }
}

impl Dashboard {
    /// As it is provisioned.
    pub fn json(self) -> Value {
        // How deep each column is filled.
        let mut filled = [0; COLUMNS];
        let mut panels = Vec::new();
        for (place, panel) in self.panels.into_iter().enumerate() {
            let (width, height) = (panel.width, panel.height);
            let depth = |x: usize| filled[x..x + width].iter().copied().max().unwrap_or(0);
            let x = (0..=COLUMNS - width).min_by_key(|x| depth(*x)).unwrap_or(0);
            let y = depth(x);
            filled[x..x + width].fill(y + height);
            panels.push(panel.json(place + 1, x, y));
        }
        json!({
            "uid": self.uid, "title": self.title, "description": self.about, "tags": [TAG], "schemaVersion": 39,
            "version": 1, "editable": false, "graphTooltip": 1, "fiscalYearStartMonth": 0, "liveNow": false,
            "weekStart": "", "timezone": "browser", "refresh": "10s", "time": { "from": "now-1h", "to": "now" },
            "timepicker": { "refresh_intervals": ["5s", "10s", "30s", "1m", "5m"] }, "annotations": { "list": [] },
            "links": [{
                "type": "dashboards", "title": "Callpulse", "tags": [TAG], "asDropdown": false, "icon": "external link",
                "includeVars": true, "keepTime": true, "targetBlank": false, "tooltip": "", "url": ""
            }],
            "templating": { "list": self.variables }, "panels": panels
        })
    }
}
