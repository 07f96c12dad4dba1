/** What is known of the modes: their names, what they mean, and what of a session is in force. Pure. */
import { HANDS_MODES } from "../../protocol/hands.js";
import type { HandsEntry, HandsMode } from "../../protocol/hands.js";
import type { Message, SessionEntry } from "../../protocol/types.js";
import type { TextKey } from "../../i18n/index.js";

/** Modes that end by themselves. */
export const TIMED: ReadonlySet<HandsMode> = new Set(["notebook", "unattended"]);

export const MODES: Record<HandsMode, readonly [name: TextKey, what: TextKey]> = {
  chat: ["hands.mode.chat", "hands.mode.chat.what"],
  read: ["hands.mode.read", "hands.mode.read.what"],
  plan: ["hands.mode.plan", "hands.mode.plan.what"],
  ask: ["hands.mode.ask", "hands.mode.ask.what"],
  edits: ["hands.mode.edits", "hands.mode.edits.what"],
  notebook: ["hands.mode.notebook", "hands.mode.notebook.what"],
  unattended: ["hands.mode.unattended", "hands.mode.unattended.what"],
};

/** May a mode be chosen under this cap? */
export function isAllowed(mode: HandsMode, cap: HandsMode): boolean {
  return HANDS_MODES.indexOf(mode) <= HANDS_MODES.indexOf(cap);
}

/**
 * The mode in force for a session at this time. A session that the gateway does not know yet has the default one, under
 * the same cap as all others.
 */
export function handsIn(sessions: readonly SessionEntry[], key: string, now: number): HandsEntry {
  const cap = sessions.find((each) => each.hands)?.hands?.cap ?? "notebook";
  const own = sessions.find((each) => each.key === key)?.hands;
  const over = own?.untilMs !== undefined && TIMED.has(own.mode) && own.untilMs <= now;
  if (own && !over && own.mode in MODES) return own;
  return { mode: isAllowed("ask", cap) ? "ask" : cap, cap };
}

/** Whole minutes until the mode ends; `null`: it does not. */
export function minutesLeft({ mode, untilMs }: HandsEntry, now: number): number | null {
  return untilMs === undefined || !TIMED.has(mode) ? null : Math.max(0, Math.ceil((untilMs - now) / 60_000));
}

/** Notebooks that a conversation is about, the newest first. */
export function notebooksIn(messages: readonly Message[]): string[] {
  const found = new Set<string>();
  const add = (path: unknown): void => {
    if (typeof path === "string" && path.endsWith(".ipynb")) found.add(path);
  };
  for (const { content, details } of [...messages].reverse()) {
    add(details?.path);
    for (const block of typeof content === "string" ? [] : content) {
      for (const { path } of block.cells ?? []) add(path);
      if (typeof block.arguments === "object") add((block.arguments as { path?: unknown } | null)?.path);
    }
  }
  return [...found];
}
