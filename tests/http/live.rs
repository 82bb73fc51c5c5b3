//! Laws of streams: whatever was sent before, whoever sends it, and however slow the client is, it ends up with
//! what stands on the board.

use crate::events::{Client, Event, Parser};
use crate::records::{key, record};
use callpulse::entity::Kind;
use callpulse::event::Channel;
use callpulse::kpi::record::{Count, KpiRecord};
use callpulse::serve::board::{Board, Place};
use callpulse::serve::filter::Filter;
use callpulse::serve::live::feed::{Feed, Query};
use callpulse::serve::live::reader::Reader;
use callpulse::serve::parts::{KPI_RECORD, Parts};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

const PARTITIONS: i32 = 3;

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// The engine publishes a record of a key, or its end.
    Record(usize),
    End(usize),
    /// A record that nobody can read, in a partition.
    Noise(i32),
    Progress(i32, i64),
    Turn,
    /// A client takes so many pieces, and of the last one not all if it is cut off.
    Takes {
        pieces: usize,
        cut: Option<usize>,
    },
    /// The instance starts anew, from what compaction left of the topic.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..8usize).prop_map(Step::Record),
        3 => (0..8usize).prop_map(Step::End),
        1 => (0..PARTITIONS).prop_map(Step::Noise),
        1 => (0..PARTITIONS, 0..9i64).prop_map(|(partition, behind)| Step::Progress(partition, behind)),
        4 => Just(Step::Turn),
        4 => (0..4usize, prop::option::of(0..400usize)).prop_map(|(pieces, cut)| Step::Takes { pieces, cut }),
        1 => Just(Step::Restart),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let kinds = prop::sample::subsequence(vec![Kind::Queue, Kind::Agent], 0..=2);
    let windows = prop::sample::subsequence(vec!["now".to_owned(), "5m".to_owned()], 0..=2);
    let channels = prop::sample::subsequence(vec![None, Some(Channel::Chat)], 0..=2);
    let parts = prop::option::of(prop::sample::select(vec!["counts.offered", "kpis,now", "counts"]));
    (kinds, windows, channels, parts).prop_map(|(kinds, windows, channels, parts)| Query {
        filter: Filter { kinds, windows, channels, ..Filter::default() }.in_order(),
        parts: parts.map(|parts| Parts::parse(parts, &KPI_RECORD).expect("fields")),
    })
}

/// The topic, as Kafka keeps it.
#[derive(Default)]
struct Topic {
    log: Vec<(Place, Option<String>, Option<String>)>,
    versions: HashMap<usize, u64>,
}

impl Topic {
    fn write(&mut self, partition: i32, key: Option<String>, value: Option<String>) -> usize {
        let offset = self.log.iter().filter(|(place, ..)| place.partition == partition).count() as i64;
        self.log.push((Place { partition, offset }, key, value));
        self.log.len() - 1
    }

    fn record(&mut self, which: usize) -> KpiRecord {
        let version = self.versions.entry(which).or_default();
        *version += 1;
        let kind = if which.is_multiple_of(2) { Kind::Queue } else { Kind::Agent };
        let window = if which % 4 < 2 { "now" } else { "5m" };
        let mut record = record("default", kind, &format!("{}\n|{}", which / 4, which % 3), window);
        record.entity.channel = (which == 5 || which == 6).then(|| "chat".into());
        record.version = *version;
        record.counts.push("offered", Count::Number(*version as i64));
        record.counts.push("answered", Count::Number(1));
        record
    }

    /// The newest of each key; what has no key stays.
    fn compacted(&self) -> impl Iterator<Item = &(Place, Option<String>, Option<String>)> {
        let newest: HashMap<&String, Place> =
            self.log.iter().filter_map(|(place, key, _)| Some((key.as_ref()?, *place))).collect();
        let stays = move |(place, key, _): &&(Place, Option<String>, Option<String>)| {
            key.as_ref().is_none_or(|key| newest[key] == *place)
        };
        self.log.iter().filter(stays)
    }
}

fn apply(board: &Board, (place, key, value): &(Place, Option<String>, Option<String>)) {
    // Noise cannot be read, and that is its business.
    let _ = board.apply(*place, key.as_deref().map(str::as_bytes), value.as_deref().map(str::as_bytes));
}

fn partition(which: usize) -> i32 {
    which as i32 % PARTITIONS
}

