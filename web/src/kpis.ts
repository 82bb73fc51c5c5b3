// What the wallboard asks of records: the KPIs and counts of its views, no more than they need.

/** Asked for in any case; what has a target besides is added when the page has learned of it. */
export const KPIS = [
  "service_level",
  "abandonment_rate",
  "average_speed_of_answer",
  "average_handle_time",
  "occupancy",
  "contacts_per_hour",
  "agent_answer_rate",
  "average_talk_time",
  "average_hold_time",
  "average_wrapup_time",
];

export const COUNTS = ["offered", "answered", "abandoned", "flowed_out", "handled"];

/** The value of `fields=`. */
export function fields(more: Iterable<string>): string {
  const kpis = [...new Set([...KPIS, ...more])].map((id) => `kpis.${id}`);
  return [...COUNTS.map((name) => `counts.${name}`), ...kpis, "now"].join(",");
}

/** What the day's curves are drawn from. */
export const CURVES =
  "counts.offered,counts.answered,counts.abandoned,counts.handled,kpis.service_level,kpis.average_speed_of_answer,kpis.abandonment_rate,kpis.average_handle_time,kpis.occupancy,kpis.contacts_per_hour";
