//! Order and repeats do not matter; what is taken back leaves nothing behind.

use crate::cases;
use crate::centre::{ZONES, latest, records};
use crate::histories::{Reach, Told, history};
use crate::world::{SETTINGS, any_settings};
use callpulse::config::settings::Settings;
use callpulse::event::What;
use callpulse::fact::{Family, Key};
use callpulse::life::booking::Booking;
use callpulse::life::log::{Added, CallLog, encode};
use callpulse::life::routes::{Account, Ledger, Routes};
use callpulse::life::settle::{Terms, settle, settle_last};
use callpulse::time::EventTime;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;
use std::sync::Arc;

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn any_order_and_repetition_of_the_events_gives_the_same_records(
        settings in any_settings(),
        told in history(Reach::Days),
        keys in proptest::collection::vec(any::<u32>(), 60),
        repeated in proptest::collection::vec(any::<Index>(), 0..6),
        later in prop_oneof![Just(0_i64), 0..5_000_i64, 0..50_000_000_i64],
    ) {
        let settings = &SETTINGS[settings];
        let as_of = latest(&told) + later;
        let mut shuffled = told.clone();
        shuffled.extend(repeated.iter().map(|index| index.get(&told).clone()));
        let mut order: Vec<(u32, Told)> = shuffled
            .into_iter()
            .enumerate()
            .map(|(place, told)| (keys[place % keys.len()].rotate_left(place as u32), told))
            .collect();
        order.sort_by_key(|(key, _)| *key);
        let in_order = json(settings, &told, as_of);
        let shuffled: Vec<Told> = order.into_iter().map(|(_, told)| told).collect();
        let out_of_order = json(settings, &shuffled, as_of);
        for (one, other) in in_order.iter().zip(&out_of_order) {
            prop_assert_eq!(one, other);
        }
        prop_assert_eq!(in_order.len(), out_of_order.len());
    }

    #[test]
    fn what_each_event_adds_sums_up_to_what_the_call_amounts_to(told in history(Reach::Days)) {
        let settings = &SETTINGS[ZONES.len()];
        let mut logs: BTreeMap<(&str, &str), CallLog> = BTreeMap::new();
        let mut books: BTreeMap<(&str, &str), Book> = BTreeMap::new();
        let mut routes = Routes::new(Arc::new(settings.plan.clone()));
        for told in &told {
            let event = told.event();
            let What::Call(call) = &event.what else { continue };
            let key = (told.tenant, told.call.as_str());
            let log = logs.entry(key).or_default();
            let mut entry = Vec::new();
            encode(&event, call, event.source.as_deref().unwrap_or_default(), &mut entry);
            // Nothing is lost when nothing is judged.
            let terms = Terms { plan: &settings.plan, call_id: key.1, restarts: &[], judged: EventTime(i64::MIN) };
            let old = log.clone();
            let book = books.entry(key).or_default();
            match log.add(&entry) {
                Added::Repeat | Added::TooMany => {}
                Added::Last => book.take(&mut routes, key.0, log, 1, |log, sink| { settle_last(terms, log, sink); }),
                Added::Within => {
                    book.take(&mut routes, key.0, &old, -1, |log, sink| { settle(terms, log, sink); });
                    book.take(&mut routes, key.0, log, 1, |log, sink| { settle(terms, log, sink); });
                }
            }
        }
        for (key, mut book) in books {
            let terms = Terms { plan: &settings.plan, call_id: key.1, restarts: &[], judged: EventTime(i64::MIN) };
            book.take(&mut routes, key.0, &logs[&key], -1, |log, sink| { settle(terms, log, sink); });
            prop_assert_eq!(book.0, BTreeMap::new());
        }
    }

    #[test]
    fn of_a_document_the_highest_revision_counts(told in history(Reach::Days)) {
        let (mut logs, mut highest): (BTreeMap<_, CallLog>, BTreeMap<_, i64>) = Default::default();
        let calls = || told.iter().map(|told| (&told.call, told.tenant, told.event()));
        for (call, tenant, event) in calls() {
            if let Some((document, revision)) = event.document {
                let known = highest.entry((tenant, call, document.into_owned())).or_insert(revision);
                *known = revision.max(*known);
            }
        }
        let mut those_alone: BTreeMap<_, CallLog> = BTreeMap::new();
        for (call, tenant, event) in calls() {
            let What::Call(what) = &event.what else { continue };
            let mut entry = Vec::new();
            encode(&event, what, event.source.as_deref().unwrap_or_default(), &mut entry);
            logs.entry((tenant, call)).or_default().add(&entry);
            let counts = event.document.as_ref().is_none_or(|(document, revision)| {
                highest[&(tenant, call, document.to_string())] == *revision
            });
            if counts {
                those_alone.entry((tenant, call)).or_default().add(&entry);
            }
        }
        let bytes = |logs: &BTreeMap<_, CallLog>| logs.values().map(|log| log.as_bytes().to_vec()).collect::<Vec<_>>();
        prop_assert_eq!(bytes(&logs), bytes(&those_alone));
    }
}

/// Everything the records say, one line each.
fn json(settings: &Settings, told: &[Told], as_of: i64) -> Vec<String> {
    let line = |record| serde_json::to_string(&record).expect("a record is JSON");
    records(settings, told, as_of).into_iter().map(line).collect()
}

/// Facts that add, in every place they were booked.
#[derive(Default)]
struct Book(BTreeMap<(String, Family, i64, Option<Key>), i64>);

impl Book {
    fn take<'l>(
        &mut self,
        routes: &mut Routes,
        tenant: &'l str,
        log: &'l CallLog,
        sign: i64,
        settle: impl FnOnce(&'l CallLog, &mut dyn FnMut(Booking<'l>)),
    ) {
        let Some(first) = log.iter().next() else { return };
        let mut call = routes.call(tenant, first.channel);
        settle(log, &mut |booking| call.book(Booking { amount: booking.amount * sign, ..booking }, self));
        call.finish(self);
    }

    fn add(&mut self, place: (String, Family, i64, Option<Key>), amount: i64) {
        let sum = self.0.entry(place.clone()).or_default();
        *sum += amount;
        if *sum == 0 {
            self.0.remove(&place);
        }
    }
}

impl Ledger for Book {
    fn facts(&mut self, to: Account<'_>, family: Family, second: i64, facts: &[(Key, i64)]) {
        for (key, amount) in facts {
            self.add((to.entity.to_string(), family, second, Some(*key)), *amount);
        }
    }

    fn waiting(&mut self, to: Account<'_>, since: EventTime, amount: i64) {
        self.add((to.entity.to_string(), Family::Waiting, since.0, None), amount);
    }
}
