/**
 * Texts in the reader's language: those of the first paint are fetched with the page, in that language only, and nothing
 * is drawn before they are here. A lazy part brings its own texts in both (`<area>.en.json`, `<area>.ko.json`) and adds
 * them when it is loaded.
 */
import type approvals from "./approvals.en.json";
import type artifact from "./artifact.en.json";
import type composer from "./composer.en.json";
import type contexts from "./contexts.en.json";
import type contextUse from "./context-use.en.json";
import type control from "./control.en.json";
import type controlLogs from "./control-logs.en.json";
import type controlDebug from "./control-debug.en.json";
import type controlOverview from "./control-overview.en.json";
import type controlSessions from "./control-sessions.en.json";
import type controlUsage from "./control-usage.en.json";
import type composerDialogs from "./composer-dialogs.en.json";
import type controlApprovals from "./control-approvals.en.json";
import type controlConfig from "./control-config.en.json";
import type controlDevices from "./control-devices.en.json";
import type controlModels from "./control-models.en.json";
import type dialogs from "./dialogs.en.json";
import type en from "./en.json";
import type errors from "./errors.en.json";
import type hands from "./hands.en.json";
import type find from "./find.en.json";
import type menus from "./menus.en.json";
import type palette from "./palette.en.json";
import type links from "./links.en.json";
import type login from "./login.en.json";
import type media from "./media.en.json";
import type notes from "./notes.en.json";
import type quote from "./quote.en.json";
import type search from "./search.en.json";
import type settings from "./settings.en.json";
import type tools from "./tools.en.json";
import type turns from "./turns.en.json";

type Area = typeof approvals &
  typeof artifact &
  typeof links &
  typeof composer &
  typeof contexts &
  typeof contextUse &
  typeof control &
  typeof controlLogs &
  typeof controlDebug &
  typeof controlOverview &
  typeof controlSessions &
  typeof controlUsage &
  typeof composerDialogs &
  typeof controlApprovals &
  typeof controlConfig &
  typeof controlDevices &
  typeof controlModels &
  typeof dialogs &
  typeof menus &
  typeof palette &
  typeof errors &
  typeof find &
  typeof hands &
  typeof login &
  typeof media &
  typeof notes &
  typeof quote &
  typeof search &
  typeof settings &
  typeof tools &
  typeof turns;

export type TextKey = keyof typeof en | keyof Area;
export type Locale = "en" | "ko";
export type Translate = (key: TextKey, facts?: Record<string, string | number>) => string;

const catalogues: Record<Locale, Record<string, string>> = { en: {}, ko: {} };
const FIRST = { en: () => import("./en.json"), ko: () => import("./ko.json") };
const asked: Partial<Record<Locale, Promise<boolean>>> = {};
const here = new Set<Locale>();

export function hasTexts(locale: Locale): boolean {
  return here.has(locale);
}

/** Fetch the texts of a language, once. False when they cannot be had now; the next call tries again. */
export function loadTexts(locale: Locale): Promise<boolean> {
  return (asked[locale] ??= FIRST[locale]().then(
    (texts) => {
      Object.assign(catalogues[locale], texts.default);
      here.add(locale);
      return true;
    },
    () => {
      Reflect.deleteProperty(asked, locale);
      return false;
    },
  ));
}

/** Add the texts of a lazy part. Called by its module, before anything of it is drawn. */
export function addTexts(texts: Record<Locale, Record<string, string>>): void {
  Object.assign(catalogues.en, texts.en);
  Object.assign(catalogues.ko, texts.ko);
}

/** The language for a wish (`""` is none) among those that the browser names. */
export function pickLocale(wish: string, preferred: readonly string[]): Locale {
  for (const tag of [wish, ...preferred]) {
    const primary = tag.toLowerCase().split("-")[0];
    if (primary === "en" || primary === "ko") return primary;
  }
  return "en";
}

/**
 * The texts of a language; `{name}` in a text is filled from `facts`, `{name|one|many}` by whether it is 1. A text of a
 * part that is not here is its key.
 */
export function translator(locale: Locale): Translate {
  const texts = catalogues[locale];
  return (key, facts) =>
    (texts[key] ?? key).replace(/\{(\w+)(?:\|(.*?)\|(.*?))?\}/g, (whole, name: string, one?: string, many?: string) =>
      String((one === undefined ? facts?.[name] : facts?.[name] === 1 ? one : many) ?? whole),
    );
}
