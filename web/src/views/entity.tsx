// One queue, group or agent: its numbers now, its day so far, and every KPI with its formula.
import { useEffect, useState } from "preact/hooks";
import { formula } from "../formula.ts";
import { NONE } from "../i18n.ts";
import { CURVES } from "../kpis.ts";
import { judge } from "../judge.ts";
import { count, type KpiRecord } from "../model.ts";
import { Refused } from "../session.ts";
import type { Entity } from "../store.ts";
import { entity, kpiTitle, title, useWall, type Wall } from "../wall.ts";
import { Curve, type Point } from "../parts/curve.tsx";
import { Icon, STATE_ICON } from "../parts/icons.tsx";
import { KpiTile, Status, Tile } from "../parts/tile.tsx";
import { Since } from "./agents.tsx";
import { Firing } from "./alerts.tsx";
import { Heroes } from "./hero.tsx";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WHOLE_EVERY_MS = 5_000;
const DAY_EVERY_MS = 30_000;
/** As the server asks of those who come while it still reads the archive. */
const INDEXING_MS = 5_000;

export function EntityView() {
  const wall = useWall();
  const { lang, route, session } = wall;
  const of = entity(wall, route.kind, route.id);
  const record = useWhole(wall);
  if (!of) return <p class="empty">{lang.t("empty.entity")}</p>;
  return (
    <div class="entity">
      <h1>
        <bdi>{title(wall, of)}</bdi>
      </h1>
      {0 < session.alerts.of(of.key).length && (
        <section class="alerts" aria-label={lang.t("view.alerts")}>
          <Firing alerts={session.alerts.of(of.key)} />
        </section>
      )}
      {of.recent?.gap && <Status severity={1}>{lang.t("entity.gap")}</Status>}
      {of.recent?.covered_from && (
        <p class="note">{lang.t("entity.covered", { time: lang.time(Date.parse(of.recent.covered_from)) })}</p>
      )}
      {of.kind === "agent" ? <AgentTiles of={of} /> : <Heroes of={of} />}
      <Day of={of} />
      <Whole record={record} />
    </div>
  );
}

function AgentTiles({ of }: { of: Entity }) {
  const wall = useWall();
  const { lang, now } = wall;
  const kpis = of.recent?.kpis ?? {};
  const handled = count(of.recent, "handled");
  const state = of.state ?? "logged_out";
  return (
    <div class="heroes even">
      <Tile
        id="state"
        label={lang.t("column.state")}
        text={lang.maybe(`state.${state}`) ?? state}
        status={
          <p class="status">
            <Icon name={STATE_ICON[state]!} />
            <Since row={of} now={now} />
          </p>
        }
      />
      <Tile id="handled" label={lang.t("count.handled")} text={handled === undefined ? NONE : lang.number(handled)} raw={handled} />
      {["average_handle_time", "occupancy", "contacts_per_hour", "agent_answer_rate"].map((id) => (
        <KpiTile key={id} id={id} kpi={kpis[id]} />
      ))}
    </div>
  );
}

type History = { intervals: KpiRecord[]; from: number; to: number } | "loading" | "indexing" | "none";

function Day({ of }: { of: Entity }) {
  const wall = useWall();
  const { lang } = wall;
  const day = useDay(wall, of);
  if (typeof day === "string") {
    const text = ({ loading: "entity.loading", indexing: "entity.indexing", none: "entity.no_history" } as const)[day];
    return (
      <section class="day">
        <h2>{lang.t("entity.day")}</h2>
        <p class="note" data-history={day}>
          {lang.t(text)}
        </p>
      </section>
    );
  }
  const { intervals, from, to } = day;
  const points = (value: (record: KpiRecord) => number | null | undefined): Point[] =>
    intervals.map((record) => ({
      start: Date.parse(record.window.start ?? ""),
      end: Date.parse(record.window.end),
      value: value(record) ?? null,
    }));
  const isAgent = of.kind === "agent";
  const ids = isAgent
    ? ["average_handle_time", "occupancy", "contacts_per_hour"]
    : ["service_level", "abandonment_rate", "average_speed_of_answer", "average_handle_time", "occupancy"];
  const volume = isAgent ? "handled" : "offered";
  return (
    <section class="day">
      <h2>{lang.t("entity.day")}</h2>
      <div class={`curves ${isAgent ? "four" : ""}`}>
        <Curve
          id={volume}
          title={isAgent ? lang.t("count.handled") : `${lang.t("count.offered")} / ${lang.t("count.answered")}`}
          points={points((record) => count(record, volume))}
          part={isAgent ? undefined : intervals.map((record) => count(record, "answered") ?? null)}
          bars
          from={from}
          to={to}
          isRatio={false}
          show={(value) => lang.number(value)}
        />
        {ids.map((id) => {
          const kpi = intervals.findLast((record) => record.kpis?.[id])?.kpis?.[id];
          return (
            <Curve
              key={id}
              id={id}
              title={kpiTitle(wall, id)}
              points={points((record) => record.kpis?.[id]?.value)}
              from={from}
              to={to}
              isRatio={kpi?.unit === undefined}
              target={kpi?.target}
              show={(value) => lang.value(value, kpi?.unit)}
            />
          );
        })}
      </div>
    </section>
  );
}

