//! Laws: what goes together, in which order, and how long is waited, for every history.

use crate::alerts::{firing, resolved};
use callpulse::alert::record::{AlertRecord, PARTITION};
use callpulse::notify::backoff::{self, FIRST, LONGEST, LONGEST_ASKED};
use callpulse::notify::outbox::{Item, Outbox, Post, Together};
use callpulse::notify::standing::{Place, Standing};
use callpulse::time::{EventTime, Span};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What happens to one of a few alerts, and how long after what happened before.
#[derive(Clone, Copy, Debug)]
struct Happening {
    rule: usize,
    id: usize,
    after_ms: i64,
}

const RULES: [&str; 2] = ["abandonment", "waits"];

fn history() -> impl Strategy<Value = Vec<Happening>> {
    let happening = (0..RULES.len(), 0..6usize, prop_oneof![3 => 0..40i64, 1 => 0..400i64]);
    prop::collection::vec(happening.prop_map(|(rule, id, after_ms)| Happening { rule, id, after_ms }), 1..80)
}

/// The transitions of a history: each alert fires and resolves in turn. With the time of each.
fn transitions(history: &[Happening]) -> Vec<(Item, Span)> {
    let mut fires: BTreeMap<(usize, usize), EventTime> = BTreeMap::new();
    let (mut at, mut out) = (0, Vec::new());
    for (offset, happening) in history.iter().enumerate() {
        at += happening.after_ms;
        let (of, since) = ((happening.rule, happening.id), EventTime(1_772_000_000_000 + at));
        let record = |since| firing(RULES[happening.rule], &happening.id.to_string(), since);
        let record = match fires.remove(&of) {
            Some(began) => resolved(record(began), since),
            None => {
                fires.insert(of, since);
                record(since)
            }
        };
        let alert: AlertRecord = serde_json::from_value(record).expect("an alert");
        let place = Place { partition: 0, offset: offset as i64 };
        out.push((Item { alert: Arc::new(alert), place, at: since }, Span(at)));
    }
    out
}

/// Takes everything, closing what is due before each. Answers the posts, each with when it was there.
fn posts(together: Together, transitions: &[(Item, Span)]) -> Vec<(Post, Span)> {
    let mut outbox = Outbox::new(together);
    let mut posts = Vec::new();
    let mut drain =
        |outbox: &mut Outbox, now: Span| posts.extend(std::iter::from_fn(|| outbox.pop()).map(|post| (post, now)));
    for (item, now) in transitions {
        while let Some(due) = outbox.due().filter(|due| due <= now) {
            outbox.close_due(due);
            drain(&mut outbox, due);
        }
        outbox.take(item.clone(), *now);
        drain(&mut outbox, *now);
    }
    while let Some(due) = outbox.due() {
        outbox.close_due(due);
        drain(&mut outbox, due);
    }
    assert_eq!((outbox.waiting(), outbox.next().is_none()), (0, true));
    posts
}

