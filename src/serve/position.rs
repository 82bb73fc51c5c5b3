//! Position: up to where the KPI topic is known to somebody, and its text for `Last-Event-ID`.
//!
//! ```text
//! 5be0cd19137e2179.1763836800000.0-123.1-456
//! what was asked   when          partition-offset, each partition that was read
//! ```
//!
//! Offsets are the topic's own, so every instance understands the text, also after a restart. What was asked
//! is in it, with the cluster's name: the position in an answer to another question says nothing about this one.

use crate::fingerprint;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The newest offset known of each partition.
pub type Offsets = BTreeMap<i32, i64>;

/// For so long a client may be away. Kafka keeps what ended for a day (`delete.retention.ms`): whoever reads the
/// topic anew still meets every end of this time.
pub const AWAY_MAX: Duration = Duration::from_secs(6 * 3600);

/// A place in the changes of the board, as given to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Of the question and the cluster.
    pub asked: u64,
    /// When it was given, epoch milliseconds.
    pub given: i64,
    pub offsets: Offsets,
}

impl Position {
    /// The fingerprint of a question to this cluster.
    pub fn asked(cluster: &str, question: &impl fmt::Debug) -> u64 {
        fingerprint::of(&(cluster, question))
    }

    /// Whether it belongs to the question, and every end since is still known somewhere. One of the future is from an
    /// instance whose clock is ahead, or forged.
    pub fn is_of(&self, asked: u64, now: i64) -> bool {
        self.asked == asked && u128::from(now.abs_diff(self.given)) < AWAY_MAX.as_millis()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}", self.asked, self.given)?;
        self.offsets.iter().try_for_each(|(partition, offset)| write!(f, ".{partition}-{offset}"))
    }
}

/// Not a position that this version gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Position, NoPosition> {
        let mut parts = text.split('.');
        let asked = parts.next().and_then(|asked| u64::from_str_radix(asked, 16).ok()).ok_or(NoPosition)?;
        let given = parts.next().and_then(|given| given.parse().ok()).ok_or(NoPosition)?;
        let offset = |part: &str| {
            let (partition, offset) = part.split_once('-')?;
            let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
            (0 <= partition && 0 <= offset).then_some((partition, offset))
        };
        let offsets = parts.map(|part| offset(part).ok_or(NoPosition)).collect::<Result<_, _>>()?;
        Ok(Position { asked, given, offsets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_back_from_its_text_and_from_nothing_else() {
        let position = Position {
            asked: Position::asked("cluster", &"kind=queue"),
            given: 1_763_836_800_000,
            offsets: [(0, 0), (7, i64::MAX)].into(),
        };
        assert_eq!(position.to_string().parse(), Ok(position.clone()));
        assert_eq!("a.5".parse(), Ok(Position { asked: 10, given: 5, offsets: Offsets::new() }));
        for text in ["", "a", "x.5", "a.5.", "a.5.1", "a.5.1-", "a.5.1-2-3", "a.5.-1-2", "a.5.1--2", "a.5.1-x", "صف"]
        {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text}");
        }
    }

    #[test]
    fn belongs_to_one_question_for_some_hours() {
        let asked = Position::asked("cluster", &"kind=queue");
        let position = Position { asked, given: 1_000, offsets: Offsets::new() };
        let hours = |hours: i64| 1_000 + hours * 3_600_000;
        assert!(position.is_of(asked, hours(5)) && !position.is_of(asked, hours(6)));
        assert!(position.is_of(asked, hours(-5)) && !position.is_of(asked, hours(-6)));
        let forged = Position { given: i64::MIN, ..position.clone() };
        assert!(!forged.is_of(asked, hours(1)));
        assert!(!position.is_of(Position::asked("another", &"kind=queue"), hours(1)));
        assert!(!position.is_of(Position::asked("cluster", &"kind=agent"), hours(1)));
    }
}
