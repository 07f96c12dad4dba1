/** `<clawdbot-prompts>`: the small library of own prompts. They live at the gateway; the `/` menu offers them. */
import { html } from "lit";
import type { TemplateResult } from "lit";

import { isComposingKey } from "../../input/ime.js";
import type { ParamsOf, Prompt } from "../../protocol/types.js";
import en from "../../i18n/composer-dialogs.en.json";
import ko from "../../i18n/composer-dialogs.ko.json";
import { addTexts } from "../../i18n/index.js";

import { lazyIcon } from "./icons.js";
import type { Ui } from "../base/ui-context.js";
import { closeOnBackdrop } from "../base/dialog.js";
import { icon } from "../base/more-icons.js";
import { LightElement } from "../base/light-element.js";
import { composerParts } from "../styles/lazy-composer.js";

addTexts({ en, ko });

const UNDO_MS = 10_000;

export class ClawdbotPrompts extends LightElement {
  static override sheet = composerParts;
  static override properties = {
    ui: { attribute: false },
    onUse: { attribute: false },
    onChanged: { attribute: false },
    onClosed: { attribute: false },
    prompts: { state: true },
    editing: { state: true },
  };

  declare ui: Ui;
  /** Put a prompt's text into the message. */
  declare onUse: (text: string) => void;
  declare onChanged: () => void;
  declare onClosed: () => void;
  /** `null` while they are being fetched. */
  declare private prompts: readonly Prompt[] | null;
  /** The one in the form; without an id it is new. `null`: the list is on show. */
  declare private editing: { id?: string; name: string; text: string } | null;

  constructor() {
    super();
    this.prompts = null;
    this.editing = null;
    this.onUse = () => undefined;
    this.onChanged = () => undefined;
    this.onClosed = () => undefined;
  }

  /** @param text what a new prompt should begin with; empty: show the list */
  async open(text = ""): Promise<void> {
    this.editing = text === "" ? null : { name: "", text };
    await this.updateComplete;
    const dialog = this.querySelector("dialog");
    if (!dialog || dialog.open) return;
    dialog.showModal();
    await this.load();
  }

  private async load(): Promise<void> {
    const asked = this.ui.controller.client.request("prompts.list", {});
    if (await this.ui.attempt(asked)) this.prompts = (await asked).prompts;
    else this.close();
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    return html`<dialog
      class="dialog prompts"
      aria-labelledby="prompts-title"
      @click=${closeOnBackdrop}
      @close=${() => this.onClosed()}
    >
      <div class="dialog-head">
        <h2 id="prompts-title">${t("prompts.title")}</h2>
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
      <div class="dialog-body">${this.editing ? this.form(this.editing) : this.list()}</div>
    </dialog>`;
  }

  private list(): TemplateResult {
    const { t } = this.ui;
    const { prompts } = this;
    return html`
      <p class="fine">${t("prompts.lead")}</p>
      ${
        prompts === null
          ? html`<p class="none">${t("transcript.loading")}</p>`
          : prompts.length === 0
            ? html`<p class="none">${t("prompts.none")}</p>`
            : html`<ul class="prompt-list">
                ${prompts.map((prompt) => this.row(prompt))}
              </ul>`
      }
      <div class="dialog-actions">
        <button type="button" class="button primary" @click=${() => void this.edit({ name: "", text: "" })}>
          ${icon("plus")} ${t("prompts.add")}
        </button>
      </div>
    `;
  }

  private row(prompt: Prompt): TemplateResult {
    const { t } = this.ui;
    const { id, name, text } = prompt;
    return html`<li>
      <button type="button" class="prompt-use" title=${t("prompts.use")} @click=${() => this.use(text)}>
        <strong>${name}</strong><span>${text}</span>
      </button>
      <button
        type="button"
        class="icon-button small"
        aria-label=${t("prompts.editOne", { name })}
        title=${t("prompts.editOne", { name })}
        @click=${() => void this.edit({ id, name, text })}
      >
        ${lazyIcon("edit")}
      </button>
      <button
        type="button"
        class="icon-button small"
        aria-label=${t("prompts.removeOne", { name })}
        title=${t("prompts.removeOne", { name })}
        @click=${() => void this.delete(prompt)}
      >
        ${icon("trash")}
      </button>
    </li>`;
  }

  private form(prompt: { id?: string; name: string; text: string }): TemplateResult {
    const { t } = this.ui;
    return html`<form class="prompt-form" @submit=${this.save} @keydown=${this.keydown}>
      <label
        >${t("prompts.name")}<input name="name" required maxlength="100" autocomplete="off" .value=${prompt.name}
      /></label>
      <label>${t("prompts.text")}<textarea name="text" required rows="8" .value=${prompt.text}></textarea></label>
      <div class="dialog-actions">
        <button type="button" class="button" @click=${() => (this.editing = null)}>${t("action.cancel")}</button>
        <button class="button primary">${t("action.save")}</button>
      </div>
    </form>`;
  }

  /** An Enter that ends a syllable must not submit the form; Esc goes back to the list, not out. */
  private keydown(event: KeyboardEvent): void {
    if (event.key === "Enter" && isComposingKey(event)) event.preventDefault();
    if (event.key !== "Escape" || isComposingKey(event)) return;
    event.preventDefault();
    event.stopPropagation();
    this.editing = null;
  }

  private async edit(prompt: { id?: string; name: string; text: string }): Promise<void> {
    this.editing = prompt;
    await this.updateComplete;
    this.querySelector<HTMLInputElement>("input[name=name]")?.focus();
  }

  private async save(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const fields = new FormData(event.target as HTMLFormElement);
    const read = (field: string): string => {
      const value = fields.get(field);
      return typeof value === "string" ? value.trim().normalize("NFC") : "";
    };
    const id = this.editing?.id;
    if (
      await this.change("prompts.set", { ...(id === undefined ? {} : { id }), name: read("name"), text: read("text") })
    )
      this.editing = null;
  }

  private async delete({ id, name, text }: Prompt): Promise<void> {
    if (!(await this.change("prompts.delete", { id }))) return;
    const { t, toast } = this.ui;
    const run = (): void => void this.change("prompts.set", { name, text });
    toast({ text: t("prompts.removed", { name }), lasts: UNDO_MS, action: { label: t("action.undo"), run } });
  }

  private async change<M extends "prompts.set" | "prompts.delete">(method: M, params: ParamsOf<M>): Promise<boolean> {
    if (!(await this.ui.attempt(this.ui.controller.client.request(method, params)))) return false;
    this.onChanged();
    await this.load();
    return true;
  }

  private use(text: string): void {
    this.close();
    this.onUse(text);
  }

  private close(): void {
    this.querySelector("dialog")?.close();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-prompts": ClawdbotPrompts;
  }
}
