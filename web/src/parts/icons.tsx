// Icons: shapes that tell severities apart without their colour.
import type { Severity } from "../judge.ts";
import type { AlertSeverity } from "../model.ts";

const PATHS = {
  check: "M8 1.2a6.8 6.8 0 1 0 0 13.6A6.8 6.8 0 0 0 8 1.2Zm-1 9.9L3.8 7.9l1.3-1.3L7 8.5l4-4 1.3 1.3Z",
  triangle: "M8 1 .8 14.4h14.4L8 1Zm.9 11.2H7.1v-1.7h1.8v1.7Zm0-2.9H7.1V5.6h1.8v3.7Z",
  octagon: "M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5L5 .8Zm2.1 3v5h1.8v-5H7.1Zm0 6.6v1.8h1.8v-1.8H7.1Z",
  broken: "M1 8.9h3.3l1.5-5 2.1 8.4 1-3.4h.8V7.1H7.9L5.6 0 2.9 7.1H1v1.8Zm9.2-3.3 1.2-1.2 1.5 1.5 1.5-1.5 1.2 1.2-1.5 1.5 1.5 1.5-1.2 1.2-1.5-1.5-1.5 1.5-1.2-1.2 1.5-1.5-1.5-1.5Z",
  pulse: "M1 8.9h3.3l1.5-5 2.6 9.6 2-4.6H15V7.1H9.2l-.6 1.4L6 0 2.9 7.1H1v1.8Z",
  up: "M8 3 2.5 11h11L8 3Z",
  down: "M8 13 2.5 5h11L8 13Z",
  free: "M8 1.2a6.8 6.8 0 1 0 0 13.6A6.8 6.8 0 0 0 8 1.2Zm0 2a4.8 4.8 0 1 1 0 9.6 4.8 4.8 0 0 1 0-9.6Z",
  info: "M8 1.2a6.8 6.8 0 1 0 0 13.6A6.8 6.8 0 0 0 8 1.2Zm.9 2.7v1.8H7.1V3.9h1.8Zm0 2.9v5.3H7.1V6.8h1.8Z",
  bell: "M8 1.5A4.2 4.2 0 0 0 3.8 5.7V9L2.2 11.8h11.6L12.2 9V5.7A4.2 4.2 0 0 0 8 1.5ZM6.2 13a1.9 1.9 0 0 0 3.6 0H6.2Z",
  call: "M3.6 1.3 6 1l1.4 3.7-1.7 1.4c.6 1.5 1.8 2.8 3.4 3.6l1.5-1.6L14.8 9.6l-.4 3.1c-.2 1.2-1.3 2-2.5 1.8C6.5 13.8 2.3 9.4 1.7 4.1c-.1-1.4.7-2.6 1.9-2.8Z",
  pause: "M3.5 2h3.2v12H3.5V2Zm5.8 0h3.2v12H9.3V2Z",
  work: "M5.5 2h5l.8 2H14a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H2a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1h2.7l.8-2Zm1.3 1.6L6.6 4h2.8l-.2-.4H6.8Z",
  out: "M2 2h7v2H4v8h5v2H2V2Zm8.3 2.6L13.9 8l-3.6 3.4-1.3-1.3L10.3 9H6V7h4.3L9 5.9l1.3-1.3Z",
} as const;

export type IconName = keyof typeof PATHS;

export const SEVERITY_ICON: Record<Severity, IconName> = { 0: "check", 1: "triangle", 2: "octagon" };

export const ALERT_ICON: Record<AlertSeverity, IconName> = { info: "info", warning: "triangle", critical: "octagon" };

/** The class that gives an alert its colour. */
export function toneOf(severity: AlertSeverity): string {
  return { info: "info", warning: "s1", critical: "s2" }[severity] ?? "info";
}

export const STATE_ICON: Record<string, IconName> = {
  available: "free",
  ringing: "bell",
  handling: "call",
  paused: "pause",
  other_work: "work",
  logged_out: "out",
};

/** Says nothing by itself: words stand beside it. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} fill="currentColor" fill-rule="evenodd" />
    </svg>
  );
}
