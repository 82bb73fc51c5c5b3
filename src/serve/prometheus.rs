//! The board in the text form that Prometheus reads (version 0.0.4).
//!
//! Written anew from the latest records for every scrape, so that an entity that ended, or whose
//! partition went to another instance, is gone from the next one. The families stand in the order of
//! their names, each whole, and within it the series in the order of the board's keys.

use crate::entity::Kind;
use crate::serve::board::{Board, Entry};
use crate::serve::series::{About, Family, Form, Sample, Shapes, escape_label};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The content type of what [`render`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The partitions of the KPI topic whose entities this instance exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owned {
    /// One instance for everything.
    All,
    Partitions(BTreeSet<i32>),
}

/// What the catalogue says of a KPI, one sentence, by its id; none if it does not know the id.
pub type Help = dyn Fn(&str) -> Option<&'static str> + Send + Sync;

/// All series of the entities owned.
pub fn render(board: &Board, owned: &Owned, help: &Help) -> String {
    board.take_samples(|partition| owned.holds(partition));
    let contents = board.read();
    let shapes = &contents.shapes;
    let mut pages = Pages::new(shapes);
    let mut of_entity: Option<Labels<'_>> = None;
    let mut with_window = String::new();
    for entry in
        contents.records.values().filter(|entry| owned.holds(entry.place.partition) && !entry.samples().is_empty())
    {
        let labels = match of_entity.take() {
            Some(mut labels) if labels.newest.is_of_same_entity(entry) => {
                if labels.newest.version < entry.version {
                    labels.newest = entry;
                }
                labels
            }
            before => {
                before.iter().for_each(|labels| pages.info(labels));
                Labels::new(entry)
            }
        };
        with_window.clear();
        with_window.push_str(&labels.text);
        with_window.push_str(",window=\"");
        escape_label(&entry.window, &mut with_window);
        with_window.push('"');
        for sample in entry.samples() {
            pages.series(sample, &labels.text, &with_window);
        }
        of_entity = Some(labels);
    }
    of_entity.iter().for_each(|labels| pages.info(labels));
    pages.bind(help)
}

impl Owned {
    fn holds(&self, partition: i32) -> bool {
        match self {
            Owned::All => true,
            Owned::Partitions(partitions) => partitions.contains(&partition),
        }
    }
}

/// The labels that say whose numbers they are.
struct Labels<'a> {
    /// The record whose title is the latest.
    newest: &'a Entry,
    /// `tenant="default",queue="sales"`.
    text: String,
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
        Labels { newest: entry, text }
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

    fn series(&mut self, sample: &Sample, entity: &str, entity_and_window: &str) {
        let shape = &self.shapes.shapes()[sample.shape as usize];
        let page = &mut self.families[shape.family as usize];
        page.push_str(&shape.name);
        page.push('{');
        page.push_str(if shape.has_window { entity_and_window } else { entity });
        page.push_str(&shape.labels);
        page.push_str("} ");
        push_number(sample.value, page);
        page.push('\n');
    }

    fn info(&mut self, labels: &Labels<'_>) {
        let kind = labels.newest.kind;
        let page = &mut self.infos[kind as usize];
        // Writing to a String does not fail.
        let _ = write!(page, "acd_{}_info{{{},title=\"", kind.word(), labels.text);
        escape_label(labels.newest.title(), page);
        page.push_str("\"} 1\n");
    }

    /// All pages in the order of the families' names, each under its heading.
    fn bind(self, help: &Help) -> String {
        let mut pages: Vec<(String, String)> = Vec::with_capacity(self.families.len() + self.infos.len());
        for (family, page) in self.shapes.families().iter().zip(self.families) {
            pages.push((heading(family, help), page));
        }
        for (kind, page) in Kind::ALL.into_iter().zip(self.infos) {
            let kind = kind.word();
            let (help, name) = (format!("the title of each {kind}"), format!("acd_{kind}_info"));
            pages.push((format!("# HELP {name} {help}\n# TYPE {name} gauge\n"), page));
        }
        pages.retain(|(_, page)| !page.is_empty());
        // A heading begins with the family's name, and a blank sorts before what may stand in a name.
        pages.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut out = String::with_capacity(pages.iter().map(|(heading, page)| heading.len() + page.len()).sum());
        for (heading, page) in pages {
            out.push_str(&heading);
            out.push_str(&page);
        }
        out
    }
}

fn heading(family: &Family, help: &Help) -> String {
    let (name, kind) = (&family.name, family.kind);
    let form = match family.form {
        Form::Gauge => "gauge",
        Form::Counter => "counter",
        Form::Histogram => "histogram",
    };
    let about = match &family.about {
        About::Kpi(id) => {
            let known = help(id).or_else(|| help(id.strip_prefix("calls_")?));
            known.map_or_else(|| format!("{} of each {kind}", id.replace('_', " ")), str::to_owned)
        }
        About::Target(id) => format!("what {} of each {kind} should be", id.replace('_', " ")),
        About::Text(text) => format!("{text} of each {kind}"),
    };
    let about = about.replace('\\', "\\\\").replace('\n', "\\n");
    format!("# HELP {name} {about}\n# TYPE {name} {form}\n")
}

/// Whole numbers, which most are, without the detour over their digits after the point.
fn push_number(value: f64, out: &mut String) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    // Writing to a String does not fail.
    let _ = if value.fract() == 0.0 && value.abs() < EXACT {
        write!(out, "{}", value as i64)
    } else {
        write!(out, "{value}")
    };
}
