// The session with the server: labels, token, stream and clock, kept for as long as the page is open.
//
// What is drawn asks the session and is told at most four times a second that something changed, and
// once a second in any case, since ages and waits go on by themselves.
import { Alerts } from "./alerts.ts";
import { freshness, ServerClock, type Freshness } from "./freshness.ts";
import { fields, KPIS } from "./kpis.ts";
import type { Alert, KpiRecord, Meta, Progress } from "./model.ts";
import { Store } from "./store.ts";
import { problem, Stream, type Loss } from "./stream.ts";

const TOKEN = "callpulse.token";
const DRAW_EVERY_MS = 250;
/** A stream that comes back within this was not away. */
const HICCUP_MS = 2_000;
const AGAIN_MS = 3_000;
/** So often it is asked which tenants there are. */
const TENANTS_EVERY_MS = 60_000;

/** Why the stream is not there. */
export interface Away {
  since: number;
  why: Loss;
  detail: string;
  retryAt: number;
}

/** What is streamed. */
interface Wanted {
  tenant: string;
  window: string;
  agents: boolean;
}

export class Session {
  readonly listeners = new Set<() => void>();
  readonly store = new Store(() => this.changed());
  readonly alerts = new Alerts(() => this.changed());
  meta: Meta | null = null;
  /** Null before it was asked with a whole snapshot there: a server that begins does not know them all. */
  tenants: string[] | null = null;
  /** Whether the server asks for a token, and whether it refused the one given. */
  token: "fine" | "needed" | "wrong" = "fine";
  away: Away | null = null;
  private clock = new ServerClock();
  private stream: Stream | null = null;
  private streamed = "";
  private wanted: Wanted | null = null;
  /** The tenant shown where none is asked for: once there is one it stays. */
  private usual = "";
  private dirty = false;
  private drawn = 0;

  constructor() {
    setInterval(() => this.draw(), 1_000);
    setInterval(() => void this.learnTenants(), TENANTS_EVERY_MS);
    void this.open();
  }

  /** The server's time, ms; the page's own until the server has told. */
  now(): number {
    return this.clock.now(performance.now()) ?? Date.now();
  }

  freshness(): Freshness {
    const stopwatch = performance.now();
    const isHiccup = this.away !== null && stopwatch - this.away.since < HICCUP_MS;
    const connected = this.stream !== null && (this.away === null || isHiccup);
    return freshness(this.store, connected, this.clock.now(stopwatch), stopwatch);
  }

  /** The window shown: the one asked for if there is one, else half an hour, the longest sliding one, or what there is. */
  window(asked: string): string {
    const windows = (this.meta?.windows ?? []).filter((name) => name !== "now");
    if (windows.includes(asked)) return asked;
    const sliding = windows.filter((name) => !name.startsWith("per_") && name !== "total");
    return windows.find((name) => name === "30m") ?? sliding.at(-1) ?? windows[0] ?? "total";
  }

  /** The tenant shown: the one asked for, else `default` or the first one; empty before any is known. */
  tenant(asked: string): string {
    return asked || this.usual;
  }

  /** Sees to it that this is streamed. Agents, once asked for, stay. */
  want(tenant: string, window: string, agents: boolean): void {
    const had = this.wanted;
    if (had && had.tenant === tenant && had.window === window && (had.agents || !agents)) return;
    this.wanted = { tenant, window, agents: agents || (had?.agents ?? false) };
    if (this.meta) void this.follow();
  }

  /** Takes the token the viewer gave. It is forgotten with the tab. */
  enter(token: string): void {
    sessionStorage.setItem(TOKEN, token);
    this.token = "fine";
    void this.open();
  }

  /** An answer of the API; throws with its status where it is no success. */
  async get<T>(path: string): Promise<T> {
    const token = sessionStorage.getItem(TOKEN);
    const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
    const answer = await fetch(path, { headers, cache: "no-store" });
    if (answer.status === 401) this.denied();
    if (!answer.ok) throw new Refused(answer.status, await problem(answer));
    return (await answer.json()) as T;
  }

  private async open(): Promise<void> {
    try {
      this.meta = await this.get<Meta>("/api/v1/meta");
      this.choose(await this.askTenants());
      this.streamed = "";
      if (this.wanted) await this.follow();
      this.changed();
    } catch {
      if (this.token === "fine") setTimeout(() => void this.open(), AGAIN_MS);
    }
  }

  private async askTenants(): Promise<string[]> {
    const { entities } = await this.get<{ entities: { id: string }[] }>("/api/v1/entities?kind=tenant");
    return [...new Set(entities.map((tenant) => tenant.id))].sort();
  }

