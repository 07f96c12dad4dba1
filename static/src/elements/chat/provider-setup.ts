/** `<clawdbot-setup>`: give the gateway a provider key. It is tried, goes there once, and is never shown again. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { Setup } from "../../protocol/types.js";
import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/settings.en.json";
import ko from "../../i18n/settings.ko.json";

import type { Ui } from "../base/ui-context.js";
import { icon } from "../base/more-icons.js";
import { LightElement } from "../base/light-element.js";
import { setApiKey, testApiKey } from "../../state/setup-commands.js";
import { forms } from "../styles/lazy.js";

addTexts({ en, ko });

interface Fault {
  message?: string;
  hint?: string;
}

export class ClawdbotSetup extends LightElement {
  static override sheet = forms;
  static override properties = {
    setup: { attribute: false },
    ui: { attribute: false },
    plain: { type: Boolean },
    busy: { state: true },
    fault: { state: true },
  };

  declare setup: Setup | undefined;
  declare ui: Ui;
  /** Without the explanation: inside the settings. */
  declare plain: boolean;
  declare private busy: boolean;
  /** Why the provider refused the key that was tried last. */
  declare private fault: Fault | null;

  constructor() {
    super();
    this.plain = false;
    this.busy = false;
    this.fault = null;
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
        <input
          id=${id}
          type="password"
          autocomplete="off"
          spellcheck="false"
          placeholder="sk-ant-…"
          aria-invalid=${this.fault ? "true" : "false"}
          aria-describedby=${`${id}-fine`}
          required
          @input=${() => (this.fault = null)}
        />
        <button type="submit" class="button primary" ?disabled=${this.busy}>
          ${this.busy ? t("setup.testing") : t("setup.save")}
        </button>
      </div>
      ${this.fault ? this.refused(this.fault) : nothing}
      <p class="fine" id=${`${id}-fine`}>${t("setup.fine")}</p>
      ${this.plain && this.setup?.needsKey === false ? this.removal() : nothing}
    </form>`;
  }

  private present(): string {
    const { t } = this.ui;
    if (!this.setup) return "";
    return this.setup.needsKey ? t("setup.presentDemo") : t("setup.present", { provider: this.setup.provider });
  }

  private refused({ message, hint }: Fault): TemplateResult {
    const { t } = this.ui;
    return html`<div class="problem" role="alert">
        <p>${t("setup.refused", { reason: message ?? "" })}</p>
        ${hint ? html`<p>${hint}</p>` : nothing}
      </div>
      <button type="button" class="button" ?disabled=${this.busy} @click=${() => void this.store()}>
        ${t("setup.anyway")}
      </button>`;
  }

  private removal(): TemplateResult {
    const { t } = this.ui;
    return html`<div>
      <button type="button" class="button" ?disabled=${this.busy} @click=${() => void this.forget()}>
        ${icon("trash")} ${t("setup.remove")}
      </button>
    </div>`;
  }

  private key(): string {
    return this.querySelector("input")?.value.trim() ?? "";
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    if (this.key() === "" || this.busy) return;
    this.busy = true;
    const testing = testApiKey(this.ui.controller.client, this.key());
    const asked = await this.ui.attempt(testing);
    this.busy = false;
    if (!asked) return;
    const { ok, error } = await testing;
    if (ok) await this.store();
    else this.fault = error ?? {};
  }

  private async store(): Promise<void> {
    const field = this.querySelector("input");
    this.busy = true;
    const saved = await this.ui.attempt(setApiKey(this.ui.controller, this.key()));
    this.busy = false;
    if (!saved) return;
    this.fault = null;
    if (field) field.value = "";
    this.ui.toast({ text: this.ui.t("setup.saved") });
  }

  private async forget(): Promise<void> {
    const { ui } = this;
    this.busy = true;
    const gone = await ui.attempt(setApiKey(ui.controller, null));
    this.busy = false;
    if (gone) ui.toast({ text: ui.t("setup.removed") });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-setup": ClawdbotSetup;
  }
}
