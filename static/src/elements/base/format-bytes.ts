import type { Locale } from "../../i18n/index.js";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;

/** A size in bytes as people read it: `1.2 MB`, the same figure as in the terminal. */
export function bytes(size: number, locale: Locale): string {
  const step = Math.min(UNITS.length - 1, size < 1 ? 0 : Math.floor(Math.log(size) / Math.log(1024)));
  const amount = size / 1024 ** step;
  return new Intl.NumberFormat(locale, {
    style: "unit",
    unit: UNITS[step] ?? "byte",
    unitDisplay: step === 0 ? "long" : "short",
    maximumFractionDigits: step > 0 && amount < 9.95 ? 1 : 0,
  }).format(amount);
}
