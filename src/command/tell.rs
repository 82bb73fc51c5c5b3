//! What the commands tell people, on standard error. Nobody has to be listening: a closed one stops nothing.

/// Writes a line, as `eprintln!` does.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub(crate) use tell;
