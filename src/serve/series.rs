//! Series: which Prometheus series a KPI record stands for.
//!
//! A record becomes a short list of samples, each a number and the index of its *shape*: the name of
//! the series and the labels that are not the entity's or the window's (`le`, `name`). Shapes are
//! kept once for all records, so that a board of many entities stays small and a scrape only joins
//! text. The text itself is written by `prometheus`.
//!
//! Left out are the `by_entry` part, pauses by their reasons, which are anybody's words, and whatever has no
//! value: an idle queue has no service level, so it has no such series.

use crate::entity::Kind;
use crate::serve::shown::{Count, Counters, Kpi, Names, Now, Profile, Shown};
use crate::serve::text::Text;
use crate::time::EventTime;
use hashbrown::HashMap;

/// One number of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Index into [`Shapes::shapes`].
    pub shape: u32,
    pub value: f64,
}

/// What every sample of one series name and its own labels shares.
#[derive(Debug)]
pub struct Shape {
    /// Index into [`Shapes::families`].
    pub family: u32,
    /// The name of the series with what the histogram adds to it, and the brace before its labels (`a_bucket{`).
    pub head: Box<str>,
    /// Whether the series carries the label `window`.
    pub has_window: bool,
    /// Further labels, escaped and with a comma before each, up to the value (`,le="20.0"} `).
    pub tail: Box<str>,
    /// The last record that had it, by its number.
    record: u64,
}

/// A metric family: what stands under one `# TYPE`.
#[derive(Debug)]
pub struct Family {
    pub name: Box<str>,
    pub form: Form,
    /// The word of the entities' kind.
    pub kind: &'static str,
    pub about: About,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Gauge,
    Counter,
    Histogram,
    /// A gauge of 1 whose labels tell something.
    Info,
}

/// What a family tells, for its help.
#[derive(Debug)]
pub enum About {
    /// A KPI by its id in the catalogue; of a count `X` it is `calls_X` or `X`.
    Kpi(Box<str>),
    /// The wanted value of a KPI.
    Target(Box<str>),
    /// Said here; ` of each queue` follows.
    Text(&'static str),
}

/// All shapes seen so far. Their number is that of the catalogue, not of the entities.
#[derive(Debug, Default)]
pub struct Shapes {
    families: Vec<Family>,
    shapes: Vec<Shape>,
    family_by_name: HashMap<Box<str>, u32>,
    /// By name and further labels.
    shape_by_text: HashMap<Box<str>, u32>,
    /// Records whose samples were taken.
    records: u64,
}

impl Shapes {
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// The samples of a record of a window; no two have the same shape.
    pub fn samples(&mut self, kind: Kind, window: &str, record: &Shown<'_>) -> Box<[Sample]> {
        self.records += 1;
        let begin = format!("acd_{}_", kind.word());
        let mut taking = Taking {
            shapes: self,
            kind: kind.word(),
            samples: Vec::with_capacity(128),
            begin: begin.len(),
            text: begin,
        };
        for (name, count) in record.counts.iter() {
            match count {
                Count::Number(calls) => taking.calls(name, *calls),
                Count::By(calls) => taking.calls_by(name, calls),
            }
        }
        for (id, kpi) in record.kpis.iter() {
            taking.kpi(id, kpi);
        }
        for (name, time) in record.sums_ms.iter() {
            taking.gauge(&[name, TIME], *time as f64 / 1000.0, &|| About::Kpi(name.into()));
        }
        for (id, wanted) in record.targets.iter() {
            let about = || About::Target(id.into());
            taking.with_unit(id, "_target", Some("calls"), wanted.target, &about);
            taking.met(id, wanted.met);
        }
        if let ("total", Some(counters)) = (window, &record.counters) {
            taking.counters(counters);
        }
        if let ("total", Some(profile)) = (window, &record.profile) {
            taking.profile(profile);
        }
        if let ("now", Some(now)) = (window, &record.now) {
            taking.now(now, kind.has_visits());
        }
        taking.samples.into_boxed_slice()
    }

