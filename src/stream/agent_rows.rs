//! Agents' rows: what agents say, and their time lines, as messages.

use super::batch::{self, BATCH_BYTES, Part, wire};
use super::stage::OutRecord;
use crate::entity::Entity;
use crate::event::AgentState;
use crate::life::agent_event::{AgentEvent, Says};
use crate::life::plan::{Member, Plan, Team};
use crate::life::time_line::{Part as CallPart, Place, Situation, TimeLine};
use crate::time::EventTime;
use prost::Message;
use std::sync::Arc;

/// What stands before the bytes of an event within a message, and what a change takes there: no more than this.
const FIELD_BYTES: usize = 8;
const CHANGE_BYTES: usize = 24;

pub fn event_row(agent: &Entity, event: &AgentEvent) -> wire::AgentEventRow {
    wire::AgentEventRow {
        tenant: agent.tenant.to_string(),
        agent: agent.id.to_string(),
        event: Some(event_to_wire(event)),
    }
}

/// As [`batch::write_records`], with events of agents in as many records as they need.
pub fn write_records(
    header: &wire::Batch,
    events: Vec<wire::AgentEventRow>,
    mut parts: Vec<Part>,
    topic: &Arc<str>,
    partition: i32,
) -> Vec<OutRecord> {
    let mut chunks: Vec<Vec<wire::AgentEventRow>> = Vec::new();
    let mut room = 0;
    for event in events {
        let bytes = event.encoded_len() + FIELD_BYTES;
        if room < bytes {
            chunks.push(Vec::new());
            room = BATCH_BYTES;
        }
        room = room.saturating_sub(bytes);
        chunks.last_mut().expect("there is one now").push(event);
    }
    let last = chunks.pop().unwrap_or_default();
    let bare = wire::Batch { marks: Vec::new(), ..header.clone() };
    let mut out = Vec::new();
    for agent_events in chunks {
        let header = wire::Batch { agent_events, ..bare.clone() };
        out.extend(batch::write_records(&header, Vec::new(), topic, partition));
    }
    // Rows fill a record by themselves.
    if !last.is_empty() && !parts.is_empty() {
        parts.insert(0, Part::default());
    }
    let header = wire::Batch { agent_events: last, ..header.clone() };
    out.extend(batch::write_records(&header, parts, topic, partition));
    out
}

pub fn event_to_wire(event: &AgentEvent) -> wire::AgentEventState {
    let text = |text: &Option<Box<str>>| text.as_deref().map(String::from);
    wire::AgentEventState {
        at: event.at.0,
        seq: event.seq,
        says: event.says.code(),
        event_id: text(&event.event_id),
        queue: text(&event.queue),
        reason: text(&event.reason),
        rest: event.rest.iter().map(|rest| wire::OptionalText { text: text(rest) }).collect(),
        source: event.source.to_string(),
    }
}

/// None if this version does not know what it says.
pub fn event_from_wire(event: &wire::AgentEventState) -> Option<AgentEvent> {
    let text = |text: &Option<String>| text.as_deref().map(Box::from);
    Some(AgentEvent {
        at: EventTime(event.at),
        seq: event.seq,
        says: Says::from_code(event.says)?,
        event_id: text(&event.event_id),
        queue: text(&event.queue),
        reason: text(&event.reason),
        rest: event.rest.iter().map(|rest| text(&rest.text)).collect(),
        source: event.source.as_str().into(),
    })
}

/// What is told of `[from, to)`, in as many parts as it needs: together they are it, in any order.
pub fn hour_to_wire(line: &TimeLine, from: EventTime, to: EventTime) -> Vec<wire::AgentHourState> {
    let mut parts = Vec::new();
    let mut room = 0;
    for event in line.events(from, to).map(event_to_wire) {
        let bytes = event.encoded_len() + FIELD_BYTES;
        part_with_room(&mut parts, &mut room, bytes).events.push(event);
    }
    for (at, part, amount) in line.changes(from, to) {
        let hour = part_with_room(&mut parts, &mut room, CHANGE_BYTES);
        hour.at.push(at.0);
        hour.part.push(part as u32);
        hour.amount.push(amount);
    }
    parts
}

