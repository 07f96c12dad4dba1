/** `<clawdbot-error>`: a reply that failed: what happened, what to do, and the raw facts folded away. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { Message } from "../core/protocol.js";
import en from "../i18n/errors.en.json";
import { addTexts } from "../i18n/index.js";
import type { TextKey } from "../i18n/index.js";
import ko from "../i18n/errors.ko.json";

import type { Ui } from "./context.js";
import { icon } from "./icons.js";
import { LightElement } from "./light.js";
import { sheet } from "./styles/errors.js";

addTexts({ en, ko });

const TITLES: Record<string, TextKey> = {
  auth: "error.auth",
  billing: "error.billing",
  rate_limit: "error.rateLimit",
  overloaded: "error.overloaded",
  connect: "error.connect",
  timeout: "error.timeout",
  too_large: "error.tooLarge",
  not_found: "error.notFound",
};

export class ClawdbotError extends LightElement {
  static override sheet = sheet;
  static override properties = {
    message: { attribute: false },
    ui: { attribute: false },
    retryText: { attribute: false },
  };

  declare message: Message;
  declare ui: Ui;
  /** What the Retry button sends; without it there is no button. */
  declare retryText: string | undefined;

  protected override render(): TemplateResult {
    return errorCard(this.ui, this.message, this.retryText);
  }
}

function errorCard(ui: Ui, message: Message, retryText: string | undefined): TemplateResult {
  const { t } = ui;
  const fault = message.error;
  const kind = fault?.kind ?? "";
  const facts = [
    ...(fault?.status ? [`HTTP ${fault.status}`] : []),
    ...(kind ? [kind] : []),
    ...(fault?.requestId ? [fault.requestId] : []),
  ].join(" · ");
  const keyTrouble = kind === "auth" || kind === "billing";
  const detail = message.errorMessage ?? "";
  return html`<div class="card error-card" role="group" aria-label=${t("error.label")}>
    <div class="card-title">${icon("warn")} ${t(TITLES[kind] ?? "error.generic")}</div>
    ${fault?.hint ? html`<p>${withCode(fault.hint)}</p>` : nothing}
    ${
      detail || facts
        ? html`<details>
            <summary>${t("error.details")}</summary>
            <pre tabindex="0">${[detail, facts].filter(Boolean).join("\n")}</pre>
          </details>`
        : nothing
    }
    ${
      retryText === undefined && !keyTrouble
        ? nothing
        : html`<div class="card-actions">
            ${
              retryText === undefined
                ? nothing
                : html`<button type="button" class="button" @click=${() => ui.controller.send(retryText)}>
                    ${icon("retry")} ${t("action.retry")}
                  </button>`
            }
            ${
              keyTrouble
                ? html`<button type="button" class="button" @click=${() => ui.openSettings()}>
                    ${icon("key")} ${t("setup.change")}
                  </button>`
                : nothing
            }
          </div>`
    }
  </div>`;
}

/** A sentence of the gateway's: what stands between backticks is a command or a setting. */
function withCode(text: string): (string | TemplateResult)[] {
  return text.split("`").map((part, place) => (place % 2 ? html`<code>${part}</code>` : part));
}