  private choose(tenants: string[]): void {
    if (!this.usual) this.usual = tenants.includes("default") ? "default" : (tenants[0] ?? "");
  }

  /** Which tenants there are, once there is a whole snapshot: a centre may be opened before its first event. */
  private async learnTenants(): Promise<void> {
    if (!this.store.live || this.token !== "fine") return;
    try {
      this.tenants = await this.askTenants();
    } catch {
      return;
    }
    this.choose(this.tenants);
    await this.follow();
    this.changed();
  }

  private async follow(): Promise<void> {
    const wanted = this.wanted!;
    const tenant = this.tenant(wanted.tenant);
    const window = this.window(wanted.window);
    const query = new URLSearchParams({ channel: "all", alerts: "true" });
    if (tenant) query.set("tenant", tenant);
    for (const kind of ["queue", "team", "tenant", ...(wanted.agents ? ["agent"] : [])]) query.append("kind", kind);
    for (const name of ["now", window]) query.append("window", name);
    if (query.toString() === this.streamed) return;
    this.streamed = query.toString();
    const asked = this.streamed;
    query.set("fields", fields(await this.targets(tenant, window)));
    if (this.streamed !== asked) return;
    this.stream?.close();
    this.stream = new Stream(`/api/v1/stream?${query}`, sessionStorage.getItem(TOKEN), {
      event: (name, data) => this.hear(name, data),
      connected: () => {
        this.away = null;
        this.changed();
      },
      lost: (why, detail, retryMs) => {
        const stopwatch = performance.now();
        this.away = { since: this.away?.since ?? stopwatch, why, detail, retryAt: stopwatch + retryMs };
        const canResume = this.store.live && !this.store.isPartial;
        this.store.abandon();
        this.changed();
        return canResume;
      },
      denied: () => this.denied(),
      outdated: (detail) => this.outdated(detail),
    });
  }

  /** KPIs that some queue has a target for, beyond those asked for anyway. */
  private async targets(tenant: string, window: string): Promise<string[]> {
    const query = new URLSearchParams({ kind: "queue", window, channel: "all", fields: "kpis" });
    if (tenant) query.set("tenant", tenant);
    try {
      const { kpis } = await this.get<{ kpis: KpiRecord[] }>(`/api/v1/kpis?${query}`);
      const wanted = kpis.flatMap((record) => Object.entries(record.kpis ?? {})).filter(([, kpi]) => kpi.target !== undefined);
      return [...new Set(wanted.map(([id]) => id))].filter((id) => !KPIS.includes(id)).sort();
    } catch {
      return [];
    }
  }

  private denied(): void {
    this.token = sessionStorage.getItem(TOKEN) ? "wrong" : "needed";
    sessionStorage.removeItem(TOKEN);
    this.stream?.close();
    this.stream = null;
    this.changed();
  }

  /** Other settings since the page learned what there is: it asks anew. */
  private outdated(detail: string): void {
    const stopwatch = performance.now();
    this.away = { since: this.away?.since ?? stopwatch, why: "refused", detail, retryAt: stopwatch + AGAIN_MS };
    this.store.abandon();
    this.changed();
    setTimeout(() => void this.open(), AGAIN_MS);
  }

  private hear(name: string, data: unknown): void {
    const stopwatch = performance.now();
    switch (name) {
      case "snapshot":
        return this.store.snapshot();
      case "kpi": {
        const { key, record } = data as { key: string; record: KpiRecord };
        if (record.entity.kind === "tenant" && this.tenants && !this.tenants.includes(record.tenant)) {
          this.tenants.push(record.tenant);
          void this.learnTenants();
        }
        return this.store.put(key, record);
      }
      case "end":
        return this.store.end((data as { key: string }).key);
      case "live":
        this.store.complete();
        return void this.learnTenants();
      case "progress":
        return this.store.hear(data as Progress, stopwatch);
      case "alerts":
        return this.alerts.begin((data as { alerts: number }).alerts);
      case "alert": {
        const { key, record } = data as { key: string; record: Alert };
        return this.alerts.put(key, record);
      }
      case "alert_end":
        return this.alerts.end((data as { key: string }).key);
      case "clock":
        this.clock.hear((data as { now: string }).now, stopwatch);
    }
  }

  private changed(): void {
    if (this.dirty) return;
    this.dirty = true;
    const wait = Math.max(0, DRAW_EVERY_MS - (performance.now() - this.drawn));
    setTimeout(() => requestAnimationFrame(() => this.draw()), wait);
  }

  private draw(): void {
    this.dirty = false;
    this.drawn = performance.now();
    this.listeners.forEach((listener) => listener());
  }
}

/** The API answered, but not with what was asked for. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}
