// The overview: the hero numbers of a group, and its parts as cards, those that need somebody first.
import { NONE } from "../i18n.ts";
import { judge, judgeWait, longestWait, misses, worst } from "../judge.ts";
import type { Entity } from "../store.ts";
import { calm, entity, group, groups, kpiTitle, queues, title, useWall } from "../wall.ts";
import { Alarm } from "../parts/alarm.tsx";
import { Icon, SEVERITY_ICON } from "../parts/icons.tsx";
import { Link } from "../parts/link.tsx";
import { Heroes } from "./hero.tsx";

/** More cards than this are read by nobody from across a room; the table has all. */
const CARDS_MAX = 12;

export function Board() {
  const wall = useWall();
  const { lang } = wall;
  const chosen = group(wall);
  const under = queues(wall);
  const whole = chosen ? entity(wall, "team", chosen.id) : entity(wall, "tenant", wall.tenant);
  const teams = chosen ? [] : groups(wall).map((team) => entity(wall, "team", team.id));
  const ranked = under.map((queue) => ({ queue, worst: calm.of(queue.key, worst(queue, wall.now), wall.now) }));
  ranked.sort((a, b) => b.worst - a.worst || lang.collator.compare(a.queue.title, b.queue.title));
  const known = teams.filter((team) => team !== undefined);
  const room = Math.max(4, CARDS_MAX - known.length);
  const rest = ranked.length - room;
  const cards = known.length + Math.min(ranked.length, room);
  // One row of a few, else two.
  const across = cards <= 5 ? cards : Math.ceil(cards / 2);
  return (
    <div class="board">
      <h1 class="hidden">{chosen?.title ?? lang.t("group.all")}</h1>
      <Heroes of={whole} queues={under} />
      <ul class="cards" style={{ "--across": across }}>
        {known.map((team) => (
          <Card key={team.key} of={team} isGroup />
        ))}
        {ranked.slice(0, room).map(({ queue }) => (
          <Card key={queue.key} of={queue} />
        ))}
      </ul>
      {0 < rest && (
        <p class="more">
          <Link to={{ view: "queues" }}>{lang.many("more", rest)}</Link>
        </p>
      )}
    </div>
  );
}

function Card({ of, isGroup = false }: { of: Entity; isGroup?: boolean }) {
  const wall = useWall();
  const severity = worst(of, wall.now);
  const { lang } = wall;
  const now = of.now?.now;
  const level = of.recent?.kpis?.service_level;
  const levelSeverity = judge(level);
  const waitSeverity = judgeWait(of, wall.now);
  const waiting = now?.waiting ?? 0;
  // What the two figures above do not show already.
  const other = misses(of, wall.now).find(({ what }) => what !== "service_level" && what !== "longest_wait_now");
  return (
    <li class={`card s${severity} ${isGroup ? "group" : ""}`} data-entity={of.key}>
      <Link to={isGroup ? { group: of.id } : { view: "entity", kind: of.kind, id: of.id }}>
        <span class="name">
          <Icon name={SEVERITY_ICON[severity]} />
          <bdi>{title(wall, of)}</bdi>
          {severity !== 0 && <span class="hidden">{lang.t(`severity.${severity}`)}</span>}
          <Alarm of={of} />
        </span>
        <span class={`figure s${levelSeverity}`}>
          <span class="label">{lang.t("kpi.service_level")}</span>
          <data value={String(level?.value ?? "")} data-kpi="service_level">
            {level ? lang.value(level.value, level.unit) : NONE}
          </data>
          <span class="small">{level?.target !== undefined && lang.t("target", { value: lang.value(level.target, level.unit) })}</span>
        </span>
        <span class={`figure s${waitSeverity}`}>
          <span class="label">{lang.t("count.waiting")}</span>
          <data value={String(waiting)} data-kpi="waiting">
            {now ? lang.number(waiting) : NONE}
          </data>
          <span class="small wait">{0 < waiting ? lang.duration(Math.floor(longestWait(of, wall.now))) : ""}</span>
        </span>
        <span class={`reason s${other?.severity ?? 0}`}>
          {other?.kpi && (
            <>
              <span>{kpiTitle(wall, other.what)}</span>
              <bdi>{lang.value(other.kpi.value, other.kpi.unit)}</bdi>
            </>
          )}
        </span>
      </Link>
    </li>
  );
}
