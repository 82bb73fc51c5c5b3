// A formula of the catalogue in the viewer's language: each of its terms has a text, its signs and numbers are those of the language.
import type { Language } from "./i18n.ts";
import type { Kpi, Meta } from "./model.ts";

/** What stands between terms. */
const BETWEEN = /([()]| [-+*/] )/;
const SIGNS: Record<string, string> = { "-": "−", "*": "×" };

/** The formula of a KPI, empty if there is none; a service level names the one it was taken by. */
export function formula(lang: Language, meta: Meta | null, id: string, kpi: Kpi): string {
  const named = meta?.formulas.find((one) => one.id === kpi.formula);
  const text = (named ?? meta?.kpis.find((one) => one.id === id))?.formula ?? "";
  return text.split(BETWEEN).map((part) => part.replace(part.trim(), (term) => said(lang, term))).join("");
}

function said(lang: Language, term: string): string {
  const text = lang.maybe(`term.${term}`) ?? lang.maybe(`kpi.${term}`) ?? SIGNS[term];
  if (text !== undefined) return text;
  return /^[\d,]+$/.test(term) ? lang.number(Number(term.replaceAll(",", ""))) : term;
}
