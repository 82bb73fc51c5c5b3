//! Node: runs the scripts of `web/`, and does for a story what it asks of the server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

pub fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("web")
}

/// Whether a program is there. In CI it has to be.
fn has(program: &str, argument: &str) -> bool {
    let found = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    assert!(found || std::env::var_os("CI").is_none(), "{program} is missing, and CI leaves nothing out");
    if !found {
        println!("left out: {program} is not here (./prerequisites says how to get it)");
    }
    found
}

/// Whether the scripts of `web/` can be run; what they are made with is fetched on first use.
pub fn is_ready() -> bool {
    static READY: OnceLock<bool> = OnceLock::new();
    *READY.get_or_init(|| {
        if !has("node", "--version") || !has("npm", "--version") {
            return false;
        }
        if !web().join("node_modules/.package-lock.json").exists() {
            let fetched = Command::new("npm").arg("ci").current_dir(web()).status().expect("npm");
            assert!(fetched.success(), "npm ci in web/ failed; the reason stands above");
        }
        true
    })
}

/// Whether there is a browser, and what drives it.
pub fn has_browser() -> bool {
    let chromium = std::env::var("CHROMIUM").unwrap_or("/usr/bin/chromium".into());
    is_ready() && has(&chromium, "--version")
}

/// Has node tell a story, one at a time so that they do not slow each other; `act` does what it asks for, and may have
/// something to say to it, on one line.
pub fn tell(story: &str, arguments: &[&str], mut act: impl FnMut(&str) -> Option<String>) {
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut node = Command::new("node")
        .arg(web().join("test").join(story))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node");
    let mut answers = node.stdin.take().expect("a way to answer");
    for line in BufReader::new(node.stdout.take().expect("its words")).lines() {
        let line = line.expect("text");
        match line.strip_prefix("? ") {
            Some(asked) => {
                let answer = act(asked).unwrap_or_else(|| "done".to_owned());
                // Whoever has ended meanwhile says so in its exit code.
                let _ = writeln!(answers, "{answer}");
            }
            None => println!("{line}"),
        }
    }
    assert!(node.wait().expect("its end").success(), "{story} failed; what happened stands above");
}
