//! Reject file: every line that `ship` could not use, as a line of JSON that tells where it stood and why.
//!
//! It is written before the transaction of the lines around it is committed, so that none is missing, whenever the
//! program is killed; of a transaction that is begun anew it stands there twice.

use super::failure::Failure;
use crate::ship::batch::Refused;
use serde_json::json;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Open behind what it holds.
pub struct RejectFile(File);

impl RejectFile {
    pub fn open(path: &Path) -> Result<RejectFile, Failure> {
        File::options().create(true).append(true).open(path).map(RejectFile).map_err(|cause| {
            let path = path.display();
            Failure::AtWork(format!("cannot write {path}: {cause}; choose another file for --rejects"))
        })
    }

    /// Writes what was refused of a source, to the disk.
    pub fn append(&mut self, source: &str, refused: &[Refused]) -> io::Result<()> {
        if refused.is_empty() {
            return Ok(());
        }
        let mut lines = String::new();
        for Refused { path, line, reject } in refused {
            let (file, reason, sentence) = (path.to_string_lossy(), reject.reason.word(), &reject.sentence);
            let row = json!({"source": source, "file": file, "line": line, "reason": reason, "sentence": sentence});
            lines.push_str(&row.to_string());
            lines.push('\n');
        }
        self.0.write_all(lines.as_bytes())?;
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Reason, Reject};

    #[test]
    fn holds_every_reject_behind_those_of_before() {
        let path = std::env::temp_dir().join(format!("callpulse-rejects-{}", std::process::id()));
        let refused: Vec<Refused> = (1..=30)
            .map(|line| Refused {
                path: "log/queue_log.1".into(),
                line,
                reject: Reject { reason: Reason::BadTime, sentence: "time is \"x\"".into() },
            })
            .collect();
        for part in [&refused[..25], &[], &refused[25..]] {
            let mut file = RejectFile::open(&path).unwrap_or_else(|_| panic!("a file"));
            file.append("pbx1", part).expect("written");
        }
        let text = std::fs::read_to_string(&path).expect("the rejects");
        let _ = std::fs::remove_file(&path);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let last = json!({"source": "pbx1", "file": "log/queue_log.1", "line": 30, "reason": "bad_time", "sentence": "time is \"x\""});
        assert_eq!((lines.len(), lines.last()), (30, Some(&last)));
    }
}
