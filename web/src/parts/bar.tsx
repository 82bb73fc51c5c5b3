// The bar on top: views, what is shown, language, colours, and how old it all is.
import { LANGUAGES } from "../i18n.ts";
import { go, THEMES, type Theme, type View } from "../route.ts";
import { found } from "../views/attention.tsx";
import { group, groups, useWall } from "../wall.ts";
import { Count } from "./alarm.tsx";
import { Age } from "./banner.tsx";
import { Icon } from "./icons.tsx";
import { Link } from "./link.tsx";

export const TABS: View[] = ["board", "queues", "agents", "attention", "alerts"];

export function Top({ onHelp }: { onHelp: () => void }) {
  const wall = useWall();
  const { lang, route, session, tenant, window } = wall;
  const count = found(wall).length + session.freshness().silent.length;
  if (route.kiosk) {
    return (
      <header class="top kiosk">
        <p class="place">
          <strong>
            <bdi>{group(wall)?.title ?? lang.t("group.all")}</bdi>
          </strong>
          <span>{lang.window(window)}</span>
        </p>
        <Count inWords />
        <Age />
      </header>
    );
  }
  const windows = (session.meta?.windows ?? []).filter((name) => name !== "now");
  return (
    <header class="top">
      <nav aria-label={lang.t("nav")}>
        {TABS.map((view) => (
          <Link key={view} to={{ view }} aria-current={route.view === view ? "page" : undefined}>
            {lang.t(`view.${view}`)}
            {view === "attention" && 0 < count && (
              <span class="count">
                <Icon name="triangle" />
                <data value={count}>{lang.number(count)}</data>
              </span>
            )}
            {view === "alerts" && <Count />}
          </Link>
        ))}
      </nav>
      <div class="selects">
        {session.tenants && 1 < session.tenants.length && (
          <Select
            id="tenant"
            label={lang.t("control.tenant")}
            value={tenant}
            options={session.tenants.map((name) => [name, name])}
            onChange={(tenant) => go({ tenant, group: "" })}
          />
        )}
        {0 < groups(wall).length && (
          <Select
            id="group"
            label={lang.t("control.group")}
            value={group(wall)?.id ?? ""}
            options={[["", lang.t("group.all")], ...groups(wall).map((one) => [one.id, one.title] as [string, string])]}
            onChange={(group) => go({ group })}
          />
        )}
        <Select
          id="window"
          label={lang.t("control.window")}
          value={window}
          options={windows.map((name) => [name, lang.window(name)])}
          onChange={(window) => go({ window })}
        />
        <Select
          id="lang"
          label={lang.t("control.language")}
          value={lang.tag}
          options={Object.entries(LANGUAGES).map(([tag, { name }]) => [tag, name])}
          langs
          onChange={(lang) => go({ lang }, "replace")}
        />
        <Select
          id="theme"
          label={lang.t("control.theme")}
          value={route.theme}
          options={THEMES.map((theme) => [theme, lang.t(`theme.${theme}`)])}
          onChange={(theme) => go({ theme: theme as Theme }, "replace")}
        />
        <button type="button" class="quiet" onClick={() => go({ kiosk: true })}>
          {lang.t("control.kiosk")}
        </button>
        <button type="button" class="quiet" onClick={onHelp}>
          {lang.t("control.help")} <kbd>?</kbd>
        </button>
      </div>
      <Age />
    </header>
  );
}

interface SelectProps {
  id: string;
  label: string;
  value: string;
  options: [string, string][];
  /** Whether each option is in the language it names. */
  langs?: boolean;
  onChange: (value: string) => void;
}

function Select({ id, label, value, options, langs = false, onChange }: SelectProps) {
  return (
    <label class="controls">
      <span>{label}</span>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([value, text]) => (
          <option key={value} value={value} lang={langs ? value : undefined}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
