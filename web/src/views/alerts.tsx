// Alerts: what fires now, the most urgent first, and below it what resolved of late.
import { NONE } from "../i18n.ts";
import type { Alert } from "../model.ts";
import { ALERT_ICON, Icon, toneOf } from "../parts/icons.tsx";
import { Link } from "../parts/link.tsx";
import { numberTitle, numberUnit, useWall } from "../wall.ts";

/** So many of each are shown; longer lists are for the API. */
const SHOWN_MAX = 100;
/** Kinds that have a view of their own. */
const VIEWED = ["queue", "team", "agent", "tenant"];

export function AlertsView() {
  const wall = useWall();
  const { lang, session, now } = wall;
  const firing = session.alerts.firing();
  const resolved = session.alerts.resolved(now);
  const heading = !session.alerts.isKnown
    ? lang.t("alerts.unknown")
    : firing.length === 0
      ? lang.t("alerts.none")
      : lang.many("alerts", firing.length);
  return (
    <div class="alerts">
      <h1 aria-live="polite">{heading}</h1>
      <Firing alerts={firing} />
      <h2>{lang.t("alerts.resolved")}</h2>
      {resolved.length === 0 && session.alerts.isKnown && <p class="note">{lang.t("alerts.resolved.none")}</p>}
      <ul>
        {resolved.slice(0, SHOWN_MAX).map((alert) => (
          <Row key={`${alert.alert_id}|${alert.entity.id}`} alert={alert} />
        ))}
      </ul>
      <Rest all={resolved.length} />
    </div>
  );
}

/** What fires, a row each. */
export function Firing({ alerts }: { alerts: Alert[] }) {
  return (
    <>
      <ul>
        {alerts.slice(0, SHOWN_MAX).map((alert) => (
          <Row key={`${alert.alert_id}|${alert.entity.id}`} alert={alert} />
        ))}
      </ul>
      <Rest all={alerts.length} />
    </>
  );
}

function Rest({ all }: { all: number }) {
  const { lang } = useWall();
  return SHOWN_MAX < all ? <p>{lang.t("shown", { a: lang.number(SHOWN_MAX), b: lang.number(all) })}</p> : null;
}

function Row({ alert }: { alert: Alert }) {
  const { lang } = useWall();
  const isFiring = alert.state === "firing";
  return (
    <li
      class={`alert ${isFiring ? toneOf(alert.severity) : "over"}`}
      data-alert={alert.rule}
      data-entity={`${alert.entity.kind}|${alert.entity.id}`}
      data-state={alert.state}
    >
      <Icon name={isFiring ? ALERT_ICON[alert.severity] : "check"} />
      <div class="story">
        <strong>
          <bdi>{alert.title}</bdi>
        </strong>
        <p class="note">
          <Where alert={alert} /> · <bdi>{alert.rule}</bdi>
        </p>
      </div>
      <Figure alert={alert} />
      <Times alert={alert} />
      <div class="ends">
        <span class="severity">{lang.maybe(`alert.severity.${alert.severity}`) ?? alert.severity}</span>
        <Outside to={alert.runbook_url} text={lang.t("alert.runbook")} />
        <Outside to={alert.panel_url} text={lang.t("alert.panel")} />
      </div>
    </li>
  );
}

function Where({ alert }: { alert: Alert }) {
  const { lang, tenant } = useWall();
  const { kind, id, title } = alert.entity;
  if (VIEWED.includes(kind)) {
    return (
      <Link to={{ view: "entity", kind, id, ...(alert.tenant === tenant ? {} : { tenant: alert.tenant }) }}>
        <bdi>{title ?? id}</bdi>
      </Link>
    );
  }
  return (
    <>
      {lang.t("alert.engine")} · <bdi>{title ?? id}</bdi>
    </>
  );
}

/** The number as it was when it fired or resolved, with what it is counted from and its level. */
function Figure({ alert }: { alert: Alert }) {
  const wall = useWall();
  const { lang } = wall;
  const { kpi, measure, value, numerator, denominator, trigger, side, window } = alert;
  if (kpi === undefined) return <div class="figures" />;
  const unit = measure === undefined || measure === "forecast" ? numberUnit(wall, kpi) : "times";
  const isShare = unit === "ratio" && numerator !== undefined && denominator !== undefined;
  const name = numberTitle(wall, kpi);
  return (
    <div class="figures">
      <p>
        {lang.maybe(`measure.${measure}`, { kpi: name }) ?? name}{" "}
        {value === null || value === undefined ? (
          NONE
        ) : (
          <data value={String(value)}>{lang.value(value, unit)}</data>
        )}
      </p>
      <p class="note parts">
        {isShare && <bdi>{lang.t("of", { a: lang.number(numerator!), b: lang.number(denominator!) })}</bdi>}
        {window && window !== "now" && <bdi>{lang.window(window)}</bdi>}
        {trigger !== undefined && (
          <bdi>{lang.t(side === "below" ? "alert.below" : "alert.above", { value: lang.value(trigger, unit) })}</bdi>
        )}
      </p>
      {measure !== undefined && (
        <p class="note">
          <bdi>{alert.text}</bdi>
        </p>
      )}
    </div>
  );
}

function Times({ alert }: { alert: Alert }) {
  const { lang, now } = useWall();
  const since = Date.parse(alert.since);
  if (alert.state === "firing") {
    return (
      <div class="times">
        <p>{lang.t("alert.for", { length: lang.length(Math.max(0, now - since) / 1000) })}</p>
        <p class="note">{lang.t("alert.since", { time: lang.moment(since, now) })}</p>
      </div>
    );
  }
  const at = Date.parse(alert.resolved_at ?? alert.as_of);
  return (
    <div class="times">
      <p>{lang.maybe(`alert.reason.${alert.reason}`) ?? alert.reason}</p>
      <p class="note">
        {lang.t("alert.resolved", { time: lang.moment(at, now), length: lang.length(Math.max(0, at - since) / 1000) })}
      </p>
    </div>
  );
}

/** A link to elsewhere, as the rule names it; only to a page. */
function Outside({ to, text }: { to: string | undefined; text: string }) {
  const { lang } = useWall();
  if (!to || !isPage(to)) return null;
  return (
    <a href={to} target="_blank" rel="noopener noreferrer">
      {text}
      <span class="hidden"> ({lang.t("alert.new_tab")})</span>
    </a>
  );
}

function isPage(url: string): boolean {
  try {
    return ["http:", "https:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}
