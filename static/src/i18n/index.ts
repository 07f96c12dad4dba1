/** Texts in the reader's language. Both catalogues are small and come with the page, so nothing flashes in English. */
import en from "./en.json";
import ko from "./ko.json";

export type TextKey = keyof typeof en;
export type Locale = "en" | "ko";
export type Translate = (key: TextKey, facts?: Record<string, string | number>) => string;

const catalogues: Record<Locale, Record<string, string>> = { en, ko };

/** The language for a wish (`""` is none) among those that the browser names. */
export function pickLocale(wish: string, preferred: readonly string[]): Locale {
  for (const tag of [wish, ...preferred]) {
    const primary = tag.toLowerCase().split("-")[0];
    if (primary === "en" || primary === "ko") return primary;
  }
  return "en";
}

/** The texts of a language; `{name}` in a text is filled from `facts`. */
export function translator(locale: Locale): Translate {
  const texts = catalogues[locale];
  return (key, facts) =>
    (texts[key] ?? en[key]).replace(/\{(\w+)\}/g, (whole, name: string) => String(facts?.[name] ?? whole));
}
