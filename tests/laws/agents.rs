//! Agents' time is what a clock at each agent would have told: in every window, and over whatever sums it.

use crate::cases;
use crate::centre::{latest, records};
use crate::histories::{Reach, Told, history};
use crate::world::{SETTINGS, any_settings};
use callpulse::config::settings::Settings;
use callpulse::event::{AgentState, Event, What};
use callpulse::kpi::record::KpiRecord;
use callpulse::life::agent_event::{AgentEvent, NAMES_HOLD};
use callpulse::life::booking::What as Booked;
use callpulse::life::log::{CallLog, encode};
use callpulse::life::settle::{Restart, Terms, settle};
use callpulse::life::time_line::{self, Part, TimeLine};
use callpulse::time::EventTime;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{BTreeMap, BTreeSet};

const STATES: [&str; 5] = ["handling", "ringing", "paused", "available", "other_work"];

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn time_in_every_window_is_what_a_clock_tells(
        settings in any_settings(),
        told in history(Reach::Days),
        later in prop_oneof![Just(0_i64), -4_000_000..5_000_i64, 0..60_000_000_i64],
    ) {
        let settings = &SETTINGS[settings];
        let as_of = latest(&told) + later;
        let clocks = Clocks::of(settings, &told, as_of);
        let mut seen = BTreeSet::new();
        for record in records(settings, &told, as_of) {
            let Some(by_reason) = &record.paused_by_reason_ms else { continue };
            let window = window(&record, as_of);
            let mut expected = clocks.time(settings, &record, window);
            expected.retain(|_, time| *time != 0);
            let sum = |name: &str| record.sums_ms.get(name).copied().expect("a sum");
            let name = |state: &str| if state == "handling" { state.to_string() } else { format!("state_{state}") };
            let mut found: BTreeMap<String, i64> =
                STATES.iter().map(|state| (state.to_string(), sum(&name(state)))).collect();
            found.extend(by_reason.iter().map(|(reason, time)| (format!("paused: {reason}"), *time)));
            found.retain(|_, time| *time != 0);
            prop_assert_eq!(&found, &expected, "{} {} {:?}", record.entity.kind, record.entity.id, record.window);
            let login: i64 = STATES.iter().filter_map(|state| expected.get(*state)).sum();
            prop_assert_eq!(sum("login"), login);
            seen.insert(record.window.kind.to_string());
        }
        prop_assert!(seen.contains("total"));
    }

    #[test]
    fn agents_by_state_are_who_is_there_and_add_up_to_the_whole(
        settings in any_settings(),
        told in history(Reach::Days),
        later in prop_oneof![Just(0_i64), 0..60_000_000_i64],
    ) {
        let as_of = latest(&told) + later;
        let clocks = Clocks::of(&SETTINGS[settings], &told, as_of);
        let (mut by_agent, mut by_tenant) = (BTreeMap::new(), BTreeMap::new());
        for record in records(&SETTINGS[settings], &told, as_of) {
            let Some(now) = &record.now else { continue };
            let (Some(agents), Some(logged_in)) = (&now.agents, now.agents_logged_in) else { continue };
            let by_state: Vec<i64> = agents.iter().map(|(_, count)| *count).collect();
            prop_assert!(by_state.iter().all(|count| 0 <= *count), "{:?}", record);
            prop_assert_eq!(by_state.iter().sum::<i64>(), logged_in);
            let mut found: BTreeMap<String, i64> =
                agents.iter().map(|(state, count)| (state.to_string(), *count)).collect();
            found.retain(|_, count| *count != 0);
            let expected = clocks.now(&SETTINGS[settings], &record);
            prop_assert_eq!(found, expected, "{} {}", record.entity.kind, record.entity.id);
            match record.entity.kind.as_ref() {
                "agent" => {
                    prop_assert!(logged_in <= 1, "{:?}", record);
                    let sums = by_agent.entry(record.tenant.clone()).or_insert_with(|| vec![0; STATES.len()]);
                    sums.iter_mut().zip(by_state).for_each(|(sum, count)| *sum += count);
                }
                "tenant" => drop(by_tenant.insert(record.tenant.clone(), by_state)),
                _ => {}
            }
        }
        by_agent.retain(|_, sums| sums.iter().any(|sum| *sum != 0));
        by_tenant.retain(|_, sums| sums.iter().any(|sum| *sum != 0));
        prop_assert_eq!(by_agent, by_tenant);
    }

    #[test]
    fn what_is_told_of_an_instant_changes_nothing_before_the_event_before_it(
        told in history(Reach::Days),
        last in any::<Index>(),
        later in 0..60_000_000_i64,
    ) {
        let events: Vec<AgentEvent> =
            told.iter().filter_map(|told| AgentEvent::of(&told.event(), "")).collect();
        prop_assume!(!events.is_empty());
        let judged = EventTime(latest(&told) + later);
        let late = last.get(&events);
        let mut line = TimeLine::default();
        events.iter().filter(|event| *event != late).for_each(|event| { line.add(event.clone()); });
        let from = line.unsettled_from(late.at);
        let before = stretches(&line, judged);
        line.add(late.clone());
        prop_assert_eq!(from, line.unsettled_from(late.at));
        let after = stretches(&line, judged);
        let early = |all: &[Shown]| all.iter().filter(|shown| shown.0 < from).cloned().collect::<Vec<_>>();
        prop_assert_eq!(early(&before), early(&after));
        // What is told from there on is the rest, whole.
        let mut rest = Vec::new();
        line.tell(time_line::Terms { from, judged, edges: &[] }, &mut |stretch| rest.push(shown(&stretch)));
        prop_assert_eq!(rest, after.into_iter().filter(|shown| from <= shown.0).collect::<Vec<_>>());
    }

    #[test]
    fn silence_changes_what_is_told_when_it_was_said_to(
        told in history(Reach::Days),
        ends in proptest::collection::vec((any::<Index>(), 0..2 * time_line::LOST_STATE.0), 0..4),
    ) {
        let events: Vec<AgentEvent> = told.iter().filter_map(|told| AgentEvent::of(&told.event(), "")).collect();
        prop_assume!(!events.is_empty());
        let line = line_of(events, &ends);
        let never = EventTime(i64::MIN);
        let told = |judged| line.tell(time_line::Terms { from: never, judged, edges: &[] }, &mut |_| {});
        match told(never).next {
            Some(loss) => {
                prop_assert_eq!(stretches(&line, never), stretches(&line, EventTime(loss.0 - 1)));
                prop_assert_ne!(stretches(&line, never), stretches(&line, loss));
                prop_assert_eq!(stretches(&line, loss), stretches(&line, EventTime(i64::MAX)));
                prop_assert!(told(loss).is_lost && told(loss).next.is_none());
            }
            None => prop_assert_eq!(stretches(&line, never), stretches(&line, EventTime(i64::MAX))),
        }
    }

    /// So that who is restored need not know when it was judged.
    #[test]
    fn where_a_judgement_cut_nothing_it_is_as_if_there_had_been_none(
        told in history(Reach::Days),
        ends in proptest::collection::vec((any::<Index>(), 0..2 * time_line::LOST_STATE.0), 0..4),
        edges in proptest::collection::btree_set(0..60 * 3_600_000_i64, 0..4),
        judged in 0..60 * 3_600_000_i64,
    ) {
        let events: Vec<AgentEvent> = told.iter().filter_map(|told| AgentEvent::of(&told.event(), "")).collect();
        prop_assume!(!events.is_empty());
        let begin = events.iter().map(|event| event.at.0).min().expect("an event");
        let line = line_of(events, &ends);
        let edges: Vec<EventTime> = edges.into_iter().map(|after| EventTime(begin + after)).collect();
        let from = EventTime(i64::MIN);
        let told = |judged| line.tell(time_line::Terms { from, judged, edges: &edges }, &mut |_| {});
        let judged = told(EventTime(begin + judged));
        if !judged.is_judged {
            prop_assert_eq!(judged, told(from));
        }
    }

    #[test]
    fn forgetting_what_is_long_past_changes_nothing_after_it(
        told in history(Reach::Days),
        at in any::<Index>(),
        later in 0..60_000_000_i64,
    ) {
        let events: Vec<AgentEvent> = told.iter().filter_map(|told| AgentEvent::of(&told.event(), "")).collect();
        prop_assume!(!events.is_empty());
        let mut line = TimeLine::default();
        events.iter().for_each(|event| { line.add(event.clone()); });
        let judged = EventTime(latest(&told) + later);
        let before = stretches(&line, judged);
        let at = EventTime(at.get(&events).at.0 + later % 3_600_000);
        line.forget_before(at);
        // A stretch over the instant begins there.
        let from = line.kept_from().unwrap_or(EventTime(i64::MIN));
        prop_assert!(from <= at);
        let cut = before.into_iter().filter(|shown| shown.1.is_none_or(|end| from < end));
        let cut: Vec<Shown> = cut.map(|shown| (shown.0.max(from), shown.1, shown.2, shown.3)).collect();
        prop_assert_eq!(&stretches(&line, judged), &cut);
        // Names of what is long gone go, and free none that holds.
        line.forget_names_before(EventTime(from.0.saturating_sub(2 * NAMES_HOLD.0)));
        prop_assert_eq!(stretches(&line, judged), cut);
    }

    #[test]
    fn what_comes_after_what_is_forgotten_is_told_as_if_nothing_were(
        told in history(Reach::Days),
        at in any::<Index>(),
        calls in proptest::collection::vec((any::<Index>(), 0..time_line::TAKEN_BACK.0, any::<bool>()), 0..4),
        later in 0..60_000_000_i64,
    ) {
        let events: Vec<AgentEvent> = told.iter().filter_map(|told| AgentEvent::of(&told.event(), "")).collect();
        prop_assume!(!events.is_empty());
        let at = at.get(&events).at;
        let (early, late): (Vec<AgentEvent>, Vec<AgentEvent>) = events.iter().cloned().partition(|event| event.at < at);
        let (mut whole, mut forgetful) = (TimeLine::default(), TimeLine::default());
        early.into_iter().for_each(|event| { whole.add(event.clone()); forgetful.add(event); });
        for (from, length, is_lost) in calls {
            let from = from.get(&events).at;
            let end = if is_lost { Part::OnCallsLost } else { Part::OnCalls };
            let (end, until) = (end, EventTime(from.0 + length));
            for (instant, part, amount) in [(from, Part::OnCalls, 1), (until, end, -1)] {
                whole.change(instant, part, amount);
                forgetful.change(instant, part, amount);
            }
        }
        forgetful.forget_before(at);
        forgetful.forget_names_before(EventTime(at.0 - 2 * NAMES_HOLD.0));
        late.into_iter().for_each(|event| { whole.add(event.clone()); forgetful.add(event); });
        let judged = EventTime(latest(&told) + later);
        let from = forgetful.kept_from().unwrap_or(EventTime(i64::MIN)).max(at);
        let since = |line: &TimeLine| {
            let all = stretches(line, judged).into_iter().filter(|shown| shown.1.is_none_or(|end| from < end));
            all.map(|shown| (shown.0.max(from), shown.1, shown.2, shown.3)).collect::<Vec<Shown>>()
        };
        prop_assert_eq!(since(&forgetful), since(&whole));
    }
}

