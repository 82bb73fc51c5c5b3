// The table of queues: sorted, filtered, the worst first unless said.
import { useRef } from "preact/hooks";
import { judge, judgeWait, longestWait, worst, type Severity } from "../judge.ts";
import { count } from "../model.ts";
import type { Entity } from "../store.ts";
import { calm, kpiTitle, queues, useWall, type Wall } from "../wall.ts";
import { NONE } from "../i18n.ts";
import { Alarm } from "../parts/alarm.tsx";
import { Filter, matching, useRanks } from "../parts/filter.tsx";
import { Grid, type Column } from "../parts/grid.tsx";
import { Icon, SEVERITY_ICON } from "../parts/icons.tsx";

const KPI_COLUMNS = [
  "service_level", "abandonment_rate", "average_speed_of_answer", "average_handle_time", "occupancy",
];

export function Queues() {
  const wall = useWall();
  const { lang, route } = wall;
  const all = queues(wall);
  const ranks = useRanks(all);
  const enter = useRef(() => {});
  const rows = matching(all, route.filter);
  // One judgement for each row and drawing, however often the sort asks.
  const places = new Map(rows.map((row) => [row.key, calm.of(row.key, worst(row, wall.now), wall.now)]));
  const order = (a: Entity, b: Entity) =>
    (places.get(b.key) ?? 0) - (places.get(a.key) ?? 0) || (ranks.get(a.key) ?? 0) - (ranks.get(b.key) ?? 0);
  return (
    <div class="list">
      <h1 class="hidden">{lang.t("view.queues")}</h1>
      <Filter shown={rows.length} all={all.length} enter={enter} />
      <Grid
        label={lang.t("view.queues")}
        rows={rows}
        columns={[nameColumn(wall, ranks), ...columnsOf(wall)]}
        lead={(row) => ({ view: "entity", kind: row.kind, id: row.id })}
        order={order}
        empty={lang.t("empty.queues")}
        enter={enter}
      />
    </div>
  );
}

function nameColumn(wall: Wall, ranks: Map<string, number>): Column<Entity> {
  const severity = (row: Entity) => worst(row, wall.now);
  return {
    id: "name",
    title: wall.lang.t("column.queue"),
    isWords: true,
    by: (row) => ranks.get(row.key),
    className: (row) => `s${severity(row)}`,
    cell: (row) => (
      <>
        <Icon name={SEVERITY_ICON[severity(row)]} />
        {severity(row) !== 0 && <span class="hidden">{wall.lang.t(`severity.${severity(row)}`)}</span>}
        <bdi>{row.title}</bdi>
        <Alarm of={row} />
      </>
    ),
  };
}

function columnsOf(wall: Wall): Column<Entity>[] {
  const { lang, now } = wall;
  const waiting: Column<Entity> = {
    id: "waiting",
    title: lang.t("count.waiting"),
    by: (row) => row.now?.now?.waiting,
    cell: (row) => number(wall, row.now?.now?.waiting),
  };
  const longest: Column<Entity> = {
    id: "longest_wait",
    title: lang.t("kpi.longest_wait_now"),
    by: (row) => (row.now?.now?.waiting ? longestWait(row, now) : null),
    className: (row) => `s${judgeWait(row, now)}`,
    cell: (row) => (
      <Marked severity={judgeWait(row, now)}>
        {row.now?.now?.waiting ? lang.duration(Math.floor(longestWait(row, now))) : NONE}
      </Marked>
    ),
  };
  const kpis = KPI_COLUMNS.map((id) => kpiColumn(wall, id));
  const counts = (["offered", "answered", "abandoned"] as const).map((name) => countColumn(wall, name));
  const available: Column<Entity> = {
    id: "available",
    title: lang.t("state.available"),
    by: (row) => row.now?.now?.agents?.available,
    cell: (row) => number(wall, row.now?.now?.agents?.available),
  };
  return [waiting, longest, ...kpis, ...counts, available];
}

export function kpiColumn(wall: Wall, id: string): Column<Entity> {
  const kpi = (row: Entity) => row.recent?.kpis?.[id];
  return {
    id,
    title: kpiTitle(wall, id),
    by: (row) => kpi(row)?.value,
    className: (row) => `s${judge(kpi(row))}`,
    cell: (row) => {
      const have = kpi(row);
      return (
        <Marked severity={judge(have)}>
          {have && have.value !== null ? <data value={String(have.value)}>{wall.lang.value(have.value, have.unit)}</data> : NONE}
        </Marked>
      );
    },
  };
}

export function countColumn(wall: Wall, name: "offered" | "answered" | "abandoned" | "handled"): Column<Entity> {
  return {
    id: name,
    title: wall.lang.t(`count.${name}`),
    by: (row) => count(row.recent, name),
    cell: (row) => number(wall, count(row.recent, name)),
  };
}

function number(wall: Wall, value: number | undefined) {
  return value === undefined ? NONE : <data value={String(value)}>{wall.lang.number(value)}</data>;
}

/** A number with the sign of its severity beside it. */
function Marked({ severity, children }: { severity: Severity; children: preact.ComponentChildren }) {
  const { lang } = useWall();
  return (
    <>
      {severity !== 0 && (
        <>
          <Icon name={SEVERITY_ICON[severity]} />
          <span class="hidden">{lang.t(`severity.${severity}`)}</span>
        </>
      )}
      {children}
    </>
  );
}
