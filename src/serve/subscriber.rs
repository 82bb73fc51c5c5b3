//! The subscriber: what a topic holds and goes on to hold, into memory.

use crate::serve::alerts::Alerts;
use crate::serve::board::{Board, Change, Place};
use crate::stream::follow::{Followed, Source, follow};
use crate::stream::outlet::to_json;
use crate::stream::refusal::Refusal;
use crate::stream::stop::Stop;
use metrics::{counter, gauge};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};
use tracing::warn;

/// Follows a topic in a thread of its own until `stop` is set. If the cluster does not allow it, everybody is asked to
/// leave, and the thread ends with the reason.
pub fn subscribe(
    source: Source,
    stop: Arc<AtomicBool>,
    leave: Stop,
    mut on: impl FnMut(Followed<'_>) + Send + 'static,
) -> io::Result<JoinHandle<Result<(), Refusal>>> {
    thread::Builder::new().name(source.group.clone()).spawn(move || {
        let ended = follow(&source, &stop, &mut on);
        if ended.is_err() {
            leave.request();
        }
        ended
    })
}

/// Takes what following the KPI topic brings onto the board.
pub fn feed(board: &Board, followed: Followed<'_>) {
    match followed {
        Followed::Begun(begun) => begun.cluster.iter().for_each(|name| board.set_cluster(name)),
        Followed::CaughtUp => board.set_caught_up(),
        Followed::Record { partition, offset, key, value } => {
            match board.apply(Place { partition, offset }, key, value.map(to_json).as_deref()) {
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

/// Takes what following the topic of alerts brings among those that are served.
pub fn feed_alerts(alerts: &Alerts, followed: Followed<'_>) {
    match followed {
        Followed::Begun(_) => {}
        Followed::CaughtUp => alerts.set_caught_up(),
        Followed::Record { partition, offset, key, value } => {
            if let Err(reason) = alerts.apply(partition, key, value) {
                counter!("callpulse_alerts_unreadable_total").increment(1);
                warn!(partition, offset, %reason, "alert left out");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::filter::Filter;

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
