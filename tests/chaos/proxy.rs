//! A network that can be bad: a TCP proxy between instances and broker that delays, falls silent and cuts.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// Passes everything on to a port of this machine, until told otherwise.
#[derive(Clone)]
pub struct Proxy(Arc<Line>);

struct Line {
    port: u16,
    target: u16,
    is_silent: Mutex<bool>,
    spoke: Condvar,
    delay_ms: AtomicU64,
    /// The next piece of each connection is sent in half, and then the connection ends.
    is_cutting: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub fn to(target: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let line = Arc::new(Line {
            port: listener.local_addr().expect("its address").port(),
            target,
            is_silent: Mutex::new(false),
            spoke: Condvar::new(),
            delay_ms: AtomicU64::new(0),
            is_cutting: AtomicBool::new(false),
            open: Mutex::new(Vec::new()),
        });
        let accepting = line.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.connect(client);
            }
        });
        Proxy(line)
    }

    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Nothing comes through for so long, though every connection stays.
    pub fn fall_silent(&self, pause: Duration) {
        *self.0.is_silent.lock().expect("a switch") = true;
        thread::sleep(pause);
        *self.0.is_silent.lock().expect("a switch") = false;
        self.0.spoke.notify_all();
    }

    /// Every piece takes so much longer for a while.
    pub fn slow_down(&self, delay: Duration, time: Duration) {
        self.0.delay_ms.store(delay.as_millis() as u64, Ordering::Relaxed);
        thread::sleep(time);
        self.0.delay_ms.store(0, Ordering::Relaxed);
    }

    /// Every connection ends in the middle of a message.
    pub fn cut(&self) {
        self.0.is_cutting.store(true, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(200));
        self.0.is_cutting.store(false, Ordering::Relaxed);
        for stream in self.0.open.lock().expect("the connections").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Line {
    fn connect(self: &Arc<Line>, client: TcpStream) {
        // While the broker is away, whoever calls is told so by the end of the connection.
        let Ok(broker) = TcpStream::connect(("127.0.0.1", self.target)) else { return };
        for stream in [&client, &broker] {
            let _ = stream.set_nodelay(true);
        }
        let ends = [&client, &broker].map(|stream| stream.try_clone().expect("a handle"));
        let (to_client, to_broker) = (client.try_clone().expect("a handle"), broker.try_clone().expect("a handle"));
        self.open.lock().expect("the connections").extend(ends);
        for (from, to) in [(client, to_broker), (broker, to_client)] {
            let line = self.clone();
            thread::spawn(move || line.pump(from, to));
        }
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let silent = self.is_silent.lock().expect("a switch");
            drop(self.spoke.wait_while(silent, |is_silent| *is_silent).expect("a switch"));
            match self.delay_ms.load(Ordering::Relaxed) {
                0 => {}
                delay => thread::sleep(Duration::from_millis(delay)),
            }
            let is_cut = self.is_cutting.load(Ordering::Relaxed);
            let piece = if is_cut { &buffer[..read / 2] } else { &buffer[..read] };
            if to.write_all(piece).is_err() || is_cut {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}
