//! A real Apache Kafka for tests: one node, fetched on first use, gone with the test program.
//!
//! `CALLPULSE_TEST_KAFKA=host:port` uses one that runs already, where a test does not need to break it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use callpulse::stream::client::Connection;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::{Offset, TopicPartitionList};

/// A broker of our own. Its runner ends it when the pipe to us closes, however we end.
pub struct Broker {
    port: u16,
    controller: u16,
    file_max_kib: Option<u32>,
    dir: PathBuf,
    running: Option<(Child, ChildStdin)>,
}

/// Where the shared broker is: one for all tests of a program.
pub fn shared() -> Connection {
    static BROKERS: OnceLock<String> = OnceLock::new();
    static BROKER: OnceLock<Broker> = OnceLock::new();
    let brokers = BROKERS.get_or_init(|| match std::env::var("CALLPULSE_TEST_KAFKA") {
        Ok(address) => address,
        Err(_) => BROKER.get_or_init(Broker::start).address(),
    });
    Connection { brokers: brokers.clone(), ..Connection::default() }
}

/// What is fetched once, and stays.
pub fn cache() -> PathBuf {
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    set("CALLPULSE_TEST_CACHE").unwrap_or_else(|| {
        let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        caches.expect("HOME is set").join("callpulse")
    })
}

/// The jars in it, as the script names their directory.
const JARS: &str = "kafka-4.1.0";

/// Whether Kafka's jars were fetched before.
pub fn has_jars() -> bool {
    cache().join(JARS).is_dir()
}

/// The directory of Kafka's jars.
pub fn jars() -> PathBuf {
    let fetched = Command::new(script()).arg("fetch").status().expect("bash runs the script");
    assert!(fetched.success(), "no Kafka for the tests; the reason stands above");
    cache().join(JARS)
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/broker.sh")
}

/// A name no other test uses, on a broker that may be shared with other programs.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Deletes the records of a partition before `offset`, as retention does.
pub fn forget(connection: &Connection, topic: &str, partition: i32, offset: Offset) {
    let mut places = TopicPartitionList::new();
    places.add_partition_offset(topic, partition, offset).expect("a place");
    let admin: AdminClient<_> = connection.plain().create().expect("an admin");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(admin.delete_records(&places, &AdminOptions::default())).expect("records deleted");
}

impl Broker {
    /// Starts one on free ports. Panics with what is missing.
    pub fn start() -> Broker {
        Broker::prepared(|_, _, _| {})
    }

    /// Starts one that is reached through something on the way as well: made for the broker's port, and
    /// answering its own.
    pub fn start_behind<W>(make: impl Fn(u16) -> W, port: impl Fn(&W) -> u16) -> (Broker, W) {
        let [inner, _] = free_ports();
        let way = make(inner);
        let told = port(&way);
        let broker = Broker::prepared(|dir, direct, controller| {
            let more = format!(
                "listeners=PLAINTEXT://127.0.0.1:{direct},WAY://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}\n\
                 advertised.listeners=PLAINTEXT://127.0.0.1:{direct},WAY://127.0.0.1:{told}\n\
                 inter.broker.listener.name=PLAINTEXT\n\
                 listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,WAY:PLAINTEXT\n"
            );
            fs::write(dir.join("more.properties"), more).expect("more settings");
        });
        (broker, way)
    }

    /// Starts one after `prepare` has put into its directory what is laid over its settings; the ports are
    /// those of its first listener and of its controller.
    pub fn prepared(prepare: impl FnOnce(&Path, u16, u16)) -> Broker {
        let dir = std::env::temp_dir().join(unique("callpulse-kafka"));
        fs::create_dir_all(&dir).expect("a directory for the broker");
        let [port, controller] = free_ports();
        prepare(&dir, port, controller);
        let mut broker = Broker { port, controller, file_max_kib: None, dir, running: None };
        broker.run();
        broker
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn connection(&self) -> Connection {
        Connection { brokers: self.address(), ..Connection::default() }
    }

    /// `kill -9`; the data stays.
    pub fn kill(&mut self) {
        if let Some((mut runner, pipe)) = self.running.take() {
            fs::write(self.dir.join("keep"), "").expect("the mark to keep the data");
            drop(pipe);
            runner.wait().expect("the runner to end");
            fs::remove_file(self.dir.join("keep")).expect("the mark to go");
        }
    }

    /// Starts it again with the data it had.
    pub fn restart(&mut self) {
        self.kill();
        self.run();
    }

    /// Starts it again, and no file of it may grow beyond so many KiB: a disk that is full.
    pub fn restart_with_files_of_at_most(&mut self, kib: u32) {
        self.kill();
        self.file_max_kib = Some(kib);
        self.run();
        self.file_max_kib = None;
    }

    fn run(&mut self) {
        let script = script();
        let mut runner = Command::new(&script)
            .arg("run")
            .args([self.port.to_string(), self.dir.display().to_string(), self.controller.to_string()])
            .env("FILE_MAX_KIB", self.file_max_kib.map_or("unlimited".to_string(), |kib| kib.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} could not be run: {error}; the tests need bash", script.display()));
        let pipe = runner.stdin.take().expect("a pipe to the runner");
        let mut answer = String::new();
        let output = runner.stdout.take().expect("the runner's words");
        BufReader::new(output).read_line(&mut answer).expect("the runner's answer");
        assert_eq!(answer, "ready\n", "no Kafka broker for the tests; the reason stands above");
        self.running = Some((runner, pipe));
    }
}

/// Two that nobody listens on, held together so that they differ.
fn free_ports() -> [u16; 2] {
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    held.map(|listener| listener.local_addr().expect("its address").port())
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some((mut runner, pipe)) = self.running.take() {
            drop(pipe);
            let _ = runner.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
