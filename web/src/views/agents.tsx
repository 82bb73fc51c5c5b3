// The table of agents: by state and name unless sorted, since a wall is no place to rank people.
import { useRef } from "preact/hooks";
import { NONE } from "../i18n.ts";
import { STATES } from "../model.ts";
import { go } from "../route.ts";
import type { Entity } from "../store.ts";
import { entities, useWall } from "../wall.ts";
import { Alarm } from "../parts/alarm.tsx";
import { Filter, matching, useRanks } from "../parts/filter.tsx";
import { Grid, type Column } from "../parts/grid.tsx";
import { Icon, STATE_ICON } from "../parts/icons.tsx";
import { countColumn, kpiColumn } from "./queues.tsx";

const ORDER = new Map<string, number>(STATES.map((state, place) => [state, place]));

export function Agents() {
  const wall = useWall();
  const { lang, route, now } = wall;
  const all = entities(wall, "agent");
  const ranks = useRanks(all);
  const enter = useRef(() => {});
  const state = (row: Entity) => row.state ?? "logged_out";
  const by = new Map<string, number>();
  for (const row of all) by.set(state(row), (by.get(state(row)) ?? 0) + 1);
  const ofState = all.filter((row) => (route.state ? state(row) === route.state : state(row) !== "logged_out"));
  const rows = matching(ofState, route.filter);
  const order = (a: Entity, b: Entity) =>
    (ORDER.get(state(a)) ?? 9) - (ORDER.get(state(b)) ?? 9) || (ranks.get(a.key) ?? 0) - (ranks.get(b.key) ?? 0);
  const columns: Column<Entity>[] = [
    {
      id: "name",
      title: lang.t("column.agent"),
      isWords: true,
      by: (row) => ranks.get(row.key),
      cell: (row) => (
        <>
          <bdi>{row.title}</bdi>
          <Alarm of={row} />
        </>
      ),
    },
    {
      id: "state",
      title: lang.t("column.state"),
      isWords: true,
      by: (row) => ORDER.get(state(row)),
      className: (row) => `state ${state(row)}`,
      cell: (row) => (
        <>
          <Icon name={STATE_ICON[state(row)]!} />
          <span>{lang.maybe(`state.${state(row)}`)}</span>
        </>
      ),
    },
    {
      id: "since",
      title: lang.t("column.since"),
      by: (row) => (row.since === undefined ? null : now - row.since),
      cell: (row) => <Since row={row} now={now} />,
    },
    countColumn(wall, "handled"),
    kpiColumn(wall, "average_handle_time"),
    kpiColumn(wall, "average_hold_time"),
    kpiColumn(wall, "average_wrapup_time"),
    kpiColumn(wall, "occupancy"),
    kpiColumn(wall, "contacts_per_hour"),
    kpiColumn(wall, "agent_answer_rate"),
  ];
  const loggedIn = all.length - (by.get("logged_out") ?? 0);
  return (
    <div class="list">
      <h1 class="hidden">{lang.t("view.agents")}</h1>
      <Filter shown={rows.length} all={all.length} enter={enter}>
        <div class="chips" role="group" aria-label={lang.t("column.state")}>
          {["", ...STATES].map((one) => (
            <button
              key={one}
              type="button"
              class={`chip ${one}`}
              aria-pressed={route.state === one}
              onClick={() => go({ state: one }, "replace")}
            >
              {one && <Icon name={STATE_ICON[one]!} />}
              <span>{one ? lang.maybe(`state.${one}`) : lang.t("state.all")}</span>
              <data value={one ? (by.get(one) ?? 0) : loggedIn}>{lang.number(one ? (by.get(one) ?? 0) : loggedIn)}</data>
            </button>
          ))}
        </div>
      </Filter>
      <Grid
        label={lang.t("view.agents")}
        rows={rows}
        columns={columns}
        lead={(row) => ({ view: "entity", kind: "agent", id: row.id })}
        order={order}
        empty={lang.t("empty.agents")}
        enter={enter}
      />
    </div>
  );
}

/** For how long an agent is in the state; "at least" where the page did not see it begin. */
export function Since({ row, now }: { row: Entity; now: number }) {
  const { lang } = useWall();
  if (row.since === undefined || row.state === undefined || row.state === "logged_out") return <>{NONE}</>;
  const time = lang.duration(Math.max(0, Math.floor((now - row.since) / 1000)));
  if (!row.atLeast) return <bdi>{time}</bdi>;
  return (
    <bdi title={lang.t("at_least", { time })}>
      <span class="hidden">{lang.t("at_least", { time: "" })}</span>
      <span aria-hidden="true">≥ </span>
      {time}
    </bdi>
  );
}