    /// The shape of a series, made if it is new; none if its family's name is taken by another form, or the record has
    /// it already. `text` is the name of the series, then its further labels; its first bytes are the family's name.
    fn shape(&mut self, text: &str, kind: &'static str, series: Series<'_>) -> Option<u32> {
        let shape = match self.shape_by_text.get(text) {
            Some(&shape) => shape,
            None => self.make(text, kind, series)?,
        };
        let record = std::mem::replace(&mut self.shapes[shape as usize].record, self.records);
        (record != self.records).then_some(shape)
    }

    fn make(&mut self, text: &str, kind: &'static str, series: Series<'_>) -> Option<u32> {
        let name = &text[..series.family];
        let family = match self.family_by_name.get(name) {
            Some(&family) if self.families[family as usize].form != series.form => return None,
            Some(&family) => family,
            None => {
                let about = (series.about)();
                self.families.push(Family { name: name.into(), form: series.form, kind, about });
                let family = self.families.len() as u32 - 1;
                self.family_by_name.insert(name.into(), family);
                family
            }
        };
        let (name, labels) = text.split_at(series.family + series.suffix.len());
        let (head, tail) = (format!("{name}{{").into(), format!("{labels}}} ").into());
        self.shapes.push(Shape { family, head, has_window: series.form == Form::Gauge, tail, record: 0 });
        let shape = self.shapes.len() as u32 - 1;
        self.shape_by_text.insert(text.into(), shape);
        Some(shape)
    }
}

/// The name of the gauge of a KPI of this unit, as the catalogue has it.
pub fn gauge_of_kpi(kind: Kind, id: &str, unit: &str) -> String {
    gauge_with_unit(kind, id, "", (unit != "ratio").then_some(unit))
}

/// The name of the gauge of what a KPI should be.
pub fn gauge_of_target(kind: Kind, id: &str, unit: &str) -> String {
    gauge_with_unit(kind, id, "_target", (unit != "ratio").then_some(unit))
}

/// The name of the gauge of a count, by its name in records.
pub fn gauge_of_count(kind: Kind, name: &str) -> String {
    gauge_with_unit(kind, name, "", Some("calls"))
}

/// The name of the gauge of a sum of time, by its name in records.
pub fn gauge_of_sum(kind: Kind, name: &str) -> String {
    format!("acd_{}_{name}{TIME}", kind.word())
}

fn gauge_with_unit(kind: Kind, id: &str, middle: &str, unit: Option<&str>) -> String {
    let unit = unit.map(str::to_ascii_lowercase);
    format!("acd_{}_{}", kind.word(), name_with_unit(id, middle, unit.as_deref()).concat())
}

/// What a sum's name ends in.
const TIME: &str = "_time_seconds";

/// The histogram of waits.
const WAITS: &str = "wait_seconds";

/// A KPI's name before its unit, and with it, in parts: the unit of records in lower case, none for a ratio. A unit that
/// stands in the name already (`contacts_per_hour`) is not said twice.
fn name_with_unit<'t>(id: &'t str, middle: &'t str, unit: Option<&'t str>) -> [&'t str; 4] {
    match unit {
        None => [id, middle, "_", "ratio"],
        Some("s") => [id, middle, "_", "seconds"],
        Some("calls") => [name_of_calls(id), middle, "_", "calls"],
        Some(unit) if id.contains(unit) => [id, middle, "", ""],
        Some(unit) => [id, middle, "_", unit],
    }
}

/// The id of a number of calls, as it stands in a name that ends in `_calls`.
fn name_of_calls(id: &str) -> &str {
    id.strip_prefix("calls_").or(id.strip_suffix("_calls")).unwrap_or(id)
}

/// Writes a label's value between its quotes: `\`, `"` and line feeds escaped.
pub fn escape_label(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// A series as asked for.
struct Series<'a> {
    /// The length of the family's name.
    family: usize,
    form: Form,
    /// What a histogram adds to the family's name.
    suffix: &'static str,
    about: &'a dyn Fn() -> About,
}

