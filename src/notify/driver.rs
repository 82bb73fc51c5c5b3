//! The driver: one target's way from the topic of alerts to the other side.
//!
//! ```text
//! queue -> standing (is it news?) -> outbox (what goes together) -> send -> commit
//!                                                                     |
//!                                     back-off, and the same again <--+
//! ```
//!
//! What was accepted is committed before anything else is sent, so that after a crash little goes out again: the message
//! whose acceptance was not committed yet, and what came behind the first alert of a group that was still open.

use super::alertmanager::Told;
use super::backoff;
use super::http::Answer;
use super::ledger::Ledger;
use super::outbox::{Item, Outbox, Post};
use super::sending::Sender;
use super::standing::{Place, Standing};
use super::target::{Target, To};
use crate::alert::record::AlertRecord;
use crate::stream::fault::WorkerError;
use crate::stream::queue::{Queue, QueueError, Taken, Taking};
use crate::stream::stop::Stop;
use crate::time::{EventTime, Span};
use metrics::{Counter, Gauge, counter, gauge};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::{debug, error, info, warn};

/// The longest wait for a record, so that a wish to stop is heard.
const WAIT_MAX: Duration = Duration::from_millis(200);
/// Before a member that failed begins again.
const ANEW_AFTER: Duration = Duration::from_secs(1);
/// A longer turn of the loop may have been a standstill of the process, in which the group gave its partitions away.
const TURN_MAX: Span = Span::from_secs(3);
/// Then it takes from the queue for so long before it tells again: the group answers each second whose they are.
const LOOKS_FOR: Span = Span::from_secs(5);

/// Notifies a target in a thread of its own until `stop` is asked for. If the cluster does not allow it, everybody is
/// asked to leave, and the thread ends with the reason.
pub fn start(target: Target, taking: Taking, stop: Stop) -> io::Result<JoinHandle<Result<(), WorkerError>>> {
    thread::Builder::new().name(format!("notify-{}", target.name)).spawn(move || {
        let (meters, sender) = (Meters::of(&target), Sender::new(target));
        loop {
            let sentence = match Driver::open(&sender, &meters, &taking, &stop).and_then(Driver::work) {
                Ok(()) | Err(QueueError::Stopped) => return Ok(()),
                Err(QueueError::Anew(why)) => why,
                Err(QueueError::End(fault)) => {
                    error!(group = taking.group, %fault, "notifications ended");
                    stop.request();
                    return Err(fault);
                }
            };
            warn!(group = taking.group, why = sentence, "notifications begin anew from the topic");
            if stop.wait(ANEW_AFTER) {
                return Ok(());
            }
        }
    })
}

/// What is counted, in alerts.
struct Meters {
    accepted: Counter,
    retried: Counter,
    refused: Counter,
    given_up: Counter,
    failed: Counter,
    waiting: Gauge,
}

struct Driver<'a> {
    sender: &'a Sender,
    meters: &'a Meters,
    stop: &'a Stop,
    queue: Queue<'a>,
    intake: Intake<'a>,
    begun: Instant,
    /// When the last turn of the loop ended.
    turned: Span,
    /// Failures in a row of what goes out next, and until when to wait.
    failures: u32,
    not_before: Span,
}

/// What was read and has not gone out yet, and what was told.
struct Intake<'a> {
    target: &'a Target,
    standing: Standing,
    outbox: Outbox,
    ledger: Ledger,
    told: Told,
    /// When to tell it again.
    again_at: Span,
}