/// On a call from one of the events on, and lost so much later: before the agent's own silence, or behind it.
fn line_of(events: Vec<AgentEvent>, ends: &[(Index, i64)]) -> TimeLine {
    let mut line = TimeLine::default();
    for (from, until) in ends {
        let from = from.get(&events).at;
        line.change(from, Part::OnCalls, 1);
        line.change(EventTime(from.0 + until), Part::OnCallsLost, -1);
    }
    events.into_iter().for_each(|event| {
        line.add(event);
    });
    line
}

/// Start, end, state and reason, and the same by queue.
type Shown = (EventTime, Option<EventTime>, String, Vec<String>);

fn shown(stretch: &time_line::Stretch<'_>) -> Shown {
    let queues = stretch.in_queues().map(|queue| format!("{queue:?}")).collect();
    (stretch.start, stretch.end, format!("{:?} {:?}", stretch.standing, stretch.reason), queues)
}

fn stretches(line: &TimeLine, judged: EventTime) -> Vec<Shown> {
    let mut all = Vec::new();
    let terms = time_line::Terms { from: EventTime(i64::MIN), judged, edges: &[] };
    line.tell(terms, &mut |stretch| all.push(shown(&stretch)));
    all
}

/// The window of a record, up to `as_of`.
fn window(record: &KpiRecord, as_of: i64) -> (i64, i64) {
    let time = |text: &str| EventTime::parse(text).expect("a time").0;
    let start = record.window.start.as_deref().map_or(i64::MIN, time);
    (start, time(&record.window.end).min(as_of))
}

