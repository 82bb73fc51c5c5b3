//! A strict reader of the Prometheus text format 0.0.4 and of OpenMetrics 1.0, for what a server of ours may say.
//!
//! It refuses what Prometheus would refuse and what `promtool check metrics` complains about: a family
//! told twice or without help, a series told twice, a wrong escape, a histogram out of order; in OpenMetrics
//! besides what its grammar does not have: a blank line, no end, an edge that is not written as it says.

use std::collections::{BTreeMap, BTreeSet};

pub type Labels = BTreeMap<String, String>;

#[derive(Debug)]
pub struct Family {
    pub name: String,
    pub form: String,
    /// As written, escapes and all.
    pub help: String,
    pub series: Vec<Series>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: String,
    pub labels: Labels,
    pub value: f64,
}

/// All families, in their order; the first fault as an error.
pub fn parse(text: &str) -> Result<Vec<Family>, String> {
    read(text, false)
}

/// The same of a text in OpenMetrics, the families named as in the other format.
pub fn parse_open_metrics(text: &str) -> Result<Vec<Family>, String> {
    let mut families = read(text.strip_suffix("# EOF\n").ok_or("no end")?, true)?;
    for family in &mut families {
        match family.form.as_str() {
            "counter" => family.name.push_str("_total"),
            "info" => {
                family.name.push_str("_info");
                family.form = "gauge".into();
            }
            _ => {}
        }
    }
    check(&families)?;
    Ok(families)
}

fn read(text: &str, is_open: bool) -> Result<Vec<Family>, String> {
    let mut families: Vec<Family> = Vec::new();
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line has no end".into());
    }
    for line in text.split_terminator('\n') {
        read_line(line, &mut families, is_open).map_err(|fault| format!("{fault}: {line:?}"))?;
    }
    if !is_open {
        check(&families)?;
    }
    Ok(families)
}

/// The value of one series of a text that parses.
pub fn value(families: &[Family], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: Labels = labels.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    let mut all = families.iter().flat_map(|family| &family.series);
    all.find(|series| series.name == name && series.labels == labels).map(|series| series.value)
}

fn read_line(line: &str, families: &mut Vec<Family>, is_open: bool) -> Result<(), String> {
    if let Some(heading) = line.strip_prefix("# HELP ") {
        let (name, help) = heading.split_once(' ').ok_or("no help text")?;
        if help.is_empty() || !is_name(name) {
            return Err("no help text, or no name".into());
        }
        let family = Family { name: name.into(), form: String::new(), help: help.into(), series: Vec::new() };
        families.push(family);
        return Ok(());
    }
    let family = families.last_mut().ok_or("a line before the first family")?;
    if let Some(heading) = line.strip_prefix("# TYPE ") {
        let (name, form) = heading.split_once(' ').ok_or("no type")?;
        if name != family.name || !family.form.is_empty() || !family.series.is_empty() {
            return Err("a type in the wrong place".into());
        }
        let is_known = ["gauge", "counter", "histogram"].contains(&form) || is_open && form == "info";
        if !is_known {
            return Err("an unknown type".into());
        }
        family.form = form.into();
        return Ok(());
    }
    let series = read_series(line)?;
    let suffix = series.name.strip_prefix(family.name.as_str()).ok_or("a series outside its family")?;
    let belongs = match family.form.as_str() {
        "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
        "" => return Err("a series before its type".into()),
        "counter" if is_open => suffix == "_total",
        "info" => suffix == "_info",
        _ => suffix.is_empty(),
    };
    if !belongs {
        return Err("a series outside its family".into());
    }
    // `1` and `1.0` are two series to whoever reads both formats.
    if series.labels.get("le").is_some_and(|le| le != "+Inf" && !le.contains('.')) {
        return Err("an edge without its point".into());
    }
    family.series.push(series);
    Ok(())
}

fn read_series(line: &str) -> Result<Series, String> {
    let at = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(at);
    if !is_name(name) {
        return Err("no metric name".into());
    }
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or("no label")?;
            let (value, after) = read_value(after)?;
            if !is_name(label) || label.contains(':') || label.starts_with("__") {
                return Err("no label name".into());
            }
            if labels.insert(label.into(), value).is_some() {
                return Err("a label told twice".into());
            }
            match after.as_bytes().first() {
                Some(b',') => rest = &after[1..],
                Some(b'}') => {
                    rest = &after[1..];
                    break;
                }
                _ => return Err("labels without an end".into()),
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no blank before the value")?;
    let is_number = !value.is_empty() && value.bytes().all(|c| c.is_ascii_digit() || b"+-.e".contains(&c));
    let value = value.parse().ok().filter(|_| is_number).ok_or("no number")?;
    Ok(Series { name: name.into(), labels, value })
}

/// A label's value up to its closing quote, and what follows.
fn read_value(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match chars.next() {
                Some((_, '\\')) => '\\',
                Some((_, '"')) => '"',
                Some((_, 'n')) => '\n',
                _ => return Err("an unknown escape".into()),
            }),
            c => value.push(c),
        }
    }
    Err("a value without an end".into())
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b':')
}

