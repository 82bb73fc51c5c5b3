//! Follower: the lines of a file that grows and is rotated, each once and in order.
//!
//! ```text
//! queue_log ............|            read to its end, then looked for who comes next
//! queue_log.1 ..........|            renamed: finished through its open handle, or found again by what it holds
//!   queue_log ....|                  the new one, from its beginning
//! ```
//!
//! It moves on only when the next file holds something, and looks for that before it reads the old one to its end for
//! the last time: who writes there has reopened by then, and nothing can come in between. After a restart, files
//! that came and went meanwhile lie between the old one and the new; they are taken in the order they were
//! written. A position is given, and taken up again by another follower; nothing else is kept.

use super::news::News;
use super::position::{Position, TAIL_BYTES, tail};
use super::siblings::{Id, Sibling, before, has_before, id, is_compressed, is_rotated, modified, open, siblings};
use crate::replay::files::{RECORD_MAX, row};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// So many files that were read are remembered: more than are rotated in one tick of a clock.
const LEFT_MAX: usize = 100;

/// A line without its end and the blanks around it; never empty.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The file it stands in by now.
    pub path: &'a Path,
    /// Its number in that file, from 1.
    pub line: u64,
    /// Its number among all lines of this and the files before, from 1.
    pub number: u64,
    pub bytes: &'a [u8],
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There may be more at once.
    Moved,
    /// There is nothing more by now.
    Waiting,
}

/// Follows one file.
pub struct Follower {
    path: PathBuf,
    /// At most so many bytes are read in a turn, unless one line is longer.
    chunk: usize,
    buffer: Vec<u8>,
    open: Option<Open>,
    /// Who comes after the open one.
    next: Option<Open>,
    /// Where the last file that was read ended, or where to begin.
    last: Option<Position>,
    absent_told: bool,
}

/// A file that is being read.
struct Open {
    path: PathBuf,
    file: File,
    id: Id,
    offset: u64,
    line: u64,
    before: u64,
    modified: i64,
    /// Unknown on some file systems.
    created: Option<SystemTime>,
    /// The last bytes before `offset`.
    recent: Vec<u8>,
    /// The last files that were read before it: their inodes, and when they were written last.
    left: Vec<(u64, i64)>,
}

enum Read {
    Lines,
    /// No whole line is left.
    End,
    /// What was read is not there any more.
    Changed,
}

impl Follower {
    /// Follows `path` from `position`, or from its beginning.
    pub fn new(path: &Path, position: Option<Position>, chunk: usize) -> Follower {
        Follower {
            path: path.to_path_buf(),
            chunk,
            buffer: Vec::new(),
            open: None,
            next: None,
            last: position,
            absent_told: false,
        }
    }

