//! The fingerprint of settings or of bytes: equal for equal ones, on every machine.

use std::fmt::Debug;

/// FNV-1a of what `Debug` writes.
pub fn of(settings: &impl Debug) -> u64 {
    of_bytes(format!("{settings:?}").as_bytes())
}

/// FNV-1a of bytes.
pub fn of_bytes(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
