/** What a person chose for this browser. Small, harmless, and the same in every tab. */
import type { KeyValue } from "../core/drafts.js";
import type { SendKey } from "../core/ime.js";

export type Theme = "system" | "light" | "dark";
export type FontSize = "small" | "medium" | "large";

export interface Prefs {
  theme: Theme;
  /** Empty: the browser's. */
  locale: "" | "en" | "ko";
  sendKey: SendKey;
  fontSize: FontSize;
  /** Enter in a Hangul composition sends. */
  hangulSends: boolean;
}

export const DEFAULTS: Prefs = { theme: "system", locale: "", sendKey: "enter", fontSize: "medium", hangulSends: true };

export const PREFS_KEY = "clawdbot.prefs";

const CHOICES: { [K in keyof Prefs]: readonly Prefs[K][] } = {
  theme: ["system", "light", "dark"],
  locale: ["", "en", "ko"],
  sendKey: ["enter", "ctrl-enter"],
  fontSize: ["small", "medium", "large"],
  hangulSends: [true, false],
};

export function loadPrefs(storage: KeyValue | null): Prefs {
  let stored: Record<string, unknown>;
  try {
    stored = JSON.parse(storage?.getItem(PREFS_KEY) ?? "{}") as Record<string, unknown>;
  } catch {
    return DEFAULTS;
  }
  const valid = Object.entries(CHOICES).filter(([name, choices]) =>
    (choices as readonly unknown[]).includes(stored[name]),
  );
  return { ...DEFAULTS, ...Object.fromEntries(valid.map(([name]) => [name, stored[name]])) };
}

export function savePrefs(storage: KeyValue | null, prefs: Prefs): void {
  try {
    storage?.setItem(PREFS_KEY, JSON.stringify(prefs));
  } catch {
    // Blocked or full: the choice lasts as long as the page.
  }
}

/** `localStorage`, or nothing where a browser forbids it. */
export function browserStorage(): KeyValue | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
