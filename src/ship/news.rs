//! News: what happened to a followed file, for the log.

use std::fmt;
use std::path::PathBuf;

/// A change that whoever runs the program may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// There is no file yet.
    Absent { path: PathBuf },
    /// Reading begins, at its beginning or where it ended before.
    Begun { path: PathBuf, offset: u64 },
    /// The file was read to its end and another one follows.
    Rotated { from: PathBuf, to: PathBuf },
    /// A file between the one that was read and the next is compressed, so its lines are not shipped.
    Skipped { path: PathBuf },
    /// The bytes that were read are no longer there.
    Truncated { path: PathBuf, offset: u64 },
    /// The file that was read before is found nowhere, so what it may have had besides is not shipped.
    Gone { path: PathBuf, offset: u64, next: PathBuf },
}

impl News {
    /// Lines may be lost.
    pub fn is_warning(&self) -> bool {
        matches!(self, News::Skipped { .. } | News::Truncated { .. } | News::Gone { .. })
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            News::Absent { path } => write!(f, "{} is not there yet; waiting for it", path.display()),
            News::Begun { path, offset: 0 } => write!(f, "reading {} from its beginning", path.display()),
            News::Begun { path, offset } => write!(f, "reading {} on from byte {offset}", path.display()),
            News::Rotated { from, to } => {
                write!(f, "{} was rotated and is shipped; going on with {}", from.display(), to.display())
            }
            News::Skipped { path } => write!(
                f,
                "{} was written after what was read last and is compressed, so its lines are passed over; unpack it, ship it by \
                 itself with --once and a --source of its own, and let rotation compress a file later (delaycompress)",
                path.display()
            ),
            News::Truncated { path, offset } => write!(
                f,
                "{} was cut off or written anew after byte {offset} had been read; looking for a copy of what it held",
                path.display()
            ),
            News::Gone { path, offset, next } => write!(
                f,
                "no file beside {} holds what was read up to byte {offset} (compressed, deleted, or moved to another \
                 directory?), so lines behind that byte may be missing; going on with {} from its beginning",
                path.display(),
                next.display()
            ),
        }
    }
}