/// What is known of one agent.
#[derive(Default)]
struct Clock {
    told: Vec<AgentEvent>,
    parts: Vec<(i64, Part, i64)>,
    /// Every instant at which something may change.
    edges: BTreeSet<i64>,
}

/// Agents by tenant and name.
struct Clocks {
    agents: BTreeMap<(String, String), Clock>,
    as_of: i64,
}

/// A state, its reason, and the queues worked for with the state there.
type State = (&'static str, Option<String>, BTreeMap<String, (&'static str, Option<String>)>);

impl Clocks {
    fn of(settings: &Settings, told: &[Told], as_of: i64) -> Clocks {
        let events: Vec<Event<'_>> = told.iter().map(Told::event).collect();
        let mut agents: BTreeMap<(String, String), Clock> = BTreeMap::new();
        let mut logs: BTreeMap<(String, String), CallLog> = BTreeMap::new();
        let mut restarts: BTreeMap<String, Vec<Restart>> = BTreeMap::new();
        for event in &events {
            let (tenant, source) = (event.tenant.to_string(), event.source.as_deref().unwrap_or(crate::centre::TOPIC));
            match &event.what {
                What::Call(call) => {
                    let mut entry = Vec::new();
                    encode(event, call, source, &mut entry);
                    let call_id = event.call_id.as_deref().unwrap_or_default().to_string();
                    logs.entry((tenant, call_id)).or_default().add(&entry);
                }
                What::SourceRestarted => {
                    restarts.entry(tenant).or_default().push(Restart { at: event.time, source: source.into() })
                }
                _ => {
                    let agent = settings.plan.agent(event.agent.as_deref().expect("an agent")).to_string();
                    let told = AgentEvent::of(event, source).expect("an agent's event");
                    agents.entry((tenant, agent)).or_default().told.push(told);
                }
            }
        }
        restarts.values_mut().for_each(|restarts| restarts.sort());
        for ((tenant, call_id), log) in &logs {
            let restarts = restarts.get(tenant).map_or(&[][..], Vec::as_slice);
            let terms = Terms { plan: &settings.plan, call_id, restarts, judged: EventTime(as_of) };
            settle(terms, log, |booking| {
                if let (Booked::Part(part), Some(agent)) = (booking.what, booking.agent) {
                    let clock = agents.entry((tenant.clone(), agent.to_string())).or_default();
                    clock.parts.push((booking.at.0, part, booking.amount));
                }
            });
        }
        for ((_, agent), clock) in &mut agents {
            clock.prepare(settings, agent);
        }
        Clocks { agents, as_of }
    }

