/**
 * What a person does around the composer's field: files, pasting, the menu's choices, earlier inputs, dialogs,
 * dictation. Comes with the lazy chunk; the composer hands over what concerns it.
 */
import { attachedOf, kindOf } from "../core/attachments.js";
import { textOf } from "../core/messages.js";
import { pastedFrom } from "../core/paste.js";
import type { Message } from "../core/protocol.js";
import { Recall } from "../core/recall.js";
import { Uploads } from "../core/uploads.js";
import type { Item } from "../core/uploads.js";
import { need } from "../parts.js";

import type { Choice } from "./composer-menu.js";
import type { ClawdbotComposer } from "./composer.js";
import { watchDrops } from "./drop.js";
import { aboveKeyboard } from "./keyboard.js";
import { mediaStore } from "./media-store.js";
import { dictation } from "./voice.js";

export class Desk {
  private readonly recall = new Recall();
  /** What was sent from this page, oldest first. */
  private readonly sent: string[] = [];
  private voice: { stop: () => void } | null = null;
  private unwatch: (() => void)[] = [];

  constructor(private readonly composer: ClawdbotComposer) {}

  /** The composer is in a document: its home can be dropped on, and is kept above the keyboard. */
  watch(): void {
    const { composer } = this;
    const root = composer.getRootNode();
    const host = root instanceof ShadowRoot ? root.host : composer;
    if (!(host instanceof HTMLElement)) return;
    const place = composer.closest(".app") ?? composer;
    const label = (): string => composer.ui.t("attach.drop");
    this.unwatch.push(watchDrops(host, place, label, (files) => void this.attach(files)));
    if (composer.ui.mode === "page") this.unwatch.push(aboveKeyboard(host));
  }

  leave(): void {
    this.voice?.stop();
    for (const end of this.unwatch.splice(0)) end();
  }

  // -- files --------------------------------------------------------------------------------------------------------
  /** The files of the draft on show, with those that its draft remembers. */
  files(): Uploads {
    const { ui, writing } = this.composer;
    return writing.withFiles((key) => {
      const store = mediaStore(ui.controller, ui.http ? ui.base : null);
      return new Uploads(store, () => this.composer.filesMoved(key));
    });
  }

  async attach(files: readonly File[], pasted = false): Promise<void> {
    if (files.length > 0) await this.files().add(files, pasted);
    this.composer.focus();
  }

  /** That the message cannot go with its files (why is said where each stands); empty if it can. */
  blocked(): string {
    const { ui, writing } = this.composer;
    const names = (writing.files?.failed ?? []).map(({ name }) => name);
    if (names.length === 0) return "";
    const list = new Intl.ListFormat(ui.locale, { type: "conjunction" }).format(names);
    return ui.t("attach.blocked", { names: list, count: names.length });
  }

  async insertPasted(item: Item): Promise<void> {
    const text = await item.file?.text();
    if (text === undefined) return;
    this.composer.writing.files?.remove(item.id);
    this.insert(text);
  }

  paste(event: ClipboardEvent): void {
    if (!event.clipboardData) return;
    const pasted = pastedFrom(event.clipboardData);
    if (pasted.type === "plain") return;
    event.preventDefault();
    if (pasted.type === "files") void this.attach(pasted.files);
    else if (pasted.type === "table") this.insert(pasted.text);
    else {
      const type = pasted.extension === "tsv" ? "text/tab-separated-values" : "text/plain";
      void this.attach([new File([pasted.text], `pasted-text.${pasted.extension}`, { type })], true);
    }
  }

  // -- earlier messages ---------------------------------------------------------------------------------------------
  remember(text: string): void {
    this.sent.push(text);
  }

  /** Edit a message of ours. Where the gateway cannot branch, it is only written again. */
  edit(message: Message): void {
    const { composer } = this;
    if (composer.ui.controller.can("chat.edit")) {
      composer.writing.beginEdit(message);
      composer.reload();
    } else {
      if (typeof message.content !== "string") this.files().restore(attachedOf(message.content));
      composer.write(textOf(message));
    }
    composer.focus();
  }

