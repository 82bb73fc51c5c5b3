//! The manual of the KPIs: `docs/kpis.md`, written from the catalogue.

use super::catalogue::{Better, COUNTS, Counted, Definition, KPIS, SUMS, Windows};
use super::service_level::FORMULAS;
use crate::entity::Kind;
use std::fmt::Write;

const INTRODUCTION: &str = "\
# The KPIs

Written from the catalogue in `src/kpi/catalogue.rs`; a test keeps the two alike. Names are public.

Notation, per entity and window:

| sign | meaning | count |
|---|---|---|
| O | entered the queue | `offered` |
| A | answered | `answered` |
| B | abandoned: the caller left while waiting | `abandoned` |
| Bs | abandoned within the short-abandon limit (a wait `<=` it, always) | `short_abandoned` |
| F | flowed out: left unanswered other than by abandoning | `flowed_out` |
| C | asked for a callback, part of F | `callbacks_requested` |
| L | left: A + B + F | |
| H | handled: connections with an agent that ended | `handled` |
| T | as `A_T`: within the service-level threshold, `<=` unless `met_at_threshold = false` | |

Waits run from queue entry to answer or leaving. A KPI whose denominator is 0 has no value. A share divides by calls that left, since
in a short window more may leave than enter. In `by_entry`, the part of an interval that books everything at a call's queue entry, A, B and F are
those of the calls that entered, and L is O without those that still wait.

`handle` and `call` times are of inbound connections. Percentiles are nearest rank, the upper edge of the cell: exact to the second (rounded up) to ten
minutes, then in steps of 5 s to an hour, 30 s to a day and 15 min to 31 days.
";

const PROFILE: &str = "
## Volume by hour and weekday

`offered` of a `per_1h` or `per_1d` interval is the volume of an hour or a day. `total` of a queue and of the tenant, over all channels, has `profile` besides: `offered`, by
weekday and hour, summed over the last eight weeks that ended before `as_of`, each from `week_start` at local midnight. `weeks_seen` says in how many of them anything was
offered: a mean is a sum divided by it. An hour that comes twice adds both, one that is skipped adds nothing. Before the first whole week it is absent.
";

/// The text of `docs/kpis.md`.
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_string();
    text.push_str("\n## Service level\n\nThe formula is a setting, and every record names the one it used; `also` shows more of them side by side.\n\n");
    text.push_str("| `formula` | numerator / denominator | source: who defines it so |\n|---|---|---|\n");
    for (formula, definition, source) in FORMULAS {
        row(&mut text, &[&code(formula.word()), definition, source]);
    }
    text.push_str("\n## KPIs\n\n| id | formula | unit | entities | windows | note |\n|---|---|---|---|---|---|\n");
    for Definition { id, formula, unit, kinds, windows, note, .. } in KPIS {
        row(&mut text, &[&code(id), formula, unit, &entities(kinds), name(*windows), note]);
    }
    text.push_str(
        "\n## Counts\n\nIn `counts` of every window but `now`, at the event and by entry. The id names the count where KPIs are named, as in targets: \
         a record says in `targets` what is wanted of it, and whether that is met.\n\n",
    );
    text.push_str("| name | id | target met | entities | meaning |\n|---|---|---|---|---|\n");
    for Counted { name, wanted, kinds, note, .. } in COUNTS {
        let (id, met) = wanted.map_or((String::new(), ""), |(id, better)| (code(id), met(better)));
        row(&mut text, &[&code(name), &id, met, &entities(kinds), note]);
    }
    text.push_str(PROFILE);
    text.push_str("\n## Sums\n\nIn `sums_ms`, milliseconds.\n\n| name | entities | meaning |\n|---|---|---|\n");
    for Counted { name, kinds, note, .. } in SUMS {
        row(&mut text, &[&code(name), &entities(kinds), note]);
    }
    text
}

const fn met(better: Better) -> &'static str {
    match better {
        Better::Higher => "at or above",
        Better::Lower => "at or below",
    }
}

fn row(text: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn code(word: &str) -> String {
    format!("`{word}`")
}

fn entities(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(", ")
}

const fn name(windows: Windows) -> &'static str {
    match windows {
        Windows::Facts => "sliding, intervals, by entry, total",
        Windows::AtTheEvent => "sliding, intervals, total",
        Windows::Now => "now",
        Windows::OfAgents => "sliding, intervals, total; over all channels",
        Windows::NowOfAgents => "now; over all channels",
        Windows::FactsAndNow => "sliding, intervals, by entry, total, now",
    }
}