    /// How many agents of an entity are in each state now, of states in which any is.
    fn now(&self, settings: &Settings, record: &KpiRecord) -> BTreeMap<String, i64> {
        let mut now = BTreeMap::new();
        for ((_, agent), clock) in self.agents.iter().filter(|((tenant, _), _)| *tenant == record.tenant) {
            if let Some((state, _)) = self.seen(settings, record, agent, clock, self.as_of) {
                *now.entry(state.to_string()).or_default() += 1;
            }
        }
        now
    }

    /// What an agent does in the eyes of an entity at an instant, and why it is paused; none if that is nothing.
    fn seen(
        &self,
        settings: &Settings,
        record: &KpiRecord,
        agent: &str,
        clock: &Clock,
        at: i64,
    ) -> Option<(&'static str, Option<String>)> {
        let (state, reason, queues) = clock.state_at(at, self.as_of)?;
        let id = record.entity.id.as_str();
        match record.entity.kind.as_ref() {
            "tenant" => (record.tenant == id).then_some((state, reason)),
            "agent" => (agent == id).then_some((state, reason)),
            "team" => {
                let team = settings.plan.teams.iter().find(|team| team.name == id).expect("a team");
                let is_in = match team.members.is_empty() {
                    true => queues.keys().any(|queue| team.queues.contains(queue)),
                    false => team.has_member(agent, EventTime(at)),
                };
                is_in.then_some((state, reason))
            }
            "queue" => queues.get(id).cloned(),
            _ => None,
        }
    }

