// The store: the newest record of every entity, as the stream tells, and how far the engine is.
//
// A snapshot is gathered beside what is shown and takes its place when it is complete, so that a
// reconnect never empties the board.
import { STATES, type KpiRecord, type Progress } from "./model.ts";

export interface Entity {
  /** Tenant, kind and id as they stand in keys. */
  key: string;
  tenant: string;
  kind: string;
  id: string;
  title: string;
  now?: KpiRecord;
  /** The record of the chosen window. */
  recent?: KpiRecord;
  /** An agent's state. */
  state?: string;
  /** Event time, ms, since when the agent is in it; `atLeast` if it may be for longer. */
  since?: number;
  atLeast?: boolean;
}

export class Store {
  entities = new Map<string, Entity>();
  progress = new Map<number, Progress>();
  /** Whether a snapshot is complete. */
  live = false;
  /** Grows when an entity comes or goes. */
  membership = 0;
  /** Event time up to which everything is in, ms; null before every source has a mark. */
  asOf: number | null = null;
  /** When `asOf` last went on, by the page's own stopwatch. */
  asOfMoved = 0;
  private next: Map<string, Entity> | null = null;

  constructor(private readonly changed: () => void) {}

  /** Whether a snapshot has begun and not ended. */
  get isPartial(): boolean {
    return this.next !== null;
  }

  snapshot(): void {
    this.next = new Map();
    this.progress.clear();
  }

  complete(): void {
    if (this.next) {
      this.entities = this.next;
      this.next = null;
      this.membership += 1;
    }
    this.live = true;
    this.changed();
  }

  /** Drops what an unfinished snapshot has brought. */
  abandon(): void {
    this.next = null;
  }

  put(key: string, record: KpiRecord): void {
    const entities = this.next ?? this.entities;
    const of = key.slice(0, key.lastIndexOf("|"));
    let entity = entities.get(of);
    if (!entity) {
      const { kind, id, channel } = record.entity;
      const name = channel ? `${id} (${channel})` : id;
      entity = { key: of, tenant: record.tenant, kind, id, title: name };
      entities.set(of, entity);
      this.membership += 1;
    }
    const title = record.entity.title;
    if (title && entity.title !== title) {
      entity.title = title;
      this.membership += 1;
    }
    if (record.window.name === "now") {
      if ((entity.now?.version ?? -1) <= record.version) {
        entity.now = record;
        if (entity.kind === "agent") this.enter(entity, record);
      }
    } else if (entity.recent?.window.name !== record.window.name || entity.recent.version <= record.version) {
      entity.recent = record;
    }
    this.changed();
  }

  end(key: string): void {
    const entities = this.next ?? this.entities;
    const cut = key.lastIndexOf("|");
    const entity = entities.get(key.slice(0, cut));
    if (!entity) return;
    if (key.slice(cut + 1) === "now") entity.now = undefined;
    else entity.recent = undefined;
    if (!entity.now && !entity.recent) {
      entities.delete(entity.key);
      this.membership += 1;
    }
    this.changed();
  }

  hear(progress: Progress, stopwatch: number): void {
    this.progress.set(progress.partition, progress);
    const marks = [...this.progress.values()].map((one) => (one.as_of ? Date.parse(one.as_of) : null));
    const known = marks.filter((mark): mark is number => mark !== null);
    const asOf = known.length < marks.length ? null : Math.min(...known);
    if (asOf !== this.asOf) {
      this.asOf = asOf;
      this.asOfMoved = stopwatch;
    }
    this.changed();
  }

  /** Topics that are silent within their hours. */
  silent(): string[] {
    const names = [...this.progress.values()].flatMap((one) => one.silent.map(String));
    return [...new Set(names)].sort();
  }

  /** The state an agent's `now` tells, and since when: exactly where the change was seen from here. */
  private enter(entity: Entity, record: KpiRecord): void {
    const agents = record.now?.agents ?? {};
    const state = STATES.find((state) => 0 < (agents[state] ?? 0)) ?? "logged_out";
    const before = this.next ? (entity.state ? entity : this.entities.get(entity.key)) : entity;
    if (before?.state === state) {
      entity.since = before.since;
      entity.atLeast = before.atLeast;
    } else {
      entity.since = Date.parse(record.as_of);
      entity.atLeast = before?.state === undefined || this.next !== null;
    }
    entity.state = state;
  }
}
