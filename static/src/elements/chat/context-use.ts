/** `<clawdbot-context-use>`: a ring that fills as the conversation takes up the model's window. */
import { html, svg } from "lit";
import type { TemplateResult } from "lit";

import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/context-use.en.json";
import ko from "../../i18n/context-use.ko.json";

import type { Ui } from "../base/ui-context.js";
import { count } from "../base/amounts.js";
import { LightElement } from "../base/light-element.js";
import { sheet } from "../styles/context-use.js";

addTexts({ en, ko });

export class ClawdbotContextUse extends LightElement {
  static override sheet = sheet;
  static override properties = { ui: { attribute: false }, size: { type: Number }, used: { type: Number } };

  declare ui: Ui;
  /** Of the window, in tokens. */
  declare size: number;
  /** Tokens of the conversation. */
  declare used: number;

  protected override render(): TemplateResult {
    const { size, used } = this;
    const { t, locale } = this.ui;
    const share = Math.min(1, used / size);
    const percent = share < 0.01 ? "<1" : String(Math.round(share * 100));
    const label = t("context.use", { percent, used: count(used, locale), size: count(size, locale) });
    const around = 2 * Math.PI * 8;
    return html`<span
      class="context"
      role="img"
      aria-label=${label}
      title=${label}
      data-full=${share > 0.8 ? "true" : "false"}
    >
      ${svg`<svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="8"></circle><circle class="used" cx="10" cy="10" r="8" stroke-dasharray="${Math.max(share, 0.02) * around} ${around}"></circle></svg>`}
      <span aria-hidden="true">${percent}%</span>
    </span>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-context-use": ClawdbotContextUse;
  }
}
