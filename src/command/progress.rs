//! Progress of long work: one line on a terminal, rewritten; nothing where nobody looks.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// A line that is rewritten a few times a second.
pub struct Progress {
    is_shown: bool,
    began: Instant,
    last: Option<Instant>,
}

const EVERY: Duration = Duration::from_millis(200);

impl Default for Progress {
    fn default() -> Self {
        Progress { is_shown: stderr().is_terminal(), began: Instant::now(), last: None }
    }
}

impl Progress {
    /// Shows the line if it is time to. `line` is given the seconds since the beginning.
    pub fn show(&mut self, line: impl FnOnce(f64) -> String) {
        let now = Instant::now();
        if !self.is_shown || self.last.is_some_and(|last| now.duration_since(last) < EVERY) {
            return;
        }
        self.last = Some(now);
        // Whoever watches may have gone; the work goes on.
        let _ = write!(stderr(), "\r\x1b[K{}", line(now.duration_since(self.began).as_secs_f64()));
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.last.take().is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }

    /// Seconds since the beginning.
    pub fn elapsed(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

/// A number with its thousands set apart.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn sets_thousands_apart() {
        assert_eq!(
            ["0", "999", "1,000", "120,419"],
            [0, 999, 1000, 120_419].map(thousands).each_ref().map(String::as_str)
        );
    }
}
