//! The subscriber: what the KPI topic holds and goes on to hold, onto the board.

use crate::serve::board::{Board, Change};
use crate::stream::follow::{Followed, Source, follow};
use crate::stream::outlet::to_json;
use crate::stream::refusal::Refusal;
use crate::stream::stop::Stop;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};
use tracing::warn;

/// Feeds the board from the topic, in a thread of its own, until `stop` is set. If the cluster does not allow
/// it, everybody is asked to leave, and the thread ends with the reason.
pub fn subscribe(
    source: Source,
    board: Arc<Board>,
    stop: Arc<AtomicBool>,
    leave: Stop,
) -> io::Result<JoinHandle<Result<(), Refusal>>> {
    describe_gauge!("callpulse_board_records", "KPI records on the board");
    describe_counter!("callpulse_board_unreadable_total", "records of the KPI topic that the board could not read");
    thread::Builder::new().name("board".into()).spawn(move || {
        let ended = follow(&source, &stop, |followed| feed(&board, followed));
        if ended.is_err() {
            leave.request();
        }
        ended
    })
}

fn feed(board: &Board, followed: Followed<'_>) {
    match followed {
        Followed::CaughtUp => board.set_caught_up(),
        Followed::Record { partition, offset, key, value } => {
            match board.apply(partition, key, value.map(to_json).as_deref()) {
                Ok(Change::Stored | Change::Removed) => {
                    gauge!("callpulse_board_records").set(board.read().records.len() as f64);
                }
                Ok(Change::NotNewer | Change::Progress) => {}
                Err(reason) => {
                    counter!("callpulse_board_unreadable_total").increment(1);
                    warn!(partition, offset, %reason, "KPI record left out of the board");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::board::Filter;

    #[test]
    fn feeds_the_board_past_what_it_cannot_read() {
        let board = Board::default();
        let record = |key, value| Followed::Record { partition: 1, offset: 5, key: Some(key), value: Some(value) };
        feed(&board, record(b"default|queue|sales|5m", b"no record"));
        feed(&board, record(b"progress|3", br#"{"as_of":null,"behind_ms":0,"silent":[]}"#));
        assert_eq!(board.records(&Filter::default()), []);
        assert!(board.read().progress.contains_key(&3) && !board.is_caught_up());
        feed(&board, Followed::CaughtUp);
        assert!(board.is_caught_up());
    }
}
