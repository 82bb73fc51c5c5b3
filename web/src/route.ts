// The route: what is shown, as the page's address says it, so that any view can be sent to others.
import { useListeners } from "./subscribe.ts";

export const VIEWS = ["board", "queues", "agents", "attention", "alerts", "entity"] as const;
export type View = (typeof VIEWS)[number];
export type Theme = "auto" | "dark" | "light";

export interface Route {
  view: View;
  tenant: string;
  /** A queue group's id; empty for all queues. */
  group: string;
  /** Empty for the page's own choice. */
  window: string;
  /** A column's id, with `-` before it for the highest first. */
  sort: string;
  filter: string;
  /** An agents' state; empty for all who are logged in. */
  state: string;
  /** The one entity shown. */
  kind: string;
  id: string;
  /** Empty for the browser's. */
  lang: string;
  theme: Theme;
  kiosk: boolean;
  /** Seconds for which each view stays; 0 does not rotate. */
  rotate: number;
  /** The views that rotation goes through. */
  views: View[];
  /** Whether single keys are shortcuts. */
  keys: boolean;
}

const DEFAULTS: Route = {
  view: "board",
  tenant: "",
  group: "",
  window: "",
  sort: "",
  filter: "",
  state: "",
  kind: "",
  id: "",
  lang: "",
  theme: "auto",
  kiosk: false,
  rotate: 0,
  views: ["board", "queues", "attention"],
  keys: true,
};

/** The shortest time a rotating view stays. */
const ROTATE_MIN_S = 5;

export function parse(search: string): Route {
  const query = new URLSearchParams(search);
  const text = (name: string) => query.get(name) ?? "";
  const isView = (word: string): word is View => (VIEWS as readonly string[]).includes(word);
  const view = text("view");
  const theme = text("theme");
  const rotate = Number.parseInt(text("rotate"), 10);
  const views = text("views").split(",").filter(isView).filter((view) => view !== "entity");
  return {
    view: isView(view) ? view : DEFAULTS.view,
    tenant: text("tenant"),
    group: text("group"),
    window: text("window"),
    sort: text("sort"),
    filter: text("filter"),
    state: text("state"),
    kind: text("kind"),
    id: text("id"),
    lang: text("lang"),
    theme: theme === "dark" || theme === "light" ? theme : "auto",
    kiosk: text("kiosk") === "1",
    rotate: 0 < rotate ? Math.max(rotate, ROTATE_MIN_S) : 0,
    views: 0 < views.length ? views : DEFAULTS.views,
    keys: text("keys") !== "0",
  };
}

/** The address of a route, without what is as it is anyway. */
export function address(route: Route): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(route)) {
    const usual = DEFAULTS[name as keyof Route];
    if (String(value) === String(usual)) continue;
    query.set(name, typeof value === "boolean" ? (value ? "1" : "0") : String(value));
  }
  const text = query.toString().replaceAll("%2C", ",");
  return text ? `?${text}` : location.pathname;
}

let current = parse(location.search);
const listeners = new Set<() => void>();

function set(next: Route): void {
  current = next;
  listeners.forEach((listener) => listener());
}

addEventListener("popstate", () => set(parse(location.search)));

/** Where a change would lead. A new view or entity begins unsorted and unfiltered. */
export function to(change: Partial<Route>): Route {
  const isOther = change.view !== undefined && change.view !== current.view;
  const afresh: Partial<Route> = isOther ? { sort: "", filter: "", state: "", kind: "", id: "" } : {};
  return { ...current, ...afresh, ...change };
}

/** Goes there; a step in the history unless it only narrows what is shown. */
export function go(change: Partial<Route>, how: "push" | "replace" = "push"): void {
  const next = to(change);
  if (address(next) === address(current)) return;
  history[how === "push" ? "pushState" : "replaceState"](null, "", address(next));
  set(next);
}

export function useRoute(): Route {
  useListeners(listeners);
  return current;
}
