//! The key of a call: tenant and call id in one text, whatever characters they hold.

use std::fmt::Write as _;

/// Appends the key. The tenant's length stands before it, so that no two calls share one.
pub fn write(tenant: &str, call_id: &str, key: &mut String) {
    let written = write!(key, "{}\0{tenant}{call_id}", tenant.len());
    debug_assert!(written.is_ok(), "writing to memory");
}

/// Tenant and call id of a key that [`write()`] made; of another text all is the call id.
pub fn split(key: &str) -> (&str, &str) {
    let parts = key.split_once('\0').and_then(|(length, rest)| rest.split_at_checked(length.parse().ok()?));
    parts.unwrap_or(("", key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_calls_share_a_key() {
        let texts = ["", "a", "a\0b", "\0", "3\0", "سلام", "a\0"];
        let mut keys = std::collections::HashSet::new();
        for tenant in texts {
            for call_id in texts {
                let mut key = String::new();
                write(tenant, call_id, &mut key);
                assert_eq!(split(&key), (tenant, call_id));
                assert!(keys.insert(key));
            }
        }
    }
}
