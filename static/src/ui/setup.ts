/** `<clawdbot-setup>`: give the gateway a provider key. It goes there once and is never shown again. */
import { html } from "lit";
import type { TemplateResult } from "lit";

import type { Setup } from "../core/protocol.js";
import { addTexts } from "../i18n/index.js";
import en from "../i18n/settings.en.json";
import ko from "../i18n/settings.ko.json";

import type { Ui } from "./context.js";
import { icon } from "./icons.js";
import { LightElement } from "./light.js";
import { forms } from "./styles/lazy.js";

addTexts({ en, ko });

export class ClawdbotSetup extends LightElement {
  static override sheet = forms;
  static override properties = {
    setup: { attribute: false },
    ui: { attribute: false },
    plain: { type: Boolean },
    busy: { state: true },
    saved: { state: true },
  };

  declare setup: Setup | undefined;
  declare ui: Ui;
  /** Without the explanation: inside the settings. */
  declare plain: boolean;
  declare private busy: boolean;
  declare private saved: boolean;

  constructor() {
    super();
    this.plain = false;
    this.busy = false;
    this.saved = false;
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    const id = this.plain ? "api-key-settings" : "api-key";
    const lead = html`<div class="card-title">${icon("key")} ${t("setup.title")}</div>
      <p>${t("setup.lead")}</p>`;
    return html`<form class=${this.plain ? "setup" : "setup card"} @submit=${this.submit}>
      ${this.plain ? html`<p>${this.present()}</p>` : lead}
      <label for=${id}>${t("setup.label")}</label>
      <div class="field-row">
        <input id=${id} type="password" autocomplete="off" spellcheck="false" placeholder="sk-ant-…" required />
        <button type="submit" class="button primary" ?disabled=${this.busy}>${t("setup.save")}</button>
      </div>
      <p class="fine">${this.saved ? t("setup.saved") : t("setup.fine")}</p>
    </form>`;
  }

  private present(): string {
    const { t } = this.ui;
    if (!this.setup) return "";
    return this.setup.needsKey ? t("setup.presentDemo") : t("setup.present", { provider: this.setup.provider });
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const field = this.querySelector("input");
    const key = field?.value.trim() ?? "";
    if (!field || key === "" || this.busy) return;
    this.busy = true;
    this.saved = await this.ui.attempt(this.ui.controller.setApiKey(key));
    this.busy = false;
    if (!this.saved) return;
    field.value = "";
    this.ui.toast({ text: this.ui.t("setup.saved") });
  }
}
