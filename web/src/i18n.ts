// The viewer's language: texts, direction and digits. One JSON file for each language in `lang/`.
import en from "./lang/en.json";
import fa from "./lang/fa.json";
import hu from "./lang/hu.json";
import zh from "./lang/zh-CN.json";

export type Texts = Record<keyof typeof en, string>;
export type TextId = keyof typeof en;

/** By tag, each named in its own language. */
export const LANGUAGES: Record<string, { name: string; dir: "ltr" | "rtl"; texts: Texts }> = {
  en: { name: "English", dir: "ltr", texts: en },
  fa: { name: "فارسی", dir: "rtl", texts: fa },
  hu: { name: "Magyar", dir: "ltr", texts: hu },
  "zh-CN": { name: "简体中文", dir: "ltr", texts: zh },
};

/** The language of a tag, whatever its region. */
export function languageOf(tag: string): string | undefined {
  const base = (tag: string) => tag.split("-")[0]!.toLowerCase();
  const tags = Object.keys(LANGUAGES);
  return tags.find((have) => have === tag) ?? tags.find((have) => base(have) === base(tag));
}

/** The language chosen, else the first of the browser's that there is, else English. */
export function pickLanguage(chosen: string): string {
  return chosen || (navigator.languages.map(languageOf).find((tag) => tag !== undefined) ?? "en");
}

/** What is not known or has no value. */
export const NONE = "–";

type Unit = "day" | "hour" | "minute" | "second";

/** The largest first, in seconds. */
const UNITS: [Unit, number][] = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** Texts and numbers in one language. */
export class Language {
  readonly dir: "ltr" | "rtl";
  readonly collator: Intl.Collator;
  private readonly texts: Texts;
  private readonly integer: Intl.NumberFormat;
  private readonly two: Intl.NumberFormat;
  private readonly decimal: Intl.NumberFormat;
  private readonly share: Intl.NumberFormat;
  private readonly clock: Intl.DateTimeFormat;
  private readonly hours: Intl.DateTimeFormat;
  private readonly dated: Intl.DateTimeFormat;
  private readonly plural: Intl.PluralRules;
  private readonly units = new Map<Unit, Intl.NumberFormat>();

  constructor(readonly tag: string) {
    const { dir, texts } = LANGUAGES[tag]!;
    this.dir = dir;
    this.texts = texts;
    this.collator = new Intl.Collator(tag, { numeric: true, sensitivity: "base" });
    this.integer = new Intl.NumberFormat(tag, { maximumFractionDigits: 0 });
    this.two = new Intl.NumberFormat(tag, { minimumIntegerDigits: 2, useGrouping: false });
    this.decimal = new Intl.NumberFormat(tag, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    this.share = new Intl.NumberFormat(tag, {
      style: "percent",
      minimumFractionDigits: 1,
      maximumFractionDigits: 1,
    });
    this.clock = new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    this.hours = new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    this.dated = new Intl.DateTimeFormat(tag, {
      month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    });
    this.plural = new Intl.PluralRules(tag);
  }

  /** A text with its `{places}` filled. */
  t(id: TextId, values: Record<string, string> = {}): string {
    return fill(this.texts[id], values);
  }

  /** The text for a number of things: `id.one` or `id.other`. */
  many(id: string, n: number, values: Record<string, string> = {}): string {
    const form = this.plural.select(n) === "one" ? "one" : "other";
    return this.t(`${id}.${form}` as TextId, { n: this.number(n), ...values });
  }

  /** A text that may be missing. */
  maybe(id: string, values: Record<string, string> = {}): string | undefined {
    const text = (this.texts as Record<string, string>)[id];
    return text === undefined ? undefined : fill(text, values);
  }

  number(n: number): string {
    return this.integer.format(n);
  }

  rate(n: number): string {
    return this.decimal.format(n);
  }

  percent(share: number): string {
    return this.share.format(share);
  }

  /** Seconds as m:ss, from an hour on as h:mm:ss. */
  duration(seconds: number): string {
    const whole = Math.max(0, Math.round(seconds));
    const s = this.two.format(whole % 60);
    const minutes = Math.floor(whole / 60);
    if (minutes < 60) return `${this.number(minutes)}:${s}`;
    return `${this.number(Math.floor(minutes / 60))}:${this.two.format(minutes % 60)}:${s}`;
  }

  /** About how long, in words, such as "3 minutes": in the largest unit of which there are two. */
  length(seconds: number): string {
    const [unit, size] = UNITS.find(([, size]) => 2 * size <= seconds) ?? ["second", 1];
    return this.unit(unit, size, seconds);
  }

  time(at: number): string {
    return this.clock.format(at);
  }

  hour(at: number): string {
    return this.hours.format(at);
  }

  /** A time, with its day once that is not within the last half day. */
  moment(at: number, now: number): string {
    return now - at < 12 * 3_600_000 ? this.time(at) : this.dated.format(at);
  }

  /** A KPI's value by its unit. */
  value(value: number | null | undefined, unit: string | undefined): string {
    if (value === null || value === undefined) return NONE;
    switch (unit) {
      case undefined:
      case "ratio":
        return this.percent(value);
      case "s":
        return this.duration(value);
      case "calls":
        return this.number(value);
      default:
        return this.rate(value);
    }
  }

  /** What a window's name says, such as "last 30 minutes". */
  window(name: string): string {
    const whole: Record<string, TextId> = {
      total: "window.total",
      per_1d: "window.day",
      per_1w: "window.week",
      per_1mo: "window.month",
    };
    const id = whole[name];
    if (id) return this.t(id);
    const parts = /^(per_)?(\d+)(s|m|h|d)$/.exec(name);
    if (!parts) return name;
    const seconds = Number(parts[2]) * { s: 1, m: 60, h: 3600, d: 86_400 }[parts[3] as "s" | "m" | "h" | "d"];
    return this.t(parts[1] ? "window.interval" : "window.last", { length: this.exactly(seconds) });
  }

  /** A length in words, in the largest unit that it is a whole number of; days from two on. */
  private exactly(seconds: number): string {
    const whole = UNITS.find(([unit, size]) => seconds % size === 0 && (unit !== "day" || 2 * size <= seconds));
    return this.unit(...(whole ?? ["second", 1]), seconds);
  }

  private unit(unit: Unit, size: number, seconds: number): string {
    let format = this.units.get(unit);
    if (!format) {
      format = new Intl.NumberFormat(this.tag, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 });
      this.units.set(unit, format);
    }
    return format.format(Math.floor(seconds / size));
  }
}

function fill(text: string, values: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}
