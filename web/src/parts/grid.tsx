// A grid: a table of any number of rows of which only those in view are in the page.
//
// It is a real table with real links and sorting buttons. While the keyboard is in its rows their order
// stands still, so that a row does not leave from under the focus; the numbers go on.
import { Component, type ComponentChildren, type RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { go, list, placeBefore, refuse, type Route } from "../route.ts";
import { useWall } from "../wall.ts";
import { Icon } from "./icons.tsx";
import { Link } from "./link.tsx";

export interface Column<Row> {
  id: string;
  title: string;
  /** What is sorted by; no value comes last in either direction. */
  by: (row: Row) => number | null | undefined;
  cell: (row: Row) => ComponentChildren;
  /** Words sort upwards first, numbers downwards. */
  isWords?: boolean;
  className?: (row: Row) => string;
}

interface Props<Row> {
  label: string;
  rows: Row[];
  /** The first is the row's name and leads to it. */
  columns: Column<Row>[];
  lead: (row: Row) => Partial<Route>;
  /** The order without a sorted column. */
  order: (a: Row, b: Row) => number;
  empty: string;
  /** Given what leads the keyboard to the first row. */
  enter: RefObject<() => void>;
}

/** Rows beyond the edges that are kept ready. */
const SPARE = 8;
/** A row's height, in rem. */
const ROW_REM = 2.5;

export function Grid<Row extends { key: string }>({ label, rows, columns, lead, order, empty, enter }: Props<Row>) {
  const { lang, route } = useWall();
  const scroller = useRef<HTMLDivElement>(null);
  const held = useRef<Map<string, number> | null>(null);
  const focusNext = useRef<number | null>(null);
  const before = useRef(placeBefore());
  const [seen, setSeen] = useState(() => ({ top: 0, height: 1000, rem: rem() }));

  useEffect(() => {
    const box = scroller.current!;
    const measure = () => setSeen({ top: box.scrollTop, height: box.clientHeight, rem: rem() });
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    box.addEventListener("scroll", measure, { passive: true });
    return () => {
      observer.disconnect();
      box.removeEventListener("scroll", measure);
    };
  }, []);

  // Scrolling alone sorts nothing.
  const sorted = useMemo(
    () => sort(rows, columns, route.sort, order, held.current),
    [rows, columns, route.sort, order, held.current],
  );
  const height = ROW_REM * seen.rem;
  const first = Math.max(0, Math.floor(seen.top / height) - SPARE);
  const last = Math.min(sorted.length, Math.ceil((seen.top + seen.height) / height) + SPARE);

  const isSorted = columns.some((column) => column.id === route.sort.replace("-", ""));
  useEffect(() => {
    if (route.sort && !isSorted) refuse("sort");
  }, [route.sort, isSorted]);

  // With the drawing and not after it: a list that is left at once would else tell its place when it is gone.
  useLayoutEffect(() => {
    list.place = () => {
      const row = document.activeElement?.closest<HTMLElement>("tr[data-row]");
      return { top: scroller.current!.scrollTop, row: row?.dataset.key };
    };
    return () => void (list.place = undefined);
  }, []);

  // Back where the list was left, once there is one again.
  useLayoutEffect(() => {
    const place = before.current;
    if (!place || sorted.length === 0) return;
    before.current = undefined;
    const row = sorted.findIndex((row) => row.key === place.row);
    scroller.current!.scrollTop = place.top;
    if (row !== -1) reach(row);
  });

  useLayoutEffect(() => {
    if (focusNext.current === null) return;
    const link = scroller.current!.querySelector<HTMLElement>(`tr[data-row="${focusNext.current}"] a`);
    if (!link) return;
    focusNext.current = null;
    link.focus({ preventScroll: true });
  });

  const hold = () => {
    held.current ??= new Map(sorted.map((row, place) => [row.key, place]));
  };
  const release = (event: FocusEvent) => {
    if (!(event.currentTarget as HTMLElement).contains(event.relatedTarget as Node | null)) held.current = null;
  };
  const move = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(seen.height / height) - 2);
    const steps: Record<string, number> = {
      ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -sorted.length, End: sorted.length,
    };
    const step = steps[event.key];
    if (step === undefined || sorted.length === 0) return;
    event.preventDefault();
    const row = (event.target as HTMLElement).closest("tr[data-row]") as HTMLElement | null;
    const from = row ? Number(row.dataset.row) : step < 0 ? 0 : -1;
    reach(Math.min(sorted.length - 1, Math.max(0, from + step)));
  };
  const reach = (row: number) => {
    focusNext.current = row;
    const box = scroller.current!;
    // The head covers the first row's height.
    const top = row * height;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (box.scrollTop + box.clientHeight < top + 2 * height) box.scrollTop = top + 2 * height - box.clientHeight;
    setSeen({ ...seen, top: box.scrollTop });
  };
  enter.current = () => {
    if (0 < sorted.length) reach(0);
  };

  return (
    <div class="grid" ref={scroller} role="region" aria-label={label} tabIndex={0} onKeyDown={move}>
      <table aria-rowcount={sorted.length + 1}>
        <caption class="hidden">{label}</caption>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column) => (
              <Head key={column.id} column={column} sort={route.sort} hint={lang.t("sort.by", { column: column.title })} />
            ))}
          </tr>
        </thead>
        <tbody onFocusIn={hold} onFocusOut={release}>
          {0 < first && <Space height={first * height} columns={columns.length} />}
          {sorted.slice(first, last).map((row, place) => (
            <Line key={row.key} row={row} place={first + place} columns={columns} lead={lead} />
          ))}
          {last < sorted.length && <Space height={(sorted.length - last) * height} columns={columns.length} />}
        </tbody>
      </table>
      {sorted.length === 0 && <p class="empty">{empty}</p>}
    </div>
  );
}