impl<'a> Driver<'a> {
    fn open(
        sender: &'a Sender,
        meters: &'a Meters,
        taking: &'a Taking,
        stop: &'a Stop,
    ) -> Result<Driver<'a>, QueueError> {
        let queue = Queue::open(taking, stop)?;
        let target = sender.target();
        let outbox = Outbox::new(target.together());
        let (standing, ledger, told) = (Standing::default(), Ledger::default(), Told::default());
        let intake = Intake { target, standing, outbox, ledger, told, again_at: Span(0) };
        let (begun, turned, failures, not_before) = (Instant::now(), Span(0), 0, Span(0));
        Ok(Driver { sender, meters, stop, queue, intake, begun, turned, failures, not_before })
    }

    fn work(mut self) -> Result<(), QueueError> {
        while !self.stop.is_requested() {
            let (wait, now, intake) = (self.wait(), self.now(), &mut self.intake);
            self.queue.take(wait, |taken| intake.take(taken, now))?;
            self.intake.outbox.close_due(self.now());
            self.meters.waiting.set(self.intake.outbox.waiting() as f64);
            if self.queue.holds_any() {
                if self.commit()? && self.send_next() {
                    // At once: the next turn may give the partition to somebody else.
                    self.commit()?;
                }
                self.tell_again();
            }
            self.turned = self.now();
        }
        // What was accepted last is known to the group before somebody else takes over.
        self.commit().map(drop)
    }

    /// How long nothing has to be done but to wait for a record.
    fn wait(&self) -> Duration {
        let outbox = &self.intake.outbox;
        let next = outbox.next().map(|_| self.not_before);
        let at = [next, outbox.due()].into_iter().flatten().min();
        let left = at.map_or(WAIT_MAX, |at| Duration::from_millis(at.0.saturating_sub(self.now().0).max(0) as u64));
        left.min(WAIT_MAX)
    }

    /// Tells the group what was dealt with. Whether it knows; while the cluster is away it does not, and nothing goes out.
    fn commit(&mut self) -> Result<bool, QueueError> {
        let due = self.intake.ledger.due();
        if due.is_empty() {
            return Ok(true);
        }
        let is_known = self.queue.commit(&due)?;
        match is_known {
            true => self.intake.ledger.committed(&due),
            false => drop(self.stop.wait(WAIT_MAX)),
        }
        Ok(is_known)
    }

    /// Sends what goes out next, if it is time. Whether it is done with.
    fn send_next(&mut self) -> bool {
        let Some(post) = self.intake.outbox.next().filter(|_| self.not_before <= self.now()) else { return false };
        let alerts: Vec<&AlertRecord> = post.items.iter().map(|item| &*item.alert).collect();
        let (count, at) = (alerts.len() as u64, clock());
        let (to, alert) = (&self.intake.target.name, &alerts[0].title);
        let answer = self.sender.send(&alerts, at);
        let newest = post.items.iter().map(|item| item.at).max().unwrap_or(at);
        let is_too_old = self.intake.target.give_up_after <= at.since(newest);
        match answer {
            Answer::Accepted { said } => {
                debug!(to, count, alert, said, "notified");
                self.meters.accepted.increment(count);
            }
            Answer::Failed { why, asked } if !is_too_old => {
                self.meters.retried.increment(count);
                self.failures += 1;
                let wait = backoff::wait(self.failures, RandomState::new().build_hasher().finish(), asked);
                warn!(to, count, alert, why, wait_ms = wait.0, "notification not accepted; trying again");
                self.not_before = Span(self.now().0 + wait.0);
                return false;
            }
            Answer::Failed { why, .. } => {
                error!(
                    to,
                    count, alert, why, "notification given up, as give_up_after of the target says; is it down?"
                );
                self.meters.given_up.increment(count);
                self.meters.failed.increment(count);
            }
            Answer::Refused { why } => {
                error!(
                    to,
                    count, alert, why, "notification refused; try `callpulse alerts send-test` on these settings"
                );
                self.meters.refused.increment(count);
                self.meters.failed.increment(count);
            }
        }
        self.failures = 0;
        if let Some(post) = self.intake.outbox.pop() {
            self.intake.went_out(post);
        }
        true
    }

    /// Alertmanagers want to hear again what fires.
    fn tell_again(&mut self) {
        let To::Alertmanager(settings) = &self.intake.target.to else { return };
        let now = self.now();
        if self.turned.0 + TURN_MAX.0 < now.0 {
            self.intake.again_at = self.intake.again_at.max(Span(now.0 + LOOKS_FOR.0));
        }
        if now < self.intake.again_at {
            return;
        }
        self.intake.again_at = Span(self.now().0 + settings.resend_every.0);
        let at = clock();
        let again = self.intake.told.again(at);
        for some in again.chunks(super::outbox::ALERTS_MAX) {
            let alerts: Vec<&AlertRecord> = some.iter().map(|alert| &**alert).collect();
            match self.sender.send(&alerts, at) {
                Answer::Accepted { .. } => {}
                Answer::Failed { why, .. } | Answer::Refused { why } => {
                    warn!(
                        to = self.intake.target.name,
                        count = alerts.len(),
                        why,
                        "what fires could not be told again"
                    );
                }
            }
        }
    }

    /// Since the driver began, by a clock that never goes back.
    fn now(&self) -> Span {
        Span(self.begun.elapsed().as_millis() as i64)
    }
}

impl Intake<'_> {
    fn take(&mut self, taken: Taken<'_>, now: Span) {
        match taken {
            Taken::Record { partition, record, is_new } => {
                let place = Place { partition, offset: record.offset };
                let at = record.timestamp.map_or_else(clock, EventTime);
                if is_new {
                    self.ledger.read(place);
                }
                match self.standing.take(place, record.key, record.value, at) {
                    Ok(Some(alert)) if is_new => self.go_out(Item { alert, place, at }, now),
                    Ok(Some(alert)) if self.target.hears.of(&alert) => self.remember(alert),
                    Ok(_) => {}
                    Err(why) => warn!(to = self.target.name, partition, place.offset, %why, "alert left out"),
                }
            }
            Taken::Known { partition, boundary, is_first } => {
                let firing = if is_first { self.standing.firing(partition) } else { Vec::new() };
                info!(to = self.target.name, partition, boundary, is_first, "notifying");
                self.ledger.open(Place { partition, offset: boundary }, !is_first);
                // What fires may have ended there while nobody told it.
                self.again_at = now;
                for (place, alert) in firing {
                    self.go_out(Item { at: clock(), alert, place }, now);
                }
            }
            Taken::GivenBack => {
                self.standing.clear();
                self.outbox.clear();
                self.ledger.clear();
                self.told.clear();
            }
        }
    }

    fn go_out(&mut self, item: Item, now: Span) {
        if self.target.hears.of(&item.alert) {
            self.ledger.wait_for(item.place);
            self.outbox.take(item, now);
        }
    }

    /// Who is told again has to be known.
    fn remember(&mut self, alert: Arc<AlertRecord>) {
        if matches!(self.target.to, To::Alertmanager(_)) {
            self.told.take(alert);
        }
    }

    fn went_out(&mut self, post: Post) {
        for Item { alert, place, .. } in post.items {
            self.ledger.done(place);
            self.remember(alert);
        }
    }
}

impl Meters {
    fn of(target: &Target) -> Meters {
        let name = &target.name;
        let outcome = |outcome: &'static str| {
            let counter = counter!("callpulse_notifications_total", "target" => name.clone(), "outcome" => outcome);
            // A series that begins at one hides its first increase from whoever takes rates.
            counter.increment(0);
            counter
        };
        let failed = counter!("callpulse_notifications_failed_total", "target" => name.clone());
        failed.increment(0);
        Meters {
            accepted: outcome("accepted"),
            retried: outcome("retried"),
            refused: outcome("refused"),
            given_up: outcome("given_up"),
            failed,
            waiting: gauge!("callpulse_notifications_waiting", "target" => name.clone()),
        }
    }
}

fn clock() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime(since.as_millis() as i64)
}
