/**
 * What a person does around the composer's field: files, pasting, the menu's choices, earlier inputs, dialogs,
 * dictation. Comes with the lazy chunk; the composer hands over what concerns it.
 */
import { kindOf } from "../../state/attachment-rules.js";
import { attachedOf } from "../../state/stored-attachments.js";
import { attachedFrom } from "../../state/host.js";
import type { ContextSource, GivenFile } from "../../state/host.js";
import { textOf } from "../../state/messages.js";
import { isComposingKey } from "../../input/ime.js";
import { pastedFrom } from "../../input/paste.js";
import type { Message } from "../../protocol/types.js";
import { Recall } from "../../input/input-history.js";
import { Uploads } from "../../state/uploads.js";
import type { Item } from "../../state/uploads.js";
import { loadElement } from "../base/lazy.js";

import type { View } from "../../state/state.js";
import type { Editing, Writing } from "../../state/editing.js";
import type { Ui } from "../base/ui-context.js";

import type { Choice } from "./completion-menu.js";
import type { ClawdbotContexts } from "./notebook-context.js";
import { watchDrops } from "./drop-zone.js";
import { aboveKeyboard } from "./virtual-keyboard.js";
import { mediaStore } from "../media/media-uploader.js";
import { dictation } from "./dictation.js";

/** The composer, as far as its actions need it. */
export interface ComposerHost extends HTMLElement {
  readonly ui: Ui;
  readonly view: View;
  readonly writing: Writing;
  /** The draft holds nothing that could be sent. */
  readonly blank: boolean;
  /** A syllable is being composed: the field is the input method's. */
  readonly composing: boolean;
  /** The words heard so far while listening; `null` otherwise. */
  spoken: string | null;
  /** What switches what goes along, once it is here. */
  readonly chips: ClawdbotContexts | null;
  readonly updateComplete: Promise<boolean>;
  /** What switches what goes along is shown, whatever the home has to give. */
  withContexts: boolean;
  /** The message goes as soon as all of it is there. */
  holding: boolean;
  /** An edit is on its way. */
  saving: boolean;
  /** Why the message does not go. */
  problem: string;
  /** A message has gone. */
  readonly onSend: () => void;
  field(): HTMLTextAreaElement | null;
  /** Replace the field's text, as a person's edit would. */
  write(text: string): void;
  /** The field's text has changed. */
  edited(): void;
  /** Files of the draft `key` were added, removed or have moved on. */
  filesMoved(key: string): void;
  /** Send what is there, as soon as all of it is; `now`: for the reply that is being written. */
  submit(now?: boolean): void;
  endEdit(): void;
  /** Show the draft as it is stored. */
  reload(): void;
}

export class ComposerActions {
  private readonly recall = new Recall();
  /** What was sent from this page, oldest first. */
  private readonly sent: string[] = [];
  private voice: { stop: () => void } | null = null;
  private unwatch: (() => void)[] = [];

  constructor(private readonly composer: ComposerHost) {}

  /** The composer is in a document: its home can be dropped on, and is kept above the keyboard. */
  watch(): void {
    const { composer } = this;
    const root = composer.getRootNode();
    const host = root instanceof ShadowRoot ? root.host : composer;
    if (!(host instanceof HTMLElement)) return;
    const place = composer.closest(".app") ?? composer;
    const label = (): string => composer.ui.t("attach.drop");
    const take = (files: File[], folders: string[]): void => {
      const { t, toast } = composer.ui;
      if (folders.length > 0) toast({ text: t("attach.folder", { names: folders.join(", ") }), kind: "error" });
      if (files.length > 0) void this.attach(files);
    };
    this.unwatch.push(watchDrops(host, place, label, take));
    if (composer.ui.mode === "page") this.unwatch.push(aboveKeyboard(host));
    composer.addEventListener("keydown", this.steer, true);
    this.unwatch.push(() => composer.removeEventListener("keydown", this.steer, true));
  }

  leave(): void {
    this.voice?.stop();
    for (const end of this.unwatch.splice(0)) end();
  }

