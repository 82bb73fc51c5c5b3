//! Nearest words: what somebody who mistyped a name may have meant.

/// The word that is nearest to `typed`, if one is near enough to be meant.
pub fn nearest<'a>(typed: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let enough = if typed.chars().count() < 8 { 2 } else { 3 };
    words
        .into_iter()
        .map(|word| (distance(&typed, &word.to_lowercase()), word))
        .filter(|&(distance, word)| distance <= enough && distance < word.chars().count())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, word)| word)
}

/// `; did you mean X?`, or the words there are.
pub fn hint(typed: &str, words: &[&str]) -> String {
    match nearest(typed, words.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("known are {}", listed(words)),
    }
}

/// `` `a`, `b` and `c` ``
pub fn listed(words: &[&str]) -> String {
    match words {
        [] => "none".to_owned(),
        [only] => format!("`{only}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} and `{last}`", first.join(", "))
        }
    }
}

/// Letters to insert, remove, replace or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let moved = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                    let swapped = if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        rows[i - 2][j - 2] + 1
                    } else {
                        usize::MAX
                    };
                    changed.min(moved).min(swapped)
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, found: Option<&str>) {
        assert_eq!(nearest(typed, ["sliding", "intervals", "timezone", "json"]), found);
    }

    #[test]
    fn finds_what_was_mistyped_and_leaves_alone_what_is_something_else() {
        check("slidding", Some("sliding"));
        check("timezoen", Some("timezone"));
        check("Interval", Some("intervals"));
        check("jsn", Some("json"));
        check("queues", None);
        check("", None);
    }
}
