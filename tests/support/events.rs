//! Generated events: any type the contract has, any field it may have, all of them valid.

use callpulse::decode::table::{Field, Type};
use callpulse::event::{
    Activity, AgentState, BlockReason, CallEvent, Channel, Direction, EndedBy, Event, LeaveReason, RingEndReason,
    Score, SurveyKind, Text, TransferKind, Via, What,
};
use callpulse::time::EventTime;
use proptest::prelude::*;
use proptest::sample::select;
use std::borrow::Cow;

/// An event of any type.
pub fn arbitrary_event() -> BoxedStrategy<Event<'static>> {
    select(Type::ALL).prop_flat_map(event_of).boxed()
}

/// An event of the type: what it requires is there, all else may be.
pub fn event_of(kind: Type) -> BoxedStrategy<Event<'static>> {
    let id = |field| maybe(requires(kind, field), arbitrary_id());
    let origin = (
        arbitrary_time(),
        proptest::option::of(any::<i64>()),
        id(Field::EventId),
        id(Field::Source),
        proptest::option::of(arbitrary_id()),
    );
    let call = (id(Field::CallId), id(Field::RootId), select(Channel::ALL), select(Direction::ALL));
    let document = proptest::option::of((arbitrary_id(), any::<i64>()));
    let parties = (id(Field::Customer), id(Field::Queue), id(Field::Agent), document);
    (origin, call, parties, what(kind))
        .prop_map(|((time, seq, event_id, source, tenant), (call_id, root_id, channel, direction), parties, what)| {
            let (customer, queue, agent, document) = parties;
            let tenant = tenant.unwrap_or(Cow::Borrowed("default"));
            Event {
                time,
                seq,
                event_id,
                source,
                tenant,
                call_id,
                root_id,
                channel,
                direction,
                customer,
                queue,
                agent,
                document,
                what,
            }
        })
        .boxed()
}

/// An id: never empty, in any script, with what JSON and keys have to escape.
pub fn arbitrary_id() -> BoxedStrategy<Text<'static>> {
    prop_oneof![
        4 => "[a-z0-9 .:@+-]{1,12}",
        1 => "[آ-ی۰-۹\u{200c}]{1,8}",
        1 => "[一-龥]{1,6}",
        1 => "[\"\\\\/|%;\u{0}-\u{1f}\u{7f}😀é]{1,6}",
        1 => any::<String>().prop_filter("an id is never empty", |text| !text.is_empty()),
    ]
    .prop_map(Cow::Owned)
    .boxed()
}

/// Any time that both formats can write.
pub fn arbitrary_time() -> impl Strategy<Value = EventTime> {
    prop_oneof![1_700_000_000_000..1_800_000_000_000_i64, 100_000_000_000..253_370_764_800_000_i64].prop_map(EventTime)
}

fn requires(kind: Type, field: Field) -> bool {
    // Of those that can stand for each other, the last one is always there: an agent.
    kind.use_of(field).is_some_and(|used| used.required) || kind.any_of().last() == Some(&field)
}

fn maybe<T: Clone + std::fmt::Debug + 'static>(
    required: bool,
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<T>> {
    if required { value.prop_map(Some).boxed() } else { proptest::option::of(value).boxed() }
}

fn optional<T: Clone + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<T>> {
    maybe(false, value)
}

fn text() -> impl Strategy<Value = Option<Text<'static>>> {
    optional(prop_oneof![4 => arbitrary_id(), 1 => Just(Cow::Borrowed(""))])
}

fn flag() -> impl Strategy<Value = Option<bool>> {
    optional(any::<bool>())
}

/// A wait that a source may tell, up to 366 days.
fn wait() -> impl Strategy<Value = Option<i64>> {
    optional(0..=366 * 86_400_000_i64)
}

fn count() -> impl Strategy<Value = Option<i64>> {
    optional(0..=i64::MAX)
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![(0..=100_i32).prop_map(f64::from), any::<f64>().prop_filter("finite", |value| value.is_finite())]
}

fn score() -> impl Strategy<Value = Option<Score>> {
    optional([number(), number(), number()].prop_filter_map("a scale has a length", |mut ends| {
        ends.sort_by(f64::total_cmp);
        let [min, score, max] = ends;
        (min < max).then_some(Score { score, min, max })
    }))
}

fn interval() -> impl Strategy<Value = (EventTime, EventTime)> {
    (arbitrary_time(), arbitrary_time()).prop_filter_map("an interval has a length", |(start, end)| {
        (start != end).then(|| (start.min(end), start.max(end)))
    })
}

fn call(event: impl Strategy<Value = CallEvent<'static>> + 'static) -> BoxedStrategy<What<'static>> {
    event.prop_map(What::Call).boxed()
}

