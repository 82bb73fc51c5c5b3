// A curve of the day: one number by interval, with its target. Time runs from left to right in every language.
import { useWall } from "../wall.ts";

export interface Point {
  /** The interval, ms. */
  start: number;
  end: number;
  value: number | null;
}

interface Props {
  id: string;
  title: string;
  points: Point[];
  from: number;
  to: number;
  /** A share is drawn over 0 to 1; everything else from 0 to its highest. */
  isRatio: boolean;
  target?: number;
  show: (value: number) => string;
  /** Bars where the number is a sum; `part` is the lower part of each, by place. */
  bars?: boolean;
  part?: (number | null)[];
}

const WIDTH = 600;
const HEIGHT = 120;

export function Curve({ id, title, points, from, to, isRatio, target, show, bars = false, part }: Props) {
  const { lang } = useWall();
  const values = points.map((point) => point.value).filter((value) => value !== null);
  const high = isRatio ? 1 : Math.max(1e-9, target ?? 0, ...values) * 1.1;
  // The interval that is open reaches beyond now.
  const x = (at: number) => ((Math.min(at, to) - from) / (to - from)) * WIDTH;
  const y = (value: number) => HEIGHT - (Math.min(value, high) / high) * HEIGHT;
  const last = values.at(-1);
  const words =
    last === undefined
      ? `${title}: –`
      : lang.t("entity.curve", { title, last: show(last), min: show(Math.min(...values)), max: show(Math.max(...values)) });
  return (
    <figure class="curve" data-curve={id}>
      <figcaption>
        <span>{title}</span>
        <strong>{last === undefined ? "–" : show(last)}</strong>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={words}>
        <line class="ground" x1="0" x2={WIDTH} y1={HEIGHT} y2={HEIGHT} />
        {target !== undefined && <line class="target" x1="0" x2={WIDTH} y1={y(target)} y2={y(target)} />}
        {bars
          ? points.map((point, place) => {
              const width = Math.max(1, x(point.end) - x(point.start) - 1);
              const lower = part?.[place] ?? null;
              return (
                <g key={point.start}>
                  {point.value !== null && (
                    <rect class={part ? "whole" : "part"} x={x(point.start)} width={width} y={y(point.value)} height={HEIGHT - y(point.value)} />
                  )}
                  {lower !== null && (
                    <rect class="part" x={x(point.start)} width={width} y={y(lower)} height={HEIGHT - y(lower)} />
                  )}
                </g>
              );
            })
          : runs(points).map((run) => (
              <path
                key={run[0]!.start}
                class="line"
                d={run.map((one, place) => `${place ? "L" : "M"}${middle(one, x)} ${y(one.value!)}`).join("") + (run.length === 1 ? "h2" : "")}
              />
            ))}
      </svg>
      <div class="hours" aria-hidden="true">
        <span>{lang.hour(from)}</span>
        <span>{lang.hour((from + to) / 2)}</span>
        <span>{lang.hour(to)}</span>
      </div>
    </figure>
  );
}

function middle(point: Point, x: (at: number) => number): number {
  return (x(point.start) + x(point.end)) / 2;
}

/** Stretches without a hole: an interval without a value is no zero. */
function runs(points: Point[]): Point[][] {
  const runs: Point[][] = [];
  let run: Point[] = [];
  for (const point of points) {
    if (point.value === null || (0 < run.length && run.at(-1)!.end !== point.start)) {
      if (0 < run.length) runs.push(run);
      run = [];
    }
    if (point.value !== null) run.push(point);
  }
  if (0 < run.length) runs.push(run);
  return runs;
}