  /** Up at the beginning walks earlier inputs; in an empty field it edits the last message. */
  arrow(key: "ArrowUp" | "ArrowDown"): boolean {
    const { composer } = this;
    const field = composer.field();
    if (!field || field.selectionStart !== field.selectionEnd) return false;
    const own = composer.view.messages.filter((message) => message.role === "user");
    const last = own.at(-1);
    if (key === "ArrowUp" && field.value === "" && composer.blank && !composer.writing.editing && last) {
      this.edit(last);
      return true;
    }
    const inputs = [...this.sent, ...own.map(textOf)].reverse();
    const text = this.recall.step(key, field.value, field.selectionStart, inputs);
    if (text === undefined) return false;
    composer.write(text);
    return true;
  }

  // -- the field ----------------------------------------------------------------------------------------------------
  /** Put text at the cursor, so that it can be undone. */
  insert(text: string): void {
    const { composer } = this;
    const field = composer.field();
    if (!field || composer.composing) return;
    field.focus();
    // Deprecated, and the only way that keeps the browser's undo.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    if (document.execCommand("insertText", false, text)) return;
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    composer.edited();
  }

  /** What was chosen in the menu. */
  choose({ from, to, insert, file, library }: Choice): void {
    const { composer } = this;
    const field = composer.field();
    if (!field || composer.composing) return;
    field.setRangeText(insert, from, to, "end");
    composer.edited();
    composer.focus();
    if (library) void this.openPrompts();
    if (!file) return;
    const { path, name, size = 0, type } = file;
    const kind = type === "notebook" ? "notebook" : kindOf(name, "");
    this.files().restore([{ path, name, size, mimeType: "", kind }]);
  }

  /** Type a sign that opens the menu, set off from what stands before it. */
  begin(sign: "@" | "/"): void {
    const field = this.composer.field();
    if (!field) return;
    if (sign === "/" && field.value !== "") void this.openPrompts();
    else this.insert(/(?:^|\s)$/.test(field.value.slice(0, field.selectionStart)) ? sign : ` ${sign}`);
  }

  // -- dialogs ------------------------------------------------------------------------------------------------------
  /** The prompt library; what is being written may become a prompt. */
  async openPrompts(): Promise<void> {
    if (!this.composer.ui.controller.can("prompts.list")) return;
    if (await this.wake("clawdbot-prompts")) await this.composer.querySelector("clawdbot-prompts")?.open();
  }

  async expand(): Promise<void> {
    if (!(await this.wake("clawdbot-long-draft"))) return;
    const field = this.composer.field();
    if (field) this.composer.querySelector("clawdbot-long-draft")?.open(field.value, field.selectionStart);
  }

  private async wake(name: "clawdbot-prompts" | "clawdbot-long-draft"): Promise<boolean> {
    const { composer } = this;
    const there = await need(name);
    if (there) await composer.querySelector(name)?.updateComplete;
    else composer.ui.toast({ text: composer.ui.t("part.failed"), kind: "error" });
    return there;
  }

  // -- dictation ----------------------------------------------------------------------------------------------------
  dictate(): void {
    const { composer } = this;
    if (this.stopListening()) return;
    this.voice = dictation(composer.ui, {
      interim: (text) => (composer.spoken = text),
      phrase: (text) => this.insert(/(?:^|\s)$/.test(composer.field()?.value ?? "") ? text : ` ${text}`),
      ended: () => (this.voice = composer.spoken = null),
    });
    if (this.voice) composer.spoken = "";
    composer.focus();
  }

  /** True if somebody listened. */
  stopListening(): boolean {
    const { voice } = this;
    voice?.stop(); // which may end it at once
    return voice !== null;
  }
}
