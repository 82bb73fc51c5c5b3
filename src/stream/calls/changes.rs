//! Changes that are settled once a commit: of calls that were told of in disorder or anew, and of those with events of a
//! source that restarted.
//!
//! ```text
//! events of a call      a   c   b   a'        restarts of its source   |    |  |
//! settled at once       a   c                 settled with the commit            [all that it has events of]
//! settled with the commit         [a' b c]
//! ```
//!
//! What such a change costs grows with all that is known of a call, so a thousand of them between two commits cost as
//! much as one.

use super::{Calls, Partition, note, unbook};
use crate::event::{Event, Reason, Reject};
use crate::life::call_key::split;
use crate::life::log::CallLog;
use crate::life::settle::{Restart, Terms, settle};
use crate::stream::booked::book;
use crate::stream::lateness::keep_for;
use crate::stream::stage::Input;
use crate::time::{EventTime, Span};
use hashbrown::HashMap;

/// Restarts are looked at this seldom, in log time.
const RESTARTS_EVERY: Span = Span::from_hours(1);

/// Restarts of sources that are remembered of a partition: each is looked for in every call.
const RESTARTS_MAX: usize = 2_000;
/// Bytes of their names together: they are one record of the state, with some bytes more for each.
const RESTART_NAMES_MAX: usize = 500_000;

/// What a call was when it was settled last.
pub(super) struct Unsettled {
    pub(super) log: CallLog,
    /// Log time at the record that changed it last.
    pub(super) judged: EventTime,
}

/// Sources of one tenant that restarted since calls were settled.
pub(super) struct Restarted {
    /// All that were known then: what is booked reckons with these.
    before: Vec<Restart>,
    /// By source the last record that told of a restart: its offset, and log time.
    by: HashMap<String, (i64, EventTime)>,
}

impl Calls {
    /// Ends what calls of the source have open, in this partition.
    pub(super) fn take_restart(&mut self, input: &Input, offset: i64, event: &Event<'_>) -> Result<(), Reject> {
        let source = event.source.as_deref().filter(|source| *source != input.topic.as_ref()).unwrap_or_default();
        let restart = Restart { at: event.time, source: source.to_string() };
        let partition = self.inputs.get_mut(input).expect("records come for assigned inputs only");
        let old = partition.restarts.get(event.tenant.as_ref()).cloned().unwrap_or_default();
        let Err(place) = old.binary_search(&restart) else {
            self.fates.repeated += 1;
            return Ok(());
        };
        partition.has_room_for(&event.tenant, &restart)?;
        self.fates.accepted += 1;
        let judged = partition.log_time.expect("a record was read");
        let mut new = old.clone();
        new.insert(place, restart);
        let restarted = partition.restarted.entry(event.tenant.to_string());
        let restarted = restarted.or_insert_with(|| Restarted { before: old, by: HashMap::new() });
        restarted.by.insert(source.to_string(), (offset, judged));
        partition.restarts.insert(event.tenant.to_string(), new);
        Ok(())
    }

    /// Settles the calls that changed otherwise than by going on, and those with events of a source that restarted.
    pub(super) fn settle_changes(&mut self, input: &Input) {
        let partition = self.inputs.get_mut(input).expect("an assigned input");
        partition.reach_restarted();
        let restarted = std::mem::take(&mut partition.restarted);
        let horizon = keep_for(&self.settings.plan);
        for key in std::mem::take(&mut partition.unsettled) {
            let call = partition.calls.get_mut(&key).expect("a call is not forgotten before it is settled");
            let Unsettled { log: old, judged } = *call.unsettled.take().expect("listed once");
            let (tenant, call_id) = split(&key);
            let restarts = partition.restarts.get(tenant).map_or(&[][..], Vec::as_slice);
            let terms = Terms { plan: &self.settings.plan, call_id, restarts, judged };
            let before = Terms { restarts: restarted.get(tenant).map_or(restarts, |of| &of.before), ..terms };
            unbook(&mut self.routes, &mut self.rows, tenant, before, call, &old);
            let settle = |log, sink: &mut dyn FnMut(_)| settle(terms, log, sink);
            let settled = book(&mut self.routes, &mut self.rows, tenant, &call.log, settle, 1);
            call.judged = settled.has_lost.then_some(judged);
            note(&mut partition.agenda, &mut partition.changed, call, &key, settled, horizon);
        }
        self.unsettled = 0;
    }
}

impl Partition {
    /// Lists the calls with events of a source that restarted as to be settled: a source ends what it told of, and no
    /// other.
    fn reach_restarted(&mut self) {
        if self.restarted.is_empty() {
            return;
        }
        for (key, call) in &mut self.calls {
            let Some(restarted) = self.restarted.get(split(key).0) else { continue };
            let by = call.log.iter().filter_map(|moment| restarted.by.get(moment.source)).max();
            let Some((offset, judged)) = by.copied() else { continue };
            call.offset = call.offset.max(offset);
            match &mut call.unsettled {
                Some(unsettled) => unsettled.judged = unsettled.judged.max(judged),
                None => {
                    call.unsettled = Some(Box::new(Unsettled { log: call.log.clone(), judged }));
                    self.unsettled.push(key.clone());
                }
            }
        }
    }

    /// Whether a call that is to be settled may have to be forgotten before anything more is told under its id.
    pub(super) fn may_forget(&self, key: &str, keep_for: Span) -> bool {
        let call = self.calls.get(key).filter(|call| call.unsettled.is_some());
        let last = call.and_then(|call| call.log.iter().last());
        let reached = self.advances.last();
        last.zip(reached).is_some_and(|(last, (log_time, _))| last.time.plus(keep_for) <= *log_time)
    }

    /// Errs if one more restart is more than can be remembered.
    fn has_room_for(&self, tenant: &str, restart: &Restart) -> Result<(), Reject> {
        let refuse = |sentence| Err(Reject { reason: Reason::TooLarge, sentence });
        if RESTARTS_MAX <= self.restarts.values().map(Vec::len).sum() {
            return refuse(format!("sources restarted {RESTARTS_MAX} times already within the late horizon"));
        }
        let names = |tenant: &str, restart: &Restart| tenant.len() + restart.source.len();
        let kept = self.restarts.iter().flat_map(|(tenant, all)| all.iter().map(move |restart| names(tenant, restart)));
        let bytes = kept.sum::<usize>() + names(tenant, restart);
        if RESTART_NAMES_MAX < bytes {
            return refuse(format!(
                "the names of sources that restarted within the late horizon would take {bytes} bytes; are they names?"
            ));
        }
        Ok(())
    }

    /// Forgets restarts that no call reaches back to: what a call amounts to depends on every restart
    /// since its first event.
    pub(super) fn forget_restarts(&mut self, log_time: EventTime, keep_for: Span) {
        if self.restarts.is_empty() || self.restarts_due.is_some_and(|due| log_time < due) {
            return;
        }
        self.restarts_due = Some(log_time.plus(RESTARTS_EVERY));
        let oldest = log_time.minus(keep_for);
        if !self.restarts.values().flatten().any(|restart| restart.at < oldest) {
            return;
        }
        let firsts = self.calls.values().filter_map(|call| call.log.iter().next());
        let reached = firsts.map(|first| first.time).min().map_or(oldest, |first| first.min(oldest));
        for restarts in self.restarts.values_mut() {
            restarts.retain(|restart| reached <= restart.at);
        }
        self.restarts.retain(|_, restarts| !restarts.is_empty());
    }
}
