/**
 * `<clawdbot-composer>`: the message field with its buttons, and around it what waits, what is attached and what can be
 * completed. The field and sending are here; the rest is a chunk of its own (`lazy.ts`).
 *
 * The field's text belongs to the person: it is written only when the session changes, after a send, and on request,
 * and never while a syllable is being composed.
 */
import { type PropertyValues, type TemplateResult, html, nothing } from "lit";

import { messageOf } from "../../state/commands.js";
import { randomKey } from "../../state/controller.js";
import { EnterRule, isComposingKey } from "../../input/ime.js";
import type { Command, Queued } from "../../protocol/types.js";
import type { ContextSource } from "../../state/host.js";
import { type View, waitingIn } from "../../state/state.js";
import type { Item } from "../../state/uploads.js";
import { Writing } from "../../state/editing.js";
import { loadElement } from "../base/lazy.js";

import type { ComposerActions } from "./composer-actions.js";
import type { Choice } from "./completion-menu.js";
import { dialogs, fit, hint, notices, tools } from "./toolbar.js";
import type { Ui } from "../base/ui-context.js";
import { LightElement } from "../base/light-element.js";

/** Browsers without `field-sizing` need the height set by hand. */
const SIZES_ITSELF = typeof CSS !== "undefined" && CSS.supports("field-sizing", "content");
const TOUCH = "(pointer: coarse) and (hover: none)";

export class ClawdbotComposer extends LightElement {
  static override properties = {
    view: { attribute: false },
    ui: { attribute: false },
    commands: { attribute: false },
    online: { type: Boolean },
    contexts: { attribute: false },
    text: { state: true },
    menu: { state: true },
    actions: { state: true },
    holding: { state: true },
    saving: { state: true },
    problem: { state: true },
    spoken: { state: true },
    withContexts: { state: true },
  };

  declare view: View;
  declare ui: Ui;
  declare commands: Command[];
  declare online: boolean;
  /** What of the page around can go along. */
  declare contexts: readonly ContextSource[];
  /** A copy of the field's text, for what depends on it. */
  declare private text: string;
  declare private menu: { open: boolean; active: string | null };
  /** What came with the lazy chunk; `null` until it is here. */
  declare private actions: ComposerActions | null;
  /** The message goes as soon as its files are there. */
  declare holding: boolean;
  /** An edit is on its way. */
  declare saving: boolean;
  /** Why the message does not go. */
  declare problem: string;
  /** While listening: what is being said. */
  declare spoken: string | null;
  /** The home gave something for a message, whatever else it has to give. */
  declare withContexts: boolean;

  onSend: () => void = () => undefined;

  private readonly rule = new EnterRule(
    () => this.submit(),
    () => this.ui.prefs.hangulSends,
  );
  writing!: Writing;
  /** A syllable is being composed: the field is the input method's. */
  composing = false;
  /** The draft on show changed while a syllable was being composed. */
  private outdated = false;
  /** Another controller: no draft of it is on show yet. */
  private fresh = true;
  private loading: Promise<ComposerActions | null> | undefined;
  /** How many things are on their way into the draft. */
  private coming = 0;
  private now = false; // what is held is for the running reply

  constructor() {
    super();
    this.text = "";
    this.contexts = [];
    this.menu = { open: false, active: null };
    this.actions = null;
    this.holding = false;
    this.saving = false;
    this.problem = "";
    this.spoken = null;
    this.withContexts = false;
  }

