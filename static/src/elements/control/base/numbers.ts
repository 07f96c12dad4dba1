/** Spans of time that may be long, as people read them. The other formats: `elements/base`. */
import type { Locale } from "../../../i18n/index.js";

const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
] as const;

/** The two largest units: `3 days 4 hr`, `12 min 5 sec`. */
export function duration(ms: number, locale: Locale): string {
  const parts: string[] = [];
  let rest = Math.max(0, ms);
  const first = UNITS.findIndex(([, size]) => rest >= size);
  for (const [unit, size] of UNITS.slice(first < 0 ? -1 : first).slice(0, 2)) {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    if (amount > 0 || parts.length === 0)
      parts.push(
        new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: unit === "day" ? "long" : "short" }).format(
          amount,
        ),
      );
  }
  return parts.join(" ");
}