/// A client with a connection that may be cut.
#[derive(Default)]
struct Connected {
    client: Client,
    parser: Parser,
    reader: Option<Reader>,
}

impl Connected {
    fn reader(&mut self, feed: &Arc<Feed>) -> &mut Reader {
        let id = self.client.id.clone();
        self.reader.get_or_insert_with(|| Reader::new(feed.clone(), id.parse().ok()))
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        let events = self.parser.take(bytes);
        events.iter().for_each(|event| self.client.take(event));
        events
    }

    /// The connection is gone; what was not a whole event is, too.
    fn cut(&mut self) {
        self.reader = None;
        self.parser = Parser::default();
    }
}

fn on_board(board: &Board, query: &Query) -> BTreeMap<String, Value> {
    let known = board.all(&query.filter).known;
    let value = |json: &[u8]| -> Value {
        let narrowed = query.parts.as_ref().map(|parts| parts.narrow(json).into_owned());
        serde_json::from_slice(narrowed.as_deref().unwrap_or(json)).expect("a record")
    };
    known.iter().map(|known| (known.key.to_string(), value(known.json.as_deref().expect("a record")))).collect()
}

proptest! {
    #[test]
    fn a_stream_that_is_cut_and_resumed_ends_in_what_the_board_shows(
        steps in prop::collection::vec(step(), 0..120),
        query in query(),
        ends_max in 0..6usize,
    ) {
        let mut topic = Topic::default();
        let new_board = || {
            let board = Arc::new(Board::remembering(ends_max));
            board.set_cluster("cluster");
            board.set_caught_up();
            board
        };
        let mut board = new_board();
        let mut feed = Arc::new(Feed::new(board.clone(), query.clone()));
        let mut connected = Connected::default();
        let ends = steps.iter().filter(|step| matches!(step, Step::End(_))).count();
        for step in steps {
            let written = match step {
                Step::Record(which) => {
                    let record = topic.record(which);
                    let json = serde_json::to_string_pretty(&record).expect("a record is JSON");
                    Some(topic.write(partition(which), Some(key(&record)), Some(json)))
                }
                Step::End(which) => {
                    let record = topic.record(which);
                    Some(topic.write(partition(which), Some(key(&record)), None))
                }
                Step::Noise(partition) => Some(topic.write(partition, None, Some("noise".into()))),
                Step::Progress(partition, behind) => {
                    let value = format!("{{\"as_of\":null,\"behind_ms\":{behind}}}");
                    Some(topic.write(partition, Some(format!("progress|{partition}")), Some(value)))
                }
                Step::Turn => {
                    feed.turn();
                    None
                }
                Step::Takes { pieces, cut } => {
                    for _ in 0..pieces {
                        let Some(piece) = connected.reader(&feed).take() else { break };
                        connected.take(&piece);
                    }
                    if let Some(cut) = cut {
                        if let Some(piece) = connected.reader(&feed).take() {
                            connected.take(&piece[..cut.min(piece.len())]);
                        }
                        connected.cut();
                    }
                    None
                }
                Step::Restart => {
                    board = new_board();
                    topic.compacted().for_each(|written| apply(&board, written));
                    feed = Arc::new(Feed::new(board.clone(), query.clone()));
                    connected.cut();
                    None
                }
            };
            if let Some(written) = written {
                apply(&board, &topic.log[written]);
            }
        }
        feed.turn();
        while let Some(piece) = connected.reader(&feed).take() {
            connected.take(&piece);
        }
        prop_assert!(connected.client.is_live);
        prop_assert_eq!(&connected.client.records, &on_board(&board, &query));
        let told: Vec<i64> = connected.client.progress.values().map(|data| data["behind_ms"].as_i64().unwrap()).collect();
        let known: Vec<i64> = board.read().progress.values().map(|progress| progress.behind_ms).collect();
        prop_assert_eq!(told, known);
        // Nothing more to say, and whoever comes back is told nothing again; but all of it, where an end was forgotten
        // that may have been of what was asked for.
        let (told, snapshots) = (connected.client.told, connected.client.snapshots);
        connected.cut();
        while let Some(piece) = connected.reader(&feed).take() {
            connected.take(&piece);
        }
        let is_silent = (connected.client.told, connected.client.snapshots) == (told, snapshots);
        prop_assert!(is_silent || ends_max < ends, "told again");
    }
}

