/**
 * Notifications of the system: that an answer is ready, while no tab is in view of this gateway. Of several tabs
 * one tells it: a Web Lock a piece of news decides which. Tabs that are looked at hold a lock, too, so the others know.
 */
import type { ChatEvent } from "../../protocol/types.js";
import { entryOf } from "../../state/state.js";

import type { Ui } from "../base/ui-context.js";
import { titleOf } from "../sessions/title.js";

const LOOKING = "clawdbot.looking";
/** The other tabs hear of a reply within this time, in milliseconds. */
const SAME_NEWS_MS = 5_000;
const shown = new Set<Notification>();

/** May we? Asks the person where that is open: call it for a press of a button only. */
export async function mayNotify(): Promise<boolean> {
  if (!("Notification" in globalThis)) return false; // plain http, or a browser without
  if (Notification.permission === "default") return (await Notification.requestPermission()) === "granted";
  return Notification.permission === "granted";
}

/** Let the other tabs know for as long as this one is looked at. Returns how to stop. */
export function watchLooking(): () => void {
  if (!("locks" in navigator)) return () => undefined;
  let release: (() => void) | null = null;
  const change = (): void => {
    release?.();
    release = null;
    if (document.hidden) return;
    clear();
    const held = new Promise<void>((resolve) => (release = resolve));
    void navigator.locks.request(LOOKING, { mode: "shared" }, () => held);
  };
  document.addEventListener("visibilitychange", change);
  change();
  return () => {
    document.removeEventListener("visibilitychange", change);
    release?.();
  };
}

function clear(): void {
  for (const each of shown) each.close();
  shown.clear();
}

/** Tell that a reply has ended: not one that was stopped here, and not that of a command. */
export async function tell({ t, controller }: Ui, event: ChatEvent): Promise<void> {
  if (event.state === "aborted" || event.message?.command) return;
  const { state } = controller;
  const key = event.sessionKey;
  const title = titleOf(entryOf(state, key), key, state.mainKey, t);
  const text = t(event.state === "error" ? "status.failed" : "status.answered");
  await notify(event.runId, title, text, () => controller.select(key));
}

/** Tell `text` once for `id`, if no tab is in view. `open` is called when the person follows it. */
async function notify(id: string, title: string, text: string, open: () => void): Promise<void> {
  if (!document.hidden || !("Notification" in globalThis) || Notification.permission !== "granted") return;
  const { held = [] } = await navigator.locks.query();
  if (held.some((lock) => lock.name === LOOKING)) return;
  void navigator.locks.request(`clawdbot.told.${id}`, { ifAvailable: true }, async (lock) => {
    if (!lock) return;
    const note = new Notification(title, { body: text, tag: id });
    shown.add(note);
    note.onclick = () => {
      window.focus();
      clear();
      open();
    };
    await new Promise((resolve) => setTimeout(resolve, SAME_NEWS_MS));
  });
}
