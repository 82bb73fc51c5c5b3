// The banner: says, unmistakably, when the numbers are not of now, and what the address asks for in vain.
import { useEffect } from "preact/hooks";
import { forgetStrays, useStrays } from "../route.ts";
import { useWall } from "../wall.ts";
import { Icon } from "./icons.tsx";

export function Banner() {
  const { session, lang } = useWall();
  const { trouble, asOf, ageMs, silent } = session.freshness();
  const away = session.away;
  const retry = away ? Math.max(0, (away.retryAt - performance.now()) / 1000) : 0;
  return (
    <>
      {trouble && (
        <div class={`banner ${trouble}`} role="alert">
          <Icon name={trouble === "behind" || trouble === "connecting" ? "triangle" : "broken"} />
          <strong>{lang.t(`trouble.${trouble}`)}</strong>
          <span>
            {asOf !== null && trouble !== "connecting" && (
              <>
                {lang.t("fresh.as_of", { time: lang.time(asOf) })}
                {ageMs !== null && <> · {lang.t("fresh.age", { length: lang.length(ageMs / 1000) })}</>}.{" "}
              </>
            )}
            {lang.t(`trouble.${trouble}.text`)}
            {away?.detail && (
              <bdi>
                {" "}
                {away.detail[0]!.toUpperCase() + away.detail.slice(1)}.
              </bdi>
            )}
            {0.5 < retry && <> {lang.t("trouble.retry", { length: lang.length(Math.ceil(retry)) })}</>}
          </span>
        </div>
      )}
      {0 < silent.length && (
        <div class="banner silent" role="status">
          <Icon name="triangle" />
          <strong>{lang.t("trouble.silent")}</strong>
          <span>{lang.t("trouble.silent.text", { names: silent.join(", ") })}</span>
        </div>
      )}
    </>
  );
}

/** After this nobody needs to be told any more what an address asked for. */
const STRAYS_TOLD_MS = 60_000;

/** What the address asked for and is not there. */
export function Strays() {
  const { lang } = useWall();
  const strays = useStrays();
  useEffect(() => {
    if (strays.length === 0) return;
    const timer = setTimeout(forgetStrays, STRAYS_TOLD_MS);
    return () => clearTimeout(timer);
  }, [strays]);
  if (strays.length === 0) return null;
  return (
    <div class="banner strays" role="status">
      <Icon name="triangle" />
      <span>
        {lang.t("stray")}{" "}
        {strays.map((stray) => (
          <code key={stray} dir="ltr">
            {stray}
          </code>
        ))}
      </span>
      <button type="button" onClick={forgetStrays}>
        {lang.t("stray.close")}
      </button>
    </div>
  );
}

/** How old the numbers are, always in sight. */
export function Age() {
  const { session, lang } = useWall();
  const { trouble, asOf, ageMs } = session.freshness();
  return (
    <p class={`age ${trouble ?? "live"}`}>
      <Icon name={trouble ? (trouble === "behind" || trouble === "connecting" ? "triangle" : "broken") : "pulse"} />
      <strong>{trouble ? lang.t(`trouble.${trouble}`) : lang.t("fresh.live")}</strong>
      {asOf !== null && <bdi class="at">{lang.t("fresh.as_of", { time: lang.time(asOf) })}</bdi>}
      {ageMs !== null && <bdi class="old">{lang.t("fresh.age", { length: lang.length(ageMs / 1000) })}</bdi>}
    </p>
  );
}
