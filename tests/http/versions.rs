//! Which record of a key the board keeps.

use crate::records::{end, five_minutes, json, key, next, put, queue};
use callpulse::entity::Kind;
use callpulse::serve::board::{Board, Change, Progress, Unreadable};
use callpulse::serve::filter::Filter;
use callpulse::time::EventTime;
use proptest::prelude::*;

/// What is told of one key: a version, or its end.
fn told() -> impl Strategy<Value = Vec<Option<u64>>> {
    prop::collection::vec(prop::option::weighted(0.9, 0..6u64), 0..20)
}

proptest! {
    #[test]
    fn the_highest_version_since_the_last_end_stays(told in told()) {
        let board = Board::default();
        let mut expected: Option<u64> = None;
        for version in told {
            let mut record = queue("sales", "5m");
            match version {
                Some(version) => {
                    record.version = version;
                    let is_newer = expected.is_none_or(|have| have < version);
                    let change = put(&board, 0, &record);
                    prop_assert_eq!(change, if is_newer { Change::Stored } else { Change::NotNewer });
                    expected = expected.max(Some(version));
                }
                None => {
                    prop_assert_eq!(end(&board, &record), Change::Removed);
                    expected = None;
                }
            }
            let versions: Vec<u64> = board.records(&Filter::default()).iter().map(|record| record.version).collect();
            prop_assert_eq!(versions, expected.into_iter().collect::<Vec<_>>());
        }
    }
}

#[test]
fn an_equal_version_changes_nothing() {
    let board = Board::default();
    let record = five_minutes("sales");
    put(&board, 3, &record);
    assert_eq!(put(&board, 4, &record), Change::NotNewer);
    assert_eq!(board.read().records[key(&record).as_str()].place.partition, 3);
}

#[test]
fn a_record_is_given_back_byte_for_byte() {
    let board = Board::default();
    let record = five_minutes("sales");
    let published = json(&record).replacen('{', "{ \"from_a_newer_version\": [1, 2],", 1);
    board.apply(next(&board, 0), Some(key(&record).as_bytes()), Some(published.as_bytes())).unwrap();
    let all = board.all(&Filter::default()).known;
    assert_eq!(all.iter().map(|known| known.json.as_deref()).collect::<Vec<_>>(), [Some(published.as_bytes())]);
    assert_eq!(board.records(&Filter { kinds: vec![Kind::Queue], ..Filter::default() }), [record]);
    assert_eq!(board.all(&Filter { kinds: vec![Kind::Agent], ..Filter::default() }).known, []);
}

#[test]
fn progress_stands_apart_from_the_records() {
    let board = Board::default();
    let told = r#"{"as_of":"2026-03-02T08:15:30.412Z","behind_ms":120,"silent":[]}"#;
    assert_eq!(board.apply(next(&board, 0), Some(b"progress|7"), Some(told.as_bytes())).unwrap(), Change::Progress);
    let as_of = Some("2026-03-02T08:15:30.412Z".into());
    let expected = Progress { as_of, behind_ms: 120, generation: 0, settled: None, silent: Vec::new() };
    assert_eq!(board.read().progress[&7], expected);
    assert_eq!(board.apply(next(&board, 0), Some(b"progress|7"), None).unwrap(), Change::Removed);
    assert!(board.read().progress.is_empty() && board.read().records.is_empty());
}

#[test]
fn what_is_no_record_is_refused_and_leaves_the_board_as_it_was() {
    let board = Board::default();
    let record = five_minutes("sales");
    put(&board, 0, &record);
    let apply =
        |key: Option<&[u8]>, value: &str| board.apply(next(&board, 0), key, Some(value.as_bytes())).unwrap_err();
    let key = key(&record);
    assert!(matches!(apply(None, "{}"), Unreadable::Key));
    assert!(matches!(apply(Some(b"\xff"), "{}"), Unreadable::Key));
    assert!(matches!(apply(Some(key.as_bytes()), "{"), Unreadable::Value { .. }));
    assert!(matches!(apply(Some(b"progress|1"), "[]"), Unreadable::Value { .. }));
    let newer = json(&record).replace("\"version\":1", "\"version\":2");
    let other_schema = newer.replace("callpulse.kpi.v1", "callpulse.kpi.v2");
    assert!(matches!(apply(Some(key.as_bytes()), &other_schema), Unreadable::Unknown { .. }));
    let other_kind = newer.replace("\"kind\":\"queue\"", "\"kind\":\"planet\"");
    assert!(matches!(apply(Some(key.as_bytes()), &other_kind), Unreadable::Unknown { .. }));
    assert!(matches!(apply(Some(b"default|queue|other|5m"), &newer), Unreadable::Misplaced { .. }));
    assert_eq!(board.records(&Filter::default()), [record]);
}

#[test]
fn what_earlier_generations_have_settled_is_known_of_all_that_may_come_back_or_of_none() {
    let never = EventTime(i64::MIN);
    let board = Board::default();
    let tell = |of: i32, generation: u64, settled: Option<&str>| {
        let settled = settled.map_or("null".to_owned(), |minute| format!("\"2026-03-02T08:{minute}:00.000Z\""));
        let told = format!(
            r#"{{"as_of":"2026-03-02T10:00:00.000Z","behind_ms":0,"generation":{generation},"settled":{settled},"silent":[]}}"#
        );
        board
            .apply(next(&board, of), Some(format!("progress|{of}").as_bytes()), Some(told.as_bytes()))
            .expect("a progress record");
    };
    let settled = |groups: &[u64]| board.settled_before(3, 2, groups.iter().copied());
    let at = |minute: &str| EventTime::parse(&format!("2026-03-02T08:{minute}:00.000Z")).expect("a time");
    assert_eq!((settled(&[]), settled(&[1])), (EventTime(i64::MAX), never), "the board is not read yet");
    board.set_caught_up();
    assert_eq!(settled(&[1]), never, "it has a group and has said nothing");
    tell(0, 1, Some("20"));
    assert_eq!((settled(&[1]), board.claimed_by(2)), (never, 0), "one partition says nothing");
    tell(1, 1, Some("10"));
    assert_eq!((settled(&[1]), settled(&[1, 2])), (at("10"), never), "the second has a group and has said nothing");
    tell(0, 2, Some("30"));
    assert_eq!((settled(&[1, 2]), board.claimed_by(2)), (never, 1));
    // Who claimed the whole board has ended those before.
    tell(1, 2, Some("40"));
    assert_eq!((settled(&[1, 2]), board.claimed_by(2)), (at("30"), 2));
    tell(1, 2, None);
    assert_eq!(settled(&[1, 2]), never);
    // Those that come later say nothing of it.
    tell(1, 2, Some("40"));
    tell(0, 3, Some("59"));
    tell(1, 4, Some("59"));
    assert_eq!((settled(&[1, 2]), board.claimed_by(2)), (at("30"), 3));
}
