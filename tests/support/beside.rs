//! Data that lies beside the repository, or beside its worktrees, and is none of it.

use std::path::{Path, PathBuf};

/// A file or directory of the data; none, said with a word, if it is not there.
pub fn beside(name: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["../shared", "../../shared"].map(|place| here.join(place).join(name));
    let found = places.into_iter().find(|path| path.exists());
    if found.is_none() {
        println!("skipped: ../shared/{name} is absent");
    }
    found
}
