//! A real Prometheus that scrapes a Callpulse, and what it and other servers answer.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(400);

/// The alerting rules in the folder of what is shipped for Prometheus.
pub const RULES: &str = "callpulse-alerts.rules.yml";

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus")
}

/// Prometheus, ended with the test.
pub struct Prometheus {
    child: Child,
    pub address: String,
    dir: PathBuf,
}

impl Prometheus {
    pub fn is_here() -> bool {
        Command::new("prometheus").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    }

    /// One that scrapes this address every second, as `deploy/prometheus/prometheus.yml` says otherwise.
    pub fn start(target: &str) -> Prometheus {
        let dir = std::env::temp_dir().join(crate::kafka::unique("callpulse-prometheus"));
        fs::create_dir_all(&dir).expect("a directory");
        let example = fs::read_to_string(folder().join("prometheus.yml")).expect("the example");
        let settings = example.replace("127.0.0.1:8080", target).replace("15s", "1s");
        // Nobody is to be told of a test's alerts.
        let settings = settings.replace("127.0.0.1:9093", "127.0.0.1:1");
        fs::write(dir.join("prometheus.yml"), settings).expect("its settings");
        let rules = fs::read_to_string(folder().join(RULES)).expect("the rules");
        let rules = rules.replace("interval: 15s", "interval: 1s").replace("interval: 1m", "interval: 1s");
        fs::write(dir.join(RULES), rules).expect("the rules");
        let log = fs::File::create(dir.join("log")).expect("a log");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus starts");
        let address = until("Prometheus says where it listens", || {
            let log = fs::read_to_string(dir.join("log")).ok()?;
            let line = log.lines().find(|line| line.contains("Listening on"))?;
            Some(line.split("address=").nth(1)?.split_whitespace().next()?.trim_matches('"').to_owned())
        });
        until("Prometheus is ready", || get(&address, "/-/ready").contains("Ready").then_some(()));
        Prometheus { child, address, dir }
    }

    /// The result of a query as of now; none if it is refused.
    pub fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let answer = json(&self.address, &format!("/api/v1/query?query={}", encoded(query)));
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default()),
            _ => Err(answer["error"].to_string()),
        }
    }

    /// Its rules, as it knows them.
    pub fn rules(&self) -> Vec<Value> {
        let answer = json(&self.address, "/api/v1/rules");
        let groups = answer["data"]["groups"].as_array().expect("groups");
        groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).cloned().collect()
    }

    /// The values of a label of a selector.
    pub fn label_values(&self, label: &str, selector: &str) -> Vec<String> {
        let answer = json(&self.address, &format!("/api/v1/label/{label}/values?match[]={}", encoded(selector)));
        let values = answer["data"].as_array().cloned().unwrap_or_default();
        values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The body of a page.
pub fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split_once("\r\n\r\n").expect("a head and a body").1.to_owned()
}

pub fn json(address: &str, path: &str) -> Value {
    let body = get(address, path);
    serde_json::from_str(&body).unwrap_or_else(|fault| panic!("{path}: {fault}: {body}"))
}

/// Text within a query of an address.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Asks until there is an answer.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let late = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < late, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(200));
    }
}
