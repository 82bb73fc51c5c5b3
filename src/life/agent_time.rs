//! An agent's time, booked: each stretch of its time line to the agent, its queues, teams and tenant.
//!
//! A queue has the time of the agents that work for it, whatever they do in it; a team that of its members
//! while they are members, and where it lists none, of the agents of its queues.

use super::plan::Plan;
use super::routes::{Account, EntityId, Ledger, Routes};
use super::time_line::Stretch;
use crate::fact::{Family, Key, Reason, Standing};
use crate::time::EventTime;
use smallvec::SmallVec;

/// An agent within its tenant, and the plan by whose teams its time is booked.
#[derive(Clone, Copy, Debug)]
pub struct Agent<'a> {
    pub tenant: &'a str,
    pub agent: &'a str,
    pub plan: &'a Plan,
}

/// Where the agent's memberships begin and end, in order.
pub fn edges(plan: &Plan, agent: &str) -> Vec<EventTime> {
    let members = plan.teams.iter().flat_map(|team| &team.members).filter(|member| member.agent == agent);
    let mut edges: Vec<EventTime> = members.flat_map(|member| [member.from, member.until]).flatten().collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Books a stretch, `sign` times.
pub fn book(
    routes: &mut Routes,
    Agent { tenant, agent, plan }: Agent<'_>,
    stretch: &Stretch<'_>,
    sign: i64,
    ledger: &mut impl Ledger,
) {
    let mut whole: SmallVec<[EntityId; 8]> = SmallVec::from_slice(&routes.tenant_and_agent(tenant, agent));
    for team in &plan.teams {
        let is_in = match team.members.is_empty() {
            true => stretch.in_queues().any(|(queue, ..)| team.queues.contains(queue)),
            false => team.has_member(agent, stretch.start),
        };
        if is_in {
            whole.push(routes.team_alone(tenant, &team.name));
        }
    }
    let mut change = |routes: &Routes, id, standing: Standing, reason: Option<&str>| {
        let mut facts: SmallVec<[(Key, i64); 2]> = SmallVec::new();
        facts.push((Key::measure(standing.agents()), sign));
        if let Some(reason) = reason {
            ledger.reason(reason);
            facts.push((Key::paused(Reason::of(reason)), sign));
        }
        let to = Account { id, entity: routes.entity(id) };
        ledger.facts(to, Family::Time, stretch.start.0, &facts);
        if let Some(end) = stretch.end {
            facts.iter_mut().for_each(|(_, amount)| *amount = -*amount);
            ledger.facts(to, Family::Time, end.0, &facts);
        }
    };
    for id in whole {
        change(routes, id, stretch.standing, stretch.reason);
    }
    for (queue, standing, reason) in stretch.in_queues() {
        let id = routes.queue_alone(tenant, queue);
        change(routes, id, standing, reason);
    }
}
