/** Counts, money and durations as people read them, in their language. */
import type { Locale } from "../../i18n/index.js";

export function count(value: number, locale: Locale): string {
  return new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** US dollars; small amounts keep two figures that mean something. */
export function money(usd: number, locale: Locale): string {
  const digits = usd >= 0.1 || usd === 0 ? 2 : 4;
  return new Intl.NumberFormat(locale, { style: "currency", currency: "USD", maximumFractionDigits: digits }).format(
    usd,
  );
}

/** How long something took or takes: `0.4 s`, `12 s`, `3 min 5 s`. */
export function elapsed(ms: number, locale: Locale): string {
  const unit = (value: number, name: "second" | "minute", digits = 0): string =>
    new Intl.NumberFormat(locale, {
      style: "unit",
      unit: name,
      unitDisplay: "short",
      maximumFractionDigits: digits,
    }).format(value);
  const seconds = ms / 1_000;
  if (seconds < 60) return unit(seconds, "second", seconds < 10 ? 1 : 0);
  return `${unit(Math.floor(seconds / 60), "minute")} ${unit(Math.floor(seconds % 60), "second")}`;
}
