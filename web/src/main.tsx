// The wallboard: one page that shows the board of KPIs as it changes.
import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Language, pickLanguage } from "./i18n.ts";
import { useKeys } from "./keys.ts";
import { Banner, Strays } from "./parts/banner.tsx";
import { Top } from "./parts/bar.tsx";
import { Help, Token } from "./parts/dialogs.tsx";
import { go, refuse, useRoute, type Route } from "./route.ts";
import { Session } from "./session.ts";
import { useListeners } from "./subscribe.ts";
import { Agents } from "./views/agents.tsx";
import { AlertsView } from "./views/alerts.tsx";
import { Attention } from "./views/attention.tsx";
import { Board } from "./views/board.tsx";
import { EntityView } from "./views/entity.tsx";
import { Queues } from "./views/queues.tsx";
import { groups, WallProvider, type Wall } from "./wall.ts";

const session = new Session();
const VIEW = { board: Board, queues: Queues, agents: Agents, attention: Attention, alerts: AlertsView, entity: EntityView };

function App() {
  useListeners(session.listeners);
  const route = useRoute();
  const tag = pickLanguage(route.lang);
  const lang = useMemo(() => new Language(tag), [tag]);
  const [isHelp, setHelp] = useState(false);
  const wall: Wall = {
    session,
    lang,
    route,
    tenant: session.tenant(route.tenant),
    window: session.window(route.window),
    now: session.now(),
  };
  const needsAgents = route.view === "agents" || route.kind === "agent";
  useEffect(() => session.want(route.tenant, route.window, needsAgents), [route.tenant, route.window, needsAgents]);
  useSettings(wall);
  useTheme(route);
  useKeys(wall, { isOpen: isHelp, open: () => setHelp(true) });
  useRotation(wall);
  const { trouble } = session.freshness();
  useEffect(() => {
    document.documentElement.lang = lang.tag;
    document.documentElement.dir = lang.dir;
  }, [lang]);
  const firing = session.alerts.firing().length;
  const view = `${0 < firing ? `(${lang.number(firing)}) ` : ""}${lang.t(`view.${route.view}`)}`;
  const name = trouble ? `⚠ ${lang.t(`trouble.${trouble}`)}` : view;
  useEffect(() => void (document.title = `${name} – Callpulse`), [name]);
  if (session.token !== "fine") {
    return (
      <WallProvider value={wall}>
        <Token />
      </WallProvider>
    );
  }
  const View = VIEW[route.view];
  return (
    <WallProvider value={wall}>
      <Top onHelp={() => setHelp(true)} />
      <Banner />
      <Strays />
      <main class={trouble && trouble !== "connecting" ? "old" : ""} data-trouble={trouble ?? "none"}>
        <View key={`${route.view}|${route.kind}|${route.id}`} />
      </main>
      {isHelp && <Help onClose={() => setHelp(false)} />}
    </WallProvider>
  );
}

/** Has the address ask only for what there is, once that is known. */
function useSettings({ session: { meta, tenants }, route: { tenant, window, group } }: Wall): void {
  useEffect(() => {
    if (meta && window && (window === "now" || !meta.windows.includes(window))) refuse("window");
  }, [meta, window]);
  useEffect(() => {
    if (meta && group && !meta.groups.some((one) => one.id === group)) refuse("group");
  }, [meta, group]);
  useEffect(() => {
    if (tenants?.length && tenant && !tenants.includes(tenant)) refuse("tenant");
  }, [tenants, tenant]);
}

/** Dark or light as asked for, else as the system has it. */
function useTheme({ theme, kiosk }: Route): void {
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: light)");
    const apply = () => {
      document.documentElement.dataset.theme = theme === "auto" ? (system.matches ? "light" : "dark") : theme;
      document.documentElement.dataset.kiosk = kiosk ? "1" : "0";
    };
    apply();
    system.addEventListener("change", apply);
    return () => system.removeEventListener("change", apply);
  }, [theme, kiosk]);
}

/** Walks through the views asked for, and on the overview through all groups. */
function useRotation(wall: Wall): void {
  const { route } = wall;
  useEffect(() => {
    if (route.rotate === 0) return;
    const timer = setInterval(() => {
      const steps: Partial<Route>[] = route.views.flatMap<Partial<Route>>((view) =>
        view === "board" ? ["", ...groups(wall).map((one) => one.id)].map((group) => ({ view, group })) : [{ view, group: "" }],
      );
      const at = steps.findIndex((step) => step.view === route.view && step.group === route.group);
      const next = steps[(at + 1) % steps.length];
      if (next) go(next, "replace");
    }, route.rotate * 1000);
    return () => clearInterval(timer);
  }, [route.rotate, route.view, route.group, route.views.join()]);
}

render(<App />, document.getElementById("app")!);
