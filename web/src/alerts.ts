// Alerts: the newest record of each, as the stream tells, and those of one entity.
//
// The stream tells all of them whenever it begins. They are gathered beside what is shown, so that a reconnect never
// makes a wall look well that is not.
import type { Alert, AlertSeverity } from "./model.ts";

const URGENCY: Record<AlertSeverity, number> = { critical: 2, warning: 1, info: 0 };
/** Always fires, so that its absence is noticed elsewhere. On a wall it would say nothing. */
const WATCHDOG = "watchdog";
const SHOWN_RESOLVED_MS = 7 * 24 * 3_600_000;

export class Alerts {
  /** Whether it is known which there are. */
  isKnown = false;
  private known = new Map<string, Alert>();
  private next: Map<string, Alert> | null = null;
  private owed = 0;
  private firingOf: Map<string, Alert[]> | null = null;

  constructor(private readonly changed: () => void) {}

  /** So many follow, and those are all. */
  begin(count: number): void {
    this.next = new Map();
    this.owed = count;
    this.settle();
  }

  put(key: string, alert: Alert): void {
    if (alert.rule !== WATCHDOG) (this.next ?? this.known).set(key, alert);
    this.owed -= 1;
    this.settle();
  }

  end(key: string): void {
    (this.next ?? this.known).delete(key);
    this.settle();
  }

  /** What fires, the most urgent first, then the newest. */
  firing(): Alert[] {
    const firing = [...this.known.values()].filter((alert) => alert.state === "firing");
    return firing.sort((a, b) => urgency(b) - urgency(a) || Date.parse(b.since) - Date.parse(a.since));
  }

  /** What resolved of late, the newest first. */
  resolved(now: number): Alert[] {
    const at = (alert: Alert) => Date.parse(alert.resolved_at ?? alert.as_of);
    const lately = [...this.known.values()].filter((alert) => alert.state !== "firing" && now - at(alert) < SHOWN_RESOLVED_MS);
    return lately.sort((a, b) => at(b) - at(a));
  }

  /** What fires for an entity, by its part of keys. */
  of(entity: string): Alert[] {
    if (!this.firingOf) {
      this.firingOf = new Map();
      for (const [key, alert] of this.known) {
        if (alert.state !== "firing") continue;
        const of = key.slice(key.indexOf("|") + 1);
        this.firingOf.set(of, [...(this.firingOf.get(of) ?? []), alert]);
      }
    }
    return this.firingOf.get(entity) ?? [];
  }

  private settle(): void {
    if (this.next && this.owed <= 0) {
      this.known = this.next;
      this.next = null;
      this.isKnown = true;
    }
    this.firingOf = null;
    this.changed();
  }
}

function urgency(alert: Alert): number {
  return URGENCY[alert.severity] ?? 0;
}

/** The most urgent severity of some; undefined of none. */
export function gravest(alerts: Alert[]): AlertSeverity | undefined {
  return alerts.reduce<Alert | undefined>((worst, one) => (worst && urgency(one) <= urgency(worst) ? worst : one), undefined)?.severity;
}