/// The samples of one record while they are taken.
struct Taking<'a> {
    shapes: &'a mut Shapes,
    kind: &'static str,
    samples: Vec<Sample>,
    /// The name of a series and its further labels, made anew for each behind what all begin with.
    text: String,
    /// The length of `acd_KIND_`.
    begin: usize,
}

impl Taking<'_> {
    fn kpi(&mut self, id: &str, kpi: &Kpi) {
        if let Some(also) = id.strip_prefix("service_level.") {
            if let Some(value) = kpi.value {
                let about = || About::Text("the further service levels, by their names in the settings,");
                self.labelled(&["service_level_also_ratio"], &[("name", also)], value, &about);
            }
            return;
        }
        let unit = kpi.unit.as_ref().map(Text::as_str);
        if let Some(value) = kpi.value {
            self.with_unit(id, "", unit, value, &|| About::Kpi(id.into()));
        }
        if let Some(target) = kpi.target {
            self.with_unit(id, "_target", unit, target, &|| About::Target(id.into()));
        }
        if let Some(met) = kpi.met {
            self.met(id, met);
        }
        if id == "service_level" {
            self.sides(kpi);
        }
    }

    /// Both sides of the service level, by which that of several entities is right, and its threshold.
    fn sides(&mut self, kpi: &Kpi) {
        let sides = [
            ("service_level_met_calls", "calls that the service level counts as met,", kpi.numerator),
            ("service_level_counted_calls", "calls that the service level is taken of,", kpi.denominator),
            ("service_level_threshold_seconds", "the threshold of the service level", kpi.threshold_s),
        ];
        for (name, what, value) in sides {
            if let Some(value) = value {
                self.gauge(&[name], value as f64, &|| About::Text(what));
            }
        }
    }

    /// Whether a target is met, as 1 or 0.
    fn met(&mut self, id: &str, met: bool) {
        let about = || About::Text("whether a target is met, 1 or 0, by the KPI it is of,");
        self.labelled(&["target_met"], &[("kpi", id)], f64::from(u8::from(met)), &about);
    }

    fn counters(&mut self, counters: &Counters<'_>) {
        for (name, what, value) in [
            ("calls_offered_total", "calls that entered", counters.offered),
            ("calls_answered_total", "calls answered", counters.answered),
            (
                "calls_answered_within_threshold_total",
                "calls answered within the service-level threshold",
                counters.answered_within_threshold,
            ),
            ("calls_abandoned_total", "calls whose caller gave up waiting", counters.abandoned),
        ] {
            let about = || About::Text(what);
            let family = self.name(&[name]);
            self.sample(Series { family, form: Form::Counter, suffix: "", about: &about }, value as f64);
        }
        self.waits(&counters.wait_seconds);
    }

    /// The histogram of waits: edges in seconds as names, then `count` and `sum_ms`.
    fn waits(&mut self, waits: &Names<'_, i64>) {
        let (Some(&count), Some(&sum_ms)) = (waits.get("count"), waits.get("sum_ms")) else {
            return;
        };
        let about = || About::Text("how long answered calls waited,");
        let mut part = |suffix, labels: &str, value| {
            let family = self.name(&[WAITS]);
            self.text.push_str(suffix);
            self.text.push_str(labels);
            self.sample(Series { family, form: Form::Histogram, suffix, about: &about }, value);
        };
        let mut last_edge = f64::NEG_INFINITY;
        for (edge, &calls) in waits.iter() {
            if let Ok(upper) = edge.parse::<f64>()
                && last_edge < upper
                && upper < f64::INFINITY
            {
                last_edge = upper;
                // As OpenMetrics writes it, in the other format too, so that it is the same series in both.
                part("_bucket", &format!(",le=\"{upper:?}\""), calls as f64);
            }
        }
        part("_bucket", ",le=\"+Inf\"", count as f64);
        part("_sum", "", sum_ms as f64 / 1000.0);
        part("_count", "", count as f64);
    }

    fn now(&mut self, now: &Now<'_>, has_visits: bool) {
        if has_visits {
            self.calls("waiting", now.waiting);
            self.calls("over_threshold_waiting", now.over_threshold_waiting);
            if let Some(since) = now.longest_wait_since.as_ref().and_then(|since| EventTime::parse(since.as_str())) {
                let about = || About::Text("since when the longest waiting call waits, as seconds since 1970,");
                self.gauge(&["longest_wait_since_timestamp_seconds"], since.0 as f64 / 1000.0, &about);
            }
        }
        self.calls("ringing", now.ringing);
        self.calls("talking", now.talking);
        self.calls("on_hold", now.on_hold);
        self.calls("in_wrapup", now.in_wrapup);
        for (state, agents) in now.agents.iter().flat_map(Names::iter) {
            self.agents(state, *agents);
        }
    }

    /// How many agents are in a state.
    fn agents(&mut self, state: &str, agents: i64) {
        let about = || About::Text("agents who are logged in, by what they do,");
        self.labelled(&["agents"], &[("state", state)], agents as f64, &about);
    }

    /// Offered calls of an hour of the week, the mean of the weeks in which there were any.
    fn profile(&mut self, profile: &Profile<'_>) {
        let weeks = profile.weeks_seen.max(1) as f64;
        let about =
            || About::Text("calls offered in an hour of the week, the mean of up to eight weeks, by the local clock,");
        for (weekday, offered) in profile.offered.iter() {
            for (hour, calls) in offered.iter().enumerate() {
                let of = [("weekday", weekday), ("hour", &*format!("{hour:02}"))];
                self.labelled(&["offered_weekly_mean_calls"], &of, *calls as f64 / weeks, &about);
            }
        }
    }

    /// Numbers of calls by reason or kind, under their name in `counts`.
    fn calls_by(&mut self, name: &str, calls: &Names<'_, i64>) {
        let Some((of, by @ ("reason" | "kind"))) = name.rsplit_once("_by_") else { return };
        for (word, calls) in calls.iter() {
            self.labelled(&[name, "_calls"], &[(by, word)], *calls as f64, &|| About::Kpi(of.into()));
        }
    }

    /// A number of calls, under its name in `counts` or `now`.
    fn calls(&mut self, name: &str, calls: i64) {
        self.gauge(&[name, "_calls"], calls as f64, &|| About::Kpi(format!("calls_{name}").into()));
    }

    /// A KPI or what it should be, by its unit.
    fn with_unit(&mut self, id: &str, middle: &str, unit: Option<&str>, value: f64, about: &dyn Fn() -> About) {
        match unit {
            // A currency.
            Some(unit) if unit.bytes().any(|c| c.is_ascii_uppercase()) => {
                self.gauge(&name_with_unit(id, middle, Some(&unit.to_ascii_lowercase())), value, about);
            }
            unit => self.gauge(&name_with_unit(id, middle, unit), value, about),
        }
    }

    fn gauge(&mut self, name: &[&str], value: f64, about: &dyn Fn() -> About) {
        self.labelled(name, &[], value, about);
    }

    /// A gauge by the parts of its name after `acd_KIND_` and its further labels. What is no metric name is left out, and
    /// so is the name of the histogram of waits, whichever record comes first.
    fn labelled(&mut self, name: &[&str], of: &[(&str, &str)], value: f64, about: &dyn Fn() -> About) {
        let family = self.name(name);
        let name = &self.text[self.begin..];
        if !name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_') || name == WAITS {
            return;
        }
        for (label, value) in of {
            self.text.push(',');
            self.text.push_str(label);
            self.text.push_str("=\"");
            escape_label(value, &mut self.text);
            self.text.push('"');
        }
        self.sample(Series { family, form: Form::Gauge, suffix: "", about }, value);
    }

    /// Begins the text anew with a family's name, and gives its length.
    fn name(&mut self, parts: &[&str]) -> usize {
        self.text.truncate(self.begin);
        parts.iter().for_each(|part| self.text.push_str(part));
        self.text.len()
    }

    /// What the text names.
    fn sample(&mut self, series: Series<'_>, value: f64) {
        if value.is_finite()
            && let Some(shape) = self.shapes.shape(&self.text, self.kind, series)
        {
            self.samples.push(Sample { shape, value });
        }
    }
}