    /// Reads what one turn takes.
    pub fn turn(&mut self, each: &mut dyn FnMut(Line<'_>), news: &mut dyn FnMut(News)) -> io::Result<Turn> {
        let Some(open) = &mut self.open else { return self.find(news) };
        self.buffer.resize(self.chunk, 0);
        match open.read(&mut self.buffer, each)? {
            Read::Lines => Ok(Turn::Moved),
            Read::Changed => {
                news(News::Truncated { path: open.path.clone(), offset: open.offset });
                self.last = open.position().or(self.last.take());
                (self.open, self.next) = (None, None);
                Ok(Turn::Moved)
            }
            Read::End => self.reached_end(each, news),
        }
    }

    /// Where to go on from, once the lines handed over so far are dealt with; none before the first of them.
    pub fn position(&self) -> Option<Position> {
        self.open.as_ref().and_then(Open::position).or_else(|| self.last.clone())
    }

    /// The last bytes before the position, at most so many; none while no file is open.
    pub fn passed(&self, bytes_max: usize) -> io::Result<Vec<u8>> {
        let Some(open) = &self.open else { return Ok(Vec::new()) };
        let count = open.offset.min(bytes_max as u64) as usize;
        Ok(before(&open.file, open.offset, count)?.unwrap_or_default())
    }

    /// How many bytes of the files known by now were not read yet, the rest of a line included.
    pub fn behind(&self) -> u64 {
        let length = |file: &File| file.metadata().map_or(0, |metadata| metadata.len());
        let open = self.open.as_ref().map_or(0, |open| length(&open.file).saturating_sub(open.offset));
        open + self.next.as_ref().map_or(0, |next| length(&next.file))
    }

    fn reached_end(&mut self, each: &mut dyn FnMut(Line<'_>), news: &mut dyn FnMut(News)) -> io::Result<Turn> {
        let Some(open) = &mut self.open else { return Ok(Turn::Waiting) };
        let Some(next) = self.next.take() else {
            if is_at(&self.path, open.id)? {
                return Ok(Turn::Waiting);
            }
            self.next = following(&self.path, Old::Open(open))?.filter(|next| 0 < next.length());
            return Ok(if self.next.is_some() { Turn::Moved } else { Turn::Waiting });
        };
        // Nobody writes the rest of a line into a file that was left.
        open.finish(each)?;
        let written = modified(&open.file.metadata()?);
        tell_skipped(&self.path, written, &next, news)?;
        news(News::Rotated { from: open.path.clone(), to: next.path.clone() });
        self.last = open.position().or(self.last.take());
        let mut left = std::mem::take(&mut open.left);
        left.push((open.id.1, written));
        left.drain(..left.len().saturating_sub(LEFT_MAX));
        self.open = Some(Open { before: open.before + open.line, left, ..next });
        Ok(Turn::Moved)
    }

    /// Opens the file the position is of, wherever it is by now, or the first that came after.
    fn find(&mut self, news: &mut dyn FnMut(News)) -> io::Result<Turn> {
        let found = match &self.last {
            None => open(&self.path)?.map(Open::at_beginning),
            Some(last) => match holder(&self.path, last)? {
                Some(open) => Some(open),
                None => match following(&self.path, Old::Gone(last))? {
                    None => None,
                    Some(next) => {
                        let (path, offset) = (self.path.clone(), last.offset);
                        news(News::Gone { path, offset, next: next.path.clone() });
                        tell_skipped(&self.path, last.modified, &next, news)?;
                        Some(Open { before: last.before + last.line, ..next })
                    }
                },
            },
        };
        let Some(found) = found else {
            if !std::mem::replace(&mut self.absent_told, true) {
                news(News::Absent { path: self.path.clone() });
            }
            return Ok(Turn::Waiting);
        };
        self.absent_told = false;
        news(News::Begun { path: found.path.clone(), offset: found.offset });
        self.open = Some(found);
        Ok(Turn::Moved)
    }
}

impl Open {
    fn at_beginning(sibling: Sibling) -> Open {
        let Sibling { path, file, metadata } = sibling;
        Open {
            path,
            file,
            id: id(&metadata),
            offset: 0,
            line: 0,
            before: 0,
            modified: modified(&metadata),
            created: metadata.created().ok(),
            recent: Vec::new(),
            left: Vec::new(),
        }
    }

    fn length(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// None at the beginning of a file, which nothing tells from another.
    fn position(&self) -> Option<Position> {
        let Open { id, offset, line, before, modified, recent, left, .. } = self;
        (0 < *offset).then(|| Position {
            offset: *offset,
            inode: id.1,
            line: *line,
            before: *before,
            modified: *modified,
            tail: tail(recent),
            left: left.iter().filter(|(_, written)| written == modified).map(|(inode, _)| *inode).collect(),
        })
    }

    /// Hands over the whole lines among the next bytes.
    fn read(&mut self, buffer: &mut [u8], each: &mut dyn FnMut(Line<'_>)) -> io::Result<Read> {
        // The time first: what is written behind it is newer.
        let written = modified(&self.file.metadata()?);
        let count = read_full(&self.file, buffer, self.offset)?;
        // Looked at after reading, so that what was read is what belongs behind it.
        if !has_before(&self.file, self.offset, &self.recent)? {
            return Ok(Read::Changed);
        }
        self.modified = written;
        let bytes = &buffer[..count];
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            return if count < buffer.len() { Ok(Read::End) } else { self.read_long(buffer, each) };
        };
        for line in bytes[..end].split(|byte| *byte == b'\n') {
            self.hand_over(line, each);
        }
        self.advance(&bytes[..=end]);
        Ok(Read::Lines)
    }

    /// One line that is longer than the buffer, which is full of it. What a decoder refuses for its length is cut.
    fn read_long(&mut self, buffer: &mut [u8], each: &mut dyn FnMut(Line<'_>)) -> io::Result<Read> {
        let (mut line, mut recent) = (Vec::new(), self.recent.clone());
        let mut offset = self.offset;
        loop {
            let count = read_full(&self.file, buffer, offset)?;
            let end = buffer[..count].iter().position(|byte| *byte == b'\n');
            if end.is_none() && count < buffer.len() {
                return Ok(Read::End);
            }
            let bytes = &buffer[..end.map_or(count, |end| end + 1)];
            let room = (RECORD_MAX + 1).saturating_sub(line.len());
            line.extend_from_slice(&bytes[..room.min(end.unwrap_or(count))]);
            remember(&mut recent, bytes);
            offset += bytes.len() as u64;
            if end.is_some() {
                break;
            }
        }
        self.hand_over(&line, each);
        (self.offset, self.recent) = (offset, recent);
        Ok(Read::Lines)
    }

    /// Hands over what stands behind the last line's end.
    fn finish(&mut self, each: &mut dyn FnMut(Line<'_>)) -> io::Result<()> {
        let mut rest = vec![0; RECORD_MAX + 1];
        let count = read_full(&self.file, &mut rest, self.offset)?;
        rest.truncate(count);
        if !rest.is_empty() {
            self.hand_over(&rest, each);
            self.advance(&rest);
        }
        Ok(())
    }

    fn hand_over(&mut self, line: &[u8], each: &mut dyn FnMut(Line<'_>)) {
        self.line += 1;
        if let Some(bytes) = row(self.line, line) {
            each(Line { path: &self.path, line: self.line, number: self.before + self.line, bytes });
        }
    }

    fn advance(&mut self, bytes: &[u8]) {
        remember(&mut self.recent, bytes);
        self.offset += bytes.len() as u64;
    }
}

/// Whether the file at `path` is this one.
fn is_at(path: &Path, file: Id) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(id(&metadata) == file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The file that holds what was read up to `position`, open there. A copy is as good, if the file itself was cut off.
fn holder(path: &Path, position: &Position) -> io::Result<Option<Open>> {
    let mut found: Option<Open> = None;
    for sibling in siblings(path)? {
        let Some(bytes) = before(&sibling.file, position.offset, position.tail_bytes())? else { continue };
        if tail(&bytes) != position.tail {
            continue;
        }
        let is_the_one = id(&sibling.metadata).1 == position.inode;
        let (offset, line, before) = (position.offset, position.line, position.before);
        let left = position.left.iter().map(|inode| (*inode, position.modified)).collect();
        let open = Open { offset, line, before, recent: bytes, left, ..Open::at_beginning(sibling) };
        if is_the_one {
            return Ok(Some(open));
        }
        found = found.filter(|found| open.modified <= found.modified).or(Some(open));
    }
    Ok(found)
}

/// The file that others are to come after.
enum Old<'o> {
    Open(&'o Open),
    /// It is not there any more.
    Gone(&'o Position),
}

impl Old<'_> {
    /// Whether a file was left before this one was. One that was touched since is older all the same, and of two that
    /// were written in one tick of the clock the birth decides; where that is one tick too, only what was read is known
    /// to be older.
    fn is_after(&self, next: &Open) -> bool {
        let written = match self {
            Old::Open(old) if old.created != next.created => {
                return next.created < old.created || (next.modified, next.created) < (old.modified, old.created);
            }
            Old::Open(old) => old.modified,
            Old::Gone(position) => position.modified,
        };
        next.modified < written || next.modified == written && self.was_read(next.id.1)
    }

    fn was_read(&self, inode: u64) -> bool {
        match self {
            Old::Open(old) => old.id.1 == inode || old.left.iter().any(|(left, _)| *left == inode),
            Old::Gone(position) => position.left.contains(&inode),
        }
    }

    fn is(&self, file: &Open) -> bool {
        matches!(self, Old::Open(old) if old.id == file.id)
    }
}

/// The file that was begun next after an old one: the first of those rotated since, else the followed one.
fn following(path: &Path, old: Old<'_>) -> io::Result<Option<Open>> {
    let mut first: Option<Open> = None;
    // Opened before the others are looked at: if it is rotated in between, it is among them.
    let newest = open(path)?.map(Open::at_beginning);
    for sibling in siblings(path)? {
        if !is_rotated(&sibling.path, path) {
            continue;
        }
        let next = Open::at_beginning(sibling);
        let is_first =
            first.as_ref().is_none_or(|first| (next.modified, next.created) < (first.modified, first.created));
        if !old.is_after(&next) && !old.is(&next) && is_first && 0 < next.length() {
            first = Some(next);
        }
    }
    Ok(first.or(newest.filter(|newest| !old.is(newest))))
}

/// Tells which compressed files were written between the file that was `written` last at this time and the next one.
fn tell_skipped(path: &Path, written: i64, next: &Open, news: &mut dyn FnMut(News)) -> io::Result<()> {
    for sibling in siblings(path)? {
        let at = modified(&sibling.metadata);
        if is_compressed(&sibling.path, path) && written < at && at <= next.modified {
            news(News::Skipped { path: sibling.path });
        }
    }
    Ok(())
}

/// Reads until the buffer is full or the file ends.
fn read_full(file: &File, buffer: &mut [u8], from: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read_at(&mut buffer[count..], from + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Keeps the last bytes before a position.
fn remember(recent: &mut Vec<u8>, bytes: &[u8]) {
    let new = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
    let kept = recent.len().min(TAIL_BYTES - new.len());
    recent.drain(..recent.len() - kept);
    recent.extend_from_slice(new);
}
