//! Records from files: lines, blocks of lines, or protobuf messages each after its length.
//!
//! `-` is standard input; what begins like gzip is read as gzip. Blank lines, CRLF, blanks around a
//! line, a leading byte order mark and a missing last newline are no faults.

use crate::decode::format::Framing;
use flate2::bufread::MultiGzDecoder;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// A longer record is given to the decoder cut to this and one byte more, which it refuses.
pub const RECORD_MAX: usize = 1 << 20;

/// Why files could not be read to their end.
#[derive(Debug)]
pub enum FileError {
    Unreadable {
        path: PathBuf,
        cause: io::Error,
    },
    /// A length-delimited file ends, or goes wrong, within a message.
    BrokenFrame {
        path: PathBuf,
        message: u64,
    },
}

/// One record, and where it stood.
#[derive(Clone, Copy, Debug)]
pub struct FileRecord<'a> {
    /// The number of the line, a block's first one, or message, from 1.
    pub line: u64,
    pub bytes: &'a [u8],
}

/// The name of a file as the default source of its events.
pub fn source_name(path: &Path) -> String {
    match path.file_name() {
        Some(name) if path.as_os_str() != "-" => name.to_string_lossy().into_owned(),
        _ => "-".to_string(),
    }
}

/// Reads every record of a file. `progress` is told the bytes taken from the disk since the last call.
pub fn read(
    path: &Path,
    framing: Framing,
    mut progress: impl FnMut(u64),
    mut each: impl FnMut(FileRecord<'_>),
) -> Result<(), FileError> {
    let unreadable = |cause| FileError::Unreadable { path: path.to_path_buf(), cause };
    let raw: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => {
            let file = File::open(path).map_err(unreadable)?;
            if file.metadata().map_err(unreadable)?.is_dir() {
                return Err(unreadable(io::ErrorKind::IsADirectory.into()));
            }
            Box::new(file)
        }
    };
    let mut counted = BufReader::with_capacity(1 << 16, Counted { inner: raw, progress: &mut progress });
    let is_gzip = counted.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]);
    let mut input: Box<dyn BufRead + '_> = match is_gzip {
        true => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(counted))),
        false => Box::new(counted),
    };
    match framing {
        Framing::Lines => read_lines(&mut *input, &mut |line, bytes| {
            if let Some(bytes) = content(line, bytes) {
                each(FileRecord { line, bytes });
            }
        })
        .map_err(unreadable),
        Framing::Rows => read_lines(&mut *input, &mut |line, bytes| {
            if let Some(bytes) = row(line, bytes) {
                each(FileRecord { line, bytes });
            }
        })
        .map_err(unreadable),
        Framing::Blocks => read_blocks(&mut *input, &mut each).map_err(unreadable),
        Framing::Messages => read_messages(&mut *input, path, &mut each),
    }
}

/// Reads every line, blank ones too.
fn read_lines(input: &mut dyn BufRead, each: &mut dyn FnMut(u64, &[u8])) -> io::Result<()> {
    let mut kept = Vec::new();
    let mut line = 0;
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            if !kept.is_empty() {
                each(line + 1, &kept);
            }
            return Ok(());
        }
        let Some(end) = chunk.iter().position(|byte| *byte == b'\n') else {
            let room = (RECORD_MAX + 1).saturating_sub(kept.len()).min(chunk.len());
            kept.extend_from_slice(&chunk[..room]);
            let length = chunk.len();
            input.consume(length);
            continue;
        };
        line += 1;
        if kept.is_empty() {
            each(line, &chunk[..end]);
        } else {
            let room = (RECORD_MAX + 1).saturating_sub(kept.len()).min(end);
            kept.extend_from_slice(&chunk[..room]);
            each(line, &kept);
            kept.clear();
        }
        input.consume(end + 1);
    }
}

/// What stands in line number `line`, blanks around it and a leading byte order mark left out; none if it is blank.
fn content(line: u64, bytes: &[u8]) -> Option<&[u8]> {
    let bytes = unmarked(line, bytes).trim_ascii();
    (!bytes.is_empty()).then_some(bytes)
}

/// The same with its blanks, which may be what parts its cells.
pub fn row(line: u64, bytes: &[u8]) -> Option<&[u8]> {
    let bytes = unmarked(line, bytes);
    (!bytes.trim_ascii().is_empty()).then(|| bytes.strip_suffix(b"\r").unwrap_or(bytes))
}

/// The first line without a byte order mark.
fn unmarked(line: u64, bytes: &[u8]) -> &[u8] {
    match line {
        1 => bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
        _ => bytes,
    }
}

/// Lines up to a blank one are a record; one that begins with a brace is one by itself.
fn read_blocks(input: &mut dyn BufRead, each: &mut dyn FnMut(FileRecord<'_>)) -> io::Result<()> {
    let mut block = Vec::new();
    let mut begins = 0;
    read_lines(input, &mut |line, bytes| {
        let content = content(line, bytes);
        let is_whole = content.is_some_and(|content| content.starts_with(b"{"));
        if (is_whole || content.is_none()) && !block.is_empty() {
            each(FileRecord { line: begins, bytes: &block });
            block.clear();
        }
        match content {
            Some(bytes) if is_whole => each(FileRecord { line, bytes }),
            Some(bytes) => {
                match block.is_empty() {
                    true => begins = line,
                    false => block.push(b'\n'),
                }
                block.extend_from_slice(bytes);
                block.truncate(RECORD_MAX + 1);
            }
            None => {}
        }
    })?;
    if !block.is_empty() {
        each(FileRecord { line: begins, bytes: &block });
    }
    Ok(())
}

fn read_messages(input: &mut dyn BufRead, path: &Path, each: &mut dyn FnMut(FileRecord<'_>)) -> Result<(), FileError> {
    let mut message = 0;
    let mut bytes = Vec::new();
    loop {
        message += 1;
        let broken = || FileError::BrokenFrame { path: path.to_path_buf(), message };
        let unreadable = |cause: io::Error| match cause.kind() {
            io::ErrorKind::UnexpectedEof => broken(),
            _ => FileError::Unreadable { path: path.to_path_buf(), cause },
        };
        if input.fill_buf().map_err(unreadable)?.is_empty() {
            return Ok(());
        }
        let mut length: u64 = 0;
        for shift in (0..=28).step_by(7) {
            let mut byte = [0];
            input.read_exact(&mut byte).map_err(unreadable)?;
            length |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                break;
            }
            if shift == 28 {
                return Err(broken());
            }
        }
        bytes.clear();
        let kept = length.min(RECORD_MAX as u64 + 1);
        if input.take(kept).read_to_end(&mut bytes).map_err(unreadable)? as u64 != kept {
            return Err(broken());
        }
        if io::copy(&mut input.take(length - kept), &mut io::sink()).map_err(unreadable)? != length - kept {
            return Err(broken());
        }
        each(FileRecord { line: message, bytes: &bytes });
    }
}

/// Tells how much was read.
struct Counted<'p> {
    inner: Box<dyn Read>,
    progress: &'p mut dyn FnMut(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.progress)(count as u64);
        Ok(count)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Unreadable { path, cause } => {
                write!(f, "cannot read {}: {cause}; check the path, and that a .gz file is whole", path.display())
            }
            FileError::BrokenFrame { path, message } => write!(
                f,
                "{} breaks off in message {message}; a protobuf file holds each message after its length as a varint",
                path.display()
            ),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FileError::Unreadable { cause, .. } => Some(cause),
            FileError::BrokenFrame { .. } => None,
        }
    }
}
