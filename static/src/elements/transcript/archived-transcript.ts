/**
 * `<clawdbot-reader>`: a conversation that is not the current one of its session, to read and copy from; it can be made
 * the current one from here. A message that was found is shown in its place.
 */
import { read, restore } from "../../state/session-files.js";
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { merge, textOf } from "../../state/messages.js";
import type { Message } from "../../protocol/types.js";
import en from "../../i18n/dialogs.en.json";
import ko from "../../i18n/dialogs.ko.json";
import { addTexts } from "../../i18n/index.js";

import type { Ui } from "../base/ui-context.js";
import { closeOnBackdrop } from "../base/dialog.js";
import { fullTime } from "../base/format.js";
import { icon } from "../base/more-icons.js";
import { LightElement } from "../base/light-element.js";
import { forms } from "../styles/lazy.js";

addTexts({ en, ko });

/** What to read; `messageId` and `seq` tell where to begin. */
export interface Reading {
  sessionId: string;
  key: string;
  title: string;
  messageId?: string;
  seq?: number;
}

const PAGE = 60;

export class ClawdbotReader extends LightElement {
  static override sheet = forms;
  static override properties = {
    ui: { attribute: false },
    reading: { state: true },
    messages: { state: true },
    more: { state: true },
  };

  declare ui: Ui;
  declare private reading: Reading | null;
  /** `null` while they are being fetched. */
  declare private messages: Message[] | null;
  declare private more: boolean;

  constructor() {
    super();
    this.reading = null;
    this.messages = null;
    this.more = false;
  }

  async open(reading: Reading): Promise<void> {
    this.reading = reading;
    this.messages = null;
    await this.updateComplete;
    const dialog = this.querySelector("dialog");
    if (dialog && !dialog.open) dialog.showModal();
    // The page with the message in it, and some before.
    await this.load(reading.seq === undefined ? undefined : reading.seq + PAGE / 2);
    await this.updateComplete;
    const found = this.querySelector<HTMLElement>("article[data-found]");
    found?.focus({ preventScroll: true });
    found?.scrollIntoView({ block: "center" });
  }

  private async load(before?: number): Promise<void> {
    const { reading } = this;
    if (!reading) return;
    const page = read(this.ui.controller.client, reading.sessionId, PAGE, before);
    if (!(await this.ui.attempt(page))) {
      if (this.messages === null) this.close();
      return;
    }
    const { messages, hasMore } = await page;
    if (this.reading !== reading) return;
    this.messages = merge(this.messages ?? [], messages);
    this.more = hasMore ?? false;
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    return html`<dialog class="dialog reader" aria-labelledby="reader-title" @click=${closeOnBackdrop}>
      <div class="dialog-head">
        <h2 id="reader-title">${this.reading?.title ?? ""}</h2>
        <button
          type="button"
          class="icon-button"
          aria-label=${t("action.close")}
          title=${t("action.close")}
          @click=${this.close}
        >
          ${icon("close")}
        </button>
      </div>
      <div class="dialog-body" tabindex="0" role="region" aria-label=${t("transcript.label")}>
        <p class="fine">${t("reader.lead")}</p>
        ${this.messages === null ? html`<p class="none">${t("transcript.loading")}</p>` : this.turns(this.messages)}
      </div>
      <div class="dialog-foot">
        <button type="button" class="button primary" @click=${() => void this.restore()}>
          ${icon("restart")} ${t("archive.restore")}
        </button>
      </div>
    </dialog>`;
  }

  private turns(messages: readonly Message[]): TemplateResult {
    const { t } = this.ui;
    return html`${
      this.more
        ? html`<button type="button" class="button" @click=${() => void this.load(messages[0]?.seq)}>
            ${t("transcript.older")}
          </button>`
        : nothing
    }
    ${repeat(
      messages.filter((message) => message.role !== "toolResult"),
      (message) => message.id,
      (message) => this.turn(message),
    )}`;
  }

  private turn(message: Message): TemplateResult {
    const { t, locale } = this.ui;
    const time = fullTime(message.timestamp, locale);
    const found = message.id === this.reading?.messageId;
    return html`<article class="turn ${message.role}" ?data-found=${found} tabindex=${found ? "-1" : nothing}>
      <h3>${message.role === "user" ? t("turn.you", { time }) : t("turn.assistant", { time })}</h3>
      <clawdbot-markdown
        data-id=${message.id}
        .labels=${{ copy: t("action.copy"), copied: t("action.copied"), code: t("code.label") }}
      ></clawdbot-markdown>
    </article>`;
  }

  protected override updated(changed: PropertyValues): void {
    super.updated(changed);
    for (const message of this.messages ?? [])
      this.querySelector<HTMLElementTagNameMap["clawdbot-markdown"]>(
        `clawdbot-markdown[data-id="${CSS.escape(message.id)}"]`,
      )?.show(textOf(message), false);
  }

  private async restore(): Promise<void> {
    const { ui, reading } = this;
    if (!reading || !(await ui.attempt(restore(ui.controller.client, reading.sessionId)))) return;
    this.close();
    ui.controller.select(reading.key);
    ui.toast({ text: ui.t("archive.restored") });
  }

  private close(): void {
    this.querySelector("dialog")?.close();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-reader": ClawdbotReader;
  }
}