  /** Ctrl+Shift+Enter: what is in the field, or else what was sent last and waits, is for the running reply. */
  private readonly steer = (event: KeyboardEvent): void => {
    const { composer } = this;
    const key = event.key === "Enter" && event.shiftKey && !event.altKey && (event.ctrlKey || event.metaKey);
    if (!key || isComposingKey(event) || event.target !== composer.field()) return;
    event.preventDefault();
    event.stopPropagation();
    if (composer.blank) void composer.querySelector("clawdbot-queue")?.steerNewest();
    else composer.submit(true);
  };

  // -- files --------------------------------------------------------------------------------------------------------
  /** The files of the draft on show, with those that its draft remembers. */
  files(): Uploads {
    const { ui, writing } = this.composer;
    return writing.withFiles((key) => {
      const store = mediaStore(ui.controller, ui.http ? ui.base : null, () => this.composer.ui.locale);
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

  // -- sending ------------------------------------------------------------------------------------------------------
  /** Put a text of the page around into the field. With `send` it goes, by itself where something is being written. */
  async compose(text: string, send: boolean, contexts: readonly ContextSource[]): Promise<void> {
    const { composer } = this;
    const { blank } = composer;
    if (send && !(blank && !composer.writing.editing && !composer.composing)) return this.sendBeside(text, contexts);
    composer.write(blank ? text : `${composer.field()?.value ?? ""}\n\n${text}`.trim());
    composer.focus();
    if (contexts.length > 0) (await this.switches())?.only(contexts);
    if (send) composer.submit();
  }

  /** What switches what goes along, fetched if it is not here; `null` when it cannot be had, which is told. */
  async switches(): Promise<ClawdbotContexts | null> {
    const { composer } = this;
    composer.withContexts = await loadElement("clawdbot-contexts");
    if (!composer.withContexts) composer.ui.toast({ text: composer.ui.t("part.failed"), kind: "error" });
    await composer.updateComplete;
    return composer.chips;
  }

  /** Read what goes along with the message that waits; then it goes, unless the person ended the wait. */
  async readContexts(chips: ClawdbotContexts): Promise<void> {
    const { composer } = this;
    composer.holding = true;
    const problem = await chips.read();
    composer.problem = problem;
    if (problem !== "") composer.holding = false;
    if (!composer.holding) chips.forget();
  }

  /** Replace a stored message. The edit stays in the field until the gateway has it. */
  async replace({ messageId, sendKey }: Editing, text: string): Promise<void> {
    const { composer } = this;
    const { ui, view, writing } = composer;
    composer.saving = true;
    const done = await ui.attempt(ui.controller.edit(view.key, messageId, text, writing.attached, sendKey));
    composer.saving = false;
    if (!done || writing.editing?.messageId !== messageId) return;
    composer.endEdit();
    composer.onSend();
  }

  /** Send a question of the page around with what it is about, and leave the draft alone. */
  async sendBeside(text: string, sources: readonly ContextSource[]): Promise<void> {
    const { ui, view, onSend } = this.composer;
    await loadElement("clawdbot-contexts"); // whose texts say why something cannot be read
    const files: GivenFile[] = [];
    for (const source of sources) {
      try {
        files.push(...(await source.read()));
      } catch (error) {
        const why = error instanceof Error ? error.message : "";
        ui.toast({ text: ui.t("contexts.unreadQuestion", { name: source.label, why }), kind: "error" });
        return;
      }
    }
    const notes = files.flatMap(({ note }) => note ?? []);
    if (notes.length > 0) ui.toast({ text: notes.join(" ") });
    ui.controller.sendBeside(view.key, text, attachedFrom(files));
    onSend();
  }

  // -- earlier messages ---------------------------------------------------------------------------------------------
  remember(text: string): void {
    this.sent.push(text);
  }

  /** Edit a message of ours. Where the gateway cannot branch, it is only written again. */
  edit(message: Message): void {
    const { composer } = this;
    if (composer.ui.controller.can("chat.edit")) {
      composer.writing.beginEdit(message, attachedOf(message.content));
      composer.reload();
    } else {
      this.files().restore(attachedOf(message.content));
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
    const there = await loadElement(name);
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

  /** True if a listener took it. */
  stopListening(): boolean {
    const { voice } = this;
    voice?.stop(); // which may end it at once
    return voice !== null;
  }
}
