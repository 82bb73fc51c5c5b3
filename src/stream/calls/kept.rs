//! What the stage *calls* keeps in its state, and the records of calls, which are told with it.

use super::{Call, Calls, LOG_BYTES_MAX, Partition, RULES, SOURCE_KEY, Telling};
use crate::life::call_key::split;
use crate::life::log::CallLog;
use crate::life::settle::{Restart, Terms, settle};
use crate::stream::batch::{BATCH_BYTES, Fields, Part, wire, write_parts};
use crate::stream::booked::book;
use crate::stream::call_record;
use crate::stream::coverage::Gap;
use crate::stream::stage::{OutRecord, Output};
use crate::time::EventTime;
use prost::Message;

/// Records of calls in one commit that were left to an earlier generation until now.
const TOLD_MAX: usize = 5_000;

/// What a call amounts to that fills an entry, in bytes; the log may stand beside it.
const ENTRY_BYTES: usize = BATCH_BYTES - LOG_BYTES_MAX;

/// Begins the keys of entries that hold what has no room in a call's own; no call's does.
const MORE_KEY: char = '\u{1}';

impl Calls {
    pub(super) fn collect_state(&mut self, out: &mut Vec<OutRecord>) {
        let mut part = Part::default();
        let (settings, is_granted) = (&self.settings, self.settings.takeover.is_granted());
        for (input, partition) in &mut self.inputs {
            let state = |key: &[u8], value: Option<Vec<u8>>| OutRecord {
                to: Output::State(input.clone()),
                key: Some(key.to_vec()),
                value,
                headers: Vec::new(),
                timestamp: None,
            };
            if is_granted && matches!(partition.telling, Telling::HoldsBack) {
                partition.telling = Telling::CatchesUp(partition.calls.keys().cloned().collect());
            }
            let holds_back = matches!(partition.telling, Telling::HoldsBack);
            let mut changed = std::mem::take(&mut partition.changed);
            changed.sort_unstable();
            for key in changed.drain(..) {
                // An id that was forgotten and used again is listed twice.
                let Some(call) = partition.calls.get_mut(&key).filter(|call| call.is_changed) else { continue };
                call.is_changed = false;
                let (tenant, call_id) = split(&key);
                let restarts = partition.restarts.get(tenant).map_or(&[][..], Vec::as_slice);
                let judged = call.judged.unwrap_or(EventTime(i64::MIN));
                let terms = Terms { plan: &settings.plan, call_id, restarts, judged };
                let routes = &mut self.routes;
                let settled =
                    book(routes, &mut self.booked, tenant, &call.log, |log, sink| settle(terms, log, sink), 1);
                let mut more = 0;
                let (names, fields) = ((&mut self.names, &*routes), (Fields::CALL_STATE, ENTRY_BYTES));
                write_parts(&mut self.booked, names, fields, &mut part, |part| {
                    let mut value = Vec::with_capacity(part.size());
                    part.finish(&mut value);
                    out.push(state(more_key(&key, more).as_bytes(), Some(value)));
                    more += 1;
                });
                for gone in more..std::mem::replace(&mut call.more, more) {
                    out.push(state(more_key(&key, gone).as_bytes(), None));
                }
                let head = wire::CallState {
                    log: call.log.as_bytes().to_vec(),
                    judged: call.judged.map(|judged| judged.0),
                    plan: self.fingerprint,
                    rules: RULES,
                    offset: call.offset,
                    more,
                    ..wire::CallState::default()
                };
                let mut value = Vec::with_capacity(head.encoded_len() + part.size());
                head.encode_raw(&mut value);
                part.finish(&mut value);
                out.push(state(key.as_bytes(), Some(value)));
                if settled.is_over && !holds_back {
                    let version = settings.takeover.version(call.offset);
                    out.extend(call_record::record(terms, tenant, &call.log, version, &settings.calls));
                }
            }
            partition.changed = changed;
            partition.catch_up_telling(settings, out);
            for (key, more) in partition.forgotten.drain(..) {
                // An id that was used again since it was forgotten is written above.
                let again = partition.calls.get(&key);
                if again.is_none() {
                    out.push(state(key.as_bytes(), None));
                }
                for gone in again.map_or(0, |call| call.more)..more {
                    out.push(state(more_key(&key, gone).as_bytes(), None));
                }
            }
            // State without a committed offset is a fault: before the first record there is neither.
            if partition.log_time.is_some() {
                out.push(state(SOURCE_KEY, Some(partition.to_wire().encode_to_vec())));
            }
        }
    }
}