    fn time(&self, settings: &Settings, record: &KpiRecord, (from, to): (i64, i64)) -> BTreeMap<String, i64> {
        let mut time = BTreeMap::new();
        for ((_, agent), clock) in self.agents.iter().filter(|((tenant, _), _)| *tenant == record.tenant) {
            let mut edges = clock.edges.iter().copied().chain([self.as_of]).collect::<BTreeSet<_>>();
            edges.extend([from, to]);
            let edges: Vec<i64> = edges.into_iter().collect();
            for pair in edges.windows(2).filter(|pair| from <= pair[0] && pair[1] <= to) {
                let Some((state, reason)) = self.seen(settings, record, agent, clock, pair[0]) else { continue };
                *time.entry(state.to_string()).or_default() += pair[1] - pair[0];
                if let Some(reason) = reason {
                    *time.entry(format!("paused: {reason}")).or_default() += pair[1] - pair[0];
                }
            }
        }
        time
    }
}

impl Clock {
    fn prepare(&mut self, settings: &Settings, agent: &str) {
        self.told.sort();
        self.told.dedup();
        let mut kept: Vec<AgentEvent> = Vec::new();
        for event in std::mem::take(&mut self.told) {
            let is_double = |before: &AgentEvent| {
                event.name().is_some() && before.name() == event.name() && event.at.0 - before.at.0 <= 24 * 3_600_000
            };
            if !kept.iter().any(is_double) {
                kept.push(event);
            }
        }
        self.told = kept;
        // What begins and ends at once is no event.
        let mut sums: BTreeMap<(i64, Part), i64> = BTreeMap::new();
        self.parts.iter().for_each(|(at, part, amount)| *sums.entry((*at, *part)).or_default() += amount);
        self.parts = sums.into_iter().filter(|(_, sum)| *sum != 0).map(|((at, part), sum)| (at, part, sum)).collect();
        let lives: Vec<i64> = self.lives().collect();
        self.edges.extend(lives.iter().flat_map(|at| [*at, at + 16 * 3_600_000]));
        self.edges.extend(self.parts.iter().map(|(at, ..)| *at));
        let members = settings.plan.teams.iter().flat_map(|team| &team.members).filter(|member| member.agent == agent);
        self.edges.extend(members.flat_map(|member| [member.from, member.until]).flatten().map(|at| at.0));
    }

    /// Signs of life.
    fn lives(&self) -> impl Iterator<Item = i64> {
        let parts = self.parts.iter().filter(|(_, part, _)| matches!(part, Part::OnCalls | Part::Rung | Part::Heard));
        self.told.iter().map(|event| event.at.0).chain(parts.map(|(at, ..)| *at))
    }

