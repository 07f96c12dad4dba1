/** What every part of the chat is given: who acts, in which language, how the person likes it. */
import { RequestRefused } from "../../client/gateway-client.js";
import type { Controller } from "../../state/controller.js";
import type { CodeActions } from "../../state/host.js";
import type { Locale, Translate } from "../../i18n/index.js";
import type { LazyTag } from "./lazy.js";

import type { Prefs } from "./preferences.js";

export interface Toast {
  text: string;
  kind?: "info" | "error";
  action?: { label: string; run: () => void };
  /** Milliseconds on screen. */
  lasts?: number;
}

export interface Ui {
  controller: Controller;
  t: Translate;
  locale: Locale;
  prefs: Prefs;
  mode: "page" | "panel";
  /** Address of the gateway's folder: where `media/…` and `frame` are. */
  base: string;
  /** Does HTTP get there? Not where the home's transport is the only way. */
  http: boolean;
  setPrefs(change: Partial<Prefs>): void;
  toast(toast: Toast): void;
  /** Say something to a screen reader, once. */
  announce(text: string): void;
  /** Run something that asks the gateway; a failure becomes a toast. */
  attempt(work: Promise<unknown>): Promise<boolean>;
  /** A lazy part of the chat, made when it is first wanted; `null` when it could not be fetched, which is told. */
  part<K extends LazyTag>(name: K): Promise<HTMLElementTagNameMap[K] | null>;
  /** Open the settings, at one of them if it is named. */
  openSettings(at?: string): void;
  canLogOut(): boolean;
  logOut(): void;
  /** What the home around can do with code. */
  codeActions: CodeActions | null;
  /** Put text into the composer and the cursor behind it. */
  compose(text: string): void;
}

/** Wait for something asked of the gateway; a failure becomes a note. True if it went well. */
export async function attempt(work: Promise<unknown>, t: Translate, note: (toast: Toast) => void): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    const refused = error instanceof RequestRefused;
    note({ text: refused ? t("action.refused", { reason: error.message }) : t("action.lost"), kind: "error" });
    return false;
  }
}
