//! CPU time and memory of processes, from `/proc`: in user and system mode, all threads, ended ones too; and the CPU
//! time of one thread, which is exact where that of a process is in hundredths of a second.

use std::time::Duration;

/// Ticks in a second, the same on every Linux that Rust runs on.
const TICKS: u64 = 100;

/// The CPU time a process has used; zero when it is gone.
pub fn of(process: u32) -> Duration {
    read(&format!("/proc/{process}/stat"))
}

/// The CPU time of this process.
pub fn own() -> Duration {
    read("/proc/self/stat")
}

/// The CPU time of the thread that asks, in nanoseconds.
pub fn thread() -> Duration {
    // The kernel brings it up to date at a tick, or when the thread gives way.
    std::thread::yield_now();
    let path = "/proc/thread-self/schedstat";
    let statistics = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let nanoseconds = statistics.split_whitespace().next().and_then(|figure| figure.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_else(|| panic!("{path} says {statistics:?}")))
}

/// The most memory a process has held at once, MiB; zero when it is gone.
pub fn peak_mib(process: u32) -> u64 {
    mib(process, "VmHWM:")
}

/// The memory a process holds, MiB; zero when it is gone.
pub fn memory_mib(process: u32) -> u64 {
    mib(process, "VmRSS:")
}

fn mib(process: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn read(path: &str) -> Duration {
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    // The name in brackets may hold blanks.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * (1000 / TICKS))
}
