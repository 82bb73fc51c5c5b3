//! Aside: how much decoders left aside, and of its names the first few in the alphabet, which are all that is told.

use std::collections::BTreeSet;

const TOLD: usize = 5;

/// What was left aside. A source may bring any number of names, of which no more are kept than are told.
#[derive(Default)]
pub struct Aside {
    pub count: u64,
    names: BTreeSet<String>,
}

impl Aside {
    pub fn add(&mut self, name: &str, count: u64) {
        self.count += count;
        let is_first = self.names.len() < TOLD || self.names.last().is_some_and(|last| name < last.as_str());
        if is_first && !self.names.contains(name) {
            self.names.insert(name.to_owned());
            if TOLD < self.names.len() {
                self.names.pop_last();
            }
        }
    }

    pub fn names(&self) -> String {
        self.names.iter().map(String::as_str).collect::<Vec<&str>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_all_and_keeps_the_first_names_in_whatever_order_they_come() {
        let (mut up, mut down) = (Aside::default(), Aside::default());
        for name in 0..1000 {
            up.add(&format!("{name:03}"), 2);
            down.add(&format!("{:03}", 999 - name), 2);
        }
        for aside in [&up, &down] {
            assert_eq!((aside.count, aside.names.len()), (2000, TOLD));
            assert_eq!(aside.names(), "000, 001, 002, 003, 004");
        }
    }
}
