/**
 * `<clawdbot-composer>`: the message field with its buttons, the slash commands above it, and the sends that wait.
 *
 * The field's text belongs to the person: it is written only when the session changes, after a send, and on request,
 * and never while a syllable is being composed.
 */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";

import { EnterRule, isComposingKey } from "../core/ime.js";
import type { Command, Queued } from "../core/protocol.js";
import type { View } from "../core/state.js";

import { suggestionList, suggestions } from "./command-menu.js";
import type { Suggestion } from "./command-menu.js";
import type { Ui } from "./context.js";
import { icon } from "./icons.js";
import { LightElement } from "./light.js";
import { lastOwnText } from "./transcript.js";

/** Browsers without `field-sizing` need the height set by hand. */
const SIZES_ITSELF = typeof CSS !== "undefined" && CSS.supports("field-sizing", "content");

export class ClawdbotComposer extends LightElement {
  static override properties = {
    view: { attribute: false },
    ui: { attribute: false },
    commands: { attribute: false },
    online: { type: Boolean },
    text: { state: true },
    active: { state: true },
    dismissed: { state: true },
  };

  declare view: View;
  declare ui: Ui;
  declare commands: Command[];
  declare online: boolean;
  /** A copy of the field's text, for what depends on it. */
  declare private text: string;
  /** The highlighted command. */
  declare private active: number;
  /** The text for which the command list was closed by Esc. */
  declare private dismissed: string;

  /** Called after a send. */
  onSend: () => void = () => undefined;

  private readonly rule = new EnterRule(
    () => this.submit(),
    () => this.ui.prefs.hangulSends,
  );
  private composing = false;

  constructor() {
    super();
    this.text = "";
    this.active = 0;
    this.dismissed = "";
  }

  /** Put the cursor into the field. */
  override focus(): void {
    this.field()?.focus();
  }

  /** Replace the text, cursor at its end. */
  write(text: string): void {
    const field = this.field();
    if (!field || this.composing) return;
    field.value = text;
    field.setSelectionRange(text.length, text.length);
    this.edited();
  }

  /** Give back a text that could not be sent, unless another one is being written. */
  giveBack(text: string): void {
    if (this.field()?.value === "") this.write(text);
  }

  /** Is the list of commands open? Esc then closes it and nothing else. */
  get menuOpen(): boolean {
    return this.fitting().length > 0;
  }

  protected override updated(changed: PropertyValues<this>): void {
    this.querySelector("[role=option][aria-selected=true]")?.scrollIntoView({ block: "nearest" });
    const before = changed.get("view");
    if (changed.has("view") && before?.key !== this.view.key) this.loadDraft();
    else if (changed.has("view") && this.text !== "" && this.acknowledged()) this.write("");
  }

  private loadDraft(): void {
    this.rule.cancel();
    const draft = this.ui.controller.drafts.get(this.view.key);
    const underway = this.view.pending.some((pending) => pending.runId === draft.sendKey);
    this.write(underway ? "" : draft.text);
  }

  /** Has the history shown that what still stands here was sent before a reload? */
  private acknowledged(): boolean {
    const { sendKey } = this.ui.controller.drafts.get(this.view.key);
    return sendKey !== undefined && this.view.messages.some((message) => message.runId === sendKey);
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    const busy = this.view.live !== null;
    const blank = this.text.trim() === "";
    const fitting = this.fitting();
    const open = fitting.length > 0;
    const placeholder = this.online ? t("composer.placeholder") : t("composer.placeholderOffline");
    return html`
      ${
        open
          ? suggestionList(fitting, this.active, t("commands.label"), (suggestion) => this.choose(suggestion))
          : nothing
      }
      ${this.waiting()}
      <form
        class="composer"
        @submit=${(event: Event) => {
          event.preventDefault();
          this.submit();
        }}
      >
        <textarea
          id="composer"
          rows="1"
          aria-label=${t("composer.label")}
          aria-describedby="composer-hint"
          aria-autocomplete="list"
          aria-controls=${open ? "commands" : nothing}
          aria-activedescendant=${open ? `command-${this.active}` : nothing}
          placeholder=${placeholder}
          enterkeyhint=${this.enterSends() ? "send" : "enter"}
          autocomplete="off"
          @input=${this.edited}
          @keydown=${this.keydown}
          @compositionstart=${() => (this.composing = true)}
          @compositionupdate=${(event: CompositionEvent) => this.rule.compositionUpdate(event.data)}
          @compositionend=${() => {
            this.composing = false;
            this.rule.compositionEnd();
          }}
          @blur=${() => {
            this.composing = false;
            this.rule.cancel();
          }}
        ></textarea>
        <div class="composer-buttons">
          ${
            busy
              ? html`<button
                  type="button"
                  class="round stop"
                  aria-label=${t("action.stop")}
                  title=${t("action.stopKey")}
                  @click=${this.stop}
                  ?disabled=${!this.online}
                >
                  ${icon("stop")}
                </button>`
              : nothing
          }
          ${
            busy && blank
              ? nothing
              : html`<button
                  type="submit"
                  class="round send"
                  aria-label=${busy ? t("action.queue") : t("action.send")}
                  title=${busy ? t("action.queue") : t("action.send")}
                  ?disabled=${blank || !this.online}
                >
                  ${icon("up")}
                </button>`
          }
        </div>
      </form>
      <p class="hint" id="composer-hint">${this.hint()}</p>
    `;
  }