fn check(families: &[Family]) -> Result<(), String> {
    let mut names = BTreeSet::new();
    let mut family_of: BTreeMap<&str, &str> = BTreeMap::new();
    for family in families {
        let name = family.name.as_str();
        if !names.insert(name) {
            return Err(format!("family {name} told twice"));
        }
        if family.series.is_empty() {
            return Err(format!("family {name} without series"));
        }
        if (family.form == "counter") != name.ends_with("_total") {
            return Err(format!("family {name} is a {}", family.form));
        }
        let mut seen = BTreeSet::new();
        for series in &family.series {
            if !seen.insert((&series.name, &series.labels)) {
                return Err(format!("series told twice: {series:?}"));
            }
            if *family_of.entry(&series.name).or_insert(name) != name {
                return Err(format!("two families have series {}", series.name));
            }
        }
        if family.form == "histogram" {
            check_histogram(family)?;
        }
    }
    Ok(())
}

/// Of each set of labels, in one piece: buckets with rising edges up to `+Inf`, the sum, the count.
fn check_histogram(family: &Family) -> Result<(), String> {
    let own = |series: &Series| {
        let mut labels = series.labels.clone();
        labels.remove("le");
        labels
    };
    for of_one in family.series.chunk_by(|a, b| own(a) == own(b)) {
        let fault = |what: &str| format!("{} {:?}: {what}", family.name, own(&of_one[0]));
        let [buckets @ .., sum, count] = of_one else {
            return Err(fault("too short"));
        };
        let edge = |series: &Series| series.labels.get("le").and_then(|le| le.parse::<f64>().ok());
        let edges: Option<Vec<f64>> = buckets.iter().map(edge).collect();
        let edges = edges.ok_or_else(|| fault("a bucket without its edge"))?;
        if edges.last() != Some(&f64::INFINITY) || !edges.is_sorted_by(|a, b| a < b) {
            return Err(fault("edges do not rise to +Inf"));
        }
        if !sum.name.ends_with("_sum") || !count.name.ends_with("_count") {
            return Err(fault("no sum and count at the end"));
        }
        if buckets.last().map(|all| all.value) != Some(count.value) {
            return Err(fault("the last bucket is not the count"));
        }
    }
    Ok(())
}

#[test]
fn refuses_what_prometheus_would_refuse() {
    let head = "# HELP a_ratio x\n# TYPE a_ratio gauge\n";
    assert!(parse(&format!("{head}a_ratio{{q=\"\\\"\\\\\\n\"}} 1\n")).is_ok());
    for wrong in [
        "a_ratio{q=\"a\"} 1",
        "b 1\n",
        "a_ratio{q=\"\\t\"} 1\n",
        "a_ratio{q=\"a\"b\"} 1\n",
        "a_ratio{q=\"a\"} NaN\n",
        "a_ratio{q=\"a\",q=\"b\"} 1\n",
        "a_ratio{q=\"a\"} 1\na_ratio{q=\"a\"} 2\n",
        "a_ratio 1\n# TYPE a_ratio gauge\n",
        "",
    ] {
        assert!(parse(&format!("{head}{wrong}")).is_err(), "{wrong}");
    }
    let head = "# HELP w x\n# TYPE w histogram\n";
    let buckets =
        |first: &str, second: &str| format!("{head}w_bucket{{le=\"{first}\"}} 1\nw_bucket{{le=\"{second}\"}} 2\n");
    assert!(parse(&format!("{}w_sum 3\nw_count 2\n", buckets("1.0", "+Inf"))).is_ok());
    assert!(parse(&format!("{}w_sum 3\nw_count 2\n", buckets("1", "+Inf"))).is_err());
    assert!(parse(&format!("{}w_sum 3\nw_count 3\n", buckets("1.0", "+Inf"))).is_err());
    assert!(parse(&format!("{}w_sum 3\nw_count 2\n", buckets("+Inf", "1.0"))).is_err());
    assert!(parse(&buckets("1.0", "+Inf")).is_err());
}

#[test]
fn refuses_what_is_no_open_metrics() {
    let text = "# HELP a x\n# TYPE a counter\na_total 1\n# HELP b x\n# TYPE b info\nb_info{t=\"\"} 1\n# EOF\n";
    assert!(parse_open_metrics(text).is_ok());
    for (of, wrong) in [("# EOF\n", ""), ("a_total 1", "a 1"), ("# TYPE a", "\n# TYPE a"), ("HELP a", "HELP a_total")] {
        assert!(parse_open_metrics(&text.replace(of, wrong)).is_err(), "{wrong:?} for {of:?}");
    }
}