/** A rem in px. */
function rem(): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
}

interface LineProps<Row> {
  row: Row;
  place: number;
  columns: Column<Row>[];
  lead: (row: Row) => Partial<Route>;
}

/** One row. Columns are made anew with every drawing of the page, so that while they are the same, only scrolling goes on. */
class Line<Row extends { key: string }> extends Component<LineProps<Row>> {
  override shouldComponentUpdate({ row, place, columns }: LineProps<Row>): boolean {
    return row !== this.props.row || place !== this.props.place || columns !== this.props.columns;
  }

  override render({ row, place, columns, lead }: LineProps<Row>) {
    return (
      <tr data-row={place} data-key={row.key} aria-rowindex={place + 2}>
        {columns.map((column, at) =>
          at === 0 ? (
            <th scope="row" key={column.id} class={column.className?.(row)}>
              <Link to={lead(row)}>{column.cell(row)}</Link>
            </th>
          ) : (
            <td key={column.id} data-column={column.id} class={column.className?.(row)}>
              {column.cell(row)}
            </td>
          ),
        )}
      </tr>
    );
  }
}

/** Stands for rows out of view. */
function Space({ height, columns }: { height: number; columns: number }) {
  return (
    <tr class="space" aria-hidden="true">
      <td colSpan={columns} style={{ height: `${height}px` }} />
    </tr>
  );
}

interface HeadProps<Row> {
  column: Column<Row>;
  sort: string;
  hint: string;
}

function Head<Row>({ column, sort, hint }: HeadProps<Row>) {
  const direction = sort === column.id ? "ascending" : sort === `-${column.id}` ? "descending" : undefined;
  const [once, twice] = column.isWords ? [column.id, `-${column.id}`] : [`-${column.id}`, column.id];
  const next = sort === once ? twice : sort === twice ? "" : once;
  return (
    <th scope="col" aria-sort={direction} data-column={column.id}>
      <button type="button" title={hint} onClick={() => go({ sort: next }, "replace")}>
        <span>{column.title}</span>
        {direction && <Icon name={direction === "ascending" ? "up" : "down"} />}
      </button>
    </th>
  );
}

function sort<Row extends { key: string }>(
  rows: Row[],
  columns: Column<Row>[],
  by: string,
  order: (a: Row, b: Row) => number,
  held: Map<string, number> | null,
): Row[] {
  if (held) {
    const place = (row: Row) => held.get(row.key) ?? held.size;
    return [...rows].sort((a, b) => place(a) - place(b));
  }
  const down = by.startsWith("-");
  const column = columns.find((column) => column.id === (down ? by.slice(1) : by));
  if (!column) return [...rows].sort(order);
  const valued = rows.map((row) => ({ row, value: column.by(row) ?? null }));
  valued.sort((a, b) => {
    if (a.value === null || b.value === null) return a.value === b.value ? order(a.row, b.row) : a.value === null ? 1 : -1;
    return (down ? b.value - a.value : a.value - b.value) || order(a.row, b.row);
  });
  return valued.map(({ row }) => row);
}
