/**
 * What is being written in the session on show: which draft it is (the session's, or that of a stored message being
 * edited), its files, and what of it is kept. The text itself is in the field, which is asked for nothing here.
 */
import { sameAttached, wireOf } from "./attachments.js";
import type { Attached, Kept } from "./attachments.js";
import { editKey } from "./drafts.js";
import type { Draft, Drafts } from "./drafts.js";
import { textOf } from "./messages.js";
import type { Message } from "../protocol/types.js";
import type { Uploads } from "./uploads.js";

/** The stored message that is being replaced, and the key under which that is asked, however often. */
export interface Editing {
  messageId: string;
  sendKey: string;
}

export class Writing {
  editing: Editing | null = null;
  private session = "";
  private readonly uploads = new Map<string, Uploads>();

  constructor(
    private readonly drafts: Drafts,
    private readonly newKey: () => string,
  ) {}

  /** Where the draft on show is kept. */
  get key(): string {
    return this.editing ? editKey(this.session) : this.session;
  }

  get draft(): Draft {
    return this.drafts.get(this.key);
  }

  /** The files of the draft on show, once there were any. */
  get files(): Uploads | undefined {
    return this.uploads.get(this.key);
  }

  get attached(): readonly Attached[] {
    if (this.files) return this.files.attached;
    // Those of a message on its way are not those of the next one.
    return this.draft.sendKey === undefined ? (this.draft.attachments ?? []) : [];
  }

  /** Show the draft of a session: an edit that was begun there goes first. */
  open(session: string): void {
    this.session = session;
    const { messageId } = this.drafts.get(editKey(session));
    if (messageId === this.editing?.messageId && messageId !== undefined) return;
    this.editing = messageId === undefined ? null : { messageId, sendKey: this.newKey() };
  }

  /** Keep the draft. A message on its way keeps its draft until it has arrived; writing the next one replaces it. */
  save(text: string): void {
    const { key, draft, attached } = this;
    const { messageId } = draft;
    if (text === "" && attached.length === 0 && messageId === undefined) {
      if (draft.sendKey === undefined) this.drafts.remove(key);
    } else if (text !== draft.text || !sameAttached(attached, draft.attachments ?? [])) {
      const edits = messageId === undefined ? {} : { messageId };
      this.drafts.set(key, { text, ...(attached.length > 0 ? { attachments: attached } : {}), ...edits });
    }
  }

  /** Keep where the files of a draft are that is not on show: they arrived after a switch of the session. */
  saveFiles(key: string): void {
    const files = this.uploads.get(key);
    const { sendKey, ...draft } = this.drafts.get(key);
    if (!files || sameAttached(files.attached, draft.attachments ?? [])) return;
    // A text that is on its way is not that of these files.
    this.drafts.set(key, { ...draft, text: sendKey === undefined ? draft.text : "", attachments: files.attached });
  }

  /**
   * The files of the draft on show, with those that its draft remembers.
   * @param make where there are none yet
   */
  withFiles(make: (key: string) => Uploads): Uploads {
    const { key } = this;
    let files = this.uploads.get(key);
    if (!files) this.uploads.set(key, (files = make(key)));
    const known = new Set(files.attached.map((each) => JSON.stringify(wireOf(each))));
    const missing = (this.draft.attachments ?? []).filter((each) => !known.has(JSON.stringify(wireOf(each))));
    if (missing.length > 0) files.restore(missing);
    return files;
  }

  /** The files went with their message. */
  letGo(): void {
    this.uploads.delete(this.key);
  }

  /** @param attachments those of the message */
  beginEdit(message: Message, attachments: readonly Kept[]): void {
    this.uploads.delete(editKey(this.session));
    this.drafts.set(editKey(this.session), { text: textOf(message), attachments, messageId: message.id });
    this.open(this.session);
  }

  /** The edit is done or given up: the session's own draft is back. */
  endEdit(): void {
    this.files?.clear();
    this.letGo();
    this.drafts.remove(editKey(this.session));
    this.open(this.session);
  }
}
