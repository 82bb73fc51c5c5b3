// Records and answers of the API, as far as the wallboard reads them.

/** One KPI of a record. No value stands for: nothing to divide by. */
export interface Kpi {
  value: number | null;
  unit?: string;
  numerator?: number;
  numerator_ms?: number;
  denominator?: number;
  /** Of a service level the id of the formula it was taken by. */
  formula?: string;
  threshold_s?: number;
  target?: number;
  met?: boolean;
}

/** The state at this instant; in the window `now` alone. */
export interface Now {
  waiting: number;
  longest_wait_since: string | null;
  over_threshold_waiting: number;
  talking: number;
  on_hold: number;
  /** How many by state; absent of what has no agents. */
  agents?: Record<string, number>;
  agents_logged_in?: number;
}

/** A KPI record, whole or narrowed by `fields=`. */
export interface KpiRecord {
  tenant: string;
  entity: { kind: string; id: string; title?: string; channel?: string };
  window: { name: string; kind: string; start: string | null; end: string };
  as_of: string;
  version: number;
  gap?: boolean;
  covered_from?: string;
  counts?: Record<string, number | Record<string, number>>;
  kpis?: Record<string, Kpi>;
  now?: Now;
}

export interface Group {
  tenant: string;
  id: string;
  title: string;
  queues: string[];
}

/** What labels the numbers. */
export interface Meta {
  version: string;
  ready: boolean;
  windows: string[];
  kpis: { id: string; title: string; unit: string; formula: string; better: string }[];
  counts: { id: string; title: string }[];
  /** Those of service levels. */
  formulas: { id: string; formula: string }[];
  groups: Group[];
}

export interface Progress {
  partition: number;
  as_of: string | null;
  behind_ms: number;
  silent: unknown[];
}

export type AlertSeverity = "info" | "warning" | "critical";

/** An alert's newest record. */
export interface Alert {
  alert_id: string;
  rule: string;
  tenant: string;
  entity: { kind: string; id: string; title?: string };
  state: "firing" | "resolved";
  reason?: string;
  since: string;
  as_of: string;
  resolved_at?: string;
  severity: AlertSeverity;
  title: string;
  text?: string;
  /** The first number the rule looks at, as it was then. */
  kpi?: string;
  window?: string;
  /** What is made of the KPI, whose unit the value then has only if it is a forecast; absent of the KPI itself. */
  measure?: string;
  value?: number | null;
  numerator?: number;
  denominator?: number;
  trigger?: number;
  side?: "above" | "below";
  runbook_url?: string;
  panel_url?: string;
}

/** Agents' states in the order in which they are listed; who is in none is logged out. */
export const STATES = ["available", "ringing", "handling", "paused", "other_work", "logged_out"] as const;

/** A count of a record, where it is a single number. */
export function count(record: KpiRecord | undefined, name: string): number | undefined {
  const value = record?.counts?.[name];
  return typeof value === "number" ? value : undefined;
}
