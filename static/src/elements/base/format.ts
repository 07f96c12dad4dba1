/** Times as people read them, in their language. Amounts, for the lazy parts: `amounts.ts`. */
import type { Locale } from "../../i18n/index.js";

const cache = new Map<string, Intl.DateTimeFormat>();

function dates(locale: Locale, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale + JSON.stringify(options);
  let format = cache.get(key);
  if (!format) cache.set(key, (format = new Intl.DateTimeFormat(locale, options)));
  return format;
}

export function clock(ms: number, locale: Locale): string {
  return dates(locale, { hour: "numeric", minute: "2-digit" }).format(ms);
}

export function fullTime(ms: number, locale: Locale): string {
  return dates(locale, { dateStyle: "full", timeStyle: "medium" }).format(ms);
}

/** The local day as a number, to tell one from the next. */
export function dayOf(ms: number): number {
  const date = new Date(ms);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}

export function dayName(ms: number, now: number, locale: Locale): string {
  const days = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(ms).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days >= 0 && days < 2) {
    const name = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-days, "day");
    return name.charAt(0).toLocaleUpperCase(locale) + name.slice(1);
  }
  const year = new Date(ms).getFullYear() === new Date(now).getFullYear() ? {} : { year: "numeric" as const };
  return dates(locale, { weekday: "long", month: "long", day: "numeric", ...year }).format(ms);
}

/** `3 min ago`, short enough for a list. */
export function ago(ms: number, now: number, locale: Locale): string {
  const minutes = Math.max(0, Math.round((now - ms) / 60_000));
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "narrow" });
  if (minutes < 1) return format.format(0, "second");
  if (minutes < 60) return format.format(-minutes, "minute");
  if (minutes < 24 * 60) return format.format(-Math.round(minutes / 60), "hour");
  if (minutes < 7 * 24 * 60) return format.format(-Math.round(minutes / (24 * 60)), "day");
  return dates(locale, { month: "short", day: "numeric" }).format(ms);
}

/** Whole seconds, rounded up: a countdown shows 1 until it is over. */
export function secondsUntil(at: number, now: number): number {
  return Math.max(0, Math.ceil((at - now) / 1_000));
}