impl Partition {
    /// Takes an entry of the state topic; `fingerprint` is of the plan that books now.
    pub(super) fn load(&mut self, key: &[u8], value: Option<&[u8]>, fingerprint: u64) {
        if key == SOURCE_KEY {
            if let Some(Ok(state)) = value.map(wire::SourceState::decode) {
                self.load_source(state);
            }
            return;
        }
        let Ok(key) = std::str::from_utf8(key) else { return };
        let state = value.and_then(|value| wire::CallState::decode(value).ok());
        if let Some((key, number)) = split_more(key) {
            let more = self.loading.entry(key.to_owned()).or_default();
            match state {
                Some(state) => more.insert(number, state),
                None => more.remove(&number),
            };
            return;
        }
        let Some((log, state)) = state.and_then(|state| Some((CallLog::from_bytes(&state.log)?, state))) else {
            self.calls.remove(key);
            return;
        };
        let (judged, offset) = (state.judged.map(EventTime), state.offset);
        let more = state.more;
        let is_ours = state.plan == fingerprint && state.rules == RULES;
        let booked_before = if is_ours { Vec::new() } else { vec![state] };
        self.calls.insert(key.into(), Call { log, judged, booked_before, more, offset, ..Call::default() });
    }

    /// Puts what had no room in the entries of calls to the calls it is of.
    pub(super) fn settle_loaded(&mut self) {
        for (key, more) in std::mem::take(&mut self.loading) {
            let before = self.calls.get_mut(key.as_str()).map(|call| &mut call.booked_before);
            if let Some(before) = before.filter(|before| !before.is_empty()) {
                before.extend(more.into_values());
            }
        }
    }

    fn load_source(&mut self, state: wire::SourceState) {
        self.log_time = state.log_time.map(EventTime);
        self.latest_event = state.latest_event.map(EventTime);
        self.mark = state.mark.map(EventTime);
        self.gap =
            state.gap.map(|gap| Gap { mark: gap.mark.map(EventTime), log_time: gap.log_time.map(EventTime), to: None });
        if state.tells_calls {
            self.telling = Telling::Tells;
        }
        self.restarts.clear();
        for restart in state.restarts {
            let restarts = self.restarts.entry(restart.tenant).or_default();
            restarts.push(Restart { at: EventTime(restart.at), source: restart.source });
        }
    }

    fn to_wire(&self) -> wire::SourceState {
        let restarts = self.restarts.iter().flat_map(|(tenant, restarts)| {
            restarts.iter().map(|restart| wire::RestartState {
                tenant: tenant.clone(),
                source: restart.source.clone(),
                at: restart.at.0,
            })
        });
        wire::SourceState {
            log_time: self.log_time.map(|time| time.0),
            latest_event: self.latest_event.map(|time| time.0),
            mark: self.mark.map(|time| time.0),
            restarts: restarts.collect(),
            gap: self.gap.as_ref().map(|gap| wire::GapState {
                mark: gap.mark.map(|mark| mark.0),
                log_time: gap.log_time.map(|log_time| log_time.0),
            }),
            tells_calls: matches!(self.telling, Telling::Tells),
        }
    }

    /// Tells some of the calls that were left to an earlier generation. What changed meanwhile is told again, with the
    /// version and the content it has.
    fn catch_up_telling(&mut self, settings: &super::CallsSettings, out: &mut Vec<OutRecord>) {
        let Telling::CatchesUp(keys) = &mut self.telling else { return };
        for key in keys.drain(keys.len().saturating_sub(TOLD_MAX)..) {
            let Some(call) = self.calls.get(&key) else { continue };
            let (tenant, call_id) = split(&key);
            let restarts = self.restarts.get(tenant).map_or(&[][..], Vec::as_slice);
            let judged = call.judged.unwrap_or(EventTime(i64::MIN));
            let terms = Terms { plan: &settings.plan, call_id, restarts, judged };
            if settle(terms, &call.log, |_| {}).is_over {
                let version = settings.takeover.version(call.offset);
                out.extend(call_record::record(terms, tenant, &call.log, version, &settings.calls));
            }
        }
        if keys.is_empty() {
            self.telling = Telling::Tells;
        }
    }
}

/// The key of one of the entries that hold what has no room in a call's own.
fn more_key(call: &str, number: u32) -> String {
    format!("{MORE_KEY}{number} {call}")
}

/// The call's key and the number in a key of [`more_key`]; none of another.
fn split_more(key: &str) -> Option<(&str, u32)> {
    let (number, call) = key.strip_prefix(MORE_KEY)?.split_once(' ')?;
    Some((call, number.parse().ok()?))
}
