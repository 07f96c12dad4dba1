/** What a person chose for this browser. Small, harmless, and the same in every tab. */
import type { KeyValue } from "../../state/drafts.js";
import type { SendKey } from "../../input/ime.js";

export type Theme = "system" | "light" | "dark";
export type FontSize = "small" | "medium" | "large";
export type Width = "normal" | "wide" | "full";

export interface Prefs {
  theme: Theme;
  /** Empty: the browser's. */
  locale: "" | "en" | "ko";
  sendKey: SendKey;
  fontSize: FontSize;
  /** How wide the column of text may get. */
  width: Width;
  /** `system`: as the browser asks for (`prefers-contrast`). */
  contrast: "system" | "more";
  /** Tell by a notification of the system that an answer is ready, while no tab is looked at. */
  notify: boolean;
  /** Enter in a Hangul composition sends. */
  hangulSends: boolean;
}

export const DEFAULTS: Prefs = {
  theme: "system",
  locale: "",
  sendKey: "enter",
  fontSize: "medium",
  width: "normal",
  contrast: "system",
  notify: false,
  hangulSends: true,
};

export const PREFS_KEY = "clawdbot.prefs";

const CHOICES: { [K in keyof Prefs]: readonly Prefs[K][] } = {
  theme: ["system", "light", "dark"],
  locale: ["", "en", "ko"],
  sendKey: ["enter", "ctrl-enter"],
  fontSize: ["small", "medium", "large"],
  width: ["normal", "wide", "full"],
  contrast: ["system", "more"],
  notify: [true, false],
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

/** Storage of the browser, or nothing where it forbids it. */
export function browserStorage(name: "localStorage" | "sessionStorage" = "localStorage"): KeyValue | null {
  try {
    return window[name];
  } catch {
    return null;
  }
}
