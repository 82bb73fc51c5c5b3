// The hero numbers of a queue, a group or the whole centre: six, the largest first.
import type { ComponentChildren } from "preact";
import { NONE } from "../i18n.ts";
import { judge, judgeAgents, judgeWait, longestWait } from "../judge.ts";
import type { Entity } from "../store.ts";
import { useWall } from "../wall.ts";
import { Icon, STATE_ICON } from "../parts/icons.tsx";
import { Bar, KpiTile, Status, Tile } from "../parts/tile.tsx";
import { STATES, count } from "../model.ts";

/** The queues under the entity, where it stands for several. */
export function Heroes({ of, queues }: { of: Entity | undefined; queues?: Entity[] }) {
  const wall = useWall();
  const { lang } = wall;
  const kpis = of?.recent?.kpis ?? {};
  const level = kpis.service_level;
  const missing = (id: string): ComponentChildren => {
    const concerned = (queues ?? []).filter((queue) => queue.recent?.kpis?.[id]?.target !== undefined);
    if (concerned.length === 0) return null;
    const n = concerned.filter((queue) => judge(queue.recent!.kpis![id])).length;
    return <Status severity={0 < n ? 1 : 0}>{0 < n ? lang.many("missing", n) : lang.t("missing.none")}</Status>;
  };
  const share = (part: number | undefined, whole: number | undefined) =>
    part === undefined || whole === undefined ? null : (
      <p class="aim">
        <bdi>{lang.t("of", { a: lang.number(part), b: lang.number(whole) })}</bdi>
      </p>
    );
  const abandonment = kpis.abandonment_rate;
  const speed = kpis.average_speed_of_answer;
  return (
    <div class="heroes">
      <KpiTile id="service_level" kpi={level} className="first">
        {level && <Bar kpi={level} />}
        {level && (
          <p class="aim">
            {level.threshold_s !== undefined && <bdi>{lang.t("within", { time: lang.duration(level.threshold_s) })}</bdi>}
            {level.denominator !== undefined && 0 < level.denominator && (
              <>
                {" · "}
                <bdi>{lang.t("of", { a: lang.number(level.numerator ?? 0), b: lang.number(level.denominator) })}</bdi>
              </>
            )}
          </p>
        )}
      </KpiTile>
      <Waits of={of} threshold={level?.threshold_s} />
      <KpiTile id="abandonment_rate" kpi={abandonment} otherwise={missing("abandonment_rate")}>
        {0 < (abandonment?.denominator ?? 0) && share(abandonment?.numerator, abandonment?.denominator)}
      </KpiTile>
      <KpiTile id="average_speed_of_answer" kpi={speed} otherwise={missing("average_speed_of_answer")}>
        <p class="aim">
          {lang.t("count.answered")} <bdi>{of ? lang.number(count(of.recent, "answered") ?? 0) : NONE}</bdi>
        </p>
      </KpiTile>
      <Agents of={of} />
    </div>
  );
}

/** How many wait, and how long the one that waits longest. */
function Waits({ of, threshold }: { of: Entity | undefined; threshold: number | undefined }) {
  const { lang, now: clock } = useWall();
  const now = of?.now?.now;
  const severity = of ? judgeWait(of, clock) : 0;
  const over = now?.over_threshold_waiting ?? 0;
  const time = threshold === undefined ? "" : lang.duration(threshold);
  const waiting = now?.waiting ?? 0;
  return (
    <>
      <Tile
        id="waiting"
        label={lang.t("count.waiting")}
        text={now ? lang.number(waiting) : NONE}
        raw={now?.waiting}
        severity={severity === 2 ? 1 : severity}
        status={
          now && threshold !== undefined ? (
            <Status severity={severity === 2 ? 1 : severity}>
              {0 < over ? lang.many("over", over, { time }) : lang.t("over.none", { time })}
            </Status>
          ) : null
        }
      />
      <Tile
        id="longest_wait"
        label={lang.t("kpi.longest_wait_now")}
        text={now && of && 0 < waiting ? lang.duration(Math.floor(longestWait(of, clock))) : NONE}
        severity={severity}
        status={
          now ? (
            <Status severity={severity}>{0 < waiting ? lang.t(`wait.${severity}`) : lang.t("nobody")}</Status>
          ) : null
        }
      />
    </>
  );
}

/** Agents by state, the available ones first. */
function Agents({ of }: { of: Entity | undefined }) {
  const { lang } = useWall();
  const now = of?.now?.now;
  const agents = now?.agents;
  const severity = of ? judgeAgents(of) : 0;
  const all = now?.agents_logged_in ?? 0;
  return (
    <Tile
      id="agents_available"
      className="agents"
      label={lang.t("state.available")}
      text={agents ? lang.number(agents.available ?? 0) : NONE}
      raw={agents?.available}
      severity={severity}
      status={severity ? <Status severity={severity}>{lang.t(`staff.${severity}`)}</Status> : null}
    >
      {agents && (
        <ul class="states">
          {STATES.filter((state) => state !== "logged_out").map((state) => (
            <li key={state} class={state}>
              <Icon name={STATE_ICON[state]!} />
              <span>{lang.t(`state.${state}`)}</span>
              <data value={agents[state] ?? 0}>{lang.number(agents[state] ?? 0)}</data>
            </li>
          ))}
          <li class="sum">
            <span>{lang.t("count.logged_in")}</span>
            <data value={all}>{lang.number(all)}</data>
          </li>
        </ul>
      )}
    </Tile>
  );
}
