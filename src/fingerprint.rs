//! The fingerprint of settings: equal for equal ones, on every machine.

use std::fmt::Debug;

/// FNV-1a of what `Debug` writes.
pub fn of(settings: &impl Debug) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in format!("{settings:?}").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}