  // -- life ---------------------------------------------------------------------------------------------------------
  override connectedCallback(): void {
    super.connectedCallback();
    this.actions?.watch();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.actions?.leave();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("ui") || changed.get("ui")?.controller === this.ui.controller) return;
    this.writing = new Writing(this.ui.controller.drafts, randomKey);
    this.fresh = true;
  }

  protected override firstUpdated(): void {
    this.takeFocus();
    // Safari has no idle callback.
    if ("requestIdleCallback" in window) requestIdleCallback(() => void this.load(), { timeout: 1_000 });
    else setTimeout(() => void this.load(), 200);
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("contexts") && this.contexts.length > 0) void this.wait(loadElement("clawdbot-contexts"));
    const before = changed.get("view");
    if (changed.has("online") && this.online && this.holding) this.submit(this.now);
    const other = changed.has("view") && before?.key !== this.view.key;
    if (other || this.fresh) {
      this.fresh = false;
      this.loadDraft();
      if (before && other) this.takeFocus(true);
    } else if (changed.has("view") && this.text !== "" && this.acknowledged()) {
      this.writing.letGo();
      this.write("");
    }
  }

  /** What is in the lazy chunk; `null` when it cannot be had. The next call tries again. */
  private load(): Promise<ComposerActions | null> {
    this.loading ??= import("./lazy.js").then(
      ({ createComposerActions }) => {
        this.actions = createComposerActions(this);
        if (this.isConnected) this.actions.watch();
        this.updateMenu(); // at what was written before
        return this.actions;
      },
      () => {
        this.loading = undefined;
        return null;
      },
    );
    return this.loading;
  }

  /** Do something that needs the chunk, or say that it cannot be had; a message that is sent meanwhile waits for it. */
  at(act: (actions: ComposerActions) => unknown): Promise<void> {
    return this.wait(
      this.load().then(async (actions) => {
        if (actions) await act(actions);
        else {
          this.holding = false;
          this.ui.toast({ text: this.ui.t("part.failed"), kind: "error" });
        }
      }),
    );
  }

  /** A message that is sent before `coming` is there goes then. */
  private async wait(coming: Promise<unknown>): Promise<void> {
    this.coming += 1;
    try {
      await coming;
    } finally {
      this.coming -= 1;
      if (this.holding && this.coming === 0) this.submit(this.now);
    }
  }

  // -- for the element around ---------------------------------------------------------------------------------------
  /** Put the cursor into the field. */
  override focus(): void {
    this.field()?.focus();
  }

  /**
   * Take the focus if nothing else has it and no touch keyboard would come up. After a switch of the session it may be
   * taken from the button that did it.
   */
  takeFocus(switched = false): void {
    if (matchMedia(TOUCH).matches || (this.ui.mode === "panel" && !switched)) return;
    const active = (this.getRootNode() as Document | ShadowRoot).activeElement;
    const unfocused = this.ui.mode === "page" && !active && document.activeElement === document.body;
    if (unfocused || (switched && active?.matches("button, a") && !active.closest("dialog"))) this.focus();
  }

  /** Replace the text, cursor at its end. */
  write(text: string): void {
    const field = this.field();
    if (!field || this.composing) return;
    field.value = text;
    field.setSelectionRange(text.length, text.length);
    this.edited();
  }

  /** The draft on show was changed from elsewhere: a send came back. */
  reload(): void {
    this.loadDraft();
  }

  /** Edit a message of ours. */
  edit(messageId: string): void {
    const message = this.view.messages.find((each) => each.id === messageId);
    if (message) void this.at((actions) => actions.edit(message));
  }

  // -- drafts -------------------------------------------------------------------------------------------------------
  private loadDraft(): void {
    this.rule.cancel();
    this.holding = false;
    this.problem = "";
    this.outdated = this.composing;
    if (this.composing) return;
    this.writing.open(this.view.key);
    const { draft } = this.writing;
    const underway = this.view.pending.some((pending) => pending.runId === draft.sendKey);
    this.write(underway ? "" : draft.text);
    if (!underway && draft.attachments?.length) void this.at((actions) => actions.files());
    this.requestUpdate();
  }

  /** Has the history shown that what still stands here was sent before a reload? */
  private acknowledged(): boolean {
    const { sendKey } = this.writing.draft;
    return sendKey !== undefined && this.view.messages.some((message) => message.runId === sendKey);
  }

  /** The field's text changed. */
  edited(): void {
    const field = this.field();
    if (!field || this.outdated) return;
    // Who goes on writing does not want the half of it to go.
    if (field.value !== this.text) this.holding = false;
    this.text = field.value;
    this.problem = "";
    this.writing.save(this.text);
    this.updateMenu();
    if (!SIZES_ITSELF && !this.composing) requestAnimationFrame(() => fit(field));
  }

  /** Before the chunk is there, files wait for it; text is what the browser makes of it. */
  private paste(event: ClipboardEvent): void {
    const { actions } = this;
    const { clipboardData } = event;
    const files = Array.from(clipboardData?.files ?? []);
    if (actions) actions.paste(event);
    else if (files.length > 0 && !clipboardData?.getData("text/plain").includes("\t")) {
      // Cells have tabs, and bring a picture of theirs.
      event.preventDefault();
      void this.at((late) => late.attach(files));
    }
  }

  /** Something about the files of a draft changed. */
  filesMoved(key: string): void {
    if (key !== this.writing.key) {
      this.writing.saveFiles(key);
      return;
    }
    this.problem = "";
    if (!this.outdated) this.writing.save(this.text);
    this.requestUpdate();
    if (this.holding && !this.writing.files?.busy) this.submit(this.now);
  }

  // -- sending ------------------------------------------------------------------------------------------------------
  /** Is there nothing to send? */
  get blank(): boolean {
    return this.text.trim() === "" && !this.writing.files?.items.length;
  }

  /** Send what is there, as soon as all of it is; `now`: for the reply that is being written. */
  submit(now = false): void {
    const field = this.field();
    this.holding = false;
    if (!field || this.composing || this.saving || (this.blank && this.coming === 0)) return;
    const { files, editing } = this.writing;
    const text = messageOf(field.value);
    this.now = now;
    if (!this.online) return void (this.holding = this.ui.controller.state.hello === null); // until the first connection
    if (!editing && this.command(text)) return;
    this.problem = this.actions?.blocked() ?? "";
    this.holding = this.problem === "" && (this.coming > 0 || files?.busy === true);
    if (this.problem !== "" || this.holding) return;
    const chips = editing ? null : this.chips;
    if (chips?.unread) return void this.at((actions) => actions.readContexts(chips));
    const attached = [...(files?.attached ?? []), ...(chips?.consume() ?? [])];
    if (editing) return void this.at((actions) => actions.replace(editing, text));
    this.actions?.remember(text);
    this.ui.controller.send(text, attached, now);
    this.writing.letGo();
    this.write("");
    this.onSend();
  }

  /** A command takes nothing along: what is attached, and what is switched on, waits. True if it was one. */
  private command(text: string): boolean {
    if (!this.ui.controller.isCommand(text)) return false;
    const { chips } = this;
    const names = [...(this.writing.files?.items ?? []).map(({ name }) => name), ...(chips?.names ?? [])];
    this.actions?.remember(text);
    this.ui.controller.send(text);
    this.write("");
    if (names.length > 0) this.ui.toast({ text: this.ui.t("contexts.command", { names: names.join(", ") }) });
    this.onSend();
    return true;
  }

  /** The switches, once they are more than an empty element. */
  get chips(): HTMLElementTagNameMap["clawdbot-contexts"] | null {
    return this.querySelector<HTMLElementTagNameMap["clawdbot-contexts"]>("clawdbot-contexts:defined");
  }

  /** Send by a button: it ends what is being composed, which some engines do not do by themselves. */
  private pressed(event: Event): void {
    event.preventDefault();
    if (this.holding) {
      this.holding = false;
      return;
    }
    if (this.composing) this.field()?.blur();
    setTimeout(() => {
      this.submit();
      if (!matchMedia(TOUCH).matches) this.focus();
    }, 0);
  }

  endEdit(): void {
    this.writing.endEdit();
    this.loadDraft();
    this.focus();
  }

  private stop(): void {
    void this.ui.attempt(this.ui.controller.abort());
    this.focus();
  }

  // -- keys ---------------------------------------------------------------------------------------------------------
  private keydown(event: KeyboardEvent): void {
    const composing = isComposingKey(event);
    if (!composing && (this.list?.key(event) || this.ownKey(event))) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const enterSends = this.enterSends() || event.ctrlKey || event.metaKey;
    if (enterSends && this.rule.keydown(event, this.ui.prefs.sendKey)) event.preventDefault();
  }

  /** On a touch keyboard Enter is a line break: there is no Shift to make one with. */
  private enterSends(): boolean {
    return this.ui.prefs.sendKey === "enter" && !matchMedia(TOUCH).matches;
  }

  private ownKey(event: KeyboardEvent): boolean {
    if (event.key.toLowerCase() === "e" && event.shiftKey && (event.ctrlKey || event.metaKey)) {
      void this.at((actions) => actions.expand());
      return true;
    }
    if (event.key === "Escape") return this.escape();
    const plain = !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (!plain || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return false;
    return this.actions?.arrow(event.key) ?? false;
  }

  /** Esc leaves one thing at a time: listening, the wait for files, the edit. */
  private escape(): boolean {
    if (this.actions?.stopListening()) return true;
    if (this.holding) this.holding = false;
    else if (this.writing.editing) this.endEdit();
    else return false;
    return true;
  }

  /** Tell the menu where the cursor is. */
  private updateMenu(): void {
    const field = this.field();
    if (field && this.isConnected) this.list?.typed(field.value, field.selectionStart); // else no list is awake
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override render(): TemplateResult {
    const { ui, menu, view } = this;
    const { t } = ui;
    const placeholder = this.online ? t("composer.placeholder") : t("composer.placeholderOffline");
    return html`
      <clawdbot-composer-menu
        .ui=${ui}
        .commands=${this.commands}
        .onChoose=${(choice: Choice) => this.actions?.choose(choice)}
        .onState=${(state: { open: boolean; active: string | null }) => (this.menu = state)}
      ></clawdbot-composer-menu>
      <clawdbot-queue
        .ui=${ui}
        .sessionKey=${view.key}
        .waiting=${waitingIn(view)}
        .live=${view.live !== null}
        .onTakeBack=${(queued: Queued) => {
          if (this.blank) this.write(queued.text);
        }}
        .onDone=${() => this.focus()}
      ></clawdbot-queue>
      ${notices(ui, {
        editing: this.writing.editing !== null,
        problem: this.problem,
        holding: this.holding && (this.online ? "attach.holding" : "banner.connecting"),
        spoken: this.spoken,
        cancelEdit: () => this.endEdit(),
      })}
      ${
        this.contexts.length > 0 || this.withContexts
          ? html`<clawdbot-contexts .ui=${ui} .sources=${this.contexts}></clawdbot-contexts>`
          : nothing
      }
      <form class="composer" @submit=${this.pressed}>
        <clawdbot-attachments
          .ui=${ui}
          .uploads=${this.writing.files}
          .items=${this.writing.files?.items ?? []}
          .onInsert=${(item: Item) => void this.at((actions) => actions.insertPasted(item))}
        ></clawdbot-attachments>
        <textarea
          id="composer"
          rows="1"
          dir="auto"
          aria-label=${t("composer.label")}
          aria-describedby="composer-hint"
          aria-autocomplete="list"
          aria-controls=${menu.open ? "commands" : nothing}
          aria-activedescendant=${menu.active ?? nothing}
          placeholder=${placeholder}
          enterkeyhint=${this.enterSends() ? "send" : "enter"}
          autocomplete="off"
          @input=${this.edited}
          @paste=${this.paste}
          @click=${this.updateMenu}
          @keyup=${this.updateMenu}
          @keydown=${this.keydown}
          @compositionstart=${() => (this.composing = true)}
          @compositionupdate=${(event: CompositionEvent) => this.rule.compositionUpdate(event.data)}
          @compositionend=${() => {
            this.composing = false;
            this.rule.compositionEnd();
            if (this.outdated) this.loadDraft();
          }}
          @blur=${() => {
            this.composing = false;
            this.rule.cancel();
          }}
        ></textarea>
        ${tools(ui, {
          text: this.text,
          listening: this.spoken !== null,
          busy: view.live !== null,
          blank: this.blank,
          online: this.online,
          waits: this.holding || this.saving,
          editing: this.writing.editing !== null,
          stop: () => this.stop(),
          attach: (files) => void this.at((actions) => actions.attach(files)),
          mention: () => void this.at((actions) => actions.begin("@")),
          command: () => void this.at((actions) => actions.begin("/")),
          expand: () => void this.at((actions) => actions.expand()),
          dictate: () => void this.at((actions) => actions.dictate()),
        })}
      </form>
      <p class="hint" id="composer-hint">${hint(ui, this.online, this.enterSends())}</p>
      ${dialogs(ui, this.online, {
        insert: (text) => this.actions?.insert(text),
        promptsChanged: () => this.list?.forgetPrompts(),
        write: (text) => this.write(text),
        submit: () => this.submit(),
        closed: (caret) => {
          this.focus();
          if (caret !== undefined) this.field()?.setSelectionRange(caret, caret);
        },
      })}
    `;
  }

  /** The menu, once it is more than an empty element. */
  private get list(): HTMLElementTagNameMap["clawdbot-composer-menu"] | null {
    return this.actions && this.querySelector("clawdbot-composer-menu");
  }

  field(): HTMLTextAreaElement | null {
    return this.querySelector("#composer");
  }
}
