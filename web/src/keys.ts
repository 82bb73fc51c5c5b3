// Keys: single letters that lead to what the bar on top leads to, so that no mouse is needed.
import { useEffect } from "preact/hooks";
import { LANGUAGES } from "./i18n.ts";
import { back, go } from "./route.ts";
import { TABS } from "./parts/bar.tsx";
import { group, groups, type Wall } from "./wall.ts";

export function useKeys(wall: Wall, help: { isOpen: boolean; open: () => void }): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const isTyping = target.closest("input, select, textarea") !== null;
      if (event.ctrlKey || event.metaKey || event.altKey || help.isOpen || wall.session.token !== "fine") return;
      if (event.key === "Escape") {
        if (isTyping) target.blur();
        else if (wall.route.kiosk) go({ kiosk: false, rotate: 0 });
        else back();
        return;
      }
      if (isTyping || !wall.route.keys) return;
      const done = act(event.key, wall, help.open);
      if (done) event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
}

function act(key: string, wall: Wall, openHelp: () => void): boolean {
  const { route, session, lang, window } = wall;
  const tab = TABS[Number(key) - 1];
  if (tab) {
    go({ view: tab });
    return true;
  }
  switch (key) {
    case "/":
      document.getElementById("filter")?.focus();
      return true;
    case "g":
      go({ group: after(["", ...groups(wall).map((one) => one.id)], group(wall)?.id ?? "") });
      return true;
    case "w":
      go({ window: after((session.meta?.windows ?? []).filter((name) => name !== "now"), window) });
      return true;
    case "l":
      go({ lang: after(Object.keys(LANGUAGES), lang.tag) }, "replace");
      return true;
    case "t":
      go({ theme: document.documentElement.dataset.theme === "dark" ? "light" : "dark" }, "replace");
      return true;
    case "k":
      go({ kiosk: !route.kiosk });
      return true;
    case "?":
      openHelp();
      return true;
    default:
      return false;
  }
}

/** The one after it, round and round. */
function after<T>(all: T[], one: T): T | undefined {
  return all[(all.indexOf(one) + 1) % all.length];
}
