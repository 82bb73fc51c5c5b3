//! The board in the text forms that Prometheus reads: its own (version 0.0.4) and OpenMetrics (1.0.0).
//!
//! Written anew from the latest records for every scrape, so that an entity that ended, or whose
//! partition went to another instance, is gone from the next one. The families stand in the order of
//! their names, each whole, and within it the series in the order of the board's keys. Both forms have the
//! same series.

use crate::entity::Kind;
use crate::serve::accept::Accept;
use crate::serve::board::{Board, Entry};
use crate::serve::exported::{Exporter, Owned};
use crate::serve::series::{About, Family, Form, Sample, Shapes, escape_label};
use std::fmt::Write;

/// How the series are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

/// What the catalogue says of a KPI, one sentence, by its id; none if it does not know the id.
pub type Help = dyn Fn(&str) -> Option<&'static str> + Send + Sync;

/// What a scrape asks for.
#[derive(Clone, Copy)]
pub struct Scrape<'a> {
    pub owned: &'a Owned,
    pub exporter: &'a Exporter,
    pub help: &'a Help,
    pub format: Format,
}

/// All series of the entities owned that are told, without the end of the text: others may follow.
pub fn render(board: &Board, scrape: Scrape<'_>) -> String {
    let told = scrape.exporter.choose(board, scrape.owned);
    let contents = board.read();
    let mut pages = Pages::new(&contents.shapes);
    for entity in told.iter() {
        let mut of_entity: Option<Labels<'_>> = None;
        let entries = contents.of_entity(entity).filter(|entry| scrape.exporter.takes(entry, scrape.owned));
        for entry in entries.filter(|entry| !entry.samples().is_empty()) {
            let labels = of_entity.get_or_insert_with(|| Labels::new(entry));
            if labels.newest.version < entry.version {
                labels.newest = entry;
            }
            labels.enter(&entry.window);
            let is_told = scrape.exporter.has_window(&entry.window);
            for sample in entry.samples() {
                pages.series(sample, labels, is_told);
            }
        }
        of_entity.iter().for_each(|labels| pages.info(labels));
    }
    pages.bind(scrape)
}

/// A heading of a family. In OpenMetrics a counter's family is named without what its series ends in.
pub fn heading(name: &str, form: Form, about: &str, format: Format) -> String {
    let (name, word) = match (format, form) {
        (Format::OpenMetrics, Form::Counter) => (name.strip_suffix("_total").unwrap_or(name), "counter"),
        (Format::OpenMetrics, Form::Info) => (name.strip_suffix("_info").unwrap_or(name), "info"),
        (_, Form::Counter) => (name, "counter"),
        (_, Form::Gauge | Form::Info) => (name, "gauge"),
        (_, Form::Histogram) => (name, "histogram"),
    };
    let mut about = about.replace('\\', "\\\\").replace('\n', "\\n");
    if format == Format::OpenMetrics {
        about = about.replace('"', "\\\"");
    }
    format!("# HELP {name} {about}\n# TYPE {name} {word}\n")
}

impl Format {
    /// Both, the one that is given without a wish first.
    pub const ALL: [Format; 2] = [Format::Prometheus, Format::OpenMetrics];

    /// The one that is liked best; whoever accepts neither is given the first.
    pub fn asked(accept: &Accept<'_>) -> Format {
        Format::ALL[accept.best(Format::ALL.map(Format::content_type)).unwrap_or(0)]
    }

    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What stands at the end of all.
    pub const fn end(self) -> &'static str {
        match self {
            Format::Prometheus => "",
            Format::OpenMetrics => "# EOF\n",
        }
    }
}

/// The labels that say whose numbers they are.
struct Labels<'a> {
    /// The record whose title is the latest.
    newest: &'a Entry,
    /// `tenant="default",queue="sales",window="5m"`.
    text: String,
    /// Where the window's begins.
    entity: usize,
}

