//! Following a file: whatever is written, cut off, renamed and copied, and whenever the follower is killed, each
//! line is told once and in order.
//!
//! Real files in a real directory; only the time they were written at is given, so that no test has to wait.

use callpulse::decode::format::{Decoder, Format};
use callpulse::decode::places::Places;
use callpulse::event::Reason;
use callpulse::ship::batch::{Batch, Target};
use callpulse::ship::follower::{Follower, Line, Turn};
use callpulse::ship::news::News;
use callpulse::ship::position::Position;
use callpulse::time::EventTime;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file somebody writes lines to, and others rotate.
struct Writer {
    dir: PathBuf,
    ticks: u64,
    /// Everything is written within one tick of the clock.
    is_one_tick: bool,
    /// The lines as a reader has to find them.
    lines: Vec<String>,
    /// What stands behind the last line's end.
    half: String,
    count: u32,
    rotated: Vec<PathBuf>,
}

impl Writer {
    fn new() -> Writer {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("callpulse-ship-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).expect("a directory");
        Writer {
            dir,
            ticks: 0,
            is_one_tick: false,
            lines: Vec::new(),
            half: String::new(),
            count: 0,
            rotated: Vec::new(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.join("queue_log")
    }

    fn append(&mut self, text: &str) {
        let mut file = File::options().create(true).append(true).open(self.path()).expect("the file");
        file.write_all(text.as_bytes()).expect("written");
        self.stamp(&file);
        for part in text.split_inclusive('\n') {
            self.half.push_str(part);
            if part.ends_with('\n') {
                self.end_line();
            }
        }
    }

    /// A line that no other equals: two files that begin with the same bytes would be one as far as those go.
    fn line(&mut self, length: usize) -> String {
        self.count += 1;
        format!("{}|{}\n", self.count, "x".repeat(length))
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.half);
        if !line.trim().is_empty() {
            self.lines.push(line.trim().to_string());
        }
    }

    /// Renames the file away, and all that were renamed before it; begins a new one if told to.
    fn rename(&mut self, dated: bool, create: bool) {
        if !self.path().exists() {
            return;
        }
        let to = self.next_name(dated);
        fs::rename(self.path(), &to).expect("renamed");
        self.rotated.push(to);
        self.end_line();
        if create {
            self.stamp(&File::create(self.path()).expect("a new file"));
        }
    }

    /// Copies the file and cuts it off, as `copytruncate` does.
    fn copy_and_cut(&mut self, dated: bool) {
        if !self.path().exists() {
            return;
        }
        let to = self.next_name(dated);
        fs::copy(self.path(), &to).expect("copied");
        self.stamp(&File::options().append(true).open(&to).expect("the copy"));
        self.rotated.push(to);
        let file = File::options().write(true).open(self.path()).expect("the file");
        file.set_len(0).expect("cut off");
        self.stamp(&file);
        self.end_line();
    }

    fn next_name(&mut self, dated: bool) -> PathBuf {
        self.ticks += 1;
        if dated {
            return self.dir.join(format!("queue_log-{:08}", self.ticks));
        }
        let name = |number: usize| self.dir.join(format!("queue_log.{number}"));
        let shifted: Vec<PathBuf> = (1..).map(name).take_while(|path| path.exists()).collect();
        for (at, from) in shifted.iter().enumerate().rev() {
            fs::rename(from, name(at + 2)).expect("shifted");
        }
        name(1)
    }

    fn stamp(&mut self, file: &File) {
        self.ticks += 1;
        let tick = if self.is_one_tick { 0 } else { self.ticks };
        let at = UNIX_EPOCH + Duration::from_secs(1_772_438_400 + tick);
        file.set_modified(at).expect("a time");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Who follows it, and what was committed.
struct Reader {
    path: PathBuf,
    chunk: usize,
    follower: Follower,
    committed: Option<Position>,
    lines: Vec<String>,
    numbers: Vec<u64>,
    news: Vec<News>,
}

impl Reader {
    fn new(path: &Path, chunk: usize) -> Reader {
        let follower = Follower::new(path, None, chunk);
        let path = path.to_path_buf();
        Reader { path, chunk, follower, committed: None, lines: Vec::new(), numbers: Vec::new(), news: Vec::new() }
    }

    /// One turn, committed unless it is killed before.
    fn turn(&mut self, is_killed: bool) -> Turn {
        let (mut lines, mut numbers) = (Vec::new(), Vec::new());
        let mut each = |line: Line<'_>| {
            lines.push(String::from_utf8(line.bytes.trim_ascii().to_vec()).expect("text"));
            numbers.push(line.number);
        };
        let turn = self.follower.turn(&mut each, &mut |news| self.news.push(news)).expect("read");
        if is_killed {
            self.start();
            return Turn::Moved;
        }
        let position = self.follower.position();
        if position != self.committed {
            self.lines.append(&mut lines);
            self.numbers.append(&mut numbers);
            // As it comes back from the broker.
            self.committed = position
                .map(|position| Position::parse(position.offset as i64, &position.words()).expect("a position"));
        }
        assert!(lines.is_empty(), "lines without a place behind them: {lines:?}");
        turn
    }

    fn start(&mut self) {
        self.follower = Follower::new(&self.path, self.committed.clone(), self.chunk);
    }

    fn read_out(&mut self) {
        while self.turn(false) == Turn::Moved {}
    }

    /// Nothing of the file that is written to was read yet.
    fn is_before(&self, path: &Path) -> bool {
        let Ok(metadata) = fs::metadata(path) else { return false };
        self.committed.as_ref().is_none_or(|position| position.inode != metadata.ino())
    }

    fn warnings(&self) -> Vec<&News> {
        self.news.iter().filter(|news| news.is_warning()).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A whole line, or one of which only so many bytes are there yet.
    Write {
        length: usize,
        cut: Option<usize>,
    },
    /// The end of the line that is half there.
    Finish,
    Blank,
    Rotate {
        create: bool,
    },
    Turns(u8),
    Kill,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..60usize, prop::option::of(1..40usize)).prop_map(|(length, cut)| Step::Write { length, cut }),
        2 => Just(Step::Finish),
        1 => Just(Step::Blank),
        2 => any::<bool>().prop_map(|create| Step::Rotate { create }),
        4 => (1..6u8).prop_map(Step::Turns),
        2 => Just(Step::Kill),
        2 => Just(Step::Restart),
    ]
}

/// The same cases on every machine, unless PROPTEST_CASES asks for others.
fn config() -> ProptestConfig {
    let common = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => common,
        None => ProptestConfig { cases: 400, rng_seed: RngSeed::Fixed(2026), ..common },
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn each_line_is_told_once_and_in_order(
        steps in prop::collection::vec(step(), 1..60), chunk in 8..200usize, dated in any::<bool>(),
        copies in any::<bool>(),
    ) {
        let mut writer = Writer::new();
        let mut reader = Reader::new(&writer.path(), chunk);
        // Nothing tells a file that nobody has read from any other.
        let first = writer.line(3);
        writer.append(&first);
        reader.read_out();
        for step in steps {
            match step {
                Step::Write { length, cut } => {
                    let line = writer.line(length);
                    let cut = cut.unwrap_or(line.len()).min(line.len());
                    writer.append(&line[..cut]);
                }
                Step::Finish => {
                    let line = writer.line(0);
                    writer.append(&line);
                }
                Step::Blank => {
                    let blanks = " ".repeat(writer.line(0).len() + writer.count as usize);
                    writer.append(&format!("{blanks}\r\n\n"));
                }
                Step::Rotate { create } if !copies => writer.rename(dated, create),
                // What nobody began to read has no place yet, and in a copy it is not looked for.
                Step::Rotate { .. } if reader.is_before(&writer.path()) => {}
                Step::Rotate { .. } => writer.copy_and_cut(dated),
                Step::Turns(count) => (0..count).for_each(|_| { reader.turn(false); }),
                Step::Kill => { reader.turn(true); }
                Step::Restart => reader.start(),
            }
        }
        writer.append("the last\n");
        reader.read_out();
        prop_assert_eq!(&reader.lines, &writer.lines);
        let gone = reader.news.iter().filter(|news| matches!(news, News::Gone { .. })).count();
        prop_assert_eq!(gone, 0, "{:?}", reader.news);
        let distinct: BTreeSet<_> = reader.numbers.iter().collect();
        prop_assert!(reader.numbers.is_sorted() && distinct.len() == reader.numbers.len(), "{:?}", reader.numbers);
    }
}

/// A clock that tells several rotations the same time: which file came first is not known then, but each is read.
#[test]
fn files_rotated_within_one_tick_of_the_clock_are_read_once_each() {
    for kills in [false, true] {
        let mut writer = Writer::new();
        writer.is_one_tick = true;
        let mut reader = Reader::new(&writer.path(), 100);
        writer.append("first\n");
        reader.read_out();
        // Their births may be in one tick, too: so often that some of them are.
        for _ in 0..20 {
            for _ in 0..3 {
                writer.rename(true, false);
                let line = writer.line(9);
                writer.append(&line);
            }
            for _ in 0..3 {
                reader.turn(false);
            }
            if kills {
                reader.start();
            }
        }
        writer.append("last\n");
        reader.read_out();
        reader.lines.sort();
        writer.lines.sort();
        assert_eq!(reader.lines, writer.lines, "{:?}", reader.news);
    }
}

#[test]
fn half_a_line_waits_for_its_rest() {
    let mut writer = Writer::new();
    let mut reader = Reader::new(&writer.path(), 100);
    writer.append("one\ntw");
    reader.read_out();
    assert_eq!((&reader.lines[..], reader.follower.behind()), (&["one".to_string()][..], 2));
    writer.append("o\r\n");
    reader.read_out();
    assert_eq!(reader.lines, ["one", "two"]);
}

#[test]
fn a_file_that_is_not_there_is_waited_for() {
    let mut writer = Writer::new();
    let mut reader = Reader::new(&writer.path(), 100);
    reader.read_out();
    reader.read_out();
    writer.append("\u{feff}one\n");
    reader.read_out();
    assert_eq!(reader.lines, ["one"]);
    let (absent, begun) = (News::Absent { path: writer.path() }, News::Begun { path: writer.path(), offset: 0 });
    assert_eq!(reader.news, [absent, begun]);
}

#[test]
fn a_file_cut_off_without_a_copy_is_said_and_begun_anew() {
    let mut writer = Writer::new();
    let mut reader = Reader::new(&writer.path(), 100);
    writer.append("one\ntwo\n");
    reader.read_out();
    writer.copy_and_cut(false);
    fs::remove_file(writer.dir.join("queue_log.1")).expect("removed");
    writer.append("three\n");
    reader.read_out();
    assert_eq!((reader.lines.len(), reader.warnings().len()), (3, 2), "{:?}", reader.news);
    assert_eq!(reader.numbers, [1, 2, 3]);
}

#[test]
fn a_file_cut_off_and_grown_beyond_its_place_is_seen() {
    let mut writer = Writer::new();
    let mut reader = Reader::new(&writer.path(), 100);
    writer.append("one\n");
    reader.read_out();
    writer.copy_and_cut(true);
    writer.append("three\nfour\n");
    reader.read_out();
    assert_eq!(reader.lines, ["one", "three", "four"]);
}

#[test]
fn an_inode_given_to_another_file_is_no_reason_to_go_on_in_it() {
    let mut writer = Writer::new();
    let mut reader = Reader::new(&writer.path(), 100);
    writer.append("one\n");
    reader.read_out();
    let mut committed = reader.committed.clone().expect("a place");
    fs::remove_file(writer.path()).expect("removed");
    writer.append("three\nfour\n");
    committed.inode = fs::metadata(writer.path()).expect("the file").ino();
    reader.committed = Some(committed);
    reader.start();
    reader.read_out();
    assert_eq!(reader.lines, ["one", "three", "four"]);
    assert!(matches!(reader.warnings()[..], [News::Gone { offset: 4, .. }]), "{:?}", reader.news);
}

#[test]
fn files_rotated_while_nobody_followed_are_taken_in_their_order() {
    let mut writer = Writer::new();
    let mut reader = Reader::new(&writer.path(), 100);
    for name in ["older", "one"] {
        writer.append(&format!("{name}\n"));
        if name == "older" {
            writer.rename(false, false);
        }
    }
    reader.read_out();
    for name in ["two", "three", "four"] {
        writer.rename(false, true);
        writer.append(&format!("{name}\n"));
    }
    fs::write(writer.dir.join("queue_log.bak"), "not ours\n").expect("written");
    fs::write(writer.dir.join("queue_log.9.gz"), "not ours\n").expect("written");
    reader.start();
    reader.read_out();
    assert_eq!(reader.lines, ["one", "two", "three", "four"], "{:?}", reader.news);
}

#[test]
fn a_compressed_file_between_two_others_is_passed_over_and_told() {
    let mut writer = Writer::new();
    let mut reader = Reader::new(&writer.path(), 100);
    writer.append("one\n");
    reader.read_out();
    for name in ["two", "three"] {
        writer.rename(false, true);
        writer.append(&format!("{name}\n"));
    }
    let file = |name: &str| writer.dir.join(name);
    fs::rename(file("queue_log.1"), file("queue_log.1.gz")).expect("compressed");
    reader.start();
    reader.read_out();
    assert_eq!(reader.lines, ["one", "three"]);
    assert_eq!(reader.warnings(), [&News::Skipped { path: file("queue_log.1.gz") }]);
    // What was read is compressed without a word.
    fs::rename(file("queue_log.2"), file("queue_log.2.gz")).expect("compressed");
    writer.rename(false, true);
    writer.append("four\n");
    reader.read_out();
    assert_eq!((reader.lines.len(), reader.warnings().len()), (3, 1), "{:?}", reader.news);
}

#[test]
fn a_file_of_before_that_was_touched_is_not_taken_again() {
    let mut writer = Writer::new();
    let mut reader = Reader::new(&writer.path(), 100);
    writer.append("one\n");
    reader.read_out();
    writer.rename(true, false);
    let old = writer.rotated[0].clone();
    wait_for_a_later_birth(&writer.dir, &old);
    writer.append("two\n");
    reader.read_out();
    writer.rename(true, true);
    writer.stamp(&File::options().append(true).open(old).expect("the old file"));
    writer.append("three\n");
    reader.start();
    reader.read_out();
    assert_eq!(reader.lines, ["one", "two", "three"]);
}

/// File systems tell births by a clock that ticks a few times in a hundredth of a second.
fn wait_for_a_later_birth(dir: &Path, than: &Path) {
    let born =
        |path: &Path| fs::metadata(path).and_then(|metadata| metadata.created()).unwrap_or(SystemTime::UNIX_EPOCH);
    let probe = dir.join("probe");
    let until = SystemTime::now() + Duration::from_secs(1);
    while SystemTime::now() < until {
        fs::write(&probe, "").expect("a probe");
        let is_later = born(than) < born(&probe);
        fs::remove_file(&probe).expect("removed");
        if is_later {
            return;
        }
    }
}

/// As `ship` has it: lines that nobody can use are refused by their numbers, and those around them become events.
#[test]
fn what_is_no_text_and_what_is_too_long_is_refused_and_no_more() {
    let writer = Writer::new();
    let line = |id: &str, rest: &[u8]| [id.as_bytes(), b"|sales|NONE|ENTERQUEUE||", rest, b"|1\n"].concat();
    let lines = [
        line("1772438400|c.1", b"+3615550101"),
        b"1772438401|c.2|K\xf6nig|NONE|ENTERQUEUE||1|1\n".to_vec(),
        line("1772438402|c.3", &vec![b'9'; 10 << 20]),
        b"\r\n".to_vec(),
        b"1772438403|c.5|sales|NONE|ENTERQUEUE||+3615550105|1\r\n".to_vec(),
        b"1772438404|c.6|sales|NO".to_vec(),
    ];
    fs::write(writer.path(), lines.concat()).expect("written");
    let (decoder, mut batch) = (Decoder::from(Format::QueueLog), Batch::default());
    let target = Target { topic: "acd.events".into(), partitions: 1, source: "queue_log".to_owned() };
    let mut places = Places::of(&decoder);
    let mut follower = Follower::new(&writer.path(), None, 1 << 16);
    let mut take = |line: Line<'_>| batch.take(line, &mut places, &decoder, &target, EventTime(1_772_438_500_000));
    while follower.turn(&mut take, &mut |_| {}).expect("read") == Turn::Moved {}
    let refused: Vec<_> = batch.refused.iter().map(|refused| (refused.line, refused.reject.reason)).collect();
    assert_eq!(refused, [(2, Reason::BadEncoding), (3, Reason::TooLarge)]);
    let keys: Vec<_> = batch.records.iter().filter_map(|record| record.key.as_deref()).collect();
    assert_eq!(keys, [b"c.1", b"c.5"]);
    assert_eq!(follower.behind(), 23);
}

#[test]
fn a_line_longer_than_a_turn_is_whole() {
    let mut writer = Writer::new();
    let mut reader = Reader::new(&writer.path(), 10);
    let long = "y".repeat(5_000);
    writer.append(&format!("one\n{long}"));
    reader.read_out();
    assert_eq!(reader.lines, ["one"]);
    writer.append("\ntwo\n");
    reader.read_out();
    assert_eq!(reader.lines, ["one", &long, "two"]);
    reader.start();
    writer.append("three\n");
    reader.read_out();
    assert_eq!((reader.lines.len(), reader.warnings().len()), (4, 0));
}