proptest! {
    #[test]
    fn each_transition_goes_out_once_in_time_and_those_of_an_alert_in_order(
        history in history(),
        wait in 0..200i64,
        at_most in 1..5usize,
        by_rule: bool,
    ) {
        let wait = Span(if by_rule { wait } else { 0 });
        let together = if by_rule { Together::ByRule { wait, at_most } } else { Together::All };
        let transitions = transitions(&history);
        let posts = posts(together, &transitions);
        let sent: Vec<&Item> = posts.iter().flat_map(|(post, _)| &post.items).collect();
        let offsets: BTreeSet<i64> = sent.iter().map(|item| item.place.offset).collect();
        prop_assert_eq!(sent.len(), transitions.len());
        prop_assert_eq!(offsets.len(), transitions.len());
        let mut last: BTreeMap<String, i64> = BTreeMap::new();
        for item in &sent {
            let before = last.insert(item.alert.key(), item.place.offset);
            prop_assert!(before.is_none_or(|before| before < item.place.offset), "{} goes back", item.alert.key());
        }
        for (post, at) in &posts {
            let keys: BTreeSet<String> = post.items.iter().map(|item| item.alert.key()).collect();
            prop_assert_eq!(keys.len(), post.items.len(), "an alert stands in it twice");
            for item in &post.items {
                let taken = transitions[item.place.offset as usize].1;
                prop_assert!(taken <= *at && at.0 <= taken.0 + wait.0);
            }
            if by_rule {
                let of = |item: &Item| (item.alert.rule.clone(), item.alert.tenant.clone(), item.alert.is_firing());
                prop_assert!(post.items.iter().all(|item| of(item) == of(&post.items[0])));
                prop_assert!(post.items.len() == 1 || at_most < post.items.len());
            }
        }
    }

    #[test]
    fn of_a_rule_no_more_than_at_most_messages_fire_at_once(count in 1..40usize, at_most in 1..6usize) {
        let history: Vec<Happening> = (0..count).map(|id| Happening { rule: 0, id, after_ms: 0 }).collect();
        let together = Together::ByRule { wait: Span(50), at_most };
        let posts = posts(together, &transitions(&history));
        prop_assert_eq!(posts.len(), if count <= at_most { count } else { 1 });
    }

    #[test]
    fn what_is_told_of_partitions_is_one_message(count in 1..40usize, at_most in 1..6usize) {
        let history: Vec<Happening> = (0..count).map(|id| Happening { rule: 0, id, after_ms: 0 }).collect();
        let mut transitions = transitions(&history);
        for (item, _) in &mut transitions {
            Arc::make_mut(&mut item.alert).entity.kind = PARTITION.into();
        }
        prop_assert_eq!(posts(Together::ByRule { wait: Span(50), at_most }, &transitions).len(), 1);
    }

    #[test]
    fn waits_grow_up_to_a_bound_and_half_of_them_is_chance(failures in 1..200u32, chance: u64, asked in prop::option::of(0..2_000_000i64)) {
        let full = FIRST.0.saturating_mul(1 << failures.saturating_sub(1).min(40)).min(LONGEST.0);
        let wait = backoff::wait(failures, chance, None);
        prop_assert!(full / 2 <= wait.0 && wait.0 <= full, "{wait:?} of {full}");
        let asked_to = backoff::wait(failures, chance, asked.map(Span));
        prop_assert_eq!(asked_to.0, wait.0.max(asked.unwrap_or(0).min(LONGEST_ASKED.0)));
    }

    #[test]
    fn news_is_each_transition_once_however_often_the_log_is_read_over(history in history(), again in 0..80usize) {
        let transitions = transitions(&history);
        let mut standing = Standing::default();
        let mut version = 0;
        let mut take = |standing: &mut Standing, item: &Item| {
            version += 1;
            let mut record = AlertRecord::clone(&item.alert);
            record.version = version;
            let (key, value) = (record.key(), record.to_json());
            standing.take(item.place, Some(key.as_bytes()), Some(&value), item.at).expect("an alert")
        };
        for (place, (item, _)) in transitions.iter().enumerate() {
            let news = take(&mut standing, item).expect("news");
            prop_assert_eq!((&news.alert_id, &news.state), (&item.alert.alert_id, &item.alert.state));
            if place == again {
                prop_assert_eq!(take(&mut standing, item), None);
            }
        }
        let firing: Vec<i64> = standing.firing(0).iter().map(|(place, _)| place.offset).collect();
        let last: BTreeMap<String, &Item> = transitions.iter().map(|(item, _)| (item.alert.key(), item)).collect();
        let mut wanted: Vec<i64> =
            last.values().filter(|item| item.alert.is_firing()).map(|item| item.place.offset).collect();
        wanted.sort_unstable();
        prop_assert_eq!(firing, wanted);
    }
}
