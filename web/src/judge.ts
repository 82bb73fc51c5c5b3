// The judgement: how far a number is from what is wanted, in three steps.
//
// Missed is what the record itself says (`met`). Missed by far is a value beyond three quarters of a
// target that wants much, or beyond one and a half times one that wants little; a wait is far over when it is three
// times the threshold of the service level.
import type { Entity } from "./store.ts";
import type { Kpi } from "./model.ts";

/** 0 calm, 1 attention, 2 action. */
export type Severity = 0 | 1 | 2;

const FAR_BELOW = 0.75;
const FAR_ABOVE = 1.5;
const FAR_WAIT = 3;

export function judge(kpi: Kpi | undefined): Severity {
  if (!kpi || kpi.met !== false || kpi.value === null || kpi.target === undefined) return 0;
  // A target that is missed from below wants more.
  const isFar =
    kpi.value < kpi.target ? kpi.value < kpi.target * FAR_BELOW : kpi.target * FAR_ABOVE < kpi.value;
  return isFar ? 2 : 1;
}

/** Seconds the longest waiting call has waited at `now`; 0 if nobody waits. */
export function longestWait(entity: Entity, now: number): number {
  const since = entity.now?.now?.longest_wait_since;
  return since ? Math.max(0, (now - Date.parse(since)) / 1000) : 0;
}

export function judgeWait(entity: Entity, now: number): Severity {
  const over = entity.now?.now?.over_threshold_waiting ?? 0;
  const threshold = entity.recent?.kpis?.service_level?.threshold_s;
  const wait = longestWait(entity, now);
  // The record is of its own instant; waiting goes on.
  if (over === 0 && (threshold === undefined || wait <= threshold)) return 0;
  return threshold !== undefined && threshold * FAR_WAIT < wait ? 2 : 1;
}

/** Calls wait and nobody is available. */
export function judgeAgents(entity: Entity): Severity {
  const now = entity.now?.now;
  if (!now?.agents || !now.waiting) return 0;
  return (now.agents_logged_in ?? 0) === 0 ? 2 : (now.agents.available ?? 0) === 0 ? 1 : 0;
}

/** One number that is not as wanted. */
export interface Miss {
  entity: Entity;
  /** A KPI's id, or `longest_wait_now`. */
  what: string;
  severity: 1 | 2;
  kpi?: Kpi;
}

/** What of an entity is not as wanted, the worst first. */
export function misses(entity: Entity, now: number): Miss[] {
  const found: Miss[] = [];
  const wait = judgeWait(entity, now);
  if (wait) found.push({ entity, what: "longest_wait_now", severity: wait });
  for (const [what, kpi] of Object.entries(entity.recent?.kpis ?? {})) {
    const severity = judge(kpi);
    if (severity) found.push({ entity, what, severity, kpi });
  }
  return found.sort((a, b) => b.severity - a.severity);
}

/** Keeps a severity for a while after the number is well again, so that what is near its target does not jump about in a list ordered by it. What is shown of the number itself is never held. */
export class Calm {
  private readonly held = new Map<string, { severity: Severity; at: number }>();

  of(id: string, severity: Severity, now: number): Severity {
    const held = this.held.get(id);
    if (held && severity < held.severity && now - held.at < 5_000) return held.severity;
    if (severity === 0) this.held.delete(id);
    else this.held.set(id, { severity, at: now });
    return severity;
  }
}

/** The worst of an entity. */
export function worst(entity: Entity, now: number): Severity {
  return misses(entity, now).reduce<Severity>((worst, miss) => (worst < miss.severity ? miss.severity : worst), 0);
}
