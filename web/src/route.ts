// The route: what is shown, as the page's address says it, so that any view can be sent to others.
//
// What an address asks for and is not there is a *stray*: the page tells it, and the address says what is shown.
import { languageOf } from "./i18n.ts";
import { STATES } from "./model.ts";
import { useListeners } from "./subscribe.ts";

export const VIEWS = ["board", "queues", "agents", "attention", "alerts", "entity"] as const;
export type View = (typeof VIEWS)[number];
export const THEMES = ["auto", "dark", "light"] as const;
export type Theme = (typeof THEMES)[number];

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

/** The shortest and the longest time a rotating view stays. */
const ROTATE_MIN_S = 5;
const ROTATE_MAX_S = 86_400;

/** What an address asks for, and its strays, each as `name=value`. */
function parse(search: string): { route: Route; strays: string[] } {
  const query = new URLSearchParams(search);
  const text = (name: keyof Route) => query.get(name) ?? "";
  const strays = [...query].filter(([name]) => !Object.hasOwn(DEFAULTS, name)).map(([name, value]) => `${name}=${value}`);
  /** The first of what stands there if nothing is asked for, or what is not there. */
  const oneOf = <Word extends string>(name: keyof Route, words: readonly Word[]): Word => {
    const found = words.find((word) => word === text(name));
    if (found === undefined && text(name) !== "") strays.push(`${name}=${text(name)}`);
    return found ?? words[0]!;
  };
  const views = text("views").split(",").filter(Boolean);
  const known = VIEWS.filter((view) => view !== "entity");
  strays.push(...views.filter((view) => !(known as string[]).includes(view)).map((view) => `views=${view}`));
  const rotate = Number(text("rotate"));
  const turns = Number.isInteger(rotate) && 0 <= rotate && rotate <= ROTATE_MAX_S;
  if (!turns) strays.push(`rotate=${text("rotate")}`);
  const lang = text("lang") && languageOf(text("lang"));
  if (lang === undefined) strays.push(`lang=${text("lang")}`);
  const route: Route = {
    view: oneOf("view", VIEWS),
    tenant: text("tenant"),
    group: text("group"),
    window: text("window"),
    sort: text("sort"),
    filter: text("filter"),
    state: oneOf("state", ["", ...STATES]),
    kind: text("kind"),
    id: text("id"),
    lang: lang ?? "",
    theme: oneOf("theme", THEMES),
    kiosk: oneOf("kiosk", ["0", "1"]) === "1",
    rotate: turns && 0 < rotate ? Math.max(rotate, ROTATE_MIN_S) : 0,
    views: views.flatMap((view) => known.find((one) => one === view) ?? []),
    keys: oneOf("keys", ["1", "0"]) === "1",
  };
  if (route.views.length === 0) route.views = DEFAULTS.views;
  return { route, strays };
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

/** Where in a list the viewer is: how far it is scrolled, in px, and the key of the row that has the focus. */
export interface Place {
  top: number;
  row: string | undefined;
}

/** What the browser keeps of each step of its history. */
interface Step {
  /** How many steps of this page were before it. */
  nth: number;
  /** The step from which the one entity was opened. */
  from?: number;
  /** Where the viewer was in its list when it was left. */
  place?: Place | undefined;
}

/** The list that is shown tells here where in it the viewer is. */
export const list: { place?: (() => Place) | undefined } = {};

let { route: current, strays } = parse(location.search);
const listeners = new Set<() => void>();

function step(): Step {
  return (history.state as Step | null) ?? { nth: 0 };
}

function set(next: Route): void {
  current = next;
  listeners.forEach((listener) => listener());
}

function replace(next: Route): void {
  history.replaceState(step(), "", address(next));
  set(next);
}

/** What a way back out of the details takes along, beside language, theme and keys, which no step of the history changes. */
let kept: Partial<Route> = {};

replace(current);
addEventListener("popstate", () => {
  const { route } = parse(location.search);
  const { lang, theme, keys } = current;
  replace({ ...route, lang, theme, keys, ...kept });
  kept = {};
});

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
  const { place: _, ...here } = step();
  if (how === "replace") {
    history.replaceState(here, "", address(next));
  } else {
    history.replaceState({ ...here, place: list.place?.() }, "");
    const isSame = (["view", "kind", "id"] as const).every((part) => next[part] === current[part]);
    const from = next.view !== "entity" ? {} : { from: isSame ? here.from : here.nth };
    history.pushState({ nth: here.nth + 1, ...from }, "", address(next));
    strays = [];
  }
  set(next);
}

/** Leaves the one entity for where it was opened from; else leads to the overview. How it is shown stays. */
export function back(): void {
  const { nth, from } = step();
  if (from === undefined) return go({ view: "board" });
  const { window, kiosk, rotate } = current;
  kept = { window, kiosk, rotate };
  history.go(from - nth);
}

/** Where the viewer was in the list when this step was left. */
export function placeBefore(): Place | undefined {
  return step().place;
}

/** Takes out of the address what is not there, and tells it. */
export function refuse(name: "tenant" | "group" | "window" | "sort"): void {
  strays = [...strays, `${name}=${current[name]}`];
  go({ [name]: DEFAULTS[name] }, "replace");
}

/** Whoever has read of the strays needs no more of them. */
export function forgetStrays(): void {
  strays = [];
  set(current);
}

export function useStrays(): string[] {
  useListeners(listeners);
  return strays;
}

export function useRoute(): Route {
  useListeners(listeners);
  return current;
}