fn what(kind: Type) -> BoxedStrategy<What<'static>> {
    match kind {
        Type::CallArrived => call(text().prop_map(|dialled| CallEvent::Arrived { dialled })),
        Type::CallDialled => call(text().prop_map(|dialled| CallEvent::Dialled { dialled })),
        Type::CallBlocked => call(optional(select(BlockReason::ALL)).prop_map(|reason| CallEvent::Blocked { reason })),
        Type::CallQueued => call(
            (optional(any::<i64>()), optional(any::<i64>()), select(Via::ALL))
                .prop_map(|(priority, position, via)| CallEvent::Queued { priority, position, via }),
        ),
        Type::CallRinging => call(Just(CallEvent::Ringing)),
        Type::CallRingEnded => call(select(RingEndReason::ALL).prop_map(|reason| CallEvent::RingEnded { reason })),
        Type::CallAnswered => call(wait().prop_map(|waited_ms| CallEvent::Answered { waited_ms })),
        Type::CallHeld => call(Just(CallEvent::Held)),
        Type::CallResumed => call(Just(CallEvent::Resumed)),
        Type::CallTransferred => {
            call((select(TransferKind::ALL), optional(arbitrary_id()), optional(arbitrary_id()), text()).prop_map(
                |(kind, to_queue, to_agent, to_number)| CallEvent::Transferred { kind, to_queue, to_agent, to_number },
            ))
        }
        Type::CallLeftQueue => call(
            (select(LeaveReason::ALL), wait())
                .prop_map(|(reason, waited_ms)| CallEvent::LeftQueue { reason, waited_ms }),
        ),
        Type::CallEnded => call(optional(select(EndedBy::ALL)).prop_map(|by| CallEvent::Ended { by })),
        Type::CallWrapupStarted => {
            call((text(), flag()).prop_map(|(code, resolved)| CallEvent::WrapupStarted { code, resolved }))
        }
        Type::CallWrapupEnded => {
            call((text(), flag()).prop_map(|(code, resolved)| CallEvent::WrapupEnded { code, resolved }))
        }
        Type::AgentState => {
            (select(AgentState::ALL), text()).prop_map(|(state, reason)| What::AgentState { state, reason }).boxed()
        }
        Type::AgentJoined => Just(What::AgentJoined).boxed(),
        Type::AgentLeft => Just(What::AgentLeft).boxed(),
        Type::SurveyAnswered => (score(), score(), score(), flag(), optional(arbitrary_time()))
            .prop_map(|(csat, nps, ces, resolved, contact_time)| What::SurveyAnswered {
                csat,
                nps,
                ces,
                resolved,
                contact_time,
            })
            .boxed(),
        Type::EvaluationScored => (arbitrary_id(), optional(number()), optional(number()), flag(), flag(), flag())
            .prop_map(|(evaluation_id, score, max, automatic_fail, compliant, deleted)| What::EvaluationScored {
                evaluation_id,
                score,
                max,
                automatic_fail,
                compliant,
                deleted,
            })
            .boxed(),
        Type::CaseOpened => arbitrary_id().prop_map(|case_id| What::CaseOpened { case_id }).boxed(),
        Type::CaseResolved => arbitrary_id().prop_map(|case_id| What::CaseResolved { case_id }).boxed(),
        Type::CaseReopened => arbitrary_id().prop_map(|case_id| What::CaseReopened { case_id }).boxed(),
        Type::SaleRecorded => (arbitrary_id(), any::<i64>(), arbitrary_id(), flag())
            .prop_map(|(sale_id, amount_minor, currency, voided)| What::SaleRecorded {
                sale_id,
                amount_minor,
                currency,
                voided,
            })
            .boxed(),
        Type::CostRecorded => (arbitrary_id(), any::<i64>(), arbitrary_id())
            .prop_map(|(cost_id, amount_minor, currency)| What::CostRecorded { cost_id, amount_minor, currency })
            .boxed(),
        Type::LeadCreated => Just(What::LeadCreated).boxed(),
        Type::CustomerAcquired => Just(What::CustomerAcquired).boxed(),
        Type::CustomerRetained => Just(What::CustomerRetained).boxed(),
        Type::CustomerLost => Just(What::CustomerLost).boxed(),
        Type::ForecastPublished => (interval(), number().prop_map(f64::abs), count())
            .prop_map(|((start, end), calls, handle_ms)| What::ForecastPublished { start, end, calls, handle_ms })
            .boxed(),
        Type::SchedulePublished => (interval(), select(Activity::ALL))
            .prop_map(|((start, end), activity)| What::SchedulePublished { start, end, activity })
            .boxed(),
        Type::StaffJoined => Just(What::StaffJoined).boxed(),
        Type::StaffLeft => Just(What::StaffLeft).boxed(),
        Type::StaffSurveyed => (score(), optional(number()), optional(select(SurveyKind::ALL)))
            .prop_map(|(scale, score, kind)| match scale {
                Some(Score { score, min, max }) => {
                    What::StaffSurveyed { score: Some(score), min: Some(min), max: Some(max), kind }
                }
                None => What::StaffSurveyed { score, min: None, max: None, kind },
            })
            .boxed(),
        Type::SourceRestarted => Just(What::SourceRestarted).boxed(),
    }
}
