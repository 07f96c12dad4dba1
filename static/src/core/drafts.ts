/**
 * Unsent text, per session, across reloads. Nothing that was sent is kept: a draft goes when the gateway has the message.
 *
 * A draft carries the idempotency key of a send that was not acknowledged, so that sending the unchanged text again
 * after a reload cannot have a second effect.
 */

export interface Draft {
  text: string;
  sendKey?: string;
}

/** The part of `localStorage` that is used; it may be full, blocked or absent. */
export type KeyValue = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const PREFIX = "clawdbot.draft.";

export class Drafts {
  private readonly memory = new Map<string, Draft>();

  constructor(private readonly storage: KeyValue | null) {}

  get(key: string): Draft {
    const known = this.memory.get(key);
    if (known) return known;
    try {
      const stored = JSON.parse(this.storage?.getItem(PREFIX + key) ?? "null") as Partial<Draft> | null;
      if (typeof stored?.text === "string") {
        return { text: stored.text, ...(typeof stored.sendKey === "string" ? { sendKey: stored.sendKey } : {}) };
      }
    } catch {
      // Unreadable or blocked storage is the same as none.
    }
    return { text: "" };
  }

  set(key: string, draft: Draft): void {
    if (draft.text === "") {
      this.remove(key);
      return;
    }
    this.memory.set(key, draft);
    try {
      this.storage?.setItem(PREFIX + key, JSON.stringify(draft));
    } catch {
      // Full or blocked: the draft lives in memory.
    }
  }

  remove(key: string): void {
    this.memory.delete(key);
    try {
      this.storage?.removeItem(PREFIX + key);
    } catch {
      // Blocked storage holds nothing.
    }
  }

  /** Drop the draft if it is the text that was sent under this key. */
  sent(key: string, sendKey: string): boolean {
    if (this.get(key).sendKey !== sendKey) return false;
    this.remove(key);
    return true;
  }
}
