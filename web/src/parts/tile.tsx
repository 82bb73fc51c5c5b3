// A tile: one number, large, with what is wanted of it and how it stands.
import type { ComponentChildren } from "preact";
import { NONE } from "../i18n.ts";
import { judge, type Severity } from "../judge.ts";
import type { Kpi } from "../model.ts";
import { kpiTitle, useWall } from "../wall.ts";
import { Icon, SEVERITY_ICON } from "./icons.tsx";

interface Props {
  /** Names it for whoever reads the page by program. */
  id: string;
  label: string;
  text: string;
  /** The exact number behind the text. */
  raw?: number | null;
  severity?: Severity;
  /** The severity in words. */
  status?: ComponentChildren;
  className?: string;
  children?: ComponentChildren;
}

export function Tile({ id, label, text, raw, severity = 0, status, className = "", children }: Props) {
  return (
    <section class={`tile s${severity} ${className}`} data-kpi={id}>
      <h2>{label}</h2>
      <p class="value" style={`--chars: ${Math.max(1, text.length)}`}>
        {raw === null || raw === undefined ? (
          <span class={text === NONE ? "none" : ""}>{text}</span>
        ) : (
          <data value={String(raw)}>{text}</data>
        )}
      </p>
      <div class="below">
        {children}
        {status}
      </div>
    </section>
  );
}

export function Status({ severity, children }: { severity: Severity; children: ComponentChildren }) {
  return (
    <p class={`status s${severity}`}>
      <Icon name={SEVERITY_ICON[severity]} />
      <span>{children}</span>
    </p>
  );
}

export interface KpiTileProps {
  id: string;
  kpi: Kpi | undefined;
  className?: string;
  /** What stands there for a KPI without a target. */
  otherwise?: ComponentChildren;
  children?: ComponentChildren;
}

/** A KPI with its target. */
export function KpiTile({ id, kpi, className, otherwise, children }: KpiTileProps) {
  const wall = useWall();
  const { lang } = wall;
  const severity = judge(kpi);
  const unit = kpi?.unit;
  const hasTarget = kpi?.target !== undefined;
  return (
    <Tile
      id={id}
      label={kpiTitle(wall, id)}
      text={kpi ? lang.value(kpi.value, unit) : NONE}
      raw={kpi?.value}
      severity={severity}
      className={className}
      status={
        hasTarget && kpi.value !== null ? (
          <Status severity={severity}>{lang.t(`severity.${severity}`)}</Status>
        ) : kpi && kpi.value === null ? (
          <p class="status">{lang.t("no_value")}</p>
        ) : (
          otherwise
        )
      }
    >
      {hasTarget && <Aim kpi={kpi} />}
      {children}
    </Tile>
  );
}

/** The target and the distance to it. */
export function Aim({ kpi }: { kpi: Kpi }) {
  const { lang } = useWall();
  return (
    <p class="aim">
      <bdi>{lang.t("target", { value: lang.value(kpi.target, kpi.unit) })}</bdi>
      {kpi.value !== null && (
        <>
          {" · "}
          <bdi>{distance(lang, kpi)}</bdi>
        </>
      )}
    </p>
  );
}

function distance(lang: ReturnType<typeof useWall>["lang"], kpi: Kpi): string {
  const by = kpi.value! - kpi.target!;
  const isRatio = kpi.unit === undefined;
  const size = isRatio
    ? lang.t("points", { n: lang.rate(Math.abs(by) * 100) })
    : kpi.unit === "s"
      ? lang.duration(Math.abs(by))
      : lang.rate(Math.abs(by));
  if (by === 0) return lang.t("target.met");
  return lang.t(by < 0 ? "target.below" : "target.above", { distance: size });
}

/** A share as a bar, with a mark where the target is. */
export function Bar({ kpi }: { kpi: Kpi }) {
  return (
    <svg class="gauge" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" width="100" height="6" />
      <rect class="fill" width={(kpi.value ?? 0) * 100} height="6" />
      {kpi.target !== undefined && <rect class="mark" x={kpi.target * 100 - 0.4} width="0.8" height="6" />}
    </svg>
  );
}
