//! Records from files: lines of JSON, or protobuf messages each after its length.
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
    /// The number of the line or message, from 1.
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
        Framing::Lines => read_lines(&mut *input, &mut each).map_err(unreadable),
        Framing::Messages => read_messages(&mut *input, path, &mut each),
    }
}

fn read_lines(input: &mut dyn BufRead, each: &mut dyn FnMut(FileRecord<'_>)) -> io::Result<()> {
    let mut kept = Vec::new();
    let mut line = 0;
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            if !kept.is_empty() {
                hand_over(line + 1, &kept, each);
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
            hand_over(line, &chunk[..end], each);
        } else {
            let room = (RECORD_MAX + 1).saturating_sub(kept.len()).min(end);
            kept.extend_from_slice(&chunk[..room]);
            hand_over(line, &kept, each);
            kept.clear();
        }
        input.consume(end + 1);
    }
}

/// Hands a line over, unless it is blank.
fn hand_over(line: u64, bytes: &[u8], each: &mut dyn FnMut(FileRecord<'_>)) {
    let bytes = match line {
        1 => bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
        _ => bytes,
    };
    let bytes = bytes.trim_ascii();
    if !bytes.is_empty() {
        each(FileRecord { line, bytes });
    }
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
