// The filter of a list, and the order of its names.
import { useMemo } from "preact/hooks";
import type { ComponentChildren, RefObject } from "preact";
import type { Entity } from "../store.ts";
import { go } from "../route.ts";
import { useWall } from "../wall.ts";

interface Props {
  shown: number;
  all: number;
  /** Leads the keyboard to the first row. */
  enter: RefObject<() => void>;
  children?: ComponentChildren;
}

export function Filter({ shown, all, enter, children }: Props) {
  const { lang, route } = useWall();
  if (route.kiosk) return null;
  const leave = (event: KeyboardEvent) => {
    // What an input method is given makes words.
    if (event.isComposing || !["ArrowDown", "Enter"].includes(event.key)) return;
    event.preventDefault();
    enter.current?.();
  };
  return (
    <div class="filter">
      <label class="controls">
        <span>{lang.t("control.filter")}</span>
        <input
          id="filter"
          type="search"
          value={route.filter}
          onInput={(event) => go({ filter: event.currentTarget.value }, "replace")}
          onKeyDown={leave}
        />
      </label>
      {children}
      <p class="shown">{lang.t("shown", { a: lang.number(shown), b: lang.number(all) })}</p>
    </div>
  );
}

/** Those whose name or id holds the words, in any case. */
export function matching(rows: Entity[], filter: string): Entity[] {
  const words = filter.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const text = `${row.title} ${row.id}`.toLocaleLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** Each row's place among the names of the viewer's language, found once for as long as nobody comes or goes. */
export function useRanks(rows: Entity[]): Map<string, number> {
  const { lang, session, tenant, route } = useWall();
  return useMemo(() => {
    const sorted = [...rows].sort((a, b) => lang.collator.compare(a.title, b.title));
    return new Map(sorted.map((row, rank) => [row.key, rank]));
  }, [lang, session.store.membership, tenant, route.group, rows.length]);
}