fn feed_of(board: &Arc<Board>) -> Arc<Feed> {
    board.set_caught_up();
    Arc::new(Feed::new(board.clone(), Query::default()))
}

fn drained(reader: &mut Reader) -> (Client, Vec<Event>) {
    let (mut client, mut parser, mut all) = (Client::default(), Parser::default(), Vec::new());
    while let Some(piece) = reader.take() {
        let events = parser.take(&piece);
        events.iter().for_each(|event| client.take(event));
        all.extend(events);
    }
    (client, all)
}

#[test]
fn a_slow_client_gets_the_newest_of_each_key() {
    let (mut topic, board) = (Topic::default(), Arc::new(Board::default()));
    let feed = feed_of(&board);
    let mut reader = Reader::new(feed.clone(), None);
    drained(&mut reader);
    for turns in [3, 40] {
        for _ in 0..turns {
            for which in [0, 1] {
                let record = topic.record(which);
                let written = topic.write(0, Some(key(&record)), Some(serde_json::to_string(&record).unwrap()));
                apply(&board, &topic.log[written]);
            }
            feed.turn();
        }
        let (client, _) = drained(&mut reader);
        // More turns than are kept: the board tells what changed, and not everything anew.
        assert_eq!((client.told, client.snapshots), (2, 0), "{turns}");
        assert_eq!(client.records, on_board(&board, &Query::default()));
    }
}

#[test]
fn a_snapshot_of_many_pages_is_whole() {
    let (mut topic, board) = (Topic::default(), Arc::new(Board::default()));
    for number in 0..1_000 {
        let mut record = topic.record(0);
        record.entity.id = format!("queue-{number}");
        let written = topic.write(0, Some(key(&record)), Some(serde_json::to_string(&record).unwrap()));
        apply(&board, &topic.log[written]);
    }
    let (client, events) = drained(&mut Reader::new(feed_of(&board), None));
    assert_eq!((client.records.len(), client.snapshots), (1_000, 1));
    assert_eq!(events.last().map(|event| event.name.as_str()), Some("live"));
}

#[test]
fn a_position_that_says_nothing_here_leads_to_a_snapshot() {
    let (mut topic, board) = (Topic::default(), Arc::new(Board::default()));
    let record = topic.record(0);
    let written = topic.write(0, Some(key(&record)), Some(serde_json::to_string(&record).unwrap()));
    apply(&board, &topic.log[written]);
    let feed = feed_of(&board);
    let (client, _) = drained(&mut Reader::new(feed.clone(), None));
    let position: callpulse::serve::position::Position = client.id.parse().expect("a position");
    let resumed = |board: &Arc<Board>, query: Query, change: &dyn Fn(&mut callpulse::serve::position::Position)| {
        board.set_caught_up();
        let mut position = position.clone();
        change(&mut position);
        let feed = Arc::new(Feed::new(board.clone(), query));
        drained(&mut Reader::new(feed, Some(position))).0.snapshots
    };
    assert_eq!(resumed(&board, Query::default(), &|_| {}), 0);
    let agents = Filter { kinds: vec![Kind::Agent], ..Filter::default() };
    assert_eq!(resumed(&board, Query { filter: agents, parts: None }, &|_| {}), 1, "another question");
    assert_eq!(resumed(&board, Query::default(), &|position| position.given -= 7 * 3_600_000), 1, "too long ago");
    let elsewhere = Arc::new(Board::default());
    elsewhere.set_cluster("another");
    topic.log.iter().for_each(|written| apply(&elsewhere, written));
    assert_eq!(resumed(&elsewhere, Query::default(), &|_| {}), 1, "another cluster");
}

#[test]
fn a_board_that_is_not_read_to_its_end_is_waited_for() {
    let (mut topic, board) = (Topic::default(), Arc::new(Board::default()));
    let mut reader = Reader::new(Arc::new(Feed::new(board.clone(), Query::default())), None);
    assert_eq!(reader.take(), None);
    let record = topic.record(0);
    let written = topic.write(0, Some(key(&record)), Some(serde_json::to_string(&record).unwrap()));
    apply(&board, &topic.log[written]);
    assert_eq!(reader.take(), None);
    board.set_caught_up();
    let (client, _) = drained(&mut reader);
    assert_eq!((client.records.len(), client.snapshots), (1, 1));
}