/** Every KPI of the window, as the server has it now. */
function Whole({ record }: { record: KpiRecord | null }) {
  const wall = useWall();
  const { lang, session } = wall;
  if (!record) return null;
  return (
    <section class="whole">
      <h2>
        {lang.t("entity.kpis")} · {lang.window(record.window.name)}
      </h2>
      <div class="scroll" role="region" aria-label={lang.t("entity.kpis")} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{lang.t("column.what")}</th>
              <th scope="col">{lang.t("column.value")}</th>
              <th scope="col">{lang.t("column.target")}</th>
              <th scope="col">{lang.t("column.formula")}</th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(record.kpis ?? {}).map(([id, kpi]) => (
              <tr key={id} data-kpi={id}>
                <th scope="row">
                  <bdi>{kpiTitle(wall, id)}</bdi>
                </th>
                <td class={`s${judge(kpi)}`}>
                  {kpi.value === null ? NONE : <data value={String(kpi.value)}>{lang.value(kpi.value, kpi.unit)}</data>}
                </td>
                <td>
                  {kpi.target !== undefined && (
                    <>
                      {lang.value(kpi.target, kpi.unit)}{" "}
                      {kpi.met !== undefined && <span class="note">{lang.t(`severity.${judge(kpi)}`)}</span>}
                    </>
                  )}
                </td>
                <td class="formula">{formula(lang, session.meta, id, kpi)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function query(wall: Wall, more: Record<string, string>): URLSearchParams {
  const { route, tenant } = wall;
  const query = new URLSearchParams({ kind: route.kind, id: route.id, channel: "all", ...more });
  if (tenant) query.set("tenant", tenant);
  return query;
}

/** The whole record, which the stream does not carry. */
function useWhole(wall: Wall): KpiRecord | null {
  const { session, route, window, tenant } = wall;
  const [record, setRecord] = useState<KpiRecord | null>(null);
  useEffect(() => {
    setRecord(null);
    return repeated(async (isOver) => {
      const { kpis } = await session.get<{ kpis: KpiRecord[] }>(`/api/v1/kpis?${query(wall, { window })}`);
      if (!isOver()) setRecord(kpis[0] ?? null);
      return WHOLE_EVERY_MS;
    });
  }, [session, route.kind, route.id, tenant, window]);
  return record;
}

/** The intervals of the day so far, at the finest length there is. */
function useDay(wall: Wall, of: Entity): History {
  const { session, route, tenant } = wall;
  const [day, setDay] = useState<History>("loading");
  const window = finest(session.meta?.windows ?? []);
  useEffect(() => {
    setDay("loading");
    return repeated(async (isOver) => {
      try {
        const now = session.now();
        const from = (await dayStart(wall)) ?? now - DAY_MS;
        const asked = query(wall, { window, from: new Date(from).toISOString(), fields: CURVES });
        const { intervals } = await session.get<{ intervals: KpiRecord[] }>(`/api/v1/intervals?${asked}`);
        if (!isOver()) setDay(sinceTheFirstCall(intervals, now));
      } catch (error) {
        const isIndexing = error instanceof Refused && error.status === 503;
        if (!isOver()) setDay(isIndexing ? "indexing" : "none");
        if (isIndexing) return INDEXING_MS;
      }
      return DAY_EVERY_MS;
    });
  }, [session, of.key, route.kind, route.id, tenant, window]);
  return window ? day : "none";
}

/** A day begins to be worth drawing with its first call. */
function sinceTheFirstCall(intervals: KpiRecord[], now: number): History {
  const begun = intervals.findIndex((record) => 0 < (count(record, "offered") ?? 0) + (count(record, "handled") ?? 0));
  const first = intervals[begun]?.window.start;
  if (!first) return "none";
  const from = Date.parse(first);
  return { intervals: intervals.slice(begun), from, to: Math.max(now, from + HOUR_MS) };
}

/** When the day began where the centre is: the start of its open day. */
async function dayStart(wall: Wall): Promise<number | undefined> {
  if (!wall.session.meta?.windows.includes("per_1d")) return undefined;
  const asked = query(wall, { window: "per_1d", fields: "counts.handled" });
  const { kpis } = await wall.session.get<{ kpis: KpiRecord[] }>(`/api/v1/kpis?${asked}`);
  const start = kpis[0]?.window.start;
  return start ? Date.parse(start) : undefined;
}

/** The shortest interval of at most an hour; empty without one. */
function finest(windows: string[]): string {
  const seconds = (name: string) => {
    const parts = /^per_(\d+)(s|m|h)$/.exec(name);
    return parts ? Number(parts[1]) * { s: 1, m: 60, h: 3600 }[parts[2] as "s" | "m" | "h"] : Number.POSITIVE_INFINITY;
  };
  const fit = windows.filter((name) => seconds(name) <= 3600);
  return fit.sort((a, b) => seconds(a) - seconds(b))[0] ?? "";
}

/** Does it again and again until it is over, each time after as many ms as it says. What fails is tried again soon. */
function repeated(work: (isOver: () => boolean) => Promise<number>): () => void {
  let over = false;
  let timer = 0;
  const turn = async () => {
    const wait = await work(() => over).catch(() => WHOLE_EVERY_MS);
    if (!over) timer = window.setTimeout(() => void turn(), wait);
  };
  void turn();
  return () => {
    over = true;
    clearTimeout(timer);
  };
}
