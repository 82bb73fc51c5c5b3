// The wall: what every part of the page is drawn from.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Language } from "./i18n.ts";
import { Calm } from "./judge.ts";
import type { Group } from "./model.ts";
import type { Route } from "./route.ts";
import type { Session } from "./session.ts";
import type { Entity } from "./store.ts";

export interface Wall {
  session: Session;
  lang: Language;
  route: Route;
  /** The tenant shown; empty before any is known. */
  tenant: string;
  /** The window shown beside `now`. */
  window: string;
  /** The server's time, ms. */
  now: number;
}

const Context = createContext<Wall | null>(null);
export const WallProvider = Context.Provider;

export function useWall(): Wall {
  return useContext(Context)!;
}

/** The worst of each entity, as lists are ordered by it, and held alike on every view. */
export const calm = new Calm();

/** The groups of the tenant shown. */
export function groups(wall: Wall): Group[] {
  return (wall.session.meta?.groups ?? []).filter((group) => group.tenant === wall.tenant);
}

/** The group shown; none stands for all queues. */
export function group(wall: Wall): Group | undefined {
  return groups(wall).find((group) => group.id === wall.route.group);
}

export function entities(wall: Wall, kind: string): Entity[] {
  const found: Entity[] = [];
  for (const entity of wall.session.store.entities.values()) {
    if (entity.kind === kind && (!wall.tenant || entity.tenant === wall.tenant)) found.push(entity);
  }
  return found;
}

export function entity(wall: Wall, kind: string, id: string): Entity | undefined {
  return entities(wall, kind).find((entity) => entity.id === id);
}

/** The queues of the group shown. */
export function queues(wall: Wall): Entity[] {
  const chosen = group(wall);
  const all = entities(wall, "queue");
  return chosen ? all.filter((queue) => chosen.queues.includes(queue.id)) : all;
}

/** What a group is called; teams have no title of their own in records. */
export function title(wall: Wall, entity: Entity): string {
  if (entity.kind === "team") return groups(wall).find((group) => group.id === entity.id)?.title ?? entity.title;
  if (entity.kind === "tenant" && entity.id === "default") return wall.lang.t("group.all");
  return entity.title;
}

/** A KPI's name: in the viewer's language where there is one, else as the server calls it. */
export function kpiTitle(wall: Wall, id: string): string {
  const [base, also] = id.split(/\.(.*)/s);
  const name = wall.lang.maybe(`kpi.${base}`) ?? wall.session.meta?.kpis.find((kpi) => kpi.id === base)?.title ?? base!;
  return also ? `${name} (${also})` : name;
}

/** The name of any number a rule may look at. */
export function numberTitle(wall: Wall, id: string): string {
  const { lang, session } = wall;
  if (lang.maybe(`kpi.${id}_now`)) return lang.maybe(`kpi.${id}_now`)!;
  if (session.meta?.kpis.some((kpi) => kpi.id === id.split(".")[0])) return kpiTitle(wall, id);
  const word = id.replace(/^(calls|agents)_|_calls$/, "");
  return lang.maybe(`count.${word}`) ?? lang.maybe(`state.${word}`) ?? id.replaceAll("_", " ");
}

/** Its unit; what is no KPI counts something, unless its name says otherwise. */
export function numberUnit(wall: Wall, id: string): string {
  const base = id.split(".")[0];
  const unit = wall.session.meta?.kpis.find((kpi) => kpi.id === base)?.unit;
  return unit ?? (id.endsWith("_seconds") ? "s" : id.endsWith("_rate") ? "ratio" : "calls");
}
