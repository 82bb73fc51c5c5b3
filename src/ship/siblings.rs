//! Siblings: the files that rotation makes of a followed one, beside it in its directory.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// How often a directory is read again while it changes.
const READINGS_MAX: usize = 20;

/// Endings of compressed files.
const COMPRESSED: [&str; 5] = ["gz", "bz2", "xz", "zst", "lz4"];

/// An open file of the family.
pub(super) struct Sibling {
    pub path: PathBuf,
    pub file: File,
    pub metadata: Metadata,
}

/// Device and inode: which file it is, for as long as it is open.
pub(super) type Id = (u64, u64);

pub(super) fn id(metadata: &Metadata) -> Id {
    (metadata.dev(), metadata.ino())
}

/// When it was written last, in epoch nanoseconds.
pub(super) fn modified(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

/// The file at `path` and every file whose name begins like it, opened. A file renamed while the directory is read
/// could be missed, so it is read until two readings agree.
pub(super) fn siblings(path: &Path) -> io::Result<Vec<Sibling>> {
    let mut before = read(path)?;
    for _ in 1..READINGS_MAX {
        let now = read(path)?;
        let same = |(a, b): (&Sibling, &Sibling)| a.path == b.path && id(&a.metadata) == id(&b.metadata);
        if before.len() == now.len() && before.iter().zip(&now).all(same) {
            return Ok(now);
        }
        before = now;
    }
    Ok(before)
}

/// Opens a file that may not be there.
pub(super) fn open(path: &Path) -> io::Result<Option<Sibling>> {
    let opened = File::open(path).and_then(|file| {
        let metadata = file.metadata()?;
        Ok(Sibling { path: path.to_path_buf(), file, metadata })
    });
    match opened {
        Ok(sibling) => Ok(Some(sibling)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether rotation gives such names: the file's own, then a number or a date. What is named otherwise may be
/// anything, such as an editor's copy.
pub(super) fn is_rotated(path: &Path, of: &Path) -> bool {
    let (Some(name), Some(of)) = (path.file_name(), of.file_name()) else { return false };
    let Some(ending) = name.as_bytes().strip_prefix(of.as_bytes()) else { return false };
    let is_of_date = |byte: &u8| byte.is_ascii_digit() || b".-_:TZ".contains(byte);
    matches!(ending.first(), Some(b'.' | b'-'))
        && ending.iter().all(is_of_date)
        && ending.iter().any(u8::is_ascii_digit)
}

/// Whether it is a rotated file that was compressed since, by its name.
pub(super) fn is_compressed(path: &Path, of: &Path) -> bool {
    let ending = path.extension().is_some_and(|ending| COMPRESSED.iter().any(|known| ending == *known));
    ending && is_rotated(&path.with_extension(""), of)
}

/// Whether the file has these bytes right before `offset`.
pub(super) fn has_before(file: &File, offset: u64, bytes: &[u8]) -> io::Result<bool> {
    Ok(before(file, offset, bytes.len())?.is_some_and(|found| found == bytes))
}

/// So many bytes right before `offset`; none if the file does not reach that far.
pub(super) fn before(file: &File, offset: u64, count: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(from) = offset.checked_sub(count as u64) else { return Ok(None) };
    let mut bytes = vec![0; count];
    match file.read_exact_at(&mut bytes, from) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(path: &Path) -> io::Result<Vec<Sibling>> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().as_bytes();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        // Opening anything but a file could wait for ever, as a pipe does.
        if !entry.file_name().as_bytes().starts_with(name) || !is_file(&entry) {
            continue;
        }
        let path = directory.join(OsStr::new(&entry.file_name()));
        // A sibling that may not be read is as good as none; the followed file itself is opened elsewhere.
        if let Ok(Some(sibling)) = open(&path) {
            found.push(sibling);
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn is_file(entry: &fs::DirEntry) -> bool {
    fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: bool) {
        assert_eq!(is_rotated(Path::new(name), Path::new("/var/log/queue_log")), expected, "{name}");
    }

    #[test]
    fn knows_the_names_that_rotation_gives() {
        for name in ["queue_log.1", "queue_log.0", "queue_log-20260302", "queue_log.1772438400", "queue_log.2026-03-02"]
        {
            check(name, true);
        }
        for (name, expected) in [("queue_log.1.gz", true), ("queue_log-20260302.xz", true), ("queue_log.gz", false)] {
            assert_eq!(is_compressed(Path::new(name), Path::new("/var/log/queue_log")), expected, "{name}");
        }
        for name in ["queue_log", "queue_log.1.gz", "queue_log.bak", "queue_log_2", "queue_log.", "other.1"] {
            check(name, false);
        }
    }
}
