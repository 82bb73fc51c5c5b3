//! Back-off: how long to wait before what failed is tried again.
//!
//! A second after the first failure, twice as long after each further one, a minute at most; of that a half is left to
//! chance, so that many who wait for the same server do not come back together.

use crate::time::Span;

/// After the first failure.
pub const FIRST: Span = Span::from_secs(1);
/// After many.
pub const LONGEST: Span = Span::from_secs(60);
/// The longest that a server can ask for.
pub const LONGEST_ASKED: Span = Span::from_secs(15 * 60);

/// How long to wait after so many failures in a row, of which there is at least one. `chance` is any number; `asked` is
/// what the server asked for, which is waited for at least.
pub fn wait(failures: u32, chance: u64, asked: Option<Span>) -> Span {
    let doubled = FIRST.0 << failures.saturating_sub(1).min(16);
    let half = doubled.min(LONGEST.0) / 2;
    let own = half + (chance % (half as u64 + 1)) as i64;
    Span(own.max(asked.map_or(0, |asked| asked.0.min(LONGEST_ASKED.0))))
}