/// The last part, or a new one if so many bytes find no room there; they then have it.
fn part_with_room<'p>(
    parts: &'p mut Vec<wire::AgentHourState>,
    room: &mut usize,
    bytes: usize,
) -> &'p mut wire::AgentHourState {
    if *room < bytes {
        parts.push(wire::AgentHourState::default());
        *room = BATCH_BYTES;
    }
    *room = room.saturating_sub(bytes);
    parts.last_mut().expect("there is one now")
}

pub fn hour_from_wire(line: &mut TimeLine, hour: &wire::AgentHourState) {
    hour.events.iter().filter_map(event_from_wire).for_each(|event| {
        line.add(event);
    });
    for ((at, part), amount) in hour.at.iter().zip(&hour.part).zip(&hour.amount) {
        if let Some(part) = CallPart::ALL.get(*part as usize) {
            line.change(EventTime(*at), *part, *amount);
        }
    }
}

/// All of a line but for its hours.
pub fn line_to_wire(line: &TimeLine, plan: u64, judged: Option<EventTime>) -> wire::AgentLineState {
    let Situation { on_calls, rung, says, is_in_by_queues, queues, last } = line.base();
    let (said, reason) = said_to_wire(says);
    let queues = queues.iter().map(|(queue, place)| {
        let (says, reason) = said_to_wire(&place.says);
        wire::AgentPlaceState { queue: queue.to_string(), joined: place.is_joined, says, reason }
    });
    wire::AgentLineState {
        plan,
        judged: judged.map(|judged| judged.0),
        kept_from: line.kept_from().map(|from| from.0),
        on_calls: *on_calls,
        rung: *rung,
        last: last.map(|last| last.0),
        says: said,
        reason,
        queues: queues.collect(),
        is_in_by_queues: *is_in_by_queues,
    }
}

pub fn line_from_wire(state: &wire::AgentLineState) -> TimeLine {
    let queues = state.queues.iter().map(|place| {
        let says = said_from_wire(place.says, &place.reason);
        (Box::from(place.queue.as_str()), Place { is_joined: place.joined, says })
    });
    let base = Situation {
        on_calls: state.on_calls,
        rung: state.rung,
        says: said_from_wire(state.says, &state.reason),
        is_in_by_queues: state.is_in_by_queues,
        queues: queues.collect(),
        last: state.last.map(EventTime),
    };
    let mut line = TimeLine::default();
    line.restore_base(state.kept_from.map(EventTime), base);
    line
}

type Said = Option<(AgentState, Option<Box<str>>)>;

fn said_to_wire(said: &Said) -> (Option<u32>, Option<String>) {
    let reason = said.as_ref().and_then(|(_, reason)| reason.as_deref().map(String::from));
    (said.as_ref().map(|(state, _)| *state as u32), reason)
}

fn said_from_wire(says: Option<u32>, reason: &Option<String>) -> Said {
    let state = *AgentState::ALL.get(says? as usize)?;
    Some((state, reason.as_deref().map(Box::from)))
}

/// What of a plan an agent's time is booked by: its teams.
pub fn plan_to_wire(plan: &Plan) -> wire::PlanState {
    let member = |member: &Member| wire::MemberState {
        agent: member.agent.clone(),
        from: member.from.map(|from| from.0),
        until: member.until.map(|until| until.0),
    };
    let team = |team: &Team| wire::TeamState {
        name: team.name.clone(),
        queues: team.queues.iter().cloned().collect(),
        members: team.members.iter().map(member).collect(),
    };
    wire::PlanState { fingerprint: plan.fingerprint(), teams: plan.teams.iter().map(team).collect() }
}

/// The plan with the teams of another.
pub fn plan_from_wire(plan: &Plan, state: &wire::PlanState) -> Plan {
    let member = |member: &wire::MemberState| Member {
        agent: member.agent.clone(),
        from: member.from.map(EventTime),
        until: member.until.map(EventTime),
    };
    let team = |team: &wire::TeamState| Team {
        name: team.name.clone(),
        queues: team.queues.iter().cloned().collect(),
        members: team.members.iter().map(member).collect(),
    };
    Plan { teams: state.teams.iter().map(team).collect(), ..plan.clone() }
}
