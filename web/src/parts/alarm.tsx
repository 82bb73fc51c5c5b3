// The alarm: how many alerts fire, with the sign of the gravest.
import { gravest } from "../alerts.ts";
import type { Alert } from "../model.ts";
import type { Entity } from "../store.ts";
import { useWall } from "../wall.ts";
import { ALERT_ICON, Icon, toneOf } from "./icons.tsx";

/** Of everything shown, also when there is none. */
export function Count({ inWords = false }: { inWords?: boolean }) {
  const { lang, session } = useWall();
  const firing = session.alerts.firing();
  const worst = gravest(firing);
  if (!session.alerts.isKnown) return null;
  return (
    <span class={`alarm ${worst ? toneOf(worst) : "calm"}`} data-alerts={firing.length}>
      <Icon name={worst ? ALERT_ICON[worst] : "check"} />
      {inWords ? (
        <span>{firing.length === 0 ? lang.t("alerts.none") : lang.many("alerts", firing.length)}</span>
      ) : (
        <data value={firing.length}>{lang.number(firing.length)}</data>
      )}
    </span>
  );
}

/** Of one entity; nothing while none fires. */
export function Alarm({ of }: { of: Entity }) {
  const { lang, session } = useWall();
  const firing: Alert[] = session.alerts.of(of.key);
  const worst = gravest(firing);
  if (!worst) return null;
  return (
    <span class={`alarm ${toneOf(worst)}`} data-alerts={firing.length} title={firing.map((alert) => alert.title).join("\n")}>
      <Icon name="bell" />
      <Icon name={ALERT_ICON[worst]} />
      <span class="hidden">{lang.many("alerts", firing.length)}</span>
    </span>
  );
}