    /// What the agent does at an instant and up to the next edge; none if it is logged out.
    fn state_at(&self, at: i64, judged: i64) -> Option<State> {
        let hour = 3_600_000;
        // An instant is silent where the last sign of life is too long ago and the next too far from it.
        let is_over = |last: i64, next: Option<i64>| match next {
            Some(next) => 24 * hour < next - last,
            None => last + 16 * hour <= judged,
        };
        let last = self.lives().filter(|life| *life <= at).max();
        let next = |after: i64| self.lives().filter(|life| after < *life).min();
        if last.is_some_and(|last| last + 16 * hour <= at && is_over(last, next(last))) {
            return None;
        }
        // What was said holds since the last long silence.
        let mut lives: Vec<i64> = self.lives().filter(|life| *life <= at).collect();
        lives.sort_unstable();
        let mut silences = lives.windows(2).filter(|pair| is_over(pair[0], Some(pair[1]))).map(|pair| pair[1]);
        let since = silences.next_back().unwrap_or(i64::MIN);
        let so_far = || self.told.iter().filter(|event| event.at.0 <= at);
        let (word, places) = said(so_far(), since);
        let open = |parts: [Part; 2]| {
            let own = self.parts.iter().filter(|(when, part, _)| *when <= at && parts.contains(part));
            own.map(|(_, _, amount)| *amount).sum::<i64>()
        };
        let text = |reason: Option<Box<str>>| reason.map(|reason| reason.to_string());
        let (state, reason) = if 0 < open([Part::OnCalls, Part::OnCallsLost]) {
            ("handling", None)
        } else if 0 < open([Part::Rung, Part::RungLost]) {
            ("ringing", None)
        } else {
            match &word {
                None | Some((AgentState::LoggedOut, _)) => return None,
                Some((AgentState::Paused, reason)) => ("paused", text(reason.clone())),
                Some((AgentState::Available, _)) => ("available", None),
                Some(_) => ("other_work", None),
            }
        };
        let mut queues = BTreeMap::new();
        for (queue, place) in places.into_iter().filter(|(_, place)| place.is_joined) {
            let there = match (state, place.says) {
                ("handling" | "ringing", _) => (state, reason.clone()),
                (_, Some((AgentState::LoggedOut, _))) => continue,
                ("available", Some((AgentState::Paused, own))) => ("paused", text(own)),
                _ => (state, reason.clone()),
            };
            queues.insert(queue, there);
        }
        let first = queues.values().next().cloned().filter(|(there, _)| state == "available" && *there == "paused");
        if let Some((_, first)) = first.filter(|_| queues.values().all(|(there, _)| *there == "paused")) {
            let is_shared = queues.values().all(|(_, reason)| *reason == first);
            return Some(("paused", first.filter(|_| is_shared), queues));
        }
        Some((state, reason, queues))
    }
}

type Word = Option<(AgentState, Option<Box<str>>)>;

/// How an agent stands to one queue.
#[derive(Default)]
struct Standing {
    is_joined: bool,
    says: Word,
}

/// What an agent says of all queues, and of each; words of before an instant are forgotten.
fn said<'e>(events: impl Iterator<Item = &'e AgentEvent>, since: i64) -> (Word, BTreeMap<String, Standing>) {
    use callpulse::life::agent_event::Says::{Joined, Left, State};
    let (mut word, mut is_by_queues): (Word, bool) = (None, false);
    let mut places: BTreeMap<String, Standing> = BTreeMap::new();
    let is_in = |places: &BTreeMap<String, Standing>| {
        let mut says = places.values().filter(|place| place.is_joined).filter_map(|place| place.says.as_ref());
        says.any(|(state, _)| *state != AgentState::LoggedOut)
    };
    for event in events {
        let was_in = is_in(&places);
        let holds = since <= event.at.0;
        let reason = |state| event.reason.clone().filter(|_| state == AgentState::Paused);
        let Some(queue) = &event.queue else {
            if let (State(state), true) = (event.says, holds) {
                (word, is_by_queues) = (Some((state, reason(state))), is_by_queues && state != AgentState::LoggedOut);
            }
            continue;
        };
        let place = places.entry(queue.to_string()).or_default();
        match event.says {
            State(AgentState::Ringing | AgentState::OnCall | AgentState::Wrapup) => place.says = None,
            State(state) => place.says = holds.then(|| (state, reason(state))),
            Joined => place.is_joined = true,
            Left => *place = Standing::default(),
        }
        match (was_in, is_in(&places)) {
            (false, true) if word.is_none() => (word, is_by_queues) = (Some((AgentState::Available, None)), true),
            (true, false) if is_by_queues => (word, is_by_queues) = (None, false),
            _ => {}
        }
    }
    (word, places)
}
