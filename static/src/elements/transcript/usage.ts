/** `<clawdbot-usage>`: the model of a reply, and behind it its tokens and what it cost. */
import { html } from "lit";
import type { TemplateResult } from "lit";

import type { Message } from "../../protocol/types.js";

import type { Ui } from "../base/ui-context.js";
import { count, money } from "../base/amounts.js";
import { LightElement } from "../base/light-element.js";

export class ClawdbotUsage extends LightElement {
  static override properties = { ui: { attribute: false }, message: { attribute: false } };

  declare ui: Ui;
  declare message: Message;

  protected override render(): TemplateResult {
    const { t, locale } = this.ui;
    const { usage, model, demo } = this.message;
    const input = (usage?.input ?? 0) + (usage?.cacheRead ?? 0) + (usage?.cacheWrite ?? 0);
    const cost = usage?.cost?.total ?? 0;
    const facts = [
      t("usage.tokens", { input: count(input, locale), output: count(usage?.output ?? 0, locale) }),
      ...(cost > 0 ? [money(cost, locale)] : []),
    ];
    return html`<details class="usage">
      <summary>${demo ? t("usage.demo") : model}</summary>
      <span>${facts.join(" · ")}</span>
    </details>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-usage": ClawdbotUsage;
  }
}
