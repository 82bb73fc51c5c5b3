// What needs attention: every number that is not as wanted, the worst first, and what is wrong with the data itself.
import { longestWait, misses, type Miss } from "../judge.ts";
import { NONE } from "../i18n.ts";
import { kpiTitle, queues, useWall, type Wall } from "../wall.ts";
import { Aim, Status } from "../parts/tile.tsx";
import { Icon, SEVERITY_ICON } from "../parts/icons.tsx";
import { Link } from "../parts/link.tsx";

/** So many are shown; a wall on which everything is wrong needs no list. */
const SHOWN_MAX = 100;

export function found(wall: Wall): Miss[] {
  const all = queues(wall).flatMap((queue) => misses(queue, wall.now));
  const { collator } = wall.lang;
  return all.sort((a, b) => b.severity - a.severity || collator.compare(a.entity.title, b.entity.title));
}

export function Attention() {
  const wall = useWall();
  const { lang } = wall;
  const all = found(wall);
  const { silent, trouble } = wall.session.freshness();
  const n = all.length + silent.length;
  const isKnown = trouble !== "connecting";
  const none = lang.t(isKnown ? "attention.none" : "attention.unknown");
  return (
    <div class="attention">
      <h1 aria-live="polite">{n === 0 ? none : lang.many("attention", n)}</h1>
      {n === 0 && isKnown && <p>{lang.t("attention.none.text")}</p>}
      <ul>
        {silent.map((name) => (
          <li key={`silent ${name}`} class="row s1">
            <Icon name="triangle" />
            <strong class="where">{lang.t("trouble.silent")}</strong>
            <bdi class="what">{name}</bdi>
          </li>
        ))}
        {all.slice(0, SHOWN_MAX).map((miss) => (
          <Row key={`${miss.entity.key}|${miss.what}`} miss={miss} />
        ))}
      </ul>
      {SHOWN_MAX < all.length && (
        <p>{lang.t("shown", { a: lang.number(SHOWN_MAX), b: lang.number(all.length) })}</p>
      )}
    </div>
  );
}

function Row({ miss }: { miss: Miss }) {
  const wall = useWall();
  const { lang, now } = wall;
  const { entity, kpi, severity, what } = miss;
  const threshold = entity.recent?.kpis?.service_level?.threshold_s;
  return (
    <li class={`row s${severity}`} data-entity={entity.key} data-kpi={what}>
      <Icon name={SEVERITY_ICON[severity]} />
      <Link class="where" to={{ view: "entity", kind: entity.kind, id: entity.id }}>
        <bdi>{entity.title}</bdi>
      </Link>
      <span class="what">{kpiTitle(wall, what)}</span>
      <span class="figure">{kpi ? lang.value(kpi.value, kpi.unit) : lang.duration(Math.floor(longestWait(entity, now)))}</span>
      {kpi ? (
        <Aim kpi={kpi} />
      ) : (
        <p class="aim">{threshold === undefined ? NONE : lang.t("threshold", { time: lang.duration(threshold) })}</p>
      )}
      <Status severity={severity}>{lang.t(kpi ? `severity.${severity}` : `wait.${severity}`)}</Status>
    </li>
  );
}
