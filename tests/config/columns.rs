//! The mapping of a table's columns.

use crate::{check, read, settings, told};

const COLUMNS: &str = "[csv]\ncolumns = ['id', 'at', 'wait', 'talk']\nqueued_at = 'at'\nwait = 'wait'\ntalk = 'talk'\n\
                       default_queue = 'q'\ndefault_agent = 'a'\n";

#[test]
fn columns_are_found_by_their_names_and_unknown_ones_are_refused() {
    let mapping = settings(&format!("{COLUMNS}call_id = ['talk', 'id']")).csv;
    assert_eq!((mapping.at.call_id.as_slice(), mapping.at.queued_at, mapping.at.agent), (&[3, 0][..], Some(1), None));
    assert!(settings("").csv.columns.is_empty());
    check(&format!("{COLUMNS}agent = 'walt'"), "csv.agent: `walt` is not among csv.columns; did you mean `wait`?");
    check(
        &format!("{COLUMNS}call_id = ['id', 'number']"),
        "csv.call_id[1]: `number` is not among csv.columns; known are `id`, `at`, `wait` and `talk`",
    );
    check("csv.queue = 'q'", "csv.columns: is missing; list the names of all columns in order, those not used too");
}

#[test]
fn columns_have_to_suffice_for_a_call() {
    let without = |key: &str| {
        let lines = COLUMNS.lines().filter(|line| !line.starts_with(key));
        lines.collect::<Vec<_>>().join("\n")
    };
    check(&without("queued_at"), "csv.queued_at: is missing; name the column of when a call entered the queue");
    check(
        &without("default_queue"),
        "csv.queue: is missing; name a column, or the one queue there is as `default_queue`",
    );
    check(
        &without("default_agent"),
        "csv.agent: is missing; name a column, or whom answers are counted for as `default_agent`",
    );
    let faults = told(&read(&without("talk")).unwrap_err());
    assert_eq!(
        faults,
        "csv.outcome: is missing, and so are `answered_at` and `talk`: one of them has to tell who was answered\n\
         csv.ended_at: is missing, and so are `talk` and `total`: one of them has to tell when a call ended\n"
    );
    check(
        &format!("{COLUMNS}outcomes = {{ YES = 'answered' }}"),
        "csv.outcome: is missing; `outcomes` says what its words mean",
    );
    check(
        &format!("{COLUMNS}outcome = 'id'\noutcomes = {{ NO = 'no_answer' }}"),
        "csv.ringing_at: is missing; an attempt at an agent begins there",
    );
    check(
        "sources = [{ topic = 'a', format = 'cloudevents/csv' }]",
        "sources[0].format: `csv` needs to know what the columns mean; name them in [csv] columns",
    );
}

#[test]
fn cells_and_times_are_written_in_ways_that_can_be_read() {
    check(
        &format!("{COLUMNS}time_format = '%d.%m.%Y'"),
        "csv.time_format: `%d.%m.%Y` does not tell a day and a time of it; write it as for strptime, such as \
         \"%d.%m.%Y %H:%M:%S\"",
    );
    check(
        "csv.delimiter = ', '",
        "csv.delimiter: `, ` is no delimiter; write one sign such as \",\", \";\" or \"\\t\"",
    );
    check(
        &format!("{COLUMNS}outcome = 'id'\noutcomes = {{ YES = 'answerd' }}"),
        "csv.outcomes.YES: unknown `answerd`; did you mean `answered`?",
    );
    check(
        "sources = [{ topic = 'a', format = 'cloudevent' }]",
        "sources[0].format: unknown format `cloudevent`; did you mean `cloudevents`?",
    );
}