  private hint(): string {
    const { t, prefs } = this.ui;
    if (!this.online) return t("composer.hintOffline");
    if (!this.enterSends()) return prefs.sendKey === "enter" ? t("composer.hintTouch") : t("composer.hintCtrl");
    return t("composer.hint");
  }

  /** Sends that wait for the running reply: those the gateway lists, and those still on their way to it. */
  private waiting(): TemplateResult | typeof nothing {
    const { t } = this.ui;
    const { live, pending, queued } = this.view;
    const onTheWay: Queued[] = live ? pending.filter((each) => each.runId !== live.runId) : [];
    const all = [...queued, ...onTheWay];
    if (all.length === 0) return nothing;
    return html`<ul class="queue" aria-label=${t("queue.label")}>
      ${all.map(
        (each) =>
          html`<li>
            <span class="queue-text">${each.text}</span>
            <button
              type="button"
              class="icon-button small"
              aria-label=${t("queue.cancel")}
              title=${t("queue.cancel")}
              @click=${() => void this.cancel(each)}
            >
              ${icon("close")}
            </button>
          </li>`,
      )}
    </ul>`;
  }

  private async cancel(queued: Queued): Promise<void> {
    const { ui } = this;
    if (await ui.attempt(ui.controller.abort(queued.runId))) this.giveBack(queued.text);
    this.focus();
  }

  // -- keys ---------------------------------------------------------------------------------------------------------
  private keydown(event: KeyboardEvent): void {
    if (!isComposingKey(event) && this.menuKey(event)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const enterSends = this.enterSends() || event.ctrlKey || event.metaKey;
    if (enterSends && this.rule.keydown(event, this.ui.prefs.sendKey)) {
      event.preventDefault();
      return;
    }
    if (event.key === "ArrowUp" && this.text === "" && !isComposingKey(event)) {
      const last = lastOwnText(this.view.messages);
      if (last === undefined) return;
      event.preventDefault();
      this.write(last);
    }
  }

  /** On a touch keyboard Enter is a line break: there is no Shift to make one with. */
  private enterSends(): boolean {
    return this.ui.prefs.sendKey === "enter" && !matchMedia("(pointer: coarse) and (hover: none)").matches;
  }

  private menuKey(event: KeyboardEvent): boolean {
    const fitting = this.fitting();
    const chosen = fitting[this.active];
    if (!chosen) return false;
    switch (event.key) {
      case "ArrowDown":
        this.active = (this.active + 1) % fitting.length;
        return true;
      case "ArrowUp":
        this.active = (this.active + fitting.length - 1) % fitting.length;
        return true;
      case "Escape":
        this.dismissed = this.text;
        return true;
      case "Tab":
        if (event.shiftKey) return false;
        this.choose(chosen);
        return true;
      case "Enter":
        if (event.shiftKey || chosen.text === this.text) return false;
        this.choose(chosen);
        return true;
      default:
        return false;
    }
  }

  private fitting(): Suggestion[] {
    return this.text === this.dismissed ? [] : suggestions(this.commands, this.text);
  }

  private choose(suggestion: Suggestion): void {
    this.write(suggestion.open ? `${suggestion.text} ` : suggestion.text);
    if (!suggestion.open) this.dismissed = this.text;
    this.focus();
  }

  // -- text ---------------------------------------------------------------------------------------------------------
  private edited(): void {
    const field = this.field();
    if (!field) return;
    const { controller } = this.ui;
    const key = this.view.key;
    const draft = controller.drafts.get(key);
    if (field.value !== this.text) {
      this.active = 0;
      if (field.value !== this.dismissed) this.dismissed = "";
    }
    this.text = field.value;
    // A text that is on its way keeps its draft until it has arrived; writing the next one replaces it.
    if (this.text !== "" && this.text !== draft.text) controller.drafts.set(key, { text: this.text });
    else if (this.text === "" && draft.sendKey === undefined) controller.drafts.remove(key);
    if (!SIZES_ITSELF && !this.composing) requestAnimationFrame(() => fit(field));
  }

  private submit(): void {
    const field = this.field();
    if (!field || this.composing || !this.online || field.value.trim() === "") return;
    this.ui.controller.send(field.value.trim().normalize("NFC"));
    this.write("");
    this.onSend();
  }

  private stop(): void {
    void this.ui.attempt(this.ui.controller.abort());
    this.focus();
  }

  private field(): HTMLTextAreaElement | null {
    return this.querySelector("textarea");
  }
}

function fit(field: HTMLTextAreaElement): void {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