impl<'a> Labels<'a> {
    fn new(entry: &'a Entry) -> Labels<'a> {
        let mut text = String::from("tenant=\"");
        escape_label(&entry.tenant, &mut text);
        text.push('"');
        if entry.kind != Kind::Tenant {
            text.push(',');
            text.push_str(entry.kind.word());
            text.push_str("=\"");
            escape_label(&entry.id, &mut text);
            text.push('"');
        }
        Labels { newest: entry, entity: text.len(), text }
    }

    fn enter(&mut self, window: &str) {
        self.text.truncate(self.entity);
        self.text.push_str(",window=\"");
        escape_label(window, &mut self.text);
        self.text.push('"');
    }

    fn entity(&self) -> &str {
        &self.text[..self.entity]
    }
}

/// The text of each family while it is written.
struct Pages<'a> {
    shapes: &'a Shapes,
    /// As [`Shapes::families`].
    families: Vec<String>,
    /// Of the info families, in the order of [`Kind::ALL`].
    infos: [String; Kind::ALL.len()],
}

impl<'a> Pages<'a> {
    fn new(shapes: &'a Shapes) -> Pages<'a> {
        Pages { shapes, families: vec![String::new(); shapes.families().len()], infos: Default::default() }
    }

    /// A series; of a window that is not told only what has none.
    fn series(&mut self, sample: &Sample, labels: &Labels<'_>, is_window_told: bool) {
        let shape = &self.shapes.shapes()[sample.shape as usize];
        if shape.has_window && !is_window_told {
            return;
        }
        let page = &mut self.families[shape.family as usize];
        page.push_str(&shape.head);
        page.push_str(if shape.has_window { &labels.text } else { labels.entity() });
        page.push_str(&shape.tail);
        push_number(sample.value, page);
        page.push('\n');
    }

    fn info(&mut self, labels: &Labels<'_>) {
        let kind = labels.newest.kind;
        let page = &mut self.infos[kind as usize];
        // Writing to a String does not fail.
        let _ = write!(page, "acd_{}_info{{{},title=\"", kind.word(), labels.entity());
        escape_label(labels.newest.title(), page);
        page.push_str("\"} 1\n");
    }

    /// All pages in the order of the families' names, each under its heading.
    fn bind(self, scrape: Scrape<'_>) -> String {
        let mut pages: Vec<(&str, String, String)> = Vec::with_capacity(self.families.len() + self.infos.len());
        for (family, page) in self.shapes.families().iter().zip(self.families) {
            pages.push((
                &family.name,
                heading(&family.name, family.form, &about(family, scrape.help), scrape.format),
                page,
            ));
        }
        let names = Kind::ALL.map(|kind| format!("acd_{}_info", kind.word()));
        for ((kind, name), page) in Kind::ALL.into_iter().zip(&names).zip(self.infos) {
            let about = format!("the title of each {}", kind.word());
            pages.push((name, heading(name, Form::Info, &about, scrape.format), page));
        }
        pages.retain(|(_, _, page)| !page.is_empty());
        pages.sort_unstable_by(|a, b| a.0.cmp(b.0));
        let length = pages.iter().map(|(_, heading, page)| heading.len() + page.len()).sum();
        let mut out = String::with_capacity(length);
        for (_, heading, page) in pages {
            out.push_str(&heading);
            out.push_str(&page);
        }
        out
    }
}

fn about(family: &Family, help: &Help) -> String {
    let kind = family.kind;
    match &family.about {
        About::Kpi(id) => {
            let known = help(id).or_else(|| help(id.strip_prefix("calls_")?)).filter(|known| !known.is_empty());
            known.map_or_else(|| format!("{} of each {kind}", id.replace('_', " ")), str::to_owned)
        }
        About::Target(id) => format!("what {} of each {kind} should be", id.replace('_', " ")),
        About::Text(text) => format!("{text} of each {kind}"),
    }
}

/// Whole numbers, which most are, without the detour over their digits after the point.
fn push_number(value: f64, out: &mut String) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        out.push_str(itoa::Buffer::new().format(value as i64));
    } else {
        out.push_str(zmij::Buffer::new().format_finite(value));
    }
}
