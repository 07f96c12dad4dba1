/**
 * `<clawdbot-long-draft>`: a roomy editor for long messages. It shows the same draft as the field below it: what is
 * typed here is typed there. Enter is a new line; Ctrl+Enter sends.
 */
import { html } from "lit";
import type { TemplateResult } from "lit";

import { EnterRule, isComposingKey } from "../../input/ime.js";
import en from "../../i18n/composer-dialogs.en.json";
import ko from "../../i18n/composer-dialogs.ko.json";
import { addTexts } from "../../i18n/index.js";

import type { Ui } from "../base/ui-context.js";
import { closeOnBackdrop } from "../base/dialog.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { composerParts } from "../styles/lazy-composer.js";

addTexts({ en, ko });

export class ClawdbotLongDraft extends LightElement {
  static override sheet = composerParts;
  static override properties = {
    ui: { attribute: false },
    online: { type: Boolean },
    onWrite: { attribute: false },
    onSubmit: { attribute: false },
    onClosed: { attribute: false },
    length: { state: true },
  };

  declare ui: Ui;
  declare online: boolean;
  declare onWrite: (text: string) => void;
  declare onSubmit: () => void;
  /** With the cursor's place. */
  declare onClosed: (caret: number) => void;
  declare private length: number;

  private readonly rule = new EnterRule(
    () => this.send(),
    () => this.ui.prefs.hangulSends,
  );

  constructor() {
    super();
    this.length = 0;
    this.onWrite = () => undefined;
    this.onSubmit = () => undefined;
    this.onClosed = () => undefined;
  }

  open(text: string, caret: number): void {
    const dialog = this.querySelector("dialog");
    const field = this.field();
    if (!dialog || !field || dialog.open) return;
    field.value = text;
    this.length = text.length;
    dialog.showModal();
    field.focus();
    field.setSelectionRange(caret, caret);
  }

  protected override render(): TemplateResult {
    const { t, locale } = this.ui;
    return html`<dialog
      class="dialog long-draft"
      aria-labelledby="long-draft-title"
      @click=${closeOnBackdrop}
      @close=${() => this.onClosed(this.field()?.selectionStart ?? 0)}
    >
      <div class="dialog-head">
        <h2 id="long-draft-title">${t("longDraft.title")}</h2>
        <button
          type="button"
          class="icon-button"
          aria-label=${t("action.close")}
          title=${t("action.close")}
          @click=${() => this.close()}
        >
          ${icon("close")}
        </button>
      </div>
      <div class="dialog-body">
        <textarea
          aria-label=${t("composer.label")}
          spellcheck="true"
          @input=${this.edited}
          @keydown=${this.keydown}
          @compositionupdate=${(event: CompositionEvent) => this.rule.compositionUpdate(event.data)}
          @compositionend=${() => this.rule.compositionEnd()}
          @blur=${() => this.rule.cancel()}
        ></textarea>
        <div class="dialog-actions">
          <span class="fine"
            >${t("longDraft.length", { count: new Intl.NumberFormat(locale).format(this.length) })}</span
          >
          <button type="button" class="button" @click=${() => this.close()}>${t("longDraft.done")}</button>
          <button
            type="button"
            class="button primary"
            ?disabled=${this.length === 0 || !this.online}
            @click=${() => this.send()}
          >
            ${t("action.send")}
          </button>
        </div>
      </div>
    </dialog>`;
  }

  private keydown(event: KeyboardEvent): void {
    if (this.rule.keydown(event, "ctrl-enter")) event.preventDefault();
    const toggles = event.key.toLowerCase() === "e" && event.shiftKey && (event.ctrlKey || event.metaKey);
    if (!toggles || isComposingKey(event)) return;
    event.preventDefault();
    event.stopPropagation();
    this.close();
  }

  private edited(): void {
    const text = this.field()?.value ?? "";
    this.length = text.length;
    this.onWrite(text);
  }

  private send(): void {
    if (!this.online || this.length === 0) return;
    this.close();
    this.onSubmit();
  }

  private close(): void {
    this.querySelector("dialog")?.close();
  }

  private field(): HTMLTextAreaElement | null {
    return this.querySelector("textarea");
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-long-draft": ClawdbotLongDraft;
  }
}
