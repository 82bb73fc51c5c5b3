//! CPU time and memory of processes, from `/proc`: in user and system mode, all threads, ended ones too.

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
