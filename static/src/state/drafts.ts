/**
 * Unsent text and attachments, per session and tab, across reloads; a new tab begins with what was written last. Nothing that was sent is kept: a draft goes when the gateway
 * has the message. Of an attachment its name and where it is are kept, never its bytes.
 *
 * A draft carries the idempotency key of a send that was not acknowledged, so that sending the unchanged draft again
 * after a reload cannot have a second effect. A message that is being edited has a draft of its own (`editKey`).
 */
import { keptFrom } from "./attachments.js";
import type { Attached, Kept } from "./attachments.js";

export interface Draft {
  text: string;
  /** Those whose bytes are only here are in memory, too, but not in storage. */
  attachments?: readonly Attached[];
  sendKey?: string;
  /** The stored message that this is to replace. */
  messageId?: string;
}

/** The part of `localStorage` that is used; it may be full, blocked or absent. */
export type KeyValue = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const PREFIX = "clawdbot.draft.";

/** Where the draft of an edit stands, beside the session's own. */
export function editKey(key: string): string {
  return `${key}#edit`;
}

export class Drafts {
  private readonly memory = new Map<string, Draft>();

  /**
   * @param storage shared by all tabs
   * @param tab of this one alone: it has the draft that another tab has changed or given up
   */
  constructor(
    private readonly storage: KeyValue | null,
    private readonly tab: KeyValue | null = null,
  ) {}

  get(key: string): Draft {
    const known = this.memory.get(key);
    if (known) return known;
    try {
      const written = this.tab?.getItem(PREFIX + key) ?? this.storage?.getItem(PREFIX + key);
      const stored = JSON.parse(written ?? "null") as Partial<Draft> | null;
      if (typeof stored?.text === "string") {
        const attachments = keptFrom(stored.attachments);
        return {
          text: stored.text,
          ...(attachments.length > 0 ? { attachments } : {}),
          ...(typeof stored.sendKey === "string" ? { sendKey: stored.sendKey } : {}),
          ...(typeof stored.messageId === "string" ? { messageId: stored.messageId } : {}),
        };
      }
    } catch {
      // Unreadable or blocked storage is the same as none.
    }
    return { text: "" };
  }

  set(key: string, draft: Draft): void {
    if (draft.text === "" && !draft.attachments?.length && draft.messageId === undefined) {
      this.remove(key);
      return;
    }
    this.memory.set(key, draft);
    try {
      const attachments = draft.attachments?.filter((each): each is Kept => !("content" in each));
      const written = JSON.stringify({ ...draft, attachments });
      this.tab?.setItem(PREFIX + key, written);
      this.storage?.setItem(PREFIX + key, written);
    } catch {
      // Full or blocked: the draft lives in memory.
    }
  }

  /** What was written before it was known where it belongs goes there, unless something stands there. */
  move(from: string, to: string): void {
    const draft = this.get(from);
    if (this.get(to).text !== "") return;
    this.set(to, draft);
    this.remove(from);
  }

  remove(key: string): void {
    this.memory.delete(key);
    try {
      const own = this.tab?.getItem(PREFIX + key);
      this.tab?.removeItem(PREFIX + key);
      // Another tab has gone on writing: that stays.
      if (!this.tab || own === this.storage?.getItem(PREFIX + key)) this.storage?.removeItem(PREFIX + key);
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

  /**
   * A message that could not be sent is a draft again. Where another was begun meanwhile, it goes before that: nothing
   * of either is lost.
   */
  giveBack(key: string, sendKey: string, text: string, attachments: readonly Attached[]): void {
    const { sendKey: sent, ...begun } = this.get(key);
    if (sent === sendKey) {
      this.set(key, begun);
      return;
    }
    const texts = [text, begun.text].filter((each) => each !== "");
    this.set(key, { text: texts.join("\n\n"), attachments: [...attachments, ...(begun.attachments ?? [])] });
  }
}
