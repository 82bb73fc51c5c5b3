//! Scan: where the first of some bytes stands in a text, eight bytes at a time.
//!
//! What is looked for is said by marks: of eight bytes, the lowest first, a bit in each that is meant. Only the lowest
//! mark is to be trusted, since a subtraction may borrow from the byte above it.

const ONES: u64 = u64::from_ne_bytes([1; 8]);

/// Where the first marked byte stands; none if there is none.
#[inline]
pub(super) fn first(text: &[u8], marks: impl Fn(u64) -> u64) -> Option<usize> {
    let (eights, rest) = text.as_chunks();
    for (place, eight) in eights.iter().enumerate() {
        let before = (marks(u64::from_le_bytes(*eight)) & (ONES << 7)).trailing_zeros() as usize / 8;
        if before < 8 {
            return Some(8 * place + before);
        }
    }
    let in_rest = rest.iter().position(|byte| marks(u64::from(*byte)) & (1 << 7) != 0);
    in_rest.map(|place| 8 * eights.len() + place)
}

/// Marks the bytes that are this one.
#[inline]
pub(super) fn is(eight: u64, byte: u8) -> u64 {
    below(eight ^ (ONES * u64::from(byte)), 1)
}

/// Marks the bytes below this one, which is ASCII.
#[inline]
pub(super) fn below(eight: u64, limit: u8) -> u64 {
    eight.wrapping_sub(ONES * u64::from(limit)) & !eight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_of_several_wherever_it_stands() {
        let marks = |eight| is(eight, b'&') | is(eight, b'=') | below(eight, b' ');
        for before in 0..20 {
            for mark in ["&", "=", "\n", "\0"] {
                for after in ["", "x", "&=\0longer than eight bytes"] {
                    let text =
                        format!("{}{mark}{after}", "\u{7f}é!%".repeat(5).chars().take(before).collect::<String>());
                    let expected = text.len() - mark.len() - after.len();
                    assert_eq!(first(text.as_bytes(), marks), Some(expected), "{text:?}");
                }
            }
            assert_eq!(first("é".repeat(before).as_bytes(), marks), None);
        }
    }
}
