//! Figures of several runs: the median, and how far the runs were apart.

use std::fmt;

/// One figure, measured in several runs.
#[derive(Default)]
pub struct Figure(Vec<f64>);

impl Figure {
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }
}

/// `median (least..greatest)`, with as many digits as matter.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(least), Some(greatest)) = (self.0.first(), self.0.last()) else { return f.write_str("-") };
        let median = self.0[self.0.len() / 2];
        f.pad(&format!("{} ({}..{})", short(median), short(*least), short(*greatest)))
    }
}

fn short(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).expect("digits")).collect();
    groups.join(",")
}

/// The value that `share` (0..1) of the sorted values do not exceed: nearest rank.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}
